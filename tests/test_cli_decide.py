from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click.testing
import pytest
from click.testing import CliRunner
from commands import on_terminal
from emoji import JOINED
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.formats import face_table
from facecluster.formats.clusters_json import read_result
from facecluster.library import amend, change, undo_patches
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.photos.decode import decode
from facecluster.photos.picture import pixel_digest
from facecluster.result import AlmostFace, AlmostPerson, Person, Result
from facecluster.table import Faces


def run(*arguments: object) -> click.testing.Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: object) -> click.testing.Result:
    """Run what must work."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def digest(path: Path) -> str:
    """The id of the photo of a file."""
    decoded = decode(path)
    return pixel_digest(decoded.pixels, decoded.size)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A result: person-0001 in photos 0 to 5, 0002 in 6 to 9, 0003 in 10 to 12, a stranger in 13.

    In photo 6 there is a second face, of nobody. Photo 5 is a copy of photo 4.
    """
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / f"{i:02d}.png" for i in range(14)]
    for i, path in enumerate(paths):
        Image.new("RGB", (400, 400), (10 * min(i, 4) if i < 6 else 10 * i, 100, 100)).save(path)
    photo = [*range(7), 6, *range(7, 14)]
    faces = people(5, 6)
    encoding = faces[[0, 1, 2, 3, 4, 4, 6, 24, 7, 8, 9, 12, 13, 14, 18]]
    ordinal = [0] * 7 + [1] + [0] * 7
    left = [100.0] * 7 + [250.0] + [100.0] * 7
    table = make_table(
        encoding,
        photo=photo,
        paths=[str(path) for path in paths],
        photos={"size": [[400, 400]] * 14, "digest": [digest(path) for path in paths]},
        id=[f"{digest(paths[p])}-{o}" for p, o in zip(photo, ordinal, strict=True)],
        box=[[x, 200, x + 100, 300] for x in left],
    )
    face_table.write(table, tmp_path / "faces.npz")
    cluster(tmp_path)
    return tmp_path / "out"


def cluster(folder: Path) -> Result:
    """Group the faces anew."""
    file = str(folder / "faces.npz")
    return cluster_table(face_table.read(file), folder / "out", Choices(link="symlink"), source=file, jobs=1)


def result_of(out: Path) -> Result:
    return read_result(out / "clusters.json")


def who(out: Path) -> dict[str, list[str]]:
    """Names of the photos of everybody, in order of the alphabet."""
    result = result_of(out)
    return {person.id: sorted(Path(face.photo).stem for face in person.faces) for person in result.people}


def person(out: Path, id_: str) -> Person:
    return next(person for person in result_of(out).people if person.id == id_)


def lines(out: Path) -> list[dict[str, Any]]:
    file = out / "decisions.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def in_folder(out: Path, id_: str) -> list[str]:
    return sorted(path.stem for path in (out / id_).iterdir())


def again(out: Path) -> None:
    """Group anew, and expect what the verbs made of the result."""
    before, names = who(out), {person.id: person.name for person in result_of(out).people}
    cluster(out.parent)
    assert who(out) == before
    assert {person.id: person.name for person in result_of(out).people} == names


ONE, TWO, THREE = (
    ["00", "01", "02", "03", "04", "05"],
    ["06", "07", "08", "09"],
    ["10", "11", "12"],
)


def test_the_example_is_as_it_says(out: Path) -> None:
    assert who(out) == {"person-0001": ONE, "person-0002": TWO, "person-0003": THREE}
    assert len(result_of(out).unclustered) == 2


# ------------------------------------------------------------------------------------------------------ name


def test_named_person_keeps_the_name(out: Path) -> None:
    result = done("name", out, "person-0002", " Anna  Bö ")
    assert person(out, "person-0002").name == "Anna Bö"
    assert [json.loads(result.stdout)] == lines(out)
    (line,) = lines(out)
    assert line["do"] == "name"
    assert line["name"] == "Anna Bö"
    assert len(line["faces"]) == 4
    assert "person-0002 is Anna Bö now" in result.stderr
    assert f"facecluster undo {out} {line['id']}" in result.stderr
    again(out)


def test_quiet_says_nothing_but_the_line(out: Path) -> None:
    result = done("name", "-q", out, "person-0002", "Anna")
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1


def test_empty_name_takes_it_away(out: Path) -> None:
    done("name", out, "person-0002", "Anna")
    done("name", out, "ANNA", "")
    assert person(out, "person-0002").name is None
    again(out)


def test_name_that_is_replaced_or_dropped_is_told(out: Path) -> None:
    done("name", out, "person-0001", "Hugo")
    assert "person-0001 is Tony now, and was called Hugo before\n" in done("name", out, "Hugo", "Tony").stderr
    assert "before" not in done("name", out, "Tony", "Tony").stderr
    done("name", out, "person-0002", "Anna")
    assert "; the name Anna is dropped\n" in done("merge", out, "person-0001", "person-0002").stderr
    told = done("name", out, "person-0002", "Bea").stderr
    assert "is Bea now, and was called Tony before (person-0002 is person-0001 now)\n" in told
    told = done("name", out, "person-0001", "").stderr
    assert "person-0001 has no name now, and was called Bea before\n" in told
    done("name", out, "person-0003", "Cleo")
    assert "dropped" not in done("merge", out, "person-0001", "person-0003").stderr


def test_spaces_do_not_take_a_name_away(out: Path) -> None:
    done("name", out, "person-0002", "Anna")
    result = run("name", out, "Anna", "   ")
    assert result.exit_code == 2
    assert 'give letters, or "" to take the name away' in result.stderr
    assert person(out, "person-0002").name == "Anna"


@pytest.mark.parametrize("name", ["علی\u200cرضا", "👩\u200d🚀 Ann", *(f"{emoji} Family" for emoji in JOINED)])
def test_names_may_have_joined_letters_and_emoji(out: Path, name: str) -> None:
    assert f"person-0002 is {name} now" in done("name", out, "person-0002", name).stderr
    assert person(out, "person-0002").name == name
    assert name in run("show", out, "--format", "csv").stdout
    assert name in done("name", out, name, name).stderr
    unseen = str.maketrans("", "", "\u200c\u200d\ufe0f")  # as another keyboard writes it
    done("name", out, name.translate(unseen), "")
    assert person(out, "person-0002").name is None


@pytest.mark.parametrize(
    "unseen", ["\U000e0041", "🏴\U000e0067", "a\U000e0067\U000e007f", "\ufe0f", "\u200d\ufe0f"]
)
def test_names_may_have_no_letters_that_nobody_sees(out: Path, unseen: str) -> None:
    assert run("name", out, "person-0002", unseen).exit_code == 2
    assert person(out, "person-0002").name is None


