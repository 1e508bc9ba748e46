"""faces.npz <-> FaceTable: one column an array, no pickled objects, the same bytes for the same table."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.formats.table_fields import (
    FORMAT,
    check_format,
    settings_of,
    settings_text,
    sound,
    suspected,
)
from facecluster.table import (
    MEASURED,
    UNREADABLE,
    Faces,
    FaceTable,
    Photos,
    Settings,
)

_PHOTO_COLUMNS = {f.name: f"photo_{f.name}" for f in fields(Photos)}

_FACE_COLUMNS = {f.name: f.name for f in fields(Faces)} | {"photo": "face_photo", "id": "face_id"}
"""Column of the file, by field of the table; in the order of the file."""


_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    TypeError,
    NotImplementedError,
    RuntimeError,
)
"""What zipfile and NumPy raise where a file is none, or is cut short."""

_LATER = ("coded", "pixels", "lost")
"""Columns of photos that an older facecluster did not write."""

_LATER_OF_FACES = ("anchor", "turned", *MEASURED)
"""Columns of faces that it did not write either, or that are left out where they say nothing."""


def read_npz(file: BinaryIO, name: str) -> FaceTable:
    """Read a table; raises TableError as `face_table.read` does."""
    try:
        with zipfile.ZipFile(file) as archive:

            def column(key: str) -> NDArray[Any]:
                info = archive.getinfo(f"{key}.npy")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError("compressed in a way of its own")
                with archive.open(info) as member:
                    values: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
                return values

            check_format(column("format")[()], name)
            members = set(archive.namelist())
            face_columns = {
                field: column(key)
                for field, key in _FACE_COLUMNS.items()
                if field not in _LATER_OF_FACES or f"{key}.npy" in members
            }
            face_columns.setdefault("anchor", face_columns["box"])
            face_columns.setdefault("turned", np.zeros(face_columns["photo"].shape, np.float32))
            unknown = np.full(face_columns["photo"].shape, np.nan, np.float32)
            photo_columns = {
                field: column(key)
                for field, key in _PHOTO_COLUMNS.items()
                if field not in _LATER or f"{key}.npy" in members
            }
            m = photo_columns["path"].shape
            unsaid = {
                "coded": np.zeros(m, "S32"),
                "pixels": np.zeros(m, "S32"),
                "lost": np.zeros(m, np.uint8),
            }
            table = sound(
                Photos(**unsaid | photo_columns),
                Faces(**dict.fromkeys(MEASURED, unknown) | face_columns),
                settings_of(str(column("settings")[()])),
            )
        if "lost" in photo_columns:
            return table
        return suspected(table, (table.photos.status != UNREADABLE) & (table.photos.reason != ""))
    except KeyError as error:
        raise TableError(
            f"{name}: not a face table, or damaged: {error.args[0]}; run encode again"
        ) from error
    except _BROKEN as error:
        raise TableError(f"{name}: damaged or cut short ({error}); run encode again") from error
    except MemoryError as error:
        raise TableError(f"{name}: damaged, or too large for this machine's memory") from error


def read_npz_settings(file: BinaryIO, name: str) -> Settings:
    """Read the settings alone; raises TableError as `face_table.read` does."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open("settings.npy") as member:
            text = np.lib.format.read_array(member, allow_pickle=False)
        return settings_of(str(text[()]))
    except (KeyError, *_BROKEN) as error:
        raise TableError(f"{name}: damaged or cut short ({error}); run encode again") from error


def read_npz_photos(file: BinaryIO, name: str, *columns: str) -> list[NDArray[Any]]:
    """Read some columns of the photos, first the path; raises TableError as `face_table.read` does."""
    found = list[NDArray[Any]]()
    try:
        with zipfile.ZipFile(file) as archive:
            members = set(archive.namelist())
            for column in columns:
                name_of_file = f"{_PHOTO_COLUMNS[column]}.npy"
                if column in ("coded", "pixels") and name_of_file not in members:
                    found.append(np.zeros(len(found[0]), "S32"))
                    continue
                with archive.open(name_of_file) as member:
                    found.append(np.lib.format.read_array(member, allow_pickle=False))
    except (KeyError, *_BROKEN) as error:
        raise TableError(f"{name}: damaged or cut short ({error}); run encode again") from error
    return found


def write_npz(table: FaceTable, stream: BinaryIO) -> None:
    """One column after the other; text is compressed, as its columns are as wide as the longest."""
    with zipfile.ZipFile(stream, "w") as archive:
        for key, column in _columns(table):
            member = zipfile.ZipInfo(f"{key}.npy")  # dated 1980, whenever it is written
            member.create_system = 3
            member.compress_type = zipfile.ZIP_STORED
            if column.dtype.kind == "U":
                member.compress_type = zipfile.ZIP_DEFLATED
                width = np.char.str_len(column).max(initial=1)
                column = column.astype(f"<U{width}", copy=False)
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(column, order="C"), allow_pickle=False)


def _columns(table: FaceTable) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "format", np.array(FORMAT)
    yield "settings", np.array(settings_text(table.settings))
    for field, key in _PHOTO_COLUMNS.items():
        yield key, getattr(table.photos, field)
    for field, key in _FACE_COLUMNS.items():
        if field == "anchor" and np.array_equal(table.faces.anchor, table.faces.box):
            continue  # an older facecluster writes the same file
        if field == "turned" and not table.faces.turned.any():
            continue
        yield key, getattr(table.faces, field)
