"""A person over the years: groups whose faces of one year are like those of the next are one person's.

A child of three and of nine are as far apart as two people, and the mean over all faces says so. But photos have dates,
and each year is like the next. So the faces of a group are cut in slices, one a year, and two groups are compared
by those slices only that are no more than a year from each other. All of these count: a younger sister who looks as the
elder one did three years ago does not look as she did that year.

Groups that are tied stay groups, each as alike as the faces of one person are; a face joins the nearest, which is the
nearest age. Only the person is one.

Without times nothing is tied, and nothing is where all faces of two groups are of one year: `merge` has compared them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facecluster.identity.assured import Assured
from facecluster.identity.groups import Groups, union_variance
from facecluster.identity.neighbours import BLOCK, squares, tell_near
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach
from facecluster.identity.same_photo import Shown

YEAR = 365.25 * 86400
"""Seconds of a slice. Slices begin at whole years from 1970, about with the calendar's, whatever faces there are: so
the slice of a face never depends on the others, and those of two groups add up to those of their union."""

APART = 2
"""Slices are compared whose years differ by no more, so that between them lies a year at most: one in which nobody took
a photo is bridged, two are not. Of simulated children of the fit half, 0.914, 0.943 and 0.949 of the faces are in one
person with 1, 2 and 3, at a pairwise precision of 0.981, 0.985 and 0.986 (three draws, `benchmarks/years.py`). It is 2
and not 3 by hand: siblings are that far apart, and those of the benchmark are few."""

FEW = 2
"""Faces of each of two groups that must be compared. Of the ties of the same children, 21 of 236 are wrong with 1, 11
of 177 with 2, 3 of 157 with 3. It is 2 and not 3 by hand, so that two photos a year are enough. A face alone joins
people as any other does."""

EARLIEST, LATEST = -144 * YEAR, 130 * YEAR
"""Between which a photo can have been taken, 1826 to 2100: before there were none, later is a clock that is wrong. The
first second of 1970 is what a clock says that knows nothing; it is no time, either."""

_ROUNDING = 1e-4
"""Of squared distances in float32, and more: pairs that are too far are left out later."""

UNKNOWN = np.iinfo(np.int64).min // 2
"""The year of a face whose photo has no time that can be."""


def years_of(time: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give the year of each time, in whole ones from 1970 -> (n,); `UNKNOWN` where it is NaN or cannot be.

    Args:
        time: (n,) seconds since 1970, as `Photos.time`.
    """
    possible = (time >= EARLIEST) & (time < LATEST) & (time != 0)  # NaN is not
    return np.where(possible, np.floor(np.where(possible, time, 0) / YEAR).astype(np.int64), UNKNOWN)


def tie_years(
    points: Points,
    label: NDArray[np.int32],
    year: NDArray[np.int64],
    reach: Reach,
    margin: float,
    shown: Shown,
    *,
    fixed: NDArray[np.bool_],
    names: Mapping[int, str],
    jobs: int | None = None,
) -> list[tuple[int, int]]:
    """Tie groups that are one person's over the years, always the two that are nearest.

    Args:
        points: n, finite where `label` is not -1.
        label: (n,) group of each; -1 none.
        year: (n,) as `years_of` gives it.
        reach: how near is near enough.
        margin: `Radii.margin`. Of two that a group may be tied to and that are not one person, the nearer must be
            nearer by this much, as root mean square; else neither is tied to it.
        shown: in which photos the groups are, and which are of two people.
        fixed: (p,) groups of which no two are tied.
        names: of groups that have one: no two of different names are tied.
        jobs: threads; None is one, -1 all cores.

    Returns:
        Pairs of groups. None, and in no time, unless the faces of a group are of several years.

    What two groups cost is the mean squared distance between their faces over all pairs of slices that are `APART` at
    most, by the number of pairs of faces; the handicaps for as many faces as were compared, `FEW` of each at least; and
    what photos say that show both. Two are tied at up to radius². A union is compared anew: 3 to 4 to 5 to 6 grows by a
    year at a time.

    References:
        `merge`, of which this is the part that knows dates.
    """
    dated = np.flatnonzero((label >= 0) & (year != UNKNOWN))
    enough = np.bincount(label[dated], minlength=len(fixed)) >= FEW
    dated = dated[enough[label[dated]]]
    first, last = (np.full(len(fixed), fill, dtype=np.int64) for fill in (np.iinfo(np.int64).max, UNKNOWN))
    np.minimum.at(first, label[dated], year[dated])
    np.maximum.at(last, label[dated], year[dated])
    several = first < last
    if not several.any():
        return []
    (node, when), number = np.unique(
        np.stack([label[dated].astype(np.int64), year[dated]]), axis=1, return_inverse=True
    )
    slices = Groups.of(points[dated], number.reshape(-1).astype(np.int32))
    near = _near(slices, node, when, several, reach.radius + margin, jobs)
    people = _People(slices, node, when, reach, margin, shown, fixed, names)
    return people.tie(near)


