"""What to ask somebody next: the questions whose answers place, or put right, the most faces.

`Queue` has the questions of a library, by falling worth, and `answer` makes a decision of a reply. The worth of a
question is the number of faces that its answer is expected to put right: how probable it is that the answer changes
something, times the faces that it changes. A face counts where it comes to its person, or out of one who is somebody
else; and a part more where it gets a name (`_NAME`).
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from facecluster.errors import FaceclusterError, UsageError
from facecluster.formats.said_names import programs
from facecluster.identity.decisions import (
    NOBODY,
    Decision,
    Make,
    Name,
    NotAPerson,
    Said,
    Unsure,
    in_force,
)
from facecluster.identity.gate import Reason
from facecluster.library import correct
from facecluster.library.answered import Answered, Ids
from facecluster.library.bodies import Bodies, table_of
from facecluster.library.change import Corrected
from facecluster.library.held import Held
from facecluster.result import Person
from facecluster.text import fold, many, printable

_SHOWN = 9
"""Faces of a side that are shown."""
_NEAR = 3
"""Other people whom somebody is compared with; faces of nobody, too."""
_NEAR_AGAIN = 12
"""The same after something changed: some of these may be answered."""
_CUTS = 20
"""Ways to part a person that are tried until one is found that nobody was asked about."""
_LEAST, _LEAST_INSIDE = 0.02, 3e-4
"""What is worth less is not asked; about a side of a person, which is seldom somebody else."""
_NAME = 0.25
"""What a name is worth to a face that is with its person already. A judgement: so large people are named first, and
small ones after what brings faces together."""
_KNOWN, _KNOWN_ALONE = 0.5, 0.12
"""How probable it is that somebody can say who a person is, or faces of nobody that are alike; and of whom a face of
nobody is that is like no other, mostly a stranger's. Guesses, as no data set tells it; what was said of others since
counts against `_ASSUMED` such answers."""
_ASSUMED = 8
_COMPARED, _SEVERAL, _ALONE = range(3)
_INSIDE = 0.03
"""How much less probable it is that a side of a person is somebody else, than that two so far apart are two: they were
grouped, with care. Of 244 sides of the fit half of `lag_dev` none was."""
_TOLD = 0.9
"""How probable it is that two people are one of whom an update said so, where nothing can be measured."""
_NAMESAKES, _CALLED_OTHERWISE = 0.8, 0.3
"""How probable it is that two people are one whom files of other programs call the same; and that faces are not their
person's whom these call otherwise. Guesses."""
_MIDDLE, _FALL = 7.0, 2.5
"""Excess at which a body and the nearest person are one in half of all cases in a library of `_MANY` people; and by how
much it rises until the odds are an e-th. In units of `Radii.growth`, half of that by which strangers' pairs get e times
rarer. Read off the fit halves of `lag_dev` (52 people) and `lfw_dev` (260), which lie apart as the number of people
says: the more there are, the nearer is the nearest stranger."""
_MANY, _FEW = 100, 30
"""Of fewer people than the second nothing was measured: a family may be alike, so they count as so many."""
_TWICE = 0.1
"""How much less probable that is where a photo shows both at once."""


@dataclass(frozen=True)
class Side:
    """Who stands on one side of a question.

    Attributes:
        person: id; None: faces of nobody, or some faces of the person of the other side.
        name: of the person.
        faces: ids of up to 9 faces, the most telling first.
        n_faces: how many there are.
        every: ids of all faces that an answer is about; () for a whole person.
    """

    person: str | None
    name: str | None
    faces: Ids
    n_faces: int
    every: Ids = ()


@dataclass(frozen=True)
class Question:
    """A question, and what its answer is worth.

    Attributes:
        id: stays while the question means the same.
        kind: "same" (are two people one?), "is" (are these faces somebody's?) or "who" (who is this?).
        text: the question in words.
        left: whom it is about.
        right: whom the left side is compared with; None for "who".
        worth: number of faces that an answer is expected to place or put right.
        why: why it is asked, in words.
    """

    id: str
    kind: str
    text: str
    left: Side
    right: Side | None
    worth: float
    why: str


