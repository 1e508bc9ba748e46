"""What `facecluster forget` takes out of a face table, a result, and decisions.

A person's faces are known by content and box, as in decisions, so that they are found in other tables and results of
the same photos, and in all copies of a photo; photos are known by their path.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, lose_faces, overlaps
from facecluster.identity.decisions import digest_of
from facecluster.output.records import (
    Absent,
    AlmostPerson,
    Changes,
    Person,
    PersonFace,
    Result,
    UnclusteredFace,
    with_people,
)
from facecluster.table import NO_FACE, OK, STATUSES, UNREADABLE, FaceTable


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be forgotten: faces, or photos.

    Attributes:
        boxes: (k, 4) boxes of the faces, by digest of their photo's content.
        photos: paths.
        contents: digests of photos of which no copy stays.
        names: of people, case folded.
    """

    boxes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    photos: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def has_photo(self, path: str) -> bool:
        """Say whether a photo goes, with all its faces."""
        return path in self.photos

    def has_face(self, digest: str, box: Sequence[float]) -> bool:
        """Say whether a face goes, wherever its photo lies."""
        if digest in self.contents:
            return True
        boxes = self.boxes.get(digest)
        if boxes is None:
            return False
        return bool((overlaps(np.tile(np.array(box), (len(boxes), 1)), boxes) >= SAME_FACE_IOU).any())


def target_of(
    people: Iterable[Person],
    photos: Collection[str],
    faces: Iterable[tuple[str, str]],
    labelled: Iterable[tuple[str, Sequence[float]]] = (),
) -> Target:
    """Make a target of all faces of some people, of all of some photos, and of others.

    Args:
        people: who is to be forgotten.
        photos: paths, see `find_photos`.
        faces: digest and path of the photos of all faces there are.
        labelled: digest of the photo, and box, of the others.
    """
    boxes = defaultdict(list)
    names = set()
    for digest, box in labelled:
        boxes[digest].append(box)
    for person in people:
        if person.name is not None:
            names.add(person.name.casefold())
        for face in person.faces:
            boxes[digest_of(face.id)].append(face.box)
    arrays = {digest: np.array(those, dtype=np.float64) for digest, those in boxes.items()}
    target = Target(boxes=arrays, photos=frozenset(photos), names=frozenset(names))
    go, stay = set[str](), set[str]()
    for digest, path in faces:
        (go if target.has_photo(path) else stay).add(digest)
    return replace(target, contents=frozenset(go - stay))


def find_photos(paths: Iterable[str], glob: str) -> set[str]:
    """Find the photos that are meant by an absolute path, or by a name alone where there is no slash.

    Args:
        paths: absolute.
        glob: a path may be relative to the current folder. It is a pattern, unless it is a photo's name or path as it
            is: "a[1].jpg" is that photo, and "a1.jpg" only where there is none called so.
    """
    name_only = os.sep not in glob and "/" not in glob
    absolute = os.path.abspath(glob)
    of = {path: os.path.basename(path) if name_only else path for path in paths}
    exact = {path for path, text in of.items() if text == (glob if name_only else absolute)}
    if exact or os.path.isfile(glob):
        return exact
    patterns = [glob] if name_only else [glob, absolute]
    return {path for path, text in of.items() if any(fnmatch.fnmatch(text, pattern) for pattern in patterns)}


@dataclass(frozen=True, eq=False)
class CleanedTable:
    """A face table without what is forgotten.

    Attributes:
        table: as it is now.
        faces: ids of those that are gone, one for each row.
        photos: paths of those that are gone.
    """

    table: FaceTable
    faces: tuple[str, ...]
    photos: tuple[str, ...]


