"""Who is who as records: what clusters.json holds, and what folders and montages are made from.

`make_result` makes them, `to_json` and `read_result` write and read them, `columns` makes arrays of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from facecluster.durable.links import Link
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.changes import Placed
from facecluster.identity.decisions import TYPICAL
from facecluster.identity.gate import Reason
from facecluster.identity.rules import Rules
from facecluster.photos.moment import Moment
from facecluster.table import Number, Settings, Whole
from facecluster.text import many, printable

_T = TypeVar("_T")


SHARP_BOX_PX = 80
"""A face at least this wide and high is sharp enough to stand for a person."""


class Box(NamedTuple):
    """In pixels of the upright photo, half-open."""

    left: Number
    top: Number
    right: Number
    bottom: Number


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees; None where unknown."""

    pitch: Number | None
    yaw: Number | None
    roll: Number | None


@dataclass(frozen=True, slots=True)
class PersonFace:
    """A face of a person.

    Attributes:
        id: of the face, as in the face table.
        photo: absolute path.
        box: where in the photo.
        pose: see `Pose`.
        quality: 0..1, None where unknown.
        core: whether it founded the person.
        confidence: per cent, 0..100, that it is this person's, see `identity.cluster`; None for a person founded by one
            face alone.
        anchor: where the face was when its photo was first seen; None: `box`, as the photo was not edited since.
        page: of a TIFF, or frame of an animation, on which it is, from 0.
        time_s: seconds from the start of a video at which it is so; None outside videos.
        track: number of the track in its video that it is of, from 0; None outside videos.
    """

    id: str
    photo: str
    box: Box
    pose: Pose
    quality: Number | None
    core: bool
    confidence: Number | None
    anchor: Box | None = None
    page: Whole = 0
    time_s: Number | None = None
    track: Whole | None = None

    @property
    def known_at(self) -> Box:
        """The box by which decisions know the face, see `table.Faces.anchor`."""
        return self.box if self.anchor is None else self.anchor

    @property
    def moment(self) -> Moment:
        """Where in the file of `photo` it is."""
        return Moment(self.page) if self.time_s is None else Moment(self.page, self.time_s)

    def placed(self, *, core: bool) -> PersonFace:
        """Make the same face of another person."""
        return replace(self, core=core, confidence=None)


@dataclass(frozen=True, slots=True)
class UnclusteredFace:
    """A face without a person; `reason` is a code of `Reason`, the rest as in `PersonFace`.

    `almost` is the place, from 0, of its almost-person in `Result.almost`; None where it is of none.
    """

    id: str
    photo: str
    box: Box
    pose: Pose
    quality: Number | None
    reason: str
    almost: int | None = None
    anchor: Box | None = None
    page: Whole = 0
    time_s: Number | None = None
    track: Whole | None = None

    @property
    def known_at(self) -> Box:
        """The box by which decisions know the face, see `table.Faces.anchor`."""
        return self.box if self.anchor is None else self.anchor

    @property
    def moment(self) -> Moment:
        """Where in the file of `photo` it is."""
        return Moment(self.page) if self.time_s is None else Moment(self.page, self.time_s)

    def placed(self, *, core: bool) -> PersonFace:
        """Make a face of a person of it."""
        return PersonFace(
            self.id, self.photo, self.box, self.pose, self.quality, core, None,
            self.anchor, self.page, self.time_s, self.track,
        )  # fmt: skip


Where: TypeAlias = tuple[str, int, float | None]
"""What is seen at once: path of a photo, page, and seconds of a video."""


def scene_of(face: PersonFace | UnclusteredFace) -> Where:
    """Give what a face is seen in, with all that is seen at once."""
    return face.photo, face.page, face.time_s


_Face = TypeVar("_Face", PersonFace, UnclusteredFace)


@dataclass(frozen=True)
class Lack:
    """Why a face does not count towards a person.

    Attributes:
        reason: a code of `Reason`: of a limit, of an unknown number, or "near_duplicate".
        value: the number that the limit looks at: pixels, degrees, 0..1; None where there is none.
        limit: of it, which it fails; None where there is none.
    """

    reason: str
    value: float | None
    limit: float | None


@dataclass(frozen=True)
class AlmostFace:
    """A face of an almost-person.

    `missing` is every limit that it fails; only that it is a near-duplicate for one whom no limit would help;
    nothing for one that counts.
    """

    id: str
    photo: str
    missing: tuple[Lack, ...]


