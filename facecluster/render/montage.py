"""One picture a person: numbered tiles of the most typical faces, cut from the photos."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facecluster.durable.whole_file import is_of_one_file
from facecluster.errors import PhotoError
from facecluster.photos.file import read_photo
from facecluster.render.letters import drawable, fitted, wrapped
from facecluster.render.tile import cut_from, turns_of
from facecluster.result import Person
from facecluster.table import Picture
from facecluster.text import printable

TILE_PX = 160
"""Width and height of a tile."""

STRIP_PX = 32
"""Height of the strip below a tile, which holds the number of the face and the name of its photo."""

SIDE = 5
"""Most tiles in a row and in a column."""

VERSION = 2
"""Of montages; another number makes all of them anew."""

ALIKE = 0.93
"""Correlation from which two tiles are copies of one picture.

Of 1,094 faces of LFW that were scaled to 50..90 %, saved as JPEG at quality 60 and boxed anew with an error of 1.5 % of
the box, 99.5 % correlate with themselves by more; of 4,150 pairs of photos of one person 6 do, most of them copies
(`benchmarks/tile_copies.py`).
"""

_OLD_TILE_PX = 112
"""Width and height of a tile of version 1."""

_ALIKE_PX = 16
"""Width and height to which tiles are reduced before they are compared."""

_HEADING, _LETTERS = 18, 13
"""Heights of letters in pixels."""

_LINE_PX = 32
"""Height of a line of the heading.

This, tiles, and strips are multiples of 16 pixels: under a new heading the blocks of the JPEG stay where they are, so
that the tiles look the same after many names.
"""

_MOST_LINES = 5
"""Of a heading: fewer pixels than a tile and its strip have."""

_SAME_GREY = 4
"""Grey values, of 255, by which no block of 16x16 pixels may differ between two montages that look the same: under 43
other headings none changes so much (`tests/test_montage.py`), and a black line over a white block changes it by 16."""

_PAPER, _INK = (255, 255, 255), (0, 0, 0)

SAVE: dict[str, Any] = {"quality": 90, "subsampling": 0}
"""How a montage is saved: without subsampling, whose blocks are not the same when they are read and saved again."""

_KEY = re.compile(
    r"(?P<n_tried>\d+):(?P<faces>[0-9a-f]{32}):(?P<n_there>\d+):(?P<files>[0-9a-f]{32}):(?P<name>[0-9a-f]{8})",
    re.ASCII,
)


@dataclass(frozen=True)
class Montage:
    """A person's montage.

    Attributes:
        jpeg: the bytes of the file; None where none of the photos can be read (any more).
        key: tells what it was made of, see `is_made_of` and `is_titled`.
        cover: its first tile as the file shows it, see `cover_of`; None: there is none.
        permissions: that a file of it may have: nobody may see it who may not see all of its photos.
    """

    jpeg: bytes | None
    key: str
    cover: NDArray[np.uint8] | None = None
    permissions: int = 0o666


class Meant(Protocol):
    """Says which photos still hold the picture whose faces are known, see `library.contents`."""

    def is_known(self, photo: str) -> bool:
        """Whether that was found already."""

    def holds(self, photo: str, data: bytes) -> bool:
        """Whether the bytes of its file are of it."""


def make_montage(person: Person, pictures: Mapping[str, Picture], meant: Meant | None = None) -> Montage:
    """Make a person's montage as a JPEG whose comment says how many faces there are.

    Args:
        person: whose faces come in the order in which they are shown.
        pictures: of each photo, by path.
        meant: photos that are drawn; None: all.
    """
    states: dict[str, str] = {}
    tiles, n_tried = _read(person, pictures, SIDE * SIDE, states, meant)
    key = _key(person, pictures, n_tried, states)
    if not tiles:
        return Montage(None, key)
    count = f"{len(tiles)} of {person.n_faces} {'face' if person.n_faces == 1 else 'faces'}"
    captions = {i: f"{i + 1}  {printable(os.path.basename(person.faces[i].photo))}" for i in tiles}
    blocks = [np.vstack([tile, _strip(captions[i])]) for i, tile in tiles.items()]
    jpeg, cover = _saved(person, count, arrange(blocks)), _as_saved(next(iter(tiles.values())))
    return Montage(jpeg, key, cover, permissions_of([person.faces[i].photo for i in tiles]))


def permissions_of(files: Iterable[str | os.PathLike[str]]) -> int:
    """Give the permissions of a picture made of files: nobody may see it who may not see all of them."""
    permissions = 0o666
    for file in files:
        with suppress(OSError):
            permissions &= os.stat(file).st_mode | 0o600
    return permissions


def retitle(montage: bytes, key: str, person: Person) -> Montage:
    """Give a montage the heading of the person's present name; no photo is opened.

    Args:
        montage: of this person, with these faces.
        key: of it.
        person: with the present name.

    Returns:
        Nothing, with an empty key, where the montage is of an older version, or damaged.
    """
    made = _KEY.fullmatch(key)
    if made is None:
        return Montage(None, "")
    try:
        with Image.open(io.BytesIO(montage)) as image:
            comment = bytes(image.info.get("comment", b"")).decode("ascii", "replace")
            below = np.asarray(image.convert("RGB"))[_heading_height(image.height) :]
    except OSError:
        return Montage(None, "")
    jpeg = _saved(person, comment.partition(": ")[2], below)
    return Montage(jpeg, _with_name(made, person), _as_saved(below[:TILE_PX, :TILE_PX]))


def cover_of(montage: bytes) -> NDArray[np.uint8]:
    """Cut the first tile out of a montage: (`TILE_PX`, `TILE_PX`, 3) uint8, the person's most typical face.

    Raises:
        OSError: it is no picture.
    """
    with Image.open(io.BytesIO(montage)) as image:
        if image.width % TILE_PX:  # of version 1, which has no heading
            first = image.convert("RGB").crop((0, 0, _OLD_TILE_PX, _OLD_TILE_PX))
            return np.asarray(first.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC))
        top = _heading_height(image.height)
        return np.asarray(image.convert("RGB"))[top : top + TILE_PX, :TILE_PX]


def cut_cover(
    person: Person, pictures: Mapping[str, Picture], meant: Meant | None = None
) -> NDArray[np.uint8] | None:
    """Cut a person's cover out of its photo: (`TILE_PX`, `TILE_PX`, 3) uint8; None where that cannot be read.

    The arguments are those of `make_montage`.
    """
    tiles, _ = _read(replace(person, faces=(person.cover_face,)), pictures, 1, {}, meant)
    return _as_saved(tiles[0]) if tiles else None


def is_montage_of(content: bytes, own: str) -> bool:
    """Say whether a file is a montage of a person, by id, though other programs may have written into it since."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            comment = image.info.get("comment", b"")
    except OSError:
        return False
    return isinstance(comment, bytes) and comment.startswith(f"{own}: ".encode())


