"""What a person said of a library, in order of time, and whether it still holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from facecluster.errors import FaceclusterError
from facecluster.identity.assured import lapsed, replaced
from facecluster.identity.changes import Placed
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    NOBODY,
    Act,
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
    Spot,
    Spots,
    Undo,
    Unsure,
    by_words,
    digest_of,
    in_force,
    locate,
    spots_of,
    undone,
)
from facecluster.library.held import Held
from facecluster.library.imports import WHOLE, in_words
from facecluster.library.refer import Spelling, faces_of
from facecluster.result import Person, Result, columns
from facecluster.text import fold, many, printable, some

if TYPE_CHECKING:
    from facecluster.library.refer import Face

_N_PHOTOS = 3
"""Photos that a sentence names."""


@dataclass(frozen=True)
class PastDecision:
    """A decision of the past.

    Attributes:
        id: of the decision; `undo` takes it.
        time: ISO 8601, UTC.
        said: what was decided, in a sentence; ids are those of the time, names and photos those of now, but that people
            who are not there any more have the name that they were given last.
        people: ids, of the time, of the people whom it names; whoever holds its faces now comes first.
        photos: absolute paths, now, of the photos of the faces that it is about.
        holds: whether it is in force; not so where it was taken back, and a name where another one was given since.
        undone_by: id of the decision that took it back; None: none did.
        replaced_by: id of the later decision by which a name is nobody's any more; None: there is none.
        found: whether any of the faces that it is about is in the library now.
        decision: all of it.
        target: the same; of an undo, what it takes back in the end, if that is here.
    """

    id: str
    time: str
    said: str
    people: tuple[str, ...]
    photos: tuple[str, ...]
    holds: bool
    undone_by: str | None
    replaced_by: str | None
    found: bool
    decision: Decision
    target: Decision


@dataclass(frozen=True)
class Line:
    """What one line of a history tells: a decision, or an import with all of its decisions.

    Attributes:
        id: `undo` takes all of the line back by it.
        said: a sentence.
        past: the decisions, one or more, in order of time.
    """

    id: str
    said: str
    past: tuple[PastDecision, ...]

    @property
    def n_holding(self) -> int:
        """How many of them are in force."""
        return sum(one.holds for one in self.past)


def people_named(decisions: Sequence[Decision], text: str) -> list[str]:
    """Give the ids of the people of whom decisions speak by an id or a name; they may not be there now."""
    wanted, ids = fold(text), dict[str, None]()
    for decision in decisions:
        match decision.act:
            case Name(person, name) | Make(person, name) if name is not None and fold(name) == wanted:
                ids[person] = None
            case Merge(people) | Different(people):
                ids |= dict.fromkeys(own for own in people if own == wanted)
            case Split(person, into=into) | Move(person, into):
                ids |= dict.fromkeys(own for own in (person, into) if own == wanted)
            case Name(person) | Make(person) | NotAPerson(person) | Hide(person) | Cover(person) if (
                person == wanted
            ):
                ids[wanted] = None
            case _:
                pass
    return [*ids]


def history(library: Held, whom: Person | Face | str | None = None) -> tuple[PastDecision, ...]:
    """Give the decisions of a library in order of time.

    Args:
        library: whose decisions.
        whom: a person: only decisions that name this one, or are about a face that is this person's now; a face: only
            those about this face itself; a text: those that speak of the person of this id, who may not be there now;
            None: all.
    """
    return past_of(library.people, library.decisions, whom) if library.decisions else ()


def past_of(
    result: Result, decisions: Sequence[Decision], whom: Person | Face | str | None = None
) -> tuple[PastDecision, ...]:
    """Give decisions in order of time, as `history` does, where a library shows a result."""
    by_id = {decision.id: decision for decision in decisions}
    gone = undone(decisions)
    standing = {decision.id for decision in in_force(decisions)}
    undone_by = {
        decision.act.undo: decision.id
        for decision in decisions
        if isinstance(decision.act, Undo) and decision.id not in gone
    }
    told = _Told(result, decisions)
    lost = {decision.id for decision in lapsed(decisions, told.placed)}
    ended = _overruled(decisions, told.placed) | replaced(decisions, told.placed, told.placed.person)
    past = []
    for decision in decisions:
        about = _target(decision, by_id)
        if whom is None or told.is_about(about.act, whom):
            holds = decision.id in standing or (isinstance(decision.act, Undo) and decision.id not in gone)
            past.append(
                PastDecision(
                    decision.id,
                    decision.time,
                    told.sentence(decision, by_id),
                    told.people(about.act),
                    told.photos(about.act),
                    holds and decision.id not in ended,
                    undone_by.get(decision.id),
                    ended.get(decision.id),
                    decision.id not in lost,
                    decision,
                    about,
                )
            )
    return tuple(past)


def lines(past: Sequence[PastDecision], *, every: bool = False) -> tuple[Line, ...]:
    """Tell decisions in order of time, an import in one line, but with `every`; so is what takes an import back."""
    found = list[Line]()
    for (_, _, is_said), group in groupby(past, _call):
        those = tuple(group)
        if every or len(those) == 1 or not is_said:
            found += [Line(one.id, one.said, (one,)) for one in those]
            continue
        said, first = in_words([one.target for one in those]), those[0]
        if isinstance(first.decision.act, Undo):
            said = f"{first.said.partition(':')[0]}: {said}"
        found.append(Line(first.id + WHOLE, said, those))
    return tuple(found)


def _call(one: PastDecision) -> tuple[str, bool, bool]:
    """What the decisions of one call have in common, and whether it was an import, or took one back."""
    return one.time, isinstance(one.decision.act, Undo), one.target.said_by is not None


def _overruled(decisions: Sequence[Decision], placed: Placed) -> dict[str, str]:
    """Give, by id of a decision of which nothing is left, the id of the later one that says otherwise."""
    try:
        return dict(resolve(decisions, placed).overruled)
    except FaceclusterError:  # they contradict each other: who groups the faces says so
        return {}


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
        gone = undone(decisions)
        self._names = {
            act.person: act.name
            for decision in decisions
            if decision.id not in gone
            and isinstance(act := decision.act, Name | Make)
            and act.name is not None
        }
        for one in result.people:
            self._names.pop(one.id, None)
            if one.name is not None:
                self._names[one.id] = one.name
        self.result = result
        self.placed = columns(result, digests)
        self._found = locate(decisions, self.placed)
        self._spelling = Spelling(result)
        self._record = {
            (face.id, face.photo): face for face in faces_of(result) if digest_of(face.id) in digests
        }

    def sentence(self, decision: Decision, by_id: Mapping[str, Decision]) -> str:
        """Say what was decided, and by whose words."""
        said = self._decided(decision, by_id)
        return said if decision.said_by is None else f"{said}, {by_words(decision.said_by)}"

    def _decided(self, decision: Decision, by_id: Mapping[str, Decision]) -> str:
        match decision.act:
            case Name(person, None):
                return f"{person} has no name"
            case Name(person, name):
                return f"{person} is called {printable(str(name))}"
            case Merge(people):
                return f"{' and '.join(map(self._who, people))} are one person: {self._who(people[0])}"
            case Split(person, faces, into=into):
                new = "a new person" if into is None else self._who(into)
                return f"{self._of(faces)} of {self._who(person)} {_are(faces)} somebody else: {new}"
            case Make(person, name, faces):
                who = person if name is None else f"{person} ({printable(name)})"
                return f"{self._of(faces)} made a new person: {who}"
            case Move(into=into, faces=faces) if decision.act.is_confirmed:
                return f"{self._of(faces)} {_are(faces)} {self._who(str(into))}'s, as was confirmed"
            case Move(person, into, faces):
                origin, to = (NOBODY if one is None else self._who(one) for one in (person, into))
                return f"{self._of(faces)} moved from {origin} to {to}"
            case NotAPerson(person, faces):
                if person is None:
                    return f"{self._of(faces)} {_are(faces)} nobody you know"
                return f"{self._who(person)} is nobody you know"
            case Different(people, faces):
                one, other = (
                    self._of(spots) if own == NOBODY else self._who(own)
                    for own, spots in zip(people, faces, strict=True)
                )
                return f"{one} and {other} are not one person"
            case Hide(person, hidden):
                return f"{self._who(person)} is {'left out of lists' if hidden else 'in lists again'}"
            case Cover(person, faces):
                return f"{self._of(faces)} is the cover of {self._who(person)}"
            case Unsure(_, (faces,)):
                return f"nobody could say who {self._of(faces)} {_are(faces)}"
            case Unsure(_, faces):
                return f"nobody could say whether these are one person: {'; '.join(map(self._of, faces))}"
            case Said(name, faces):
                return f"{self._of(faces)} {_are(faces)} called {printable(name)}"
            case Draw(faces=faces):
                return f"{self._of(faces)} drawn by hand"
            case Undo(target):
                back, counts = by_id.get(target), False
                while back is not None and isinstance(back.act, Undo):
                    target, counts = back.act.undo, not counts
                    back = by_id.get(target)
                what = "a decision that is not here" if back is None else self.sentence(back, by_id)
                return f"{'counts again' if counts else 'taken back'}: {what} ({target})"

    def people(self, act: Act) -> tuple[str, ...]:
        """Ids of who holds the faces of an act now, and of those whom it names."""
        match act:
            case Merge(people) | Different(people):
                named: Collection[str | None] = people
            case Split(person, into=into) | Move(person, into):
                named = (person, into)
            case Name(person) | Make(person) | NotAPerson(person) | Hide(person) | Cover(person):
                named = (person,)
            case Unsure() | Said() | Draw() | Undo():
                named = ()
        rows = [row for spot in spots_of(act) for row in self._found[spot]]
        holders = (
            [self.result.people[n].id for n in self.placed.person[rows].tolist() if n >= 0] if rows else []
        )
        return tuple(dict.fromkeys([*holders, *(one for one in named if one not in (None, NOBODY))]))

    def is_about(self, act: Act, whom: Person | Face | str) -> bool:
        """Say whether an act is about a person, or about a face itself and not about its person."""
        if isinstance(whom, str):
            return whom in self.people(act)
        if isinstance(whom, Person):
            return not {whom.id, *whom.former}.isdisjoint(self.people(act))
        if isinstance(act, Name | Merge | Different | Hide) or (
            isinstance(act, NotAPerson) and act.person is not None
        ):
            return False
        return any(self.placed.id[row] == whom.id for spot in _about(act) for row in self._found[spot])

    def photos(self, act: Act) -> tuple[str, ...]:
        """Paths of the photos of the faces that an act is about."""
        return tuple(
            dict.fromkeys(self.placed.photo[row] for spot in _about(act) for row in self._found[spot])
        )

    def _who(self, id_: str) -> str:
        """A person's id, and the name where there is one: "person-0008 (Ruth)"."""
        name = self._names.get(id_)
        return id_ if name is None else f"{id_} ({printable(name)})"

    def _of(self, spots: Spots) -> str:
        """Count faces, and name the first of their photos."""
        names = list(dict.fromkeys(text for spot in spots if (text := self._called(spot))))
        shown = some(names, _N_PHOTOS)
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
