"""FILE and LIBRARY, as verbs take them: a face table, a folder of results or its record, and the table of a result."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from facecluster.errors import TableError, UsageError
from facecluster.library.layout import TABLE, folder_of, group_again, is_result, table_of
from facecluster.library.read import read
from facecluster.text import many, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.joined import Known
    from facecluster.library.refer import Look, Spelling
    from facecluster.result import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

table_option = click.option(
    "--table",
    "table_file",
    metavar="FILE",
    help=f"Face table that LIBRARY was made from.  [default: as LIBRARY says, or {TABLE} beside it]",
)
"""For verbs that need the numbers of a result's faces; the command gets it as `table_file`."""


def read_table(source: str) -> FaceTable:
    """Read a face table, of standard input where the source is "-"."""
    from facecluster.formats import face_table

    if source == "-" and sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a face table in, or give FILE")
    table = face_table.read(sys.stdin.buffer if source == "-" else source)
    warn_if_outdated(table, "standard input" if source == "-" else source)
    return table


def spelling_of(source: str) -> Spelling | None:
    """Say how photos and faces of a result are written; None for a face table, which has no short names."""
    from facecluster.library.refer import Spelling

    return Spelling(read(source)) if is_result(source) else None


def list_unreadable(*sources: str) -> str:
    """Give what is typed to list, with the reasons, the photos of a face table, or of folders, that cannot be read."""
    found = "findstr unreadable" if os.name == "nt" else "grep '\"unreadable\"'"
    return f"facecluster check {' '.join(map(typed, sources))} -q --json | {found}"


def refuse_table(source: str, table_file: str | None) -> None:
    """Make sure that no face table is named beside one.

    Raises:
        UsageError: it is.
    """
    if table_file is not None:
        raise UsageError(
            f"{source}: is taken for a face table; leave --table {table_file} out, or give a result"
        )


def known_faces(result: Result, source: str, table_file: str | None) -> tuple[Known, FaceTable]:
    """Read the face table that a result was made from.

    Raises:
        TableError: it is gone, or another one is in its place; the message says what to do.
    """
    from facecluster.formats import face_table
    from facecluster.joined import Known, bounds_of

    try:
        bounds_of(result)
    except TableError as error:
        raise TableError(f"{source}: {error}: {group_again(folder_of(source), result)}") from error
    file = table_file or table_of(result, folder_of(source))
    if file is None:
        beside = str(folder_of(source) / TABLE)
        named = [place for place in (result.settings.table, beside) if place is not None]
        raise TableError(
            f"{source}: its face table is gone ({' and '.join(dict.fromkeys(named))}), and distances cannot be told "
            f"without; give it with --table FILE, or make it anew: facecluster run PHOTOS -o {typed(folder_of(source))}"
        )
    table = face_table.read(file)
    try:
        known = Known.of(result, table)
    except TableError as error:
        raise TableError(
            f"{file}: not the face table that {source} was made from: {error}; give that one with --table FILE, or "
            f"group its faces: facecluster cluster {typed(file)} -o {typed(folder_of(source))}"
        ) from error
    if known.n_newer:
        _log.warning(
            "%s: has %s that %s does not know; to have them placed: facecluster cluster %s -o %s",
            file,
            many(known.n_newer, "face"),
            source,
            typed(file),
            typed(folder_of(source)),
        )
    return known, table


def look_in(result: Result, source: str, table_file: str | None = None) -> Look:
    """Say where to look for what somebody means by a photo or a group; the face table is read where it is needed."""
    from facecluster.formats import face_table
    from facecluster.library.look import look_at

    def table() -> FaceTable | None:
        file = table_file or table_of(result, folder_of(source))
        try:
            return None if file is None else face_table.read(file)
        except TableError:
            return None  # who needs its numbers says why

    return look_at(folder_of(source), result, table)


def warn_if_outdated(table: FaceTable, name: str) -> None:
    """Say that pose and quality of a table mean something else than today."""
    known = table.faces.quality == table.faces.quality
    if table.settings.outdated and known.any():
        _log.warning(
            "%s: an older facecluster measured pose and quality by other formulas; encode --fresh measures them anew",
            name,
        )