class _Asked(NamedTuple):
    """A question as the queue keeps it.

    Attributes:
        worth: as in `Question`; of "who" what it is worth if somebody can say it.
        kind: see there.
        left: key of the body that it is about.
        right: key of the other; "" for "who".
        side: some faces of that body; (): all of it.
        said: why files of other programs have it asked, in words; "": they have not.
        heap: which of the heaps it is in: `_COMPARED`, `_SEVERAL` or `_ALONE`. Those of one heap keep their order,
            whatever is known of how often somebody can say who this is.
    """

    worth: float
    kind: str
    left: str
    right: str
    side: Ids = ()
    heap: int = 0
    said: str = ""


class _Called(NamedTuple):
    """What files call some faces, though it could not be applied.

    Attributes:
        name, origin: which name, and of which program the files are.
        faces: ids.
    """

    name: str
    origin: str
    faces: Ids


class Queue:
    """The questions of a library. Built once; `refresh` makes only anew what a decision touched."""

    def __init__(self, library: Held) -> None:
        """Ask about the people of a library, and their face table, where it is there.

        Raises:
            FaceclusterError: nobody has been grouped yet.
        """
        self._library = library
        self._bodies = Bodies(library)
        self._decisions: list[Decision] = []
        self._worth_done = 0.0
        self._build()

    @property
    def n_left(self) -> int:
        """How many questions are left."""
        return len(self._asked)

    @property
    def worth_left(self) -> float:
        """What they are worth together."""
        sums = [0.0, 0.0, 0.0]
        for asked in self._asked.values():
            sums[asked.heap] += asked.worth
        return float(np.dot(sums, self._scale))

    @property
    def worth_done(self) -> float:
        """What those were worth that are not left, of all that there were."""
        return max(0.0, self._worth_done)

    def questions(self, number: int = 20) -> list[Question]:
        """Give the next questions, by falling worth; about faces of nobody one at a time."""
        taken: list[tuple[list[tuple[float, str]], tuple[float, str]]] = []
        found: list[Question] = []
        seen, lefts = set[str](), set[str]()
        while len(found) < number:
            for heap in self._heaps:
                while heap and (heap[0][1] in seen or not self._is_asked(heap[0])):
                    heapq.heappop(heap)
            there = [
                (heap[0][0] * scale, place)
                for place, (heap, scale) in enumerate(zip(self._heaps, self._scale, strict=True))
                if heap
            ]
            if not there:
                break
            heap = self._heaps[min(there)[1]]
            entry = heapq.heappop(heap)
            taken.append((heap, entry))
            seen.add(entry[1])
            asked = self._asked[entry[1]]
            if asked.left in self._bodies.people or asked.left not in lefts:
                lefts.add(asked.left)
                found.append(self._question(entry[1], asked))
        for heap, entry in taken:
            heapq.heappush(heap, entry)
        return found

    def _is_asked(self, entry: tuple[float, str]) -> bool:
        """Say whether an entry of a heap is of a question that is left."""
        asked = self._asked.get(entry[1])
        return asked is not None and -asked.worth == entry[0]

    def find(self, id_: str) -> Question | None:
        """Give the question of an id; None: it is not asked any more."""
        asked = self._asked.get(id_)
        return None if asked is None else self._question(id_, asked)

    def refresh(self) -> None:
        """See what the library's people and decisions are now."""
        before = self.worth_left
        self._follow()
        self._worth_done += before - self.worth_left
        self._scale = (1.0, *_known(self._decisions))

    def _follow(self) -> None:
        """Make anew the questions about whom something changed."""
        result = self._library.people
        if result is self._bodies.result:
            if [*self._library.decisions] != self._decisions:
                self._ask_again(self._touched())
            return
        before = {id(person): person for person in self._bodies.result.people}
        now = {id(person): person for person in result.people}
        new = [person for place, person in now.items() if place not in before]
        gone = [person for place, person in before.items() if place not in now]
        if self._bodies.table is not table_of(self._library) or 4 * len(new) > len(result.people) + 20:
            self._bodies.read(self._library)
            self._build()
            return
        changed = self._bodies.follow(result, new, gone)
        self._told = self._would_merge()
        self._ask_again(changed | self._touched())

    # ---------------------------------------------------------------------------------------------- who there is

    def _build(self) -> None:
        """Ask about all people, and all faces of nobody."""
        self._decisions = [*self._library.decisions]
        self._asked: dict[str, _Asked] = {}
        self._with: dict[str, set[str]] = {}  # ids of questions by body
        self._heaps: tuple[list[tuple[float, str]], ...] = ([], [], [])  # see `_Asked.heap`
        self._told = self._would_merge()
        self._n_people = max(_FEW, len(self._bodies.result.people))
        self._scale = (1.0, *_known(self._decisions))
        self._answered = Answered(self._bodies.find)
        self._answered.read(self._decisions)
        self._called = self._read_called()
        self._ask(self._bodies.ids, _NEAR)

    def _touched(self) -> set[str]:
        """Read the decisions, and say of which bodies others speak than before, by key."""
        self._decisions = [*self._library.decisions]
        faces = self._answered.read(self._decisions)
        before, self._called = self._called, self._read_called()
        for id_ in before.keys() ^ self._called.keys():
            faces.update(self._called.get(id_, before.get(id_, _Called("", "", ()))).faces)
        return {self._bodies.body_of[face] for face in faces if face in self._bodies.body_of}

    def _read_called(self) -> dict[str, _Called]:
        """Give what files call faces, by id of the decision that says so."""
        return {
            one.id: _Called(
                one.act.name,
                programs(() if one.said_by is None else one.said_by.origin.split(",")),
                self._bodies.find(one.act.faces),
            )
            for one in in_force(self._decisions)
            if isinstance(one.act, Said)
        }

    def _would_merge(self) -> frozenset[frozenset[str]]:
        """Pairs of people of whom the last update said that a full run would merge them."""
        update = self._bodies.result.settings.update
        return frozenset() if update is None else frozenset(map(frozenset, update.would_merge))

    # ---------------------------------------------------------------------------------------------- what is asked

    def _ask_again(self, changed: set[str]) -> None:
        """Make the questions about some bodies anew, and those about whom they were compared with."""
        beside = set[str]()
        for key in changed:
            for id_ in self._with.pop(key, ()):
                asked = self._asked.pop(id_, None)
                if asked is not None:
                    for side in (asked.left, asked.right):
                        self._with.get(side, set()).discard(id_)
                        beside.add(side)
        if self._bodies.numbers is not None:
            self._bodies.numbers.near.drop(changed)
        self._bodies.put(changed)
        there = [key for key in changed if key in self._bodies.ids]
        self._ask(there, _NEAR_AGAIN)
        self._compare_again((beside - changed) & self._bodies.ids.keys(), there)

    def _compare_again(self, beside: Collection[str], changed: Sequence[str]) -> None:
        """Compare who was compared with bodies that changed: with these, and with whom is nearest now."""
        if self._bodies.numbers is None:
            return
        near = self._bodies.numbers.near
        for key in changed:
            if key in self._bodies.people:
                for other, excess in near.between(key, [*beside]).items():
                    self._ask_pair(key, other, excess)
        if self._bodies.people.keys().isdisjoint(changed):  # they lost somebody, and nobody came
            self._ask_nearest(
                [key for key in beside if key not in self._bodies.people], _NEAR, people_only=True
            )

    def _ask(self, keys: Iterable[str], number: int) -> None:
        """Ask all there is to ask about some bodies."""
        keys = [*keys]
        people = [key for key in keys if key in self._bodies.people]
        free = [key for key in keys if key not in self._bodies.people]
        for key in keys:
            self._ask_who(key)
        if self._bodies.numbers is None:
            self._ask_called(people)
            for pair in self._told:
                one, other = sorted(pair)
                if (one in keys or other in keys) and {one, other} <= self._bodies.people.keys():
                    self._ask_pair(one, other, None)
            return
        self._ask_nearest(free, number, people_only=True)
        everybody = number == _NEAR  # faces of nobody have looked for people already
        self._ask_nearest(people, number, people_only=everybody)
        for key in people:
            self._ask_parts(key)
        self._ask_called(people)  # which knows why, where another question is the same

    def _ask_nearest(self, keys: Sequence[str], number: int, *, people_only: bool) -> None:
        assert self._bodies.numbers is not None
        size = max((len(self._bodies.ids[key]) for key in keys), default=1)
        within = self._farthest(_LEAST / ((1 + _NAME) * size))
        found = self._bodies.numbers.near.nearest(keys, number, within=within, people_only=people_only)
        for key, others in found.items():
            for excess, other in others:
                self._ask_pair(key, other, excess)

    def _ask_who(self, key: str) -> None:
        """Ask who a person without a name is, or faces of nobody that are alike."""
        person, ids = self._bodies.people.get(key), self._bodies.ids[key]
        if person is not None and person.name is not None:
            return
        worth = len(ids) * (_NAME if person is not None else 1 + _NAME)
        by = self._answered.about(ids)
        if not (by and self._answered.unsure_who(by, frozenset(ids))):
            self._keep(
                f"who {key}", _Asked(worth, "who", key, "", heap=_ALONE if len(ids) == 1 else _SEVERAL)
            )

    def _ask_called(self, people: Collection[str]) -> None:
        """Ask whom files call by the name of somebody else, or otherwise than their person is called."""
        if not self._called or not people:
            return
        holder = {
            fold(person.name): key for key, person in self._bodies.people.items() if person.name is not None
        }
        there: dict[tuple[str, str], _Called] = {}
        for one in self._called.values():
            for face in one.faces:
                where = self._bodies.body_of.get(face, ""), fold(one.name)
                before = there.get(where, _Called(one.name, one.origin, ()))
                there[where] = before._replace(faces=tuple(dict.fromkeys((*before.faces, face))))
        names: dict[str, dict[str, int]] = {}
        for (key, name), one in there.items():
            names.setdefault(key, {})[name] = len(one.faces)
        for (key, name), one in there.items():
            person, other = self._bodies.people.get(key), holder.get(name)
            if person is None or other == key or {key, other}.isdisjoint(people):
                continue
            called = f"called {printable(one.name)} in {one.origin}"
            is_most = name == max(names[key], key=lambda each: names[key][each])
            is_whole = len(one.faces) == len(self._bodies.ids[key])
            if other is not None and (is_whole or (person.name is None and is_most)):
                who = "both are" if person.name is None else f"{printable(person.name)} is"
                self._ask_namesakes(key, other, f"{who} {called}")
            elif person.name is not None or not is_most:
                self._ask_called_side(key, set(one.faces), called)

    def _ask_called_side(self, key: str, faces: Collection[str], called: str) -> None:
        """Ask whether faces of a person that are called otherwise are that person's."""
        side = tuple(face for face in self._bodies.ids[key] if face in faces)
        rest = tuple(face for face in self._bodies.ids[key] if face not in faces)
        if side and rest and not (self._answered.are_placed(side) or self._is_answered(side, rest)):
            asked = _Asked(_CALLED_OTHERWISE * len(side), "is", key, key, side, said=called)
            self._keep(f"is {_name_of(side)} {key}", asked)

    def _ask_namesakes(self, key: str, other: str, said: str) -> None:
        """Ask whether somebody without a name is who has the name that files give to both."""
        if self._is_answered(self._bodies.ids[key], self._bodies.ids[other]):
            return
        sizes = len(self._bodies.ids[key]), len(self._bodies.ids[other])
        one, two = sorted((key, other))
        worth = _NAMESAKES * (min(sizes) + _NAME * sizes[0])
        self._keep(f"same {one} {two}", _Asked(worth, "same", one, two, said=said))

    def _ask_pair(self, one: str, other: str, excess: float | None) -> None:
        """Ask whether two people are one, or whether faces of nobody are somebody's."""
        first, second = self._bodies.people.get(one), self._bodies.people.get(other)
        if first is None:
            one, other, first, second = other, one, second, first
        if first is None or (second is not None and None not in (first.name, second.name)):
            return  # two names are two people
        chance = _TOLD if excess is None else self._chance(one, other, excess)
        sizes = len(self._bodies.ids[one]), len(self._bodies.ids[other])
        worth = chance * (min(sizes) if second else sizes[1])
        if first.name is not None:
            worth += chance * _NAME * sizes[1]
        elif second is not None and second.name is not None:
            worth += chance * _NAME * sizes[0]
        if worth < _LEAST or self._is_answered(self._bodies.ids[one], self._bodies.ids[other]):
            return
        if second is None:
            self._keep(f"is {other} {one}", _Asked(worth, "is", other, one))
        else:
            one, other = sorted((one, other))
            self._keep(f"same {one} {other}", _Asked(worth, "same", one, other))

    def _ask_parts(self, key: str) -> None:
        """Ask whether the faces of a person that are least like the others are that person's."""
        body = self._bodies.body(key)
        if body is None or self._bodies.numbers is None:
            return
        near, row_of = self._bodies.numbers.near, self._bodies.numbers.row
        if _INSIDE * (1 - self._odds(near.loosest(body))) < _LEAST_INSIDE:
            return
        cuts = near.cuts(body)
        likely = np.array([1 - self._odds(excess) for excess in cuts.excess.tolist()])
        worth = _INSIDE * likely * cuts.size
        for number in np.argsort(-worth, kind="stable")[:_CUTS].tolist():
            if worth[number] < _LEAST_INSIDE:
                return
            rows = set(cuts.side(number).tolist())
            side = [face for face in self._bodies.ids[key] if row_of.get(face) in rows]
            rest = [face for face in self._bodies.ids[key] if row_of.get(face) not in rows]
            if not (self._answered.are_placed(side) or self._is_answered(side, rest)):
                asked = _Asked(float(worth[number]), "is", key, key, tuple(side))
                self._keep(f"is {_name_of(side)} {key}", asked)
                return

    def _is_answered(self, one: Sequence[str], other: Sequence[str]) -> bool:
        by = self._answered.about(one)
        by = by & self._answered.about(other) if by else by
        return bool(by) and self._answered.compare(by, frozenset(one), frozenset(other))

    def _chance(self, one: str, other: str, excess: float) -> float:
        """Say how probable it is that two bodies are one person's."""
        chance = self._odds(excess)
        if chance < _LEAST / max(len(self._bodies.ids[one]), len(self._bodies.ids[other])):
            return 0.0
        few, more = sorted((one, other), key=lambda key: len(self._bodies.ids[key]))
        return chance if self._bodies.scenes(more).isdisjoint(self._bodies.scenes(few)) else chance * _TWICE

    def _odds(self, excess: float) -> float:
        """Say how probable it is that two bodies so near are one person's, in a library of so many people."""
        falls = (excess - _MIDDLE) / _FALL
        return 1 / (1 + self._n_people / _MANY * math.exp(min(falls, 500.0)))

    def _farthest(self, chance: float) -> float:
        """Give the excess at which two bodies are one person's with this probability."""
        return _MIDDLE + _FALL * math.log((1 / min(chance, 0.5) - 1) * _MANY / self._n_people)

    def _keep(self, id_: str, asked: _Asked) -> None:
        self._asked[id_] = asked
        for key in {asked.left, asked.right} - {""}:
            self._with.setdefault(key, set()).add(id_)
        heapq.heappush(self._heaps[asked.heap], (-asked.worth, id_))

    # ------------------------------------------------------------------------------------------------- in words

    def _question(self, id_: str, asked: _Asked) -> Question:
        """Write a question."""
        other: Side | None
        left, right = self._bodies.people.get(asked.left), self._bodies.people.get(asked.right)
        if asked.kind == "who":
            text, one, other = "Who is this?", self._side(asked.left), None
        elif asked.kind == "same":
            text = "Are these two the same person?"
            one, other = self._side(asked.left), self._side(asked.right)
        else:
            name = None if right is None else right.name
            n = len(asked.side or self._bodies.ids[asked.left])
            if name is None:
                text = "Are these the same person?"
            else:
                text = f"Is this {printable(name)}?" if n == 1 else f"Are these {printable(name)}?"
            one = (
                Side(None, None, asked.side[:_SHOWN], n, asked.side) if asked.side else self._side(asked.left)
            )
            other = self._side(asked.right, asked.side)
        return Question(
            id_,
            asked.kind,
            text,
            one,
            other,
            asked.worth * self._scale[asked.heap],
            self._why(asked, left, right),
        )

    def _side(self, key: str, without: Ids = ()) -> Side:
        person, ids = self._bodies.people.get(key), self._bodies.ids[key]
        if without:
            left_out = set(without)
            ids = tuple(face for face in ids if face not in left_out)
        if person is None:
            return Side(None, None, ids[:_SHOWN], len(ids), ids)
        return Side(person.id, person.name, ids[:_SHOWN], len(ids))

    def _why(self, asked: _Asked, left: Person | None, right: Person | None) -> str:
        """Say why something is asked."""
        if asked.kind == "who":
            if left is not None:
                return f"{many(left.n_faces, 'face')} without a name"
            first = self._bodies.free[self._bodies.ids[asked.left][0]]
            if first.almost is not None and first.almost < len(self._bodies.result.almost):
                almost = self._bodies.result.almost[first.almost]
                return f"nearly a person: {almost.n_photos} of {many(almost.n_photos_needed, 'photo')}"
            n = len(self._bodies.ids[asked.left])
            return "a face of nobody" if n == 1 else f"{n} faces of nobody, that are alike"
        if asked.said:
            return asked.said
        who = "the person" if right is None else _called(right)
        if asked.side:
            return (
                f"the weakest link of {who}"
                if len(asked.side) == 1
                else f"the weakest link between two parts of {who}"
            )
        if asked.kind == "same":
            told = frozenset((asked.left, asked.right)) in self._told
            return "a full run would merge them" if told else "they are alike"
        free = self._bodies.free[self._bodies.ids[asked.left][0]]
        if free.reason == Reason.BETWEEN_PEOPLE.code:
            return f"between {who} and somebody else"
        return f"like {who}, and of nobody"


