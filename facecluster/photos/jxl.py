"""Decode JPEG XL with pillow-jxl-plugin, which is the extra [jxl]: its licence, the GPL, is none for a dependency.

References:
    ISO/IEC 18181-1, annex D (SizeHeader, ImageMetadata), and 18181-2 (boxes).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from facecluster.errors import PhotoError
from facecluster.photos import decode_memory
from facecluster.photos.depth import in_8_bits
from facecluster.photos.pillow import decode_pillow
from facecluster.photos.pixels import LARGEST, Decoded, assemble, reduction

_CODESTREAM = b"\xff\x0a"
_CHANNELS = {"L": 1, "I;16": 1, "F": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, where a file stores the height alone."""


def decode_jxl(data: bytes, max_pixels: int) -> Decoded:
    """Decode JPEG XL; the decoder has turned it to be upright. Of an animation, its first frame.

    Raises:
        PhotoError: the extra is not installed.
    """
    try:
        from pillow_jxl import Decoder
    except ImportError as error:
        raise PhotoError('JPEG XL needs one more package: pip install "facecluster[jxl]"') from error

    (width, height), bits = read_head(data)
    if width * height > LARGEST:
        raise Image.DecompressionBombError
    decode_memory.check(len(data) + decode_memory.of_jxl(width * height, bits), width * height)
    is_jpeg, info, stored, _, _ = Decoder(num_threads=1)(data)
    if is_jpeg:  # as it was before it became JPEG XL, to the byte
        return decode_pillow(bytes(stored), max_pixels)
    size = info.width, info.height  # upright
    values = _values(np.frombuffer(bytes(stored) if isinstance(stored, list) else stored, np.uint8), info)

    def strip_of(top: int, bottom: int) -> Image.Image:
        strip = values[top:bottom]
        if strip.dtype != np.uint8:
            # The decoder gives whole numbers that fill 16 bits, and floats of which 1 is white.
            strip = in_8_bits(strip, 65535 if strip.dtype.kind == "u" else 1)
        return Image.fromarray(strip[:, :, 0] if strip.shape[2] < 3 else strip[:, :, :3])

    factor = reduction(size[0] * size[1], max_pixels)
    return Decoded(assemble(strip_of, size, factor, 1), size, 1 / factor)


def _values(stored: np.ndarray[Any, np.dtype[np.uint8]], info: Any) -> np.ndarray[Any, Any]:
    """Give what was decoded as (h, w, channels) of whole numbers of 8 or 16 bits, or floats."""
    n_channels = _CHANNELS.get(info.mode) or int(info.num_channels)
    each = len(stored) // (info.width * info.height * n_channels)
    return stored.view({1: np.uint8, 2: np.uint16, 4: np.float32}[each]).reshape(
        info.height, info.width, n_channels
    )


def boxes(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Give type and content of the boxes of a file, the codestream as `jxlc` where there are none."""
    view, at = memoryview(data), 0
    if data[:2] == _CODESTREAM:
        yield b"jxlc", view
        return
    while at + 8 <= len(data):
        length, start = int.from_bytes(data[at : at + 4], "big"), at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        stop = len(data) if length == 0 else at + length
        if not start <= stop <= len(data):
            raise PhotoError("broken photo: it ends in the middle")
        yield data[at + 4 : at + 8], view[start:stop]
        at = stop


def codestream(data: bytes) -> list[memoryview]:
    """Give the parts of a file that are the coded picture."""
    return [body[4:] if name == b"jxlp" else body for name, body in boxes(data) if name in (b"jxlc", b"jxlp")]


def read_head(data: bytes) -> tuple[tuple[int, int], int]:
    """Read width and height of the upright picture, and how many bits a value has; 32 of a float.

    Raises:
        PhotoError: there is no picture.
    """
    start = b"".join(bytes(part[:16]) for part in codestream(data)[:4])
    if start[:2] != _CODESTREAM or len(start) < 12:
        raise PhotoError("broken photo: it ends in its head")
    bits = int.from_bytes(start[2:18], "little")

    def take(n_bits: int) -> int:
        nonlocal bits
        value, bits = bits & (1 << n_bits) - 1, bits >> n_bits
        return value

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    width = height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1] if ratio else side()
    if take(1):  # all that follows is as usual
        return (width, height), 8
    if take(1):
        if take(3) >= 4:
            width, height = height, width
        if take(
            3
        ):  # a size to be shown in, a preview, an animation: what they say is not read, nor what follows
            return (width, height), 16
    if take(1):
        return (width, height), 32
    which = take(2)
    return (width, height), (8, 10, 12)[which] if which < 3 else 1 + take(6)
