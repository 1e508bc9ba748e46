"""`facecluster watch`: photos are encoded and placed as they arrive; one line an event.

The files of RESULT alone say how far a watch came, so that it may be killed anywhere. Each batch of photos goes

    1. watch.journal   gets a record: the faces of clusters.json as it is, and when the batch began
    2. faces.npz       gets the photos; while they are encoded, faces.npz.partial holds those that are done
    3. clusters.json   gets their faces, as soon as it is not of the photos and faces of faces.npz
    4. events          are what clusters.json has and the journal has not; each is printed, and handed to the command,
                       and then its faces are added to the journal
    5. watch.journal   is removed

A watch that starts does steps 3 to 5 for what an earlier one left. Killed in 1 or 2, there are no new faces in
clusters.json yet, and the photos are new to faces.npz, or known to its journal. Killed between 2 and 3, step 3 sees
it. Killed in or after 3, the journal still has the faces of before. Killed in 4, only the event that was being told
at that moment can come again: told first and noted then, as an event that is noted first could be lost.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecluster.cli.cluster import (
    cluster_options,
)
from facecluster.cli.encode import Request, photo_options, progress
from facecluster.cli.parameters import FloatRange, Folder
from facecluster.errors import FaceclusterError, PhotoError, UsageError
from facecluster.library.arrivals import Arrivals, moments, reports
from facecluster.library.layout import CLUSTERS, TABLE
from facecluster.library.settings import Choices
from facecluster.text import many

if TYPE_CHECKING:  # NumPy, OpenCV and the networks are loaded when there is work to do
    from facecluster.durable.journal import Journal
    from facecluster.options import EncodeOptions
    from facecluster.render.events import Event, ToldFace
    from facecluster.result import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

JOURNAL = "watch.journal"
"""In the folder of results, while something is to be told."""

_HEADER = json.dumps({"journal of watch": 1})
_BATCH = 256
"""Photos encoded and placed at a time, so that a burst gives events while it is encoded. For a table of 100,000 faces
to write it, to read it, the journal and the comparison took 0.4, 0.1, 0.8 and 0.5 s, once a batch."""


def _folder_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `photo_options` without the one that is about a list of names."""
    with_options: Any = photo_options(function)

    @functools.wraps(with_options)
    def with_folders(*, paths: tuple[str, ...], dataset: str | None, **others: Any) -> Any:
        if not paths and dataset is None:
            raise UsageError("which folders? Give one or more")
        return with_options(paths=paths, dataset=dataset, null=False, **others)

    decorated: Any = with_folders
    decorated.__click_params__ = [option for option in with_options.__click_params__ if option.name != "null"]
    return with_folders


@click.command("watch")
@click.option(
    "--into",
    "directory",
    required=True,
    type=Folder(),
    metavar="RESULT",
    help=f"Folder of results, as run makes it: keeps {TABLE}, {CLUSTERS} and the rest. People in it stay.",
)
@click.option(
    "--exec",
    "program",
    metavar="CMD",
    help="Run this for every event, without a shell: it gets the event as JSON on standard input, and as "
    "FACECLUSTER_EVENT, _PERSON, _NAME, _FACE and _PHOTO. Its output goes to standard error.",
)
@click.option("--once", is_flag=True, help="Deal with what is new since the last time, and end: for cron.")
@click.option(
    "--settle",
    type=FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="A photo is whole when its size and time have not changed for so long.",
)
@_folder_options
@click.option(
    "--decisions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What was decided with name, merge, split, move and not-a-person.  "
    "[default: the file that RESULT was made with, else decisions.jsonl in RESULT]",
)
@cluster_options
def command(
    request: Request,
    choices: Choices,
    decisions: Path | None,
    directory: Path,
    program: str | None,
    once: bool,
    settle: float,
) -> None:
    """Encode and place photos as they arrive in folders, and tell of them.

    PATHS are folders; what is in them already counts as new unless RESULT has it. Each event is a line of JSON:
    "known", a face of a person of RESULT; "stranger", a face that no person takes; "founded", a new person. A RESULT
    that was made with --check takes only faces that pass it.
    """
    from facecluster.durable.lock import only_user_of
    from facecluster.encoding.resume import check_settings
    from facecluster.formats import face_table
    from facecluster.formats.face_table import check_output

    folders = _folders(request.paths, directory)
    arguments = _program(program)
    if request.quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    file = directory / TABLE
    check_output(file)
    with only_user_of(directory / JOURNAL):
        table = face_table.read(file) if file.exists() else None
        _check_source(directory)
        if table is not None:  # before there is anything to encode
            check_settings(file, table.settings, _encoding(table, request).settings())
        since = _since(directory)

        def tell(event: Event) -> None:
            _tell(event, arguments)

        table = deal_with([], table, directory, request, choices, decisions, tell)
        known = _paths(table)
        arrivals = Arrivals(folders, known, since, settle)
        for _ in moments(arrivals, settle) if once else reports(folders, directory, arrivals, settle):
            while whole := arrivals.look(time.monotonic())[:_BATCH]:
                table = deal_with(whole, table, directory, request, choices, decisions, tell)
                arrivals.done(whole)
                arrivals.forget(known - (known := _paths(table)))
                arrivals.forget([path for path in whole if path not in known or not os.path.exists(path)])
        if arrivals.unfinished:
            _log.warning(
                "%s came just now, or still being written: left for the next time",
                many(len(arrivals.unfinished), "photo"),
            )


