"""What people decided about who is who, and what it means for the faces of a table or of a result.

A decision knows its faces by content and box (`Spot`), so that it holds for renamed photos, other settings, another
detector or encoder. For a person stand a few of its faces: "anchors" where faces are linked to it or kept from it, up
to `TYPICAL` where most of them say who it is. An anchor that a later decision takes elsewhere stands for that person
no more, as long as another one does.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.changes import Placed
from facecluster.identity.constraints import Constraints
from facecluster.table import Faces

ANCHORS = 3
"""Faces that stand for a person in a link: so many found one (`Limits.min_images`), and one of them may be gone."""

TYPICAL = 25
"""Faces by which a person is known who has a name or is said to be none: the tiles of a montage, which is what
somebody looked at."""

_LINE = 160
"""Letters of a line that a message shows."""


class Spot(NamedTuple):
    """A face as a decision knows it.

    Attributes:
        digest: of the content of its photo, see `digest_of`.
        box: left, top, right, bottom in pixels of the upright photo.
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
    """

    id: str
    time: str
    act: Act
    place: str
    text: str


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
    found = _locate(standing, faces)
    n = len(faces)
    moved, founded, ignored = (np.zeros(n, dtype=np.bool_) for _ in range(3))
    links: list[_Tie] = []
    parts: list[_Tie] = []
    not_people: list[NDArray[np.int64]] = []
    placed, dropped = (
        set[int](),
        set[int](),
    )  # rows that a later decision puts somewhere, or says to be no person's

    def stated(spots: Spots) -> list[int]:
        return [row for row in _rows(found, spots) if row not in dropped]

    def anchors(spots: Spots) -> list[int]:
        rows = _rows(found, spots)
        return [row for row in rows if row not in placed and row not in dropped] or rows

    for by in reversed(range(len(standing))):
        match standing[by].act:
            case Merge(faces=groups):
                rows = [row for spots in groups for row in anchors(spots)]
                links += (_Tie(rows[0], row, by) for row in rows[1:])
            case Split(faces=spots, away=away):
                rows = stated(spots)
                links += (_Tie(rows[0], row, by) for row in rows[1:])
                parts += (_Tie(i, j, by) for i, j in product(rows, anchors(away)))
                moved[rows] = founded[rows] = True
                placed.update(rows)
            case Move(faces=spots, to=to, away=away):
                rows = stated(spots)
                parts += (_Tie(i, j, by) for i, j in product(rows, anchors(away)))
                if to is not None:
                    links += (_Tie(rows[0], row, by) for row in rows[1:] + anchors(to) if rows)
                moved[rows] = True
                placed.update(rows)
            case NotAPerson(person=None, faces=spots):
                rows = [row for row in _rows(found, spots) if row not in placed]
                ignored[rows] = True
                dropped.update(rows)
            case NotAPerson(faces=spots):
                rows = [row for row in stated(spots) if row not in placed]
                if rows:
                    not_people.append(np.array(rows, dtype=np.int64))
            case Name() | Undo():
                pass
    together = _together(n, links, np.flatnonzero(founded).tolist())
    parts = [tie for tie in parts if tie.i != tie.j]
    for tie in sorted(parts, key=lambda tie: tie.by):
        if together[tie.i] >= 0 and together[tie.i] == together[tie.j]:
            chain = _chain(links, tie.i, tie.j)
            raise _contradiction([standing[by] for by in sorted({tie.by, *chain})])
    pairs = sorted({(min(tie.i, tie.j), max(tie.i, tie.j)) for tie in parts})
    return Constraints(
        together=together,
        apart=np.array(pairs, dtype=np.int64).reshape(-1, 2),
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
    standing = in_force(decisions)
    found = _locate(standing, faces)
    given: list[_Given] = []
    for decision in standing:
        match decision.act:
            case Name(person=person, name=name, faces=spots):
                given.append(_Given(person, name, _rows(found, spots)))
            case Merge(people=people, faces=groups):
                rows = [row for spots in groups for row in _rows(found, spots)]
                one = _holder(label, rows)
                theirs = [
                    give
                    for person in people
                    for give in reversed(given)
                    if give.person == person and one is not None and one == _holder(label, give.rows)
                ]
                named = next((give for give in theirs if give.name is not None), None)
                if named is not None:  # what the merged person is called is as if said again now
                    given.append(_Given(people[0], named.name, named.rows))
            case Split(faces=spots, away=away) | Move(faces=spots, away=away):
                given = _without(given, _rows(found, spots), _rows(found, away))
            case NotAPerson(person=None, faces=spots):
                given = _without(given, _rows(found, spots), [])
            case NotAPerson() | Undo():
                pass
    named_people: dict[int, str] = {}
    for give in given:
        holder = _holder(label, give.rows)
        if holder is None:
            continue
        named_people.pop(holder, None)
        if give.name is not None:
            same = [p for p, name in named_people.items() if name.casefold() == give.name.casefold()]
            for other in same:
                del named_people[other]
            named_people[holder] = give.name
    return named_people


class _Given(NamedTuple):
    """A name, the id of the person it was given to, and the rows of the faces that know it."""

    person: str
    name: str | None
    rows: list[int]


class _Tie(NamedTuple):
    """Two rows, and the place of the decision that says something of them."""

    i: int
    j: int
    by: int


def _without(given: Iterable[_Given], taken: Iterable[int], left: list[int]) -> list[_Given]:
    """Take faces that went elsewhere off the names; where all of them went, those that stayed know the name."""
    gone = set(taken)
    return [
        give
        if gone.isdisjoint(give.rows)
        else give._replace(rows=[row for row in give.rows if row not in gone] or left)
        for give in given
    ]


def _holder(label: NDArray[np.integer], rows: Sequence[int]) -> int | None:
    """Find who holds most of these faces; None if it is nobody."""
    count = Counter(label[rows].tolist() if rows else [])
    if not count:
        return None
    holder = max(count, key=lambda number: (count[number], number >= 0, -number))
    return None if holder < 0 else int(holder)


def _rows(found: Mapping[Spot, Sequence[int]], spots: Spots) -> list[int]:
    """Rows of faces, each once."""
    return list(dict.fromkeys(row for spot in spots for row in found[spot]))


def _locate(decisions: Sequence[Decision], faces: Faces | Placed) -> dict[Spot, list[int]]:
    """Find the face of each spot in every photo of its content: the box that overlaps most, if by enough."""
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
            iou = overlaps(np.tile(np.array(spot.box), (len(rows), 1)), faces.box[rows])
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


def _together(n: int, links: Sequence[_Tie], alone: Iterable[int]) -> NDArray[np.int32]:
    """Number the groups of linked rows, and the rows that are a group alone, by their first row; -1 the others."""
    parent = {row: row for row in alone} | {row: row for tie in links for row in (tie.i, tie.j)}

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for tie in links:
        a, b = sorted((root(tie.i), root(tie.j)))
        parent[b] = a
    number: dict[int, int] = {}
    together = np.full(n, -1, dtype=np.int32)
    for row in sorted(parent):
        together[row] = number.setdefault(root(row), len(number))
    return together


def _chain(links: Sequence[_Tie], start: int, end: int) -> set[int]:
    """Find the decisions that link two rows, by the fewest links."""
    beside = defaultdict(list)
    for i, j, by in links:
        beside[i].append((j, by))
        beside[j].append((i, by))
    came: dict[int, tuple[int, int]] = {start: (start, -1)}
    waiting = deque([start])
    while end not in came:
        row = waiting.popleft()
        for other, by in beside[row]:
            if other not in came:
                came[other] = (row, by)
                waiting.append(other)
    chain, row = set[int](), end
    while row != start:
        row, by = came[row]
        chain.add(by)
    return chain


def _contradiction(decisions: Sequence[Decision]) -> FaceclusterError:
    lines = "".join(f"\n  {d.place or 'this one'}: {_shortened(d.text)}" for d in decisions)
    undo = " or ".join(f"facecluster undo RESULT {decision.id}" for decision in decisions if decision.place)
    return FaceclusterError(
        f"decisions contradict each other: faces are to be one person's, and not to be:{lines}\n"
        f"take one back: {undo}"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LINE else text[:_LINE] + "..."
