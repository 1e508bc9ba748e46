"""What one decision changes in a result, at once and without encodings; the next `cluster` makes all of it anew.

Each function takes a result and gives the corrected one, and the ids of the people whose faces are others now. Face
ids stand for all copies of a photo, as in decisions. Where a face was placed by a person, its confidence is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from facecluster.identity.gate import Limits, Reason
from facecluster.result import (
    SHARP_BOX_PX,
    Absent,
    AlmostPerson,
    Changes,
    Person,
    PersonFace,
    Result,
    UnclusteredFace,
    WasMerged,
    WasSplit,
    person_id,
    with_people,
)

Correction = tuple[Result, frozenset[str]]


def set_names(result: Result, names: dict[str, str]) -> Correction:
    """Give every person the name that stands beside its id, and the others none."""
    people = tuple(
        person if person.name == names.get(person.id) else replace(person, name=names.get(person.id))
        for person in result.people
    )
    return replace(result, people=people, changes=Changes()), frozenset()


def merge(result: Result, people: Sequence[Person]) -> Correction:
    """Make one person of two or more: the id of the first, and of their names the first."""
    into, *others = people
    gone = {person.id for person in others}
    one = replace(
        into.with_faces(
            _ordered(result, [face for person in people for face in person.faces]),
            [*into.former, *(id_ for person in others for id_ in (person.id, *person.former))],
        ),
        name=next((person.name for person in people if person.name is not None), None),
    )
    rest = [one if person.id == into.id else person for person in result.people if person.id not in gone]
    changes = Changes(
        vanished=tuple(person.id for person in others),
        merged=(WasMerged(into.id, tuple(person.id for person in people)),),
    )
    absent = (*result.absent, *map(Absent.of, others))
    corrected = with_people(result, rest, result.unclustered)
    return replace(corrected, changes=changes, absent=absent), frozenset({into.id})


def split(result: Result, person: Person, ids: Collection[str]) -> Correction:
    """Make a new person of some faces of one, and not of all; all of them found it."""
    theirs = [replace(face, core=True, confidence=None) for face in person.faces if face.id in ids]
    new = Person.of(person_id(result.next_id), _ordered(result, theirs))
    stay = person.with_faces([face for face in person.faces if face.id not in ids])
    people = [stay if p.id == person.id else p for p in result.people]
    changes = Changes(appeared=(new.id,), split=(WasSplit(person.id, (person.id, new.id)),))
    corrected = with_people(result, [*people, new], result.unclustered)
    return (
        replace(corrected, next_id=result.next_id + 1, changes=changes),
        frozenset({person.id, new.id}),
    )


def make(result: Result, ids: Collection[str], name: str | None) -> Correction:
    """Make a new person of faces, whosever they are; all of them found it. Who has no face left is gone."""
    apart, changed = _place(result, ids, None, Reason.TAKEN_AWAY)
    theirs = [face for face in apart.unclustered if face.id in ids]
    faces = [face.placed(core=True) for face in theirs]
    new = Person.of(person_id(result.next_id), _ordered(result, faces), name)
    left = [face for face in apart.unclustered if face.id not in ids]
    made = with_people(apart, [*apart.people, new], left)
    changes = replace(apart.changes, appeared=(new.id,))
    return replace(made, next_id=result.next_id + 1, changes=changes), changed | {new.id}


def take_in(
    result: Result,
    names: Mapping[str, str],
    moved: Mapping[str, Collection[str]],
    made: Sequence[tuple[str, Collection[str]]],
) -> Correction:
    """Give people names, and give faces of nobody to people who are there, or make new people of them, all at once.

    Args:
        result: see `Result`.
        names: new names, by id of the person.
        moved: ids of the faces of nobody that a person gets, by id of the person.
        made: of each new person the name and the ids of the faces of nobody.
    """
    whose = {face: id_ for id_, faces in moved.items() for face in faces}
    new = {face: number for number, (_, faces) in enumerate(made) for face in faces}
    came: dict[str | int, list[PersonFace]] = {}
    for face in result.unclustered:
        owner = new.get(face.id, whose.get(face.id))
        if owner is not None:
            came.setdefault(owner, []).append(face.placed(core=face.id in new))
    people = [
        person.with_faces(_ordered(result, [*person.faces, *came[person.id]]))
        if person.id in came
        else person
        for person in result.people
    ]
    people = [replace(person, name=names[person.id]) if person.id in names else person for person in people]
    appeared = tuple(
        Person.of(person_id(result.next_id + number), _ordered(result, came[number]), name)
        for number, (name, _) in enumerate(made)
    )
    taken = whose.keys() | new.keys()
    result, left = _without_almost(
        result, [face for face in result.unclustered if face.id not in taken], taken
    )
    corrected = with_people(result, [*people, *appeared], left)
    changes = Changes(appeared=tuple(person.id for person in appeared))
    changed = frozenset({*moved, *changes.appeared})
    return replace(corrected, next_id=result.next_id + len(made), changes=changes), changed


def move(result: Result, ids: Collection[str], into: Person | None) -> Correction:
    """Give faces to a person, or to nobody; who has no face left is gone."""
    return _place(result, ids, into, Reason.TAKEN_AWAY)


def not_a_person(result: Result, ids: Collection[str]) -> Correction:
    """Say of faces that they are no person's; who has no face left is gone."""
    return _place(result, ids, None, Reason.NOT_A_PERSON)


