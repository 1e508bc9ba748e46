"""What people decided about the faces of a table, as rows: see `decisions` for where it comes from."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.assured import Assured, assured
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
    Spots,
    Undo,
    Unsure,
    in_force,
    locate,
    rows_at,
    shown,
    with_tracks,
)
from facecluster.table import Faces

_SHARED = 2
"""Anchors that two groups share who are one person's, or half of the smaller group; fewer went astray."""


@dataclass(frozen=True, eq=False)
class Constraints:
    """What `cluster_faces` must keep to, for n faces.

    Attributes:
        together: (n,) int32, faces of equal number are one person's (must-link); -1 nothing is decided.
        apart: (k, 2) int64, pairs of rows that are not one person's (cannot-link).
        moved: (n,) bool, somebody took the face away from where it had been put: it links nobody, founds nobody, and
            is judged alone, unless `together` says whose it is.
        founded: (n,) bool, somebody said that the faces of this `together` are a person: no gate, no least number of
            photos.
        ignored: (n,) bool, said to be no person.
        not_people: rows (k_i,) of faces by which a person is known who is said to be none: the person who holds most
            of them is dissolved, whoever else is in it.
        overruled: id of the later decision by id of one of which nothing is left: its faces were all put elsewhere, or
            those whom it parts made one.
        assured: people who stay people under any settings, because somebody named, merged or split them, or gave them
            a face; in order of the decisions. Their faces need not be one person's: see `keep.keep_assured`.
    """

    together: NDArray[np.int32]
    apart: NDArray[np.int64]
    moved: NDArray[np.bool_]
    founded: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    not_people: tuple[NDArray[np.int64], ...] = field(default=())
    overruled: Mapping[str, str] = field(default_factory=dict)
    assured: tuple[Assured, ...] = field(default=())

    def is_named(self) -> NDArray[np.bool_]:
        """Say by which faces somebody knows a person -> (n,)."""
        named = self.together >= 0
        named[self.apart.reshape(-1)] = True
        return named

    def led(self, lead: NDArray[np.intp]) -> Constraints:
        """Give what is decided about the faces of tracks to those that stand for them, and to no other of these.

        Args:
            lead: (n,) see `tracks.leaders`.
        """
        beside = lead != np.arange(len(lead))
        if not beside.any():
            return self
        apart = lead[self.apart]
        return replace(
            self,
            together=np.where(beside, np.int32(-1), self.together),
            apart=_each_once([apart[apart[:, 0] != apart[:, 1]]], len(lead)),
            moved=self.moved & ~beside,
            founded=self.founded & ~beside,
            ignored=self.ignored & ~beside,
            not_people=tuple(np.unique(lead[rows]) for rows in self.not_people),
            assured=tuple(replace(one, rows=np.unique(lead[one.rows])) for one in self.assured),
        )

    @classmethod
    def none(cls, n: int) -> Constraints:
        """Nothing is decided about n faces."""
        no = np.zeros(n, dtype=np.bool_)
        return cls(np.full(n, -1, dtype=np.int32), np.empty((0, 2), dtype=np.int64), no, no, no)


