"""Find faces in photos that lie on their side or stand on their head, as files without an EXIF tag may.

A photo is looked at as it is first. Where that shows no face that surely stands upright, what yunet takes for a little
like a face is cut out and looked at in all four turns, and so is a small copy of the photo. Where something is surely a
face in another turn, and nothing is one upright, the photo is turned as a whole, and looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops, detect
from facecluster.vision.crops import Pixels
from facecluster.vision.detect import Detections
from facecluster.vision.mesh import SURE_PRESENCE, Meshes, fit_meshes
from facecluster.vision.pose import head_pose

STANDING_PRESENCE, STANDING_DEG = 0.9, 60.0
"""A face surely stands upright whose mesh is at least so sure of it (`mesh.Meshes`), and tilted by no more.

On the fit halves of `lfw_dev`, `genki4k_odd` and `wider_dev` 99, 96 and 66 % of the photos have such a face, and are
not looked at again; of the same photos turned, in which yunet sees half of the faces as if they stood, 0, 0 and 1 %.
yunet's score does not tell: faces on their heads reach 0.92. The constants here were chosen on these halves, see
`benchmarks/turned.py`.
"""

N_GUESSES = 3
"""Guesses that are looked at, best first."""

GUESS_PX = 128
"""Side of the picture of a guess: 96 puts 2 % fewer of the turned photos of `wider_dev` right, 160 some 1 % more."""

GUESS_PER_BOX = 2.5
"""Side of what is cut out over the longer side of the box; 2 and 3 do as well."""

WHOLE_SHARE, WHOLE_PX = 0.25, (96, 256)
"""Long side of the small copy of the photo over the photo's, and its bounds. With it all of 300 turned photos of
`lfw_dev` are put right, without 93 %; of those of `wider_dev` 72 %, at 128 pixels 66 %, without 64 %."""

TURNED_SCORE = 0.85
"""Lowest score of a face that turns the photo. At 0.80 one more upright photo of `wider_dev` and one of 53 photos of
animals and things are turned, for 3 % more of the turned ones."""

UPRIGHT_SCORE = 0.75
"""Lowest score of a face that keeps the photo as it is."""

BEHIND = 0.05
"""An upright face that scores so much less than the best that lies still keeps the photo as it is."""

AHEAD = 0.02
"""How much more a face must score turned than upright. Upright faces of `lfw_dev` have at least 0.037 more upright than
in any turn, and those on their heads 0.039 more there than upright."""

_NEAR_MIDDLE = 0.3
"""How far the middle of a face may be from that of its guess, over the side of what is cut out."""

_SMALL_PX = 480
"""Long side of the photos in which dlib's detectors, which guess nothing, look for turned faces: a face must have 80
pixels there. Three such looks take a fifth of the time of the look at a photo of 900 pixels that is doubled."""

_WINDOW_PX = 80
"""Side of the smallest face that dlib's detectors see in a picture that is not doubled."""


@dataclass(frozen=True, eq=False)
class Upright:
    """A picture turned so that its people stand upright.

    Attributes:
        turns: quarter turns counterclockwise that make it so (`numpy.rot90(pixels, turns)`), 0 to 3: by so many
            clockwise the picture lies turned. 0 where nobody is seen.
        pixels: (h, w, 3) uint8, turned; where `turns` is 0 the array that was given.
        found: the faces, in pixels of the turned picture.
        meshes: of these, in the same pixels.
    """

    turns: int
    pixels: Pixels
    found: Detections
    meshes: Meshes


def find_upright(
    pixels: Pixels, *, detector: str, min_face_px: float, max_side_px: int | None, upsample: int
) -> Upright:
    """Turn a picture upright by what faces it shows, find them, and fit their meshes.

    It stays as it is where one face surely stands upright, whoever lies beside it, and where the turned picture shows
    yunet no face that is surer than all in it as it is, or dlib's detectors fewer.

    Arguments as in `detect.find_faces`.

    Raises:
        ValueError: unknown detector.
    """

    def look(picture: Pixels) -> tuple[Detections, Detections]:
        return detect.find_and_guess(
            picture, detector=detector, min_face_px=min_face_px, max_side_px=max_side_px, upsample=upsample
        )

    found, guesses = look(pixels)
    as_it_is = Upright(0, pixels, found, fit_meshes(pixels, found.box, found.landmarks))
    if stand(as_it_is.meshes).any():
        return as_it_is
    by_score = detector == "yunet"
    if by_score:
        turns = turns_of(pixels, guesses)
    else:
        turns = _turns_of_heads(pixels, found) if len(found) else _turns_in_small(pixels, detector)
    if turns:
        upright = turned(pixels, turns)
        again, _ = look(upright)
        surer = again.score.max(initial=0) > found.score.max(initial=0)
        if len(again) and (surer if by_score else len(again) >= len(found)):
            return Upright(turns, upright, again, fit_meshes(upright, again.box, again.landmarks))
    return as_it_is


def stand(meshes: Meshes) -> NDArray[np.bool_]:
    """Say which faces surely stand upright, or tilted a little -> (n,)."""
    roll = head_pose(meshes.points)[:, 2]
    standing: NDArray[np.bool_] = (meshes.presence >= STANDING_PRESENCE) & (np.abs(roll) <= STANDING_DEG)
    return standing


def turns_of(pixels: Pixels, guesses: Detections) -> int:
    """Say by how many quarter turns counterclockwise the faces in a picture come to stand upright.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        guesses: what may be faces in it, the likeliest first; `N_GUESSES` are looked at, then a small copy of it all.

    Returns:
        0 to 3: the turn in which something is most surely a face; 0 where nothing is, or one upright nearly as surely.
    """
    height, width = pixels.shape[:2]
    least, most = WHOLE_PX
    whole = np.array([width / 2, height / 2])
    whole_px = int(np.clip(WHOLE_SHARE * max(height, width), least, most)) // 16 * 16  # what yunet pads it to
    parts = [
        ((box[:2] + box[2:]) / 2, GUESS_PER_BOX * float((box[2:] - box[:2]).max()), GUESS_PX, _NEAR_MIDDLE)
        for box in guesses.box[:N_GUESSES]
    ]
    votes = np.zeros(4)
    for middle, side, size, near in (*parts, (whole, float(max(height, width)), whole_px, 0.5)):
        crop = crops.cut(pixels, crops.square(middle, side, 0.0, size), size)
        scores = scores_in_turns(crop, near)
        best = int(scores.argmax())
        needed = max(TURNED_SCORE, scores[0] + AHEAD) if best else UPRIGHT_SCORE
        if scores[best] >= needed:
            votes[best] = max(votes[best], scores[best])
        if best == 0 and scores[0] >= TURNED_SCORE:
            break
    turns = int(votes.argmax())
    return 0 if votes[0] >= votes[turns] - BEHIND else turns


def scores_in_turns(crop: Pixels, near: float = 0.5) -> NDArray[np.float64]:
    """Say how much like a face something is as it lies, and turned counterclockwise by 90, 180 and 270 degrees.

    Args:
        crop: (s, s, 3) uint8 RGB.
        near: how far a face's middle may be from that of the picture both ways, over its side.

    Returns:
        (4,) yunet's best score, 0 where there is no face.
    """
    side = len(crop)
    turns = [np.rot90(crop, k) for k in range(4)]
    four = np.vstack([np.hstack(turns[:2]), np.hstack(turns[2:])])  # one picture takes half the time of four
    seen = detect.glance(four)
    middle = (seen.box[:, :2] + seen.box[:, 2:]) / (2 * side)
    scores = np.zeros(4)
    for k in range(4):
        off = np.abs(middle - (k % 2 + 0.5, k // 2 + 0.5)).max(axis=1, initial=0)
        scores[k] = seen.score[off < near].max(initial=0)
    return scores


def _turns_of_heads(pixels: Pixels, found: Detections) -> int:
    """Say by how many quarters the best faces come to stand upright, 0 if one does: `cnn` sees those that lie, too."""
    votes = np.zeros(4, int)
    for box in found.box[:N_GUESSES]:
        turns = _turns_of_head(pixels, box)
        if turns == 0:
            return 0
        if turns is not None:
            votes[turns] += 1
    return int(votes.argmax())


def _turns_of_head(pixels: Pixels, box: NDArray[np.float32]) -> int | None:
    """Fit a mesh to a face, starting from all four turns; None where there is none."""
    fits = []
    for k in range(
        4
    ):  # the first is a fit of `find_upright` again, which costs little beside dlib's detectors
        landmarks = np.full((1, 5, 2), np.nan, np.float32)
        landmarks[0, :2] = (0, 0), np.round((np.cos(k * np.pi / 2), np.sin(k * np.pi / 2)))
        fits.append(fit_meshes(pixels, box[np.newaxis], landmarks))
        if fits[0].presence[0] >= SURE_PRESENCE:
            break
    best = max(fits, key=lambda fitted: float(fitted.presence[0]))
    roll = float(head_pose(best.points)[0, 2])
    return None if np.isnan(roll) else round(roll / 90) % 4


def _turns_in_small(pixels: Pixels, detector: str) -> int:
    """Look with a detector of dlib at a small copy of a picture, turned three ways, and at how the faces lie there."""
    small, _ = detect.reduce_to(pixels, _SMALL_PX)
    best, turns = 0.0, 0
    if min(small.shape[:2]) < _WINDOW_PX:
        return 0
    for k in (1, 2, 3):
        picture = turned(small, k)
        seen = detect.find_faces(picture, detector=detector, min_face_px=0, upsample=0)
        if seen.score.sum() > best:
            best, turns = seen.score.sum(), k + _turns_of_heads(picture, seen)
    return turns % 4


def turned(pixels: Pixels, turns: int) -> Pixels:
    """Copy a picture, turned by so many quarters counterclockwise, 1 to 3; 4 times as fast as from `numpy.rot90`."""
    import cv2  # loaded by who reads pixels only

    codes = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
    return np.asarray(cv2.rotate(pixels, codes[turns - 1]), np.uint8)
