from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from tables import people

from facecluster.errors import TableError
from facecluster.identity import audit
from facecluster.identity.audit import Verdicts, bounds_of, complete_groups, judge, radius_at
from facecluster.identity.points import Points
from facecluster.identity.search import confidence

NOBODY = people(1, 1)[:0]


def on_a_line(*places: float) -> NDArray[np.float32]:
    encoding = np.zeros((len(places), 128), dtype=np.float32)
    encoding[:, 0] = places
    return encoding


def crowd(n: int = 300, seed: int = 1) -> NDArray[np.float32]:
    """Faces without gaps: some alike, some not, in few dimensions."""
    encoding = np.zeros((n, 128), dtype=np.float32)
    encoding[:, :3] = np.random.default_rng(seed).normal(size=(n, 3))
    return encoding


def grouped(encoding: NDArray[np.float32], radius: float, *, jobs: int | None = -1) -> NDArray[np.int32]:
    """Groups of faces that are nowhere crowded."""
    return complete_groups(Points.plain(encoding), radius, jobs=jobs)


def farthest_of_groups(encoding: NDArray[np.float32], group: NDArray[np.int32]) -> float:
    apart = squareform(pdist(encoding.astype(np.float64)))
    return float(apart[group[:, None] == group].max())


def verdicts(encoding: NDArray[np.float32], label: list[int]) -> Verdicts:
    group = grouped(encoding, radius_at(50, "sface"))
    return judge(
        Points.plain(encoding), np.array(label, dtype=np.int64), group, bounds_of("sface", len(label))
    )


# ---------------------------------------------------------------------------------------------------- groups


def test_every_pair_of_a_group_matches() -> None:
    np.testing.assert_array_equal(grouped(on_a_line(0, 1, 2.1), 1.5), [0, 0, 1])


def test_two_faces_exactly_at_the_radius_match() -> None:
    np.testing.assert_array_equal(grouped(on_a_line(0, 1.5), 1.5), [0, 0])


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one(n: int) -> None:
    np.testing.assert_array_equal(grouped(people(1, 1)[:n], 1.0), np.arange(n))


def test_groups_are_those_of_the_plain_method() -> None:
    encoding = crowd()
    plain = fcluster(linkage(pdist(encoding), "complete"), 1.0, criterion="distance")
    group = grouped(encoding, 1.0)
    np.testing.assert_array_equal(group[:, None] == group, plain[:, None] == plain)


def test_groups_do_not_depend_on_the_order() -> None:
    encoding, order = crowd(), np.random.default_rng(0).permutation(300)
    group, other = grouped(encoding, 1.0), grouped(encoding[order], 1.0)
    np.testing.assert_array_equal(group[order][:, None] == group[order], other[:, None] == other)


@pytest.mark.parametrize("largest", [2, 16, 64])
def test_every_pair_matches_where_a_part_is_too_large(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encoding = crowd()
    plain = grouped(encoding, 1.0)
    monkeypatch.setattr(audit, "LARGEST", largest)
    group = grouped(encoding, 1.0)
    assert farthest_of_groups(encoding, group) <= 1.0
    assert group.max() < 1.5 * plain.max()


def test_a_person_of_too_many_faces_is_one_group_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST", 8)
    encoding = people(3, 40, spread=0.5)
    np.testing.assert_array_equal(grouped(encoding, 1.0), np.repeat([0, 1, 2], 40))


def test_of_too_many_candidates_the_nearest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST", 2)
    monkeypatch.setattr(audit, "CANDIDATES", 1)
    encoding = crowd()
    assert farthest_of_groups(encoding, grouped(encoding, 1.0)) <= 1.0
    np.testing.assert_array_equal(grouped(on_a_line(0, 1, 1.9), 1.0), [0, 1, 1])


def test_the_number_of_threads_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST", 16)
    monkeypatch.setattr(audit, "CANDIDATES", 2)
    encoding = crowd(600)
    np.testing.assert_array_equal(grouped(encoding, 0.5, jobs=1), grouped(encoding, 0.5, jobs=2))


@pytest.mark.parametrize("encoder", ["sface", "dlib"])
@pytest.mark.parametrize("threshold", [1, 37.5, 50, 99])
def test_the_radius_is_where_the_confidence_is(encoder: str, threshold: float) -> None:
    assert confidence(radius_at(threshold, encoder), encoder) == pytest.approx(threshold)


def test_everything_matches_at_confidence_0() -> None:
    assert radius_at(0, "sface") == np.inf


def test_an_encoder_that_nobody_has_measured_is_an_error() -> None:
    with pytest.raises(TableError, match="'other'"):
        radius_at(50, "other")
    with pytest.raises(TableError, match="'other'"):
        bounds_of("other", 10)


# -------------------------------------------------------------------------------------------------- verdicts


def test_nothing_is_wrong() -> None:
    found = verdicts(people(4, 3), np.repeat(range(4), 3).tolist())
    assert (found.misfiled, found.one_person, found.two_people) == ((), (), ())


def test_no_faces() -> None:
    found = judge(
        Points.plain(NOBODY), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), bounds_of("sface", 0)
    )
    assert (found.misfiled, found.one_person, found.two_people) == ((), (), ())


