"""Decoded pictures become upright RGB pixels, strip by strip."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

MAX_PIXELS = 50_000_000
"""Photos of more pixels than this are decoded reduced: at 50 megapixels a worker stays well under 1 GB."""


LARGEST = 300_000_000
"""Pixels. What claims to be larger is refused, because a small file can claim any size (a decompression bomb)."""


Strips = Callable[[int, int], Image.Image]
"""Gives the rows of a picture from a first to a last one, half-open."""


_STRIP_ROWS = 64
"""Rows converted at a time, so that no second copy of a whole photo is ever made."""


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a photo upright, by the value of the EXIF tag Orientation."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A photo as pixels.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, upright, C-contiguous.
        size: width, height of the upright photo at full size.
        scale: pixels here per pixel at full size: 1, or less where the photo was reduced. Exact, so dividing a
            coordinate by it gives the coordinate at full size.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    scale: float


def read_orientation(image: Image.Image) -> int:
    """Give the value of the EXIF tag Orientation that `decode` applies; EXIF data that cannot be read count as 1."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - as in decode
        return 1
    return value if value in TURNS else 1


def bytes_made(n_pixels: int, max_pixels: int) -> int:
    """Tell how many bytes the pixels that `decode` gives take."""
    return math.ceil(3 * n_pixels / reduction(n_pixels, max_pixels) ** 2)


def reduction(n_pixels: int, max_pixels: int) -> int:
    """The smallest whole number that, as a divisor of both sides, leaves at most `max_pixels`."""
    return max(1, math.ceil(math.sqrt(n_pixels / max_pixels)))


def assemble(strip_of: Strips, size: tuple[int, int], factor: int, orientation: int) -> NDArray[np.uint8]:
    """Convert a decoded picture strip by strip to RGB, reduced and upright, holding no second copy of it.

    Args:
        strip_of: the picture, in any mode of Pillow of 8 bits.
        size: width, height of the picture.
        factor: by which both sides are divided, rounding up.
        orientation: value of the EXIF tag.
    """
    width, height = size
    out_width, out_height = -(-width // factor), -(-height // factor)
    turned = orientation >= 5
    backwards = orientation in (3, 4, 6, 7)
    upright = np.empty((out_width, out_height, 3) if turned else (out_height, out_width, 3), np.uint8)
    for start in range(0, out_height, _STRIP_ROWS):
        stop = min(start + _STRIP_ROWS, out_height)
        strip = _rgb(strip_of(start * factor, min(stop * factor, height)))
        if factor > 1:
            strip = strip.reduce(factor)
        if orientation in TURNS:
            strip = strip.transpose(TURNS[orientation])
        place = slice(out_height - stop, out_height - start) if backwards else slice(start, stop)
        upright[(slice(None), place) if turned else place] = np.asarray(strip)
    return upright


def _rgb(strip: Image.Image) -> Image.Image:
    """Convert any mode of Pillow of 8 bits to RGB, transparency dropped."""
    return strip if strip.mode == "RGB" else strip.convert("RGB")
