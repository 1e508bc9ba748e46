"""Ids that last: the people of a new result get the ids that they had in the earlier one of the same folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.almost import AlmostPerson
from facecluster.identity.changes import Placed, match_faces
from facecluster.identity.earlier import Earlier
from facecluster.identity.gate import Reason
from facecluster.identity.people import trace
from facecluster.output.records import Changes, Merged, Result, Split, columns, person_id
from facecluster.table import FaceTable

_ID = re.compile(r"person-\d{4,}", re.ASCII)


def check_ids(result: Result) -> None:
    """Make sure that ids can name people, and files.

    Raises:
        FaceclusterError: an id is there twice, or is none of ours.
    """
    ids = [person.id for person in result.people]
    strange = [own for own in ids if not _ID.fullmatch(own)]
    if strange or len(set(ids)) < len(ids):
        what = f"{strange[0]!r} is no id of a person" if strange else "two people have one id"
        raise FaceclusterError(f"the record of people is damaged: {what}; run cluster again")


def inherit(result: Result, earlier: Result, *, names: bool) -> Result:
    """Give the people of a result the ids of an earlier one, and say what changed.

    Args:
        result: with people numbered from 1.
        earlier: what the folder had before, with sound ids (`check_ids`).
        names: whether people keep their names, too.

    Returns:
        The result with the people in the same order: an old id by majority of faces, see `identity.people.trace`, or a
        number that nobody ever had. `former` gains the ids of those who were merged, and theirs.
    """
    old, new = columns(earlier), columns(result)
    rows_old, rows_new = match_faces(old, new)
    lineage = trace(old.person[rows_old], new.person[rows_new], len(result.people))
    absorbed = {to: of[1:] for to, of in lineage.merged}
    next_id = earlier.next_id
    people = []
    for number, (person, heir) in enumerate(zip(result.people, lineage.heir, strict=True)):
        if heir < 0:
            people.append(replace(person, id=person_id(next_id)))
            next_id += 1
            continue
        was = earlier.people[heir]
        others = [earlier.people[other] for other in absorbed.get(number, ())]
        former = {*was.former, *(text for other in others for text in (other.id, *other.former))}
        called = next((one.name for one in (was, *others) if one.name is not None), None) if names else None
        people.append(replace(person, id=was.id, name=called, former=tuple(sorted(former, key=_order))))
    before, after = [person.id for person in earlier.people], [person.id for person in people]
    changes = Changes(
        appeared=tuple(own for own, heir in zip(after, lineage.heir, strict=True) if heir < 0),
        vanished=tuple(sorted(set(before) - set(after), key=_order)),
        merged=tuple(Merged(after[to], tuple(before[i] for i in of)) for to, of in lineage.merged),
        split=tuple(Split(before[i], tuple(after[j] for j in to)) for i, to in lineage.split),
    )
    return replace(result, people=tuple(people), next_id=next_id, changes=changes)


def recall(earlier: Result, table: FaceTable) -> Earlier:
    """Say what an earlier result knows of the faces of a table; faces that are not there any more are forgotten."""
    faces, old = table.faces, columns(earlier)
    n = len(faces)
    here = Placed(
        id=faces.id.tolist(),
        photo=table.photos.path[faces.photo].tolist(),
        box=faces.box.astype(np.float64),
        person=np.full(n, -1, dtype=np.int64),
        confidence=np.full(n, np.nan),
    )
    rows_old, rows = match_faces(old, here)
    row_of = {(face_id, photo): row for face_id, photo, row in _names(old, rows_old, rows)}
    core = [face.core for person in earlier.people for face in person.faces]
    reason = [Reason.PASSED] * len(core) + [_reason(face.reason) for face in earlier.unclustered]
    core += [False] * len(earlier.unclustered)
    known = Earlier.nothing(n)
    known.is_new[rows] = False
    known.person[rows] = old.person[rows_old]
    known.core[rows] = np.array(core, dtype=np.bool_)[rows_old]
    known.confidence[rows] = old.confidence[rows_old]
    known.reason[rows] = np.array(reason, dtype=np.uint8)[rows_old]
    return replace(known, almost=tuple(_almost(earlier, row_of)))


def _names(faces: Placed, at: NDArray[np.intp], rows: NDArray[np.intp]) -> Iterator[tuple[str, str, int]]:
    """Id, photo and row in a table of the faces at some places of a result."""
    for i, row in zip(at.tolist(), rows.tolist(), strict=True):
        yield faces.id[i], faces.photo[i], row


def _almost(earlier: Result, row_of: Mapping[tuple[str, str], int]) -> Iterator[AlmostPerson]:
    """The almost-people all of whose faces are still there."""
    for almost in earlier.almost:
        rows = [row_of.get((face.id, face.photo), -1) for face in almost.faces]
        if min(rows, default=-1) >= 0:
            lack = [
                _reason(face.missing[0].reason) if face.missing else Reason.PASSED for face in almost.faces
            ]
            yield AlmostPerson(np.array(rows, dtype=np.int64), np.array(lack, dtype=np.uint8))


def _reason(code: str) -> Reason:
    """Read a code of `Reason`; one of another version says nothing."""
    return Reason.__members__.get(code.upper(), Reason.NO_MATCH)


def rename(result: Result, named: Mapping[int, str]) -> Result:
    """Give people names.

    Args:
        result: whose people may have names.
        named: name by place among the people, from 0. Whoever else has one of these names loses it.
    """
    given = {name.casefold() for name in named.values()}
    people = tuple(
        replace(person, name=named[i])
        if i in named
        else replace(person, name=None)
        if person.name is not None and person.name.casefold() in given
        else person
        for i, person in enumerate(result.people)
    )
    return replace(result, people=people)


def _order(own: str) -> tuple[int, str]:
    """Of ids: person-9999 comes before person-10000."""
    return len(own), own
