from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.identity.metrics import (
    Mix,
    Score,
    bcubed,
    coverage,
    merges,
    near_pair,
    pairwise,
    purity,
    splits,
    worst_mixes,
)
from facecluster.identity.points import Points


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


def test_splits_and_merges_by_hand() -> None:
    # a is in 0 and 1, b in 1 only (and left out once), c nowhere; 0 has one person, 1 has two
    truth, predicted = ["a", "a", "b", "b", "c"], [0, 1, 1, -1, -1]
    assert splits(truth, predicted) == 1 / 2
    assert merges(truth, predicted) == 1 / 2
    assert math.isnan(splits([1, 2], [-1, -1]))
    assert math.isnan(merges([], []))


def test_worst_mixes_by_hand() -> None:
    # group 0: 3 of part 5, 2 of 6, 1 of 7; group 1: 2 of part 6 and 2 of 7; group 2 is of one part
    group = [0] * 6 + [1] * 4 + [2] * 3 + [-1, 0]
    part = [5, 5, 5, 6, 6, 7] + [6, 6, 7, 7] + [5] * 3 + [6, -1]
    expected = [Mix(0, 5, 6, 3, 2), Mix(1, 6, 7, 2, 2), Mix(0, 5, 7, 3, 1)]
    assert worst_mixes(group, part, 10) == expected
    assert worst_mixes(group, part, 1) == expected[:1]
    assert worst_mixes(group, part, 0) == worst_mixes([], [], 5) == []


def test_near_pair_by_hand() -> None:
    a, b = np.zeros((3, 128), np.float32), np.zeros((2, 128), np.float32)
    a[:, 0], b[:, 0] = [0, 5, 1], [9, 7]
    one, other = Points.plain(a), Points.plain(b)
    assert near_pair(one, other) == (1, 1, 2.0)
    assert near_pair(other, one) == (1, 1, 2.0)
    assert near_pair(one[:1], other[:1]) == (0, 0, 9.0)


labellings = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=30)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_perfect_result_has_nothing_wrong(truth: list[int]) -> None:
    assert bcubed(truth, truth) == Score(1, 1)
    assert purity(truth, truth) == coverage(truth) == 1
    assert splits(truth, truth) == merges(truth, truth) == 0
    assert worst_mixes(truth, truth, 5) == []


@given(labellings, st.permutations(range(5)))
def test_the_numbers_of_people_do_not_matter(faces: list[tuple[int, int]], other: list[int]) -> None:
    truth, predicted = [t for t, _ in faces], [p for _, p in faces]
    renumbered = [other[p] if p >= 0 else p for p in predicted]
    for score in (pairwise, bcubed, purity, splits, merges):
        np.testing.assert_allclose(numbers(score(truth, renumbered)), numbers(score(truth, predicted)), 1e-12)
    sizes = [
        sorted((m.n_main, m.n_other) for m in worst_mixes(p, truth, 99)) for p in (predicted, renumbered)
    ]
    assert sizes[0] == sizes[1]


def numbers(score: Score | float) -> list[float]:
    return list(vars(score).values()) if isinstance(score, Score) else [score]


@given(labellings)
def test_every_split_and_merge_is_told_once(faces: list[tuple[int, int]]) -> None:
    truth, predicted = [t for t, _ in faces], [p for _, p in faces]
    placed = [(t, p) for t, p in faces if p >= 0]
    cells, labels, people = set(placed), {t for t, _ in placed}, {p for _, p in placed}
    assert len(worst_mixes(predicted, truth, 99)) == len(cells) - len(people)
    assert len(worst_mixes(truth, predicted, 99)) == len(cells) - len(labels)
    if placed:
        assert splits(truth, predicted) == pytest.approx((len(cells) - len(labels)) / len(labels))
        assert merges(truth, predicted) == pytest.approx((len(cells) - len(people)) / len(people))
