"""faces.npz <-> FaceTable: one column an array, no pickled objects, the same bytes for the same table."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.formats import npy
from facecluster.formats.table_fields import (
    ANEW,
    FORMAT,
    check_format,
    check_room,
    check_texts,
    room,
    settings_of,
    settings_text,
    sound,
    suspected,
)
from facecluster.table import (
    FACE_COLUMNS,
    MEASURED,
    PHOTO_COLUMNS,
    PLAIN,
    UNREADABLE,
    Column,
    Faces,
    FaceTable,
    Listed,
    Photos,
    Picture,
    Settings,
    check_column,
    listed,
    pictures,
)

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)
"""What zipfile and NumPy raise where a file is none, or is cut short."""

_PHOTO_COLUMNS = {f.name: f"photo_{f.name}" for f in fields(Photos)}

_FACE_COLUMNS = {f.name: f.name for f in fields(Faces)} | {"photo": "face_photo", "id": "face_id"}
"""Column of the file, by field of the table; in the order of the file."""


_LATER = ("coded", "pixels", "time_from", "zoned", "lost", "pages", "duration")
"""Columns of photos that an older facecluster did not write, or that are left out where they say nothing."""

_LATER_OF_FACES = ("anchor", "turned", *PLAIN, *MEASURED)
"""Columns of faces that it did not write either, or that are left out where they say nothing."""

_LONGEST_SETTINGS = 1 << 20
"""Letters."""


class _Kind(NamedTuple):
    """A kind of rows.

    Attributes:
        name: for messages.
        keys: column of the file, by field of the table.
        columns: what they hold.
        first: a column that is always there: it says how many rows there are.
        later: columns that may not be there.
    """

    name: str
    keys: Mapping[str, str]
    columns: Mapping[str, Column]
    first: str
    later: tuple[str, ...]


_PHOTOS = _Kind("Photos", _PHOTO_COLUMNS, PHOTO_COLUMNS, "path", _LATER)
_FACES = _Kind("Faces", _FACE_COLUMNS, FACE_COLUMNS, "photo", _LATER_OF_FACES)


class _Stored:
    """A column in the file, of which the head is read, and the values are not yet."""

    def __init__(self, archive: zipfile.ZipFile, key: str) -> None:
        info = archive.getinfo(f"{key}.npy")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("compressed in a way of its own")
        self._member = archive.open(info)
        self.head = npy.read_head(self._member)
        if info.file_size != self.head.length + self.head.nbytes:
            raise ValueError(f"{key} is not as long as it says")

    def values(self) -> NDArray[Any]:
        return npy.read_values(self._member, self.head)


class _File:
    """A file of columns: all heads are read, and found to fit each other, before any values are."""

    def __init__(self, file: BinaryIO) -> None:
        self._size = file.seek(0, io.SEEK_END)
        self._archive = zipfile.ZipFile(file)
        members = self._archive.namelist()
        self._members = frozenset(members)
        if len(self._members) < len(members):
            raise ValueError("a column that is there twice")
        if sum(info.compress_size for info in self._archive.infolist()) > self._size:
            raise ValueError("columns that lie in each other")

    def version(self) -> int:
        return int(self._single("format", "iu", 8))

    def settings(self) -> Settings:
        return settings_of(str(self._single("settings", "U", 4 * _LONGEST_SETTINGS)))

    def _single(self, key: str, kinds: str, longest: int) -> Any:
        """The value of an array that has only one, of some kinds of type, and up to some number of bytes."""
        column = _Stored(self._archive, key)
        if column.head.shape != () or column.head.dtype.kind not in kinds or column.head.nbytes > longest:
            raise ValueError(f"{key} is {column.head.dtype} {column.head.shape}")
        value = column.values()
        if "U" in kinds:
            check_texts(value.reshape(1))
        return value[()]

    def stored(self, kind: _Kind, names: Iterable[str] | None = None) -> dict[str, _Stored]:
        """The columns of a kind of rows, or some of them, without those that an older facecluster did not write."""
        found = {
            name: _Stored(self._archive, kind.keys[name])
            for name in names or kind.keys
            if name not in kind.later or f"{kind.keys[name]}.npy" in self._members
        }
        n_rows = next(iter(found[kind.first].head.shape), 0)
        for name, column in found.items():
            head = column.head
            check_column(f"{kind.name}.{name}", head.shape, head.dtype, n_rows, kind.columns[name])
        return found

    def read(self, *several: Mapping[str, _Stored]) -> list[dict[str, NDArray[Any]]]:
        """The values of columns."""
        n_bytes = sum(column.head.nbytes for columns in several for column in columns.values())
        check_room(n_bytes, self._size)
        return [{name: column.values() for name, column in columns.items()} for columns in several]


@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[_File]:
    """Open a file; whatever is wrong with it while the `with` statement lasts is a TableError."""
    try:
        yield _File(file)
    except KeyError as error:
        raise TableError(f"{name}: not a face table, or damaged: {error.args[0]}; {ANEW}") from error
    except _BROKEN as error:
        raise TableError(f"{name}: damaged or cut short ({error}); {ANEW}") from error
    except MemoryError as error:
        raise TableError(f"{name}: damaged, or too large for this machine's memory") from error


def read_npz(file: BinaryIO, name: str) -> FaceTable:
    """Read a table; raises TableError as `face_table.read` does."""
    with _opened(file, name) as columns:
        check_format(columns.version(), name)
        settings = columns.settings()
        photos, faces = columns.read(columns.stored(_PHOTOS), columns.stored(_FACES))
        n = faces["photo"].shape
        unsaid = {
            "anchor": faces["box"],
            "turned": np.zeros(n, np.float32),
            **{name: np.full(n, value, FACE_COLUMNS[name][1]) for name, value in PLAIN.items()},
            **dict.fromkeys(MEASURED, np.full(n, np.nan, np.float32)),
        }
        table = sound(
            Photos(**_unsaid(photos["path"], photos["status"]) | photos), Faces(**unsaid | faces), settings
        )
        if "lost" in photos:
            return table
        return suspected(table, (table.photos.status != UNREADABLE) & (table.photos.reason != ""))


def _unsaid(path: NDArray[Any], status: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What an older facecluster did not say of photos."""
    m = path.shape
    keys, zeros = np.zeros(m, "S32"), np.zeros(m, np.uint8)
    return {
        "coded": keys,
        "pixels": keys,
        "time_from": np.zeros(m, "U1"),
        "zoned": zeros,
        "lost": zeros,
        "pages": (status != UNREADABLE).astype(np.int32),
        "duration": np.full(m, np.nan),
    }


