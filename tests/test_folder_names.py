"""Folders that carry names, and the sheet of everybody."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from killed import killed_at
from PIL import Image
from tables import NOTHING_SAID

from facecluster.durable import own_files, own_list
from facecluster.durable.links import Link
from facecluster.errors import OutputError
from facecluster.library.folders import write_result
from facecluster.library.layout import folder_name, is_index_sheet, montage_of, person_in
from facecluster.photos.file import file_digest
from facecluster.photos.picture import coded_digest
from facecluster.render.index_sheet import PER_SHEET
from facecluster.result import Box, Counts, Person, PersonFace, Pose, Result
from facecluster.table import Picture

WHERE = (Box(4, 4, 36, 36), Pose(0.0, 0.0, 0.0), 0.9)


def named(name: str | None, own: str = "person-0001") -> Person:
    return Person(own, name, 0, 0, "0", ())


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        (None, "person-0001"),
        ("", "person-0001"),
        ("Anna Berg", "person-0001 Anna Berg"),
        ("Dr. M. Berg jr.", "person-0001 Dr. M. Berg jr"),
        ('A/B\\C: <D> "E" |F|?*', "person-0001 A_B_C_ _D_ _E_ _F___"),
        ("CON", "person-0001 CON"),
        ("...", "person-0001"),
        ("Zoe\u0308", "person-0001 Zo\u00eb"),
        ("x" * 400, "person-0001 " + "x" * (255 - len("person-0001 _montage.jpg"))),
        ("\u738b" * 200, "person-0001 " + "\u738b" * 77),
        (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 30,
            "person-0001 " + "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 12,
        ),
    ],
)
def test_folder_has_the_name_as_every_system_takes_it(name: str | None, folder: str) -> None:
    assert folder_name(named(name)) == folder


@given(st.text(max_size=300))
def test_every_name_gives_a_name_of_files(name: str) -> None:
    person = named(name)
    folder, montage = folder_name(person), montage_of(person)
    assert len(montage.encode("utf-8", "replace")) <= 255
    assert not set(folder) & set('<>:"/\\|?*')
    assert folder == unicodedata.normalize("NFC", folder)
    assert folder.strip(" .") == folder
    assert person_in(folder) == person_in(montage) == "person-0001"
    assert not folder.endswith("_montage.jpg")


def write(root: Path, result: Result, changed: Sequence[str] | None = None) -> None:
    write_result(result, root, pictures={}, link="copy", jobs=1, changed=changed)


def face_id(photo: Path, number: int) -> str:
    return f"{file_digest(photo.read_bytes())}-{number}"


def people_of(photos: Sequence[Path], n: int) -> Result:
    """People of one photo each, over and over."""
    people = []
    for i in range(n):
        photo = photos[i % len(photos)]
        face = PersonFace(face_id(photo, i), str(photo), *WHERE, core=True, confidence=100)
        people.append(Person(f"person-{i + 1:04d}", None, 1, 1, face.id, (face,)))
    return Result(
        settings=NOTHING_SAID, people=tuple(people), unclustered=(), counts=Counts(0, 0, 0, 0, 0, 0, 0, {})
    )


def call(result: Result, **names: str | None) -> Result:
    """Give people names: p1="Anna" is the name of person-0001."""
    given = {f"person-{int(own[1:]):04d}": name for own, name in names.items()}
    return replace(result, people=tuple(replace(p, name=given.get(p.id, p.name)) for p in result.people))


def visible(root: Path) -> list[str]:
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if not path.is_dir() and not path.name.startswith(".")
    )


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    (tmp_path / "photos").mkdir()
    paths = [tmp_path / "photos" / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        Image.new("RGB", (40, 40), (90 * i, 0, 0)).save(path)
    return paths


@pytest.mark.parametrize("changed", [None, ()])
def test_folder_is_renamed_with_the_person_and_keeps_files_of_the_users(
    changed: Sequence[str] | None, photos: list[Path], tmp_path: Path
) -> None:
    root, result = tmp_path / "out", people_of(photos, 2)
    write(root, result)
    (root / "person-0001" / "mine.txt").write_text("mine")
    copy = (root / "person-0001" / "0.png").stat().st_ino
    for name in ("Anna", "anna", "Berg", None):
        write(root, call(result, p1=name), changed)
        folder = f"person-0001 {name}" if name else "person-0001"
        assert visible(root) == sorted(
            [
                "clusters.json",
                "index.jpg",
                f"{folder}/0.png",
                f"{folder}/mine.txt",
                f"{folder}_montage.jpg",
                "person-0002/1.png",
                "person-0002_montage.jpg",
            ]
        )
        assert (root / folder / "0.png").stat().st_ino == copy  # moved, not copied
    write(root, replace(result, people=result.people[1:]), changed)  # person-0001 is gone
    assert [name for name in visible(root) if "0001" in name] == ["person-0001/mine.txt"]


def test_name_alone_touches_nobody_else(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 3)
    write(root, result)
    before = {name: (root / name).stat().st_mtime_ns for name in visible(root)}
    write(root, call(result, p2="Bert"), ())
    after = {name: (root / name).stat().st_mtime_ns for name in visible(root)}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"clusters.json", "index.jpg", "person-0002 Bert/1.png", "person-0002 Bert_montage.jpg"}
    assert after["person-0002 Bert/1.png"] == before["person-0002/1.png"]
    lines = (root / own_list.RESULT_MARKER).read_bytes().count(b"\n")
    write(root, call(result, p2="Bert"), ())
    assert {name: (root / name).stat().st_mtime_ns for name in visible(root)} | {
        "clusters.json": 0
    } == after | {"clusters.json": 0}
    assert (root / own_list.RESULT_MARKER).read_bytes().count(b"\n") == lines + 1


def test_montage_and_sheet_say_the_name(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 2)
    write(root, result)
    before = (
        Image.open(root / "person-0001_montage.jpg").convert("L"),
        Image.open(root / "index.jpg").convert("L"),
    )
    write(root, call(result, p1="Anna Berg"), ())
    after = (
        Image.open(root / "person-0001 Anna Berg_montage.jpg").convert("L"),
        Image.open(root / "index.jpg").convert("L"),
    )
    assert before[0].tobytes() != after[0].tobytes()
    assert before[1].size == after[1].size
    assert before[1].tobytes() != after[1].tobytes()


@pytest.mark.parametrize("at", range(24))
def test_renaming_that_was_killed_is_finished_by_the_next_write(
    at: int, photos: list[Path], tmp_path: Path
) -> None:
    root, result = tmp_path / "out", people_of(photos, 2)
    write(root, result)
    (root / "person-0001" / "mine.txt").write_text("mine")
    renamed = call(result, p1="Anna", p2="Bert")
    with killed_at(at):
        write(root, renamed, ())
    write(root, renamed, ())
    assert visible(root) == [
        "clusters.json",
        "index.jpg",
        "person-0001 Anna/0.png",
        "person-0001 Anna/mine.txt",
        "person-0001 Anna_montage.jpg",
        "person-0002 Bert/1.png",
        "person-0002 Bert_montage.jpg",
    ]
    assert not list(root.rglob("*.part"))
    write(root, replace(result, people=()), ())
    assert visible(root) == ["clusters.json", "person-0001 Anna/mine.txt"]


def test_folder_that_the_system_does_not_let_go_is_used_as_it_is(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write(root, result)
    with monkeypatch.context() as patch:

        def refuse(self: Path, target: Path) -> Path:
            raise PermissionError(13, "in use", str(self))

        patch.setattr(Path, "rename", refuse)
        write(root, call(result, p1="Anna"), ())
        assert "person-0001/0.png" in visible(root)
        assert "person-0001 Anna_montage.jpg" in visible(root)
    write(root, call(result, p1="Anna"), ())
    assert "person-0001 Anna/0.png" in visible(root)
    assert not (root / "person-0001").exists()


def test_folder_with_an_original_in_it_keeps_its_name(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write(root, result)
    original = root / "person-0001" / "new.png"
    os.link(photos[2], original)
    face = PersonFace(face_id(original, 9), str(original), *WHERE, core=True, confidence=100)
    person = replace(result.people[0], n_faces=2, n_photos=2, faces=(*result.people[0].faces, face))
    write(root, call(replace(result, people=(person,)), p1="Anna"))
    assert original.exists()
    assert "person-0001/0.png" in visible(root)


def test_folder_of_the_users_with_the_name_is_shared(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write(root, result)
    (root / "person-0001 Anna").mkdir()
    (root / "person-0001 Anna" / "0.png").write_text("mine")
    write(root, call(result, p1="Anna"), ())
    assert (root / "person-0001 Anna" / "0.png").read_text() == "mine"
    assert (root / "person-0001 Anna" / "0-2.png").is_file()
    assert not (root / "person-0001").exists()


def test_list_that_is_read_in_part_follows_names_back(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 2)
    write(root, result)
    for name in ("A", "B", "C"):
        write(root, call(result, p1=name), ())
    folder = own_files.ResultFolder(root, (), scope=["person-0001 C"])
    assert folder.held() == {"person-0001 C/"}
    assert not own_files.ResultFolder(root, (), scope=["person-0001", "person-0001 B"]).held()


def test_list_of_an_older_version_says_that_it_is_new_once_something_was_renamed(
    photos: list[Path], tmp_path: Path
) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write(root, result)
    file = root / own_list.RESULT_MARKER
    file.write_bytes(file.read_bytes().replace(b'{"format": 2', b'{"format": 1'))
    write(root, result, ())
    assert b'{"format": 2' not in file.read_bytes()
    write(root, call(result, p1="Anna"), ())
    assert file.read_bytes().count(b'{"format": 2') == 1
    assert "person-0001 Anna/0.png" in visible(root)


# ------------------------------------------------------------------------------------------ the sheet of everybody


def on_sheet(path: Path) -> int:
    comment = Image.open(path).info["comment"]
    return len(json.loads(comment)[1])


def test_everybody_is_on_a_sheet(photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "out"
    for n in (1, PER_SHEET, PER_SHEET + 1, 2 * PER_SHEET + 3, 3, 0):
        write(root, people_of(photos, n), ["person-0001"])
        sheets = sorted(filter(is_index_sheet, os.listdir(root)), key=len)
        assert sum(on_sheet(root / sheet) for sheet in sheets) == n
        assert len(sheets) == -(-n // PER_SHEET)
        assert sheets[:1] == ["index.jpg"][:n]


def test_few_sheets_change_with_few_people(photos: list[Path], tmp_path: Path) -> None:
    root, n = tmp_path / "out", 3 * PER_SHEET - 1
    result = people_of(photos, n)
    write(root, result)

    def change(result: Result, *changed: str) -> list[str]:
        before = {name: (root / name).stat().st_mtime_ns for name in os.listdir(root) if is_index_sheet(name)}
        write(root, result, changed)
        after = {name: (root / name).stat().st_mtime_ns for name in os.listdir(root) if is_index_sheet(name)}
        assert sum(on_sheet(root / name) for name in after) == len(result.people)
        return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))

    assert change(call(result, p60="Anna"), "person-0060") == ["index-2.jpg"]
    assert change(result) == ["index-2.jpg"]
    without = replace(result, people=result.people[1:])
    assert change(without) == ["index.jpg"]
    assert change(result, "person-0001") == ["index.jpg"]
    more = people_of(photos, n + 2)
    assert change(more, "person-0147", "person-0148") == ["index-3.jpg", "index-4.jpg"]
    write(root, without)  # of all: in order again
    assert on_sheet(root / "index.jpg") == PER_SHEET
    assert not (root / "index-4.jpg").exists()
    assert change(replace(result, people=result.people[-5:])) == ["index-2.jpg", "index-3.jpg", "index.jpg"]
    assert on_sheet(root / "index.jpg") == 5


def test_sheet_of_the_users_stays_and_is_told(
    photos: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "out"
    root.mkdir()
    (root / "index.jpg").write_text("mine")
    write(root, people_of(photos, 2))
    assert (root / "index.jpg").read_text() == "mine"
    assert f"{root}/index.jpg: not written by facecluster" in caplog.text
    assert (root / "person-0002_montage.jpg").is_file()


def test_cover_that_is_another_now_is_on_the_sheet(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 2)
    write(root, result)
    before = Image.open(root / "index.jpg").convert("RGB").getpixel((96, 128))
    Image.new("RGB", (40, 40), (0, 250, 0)).save(photos[0])
    write(root, people_of(photos, 2))
    after = Image.open(root / "index.jpg").convert("RGB").getpixel((96, 128))
    assert before[1] < 40
    assert after[1] > 200


# ------------------------------------------------------------------------------------------------ what befell somebody


def test_name_that_ends_as_a_montage_does_is_a_folder_like_others(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write(root, result)
    for name in ("_montage.jpg", "x_MONTAGE.jpg", "Bob"):
        write(root, call(result, p1=name), ())
    assert visible(root) == [
        "clusters.json",
        "index.jpg",
        "person-0001 Bob/0.png",
        "person-0001 Bob_montage.jpg",
    ]


def test_file_in_the_place_of_a_folder_stops_nothing_half_way(photos: list[Path], tmp_path: Path) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write(root, result)
    (root / "person-0001 Anna").write_text("mine")
    write(root, call(result, p1="Anna"), ())
    assert (root / "person-0001" / "0.png").is_file()  # as it was called
    assert (root / "person-0001 Anna").read_text() == "mine"
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "person-0001").write_text("mine")
    with pytest.raises(
        OutputError, match="person-0001: a file, where the folder of person-0001 is to be; move it"
    ):
        write(tmp_path / "new", result)


@pytest.mark.parametrize("link", ["copy", "hardlink"])
@pytest.mark.parametrize("is_in_result", [True, False])
def test_last_copy_stays_when_another_picture_takes_the_place_of_the_original(
    link: Link, is_in_result: bool, photos: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write_result(result, root, pictures={}, link=link, jobs=1)
    content = photos[0].read_bytes()
    photos[0].unlink()
    Image.new("RGB", (60, 40), (1, 200, 3)).save(photos[0])
    face = replace(result.people[0].faces[0], id="another-0")
    now = replace(result, people=(replace(result.people[0], faces=(face,)),) if is_in_result else ())
    known = {str(photos[0]): Picture(60, 40, coded_digest(photos[0].read_bytes()))}
    for _ in range(2):
        write_result(now, root, pictures=known, link=link, jobs=1, earlier=result)
        assert (root / "person-0001" / "0.png").read_bytes() == content
        assert (root / "person-0001" / "0-2.png").exists() == is_in_result
        result = now
    assert caplog.text.count("1 copy is kept, as its original is gone") == 1


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_photo_that_is_edited_in_its_place_leaves_no_copy_behind(
    link: Link, photos: list[Path], tmp_path: Path
) -> None:
    root, result = tmp_path / "out", people_of(photos, 1)
    write_result(result, root, pictures={}, link=link, jobs=1)
    photos[0].unlink()
    Image.new("RGB", (60, 40), (1, 200, 3)).save(photos[0])
    known = {str(photos[0]): Picture(60, 40, coded_digest(photos[0].read_bytes()))}
    write_result(result, root, pictures=known, link=link, jobs=1, earlier=result)
    assert os.listdir(root / "person-0001") == ["0.png"]
    assert (root / "person-0001" / "0.png").read_bytes() == photos[0].read_bytes()


@pytest.mark.parametrize("link", ["copy", "hardlink"])
@pytest.mark.parametrize("moved", [True, False])
def test_library_that_was_copied_without_times_knows_its_photos_while_the_originals_are_away(
    link: Link, moved: bool, photos: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = people_of(photos, 2)
    write_result(result, tmp_path / "out", pictures={}, link=link, jobs=1)
    root = tmp_path / "copied"
    shutil.copytree(tmp_path / "out", root)
    for path in root.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    photos[0].parent.rename(tmp_path / "moved")
    if moved:
        result = people_of([tmp_path / "moved" / path.name for path in photos], 2)
    before = visible(root)
    write_result(result, root, pictures={}, link=link, jobs=1)
    assert visible(root) == before
    assert "another name" not in caplog.text
    write_result(
        replace(result, people=()), root, pictures={}, link=link, forget_people=["person-0001", "person-0002"]
    )
    assert visible(root) == ["clusters.json"]


def test_folder_and_montage_that_were_renamed_by_hand_are_followed(
    photos: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, result = tmp_path / "out", people_of(photos, 2)
    write(root, result)
    (root / "person-0001").rename(root / "person-0001 Anna B")
    (root / "person-0001_montage.jpg").rename(root / "person-0001 Anna B_montage.jpg")
    (root / "person-0001 Anna B" / "mine.txt").write_text("mine")
    write(root, result)
    assert [name for name in visible(root) if "0001" in name] == [
        "person-0001/0.png",
        "person-0001/mine.txt",
        "person-0001_montage.jpg",
    ]
    told = "was renamed by hand, and is person-0001 again; to name the person: facecluster name"
    assert caplog.messages == [f"{root}/person-0001 Anna B: {told} {root} person-0001 'Anna B'"]
    (root / "person-0001").rename(root / "person-0001 Anna B")
    caplog.clear()
    write(root, call(result, p1="Anna B"))
    assert "person-0001 Anna B/0.png" in visible(root)
    assert not (root / "person-0001 Anna B" / "0-2.png").exists()
    assert caplog.messages == []
