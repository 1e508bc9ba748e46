"""Two people who are together in photos, or one who is there twice: what a group of faces itself says about that.

Twins are two in every photo that shows both, and the faces of the one are nearer to each other than to those of the
other. Somebody who is twice on a page of an album, in prints that are different photos, has faces that nothing parts.
So the group is cut as well as it can be with the two faces of each photo on different sides. Two people have sides that
are further apart than within; the sides of one person are nearly as far within.

What cannot be told: twins who are nearer to each other than a third of the joining radius; and twins who are in one or
two photos together, where nothing else is known of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.groups import union_variance
from facecluster.identity.neighbours import UnionFind, squares, tell_near

PARTED, BY_PHOTO = 1.1, 0.5
"""Two sides that k photos show are two people's if the mean squared distance between their faces is at least `PARTED` +
`BY_PHOTO` / k times that within them. Of people of the fit half of `lfw_dev`, 95 % are cut at no more than 1.23 to 1.29
(k = 2, eight other photos or more), 1.20 to 1.24 (3, four others), 1.19 to 1.23 (4), 1.15 to 1.19 (6), 1.15 to 1.17 (8)
and 1.10 to 1.12 (12). Twins whose means are half of the joining radius apart are cut at more in 95 % of the draws from
k = 6 on, in most from k = 3 on (`benchmarks/doubles.py`)."""

ONE_BY_PHOTO = 0.2
"""The same in place of `BY_PHOTO` for one person's sides, which are less far apart: some nine of ten people's are. In
between nothing is said."""

SURELY = 0.15
"""Two sides that are parted by so much more than that are two people's whoever else the photos show twice: hardly any
of the people of the fit half is cut so, from eight faces on."""

SURELY_PARTED = 1.45
"""From which on sides are two people's where one photo shows both, or there are few faces: see `split.DISTINCT`."""

ENOUGH, LEAST = 8, 6
"""Faces of a group that say something about it: of six, one person's are cut at up to 1.46; of fewer, often at more."""

_ROUNDS = 15
"""Of moving the faces to the nearer side; they settle before."""


class Doubles(Enum):
    """What a group says of the photos that show it twice."""

    ONE = auto()
    TWO = auto()
    SURELY_TWO = auto()
    UNCLEAR = auto()
    TOO_FEW = auto()


@dataclass(frozen=True, eq=False)
class Side:
    """What the mean squared distance between groups and within them needs.

    Attributes:
        count: faces.
        centre: (d,) their mean.
        variance: mean squared distance to it.
    """

    count: int
    centre: NDArray[np.float64]
    variance: float

    @classmethod
    def of_shots(cls, x: NDArray[np.floating], near: float) -> Side:
        """Sum up (n, d) encodings, n >= 1, those of one shot once: see `shots`."""
        shot = shots(x, near)
        return cls.of(np.array([x[shot == number].mean(axis=0) for number in range(int(shot.max()) + 1)]))

    @classmethod
    def of(cls, x: NDArray[np.floating]) -> Side:
        """Sum up (n, d) encodings, n >= 1."""
        centre = x.mean(axis=0, dtype=np.float64)
        return cls(len(x), centre, float(squares(x - centre).mean()))

    def joined(self, other: Side) -> Side:
        """Sum up both."""
        count = self.count + other.count
        share, apart = other.count / count, other.centre - self.centre
        variance = union_variance(share, self.variance, other.variance, float(apart @ apart))
        return Side(count, self.centre + share * apart, variance)


