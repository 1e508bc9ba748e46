"""What earlier runs left at an output: the table, the journal of an interrupted run; what became of those photos."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facecluster.durable.journal import Journal
from facecluster.durable.lock import beside, is_stream, only_user_of
from facecluster.encoding.analysis import FACE, Analysis, Row, rows_of, unpack
from facecluster.errors import FaceclusterError, TableError
from facecluster.formats import face_table
from facecluster.table import UNREADABLE, FaceTable, Settings, settings_record

_log = logging.getLogger(__name__)

_FLAGS = ("attributes", "mirror")
"""Options without a value."""
_WORDS = {"check-limits": "limits of --check", "quality": "formulas of the quality (not an option)"}
"""What settings are called that are no option of their own."""


@dataclass(frozen=True, eq=False)
class Past:
    """What earlier runs left.

    Attributes:
        rows: of the earlier table.
        known: by digest; of the earlier table, and of an interrupted run, unreadable photos left out.
        journal: where this run keeps what it does; None: nowhere.
    """

    rows: list[Row]
    known: dict[str, Analysis]
    journal: Journal | None


@contextmanager
def recall(output: Path | None, settings: Settings, *, fresh: bool) -> Iterator[Past]:
    """Take possession of an output while the `with` statement lasts, and read what earlier runs know.

    Args:
        output: where the table will be; None, or a pipe or device, has no past.
        settings: what the earlier table, and an interrupted run, must have been made with.
        fresh: use nothing of an earlier table, and of interrupted runs only what a fresh one left.

    Raises:
        OutputError: another process has it, its folder cannot be written, or an interrupted run had other settings.
        TableError: it is no table.
        FaceclusterError: it was made with other settings.
    """
    if output is None or is_stream(output):
        yield Past([], {}, None)
        return
    with only_user_of(output):
        rows = [] if fresh or not output.exists() else list(rows_of(_read_earlier(output, settings)))
        headers = _journal_headers(settings, fresh=fresh)
        with Journal(beside(output, ".partial"), *headers, replace=fresh) as journal:
            interrupted = dict(map(unpack, journal.replay()))
            if interrupted:
                _log.info("going on with an interrupted run; photos done: %d", len(interrupted))
            known = {digest: analysis for _, digest, analysis in rows if analysis.status != UNREADABLE}
            known.update(interrupted)
            yield Past(rows, known, journal)


def renamed(before: Iterable[Row], after: Iterable[Row]) -> set[str]:
    """Find the paths that are not there any more: for each that has a content newly, one of that content at most."""
    digest_of = {path: digest for path, digest, _ in before}
    new = Counter(digest for path, digest, _ in after if digest and digest_of.get(path) != digest)
    gone = set()
    for path, digest in digest_of.items():
        if new[digest] and not os.path.exists(path):
            new[digest] -= 1
            gone.add(path)
    return gone


def replaced(before: Iterable[Row], after: Iterable[Row]) -> tuple[str, ...]:
    """Find the paths that are still there, but whose faces are not: no row has the content that they had."""
    digest_of = {path: digest for path, digest, _ in after}
    contents = set(digest_of.values())
    return tuple(
        path
        for path, digest, analysis in before
        if len(analysis.faces) and path in digest_of and digest not in contents
    )


def _read_earlier(output: Path, settings: Settings) -> FaceTable:
    """Read the table that is to be brought up to date.

    Raises:
        TableError: it is no table.
        FaceclusterError: it was made with other settings.
    """
    try:
        earlier = face_table.read(output)
    except TableError as error:
        raise type(error)(
            f"{error}\n  encode --fresh replaces the file; another output leaves it alone"
        ) from error
    check_settings(output, earlier.settings, settings)
    return earlier


def check_settings(output: Path, before: Settings, now: Settings) -> None:
    """Make sure that a table may be added to.

    Args:
        output: its file, for the message.
        before: what it was made with.
        now: what is to be added.

    Raises:
        FaceclusterError: they differ; the message says in what.
    """
    differences = _differences(before, now)
    if differences:
        raise FaceclusterError(
            f"{output}: made with other settings, and one table holds only one kind of numbers\n"
            + "".join(f"  {line}\n" for line in differences)
            + "  use the same settings, or another output; encode --fresh makes the table anew of these photos"
        )


def _differences(before: Settings, now: Settings) -> list[str]:
    """Say in the words of the command line what changes the numbers, option by option.

    What follows from an option that is told is left out: weight files that only one of them needs, and how often a
    detector of dlib doubles the photo where the other is none.
    """
    there, here = _options(before), _options(now)
    told = {name: _value(name, there, here) for name in sorted(there.keys() | here.keys())}
    if there["detector"] != here["detector"] and None in (there.get("upsample"), here.get("upsample")):
        told["upsample"] = None
    lines = [f"{_WORDS.get(name, f'--{name}')}: {values}" for name, values in told.items() if values]
    both = before.models.keys() & now.models.keys()
    for name in sorted(both if lines else before.models.keys() | now.models.keys()):
        was, is_now = (settings.models.get(name, "none")[:12] for settings in (before, now))
        if was != is_now:
            lines.append(f"weights {name} (see facecluster models): {was} there, {is_now} now")
    return lines


def _options(settings: Settings) -> dict[str, object]:
    """All that changes the numbers, but for weight files, by the name of its option."""
    return {
        "detector": settings.detector or "unknown",
        "encoder": settings.encoder,
        "check": None,
        "check-limits": None,
        "attributes": False,
        **settings.options,
    }


def _value(name: str, there: Mapping[str, object], here: Mapping[str, object]) -> str | None:
    """Say what an option was and is; None where that is the same."""
    if name in there and name in here and there[name] == here[name]:
        return None
    was, is_now = (_word(name, options[name]) if name in options else "unknown" for options in (there, here))
    return f"{was} there, {is_now} now"


def _word(name: str, value: object) -> str:
    if name in _FLAGS:
        return "given" if value else "not given"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _journal_headers(settings: Settings, *, fresh: bool) -> list[str]:
    """Say under what header a run keeps its results, and then under what other it would go on.

    A fresh run goes on only with what a fresh run left; any other run goes on with both.
    """
    shared = {key: value for key, value in settings_record(settings).items() if key != "versions"}
    record = {"journal of encode": 1, "settings": shared, "faces": FACE.descr}
    headers = [json.dumps(record | {"fresh": kind}, sort_keys=True) for kind in (fresh, True)]
    return list(dict.fromkeys(headers))
