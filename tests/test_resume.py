from __future__ import annotations

from dataclasses import replace

import pytest

from facecluster.encoding import resume
from facecluster.options import EncodeOptions
from facecluster.table import Settings


def test_a_stream_has_no_past() -> None:
    with resume.recall(None, EncodeOptions().settings(), fresh=False) as found:
        assert (found.rows, found.by_coded, found.journal) == ([], {}, None)


def test_a_fresh_run_goes_on_only_with_what_a_fresh_run_left() -> None:
    settings = EncodeOptions().settings()
    fresh, usual = (resume._journal_headers(settings, fresh=kind) for kind in (True, False))
    assert len(fresh) == 1
    assert len(usual) == 2
    assert usual[1] == fresh[0] != usual[0]


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
