"""Who questions are about: people, and faces of nobody, those that are alike together; kept up to date."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from facecluster.errors import TableError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.decisions import Spots, digest_of
from facecluster.identity.gate import Reason
from facecluster.identity.points import Points
from facecluster.joined import Known, bounds_of
from facecluster.library.answered import Ids
from facecluster.library.held import Held
from facecluster.library.nearness import Body, Nearness
from facecluster.library.refer import faces_of
from facecluster.library.strangers import name_of, names_of, parts_of, strangers
from facecluster.result import Person, PersonFace, Result, UnclusteredFace

_MOST_FREE = 8000
"""Of more faces of nobody it is not looked who is alike, but for almost-people: a second for so many."""
_UNIT = 1 / 56
"""Of radius², where a result does not say `Radii.growth`."""


class Numbers(NamedTuple):
    """What the face table says of the faces of a result.

    Attributes:
        row: by id of the face, among the points.
        near: how near bodies are.
    """

    row: dict[str, int]
    near: Nearness


class Bodies:
    """The people of a library, and the faces of nobody. A body is one of these, and has a key.

    Attributes:
        result: who is who.
        table: the face table that the library has read; None: it has none.
        people: by id, those who are not hidden.
        owner: by id, all people.
        free: by id, the faces of nobody but of those said to be no person.
        groups: by key, faces of nobody that are alike, and those that are like none.
        ids: by key, the faces of each body; who is hidden is none.
        body_of: by id of a face, the key of its body, or the id of who is hidden.
        numbers: None: nothing can be compared.
    """

    def __init__(self, library: Held) -> None:
        """Look at a library, see `read`."""
        self.read(library)

    def read(self, library: Held) -> None:
        """Look at all people, and all faces of nobody, in place of those before.

        Raises:
            FaceclusterError: nobody has been grouped yet.
        """
        result = self.result = library.people
        self.table = table_of(library)
        self.people: dict[str, Person] = {}
        self.owner: dict[str, Person] = {}
        self.free: dict[str, UnclusteredFace] = {}
        self.groups: dict[str, Ids] = {}
        self.body_of: dict[str, str] = {}
        self.ids: dict[str, Ids] = {}
        self._sorted: list[str] = []  # all faces
        self._photos_of: dict[str, frozenset[str]] = {}
        self.numbers: Numbers | None = None
        groups = self._measure(library, result)
        for person in result.people:
            self._enter(person.id, [face.id for face in person.faces], person)
        self._take_free(result)
        for key, ids in groups.items():
            self._enter(key, ids)
        self._sorted = sorted(self.body_of)
        self.put(self.ids)

    def follow(self, result: Result, new: Sequence[Person], gone: Sequence[Person]) -> set[str]:
        """Follow faces to where they are in another result, and say which bodies are others, by key."""
        self.result = result
        changed = {person.id for person in (*new, *gone)}
        free = self.free
        self._take_free(result)
        left = free.keys() - self.free.keys()
        came = [face for face in self.free if face not in free]
        for key in {self.body_of[face] for face in left if face in self.body_of}:
            if key in self.groups:
                changed.add(key)
                ids = tuple(face for face in self.groups[key] if face not in left)
                self._forget(key)
                if ids:
                    name = ids[0] if len(ids) == 1 else self._group_name(key, ids)
                    self._enter(name, ids)
                    changed.add(name)
        for person in gone:
            self._forget(person.id)
        for person in new:
            self._enter(person.id, [face.id for face in person.faces], person)
        for face in came:
            self._enter(face, [face])
            changed.add(face)
        for face in (*came, *(face.id for person in new for face in person.faces)):
            place = bisect_left(self._sorted, face)
            if self._sorted[place : place + 1] != [face]:
                self._sorted.insert(place, face)
        return changed

    def find(self, spots: Spots) -> Ids:
        """Find the faces that a decision knows so."""
        found = []
        for spot in spots:
            ids = list[str]()
            for place in range(bisect_left(self._sorted, spot.digest), len(self._sorted)):
                face = self._sorted[place]
                if not face.startswith(spot.digest):
                    break
                if digest_of(face) == spot.digest and face in self.body_of:
                    ids.append(face)
            known = ((face, self.record(face)) for face in ids)
            records = [
                (face, one.known_at)
                for face, one in known
                if (one.page, one.time_s) == (spot.page, spot.time_s)
            ]
            same = [face for face, box in records if tuple(box) == tuple(spot.box)]
            if not same and records:
                iou = overlaps(
                    np.tile(np.array(spot.box), (len(records), 1)), np.array([box for _, box in records])
                )
                same = [records[int(iou.argmax())][0]] if iou.max() >= SAME_FACE_IOU else []
            found += same[:1]
        return tuple(dict.fromkeys(found))

    def record(self, face: str) -> PersonFace | UnclusteredFace:
        """Give what the result says of a face."""
        if face in self.free:
            return self.free[face]
        return next(one for one in self.owner[self.body_of[face]].faces if one.id == face)

    def photos(self, key: str) -> frozenset[str]:
        """Ids of the photos of a body; those of a person are kept."""
        if key not in self.people:
            return frozenset(map(digest_of, self.ids[key]))
        if key not in self._photos_of:
            self._photos_of[key] = frozenset(map(digest_of, self.ids[key]))
        return self._photos_of[key]

    def body(self, key: str) -> Body | None:
        """The rows of a body; None where no face of it can be compared."""
        if self.numbers is None:
            return None
        row, person = self.numbers.row, self.people.get(key)
        if person is None:
            rows = founding = [row[face] for face in self.ids[key] if face in row]
        else:
            core = {face.id: face.core for face in person.faces}
            rows = [row[face] for face in core if face in row]
            founding = [row[face] for face, is_core in core.items() if is_core and face in row] or rows
        if not rows:
            return None
        return Body(key, np.array(rows), np.array(founding), person is not None)

    def put(self, keys: Iterable[str]) -> None:
        """Sum up some bodies."""
        if self.numbers is not None:
            bodies = (self.body(key) for key in keys if key in self.ids)
            self.numbers.near.put([body for body in bodies if body is not None])

    def _measure(self, library: Held, result: Result) -> dict[str, Ids]:
        """Find the faces in the table, and those of nobody that are alike, by the key of their group.

        Where there are very many of nobody, or there is no table, the almost-people are all that is known of them.
        """
        no_person = Reason.NOT_A_PERSON.code
        free = {face.id: None for face in result.unclustered if face.reason != no_person}
        almost = ([face.id for face in one.faces if face.id in free] for one in result.almost)
        groups = _named(result, almost)
        try:
            bounds, table = bounds_of(result), library.table
            if table.settings.encoder != result.settings.faces.encoder:
                raise TableError("of another encoder than the people")
            points = Points.of(table.faces.encoding, table.settings.encoder)
            known = Known.of(replace(result, people=()), table) if len(free) <= _MOST_FREE else None
        except TableError:
            return groups
        at = dict(zip(table.faces.id.tolist(), range(len(points)), strict=True))
        finite = points.finite
        row = {
            face.id: at[face.id] for face in faces_of(result) if finite[at.get(face.id, -1)] and face.id in at
        }
        rules = result.settings.rules
        unit = (rules.radii.growth if rules is not None else 0) or bounds.join**2 * _UNIT
        self.numbers = Numbers(row, Nearness(points, bounds.reach, unit))
        if known is not None:
            groups = {}
            for group in strangers(known, table):
                ids = tuple(dict.fromkeys(face.id for face in group.faces))
                groups[group.id if len(ids) > 1 else ids[0]] = ids
        together = {face for ids in groups.values() for face in ids}
        return groups | {face: (face,) for face in free if face not in together}

    def _enter(self, key: str, ids: Iterable[str], person: Person | None = None) -> None:
        """Remember a body. Who is hidden is none, but decisions may be about these faces."""
        faces = tuple(dict.fromkeys(ids))
        self.body_of.update(dict.fromkeys(faces, key))
        if person is not None:
            self.owner[key] = person
            if person.hidden:
                return
        self.ids[key] = faces
        if person is None:
            self.groups[key] = faces
        else:
            self.people[key] = person

    def _take_free(self, result: Result) -> None:
        """Remember the faces of nobody, but of those said to be no person."""
        no_person = Reason.NOT_A_PERSON.code
        self.free = {face.id: face for face in result.unclustered if face.reason != no_person}

    def _group_name(self, key: str, ids: Ids) -> str:
        """Name what is left of a group: as before where one of its faces bears that name."""
        digest, ordinal = parts_of(key.removeprefix("group-"))
        named = any(parts_of(face)[0].startswith(digest) and parts_of(face)[1] == ordinal for face in ids)
        return key if named else name_of(self.result, ids)

    def _forget(self, key: str) -> None:
        owner = self.owner.pop(key, None)
        faces = self.ids.pop(key, ()) if owner is None else [face.id for face in owner.faces]
        for face in faces:
            if self.body_of.get(face) == key:
                del self.body_of[face]
        self.ids.pop(key, None)
        self.people.pop(key, None)
        self._photos_of.pop(key, None)
        self.groups.pop(key, None)


def table_of(library: Held) -> object:
    """Give the face table that a library has read; None: it has none."""
    if library.table_file is None:
        return None
    try:
        return library.table
    except TableError:
        return None


def _named(result: Result, groups: Iterable[Sequence[str]]) -> dict[str, Ids]:
    """Give groups of faces of nobody by their names, see `strangers`; those of one face by its id."""
    found = [tuple(dict.fromkeys(ids)) for ids in groups if ids]
    names = names_of(result, found)
    return {name if len(ids) > 1 else ids[0]: ids for name, ids in zip(names, found, strict=True)}