def resolve(decisions: Sequence[Decision], faces: Faces | Placed, *, library: str = "LIBRARY") -> Constraints:
    """Say what decisions mean for n faces; those whose photo or box is not there mean nothing.

    Args:
        decisions: in order of time, with those that are undone.
        faces: of a table or of a result. Identical copies of a photo all count, and all faces of a track are one.
        library: how one types the library that the decisions are about, for the message.

    Raises:
        FaceclusterError: they contradict each other.
    """
    standing = in_force(decisions)
    found = with_tracks(locate(standing, faces), faces)
    n = len(faces)
    moved, founded, ignored = (np.zeros(n, dtype=np.bool_) for _ in range(3))
    first = {row: rows[0] for rows in found.values() for row in rows}  # of the copies of a face
    ties = _Ties(first)
    parts: list[_Part] = []
    not_people: list[NDArray[np.int64]] = []
    placed: dict[int, int] = {}  # by row that a later decision puts somewhere: its place, of several the last
    overruled: dict[int, int] = {}
    homeless = set[
        int
    ]()  # of these, rows that it gives to nobody, or to somebody new: earlier decisions still part them
    dropped = set[int]()  # rows that a later decision says to be no person's

    def stated(spots: Spots) -> list[int]:
        return [row for row in rows_at(found, spots) if row not in placed and row not in dropped]

    def parted(spots: Spots) -> list[int]:
        rows = (row for row in rows_at(found, spots) if row not in dropped)
        return [row for row in rows if row not in placed or row in homeless]

    def anchors(spots: Spots) -> list[int]:
        return stated(spots) or rows_at(found, spots)

    told_apart: list[_ToldApart] = []
    ids = _Ids()  # of people who are one, as later decisions say

    def part(by: int, spots: Spots, away: Spots) -> list[_Part]:
        rows, others = parted(spots), anchors(away)
        kept = _parts(rows, others, by, ties)
        if not stated(spots) and (left := [placed[row] for row in rows_at(found, spots) if row in placed]):
            overruled[by] = min(left)
        elif rows and others and not kept and (inside := ties.inside(rows[0], others)):
            later = ties.chain(rows[0], min(inside)) - {by}
            overruled.update({by: min(later)} if later else {})
        return kept

    for by in reversed(range(len(standing))):
        match standing[by].act:
            case Merge(people=people, faces=groups):
                # whose faces were all put elsewhere since, as when the two were split again, is not meant any more
                sides = [side for side in map(stated, groups) if side]
                if len(sides) > 1:
                    ties.tie(by, sides)
                    ids.tie(by, people)
                elif sum(bool(rows_at(found, spots)) for spots in groups) > 1:
                    left = [placed[row] for spots in groups for row in rows_at(found, spots) if row in placed]
                    overruled.update({by: min(left)} if left else {})
            case Split(faces=spots, away=away) | Make(faces=spots, away=away):
                rows = stated(spots)
                ties.tie(by, [rows], rows)
                parts += part(by, spots, away)
                moved[rows] = founded[rows] = True
                placed.update(dict.fromkeys(rows, by))
                homeless.update(rows)  # who is new is nobody of whom the faces were taken before
            case Move(faces=spots, to=to, away=away) as act:
                rows = stated(spots)
                if to is not None and rows:
                    ties.tie(by, [list(dict.fromkeys(rows + stated(to)))], rows)
                elif to is None:
                    homeless.update(rows)
                parts += part(by, spots, away)
                founding = rows_at(found, to) if to is not None and act.is_confirmed else []
                moved[[row for row in rows if row not in founding]] = True
                placed.update(dict.fromkeys(rows, by))
            case NotAPerson(person=None, faces=spots):
                rows = [row for row in rows_at(found, spots) if row not in placed]
                ignored[rows] = True
                dropped.update(rows)
            case NotAPerson(faces=spots):
                if rows := stated(spots):
                    not_people.append(np.array(rows, dtype=np.int64))
            case Different(people=people, faces=groups):
                one, other = map(stated, groups)
                left = [placed[row] for spots in groups for row in rows_at(found, spots) if row in placed]
                if later := ids.chain(people):
                    overruled[by] = min(later)
                elif one and other:
                    told_apart.append(_ToldApart(one, other, by))
                elif left:
                    overruled[by] = min(left)
            case Name() | Hide() | Cover() | Unsure() | Said() | Draw() | Undo():
                pass
    pairs = set[tuple[int, int]]()
    for row, others, by in sorted(parts, key=lambda part: part.by):
        inside = ties.inside(row, others)
        if _is_most(inside, others, first):
            lines = sorted({by, *ties.chain(row, min(inside))})
            raise _contradiction([standing[line] for line in lines], library)
        pairs.update((min(row, other), max(row, other)) for other in others if first[other] not in inside)
    apart = [np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)]
    for these, those, by in told_apart:
        joined = {row: ties.inside(row, those) for row in ties.tied(these, those)}
        mostly = [row for row in joined if _is_most(joined[row], those, first)]
        if _is_most({first[row] for row in mostly}, these, first):
            chain = ties.chain(mostly[0], min(joined[mostly[0]]))
            if max(chain) < by:
                raise _contradiction([standing[line] for line in sorted({by, *chain})], library)
            overruled[by] = min(line for line in chain if line > by)
        elif joined or not {first[row] for row in these}.isdisjoint(first[row] for row in those):
            apart += [
                np.array(
                    [
                        (row, other)
                        for other in those
                        if first[other] not in joined.get(row, ()) and first[other] != first[row]
                    ],
                    dtype=np.int64,
                )
                for row in these
            ]
        else:
            apart.append(np.stack([np.repeat(these, len(those)), np.tile(those, len(these))], axis=1))
    return Constraints(
        together=ties.together(n, founded),
        apart=_each_once(apart, n),
        moved=moved,
        founded=founded,
        ignored=ignored,
        not_people=tuple(reversed(not_people)),
        overruled={standing[by].id: standing[later].id for by, later in overruled.items()},
        assured=tuple(one for one in assured(decisions, faces) if one.is_kept),
    )


