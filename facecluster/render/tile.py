"""A face in a picture: a square around it, cut from its photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import PhotoError
from facecluster.photos import MAX_PIXELS, decode
from facecluster.result import Box

MARGIN = 1.4
"""Side of the square, in longer sides of the box: hair and chin are in it."""


@dataclass(frozen=True)
class Tile:
    """A face to draw.

    Attributes:
        photo: path.
        box: in the upright photo.
        size: width, height of the upright photo at full size; 0, 0 where unknown.
        caption: lines below it, where it is drawn.
    """

    photo: str
    box: Box
    size: tuple[int, int]
    caption: tuple[str, ...]


def cut_from(
    photo: str, boxes: Sequence[Box], size: tuple[int, int], side_px: int
) -> list[NDArray[np.uint8]]:
    """Cut out faces of a photo, which is decoded no larger than its smallest face needs.

    Args:
        photo: path.
        boxes: of faces, in the upright photo; one or more.
        size: width, height of the upright photo at full size; 0, 0 where unknown.
        side_px: width and height of a tile.

    Returns:
        A tile a box, as of `cut`.

    Raises:
        PhotoError: the photo cannot be read, or has another size now.
    """
    smallest = min(MARGIN * max(box.right - box.left, box.bottom - box.top) for box in boxes)
    reduction = 2 ** int(math.log2(max(smallest / side_px, 1)))  # what JPEG can do while it is decoded
    n_pixels = math.ceil(size[0] / reduction) * math.ceil(size[1] / reduction)
    decoded = decode(photo, max_pixels=n_pixels or MAX_PIXELS)
    if n_pixels and decoded.size != size:
        raise PhotoError("changed since its faces were found")
    return [cut(decoded.pixels, Box(*(decoded.scale * edge for edge in box)), side_px) for box in boxes]


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

    height, width = pixels.shape[:2]
    side = round(MARGIN * max(box.right - box.left, box.bottom - box.top))
    side = max(1, min(side, width, height))
    left = min(max(round((box.left + box.right - side) / 2), 0), width - side)
    top = min(max(round((box.top + box.bottom - side) / 2), 0), height - side)
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    interpolation = cv2.INTER_AREA if side > side_px else cv2.INTER_CUBIC
    return cv2.resize(square, (side_px, side_px), interpolation=interpolation).astype(np.uint8, copy=False)
