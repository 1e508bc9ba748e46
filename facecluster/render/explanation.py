"""Why a face is where it is, and what holds a person together, as records and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from facecluster.joined import Bounds, End, Who
from facecluster.photos.moment import FIRST, Moment, told
from facecluster.result import Box


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
class NearFace:
    """A face, and how far it is from the one that is explained."""

    id: str
    photo: str
    box: Box
    distance: float
    moment: Moment = FIRST


@dataclass(frozen=True)
class NearPerson:
    """A person, and how far the face that is explained is from it.

    Attributes:
        id, name: of the person.
        n_founding: its founding faces, without the one that is explained.
        distance: root mean square of the distances to them.
        within: at which a face joins a person of so many founding faces.
        within_here: as Euclidean distance between encodings: less where the places of this face and of the person are
            crowded, see `identity.points`.
        nearest: of them, nearest first.
        in_photo: id of another face of this person in the same photo; None where there is none.
    """

    id: str
    name: str | None
    n_founding: int
    distance: float
    within: float
    within_here: float
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
        id, photo, box, moment: of the face.
        person: whose it is; None for a face that was left out.
        core: whether it founded the person.
        reason: why it was left out, a code of `gate.Reason`; None for a face of a person.
        confidence: per cent, 0..100, as in clusters.json.
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
    moment: Moment = FIRST


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
    return json.dumps(explanation, default=told, allow_nan=False, indent=1) + "\n"
