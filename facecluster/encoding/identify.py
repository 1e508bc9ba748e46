"""Which photo is it: photos of a run get the ids of the photos that an earlier table has, and so do their faces.

A picture that is known keeps its id, wherever it lies. A picture that is new at a path that is known is an edit of the
photo there, if the two show the same faces or look the same (`identity.edited`); the photo keeps its id then, and the
faces that are the same keep theirs, and their anchors. Any other picture is a new photo, whose id is the digest of its
pixels.

A photo of several pages of which an earlier table knew the first page alone is still that photo: the faces there keep
their ids, and those of the other pages get the next numbers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import Analysis, Row, ids_of, in_order, laid
from facecluster.identity.boxes import match_boxes
from facecluster.identity.edited import (
    EditedSide,
    is_edit,
    match_faces_of_edit,
    may_be_edit,
    turn_of,
)
from facecluster.identity.rules import DEFAULTS
from facecluster.table import LOST, OK, UNREADABLE, Settings, number_scenes


class Before:
    """The photos of an earlier table, to be found by path and by picture.

    Attributes:
        by_path: what is known of each photo.
        by_pixels: the same by the digest of its pixels, of the first one that can be read.
        by_id: the same by the photo's id.
        highest: highest number in the face ids of each photo; grows as faces get numbers.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.by_path: dict[str, Analysis] = {}
        self.by_pixels: dict[str, Analysis] = {}
        self.by_id: dict[str, Analysis] = {}
        self.highest: dict[str, int] = {}
        for row in rows:
            self.learn(row)

    def learn(self, row: Row) -> None:
        """Take note of a photo."""
        known = row.analysis
        self.by_path[row.path] = known
        for found, key in ((self.by_pixels, known.pixels), (self.by_id, known.digest)):
            if key and (key not in found or found[key].status == UNREADABLE):
                found[key] = known
        for face in ids_of(known):
            number = face.rpartition("-")[2]
            if number.isdecimal():
                self.highest[known.digest] = max(self.highest.get(known.digest, -1), int(number))


@dataclass(frozen=True)
class Identified:
    """Rows that know their photos.

    Attributes:
        rows: as given, each with a digest and face ids; those that cannot be read keep the photo that was there.
        edited: paths of photos that are edits of what was there.
    """

    rows: list[Row]
    edited: tuple[str, ...]


def identify(rows: Sequence[Row], before: Before, earlier: Settings | None, now: Settings) -> Identified:
    """Say which photo each row is, and name its faces.

    Args:
        rows: of this run; `Analysis.digest` is "" where the photo was looked at now.
        before: photos of the earlier table.
        earlier: what that was made with; None: there is none.
        now: what the rows were made with. Encodings are compared where both have one encoder.
    """
    by_path, highest = before.by_path, before.highest
    comparable = earlier is not None and earlier.encoder == now.encoder
    join = DEFAULTS[now.encoder].join if comparable and now.encoder in DEFAULTS else None
    checked = earlier is not None and earlier.options.get("check") is not None
    paths_of: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if not row.analysis.digest and row.analysis.status != UNREADABLE:
            paths_of[row.analysis.pixels].append(row.path)
    known: dict[str, Analysis] = {}
    edited: list[str] = []
    result = []
    for row in rows:
        new = row.analysis
        if new.status == UNREADABLE:
            was = by_path.get(row.path)
            result.append(row if was is None else row._replace(analysis=_held(new, was)))
            continue
        if new.digest:
            result.append(row)
            continue
        if new.pixels not in known:
            there = [path for path in paths_of[new.pixels] if path in by_path]
            if new.pixels in before.by_pixels:
                same = before.by_pixels[new.pixels]
                found = _named(new, same.digest, same, _same_boxes(same, new, "box"), highest)
            elif new.pixels in before.by_id:  # as it was before it was edited
                same = before.by_id[new.pixels]
                found = _named(new, same.digest, same, _same_boxes(same, new, "anchor"), highest)
            elif (one := _of_first_page(new, [by_path[path] for path in there])) is not None:
                found = _named(new, one.digest, one, _same_boxes(one, new, "box"), highest)
            else:
                found = _edit_or_new(new, [by_path[path] for path in there], highest, join)
                if found.digest != new.pixels:
                    edited += (path for path in there if by_path[path].digest == found.digest)
            # What a check left out is judged anew.
            known[new.pixels] = replace(found, lost=0) if checked else found
        result.append(row._replace(analysis=replace(known[new.pixels], when=new.when)))
    return Identified(result, tuple(edited))


def _of_first_page(new: Analysis, before: Iterable[Analysis]) -> Analysis | None:
    """Find what was known of the first page of a photo at its paths; None where that was another picture."""
    return next((was for was in before if new.first and was.pixels == new.first), None)


