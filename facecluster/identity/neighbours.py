"""The one definition of "how far": see `points`; compared block by block.

Nothing here keeps a list of neighbours: near pairs are told once, as they are found; their user keeps what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.points import Points

BLOCK = 2**22
"""Numbers in a matrix of distances, at most, however many faces there are."""

TILE = (512, 1024)
"""Rows and columns that are compared in one product: 2 MB of float32, which stays in a core's cache."""

ROUNDING = 2.0**-15
"""Error of a product of two encodings in float32, in parts of the largest squared length, at most: each of up to 131
products and sums is off by 2**-24 of it, and so are the factors."""

_PRODUCT, _PAIR = 0.025, 150.0
"""Nanoseconds that a pair costs by the axis in a product of tiles, and when it is compared by itself
(`benchmarks/scale.py --costs`). They choose the number of axes, and change no result."""

_FEW = 2**24
"""Pairs that are compared on all axes: that takes 50 ms, and to find the principal ones more."""

_CROWDED = 1 / 64
"""Share of a tile's pairs from which on it is cheaper to treat the tile as a whole than pair by pair."""

WAITING = 2**14
"""Pairs of a thread that are looked at together, give or take those of a tile."""


def squares(x: NDArray[Any]) -> NDArray[np.float64]:
    """(n, 128) -> (n,) squared lengths."""
    squared: NDArray[np.float64] = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    return squared


def squared_distances(a: Points, b: Points) -> NDArray[np.float64]:
    """Compare n faces with m others -> (n, m)."""
    one, other = squares(a.encoding) + a.crowding, squares(b.encoding) + b.crowding
    distances: NDArray[np.float64] = one[:, None] - 2 * (a.encoding @ b.encoding.T).astype(np.float64) + other
    return distances


