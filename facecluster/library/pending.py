"""Photos of a watch that are in the library, and not yet in its two large files.

A watch adds photos one by one. To write the face table and clusters.json for each would take seconds, so both are
written now and then, and until then two small files say what came:

    arrivals.journal    the batches: rows of the face table that are new, and paths that went. Everybody who opens the
                        library takes them in, by the same steps and so with the same ids, and removes the file
    watch.journal       what is to be told of them, and how much of it was told. It is the watch's own

Of a batch first the rows are noted in arrivals.journal. Once its faces are placed, what is to be told is put down in
watch.journal, and that this is done is noted in arrivals.journal. Whoever takes in a batch without that note puts down
what is to be told of it. The next watch tells it. So it is told once, whoever opens the library first.

Both large files are written from memory, clusters.json first: as long as it is the one that the batches came on top of
(`digest`), these are to be placed; if it is another, they are placed already, and only their rows may be missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from facecluster.durable.journal import Journal
from facecluster.durable.whole_file import set_times
from facecluster.encoding.forgotten import without_places
from facecluster.formats import face_table
from facecluster.formats.clusters_json import FORMAT
from facecluster.formats.json_lines import load
from facecluster.identity.changes import match_faces
from facecluster.identity.constraints import resolve
from facecluster.library.build import build, no_update, settings_of
from facecluster.library.layout import CLUSTERS, PENDING, TABLE, TOLD
from facecluster.library.lineage import placed_nowhere
from facecluster.library.settings import Choices, choose
from facecluster.library.update import Standing, Update, update
from facecluster.render.events import (
    Event,
    ToldFace,
    environment,
    events,
    events_of,
    faces_of,
    pack,
    to_json,
    unpack,
)
from facecluster.table import FaceTable, join
from facecluster.text import typed

if TYPE_CHECKING:
    from facecluster.library.held import Held
    from facecluster.result import Result, ResultSettings

_HEADER = json.dumps({"arrivals": 1})
_TOLD_HEADER = json.dumps({"journal of watch": 2})


class Notice(NamedTuple):
    """An event as it is told.

    Attributes:
        line: JSON.
        environment: for a command.
    """

    line: str
    environment: dict[str, str]

    @classmethod
    def of(cls, event: Event) -> Notice:
        """Write an event down."""
        return cls(to_json(event), dict(environment(event)))

    @property
    def faces(self) -> set[str]:
        """Ids of its faces."""
        record = json.loads(self.line)
        return {record["face"], *(face["face"] for face in record.get("faces", ()))}


@dataclass(frozen=True, eq=False)
class Batch:
    """Photos that arrived together.

    Attributes:
        id: 16 hex digits.
        began: seconds since 1970, before the first of them was read.
        added: rows of the face table; a path that was there before has new ones.
        gone: paths whose photos got other names.
    """

    id: str
    began: float
    added: FaceTable
    gone: tuple[str, ...]

    @classmethod
    def of(cls, began: float, added: FaceTable, gone: Iterable[str]) -> Batch:
        """Give it an id."""
        return cls(secrets.token_hex(8), began, added, tuple(gone))


@dataclass
class Pending:
    """What arrivals.journal holds.

    Attributes:
        base: `digest` of the clusters.json that the batches came on top of.
        batches: in their order.
        placed: ids of those of which is put down what is to be told.
        before: of the last batch, the faces that were there before it, where all faces are clustered anew; None: it is
            an update.
    """

    base: str = ""
    batches: list[Batch] = field(default_factory=list)
    placed: set[str] = field(default_factory=set)
    before: list[ToldFace] | None = None

    def take(self, record: bytes) -> None:
        """Add what a record says; raises what Python raises where it is none."""
        line, _, rest = record.partition(b"\n")
        match load(line):
            case {"base": str(base)}:
                self.base, self.batches, self.placed, self.before = base, [], set(), None
            case {"batch": str(own), "began": float(began), "gone": list(gone)}:
                gone = msgspec.convert(gone, list[str])
                self.batches.append(Batch(own, began, face_table.read(io.BytesIO(rest)), tuple(gone)))
            case {"placed": str(own)}:
                self.placed.add(own)
            case {"before": _}:
                self.before = unpack(rest)
            case _:
                raise ValueError("a record of nothing that is known")

    @property
    def began(self) -> float:
        """Seconds since 1970, before the first photo was read."""
        return min(batch.began for batch in self.batches)


def digest(directory: Path) -> str:
    """Stand for the clusters.json of a library; "" where there is none."""
    try:
        return hashlib.blake2b((directory / CLUSTERS).read_bytes(), digest_size=16).hexdigest()
    except FileNotFoundError:
        return ""


class Notes(Journal):
    """arrivals.journal, open to be added to by whoever holds the library."""

    def __init__(self, directory: Path) -> None:
        """Open it, made if it is not there; use it in a `with` statement, and first `read` it or `pass_by`."""
        super().__init__(directory / PENDING, _HEADER)

    def __enter__(self) -> Notes:
        return self

    def read(self) -> Pending:
        """Read it."""
        found = Pending()
        for _ in self.replay_as(found.take):
            pass
        return found

    def pass_by(self) -> None:
        """Go to its end without reading it."""
        for _ in self.replay():
            pass

    def start(self, base: str) -> None:
        """Say what the batches come on top of."""
        self._note({"base": base})

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        rows = io.BytesIO()
        face_table.write(batch.added, rows)
        record = {"batch": batch.id, "began": batch.began, "gone": batch.gone}
        self._note(record, rows.getvalue())

    def add_before(self, result: Result | None) -> None:
        """Say who was there before all faces are clustered anew."""
        self._note({"before": True}, pack([] if result is None else faces_of(result)))

    def is_placed(self, batch: Batch) -> None:
        """Say that what is to be told of a batch is put down."""
        self._note({"placed": batch.id})

    def _note(self, record: dict[str, Any], rest: bytes = b"") -> None:
        self.append(json.dumps(record).encode() + b"\n" + rest)


class ToTell(Journal):
    """watch.journal: what is to be told. Use it in a `with` statement, and `read` it first."""

    def __init__(self, directory: Path, file: Path | None = None) -> None:
        """Open it, made if it is not there, or another file like it."""
        super().__init__(directory / TOLD if file is None else file, _TOLD_HEADER, replace=True)

    def __enter__(self) -> ToTell:
        return self

    def read(self) -> tuple[list[Notice], set[str]]:
        """Give what is left to be told, and the ids of the batches that it is of."""
        notices: list[Notice] = []
        batches = set[str]()
        n_told = 0
        for own, some in self.replay_as(_told):
            if own is None:
                n_told += 1
            else:
                batches.add(own)
                notices += some
        return notices[n_told:], batches

    def add(self, batch: str, notices: Sequence[Notice]) -> None:
        """Put down what is to be told of a batch."""
        record = {"format": FORMAT, "batch": batch, "notices": notices}
        self.append(json.dumps(record).encode())

    def told(self) -> None:
        """Say that the next one is told."""
        self.append(b'{"told": 1}')


def _told(record: bytes) -> tuple[str | None, list[Notice]]:
    """Read a record: the batch and what is to be told of it, or None, nothing where one more was told.

    Raises what Python raises where it is none.
    """
    match load(record):
        case {"told": 1}:
            return None, []
        case {"batch": str(own), "notices": list(some), **rest}:
            notices = msgspec.convert(some, list[Notice])
            if not all(notice.faces for notice in notices):
                raise ValueError("a notice of no face")
            if "format" not in rest:  # of when clusters.json had format 1
                notices = [*map(_in_per_cent, notices)]
            return own, notices
        case _:
            raise ValueError("a record of nothing that is known")


def _in_per_cent(notice: Notice) -> Notice:
    """Make per cent of the confidence of a notice that was put down when confidences were 0..1."""
    record = json.loads(notice.line)
    if isinstance(record.get("confidence"), float | int):
        record["confidence"] = round(100 * record["confidence"], 5)
    return notice._replace(line=json.dumps(record, allow_nan=False))


def put_down(directory: Path, batch: str, notices: Sequence[Notice]) -> None:
    """Put down what is to be told of a batch, unless it is already; whoever does this holds the library."""
    if notices:
        with ToTell(directory) as to_tell:
            _, batches = to_tell.read()
            if batch not in batches:
                to_tell.add(batch, notices)


def grow(table: FaceTable, standing: Standing, batch: Batch) -> tuple[FaceTable, Standing]:
    """Put the rows of a batch behind those of a table, and follow the faces of a result there.

    Rows of paths that are in the batch, and of those that went, go. Their faces stay whose they were as far as the new
    rows have them, as those of a photo that got another name do.
    """
    grown = with_rows(table, batch)
    stays = _stays(table, batch)
    n_old, n = len(table.faces), len(grown.faces)
    stay = stays[table.faces.photo] if len(stays) else np.empty(0, dtype=np.bool_)
    to = np.full(n_old, -1, dtype=np.int64)
    to[stay] = np.arange(np.count_nonzero(stay))
    if not stay.all():
        lost = np.flatnonzero(~stay)
        was, now = match_faces(placed_nowhere(table.select(~stays)), placed_nowhere(batch.added))
        to[lost[was]] = np.count_nonzero(stay) + now
    return grown, standing.moved(to, n, stay)


def with_rows(table: FaceTable, batch: Batch) -> FaceTable:
    """Put the rows of a batch behind those of a table, in place of those of its paths and of paths that went."""
    stays = _stays(table, batch)
    rest = table if stays.all() else table.select(stays)
    joined = join([rest, batch.added])
    return FaceTable(joined.photos, joined.faces, batch.added.settings)


def _stays(table: FaceTable, batch: Batch) -> np.ndarray[Any, np.dtype[np.bool_]]:
    goes = {*batch.added.photos.path.tolist(), *batch.gone}
    return np.array([path not in goes for path in table.photos.path.tolist()], dtype=np.bool_)


def place(library: Held, standing: Standing, table: FaceTable, *, jobs: int = -1) -> Update:
    """Place the new faces of a batch."""
    settings = settings_like(standing.result, table)
    constraints = resolve(library.decisions, table.faces, library=typed(library.directory))
    return update(standing, table, settings, constraints, library.decisions, jobs=jobs)


def settings_like(result: Result, table: FaceTable) -> ResultSettings:
    """Settings of a result whose table has grown."""
    return replace(result.settings, faces=table.settings)


def notices_of(done: Update, earlier: Result, table: FaceTable) -> list[Notice]:
    """Say what is to be told of a batch that was placed."""
    before = {person.id for person in earlier.people}
    rows = np.flatnonzero(done.is_new)
    paths = table.photos.path[table.faces.photo[rows]].tolist()
    new = set(zip(table.faces.id[rows].tolist(), paths, strict=True))
    people = [person for person in done.result.people if person.id in done.changed]
    left = [face for face in done.result.unclustered if (face.id, face.photo) in new] if new else []
    return [Notice.of(event) for event in events_of(people, left, new, before)]


def write(
    library: Held,
    table: FaceTable,
    result: Result,
    *,
    changed: Iterable[str] | None,
    began: float,
    jobs: int = -1,
) -> None:
    """Write clusters.json with what belongs to it, then the face table; arrivals.journal is of no use then.

    Args:
        library: held by this process.
        table: with the rows of all batches.
        result: with their faces.
        changed: see `Held.save`.
        began: seconds since 1970, before the first photo was read that is not in the file yet. The face table gets this
            time, so that a photo that was changed since is looked at again.
        jobs: threads; -1 is one a core.
    """
    library.save(
        result, pictures=table.photos.pictures(), changed=None if changed is None else set(changed), jobs=jobs
    )
    write_table(library.directory, table, began)
    library.forget_table()


def write_table(directory: Path, table: FaceTable, began: float) -> None:
    """Write the face table, as of a time."""
    face_table.write(table, directory / TABLE)
    set_times(directory / TABLE, (time.time_ns(), int(began * 1e9)))


def take_in(library: Held, *, jobs: int = -1) -> None:
    """Place the photos of a watch that are not in the files of a library yet, and write these.

    Args:
        library: held by this process.
        jobs: threads; -1 is one a core.
    """
    directory = library.directory
    if not os.path.lexists(directory / PENDING):
        return
    with Notes(directory) as notes:
        pending = notes.read()
        if not pending.batches:
            return
        file = directory / TABLE
        table = face_table.read(file) if file.exists() else None
        to_place = pending.base == digest(directory)
        if to_place and pending.before is None and table is not None and is_ready(library, table, Choices()):
            _place_all(library, table, pending, notes, jobs)
        else:
            _build_all(library, table, pending, notes, jobs, to_place=to_place)
        notes.remove()


def is_ready(library: Held, table: FaceTable, choices: Choices) -> bool:
    """Whether new faces of a library can be placed with all else as it is."""
    result = library.result
    if result is None or result.settings.rules is None:
        return False
    then = result.settings
    now = settings_of(library, table, choose(choices, then, table.settings.encoder), None)
    return not no_update(result, now) and (then.eps, then.link, then.decisions_file) == (
        now.eps,
        now.link,
        now.decisions_file,
    )


def _place_all(library: Held, table: FaceTable, pending: Pending, notes: Notes, jobs: int) -> None:
    """Place the faces of batches, as the watch did or would have done."""
    table = without_places(table, library.places)
    standing, changed = Standing.of(library.people, table), set[str]()
    for batch in pending.batches:
        before = standing.result
        table, standing = grow(table, standing, batch)
        done = place(library, standing, table, jobs=jobs)
        standing = done.standing
        changed |= done.changed
        if batch.id not in pending.placed:
            put_down(library.directory, batch.id, notices_of(done, before, table))
            notes.is_placed(batch)
    write(library, table, standing.result, changed=changed, began=pending.began, jobs=jobs)


def _build_all(
    library: Held, table: FaceTable | None, pending: Pending, notes: Notes, jobs: int, *, to_place: bool
) -> None:
    """Put the rows of batches into the table, and see to it that the people are those of it."""
    left = [batch for batch in pending.batches if batch.id not in pending.placed]
    before = pending.before
    if left and before is None and to_place:
        notes.add_before(library.result)
        before = [] if library.result is None else faces_of(library.result)
    for batch in pending.batches:
        table = batch.added if table is None else with_rows(table, batch)
    if table is not None:
        build_anew(library, table, Choices(), pending.began, jobs=jobs)
    if left and before is not None:
        found = [Notice.of(one) for one in events(before, library.people)]
        put_down(library.directory, left[-1].id, found)
        for batch in left:
            notes.is_placed(batch)


def build_anew(library: Held, table: FaceTable, choices: Choices, began: float, *, jobs: int = -1) -> None:
    """Write a face table, and make the people of a library those of it: by an update where that is possible."""
    directory, result = library.directory, library.result
    write_table(directory, table, began)
    library.forget_table()
    if result is not None and Standing.of(result, table).is_of(table):
        return
    build(
        library,
        table,
        choices,
        source=os.path.abspath(directory / TABLE),
        update=result is not None,
        jobs=jobs,
    )


def drop_notices(directory: Path, result: Result | None) -> None:
    """Drop what is left to be told of faces that a result does not have, as they were forgotten since."""
    if not os.path.lexists(directory / TOLD):
        return
    people = () if result is None else result.people
    there = {face.id for person in people for face in person.faces}
    there |= set() if result is None else {face.id for face in result.unclustered}
    with ToTell(directory) as to_tell:
        notices, batches = to_tell.read()
        left = [notice for notice in notices if notice.faces <= there]
    if len(left) == len(notices):
        return
    file = directory / TOLD
    new = ToTell(directory, file.with_name(TOLD + ".part"))
    with new as to_tell:
        to_tell.read()
        for batch in sorted(batches):
            to_tell.add(batch, [])
        to_tell.add("", left)
    new.path.replace(file)
