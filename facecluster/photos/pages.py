"""Which pages of a TIFF are pictures of their own, and whether a file is an animation: what the bytes tell of it.

Pages are numbered as they follow each other in the file, from 0, as Pillow and ImageMagick number them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from facecluster.photos.kinds import kind_of
from facecluster.photos.pillow import open_picture

MOST_PAGES = 1000
"""Pages of a TIFF that are looked at, the first ones: an album of 1,000 scans is read in some ten minutes."""

_MOST_TAGS = 4096
"""Tags of a page; more have no page behind them."""

_MOST_FOLLOWED = 100_000
"""Pages that are counted: what time a hostile file takes is bounded."""

_MARKS = {"gif": b"GIF8", "png": b"acTL", "webp": b"ANIM", "avif": b"moov"}
"""Kinds of files whose frames are looked at, and what an animation has in its bytes."""

_KIND, _OLD_KIND, _WIDTH, _HEIGHT, _STRIPS, _TILES = 254, 255, 256, 257, 273, 324


class TiffPages(NamedTuple):
    """The pages of a TIFF.

    Attributes:
        numbers: of the pages that are looked at, ascending; (0,) where there is one.
        offsets: where their tags start.
        first: where those of page 0 start, which may be none of them.
        n: how many pages are pictures of their own.
        is_whole: whether the last page says that it is the last, and does not point to where no page is.
    """

    numbers: tuple[int, ...]
    offsets: tuple[int, ...]
    first: int
    n: int
    is_whole: bool


def has_several(data: bytes) -> bool:
    """Whether a file has pages or frames beside its first one. Never raises.

    So have a TIFF whose later pages are pictures of their own, or whose first is none, and animated GIF, PNG, WebP and
    AVIF.
    """
    if is_tiff(data):
        return tiff_pages(data).numbers != (0,)
    return is_animated(data)


def is_tiff(data: bytes) -> bool:
    """Whether a file is a TIFF, and no RAW file that is one."""
    return kind_of(data) == "tiff"


def is_animated(data: bytes) -> bool:
    """Whether a file is an animation of more than one frame, as its decoder says. Never raises."""
    mark = _MARKS.get(kind_of(data) or "")
    if mark is None or mark not in data:
        return False
    try:
        with open_picture(data) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - decoders raise whatever a broken file makes them trip over
        return False


def tiff_pages(data: bytes) -> TiffPages:
    """Find the pages of a TIFF that are pictures of their own. Never raises.

    A reduced copy of a page (NewSubfileType 1, SubfileType 2: thumbnails, pyramids) and a mask (NewSubfileType 4) are
    none, nor is what has no strips or tiles; SubIFDs are not followed. Where no page is one, the first is.

    References:
        TIFF 6.0, sections 2 and 8. BigTIFF: Adobe PageMaker 6.0 TIFF Technical Notes; libtiff.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    word = struct.Struct(order + ("Q" if big else "I"))
    number = struct.Struct(order + ("Q" if big else "H"))
    entry_bytes = 20 if big else 12
    found: list[tuple[int, int]] = []
    seen: set[int] = set()
    first = 0
    try:
        (first,) = (at,) = word.unpack_from(data, 8 if big else 4)
        while at and at not in seen and len(seen) < _MOST_FOLLOWED:
            (n_tags,) = number.unpack_from(data, at)
            stop = at + number.size + n_tags * entry_bytes
            if not 0 < n_tags <= _MOST_TAGS or stop + word.size > len(data):
                break
            tags = _first_values(data, at + number.size, n_tags, order, big)
            if _is_picture(tags):
                found.append((len(seen), at))
            seen.add(at)
            (at,) = word.unpack_from(data, stop)
    except (struct.error, IndexError):
        at = -1
    if not found:
        return TiffPages((0,), (first,), first, 1, is_whole=True)
    numbers, offsets = zip(*found[:MOST_PAGES], strict=True)
    return TiffPages(numbers, offsets, first, len(found), is_whole=at == 0)


def _first_values(data: bytes, start: int, n_tags: int, order: str, big: bool) -> dict[int, int]:
    """Give the first value of each tag of a page that has whole numbers; of any other tag, 0."""
    tags: dict[int, int] = {}
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    for tag, kind, _, field in entry.iter_unpack(data[start : start + n_tags * entry.size]):
        form = {3: "H", 4: "I", 16: "Q"}.get(kind)
        tags[tag] = struct.unpack_from(order + form, field)[0] if form and (big or kind != 16) else 0
    return tags


def _is_picture(tags: dict[int, int]) -> bool:
    return (
        not tags.get(_KIND, 0) & 0b101
        and tags.get(_OLD_KIND) != 2
        and {_WIDTH, _HEIGHT} <= tags.keys()
        and (_STRIPS in tags or _TILES in tags)
    )
