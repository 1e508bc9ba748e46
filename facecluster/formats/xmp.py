"""XMP -> who is where in a photo: regions with names, names without a place, keywords and dates.

XMP comes as a sidecar, or as a packet out of a photo. Each property may be written in several ways that mean the same
(`xmp_tree.properties`). Regions are those of the Metadata Working Group, whose x and y are the centre, and those of
Microsoft, whose x and y are the top left corner. Both lie in the photo as it is stored, before EXIF turns it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from facecluster.formats import xmp_tree
from facecluster.formats.xmp_tree import Name, Node
from facecluster.text import many, printable

MWG_RS = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
MP = "http://ns.microsoft.com/photo/1.2/"
MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"

REGIONS: Name = (MWG_RS, "Regions")
REGION_LIST: Name = (MWG_RS, "RegionList")
APPLIED: Name = (MWG_RS, "AppliedToDimensions")
REGION_INFO: Name = (MP, "RegionInfo")
MP_REGIONS: Name = (MPRI, "Regions")
PERSONS: Name = ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "PersonInImage")
SUBJECT: Name = ("http://purl.org/dc/elements/1.1/", "subject")
LIGHTROOM: Name = ("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject")
DIGIKAM: Name = ("http://www.digikam.org/ns/1.0/", "TagsList")
_HIERARCHICAL: tuple[tuple[Name, str], ...] = (
    (LIGHTROOM, "|"),
    (DIGIKAM, "/"),
    (("http://ns.microsoft.com/photo/1.0/", "LastKeywordXMP"), "/"),
    (("http://ns.microsoft.com/photo/1.0", "LastKeywordXMP"), "/"),  # as exiftool writes it
)

_DATES: dict[Name, str] = {
    (_EXIF, "DateTimeOriginal"): "exif:DateTimeOriginal",
    (_EXIF, "DateTimeDigitized"): "exif:DateTimeDigitized",
    (_XMP, "CreateDate"): "xmp:CreateDate",
    (_PHOTOSHOP, "DateCreated"): "photoshop:DateCreated",
}
"""What says when a photo was taken, the best first."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, each 0..1 of the width or height of a picture."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 40
_MOST_REMARKS = 20
_SLACK = 1e-3
"""By which a region may lie outside of its photo without a remark: programs round."""
_MOST_PIXELS = 1e6
_SURELY_PIXELS = 2
"""A number of an area without a unit over which it is in pixels."""


@dataclass(frozen=True)
class Region:
    """A place in a photo that somebody marked.

    Attributes:
        name: of whom or what is there; None: nobody said.
        kind: which of the two standards it is written in.
        box: in the stored picture.
        type: what is there, as Face, Pet, Focus or BarCode; None: nobody said. A Microsoft region is a face.
        applied: width, height in pixels of the picture that it was marked in; None unknown.
    """

    name: str | None
    kind: Literal["mwg", "microsoft"]
    box: Box
    type: str | None
    applied: tuple[int, int] | None


@dataclass(frozen=True)
class Metadata:
    """What a file of XMP says.

    Attributes:
        regions: in the order of the file, those of the Metadata Working Group first.
        persons: names of people in the photo (PersonInImage), each once.
        keywords: plain ones (dc:subject), each once.
        hierarchical: keywords in other keywords, the outermost first, as ("People", "Anna Berg"), each once.
        dates: when the photo was taken: which property says it, and what it says as it stands there, the best first.
        remarks: what was left out or changed in reading, a sentence each.
    """

    regions: tuple[Region, ...]
    persons: tuple[str, ...]
    keywords: tuple[str, ...]
    hierarchical: tuple[tuple[str, ...], ...]
    dates: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def read(data: bytes) -> Metadata:
    """Read a file of XMP, or a packet out of a photo.

    Raises:
        FaceclusterError: it is no XMP, is cut short, has a document type, or is too large. The message names no file.
    """
    return metadata(xmp_tree.parse(data).rdf)


