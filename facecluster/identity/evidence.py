"""Which photos are independent evidence: a copy or a near-duplicate of a photo adds nothing to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.table import Photos

NEAR_DUPLICATE_BITS = 4
"""Photos whose perceptual hashes differ in no more bits count as one.

Of the 64,843 pairs of photos of one person in lfw_dev (three or more photos each) 3 are that near, and all are copies.
"""


def count_different(photos: Photos, rows: NDArray[np.int32], wanted: int) -> int:
    """Count the photos of these rows that are different, and stop at `wanted`.

    Args:
        photos: m photos.
        rows: (k,) of them, in any order; each may occur more than once.
        wanted: at least 1.

    Returns:
        0 to `wanted`, as `find_copies` says of them in the order of `by_content`.
    """
    rows = np.unique(rows)
    copy = find_copies(photos, rows[by_content(photos, rows)], wanted)
    return min(len(rows) - int(np.count_nonzero(copy)), wanted)


def by_content(photos: Photos, rows: NDArray[np.int32]) -> NDArray[np.intp]:
    """Order photos so that what `find_copies` says of them does not depend on the order of the rows."""
    return np.lexsort((photos.path[rows], photos.digest[rows], photos.hash[rows]))


def find_copies(photos: Photos, rows: NDArray[np.int32], wanted: int) -> NDArray[np.bool_]:
    """Say which photos are the same as an earlier one of `rows`: the same row, the same bytes or near-duplicates.

    Photos are taken in the order of `rows`, and each that differs from all taken before counts; it stops as soon as
    `wanted` count, and calls none of the rest a copy. So it costs len(rows) * wanted comparisons at most.
    """
    copy = np.zeros(len(rows), dtype=np.bool_)
    digests, hashes = photos.digest[rows], photos.hash[rows]
    different: list[int] = []
    seen: set[str | int] = set()
    for i, row in enumerate(rows.tolist()):
        digest, bits = str(digests[i]), int(hashes[i])
        copy[i] = (
            row in seen
            or digest in seen
            or (
                bits
                and any(other and (bits ^ other).bit_count() <= NEAR_DUPLICATE_BITS for other in different)
            )
        )
        if not copy[i]:
            different.append(bits)
            if len(different) >= wanted:
                break
        seen.add(row)
        if digest:
            seen.add(digest)
    return copy
