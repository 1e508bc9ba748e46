"""1:N search: the nearest faces or people of a face, and what a distance is worth.

"Nearest" is exact: float32 chooses candidates, which are then compared in float64; of equal distances the lower row
comes first. So the answer depends neither on the number of threads nor on what is searched together.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from facecluster.errors import TableError
from facecluster.identity.groups import Groups
from facecluster.identity.neighbours import BLOCK, ROUNDING, blocks, squares
from facecluster.identity.points import Points

BATCH = 64
"""Queries that are compared with all targets at a time: most of what a larger batch gains, and 2 MB a tile."""

_TILE = 2**19
"""Numbers in a product of queries and targets."""

_FIRST = 4096
"""Targets from which it is guessed how near the nearest of all are; a guess that is too high costs time only."""

CALIBRATION: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "sface": (
            (0.0, 100.0), (1.046, 99.9), (1.078, 99.0), (1.104, 95.0), (1.126, 85.0), (1.144, 70.0), (1.166, 50.0),
            (1.188, 30.0), (1.218, 15.0), (1.254, 7.0), (1.296, 3.0), (1.346, 1.0), (1.35, 0.0),
        ),
        "dlib": (
            (0.0, 100.0), (0.534, 99.9), (0.572, 99.0), (0.602, 95.0), (0.624, 85.0), (0.642, 70.0), (0.66, 50.0),
            (0.68, 30.0), (0.702, 15.0), (0.724, 7.0), (0.752, 3.0), (0.792, 1.0), (0.826, 0.0),
        ),
    }
)  # fmt: skip
"""By encoder, distances and the confidence at each, with straight lines between: of as many pairs of faces of one
person as of two, how many of 100 at this distance are of one. For pairs in usual places, see `points`.

Knots of falling curves (logistic regression on the squared distance) through the labelled faces of `lfw_dev`, and the
young and the adult ones of `lag_dev`. The three groups count alike, and so does each face, all of the fit half
(`benchmarks/calibration.py`, which also tells how far the curves are from the shares in the other half).
"""

CROWDED: Mapping[str, tuple[float, tuple[tuple[float, float], ...]]] = MappingProxyType(
    {
        "sface": (0.0, (
            (0.0, 100.0), (1.016, 99.9), (1.074, 99.0), (1.118, 95.0), (1.156, 85.0), (1.184, 70.0), (1.216, 50.0),
            (1.25, 30.0), (1.292, 15.0), (1.34, 7.0), (1.404, 3.0), (1.436, 1.0), (1.438, 0.0),
        )),
        "dlib": (0.07, (
            (0.0, 100.0), (0.582, 99.9), (0.624, 99.0), (0.656, 95.0), (0.682, 85.0), (0.704, 70.0), (0.726, 50.0),
            (0.754, 30.0), (0.786, 15.0), (0.826, 7.0), (0.878, 3.0), (0.888, 1.0), (0.89, 0.0),
        )),
    }
)  # fmt: skip
"""The same for pairs whose crowding together is more than the first number. There children are, and two faces of one
child are more often far apart than two of one adult. With dlib, half of the adults are in places that are somewhat
crowded.
"""


def confidence(distance: ArrayLike, encoder: str, crowding: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Turn distances into the share of true matches at each, per cent, 0..100; see `CALIBRATION` and `CROWDED`.

    Args:
        distance: any shape; between two faces, or as root mean square from a face to those of a person. An infinite
            one has 0, NaN has NaN.
        encoder: of the faces.
        crowding: of both together, `points.Points.crowding`; broadcast.

    Raises:
        TableError: nobody has measured this encoder.
    """
    if encoder not in CALIBRATION:
        raise TableError(
            f"the faces were encoded by {encoder!r}, search knows {', '.join(CALIBRATION)}; run encode again"
        )
    apart = np.asarray(distance, dtype=np.float64)
    least, crowded = CROWDED[encoder]
    of_usual, of_crowded = (np.interp(apart, *np.array(knots).T) for knots in (CALIBRATION[encoder], crowded))
    share: NDArray[np.float64] = np.where(np.asarray(crowding) > least, of_crowded, of_usual)
    return share


