"""What differs between two results: which faces are the same (`match_faces`), and which people (`match_people`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, match_boxes, overlaps


@dataclass(frozen=True, eq=False)
class Placed:
    """The faces of a result, as columns.

    Attributes:
        id: n ids: digest of the photo's content, dash, ordinal. Copies of a photo share them.
        photo: n absolute paths.
        box: (n, 4) left, top, right, bottom in pixels of the photo.
        anchor: (n, 4) the same when the photo was first seen, see `table.Faces`.
        page: (n,) int64, page of the photo, from 0.
        time_s: (n,) seconds from the start of a video; NaN outside videos.
        track: (n,) int64, number of the track in its video; -1 outside videos.
        person: (n,) int64, number of the person in the result from 0; -1 none.
        confidence: (n,) per cent, 0..100, NaN where there is none.
    """

    id: Sequence[str]
    photo: Sequence[str]
    box: NDArray[np.float64]
    anchor: NDArray[np.float64]
    page: NDArray[np.int64]
    time_s: NDArray[np.float64]
    track: NDArray[np.int64]
    person: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.id)


def match_faces(a: Placed, b: Placed) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the faces that are in both results.

    They have the same id, page and moment, and overlapping anchors: first in photos of the same path, then, as photos
    may have been renamed, in any. Where another detector numbered the faces otherwise, the photo's content, page and
    moment, and overlapping anchors will do.

    Returns:
        Rows of the one and of the other, in the order of the first; each row once at most.
    """
    moment_a, moment_b = _moments(a), _moments(b)
    rest_a, rest_b = np.arange(len(a)), np.arange(len(b))
    one, other = [], []
    for names in (lambda of, row: (of.id[row], of.photo[row]), lambda of, row: of.id[row]):
        waiting = defaultdict(list)
        for row in rest_b[::-1].tolist():
            waiting[names(b, row)].append(row)
        named = [(row, waiting[name].pop()) for row in rest_a.tolist() if waiting.get(name := names(a, row))]
        pairs = np.array(named, dtype=np.intp).reshape(-1, 2)
        same = overlaps(a.anchor[pairs[:, 0]], b.anchor[pairs[:, 1]]) >= SAME_FACE_IOU
        pairs = pairs[same & (moment_a[pairs[:, 0]] == moment_b[pairs[:, 1]]).all(axis=1)]
        one.append(pairs[:, 0])
        other.append(pairs[:, 1])
        rest_a = np.setdiff1d(rest_a, pairs[:, 0], assume_unique=True)
        rest_b = np.setdiff1d(rest_b, pairs[:, 1], assume_unique=True)
    number: dict[tuple[str, float, float], int] = {}

    def scenes(of: Placed, moment: NDArray[np.float32], rest: NDArray[np.intp]) -> NDArray[np.int64]:
        names = zip(
            [of.id[row].rpartition("-")[0] for row in rest.tolist()], moment[rest].tolist(), strict=True
        )
        numbers = [number.setdefault((content, page, time), len(number)) for content, (page, time) in names]
        return np.array(numbers, dtype=np.int64)

    content_a, content_b = scenes(a, moment_a, rest_a), scenes(b, moment_b, rest_b)
    found_a, found_b = match_boxes(content_a, a.anchor[rest_a], content_b, b.anchor[rest_b])
    one.append(rest_a[found_a])
    other.append(rest_b[found_b])
    rows_a, rows_b = np.concatenate(one), np.concatenate(other)
    order = np.argsort(rows_a)
    return rows_a[order], rows_b[order]


def _moments(faces: Placed) -> NDArray[np.float32]:
    """Give page and second of each face, which tell pages and frames of one file apart -> (n, 2); -1 no second."""
    return np.stack([faces.page, np.nan_to_num(faces.time_s, nan=-1.0)], axis=1).astype(np.float32)


def match_people(
    a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find out who became whom, by majority of the faces that both results have.

    Args:
        a: (n,) person in the one result of each face that is in both; -1 none.
        b: (n,) person in the other.

    Returns:
        Three columns, a row for every two people that belong together: the one's number, the other's, and how many
        faces they share, which are more than half of the faces of one of them. A person of `a` in several rows was
        split, one of `b` in several rows was merged; in none: gone, or new. Exchanging `a` and `b` exchanges the
        columns.
    """
    width = int(b.max(initial=-1)) + 2
    key, count = np.unique((a + 1) * width + (b + 1), return_counts=True)  # faster than of pairs
    cells = np.stack([key // width - 1, key % width - 1], axis=1)
    n_a, n_b = (np.bincount(of[of >= 0], minlength=int(of.max(initial=-1)) + 1) for of in (a, b))
    both = (cells >= 0).all(axis=1)
    (p, q), count = cells[both].T, count[both].astype(np.int64)
    most = (2 * count > n_a[p]) | (2 * count > n_b[q])
    return p[most], q[most], count[most]
