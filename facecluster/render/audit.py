"""What is filed wrong, as records: what audit prints."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity import audit
from facecluster.identity.groups import rows_of
from facecluster.identity.metrics import near_pair
from facecluster.identity.points import Points
from facecluster.identity.search import Targets, confidence, find_nearest
from facecluster.joined import Who
from facecluster.result import Box
from facecluster.table import Faces, Photos
from facecluster.text import fold

NO_LABEL, OTHER_LABEL, LOST_LABEL = -1, -2, -3
"""In place of the number of a label: there is none, or one that is not looked at; or it is that of another face of the
photo, which is not in the table (any more)."""


@dataclass(frozen=True)
class FiledFace:
    """A face and the label that it is filed under; the rest as in `records.PersonFace`."""

    id: str
    photo: str
    box: Box
    label: str


@dataclass(frozen=True)
class MisfiledRecord:
    """Faces that are filed under one label and look like another.

    Attributes:
        label: that they are filed under.
        looks_like: the other.
        n_faces: of the one and of the other label.
        own_distance: root mean square, to the faces that most of `label` is; None where there are no others.
        distance: ... to those that most of `looks_like` is.
        confidence: of `distance`, per cent, 0..100: see `identity.search.confidence`.
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
class OnePersonRecord:
    """Two labels that are one person.

    Attributes:
        labels: of more faces first.
        n_faces: of each.
        distance: root mean square, between the faces that most of each is.
        confidence: of it, per cent, 0..100.
        faces: one of each, near to each other.
    """

    labels: tuple[str, str]
    n_faces: tuple[int, int]
    distance: float
    confidence: float
    faces: tuple[FiledFace, FiledFace]


@dataclass(frozen=True)
class TwoPeopleRecord:
    """A label that is two people, the second of whom belongs to no other label.

    Attributes:
        label: its text.
        n_faces: of the one and of the other; equal if nobody can say which of them the label is.
        distance: root mean square, between the ones and the others.
        confidence: of it, per cent, 0..100: low.
        faces: of the other.
        beside: a face of the one.
    """

    label: str
    n_faces: tuple[int, int]
    distance: float
    confidence: float
    faces: tuple[FiledFace, ...]
    beside: FiledFace


@dataclass(frozen=True, eq=False)
class People:
    """Whose the faces are in a result: (n,) place of each in `all`, -1 nobody's."""

    person: NDArray[np.int64]
    all: Sequence[Who]


@dataclass(frozen=True)
class SeveralNames:
    """A person whose faces have two labels or more, or a label that is not the person's name.

    Attributes:
        whose: the person.
        labels: of more faces first.
        n_faces: of each.
        faces: those that are not called as the person is, or if nobody is called so, as most are.
    """

    whose: Who
    labels: tuple[str, ...]
    n_faces: tuple[int, ...]
    faces: tuple[FiledFace, ...]


@dataclass(frozen=True)
class SeveralPeople:
    """A label that faces of two people or more have, or of one while another has it for a name.

    Attributes:
        label: its text.
        people: of more faces first.
        n_faces: of each with the label.
        faces: one of each who has any.
    """

    label: str
    people: tuple[Who, ...]
    n_faces: tuple[int, ...]
    faces: tuple[FiledFace, ...]


@dataclass(frozen=True)
class Disputed:
    """A face that programs call several things.

    Attributes:
        face: its label is the first name.
        labels: of more files first.
        said_in: the files that say each.
    """

    face: FiledFace
    labels: tuple[str, ...]
    said_in: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class AlikeFace:
    """A face that is like another, how far it is, and the confidence of that, per cent, 0..100."""

    id: str
    photo: str
    label: str
    distance: float
    confidence: float


@dataclass(frozen=True)
class ComparedFace:
    """A face; `matches` are the most like it of all that were compared, nearest first."""

    id: str
    photo: str
    box: Box
    label: str
    matches: tuple[AlikeFace, ...]


@dataclass(frozen=True)
class Group:
    """Two or more faces of which every pair matches; `labels` says how many are of each, most first."""

    labels: Mapping[str, int]
    faces: tuple[ComparedFace, ...]


