from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.identity import boxes
from facecluster.identity.boxes import lose_faces, main_faces, match_boxes, overlaps
from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST


def array(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def pairs(*arguments: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(*(rows.tolist() for rows in match_boxes(*arguments)), strict=True))


def test_overlaps_by_hand() -> None:
    a = array((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (5, 5, 5, 5))
    b = array((0, 0, 10, 10), (0, 5, 10, 15), (10, 0, 20, 10), (5, 5, 5, 5))
    np.testing.assert_allclose(overlaps(a, b), [1, 1 / 3, 0, 0])


def test_overlap_of_a_half_is_the_same_face_less_is_not() -> None:
    one, zero = array((0, 0, 10, 10)), numbers(0)
    assert pairs(zero, one, zero, array((0, 0, 10, 5))) == [(0, 0)]
    assert pairs(zero, one, zero, array((0, 0, 10, 4.9))) == []


def test_boxes_of_different_photos_are_never_the_same() -> None:
    box = array((0, 0, 10, 10))
    assert pairs(numbers(0), box, numbers(1), box) == []
    assert pairs(numbers(-1), box, numbers(0), box) == []


def test_the_boxes_that_overlap_most_are_taken_first_and_once() -> None:
    a = array((0, 0, 10, 10), (1, 0, 11, 10))
    b = array((1, 0, 11, 10), (50, 50, 60, 60))
    assert pairs(numbers(3, 3), a, numbers(3, 3), b) == [(1, 0)]


def test_nothing_to_match() -> None:
    box = array((0, 0, 10, 10))
    assert pairs(numbers(), array(), numbers(0), box) == pairs(numbers(0), box, numbers(), array()) == []


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_blocks_and_order_do_not_matter(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.random((2 * n, 2)) * 100
    box = np.hstack([corner, corner + 20 + 20 * rng.random((2 * n, 2))])
    photo = rng.integers(0, 3, 2 * n)
    a, b = (photo[:n], box[:n]), (photo[n:], box[n:])
    expected = pairs(*a, *b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes, "_BLOCK", 4)
        assert pairs(*a, *b) == expected
    order = rng.permutation(n)
    assert sorted((order[i], j) for i, j in pairs(photo[:n][order], box[:n][order], *b)) == expected
    assert sorted((i, j) for j, i in pairs(*b, *a)) == expected


def test_main_faces_by_hand() -> None:
    # two photos of 100 x 100: in the first a large face in the corner and a small one in the middle
    photo = numbers(0, 0, 1)
    box = array((0, 0, 40, 40), (45, 45, 55, 55), (10, 10, 20, 20))
    size = np.full((3, 2), 100, np.int32)
    assert main_faces(photo, box, "largest").tolist() == [True, False, True]
    assert main_faces(photo, box, "central", size).tolist() == [False, True, True]
    assert main_faces(photo, box, "only").tolist() == [False, False, True]
    assert main_faces(photo, box, "all").tolist() == [True, True, True]
    assert main_faces(photo[::-1].copy(), box[::-1].copy(), "largest").tolist() == [True, False, True]
    assert main_faces(numbers(), array(), "largest").tolist() == []
    with pytest.raises(ValueError, match="sizes"):
        main_faces(photo, box, "central")


def test_nobody_takes_the_place_of_a_main_face_that_is_lost() -> None:
    # as above; photo 1 loses its only face, photo 2 none
    photo = numbers(0, 0, 1, 2)
    box = array((0, 0, 40, 40), (45, 45, 55, 55), (10, 10, 20, 20), (10, 10, 20, 20))
    size, before = np.full((3, 2), 100, np.int32), np.zeros(3, np.uint8)
    for gone, lost in (
        ([True, False, True, False], LOST | LOST_LARGEST),
        ([False, True, True, False], LOST | LOST_CENTRAL),
        ([True, True, True, False], LOST | LOST_LARGEST | LOST_CENTRAL),
    ):
        after = lose_faces(photo, box, np.array(gone), size, before)
        assert after.tolist() == [lost, LOST | LOST_LARGEST | LOST_CENTRAL, 0]
    after = lose_faces(photo, box, np.array([True, False, False, False]), size, before)
    left, of = np.array([1, 2, 3]), np.array([0, 1, 2])
    for which, expected in (
        ("largest", [False, True, True]),
        ("central", [True, True, True]),
        ("only", [False, True, True]),
        ("all", [True, True, True]),
    ):
        main = main_faces(photo[left], box[left], which, size[of], after[of])  # type: ignore[arg-type]
        assert main.tolist() == expected
    again = lose_faces(photo[left], box[left], np.array([True, False, False]), size, after)
    assert again.tolist() == [LOST | LOST_LARGEST | LOST_CENTRAL, 0, 0]
    assert before.tolist() == [0, 0, 0]
