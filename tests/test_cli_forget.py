from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable import own_files, own_list, placing
from facecluster.durable import whole_file as whole_files
from facecluster.durable.own_files import ResultFolder
from facecluster.formats import decisions_jsonl, face_table
from facecluster.formats.clusters_json import read_result
from facecluster.identity.decisions import mark
from facecluster.library.folders import write_result
from facecluster.library.settings import Choices
from facecluster.result import Absent, ResultSettings, UnclusteredFace, with_people
from facecluster.table import NO_FACE, OK, FaceTable


def forget(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["forget", *map(str, arguments)])


def box(number: int) -> list[float]:
    """The first, second ... face of a photo, side by side."""
    return [10.0 + 130 * number, 20, 110 + 130 * number, 120]


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    """Ann in photos 0 to 3, Bob in 2 to 5 (2 and 3 show both), a stranger in 6, nobody in 7.

    Photo 1 is there twice, as copy.png.
    """
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "6.png", "7.png", "copy.png"]
    for i, name in enumerate(names[:8]):
        Image.new("RGB", (400, 400), (30 * i, 100, 100)).save(folder / name)
    shutil.copy(folder / "1.png", folder / "copy.png")
    ann, bob, stranger = people(3, 5, spread=0.4).reshape(3, 5, 128)
    photo = [0, 1, 2, 2, 3, 3, 4, 5, 6, 8]
    which = [0, 0, 0, 1, 0, 1, 0, 0, 0, 0]
    digest = [f"{i:032x}" for i in [10, 11, 12, 13, 14, 15, 16, 17, 11]]
    return make_table(
        np.vstack([ann[:3], bob[:1], ann[3:4], bob[1:4], stranger[:1], ann[1:2]]),
        photo=photo,
        paths=[str(folder / name) for name in names],
        id=[f"{digest[p]}-{w}" for p, w in zip(photo, which, strict=True)],
        box=[box(w) for w in which],
        photos={
            "size": [[400, 400]] * 9,
            "digest": digest,
            "pixels": digest,
            "status": [OK] * 7 + [NO_FACE, OK],
            "hash": [*np.random.default_rng(5).integers(1, 2**63, 8), 0],
        },
    )


@pytest.fixture
def out(table: FaceTable, tmp_path: Path) -> Path:
    """A folder of results: person-0001 is Ann, with five faces, person-0002 Bob."""
    out = tmp_path / "out"
    out.mkdir()
    face_table.write(table, out / "faces.npz")
    result = cluster_table(table, out, source=str(out / "faces.npz"))
    assert [(p.id, p.n_faces) for p in result.people] == [("person-0001", 5), ("person-0002", 4)]
    named = tuple(replace(p, name=name) for p, name in zip(result.people, ("Ann", "Bob"), strict=True))
    write_result(replace(result, people=named), out, pictures={}, link="auto", changed=())
    return out


def record(folder: Path) -> Any:
    return json.loads((folder / "clusters.json").read_text())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ann_is_nowhere(out: Path, table: FaceTable) -> None:
    """Neither her encodings nor her faces are in any file."""
    content = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for row in (0, 1, 2, 4, 9):
        assert table.faces.encoding[row].tobytes() not in content
    assert not any(
        face["id"] in set(table.faces.id[[0, 1, 2, 4, 9]].tolist())
        for person in record(out)["people"]
        for face in person["faces"]
    )


def test_person_is_gone_from_result_and_table(out: Path, table: FaceTable, tmp_path: Path) -> None:
    before = snapshot(tmp_path / "photos")
    montage = (out / "person-0002 Bob_montage.jpg").read_bytes()
    result = forget(out, "--person", "ann")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == {
        "dry_run": False, "people": [str(out / "person-0001")], "faces": 5, "encodings": 5, "photos": 0, "copies": 5,
        "montages": 1, "decisions": 0, "places": 4, "removed": [], "sidecars": 0, "inside": {},
        "lists": [str(out / "forgotten.jsonl")], "doubtful": {},
        "rewritten": [str(out / "faces.npz"), str(out / "clusters.json")],
        "face_ids": list(dict.fromkeys(table.faces.id[[0, 1, 2, 4, 9]].tolist())), "photo_paths": [],
    }  # fmt: skip
    assert "\nforgotten: person-0001 (Ann): 5 faces in 5 photos (0.png, " in result.stderr
    assert "\nremoved: 5 faces in results, 5 encodings" in result.stderr
    assert "photos themselves are not touched" in result.stderr
    assert names(out) == {
        "clusters.json",
        "faces.npz",
        "forgotten.jsonl",
        "index.jpg",
        "person-0002 Bob",
        "person-0002 Bob_montage.jpg",
        "unclustered",
    }
    assert names(out / "person-0002 Bob") == {"2.png", "3.png", "4.png", "5.png"}
    assert (out / "person-0002 Bob_montage.jpg").read_bytes() == montage
    assert [(p["id"], p["name"]) for p in record(out)["people"]] == [("person-0002", "Bob")]
    assert record(out)["next_id"] == 3
    assert record(out)["changes"]["vanished"] == ["person-0001"]
    assert record(out)["counts"] == {
        "photos": 9, "ok": 5, "no_face": 4, "unreadable": 0, "faces": 5, "people": 1, "clustered": 4,
        "unclustered": {"no_match": 1}, "same_photo": {"photos": 0, "twice": 0},
    }  # fmt: skip
    cleaned = face_table.read(out / "faces.npz")
    assert cleaned.faces.id.tolist() == table.faces.id[[3, 5, 6, 7, 8]].tolist()
    assert cleaned.photos.path.tolist() == table.photos.path.tolist()
    assert cleaned.photos.status.tolist() == [NO_FACE, NO_FACE, OK, OK, OK, OK, OK, NO_FACE, NO_FACE]
    ann_is_nowhere(out, table)
    assert "Ann" not in (out / "clusters.json").read_text()
    assert snapshot(tmp_path / "photos") == before


def test_cluster_again_finds_the_others_as_they_were(out: Path) -> None:
    forget(out, "--person", "person-0001")
    cluster_table(face_table.read(out / "faces.npz"), out, source=str(out / "faces.npz"))
    assert [(p["id"], p["name"], p["n_faces"]) for p in record(out)["people"]] == [("person-0002", "Bob", 4)]
    assert record(out)["changes"] == {"appeared": [], "vanished": [], "merged": [], "split": []}


