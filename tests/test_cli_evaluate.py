from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import on_terminal
from tables import make_table, people

import scripts
from facecluster.cli import main
from facecluster.formats import face_table
from facecluster.identity import metrics
from facecluster.table import FaceTable


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)], input=stdin)


def scores(*arguments: object) -> dict[str, Any]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def encodings() -> np.ndarray:
    """Three people in 4, 4 and 3 faces, and a stranger."""
    return people(4, 4)[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]]


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    """Folders that are wrong: one of anna's faces lies with bert, and ben is carl and carl again."""
    names = ["anna"] * 3 + ["bert"] * 5 + ["bert", "carl", "carl"] + ["dora"]
    paths = [str(tmp_path / "photos" / name / f"{i}.jpg") for i, name in enumerate(names)]
    return make_table(encodings(), paths=paths)


@pytest.fixture
def file(table: FaceTable, tmp_path: Path) -> Path:
    face_table.write(table, tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


@pytest.fixture
def result(file: Path, tmp_path: Path) -> Path:
    """Made from standard input, so that it names no table."""
    arguments = ["cluster", "-", "-o", str(tmp_path / "out"), "--link", "none", "-q"]
    assert CliRunner().invoke(main, arguments, input=file.read_bytes()).exit_code == 0
    return tmp_path / "out"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


# The three people found: aaab, bbbb, bcc; d stays alone.
TRUTH, FOUND = list("aaabbbbbbccd"), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1]


def test_scores_by_hand(result: Path) -> None:
    found = run(result, "--labels", "folder")
    assert found.exit_code == 0
    record = json.loads(found.stdout)
    assert (record["faces"], record["unlabelled"], record["placed"]) == (12, 0, 11)
    assert (record["labels"], record["people"], record["min_faces"]) == (4, 3, 3)
    # pairs together: 6 + 6 + 3, right: 3 + 6 + 1; belonging together: 3 + 15 + 1
    assert record["pairwise"]["precision"] == pytest.approx(10 / 15)
    assert record["pairwise"]["recall"] == pytest.approx(10 / 19)
    assert record["bcubed"]["f"] == pytest.approx(metrics.bcubed(TRUTH, FOUND).f)
    assert record["purity"] == pytest.approx(9 / 11)
    assert record["coverage"] == pytest.approx(11 / 12)
    assert record["splits_per_person"] == pytest.approx(2 / 3)
    assert record["merges_per_person"] == pytest.approx(2 / 3)
    assert record["enough"] == {"labels": 2, "faces": 9, "placed": 9}
    assert record["too_few"] == {"labels": 2, "faces": 3, "placed": 2}
    assert (
        found.stderr.splitlines()[0]
        == "12 faces of 4 labels scored, 1 of nobody; 0 faces without a label left out"
    )


def test_worst_mistakes_are_pairs_of_faces(result: Path, file: Path) -> None:
    record = scores(result, "--labels", "folder", "-e", file)
    told = [(merge["labels"], merge["n_faces"]) for merge in record["merges"]]
    assert told == [(["anna", "bert"], [3, 1]), (["carl", "bert"], [2, 1])]
    told = [(split["label"], split["n_faces"]) for split in record["splits"]]
    assert told == [("bert", [4, 1]), ("bert", [4, 1])]
    for merge in record["merges"]:
        one, other = merge["faces"]
        assert [one["label"], other["label"]] == merge["labels"]
        assert one["person"] == other["person"] == merge["person"]
        assert 0.4 < merge["distance"] < 0.6
        assert [Path(face["photo"]).parent.name for face in merge["faces"]] == merge["labels"]
    for split in record["splits"]:
        assert [face["person"] for face in split["faces"]] == split["people"]
        assert {face["label"] for face in split["faces"]} == {"bert"}
        assert split["distance"] > 1.2
    assert len(scores(result, "--labels", "folder", "--top", 1)["merges"]) == 1


def test_without_encodings_the_most_confident_faces_are_shown(result: Path) -> None:
    found = run(result, "--labels", "folder")
    assert "-e FACE_TABLE shows near ones" in found.stderr
    merge = json.loads(found.stdout)["merges"][0]
    assert merge["distance"] is None
    everyone = json.loads((result / "clusters.json").read_text())["people"]
    mine = next(person["faces"] for person in everyone if person["id"] == merge["person"])
    best = max(face["confidence"] for face in mine if "/anna/" in face["photo"])
    assert merge["faces"][0]["confidence"] == best


