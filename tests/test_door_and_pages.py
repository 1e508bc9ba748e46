"""Photos of a fixed camera and pages of an album, made of real faces by the script beside the project: who is who."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import scripts
from facecluster.cli import main

HEAD, WIDTH = 170, 3840
"""Pixels of the usual door: what else is in proportion to these."""

SIX = (
    "Silvio_Berlusconi",
    "John_Ashcroft",
    "Nestor_Kirchner",
    "Abdullah_Gul",
    "Andre_Agassi",
    "Colin_Powell",
)

slow = pytest.mark.skipif(
    not os.environ.get("FACECLUSTER_LONG_TESTS"), reason="takes minutes; set FACECLUSTER_LONG_TESTS=1"
)


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> ModuleType:
    """The script that makes inputs."""
    return scripts.cases(shared_data)


def facecluster(*arguments: object) -> None:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output


def people_of(photos: Path, out: Path, *options: object) -> list[dict[str, Any]]:
    """Who is found in photos, with their faces."""
    facecluster("run", photos, "-o", out, "--link", "none", "-q", "-j", "1", *options)
    found: list[dict[str, Any]] = json.loads((out / "clusters.json").read_text())["people"]
    return found


def names_of(person: dict[str, Any]) -> dict[str, int]:
    """Whose photos show a person, by the names of the files, and how many do."""
    return dict(Counter(Path(face["photo"]).stem.rsplit("_", 1)[0] for face in person["faces"]))


def without_times(photos: Path) -> None:
    for file in photos.iterdir():
        Image.open(file).save(file, quality=95)


def each_of(cases: ModuleType, n: int) -> list[dict[str, int]]:
    return [{name: n} for name in sorted(cases.PEOPLE)]


@pytest.mark.parametrize(("width", "least", "change"), [
    (1280, 7, None),  # one face has 32 pixels, and is like nobody's
    (1920, 8, without_times),
    pytest.param(1280, 7, without_times, marks=slow),
    pytest.param(1920, 8, None, marks=slow),
    pytest.param(2560, 8, None, marks=slow),
    pytest.param(2560, 8, without_times, marks=slow),
    pytest.param(WIDTH, 8, None, marks=slow),
    pytest.param(WIDTH, 8, without_times, marks=slow),
])  # fmt: skip
def test_a_fixed_camera_sees_three_people(
    width: int, least: int, change: Callable[[Path], None] | None, cases: ModuleType, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    cases.door(photos, head=round(HEAD * width / WIDTH), width=width, height=width * 9 // 16)
    if change:
        change(photos)
    gate = (
        () if width == WIDTH else ("--min-size", 20, "--min-quality", 0)
    )  # smaller faces than that are too small
    shown = sorted(map(names_of, people_of(photos, tmp_path / "out", *gate)), key=str)
    assert [list(names) for names in shown] == [[name] for name in sorted(cases.PEOPLE)]
    assert min(n for names in shown for n in names.values()) >= least


def test_a_fixed_camera_near_by_sees_three_people_with_defaults(cases: ModuleType, tmp_path: Path) -> None:
    cases.door(tmp_path / "photos", head=HEAD, width=1920, height=1080)
    found = people_of(tmp_path / "photos", tmp_path / "out")
    assert sorted(map(names_of, found), key=str) == each_of(cases, 8)


def test_copies_of_a_photo_of_a_fixed_camera_still_count_once(cases: ModuleType, tmp_path: Path) -> None:
    """Two days of each, and of these a smaller and a more compressed copy with or without a time: too few photos."""
    photos = tmp_path / "photos"
    cases.door(photos, head=HEAD, width=1920, height=1080, n=2)
    for file in list(photos.iterdir()):
        image = Image.open(file)
        image.resize((1440, 810)).save(file.with_stem(f"{file.stem}_small"), quality=85, exif=image.getexif())
        image.save(file.with_stem(f"{file.stem}_again"), quality=50)
    assert people_of(photos, tmp_path / "out") == []


def test_who_is_forgotten_takes_along_nobody_who_comes_another_day(cases: ModuleType, tmp_path: Path) -> None:
    photos, later, out = tmp_path / "photos", tmp_path / "later", tmp_path / "out"
    cases.door(photos, head=HEAD, width=2560, height=1440, people=cases.PEOPLE[:2], n=4)
    later.mkdir()
    for file in list(photos.glob(f"{cases.PEOPLE[1]}*")):
        file.rename(later / file.name)
    people_of(photos, out)
    facecluster("forget", out, "--person", "person-0001", "-y", "-q")
    for file in list(later.iterdir()):
        file.rename(photos / file.name)
    assert [names_of(person) for person in people_of(photos, out)] == [{cases.PEOPLE[1]: 4}]


def prints_of(cases: ModuleType, people: tuple[str, ...], n: int) -> list[tuple[str, NDArray[np.int16]]]:
    """The photos that pages are made of, with whose they are."""
    files = [(name, file) for name in people for file in cases.lfw(name, n)]
    return [(name, np.asarray(Image.open(file).convert("RGB"), dtype=np.int16)) for name, file in files]


def whose_print(face: dict[str, Any], prints: list[tuple[str, NDArray[np.int16]]]) -> str:
    """Whose photo lies where a face is on a page: photos of 250 pixels, each 290 from the next, from 40 on."""
    left, top, right, bottom = face["box"]
    x, y = (40 + int((middle - 40) // 290) * 290 for middle in ((left + right) / 2, (top + bottom) / 2))
    there = np.asarray(Image.open(face["photo"]).crop((x, y, x + 250, y + 250)), dtype=np.int16)
    return min(prints, key=lambda one: float(np.abs(one[1] - there).mean()))[0]


@pytest.mark.parametrize(
    ("n_people", "each", "n_pages"), [(3, 2, 6), (6, 2, 6), pytest.param(3, 4, 3, marks=slow)]
)
def test_prints_of_one_person_on_a_page_are_one_person(
    n_people: int, each: int, n_pages: int, cases: ModuleType, tmp_path: Path
) -> None:
    people = SIX[:n_people]
    cases.pages(tmp_path / "photos", people=people, each=each, n_pages=n_pages)
    found = people_of(tmp_path / "photos", tmp_path / "out")
    prints = prints_of(cases, people, each * n_pages)
    shown = [Counter(whose_print(face, prints) for face in person["faces"]) for person in found]
    assert sorted(shown, key=str) == [{name: each * n_pages} for name in sorted(people)]
