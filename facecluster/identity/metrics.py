"""How well predicted people agree with true ones: pairwise and BCubed scores, purity, coverage, splits and merges.

All of them come from the contingency counts (how many faces of each true person are in each predicted one), never
from pairs of faces. A negative predicted label is a face that was left out; it counts as a person of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facecluster.identity.neighbours import squared_between, squared_distances
from facecluster.identity.points import Points

_N_STEPS = 10
"""Of `near_pair`, at most; two or three are usual."""


@dataclass(frozen=True)
class Score:
    """Precision and recall in 0..1; NaN where there is nothing to count."""

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """The harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairwise(truth: ArrayLike, predicted: ArrayLike) -> Score:
    """Score pairs of faces: of those put together, how many belong together, and the reverse.

    Args:
        truth: (n,) labels of any kind that can be sorted.
        predicted: (n,) int labels; each negative one stands alone.

    References:
        Amigó et al., A comparison of extrinsic clustering evaluation metrics, 2009, section 3.2.
    """
    person, cluster, count = _contingency(truth, predicted)
    together = _pairs(count)
    return Score(
        precision=_share(together, _pairs(_sizes(cluster, count))),
        recall=_share(together, _pairs(_sizes(person, count))),
    )


def bcubed(truth: ArrayLike, predicted: ArrayLike) -> Score:
    """Score each face by the company it is in, and average over the faces; small people count as much as large ones.

    Args:
        truth: (n,) labels of any kind that can be sorted.
        predicted: (n,) int labels; each negative one stands alone.

    References:
        Amigó et al., 2009, section 3.4: a face's precision is the share of its cluster that is of its person.
    """
    person, cluster, count = _contingency(truth, predicted)
    n = count.sum()
    return Score(
        precision=_share((count**2 / _sizes(cluster, count)[cluster]).sum(), n),
        recall=_share((count**2 / _sizes(person, count)[person]).sum(), n),
    )


def purity(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Share of the placed faces that belong to the majority of their cluster; NaN where none is placed."""
    _, cluster, count = _placed(truth, predicted)
    majority = np.zeros(cluster.max(initial=-1) + 1)
    np.maximum.at(majority, cluster, count)
    return _share(majority.sum(), count.sum())


def coverage(predicted: ArrayLike) -> float:
    """Share of the faces that are placed at all; NaN where there is no face."""
    predicted = np.asarray(predicted)
    return _share(int(np.count_nonzero(predicted >= 0)), len(predicted))


def splits(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Count how many clusters too many a person's placed faces are in, on average; 0 is best, NaN where none is placed.

    Args:
        truth: (n,) labels of any kind that can be sorted.
        predicted: (n,) int labels; faces with a negative one do not count.
    """
    person, _, count = _placed(truth, predicted)
    n_people = int(person.max(initial=-1)) + 1
    return _share(len(count) - n_people, n_people)


def merges(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Count how many people too many a cluster's faces are of, on average; 0 is best, NaN where none is placed."""
    _, cluster, count = _placed(truth, predicted)
    n_clusters = int(cluster.max(initial=-1)) + 1
    return _share(len(count) - n_clusters, n_clusters)


@dataclass(frozen=True)
class Mix:
    """A group whose faces are not all of one part: a cluster of several people, or a person in several clusters.

    Attributes:
        group: its label.
        main: label of the part that most of its faces are of.
        other: label of another part.
        n_main: faces of the group that are of the one.
        n_other: ... and of the other, which is not larger.
    """

    group: int
    main: int
    other: int
    n_main: int
    n_other: int


def worst_mixes(group: ArrayLike, part: ArrayLike, number: int) -> list[Mix]:
    """Find the largest parts that are not the main one of their group.

    For the worst merges, groups are clusters and parts people; for the worst splits it is the reverse.

    Args:
        group: (n,) int labels; a face with a negative one, here or in `part`, does not count.
        part: (n,) int labels.
        number: as many at most.

    Returns:
        By falling size of the part, then of the main one; smaller labels first where that is equal.
    """
    group, part = np.asarray(group), np.asarray(part)
    counts = (group >= 0) & (part >= 0)
    cells, count = np.unique(np.stack([group[counts], part[counts]], axis=1), axis=0, return_counts=True)
    order = np.lexsort((cells[:, 1], -count, cells[:, 0]))
    (of, what), count = cells[order].T, count[order]
    is_main = np.diff(of, prepend=-1) > 0
    main = np.flatnonzero(is_main)[np.cumsum(is_main) - 1]
    others = np.flatnonzero(~is_main)
    others = others[np.lexsort((-count[main[others]], -count[others]))][:number]
    return [
        Mix(int(of[i]), int(what[main[i]]), int(what[i]), int(count[main[i]]), int(count[i]))
        for i in others.tolist()
    ]


def near_pair(a: Points, b: Points) -> tuple[int, int, float]:
    """Find a face of each of two groups that are near to each other, in time and memory linear in their sizes.

    Args:
        a: n faces, n > 0.
        b: m faces, m > 0.

    Returns:
        Row in `a`, row in `b`, and their distance. Each is the other's nearest in its group, from a search that
        starts at the centre of `a`; another pair may be still nearer.
    """
    centre = Points.plain(a.encoding.mean(axis=0, dtype=np.float64).astype(np.float32)[np.newaxis])
    j = int(squared_distances(centre, b).argmin())
    i = -1
    for _ in range(_N_STEPS):
        before = i, j
        i = int(squared_distances(b[j : j + 1], a).argmin())
        j = int(squared_distances(a[i : i + 1], b).argmin())
        if (i, j) == before:
            break
    squared = squared_between(Points.join(a[i : i + 1], b[j : j + 1]), np.array([0]), np.array([1]))
    return i, j, float(np.sqrt(squared[0]))


def _placed(
    truth: ArrayLike, predicted: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """The cells of the faces that are placed."""
    predicted = np.asarray(predicted)
    return _contingency(np.asarray(truth)[predicted >= 0], predicted[predicted >= 0])


def _contingency(
    truth: ArrayLike, predicted: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """The cells that are not empty: true person, predicted person, number of faces."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"expected labels of one length, got {truth.shape} and {predicted.shape}")
    alone = predicted < 0
    predicted = predicted.astype(np.int64)
    predicted[alone] = predicted.max(initial=0) + 1 + np.arange(np.count_nonzero(alone))
    person: NDArray[Any] = np.unique(truth, return_inverse=True)[1]
    cluster: NDArray[Any] = np.unique(predicted, return_inverse=True)[1]
    n_clusters = int(cluster.max(initial=-1)) + 1
    cell, count = np.unique(person * n_clusters + cluster, return_counts=True)
    return cell // max(n_clusters, 1), cell % max(n_clusters, 1), count.astype(np.float64)


def _sizes(group: NDArray[np.intp], count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Faces in each person, true or predicted."""
    return np.bincount(group, weights=count).astype(np.float64)


def _pairs(count: NDArray[np.float64]) -> float:
    return float((count * (count - 1) / 2).sum())


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
