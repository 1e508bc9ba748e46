"""What a person said of a library, in order of time, and whether it still holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from facecluster.identity.assured import lapsed
from facecluster.identity.decisions import (
    Act,
    Decision,
    Make,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spot,
    Spots,
    Undo,
    digest_of,
    in_force,
    locate,
    spots_of,
    undone,
)
from facecluster.library.held import Held
from facecluster.library.refer import Spelling, faces_of
from facecluster.result import Person, Result, columns
from facecluster.text import many, printable

_N_PHOTOS = 3
"""Photos that a sentence names."""


@dataclass(frozen=True)
class PastDecision:
    """A decision of the past.

    Attributes:
        id: of the decision; `undo` takes it.
        time: ISO 8601, UTC.
        said: what was decided, in a sentence; ids are those of the time, photos are called as they are now.
        people: ids, of the time, of the people whom it names; whoever holds its faces now comes first.
        photos: absolute paths, now, of the photos of the faces that it is about.
        holds: whether it is in force; not so where it was taken back.
        undone_by: id of the decision that took it back; None: none did.
        found: whether any of the faces that it is about is in the library now.
        decision: all of it.
    """

    id: str
    time: str
    said: str
    people: tuple[str, ...]
    photos: tuple[str, ...]
    holds: bool
    undone_by: str | None
    found: bool
    decision: Decision


def history(library: Held, person: Person | None = None) -> tuple[PastDecision, ...]:
    """Give the decisions of a library in order of time.

    Args:
        library: whose decisions.
        person: only those that name this person, or are about a face that is this person's now; None: all.
    """
    decisions = library.decisions
    if not decisions:
        return ()
    by_id = {decision.id: decision for decision in decisions}
    gone = undone(decisions)
    standing = {decision.id for decision in in_force(decisions)}
    undone_by = {
        decision.act.undo: decision.id
        for decision in decisions
        if isinstance(decision.act, Undo) and decision.id not in gone
    }
    told = _Told(library.people, decisions)
    lost = {decision.id for decision in lapsed(decisions, told.placed)}
    past = []
    for decision in decisions:
        about = _target(decision, by_id)
        if person is None or told.names(about.act, person):
            past.append(
                PastDecision(
                    decision.id,
                    decision.time,
                    told.sentence(decision, by_id),
                    told.people(about.act),
                    told.photos(about.act),
                    decision.id in standing or (isinstance(decision.act, Undo) and decision.id not in gone),
                    undone_by.get(decision.id),
                    decision.id not in lost,
                    decision,
                )
            )
    return tuple(past)


def _target(decision: Decision, by_id: Mapping[str, Decision]) -> Decision:
    """The decision itself, or what it takes back in the end."""
    seen = set[str]()
    while isinstance(decision.act, Undo) and decision.act.undo in by_id and decision.id not in seen:
        seen.add(decision.id)
        decision = by_id[decision.act.undo]
    return decision


class _Told:
    """Decisions in words: which faces they are about, and whose these are now."""

    def __init__(self, result: Result, decisions: Sequence[Decision]) -> None:
        digests = {spot.digest for decision in decisions for spot in spots_of(decision.act)}
        self.result = result
        self.placed = columns(result, digests)
        self._found = locate(decisions, self.placed)
        self._spelling = Spelling(result)
        self._record = {
            (face.id, face.photo): face for face in faces_of(result) if digest_of(face.id) in digests
        }

    def sentence(self, decision: Decision, by_id: Mapping[str, Decision]) -> str:
        """Say what was decided."""
        match decision.act:
            case Name(person, None):
                return f"{person} has no name"
            case Name(person, name):
                return f"{person} is called {printable(str(name))}"
            case Merge(people):
                return f"{' and '.join(people)} are one person: {people[0]}"
            case Split(person, faces, into=into):
                return f"{self._of(faces)} of {person} {_are(faces)} somebody else: {into or 'a new person'}"
            case Make(person, name, faces):
                who = person if name is None else f"{printable(name)} ({person})"
                return f"{self._of(faces)} made a new person: {who}"
            case Move(person, into, faces):
                return f"{self._of(faces)} moved from {person or 'nobody'} to {into or 'nobody'}"
            case NotAPerson(None, faces):
                return f"{self._of(faces)} {_are(faces)} no person's"
            case NotAPerson(person, _):
                return f"{person} is no person"
            case Undo(target):
                back = by_id.get(target)
                what = "a decision that is not here" if back is None else self.sentence(back, by_id)
                return f"taken back: {what} ({target})"

    def people(self, act: Act) -> tuple[str, ...]:
        """Ids of who holds the faces of an act now, and of those whom it names."""
        match act:
            case Merge(people):
                named: Collection[str | None] = people
            case Split(person, into=into) | Move(person, into):
                named = (person, into)
            case Name(person) | Make(person) | NotAPerson(person):
                named = (person,)
            case Undo():
                named = ()
        rows = [row for spot in spots_of(act) for row in self._found[spot]]
        holders = (
            [self.result.people[n].id for n in self.placed.person[rows].tolist() if n >= 0] if rows else []
        )
        return tuple(dict.fromkeys([*holders, *(one for one in named if one is not None)]))

    def names(self, act: Act, person: Person) -> bool:
        """Say whether an act is about a person."""
        return not {person.id, *person.former}.isdisjoint(self.people(act))

    def photos(self, act: Act) -> tuple[str, ...]:
        """Paths of the photos of the faces that an act is about."""
        return tuple(
            dict.fromkeys(self.placed.photo[row] for spot in _about(act) for row in self._found[spot])
        )

    def _of(self, spots: Spots) -> str:
        """Count faces, and name the first of their photos."""
        names = list(dict.fromkeys(text for spot in spots if (text := self._called(spot))))
        rest = [f"{len(names) - _N_PHOTOS} more"] if len(names) > _N_PHOTOS else []
        shown = ", ".join([*names[:_N_PHOTOS], *rest])
        return f"{many(len(spots), 'face')}{f' ({shown})' if shown else ''}"

    def _called(self, spot: Spot) -> str:
        """How the face of a spot is called; "" where it is not there."""
        for row in self._found[spot]:
            return self._spelling.face(self._record[self.placed.id[row], self.placed.photo[row]])
        return ""


def _about(act: Act) -> Spots:
    """The faces that an act is about, without those by which it knows a person on the other side."""
    return act.faces if isinstance(act, Split | Make | Move) else spots_of(act)


def _are(spots: Spots) -> str:
    return "is" if len(spots) == 1 else "are"
