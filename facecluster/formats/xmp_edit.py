"""Change parts of a file of XMP, and leave every other byte as it is.

What is put in is laid out as what stands around it: on lines of their own with that indent, or on none. Prefixes are
those that the file has for a namespace; where it has none, what is put in declares one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from facecluster.errors import FaceclusterError
from facecluster.formats.xmp_tree import RDF, XML, Document, Name, Node
from facecluster.text import printable

_ATTRIBUTE = re.compile(rb"""(?<!\s)\s+([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""")
_CALLED = re.compile(rb"<([^\s/>]+)")
_LINE = re.compile(rb"\r?\n[ \t]*\Z")
_SPACE = b" \t\r\n"
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Element:
    """An element to be put in.

    Attributes:
        name: of it.
        content: its text, or the elements in it; empty is written as `<a/>`.
        attributes: by name.
    """

    name: Name
    content: str | Sequence[Element] = ()
    attributes: dict[Name, str] = field(default_factory=dict)

    def addresses(self) -> Iterator[str]:
        """Give the namespaces of it and of what is in it."""
        yield self.name[0]
        yield from (address for address, _ in self.attributes)
        if not isinstance(self.content, str):
            for inner in self.content:
                yield from inner.addresses()


def resource(name: Name, content: Sequence[Element]) -> Element:
    """Make an element that holds properties."""
    return Element(name, content, {(RDF, "parseType"): "Resource"})


def check_text(text: str) -> None:
    """Make sure that XML can hold a text.

    Raises:
        FaceclusterError: it cannot; no file is named.
    """
    if bad := _ILLEGAL.search(text):
        raise FaceclusterError(f"{printable(text)[:80]!r} has a letter that XMP cannot hold: {bad[0]!a}")


class Edits:
    """What is to be changed in a document."""

    def __init__(self, document: Document, prefixes: dict[str, str]) -> None:
        """Start without a change.

        Args:
            document: to be changed.
            prefixes: by namespace, for those that a file has no prefix for.
        """
        self._document = document
        self._prefixes = prefixes
        self._splices: list[tuple[int, int, bytes]] = []
        self._filled = set[Node]()
        self._removed: dict[Node, None] = {}

    def body(self) -> bytes:
        """Give the changed body of the document."""
        removed = [node for node in self._removed if node.parent not in self._removed]
        splices = [(self._gap(node), self._document.end(node), b"") for node in removed] + self._splices
        parts, done = [], 0
        for start, end, text in sorted(splices, key=lambda splice: splice[:2]):
            assert start >= done, "changes do not overlap"
            parts += [self._document.body[done:start], text]
            done = end
        return b"".join([*parts, self._document.body[done:]])

    def append(self, node: Node, elements: Sequence[Element]) -> None:
        """Put elements behind what is in an element."""
        self._filled.add(node)
        document, body = self._document, self._document.body
        if node.children:
            last = node.children[-1]
            line = self._line(last)
            end = document.end(last)
            self._splices.append((end, end, self._laid(elements, node, line)))
            return
        outer = self._line(node)
        opened = document.opened(node)
        text = self._laid(elements, node, outer + b" " if outer else b"")
        if document.is_one_tag(node):
            called = _CALLED.match(body, node.start)
            assert called is not None, "it is a tag"
            self._splices.append((opened - 2, opened, b">" + text + outer + b"</" + called[1] + b">"))
        else:
            has_line = b"\n" in body[opened : node.closing]
            self._splices.append((opened, opened, text + (b"" if has_line else outer)))

    def fill(self, node: Node, element: Element) -> None:
        """Put an element in the place of all that is in another, which holds no elements."""
        self._filled.add(node)
        document = self._document
        if document.is_one_tag(node):
            self.append(node, [element])
            return
        outer = self._line(node)
        text = self._laid([element], node, outer and outer + b" ")
        self._splices.append((document.opened(node), node.closing, text + outer))

    def replace(self, node: Node, element: Element) -> None:
        """Put an element in the place of another."""
        assert node.parent is not None, "the root stays"
        self._filled.add(node.parent)
        text = self._laid([element], node.parent, self._line(node))
        self._splices.append((node.start, self._document.end(node), text.lstrip(_SPACE)))

    def remove_attribute(self, node: Node, name: Name) -> None:
        """Take an attribute out of an element."""
        start, end = node.start, self._document.opened(node)
        for match in _ATTRIBUTE.finditer(self._document.body, start, end):
            prefix, _, local = match[1].decode().rpartition(":")
            if local == name[1] and _resolve(node, prefix) == name[0]:
                self._splices.append((match.start(), match.end(), b""))

    def remove(self, node: Node) -> None:
        """Take an element out, with the spaces before it."""
        self._removed[node] = None

    def prune(self, is_ours: Callable[[Node], bool]) -> None:
        """Take out what nothing is left in of all from which something was removed.

        Args:
            is_ours: says of an element that it may go with the others, though nothing removed it.
        """
        for parent in dict.fromkeys(node.parent for node in list(self._removed)):
            while parent is not None and parent is not self._document.rdf and self._is_empty(parent, is_ours):
                self._removed[parent] = None
                parent = parent.parent

    def _is_empty(self, node: Node, is_ours: Callable[[Node], bool]) -> bool:
        if node in self._filled or any(address not in (RDF, XML, "") for address, _ in node.attributes):
            return False
        if not all(child in self._removed or is_ours(child) for child in node.children):
            return False
        body, done = self._document.body, self._document.opened(node)
        for child in node.children:
            if body[done : child.start].strip(_SPACE):
                return False
            done = self._document.end(child)
        return not body[done : node.closing].strip(_SPACE)

    def _gap(self, node: Node) -> int:
        """Find where the spaces before an element start."""
        head = self._document.body[max(0, node.start - 10_000) : node.start]
        return node.start - len(head) + len(head.rstrip(_SPACE))

    def _line(self, node: Node) -> bytes:
        """Give the end of line and indent before an element; nothing where it does not start a line."""
        match = _LINE.search(self._document.body[self._gap(node) : node.start])
        return match[0] if match else b""

    def _laid(self, elements: Iterable[Element], scope: Node, line: bytes) -> bytes:
        """Write elements that come into an element, each after the end of line and indent that are given."""
        return b"".join(_written(element, scope, line, self._prefixes) for element in elements)


def _resolve(node: Node | None, prefix: str) -> str | None:
    """Say which namespace a prefix stands for in an element."""
    while node is not None:
        if node.declared and prefix in node.declared:
            return node.declared[prefix]
        node = node.parent
    return None


def _written(element: Element, scope: Node, line: bytes, prefixes: dict[str, str]) -> bytes:
    known: dict[str, str] = {}
    addresses = list(dict.fromkeys(element.addresses()))
    for address in addresses:
        if prefix := scope.prefix(address):
            known[address] = prefix
    declared = {}
    for address in addresses:
        if address not in known:
            prefix = prefixes[address]
            while prefix in known.values():
                prefix += "1"
            known[address] = declared[address] = prefix
    lines = list(_lines(element, known, declared, line.decode()))
    return "".join(lines).encode()


def _lines(element: Element, known: dict[str, str], declared: dict[str, str], line: str) -> Iterator[str]:
    called = _called(element.name, known)
    yield f"{line}<{called}"
    for name, value in element.attributes.items():
        yield f' {_called(name, known)}="{_escaped_value(value)}"'
    for address, prefix in declared.items():
        yield f'{line and line + "   "} xmlns:{prefix}="{_escaped_value(address)}"'
    if not element.content:
        yield "/>"
        return
    yield ">"
    if isinstance(element.content, str):
        yield escape(element.content, {"\r": "&#13;"})
        yield f"</{called}>"
        return
    for inner in element.content:
        yield from _lines(inner, known, {}, line and line + " ")
    yield f"{line}</{called}>"


def _called(name: Name, known: dict[str, str]) -> str:
    return f"{known[name[0]]}:{name[1]}"


def _escaped_value(text: str) -> str:
    return escape(text, {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
