"""Find a photo again of which another one is a crop, by comparing the two pictures.

A perceptual hash tells copies that are scaled, compressed, turned or mirrored. A crop of a tenth changes 13 of its 64
bits, as many as another photo of the scene may. So the hash only says which pictures are worth a look.
"""

from __future__ import annotations

import functools
import os

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import PhotoError
from facecluster.photos.decode import decode

MAYBE_CROP_BITS = 22
"""Bits in which the hashes of a photo and a crop of it may differ. All crops by up to 8 % of each side differ in no
more, and 95 % of those by up to 12 % (`benchmarks/crops.py`, fit half of `lfw_dev`)."""

_SIDES = ((32, 0.9), (96, 0.93))
"""Longer side in pixels in which two pictures are compared, and the least correlation: first a quick look, then a
closer one. All crops by up to 16 % are found, if their hash is near; of 3,000 pairs of other photos with near hashes
one is taken for a crop, and it is a photo that has two names (`benchmarks/crops.py`, fit half of `lfw_dev`)."""

_LEAST = 0.75
"""A crop is no smaller than this part of the photo in each direction. Set by hand: in a smaller one most of what was
in the photo is gone."""

_STEPS = 26
"""Sizes that are tried between `_LEAST` and the whole: 1 % apart."""

Region = tuple[float, float, float, float]
"""Left, top, right, bottom in parts of the width and height of a photo."""


def find_crop(photo: str, part: str) -> Region | None:
    """Say where in a photo another one lies that was cropped from it, and perhaps scaled and saved anew.

    Args:
        photo: path.
        part: path of the other one.

    Returns:
        Where it lies; None: it is no crop of the photo, or one of the files cannot be read.

    References:
        Normalised correlation coefficient: OpenCV, `matchTemplate`, `TM_CCOEFF_NORMED`.
    """
    found: Region | None = None
    for side, least in _SIDES:
        whole, piece = (_gray(path, side, _stamp(path)) for path in (photo, part))
        if whole is None or piece is None:
            return None
        correlation, found = _best(whole, piece)
        if correlation < least:
            return None
    return found


def _best(whole: NDArray[np.uint8], piece: NDArray[np.uint8]) -> tuple[float, Region | None]:
    """Try all sizes and places of a picture in another one -> (highest correlation, where)."""
    import cv2

    (height, width), (h, w) = whole.shape, piece.shape
    most = min(width / w, height / h)
    best: tuple[float, Region | None] = (-1.0, None)
    for scale in np.linspace(_LEAST, 1, _STEPS) * most:
        size = (min(round(w * scale), width), min(round(h * scale), height))
        scaled = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
        _, value, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(whole, scaled, cv2.TM_CCOEFF_NORMED))
        if value > best[0]:
            best = value, (x / width, y / height, (x + size[0]) / width, (y + size[1]) / height)
    return best


@functools.lru_cache(maxsize=1024)  # 10 MB of small pictures
def _gray(path: str, side: int, stamp: tuple[int, int]) -> NDArray[np.uint8] | None:
    """A photo in gray, its longer side that long; None: it cannot be read.

    Args:
        path: of the photo.
        side: in pixels.
        stamp: time and size of the file: a photo that changed is another one.
    """
    import cv2

    gray: NDArray[np.uint8] | None
    if side < _SIDES[-1][0]:
        gray = _gray(path, _SIDES[-1][0], stamp)
    else:
        try:
            pixels = decode(path, max_pixels=_FEW, truncated=True).pixels
        except PhotoError:
            return None
        gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    if gray is None:
        return None
    height, width = gray.shape
    scale = side / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


_FEW = 1 << 18
"""Pixels to which a photo is reduced while it is decoded."""
