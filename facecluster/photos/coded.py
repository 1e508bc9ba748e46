"""What the bytes of a photo tell before its picture is decoded: its pieces, its metadata, whether data are missing.

`picture.py` takes the same pieces for a digest, and there anything that is not as it should be ends the reading. Here
what is broken is passed by, as a decoder does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Literal

from PIL import ExifTags, Image

_PNG_METADATA = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"pHYs", b"tIME"})
"""Chunks of a PNG that say nothing of its pixels as we decode them."""

_JPEG_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""What ends the coded data of a scan: a marker that is no restart."""

_JPEG_MORE = b"".join(
    Random(k).randbytes(1000).replace(b"\xff", b"") + bytes((0xFF, 0xD0 + k % 8)) for k in range(16)
)
"""Further coded data, with every restart marker twice, so that a decoder that waits for one goes on here."""

_JPEG_OTHERS = bytes(255 - byte for byte in _JPEG_MORE[:900] if byte)
"""Other coded data: what a file lacks could be like the first ones."""

_EXIF_ITEM = re.compile(rb"(infe[\x02\x03]...(?:..|....)\0\0)(?:Exif|mime)", re.DOTALL)
"""The entry of metadata in the list of what is in a file of HEIF or AVIF."""

TIFF_METADATA = frozenset(
    # Orientation comes from Pillow; where things lie in the file says nothing about the picture.
    {269, 270, 271, 272, 274, 282, 283, 285, 286, 287, 288, 289, 296, 297, 305, 306, 315, 316, 330, 700}
    | {18246, 18249, 33432, 33723, 34377, 34665, 34675, 34853, 40091, 40092, 40093, 40094, 40095}
)
"""Tags that no decoder of pixels reads: texts, resolution, dates, XMP, IPTC, Photoshop, EXIF, ICC, GPS, ratings, and
pointers to further pictures. Any other counts, known or not."""

_MANY_PIXELS = 50_000_000
"""Of a JPEG that is not decoded at full size more than once."""

_TIFF_TAGS = 4096
"""Tags of a page that are looked at."""


