"""faces.pickle <-> FaceTable, for programs that know the older encode_faces.py.

It has no rows for photos without faces.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.formats.table_fields import (
    ANEW,
    FORMAT,
    check_format,
    check_room,
    settings_of,
    settings_text,
    sound,
    suspected,
)
from facecluster.table import (
    FACE_COLUMNS,
    MEASURED,
    OK,
    PLAIN,
    Faces,
    FaceTable,
    Photos,
    Settings,
)

_FACE_BYTES = 1024
"""What a face takes in memory, more or less."""


def write_pickle(table: FaceTable, stream: BinaryIO) -> None:
    """Write the rows of a table as a list of dictionaries, one a face."""
    pickle.dump(_rows(table), stream, protocol=4)


def _rows(table: FaceTable) -> list[dict[str, Any]]:
    """One dictionary a face: first what the older cluster_faces.py reads, then all the rest of the table."""
    photos, faces, settings = table.photos, table.faces, settings_text(table.settings)
    paths = photos.path.tolist()
    of_photo = [
        {
            "digest": digest,
            "coded": coded.decode(),
            "pixels": pixels.decode(),
            "size": tuple(size),
            "time": time,
            **({"time_from": tag, "zoned": zoned} if tag else {}),
            "hash": bits,
            "lost": lost,
            **({} if pages == 1 else {"pages": pages}),
            **({} if duration != duration else {"duration": duration}),
        }
        for digest, coded, pixels, size, time, tag, zoned, bits, lost, pages, duration in zip(
            photos.digest.tolist(),
            photos.coded.tolist(),
            photos.pixels.tolist(),
            photos.size.tolist(),
            photos.time.tolist(),
            photos.time_from.tolist(),
            photos.zoned.tolist(),
            photos.hash.tolist(),
            photos.lost.tolist(),
            photos.pages.tolist(),
            photos.duration.tolist(),
            strict=True,
        )
    ]
    unmoved = (faces.anchor == faces.box).all(axis=1).tolist()
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
            **_where(faces, i),
            "box": tuple(faces.box[i].tolist()),
            **({} if unmoved[i] else {"anchor": tuple(faces.anchor[i].tolist())}),
            **({"turned": float(faces.turned[i])} if faces.turned[i] else {}),
            "score": float(faces.score[i]),
            "landmarks": faces.landmarks[i].astype(np.float64),
            **{name: float(getattr(faces, name)[i]) for name in MEASURED},
            "photo": of_photo[photo],
            "settings": settings,
            "format": FORMAT,
        }
        rows.append(row)
    return rows


def _where(faces: Faces, i: int) -> dict[str, float]:
    """Where in its file a face is, as far as that is not where a face of a plain photo is."""
    values = {name: getattr(faces, name)[i].item() for name in PLAIN}
    return {name: value for name, value in values.items() if value == value and value != PLAIN[name]}


def from_rows(rows: list[dict[str, Any]], name: str, size: int) -> FaceTable:
    """The table of a pickle, ours or the older script's, which has only imagePath, loc and encoding.

    What is not there is NaN, 0 or "". Such a face's id is made of its photo's path in place of the content.

    Args:
        rows: as `unpickle.load_rows` gives them: a value may be anything.
        name: of the file, for messages.
        size: of it, in bytes.
    """
    try:
        for row in rows:
            check_format(row.get("format", FORMAT), name)
        named = [_text(row, "imagePath") for row in rows]
        absolute = {path: str(Path(path).absolute()) for path in set(named)}
        index: dict[str, int] = {}
        photo = np.array([index.setdefault(absolute[path], len(index)) for path in named], dtype=np.int32)
        order = np.argsort(photo, kind="stable")
        rows, photo = [rows[i] for i in order], photo[order]
        first = np.unique(photo, return_index=True)[1].tolist()
        known = [_of_photo(rows[i]) for i in first]
        ids = _ids(rows, photo, list(index))
        digests = [_text(one, "digest", "") for one in known]
        widest = [(len(some), max(map(len, some), default=0)) for some in ([*index], digests, ids)]
        check_room(len(rows) * _FACE_BYTES + 4 * sum(n * width for n, width in widest), size)
        table = sound(_photos([*index], digests, known), _faces(rows, photo, ids), _one_settings(rows))
        if all("lost" in photo for photo in known):
            return table
        return suspected(table, np.full(len(known), "check" in table.settings.options))
    except KeyError as error:
        raise TableError(f"{name}: a face without {error}; {ANEW}") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise TableError(f"{name}: not a face table, or damaged: {error}; {ANEW}") from error


def _text(record: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A text of a record; what is no text is not made one, as it may be without end."""
    text = record[key] if default is None else record.get(key, default)
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"an {key} that is no text")
    return text


def _number(record: Mapping[str, Any], key: str, default: float) -> float | int:
    number = record.get(key, default)
    if not isinstance(number, (int, float)):
        raise ValueError(f"a {key} that is no number")
    return number


