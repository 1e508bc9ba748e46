from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from libraries import cluster_table
from tables import make_table, people

from facecluster.errors import FaceclusterError
from facecluster.formats import face_table
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.library.strangers import parts_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A person of four faces; two strangers in two photos each; one in three, badly seen; one alone in a good photo."""
    faces = people(5, 4)
    encoding = faces[[0, 1, 2, 3, 4, 5, 8, 9, 12, 13, 14, 16]]
    quality = np.array([0.9] * 8 + [0.3] * 3 + [0.95])
    table = make_table(encoding, quality=quality, id=[f"{i:02d}{'ab' * 4}-{i % 2}" for i in range(12)])
    face_table.write(table, tmp_path / "faces.npz")
    cluster_table(
        table, tmp_path / "people", Choices(link="none"), source=str(tmp_path / "faces.npz"), jobs=1
    )
    return tmp_path / "people"


def test_strangers_who_are_alike_are_together_the_most_promising_first(folder: Path) -> None:
    with Library.open(folder) as library:
        groups = library.strangers()
    numbers = [sorted(int(face.id[:2]) for face in group.faces) for group in groups]
    assert numbers == [[4, 5], [6, 7], [11], [8, 9, 10]]
    assert [(group.n_photos, group.n_good) for group in groups] == [(2, 2), (2, 2), (1, 1), (3, 0)]
    assert [group.almost is not None for group in groups] == [True, True, False, False]
    assert [group.id for group in groups] == [
        "group-04abab",
        "group-06abab",
        "group-11abab-1",
        "group-08abab",
    ]


def test_group_is_given_back(folder: Path) -> None:
    with Library.open(folder) as library:
        done = library.make("Eva", "group-08abab")
        assert "with 3 faces" in done.said
        person = next(person for person in library.people.people if person.name == "Eva")
        assert sorted(face.id[:2] for face in person.faces) == ["08", "09", "10"]
        library.not_a_person("group-04abab", "group-11abab-1")
        assert [group.id for group in library.strangers()] == ["group-06abab"]
        with pytest.raises(FaceclusterError, match="no such group of strangers"):
            library.make("Tom", "group-08abab")
        library.move("group-07abab-1", to="Eva")  # by any of its faces
        assert library.strangers() == ()


def test_parts_of_an_id() -> None:
    assert parts_of("abc-2") == ("abc", "2")
    assert parts_of("abc") == ("abc", "0")
