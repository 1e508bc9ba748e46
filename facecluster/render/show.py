"""Who is there, and which photos show whom, as records: what show prints.

A `Result` says who is who, and the photos of a `FaceTable` say when they were taken. `find_photos` gathers the faces of
photos, `ordered` and `cut` choose, `show_person` and `show_photo` make one record each; the rest writes them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from facecluster.identity.gate import Reason
from facecluster.photos.moment import FIRST, Moment
from facecluster.render.attributes import Attributes, Looks, PersonAttributes
from facecluster.result import Box, Person, PersonFace, Pose, Result, UnclusteredFace, fields_of, plain
from facecluster.table import OK, FaceTable, Photos
from facecluster.text import to_cell

_T = TypeVar("_T")

Face: TypeAlias = PersonFace | UnclusteredFace

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the Z is written where it belongs
_DAY = 24 * 60 * 60


APART_S = 1.05
"""Seconds. Parts of a video no further apart are one: by default frames are looked at once a second."""


class Owned(NamedTuple):
    """A face, and whose it is; None: nobody's."""

    face: Face
    person: Person | None


Album: TypeAlias = Mapping[str, Sequence[Owned]]
"""Faces by the path of their photo, in the order of their ordinals."""


class Taken(NamedTuple):
    """When a photo was taken.

    Attributes:
        seconds: since 1970, UTC, or the time of day on the spot as if it were UTC.
        zoned: whether it is UTC.
    """

    seconds: float
    zoned: bool


@dataclass(frozen=True)
class About:
    """What a face table says of a photo; the attributes as in `table.Photos`, None where unknown.

    Attributes:
        duration: None of what is no video.
    """

    digest: str | None = None
    size: tuple[int, int] | None = None
    status: str = OK
    reason: str | None = None
    time: Taken | None = None
    time_from: str | None = None
    pages: int = 1
    duration: float | None = None


Span: TypeAlias = tuple[float, float]
"""First and last second of a part of a video."""


def _spans(table: FaceTable) -> dict[str, Span]:
    faces = table.faces
    some = np.flatnonzero(faces.track >= 0)
    starts, stops = plain(faces.from_s[some]), plain(faces.to_s[some])
    return dict(zip(faces.id[some].tolist(), zip(starts, stops, strict=True), strict=True))


class PhotoFacts:
    """What a face table says of photos, by path, or else by content wherever the file is now.

    Attributes:
        looks: what it says of the attributes of faces.
        spans: first and last second at which the track of a face of a video was seen, by id of the face.
    """

    def __init__(self, table: FaceTable | None) -> None:
        """Without a table nothing is known."""
        self.looks = Looks(table)
        self._photos = photos = None if table is None else table.photos
        paths = [] if photos is None else photos.path.tolist()
        self._row_of_path = {path: row for row, path in enumerate(paths)}
        self.spans: Mapping[str, Span] = {} if table is None else _spans(table)

    @cached_property
    def _row_of_digest(self) -> dict[str, int]:
        digests = [] if self._photos is None else self._photos.digest.tolist()
        return {digest: row for row, digest in enumerate(digests) if digest}

    def contents(self) -> dict[str, str]:
        """Give the digest of the content of each photo, by path."""
        if self._photos is None:
            return {}
        return dict(zip(self._photos.path.tolist(), self._photos.digest.tolist(), strict=True))

    def lacks(self, face: Face) -> bool:
        """Say whether nothing is known of the photo of a face."""
        return self._row(face.photo, content(face)) is None

    def time(self, face: Face) -> Taken | None:
        """Say when the photo of a face was taken; None where unknown."""
        row = self._row(face.photo, content(face))
        return None if row is None or self._photos is None else moment(self._photos, row)

    def about(self, path: str, digest: str | None) -> About:
        """Say all that is known of a photo, by its path and content."""
        row, photos = self._row(path, digest), self._photos
        if row is None or photos is None:
            return About(digest)
        width, height = photos.size[row].tolist()
        return About(
            digest=str(photos.digest[row]) or digest,
            size=(width, height) if width and height else None,
            status=str(photos.status[row]),
            reason=str(photos.reason[row]) or None,
            time=moment(photos, row),
            time_from=str(photos.time_from[row]) or None,
            pages=int(photos.pages[row]),
            duration=float(photos.duration[row]) if photos.is_video[row] else None,
        )

    def _row(self, path: str, digest: str | None) -> int | None:
        row = self._row_of_path.get(path)
        return self._row_of_digest.get(digest) if row is None and digest else row


