from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tables import make_table, people

from facecluster.errors import TableError
from facecluster.identity import neighbours
from facecluster.identity.dbscan import dbscan
from facecluster.identity.decisions import Decision, Merge, Move, Name, Split, Spot, Undo
from facecluster.identity.explain import (
    Link,
    Pair,
    between_groups,
    count_links,
    from_groups,
    nearest,
    spanning_tree,
)
from facecluster.identity.gate import Limits
from facecluster.identity.groups import Groups, nearest_two
from facecluster.identity.points import Points
from facecluster.identity.rules import Radii, Rules
from facecluster.joined import Known
from facecluster.render.explain_face import explain_face
from facecluster.render.explain_person import explain_person
from facecluster.render.explain_words import close_to, crowded
from facecluster.render.explanation import FaceExplanation, NearPerson
from facecluster.result import (
    AlmostPerson,
    Box,
    Counts,
    Person,
    PersonFace,
    Pose,
    Result,
    ResultSettings,
    UnclusteredFace,
    plain,
)
from facecluster.table import FaceTable


def at(*points: float | tuple[float, float]) -> NDArray[np.float32]:
    """Encodings on a line or in a plane."""
    x = np.zeros((len(points), 128), dtype=np.float32)
    for row, point in enumerate(points):
        x[row, :2] = point if isinstance(point, tuple) else (point, 0)
    return x


def distances(x: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = x.astype(np.float64)
    apart: NDArray[np.float64] = np.linalg.norm(exact[:, None] - exact, axis=2)
    return apart


# ------------------------------------------------------------------------------------------------------ numbers


def test_weakest_link_is_the_widest_gap_of_a_line() -> None:
    tree = spanning_tree(Points.plain(at(6, 0, 2, 5, 1)))
    assert tree.weakest() == Link(3, 2, 3.0, 2, 3) or tree.weakest() == Link(2, 3, 3.0, 3, 2)
    assert tree.n_parts(0.5) == 5
    assert tree.n_parts(1) == 2  # exactly that far apart is within
    assert tree.n_parts(3) == 1


def test_sides_of_a_link_have_as_many_rows_as_asked_for() -> None:
    tree = spanning_tree(Points.plain(at(0, 1, 2, 5, 6, 7, 20)))  # the last one is alone on its side
    widest, seam = tree.weakest(), tree.weakest(3)
    assert widest is not None
    assert seam is not None
    assert {widest.i, widest.j} == {5, 6}
    assert sorted([widest.n_i, widest.n_j]) == [1, 6]
    assert {seam.i: seam.n_i, seam.j: seam.n_j} == {2: 3, 3: 4}
    assert tree.weakest(4) is None


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_link(n: int) -> None:
    tree = spanning_tree(Points.plain(at(*range(n))))
    assert tree.weakest() is None
    assert tree.n_parts(1) == n
    count, farthest = count_links(Points.plain(at(*range(n))), 1)
    assert count.tolist() == [0] * n
    assert farthest is None


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_a_set_falls_in_two_just_below_its_weakest_link(n: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, 128)).astype(np.float32)
    before = x.copy()
    link = spanning_tree(Points.plain(x)).weakest()
    assert link is not None
    assert (x == before).all()
    assert link.distance == pytest.approx(distances(x)[link.i, link.j])
    slack = 1e-4  # float32
    assert dbscan(Points.plain(x), link.distance + slack, 1)[0].max() == 0
    part = dbscan(Points.plain(x), link.distance - slack, 1)[0]
    assert part[link.i] != part[link.j]
    if part.max() == 1:
        assert np.count_nonzero(part == part[link.i]) == link.n_i
        assert np.count_nonzero(part == part[link.j]) == link.n_j


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_tree_is_the_shortest_and_order_does_not_matter(n: int, seed: int) -> None:
    from scipy.sparse.csgraph import minimum_spanning_tree

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 128)).astype(np.float32)
    tree = spanning_tree(Points.plain(x))
    shortest = minimum_spanning_tree(distances(x)).toarray()
    assert tree.length.sum() == pytest.approx(shortest.sum())
    assert sorted(tree.row.tolist()) == list(range(n))
    shuffled = spanning_tree(Points.plain(x[rng.permutation(n)]))
    assert np.sort(tree.length) == pytest.approx(np.sort(shuffled.length))


