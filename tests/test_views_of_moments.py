"""Everything that shows a face shows the page or the frame that it is on, and says which."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from commands import run
from libraries import cluster_table
from numpy.typing import NDArray
from PIL import Image
from tables import make_table, people

from facecluster.formats import face_table
from facecluster.library.settings import Choices
from facecluster.photos import picture, video
from facecluster.photos.moment import FIRST, Moment, place_of
from facecluster.render.montage import STRIP_PX, TILE_PX

RED, GREEN, BLUE = (200, 30, 30), (30, 170, 30), (30, 30, 200)
"""Of the first, second and third second of the film, and of the pages of the scan."""

FPS = 8


class Album(NamedTuple):
    """A library, and the files that it is about."""

    directory: Path
    film: Path
    scan: Path


def colours(k: int) -> NDArray[np.uint8]:
    """A picture that looks like no other, in a colour."""
    small = np.random.default_rng(k).integers(-30, 30, (6, 8, 1)) + np.array([(RED, GREEN, BLUE)[k % 3]])
    wide = cv2.resize(np.clip(small, 0, 255).astype(np.uint8), (480, 360), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide, np.uint8)


def make_film(path: Path) -> None:
    """Three seconds, a colour each."""
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (480, 360))
    for k in range(3):
        for _ in range(FPS):
            film.write(cv2.cvtColor(colours(k), cv2.COLOR_RGB2BGR))
    film.release()


def make_scan(path: Path) -> None:
    """Three pages, a colour each; the last one is larger."""
    pages = [Image.fromarray(colours(3 + k)) for k in range(3)]
    pages[2] = pages[2].resize((960, 720))
    pages[0].save(path, save_all=True, append_images=pages[1:])


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    """Two people: each in two photos, in the film and on a page of the scan.

    The first one is red in the film, and comes again when it is blue; the second one is green.
    """
    folder = tmp_path_factory.mktemp("album")
    film, scan = folder / "party.mp4", folder / "scan.tif"
    make_film(film)
    make_scan(scan)
    paths = [folder / f"{k}.jpg" for k in range(4)]
    for k, path in enumerate(paths):
        Image.fromarray(colours(10 + k)).save(path)
    faces = people(2, 5, spread=0.2).reshape(2, 5, 128)
    encoding = np.array([*faces[0, :2], *faces[1, :2], *faces[0, 2:4], faces[1, 2], faces[0, 4], *faces[1, 3:]])
    nan = np.nan
    files = [*map(str, paths), str(film), str(scan)]
    coded = [picture.coded_digest(path.read_bytes()) for path in paths]
    coded += [video.coded_digest(film), picture.coded_digest(scan.read_bytes())]
    table = make_table(
        encoding,
        photo=[0, 1, 2, 3, 4, 4, 4, 5, 5, 5],
        paths=files,
        photos={
            "digest": coded,
            "coded": [digest.encode() for digest in coded],
            "size": [[480, 360]] * 6,
            "pages": [1, 1, 1, 1, 1, 3],
            "duration": [nan, nan, nan, nan, 3.0, nan],
        },
        id=[f"{coded[i]}-{k}" for i, k in zip([0, 1, 2, 3, 4, 4, 4, 5, 5, 5], [0, 0, 0, 0, 0, 1, 2, 0, 1, 2], strict=True)],
        page=[0] * 7 + [0, 1, 2],
        time_s=[nan] * 4 + [0.5, 2.5, 1.5] + [nan] * 3,
        track=[-1] * 4 + [0, 1, 2] + [-1] * 3,
        from_s=[nan] * 4 + [0, 2, 1] + [nan] * 3,
        to_s=[nan] * 4 + [0.9, 2.9, 1.9] + [nan] * 3,
    )  # fmt: skip
    directory = folder / "people"
    choices = Choices(given={"min_photos": 2})
    face_table.write(table, directory / "faces.npz") if directory.exists() else None
    cluster_table(table, directory, choices)
    face_table.write(table, directory / "faces.npz")
    return Album(directory, film, scan)