def forget_in_table(table: FaceTable, target: Target) -> CleanedTable:
    """Take faces, or photos with their faces, out of a table.

    A photo that loses its last face, and stays, has the status of one without faces; whether it loses its main face is
    put down, so that nobody else takes that one's place.
    """
    faces, photos = table.faces, table.photos
    out = np.array([target.has_photo(path) for path in photos.path.tolist()], dtype=np.bool_)
    gone = out[faces.photo]
    digests = [digest_of(face) for face in faces.id.tolist()]
    for row in range(len(faces)):
        gone[row] = gone[row] or (
            digests[row] in target.boxes and target.has_face(digests[row], faces.box[row])
        )
    box = faces.box.astype(np.float64)
    lost = lose_faces(faces.photo.astype(np.int64), box, gone, photos.size, photos.lost)
    left = np.bincount(faces.photo[~gone], minlength=len(photos))
    bare = (left == 0) & (np.bincount(faces.photo[gone], minlength=len(photos)) > 0)
    status = np.where(bare & (photos.status == OK), NO_FACE, photos.status)
    number = np.cumsum(~out) - 1
    columns = {name: column[~gone] for name, column in vars(faces).items()}
    rows = {name: column[~out] for name, column in vars(replace(photos, status=status, lost=lost)).items()}
    cleaned = replace(
        table,
        photos=replace(photos, **rows),
        faces=replace(faces, **columns | {"photo": number[columns["photo"]].astype(np.int32)}),
    )
    return CleanedTable(cleaned, tuple(faces.id[gone].tolist()), tuple(photos.path[out].tolist()))


@dataclass(frozen=True)
class Cleaned:
    """A result without what is forgotten.

    Attributes:
        result: as it is now; `changes` says who is gone.
        changed: ids of people who lost some of their faces.
        faces: ids of those that are gone, placed or not; of copies of a photo, each one's.
        photos: absolute paths of the photos of those.
    """

    result: Result
    changed: frozenset[str]
    faces: tuple[str, ...]
    photos: frozenset[str]


def forget_in_result(result: Result, target: Target, table: FaceTable | None) -> Cleaned:
    """Take faces out of a result.

    Args:
        result: who is who.
        target: what is to be forgotten.
        table: without it already, to count the photos; None: those of the result are reckoned with.
    """
    gone: set[tuple[str, str]] = set()
    known: set[str] = set()  # ids of the faces that stay

    def goes(face: PersonFace | UnclusteredFace) -> bool:
        out = target.has_photo(face.photo) or target.has_face(digest_of(face.id), face.box)
        if out:
            gone.add((face.id, face.photo))
        else:
            known.add(face.id)
        return out

    people, changed, vanished = [], set(), []
    for person in result.people:
        stay = [face for face in person.faces if not goes(face)]
        if len(stay) == len(person.faces):
            people.append(person)
        elif stay:
            changed.add(person.id)
            people.append(Person.of(person.id, stay, person.name, person.former))
        else:
            vanished.append(person.id)
    left = [face for face in result.unclustered if not goes(face)]
    almost, place = _almost_without(result.almost, gone)
    left = [face if face.almost is None else replace(face, almost=place.get(face.almost)) for face in left]
    cleaned = replace(
        with_people(result, people, left),
        almost=almost,
        changes=Changes(vanished=tuple(vanished)),
        absent=_absent_without(result.absent, target, known),
    )
    before = {face.photo for person in result.people for face in person.faces}
    before |= {face.photo for face in result.unclustered}
    after = {face.photo for person in people for face in person.faces} | {face.photo for face in left}
    bare = before - after
    statuses = Counter(table.photos.status.tolist()) if table is not None else _statuses(result, bare, target)
    counts = replace(
        cleaned.counts,
        photos=statuses.total(),
        ok=statuses[OK],
        no_face=statuses[NO_FACE],
        unreadable=statuses[UNREADABLE],
    )
    return Cleaned(
        replace(cleaned, counts=counts),
        frozenset(changed),
        tuple(sorted(face for face, _ in gone)),
        frozenset(photo for _, photo in gone),
    )


def _absent_without(absent: Iterable[Absent], target: Target, known: Collection[str]) -> tuple[Absent, ...]:
    """Take faces out of what is known of people who are absent; one without any is forgotten.

    Their boxes are not known: of a photo with faces to be forgotten, those stay that the result still knows.
    """

    def stay(face: str) -> bool:
        digest = digest_of(face)
        return face in known or not (digest in target.contents or digest in target.boxes)

    left = (replace(one, faces=tuple(filter(stay, one.faces))) for one in absent)
    return tuple(one for one in left if one.faces)


