"""clusters.json <-> Result."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from facecluster.durable.denied import why_unread
from facecluster.durable.links import Link
from facecluster.errors import FaceclusterError
from facecluster.formats.json_lines import ZERO, load
from facecluster.identity.rules import DEFAULTS, Rules
from facecluster.result import (
    Absent,
    AlmostPerson,
    Changes,
    Counts,
    Person,
    PersonFace,
    Result,
    ResultSettings,
    SamePhotoCounts,
    UnclusteredFace,
    Updated,
    WasMerged,
    WasSplit,
    plain,
)
from facecluster.table import Settings, settings_record
from facecluster.text import printable, typed

FORMAT = 2
"""Of clusters.json; a change that a reader would notice is a new number. In format 1 confidences are 0..1, since then
per cent, 0..100."""

_ID = re.compile(r"[\w-]{1,64}")
"""Of a person: its folder is called so."""
_HIGHEST_ID = 1 << 31
"""No person has so high a number, as each is one above the last."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_to_bytes = msgspec.json.Encoder().encode
_UNSAID = (b',"anchor":null', b',"page":0', b',"time_s":null', b',"track":null')
"""What is left out of a face of a photo that was not edited and has one page; no text holds it, as quotes in texts are
escaped."""


# ---------------------------------------------------------------------------------------------------- writing


