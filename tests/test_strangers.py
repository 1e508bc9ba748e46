from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from libraries import cluster_table
from tables import make_table, people

from facecluster.cli import main
from facecluster.cli.nobody import heading
from facecluster.errors import FaceclusterError
from facecluster.formats import face_table
from facecluster.identity.groups import rows_of
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.library.strangers import _gathered, parts_of


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


def test_faces_of_an_almost_person_are_one_group_and_the_command_names_it(tmp_path: Path) -> None:
    faces = people(3, 4)
    encoding = faces[[0, 1, 2, 3, 4, 5, 6, 8]]
    quality = np.array([0.9] * 6 + [0.3, 0.9])
    table = make_table(encoding, quality=quality, id=[f"{i:02d}{'ab' * 4}-0" for i in range(8)])
    file, library = tmp_path / "faces.npz", tmp_path / "people"
    face_table.write(table, file)
    run = CliRunner().invoke(main, ["cluster", str(file), "-o", str(library), "-j", "1", "--link", "none"])
    with Library.open(library) as opened:
        almost, groups = opened.people.almost, opened.strangers()
    assert [face.id[:2] for face in almost[0].faces] == ["04", "05", "06"]
    assert sorted(face.id[:2] for face in groups[0].faces) == ["04", "05", "06"]
    assert groups[0].almost == almost[0]
    assert [heading(group) for group in groups] == [
        "3 faces in 3 photos; 1 more good photo would make this a person",
        "1 face in 1 photo",
    ]
    typed = f"facecluster name {library} NAME {groups[0].id}"
    assert f"  to make the first a person all the same: {typed}\n" in run.stderr
    made = CliRunner().invoke(main, typed.replace("NAME", "Eva").split()[1:])
    assert "with 3 faces" in made.stderr


def test_faces_of_two_almost_people_are_two_groups() -> None:
    label, almost = np.array([0, 0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, -1, 1, -1, 3])
    assert [members.tolist() for members in rows_of(_gathered(label, almost))] == [[0, 1, 3], [2, 4], [5, 6]]


def test_group_is_given_back(folder: Path) -> None:
    with Library.open(folder) as library:
        done = library.make("Eva", "group-08abab")
        assert "with 3 faces" in done.said
        person = next(person for person in library.people.people if person.name == "Eva")
        assert sorted(face.id[:2] for face in person.faces) == ["08", "09", "10"]
        library.not_a_person("group-04abab", "group-11abab-1")
        assert [group.id for group in library.strangers()] == ["group-06abab"]
        with pytest.raises(FaceclusterError, match="no such group"):
            library.make("Tom", "group-08abab")
        library.move("group-07abab-1", to="Eva")  # by any of its faces
        assert library.strangers() == ()


def test_parts_of_an_id() -> None:
    assert parts_of("abc-2") == ("abc", "2")
    assert parts_of("abc") == ("abc", "0")


def test_strangers_are_listed(folder: Path) -> None:
    run = CliRunner().invoke(main, ["show", str(folder), "--nobody"])
    assert run.exit_code == 0, run.output
    shown = json.loads(run.stdout)
    assert (shown["total"], shown["next"]) == (4, None)
    assert [group["n_faces"] for group in shown["groups"]] == [2, 2, 1, 3]
    face = shown["groups"][3]["faces"][0]
    assert (face["name"], face["photo"], face["reason"]) == ("008.jpg", "/photos/008.jpg", "low_quality")
    assert run.stderr == "8 faces of nobody, in 4 groups\n"
    page = CliRunner().invoke(main, ["show", str(folder), "--nobody", "--limit", "2", "--format", "csv"])
    assert [line.split(",")[0] for line in page.stdout.splitlines()[1:]] == ["group-04abab"] * 2 + [
        "group-06abab"
    ] * 2
    assert "the next groups come with --after group-06abab" in page.stderr
    rest = CliRunner().invoke(
        main, ["show", str(folder), "--nobody", "--after", "group-06abab", "--format", "paths"]
    )
    assert rest.stdout.split() == [f"/photos/{i:03d}.jpg" for i in (11, 8, 9, 10)]
    for wrong in (["Anna"], ["--photos"], ["--sort", "name"], ["--after", "group-x"]):
        assert CliRunner().invoke(main, ["show", str(folder), "--nobody", *wrong]).exit_code in (1, 2)


def test_photos_of_a_group_and_of_a_photo_are_shown(folder: Path) -> None:
    for text, photos in (
        ("group-06abab", [6, 7]),
        ("008.jpg", [8]),
        ("photos/010.JPG", [10]),
        ("008.jpg#1", [8]),
    ):
        run = CliRunner().invoke(main, ["show", str(folder), text, "--format", "paths"])
        assert run.stdout.split() == [f"/photos/{i:03d}.jpg" for i in photos], (text, run.stderr)
    assert "no such person" in CliRunner().invoke(main, ["show", str(folder), "Anna"]).stderr
