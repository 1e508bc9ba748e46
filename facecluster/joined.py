"""What every explanation is made from: a result beside the numbers of its faces, and the bounds that it was made by."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.identity.gate import Limits, VideoRule
from facecluster.identity.groups import Groups
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach
from facecluster.identity.split import split_wide
from facecluster.result import Box, PersonFace, Result, UnclusteredFace, columns
from facecluster.table import Faces, FaceTable, settings_record


@dataclass(frozen=True)
class Bounds:
    """What a result was made by, as far as it explains it; see `identity.rules`.

    Attributes:
        eps: two faces this near may link.
        join: groups of many faces are one person's when they are this near, as root mean square.
        caution: squared distance by which two single faces must be nearer, in a library of this size; see
            `identity.rules.Reach`.
        growth: how much of it there is as the library is large.
        merges: whether groups that are so near were merged; else only faces joined.
        margin: a face that joins is nearer than to anybody else by at least this.
        min_samples: faces within eps, itself included, that let a face link others.
        gate: whether faces were judged by `limits`.
        limits: what a person must be founded on.
        same_photo: see `identity.rules.SamePhotoRule`.
        video: see `identity.rules.VideoRule`.
    """

    eps: float
    join: float
    caution: float
    growth: float
    merges: bool
    margin: float
    min_samples: int
    gate: bool
    limits: Limits
    same_photo: str
    video: VideoRule = "join"

    @property
    def reach(self) -> Reach:
        """How near groups must be."""
        return Reach(self.join, self.caution, self.growth)

    def joining(self, n: int) -> float:
        """At which distance, as root mean square, a face joins a group of n faces."""
        return float(self.reach.joining(float(max(n, 1))))

    def within(self, n: int, other: int) -> float:
        """At which distance, as root mean square, two groups of faces are one person's."""
        reach = self.reach
        squared = reach.radius**2 - reach.handicap(float(n)) - reach.handicap(float(other))
        return math.sqrt(max(squared, 0.0))


def bounds_of(result: Result) -> Bounds:
    """Take from a result's settings what it was made by.

    Raises:
        TableError: they do not say it.
    """
    rules = result.settings.rules
    if rules is None:
        raise TableError("the result does not say by which distances it was made; group the faces again")
    reach = rules.radii.reach(result.counts.faces)
    return Bounds(
        eps=rules.radii.eps,
        join=reach.radius,
        caution=reach.caution,
        growth=reach.growth,
        merges=rules.radii.caution > 0,
        margin=rules.radii.margin,
        min_samples=rules.min_samples,
        gate=rules.gate,
        limits=rules.limits,
        same_photo=rules.same_photo,
        video=rules.video,
    )


@dataclass(frozen=True)
class Who:
    """A person."""

    id: str
    name: str | None


@dataclass(frozen=True)
class End:
    """A face at the end of a pair."""

    id: str
    photo: str
    box: Box


@dataclass(frozen=True, eq=False)
class Known:
    """A result beside the numbers of its faces: n rows, those of each person in turn, then those without one.

    Attributes:
        result: see `Result`.
        bounds: what it was made by.
        records: (n) faces of the result.
        faces: (n) of the table; `photo` is the row in the table's photos.
        points: (n) the faces as distances see them.
        person: (n,) place in `result.people`, -1 none.
        core: (n,) bool, founded the person.
        people: of `Groups`, those with founding faces.
        place: (p,) of each group in `result.people`.
        part: (n,) int32 number in `parts` of each founding face, -1 for the others.
        parts: of `Groups`, the same, but of people whose founding faces are too far apart for a mean over all (somebody
            over many years, or whom somebody merged) one for each of the ages, or looks.
        whose: (q,) of each of `parts` the place in `result.people`.
        n_newer: faces of the table that the result does not have.
    """

    result: Result
    bounds: Bounds
    records: Sequence[PersonFace | UnclusteredFace]
    faces: Faces
    points: Points
    person: NDArray[np.int64]
    core: NDArray[np.bool_]
    people: Groups
    place: NDArray[np.int64]
    part: NDArray[np.int32]
    parts: Groups
    whose: NDArray[np.int64]
    n_newer: int

    @classmethod
    def of(cls, result: Result, table: FaceTable) -> Known:
        """Find the faces of a result in a table, by photo and id, or by id where photos have got other names.

        Raises:
            TableError: the table lacks some, was made with other settings, or the result does not say by what.
        """
        bounds = bounds_of(result)
        record, expected = settings_record(table.settings), settings_record(result.settings.faces)
        for key in ("detector", "encoder", "options", "models"):
            if expected[key] and expected[key] != record[key]:
                raise TableError(f"its {key} is {_short(record[key])}, not {_short(expected[key])}")
        faces = columns(result)
        paths = table.photos.path[table.faces.photo].tolist()
        row_of = {name: row for row, name in enumerate(zip(paths, table.faces.id.tolist(), strict=True))}
        rows = np.array(
            [row_of.get(name, -1) for name in zip(faces.photo, faces.id, strict=True)], dtype=np.intp
        )
        rows = _by_content(faces.id, rows, table)
        if n_lacking := int(np.count_nonzero(rows < 0)):
            raise TableError(f"it lacks {n_lacking} of the {len(rows)} faces of the result")
        placed = (face for person in result.people for face in person.faces)
        records: list[PersonFace | UnclusteredFace] = [*placed, *result.unclustered]
        core = np.array([isinstance(face, PersonFace) and face.core for face in records], dtype=np.bool_)
        person = faces.person.astype(np.int64)
        core &= np.isfinite(table.faces.encoding[rows]).all(axis=1)
        place, number = np.unique(person[core], return_inverse=True)
        label = np.full(len(rows), -1, dtype=np.int32)
        label[core] = number
        chosen = Faces(**{name: column[rows] for name, column in vars(table.faces).items()})
        points = Points.of(chosen.encoding, table.settings.encoder)
        people, n_newer = Groups.of(points, label), len(table.faces) - len(rows)
        wide = people.spread() > bounds.join
        parted = split_wide(points, label, wide, bounds.reach)
        first, part = np.unique(parted[core], return_index=True, return_inverse=True)[1:]
        whose, parted[core] = person[core][first], part
        parts = Groups.of(points, parted) if wide.any() else people
        return cls(
            result,
            bounds,
            records,
            chosen,
            points,
            person,
            core,
            people,
            place,
            parted,
            parts,
            whose,
            n_newer,
        )

    def who(self, place: int) -> Who:
        """The person at a place of `result.people`."""
        return Who(self.result.people[place].id, self.result.people[place].name)

    def founding(self, place: int) -> NDArray[np.intp]:
        """Rows of the founding faces of the person at a place of `result.people`."""
        return np.flatnonzero(self.core & (self.person == place))

    def end(self, row: int) -> End:
        """The face of a row."""
        face = self.records[row]
        return End(face.id, face.photo, face.box)


def _by_content(ids: Sequence[str], rows: NDArray[np.intp], table: FaceTable) -> NDArray[np.intp]:
    """Find the faces at row -1 by their ids, in rows of the table that are not taken."""
    if (rows >= 0).all():
        return rows
    free = defaultdict(list)
    for row in np.setdiff1d(np.arange(len(table.faces)), rows)[::-1].tolist():
        free[str(table.faces.id[row])].append(row)
    at = zip(ids, rows.tolist(), strict=True)
    return np.array(
        [free[face].pop() if row < 0 and free.get(face) else row for face, row in at], dtype=np.intp
    )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
