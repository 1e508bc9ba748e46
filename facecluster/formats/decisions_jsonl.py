"""decisions.jsonl <-> decisions: the user's file, one line of JSON a decision, which facecluster only appends to.

{"format": 1, "id": 8 hex digits, "time": ISO 8601 UTC, "do": verb, ...}

    name          person, name or null, faces
    merge         people [ids], faces [[of the first], [of the second], ...]
    split         person, into (none in older files), faces, from
    make          person, name or null, faces, from (none where they were nobody's)
    move          person or null, into or null, faces, to or null, from
    not-a-person  person or null, faces
    different     people [two ids], faces [[of the first], [of the second]]
    hide          person, hidden true or false, faces
    cover         person, faces [one]
    unsure        question, faces [[of a side], ...]
    said          name, faces
    draw          picture, drawn [left, top, right, bottom], faces [one]
    undo          undo: id

Where it repeats the words of other programs' files, it has "by": {"origin": "xmp", "files": [paths]} as well.

A face is [digest of its photo's content, [left, top, right, bottom]]; on another page than the first the page, from 0,
stands behind, in a video 0 and the second: [digest, box, 2], [digest, box, 0, 12.48]. Lines with such faces are of
format 2. `identity.decisions` says what each means. Files of several computers may be put one behind the other: a
repeated id counts once, and time orders the lines.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from facecluster.durable.own_file import open_own
from facecluster.durable.whole_file import cannot_write, wait_for_disk
from facecluster.formats import json_lines
from facecluster.formats.json_lines import FORMAT, WITH_MOMENTS, Line
from facecluster.identity.decisions import Act, Decision, SaidBy, Spot, spots_of

_log = logging.getLogger(__name__)

DECISIONS = "decisions.jsonl"
"""The file's name in a folder of results."""

TORN = ".torn"
"""What is behind the name of the file that keeps torn lines."""

_VERBS = {struct.__struct_config__.tag for struct in get_args(Act)}


_SPOTS = {
    struct: [name for name in struct.__struct_fields__ if name in ("faces", "away", "to")]
    for struct in get_args(Act)
}
"""In which fields faces stand."""


class _Head(msgspec.Struct):
    """What stands before the act, which has its own fields; see `identity.decisions`."""

    id: str
    time: str
    do: str
    by: SaidBy | None = None


_head = json_lines.decoder(_Head)
_act = json_lines.decoder(cast("type[Act]", Act))


def now(earlier: list[Decision]) -> str:
    """Give the time as decisions have it: ISO 8601, UTC, to the microsecond; after all of the earlier ones.

    A clock that was put back would have what is said now count as said before them.
    """
    moment = datetime.now(timezone.utc)
    if earlier:
        with suppress(ValueError):  # written by hand
            last = datetime.fromisoformat(max(one.time for one in earlier).replace("Z", "+00:00"))
            moment = max(moment, last.astimezone(timezone.utc) + timedelta(microseconds=1))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def decide(act: Act, earlier: list[Decision], time: str | None = None) -> Decision:
    """Make a decision, with an id that none of the earlier ones has.

    Args:
        act: what was decided.
        earlier: all of them.
        time: when; None: now. What one call decides has one time.
    """
    (decision,) = decide_all([(act, None)], earlier, time)
    return decision


def decide_all(
    acts: Sequence[tuple[Act, SaidBy | None]], earlier: list[Decision], time: str | None = None
) -> list[Decision]:
    """Make decisions of one call, as `decide` does; they have one time, but where an id is taken.

    Args:
        acts: what was decided, and whose words it is.
        earlier: all of them.
        time: when; None: now.
    """
    taken, made = {decision.id for decision in earlier}, list[Decision]()
    time = time or (now(earlier) if acts else "")
    for act, by in acts:
        at = time
        while (identity := _id_of(at, act, by)) in taken:
            at = now([*earlier, *made, Decision(identity, at, act)])
        taken.add(identity)
        made.append(Decision(identity, at, act, said_by=by))
    return made


def _id_of(time: str, act: Act, by: SaidBy | None) -> str:
    rest = {"time": time, **_record(act, by)}
    return hashlib.sha256(json.dumps(rest).encode("ascii")).hexdigest()[:8]