def deal_with(
    paths: Sequence[str],
    table: FaceTable | None,
    directory: Path,
    request: Request,
    choices: Choices,
    decisions: Path | None,
    tell: Callable[[Event], None],
) -> FaceTable | None:
    """Do the five steps for a batch of photos, and for what an earlier watch left.

    Args:
        paths: of photos that are whole; none: only what was left.
        table: what RESULT/faces.npz holds; None: it is not there.
        directory: RESULT; nobody else may watch into it.
        request: how to encode.
        choices: how to cluster; always an update where there is a result.
        decisions: file of decisions; None: that of RESULT.
        tell: called for every event; when it returns, the event is told.

    Returns:
        What RESULT/faces.npz holds now.

    Raises:
        FaceclusterError: as encode and cluster raise it.
    """
    from facecluster.library.build import build
    from facecluster.library.library import Library
    from facecluster.render.events import events, pack

    file = directory / TABLE
    with _journal(directory) as journal:
        told = _recall(journal, directory)
        if paths:
            table = _encode(paths, table, file, request)
        result = _read(directory)
        if table is not None and (result is None or not _is_of(result, table)):
            with Library.open(directory, new=True) as library:
                result = build(
                    library,
                    table,
                    choices,
                    source=os.path.abspath(file),
                    decisions=decisions,
                    update=result is not None,
                    jobs=request.jobs,
                ).result
        if result is not None:
            for event in events(told, result):
                tell(event)
                journal.append(pack(event.told()))
        journal.remove()
    return table


def _encode(paths: Sequence[str], table: FaceTable | None, file: Path, request: Request) -> FaceTable | None:
    """Add photos to the table, where all others stay, and say which of them cannot be read, or fail its check."""
    import numpy as np

    from facecluster.encoding.keep import Keep
    from facecluster.encoding.pipeline import encode_photos
    from facecluster.table import UNREADABLE

    options = _encoding(table, request)
    coded = {}
    if table is not None:
        fine = table.photos.status != UNREADABLE
        coded = dict(zip(table.photos.path[fine].tolist(), table.photos.coded[fine].tolist(), strict=True))
    new = [path for path in paths if os.path.exists(path)]
    new = [path for path in new if path not in coded or coded[path] != _coded(path)]  # else only touched
    if not new:
        return table
    try:
        with progress(len(new), quiet=request.quiet) as bar:
            encoded = encode_photos(
                new,
                options,
                output=file,
                jobs=request.jobs,
                keep=Keep(arriving=True),
                advance=bar.update,
            ).table
    except PhotoError:  # all of them are gone again
        return table
    _say_what_arrived(table, encoded)
    photos = encoded.photos
    arrived = np.isin(photos.path, new)
    broken: list[str] = []
    refused: list[str] = []
    for row in np.flatnonzero(arrived & (photos.reason != "")).tolist():
        told = broken if photos.status[row] == UNREADABLE else refused
        told.append(f"{photos.path[row]} ({photos.reason[row]})")
    if broken:
        _log.warning("cannot be read: %s", _listed(broken))
    if refused:
        _log.warning("faces left out by --check %s of the table: %s", options.check, _listed(refused))
    return encoded


def _encoding(table: FaceTable | None, request: Request) -> EncodeOptions:
    """How arriving photos are encoded: as the user says, with the check and the attributes of the table."""
    from facecluster.identity.check import PRESETS
    from facecluster.options import EncodeOptions

    made_with = {} if table is None else table.settings.options
    check = made_with.get("check")
    kept = {"check": check if check in PRESETS else None, "attributes": bool(made_with.get("attributes"))}
    return EncodeOptions(**{**request.chosen, **kept})


def _say_what_arrived(before: FaceTable | None, after: FaceTable) -> None:
    """Count the contents and copies that the table has newly, and apart from them photos that got other names."""
    import numpy as np

    known, now = _contents(before), _contents(after)
    new = Counter(now.values()) - Counter(known.values())
    n_faces = np.bincount(after.faces.photo, minlength=len(after.photos)).tolist()
    faces_of = dict(zip(now.values(), n_faces, strict=True))
    n_new = new.total()
    n_renamed = sum(known.get(path) != content for path, content in now.items()) - n_new
    if n_new:
        n = sum(times * faces_of[content] for content, times in new.items())
        _log.info("%s arrived or changed, with %s", many(n_new, "photo"), many(n, "face"))
    if n_renamed:
        _log.info("%s %s another name now", many(n_renamed, "photo"), "has" if n_renamed == 1 else "have")


def _contents(table: FaceTable | None) -> dict[str, str]:
    """The content of each photo, by path: its digest, or its path where nobody could read it."""
    if table is None:
        return {}
    photos = table.photos
    return {
        path: digest or path
        for path, digest in zip(photos.path.tolist(), photos.digest.tolist(), strict=True)
    }