def test_dry_run_says_the_same_and_does_nothing(out: Path) -> None:
    (out / "faces.npz.partial").write_text(f'{{"journal of encode": 1}}\n["{10:032x}"')
    before = snapshot(out)
    dry = forget(out, "--person", "person-0001", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert dry.stderr.startswith("would be forgotten: person-0001 (Ann): 5 faces in 5 photos (0.png, ")
    assert snapshot(out) == before
    wet = forget(out, "--person", "person-0001", "-q")
    assert wet.stderr == ""
    assert json.loads(wet.stdout) == json.loads(dry.stdout) | {"dry_run": False}
    assert json.loads(wet.stdout)["removed"] == [str(out / "faces.npz.partial")]
    assert not (out / "faces.npz.partial").exists()


def test_photos_by_name(out: Path, table: FaceTable, tmp_path: Path) -> None:
    before = snapshot(tmp_path / "photos")
    bob = (out / "person-0002 Bob_montage.jpg").stat().st_ino
    result = forget(out, "--photo", "[2367].png")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["faces"], report["encodings"], report["photos"], report["copies"]) == (5, 5, 4, 5)
    assert report["montages"] == 2
    cleaned = face_table.read(out / "faces.npz")
    assert [Path(p).name for p in cleaned.photos.path.tolist()] == [
        "0.png",
        "1.png",
        "4.png",
        "5.png",
        "copy.png",
    ]
    assert cleaned.faces.photo.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(cleaned.faces.encoding, table.faces.encoding[[0, 1, 6, 7, 9]])
    assert names(out / "person-0001 Ann") == {"0.png", "1.png", "copy.png"}
    assert names(out / "person-0002 Bob") == {"4.png", "5.png"}
    assert not (out / "unclustered").exists()
    assert (out / "person-0002 Bob_montage.jpg").stat().st_ino != bob
    assert record(out)["counts"]["photos"] == record(out)["counts"]["ok"] == 5
    assert record(out)["counts"]["faces"] == 5
    assert snapshot(tmp_path / "photos") == before