def test_two_people_may_not_have_one_name(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    result = run("name", out, "person-0002", "anna")
    assert result.exit_code == 1
    assert f"if they are one person: facecluster merge {out} person-0001 person-0002" in result.stderr
    assert len(lines(out)) == 1


@pytest.mark.parametrize("name", ["Nobody", "person-0007", "a\x07b", "x" * 201, "   ", "\u200d", "a\u202eb"])
def test_name_that_means_something_else_is_refused(out: Path, name: str) -> None:
    result = run("name", out, "person-0001", name)
    assert result.exit_code == 2
    assert lines(out) == []


def test_result_may_be_named_by_its_file(out: Path) -> None:
    done("name", out / "clusters.json", "person-0001", "Anna")
    assert person(out, "person-0001").name == "Anna"


# ----------------------------------------------------------------------------------------------------- merge


def test_merged_people_are_one_with_the_first_ones_id(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    result = done("merge", out, "person-0003", "anna")
    assert who(out) == {"person-0003": ONE + THREE, "person-0002": TWO}
    merged = person(out, "person-0003")
    assert merged.name == "Anna"
    assert merged.former == ("person-0001",)
    assert merged.n_photos == 9
    assert in_folder(out, "person-0003 Anna") == ONE + THREE
    assert not list(out.glob("person-0001*"))
    assert (out / "person-0003 Anna_montage.jpg").exists()
    assert result_of(out).counts.people == 2
    assert result_of(out).changes.vanished == ("person-0001",)
    assert "person-0003 (Anna), with 9 faces" in result.stderr
    again(out)


def test_former_id_is_understood(out: Path) -> None:
    done("merge", out, "person-0003", "person-0001")
    done("name", out, "person-0001", "Anna")
    assert person(out, "person-0003").name == "Anna"


def test_a_person_is_known_by_up_to_25_faces_founding_ones_first(out: Path) -> None:
    photos = out.parent / "photos"
    done("merge", out, "person-0001", "person-0002")
    done("split", out, "person-0001", photos / "06.png")
    done("move", out, photos / "07.png", "person-0003")
    done("move", out, photos / "08.png", "nobody")
    merge, split, move, away = lines(out)
    assert [len(side) for side in merge["faces"]] == [5, 4]  # photo 5 is a copy of photo 4
    assert len(split["from"]) == 8
    assert (len(move["to"]), len(move["from"]), len(away["from"])) == (3, 7, 6)
    first, face = result_of(out).people[0], person(out, "person-0003").faces[0]
    many = [replace(face, id=f"{i:032x}-0", core=i >= 20) for i in range(40)]
    anchors = change.typical(replace(first, faces=tuple(many)), [many[20].id])
    assert [int(spot.digest, 16) for spot in anchors] == [*range(21, 40), *range(6)]


def test_merge_wants_different_people(out: Path) -> None:
    assert run("merge", out, "person-0001").exit_code == 2
    assert run("merge", out).exit_code == 2
    result = run("merge", out, "person-0001", "PERSON-0001")
    assert result.exit_code == 2
    assert "named twice" in result.stderr
    assert run("merge", out, "person-0001", "person-0002").exit_code == 0
    again = run("merge", out, "person-0001", "person-0002")
    assert again.exit_code == 0
    assert "are one person already" in again.stderr


# ----------------------------------------------------------------------------------------------------- split


def test_split_off_faces_are_a_new_person(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    result = done("split", out, "anna", out.parent / "photos" / "00.png", out / "person-0001 Anna" / "01.png")
    assert who(out) == {
        "person-0002": TWO,
        "person-0001": ONE[2:],
        "person-0003": THREE,
        "person-0004": ONE[:2],
    }
    assert person(out, "person-0001").name == "Anna"
    assert person(out, "person-0004").name is None
    assert all(face.core for face in person(out, "person-0004").faces)
    assert in_folder(out, "person-0004") == ONE[:2]
    assert result_of(out).next_id == 5
    assert "person-0004 is new, with 2 faces of person-0001 (Anna), which keeps 4" in result.stderr
    again(out)


def test_copies_of_a_photo_go_together(out: Path) -> None:
    done("split", out, "person-0001", out.parent / "photos" / "04.png")
    assert who(out)["person-0004"] == ["04", "05"]
    again(out)


def test_split_wants_faces_of_the_person_and_not_all(out: Path) -> None:
    photos = out.parent / "photos"
    result = run("split", out, "person-0003", photos / "06.png#1")
    assert result.exit_code == 1
    assert "is of person-0002, not a face of person-0003" in result.stderr
    result = run("split", out, "person-0003", *(photos / f"{name}.png" for name in THREE))
    assert "all faces of person-0003" in result.stderr
    assert lines(out) == []


def test_of_two_faces_in_a_photo_split_takes_the_persons(out: Path) -> None:
    done("split", out, "person-0002", out.parent / "photos" / "06.png")
    assert who(out)["person-0004"] == ["06"]


# ------------------------------------------------------------------------------------------------------ move


def test_moved_faces_are_with_the_other_person(out: Path) -> None:
    result = done(
        "move", out, out.parent / "photos" / "00.png", out.parent / "photos" / "13.png", "person-0002"
    )
    assert who(out) == {"person-0002": ["00", *TWO, "13"], "person-0001": ONE[1:], "person-0003": THREE}
    assert "2 faces moved to person-0002" in result.stderr
    assert result_of(out).counts.clustered == 14
    again(out)


def test_face_moved_to_nobody_is_left_out(out: Path) -> None:
    face = person(out, "person-0003").faces[0]
    done("move", out, face.id[:8], "nobody")
    assert face.photo not in {face.photo for face in person(out, "person-0003").faces}
    assert face.id in {face.id for face in result_of(out).unclustered}


def test_moved_face_may_be_moved_again_and_back(out: Path) -> None:
    photo = out.parent / "photos" / "00.png"
    done("move", out, photo, out.parent / "photos" / "01.png", "person-0002")
    done("move", out, photo, "person-0003")
    assert who(out) == {
        "person-0002": ["01", *TWO],
        "person-0001": ONE[2:],
        "person-0003": ["00", *THREE],
    }
    again(out)
    done("move", out, photo, "nobody")
    again(out)
    done("move", out, photo, "person-0001")
    again(out)
    assert who(out) == {"person-0001": ["00", *ONE[2:]], "person-0002": ["01", *TWO], "person-0003": THREE}
    done("split", out, "person-0001", photo)
    again(out)
    assert who(out)["person-0004"] == ["00"]


def test_face_moved_to_nobody_says_that_somebody_took_it_away(out: Path) -> None:
    done("move", out, out.parent / "photos" / "10.png", "nobody")
    assert result_of(out).counts.unclustered["taken_away"] == 1
    cluster(out.parent)
    assert result_of(out).counts.unclustered["taken_away"] == 1


def test_person_whose_last_face_is_moved_is_gone(out: Path) -> None:
    photos = [out.parent / "photos" / f"{name}.png" for name in THREE]
    result = done("move", out, *photos, "person-0001")
    assert who(out) == {"person-0001": ONE + THREE, "person-0002": TWO}
    assert "person-0003 had no other and is gone" in result.stderr
    assert not (out / "person-0003").exists()
    again(out)


def test_move_says_what_does_not_make_sense(out: Path) -> None:
    photos = out.parent / "photos"
    assert "is a face of person-0001 already" in run("move", out, photos / "00.png", "person-0001").stderr
    assert "is nobody's already" in run("move", out, photos / "13.png", "nobody").stderr
    several = run("move", out, photos / "00.png", photos / "10.png", "nobody")
    assert "of several people (person-0001, person-0003)" in several.stderr
    assert lines(out) == []


# ---------------------------------------------------------------------------------------------- not-a-person


def test_person_that_is_none_is_dissolved(out: Path) -> None:
    result = done("not-a-person", out, "person-0002")
    assert who(out) == {"person-0001": ONE, "person-0003": THREE}
    assert result_of(out).counts.unclustered["not_a_person"] == 4
    assert "person-0002 is nobody you know now; 4 faces moved to nobody" in result.stderr
    again(out)
    assert result_of(out).counts.unclustered["not_a_person"] == 4


def test_face_that_is_no_persons_is_left_out(out: Path) -> None:
    done("not-a-person", out, out.parent / "photos" / "00.png", out.parent / "photos" / "13.png")
    assert who(out)["person-0001"] == ONE[1:]
    assert result_of(out).counts.unclustered["not_a_person"] == 2
    again(out)


def test_people_and_faces_are_said_to_be_none_at_once_and_are_taken_back_at_once(out: Path) -> None:
    before = who(out)
    result = done("not-a-person", out, "person-0003", "person-0002", "13.png")
    assert who(out).keys() == {"person-0001"}
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["person"] for line in lines] == ["person-0003", "person-0002", None]
    assert len({line["time"] for line in lines}) == 1
    assert f"to take it back: facecluster undo {out}\n" in result.stderr
    cluster(out.parent)
    assert who(out).keys() == {"person-0001"}
    done("undo", out)
    assert who(out) == before


def test_all_strangers_of_a_photo_or_a_folder_are_said_to_be_none(out: Path) -> None:
    before = who(out)
    assert len(json.loads(done("not-a-person", out, "06.png").stdout)["faces"]) == 1  # the second face of it
    result = done("not-a-person", out, out.parent / "photos")
    assert [face[0] for face in json.loads(result.stdout)["faces"]] == [
        digest(out.parent / "photos" / "13.png"),  # that of 06.png is so already
    ]
    assert who(out) == before
    assert {face.reason for face in result_of(out).unclustered} == {"not_a_person"}
    for photo in ("08.png#1", "08.png"):  # the only face of its photo is meant itself
        done("not-a-person", out, photo)
        assert who(out)["person-0002"] == ["06", "07", "09"]
        done("undo", out)


def test_empty_name_is_not_the_folder_that_we_are_in(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent / "photos")
    assert "no such" in run("not-a-person", out, "").stderr
    assert lines(out) == []


# ------------------------------------------------------------------------------------------------------ make


def test_person_is_made_of_faces_of_nobody(out: Path) -> None:
    result = done("name", out, "Aunt Eva", "06.png#2", "13.png")
    assert json.loads(result.stdout)["do"] == "make"
    assert "person-0004 (Aunt Eva) is new, with 2 faces" in result.stderr
    for _ in range(2):
        assert who(out)["person-0004"] == ["06", "13"]
        assert person(out, "person-0004").name == "Aunt Eva"
        cluster(out.parent)
    done("undo", out)
    assert "person-0004" not in who(out)
    cluster(out.parent)
    assert len(who(out)) == 3


def test_person_is_made_of_faces_of_others_too(out: Path) -> None:
    result = done("name", out, "Eva", "00.png", "13.png", "06.png#1")
    said = "of these, 1 of person-0001 and 1 of person-0002"
    assert said in result.stderr
    for _ in range(2):
        made = who(out)
        assert made["person-0004"] == ["00", "06", "13"]
        assert made["person-0001"] == ["01", "02", "03", "04", "05"]
        assert made["person-0002"] == ["07", "08", "09"]
        cluster(out.parent)


def test_who_is_there_gets_no_second_person_of_the_name(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    for name in ("Anna", "ANNA", "person-0001"):
        error = run("name", out, name, "13.png")
        assert error.exit_code == 1
        assert f"facecluster move {out} 13.png {name}" in error.stderr
    assert person(out, "person-0001").name == "Anna"
    assert "give a person and a name" in run("name", out, "Anna").stderr
    assert "no such face" in run("name", out, "Eva", "13.png", "nowhere.jpg").stderr
    assert "no such person" in run("name", out, "Eva", "Tom").stderr
    assert len(who(out)) == 3


def test_forgotten_name_of_a_made_person_is_gone(out: Path) -> None:
    done("name", out, "Aunt Eva", "06.png#2", "13.png")
    assert run("forget", out, "--person", "Aunt Eva").exit_code == 0
    assert "Eva" not in (out / "decisions.jsonl").read_text()
    assert "person-0004" not in who(out)


# ------------------------------------------------------------------------------------------------ given back


def test_person_is_meant_by_folder_face_and_name_without_accents(out: Path) -> None:
    done("name", out, "person-0001", "Zoë Müller")
    for text in (
        "zoe muller",
        "person-0001 (Zoë Müller)",
        "Zoë Müller (person-0001)",
        "person-0001 Zoë Müller",
        f"{out}/person-0001 Zoë Müller/",
        f"{out}/person-0001_montage.jpg",
        "00.png",
        "person-0001#2",
    ):
        result = run("merge", out, text, "person-0002")
        assert result.exit_code == 0, (text, result.stderr)
        assert json.loads(result.stdout)["people"] == ["person-0001", "person-0002"]
        done("undo", out)
    assert "is a face of nobody" in run("merge", out, "13.png", "person-0002").stderr


def test_numbers_of_the_montage_name_faces(out: Path) -> None:
    faces = [Path(face.photo).stem for face in person(out, "person-0001").faces]
    one, two, three = [i for i, name in enumerate(faces) if name not in ("04", "05")][:3]  # those are copies
    done("split", out, "person-0001", f"{two + 1}", f"#{three + 1}")
    assert who(out)["person-0004"] == sorted([faces[two], faces[three]])
    left = [Path(face.photo).stem for face in person(out, "person-0001").faces]
    done("move", out, f"person-0001#{left.index(faces[one]) + 1}", "person-0002")
    assert faces[one] in who(out)["person-0002"]
    assert "give a number from 1 to" in run("split", out, "person-0001", "77").stderr


# ------------------------------------------------------------------------------------------------------ undo


def test_last_things_are_taken_back_together(out: Path) -> None:
    before, names = who(out), [None, None, None]
    done("name", out, "person-0001", "Anna")
    done("merge", out, "person-0001", "person-0002")
    done("not-a-person", out, "person-0003", "13.png")
    result = done("undo", out, "-n", 2)
    assert len(result.stdout.splitlines()) == 3
    assert who(out) == before
    assert [p.name for p in result_of(out).people] == ["Anna", None, None]
    result = done("undo", out, "-n", 9)
    assert "there is nothing else to be taken back" in result.stderr
    assert [p.name for p in result_of(out).people] == names
    assert run("undo", out, "-n", 1).exit_code == 1
    assert run("undo", out, "12345678", "-n", 1).exit_code == 2


def test_several_numbers_of_a_montage_are_given_as_a_range(out: Path) -> None:
    done("name", out, "person-0002", "Karl-Otto")
    one, two, three, four = (Path(face.photo).stem for face in person(out, "person-0002").faces)
    done("split", out, "Karl-Otto", "1", "3-4")
    assert who(out)["person-0004"] == sorted([one, three, four])
    done("undo", out)
    done("move", out, "Karl-Otto#2-3", "person-0001")
    assert who(out)["person-0002"] == sorted([one, four])
    done("undo", out)
    done("name", out, "Eva", "person-0002#3-4")
    assert sorted([three, four]) in who(out).values()
    done("undo", out)
    done("not-a-person", out, "person-0002#4-4")
    assert who(out)["person-0002"] == sorted([one, two, three])
    for text, told in (
        ("2-5", "2-5: the montage of person-0002 (Karl-Otto) has 3 faces; give a number from 1 to 3"),
        ("0-2", "0-2: the montage of"),
        ("3-2", "3-2: the first number is the larger one; give 2-3"),
        ("77", "77: the montage of person-0002 (Karl-Otto) has 3 faces"),
    ):
        assert told in run("split", out, "Karl-Otto", text).stderr
    told = run("move", out, "5-9", "person-0002").stderr
    assert "person-0004#7 for the face that a montage numbers so" in told


# --------------------------------------------------------------------------------------------------- history


def test_history_says_what_was_decided_and_what_holds(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    done("split", out, "person-0002", "06.png", "07.png")
    done("name", out, "Eva", "13.png")
    done("undo", out)
    past = [json.loads(line) for line in done("history", out).stdout.splitlines()]
    assert [one["do"] for one in past] == ["name", "split", "make", "undo"]
    assert [one["holds"] for one in past] == [True, True, False, True]
    assert past[2]["undone_by"] == past[3]["id"]
    assert past[0]["said"] == "person-0001 is called Anna"
    assert past[1]["said"] == "2 faces (07.png, 06.png#1) of person-0002 are somebody else: person-0004"
    assert past[1]["photos"] == [str(out.parent / "photos" / name) for name in ("07.png", "06.png")]
    for text, kinds in (
        ("Anna", ["name"]),
        ("person-0004", ["split"]),
        ("07.png", ["split"]),
        ("person-0003", []),
    ):
        lines = done("history", out, text).stdout.splitlines()
        assert [json.loads(line)["do"] for line in lines] == kinds
    assert done("history", out, "--since", "2999-01-01").stdout == ""
    assert len(done("history", out, "--since", "2020-01-01").stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("since", "n_lines"),
    [("1d", 1), ("2w", 1), (" 7D", 1), ("0d", 0), ("99999w", 1), ("2020-01-01T10:30", 1)],
)
def test_history_since_days_and_weeks_ago(since: str, n_lines: int, out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    assert len(done("history", out, "--since", since).stdout.splitlines()) == n_lines


@pytest.mark.parametrize("since", ["last week", "2026-13-01", "", "7 days"])
def test_history_since_anything_else_says_how_to_say_a_day(since: str, out: Path) -> None:
    told = run("history", out, "--since", since)
    assert told.exit_code == 2
    assert "say a day as 2026-11-22" in " ".join(told.stderr.split())
    assert "%" not in told.stderr


@pytest.mark.parametrize("by", ["name", "make", "nothing"])
def test_name_that_somebody_has_already_is_no_new_decision(by: str, out: Path) -> None:
    who, name = {
        "name": ("person-0001", "Anna"),
        "make": ("person-0004", "Eva"),
        "nothing": ("person-0001", ""),
    }[by]
    if by == "name":
        done("name", out, who, name)
    if by == "make":
        done("name", out, name, "13.png")
    before = lines(out)
    again = done("name", out, who, name)
    told = f"is called {name} already" if name else "has no name anyway"
    assert (again.stdout, again.stderr) == ("", f"{who} {told}; nothing was changed\n")
    assert lines(out) == before


def test_name_that_no_decision_gives_any_more_is_decided_again(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    (out / "decisions.jsonl").unlink()
    done("name", out, "person-0001", "Anna")
    assert [line["do"] for line in lines(out)] == ["name"]


def test_who_is_no_person_already_is_no_new_decision(out: Path) -> None:
    done("not-a-person", out, "13.png")
    before = lines(out)
    again = done("not-a-person", out, "13.png")
    assert (again.stdout, again.stderr) == ("", "1 face is nobody you know already; nothing was changed\n")
    assert lines(out) == before
    more = done("not-a-person", out, out.parent / "photos")
    assert more.stderr.startswith("1 face said to be nobody you know (1 more was that already)\n")
    assert len(json.loads(more.stdout)["faces"]) == 1
    told = done("not-a-person", out, out.parent / "photos").stderr
    assert told == "2 faces are nobody you know already; nothing was changed\n"
    done("undo", out)
    done("undo", out)
    assert "said to be" in done("not-a-person", out, "13.png").stderr


def past_of(out: Path, *arguments: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done("history", out, *arguments).stdout.splitlines()]


def test_name_does_not_hold_once_there_is_another(out: Path) -> None:
    done("name", out, "person-0001", "Ann")
    done("name", out, "person-0001", "Anna")
    done("name", out, "person-0002", "Bert")
    done("name", out, "person-0003", "Cleo")
    done("merge", out, "person-0001", "person-0002")
    ann, anna, bert, cleo, merged = past_of(out)
    assert [one["holds"] for one in (ann, anna, bert, cleo, merged)] == [False, True, False, True, True]
    assert ann["replaced_by"] == anna["id"]
    assert bert["replaced_by"] == merged["id"]
    assert merged["said"] == "person-0001 (Anna) and person-0002 (Bert) are one person: person-0001 (Anna)"
    _, shown, stderr = on_terminal("history", out)
    assert f"no, later: {anna['id']}  person-0001 is called Ann\n" in shown
    assert stderr == "5 decisions, 3 of them in force\n"
    done("undo", out)
    done("name", out, "person-0003", "")
    ann, _, bert, cleo, merged, undone, taken = past_of(out)
    assert (bert["holds"], merged["holds"], undone["holds"]) == (True, False, True)
    assert (cleo["holds"], cleo["replaced_by"]) == (False, taken["id"])
    _, shown, stderr = on_terminal("history", out)
    assert stderr == "6 decisions, 3 of them in force; 1 undo\n"


def test_undo_of_an_undo_is_one_sentence(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    for _ in range(3):
        done("undo", out, past_of(out)[-1]["id"])
    named, *undos = past_of(out)
    assert [one["said"] for one in undos] == [
        f"taken back: person-0001 is called Anna ({named['id']})",
        f"counts again: person-0001 is called Anna ({named['id']})",
        f"taken back: person-0001 is called Anna ({named['id']})",
    ]


def test_history_of_a_face_is_about_this_face(out: Path) -> None:
    done("name", out, "person-0002", "Bert")
    done("move", out, "00.png", "person-0002")
    done("split", out, "person-0001", "01.png")
    done("not-a-person", out, "13.png")
    assert [one["do"] for one in past_of(out, "Bert")] == ["name", "move"]
    assert [one["do"] for one in past_of(out, "00.png")] == ["move"]
    assert [one["do"] for one in past_of(out, "01.png")] == ["split"]
    assert [one["do"] for one in past_of(out, "13.png")] == ["not-a-person"]
    assert past_of(out, "08.png") == []
    told = done("history", out, "08.png").stderr
    about = f"about person-0002 (Bert), whose face this is: facecluster history {out} person-0002"
    assert told == f"nothing was decided\n{about}\n"
    (moved,) = past_of(out, "00.png")
    assert moved["said"] == "1 face (00.png) moved from person-0001 to person-0002 (Bert)"


def test_history_on_a_terminal_is_a_line_a_decision(out: Path) -> None:
    code, shown, stderr = on_terminal("history", out)
    assert (code, shown, stderr) == (0, "", "nothing was decided\n")
    done("name", out, "person-0001", "Anna")
    _, shown, stderr = on_terminal("history", out)
    header, line = shown.splitlines()
    assert header.split() == ["when", "id", "holds", "what"]
    assert line.endswith("yes    person-0001 is called Anna")
    assert stderr == "1 decision, 1 of them in force\n"


def test_correction_on_a_terminal_is_a_sentence(out: Path) -> None:
    code, shown, stderr = on_terminal("name", out, "person-0001", "Anna")
    assert (code, stderr) == (0, "")
    assert shown.startswith(f"person-0001 is Anna now\nto take it back: facecluster undo {out} ")
    assert json.loads(on_terminal("name", out, "person-0001", "Ann", "--json", "-q")[1])["name"] == "Ann"


# ------------------------------------------------------------------------------------------------------ undo


def test_undo_takes_back_the_last_one_and_then_the_one_before(out: Path) -> None:
    before = who(out)
    done("merge", out, "person-0001", "person-0002")
    done("name", out, "person-0001", "Anna")
    assert "taken back: name person-0001 Anna" in done("undo", out).stderr
    assert person(out, "person-0001").name is None
    assert "taken back: merge person-0001 person-0002" in done("undo", out).stderr
    assert sorted(who(out).values()) == sorted(before.values())
    result = run("undo", out)
    assert result.exit_code == 1
    assert "no decision to be undone" in result.stderr
    again(out)


def test_undo_can_be_undone(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    done("undo", out)
    done("undo", out, lines(out)[-1]["id"])
    assert person(out, "person-0001").name == "Anna"
    done("undo", out)
    assert person(out, "person-0001").name is None
    again(out)


def test_undo_of_a_name_gives_back_the_one_before(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    done("name", out, "person-0001", "Bea")
    done("undo", out)
    assert person(out, "person-0001").name == "Anna"


def test_undo_of_what_is_not_there_names_the_last_ones(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    (line,) = lines(out)
    result = run("undo", out, "00000000")
    assert result.exit_code == 1
    assert f"{line['id']}  name person-0001 Anna" in result.stderr
    done("undo", out, line["id"].upper())
    assert "is undone already" in run("undo", out, line["id"]).stderr


def test_undo_without_the_table_says_that_the_result_lags_and_later_verbs_do(out: Path) -> None:
    done("merge", out, "person-0001", "person-0002")
    (out / undo_patches.FILE).unlink()
    (out.parent / "faces.npz").rename(out.parent / "gone.npz")
    result = done("undo", out)
    assert "does not show it yet" in result.stderr
    assert len(who(out)) == 2
    result = done("name", out, "person-0003", "Cleo")
    assert "does not show all decisions" in result.stderr
    (out.parent / "gone.npz").rename(out.parent / "faces.npz")
    cluster(out.parent)
    assert sorted(who(out).values()) == [ONE, TWO, THREE]
    assert "does not show" not in done("name", out, "Cleo", "Dora").stderr


def test_undo_without_an_id_takes_back_the_last_line_in_the_file(out: Path) -> None:
    """A line of another computer, whose clock is ahead, stands before it."""
    done("name", out, "person-0001", "Anna")
    line = {**lines(out)[0], "id": "0123abcd", "time": "2999-01-01T00:00:00.000000Z", "person": "person-0002"}
    file = out / "decisions.jsonl"
    file.write_text(json.dumps({**line, "name": "Bea"}) + "\n" + file.read_text())
    assert "taken back: name person-0001 Anna" in done("undo", out).stderr
    assert "taken back: name person-0002 Bea" in done("undo", out).stderr


def test_undo_finds_the_face_table_in_a_folder_that_was_moved(tmp_path: Path, out: Path) -> None:
    done("merge", out, "person-0001", "person-0002")
    (out / undo_patches.FILE).unlink()
    (tmp_path / "faces.npz").rename(out / "faces.npz")
    moved = tmp_path / "moved"
    out.rename(moved)
    result = done("undo", moved)
    assert "15 faces grouped anew, 3 people" in result.stderr
    assert sorted(who(moved).values()) == [ONE, TWO, THREE]


def test_montages_stay_as_they_are_while_the_photos_are_away(out: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in out.glob("*_montage.jpg")}
    (tmp_path / "photos").rename(tmp_path / "unmounted")
    cluster(tmp_path)
    done("name", out, "person-0001", "Anna Berg")
    assert len(before) == 3
    after = {file.name: file.read_bytes() for file in out.glob("*_montage.jpg")}
    assert Image.open(io.BytesIO(after.pop("person-0001 Anna Berg_montage.jpg"))).height > 160
    assert after == {name: content for name, content in before.items() if "person-0001" not in name}


def test_montages_are_kept_where_a_correction_was_taken_back(out: Path) -> None:
    def written(own: str) -> tuple[int, int]:
        status = (out / f"{own}_montage.jpg").stat()
        return status.st_ino, status.st_mtime_ns

    third = written("person-0003")
    done("merge", out, "person-0001", "person-0002")
    done("undo", out)
    back = written("person-0001"), written("person-0002")
    cluster(out.parent)
    assert (written("person-0001"), written("person-0002")) == back
    assert written("person-0003") == third


def test_undo_that_cannot_write_the_result_says_that_the_decision_stays(out: Path) -> None:
    done("merge", out, "person-0001", "person-0002")
    (out / "person-0002_montage.jpg").write_bytes(b"a file of the user's")
    result = run("undo", out)
    assert result.exit_code == 1
    assert "has the decision" in result.stderr
    assert lines(out)[-1]["do"] == "undo"


def test_undo_tells_when_the_face_table_is_another_since(out: Path) -> None:
    done("merge", out, "person-0001", "person-0002")
    (out / undo_patches.FILE).unlink()
    file = out.parent / "faces.npz"
    table = face_table.read(file)
    kept = Faces(**{name: column[:-1] for name, column in vars(table.faces).items()})
    face_table.write(replace(table, faces=kept), file)
    assert "14 faces grouped anew, 3 people (there were 15 faces before" in done("undo", out).stderr


# ------------------------------------------------------------------------------------------ the records alone


@pytest.fixture
def result(out: Path) -> Result:
    """The example, whose two faces of nobody are an almost-person."""
    plain = result_of(out)
    faces = tuple(AlmostFace(face.id, face.photo, ()) for face in plain.unclustered)
    left = tuple(replace(face, almost=0) for face in plain.unclustered)
    return replace(plain, almost=(AlmostPerson(2, 3, faces),), unclustered=left)


@pytest.mark.parametrize("verb", ["merge", "split", "move", "nobody", "not a person"])
def test_faces_are_neither_lost_nor_doubled_and_counts_are_right(result: Result, verb: str) -> None:
    one, two, three = result.people
    ids = {face.id for face in three.faces} | {result.unclustered[0].id}
    corrected, changed = {
        "merge": lambda: amend.merge(result, [three, one]),
        "split": lambda: amend.split(result, one, [one.faces[1].id]),
        "move": lambda: amend.move(result, ids, two),
        "nobody": lambda: amend.move(result, ids, None),
        "not a person": lambda: amend.not_a_person(result, ids),
    }[verb]()

    def all_ids(of: Result) -> list[str]:
        return sorted([face.id for p in of.people for face in p.faces] + [face.id for face in of.unclustered])

    assert all_ids(corrected) == all_ids(result)
    before = {person.id: person for person in result.people}
    assert changed == {p.id for p in corrected.people if p != before.get(p.id)}
    for person in corrected.people:
        assert person.n_faces == len(person.faces) > 0
        assert person.n_photos == len({face.photo for face in person.faces})
        assert person.cover == person.faces[0].id
    sizes = [person.n_faces for person in corrected.people]
    assert sizes == sorted(sizes, reverse=True)
    counts = corrected.counts
    assert (counts.people, counts.clustered) == (len(sizes), sum(sizes))
    assert counts.faces == result.counts.faces
    assert sum(counts.unclustered.values()) == len(corrected.unclustered) == counts.faces - sum(sizes)
    assert set(corrected.changes.vanished) == set(before) - {person.id for person in corrected.people}


def test_almost_person_loses_the_faces_that_somebody_gets(result: Result) -> None:
    face = result.unclustered[0]
    corrected, _ = amend.move(result, {face.id}, result.people[0])
    assert corrected.almost == ()
    assert [left.almost for left in corrected.unclustered] == [None]
    untouched, _ = amend.move(result, {result.people[0].faces[0].id}, None)
    assert untouched.almost == result.almost
    assert [left.almost for left in untouched.unclustered][:2] == [0, 0]


def test_correcting_leaves_the_result_as_it_was(result: Result) -> None:
    copy = replace(result)
    amend.merge(result, result.people)
    amend.not_a_person(result, {result.people[0].faces[0].id})
    assert result == copy


# ----------------------------------------------------------------------------------------------------- advice


@pytest.mark.parametrize(
    "arguments",
    [["merge", "people", "person-0001", "13.png"], ["move", "people", "00.png", "13.png"]],
)
def test_advice_about_a_face_of_nobody_works_as_it_is_typed(
    arguments: list[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.rename(out.with_name("people"))
    monkeypatch.chdir(out.parent)
    told = run(*arguments).stderr.strip()
    advice = "facecluster name people NAME 13.png"
    assert told.endswith(f"to make a person of it: {advice}")
    done(*advice.replace("NAME", "Eva").split()[1:])


def test_advice_to_group_faces_again_works_as_it_is_typed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    record = Path("out", "clusters.json")
    record.write_text(record.read_text() + "\n")
    told = run("name", "out", "person-0001", "Anna").stderr.strip()
    advice = f"facecluster cluster {out.parent / 'faces.npz'} -o out"
    assert told.endswith(f"to mend it: {advice}")
    done(*advice.split()[1:], "-j", "1", "--link", "none")
    done("name", "out", "person-0001", "Anna")
    Path("faces.npz").unlink()
    record.write_text("{")
    assert run("name", "out", "person-0001", "").stderr.endswith(": facecluster cluster FACE_TABLE -o out\n")


def test_folders_of_a_run_that_are_all_gone_may_have_been_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "photos"
    cluster_table(make_table(people(1, 4)), Path("my people"), Choices(link="none"), sources=[str(gone)])
    told = run("run", "photos", "-o", "my people")
    assert told.exit_code == 1
    assert told.stderr.endswith(
        "nothing was changed; if they were deleted, their photos leave the library once you give another folder too, "
        "and --prune; if they were moved, type: facecluster run NEW_FOLDER -o 'my people'\n"
    )


def test_folder_that_is_gone_is_known_by_the_paths_of_its_photos(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    Path("photos").rename("moved")
    for folder in ("moved", "moved/", "photos/wedding"):
        told = run("not-a-person", "out", folder).stderr
        assert f"{folder}: no such person or face, and no photo of the library lies in a folder" in told
        assert told.endswith("type first: facecluster run NEW_FOLDER -o out\n")
    assert "2 faces said to be nobody you know" in done("not-a-person", "out", "photos/").stderr


# --------------------------------------------------------------------------------------------- contradictions


@pytest.mark.parametrize("apart", ["split", "make", "nobody"])
@pytest.mark.parametrize("back", ["merge", "move"])
def test_who_was_put_together_is_taken_apart_and_put_together_again(out: Path, apart: str, back: str) -> None:
    """What was said last counts, also after everything is grouped anew."""
    photos = [face.photo for face in person(out, "person-0003").faces]
    together = {"person-0001": ONE + THREE, "person-0002": TWO}

    def take_apart(name: str) -> None:
        match apart:
            case "split":
                done("split", out, "person-0001", *photos)
            case "make":
                done("name", out, name, *photos)
            case "nobody":
                done("move", out, *photos, "nobody")
        left = {own: names for own, names in who(out).items() if own in together}
        assert left == {"person-0001": ONE, "person-0002": TWO}
        assert sorted(who(out).values()) == ([ONE, TWO] if apart == "nobody" else [ONE, TWO, THREE])
        again(out)

    done("merge", out, "person-0001", "person-0003")
    assert who(out) == together
    again(out)
    for name in ("Tom", "Tim"):
        take_apart(name)
        new = next((own for own in who(out) if own not in together), None)
        if back == "merge" and new is not None:
            done("merge", out, "person-0001", new)
        else:
            done("move", out, *photos, "person-0001")
        assert who(out) == together
        again(out)
    take_apart("Ted")
    done("undo", out)
    assert who(out) == together
    again(out)


def test_history_says_what_a_later_decision_ended(out: Path) -> None:
    of_three = [face.photo for face in person(out, "person-0003").faces]
    ids = []
    for arguments in (
        ["merge", out, "person-0001", "person-0003"],
        ["split", out, "person-0001", *of_three],
        ["merge", out, "person-0001", "person-0004"],
        ["move", out, "06.png#1", "nobody"],
        ["move", out, "06.png#1", "person-0002"],
    ):
        done(*arguments)
        ids.append(lines(out)[-1]["id"])
    past = [json.loads(line) for line in done("history", out).stdout.splitlines()]
    assert [(one["id"], one["holds"]) for one in past] == list(
        zip(ids, [False, False, True, False, True], strict=True)
    )
    assert [one["replaced_by"] for one in past] == [ids[1], ids[2], None, ids[4], None]


def test_two_faces_that_are_one_person_are_taken_apart(out: Path) -> None:
    done("name", out, "Eva", "00.png")
    done("move", out, "01.png", "Eva")
    done("split", out, "Eva", "00.png")
    holders = {own: names for own, names in who(out).items() if {"00", "01"} & set(names)}
    assert sorted(holders.values()) == [["00"], ["01"]]
    assert [p.name for p in result_of(out).people if [Path(f.photo).stem for f in p.faces] == ["01"]] == [
        "Eva"
    ]
    again(out)


def test_two_people_of_one_name_are_told_with_both_lines(out: Path) -> None:
    """The files of two computers were put one behind the other."""
    file = out / "decisions.jsonl"
    done("name", out, "person-0001", "Anna")
    here = file.read_bytes()
    file.unlink()
    done("cluster", out.parent / "faces.npz", "-o", out, "-y")
    done("name", out, "person-0002", "ANNA")
    file.write_bytes(file.read_bytes() + here)
    first, second = (line["id"] for line in lines(out)[::-1])
    again = ["cluster", out.parent / "faces.npz", "-o", out]
    told = done(*again).stderr
    assert [p.name for p in result_of(out).people] == [None, "ANNA", None]
    assert f"person-0001 and person-0002 were given one name (decisions {first} and {second})" in told
    assert "only the latter has it; if they are one: facecluster merge " in told
    assert " person-0002 person-0001; if not: facecluster name " in told
    done("merge", out, "person-0001", "person-0002")
    assert "one name" not in done(*again).stderr


def test_file_of_decisions_is_used_again_without_being_named(out: Path, tmp_path: Path) -> None:
    file, table = tmp_path / "mine.jsonl", tmp_path / "faces.npz"
    done("name", out, "person-0001", "Anna")
    (out / "decisions.jsonl").rename(file)
    options = ["-o", out, "--link", "none", "-j", "1"]
    done("cluster", table, *options, "--decisions", file)
    done("merge", out, "person-0001", "person-0002")
    assert len(file.read_text().splitlines()) == 2
    result = done("cluster", table, *options)
    assert who(out) == {"person-0001": sorted(ONE + TWO), "person-0003": THREE}
    assert person(out, "person-0001").name == "Anna"
    assert "which are not there" not in result.stderr
    done("undo", out)
    assert len(who(out)) == 3
    assert result_of(out).settings.decisions_file == str(file)
    assert not (out / "decisions.jsonl").exists()
    file.rename(tmp_path / "gone.jsonl")
    assert (
        "mine.jsonl: lacks the decisions that gave 1 person a name" in run("cluster", table, *options).stderr
    )
    assert "mine.jsonl, which are not there; give the file" in done("cluster", table, *options, "-y").stderr
    own = out / "decisions.jsonl"
    (tmp_path / "gone.jsonl").rename(own)
    done("cluster", table, *options, "--decisions", own)
    assert result_of(out).settings.decisions_file is None


def test_torn_line_is_kept_elsewhere_and_told(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    (line,) = lines(out)
    file = out / "decisions.jsonl"
    file.write_bytes(file.read_bytes() + b'{"format": 1, "id": "12')
    result = done("name", out, "person-0002", "Bea")
    assert f"what was left of it is in {file}.torn now" in result.stderr
    assert (out / "decisions.jsonl.torn").read_text() == '{"format": 1, "id": "12\n'
    assert [line["name"] for line in lines(out)] == ["Anna", "Bea"]
    assert lines(out)[0] == line


def test_face_of_a_merged_person_can_be_taken_out(out: Path) -> None:
    done("merge", out, "person-0001", "person-0002")
    for name in ("00", "01", "06"):
        done("move", out, out.parent / "photos" / f"{name}.png#1", "nobody")
    assert who(out)["person-0001"] == [*ONE[2:], *TWO[1:]]
    cluster(out.parent)
    assert who(out)["person-0001"] == [*ONE[2:], *TWO[1:]]


@pytest.mark.parametrize("verb", ["merge", "split", "move", "nobody"])
def test_decision_lasts_when_the_photos_of_the_first_faces_are_gone(tmp_path: Path, verb: str) -> None:
    faces, out = people(2, 9), tmp_path / "out"
    options = Choices(link="none")

    def group(rows: list[int]) -> Result:
        ids = [f"{row:032x}-0" for row in rows]
        table = make_table(faces[rows], id=ids, paths=[f"/none/{row}.png" for row in rows])
        return cluster_table(table, out, options, jobs=1)

    def rows_of(result: Result) -> list[list[int]]:
        return sorted(sorted(int(face.id[:32], 16) for face in p.faces) for p in result.people)

    result = group(list(range(18)))
    assert rows_of(result) == [list(range(9)), list(range(9, 18))]
    one, two = (person.id for person in sorted(result.people, key=lambda p: min(f.id for f in p.faces)))
    face = f"{8:032x}-0"
    verbs = {
        "merge": ["merge", out, one, two],
        "split": ["split", out, one, face],
        "move": ["move", out, face, two],
        "nobody": ["move", out, face, "nobody"],
    }
    done(*verbs[verb])
    corrected = rows_of(result_of(out))
    (line,) = lines(out)
    sides = {"merge": line["faces"], "move": [line.get("to"), line.get("from")]}.get(verb, [line.get("from")])
    gone = {int(spot[0], 16) for side in sides for spot in side[:3]}
    left = [[row for row in rows if row not in gone] for rows in corrected]
    assert rows_of(group([row for row in range(18) if row not in gone])) == left


# -------------------------------------------------------------------------------------- how things are named


def test_unknown_person_is_told_with_those_that_are_like_it(out: Path) -> None:
    done("name", out, "person-0003", "Annabel")
    assert "no such person; perhaps person-0003 (Annabel)" in run("name", out, "Anabel", "B").stderr
    result = run("name", out, "zzz", "B")
    assert result.exit_code == 1
    assert "there are person-0001, person-0002, person-0003 (Annabel)" in result.stderr
    assert "no such person or face" in run("not-a-person", out, "zzz").stderr


def test_photo_with_several_faces_lists_them(out: Path) -> None:
    photo = out.parent / "photos" / "06.png"
    result = run("move", out, photo, "person-0001")
    assert result.exit_code == 1
    assert f"{photo}#1  person-0002, 100x100 pixels at 100,200" in result.stderr
    assert f"{photo}#2  nobody, 100x100 pixels at 250,200" in result.stderr
    done("move", out, f"{photo}#2", "person-0001")
    assert who(out)["person-0001"] == [*ONE, "06"]
    assert "2 faces of this photo" in run("move", out, f"{photo}#3", "person-0001").stderr


def test_photo_is_known_by_its_content_wherever_it_lies(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "holiday#1.png"
    copy.write_bytes((tmp_path / "photos" / "13.png").read_bytes())
    done("move", out, copy, "person-0001")
    assert who(out)["person-0001"] == [*ONE, "13"]


def test_face_that_is_not_there_is_told(out: Path, tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "other.png")
    assert "no face of this photo" in run("move", out, tmp_path / "other.png", "person-0001").stderr
    assert "no such face" in run("move", out, "abcdef0123", "person-0001").stderr
    start = person(out, "person-0001").faces[0].id[:5]
    assert "6 letters" in run("move", out, start, "person-0002").stderr


def test_result_that_is_none_is_told(out: Path, tmp_path: Path) -> None:
    assert "holds no clusters.json" in run("undo", tmp_path / "photos").stderr
    assert "give a folder of people" in run("undo", tmp_path / "faces.npz").stderr


def test_folders_of_a_result_that_does_not_say_how_they_hold_photos_stay_as_they_are(out: Path) -> None:
    with Library.open(out) as library:
        older = replace(library.people, settings=replace(library.people.settings, link=None))
        library.save(older, changed=())
    done("merge", out, "person-0001", "person-0003")
    assert in_folder(out, "person-0001") == ONE + THREE
    assert (out / "person-0001" / "10.png").is_symlink()


def test_broken_line_ends_every_verb(out: Path) -> None:
    (out / "decisions.jsonl").write_text("what\n{}\n")
    for arguments in (["name", out, "person-0001", "A"], ["undo", out]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "decisions.jsonl:1: not a decision" in result.stderr


def test_original_photos_are_left_alone(out: Path) -> None:
    photos = {path: path.read_bytes() for path in (out.parent / "photos").iterdir()}
    done("merge", out, "person-0001", "person-0002")
    done("not-a-person", out, "person-0003")
    done("undo", out)
    assert {path: path.read_bytes() for path in (out.parent / "photos").iterdir()} == photos


def test_photo_that_is_not_there_is_what_is_missing(out: Path) -> None:
    for text in ("nosuch.jpg", "00.png#7", "photos/nosuch"):
        told = run("name", out, "Foo", text).stderr
        assert "Foo: no such person" not in told
        assert f"error: {text.partition('#')[0]}" in told


def test_undo_says_how_it_is_taken_back_and_takes_several_ids(out: Path) -> None:
    done("name", out, "person-0001", "Anna")
    done("merge", out, "person-0001", "person-0003")
    done("move", out, "06.png#1", "nobody")
    after = who(out)
    told = done("undo", out, "-n", "3").stderr
    assert who(out) == {"person-0001": ONE, "person-0002": TWO, "person-0003": THREE}
    [line] = [
        line for line in told.splitlines() if line.startswith("so that they count again: facecluster undo ")
    ]
    assert len(line.split()) == 5 + 2 + 1 + 3
    done("undo", *line.split("facecluster undo ")[1].split())
    assert who(out) == after
    assert person(out, "person-0001").name == "Anna"


def test_name_before_the_person_is_told_how_it_goes(out: Path) -> None:
    told = run("name", out, "Bill", "person-0002").stderr
    assert f"to name person-0002 so: facecluster name {out} person-0002 Bill" in told


def test_history_of_somebody_who_is_not_there_now(out: Path) -> None:
    done("name", out, "Tom", "10.png", "11.png")
    done("undo", out)
    for who_ in ("tom", "person-0004"):
        past = [json.loads(line) for line in done("history", out, who_).stdout.splitlines()]
        assert [one["do"] for one in past] == ["make", "undo"]
    assert run("history", out, "nobody at all").exit_code == 1
