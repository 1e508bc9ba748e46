from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facecluster.encoding import resume
from facecluster.encoding.analysis import FACE, Analysis, Row
from facecluster.options import EncodeOptions
from facecluster.table import OK, Settings


def row(path: str | Path, digest: str, n_faces: int = 1) -> Row:
    return str(path), digest, Analysis((3, 4), OK, "", np.nan, 1, np.zeros(n_faces, FACE))


def test_a_stream_has_no_past() -> None:
    with resume.recall(None, EncodeOptions().settings(), fresh=False) as found:
        assert (found.rows, found.known, found.journal) == ([], {}, None)


def test_a_fresh_run_goes_on_only_with_what_a_fresh_run_left() -> None:
    settings = EncodeOptions().settings()
    fresh, usual = (resume._journal_headers(settings, fresh=kind) for kind in (True, False))
    assert len(fresh) == 1
    assert len(usual) == 2
    assert usual[1] == fresh[0] != usual[0]


def test_for_each_new_path_of_a_content_one_that_is_gone_was_renamed(tmp_path: Path) -> None:
    there, one, two = tmp_path / "there.jpg", tmp_path / "1.jpg", tmp_path / "2.jpg"
    there.touch()
    before = [row(there, "a"), row(one, "a"), row(two, "a")]
    assert resume.renamed(before, [row("/new.jpg", "a")]) == {str(one)}
    assert resume.renamed(before, [row("/new.jpg", "a"), row("/newer.jpg", "a")]) == {str(one), str(two)}
    assert resume.renamed(before, [row(there, "a"), row("/new.jpg", "b"), row("/broken.jpg", "")]) == set()
    assert resume.renamed([], before) == resume.renamed(before, []) == set()


def test_a_path_is_replaced_if_its_content_is_nowhere_and_had_faces() -> None:
    before = [row("/1", "a"), row("/2", "b"), row("/3", "c", 0), row("/4", "d")]
    after = [row("/1", "x"), row("/2", "y"), row("/3", "z"), row("/5", "b")]
    assert resume.replaced(before, after) == ("/1",)
    assert resume.replaced([], after) == resume.replaced(before, before) == ()


@pytest.mark.parametrize(
    ("there", "now", "lines"),
    [
        (EncodeOptions(), EncodeOptions(), []),
        (EncodeOptions(attributes=True), EncodeOptions(), ["--attributes: given there, not given now"]),
        (EncodeOptions(), EncodeOptions(mirror=True), ["--mirror: not given there, given now"]),
        (EncodeOptions(), EncodeOptions(encoder="dlib"), ["--encoder: sface there, dlib now"]),
        (EncodeOptions(detector="hog"), EncodeOptions(), ["--detector: hog there, yunet now"]),
        (EncodeOptions(min_face=24), EncodeOptions(max_side=640), ["--max-side: none there, 640 now"]),
    ],
)
def test_differences_are_told_by_option_without_what_follows_from_them(
    there: EncodeOptions, now: EncodeOptions, lines: list[str]
) -> None:
    assert resume._differences(there.settings(), now.settings()) == lines


def test_other_weights_are_told_where_no_option_says_why() -> None:
    now = EncodeOptions().settings()
    there = replace(now, models={**now.models, "sface": "0123456789abcdef"})
    (line,) = resume._differences(there, now)
    assert line.startswith("weights sface (see facecluster models): 0123456789ab there, ")
    assert len(resume._differences(replace(now, models={}), now)) == len(now.models)
    assert "--detector: unknown there, yunet now" in resume._differences(Settings("", "dlib"), now)
