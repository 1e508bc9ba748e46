"""Decode TIFF files of floats in colours with OpenCV, as HDR programs write them; Pillow reads grey ones alone."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from facecluster.errors import PhotoError
from facecluster.photos import decode_memory
from facecluster.photos.depth import in_8_bits, said_of_tags, white_of
from facecluster.photos.pixels import LARGEST, TURNS, Decoded, assemble, bytes_made, reduction

_FLOAT = 3
"""SampleFormat of floats."""

_ROWS = 256
"""That are looked at at once for their highest value."""

_NEEDS = 3
"""How often the values are in memory at most, as OpenCV decodes them and gives them (measured: 2.8)."""


def is_float_in_colours(data: bytes) -> bool:
    """Whether a TIFF is one of floats in colours."""
    try:
        tags = _tags(data)
        return _FLOAT in tags.get(339, ()) and tags.get(277, 1) >= 3
    except Exception:  # noqa: BLE001 - as in photos.decode.decode
        return False


def decode_float_tiff(data: bytes, max_pixels: int) -> Decoded:
    """Decode the first page.

    Raises:
        PhotoError: it is broken.
    """
    import cv2

    tags = _tags(data)
    width, height, orientation = tags[256], tags[257], tags.get(274, 1)
    if width * height > LARGEST:
        raise Image.DecompressionBombError
    n_bytes = width * height * tags.get(277, 3) * max(tags.get(258, (32,))) // 8
    needs = _NEEDS * n_bytes + bytes_made(width * height, max_pixels)
    decode_memory.check(len(data) + needs, width * height)
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype.kind != "f":
        raise PhotoError("broken photo: its picture cannot be decoded")
    values = stored[:, :, 2::-1]
    white = white_of(
        (values[k : k + _ROWS] for k in range(0, height, _ROWS)), said_of_tags(tags, is_float=True)
    )
    factor = reduction(width * height, max_pixels)
    pixels = assemble(
        lambda top, bottom: Image.fromarray(in_8_bits(values[top:bottom], white)),
        (width, height),
        factor,
        orientation if orientation in TURNS else 1,
    )
    return Decoded(pixels, (height, width) if orientation >= 5 else (width, height), 1 / factor)


def _tags(data: bytes) -> ImageFileDirectory_v2:
    tags = ImageFileDirectory_v2(data[:8])
    file = BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags
