"""A video -> what is known of it: the faces of its tracks.

frames, so many a second -> the same as before: nobody is looked for
                         -> faces, which come to tracks (`tracks.py`)
                         -> at a cut, those between this frame and the one before that show another shot are looked at
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import Analysis
from facecluster.encoding.dated import When
from facecluster.encoding.measure import measured
from facecluster.encoding.tracks import Chips, Tracks
from facecluster.identity.rules import DEFAULTS
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.find import OnePath
from facecluster.photos.video import Frame, Video
from facecluster.table import NO_FACE, OK

if TYPE_CHECKING:  # OpenCV and the networks are loaded by who reads pixels only
    from facecluster.vision.detect import Detections

SIDES = (640, 256)
"""Long sides of yunet's looks at a frame; the second where the first shows nobody. One look takes a third of the time
of those at a photo, at a recall of 0.925 in place of 0.931 (`detect.YUNET_SIDES`)."""

_SMALL = (64, 36)
"""Width, height of the copies by which frames are compared."""

SAME = 2.0
"""Largest difference of two frames, in grey levels of these copies, that counts as none: what coding changes."""

CUT = 0.5
"""Correlation of these copies under which there is a cut between two frames."""

BETWEEN = True
"""Whether more frames are looked at where there is a cut, see `video.Frame.between`: whom a short shot shows is there
alone. Wherever faces come or go it was tried too, and took up to three times as long: who comes without a cut is there
in the next sample."""

_CHIP = 32
"""Side of the chips by which a face is compared with itself a moment ago."""


def analyse_film(
    path: OnePath,
    options: EncodeOptions,
    coded: str,
    when: When,
    *,
    alive: Callable[[], object] = lambda: None,
) -> Analysis:
    """Find the faces of a video, and follow them: of each track the three best and most different are kept.

    Args:
        path: of the video.
        options: what to look for, and how; `fps` is how many frames a second are looked at.
        coded: `video.coded_digest` of it, which stands for the pixels, too.
        when: it was taken.
        alive: called after each frame that was looked at.

    Raises:
        PhotoError: no frame of it can be decoded.
    """
    film = Video(path)
    tracks = Tracks(DEFAULTS[options.encoder])
    looks: tuple[int, ...] = ()
    before: NDArray[np.float32] | None = None
    for frame in film.frames(options.fps):
        looks = looks or picture.hashes(frame.picture.pixels)
        small = _small(frame)
        if before is not None and float(np.abs(small - before).max()) <= SAME:
            tracks.stay(frame.time_s)
        else:
            is_cut = before is not None and _correlation(small, before) < CUT
            if BETWEEN and is_cut and before is not None:
                for middle in frame.between():
                    small_middle = _small(middle)
                    if max(_correlation(small_middle, other) for other in (before, small)) < CUT:
                        _add(tracks, _Seen(middle, options), is_cut=True)
                        before = small_middle
            _add(tracks, _Seen(frame, options), is_cut=is_cut)
            before = small
        alive()
    faces = tracks.faces()
    status = OK if len(faces) else NO_FACE
    told = f"the file is cut off: only its first {film.end_s:.1f} s are there" if film.is_cut_off else ""
    return Analysis(
        "",
        coded,
        film.size,
        status,
        told,
        when,
        looks[0] if looks else 0,
        faces,
        looks=looks,
        duration=film.end_s,
    )


class _Seen:
    """The faces of a frame; they are measured as far as that is asked for."""

    def __init__(self, frame: Frame, options: EncodeOptions) -> None:
        from facecluster.vision import detect

        self.time_s, self._picture, self._options = frame.time_s, frame.picture, options
        pixels = frame.picture.pixels
        if options.detector == "yunet" and options.max_side is None:
            self._found = _glance(pixels, options.min_face * frame.picture.scale)
        else:
            self._found = detect.find_faces(
                pixels,
                detector=options.detector,
                min_face_px=options.min_face * frame.picture.scale,
                max_side_px=options.max_side,
                upsample=options.upsample,
            )
        self.box, self.score = self._found.box / frame.picture.scale, self._found.score

    def chips(self) -> Chips:
        """See `tracks.Chips`: small grey pictures, upright by the landmarks."""
        from facecluster.vision import crops
        from facecluster.vision.encode import SFACE_POINTS, SFACE_SIZE

        chips = np.full((len(self._found), _CHIP * _CHIP), np.nan, np.float32)
        for chip, points in zip(chips, self._found.landmarks, strict=True):
            if not np.isnan(points).any():
                matrix = crops.similarity(points.astype(np.float64), SFACE_POINTS * (_CHIP / SFACE_SIZE))
                grey = crops.cut(self._picture.pixels, matrix, _CHIP).mean(axis=2).ravel()
                chip[:] = _unit(grey)
        return chips

    def measure(self, rows: NDArray[np.intp]) -> NDArray[np.void]:
        """Measure and encode some."""
        from facecluster.vision.mesh import fit_meshes
        from facecluster.vision.turned import Upright

        pixels, found = self._picture.pixels, self._found.rows(rows)
        upright = Upright(0, pixels, found, fit_meshes(pixels, found.box, found.landmarks))
        return measured(upright, self._picture, self._options)


def _glance(pixels: NDArray[np.uint8], min_face_px: float) -> Detections:
    """Look once for faces; where there is none, once more for one that fills the frame."""
    from facecluster.vision import detect

    for side in SIDES:
        reduced, factor = detect.reduce_to(pixels, side)
        seen = detect.glance(reduced)
        box = seen.box / np.tile(factor, 2)
        large = np.flatnonzero((box[:, 2:] - box[:, :2]).max(axis=1, initial=0) >= min_face_px)
        if len(large):
            landmarks = np.asarray(seen.landmarks / factor, np.float32)
            return detect.Detections(np.asarray(box, np.float32), seen.score, landmarks).rows(large)
    return seen.rows(large)


def _add(tracks: Tracks, seen: _Seen, *, is_cut: bool) -> None:
    if is_cut:
        tracks.cut()
    tracks.add(seen.time_s, seen.box, seen.score, seen.chips(), seen.measure)


def _small(frame: Frame) -> NDArray[np.float32]:
    """Give a small grey copy of a frame: of each third row, which is enough and takes a fifth of the time."""
    import cv2

    pixels = frame.picture.pixels
    some = pixels[::3] if len(pixels) >= 6 * _SMALL[1] else pixels
    reduced = np.asarray(cv2.resize(some, _SMALL, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(reduced.mean(axis=2), np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(_unit(one.ravel()) @ _unit(other.ravel()))


def _unit(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Give values of mean 0 and length 1."""
    centred = values - values.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)
