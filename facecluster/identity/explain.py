"""The distances behind a result: how far a face is from each person, and what holds a person together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.groups import Groups
from facecluster.identity.neighbours import blocks, squared_between, squares
from facecluster.identity.points import Points


@dataclass(frozen=True)
class Pair:
    """Two rows and the distance between them."""

    i: int
    j: int
    distance: float


@dataclass(frozen=True)
class Link(Pair):
    """Two rows without whose nearness a set would fall in two.

    Attributes:
        n_i: rows on the side of `i`, itself included.
        n_j: on the side of `j`.
    """

    n_i: int
    n_j: int


@dataclass(frozen=True, eq=False)
class Tree:
    """The minimum spanning tree of n encodings: of all ways to connect them, the one with the shortest links.

    Attributes:
        row: (n,) in the order in which they came to the tree.
        parent: (n,) the row that each was linked to, one that had come before; of the first, itself.
        length: (n,) of that link; 0 of the first.
    """

    row: NDArray[np.intp]
    parent: NDArray[np.intp]
    length: NDArray[np.float64]

    def n_parts(self, radius: float) -> int:
        """Say in how many parts the encodings fall when only those within `radius` are linked; 0 for none."""
        return int(np.count_nonzero(self.length > radius)) + min(len(self.row), 1)

    def behind(self, row: int) -> NDArray[np.bool_]:
        """Say which rows came to the tree through a row, itself included -> (n,)."""
        came = np.zeros(len(self.row), dtype=np.bool_)
        came[row] = True
        first = int(np.flatnonzero(self.row == row)[0]) + 1
        for one, parent in zip(self.row[first:].tolist(), self.parent[first:].tolist(), strict=True):
            came[one] = came[parent]
        return came

    def weakest(self, least: int = 1) -> Link | None:
        """Find the longest link that has at least `least` rows on either side; None if there is none.

        With least = 1 this is the link over which a way from one row to another must go at worst, however it is
        chosen: of all ways to part the rows in two, one of the sides farthest apart, told by their nearest pair.
        """
        n = len(self.row)
        below = np.ones(n, dtype=np.int64)  # by row: of those that came through it
        for row, parent in zip(self.row[:0:-1].tolist(), self.parent[:0:-1].tolist(), strict=True):
            below[parent] += below[row]
        size = below[self.row]
        cuts = np.flatnonzero(np.minimum(size, n - size) >= least)
        cuts = cuts[cuts > 0]
        if len(cuts) == 0:
            return None
        k = cuts[np.argmax(self.length[cuts])]
        return Link(
            int(self.parent[k]), int(self.row[k]), float(self.length[k]), n - int(size[k]), int(size[k])
        )


def spanning_tree(points: Points) -> Tree:
    """Find the minimum spanning tree of n finite faces.

    Each next row is compared with those that are not in the tree yet: time is as n² / 2 products of two encodings,
    memory a copy of them and a few numbers a row. Links are chosen in float32, so of two whose lengths differ by less
    than a millionth either may be taken; their lengths are in float64.

    References:
        Prim, Shortest connection networks and some generalizations, 1957.
    """
    n = len(points)
    row, parent = np.arange(n), np.zeros(n, dtype=np.intp)
    left = points.encoding.copy()
    half = ((squares(left) + points.crowding) / 2).astype(np.float32)
    near = np.full(n, np.inf, dtype=np.float32)  # half the squared distance to the tree, of row[k] by k
    for k in range(1, n):  # row[k - 1] is the last that came; row[k:] are left, with their encodings
        came = left[k - 1]
        apart = left[k:] @ came
        np.subtract(half[k:], apart, out=apart)
        apart += half[k - 1]
        nearer = apart < near[k:]
        near[k:][nearer] = apart[nearer]
        parent[k:][nearer] = row[k - 1]
        next_ = k + int(near[k:].argmin())
        for column in (row, parent, half, near):
            column[k], column[next_] = column[next_], column[k]
        left[[k, next_]] = left[[next_, k]]
    if n:
        parent[0] = row[0]
    return Tree(row, parent, np.sqrt(np.where(row == parent, 0, squared_between(points, row, parent))))


def count_links(points: Points, radius: float) -> tuple[NDArray[np.int64], Pair | None]:
    """Compare all pairs of n finite faces, block by block.

    Returns:
        (n,) how many others are within `radius` of each, and the two that are farthest apart; None for fewer than two.
    """
    n = len(points)
    count, farthest = np.zeros(n, dtype=np.int64), (-1.0, 0, 0)
    exact = points.encoding.astype(np.float64)
    squared = squares(exact) + points.crowding
    for rows in blocks(np.arange(n), n):
        first = int(rows[0])
        apart = exact[rows] @ exact[first:].T
        apart *= -2
        apart += squared[rows, None]
        apart += squared[first:]
        i, j = divmod(int(apart.argmax()), n - first)
        farthest = max(farthest, (float(apart[i, j]), first + i, first + j))
        near = np.triu(apart <= radius**2, 1)  # of each pair one half
        count[rows] += np.count_nonzero(near, axis=1)
        count[first:] += np.count_nonzero(near, axis=0)
    if n < 2:
        return count, None
    i, j = sorted(farthest[1:])
    return count, Pair(i, j, apart_by(points, i, j))


def apart_by(points: Points, i: int, j: int) -> float:
    """Give the distance between two faces."""
    return float(np.sqrt(squared_between(points, np.array([i]), np.array([j]))[0]))


def nearest(points: Points, to: int, rows: NDArray[np.intp], number: int) -> list[Pair]:
    """Find the `number` of (k,) rows of n faces that are nearest to the row `to`, nearest first, itself left out."""
    rows = rows[rows != to]
    squared = squared_between(points, rows, np.full(len(rows), to))
    order = np.argsort(squared, kind="stable")[:number]
    return [Pair(to, int(rows[k]), float(np.sqrt(squared[k]))) for k in order]


def from_groups(points: Points, row: int, groups: Groups, own: int = -1) -> NDArray[np.float64]:
    """Give the root mean square distance of one face to the members of each of p groups -> (p,).

    Args:
        points: n faces.
        row: of one of them, with an encoding.
        groups: p groups.
        own: the group that it is a member of, in which it does not count itself; -1 none.

    Returns:
        What `groups.nearest_two` compares; NaN for a group of this one alone.
    """
    x, crowding = points.encoding[row].astype(np.float64), points.crowding[row]
    squared = np.maximum(x @ x - 2 * groups.centre @ x + groups.square, 0) + groups.crowding + crowding
    if own >= 0:
        count = groups.count[own]
        squared[own] = (squared[own] * count - 2 * crowding) / (count - 1) if count > 1 else np.nan
    distance: NDArray[np.float64] = np.sqrt(squared)
    return distance


def between_groups(groups: Groups, own: int) -> NDArray[np.float64]:
    """Give the (p,) root mean square distances between members of one group and of each; of itself infinite."""
    apart: NDArray[np.float64] = np.sqrt(groups.squared_between(own))
    apart[own] = np.inf
    return apart
