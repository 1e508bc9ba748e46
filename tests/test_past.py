from __future__ import annotations

from pathlib import Path

import numpy as np

from facecluster import past
from facecluster.analysis import FACE, Analysis, Row
from facecluster.options import EncodeOptions
from facecluster.table import OK


def row(path: str | Path, digest: str, n_faces: int = 1) -> Row:
    return str(path), digest, Analysis((3, 4), OK, "", np.nan, 1, np.zeros(n_faces, FACE))


def test_a_stream_has_no_past() -> None:
    with past.recall(None, EncodeOptions().settings(), fresh=False) as found:
        assert (found.rows, found.known, found.journal) == ([], {}, None)


def test_a_fresh_run_goes_on_only_with_what_a_fresh_run_left() -> None:
    settings = EncodeOptions().settings()
    fresh, usual = (past._journal_headers(settings, fresh=kind) for kind in (True, False))
    assert len(fresh) == 1
    assert len(usual) == 2
    assert usual[1] == fresh[0] != usual[0]


def test_for_each_new_path_of_a_content_one_that_is_gone_was_renamed(tmp_path: Path) -> None:
    there, one, two = tmp_path / "there.jpg", tmp_path / "1.jpg", tmp_path / "2.jpg"
    there.touch()
    before = [row(there, "a"), row(one, "a"), row(two, "a")]
    assert past.renamed(before, [row("/new.jpg", "a")]) == {str(one)}
    assert past.renamed(before, [row("/new.jpg", "a"), row("/newer.jpg", "a")]) == {str(one), str(two)}
    assert past.renamed(before, [row(there, "a"), row("/new.jpg", "b"), row("/broken.jpg", "")]) == set()
    assert past.renamed([], before) == past.renamed(before, []) == set()


def test_a_path_is_replaced_if_its_content_is_nowhere_and_had_faces() -> None:
    before = [row("/1", "a"), row("/2", "b"), row("/3", "c", 0), row("/4", "d")]
    after = [row("/1", "x"), row("/2", "y"), row("/3", "z"), row("/5", "b")]
    assert past.replaced(before, after) == ("/1",)
    assert past.replaced([], after) == past.replaced(before, before) == ()
