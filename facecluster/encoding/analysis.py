"""What is known of one photo, and how that becomes rows of a face table, or a record of a journal, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.dated import UNDATED, When
from facecluster.identity.edited import into_turned
from facecluster.table import (
    FACE_COLUMNS,
    MEASURED,
    STATUSES,
    UNREADABLE,
    Faces,
    FaceTable,
    Photos,
    Settings,
    turn_pose,
)
from facecluster.text import can_be_named

FACE = np.dtype(
    [
        ("page", "<i4"),
        ("time_s", "<f4"),
        ("track", "<i4"),
        ("from_s", "<f4"),
        ("to_s", "<f4"),
        ("box", "<f4", 4),
        ("anchor", "<f4", 4),
        ("score", "<f4"),
        ("landmarks", "<f4", (5, 2)),
        ("pose", "<f4", 3),
        ("turned", "<f4"),
        ("quality", "<f4"),
    ]
    + [(name, "<f4") for name in MEASURED]
    + [("encoding", "<f4", 128)]
)
"""A row of `table.Faces` without the columns that depend on where its photo stands in the table."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known about one photo by its picture.

    Attributes:
        digest, pixels, size, status, reason, hash, lost, pages, duration: as in `table.Photos`. `digest` is "" until it
            is decided which photo this is, see `identify`.
        when: it was taken.
        faces: (n,) of `FACE`, by page and time, and there by descending score, see `in_order`.
        ids: (n,) str, as in `table.Faces`; None: not decided yet.
        looks: `picture.hashes` of the picture in its eight orientations, the first of which is `hash`; empty where it
            was not looked at now.
        first: digest of the pixels of page 0 alone, by which a photo of several is known whose first page was all that
            an earlier table knew; "" of a photo of one page, and where it was not looked at now.
    """

    digest: str
    pixels: str
    size: tuple[int, int]
    status: str
    reason: str
    when: When
    hash: int
    faces: NDArray[np.void]
    ids: NDArray[np.str_] | None = None
    lost: int = 0
    looks: tuple[int, ...] = ()
    pages: int = 1
    duration: float = math.nan
    first: str = ""


class Row(NamedTuple):
    """A photo of a table: its path, the digest of its coded picture ("" unknown), and what is known by its picture."""

    path: str
    coded: str
    analysis: Analysis


def unreadable(reason: str) -> Analysis:
    """All that is known about a photo that cannot be read; the reason in one line."""
    return Analysis(
        "", "", (0, 0), UNREADABLE, " ".join(reason.split()), UNDATED, 0, np.empty(0, FACE), pages=0
    )


def in_order(faces: NDArray[np.void]) -> NDArray[np.intp]:
    """Give the order in which (n,) faces of a photo stand in a table -> (n,) rows."""
    return np.lexsort((-faces["score"], np.nan_to_num(faces["time_s"]), faces["page"]))


def laid(faces: NDArray[np.void], old: tuple[int, int], new: tuple[int, int], k: int) -> NDArray[np.void]:
    """Lay faces of a photo into the photo that lies like it in orientation k, as `identity.edited.orient` has them.

    Args:
        faces: (n,) of `FACE`, in pixels of the old photo.
        old: width, height of it.
        new: width, height of the new one.
        k: 0 to 3: `numpy.rot90(new, k)` is the old one; 4 to 7: `numpy.rot90(new[:, ::-1], k - 4)`.

    Returns:
        (n,) of `FACE` with other boxes, landmarks, poses, and `turned`; the anchors stay.
    """
    faces = faces.copy()
    box = into_turned(faces["box"].reshape(-1, 2, 2), old, new, k)
    faces["box"] = np.concatenate([box.min(axis=1), box.max(axis=1)], axis=1)
    faces["landmarks"] = into_turned(faces["landmarks"], old, new, k)
    clockwise = np.full(len(faces), 90.0 * (k % 4), np.float32)
    faces["pose"] = turn_pose(faces["pose"], clockwise)
    faces["turned"] += clockwise
    if k >= 4:  # in a mirror the right eye is the left one
        faces["landmarks"] = faces["landmarks"][:, [1, 0, 2, 4, 3]]
        faces["pose"] *= (1, -1, -1)
        faces["turned"] *= -1
    faces["turned"] %= 360
    return faces


def make_table(rows: Sequence[Row], settings: Settings) -> FaceTable:
    """Put rows together.

    The columns are made one at a time, so that no second copy of all faces is ever made.

    Args:
        rows: m photos with n faces in all, in the order of the table.
        settings: what the faces were found and encoded with.

    Returns:
        m rows of photos, n of faces.
    """
    analyses = [row.analysis for row in rows]
    m = len(rows)
    counts = [len(analysis.faces) for analysis in analyses]
    none = [np.empty(0, FACE)]
    return FaceTable(
        Photos(
            path=np.array([row.path for row in rows], dtype=str),
            digest=np.array([analysis.digest for analysis in analyses], dtype=str),
            coded=np.array([row.coded.encode() for row in rows], dtype="S32"),
            pixels=np.array([analysis.pixels.encode() for analysis in analyses], dtype="S32"),
            size=np.array([analysis.size for analysis in analyses], dtype=np.int32).reshape(m, 2),
            status=np.array([analysis.status for analysis in analyses], dtype=str),
            reason=np.array([analysis.reason for analysis in analyses], dtype=str),
            time=np.array([analysis.when.time for analysis in analyses], dtype=np.float64),
            time_from=np.array([analysis.when.tag for analysis in analyses], dtype=str),
            zoned=np.array([analysis.when.zoned for analysis in analyses], dtype=np.uint8),
            hash=np.array([analysis.hash for analysis in analyses], dtype=np.uint64),
            lost=np.array([analysis.lost for analysis in analyses], dtype=np.uint8),
            pages=np.array([analysis.pages for analysis in analyses], dtype=np.int32),
            duration=np.array([analysis.duration for analysis in analyses], dtype=np.float64),
        ),
        Faces(
            photo=np.repeat(np.arange(m, dtype=np.int32), counts),
            id=np.array([face for analysis in analyses for face in ids_of(analysis)], dtype=str),
            **{
                name: np.concatenate(
                    [analysis.faces[name] for analysis in analyses] or [none[0][name]]
                ).astype(FACE_COLUMNS[name][1])
                for name in FACE.fields or ()
            },
        ),
        settings,
    )


def ids_of(analysis: Analysis) -> list[str]:
    """Name the faces of a photo: those they have, else its digest with numbers from 0."""
    if analysis.ids is not None:
        return [str(face_id) for face_id in analysis.ids.tolist()]
    return [f"{analysis.digest}-{i}" for i in range(len(analysis.faces))]


def rows_of(table: FaceTable) -> Iterator[Row]:
    """Take a table apart again.

    Yields:
        m times a photo with its faces, in the order of the table; their ids are those they have there.
    """
    photo, faces = table.photos, np.empty(len(table.faces), FACE)
    for name in FACE.fields or ():
        faces[name] = getattr(table.faces, name)
    bounds = np.searchsorted(table.faces.photo, np.arange(len(photo) + 1))
    columns = (
        photo.path,
        photo.digest,
        photo.coded.astype(str),
        photo.pixels.astype(str),
        photo.size,
        photo.status,
        photo.reason,
        photo.time,
        photo.time_from,
        photo.zoned,
        photo.hash,
        photo.lost,
        photo.pages,
        photo.duration,
    )
    for i, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        path, digest, coded, pixels, size, status, reason, time, tag, zoned, bits, lost, pages, duration = (
            values
        )
        own = slice(bounds[i], bounds[i + 1])
        ids = table.faces.id[own]
        when = When(time, tag, bool(zoned))
        known = Analysis(
            digest,
            pixels,
            (size[0], size[1]),
            status,
            reason,
            when,
            bits,
            faces[own],
            ids,
            lost,
            pages=pages,
            duration=duration,
        )
        yield Row(path, coded, known)


_Packed = tuple[str, str, tuple[int, int], str, str, float, int, tuple[int, ...], int, float, str]
"""What stands in the line of a record of the journal."""


def pack(coded: str, analysis: Analysis) -> bytes:
    """Turn what was found in a photo now into a record of the journal: a line of JSON, then n rows of `FACE`.

    What is decided later is left out: which photo it is, the ids of its faces, and which of them are lost. What says
    when it was taken is looked at again, as other files than the photo's may say it.
    """
    known = (
        coded,
        analysis.pixels,
        analysis.size,
        analysis.status,
        analysis.reason,
        analysis.when.time,
        analysis.hash,
        analysis.looks,
        analysis.pages,
        analysis.duration,
        analysis.first,
    )
    return json.dumps(known).encode() + b"\n" + analysis.faces.tobytes()


def unpack(record: bytes) -> tuple[str, Analysis]:
    """Read back what `pack` made: the digest of the coded picture, and what was found.

    Raises:
        ValueError: it is none.
    """
    line, _, faces = record.partition(b"\n")
    coded, pixels, size, status, reason, time, bits, looks, pages, duration, first = msgspec.convert(
        json.loads(line), _Packed
    )
    known = (coded + pixels + first).isascii() and status in STATUSES and can_be_named(reason)
    if not (known and 0 <= bits < 1 << 64 and min(*size, pages) >= 0 and max(*size, pages) < 1 << 31):
        raise ValueError("it says of a photo what cannot be")
    found = np.frombuffer(faces, FACE)
    return coded, Analysis(
        "",
        pixels,
        size,
        status,
        reason,
        When(time),
        bits,
        found,
        looks=looks,
        pages=pages,
        duration=duration,
        first=first,
    )
