"""faces.npz and faces.pickle <-> FaceTable, and files that are either whole or not there.

    read(path or stream) -> FaceTable      the content says which of the two it is
    write(table, path or stream)           the suffix says it; a stream gets npz
    whole_file(path)                       a file that takes its name only once it is complete

npz is the format of record: one column an array, no pickled objects, the same bytes for the same table. The pickle
is for programs that know the older encode_faces.py; it has no rows for photos without faces.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import secrets
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from facecluster import unpickle
from facecluster.errors import OutputError, TableError, UsageError
from facecluster.table import (
    LOST,
    LOST_CENTRAL,
    LOST_LARGEST,
    MEASURED,
    OK,
    UNREADABLE,
    Faces,
    FaceTable,
    Photos,
    Settings,
    gaps,
)

FORMAT = 1
"""Of the face table, in both kinds of file. Readers accept this and older ones."""

_PHOTO_COLUMNS = {f.name: f"photo_{f.name}" for f in fields(Photos)}
_FACE_COLUMNS = {f.name: f.name for f in fields(Faces)} | {"photo": "face_photo", "id": "face_id"}
"""Column of the file, by field of the table; in the order of the file."""

PART = ".facecluster-*.part"
"""Names of unfinished files; one that stays behind belongs to a process that was killed."""


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
                f"{source or 'an empty name'}: cannot be read: {error.strerror or error}"
            ) from error
    return _read(source, str(getattr(source, "name", "standard input")))


def write(table: FaceTable, target: str | Path | BinaryIO) -> None:
    """Write a face table, all of it or nothing.

    Args:
        table: what to write.
        target: a path that ends as `format_of` says, or a binary stream, which gets npz and need not be seekable.

    Raises:
        UsageError: the path ends otherwise.
        OutputError: disk full, no permission, no such folder.
    """
    if not isinstance(target, (str, Path)):
        _write_npz(table, target)
        target.flush()
        return
    write_format = _write_npz if format_of(target) == "npz" else _write_pickle
    with whole_file(Path(target)) as file:
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


@contextmanager
def whole_file(
    path: Path, *, sync: bool = True, ready: Callable[[Path], None] | None = None
) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is complete, and leaves no trace if that fails.

    Args:
        path: where it goes; a symbolic link is followed. A device or pipe is written to as it is.
        sync: wait for the disk, so that after a power cut the file is whole too.
        ready: called with the path of the complete file, just before it takes its place.

    Raises:
        OutputError: in place of any OSError while writing.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("wb") as file:
                yield file
            return
        part = target.with_name(PART.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}"))
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            if ready is not None:
                ready(part)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Say what the system's error means for someone who waits for `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            why = "the disk is full; free some space, or choose another place"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            why = "no permission; choose another place, or change its permissions"
        case errno.ENOENT | errno.ENOTDIR:
            why = f"{path.parent} is not a folder; make it, or choose another place"
        case errno.EISDIR:
            why = "it is a folder; give a file name"
        case _:
            why = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written: {why}")


# ---------------------------------------------------------------------------------------------------- reading


def _read(stream: BinaryIO, name: str) -> FaceTable:
    """Tell npz from pickle by the first bytes."""
    with _seekable(stream) as file:
        start = file.read(4)
        file.seek(-len(start), io.SEEK_CUR)
        if start[:2] == b"PK":
            return _read_npz(file, name)
        if start[:1] in (b"\x80", b"]", b"("):  # protocol 2 and later; a list in 1 and in 0
            return _from_rows(unpickle.load_rows(file, name), name)
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
        yield file


def _read_npz(file: BinaryIO, name: str) -> FaceTable:
    try:
        with zipfile.ZipFile(file) as archive:

            def column(key: str) -> NDArray[Any]:
                info = archive.getinfo(f"{key}.npy")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError("compressed in a way of its own")
                with archive.open(info) as member:
                    values: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
                return values

            _check_format(column("format")[()], name)
            members = set(archive.namelist())
            face_columns = {
                field: column(key)
                for field, key in _FACE_COLUMNS.items()
                if field not in MEASURED or f"{key}.npy" in members
            }
            unknown = np.full(face_columns["photo"].shape, np.nan, np.float32)
            photo_columns = {
                field: column(key)
                for field, key in _PHOTO_COLUMNS.items()
                if field != "lost" or f"{key}.npy" in members
            }
            none = np.zeros(photo_columns["path"].shape, np.uint8)
            table = _sound(
                Photos(**{"lost": none} | photo_columns),
                Faces(**dict.fromkeys(MEASURED, unknown) | face_columns),
                _settings(str(column("settings")[()])),
            )
        if "lost" in photo_columns:
            return table
        return _suspected(table, (table.photos.status != UNREADABLE) & (table.photos.reason != ""))
    except KeyError as error:
        raise TableError(
            f"{name}: not a face table, or damaged: {error.args[0]}; run encode again"
        ) from error
    except (
        zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, NotImplementedError, RuntimeError
    ) as error:  # fmt: skip
        raise TableError(f"{name}: damaged or cut short ({error}); run encode again") from error
    except MemoryError as error:
        raise TableError(f"{name}: damaged, or too large for this machine's memory") from error


def _check_format(version: object, name: str) -> None:
    """Refuse what a later facecluster wrote."""
    if not isinstance(version, (int, np.integer)):
        raise ValueError(f"format is {version!r}")
    if version > FORMAT:
        raise TableError(
            f"{name}: written by format {version}, this facecluster reads up to {FORMAT}; "
            "upgrade, or run encode again"
        )


def _sound(photos: Photos, faces: Faces, settings: Settings) -> FaceTable:
    """Raises ValueError for what fits no table; a face may lack any number but its box."""
    if not np.isfinite(faces.box).all():
        raise ValueError("a face without a box")
    return FaceTable(photos, faces, settings)


def _suspected(table: FaceTable, suspects: NDArray[np.bool_]) -> FaceTable:
    """Say that the main face of a photo may be lost where others are, in a table that does not know.

    Args:
        table: m photos.
        suspects: (m,) photos of which other columns say that faces are not there.
    """
    missing = suspects | gaps(table.faces.photo, table.faces.id.tolist(), len(table.photos))
    lost = np.where(missing, LOST | LOST_LARGEST | LOST_CENTRAL, 0).astype(np.uint8)
    return replace(table, photos=replace(table.photos, lost=lost))


def _settings(text: str) -> Settings:
    """Raises ValueError where the text is no settings."""
    match json.loads(text):
        case {
            "detector": str(detector),
            "encoder": str(encoder),
            "options": dict(options),
            "models": dict(models),
            "versions": dict(versions),
        }:
            return Settings(detector, encoder, options, models, versions)
        case _:
            raise ValueError("settings without detector, encoder, options, models, versions")


# ---------------------------------------------------------------------------------------------------- writing


def _write_npz(table: FaceTable, stream: BinaryIO) -> None:
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
    yield "settings", np.array(_settings_text(table.settings))
    for field, key in _PHOTO_COLUMNS.items():
        yield key, getattr(table.photos, field)
    for field, key in _FACE_COLUMNS.items():
        yield key, getattr(table.faces, field)


def settings_record(settings: Settings) -> dict[str, Any]:
    """The settings as JSON has them."""
    return {
        "detector": settings.detector,
        "encoder": settings.encoder,
        "options": dict(settings.options),
        "models": dict(settings.models),
        "versions": dict(settings.versions),
    }


def _settings_text(settings: Settings) -> str:
    return json.dumps(settings_record(settings), sort_keys=True)


# ------------------------------------------------------------------------------------------------------ pickle


def _write_pickle(table: FaceTable, stream: BinaryIO) -> None:
    pickle.dump(_rows(table), stream, protocol=4)


def _rows(table: FaceTable) -> list[dict[str, Any]]:
    """One dictionary a face: first what the older cluster_faces.py reads, then all the rest of the table."""
    photos, faces, settings = table.photos, table.faces, _settings_text(table.settings)
    paths = photos.path.tolist()
    of_photo = [
        {"digest": digest, "size": tuple(size), "time": time, "hash": bits, "lost": lost}
        for digest, size, time, bits, lost in zip(
            photos.digest.tolist(),
            photos.size.tolist(),
            photos.time.tolist(),
            photos.hash.tolist(),
            photos.lost.tolist(),
            strict=True,
        )
    ]
    rows = []
    for i, photo in enumerate(faces.photo.tolist()):
        left, top, right, bottom = np.rint(faces.box[i]).astype(int).tolist()
        width, height = of_photo[photo]["size"]
        if width and height:
            left, right = min(max(left, 0), width), min(max(right, 0), width)
            top, bottom = min(max(top, 0), height), min(max(bottom, 0), height)
        row = {
            "imagePath": paths[photo],
            "loc": (top, right, bottom, left),
            "encoding": faces.encoding[i].astype(np.float64),
            "pose": dict(zip(("pitch", "yaw", "roll"), faces.pose[i].tolist(), strict=True)),
            "quality": float(faces.quality[i]),
            "id": str(faces.id[i]),
            "box": tuple(faces.box[i].tolist()),
            "score": float(faces.score[i]),
            "landmarks": faces.landmarks[i].astype(np.float64),
            **{name: float(getattr(faces, name)[i]) for name in MEASURED},
            "photo": of_photo[photo],
            "settings": settings,
            "format": FORMAT,
        }
        rows.append(row)
    return rows


def _from_rows(rows: list[dict[str, Any]], name: str) -> FaceTable:
    """The table of a pickle, ours or the older script's, which has only imagePath, loc and encoding.

    What is not there is NaN, 0 or "". Such a face's id is made of its photo's path in place of the content.
    """
    for row in rows:
        _check_format(row.get("format", FORMAT), name)
    try:
        paths = [_absolute(row) for row in rows]
        index: dict[str, int] = {}
        photo = np.array([index.setdefault(path, len(index)) for path in paths], dtype=np.int32)
        order = np.argsort(photo, kind="stable")
        rows, photo = [rows[i] for i in order], photo[order]
        first = np.unique(photo, return_index=True)[1].tolist()
        known = [rows[i].get("photo", {}) for i in first]
        table = _sound(_photos(list(index), known), _faces(rows, photo, list(index)), _one_settings(rows))
        if all("lost" in photo for photo in known):
            return table
        return _suspected(table, np.full(len(known), "check" in table.settings.options))
    except KeyError as error:
        raise TableError(f"{name}: a face without {error}; run encode again") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise TableError(f"{name}: not a face table, or damaged: {error}; run encode again") from error


def _absolute(row: Mapping[str, Any]) -> str:
    path = row["imagePath"]
    if not isinstance(path, str) or "\0" in path:
        raise ValueError("an imagePath that is no text")
    return str(Path(path).absolute())


def _one_settings(rows: list[dict[str, Any]]) -> Settings:
    texts = {row.get("settings") for row in rows} or {None}
    if len(texts) > 1:
        raise ValueError("faces made with different settings in one file")
    text = texts.pop()
    return Settings(detector="", encoder="dlib") if text is None else _settings(text)


def _photos(paths: list[str], known: list[dict[str, Any]]) -> Photos:
    """All have faces, so all are ok."""
    m = len(paths)
    return Photos(
        path=np.array(paths, dtype=str),
        digest=np.array([str(photo.get("digest", "")) for photo in known], dtype=str),
        size=np.array([photo.get("size", (0, 0)) for photo in known], dtype=np.int32).reshape(m, 2),
        status=np.full(m, OK),
        reason=np.full(m, ""),
        time=np.array([photo.get("time", np.nan) for photo in known], dtype=np.float64),
        hash=np.array([photo.get("hash", 0) for photo in known], dtype=np.uint64),
        lost=np.array([photo.get("lost", 0) for photo in known], dtype=np.uint8),
    )


def _faces(rows: list[dict[str, Any]], photo: NDArray[np.int32], paths: list[str]) -> Faces:
    n = len(rows)
    columns = {
        "box": np.full((n, 4), np.nan, np.float32),
        "landmarks": np.full((n, 5, 2), np.nan, np.float32),
        "pose": np.full((n, 3), np.nan, np.float32),
        "encoding": np.full((n, 128), np.nan, np.float32),
    } | {part: np.full(n, np.nan, np.float32) for part in ("score", "quality", *MEASURED)}
    ids, ordinal = [], 0
    for i, row in enumerate(rows):
        top, right, bottom, left = _numbers(row["loc"], (4,)).tolist()
        values = {"box": (left, top, right, bottom), "encoding": row["encoding"]}
        values |= {key: row[key] for key in columns if row.get(key) is not None}
        pose = values.get("pose")
        if isinstance(pose, dict):
            values["pose"] = (pose["pitch"], pose["yaw"], pose["roll"])
        for key, value in values.items():
            columns[key][i] = _numbers(value, columns[key].shape[1:])
        ordinal = ordinal + 1 if i and photo[i] == photo[i - 1] else 0
        ids.append(str(row["id"]) if "id" in row else f"{_path_digest(paths[photo[i]])}-{ordinal}")
    return Faces(photo=photo, id=np.array(ids, dtype=str), **columns)


def _numbers(value: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A number, an array, or a flat sequence of numbers, checked before NumPy looks into it."""
    plain = isinstance(value, (int, float)) or (
        isinstance(value, (list, tuple)) and all(isinstance(item, (int, float)) for item in value)
    )
    if not plain and not (isinstance(value, np.ndarray) and value.dtype.kind in "biuf"):
        raise ValueError(f"expected numbers of shape {shape}, got {type(value).__name__}")
    with np.errstate(over="ignore"):
        numbers = np.asarray(value, dtype=np.float64).astype(np.float32)
    if numbers.shape != shape:
        raise ValueError(f"expected numbers of shape {shape}, got {numbers.shape}")
    return numbers


def _path_digest(path: str) -> str:
    """Stands in for a content digest that nobody took."""
    return hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()
