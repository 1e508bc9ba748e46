"""JSON that osxphotos makes of Apple Photos -> who is where in which photo.

Two layouts are read, a list of objects each:

- `osxphotos query --json`, `osxphotos dump --json`: an object a photo, with `uuid`, `original_filename`, `path`,
  `path_edited`, `hasadjustments`, `width`, `height`, `persons`, and `faces` with `name`, `center_x`, `center_y` and
  `size`. A face is a circle in the upright picture; x goes from its left, y from its **bottom**, and `size` is the
  diameter as a share of the longer side. Where the picture's size is not told, `mwg_rs_area` counts: a rectangle around
  its centre in the stored picture.
- `osxphotos export --sidecar json` or `exiftool`, and `exiftool -j` itself: tags of one file, with or without groups:
  `XMP:PersonInImage`, and in step with each other `XMP:RegionName`, `XMP:RegionType`, `XMP:RegionAreaX`, `Y`, `W`, `H`
  and `Unit`: rectangles around their centres in the stored picture.

The faces of a photo that was edited lie in its edited version. The report of `osxphotos export --report` names files
alone, and is refused with these words.

References:
    osxphotos: photoinfo.py (asdict), personinfo.py (FaceInfo), exifwriter.py (exiftool_dict), report_writer.py.
    Metadata Working Group, Guidelines for handling image metadata 2.0, 5.9: face regions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facecluster.errors import FaceclusterError
from facecluster.formats.said_names import (
    DECODER,
    LARGEST,
    Box,
    Origin,
    Picture,
    SaidName,
    box_in_picture,
    clean_name,
    load_json,
    number_of,
    read_bounded,
)
from facecluster.text import can_be_named, printable, size

_SPACE = re.compile(r"[ \t\r\n]*")
"""Between the values of JSON."""

LARGEST_LIBRARY = 1_000_000_000
"""Bytes. The photos of one library stand in one file, some 5 kB each."""

UNKNOWN = "_UNKNOWN_"
"""What osxphotos calls somebody without a name."""


@dataclass(frozen=True)
class ApplePhoto:
    """What the file says of a photo.

    Attributes:
        uuid: of the photo in Apple Photos; "" unknown.
        original_name: what its file was called when it was imported; "" unknown.
        path: of its file, and of the edited version's; None: not on that computer, or not edited.
        path_edited: see `path`.
        edited: whether boxes lie in the edited version.
        date: text of when it was taken, ISO 8601; None unknown.
        names: with boxes first, in the order of the file, then those somewhere in the photo.
    """

    uuid: str
    original_name: str
    path: str | None
    path_edited: str | None
    edited: bool
    date: str | None
    names: tuple[SaidName, ...]


def read(file: Path) -> list[ApplePhoto]:
    """Read a JSON of osxphotos, of either layout.

    Raises:
        FaceclusterError: it cannot be read, is too large, or is no such JSON.
    """
    return parse(read_bounded(file, LARGEST_LIBRARY), str(file))


def parse(data: bytes, file: str) -> list[ApplePhoto]:
    """Parse a JSON of osxphotos, of either layout; a photo alone may be without its list.

    Args:
        data: JSON.
        file: path of it, for the names and messages.

    Raises:
        FaceclusterError: it is no such JSON, or one of its records has something else in the place of a list.
    """
    return [_photo(record, number, file) for number, record in enumerate(_records(data, file), 1)]


def _records(data: bytes, file: str) -> Iterator[Any]:
    """Give the records one by one: all of them at once would take many times the file."""
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
    except ValueError as error:
        raise FaceclusterError(f"{printable(file)}: not JSON: {error}") from error
    at = _after_space(text, 0)
    if not text.startswith("[", at):
        yield load_json(text[at : at + LARGEST], file)
        return
    at = _after_space(text, at + 1)
    while not text.startswith("]", at):
        record, at = _record(text, at, file)
        yield record
        at = _after_space(text, at)
        if text.startswith(",", at):
            at = _after_space(text, at + 1)
        elif not text.startswith("]", at):
            raise FaceclusterError(f"{printable(file)}: not JSON, or cut short, at its letter {at + 1}")


def _record(text: str, at: int, file: str, most: int = 1 << 14) -> tuple[Any, int]:
    """Parse what starts at a place of a text -> it, and where it ends.

    As much of the text is looked at as is needed, `most` letters at first, `LARGEST` at last.
    """
    window = text[at : at + most]
    try:
        record, length = DECODER.raw_decode(window)
    except RecursionError as error:
        raise FaceclusterError(f"{printable(file)}: nested too deep") from error
    except ValueError as error:
        if len(window) == most < LARGEST:
            return _record(text, at, file, min(16 * most, LARGEST))
        raise FaceclusterError(
            f"{printable(file)}: not JSON, cut short, or of more than {size(LARGEST)} a photo, at its letter {at + 1}"
        ) from error
    return record, at + length


def _after_space(text: str, at: int) -> int:
    """Give the place behind the spaces at a place."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _photo(record: Any, number: int, file: str) -> ApplePhoto:
    if not isinstance(record, dict):
        raise _no_such(number, file, "it is no object")
    tags = {key.rpartition(":")[2]: value for key, value in record.items()}
    if record.keys() & {"persons", "faces", "face_info", "uuid"}:
        return _of_library(record, number, file)
    if tags.keys() & {"SourceFile", "PersonInImage", "RegionName"}:
        return _of_sidecar(tags, number, file)
    if "exiftool_warning" in record or "sidecar_exiftool" in record:
        raise FaceclusterError(
            f"{printable(file)}: the report of an export, which names no people; give what osxphotos query --json "
            "prints"
        )
    raise _no_such(number, file, "it has neither persons nor tags")


