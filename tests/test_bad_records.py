"""Files of a library that somebody edited wrongly, or made to harm: one sentence, and nothing is touched or lost."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from libraries import cluster_table
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable.own_list import RESULT_MARKER, OwnList, last_write
from facecluster.encoding.analysis import unpack
from facecluster.encoding.resume import Journal
from facecluster.errors import FaceclusterError, OutputError
from facecluster.formats import decisions_jsonl, face_table, forgotten_jsonl
from facecluster.formats.clusters_json import read_result
from facecluster.formats.labels_csv import read_labels
from facecluster.library.pending import Notes, ToTell
from facecluster.library.settings import Choices


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of two people, one with a name."""
    directory = tmp_path_factory.mktemp("library")
    table = make_table(people(2, 4))
    face_table.write(table, directory / "faces.npz")
    cluster_table(table, directory, Choices(link="none"), source=str(directory / "faces.npz"))
    run("name", directory, "person-0001", "Anna")
    return directory


def run(*arguments: object, code: int = 0) -> str:
    """Standard error of a command; no traceback."""
    found = CliRunner().invoke(main, [*map(str, arguments)])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    assert found.exit_code == code, found.output
    return found.stderr


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.is_file() and not path.name.startswith(".face")
    }


def changed(file: Path, path: str, value: object) -> bytes:
    """The record with something else at a place like "people.0.faces.0.box"."""
    record = json.loads(file.read_bytes())
    holder, *_, last = record, *path.split(".")
    for key in path.split(".")[:-1]:
        holder = holder[int(key) if key.isdigit() else key]
    holder[int(last) if last.isdigit() else last] = value
    return json.dumps(record).encode()


