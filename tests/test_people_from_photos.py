"""Photos in, people out, on real photos: the bounds of accuracy, and what lasts when the library changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from facecluster.cli import main


def facecluster(*arguments: object) -> str:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def people(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((directory / "clusters.json").read_text())["people"]
    return found


@pytest.mark.parametrize(
    ("folder", "n_people", "f"), [("seed_football129", 5, 0.96), ("caltech_faces84", 6, 0.99)]
)
def test_people_of_small_sets_are_found(
    folder: str, n_people: int, f: float, shared_data: Path, tmp_path: Path
) -> None:
    facecluster("run", shared_data / folder, "-o", tmp_path, "--link", "none", "-q")
    scores = json.loads(facecluster("evaluate", tmp_path, "--labels", "folder"))
    assert scores["people"] == n_people
    assert scores["pairwise"]["f"] >= f
    assert scores["purity"] == 1


@pytest.fixture(scope="module")
def one_person(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of eight photos of one person, beside a folder of links to them."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "photos").mkdir()
    for photo in sorted((shared_data / "caltech_faces84" / "person_0").iterdir())[:8]:
        (folder / "photos" / photo.name).symlink_to(photo)
    facecluster("run", folder / "photos", "-o", folder / "out", "--link", "none", "-q")
    assert [person["n_faces"] for person in people(folder / "out")] == [8]
    return folder


def read(folder: Path, number: int) -> np.ndarray:
    pixels = cv2.imread(str(sorted((folder / "photos").iterdir())[number]))
    assert pixels is not None
    return pixels


def write(folder: Path, **photos: np.ndarray) -> Path:
    folder.mkdir()
    for name, pixels in photos.items():
        assert cv2.imwrite(str(folder / f"{name}.jpg"), pixels)
    return folder


def test_copies_crops_and_sizes_of_one_photo_are_no_person(one_person: Path, tmp_path: Path) -> None:
    pixels = read(one_person, 0)
    height, width = pixels.shape[:2]
    copies = write(
        tmp_path / "copies",
        original=pixels,
        crop=pixels[height // 20 :, width // 20 :],
        smaller=cv2.resize(pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA),
        brighter=np.clip(pixels * 1.1 + 5.0, 0, 255).astype(np.uint8),
    )
    facecluster("run", copies, "-o", tmp_path / "out", "--link", "none", "-q")
    assert people(tmp_path / "out") == []


def test_a_face_and_its_mirror_image_are_one_person(one_person: Path, tmp_path: Path) -> None:
    mirrored = [np.hstack([read(one_person, i), read(one_person, i)[:, ::-1]]) for i in range(4)]
    photos = write(tmp_path / "photos", **{f"m{i}": pixels for i, pixels in enumerate(mirrored)})
    facecluster("run", photos, "-o", tmp_path / "out", "--link", "none", "-q")
    assert [person["n_faces"] for person in people(tmp_path / "out")] == [8]
    facecluster("run", photos, "-o", tmp_path / "strict", "--link", "none", "-q", "--same-photo", "forbid")
    assert [person["n_photos"] for person in people(tmp_path / "strict")] == [4, 4]


def test_ids_and_decisions_outlast_new_names_photos_and_encoders(one_person: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    originals = sorted((one_person / "photos").iterdir())
    for photo in originals[:5]:
        (photos / photo.name).symlink_to(os.path.realpath(photo))
    facecluster("run", photos, "-o", out, "--link", "none", "-q")
    facecluster("name", out, "person-0001", "Anna", "-q")
    face = people(out)[0]["faces"][-1]
    facecluster("move", out, face["id"], "nobody", "-q")
    for number, photo in enumerate(sorted(photos.iterdir())):
        photo.rename(photos / f"{number}.jpg")
    for photo in originals[5:]:
        (photos / photo.name).symlink_to(os.path.realpath(photo))
    for options in ([], ["--encoder", "dlib", "--fresh"]):
        facecluster("run", photos, "-o", out, "--link", "none", "-q", *options)
        (person,) = people(out)
        assert (person["id"], person["name"]) == ("person-0001", "Anna")
        assert person["n_faces"] >= 6
        assert face["id"] not in {other["id"] for other in person["faces"]}
