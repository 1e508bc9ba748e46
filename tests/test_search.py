from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tables import make_table, people
from test_explain import at, result_of

from facecluster.errors import TableError
from facecluster.identity import search as module
from facecluster.identity.groups import Groups
from facecluster.identity.points import Points
from facecluster.identity.rules import DEFAULTS
from facecluster.identity.search import (
    CALIBRATION,
    CROWDED,
    Nearest,
    Targets,
    confidence,
    find_nearest,
    nearest_of,
)
from facecluster.joined import Known
from facecluster.render.matches import (
    Gallery,
    Match,
    Query,
    Somebody,
    check_encoders,
    entries,
    search,
    search_tables,
)
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable


def exact(query: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float64]:
    apart: NDArray[np.float64] = np.linalg.norm(query.astype(np.float64)[:, None] - x, axis=2)
    return apart


def nearest_faces(
    query: NDArray[np.float32], x: NDArray[np.float32], k: int, *, jobs: int | None = -1
) -> Nearest:
    """The nearest of faces that are nowhere crowded."""
    return find_nearest(Points.plain(query), Targets.of_faces(Points.plain(x)), k, jobs=jobs)


def found(gallery: Gallery, encoding: NDArray[np.float32], **options: Any) -> list[tuple[Any, ...]]:
    """Of each query, name or face of each match; or of the nearest, after None."""
    by = options.pop("by", "face")

    def told(match: Match) -> Any:
        return (match.person or match.name) if by == "person" else match.face.id

    return [
        tuple(told(match) for match in matches) if nearest is None else (None, told(nearest))
        for matches, nearest in search(gallery, encoding, by, **{"k": 5} | options)
    ]


# ---------------------------------------------------------------------------------------------------- nearest


def test_nearest_faces_by_hand() -> None:
    nearest = nearest_faces(at(0, 6.1), at(5, 1, -2, 7), 3)
    assert nearest.row.tolist() == [[1, 2, 0], [3, 0, 1]]
    np.testing.assert_allclose(nearest.distance, [[1, 2, 5], [0.9, 1.1, 5.1]], rtol=1e-6)


def test_of_faces_equally_far_the_first_come_first() -> None:
    nearest = nearest_faces(at(0), at(1, -1, 0.5, 1, -1), 4)
    assert nearest.row.tolist() == [[2, 0, 1, 3]]


def test_thousands_of_equal_faces_are_told_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TILE", 2**12)
    nearest = nearest_faces(at(0, 1), np.ones((5000, 128), dtype=np.float32), 3)
    assert nearest.row.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_where_there_are_fewer_rows_are_negative_and_distances_infinite() -> None:
    nearest = nearest_faces(at(0, 1), at(1), 2)
    assert nearest.row.tolist() == [[0, -1], [0, -1]]
    assert nearest.distance.tolist() == [[1, np.inf], [0, np.inf]]
    nobody = nearest_faces(at(0), np.empty((0, 128), dtype=np.float32), 2)
    assert nobody.row.tolist() == [[-1, -1]]
    nothing = nearest_faces(np.empty((0, 128), dtype=np.float32), at(1), 2)
    assert nothing.row.shape == nothing.distance.shape == (0, 2)


def test_unknown_encodings_are_like_nobody() -> None:
    x = at(3, 1, 2)
    x[1, 5] = np.nan
    nearest = nearest_faces(np.concatenate([x[1:2], at(0)]), x, 2)
    assert nearest.row.tolist() == [[-1, -1], [2, 0]]