@dataclass(frozen=True, eq=False)
class Targets:
    """What faces are compared with: p faces, or groups of them.

    Attributes:
        row: (p,) of each in what it was made from.
        point: (p, 128) float32 encoding, or mean of a group.
        variance: (p,) float64 mean squared distance of the members to it, with their mean crowding: `Groups.variance`.
        half: (p,) float32 half of `variance` and of the squared length of `point`.
        crowding: (p,) float64 of the face, or the mean of the group's.
    """

    row: NDArray[np.intp]
    point: NDArray[np.float32]
    variance: NDArray[np.float64]
    half: NDArray[np.float32]
    crowding: NDArray[np.float64]

    @classmethod
    def of_faces(cls, points: Points) -> Targets:
        """Take n faces, but for those with unknown numbers. No copy is made where there are none."""
        known = np.isfinite(points.encoding).all(axis=1)
        row = np.flatnonzero(known)
        it = points if known.all() else points[row]
        half = ((squares(it.encoding) + it.crowding) / 2).astype(np.float32)
        return cls(row, it.encoding, it.crowding, half, it.crowding)

    @classmethod
    def of_groups(cls, groups: Groups) -> Targets:
        """Take the means of p groups."""
        point, variance = groups.centre.astype(np.float32), groups.variance()
        half = ((squares(point) + variance) / 2).astype(np.float32)
        return cls(np.arange(len(point)), point, variance, half, groups.crowding)

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The k nearest targets of q queries, nearest first.

    Attributes:
        row: (q, k) intp, `Targets.row`; -1 where there are no more.
        distance: (q, k) float64, to a group as root mean square over its members; infinite where there are no more.
        crowding: (q, k) float64, of the query and the target together, see `points`.
    """

    row: NDArray[np.intp]
    distance: NDArray[np.float64]
    crowding: NDArray[np.float64]


def find_nearest(query: Points, targets: Targets, k: int, *, jobs: int | None = -1) -> Nearest:
    """Find the k nearest targets of each query.

    Args:
        query: q faces, encoded as the targets. One with an unknown number has no nearest.
        targets: see `Targets`.
        k: one or more.
        jobs: threads; None is one, -1 all cores.

    Time is as q * p; memory is a few tiles a thread, beside the answer.
    """
    if k < 1:
        raise ValueError(f"expected k of 1 or more, got {k}")
    q, p = len(query), len(targets)
    squared, place = np.full((q, k), np.inf), np.full((q, k), p, dtype=np.intp)
    threads = max(1, jobs or 1) if jobs != -1 else os.cpu_count() or 1
    bounds = np.linspace(0, p, threads + 1).astype(int).tolist()
    known = np.flatnonzero(np.isfinite(query.encoding).all(axis=1))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(known), BATCH):
            some = known[start : start + BATCH]
            x = np.ascontiguousarray(query.encoding[some])
            parts = [pool.submit(_scan, x, targets, k, *ends) for ends in pairwise(bounds)]
            found = [part.result() for part in parts]
            asked = np.repeat(np.arange(len(some)), k * threads)
            all_squared, all_place = (np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True))
            squared[some], place[some] = _best(asked, all_squared.ravel(), all_place.ravel(), len(some), k)
    row = np.append(targets.row, -1)[place]
    own = query.crowding[:, None]
    return Nearest(row, np.sqrt(squared + own), own + np.append(targets.crowding, 0)[place])


def nearest_of(query: Points, row: int, points: Points, rows: NDArray[np.intp]) -> tuple[int, float]:
    """Find which of some rows of n faces is nearest to one face of others, and how far it is."""
    best, nearest = np.inf, -1
    x, own = query.encoding[row].astype(np.float64), query.crowding[row]
    for block in blocks(rows, points.encoding.shape[1]):
        squared = squares(points.encoding[block] - x) + points.crowding[block] + own
        place = int(squared.argmin())
        if squared[place] < best:
            best, nearest = float(squared[place]), int(block[place])
    return nearest, math.sqrt(best)


def _scan(
    x: NDArray[np.float32], targets: Targets, k: int, first: int, last: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Find the squared distances (q, k) and the places (q, k) of the nearest among some targets.

    Where there are fewer, squared distances are infinite and places the number of all targets.
    """
    q, square = len(x), squares(x)
    best, place = np.full((q, k), np.inf), np.full((q, k), len(targets), dtype=np.intp)
    longest = max(float(square.max()), 2 * float(targets.half[first:last].max(initial=0)))
    error = np.float32(ROUNDING * longest)  # of half - product, and of what that is compared with
    step = max(_TILE // q, 1024)
    for start in range(first, last, step):
        end = min(start + step, last)
        # |x - point|² + variance = |x|² + 2 (half - x·point): the nearest have the lowest of what is in brackets
        value = x @ targets.point[start:end].T
        np.subtract(targets.half[start:end], value, out=value)
        limit = ((best[:, -1] - square) / 2).astype(np.float32)
        if start == first and end - start > k:
            limit = np.partition(value[:, : max(_FIRST, k)], k - 1, axis=1)[:, k - 1] + error
        hits = np.flatnonzero(value <= (limit + error)[:, None])
        if len(hits) == 0:
            continue
        asked, column = np.divmod(hits, end - start)
        squared = _squared(x, targets, asked, column + start)
        old = np.repeat(np.arange(q), k)
        best, place = _best(
            np.concatenate([old, asked]),
            np.concatenate([best.ravel(), squared]),
            np.concatenate([place.ravel(), column + start]),
            q,
            k,
        )
    return best, place


def _squared(
    x: NDArray[np.float32], targets: Targets, asked: NDArray[np.intp], place: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Compare (m,) queries with (m,) targets in float64, so many at a time that memory is bounded."""
    squared = np.empty(len(asked))
    step = BLOCK // x.shape[1]
    for start in range(0, len(asked), step):
        some = slice(start, start + step)
        apart = x[asked[some]].astype(np.float64)
        apart -= targets.point[place[some]]
        squared[some] = squares(apart) + targets.variance[place[some]]
    return squared


def _best(
    asked: NDArray[Any], squared: NDArray[np.float64], place: NDArray[np.intp], q: int, k: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Keep the k lowest of each of q queries, which all have as many; of equal ones the lower place."""
    order = np.lexsort((place, squared, asked))
    start = np.searchsorted(asked[order], np.arange(q))
    kept = order[start[:, None] + np.arange(k)]
    return squared[kept], place[kept]
