from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import cluster_table
from tables import make_table, people

from facecluster.formats.clusters_json import read_result
from facecluster.identity.cluster import cluster_faces, would_merge
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import Decision
from facecluster.library.library import Library
from facecluster.library.lineage import prior_assignment
from facecluster.library.make import make_result
from facecluster.library.settings import Choices
from facecluster.library.update import Standing, Update, update, with_ids_and_names
from facecluster.result import Result, Updated
from facecluster.table import FaceTable

NO_FOLDERS = Choices(link="none")


def anew(earlier: Result, table: FaceTable, decisions: list[Decision]) -> Result:
    """What `update` makes, with every record made anew."""
    rules = earlier.settings.rules
    assert rules is not None
    known, constraints = prior_assignment(earlier, table), resolve(decisions, table.faces)
    clustering = cluster_faces(table, rules, constraints, prior=known, jobs=1)
    made = replace(make_result(table, clustering, rules), settings=earlier.settings)
    result = as_before(with_ids_and_names(made, decisions, table, clustering.label, earlier), earlier)
    fresh = known.is_new | ((known.person < 0) & (clustering.label >= 0))
    pairs = would_merge(table, clustering, rules, constraints, changed=fresh, jobs=1)
    since = earlier.settings.update or Updated(0, 0, ())
    said = Updated(
        since.updates + bool(known.is_new.any()),
        since.new_faces + int(known.is_new.sum()),
        tuple((result.people[one].id, result.people[other].id) for one, other in pairs),
    )
    return replace(result, settings=replace(result.settings, update=said if said.updates else None))


def as_before(result: Result, earlier: Result) -> Result:
    """Put the faces of people who have the same as before in the order of before.

    A full run measures the distances by which they are ordered while people are still put together.
    """
    before = {frozenset(person.faces): person.faces for person in earlier.people}
    faces = [before.get(frozenset(person.faces), person.faces) for person in result.people]
    people = [
        replace(person, faces=own, cover=own[0].id) for person, own in zip(result.people, faces, strict=True)
    ]
    return replace(result, people=tuple(people))


def place(standing: Standing, table: FaceTable, decisions: list[Decision]) -> Update:
    constraints = resolve(decisions, table.faces)
    return update(standing, table, standing.result.settings, constraints, decisions, jobs=1)


def first(table: FaceTable, n: int) -> FaceTable:
    """The first n photos."""
    return table.select(np.arange(len(table.photos)) < n)


def mixed(seed: int) -> FaceTable:
    """80 photos with one to three faces of nine people of many sizes, and of strangers, some of them poor."""
    rng = np.random.default_rng(seed)
    encoding = people(40, 12, spread=0.6, seed=seed).reshape(40, 12, 128)
    who = rng.choice(40, size=150, p=np.r_[np.full(9, 0.08), np.full(31, 0.28 / 31)])
    faces = np.array([encoding[one, rng.integers(12)] for one in who]) + rng.normal(0, 0.01, (150, 128))
    photo = np.sort(rng.integers(80, size=150))
    photo[-1] = 79
    box = np.array([[100 * k, 0, 100 * k + rng.integers(40, 120), 100] for k in range(150)])
    ids = [f"{p + 1:032x}-{k}" for k, p in enumerate(photo.tolist())]
    quality = np.where(rng.uniform(size=150) < 0.3, 0.05, 0.9)
    return make_table(faces, photo=photo.tolist(), id=ids, box=box, quality=quality)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("corrected", [False, True])
def test_update_is_what_it_would_be_with_every_record_made_anew(
    seed: int, corrected: bool, tmp_path: Path
) -> None:
    table = mixed(seed)
    cluster_table(first(table, 40), tmp_path, NO_FOLDERS)
    if corrected:
        with Library.open(tmp_path) as library:
            ids = [person.id for person in library.people.people]
            library.name(ids[0], "Ann")
            library.merge(*ids[-2:])
            largest = library.people.people[0]
            library.split(largest.id, largest.faces[0].id)
        cluster_table(first(table, 40), tmp_path, update=True)
    with Library.open(tmp_path) as library:
        decisions = library.decisions
    earlier = read_result(tmp_path / "clusters.json")
    standing = Standing.of(earlier, first(table, 40))
    for n in (41, 42, 50, 80):
        grown = first(table, n)
        n_before = len(standing.known.person)
        moved = standing.moved(np.arange(n_before), len(grown.faces), np.ones(n_before, dtype=bool))
        expected = anew(standing.result, grown, decisions)
        done = place(moved, grown, decisions)
        assert done.result == expected
        assert_knows(done.standing, grown)
        same = {person.id: person.faces for person in standing.result.people}
        assert done.changed == {p.id for p in expected.people if same.get(p.id) != p.faces}
        standing = done.standing


def assert_knows(standing: Standing, table: FaceTable) -> None:
    """A standing that was carried on is what it would be were it made of the result."""
    other = Standing.of(standing.result, table)
    for name in ("is_new", "person", "core", "confidence", "reason"):
        np.testing.assert_array_equal(getattr(standing.known, name), getattr(other.known, name), err_msg=name)
    pairs = zip(standing.known.almost, other.known.almost, strict=True)
    assert all(
        one.rows.tolist() == two.rows.tolist() and one.lack.tolist() == two.lack.tolist()
        for one, two in pairs
    )
    assert standing.almost == other.almost
    np.testing.assert_array_equal(standing.row_of, other.row_of)
    np.testing.assert_array_equal(standing.same, other.same)
    assert other.is_of(table)


def test_update_makes_records_only_of_whom_it_concerns(tmp_path: Path) -> None:
    table = make_table(people(3, 6)[[*range(5), *range(6, 11), *range(12, 17), 5]])
    cluster_table(first(table, 15), tmp_path, NO_FOLDERS)
    earlier = read_result(tmp_path / "clusters.json")
    standing = Standing.of(earlier, first(table, 15)).moved(np.arange(15), 16, np.ones(15, dtype=bool))
    done = place(standing, table, [])
    before = {person.id: person.faces for person in earlier.people}
    kept = [person for person in done.result.people if person.faces is before[person.id]]
    assert (len(kept), len(done.changed)) == (2, 1)


def test_update_follows_photos_that_were_renamed_and_faces_that_went(tmp_path: Path) -> None:
    table = make_table(people(3, 6))
    cluster_table(table, tmp_path, NO_FOLDERS)
    paths: Any = table.photos.path.copy()
    paths[2] = "/photos/other name.jpg"
    changed = replace(table, photos=replace(table.photos, path=paths))
    changed = changed.select(np.arange(18) != 9)
    earlier = read_result(tmp_path / "clusters.json")
    done = place(Standing.of(earlier, changed), changed, [])
    assert done.result == anew(earlier, changed, [])
    assert len(done.changed) == 2
