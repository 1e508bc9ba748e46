"""`facecluster watch`: photos are encoded and placed as they arrive; one line an event.

On a terminal a line is a sentence; in a pipe, and for the command of --exec, it is JSON.
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecluster.cli.cluster import cluster_options
from facecluster.cli.config import tell_remembered
from facecluster.cli.encode import Request, photo_options, progress
from facecluster.cli.parameters import FloatRange, Folder
from facecluster.errors import FaceclusterError, UsageError
from facecluster.library.arrivals import Arrivals, moments, reports
from facecluster.library.layout import CLUSTERS, TABLE
from facecluster.library.settings import Choices
from facecluster.text import many, per_cent, printable

if TYPE_CHECKING:  # NumPy, OpenCV and the networks are loaded when there is work to do
    from facecluster.library.pending import Notice

_log = logging.getLogger(__name__)

_BATCH = 64
"""Photos analysed and placed at a time: some ten seconds of work on two cores, so that a burst gives events while it
lasts, and a kill costs no more; that all of a small burst come together, so that they can found a person at once."""


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
    metavar="LIBRARY",
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
    "[default: the file that LIBRARY was made with, else decisions.jsonl in LIBRARY]",
)
@cluster_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON an event, as a pipe gets it anyway."
)
@click.option("-v", "--verbose", is_flag=True, help="Say which settings are used, and where each is from.")
def command(
    request: Request,
    choices: Choices,
    decisions: Path | None,
    directory: Path,
    program: str | None,
    once: bool,
    settle: float,
    as_json: bool,
    verbose: bool,
) -> None:
    """Encode and place photos as they arrive in folders, and tell of them.

    PATHS are folders; what is in them already counts as new unless LIBRARY has it. Each event is a line, on a terminal
    a sentence, in a pipe JSON: "known", a face of a person of LIBRARY; "stranger", a face of nobody;
    "founded", a new person. A LIBRARY that was made with --check takes only faces that pass it.
    """
    from facecluster.library.watch import Watch

    folders = _folders(request.paths, directory)
    arguments = _program(program)
    if request.quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    plain = sys.stdout.isatty() and not as_json
    with Watch(
        directory,
        lambda notice: _tell(notice, directory if plain else None, arguments),
        encoding=request.chosen,
        choices=choices,
        decisions=decisions,
        jobs=request.jobs,
        progress=lambda n: _bar(n, request),
    ) as watch:
        if verbose and not request.quiet:
            tell_remembered(watch.remembered)
        arrivals = Arrivals(folders, watch.paths, watch.since, settle, any_name=bool(request.any_name))
        looks = reports(folders, directory, arrivals, settle, lambda: watch.is_due)
        for _ in moments(arrivals, settle) if once else looks:
            while whole := arrivals.look(time.monotonic())[:_BATCH]:
                gone = watch.add(whole)
                arrivals.done(whole)
                arrivals.forget(gone)
                arrivals.forget([path for path in whole if not watch.knows(path) or not os.path.exists(path)])
                if watch.is_due:
                    watch.write()
            if watch.is_due:
                watch.write()
        if arrivals.unfinished:
            _log.warning(
                "%s came just now, or still being written: left for the next time",
                many(len(arrivals.unfinished), "photo"),
            )


@contextmanager
def _bar(n_photos: int, request: Request) -> Iterator[Callable[[], object]]:
    with progress(n_photos, quiet=request.quiet) as bar:
        yield bar.update


def _tell(notice: Notice, library: Path | None, arguments: Sequence[str]) -> None:
    """Print an event, and hand it to the command; one that fails is told of on stderr.

    Args:
        notice: the event.
        library: where a sentence is wanted, that of which it tells; None: JSON.
        arguments: the command; none: there is none.

    Raises:
        FaceclusterError: the command cannot be started; the event is told again next time.
    """
    line = notice.line
    sys.stdout.write((line if library is None else sentence(json.loads(line), library)) + "\n")
    sys.stdout.flush()
    if not arguments:
        return
    sys.stderr.flush()
    try:
        done = subprocess.run(
            arguments,
            input=line.encode() + b"\n",
            stdout=2,  # standard error: standard output is for events alone
            env={**os.environ, **notice.environment},
            check=False,
        )
    except OSError as error:
        raise FaceclusterError(f"--exec: {arguments[0]} cannot be run: {error.strerror or error}") from error
    if done.returncode:
        _log.warning("%s ended with %d; the event: %s", shlex.join(arguments), done.returncode, line)


def sentence(event: Mapping[str, Any], library: Path) -> str:
    """Say an event in words.

    Args:
        event: as JSON has it.
        library: to type in what is next.
    """
    from facecluster.identity.gate import Reason

    photo = printable(event["photo"])
    if event["event"] == "stranger":
        why = next((reason.text for reason in Reason if reason.code == event["reason"]), event["reason"])
        return f"a face of nobody is in {photo}: {printable(why)}"
    who = event["person"] if event["name"] is None else f"{event['person']} ({printable(event['name'])})"
    if event["event"] == "known":
        sure = "" if event["confidence"] is None else f" (confidence {per_cent(event['confidence'])})"
        return f"{who} is in {photo}{sure}"
    seen = f"{many(event['n_faces'], 'face')} in {many(event['n_photos'], 'photo')}, one of them {photo}"
    to_name = f"facecluster name {shlex.quote(str(library))} {event['person']} NAME"
    return f"somebody new: {who}, {seen}" + (f"; to name: {to_name}" if event["name"] is None else "")


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
    from facecluster.photos.find import check_name

    folders = [os.path.abspath(check_name(path)) for path in paths]
    for path, folder in zip(paths, folders, strict=True):
        if path == "-" or not os.path.isdir(folder):
            raise UsageError(f"{path}: no folder; watch takes folders")
        if os.path.realpath(folder) == os.path.realpath(directory):
            raise UsageError(
                f"{path}: the results would mix with the photos; give another folder with --into"
            )
    return folders
