"""Decode HEIF with pillow-heif."""

from __future__ import annotations

import numpy as np
from PIL import Image

from facecluster.photos import decode_memory
from facecluster.photos.pixels import LARGEST, Decoded, assemble, bytes_made, reduction


def decode_heif(data: bytes, max_pixels: int) -> Decoded:
    """Decode HEIF with pillow-heif, without its copy of the whole picture into Pillow."""
    import pillow_heif  # a tenth of a second that only HEIF needs

    pillow_heif.options.DECODE_THREADS = 1
    picture = pillow_heif.open_heif(data)
    width, height = picture.size
    if width * height > LARGEST:
        raise Image.DecompressionBombError
    n_pixels = width * height
    needs = decode_memory.of_heif(picture.info, n_pixels, bytes_made(n_pixels, max_pixels))
    decode_memory.check(len(data) + needs, n_pixels)
    stored = np.asarray(picture)
    # The size in the header may be wrong, and rows may be padded.
    width, height = picture.size
    factor = reduction(width * height, max_pixels)
    # libheif has turned the picture; the orientation that EXIF repeats must be ignored (ISO/IEC 23008-12).
    pixels = assemble(
        lambda top, bottom: Image.fromarray(stored[top:bottom, :width]), (width, height), factor, 1
    )
    return Decoded(pixels, (width, height), 1 / factor)
