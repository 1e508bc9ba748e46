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
from typing import Any

from facecluster.durable.whole_file import cannot_write, whole_file
from facecluster.errors import FaceclusterError
from facecluster.formats.clusters_json import faces_from_json, people_from_json, record_of
from facecluster.library.amend import Correction
from facecluster.library.library import Library
from facecluster.result import Absent, Changes, Result, UnclusteredFace, with_people

_log = logging.getLogger(__name__)

FILE = ".facecluster-undo.jsonl"

_MOST = 20
"""Patches that are kept: more are hardly taken back one after the other."""


def note(library: Library, decision: str, before: Result, after: Result) -> None:
    """Write down what a decision changes.

    Raises:
        OutputError: disk full, no permission.
    """
    was, now = ({person.id: person for person in of.people} for of in (before, after))
    changed = {own for own in was.keys() | now.keys() if was.get(own) is not now.get(own)}
    free = {(face.id, face.photo) for face in after.unclustered}
    patch = {
        "decision": decision,
        "stamp": stamp(after),
        "gone": sorted(changed & now.keys()),
        "people": [record_of(was[own]) for own in sorted(changed & was.keys())],
        "unclustered": [record_of(face) for face in before.unclustered if (face.id, face.photo) not in free],
        "almost": [record_of(one) for one in before.almost] if before.almost != after.almost else None,
    }
    lines = [*_lines(library)[1 - _MOST :], json.dumps(patch)]
    try:
        with whole_file(library.directory / FILE, sync=False) as file:
            file.writelines(line.encode("ascii") + b"\n" for line in lines)
    except OSError as error:
        raise cannot_write(library.directory / FILE, error) from error


def apply(library: Library, decision: str) -> Correction | None:
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
        except (ValueError, KeyError, TypeError, FaceclusterError):
            return None
    return None


def stamp(result: Result) -> str:
    """Stand for who is who: 16 hex digits of the ids, sizes and covers of the people and the number of the others."""
    people = [(person.id, person.n_faces, person.cover) for person in result.people]
    text = json.dumps([people, len(result.unclustered)])
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def _before(after: Result, patch: dict[str, Any]) -> Correction:
    """Put the people of a patch in the place of those that its decision made."""
    back = people_from_json(patch["people"])
    gone, there = set(patch["gone"]), {person.id for person in back}
    names = {person.id: person.name for person in after.people}
    back = [replace(person, name=names.get(person.id, person.name)) for person in back]
    people = [person for person in after.people if person.id not in gone] + back
    free = faces_from_json(patch["unclustered"])
    placed = {(face.id, face.photo) for person in back for face in person.faces}
    left = [face for face in after.unclustered if (face.id, face.photo) not in placed] + free
    vanished = [person for person in after.people if person.id in gone - there]
    absent = tuple(one for one in after.absent if one.id not in there)
    result = with_people(after, people, _in_order(left))
    result = replace(
        result,
        changes=Changes(
            appeared=tuple(sorted(there - names.keys())), vanished=tuple(person.id for person in vanished)
        ),
        absent=(*absent, *map(Absent.of, vanished)),
    )
    return result, frozenset(there | gone)


def _in_order(faces: Iterable[UnclusteredFace]) -> list[UnclusteredFace]:
    return list(faces)


def _lines(library: Library) -> list[str]:
    try:
        return (library.directory / FILE).read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
