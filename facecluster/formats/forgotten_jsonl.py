"""forgotten.jsonl <-> which faces were forgotten: a place in a picture a line, and nothing of the face itself.

{"format": 1, "photo": id, "pixels": digest, "looks": perceptual hash, "size": [width, height], "box": [l, t, r, b],
 "time": seconds since 1970, only where it is known, "page": from 0, not of the first one, "time_s": in a video}

`photo` is `table.Photos.digest`, `pixels` and `looks` are `pixels` and `hash` of it ("" and "0" where unknown), `size`
and `box` are in pixels of the upright photo as it was then. A null box stands for all faces of the photo. The box lies
in the picture of `pixels`; where these are unknown, it is where the face was when the photo was first seen. Files of
several computers may be put one behind the other. A line that is deleted lets the face be found again.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from facecluster.formats import json_lines
from facecluster.formats.json_lines import FORMAT, WITH_MOMENTS
from facecluster.table import Number, Whole

_log = logging.getLogger(__name__)

Box = tuple[Number, Number, Number, Number]


@dataclass(frozen=True)
class Place:
    """Where a face was that is forgotten.

    Attributes:
        photo: id of the photo.
        pixels: digest of its picture as it was then; "" unknown.
        looks: its perceptual hash; 0 unknown.
        size: width, height of the photo in pixels.
        box: left, top, right, bottom in these pixels; None: all faces of the photo.
        time: when the photo was taken, as in `table.Photos`; None unknown, as in lines of an older facecluster.
        page: of the photo on which the box is, from 0.
        time_s: seconds from the start of a video at which it is there; None outside videos.
    """

    photo: str
    pixels: str
    looks: int
    size: tuple[int, int]
    box: Box | None
    time: float | None = None
    page: int = 0
    time_s: float | None = None


def list_of(table: Path) -> Path:
    """Name the list that belongs to a face table: forgotten.jsonl beside the faces.npz of a library."""
    if table.name == "faces.npz":
        return table.with_name("forgotten.jsonl")
    return table.with_name(f"{table.name}.forgotten.jsonl")


def read(path: Path) -> list[Place]:
    """Read a list, each place once; none where there is no such file.

    What a killed process left of a last line does not count, which a warning says: where somebody else cut the file,
    a face may be found again.

    Raises:
        FaceclusterError: a line is none, or of a newer format; the file cannot be read.
    """
    lines = json_lines.read(path, functools.partial(_warn, path))
    mend = "mend the line, or remove it to let the face be found again"
    return list(dict.fromkeys(json_lines.parse(line, "a forgotten face", mend, _place) for line in lines))


@functools.cache  # a run reads the list several times
def _warn(path: Path, number: int) -> None:
    _log.warning(
        "%s: line %d is cut short and does not count; forget again, or put back the file from a backup",
        path,
        number,
    )


def append(path: Path, places: Iterable[Place]) -> None:
    """Write places behind the others; once this returns, they are on the disk.

    Raises:
        OutputError: disk full, no permission.
    """
    text = b"".join(_line(place) for place in places)
    if text:
        json_lines.append(path, text)


def _line(place: Place) -> bytes:
    record = {
        "format": WITH_MOMENTS if place.page or place.time_s is not None else FORMAT,
        "photo": place.photo,
        "pixels": place.pixels,
        "looks": f"{place.looks:016x}",
        "size": place.size,
        "box": place.box,
    }
    if place.time is not None:
        record["time"] = place.time
    if place.page:
        record["page"] = place.page
    if place.time_s is not None:
        record["time_s"] = place.time_s
    return json.dumps(record).encode("ascii") + b"\n"


_Pixels: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Line(msgspec.Struct):
    photo: str
    pixels: str
    looks: str
    size: tuple[_Pixels, _Pixels]
    box: Box | None
    time: float | None = None
    page: Whole = 0
    time_s: Number | None = None


_decode = json_lines.decoder(_Line)


def _place(text: bytes) -> Place:
    it = _decode(text)
    return Place(it.photo, it.pixels, int(it.looks, 16) % 2**64, it.size, it.box, it.time, it.page, it.time_s)
