"""faces.npz and faces.pickle <-> FaceTable, by what the file holds or is called.

    read(path or stream) -> FaceTable      the content says which of the two it is
    write(table, path or stream)           the suffix says it; a stream gets npz

npz is the format of record: one column an array, no pickled objects, the same bytes for the same table. The pickle
is for programs that know the older encode_faces.py; it has no rows for photos without faces.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, cast

from facecluster.durable.denied import why_unread
from facecluster.durable.lock import is_stream
from facecluster.durable.own_file import OWNER_ONLY
from facecluster.durable.whole_file import cannot_write, whole_file
from facecluster.errors import TableError, UsageError
from facecluster.formats import unpickle
from facecluster.formats.legacy_pickle import from_rows, write_pickle
from facecluster.formats.npz import (
    read_npz,
    read_npz_listed,
    read_npz_pictures,
    read_npz_settings,
    write_npz,
)
from facecluster.table import FaceTable, Listed, Picture, Settings

_Part = TypeVar("_Part")


def read(source: str | Path | BinaryIO) -> FaceTable:
    """Read a face table.

    A number that an older facecluster did not measure is NaN; a column that is not known here is left out. Where it is
    not said which faces of a photo are lost, and some may be, all kinds are assumed (`table.Photos.lost`).

    Args:
        source: a path, or a binary stream, which need not be seekable.

    Raises:
        TableError: no such file, not a face table, damaged, or written by a newer format.
        UnsafePickleError: a pickle that wants more than NumPy arrays; nothing in it was run.
    """
    if isinstance(source, (str, Path)):
        try:
            with Path(source).open("rb") as file:
                return _read(file, str(source))
        except OSError as error:
            raise TableError(
                f"{source or 'an empty name'}: cannot be read: {why_unread(source, error)}"
            ) from error
    return _read(source, str(getattr(source, "name", "standard input")))


def read_settings(path: Path) -> Settings:
    """Read what a face table was made with; of an npz without the rest.

    Raises:
        TableError: as `read` raises it.
    """
    return _read_part(path, read_npz_settings, lambda table: table.settings)


def read_pictures(path: Path) -> dict[str, Picture]:
    """Read the pictures of the photos of a table, by path. Of npz little else is read.

    Raises:
        TableError: as `read` raises it.
    """
    return _read_part(path, read_npz_pictures, lambda table: table.photos.pictures())


def read_listed(path: Path) -> list[Listed]:
    """Read the photos of a table as lists have them, see `table.listed`. Of npz little else is read.

    Raises:
        TableError: as `read` raises it.
    """
    return _read_part(path, read_npz_listed, lambda table: table.photos.listed())


def _read_part(
    path: Path, of_npz: Callable[[BinaryIO, str], _Part], of_table: Callable[[FaceTable], _Part]
) -> _Part:
    """Read a part of a table: of an npz alone, of a pickle with all of it."""
    try:
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                return of_npz(file, str(path))
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {why_unread(path, error)}") from error
    return of_table(read(path))


def write(table: FaceTable, target: str | Path | BinaryIO) -> None:
    """Write a face table, all of it or nothing. A new file is for its owner alone.

    Args:
        table: what to write.
        target: a path that ends as `format_of` says, or a binary stream, which gets npz and need not be seekable.

    Raises:
        UsageError: the path ends otherwise.
        OutputError: disk full, no permission, no such folder.
    """
    if not isinstance(target, (str, Path)):
        write_npz(table, target)
        target.flush()
        return
    write_format = write_npz if format_of(target) == "npz" else write_pickle
    with whole_file(Path(target), permissions=OWNER_ONLY) as file:
        write_format(table, file)


def format_of(path: str | Path) -> Literal["npz", "pickle"]:
    """Say what `write` makes of a path.

    Raises:
        UsageError: it ends in neither .npz nor .pickle nor .pkl.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return "npz"
    if suffix in (".pickle", ".pkl"):
        return "pickle"
    raise UsageError(f"{path}: a face table's name ends in .npz or .pickle")


def _read(stream: BinaryIO, name: str) -> FaceTable:
    """Tell npz from pickle by the first bytes."""
    with _seekable(stream) as file:
        start = file.read(4)
        file.seek(-len(start), io.SEEK_CUR)
        if start[:2] == b"PK":
            return read_npz(file, name)
        if start[:1] in (b"\x80", b"]", b"("):  # protocol 2 and later; a list in 1 and in 0
            rows = unpickle.load_rows(file, name)
            return from_rows(rows, name, file.seek(0, io.SEEK_END))
    what = "not a face table, neither npz nor pickle" if start else "empty"
    raise TableError(f"{name}: {what}; make one with facecluster encode")


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give the stream itself, or a temporary file of what a pipe delivers."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as file:
        try:
            shutil.copyfileobj(stream, file)
        except OSError as error:
            raise TableError(
                f"the piped face table does not fit into {tempfile.gettempdir()}: {error.strerror}; "
                "set TMPDIR to a folder with more space, or use a file"
            ) from error
        file.seek(0)
        yield cast("BinaryIO", file)  # on Windows it is only like one


def check_output(output: Path) -> None:
    """Make the folder of a table, and find out before hours of work that it cannot be written.

    Raises:
        UsageError: the name ends in no format of a table.
        OutputError: it is a folder, or its folder cannot be made or written.
    """
    format_of(output)
    folder = output.parent
    if output.is_dir():
        raise cannot_write(output, OSError(errno.EISDIR, ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(output, error) from error
    if not os.access(folder, os.W_OK | os.X_OK) and not is_stream(output):
        raise cannot_write(output, OSError(errno.EACCES, ""))
