"""What people decided about who is who, and what it means for the faces of a table or of a result.

A decision knows its faces by content and box (`Spot`), so that it holds for renamed photos, other settings, another
detector or encoder. For a person stand up to `TYPICAL` of its faces, its anchors: most of them say who it is, and some
may be gone or be with somebody else since. An anchor that a later decision takes elsewhere stands for that person no
more, as long as another one does; and of a face itself its last move or split speaks, but that one that is moved to
nobody stays away from all it was taken from.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.changes import Placed
from facecluster.identity.constraints import Constraints
from facecluster.table import Faces

TYPICAL = 25
"""Faces by which a decision knows a person: the tiles of a montage, which is what somebody looked at."""

_SHARED = 2
"""Anchors that two groups share who are one person's, or half of the smaller group; fewer went astray."""

_LINE = 160
"""Letters of a line that a message shows."""


class Spot(NamedTuple):
    """A face as a decision knows it.

    Attributes:
        digest: of the content of its photo, see `digest_of`.
        box: left, top, right, bottom in pixels of the upright photo: the face's `anchor`, see `table.Faces`.
    """

    digest: str
    box: tuple[float, float, float, float]


Spots: TypeAlias = tuple[Spot, ...]


@dataclass(frozen=True)
class Name:
    """The person who holds most of `faces` has this name, or none; `person` was its id."""

    person: str
    name: str | None
    faces: Spots


@dataclass(frozen=True)
class Merge:
    """These are one person: anchors of each of `people`, whose ids they had. The first one's name and id stay."""

    people: tuple[str, ...]
    faces: tuple[Spots, ...]


@dataclass(frozen=True)
class Split:
    """`faces` are one person, and not the one they were in, for whom the anchors `away` stand; `person` was its id."""

    person: str
    faces: Spots
    away: Spots


@dataclass(frozen=True)
class Move:
    """`faces` are of the person for whom the anchors `to` stand, or of nobody known, and not of the one of `away`.

    `person` was the id of the one they left, `into` of the other; None for nobody.
    """

    person: str | None
    into: str | None
    faces: Spots
    to: Spots | None
    away: Spots


@dataclass(frozen=True)
class NotAPerson:
    """`faces` are no person's: each of them; or, if `person` is its id then, whoever holds most of them is none."""

    person: str | None
    faces: Spots


@dataclass(frozen=True)
class Undo:
    """The decision of this id does not count."""

    undo: str


Act: TypeAlias = Name | Merge | Split | Move | NotAPerson | Undo


@dataclass(frozen=True)
class Decision:
    """A line of decisions.jsonl.

    Attributes:
        id: 8 hex digits, the start of the sha256 of the rest of the line.
        time: ISO 8601, UTC, of one width, so that text order is order in time.
        act: what was decided.
        place: file and line, for messages; "" for one that is not written yet.
        text: the line.
        line: its number in the file, from 1; 0 for one that is not written yet.
    """

    id: str
    time: str
    act: Act
    place: str
    text: str
    line: int = 0


def digest_of(face_id: str) -> str:
    """Give the content's digest of a face's id: what stands before the last dash."""
    return face_id.rpartition("-")[0] or face_id


def undone(decisions: Sequence[Decision]) -> set[str]:
    """Give the ids of the decisions, in order of time, that an undo takes back which is not taken back itself."""
    ids = set[str]()
    for decision in reversed(decisions):
        if isinstance(decision.act, Undo) and decision.id not in ids:
            ids.add(decision.act.undo)
    return ids


def in_force(decisions: Sequence[Decision]) -> list[Decision]:
    """Leave out what is undone, and the undoing."""
    gone = undone(decisions)
    return [d for d in decisions if d.id not in gone and not isinstance(d.act, Undo)]


def mark(decisions: Sequence[Decision]) -> str:
    """Stand for the decisions in force: 16 hex digits, "" where there are none.

    Results of equal marks were made with the same decisions.
    """
    ids = sorted(decision.id for decision in in_force(decisions))
    return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] if ids else ""


