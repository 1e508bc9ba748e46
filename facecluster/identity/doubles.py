"""Two people who are together in photos, or one who is there twice: what a group of faces itself says about that.

Twins are two in every photo that shows both, and the faces of the one are nearer to each other than to those of the
other. Somebody who is twice on a page of an album, in prints that are different photos, has faces that nothing parts.
So the group is cut as well as it can be with the two faces of each photo on different sides. Two people have sides that
are further apart than within; the sides of one person are nearly as far within.
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.neighbours import squares

PARTED, BY_PHOTO = 1.1, 0.5
"""Two sides that k photos show are two people's if the mean squared distance between their faces is `PARTED` +
`BY_PHOTO` / k times that within them.
MEASURED"""

SURELY_PARTED = 1.45
"""The same where one photo shows both, or there are few faces: see `split.DISTINCT`."""

ENOUGH = 8
"""Faces of a group that say something about it: of six, one person's are cut at up to 1.46."""

_ROUNDS = 15
"""Of moving the faces to the nearer side; they settle before."""


class Doubles(Enum):
    """What a group says of the photos that show it twice."""

    ONE = auto()
    TWO = auto()
    UNKNOWN = auto()


def tell(x: NDArray[np.floating], pairs: NDArray[np.intp]) -> Doubles:
    """Say whether the faces of a group are one person's, or two people's who are together in photos.

    Args:
        x: (n, d) encodings of the group.
        pairs: (k, 2) places in it of two faces of one photo; no face twice.
    """
    if len(pairs) == 0 or len(x) < 3:
        return Doubles.UNKNOWN
    return verdict(parted(x, cut(x, pairs)), len(pairs), len(x))


def verdict(ratio: float, k: int, n: int) -> Doubles:
    """Judge two sides of n faces together, which k photos show both, by `parted`."""
    is_enough = k > 1 and n >= ENOUGH
    if ratio >= (least_of(k) if is_enough else SURELY_PARTED):
        return Doubles.TWO
    return Doubles.ONE if is_enough else Doubles.UNKNOWN


def least_of(k: int) -> float:
    """Say from which `parted` on the sides that k photos show are two people's."""
    return min(PARTED + BY_PHOTO / k, SURELY_PARTED)


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


def parted(x: NDArray[np.floating], half: NDArray[np.bool_]) -> float:
    """Give the mean squared distance between two sides of (n, d) over that within them; infinite for 0 within."""
    sides = [x[half].astype(np.float64), x[~half].astype(np.float64)]
    return parted_of(*(len(side) for side in sides), *(side.mean(axis=0) for side in sides), *(
        float(squares(side - side.mean(axis=0)).mean()) for side in sides
    ))  # fmt: skip


def parted_of(
    n: int,
    m: int,
    centre: NDArray[np.float64],
    other_centre: NDArray[np.float64],
    variance: float,
    other_variance: float,
) -> float:
    """Give the same for sides of n and m faces, by their centres (d,) and mean squared distances to these."""
    within = [2 * v * k / (k - 1) for k, v in ((n, variance), (m, other_variance)) if k > 1]
    between = float(squares((centre - other_centre)[np.newaxis])[0]) + variance + other_variance
    inner = float(np.mean(within)) if within else 0.0
    return between / inner if inner > 0 else np.inf


def longest(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the axis (d,) on which (k, d) have most of their squared length."""
    axis: NDArray[np.float64]
    if len(x) < x.shape[1]:
        axis = np.linalg.eigh(x @ x.T)[1][:, -1] @ x
    else:
        axis = np.linalg.eigh(x.T @ x)[1][:, -1]
    return axis
