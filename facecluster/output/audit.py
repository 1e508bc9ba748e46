"""What is filed wrong, as records: what audit prints."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity import audit
from facecluster.identity.groups import rows_of
from facecluster.identity.metrics import near_pair
from facecluster.identity.search import Targets, confidence, find_nearest
from facecluster.output.records import Box
from facecluster.table import Faces, Photos


@dataclass(frozen=True)
class FiledFace:
    """A face and the label that it is filed under; the rest as in `records.PersonFace`."""

    id: str
    photo: str
    box: Box
    label: str


@dataclass(frozen=True)
class Misfiled:
    """Faces that are filed under one label and look like another.

    Attributes:
        label: that they are filed under.
        looks_like: the other.
        n_faces: of the one and of the other label.
        own_distance: root mean square, to the faces that most of `label` is; None where there are no others.
        distance: ... to those that most of `looks_like` is.
        confidence: of `distance`, 0..100: see `identity.search.confidence`.
        faces: the ones, which are alike; mostly one.
        beside: the face of `looks_like` that is near to one of them, to look at.
    """

    label: str
    looks_like: str
    n_faces: tuple[int, int]
    own_distance: float | None
    distance: float
    confidence: float
    faces: tuple[FiledFace, ...]
    beside: FiledFace


@dataclass(frozen=True)
class OnePerson:
    """Two labels that are one person.

    Attributes:
        labels: of more faces first.
        n_faces: of each.
        distance: root mean square, between the faces that most of each is.
        confidence: of it, 0..100.
        faces: one of each, near to each other.
    """

    labels: tuple[str, str]
    n_faces: tuple[int, int]
    distance: float
    confidence: float
    faces: tuple[FiledFace, FiledFace]


@dataclass(frozen=True)
class TwoPeople:
    """A label that is two people, the second of whom belongs to no other label.

    Attributes:
        label: its text.
        n_faces: of the one and of the other; equal if nobody can say which of them the label is.
        distance: root mean square, between the ones and the others.
        confidence: of it, 0..100: low.
        faces: of the other.
        beside: a face of the one.
    """

    label: str
    n_faces: tuple[int, int]
    distance: float
    confidence: float
    faces: tuple[FiledFace, ...]
    beside: FiledFace


@dataclass(frozen=True)
class Match:
    """A face that is like another, how far it is, and the confidence of that, 0..100."""

    id: str
    photo: str
    label: str
    distance: float
    confidence: float


@dataclass(frozen=True)
class GroupFace:
    """A face of a group; `matches` are the most like it in or outside of the group, nearest first."""

    id: str
    photo: str
    box: Box
    label: str
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Group:
    """Two or more faces of which every pair matches; `labels` says how many are of each, most first."""

    labels: Mapping[str, int]
    faces: tuple[GroupFace, ...]


@dataclass(frozen=True)
class Audit:
    """What is filed wrong, and the groups.

    Attributes:
        faces: that were compared: those with a label, if asked for of some labels only.
        labels: different ones.
        left_out: faces without a label, of another label than was asked for, or without an encoding.
        cluster_threshold, output_threshold: confidences of groups and of matches, 0..100.
        misfiled, one_person, two_people: see there; by label.
        groups: the largest first.
    """

    faces: int
    labels: int
    left_out: int
    cluster_threshold: float
    output_threshold: float
    misfiled: tuple[Misfiled, ...]
    one_person: tuple[OnePerson, ...]
    two_people: tuple[TwoPeople, ...]
    groups: tuple[Group, ...]

    @property
    def all_right(self) -> bool:
        """Whether nothing is filed wrong."""
        return not (self.misfiled or self.one_person or self.two_people)


def make_audit(
    faces: Faces,
    photos: Photos,
    encoder: str,
    label: NDArray[np.int64],
    labels: Sequence[str],
    *,
    cluster_threshold: float,
    output_threshold: float,
    max_results: int,
    jobs: int | None = -1,
) -> Audit:
    """Compare faces with their labels.

    Args:
        faces: n faces.
        photos: that they are in.
        encoder: of the encodings.
        label: (n,) number of the label of each face; -1: it is left out.
        labels: texts, by number.
        cluster_threshold: confidence 0..100 that every pair of a group has at least.
        output_threshold: ... that a match has at least.
        max_results: matches of a face, at most; 0 is none.
        jobs: threads; None is one, -1 all cores.
    """
    kept = np.flatnonzero((label >= 0) & np.isfinite(faces.encoding).all(axis=1))
    used, label = np.unique(label[kept], return_inverse=True)
    label, names = label.reshape(-1).astype(np.int64), [labels[number] for number in used.tolist()]
    encoding = faces.encoding[kept]
    size = np.bincount(label, minlength=len(names)).tolist()
    group = audit.complete_groups(encoding, audit.radius_at(cluster_threshold, encoder), jobs=jobs)
    found = audit.judge(encoding, label, group, audit.bounds_of(encoder, len(kept)), jobs=jobs)

    def face(row: int) -> FiledFace:
        place = int(kept[row])
        left, top, right, bottom = faces.box[place].tolist()
        photo = str(photos.path[faces.photo[place]])
        return FiledFace(str(faces.id[place]), photo, Box(left, top, right, bottom), names[label[row]])

    def look(one: NDArray[np.intp], other: NDArray[np.intp]) -> tuple[FiledFace, FiledFace]:
        i, j, _ = near_pair(encoding[one], encoding[other])
        return face(int(one[i])), face(int(other[j]))

    def worth(distance: float) -> float:
        return round(float(confidence(distance, encoder)), 2)

    return Audit(
        faces=len(kept),
        labels=len(names),
        left_out=len(faces) - len(kept),
        cluster_threshold=cluster_threshold,
        output_threshold=output_threshold,
        misfiled=tuple(
            Misfiled(
                label=names[verdict.label],
                looks_like=names[verdict.belongs],
                n_faces=(size[verdict.label], size[verdict.belongs]),
                own_distance=None if math.isnan(verdict.own) else round(verdict.own, 4),
                distance=round(verdict.other, 4),
                confidence=worth(verdict.other),
                faces=tuple(map(face, verdict.rows.tolist())),
                beside=look(verdict.rows, verdict.beside)[1],
            )
            for verdict in found.misfiled
        ),
        one_person=tuple(
            OnePerson(
                labels=(names[one.labels[0]], names[one.labels[1]]),
                n_faces=(size[one.labels[0]], size[one.labels[1]]),
                distance=round(one.distance, 4),
                confidence=worth(one.distance),
                faces=look(*one.rows),
            )
            for one in found.one_person
        ),
        two_people=tuple(
            TwoPeople(
                label=names[two.label],
                n_faces=(len(two.rows[0]), len(two.rows[1])),
                distance=round(two.distance, 4),
                confidence=worth(two.distance),
                faces=tuple(map(face, two.rows[1].tolist())),
                beside=look(*two.rows)[0],
            )
            for two in found.two_people
        ),
        groups=_groups(group, encoding, encoder, face, output_threshold, max_results, jobs),
    )


def _groups(
    group: NDArray[np.int32],
    encoding: NDArray[np.float32],
    encoder: str,
    face: Callable[[int], FiledFace],
    threshold: float,
    number: int,
    jobs: int | None,
) -> tuple[Group, ...]:
    """Make records of the groups of two or more, the largest first, each face with its matches."""
    groups = sorted(
        (rows for rows in rows_of(group) if len(rows) > 1), key=lambda rows: (-len(rows), rows[0])
    )
    if not groups:
        return ()
    asked = np.concatenate(groups)
    matches = _matches(encoding, asked, encoder, threshold, number, jobs)
    records = []
    for rows in groups:
        of = [face(row) for row in rows.tolist()]
        labels = Counter(one.label for one in of)
        found = (
            tuple(
                Match((other := face(row)).id, other.photo, other.label, round(distance, 4), round(worth, 2))
                for row, distance, worth in matches[int(mine)]
            )
            for mine in rows
        )
        records.append(
            Group(
                dict(labels.most_common()),
                tuple(
                    GroupFace(one.id, one.photo, one.box, one.label, theirs)
                    for one, theirs in zip(of, found, strict=True)
                ),
            )
        )
    return tuple(records)


def _matches(
    encoding: NDArray[np.float32],
    asked: NDArray[np.intp],
    encoder: str,
    threshold: float,
    number: int,
    jobs: int | None,
) -> dict[int, list[tuple[int, float, float]]]:
    """Find the rows that are most like each of some, how far they are, and the confidence of that; nearest first."""
    if number == 0:
        return {row: [] for row in asked.tolist()}
    found = find_nearest(encoding[asked], Targets.of_faces(encoding), number + 1, jobs=jobs)
    worth = confidence(found.distance, encoder)
    keep = (found.row >= 0) & (found.row != asked[:, None]) & (worth >= threshold)
    return {
        mine: [
            (int(found.row[i, j]), float(found.distance[i, j]), float(worth[i, j]))
            for j in np.flatnonzero(keep[i])[:number].tolist()
        ]
        for i, mine in enumerate(asked.tolist())
    }


def to_json(record: Audit) -> str:
    """Write strict JSON, ASCII only; unknown is null."""
    return json.dumps(record, default=_plain, indent=1, allow_nan=False) + "\n"


def _plain(value: object) -> dict[str, object]:
    return {"all_right": value.all_right, **vars(value)} if isinstance(value, Audit) else vars(value)
