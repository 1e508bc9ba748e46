"""Groups of faces: their rows and numbers, how far a face is from each, and who of one photo belongs to it.

A group is written as the number that its faces have in a (n,) array of labels, -1 for a face of none.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.neighbours import TILE, blocks, squares
from facecluster.identity.points import Points

Number = TypeVar("Number", float, NDArray[np.float64])


def sortable(text: NDArray[np.str_]) -> NDArray[Any]:
    """Take a byte a letter where that is enough, which is sorted faster, to the same order."""
    try:
        return text.astype(np.bytes_)
    except UnicodeEncodeError:
        return text


def rows_of(label: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Rows of each label that is not negative."""
    order = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
    if len(order) == 0:
        return []
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def renumber(label: NDArray[np.int32], rank: NDArray[np.int64], *, by_size: bool) -> NDArray[np.int32]:
    """Number the groups anew from 0, by falling size if asked for, equal ones by their lowest rank."""
    rows = np.flatnonzero(label >= 0)
    if len(rows) == 0:
        return np.full(len(label), -1, dtype=np.int32)
    n_groups = int(label.max()) + 1
    size = np.bincount(label[rows], minlength=n_groups)
    lowest = np.full(n_groups, np.iinfo(np.int64).max)
    np.minimum.at(lowest, label[rows], rank[rows])
    order = np.lexsort((lowest, -size)) if by_size else np.argsort(lowest)
    place = np.full(n_groups + 1, -1, dtype=np.int32)  # the last one for those of no group
    order = order[size[order] > 0]
    place[order] = np.arange(len(order))
    fresh: NDArray[np.int32] = place[label]
    return fresh


_ROWS = 1024
"""Encodings that are turned to float64 at a time: 1 MB, which stays in a core's cache."""


