"""People who are there because somebody said so: by which faces they are known, and by which id and name.

Decisions are read in order of time. Each that is about a person makes an entry of it, and takes in those entries that
are of the same person: half of the faces of one of the two are the other's. An example: a person is named by four
faces, then named anew by three of them, then one of these is split off. That makes two people, one known by three
faces, with the second name, and one known by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.changes import Placed
from facecluster.identity.decisions import (
    Cover,
    Decision,
    Different,
    Draw,
    Hide,
    Make,
    Merge,
    Move,
    Name,
    NotAPerson,
    Said,
    Split,
    Undo,
    Unsure,
    in_force,
    locate,
    remembered,
    rows_at,
    spots_of,
)
from facecluster.table import Faces

_ENOUGH = 2
"""Faces by which somebody holds a person, or half of those that it is known by; fewer went astray."""


@dataclass(frozen=True, eq=False)
class Assured:
    """A person of whom decisions in force speak.

    Attributes:
        id: by which the last decision knows it; None: by none yet.
        name: that it was given; None: none, or it was taken away.
        rows: (k,) int64 faces that it is known by, k >= 1, rising; no face is two people's.
        is_kept: whether it is a person under any settings: it has a name, or was merged, split or given a face.
        given: the decision that gave or took its name; None: none did.
        by: place among those in force of the last that says so, as a merge does of the names of its people; -1 none.
        hidden: whether it was left out of lists.
        hidden_by: place of the decision that says whether it is; -1 none.
    """

    id: str | None
    name: str | None
    rows: NDArray[np.int64]
    is_kept: bool
    given: Decision | None
    by: int
    hidden: bool = False
    hidden_by: int = -1


class Namesakes(NamedTuple):
    """Two people who were given one name, by number, and the decisions that say so; the second has it."""

    first: int
    second: int
    decisions: tuple[Decision, Decision]


@remembered
def assured(decisions: Sequence[Decision], faces: Faces | Placed) -> tuple[Assured, ...]:
    """Give the people of whom decisions speak that have a face here, in order of the decisions that spoke last.

    Args:
        decisions: in order of time, with those that are undone.
        faces: n faces of a table or of a result. Identical copies of a photo all count.
    """
    standing = in_force(decisions)
    found = locate(standing, faces)
    entries = _Entries({row: rows[0] for rows in found.values() for row in rows})
    for by, decision in enumerate(standing):
        match decision.act:
            case Name(person=person, name=name, faces=spots):
                rows = rows_at(found, spots)
                entries.add(_Entry(person, name, decision, by), rows, [rows])
            case Merge(people=people, faces=groups):
                sides = [rows for spots in groups if (rows := rows_at(found, spots))]
                rows = [row for side in sides for row in side]
                entries.add(_Entry(people[0], None, by=by, by_hand=True), rows, sides)
            case Split(person=person, faces=spots, away=away, into=into):
                rows, rest = rows_at(found, spots), rows_at(found, away)
                entries.take(rows, rest)
                entries.add(_Entry(person, None, by_hand=True), rest, [rest])
                entries.add(_Entry(into, None, by_hand=True), rows, [], fixed=rows)
            case Make(person=person, name=name, faces=spots, away=away):
                rows = rows_at(found, spots)
                entries.take(rows, rows_at(found, away))
                given = None if name is None else decision
                entries.add(_Entry(person, name, given, by, by_hand=True), rows, [], fixed=rows)
            case Move(into=into, faces=spots, to=to, away=away) as act:
                rows, theirs = rows_at(found, spots), rows_at(found, to or ())
                entry = _Entry(into, None, by_hand=True)
                side = [*rows, *theirs] if act.is_confirmed else theirs
                own = entries.same(entry, side) if act.is_confirmed else ()
                entries.take(rows, rows_at(found, away), but=own)
                if to is not None:
                    entries.add(entry, [*rows, *theirs], [side], fixed=rows)
            case NotAPerson(person=person, faces=spots):
                rows = rows_at(found, spots)
                if person is not None:
                    entries.drop(rows)
                entries.take(rows, [])
            case Hide(person=person, hidden=hidden, faces=spots):
                rows = rows_at(found, spots)
                entries.add(_Entry(person, None, hidden=hidden, hidden_by=by), rows, [rows])
            case Different() | Cover() | Unsure() | Said() | Draw() | Undo():
                pass
    return entries.people()


def names(decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]) -> dict[int, str]:
    """Say who has which name: whoever holds the faces that it was given to (`holder`); the later decision wins.

    A name that nobody holds is nobody's, and no name is two people's.

    Args:
        decisions: in order of time, with those that are undone.
        faces: n faces of a table or of a result.
        label: (n,) number of each face's person, -1 none.

    Returns:
        Name by number of person.
    """
    said = _said(decisions, faces, label)
    lost = {pair.first for pair in _namesakes(said)}
    return {number: one.name for number, one in said.items() if one.name is not None and number not in lost}


def given(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> dict[int, Decision]:
    """Give the decisions by which people have their names, or none, by number; the arguments are those of `names`."""
    said = _said(decisions, faces, label)
    return {number: one.given for number, one in said.items() if one.given is not None}


def hidden(decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]) -> set[int]:
    """Say who is left out of lists, by number: whoever holds the faces of which it was said last.

    Of somebody who has a name, only what was said of who has it counts. The arguments are those of `names`.
    """
    said: dict[int, Assured] = {}
    for one in sorted(assured(decisions, faces), key=lambda one: (one.name is not None, one.hidden_by)):
        number = holder(label, one.rows)
        if number is not None:
            said[number] = one
    return {number for number, one in said.items() if one.hidden}


def covers(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> dict[int, str]:
    """Give the ids of the faces that were chosen as covers, by number of who holds them; the later decision wins.

    The arguments are those of `names`.
    """
    standing = in_force(decisions)
    chosen: dict[int, str] = {}
    if any(isinstance(decision.act, Cover) for decision in standing):
        found = locate(standing, faces)
        for decision in standing:
            if isinstance(decision.act, Cover):
                rows = rows_at(found, decision.act.faces)
                chosen |= {int(label[row]): str(faces.id[row]) for row in rows if label[row] >= 0}
    return chosen


def namesakes(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> list[Namesakes]:
    """Say who lost a name to somebody who was given it later; the arguments are those of `names`."""
    return _namesakes(_said(decisions, faces, label))


def replaced(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> dict[str, str]:
    """Say which names in force are nobody's any more, and by which later decision; the arguments are those of `names`.

    A later name of the same person ends one, so does a merge in which another name stayed, and the same name given to
    somebody else. So does a later cover of the same person end one, and what is said later of who is left out of lists.

    Returns:
        Id of the later decision, by that of the decision that gave or took a name.
    """
    standing = in_force(decisions)
    said, found = _said(decisions, faces, label), locate(standing, faces)
    ended = {pair.decisions[0].id: pair.decisions[1].id for pair in _namesakes(said)}
    places = {decision.id: place for place, decision in enumerate(standing)}
    for place, decision in enumerate(standing):
        if not isinstance(decision.act, Name):
            continue
        number = holder(label, np.array(rows_at(found, decision.act.faces), dtype=np.int64))
        one = None if number is None else said.get(number)
        if one is None or one.given is None or one.given.id == decision.id:
            continue
        given = places[one.given.id]
        last = given if given > place else one.by
        if last > place:
            ended[decision.id] = standing[last].id
    latest: dict[tuple[type[Hide | Cover], int | None], str] = {}
    for decision in reversed(standing):
        if isinstance(decision.act, Hide | Cover):
            number = holder(label, np.array(rows_at(found, decision.act.faces), dtype=np.int64))
            later = latest.setdefault((type(decision.act), number), decision.id)
            if number is not None and later != decision.id:
                ended[decision.id] = later
    return ended


def claims(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> dict[int, str]:
    """Say by which id decisions know people.

    It is `person` of a name and of a make, the first of `Merge.people`, `Split.into`, `Move.into`. The arguments are
    those of `names`.

    Returns:
        Id by number of person, of those of whom a decision in force speaks. Who has a name wins, then the later
        decision, and no id is two people's.
    """
    claimed: dict[int, str] = {}
    for one in sorted(assured(decisions, faces), key=lambda one: one.name is not None):
        number = holder(label, one.rows)
        if number is not None and one.id is not None:
            claimed = {other: id_ for other, id_ in claimed.items() if id_ != one.id} | {number: one.id}
    return claimed


def lapsed(decisions: Sequence[Decision], faces: Faces | Placed) -> list[Decision]:
    """Give the decisions in force that are about faces of which none is there.

    The faces by which a split or a move knows the people on either side do not count.
    """
    standing = in_force(decisions)
    found = locate(standing, faces)
    gone = []
    for decision in standing:
        act = decision.act
        about = act.faces if isinstance(act, Split | Make | Move) else spots_of(act)
        if about and not any(found[spot] for spot in about):
            gone.append(decision)
    return gone


def holder(label: NDArray[np.integer], rows: NDArray[np.int64]) -> int | None:
    """Find who holds a person: most of its faces that are anybody's, two at least or half of all.

    Args:
        label: (n,) number of each face's person, -1 none.
        rows: (k,) faces that the person is known by.

    Returns:
        The number, of equal ones the lowest; None if nobody holds it.
    """
    number, count = np.unique(label[rows][label[rows] >= 0], return_counts=True)
    if len(number) == 0:
        return None
    most = int(count.argmax())
    return int(number[most]) if count[most] >= _ENOUGH or 2 * count[most] >= len(rows) else None


def _namesakes(said: dict[int, Assured]) -> list[Namesakes]:
    found: list[Namesakes] = []
    latest: dict[str, int] = {}
    for number in sorted(said, key=lambda number: said[number].by, reverse=True):
        one = said[number]
        if one.name is not None and one.given is not None:
            other = latest.setdefault(one.name.casefold(), number)
            if other != number and (winner := said[other].given):
                found.append(Namesakes(number, other, (one.given, winner)))
    return found[::-1]


def _said(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> dict[int, Assured]:
    """Give what was said last of everybody's name, by number of person."""
    said: dict[int, Assured] = {}
    for one in sorted(assured(decisions, faces), key=lambda one: one.by):
        number = holder(label, one.rows)
        if number is not None and one.given is not None:
            said[number] = one
    return said


