"""Which faces are independent evidence: another face of the same photo, of a copy, a crop or a burst adds nothing.

Whether two photos are one shot is asked of the face, its place and the time. What the photos look like as a whole is
asked as well, but never decides: before a fixed camera all photos look alike, whoever is there, whenever.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.table import FaceTable

NEAR_DUPLICATE_BITS = 4
"""Photos whose perceptual hashes differ in no more bits may be copies of each other.

Of the 64,843 pairs of photos of one person in lfw_dev (three or more photos each) 3 are that near, and all are copies.
Half of the pairs of photos of one fixed camera are.
"""

SAME_PLACE_IOU = 0.75
"""Boxes of two copies, in parts of the sides of their photos, overlap at least as much: 99 % of those in copies of
other sizes and of more compression overlap by 0.78 or more (150 people of the fit half of `lfw_dev`,
`benchmarks/copies.py`)."""

SAME_COPY = 0.65
"""Two faces nearer than this part of the joining radius may be of one picture and a copy of it: 97 % to 100 % of faces
and of the same at two fifths of the size, in grey, or in a JPEG of quality 15 are (the same people). So are 14 % of one
person's faces in different photos: it counts only for `NEAR_DUPLICATE_BITS` and the `SAME_PLACE_IOU`."""

SAME_SCENE_BITS = 16
"""Photos whose hashes differ in no more bits may be of one scene: 97 % of two photos of one person differ in more."""

SAME_SHOT = 0.4
"""Two faces nearer than this part of the joining radius may be of one shot: so are 83 % to 97 % (sface) of faces
and of the same in a crop, smaller or more compressed, and 0.05 % of one person's faces in different photos (150 and
1,443 people of the fit half of `lfw_dev`). Not enough by itself: a studio makes faces as near."""

SAME_MOMENT = 0.57
"""The same for photos taken within `BURST_SECONDS`, of which the light and the face have hardly changed: 3 % of one
person's faces in different photos are as near."""

BURST_SECONDS = 2.0
"""Photos of a burst follow each other at least as fast; EXIF times are mostly whole seconds."""

ZONE_STEP, ZONES = 15 * 60.0, 26 * 3600.0
"""Seconds: the times of a photo and of a copy that lost its time zone differ in a multiple of a quarter of an hour, by
no more than the zones do from each other (UTC-12 to UTC+14)."""


@dataclass
class _Shot:
    """What counts once: the first of its photos, and the time that all of them take."""

    bits: int
    size: tuple[int, int]
    box: NDArray[np.float32]
    encoding: NDArray[np.float32]
    start: float
    end: float


def count_different(table: FaceTable, rows: NDArray[np.integer], wanted: int, radius: float) -> int:
    """Count the shots that show these faces of one person, and stop at `wanted`.

    Args:
        table: m photos with n faces.
        rows: (k,) faces, in any order.
        wanted: at least 1.
        radius: `Radii.join` of the encoder.

    Returns:
        0 to `wanted`, as `find_copies` says of them in the order of `by_content`.
    """
    copy = find_copies(table, rows[by_content(table, rows)], wanted, radius)
    return min(len(rows) - int(np.count_nonzero(copy)), wanted)


def by_content(table: FaceTable, rows: NDArray[np.integer]) -> NDArray[np.intp]:
    """Order faces by time, unknown last, so that what `find_copies` says does not depend on the order of the rows."""
    photos, photo = table.photos, table.faces.photo[rows]
    return np.lexsort(
        (
            table.faces.id[rows],
            photos.path[photo],
            photos.digest[photo],
            photos.hash[photo],
            photos.shot_times(photo),
        )
    )


def find_copies(table: FaceTable, rows: NDArray[np.integer], wanted: int, radius: float) -> NDArray[np.bool_]:
    """Say which faces are from the same shot as an earlier one of `rows`.

    That is: the same photo; the same bytes; or, by face, place and time, see `_is_same`:

    - a copy: photos that look the same (`NEAR_DUPLICATE_BITS`), with nearly the same face (`SAME_COPY`) in the same
      place (`SAME_PLACE_IOU`).
    - faces of the `SAME_SHOT` where the scene is the same and so is about the place; or where the photo is of another
      size, as a crop is.
    - a burst: faces of the `SAME_MOMENT` or of the same scene within `BURST_SECONDS` of the shot.

    Photos of one size that were taken at different times, both known, are never the same shot otherwise. The time of a
    camera whose clock stands still says that all it takes is one burst.

    Args:
        table: m photos with n faces.
        rows: (k,) faces of one person. Each that is of no shot counted before counts; when `wanted` count, none of the
            rest is called a copy. So it costs k * wanted comparisons at most.
        wanted: at least 1.
        radius: `Radii.join` of the encoder.
    """
    photos, photo = table.photos, table.faces.photo[rows]
    times = photos.shot_times(photo).tolist()
    copy = np.zeros(len(rows), dtype=np.bool_)
    different: list[_Shot] = []
    seen: set[str | int] = set()
    for i, row in enumerate(photo.tolist()):
        digest = str(photos.digest[row])
        width, height = photos.size[row].tolist()
        time = times[i]
        box, encoding = table.faces.box[rows[i]], table.faces.encoding[rows[i]]
        shot = _Shot(int(photos.hash[row]), (width, height), box, encoding, time, time)
        same = None
        copy[i] = row in seen or digest in seen
        if not copy[i]:
            same = next((other for other in different if _is_same(shot, other, radius)), None)
            copy[i] = same is not None
        if same is not None and abs(time - same.end) <= BURST_SECONDS:
            same.end = max(time, same.end)
        if not copy[i]:
            different.append(shot)
            if len(different) >= wanted:
                break
        seen.add(row)
        if digest:
            seen.add(digest)
    return copy


def _is_same(one: _Shot, other: _Shot, radius: float) -> bool:
    """Say whether a face is from a shot that was counted."""
    bits = (one.bits ^ other.bits).bit_count() if one.bits and other.bits else 64
    is_burst = other.start - BURST_SECONDS <= one.start <= other.end + BURST_SECONDS
    if not is_burst and bits > SAME_SCENE_BITS and one.size == other.size:
        return False
    apart = float(np.linalg.norm(one.encoding.astype(np.float64) - other.encoding)) / radius
    if is_burst:
        return apart <= SAME_MOMENT or bits <= SAME_SCENE_BITS
    if one.size != other.size and apart <= SAME_SHOT:
        return True
    if (
        bits > SAME_SCENE_BITS
        or apart > SAME_COPY
        or are_other_times(max(other.start - one.start, one.start - other.end))
    ):
        return False
    iou = _overlap(one, other)
    return (bits <= NEAR_DUPLICATE_BITS and iou >= SAME_PLACE_IOU) or (
        apart <= SAME_SHOT and iou >= SAME_FACE_IOU
    )


def _overlap(one: _Shot, other: _Shot) -> float:
    """Say how much two boxes overlap, in parts of the sides of their photos; 1 where a size is unknown."""
    if 0 in (*one.size, *other.size):
        return 1.0
    place, beside = (
        shot.box[np.newaxis] / np.array(shot.size * 2, dtype=np.float64) for shot in (one, other)
    )
    return float(overlaps(place, beside)[0])


def are_other_times(seconds: float) -> bool:
    """Say whether two times so far apart are surely of two shots; not if unknown (NaN), or if it may be the zone."""
    zones = round(seconds / ZONE_STEP) * ZONE_STEP if seconds <= ZONES else 0.0
    return seconds > BURST_SECONDS and not (zones and abs(seconds - zones) <= BURST_SECONDS)
