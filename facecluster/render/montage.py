"""One picture a person: tiles of the most typical faces, cut from the photos."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facecluster.errors import PhotoError
from facecluster.photos import MAX_PIXELS, decode
from facecluster.result import SHARP_BOX_PX, Box, Person
from facecluster.table import Picture

TILE_PX = 112
"""Width and height of a tile."""

MARGIN = TILE_PX / SHARP_BOX_PX
"""Side of the square that is cut, in longer sides of the box: hair and chin are in it."""

SIDE = 5
"""Most tiles in a row and in a column."""

VERSION = 1
"""Of montages; another number makes all of them anew."""

_CAPTION_PX = 28
_KEY = re.compile(
    r"(?P<n_tried>\d+):(?P<faces>[0-9a-f]{32}):(?P<n_there>\d+):(?P<files>[0-9a-f]{32})", re.ASCII
)


@dataclass(frozen=True)
class Montage:
    """A person's montage.

    Attributes:
        jpeg: the bytes of the file; None where none of the photos can be read (any more).
        key: tells what it was made of, see `is_made_of`.
    """

    jpeg: bytes | None
    key: str


def make_montage(person: Person, pictures: Mapping[str, Picture]) -> Montage:
    """Make a person's montage as a JPEG whose comment says how many faces there are.

    Args:
        person: whose faces come in the order in which they are shown.
        pictures: of each photo, by path.
    """
    states: dict[str, str] = {}
    tiles, n_tried = _read(person, pictures, SIDE * SIDE, states)
    key = _key(person, pictures, n_tried, states)
    if not tiles:
        return Montage(None, key)
    count = f"{len(tiles)} of {person.n_faces} {'face' if person.n_faces == 1 else 'faces'}"
    pixels = arrange(tiles, count if len(tiles) < person.n_faces else "")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, comment=f"{person.id}: {count}")
    return Montage(file.getvalue(), key)


def is_made_of(key: str, person: Person, pictures: Mapping[str, Picture]) -> bool:
    """Say whether what `make_montage` gave a key to need not be made again. No photo is opened.

    It is made again where the person's id or number of faces is another, or of a face that was tried its box or its
    photo's path, picture, or permissions as a file. Where fewer of the photos are there than then, as a drive is away,
    it stays.
    """
    made = _KEY.fullmatch(key)
    if made is None:
        return False
    now = _KEY.fullmatch(_key(person, pictures, int(made["n_tried"]), {}))
    if now is None or now["faces"] != made["faces"]:
        return False
    return now["files"] == made["files"] or int(now["n_there"]) < int(made["n_there"])


def read_tiles(person: Person, pictures: Mapping[str, Picture], n_tiles: int) -> list[NDArray[np.uint8]]:
    """Cut out a person's first `n_tiles` faces whose photos can be read and are still what they were.

    A photo is decoded once, reduced as far as its smallest face among them allows.

    Returns:
        Tiles as of `cut`, in the order of the faces.
    """
    return _read(person, pictures, n_tiles, {})[0]


def _read(
    person: Person, pictures: Mapping[str, Picture], n_tiles: int, states: dict[str, str]
) -> tuple[list[NDArray[np.uint8]], int]:
    """The tiles, and how many faces were tried; `states` gets those of the photos from before they were read."""
    chosen = list(range(min(n_tiles, len(person.faces))))
    n_tried = len(chosen)
    tiles: dict[int, NDArray[np.uint8]] = {}
    while chosen:
        by_photo: dict[str, list[int]] = {}
        for i in chosen:
            by_photo.setdefault(person.faces[i].photo, []).append(i)
        for photo, rows in by_photo.items():
            boxes = [person.faces[i].box for i in rows]
            states.setdefault(photo, _state(photo, pictures.get(photo, Picture()).coded))
            tiles.update(zip(rows, _cut_from(photo, boxes, pictures.get(photo, Picture())[:2]), strict=False))
        # as many more as could not be had
        chosen = list(range(n_tried, min(n_tried + n_tiles - len(tiles), len(person.faces))))
        n_tried += len(chosen)
    return [tiles[i] for i in sorted(tiles)], n_tried


def _key(person: Person, pictures: Mapping[str, Picture], n_tried: int, states: dict[str, str]) -> str:
    """The key of a montage; photos that `states` lacks are looked at now.

    It has a digest of the faces and their pictures, the number of photos that are there, and a digest of their files.
    """
    faces = hashlib.sha256(f"{VERSION} {person.id} {person.n_faces} {len(person.faces)}".encode())
    files = hashlib.sha256()
    there = set[str]()
    for face in person.faces[:n_tried]:
        width, height, coded = pictures.get(face.photo, Picture())
        if face.photo not in states:
            states[face.photo] = _state(face.photo, coded)
        faces.update(b"\0" + os.fsencode(face.photo) + b"\0" + struct.pack("<4d", *face.box))
        faces.update(f"{width} {height} {coded}".encode())
        files.update(f"{states[face.photo]}\0".encode())
        if states[face.photo]:
            there.add(face.photo)
    return f"{n_tried}:{faces.hexdigest()[:32]}:{len(there)}:{files.hexdigest()[:32]}"


def _state(photo: str, coded: str) -> str:
    """What changes where a photo shows another picture, or can be read now; "" where it is gone.

    Args:
        photo: its path.
        coded: the digest of its coded picture; "" unknown: size and time of the file stand for it.
    """
    try:
        status = os.stat(photo)
    except OSError:
        return ""
    return f"{coded or (status.st_size, status.st_mtime_ns)} {status.st_mode & 0o444}"


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
    import cv2  # loaded by who reads pixels only

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
    from imutils import build_montages

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
