from __future__ import annotations

import numpy as np
import pytest
from tables import make_table, people

from facecluster.identity.points import Points
from facecluster.identity.rules import Radii, Reach, Rules
from facecluster.identity.same_photo import Rivals
from facecluster.identity.split import split

RULES = Rules(Radii(eps=1.0, join=1.0, margin=0.1))
REACH = Reach(1.0, 0.0)


def split_one(encoding: np.ndarray, **columns: object) -> list[int]:
    table, points = make_table(encoding, **columns), Points.plain(encoding)
    label = np.zeros(len(encoding), dtype=np.int32)
    return split(points, label, REACH, Rivals(table, points, RULES), RULES).tolist()


def test_a_group_of_one_person_stays_whole() -> None:
    assert split_one(people(1, 40, spread=0.5)) == [0] * 40


@pytest.mark.parametrize("n", [1, 2])
def test_a_few_faces_are_a_group(n: int) -> None:
    assert split_one(people(1, n, spread=0.3)) == [0] * n


@pytest.mark.parametrize("n_people", [2, 3, 5])
def test_people_whom_a_bridge_linked_come_apart(n_people: int) -> None:
    label = split_one(people(n_people, 30, spread=0.5))
    assert len(set(label)) == n_people
    assert all(len(set(label[30 * i : 30 * i + 30])) == 1 for i in range(n_people))


def test_a_few_faces_of_another_person_come_out_of_a_large_group() -> None:
    label = split_one(people(2, 200, spread=0.5)[:204])
    assert len({*label[:200]}) == len({*label[200:]}) == 1
    assert label[0] != label[200]


def test_other_groups_and_faces_of_none_are_left_alone() -> None:
    encoding = people(2, 3, spread=0.3)
    points = Points.plain(encoding)
    label = np.array([0, 0, -1, 1, 1, 1], dtype=np.int32)
    before = label.copy()
    found = split(points, label, REACH, Rivals(make_table(encoding), points, RULES), RULES)
    assert found.tolist() == before.tolist() == label.tolist()


def test_no_groups_at_all() -> None:
    encoding = people(1, 2)
    points = Points.plain(encoding)
    nobody = np.full(2, -1, dtype=np.int32)
    assert split(points, nobody, REACH, Rivals(make_table(encoding), points, RULES), RULES).tolist() == [
        -1,
        -1,
    ]
