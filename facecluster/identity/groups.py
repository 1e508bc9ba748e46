"""Groups of faces: their rows and numbers, how far a face is from each, and who of one photo belongs to it.

A group is written as the number that its faces have in a (n,) array of labels, -1 for a face of none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.neighbours import blocks, squares


def rows_of(label: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Rows of each label that is not negative."""
    order = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
    if len(order) == 0:
        return []
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def renumber(label: NDArray[np.int32], rank: NDArray[np.int64], *, by_size: bool) -> NDArray[np.int32]:
    """Number the groups anew from 0, by falling size if asked for, equal ones by their lowest rank."""
    groups = rows_of(label)
    groups.sort(key=lambda rows: (-len(rows) if by_size else 0, int(rank[rows].min())))
    fresh = np.full(len(label), -1, dtype=np.int32)
    for number, rows in enumerate(groups):
        fresh[rows] = number
    return fresh


@dataclass(frozen=True, eq=False)
class Groups:
    """What the mean squared distance to the members of p groups needs: |x|² - 2 x·centre + square.

    Attributes:
        count: (p,) members; of a person, the founding faces.
        centre: (p, 128) their mean.
        square: (p,) mean of their squared norms.
    """

    count: NDArray[np.float64]
    centre: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, encoding: NDArray[np.float32], label: NDArray[np.int32]) -> Groups:
        """Sum up (n, 128) encodings by (n,) label, of which every number from 0 on occurs."""
        rows = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
        count = np.bincount(label[rows]).astype(np.float64)
        if len(rows) == 0:
            return cls(count, np.empty((0, encoding.shape[1])), np.empty(0))
        start = np.r_[0, np.cumsum(count)[:-1]].astype(np.intp)
        members = encoding[rows]
        centre = np.add.reduceat(members, start, axis=0, dtype=np.float64) / count[:, None]
        square = np.add.reduceat(squares(members), start) / count
        return cls(count, centre, square)

    def variance(self) -> NDArray[np.float64]:
        """Give the (p,) mean squared distance of the members of each to their mean."""
        return np.maximum(self.square - squares(self.centre), 0)

    def squared_to(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the (p,) mean squared distances of the members of each to one encoding (128,)."""
        return squares(self.centre - x) + self.variance()

    def spread(self) -> NDArray[np.float64]:
        """Give the (p,) root mean square distance of two members of each; 0 where there is one."""
        variance = self.variance()
        spread: NDArray[np.float64] = np.sqrt(2 * variance * self.count / np.maximum(self.count - 1, 1))
        return spread


def nearest_two(
    encoding: NDArray[np.float32], groups: Groups, label: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Find each face's group and how far that one and the next one are.

    Args:
        encoding: (n, 128).
        groups: p groups.
        label: (n,) the group a face is a member of, which is taken as its own however near others are; -1 for the
            others.

    Returns:
        (n,) group; (n,) root mean square distance to its members, the face itself not counted; (n,) the same to
        the nearest other group. Infinite where there is none; NaN for a group of this face alone.
    """
    n, p = len(encoding), len(groups.count)
    nearest, distance, runner_up = label.copy(), np.full(n, np.inf), np.full(n, np.inf)
    if p == 0:
        return nearest, distance, runner_up
    for rows in blocks(np.arange(n), p):
        x = encoding[rows].astype(np.float64)
        squared = squares(x)[:, None] - 2 * x @ groups.centre.T + groups.square
        np.maximum(squared, 0, out=squared)
        member = label[rows] >= 0
        own = np.where(member, label[rows], squared.argmin(axis=1))
        line = np.arange(len(rows))
        own_squared = squared[line, own]
        count = groups.count[own]
        with np.errstate(invalid="ignore", divide="ignore"):
            others = np.where(count > 1, own_squared * count / (count - 1), np.nan)
        nearest[rows] = own
        distance[rows] = np.sqrt(np.where(member, others, own_squared))
        squared[line, own] = np.inf
        runner_up[rows] = np.sqrt(squared.min(axis=1))
    return nearest, distance, runner_up


def second_in_photo(
    label: NDArray[np.int32],
    core: NDArray[np.bool_],
    distance: NDArray[np.float64],
    rank: NDArray[np.int64],
    photo: NDArray[np.int32],
    box: NDArray[np.float32],
) -> list[int]:
    """Find the joined faces whose person is in the same photo already, as a founding or a nearer face.

    Two faces of one photo are two people, unless their boxes say that they are one face found twice.
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