@pytest.mark.parametrize(
    ("glob", "n_photos"),
    [
        ("*.png", 9),
        ("COPY*", 0),
        ("copy.png", 1),
        ("*/photos/?.png", 8),
        ("photos/1.png", 1),
        ("nothing*", 0),
    ],
)
def test_what_a_glob_matches(glob: str, n_photos: int, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    result = forget(out, "--photo", glob, "-n")
    if n_photos:
        assert json.loads(result.stdout)["photos"] == n_photos
    else:
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{glob}: nothing matches; nothing was changed" in result.stderr


def test_photo_without_a_face_is_not_counted_any_more(out: Path) -> None:
    report = json.loads(forget(out, "--photo", "7.png").stdout)
    assert (report["photos"], report["faces"]) == (1, 0)
    assert (record(out)["counts"]["photos"], record(out)["counts"]["no_face"]) == (8, 0)


def decisions(out: Path, table: FaceTable) -> Path:
    """Lines about Ann, about Bob, and about both."""

    def spots(*rows: int) -> list[list[object]]:
        return [[str(table.faces.id[r]).rpartition("-")[0], table.faces.box[r].tolist()] for r in rows]

    lines = [
        {"id": "aaaaaaa1", "do": "name", "person": "person-0001", "name": "Ann", "faces": spots(0, 1, 2)},
        {"id": "aaaaaaa2", "do": "name", "person": "person-0002", "name": "Bob", "faces": spots(3, 5, 6)},
        {"id": "aaaaaaa3", "do": "merge", "people": ["person-0001", "person-0007"], "faces": [spots(0), spots(1)]},
        {
            "id": "aaaaaaa4", "do": "merge", "people": ["person-0002", "person-0001", "person-0008"],
            "faces": [spots(3), spots(4), spots(6)],
        },
        {"id": "aaaaaaa5", "do": "split", "person": "person-0001", "faces": spots(5, 6), "from": spots(0, 1)},
        {"id": "aaaaaaa6", "do": "undo", "undo": "aaaaaaa3"},
        {"id": "aaaaaaa7", "do": "undo", "undo": "aaaaaaa6"},
        {"id": "aaaaaaa8", "do": "undo", "undo": "aaaaaaa5"},
        {"id": "aaaaaaa9", "do": "not-a-person", "person": None, "faces": spots(8)},
        {"id": "aaaaaaaa", "do": "move", "person": None, "into": None, "faces": spots(2), "to": None, "from": []},
        {"id": "aaaaaaab", "do": "name", "person": "person-0002", "name": "Ann", "faces": spots(3, 5, 6)},
    ]  # fmt: skip
    times = (f"2026-01-01T00:00:{i:02}.000000Z" for i in range(20))
    text = [json.dumps({"time": time, **line}) for line, time in zip(lines, times, strict=False)]
    file = out / "decisions.jsonl"
    file.write_text("\n".join([*text, '{"id": "aaaaaaac", "ti']))
    shows(out, mark(decisions_jsonl.read(file)))
    return file


def shows(out: Path, decisions: str) -> None:
    """Let clusters.json say that it shows the decisions of this mark."""
    result = read_result(out / "clusters.json")
    settings = replace(result.settings, decisions=decisions)
    write_result(replace(result, settings=settings), out, pictures={}, link="auto", changed=())


def test_decisions_about_a_person_go(out: Path, table: FaceTable) -> None:
    file = decisions(out, table)
    lines = file.read_text().splitlines()
    result = forget(out, "--person", "Ann")
    assert result.exit_code == 0, result.output
    left = file.read_text().splitlines()
    assert [json.loads(line)["id"] for line in left] == [
        "aaaaaaa2",
        "aaaaaaa4",
        "aaaaaaa5",
        "aaaaaaa8",
        "aaaaaaa9",
    ]
    assert json.loads(result.stdout)["decisions"] == 8
    assert left[0] == lines[1]
    assert json.loads(left[1]) == json.loads(lines[3]) | {
        "people": ["person-0002", "person-0008"],
        "faces": [json.loads(lines[3])["faces"][0], json.loads(lines[3])["faces"][2]],
    }
    assert json.loads(left[2]) == json.loads(lines[4]) | {"from": []}
    assert "Ann" not in file.read_text()


def test_decisions_about_a_photo_go_if_no_copy_stays(out: Path, table: FaceTable) -> None:
    file = decisions(out, table)
    forget(out, "--photo", "copy.png")
    assert len(file.read_text().splitlines()) == 12, "1.png has the same content"
    forget(out, "--photo", "1.png")
    assert f"{11:032x}" not in file.read_text()
    assert f"{10:032x}" in file.read_text()


def test_table_beside_a_result_is_enough(out: Path, table: FaceTable) -> None:
    assert forget(out / "faces.npz", "--person", "Ann").exit_code == 0
    ann_is_nowhere(out, table)


def test_table_alone_knows_no_people_but_photos(table: FaceTable, tmp_path: Path) -> None:
    face_table.write(table, tmp_path / "faces.npz")
    result = forget(tmp_path / "faces.npz", "--person", "Ann")
    assert result.exit_code == 2
    assert (
        "faces.npz: a face table knows no people; give the library as well, or say whom by a label of the table, or "
        "which photos"
    ) in result.stderr
    result = forget(tmp_path / "faces.npz", "--photo", "4.png")
    assert json.loads(result.stdout)["encodings"] == 1
    assert json.loads(result.stdout)["photo_paths"] == [str(tmp_path / "photos" / "4.png")]
    assert json.loads(result.stdout)["face_ids"] == [f"{14:032x}-0"]
    assert len(face_table.read(tmp_path / "faces.npz").photos) == 8


def test_other_tables_and_results_of_the_same_photos(out: Path, table: FaceTable, tmp_path: Path) -> None:
    # a pickle whose faces another detector numbered and framed otherwise; and people of other ids
    ids = [f"{face}7" for face in table.faces.id.tolist()]
    other = replace(table, faces=replace(table.faces, id=np.array(ids), box=table.faces.box + np.float32(8)))
    face_table.write(other, tmp_path / "other.pickle")
    cluster_table(other, tmp_path / "more", Choices(link="none"), source=str(tmp_path / "other.pickle"))
    result = forget(out, tmp_path / "more" / "clusters.json", "--person", "Ann")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["encodings"] == 10
    assert (
        len(face_table.read(tmp_path / "other.pickle").faces)
        == len(face_table.read(out / "faces.npz").faces)
        == 5
    )
    assert [p["n_faces"] for p in record(tmp_path / "more")["people"]] == [4]
    assert not (tmp_path / "more" / "person-0001_montage.jpg").exists()


def test_one_id_that_means_two_people_is_refused(out: Path, table: FaceTable, tmp_path: Path) -> None:
    other = replace(table.faces, id=np.char.add("f", table.faces.id))
    cluster_table(replace(table, faces=other), tmp_path / "more", Choices(link="none"))
    result = forget(out, tmp_path / "more", "--person", "person-0001")
    assert result.exit_code == 2
    assert "person-0001: another person in each library" in result.stderr


def test_copy_whose_original_is_gone_goes_where_nobody_else_needs_it(out: Path, tmp_path: Path) -> None:
    for name in ("0.png", "2.png", "4.png"):
        (tmp_path / "photos" / name).unlink()
    (out / "person-0001 Ann" / "mine.txt").write_text("mine")
    result = forget(out, "--person", "Ann")
    assert result.exit_code == 0, result.output
    assert names(out / "person-0001") == {"mine.txt"}
    assert "person-0001: holds files that are not facecluster's; they stay" in result.stderr
    assert {"2.png", "4.png"} <= names(out / "person-0002 Bob"), "the last copies of Bob's photos"


def test_last_copies_of_photos_that_left_the_library_go_with_their_person(
    out: Path, table: FaceTable, tmp_path: Path
) -> None:
    (tmp_path / "photos/0.png").unlink()
    stay = table.faces.photo != 0
    without = replace(table, faces=type(table.faces)(**{k: v[stay] for k, v in vars(table.faces).items()}))
    face_table.write(without, out / "faces.npz")
    cluster_table(without, out, source=str(out / "faces.npz"))
    assert "0.png" in names(out / "person-0001 Ann"), "the last copy"
    (who,) = (person["name"] for person in record(out)["people"] if person["id"] == "person-0001")
    result = forget(out, "--person", who or "person-0001")
    assert result.exit_code == 0, result.output
    assert not (out / "person-0001 Ann").exists()
    assert "copies are kept" not in result.stderr


def test_encoded_copy_is_an_original_that_stays(out: Path, table: FaceTable) -> None:
    # somebody encoded the folder of results, and threw the first photos away
    where = {p: str(out / "person-0001 Ann" / Path(p).name) for p in table.photos.path[[0, 1]].tolist()}
    paths = np.array([where.get(p, p) for p in table.photos.path.tolist()])
    moved = replace(table, photos=replace(table.photos, path=paths))
    for path in where:
        Path(path).unlink()
    face_table.write(moved, out / "faces.npz")
    cluster_table(moved, out, source=str(out / "faces.npz"))
    result = forget(out, "--photo", "[01].png")
    assert result.exit_code == 0, result.output
    assert {"0.png", "1.png"} <= names(out / "person-0001 Ann")


@pytest.mark.parametrize("at", ["prepare", "place", "write"])
def test_killed_half_way_finishes_when_run_again(
    at: str, out: Path, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(out, tmp_path / "reference", copy_function=shutil.copy2)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResultFolder, at, die)
        assert forget(out, "--person", "Ann").exit_code == 130
    assert forget(out, "--person", "Ann").exit_code == 0
    ann_is_nowhere(out, table)
    forget(tmp_path / "reference", "--person", "Ann")
    done, wanted = record(out), record(tmp_path / "reference")
    assert (done["people"], done["counts"]) == (wanted["people"], wanted["counts"])
    assert names(out) == names(tmp_path / "reference")


def test_what_an_interrupted_encode_keeps_goes_if_it_may_be_about_them(out: Path) -> None:
    journal = out / "faces.npz.partial"
    journal.write_text(f'{{"journal of encode": 1}}\n["{15:032x}", [400, 400]]')
    forget(out, "--photo", "nothing*")
    forget(out, "--person", "Ann")
    assert journal.exists(), "it is about Bob"
    forget(out, "--photo", "5.png")
    assert not journal.exists()


def test_unfinished_and_damaged_files_go_too(out: Path) -> None:
    old = (
        ".facecluster-1-abc.part",
        "clusters.damaged.json",
        "clusters.damaged-2.json",
        "clusters.replaced.json",
    )
    for name in (*old, "clusters.damaged-mine.json"):
        (out / name).write_text("old")
    (out / "clusters.damaged-3.json").symlink_to(out / "mine")
    done = forget(out, "--person", "Ann")
    assert done.exit_code == 0
    assert not any((out / name).exists() for name in old)
    assert f"{out / 'clusters.damaged.json'}, " in done.stderr
    assert (out / "clusters.damaged-3.json").is_symlink()
    assert (out / "clusters.damaged-mine.json").exists()


def test_almost_people_lose_them(tmp_path: Path) -> None:
    table = make_table(people(2, 2), photos={"digest": list("abcd")}, id=["a-0", "b-0", "c-0", "d-0"])
    face_table.write(table, tmp_path / "faces.npz")
    cluster_table(table, tmp_path / "out", Choices(link="none"), source=str(tmp_path / "faces.npz"))
    assert len(record(tmp_path / "out")["almost"]) == 2
    assert forget(tmp_path / "out", "--photo", "/photos/001.jpg").exit_code == 0
    (almost,) = record(tmp_path / "out")["almost"]
    assert [face["id"] for face in almost["faces"]] == ["c-0", "d-0"]
    assert [face["almost"] for face in record(tmp_path / "out")["unclustered"]] == [None, 0, 0]


def test_older_result_keeps_its_kind_of_link(table: FaceTable, tmp_path: Path) -> None:
    face_table.write(table, tmp_path / "faces.npz")
    result = cluster_table(table, tmp_path / "out", Choices(link="symlink"))
    settings = ResultSettings(faces=result.settings.faces)
    write_result(replace(result, settings=settings), tmp_path / "out", pictures={}, link="symlink")
    result_again = forget(tmp_path / "out", tmp_path / "faces.npz", "--person", "person-0001")
    assert result_again.exit_code == 0, result_again.output
    assert all(path.is_symlink() for path in (tmp_path / "out" / "person-0002").iterdir())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["out"], 2, "give --person, --photo or --label: facecluster forget out --person NAME\n"),
        (["out", "Anna Berg"], 2, "--label: facecluster forget out --person 'Anna Berg'\n"),
        (["out", "Ann", "0.png"], 2, "--label: facecluster forget out --person Ann --photo 0.png\n"),
        (["--", "Ann"], 2, "--label: facecluster forget Ann --person NAME\n"),
        (["out", "--label", "Ann"], 2, "--label is one of --labels; give that too"),
        (["out", "--photo", "*", "--labels", "folder"], 2, "--labels is about --label"),
        (["out", "--photo", "*", "--label-face", "all"], 2, "--label-face is about --label"),
        (["out", "--person", "Ann", "--label", "Ann", "--labels", "folder"], 2, "forget one, then the other"),
        (["out", "--label", "foto", "--labels", "folder"], 1, "foto: no face has this label; perhaps photos"),
        (["nowhere", "--person", "Ann"], 1, "nowhere: no such file or directory"),
        (["out", "--person", "Ann", "--person", "Carl"], 1, "Carl: no such person"),
        (["--person", "Ann"], 2, "TARGET"),
        (["out", "--person", "Carl"], 1, "Carl: no such person"),
        (["photos", "--person", "Ann"], 1, "holds no clusters.json"),
        (["none.npz", "--photo", "*"], 1, "none.npz: no such file or directory"),
        (["text.txt", "--photo", "*"], 2, "a face table's name ends in .npz or .pickle"),
    ],
)
def test_mistakes_are_messages_and_change_nothing(
    arguments: list[str], exit_code: int, message: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    Path("text.txt").write_text("hello")
    Path("0.png").touch()
    before = snapshot(out.parent)
    result = forget(*arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert snapshot(out.parent) == before


def test_record_that_is_not_ours_is_told_before_anything_is_done(out: Path) -> None:
    (out / "clusters.json").write_text((out / "clusters.json").read_text() + "\n")
    before = snapshot(out)
    result = forget(out, "--person", "Ann")
    assert result.exit_code == 1
    assert "clusters.json: not written here by facecluster, or changed since" in result.stderr
    assert snapshot(out) == before


def test_result_whose_table_was_moved_is_cleaned_with_it_only(table: FaceTable, tmp_path: Path) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved.npz"
    cluster_table(table, out, source=str(tmp_path / "gone.npz"))
    other = replace(table, faces=replace(table.faces, id=np.char.add("f", table.faces.id)))
    face_table.write(other, tmp_path / "other.npz")
    before = snapshot(tmp_path)
    for given in ([], [tmp_path / "other.npz"]):
        for flags in ([], ["-q"], ["-n"]):
            result = forget(out, *given, "--person", "person-0001", *flags)
            assert (result.exit_code, result.stdout) == (1, "")
            assert f"{out}: its face table {tmp_path / 'gone.npz'} is not there" in result.stderr
            assert "if it is nowhere any more: --table-gone" in result.stderr
    assert snapshot(tmp_path) == before
    face_table.write(table, moved)
    result = forget(out, moved, "--person", "person-0001")
    assert result.exit_code == 0, result.stderr
    assert "is not there" not in result.stderr
    assert len(face_table.read(moved).faces) == 5


def test_killed_half_way_the_moved_table_is_known_again(table: FaceTable, tmp_path: Path) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved.npz"
    cluster_table(table, out, source=str(tmp_path / "gone.npz"))
    face_table.write(table, moved)
    record_before = (out / "clusters.json").read_bytes()
    result = forget(out, moved, "--person", "person-0001", "--photo", "?.png", "-n")
    assert result.exit_code == 0, result.stderr
    forget(out, moved, "--person", "person-0001")
    (out / "clusters.json").write_bytes(record_before)  # the table is clean already, the result not yet
    result = forget(out, moved, "--person", "person-0001", "-n")
    assert result.exit_code == 0, result.stderr


def test_table_that_is_gone_for_good(table: FaceTable, tmp_path: Path) -> None:
    cluster_table(table, tmp_path / "out", source=str(tmp_path / "gone.npz"))
    result = forget(tmp_path / "out", "--person", "person-0001", "--table-gone")
    assert result.exit_code == 0, result.stderr
    assert record(tmp_path / "out")["counts"]["ok"] == 5


def test_table_that_came_through_a_pipe_is_told_also_when_quiet(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "piped"
    for flags in ([], ["-q"]):
        cluster_table(table, out)
        result = forget(out, "--person", "person-0001", *flags)
        assert result.exit_code == 0
        assert "was made from a face table on standard input" in result.stderr
        shutil.rmtree(out)
    cluster_table(table, out)
    face_table.write(table, tmp_path / "kept.npz")
    result = forget(out, tmp_path / "kept.npz", "--person", "person-0001", "-q")
    assert (result.exit_code, result.stderr) == (0, "")


def test_bystander_does_not_get_the_label_of_who_is_forgotten(out: Path, table: FaceTable) -> None:
    # Ann's faces in 2 and 3 become small: Bob is the main one there
    assert forget(out, "--person", "Ann").exit_code == 0
    cleaned = face_table.read(out / "faces.npz").photos
    assert cleaned.lost.tolist() == [7, 7, 3, 3, 0, 0, 0, 0, 7]  # Bob, on the right, is nearer to the middle
    shown = CliRunner().invoke(main, ["list", str(out / "faces.npz"), "--labels", "folder"])
    assert [json.loads(line)["n_faces"] for line in shown.stdout.splitlines()] == [3]  # 4, 5, 6
    assert "the main faces of 2 photos are not in the table (any more)" in shown.stderr
    shown = CliRunner().invoke(
        main, ["list", str(out / "faces.npz"), "--labels", "folder", "--label-face", "central"]
    )
    assert [json.loads(line)["n_faces"] for line in shown.stdout.splitlines()] == [5]


def test_label_of_who_is_not_forgotten_stays(out: Path) -> None:
    forget(out, "--person", "Bob")
    assert face_table.read(out / "faces.npz").photos.lost.tolist() == [0, 0, 5, 5, 7, 7, 0, 0, 0]
    shown = CliRunner().invoke(main, ["list", str(out / "faces.npz"), "--labels", "folder"])
    assert [json.loads(line)["n_faces"] for line in shown.stdout.splitlines()] == [6]
    assert "main face" not in shown.stderr


def test_label_of_a_table(table: FaceTable, tmp_path: Path) -> None:
    paths = [f"/known/{'Ann' if i in (0, 1, 2, 3, 8) else 'Bob'}/{i}.png" for i in range(9)]
    known = replace(table, photos=replace(table.photos, path=np.array(paths)))
    face_table.write(known, tmp_path / "known.npz")
    dry = forget(tmp_path / "known.npz", "--label", "ann", "--labels", "folder", "-n")
    ann = table.faces.id[[0, 1, 2, 4, 9]].tolist()
    assert json.loads(dry.stdout)["face_ids"] == list(dict.fromkeys(ann))
    assert len(face_table.read(tmp_path / "known.npz").faces) == 10
    result = forget(tmp_path / "known.npz", "--label", "ann", "--labels", "folder")
    assert (json.loads(result.stdout)["encodings"], json.loads(result.stdout)["photos"]) == (5, 0)
    shown = CliRunner().invoke(main, ["list", str(tmp_path / "known.npz"), "--labels", "folder"])
    assert [json.loads(line)["name"] for line in shown.stdout.splitlines()] == ["Bob"]
    labels = tmp_path / "labels.csv"
    labels.write_text(f"face,label\n{table.faces.id[5]},Bob\n{table.faces.id[8]},Eve\n")
    result = forget(tmp_path / "known.npz", "--label", "Bob", "--label", "Eve", "--labels", labels)
    assert json.loads(result.stdout)["face_ids"] == [table.faces.id[5], table.faces.id[8]]


def test_label_may_be_of_one_of_two_tables(table: FaceTable, tmp_path: Path) -> None:
    other = replace(table.faces, id=np.char.add("f", table.faces.id))
    face_table.write(table, tmp_path / "one.npz")
    face_table.write(replace(table, faces=other), tmp_path / "other.npz")
    (tmp_path / "l.csv").write_text(f"face,label\n{table.faces.id[8]},Eve\n")
    arguments = [
        tmp_path / "other.npz",
        tmp_path / "one.npz",
        "--label",
        "Eve",
        "--labels",
        tmp_path / "l.csv",
    ]
    result = forget(*arguments)
    ids = [f"f{table.faces.id[8]}", table.faces.id[8]]  # the other table knows the photo by another id
    assert json.loads(result.stdout)["face_ids"] == ids, result.stderr
    assert "Eve: no face has this label; nothing was changed" in forget(*arguments).stderr


def test_label_goes_from_the_result_beside_the_table_too_also_when_killed_half_way(
    out: Path, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("face,label\n" + "".join(f"{table.faces.id[i]},A\n" for i in (0, 1, 2, 4)))
    arguments = [out / "faces.npz", "--label", "A", "--labels", labels]
    with monkeypatch.context() as patch:
        patch.setattr(face_table, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        assert forget(*arguments).exit_code == 1
    assert forget(*arguments).exit_code == 0
    ann_is_nowhere(out, table)


def test_name_of_a_photo_is_not_taken_for_a_pattern(out: Path, table: FaceTable, tmp_path: Path) -> None:
    paths = table.photos.path.tolist()
    paths[0] = str(tmp_path / "photos" / "a[1].png")
    paths[1] = str(tmp_path / "photos" / "a1.png")
    face_table.write(replace(table, photos=replace(table.photos, path=np.array(paths))), tmp_path / "f.npz")
    for glob, gone in (
        ("a[1].png", paths[:1]),
        (paths[0], paths[:1]),
        ("a1.png", paths[1:2]),
        ("a[12].png", paths[1:2]),
    ):
        result = forget(tmp_path / "f.npz", "--photo", glob, "-n")
        assert json.loads(result.stdout)["photo_paths"] == gone
    assert forget(tmp_path / "f.npz", "--photo", paths[0]).exit_code == 0
    Path(paths[0]).touch()
    result = forget(tmp_path / "f.npz", "--photo", paths[0])  # again: it is no pattern now, either
    assert (result.exit_code, "nothing matches" in result.stderr) == (1, True)


def test_several_people_and_photos_go_at_once(out: Path) -> None:
    dry = forget(out, "--photo", "0.png", "--photo", "7.png", "-n")
    assert json.loads(dry.stdout)["photos"] == 2
    for others in (["--photo", "0.png"], ["--person", "Ann"]):
        refused = forget(out, *others, "--photo", "nothing*")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "nothing*: no photo matches; nothing was changed" in refused.stderr
    dry = forget(out, "--person", "Bob", "--photo", "6.png", "-n")
    assert "would be forgotten: person-0002 (Bob), all faces of 1 photo: 5 faces in 5 photos (" in dry.stderr
    assert "\nto be removed: 5 faces in results" in dry.stderr
    assert (json.loads(dry.stdout)["faces"], json.loads(dry.stdout)["photos"]) == (5, 1)
    done = forget(out, "--person", "Bob", "--person", "Ann")
    assert json.loads(done.stdout)["people"] == [str(out / "person-0001"), str(out / "person-0002")]
    assert "\nforgotten: person-0002 (Bob), person-0001 (Ann): 9 faces" in done.stderr
    assert face_table.read(out / "faces.npz").faces.id.tolist() == [f"{16:032x}-0"]


def test_result_that_lags_behind_its_decisions_is_not_cleaned(out: Path, table: FaceTable) -> None:
    decisions(out, table)
    shows(out, "0123456789abcdef")
    before = snapshot(out)
    result = forget(out, "--person", "Ann")
    assert result.exit_code == 1
    assert f"clusters.json does not show all decisions of {out / 'decisions.jsonl'}" in result.stderr
    again = f"facecluster cluster {out / 'faces.npz'} -o {out}"
    assert f"group the faces again, then forget: {again}\n" in result.stderr
    assert snapshot(out) == before


@pytest.mark.parametrize("at", range(7))
def test_failed_step_says_what_was_done_and_the_same_again_finishes(
    at: int, out: Path, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions(out, table)
    (out / "faces.npz").rename(tmp_path / "faces.npz")
    result = read_result(out / "clusters.json")
    settings = replace(result.settings, table=str(tmp_path / "faces.npz"))
    write_result(replace(result, settings=settings), out, pictures={}, link="auto", changed=())
    n_written = 0
    whole_file = face_table.whole_file

    def full(path: Path, **others: Any) -> Any:
        nonlocal n_written
        n_written += 1
        if n_written > at:
            raise face_table.cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))
        return whole_file(path, **others)

    with monkeypatch.context() as patch:
        for module in (whole_files, face_table, own_files, own_list, placing):
            patch.setattr(module, "whole_file", full)
        failed = forget(out, "--person", "Ann")
    written = [tmp_path / "faces.npz", out / "clusters.json", out / "decisions.jsonl"]
    assert failed.exit_code == (at < 6), failed.output
    if failed.exit_code:
        assert "the same command finishes it" in failed.stderr
        for file, step in zip((written[0], written[2]), (1, 3), strict=True):
            cleaned = failed.stderr.partition("cleaned already:")[2].partition("Once that is mended")[0]
            assert (str(file) in cleaned) == (at >= step)
        done = forget(out, "--person", "Ann")
        assert done.exit_code == 0, done.output
    ann_is_nowhere(out, table)
    assert table.faces.encoding[0].tobytes() not in (tmp_path / "faces.npz").read_bytes()
    assert len((out / "decisions.jsonl").read_text().splitlines()) == 5
    assert record(out)["settings"]["decisions"] == mark(decisions_jsonl.read(out / "decisions.jsonl"))


def test_copied_folder_has_a_table_of_its_own(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "copied", copy_function=shutil.copy2)
    before = snapshot(out)
    result = forget(tmp_path / "copied", "--person", "Ann")
    assert result.exit_code == 0, result.output
    assert "other results" not in result.stderr
    assert snapshot(out) == before
    assert len(face_table.read(tmp_path / "copied" / "faces.npz").faces) == 5


def test_table_outside_the_folder_is_told(table: FaceTable, tmp_path: Path) -> None:
    face_table.write(table, tmp_path / "faces.npz")
    for name in ("one", "other"):
        cluster_table(table, tmp_path / name, Choices(link="none"), source=str(tmp_path / "faces.npz"))
    result = forget(tmp_path / "one", "--person", "person-0001")
    told = f"{tmp_path / 'faces.npz'}: was rewritten; other results made from it are not cleaned"
    assert told in result.stderr


def test_absent_people_lose_them(out: Path, table: FaceTable) -> None:
    result = read_result(out / "clusters.json")
    ids = table.faces.id.tolist()
    absent = (
        Absent("person-0007", 3, (ids[0], ids[1])),
        Absent("person-0008", 3, (ids[2], ids[3], ids[8], "g-0")),
    )
    write_result(replace(result, absent=absent), out, pictures={}, link="auto", changed=())
    assert forget(out, "--person", "Ann").exit_code == 0
    assert record(out)["absent"] == [{"id": "person-0008", "n_faces": 3, "faces": [ids[3], ids[8], "g-0"]}]
    assert forget(out, "--photo", "[26].png").exit_code == 0
    assert record(out)["absent"] == [{"id": "person-0008", "n_faces": 3, "faces": ["g-0"]}]


def test_undone_merge_of_a_result_without_its_table(out: Path, table: FaceTable) -> None:
    (out / "faces.npz").unlink()
    named = [["name", out, person, name] for person, name in (("person-0001", "Ann"), ("person-0002", "Bob"))]
    for arguments in (*named, ["merge", out, "person-0001", "person-0002"], ["undo", out]):
        assert CliRunner().invoke(main, [*map(str, arguments)]).exit_code == 0
    before = snapshot(out)
    result = forget(out, "--person", "person-0001")
    assert result.exit_code == 1
    assert "its face table faces.npz is not there" in result.stderr
    assert snapshot(out) == before
    assert forget(out, "--person", "person-0001", "--table-gone").exit_code == 0
    ann_is_nowhere(out, table)


def absent(out: Path) -> None:
    """Name Ann anew by a decision; then nobody is found, as in a result of an older facecluster."""
    assert CliRunner().invoke(main, ["name", str(out), "person-0001", "Anna Berg"]).exit_code == 0
    result = read_result(out / "clusters.json")
    free = [
        UnclusteredFace(face.id, face.photo, face.box, face.pose, face.quality, "no_match")
        for person in result.people
        for face in person.faces
    ]
    gone = replace(
        with_people(result, (), (*result.unclustered, *free)), absent=tuple(map(Absent.of, result.people))
    )
    write_result(gone, out, pictures={}, link="auto", changed=None)
    (out / ".facecluster-undo.jsonl").unlink(missing_ok=True)
    assert not record(out)["people"]
    assert [one["id"] for one in record(out)["absent"]] == ["person-0001", "person-0002"]


@pytest.mark.parametrize("who", ["anna berg", "person-0001"])
def test_somebody_absent_goes_too(
    who: str, out: Path, table: FaceTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    absent(out)
    result = forget(out, "--person", who)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["faces"], report["encodings"], report["decisions"]) == (5, 5, 1)
    assert report["people"] == [str(out / "person-0001")]
    assert "\nforgotten: person-0001 (Anna Berg): 5 faces" in result.stderr
    assert "perhaps not all" not in caplog.text
    ann_is_nowhere(out, table)
    left = (out / "clusters.json").read_text() + (out / "decisions.jsonl").read_text()
    assert not any(
        text in left for text in ("Anna", "person-0001", *table.faces.id[[0, 1, 2, 4, 9]].tolist())
    )
    assert [one["id"] for one in record(out)["absent"]] == ["person-0002"]
    cluster_table(face_table.read(out / "faces.npz"), out, source=str(out / "faces.npz"))
    assert [(p["id"], p["n_faces"]) for p in record(out)["people"]] == [("person-0002", 4)]
    assert "no such person" in forget(out, "--person", who).stderr


@pytest.mark.parametrize("who", ["Anna Berg", "person-0001"])
@pytest.mark.parametrize("at", range(7))
def test_somebody_absent_goes_also_when_killed_half_way(
    who: str, at: int, out: Path, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent(out)
    n_written = 0
    whole_file = face_table.whole_file

    def die(path: Path, **others: Any) -> Any:
        nonlocal n_written
        n_written += 1
        if n_written > at:
            raise KeyboardInterrupt
        return whole_file(path, **others)

    with monkeypatch.context() as patch:
        for module in (whole_files, face_table, own_files, own_list, placing):
            patch.setattr(module, "whole_file", die)
        killed = forget(out, "--person", who).exit_code == 130
    assert killed == (at < n_written)
    if killed:
        again = forget(out, "--person", who)
        assert again.exit_code == 0, again.output
    ann_is_nowhere(out, table)
    assert "Anna" not in (out / "decisions.jsonl").read_text()
    assert [one["id"] for one in record(out)["absent"]] == ["person-0002"]


def test_of_somebody_absent_only_so_many_faces_are_known(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    absent(out)
    result = read_result(out / "clusters.json")
    others = (replace(result.absent[0], n_faces=40), result.absent[1])
    write_result(replace(result, absent=others), out, pictures={}, link="auto", changed=())
    assert json.loads(forget(out, "--person", "person-0001", "-q").stdout)["encodings"] == 5
    assert "person-0001: is absent in" in caplog.text
    assert "perhaps not all faces are known, only 5: others stay; group the faces again" in caplog.text


def test_somebody_absent_whose_faces_are_somebody_elses_now(out: Path, table: FaceTable) -> None:
    for done in (["name", out, "person-0002", "Anna Berg"], ["name", out, "person-0002", "Bob"]):
        assert CliRunner().invoke(main, [*map(str, done)]).exit_code == 0
    before = snapshot(out)
    result = forget(out, "--person", "Anna Berg")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        "Anna Berg: is absent, and most of the faces are those of person-0002 now; nothing" in result.stderr
    )
    assert snapshot(out) == before


def test_what_decisions_took_from_somebody_absent_stays(out: Path, table: FaceTable) -> None:
    ids = table.faces.id.tolist()
    assert CliRunner().invoke(main, ["name", str(out), "person-0001", "Anna Berg"]).exit_code == 0
    for done in (["move", out, ids[0], "nobody"], ["not-a-person", out, ids[1]]):
        assert CliRunner().invoke(main, [*map(str, done)]).exit_code == 0
    cluster = ["cluster", str(out / "faces.npz"), "-o", str(out), "--min-images", "20", "-q"]
    assert CliRunner().invoke(main, cluster).exit_code == 0
    assert forget(out, "--person", "Anna Berg").exit_code == 0
    assert {ids[0], ids[1]} <= set(face_table.read(out / "faces.npz").faces.id.tolist())
    assert "Anna" not in (out / "decisions.jsonl").read_text()


def test_report_that_cannot_be_written_is_told_as_such(out: Path, table: FaceTable) -> None:
    for flags, done in ((["-n"], "nothing was changed"), ([], "everything was removed")):
        program = [sys.executable, "-m", "facecluster", "forget", str(out), "--person", "Ann", *flags]
        with open("/dev/full", "w") as full:
            told = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert told.returncode == 1
        assert "forgotten: person-0001 (Ann): 5 faces in 5 photos" in told.stderr
        assert told.stderr.endswith("only the report could not be written: No space left on device\n")
        assert done in told.stderr
        assert "Exception" not in told.stderr
    ann_is_nowhere(out, table)


@pytest.mark.parametrize("rows", [[], [3, 5, 6, 7, 8], [0, 1]])
@pytest.mark.parametrize("suffix", ["npz", "pickle"])
def test_table_that_is_another_one_is_as_if_gone(
    rows: list[int], suffix: str, table: FaceTable, tmp_path: Path
) -> None:
    # a table of other photos; one that has all but Ann, and never had her; one without Bob
    out, file = tmp_path / "out", tmp_path / f"f.{suffix}"
    cluster_table(table, out, source=str(file))
    photos = sorted({int(table.faces.photo[row]) for row in rows})
    place = {photo: i for i, photo in enumerate(photos)}
    columns = {name: column[rows] for name, column in vars(table.faces).items()}
    columns["photo"] = np.array([place[int(photo)] for photo in columns["photo"]], dtype=np.int32)
    other = replace(
        table,
        photos=type(table.photos)(**{name: column[photos] for name, column in vars(table.photos).items()}),
        faces=replace(table.faces, **columns),
    )
    if not rows:
        other = make_table(people(2, 2), paths=["/other/1", "/other/2"], photo=[0, 0, 1, 1])
    face_table.write(other, file)
    before = snapshot(tmp_path)
    result = forget(out, "--person", "person-0001")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{file} is not the face table that it was made from (it lacks" in result.stderr
    again = f"facecluster cluster {file} -o {out}"
    assert f"nowhere any more, or, if it was encoded since, type first: {again}. Nothing" in result.stderr
    assert snapshot(tmp_path) == before
    face_table.write(table, tmp_path / "real.npz")
    assert forget(out, tmp_path / "real.npz", "--person", "person-0001", "-n").exit_code == 0
    result = forget(out, "--person", "person-0001", "--table-gone")
    assert result.exit_code == 0, result.output
    assert record(out)["counts"]["photos"] == 9


# ------------------------------------------------------------------------------------------------- a terminal


def test_a_terminal_gets_sentences_and_a_pipe_json(out: Path) -> None:
    code, shown, stderr = on_terminal("forget", out, "--person", "Ann", "--dry-run")
    assert (code, stderr) == (0, "")
    assert shown.startswith("would be forgotten: person-0001 (Ann): 5 faces in 5 photos (0.png, ")
    assert "{" not in shown
    code, shown, stderr = on_terminal("forget", out, "--person", "Ann", "--dry-run", "--json")
    assert (code, json.loads(shown)) == (0, json.loads(forget(out, "--person", "Ann", "-n").stdout))
    assert stderr.startswith("would be forgotten: person-0001 (Ann)")
    code, shown, stderr = on_terminal("forget", out, "--person", "Ann", "-yq")
    assert (code, shown, stderr) == (0, "", "")


def test_what_goes_is_told_before_and_no_changes_nothing(out: Path) -> None:
    before = snapshot(out)
    for typed in ("n\n", "\n"):
        code, shown, stderr = on_terminal("forget", out, "--person", "Ann", typed=typed)
        assert (code, stderr) == (1, "facecluster: nothing was changed\n")
        assert (
            "about to forget person-0001 (Ann): 5 faces in 5 photos (0.png, 1.png, 2.png, 3.png, copy.png)\n"
            "This cannot be taken back"
        ) in shown
        assert "forget them? [y/N]" in shown
        assert snapshot(out) == before


def test_yes_forgets_on_a_terminal(out: Path, table: FaceTable) -> None:
    code, shown, stderr = on_terminal("forget", out, "--person", "Ann", "--photo", "7.png", typed="y\n")
    assert (code, stderr) == (0, "")
    assert "about to forget person-0001 (Ann), all faces of 1 photo: 5 faces in 6 photos (" in shown
    assert shown.index("This cannot be taken back") < shown.index("forgotten: person-0001 (Ann)")
    ann_is_nowhere(out, table)


def test_nobody_is_asked_with_yes_or_dry_run_or_without_a_terminal_to_type_on(out: Path) -> None:
    for options in (["--dry-run"], ["--yes"]):
        code, shown, _ = on_terminal("forget", out, "--person", "Ann", *options, typed="n\n")
        assert code == 0
        assert "[y/N]" not in shown
        assert ("about to forget" in shown) == (options == ["--yes"])
    done = forget(out, "--person", "Bob")
    assert done.exit_code == 0
    assert done.stderr.startswith("about to forget person-0002 (Bob): 4 faces in 4 photos (2.png, ")
    assert "This cannot be taken back" in done.stderr
    assert json.loads(done.stdout)["people"] == [str(out / "person-0002")]


def test_label_that_goes_is_told_before(table: FaceTable, tmp_path: Path) -> None:
    face_table.write(table, tmp_path / "t.npz")
    done = forget(tmp_path / "t.npz", "--label", "photos", "--labels", "folder")
    assert done.stderr.startswith("about to forget photos: ")


def test_montage_into_which_another_program_wrote_goes_too(out: Path) -> None:
    with (out / "person-0001 Ann_montage.jpg").open("ab") as file:
        file.write(b"rated")
    (out / "person-0002 Bob_montage.jpg").write_bytes((out / "person-0001 Ann_montage.jpg").read_bytes())
    dry = json.loads(forget(out, "--person", "Ann", "-n").stdout)
    assert dry["removed"] == [str(out / "person-0001 Ann_montage.jpg")]
    assert (out / "person-0001 Ann_montage.jpg").exists()
    done = forget(out, "--person", "Ann")
    assert json.loads(done.stdout)["removed"] == dry["removed"]
    assert not [name for name in names(out) if "Ann" in name]
    assert (out / "person-0002 Bob_montage.jpg").exists()


def test_folder_that_stays_bears_the_name_no_more(out: Path) -> None:
    (out / "person-0001 Ann" / "mine.txt").write_text("mine")
    result = forget(out, "--person", "Ann")
    assert (out / "person-0001" / "mine.txt").read_text() == "mine"
    assert "person-0001: holds files that are not facecluster's; they stay" in result.stderr
    assert not [path for path in out.rglob("*") if "Ann" in path.name]


def test_own_files_of_a_library_are_no_photos(out: Path, tmp_path: Path) -> None:
    inside = sorted(map(str, [*out.glob("*"), *out.glob("person-0001*/*")]))
    result = CliRunner().invoke(main, ["run", *inside, "-o", str(out), "-y", "--keep-missing", "-j", "1"])
    assert result.exit_code == 0, result.output
    assert "files of the library itself are no photos, and left out: " in result.stderr
    paths = face_table.read(out / "faces.npz").photos.path.tolist()
    assert not [
        path for path in paths if "montage" in path or "index" in path or path.endswith((".json", ".npz"))
    ]
