"""What `facecluster forget` takes out of a face table, a result, and decisions.

A person's faces are known by photo and box, as in decisions, so that they are found in other tables and results of
the same photos (see `forget_sights`), and in all copies of a photo; photos are known by their path.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.formats.forgotten_jsonl import Place
from facecluster.identity.boxes import SAME_FACE_IOU, lose_faces, overlaps
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    Decision,
    Make,
    Name,
    Scene,
    digest_of,
    in_force,
    scene_at,
    scenes_of,
)
from facecluster.library.refer import called_so
from facecluster.result import (
    Absent,
    AlmostPerson,
    Box,
    Changes,
    Person,
    PersonFace,
    Pose,
    Result,
    UnclusteredFace,
    columns,
    with_people,
)
from facecluster.table import LOST, NO_FACE, OK, STATUSES, UNREADABLE, FaceTable

_FIRST = scene_at("")
"""Where in a file that of a photo as a whole is."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be forgotten: faces, or photos.

    Attributes:
        boxes: (k, 4) boxes of the faces, by id of their photo, page and moment: anchors; and by digest of its pixels,
            page and moment: boxes in these.
        photos: paths.
        contents: ids of photos of which no copy stays.
        names: of people, case folded.
    """

    boxes: Mapping[Scene, NDArray[np.float64]] = field(default_factory=dict)
    photos: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def has_photo(self, path: str) -> bool:
        """Say whether a photo goes, with all its faces."""
        return path in self.photos

    @property
    def digests(self) -> set[str]:
        """Ids and digests of the photos with faces that go."""
        return {digest for digest, _, _ in self.boxes}

    def has_face(self, scene: Scene, box: Sequence[float]) -> bool:
        """Say whether a face goes, wherever its photo lies: by the photo's id, page, moment, and the face's anchor."""
        if scene[0] in self.contents:
            return True
        boxes = self.boxes.get(scene)
        if boxes is None:
            return False
        return bool((overlaps(np.tile(np.array(box), (len(boxes), 1)), boxes) >= SAME_FACE_IOU).any())


def target_of(
    people: Iterable[Person],
    photos: Collection[str],
    known: Iterable[tuple[str, str]],
    labelled: Iterable[tuple[Scene, Sequence[float]]] = (),
) -> Target:
    """Make a target of all faces of some people, of all of some photos, and of others.

    Args:
        people: who is to be forgotten.
        photos: paths, see `find_photos`.
        known: id and path of all photos there are, as often as they occur.
        labelled: scene and anchor of the others.
    """
    names = set()
    spots = list(labelled)
    for person in people:
        if person.name is not None:
            names.add(person.name.casefold())
        spots += ((_scene_of(face), face.known_at) for face in person.faces)
    target = Target(boxes=boxes_of(spots), photos=frozenset(photos), names=frozenset(names))
    go, stay = set[str](), set[str]()
    for digest, path in known:
        (go if target.has_photo(path) else stay).add(digest)
    return replace(target, contents=frozenset(go - stay - {""}))


def boxes_of(spots: Iterable[tuple[Scene, Sequence[float]]]) -> dict[Scene, NDArray[np.float64]]:
    """Put the boxes of one scene together: scene and box of each face -> (k, 4) by scene."""
    boxes = defaultdict(list)
    for scene, box in spots:
        boxes[scene].append(box)
    return {scene: np.array(those, dtype=np.float64) for scene, those in boxes.items()}


def _scene_of(face: PersonFace | UnclusteredFace) -> Scene:
    return scene_at(digest_of(face.id), face.page, face.time_s)


@dataclass(frozen=True)
class Traces:
    """What is known of somebody who is absent.

    Attributes:
        person: the faces that are known; of those that are not in the result the id is only that of their photo.
        decided: whether only decisions tell who it is.
        all_known: whether these are as many faces as the person had.
    """

    person: Person
    decided: bool
    all_known: bool


def find_absent(
    result: Result, decisions: Sequence[Decision], tables: Iterable[FaceTable], meant: Callable[[str], bool]
) -> Traces | None:
    """Find somebody who had an id or a name, and is nobody now; None where nothing is known of them.

    The faces are those that `Result.absent` remembers and those that the name was given to, with what decisions tie to
    them, and without what they took from them, or what is somebody else's now.

    Args:
        result: who is who, and who is absent.
        decisions: that the result shows, in order of time.
        tables: that may know boxes of faces which the result does not have.
        meant: whether an id or a name is the one that is looked for.

    Raises:
        FaceclusterError: most of the faces are somebody else's now.
    """
    placed = columns(result)
    scenes = scenes_of(placed)
    spot_of: dict[str, tuple[Scene, Sequence[float]]] = {}
    for table in tables:
        spots_there = zip(scenes_of(table.faces), table.faces.anchor.tolist(), strict=True)
        spot_of |= zip(table.faces.id.tolist(), spots_there, strict=True)
    spot_of |= zip(placed.id, zip(scenes, placed.anchor.tolist(), strict=True), strict=True)
    names = [
        act for d in in_force(decisions) if isinstance(act := d.act, Name | Make) and act.name is not None
    ]

    def spots_of(one: Absent) -> list[tuple[Scene, Sequence[float]]]:
        return [spot_of[face] for face in one.faces if face in spot_of]

    def named_by(act: Name | Make) -> list[tuple[Scene, Sequence[float]]]:
        return [(spot.scene, spot.box) for spot in act.faces]

    def is_of(act: Name | Make, one: Absent) -> bool:
        spots = spots_of(one)
        if not spots:
            return act.person == one.id
        has = Target(boxes=boxes_of(named_by(act))).has_face
        return 2 * sum(has(*spot) for spot in spots) >= min(len(spots), len(act.faces)) > 0

    own = next((one for one in result.absent if meant(one.id)), None)
    if own is not None:
        acts = [act for act in names if is_of(act, own)]
    else:
        acts = [act for act in names if meant(str(act.name))][-1:]
        own = next((one for one in reversed(result.absent) if acts and is_of(acts[0], one)), None)
    if own is None and not acts:
        return None
    spots = [*(() if own is None else spots_of(own)), *(spot for act in acts for spot in named_by(act))]
    seeds = Target(boxes=boxes_of(spots))
    seed = np.array(
        [seeds.has_face(scene, box) for scene, box in zip(scenes, placed.anchor, strict=True)],
        dtype=bool,
    )
    said = resolve(decisions, placed)
    tied = said.together >= 0
    number, size = np.unique(said.together[tied], return_counts=True)
    mostly = 2 * np.array([np.count_nonzero(seed & (said.together == one)) for one in number]) >= size
    first = np.isin(said.together, [*number[mostly], *said.together[tied & seed & ~said.moved]]) & tied
    rows = np.flatnonzero((first | (seed & ~said.moved)) & ~said.ignored)
    holders = Counter(result.people[number].id for number in placed.person[rows].tolist() if number >= 0)
    if 2 * holders.total() > len(rows):
        raise FaceclusterError(
            f"is absent, and most of the faces are those of {holders.most_common(1)[0][0]} now"
        )
    theirs = [
        _face(placed.id[row], placed.photo[row], scenes[row], placed.anchor[row])
        for row in rows.tolist()
        if placed.person[row] < 0
    ]
    there = Target(boxes=boxes_of((scenes[row], placed.anchor[row]) for row in np.flatnonzero(seed).tolist()))
    theirs += [
        _face(f"{scene[0]}-", "", scene, box) for scene, box in spots if not there.has_face(scene, box)
    ]
    return Traces(
        Person(
            id=f"formerly {acts[0].person}" if own is None else own.id,
            name=acts[-1].name if acts else None,
            n_faces=len(theirs),
            n_photos=len({face.photo for face in theirs}),
            cover="",
            faces=tuple(theirs),
        ),
        decided=own is None or not meant(own.id),
        all_known=own is not None and len(theirs) >= own.n_faces,
    )


def _face(face_id: str, photo: str, scene: Scene, box: Sequence[float]) -> PersonFace:
    left, top, right, bottom = map(float, box)
    return PersonFace(
        face_id, photo, Box(left, top, right, bottom), Pose(None, None, None), None, False, None,
        page=scene[1], time_s=scene[2],
    )  # fmt: skip


def n_unaccounted(result: Result, table: FaceTable, target: Target, *, bare: bool) -> int:
    """Count the faces of a result that a table lacks, and that nobody forgot there as far as the table can tell.

    A face that was forgotten, by what was killed half-way, left its photo with a note that it lost faces; of a photo
    that was forgotten nothing is left.

    Args:
        result: which may be made from the table.
        table: perhaps clean already.
        target: what is to be forgotten.
        bare: whether the table has rows for photos without a face; a pickle has none, so that nobody knows of those.
    """
    placed = columns(result)
    known, photos = set(table.faces.id.tolist()), table.photos
    there = set(photos.path.tolist())
    lost = {
        key
        for path, digest, flags in zip(
            photos.path.tolist(), photos.digest.tolist(), photos.lost.tolist(), strict=True
        )
        if flags & LOST
        for key in (path, digest)
    }

    def is_forgotten(scene: Scene, photo: str, anchor: Sequence[float]) -> bool:
        digest = scene[0]
        if target.has_photo(photo) or photo in lost or digest in lost:
            return True
        return not bare and photo not in there and target.has_face(scene, anchor)

    return sum(
        face not in known and not is_forgotten(scene, photo, anchor)
        for face, scene, photo, anchor in zip(
            placed.id, scenes_of(placed), placed.photo, placed.anchor, strict=True
        )
    )


def find_photos(paths: Iterable[str], glob: str) -> set[str]:
    """Find the photos that are meant by an absolute path, the end of one, or a name alone where there is no slash.

    Args:
        paths: absolute.
        glob: a path may be relative to the current folder. It is a pattern, unless it is a photo's name or path as it
            is: "a[1].jpg" is that photo, and "a1.jpg" only where there is none called so. In another case or without
            accents it counts where nothing is called so.
    """
    paths = [*paths]
    name_only = os.sep not in glob and "/" not in glob
    absolute = os.path.abspath(glob)
    of = {path: os.path.basename(path) if name_only else path for path in paths}
    exact = {path for path, text in of.items() if text == (glob if name_only else absolute)}
    if exact or os.path.isfile(glob):
        return exact
    patterns = [glob] if name_only else [glob, absolute]
    found = {path for path, text in of.items() if any(fnmatch.fnmatch(text, pattern) for pattern in patterns)}
    return found or set(called_so(paths, glob))


@dataclass(frozen=True, eq=False)
class CleanedTable:
    """A face table without what is forgotten.

    Attributes:
        table: as it is now.
        faces: ids of those that are gone, one for each row.
        photos: paths of those that are gone.
        bare: paths of those that stay, and have lost their last face.
        unseen: whether the pixels of some of these photos are unknown.
    """

    table: FaceTable
    faces: tuple[str, ...]
    photos: tuple[str, ...]
    bare: tuple[str, ...]
    unseen: bool


def forget_in_table(table: FaceTable, target: Target) -> CleanedTable:
    """Take faces, or photos with their faces, out of a table.

    A photo that loses its last face, and stays, has the status of one without faces; whether it loses its main face is
    put down, so that nobody else takes that one's place.
    """
    faces, photos = table.faces, table.photos
    out = np.array([target.has_photo(path) for path in photos.path.tolist()], dtype=np.bool_)
    gone = out[faces.photo] | rows_of_target(table, target)
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
    return CleanedTable(
        cleaned,
        tuple(faces.id[gone].tolist()),
        tuple(photos.path[out].tolist()),
        tuple(photos.path[bare & ~out].tolist()),
        bool((photos.pixels[faces.photo[gone]] == b"").any()),
    )


def rows_of_target(table: FaceTable, target: Target) -> NDArray[np.bool_]:
    """Say which faces of a table go, by photo and box -> (n,).

    A photo is known by its id, with anchors, and by its pixels, with the boxes in these.
    """
    faces, photos = table.faces, table.photos
    gone = np.zeros(len(faces), dtype=np.bool_)
    keys, scenes = list(target.digests), scenes_of(faces)
    for names, boxes in ((photos.digest, faces.anchor), (photos.pixels.astype(str), faces.box)):
        for row in np.flatnonzero(np.isin(names, keys)[faces.photo]).tolist():
            gone[row] |= target.has_face((str(names[faces.photo[row]]), *scenes[row][1:]), boxes[row])
    return gone


def places_in_table(table: FaceTable, target: Target) -> Iterator[Place]:
    """Say where in the photos of a table the faces are that go; all of a photo that goes is one place.

    Of a photo that was edited there are two: where the face is now, and where it was when the photo was first seen.
    """
    photos, faces = table.photos, table.faces
    pixels = photos.pixels.astype(str).tolist()
    digests, sizes, looks = photos.digest.tolist(), photos.size.tolist(), photos.hash.tolist()
    times = [None if np.isnan(time) else time for time in photos.shot_times().tolist()]

    scenes = scenes_of(faces)

    def place(row: int, box: Sequence[float] | None, scene: Scene = _FIRST) -> Place:
        size = (sizes[row][0], sizes[row][1])
        where = None if box is None else (box[0], box[1], box[2], box[3])
        return Place(digests[row], pixels[row], looks[row], size, where, times[row], *scene[1:])

    for row, path in enumerate(photos.path.tolist()):
        if target.has_photo(path) and digests[row] in target.contents:
            yield place(row, None)
    for number in np.flatnonzero(rows_of_target(table, target)).tolist():
        row, box, anchor = int(faces.photo[number]), faces.box[number].tolist(), faces.anchor[number].tolist()
        yield place(row, box, scenes[number])
        if box != anchor:
            digest = digests[row]
            where = (anchor[0], anchor[1], anchor[2], anchor[3])
            first = digest if pixels[row] else ""
            yield Place(digest, first, 0, (0, 0), where, None, *scenes[number][1:])


def places_in_result(result: Result, target: Target) -> Iterator[Place]:
    """Say where the faces are that go, as far as a result tells it."""
    placed = columns(result)
    for scene, path, anchor in zip(scenes_of(placed), placed.photo, placed.anchor.tolist(), strict=True):
        photo = scene[0]
        if target.has_photo(path) and photo in target.contents:
            yield Place(photo, "", 0, (0, 0), None)
        elif target.has_face(scene, anchor):
            where = (anchor[0], anchor[1], anchor[2], anchor[3])
            yield Place(photo, "", 0, (0, 0), where, None, *scene[1:])


def not_listed(places: Iterable[Place], listed: Iterable[Place]) -> list[Place]:
    """Give the places that a list does not have yet, each once; of a face, one that tells more counts as well."""
    left: list[Place] = []
    there: dict[str, list[Place]] = defaultdict(list)
    for place in listed:
        there[place.photo].append(place)
    for place in sorted(places, key=lambda place: not place.pixels):  # those that tell more come first
        if not any(_tells(other, place) for other in there[place.photo]):
            there[place.photo].append(place)
            left.append(place)
    return left


def _tells(place: Place, other: Place) -> bool:
    """Whether one place of a photo says all that another one does."""
    if other.pixels not in ("", place.pixels):
        return False
    if place.box is None or other.box is None:
        return place.box is None
    if (place.page, place.time_s) != (other.page, other.time_s):
        return False
    return bool(overlaps(np.array([place.box]), np.array([other.box]))[0] >= SAME_FACE_IOU)


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


def forget_in_result(
    result: Result, target: Target, table: FaceTable | None, absent: Collection[str] = ()
) -> Cleaned:
    """Take faces out of a result.

    Args:
        result: who is who.
        target: what is to be forgotten.
        table: without it already, to count the photos; None: those of the result are reckoned with.
        absent: ids of people who are to be forgotten, whatever is known of their faces.
    """
    gone: set[tuple[str, str]] = set()
    known: set[str] = set()  # ids of the faces that stay

    def goes(face: PersonFace | UnclusteredFace) -> bool:
        out = target.has_photo(face.photo) or target.has_face(_scene_of(face), face.known_at)
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
            people.append(person.with_faces(stay))
        else:
            vanished.append(person.id)
    left = [face for face in result.unclustered if not goes(face)]
    almost, place = _almost_without(result.almost, gone)
    left = [face if face.almost is None else replace(face, almost=place.get(face.almost)) for face in left]
    cleaned = replace(
        with_people(result, people, left),
        almost=almost,
        changes=Changes(vanished=tuple(vanished)),
        absent=_absent_without((one for one in result.absent if one.id not in absent), target, known),
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
    digests = target.digests | target.contents

    def stay(face: str) -> bool:
        return face in known or digest_of(face) not in digests

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
        return [face for face in faces if not target.has_face(scene_at(face[0], *face[2:]), face[1])]

    if record["do"] == "undo":
        return record
    if record["do"] == "unsure":  # its question may name a photo
        return record if all(stay(faces) == faces for faces in record["faces"]) else None
    if record["do"] in ("merge", "different"):
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
    if left != record and "by" in left:
        left["by"] = left["by"] | {"files": []}  # which of them name what is forgotten is not known
    if record["do"] == "said" and record["name"].casefold() in target.names:
        return None
    if record["do"] in ("name", "make", "hide"):
        mostly = 2 * len(left["faces"]) <= len(record["faces"])
        if record["do"] == "hide":
            return None if mostly and left != record else left
        if mostly or (record["name"] is not None and record["name"].casefold() in target.names):
            return None if record["do"] == "name" else left | {"name": None}
    return left