def names_of(label: NDArray[np.int32], people: Sequence[Assured]) -> dict[int, str]:
    """Say which groups have faces by which somebody with a name is known: that of most of them, if several.

    Args:
        label: (n,) group of each face; -1 none.
        people: who was named.
    """
    held: dict[int, dict[str, int]] = {}
    for one in people:
        if one.name is None or any(one.id == other.id is not None for other in people if other is not one):
            continue
        numbers, count = np.unique(label[one.rows][label[one.rows] >= 0], return_counts=True)
        for number, n_faces in zip(numbers.tolist(), count.tolist(), strict=True):
            names = held.setdefault(number, {})
            names[one.name.casefold()] = names.get(one.name.casefold(), 0) + n_faces
    return {number: max(sorted(names), key=lambda name: names[name]) for number, names in held.items()}


def _near(
    slices: Groups,
    node: NDArray[np.int64],
    when: NDArray[np.int64],
    several: NDArray[np.bool_],
    radius: float,
    jobs: int | None,
) -> list[tuple[int, int]]:
    """Find the pairs of groups of which two slices are near and `APART` at most, one group of several years.

    Where no two slices are, the mean over them is not, either.
    """
    centre, variance = slices.centre.astype(np.float32), slices.variance()
    found: set[tuple[int, int]] = set()
    half = ((squares(centre) + variance) / 2).astype(np.float32)
    with threadpool_limits(1, user_api="blas"):
        for year in np.unique(when[several[node]]).tolist():
            one = np.flatnonzero((when == year) & several[node])
            rows = np.concatenate([one, np.flatnonzero(np.abs(when - year) <= APART)])

            def keep(i: NDArray[np.intp], j: NDArray[np.intp], rows: NDArray[np.intp] = rows) -> None:
                a, b = node[rows[i]], node[rows[j]]
                found.update(zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True))

            def known(of: NDArray[np.intp], rows: NDArray[np.intp] = rows) -> NDArray[np.int32]:
                return node[rows[of]].astype(np.int32)

            if len(one) * len(rows) <= BLOCK:  # where `tell_near` takes longer to begin than to compare
                product = centre[one] @ centre[rows].T  # |a - b|² + va + vb <= r²
                product -= half[rows]
                i, j = np.nonzero(product >= half[one][:, None] - np.float32((radius**2 + _ROUNDING) / 2))
                other = node[rows[i]] != node[rows[j]]
                keep(i[other], j[other])
            else:
                tell_near(
                    centre[rows], radius, keep, known=known, split=len(one), weight=variance[rows], jobs=jobs
                )
    return sorted(found)


@dataclass(frozen=True, eq=False)
class _Slices:
    """The faces of a group by year: (s,) years, rising; how many; (s, 128) their means; (s,) variances."""

    year: NDArray[np.int64]
    count: NDArray[np.float64]
    centre: NDArray[np.float64]
    variance: NDArray[np.float64]

    def joined(self, other: _Slices) -> _Slices:
        """Put two groups together: slices of one year become one."""
        year = np.union1d(self.year, other.year)
        count, variance = np.zeros((2, len(year)))
        centre = np.zeros((len(year), self.centre.shape[1]))
        own, theirs = np.searchsorted(year, self.year), np.searchsorted(year, other.year)
        count[own], centre[own], variance[own] = self.count, self.centre, self.variance
        share, apart = other.count / (count[theirs] + other.count), other.centre - centre[theirs]
        variance[theirs] = union_variance(share, variance[theirs], other.variance, squares(apart))
        centre[theirs] += share[:, None] * apart
        count[theirs] += other.count
        return _Slices(year, count, centre, variance)

    def apart(self, other: _Slices) -> tuple[float, float, float] | None:
        """Compare what is `APART` at most: mean squared distance, and how many faces of each were compared."""
        i, j = np.nonzero(np.abs(self.year[:, None] - other.year) <= APART)
        if len(i) == 0:
            return None
        weight = self.count[i] * other.count[j]
        squared = squares(self.centre[i] - other.centre[j]) + self.variance[i] + other.variance[j]
        n, m = float(self.count[np.unique(i)].sum()), float(other.count[np.unique(j)].sum())
        return float(weight @ squared / weight.sum()), n, m


