"""Names -> XMP: what is there is merged with, and what we wrote is taken out again, with every other byte as it was.

A file does not say who wrote what in it, so whoever calls keeps what `merge` says that it wrote (`Merged.written`), and
gives it back the next time. What was there before, or was put in by another program, is never taken out: a region with
another name or in another place, a keyword of the same name that somebody else gave.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from facecluster.errors import FaceclusterError
from facecluster.formats import xmp, xmp_tree
from facecluster.formats.xmp import Box
from facecluster.formats.xmp_edit import Edits, Element, check_text, resource
from facecluster.formats.xmp_tree import RDF, XML, Document, Name, Node
from facecluster.text import fold, printable

Field: TypeAlias = Literal["mwg", "microsoft", "persons", "digikam", "lightroom", "subject"]
"""MWG regions, Microsoft regions, PersonInImage, digiKam:TagsList, lr:hierarchicalSubject, dc:subject."""

FIELDS: frozenset[Field] = frozenset(get_args(Field))

_DECIMALS = 6
SAME_PLACE = 0.5
"""Overlap (IoU) from which a region with the same name is the same one."""
OURS = 0.9
"""Overlap from which a region is the one that we wrote: another program may have rounded its numbers."""

_PREFIXES = {
    RDF: "rdf",
    xmp.MWG_RS: "mwg-rs",
    xmp.AREA: "stArea",
    xmp.DIMENSIONS: "stDim",
    xmp.MP: "MP",
    xmp.MPRI: "MPRI",
    xmp.MPREG: "MPReg",
    xmp.PERSONS[0]: "Iptc4xmpExt",
    xmp.DIGIKAM[0]: "digiKam",
    xmp.LIGHTROOM[0]: "lr",
    xmp.SUBJECT[0]: "dc",
}
_META = "adobe:ns:meta/"
_EMPTY = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="facecluster">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 </rdf:RDF>
</x:xmpmeta>
"""


@dataclass(frozen=True)
class Marked:
    """A named place in a photo.

    Attributes:
        name: not empty, without spaces around it.
        box: in the stored picture, within 0..1.
        type: Face, Pet.
    """

    name: str
    box: Box
    type: str = "Face"


@dataclass(frozen=True)
class Tags:
    """What stands, or is to stand, in a file of XMP, property by property; `tags` makes it.

    Attributes:
        size: width, height of the stored picture in pixels; None: nothing is said of it.
        mwg: regions of the Metadata Working Group.
        microsoft: regions of Microsoft.
        persons: PersonInImage.
        digikam: digiKam:TagsList, as "People/Anna Berg".
        lightroom: lr:hierarchicalSubject, as "People|Anna Berg".
        subject: dc:subject.
    """

    size: tuple[int, int] | None = None
    mwg: tuple[Marked, ...] = ()
    microsoft: tuple[Marked, ...] = ()
    persons: tuple[str, ...] = ()
    digikam: tuple[str, ...] = ()
    lightroom: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merged:
    """What `merge` made.

    Attributes:
        data: the file; the very bytes that were there if nothing is to be changed. None: there should be no file.
        written: what in it is ours. It is given back as `before` the next time.
        remarks: what could not be made right, a sentence each.
    """

    data: bytes | None
    written: Tags
    remarks: tuple[str, ...] = ()


NOTHING = Tags()


def tags(
    regions: Iterable[Marked],
    persons: Iterable[str],
    size: tuple[int, int],
    fields: frozenset[Field] = FIELDS,
    root: str = "People",
) -> Tags:
    """Say what is to stand in a file.

    Args:
        regions: of named people; those without a name, or outside of the picture, are left out. Of several with one
            name at one place the first counts.
        persons: names of people in the photo without a place. Those of regions need not be repeated.
        size: width, height of the stored picture in pixels.
        fields: what is written.
        root: keyword under which digiKam and Lightroom have people. A name with the letter that separates their
            keywords (/ of digiKam, | of Lightroom) is not written there, as it would be two keywords.

    Raises:
        FaceclusterError: a name has a letter that XMP cannot hold.
    """
    placed = _placed(regions)
    given = [*(region.name for region in placed), *(name.strip() for name in persons)]
    names = tuple(dict.fromkeys(name for name in given if name))
    for name in (root, *names):
        check_text(name)
    return Tags(
        size if "mwg" in fields and placed else None,
        placed if "mwg" in fields else (),
        placed if "microsoft" in fields else (),
        names if "persons" in fields else (),
        tuple(f"{root}/{name}" for name in names if "/" not in name) if "digikam" in fields else (),
        tuple(f"{root}|{name}" for name in names if "|" not in name) if "lightroom" in fields else (),
        names if "subject" in fields else (),
    )


