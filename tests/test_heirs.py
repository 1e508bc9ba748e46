from __future__ import annotations

import numpy as np

from facecluster.identity.heirs import Lineage, trace


def lineage(*faces: tuple[int, int, int], n_new: int | None = None) -> Lineage:
    """Faces as (old person, new person, how many)."""
    old = np.repeat([f[0] for f in faces], [f[2] for f in faces]).astype(np.int64)
    new = np.repeat([f[1] for f in faces], [f[2] for f in faces]).astype(np.int64)
    return trace(old, new, int(new.max(initial=-1)) + 1 if n_new is None else n_new)


def test_nobody() -> None:
    assert trace(np.empty(0, np.int64), np.empty(0, np.int64), 0) == Lineage((), (), ())
    assert lineage((-1, -1, 3), n_new=2) == Lineage((-1, -1), (), ())


def test_same_people_in_another_order() -> None:
    assert lineage((0, 1, 5), (1, 0, 4), (-1, -1, 2)) == Lineage((1, 0), (), ())


def test_new_faces_and_lost_ones_change_nobody() -> None:
    assert lineage((0, 0, 3), (0, -1, 2), (-1, 0, 2)) == Lineage((0,), (), ())


def test_person_of_new_faces_is_new() -> None:
    assert lineage((0, 0, 3), (-1, 1, 3)).heir == (0, -1)


def test_most_of_the_faces_keep_the_id_of_one_who_was_split() -> None:
    assert lineage((0, 0, 4), (0, 1, 6), (0, 2, 5)) == Lineage((-1, 0, -1), (), ((0, (0, 1, 2)),))


def test_most_faces_give_the_id_of_people_who_were_merged() -> None:
    assert lineage((0, 0, 3), (1, 0, 5), (2, 0, 4)) == Lineage((1,), ((0, (1, 0, 2)),), ())


def test_ties_are_for_the_lower_number() -> None:
    assert lineage((0, 0, 3), (1, 0, 3)).heir == (0,)
    assert lineage((0, 0, 3), (0, 1, 3)).heir == (0, -1)


def test_id_goes_where_most_faces_went_though_another_was_merged_there() -> None:
    # 6 of the 10 faces of 1 joined 0; the other 4 do not keep an id that means those 6
    assert lineage((0, 0, 9), (1, 0, 6), (1, 1, 4)) == Lineage((0, -1), ((0, (0, 1)),), ((1, (0, 1)),))


def test_few_faces_that_moved_are_neither_a_merge_nor_a_split() -> None:
    assert lineage((0, 0, 9), (0, 1, 2), (1, 1, 7), (1, 0, 3)) == Lineage((0, 1), (), ())


def test_one_face_among_those_of_nobody_makes_no_heir() -> None:
    assert lineage((0, -1, 30), (0, 0, 1), (-1, 0, 39)).heir == (-1,)


def test_order_of_the_faces_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    old, new = rng.integers(-1, 5, 60), rng.integers(-1, 4, 60)
    expected = trace(old, new, 4)
    for _ in range(5):
        order = rng.permutation(60)
        assert trace(old[order], new[order], 4) == expected
