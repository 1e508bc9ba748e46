"""Texts and tables as spreadsheets and shells write them: UTF-8 or UTF-16, with commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

Row: TypeAlias = tuple[int, list[str]]
"""Number of the line that a row ends in, from 1, and its cells."""

_UTF16 = (
    ("utf-16-le", codecs.BOM_UTF16_LE, [False, True, False, True]),
    ("utf-16-be", codecs.BOM_UTF16_BE, [True, False, True, False]),
)
"""Encodings, the mark at their start, and which of the first bytes are zero where there is none, in Latin letters."""
_SEPARATORS = ",;\t"
_SAID = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n", re.IGNORECASE)
"""A first line that says what stands between the cells, which Excel understands and some programs write."""

_STRAY = re.compile("[\udc80-\udcff]")
"""Bytes that are no UTF-8, in a text that was read with "surrogateescape"."""


def to_utf8(data: bytes) -> bytes:
    """Give a text in UTF-8 without a mark at its start; what is no UTF-16 is as it was.

    Raises:
        UnicodeError: it starts as UTF-16 does, and is none.
    """
    zeros = [byte == 0 for byte in data[:4]]
    for encoding, mark, unmarked in _UTF16:
        # Names of one letter with NUL between them start like this too, and have no ends of lines.
        if data.startswith(mark) or (zeros == unmarked and "\n".encode(encoding) in data):
            return data.removeprefix(mark).decode(encoding).encode()
    return data.removeprefix(codecs.BOM_UTF8)


def rows_of(text: str, is_header: Callable[[Sequence[str]], bool]) -> tuple[list[str], Iterator[Row]]:
    """Read a table.

    Args:
        text: with line ends of any kind.
        is_header: whether the names of columns, in lower case, are those of such a table. It tells what stands between
            the cells.

    Returns:
        The names of the columns, as `is_header` gets them, and the rows below.

    Raises:
        csv.Error: it is no table; so may the rows.
    """
    said = _SAID.match(text)
    separators = said[1] if said else _SEPARATORS
    first: tuple[list[str], Iterator[Row]] | csv.Error | None = None
    for separator in separators:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            if said:
                next(reader)
            header = [name.strip().lower() for name in next(reader, [])]
        except csv.Error as error:
            first = first or error
            continue
        found = header, ((reader.line_num, row) for row in reader)
        if is_header(header):
            return found
        first = first or found
    if isinstance(first, tuple):
        return first
    raise first or csv.Error("there is nothing in it")


def as_text(cell: str) -> str:
    """Give a text whose bytes are no UTF-8 as Excel on Windows means it."""
    if _STRAY.search(cell):
        with suppress(UnicodeError):
            return cell.encode("utf-8", "surrogateescape").decode("cp1252")
    return cell


def as_path(cell: str) -> str:
    """Give a path whose bytes are no UTF-8: as it is, where there is such a file, else as Excel on Windows means it."""
    return cell if os.path.lexists(cell) else as_text(cell)
