"""A face in a picture: a square around it, cut from its photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import PhotoError
from facecluster.photos.decode import decode
from facecluster.photos.moment import FIRST, Moment
from facecluster.photos.pixels import MAX_PIXELS
from facecluster.result import Box

MARGIN = 1.4
"""Side of the square, in longer sides of the box: hair and chin are in it."""

LYING_DEG = 60.0
"""A face whose head is tilted by more is shown turned by quarters, until it is nearly upright."""


@dataclass(frozen=True)
class Tile:
    """A face to draw.

    Attributes:
        photo: path.
        box: in the upright photo.
        size: width, height of the upright photo at full size, of its first page or of its frames; 0, 0 where unknown.
        caption: lines below it, where it is drawn.
        turns: as `turns_of` says of its roll.
        moment: where in the file it is.
    """

    photo: str
    box: Box
    size: tuple[int, int]
    caption: tuple[str, ...]
    turns: int = 0
    moment: Moment = FIRST


def turns_of(roll_deg: float | None) -> int:
    """Say by how many quarters counterclockwise a face is shown that lies on its side or head in its photo.

    Args:
        roll_deg: as in `result.Pose`; None or NaN where unknown.

    Returns:
        0 to 3; 0 for a head that is tilted by `LYING_DEG` at most.
    """
    if roll_deg is None or not abs(roll_deg) > LYING_DEG:
        return 0
    return round(roll_deg / 90) % 4


def cut_from(
    photo: str | bytes,
    boxes: Sequence[Box],
    size: tuple[int, int],
    side_px: int,
    turns: Sequence[int],
    moment: Moment = FIRST,
) -> list[NDArray[np.uint8]]:
    """Cut out faces of a photo that are seen at once. It is decoded no larger than its smallest face needs.

    Args:
        photo: path, or the bytes of the file.
        boxes: of faces, in the upright photo; one or more.
        size: width, height of the upright photo, its first page or its frames at full size; 0, 0 where unknown.
        side_px: width and height of a tile.
        turns: of each face, see `turns_of`.
        moment: where in the file they are.

    Returns:
        A tile a box, as of `cut`, turned.

    Raises:
        PhotoError: the photo cannot be read, or has another size now.
    """
    smallest = min(MARGIN * max(box.right - box.left, box.bottom - box.top) for box in boxes)
    if moment.page:
        size = (0, 0)  # which other pages may have
    reduction = 2 ** int(math.log2(max(smallest / side_px, 1)))  # what JPEG can do while it is decoded
    n_pixels = math.ceil(size[0] / reduction) * math.ceil(size[1] / reduction)
    decoded = decode(photo, moment=moment, max_pixels=n_pixels or MAX_PIXELS, truncated=True)
    if n_pixels and decoded.size != size:
        raise PhotoError("changed since its faces were found")
    return [
        np.ascontiguousarray(
            np.rot90(cut(decoded.pixels, Box(*(decoded.scale * edge for edge in box)), side_px), k)
        )
        for box, k in zip(boxes, turns, strict=True)
    ]


def square_of(box: Box, size: tuple[int, int]) -> tuple[int, int, int]:
    """Give left, top and side in pixels of the square around a face, see `cut`. `size`: width, height."""
    width, height = size
    side = round(MARGIN * max(box.right - box.left, box.bottom - box.top))
    side = max(1, min(side, width, height))
    left = min(max(round((box.left + box.right - side) / 2), 0), width - side)
    top = min(max(round((box.top + box.bottom - side) / 2), 0), height - side)
    return left, top, side


def box_in_tile(box: Box, size: tuple[int, int], turns: int) -> Box:
    """Say where in its tile a face is: 0..1 of the side, cut off at the tile; `turns` as of `cut_from`."""
    left, top, side = square_of(box, size)
    sides = (box.left - left, box.top - top, box.right - left, box.bottom - top)
    found = Box(*(min(max(one / side, 0.0), 1.0) for one in sides))
    for _ in range(turns):
        found = Box(found.top, 1 - found.right, found.bottom, 1 - found.left)
    return found


def cut(pixels: NDArray[np.uint8], box: Box, side_px: int) -> NDArray[np.uint8]:
    """Cut a square around a face, moved or shrunk where it would leave the photo.

    Args:
        pixels: (h, w, 3) uint8.
        box: in these pixels.
        side_px: width and height of the tile.

    Returns:
        (side_px, side_px, 3) uint8.
    """
    import cv2  # loaded by who reads pixels only

    left, top, side = square_of(box, (pixels.shape[1], pixels.shape[0]))
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    interpolation = cv2.INTER_AREA if side > side_px else cv2.INTER_CUBIC
    return cv2.resize(square, (side_px, side_px), interpolation=interpolation).astype(np.uint8, copy=False)