class Texts:
    """The JSON of people who were written before, so that a next write makes only that of people who are others now."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Person, str]] = {}

    def of(self, people: Sequence[Person]) -> Iterator[str]:
        """Give the JSON of each of these people; that of all others is forgotten."""
        before, self._of = self._of, {}
        for person in people:
            known = before.get(id(person))
            text = known[1] if known is not None and known[0] is person else _person(person)
            self._of[id(person)] = person, text
            yield text


def to_json(
    result: Result, texts: Texts | None = None, *, more: Mapping[str, object] = MappingProxyType({})
) -> Iterator[str]:
    """Write strict JSON, ASCII only, piece by piece, one face or almost-person a line.

    Bytes of a path that are no text come as escaped lone surrogates, which `read_result` and Python's json give back.

    Args:
        result: what to write.
        texts: of what was written before; it gets what is written now.
        more: stands at the end; no reader needs it.
    """
    settings = json.dumps(settings_record_of(result.settings), sort_keys=True, allow_nan=False)
    yield f'{{"format": {FORMAT},\n"settings": {settings},\n"people": ['
    people = map(_person, result.people) if texts is None else texts.of(result.people)
    for i, text in enumerate(people):
        yield f"{',' if i else ''}\n{text}"
    yield f'],\n"unclustered": [{_face_lines(result.unclustered)}],\n"almost": [{_lines(result.almost)}],\n'
    changes = {
        "appeared": result.changes.appeared,
        "vanished": result.changes.vanished,
        "merged": [{"into": merged.into, "from": merged.parts} for merged in result.changes.merged],
        "split": [{"from": split.whole, "into": split.into} for split in result.changes.split],
    }
    yield f'"counts": {_json(result.counts)},\n"next_id": {result.next_id},\n"changes": {_json(changes)},\n'
    yield f'"absent": [{_lines(result.absent)}]'
    yield from (f",\n{_json(name)}: {_json(value)}" for name, value in more.items())
    yield "}\n"


def _person(person: Person) -> str:
    """A person, with a face a line."""
    head = {key: value for key, value in vars(person).items() if key not in ("faces", "hidden")}
    if person.hidden:
        head["hidden"] = True
    return f'{_json(head)[:-1]}, "faces": [{_face_lines(person.faces)}]}}'


def _face_lines(faces: Sequence[PersonFace | UnclusteredFace]) -> str:
    """As `_lines`, for many: all of them at once. Quotes in texts are escaped, so no text holds the seam."""
    try:
        text = _to_bytes(faces)[1:-1]
    except UnicodeEncodeError:  # lone surrogates
        return _lines(faces)
    text = _said(text).replace(b'},{"id":"', b'},\n{"id":"')
    return "\n" + _ascii(text.decode()) if text else ""


def _lines(records: Sequence[object]) -> str:
    """One record a line, each line after an end of line."""
    try:
        lines = [_to_bytes(record) for record in records]
    except UnicodeEncodeError:  # lone surrogates
        return ",".join(f"\n{_json(record)}" for record in records)
    if not lines:
        return ""
    return _ascii(_said(b"".join([b"\n", b",\n".join(lines)])).decode())


def _said(text: bytes) -> bytes:
    """Leave out what says nothing."""
    for unsaid in _UNSAID:
        text = text.replace(unsaid, b"")
    return text


def _json(record: object) -> str:
    try:
        return _ascii(_said(_to_bytes(record)).decode())
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(record), allow_nan=False, separators=(",", ":"))
        return _said(text.encode("ascii")).decode()


def settings_record_of(settings: ResultSettings) -> dict[str, Any]:
    """The settings as JSON has them: those of the table, of clustering ("cluster"), and of the folder."""
    record = {
        **settings_record(settings.faces),
        "table": settings.table,
        "link": settings.link,
        "decisions": settings.decisions,
        "decisions_file": settings.decisions_file,
        "eps_chosen": settings.eps,
        "sources": settings.sources,
        "made_of": settings.made_of,
    }
    if settings.rules is not None:
        record["cluster"] = asdict(settings.rules)
    if settings.update is not None:
        record["update"] = asdict(settings.update)
    return record


def record_of(record: Person | UnclusteredFace | AlmostPerson) -> Any:
    """A record as JSON has it."""
    return json.loads(_json(record))


def people_from_json(records: Sequence[Any], number: int) -> list[Person]:
    """Read people as `record_of` made them, when `FORMAT` was `number`.

    Raises:
        ValueError: they are none.
    """
    people = msgspec.convert(records, list[Person])
    return people if number > 1 else [*_in_per_cent(people)]


def faces_from_json(records: Sequence[Any]) -> list[UnclusteredFace]:
    """Read faces without a person as `record_of` made them.

    Raises:
        ValueError: they are none.
    """
    return msgspec.convert(records, list[UnclusteredFace])


def almost_from_json(records: Sequence[Any]) -> list[AlmostPerson]:
    """Read almost-people as `record_of` made them.

    Raises:
        ValueError: they are none.
    """
    return msgspec.convert(records, list[AlmostPerson])


def _ascii(text: str) -> str:
    """Escape what is not ASCII; in JSON such letters stand in texts only."""
    return text if text.isascii() else _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


# ---------------------------------------------------------------------------------------------------- reading


class _Merged(msgspec.Struct):
    into: str
    parts: tuple[str, ...] = msgspec.field(name="from")


class _Split(msgspec.Struct):
    into: tuple[str, ...]
    whole: str = msgspec.field(name="from")


class _Changes(msgspec.Struct):
    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    merged: tuple[_Merged, ...] = ()
    split: tuple[_Split, ...] = ()


class _Counts(msgspec.Struct):
    """As `Counts`; an older facecluster did not count the photos with several faces."""

    photos: int
    ok: int
    no_face: int
    unreadable: int
    faces: int
    people: int
    clustered: int
    unclustered: dict[str, int]
    same_photo: SamePhotoCounts | None = None


class _File(msgspec.Struct):
    """All of the file; what an older facecluster did not write has a default."""

    format: int
    settings: dict[str, Any]
    people: tuple[Person, ...]
    unclustered: tuple[UnclusteredFace, ...]
    counts: _Counts
    almost: tuple[AlmostPerson, ...] = ()
    next_id: int = 1
    changes: _Changes = msgspec.field(default_factory=_Changes)
    absent: tuple[Absent, ...] = ()


_decode = msgspec.json.Decoder(_File).decode


def read_result(file: Path) -> Result:
    """Read a clusters.json; what is not known here is left out.

    Raises:
        FaceclusterError: no such file, not a result, damaged, or written by a newer format.
    """
    collects = gc.isenabled()
    gc.disable()  # of a million new objects none is garbage; looking for it takes as long as all the rest
    try:
        content = file.read_bytes()
        try:
            record = _decode(content) if ZERO not in content else msgspec.convert(load(content), _File)
        except msgspec.ValidationError:
            _check_kind(load(content), file)  # a file of something else gets another message
            raise
        except msgspec.DecodeError:  # lone surrogates, or a mark of another program's at the start
            loaded = load(content)
            _check_kind(loaded, file)
            record = msgspec.convert(loaded, _File)
        if record.format > FORMAT:
            raise _newer(file, record.format)
        _check(record)
        return _result(record)
    except OSError as error:
        raise FaceclusterError(f"{file}: cannot be read: {why_unread(file, error)}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FaceclusterError(f"{file}: not JSON, or cut short ({error}); {_again(file)}") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FaceclusterError(f"{file}: not a result, or damaged: {error}; {_again(file)}") from error
    except MemoryError as error:
        raise FaceclusterError(f"{file}: too large for this machine's memory") from error
    finally:
        if collects:
            gc.enable()


def _check_kind(record: Any, file: Path) -> None:
    """Raise FaceclusterError where a record is none of a result, or one of a newer format."""
    if not isinstance(record, Mapping) or not {"format", "people", "unclustered"} <= record.keys():
        raise FaceclusterError(f"{file}: not a result; give a clusters.json, as facecluster cluster makes it")
    if isinstance(record["format"], int) and record["format"] > FORMAT:
        raise _newer(file, record["format"])


def _newer(file: Path, number: int) -> FaceclusterError:
    return FaceclusterError(
        f"{file}: written by format {number}, this facecluster reads up to {FORMAT}; upgrade, or {_again(file)}"
    )


def _again(file: Path) -> str:
    """Say how a record is made anew."""
    table = file.parent / "faces.npz"
    named = typed(table) if table.is_file() else "FACE_TABLE"
    return f"make it anew: facecluster cluster {named} -o {typed(file.parent)}"


def _check(record: _File) -> None:
    """Raise ValueError where what a result says does not fit together."""
    owns = [person.id for person in record.people]
    for own in (*owns, *(one.id for one in record.absent)):
        if not _ID.fullmatch(own):
            raise ValueError(f"{printable(own[:64])!r} is no id of a person")
    if len(set(owns)) < len(owns):
        raise ValueError("two people have the same id")
    for person in record.people:
        if not person.faces or person.n_faces != len(person.faces):
            raise ValueError(f"{person.id} has {len(person.faces)} faces, not {person.n_faces}")
        if person.cover != person.faces[0].id and all(face.id != person.cover for face in person.faces):
            raise ValueError(f"the cover of {person.id} is none of its faces")
    if not 0 <= record.next_id < _HIGHEST_ID:
        raise ValueError(f"next_id is {record.next_id}")


def _result(record: _File) -> Result:
    people, absent, changes = record.people, record.absent, record.changes
    if record.format < 2:
        people = _in_per_cent(people)
    counts = msgspec.structs.asdict(record.counts)
    if counts["same_photo"] is None:
        counts["same_photo"] = SamePhotoCounts.of(people)
    return Result(
        settings=settings_of(record.settings),
        people=people,
        unclustered=record.unclustered,
        counts=Counts(**counts),
        almost=record.almost,
        next_id=max(record.next_id, *map(_after, people), *map(_after, absent), 1),
        changes=Changes(
            appeared=changes.appeared,
            vanished=changes.vanished,
            merged=tuple(WasMerged(it.into, it.parts) for it in changes.merged),
            split=tuple(WasSplit(it.whole, it.into) for it in changes.split),
        ),
        absent=absent,
    )


def _in_per_cent(people: Sequence[Person]) -> tuple[Person, ...]:
    """Make per cent of the confidences of people of format 1; all at once, as there may be a million faces."""
    shares = np.array([face.confidence for person in people for face in person.faces], dtype=np.float64)
    known = iter(plain((100 * shares).astype(np.float32)))
    return tuple(
        replace(person, faces=tuple(replace(face, confidence=next(known)) for face in person.faces))
        for person in people
    )


class _Settings(msgspec.Struct):
    """As they stand in the file; older results have fewer."""

    detector: str = ""
    encoder: str = ""
    options: dict[str, float | int | bool | str | None] = msgspec.field(default_factory=dict)
    models: dict[str, str] = msgspec.field(default_factory=dict)
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    cluster: Rules | None = None
    eps_chosen: float | None = None
    table: str | None = None
    link: Link | None = None
    decisions: str | None = None
    decisions_file: str | None = None
    update: Updated | None = None
    sources: tuple[str, ...] = ()
    made_of: str = ""


def settings_of(record: Mapping[str, Any]) -> ResultSettings:
    """Make typed settings of those in a file; the one place that rebuilds `Rules` from them.

    Rules that make no sense are unknown.

    Raises:
        ValueError: something is of another type than it should be; the message says which and where.
    """
    try:
        it = msgspec.convert(record, _Settings)
    except msgspec.ValidationError:
        if "cluster" not in record:
            raise
        return settings_of({key: value for key, value in record.items() if key != "cluster"})
    eps = it.eps_chosen
    if eps is None and "eps_chosen" not in record and it.cluster is not None and it.encoder in DEFAULTS:
        used = it.cluster.radii.eps
        eps = None if used == DEFAULTS[it.encoder].eps else used
    return ResultSettings(
        faces=Settings(it.detector, it.encoder, it.options, it.models, it.versions),
        rules=it.cluster,
        eps=eps,
        table=it.table,
        link=it.link,
        decisions=it.decisions or "",
        decisions_file=it.decisions_file,
        update=it.update,
        sources=it.sources,
        made_of=it.made_of,
    )


def _after(person: Person | Absent) -> int:
    """The number after those that a person has and had; 1 for ids of somebody else's making."""
    former = person.former if isinstance(person, Person) else ()
    numbers = [text.removeprefix("person-") for text in (person.id, *former)]
    known = (int(text) for text in numbers if text.isascii() and text.isdigit() and len(text) < 64)
    return 1 + max((number for number in known if number < _HIGHEST_ID), default=0)
