"""What is filed wrong: groups in which all faces match, and what labels say against what faces look like.

Labels are cut into parts, each of one person: first groups in which every pair matches, then those whose mean squared
distance is small. What is judged is a part against a part, by the mean over all pairs of their faces: never one pair.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.identity.groups import Groups, renumber, rows_of, union_variance
from facecluster.identity.neighbours import (
    UnionFind,
    blocks,
    squared_apart,
    squared_distances,
    squares,
    tell_near,
)
from facecluster.identity.points import Points
from facecluster.identity.rules import CAUTION_FACES, DEFAULTS, Reach
from facecluster.identity.search import CALIBRATION, confidence

LARGEST = 2048
"""Faces whose distances are kept in a matrix, at most: `neighbours.BLOCK` numbers."""

_TIGHTER = 0.9
"""A part of too many faces is cut where it holds together by links longer than this part of the radius, and so on."""

_TIGHTEST = 0.5
"""From this part of the radius on, it is cut in halves instead."""


CANDIDATES = 16
"""Groups of pieces with which a group may be put together, at most: the nearest."""


# ---------------------------------------------------------------------------------------------------- groups


def radius_at(threshold: float, encoder: str) -> float:
    """Give the largest distance of which the confidence is at least `threshold`, per cent, 0..100; infinite for 0.

    Raises:
        TableError: nobody has measured this encoder.
    """
    confidence(0.0, encoder)  # or there is an error
    knots, shares = (np.array(column) for column in zip(*CALIBRATION[encoder], strict=True))
    return math.inf if threshold <= 0 else float(np.interp(-threshold, -shares, knots))


def complete_groups(points: Points, radius: float, *, jobs: int | None = -1) -> NDArray[np.int32]:
    """Put faces into groups in which every pair is within a radius: complete linkage, nearest first.

    Args:
        points: n faces, finite.
        radius: of two faces exactly this far apart, the pair matches.
        jobs: threads; None is one, -1 all cores.

    Returns:
        (n,) number of the group of each, from 0 as they come; a face that fits nowhere is a group of its own.

    Faces that no chain of matches links are never in one group, so that each linked part is grouped by itself, in a
    matrix of its distances. A part of more than `LARGEST` faces is first cut into pieces: where it holds together
    by the longest links, and where that does not help (one person in thousands of photos), in halves along its longest
    axis. The groups of its pieces are then put together, nearest first, where every pair matches: each with those of
    its `CANDIDATES` nearest. So in such a part some groups may be cut otherwise than the plain method does, or stay
    apart; but of every group every pair does match, always.

    Memory is a matrix of `LARGEST` by `LARGEST`, and for a part that was cut, a few hundred bytes for each of up to
    `CANDIDATES` pairs a group. Time is as the square of the faces.

    References:
        Sørensen, A method of establishing groups of equal amplitude in plant sociology, 1948.
    """
    group = np.arange(len(points), dtype=np.int32)
    for rows in rows_of(_linked(points, radius, jobs=jobs)):
        if len(rows) == 1:
            continue
        pieces = _pieces(points, rows, radius, radius, jobs)
        for piece in pieces:
            group[piece] = piece[_complete_linkage(points[piece], radius)]
        if len(pieces) > 1:
            number = np.unique(group[rows], return_inverse=True)[1].astype(np.int32)
            group[rows] = rows[_put_together(points[rows], number, radius, jobs)]
    return renumber(group, np.arange(len(group), dtype=np.int64), by_size=False)


def _linked(points: Points, radius: float, jobs: int | None) -> NDArray[np.int32]:
    """Number the parts that chains of matches link -> (n,)."""
    parts = UnionFind(len(points))
    tell_near(points.encoding, radius, parts.link, known=parts.find, weight=points.crowding, jobs=jobs)
    return parts.find(np.arange(len(points)))


def _pieces(
    points: Points, rows: NDArray[np.intp], radius: float, link: float, jobs: int | None
) -> list[NDArray[np.intp]]:
    """Cut rows into pieces of `LARGEST` at most."""
    if len(rows) <= LARGEST:
        return [rows]
    link *= _TIGHTER
    if link >= _TIGHTEST * radius:
        parts = [rows[part] for part in rows_of(_linked(points[rows], link, jobs=jobs))]
    else:
        encoding = points.encoding
        mean = encoding[rows].mean(axis=0, dtype=np.float64)
        second = np.zeros((encoding.shape[1],) * 2)
        for some in blocks(rows, encoding.shape[1]):
            x = encoding[some] - mean
            second += x.T @ x
        along = encoding[rows] @ np.linalg.eigh(second)[1][:, -1].astype(np.float32)
        order = np.argsort(along, kind="stable")
        parts = [np.sort(rows[half]) for half in np.array_split(order, 2)]
    return [piece for part in parts for piece in _pieces(points, part, radius, link, jobs)]


def _complete_linkage(points: Points, radius: float) -> NDArray[np.intp]:
    """Group k faces, k <= `LARGEST` -> (k,) row of the first face of the group of each."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    if len(points) == 1:
        return np.zeros(1, dtype=np.intp)
    i, j = np.triu_indices(len(points), 1)
    apart = np.sqrt(pdist(points.encoding, "sqeuclidean") + points.crowding[i] + points.crowding[j])
    number = fcluster(linkage(apart, method="complete"), radius, criterion="distance")
    first, inverse = np.unique(number, return_index=True, return_inverse=True)[1:]
    lowest: NDArray[np.intp] = first[inverse]
    return lowest


