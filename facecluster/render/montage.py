"""One picture a person: tiles of the most typical faces, cut from the photos."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from imutils import build_montages
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facecluster.errors import PhotoError
from facecluster.photos import MAX_PIXELS, decode
from facecluster.result import SHARP_BOX_PX, Box, Person

TILE_PX = 112
"""Width and height of a tile."""

MARGIN = TILE_PX / SHARP_BOX_PX
"""Side of the square that is cut, in longer sides of the box: hair and chin are in it."""

SIDE = 5
"""Most tiles in a row and in a column."""

_CAPTION_PX = 28


def make_montage(person: Person, sizes: Mapping[str, tuple[int, int]]) -> bytes | None:
    """Make a person's montage as a JPEG whose comment says how many faces there are.

    Args:
        person: whose faces come in the order in which they are shown.
        sizes: width, height of each upright photo at full size by path; 0, 0 where unknown.

    Returns:
        The bytes of the file; None where none of the photos can be read (any more).
    """
    tiles = read_tiles(person, sizes, SIDE * SIDE)
    if not tiles:
        return None
    count = f"{len(tiles)} of {person.n_faces} {'face' if person.n_faces == 1 else 'faces'}"
    pixels = arrange(tiles, count if len(tiles) < person.n_faces else "")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, comment=f"{person.id}: {count}")
    return file.getvalue()


def read_tiles(person: Person, sizes: Mapping[str, tuple[int, int]], n_tiles: int) -> list[NDArray[np.uint8]]:
    """Cut out a person's first `n_tiles` faces whose photos can be read and are still what they were.

    A photo is decoded once, reduced as far as its smallest face among them allows.

    Returns:
        Tiles as of `cut`, in the order of the faces.
    """
    chosen = list(range(min(n_tiles, len(person.faces))))
    waiting = iter(range(len(chosen), len(person.faces)))
    tiles: dict[int, NDArray[np.uint8]] = {}
    while chosen:
        by_photo: dict[str, list[int]] = {}
        for i in chosen:
            by_photo.setdefault(person.faces[i].photo, []).append(i)
        for photo, rows in by_photo.items():
            boxes = [person.faces[i].box for i in rows]
            tiles.update(zip(rows, _cut_from(photo, boxes, sizes.get(photo, (0, 0))), strict=False))
        # as many more as could not be had
        chosen = [i for i, _ in zip(waiting, range(n_tiles - len(tiles)), strict=False)]
    return [tiles[i] for i in sorted(tiles)]


def _cut_from(photo: str, boxes: Sequence[Box], size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """One tile a box, or none at all where the photo cannot be read or has changed."""
    smallest = min(MARGIN * max(box.right - box.left, box.bottom - box.top) for box in boxes)
    reduction = 2 ** int(math.log2(max(smallest / TILE_PX, 1)))  # what JPEG can do while it is decoded
    n_pixels = math.ceil(size[0] / reduction) * math.ceil(size[1] / reduction)
    try:
        decoded = decode(photo, max_pixels=n_pixels or MAX_PIXELS)
    except PhotoError:
        return []
    if n_pixels and decoded.size != size:
        return []
    return [cut(decoded.pixels, Box(*(decoded.scale * edge for edge in box))) for box in boxes]


def cut(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a square around a face, moved or shrunk where it would leave the photo.

    Args:
        pixels: (h, w, 3) uint8.
        box: in these pixels.

    Returns:
        (`TILE_PX`, `TILE_PX`, 3) uint8.
    """
    height, width = pixels.shape[:2]
    side = round(MARGIN * max(box.right - box.left, box.bottom - box.top))
    side = max(1, min(side, width, height))
    left = min(max(round((box.left + box.right - side) / 2), 0), width - side)
    top = min(max(round((box.top + box.bottom - side) / 2), 0), height - side)
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    interpolation = cv2.INTER_AREA if side > TILE_PX else cv2.INTER_CUBIC
    return cv2.resize(square, (TILE_PX, TILE_PX), interpolation=interpolation).astype(np.uint8, copy=False)


def arrange(tiles: Sequence[NDArray[np.uint8]], caption: str = "") -> NDArray[np.uint8]:
    """Lay tiles out in a square as small as holds them, without empty rows, and a caption below.

    Args:
        tiles: 1 to `SIDE`² of (`TILE_PX`, `TILE_PX`, 3) uint8.
        caption: one line; none where empty.

    Returns:
        (h, w, 3) uint8.
    """
    if not 1 <= len(tiles) <= SIDE * SIDE:
        raise ValueError(f"expected 1 to {SIDE * SIDE} tiles, got {len(tiles)}")
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    montage: NDArray[np.uint8] = build_montages(tiles, (TILE_PX, TILE_PX), (columns, rows))[0]
    if not caption:
        return montage
    strip = Image.new("RGB", (montage.shape[1], _CAPTION_PX))
    middle = (strip.width / 2, strip.height / 2)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size=14)
    draw.text(middle, caption, fill="white", font=font, anchor="mm")
    return np.vstack([montage, np.asarray(strip)])
