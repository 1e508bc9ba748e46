from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from tables import make_table, people

from facecluster.identity.groups import renumber
from facecluster.identity.merge import merge
from facecluster.identity.points import Points
from facecluster.identity.rules import Radii, Reach, Rules
from facecluster.identity.same_photo import Rivals, Shown
from facecluster.table import FaceTable

LINE = Rules(Radii(eps=1.0, join=1.0, margin=0.1))


def on_a_line(*places: float) -> NDArray[np.float32]:
    encoding = np.zeros((len(places), 128), dtype=np.float32)
    encoding[:, 0] = places
    return encoding


def merged(
    table: FaceTable,
    label: list[int],
    reach: Reach,
    rules: Rules = LINE,
    apart: tuple[int, int] | None = None,
) -> list[int]:
    """Merge groups numbered from 0, each number occurring."""
    rows, points = np.argsort(label, kind="stable"), Points.plain(table.faces.encoding)
    shown = Shown(
        Rivals(table, points, rules),
        rows,
        np.searchsorted(np.sort(label), np.arange(max(label) + 2)),
        "prefer",
    )
    if apart:
        shown.keep_apart(*apart)
    return merge(points, np.array(label, dtype=np.int32), reach, shown).tolist()


def alone(n: int) -> list[int]:
    return list(range(n))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.7, 1.3))
def test_it_is_average_linkage_of_squared_distances(seed: int, radius: float) -> None:
    encoding = people(8, 7, spread=0.9, seed=seed)
    found = merged(make_table(encoding), alone(len(encoding)), Reach(radius, 0.0))
    tree = linkage(pdist(encoding.astype(np.float64), "sqeuclidean"), method="average")
    wanted = fcluster(tree, radius**2, criterion="distance").astype(np.int32)
    rank = np.arange(len(encoding))
    assert (
        renumber(np.array(found, dtype=np.int32), rank, by_size=False).tolist()
        == renumber(wanted, rank, by_size=False).tolist()
    )


def test_groups_are_compared_by_the_mean_of_all_pairs() -> None:
    # the pairs of {0, 0.6} and {1.2, 1.4} are 1.2, 1.4, 0.6 and 0.8 apart: 4.4 / 4 squared
    table = make_table(on_a_line(0, 0.6, 1.2, 1.4))
    assert merged(table, [0, 0, 1, 1], Reach(math.sqrt(1.1) + 1e-3, 0.0)) == [0, 0, 0, 0]
    assert merged(table, [0, 0, 1, 1], Reach(math.sqrt(1.1) - 1e-3, 0.0)) == [0, 0, 1, 1]


def test_single_faces_must_be_nearer_than_groups() -> None:
    # one face and one face: 0.3 each of the handicap of 0.6
    reach = Reach(1.0, 0.6)
    assert merged(make_table(on_a_line(0, 0.62)), [0, 1], reach) == [0, 0]
    assert merged(make_table(on_a_line(0, 0.64)), [0, 1], reach) == [0, 1]
    # three and three: 0.1 each
    assert merged(make_table(on_a_line(0, 0, 0, 0.88, 0.88, 0.88)), [0, 0, 0, 1, 1, 1], reach) == [0] * 6
    assert (
        merged(make_table(on_a_line(0, 0, 0, 0.9, 0.9, 0.9)), [0, 0, 0, 1, 1, 1], reach) == [0] * 3 + [1] * 3
    )


def test_a_pair_that_is_too_far_alone_is_merged_once_there_are_more() -> None:
    # 0.79 alone is too far from 0 (0.62 + 0.4 handicap); from the two at 0, with a handicap of 0.3, it is not
    reach = Reach(1.0, 0.4)
    assert merged(make_table(on_a_line(0, 0.79)), [0, 1], reach) == [0, 1]
    assert merged(make_table(on_a_line(0, 0.01, 0.8)), alone(3), reach) == [0, 0, 0]


def test_what_is_kept_apart_stays_apart_through_others() -> None:
    table = make_table(on_a_line(0, 0.1, 0.2))
    assert merged(table, alone(3), Reach(1.0, 0.0)) == [0, 0, 0]
    found = merged(table, alone(3), Reach(1.0, 0.0), apart=(0, 2))
    assert found[0] != found[2]
    assert len(set(found)) == 2


@pytest.mark.parametrize("label", [[0], [0, 0, 0]])
def test_one_group_stays_as_it_is(label: list[int]) -> None:
    assert merged(make_table(on_a_line(*range(len(label)))), label, Reach(1.0, 0.0)) == label


def test_faces_without_a_group_stay_without() -> None:
    encoding = on_a_line(0, 0.1, 0.2)
    label = np.array([0, -1, 1], dtype=np.int32)
    points = Points.plain(encoding)
    rivals = Rivals(make_table(encoding), points, LINE)
    shown = Shown(rivals, np.array([0, 2]), np.array([0, 1, 2]), "prefer")
    assert merge(points, label, Reach(1.0, 0.0), shown).tolist() == [0, -1, 0]
    assert label.tolist() == [0, -1, 1]
    nobody = np.full(3, -1, dtype=np.int32)
    shown = Shown(rivals, np.empty(0, dtype=np.intp), np.array([0]), "prefer")
    assert merge(points, nobody, Reach(1.0, 0.0), shown).tolist() == [-1, -1, -1]