def looks_like(montage: bytes, other: bytes) -> bool:
    """Say whether a file shows what a montage shows: a montage that had other headings is not the same to the byte."""
    if montage == other:
        return True
    try:
        one, two = (
            np.asarray(Image.open(io.BytesIO(file)).convert("L"), np.float64) for file in (montage, other)
        )
    except OSError:
        return False
    if one.shape != two.shape:
        return False
    side = STRIP_PX // 2
    height, width = one.shape
    blocks = (one - two).reshape(height // side, side, width // side, side).mean(axis=(1, 3))
    return bool(np.abs(blocks).max() < _SAME_GREY)


def is_titled(key: str, person: Person) -> bool:
    """Say whether the heading of a montage has the person's present name."""
    made = _KEY.fullmatch(key)
    return made is not None and key == _with_name(made, person)


def is_made_of(key: str, person: Person, pictures: Mapping[str, Picture]) -> bool:
    """Say whether the tiles of a montage are as they would be made again, by its key. No photo is opened.

    The tiles are others where the person's id or number of faces is another, or of a face that was tried its box or its
    photo's path, picture, or permissions as a file. Where fewer of the photos are there than then, as a drive is away,
    they stay.
    """
    made = _KEY.fullmatch(key)
    if made is None:
        return False
    now = _KEY.fullmatch(_key(person, pictures, int(made["n_tried"]), {}))
    if now is None or now["faces"] != made["faces"]:
        return False
    return now["files"] == made["files"] or int(now["n_there"]) < int(made["n_there"])


def _with_name(made: re.Match[str], person: Person) -> str:
    """The key of a montage that has another heading."""
    return made.string[: made.start("name")] + _name_digest(person)


def _name_digest(person: Person) -> str:
    return hashlib.sha256((person.name or "").encode("utf-8", "surrogatepass")).hexdigest()[:8]


def read_tiles(person: Person, pictures: Mapping[str, Picture], n_tiles: int) -> dict[int, NDArray[np.uint8]]:
    """Cut out a person's first `n_tiles` faces whose photos can be read and are still what they were.

    A photo is decoded once, reduced as far as its smallest face among them allows. Of copies of one picture the first
    is taken, see `ALIKE`.

    Returns:
        Tiles as of `tile.cut`, by place of the face in `person.faces`, in this order.
    """
    return _read(person, pictures, n_tiles, {})[0]


def _read(
    person: Person,
    pictures: Mapping[str, Picture],
    n_tiles: int,
    states: dict[str, str],
    meant: Meant | None = None,
) -> tuple[dict[int, NDArray[np.uint8]], int]:
    """The tiles, and how many faces were tried; `states` gets those of the photos from before they were read."""
    chosen = list(range(min(n_tiles, len(person.faces))))
    n_tried = len(chosen)
    tiles: dict[int, NDArray[np.uint8]] = {}
    looks: list[NDArray[np.float64]] = []
    while chosen:
        by_photo: dict[str, list[int]] = {}
        for i in chosen:
            by_photo.setdefault(person.faces[i].photo, []).append(i)
        found: dict[int, NDArray[np.uint8]] = {}
        for photo, rows in by_photo.items():
            boxes = [person.faces[i].box for i in rows]
            picture = pictures.get(photo, Picture())
            states.setdefault(photo, _state(photo, picture.coded))
            try:
                turns = [turns_of(person.faces[i].pose.roll) for i in rows]
                source = photo if meant is None or meant.is_known(photo) else _content(photo, meant)
                found.update(zip(rows, cut_from(source, boxes, picture[:2], TILE_PX, turns), strict=True))
            except PhotoError as error:
                if isinstance(error.__cause__, OSError) and not is_of_one_file(error.__cause__):
                    states[photo] = ""  # as one that is away: it is tried again
                continue
        for i in sorted(found):
            look = look_of(found[i])
            if all(look @ other < ALIKE for other in looks):
                looks.append(look)
                tiles[i] = found[i]
        # as many more as could not be had
        chosen = list(range(n_tried, min(n_tried + n_tiles - len(tiles), len(person.faces))))
        n_tried += len(chosen)
    return tiles, n_tried


def _content(photo: str, meant: Meant) -> bytes:
    """Read a photo.

    Raises:
        PhotoError: it cannot be read, or has another picture now.
    """
    data = read_photo(photo)[0]
    if not meant.holds(photo, data):
        raise PhotoError("another picture than that whose faces are known")
    return data


def look_of(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What a tile is compared by: its luminance, small, without mean, of length 1; (`_ALIKE_PX`²,)."""
    import cv2  # loaded by who reads pixels only

    small = cv2.resize(tile, (_ALIKE_PX, _ALIKE_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float64).ravel()
    grey -= grey.mean()
    look: NDArray[np.float64] = grey / max(float(np.linalg.norm(grey)), 1e-9)
    return look


def _key(person: Person, pictures: Mapping[str, Picture], n_tried: int, states: dict[str, str]) -> str:
    """The key of a montage; photos that `states` lacks are looked at now.

    It has a digest of the faces and their pictures, the number of photos that are there, a digest of their files, and
    one of the person's name.
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
        if turns := turns_of(face.pose.roll):
            faces.update(f" {turns}".encode())
        files.update(f"{states[face.photo]}\0".encode())
        if states[face.photo]:
            there.add(face.photo)
    parts = n_tried, faces.hexdigest()[:32], len(there), files.hexdigest()[:32], _name_digest(person)
    return ":".join(map(str, parts))


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


def arrange(blocks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay tiles out in a square as small as holds them, without empty rows, on white.

    Args:
        blocks: 1 to `SIDE`² of (h, `TILE_PX`, 3) uint8, of one size.

    Returns:
        (rows * h, columns * `TILE_PX`, 3) uint8.
    """
    from imutils import build_montages

    if not 1 <= len(blocks) <= SIDE * SIDE:
        raise ValueError(f"expected 1 to {SIDE * SIDE} tiles, got {len(blocks)}")
    columns = math.ceil(math.sqrt(len(blocks)))
    rows = math.ceil(len(blocks) / columns)
    paper = [np.full_like(blocks[0], _PAPER)] * (rows * columns - len(blocks))
    size = blocks[0].shape[1], blocks[0].shape[0]
    montage: NDArray[np.uint8] = build_montages([*blocks, *paper], size, (columns, rows))[0]
    return montage


def _strip(text: str) -> NDArray[np.uint8]:
    """What stands below a tile: (`STRIP_PX`, `TILE_PX`, 3)."""
    strip = Image.new("RGB", (TILE_PX, STRIP_PX), _PAPER)
    line, letters = fitted(text, _LETTERS, TILE_PX - 8, middle=True)
    ImageDraw.Draw(strip).text((4, 4), line, fill=_INK, font=letters)
    return np.asarray(strip)


def _heading(text: str, width: int) -> NDArray[np.uint8]:
    """The line above the tiles, or the lines where it is long: (some `_LINE_PX`, width, 3)."""
    lines, letters = wrapped(text, _HEADING, width - 12)
    lines = lines[:_MOST_LINES]
    heading = Image.new("RGB", (width, _LINE_PX * len(lines)), _PAPER)
    pen = ImageDraw.Draw(heading)
    for k, line in enumerate(lines):
        pen.text((6, (k + 0.5) * _LINE_PX), line, fill=_INK, font=letters, anchor="lm")
    return np.asarray(heading)


def _heading_height(height: int) -> int:
    """The height of the heading of a montage that is so high."""
    return height % (TILE_PX + STRIP_PX)


def _as_saved(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A tile as it is in a montage that was saved: it fills blocks of the JPEG of its own, so no other one matters."""
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "JPEG", **SAVE)
    with Image.open(file) as image:
        return np.asarray(image)


def _saved(person: Person, count: str, below: NDArray[np.uint8]) -> bytes:
    """The file: a heading above the tiles. The comment holds no name, as names are not ASCII."""
    name = drawable(printable(person.name or ""))
    title = f"{name}, {person.id}: {count}" if name else f"{person.id}: {count}"
    pixels = np.vstack([_heading(title, below.shape[1]), below])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", comment=f"{person.id}: {count}", **SAVE)
    return file.getvalue()
