"""XMP as a tree that knows where each of its elements stands in the bytes, so that a part can be replaced in place.

Nothing outside of the bytes is read. A document type, and so an entity, is refused where it starts. What a file may
hold is bounded before it is parsed: `MOST_BYTES`, `MOST_TAGS`, `MOST_QUOTES`, and `DEEPEST` while it is parsed.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

from facecluster.errors import FaceclusterError
from facecluster.text import printable, size

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"

MOST_BYTES = 16_000_000
MOST_TAGS = 200_000
"""Of `<` in a file, so that its tree takes some 100 MB at most."""
MOST_QUOTES = 400_000
DEEPEST = 100
"""Elements in each other. What programs write has about ten."""

Name = tuple[str, str]
"""Of an element or attribute: address of its namespace ("" none), and name in it."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_BOM = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ONE_BYTE = {"utf-8", "ascii", "cp1252", "iso8859-1", "iso8859-2", "iso8859-15"}
"""Names of Python's codecs for what a file may declare: a byte order mark says the rest."""
_AROUND = " \t\r\n\0"
"""What may stand around a packet that was cut out of a photo."""

_TAG = re.compile(rb"""<(?:[^"'>]+|"[^"]*"|'[^']*')*>""")
_SEPARATOR = "\1"
"""Between address, name and prefix: no letter that XML may have."""


class Node:
    """An element.

    Attributes:
        name: of the element.
        attributes: by name; those that declare namespaces are not among them.
        parent: the element around it; None of the root.
        children: elements right in it, in order.
        text: what stands right in it, without that of its children.
        start: of its first tag, in bytes of `Document.body`.
        closing: where its last tag starts, if it has two.
        declared: prefixes that it declares, "" being the default, and their addresses.
    """

    __slots__ = ("attributes", "children", "closing", "declared", "name", "parent", "start", "text")

    def __init__(self, name: Name, attributes: dict[Name, str], parent: Node | None, start: int) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent
        self.children: list[Node] = []
        self.text = ""
        self.start = start
        self.closing = start
        self.declared: dict[str, str] | None = None

    def prefix(self, address: str) -> str | None:
        """Give a prefix that stands for a namespace in this element; None if there is none, the default aside."""
        hidden = set[str]()
        node: Node | None = self
        while node is not None:
            for prefix, other in (node.declared or {}).items():
                if other == address and prefix and prefix not in hidden:
                    return prefix
                hidden.add(prefix)
            node = node.parent
        return None


@dataclass(frozen=True)
class Document:
    """A file of XMP.

    Attributes:
        before: what stands before the XML: a byte order mark, spaces; as in the file.
        body: the XML in UTF-8, whatever it says of itself.
        after: what stands behind it, as in the file.
        encoding: of the file, as Python calls it.
        root: the outermost element.
        rdf: its element rdf:RDF.
    """

    before: bytes
    body: bytes
    after: bytes
    encoding: str
    root: Node
    rdf: Node

    def opened(self, node: Node) -> int:
        """Find the end of an element's first tag, in bytes of `body`."""
        tag = _TAG.match(self.body, node.start)
        assert tag is not None, "the parser took it for a tag"
        return tag.end()

    def is_one_tag(self, node: Node) -> bool:
        """Say whether an element is written as `<a/>`."""
        return self.body.startswith(b"/", self.opened(node) - 2)

    def end(self, node: Node) -> int:
        """Find the end of an element, in bytes of `body`."""
        if self.is_one_tag(node):
            return self.opened(node)
        return self.body.index(b">", node.closing) + 1

    def encoded(self, body: bytes) -> bytes:
        """Write another body as this file is written."""
        if self.encoding == "utf-8":
            return self.before + body + self.after
        return self.before + body.decode("utf-8").encode(self.encoding, "xmlcharrefreplace") + self.after


def parse(data: bytes) -> Document:
    """Parse a file of XMP, or a packet out of a photo.

    Raises:
        FaceclusterError: it is no XMP, is cut short, has a document type, or is too large. The message names no file.
    """
    before, body, after, encoding = _bounded(data)
    root = _Builder().parse(body)
    return Document(before, body, after, encoding, root, _find_rdf(root))


def check(data: bytes) -> None:
    """Make sure that a file is XML of a size that `parse` takes, in a tenth of its time.

    Raises:
        FaceclusterError: it is not.
    """
    _parse(_parser(), _bounded(data)[1])


def _bounded(data: bytes) -> tuple[bytes, bytes, bytes, str]:
    """Give what `_decode` gives, the XML in UTF-8, if it is not too large."""
    if len(data) > MOST_BYTES:
        raise FaceclusterError(f"has {size(len(data))}, more than the {size(MOST_BYTES)} that XMP may have")
    before, text, after, encoding = _decode(data)
    body = text.encode("utf-8")
    if not body:
        raise FaceclusterError("is empty")
    if body.count(b"<") > MOST_TAGS or body.count(b'"') + body.count(b"'") > MOST_QUOTES:
        raise FaceclusterError("has far more parts than XMP of a photo has")
    return before, body, after, encoding


