from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from click.testing import CliRunner
from commands import on_terminal, refused
from tables import make_table
from test_explain import at, result_of

from facecluster.cli import main
from facecluster.formats import face_table
from facecluster.formats.clusters_json import to_json
from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST, FaceTable

POINTS = (0, 0.1, 0.2, 0.6, 5, 5.1, 5.2, 9)
FACE = [f"{i:032x}-0" for i in range(8)]


def run(*arguments: object, stdin: bytes | None = None) -> click.testing.Result:
    return CliRunner().invoke(main, [*map(str, arguments)], input=stdin)


def found(*arguments: object, code: int = 0, stdin: bytes | None = None) -> list[dict[str, Any]]:
    result = run("search", *arguments, stdin=stdin)
    assert result.exit_code == code, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


error = partial(refused, run)


@pytest.fixture
def table() -> FaceTable:
    """anna four times, bert three times, a face that lies with him, and one that nobody knows."""
    names = ["anna"] * 4 + ["bert"] * 4
    return make_table(at(*POINTS), paths=[f"/photos/{name}/{i}.jpg" for i, name in enumerate(names)], id=FACE)


@pytest.fixture
def file(table: FaceTable, tmp_path: Path) -> Path:
    face_table.write(table, tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


@pytest.fixture
def result(table: FaceTable, tmp_path: Path) -> Path:
    """Two people, of whom one has a name, with the table beside it."""
    folder = tmp_path / "r"
    folder.mkdir()
    made = result_of(table, [0, 0, 0, 0, 1, 1, 1, -1], [0, 1, 2, 4, 5, 6])
    made = replace(made, people=(replace(made.people[0], name="Anna Berg"), made.people[1]))
    (folder / "clusters.json").write_text("".join(to_json(made)))
    face_table.write(table, folder / "faces.npz")
    return folder


@pytest.fixture
def query(tmp_path: Path) -> Path:
    """A face like anna's, and, in one photo, one like bert's and one like nobody's."""
    table = make_table(
        at(0.05, 5.3, -7), photo=[0, 1, 1], paths=["/new/a.jpg", "/new/b.jpg"],
        box=[[100, 100, 200, 200], [100, 100, 200, 200], [100, 100, 300, 300]],
    )  # fmt: skip
    face_table.write(table, tmp_path / "query.npz")
    return tmp_path / "query.npz"


# ---------------------------------------------------------------------------------------------------- search


def test_people_of_a_result(result: Path, query: Path) -> None:
    anna, bert, nobody = found("--faces", query, "--in", result)
    assert anna["photo"] == "/new/a.jpg"
    assert (anna["status"], anna["reason"], anna["face"], anna["box"]) == (
        "ok",
        None,
        1,
        [100, 100, 200, 200],
    )
    (match,) = anna["matches"]
    assert (match["person"], match["name"], match["n_faces"]) == ("person-0001", "Anna Berg", 3)
    assert match["distance"] == pytest.approx(np.sqrt((0.05**2 + 0.05**2 + 0.15**2) / 3), abs=1e-6)
    assert match["within"] == pytest.approx(2)  # of the result
    assert 99.9 < match["confidence"] <= 100
    assert match["face"] == {
        "id": FACE[0],
        "photo": "/photos/anna/0.jpg",
        "box": [100, 200, 200, 300],
        "distance": pytest.approx(0.05),
    }
    assert anna["nearest"] is None
    assert [match["person"] for match in bert["matches"]] == ["person-0002"]
    assert (nobody["face"], nobody["matches"]) == (2, [])
    assert nobody["nearest"]["person"] == "person-0001"
    assert nobody["nearest"]["distance"] > 7
    assert nobody["nearest"]["confidence"] == 0


def test_clusters_json_is_a_result_too(result: Path, query: Path) -> None:
    assert found("--faces", query, "--in", result / "clusters.json") == found(
        "--faces", query, "--in", result
    )


def test_summary_counts(result: Path, query: Path) -> None:
    told = run("search", "--faces", query, "--in", result)
    assert told.stderr == "3 faces in 2 photos looked for among 2 people: 2 found, 1 of no one here\n"
    assert run("search", "--faces", query, "--in", result, "-q").stderr == ""


def test_largest_is_one_face_a_photo(result: Path, query: Path) -> None:
    told = found("--faces", query, "--in", result, "--largest")
    assert [(line["photo"], line["face"]) for line in told] == [("/new/a.jpg", 1), ("/new/b.jpg", 2)]


def test_faces_of_a_result_say_whose_they_are(result: Path, query: Path) -> None:
    anna = found("--faces", query, "--in", result, "--by", "face", "-k", 2)[0]
    assert [(match["person"], match["face"]["id"]) for match in anna["matches"]] == [
        ("person-0001", FACE[0]), ("person-0001", FACE[1])
    ]  # fmt: skip


def test_faces_of_a_table(file: Path, query: Path) -> None:
    anna, bert, nobody = found("--faces", query, "--in", file, "-k", 3)
    assert [match["face"]["id"] for match in anna["matches"]] == FACE[:3]
    assert [match["face"]["id"] for match in bert["matches"]] == [FACE[6], FACE[5], FACE[4]]
    assert {match["name"] for match in bert["matches"]} == {None}
    assert nobody["nearest"]["face"]["id"] == FACE[0]


def test_min_score_takes_the_place_of_the_radius(file: Path, query: Path) -> None:
    anna, *_ = found("--faces", query, "--in", file, "--min-score", 0, "-k", 20)
    assert len(anna["matches"]) == 8
    confidences = [match["confidence"] for match in anna["matches"]]
    assert confidences == sorted(confidences, reverse=True)
    assert found("--faces", query, "--in", file, "--min-score", 100, code=3)[0]["matches"] == []


def test_labels_are_folders(file: Path, query: Path) -> None:
    anna, bert, _ = found("--faces", query, "--in", file, "--labels", "folder", "--min-score", 0)
    assert [(match["name"], match["n_faces"]) for match in anna["matches"]] == [("anna", 4), ("bert", 4)]
    assert anna["matches"][0]["person"] is None
    assert bert["matches"][0]["name"] == "bert"


def test_labels_are_rows_of_a_file(file: Path, query: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(f"face,label\n{FACE[0]},Anna\n{FACE[4]},Bert\nabc,Carl\n")
    told = run("search", "--faces", query, "--in", file, "--labels", labels)
    first = json.loads(told.stdout.splitlines()[0])
    assert [(match["name"], match["n_faces"]) for match in first["matches"]] == [("Anna", 1)]
    assert "no face for 1 of 3 labels, the first in line 4: abc" in told.stderr
    faces = found("--faces", query, "--in", file, "--labels", labels, "--by", "face", "-k", 2)[0]
    assert [match["name"] for match in faces["matches"]] == ["Anna", None]


def test_only_people_with_names(result: Path, query: Path) -> None:
    told = found("--faces", query, "--in", result, "--labels", "names")
    assert [[match["name"] for match in line["matches"]] for line in told] == [["Anna Berg"], [], []]


def test_a_face_of_the_result_does_not_find_itself(result: Path) -> None:
    (told,) = found("--face", FACE[0][:32], "--in", result)
    assert (told["photo"], told["face"], told["id"]) == ("/photos/anna/0.jpg", 1, FACE[0])
    assert told["matches"][0]["n_faces"] == 2
    assert told["matches"][0]["face"]["id"] == FACE[1]
    (told,) = found("--face", "/photos/bert/7.jpg", "--in", result, "--by", "face", code=3)
    assert told["nearest"]["face"]["id"] == FACE[6]


def test_nobody_at_all_is_exit_code_3(result: Path, tmp_path: Path) -> None:
    face_table.write(make_table(at(-50)), tmp_path / "stranger.npz")
    (told,) = found("--faces", tmp_path / "stranger.npz", "--in", result, code=3)
    assert told["matches"] == []


def test_empty_tables_find_nobody(query: Path, tmp_path: Path) -> None:
    face_table.write(make_table(np.empty((0, 128))), tmp_path / "empty.npz")
    told = found("--faces", query, "--in", tmp_path / "empty.npz", code=3)
    assert [(line["matches"], line["nearest"]) for line in told] == [([], None)] * 3
    assert found("--faces", tmp_path / "empty.npz", "--in", query, code=3) == []


def test_tables_come_from_pipes(file: Path, query: Path) -> None:
    told = found("--faces", query, "--in", file)
    assert found("--faces", "-", "--in", file, stdin=query.read_bytes()) == told
    assert found("--faces", query, "--in", "-", stdin=file.read_bytes()) == told


def test_encoders_that_differ_are_an_error(query: Path, tmp_path: Path) -> None:
    face_table.write(make_table(at(0), encoder="dlib"), tmp_path / "dlib.npz")
    message = error(1, "search", "--faces", query, "--in", tmp_path / "dlib.npz")
    assert f"{query}: encoded by 'sface', the faces that are searched by 'dlib'" in message
    face_table.write(make_table(at(0), encoder="other"), tmp_path / "other.npz")
    assert "other.npz: the faces were encoded by 'other'" in error(
        1, "search", "--faces", query, "--in", tmp_path / "other.npz"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "whom to look for?"),
        (["a.jpg", "--faces", "{query}"], "PHOTO and --faces: give one of them"),
        (["--face", "abc", "--faces", "{query}"], "--faces and --face: give one of them"),
        (["--face", "abcdef"], "--face is of a result"),
        (["--faces", "{query}", "--by", "person"], "say it with --labels"),
        (["--faces", "{query}", "--labels", "names"], "a face table has no names"),
        (["--faces", "{query}", "--label-face", "all"], "--label-face is about --labels"),
        (["--faces", "{query}", "--table", "x.npz"], "leave --table x.npz out"),
        (["a.jpg", "-0"], "-0 is about the list"),
        (["--faces", "{query}", "--min-score", "nan"], "nan is no finite number"),
        (["--faces", "{query}", "--labels", ""], "an empty name of labels"),
    ],
)
def test_arguments_that_make_no_sense(file: Path, query: Path, arguments: list[str], message: str) -> None:
    assert message in error(2, "search", "--in", file, *(text.format(query=query) for text in arguments))


