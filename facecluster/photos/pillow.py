"""Decode what Pillow reads: JPEG, PNG, WebP, TIFF, BMP, GIF and AVIF."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from facecluster.errors import PhotoError
from facecluster.photos import decode_memory
from facecluster.photos.coded import lacks_data
from facecluster.photos.pixels import (
    LARGEST,
    Decoded,
    Strips,
    assemble,
    bytes_made,
    read_orientation,
    reduction,
)

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF")
"""What Pillow may open. Its other formats hold no photos, and some of them start programs (EPS)."""


_MOST_WEBP = 25_000_000
"""Pixels. OpenCV decodes WebP that are larger."""


_PNG_EXIF = (b"eXIf", b"Raw profile type exif")
"""Where Pillow finds EXIF data in a PNG."""


def decode_pillow(data: bytes, max_pixels: int, page: int = 0) -> Decoded:
    """Decode with Pillow.

    Args:
        data: the bytes of the file.
        max_pixels: a photo of more is reduced.
        page: of a TIFF, or frame of an animation.
    """
    image = Image.open(BytesIO(data), formats=FORMATS)
    _seek(image, page)
    return _decode_opened(image, data, max_pixels)


def decode_frames(data: bytes, max_pixels: int, numbers: Iterable[int]) -> Iterator[Decoded]:
    """Decode frames of an animation, one at a time, in one pass over the file.

    Args:
        data: the bytes of the file.
        max_pixels: a frame of more is reduced.
        numbers: of the frames, ascending.
    """
    image = Image.open(BytesIO(data), formats=FORMATS)
    for number in numbers:
        _seek(image, number)
        yield _decode_opened(image, data, max_pixels)


def colours_of_frames(data: bytes, most_pixels: int) -> Iterator[NDArray[np.uint8]]:
    """Give the mean colours of 16x16 areas of each frame of an animation, (16, 16, 3) uint8, in order.

    Args:
        data: the bytes of the file.
        most_pixels: of all frames that are looked through.
    """
    image = Image.open(BytesIO(data), formats=FORMATS)
    n_frames: int = image.n_frames  # type: ignore[attr-defined]
    for number in range(min(n_frames, max(2, most_pixels // (image.width * image.height)))):
        _seek(image, number)
        needs = decode_memory.of_picture(image, image.size, data, by_opencv=False, made=0)
        decode_memory.check(len(data) + needs, image.width * image.height)
        image.load()
        yield np.asarray(image.convert("RGB").resize((16, 16), Image.Resampling.BOX))


def _seek(image: Image.Image, number: int) -> None:
    """Go to a page or frame that may be decoded; Pillow looks at the size of the first one only.

    Raises:
        PhotoError: there is none.
        Image.DecompressionBombError: it is too large.
    """
    if number:
        try:
            image.seek(number)
        except EOFError as error:
            raise PhotoError(f"it has no page {number + 1}") from error
        if image.width * image.height > LARGEST:
            raise Image.DecompressionBombError


def _decode_opened(image: Image.Image, data: bytes, max_pixels: int) -> Decoded:
    """Decode a picture that Pillow opened, of which nothing is decoded yet."""
    width, height = image.size
    for divisor in (8, 4, 2):
        if width * height > max_pixels * (divisor // 2) ** 2:
            image.draft(None, (width // divisor, height // divisor))
            break
    drafted = round(width / image.width)
    by_opencv = image.format == "WEBP" and not image.tell() and width * height > min(max_pixels, _MOST_WEBP)
    as_stored = width * height > max_pixels and _is_stored_row_by_row(image)
    made = bytes_made(width * height, max_pixels)
    needs = made if as_stored else decode_memory.of_picture(image, (width, height), data, by_opencv, made)
    decode_memory.check(len(data) + needs, width * height)
    if as_stored:
        orientation = read_orientation(image)
        strip_of = _strips_as_stored(image, data)
    elif by_opencv:
        orientation = read_orientation(image)
        del image  # with its decoder
        strip_of = _strips_of_large_webp(data)
    else:
        image.load()
        if image.format in ("JPEG", "MPO") and _is_grey_at_end(image) and lacks_data(data):
            raise PhotoError("broken photo: a part of its picture is missing")
        # After load(): Pillow has then found EXIF data at the end of a PNG, and turned a TIFF itself.
        orientation = read_orientation(image)
        if drafted == 1:
            width, height = image.size
        strip_of = _strips_of(image)
    stored = -(-width // drafted), -(-height // drafted)
    factor = reduction(stored[0] * stored[1], max_pixels)
    pixels = assemble(strip_of, stored, factor, orientation)
    size = (height, width) if orientation >= 5 else (width, height)
    return Decoded(pixels, size, 1 / (drafted * factor))


def _is_grey_at_end(image: Image.Image) -> bool:
    """Whether the last pixels may be such as libjpeg makes those for which a file has no data: of middle brightness."""
    for x in range(image.width - 1, max(image.width - 9, -1), -1):
        pixel: Any = image.getpixel((x, image.height - 1))
        if isinstance(pixel, tuple):
            # Colours are those of the neighbours, where these are stored at half the size; of CMYK, black.
            pixel = pixel[3] if len(pixel) == 4 else 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
        if not 125.5 <= pixel < 129.5:
            return False
    return True


def _strips_of(image: Image.Image) -> Strips:
    """The rows of a picture of Pillow."""
    return lambda top, bottom: image.crop((0, top, image.width, bottom))


def _is_stored_row_by_row(image: Image.Image) -> bool:
    """Whether a picture as Pillow opened it is an upright TIFF of all rows below each other, uncompressed."""
    if image.format != "TIFF" or image.mode == "P" or read_orientation(image) != 1:
        return False
    tiles: list[Any] = image.tile  # type: ignore[attr-defined]
    rows = tiles[0].extents[3]
    places = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    return {tile.codec_name for tile in tiles} == {"raw"} and [tile.extents for tile in tiles] == places


def _strips_as_stored(image: Image.Image, data: bytes) -> Strips:
    """The rows of a picture that is stored row by row, taken from its file: there is no copy of the whole of it."""
    tiles: list[Any] = image.tile  # type: ignore[attr-defined]
    rows = tiles[0].extents[3]
    bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))  # type: ignore[attr-defined]
    per_row = math.ceil(image.width * sum(bits) / 8)

    def strip_of(top: int, bottom: int) -> Image.Image:
        strip = Image.new(image.mode, (image.width, bottom - top))
        for tile in tiles[top // rows : math.ceil(bottom / rows)]:
            first, stop = max(top, tile.extents[1]), min(bottom, tile.extents[3])
            at = tile.offset + (first - tile.extents[1]) * per_row
            part = data[at : at + (stop - first) * per_row]
            size = image.width, stop - first
            strip.paste(
                Image.frombytes(image.mode, size, part, "raw", tile.args[0], per_row, 1), (0, first - top)
            )
        return strip

    return strip_of


def _strips_of_large_webp(data: bytes) -> Strips:
    """The rows of a picture decoded by OpenCV: Pillow holds four copies, 1.6 GB for 100 megapixels."""
    import cv2

    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise PhotoError("broken photo: its picture cannot be decoded")
    to_rgb = cv2.COLOR_BGR2RGB if stored.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return lambda top, bottom: Image.fromarray(cv2.cvtColor(stored[top:bottom], to_rgb))