@dataclass(frozen=True)
class Audit:
    """What is filed wrong, and the groups. Each face that was compared is in one of them, or alone.

    Attributes:
        faces: that were compared: those with a label, if asked for of some labels only.
        labels: different ones.
        left_out: faces that were not compared.
        why_left_out: how many of them have "no_label", "other_label" (than was asked for), "lost_label" (of a face that
            is not in the table any more), or "no_encoding".
        cluster_threshold, output_threshold: confidences of groups and of matches, per cent, 0..100.
        misfiled, one_person, two_people: see there; by label.
        several_names, several_people: see there; in the order of the people, and by label. None: it was not asked of
            whom the faces are.
        disputed: faces without a label, as programs call them several things. None: labels are no program's.
        groups: the largest first.
        alone: faces of no group.
    """

    faces: int
    labels: int
    left_out: int
    why_left_out: Mapping[str, int]
    cluster_threshold: float
    output_threshold: float
    misfiled: tuple[MisfiledRecord, ...]
    one_person: tuple[OnePersonRecord, ...]
    two_people: tuple[TwoPeopleRecord, ...]
    several_names: tuple[SeveralNames, ...] | None
    several_people: tuple[SeveralPeople, ...] | None
    disputed: tuple[Disputed, ...] | None
    groups: tuple[Group, ...]
    alone: tuple[ComparedFace, ...]

    @property
    def all_right(self) -> bool:
        """Whether nothing is filed wrong."""
        at_odds = self.several_names or self.several_people or self.disputed
        return not (self.misfiled or self.one_person or self.two_people or at_odds)