@dataclass(frozen=True)
class AlmostPerson:
    """Faces that are alike, of somebody whom too few good photos show; see `identity.almost`.

    Attributes:
        n_photos: different photos that count.
        n_photos_needed: as many make a person.
        faces: those that count first, then the most useful of the others.
    """

    n_photos: int
    n_photos_needed: int
    faces: tuple[AlmostFace, ...]


@dataclass(frozen=True, repr=False)
class Person:
    """One person.

    Attributes:
        id: "person-0001" and so on, by falling number of faces when the folder of results was new; it stays the
            person's from then on, see `identity.heirs`.
        name: None until somebody gives one.
        n_faces: length of `faces`.
        n_photos: different paths among them.
        cover: id of the face that somebody chose, else of the most typical good one.
        faces: the most typical good ones first, see `_typical`.
        former: ids of people who became this one, ever.
        hidden: whether lists leave the person out, as somebody said.
    """

    id: str
    name: str | None
    n_faces: int
    n_photos: int
    cover: str
    faces: tuple[PersonFace, ...]
    former: tuple[str, ...] = ()
    hidden: bool = False

    def __repr__(self) -> str:
        who = self.id if self.name is None else f"{self.id} ({printable(self.name)})"
        return f"Person: {who}, {many(self.n_faces, 'face')} in {many(self.n_photos, 'photo')}"

    @classmethod
    def of(
        cls, who: str, faces: Sequence[PersonFace], name: str | None = None, former: Iterable[str] = ()
    ) -> Person:
        """Make a person of an id and of one or more faces, the most typical one first."""
        photos = {face.photo for face in faces}
        return cls(who, name, len(faces), len(photos), faces[0].id, tuple(faces), tuple(former))

    def with_faces(self, faces: Sequence[PersonFace], former: Iterable[str] | None = None) -> Person:
        """Make the same person of other faces, the most typical one first; a cover that was chosen stays."""
        person = Person.of(self.id, faces, self.name, self.former if former is None else former)
        chosen = self.cover != self.faces[0].id and any(face.id == self.cover for face in faces)
        return replace(person, cover=self.cover if chosen else person.cover, hidden=self.hidden)

    @property
    def cover_face(self) -> PersonFace:
        """The face of `cover`; of copies of a photo the first one's."""
        return next((face for face in self.faces if face.id == self.cover), self.faces[0])


@dataclass(frozen=True)
class Absent:
    """Somebody who had an id in this folder and has none now: vanished, merged, or dissolved.

    Attributes:
        id: nobody else gets it; who holds most of the faces gets it back, see `lineage.inherit`.
        n_faces: how many faces the person had.
        faces: ids of up to `TYPICAL` of them, each once: founding ones first, else the most typical first.
    """

    id: str
    n_faces: int
    faces: tuple[str, ...]

    @classmethod
    def of(cls, person: Person) -> Absent:
        """Remember a person who is going."""
        ids = dict.fromkeys(face.id for face in sorted(person.faces, key=lambda face: not face.core))
        return cls(person.id, person.n_faces, tuple(ids)[:TYPICAL])


@dataclass(frozen=True)
class SamePhotoCounts:
    """How often faces of one photo were placed: a free measure of purity, as two faces are mostly two people.

    Attributes:
        photos: in which several faces are placed, on one page or at one moment.
        twice: those of them in which one person is placed more than once there, in boxes that are not of one face.
    """

    photos: int
    twice: int

    @classmethod
    def of(cls, people: Iterable[Person], among: Collection[str] | None = None) -> SamePhotoCounts:
        """Count; in some photos alone, by path, where `among` names them."""
        seen, several, twice = set[Where](), set[str](), set[str]()
        for person in people:
            theirs: dict[Where, list[Box]] = {}
            faces = person.faces if among is None else [face for face in person.faces if face.photo in among]
            for face in faces:
                theirs.setdefault(scene_of(face), []).append(face.box)
            if not theirs:
                continue
            twice.update(_twice(theirs))
            several.update(scene[0] for scene in theirs if scene in seen)
            seen.update(theirs)
        return cls(len(several | twice), len(twice))

    def after(self, before: Sequence[Person], now: Sequence[Person]) -> SamePhotoCounts:
        """Count again where some people are others now: in the photos of these alone."""
        same = {*map(id, before)} & {*map(id, now)}
        photos = {face.photo for one in (*before, *now) if id(one) not in same for face in one.faces}
        was, is_now = SamePhotoCounts.of(before, photos), SamePhotoCounts.of(now, photos)
        return SamePhotoCounts(
            self.photos + is_now.photos - was.photos, self.twice + is_now.twice - was.twice
        )