def _put_together(
    points: Points, group: NDArray[np.int32], radius: float, jobs: int | None
) -> NDArray[np.intp]:
    """Put groups together where every pair matches, nearest first -> (k,) row of a face of the group of each.

    Two groups of which every pair is within the radius have a mean squared distance within its square: so those in
    question are found by their centres.
    """
    groups, members = Groups.of(points, group), rows_of(group)
    centre, variance = groups.centre.astype(np.float32), groups.variance()
    found = _Candidates(centre, variance)
    slack = radius * (1 + 2.0**-15)  # the centres are rounded
    tell_near(centre, slack, found.keep, known=_none_known, weight=variance, jobs=jobs)
    near: list[dict[int, float]] = [{} for _ in members]
    one, other, squared = found.pairs()
    alone = (groups.count[one] == 1) & (groups.count[other] == 1)
    for a, b, single, farthest in zip(*(c.tolist() for c in (one, other, alone, squared)), strict=True):
        if not single:
            farthest = _farthest(points, members[a], members[b], radius**2)
        if farthest <= radius**2:
            near[a][b] = near[b][a] = farthest
    queue = [(farthest, a, b) for a, others in enumerate(near) for b, farthest in others.items() if a < b]
    heapq.heapify(queue)
    into = np.arange(len(near))
    while queue:
        farthest, a, b = heapq.heappop(queue)
        if near[a].get(b) != farthest:  # one of them is part of another by now, or has grown
            continue
        both = {c: max(apart, near[b][c]) for c, apart in near[a].items() if c in near[b]}
        for c in [*near[a], *near[b]]:
            near[c].pop(a, None)
            near[c].pop(b, None)
        near[a], near[b] = both, {}
        into[b] = a
        for c, apart in both.items():
            near[c][a] = apart
            heapq.heappush(queue, (apart, min(a, c), max(a, c)))
    while not np.array_equal(up := into[into], into):
        into = up
    first = np.array([rows[0] for rows in members], dtype=np.intp)
    return first[into[group]]


