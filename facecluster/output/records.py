"""Who is who as records: what clusters.json holds, and what folders and montages are made from.

`make_result` makes them, `to_json` and `read_result` write and read them, `columns` makes arrays of them.
"""

from __future__ import annotations

import gc
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.changes import Placed
from facecluster.identity.cluster import Clustering
from facecluster.identity.decisions import TYPICAL
from facecluster.identity.gate import Reason, failures, measured
from facecluster.identity.rules import Rules
from facecluster.output.words import many, printable
from facecluster.store import settings_record
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable

_T = TypeVar("_T")

FORMAT = 1
"""Of clusters.json; a change that a reader would notice is a new number."""

SHARP_BOX_PX = 80
"""A face at least this wide and high fills a tile of a montage without being enlarged (see `montage`)."""


class Box(NamedTuple):
    """In pixels of the upright photo, half-open."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Pose:
    """Degrees; None where unknown."""

    pitch: float | None
    yaw: float | None
    roll: float | None


@dataclass(frozen=True)
class PersonFace:
    """A face of a person.

    Attributes:
        id: of the face, as in the face table.
        photo: absolute path.
        box: where in the photo.
        pose: see `Pose`.
        quality: 0..1, None where unknown.
        core: whether it founded the person.
        confidence: 0..1 that it is this person's, see `identity.cluster`; None for a person founded by one face alone.
    """

    id: str
    photo: str
    box: Box
    pose: Pose
    quality: float | None
    core: bool
    confidence: float | None


@dataclass(frozen=True)
class UnclusteredFace:
    """A face without a person; `reason` is a code of `Reason`, the rest as in `PersonFace`.

    `almost` is the place, from 0, of its almost-person in `Result.almost`; None where it is of none.
    """

    id: str
    photo: str
    box: Box
    pose: Pose
    quality: float | None
    reason: str
    almost: int | None = None


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
            person's from then on, see `identity.people`.
        name: None until somebody gives one.
        n_faces: length of `faces`.
        n_photos: different paths among them.
        cover: id of the most typical good face.
        faces: the most typical good ones first, see `_typical`.
        former: ids of people who became this one, ever.
    """

    id: str
    name: str | None
    n_faces: int
    n_photos: int
    cover: str
    faces: tuple[PersonFace, ...]
    former: tuple[str, ...] = ()

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
class SamePhoto:
    """How often faces of one photo were placed: a free measure of purity, as two faces are mostly two people.

    Attributes:
        photos: in which several faces are placed.
        twice: those of them in which one person is placed more than once, in boxes that are not of one face.
    """

    photos: int
    twice: int

    @classmethod
    def of(cls, people: Iterable[Person]) -> SamePhoto:
        """Count."""
        seen, several, twice = set[str](), set[str](), set[str]()
        for person in people:
            theirs: dict[str, list[Box]] = {}
            for face in person.faces:
                theirs.setdefault(face.photo, []).append(face.box)
            twice.update(photo for photo, boxes in theirs.items() if len(boxes) > 1 and _are_two(boxes))
            several.update(photo for photo in theirs if photo in seen)
            seen.update(theirs)
        return cls(len(several | twice), len(twice))


def _are_two(boxes: Sequence[Box]) -> bool:
    """Say whether some boxes of one photo are not of one face found several times."""
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
    same_photo: SamePhoto = SamePhoto(0, 0)


@dataclass(frozen=True)
class Merged:
    """People of the earlier result, by id, who are one now; `into` may be one of them. JSON calls them "from"."""

    into: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """A person of the earlier result, by id, who is several now, of whom one may keep it. JSON calls it "from"."""

    whole: str
    into: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """How the people differ from those of the earlier result in the same folder; ids.

    Attributes:
        appeared: who is new.
        vanished: whose id nobody has any more; it is a former one of whom they were merged into.
        merged: see `Merged`.
        split: see `Split`.
    """

    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    merged: tuple[Merged, ...] = ()
    split: tuple[Split, ...] = ()


