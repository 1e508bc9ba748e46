from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from libraries import cluster_table
from tables import make_table, people

from facecluster.errors import FaceclusterError
from facecluster.library.layout import table_of
from facecluster.library.refer import find, find_face, find_person
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
                FaceclusterError, match=r"000\.jpg: 1 face of this photo is in the result; say which:"
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