# --------------------------------------------------------------------------------------------------- clusters.json


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("people.0.faces", [], "has 0 faces, not 4"),
        ("people.0.n_faces", 3, "has 4 faces, not 3"),
        ("people.0.n_faces", -1, "not -1"),
        ("people.0.cover", "x-0", "none of its faces"),
        ("people.0.id", "person-0002", "two people have the same id"),
        ("people.0.id", "../../etc", "no id of a person"),
        ("people.0.id", "/etc", "no id of a person"),
        ("people.0.id", "a\\b", "no id of a person"),
        ("people.0.id", "", "no id of a person"),
        ("people.0.id", "p" * 300, "no id of a person"),
        ("people.0.id", "a\nb", "no id of a person"),
        ("people.0.id", "..", "no id of a person"),
        ("people.0.faces.0.confidence", 1e308, "confidence"),
        ("people.0.faces.0.pose.yaw", -1e308, "yaw"),
        ("people.0.name", "a\0b", "has a zero"),
        ("people.0.name", "\ud83d", "half a letter"),
        ("people.0.faces.0.photo", "/a\0b", "has a zero"),
        ("people.0.faces.0.photo", "/\ud800", "half a letter"),
        ("people.0.faces.0.box", [0, 0, 1e300, 1e300], "box"),
        ("people.0.faces.0.box", [-(10**400), 0, 1, 1], "damaged"),
        ("settings.table", "\0", "has a zero"),
        ("settings.sources", ["/\ud800"], "half a letter"),
        ("next_id", 10**30, "damaged"),
        ("next_id", 2**40, "next_id"),
        ("next_id", -5, "next_id"),
        ("absent", [{"id": "../x", "n_faces": 1, "faces": []}], "no id of a person"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(
    good: Path, tmp_path: Path, path: str, value: object, message: str
) -> None:
    file = tmp_path / "clusters.json"
    file.write_bytes(changed(good / "clusters.json", path, value))
    with pytest.raises(FaceclusterError, match=rf"clusters\.json: .*{re.escape(message)}"):
        read_result(file)


def test_a_backslash_before_u0000_is_no_zero(good: Path, tmp_path: Path) -> None:
    file = tmp_path / "clusters.json"
    file.write_bytes(changed(good / "clusters.json", "people.0.name", "a\\u0000b"))
    assert read_result(file).people[0].name == "a\\u0000b"


def test_long_numbers_in_ids_count_for_nothing(good: Path, tmp_path: Path) -> None:
    file = tmp_path / "clusters.json"
    file.write_bytes(
        changed(good / "clusters.json", "people.0.former", ["person-" + "9" * 30, "person-" + "9" * 5000])
    )
    assert read_result(file).next_id == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b'"faces"', b'"face"'),
        lambda content: content.replace(b"person-0001", b"../../../x"),
        lambda content: b'{"format": 99, "people": [], "unclustered": []}',
        lambda content: b"[" * 200_000,
        lambda content: b"\x80\x04]." + content,
    ],
)
def test_no_verb_changes_a_library_whose_record_is_damaged(
    good: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = good / "clusters.json"
    kept = file.read_bytes()
    file.write_bytes(damage(kept))
    before = contents(good)
    try:
        table = good / "faces.npz"
        for verb in (
            ["show", good], ["list", good], ["audit", good, "--labels", "names"], ["history", good],
            ["diff", good, good], ["evaluate", good, "--labels", "folder"], ["explain", good, "person-0001"],
            ["search", table, "--in", good], ["name", good, "person-0001", "B"], ["undo", good],
            ["forget", good, "--person", "person-0001", "-y"],
        ):  # fmt: skip
            assert "clusters.json" in run(*verb, code=1)
        assert contents(good) == before
    finally:
        file.write_bytes(kept)


# -------------------------------------------------------------------------------------------- decisions, forgotten

LINE = {
    "format": 1,
    "id": "0000000a",
    "time": "2024-01-01T00:00:00Z",
    "do": "name",
    "person": "person-0001",
    "name": "B",
    "faces": [],
}


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[]", b"7", b'"x"', b"null", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
        json.dumps(LINE | {"name": "a\0b"}).encode(), json.dumps(LINE | {"name": "\ud800"}).encode(),
        json.dumps(LINE | {"id": "\udcff"}).encode(), json.dumps(LINE | {"id": 7}).encode(),
        json.dumps(LINE | {"faces": [["a", [0, 0, 1e300, 1e300]]]}).encode(),
        json.dumps(LINE | {"faces": [["a", [0, 0, 1]]]}).encode(), json.dumps(LINE | {"do": "run"}).encode(),
        json.dumps(LINE | {"format": 10**30}).encode(), json.dumps(LINE).encode()[:-1] + b', "x": "\xe1"}',
        pytest.param(json.dumps(LINE | {"format": 3}).encode(), id="newer"),
    ],
)  # fmt: skip
def test_a_line_of_decisions_that_is_none_is_told_and_changes_nothing(good: Path, line: bytes) -> None:
    file = good / "decisions.jsonl"
    kept = file.read_bytes()
    file.write_bytes(kept + line + b"\n" + json.dumps(LINE).encode() + b"\n")
    before = contents(good)
    try:
        for verb in (
            ["name", good, "person-0002", "C"],
            ["cluster", good / "faces.npz", "-o", good],
            ["history", good],
        ):
            assert "decisions.jsonl:2: " in run(*verb, code=1)
        assert contents(good) == before
        assert "Anna" in CliRunner().invoke(main, ["show", str(good)]).stdout
    finally:
        file.write_bytes(kept)
    assert [decision.act.name for decision in decisions_jsonl.read(file)] == ["Anna"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"[" * 100_000, b'{"photo": "a\\u0000", "pixels": "", "looks": "0", "size": [1, 1], "box": null}',
        b'{"photo": "a", "pixels": "", "looks": "z", "size": [1, 1], "box": null}',
        b'{"photo": "a", "pixels": "", "looks": "0", "size": [1], "box": null}',
        b'{"photo": "a", "pixels": "", "looks": "0", "size": [1, 1], "box": [0, 0, 1e300, 1]}',
        b'{"photo": "a", "pixels": "", "looks": "0", "size": [1, 1], "box": null, "time": 1e999}',
    ],
)  # fmt: skip
def test_a_line_of_what_is_forgotten_that_is_none_is_told(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "forgotten.jsonl"
    file.write_bytes(line + b"\n{}\n")
    with pytest.raises(FaceclusterError, match=r"forgotten\.jsonl:1: not a forgotten face.*mend the line"):
        forgotten_jsonl.read(file)


# --------------------------------------------------------------------------------------- our files, undo, journals


def test_strange_lines_of_our_files_are_about_none(tmp_path: Path) -> None:
    entry: dict[str, Any] = {"kind": "file", "source": "", "size": 1, "mtime_ns": 1}
    paths = [
        "../x",
        "/etc/passwd",
        "a/b/c",
        "..",
        ".",
        "",
        "a/..",
        "a\0b",
        "\ud800",
        "a//b",
        7,
        None,
        ["a"],
    ]
    lines = [json.dumps({"path": path} | entry).encode() for path in paths]
    lines += [json.dumps({"renamed": [path, "ok"]}).encode() for path in paths]
    lines += [json.dumps({"renamed": ["ok", path], "done": True}).encode() for path in paths]
    lines += [json.dumps({"path": "ok"} | entry | change).encode() for change in (
        {"kind": "folder"}, {"size": None}, {"size": 1.5}, {"source": 7}, {"mtime_ns": []}
    )]  # fmt: skip
    lines += [
        b"[" * 100_000,
        b'{"path": "ok"',
        b"null",
        b"7",
        b"\xff",
        b'{"begun": [{"a": []}]}',
        b'{"done": ["x"]}',
    ]
    (tmp_path / RESULT_MARKER).write_bytes(b'{"format": 2, "lines": 0}\n' + b"\n".join(lines) + b"\n")
    for names in (None, ["ok"]):
        assert OwnList(tmp_path, names).candidates == {}
    last_write(tmp_path)


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b"7", b"[]", b"null", b'{"decision": 7}', b"\xff", b'{"decision": "%s", "stamp": []}'],
)
def test_a_note_for_undo_that_is_none_does_not_count(good: Path, line: bytes) -> None:
    run("name", good, "person-0002", "Bert")
    last = decisions_jsonl.read(good / "decisions.jsonl")[-1].id
    (good / ".facecluster-undo.jsonl").write_bytes(line.replace(b"%s", last.encode()) + b"\n")
    run("undo", good)
    assert [person.name for person in read_result(good / "clusters.json").people] == ["Anna", None]


