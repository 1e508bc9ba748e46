"""Boxes of faces compared: which of two sets are of the same face, and which is the main one of its photo."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST

SAME_FACE_IOU = 0.5
"""Boxes of one photo that overlap at least as much are of the same face: the PASCAL VOC criterion (Everingham et al.,
The PASCAL Visual Object Classes challenge, 2010, section 4.2)."""

Main = Literal["largest", "central", "only", "all"]
"""Which face of a photo it is about."""

_LOST: dict[Main, int] = {"largest": LOST_LARGEST, "central": LOST_CENTRAL, "only": LOST}
"""What `table.Photos.lost` has in a photo that has no main face any more."""

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
    photo: NDArray[np.int64],
    box: NDArray[np.float64],
    which: Main,
    size: NDArray[np.int32] | None = None,
    lost: NDArray[np.uint8] | None = None,
) -> NDArray[np.bool_]:
    """Say which faces are the main ones of their photos.

    Args:
        photo: (n,) number of each face's photo.
        box: (n, 4) left, top, right, bottom in pixels of it.
        which: the largest; the one whose middle is nearest to the photo's ("central", distances along x and y
            added); the only one, none where there are several; or all. The first where two are equal.
        size: (n, 2) width and height of each face's photo, for "central".
        lost: (n,) `table.Photos.lost` of each face's photo: where its main face is gone, nobody takes its place. None:
            these are all faces of the photos.

    Returns:
        (n,)
    """
    if which == "all":
        return np.ones(len(photo), dtype=np.bool_)
    if lost is not None:
        main = main_faces(photo, box, which, size)
        main[main_is_lost(lost, which)] = False
        return main
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


def main_is_lost(lost: NDArray[np.uint8], which: Main) -> NDArray[np.bool_]:
    """Say of which photos the main face is not there any more, by their `table.Photos.lost`."""
    gone: NDArray[np.bool_] = (lost & _LOST.get(which, 0)) > 0
    return gone


def lose_faces(
    photo: NDArray[np.int64],
    box: NDArray[np.float64],
    gone: NDArray[np.bool_],
    size: NDArray[np.int32],
    lost: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Note which photos lose faces, and whether these are their main ones.

    Args:
        photo: (n,) number of each face's photo, of all faces that are there before.
        box: (n, 4) left, top, right, bottom in pixels of it.
        gone: (n,) which faces go.
        size: (m, 2) width and height of the photos.
        lost: (m,) `table.Photos.lost` before.

    Returns:
        (m,) the same afterwards.
    """
    after = lost.copy()
    after[photo[gone]] |= LOST
    for which in ("largest", "central"):
        after[photo[gone & main_faces(photo, box, which, size[photo])]] |= _LOST[which]
    return after


def _areas(box: NDArray[np.floating]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = np.prod(np.clip(box[:, 2:] - box[:, :2], 0, None), axis=1)
    return areas