def moment(photos: Photos, row: int) -> Taken | None:
    """Say when the photo in a row of a table was taken; None where unknown."""
    seconds = float(photos.time[row])
    return Taken(seconds, bool(photos.zoned[row])) if math.isfinite(seconds) else None


@dataclass(frozen=True)
class ShownPerson:
    """A person, as they are listed.

    Attributes:
        id, name, former, n_faces, n_photos: as in `records.Person`.
        n_videos: those of these photos that are videos.
        cover: id of the face that somebody chose, else of the most typical good one.
        cover_photo, cover_box: where that is; None where the result does not have it.
        first_seen, last_seen: when the earliest and the latest photo was taken; None where no photo has a time.
        first_photo, last_photo: these photos.
        span_days: between them.
        n_dated: photos that have a time.
        attributes: None where the face table has none of the faces.
        hidden: whether lists leave the person out.
    """

    id: str
    name: str | None
    former: tuple[str, ...]
    n_faces: int
    n_photos: int
    n_videos: int
    cover: str
    cover_photo: str | None
    cover_box: Box | None
    first_seen: Taken | None
    first_photo: str | None
    last_seen: Taken | None
    last_photo: str | None
    span_days: float | None
    n_dated: int
    attributes: PersonAttributes | None
    hidden: bool = False


@dataclass(frozen=True)
class ShownFace:
    """A face of a photo, and whose it is.

    Attributes:
        number: 1 for the first face of the photo, as in PHOTO#1.
        person, name: id and name of whose it is; None: nobody's.
        core, confidence: as in `result.PersonFace`, per cent, 0..100; False and None where it is nobody's.
        reason: code of why it is nobody's; None where it is somebody's.
        attributes: None where the face table has none.
        moment: where in the file it is.
        track: see `records.PersonFace`; None outside videos.
        span: first and last second at which its track was seen; None outside videos.
        The others: as in `records.PersonFace`.
    """

    number: int
    id: str
    person: str | None
    name: str | None
    box: Box
    pose: Pose
    quality: float | None
    core: bool
    confidence: float | None
    reason: str | None
    attributes: Attributes | None
    moment: Moment = FIRST
    track: int | None = None
    span: Span | None = None


@dataclass(frozen=True)
class ShownPhoto:
    """A photo and all its faces, in the order of their numbers; see `About` for the others."""

    path: str
    about: About
    faces: tuple[ShownFace, ...]

    @property
    def there(self) -> dict[str, list[Span]]:
        """From when to when who is there in a video, by id of the person: parts more than `APART_S` apart, in order."""
        found: dict[str, list[Span]] = {}
        for face in sorted((face for face in self.faces if face.span), key=lambda face: face.span or (0, 0)):
            if face.person is None or face.span is None:
                continue
            spans, (start, stop) = found.setdefault(face.person, []), face.span
            if spans and start <= spans[-1][1] + APART_S:
                spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
            else:
                spans.append((start, stop))
        return found


@dataclass(frozen=True)
class Page:
    """Where a listing was cut.

    Attributes:
        total: how many there are on all pages.
        next: what the next page comes after; None: there is no more.
    """

    total: int
    next: str | None


# -------------------------------------------------------------------------------------------------- choosing


