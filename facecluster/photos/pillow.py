"""Decode what Pillow reads: JPEG, PNG, WebP, TIFF, BMP, GIF and AVIF."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from facecluster.errors import PhotoError
from facecluster.photos import decode_memory
from facecluster.photos.coded import lacks_data, with_end
from facecluster.photos.depth import has_depth, in_8_bits, said_white, white_of
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


_ROWS = 256
"""That are looked at at once for their highest value."""


Values: TypeAlias = Callable[[int, int], NDArray[Any]]
"""Gives the rows of a picture from a first to a last one, half-open, in values of more than 8 bits."""


_PNG_EXIF = (b"eXIf", b"Raw profile type exif")
"""Where Pillow finds EXIF data in a PNG."""


_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
"""Which brand of an AVIF file Pillow wants to see first."""


def open_picture(data: bytes) -> Image.Image:
    """Open a file with Pillow, which decodes nothing yet."""
    if data[4:8] == b"ftyp" and data[8:12] not in _AVIF_BRANDS:
        data = data[:8] + _AVIF_BRANDS[0] + data[12:]
    return Image.open(BytesIO(data), formats=FORMATS)


def decode_pillow(
    data: bytes,
    max_pixels: int,
    *,
    page: int = 0,
    truncated: bool = False,
    orientation: int | None = None,
    beside: int = 0,
) -> Decoded:
    """Decode with Pillow.

    Args:
        data: the bytes of the file.
        max_pixels: see `decode`.
        page: of a TIFF, or frame of an animation.
        truncated: see `decode`.
        orientation: that is applied; None: what the file says.
        beside: bytes that are in memory beside `data`.
    """
    image = open_picture(data)
    _seek(image, page)
    return _decode_opened(image, data, max_pixels, truncated, orientation, beside)


def decode_frames(data: bytes, max_pixels: int, numbers: Iterable[int]) -> Iterator[Decoded]:
    """Decode frames of an animation, one at a time, in one pass over the file.

    Args:
        data: the bytes of the file.
        max_pixels: a frame of more is reduced.
        numbers: of the frames, ascending.
    """
    image = open_picture(data)
    for number in numbers:
        _seek(image, number)
        yield _decode_opened(image, data, max_pixels)


def colours_of_frames(data: bytes, most_pixels: int) -> Iterator[NDArray[np.uint8]]:
    """Give the mean colours of 16x16 areas of each frame of an animation, (16, 16, 3) uint8, in order.

    Args:
        data: the bytes of the file.
        most_pixels: of all frames that are looked through.
    """
    image = open_picture(data)
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


def _decode_opened(
    image: Image.Image,
    data: bytes,
    max_pixels: int,
    truncated: bool = False,
    orientation: int | None = None,
    beside: int = 0,
) -> Decoded:
    """Decode a picture that Pillow opened, of which nothing is decoded yet; see `decode_pillow`."""
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
    decode_memory.check(beside + len(data) + needs, width * height)
    deep, low_bytes = has_depth(image.mode), _low_bytes_of(image)
    said = said_white(image, data) if deep or low_bytes else None
    values_of: Values | None = None
    if as_stored:
        turn = read_orientation(image)
        strip_of = _strips_as_stored(image, data)
    elif by_opencv:
        turn = read_orientation(image)
        del image  # with its decoder
        strip_of = _strips_of_large_webp(data)
    else:
        try:
            image.load()
        except OSError:
            if image.format in ("JPEG", "MPO") and (whole := with_end(data, whole=not truncated)) is not None:
                del image
                return decode_pillow(
                    whole, max_pixels, truncated=truncated, orientation=orientation, beside=beside + len(data)
                )
            if not truncated:
                raise
            image = _loaded(image)
        if not truncated and image.format in ("JPEG", "MPO") and _is_grey_at_end(image) and lacks_data(data):
            raise PhotoError("broken photo: a part of its picture is missing")
        # After load(): Pillow has then found EXIF data at the end of a PNG, and turned a TIFF itself.
        turn = read_orientation(image)
        if drafted == 1:
            width, height = image.size
        strip_of = _strips_of(image)
        if low_bytes and _is_dark(image):
            values_of = _values_of_both_bytes(image, data, low_bytes)
    stored = -(-width // drafted), -(-height // drafted)
    if deep:
        values_of = _values_of(strip_of)
    if values_of is not None:
        strip_of = _strips_of_8_bits(values_of, stored[1], said)
    factor = reduction(stored[0] * stored[1], max_pixels)
    orientation = turn if orientation is None else orientation
    pixels = assemble(strip_of, stored, factor, orientation)
    size = (height, width) if orientation >= 5 else (width, height)
    return Decoded(pixels, size, 1 / (drafted * factor))


def _loaded(image: Image.Image) -> Image.Image:
    """Give what could be decoded of a picture that is cut off; what is missing is black.

    Raises:
        PhotoError: nothing could.
    """
    part = image._new(image.im)
    if part.getbbox() is None:
        raise PhotoError("broken photo: nothing of its picture is there")
    part.format, part._exif = image.format, Image.Image.getexif(image)  # that of PNG goes on reading
    return part


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


def _low_bytes_of(image: Image.Image) -> dict[str, str]:
    """Say how Pillow, which takes the higher byte of colours of 16 bits, is told to take the lower one; else empty.

    Args:
        image: as Pillow opened it.

    Returns:
        names of how values are stored, by the name that is to be replaced.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    args = tiles[0].args if tiles else ()
    names = [args] if isinstance(args, str) else [it for it in args or () if isinstance(it, str)]
    order = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
    of_16 = ("RGB;16", "RGBA;16", "RGBX;16")
    return {it: it[:-1] + order[it[-1]] for it in names if it[:-1] in of_16 and it[-1] in order}


def _is_dark(image: Image.Image) -> bool:
    """Whether no colour of a picture of the higher bytes is as bright as it is with more than 14 bits."""
    extrema: Any = image.getextrema()
    return all(high < 64 for _, high in extrema[:3])


def _values_of_both_bytes(image: Image.Image, data: bytes, low_bytes: dict[str, str]) -> Values:
    """The rows of a picture of 16 bits a colour, as (h, w, 3) uint16.

    Args:
        image: of the higher bytes.
        data: the bytes of the file.
        low_bytes: as `_low_bytes_of` gives them.
    """
    low: Any = open_picture(data)
    _seek(low, image.tell())
    low.tile = [
        tile._replace(
            args=low_bytes[tile.args]
            if isinstance(tile.args, str)
            else tuple(low_bytes.get(it, it) for it in tile.args)
        )
        for tile in low.tile
    ]
    low.load()

    def values_of(top: int, bottom: int) -> NDArray[np.uint16]:
        high, rest = (np.asarray(it.crop((0, top, it.width, bottom)))[:, :, :3] for it in (image, low))
        both: NDArray[np.uint16] = high.astype(np.uint16) << 8 | rest
        return both

    return values_of


def _strips_of_8_bits(values_of: Values, height: int, said: float | None) -> Strips:
    """The rows of a picture of more than 8 bits, as `depth` has it.

    Args:
        values_of: its rows.
        height: number of them.
        said: what the file says is white.
    """
    places = [(top, min(top + _ROWS, height)) for top in range(0, height, _ROWS)]
    white = white_of((values_of(*place) for place in places), said)
    return lambda top, bottom: Image.fromarray(in_8_bits(values_of(top, bottom), white))


def _values_of(strip_of: Strips) -> Values:
    """The rows of a picture of a mode that `has_depth`."""
    return lambda top, bottom: np.asarray(strip_of(top, bottom))


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
