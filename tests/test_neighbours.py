from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tables import people
from test_cluster import on_a_line

from facecluster.identity import neighbours
from facecluster.identity.neighbours import UnionFind, has_near, tell_near
from facecluster.identity.points import Points


def told(
    x: NDArray[np.float32], radius: float, *, split: int | None = None, jobs: int = 1
) -> list[tuple[int, int]]:
    """All pairs that are told, sorted; nothing is known."""
    pairs: list[tuple[int, int]] = []

    def use(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        pairs.extend(zip(i.tolist(), j.tolist(), strict=True))

    def known(rows: NDArray[np.intp]) -> NDArray[np.int32]:
        return np.full(len(rows), -1, dtype=np.int32)

    tell_near(x, radius, use, known=known, split=split, jobs=jobs)
    return sorted(pairs)


def by_hand(x: NDArray[np.float32], radius: float) -> list[tuple[int, int]]:
    """The same in float64, from all differences."""
    apart = (np.subtract(x[:, None], x, dtype=np.float64) ** 2).sum(axis=2)
    return list(zip(*(rows.tolist() for rows in np.nonzero(np.triu(apart <= radius**2, 1))), strict=True))


@pytest.fixture(params=[(512, 1024), (8, 16), (5, 7)], ids=str)
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TILE", request.param)
    if request.param[0] < 512:
        monkeypatch.setattr(neighbours, "WAITING", 20)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("spread", [0.5, 1.0, 1.3])
def test_every_near_pair_is_told_once(spread: float, jobs: int) -> None:
    x = people(15, 10, spread=spread)
    assert told(x, 0.92, jobs=jobs) == by_hand(x, 0.92)
    far_from_zero = (x * np.float32(0.53) + 1).astype(np.float32)
    assert told(far_from_zero, 0.38, jobs=jobs) == by_hand(far_from_zero, 0.38)


@pytest.mark.usefixtures("tile")
def test_pairs_of_two_sets_only() -> None:
    x = people(10, 6, spread=1.0)
    assert told(x, 0.92, split=23) == [(i, j) for i, j in by_hand(x, 0.92) if i < 23 <= j]


@pytest.mark.parametrize(("n", "pairs"), [(0, 0), (1, 0), (2, 1), (3, 3)])
def test_few_and_equal_encodings(n: int, pairs: int) -> None:
    assert len(told(np.ones((n, 128), dtype=np.float32), 0.5)) == pairs
    assert len(told(np.zeros((n, 128), dtype=np.float32), 0.0)) == pairs


@pytest.mark.parametrize("far", [0, 2**10])
def test_a_pair_exactly_at_the_radius_is_near(far: int) -> None:
    # sixteenths are exact in float32, also far from zero, where the product of two encodings is wrong by more
    rng = np.random.default_rng(0)
    x = np.zeros((300, 128), dtype=np.float32)
    x[:, :6] = rng.integers(0, 3, (300, 6)) / 16 + far
    pairs = told(x, 0.125)  # differences of four coordinates by one, or of one coordinate by two
    assert pairs == by_hand(x, 0.125)
    assert len(pairs) > len(told(x, np.nextafter(0.125, 0)))


@pytest.mark.parametrize("axes", [1, 64, 128])
@pytest.mark.parametrize("far", [0, 10])
def test_what_float32_cannot_tell_is_decided_in_float64(
    far: int, axes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_cheapest", lambda turned, radius, extra: axes)
    x = people(10, 12, spread=1.0) + np.float32(far)
    for i, j in np.random.default_rng(0).integers(0, len(x), (25, 2)).tolist():
        apart = float(np.sqrt((np.subtract(x[i], x[j], dtype=np.float64) ** 2).sum()))
        for radius in (apart * (1 + 1e-12), apart * (1 - 1e-12)):  # a pair just within, and just without
            assert told(x, radius) == by_hand(x, radius)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1.4), st.integers(2, 80))