def content(face: Face) -> str:
    """Give the digest of the photo that a face is in."""
    return face.id.rpartition("-")[0]


def find_photos(
    result: Result, people: Sequence[Person] = (), *, only: bool = False, paths: Collection[str] | None = None
) -> Album:
    """Gather all faces of photos.

    Args:
        result: n faces; all are looked at once.
        people: who must be in a photo, every one of them.
        only: nobody else may be in it: every other face, recognised or not, leaves the photo out, unless somebody
            said that it is no person.
        paths: photos to keep to; None: any.
    """
    wanted = None if paths is None else set(paths)
    for person in people:
        theirs = {face.photo for face in person.faces}
        wanted = theirs if wanted is None else wanted & theirs
    found: dict[str, list[Owned]] = {}
    placed = (Owned(face, person) for person in result.people for face in person.faces)
    left = (Owned(face, None) for face in result.unclustered)
    for owned in chain(placed, left):
        if wanted is None or owned.face.photo in wanted:
            found.setdefault(owned.face.photo, []).append(owned)
    if only:
        theirs = {person.id for person in people}
        found = {path: faces for path, faces in found.items() if all(_is_of(face, theirs) for face in faces)}
    for faces in found.values():
        faces.sort(key=_ordinal)
    return found


def _is_of(owned: Owned, people: Collection[str]) -> bool:
    if isinstance(owned.face, UnclusteredFace):
        return owned.face.reason == Reason.NOT_A_PERSON.code
    return owned.person is not None and owned.person.id in people


def _ordinal(owned: Owned) -> tuple[int, str]:
    """The order in which PHOTO#2 counts."""
    return len(owned.face.id), owned.face.id


def ordered(items: Iterable[_T], value: Callable[[_T], Any], *, falling: bool = False) -> list[_T]:
    """Sort by a value; equal ones stay in order, and those without one (None) come last either way."""
    with_values = [(value(item), item) for item in items]
    known = [pair for pair in with_values if pair[0] is not None]
    known.sort(key=lambda pair: pair[0], reverse=falling)
    return [item for _, item in known] + [item for value_, item in with_values if value_ is None]


def least_confidence(faces: Sequence[Owned], people: Sequence[Person]) -> float | None:
    """Say how sure it is that people are in a photo: the least of the confidences of their faces, per cent, 0..100.

    Args:
        faces: of the photo.
        people: whose faces count; none: everybody's.
    """
    theirs = {person.id for person in people}
    known = [
        face.confidence
        for face, person in faces
        if isinstance(face, PersonFace) and face.confidence is not None
        if person is not None and (not theirs or person.id in theirs)
    ]
    return min(known, default=None)


def cut(
    items: Sequence[_T], name: Callable[[_T], str], after: str | None, limit: int | None
) -> tuple[Sequence[_T], Page]:
    """Take a page of a listing.

    Args:
        items: all of it, in order.
        name: of an item, different for each.
        after: name of the last item of the page before; None: the first page.
        limit: items on a page, 1 or more; None: all.

    Raises:
        LookupError: no item has that name.
    """
    start = 0
    if after is not None:
        start = next((i for i, item in enumerate(items, start=1) if name(item) == after), 0)
        if not start:
            raise LookupError(after)
    stop = len(items) if limit is None else min(start + limit, len(items))
    return items[start:stop], Page(len(items), name(items[stop - 1]) if stop < len(items) else None)


# ---------------------------------------------------------------------------------------------------- making


