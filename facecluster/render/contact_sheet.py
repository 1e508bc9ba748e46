"""Groups of faces, each below its heading, in rows: what `show --nobody` draws."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facecluster.errors import PhotoError
from facecluster.photos.moment import Moment
from facecluster.render.letters import fitted
from facecluster.render.tile import Tile, cut_from

PER_ROW = 8
"""Tiles in a row; a group has no more."""

MOST = 400
"""Groups of a sheet: a JPEG of 65,535 lines has room for them."""

TILE_PX = 160
"""Width and height of a tile."""

_GAP, _TITLE, _HEADING, _CAPTION = 12, 22, 16, 13
"""Space between tiles, and heights of letters, in pixels."""

_BLOCK = 2 * _HEADING + 2 * _CAPTION + TILE_PX + 2 * _CAPTION + 2 * _GAP
"""Height of a group: a line, two lines of heading, a tile, its caption."""

_PAPER, _INK, _GREY = "white", "black", (128, 128, 128)


@dataclass(frozen=True)
class SheetGroup:
    """Faces that belong together: the first `PER_ROW` are shown, a line below each, and two lines above them."""

    heading: str
    note: str
    faces: tuple[Tile, ...]


def contact_sheet(
    groups: Sequence[SheetGroup], title: str, *, jobs: int = -1
) -> tuple[NDArray[np.uint8], list[tuple[str, str]]]:
    """Draw groups of faces.

    Args:
        groups: from top to bottom.
        title: line above them all.
        jobs: threads; -1 is one a core.

    Returns:
        (h, w, 3) uint8 RGB; and of each photo that cannot be shown, its path and why. A grey tile stands for it.
    """
    shown = [group.faces[:PER_ROW] for group in groups]
    tiles, missing = _tiles([face for faces in shown for face in faces], jobs)
    places, n_rows = _flow([len(faces) for faces in shown])
    width = _GAP + PER_ROW * (TILE_PX + _GAP)
    canvas = Image.new("RGB", (width, 2 * _GAP + 2 * _TITLE + _BLOCK * n_rows), _PAPER)
    pen = ImageDraw.Draw(canvas)

    def write(text: str, size: int, left: float, top: float, room: float, *, middle: bool = False) -> None:
        line, font = fitted(text, size, room, middle=middle)
        pen.text((left, top), line, fill=_INK, font=font)

    write(title, _TITLE, _GAP, _GAP, width - 2 * _GAP)
    for group, faces, (row, column) in zip(groups, shown, places, strict=True):
        left, top = _GAP + column * (TILE_PX + _GAP), _GAP + 2 * _TITLE + row * _BLOCK
        room = len(faces) * (TILE_PX + _GAP) - _GAP
        more = len(group.faces) - len(faces)
        pen.line((left, top, left + room - 1, top), fill=_GREY)
        write(group.heading + (f" (+ {more} more)" if more else ""), _HEADING, left, top + 4, room)
        write(group.note, _CAPTION, left, top + 6 + 1.3 * _HEADING, room)
        top += 2 * _HEADING + 2 * _CAPTION
        for k, face in enumerate(faces):
            x = left + k * (TILE_PX + _GAP)
            if face in tiles:
                canvas.paste(Image.fromarray(tiles[face]), (x, top))
            else:
                canvas.paste(_GREY, (x, top, x + TILE_PX, top + TILE_PX))
            write(face.caption[0], _CAPTION, x, top + TILE_PX + 3, TILE_PX, middle=True)
    return np.asarray(canvas), missing


def _flow(lengths: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """Lay groups out in rows, one beside the other while they fit: row and column of each, and how many rows."""
    places: list[tuple[int, int]] = []
    row, column = 0, 0
    for length in lengths:
        if column and column + length > PER_ROW:
            row, column = row + 1, 0
        places.append((row, column))
        column += length
    return places, row + bool(column)


def _tiles(faces: Sequence[Tile], jobs: int) -> tuple[dict[Tile, NDArray[np.uint8]], list[tuple[str, str]]]:
    """Cut out faces, each photo, page or frame decoded once; and say which photos cannot be shown, and why."""
    by_photo = defaultdict[tuple[str, Moment], list[Tile]](list)
    for face in dict.fromkeys(faces):
        by_photo[face.photo, face.moment].append(face)

    def read(of_photo: list[Tile]) -> list[NDArray[np.uint8]] | str:
        try:
            boxes = [face.box for face in of_photo]
            turns = [face.turns for face in of_photo]
            first = of_photo[0]
            return cut_from(first.photo, boxes, first.size, TILE_PX, turns, first.moment)
        except PhotoError as error:
            return str(error)

    tiles: dict[Tile, NDArray[np.uint8]] = {}
    missing: list[tuple[str, str]] = []
    with ThreadPoolExecutor(jobs if jobs > 0 else os.cpu_count() or 1) as pool:
        for of_photo, found in zip(by_photo.values(), pool.map(read, by_photo.values()), strict=True):
            if isinstance(found, str):
                missing.append((of_photo[0].photo, found))
            else:
                tiles.update(zip(of_photo, found, strict=True))
    return tiles, missing
