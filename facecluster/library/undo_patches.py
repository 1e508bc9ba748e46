"""What the people were before the last decisions, so that one is taken back without grouping everybody anew.

A file beside the people, a patch a line. It is made from them and may be deleted: then people are grouped anew. A patch
counts only while the people are those that its decision made, which `stamp` says.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from facecluster.durable.own_file import oddity_at, open_own
from facecluster.durable.whole_file import whole_file
from facecluster.errors import FaceclusterError, OutputError
from facecluster.formats.clusters_json import (
    FORMAT,
    almost_from_json,
    faces_from_json,
    people_from_json,
    record_of,
)
from facecluster.library.amend import Correction
from facecluster.library.held import Held
from facecluster.library.layout import UNDO as FILE
from facecluster.result import Absent, Changes, Result, with_people

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_MOST = 20
"""Patches that are kept: more are hardly taken back one after the other."""
_THEN = "to undo this decision, all people will be grouped anew"


def note(library: Held, decision: str, before: Result, after: Result) -> None:
    """Write down what a decision changes. Where that cannot be done, it is told: the decision stands all the same."""
    file = library.directory / FILE
    if what := oddity_at(file):
        _log.warning("%s: %s is in the way; %s", file, what, _THEN)
        return
    same = {*map(id, before.people)} & {*map(id, after.people)}
    left = {(face.id, face.photo): face for face in after.unclustered}
    patch = {
        "format": FORMAT,
        "decision": decision,
        "stamp": stamp(after),
        "gone": sorted(person.id for person in after.people if id(person) not in same),
        "people": [
            [place, record_of(person)] for place, person in enumerate(before.people) if id(person) not in same
        ],
        "unclustered": [
            [place, record_of(face)]
            for place, face in enumerate(before.unclustered)
            if left.get((face.id, face.photo)) != face
        ],
        "almost": None if before.almost == after.almost else [record_of(one) for one in before.almost],
    }
    own = f'"decision": {json.dumps(decision)}'  # noted before, where a kill came before the people were written
    lines = [*[line for line in _lines(library) if own not in line][1 - _MOST :], json.dumps(patch)]
    try:
        with whole_file(file, sync=False, follow=False) as opened:
            opened.writelines(line.encode("ascii") + b"\n" for line in lines)
    except OutputError as error:
        _log.warning("%s; %s", error, _THEN)


def apply(library: Held, decision: str) -> Correction | None:
    """Give the people as they were before a decision, and whose faces change; None where that is not known."""
    after = library.people
    for line in reversed(_lines(library)):
        try:
            patch: dict[str, Any] = json.loads(line)
            if patch["decision"] != decision:
                continue
            if patch["stamp"] != stamp(after):
                return None
            return _before(after, patch)
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError, FaceclusterError):
            return None
    return None


def stamp(result: Result) -> str:
    """Stand for who is who: 16 hex digits of the ids of the people, of their faces, and of those of nobody."""
    digest = hashlib.sha256()
    for person in result.people:
        digest.update(
            f"{person.id} {' '.join([face.id for face in person.faces])}\n".encode("utf-8", "surrogateescape")
        )
    digest.update(" ".join([face.id for face in result.unclustered]).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _before(after: Result, patch: dict[str, Any]) -> Correction:
    """Put the people of a patch in the place of those that its decision made, and all in the order that they had."""
    back = people_from_json([record for _, record in patch["people"]], patch.get("format", 1))
    free = faces_from_json([record for _, record in patch["unclustered"]])
    gone, there = set(patch["gone"]), {person.id for person in back}
    people = [person for person in after.people if person.id not in gone]
    _insert(people, back, [place for place, _ in patch["people"]])
    moved = {(face.id, face.photo) for person in back for face in person.faces}
    moved |= {(face.id, face.photo) for face in free}
    left = [face for face in after.unclustered if (face.id, face.photo) not in moved]
    _insert(left, free, [place for place, _ in patch["unclustered"]])
    vanished = [person for person in after.people if person.id in gone - there]
    before = {person.id for person in after.people}
    result = with_people(after, people, left)
    result = replace(
        result,
        almost=after.almost if patch["almost"] is None else tuple(almost_from_json(patch["almost"])),
        changes=Changes(
            appeared=tuple(sorted(there - before)), vanished=tuple(person.id for person in vanished)
        ),
        absent=(*(one for one in after.absent if one.id not in there), *map(Absent.of, vanished)),
    )
    return result, frozenset(there | gone)


def _insert(into: list[_T], things: Iterable[_T], places: Iterable[int]) -> None:
    """Put things where they were, whose places rise."""
    for place, thing in zip(places, things, strict=True):
        into.insert(place, thing)


def _lines(library: Held) -> list[str]:
    try:
        with open_own(library.directory / FILE, "rb") as file:
            return file.read().decode("ascii").splitlines()
    except (OSError, OutputError, UnicodeDecodeError):
        return []
