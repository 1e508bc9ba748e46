from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from tables import people
from test_cluster import on_a_line

from facecluster.identity import neighbours
from facecluster.identity.dbscan import dbscan as of_points
from facecluster.identity.points import Points


def dbscan(
    x: NDArray[np.float32], eps: float, min_samples: int, *, jobs: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Groups of faces that are nowhere crowded."""
    return of_points(Points.plain(x), eps, min_samples, jobs=jobs)


def chain(seed: int) -> NDArray[np.float32]:
    """Random walks, which make long thin groups that touch."""
    steps = np.random.default_rng(seed).normal(size=(6, 60, 128)) * 0.08
    return np.cumsum(steps, axis=1).reshape(-1, 128).astype(np.float32)


def copies(seed: int) -> NDArray[np.float32]:
    """Many equal encodings."""
    return people(8, 4, spread=1.1, seed=seed)[np.random.default_rng(seed).integers(0, 32, 300)]


def grid(seed: int) -> NDArray[np.float32]:
    """Eighths, which are exact in float32, so that many pairs are exactly at a radius of eighths."""
    x = np.zeros((250, 128), dtype=np.float32)
    x[:, :4] = np.random.default_rng(seed).integers(0, 7, (250, 4)) / 8
    return x


def dlib_like(seed: int) -> NDArray[np.float32]:
    """Not normalised, and far from zero."""
    return people(20, 15, spread=1.3, seed=seed) * np.float32(0.4) + np.float32(0.12)


def mixed(seed: int) -> NDArray[np.float32]:
    """One large person among small ones and strangers."""
    return np.concatenate([people(1, 300, spread=0.9, seed=seed), people(60, 3, spread=1.2, seed=seed + 1)])


SHAPES = {"people": (lambda seed: people(20, 15, spread=1.3, seed=seed), 0.92)} | {
    shape.__name__: (shape, eps)
    for shape, eps in ((chain, 0.92), (copies, 0.92), (grid, 0.125), (dlib_like, 0.5), (mixed, 0.92))
}


def check_against_sklearn(x: NDArray[np.float32], eps: float, min_samples: int, jobs: int = 1) -> None:
    """Hold groups of dense rows, and who is near none, against scikit-learn's on float64."""
    label, dense = dbscan(x, eps, min_samples, jobs=jobs)
    if len(x) == 0:
        assert len(label) == len(dense) == 0
        return
    found = DBSCAN(eps=eps, min_samples=min_samples, algorithm="brute").fit(x.astype(np.float64))
    assert np.flatnonzero(dense).tolist() == found.core_sample_indices_.tolist()
    assert (
        label[dense].tolist() == found.labels_[dense].tolist()
    )  # it numbers the groups by their first dense rows, too
    assert (label < 0).tolist() == (found.labels_ < 0).tolist()
    apart = np.sqrt((np.subtract(x[:, None], x, dtype=np.float64) ** 2).sum(axis=2))
    for row in np.flatnonzero(~dense & (label >= 0)):
        assert label[row] == label[dense][apart[row, dense].argmin()]


@pytest.mark.parametrize("tile", [(512, 1024), (16, 24)], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("min_samples", [1, 2, 3, 10])
def test_dense_faces_are_grouped_as_by_sklearn(
    shape: str, min_samples: int, tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "TILE", tile)
    make, eps = SHAPES[shape]
    for jobs in (1, 3):
        check_against_sklearn(make(min_samples), eps, min_samples, jobs)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.floats(0.8, 1.2),
    st.integers(0, 99),
)
def test_any_random_faces_are_grouped_as_by_sklearn(
    shape: str, seed: int, min_samples: int, wider: float, n: int
) -> None:
    make, eps = SHAPES[shape]
    x = make(seed)
    check_against_sklearn(np.random.default_rng(seed).permutation(x)[:n], eps * wider, min_samples)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("min_samples", [1, 2, 3, 4])
def test_few_faces(n: int, min_samples: int) -> None:
    label, dense = dbscan(people(1, 3)[:n], 0.92, min_samples)
    assert label.dtype == np.int32
    assert label.tolist() == [0 if n >= min_samples else -1] * n
    assert dense.tolist() == [n >= min_samples] * n


def test_a_face_exactly_at_the_radius_is_near() -> None:
    assert dbscan(on_a_line(0, 0.5, 1), 0.5, 3)[0].tolist() == [0, 0, 0]
    assert dbscan(on_a_line(0, 0.5, 1), np.nextafter(0.5, 0), 3)[0].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("seed", range(5))
def test_a_border_face_goes_to_the_nearest_dense_face_and_links_nothing(seed: int) -> None:
    # 1.45 reaches one dense face at either end, 0.55 (by 0.9) and 2.30 (by 0.85), and is not dense itself
    places = np.array([0.25, 0.35, 0.45, 0.55, 1.45, 2.30, 2.40, 2.50, 2.60])
    order = np.random.default_rng(seed).permutation(9)
    label, dense = dbscan(on_a_line(*places[order]), 0.91, 4)
    at = np.argsort(order)
    assert (label[at] == label[at[8]]).tolist() == [False] * 4 + [True] * 5
    assert dense[at].tolist() == [True] * 4 + [False] + [True] * 4


def test_a_border_face_between_two_goes_to_the_lower_row() -> None:
    # 0 is one away from 1 and from -1, each dense with three more behind it
    right, left = [1, 1.1, 1.2, 1.3], [-1, -1.1, -1.2, -1.3]
    assert dbscan(on_a_line(0, *right, *left), 1.0, 4)[0].tolist() == [0] * 5 + [1] * 4
    assert dbscan(on_a_line(*left, *right, 0), 1.0, 4)[0].tolist() == [0] * 4 + [1] * 4 + [0]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["people", "chain", "dlib_like", "mixed"]), st.integers(0, 10_000), st.integers(1, 6))
def test_order_of_rows_does_not_matter(shape: str, seed: int, min_samples: int) -> None:
    make, eps = SHAPES[shape]
    x = make(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    one, dense = dbscan(x, eps, min_samples)
    other, dense2 = dbscan(x[order], eps, min_samples)
    assert dense[order].tolist() == dense2.tolist()
    assert (
        len(np.unique(np.stack([one[order], other]), axis=1).T)
        == len(np.unique(one))
        == len(np.unique(other))
    )


def test_memory_does_not_grow_with_the_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TILE", (64, 128))
    x = people(1, 4000, spread=0.6)  # 8 million near pairs; lists of both ends would be 128 MB
    dbscan(x[:10], 0.92, 3)
    tracemalloc.start()
    label, dense = dbscan(x, 0.92, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert dense.all()
    assert label.max() == 0
    assert peak < 64e6  # the sample that the axes are chosen on takes most


def test_input_is_unchanged() -> None:
    x = people(3, 5)
    before = x.copy()
    dbscan(x, 0.92, 3)
    np.testing.assert_array_equal(x, before)