def _edit_or_new(
    new: Analysis,
    before: Iterable[Analysis],
    highest: dict[str, int],
    join: float | None,
) -> Analysis:
    """Say whether a picture is an edit of one of those that were at its paths, or a new one, as a video always is.

    Args:
        new: the picture.
        before: what was at its paths.
        highest: see `Before`.
        join: radius of the encoder; None: encodings cannot be compared.
    """
    for was in before:
        is_film = not (math.isnan(was.duration) and math.isnan(new.duration))
        if not was.digest or was.status == UNREADABLE or is_film:
            continue
        old, now = _side(was, join), _side(new, join)
        unseen = bool(was.lost & LOST) and may_be_edit(old, now, same_time=was.when.shot == new.when.shot)
        if unseen or is_edit(old, now, join=join or 1.0):
            row_of = _same_faces(was, new, join)
            k = turn_of(old, now) if join is not None and new.pages == was.pages == 1 else 0
            if k:
                new, row_of = _turned(was, new, row_of, k)
            return _named(new, was.digest, was, row_of, highest)
    return _named(new, new.pixels, None, np.full(len(new.faces), -1, dtype=np.intp), highest)


def _same_faces(was: Analysis, new: Analysis, join: float | None) -> NDArray[np.intp]:
    """Find, page by page, for each face of an edited photo which face it was before -> (n,) row in `was`, or -1."""
    row_of = np.full(len(new.faces), -1, dtype=np.intp)
    for page in np.unique(new.faces["page"]).tolist():
        before, here = (np.flatnonzero(of.faces["page"] == page) for of in (was, new))
        old, now = _side(was, join, before), _side(new, join, here)
        found = match_faces_of_edit(old, now, join=join or 1.0)
        row_of[here[found >= 0]] = before[found[found >= 0]]
    return row_of


def _named(
    new: Analysis,
    digest: str,
    was: Analysis | None,
    row_of: NDArray[np.intp],
    highest: dict[str, int],
) -> Analysis:
    """Name the faces of a photo: the ids and anchors of those that were there, else the next numbers.

    Args:
        new: what was found in the photo now.
        digest: of the photo.
        was: what was known of it; None: nothing.
        row_of: for each face, the row of the same face in `was`, or -1.
        highest: see `Before`.
    """
    faces, ids = new.faces.copy(), []
    old_ids = [] if was is None else ids_of(was)
    free = highest.get(digest, -1) + 1
    for i, row in enumerate(row_of.tolist()):
        if was is not None and row >= 0:
            ids.append(old_ids[row])
            faces["anchor"][i] = was.faces["anchor"][row]
        else:
            ids.append(f"{digest}-{free}")
            highest[digest] = free  # twins of a photo may be edited apart, and both have new faces
            free += 1
    lost = 0 if was is None else was.lost
    return replace(new, digest=digest, faces=faces, ids=np.array(ids, dtype=str), lost=lost)


def _turned(
    was: Analysis, new: Analysis, row_of: NDArray[np.intp], k: int
) -> tuple[Analysis, NDArray[np.intp]]:
    """Keep the faces of a photo that was turned, where they are no longer found or are found worse.

    A face that is not seen in the turned photo keeps what was measured on it.

    Args:
        was: before it was turned.
        new: what was found now.
        row_of: for each of these faces, the row of the same face in `was`, or -1.
        k: orientation, see `identity.edited.turn_of`.

    Returns:
        (new with these faces, `row_of` for them).
    """
    known = np.zeros(len(new.faces), dtype=bool)
    known[row_of >= 0] = new.faces["score"][row_of >= 0] <= was.faces["score"][row_of[row_of >= 0]]
    better = row_of[(row_of >= 0) & ~known]
    kept = np.setdiff1d(np.arange(len(was.faces)), better)
    old = laid(was.faces[kept], was.size, new.size, k)
    faces = np.concatenate([old, new.faces[~known]])
    rows = np.concatenate([kept, row_of[~known]]).astype(np.intp)
    order = in_order(faces)
    return replace(new, faces=faces[order], status=OK if len(faces) else new.status), rows[order]


def _same_boxes(was: Analysis, new: Analysis, column: Literal["box", "anchor"]) -> NDArray[np.intp]:
    """Find the faces of one picture again that another detector, or another run, found.

    Args:
        was: what is known of the photo.
        new: what was found now.
        column: "box" if the picture is as in `was`, "anchor" if it is as it was first.

    Returns:
        (n,) row in `was`, or -1.
    """
    found = np.full(len(new.faces), -1, dtype=np.intp)
    page, time_s = (np.concatenate([was.faces[name], new.faces[name]]) for name in ("page", "time_s"))
    photo_a, photo_b = np.split(number_scenes(np.zeros_like(page), page, time_s), [len(was.faces)])
    rows, places = match_boxes(
        photo_a, was.faces[column].astype(np.float64), photo_b, new.faces["box"].astype(np.float64)
    )
    found[places] = rows
    return found


def _held(new: Analysis, was: Analysis) -> Analysis:
    """An unreadable photo is still the photo that was there."""
    return replace(new, digest=was.digest, pixels=was.pixels, hash=was.hash, lost=was.lost)


def _side(analysis: Analysis, join: float | None, rows: NDArray[np.intp] | slice = slice(None)) -> EditedSide:
    """What tells an edit: boxes, encodings where they can be compared, size, and what the picture looks like."""
    faces = analysis.faces[rows]
    return EditedSide(
        size=analysis.size,
        box=faces["box"].astype(np.float64),
        encoding=None if join is None else faces["encoding"],
        hashes=analysis.looks or (analysis.hash,),
    )