def resolve(decisions: Sequence[Decision], faces: Faces | Placed) -> Constraints:
    """Say what decisions mean for n faces; those whose photo or box is not there mean nothing.

    Args:
        decisions: in order of time, with those that are undone.
        faces: of a table or of a result. Identical copies of a photo all count.

    Raises:
        FaceclusterError: they contradict each other.
    """
    standing = in_force(decisions)
    found = locate(standing, faces)
    n = len(faces)
    moved, founded, ignored = (np.zeros(n, dtype=np.bool_) for _ in range(3))
    first = {row: rows[0] for rows in found.values() for row in rows}  # of the copies of a face
    ties = _Ties(first)
    parts: list[_Part] = []
    not_people: list[NDArray[np.int64]] = []
    placed = set[int]()  # rows that a later decision puts somewhere
    homeless = set[
        int
    ]()  # of these, rows that it gives to nobody: they are theirs no more from whom they were taken
    dropped = set[int]()  # rows that a later decision says to be no person's

    def stated(spots: Spots) -> list[int]:
        return [row for row in rows_at(found, spots) if row not in placed and row not in dropped]

    def parted(spots: Spots) -> list[int]:
        rows = (row for row in rows_at(found, spots) if row not in dropped)
        return [row for row in rows if row not in placed or row in homeless]

    def anchors(spots: Spots) -> list[int]:
        return stated(spots) or rows_at(found, spots)

    for by in reversed(range(len(standing))):
        match standing[by].act:
            case Merge(faces=groups):
                sides = [side for side in map(anchors, groups) if side]
                if len(sides) > 1:
                    ties.tie(by, sides)
            case Split(faces=spots, away=away):
                rows = stated(spots)
                ties.tie(by, [rows], rows)
                parts.append(_Part(parted(spots), anchors(away), by))
                moved[rows] = founded[rows] = True
                placed.update(rows)
            case Move(faces=spots, to=to, away=away):
                rows = stated(spots)
                if to is not None and rows:
                    ties.tie(by, [list(dict.fromkeys(rows + anchors(to)))], rows)
                elif to is None:
                    homeless.update(rows)
                parts.append(_Part(parted(spots), anchors(away), by))
                moved[rows] = True
                placed.update(rows)
            case NotAPerson(person=None, faces=spots):
                rows = [row for row in rows_at(found, spots) if row not in placed]
                ignored[rows] = True
                dropped.update(rows)
            case NotAPerson(faces=spots):
                if rows := stated(spots):
                    not_people.append(np.array(rows, dtype=np.int64))
            case Name() | Undo():
                pass
    pairs = set[tuple[int, int]]()
    for rows, away_rows, by in reversed(parts):  # the earliest first
        for row in rows:
            others = [other for other in away_rows if first[other] != first[row]]
            inside = {first[other] for other in others if ties.linked(row, other)}
            if inside and 2 * len(inside) >= len({first[other] for other in others}):
                lines = sorted({by, *ties.chain(row, min(inside))})
                raise _contradiction([standing[line] for line in lines])
            pairs.update((min(row, other), max(row, other)) for other in others if first[other] not in inside)
    return Constraints(
        together=ties.together(n, founded),
        apart=np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2),
        moved=moved,
        founded=founded,
        ignored=ignored,
        not_people=tuple(reversed(not_people)),
    )


def names(decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]) -> dict[int, str]:
    """Say who has which name: whoever holds most of the faces that it was given to; the later decision wins.

    A name that nobody holds most of is nobody's, and no name is two people's.

    Args:
        decisions: in order of time, with those that are undone.
        faces: n faces of a table or of a result.
        label: (n,) number of each face's person, -1 none.

    Returns:
        Name by number of person.
    """
    said = _said(decisions, faces, label)
    lost = {pair.first for pair in _namesakes(said)}
    return {
        holder: give.name for holder, give in said.items() if give.name is not None and holder not in lost
    }


class Namesakes(NamedTuple):
    """Two people who were given one name, by number, and the decisions that say so; the second has it."""

    first: int
    second: int
    decisions: tuple[Decision, Decision]


