"""What a new photo means: somebody known, a stranger, or a new person, told by comparing a result with what was told.

What was told is a list of faces, each with the person it was told of: first the faces of the result as it was before
the new photos, then those of every event, in the order in which they were told. `events` gives what is left to tell,
so it gives nothing twice, whatever happened in between.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from facecluster.formats.json_lines import load
from facecluster.identity.changes import Placed, match_faces
from facecluster.result import Box, Person, PersonFace, Result, UnclusteredFace, columns, fields_of, said_of
from facecluster.table import Number, Whole


class ToldFace(NamedTuple):
    """A face that needs no telling any more.

    Attributes:
        id: of the face.
        photo: absolute path.
        box: in pixels of the upright photo.
        person: id of the person; None: nobody's.
        page, time_s: where in the file, as in `result.PersonFace`.
    """

    id: str
    photo: str
    box: Box
    person: str | None
    page: Whole = 0
    time_s: Number | None = None

    @classmethod
    def of(cls, face: PersonFace | UnclusteredFace, person: str | None) -> ToldFace:
        """Tell a face of a person by its id; of nobody."""
        return cls(face.id, face.photo, face.box, person, face.page, face.time_s)


@dataclass(frozen=True)
class Event:
    """Something to tell.

    Attributes:
        kind: "known": a new face of a person who was there; "stranger": a new face that no person takes; "founded":
            a person who was not there.
        person: who; None for a stranger.
        faces: the new face; for "founded" all faces of the person, the most typical first.
        fresh: for each of `faces` whether it is new; the others were strangers before, or somebody else's.
    """

    kind: Literal["known", "stranger", "founded"]
    person: Person | None
    faces: tuple[PersonFace | UnclusteredFace, ...]
    fresh: tuple[bool, ...]

    def record(self) -> dict[str, Any]:
        """What JSON says of it: of a face `face`, `photo`, `box`, `pose` and so on, as in clusters.json."""
        about: dict[str, Any] = {"event": self.kind}
        if self.person is not None:
            about |= {"person": self.person.id, "name": self.person.name}
        if self.kind != "founded" or self.person is None:
            return about | _face_record(self.faces[0])
        return about | {
            "n_faces": self.person.n_faces,
            "n_photos": self.person.n_photos,
            **_face_record(self.faces[0]),
            "faces": [
                {"face": face.id, "photo": face.photo, "box": face.box, "new": new}
                for face, new in zip(self.faces, self.fresh, strict=True)
            ],
        }

    def told(self) -> list[ToldFace]:
        """The faces that need no telling after it."""
        who = None if self.person is None else self.person.id
        return [ToldFace.of(face, who) for face in self.faces]


def _face_record(face: PersonFace | UnclusteredFace) -> dict[str, Any]:
    """The columns of a face, its pose spelled out; `almost` is of use in clusters.json only."""
    record = {key: value for key, value in said_of(face).items() if key not in ("id", "almost")}
    return {"face": face.id, **record, "pose": fields_of(face.pose)}


def to_json(event: Event) -> str:
    """One line of strict JSON, ASCII only, without its end."""
    return json.dumps(event.record(), allow_nan=False)


def environment(event: Event) -> Mapping[str, str]:
    """What a command gets as environment variables; "" where there is none: no person, no name."""
    face, person = event.faces[0], event.person
    return {
        "FACECLUSTER_EVENT": event.kind,
        "FACECLUSTER_PERSON": "" if person is None else person.id,
        "FACECLUSTER_NAME": "" if person is None else person.name or "",
        "FACECLUSTER_FACE": face.id,
        "FACECLUSTER_PHOTO": face.photo,
    }


def faces_of(result: Result) -> list[ToldFace]:
    """The faces of a result, as if all of them had been told."""
    placed = [ToldFace.of(face, person.id) for person in result.people for face in person.faces]
    return placed + [ToldFace.of(face, None) for face in result.unclustered]


def events(told: Sequence[ToldFace], result: Result) -> Iterator[Event]:
    """Find what is left to tell of a result.

    Args:
        told: in the order in which it was told.
        result: who is who now.

    Yields:
        "known" or "stranger" for each face that was not told, "founded" for each person whom no told face was told
        of, which stands for all the person's faces; sorted by photo and face, "founded" by its first new face.
        Faces are compared by `match_faces`: a renamed photo is nothing new, a copy of a photo is.
    """
    now = columns(result)
    # A face may be told twice, as a stranger and then as one of a new person: the spare row could match a copy's face.
    _, old = match_faces(_placed([*{(face.id, face.photo): face for face in told}.values()]), now)
    new = np.ones(len(now), dtype=bool)
    new[old] = False
    n_placed = len(now) - len(result.unclustered)
    keys = list(zip(now.id, now.photo, strict=True))
    fresh = {keys[i] for i in np.flatnonzero(new).tolist()}
    left = [face for face, is_new in zip(result.unclustered, new[n_placed:].tolist(), strict=True) if is_new]
    known = {face.person for face in told if face.person is not None}
    return iter(events_of(result.people, left, fresh, known))


def events_of(
    people: Iterable[Person],
    strangers: Iterable[UnclusteredFace],
    new: Collection[tuple[str, str]],
    known: Collection[str],
) -> list[Event]:
    """Make the events of a result.

    Args:
        people: all who were not there before, or have a new face; others may be among them.
        strangers: new faces without a person.
        new: id and photo of the new faces.
        known: ids of people who were there before.

    Returns:
        As `events` gives them.
    """
    found: list[tuple[tuple[str, str], Event]] = []
    for person in people:
        fresh = tuple((face.id, face.photo) in new for face in person.faces)
        if person.id not in known:
            first = min(
                (f.photo, f.id)
                for f, is_new in zip(person.faces, fresh, strict=True)
                if is_new or not any(fresh)
            )
            found.append((first, Event("founded", person, person.faces, fresh)))
            continue
        found += [
            ((face.photo, face.id), Event("known", person, (face,), (True,)))
            for face, is_new in zip(person.faces, fresh, strict=True)
            if is_new
        ]
    found += [((face.photo, face.id), Event("stranger", None, (face,), (True,))) for face in strangers]
    found.sort(key=lambda place_and_event: place_and_event[0])
    return [event for _, event in found]


def _placed(told: Sequence[ToldFace]) -> Placed:
    """As columns; the person and the confidence do not matter for matching."""
    n = len(told)
    box = np.array([face.box for face in told], dtype=np.float64).reshape(n, 4)
    return Placed(
        id=[face.id for face in told],
        photo=[face.photo for face in told],
        box=box,
        anchor=box,
        page=np.array([face.page for face in told], dtype=np.int64),
        time_s=np.array([face.time_s for face in told], dtype=np.float64),
        track=np.full(n, -1),
        person=np.full(n, -1),
        confidence=np.full(n, np.nan),
    )


def pack(told: Iterable[ToldFace]) -> bytes:
    """Turn faces into bytes for a journal."""
    return json.dumps(list(told), allow_nan=False).encode("ascii")


def unpack(record: bytes) -> list[ToldFace]:
    """Read what `pack` made.

    Raises:
        ValueError: it is none.
    """
    return msgspec.convert(load(record), list[ToldFace])
