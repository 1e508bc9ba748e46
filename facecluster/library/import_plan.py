"""What an import decides: of the names that files give to faces, those that nobody said otherwise of here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from facecluster.errors import UsageError
from facecluster.formats.said_names import Box, SaidName
from facecluster.identity.assured import given as given_by
from facecluster.identity.changes import Placed
from facecluster.identity.decisions import (
    NOBODY,
    Act,
    Decision,
    Different,
    Make,
    Move,
    Name,
    NotAPerson,
    Said,
    SaidBy,
    Split,
    Spot,
    in_force,
    locate,
    rows_at,
)
from facecluster.identity.gate import Reason
from facecluster.library import amend, correct
from facecluster.library import said as other_files
from facecluster.library.change import spots, typical
from facecluster.library.refer import called, faces_of, with_tracks
from facecluster.result import Person, PersonFace, Result, UnclusteredFace, columns, person_id
from facecluster.text import fold, printable

MOSTLY = 0.8
"""Share of the faces of a person that have to be called the same of those that are called anything: a face that is with
the wrong person, or called wrongly, keeps nobody from a name. Fewer than four of five are no such matter."""

SEVERAL = "its faces are called several names"
"""Why a person gets no name if none is that of most of the faces."""

_ROUNDS = 10
"""A name that is given may leave one face and one name in another photo, and so on; in practice two or three times."""

_Face = PersonFace | UnclusteredFace
Acts = list[tuple[Act, SaidBy | None]]
"""What is to be decided, and whose words it is; None: nobody's but ours."""


@dataclass(frozen=True)
class Conflict:
    """Where names and faces disagree.

    Attributes:
        name: that files give to the faces.
        person: whose the faces are; None: nobody's.
        n_faces: how many.
        why: in a few words.
        said_by: whose words they are, and in which files.
    """

    name: str
    person: Person | None
    n_faces: int
    why: str
    said_by: SaidBy


@dataclass
class _Word:
    """What files say of a face, or of several: a name, and where it stands.

    Attributes:
        name: as most of them spell it.
        strong: whether a region says so, and not only that somebody is in the photo.
        origins, files: whose words it is; each once.
    """

    name: str
    strong: bool = False
    origins: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)

    def add(self, one: SaidName) -> None:
        """Take in another one that says so."""
        self.strong = self.strong or one.box is not None
        self.origins[one.origin] = None
        self.files[one.file] = None


