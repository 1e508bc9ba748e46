"""Faces of a video, sample after sample -> tracks: what is surely one person while it is seen without a break.

    faces of a sample -> those that look as a track did a moment ago, there  -> go on with it, and are not measured
                      -> the others are measured, and go on with the track that is nearest, where it is near
                      -> the others begin tracks; then nobody is waited for any more

So two tracks that are there at once were seen in one sample, and are two people. A cut ends all tracks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import FACE, in_order
from facecluster.identity.rules import Radii

Chips: TypeAlias = NDArray[np.float32]
"""(n, k) what n faces look like, as vectors of length 1 and mean 0; NaN where that is unknown."""

N_KEPT = 3
"""Faces of a track that are kept."""

OVERLAP = 0.3
"""Intersection over union from which a face is at the place of another, as `vision.detect` has it of one face."""

ALIKE = 0.9
"""Correlation of two chips from which a face at the same place is the same one, looking the same
(`benchmarks/video.py`)."""

_BETTER = 0.05
"""How much more the detector's score must be for a face that looks the same to be measured: it may be sharper."""

_POOR = 0.5
"""A face whose quality is under this share of the best of its track is let go first, however different it is."""

_PATIENCE = 1
"""Samples in which a track may be unseen."""


@dataclass(eq=False)
class _Track:
    """When and where it was seen, how it looked last, its best score, the faces that are kept, samples missed."""

    number: int
    from_s: float
    to_s: float
    box: NDArray[np.float32]
    chip: Chips
    score: float
    faces: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FACE))
    missed: int = 0

    def see(self, time_s: float, box: NDArray[np.float32], chip: Chips) -> None:
        self.to_s, self.box, self.chip, self.missed = time_s, box, chip, 0

    def keep(self, face: NDArray[np.void]) -> None:
        """Take a face of (1,) `FACE`, and let the worst go where these are too many."""
        self.faces = np.concatenate([self.faces, face])
        self.score = max(self.score, float(face["score"][0]))
        if len(self.faces) > N_KEPT:
            self.faces = np.delete(self.faces, _worst(self.faces))


def _worst(faces: NDArray[np.void]) -> int:
    """Say which face is let go: a poor one, else the worse of the two that are most alike."""
    quality = np.nan_to_num(faces["quality"])
    if quality.min() < _POOR * quality.max():
        return int(quality.argmin())
    apart = _squared_distances(faces["encoding"], faces["encoding"])
    np.fill_diagonal(apart, np.inf)
    pair = list(np.unravel_index(apart.argmin(), apart.shape))
    return int(pair[quality[pair].argmin()])


