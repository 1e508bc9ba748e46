"""How near people, and faces of nobody, are to each other, kept up to date while a few of them change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.explain import Tree, spanning_tree
from facecluster.identity.groups import Groups
from facecluster.identity.neighbours import squares
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach
from facecluster.identity.split import split_wide

_FACES = 8192
"""Faces that are summed up at a time: 4 MB of encodings."""
_ROWS = 256
"""Bodies that are compared with all others at a time."""
_TREE = 600
"""Faces of the largest person of whom a spanning tree is made, in 30 ms."""


@dataclass(frozen=True, eq=False)
class Body:
    """Who is compared: a person, or faces of nobody that are alike.

    Attributes:
        key: names it.
        rows: of its faces among the points.
        founding: rows of those that count when it is compared with others; never none.
        is_person: whether it is a person: faces of nobody are compared with people only.
    """

    key: str
    rows: NDArray[np.intp]
    founding: NDArray[np.intp]
    is_person: bool


class Nearness:
    """The sums of bodies. Each is one group of faces, or several where they are too far apart for one mean.

    How near two are is told as an excess: the mean squared distance between the faces of the one and the other, with
    the handicaps of both, less radius² (see `identity.rules.Reach`), in a unit. Up to 0 they would be merged.
    """

    def __init__(self, points: Points, reach: Reach, unit: float) -> None:
        """Know nobody yet.

        Args:
            points: n faces, of which bodies are.
            reach: how near groups must be to be one person's.
            unit: squared distance.
        """
        self._points, self._reach, self._unit = points, reach, unit
        self._n = 0
        self._centre = np.empty((0, points.encoding.shape[1]), dtype=np.float32)
        self._square = np.empty(0, dtype=np.float32)  # |centre|² and all that is added to squared distances
        self._owner = np.empty(0, dtype=np.int64)  # number of the body; -1 none any more
        self._is_person = np.empty(0, dtype=np.bool_)
        self._keys: list[str] = []
        self._units: dict[str, list[int]] = {}

    def drop(self, keys: Collection[str]) -> None:
        """Forget some bodies; those that are not known are none."""
        for key in keys:
            self._owner[self._units.pop(key, [])] = -1

    def put(self, bodies: Sequence[Body]) -> None:
        """Take in bodies that are not known yet."""
        start, size = 0, 0
        for end, body in enumerate(bodies):
            if size and size + len(body.founding) > _FACES:
                self._put(bodies[start:end])
                start, size = end, 0
            size += len(body.founding)
        self._put(bodies[start:])

    def _put(self, bodies: Sequence[Body]) -> None:
        if not bodies:
            return
        points = self._points[np.concatenate([body.founding for body in bodies])]
        label = np.repeat(np.arange(len(bodies)), [len(body.founding) for body in bodies]).astype(np.int32)
        wide = Groups.of(points, label).spread() > self._reach.radius
        wide &= np.array([body.is_person for body in bodies])
        part = split_wide(points, label, wide, self._reach) if wide.any() else label
        _, first, number = np.unique(part, return_index=True, return_inverse=True)
        groups, whose = Groups.of(points, number.reshape(-1).astype(np.int32)), label[first]
        weight = groups.variance() + self._reach.handicap(groups.count)
        new = slice(self._n, self._n + len(whose))
        self._reserve(new.stop)
        self._centre[new] = groups.centre
        self._square[new] = squares(groups.centre) + weight
        self._owner[new] = whose + len(self._keys)
        self._is_person[new] = [bodies[number].is_person for number in whose.tolist()]
        self._n = new.stop
        self._keys += [body.key for body in bodies]
        for unit, number in enumerate(whose.tolist(), start=new.start):
            self._units.setdefault(bodies[number].key, []).append(unit)

    def _reserve(self, n: int) -> None:
        """Make room for so many units."""
        if n <= len(self._owner):
            return
        room = n + n // 4 + 64
        for name in ("_centre", "_square", "_owner", "_is_person"):
            column = getattr(self, name)
            larger = np.full((room, *column.shape[1:]), -1 if name == "_owner" else 0, dtype=column.dtype)
            larger[: self._n] = column[: self._n]
            setattr(self, name, larger)

    def nearest(
        self, keys: Sequence[str], number: int, *, within: float, people_only: bool
    ) -> dict[str, list[tuple[float, str]]]:
        """Find whom some bodies are nearest to.

        Args:
            keys: of bodies.
            number: how many are found for each, at most; somebody of several groups counts as often.
            within: the largest excess of whom is found.
            people_only: look among people; else people are compared with faces of nobody, too.

        Returns:
            By key: excess and key of the others, the nearest first.
        """
        units = np.array([unit for key in keys for unit in self._units.get(key, ())], dtype=np.intp)
        there = np.flatnonzero(
            (self._owner[: self._n] >= 0) & (self._is_person[: self._n] | (not people_only))
        )
        centre = self._centre if len(there) == self._n else self._centre[there]
        centre, square = centre[: len(there)], self._square[there]
        owner, is_person = self._owner[there], self._is_person[there]
        found: dict[str, dict[str, float]] = {}
        for rows in np.split(units, range(_ROWS, len(units), _ROWS)):
            squared = self._centre[rows] @ centre.T
            squared *= -2
            squared += square
            squared[self._owner[rows][:, None] == owner] = np.inf
            nobody = np.flatnonzero(~self._is_person[rows])
            if len(nobody) and not people_only:
                squared[np.ix_(nobody, np.flatnonzero(~is_person))] = np.inf
            reach = within * self._unit + self._reach.radius**2 - self._square[rows]
            some = squared.min(axis=1, initial=np.inf) <= reach
            squared, rows, reach = squared[some], rows[some], reach[some]
            line = np.arange(len(rows))
            for _ in range(min(number, len(there))):
                place = squared.argmin(axis=1)
                value = squared[line, place]
                excess = np.where(value <= reach, self._excess(value + self._square[rows]), np.inf)
                squared[line, place] = np.inf
                for unit, other, value in zip(
                    rows.tolist(), owner[place].tolist(), excess.tolist(), strict=True
                ):
                    if value < np.inf:
                        near = found.setdefault(self._keys[self._owner[unit]], {})
                        near[self._keys[other]] = min(value, near.get(self._keys[other], np.inf))
        return {key: sorted((value, other) for other, value in near.items()) for key, near in found.items()}

    def between(self, key: str, others: Sequence[str]) -> Mapping[str, float]:
        """Give the excess of one body to each of some others that are known."""
        own = self._units.get(key, [])
        found: dict[str, float] = {}
        for other in others:
            theirs = self._units.get(other, [])
            if own and theirs:
                squared = -2 * self._centre[own] @ self._centre[theirs].T
                squared += self._square[own][:, None] + self._square[theirs]
                found[other] = float(self._excess(squared.min()))
        return found

    def _excess(self, squared: Any) -> Any:
        """Turn squared distances, with handicaps, into excess."""
        return (squared - self._reach.radius**2) / self._unit

    def loosest(self, body: Body) -> float:
        """Give the excess of the face of a body that is farthest from the others; -inf where there is one."""
        excess = self._alone(body)
        return float(excess.max(initial=-np.inf))

    def _alone(self, body: Body) -> NDArray[np.float64]:
        """Give the excess of each face of a body to the others; -inf where there are none."""
        n = len(body.rows)
        if n < 2:
            return np.full(n, -np.inf)
        points = self._points[body.rows]
        groups = Groups.of(points, np.zeros(n, dtype=np.int32))
        squared = squares(points.encoding - groups.centre[0]) + groups.variance()[0] + points.crowding
        squared = (squared * n - 2 * points.crowding) / (n - 1)
        squared += self._reach.handicap(1.0) + self._reach.handicap(float(n - 1))
        excess: NDArray[np.float64] = self._excess(squared)
        return excess

    def cuts(self, body: Body) -> Cuts:
        """Find the ways to part a body in two along its spanning tree; of a very large one, single faces."""
        n = len(body.rows)
        if n < 2 or n > _TREE:
            size = np.ones(n if n > 1 else 0, dtype=np.int64)
            return Cuts(self._alone(body)[: len(size)], size, body.rows, None)
        points = self._points[body.rows]
        tree = spanning_tree(points)
        x = points.encoding.astype(np.float64)
        below = np.column_stack(
            [x, squares(x), points.crowding, np.ones(n)]
        )  # sums of each and all behind it
        for row, parent in zip(tree.row[:0:-1].tolist(), tree.parent[:0:-1].tolist(), strict=True):
            below[parent] += below[row]
        one = below[tree.row[1:]]
        other = below[tree.row[0]] - one
        apart = one[:, :-3] / one[:, -1:] - other[:, :-3] / other[:, -1:]
        squared = np.einsum("ij,ij->i", apart, apart)
        for side in (one, other):
            mean = side[:, :-3] / side[:, -1:]
            squared += (side[:, -3] + side[:, -2]) / side[:, -1] - np.einsum("ij,ij->i", mean, mean)
            squared += self._reach.handicap(side[:, -1])
        size = np.rint(one[:, -1]).astype(np.int64)
        excess: NDArray[np.float64] = self._excess(squared)
        return Cuts(excess, np.minimum(size, n - size), body.rows, tree)


@dataclass(frozen=True, eq=False)
class Cuts:
    """The k ways to part a body in two.

    Attributes:
        excess: (k,) between the two sides of each.
        size: (k,) faces of the smaller side.
        rows: (n,) of the body's faces.
        tree: along which they are; None: each face is parted from all others.
    """

    excess: NDArray[np.float64]
    size: NDArray[np.int64]
    rows: NDArray[np.intp]
    tree: Tree | None

    def side(self, number: int) -> NDArray[np.intp]:
        """Give the rows of the smaller side of a cut."""
        if self.tree is None:
            return self.rows[[number]]
        behind = self.tree.behind(int(self.tree.row[number + 1]))
        if 2 * np.count_nonzero(behind) > len(behind):
            behind = ~behind
        return self.rows[behind]
