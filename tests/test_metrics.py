from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.identity.metrics import Score, bcubed, coverage, pairwise, purity


def test_pairwise_by_hand() -> None:
    # pairs together: 01, 23, 24, 34; right: 01, 34. Pairs that belong together: 01, 02, 12, 34.
    score = pairwise(["a", "a", "a", "b", "b"], [0, 0, 1, 1, 1])
    assert score == Score(2 / 4, 2 / 4)
    assert score.f == pytest.approx(0.5)


def test_bcubed_by_hand() -> None:
    score = bcubed(["a", "a", "a", "b", "b"], [0, 0, 1, 1, 1])
    assert score.precision == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3) / 5)
    assert score.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)


def test_purity_and_coverage_by_hand() -> None:
    predicted = [0, 0, 0, 1, -1]
    assert purity(["a", "a", "b", "b", "b"], predicted) == 3 / 4
    assert coverage(predicted) == 4 / 5


def test_faces_left_out_stand_alone() -> None:
    assert pairwise([1, 1, 2], [-1, -1, -1]).recall == 0
    assert bcubed([1, 1, 2], [-1, -1, -1]) == Score(1.0, 2 / 3)
    assert pairwise([1, 1, 1], [0, 0, -7]) == Score(1.0, 1 / 3)


def test_nothing_to_count_is_unknown() -> None:
    assert math.isnan(purity([1, 2], [-1, -1]))
    assert math.isnan(coverage([]))
    assert math.isnan(bcubed([], []).precision)
    assert math.isnan(pairwise([1, 2], [0, 1]).precision)


def test_labels_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        pairwise([1, 2], [1])


def test_a_million_faces_in_one_cluster_are_counted_right() -> None:
    n = 1_000_000
    score = pairwise(np.arange(n) % 2, np.zeros(n, dtype=int))
    half = n // 2
    assert score.precision == pytest.approx(2 * half * (half - 1) / (n * (n - 1)), rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=30))
def test_same_as_counting_pairs_and_faces_one_by_one(faces: list[tuple[int, int]]) -> None:
    truth = [t for t, _ in faces]
    predicted = [p if p >= 0 else 100 + i for i, (_, p) in enumerate(faces)]
    pairs = list(combinations(range(len(faces)), 2))
    same = {(i, j) for i, j in pairs if truth[i] == truth[j]}
    together = {(i, j) for i, j in pairs if predicted[i] == predicted[j]}
    score = pairwise(truth, [p for _, p in faces])
    if together:
        assert score.precision == pytest.approx(len(same & together) / len(together))
    if same:
        assert score.recall == pytest.approx(len(same & together) / len(same))

    def share(of: list[int], among: list[int]) -> float:
        n = len(faces)
        shares = [
            sum(of[i] == of[j] and among[i] == among[j] for j in range(n))
            / sum(among[i] == among[j] for j in range(n))
            for i in range(n)
        ]
        return sum(shares) / n

    score = bcubed(truth, [p for _, p in faces])
    assert score.precision == pytest.approx(share(truth, predicted))
    assert score.recall == pytest.approx(share(predicted, truth))