class Plan:
    """What is to be decided, of people as they are.

    Attributes:
        words: by id of the face and folded name, what is said of it.
        named: new names, by id of the person.
        moved, made: ids of faces of nobody, by id of the person they go to; and by name of a person who is new.
        told: faces of conflicts, by name and id of the person ("" nobody).
        conflicts: see `import_names.Imported`.
        unmatched, unplaced: see `import_names.Imported`; without regions of `gone_names`.
        forgotten: paths of photos, and names there of who may be forgotten.
        gone_names: folded names of forgotten faces that nobody has. They get no new person, and no face is drawn.
        no_names: a line for each name that none can have here.
    """

    def __init__(self, result: Result, decisions: Sequence[Decision], faces: Placed) -> None:
        """Look at the people as they are; `of` plans."""
        self.result, self.decisions, self.faces = result, decisions, faces
        self.records: dict[str, _Face] = {face.id: face for face in faces_of(result)}
        self.owner = {face.id: number for number, person in enumerate(result.people) for face in person.faces}
        self.by_hand, self.apart = self._placed_by_hand()
        self.given = given_by(decisions, faces, faces.person)
        self.namesake = {fold(one.name): one for one in result.people if one.name is not None}
        self.no_names: dict[str, None] = {}
        self._checked: dict[str, str | None] = {}
        self._plan(other_files.Matched({}, (), ()))

    @classmethod
    def of(
        cls,
        result: Result,
        decisions: Sequence[Decision],
        said: other_files.Said,
        sizes: Mapping[str, tuple[int, int]],
        forgotten: Mapping[str, Sequence[Box] | None],
    ) -> Plan:
        """Plan until no name that is given leaves another one that can be."""
        plan = cls(result, decisions, columns(result))
        before: list[str | None] | None = None
        for _ in range(_ROUNDS):
            known = plan.known()
            if known == before:
                break
            plan._plan(other_files.match(said, plan.faces, sizes, known, forgotten))
            before = known
        return plan

    def _placed_by_hand(self) -> tuple[set[str], set[tuple[str, str]]]:
        """Give the ids of faces that somebody put where they are; and of those of nobody who are not a person's."""
        standing = [one for one in in_force(self.decisions) if one.said_by is None]
        found = locate(standing, self.faces)
        by_hand, apart = set[str](), set[tuple[str, str]]()
        for decision in standing:
            match decision.act:
                case Split(faces=faces) | Make(faces=faces) | Move(faces=faces) | NotAPerson(None, faces):
                    by_hand.update(self.faces.id[row] for row in rows_at(found, faces))
                case Different(people=people, faces=groups) if NOBODY in people:
                    one, other = groups if people[0] == NOBODY else groups[::-1]
                    holders = {self.faces.id[row] for row in rows_at(found, other)}
                    whose = {self.result.people[self.owner[id_]].id for id_ in holders if id_ in self.owner}
                    apart.update((self.faces.id[row], own) for row in rows_at(found, one) for own in whose)
                case _:
                    pass
        return by_hand, apart

    def can_have(self, text: str) -> bool:
        """Say whether somebody can have this name here."""
        return self._checked_name(text) is not None

    def known(self) -> list[str | None]:
        """Give the names that faces have after this plan."""
        of_person = [self.named.get(person.id, person.name) for person in self.result.people]
        names: dict[str, str | None] = {id_: of_person[number] for id_, number in self.owner.items()}
        name_of = {person.id: of_person[number] for number, person in enumerate(self.result.people)}
        for own, ids in self.moved.items():
            names |= dict.fromkeys(ids, name_of[own])
        for name, ids in self.made.items():
            names |= dict.fromkeys(ids, name)
        return [names.get(id_) for id_ in self.faces.id]

    def _plan(self, matched: other_files.Matched) -> None:
        self.unmatched, self.unplaced = matched.unmatched, matched.unplaced
        self.forgotten = [(path, one.name) for path, one in matched.forgotten]
        self.gone_names = {fold(one.name) for _, one in matched.forgotten if one.box is not None}
        self.named: dict[str, str] = {}
        self.moved: dict[str, list[str]] = {}
        self.made: dict[str, list[str]] = {}
        self.told: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.conflicts: list[Conflict] = []
        words = self._words(matched.names)
        spelt = self._spelt(words)
        self.words = words
        by_owner: dict[int | None, list[str]] = defaultdict(list)
        for id_ in words:
            by_owner[self.owner.get(id_)].append(id_)
        wanted: dict[str, list[int]] = defaultdict(list)
        for number, person in enumerate(self.result.people):
            ids = by_owner.get(number, [])
            if not ids:
                continue
            name = self._name_of(number, ids)
            if name is not None and fold(person.name or "") != name:
                wanted[name].append(number)
            else:
                self._tell(person, [id_ for id_ in ids if id_ not in self.by_hand], fold(person.name or ""))
        for name, numbers in wanted.items():
            self._give(name, spelt[name], numbers, by_owner)
        self._place_free(by_owner.get(None, []), spelt)

    def _words(self, names: Mapping[int, tuple[SaidName, ...]]) -> dict[str, dict[str, _Word]]:
        """Gather what is said of each face, by folded name. A region counts more than a name without one."""
        words: dict[str, dict[str, _Word]] = {}
        for row, those in names.items():
            for one in those:
                name = self._checked_name(one.name)
                if name is not None:
                    here = words.setdefault(self.faces.id[row], {})
                    here.setdefault(fold(name), _Word(name)).add(one)
        for id_, here in words.items():
            if any(word.strong for word in here.values()):
                words[id_] = {name: word for name, word in here.items() if word.strong}
        return words

    def _checked_name(self, text: str) -> str | None:
        """Make a name one that somebody can have here; None: it is none, which is told."""
        if text not in self._checked:
            try:
                self._checked[text] = correct.checked_name(text)
            except UsageError as error:
                self._checked[text] = None
                self.no_names[str(error)] = None
        return self._checked[text]

    def _spelt(self, words: Mapping[str, Mapping[str, _Word]]) -> dict[str, str]:
        """Say how each folded name is written: as somebody here has it, else as most files have it."""
        count: dict[str, Counter[str]] = defaultdict(Counter)
        for here in words.values():
            for name, word in here.items():
                count[name][word.name] += 1
        return {
            name: (self.namesake[name].name or "") if name in self.namesake else those.most_common(1)[0][0]
            for name, those in count.items()
        }

    def _name_of(self, number: int, ids: Sequence[str]) -> str | None:
        """Say which folded name a person can get; None: the person has one of one's own, or it is not certain."""
        person = self.result.people[number]
        given = self.given.get(number)
        if given is not None and given.said_by is None:
            return None
        if given is None and person.name is not None:
            return None
        ids = [id_ for id_ in ids if id_ not in self.by_hand] or ids
        ids = [id_ for id_ in ids if any(word.strong for word in self.words[id_].values())] or ids
        count = Counter(name for id_ in ids for name in self.words[id_])
        most = [name for name, n in count.items() if n >= MOSTLY * len(ids)]
        return most[0] if len(most) == 1 else None

    def _give(
        self, name: str, spelt: str, numbers: Sequence[int], by_owner: Mapping[int | None, list[str]]
    ) -> None:
        """Give a name to the largest of those who may get it, if it is nobody else's."""
        people = self.result.people
        holder = self.namesake.get(name)
        winner = max(numbers, key=lambda number: people[number].n_faces) if holder is None else None
        for number in numbers:
            ids = by_owner[number]
            if number == winner:
                self.named[people[number].id] = spelt
                self._tell(people[number], [id_ for id_ in ids if id_ not in self.by_hand], name)
            else:
                self._tell(people[number], ids, fold(people[number].name or ""))

    def _tell(self, person: Person | None, ids: Iterable[str], but: str) -> None:
        """Note faces that are called otherwise than their person, whose folded name is `but`."""
        there: dict[str, list[str]] = defaultdict(list)
        for id_ in ids:
            for name in self.words[id_]:
                if name != but:
                    there[name].append(id_)
        for name, those in there.items():
            spelt = self.words[those[0]][name].name
            self.told[name, "" if person is None else person.id] += those
            self.conflicts.append(
                Conflict(spelt, person, len(those), self._why(name, person), self._by(name, those))
            )

    def _why(self, name: str, person: Person | None) -> str:
        """Say why a name is not given."""
        if person is None:
            return "a face is called several names"
        holder = self.namesake.get(name)
        if holder is not None and holder.id != person.id:
            return f"{called(holder)} has that name"
        getting = next((own for own, given in self.named.items() if fold(given) == name), person.id)
        if getting != person.id:
            return f"{getting} gets that name"
        if person.id in self.named:
            return f"most of its faces are called {printable(self.named[person.id])}"
        if person.name is not None:
            return "that is not its name here"
        given = next(
            (one for number, one in self.given.items() if self.result.people[number].id == person.id), None
        )
        return "its name was taken away here" if given is not None else SEVERAL

    def _place_free(self, ids: Sequence[str], spelt: Mapping[str, str]) -> None:
        """Give faces of nobody to whoever has their name, or make people of them."""
        names = ((one.id, self.named.get(one.id, one.name)) for one in self.result.people)
        holder = {fold(name): own for own, name in names if name is not None}
        self.gone_names -= holder.keys()
        self.forgotten += [
            (path, one.name) for path, one in self.unmatched if fold(one.name) in self.gone_names
        ]
        self.unmatched = tuple(pair for pair in self.unmatched if fold(pair[1].name) not in self.gone_names)
        for id_ in ids:
            face = self.records[id_]
            if id_ in self.by_hand or getattr(face, "reason", None) == Reason.NOT_A_PERSON.code:
                continue
            if len(self.words[id_]) > 1:
                self._tell(None, [id_], "")
                continue
            (name,) = self.words[id_]
            own = holder.get(name)
            if name in self.gone_names:
                self.forgotten.append((face.photo, spelt[name]))
            elif own is None:
                self.made.setdefault(spelt[name], []).append(id_)
            elif (id_, own) not in self.apart:
                self.moved.setdefault(own, []).append(id_)

    # -------------------------------------------------------------------------------------------- what comes of it

    def acts(self) -> Acts:
        """Give what is to be decided, and whose words each is."""
        people = {person.id: person for person in self.result.people}
        acts: Acts = []
        for own, name in self.named.items():
            ids = [face.id for face in people[own].faces]
            acts.append((Name(own, name, typical(people[own])), self._by(fold(name), ids)))
        for number, (name, ids) in enumerate(self.made.items()):
            act = Make(person_id(self.result.next_id + number), name, self._spots(ids))
            acts.append((act, self._by(fold(name), ids)))
        for own, ids in self.moved.items():
            name = self.named.get(own, people[own].name or "")
            acts.append(
                (Move(None, own, self._spots(ids), typical(people[own]), ()), self._by(fold(name), ids))
            )
        known = self._told_before()
        for (name, _), ids in self.told.items():
            new = tuple(spot for spot in self._spots(ids) if (name, spot) not in known)
            if new:
                acts.append((Said(self.words[ids[0]][name].name, new), self._by(name, ids)))
        return acts

    def correction(self) -> amend.Correction:
        """Give the people as they are then."""
        moved = {own: self._with_tracks(ids) for own, ids in self.moved.items()}
        made = [(name, self._with_tracks(ids)) for name, ids in self.made.items()]
        return amend.take_in(self.result, self.named, moved, made)

    def _with_tracks(self, ids: Iterable[str]) -> list[str]:
        return [face.id for face in with_tracks(self.result, (self.records[id_] for id_ in ids))]

    def _told_before(self) -> set[tuple[str, Spot]]:
        """Folded names and faces of conflicts that are told already."""
        acts = [one.act for one in in_force(self.decisions)]
        return {(fold(act.name), spot) for act in acts if isinstance(act, Said) for spot in act.faces}

    def _spots(self, ids: Iterable[str]) -> tuple[Spot, ...]:
        return spots(self.records[id_] for id_ in ids)

    def _by(self, name: str, ids: Iterable[str]) -> SaidBy:
        """Say whose words a name of some faces is."""
        words = [self.words[id_][name] for id_ in dict.fromkeys(ids) if name in self.words.get(id_, {})]
        origins = dict.fromkeys(origin for word in words for origin in word.origins)
        return SaidBy(",".join(origins), tuple(sorted({file for word in words for file in word.files})))