class _Candidates:
    """The pairs of groups that are in question: of each group the `CANDIDATES` nearest, and who has it among theirs."""

    def __init__(self, centre: NDArray[np.float32], variance: NDArray[np.float64]) -> None:
        self._centre, self._variance = centre, variance
        self._ends, self._squared = [np.empty((2, 0), dtype=np.intp)], [np.empty(0)]
        self._limit = np.full(len(centre), np.inf)  # of each, that the nearest are within
        self._room = 2 * CANDIDATES * len(centre)

    def keep(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        """Take (k,) groups and (k,) others."""
        squared = self._variance[i] + self._variance[j]
        for some in blocks(np.arange(len(i)), self._centre.shape[1]):
            squared[some] += squared_apart(self._centre, i[some], j[some])
        kept = squared <= np.maximum(self._limit[i], self._limit[j])
        self._ends.append(np.stack([i, j])[:, kept])
        self._squared.append(squared[kept])
        self._room -= len(self._squared[-1])
        if self._room < 0:
            self.pairs()

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Give those that are left, and the mean squared distance of each."""
        (one, other), squared = np.concatenate(self._ends, axis=1), np.concatenate(self._squared)
        end, beyond, apart = np.concatenate([one, other]), np.concatenate([other, one]), np.tile(squared, 2)
        order = np.lexsort((beyond, apart, end))
        first = np.searchsorted(end[order], np.arange(len(self._centre)))
        place = np.arange(len(end)) - first[end[order]]
        near = np.empty(len(end), dtype=np.bool_)
        near[order] = place < CANDIDATES
        last = order[place == CANDIDATES - 1]
        self._limit[end[last]] = apart[last]
        kept = near[: len(one)] | near[len(one) :]
        self._ends, self._squared = [np.stack([one, other])[:, kept]], [squared[kept]]
        self._room = 2 * CANDIDATES * len(self._centre) - int(np.count_nonzero(kept))
        return one[kept], other[kept], squared[kept]


def _farthest(points: Points, one: NDArray[np.intp], other: NDArray[np.intp], enough: float) -> float:
    """Give the largest squared distance between rows of the one and the other; of one that is enough, if there is."""
    largest = 0.0
    for some in blocks(one, len(other)):
        largest = max(largest, float(squared_distances(points[some], points[other]).max()))
        if largest > enough:
            break
    return largest


# -------------------------------------------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Bounds:
    """The distances that decide what is filed wrong, for one encoder; see `points`.

    All are compared with root mean square distances between the faces of one part and those of another.

    Attributes:
        same: parts of one label that are no farther apart are one part.
        move: how near a part that does not look like the rest of its label must be to one of another label.
        margin: ... and by how much nearer than to the rest of its own.
        alike: how near parts of two labels must be to be one person where nothing else is wrong with either.
        stray: a part of a label that is farther from the rest, and belongs to no other label, is another person.
        growth: how much `Reach.caution` of `move` and `alike` rises when there are e times as many faces.
    """

    same: float
    move: Reach
    margin: float
    alike: Reach
    stray: float
    growth: float

    def among(self, n_faces: int) -> Bounds:
        """Give the same in a library of so many faces: see `Radii.growth`."""
        more = self.growth * math.log(max(1.0, n_faces / CAUTION_FACES))
        move, alike = (replace(reach, caution=reach.caution + more) for reach in (self.move, self.alike))
        return replace(self, move=move, alike=alike)


BOUNDS: Mapping[str, Bounds] = MappingProxyType(
    {
        "sface": Bounds(
            same=1.10,
            move=Reach(1.06, 0.15),
            margin=0.05,
            alike=Reach(1.04, 0.10),
            stray=1.25,
            growth=DEFAULTS["sface"].growth,
        ),
        "dlib": Bounds(
            same=0.56,
            move=Reach(0.54, 0.08),
            margin=0.03,
            alike=Reach(0.50, 0.08),
            stray=0.70,
            growth=DEFAULTS["dlib"].growth,
        ),
    }
)
"""By encoder, chosen on the fit half of `lfw_dev` (`benchmarks/audit.py --sweep`).

For sface all are in the middle of where they hardly matter; only `stray` trades: at 1.15 one or two more in a hundred
swaps are found, and three in a thousand labels that are right are reported. With dlib, people who look alike to it cost
most: `alike` is as wide as four fifths of what is reported allow, so that of faces that are the only ones of
their label fewer are found.
"""


def bounds_of(encoder: str, n_faces: int) -> Bounds:
    """Give the bounds for an encoder, among so many faces.

    Raises:
        TableError: nobody has chosen any for this encoder.
    """
    if encoder not in BOUNDS:
        raise TableError(
            f"the faces were encoded by {encoder!r}, audit knows {', '.join(BOUNDS)}; run encode again"
        )
    return BOUNDS[encoder].among(n_faces)


@dataclass(frozen=True, eq=False)
class Misfiled:
    """Faces, mostly one, that are filed under one label and look like another.

    Attributes:
        rows: of the faces, which are alike.
        label: that they are filed under.
        belongs: label that they look like.
        own: root mean square distance to the faces that most of their label is; NaN where there are no others.
        other: the same to `beside`.
        beside: rows of the faces that they look like.
    """

    rows: NDArray[np.intp]
    label: int
    belongs: int
    own: float
    other: float
    beside: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class OnePerson:
    """Two labels that are one person.

    Attributes:
        labels: of more faces first.
        rows: the faces of each that are alike.
        distance: root mean square, between the ones and the others.
    """

    labels: tuple[int, int]
    rows: tuple[NDArray[np.intp], NDArray[np.intp]]
    distance: float


@dataclass(frozen=True, eq=False)
class TwoPeople:
    """A label that is two people, the second of whom belongs to no other label.

    Attributes:
        label: its number.
        rows: faces of the one who has more of them, and of the other; where both have as many, nobody can say which
            of the two the label is.
        distance: root mean square, between the ones and the others.
    """

    label: int
    rows: tuple[NDArray[np.intp], NDArray[np.intp]]
    distance: float


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What is filed wrong, each list by label, then by face."""

    misfiled: tuple[Misfiled, ...]
    one_person: tuple[OnePerson, ...]
    two_people: tuple[TwoPeople, ...]


def judge(
    points: Points,
    label: NDArray[np.int64],
    group: NDArray[np.int32],
    bounds: Bounds,
    *,
    jobs: int | None = -1,
) -> Verdicts:
    """Say what is filed wrong.

    Args:
        points: n faces, finite.
        label: (n,) number of the label of each, from 0.
        group: (n,) of each, see `complete_groups`.
        bounds: for as many faces, see `Bounds.among`.
        jobs: threads; None is one, -1 all cores.

    Every label is cut into parts, see `label_parts`. Its body is the largest; where two are as large, neither is. Then:

    1. A part beside the body that looks like the body, of two faces or more, of another label is misfiled. It no longer
       counts for its own label, of which what remains may be the body now.
    2. A part that is still not the body, and looks like what is left of another label, is misfiled, too. Of two such
       that look like each other, only the one whose label has fewer faces.
    3. Two bodies that are alike are labels of one person; if one is the only face of its label, and the other has more,
       that face is misfiled.
    4. What is still not the body, and far from it, is another person.
    """
    if len(label) == 0:
        return Verdicts((), (), ())
    part, owner = label_parts(points, label, group, bounds.same)
    parts = _Parts(Groups.of(points, part), owner, rows_of(part), np.bincount(label))
    near = parts.near(bounds, jobs)
    misfiled: dict[int, int] = {}
    for several in (True, False):
        standing = _Standing.of(parts, misfiled)
        of_others = standing.body & (parts.count > 1) if several else standing.body | standing.tied
        for a in np.flatnonzero(standing.there & ~standing.body).tolist():
            own = parts.between(a, int(standing.rival[a]))
            for distance, b in near.get(a, []):
                near_enough = parts.within(bounds.move, distance, a, b)
                if of_others[b] and near_enough and distance + bounds.margin <= own:
                    misfiled[a] = b
                    break
    for a, b in list(misfiled.items()):
        if misfiled.get(b) == a and (parts.size[b], -b) < (parts.size[a], -a):
            del misfiled[a]
    standing = _Standing.of(parts, {})
    verdicts = [parts.misfiled(a, b, int(standing.rival[a])) for a, b in misfiled.items()]
    standing = _Standing.of(parts, misfiled)
    pairs = []
    for a in np.flatnonzero(standing.body).tolist():
        alike = [
            (distance, b)
            for distance, b in near.get(a, [])
            if standing.body[b] and parts.within(bounds.alike, distance, a, b)
        ]
        larger = [b for _, b in alike if parts.count[b] > 1]
        if parts.size[a] == 1 and larger:
            verdicts.append(parts.misfiled(a, larger[0], -1))
            continue
        for distance, b in alike:
            first = (parts.count[a], parts.size[a], -a) > (parts.count[b], parts.size[b], -b)
            if first and not (parts.size[b] == 1 and parts.count[a] > 1):
                pairs.append(
                    OnePerson((int(owner[a]), int(owner[b])), (parts.members[a], parts.members[b]), distance)
                )
    strays = []
    for a in np.flatnonzero(standing.there & ~standing.body).tolist():
        b = int(standing.rival[a])
        distance = parts.between(a, b)
        if distance > bounds.stray and not (standing.tied[a] and b > a):
            strays.append(TwoPeople(int(owner[a]), (parts.members[b], parts.members[a]), distance))
    return Verdicts(
        tuple(sorted(verdicts, key=lambda v: (v.label, v.rows[0]))),
        tuple(sorted(pairs, key=lambda v: v.labels)),
        tuple(sorted(strays, key=lambda v: (v.label, v.rows[1][0]))),
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """The p parts of labels.

    Attributes:
        groups: their sums.
        owner: (p,) number of the label of each.
        members: rows of the faces of each.
        faces: (l,) of each label.
    """

    groups: Groups
    owner: NDArray[np.int64]
    members: list[NDArray[np.intp]]
    faces: NDArray[np.intp]

    @property
    def count(self) -> NDArray[np.float64]:
        """(p,) faces of each."""
        return self.groups.count

    @cached_property
    def size(self) -> NDArray[np.intp]:
        """(p,) faces of the label of each."""
        return self.faces[self.owner]

    def between(self, a: int, b: int) -> float:
        """Root mean square distance between the faces of two parts."""
        apart = self.groups.centre[a] - self.groups.centre[b]
        return math.sqrt(float(apart @ apart + self.variance[a] + self.variance[b]))

    @cached_property
    def variance(self) -> NDArray[np.float64]:
        """(p,) see `Groups.variance`."""
        return self.groups.variance()

    def within(self, reach: Reach, distance: float, a: int, b: int) -> bool:
        """Say whether two parts are near enough."""
        handicap = reach.handicap(float(self.count[a])) + reach.handicap(float(self.count[b]))
        return distance**2 + handicap <= reach.radius**2

    def near(self, bounds: Bounds, jobs: int | None) -> dict[int, list[tuple[float, int]]]:
        """Find the parts of other labels that are near enough to move to, or alike: nearest first, by part."""
        found: dict[int, list[tuple[float, int]]] = {}
        reaches = (bounds.move, bounds.alike)
        widest = max(reach.radius for reach in reaches)
        weight = self.variance + min(reach.caution for reach in reaches) / (
            2 * self.count
        )  # see Reach.handicap

        def keep(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
            other = self.owner[i] != self.owner[j]
            for a, b in zip(i[other].tolist(), j[other].tolist(), strict=True):
                distance = self.between(a, b)
                if self.within(bounds.move, distance, a, b) or self.within(bounds.alike, distance, a, b):
                    found.setdefault(a, []).append((distance, b))
                    found.setdefault(b, []).append((distance, a))

        tell_near(
            self.groups.centre.astype(np.float32),
            widest,
            keep,
            known=_none_known,
            weight=weight,
            jobs=jobs,
        )
        for others in found.values():
            others.sort()
        return found

    def misfiled(self, a: int, b: int, rival: int) -> Misfiled:
        """Say that part a belongs to part b."""
        return Misfiled(
            rows=self.members[a],
            label=int(self.owner[a]),
            belongs=int(self.owner[b]),
            own=math.nan if rival < 0 else self.between(a, rival),
            other=self.between(a, b),
            beside=self.members[b],
        )


@dataclass(frozen=True, eq=False)
class _Standing:
    """What each of p parts is in its label, those that were moved away left out.

    Attributes:
        there: (p,) whether it counts.
        rival: (p,) the largest other part of its label; -1 none.
        body: (p,) whether all others are smaller.
        tied: (p,) whether none is larger, and one as large.
    """

    there: NDArray[np.bool_]
    rival: NDArray[np.intp]
    body: NDArray[np.bool_]
    tied: NDArray[np.bool_]

    @classmethod
    def of(cls, parts: _Parts, moved: Collection[int]) -> _Standing:
        """Compare the parts of each label."""
        p = len(parts.owner)
        there = np.ones(p, dtype=np.bool_)
        there[list(moved)] = False
        order = np.lexsort((np.arange(p), -parts.count, ~there, parts.owner))
        first = np.flatnonzero(np.diff(parts.owner[order], prepend=-1) > 0)
        rival = np.repeat(order[first], np.diff(np.append(first, p)))
        second = np.minimum(first + 1, p - 1)
        alone = (
            (parts.owner[order[second]] != parts.owner[order[first]])
            | (second == first)
            | ~there[order[second]]
        )
        rival[first] = np.where(alone, -1, order[second])
        of_part = np.empty(p, dtype=np.intp)
        of_part[order] = rival
        leads = np.zeros(p, dtype=np.bool_)
        leads[order[first]] = True
        tied = there & (of_part >= 0) & (parts.count == parts.count[of_part])
        return cls(there, of_part, there & leads & ~tied, tied)


def _none_known(rows: NDArray[np.intp]) -> NDArray[np.int32]:
    return np.full(len(rows), -1, dtype=np.int32)


def label_parts(
    points: Points, label: NDArray[np.int64], group: NDArray[np.int32], radius: float
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Cut labels into parts, each of faces that are alike: average linkage of the groups in them.

    Args:
        points: n faces.
        label: (n,).
        group: (n,) faces of one label and one group are in one part.
        radius: two parts whose root mean square distance is no more are one.

    Returns:
        (n,) number of the part of each face, and (p,) label of each part.
    """
    pairs = np.stack([label, group.astype(np.int64)], axis=1)
    cells, cell = np.unique(pairs, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    groups = Groups.of(points, cell.astype(np.int32))
    part = np.arange(len(cells), dtype=np.int32)
    for some in np.split(np.arange(len(cells)), np.flatnonzero(np.diff(cells[:, 0])) + 1):
        if len(some) > 1:
            part[some] = some[_average_linkage(groups, some, radius)]
    first, number = np.unique(part, return_inverse=True)
    of_face: NDArray[np.int32] = number.reshape(-1).astype(np.int32)[cell]
    return of_face, cells[first, 0]


def _average_linkage(groups: Groups, some: NDArray[np.intp], radius: float) -> NDArray[np.intp]:
    """Merge k groups up to a radius -> (k,) place of the first of those it is merged with. O(k) memory, O(k²) time.

    References:
        Murtagh, A survey of recent advances in hierarchical clustering algorithms, 1983 (nearest-neighbour chain).
    """
    count, centre, variance = groups.count[some], groups.centre[some], groups.variance()[some]
    into, alive = np.arange(len(some)), np.ones(len(some), dtype=np.bool_)
    chain: list[int] = []
    while alive.any():
        if not chain:
            chain = [int(np.argmax(alive))]
        a = chain[-1]
        squared = squares(centre - centre[a]) + variance + variance[a]
        squared[~alive] = squared[a] = np.inf
        b = int(squared.argmin())
        if squared[b] > radius**2:  # and so are the links before it, which are no shorter
            alive[chain] = False
            chain = []
        elif len(chain) > 1 and squared[chain[-2]] <= squared[b]:
            b = chain[-2]
            low, high, share = min(a, b), max(a, b), count[b] / (count[a] + count[b])
            apart = centre[b] - centre[a]
            variance[low] = union_variance(share, variance[a], variance[b], apart @ apart)
            centre[low] = centre[a] + share * apart
            count[low] = count[a] + count[b]
            into[high], alive[high] = low, False
            chain = chain[:-2]
        else:
            chain.append(b)
    while not np.array_equal(up := into[into], into):
        into = up
    return into