def _known(decisions: Sequence[Decision]) -> tuple[float, float]:
    """Say how probable it is that somebody can say who this is: of several faces, and of one alone."""
    said, could = [0, 0], [0, 0]
    for decision in in_force(decisions):
        match decision.act:
            case Name(name=name, faces=faces) | Make(name=name, faces=faces) if name is not None:
                could[len(faces) == 1] += 1
            case NotAPerson(faces=faces):
                pass
            case Unsure(question=question, faces=(faces,)) if question.startswith("who "):
                pass
            case _:
                continue
        said[len(faces) == 1] += 1
    rates = (
        (could[alone] + _ASSUMED * assumed) / (said[alone] + _ASSUMED)
        for alone, assumed in enumerate((_KNOWN, _KNOWN_ALONE))
    )
    several, one = rates
    return several, one


def _name_of(side: Collection[str]) -> str:
    """Name a side of a person, so that another side with the same first face is called otherwise."""
    first, *others = sorted(side)
    if not others:
        return first
    return f"{first}+{hashlib.blake2b(' '.join(others).encode(), digest_size=4).hexdigest()}"


def _called(person: Person) -> str:
    return person.id if person.name is None else printable(person.name)


def answer(library: Held, question: Question, reply: str, name: str | None = None) -> Corrected:
    """Make a decision of the answer to a question.

    Args:
        library: the question is of.
        question: see `Question`.
        reply: "yes", "no" or "unsure"; of "who" questions "name", "nobody" or "unsure".
        name: with "name"; of somebody who is there already: these are the same person.

    Raises:
        UsageError: no such reply to this question, or no name with "name".
        FaceclusterError: the library refuses it, see `correct`.
    """
    left, right = question.left, question.right
    replies = ("name", "nobody", "unsure") if question.kind == "who" else ("yes", "no", "unsure")
    if reply not in replies:
        raise UsageError(f"{printable(reply)}: no answer to this question; give {', '.join(replies)}")
    if reply == "unsure":
        sides = [side.every or (side.person or "",) for side in (left, right) if side is not None]
        return correct.unsure(library, question.id, sides)
    if right is None:
        return _answer_who(library, left, name if reply == "name" else None, nobody=reply == "nobody")
    who = right.person or ""
    if question.kind == "same":
        one = left.person or ""
        if reply == "no":
            return correct.different(library, one, who)
        first = (
            [one, who]
            if (left.name is not None, left.n_faces) >= (right.name is not None, right.n_faces)
            else [who, one]
        )
        return correct.merge(library, first)
    theirs = _theirs(library, who, left.every)
    if reply == "yes":
        return correct.confirm(library, left.every, who) if theirs else correct.move(library, left.every, who)
    if not theirs:
        return correct.not_theirs(library, left.every, who)
    if len(left.every) > 1:
        return correct.split(library, who, left.every)
    return correct.move(library, left.every, NOBODY)


def _answer_who(library: Held, left: Side, name: str | None, *, nobody: bool) -> Corrected:
    """Name a person or make one of faces of nobody; whoever has the name is the same."""
    what = [left.person] if left.person is not None else [*left.every]
    if nobody:
        return correct.not_a_person(library, what)
    if not (name or "").strip():
        raise UsageError("give a name")
    namesake = next(
        (p for p in library.people.people if p.name is not None and fold(p.name) == fold(name or "")), None
    )
    if left.person is None:
        return (
            correct.make(library, name or "", what)
            if namesake is None
            else correct.move(library, what, namesake.id)
        )
    if namesake is None or namesake.id == left.person:
        return correct.name(library, left.person, name or "")
    return correct.merge(library, [namesake.id, left.person])


def _theirs(library: Held, who: str, faces: Collection[str]) -> bool:
    """Say whether all of some faces are a person's.

    Raises:
        FaceclusterError: there is no such person any more.
    """
    person = next((person for person in library.people.people if person.id == who), None)
    if person is None:
        raise FaceclusterError(f"{who}: there is no such person any more; nothing was changed")
    return set(faces) <= {face.id for face in person.faces}