def without_metadata(data: bytes) -> bytes:
    """Give a file without metadata, which its decoder may have tripped over; of other formats as it is."""
    if data[4:8] == b"ftyp":
        return _EXIF_ITEM.sub(rb"\1none", data)
    if data[:2] == b"\xff\xd8":
        return _jpeg_without_metadata(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff_without_metadata(data)
    if data[:4] != b"\x89PNG":
        return data
    parts, at = [data[:8]], 8
    while at < len(data):
        stop = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in _PNG_METADATA:
            parts.append(data[at:stop])
        at = stop
    return b"".join(parts)


def _jpeg_without_metadata(data: bytes) -> bytes:
    parts, at = [data[:2]], 2
    for marker, at in _jpeg_segments(data):
        length = int.from_bytes(data[at : at + 2], "big")
        # libjpeg tells colours by these two, if they are whole.
        is_kept = length >= {0xE0: 16, 0xEE: 14}.get(
            marker, 1 << 16 if marker == 0xFE or marker >> 4 == 0xE else 0
        )
        if marker == 0xDA:
            break
        if is_kept:
            parts.append(data[at - 2 : at + length])
    return b"".join((*parts, data[at - 2 :]))


def _tiff_without_metadata(data: bytes) -> bytes:
    """Give a TIFF file whose first page has no metadata."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    of_count, of_entry, of_place = (8, 20, 8) if b"+" in data[2:4] else (2, 12, 4)
    start = int.from_bytes(data[of_place : 2 * of_place], order)
    first = start + of_count
    stop = first + of_entry * min(int.from_bytes(data[start:first], order), _TIFF_TAGS)
    entries = [data[at : at + of_entry] for at in range(first, stop, of_entry)]
    kept = [
        entry
        for entry in entries
        if (tag := int.from_bytes(entry[:2], order)) == ExifTags.Base.Orientation or tag not in TIFF_METADATA
    ]
    page = len(kept).to_bytes(of_count, order) + b"".join(kept) + bytes(of_place)
    return data[:start] + page.ljust(stop - start, b"\0") + data[stop:]


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Give marker and place of the segments of a JPEG up to its first scan; fewer where it is broken."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        yield marker, at + 2
        if marker == 0xDA:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def is_held_as_coefficients(data: bytes) -> bool:
    """Whether libjpeg keeps all coefficients of a JPEG: it is progressive, or each scan has a part of the colours."""
    n_components = 0
    for marker, at in _jpeg_segments(data):
        if marker == 0xDA:
            return data[at + 2] < n_components
        if marker in (0xC2, 0xC6, 0xCA, 0xCE):
            return True
        if marker in (0xC0, 0xC1, 0xC9):
            n_components = data[at + 7]
    return True


def lacks_data(data: bytes) -> bool:
    """Whether a JPEG claims more pixels than it has data for: more data would then give another picture."""
    for marker, at in _jpeg_segments(data):
        if marker == 0xDA and (end := _JPEG_MARKER.search(data, at)):
            longer = data[: end.start()] + _JPEG_MORE + data[end.start() :]
            return _eighth(data) != _eighth(longer)
    return False


def with_end(data: bytes, *, whole: bool = True) -> bytes | None:
    """Give a JPEG whose end marker is missing with one, and without what may stand behind its picture.

    Args:
        data: the bytes of the file.
        whole: give it only if no part of the picture is missing, so that more data would not change a pixel.

    Returns:
        None: a part is missing, or it is broken otherwise.
    """
    end, is_last = _end_of_scans(data)
    if end is None or (whole and not is_last):
        return None
    found = data[:end] + b"\xff\xd9"
    if whole:
        pixels = _all_pixels(found)
        for more in (_JPEG_MORE, _JPEG_OTHERS):
            if _all_pixels(data[:end] + more + b"\xff\xd9") != pixels:
                return None
    return found


def _end_of_scans(data: bytes) -> tuple[int | None, bool]:
    """Tell where the coded data of a JPEG end, and whether all scans are there that its picture needs."""
    missing: dict[int, set[int]] = {}  # coefficients that are not there to the last bit, by component
    end, at, is_progressive = None, 2, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:
            at += 1
            continue
        body = data[at + 4 : at + 2 + length]
        if length < 2 or len(body) < length - 2 or not 0xC0 <= marker <= 0xFE or 0xD0 <= marker <= 0xD9:
            break
        at += 2 + length
        if marker in (0xC0, 0xC1, 0xC2) and len(body) >= 6 and not missing:
            is_progressive = marker == 0xC2
            missing = {number: set(range(64)) for number in body[6::3][: body[5]]}
        if marker != 0xDA:
            continue
        numbers, (first, last, bits) = body[1:-3:2], body[-3:]
        if not body or len(numbers) != body[0] or not missing.keys() >= set(numbers):
            break
        for number in numbers:
            if not is_progressive:
                missing[number].clear()
            elif bits & 15 == 0:
                missing[number] -= set(range(first, last + 1))
        found = _JPEG_MARKER.search(data, at)
        end = at = len(data) if found is None else found.start()
        if not any(missing.values()):
            return end, True
    return end, False


def _all_pixels(data: bytes) -> bytes:
    """Digest all pixels of a JPEG; of a large one at an eighth of its sides."""
    image = Image.open(BytesIO(data), formats=("JPEG",))
    if image.width * image.height > _MANY_PIXELS:
        image.draft(None, (1, 1))
    return hashlib.blake2b(image.tobytes()).digest()


def _eighth(data: bytes) -> bytes:
    """Decode a JPEG to an eighth of its sides, which takes little more than reading its data."""
    image = Image.open(BytesIO(data), formats=("JPEG",))
    image.draft(None, (1, 1))
    return image.tobytes()