def test_two_swapped_faces_are_misfiled() -> None:
    found = verdicts(people(2, 3), [1, 0, 0, 0, 1, 1])
    assert [(v.rows.tolist(), v.label, v.belongs, sorted(v.beside)) for v in found.misfiled] == [
        ([3], 0, 1, [4, 5]),
        ([0], 1, 0, [1, 2]),
    ]
    assert not found.one_person
    assert not found.two_people
    first = found.misfiled[0]
    assert first.own == pytest.approx(1.41, abs=0.1)
    assert first.other == pytest.approx(0.5, abs=0.1)


def test_faces_that_are_misfiled_together_are_one_verdict() -> None:
    found = verdicts(people(2, 5), [0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    assert [(v.rows.tolist(), v.label, v.belongs) for v in found.misfiled] == [([5, 6], 0, 1)]


def test_the_only_face_of_a_label_is_misfiled_if_the_other_has_more() -> None:
    found = verdicts(people(2, 3), [0, 0, 2, 1, 1, 1])
    assert [(v.rows.tolist(), v.label, v.belongs) for v in found.misfiled] == [([2], 2, 0)]
    assert np.isnan(found.misfiled[0].own)
    assert not found.one_person


def test_two_labels_of_a_face_each_are_one_person() -> None:
    found = verdicts(people(2, 2), [0, 1, 2, 2])
    assert [v.labels for v in found.one_person] == [(0, 1)]
    assert not found.misfiled


def test_two_labels_are_one_person_the_larger_first() -> None:
    found = verdicts(people(2, 5), [0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
    assert [(v.labels, [rows.tolist() for rows in v.rows]) for v in found.one_person] == [
        ((1, 0), [[2, 3, 4], [0, 1]])
    ]
    assert found.one_person[0].distance == pytest.approx(0.5, abs=0.1)
    assert not found.misfiled
    assert not found.two_people


def test_a_label_is_two_people() -> None:
    found = verdicts(people(2, 3)[:5], [0, 0, 0, 0, 0])
    assert [[rows.tolist() for rows in v.rows] for v in found.two_people] == [[[0, 1, 2], [3, 4]]]
    assert not found.misfiled
    assert not found.one_person


def test_a_label_of_two_faces_that_differ_is_told_once() -> None:
    found = verdicts(people(2, 1), [0, 0])
    assert [[rows.tolist() for rows in v.rows] for v in found.two_people] == [[[0], [1]]]


def test_where_one_of_two_faces_belongs_elsewhere_the_other_is_at_home() -> None:
    encoding = people(2, 3)
    found = verdicts(encoding[[0, 1, 2, 3, 4]], [0, 0, 1, 1, 2])
    # 2 is of label 0, and filed with 3; 4 is a second photo of 3's, alone in a label
    assert [(v.rows.tolist(), v.label, v.belongs) for v in found.misfiled] == [([2], 1, 0)]
    assert [v.labels for v in found.one_person] == [(1, 2)]


def test_one_near_pair_does_not_decide() -> None:
    encoding = people(2, 8)
    middle = encoding[0] + encoding[8]
    encoding[0] = encoding[8] = middle / np.linalg.norm(middle)  # one photo, under two labels
    found = verdicts(encoding, [0] * 8 + [1] * 8)
    assert (found.misfiled, found.one_person, found.two_people) == ((), (), ())


def test_verdicts_do_not_depend_on_the_order() -> None:
    encoding, label = people(3, 4), np.array([0, 0, 0, 1, 1, 1, 1, 0, 2, 2, 2, 3])
    order = np.random.default_rng(2).permutation(12)
    found, other = verdicts(encoding, label.tolist()), verdicts(encoding[order], label[order].tolist())
    assert {(tuple(v.rows), v.belongs) for v in found.misfiled} == {
        (tuple(sorted(order[v.rows].tolist())), v.belongs) for v in other.misfiled
    }
    assert len(found.misfiled) == 3


def test_what_is_given_stays_as_it_is() -> None:
    encoding, label = people(2, 3), np.array([1, 0, 0, 0, 1, 1])
    group = grouped(encoding, 1.0)
    before = encoding.copy(), label.copy(), group.copy()
    judge(Points.plain(encoding), label, group, bounds_of("sface", 6))
    for array, was in zip((encoding, label, group), before, strict=True):
        np.testing.assert_array_equal(array, was)
