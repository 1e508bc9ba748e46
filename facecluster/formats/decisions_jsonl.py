"""decisions.jsonl <-> decisions: the user's file, one line of JSON a decision, which facecluster only appends to.

{"format": 1, "id": 8 hex digits, "time": ISO 8601 UTC, "do": verb, ...}

    name          person, name or null, faces
    merge         people [ids], faces [[of the first], [of the second], ...]
    split         person, into (none in older files), faces, from
    move          person or null, into or null, faces, to or null, from
    not-a-person  person or null, faces
    undo          undo: id

A face is [digest of its photo's content, [left, top, right, bottom]]; `identity.decisions` says what each means. Files
of several computers may be put one behind the other: a repeated id counts once, and time orders the lines.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from facecluster.durable.whole_file import cannot_write
from facecluster.errors import FaceclusterError
from facecluster.identity.decisions import (
    Act,
    Decision,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spot,
    Spots,
    Undo,
)

_log = logging.getLogger(__name__)

DECISIONS = "decisions.jsonl"
"""The file's name in a folder of results."""

TORN = ".torn"
"""What is behind the name of the file that keeps torn lines."""

FORMAT = 1
"""Of a line. Readers accept this and older ones."""


def decide(act: Act, earlier: list[Decision]) -> Decision:
    """Make a decision of what was decided just now, with an id that none of the earlier ones has."""
    taken = {decision.id for decision in earlier}
    while True:
        time = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
        rest = {"time": time, **_record(act)}
        identity = hashlib.sha256(json.dumps(rest).encode("ascii")).hexdigest()[:8]
        if identity not in taken:
            text = json.dumps({"format": FORMAT, "id": identity, **rest})
            return Decision(identity, time, act, "", text)


def append(path: Path, decision: Decision) -> None:
    """Write a decision behind the others; once this returns, it is on the disk.

    What a killed process left of a last line is told, and kept in the file with `TORN` behind its name.

    Raises:
        OutputError: disk full, no permission.
    """
    try:
        with path.open("a+b") as file:
            file.seek(0)
            content = file.read()
            end = content.rfind(b"\n") + 1
            start = b""
            if _is_torn(content[end:]):
                _keep_torn(path, content[end:])
                file.truncate(end)
            elif len(content) > end:
                start = b"\n"
            file.write(start + decision.text.encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def _keep_torn(path: Path, text: bytes) -> None:
    """Put a torn line behind the others there are."""
    kept = path.with_name(path.name + TORN)
    try:
        with kept.open("ab") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(kept, error) from error
    _log.warning("%s: the last line was cut short; what was left of it is in %s now", path, kept)


def file_of(named: str | None, directory: Path) -> Path:
    """Say where the decisions of a library are: the file that it was made with if it is there, else that in its folder.

    Args:
        named: absolute path of the file that it was made with; None: that in its folder.
        directory: where it lies.
    """
    return Path(named) if named is not None and os.path.exists(named) else directory / DECISIONS


def read(path: Path) -> list[Decision]:
    """Read all decisions, in order of time; none where there is no such file.

    What a killed process left of a last line is told and left out.

    Raises:
        FaceclusterError: a line is no decision, or of a newer format; the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FaceclusterError(f"{path}: cannot be read: {error.strerror or error}") from error
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if _is_torn(lines[-1]):
        _log.warning("%s: line %d is cut short and does not count", path, len(lines))
        lines.pop()
    decisions: dict[str, Decision] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            decision = _decision(line, path, number)
            decisions[decision.id] = decision
    return sorted(decisions.values(), key=lambda decision: decision.time)


def _is_torn(last: bytes) -> bool:
    """Say whether a last line without an end is only the start of one."""
    try:
        json.loads(last or b"{}")
    except (ValueError, RecursionError):
        return bool(last.strip())
    return False


# ---------------------------------------------------------------------------------------------------- a line


def _decision(line: bytes, path: Path, number: int) -> Decision:
    place = f"{path}:{number}"
    try:
        text = line.decode("utf-8").strip()
        record = json.loads(text)
        if not isinstance(record, dict):
            raise TypeError("no object")
        if record.get("format", FORMAT) > FORMAT:
            raise FaceclusterError(
                f"{place}: written by format {record['format']}, this facecluster reads up to {FORMAT}; upgrade"
            )
        return Decision(_text(record["id"]), _text(record["time"]), _act(record), place, text, number)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        what = f"without {error}" if isinstance(error, KeyError) else str(error)
        shown = line.decode("utf-8", "replace").strip()[:80]
        raise FaceclusterError(
            f"{place}: not a decision: {what}: {shown!r}; mend or remove the line"
        ) from error


def _record(act: Act) -> dict[str, Any]:
    """What a line says of an act; the faces last, as they are long."""
    match act:
        case Name(person, name, faces):
            return {"do": "name", "person": person, "name": name, "faces": faces}
        case Merge(people, groups):
            return {"do": "merge", "people": people, "faces": groups}
        case Split(person, faces, away, into):
            known = {} if into is None else {"into": into}
            return {"do": "split", "person": person, **known, "faces": faces, "from": away}
        case Move(person, into, faces, to, away):
            return {
                "do": "move",
                "person": person,
                "into": into,
                "faces": faces,
                "to": to,
                "from": away,
            }
        case NotAPerson(person, faces):
            return {"do": "not-a-person", "person": person, "faces": faces}
        case Undo(identity):
            return {"do": "undo", "undo": identity}


def _act(record: dict[str, Any]) -> Act:
    match record["do"]:
        case "name":
            return Name(_text(record["person"]), _text_or_null(record["name"]), _spots(record["faces"]))
        case "merge":
            people = tuple(_text(person) for person in record["people"])
            return Merge(people, tuple(_spots(group) for group in record["faces"]))
        case "split":
            into = _text_or_null(record.get("into"))
            return Split(_text(record["person"]), _spots(record["faces"]), _spots(record["from"]), into)
        case "move":
            return Move(
                _text_or_null(record["person"]),
                _text_or_null(record["into"]),
                _spots(record["faces"]),
                None if record["to"] is None else _spots(record["to"]),
                _spots(record["from"]),
            )
        case "not-a-person":
            return NotAPerson(_text_or_null(record["person"]), _spots(record["faces"]))
        case "undo":
            return Undo(_text(record["undo"]))
        case other:
            raise ValueError(f"nothing is known of {str(other)[:40]!r}; a newer facecluster may know it")


def _spots(faces: Any) -> Spots:
    if not isinstance(faces, list):
        raise TypeError(f"expected a list of faces, got {str(faces)[:40]!r}")
    return tuple(_spot(*face) for face in faces)


def _spot(digest: Any, box: Any) -> Spot:
    left, top, right, bottom = (float(number) for number in box)
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError(f"a box with {box}")
    return Spot(_text(digest), (left, top, right, bottom))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {str(value)[:40]!r}")
    return value


def _text_or_null(value: Any) -> str | None:
    return None if value is None else _text(value)