def _of_photo(row: Mapping[str, Any]) -> dict[str, Any]:
    photo = row.get("photo", {})
    if not isinstance(photo, dict):
        raise ValueError("a photo about which nothing is said")
    return photo


def _one_settings(rows: list[dict[str, Any]]) -> Settings:
    texts = {None if row.get("settings") is None else _text(row, "settings") for row in rows} or {None}
    if len(texts) > 1:
        raise ValueError("faces made with different settings in one file")
    text = texts.pop()
    return Settings(detector="", encoder="dlib") if text is None else settings_of(text)


def _photos(paths: list[str], digests: list[str], known: list[dict[str, Any]]) -> Photos:
    """All have faces, so all are ok."""
    m = len(paths)
    return Photos(
        path=np.array(paths, dtype=str),
        digest=np.array(digests, dtype=str),
        coded=_keys(known, "coded"),
        pixels=_keys(known, "pixels"),
        size=np.array([_size(photo) for photo in known], dtype=np.int32).reshape(m, 2),
        status=np.full(m, OK),
        reason=np.full(m, ""),
        time=np.array([_number(photo, "time", np.nan) for photo in known], dtype=np.float64),
        time_from=np.array([_text(photo, "time_from", "") for photo in known], dtype=str),
        zoned=np.array([_number(photo, "zoned", 0) for photo in known], dtype=np.uint8),
        hash=np.array([_number(photo, "hash", 0) for photo in known], dtype=np.uint64),
        lost=np.array([_number(photo, "lost", 0) for photo in known], dtype=np.uint8),
        pages=np.array([_number(photo, "pages", 1) for photo in known], dtype=np.int32),
        duration=np.array([_number(photo, "duration", np.nan) for photo in known], dtype=np.float64),
    )


def _keys(known: list[dict[str, Any]], name: str) -> NDArray[np.bytes_]:
    """Digests by which photos are known; b"" where an older facecluster did not take them."""
    return np.array([_text(photo, name, "").encode("ascii", "replace") for photo in known], dtype="S32")


def _size(photo: Mapping[str, Any]) -> tuple[int, int]:
    match photo.get("size", (0, 0)):
        case (int(width), int(height)):
            return width, height
    raise ValueError("a photo of no size")


def _ids(rows: list[dict[str, Any]], photo: NDArray[np.int32], paths: list[str]) -> list[str]:
    ids, ordinal = list[str](), 0
    for i, row in enumerate(rows):
        ordinal = ordinal + 1 if i and photo[i] == photo[i - 1] else 0
        ids.append(_text(row, "id") if "id" in row else f"{path_digest(paths[photo[i]])}-{ordinal}")
    return ids


def _faces(rows: list[dict[str, Any]], photo: NDArray[np.int32], ids: list[str]) -> Faces:
    n = len(rows)
    columns: dict[str, NDArray[Any]] = {
        "box": np.full((n, 4), np.nan, np.float32),
        "anchor": np.full((n, 4), np.nan, np.float32),
        "landmarks": np.full((n, 5, 2), np.nan, np.float32),
        "pose": np.full((n, 3), np.nan, np.float32),
        "turned": np.zeros(n, np.float32),
        "encoding": np.full((n, 128), np.nan, np.float32),
    }
    columns |= {part: np.full(n, np.nan, np.float32) for part in ("score", "quality", *MEASURED)}
    columns |= {name: np.full(n, value, FACE_COLUMNS[name][1]) for name, value in PLAIN.items()}
    for i, row in enumerate(rows):
        top, right, bottom, left = _numbers(row["loc"], (4,)).tolist()
        values = {"box": (left, top, right, bottom), "encoding": row["encoding"]}
        values |= {key: row[key] for key in columns if row.get(key) is not None}
        values.setdefault("anchor", values["box"])
        pose = values.get("pose")
        if isinstance(pose, dict):
            values["pose"] = (pose["pitch"], pose["yaw"], pose["roll"])
        for key, value in values.items():
            columns[key][i] = _numbers(value, columns[key].shape[1:])
    return Faces(photo=photo, id=np.array(ids, dtype=str), **columns)


def _numbers(value: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A number, an array, or a flat sequence of numbers, checked before NumPy looks into it."""
    if isinstance(value, np.ndarray):
        there, is_plain = value.shape, value.dtype.kind in "biuf"
    elif isinstance(value, (list, tuple)):
        there, is_plain = (len(value),), all(isinstance(item, (int, float)) for item in value)
    else:
        there, is_plain = (), isinstance(value, (int, float))
    if not is_plain or there != shape:
        got = there if is_plain else type(value).__name__
        raise ValueError(f"expected numbers of shape {shape}, got {got}")
    with np.errstate(over="ignore"):
        return np.asarray(value, dtype=np.float64).astype(np.float32)


def path_digest(path: str) -> str:
    """Stands in for a content digest that nobody took."""
    return hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()
