"""Ids that last: the people of a new result get the ids that they had in the earlier one of the same folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.almost import AlmostPerson
from facecluster.identity.changes import Placed, match_faces
from facecluster.identity.cluster import Clustering
from facecluster.identity.gate import Reason
from facecluster.identity.heirs import Lineage, trace
from facecluster.identity.prior import PriorAssignment
from facecluster.result import Absent, Changes, Person, Result, WasMerged, WasSplit, columns, person_id
from facecluster.table import FaceTable

_ID = re.compile(r"person-\d{4,}", re.ASCII)


def check_ids(result: Result) -> None:
    """Make sure that ids can name people, and files.

    Raises:
        FaceclusterError: an id is there twice, or is none of ours.
    """
    ids = [person.id for person in result.people]
    strange = [own for own in (*ids, *(one.id for one in result.absent)) if not _ID.fullmatch(own)]
    if strange or len(set(ids)) < len(ids):
        what = f"{strange[0]!r} is no id of a person" if strange else "two people have one id"
        raise FaceclusterError(f"the record of people is damaged: {what}; run cluster again")


def inherit(
    result: Result,
    earlier: Result | None,
    *,
    claimed: Mapping[int, str] | None = None,
    names: bool = False,
    both: NDArray[np.int64] | None = None,
) -> Result:
    """Give the people of a result the ids of an earlier one, and say what changed.

    Args:
        result: with people numbered from 1.
        earlier: what the folder had before, with sound ids (`check_ids`); None: nothing.
        claimed: id, by place among the people, by which a person knows somebody (`identity.assured.claims`): it goes
            before all else.
        names: whether people keep their names, too.
        both: (2, n) numbers of the earlier and of the new person of each face that is in both results, -1 none, where
            that is known; None: it is found out.

    Returns:
        The result with the people in the same order: an old id by majority of faces, see `identity.heirs.trace`; else
        that of somebody absent, of whose faces that are placed anywhere the person holds more than half; else a
        number that nobody ever had. `former` gains the ids of those who were merged, and theirs; who is gone now is
        absent. Where a person was split, and the part that would keep the id is mostly somebody's who was merged
        into it, that part gets the absent one's id, and the largest other part the person's.
    """
    claimed = claimed or {}
    if earlier is None:
        return _claim(result, claimed)
    if both is None:
        old, new = columns(earlier), columns(result)
        rows_old, rows_new = match_faces(old, new)
        both = np.stack([old.person[rows_old], new.person[rows_new]])
    lineage = trace(both[0], both[1], len(result.people))
    absorbed = {to: of[1:] for to, of in lineage.merged}
    heirs, back = _come_back(result, earlier, lineage, both)
    next_id = earlier.next_id
    people = []
    for number, (person, heir) in enumerate(zip(result.people, heirs, strict=True)):
        if number in back:
            people.append(replace(person, id=back[number].id))
            continue
        if heir < 0:
            people.append(replace(person, id=person_id(next_id)))
            next_id += 1
            continue
        was = earlier.people[heir]
        others = [earlier.people[other] for other in absorbed.get(number, ())]
        former = {*was.former, *(text for other in others for text in (other.id, *other.former))}
        called = next((one.name for one in (was, *others) if one.name is not None), None) if names else None
        mine = (was.id, called, was.former if former == {*was.former} else tuple(former))
        if (person.id, person.name, person.former) != mine:
            person = replace(person, id=mine[0], name=mine[1], former=mine[2])
        people.append(person)
    held = _claim(replace(result, people=tuple(people), next_id=next_id), claimed)
    people, next_id = list(held.people), held.next_id
    before, after = [person.id for person in earlier.people], [person.id for person in people]
    there = set(before)
    changes = Changes(
        appeared=tuple(own for own in after if own not in there),
        vanished=tuple(sorted(set(before) - set(after), key=_order)),
        merged=tuple(WasMerged(after[to], tuple(before[i] for i in of)) for to, of in lineage.merged),
        split=tuple(WasSplit(before[i], tuple(after[j] for j in to)) for i, to in lineage.split),
    )
    here = set(after)
    known = there | here
    gone = sorted((one for one in earlier.people if one.id not in here), key=lambda one: _order(one.id))
    absent = [one for one in earlier.absent if one.id not in known] + [*map(Absent.of, gone)]
    return replace(
        result, people=_with_former(people, absent), next_id=next_id, changes=changes, absent=tuple(absent)
    )


def _claim(result: Result, claimed: Mapping[int, str]) -> Result:
    """Give people the ids by which a person knows them; who else had one of these gets a number of its own."""
    sound = {number: own for number, own in claimed.items() if _ID.fullmatch(own)}
    known, taken = set(sound.values()), {person.id for person in result.people}
    next_id = max(result.next_id, *(1 + int(own.removeprefix("person-")) for own in known), 1)
    people = []
    for number, person in enumerate(result.people):
        own = sound.get(number, person.id)
        if number not in sound and own in known:
            own, next_id = person_id(next_id), next_id + 1
        former = tuple(old for old in person.former if old != own)
        people.append(replace(person, id=own, former=former) if own != person.id else person)
    if {person.id for person in people} == taken and next_id == result.next_id:
        return result
    return replace(result, people=tuple(people), next_id=next_id)


def _come_back(
    result: Result, earlier: Result, lineage: Lineage, both: NDArray[np.int64]
) -> tuple[list[int], dict[int, Absent]]:
    """Find who gets the id of somebody absent.

    Args:
        result: with p people.
        earlier: with k people, and those who are absent.
        lineage: of its people.
        both: (2, n) numbers of the earlier and of the new person of each face that is in both results; -1 none.

    Returns:
        For each of the p, the earlier person whose id it keeps, or -1; and the absent one whose id it gets.
    """
    people = {person.id for person in earlier.people}
    absent = [one for one in earlier.absent if one.id not in people]
    held = _held(result.people, absent)
    heirs = list(lineage.heir)
    merged = {number for number, _ in lineage.merged}
    for one, parts in lineage.split:
        was = earlier.people[one]
        free = [
            part for part in parts if heirs[part] < 0 and part not in {number for number, _ in held.values()}
        ]
        heir = next((part for part in parts if heirs[part] == one and part not in merged), None)
        if not free or heir is None:
            continue
        in_heir, in_other = (
            np.count_nonzero((both[0] == one) & (both[1] == part)) for part in (heir, free[0])
        )
        for own in absent:
            mostly = own.id in was.former and own.id in held and held[own.id][0] == heir
            if mostly and 2 * own.n_faces > in_heir and 2 * in_other > was.n_faces - own.n_faces:
                heirs[heir], heirs[free[0]] = -1, one
                break
    place = {own.id: i for i, own in enumerate(absent)}
    claims = sorted(
        (-count, number, -place[id_]) for id_, (number, count) in held.items() if heirs[number] < 0
    )
    back: dict[int, Absent] = {}
    for _, number, from_the_end in claims:
        back.setdefault(number, absent[-from_the_end])
    return heirs, back


def _held(people: Sequence[Person], absent: Iterable[Absent]) -> dict[str, tuple[int, int]]:
    """Find who holds more than half of somebody's known faces that are placed anywhere.

    Returns:
        By id of the absent: number of the person from 0, and of the faces, of which copies are one.
    """
    absent = tuple(absent)
    holders: dict[str, set[int]] = {face: set() for one in absent for face in one.faces}
    for number, person in enumerate(people):
        for face in person.faces:
            if face.id in holders:
                holders[face.id].add(number)
    held = {}
    for one in absent:
        count = Counter(number for face in one.faces for number in sorted(holders[face]))
        n_placed = sum(bool(holders[face]) for face in one.faces)
        for number, n in count.most_common(1):
            if 2 * n > n_placed:
                held[one.id] = (number, n)
    return held


def _with_former(people: Sequence[Person], absent: Iterable[Absent]) -> tuple[Person, ...]:
    """Let `former` ids go with most of the faces of whom they were; who is there is no former one."""
    there = {person.id for person in people}
    known = {own for person in people for own in person.former}
    home = {own: number for own, (number, _) in _held(people, absent).items() if own in known}
    former: list[Collection[str]] = [
        {own for own in person.former if own not in there and home.get(own, number) == number}
        | {own for own, where in home.items() if where == number}
        for number, person in enumerate(people)
    ]
    ordered = (tuple(sorted(own, key=_order)) for own in former)
    return tuple(
        person if person.former == own else replace(person, former=own)
        for person, own in zip(people, ordered, strict=True)
    )


def prior_assignment(earlier: Result, table: FaceTable) -> PriorAssignment:
    """Say what an earlier result knows of the faces of a table; faces that are not there any more are forgotten."""
    return known_of(earlier, find_rows(earlier, table), len(table.faces))


def clustering_of(result: Result, table: FaceTable) -> Clustering:
    """Give a result as arrays, row by row as the faces of its table.

    `distance` is NaN, as results do not have it. Faces that the result does not know are nobody's.
    """
    known = prior_assignment(result, table)
    unknown = np.full(len(table.faces), np.nan, dtype=np.float32)
    return Clustering(
        known.person.astype(np.int32), known.core, unknown, known.confidence, known.reason, known.almost
    )


def placed_nowhere(table: FaceTable) -> Placed:
    """The n faces of a table, each of them nobody's."""
    faces, n = table.faces, len(table.faces)
    return Placed(
        id=faces.id.tolist(),
        photo=table.photos.path[faces.photo].tolist(),
        box=faces.box.astype(np.float64),
        anchor=faces.anchor.astype(np.float64),
        page=faces.page.astype(np.int64),
        time_s=faces.time_s.astype(np.float64),
        track=faces.track.astype(np.int64),
        person=np.full(n, -1, dtype=np.int64),
        confidence=np.full(n, np.nan),
    )


