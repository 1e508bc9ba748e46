from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.groups import Groups, Sums, renumber, sortable
from facecluster.identity.points import Points

X = np.random.default_rng(0).normal(size=(3000, 128)).astype(np.float32)
POINTS = Points(X, np.random.default_rng(1).uniform(0, 0.5, 3000))


def labels(seed: int, n_groups: int) -> NDArray[np.int32]:
    """Every number occurs, and some faces are of no group."""
    rng = np.random.default_rng(seed)
    label = rng.integers(-1, n_groups, len(X))
    label[rng.permutation(len(X))[:n_groups]] = np.arange(n_groups)
    return label.astype(np.int32)


def assert_equal(one: Groups, other: Groups) -> None:
    for name, column in vars(one).items():
        np.testing.assert_array_equal(column, getattr(other, name), err_msg=name)


def test_centre_is_the_mean_of_the_members() -> None:
    label = labels(1, 5)
    groups = Groups.of(POINTS, label)
    for number in range(5):
        np.testing.assert_allclose(groups.centre[number], X[label == number].mean(axis=0, dtype=np.float64))
    assert groups.count.tolist() == np.bincount(label[label >= 0]).tolist()


def test_sums_are_the_same_bits_whatever_was_summed_up_before() -> None:
    sums = Sums(POINTS)
    first = labels(1, 400)
    changed = first.copy()
    changed[:50] = -1
    changed[50:60] = first[60:70]
    renumbered = np.unique(changed, return_inverse=True)[1].reshape(-1).astype(np.int32) - 1
    none = np.full(len(X), -1, dtype=np.int32)
    for label in (first, first, renumbered, none, labels(2, 3), first):
        assert_equal(sums.of(label), Groups.of(POINTS, label))


def test_groups_are_numbered_by_size_and_then_by_their_lowest_rank() -> None:
    label = np.array([7, 7, 2, -1, 5, 2, 5, 9], dtype=np.int32)
    rank = np.array([6, 7, 4, 0, 1, 5, 2, 3])
    assert renumber(label, rank, by_size=False).tolist() == [3, 3, 2, -1, 0, 2, 0, 1]
    assert renumber(label, rank, by_size=True).tolist() == [2, 2, 1, -1, 0, 1, 0, 3]
    assert renumber(np.array([-1, -1], dtype=np.int32), np.arange(2), by_size=True).tolist() == [-1, -1]
    assert renumber(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64), by_size=True).tolist() == []


def test_texts_are_sorted_to_the_same_order() -> None:
    for texts in (["b-10", "b-2", "a", "", "b-1"], ["ü", "z", "a"]):
        array = np.array(texts)
        assert (
            np.argsort(sortable(array), kind="stable").tolist() == np.argsort(array, kind="stable").tolist()
        )
