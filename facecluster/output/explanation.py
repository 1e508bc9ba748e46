"""Why a face is where it is, and what holds a person together, as records: what explain prints and draws."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.decisions import (
    Decision,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spot,
    Spots,
    holder_of,
    in_force,
    locate,
    rows_at,
)
from facecluster.identity.explain import (
    apart_by,
    between_groups,
    count_links,
    from_groups,
    nearest,
    spanning_tree,
)
from facecluster.identity.gate import Limits, Reason, failures, judge, measured
from facecluster.identity.groups import Groups
from facecluster.identity.rules import Radii, Reach
from facecluster.output.records import Box, Person, PersonFace, Result, UnclusteredFace, columns, plain
from facecluster.output.words import many
from facecluster.store import settings_record
from facecluster.table import Faces, FaceTable

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
_DIGITS = {" px": 0, "°": 1, "": 3}
"""Name and unit of the number that a limit of the gate looks at."""


# ---------------------------------------------------------------------------------------------------- records


@dataclass(frozen=True)
class Bounds:
    """What a result was made by, as far as it explains it; see `identity.rules`.

    Attributes:
        eps: two faces this near may link.
        join: groups of many faces are one person's when they are this near, as root mean square.
        caution: squared distance by which two single faces must be nearer, in a library of this size; see
            `identity.rules.Reach`.
        merges: whether groups that are so near were merged; else only faces joined.
        margin: a face that joins is nearer than to anybody else by at least this.
        min_samples: faces within eps, itself included, that let a face link others.
        gate: whether faces were judged by `limits`.
        limits: what a person must be founded on.
        same_photo: see `identity.rules.SamePhoto`.
    """

    eps: float
    join: float
    caution: float
    merges: bool
    margin: float
    min_samples: int
    gate: bool
    limits: Limits
    same_photo: str

    def within(self, n: int, other: int = 1) -> float:
        """At which distance, as root mean square, a group of n faces and another one, or one face, are one person's."""
        reach = Reach(self.join, self.caution)
        squared = reach.radius**2 - reach.handicap(float(n)) - reach.handicap(float(other))
        return math.sqrt(max(squared, 0.0))


@dataclass(frozen=True)
class Ruling:
    """What somebody decided, of decisions.jsonl.

    Attributes:
        id: of the decision, by which it can be undone.
        time: ISO 8601, UTC.
        text: in words.
        places: whether it says where the face that is explained belongs, and that is where it is.
    """

    id: str
    time: str
    text: str
    places: bool


@dataclass(frozen=True)
class Who:
    """A person."""

    id: str
    name: str | None


@dataclass(frozen=True)
class NearFace:
    """A face, and how far it is from the one that is explained."""

    id: str
    photo: str
    box: Box
    distance: float


@dataclass(frozen=True)
class NearPerson:
    """A person, and how far the face that is explained is from it.

    Attributes:
        id, name: of the person.
        n_founding: its founding faces, without the one that is explained.
        distance: root mean square of the distances to them.
        within: at which a face joins a person of so many founding faces.
        nearest: of them, nearest first.
        in_photo: id of another face of this person in the same photo; None where there is none.
    """

    id: str
    name: str | None
    n_founding: int
    distance: float
    within: float
    nearest: tuple[NearFace, ...]
    in_photo: str | None


@dataclass(frozen=True)
class Gate:
    """A limit, and what a face is by it.

    Attributes:
        name: of the number: size (the shorter side of the box), pitch, yaw, roll, quality.
        value: pixels, degrees, 0..1; None where unknown.
        limit: that it must be over (size, quality), or under whatever its sign (angles).
        unit: of both, as it is written.
        passed: whether it is; an unknown number is not.
    """

    name: str
    value: float | None
    limit: float
    unit: str
    passed: bool