def find_rows(earlier: Result, table: FaceTable) -> NDArray[np.int64]:
    """Find the faces of a result, in the order of `columns`, in a table -> (k,) rows; -1 where one is not there."""
    old, here = columns(earlier), placed_nowhere(table)
    row_of = np.full(len(old), -1, dtype=np.int64)
    rows_old, rows = match_faces(old, here)
    row_of[rows_old] = rows
    return row_of


def known_of(earlier: Result, row_of: NDArray[np.int64], n: int) -> PriorAssignment:
    """Say what an earlier result knows of the n faces of a table, where each of its own is there (`find_rows`)."""
    old = columns(earlier)
    at = np.flatnonzero(row_of >= 0)
    rows = row_of[at]
    core = [face.core for person in earlier.people for face in person.faces]
    reason = [Reason.PASSED] * len(core) + [_reason(face.reason) for face in earlier.unclustered]
    core += [False] * len(earlier.unclustered)
    known = PriorAssignment.nothing(n)
    known.is_new[rows] = False
    known.person[rows] = old.person[at]
    known.core[rows] = np.array(core, dtype=np.bool_)[at]
    known.confidence[rows] = old.confidence[at]
    known.reason[rows] = np.array(reason, dtype=np.uint8)[at]
    return replace(known, almost=tuple(almost for _, almost in almost_of(earlier, row_of)))


def almost_of(earlier: Result, row_of: NDArray[np.int64]) -> Iterator[tuple[int, AlmostPerson]]:
    """The almost-people all of whose faces are in a table, see `find_rows`, each with its place in the result."""
    n_placed = len(row_of) - len(earlier.unclustered)
    row = {
        (face.id, face.photo): row
        for face, row in zip(earlier.unclustered, row_of[n_placed:].tolist(), strict=True)
        if face.almost is not None
    }
    for place, almost in enumerate(earlier.almost):
        rows = [row.get((face.id, face.photo), -1) for face in almost.faces]
        if min(rows, default=-1) >= 0:
            lack = [
                _reason(face.missing[0].reason) if face.missing else Reason.PASSED for face in almost.faces
            ]
            yield place, AlmostPerson(np.array(rows, dtype=np.int64), np.array(lack, dtype=np.uint8))


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