@dataclass(eq=False, slots=True)
class _Entry:
    """What decisions said so far of a person; see `Assured`.

    Attributes:
        rows: by which it is known; `fixed` are those that were put here by hand.
        faces: how many of the rows are of each face, by its first row.
        place: rises with the decision that spoke of it last.
    """

    id: str | None
    name: str | None
    given: Decision | None = None
    by: int = -1
    by_hand: bool = False
    hidden: bool = False
    hidden_by: int = -1
    rows: set[int] = field(default_factory=set)
    fixed: set[int] = field(default_factory=set)
    faces: dict[int, int] = field(default_factory=dict)
    place: int = 0


class _Entries:
    """The people of whom decisions spoke so far. Copies of a face, whose `first` is the same, count as one.

    They are found by their faces, or by id and name: no decision looks at all of them.
    """

    def __init__(self, first: dict[int, int]) -> None:
        self._first = first
        self._n_added = 0
        self._entries = set[_Entry]()
        self._of_face: dict[int, set[_Entry]] = defaultdict(set)
        self._of_name: dict[tuple[str | None, str | None], set[_Entry]] = {}

    def add(
        self,
        said: _Entry,
        rows: Sequence[int],
        sides: Sequence[Sequence[int]],
        *,
        fixed: Sequence[int] = (),
    ) -> None:
        """Add a person, and take in whoever is one of the sides by which the decision knows it.

        Args:
            said: what the decision says, without rows.
            rows: of the person.
            sides: rows of each.
            fixed: rows that were put there by hand.
        """
        if not rows:
            return
        known = list(dict.fromkeys(other for side in sides for other in self.same(said, side)))
        if said.given is None:  # it says nothing of the name
            named = next((other for other in known if other.name is not None), None)
            named = named or next((other for other in known if other.given is not None), None)
            said.by = -1 if named is None else max(said.by, named.by)
            if named is not None:
                said.name, said.given = named.name, named.given
        if (
            said.hidden_by < 0 and sides
        ):  # it says nothing of that; who was merged into this one does not count
            first = self.same(said, sides[0])
            shown = next((other for other in first if other.hidden_by >= 0), said)
            said.hidden, said.hidden_by = shown.hidden, shown.hidden_by
        entry = max(known, key=lambda other: len(other.rows), default=said)  # the others' rows go to it
        self._forget_name(entry)
        entry.id, entry.name, entry.given, entry.by = said.id, said.name, said.given, said.by
        entry.hidden, entry.hidden_by = said.hidden, said.hidden_by
        entry.by_hand = said.by_hand or any(other.by_hand for other in known)
        for other in known:
            if other is not entry:
                self._put(entry, other.rows)
                entry.fixed |= other.fixed
                self._drop(other)
        self._put(entry, rows)
        entry.fixed.update(fixed)
        self._n_added += 1
        entry.place = self._n_added
        self._entries.add(entry)
        self._of_name.setdefault((entry.id, entry.name), set()).add(entry)

    def take(self, taken: Iterable[int], left: Sequence[int], *, but: Collection[_Entry] = ()) -> None:
        """Take faces off everybody that went elsewhere; where all of them went, those that stayed know the person.

        Args:
            taken: rows of the faces.
            left: rows of those that stayed.
            but: of whom none is taken.
        """
        gone = set(taken)
        for entry in set().union(*(self._of_face[self._first[row]] for row in gone)).difference(but):
            if gone.isdisjoint(entry.rows):
                continue
            for row in gone & entry.rows:
                self._take_off(entry, row)
            entry.fixed -= gone
            if not entry.rows:
                self._put(entry, left)
            if not entry.rows:
                self._drop(entry)

    def drop(self, rows: Sequence[int]) -> None:
        """Forget whoever is known by these rows."""
        for entry in self._overlapping(rows):
            self._drop(entry)

    def people(self) -> tuple[Assured, ...]:
        """Give all of them; a face of several is whose it was put by hand, else theirs of whom the last decision is."""
        entries = sorted(self._entries, key=_place)
        owner: dict[int, int] = {}
        for number, entry in enumerate(entries):
            owner.update(dict.fromkeys(entry.faces, number))
        for number, entry in enumerate(entries):
            owner.update((self._first[row], number) for row in entry.fixed)
        people = []
        for number, entry in enumerate(entries):
            rows = np.array(
                sorted(row for row in entry.rows if owner[self._first[row]] == number), dtype=np.int64
            )
            if len(rows):
                is_kept = entry.by_hand or entry.name is not None
                people.append(
                    Assured(
                        entry.id,
                        entry.name,
                        rows,
                        is_kept,
                        entry.given,
                        entry.by,
                        entry.hidden,
                        entry.hidden_by,
                    )
                )
        return tuple(people)

    def same(self, new: _Entry, side: Sequence[int]) -> list[_Entry]:
        """Find whoever is a side by which a decision knows a person; the last of them first."""
        same = self._overlapping(side)
        if new.id is not None:
            same |= {entry for row in side for entry in self._of_face[self._first[row]] if entry.id == new.id}
            same |= self._of_name.get((new.id, new.name), set()) if new.name else set()
        return sorted(same, key=_place, reverse=True)

    def _overlapping(self, rows: Sequence[int]) -> set[_Entry]:
        """Find those of whose faces half are here, or who have half of these."""
        faces = {self._first[row] for row in rows}
        shared: dict[_Entry, int] = {}
        for face in faces:
            for entry in self._of_face[face]:
                shared[entry] = shared.get(entry, 0) + 1
        return {entry for entry, n in shared.items() if 2 * n >= min(len(entry.faces), len(faces))}

    def _put(self, entry: _Entry, rows: Iterable[int]) -> None:
        for row in rows:
            if row not in entry.rows:
                entry.rows.add(row)
                face = self._first[row]
                entry.faces[face] = entry.faces.get(face, 0) + 1
                self._of_face[face].add(entry)

    def _take_off(self, entry: _Entry, row: int) -> None:
        face = self._first[row]
        entry.rows.remove(row)
        entry.faces[face] -= 1
        if not entry.faces[face]:
            del entry.faces[face]
            self._of_face[face].discard(entry)

    def _drop(self, entry: _Entry) -> None:
        for face in entry.faces:
            self._of_face[face].discard(entry)
        self._forget_name(entry)
        self._entries.discard(entry)

    def _forget_name(self, entry: _Entry) -> None:
        called = self._of_name.get((entry.id, entry.name), set())
        called.discard(entry)
        if not called:
            self._of_name.pop((entry.id, entry.name), None)


def _place(entry: _Entry) -> int:
    return entry.place