def test_any_number_of_axes_gives_the_same(seed: int, radius: float, axes: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(120, 128)) * np.geomspace(0.3, 0.01, 128)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_cheapest", lambda turned, radius, extra: axes)
        assert told(x, radius) == by_hand(x, radius)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("axes", [1, 128])
def test_what_is_known_may_be_left_out_and_nothing_else(axes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_cheapest", lambda turned, radius, extra: axes)
    x = people(4, 30, spread=1.2)
    part = np.repeat([5, -1, 7, -1], 30).astype(np.int32)
    pairs: list[tuple[int, int]] = []
    tell_near(
        x, 1.3, lambda i, j: pairs.extend(zip(i.tolist(), j.tolist(), strict=True)), known=part.__getitem__
    )
    expected = [(i, j) for i, j in by_hand(x, 1.3) if part[i] != part[j] or part[i] < 0]
    assert sorted(pairs) == expected


def test_pairs_are_never_told_at_the_same_time() -> None:
    inside, x = threading.Lock(), people(40, 60, spread=0.9)

    def use(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        assert inside.acquire(blocking=False)
        inside.release()

    tell_near(x, 0.92, use, known=lambda rows: np.full(len(rows), -1, dtype=np.int32), jobs=4)


def test_a_failure_while_pairs_are_told_is_seen() -> None:
    def use(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        tell_near(people(2, 3), 0.92, use, known=lambda rows: np.full(len(rows), -1, dtype=np.int32), jobs=2)


def test_input_is_unchanged() -> None:
    x = people(3, 5)
    before = x.copy()
    told(x, 0.92)
    np.testing.assert_array_equal(x, before)


@pytest.mark.usefixtures("tile")
def test_has_near_compares_the_one_with_the_other() -> None:
    assert has_near(Points.plain(on_a_line(0, 2.05, 4)), Points.plain(on_a_line(0.5, 3.1)), 1.0).tolist() == [
        True,
        False,
        True,
    ]


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("seed", range(5))
def test_weights_are_added_to_squared_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight = people(4, 10, spread=0.9, seed=seed), rng.uniform(0, 0.5, 40)
    pairs: list[tuple[int, int]] = []

    def use(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        pairs.extend(zip(i.tolist(), j.tolist(), strict=True))

    tell_near(x, 1.1, use, known=lambda rows: np.full(len(rows), -1, dtype=np.int32), weight=weight)
    squared = ((x[:, None].astype(np.float64) - x) ** 2).sum(axis=2) + weight[:, None] + weight
    wanted = [(i, j) for i in range(40) for j in range(i + 1, 40) if squared[i, j] <= 1.1**2]
    assert sorted(pairs) == wanted
    assert 0 < len(wanted) < 40 * 39 / 2


def test_a_long_chain_is_one_part_in_any_order() -> None:
    places = np.random.default_rng(0).permutation(3000)
    parts = UnionFind(3000)
    tell_near(on_a_line(*places), 1.0, parts.link, known=parts.find)
    assert (parts.find(np.arange(3000)) == 0).all()


def test_nothing_is_near_nothing() -> None:
    none, one = Points.plain(on_a_line()), Points.plain(on_a_line(0))
    assert len(has_near(none, one, 1.0)) == 0
    assert has_near(one, none, 1.0).tolist() == [False]


def test_linked_things_are_named_by_their_lowest_row() -> None:
    parts = UnionFind(8)
    parts.link(np.array([6, 3]), np.array([7, 2]))
    assert parts.find(np.arange(8)).tolist() == [0, 1, 2, 2, 4, 5, 6, 6]
    parts.link(np.array([7, 7, 4]), np.array([3, 6, 4]))
    assert parts.find(np.arange(8)).tolist() == [0, 1, 2, 2, 4, 5, 2, 2]
    parts.link(np.array([], dtype=np.intp), np.array([], dtype=np.intp))
    parts.link(np.array([1, 6]), np.array([0, 1]))
    assert parts.find(np.arange(8)).tolist() == [0, 0, 0, 0, 4, 5, 0, 0]