@dataclass(frozen=True)
class FaceExplanation:
    """Why a face is where it is.

    Attributes:
        id, photo, box: of the face.
        person: whose it is; None for a face that was left out.
        core: whether it founded the person.
        reason: why it was left out, a code of `gate.Reason`; None for a face of a person.
        confidence: as in clusters.json.
        gate: all limits; of a result made without a gate, too.
        passed: whether none fails, or there was no gate.
        n_links: other faces that may found people and are within `bounds.eps`.
        n_own_links: of these, founding faces of its own person.
        own: its person; None for a face that was left out, or whose person has no other founding face.
        others: other people, nearest first; the first is the runner-up of a face of a person.
        margin: how much further the runner-up is than its person, or, of a face that was left out, the second
            nearest than the nearest; negative where it is nearer; None without two people.
        why: in words.
        remedies: of a face that was left out: what would have to change, in words.
        bounds: what the result was made by.
        decisions: what somebody decided about the face or its person, first to last.
    """

    id: str
    photo: str
    box: Box
    person: Who | None
    core: bool
    reason: str | None
    confidence: float | None
    gate: tuple[Gate, ...]
    passed: bool
    n_links: int
    n_own_links: int
    own: NearPerson | None
    others: tuple[NearPerson, ...]
    margin: float | None
    why: tuple[str, ...]
    remedies: tuple[str, ...]
    bounds: Bounds
    decisions: tuple[Ruling, ...]
    kind: Literal["face"] = "face"


@dataclass(frozen=True)
class End:
    """A face at the end of a pair."""

    id: str
    photo: str
    box: Box


@dataclass(frozen=True)
class FacePair:
    """Two founding faces of a person.

    Attributes:
        faces: both.
        distance: between them.
        sides: founding faces on the side of either, when the link between them is taken away; None where the pair
            links nothing.
    """

    faces: tuple[End, End]
    distance: float
    sides: tuple[int, int] | None


@dataclass(frozen=True)
class Links:
    """The pairs of founding faces that are near enough for DBSCAN to link them.

    Attributes:
        n: pairs within `Bounds.eps`.
        n_pairs: all pairs.
        fewest: that a face has.
        median: that a face has.
        n_parts: that these links leave unconnected; more than one: the person was put together otherwise.
    """

    n: int
    n_pairs: int
    fewest: int
    median: float
    n_parts: int


@dataclass(frozen=True)
class Neighbour:
    """Another person.

    Attributes:
        id, name: of the person.
        n_founding: its founding faces.
        distance: root mean square of the distances between theirs and those of the person that is explained.
        within: at which the two would have been merged; None where nobody was.
    """

    id: str
    name: str | None
    n_founding: int
    distance: float
    within: float | None


@dataclass(frozen=True)
class PersonExplanation:
    """What holds a person together, and apart from others.

    Attributes:
        id, name, n_faces, n_photos: as in clusters.json.
        n_founding: founding faces; all the following is about them, and None where there are too few.
        spread: root mean square of the distances between them.
        links: see `Links`.
        weakest: the pair without whose nearness they would fall in two, furthest apart of all such.
        seam: the same for two sides that each have as many faces as a person needs photos; None where it is `weakest`.
        farthest: the two that are farthest apart.
        neighbour: the nearest other person.
        bounds: what the result was made by.
        decisions: what somebody decided about the person, first to last.
    """

    id: str
    name: str | None
    n_faces: int
    n_photos: int
    n_founding: int
    spread: float | None
    links: Links | None
    weakest: FacePair | None
    seam: FacePair | None
    farthest: FacePair | None
    neighbour: Neighbour | None
    bounds: Bounds
    decisions: tuple[Ruling, ...]
    kind: Literal["person"] = "person"


def to_json(explanation: FaceExplanation | PersonExplanation) -> str:
    """Write an explanation as JSON, ASCII only; unknown is null."""
    return json.dumps(explanation, default=vars, allow_nan=False, indent=1) + "\n"


# ------------------------------------------------------------------------------------------- what it is made from