class Tracks:
    """The tracks of a video, as its samples come.

    What is kept grows with the number of tracks alone: three faces each.
    """

    def __init__(self, radii: Radii) -> None:
        """Take the radii of the encoder: `join` for a face at the place of a track, `eps` for one elsewhere."""
        self._near = radii.join, radii.eps
        self._live: list[_Track] = []
        self._ended: list[NDArray[np.void]] = []
        self._n = 0

    def cut(self) -> None:
        """End all tracks."""
        for track in self._live:
            self._end(track)
        self._live = []

    def stay(self, time_s: float) -> None:
        """Take a sample that is the same as the one before."""
        for track in self._live:
            if not track.missed:
                track.to_s = time_s

    def are_as_before(self, box: NDArray[np.float32]) -> bool:
        """Whether each track has a face at its place, and each face is at that of one: nobody came, and nobody went."""
        overlap = _overlaps(np.array([track.box for track in self._live], np.float32).reshape(-1, 4), box)
        at_place = overlap >= OVERLAP
        return len(at_place) == len(box) and bool(at_place.any(axis=0).all() and at_place.any(axis=1).all())

    def add(
        self,
        time_s: float,
        box: NDArray[np.float32],
        score: NDArray[np.float32],
        chips: Chips,
        measure: Callable[[NDArray[np.intp]], NDArray[np.void]],
    ) -> None:
        """Take the faces of the next sample.

        Args:
            time_s: of the sample.
            box: (n, 4) as in `table.Faces`.
            score: (n,) of the detector.
            chips: (n, k) what they look like.
            measure: gives the rows of `FACE` of some of these faces.
        """
        tracks = self._live
        overlap = _overlaps(np.array([track.box for track in tracks], np.float32).reshape(-1, 4), box)
        looks = np.array([track.chip for track in tracks], np.float32).reshape(-1, chips.shape[1])
        alike = np.nan_to_num(looks @ chips.T)
        surely = (overlap >= OVERLAP) & (alike >= ALIKE)
        track_of = np.full(len(box), -1, np.intp)
        for row, column in _pairs(-alike, surely):
            tracks[row].see(time_s, box[column], chips[column])
            track_of[column] = row
        best = np.array([tracks[row].score if row >= 0 else -np.inf for row in track_of])
        asked = np.flatnonzero(score > best + _BETTER)
        faces = measure(asked)
        faces["time_s"] = time_s
        new = np.flatnonzero(track_of[asked] < 0)
        others = np.setdiff1d(np.arange(len(tracks)), track_of)
        for row, column in self._link(others, faces[new], overlap[np.ix_(others, asked[new])]):
            track_of[asked[new[column]]] = others[row]
        for i, column in enumerate(asked.tolist()):
            if track_of[column] >= 0:
                track = tracks[track_of[column]]
            else:
                track = _Track(self._n, time_s, time_s, box[column], chips[column], -np.inf)
                self._n += 1
                self._live = [*self._live, track]
            track.see(time_s, box[column], chips[column])
            track.keep(faces[i : i + 1])
        began = len(self._live) > len(tracks)
        for track in tracks:
            track.missed += track.to_s < time_s
        gone = [track for track in tracks if track.missed > (0 if began else _PATIENCE)]
        for track in gone:
            self._end(track)
        self._live = [track for track in self._live if track not in gone]

    def _link(
        self, rows: NDArray[np.intp], faces: NDArray[np.void], overlap: NDArray[np.float32]
    ) -> list[tuple[int, int]]:
        """Say which of some tracks, by their rows, go on with which faces: the nearest first."""
        distance = np.empty((len(rows), len(faces)))
        for k, row in enumerate(rows.tolist()):
            distance[k] = _squared_distances(self._live[row].faces["encoding"], faces["encoding"]).mean(
                axis=0
            )
        join, eps = self._near
        return _pairs(distance, distance <= np.where(overlap >= OVERLAP, join**2, eps**2))

    def _end(self, track: _Track) -> None:
        track.faces["track"], track.faces["from_s"], track.faces["to_s"] = (
            track.number,
            track.from_s,
            track.to_s,
        )
        self._ended.append(track.faces)

    def faces(self) -> NDArray[np.void]:
        """End all tracks, and give the faces that are kept -> (n,) of `FACE`, as they stand in a table."""
        self.cut()
        faces = np.concatenate([np.empty(0, FACE), *self._ended])
        return faces[in_order(faces)]


def _pairs(cost: NDArray[np.floating], possible: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pair rows with columns, the cheapest pair first, each once."""
    pairs: list[tuple[int, int]] = []
    free = possible.copy()
    rows, columns = np.nonzero(possible)
    for k in np.argsort(cost[rows, columns], kind="stable"):
        row, column = int(rows[k]), int(columns[k])
        if free[row, column]:
            pairs.append((row, column))
            free[row, :] = free[:, column] = False
    return pairs


def _overlaps(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of (n, 4) boxes with (m, 4) others -> (n, m)."""
    low = np.maximum(one[:, np.newaxis, :2], other[:, :2])
    high = np.minimum(one[:, np.newaxis, 2:], other[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area, areas = (np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (one, other))
    union = area[:, np.newaxis] + areas - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)


def _squared_distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distances of (n, d) encodings to (m, d) others -> (n, m); infinite where one is unknown."""
    difference = one[:, np.newaxis].astype(np.float64) - other
    return np.asarray(np.nan_to_num((difference**2).sum(axis=2), nan=np.inf), np.float64)