def seen_twice(person: Person) -> list[str]:
    """Give the photos in which a person is placed more than once at once, in boxes that are not of one face."""
    theirs: dict[Where, list[Box]] = {}
    for face in person.faces:
        theirs.setdefault(scene_of(face), []).append(face.box)
    return _twice(theirs)


def _twice(boxes_of: Mapping[Where, Sequence[Box]]) -> list[str]:
    """The photos in which some boxes of a scene are not of one face."""
    scenes = [scene for scene, boxes in boxes_of.items() if len(boxes) > 1 and _are_two(boxes)]
    return list(dict.fromkeys(scene[0] for scene in scenes))


def _are_two(boxes: Sequence[Box]) -> bool:
    """Say whether some boxes of one scene are not of one face found several times."""
    first = np.tile(np.array(boxes[0]), (len(boxes), 1))
    return bool((overlaps(first, np.array(boxes, dtype=np.float64)) < SAME_FACE_IOU).any())


@dataclass(frozen=True)
class Counts:
    """How many of everything; `unclustered` is by reason, only those that occur."""

    photos: int
    ok: int
    no_face: int
    unreadable: int
    faces: int
    people: int
    clustered: int
    unclustered: Mapping[str, int]
    same_photo: SamePhotoCounts = SamePhotoCounts(0, 0)


@dataclass(frozen=True)
class WasMerged:
    """People of the earlier result, by id, who are one now; `into` may be one of them. JSON calls them "from"."""

    into: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class WasSplit:
    """A person of the earlier result, by id, who is several now, of whom one may keep it. JSON calls it "from"."""

    whole: str
    into: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """How the people differ from those of the earlier result in the same folder; ids.

    Attributes:
        appeared: who is new.
        vanished: whose id nobody has any more; it is a former one of whom they were merged into.
        merged: see `WasMerged`.
        split: see `WasSplit`.
    """

    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    merged: tuple[WasMerged, ...] = ()
    split: tuple[WasSplit, ...] = ()


@dataclass(frozen=True)
class Updated:
    """What updates did since all faces were clustered.

    Attributes:
        updates: how many there were that met new faces.
        new_faces: faces that were new to them.
        would_merge: pairs of ids of people whom a full run would merge, the nearest first.
    """

    updates: int
    new_faces: int
    would_merge: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ResultSettings:
    """What a result was made with.

    Attributes:
        faces: of the face table.
        rules: of clustering; None: a result that does not say it.
        eps: as the user chose it; None: the default of the encoder.
        table: path of the face table, relative to the folder if it lies in there, else absolute; None: unknown.
        link: how folders hold photos; None: an older result does not say it.
        decisions: stands for those that were kept to, see `identity.decisions.mark`.
        decisions_file: absolute path of theirs; None: the one in the folder.
        update: of a result that updates made; None: all faces were clustered.
        sources: absolute paths of what was ever searched for photos.
        made_of: stands for all that the people were grouped from, see `library.build`; "": not known.
    """

    faces: Settings
    rules: Rules | None = None
    eps: float | None = None
    table: str | None = None
    link: Link | None = None
    decisions: str = ""
    decisions_file: str | None = None
    update: Updated | None = None
    sources: tuple[str, ...] = ()
    made_of: str = ""


@dataclass(frozen=True, repr=False)
class Result:
    """All of clusters.json.

    Attributes:
        settings: see `ResultSettings`.
        people: by falling number of faces.
        unclustered: faces without a person.
        counts: see `Counts`.
        almost: the most nearly complete first; stands after `unclustered` in the file.
        next_id: the lowest number that no person of this folder ever had.
        changes: since the earlier result in this folder.
        absent: who had an id in this folder and has none now, the last to go last.
    """

    settings: ResultSettings
    people: tuple[Person, ...]
    unclustered: tuple[UnclusteredFace, ...]
    counts: Counts
    almost: tuple[AlmostPerson, ...] = ()
    next_id: int = 1
    changes: Changes = Changes()
    absent: tuple[Absent, ...] = ()

    @cached_property
    def face_of(self) -> Mapping[str, PersonFace | UnclusteredFace]:
        """Every face by id, that of a person first; of those that copies of a photo have, the first."""
        faces: list[PersonFace | UnclusteredFace] = [face for person in self.people for face in person.faces]
        faces += self.unclustered
        return {face.id: face for face in reversed(faces)}

    def __repr__(self) -> str:
        counts = self.counts
        n_people, n_faces = many(counts.people, "person", "people"), many(counts.faces, "face")
        return f"Result: {n_people}, {counts.clustered} of {n_faces}"


