"""Boxes of faces compared: which of two sets are of the same face, and which is the main one of its photo."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAME_FACE_IOU = 0.5
"""Boxes of one photo that overlap at least as much are of the same face: the PASCAL VOC criterion (Everingham et al.,
The PASCAL Visual Object Classes challenge, 2010, section 4.2)."""

Main = Literal["largest", "central", "only", "all"]
"""Which face of a photo it is about."""

_BLOCK = 2**20
"""Pairs of boxes that are compared at a time."""


def overlaps(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 4), (n, 4) left, top, right, bottom -> (n,) intersection over union, row by row; 0 where there is no area."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = _areas(a) + _areas(b) - shared
    share: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(a)), where=union > 0)
    return share


def match_boxes(
    photo_a: NDArray[np.int64],
    box_a: NDArray[np.float64],
    photo_b: NDArray[np.int64],
    box_b: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the pairs of boxes that are of the same face, those that overlap most first, each in one pair at most.

    Args:
        photo_a: (n,) number of the photo of each box.
        box_a: (n, 4) left, top, right, bottom in pixels.
        photo_b: (m,) the same photos have the same numbers.
        box_b: (m, 4).

    Returns:
        Rows of the one and of the other, of boxes in the same photo that overlap by `SAME_FACE_IOU` or more; in
        the order of the first. Memory is a few numbers a box, beside blocks of bounded size.
    """
    order = np.argsort(photo_b, kind="stable")
    start = np.searchsorted(photo_b[order], photo_a, "left")
    number = np.searchsorted(photo_b[order], photo_a, "right") - start
    pairs: list[tuple[float, int, int]] = []
    blocks = np.flatnonzero(np.diff(np.cumsum(number) // _BLOCK)) + 1
    for rows in np.split(np.arange(len(photo_a)), blocks):
        one = np.repeat(rows, number[rows])
        step = np.arange(len(one)) - np.repeat(np.cumsum(number[rows]) - number[rows], number[rows])
        other = order[start[one] + step]
        iou = overlaps(box_a[one], box_b[other])
        same = iou >= SAME_FACE_IOU
        pairs += zip((-iou[same]).tolist(), one[same].tolist(), other[same].tolist(), strict=True)
    partner: dict[int, int] = {}
    taken = set[int]()
    for _, i, j in sorted(pairs):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    rows_a = sorted(partner)
    return np.array(rows_a, dtype=np.intp), np.array([partner[i] for i in rows_a], dtype=np.intp)


def main_faces(
    photo: NDArray[np.int64], box: NDArray[np.float64], which: Main, size: NDArray[np.int32] | None = None
) -> NDArray[np.bool_]:
    """Say which faces are the main ones of their photos.

    Args:
        photo: (n,) number of each face's photo.
        box: (n, 4) left, top, right, bottom in pixels of it.
        which: the largest; the one whose middle is nearest to the photo's ("central", distances along x and y
            added); the only one, none where there are several; or all. The first where two are equal.
        size: (n, 2) width and height of each face's photo, for "central".

    Returns:
        (n,)
    """
    if which == "all":
        return np.ones(len(photo), dtype=np.bool_)
    first, number = np.unique(photo, return_index=True, return_counts=True)[1:]
    main = np.zeros(len(photo), dtype=np.bool_)
    if which == "only":
        main[first[number == 1]] = True
        return main
    if which == "largest":
        rank = -_areas(box)
    elif size is None:
        raise ValueError("expected the sizes of the photos")
    else:
        rank = np.abs((box[:, :2] + box[:, 2:]) / 2 - size / 2).sum(axis=1)
    order = np.lexsort((rank, photo))
    main[order[np.diff(photo[order], prepend=-1) > 0]] = True
    return main


def _areas(box: NDArray[np.floating]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = np.prod(np.clip(box[:, 2:] - box[:, :2], 0, None), axis=1)
    return areas