def tell(
    x: NDArray[np.floating], pairs: NDArray[np.intp], near: float = 0.0
) -> tuple[NDArray[np.bool_], Doubles]:
    """Say whether the faces of a group are one person's, or two people's who are together in photos.

    Args:
        x: (n, d) encodings of the group.
        pairs: (k, 2) places in it of two faces of one photo; no face twice; k >= 1.
        near: faces within this Euclidean distance are of one shot, and count once.

    Returns:
        (n,) `cut`, and the verdict on its sides.
    """
    shot = shots(x, near)
    once = np.array([x[shot == number].mean(axis=0) for number in range(int(shot.max()) + 1)])
    pairs = np.unique(shot[pairs], axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs = pairs[np.unique(pairs[:, 0], return_index=True)[1]]
    pairs = pairs[np.unique(pairs[:, 1], return_index=True)[1]]
    pairs = pairs[~np.isin(pairs[:, 1], pairs[:, 0])]
    if len(pairs) == 0:
        return np.zeros(len(x), dtype=np.bool_), Doubles.TOO_FEW
    half = cut(once, pairs)
    return half[shot], verdict(Side.of(once[half]), Side.of(once[~half]), len(pairs))


def shots(x: NDArray[np.floating], near: float) -> NDArray[np.intp]:
    """Number the shots that (n, d) faces are of -> (n,): faces within `near` are copies, such as of one print.

    They count once. Else the copies of a print would be a side of their own, nearer to each other than photos are.
    """
    parts = UnionFind(len(x))
    if near > 0:
        tell_near(x.astype(np.float32), near, parts.link, known=parts.find)
    number: NDArray[np.intp] = np.unique(parts.find(np.arange(len(x))), return_inverse=True)[1].reshape(-1)
    return number


def verdict(one: Side, other: Side, k: int) -> Doubles:
    """Say the same of two groups, which k photos show both: the sides of a cut, or found otherwise."""
    ratio = parted(one, other)
    count, k = one.count + other.count, min(k, one.count, other.count)
    if k < 2 or count < ENOUGH:
        return Doubles.TWO if ratio >= SURELY_PARTED and count >= LEAST else Doubles.TOO_FEW
    if ratio >= PARTED + BY_PHOTO / k:
        return Doubles.SURELY_TWO if ratio >= PARTED + SURELY + BY_PHOTO / k else Doubles.TWO
    return Doubles.ONE if ratio < PARTED + ONE_BY_PHOTO / k else Doubles.UNCLEAR


def parted(one: Side, other: Side) -> float:
    """Give the mean squared distance between two sides over that within them; infinite for 0 within."""
    within = [2 * side.variance * side.count / (side.count - 1) for side in (one, other) if side.count > 1]
    between = float(squares((one.centre - other.centre)[np.newaxis])[0]) + one.variance + other.variance
    inner = float(np.mean(within)) if within else 0.0
    return between / inner if inner > 0 else np.inf


def cut(x: NDArray[np.floating], pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Cut a group in two sides, with the two faces of each pair on different ones.

    Args:
        x: (n, d).
        pairs: (k, 2) places in it, no face twice; k >= 1.

    Returns:
        (n,) whether a face is on the one side, by two means from a cut along the axis on which the pairs differ most.

    References:
        Wagstaff et al., Constrained k-means clustering with background knowledge, 2001 (cannot-link); MacQueen, 1967.
    """
    x = x.astype(np.float64)
    apart = x[pairs[:, 0]] - x[pairs[:, 1]]
    axis = longest(apart)
    half = np.zeros(len(x), dtype=np.bool_)
    middle = x[pairs].mean(axis=(0, 1))
    for _ in range(_ROUNDS):
        before, half = half, (x - middle) @ axis > 0
        first = apart @ axis > 0
        half[pairs[:, 0]], half[pairs[:, 1]] = first, ~first
        if np.array_equal(before, half):
            break
        one, other = x[half].mean(axis=0), x[~half].mean(axis=0)
        axis, middle = one - other, (one + other) / 2
    return half


def longest(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the axis (d,) on which (k, d) have most of their squared length."""
    axis: NDArray[np.float64]
    if len(x) < x.shape[1]:
        axis = np.linalg.eigh(x @ x.T)[1][:, -1] @ x
    else:
        axis = np.linalg.eigh(x.T @ x)[1][:, -1]
    return axis