def metadata(rdf: Node) -> Metadata:
    """Read an element rdf:RDF."""
    values: dict[Name, list[Node | str]] = {}
    for description in xmp_tree.descriptions(rdf):
        for name, value in xmp_tree.properties(description):
            values.setdefault(name, []).append(value)
    found = _Found([], [], [])
    for value in values.get(REGIONS, []):
        _read_mwg(value, found)
    for value in values.get(REGION_INFO, []):
        _read_microsoft(value, found)
    remarks = found.remarks
    paths = [
        path
        for name, separator in _HIERARCHICAL
        for text in _texts(values.get(name, []))
        if (path := tuple(part for level in text.split(separator) if (part := level.strip())))
    ]
    dates = [(word, text) for name, word in _DATES.items() for text in _texts(values.get(name, []))]
    if len(remarks) > _MOST_REMARKS:
        remarks[_MOST_REMARKS:] = [f"{many(len(remarks) - _MOST_REMARKS, 'more region')} left out or cut"]
    return Metadata(
        tuple(found.regions),
        tuple(dict.fromkeys([*_texts(values.get(PERSONS, [])), *found.names])),
        tuple(dict.fromkeys(_texts(values.get(SUBJECT, [])))),
        tuple(dict.fromkeys(paths)),
        tuple(dict.fromkeys(dates)),
        tuple(remarks),
    )


def _texts(values: list[Node | str]) -> Iterator[str]:
    """Give the texts that are not empty in arrays."""
    for value in values:
        for item in xmp_tree.items(value):
            if text := xmp_tree.text_of(item):
                yield text


@dataclass
class _Found:
    """What is found in reading regions: they, names without a place, and remarks."""

    regions: list[Region]
    names: list[str]
    remarks: list[str]

    def take(self, region: Region | None, name: str | None, what: str | None, why: str) -> None:
        """Take in a region; where it is None, its name if it is one of a person, and why it has no place."""
        called = f"region {printable(name)[:80]!r}" if name else "a region without a name"
        if region is not None:
            self.regions.append(region)
            if why:
                self.remarks.append(f"{called} {why}")
        elif name and what in ("Face", None):
            self.names.append(name)
            self.remarks.append(f"{called} {why}; its name counts for the photo as a whole")
        else:
            self.remarks.append(f"{called} {why}, and was left out")


def _read_mwg(value: Node | str, found: _Found) -> None:
    if isinstance(value, str):
        return
    applied, listed = None, list[Node]()
    for key, inner in xmp_tree.properties(value):
        if key == APPLIED:
            applied = dimensions(inner)
        elif key == REGION_LIST:
            listed += nodes_of(inner)
    for item in listed:
        name, what, area = mwg_region(item)
        box, why = mwg_box(area, applied)
        region = None if box is None else Region(name, "mwg", box, what, applied)
        found.take(region, name, what, why)


def _read_microsoft(value: Node | str, found: _Found) -> None:
    if isinstance(value, str):
        return
    for key, inner in xmp_tree.properties(value):
        for item in nodes_of(inner) if key == MP_REGIONS else []:
            name, rectangle = microsoft_region(item)
            if name and not rectangle:
                found.names.append(name)  # Windows Photo Gallery tags people without a place so
                continue
            box, why = microsoft_box(rectangle)
            region = None if box is None else Region(name, "microsoft", box, "Face", None)
            found.take(region, name, "Face", why)


def nodes_of(value: Node | str) -> list[Node]:
    """Give the elements that an array holds, without its texts."""
    if isinstance(value, str) or not xmp_tree.arrays(value):
        return []
    return [item for item in xmp_tree.items(value) if isinstance(item, Node)]


def dimensions(value: Node | str) -> tuple[int, int] | None:
    """Read width and height in pixels; None where they are not both there, or are no sizes of a picture."""
    if isinstance(value, str):
        return None
    told = {name[1]: xmp_tree.text_of(inner) for name, inner in xmp_tree.properties(value)}
    width, height = (_number(told.get(side, "")) for side in "wh")
    if told.get("unit", "pixel") not in ("pixel", "pixels", ""):
        return None
    if width is None or height is None or not (1 <= width <= _MOST_PIXELS and 1 <= height <= _MOST_PIXELS):
        return None
    return round(width), round(height)