def make_audit(
    faces: Faces,
    photos: Photos,
    encoder: str,
    label: NDArray[np.int64],
    labels: Sequence[str],
    people: People | None = None,
    disputed: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
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
        label: (n,) number of the label of each face; below 0: why it is left out, see `NO_LABEL`.
        labels: texts, by number.
        people: whose they are in a result, to find labels that are at odds with it.
        disputed: files by label, by id of a face; see `Audit`.
        cluster_threshold: confidence, per cent, 0..100, that every pair of a group has at least.
        output_threshold: ... that a match has at least.
        max_results: matches of a face, at most; 0 is none.
        jobs: threads; None is one, -1 all cores.
    """
    why = {
        "no_label": label == NO_LABEL,
        "other_label": label == OTHER_LABEL,
        "lost_label": label == LOST_LABEL,
        "no_encoding": (label >= 0) & ~np.isfinite(faces.encoding).all(axis=1),
    }
    kept = np.flatnonzero((label >= 0) & np.isfinite(faces.encoding).all(axis=1))
    used, label = np.unique(label[kept], return_inverse=True)
    label, names = label.reshape(-1).astype(np.int64), [labels[number] for number in used.tolist()]
    points = Points.of(faces.encoding[kept], encoder)
    size = np.bincount(label, minlength=len(names)).tolist()
    group = audit.complete_groups(points, audit.radius_at(cluster_threshold, encoder), jobs=jobs)
    groups, alone = _groups(group), np.flatnonzero(np.bincount(group)[group] == 1)
    found = audit.judge(points, label, group, audit.bounds_of(encoder, len(kept)), jobs=jobs)

    def face(row: int) -> FiledFace:
        place = int(kept[row])
        left, top, right, bottom = faces.box[place].tolist()
        photo = str(photos.path[faces.photo[place]])
        return FiledFace(str(faces.id[place]), photo, Box(left, top, right, bottom), names[label[row]])

    def look(one: NDArray[np.intp], other: NDArray[np.intp]) -> tuple[FiledFace, FiledFace]:
        i, j, _ = near_pair(points[one], points[other])
        return face(int(one[i])), face(int(other[j]))

    def worth(distance: float) -> float:
        return round(float(confidence(distance, encoder)), 2)

    matches = _matches(points, encoder, output_threshold, max_results, jobs)

    def compared(rows: NDArray[np.intp]) -> tuple[ComparedFace, ...]:
        return tuple(
            ComparedFace(
                one.id, one.photo, one.box, one.label, tuple(match(*found) for found in matches(row))
            )
            for row in rows.tolist()
            for one in [face(row)]
        )

    def match(row: int, distance: float, worth: float) -> AlikeFace:
        other = face(row)
        return AlikeFace(other.id, other.photo, other.label, round(distance, 4), round(worth, 2))

    several_names = several_people = None
    if people is not None:
        several_names, several_people = _at_odds(label, names, people.person[kept], people.all, face)
    return Audit(
        faces=len(kept),
        labels=len(names),
        left_out=len(faces) - len(kept),
        why_left_out={reason: n for reason, rows in why.items() if (n := int(np.count_nonzero(rows)))},
        cluster_threshold=cluster_threshold,
        output_threshold=output_threshold,
        misfiled=tuple(
            MisfiledRecord(
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
            OnePersonRecord(
                labels=(names[one.labels[0]], names[one.labels[1]]),
                n_faces=(size[one.labels[0]], size[one.labels[1]]),
                distance=round(one.distance, 4),
                confidence=worth(one.distance),
                faces=look(*one.rows),
            )
            for one in found.one_person
        ),
        two_people=tuple(
            TwoPeopleRecord(
                label=names[two.label],
                n_faces=(len(two.rows[0]), len(two.rows[1])),
                distance=round(two.distance, 4),
                confidence=worth(two.distance),
                faces=tuple(map(face, two.rows[1].tolist())),
                beside=look(*two.rows)[0],
            )
            for two in found.two_people
        ),
        several_names=several_names,
        several_people=several_people,
        disputed=None if disputed is None else _disputed(faces, photos, disputed),
        groups=tuple(
            Group(dict(Counter(names[label[row]] for row in rows).most_common()), compared(rows))
            for rows in groups
        ),
        alone=compared(alone),
    )


def _at_odds(
    label: NDArray[np.int64],
    names: Sequence[str],
    person: NDArray[np.int64],
    people: Sequence[Who],
    face: Callable[[int], FiledFace],
) -> tuple[tuple[SeveralNames, ...], tuple[SeveralPeople, ...]]:
    """Find the people whose faces have several labels, and the labels whose faces are several people's.

    Labels that differ in case only are one.
    """
    called: dict[int, dict[str, list[int]]] = {}
    holders: dict[str, dict[int, list[int]]] = {}
    for row in np.flatnonzero(person >= 0).tolist():
        key = fold(names[label[row]])
        called.setdefault(int(person[row]), {}).setdefault(key, []).append(row)
        holders.setdefault(key, {}).setdefault(int(person[row]), []).append(row)
    for place, whose in enumerate(people):
        if whose.name is not None and (key := fold(whose.name)) in holders:
            holders[key].setdefault(place, [])
    several_names = []
    for place, rows_of_name in sorted(called.items()):
        whose = people[place]
        by_size = sorted(rows_of_name, key=lambda key: (-len(rows_of_name[key]), key))
        own = by_size[0] if whose.name is None else fold(whose.name)
        if rows_of_name.keys() - {own}:
            several_names.append(
                SeveralNames(
                    whose,
                    tuple(names[label[rows_of_name[key][0]]] for key in by_size),
                    tuple(len(rows_of_name[key]) for key in by_size),
                    tuple(face(row) for key in by_size if key != own for row in rows_of_name[key]),
                )
            )
    several_people = []
    for _, rows_of_person in sorted(holders.items()):
        if len(rows_of_person) > 1:
            most = sorted(rows_of_person, key=lambda place: (-len(rows_of_person[place]), place))
            first = [face(rows[0]) for place in most if (rows := rows_of_person[place])]
            several_people.append(
                SeveralPeople(
                    first[0].label,
                    tuple(people[place] for place in most),
                    tuple(len(rows_of_person[place]) for place in most),
                    tuple(first),
                )
            )
    return tuple(several_names), tuple(several_people)


def _disputed(
    faces: Faces, photos: Photos, disputed: Mapping[str, Mapping[str, Sequence[str]]]
) -> tuple[Disputed, ...]:
    found = []
    row_of = {id_: row for row, id_ in enumerate(faces.id.tolist())}
    for id_, files in disputed.items():
        labels = sorted(files, key=lambda label: (-len(files[label]), label))
        face = FiledFace(
            id_,
            str(photos.path[faces.photo[row_of[id_]]]),
            Box(*faces.box[row_of[id_]].tolist()),
            labels[0],
        )
        found.append(Disputed(face, tuple(labels), tuple(tuple(files[label]) for label in labels)))
    return tuple(sorted(found, key=lambda one: (one.face.photo, one.face.id)))


def _groups(group: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Rows of the groups of two or more, the largest first."""
    return sorted((rows for rows in rows_of(group) if len(rows) > 1), key=lambda rows: (-len(rows), rows[0]))


def _matches(
    points: Points, encoder: str, threshold: float, number: int, jobs: int | None
) -> Callable[[int], Iterator[tuple[int, float, float]]]:
    """Find the rows that are most like each, how far they are, and the confidence of that; nearest first."""
    if number == 0 or len(points) == 0:
        return lambda row: iter(())
    found = find_nearest(points, Targets.of_faces(points), number + 1, jobs=jobs)
    worth = confidence(found.distance, encoder, found.crowding)
    keep = (found.row >= 0) & (found.row != np.arange(len(points))[:, None]) & (worth >= threshold)

    def of(row: int) -> Iterator[tuple[int, float, float]]:
        places = np.flatnonzero(keep[row])[:number]
        columns = found.row[row, places], found.distance[row, places], worth[row, places]
        return zip(*(column.tolist() for column in columns), strict=True)

    return of


def to_json(record: Audit) -> Iterator[str]:
    """Write strict JSON, ASCII only; unknown is null."""
    yield from json.JSONEncoder(default=_plain, indent=1, allow_nan=False).iterencode(record)
    yield "\n"


def _plain(value: object) -> dict[str, object]:
    return {"all_right": value.all_right, **vars(value)} if isinstance(value, Audit) else vars(value)
