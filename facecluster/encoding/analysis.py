"""What is known of one photo, and how that becomes rows of a face table, or a record of a journal, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.table import MEASURED, UNREADABLE, Faces, FaceTable, Photos, Settings

FACE = np.dtype(
    [
        ("box", "<f4", 4),
        ("anchor", "<f4", 4),
        ("score", "<f4"),
        ("landmarks", "<f4", (5, 2)),
        ("pose", "<f4", 3),
        ("quality", "<f4"),
    ]
    + [(name, "<f4") for name in MEASURED]
    + [("encoding", "<f4", 128)]
)
"""A row of `table.Faces` without the columns that depend on where its photo stands in the table."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known about one photo by its content.

    Attributes:
        size, status, reason, time, hash, lost: as in `table.Photos`.
        faces: (n,) of `FACE`, by descending score.
        ids: (n,) str, as in `table.Faces`, of faces from a table, where others of the photo were left out or forgotten;
            None: these are all, and the numbers in their ids go up from 0.
    """

    size: tuple[int, int]
    status: str
    reason: str
    time: float
    hash: int
    faces: NDArray[np.void]
    ids: NDArray[np.str_] | None = None
    lost: int = 0


Row: TypeAlias = tuple[str, str, Analysis]
"""A photo: path, digest, and what is known by content."""


def unreadable(reason: str) -> Analysis:
    """All that is known about a photo that cannot be read; the reason in one line."""
    return Analysis((0, 0), UNREADABLE, " ".join(reason.split()), np.nan, 0, np.empty(0, FACE))


def make_table(rows: Sequence[Row], settings: Settings) -> FaceTable:
    """Put rows together.

    The columns are made one at a time, so that no second copy of all faces is ever made.

    Args:
        rows: m photos, at least one, with n faces in all, in the order of the table.
        settings: what the faces were found and encoded with.

    Returns:
        m rows of photos, n of faces.
    """
    analyses = [analysis for _, _, analysis in rows]
    m = len(rows)
    counts = [len(analysis.faces) for analysis in analyses]
    return FaceTable(
        Photos(
            path=np.array([path for path, _, _ in rows], dtype=str),
            digest=np.array([digest for _, digest, _ in rows], dtype=str),
            size=np.array([analysis.size for analysis in analyses], dtype=np.int32).reshape(m, 2),
            status=np.array([analysis.status for analysis in analyses], dtype=str),
            reason=np.array([analysis.reason for analysis in analyses], dtype=str),
            time=np.array([analysis.time for analysis in analyses], dtype=np.float64),
            hash=np.array([analysis.hash for analysis in analyses], dtype=np.uint64),
            lost=np.array([analysis.lost for analysis in analyses], dtype=np.uint8),
        ),
        Faces(
            photo=np.repeat(np.arange(m, dtype=np.int32), counts),
            id=np.array(
                [face_id for _, digest, analysis in rows for face_id in _ids(digest, analysis)], dtype=str
            ),
            **{
                name: np.concatenate([analysis.faces[name] for analysis in analyses]).astype(np.float32)
                for name in FACE.fields or ()
            },
        ),
        settings,
    )


def _ids(digest: str, analysis: Analysis) -> list[str]:
    """Name the faces of a photo."""
    if analysis.ids is not None:
        return [str(face_id) for face_id in analysis.ids.tolist()]
    return [f"{digest}-{i}" for i in range(len(analysis.faces))]


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
        photo.size,
        photo.status,
        photo.reason,
        photo.time,
        photo.hash,
        photo.lost,
    )
    for i, (path, digest, size, status, reason, time, bits, lost) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        own = slice(bounds[i], bounds[i + 1])
        ids = table.faces.id[own]
        yield path, digest, Analysis((size[0], size[1]), status, reason, time, bits, faces[own], ids, lost)


def pack(digest: str, analysis: Analysis) -> bytes:
    """Turn what was found in a photo now into a record of the journal: a line of JSON, then n rows of `FACE`.

    `ids` and `lost` are left out: they are of faces from a table. forget looks for the digest in the file as it is.
    """
    known = (digest, analysis.size, analysis.status, analysis.reason, analysis.time, analysis.hash)
    return json.dumps(known).encode() + b"\n" + analysis.faces.tobytes()


def unpack(record: bytes) -> tuple[str, Analysis]:
    """Read back what `pack` made: the photo's digest, and what was found."""
    line, _, faces = record.partition(b"\n")
    digest, (width, height), status, reason, time, bits = json.loads(line)
    return digest, Analysis((width, height), status, reason, time, bits, np.frombuffer(faces, FACE))
