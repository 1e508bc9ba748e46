from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from commands import on_terminal
from hypothesis import given
from hypothesis import strategies as st
from tables import NOTHING_SAID

from facecluster.cli import main
from facecluster.cli.diff import Changes, Who, compare, report
from facecluster.formats.clusters_json import to_json
from facecluster.identity.changes import Placed
from facecluster.result import Box, Counts, Person, PersonFace, Pose, Result, UnclusteredFace

EVERYTHING = (
    "grown",
    "shrunk",
    "changed",
    "renamed",
    "merged",
    "split",
    "gone",
    "new",
    "moved",
    "only_a",
    "only_b",
)


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["diff", *map(str, arguments)])


def result_of(
    people: Sequence[Sequence[int]], left: Sequence[int] = (), names: dict[int, str] | None = None
) -> Result:
    """A result of faces that are called by numbers; each is in a photo of its own."""

    def about(face: int) -> tuple[str, str, Box, Pose, float]:
        return f"{face:032x}-0", f"/p/{face}.jpg", Box(0, 0, 10, 10), Pose(0, 0, 0), 0.9

    records = tuple(
        Person(
            id=f"person-{i:04d}",
            name=(names or {}).get(i),
            n_faces=len(faces),
            n_photos=len(faces),
            cover=about(faces[0])[0],
            faces=tuple(PersonFace(*about(face), core=True, confidence=90) for face in faces),
        )
        for i, faces in enumerate(people)
    )
    lone = tuple(UnclusteredFace(*about(face), reason="no_match") for face in left)
    return Result(NOTHING_SAID, records, lone, Counts(0, 0, 0, 0, 0, 0, 0, {}))


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, *arguments: Any, **options: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "clusters.json").write_text("".join(to_json(result_of(*arguments, **options))))
        return folder

    return write


def differences(a: Path, b: Path) -> dict[str, Any]:
    result = run(a, b)
    record = json.loads(result.stdout)
    assert result.exit_code == (0 if record["same"] else 3)
    assert record["same"] == (not any(record[kind] for kind in EVERYTHING))
    return {key: value for key, value in record.items() if value and key in EVERYTHING}


def ids(*people: dict[str, Any]) -> list[str]:
    return [person["id"][-1] for person in people]


def test_same_result_is_no_difference(write: Write) -> None:
    a = write("a", [[1, 2, 3], [4, 5]], [6])
    result = run(a, a / "clusters.json")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert record["same"] is True
    assert (record["a"], record["b"], record["n_both"]) == (str(a), str(a / "clusters.json"), 6)
    assert [pair["shared"] for pair in record["unchanged"]] == [3, 2]
    assert result.stderr == (
        "people: 2 in A, 2 in B; 2 unchanged\nfaces: 6 in both, 0 only in A, 0 only in B; 0 moved\n"
    )
    assert run(a, a, "-q").stderr == ""


def test_numbers_of_people_are_no_difference(write: Write) -> None:
    assert differences(write("a", [[1, 2], [3, 4]]), write("b", [[4, 3], [2, 1]])) == {}


def test_grown_and_shrunk_people(write: Write) -> None:
    a = write("a", [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], [13, 14])
    b = write("b", [[1, 2, 3, 4, 13, 20], [5, 6, 7], [9, 10, 11, 14]], [8, 12])
    found = differences(a, b)
    assert sorted(found) == ["changed", "grown", "moved", "only_b", "shrunk"]
    numbers = {
        kind: [(x["shared"], x["left"], x["joined"]) for x in found[kind]]
        for kind in ("grown", "shrunk", "changed")
    }
    assert numbers == {"grown": [(4, 0, 2)], "shrunk": [(3, 1, 0)], "changed": [(3, 1, 1)]}
    moves = {(Path(m["photo"]).stem, m["a"], m["b"]) for m in found["moved"]}
    assert moves == {
        ("13", None, "person-0000"), ("14", None, "person-0002"),
        ("8", "person-0001", None), ("12", "person-0002", None),
    }  # fmt: skip
    assert [(face["photo"], face["person"]) for face in found["only_b"]] == [("/p/20.jpg", "person-0000")]


def test_merged_and_split_people(write: Write) -> None:
    one, three = write("one", [[1, 2, 3, 4, 5]]), write("three", [[1, 2], [3, 4], [5]])
    merged, split = differences(three, one)["merged"], differences(one, three)["split"]
    assert [ids(*m["a"], m["b"]) for m in merged] == [["0", "1", "2", "0"]]
    assert [ids(s["a"], *s["b"]) for s in split] == [["0", "0", "1", "2"]]
    assert merged[0]["shared"] == split[0]["shared"] == [2, 2, 1]


def test_appeared_and_vanished_people(write: Write) -> None:
    a, b = write("a", [[1, 2], [3, 4]], [5, 6]), write("b", [[1, 2], [5, 6], [7, 8]], [3])
    found = differences(a, b)
    assert ids(*found["gone"]) == ["1"]
    assert ids(*found["new"]) == ["1", "2"]
    assert [face["photo"] for face in found["only_a"]] == ["/p/4.jpg"]
    assert [face["photo"] for face in found["only_b"]] == ["/p/7.jpg", "/p/8.jpg"]
    assert len(found["moved"]) == 3


def test_a_face_that_moved_from_one_to_another(write: Write) -> None:
    a, b = write("a", [[1, 2, 3, 4], [5, 6, 7]]), write("b", [[1, 2, 3], [4, 5, 6, 7]])
    found = differences(a, b)
    assert sorted(found) == ["grown", "moved", "shrunk"]
    assert found["moved"] == [
        {"id": f"{4:032x}-0", "photo": "/p/4.jpg", "a": "person-0000", "b": "person-0001"}
    ]


