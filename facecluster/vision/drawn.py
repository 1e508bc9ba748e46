"""Find the face at a place that a person points at: cut out, enlarged, and turned several ways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops, detect, turned

Array = NDArray[np.float32]

CROP_SIZE, CROP_PER_BOX = 192, 2.0
"""Side of the crop in pixels, and over the longer side of the box: the face is 96 pixels in it."""

TURNS_DEG = (0.0, -40.0, 40.0, 90.0, -90.0, 180.0)
"""Turns of the crop, tried until something is surely a face."""

SURE_SCORE = {"yunet": 0.8, "cnn": 0.5, "hog": 0.5}
"""Score from which no other turn is tried."""

LEAST_IOU = 0.5
"""Least overlap of a face with the box that was drawn round it; else the box is the face. With each edge off by up to
15 % a box overlaps its face by 0.6; at 0.3 the face beside was taken, see `benchmarks/drawn.py`."""


OTHER_IOU = 0.5
"""Overlap from which on a face is one that is known: `identity.boxes.SAME_FACE_IOU`."""


def find_at(pixels: crops.Pixels, box: Array, others: Array, *, detector: str) -> detect.Detections:
    """Find the faces that boxes were drawn round.

    That there is one in each is known, so that all that is a little like a face counts.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: (n, 4) left, top, right, bottom in pixels.
        others: (m, 4) faces that are not meant, as they are known.
        detector: one of `detect.DETECTORS`.

    Returns:
        n rows: the face that overlaps most with each box; the box itself, with a score and landmarks of NaN, where none
        does. A box of a turned crop bounds the ellipse in the box of the upright face.
    """
    found = [_find_one(pixels, one, others, detector) for one in box]
    columns = ([getattr(one, name) for one in found] for name in detect.Detections.__annotations__)
    return detect.Detections(*(np.concatenate(column) for column in columns))


def _find_one(pixels: crops.Pixels, box: Array, others: Array, detector: str) -> detect.Detections:
    """Find the face that one box (4,) was drawn round."""
    centre = (box[:2] + box[2:]) / 2
    side = CROP_PER_BOX * float((box[2:] - box[:2]).max())
    lies = _lies(pixels, centre, side) if detector == "yunet" else 0.0
    best, best_worth = None, 0.0
    for turn in TURNS_DEG:
        matrix = crops.square(centre, side, lies + turn, CROP_SIZE)
        crop = crops.cut(pixels, matrix, CROP_SIZE)
        for seen in detect.find_and_guess(
            crop, detector=detector, min_face_px=0, max_side_px=None, upsample=0
        ):
            for row in range(len(seen)):
                there = _back(seen.rows(np.array([row])), matrix)
                iou = float(detect.overlap(box, there.box)[0])
                worth = iou * _clear(float(seen.score[row]), detector)
                is_other = detect.overlap(there.box[0], others).max(initial=0) >= OTHER_IOU
                if iou >= LEAST_IOU and worth > best_worth and not is_other:
                    best, best_worth = there, worth
        if best is not None and best.score[0] >= SURE_SCORE[detector]:
            break
    if best is not None:
        return best
    unknown = np.full((1, 5, 2), np.nan, np.float32)
    return detect.Detections(box[np.newaxis].astype(np.float32), np.full(1, np.nan, np.float32), unknown)


def _lies(pixels: crops.Pixels, centre: NDArray[np.floating], side: float) -> float:
    """Say by how many degrees clockwise a face surely lies turned: whole quarters.

    On one that lies yunet may see another that stands, whose landmarks are wrong.
    """
    crop = crops.cut(pixels, crops.square(centre, side, 0.0, CROP_SIZE), CROP_SIZE)
    scores = turned.scores_in_turns(crop)
    best = int(scores.argmax())
    is_sure = scores[best] >= max(turned.TURNED_SCORE, scores[0] + turned.AHEAD)
    return 90.0 * best if is_sure else 0.0


def _clear(score: float, detector: str) -> float:
    """Say how much a score says for a face, 0..1."""
    return min(score / SURE_SCORE[detector], 1.0)


def _back(face: detect.Detections, matrix: NDArray[np.float64]) -> detect.Detections:
    """Bring a face of a crop back to the picture."""
    back = np.linalg.inv(matrix[:, :2])
    centre = back @ ((face.box[0, :2] + face.box[0, 2:]) / 2 - matrix[:, 2])
    half = np.hypot(*(back * ((face.box[0, 2:] - face.box[0, :2]) / 2)).T)
    box = np.concatenate([centre - half, centre + half])[np.newaxis].astype(np.float32)
    landmarks = ((face.landmarks - matrix[:, 2]) @ back.T).astype(np.float32)
    return detect.Detections(box, face.score, landmarks)