@dataclass(frozen=True, repr=False)
class Result:
    """All of clusters.json.

    Attributes:
        settings: of the table, of clustering ("cluster"), and of the folder where there is one: "table" is the path of
            the face table, relative to the folder if it lies in there, else absolute, or None; "link" how folders
            hold photos, "decisions" stands for those that were kept to (see `identity.decisions.mark`),
            "decisions_file" is the absolute path of theirs, None for the one in the folder. Older results have none
            of these four, or "table" absolute.
        people: by falling number of faces.
        unclustered: faces without a person.
        counts: see `Counts`.
        almost: the most nearly complete first; stands after `unclustered` in the file.
        next_id: the lowest number that no person of this folder ever had.
        changes: since the earlier result in this folder.
        absent: who had an id in this folder and has none now, the last to go last.
    """

    settings: Mapping[str, Any]
    people: tuple[Person, ...]
    unclustered: tuple[UnclusteredFace, ...]
    counts: Counts
    almost: tuple[AlmostPerson, ...] = ()
    next_id: int = 1
    changes: Changes = Changes()
    absent: tuple[Absent, ...] = ()

    def __repr__(self) -> str:
        counts = self.counts
        n_people, n_faces = many(counts.people, "person", "people"), many(counts.faces, "face")
        return f"Result: {n_people}, {counts.clustered} of {n_faces}"


def person_id(number: int) -> str:
    """1 -> "person-0001"."""
    return f"person-{number:04d}"


def make_result(table: FaceTable, clustering: Clustering, rules: Rules) -> Result:
    """Turn arrays into records, whose people are numbered from 1 in the order of their labels.

    Args:
        table: n faces.
        clustering: who each of them is.
        rules: by which; written to the settings next to those of the table.
    """
    faces = table.faces
    paths = table.photos.path.tolist()
    ids, photo, reason = faces.id.tolist(), faces.photo.tolist(), clustering.reason.tolist()
    box, pose, quality = plain(faces.box), plain(faces.pose), plain(faces.quality)
    core, confidence = clustering.core.tolist(), plain(clustering.confidence)
    almost_of = {i: place for place, almost in enumerate(clustering.almost) for i in almost.rows.tolist()}

    def person_face(i: int) -> PersonFace:
        return PersonFace(
            ids[i], paths[photo[i]], Box(*box[i]), Pose(*pose[i]), quality[i], core[i], confidence[i]
        )

    def unclustered_face(i: int) -> UnclusteredFace:
        return UnclusteredFace(
            ids[i], paths[photo[i]], Box(*box[i]), Pose(*pose[i]), quality[i],
            reason=Reason(reason[i]).code, almost=almost_of.get(i),
        )  # fmt: skip

    n_left = int(np.count_nonzero(clustering.label < 0))
    order = _typical(table, clustering, rules)
    left, placed = order[:n_left], order[n_left:]
    starts = np.flatnonzero(np.diff(clustering.label[placed])) + 1
    people = []
    for number, rows in enumerate(np.split(placed, starts) if len(placed) else [], start=1):
        people.append(Person.of(person_id(number), [person_face(i) for i in rows.tolist()]))
    statuses = Counter(table.photos.status.tolist())
    return Result(
        settings={**settings_record(table.settings), "cluster": asdict(rules)},
        people=tuple(people),
        unclustered=tuple(unclustered_face(i) for i in sorted(left.tolist())),
        counts=Counts(
            photos=len(table.photos),
            ok=statuses[OK],
            no_face=statuses[NO_FACE],
            unreadable=statuses[UNREADABLE],
            faces=len(faces),
            people=len(people),
            clustered=len(placed),
            unclustered={r.code: reason.count(r) for r in Reason if r != Reason.PASSED and r in reason},
            same_photo=SamePhoto.of(people),
        ),
        almost=_almost_people(table, clustering, rules),
        next_id=len(people) + 1,
    )


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
        same_photo=SamePhoto.of(people),
    )
    return replace(result, people=tuple(people), unclustered=left, counts=counts)


def _almost_people(table: FaceTable, clustering: Clustering, rules: Rules) -> tuple[AlmostPerson, ...]:
    """Turn rows into records, with all limits that each face fails."""
    faces, limits = table.faces, rules.limits
    fails = failures(faces, limits) if rules.gate else {}
    numbers = measured(faces, limits)

    def missing(i: int, lack: int) -> tuple[Lack, ...]:
        if lack == Reason.PASSED:
            return ()
        if lack == Reason.NEAR_DUPLICATE:
            return (Lack(Reason.NEAR_DUPLICATE.code, None, None),)
        return tuple(lacking(i, reason) for reason, failing in fails.items() if failing[i])

    def lacking(i: int, reason: Reason) -> Lack:
        if reason not in numbers:
            return Lack(reason.code, None, None)
        number, limit = numbers[reason]
        return Lack(reason.code, plain(number[i : i + 1])[0], limit)

    def almost_face(i: int, lack: int) -> AlmostFace:
        return AlmostFace(str(faces.id[i]), str(table.photos.path[faces.photo[i]]), missing(i, lack))

    return tuple(
        AlmostPerson(
            n_photos=almost.n_photos,
            n_photos_needed=limits.min_images,
            faces=tuple(map(almost_face, almost.rows.tolist(), almost.lack.tolist())),
        )
        for almost in clustering.almost
    )