def test_another_name_is_a_difference(write: Write) -> None:
    a, b = write("a", [[1, 2], [3, 4]], names={0: "Anna"}), write("b", [[1, 2], [3, 4]], names={0: "Ann"})
    found = differences(a, b)
    assert list(found) == ["renamed"]
    assert [(x["a"]["name"], x["b"]["name"]) for x in found["renamed"]] == [("Anna", "Ann")]


def test_empty_results(write: Write) -> None:
    nobody, somebody = write("nobody", []), write("somebody", [[1, 2]], [3])
    assert differences(nobody, nobody) == {}
    assert sorted(differences(nobody, somebody)) == ["new", "only_b"]
    assert sorted(differences(somebody, nobody)) == ["gone", "only_a"]


faces = st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), max_size=25)


def compared(persons_a: list[int], persons_b: list[int]) -> Changes:
    """Compare two results of the same faces; -1 is in nobody's, -2 is not there."""

    def result(persons: list[int]) -> tuple[Placed, list[Who]]:
        there = [i for i, person in enumerate(persons) if person > -2]
        used = sorted({person for person in persons if person >= 0})
        number = {person: i for i, person in enumerate(used)} | {-1: -1}
        faces = Placed(
            [f"{i}-0" for i in there],
            [f"/{i}" for i in there],
            np.tile([0.0, 0, 1, 1], (len(there), 1)),
            np.tile([0.0, 0, 1, 1], (len(there), 1)),
            np.zeros(len(there), dtype=np.int64),
            np.full(len(there), np.nan),
            np.full(len(there), -1),
            np.array([number[persons[i]] for i in there], dtype=np.int64),
            np.ones(len(there)),
        )
        return faces, [Who(str(person), None, persons.count(person)) for person in used]

    return compare(*result(persons_a), *result(persons_b))


@given(faces)
def test_the_reverse_exchanges_both_sides(faces: list[tuple[int, int]]) -> None:
    a, b = [x for x, _ in faces], [y for _, y in faces]
    there, back = compared(a, b), compared(b, a)
    for kind, reverse in (
        ("unchanged", "unchanged"),
        ("grown", "shrunk"),
        ("shrunk", "grown"),
        ("changed", "changed"),
    ):
        reversed_pairs = {
            replace(x, a=x.b, b=x.a, left=x.joined, joined=x.left) for x in getattr(back, reverse)
        }
        assert set(getattr(there, kind)) == reversed_pairs
    assert {(m.b, m.a, m.shared) for m in there.merged} == {(s.a, s.b, s.shared) for s in back.split}
    assert (there.gone, there.new) == (back.new, back.gone)
    assert (there.only_a, there.only_b) == (back.only_b, back.only_a)
    assert {replace(m, a=m.b, b=m.a) for m in there.moved} == set(back.moved)
    assert there.same == back.same
    assert compared(a, a).same


@given(faces)
def test_everybody_is_told_of_and_nobody_is_both_here_and_gone(faces: list[tuple[int, int]]) -> None:
    a = [x for x, _ in faces]
    changes = compared(a, [y for _, y in faces])
    one_to_one = [x.a.id for x in (*changes.unchanged, *changes.grown, *changes.shrunk, *changes.changed)]
    several = {s.a.id for s in changes.split} | {who.id for m in changes.merged for who in m.a}
    gone = [who.id for who in changes.gone]
    assert len(set(one_to_one) | several | set(gone)) == len(one_to_one) + len(several) + len(gone)
    assert set(one_to_one) | several | set(gone) == {str(person) for person in a if person >= 0}


# --------------------------------------------------------------------------------------------------- messages


def test_a_terminal_gets_lines(write: Write) -> None:
    a = write("a", [[1, 2, 3, 4], [5, 6], [7, 8]], [9, 10], names={0: "An\x1bna"})
    b = write("b", [[1, 2, 3], [5, 6, 7, 8], [9, 10]], [4])
    exit_code, shown, stderr = on_terminal("diff", a, b)
    assert exit_code == 3
    assert shown.splitlines() == [
        "shrunk     person-0000 (An\\x1bna) -> person-0000: 1 face less",
        "renamed    person-0000 (An\\x1bna) -> person-0000",
        "merged     person-0001 [2] + person-0002 [2] -> person-0001",
        "new        person-0002, 2 faces",
        "moved      1 face: person-0000 -> nobody",
    ]
    assert stderr.splitlines()[0] == "people: 3 in A, 3 in B; 1 shrunk, 1 renamed, 1 merged, 1 new"
    assert on_terminal("diff", a, a, "-q") == (0, "", "")
    assert json.loads(on_terminal("diff", a, b, "--json")[1])["same"] is False


def test_long_lists_are_cut_on_a_terminal() -> None:
    lines = report(compared([-2] * 30, list(range(30))))
    assert [line for line in lines if line.startswith("new")][-1] == "new        ... and 10 more, see --json"


def test_what_cannot_be_read_is_told(write: Write, tmp_path: Path) -> None:
    a = write("a", [[1, 2]])
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "faces.npz").write_bytes(b"PK\x03\x04")
    for other, message in [
        ("gone", "gone: cannot be read: No such file"),
        ("empty", "empty: holds no clusters.json"),
        ("broken.json", "broken.json: not JSON"),
        ("faces.npz", "faces.npz: not JSON"),
    ]:
        for arguments in ((a, tmp_path / other), (tmp_path / other, a)):
            result = run(*arguments)
            assert (result.exit_code, result.stdout) == (1, "")
            assert message in result.stderr
    assert run(a).exit_code == 2