def read_npz_settings(file: BinaryIO, name: str) -> Settings:
    """Read the settings alone; raises TableError as `face_table.read` does."""
    with _opened(file, name) as columns:
        return columns.settings()


def read_npz_pictures(file: BinaryIO, name: str) -> dict[str, Picture]:
    """Read the pictures of the photos, by path, and little else; raises TableError as `face_table.read` does."""
    with _opened(file, name) as columns:
        (photos,) = columns.read(columns.stored(_PHOTOS, ("path", "size", "coded")))
        check_texts(photos["path"])
        coded = photos.get("coded", np.zeros(photos["path"].shape, "S32"))
        return pictures(photos["path"], photos["size"], coded)


def read_npz_listed(file: BinaryIO, name: str) -> list[Listed]:
    """Read the photos as lists have them, and little else; raises TableError as `face_table.read` does."""
    with _opened(file, name) as columns:
        names = ("path", "digest", "status", "reason", "time", "lost")
        (photos,) = columns.read(columns.stored(_PHOTOS, names))
        for text in ("path", "digest"):
            check_texts(photos[text])
        return listed(**{"lost": np.zeros(photos["path"].shape, np.uint8)} | photos)


def write_npz(table: FaceTable, stream: BinaryIO) -> None:
    """One column after the other; text is compressed, as its columns are as wide as the longest."""
    columns = {key: _narrow(column) for key, column in _columns(table)}
    n_text = sum(column.nbytes for column in columns.values() if column.dtype.kind == "U")
    n_stored = sum(column.nbytes for column in columns.values()) - n_text
    is_small = n_text + n_stored <= room(n_stored)  # else it would not be read
    with zipfile.ZipFile(stream, "w") as archive:
        for key, column in columns.items():
            member = zipfile.ZipInfo(f"{key}.npy")  # dated 1980, whenever it is written
            member.create_system = 3
            member.compress_type = zipfile.ZIP_STORED
            if column.dtype.kind == "U" and is_small:
                member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(column, order="C"), allow_pickle=False)


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    """A column of text no wider than its longest one."""
    if column.dtype.kind != "U":
        return column
    width = np.char.str_len(column).max(initial=1)
    return column.astype(f"<U{width}", copy=False)


def _columns(table: FaceTable) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "format", np.array(FORMAT)
    yield "settings", np.array(settings_text(table.settings))
    says_of_times = (table.photos.time_from != "").any()
    for field, key in _PHOTO_COLUMNS.items():
        if field in ("time_from", "zoned") and not says_of_times:
            continue
        if field == "duration" and not table.photos.is_video.any():
            continue
        if field == "pages" and np.array_equal(table.photos.pages, table.photos.status != UNREADABLE):
            continue
        yield key, getattr(table.photos, field)
    for field, key in _FACE_COLUMNS.items():
        if field == "anchor" and np.array_equal(table.faces.anchor, table.faces.box):
            continue  # an older facecluster writes the same file
        if field == "turned" and not table.faces.turned.any():
            continue
        if field in PLAIN and np.array_equal(
            column := getattr(table.faces, field), np.full_like(column, PLAIN[field]), equal_nan=True
        ):
            continue
        yield key, getattr(table.faces, field)
