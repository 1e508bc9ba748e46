"""DBSCAN in one pass over the near pairs, in memory that grows with the faces and not with their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.neighbours import UnionFind, squared_between, tell_near
from facecluster.identity.points import Points


def dbscan(
    points: Points, eps: float, min_samples: int, *, jobs: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Group faces: dense ones within `eps` of each other belong together.

    Args:
        points: n, finite.
        eps: radius; a face exactly this far away is within.
        min_samples: faces within `eps`, itself included, that make one dense; at least 1.
        jobs: threads; None is one, -1 all cores.

    Returns:
        (n,) group from 0, in the order of their first dense rows, -1 none; (n,) whether it is dense. One that is
        not dense goes to the group of the nearest dense one within `eps`, of equally near ones the lowest row.

    Each near pair is looked at once, and forgotten. It links its two ends if both are dense. An end that is not yet
    dense remembers the other; once it is dense, it is linked to those of its first neighbours that are dense, too. Of
    a pair of which only one end is dense, the other remembers, so none is lost. Memory is `min_samples` numbers an
    encoding, beside what `tell_near` takes.

    References:
        Ester et al., A density-based algorithm for discovering clusters, 1996; but a border face goes to the nearest,
        not to the first that reaches it, so that the order of the rows does not matter.
    """
    if len(points) == 0:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.bool_)
    found = _Density(len(points), min_samples)
    tell_near(points.encoding, eps, found.add, known=found.part, weight=points.crowding, jobs=jobs)
    dense = np.flatnonzero(found.is_dense)
    label = np.full(len(points), -1, dtype=np.int32)
    label[dense] = np.unique(found.parts.find(dense), return_inverse=True)[1]
    border, nearest = found.border(points)
    label[border] = label[nearest]
    return label, found.is_dense


class _Density:
    """How many near ones each of n faces has, as far as is known, and which dense ones are linked."""

    def __init__(self, n: int, min_samples: int) -> None:
        self.parts = UnionFind(n)
        self.is_dense = np.full(n, min_samples <= 1)
        self._count = np.zeros(n, dtype=np.int32)  # of others within eps; not kept up once dense
        self._near = np.empty((n, min(max(0, min_samples - 1), n)), dtype=np.int32)  # the first of them

    def part(self, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        """Name the parts of dense rows, -1 for others: of a pair of one part, nothing more is to be learned."""
        return np.where(self.is_dense[rows], self.parts.find(rows), np.int32(-1))

    def add(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        """Take in (k,) and (k,) rows that are near; each pair once."""
        end, other = np.concatenate([i, j]), np.concatenate([j, i])
        open_ = np.flatnonzero(~self.is_dense[end])
        open_ = open_[np.argsort(end[open_], kind="stable")]
        end, other = end[open_], other[open_]
        fresh, start, count = np.unique(end, return_index=True, return_counts=True)
        place = self._count[end] + np.arange(len(end)) - np.repeat(start, count)
        fits = place < self._near.shape[1]
        self._near[end[fits], place[fits]] = other[fits]
        self._count[fresh] += count.astype(np.int32)
        fresh = fresh[self._count[fresh] >= self._near.shape[1]]
        self.is_dense[fresh] = True
        one, two = np.repeat(fresh, self._near.shape[1]), self._near[fresh].reshape(-1)
        one, two = np.concatenate([i, one]), np.concatenate([j, two])
        both = self.is_dense[one] & self.is_dense[two]
        self.parts.link(one[both], two[both])

    def border(self, points: Points) -> tuple[NDArray[np.intp], NDArray[np.integer[Any]]]:
        """Find the rows that are not dense and near one that is, and the nearest such one, the lowest row of equals."""
        rows = np.flatnonzero(~self.is_dense & (self._count > 0))
        place, line = np.arange(self._near.shape[1]), np.arange(len(rows))
        row, at = np.nonzero(place < self._count[rows, None])
        near = self._near[rows[row], at]
        dense = self.is_dense[near]
        row, near = line[row[dense]], near[dense]
        order = np.lexsort((near, squared_between(points, rows[row], near), row))
        row, near = row[order], near[order]
        first = np.diff(row, prepend=-1) > 0
        return rows[row[first]], near[first]