def show_person(person: Person, known: PhotoFacts) -> ShownPerson:
    """Make the record of a person."""
    cover = next((face for face in person.faces if face.id == person.cover), None)
    times = {face.photo: time for face in person.faces if (time := known.time(face)) is not None}
    seen = sorted((time, photo) for photo, time in times.items())
    first, last = (seen[0], seen[-1]) if seen else ((None, None), (None, None))
    return ShownPerson(
        id=person.id,
        name=person.name,
        former=person.former,
        n_faces=person.n_faces,
        n_photos=person.n_photos,
        n_videos=len({face.photo for face in person.faces if face.moment.in_video}),
        cover=person.cover,
        cover_photo=None if cover is None else cover.photo,
        cover_box=None if cover is None else cover.box,
        first_seen=first[0],
        first_photo=first[1],
        last_seen=last[0],
        last_photo=last[1],
        span_days=(seen[-1][0].seconds - seen[0][0].seconds) / _DAY if seen else None,
        n_dated=len(seen),
        attributes=known.looks.of_person(face.id for face in person.faces),
        hidden=person.hidden,
    )


def show_photo(path: str, faces: Sequence[Owned], known: PhotoFacts) -> ShownPhoto:
    """Make the record of a photo."""
    digest = content(faces[0].face) if faces else None
    shown = tuple(_shown(i, *owned, known) for i, owned in enumerate(faces, start=1))
    return ShownPhoto(path, known.about(path, digest), shown)


