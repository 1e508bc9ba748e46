"""Merging of groups by the mean squared distance between their members: average linkage, without a matrix of pairs."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.groups import Groups, union_variance
from facecluster.identity.neighbours import squared_apart, tell_near
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach
from facecluster.identity.same_photo import Shown


def merge(
    points: Points,
    label: NDArray[np.int32],
    reach: Reach,
    shown: Shown,
    *,
    fixed: NDArray[np.bool_] | None = None,
    groups: Groups | None = None,
    jobs: int | None = None,
) -> NDArray[np.int32]:
    """Merge groups, always the two that are nearest, as long as two are near enough.

    Args:
        points: n.
        label: (n,) group of each, every number from 0 on occurs; -1 for those of none. Of equally near groups those
            of the lowest numbers are merged first.
        reach: how near is near enough.
        shown: in which photos the groups are, and which of them are of two people: see `Shown`.
        fixed: (p,) groups of which no two are put together; what they are near to is not looked for, either. None is
            none.
        groups: those of the labels, if they are summed up already.
        jobs: threads; None is one, -1 all cores.

    Returns:
        (n,) group after merging: the lowest number of its groups.

    The mean squared distance between the members of two groups is that of their centres and the variances of both. So
    a group is a count, a centre and a variance; and of the pairs of groups only those near enough to be merged are
    kept. A group that was merged can be near to no other than its parts were near to (the mean lies between the two),
    so nothing is searched for again. Only its handicap may become less as a group grows: pairs are kept up to that
    of groups of one face more.

    Memory is a few hundred bytes for each pair of groups that is near enough, beside the centres.

    References:
        Sokal, Michener, A statistical method for evaluating systematic relationships, 1958 (the average); Lance,
        Williams, A general theory of classificatory sorting strategies, 1967 (a merged group from its parts);
        FACTS.md, "DBSCAN on all of LFW", for why it follows DBSCAN.
    """
    groups = Groups.of(points, label) if groups is None else groups
    p = len(groups.count)
    if p < 2:
        return label.copy()
    centre, variance = groups.centre.astype(np.float32), groups.variance()
    fixed = np.zeros(p, dtype=np.bool_) if fixed is None else fixed
    nodes = _Nodes(centre, variance, groups.count, fixed, reach, shown)
    weight = variance + reach.handicap(groups.count + 1)
    pairs = near_pairs(centre, variance, weight, fixed, reach.radius, jobs)
    queue = [entry for pair in pairs if (entry := nodes.pair(*pair))]
    heapq.heapify(queue)
    while queue:
        _, a, b = heapq.heappop(queue)
        if nodes.into[a] == a and nodes.into[b] == b:
            for entry in nodes.merge(a, b):
                heapq.heappush(queue, entry)
    merged = np.full(len(label), -1, dtype=np.int32)
    placed = label >= 0
    merged[placed] = nodes.lowest(p)[label[placed]]
    return merged


def near_pairs(
    centre: NDArray[np.float32],
    variance: NDArray[np.float64],
    weight: NDArray[np.float64],
    fixed: NDArray[np.bool_],
    radius: float,
    jobs: int | None,
) -> Iterator[tuple[int, int, float]]:
    """Give the pairs of groups, not both fixed, whose centres are within radius, each with its weight; and how far."""
    found = [(np.empty(0, dtype=np.intp),) * 2]
    order = np.argsort(fixed, kind="stable")
    n_free = int(np.count_nonzero(~fixed))

    def keep(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        found.append((order[i], order[j]))

    def known(rows: NDArray[np.intp]) -> NDArray[np.int32]:
        return np.full(len(rows), -1, dtype=np.int32)

    free = order[:n_free]
    tell_near(centre[free], radius, keep, known=known, weight=weight[free], jobs=jobs)
    if n_free < len(order):
        tell_near(centre[order], radius, keep, known=known, split=n_free, weight=weight[order], jobs=jobs)
    for i, j in found:
        squared = squared_apart(centre, i, j) + variance[i] + variance[j]
        yield from zip(i.tolist(), j.tolist(), squared.tolist(), strict=True)


class _Nodes:
    """The groups, numbered from 0, and after them those that they were merged to."""

    def __init__(
        self,
        centre: NDArray[np.float32],
        variance: NDArray[np.float64],
        count: NDArray[np.float64],
        fixed: NDArray[np.bool_],
        reach: Reach,
        shown: Shown,
    ) -> None:
        self.into = list(range(len(centre)))  # the node that it became part of, or itself
        self._first, self._centre = (
            centre,
            dict[int, NDArray[np.float64]](),
        )  # of the groups, and of later nodes
        self._count, self._variance = count.tolist(), variance.tolist()
        self._name = list(range(len(centre)))
        self._fixed = fixed.tolist()
        self._near: dict[int, set[int]] = {}
        self._reach, self._shown = reach, shown

    def pair(self, a: int, b: int, squared: float) -> tuple[float, int, int] | None:
        """Remember two nodes that may be merged, now or later, and say at which cost; None for not now."""
        limit = self._reach.radius**2
        if squared > limit or (self._fixed[a] and self._fixed[b]):
            return None
        self._near.setdefault(a, set()).add(b)
        self._near.setdefault(b, set()).add(a)
        cost = squared + self._reach.handicap(self._count[a]) + self._reach.handicap(self._count[b])
        if cost <= limit:
            cost += self._shown.penalty(a, b) * limit
        return (cost, a, b) if cost <= limit else None

    def merge(self, a: int, b: int) -> list[tuple[float, int, int]]:
        """Make a node of two, and give the pairs that it may be merged in."""
        node, total = len(self.into), self._count[a] + self._count[b]
        share, start = self._count[b] / total, self._at(a)
        apart = self._at(b) - start
        self._centre[node] = start + share * apart
        self._count.append(total)
        self._variance.append(
            union_variance(share, self._variance[a], self._variance[b], float(apart @ apart))
        )
        self._name.append(min(self._name[a], self._name[b]))
        self._fixed.append(self._fixed[a] or self._fixed[b])
        self.into.append(node)
        self._shown.merge(a, b, node)
        for end in (a, b):
            self.into[end] = node
            self._centre.pop(end, None)
            for other in self._near[end] - {a, b}:
                self._near[other].discard(end)
        entries = []
        for other in sorted((self._near.pop(a) | self._near.pop(b)) - {a, b}):
            apart = self._at(other) - self._centre[node]
            squared = float(apart @ apart) + self._variance[node] + self._variance[other]
            if entry := self.pair(node, other, squared):
                entries.append(entry)
        self._near.setdefault(node, set())
        return entries

    def lowest(self, n: int) -> NDArray[np.int32]:
        """Give for each of the first n nodes the lowest number of all that it was merged with -> (n,)."""
        into = np.array(self.into)
        final = np.arange(n)
        while not np.array_equal(up := into[final], final):
            final = up
        return np.array(self._name, dtype=np.int32)[final]

    def _at(self, node: int) -> NDArray[np.float64]:
        centre = self._centre.get(node)
        return self._first[node].astype(np.float64) if centre is None else centre