def bounds_of(result: Result) -> Bounds:
    """Take from a result's settings what it was made by.

    Raises:
        TableError: they do not say it.
    """
    try:
        used, radii = result.settings["cluster"], result.settings["cluster"]["radii"]
        known_radii, known_limits = ({field.name for field in fields(kind)} for kind in (Radii, Limits))
        reach = Radii(**{key: float(value) for key, value in radii.items() if key in known_radii}).reach(
            result.counts.faces
        )
        return Bounds(
            eps=float(radii["eps"]),
            join=reach.radius,
            caution=reach.caution,
            merges="caution" in radii,
            margin=float(radii["margin"]),
            min_samples=int(used["min_samples"]),
            gate=bool(used["gate"]),
            limits=Limits(**{key: value for key, value in used["limits"].items() if key in known_limits}),
            same_photo=str(used.get("same_photo", "prefer")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TableError(
            f"the result does not say by which distances it was made ({error}); run cluster again"
        ) from error


@dataclass(frozen=True, eq=False)
class Known:
    """A result beside the numbers of its faces: n rows, those of each person in turn, then those without one.

    Attributes:
        result: see `Result`.
        bounds: what it was made by.
        records: (n) faces of the result.
        faces: (n) of the table; `photo` is the row in the table's photos.
        person: (n,) place in `result.people`, -1 none.
        core: (n,) bool, founded the person.
        people: of `Groups`, those with founding faces.
        place: (p,) of each group in `result.people`.
        n_newer: faces of the table that the result does not have.
    """

    result: Result
    bounds: Bounds
    records: Sequence[PersonFace | UnclusteredFace]
    faces: Faces
    person: NDArray[np.int64]
    core: NDArray[np.bool_]
    people: Groups
    place: NDArray[np.int64]
    n_newer: int

    @classmethod
    def of(cls, result: Result, table: FaceTable) -> Known:
        """Find the faces of a result in a table, by photo and id.

        Raises:
            TableError: the table lacks some, was made with other settings, or the result does not say by what.
        """
        bounds = bounds_of(result)
        record = settings_record(table.settings)
        for key in ("detector", "encoder", "options", "models"):
            if key in result.settings and result.settings[key] != record[key]:
                raise TableError(f"its {key} is {_short(record[key])}, not {_short(result.settings[key])}")
        faces = columns(result)
        paths = table.photos.path[table.faces.photo].tolist()
        row_of = {name: row for row, name in enumerate(zip(paths, table.faces.id.tolist(), strict=True))}
        rows = np.array(
            [row_of.get(name, -1) for name in zip(faces.photo, faces.id, strict=True)], dtype=np.intp
        )
        if n_lacking := int(np.count_nonzero(rows < 0)):
            raise TableError(f"it lacks {n_lacking} of the {len(rows)} faces of the result")
        placed = (face for person in result.people for face in person.faces)
        records: list[PersonFace | UnclusteredFace] = [*placed, *result.unclustered]
        core = np.array([isinstance(face, PersonFace) and face.core for face in records], dtype=np.bool_)
        person = faces.person.astype(np.int64)
        core &= np.isfinite(table.faces.encoding[rows]).all(axis=1)
        place, number = np.unique(person[core], return_inverse=True)
        label = np.full(len(rows), -1, dtype=np.int32)
        label[core] = number
        chosen = Faces(**{name: column[rows] for name, column in vars(table.faces).items()})
        people = Groups.of(chosen.encoding, label)
        return cls(result, bounds, records, chosen, person, core, people, place, len(table.faces) - len(rows))

    def who(self, place: int) -> Who:
        """The person at a place of `result.people`."""
        return Who(self.result.people[place].id, self.result.people[place].name)

    def founding(self, place: int) -> NDArray[np.intp]:
        """Rows of the founding faces of the person at a place of `result.people`."""
        return np.flatnonzero(self.core & (self.person == place))

    def end(self, row: int) -> End:
        """The face of a row."""
        face = self.records[row]
        return End(face.id, face.photo, face.box)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# ------------------------------------------------------------------------------------------------------- a face


def explain_face(
    known: Known, face: PersonFace | UnclusteredFace, decisions: Sequence[Decision] = ()
) -> FaceExplanation:
    """Say why a face is where it is.

    Args:
        known: the result.
        face: of it.
        decisions: all of them, in order of time.
    """
    row = next(row for row, other in enumerate(known.records) if other is face or other == face)
    person, core = int(known.person[row]), bool(known.core[row])
    gate, passed = _gate(known, row), bool(_may_found(known, np.array([row]))[0])
    finite = bool(np.isfinite(known.faces.encoding[row]).all())
    links = _links(known, row) if finite else np.empty(0, dtype=np.intp)
    n_own_links = int(np.count_nonzero(known.core[links] & (known.person[links] == person)))
    own, others = _near_people(known, row) if finite else (None, ())
    rulings = _about_face(known, row, decisions)
    why: list[str]
    remedies: list[str] = []
    if isinstance(face, PersonFace):
        two = others[:1] if own is None else (own, *others[:1])
        why = _why_placed(
            known.who(person),
            own,
            others,
            known.bounds,
            rulings,
            core=core,
            passed=passed,
            n_links=n_own_links,
        )
    else:
        two = others[:2]
        why = _why_left_out(
            known, face, gate, others, rulings, passed=passed, finite=finite, n_links=len(links)
        )
        remedies = _remedies(
            known.bounds, face, others, rulings, passed=passed, finite=finite, n_links=len(links)
        )
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
    passed: NDArray[np.bool_] = judge(_one(known.faces, rows), limits) == Reason.PASSED
    return passed


def _links(known: Known, row: int) -> NDArray[np.intp]:
    """Rows of the other faces that are near enough to link this one, and good enough."""
    x = known.faces.encoding
    exact = x[row].astype(np.float64)
    squared = np.einsum("ij,ij->i", x, x, dtype=np.float64) - 2 * (x @ x[row]) + exact @ exact
    close = np.flatnonzero(squared <= known.bounds.eps**2 + 1e-3)  # float32 is no further off than that
    close = close[close != row]
    close = close[[apart_by(x, row, other) <= known.bounds.eps for other in close.tolist()]]
    good: NDArray[np.intp] = close[_may_found(known, close) | known.core[close]]
    return good


def _near_people(known: Known, row: int) -> tuple[NearPerson | None, tuple[NearPerson, ...]]:
    """The person of a face, and the nearest others."""
    own = int(known.person[row])
    group = np.flatnonzero(known.place == own)
    member = int(group[0]) if known.core[row] else -1
    distance = from_groups(known.faces.encoding[row], known.people, member)

    def near_person(g: int, number: int) -> NearPerson:
        place = int(known.place[g])
        founding = known.founding(place)
        who = known.who(place)
        faces = tuple(
            NearFace(face.id, face.photo, face.box, pair.distance)
            for pair in nearest(known.faces.encoding, row, founding, number)
            for face in [known.records[pair.j]]
        )
        count = int(known.people.count[g]) - (g == member)
        return NearPerson(
            who.id,
            who.name,
            count,
            float(distance[g]),
            known.bounds.within(count),
            faces,
            _in_photo(known, row, place),
        )

    is_own = known.place == own
    order = np.argsort(np.where(is_own, np.inf, distance), kind="stable")[: len(distance) - len(group)]
    others = tuple(near_person(int(g), 1) for g in order[:N_PEOPLE])
    if len(group) == 0 or math.isnan(distance[group[0]]):
        return None, others
    return near_person(int(group[0]), N_NEAREST), others


def _in_photo(known: Known, row: int, place: int) -> str | None:
    """Id of another face of a person in the photo of a face; None where there is none, or it is the same face twice."""
    faces = known.faces
    rows = np.flatnonzero((faces.photo == faces.photo[row]) & (known.person == place))
    rows = rows[rows != row]
    rows = rows[overlaps(faces.box[rows], faces.box[np.full(len(rows), row)]) < SAME_FACE_IOU]
    return str(faces.id[rows[0]]) if len(rows) else None


def _why_placed(
    who: Who,
    own: NearPerson | None,
    others: Sequence[NearPerson],
    bounds: Bounds,
    rulings: Sequence[Ruling],
    *,
    core: bool,
    passed: bool,
    n_links: int,
) -> list[str]:
    """Say how a face came to its person; `n_links` are those to founding faces of it."""
    decided = next((ruling.id for ruling in reversed(rulings) if ruling.places), None)
    if decided is not None:
        start = f"It is with {called(who)} because somebody decided so ({decided})"
    elif core and passed:
        start = f"It founded {called(who)}: {'it is good enough' if bounds.gate else 'there was no gate'}"
    elif core:
        start = f"It founded {called(who)}, though it is not good enough by itself"
    elif own is not None and own.distance <= own.within:
        start = f"It joined {called(who)}"
    else:
        start = f"It is with {called(who)}"
    if own is None:
        return [f"{start}. There is no other founding face of this person to compare it with."]
    away = close_to(own.distance, own.within)
    if core:
        text = (
            f"{start}. {n_links} of the {many(own.n_founding, 'other founding face')} are within {bounds.eps:g}, "
            f"where two faces may link; the root mean square of all distances is {away}."
        )
    else:
        within = "within" if own.distance <= own.within else "which is further than"
        text = (
            f"{start}: its {many(own.n_founding, 'founding face')} are {away} away, as root mean square, {within} "
            f"the joining radius of {_radius(own)}."
        )
    if not others:
        return [text, "There is nobody else."]
    runner_up = others[0]
    ahead = runner_up.distance - own.distance
    rest = f"{close_to(ahead, bounds.margin)} further" if ahead >= 0 else f"{-ahead:.2f} nearer"
    if not core:
        rest += f"; a face that joins is nearer to its person by {bounds.margin:g} at least"
    if runner_up.in_photo is not None:
        rest += f"; that person has another face of this photo, {runner_up.in_photo}"
    return [text, f"The runner-up is {called(runner_up)}, {runner_up.distance:.2f} away: {rest}."]


def _why_left_out(
    known: Known,
    face: UnclusteredFace,
    gate: Sequence[Gate],
    others: Sequence[NearPerson],
    rulings: Sequence[Ruling],
    *,
    passed: bool,
    finite: bool,
    n_links: int,
) -> list[str]:
    """Say why a face has no person; `n_links` are those to faces that may found people."""
    bounds, code = known.bounds, face.reason.upper()
    why = [f"It was left out: {Reason[code].text if code in Reason.__members__ else face.reason}."]
    why += [f"Somebody decided so ({ruling.id})." for ruling in rulings if ruling.places]
    if not finite:
        return [*why, "It has no encoding that could be compared."]

    if not others:
        why.append("There is nobody whom it could join.")
    else:
        one, ahead = others[0], _ahead(others)
        within = "and a face joins within" if one.distance > one.within else "within the joining radius of"
        why.append(
            f"{called(one)} is nearest, {close_to(one.distance, one.within)} away as root mean square, {within} "
            f"{_radius(one)}."
        )
        if one.distance <= one.within and ahead < bounds.margin:
            why.append(
                f"But {called(others[1])} is only {close_to(ahead, bounds.margin)} further, and {bounds.margin:g} are "
                "asked for."
            )
        if one.in_photo is not None:
            why.append(f"Another face of this photo is {called(one)} already: {one.in_photo}.")
        elif one.distance <= one.within and ahead >= bounds.margin and not any(r.places for r in rulings):
            why.append("These distances alone would not have kept it out.")

    if not passed:
        lacks = ", ".join(lacking(limit) for limit in gate if not limit.passed)
        return [*why, f"It may not found a person: {lacks}."]
    if face.reason == Reason.TOO_FEW_PHOTOS.code:
        almost = None if face.almost is None else known.result.almost[face.almost]
        count = "" if almost is None else f": {almost.n_photos} of {almost.n_photos_needed} count"
        return [
            *why,
            f"It is good enough to found a person with faces like it, but in too few photos{count}.",
        ]
    text = f"It is good enough to found a person, and there {_are(n_links, 'other good face')} within {bounds.eps:g}"
    if n_links + 1 < bounds.min_samples:
        text += f"; to link others it needs {bounds.min_samples - 1}"
    return [*why, f"{text}."]


def _remedies(
    bounds: Bounds,
    face: UnclusteredFace,
    others: Sequence[NearPerson],
    rulings: Sequence[Ruling],
    *,
    passed: bool,
    finite: bool,
    n_links: int,
) -> list[str]:
    """Say what would have to change for a face that was left out."""
    undo = [f"undo decision {ruling.id}, and cluster again" for ruling in rulings if ruling.places]
    if undo or not finite:
        return undo or ["a picture of the face that can be encoded"]
    remedies = []
    if others:
        one, ahead = others[0], _ahead(others)
        if one.distance > one.within:
            beyond = one.distance - one.within
            remedies.append(f"to join {called(one)}, it would have to be nearer by {close_to(beyond, 0)}")
        elif ahead < bounds.margin:
            remedies.append(f"if {called(one)} and {called(others[1])} are one person, merge them")
        if one.distance <= one.within and one.in_photo is not None and bounds.same_photo != "allow":
            remedies.append("if one person may be in a photo twice, --same-photo allow")
    more = n_links + 1 < bounds.min_samples
    if not passed:
        among = f", and to be among {bounds.min_samples} good faces within {bounds.eps:g}" if more else ""
        remedies.append(f"to found a person with others, it would have to pass the limits it fails{among}")
    elif more or face.reason == Reason.TOO_FEW_PHOTOS.code:
        remedies.append(
            f"add good photos of the same person: {many(bounds.limits.min_images, 'different photo')} whose faces are "
            "alike make one"
        )
    return remedies


def _radius(near: NearPerson) -> str:
    return f"{round(near.within, 3):g}"


def _ahead(people: Sequence[NearPerson]) -> float:
    """How much further the second is than the first; infinite where there is no second."""
    return people[1].distance - people[0].distance if len(people) > 1 else math.inf


def lacking(limit: Gate) -> str:
    """Say how a face fails a limit: "size 52 px (limit 75 px)"."""
    return f"{limit.name} {measure(limit)} (limit {limit.limit:g}{limit.unit})"


def measure(limit: Gate) -> str:
    """Write the number that a limit looks at."""
    if limit.value is None:
        return "unknown"
    return f"{close_to(limit.value, limit.limit, _DIGITS[limit.unit])}{limit.unit}"


# ----------------------------------------------------------------------------------------------------- a person


def explain_person(known: Known, person: Person, decisions: Sequence[Decision] = ()) -> PersonExplanation:
    """Say what holds a person together.

    Args:
        known: the result.
        person: of it.
        decisions: all of them, in order of time.

    Takes seconds for 20,000 founding faces, and blocks of bounded size beside a copy of their encodings.
    """
    bounds = known.bounds
    place = next(place for place, other in enumerate(known.result.people) if other.id == person.id)
    rows = known.founding(place)
    x = known.faces.encoding[rows]
    links = weakest = seam = farthest = neighbour = spread = None
    if len(rows) > 1:
        tree = spanning_tree(x)
        count, ends = count_links(x, bounds.eps)
        n_pairs = len(rows) * (len(rows) - 1) // 2
        links = Links(
            int(count.sum()) // 2,
            n_pairs,
            int(count.min()),
            float(np.median(count)),
            tree.n_parts(bounds.eps),
        )
        link, wide = tree.weakest(), tree.weakest(max(2, bounds.limits.min_images))
        if link is not None:
            weakest = _pair(known, rows, link.i, link.j, link.distance, (link.n_i, link.n_j))
        if wide is not None and wide != link:
            seam = _pair(known, rows, wide.i, wide.j, wide.distance, (wide.n_i, wide.n_j))
        if ends is not None:
            farthest = _pair(known, rows, ends.i, ends.j, ends.distance, None)
    if len(rows):
        group = int(np.flatnonzero(known.place == place)[0])
        spread = float(known.people.spread()[group]) if len(rows) > 1 else None
        if len(known.place) > 1:
            apart = between_groups(known.people, group)
            other = int(apart.argmin())
            who = known.who(int(known.place[other]))
            count_other = int(known.people.count[other])
            within = bounds.within(len(rows), count_other) if bounds.merges else None
            neighbour = Neighbour(who.id, who.name, count_other, float(apart[other]), within)
    return PersonExplanation(
        id=person.id,
        name=person.name,
        n_faces=person.n_faces,
        n_photos=person.n_photos,
        n_founding=len(rows),
        spread=spread,
        links=links,
        weakest=weakest,
        seam=seam,
        farthest=farthest,
        neighbour=neighbour,
        bounds=bounds,
        decisions=_about_person(known, place, decisions),
    )


def _pair(
    known: Known, rows: NDArray[np.intp], i: int, j: int, distance: float, sides: tuple[int, int] | None
) -> FacePair:
    return FacePair((known.end(int(rows[i])), known.end(int(rows[j]))), distance, sides)


# ---------------------------------------------------------------------------------------------------- decisions


def _about_face(known: Known, row: int, decisions: Sequence[Decision]) -> tuple[Ruling, ...]:
    """Find what was decided about a face or its person, first to last."""
    place = int(known.person[row])
    standing = in_force(decisions)
    found = locate(standing, known.faces)
    rulings: list[Ruling] = []
    for decision in standing:
        act = decision.act
        rows = rows_at(found, _stated(act))
        if isinstance(act, Merge | Name):
            told, follows = _holder(known, rows) == place, False
        else:
            told = row in rows
            follows = told and _follows(known, place, act, found)
        if told and isinstance(act, Move | Split):  # earlier ones say nothing of the face any more
            rulings = [replace(ruling, places=False) for ruling in rulings]
        if told:
            rulings.append(Ruling(decision.id, decision.time, _in_words(act), places=follows))
    return tuple(rulings)


def _follows(known: Known, place: int, act: object, found: Mapping[Spot, Sequence[int]]) -> bool:
    """Say whether a face that an act is about is with the person at `place`, -1 nobody, because of it."""
    match act:
        case Move(to=to) if to is not None:
            return _holder(known, rows_at(found, to)) == place
        case Split(faces=spots, away=away):
            rest = _holder(known, rows_at(found, away))
            if place < 0 or rest == place:
                return False
            founders = known.founding(place)
            n_own = len(np.intersect1d(founders, rows_at(found, spots)))
            return rest is not None or 2 * n_own > len(
                founders
            )  # nobody is there who it could be parted from
        case _:
            return place < 0


def _about_person(known: Known, place: int, decisions: Sequence[Decision]) -> tuple[Ruling, ...]:
    """Find what was decided about a person or faces of it, or about faces that were taken away from it."""
    standing = in_force(decisions)
    found = locate(standing, known.faces)
    rulings = []
    for decision in standing:
        act = decision.act
        rows = rows_at(found, _stated(act))
        if isinstance(act, Merge | Name):
            told = _holder(known, rows) == place
        else:
            left = rows_at(found, act.away) if isinstance(act, Move | Split) else []
            told = bool((known.person[rows] == place).any()) or _holder(known, left) == place
        if told:
            rulings.append(Ruling(decision.id, decision.time, _in_words(act), places=False))
    return tuple(rulings)


def _holder(known: Known, rows: Sequence[int]) -> int | None:
    """Find the place of the person who holds most of those of some faces that have a person; None if none has."""
    return holder_of(known.person, [row for row in rows if known.person[row] >= 0])


def _stated(act: object) -> Spots:
    """The faces that a decision is about."""
    match act:
        case Merge(faces=groups):
            return tuple(spot for spots in groups for spot in spots)
        case Name(faces=spots) | Split(faces=spots) | Move(faces=spots) | NotAPerson(faces=spots):
            return spots
        case _:
            return ()


def _in_words(act: object) -> str:
    match act:
        case Name(person=person, name=name):
            return f"{person} has no name" if name is None else f"{person} is called {name}"
        case Merge(people=people):
            return f"{' and '.join(people)} merged"
        case Split(person=person, faces=spots):
            return f"{many(len(spots), 'face')} split from {person}"
        case Move(person=person, into=into, faces=spots):
            return f"{many(len(spots), 'face')} moved from {person or 'nobody'} to {into or 'nobody'}"
        case NotAPerson(person=person, faces=spots):
            return f"{person or many(len(spots), 'face')} said to be no person"
        case _:
            return str(act)


# ------------------------------------------------------------------------------------------------- pieces of text


def called(who: Who | NearPerson | Neighbour | PersonExplanation) -> str:
    """A person's id, with the name where there is one."""
    return who.id if who.name is None else f"{who.id} ({who.name})"


def close_to(value: float, limit: float, digits: int = 2) -> str:
    """Round a number to so many decimals, or to as many as show that it is not on the limit."""
    while round(abs(value), digits) == limit != abs(value) and digits < 6:
        digits += 1
    return f"{value:.{digits}f}"


def _are(number: int, one: str) -> str:
    return f"{'is' if number == 1 else 'are'} {number or 'no'} {one if number == 1 else one + 's'}"
