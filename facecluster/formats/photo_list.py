"""A list of photos, as find and shells write it, or a column of a table -> names."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

from facecluster.errors import FaceclusterError
from facecluster.formats.spreadsheet import as_path, rows_of, to_utf8
from facecluster.text import from_cell


def read_list(data: bytes) -> list[str]:
    """Read names of files and folders: one a line; or a table whose first line names a column "photo".

    The text is UTF-8 or UTF-16. A name in quotes is that without them, unless there is a file called so.

    Raises:
        FaceclusterError: it is no such text, or a row of the table has other columns; the message names the line.
    """
    try:
        data = to_utf8(data)
    except UnicodeError as error:
        raise FaceclusterError("starts as UTF-16 and is none; give names in UTF-8, one a line") from error
    if b"\0" in data:
        raise FaceclusterError("NUL stands between the names; say so with -0")
    lines = [os.fsdecode(line) for line in data.splitlines()]
    if lines and _starts_table(lines):
        return _column(os.fsdecode(data))
    return [as_path(_unquoted(line)) for line in lines if line]


def _starts_table(lines: Sequence[str]) -> bool:
    """Whether the first lines name columns, one of them "photo", and are no name of a file."""
    try:
        header, _ = rows_of("\n".join(lines[:2]), _is_header)
    except csv.Error:
        return False
    return _is_header(header) and not os.path.lexists(lines[0])


def _column(text: str) -> list[str]:
    """Give the names in the column of photos."""
    header, rows = rows_of(text, _is_header)
    at, names = header.index("photo"), []
    try:
        for line, row in rows:
            if row and len(row) != len(header):
                raise FaceclusterError(f"line {line} has {len(row)} values, the header {len(header)}")
            if row and row[at]:
                names.append(as_path(from_cell(row[at])))
    except csv.Error as error:
        raise FaceclusterError(f"after {len(names)} photos of its table: {error}") from error
    return names


def _is_header(names: Sequence[str]) -> bool:
    return "photo" in names


def _unquoted(name: str) -> str:
    if len(name) > 2 and name[0] == name[-1] == '"' and not os.path.lexists(name):
        return name[1:-1].replace('""', '"')
    return name
