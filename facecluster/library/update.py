"""New faces into a result: of its records only those of people and free faces whom that concerns are made anew.

table that has grown ─▶ cluster_faces, which knows who everybody else is ─▶ records of who changed ─▶ ids and names
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.almost import AlmostPerson as AlmostRows
from facecluster.identity.assured import claims, names
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.cluster import Clustering, cluster_faces, would_merge
from facecluster.identity.constraints import Constraints
from facecluster.identity.decisions import Decision
from facecluster.identity.gate import Reason
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import Rules
from facecluster.library.lineage import almost_of, find_rows, inherit, known_of, rename
from facecluster.library.make import make_result
from facecluster.library.showing import as_told
from facecluster.result import (
    AlmostPerson,
    Counts,
    PersonFace,
    Result,
    ResultSettings,
    SamePhotoCounts,
    UnclusteredFace,
    Updated,
    columns,
    person_id,
)
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable


@dataclass(frozen=True, eq=False)
class Standing:
    """A result, and where its faces are in a table of n faces.

    Attributes:
        result: who is who, with k faces.
        row_of: (k,) int64 row of each face, in the order of `result.columns`; -1 where it is not there.
        known: what the result says of the n faces.
        almost: place in the result of each almost-person in `known`.
        same: (n,) bool, faces of which the result says all that the table does: path, box, pose, quality.
    """

    result: Result
    row_of: NDArray[np.int64]
    known: PriorAssignment
    almost: tuple[int, ...]
    same: NDArray[np.bool_]

    @classmethod
    def of(cls, result: Result, table: FaceTable) -> Standing:
        """Find the faces of a result in a table."""
        row_of = find_rows(result, table)
        places = tuple(place for place, _ in almost_of(result, row_of))
        known = known_of(result, row_of, len(table.faces))
        return cls(result, row_of, known, places, _is_same(result, row_of, table))

    def moved(self, to: NDArray[np.int64], n: int, same: NDArray[np.bool_]) -> Standing:
        """Follow the faces into another table.

        Args:
            to: for each row of this table the row there; -1 where the face is not there.
            n: faces there.
            same: for each row of this table whether path and box are the same there.
        """
        was = np.flatnonzero(to >= 0)
        now = to[was]
        known, is_same = PriorAssignment.nothing(n), np.zeros(n, dtype=np.bool_)
        for name in ("is_new", "person", "core", "confidence", "reason"):
            getattr(known, name)[now] = getattr(self.known, name)[was]
        is_same[now] = self.same[was] & same[was]
        almost, places = self.known.almost, self.almost
        if not np.array_equal(to, np.arange(len(to))):
            left = [
                (AlmostRows(to[one.rows], one.lack), place)
                for one, place in zip(almost, places, strict=True)
                if (to[one.rows] >= 0).all()
            ]
            almost, places = tuple(one for one, _ in left), tuple(place for _, place in left)
        row_of = np.where(self.row_of >= 0, to[self.row_of], -1) if len(to) else self.row_of
        return Standing(self.result, row_of, replace(known, almost=almost), places, is_same)

    def is_of(self, table: FaceTable) -> bool:
        """Whether the result has the photos and faces of its table, and says the same of them."""
        counts, statuses = self.result.counts, table.photos.status
        return bool(
            self.same.all()
            and (self.row_of >= 0).all()
            and all(
                number == np.count_nonzero(statuses == status)
                for status, number in (
                    (OK, counts.ok),
                    (NO_FACE, counts.no_face),
                    (UNREADABLE, counts.unreadable),
                )
            )
        )


def _is_same(result: Result, row_of: NDArray[np.int64], table: FaceTable) -> NDArray[np.bool_]:
    """Say of which faces of a table a result says the same -> (n,)."""
    placed, faces = columns(result), table.faces
    records: list[PersonFace | UnclusteredFace] = [
        *(face for person in result.people for face in person.faces),
        *result.unclustered,
    ]
    at = np.flatnonzero(row_of >= 0)
    rows = row_of[at]
    paths, ids = table.photos.path[faces.photo[rows]].tolist(), faces.id[rows].tolist()
    some = [records[i] for i in at.tolist()]
    equal = np.array(
        [face.photo == path and face.id == own for face, path, own in zip(some, paths, ids, strict=True)],
        dtype=np.bool_,
    )
    pose = np.array(
        [(face.pose.pitch, face.pose.yaw, face.pose.roll) for face in some], dtype=np.float64
    ).reshape(-1, 3)
    quality = np.array([face.quality for face in some], dtype=np.float64)
    for said, column in (
        (placed.box[at], faces.box),
        (placed.anchor[at], faces.anchor),
        (pose, faces.pose),
        (quality[:, None], faces.quality[:, None]),
    ):
        now, was = column[rows], said.astype(np.float32)
        equal &= ((now == was) | (np.isnan(was) & ~np.isfinite(now))).all(axis=1)
    same = np.zeros(len(faces), dtype=np.bool_)
    same[rows] = equal
    return same


@dataclass(frozen=True, eq=False)
class Update:
    """A result with new faces.

    Attributes:
        standing: the result, and where its faces are in the table.
        clustering: who each face is.
        changed: ids of people who have other faces than before, or who were not there.
        is_new: (n,) bool, faces that the earlier result did not have.
    """

    standing: Standing
    clustering: Clustering
    changed: frozenset[str]
    is_new: NDArray[np.bool_]

    @property
    def result(self) -> Result:
        """Who is who."""
        return self.standing.result


def update(
    standing: Standing,
    table: FaceTable,
    settings: ResultSettings,
    constraints: Constraints,
    decisions: Sequence[Decision],
    *,
    jobs: int = -1,
) -> Update:
    """Place the faces of a table that a result does not have, and leave its people as they are.

    Only the records of people and free faces whom that concerns are made; the others stay the objects that they are.

    Args:
        standing: the result, and where its faces are in the table.
        table: n faces.
        settings: of the new result, with the rules and the decisions of the earlier one.
        constraints: what decisions mean for the n faces.
        decisions: in order of time.
        jobs: threads; -1 is one a core.
    """
    rules = settings.rules
    if rules is None:
        raise ValueError("settings.rules: expected rules, got None")
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    known = standing.known
    clustering = cluster_faces(table, rules, constraints, prior=known, jobs=threads)
    made, row_of, kept = _make(standing, table, clustering, rules)
    fresh = known.is_new | ((known.person < 0) & (clustering.label >= 0))
    pairs = would_merge(table, clustering, rules, constraints, changed=fresh, jobs=threads)
    here = ~known.is_new
    result = with_ids_and_names(
        replace(made, settings=settings),
        decisions,
        table,
        clustering.label,
        standing.result,
        both=np.stack([known.person[here], clustering.label[here]]).astype(np.int64),
    )
    since = standing.result.settings.update or Updated(0, 0, ())
    n_new = int(np.count_nonzero(known.is_new))
    updated = Updated(
        updates=since.updates + (n_new > 0),
        new_faces=since.new_faces + n_new,
        would_merge=tuple(
            (result.people[one].id, result.people[other].id)
            for one, other in pairs
            if not named_apart(result, one, other)
        ),
    )
    result = replace(result, settings=replace(result.settings, update=updated if updated.updates else None))
    before = standing.result.people
    changed = frozenset(
        person.id
        for person, old in zip(result.people, kept.tolist(), strict=True)
        if old < 0 or before[old].id != person.id
    )
    now = PriorAssignment(
        is_new=np.zeros(len(table.faces), dtype=np.bool_),
        person=clustering.label,
        core=clustering.core,
        confidence=clustering.confidence,
        reason=clustering.reason,
        almost=clustering.almost,
    )
    everything = np.ones(len(table.faces), dtype=np.bool_)
    after = Standing(result, row_of, now, tuple(range(len(clustering.almost))), everything)
    return Update(after, clustering, changed, known.is_new)


def named_apart(result: Result, one: int, other: int) -> bool:
    """Whether two people, by number, have different names."""
    return result.people[one].name is not None and result.people[other].name is not None


def with_ids_and_names(
    made: Result,
    decisions: Sequence[Decision],
    table: FaceTable,
    label: NDArray[np.int32],
    earlier: Result | None,
    *,
    both: NDArray[np.int64] | None = None,
) -> Result:
    """Give people the ids that they have, and the names that a person gave them, and show them as a person said.

    Args:
        made: people numbered from 1.
        decisions: in order of time.
        table: n faces.
        label: (n,) number of each face's person from 0, -1 none.
        earlier: what the library had before; None: nothing.
        both: see `lineage.inherit`.
    """
    claimed = claims(decisions, table.faces, label)
    same = earlier is not None and earlier.settings.decisions == made.settings.decisions
    result = inherit(made, earlier, claimed=claimed, names=same, both=both)
    return as_told(rename(result, names(decisions, table.faces, label)), decisions, table.faces, label)


def _make(
    standing: Standing, table: FaceTable, clustering: Clustering, rules: Rules
) -> tuple[Result, NDArray[np.int64], NDArray[np.int64]]:
    """Make records of people, with those of before where they say the same; the others are numbered from 1.

    Returns:
        The result, with the settings of before; (k,) row of each of its faces; (p,) for each person the number of the
        earlier one who has the same faces, -1 where there is none.
    """
    earlier, known, label = standing.result, standing.known, clustering.label
    kept = _kept(standing, clustering)
    left = label < 0
    at = np.full(len(label), -1, dtype=np.int64)
    there = np.flatnonzero(standing.row_of >= 0)
    at[standing.row_of[there]] = there
    start = np.cumsum([0, *(person.n_faces for person in earlier.people)])
    free = left & standing.same & ~known.is_new & (known.person < 0) & (known.reason == clustering.reason)
    place_of = {id(one): place for one, place in zip(known.almost, standing.almost, strict=True)}
    almost: list[AlmostPerson | None] = [
        earlier.almost[place_of[id(one)]] if id(one) in place_of and standing.same[one.rows].all() else None
        for one in clustering.almost
    ]
    anew = [one for one, record in zip(clustering.almost, almost, strict=True) if record is None]

    wanted = left & ~free
    wanted[~left] = kept[label[~left]] < 0
    for one in anew:
        wanted[one.rows] = True
    rows = np.flatnonzero(wanted)
    some = _some(clustering, rows, anew)
    of_some = np.zeros(len(table.photos), dtype=np.bool_)
    of_some[table.faces.photo[rows]] = True
    part = table.select(of_some, wanted)
    made = make_result(part, some, rules)
    row_at = dict(
        zip(
            zip(part.faces.id.tolist(), part.photos.path[part.faces.photo].tolist(), strict=True),
            rows.tolist(),
            strict=True,
        )
    )
    people, places = [], []
    changed = iter(made.people)
    for number, old in enumerate(kept.tolist()):
        if old >= 0:
            people.append(earlier.people[old])
            places.append(standing.row_of[start[old] : start[old + 1]])
        else:
            person = next(changed)
            people.append(replace(person, id=person_id(number + 1), name=None))
            places.append(np.array([row_at[face.id, face.photo] for face in person.faces], dtype=np.int64))
    new = {row_at[face.id, face.photo]: face for face in made.unclustered}
    records = iter(made.almost)
    almost_place = np.full(len(label), -1, dtype=np.int64)
    for place, one in enumerate(clustering.almost):
        almost_place[one.rows] = place
    rows_left = np.flatnonzero(left)
    unclustered = _free(earlier, rows_left, at - start[-1], free, almost_place, new)
    row_of = np.concatenate([*places, rows_left]).astype(np.int64)
    result = Result(
        settings=earlier.settings,
        people=tuple(people),
        unclustered=unclustered,
        counts=_count(table, clustering, len(people), row_of[: len(label) - len(rows_left)]),
        almost=tuple(next(records) if record is None else record for record in almost),
        next_id=len(people) + 1,
    )
    return result, row_of, kept


def _kept(standing: Standing, clustering: Clustering) -> NDArray[np.int64]:
    """Find who has the same faces as somebody before, with the same to be said of each -> (p,) number there, or -1."""
    known, label, p = standing.known, clustering.label, clustering.n_people
    same = (
        standing.same
        & (label >= 0)
        & (known.person >= 0)
        & (known.core == clustering.core)
        & (
            (known.confidence == clustering.confidence)
            | (np.isnan(known.confidence) & np.isnan(clustering.confidence))
        )
    )
    people = standing.result.people
    size = np.array([person.n_faces for person in people], dtype=np.int64)
    low, high = np.full(p, len(people), dtype=np.int64), np.full(p, -1, dtype=np.int64)
    np.minimum.at(low, label[same], known.person[same])
    np.maximum.at(high, label[same], known.person[same])
    count = np.bincount(label[label >= 0], minlength=p)
    whole = (np.bincount(label[same], minlength=p) == count) & (low == high)
    whole[whole] = size[low[whole]] == count[whole]
    return np.where(whole, low, -1)


def _some(clustering: Clustering, rows: NDArray[np.intp], almost: Sequence[AlmostRows]) -> Clustering:
    """Take some faces out of a clustering, with all of some almost-people; people are numbered anew in their order."""
    label = clustering.label[rows]
    placed = label >= 0
    label[placed] = np.unique(label[placed], return_inverse=True)[1]
    place = np.full(len(clustering.label), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return Clustering(
        label,
        clustering.core[rows],
        clustering.distance[rows],
        clustering.confidence[rows],
        clustering.reason[rows],
        tuple(AlmostRows(place[one.rows], one.lack) for one in almost),
    )


def _free(
    earlier: Result,
    rows: NDArray[np.intp],
    at: NDArray[np.int64],
    stays: NDArray[np.bool_],
    almost: NDArray[np.int64],
    new: dict[int, UnclusteredFace],
) -> tuple[UnclusteredFace, ...]:
    """Give the records of faces without a person.

    Args:
        earlier: the result of before.
        rows: of the faces, rising.
        at: (n,) place among those without a person there.
        stays: (n,) whether that record still says what is true, but for its almost-person.
        almost: (n,) place of the almost-person; -1 none.
        new: records of the others.
    """
    faces = []
    columns = (rows.tolist(), at[rows].tolist(), stays[rows].tolist(), almost[rows].tolist())
    for row, was, is_old, number in zip(*columns, strict=True):
        face = earlier.unclustered[was] if is_old else new[row]
        place = number if number >= 0 else None
        faces.append(face if face.almost == place else replace(face, almost=place))
    return tuple(faces)


def _count(table: FaceTable, clustering: Clustering, n_people: int, placed: NDArray[np.int64]) -> Counts:
    """Count as `make_result` does; `placed` are the rows of the people's faces, in their order."""
    status, reason = table.photos.status, np.bincount(clustering.reason, minlength=max(Reason) + 1).tolist()
    return Counts(
        photos=len(table.photos),
        ok=int(np.count_nonzero(status == OK)),
        no_face=int(np.count_nonzero(status == NO_FACE)),
        unreadable=int(np.count_nonzero(status == UNREADABLE)),
        faces=len(table.faces),
        people=n_people,
        clustered=len(placed),
        unclustered={r.code: reason[r] for r in Reason if r != Reason.PASSED and reason[r]},
        same_photo=_same_photo(table, clustering, n_people, placed),
    )


