from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facecluster.render.montage import (
    STRIP_PX,
    TILE_PX,
    arrange,
    cover_of,
    is_made_of,
    is_titled,
    looks_like,
    make_montage,
    read_tiles,
    retitle,
)
from facecluster.render.tile import cut
from facecluster.result import Box, Person, PersonFace, Pose
from facecluster.table import Picture

COLOURS = np.random.default_rng(0).integers(40, 216, (40, 3))


def photo_with_faces(
    path: Path, boxes: list[Box], colours: NDArray[np.int64], size: tuple[int, int] = (600, 400)
) -> str:
    """A grey photo with squares of colour, 1.5 times as large as the boxes, so that a tile is one colour."""
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    for box, colour in zip(boxes, colours, strict=True):
        more_x, more_y = (box.right - box.left) / 4, (box.bottom - box.top) / 4
        left, top = max(int(box.left - more_x), 0), max(int(box.top - more_y), 0)
        pixels[top : int(box.bottom + more_y), left : int(box.right + more_x)] = colour
    Image.fromarray(pixels).save(path)
    return str(path)


def person_of(faces: list[tuple[str, Box]]) -> Person:
    members = tuple(
        PersonFace(str(i), photo, box, Pose(0, 0, 0), 0.9, core=True, confidence=100)
        for i, (photo, box) in enumerate(faces)
    )
    return Person("person-0001", None, len(members), len({photo for photo, _ in faces}), "0", members)


