"""A person over the years: what dates say of groups that are too far apart as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tables import make_table

from facecluster.identity import find as find_room
from facecluster.identity.assured import Assured
from facecluster.identity.cluster import Clustering, cluster_faces, would_merge
from facecluster.identity.constraints import Constraints
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import Rules
from facecluster.identity.years import UNKNOWN, YEAR, years_of
from facecluster.table import FaceTable

RULES = Rules.make("sface")

NOISE = 0.1
"""Half of the squared distance of two faces of one year."""

FIRST = 40
"""Years from 1970 of year 0."""


def look(year: int, window: int = 5) -> NDArray[np.float64]:
    """How somebody looks in a year (128,): each year one of `window` parts is another, so the cosine falls by 1 / 5."""
    x = np.zeros(128)
    x[year : year + window] = 1 / np.sqrt(window)
    return x


def blend(one: NDArray[np.float64], share: float, axis: int) -> NDArray[np.float64]:
    """Somebody who is like another by a cosine, and else has an axis of its own."""
    x = share * one
    x[axis] = np.sqrt(1 - share**2)
    return x


class Album:
    """Photos of one face each, several a year."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self.encoding: list[NDArray[np.float64]] = []
        self.time: list[float] = []
        self.who: list[int] = []

    def add(self, who: int, year: float, of: NDArray[np.float64], n: int = 3) -> None:
        for k in range(n):
            noise = np.zeros(128)
            noise[64:] = self._rng.normal(size=64)
            self.encoding.append(np.sqrt(1 - NOISE) * of + np.sqrt(NOISE) * noise / np.linalg.norm(noise))
            self.time.append((FIRST + year + (k + 0.5) / (n + 1)) * YEAR)
            self.who.append(who)

    def table(self, *, dated: bool = True, **columns: object) -> FaceTable:
        time = self.time if dated else np.full(len(self.time), np.nan)
        return make_table(np.array(self.encoding), photos={"time": time}, **columns)


def child(years: int = 12, n: int = 3) -> Album:
    """Somebody from year 0 on, n photos a year."""
    album = Album()
    for year in range(years):
        album.add(0, year, look(year), n)
    return album


def labels(table: FaceTable, **kwargs: object) -> list[int]:
    found: list[int] = cluster_faces(table, RULES, **kwargs).label.tolist()  # type: ignore[arg-type]
    return found


def people_of(label: list[int], who: list[int]) -> dict[int, set[int]]:
    """People by who they are."""
    found: dict[int, set[int]] = {}
    for one, own in zip(who, label, strict=True):
        found.setdefault(one, set()).add(own)
    return found


def prior_of(clustering: Clustering, n: int) -> PriorAssignment:
    """What a result says of the first faces of n."""
    k = len(clustering.label)
    prior = PriorAssignment.nothing(n)
    new, person, core = prior.is_new.copy(), prior.person.copy(), prior.core.copy()
    confidence, reason = prior.confidence.copy(), prior.reason.copy()
    new[:k], person[:k], core[:k] = False, clustering.label, clustering.core
    confidence[:k], reason[:k] = clustering.confidence, clustering.reason
    return replace(prior, is_new=new, person=person, core=core, confidence=confidence, reason=reason)


def test_a_year_is_whole_from_1970_and_times_that_cannot_be_have_none() -> None:
    time = np.array([0.5, YEAR, -0.5, 0, np.nan, np.inf, -np.inf, 140 * YEAR, -150 * YEAR])
    assert years_of(time).tolist() == [0, 1, -1, *[UNKNOWN] * 6]
    assert len(years_of(np.empty(0))) == 0


def test_a_child_is_one_person_over_the_years_and_several_without_dates() -> None:
    album = child()
    assert len(set(labels(album.table(dated=False)))) > 1
    assert labels(album.table()) == [0] * len(album.who)


def test_faces_of_a_child_are_told_their_distance_to_the_nearest_age() -> None:
    found = cluster_faces(child().table(), RULES)
    assert found.core.all()
    assert (found.distance <= RULES.radii.join).all()


def test_two_photos_a_year_over_four_years_are_a_person() -> None:
    album = Album()
    for year, at in enumerate((0, 2, 3, 7)):  # the last year is like the two before, not like the first
        album.add(0, year, look(at, 10), 2)
    assert labels(album.table(dated=False)) == [0] * 6 + [-1] * 2
    assert labels(album.table()) == [0] * 8


def test_a_single_face_ties_nobody() -> None:
    album = Album()
    for year, at in enumerate((0, 2, 3, 7)):
        album.add(0, year, look(at, 10), 1 if year == 3 else 2)
    assert cluster_faces(album.table(), RULES).core.tolist() == [True] * 6 + [False]


def test_a_year_without_a_photo_is_bridged_and_three_are_not() -> None:
    for gap, n_people in ((0, 1), (1, 1), (3, 2)):
        album = Album()
        for year in range(8):
            album.add(0, year + (gap if year >= 4 else 0), look(year))
        assert len(set(labels(album.table()))) == n_people, gap


def test_siblings_stay_two() -> None:
    # the younger one looks as the elder one did three years ago: nearer than the radius, but not in one year
    album = child()
    for year in range(3, 12):
        album.add(1, year, blend(look(year - 3), 0.6, 60))
    of = people_of(labels(album.table()), album.who)
    assert len(of[0]) == len(of[1]) == 1
    assert of[0] != of[1]