def _same_photo(
    table: FaceTable, clustering: Clustering, n_people: int, rows: NDArray[np.int64]
) -> SamePhotoCounts:
    """Count as `SamePhotoCounts.of` does."""
    scene = table.scenes()[rows]
    photo_of = dict(zip(scene.tolist(), table.faces.photo[rows].tolist(), strict=True))
    key = scene * max(n_people, 1) + clustering.label[rows]
    order = np.argsort(key, kind="stable")
    groups, start, count = np.unique(key[order], return_index=True, return_counts=True)
    _, people = np.unique(groups // max(n_people, 1), return_counts=True)
    several = {photo_of[at] for at in (groups // max(n_people, 1))[np.repeat(people > 1, people)].tolist()}
    twice = set()
    for first, n in zip(start[count > 1].tolist(), count[count > 1].tolist(), strict=True):
        theirs = rows[order[first : first + n]]
        box = table.faces.box[theirs].astype(np.float64)
        if _are_two(box):
            twice.add(int(table.faces.photo[theirs[0]]))
    return SamePhotoCounts(len(several | twice), len(twice))


def _are_two(box: NDArray[np.float64]) -> bool:
    """Say whether some boxes of one scene are not of one face found several times."""
    return bool((overlaps(np.tile(box[0], (len(box), 1)), box) < SAME_FACE_IOU).any())
