from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tables import people

from facecluster.identity.doubles import ENOUGH, Doubles, Side, cut, parted, shots, tell, verdict


def pairs(k: int) -> NDArray[np.intp]:
    """Faces 0 and 1 are in one photo, 2 and 3 in the next."""
    return np.arange(2 * k).reshape(k, 2)


def twins(k: int, apart: float, *, alone: int = 0, spread: float = 0.7) -> NDArray[np.float32]:
    """Two people by turns, `apart` from each other, whose own faces are about `spread` apart."""
    rng = np.random.default_rng(2)
    x = rng.normal(scale=spread / np.sqrt(2 * 128), size=(2 * (k + alone), 128)).astype(np.float32)
    x[1::2, 0] += apart
    return x


def test_sides_of_three_numbers_by_hand() -> None:
    one, other = Side.of(np.array([[0.0], [2.0]])), Side.of(np.array([[5.0], [7.0], [6.0]]))
    assert (one.count, one.centre.tolist(), one.variance) == (2, [1.0], 1.0)
    # between: 25, 49, 36, 9, 25, 16; within: 4 and (4 + 1 + 1) / 3
    assert parted(one, other) == pytest.approx((160 / 6) / ((4 + 2) / 2))


def test_sides_joined_are_those_of_all() -> None:
    x = people(1, 9)
    joined, whole = Side.of(x[:4]).joined(Side.of(x[4:])), Side.of(x)
    assert joined.count == whole.count
    np.testing.assert_allclose(joined.centre, whole.centre, atol=1e-12)
    assert joined.variance == pytest.approx(whole.variance)


def test_single_faces_have_nothing_within() -> None:
    assert parted(Side.of(np.zeros((1, 2))), Side.of(np.ones((1, 2)))) == np.inf


def test_a_cut_has_the_faces_of_a_photo_on_different_sides() -> None:
    for x in (people(1, 20), twins(6, 0.8, alone=4)):
        half = cut(x, pairs(6))
        assert (half[:12:2] != half[1:12:2]).all()


def test_a_cut_finds_twins_and_who_is_alone_goes_to_the_nearer_one() -> None:
    half = cut(twins(6, 0.8, alone=5), pairs(6))
    assert len(set(half[::2].tolist())) == len(set(half[1::2].tolist())) == 1
    assert half[0] != half[1]


@pytest.mark.parametrize(("k", "alone"), [(4, 0), (8, 0), (3, 6), (12, 20)])
def test_one_person_is_told_from_twins(k: int, alone: int) -> None:
    assert tell(twins(k, 0.0, alone=alone), pairs(k))[1] == Doubles.ONE
    assert tell(twins(k, 0.6, alone=alone), pairs(k))[1] in (Doubles.TWO, Doubles.SURELY_TWO)
    assert tell(twins(k, 0.9, alone=alone), pairs(k))[1] == Doubles.SURELY_TWO


def test_few_faces_and_a_single_photo_say_little() -> None:
    assert tell(twins(1, 0.0, alone=9), pairs(1))[1] == Doubles.TOO_FEW
    assert tell(twins(ENOUGH // 2 - 1, 0.0), pairs(ENOUGH // 2 - 1))[1] == Doubles.TOO_FEW
    assert tell(twins(3, 2.0), pairs(3))[1] == Doubles.TWO
    assert tell(twins(2, 2.0), pairs(2))[1] == Doubles.TOO_FEW


def test_the_verdict_is_the_same_from_either_side() -> None:
    x = twins(6, 0.5)
    one, other = Side.of(x[::2]), Side.of(x[1::2])
    assert verdict(one, other, 6) == verdict(other, one, 6)


def test_copies_of_one_print_count_once() -> None:
    rng = np.random.default_rng(0)
    prints = twins(6, 0.0)[:8]  # eight photos of one person, whose prints are copied on several pages
    x = np.concatenate([prints, *(prints[[0, one]] for one in range(1, 8))])
    x += rng.normal(scale=0.002, size=x.shape).astype(np.float32)
    on_pages = 8 + pairs(7)
    assert tell(x, on_pages)[1] == Doubles.SURELY_TWO  # one side is seven copies of the first
    assert tell(x, on_pages, 0.4)[1] not in (Doubles.TWO, Doubles.SURELY_TWO)
    assert len(set(shots(x, 0.4).tolist())) == 8
    assert Side.of_shots(x, 0.4).count == 8
