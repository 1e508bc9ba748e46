"""What grows with the square of a photo's faces, or of the decisions, is bounded."""

import tracemalloc

import numpy as np
from tables import NOTHING_SAID, make_table, people

from facecluster.identity import same_photo
from facecluster.identity.assured import assured
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.decisions import Decision, Merge, Name, Spot, Undo, in_force
from facecluster.identity.points import Points
from facecluster.identity.rules import Rules
from facecluster.identity.same_photo import CROWD, Rivals
from facecluster.library import refer
from facecluster.result import Box, Counts, Pose, Result, UnclusteredFace


def grid(n):
    """Boxes (n, 4) beside each other."""
    left, top = 110 * (np.arange(n) % 100), 110 * (np.arange(n) // 100)
    return np.stack([left, top, left + 100, top + 100], axis=1)


def spot(number):
    return Spot(f"{number:032x}", (100.0, 200.0, 200.0, 300.0))


def decision(number, act):
    return Decision(f"{number:08x}", f"2026-01-01T00:00:00.{number:06d}Z", act)


def test_a_crowd_in_one_photo_takes_little_memory():
    n = CROWD + 500
    table = make_table(people(1, n, spread=0.3), photo=np.zeros(n), box=grid(n))
    tracemalloc.start()
    clustering = cluster_faces(table, Rules.make("sface"), jobs=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clustering.n_people == 0
    assert peak < 300e6


def test_nobody_in_a_crowd_is_two_people_unless_that_is_forbidden(monkeypatch):
    monkeypatch.setattr(same_photo, "CROWD", 5)
    table = make_table(people(6, 1), photo=np.zeros(6), box=grid(6))
    rows, points = np.arange(6), Points.of(table.faces.encoding, "sface")
    for rule, expected in (("prefer", 0), ("allow", 0), ("forbid", 30)):
        rivals = Rivals(table, points, Rules.make("sface", same_photo=rule))
        assert np.count_nonzero(rivals.two_people(rows, rows)) == expected
        assert np.count_nonzero(rivals.two_people(rows, rows, groups=True)) == 0
        assert rivals.in_company.all() == (rule == "forbid")


def test_boxes_compared_in_blocks_are_as_compared_at_once(monkeypatch):
    box = grid(30)
    box[7] = box[3] + 10
    table = make_table(people(30, 1), photo=np.zeros(30), box=box)
    rows, points = np.arange(30), Points.of(table.faces.encoding, "sface")
    rules = Rules.make("sface", same_photo="forbid")
    at_once = Rivals(table, points, rules).two_people(rows, rows)
    monkeypatch.setattr(same_photo, "_PAIRS", 70)
    np.testing.assert_array_equal(Rivals(table, points, rules).two_people(rows, rows), at_once)
    assert not at_once[3, 7]
    assert np.count_nonzero(at_once) == 30 * 29 - 2


def test_faces_of_a_crowd_are_spelt_without_ordering_all_of_them_for_each(monkeypatch):
    """Ordered anew for each of these, 4,000 would be looked at 16 million times."""
    n, looked_at, order = 4000, [], refer.ordinal
    faces = tuple(
        UnclusteredFace(f"{1:032x}-{i}", "/photos/crowd.jpg", Box(i, 0, 1, 1), Pose(0, 0, 0), 0.9, "no_match")
        for i in range(n)
    )
    monkeypatch.setattr(refer, "ordinal", lambda face: looked_at.append(face) or order(face))
    spelling = refer.Spelling(Result(NOTHING_SAID, (), faces, Counts(1, 1, 0, 0, n, 0, 0, {})))
    assert [spelling.face(face) for face in faces] == [f"crowd.jpg#{i}" for i in range(1, n + 1)]
    assert len(looked_at) == n


def test_many_names_of_many_people_are_read_once_each():
    """Compared each with each, these 20,000 would take minutes."""
    table = make_table(people(2, 1000), id=[f"{i:032x}-0" for i in range(2000)])
    named = [
        decision(i, Name(f"p{i % 500}", f"N{i}", tuple(spot(i % 500 * 4 + k) for k in range(4))))
        for i in range(20_000)
    ]
    told = assured(named, table.faces)
    assert [one.name for one in told] == [f"N{i}" for i in range(19_500, 20_000)]


def test_many_merges_that_are_undone_do_not_stand_against_many_names():
    acts = []
    for i in range(0, 20_000, 2):
        sides = ((spot(i), spot(i + 1)), (spot(i + 2), spot(i + 3)))
        acts += [Merge((f"p{i}", f"p{i + 2}"), sides), Name(f"p{i}", "A", (*sides[0], *sides[1]))]
    undos = [Undo(f"{number:08x}") for number in range(0, 20_000, 2)]
    decisions = [decision(number, act) for number, act in enumerate([*acts, *undos])]
    standing = in_force(decisions)
    assert len(standing) == 10_000
    assert all(len(one.act.faces) == 2 for one in standing)