def _placed(regions: Iterable[Marked]) -> tuple[Marked, ...]:
    """Give regions as they are written: without spaces around names, cut at the edges, rounded, each once."""
    placed: list[Marked] = []
    of_name: dict[str, list[Box]] = {}
    for region in regions:
        name = region.name.strip()
        left, top, right, bottom = (round(min(max(edge, 0.0), 1.0), _DECIMALS) for edge in region.box)
        box = left, top, right, bottom
        same = of_name.setdefault(fold(name), [])
        if name and left < right and top < bottom and all(overlap(other, box) < SAME_PLACE for other in same):
            same.append(box)
            placed.append(Marked(name, box, region.type))
    return tuple(placed)


def merge(existing: bytes | None, wanted: Tags, before: Tags = NOTHING, *, made: bool = False) -> Merged:
    """Put names into a file of XMP, and take those out that we wrote before and that are not wanted any more.

    Args:
        existing: the file; None: there is none.
        wanted: what is to stand in it.
        before: what in it is ours, as the last call for this file said.
        made: whether the file was made by us, so that it goes where nothing is left in it, however others laid it out.

    Raises:
        FaceclusterError: the file is no XMP that can be read, or has a property in a form that nothing can be added to.
            The message names no file.
    """
    document = xmp_tree.parse(_EMPTY if existing is None else existing)
    merging = _Merging(document)
    mwg, size = merging.mwg(wanted, before)
    written = Tags(
        size,
        mwg,
        merging.microsoft(wanted.microsoft, before.microsoft),
        merging.texts(xmp.PERSONS, "Bag", wanted.persons, before.persons),
        merging.texts(xmp.DIGIKAM, "Seq", wanted.digikam, before.digikam),
        merging.texts(xmp.LIGHTROOM, "Bag", wanted.lightroom, before.lightroom),
        merging.texts(xmp.SUBJECT, "Bag", wanted.subject, before.subject),
    )
    body = merging.body(before.size)
    remarks = tuple(merging.remarks)
    same = body == document.body
    if made and wanted == NOTHING and _is_bare(document if same else xmp_tree.parse(document.encoded(body))):
        return Merged(None, written, remarks)
    if same:
        return Merged(existing, written, remarks)
    data = document.encoded(body)
    if data.split() == _EMPTY.split():
        return Merged(None, written, remarks)
    xmp_tree.check(data)  # what we could not read again must not replace what is there
    return Merged(data, written, remarks)


def _is_bare(document: Document) -> bool:
    """Say whether a file says nothing of its photo: it has no property, and no comment."""
    if b"<!--" in document.body:
        return False
    around = {document.root, document.rdf}
    waiting = [document.root]
    while waiting:
        node = waiting.pop()
        if node not in around and (node.parent is not document.rdf or node.name != (RDF, "Description")):
            return False
        if node.text.strip() or any(address not in (RDF, XML, "", _META) for address, _ in node.attributes):
            return False
        waiting += node.children
    return True


def remove(existing: bytes, written: Tags) -> bytes | None:
    """Take out of a file what we wrote into it; None: nothing is left of it.

    Raises:
        FaceclusterError: the file is no XMP that can be read.
    """
    return merge(existing, NOTHING, written).data