class _ToldApart(NamedTuple):
    """Rows of two people whom somebody told apart, and the place of the decision."""

    these: list[int]
    those: list[int]
    by: int


class _Part(NamedTuple):
    """A row that is no face of the person for whom the other rows stand, and the place of the decision."""

    row: int
    others: list[int]
    by: int


def _parts(rows: Sequence[int], away: Sequence[int], by: int, ties: _Ties) -> list[_Part]:
    """Say which rows are no face of the person of `away`, but for those that later decisions make one with it.

    Args:
        rows: of the faces.
        away: of the person.
        by: place of the decision.
        ties: of this decision and of those after it.
    """
    parts = []
    for row in rows:
        others = [other for other in away if ties.first[other] != ties.first[row]]
        inside = ties.inside(row, others)
        if not _is_most(inside, others, ties.first):
            parts.append(_Part(row, [other for other in others if ties.first[other] not in inside], by))
    return parts


def _is_most(inside: set[int], others: Sequence[int], first: Mapping[int, int]) -> bool:
    """Say whether the faces that are linked are half of the others or more: fewer went astray."""
    return bool(inside) and 2 * len(inside) >= len({first[other] for other in others})


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

    def tied(self, rows: Sequence[int], others: Sequence[int]) -> list[int]:
        """Give those of some rows that are one person's with any of others."""
        knots = (self.knot.get(self.first[other]) for other in others)
        roots = {self.root(knot) for knot in knots if knot is not None}
        return [
            row
            for row in rows
            if (knot := self.knot.get(self.first[row])) is not None and self.root(knot) in roots
        ]

    def inside(self, row: int, others: Sequence[int]) -> set[int]:
        """Give those of other rows, the first of its copies each, that are one person's with a row."""
        return {self.first[other] for other in others if self.linked(row, other)}

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


def _each_once(pairs: Sequence[NDArray[np.int64]], n: int) -> NDArray[np.int64]:
    """Give pairs of n rows once each, the lower row first, in order -> (k, 2); there may be a million."""
    both = np.concatenate([some.reshape(-1, 2) for some in pairs]).astype(np.int64)
    keys = np.sort(both.min(axis=1, initial=n) * n + both.max(axis=1, initial=-1))
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    return np.stack([keys // max(n, 1), keys % max(n, 1)], axis=1)


class _Ids:
    """Ids of people whom decisions made one: they last, where the faces by which decisions know people change."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._first: dict[int, int] = {}
        self._ties = _Ties(self._first)

    def tie(self, by: int, people: Sequence[str]) -> None:
        """The decision at this place made these people one."""
        numbers = [self._number.setdefault(own, len(self._number)) for own in people]
        self._first.update(zip(numbers, numbers, strict=True))
        self._ties.tie(by, [[number] for number in numbers])

    def chain(self, people: tuple[str, str]) -> set[int]:
        """Give the places of the decisions that made one of two people; none where nothing did."""
        if not all(own in self._number for own in people):
            return set()
        one, other = (self._number[own] for own in people)
        return self._ties.chain(one, other) if self._ties.linked(one, other) else set()


def _contradiction(decisions: Sequence[Decision], library: str) -> FaceclusterError:
    lines = "".join(f"\n  {shown(decision)}" for decision in decisions)
    undo = " or ".join(
        f"facecluster undo {library} {decision.id}" for decision in decisions if decision.place
    )
    return FaceclusterError(
        f"decisions contradict each other: faces are to be one person's, and not to be:{lines}\n"
        f"take one back: {undo}"
    )