def add(result: Result, faces: Sequence[UnclusteredFace]) -> Correction:
    """Put in new faces, of nobody; none of them is there."""
    n_first = len({face.photo for face in faces} - _shown(result))
    grown = with_people(result, result.people, [*result.unclustered, *faces])
    counts = replace(grown.counts, ok=grown.counts.ok + n_first, no_face=grown.counts.no_face - n_first)
    return replace(grown, counts=counts, changes=Changes()), frozenset()


def remove(result: Result, ids: Collection[str]) -> Correction:
    """Take faces out altogether; who has no face left is gone."""
    apart, changed = _place(result, ids, None, Reason.TAKEN_AWAY)
    less = with_people(apart, apart.people, [face for face in apart.unclustered if face.id not in ids])
    n_bare = len(_shown(result) - _shown(less))
    counts = replace(less.counts, ok=less.counts.ok - n_bare, no_face=less.counts.no_face + n_bare)
    return replace(less, counts=counts), changed


def _shown(result: Result) -> set[str]:
    """Paths of the photos that have a face."""
    placed = {face.photo for person in result.people for face in person.faces}
    return placed | {face.photo for face in result.unclustered}


def _place(result: Result, ids: Collection[str], into: Person | None, reason: Reason) -> Correction:
    """Take faces from wherever they are, and put them where they belong; `reason` is for those who are nobody's."""
    people: list[Person] = []
    taken: list[PersonFace | UnclusteredFace] = []
    changed = set[str]()
    vanished: list[Person] = []
    for person in result.people:
        stay = [face for face in person.faces if face.id not in ids]
        if len(stay) == len(person.faces) or (into is not None and person.id == into.id):
            people.append(person)
            continue
        taken += (face for face in person.faces if face.id in ids)
        if stay:
            changed.add(person.id)
            people.append(person.with_faces(stay))
        else:
            vanished.append(person)
    if into is None:
        left = [_let_go(face, reason) if face.id in ids else face for face in result.unclustered]
        left += (_let_go(face, reason) for face in taken)
    else:
        taken = [*(face for face in result.unclustered if face.id in ids), *taken]
        left = [face for face in result.unclustered if face.id not in ids]
        added = [face.placed(core=False) for face in taken]
        grown = into.with_faces(_ordered(result, [*into.faces, *added]))
        people = [grown if person.id == into.id else person for person in people]
        changed.add(into.id)
    result, left = _without_almost(result, left, ids)
    corrected = with_people(result, people, left)
    changes = Changes(vanished=tuple(person.id for person in vanished))
    absent = (*result.absent, *map(Absent.of, vanished))
    return replace(corrected, changes=changes, absent=absent), frozenset(changed)


def _let_go(face: PersonFace | UnclusteredFace, reason: Reason) -> UnclusteredFace:
    """Make a face of nobody."""
    return UnclusteredFace(
        face.id, face.photo, face.box, face.pose, face.quality, reason.code,
        anchor=face.anchor, page=face.page, time_s=face.time_s, track=face.track,
    )  # fmt: skip


def _ordered(result: Result, faces: Iterable[PersonFace]) -> list[PersonFace]:
    """Order faces as `make_result` does, as far as records tell: worth showing, then founding, then as they were."""
    rules = result.settings.rules
    least = (Limits() if rules is None else rules.limits).min_quality

    def key(face: PersonFace) -> tuple[bool, bool]:
        size = min(face.box.right - face.box.left, face.box.bottom - face.box.top)
        return size < SHARP_BOX_PX or (face.quality is not None and face.quality <= least), not face.core

    return sorted(faces, key=key)


def _without_almost(
    result: Result, left: Iterable[UnclusteredFace], ids: Collection[str]
) -> tuple[Result, list[UnclusteredFace]]:
    """Take faces out of the almost-people; one without a face that counts is none any more."""
    almost: list[AlmostPerson] = []
    place: dict[int, int] = {}
    for number, person in enumerate(result.almost):
        faces = tuple(face for face in person.faces if face.id not in ids)
        if len(faces) < len(person.faces):
            photos = {face.photo for face in faces if not face.missing}
            person = replace(person, faces=faces, n_photos=min(person.n_photos, len(photos)))
        if len(faces) > 1 and person.n_photos > 0:
            place[number] = len(almost)
            almost.append(person)
    moved = [face if face.almost is None else replace(face, almost=place.get(face.almost)) for face in left]
    return replace(result, almost=tuple(almost)), moved