@dataclass
class _Merging:
    """A file, and what is to be changed in it."""

    document: Document
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.edits = Edits(self.document, _PREFIXES)
        self.new: list[Element] = []
        self.values: dict[Name, list[Node]] = {}
        self.attributes: dict[Name, list[tuple[Node, str]]] = {}
        for description in xmp_tree.descriptions(self.document.rdf):
            for name, text in description.attributes.items():
                self.attributes.setdefault(name, []).append((description, text))
            for name, value in xmp_tree.properties(description):
                if isinstance(value, Node):
                    self.values.setdefault(name, []).append(value)

    def body(self, size: tuple[int, int] | None) -> bytes:
        """Give the changed file.

        Args:
            size: of the picture, as we wrote it before; it goes with the last region.
        """
        rdf = self.document.rdf
        if self.new:
            about = next((text for text, _ in self._abouts()), "")
            self.edits.append(rdf, [Element((RDF, "Description"), self.new, {(RDF, "about"): about})])
        self.edits.prune(
            lambda node: node.name == xmp.APPLIED and size is not None and xmp.dimensions(node) == size
        )
        return self.edits.body()

    def _abouts(self) -> Iterable[tuple[str, Node]]:
        """Give what the file says that its properties are about."""
        for name in ((RDF, "about"), ("", "about")):
            yield from ((text, node) for node, text in self.attributes.get(name, []))

    def texts(self, name: Name, kind: str, wanted: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
        """Merge a list of texts; say which of them are ours."""
        found: dict[str, list[Node | None]] = {}
        for _, text in self.attributes.get(name, []):
            found.setdefault(_composed(text.strip()), []).append(None)
        for value in self.values.get(name, []):
            for item in xmp_tree.items(value):
                node = item if isinstance(item, Node) and item is not value else None
                found.setdefault(_composed(xmp_tree.text_of(item)), []).append(node)
        for text in before:
            nodes = found.get(_composed(text), [])
            if text not in wanted and nodes and (node := nodes[-1]) is not None:
                self.edits.remove(node)
                nodes.pop()
        there = {fold(text) for text, nodes in found.items() if nodes}
        ours, added = [], []
        for text in wanted:
            if text in before and found.get(_composed(text)):
                ours.append(text)
            elif fold(text) not in there:
                there.add(fold(text))
                ours.append(text)
                added.append(Element((RDF, "li"), text))
        if added:
            self._extend(name, kind, added)
        return tuple(ours)

    def _extend(self, name: Name, kind: str, added: Sequence[Element]) -> None:
        """Put items into the array of a property of the photo."""
        if values := self.values.get(name):
            value = next((value for value in values if xmp_tree.arrays(value)), values[0])
            self._extend_value(value, kind, added)
            return
        kept = []
        for description, text in self.attributes.get(name, []):
            self.edits.remove_attribute(description, name)
            kept.append(Element((RDF, "li"), text))
        self.new.append(Element(name, [Element((RDF, kind), [*kept, *added])]))

    def _extend_value(self, value: Node, kind: str, added: Sequence[Element]) -> None:
        arrays = xmp_tree.arrays(value)
        if arrays:
            self.edits.append(arrays[0], added)
        elif value.children or value.attributes:
            raise _cannot_add(value.name)
        else:
            kept = [Element((RDF, "li"), value.text.strip())] if value.text.strip() else []
            self.edits.fill(value, Element((RDF, kind), [*kept, *added]))

    def mwg(self, wanted: Tags, before: Tags) -> tuple[tuple[Marked, ...], tuple[int, int] | None]:
        """Merge the regions of the Metadata Working Group; say which are ours, and the size if that is ours."""
        parts = [
            (name, part)
            for value in self.values.get(xmp.REGIONS, [])
            for name, part in xmp_tree.properties(value)
            if isinstance(part, Node)
        ]
        sizes = [part for name, part in parts if name == xmp.APPLIED]
        told = next((size for part in sizes if (size := xmp.dimensions(part)) is not None), None)
        there = []
        for item in (item for name, part in parts if name == xmp.REGION_LIST for item in xmp.nodes_of(part)):
            called, _, area = xmp.mwg_region(item)
            box, _ = xmp.mwg_box(area, told)
            if called and box is not None:
                there.append((called, box, item))
        ours, added = self._regions(there, wanted.mwg, before.mwg)
        size, new = None, list[Element]()
        if wanted.size is not None and ours:
            size, new = self._size(sizes, told, wanted.size, before.size)
        self._extend_struct(xmp.REGIONS, xmp.REGION_LIST, [_mwg_item(region) for region in added], new)
        return ours, size

    def _size(
        self,
        sizes: Sequence[Node],
        told: tuple[int, int] | None,
        wanted: tuple[int, int],
        before: tuple[int, int] | None,
    ) -> tuple[tuple[int, int] | None, list[Element]]:
        """Say the size of the picture that regions are in: what of it is ours, and what is to be put in."""
        element = _dimensions(wanted)
        if not sizes:
            return wanted, [element]
        is_ours = before is not None and told == before
        if told == wanted:
            return (wanted if is_ours else None), []
        if is_ours and len(sizes) == 1:
            self.edits.replace(sizes[0], element)
            return wanted, []
        said = "is not told" if told is None else f"is told as {told[0]} x {told[1]} pixels"
        self.remarks.append(f"the size of the photo {said} there; it has {wanted[0]} x {wanted[1]}")
        return None, []

    def microsoft(self, wanted: Sequence[Marked], before: Sequence[Marked]) -> tuple[Marked, ...]:
        """Merge the regions of Microsoft; say which are ours."""
        there = []
        for value in self.values.get(xmp.REGION_INFO, []):
            for name, part in xmp_tree.properties(value):
                for item in xmp.nodes_of(part) if name == xmp.MP_REGIONS else []:
                    called, rectangle = xmp.microsoft_region(item)
                    box, _ = xmp.microsoft_box(rectangle)
                    if called and box is not None:
                        there.append((called, box, item))
        ours, added = self._regions(there, wanted, before)
        self._extend_struct(
            xmp.REGION_INFO, xmp.MP_REGIONS, [_microsoft_item(region) for region in added], []
        )
        return ours

    def _regions(
        self, there: Sequence[tuple[str, Box, Node]], wanted: Sequence[Marked], before: Sequence[Marked]
    ) -> tuple[tuple[Marked, ...], list[Marked]]:
        """Merge regions that are there; say which are ours, and which of these are to be put in."""
        are_wanted = set(wanted)
        others: dict[str, list[tuple[Box, Node]]] = {}
        for name, box, node in there:
            others.setdefault(fold(name), []).append((box, node))
        kept = set[Marked]()
        for old in before:
            named = others.get(fold(old.name), [])
            nearest = max(named, key=lambda found: overlap(found[0], old.box), default=None)
            if nearest is not None and overlap(nearest[0], old.box) >= OURS:
                named.remove(nearest)
                if old in are_wanted:
                    kept.add(old)
                else:
                    self.edits.remove(nearest[1])
        ours, added = [], []
        for new in wanted:
            same = others.get(fold(new.name), [])
            if new in kept:
                ours.append(new)
            elif all(overlap(box, new.box) < SAME_PLACE for box, _ in same):
                ours.append(new)
                added.append(new)
        return tuple(ours), added

    def _extend_struct(
        self, name: Name, listed: Name, added: Sequence[Element], more: Sequence[Element]
    ) -> None:
        """Put items into an array in a structure, and more properties into the structure.

        Args:
            name: of the structure.
            listed: of the property in it whose value is the array.
            added: items.
            more: properties that are not there.
        """
        if not added and not more:
            return
        values = self.values.get(name, [])
        if not values:
            if name in self.attributes:
                raise _cannot_add(name)
            self.new.append(resource(name, [*more, Element(listed, [Element((RDF, "Bag"), added)])]))
            return
        for value in values:
            for inner, part in xmp_tree.properties(value):
                if inner == listed and isinstance(part, Node):
                    if added:
                        self._extend_value(part, "Bag", added)
                    if more:
                        self.edits.append(_holder(value), more)
                    return
        self.edits.append(_holder(values[0]), [*more, Element(listed, [Element((RDF, "Bag"), added)])])


def _holder(value: Node) -> Node:
    """Find the element that a structure's properties stand in."""
    for child in value.children:
        if child.name == (RDF, "Description"):
            return child
    if value.attributes.get((RDF, "parseType")) != "Resource":
        raise _cannot_add(value.name)
    return value


def _cannot_add(name: Name) -> FaceclusterError:
    return FaceclusterError(f"has {printable(name[1])} in a form that nothing can be added to")


def _dimensions(size: tuple[int, int]) -> Element:
    values = {"w": str(size[0]), "h": str(size[1]), "unit": "pixel"}
    return resource(xmp.APPLIED, [Element((xmp.DIMENSIONS, key), text) for key, text in values.items()])


def _mwg_item(region: Marked) -> Element:
    left, top, right, bottom = region.box
    numbers = {"x": (left + right) / 2, "y": (top + bottom) / 2, "w": right - left, "h": bottom - top}
    area = [Element((xmp.AREA, key), f"{number:.{_DECIMALS}f}") for key, number in numbers.items()]
    area.append(Element((xmp.AREA, "unit"), "normalized"))
    name, kind = Element((xmp.MWG_RS, "Name"), region.name), Element((xmp.MWG_RS, "Type"), region.type)
    return resource((RDF, "li"), [name, kind, resource((xmp.MWG_RS, "Area"), area)])


def _microsoft_item(region: Marked) -> Element:
    left, top, right, bottom = region.box
    rectangle = ", ".join(f"{number:.{_DECIMALS}f}" for number in (left, top, right - left, bottom - top))
    name = Element((xmp.MPREG, "PersonDisplayName"), region.name)
    return resource((RDF, "li"), [name, Element((xmp.MPREG, "Rectangle"), rectangle)])


def _composed(text: str) -> str:
    """Equal for texts that differ in how their accents are written, as programs change that."""
    return unicodedata.normalize("NFC", text)


def overlap(a: Box, b: Box) -> float:
    """Give intersection over union of two boxes that have an extent, 0..1."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
