"""Whoever was named, merged, split or given a face by hand stays a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tables import make_table, people

from facecluster.identity.assured import claims, lapsed, names
from facecluster.identity.cluster import Clustering, cluster_faces
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    Act,
    Decision,
    Make,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spot,
    Spots,
    Undo,
)
from facecluster.identity.gate import Limits, Reason
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import Rules
from facecluster.table import FaceTable

N = 12
"""Four faces of each of three people."""

RULES = Rules.make("sface")
SETTINGS = {
    "usual": RULES,
    "five photos": Rules.make("sface", limits=Limits(min_images=5)),
    "one degree": Rules.make("sface", limits=Limits(max_angle_deg=1)),
    "tiny eps": Rules.make("sface", eps=1e-3),
    "all of it": Rules.make("sface", limits=Limits(min_images=9, max_angle_deg=1), eps=1e-3),
}


def spots(*rows: int) -> Spots:
    return tuple(Spot(f"d{row}", (100.0, 200.0, 200.0, 300.0)) for row in rows)


def decisions(*acts: Act) -> list[Decision]:
    return [Decision(f"{i:08d}", f"2026-01-01T00:00:{i:02d}Z", act) for i, act in enumerate(acts, 1)]


NAMED = [Name("person-0001", "Anna", spots(0, 1, 2, 3))]
MERGED = [Merge(("person-0001", "person-0002"), (spots(0, 1, 2, 3), spots(4, 5, 6, 7)))]
SPLIT = [Split("person-0001", spots(0, 1), spots(2, 3), "person-0004")]
MOVED = [Move("person-0002", "person-0001", spots(4), spots(0, 1, 2, 3), spots(5, 6, 7))]

WAYS = {
    "named": (NAMED, {0, 1, 2, 3}),
    "merged": (MERGED, set(range(8))),
    "split": (SPLIT, {0, 1}),
    "moved": (MOVED, {0, 1, 2, 3, 4}),
}


def table(rows: Sequence[int] = range(N), encoding: NDArray[np.float32] | None = None) -> FaceTable:
    """Faces looking a little aside, of photos d0, d1, ...; those of `rows` only."""
    x = people(3, 4, spread=0.3) if encoding is None else encoding
    n = len(rows)
    return make_table(x[list(rows)], id=[f"d{row}-0" for row in rows], pose=np.full((n, 3), 5.0))


def clustered(
    found: FaceTable, acts: Sequence[Act], rules: Rules = RULES
) -> tuple[Clustering, list[Decision]]:
    made = decisions(*acts)
    return cluster_faces(found, rules, resolve(made, found.faces)), made


def person_of(clustering: Clustering, rows: set[int]) -> int:
    """The one person of all these faces."""
    (number,) = set(clustering.label[sorted(rows)].tolist())
    assert number >= 0
    return int(number)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("way", WAYS)
def test_a_person_stays_under_any_settings(way: str, setting: str) -> None:
    acts, rows = WAYS[way]
    clustering, made = clustered(table(), acts, SETTINGS[setting])
    number = person_of(clustering, rows)
    identity = "person-0004" if way == "split" else "person-0001"
    assert claims(made, table().faces, clustering.label)[number] == identity
    assert (clustering.reason[sorted(rows)] == Reason.PASSED).all()
    assert clustering.core[clustering.label == number].any()


@pytest.mark.parametrize("setting", SETTINGS)
def test_who_a_split_left_stays_too(setting: str) -> None:
    clustering, made = clustered(table(), SPLIT, SETTINGS[setting])
    assert claims(made, table().faces, clustering.label)[person_of(clustering, {2, 3})] == "person-0001"


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("way", WAYS)
def test_a_person_stays_with_one_face(way: str, setting: str) -> None:
    acts, rows = WAYS[way]
    for row in {min(rows), max(rows)}:
        left = [row, 8, 9, 10, 11]
        clustering, made = clustered(table(left), acts, SETTINGS[setting])
        assert clustering.label[0] >= 0
        assert clustering.label[0] in claims(made, table(left).faces, clustering.label)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("way", WAYS)
def test_a_person_stays_with_any_encodings(way: str, setting: str) -> None:
    acts, rows = WAYS[way]
    x = np.random.default_rng(1).normal(size=(N, 128)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    other = table(encoding=x)
    clustering, made = clustered(other, acts, SETTINGS[setting])
    assert person_of(clustering, rows) in claims(made, other.faces, clustering.label)


@pytest.mark.parametrize("way", WAYS)
def test_a_person_stays_without_encodings(way: str) -> None:
    acts, rows = WAYS[way]
    x = people(3, 4, spread=0.3)
    x[sorted(rows)] = np.nan
    clustering, made = clustered(table(encoding=x), acts)
    number = person_of(clustering, rows)
    identity = "person-0004" if way == "split" else "person-0001"
    assert claims(made, table().faces, clustering.label)[number] == identity
    assert not clustering.core[sorted(rows)].any()
    assert np.isnan(clustering.confidence[sorted(rows)]).all()


def test_a_face_without_an_encoding_stays_with_its_person() -> None:
    x = people(3, 4, spread=0.3)
    x[2] = np.nan
    clustering, _ = clustered(table(encoding=x), NAMED)
    assert person_of(clustering, {0, 1, 2, 3}) >= 0
    assert clustering.core[:4].tolist() == [True, True, False, True]


def test_a_person_made_of_faces_of_which_few_have_an_encoding_is_one() -> None:
    x = people(3, 4, spread=0.3)
    x[1:6] = np.nan
    clustering, made = clustered(table(encoding=x), [Make("person-0004", "Anna", spots(*range(6)))])
    assert names(made, table().faces, clustering.label) == {person_of(clustering, set(range(6))): "Anna"}


def test_name_goes_to_whom_it_kept() -> None:
    for rules in SETTINGS.values():
        clustering, made = clustered(table(), NAMED, rules)
        assert names(made, table().faces, clustering.label) == {clustering.label[0]: "Anna"}


def test_others_join_a_person_who_was_kept() -> None:
    clustering, _ = clustered(table(), [Name("p", "Anna", spots(0, 1))], SETTINGS["one degree"])
    assert clustering.label.tolist() == [0] * 4 + [-1] * 8
    assert clustering.core.tolist() == [True] * 2 + [False] * 10


def test_a_group_that_is_in_too_few_photos_is_kept_whole() -> None:
    clustering, _ = clustered(table(), [Name("p", "Anna", spots(0, 1))], SETTINGS["five photos"])
    assert clustering.label.tolist() == [0] * 4 + [-1] * 8
    assert clustering.core.tolist() == [True] * 4 + [False] * 8
    assert all(0 not in almost.rows for almost in clustering.almost)


def test_a_name_does_not_hold_together_what_clusters_otherwise() -> None:
    anna = [Name("p", "Anna", spots(0, 1, 2, 4))]
    clustering, made = clustered(table(), anna)
    assert clustering.label.tolist() == cluster_faces(table(), RULES).label.tolist()
    assert names(made, table().faces, clustering.label) == {clustering.label[0]: "Anna"}


def test_two_names_are_two_people_however_alike_they_are() -> None:
    made = [Name("person-0001", "Anna", spots(0, 1)), Name("person-0002", "Bea", spots(2, 3))]
    clustering, said = clustered(table(), made)
    assert len(set(clustering.label[:4].tolist())) == 2
    assert sorted(names(said, table().faces, clustering.label).values()) == ["Anna", "Bea"]


def test_two_names_are_two_people_where_they_are_told_apart() -> None:
    x = people(2, 4, spread=0.3)
    x = x.reshape(2, 4, 128) + np.float32(2) * (
        x.mean(axis=0) - x.reshape(2, 4, 128).mean(axis=1, keepdims=True)
    ) * np.float32(0.35)
    near = make_table(x, id=[f"d{row}-0" for row in range(8)])
    assert cluster_faces(near, RULES).n_people == 1
    clustering, made = clustered(near, [Name("p", "Anna", spots(0, 1, 2)), Name("q", "Bea", spots(4, 5))])
    assert clustering.label.tolist() == [0] * 4 + [1] * 4
    assert names(made, near.faces, clustering.label) == {0: "Anna", 1: "Bea"}


def test_a_person_who_was_named_anew_is_one() -> None:
    anew = [Name("p", "Ana", spots(0, 1)), Name("p", "Anna", spots(0, 1, 2, 3))]
    clustering, made = clustered(table(), anew, SETTINGS["tiny eps"])
    assert names(made, table().faces, clustering.label) == {person_of(clustering, {0, 1, 2, 3}): "Anna"}
    assert clustering.n_people == 1


@pytest.mark.parametrize(
    "later",
    [
        Name("person-0001", None, spots(0, 1, 2, 3)),
        Undo("00000001"),
        NotAPerson("person-0001", spots(0, 1, 2, 3)),
        NotAPerson(None, spots(0, 1, 2, 3)),
        Move("person-0001", None, spots(0, 1, 2, 3), None, ()),
    ],
)
def test_a_name_that_was_taken_away_keeps_nobody(later: Act) -> None:
    clustering, made = clustered(table(), [*NAMED, later], SETTINGS["five photos"])
    assert clustering.n_people == 0
    assert names(made, table().faces, clustering.label) == {}


def test_faces_that_went_elsewhere_are_kept_there() -> None:
    acts = [*NAMED, Split("person-0001", spots(0, 1, 2), spots(3), "person-0009")]
    clustering, made = clustered(table(), acts, SETTINGS["all of it"])
    assert clustering.label.tolist() == [0, 0, 0, 1] + [-1] * 8
    assert claims(made, table().faces, clustering.label) == {0: "person-0009", 1: "person-0001"}
    assert names(made, table().faces, clustering.label) == {1: "Anna"}


def test_an_update_keeps_a_person() -> None:
    rules = SETTINGS["all of it"]
    before, made = clustered(table(), NAMED, rules)
    known = PriorAssignment(
        np.array([False] * 11 + [True]),
        before.label,
        before.core,
        before.confidence,
        before.reason,
        before.almost,
    )
    after = cluster_faces(table(), rules, resolve(made, table().faces), prior=known)
    assert after.label.tolist() == before.label.tolist()
    fresh = replace(known, person=np.full(N, -1, np.int32), core=np.zeros(N, np.bool_))
    later = cluster_faces(table(), rules, resolve(made, table().faces), prior=fresh)
    assert person_of(later, {0, 1, 2, 3}) == 0


def test_order_of_faces_does_not_matter_to_who_is_kept() -> None:
    order = np.random.default_rng(3).permutation(N)
    for way, (acts, _) in WAYS.items():
        for name, rules in SETTINGS.items():
            straight, _ = clustered(table(), acts, rules)
            shuffled, _ = clustered(table(order.tolist()), acts, rules)
            assert shuffled.label.tolist() == straight.label[order].tolist(), (way, name)


# ------------------------------------------------------------------------------------------ whose id, and which lapsed


def claimed(*acts: Act, label: str) -> dict[int, str]:
    number = np.array([-1 if letter == "." else ord(letter) - ord("a") for letter in label], dtype=np.int32)
    return claims(decisions(*acts), table(range(len(label))).faces, number)


def test_decisions_know_people_by_their_ids() -> None:
    assert claimed(Name("p", "Anna", spots(0, 1)), Name("q", "Bea", spots(2)), label="aab") == {
        0: "p",
        1: "q",
    }
    assert claimed(Name("p", None, spots(0, 1)), label="aab") == {0: "p"}
    assert claimed(Merge(("p", "q"), (spots(0), spots(1))), label="aa") == {0: "p"}
    assert claimed(Split("p", spots(0), spots(1), "n"), label="ab") == {0: "n", 1: "p"}
    assert claimed(Split("p", spots(0), spots(1)), label="ab") == {1: "p"}
    assert claimed(Split("p", spots(0), spots(1)), Name("n", "New", spots(0)), label="ab") == {0: "n", 1: "p"}
    assert claimed(Move("p", "q", spots(0), spots(1), spots(2)), label="aab") == {0: "q"}
    assert claimed(Name("p", "Anna", spots(0)), label=".") == {}
    assert claimed(label="ab") == {}


def test_later_decision_says_the_id_and_no_id_is_two_peoples() -> None:
    anna, bea = Name("p", "Anna", spots(0)), Name("q", "Bea", spots(1))
    assert claimed(anna, bea, label="aa") == {0: "q"}
    assert claimed(bea, anna, label="aa") == {0: "p"}
    assert claimed(anna, Name("p", "Bea", spots(1)), label="ab") == {1: "p"}


def test_decisions_that_find_no_face_have_lapsed() -> None:
    made = decisions(
        Name("p", "Anna", spots(0, 20)),
        Name("q", "Bea", spots(20)),
        Merge(("p", "q"), (spots(21), spots(1))),
        Merge(("p", "q"), (spots(21), spots(22))),
        Split("p", spots(23), spots(0)),
        Move("p", None, spots(24), None, spots(0)),
        NotAPerson(None, spots(25)),
        Name("r", "Carl", spots(26)),
        Undo("00000008"),
        Name("s", "Dora", ()),
    )
    assert lapsed(made, table().faces) == [made[i] for i in (1, 3, 4, 5, 6)]
