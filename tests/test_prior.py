from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tables import make_table, people

from facecluster.identity.cluster import Clustering, cluster_faces, would_merge
from facecluster.identity.constraints import Constraints
from facecluster.identity.gate import Reason
from facecluster.identity.points import Points
from facecluster.identity.prior import PriorAssignment, reopen
from facecluster.identity.rules import Radii, Rules
from facecluster.table import Faces, FaceTable, Photos

RULES = Rules.make("sface")
LINE = Rules(Radii(eps=1.0, join=1.0, margin=0.1))


def on_a_line(*places: float) -> NDArray[np.float32]:
    encoding = np.zeros((len(places), 128), dtype=np.float32)
    encoding[:, 0] = places
    return encoding


def first(table: FaceTable, n: int) -> FaceTable:
    """The first n photos of a table of one face a photo."""
    photos = {key: column[:n] for key, column in vars(table.photos).items()}
    faces = {key: column[:n] for key, column in vars(table.faces).items()}
    return FaceTable(Photos(**photos), Faces(**faces), table.settings)


def known(found: Clustering, n: int) -> PriorAssignment:
    """What a clustering of the first faces says of n."""
    earlier, k = PriorAssignment.nothing(n), len(found.label)
    earlier.is_new[:k] = False
    earlier.person[:k], earlier.core[:k] = found.label, found.core
    earlier.confidence[:k], earlier.reason[:k] = found.confidence, found.reason
    return replace(earlier, almost=found.almost)


def updated(table: FaceTable, n: int, rules: Rules = RULES) -> tuple[Clustering, Clustering]:
    """Cluster the first n faces, then add the others; and the first result."""
    before = cluster_faces(first(table, n), rules)
    return cluster_faces(table, rules, prior=known(before, len(table.faces))), before


