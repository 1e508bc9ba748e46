"""How well predicted people agree with true ones: pairwise and BCubed scores, purity, coverage.

All of them come from the contingency counts (how many faces of each true person are in each predicted one), never
from pairs of faces. A negative predicted label is a face that was left out; it counts as a person of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    predicted = np.asarray(predicted)
    placed = predicted >= 0
    _, cluster, count = _contingency(np.asarray(truth)[placed], predicted[placed])
    majority = np.zeros(cluster.max(initial=-1) + 1)
    np.maximum.at(majority, cluster, count)
    return _share(majority.sum(), count.sum())


def coverage(predicted: ArrayLike) -> float:
    """Share of the faces that are placed at all; NaN where there is no face."""
    predicted = np.asarray(predicted)
    return _share(int(np.count_nonzero(predicted >= 0)), len(predicted))


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
