"""A face that somebody drew a box round: in which photo, whether it may be one, and what it makes of the people.

`correct.draw` writes it down; `encoding.drawn` has it last.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import ids_of, rows_of
from facecluster.encoding.drawn import Drawn, Look, Seen, look_at, settled
from facecluster.encoding.forgotten import without_places
from facecluster.errors import FaceclusterError, UsageError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.decisions import Decision, Draw, Spot, in_force, locate
from facecluster.identity.gate import Reason, judge
from facecluster.library import amend
from facecluster.library.amend import Correction
from facecluster.library.held import Held
from facecluster.library.refer import Spelling, called, faces_of, find_photos, whose
from facecluster.library.settings import encoding_of
from facecluster.options import EncodeOptions
from facecluster.result import Box, Pose, UnclusteredFace, columns, plain
from facecluster.table import UNREADABLE, FaceTable
from facecluster.text import printable, typed

SMALLEST_PX = 8
"""Sides of the smallest box in which a face is looked for, in pixels of the photo."""

KNOWN_IOU = 0.4
"""Overlap from which on a box was drawn round a face that is known: hands are sloppy (`benchmarks/drawn.py`)."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where somebody drew a box.

    Attributes:
        row: of the photo in the face table.
        path, name: of it, and how it is called.
        box: within the photo.
    """

    row: int
    path: str
    name: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Found:
    """Faces that were drawn.

    Attributes:
        acts: what is to be decided, of each.
        table: with the faces.
        correction: the people with the faces, as ones of nobody.
        is_face: of each, whether the detector or the mesh sees a face there.
    """

    acts: tuple[Draw, ...]
    table: FaceTable
    correction: Correction
    is_face: tuple[bool, ...]


def place_of(library: Held, photo: str, box: Sequence[float]) -> Place:
    """Say which photo is meant, and which part of it.

    Args:
        library: its photos are meant.
        photo: as `refer` understands it; or the id of a photo.
        box: left, top, right, bottom in pixels of the upright photo.

    Raises:
        TableError: the library has no face table.
        UsageError: it is no box, or too small, or not within the photo.
        FaceclusterError: there is no such photo, or it cannot be read.
    """
    photos = library.table.photos
    digest_of_path = dict(zip(photos.path.tolist(), photos.digest.tolist(), strict=True))
    paths = photos.path[photos.digest == photo].tolist() if photo else []
    paths = paths or find_photos(library.people, photo, library.look, digest_of_path)
    rows = np.flatnonzero(np.isin(photos.path, paths)).tolist()
    if not rows:
        raise FaceclusterError(
            f"{printable(photo)}: no such photo in the library; to add it: "
            f"facecluster run PHOTOS -o {typed(library.directory)}"
        )
    return place_at(library, next((row for row in rows if photos.status[row] != UNREADABLE), rows[0]), box)


def place_at(library: Held, row: int, box: Sequence[float]) -> Place:
    """Say which part is meant of the photo of a row of the face table; see `place_of`."""
    photos = library.table.photos
    path = str(photos.path[row])
    if photos.status[row] == UNREADABLE:
        raise FaceclusterError(f"{printable(path)}: cannot be read: {photos.reason[row]}")
    if photos.is_video[row]:
        raise UsageError(f"{printable(path)}: a video; a face can be drawn in a photo")
    width, height = photos.size[row].tolist()
    return Place(row, path, printable(os.path.basename(path)), _within(box, width, height, path))


def _within(box: Sequence[float], width: int, height: int, path: str) -> tuple[float, float, float, float]:
    """Clip a box to a photo."""
    try:
        box = [*map(float, box)]
    except OverflowError:  # a whole number may be as large as it likes
        raise UsageError("no box: a number of it is too large") from None
    told = ",".join(f"{edge:g}" for edge in box)
    if len(box) != 4 or not all(map(math.isfinite, box)) or box[0] >= box[2] or box[1] >= box[3]:
        raise UsageError(f"{told}: no box; give left,top,right,bottom in pixels of the upright photo")
    left, top, right, bottom = (
        min(max(edge, 0.0), float(end)) for edge, end in zip(box, (width, height, width, height), strict=True)
    )
    if left >= right or top >= bottom:
        raise UsageError(f"{told}: outside of {printable(path)}, which is {width} x {height} pixels")
    if min(right - left, bottom - top) < SMALLEST_PX:
        raise UsageError(
            f"{told}: too small, {right - left:g} x {bottom - top:g} pixels; draw it round the whole face, at least "
            f"{SMALLEST_PX} pixels wide and high"
        )
    return left, top, right, bottom


def drawn_there(library: Held, place: Place) -> tuple[Decision, str] | None:
    """Give the decision in force that drew this very box, and the id of its face; None where there is none."""
    digest = str(library.table.photos.digest[place.row])
    for decision in reversed(in_force(library.decisions)):
        act = decision.act
        if isinstance(act, Draw) and act.drawn == place.box and act.faces[0].digest == digest:
            rows = locate([decision], library.table.faces)[act.faces[0]]
            if rows:
                return decision, str(library.table.faces.id[rows[0]])
    return None


def find(library: Held, place: Place) -> Found:
    """Look for the face in a box, measure and encode it.

    Raises:
        FaceclusterError: there is a face already, or one that is forgotten; the photo cannot be read, or another
            picture is there now.
    """
    found, refused = find_all(library, [place], jobs=1)
    if refused:
        raise FaceclusterError(refused[0])
    return found


def find_all(library: Held, places: Sequence[Place], *, jobs: int = -1) -> tuple[Found, list[str]]:
    """Look for the faces in boxes, measure and encode them.

    Returns:
        What is found; and of each box that is left out, why, see `find`.
    """
    table, refused = library.table, list[str]()
    by_row: dict[int, list[Place]] = {}
    for place in places:
        try:
            _refuse_known(library, place)
        except FaceclusterError as error:
            refused.append(str(error))
        else:
            by_row.setdefault(place.row, []).append(place)
    options = encoding_of({}, table.settings)
    part = table.select(np.isin(np.arange(len(table.photos)), [*by_row]))
    rows = dict(zip(sorted(by_row), rows_of(part), strict=True))
    looks = [
        Look.of(rows[row], [one.box for one in those], ids_of(rows[row].analysis))
        for row, those in by_row.items()
    ]
    ready: dict[Draw, Seen] = {}
    of_act: dict[Draw, Place] = {}
    for (row, those), seen in zip(
        by_row.items(), look_at(looks, options, jobs=jobs) if looks else [], strict=True
    ):
        if isinstance(seen, str):
            refused += (f"{printable(one.path)}: {seen}; {_again(library)}" for one in those)
            continue
        for number, place in enumerate(those):
            box = _edges(seen.faces["box"][number])
            act = Draw(seen.pixels, place.box, (Spot(rows[row].analysis.digest, box),))
            if any(_is_one(act, other) for other in ready):
                refused.append(f"{place.name}: two boxes are of one face there")
                continue
            at = slice(number, number + 1)
            ready[act] = replace(seen, faces=seen.faces[at], is_face=seen.is_face[at])
            of_act[act] = place
    grown, new = _grown(library, ready, options)
    gone = set(grown.faces.id[new].tolist()) - set(without_places(grown, library.places).faces.id.tolist())
    if gone:
        found = locate([Decision("", "", act) for act in ready], grown.faces)
        for act in [
            one for one in ready if any(str(grown.faces.id[row]) in gone for row in found[one.faces[0]])
        ]:
            del ready[act]
            name = of_act[act].name
            refused.append(f"{name}: a face there was forgotten, and what is forgotten does not come back")
        grown, new = _grown(library, ready, options)
    correction = amend.add(library.people, _records(library, grown, new))
    return Found(
        tuple(ready), grown, correction, tuple(bool(seen.is_face[0]) for seen in ready.values())
    ), refused


def _is_one(act: Draw, other: Draw) -> bool:
    """Say whether two faces that were drawn are one."""
    (a,), (b,) = act.faces, other.faces
    return a.digest == b.digest and bool(overlaps(np.array([a.box]), np.array([b.box]))[0] >= SAME_FACE_IOU)


def _grown(
    library: Held, ready: Mapping[Draw, Seen], options: EncodeOptions
) -> tuple[FaceTable, NDArray[np.bool_]]:
    """Put faces into the table, and say which are new."""
    table, drawn = library.table, Drawn.of(library.decisions)
    grown = settled(table, replace(drawn, standing=(*drawn.standing, *ready)), options, ready=ready, jobs=1)
    return grown, ~np.isin(grown.faces.id, table.faces.id)


def take_out(library: Held, act: Draw) -> tuple[Correction, FaceTable | None]:
    """Give the people and the face table without a face that was drawn; where a detector found it since, it stays."""
    if library.table_file is None:
        placed = columns(library.people, {act.faces[0].digest})
        rows = locate([Decision("", "", act)], placed)[act.faces[0]]
        return amend.remove(library.people, {placed.id[row] for row in rows}), None
    table, drawn = library.table, Drawn.of(library.decisions)
    standing = tuple(one for one in drawn.standing if one != act)
    options = encoding_of({}, table.settings)
    left = settled(table, Drawn(standing, (*drawn.gone, act)), options, jobs=1)
    gone = set(table.faces.id.tolist()) - set(left.faces.id.tolist())
    return amend.remove(library.people, gone), left


def _refuse_known(library: Held, place: Place) -> None:
    """Make sure that no face is known at a place.

    Raises:
        FaceclusterError: there is one; the message says whose.
    """
    faces = library.table.faces
    rows = np.flatnonzero((faces.photo == place.row) & (faces.page == 0))
    iou = overlaps(np.tile(np.array(place.box), (len(rows), 1)), faces.box[rows].astype(np.float64))
    if not len(rows) or iou.max() < KNOWN_IOU:
        return
    own = str(faces.id[rows[int(iou.argmax())]])
    face = next((face for face in faces_of(library.people) if face.id == own), None)
    if face is None:
        raise FaceclusterError(
            f"{place.name}: there is a face already, which is with nobody yet; {_again(library)}"
        )
    person, spelt = whose(library.people, face), Spelling(library.people).face(face)
    who = "nobody's" if person is None else f"of {called(person)}"
    raise FaceclusterError(
        f"{place.name}: there is a face already, {spelt}, and it is {who}; to say whose it is: facecluster move "
        f"{typed(library.directory)} {typed(spelt)} PERSON"
    )


def _records(library: Held, table: FaceTable, new: NDArray[np.bool_]) -> list[UnclusteredFace]:
    """Make records of the new faces of a table, of nobody."""
    rules = library.people.settings.rules
    part = table.select(np.ones(len(table.photos), dtype=np.bool_), new)
    faces, limits = part.faces, None if rules is None or not rules.gate else rules.limits
    box, anchor, pose, quality = map(plain, (faces.box, faces.anchor, faces.pose, faces.quality))
    return [
        UnclusteredFace(
            str(faces.id[i]),
            str(part.photos.path[faces.photo[i]]),
            Box(*box[i]),
            Pose(*pose[i]),
            quality[i],
            (Reason.NO_MATCH if code == Reason.PASSED else Reason(code)).code,
            anchor=None if anchor[i] == box[i] else Box(*anchor[i]),
        )
        for i, code in enumerate(
            judge(faces, limits, video="join" if rules is None else rules.video).tolist()
        )
    ]


def _edges(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Give a box as records have it: in the shortest decimals that are the same in float32."""
    left, top, right, bottom = plain(box)
    return left, top, right, bottom


def _again(library: Held) -> str:
    return f"to have the library see its photos as they are now: facecluster run PHOTOS -o {typed(library.directory)}"
