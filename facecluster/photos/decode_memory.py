"""What decoding a photo takes of memory, told from its head, so that a process stays under 1 GB.

The figures are the most that was measured of photos of each kind; docs/bad-photos.md has what follows from them.
"""

from __future__ import annotations

import ctypes
import math
from contextlib import suppress
from typing import Any

from PIL import ExifTags, Image

from facecluster.errors import PhotoError
from facecluster.photos.coded import is_held_as_coefficients

_MEMORY = 640_000_000
"""Bytes that a photo's file and pixels may take together while it is decoded: with the networks, and what these hold
after many photos (360 MB), a process stays under 1 GB."""

_MUCH_MEMORY = 200_000_000
"""Bytes for which memory that was freed is given back to the system first: 50 MB after many photos."""

_AVIF_PIXEL, _WEBP_PIXEL, _WEBP_PIXEL_OPENCV, _WEBP_PIXEL_OPENCV_LOSSLESS = 12, 17, 6, 7
"""Bytes that a pixel takes while these are decoded, with all copies that the decoders make (measured: 10.7, or 9.0 with
fewer colours, 11.1 with 10 bits; 16.3, or 15.6 where not lossless; 6.0; 6.9)."""

_FRAME_PIXEL = {"GIF": 28, "PNG": 28, "WEBP": 28, "AVIF": 40}
"""The same of a frame of an animation after its first, with all that is kept of those before it, and while it is looked
at (measured: 17.1, 16.1, 20.3, 22.0 after four frames, and 6 while it is; an AVIF may refer to eight)."""

_HEIF_PIXEL = {(8, 420): 5.5, (8, 422): 8.5, (8, 444): 10.0, (10, 420): 8.5, (10, 422): 13.5, (10, 444): 16.0}
"""The same by bits (10: or more) and how colours are stored (measured: 5.4, 8.4, 9.9, 7.9, 13.4, 15.9)."""

_JXL_PIXEL = 8
"""The same of JPEG XL with 8 bits (measured: 7.0, lossless 6.1); with 16 bits as much again, and so with floats."""

_RAW_PIXEL, _RAW_PIXEL_OF_COLOURS = 6, 23
"""The same of RAW that is developed, beside its file: a mosaic, and three colours a pixel (measured: 5.6, 22.2)."""

_HEIF_PIXEL_LEFT = 7.0
"""At most so much of it is still held when the picture is decoded (measured: 5.3, 6.7 with 10 bits)."""


def check(n_bytes: float, n_pixels: int) -> None:
    """Refuse a photo before any of it is decoded, if that takes too much memory.

    Args:
        n_bytes: that its file and its pixels take at most while it is decoded.
        n_pixels: of the photo at full size.

    Raises:
        PhotoError: so it is.
    """
    if n_bytes > _MEMORY:
        raise PhotoError(
            f"{n_pixels / 1e6:.0f} megapixels coded in this way take more than 1 GB of memory; a smaller copy can be "
            "read, and as large a TIFF that is not compressed, or JPEG that is not progressive"
        )
    if n_bytes > _MUCH_MEMORY:
        with suppress(AttributeError, OSError, TypeError):  # other C libraries than glibc have no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)


def of_picture(image: Image.Image, size: tuple[int, int], data: bytes, by_opencv: bool, made: int) -> int:
    """Tell how many bytes a picture takes at most while it is decoded, beside its file.

    Args:
        image: as Pillow opened it, at the page that is to be decoded; drafted.
        size: width, height at full size.
        data: its file.
        by_opencv: that decodes it.
        made: bytes of the pixels that are given; these are there after most of what the decoder takes is gone.
    """
    n_pixels = size[0] * size[1]
    if image.format in _FRAME_PIXEL and image.tell():
        return n_pixels * _FRAME_PIXEL[image.format]
    if image.format == "WEBP":
        by_opencv_each = _WEBP_PIXEL_OPENCV_LOSSLESS if b"VP8L" in data else _WEBP_PIXEL_OPENCV
        return max(n_pixels * (by_opencv_each if by_opencv else _WEBP_PIXEL), 4 * n_pixels + made)
    if image.format == "AVIF":
        return max(n_pixels * _AVIF_PIXEL, 4 * n_pixels + made)
    held = (
        image.width * image.height * (1 if image.mode in "1LP" else 2 if image.mode.startswith("I;16") else 4)
    )
    passing = 0
    if image.format in ("JPEG", "MPO") and is_held_as_coefficients(data):
        _, down, across, *_ = zip(*image.layer, strict=True)  # type: ignore[attr-defined]  # ids, sampling factors
        samples = sum(a * b for a, b in zip(down, across, strict=True)) / (max(down) * max(across))
        passing = math.ceil(2 * samples * n_pixels)
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        if tags.get(ExifTags.Base.Orientation, 1) != 1:
            held *= 2  # Pillow turns it into a second picture
        if image.use_load_libtiff:  # type: ignore[attr-defined]
            columns, rows = tags.get(322, size[0]), tags.get(323, tags.get(278, size[1]))
            bits = sum(bits) if isinstance(bits := tags.get(258, 1), tuple) else bits * tags.get(277, 1)
            passing = columns * min(rows, max(size[1], tags.get(323, 0))) * max(4, math.ceil(bits / 8))
    return held + max(passing, made)


def of_heif(info: dict[str, Any], n_pixels: int, made: int) -> float:
    """Tell the same of an HEIF file.

    Args:
        info: as pillow-heif has it.
        n_pixels: of the picture.
        made: bytes of the pixels that are given.
    """
    bits = 8 if info["bit_depth"] <= 8 else 10
    each = _HEIF_PIXEL.get((bits, info.get("chroma", 444)), _HEIF_PIXEL[bits, 444])
    return max(each * n_pixels, min(each, _HEIF_PIXEL_LEFT) * n_pixels + made)


def of_jxl(n_pixels: int, bits: int) -> float:
    """Tell the same of JPEG XL.

    Args:
        n_pixels: of the picture.
        bits: of a value.
    """
    return _JXL_PIXEL * n_pixels * (1 if bits <= 8 else 2 if bits <= 16 else 3)


def of_raw(n_pixels: int, is_mosaic: bool) -> float:
    """Tell the same of a RAW file that is developed.

    Args:
        n_pixels: of the sensor.
        is_mosaic: a pixel has one colour, so that it is developed at half size.
    """
    return n_pixels * (_RAW_PIXEL if is_mosaic else _RAW_PIXEL_OF_COLOURS)
