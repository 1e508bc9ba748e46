"""clusters.json <-> Result."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from facecluster.durable.own_files import Link
from facecluster.errors import FaceclusterError
from facecluster.identity.gate import Limits
from facecluster.identity.rules import DEFAULTS, Radii, Rules
from facecluster.result import (
    Absent,
    AlmostFace,
    AlmostPerson,
    Box,
    Changes,
    Counts,
    Lack,
    Merged,
    Person,
    PersonFace,
    Pose,
    Result,
    ResultSettings,
    SamePhoto,
    Split,
    UnclusteredFace,
    Updated,
)
from facecluster.table import Settings, settings_record

_T = TypeVar("_T")

FORMAT = 1
"""Of clusters.json; a change that a reader would notice is a new number."""


def to_json(result: Result) -> Iterator[str]:
    """Write strict JSON, ASCII only, piece by piece, one face or almost-person a line.

    Bytes of a path that are no text come as escaped lone surrogates, which Python's json gives back.
    """
    settings = json.dumps(settings_record_of(result.settings), sort_keys=True, allow_nan=False)
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


def settings_record_of(settings: ResultSettings) -> dict[str, Any]:
    """The settings as JSON has them: those of the table, of clustering ("cluster"), and of the folder."""
    update = settings.update
    record = {
        **settings_record(settings.faces),
        "table": settings.table,
        "link": settings.link,
        "decisions": settings.decisions,
        "decisions_file": settings.decisions_file,
        "eps_chosen": settings.eps,
        "sources": settings.sources,
    }
    if settings.rules is not None:
        record["cluster"] = asdict(settings.rules)
    if update is not None:
        record["update"] = asdict(update)
    return record


def _settings(record: dict[str, Any]) -> ResultSettings:
    """Read the settings; an older result has fewer."""
    faces = Settings(
        record.get("detector", ""), record.get("encoder", ""), record.get("options", {}), record.get("models", {}),
        record.get("versions", {}),
    )  # fmt: skip
    rules = _rules(record.get("cluster"))
    eps = record.get("eps_chosen")
    if "eps_chosen" not in record and rules is not None and faces.encoder in DEFAULTS:
        eps = None if rules.radii.eps == DEFAULTS[faces.encoder].eps else rules.radii.eps
    update = record.get("update")
    link = record.get("link")
    return ResultSettings(
        faces=faces,
        rules=rules,
        eps=eps,
        table=record.get("table"),
        link=link if link in get_args(Link) else None,
        decisions=record.get("decisions") or "",
        decisions_file=record.get("decisions_file"),
        update=None
        if update is None
        else Updated(
            update["updates"],
            update["new_faces"],
            tuple((one, other) for one, other in update["would_merge"]),
        ),
        sources=_texts(record.get("sources", [])),
    )


def _rules(record: Any) -> Rules | None:
    """Read the rules of clustering; None where a result does not say them."""
    if not isinstance(record, dict) or not {"radii", "limits", "gate", "min_samples"} <= record.keys():
        return None
    radii, limits = record["radii"], record["limits"]
    return Rules(
        Radii(**{field.name: float(radii[field.name]) for field in fields(Radii) if field.name in radii}),
        Limits(**{field.name: limits[field.name] for field in fields(Limits) if field.name in limits}),
        bool(record["gate"]),
        int(record["min_samples"]),
        record.get("same_photo", "prefer"),
    )


def _lines(records: Sequence[object]) -> Iterator[str]:
    for i, record in enumerate(records):
        yield f"{',' if i else ''}\n{_json(record)}"


def _json(value: object) -> str:
    return json.dumps(value, default=_fields, allow_nan=False)


def _fields(record: object) -> dict[str, Any]:
    """The fields of a record, but for an anchor that is the box."""
    found = dict(vars(record))
    if found.get("anchor", "") is None:
        del found["anchor"]
    return found


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
            settings=_settings(_is(record["settings"], dict)),
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
    anchor = None if record.get("anchor") is None else Box(*map(_finite, record["anchor"]))
    if "reason" in record:
        return UnclusteredFace(
            *about, reason=_is(record["reason"], str), almost=record.get("almost"), anchor=anchor
        )
    core, confidence = _is(record["core"], bool), _unless_null(record["confidence"])
    return PersonFace(*about, core=core, confidence=confidence, anchor=anchor)


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


def record_of(record: Person | UnclusteredFace | AlmostPerson) -> Any:
    """A record as JSON has it."""
    return json.loads(_json(record))


def people_from_json(records: Iterable[Any]) -> list[Person]:
    """Read people as `record_of` made them; raises ValueError, TypeError, KeyError where they are none."""
    return [_person(record | {"faces": [_face(face) for face in record["faces"]]}) for record in records]


def faces_from_json(records: Iterable[Any]) -> list[UnclusteredFace]:
    """Read faces without a person as `record_of` made them; raises as `people_from_json`."""
    return [_is(_face(record), UnclusteredFace) for record in records]
