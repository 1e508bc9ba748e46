"""A watch: photos are placed in a library as they arrive, one after the other, and each is told.

What the library holds is kept in memory: the face table, what is known of each picture, who everybody is. A photo costs
its analysis, one search among the faces, and a record in arrivals.journal (`pending`). The library is held only while a
batch is dealt with. If anybody wrote its files in between, all is read anew.

    analyse ─▶ hold ─▶ note the rows ─▶ place ─▶ put down what is to be told ─▶ let go ─▶ tell ... ─▶ write the files
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from facecluster.durable.lock import only_user_of
from facecluster.encoding.analysis import Analysis, Row, make_table, rows_of
from facecluster.encoding.drawn import Drawn, put_in
from facecluster.encoding.forgotten import leave_out, without_places
from facecluster.encoding.identify import Before, identify
from facecluster.encoding.keep import renamed
from facecluster.encoding.pipeline import find_faces, photo_workers, still_there
from facecluster.encoding.resume import Past, check_settings
from facecluster.errors import FaceclusterError, PhotoError
from facecluster.formats import face_table, forgotten_jsonl
from facecluster.formats.face_table import check_output
from facecluster.identity.admit import admit
from facecluster.identity.check import PRESETS
from facecluster.library import pending
from facecluster.library.held import Held
from facecluster.library.layout import CLUSTERS, PENDING, TABLE, TOLD
from facecluster.library.pending import Batch, Notes, Notice, ToTell
from facecluster.library.settings import Choices, choose, encoding_of, remembered_encoding
from facecluster.library.update import Standing
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.file import read_photo
from facecluster.render.events import events, faces_of
from facecluster.table import UNREADABLE, FaceTable, Settings
from facecluster.text import many
from facecluster.vision import models

_log = logging.getLogger(__name__)

WAITING = 256
"""Photos after which the files are written: as much as is read again and placed anew by whoever opens the library next,
which takes about half a second a batch in a library of 100,000 faces."""
QUIET_S = 60.0
"""Seconds after the last photo until the files are written: longer than the pauses of somebody who copies photos, and
short enough that the folders of people show what came."""


Progress: TypeAlias = Callable[[int], AbstractContextManager[Callable[[], object]]]


class Watch:
    """A library that photos arrive in; use it in a `with` statement, which keeps other watches out.

    Attributes:
        since: seconds since 1970; a photo that was changed later may be another than the library knows.
    """

    def __init__(
        self,
        directory: Path,
        tell: Callable[[Notice], object],
        *,
        encoding: Mapping[str, Any] | None = None,
        choices: Choices | None = None,
        decisions: Path | None = None,
        jobs: int = -1,
        progress: Progress = lambda n: nullcontext(lambda: None),
    ) -> None:
        """Say how; nothing is read yet.

        Args:
            directory: the library, made if it is not there.
            tell: called for every event; when it returns, the event is told.
            encoding: fields of `EncodeOptions` that are chosen; the check and the attributes are those of the library.
            choices: about clustering, as for `build`; they count from the first photo on that arrives.
            decisions: a file of decisions; None: that of the library.
            jobs: processes and threads; -1 is one a core.
            progress: makes a bar over a number of photos; what it gives is called for each that is analysed.
        """
        self._directory, self._tell_one = directory, tell
        self._encoding, self._choices = dict(encoding or {}), choices or Choices()
        self._decisions, self._jobs, self._progress = decisions, jobs, progress
        self._lock = only_user_of(directory / TOLD)
        self._stamps: list[tuple[int, int, int] | None] = []
        self._table: FaceTable | None = None
        self._standing: Standing | None = None
        self._base = ""
        self._changed = set[str]()
        self._waiting = 0
        self._began = 0.0
        self._last = 0.0

    def __enter__(self) -> Watch:
        """Read the library, take in what an earlier watch left, and tell it.

        Raises:
            OutputError: another watch is at work, or the library cannot be written.
            FaceclusterError: its people are not of its own face table, or that was made with other settings.
        """
        check_output(self._directory / TABLE)
        self._lock.__enter__()
        try:
            self._library = Held.open(self._directory, new=True)
            with self._library:
                pending.take_in(self._library, jobs=self._jobs)
                self._load()
                self._workers = photo_workers(self._options)
                file = self._directory / TABLE
                self.since = file.stat().st_mtime if file.exists() else 0.0
                self._settle()
            self._tell()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.close()
        try:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self.write()
        finally:
            self._lock.__exit__(None, None, None)

    @property
    def remembered(self) -> dict[str, Any]:
        """Settings that are as last time and not the default, by field of `Choices` and of `EncodeOptions`."""
        result = self._library.result
        chosen = choose(self._choices, None if result is None else result.settings, self._options.encoder)
        return remembered_encoding(self._encoding, self._settings) | chosen.remembered

    @property
    def paths(self) -> set[str]:
        """Paths of the photos of the library."""
        return set(self._before.by_path)

    def knows(self, path: str) -> bool:
        """Whether a photo is in the library."""
        return path in self._before.by_path

    @property
    def is_due(self) -> bool:
        """Whether the files are to be written, see `WAITING` and `QUIET_S`."""
        return self._waiting >= WAITING or (self._waiting > 0 and time.monotonic() - self._last >= QUIET_S)

    def add(self, paths: Sequence[str]) -> set[str]:
        """Place photos, and tell what that means.

        Args:
            paths: of photos that are whole. Those whose picture is the known one are left alone.

        Returns:
            Paths that the library does not have any more: their photos got other names, or somebody dropped them.

        Raises:
            FaceclusterError: as encode and cluster raise it; or as `tell` does.
        """
        began = time.time()
        new = [path for path in paths if os.path.exists(path) and not self._is_known(path)]
        rows = self._analyse(new) if new else []
        if not rows:
            return set()
        self._library.hold()
        with self._library:
            gone = set[str]()
            if self._stamp() != self._stamps:
                gone = self.paths
                self._reload()
                gone -= self.paths
                rows = self._again(rows)
            gone |= self._commit(rows, began) if rows else set()
        self._tell()
        self._last = time.monotonic()
        return gone

    def write(self) -> None:
        """Write the files of the library, if photos wait for that."""
        if not self._waiting:
            return
        self._library.hold()
        with self._library:
            self._write()
        self._workers.rest()

    # -------------------------------------------------------------------------------------------------- memory

    def _load(self) -> None:
        """Read what the library holds.

        Raises:
            FaceclusterError: its people are not of its own face table, or that was made with other settings.
        """
        library, file = self._library, self._directory / TABLE
        if self._decisions is not None:
            library.keep_to(self._decisions)
        result = library.result
        if result is not None and result.settings.table != TABLE:
            raise FaceclusterError(
                f"{self._directory}: its people are not of its own {TABLE}, but of {result.settings.table}; "
                "choose a LIBRARY that run or watch made"
            )
        table = face_table.read(file) if file.exists() else None
        self._options = _encoding(table, self._encoding)
        self._settings: Settings = self._options.settings()
        if table is not None:
            check_settings(file, table.settings, self._settings)
            table = without_places(FaceTable(table.photos, table.faces, self._settings), library.places)
        self._places = library.places
        self._table = table
        self._standing = None if table is None or result is None else Standing.of(result, table)
        self._past = Past(settings=None if table is None else table.settings)
        self._before = Before(())
        self._paths_of: dict[str, dict[str, None]] = defaultdict(dict)
        self._coded: dict[str, str] = {}
        for row in [] if table is None else rows_of(table):
            self._learn(row)
        self._base = pending.digest(self._directory)
        self._changed, self._waiting = set(), 0
        self._stamps = self._stamp()

    def _reload(self) -> None:
        """Read all of it again, and take in what waits."""
        self._library.reload()
        pending.take_in(self._library, jobs=self._jobs)
        self._load()
        self._settle()

    def _learn(self, row: Row) -> None:
        """Take note of a photo of the table."""
        self._drop(row.path)
        self._before.learn(row)
        self._past.learn(row.coded, row.analysis)
        if row.analysis.digest:
            self._paths_of[row.analysis.digest][row.path] = None
        if row.analysis.status != UNREADABLE:
            self._coded[row.path] = row.coded

    def _drop(self, path: str) -> None:
        """Take note that a path has no photo any more, or another one; what is known of the picture stays."""
        was = self._before.by_path.pop(path, None)
        self._coded.pop(path, None)
        if was is not None and was.digest:
            self._paths_of[was.digest].pop(path, None)

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        """What changes when somebody writes a file that memory is about."""
        directory = self._directory
        files = [directory / CLUSTERS, directory / TABLE, self._library.ledger, directory / PENDING]
        return [_stamp(file) for file in (*files, forgotten_jsonl.list_of(directory / TABLE))]

    # --------------------------------------------------------------------------------------------------- steps

    def _is_known(self, path: str) -> bool:
        """Whether the table has the picture of a file under its path, so that it was only touched or rated."""
        if path not in self._coded:
            return False
        try:
            return picture.coded_digest(read_photo(path)[0]) == self._coded[path]
        except PhotoError:
            return False

    def _analyse(self, paths: Sequence[str]) -> list[Row]:
        """Say what is known of the pictures, or find it out; those that are gone again are left out."""
        for name in self._options.models():
            models.path(name)  # fetched once, here, not by every worker
        known = replace(self._past, by_coded=dict(self._past.by_coded), by_pixels={}, since=0.0)
        with self._progress(len(paths)) as advance:
            found, _ = find_faces(
                paths, self._options, known, jobs=self._jobs, workers=self._workers, advance=advance
            )
        try:
            return list(still_there(found))
        except PhotoError:
            return []

    def _again(self, rows: Sequence[Row]) -> list[Row]:
        """Look up again what was known of pictures; those that are not any more are left for the next time."""
        found = []
        for row in rows:
            if not row.analysis.digest:
                found.append(row)
            elif (known := self._past.by_coded.get(row.coded)) is not None:
                found.append(row._replace(analysis=replace(known, when=row.analysis.when)))
        return found

    def _commit(self, rows: Sequence[Row], began: float) -> set[str]:
        """Put photos into the library; who placed them is put down to be told."""
        earlier = self._past.settings
        identified = identify(rows, self._before, earlier, self._settings).rows
        asked = {row.path: self._before.by_path[row.path] for row in rows if self.knows(row.path)}
        of_photos = {
            path: self._before.by_path[path]
            for row in identified
            for path in self._paths_of.get(row.analysis.digest, ())
        }
        before = [Row(path, "", analysis) for path, analysis in (asked | of_photos).items()]
        gone = renamed(before, identified) - {row.path for row in rows}
        drawn = Drawn.of(self._library.decisions)
        identified = put_in(identified, drawn, self._before, before, self._options, jobs=self._jobs)
        was = Past([Row(path, "", analysis) for path, analysis in asked.items()], settings=earlier)
        left = leave_out(identified, self._places, was, self._before.by_path.items())
        if left.places:
            forgotten_jsonl.append(forgotten_jsonl.list_of(self._directory / TABLE), left.places)
            self._places = self._library.places
        added, _ = admit(make_table(left.rows, self._settings), self._options.check)
        self._say_what_arrived(asked, gone, added)
        batch = Batch.of(began, added, sorted(gone))
        if (
            self._table is not None
            and self._standing is not None
            and pending.is_ready(self._library, self._table, self._choices)
        ):
            self._place(batch)
        else:
            self._build(batch)
        return gone

    def _place(self, batch: Batch) -> None:
        """Place the faces of a batch among the people that are there."""
        if self._table is None or self._standing is None:
            raise ValueError("expected a table and people")
        with Notes(self._directory) as notes:
            notes.pass_by()
            if not self._waiting:
                notes.start(self._base)
                self._began = batch.began
            notes.add(batch)
            earlier = self._standing.result
            self._table, standing = pending.grow(self._table, self._standing, batch)
            done = pending.place(self._library, standing, self._table, jobs=self._jobs)
            pending.put_down(self._directory, batch.id, pending.notices_of(done, earlier, self._table))
            notes.is_placed(batch)
        self._standing = done.standing
        self._changed |= done.changed
        self._waiting += len(batch.added.photos)
        for path in batch.gone:
            self._drop(path)
        for row in rows_of(batch.added):
            self._learn(row)
        self._past = replace(self._past, settings=self._settings)
        self._stamps = self._stamp()

    def _build(self, batch: Batch | None) -> None:
        """Write a batch, and have the people made of the table, as these are not of it or of other settings."""
        if self._waiting:
            self._write()
        table, before = self._table, self._library.result
        told = [] if before is None else faces_of(before)
        if batch is None:
            began = time.time()
            batch = Batch.of(began, _none_of(table), ())
        with Notes(self._directory) as notes:
            notes.pass_by()
            notes.start(pending.digest(self._directory))
            notes.add_before(before)
            notes.add(batch)
            table = batch.added if table is None else pending.with_rows(table, batch)
            pending.build_anew(self._library, table, self._choices, batch.began, jobs=self._jobs)
            found = [Notice.of(event) for event in events(told, self._library.people)]
            pending.put_down(self._directory, batch.id, found)
            notes.is_placed(batch)
            notes.remove()
        self._library.reload()
        self._load()

    def _settle(self) -> None:
        """Have the people made of the table, where somebody encoded photos since."""
        if self._table is not None and (self._standing is None or not self._standing.is_of(self._table)):
            self._build(None)

    def _write(self) -> None:
        """Write what waits; if somebody wrote the library since, read that, which takes in what waits."""
        if self._stamp() != self._stamps:
            self._reload()
            return
        if self._table is None or self._standing is None:
            raise ValueError("expected a table and people")
        pending.write(
            self._library,
            self._table,
            self._standing.result,
            changed=self._changed,
            began=self._began,
            jobs=self._jobs,
        )
        (self._directory / PENDING).unlink(missing_ok=True)
        self._changed, self._waiting = set(), 0
        self._base = pending.digest(self._directory)
        self._stamps = self._stamp()

    def _tell(self) -> None:
        """Tell what is left to be told, and note each event once it is."""
        if not os.path.lexists(self._directory / TOLD):
            return
        with ToTell(self._directory) as to_tell:
            notices, _ = to_tell.read()
            for notice in notices:
                self._tell_one(notice)
                to_tell.told()
            to_tell.remove()

    def _say_what_arrived(self, asked: Mapping[str, Analysis], gone: set[str], added: FaceTable) -> None:
        """Count the contents and copies that are new, apart from them photos that got other names; name what failed."""
        left = dict(asked) | {path: self._before.by_path[path] for path in gone}
        known = {path: analysis.digest or path for path, analysis in left.items()}
        rows = added.photos
        now = {
            path: digest or path
            for path, digest in zip(rows.path.tolist(), rows.digest.tolist(), strict=True)
        }
        new = Counter(now.values()) - Counter(known.values())
        n_faces = np.bincount(added.faces.photo, minlength=len(rows)).tolist()
        faces_in = dict(zip(now.values(), n_faces, strict=True))
        n_new = new.total()
        n_renamed = sum(known.get(path) != content for path, content in now.items()) - n_new
        if n_new:
            n = sum(times * faces_in[content] for content, times in new.items())
            _log.info("%s arrived or changed, with %s", many(n_new, "photo"), many(n, "face"))
        if n_renamed:
            _log.info("%s %s another name now", many(n_renamed, "photo"), "has" if n_renamed == 1 else "have")
        broken: list[str] = []
        refused: list[str] = []
        for row in np.flatnonzero(rows.reason != "").tolist():
            told = broken if rows.status[row] == UNREADABLE else refused
            told.append(f"{rows.path[row]} ({rows.reason[row]})")
        if broken:
            _log.warning("cannot be read: %s", _listed(broken))
        if refused:
            _log.warning(
                "faces left out by the check %s of the table: %s", self._options.check, _listed(refused)
            )


def _encoding(table: FaceTable | None, chosen: Mapping[str, Any]) -> EncodeOptions:
    """How arriving photos are encoded: as the user says, else as the table was, with its check and attributes."""
    made_with = {} if table is None else table.settings.options
    check = made_with.get("check")
    kept = {"check": check if check in PRESETS else None, "attributes": bool(made_with.get("attributes"))}
    usual = encoding_of(dict(chosen), None if table is None else table.settings)
    return EncodeOptions(**{**vars(usual), **kept})


def _none_of(table: FaceTable | None) -> FaceTable:
    """A table of no photo, of the settings of another."""
    if table is None:
        raise ValueError("expected a table")
    return table.select(np.zeros(len(table.photos), dtype=np.bool_))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _listed(texts: Sequence[str]) -> str:
    """Name the first ones and count the rest."""
    more = f" and {len(texts) - 10} more" if len(texts) > 10 else ""
    return ", ".join(texts[:10]) + more
