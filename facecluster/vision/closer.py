"""Look closer at what may be a large face: cut out, and turned upright.

A detector that has learnt mostly upright faces scores one that is tilted by 45 degrees like the pattern of a curtain,
and gives its eyes at a third of their tilt. Cut out and turned back, the face is as sure as any other, and the curtain
is not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops, mesh

Array = NDArray[np.float32]

TURNS_DEG = (0.0, -25.0, 25.0, -50.0, 50.0)
"""Turns of the crop against the line of the eyes that the first looks saw.

With (0, -30, 30) 22 of 28 doubtful faces, most of them tilted by 45 or 60 degrees, score `SURE_SCORE`, with
(0, -40, 40) 26, with these 28 (`benchmarks/subjects.py`, fit half).
"""

CROP_SIZE, CROP_PER_BOX = 128, 2.0
"""Side of the crop in pixels, and over the longer side of the box: the face is 64 pixels in it.

Of 42 doubtful faces of the fit half 38 score `SURE_SCORE` so; in 160 pixels 39, in half as much time again.
"""

SURE_SCORE, SURE_PRESENCE = 0.8, 0.65
"""Lowest score of a face in its crop, and lowest `presence` of the mesh fitted to it, which tells a hand from a face.

Of what is no face among the doubtful ones of the fit half the highest score is 0.81 and the highest presence 0.55; of
those that are faces 38 in 40 have 0.80 and 0.74 (photos as in `benchmarks/subjects.py`, crops of 160 pixels).
"""

_NEAR, _SMALLEST, _LARGEST = 0.35, 0.5, 1.6
"""What counts in a crop: how far its middle lies off, and its size, over the size of the face looked for."""


def look(
    pixels: crops.Pixels,
    box: Array,
    landmarks: Array,
    see: Callable[[crops.Pixels], tuple[Array, Array, Array]],
) -> tuple[Array, float, Array] | None:
    """Look for one face at a place of a picture, turned several ways.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (4,) left, top, right, bottom of the place in pixels.
        landmarks: (5, 2) as in `table.Faces`, whose eyes tell how the crop is turned first.
        see: the detector: pixels to (n, 4) boxes, (n,) scores and (n, 5, 2) landmarks.

    Returns:
        Box (4,), score and landmarks (5, 2) of the surest face there, None where there is none to be sure of. The box
        bounds the ellipse in the box of the upright face.
    """
    centre = (box[:2] + box[2:]) / 2
    side = CROP_PER_BOX * float((box[2:] - box[:2]).max())
    right_eye, left_eye = landmarks[:2]
    roll = float(np.rad2deg(np.arctan2(*(left_eye - right_eye)[::-1])))
    best = box, 0.0, landmarks
    for turn in TURNS_DEG:
        matrix = crops.square(centre, side, roll + turn, CROP_SIZE)
        boxes, scores, points = see(crops.cut(pixels, matrix, CROP_SIZE))
        scores = np.where(_in_the_middle(boxes), scores, 0)
        if scores.max(initial=0) > best[1]:
            row = int(scores.argmax())
            back = np.linalg.inv(matrix[:, :2])
            there = ((points[row] - matrix[:, 2]) @ back.T).astype(np.float32)
            best = _turned(boxes[row], matrix, back), float(scores[row]), there
    if best[1] < SURE_SCORE:
        return None
    fitted = mesh.fit_meshes(pixels, best[0][np.newaxis], best[2][np.newaxis])
    return best if fitted.presence[0] >= SURE_PRESENCE else None


def _in_the_middle(box: Array) -> NDArray[np.bool_]:
    """Say which boxes of a crop are about where and as large as the face looked for."""
    expected = CROP_SIZE / CROP_PER_BOX
    off = np.abs((box[:, :2] + box[:, 2:]) / 2 - CROP_SIZE / 2).max(axis=1)
    size = (box[:, 2:] - box[:, :2]).max(axis=1)
    result: NDArray[np.bool_] = (
        (off < _NEAR * expected) & (size > _SMALLEST * expected) & (size < _LARGEST * expected)
    )
    return result


def _turned(box: Array, matrix: NDArray[np.floating], back: NDArray[np.floating]) -> Array:
    """Bring a box of a crop back to the picture: the bounds of the ellipse in it."""
    centre = back @ ((box[:2] + box[2:]) / 2 - matrix[:, 2])
    half = np.hypot(*(back * ((box[2:] - box[:2]) / 2)).T)
    return np.concatenate([centre - half, centre + half]).astype(np.float32)