def person_id(number: int) -> str:
    """1 -> "person-0001"."""
    return f"person-{number:04d}"


def with_people(result: Result, people: Iterable[Person], unclustered: Iterable[UnclusteredFace]) -> Result:
    """Put other people in the place of a result's, and count again.

    Args:
        result: whose settings, photos, almost-people, `next_id`, `changes` and `absent` stay.
        people: in any order; nobody is without faces.
        unclustered: faces whose `almost` is a place in the almost-people of the result.

    Returns:
        A result with the people by falling number of faces, else in the order given.
    """
    people = sorted(people, key=lambda person: -person.n_faces)
    left = tuple(unclustered)
    reasons = Counter(face.reason for face in left)
    n_placed = sum(person.n_faces for person in people)
    counts = replace(
        result.counts,
        faces=n_placed + len(left),
        people=len(people),
        clustered=n_placed,
        unclustered={r.code: reasons[r.code] for r in Reason if r.code in reasons},
        same_photo=result.counts.same_photo.after(result.people, people),
    )
    return replace(result, people=tuple(people), unclustered=left, counts=counts)


def columns(result: Result, photos: Collection[str] | None = None) -> Placed:
    """The faces of a result as columns: those of each person in turn, then those without one.

    Args:
        result: see `Result`.
        photos: ids of photos whose faces are all that is asked for; None: all.
    """
    placed, number = list[PersonFace](), list[int]()
    for place, one in enumerate(result.people):
        theirs = _of_photos(one.faces, photos)
        placed += theirs
        number += [place] * len(theirs)
    faces: list[PersonFace | UnclusteredFace] = [*placed, *_of_photos(result.unclustered, photos)]
    person = np.full(len(faces), -1)
    person[: len(placed)] = number
    confidence = np.full(len(faces), np.nan)
    confidence[: len(placed)] = np.array([face.confidence for face in placed], dtype=np.float64)
    n = len(faces)
    box = np.fromiter(chain.from_iterable(face.box for face in faces), np.float64, 4 * n).reshape(-1, 4)
    anchor = box
    if any(face.anchor is not None for face in faces):
        known = chain.from_iterable(face.known_at for face in faces)
        anchor = np.fromiter(known, np.float64, 4 * n).reshape(-1, 4)
    return Placed(
        id=[face.id for face in faces],
        photo=[face.photo for face in faces],
        box=box,
        anchor=anchor,
        page=np.fromiter((face.page for face in faces), np.int64, n),
        time_s=np.array([face.time_s for face in faces], dtype=np.float64),
        track=np.fromiter((-1 if face.track is None else face.track for face in faces), np.int64, n),
        person=person,
        confidence=confidence,
    )


def _of_photos(faces: Sequence[_Face], photos: Collection[str] | None) -> Sequence[_Face]:
    """The faces of some photos, by id of the photo; None: all."""
    if photos is None:
        return faces
    return [face for face in faces if (face.id.rpartition("-")[0] or face.id) in photos]  # as digest_of


# ---------------------------------------------------------------------------------------------------- reading


def fields_of(record: PersonFace | UnclusteredFace | Pose) -> dict[str, Any]:
    """The fields of a record by name, in their order, each as it is; `vars` of one with slots."""
    return {name: getattr(record, name) for name in record.__slots__}


_PLAIN = {"page": 0, "time_s": None, "track": None}


def said_of(face: PersonFace | UnclusteredFace) -> dict[str, Any]:
    """The fields of a face by name, without those that say that it is of a plain photo."""
    return {
        name: value for name, value in fields_of(face).items() if name not in _PLAIN or value != _PLAIN[name]
    }


def plain(numbers: NDArray[np.float32]) -> list[Any]:
    """Nested lists with None for NaN, and the shortest decimals that give the same float32."""
    exact = np.array([float(text) for text in numbers.ravel().astype(str)], dtype=object)
    exact[~np.isfinite(numbers.ravel())] = None
    nested: list[Any] = exact.reshape(numbers.shape).tolist()
    return nested
