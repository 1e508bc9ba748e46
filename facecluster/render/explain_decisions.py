"""Which decisions are about a face or a person, and whether they place it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

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
    SaidBy,
    Split,
    Spot,
    Spots,
    Unsure,
    by_words,
    holder_of,
    in_force,
    locate,
    rows_at,
)
from facecluster.joined import Known
from facecluster.render.explanation import Ruling
from facecluster.text import many


def about_face(known: Known, row: int, decisions: Sequence[Decision]) -> tuple[Ruling, ...]:
    """Find what was decided about a face or its person, first to last."""
    place = int(known.person[row])
    standing = in_force(decisions)
    found = locate(standing, known.faces)
    rulings: list[Ruling] = []
    for decision in standing:
        act = decision.act
        rows = rows_at(found, _stated(act))
        if isinstance(act, Merge | Name | Hide):
            told, follows = _holder(known, rows) == place, False
        elif isinstance(act, Different):
            told, follows = _is_side(known, place, act, found), False
        else:
            told = row in rows
            follows = told and _follows(known, place, act, found)
        if told and isinstance(act, Move | Split | Make):  # earlier ones say nothing of the face any more
            rulings = [replace(ruling, places=False) for ruling in rulings]
        if told:
            rulings.append(
                Ruling(decision.id, decision.time, _in_words(act, decision.said_by), places=follows)
            )
    return tuple(rulings)


def _follows(known: Known, place: int, act: object, found: Mapping[Spot, Sequence[int]]) -> bool:
    """Say whether a face that an act is about is with the person at `place`, -1 nobody, because of it."""
    match act:
        case Move(to=to) if to is not None:
            return _holder(known, rows_at(found, to)) == place
        case Split(faces=spots, away=away) | Make(faces=spots, away=away):
            rest = _holder(known, rows_at(found, away))
            if place < 0 or rest == place:
                return False
            founders = known.founding(place)
            n_own = len(np.intersect1d(founders, rows_at(found, spots)))
            return rest is not None or 2 * n_own > len(
                founders
            )  # nobody is there who it could be parted from
        case Cover() | Unsure() | Said():
            return False
        case _:
            return place < 0


def _is_side(known: Known, place: int, act: Different, found: Mapping[Spot, Sequence[int]]) -> bool:
    """Say whether a person, -1 nobody, is one of two who were told apart."""
    return place >= 0 and place in (_holder(known, rows_at(found, spots)) for spots in act.faces)


def about_person(known: Known, place: int, decisions: Sequence[Decision]) -> tuple[Ruling, ...]:
    """Find what was decided about a person or faces of it, or about faces that were taken away from it."""
    standing = in_force(decisions)
    found = locate(standing, known.faces)
    rulings = []
    for decision in standing:
        act = decision.act
        rows = rows_at(found, _stated(act))
        if isinstance(act, Merge | Name | Hide):
            told = _holder(known, rows) == place
        elif isinstance(act, Different):
            told = _is_side(known, place, act, found)
        else:
            left = rows_at(found, act.away) if isinstance(act, Move | Split | Make) else []
            told = bool((known.person[rows] == place).any()) or _holder(known, left) == place
        if told:
            rulings.append(Ruling(decision.id, decision.time, _in_words(act, decision.said_by), places=False))
    return tuple(rulings)


def _holder(known: Known, rows: Sequence[int]) -> int | None:
    """Find the place of the person who holds most of those of some faces that have a person; None if none has."""
    return holder_of(known.person, [row for row in rows if known.person[row] >= 0])


def _stated(act: object) -> Spots:
    """The faces that a decision is about."""
    match act:
        case Merge(faces=groups) | Different(faces=groups) | Unsure(faces=groups):
            return tuple(spot for spots in groups for spot in spots)
        case (
            Name(faces=spots)
            | Split(faces=spots)
            | Make(faces=spots)
            | Move(faces=spots)
            | NotAPerson(faces=spots)
            | Hide(faces=spots)
            | Cover(faces=spots)
            | Draw(faces=spots)
            | Said(faces=spots)
        ):
            return spots
        case _:
            return ()


def _in_words(act: object, by: SaidBy | None) -> str:
    """Say what was decided, and by whose words."""
    words = _decided(act)
    return words if by is None else f"{words}, {by_words(by)}"


def _decided(act: object) -> str:
    match act:
        case Name(person=person, name=name):
            return f"{person} has no name" if name is None else f"{person} is called {name}"
        case Merge(people=people):
            return f"{' and '.join(people)} merged"
        case Split(person=person, faces=spots):
            return f"{many(len(spots), 'face')} split from {person}"
        case Make(person=person, name=name, faces=spots):
            called = "" if name is None else f" called {name}"
            return f"{many(len(spots), 'face')} made a person: {person}{called}"
        case Move(into=into, faces=spots) if act.is_confirmed:
            return f"{many(len(spots), 'face')} confirmed to be {into}'s"
        case Move(person=person, into=into, faces=spots):
            return f"{many(len(spots), 'face')} moved from {person or 'nobody'} to {into or 'nobody'}"
        case NotAPerson(person=person, faces=spots):
            return f"{person or many(len(spots), 'face')} said to be nobody you know"
        case Different(people=(one, other)):
            return f"{one} and {other} said not to be one person"
        case Hide(person=person, hidden=hidden):
            return f"{person} {'left out of lists' if hidden else 'taken into lists again'}"
        case Cover(person=person):
            return f"a cover of {person} chosen"
        case Unsure(faces=groups):
            return f"nobody could say of {many(sum(map(len, groups)), 'face')}"
        case Said(name=name, faces=spots):
            return f"{many(len(spots), 'face')} called {name} by another program"
        case Draw(faces=spots):
            return f"{many(len(spots), 'face')} drawn by hand"
        case _:
            return str(act)
