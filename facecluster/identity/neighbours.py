"""The one definition of "how far": Euclidean, between encodings as stored; compared block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**22
"""Numbers in a matrix of distances, at most, however many faces there are."""


def squares(x: NDArray[Any]) -> NDArray[np.float64]:
    """(n, 128) -> (n,) squared lengths."""
    squared: NDArray[np.float64] = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    return squared


def squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 128), (m, 128) -> (n, m)."""
    distances: NDArray[np.float64] = squares(a)[:, None] - 2 * (a @ b.T).astype(np.float64) + squares(b)
    return distances


def blocks(rows: NDArray[np.intp], width: int) -> list[NDArray[np.intp]]:
    """Cut rows into blocks that make matrices of `BLOCK` numbers at most with `width` columns, of one row at least."""
    size = max(1, BLOCK // max(width, 1))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def has_near(a: NDArray[np.float32], b: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Say which of (n, 128) have one of (m, 128) within `radius`, give or take 1e-6 -> (n,)."""
    near = np.zeros(len(a), dtype=np.bool_)
    for rows, _, block in _near(a, b, radius):
        near[rows] = block.any(axis=1)
    return near


def connected(encoding: NDArray[np.float32], radius: float) -> NDArray[np.int32]:
    """Number the parts that (n, 128) encodings make when those within `radius`, give or take 1e-6, are linked -> (n,).

    Memory is a few numbers a pair of linked encodings, beside the blocks.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(encoding)
    if n == 0:
        return np.empty(0, dtype=np.int32)
    pairs = []
    for rows, start, block in _near(encoding, encoding, radius, once=True):
        row, column = np.nonzero(block)
        pairs.append((rows[row], column + start))
    one, other = map(np.concatenate, zip(*pairs, strict=True))
    links = coo_array((np.ones(len(one), dtype=np.bool_), (one, other)), shape=(n, n))
    part: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return part


def _near(
    a: NDArray[np.float32], b: NDArray[np.float32], radius: float, *, once: bool = False
) -> Iterator[tuple[NDArray[np.intp], int, NDArray[np.bool_]]]:
    """Say which of (n, 128) and (m, 128) are near: rows of `a`, first row of `b`, and a matrix, block by block.

    Where `a` is `b`, `once` leaves out the pairs that an earlier block has told, which is about half of them.
    """
    half = (squares(b) / 2).astype(np.float32)
    for rows in blocks(np.arange(len(a)), len(b)):
        start = int(rows[0]) if once else 0
        product = a[rows] @ b[start:].T  # |a - b|² <= r²  <=>  a·b - |b|²/2 >= (|a|² - r²)/2
        product -= half[start:]
        yield rows, start, product >= ((squares(a[rows]) - radius**2) / 2).astype(np.float32)[:, None]
