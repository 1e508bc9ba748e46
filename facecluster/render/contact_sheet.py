"""Groups of faces below each other, each with a heading: what `show --nobody` draws."""

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
from facecluster.render.letters import fitted
from facecluster.render.tile import cut_from
from facecluster.result import Box

PER_GROUP = 8
"""Faces of a group that are shown."""

TILE_PX = 160
"""Width and height of a tile."""

_GAP, _TITLE, _HEADING, _CAPTION = 12, 22, 16, 13
"""Space between tiles, and heights of letters, in pixels."""

_PAPER, _INK, _GREY = "white", "black", (128, 128, 128)


@dataclass(frozen=True)
class SheetFace:
    """A face to show.

    Attributes:
        photo: path.
        box: in the upright photo.
        size: width, height of the upright photo at full size; 0, 0 where unknown.
        caption: below it.
    """

    photo: str
    box: Box
    size: tuple[int, int]
    caption: str


@dataclass(frozen=True)
class SheetGroup:
    """Faces that belong together, the first `PER_GROUP` of which are shown, and the line above them."""

    heading: str
    faces: tuple[SheetFace, ...]


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
    shown = [group.faces[:PER_GROUP] for group in groups]
    tiles, missing = _tiles([face for faces in shown for face in faces], jobs)
    columns = max(map(len, shown), default=1)
    width = max(_GAP + columns * (TILE_PX + _GAP), 4 * (TILE_PX + _GAP))
    row = 2 * _HEADING + TILE_PX + 2 * _CAPTION + _GAP
    canvas = Image.new("RGB", (width, 2 * _GAP + 2 * _TITLE + row * len(groups)), _PAPER)
    pen = ImageDraw.Draw(canvas)

    def write(text: str, size: int, left: float, top: float, room: float) -> None:
        line, font = fitted(text, size, room, middle=size == _CAPTION)
        pen.text((left, top), line, fill=_INK, font=font)

    write(title, _TITLE, _GAP, _GAP, width - 2 * _GAP)
    top = _GAP + 2 * _TITLE
    for group, faces in zip(groups, shown, strict=True):
        more = len(group.faces) - len(faces)
        write(group.heading + (f" (+ {more} more)" if more else ""), _HEADING, _GAP, top, width - 2 * _GAP)
        for k, face in enumerate(faces):
            left, under = _GAP + k * (TILE_PX + _GAP), top + round(1.6 * _HEADING)
            tile = tiles.get(face)
            if tile is None:
                canvas.paste(_GREY, (left, under, left + TILE_PX, under + TILE_PX))
            else:
                canvas.paste(Image.fromarray(tile), (left, under))
            write(face.caption, _CAPTION, left, under + TILE_PX + 3, TILE_PX)
        top += row
    return np.asarray(canvas), missing


def _tiles(
    faces: Sequence[SheetFace], jobs: int
) -> tuple[dict[SheetFace, NDArray[np.uint8]], list[tuple[str, str]]]:
    """Cut out faces, each photo decoded once; and say which photos cannot be shown, and why."""
    by_photo = defaultdict[str, list[SheetFace]](list)
    for face in dict.fromkeys(faces):
        by_photo[face.photo].append(face)

    def read(of_photo: list[SheetFace]) -> list[NDArray[np.uint8]] | str:
        try:
            boxes = [face.box for face in of_photo]
            return cut_from(of_photo[0].photo, boxes, of_photo[0].size, TILE_PX)
        except PhotoError as error:
            return str(error)

    tiles: dict[SheetFace, NDArray[np.uint8]] = {}
    missing: list[tuple[str, str]] = []
    with ThreadPoolExecutor(jobs if jobs > 0 else os.cpu_count() or 1) as pool:
        for of_photo, found in zip(by_photo.values(), pool.map(read, by_photo.values()), strict=True):
            if isinstance(found, str):
                missing.append((of_photo[0].photo, found))
            else:
                tiles.update(zip(of_photo, found, strict=True))
    return tiles, missing