def test_face_table_beside_the_result_is_used(result: Path, file: Path) -> None:
    (result / "faces.npz").write_bytes(file.read_bytes())
    assert scores(result, "--labels", "folder")["merges"][0]["distance"] is not None
    assert scores(result / "clusters.json", "--labels", "folder")["merges"][0]["distance"] is not None
    face_table.write(make_table(people(1, 3)), result / "faces.npz")  # of something else
    assert scores(result, "--labels", "folder")["merges"][0]["distance"] is None


def test_face_table_that_the_result_names_is_used(file: Path, tmp_path: Path) -> None:
    arguments = ["cluster", str(file), "-o", str(tmp_path / "named"), "--link", "none", "-q"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert scores(tmp_path / "named", "--labels", "folder")["merges"][0]["distance"] is not None
    file.unlink()
    assert scores(tmp_path / "named", "--labels", "folder")["merges"][0]["distance"] is None


def test_a_face_table_is_clustered_first(file: Path, result: Path) -> None:
    direct, piped = (
        run(file, "--labels", "folder"),
        run("-", "--labels", "folder", stdin=file.read_bytes()),
    )
    assert direct.stdout == piped.stdout == run(result, "--labels", "folder", "-e", file).stdout
    assert scores(file, "--labels", "folder", "--min-images", 4)["people"] == 2
    assert scores(file, "--labels", "folder", "--eps", 0.01)["pairwise"]["precision"] is None


def test_perfect_result_gives_one(tmp_path: Path) -> None:
    paths = [f"/p/{name}/{i}.jpg" for i, name in enumerate("aaaabbbbcccc")]
    face_table.write(make_table(people(3, 4), paths=paths), tmp_path / "faces.npz")
    record = scores(tmp_path / "faces.npz", "--labels", "folder")
    for score in ("pairwise", "bcubed"):
        assert record[score] == {"precision": 1, "recall": 1, "f": 1}
    assert record["purity"] == record["coverage"] == 1
    assert record["merges"] == record["splits"] == []
    assert record["splits_per_person"] == record["merges_per_person"] == 0


# ------------------------------------------------------------------------------------------------------ labels


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """Photos of two: the first face of each is larger, the second nearer to the middle; and one of one."""
    boxes = np.tile([[0.0, 0, 200, 200], [450, 350, 550, 450]], (4, 1))[:7]
    table = make_table(
        people(2, 4)[[0, 4, 1, 5, 2, 6, 3]],
        photo=[0, 0, 1, 1, 2, 2, 3],
        paths=[str(tmp_path / f"{name}.jpg") for name in "wxyz"],
        box=boxes,
    )
    face_table.write(table, tmp_path / "crowd.npz")
    return tmp_path / "crowd.npz"


@pytest.mark.parametrize(("which", "faces"), [("largest", 4), ("central", 4), ("only", 1), ("all", 7)])
def test_the_face_that_carries_the_label_of_its_photo(
    crowd: Path, tmp_path: Path, which: str, faces: int
) -> None:
    labels = write(tmp_path / "l.csv", "photo,label", *(f"{name}.jpg,anna" for name in "wxyz"))
    record = scores(crowd, "--labels", labels, "--label-face", which)
    assert (record["faces"], record["unlabelled"]) == (faces, 7 - faces)
    assert record["pairwise"]["precision"] == (None if which == "only" else 1)
    if which == "largest":
        assert record == scores(crowd, "--labels", labels)
        assert record["coverage"] == 1
        assert record["splits"] == []
    if which == "central":
        assert record["splits"][0]["n_faces"] == [3, 1]


def test_labels_of_photos(file: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    labels = write(
        tmp_path / "lists" / "l.csv",
        "\ufeffphoto,note,label",
        f"{tmp_path}/photos/anna/0.jpg,absolute,a",
        '../photos/anna/1.jpg,"relative, to this file",a',
        "../photos/./anna/../anna/1.jpg,again,a",
        "../photos/bert/3.jpg,,b",
        "",
        "../photos/bert/4.jpg,nobody knows,",
        "../photos/gone.jpg,,c",
    )
    found = run(file, "--labels", labels)
    record = json.loads(found.stdout)
    assert (record["faces"], record["unlabelled"], record["labels"]) == (3, 9, 2)
    assert record["pairwise"]["precision"] == pytest.approx(1 / 3)
    assert found.stderr.splitlines()[1:3] == [
        f"{labels}: no face for 1 of 4 labels, among them:",
        f"  line 8: {tmp_path}/photos/gone.jpg",
    ]


def test_labels_of_faces(file: Path, tmp_path: Path) -> None:
    labels = write(tmp_path / "l.csv", "face,label", "face0000,a", "face0001,a", "face0011,b", "face9999,b")
    found = run(file, "--labels", labels)
    assert json.loads(found.stdout)["faces"] == 3
    assert "no face for 1 of 4 labels, among them:\n  line 5: face9999" in found.stderr


def test_labels_of_boxes(crowd: Path, tmp_path: Path) -> None:
    labels = write(
        tmp_path / "l.csv",
        "photo,left,top,right,bottom,label",
        "w.jpg,10,0,210,200,anna",
        "w.jpg,450,350,550,450,bert",
        "x.jpg,0,0,200,200,anna",
        "x.jpg,450,350,550,450,bert",
        "y.jpg,700,700,800,800,bert",
        "gone.jpg,0,0,200,200,bert",
    )
    found = run(crowd, "--labels", labels)
    record = json.loads(found.stdout)
    assert (record["faces"], record["unlabelled"]) == (4, 3)
    assert record["pairwise"] == {"precision": 1, "recall": 1, "f": 1}
    assert "no face for 2 of 6 labels, among them:\n  line 6: " in found.stderr


def test_copies_of_a_photo_share_the_label_of_their_face(tmp_path: Path) -> None:
    table = make_table(people(1, 3), id=["aa-0", "aa-0", "bb-0"])
    face_table.write(table, tmp_path / "faces.npz")
    labels = write(tmp_path / "l.csv", "face,label", "aa-0,anna")
    assert scores(tmp_path / "faces.npz", "--labels", labels)["faces"] == 2


def test_names_that_are_no_text(tmp_path: Path) -> None:
    (folder := tmp_path / "\udcff\x1b[31m").mkdir()
    paths = [str(folder / f"{i}.jpg") for i in range(4)]
    for path in paths:  # of a path that is nowhere, the letters are read as Excel writes them
        Path(path).touch()
    face_table.write(make_table(people(1, 4), paths=paths), tmp_path / "faces.npz")
    (tmp_path / "l.csv").write_bytes(
        b"photo,label\n" + b"".join(b"\xff\x1b[31m/%d.jpg,\xfe%d\n" % (i, i // 2) for i in range(4))
    )
    for labels in ("folder", tmp_path / "l.csv"):
        found = run(tmp_path / "faces.npz", "--labels", labels)
        assert (found.exit_code, json.loads(found.stdout)["faces"]) == (0, 4)
        assert found.stdout.isascii()


# ------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "its first line is ''; expected a header"),
        (["file,person", "a.jpg,anna"], "its first line is 'file,person'; expected a header"),
        (["photo:label", "a.jpg:anna"], "its first line is 'photo:label'; expected a header"),
        (["photo,label", "a.jpg"], "line 2 has 1 values, the header 2"),
        (["photo,label", 'a.jpg,"anna'], "not a table of comma-separated values"),
        (["photo,label"], "there are no labels in it"),
        (["photo,label", "gone.jpg,anna"], "none of its 1 labels is of a face of"),
        (["face,label", "gone,anna"], "it names gone, the result face00"),
        (
            ["face,label", "face0000,a", "", "face0000,b"],
            "line 4 says 'b' of what line 2 calls 'a': face0000",
        ),
        (["photo,left,top,right,bottom,label", "a,1,2,3,x,b"], "line 2: 1,2,3,x is no box"),
        (["photo,left,top,right,bottom,label", "a,3,2,1,4,b"], "line 2: 3,2,1,4 is no box"),
        (["photo,left,top,right,bottom,label", "a,1,2,inf,4,b"], "is no box"),
        (["photo,left,top,right,bottom,label", "a,1,nan,3,4,b"], "is no box"),
    ],
)
def test_broken_labels_are_told(file: Path, tmp_path: Path, lines: list[str], message: str) -> None:
    found = run(file, "--labels", write(tmp_path / "l.csv", *lines))
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith(f"facecluster: error: {tmp_path / 'l.csv'}: ")
    assert message in found.stderr


def test_what_cannot_be_done_is_told(file: Path, result: Path, tmp_path: Path) -> None:
    def error(exit_code: int, *arguments: object) -> str:
        found = run(*arguments)
        assert (found.exit_code, found.stdout) == (exit_code, ""), found.output
        return found.stderr

    assert "Missing option '--labels'" in error(2, file)
    told = error(2, file, "--labels", tmp_path / "l.csv")
    assert (
        "l.csv: no such labels, and no such file; give folder, some of picasa, takeout, osxphotos, xmp, "
        in told
    )
    assert "or a CSV file" in told
    assert "cannot be read: Is a directory" in error(1, file, "--labels", tmp_path)
    assert "gone.npz: cannot be read: No such file" in error(1, tmp_path / "gone.npz", "--labels", "folder")
    assert "gone.json: cannot be read: No such file" in error(1, tmp_path / "gone.json", "--labels", "folder")
    assert "holds no clusters.json" in error(1, tmp_path, "--labels", "folder")
    told = error(2, result, "--labels", "folder", "--eps", 1, "--no-gate")
    assert "is clustered already; leave --no-gate, --eps out" in told
    assert "is taken for a face table" in error(2, file, "--labels", "folder", "-e", file)
    assert "give their face table" in error(1, result, "--labels", "folder", "--label-face", "central")
    other = tmp_path / "other.npz"
    face_table.write(make_table(people(1, 3)), other)
    assert "lacks faces of" in error(1, result, "--labels", "folder", "-e", other)
    labels = write(tmp_path / "l.csv", "face,label", "face0000,a")
    assert "leave it out" in error(2, file, "--labels", labels, "--label-face", "all")
    face_table.write(make_table([]), other)
    assert "there are no faces to evaluate" in error(1, other, "--labels", "folder")
    (tmp_path / "list.txt").write_text("a.jpg")
    assert "not a face table" in error(1, tmp_path / "list.txt", "--labels", "folder")


def test_quiet_says_nothing(file: Path) -> None:
    found = run(file, "--labels", "folder", "-q")
    assert found.stderr == ""
    assert json.loads(found.stdout)


# -------------------------------------------------------------------------------------------------- a terminal


def test_a_terminal_gets_a_text(file: Path) -> None:
    exit_code, shown, stderr = on_terminal("evaluate", file, "--labels", "folder")
    assert exit_code == 0
    lines = shown.splitlines()
    assert lines[0].split() == ["precision", "recall", "F"]
    assert lines[1].split() == ["pairwise", "0.6667", "0.5263", "0.5882"]
    assert "purity                0.8182  of the placed faces are of their person's main label" in lines
    assert "coverage              0.9167  of the faces are placed: 11 of 12" in lines
    start = lines.index("worst merges")
    assert ": 3 of anna, 1 of bert; two faces 0." in lines[start + 1]
    assert lines[start + 2].endswith(".jpg  [100, 200, 200, 300]  anna")
    assert lines[start + 3].endswith("/photos/bert/3.jpg  [100, 200, 200, 300]  bert")
    assert lines[lines.index("worst splits") + 1].startswith("  bert: 4 in person-000")
    assert stderr.startswith("12 faces of 4 labels scored")
    assert json.loads(on_terminal("evaluate", file, "--labels", "folder", "--json")[1])["faces"] == 12


def test_unknown_numbers_are_a_dash_on_a_terminal(file: Path) -> None:
    shown = on_terminal("evaluate", file, "--labels", "folder", "--eps", 0.01)[1]
    assert shown.splitlines()[1].split() == ["pairwise", "-", "0.0000", "-"]


def test_a_terminal_gets_no_control_characters(tmp_path: Path) -> None:
    paths = [f"/p/\x1b[3{i // 2}m/{i}.jpg" for i in range(4)]
    face_table.write(make_table(people(1, 4), paths=paths), tmp_path / "faces.npz")
    shown = on_terminal("evaluate", tmp_path / "faces.npz", "--labels", "folder")[1]
    assert "worst merges" in shown
    assert "\x1b" not in shown


# ---------------------------------------------------------------------------------------------- the benchmark


def test_labelled_faces_and_scores_are_those_of_the_benchmark(tmp_path: Path) -> None:
    lfw = scripts.benchmark("lfw")
    rng = np.random.default_rng(3)
    n = 60
    corner = rng.integers(0, 500, (n, 2))
    table = make_table(
        people(6, 10, spread=1.1)[rng.permutation(n)],
        photo=np.sort(rng.integers(0, 40, n)),
        paths=[f"/p/{name}/{i}.jpg" for i, name in enumerate(rng.choice(list("abcdefg"), 40))],
        box=np.hstack([corner, corner + rng.integers(80, 300, (n, 2))]),
    )
    face_table.write(table, tmp_path / "faces.npz")
    out = tmp_path / "out"
    arguments = ["cluster", str(tmp_path / "faces.npz"), "-o", str(out), "--link", "none", "-q"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    rows, names = lfw.labelled_faces(table)
    everyone = json.loads((out / "clusters.json").read_text())["people"]
    number = {face["id"]: i for i, person in enumerate(everyone) for face in person["faces"]}
    label = np.array([number.get(face, -1) for face in table.faces.id.tolist()])
    record = scores(out, "--labels", "folder", "--label-face", "central", "-e", tmp_path / "faces.npz")
    pairs, bcubed = metrics.pairwise(names, label[rows]), metrics.bcubed(names, label[rows])
    assert record["faces"] == len(rows) < n
    assert record["pairwise"] == pytest.approx({**vars(pairs), "f": pairs.f})
    assert record["bcubed"] == pytest.approx({**vars(bcubed), "f": bcubed.f})
    assert record["purity"] == pytest.approx(metrics.purity(names, label[rows]))


def test_face_of_a_photo_that_lost_others_is_not_labelled(tmp_path: Path) -> None:
    # each photo has lost its first face; the last one's record says that it was a smaller one
    ids = [f"{i:032x}-{int(i > 2)}" for i in range(6)]
    paths = [f"/photos/{'anna' if i < 3 else 'bert'}/{i}.jpg" for i in range(6)]
    lost = [0, 0, 0, 7, 7, 1]
    face_table.write(
        make_table(people(2, 3), paths=paths, id=ids, photos={"lost": lost}), tmp_path / "faces.npz"
    )
    told = scores(tmp_path / "faces.npz", "--labels", "folder")
    assert (told["faces"], told["unlabelled"]) == (4, 2)
    arguments = ["cluster", str(tmp_path / "faces.npz"), "-o", str(tmp_path / "out"), "--link", "none", "-q"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    told = scores(tmp_path / "out", "--labels", "folder")
    assert (told["faces"], told["unlabelled"]) == (4, 2)
    (tmp_path / "faces.npz").unlink()  # now only the ids tell
    told = scores(tmp_path / "out", "--labels", "folder")
    assert (told["faces"], told["unlabelled"]) == (3, 3)


def test_photos_whose_main_face_is_lost_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [f"/p/{who}/{i}.jpg" for who in "ab" for i in range(3)]
    ids = ["0-0", "1-0", "2-0", "3-1", "4-1", "5-0"]
    columns: dict[str, Any] = {"paths": paths, "id": ids, "photos": {"lost": [0, 0, 0, 7, 7, 1]}}
    face_table.write(make_table(people(2, 3), **columns), tmp_path / "faces.npz")
    cluster = ["cluster", str(tmp_path / "faces.npz"), "-o", str(tmp_path / "out"), "--link", "none", "-q"]
    assert CliRunner().invoke(main, cluster).exit_code == 0
    why = "the main faces of 2 photos are not in the table (any more), and nobody else there gets the label: /p/b/0.jpg"
    for source in (tmp_path / "faces.npz", tmp_path / "out"):
        caplog.clear()
        scores(source, "--labels", "folder")
        assert f"{source}: {why} ..." in caplog.text
        caplog.clear()
        scores(source, "--labels", "folder", "--label-face", "all")
        assert "main face" not in caplog.text
    (tmp_path / "faces.npz").unlink()
    scores(tmp_path / "out", "--labels", "folder")
    assert f"{tmp_path / 'out'}: {why} ..." in caplog.text, "the ids of the result say so too"
    labels = write(tmp_path / "l.csv", "photo,label", f"{paths[3]},b")
    assert f": {why}" in run(tmp_path / "out", "--labels", labels).stderr