def squared_between(
    points: Points, i: NDArray[np.integer[Any]], j: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Give the squared distances of k pairs of faces -> (k,)."""
    squared: NDArray[np.float64] = (
        squared_apart(points.encoding, i, j) + points.crowding[i] + points.crowding[j]
    )
    return squared


def squared_apart(
    x: NDArray[np.float32], i: NDArray[np.integer[Any]], j: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Give the Euclidean squared distances of k pairs of rows of (n, 128) -> (k,), in float64."""
    apart = x[i].astype(np.float64)
    apart -= x[j]
    return squares(apart)


def blocks(rows: NDArray[np.intp], width: int) -> list[NDArray[np.intp]]:
    """Cut rows into blocks that make matrices of `BLOCK` numbers at most with `width` columns, of one row at least."""
    size = max(1, BLOCK // max(width, 1))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def has_near(a: Points, b: Points, radius: float, *, jobs: int | None = -1) -> NDArray[np.bool_]:
    """Say which of n faces have one of m others within `radius` -> (n,). Takes a copy of both."""
    near = np.arange(len(a) + len(b)) >= len(a)

    def use(i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        near[i] = True

    def known(rows: NDArray[np.intp]) -> NDArray[np.int32]:
        return near[rows].astype(np.int32) - 1

    both = Points.join(a, b)
    tell_near(both.encoding, radius, use, known=known, split=len(a), weight=both.crowding, jobs=jobs)
    return near[: len(a)]


class UnionFind:
    """Which of n things are linked, directly or not; a part is named by its lowest row.

    References:
        Galler, Fisher, An improved equivalence algorithm, 1964: each points to another of its part, or to itself.
    """

    def __init__(self, n: int) -> None:
        self._parent = np.arange(n, dtype=np.int32)

    def find(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Name the parts of (k,) rows -> (k,). Safe beside a `link` in another thread: a name may be an older one."""
        root: NDArray[np.int32] = self._parent[rows]
        while not np.array_equal(up := self._parent[root], root):
            root = up
        return root

    def link(self, i: NDArray[np.integer[Any]], j: NDArray[np.integer[Any]]) -> None:
        """Link (k,) rows to (k,) others."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        one, other = self.find(i), self.find(j)
        self._parent[i], self._parent[j] = one, other  # shortens the way of the next search
        apart = one != other
        if not apart.any():
            return
        one, other = one[apart], other[apart]
        roots, number = np.unique(np.concatenate([one, other]), return_inverse=True)
        ends = number[: len(one)], number[len(one) :]
        links = coo_array((np.ones(len(one), dtype=np.bool_), ends), shape=(len(roots), len(roots)))
        part = connected_components(links, directed=False)[1]
        lowest = roots[np.unique(part, return_index=True)[1]]
        self._parent[roots] = lowest[part]


def tell_near(
    x: NDArray[np.float32],
    radius: float,
    use: Callable[[NDArray[np.intp], NDArray[np.intp]], None],
    *,
    known: Callable[[NDArray[np.intp]], NDArray[np.int32]],
    split: int | None = None,
    weight: NDArray[np.float64] | None = None,
    jobs: int | None = None,
) -> None:
    """Find all pairs of encodings within `radius`, and tell each once.

    Args:
        x: (n, 128) finite.
        radius: of two encodings exactly this far apart, in float64, the pair is told.
        use: takes (k,) rows and (k,) higher rows, in any order of pairs; never called twice at the same time.
        known: gives the (k,) parts of (k,) rows, -1 for none; pairs of one part may be left out. Called beside
            `use`.
        split: compare the rows before this one with the others only; None compares all rows with all.
        weight: (n,) not negative, added to the squared distance for each of the two; None is 0. With the crowding of
            faces (`points.Points`) it is their distance; with the variance of the groups whose centres `x` are
            (`groups.Groups`), the mean squared distance between their members.
        jobs: threads; None is one, -1 all cores.

    Two rows are first compared on their leading principal axes: with p the coordinates on these, and r the length of
    the rest, |a - b|² >= |a|² + |b|² - 2 (pa·pb + ra rb), by Cauchy and Schwarz. That is one product of matrices in
    float32, over as many axes as make it cheapest. The pairs that remain are compared by themselves in float32, and in
    float64 near the radius.

    Time is as the pairs times the axes; memory is a copy of the leading axes, beside a tile and `WAITING` pairs a
    thread.
    """
    from threadpoolctl import threadpool_limits

    n = len(x)
    last = n if split is None else split
    if n < 2:
        return
    extra = np.zeros(n) if weight is None else weight
    n_pairs = n * n // 2 if split is None else split * (n - split)
    lead, error = _all_axes(x, extra) if n_pairs <= _FEW else _leading_axes(x, radius, extra)
    floor = np.float32(-(radius**2) / 2 - error)
    lock, space = Lock(), local()

    def compare(first: int) -> None:
        """Compare a block of rows with all that are in question, of its own those that follow."""
        if not hasattr(space, "product"):
            space.product = np.empty(TILE[0] * TILE[1], dtype=np.float32)
            space.hit = np.empty(TILE[0] * TILE[1], dtype=np.bool_)
        rows = np.arange(first, min(first + TILE[0], last))
        left = lead[rows]
        left[:, -2:] = -left[:, :-3:-1]  # of half the square and 1, to -1 and minus half the square
        waiting: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        for start in range(first if split is None else last, n, TILE[1]):
            columns = np.arange(start, min(start + TILE[1], n))
            size = len(rows) * len(columns)
            product = space.product[:size].reshape(len(rows), -1)
            hit = space.hit[:size].reshape(len(rows), -1)
            np.matmul(left, lead[start : start + TILE[1]].T, out=product)
            np.greater_equal(product, floor, out=hit)
            if np.count_nonzero(hit) > size * _CROWDED:
                _thin_out(hit, x, extra, radius, rows, columns, known)
            marked = _marked(hit)
            waiting.append((rows[marked // len(columns)], columns[marked % len(columns)]))
            if start + TILE[1] >= n or sum(len(i) for i, _ in waiting) > WAITING:
                i, j = map(np.concatenate, zip(*waiting, strict=True))
                waiting.clear()
                i, j = _near(i, j, x, extra, radius, known)
                with lock:
                    use(i, j)

    threads = max(1, jobs or 1) if jobs != -1 else os.cpu_count() or 1
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(compare, range(0, last, TILE[0])):
            pass


def _thin_out(
    hit: NDArray[np.bool_],
    x: NDArray[np.float32],
    extra: NDArray[np.float64],
    radius: float,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    known: Callable[[NDArray[np.intp]], NDArray[np.int32]],
) -> None:
    """Clear the marks (rows, columns) of pairs that are known, and if need be of those not near on all axes."""
    hit &= _or_alone(known(rows))[:, None] != known(columns)
    if np.count_nonzero(hit) > hit.size * _CROWDED:
        a, b = x[rows], x[columns]
        half, half_b = (squares(a) + extra[rows]) / 2, (squares(b) + extra[columns]) / 2
        error = 2 * ROUNDING * max(half.max(), half_b.max())
        product = a @ b.T  # |a - b|² <= r²  <=>  a·b - |b|²/2 >= (|a|² - r²)/2
        product -= half_b.astype(np.float32)
        hit &= product >= (half - radius**2 / 2 - error).astype(np.float32)[:, None]


def _near(
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    x: NDArray[np.float32],
    extra: NDArray[np.float64],
    radius: float,
    known: Callable[[NDArray[np.intp]], NDArray[np.int32]],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Keep the pairs of (k,) rows and (k,) higher rows that are within `radius`, and of which that is not known."""
    new = (j > i) & (_or_alone(known(i)) != known(j))
    i, j = i[new], j[new]
    squared = np.empty(len(i), dtype=np.float32)
    for start in range(0, len(i), 1024):  # few enough for the cache
        some = slice(start, start + 1024)
        apart = x[i[some]]
        apart -= x[j[some]]
        squared[some] = np.einsum("ij,ij->i", apart, apart)
    limit = radius**2 - extra[i] - extra[j]
    near = squared <= limit
    unsure = np.flatnonzero(np.abs(squared - limit) <= ROUNDING * radius**2)
    near[unsure] = squared_apart(x, i[unsure], j[unsure]) <= limit[unsure]
    return i[near], j[near]


def _or_alone(part: NDArray[np.int32]) -> NDArray[np.int32]:
    """Turn -1 to -2, so that a row without a part is in one with no other row, not even one that has none either."""
    return np.where(part < 0, np.int32(-2), part)


def _marked(hit: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give the places of the marks in the flattened matrix; fast where they are few."""
    flat = hit.reshape(-1)
    if flat.size % 8:
        return np.flatnonzero(flat)
    words = np.flatnonzero(flat.view(np.uint64) != 0)  # eight at once
    places = np.flatnonzero(flat.reshape(-1, 8)[words])
    marked: NDArray[np.intp] = words[places // 8] * 8 + places % 8
    return marked


def _all_axes(x: NDArray[np.float32], extra: NDArray[np.float64]) -> tuple[NDArray[np.float32], float]:
    """Put encodings as they are into the form of `_leading_axes`."""
    half = (squares(x) + extra) / 2
    lead = np.zeros((len(x), x.shape[1] + 3), dtype=np.float32)
    lead[:, :-3], lead[:, -2], lead[:, -1] = x, half, 1
    return lead, 4 * ROUNDING * float(half.max())


def _leading_axes(
    x: NDArray[np.float32], radius: float, extra: NDArray[np.float64]
) -> tuple[NDArray[np.float32], float]:
    """Turn encodings to their principal axes, and keep as many as make the comparison of all pairs cheapest.

    Args:
        x: (n, 128), n >= 2.
        radius: of the comparison.
        extra: (n,) added to the squared distance for each of a pair.

    Returns:
        (n, k + 3): k leading coordinates from the mean, the length of the rest, half of the squared length and
        `extra`, and 1; and the error that float32 makes at most in a sum of products of two such rows.
    """
    rows = np.sort(np.random.default_rng(0).choice(len(x), min(len(x), 16384), replace=False))
    sample = x[rows].astype(np.float64)
    centre = sample.mean(axis=0)
    sample -= centre
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1]
    few = np.random.default_rng(0).permutation(len(rows))[:2048]
    k = _cheapest(sample[few] @ axes, radius, extra[rows[few]])
    lead, longest = np.empty((len(x), k + 3), dtype=np.float32), 0.0
    for block in blocks(np.arange(len(x)), x.shape[1]):
        turned = (x[block] - centre) @ axes
        squared = squares(turned)
        lead[block, :k] = turned[:, :k]
        lead[block, k] = np.sqrt(squares(turned[:, k:]))
        lead[block, k + 1] = (squared + extra[block]) / 2
        lead[block, k + 2] = 1
        longest = max(longest, float((squared + extra[block]).max()))
    return lead, 2 * ROUNDING * longest


def _cheapest(turned: NDArray[np.float64], radius: float, extra: NDArray[np.float64]) -> int:
    """Choose the number of axes from a sample (s, 128) on its principal axes, leading first."""
    one, other = turned[::2], turned[1::2]
    squared = (squares(one) + extra[::2])[:, None] + squares(other) + extra[1::2]
    costs: dict[int, float] = {}
    for k in (*range(13, turned.shape[1], 8), turned.shape[1]):  # with the 3 other columns, a multiple of 8
        rest = np.sqrt(np.outer(squares(one[:, k:]), squares(other[:, k:])))
        apart = squared - 2 * (one[:, :k] @ other[:, :k].T + rest)
        costs[k] = _PRODUCT * k + _PAIR * float(np.mean(apart <= radius**2))
    return min(costs, key=lambda k: costs[k])
