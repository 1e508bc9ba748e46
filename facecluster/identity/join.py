"""Joining of people by the faces that found nobody: each looks at whole people, so that it can never bridge two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.assignment import Assignment, Case, owners
from facecluster.identity.gate import Reason
from facecluster.identity.groups import Groups, distance_to, nearest_two
from facecluster.identity.same_photo import Rivals, against


def join(case: Case, told: Assignment) -> Assignment:
    """Let faces join the people they are like.

    A face without a person joins the person of the nearest part. This part must be within reach, and the nearest other
    person must be farther by the margin. Of two faces of one photo that are like the same person, the nearer one is
    taken. The other must be nearer than is asked for otherwise (see `same_photo`), or like somebody else who is not in
    the photo, by the same margin.

    Returns:
        `label` is that of before, or whom the face joined. `reason` says why a face that is within reach of somebody
        joined nobody. `distance` and `runner_up` are measured, see `Assignment`; but for faces that are not looked at,
        only the `distance` to their own person is.
    """
    people = _People.of(case, told)
    nearest, distance, runner_up = _measure(case, people, told)
    label, reason = told.label.copy(), told.reason.copy()
    if len(people.owner):
        near = told.look & case.usable & (label < 0) & (distance <= people.limit[nearest])
        between = near & (runner_up < distance + case.rules.radii.margin)
        reason[between] = Reason.BETWEEN_PEOPLE
        joins = near & ~between
        label[joins] = people.owner[nearest[joins]]
        case.rivals.compose(np.where(case.usable, label, np.int32(-1)))
        doubtful = np.flatnonzero(joins)
        doubtful = doubtful[
            _is_claimed_twice(label, case.rivals)[doubtful] | np.isin(doubtful, people.foes[:, 0])
        ]
        label[doubtful] = -1
        for row in doubtful[np.lexsort((case.rank[doubtful], distance[doubtful]))].tolist():
            label[row], reason[row], distance[row], runner_up[row] = _choose(case, people, label, row)
    return replace(told, label=label, reason=reason, distance=distance, runner_up=runner_up)


@dataclass(frozen=True, eq=False)
class _People:
    """Whom faces may join.

    Attributes:
        parts: p groups of founding faces.
        owner: (p,) person of each.
        limit: (p,) how far from each a face that joins may be.
        foes: (k, 2) int64, rows of faces, and of faces that somebody said are of another person; in order.
    """

    parts: Groups
    owner: NDArray[np.int32]
    limit: NDArray[np.float64]
    foes: NDArray[np.int64]

    @classmethod
    def of(cls, case: Case, told: Assignment) -> _People:
        parts, reach = case.sums.of(told.part), case.reach
        apart = case.decided.apart
        foes = np.concatenate([apart, apart[:, ::-1]])
        foes = foes[np.argsort(foes[:, 0], kind="stable")]
        owner = owners(told.part, case.decided.together, told.ties)[:-1]
        return cls(parts, owner, reach.joining(parts.count), foes)

    def foes_of(self, row: int) -> NDArray[np.int64]:
        """Give the rows of faces that somebody said are of another person than this one."""
        begin, end = np.searchsorted(self.foes[:, 0], [row, row + 1])
        return self.foes[begin:end, 1]


class _Choice(NamedTuple):
    """Whom one face joins: what `Assignment` has of it."""

    label: int
    reason: int
    distance: float
    runner_up: float


def _measure(
    case: Case, people: _People, told: Assignment
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Measure (n,) the nearest part of each face that is looked at, and `distance` and `runner_up` of `Assignment`.

    Of a face that was told to be somebody's, the distance is that to its person, however near others are.
    """
    points, owner, look = case.points, people.owner, told.look
    nearest, distance, runner_up = (
        np.full(len(look), -1, dtype=np.int32),
        told.distance.copy(),
        told.runner_up.copy(),
    )
    rows = np.flatnonzero(look)
    nearest[rows], distance[rows], runner_up[rows] = nearest_two(
        points[rows], people.parts, told.part[rows], owner, jobs=case.jobs
    )
    for row in np.flatnonzero(look & case.usable & ~told.core & (told.label >= 0)).tolist():
        squared, own = people.parts.squared_to(points, row), owner == told.label[row]
        distance[row] = np.sqrt(squared[own].min(initial=np.inf))
        runner_up[row] = np.sqrt(squared[~own].min(initial=np.inf))
    distance[~look] = np.nan
    founded = ~look & (told.label >= 0) & (told.label < len(owner))  # their person has founding faces
    own = np.where(told.core, told.part, told.label)
    distance[founded] = distance_to(points[founded], people.parts, own[founded], told.core[founded])
    for person in np.flatnonzero(np.bincount(owner, minlength=1) > 1).tolist():
        rows = np.flatnonzero(founded & ~told.core & (told.label == person))
        for part in np.flatnonzero(owner == person).tolist() if len(rows) else ():
            apart = distance_to(points[rows], people.parts, np.full(len(rows), part), told.core[rows])
            distance[rows] = np.minimum(distance[rows], apart)
    return nearest, distance, runner_up


def _choose(case: Case, people: _People, label: NDArray[np.int32], row: int) -> _Choice:
    """Say whom a face joins, by whom the others of its photo are with and whom it is kept apart from.

    Args:
        case: what does not change.
        people: whom it may join.
        label: (n,) person of each face as far as that is known, -1 for this one.
        row: the face.
    """
    rivals, owner, radius = case.rivals, people.owner, case.reach.radius
    squared = people.parts.squared_to(case.points, row)
    others = rivals.rows(int(rivals.photo[row]))
    others = others[label[others] >= 0]
    if len(others):
        here = label[others[rivals.two_people(np.array([row]), others)[0]]]
        soft = case.rules.same_photo == "prefer" and not rivals.in_video[row]
        squared[np.isin(owner, here)] += against(1, 1) * radius**2 if soft else np.inf
    foes = people.foes_of(row)
    squared[np.isin(owner, label[foes])] = np.inf
    best = int(squared.argmin())
    distance = float(np.sqrt(squared[best]))
    runner_up = float(np.sqrt(squared[owner != owner[best]].min(initial=np.inf)))
    if distance > people.limit[best]:
        reason = Reason.SAME_PHOTO if not len(foes) else Reason.NO_MATCH
        return _Choice(-1, reason, distance, runner_up)
    if runner_up < distance + case.rules.radii.margin:
        return _Choice(-1, Reason.BETWEEN_PEOPLE, distance, runner_up)
    return _Choice(int(owner[best]), Reason.PASSED, distance, runner_up)


def _is_claimed_twice(label: NDArray[np.int32], rivals: Rivals) -> NDArray[np.bool_]:
    """Say of (n,) faces whether another in the same photo has the same person."""
    twice = np.zeros(len(label), dtype=np.bool_)
    rows = np.flatnonzero((label >= 0) & rivals.in_company)
    _, number, count = np.unique(
        np.stack([rivals.photo[rows], label[rows]]), axis=1, return_inverse=True, return_counts=True
    )
    twice[rows] = count[number.reshape(-1)] > 1
    return twice