def _shown(number: int, face: Face, person: Person | None, known: PhotoFacts) -> ShownFace:
    who = None if person is None else person.id
    name = None if person is None else person.name
    core, confidence, reason = False, None, None
    seen = None if face.time_s is None else known.spans.get(face.id, (face.time_s, face.time_s))
    if isinstance(face, PersonFace):
        core, confidence = face.core, face.confidence
    else:
        reason = face.reason
    return ShownFace(
        number, face.id, who, name, face.box, face.pose, face.quality, core, confidence, reason,
        attributes=known.looks.of_face(face.id), moment=face.moment, track=face.track, span=seen,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- writing


def stamp(time: Taken | None) -> str | None:
    """Write a time as ISO 8601 has it: "2019-07-04T12:30:00Z", without the Z where no zone is known.

    Returns:
        None where a calendar has no such day.
    """
    if time is None:
        return None
    try:
        return (_EPOCH + timedelta(seconds=round(time.seconds))).isoformat() + "Z" * time.zoned
    except OverflowError:
        return None


def person_record(person: ShownPerson) -> dict[str, Any]:
    """A person as JSON has it."""
    return vars(person) | {
        "first_seen": stamp(person.first_seen),
        "last_seen": stamp(person.last_seen),
        "attributes": _record(person.attributes),
    }


def photo_record(photo: ShownPhoto) -> dict[str, Any]:
    """A photo as JSON has it; `people` are the ids of those who are in it."""
    about = photo.about
    return {
        "path": photo.path,
        "digest": about.digest,
        "status": about.status,
        "reason": about.reason,
        "time": stamp(about.time),
        "time_from": about.time_from,
        "size": about.size,
        **_of_file(photo),
        "n_faces": len(photo.faces),
        "people": list(dict.fromkeys(face.person for face in photo.faces if face.person is not None)),
        "faces": [_face_record(face) for face in photo.faces],
    }


def _of_file(photo: ShownPhoto) -> dict[str, Any]:
    """What is said of a video, and of a photo with pages, alone."""
    about = photo.about
    if about.duration is not None:
        return {"duration": about.duration, "there": photo.there}
    return {"pages": about.pages} if about.pages > 1 else {}


def _face_record(face: ShownFace) -> dict[str, Any]:
    """A face as JSON has it; where in the file it is stands there only where it is elsewhere than in a plain photo."""
    record = {name: value for name, value in vars(face).items() if name not in ("moment", "track", "span")}
    record |= {"pose": fields_of(face.pose), "attributes": _record(face.attributes), **face.moment.record}
    if face.span is not None:
        record |= {"track": face.track, "from_s": face.span[0], "to_s": face.span[1]}
    return record


def _record(attributes: Attributes | PersonAttributes | None) -> dict[str, Any] | None:
    return None if attributes is None else vars(attributes)


def to_json(head: Mapping[str, Any], kind: str, records: Iterable[object]) -> Iterator[str]:
    """Write one JSON document, ASCII only, one record a line.

    Args:
        head: what stands first; not empty.
        kind: what the list of records is called.
        records: written as they come.
    """
    yield _json(head)[:-1]
    yield f', "{kind}": ['
    for i, record in enumerate(records):
        yield f"{',' if i else ''}\n{_json(record)}"
    yield "]}\n"


def to_jsonl(records: Iterable[object]) -> Iterator[str]:
    """Write a line of JSON a record."""
    for record in records:
        yield _json(record) + "\n"


_json = json.JSONEncoder(allow_nan=False).encode  # json.dumps would make one for each of a million records


_SIDES = ("left", "top", "right", "bottom")
_ANGLES = ("pitch", "yaw", "roll")
_PERSON = (
    "id", "name", "n_faces", "n_photos", "cover", "cover_photo", "first_seen", "first_photo", "last_seen",
    "last_photo", "span_days", "n_dated", "n_videos",
)  # fmt: skip
_OF_PERSON = tuple(field.name for field in fields(PersonAttributes) if field.name != "n_faces")
_OF_FACE = tuple(field.name for field in fields(Attributes))
_IN_FILE = ("page", "time_s", "from_s", "to_s")


def people_csv(people: Iterable[ShownPerson]) -> Iterator[str]:
    """Write a header and a row a person; unknown is empty."""
    header = (*_PERSON, *(f"cover_{side}" for side in _SIDES), *_OF_PERSON)

    def rows() -> Iterator[list[Any]]:
        for person in people:
            record = person_record(person)
            box = person.cover_box or (None,) * len(_SIDES)
            yield [*(record[key] for key in _PERSON), *box, *_cells(person.attributes, _OF_PERSON)]

    return to_csv(header, rows())


def photos_csv(photos: Iterable[ShownPhoto]) -> Iterator[str]:
    """Write a header and a row a face, `face` being its id; of a photo without a face, one without it."""
    header = (
        "photo", "time", "time_from", "number", "face", "person", "name", *_SIDES, *_ANGLES, "quality", "core",
        "confidence", "reason", *_OF_FACE, *_IN_FILE,
    )  # fmt: skip

    def rows() -> Iterator[list[Any]]:
        for photo in photos:
            start = [photo.path, stamp(photo.about.time), photo.about.time_from]
            if not photo.faces:
                none = [None] * (len(header) - len(start) - 1 - len(_OF_FACE) - len(_IN_FILE))
                why = photo.about.reason or photo.about.status
                yield [*start, *none, why, *_cells(None, _OF_FACE), *[None] * len(_IN_FILE)]
            for face in photo.faces:
                pose = (face.pose.pitch, face.pose.yaw, face.pose.roll)
                whose = (face.number, face.id, face.person, face.name)
                core = int(face.core)
                yield [
                    *start, *whose, *face.box, *pose, face.quality, core, face.confidence, face.reason,
                    *_cells(face.attributes, _OF_FACE), *_in_file(face, photo.about),
                ]  # fmt: skip

    return to_csv(header, rows())


def _in_file(face: ShownFace, about: About) -> list[Any]:
    """Where in its file a face is, as `_IN_FILE` says; nothing of a plain photo."""
    if face.span is not None:
        return [None, face.moment.time_s, *face.span]
    return [face.moment.page if face.moment.page or about.pages > 1 else None, None, None, None]


def _cells(attributes: Attributes | PersonAttributes | None, names: Sequence[str]) -> list[Any]:
    """The attributes of these names, as numbers and text: 1 yes, 0 no; nothing where unknown."""
    values = [getattr(attributes, name, None) for name in names]
    return [int(value) if isinstance(value, bool) else value for value in values]


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write a line at a time. Numbers are as they are, and no text is a formula; `labels_csv` takes that back."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in chain([header], rows):
        writer.writerow([to_cell(cell) if isinstance(cell, str) else cell for cell in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