class _People:
    """The groups, by their numbers, and after them those that they were tied to."""

    def __init__(
        self,
        slices: Groups,
        node: NDArray[np.int64],
        when: NDArray[np.int64],
        reach: Reach,
        margin: float,
        shown: Shown,
        fixed: NDArray[np.bool_],
        names: Mapping[int, str],
    ) -> None:
        self._all, self._variance, self._when = slices, slices.variance(), when
        self._start = np.searchsorted(node, np.arange(len(fixed) + 1))
        self._slices: dict[int, _Slices] = {}
        self._reach, self._margin, self._shown = reach, margin, shown
        self._fixed, self._names = fixed.tolist(), dict(names)
        self._name = list(range(len(fixed)))  # the lowest group of each
        self._near: dict[int, dict[int, float]] = {}  # what it costs to tie those that may be

    def tie(self, near: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Tie, from pairs of groups that may be near; see `tie_years`."""
        limit, ties = self._reach.radius**2, []
        queue = [entry for a, b in near if (entry := self._pair(a, b))]
        heapq.heapify(queue)
        waiting: dict[int, list[tuple[float, int, int]]] = {}  # by the group that makes them ambiguous
        while queue:
            entry = heapq.heappop(queue)
            cost, a, b = entry
            if cost > limit or b not in self._near.get(a, ()):
                continue
            rival = self._rival(a, b, cost)
            if rival is not None:
                waiting.setdefault(rival, []).append(entry)
                continue
            ties.append((self._name[a], self._name[b]))
            for other in self._union(a, b):
                heapq.heappush(queue, other)
            for end in (a, b):
                for other in waiting.pop(end, ()):
                    heapq.heappush(queue, other)
        return ties

    def _of(self, node: int) -> _Slices:
        found = self._slices.get(node)
        if found is None:
            some = slice(self._start[node], self._start[node + 1])
            found = _Slices(
                self._when[some], self._all.count[some], self._all.centre[some], self._variance[some]
            )
            self._slices[node] = found
        return found

    def _pair(self, a: int, b: int) -> tuple[float, int, int] | None:
        """Remember two that are near enough to be tied, or to be in the way of others."""
        if (self._fixed[a] and self._fixed[b]) or not self._are_namesakes(a, b):
            return None
        apart = self._of(a).apart(self._of(b))
        most = (self._reach.radius + self._margin) ** 2
        if apart is None or apart[0] > most or min(apart[1:]) < FEW:
            return None
        squared, n, m = apart
        cost = squared + self._reach.handicap(n) + self._reach.handicap(m)
        if cost <= most:
            cost += self._shown.penalty(a, b) * self._reach.radius**2
        if cost > most:
            return None
        self._near.setdefault(a, {})[b] = self._near.setdefault(b, {})[a] = cost
        return cost, a, b

    def _are_namesakes(self, a: int, b: int) -> bool:
        one, other = self._names.get(a), self._names.get(b)
        return one is None or other is None or one == other

    def _rival(self, a: int, b: int, cost: float) -> int | None:
        """Find somebody else to whom one of two could be tied as well, who is not one person with the other."""
        most = (math.sqrt(max(cost, 0.0)) + self._margin) ** 2
        for end, other in ((a, b), (b, a)):
            for third, theirs in sorted(self._near[end].items()):
                if third != other and theirs < most and self._are_two(third, other):
                    return third
        return None

    def _are_two(self, a: int, b: int) -> bool:
        """Say whether two that can be compared are further apart than one person is."""
        if self._of(a).apart(self._of(b)) is None:
            return False
        return self._near.get(a, {}).get(b, math.inf) > self._reach.radius**2

    def _union(self, a: int, b: int) -> list[tuple[float, int, int]]:
        """Make one of two, and give the pairs that it may be tied in."""
        node = len(self._name)
        self._name.append(min(self._name[a], self._name[b]))
        self._fixed.append(self._fixed[a] or self._fixed[b])
        self._slices[node] = self._of(a).joined(self._of(b))
        name = self._names.get(a, self._names.get(b))
        if name is not None:
            self._names[node] = name
        self._shown.merge(a, b, node)
        others = (self._near.pop(a).keys() | self._near.pop(b).keys()) - {a, b}
        for other in others:
            self._near[other].pop(a, None)
            self._near[other].pop(b, None)
        for end in (a, b):
            self._slices.pop(end)
        return [entry for other in sorted(others) if (entry := self._pair(node, other))]