def namesakes(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> list[Namesakes]:
    """Say who lost a name to somebody who was given it later; the arguments are those of `names`."""
    return _namesakes(_said(decisions, faces, label))


def _namesakes(said: Mapping[int, _Given]) -> list[Namesakes]:
    found: list[Namesakes] = []
    latest: dict[str, int] = {}
    for holder in sorted(said, key=lambda holder: said[holder].by, reverse=True):
        give = said[holder]
        if give.name is not None:
            other = latest.setdefault(give.name.casefold(), holder)
            if other != holder:
                found.append(Namesakes(holder, other, (give.decision, said[other].decision)))
    return found[::-1]


def _said(
    decisions: Sequence[Decision], faces: Faces | Placed, label: NDArray[np.integer]
) -> dict[int, _Given]:
    """Give what was said last of everybody's name, by number of person."""
    standing = in_force(decisions)
    found = locate(standing, faces)
    given: list[_Given] = []
    for by, decision in enumerate(standing):
        match decision.act:
            case Name(person=person, name=name, faces=spots):
                given.append(_Given(person, name, rows_at(found, spots), decision, by))
            case Merge(people=people, faces=groups):
                rows = [row for spots in groups for row in rows_at(found, spots)]
                one = holder_of(label, rows)
                theirs = [
                    give
                    for person in people
                    for give in reversed(given)
                    if give.person == person and one is not None and one == holder_of(label, give.rows)
                ]
                named = next((give for give in theirs if give.name is not None), None)
                if named is not None:  # what the merged person is called is as if said again now
                    given.append(named._replace(person=people[0], by=by))
            case Split(faces=spots, away=away) | Move(faces=spots, away=away):
                given = _without(given, rows_at(found, spots), rows_at(found, away))
            case NotAPerson(person=None, faces=spots):
                given = _without(given, rows_at(found, spots), [])
            case NotAPerson() | Undo():
                pass
    said: dict[int, _Given] = {}
    for give in given:
        holder = holder_of(label, give.rows)
        if holder is not None:
            said[holder] = give
    return said


class _Given(NamedTuple):
    """A name, the id of the person it was given to, the rows of the faces that know it, and who says so, and when.

    `by` is the place of the last decision that says it, `decision` the one that gave the name.
    """

    person: str
    name: str | None
    rows: list[int]
    decision: Decision
    by: int


class _Part(NamedTuple):
    """Rows that are no faces of the person for whom the rows `away` stand, and the place of the decision."""

    rows: list[int]
    away: list[int]
    by: int


class _Ties:
    """Rows that are one person's, as decisions say that are read from the last to the first.

    Each decision is a knot of rows. It is tied to those of later decisions with which one of its sides shares
    `_SHARED` rows, or half of the smaller. Of a row that is shared otherwise, the later decision speaks, or the one
    that is about this face. Copies of a face, whose `first` is the same, count as one.
    """

    def __init__(self, first: Mapping[int, int]) -> None:
        self.first = first
        self.by: list[int] = []  # place of the decision, of each knot
        self.beside: list[dict[int, None]] = []  # knots that it is tied to
        self.parent: list[int] = []
        self.size: list[int] = []  # rows of all knots that are tied, at the root
        self.knot: dict[int, int] = {}  # of the first row of each face

    def root(self, knot: int) -> int:
        while self.parent[knot] != knot:
            self.parent[knot] = knot = self.parent[self.parent[knot]]
        return knot

    def tie(self, by: int, sides: Sequence[Sequence[int]], stated: Sequence[int] = ()) -> None:
        """Make a knot of the rows of all sides; the decision is about the faces that are `stated`."""
        new = len(self.by)
        self.by.append(by)
        self.beside.append({})
        self.parent.append(new)
        self.size.append(0)
        same = set[int]()
        sides = [list(dict.fromkeys(self.first[row] for row in side)) for side in sides]
        for side in sides:
            shared = Counter(self.root(self.knot[row]) for row in side if row in self.knot)
            same.update(
                root for root, n in shared.items() if n >= _SHARED or 2 * n >= min(len(side), self.size[root])
            )
        about = {self.first[row] for row in stated}
        for row in dict.fromkeys(row for side in sides for row in side):
            knot = self.knot.get(row)
            if knot is not None and self.root(knot) in same:
                self.beside[new][knot] = self.beside[knot][new] = None
            elif knot is None or row in about:
                if knot is not None:
                    self.size[self.root(knot)] -= 1
                self.knot[row] = new
                self.size[new] += 1
        for root in same:
            self.parent[root] = new
            self.size[new] += self.size[root]

    def linked(self, row: int, other: int) -> bool:
        """Say whether two rows are one person's."""
        a, b = self.knot.get(self.first[row]), self.knot.get(self.first[other])
        return a is not None and b is not None and self.root(a) == self.root(b)

    def chain(self, start: int, end: int) -> set[int]:
        """Find the places of the decisions that link two rows, the fewest."""
        begin, last = self.knot[self.first[start]], self.knot[self.first[end]]
        came = {begin: begin}
        waiting = deque([begin])
        while last not in came:
            knot = waiting.popleft()
            for other in self.beside[knot]:
                if other not in came:
                    came[other] = knot
                    waiting.append(other)
        chain = {self.by[last]}
        while last != begin:
            last = came[last]
            chain.add(self.by[last])
        return chain

    def together(self, n: int, alone: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Number the groups of rows by their first one -> (n,); -1 the others, and a face by itself if not `alone`."""
        together = np.full(n, -1, dtype=np.int32)
        number: dict[int, int] = {}
        for row in sorted(row for row, first in self.first.items() if first in self.knot):
            root = self.root(self.knot[self.first[row]])
            if self.size[root] > 1 or alone[row]:
                together[row] = number.setdefault(root, len(number))
        return together


def _without(given: Iterable[_Given], taken: Iterable[int], left: list[int]) -> list[_Given]:
    """Take faces that went elsewhere off the names; where all of them went, those that stayed know the name."""
    gone = set(taken)
    return [
        give
        if gone.isdisjoint(give.rows)
        else give._replace(rows=[row for row in give.rows if row not in gone] or left)
        for give in given
    ]


def holder_of(label: NDArray[np.integer], rows: Sequence[int]) -> int | None:
    """Find who holds most of these faces; None if it is nobody."""
    count = Counter(label[rows].tolist() if rows else [])
    if not count:
        return None
    holder = max(count, key=lambda number: (count[number], number >= 0, -number))
    return None if holder < 0 else int(holder)


def rows_at(found: Mapping[Spot, Sequence[int]], spots: Spots) -> list[int]:
    """Rows of faces, each once."""
    return list(dict.fromkeys(row for spot in spots for row in found[spot]))


def locate(decisions: Sequence[Decision], faces: Faces | Placed) -> dict[Spot, list[int]]:
    """Find the face of each spot in every photo of its content: the anchor that overlaps most, if by enough."""
    spots = dict.fromkeys(spot for decision in decisions for spot in _spots(decision.act))
    rows_by_photo: dict[str, dict[object, list[int]]] = {spot.digest: defaultdict(list) for spot in spots}
    if spots:
        for row, (face_id, photo) in enumerate(zip(faces.id, faces.photo, strict=True)):
            if (digest := digest_of(face_id)) in rows_by_photo:
                rows_by_photo[digest][photo].append(row)
    found: dict[Spot, list[int]] = {}
    for spot in spots:
        found[spot] = []
        for rows in rows_by_photo[spot.digest].values():
            iou = overlaps(np.tile(np.array(spot.box), (len(rows), 1)), faces.anchor[rows])
            if iou.max() >= SAME_FACE_IOU:
                found[spot].append(rows[int(iou.argmax())])
    return found


def _spots(act: Act) -> Iterable[Spot]:
    match act:
        case Name(faces=faces) | NotAPerson(faces=faces):
            return faces
        case Merge(faces=groups):
            return (spot for spots in groups for spot in spots)
        case Split(faces=faces, away=away):
            return faces + away
        case Move(faces=faces, to=to, away=away):
            return faces + (to or ()) + away
        case Undo():
            return ()


def _contradiction(decisions: Sequence[Decision]) -> FaceclusterError:
    lines = "".join(f"\n  {shown(decision)}" for decision in decisions)
    undo = " or ".join(f"facecluster undo RESULT {decision.id}" for decision in decisions if decision.place)
    return FaceclusterError(
        f"decisions contradict each other: faces are to be one person's, and not to be:{lines}\n"
        f"take one back: {undo}"
    )


def shown(decision: Decision) -> str:
    """Give where a decision stands, and its line, shortened."""
    text = decision.text if len(decision.text) <= _LINE else decision.text[:_LINE] + "..."
    return f"{decision.place or 'this one'}: {text}"