def text_of(decision: Decision) -> str:
    """Write a decision as a line of the file, without its end."""
    record = _record(decision.act, decision.said_by)
    number = WITH_MOMENTS if any(map(_has_moment, spots_of(decision.act))) else FORMAT
    return json.dumps({"format": number, "id": decision.id, "time": decision.time, **record})


def append(path: Path, *decisions: Decision) -> None:
    """Write decisions behind the others; once this returns, they are on the disk.

    What a killed process left of a last line is told, and kept in the file with `TORN` behind its name.

    Raises:
        OutputError: disk full, no permission.
    """

    def keep(torn: bytes) -> None:
        _keep_torn(path, torn)

    lines = b"".join(text_of(decision).encode("ascii") + b"\n" for decision in decisions)
    json_lines.append(_followed(path), lines, keep)


def _followed(path: Path) -> Path:
    """Where a file lies that a user named: it may be a link. That of a library may not be."""
    return path if path.name == DECISIONS else Path(os.path.realpath(path))


def _keep_torn(path: Path, text: bytes) -> None:
    """Put a torn line behind the others there are."""
    kept = path.with_name(path.name + TORN)
    try:
        with open_own(kept, "a+b") as file:
            file.write(text + b"\n")
            file.flush()
            wait_for_disk(file)
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

    def torn(number: int) -> None:
        _log.warning("%s: line %d is cut short and does not count", path, number)

    collects = gc.isenabled()
    gc.disable()  # of a million new objects none is garbage; looking for it takes longer than all the rest
    try:
        known: dict[object, Any] = {}
        lines = json_lines.read(_followed(path), torn)
        decisions = {decision.id: decision for decision in (_decision(line, known) for line in lines)}
    finally:
        if collects:
            gc.enable()
    return sorted(decisions.values(), key=lambda decision: decision.time)


def _decision(line: Line, known: dict[object, Any]) -> Decision:
    """Decode a line. Faces that were there before are the same objects: most decisions are about few faces."""
    head, act = json_lines.parse(line, "a decision", "mend or remove the line", _decode)
    for name in _SPOTS[type(act)]:
        if (spots := getattr(act, name)) is not None:
            msgspec.structs.force_setattr(act, name, _shared(spots, known))
    return Decision(head.id, head.time, act, line.file, line.number, head.by)


def _shared(spots: Any, known: dict[object, Any]) -> Any:
    """Give faces, or faces of several people, as they were met first."""
    if (met := known.get(spots)) is None:
        met = spots if isinstance(spots, Spot) else tuple([_shared(spot, known) for spot in spots])
        known[met] = met
    return met


def _decode(text: bytes) -> tuple[_Head, Act]:
    text.decode("utf-8")  # also what is not looked at has to be text
    head = _head(text)
    if not head.id.isascii():
        raise ValueError(f"{head.id[:40]!a} is no id of a decision")
    if head.do not in _VERBS:
        raise ValueError(f"nothing is known of {head.do[:40]!r}; a newer facecluster may know it")
    return head, _act(text)


def _record(act: Act, by: SaidBy | None) -> dict[str, Any]:
    """What a line says of an act, and whose words it is; the faces last, as they are long."""
    fields = msgspec.to_builtins(act)
    for name in ("faces", "from", "to"):
        if fields.get(name) is not None:
            fields[name] = _short(fields[name])
    if by is not None:
        fields["by"] = msgspec.to_builtins(by)
    return dict(sorted(fields.items(), key=lambda field: isinstance(field[1], (list, tuple))))


def _has_moment(spot: Spot) -> bool:
    """Say whether a face is elsewhere than in the first picture of its file."""
    return spot.page > 0 or spot.time_s is not None


def _short(faces: Any) -> Any:
    """Leave out of a face, or of all faces, where in the file they are, as far as that is in its first picture."""
    if isinstance(faces, tuple):
        return [_short(face) for face in faces]
    digest, box, page, time_s = faces
    where = [page] if time_s is None else [page, time_s]
    return [digest, box, *(where if where != [0] else ())]