def mwg_region(item: Node) -> tuple[str | None, str | None, dict[str, str]]:
    """Read name, type and area (x, y, w, h, d, unit) of a region; a draft of the standard says Title for Name."""
    name = title = what = ""
    area: dict[str, str] = {}
    for (address, word), inner in xmp_tree.properties(item):
        if (address, word) == (MWG_RS, "Area") and isinstance(inner, Node):
            area |= {key[1]: xmp_tree.text_of(part) for key, part in xmp_tree.properties(inner)}
        elif address == AREA:
            area.setdefault(word, xmp_tree.text_of(inner))
        elif address == MWG_RS and word == "Name":
            name = xmp_tree.text_of(inner)
        elif address == MWG_RS and word == "Title":
            title = xmp_tree.text_of(inner)
        elif address == MWG_RS and word == "Type":
            what = xmp_tree.text_of(inner)
    return name or title or None, what or None, area


def mwg_box(area: dict[str, str], applied: tuple[int, int] | None) -> tuple[Box | None, str]:
    """Make a box of an area.

    Returns:
        The box, None where there is none; and what was wrong with it, "" nothing.
    """
    x, y, width, height = (_number(area.get(key, "")) for key in "xywh")
    diameter = _number(area.get("d", ""))
    unit = area.get("unit", "").lower()
    given = [number for number in (x, y, width, height, diameter) if number is not None]
    in_pixels = unit.startswith("pixel") or (not unit and max(given, default=0.0) > _SURELY_PIXELS)
    if in_pixels and applied is None:
        return None, "is in pixels of a picture whose size is not told"
    across, down = applied or (1, 1)
    if diameter is not None and (width is None or height is None):
        # The shorter side of the picture measures a circle.
        side = diameter if in_pixels else diameter * min(across, down)
        width, height = (side, side) if in_pixels else (side / across, side / down)
    if x is None or y is None or width is None or height is None:
        return None, "has no place that can be read"
    if in_pixels:
        x, width, y, height = x / across, width / across, y / down, height / down
    return _clipped((x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def microsoft_region(item: Node) -> tuple[str | None, str]:
    """Read name and rectangle of a region of Microsoft's, "" where there is none."""
    told = {name: xmp_tree.text_of(inner) for name, inner in xmp_tree.properties(item) if name[0] == MPREG}
    return told.get((MPREG, "PersonDisplayName")) or None, told.get((MPREG, "Rectangle"), "")


def microsoft_box(rectangle: str) -> tuple[Box | None, str]:
    """Make a box of "x, y, w, h", as `mwg_box` does; the numbers may have decimal commas."""
    parts = re.split(r"\s*;\s*|\s*,\s+|\s+", rectangle[: 5 * _LONGEST_NUMBER])
    if len(parts) != 4:
        parts = re.split(r"\s*,\s*", rectangle[: 5 * _LONGEST_NUMBER])
    if len(parts) == 8:
        parts = [f"{whole}.{rest}" for whole, rest in zip(parts[::2], parts[1::2], strict=True)]
    numbers = [number for part in parts if (number := _number(part)) is not None]
    if len(parts) != 4 or len(numbers) != 4:
        return None, "has no place that can be read"
    left, top, width, height = numbers
    return _clipped((left, top, left + width, top + height))


def _number(text: str) -> float | None:
    """Read a finite number, with a point or a comma before its decimals."""
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = float(text.replace(",", "."))
    return number if math.isfinite(number) else None


def _clipped(box: Box) -> tuple[Box | None, str]:
    """Cut a box at the edges of its picture."""
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in box)
    if not (left < right and top < bottom):
        return None, "has no extent in the photo"
    outside = max(abs(edge - cut) for edge, cut in zip(box, (left, top, right, bottom), strict=True))
    return (
        left,
        top,
        right,
        bottom,
    ), "lay partly outside, and was cut at the edge" if outside > _SLACK else ""


def upright(box: Box, orientation: int) -> Box:
    """Lay a box of the stored picture into the picture as it is shown.

    Args:
        box: in the stored picture.
        orientation: EXIF orientation, 1..8; anything else counts as 1, as programs take it.
    """
    left, top, right, bottom = box
    if orientation in (5, 6, 7, 8):
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 6, 7):
        left, right = 1 - right, 1 - left
    if orientation in (3, 4, 7, 8):
        top, bottom = 1 - bottom, 1 - top
    return left, top, right, bottom


def stored(box: Box, orientation: int) -> Box:
    """Lay a box of the picture as it is shown into the stored picture: the reverse of `upright`."""
    return upright(box, {6: 8, 8: 6}.get(orientation, orientation))