def _statuses(result: Result, bare: Iterable[str], target: Target) -> Counter[str]:
    """Reckon how many photos have which status, once some of those with faces have none any more, or are gone."""
    statuses = Counter({status: getattr(result.counts, status) for status in STATUSES})
    for photo in bare:
        statuses[OK] -= 1
        statuses[NO_FACE] += not target.has_photo(photo)
    return statuses


def _almost_without(
    almost: Sequence[AlmostPerson], gone: set[tuple[str, str]]
) -> tuple[tuple[AlmostPerson, ...], dict[int, int]]:
    """Take faces, by id and photo, out of the almost-people; one without a face that counts is none any more.

    Returns:
        Those that are left, and their place by the place they had.
    """
    left: list[AlmostPerson] = []
    place: dict[int, int] = {}
    for number, one in enumerate(almost):
        faces = tuple(face for face in one.faces if (face.id, face.photo) not in gone)
        if len(faces) < len(one.faces):
            counting = {face.photo for face in faces if not face.missing}
            one = replace(one, faces=faces, n_photos=min(one.n_photos, len(counting)))
        if len(faces) > 1 and one.n_photos:
            place[number] = len(left)
            left.append(one)
    return tuple(left), place


# ------------------------------------------------------------------------------------------------- decisions


def forget_in_decisions(content: bytes, target: Target) -> tuple[bytes, int]:
    """Take faces, and the names of people, out of the lines of a decisions.jsonl.

    A line goes where nothing is left of what it says: no face that it is about, a name that is to be forgotten or whose
    faces mostly are, a merge of fewer than two people, the undoing of a line that goes. A line that stays keeps its id
    and time; one that holds nothing of it keeps its bytes. A last line that is cut short goes.

    Args:
        content: of a file whose lines are decisions, see `ledger`.
        target: what is to be forgotten.

    Returns:
        The content, and how many lines went or changed.
    """
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    records = [_record(line) for line in lines]
    after = [None if record is None else _without(record, target) for record in records]
    gone = {str(r["id"]) for r, left in zip(records, after, strict=True) if r is not None and left is None}
    while True:
        undoing = {
            place
            for place, left in enumerate(after)
            if left is not None and left.get("do") == "undo" and left.get("undo") in gone
        }
        if not undoing:
            break
        gone |= {str(records[place]["id"]) for place in undoing}  # type: ignore[index]
        after = [None if place in undoing else left for place, left in enumerate(after)]
    kept = [
        line if left == record else json.dumps(left).encode("ascii")
        for line, record, left in zip(lines, records, after, strict=True)
        if left is not None
    ]
    n_changed = sum(
        record is not None and left != record for record, left in zip(records, after, strict=True)
    )
    return b"".join(line + b"\n" for line in kept), n_changed


def _record(line: bytes) -> dict[str, Any] | None:
    """The object in a line; None for one that is empty or cut short."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _without(record: dict[str, Any], target: Target) -> dict[str, Any] | None:
    """A line without what is forgotten; None where nothing is left of what it says."""

    def stay(faces: list[Any]) -> list[Any]:
        return [face for face in faces if not target.has_face(face[0], face[1])]

    if record["do"] == "undo":
        return record
    if record["do"] == "merge":
        groups = [
            (person, stay(faces)) for person, faces in zip(record["people"], record["faces"], strict=True)
        ]
        groups = [(person, faces) for person, faces in groups if faces]
        if len(groups) < 2:
            return None
        return record | {"people": [person for person, _ in groups], "faces": [faces for _, faces in groups]}
    left = record | {key: stay(record[key]) for key in ("faces", "from", "to") if record.get(key) is not None}
    if not left["faces"] and record["faces"]:
        return None
    if record["do"] == "name":
        mostly = 2 * len(left["faces"]) <= len(record["faces"])
        if mostly or (record["name"] is not None and record["name"].casefold() in target.names):
            return None
    return left