def test_a_result_has_no_other_labels(result: Path, query: Path) -> None:
    assert "says itself who is who" in error(
        2, "search", "--faces", query, "--in", result, "--labels", "folder"
    )
    assert "leave --labels out (or names)" in error(2, "list", result, "--labels", "folder")
    assert "leave --label-face out" in error(2, "list", result, "--label-face", "all")


def test_one_standard_input_is_not_two(query: Path) -> None:
    assert "only one of the two" in error(2, "search", "--faces", "-", "--in", "-")
    assert "only one of the two" in error(2, "search", "-", "--in", "-")


def test_labels_of_other_faces_are_an_error(file: Path, query: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("face,label\nabc,Anna\n")
    message = error(1, "search", "--faces", query, "--in", file, "--labels", tmp_path / "labels.csv")
    assert "none of its labels is of a face" in message


def test_a_table_that_is_gone_is_named(result: Path, query: Path) -> None:
    (result / "faces.npz").unlink()
    assert "its face table is gone" in error(1, "search", "--faces", query, "--in", result)


def test_a_terminal_gets_lines(result: Path, query: Path) -> None:
    code, shown, stderr = on_terminal("search", "--faces", query, "--in", result)
    assert code == 0
    assert shown.splitlines() == [
        "/new/a.jpg#1",
        "  100.0 %  0.10  person-0001 (Anna Berg)  3 faces, the nearest 0.jpg  [100, 200, 200, 300]",
        "/new/b.jpg#1",
        "  100.0 %  0.22  person-0002  3 faces, the nearest 6.jpg  [100, 200, 200, 300]",
        "/new/b.jpg#2",
        (
            "  no one; the nearest is 7.10 away (0 %), a match within 2.00: person-0001 (Anna Berg)  3 faces, the "
            "nearest 0.jpg  [100, 200, 200, 300]"
        ),
    ]
    assert "2 found" in stderr


def test_a_terminal_is_told_why_a_photo_has_no_face_left(result: Path, tmp_path: Path) -> None:
    why = "the face fails the check: yaw 34.2 > 10"
    paths = ["/new/sea.jpg", "/new/aside.jpg", "/new/broken.jpg"]
    about = {"status": ["no_face", "no_face", "unreadable"], "reason": ["", why, "no photo"]}
    face_table.write(make_table(np.empty((0, 128)), paths=paths, photos=about), tmp_path / "query.npz")
    code, shown, _ = on_terminal("search", "--faces", tmp_path / "query.npz", "--in", result)
    assert code == 3
    assert shown.splitlines() == [paths[0], "  no face", paths[1], f"  {why}", paths[2], "  no photo"]


# ---------------------------------------------------------------------------------------------------- photos


def test_photos_are_found_in_a_table_of_them(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "seed_football129"
    known = [sorted((folder / f"person_{i}").iterdir())[:4] for i in (1, 2)]
    file = tmp_path / "known.npz"
    encoded = run("encode", *(path for paths in known for path in paths[1:]), "-o", file, "-q", "-j", 1)
    assert encoded.exit_code == 0
    (tmp_path / "no-photo.jpg").write_text("no photo")
    photos = [known[1][0], tmp_path / "no-photo.jpg", known[0][0]]
    arguments = [*photos, "--in", file, "--labels", "folder", "--largest", "-j", 1]
    second, unreadable, first = found(*arguments)
    assert second["matches"][0]["name"] == "person_2"
    assert first["matches"][0]["name"] == "person_1"
    assert (unreadable["status"], unreadable["face"], unreadable["matches"]) == ("unreadable", None, [])
    listed = found("-", *arguments[3:], stdin="\n".join(map(str, photos)).encode())
    assert listed == [second, unreadable, first]


# ------------------------------------------------------------------------------------------------------ list


def test_list_people_of_a_result(result: Path) -> None:
    told = run("list", result)
    assert told.exit_code == 0
    assert [json.loads(line) for line in told.stdout.splitlines()] == [
        {"person": "person-0001", "name": "Anna Berg", "n_faces": 4, "n_photos": 4, "hidden": False},
        {"person": "person-0002", "name": None, "n_faces": 3, "n_photos": 3, "hidden": False},
    ]
    assert told.stderr == "2 people; 1 face of nobody else here\n"
    named = run("list", result, "--labels", "names", "-q")
    assert [json.loads(line)["name"] for line in named.stdout.splitlines()] == ["Anna Berg"]
    assert named.stderr == ""
    named = run("list", result, "--labels", "names")
    assert named.stderr == "1 person; 3 faces of people without a name, 1 of nobody\n"


def test_names_that_nobody_has(
    table: FaceTable, query: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = result_of(table, [0, 0, 0, 0, 1, 1, 1, -1], [0, 1, 2, 4, 5, 6])
    (tmp_path / "clusters.json").write_text("".join(to_json(made)))
    face_table.write(table, tmp_path / "faces.npz")
    told = run("list", tmp_path, "--labels", "names")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "nobody in it has a name; facecluster name" in caplog.text
    assert "0 people; 7 faces of people without a name, 1 of nobody" in told.stderr
    caplog.clear()
    found("--faces", query, "--in", tmp_path, "--labels", "names", code=3)
    assert "nobody in it has a name; facecluster name" in caplog.text


def test_files_that_are_not_there(query: Path) -> None:
    for arguments in (["list", "nope"], ["list", "nope", "--labels", "folder"]):
        assert "nope: no such file or directory" in error(1, *arguments)
    assert "nope: no such file or directory" in error(1, "search", "--in", "nope", "--faces", query)


def test_bystander_does_not_get_the_label_of_a_face_that_was_not_admitted(
    query: Path, tmp_path: Path
) -> None:
    # two faces in each photo: the larger one is lost in the first, the other one in the second
    known = make_table(at(0, 5), paths=["/known/Gere/1.jpg", "/known/Malan/2.jpg"], id=["a-1", "b-0"],
                       photos={"lost": [LOST | LOST_LARGEST, LOST | LOST_CENTRAL]})  # fmt: skip
    file = tmp_path / "known.npz"
    face_table.write(known, file)
    gere, malan, _ = found("--faces", query, "--in", file, "--labels", "folder")
    assert gere["matches"] == []
    assert malan["matches"][0]["name"] == "Malan"
    told = run("list", file, "--labels", "folder")
    assert [json.loads(line)["name"] for line in told.stdout.splitlines()] == ["Malan"]
    assert "the main face of 1 photo is not in the table (any more)" in told.stderr
    assert "/known/Gere/1.jpg" in told.stderr
    told = run("list", file, "--labels", "folder", "--label-face", "central")
    assert [json.loads(line)["name"] for line in told.stdout.splitlines()] == ["Gere"]
    message = error(1, "list", file, "--labels", "folder", "--label-face", "only")
    assert "none of its labels is of a face" in message
    assert "the main faces of 2 photos are not in the table" in message
    assert len(run("list", file, "--labels", "folder", "--label-face", "all").stdout.splitlines()) == 2


def test_an_older_table_with_a_gap_gives_no_label(query: Path, tmp_path: Path) -> None:
    known = make_table(at(0, 5), paths=["/known/Gere/1.jpg", "/known/Malan/2.jpg"], id=["a-1", "b-0"])
    face_table.write(known, tmp_path / "known.npz")
    with np.load(tmp_path / "known.npz") as npz:
        np.savez(tmp_path / "old.npz", **{key: npz[key] for key in npz if key != "photo_lost"})
    told = run("list", tmp_path / "old.npz", "--labels", "folder")
    assert [json.loads(line)["name"] for line in told.stdout.splitlines()] == ["Malan"]


def test_list_labels_of_a_table(file: Path) -> None:
    told = run("list", file, "--labels", "folder")
    assert [json.loads(line) for line in told.stdout.splitlines()] == [
        {"person": None, "name": "anna", "n_faces": 4, "n_photos": 4, "hidden": False},
        {"person": None, "name": "bert", "n_faces": 4, "n_photos": 4, "hidden": False},
    ]
    assert run("list", "-", "--labels", "folder", stdin=file.read_bytes()).stdout == told.stdout
    assert "say it with --labels" in error(2, "list", file)


def test_list_of_an_empty_table(tmp_path: Path) -> None:
    face_table.write(make_table(np.empty((0, 128))), tmp_path / "empty.npz")
    told = run("list", tmp_path / "empty.npz", "--labels", "folder")
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == "0 labels; 0 faces of nobody\n"


def test_list_on_a_terminal(result: Path, file: Path) -> None:
    assert on_terminal("list", result)[1].splitlines() == [
        "  faces   photos  person       name",
        "      4        4  person-0001  Anna Berg",
        "      3        3  person-0002",
    ]
    assert on_terminal("list", file, "--labels", "folder")[1].splitlines() == [
        "  faces   photos  name",
        "      4        4  anna",
        "      4        4  bert",
    ]