def _typical(table: FaceTable, clustering: Clustering, rules: Rules) -> NDArray[np.intp]:
    """Order all faces by person; within one, those worth showing first, then founding ones, then the nearest.

    Worth showing: large enough not to be enlarged, and of the quality that the gate asks for, where it is known.
    """
    faces = table.faces
    size = (faces.box[:, 2:] - faces.box[:, :2]).min(axis=1)
    poor = (size < SHARP_BOX_PX) | (faces.quality <= rules.limits.min_quality)
    return np.lexsort((faces.id, clustering.distance, ~clustering.core, poor, clustering.label))


def plain(numbers: NDArray[np.float32]) -> list[Any]:
    """Nested lists with None for NaN, and the shortest decimals that give the same float32."""
    exact = np.array([float(text) for text in numbers.ravel().astype(str)], dtype=object)
    exact[~np.isfinite(numbers.ravel())] = None
    nested: list[Any] = exact.reshape(numbers.shape).tolist()
    return nested


def to_json(result: Result) -> Iterator[str]:
    """Write strict JSON, ASCII only, piece by piece, one face or almost-person a line.

    Bytes of a path that are no text come as escaped lone surrogates, which Python's json gives back.
    """
    settings = json.dumps(
        result.settings, sort_keys=True, allow_nan=False
    )  # sorted, as read from a table or not yet
    yield f'{{"format": {FORMAT},\n"settings": {settings},\n"people": ['
    for i, person in enumerate(result.people):
        head = {key: value for key, value in vars(person).items() if key != "faces"}
        yield f'{"," if i else ""}\n{_json(head)[:-1]}, "faces": ['
        yield from _lines(person.faces)
        yield "]}"
    yield '],\n"unclustered": ['
    yield from _lines(result.unclustered)
    yield '],\n"almost": ['
    yield from _lines(result.almost)
    changes = {
        "appeared": result.changes.appeared,
        "vanished": result.changes.vanished,
        "merged": [{"into": merged.into, "from": merged.parts} for merged in result.changes.merged],
        "split": [{"from": split.whole, "into": split.into} for split in result.changes.split],
    }
    yield f'],\n"counts": {_json(vars(result.counts))},\n'
    yield f'"next_id": {result.next_id},\n"changes": {_json(changes)},\n"absent": ['
    yield from _lines(result.absent)
    yield "]}\n"


def _lines(records: Sequence[object]) -> Iterator[str]:
    for i, record in enumerate(records):
        yield f"{',' if i else ''}\n{_json(record)}"


def _json(value: object) -> str:
    return json.dumps(value, default=vars, allow_nan=False)


def columns(result: Result) -> Placed:
    """The faces of a result as columns: those of each person in turn, then those without one."""
    placed = [face for person in result.people for face in person.faces]
    faces: list[PersonFace | UnclusteredFace] = [*placed, *result.unclustered]
    person = np.full(len(faces), -1)
    person[: len(placed)] = np.repeat(np.arange(len(result.people)), [len(p.faces) for p in result.people])
    confidence = np.full(len(faces), np.nan)
    confidence[: len(placed)] = np.array([face.confidence for face in placed], dtype=np.float64)
    return Placed(
        id=[face.id for face in faces],
        photo=[face.photo for face in faces],
        box=np.array([face.box for face in faces], dtype=np.float64).reshape(-1, 4),
        person=person,
        confidence=confidence,
    )


# ---------------------------------------------------------------------------------------------------- reading