def colour_of(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    return tile[8:-8, 8:-8].reshape(-1, 3).mean(axis=0)


def tile(colour: int) -> NDArray[np.uint8]:
    return np.full((TILE_PX, TILE_PX, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("n", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (7, 3, 3), (12, 4, 3), (17, 5, 4), (25, 5, 5)],
)
def test_montage_has_no_empty_rows(n: int, columns: int, rows: int) -> None:
    montage = arrange([tile(10 * i + 5) for i in range(n)])
    assert montage.shape == (rows * TILE_PX, columns * TILE_PX, 3)
    for i in range(n):
        row, column = divmod(i, columns)
        assert (
            montage[row * TILE_PX : (row + 1) * TILE_PX, column * TILE_PX : (column + 1) * TILE_PX]
            == 10 * i + 5
        ).all()


@pytest.mark.parametrize("n", [0, 26])
def test_montage_of_too_few_or_many_tiles_is_a_mistake(n: int) -> None:
    with pytest.raises(ValueError, match="1 to 25"):
        arrange([tile(1)] * n)


def test_places_without_a_face_are_white() -> None:
    assert (arrange([tile(5)] * 3)[TILE_PX:, TILE_PX:] == 255).all()


def test_tile_is_a_square_around_the_face() -> None:
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[100:180, 150:230] = 255
    white = cut(pixels, Box(150, 100, 230, 180), 112)[:, :, 0] > 128
    # 80 pixels of 112, in the middle
    assert np.flatnonzero(white.any(axis=0))[[0, -1]].tolist() == [16, 95]
    assert np.flatnonzero(white.any(axis=1))[[0, -1]].tolist() == [16, 95]


@pytest.mark.parametrize(
    "box", [Box(0, 0, 50, 60), Box(350, 250, 400, 300), Box(-20, -20, 900, 900), Box(5, 5, 5, 5)]
)
def test_face_at_the_edge_gets_a_tile_of_the_photo_alone(box: Box) -> None:
    pixels = np.full((300, 400, 3), 77, np.uint8)
    square = cut(pixels, box, TILE_PX)
    assert square.shape == (TILE_PX, TILE_PX, 3)
    assert (square == 77).all()


def test_first_faces_in_their_order(tmp_path: Path) -> None:
    boxes = [Box(30 + i * 200, 60, 130 + i * 200, 160) for i in range(2)]
    faces = []
    for i in range(15):
        path = photo_with_faces(tmp_path / f"{i}.png", boxes, COLOURS[2 * i : 2 * i + 2])
        faces += [(path, box) for box in boxes]
    order = np.random.default_rng(1).permutation(30)
    sizes = {path: Picture(600, 400) for path, _ in faces}
    tiles = read_tiles(person_of([faces[i] for i in order]), sizes, 25)
    assert len(tiles) == 25
    assert list(tiles) == list(range(25))
    for one, i in zip(tiles.values(), order, strict=False):
        np.testing.assert_allclose(colour_of(one), COLOURS[i], atol=2)


def test_faces_of_lost_and_changed_photos_are_replaced_by_the_next(tmp_path: Path) -> None:
    box = Box(100, 100, 200, 200)
    paths = [photo_with_faces(tmp_path / f"{i}.png", [box], COLOURS[i : i + 1]) for i in range(6)]
    Path(paths[0]).unlink()
    Path(paths[1]).write_bytes(b"no photo")
    photo_with_faces(Path(paths[2]), [box], COLOURS[:1], size=(700, 400))
    sizes = dict.fromkeys(paths, Picture(600, 400))
    tiles = read_tiles(person_of([(path, box) for path in paths]), sizes, 3)
    assert len(tiles) == 3
    assert list(tiles) == [3, 4, 5]
    for one, colour in zip(tiles.values(), COLOURS[3:], strict=False):
        np.testing.assert_allclose(colour_of(one), colour, atol=2)
    unknown = read_tiles(person_of([(paths[2], box)]), {}, 3)
    assert len(unknown) == 1


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("factor", [1, 3, 5, 9, 17])
def test_reduced_photo_gives_the_same_tile(suffix: str, factor: int, tmp_path: Path) -> None:
    small = np.random.default_rng(2).integers(0, 256, (25, 31, 3), dtype=np.uint8)
    size = (301 * factor, 203 * factor)
    path = tmp_path / f"p.{suffix}"
    picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    picture.save(path, quality=95)
    box = Box(*(factor * edge for edge in (90, 60, 180, 150)))
    tile = read_tiles(person_of([(str(path), box)]), {str(path): Picture(*size)}, 1)[0]
    expected = cut(np.asarray(picture), box, TILE_PX)
    assert np.abs(tile.astype(int) - expected).mean() < 8  # half a pixel of the reduced photo


def test_photo_is_upright(tmp_path: Path) -> None:
    pixels = np.full((400, 600, 3), 128, np.uint8)
    pixels[:200] = (200, 50, 50)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned; upright it is 400 x 600, the colour on its right
    Image.fromarray(pixels).save(tmp_path / "p.jpg", quality=95, exif=exif)
    person = person_of([(str(tmp_path / "p.jpg"), Box(260, 250, 340, 330))])
    tile = read_tiles(person, {str(tmp_path / "p.jpg"): Picture(400, 600)}, 1)[0]
    np.testing.assert_allclose(colour_of(tile), (200, 50, 50), atol=6)


def test_jpeg_says_how_many_faces_there_are(tmp_path: Path) -> None:
    box = Box(100, 100, 200, 200)
    path = photo_with_faces(tmp_path / "p.png", [box], COLOURS[:1])
    for n, rows in ((1, 1), (30, 5)):
        montage = make_montage(person_of([(path, box)] * n), {path: Picture(600, 400)}).jpeg
        assert montage is not None
        picture = Image.open(io.BytesIO(montage))
        assert picture.height // (TILE_PX + STRIP_PX) == rows
        assert picture.height % (TILE_PX + STRIP_PX) >= 32
        faces = "face" if n == 1 else "faces"
        assert picture.info["comment"] == f"person-0001: {min(n, 25)} of {n} {faces}".encode()
        np.testing.assert_allclose(colour_of(cover_of(montage)), COLOURS[0], atol=4)


def patterned(path: Path, seed: int, quality: int = 95, scale: float = 1.0) -> tuple[str, Box, Picture]:
    """A photo that looks like no other, as a JPEG."""
    small = np.random.default_rng(seed).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    size = round(600 * scale), round(400 * scale)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path, quality=quality)
    return str(path), Box(*(scale * edge for edge in (220, 120, 380, 280))), Picture(*size)


def test_copies_of_a_picture_are_shown_once(tmp_path: Path) -> None:
    photos = [
        patterned(tmp_path / "a.jpg", 1),
        patterned(tmp_path / "a-small.jpg", 1, 60, 0.6),
        patterned(tmp_path / "b.jpg", 2),
        patterned(tmp_path / "a-worse.jpg", 1, 50),
        patterned(tmp_path / "c.jpg", 3),
    ]
    person = person_of([(path, box) for path, box, _ in photos])
    pictures = {path: picture for path, _, picture in photos}
    assert list(read_tiles(person, pictures, 25)) == [0, 2, 4]
    montage = make_montage(person, pictures).jpeg
    assert montage is not None
    assert Image.open(io.BytesIO(montage)).info["comment"] == b"person-0001: 3 of 5 faces"


def test_name_is_in_the_heading_and_changes_nothing_below(tmp_path: Path) -> None:
    photos = [patterned(tmp_path / f"{i}.jpg", i) for i in range(7)]
    person = person_of([(path, box) for path, box, _ in photos])
    pictures = {path: picture for path, _, picture in photos}
    first = last = make_montage(person, pictures)
    assert first.jpeg is not None
    for name in ("Anna Berg", "Anna von und zu " + "Berg" * 30, "Zo\u00eb", *map(str, range(40)), None):
        named = replace(person, name=name)
        assert is_made_of(last.key, named, pictures)
        assert not is_titled(last.key, named)
        assert last.jpeg is not None
        last = retitle(last.jpeg, last.key, named)
        assert is_made_of(last.key, named, pictures)
        assert is_titled(last.key, named)
        if name == "Anna Berg":
            anna = last.jpeg
    assert last.key == first.key
    assert anna is not None
    assert anna != first.jpeg
    assert last.jpeg is not None
    before, after = (np.asarray(Image.open(io.BytesIO(jpeg))).astype(int) for jpeg in (first.jpeg, last.jpeg))
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 0.5  # grey values, after 43 names
    assert looks_like(first.jpeg, last.jpeg)
    assert not looks_like(first.jpeg, anna)
    drawn = Image.open(io.BytesIO(first.jpeg))
    drawn.paste((0, 0, 0), (40, 100, 120, 104))
    file = io.BytesIO()
    drawn.save(file, "JPEG", quality=95)
    assert not looks_like(first.jpeg, file.getvalue())


def test_cover_of_a_montage_of_an_older_version_is_its_first_tile() -> None:
    for columns in range(1, 6):
        old = np.full((112 * columns + 28, 112 * columns, 3), 30, np.uint8)
        old[:112, :112] = 200
        file = io.BytesIO()
        Image.fromarray(old).save(file, "JPEG", quality=95)
        cover = cover_of(file.getvalue())
        assert cover.shape == (TILE_PX, TILE_PX, 3)
        assert cover.mean() > 190


@pytest.mark.parametrize("key", ["", "1:2:3", "nothing"])
def test_montage_of_an_older_version_gets_no_other_heading(key: str) -> None:
    assert retitle(b"", key, person_of([("/none.jpg", Box(0, 0, 9, 9))])).jpeg is None


def test_no_photo_no_montage() -> None:
    assert make_montage(person_of([("/none.jpg", Box(0, 0, 9, 9))]), {}).jpeg is None
