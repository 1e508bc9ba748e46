"""Why a face is where it is: the limits it passes, the faces it may link, and how near it is to whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.decisions import Decision
from facecluster.identity.explain import apart_by, from_groups, nearest
from facecluster.identity.gate import Reason, failures, judge, measured
from facecluster.identity.neighbours import squared_distances
from facecluster.identity.tracks import at_once
from facecluster.joined import Known
from facecluster.render.explain_decisions import about_face
from facecluster.render.explain_words import remedies_of, why_left_out, why_placed
from facecluster.render.explanation import FaceExplanation, Gate, NearFace, NearPerson
from facecluster.result import PersonFace, UnclusteredFace, plain
from facecluster.table import Faces

N_NEAREST = 5
"""Founding faces that are told of the person of a face."""

N_PEOPLE = 3
"""People that are told of a face, the nearest ones."""

_MEASURES = {
    Reason.TOO_SMALL: ("size", " px"),
    Reason.PITCH: ("pitch", "°"),
    Reason.YAW: ("yaw", "°"),
    Reason.ROLL: ("roll", "°"),
    Reason.LOW_QUALITY: ("quality", ""),
}
"""Name and unit of the number that a limit of the gate looks at."""


def explain_face(
    known: Known,
    face: PersonFace | UnclusteredFace,
    decisions: Sequence[Decision] = (),
    *,
    spell: Callable[[str], str] = str,
    library: str = "LIBRARY",
) -> FaceExplanation:
    """Say why a face is where it is.

    Args:
        known: the result.
        face: of it.
        decisions: all of them, in order of time.
        spell: writes another face of the photo, by id.
        library: how one types the library, for what can be typed.
    """
    row = next(row for row, other in enumerate(known.records) if other is face or other == face)
    person, core = int(known.person[row]), bool(known.core[row])
    gate, passed = _gate(known, row), bool(_may_found(known, np.array([row]))[0])
    finite = bool(np.isfinite(known.faces.encoding[row]).all())
    links = _links(known, row) if finite else np.empty(0, dtype=np.intp)
    n_own_links = int(np.count_nonzero(known.core[links] & (known.person[links] == person)))
    own, others = _near_people(known, row) if finite else (None, ())
    rulings = about_face(known, row, decisions)
    why: list[str]
    remedies: list[str] = []
    if isinstance(face, PersonFace):
        two = others[:1] if own is None else (own, *others[:1])
        why = why_placed(
            known.who(person),
            own,
            others,
            known.bounds,
            rulings,
            core=core,
            passed=passed,
            n_links=n_own_links,
            spell=spell,
        )
    else:
        two = others[:2]
        why = why_left_out(
            known,
            face,
            gate,
            others,
            rulings,
            passed=passed,
            finite=finite,
            n_links=len(links),
            spell=spell,
        )
        remedies = remedies_of(
            known.bounds,
            face,
            others,
            rulings,
            passed=passed,
            finite=finite,
            n_links=len(links),
            library=library,
        )
    if face.track is not None:
        why.append("All faces of a track go where the one goes that is seen best.")
    return FaceExplanation(
        id=face.id,
        photo=face.photo,
        box=face.box,
        person=known.who(person) if person >= 0 else None,
        core=isinstance(face, PersonFace) and face.core,
        reason=face.reason if isinstance(face, UnclusteredFace) else None,
        confidence=face.confidence if isinstance(face, PersonFace) else None,
        gate=gate,
        passed=passed,
        n_links=len(links),
        n_own_links=n_own_links,
        own=own,
        others=others,
        margin=two[1].distance - two[0].distance if len(two) == 2 else None,
        why=tuple(why),
        remedies=tuple(remedies),
        bounds=known.bounds,
        decisions=rulings,
    )


def _one(faces: Faces, rows: NDArray[np.intp]) -> Faces:
    return Faces(**{name: column[rows] for name, column in vars(faces).items()})


def _gate(known: Known, row: int) -> tuple[Gate, ...]:
    """Judge a face by all limits."""
    face, limits = _one(known.faces, np.array([row])), known.bounds.limits
    fails = failures(face, limits)
    gate = []
    for reason, (number, limit) in measured(face, limits).items():
        value = plain(number)[0]
        name, unit = _MEASURES[reason]
        gate.append(Gate(name, value, limit, unit, value is not None and not fails[reason][0]))
    return tuple(gate)


def _may_found(known: Known, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Say which rows are good enough to link, and to found people."""
    limits = known.bounds.limits if known.bounds.gate else None
    passed: NDArray[np.bool_] = (
        judge(_one(known.faces, rows), limits, video=known.bounds.video) == Reason.PASSED
    )
    return passed


def _links(known: Known, row: int) -> NDArray[np.intp]:
    """Rows of the other faces that are near enough to link this one, and good enough."""
    points = known.points
    squared = squared_distances(points[row : row + 1], points)[0]
    close = np.flatnonzero(squared <= known.bounds.eps**2 + 1e-3)  # float32 is no further off than that
    close = close[close != row]
    close = close[[apart_by(points, row, other) <= known.bounds.eps for other in close.tolist()]]
    good: NDArray[np.intp] = close[_may_found(known, close) | known.core[close]]
    return good


def _near_people(known: Known, row: int) -> tuple[NearPerson | None, tuple[NearPerson, ...]]:
    """The person of a face, and the nearest others."""
    own = int(known.person[row])
    member = int(known.part[row])
    distance = from_groups(known.points, row, known.parts, member)

    def near_person(g: int, number: int) -> NearPerson:
        place = int(known.whose[g])
        who = known.who(place)
        faces = tuple(
            NearFace(face.id, face.photo, face.box, pair.distance)
            for pair in nearest(known.points, row, np.flatnonzero(known.part == g), number)
            for face in [known.records[pair.j]]
        )
        count = int(known.parts.count[g]) - (g == member)
        within = known.bounds.joining(count)
        crowding = float(known.points.crowding[row] + known.parts.crowding[g])
        return NearPerson(
            who.id,
            who.name,
            count,
            float(distance[g]),
            within,
            math.sqrt(max(within**2 - crowding, 0.0)),
            faces,
            _in_photo(known, row, place),
        )

    order = np.argsort(distance, kind="stable")  # NaN, of a part of this face alone, comes last
    order = order[np.sort(np.unique(known.whose[order], return_index=True)[1])]  # the nearest part of each
    others = tuple(near_person(int(g), 1) for g in order[known.whose[order] != own][:N_PEOPLE])
    group = order[known.whose[order] == own] if member < 0 else np.array([member])
    if len(group) == 0 or math.isnan(distance[group[0]]):
        return None, others
    return near_person(int(group[0]), N_NEAREST), others


def _in_photo(known: Known, row: int, place: int) -> str | None:
    """Id of another face of a person in the photo of a face; None where there is none, or it is the same face twice.

    Only what is seen at once counts: the same page; of a video, other tracks that are there then.
    """
    faces = known.faces
    rows = np.flatnonzero((faces.photo == faces.photo[row]) & (known.person == place))
    rows = rows[(rows != row) & at_once(faces, np.array([row]), rows)[0]]
    if faces.track[row] >= 0:
        rows = rows[faces.track[rows] != faces.track[row]]
    else:
        rows = rows[overlaps(faces.box[rows], faces.box[np.full(len(rows), row)]) < SAME_FACE_IOU]
    return str(faces.id[rows[0]]) if len(rows) else None
