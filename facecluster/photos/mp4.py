"""Read the boxes of MP4 and MOV files: when they say they were made, and which of their bytes are the film.

References:
    ISO/IEC 14496-12: boxes. Apple, QuickTime File Format Specification: Metadata, `keys` and `ilst`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_PIECES = 200_000
"""A file of more boxes is not looked into: what time they take is bounded."""

_TEXTS = 1 << 20
"""Bytes. A list of texts that is larger is not looked into."""

_CREATED = "com.apple.quicktime.creationdate"

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex"})
"""Boxes of a film that hold others of it."""

_FILM = frozenset(
    {b"mdat", b"moof", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stss", b"elst", b"trex"}
)
"""Boxes that say what is shown and when. Those that say where in the file it lies are left out, as is what is no film:
texts, times at which the file was written, and free space."""

_PLACED = 44
"""Bytes at the end of `tkhd`: how a picture is turned, and its size."""

_1904 = 2_082_844_800
"""Seconds from 1904, from which QuickTime counts, to 1970."""


class Box(NamedTuple):
    """A box: its type, from where to where its content lies in the file, and how many bytes of it are missing there."""

    kind: bytes
    start: int
    stop: int
    n_missing: int = 0


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[Box]:
    """Give the boxes that lie one behind the other in a part of a file; one that is cut off ends with the part.

    Raises:
        ValueError: there are no boxes.
    """
    for _ in range(_PIECES):
        if start + 8 > stop:
            return
        file.seek(start)
        head = file.read(16)
        length, at = int.from_bytes(head[:4], "big"), start + 8
        if length == 1:
            length, at = int.from_bytes(head[8:16], "big"), start + 16
        end = stop if length == 0 else start + length
        if end < at:
            raise ValueError("no box")
        yield Box(head[4:8], at, min(end, stop), max(end - stop, 0))
        start = end
    raise ValueError("too many boxes")


def has_index(file: BinaryIO) -> bool:
    """Whether a film can be decoded at all: what lies where in it is said at the end, as most cameras write it."""
    return any(box.kind in (b"moov", b"moof") for box in boxes(file, 0, _size(file)))


def is_cut_off(file: BinaryIO) -> bool:
    """Whether a file ends in the middle of its film. What others put behind a film counts for nothing.

    Raises:
        ValueError: there are no boxes.
    """
    film = (b"moov", b"moof", b"mdat")
    return any(box.n_missing and box.kind in film for box in boxes(file, 0, _size(file)))


def film(file: BinaryIO) -> list[Box]:
    """Give the parts of a file that make the film: equal in files that differ in what is said of the film alone.

    What is coded comes last, wherever the file has it.

    Raises:
        ValueError: there are none, or it is no such file.
    """
    found = list(_film(file, 0, _size(file)))
    if not any(box.kind == b"mdat" for box in found):
        raise ValueError("no film")
    return sorted(found, key=lambda box: box.kind in (b"mdat", b"moof"))


def _film(file: BinaryIO, start: int, stop: int) -> Iterator[Box]:
    for box in boxes(file, start, stop):
        if box.kind in _CONTAINERS:
            yield from _film(file, box.start, box.stop)
        elif box.kind in _FILM:
            yield box
        elif box.kind == b"tkhd":
            yield Box(box.kind, max(box.start, box.stop - _PLACED), box.stop)


def dates(file: BinaryIO) -> dict[str, object]:
    """Read when a film was made, by what `formats.dates.Tag` calls it; nothing where that is broken.

    Returns:
        QuickTime:CreationDate: text with a zone, of Apple's cameras. QuickTime:CreateDate: seconds since 1970, UTC, as
        the format has it; cameras that know no zone write the time on the spot.
    """
    found: dict[str, object] = {}
    try:
        for moov in boxes(file, 0, _size(file)):
            if moov.kind != b"moov":
                continue
            for box in boxes(file, moov.start, moov.stop):
                if box.kind == b"mvhd":
                    head = _read(file, box, 12)
                    seconds = int.from_bytes(head[4:12] if head[0] == 1 else head[4:8], "big")
                    if seconds:
                        found["QuickTime:CreateDate"] = seconds - _1904
                for meta in (
                    boxes(file, box.start, box.stop) if box.kind == b"udta" else (box,)
                ):  # FFmpeg's is there
                    if meta.kind == b"meta" and (text := _texts(file, meta).get(_CREATED)) is not None:
                        found["QuickTime:CreationDate"] = text
    except (ValueError, IndexError):
        pass
    return found


def _texts(file: BinaryIO, meta: Box) -> dict[str, str]:
    """Read the texts in a box `meta` by their keys."""
    start = (
        meta.start if _read(file, meta, 8)[4:8] == b"hdlr" else meta.start + 4
    )  # ISO's has a version first
    inside = {box.kind: box for box in boxes(file, start, meta.stop)}
    if b"keys" not in inside or b"ilst" not in inside:
        return {}
    keys = inside[b"keys"]
    names = [
        _read(file, box, _TEXTS).decode("utf-8", "replace") for box in boxes(file, keys.start + 8, keys.stop)
    ]
    texts = {}
    for item in boxes(file, inside[b"ilst"].start, inside[b"ilst"].stop):
        number = int.from_bytes(item.kind, "big")
        for value in boxes(file, item.start, item.stop):
            if value.kind == b"data" and 0 < number <= len(names):
                texts[names[number - 1]] = _read(file, value, _TEXTS)[8:].decode("utf-8", "replace")
    return texts


def _read(file: BinaryIO, box: Box, most: int) -> bytes:
    file.seek(box.start)
    return file.read(min(most, box.stop - box.start))


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