def journal(path: Path, head: str, *records: bytes) -> None:
    framed = b"".join(struct.pack("<II", len(record), zlib.crc32(record)) + record for record in records)
    path.write_bytes(head.encode() + b"\n" + framed)


STRANGE = [
    b"", b"x", b"null", b"7", b"[]", b"{}", b"[" * 100_000, b"\xff\n", b'{"batch": "a", "began": 1.0, "gone": []}\nPK',
    b'{"batch": "a", "began": 1.0, "gone": [7]}\n', b'{"before": 1}\n[7]', b'{"before": 1}\n[["a", "b", [1], null]]',
    b'{"batch": "a", "notices": [7]}', b'{"batch": "a", "notices": [["{}", {}]], "format": 2}',
    b'{"batch": "a", "notices": [["x", {"A": 7}]]}', b'{"batch": "a", "notices": [["[]", {}]]}',
    b'["a", "b", [1, 1], "ok", "", 1.0, 1, []]\n123', b'["\xc3\xa9", "b", [1, 1], "ok", "", 1.0, 1, []]\n',
    b'["a", "b", [1, 1], "fine", "", 1.0, 1, []]\n', b'["a", "b", [1, 1], "ok", "", 1.0, -1, []]\n',
    b'["a", "b", [1, 99999999999], "ok", "", 1.0, 1, []]\n', b'["a", "b", [1, 1], "ok", "\\u0000", 1.0, 1, []]\n',
]  # fmt: skip


@pytest.mark.parametrize("record", STRANGE)
def test_a_whole_record_of_a_journal_that_is_none_of_ours_is_told_and_stays(
    tmp_path: Path, record: bytes
) -> None:
    def arrivals() -> None:
        with Notes(tmp_path) as notes:
            notes.read()

    def told() -> None:
        with ToTell(tmp_path) as to_tell:
            to_tell.read()

    def partial() -> None:
        with Journal(tmp_path / "f.npz.partial", '{"settings": 1}') as file:
            [*file.replay_as(unpack)]

    for name, head, read in (
        ("arrivals.journal", '{"arrivals": 1}', arrivals),
        ("watch.journal", '{"journal of watch": 2}', told),
        ("f.npz.partial", '{"settings": 1}', partial),
    ):
        journal(tmp_path / name, head, record)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OutputError, match=rf"{name}: damaged, or not written by facecluster"):
            read()
        assert (tmp_path / name).read_bytes() == before


def test_a_library_with_such_a_journal_is_shown_and_not_changed(good: Path) -> None:
    journal(good / "arrivals.journal", '{"arrivals": 1}', b"[]")
    before = contents(good)
    try:
        run("show", good)
        assert "arrivals.journal" in run("name", good, "person-0002", "C", code=1)
        assert contents(good) == before
    finally:
        (good / "arrivals.journal").unlink()


# ----------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "content",
    [
        b"photo,label\na\0b,Anna\n", b"photo,label\na,An\0na\n",
        b"photo,left,top,right,bottom,label\na,1e999,0,1,1,A\n",
        b"photo,left,top,right,bottom,label\na,nan,0,1,1,A\n",
        b"photo,left,top,right,bottom,label\na,\x1b[2J,0,1,1,A\n",
        b'photo,label\n"a', b"photo,label\na,b,c\n", b"", b"\0", b"photo,label\n" + b"x" * 200_000 + b",A\n",
    ],
)  # fmt: skip
def test_labels_that_are_none_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(FaceclusterError, match=r"labels\.csv") as caught:
        read_labels(tmp_path / "labels.csv")
    assert str(caught.value).isprintable()
