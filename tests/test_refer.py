from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from libraries import cluster_table
from tables import make_table, people

from facecluster.errors import FaceclusterError
from facecluster.library.layout import table_of
from facecluster.library.refer import Spelling, faces_of, find, find_face, find_person
from facecluster.library.settings import Choices
from facecluster.result import Result


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return cluster_table(make_table(people(1, 3)), tmp_path / "people", Choices(link="none"))


def test_table_is_named_as_seen_from_the_folder_if_it_lies_in_there(tmp_path: Path) -> None:
    table, out = make_table(people(1, 3)), tmp_path / "people"
    (tmp_path / "same").symlink_to(out)
    for where, named in [
        (out / "faces.npz", "faces.npz"),
        (tmp_path / "same" / "faces.npz", "faces.npz"),
        (out / "old" / "faces.npz", "old/faces.npz"),
        (tmp_path / "faces.npz", str(tmp_path / "faces.npz")),
        (tmp_path / "people2" / "faces.npz", str(tmp_path / "people2" / "faces.npz")),
    ]:
        made = cluster_table(table, out, Choices(link="none"), source=str(where))
        assert made.settings.table == named


def test_table_is_found_beside_a_result_that_was_moved(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(table: str | None) -> Result:
        return replace(result, settings=replace(result.settings, table=table))

    folder, elsewhere = tmp_path / "people", tmp_path / "all.npz"
    assert table_of(result, folder) is table_of(named("faces.npz"), folder) is None
    elsewhere.touch()
    assert table_of(named(str(elsewhere)), folder) == elsewhere
    assert table_of(named(str(tmp_path / "gone.npz")), folder) is None
    beside = folder / "faces.npz"
    beside.touch()
    assert table_of(named(str(elsewhere)), folder) == elsewhere
    for table in (None, "faces.npz", "gone.npz", str(tmp_path / "gone.npz")):
        assert table_of(named(table), folder) == beside
    (folder / "all.npz").touch()
    monkeypatch.chdir(tmp_path)  # not the all.npz here
    assert table_of(named("all.npz"), Path("people")) == Path("people/all.npz")


def test_number_of_a_face_that_is_not_there_is_told(result: Result) -> None:
    for number in ("7", "0", "x", ""):
        for find_it in (find, find_face):
            with pytest.raises(
                FaceclusterError, match=r"000\.jpg: 1 face of this photo is in the library; say which:"
            ):
                find_it(result, f"/photos/000.jpg#{number}")
    with pytest.raises(FaceclusterError, match="#9: no such person or face"):
        find(result, "#9")


def test_person_of_the_number_is_whom_somebody_may_mean(tmp_path: Path) -> None:
    result = cluster_table(make_table(people(21, 3)), tmp_path / "many", Choices(link="none"))
    named = replace(result, people=(replace(result.people[0], name="Anna"), *result.people[1:]))
    for text in ("person-1", "Person 1", "person1", "1", "person-00001"):
        with pytest.raises(
            FaceclusterError, match=rf"^{text}: no such person; perhaps person-0001 \(Anna\)$"
        ):
            find_person(named, text)
    for text, near in (("person-22", r"perhaps person-00\d\d, "), ("9" * 5000, "there are person-0001")):
        with pytest.raises(FaceclusterError, match=rf"no such person; {near}"):
            find_person(named, text)


def named(paths: list[str], tmp_path: Path) -> Result:
    """Three people in three photos each, called so."""
    table = make_table(people(3, 3), paths=paths)
    return cluster_table(table, tmp_path / "called", Choices(link="none"))


PATHS = [
    "/a/2019/IMG_1.jpg", "/a/2019/Zoë.jpg", "/a/2019/-x.jpg",
    "/a/2020/IMG_1.jpg", "/a/2020/img_2.JPG", "/a/2020/b#2.jpg",
    "/b/IMG_3.jpg", "/b/a\x1bb.jpg", "/b/x\ny.jpg",
]  # fmt: skip


def test_photo_is_meant_by_the_end_of_its_path(tmp_path: Path) -> None:
    result = named(PATHS, tmp_path)
    for text, path in (
        ("IMG_3.jpg", PATHS[6]),
        ("img_3.JPG", PATHS[6]),
        ("./b/IMG_3.jpg", PATHS[6]),
        ("2019/IMG_1.jpg", PATHS[0]),
        ("…20/IMG_1.jpg", PATHS[3]),
        ("IMG_2.jpg", PATHS[4]),
        ("Zoe.jpg", PATHS[1]),
        ("Zoe\u0308.jpg", PATHS[1]),
        ("./-x.jpg", PATHS[2]),
        ("b#2.jpg", PATHS[5]),
        ("b#2.jpg#1", PATHS[5]),
        ("a\\x1bb.jpg", PATHS[7]),
        ("a\x1bb.jpg", PATHS[7]),
    ):
        assert find_face(result, text).photo == path, text
    with pytest.raises(FaceclusterError) as error:
        find_face(result, "IMG_1.jpg")
    assert str(error.value) == (
        "IMG_1.jpg: 2 photos are called so; say which:\n  2019/IMG_1.jpg\n  2020/IMG_1.jpg"
    )
    for text in ("MG_3.jpg", "", ".", "..", "/", "IMG_3", "c/IMG_3.jpg"):
        with pytest.raises(FaceclusterError, match="no such face"):
            find_face(result, text)


def test_copies_of_a_photo_are_one(tmp_path: Path) -> None:
    table = make_table(
        people(1, 4),
        paths=["/a/1.jpg", "/a/2.jpg", "/a/3.jpg", "/b/1.jpg"],
        id=["aaaaaaaa-0", "bbbbbbbb-0", "cccccccc-0", "aaaaaaaa-0"],
    )
    result = cluster_table(table, tmp_path / "people", Choices(link="none"))
    assert find_face(result, "1.jpg").id == "aaaaaaaa-0"


def test_what_is_spelt_is_found_again(tmp_path: Path) -> None:
    result = named(PATHS, tmp_path)
    spelling = Spelling(result)
    for face in faces_of(result):
        text = spelling.face(face)
        assert text.isprintable()
        assert len(text) <= len("2019/IMG_1.jpg")
        assert find_face(result, text) == face


def test_same_name_is_listed_where_accents_do_not_tell(tmp_path: Path) -> None:
    result = cluster_table(make_table(people(2, 3)), tmp_path / "two", Choices(link="none"))
    one, two = result.people
    both = replace(result, people=(replace(one, name="Zoë"), replace(two, name="Zoé")))
    assert find_person(both, "zoë").id == one.id
    with pytest.raises(FaceclusterError, match=r"Zoe: may be person-0001 \(Zoë\), person-0002 \(Zoé\)"):
        find_person(both, "Zoe")