@pytest.mark.parametrize("block", [1, 7, 2**22])
def test_links_are_counted_and_the_farthest_found_in_blocks(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", block)
    x = np.random.default_rng(3).normal(size=(30, 128)).astype(np.float32)
    apart = distances(x)
    radius = float(np.median(apart))
    count, farthest = count_links(Points.plain(x), radius)
    assert count.tolist() == (np.count_nonzero(apart <= radius, axis=1) - 1).tolist()
    assert farthest is not None
    assert farthest.distance == pytest.approx(apart.max())
    assert apart[farthest.i, farthest.j] == apart.max()
    assert farthest.i < farthest.j


def test_nearest_leaves_out_the_face_itself() -> None:
    assert nearest(Points.plain(at(0, 3, 1, 9)), 0, np.arange(4), 2) == [Pair(0, 2, 1.0), Pair(0, 1, 3.0)]
    assert nearest(Points.plain(at(0)), 0, np.arange(1), 2) == []


def test_distances_to_people_are_those_that_clustering_compares() -> None:
    x = people(3, 4, spread=0.8)
    label = np.repeat(np.arange(3, dtype=np.int32), 4)
    label[[3, 7]] = -1
    groups = Groups.of(Points.plain(x), label)
    own, distance, runner_up = nearest_two(Points.plain(x), groups, label)
    for row in range(len(x)):
        apart = from_groups(Points.plain(x), row, groups, int(label[row]))
        assert apart[own[row]] == pytest.approx(distance[row])
        assert np.partition(apart, 1)[1] == pytest.approx(runner_up[row])
    alone = Groups.of(Points.plain(at(0, 5)), np.array([0, 1], dtype=np.int32))
    assert np.isnan(from_groups(Points.plain(at(0, 5)), 0, alone, 0)[0])


def test_two_people_are_as_far_apart_as_their_faces_on_average() -> None:
    x = people(2, 3, spread=0.9)
    label = np.repeat(np.arange(2, dtype=np.int32), 3)
    apart = between_groups(Groups.of(Points.plain(x), label), 0)
    assert apart[0] == np.inf
    assert apart[1] == pytest.approx(np.sqrt((distances(x)[:3, 3:] ** 2).mean()), rel=1e-5)


# ------------------------------------------------------------------------------------------------- explanations

RADII = Radii(eps=1.0, join=2.0, margin=0.5)
BY = Rules(RADII)


def result_of(
    table: FaceTable,
    label: Sequence[int],
    core: Sequence[int] = (),
    reasons: dict[int, str] | None = None,
    **rules: Any,
) -> Result:
    """The records of a table: person `label` of each face, those in `core` founded, the others' reasons."""
    faces, paths = table.faces, table.photos.path
    made_by = ResultSettings(table.settings, replace(BY, **rules))

    def about(i: int) -> tuple[str, str, Box, Pose, Any]:
        return (
            str(faces.id[i]),
            str(paths[faces.photo[i]]),
            Box(*plain(faces.box[i : i + 1])[0]),
            Pose(*plain(faces.pose[i : i + 1])[0]),
            plain(faces.quality[i : i + 1])[0],
        )

    records = []
    for number in range(max(label) + 1):
        members = tuple(
            PersonFace(*about(i), core=i in core, confidence=50)
            for i in range(len(label))
            if label[i] == number
        )
        photos = len({face.photo for face in members})
        records.append(Person(f"person-{number + 1:04d}", None, len(members), photos, members[0].id, members))
    left = tuple(
        UnclusteredFace(*about(i), reason=(reasons or {}).get(i, "no_match"))
        for i in range(len(label))
        if label[i] < 0
    )
    return Result(made_by, tuple(records), left, Counts(0, 0, 0, 0, 0, 0, 0, {}))


def explained(table: FaceTable, result: Result, face: str, *decisions: Decision) -> FaceExplanation:
    known = Known.of(result, table)
    return explain_face(known, next(record for record in known.records if record.id == face), decisions)


def two_people(*more: float, **columns: Any) -> FaceTable:
    """Founding faces at 0, 0.5, 1 and 5, 5.5, 6, and further faces."""
    return make_table(at(0, 0.5, 1, 5, 5.5, 6, *more), **columns)


LABEL, CORE = [0, 0, 0, 1, 1, 1], range(6)


def rms(*distances: float) -> float:
    return float(np.sqrt(np.mean(np.square(distances))))


def test_joined_face_says_to_whom_how_near_and_by_how_much() -> None:
    table = two_people(1.5, pose=[[0, 0, 0]] * 6 + [[0, -40, 0]])
    e = explained(table, result_of(table, [*LABEL, 0], CORE), "face0006")
    assert e.person is not None
    assert e.person.id == "person-0001"
    assert not e.core
    assert e.own is not None
    assert e.own.distance == pytest.approx(rms(1.5, 1, 0.5))
    assert [near.id for near in e.own.nearest] == ["face0002", "face0001", "face0000"]
    assert [near.distance for near in e.own.nearest] == [0.5, 1, 1.5]
    assert [other.id for other in e.others] == ["person-0002"]
    assert e.others[0].distance == pytest.approx(rms(3.5, 4, 4.5))
    assert e.margin == pytest.approx(rms(3.5, 4, 4.5) - rms(1.5, 1, 0.5))
    assert [(limit.name, limit.passed) for limit in e.gate] == [
        ("size", True), ("pitch", True), ("yaw", False), ("roll", True), ("quality", True),
    ]  # fmt: skip
    assert not e.passed
    assert e.n_own_links == e.n_links == 2
    assert e.why[0] == (
        "It joined person-0001: its 3 reference faces, those that others are compared with, are 1.08 away on "
        "average, and a face joins within 2."
    )
    assert e.why[1].startswith("The nearest other person is person-0002, 4.02 away: 2.94 further;")
    assert e.remedies == ()


def test_a_face_must_be_nearer_to_few_than_to_many() -> None:
    table = two_people(2.4)
    careful = replace(RADII, caution=0.9)
    e = explained(table, result_of(table, [*LABEL, -1], CORE, radii=careful), "face0006")
    assert e.others[0].distance == pytest.approx(rms(2.4, 1.9, 1.4))  # 1.94
    assert e.others[0].within == pytest.approx(np.sqrt(4 - 0.9 / 3))
    assert "but a face joins within 1.924." in e.why[1]
    result = result_of(table, [*LABEL, -1], CORE, radii=careful)
    person = explain_person(Known.of(result, table), result.people[0])
    assert person.neighbour is not None
    assert person.neighbour.within == pytest.approx(np.sqrt(4 - 0.15 - 0.15))
    assert explained(table, result_of(table, [*LABEL, -1], CORE), "face0006").others[0].within == 2


def test_somebody_of_looks_too_far_apart_is_as_far_as_the_nearest_one() -> None:
    table = two_people(1.5, 9, 2.8)  # as of a child over the years; another one; one who is nobody
    result = result_of(table, [0] * 6 + [0, 1, -1], [*range(6), 7])
    own = explained(table, result, "face0006").own
    assert own is not None
    assert (own.n_founding, own.distance) == (3, pytest.approx(rms(1.5, 1, 0.5)))
    assert {face.id for face in own.nearest} == {"face0000", "face0001", "face0002"}
    own = explained(table, result, "face0003").own  # a founding face, itself left out
    assert own is not None
    assert (own.n_founding, own.distance) == (2, pytest.approx(rms(0.5, 1)))
    others = explained(table, result, "face0008").others  # each person once
    assert [(other.id, other.distance) for other in others] == [
        ("person-0001", pytest.approx(rms(2.8, 2.3, 1.8))),
        ("person-0002", pytest.approx(6.2)),
    ]


def test_founding_face_is_not_compared_with_itself() -> None:
    table = two_people()
    e = explained(table, result_of(table, LABEL, CORE), "face0000")
    assert e.core
    assert e.passed
    assert e.own is not None
    assert e.own.n_founding == 2
    assert e.own.distance == pytest.approx(rms(0.5, 1))
    assert e.why[0].startswith(
        "It is a reference face of person-0001, one that other faces are compared with"
    )
    assert "it is good enough. 2 of the 2 other reference faces" in e.why[0]


def test_person_of_one_founding_face_has_nothing_to_compare() -> None:
    table = make_table(at(0))
    result = result_of(table, [0], [0])
    e = explained(table, result, "face0000")
    assert e.own is None
    assert e.margin is None
    assert "no other reference face" in e.why[0]
    person = explain_person(Known.of(result, table), result.people[0])
    assert person.n_founding == 1
    assert person.spread is person.links is person.weakest is person.farthest is person.neighbour is None


def test_person_without_founding_faces_is_told() -> None:
    table = make_table(at(0, 1))
    result = result_of(table, [0, 0])
    assert explained(table, result, "face0000").own is None
    assert explain_person(Known.of(result, table), result.people[0]).n_founding == 0


def test_face_too_far_from_everybody_says_how_far() -> None:
    table = two_people(-3)
    e = explained(table, result_of(table, [*LABEL, -1], CORE), "face0006")
    assert e.person is None
    assert e.reason == "no_match"
    assert e.others[0].id == "person-0001"
    assert e.others[0].distance == pytest.approx(rms(3, 3.5, 4))
    assert "person-0001 is nearest, 3.52 away on average, but a face joins within 2." in e.why
    assert "there are no other good faces within 1 (--eps); to link others it needs 2" in e.why[-1]
    assert "to join person-0001, it would have to be nearer by 1.52" in e.remedies


def test_no_number_is_minus_zero() -> None:
    assert close_to(-0.04, 30, 1) == "0.0"
    assert close_to(-0.06, 30, 1) == "-0.1"
    assert close_to(-30.04, -30, 1) == "-30.0"


def test_face_between_people_says_between_whom() -> None:
    table = make_table(at(0, 0.5, 1, 2.2, 2.7, 3.2, 1.6))
    e = explained(table, result_of(table, [*LABEL, -1], CORE, {6: "between_people"}), "face0006")
    assert e.margin == pytest.approx(0, abs=1e-6)
    assert "But person-000" in e.why[2]
    assert any("are one person: facecluster merge LIBRARY person-000" in text for text in e.remedies)


def test_face_of_too_few_photos_says_how_many_count() -> None:
    table = two_people(20, 20.5)
    result = result_of(table, [*LABEL, -1, -1], CORE, {6: "too_few_photos", 7: "too_few_photos"})
    left = tuple(replace(face, almost=0) for face in result.unclustered)
    result = replace(result, unclustered=left, almost=(AlmostPerson(2, 3, ()),))
    e = explained(table, result, "face0006")
    assert e.n_links == 1
    assert e.why[-1] == (
        "It is good enough to make a person of, with faces like it, but these are in too few photos: 2 of 3 count."
    )


def test_person_who_is_in_the_photo_already_is_told() -> None:
    boxes = [[100, 200, 200, 300]] * 3 + [[500, 200, 600, 300]] + [[100, 200, 200, 300]] * 3
    label, reasons = [0, 0, 0, -1, 1, 1, 1], {3: "same_photo"}
    table = make_table(at(0, 0.5, 1, 1.4, 5, 5.5, 6), photo=[0, 1, 2, 2, 3, 4, 5], box=boxes)
    e = explained(table, result_of(table, label, [0, 1, 2, 4, 5, 6], reasons), "face0003")
    assert e.others[0].in_photo == "face0002"
    assert "Another face of this photo is person-0001 already: face0002." in e.why
    assert "if one person may be in a photo twice: run or cluster with --same-photo allow" in e.remedies


def test_unknown_numbers_fail_the_gate_and_a_face_without_an_encoding_is_told() -> None:
    nan = np.nan
    table = make_table(
        np.vstack([at(0, 0.5, 1), np.full((1, 128), nan)]),
        pose=[[0, 0, 0]] * 3 + [[nan] * 3],
        quality=[0.9] * 3 + [nan],
    )
    e = explained(table, result_of(table, [0, 0, 0, -1], range(3), {3: "no_encoding"}), "face0003")
    assert [limit.passed for limit in e.gate] == [True, False, False, False, False]
    assert e.gate[1].value is None
    assert e.others == ()
    assert e.why[0] == "It is nobody's: no encoding, so it cannot be compared with others."


def test_gate_is_that_of_the_result() -> None:
    table = two_people(1.2, quality=[0.9] * 6 + [0.5])
    limits = Limits(min_quality=0.4)
    assert explained(table, result_of(table, [*LABEL, 0], CORE, limits=limits), "face0006").passed
    assert not explained(table, result_of(table, [*LABEL, 0], CORE), "face0006").passed
    e = explained(table, result_of(table, [*LABEL, 0], CORE, gate=False), "face0006")
    assert e.passed
    assert not e.gate[-1].passed


def test_person_says_links_weakest_farthest_and_nearest() -> None:
    table = make_table(at(0, 0.5, 1, 1.875, 2.375, 2.875, 9, 9.5, 10, 20))
    result = result_of(table, [0] * 6 + [1] * 3 + [0], range(9))
    e = explain_person(Known.of(result, table), result.people[0])
    assert (e.n_faces, e.n_founding) == (7, 6)  # the far one joined, and links nothing
    x = [0, 0.5, 1, 1.875, 2.375, 2.875]
    apart = [b - a for a, b in combinations(x, 2)]
    assert e.spread == pytest.approx(rms(*apart))
    assert e.links is not None
    assert (e.links.n, e.links.n_pairs) == (sum(d <= 1 for d in apart), 15)
    assert (e.links.fewest, e.links.n_parts) == (2, 1)
    assert e.weakest is not None
    assert e.weakest.distance == 0.875
    assert {face.id for face in e.weakest.faces} == {"face0002", "face0003"}
    assert e.weakest.sides == (3, 3)
    assert e.seam is None  # the weakest link is one
    assert e.farthest is not None
    assert {face.id for face in e.farthest.faces} == {"face0000", "face0005"}
    assert e.neighbour is not None
    assert e.neighbour.id == "person-0002"
    assert e.neighbour.distance == pytest.approx(rms(*(b - a for a in x for b in (9, 9.5, 10))))


def test_seam_is_between_sides_that_could_be_people() -> None:
    table = make_table(at(0, 0.5, 1, 1.8, 2.3, 2.8, 3.75))
    result = result_of(table, [0] * 7, range(7))
    e = explain_person(Known.of(result, table), result.people[0])
    assert e.weakest is not None
    assert sorted(e.weakest.sides or ()) == [1, 6]
    assert e.seam is not None
    assert sorted(e.seam.sides or ()) == [3, 4]
    assert e.seam.distance == pytest.approx(0.8)


def test_parts_that_links_do_not_connect_are_counted() -> None:
    table = make_table(at(0, 0.5, 1, 3, 3.5, 4))
    result = result_of(table, [0] * 6, range(6))
    e = explain_person(Known.of(result, table), result.people[0])
    assert e.links is not None
    assert e.links.n_parts == 2


# --------------------------------------------------------------------------------------------------- decisions


def decision(name: str, act: Any) -> Decision:
    return Decision(name, "2026-11-21T10:00:00.000000Z", act, "decisions.jsonl", 1)


def spot(table: FaceTable, row: int) -> Spot:
    left, top, right, bottom = table.faces.box[row].tolist()
    return Spot(str(table.faces.id[row]).rpartition("-")[0], (left, top, right, bottom))


def test_decisions_about_a_face_and_its_person_are_told() -> None:
    table = two_people(9, id=[f"{i:032x}-0" for i in range(7)])
    spots = [spot(table, row) for row in range(7)]
    decisions = [
        decision("aaaaaaaa", Move(None, "person-0002", (spots[6],), tuple(spots[3:6]), ())),
        decision("bbbbbbbb", Name("person-0002", "Anna", tuple(spots[3:6]))),
        decision("cccccccc", Merge(("person-0001", "person-0003"), (tuple(spots[:3]), ()))),
        decision("dddddddd", Name("person-0002", "Ann", tuple(spots[3:6]))),
        decision("eeeeeeee", Undo("dddddddd")),
    ]
    result = result_of(table, [*LABEL, 1], CORE)
    e = explained(table, result, f"{6:032x}-0", *decisions)
    assert [(ruling.id, ruling.text, ruling.places) for ruling in e.decisions] == [
        ("aaaaaaaa", "1 face moved from nobody to person-0002", True),
        ("bbbbbbbb", "person-0002 is called Anna", False),
    ]
    assert e.why[0].startswith("It is with person-0002 because somebody decided so (aaaaaaaa)")
    assert "though a face joins within 2" in e.why[0]
    not_yet = explained(table, result_of(table, [*LABEL, 0], CORE), f"{6:032x}-0", decisions[0])
    assert [ruling.places for ruling in not_yet.decisions] == [False]
    person = explain_person(Known.of(result, table), result.people[0], decisions)
    assert [ruling.text for ruling in person.decisions] == ["person-0001 and person-0003 merged"]


def test_face_that_somebody_took_away_says_so() -> None:
    table = two_people(1.2, id=[f"{i:032x}-0" for i in range(7)])
    spots = [spot(table, row) for row in range(7)]
    move = decision("aaaaaaaa", Move("person-0001", None, (spots[6],), None, tuple(spots[:3])))
    result = result_of(table, [*LABEL, -1], CORE)
    e = explained(table, result, f"{6:032x}-0", move)
    assert "Somebody decided so (aaaaaaaa)." in e.why
    assert e.remedies == ("take the decision back: facecluster undo LIBRARY aaaaaaaa",)
    person = explain_person(Known.of(result, table), result.people[0], [move])
    assert [ruling.text for ruling in person.decisions] == ["1 face moved from person-0001 to nobody"]


def test_split_that_does_not_hold_any_more_is_not_why_a_face_is_where_it_is() -> None:
    """The faces it was parted from are gone or nobody's, and it is with the rest of that person again."""
    table = two_people(9, id=[f"{i:032x}-0" for i in range(7)])
    spots = [spot(table, row) for row in range(7)]
    split = decision("aaaaaaaa", Split("person-0001", (spots[2],), (spots[6],)))
    face = f"{2:032x}-0"
    lapsed = explained(table, result_of(table, [*LABEL, -1], CORE), face, split)
    assert [(ruling.text, ruling.places) for ruling in lapsed.decisions] == [
        ("1 face split from person-0001", False)
    ]
    assert not any("somebody decided so" in text for text in lapsed.why)
    gone = decision("aaaaaaaa", Split("person-0001", (spots[2],), (Spot("gone", spots[0].box),)))
    assert not explained(table, result_of(table, [*LABEL, -1], CORE), face, gone).decisions[0].places
    alone = explained(table, result_of(table, [0, 0, 1, 2, 2, 2, -1], [0, 1, 2, 3, 4, 5]), face, gone)
    assert alone.decisions[0].places
    strays = decision("aaaaaaaa", Split("person-0001", (spots[2],), tuple(spots[i] for i in (0, 3, 4, 5))))
    assert explained(table, result_of(table, [*LABEL, -1], CORE), face, strays).decisions[0].places


def test_one_stray_anchor_does_not_say_whose_a_face_is() -> None:
    table = two_people(9, id=[f"{i:032x}-0" for i in range(7)])
    spots = [spot(table, row) for row in range(7)]
    to = (*spots[3:6], spots[0])
    decisions = [
        decision("aaaaaaaa", Move(None, "person-0002", (spots[6],), to, ())),
        decision("bbbbbbbb", Merge(("person-0002", "person-0003"), (to, ()))),
    ]
    e = explained(table, result_of(table, [*LABEL, 0], CORE), f"{6:032x}-0", *decisions)
    assert [(ruling.id, ruling.places) for ruling in e.decisions] == [("aaaaaaaa", False)]


def test_only_the_last_move_of_a_face_says_where_it_is() -> None:
    table = two_people(9, id=[f"{i:032x}-0" for i in range(7)])
    spots = [spot(table, row) for row in range(7)]
    decisions = [
        decision("aaaaaaaa", Move(None, "person-0002", (spots[6],), tuple(spots[3:6]), ())),
        decision(
            "bbbbbbbb", Move("person-0002", "person-0001", (spots[6],), tuple(spots[:3]), tuple(spots[3:6]))
        ),
        decision(
            "cccccccc", Move("person-0001", "person-0002", (spots[6],), tuple(spots[3:6]), tuple(spots[:3]))
        ),
    ]
    e = explained(table, result_of(table, [*LABEL, 1], CORE), f"{6:032x}-0", *decisions)
    assert [ruling.places for ruling in e.decisions] == [False, False, True]


# ------------------------------------------------------------------------------------------------------- tables


def test_rows_of_a_table_in_another_order_and_newer_faces_do_not_matter() -> None:
    table = two_people(1.5)
    result = result_of(table, [*LABEL, 0], CORE)
    order = [4, 6, 2, 0, 5, 3, 1]
    other = make_table(
        np.vstack([table.faces.encoding[order], at(7)]),
        id=[*table.faces.id[order], "new"],
        paths=[*(f"/photos/{i:03d}.jpg" for i in order), "/photos/new.jpg"],
    )
    assert Known.of(result, other).n_newer == 1
    assert explained(other, result, "face0006") == explained(table, result, "face0006")


def test_table_that_lacks_faces_or_has_another_encoder_is_refused() -> None:
    table = two_people()
    result = result_of(table, LABEL, CORE)
    with pytest.raises(TableError, match="lacks 3 of the 6 faces"):
        Known.of(result, make_table(at(0, 0.5, 1), paths=["/a.jpg", "/b.jpg", "/c.jpg"]))
    with pytest.raises(TableError, match="its encoder is dlib, not sface"):
        Known.of(result, two_people(encoder="dlib"))


def test_result_that_does_not_say_its_radii_is_refused() -> None:
    table = two_people()
    result = result_of(table, LABEL, CORE)
    result = replace(result, settings=replace(result.settings, rules=None))
    with pytest.raises(TableError, match="group the faces again"):
        Known.of(result, table)


def test_a_crowded_place_is_told_in_words() -> None:
    near = NearPerson("person-0001", None, 3, 1.19, 1.044, 0.89, (), None)
    assert crowded(near) == (
        " Faces of this kind look alike to the network, as those of children do, and 1.19 was raised for that: between "
        "the encodings alone it is 1.06, and the limit is 0.89 here, not 1.044."
    )
    assert crowded(replace(near, within_here=1.04)) == ""