def read_result(file: Path) -> Result:
    """Read a clusters.json; what is not known here is left out.

    Raises:
        FaceclusterError: no such file, not a result, damaged, or written by a newer format.
    """
    collects = gc.isenabled()
    gc.disable()  # of millions of new objects none is garbage; looking for it takes as long as all the rest
    try:
        record = json.loads(file.read_bytes(), object_hook=_face, parse_constant=_refuse)
        if not isinstance(record, dict) or not {"format", "people", "unclustered"} <= record.keys():
            raise FaceclusterError(
                f"{file}: not a result; give a clusters.json, as facecluster cluster makes it"
            )
        if not isinstance(record["format"], int):
            raise ValueError(f"format is {record['format']!r}")
        if record["format"] > FORMAT:
            raise FaceclusterError(
                f"{file}: written by format {record['format']}, this facecluster reads up to {FORMAT}; upgrade, or "
                "run cluster again"
            )
        people = tuple(_person(person) for person in _is(record["people"], list))
        absent = tuple(
            Absent(_is(one["id"], str), _is(one["n_faces"], int), _texts(one["faces"]))
            for one in _is(record.get("absent", []), list)
        )
        return Result(
            settings=_is(record["settings"], dict),
            people=people,
            unclustered=tuple(_is(face, UnclusteredFace) for face in _is(record["unclustered"], list)),
            counts=_counts(record["counts"], people),
            almost=tuple(_almost_person(almost) for almost in record.get("almost", [])),
            next_id=max(_is(record.get("next_id", 1), int), *map(_after, people), *map(_after, absent), 1),
            changes=_changes(record.get("changes", {})),
            absent=absent,
        )
    except OSError as error:
        raise FaceclusterError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FaceclusterError(f"{file}: not JSON, or cut short ({error}); run cluster again") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        what = f"without {error}" if isinstance(error, KeyError) else error
        raise FaceclusterError(f"{file}: not a result, or damaged: {what}; run cluster again") from error
    except MemoryError as error:
        raise FaceclusterError(f"{file}: too large for this machine's memory") from error
    finally:
        if collects:
            gc.enable()


def _face(record: dict[str, Any]) -> Any:
    """Make a face of its dictionary as soon as that is parsed: it takes far less memory. Others stay as they are."""
    if "box" not in record:
        return record
    pose = record["pose"]
    about = (
        _is(record["id"], str),
        _is(record["photo"], str),
        Box(*map(_finite, record["box"])),
        Pose(_unless_null(pose["pitch"]), _unless_null(pose["yaw"]), _unless_null(pose["roll"])),
        _unless_null(record["quality"]),
    )
    if "reason" in record:
        return UnclusteredFace(*about, reason=_is(record["reason"], str), almost=record.get("almost"))
    return PersonFace(*about, core=_is(record["core"], bool), confidence=_unless_null(record["confidence"]))


def _person(record: dict[str, Any]) -> Person:
    name = record["name"]
    return Person(
        id=_is(record["id"], str),
        name=None if name is None else _is(name, str),
        n_faces=_is(record["n_faces"], int),
        n_photos=_is(record["n_photos"], int),
        cover=_is(record["cover"], str),
        faces=tuple(_is(face, PersonFace) for face in _is(record["faces"], list)),
        former=_texts(record.get("former", [])),
    )


def _counts(record: dict[str, Any], people: Iterable[Person]) -> Counts:
    """An older facecluster did not count the photos with several faces."""
    known = record.get("same_photo")
    return Counts(**record | {"same_photo": SamePhoto(**known) if known else SamePhoto.of(people)})


def _after(person: Person | Absent) -> int:
    """The number after those that a person has and had; 1 for ids of somebody else's making."""
    former = person.former if isinstance(person, Person) else ()
    numbers = [text.removeprefix("person-") for text in (person.id, *former)]
    return 1 + max((int(text) for text in numbers if text.isascii() and text.isdigit()), default=0)


def _changes(record: dict[str, Any]) -> Changes:
    return Changes(
        appeared=_texts(record.get("appeared", [])),
        vanished=_texts(record.get("vanished", [])),
        merged=tuple(Merged(_is(it["into"], str), _texts(it["from"])) for it in record.get("merged", [])),
        split=tuple(Split(_is(it["from"], str), _texts(it["into"])) for it in record.get("split", [])),
    )


def _texts(record: Any) -> tuple[str, ...]:
    return tuple(_is(text, str) for text in _is(record, list))


def _almost_person(record: dict[str, Any]) -> AlmostPerson:
    return AlmostPerson(
        n_photos=_is(record["n_photos"], int),
        n_photos_needed=_is(record["n_photos_needed"], int),
        faces=tuple(
            AlmostFace(
                _is(face["id"], str), _is(face["photo"], str), tuple(Lack(**lack) for lack in face["missing"])
            )
            for face in record["faces"]
        ),
    )


def _finite(number: Any) -> float:
    if not math.isfinite(number):
        raise ValueError(f"a box with {number}")
    return float(number)


def _unless_null(number: Any) -> float | None:
    return None if number is None else float(number)


def _is(value: Any, kind: type[_T]) -> _T:
    """Raises TypeError where it is something else."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {str(value)[:40]!r}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