def _of_library(record: Mapping[str, Any], number: int, file: str) -> ApplePhoto:
    """Make a photo of what `osxphotos query --json` prints of it."""
    faces = record.get("faces") or record.get("face_info")
    width, height = number_of(record.get("width")), number_of(record.get("height"))
    named = list[SaidName]()
    for face in _list(faces, number, file, "faces"):
        name = _name(face.get("name")) if isinstance(face, dict) else None
        if name is None:
            continue
        if (box := _circle(face, width, height)) is not None:
            named.append(_said(name, box, "upright", "osxphotos", file))
        else:
            named.append(_said(name, _area(face.get("mwg_rs_area")), "stored", "osxphotos", file))
    persons = map(_name, _list(record.get("persons"), number, file, "persons"))
    return ApplePhoto(
        uuid=_text(record.get("uuid")) or "",
        original_name=_text(record.get("original_filename")) or "",
        path=_text(record.get("path")),
        path_edited=_text(record.get("path_edited")),
        edited=record.get("hasadjustments") is True,
        date=_text(record.get("date")),
        names=_with_boxes_first(named, persons, "osxphotos", file),
    )


def _of_sidecar(tags: Mapping[str, Any], number: int, file: str) -> ApplePhoto:
    """Make a photo of the tags of one file, without their groups."""
    names = _several(tags.get("RegionName"))
    sides = [_several(tags.get(f"RegionArea{side}")) for side in "XYWH"]
    kinds = _several(tags.get("RegionType")) or ["Face"] * len(names)
    units = _several(tags.get("RegionAreaUnit")) or ["normalized"] * len(names)
    in_step = all(len(values) == len(names) for values in (*sides, kinds, units))
    named = list[SaidName]()
    for at, text in enumerate(names):
        name = _name(text)
        if name is None or (in_step and kinds[at] != "Face"):
            continue
        # A region without a name leaves a gap in one list that nothing shows: then no name is anywhere for certain.
        box = _centred(*(values[at] for values in sides)) if in_step and units[at] == "normalized" else None
        named.append(_said(name, box, "stored", "xmp", file))
    path = _text(tags.get("SourceFile"))
    return ApplePhoto(
        uuid="",
        original_name=_text(tags.get("FileName")) or (path or "").replace("\\", "/").rpartition("/")[2],
        path=path,
        path_edited=None,
        edited=False,
        date=None,
        names=_with_boxes_first(named, map(_name, _several(tags.get("PersonInImage"))), "xmp", file),
    )


def _with_boxes_first(
    named: Sequence[SaidName], others: Iterator[str | None], origin: Origin, file: str
) -> tuple[SaidName, ...]:
    """Put the names with boxes first, and behind them, once each, those that have none."""
    boxed = dict.fromkeys(one for one in named if one.box is not None)
    known = {one.name for one in boxed}
    rest = dict.fromkeys([*(one.name for one in named if one.box is None), *filter(None, others)])
    return (*boxed, *(_said(name, None, "stored", origin, file) for name in rest if name not in known))


def _said(name: str, box: Box | None, picture: Picture, origin: Origin, file: str) -> SaidName:
    return SaidName(name, box, None if box is None else picture, origin, file)


def _circle(face: Mapping[str, Any], width: float | None, height: float | None) -> Box | None:
    """Give the box around a face of the upright picture, of which width and height are pixels."""
    x, y, share = (number_of(face.get(key)) for key in ("center_x", "center_y", "size"))
    if x is None or y is None or not share or not width or not height or min(share, width, height) < 0:
        return None
    diameter = share * max(width, height)
    return _centred(x, 1 - y, diameter / width, diameter / height)


def _area(area: object) -> Box | None:
    """Give the box of an area as MWG has it."""
    return _centred(*(area.get(key) for key in "xywh")) if isinstance(area, dict) else None


def _centred(x: object, y: object, width: object, height: object) -> Box | None:
    """Make a box of its centre and its sides."""
    across, down, wide, tall = map(number_of, (x, y, width, height))
    if across is None or down is None or wide is None or tall is None:
        return None
    return box_in_picture(across - wide / 2, down - tall / 2, across + wide / 2, down + tall / 2)


def _name(text: object) -> str | None:
    return None if text == UNKNOWN else clean_name(text)


def _text(value: object) -> str | None:
    """Give a text that could be a path; None for anything else."""
    return value if isinstance(value, str) and value and can_be_named(value) else None


def _several(value: object) -> list[Any]:
    """Give the values of a tag; ExifTool writes one alone without a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _list(value: object, number: int, file: str, what: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise _no_such(number, file, f"its {what} are no list")
    return value or []


def _no_such(number: int, file: str, why: str) -> FaceclusterError:
    return FaceclusterError(f"{printable(file)}: record {number} is no photo of osxphotos: {why}")