@pytest.mark.parametrize("n_rivals", [1, 2])
def test_of_two_who_may_both_be_the_child_none_is(n_rivals: int) -> None:
    album = Album()
    for year in range(4):
        album.add(0, year, look(year, 9))
    for rival in range(n_rivals):
        for year in range(4, 8):
            album.add(1 + rival, year, blend(look(year, 9), 0.65, 50 + rival))
    of = people_of(labels(album.table()), album.who)
    assert all(len(own) == 1 for own in of.values())
    assert len(set.union(*of.values())) == (1 if n_rivals == 1 else 3)


def test_twins_who_are_in_photos_together_stay_two() -> None:
    one, other = child(), Album(seed=1)
    for year in range(12):
        other.add(1, year, blend(look(year), 0.75, 60))
    n = len(one.who)
    encoding = np.array([x for pair in zip(one.encoding, other.encoding, strict=True) for x in pair])
    box = np.tile([[100, 200, 200, 300], [500, 200, 600, 300]], (n, 1))
    table = make_table(
        encoding, photo=np.repeat(np.arange(n), 2).tolist(), photos={"time": one.time}, box=box
    )
    label = labels(table)
    assert len(set(label[::2])) == len(set(label[1::2])) == 1
    assert label[0] != label[1]
    assert set(labels(replace(table, photos=replace(table.photos, time=np.full(n, np.nan))))) > {0, 1, 2}


def test_without_dates_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    table = child().table(dated=False)
    dated = cluster_faces(table, RULES)
    monkeypatch.setattr(find_room, "_over_years", lambda case, part, ties: ties)
    plain = cluster_faces(table, RULES)
    for name in ("label", "core", "distance", "confidence", "reason"):
        np.testing.assert_array_equal(getattr(dated, name), getattr(plain, name), err_msg=name)


def test_photos_of_one_year_are_grouped_as_without_dates() -> None:
    album = Album()
    for year in range(12):
        album.add(0, 0, look(year))
    assert labels(album.table()) == labels(album.table(dated=False))


def test_order_of_rows_does_not_matter() -> None:
    album = child()
    for year in range(3, 12):
        album.add(1, year, blend(look(year - 3), 0.6, 60))
    label = np.array(labels(album.table()))
    order = np.random.default_rng(3).permutation(len(label))
    mixed = make_table(
        np.array(album.encoding)[order],
        id=[f"face{i:04d}" for i in order],
        photos={"time": np.array(album.time)[order], "digest": [f"{i + 1:032x}" for i in order]},
    )
    assert labels(mixed) == label[order].tolist()


def test_an_update_keeps_the_child_and_the_next_year_joins() -> None:
    album = child(13)
    table = album.table()
    n = len(album.who) - 3
    before = Album()
    before.encoding, before.time, before.who = album.encoding[:n], album.time[:n], album.who[:n]
    old = cluster_faces(before.table(), RULES)
    assert old.n_people == 1
    found = cluster_faces(table, RULES, prior=prior_of(old, len(table.faces)))
    assert found.label.tolist() == [0] * len(album.who)
    assert (found.distance <= RULES.radii.join).all()


def test_a_face_of_any_age_joins_the_child_in_an_update() -> None:
    album = child()
    old = cluster_faces(album.table(), RULES)
    album.add(0, 2, look(2), 1)
    table = album.table(quality=[0.9] * len(old.label) + [0.3])  # founds nobody
    found = cluster_faces(table, RULES, prior=prior_of(old, len(table.faces)))
    assert found.label[-1] == 0
    assert not found.core[-1]


def test_two_who_exist_are_not_tied_in_an_update() -> None:
    album = child()
    apart = cluster_faces(album.table(dated=False), RULES)
    assert apart.n_people > 1
    album.add(0, 12, look(12), 1)
    found = cluster_faces(album.table(), RULES, prior=prior_of(apart, len(album.who)))
    for one in range(apart.n_people):
        assert len(set(found.label[:-1][apart.label == one].tolist())) == 1
    assert len(set(found.label[:-1].tolist())) == apart.n_people


def test_an_update_tells_who_would_be_one_over_the_years() -> None:
    table = child().table()
    apart = cluster_faces(child().table(dated=False), RULES)
    every = np.ones(len(apart.label), dtype=np.bool_)
    pairs = would_merge(table, apart, RULES, changed=every)
    assert len(pairs) == apart.n_people - 1
    assert set(sum(pairs, ())) == set(range(apart.n_people))
    assert would_merge(table, apart, RULES, changed=~every) == []
    assert would_merge(child().table(dated=False), apart, RULES, changed=every) == []


def named(name: str, rows: NDArray[np.int64]) -> Assured:
    return Assured(f"person-{name}", name, rows, True, None, 0)


def test_two_of_different_names_are_not_tied() -> None:
    table = child().table()
    early, late = np.arange(0, 9), np.arange(27, 36)
    for second, n_people in (("anna", 1), ("Ben", 2)):
        choices = replace(
            Constraints.none(36), assured=(named("Anna", early), replace(named(second, late), id="other"))
        )
        label = labels(table, constraints=choices)
        assert len(set(label)) == n_people, second
        assert (label[0] == label[-1]) == (n_people == 1)


def test_who_is_split_off_a_child_stays_split_off() -> None:
    table = child().table()
    off, away = np.arange(27, 30), np.arange(0, 5)  # faces of year 9; those by which the child is known
    flags = np.zeros(36, dtype=np.bool_)
    flags[off] = True
    together = np.full(36, -1, dtype=np.int32)
    together[off] = 0
    apart = np.array([(other, row) for row in off for other in away], dtype=np.int64)
    choices = replace(Constraints.none(36), together=together, apart=apart, moved=flags, founded=flags)
    label = np.array(labels(table, constraints=choices))
    assert set(label[off].tolist()).isdisjoint(label[~flags].tolist())
    assert len(set(label[off].tolist())) == len(set(label[~flags].tolist())) == 1
