"""What decisions say already of faces: which sides are one person's or two, and of which nobody could say it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from facecluster.identity.decisions import (
    Act,
    Decision,
    Different,
    Make,
    Merge,
    Move,
    Split,
    Spots,
    Unsure,
    in_force,
)

Ids = tuple[str, ...]
"""Ids of faces."""


class _Said(NamedTuple):
    """What one decision says.

    Attributes:
        act: as it is in force.
        sides: groups of faces that were compared with each other; one alone: it was asked who this is.
        placed: faces that it puts where they are.
    """

    act: Act
    sides: tuple[tuple[Ids, ...], ...]
    placed: Ids


class Answered:
    """The sides of all decisions in force, by face. Kept up to date: what was read is not read again."""

    def __init__(self, find: Callable[[Spots], Ids]) -> None:
        """Know of no decision yet.

        Args:
            find: gives the ids of the faces that decisions know so; those that are not there are left out.
        """
        self._find = find
        self._said: dict[str, _Said] = {}
        self._about: dict[str, set[str]] = {}  # ids of decisions by face

    def read(self, decisions: Sequence[Decision]) -> set[str]:
        """Take decisions in place of those before.

        Returns:
            Ids of the faces of which others speak than before.
        """
        standing = {one.id: one.act for one in in_force(decisions)}
        repeated = {
            one.id for one in decisions if one.said_by is not None
        }  # whose word is no answer to a question
        gone = [id_ for id_, said in self._said.items() if standing.get(id_) != said.act]
        touched = set[str]()
        for id_ in gone:
            for face in _faces(self._said.pop(id_)):
                self._about[face].discard(id_)
                touched.add(face)
        for id_, act in standing.items():
            if id_ in self._said:
                continue
            sides = tuple(tuple(map(self._find, sides)) for sides in _compared(act))
            said = _Said(act, sides, () if id_ in repeated else self._find(_placed(act)))
            self._said[id_] = said
            for face in _faces(said):
                self._about.setdefault(face, set()).add(id_)
                touched.add(face)
        return touched

    def about(self, faces: Collection[str]) -> frozenset[str]:
        """Give the ids of the decisions that speak of some faces."""
        if not self._about:
            return frozenset()
        return frozenset(id_ for face in faces for id_ in self._about.get(face, ()))

    def compare(self, by: Collection[str], one: Collection[str], other: Collection[str]) -> bool:
        """Say whether decisions, of these ids, tell whether two sides are one person's, or that nobody can.

        Args:
            by: ids of decisions.
            one: ids of the faces of one side.
            other: of the other.
        """
        for id_ in by:
            for sides in self._said[id_].sides:
                here = [_is_most(side, one) for side in sides]
                there = [_is_most(side, other) for side in sides]
                if any(here[i] and there[j] for i in range(len(sides)) for j in range(len(sides)) if i != j):
                    return True
        return False

    def are_placed(self, faces: Collection[str]) -> bool:
        """Say whether somebody put each of some faces where it is."""
        return all(any(face in self._said[id_].placed for id_ in self._about.get(face, ())) for face in faces)

    def unsure_who(self, by: Collection[str], faces: Collection[str]) -> bool:
        """Say whether somebody, by decisions of these ids, could not say who this is."""
        alone = (sides for id_ in by for sides in self._said[id_].sides if len(sides) == 1)
        return any(_is_most(sides[0], faces) for sides in alone)


def _is_most(side: Ids, faces: Collection[str]) -> bool:
    """Say whether more than half of a side is among some faces."""
    return 2 * sum(face in faces for face in side) > len(side) > 0


def _faces(said: _Said) -> Iterator[str]:
    return chain((face for sides in said.sides for side in sides for face in side), said.placed)


def _placed(act: Act) -> Spots:
    """The faces that an act gives to somebody."""
    match act:
        case Move(faces=faces, to=to) if to is not None:
            return faces
        case Split(faces=faces) | Make(faces=faces):
            return faces
        case _:
            return ()


def _compared(act: Act) -> tuple[tuple[Spots, ...], ...]:
    """Give the groups of faces that an act compares: each time two or more; of a question who this is, the one."""
    match act:
        case Merge(faces=groups) | Different(faces=groups) | Unsure(faces=groups):
            return (groups,)
        case Split(faces=faces, away=away) | Make(faces=faces, away=away):
            return ((faces, away),) if away else ()
        case Move(faces=faces, to=to, away=away):
            return tuple((faces, others) for others in (to, away) if others)
        case _:
            return ()