def test_k_is_one_or_more() -> None:
    with pytest.raises(ValueError, match="k of 1 or more"):
        nearest_faces(at(0), at(1), 0)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 9), st.integers(1, 12), st.integers(0, 3), st.sampled_from([1, 2, 3])
)
def test_nearest_are_those_of_brute_force(n: int, q: int, k: int, seed: int, jobs: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, 128)).astype(np.float32)  # few distances: many are equal
    query = rng.integers(-1, 2, (q, 128)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TILE", 1024)
        patch.setattr(module, "BATCH", 4)
        nearest = nearest_faces(query, x, k, jobs=jobs)
    apart = exact(query, x)
    kept = min(n, k)
    assert nearest.row[:, :kept].tolist() == np.argsort(apart, axis=1, kind="stable")[:, :k].tolist()
    np.testing.assert_allclose(nearest.distance[:, :kept], np.sort(apart, axis=1)[:, :k], rtol=1e-12)
    assert (nearest.row[:, kept:] == -1).all()


def test_answer_does_not_depend_on_what_is_searched_together() -> None:
    x, query = people(20, 30), people(20, 7, seed=1)
    together = nearest_faces(query, x, 4)
    for i in range(0, len(query), 19):
        alone = nearest_faces(query[i : i + 1], x, 4, jobs=1)
        np.testing.assert_array_equal(alone.row[0], together.row[i])
        np.testing.assert_array_equal(alone.distance[0], together.distance[i])


def test_groups_are_as_far_as_their_faces_in_root_mean_square() -> None:
    x, label = people(4, 5), np.repeat(np.arange(4, dtype=np.int32), 5)
    nearest = find_nearest(
        Points.plain(people(4, 1, seed=2)), Targets.of_groups(Groups.of(Points.plain(x), label)), 4
    )
    squared = exact(people(4, 1, seed=2), x) ** 2
    mean = np.sqrt(squared.reshape(4, 4, 5).mean(axis=2))
    assert nearest.row[:, 0].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(nearest.distance, np.sort(mean, axis=1), atol=1e-6)


def test_nearest_of_some_rows() -> None:
    assert nearest_of(Points.plain(at(5, 0)), 1, Points.plain(at(1, 9, -4, 2)), np.array([1, 2, 3])) == (
        3,
        2.0,
    )


# ------------------------------------------------------------------------------------------------- confidence


@pytest.mark.parametrize("encoder", CALIBRATION)
@pytest.mark.parametrize("crowding", [0.0, 0.2])
def test_confidence_falls_from_100_to_0(encoder: str, crowding: float) -> None:
    curve = confidence(np.linspace(0, 3, 500), encoder, crowding)
    assert (np.diff(curve) <= 0).all()
    assert (curve[0], curve[-1]) == (100, 0)
    knots = CROWDED[encoder][1] if crowding else CALIBRATION[encoder]
    assert all(a < b and c > d for (a, c), (b, d) in pairwise(knots))
    assert confidence([0, np.inf, np.nan], encoder).tolist()[:2] == [100, 0]
    assert np.isnan(confidence(np.nan, encoder))


def test_confidence_is_known_for_every_encoder_that_clustering_knows() -> None:
    assert CALIBRATION.keys() == CROWDED.keys() == DEFAULTS.keys()
    with pytest.raises(TableError, match="encoded by 'other', search knows sface, dlib"):
        confidence(1.0, "other")


def test_confidence_between_two_knots_is_between_theirs() -> None:
    (one, a), (other, b) = CALIBRATION["sface"][4:6]
    assert confidence((one + other) / 2, "sface") == pytest.approx((a + b) / 2)


# --------------------------------------------------------------------------------------------------- galleries


def gallery_of(label: Sequence[int] | None = None, encoding: Any = None, **columns: Any) -> Gallery:
    """Faces at -1, 0, 0.2 and 3 on a line unless told otherwise; with labels, of anna and bert."""
    table = make_table(at(-1, 0, 0.2, 3) if encoding is None else encoding, **columns)
    return Gallery.of_table(table, None if label is None else np.array(label), ["anna", "bert"])


def test_faces_within_reach_nearest_first() -> None:
    within = gallery_of().within(1)
    assert within == pytest.approx(np.sqrt(1.06**2 - 0.10))
    assert found(gallery_of(), at(0.05)) == [("face0001", "face0002")]  # the first is 1.05 away
    assert found(gallery_of(), at(0.05), k=1) == [("face0001",)]
    assert found(gallery_of(), at(3)) == [("face0003",)]


def test_no_one_is_an_answer_with_the_nearest() -> None:
    ((matches, nearest),) = search(gallery_of(), at(1.5), "face", k=5)
    assert matches == ()
    assert nearest is not None
    assert (nearest.face.id, nearest.distance) == ("face0002", pytest.approx(1.3))
    assert nearest.distance > nearest.within
    assert 0 < nearest.confidence < 5


def test_exactly_within_reach_is_a_match() -> None:
    gallery = gallery_of(encoding=at(0))
    exactly = np.float32(gallery.within(1))
    distance = float(exactly)
    gallery = replace(gallery, reach=replace(gallery.reach, radius=distance, caution=0.0))
    assert gallery.within(1) == distance
    assert found(gallery, at(distance)) == [("face0000",)]


def test_min_score_takes_the_place_of_reach() -> None:
    gallery = gallery_of()
    assert found(gallery, at(0.05), min_score=99.85) == [("face0001", "face0002")]
    assert found(gallery, at(0.05), min_score=99) == [("face0001", "face0002", "face0000")]
    assert found(gallery, at(0.05), min_score=0) == [("face0001", "face0002", "face0000", "face0003")]
    assert found(gallery, at(0.2), min_score=100) == [("face0002",)]
    assert found(gallery, at(0.1), min_score=100) == [(None, "face0001")]


def test_labels_are_people_with_all_their_faces() -> None:
    gallery = gallery_of([0, 1, 1, -1])
    ((matches, nearest),) = search(gallery, at(0), "person", k=5)
    assert nearest is None
    assert [(match.name, match.person, match.n_faces) for match in matches] == [
        ("bert", None, 2),
        ("anna", None, 1),
    ]
    bert, anna = matches
    assert bert.distance == pytest.approx(np.sqrt(0.2**2 / 2), abs=1e-6)
    assert (bert.face.id, bert.face.distance) == ("face0001", 0)
    assert bert.within > anna.within  # few faces are near by chance more often
    assert found(gallery, at(3), by="person") == [(None, "bert")]
    ((face, *_), _), *_ = search(gallery, at(3), "face", k=1)
    assert (face.person, face.name, face.n_faces) == (None, None, 1)


def test_a_person_of_many_faces_is_found_behind_a_nearer_one_of_few() -> None:
    # one face 1.02 away, and five that are 1.03 away: with few faces, one has to be nearer
    table = make_table(at(1.02, -1.03, -1.03, -1.03, -1.03, -1.03))
    gallery = Gallery.of_table(table, np.array([0, 1, 1, 1, 1, 1]), ["anna", "bert"])
    assert gallery.within(1) < 1.02 < 1.03 < gallery.within(5)
    assert found(gallery, at(0), by="person", k=1) == [("bert",)]


def test_unknown_encodings_count_for_nobody() -> None:
    encoding = at(0, 0, 1)
    encoding[1] = np.nan
    gallery = gallery_of([0, 0, 1], encoding)
    ((matches, _),) = search(gallery, at(0), "person", k=5)
    assert [(match.name, match.n_faces) for match in matches] == [("anna", 1), ("bert", 1)]
    assert list(search(gallery, encoding[1:2], "person", k=5)) == [((), None)]
    nothing = gallery_of([0, 0, 1], np.full((3, 128), np.nan))
    assert list(search(nothing, at(0, 1), "person", k=5)) == [((), None)] * 2
    assert list(search(nothing, at(0), "face", k=5)) == [((), None)]


def test_an_empty_gallery_finds_nobody() -> None:
    empty = make_table(np.empty((0, 128)))
    for gallery in (Gallery.of_table(empty), Gallery.of_table(empty, np.empty(0, dtype=np.int64), [])):
        assert list(search(gallery, at(0), "face", k=5)) == [((), None)]
        assert list(search(gallery, at(0), "person", k=5)) == [((), None)]


def test_a_gallery_of_an_unknown_encoder_is_an_error() -> None:
    with pytest.raises(TableError, match="encoded by 'other'"):
        Gallery.of_table(make_table(at(0), encoder="other"))


def test_reach_falls_with_the_number_of_faces() -> None:
    table = make_table(at(*np.zeros(4000)))
    assert Gallery.of_table(table).within(1) < gallery_of().within(1)


# ----------------------------------------------------------------------------------------------------- results

POINTS = (0, 0.1, 0.2, 0.6, 5, 5.1, 5.2, 9)
LABEL = [0, 0, 0, 0, 1, 1, 1, -1]
CORE = [0, 1, 2, 4, 5, 6]


def of_result(**options: Any) -> tuple[Gallery, FaceTable]:
    table = make_table(at(*POINTS))
    result = result_of(table, LABEL, CORE)
    anna, other = result.people
    result = replace(result, people=(replace(anna, name="anna"), other))
    return Gallery.of_result(Known.of(result, table), table, **options), table


def test_people_are_as_far_as_their_founding_faces() -> None:
    gallery, _ = of_result()
    ((matches, _),) = search(gallery, at(0.6), "person", k=5)
    (anna,) = matches
    assert (anna.person, anna.name, anna.n_faces) == ("person-0001", "anna", 3)
    assert anna.distance == pytest.approx(np.sqrt((0.6**2 + 0.5**2 + 0.4**2) / 3), abs=1e-6)
    assert anna.face.id == "face0002"  # the nearest that founded her
    ((face, *_), _), *_ = search(gallery, at(0.6), "face", k=1)
    assert (face.person, face.face.id, face.distance) == ("person-0001", "face0003", 0)
    ((face, *_), _), *_ = search(gallery, at(9), "face", k=1)
    assert (face.person, face.name) == (None, None)


def test_people_without_founding_faces_have_all_their_faces() -> None:
    table = make_table(at(*POINTS))
    gallery = Gallery.of_result(Known.of(result_of(table, LABEL, CORE[:3]), table), table)
    ((matches, _),) = search(gallery, at(5), "person", k=5)
    assert [(match.person, match.n_faces) for match in matches] == [("person-0002", 3)]


def test_only_people_with_names() -> None:
    gallery, _ = of_result(named=True)
    assert found(gallery, at(5), by="person") == [(None, "person-0001")]
    assert [match.name for match in next(search(gallery, at(0), "person", k=5))[0]] == ["anna"]


def test_a_face_can_be_left_out() -> None:
    gallery, _ = of_result()
    ((matches, _),) = search(gallery.without("face0000"), at(0), "person", k=5)
    assert (matches[0].n_faces, matches[0].face.id) == (2, "face0001")
    assert gallery.without("face0000").people == gallery.people
    assert found(gallery.without("face0007"), at(9)) == [(None, "face0006")]


def test_a_result_and_its_table_agree_whatever_the_order_of_people() -> None:
    table = make_table(at(*POINTS))
    label = [1, 1, 1, 1, 0, 0, 0, -1]
    gallery = Gallery.of_result(Known.of(result_of(table, label, CORE), table), table)
    assert found(gallery, at(*POINTS), k=1) == [(f"face{i:04d}",) for i in range(8)]


# ----------------------------------------------------------------------------------------------------- queries


def test_a_record_a_face_and_one_for_each_photo_without() -> None:
    table = make_table(
        at(0, 3, 0.2),
        photo=[0, 0, 2],
        paths=["/a", "/b", "/c", "/d"],
        photos={"status": [OK, NO_FACE, OK, UNREADABLE], "reason": ["", "", "", "cut short"]},
        id=["x", "y", "z"],
    )
    gallery = gallery_of()
    everyone = list(search_tables(gallery, [(table, np.ones(3, dtype=bool))], "face", k=1))
    assert [(q.photo, q.status, q.reason, q.face, q.id) for q in everyone] == [
        ("/a", OK, "", 1, "x"), ("/a", OK, "", 2, "y"), ("/b", NO_FACE, "", None, None), ("/c", OK, "", 1, "z"),
        ("/d", UNREADABLE, "cut short", None, None),
    ]  # fmt: skip
    assert [[match.face.id for match in q.matches] for q in everyone] == [
        ["face0001"], ["face0003"], [], ["face0002"], []
    ]  # fmt: skip
    some = list(search_tables(gallery, [(table, np.array([False, True, False]))], "face", k=1))
    assert [(q.photo, q.face) for q in some] == [("/a", 2), ("/b", None), ("/d", None)]


def test_many_tables_are_searched_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecluster.render.matches.BATCH", 4)
    tables = [
        make_table(at(*[0.2] * n), paths=[f"/{i}-{j}" for j in range(n)])
        for i, n in enumerate([1, 2, 0, 9, 1])
    ]
    queries = [(table, np.ones(len(table.faces), dtype=bool)) for table in tables]
    told = list(search_tables(gallery_of(), queries, "face", k=1))
    assert [q.photo for q in told] == [path for table in tables for path in table.photos.path.tolist()]
    assert {q.matches[0].face.id for q in told} == {"face0002"}
    assert list(search_tables(gallery_of(), [], "face", k=1)) == list[Query]()


def test_encoders_that_differ_are_an_error() -> None:
    sface, dlib = make_table(at(0)), make_table(at(0), encoder="dlib")
    check_encoders(sface, sface)
    with pytest.raises(TableError, match=r"encoded by 'dlib', .* by 'sface'"):
        check_encoders(sface, dlib)
    other = replace(sface, settings=replace(sface.settings, models={"sface": "def", "mesh": "1"}))
    with pytest.raises(TableError, match="other weights of sface"):
        check_encoders(sface, other)
    check_encoders(sface, replace(sface, settings=replace(sface.settings, models={})))


def test_entries_count_faces_and_photos() -> None:
    who = [Somebody(None, "anna"), Somebody(None, "bert"), Somebody(None, "carl")]
    owner, photo = np.array([0, 0, 1, -1, 0], dtype=np.int32), np.array([0, 0, 0, 1, 2], dtype=np.int32)
    assert [(e.name, e.n_faces, e.n_photos) for e in entries(who, owner, photo)] == [
        ("anna", 3, 2), ("bert", 1, 1), ("carl", 0, 0)
    ]  # fmt: skip


def test_somebody_merged_of_two_looks_is_found_by_either() -> None:
    # two people 3 apart, of whom one was made, where 2 are one's; and another one
    table = make_table(at(0, 0.1, 0.2, 3, 3.1, 3.2, 9, 9.1, 9.2))
    result = result_of(table, [0, 0, 0, 0, 0, 0, 1, 1, 1], list(range(9)))
    merged = replace(result.people[0], former=("person-0007",))
    made = replace(result, people=(merged, *result.people[1:]))
    query = at(0.1, 3.1, 9.1, 6)
    for one in (result, made):  # whether a merge says so, or only that the two are too far apart for one look
        parts = Gallery.of_result(Known.of(one, table), table)
        assert (len(parts.groups), parts.n_people, parts.most_parts) == (3, 2, 2)
        assert found(parts, query, by="person") == [
            ("person-0001",), ("person-0001",), ("person-0002",), (None, "person-0001"),
        ]  # fmt: skip
    ((every, _),) = search(parts, query[:1], "person", k=5, min_score=0)
    assert [(match.person, match.n_faces) for match in every] == [("person-0001", 3), ("person-0002", 3)]
    ((one, _), (other, _)) = search(parts, query[:2], "person", k=1)
    assert one[0].distance == pytest.approx(other[0].distance, abs=1e-5)
    assert found(parts.without(str(table.faces.id[4])), at(3.1), by="person") == [("person-0001",)]
