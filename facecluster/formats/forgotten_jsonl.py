"""forgotten.jsonl <-> which faces were forgotten: a place in a picture a line, and nothing of the face itself.

{"format": 1, "photo": id, "pixels": digest, "looks": perceptual hash, "size": [width, height], "box": [l, t, r, b]}

`photo` is `table.Photos.digest`, `pixels` and `looks` are `pixels` and `hash` of it ("" and "0" where unknown), `size`
and `box` are in pixels of the upright photo as it was then. A null box stands for all faces of the photo. The box lies
in the picture of `pixels`; where these are unknown, it is where the face was when the photo was first seen. Files of
several computers may be put one behind the other. A line that is deleted lets the face be found again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecluster.durable.whole_file import cannot_write
from facecluster.errors import FaceclusterError

FORMAT = 1
"""Of a line. Readers accept this and older ones."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Place:
    """Where a face was that is forgotten.

    Attributes:
        photo: id of the photo.
        pixels: digest of its picture as it was then; "" unknown.
        looks: its perceptual hash; 0 unknown.
        size: width, height of the photo in pixels.
        box: left, top, right, bottom in these pixels; None: all faces of the photo.
    """

    photo: str
    pixels: str
    looks: int
    size: tuple[int, int]
    box: Box | None


def list_of(table: Path) -> Path:
    """Name the list that belongs to a face table: forgotten.jsonl beside the faces.npz of a library."""
    if table.name == "faces.npz":
        return table.with_name("forgotten.jsonl")
    return table.with_name(f"{table.name}.forgotten.jsonl")


def read(path: Path) -> list[Place]:
    """Read a list, each place once; none where there is no such file.

    What a killed process left of a last line is left out: its faces are still where they were.

    Raises:
        FaceclusterError: a line is none, or of a newer format; the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FaceclusterError(f"{path}: cannot be read: {error.strerror or error}") from error
    *lines, last = content.split(b"\n")
    if last.strip() and _is_whole(last):
        lines.append(last)
    places = (_place(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip())
    return list(dict.fromkeys(places))


def append(path: Path, places: Iterable[Place]) -> None:
    """Write places behind the others; once this returns, they are on the disk.

    Raises:
        OutputError: disk full, no permission.
    """
    text = b"".join(_line(place) for place in places)
    if not text:
        return
    try:
        with path.open("a+b") as file:
            file.seek(0)
            content = file.read()
            end = content.rfind(b"\n") + 1
            if len(content) > end:
                if _is_whole(content[end:]):
                    text = b"\n" + text
                else:  # what a killed process left of a line
                    file.truncate(end)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def _line(place: Place) -> bytes:
    record = {
        "format": FORMAT,
        "photo": place.photo,
        "pixels": place.pixels,
        "looks": f"{place.looks:016x}",
        "size": place.size,
        "box": place.box,
    }
    return json.dumps(record).encode("ascii") + b"\n"


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _place(line: bytes, where: str) -> Place:
    try:
        record = json.loads(line)
        if record.get("format", FORMAT) > FORMAT:
            raise FaceclusterError(
                f"{where}: written by format {record['format']}, this facecluster reads up to {FORMAT}; upgrade"
            )
        width, height = record["size"]
        box = record["box"]
        return Place(
            photo=_text(record["photo"]),
            pixels=_text(record["pixels"]),
            looks=int(record["looks"], 16) % 2**64,
            size=(int(width), int(height)),
            box=None if box is None else _box(*box),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        shown = line.decode("utf-8", "replace").strip()[:80]
        raise FaceclusterError(
            f"{where}: not a forgotten face: {error}: {shown!r}; mend the line, or remove it to let the face be found "
            "again"
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {str(value)[:40]!r}")
    return value


def _box(left: Any, top: Any, right: Any, bottom: Any) -> Box:
    box = (float(left), float(top), float(right), float(bottom))
    if not all(map(math.isfinite, box)):
        raise ValueError(f"a box with {box}")
    return box
