from __future__ import annotations

from pathlib import Path

import pytest

from facecluster.errors import FaceclusterError
from facecluster.formats.forgotten_jsonl import Place, append, list_of, read

A = Place("a" * 32, "b" * 32, 2**63 + 5, (640, 480), (1.5, 2.0, 30.25, 40.0))
B = Place("c" * 32, "", 0, (0, 0), None)
C = Place("d" * 32, "", 7, (640, 480), None, 1.7e9)


def test_places_that_are_written_are_read(tmp_path: Path) -> None:
    file = tmp_path / "forgotten.jsonl"
    assert read(file) == []
    append(file, [A])
    append(file, [B, A])
    append(file, [])
    assert read(file) == [A, B]


def test_a_line_that_was_cut_short_does_not_count_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = tmp_path / "forgotten.jsonl"
    append(file, [A, B])
    whole = file.read_bytes()
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        found = read(file)
        assert found in ([], [A], [A, B])
        append(file, [B])
        assert read(file) == list(dict.fromkeys([*found, B]))


def test_a_line_that_was_cut_short_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "forgotten.jsonl"
    append(file, [A, B])
    file.write_bytes(file.read_bytes()[:-20])
    assert read(file) == [A]
    assert "line 2 is cut short" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "1",
        '{"photo": 1}',
        '{"format": 3}',
        "x",
        '{"photo": "a", "pixels": "", "looks": "0", "size": [1]}',
        '{"photo": "a", "pixels": "", "looks": "0", "size": [1, 1000000000000000000000000000000], "box": null}',
    ],
)
def test_a_line_that_is_no_place_is_an_error_that_says_what_to_do(tmp_path: Path, line: str) -> None:
    file = tmp_path / "forgotten.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(FaceclusterError, match=r"forgotten.jsonl:1: .*(mend|upgrade)"):
        read(file)


def test_no_encoding_is_in_the_list(tmp_path: Path) -> None:
    file = tmp_path / "forgotten.jsonl"
    append(file, [A, B])
    assert max(map(len, file.read_bytes().split(b"\n"))) < 250


def test_a_table_has_a_list_of_its_own() -> None:
    assert list_of(Path("/p/people/faces.npz")) == Path("/p/people/forgotten.jsonl")
    assert list_of(Path("/p/members.npz")) == Path("/p/members.npz.forgotten.jsonl")


def test_list_of_an_editor_is_read(tmp_path: Path) -> None:
    """Byte order mark, Windows ends of lines, empty lines, a whole number where a fraction may be."""
    file = tmp_path / "forgotten.jsonl"
    append(file, [A, B])
    text = file.read_text("ascii").replace("2.0", "2").replace("\n", "\r\n\r\n")
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(file) == [A, B]


def test_the_time_of_a_photo_is_kept_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "forgotten.jsonl"
    append(path, [C, B])
    assert read(path) == [C, B]
    assert "time" not in path.read_text().splitlines()[1]