def _paths(table: FaceTable | None) -> set[str]:
    return set() if table is None else set(table.photos.path.tolist())


def _coded(path: str) -> bytes | None:
    """The digest of a photo's coded picture, None where it cannot be read."""
    from facecluster import photos, picture

    try:
        return picture.coded_digest(photos.read(path)[0]).encode()
    except PhotoError:
        return None


def _listed(texts: Sequence[str]) -> str:
    """Name the first ones and count the rest."""
    more = f" and {len(texts) - 10} more" if len(texts) > 10 else ""
    return ", ".join(texts[:10]) + more


# ------------------------------------------------------------------------------------------- what RESULT says


def _journal(directory: Path) -> Journal:
    from facecluster.durable.journal import Journal

    return Journal(directory / JOURNAL, _HEADER)


def _recall(journal: Journal, directory: Path) -> list[ToldFace]:
    """Read what was told; where nothing is under way, start with the result as it is.

    The first record is when the batch began, in seconds since 1970, the others are faces.
    """
    from facecluster.render.events import faces_of, pack, unpack

    began, *records = [*journal.replay()] or [b""]
    if not records:
        result = _read(directory)
        records = [pack([] if result is None else faces_of(result))]
        if not began:
            journal.append(json.dumps(time.time()).encode())
        journal.append(records[0])
    return [face for record in records for face in unpack(record)]


def _since(directory: Path) -> float:
    """Say since when a photo that the table knows may have changed unseen, in seconds since 1970.

    That is when the table was written, or, where a watch was killed, when its batch began.
    """
    try:
        since = os.stat(directory / TABLE).st_mtime
    except FileNotFoundError:
        return 0.0
    if os.path.lexists(directory / JOURNAL):
        with _journal(directory) as journal:
            for began in [*journal.replay()][:1]:
                since = min(since, json.loads(began))
    return since


def _read(directory: Path) -> Result | None:
    """Read clusters.json; None where there is none."""
    from facecluster.formats.clusters_json import read_result

    file = directory / CLUSTERS
    return read_result(file) if os.path.lexists(file) else None


def _check_source(directory: Path) -> None:
    """Refuse a result of another table: its people would go with the first new photo.

    Raises:
        FaceclusterError: it is one.
    """
    result = _read(directory)
    if result is not None and result.settings.table != TABLE:
        raise FaceclusterError(
            f"{directory}: its people are not of its own {TABLE}, but of {result.settings.table}; "
            "choose a RESULT that run or watch made"
        )


def _is_of(result: Result, table: FaceTable) -> bool:
    """Whether a result has the photos and faces of a table."""
    from facecluster.result import columns

    placed, faces, photos = columns(result), table.faces, table.photos
    counts = result.counts
    statuses = photos.status.tolist()
    if any(getattr(counts, status) != statuses.count(status) for status in ("ok", "no_face", "unreadable")):
        return False
    paths = photos.path[faces.photo].tolist()
    return sorted(zip(placed.id, placed.photo, strict=True)) == sorted(
        zip(faces.id.tolist(), paths, strict=True)
    )


# ---------------------------------------------------------------------------------------------------- telling


def _tell(event: Event, arguments: Sequence[str]) -> None:
    """Print an event, and hand it to the command; one that fails is told of on stderr.

    Raises:
        FaceclusterError: the command cannot be started; the event is told again next time.
    """
    from facecluster.render.events import environment, to_json

    line = to_json(event)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if not arguments:
        return
    sys.stderr.flush()
    try:
        done = subprocess.run(
            arguments,
            input=line.encode() + b"\n",
            stdout=2,  # standard error: standard output is for events alone
            env={**os.environ, **environment(event)},
            check=False,
        )
    except OSError as error:
        raise FaceclusterError(f"--exec: {arguments[0]} cannot be run: {error.strerror or error}") from error
    if done.returncode:
        _log.warning("%s ended with %d; the event: %s", shlex.join(arguments), done.returncode, line)


def _program(program: str | None) -> list[str]:
    """Split the command as a shell would, without running one.

    Raises:
        UsageError: it is empty, its quotes are not closed, or there is no such program.
    """
    if program is None:
        return []
    try:
        arguments = shlex.split(program)
    except ValueError as error:
        raise UsageError(f"--exec: {error}: {program}") from error
    if not arguments or shutil.which(arguments[0]) is None:
        raise UsageError(f"--exec: no such program: {program}; name one, with its arguments")
    return arguments


def _folders(paths: Iterable[str], directory: Path) -> list[str]:
    """The folders to watch.

    Raises:
        UsageError: one is an empty name or no folder, or holds the results itself.
    """
    from facecluster.photos import check_name

    folders = [os.path.abspath(check_name(path)) for path in paths]
    for path, folder in zip(paths, folders, strict=True):
        if path == "-" or not os.path.isdir(folder):
            raise UsageError(f"{path}: no folder; watch takes folders")
        if os.path.realpath(folder) == os.path.realpath(directory):
            raise UsageError(
                f"{path}: the results would mix with the photos; give another folder with --into"
            )
    return folders