def _decode(data: bytes) -> tuple[bytes, str, bytes, str]:
    """Give what stands before the XML, the XML, what stands behind it, and the encoding."""
    mark = next(((mark, name) for mark, name in _BOMS if data.startswith(mark)), None)
    if mark is not None:
        bom, encoding = mark
    else:
        bom = b""
        head = data.lstrip(_AROUND.encode())[:200]
        guess = next((name for start, name in _WITHOUT_BOM if data.startswith(start)), None)
        encoding = guess or _declared(head)
    try:
        whole = data[len(bom) :].decode(encoding)
        text = whole.lstrip(_AROUND)
        before = whole[: len(whole) - len(text)]
        text = text.rstrip(_AROUND)
        after = whole[len(before) + len(text) :]
        text.encode("utf-8")
    except UnicodeError as error:
        raise FaceclusterError(f"is no XMP: its bytes are no {encoding.upper()}") from error
    return bom + before.encode(encoding), text, after.encode(encoding), encoding


def _declared(head: bytes) -> str:
    """Say which encoding the first line of a file declares; UTF-8 if it declares none."""
    match = _DECLARED.match(head)
    if match is None:
        return "utf-8"
    said = match[1].decode("ascii")
    try:
        name = codecs.lookup(said).name
    except LookupError:
        name = ""
    if name not in _ONE_BYTE:
        raise FaceclusterError(
            f"says that it is encoded as {said}, which is not read; expected UTF-8 or UTF-16"
        )
    return name


class _Builder:
    """Makes nodes of what the parser meets."""

    def __init__(self) -> None:
        self._parser = _parser()
        self._parser.StartNamespaceDeclHandler = self._declare
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._root: Node | None = None
        self._open: list[Node] = []
        self._texts: list[list[str]] = []
        self._declared: dict[str, str] = {}
        self._names: dict[str, Name] = {}

    def parse(self, body: bytes) -> Node:
        _parse(self._parser, body)
        assert self._root is not None, "XML has a root"
        return self._root

    def _declare(self, prefix: str | None, address: str | None) -> None:
        self._declared[prefix or ""] = address or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise FaceclusterError(f"is no XMP of a photo: more than {DEEPEST} elements in each other")
        parent = self._open[-1] if self._open else None
        start = self._parser.CurrentByteIndex
        named = {self._split(key): value for key, value in attributes.items()} if attributes else {}
        node = Node(self._split(name), named, parent, start)
        if self._declared:
            node.declared, self._declared = self._declared, {}
        if parent is None:
            self._root = node
        else:
            parent.children.append(node)
        self._open.append(node)
        self._texts.append([])

    def _end(self, _name: str) -> None:
        node = self._open.pop()
        node.text = "".join(self._texts.pop())
        node.closing = self._parser.CurrentByteIndex

    def _characters(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)

    def _split(self, name: str) -> Name:
        found = self._names.get(name)
        if found is None:
            address, _, local = name.rpartition(_SEPARATOR)
            found = self._names[name] = address, local
        return found


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate("UTF-8", _SEPARATOR)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    return parser


def _parse(parser: expat.XMLParserType, body: bytes) -> None:
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, str(error))
        raise FaceclusterError(f"is no XMP: line {error.lineno} is no XML: {what}") from error


def _refuse(*_of: object) -> NoReturn:
    raise FaceclusterError("has a document type (<!DOCTYPE), which XMP has not, and which is not read")


def _find_rdf(root: Node) -> Node:
    for node in (root, *root.children):
        if node.name == (RDF, "RDF"):
            return node
    raise FaceclusterError(
        f"is no XMP: it has no rdf:RDF; its first element is {printable(root.name[1])[:80]!r}"
    )


def descriptions(rdf: Node) -> Iterator[Node]:
    """Give the elements that hold the properties of the photo."""
    return (node for node in rdf.children if node.name == (RDF, "Description"))


def properties(node: Node) -> Iterator[tuple[Name, Node | str]]:
    """Give the properties that an element holds, however they are written: as elements, attributes, or a level below.

    A value is an element, or the text of an attribute.
    """
    waiting = [node]
    while waiting:
        node = waiting.pop()
        for name, text in node.attributes.items():
            if name[0] not in (RDF, XML, ""):
                yield name, text
        for child in node.children:
            if child.name == (RDF, "Description"):
                waiting.append(child)
            elif child.name[0] != RDF:
                yield child.name, child


def arrays(value: Node | str) -> list[Node]:
    """Give the bags, sequences and alternatives that a value has."""
    if isinstance(value, str):
        return []
    return [child for child in value.children if child.name in _ARRAYS]


_ARRAYS = {(RDF, "Bag"), (RDF, "Seq"), (RDF, "Alt")}
ITEM = (RDF, "li")


def items(value: Node | str) -> list[Node | str]:
    """Give what an array holds; a value that is none is one item."""
    found = arrays(value)
    if found:
        return [item for array in found for item in array.children if item.name == ITEM]
    return [value]


def text_of(value: Node | str) -> str:
    """Give the text of a value without spaces around it; of an alternative, the first one."""
    for _ in range(DEEPEST):
        if isinstance(value, str):
            return value.strip()
        if value.text.strip():
            break
        inner = dict(properties_of_rdf(value))
        following = next((item for item in items(value) if item is not value), inner.get("value"))
        if following is None:
            break
        value = following
    return value.strip() if isinstance(value, str) else value.text.strip()


def properties_of_rdf(node: Node) -> Iterator[tuple[str, Node | str]]:
    """Give what stands in an element of RDF's own, as rdf:value is, by name."""
    for inner in (node, *(child for child in node.children if child.name == (RDF, "Description"))):
        yield from ((name, text) for (address, name), text in inner.attributes.items() if address == RDF)
        yield from ((child.name[1], child) for child in inner.children if child.name == (RDF, "value"))
