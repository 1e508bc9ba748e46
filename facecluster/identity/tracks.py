"""Tracks of videos: one of the faces of a track stands for all of them, so that they go to one person or to nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.gate import Reason
from facecluster.table import Faces


def leaders(faces: Faces, gate: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Choose the face that stands for each track: one that passes the gate, of these the one of the best quality.

    Args:
        faces: n faces.
        gate: (n,) `Reason`, see `gate.judge`.

    Returns:
        (n,) row of the face that stands for the track of each; of a face of a photo its own.
    """
    lead = np.arange(len(faces))
    rows = np.flatnonzero(faces.track >= 0)
    quality = np.nan_to_num(faces.quality[rows], nan=-1.0)
    rank = np.select([gate[rows] == Reason.PASSED, gate[rows] != Reason.NO_ENCODING], [0, 1], 2)
    photo, track = faces.photo[rows], faces.track[rows]
    order = np.lexsort((faces.time_s[rows], -quality, rank, track, photo))
    rows = rows[order]
    begins = np.diff(photo[order], prepend=-1) | np.diff(track[order], prepend=-1)
    first = np.flatnonzero(begins)
    lead[rows] = np.repeat(rows[first], np.diff(first, append=len(rows)))
    return lead


def at_once(faces: Faces, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Say which of (j,) and (k,) faces of one photo are seen at once -> (j, k): on one page, or while a video runs.

    Two tracks of a video are there at once where the times overlap from the first to the last moment of each.
    """
    page = faces.page[one][:, None] == faces.page[other]
    no_video = (faces.track[one][:, None] < 0) | (faces.track[other] < 0)
    meet = (faces.from_s[one][:, None] <= faces.to_s[other]) & (
        faces.from_s[other] <= faces.to_s[one][:, None]
    )
    together: NDArray[np.bool_] = page & (no_video | meet)
    return together
