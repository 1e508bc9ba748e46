"""Which faces pass as records: what check prints, and what its pictures are made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from facecluster.identity.check import Failure, Limit, find_failures, measure
from facecluster.result import Box, plain
from facecluster.table import OK, QUALITY_PARTS, FaceTable

if TYPE_CHECKING:
    from facecluster.photos.find import Found


@dataclass(frozen=True)
class CheckedFace:
    """A face and what is wrong with it.

    Attributes:
        number: 1 for the first face of its photo, in the order of the table.
        id: of the face, as in the face table.
        box: where in the photo; a side is None where it is unknown.
        nose: x, y of its tip in pixels of the upright photo at full size; None where unknown.
        values: every number that can have a limit, see `identity.check.measure`; None where unknown.
        failures: the limits that it fails; none: it passes.
    """

    number: int
    id: str
    box: Box
    nose: tuple[float, float] | None
    values: Mapping[str, float | None]
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether no limit fails."""
        return not self.failures


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo and its faces; the other attributes as in `table.Photos`.

    Attributes:
        faces: in the order of the table; none where it is not "ok".
    """

    path: str
    digest: str
    coded: str
    size: tuple[int, int]
    status: str
    reason: str
    faces: tuple[CheckedFace, ...]

    @property
    def passed(self) -> bool:
        """Whether there is a face, and no face fails."""
        return self.status == OK and all(face.passed for face in self.faces)


def check_photos(table: FaceTable, limits: Mapping[str, Limit]) -> Iterator[CheckedPhoto]:
    """Turn a table into records, one photo at a time, in the order of the table.

    Args:
        table: the faces.
        limits: by name of the number.
    """
    photos, faces = table.photos, table.faces
    values = measure(faces)
    failures = find_failures(values, limits)
    bounds = np.searchsorted(faces.photo, np.arange(len(photos) + 1)).tolist()
    for i, (start, stop) in enumerate(pairwise(bounds)):
        numbers = plain(np.stack([column[start:stop] for column in values.values()], axis=1))
        rows = zip(
            faces.id[start:stop].tolist(),
            plain(faces.box[start:stop]),
            plain(faces.landmarks[start:stop, 2]),
            numbers,
            islice(failures, stop - start),
            strict=True,
        )
        width, height = photos.size[i].tolist()
        yield CheckedPhoto(
            str(photos.path[i]),
            str(photos.digest[i]),
            photos.coded[i].decode(),
            (width, height),
            str(photos.status[i]),
            str(photos.reason[i]),
            tuple(
                CheckedFace(
                    number,
                    face_id,
                    Box(*box),
                    None if None in nose else (nose[0], nose[1]),
                    dict(zip(values, row, strict=True)),
                    failed,
                )
                for number, (face_id, box, nose, row, failed) in enumerate(rows, start=1)
            ),
        )


def to_json(photo: CheckedPhoto) -> Iterator[str]:
    """Write a photo as lines of JSON, one a face; one without a face where it has none. ASCII, unknown is null."""
    about = {"photo": photo.path, "status": photo.status, "reason": photo.reason or None}
    if not photo.faces:
        yield _line(about | {"face": None, "passed": False, "failures": []})
    for face in photo.faces:
        yield _line(
            about
            | {
                "face": face.number,
                "id": face.id,
                "box": face.box,
                "score": face.values["score"],
                "pose": {angle: face.values[angle] for angle in ("pitch", "yaw", "roll")},
                "quality": face.values["quality"],
                "parts": {part: face.values[part] for part in QUALITY_PARTS},
                "passed": face.passed,
                "failures": [_failure(failure) for failure in face.failures],
            }
        )


def others_json(found: Found) -> Iterator[str]:
    """Write a line of JSON of what was not looked at; none where there is nothing. It has no photo and no verdict."""
    if aside := found.aside():
        counts = {"not_looked_at": found.not_looked_at, "raw_shown": found.raw_shown}
        about = {"photo": None, "status": "not_looked_at", "reason": aside}
        yield _line(about | {"face": None, "passed": None, "failures": []} | counts)


def _failure(failure: Failure) -> dict[str, Any]:
    limit = failure.limit
    return {
        "name": failure.name,
        "value": _finite(failure.value),
        "low": _finite(limit.low),
        "high": _finite(limit.high),
        "strict": limit.strict,
        "excess": _finite(failure.excess),
        "text": failure.text,
    }


def _finite(number: float | None) -> float | None:
    return None if number is None or not np.isfinite(number) else number


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"