@dataclass(frozen=True, eq=False)
class Groups:
    """What the mean squared distance to the members of p groups needs: |x|² - 2 x·centre + square, and crowding.

    Attributes:
        count: (p,) members; of a person, the founding faces.
        centre: (p, 128) their mean.
        square: (p,) mean of their squared norms.
        crowding: (p,) mean of their crowding.
    """

    count: NDArray[np.float64]
    centre: NDArray[np.float64]
    square: NDArray[np.float64]
    crowding: NDArray[np.float64]

    @classmethod
    def of(cls, points: Points, label: NDArray[np.int32]) -> Groups:
        """Sum up n faces by (n,) label, of which every number from 0 on occurs."""
        rows = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
        count = np.bincount(label[rows]).astype(np.float64)
        if len(rows) == 0:
            return cls(count, np.empty((0, points.encoding.shape[1])), np.empty(0), np.empty(0))
        start = np.r_[0, np.cumsum(count)[:-1]].astype(np.intp)
        members = points.encoding[rows]
        centre = np.empty((len(count), points.encoding.shape[1]))
        for some in np.split(np.arange(len(count)), np.flatnonzero(np.diff(start // _ROWS)) + 1):
            end = start[some[-1] + 1] if some[-1] + 1 < len(start) else len(rows)
            part = members[start[some[0]] : end].astype(np.float64)  # so few stay in the cache
            centre[some] = np.add.reduceat(part, start[some] - start[some[0]], axis=0)
        centre /= count[:, None]
        square = np.add.reduceat(squares(members), start) / count
        crowding = np.add.reduceat(points.crowding[rows], start) / count
        return cls(count, centre, square, crowding)

    def variance(self) -> NDArray[np.float64]:
        """Give the (p,) mean squared distance of the members of each to their mean, with their mean crowding."""
        return np.maximum(self.square - squares(self.centre), 0) + self.crowding

    def squared_to(self, points: Points, row: int) -> NDArray[np.float64]:
        """Give the (p,) mean squared distances of the members of each to one face, which is none of them."""
        squared: NDArray[np.float64] = squares(self.centre - points.encoding[row]) + self.variance()
        return squared + float(points.crowding[row])

    def squared_between(self, own: int) -> NDArray[np.float64]:
        """Give the (p,) mean squared distances between the members of one group and those of each.

        |centre - centre'|² + variance + variance' (FACTS.md, "DBSCAN on all of LFW").
        """
        variance = self.variance()
        squared: NDArray[np.float64] = squares(self.centre - self.centre[own]) + variance + variance[own]
        return squared

    def spread(self) -> NDArray[np.float64]:
        """Give the (p,) root mean square distance of two members of each; 0 where there is one."""
        others = np.maximum(self.count - 1, 1)
        squared = 2 * (self.variance() - self.crowding) * self.count / others + 2 * self.crowding
        spread: NDArray[np.float64] = np.where(self.count > 1, np.sqrt(squared), 0)
        return spread


def union_variance(share: Number, first: Number, second: Number, squared: Number) -> Number:
    """Give the variance of the union of two groups, see `Groups.variance`.

    Args:
        share: part of its members that the second has.
        first: variance of the one.
        second: variance of the other.
        squared: squared distance of their centres.
    """
    return (1 - share) * first + share * second + share * (1 - share) * squared


class Sums:
    """Sums up groups of the same faces again and again: those that did not change are taken over."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._label = np.full(len(points), -1, dtype=np.int32)
        self._groups = Groups.of(points, self._label)

    def of(self, label: NDArray[np.int32]) -> Groups:
        """Give the groups of (n,) labels, of which every number from 0 on occurs."""
        rows = np.flatnonzero(label >= 0)
        n_groups = int(label.max(initial=-1)) + 1
        old = np.full(n_groups, -1, dtype=np.int32)
        old[label[rows]] = self._label[rows]  # of any face of each
        size, were = np.bincount(label[rows], minlength=n_groups), self._groups.count
        same = (old >= 0) & (size == (were[old] if len(were) else -1))
        same[label[rows[self._label[rows] != old[label[rows]]]]] = False
        number = np.append(np.cumsum(~same, dtype=np.int32) - 1, np.int32(-1))
        number[:-1][same] = -1
        fresh = Groups.of(self._points, number[label])
        centre = np.empty((n_groups, self._points.encoding.shape[1]))
        square, crowding = np.empty((2, n_groups))
        for which, source, of in ((~same, fresh, slice(None)), (same, self._groups, old[same])):
            centre[which], square[which] = source.centre[of], source.square[of]
            crowding[which] = source.crowding[of]
        self._label = label.copy()
        self._groups = Groups(size.astype(np.float64), centre, square, crowding)
        return self._groups


def nearest_two(
    points: Points,
    groups: Groups,
    label: NDArray[np.int32],
    owner: NDArray[np.int32] | None = None,
    *,
    jobs: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Find each face's group and how far that one and the next one are.

    Args:
        points: n.
        groups: p groups.
        label: (n,) the group a face is a member of, which is taken as its own however near others are; -1 for the
            others.
        owner: (p,) whose group it is: the next one is of another owner. None: each is somebody else's.
        jobs: threads; None is one, -1 all cores.

    Returns:
        (n,) group; (n,) root mean square distance to its members, the face itself not counted; (n,) the same to
        the nearest other group. Infinite where there is none; NaN for a group of this face alone.

    Which groups are nearest is told in float32, how far they are in float64. Time is as n * p; memory is a copy of the
    centres, beside a tile a thread.
    """
    n, p = len(points), len(groups.count)
    nearest, other = label.copy(), np.full(n, -1, dtype=np.int32)
    distance, runner_up = np.full(n, np.inf), np.full(n, np.inf)
    if p == 0:
        return nearest, distance, runner_up
    owner = np.arange(p, dtype=np.int32) if owner is None else owner
    # mean |x - member|² = |x|² - 2 (x·centre - square / 2): the nearest has the largest of what is in brackets
    half = (groups.square + groups.crowding)[:, None] / 2
    plane = np.concatenate([groups.centre, -half], axis=1).astype(np.float32)
    is_shared = np.append(np.bincount(owner, minlength=p)[owner] > 1, np.False_)  # the last one: of no group

    def find(rows: NDArray[np.intp]) -> None:
        x = np.concatenate([points.encoding[rows], np.ones((len(rows), 1), dtype=np.float32)], axis=1)
        line, own = np.arange(len(rows)), label[rows]
        best, second = np.full((2, len(rows)), -np.inf, dtype=np.float32)
        first, next_ = own.copy(), np.full(len(rows), -1, dtype=np.int32)
        best[own >= 0] = np.inf  # a member's own group comes first
        for start in range(0, p, TILE[1]):
            product = x @ plane[start : start + TILE[1]].T
            end = start + product.shape[1]
            inside = (own >= start) & (own < end)
            product[line[inside], own[inside] - start] = -np.inf
            of_several = np.flatnonzero(is_shared[own])
            if len(of_several) and is_shared[start : start + TILE[1]].any():
                theirs = owner[own[of_several]][:, None] == owner[start : start + TILE[1]]
                product[of_several] = np.where(theirs, -np.inf, product[of_several])
            for _ in range(2):
                place = product.argmax(axis=1)
                value = product[line, place]
                product[line, place] = -np.inf
                better, place = value > best, place + start
                runner = ~better & (value > second)
                second = np.where(better, best, np.where(runner, value, second))
                next_ = np.where(better, first, np.where(runner, place, next_)).astype(np.int32)
                best, first = np.where(better, value, best), np.where(better, place, first).astype(np.int32)
        nearest[rows], other[rows] = first, next_

    threads = max(1, jobs or 1) if jobs != -1 else os.cpu_count() or 1
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(find, np.split(np.arange(n), range(TILE[0], n, TILE[0]))):
            pass

    unsure = (label < 0) & is_shared[nearest] & (other >= 0)
    unsure[unsure] = owner[other[unsure]] == owner[nearest[unsure]]
    for rows in blocks(np.flatnonzero(unsure), p):  # both are of one owner
        x = np.concatenate([points.encoding[rows], np.ones((len(rows), 1), dtype=np.float32)], axis=1)
        product = x @ plane.T
        product[owner[nearest[rows]][:, None] == owner] = -np.inf
        other[rows] = product.argmax(axis=1)
        other[rows[np.isneginf(product.max(axis=1))]] = -1

    distance = distance_to(points, groups, nearest, label >= 0)
    known = np.flatnonzero(other >= 0)
    runner_up[known] = distance_to(points[known], groups, other[known], np.zeros(len(known), dtype=np.bool_))
    return nearest, distance, runner_up


def distance_to(
    points: Points, groups: Groups, label: NDArray[np.int32], member: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Measure how far faces are from a group each.

    Args:
        points: n.
        groups: p groups.
        label: (n,) the group of each.
        member: (n,) whether it is a member, and not counted itself.

    Returns:
        (n,) root mean square distance to the members; NaN for the only one.
    """
    squared = np.empty(len(label))
    for start in range(0, len(label), _ROWS):
        some = slice(start, start + _ROWS)
        squared[some] = squares(groups.centre[label[some]] - points.encoding[some])
    squared += groups.variance()[label] + points.crowding
    count = groups.count[label]
    with np.errstate(invalid="ignore", divide="ignore"):
        others = (squared * count - 2 * points.crowding) / np.where(count > 1, count - 1, np.nan)
    distance: NDArray[np.float64] = np.sqrt(np.maximum(np.where(member, others, squared), 0))
    return distance


def second_in_photo(
    label: NDArray[np.int32],
    core: NDArray[np.bool_],
    distance: NDArray[np.float64],
    rank: NDArray[np.int64],
    photo: NDArray[np.integer],
    box: NDArray[np.float32],
) -> list[int]:
    """Find the joined faces whose person is in the same photo already, as a founding or a nearer face.

    `photo` numbers what is seen at once. Two faces of one are two people, unless their boxes say that they are one
    face found twice.
    """
    placed = np.flatnonzero(label >= 0)
    order = placed[np.lexsort((rank[placed], distance[placed], ~core[placed], photo[placed], label[placed]))]
    starts = np.flatnonzero(np.diff(label[order], prepend=-1) | np.diff(photo[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    second = []
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        kept: list[int] = []
        for row in order[start : start + size].tolist():
            if core[row] or not kept or (overlaps(box[[row] * len(kept)], box[kept]) >= SAME_FACE_IOU).any():
                kept.append(row)
            else:
                second.append(row)
    return second