def same(one: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    """Whether two labellings differ in the numbers only."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def test_new_faces_of_known_and_new_people_come_out_as_in_a_full_run() -> None:
    encoding = people(6, 10, spread=0.6)
    rng = np.random.default_rng(2)
    old = np.flatnonzero(np.arange(60) < 40)  # four people, two to come
    order = np.concatenate([rng.permutation(old)[:30], rng.permutation(np.setdiff1d(np.arange(60), old))])
    table = make_table(encoding[np.concatenate([order, np.setdiff1d(np.arange(60), order)])])
    found, _ = updated(table, 30)
    full = cluster_faces(table, RULES)
    assert same(found.label, full.label)
    assert found.core.tolist() == full.core.tolist()


def test_without_new_faces_everything_stays() -> None:
    table = make_table(
        np.concatenate([people(3, 6), people(9, 1, seed=4)[5:]]), quality=[0.9] * 17 + [0.1] * 5
    )
    found, before = updated(table, 22)
    assert found.label.tolist() == before.label.tolist()
    assert found.reason.tolist() == before.reason.tolist()
    np.testing.assert_array_equal(found.confidence, before.confidence)
    np.testing.assert_allclose(found.distance, before.distance, rtol=1e-6)
    assert [almost.rows.tolist() for almost in found.almost] == [
        almost.rows.tolist() for almost in before.almost
    ]


def test_faces_left_over_found_a_person_with_new_ones() -> None:
    table = make_table(people(2, 4))
    found, before = updated(table, 6)  # two of the second person: too few
    assert before.label.tolist() == [0] * 4 + [-1] * 2
    assert found.label.tolist() == [0] * 4 + [1] * 4
    assert found.almost == ()


def test_a_poor_face_left_over_joins_somebody_who_is_new() -> None:
    table = make_table(people(1, 5), quality=[0.1, 0.9, 0.9, 0.9, 0.9])
    found, before = updated(table, 1)
    assert before.reason.tolist() == [Reason.LOW_QUALITY]
    assert found.label.tolist() == [0] * 5
    assert found.core.tolist() == [False] + [True] * 4


def test_a_new_face_between_two_people_does_not_merge_them_and_a_full_run_might() -> None:
    # the means of 0..0.2 and 1.05..1.25 are 1.05 apart; with 0.6 and 0.65, three of either side are within 1
    table = make_table(on_a_line(0, 0.1, 0.2, 1.05, 1.15, 1.25, 0.55, 0.6, 0.65, 0.7))
    found, before = updated(table, 6, LINE)
    assert before.label.tolist() == [0, 0, 0, 1, 1, 1]
    assert same(found.label[:6], before.label)
    assert cluster_faces(table, LINE).n_people == 1
    new = np.arange(10) >= 6
    assert would_merge(table, found, LINE, changed=new) == [(0, 1)]
    assert would_merge(table, found, LINE, changed=np.zeros(10, dtype=np.bool_)) == []


def test_people_stay_though_they_lost_photos() -> None:
    table = make_table(people(1, 3))
    before = cluster_faces(table, RULES)
    earlier = known(before, 3)
    two = first(table, 2)
    kept = replace(
        earlier,
        **{key: getattr(earlier, key)[:2] for key in ("is_new", "person", "core", "confidence", "reason")},
    )
    assert cluster_faces(two, RULES, prior=kept).label.tolist() == [0, 0]


def test_only_new_faces_and_those_like_them_are_looked_at() -> None:
    table = make_table(on_a_line(0, 5, 10, 0.5))
    earlier = replace(PriorAssignment.nothing(4), is_new=np.array([False, False, False, True]))
    assert earlier.to_look_at(Points.plain(table.faces.encoding), 1.0).tolist() == [True, False, False, True]
    everything = PriorAssignment.nothing(4).to_look_at(Points.plain(table.faces.encoding), 1.0)
    assert everything.all()


def test_people_who_were_merged_are_looked_at_again() -> None:
    encoding = people(2, 6, spread=0.4)
    table = make_table(encoding[[0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 4]])
    together = np.full(11, -1, dtype=np.int32)
    together[[0, 1, 4, 5]] = 0
    merged = replace(Constraints.none(11), together=together)
    before = cluster_faces(first(table, 8), RULES, replace(Constraints.none(8), together=together[:8]))
    assert before.n_people == 1
    found = cluster_faces(table, RULES, merged, prior=known(before, 11))
    assert found.label.tolist() == [0] * 11


def two_looks() -> tuple[FaceTable, Constraints, Clustering]:
    """Two people who are merged by a decision, a third one, and a new face of the third; and who the old ones are."""
    encoding = people(3, 5, spread=0.4)
    table = make_table(encoding[[*range(14), 14]])
    together = np.full(15, -1, dtype=np.int32)
    together[:10] = 0
    merged = replace(Constraints.none(15), together=together)
    before = cluster_faces(first(table, 14), RULES, replace(Constraints.none(14), together=together[:14]))
    assert same(before.label, np.array([0] * 10 + [1] * 4, dtype=np.int32))
    return table, merged, before


def test_people_of_whom_decisions_speak_are_not_grouped_anew_for_a_face_that_is_far_from_them() -> None:
    table, merged, before = two_looks()
    earlier = known(before, 15)
    _, look = reopen(earlier, merged, Points.plain(table.faces.encoding), RULES.radii.join)
    assert np.flatnonzero(look).tolist() == [14]
    earlier.core[0] = False  # it would found again, were they grouped anew
    found = cluster_faces(table, RULES, merged, prior=earlier)
    assert found.core.tolist() == [False] + [True] * 14
    assert same(found.label, np.array([0] * 10 + [1] * 5, dtype=np.int32))


def test_people_who_are_not_what_was_decided_are_grouped_anew() -> None:
    table, merged, before = two_looks()
    apart = replace(known(before, 15), person=np.repeat(np.array([0, 1, 2], dtype=np.int32), 5))
    _, look = reopen(apart, merged, Points.plain(table.faces.encoding), RULES.radii.join)
    assert look.tolist() == [True] * 10 + [False] * 4 + [True]
    found = cluster_faces(table, RULES, merged, prior=apart)
    assert same(found.label, np.array([0] * 10 + [1] * 5, dtype=np.int32))


def test_faces_that_do_not_stand_where_decisions_want_them() -> None:
    person = np.array([0, 0, 1, -1, 2, 2], dtype=np.int32)
    earlier = replace(
        PriorAssignment.nothing(6), person=person, core=np.array([1, 1, 1, 0, 1, 0], dtype=np.bool_)
    )
    none = Constraints.none(6)

    def wrong(**columns: list[int] | list[list[int]]) -> list[int]:
        arrays = {key: np.array(value) for key, value in columns.items()}
        marks = {key: np.isin(np.arange(6), arrays[key]) for key in arrays.keys() & {"moved", "founded"}}
        return np.flatnonzero(earlier.unheeded(replace(none, **(arrays | marks)))).tolist()

    assert wrong() == []
    assert wrong(together=[0, 0, -1, -1, 1, 1]) == []
    assert wrong(together=[0, -1, 0, -1, 1, 1]) == [0, 2]
    assert wrong(together=[-1, -1, -1, 0, 0, 0]) == [3, 4, 5]
    assert wrong(apart=[[0, 1], [1, 2], [0, 3]]) == [0, 1]
    assert wrong(moved=[4, 5]) == [4]
    assert wrong(moved=[4, 5], founded=[4, 5]) == [5]
