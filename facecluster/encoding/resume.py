"""What earlier runs left at an output: the table, and the journal of an interrupted run."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from facecluster.durable.journal import Journal
from facecluster.durable.lock import beside, is_stream, only_user_of
from facecluster.encoding.analysis import FACE, Analysis, Row, rows_of, unpack
from facecluster.encoding.dated import When
from facecluster.errors import FaceclusterError, TableError
from facecluster.formats import face_table
from facecluster.table import UNREADABLE, FaceTable, Settings, settings_record

_log = logging.getLogger(__name__)

_FLAGS = ("attributes", "mirror")
_READ_BY = "truncated"
"""An option that changes which photos can be read, and no number of one that can."""
"""Options without a value."""
_WORDS = {"check-limits": "limits of --check", "quality": "formulas of the quality (not an option)"}
"""What settings are called that are no option of their own."""


Look: TypeAlias = tuple[int, tuple[int, int]]
"""Perceptual hash, and width and height, of a photo."""


@dataclass(frozen=True, eq=False)
class Past:
    """What earlier runs left.

    Attributes:
        rows: of the earlier table: which photos there were, also where nothing of them is used again.
        by_coded: what is known of photos and used again, by the digest of the coded picture.
        by_pixels: the same by the digest of the pixels.
        by_file: the same by the digest of the file's bytes, of a table of an older facecluster, which has no other.
        by_look: path and what is known of photos of such a table, by perceptual hash and size: nothing else tells a
            file whose metadata was changed since.
        settings: what the earlier table was made with; None: there is none.
        remade: whether none of its numbers is used again, as the settings are others now.
        interrupted: digests of the coded pictures that an interrupted run had done.
        journal: where this run keeps what it does; None: nowhere.
        times: by path, the coded picture of each photo of the earlier table, and when it was taken by its EXIF data.
        since: seconds since 1970 when the table was written. Of photos of `times` whose files are older, it is known
            when they were taken; of others, whose time is not of EXIF or unknown, files beside them may say it anew.
    """

    rows: list[Row] = field(default_factory=list)
    by_coded: dict[str, Analysis] = field(default_factory=dict)
    by_pixels: dict[str, Analysis] = field(default_factory=dict)
    by_file: dict[str, Analysis] = field(default_factory=dict)
    by_look: dict[Look, list[tuple[str, Analysis]]] = field(default_factory=dict)
    settings: Settings | None = None
    remade: bool = False
    interrupted: frozenset[str] = frozenset()
    journal: Journal | None = None
    times: dict[str, tuple[str, When]] = field(default_factory=dict)
    since: float = 0.0

    def learn(self, coded: str, analysis: Analysis, path: str = "") -> None:
        """Take note of what is known of a photo; nothing where it could not be read.

        Args:
            coded: digest of the coded picture; "" unknown.
            analysis: what is known.
            path: of a photo of the earlier table.
        """
        if analysis.status == UNREADABLE:
            return
        if coded:
            self.by_coded[coded] = analysis
        if analysis.pixels:
            self.by_pixels[analysis.pixels] = analysis
        elif analysis.digest and not coded:
            self.by_file[analysis.digest] = analysis
            if path and analysis.hash:
                self.by_look.setdefault((analysis.hash, analysis.size), []).append((path, analysis))

    def looking_like(self, path: str, look: Look) -> Analysis | None:
        """Find the photo of an older facecluster's table that a file is, whose bytes are others now.

        It is the one of this path that looks the same to the bit, else the only such one that is gone from its path.
        """
        alike = self.by_look.get(look, [])
        same = [analysis for other, analysis in alike if other == path]
        gone = [analysis for other, analysis in alike if not os.path.exists(other)]
        return next(iter(same), gone[0] if len(gone) == 1 else None)


@contextmanager
def recall(output: Path | None, settings: Settings, *, fresh: bool, remake: bool = False) -> Iterator[Past]:
    """Take possession of an output while the `with` statement lasts, and read what earlier runs know.

    Args:
        output: where the table will be; None, or a pipe or device, has no past.
        settings: what the earlier table, and an interrupted run, must have been made with.
        fresh: use no number of an earlier table, and of interrupted runs only what a fresh one left.
        remake: where the earlier table was made with other settings, go on as if `fresh`, and say so.

    Raises:
        OutputError: another process has it, its folder cannot be written, or an interrupted run had other settings.
        TableError: it is no table.
        FaceclusterError: it was made with other settings.
    """
    if output is None or is_stream(output):
        yield Past()
        return
    with only_user_of(output):
        earlier = _read_earlier(output, fresh=fresh)
        remade = earlier is not None and not _may_go_on(
            output, earlier.settings, settings, remake=remake or fresh
        )
        fresh = fresh or remade
        headers = _journal_headers(settings, fresh=fresh)
        with Journal(beside(output, ".partial"), *headers, replace=fresh) as journal:
            rows = [] if earlier is None else list(rows_of(earlier))
            interrupted = dict(journal.replay_as(unpack))
            past = Past(
                rows,
                settings=None if earlier is None else earlier.settings,
                remade=remade,
                interrupted=frozenset(interrupted),
                journal=journal,
                times={
                    row.path: (row.coded, row.analysis.when) for row in rows if row.analysis.when.is_of_exif
                },
                since=output.stat().st_mtime if output.exists() else 0.0,
            )
            for row in [] if fresh else rows:
                past.learn(row.coded, row.analysis, row.path)
            if interrupted:
                _log.info("going on with an interrupted run; photos done: %d", len(interrupted))
            for coded, analysis in interrupted.items():
                past.learn(coded, analysis)
            yield past


def _read_earlier(output: Path, *, fresh: bool) -> FaceTable | None:
    """Read the table that is to be brought up to date; None where there is none, or a fresh one replaces what is none.

    Raises:
        TableError: it is no table.
    """
    if not output.exists():
        return None
    try:
        return face_table.read(output)
    except TableError as error:
        if fresh:
            _log.warning("%s\n  it is replaced, as was asked", error)
            return None
        raise type(error)(
            f"{error}\n  encode --fresh replaces the file; another output leaves it alone"
        ) from error


def _may_go_on(output: Path, before: Settings, now: Settings, *, remake: bool) -> bool:
    """Say whether the numbers of a table are used again.

    Raises:
        FaceclusterError: they are of another kind, and the table is not to be made anew.
    """
    if not remake:
        check_settings(output, before, now)
        return True
    differences = _differences(before, now)
    if differences:
        _log.warning(
            "all photos of %s are encoded again, as the settings are others now:%s",
            output, "".join(f"\n  {line}" for line in differences),
        )  # fmt: skip
    return not differences


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
            + "  use the same settings, or another output; encode --fresh makes the table anew"
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
        **{name: value for name, value in settings.options.items() if name != _READ_BY},
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
