"""`facecluster cluster`: a face table in; people as records, folders of photos and montages out."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecluster.cli.config import tell_remembered
from facecluster.cli.parameters import FLAGS, FloatRange, Folder
from facecluster.cli.sources import warn_if_outdated
from facecluster.cli.summary import cost, print_result, some_people, summary, used
from facecluster.errors import FaceclusterError, UsageError
from facecluster.identity.gate import Limits
from facecluster.library.layout import CLUSTERS
from facecluster.library.settings import Choices

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.library.build import Built
    from facecluster.library.library import Library
    from facecluster.result import Result

_LINKS = ("auto", "copy", "clone", "hardlink", "symlink", "none")


def cluster_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of clustering to a command, which gets them as `choices: Choices`.

    One that is not given is None: what the library was made with last, else the default.
    """

    @functools.wraps(function)
    def with_options(**given: Any) -> Any:
        names = [*FLAGS, "gate"]
        choices = Choices(**{name: given.pop(name) for name in names})
        return function(choices=choices, **given)

    limits = Limits()
    for option in reversed(
        [
            click.option(
                "--min-images",
                type=click.IntRange(min=1),
                help="Different photos that a person needs; copies and photos that are nearly the same count once.  "
                f"[default: {limits.min_images}]",
            ),
            click.option(
                "--min-size",
                "min_size_px",
                type=FloatRange(min=0),
                help="People are made of faces that are wider and higher than this, in pixels; others may join.  "
                f"[default: {limits.min_size_px}]",
            ),
            click.option(
                "--max-angle",
                "max_angle_deg",
                type=FloatRange(min=0),
                help="... and turned, tilted and rolled by less than this, in degrees.  "
                f"[default: {limits.max_angle_deg}]",
            ),
            click.option(
                "--min-quality",
                type=FloatRange(0, 1),
                help=f"... and of better quality than this.  [default: {limits.min_quality}]",
            ),
            click.option(
                "--gate/--no-gate",
                default=None,
                help="Make people of faces within these three limits only; or of every face, whatever it looks like.  "
                "[default: --gate]",
            ),
            click.option(
                "--eps",
                type=FloatRange(min=0, min_open=True),
                help="Distance up to which two faces link.  [default: by encoder]",
            ),
            click.option(
                "--min-samples",
                type=click.IntRange(min=1),
                help="Faces within that distance, itself included, that let a face link others.  [default: 3]",
            ),
            click.option(
                "--same-photo",
                type=click.Choice(["forbid", "prefer", "allow"]),
                help="May two faces of one photo be one person's: never, only if they are very alike (mirrors, "
                "collages), or as any others.  [default: prefer]",
            ),
            click.option(
                "--video",
                type=click.Choice(["found", "join"]),
                help="May faces of videos found people, as those of photos do, or only join them.  [default: join]",
            ),
            click.option(
                "--link",
                type=click.Choice(_LINKS),
                help="How photos get into the folders of people. auto: without using space where that is possible, by "
                "clones, else hard links, else symbolic links, else copies; none: no folders.  [default: auto]",
            ),
        ]
    ):
        with_options = option(with_options)
    return with_options


def library_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of verbs that group the faces of a library, which get them as they are called."""
    for option in reversed(
        [
            click.option(
                "--decisions",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                help="What was decided with name, merge, split, move and not-a-person.  "
                "[default: the file that LIBRARY was made with, else decisions.jsonl in LIBRARY]",
            ),
            click.option(
                "--update",
                is_flag=True,
                help="Leave the people in LIBRARY as they are, and place new faces only: the time grows with these, "
                "not with the library. Says what a full run would change.",
            ),
            click.option(
                "--default-settings",
                is_flag=True,
                help="Begin with the defaults, in place of the options that LIBRARY was made with last.",
            ),
            click.option(
                "-y",
                "--yes",
                is_flag=True,
                help="Do not ask where other options would cost people, and go on where decisions are missing that "
                "gave people their names.",
            ),
        ]
    ):
        function = option(function)
    return function


@click.command("cluster")
@click.argument("file", required=False, metavar="[FILE]")
@click.option("-e", "--encodings", metavar="FILE", help="The same as FILE.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=Folder(),
    metavar="LIBRARY",
    help="Folder for the people. Only what facecluster put there before is replaced.",
)
@library_options
@cluster_options
@click.option("-j", "--jobs", type=click.IntRange(min=-1), default=-1, help="Threads.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help=f"Print {CLUSTERS}, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Say which distances and limits were used, and where each setting is from.",
)
def command(
    file: str | None,
    encodings: str | None,
    output: Path,
    choices: Choices,
    decisions: Path | None,
    update: bool,
    default_settings: bool,
    yes: bool,
    jobs: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Group the faces of a face table by person.

    FILE is what encode wrote, .npz or .pickle, or - for standard input. LIBRARY gets clusters.json, a folder and a
    montage of each person, and a folder of the photos in which nobody was recognised. Options that are not given are as
    LIBRARY was made last.
    """
    from facecluster.formats import face_table
    from facecluster.library.build import build

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    named = _source(file, encodings)
    table = face_table.read(named)
    warn_if_outdated(table, file or encodings or "standard input")
    source = os.path.abspath(named) if isinstance(named, str) else None
    with opened(output, yes=yes) as library:
        built = build(
            library,
            table,
            choices,
            source=source,
            decisions=decisions,
            update=update,
            defaults=default_settings,
            agree=agreement(yes=yes),
            jobs=jobs,
            progress=not quiet,
        )
    tell(built, library, as_json=as_json, quiet=quiet, verbose=verbose)


def tell(
    built: Built,
    library: Library,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    more: Mapping[str, object] | None = None,
) -> None:
    """Print the people of a library that was let go, in JSON with `more`, and tell the rest on stderr."""
    now = _latest(library, built.result)
    built = replace(built, result=replace(now, changes=built.result.changes))
    if verbose and not quiet:
        click.echo(used(built.chosen.rules), err=True)
        tell_remembered(built.chosen.remembered)
    print_result(now, as_json=as_json, more=more)
    if built.nameless:
        click.echo(f"no decision gives these names any more: {some_people(built.nameless)}", err=True)
    if not quiet:
        click.echo(summary(built, library.directory), err=True)


def _latest(library: Library, result: Result) -> Result:
    """Give who is who as the library has it now; `result` where that is the same, or cannot be read.

    Somebody may have decided since it was let go: the review page waits for that.
    """
    from facecluster.formats import decisions_jsonl

    with suppress(FaceclusterError):
        if len(decisions_jsonl.read(library.ledger)) == len(library.decisions):
            return result
        library.hold()  # who decides writes people a moment after the decision, and lets go then
        with library:
            library.reload()
            return library.people
    return result


@contextmanager
def opened(output: Path, *, yes: bool) -> Iterator[Library]:
    """Open a library, new or not, for a verb that groups its faces; `yes`: people may lose names."""
    from facecluster.library.library import Library

    with Library.open(output, new=True, may_lose_names=yes) as library:
        yield library


def agreement(*, yes: bool) -> Callable[[Built], bool]:
    """Say what to do where people would be lost: tell it, and ask where there is a terminal."""

    def agree(built: Built) -> bool:
        click.echo(cost(built), err=True)
        if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        return click.confirm("go on?", err=True)

    return agree


def _source(file: str | None, encodings: str | None) -> Any:
    """The one table that was named: a path, or standard input."""
    named = [name for name in (file, encodings) if name is not None]
    if len(named) != 1:
        problem = "which face table? Give FILE" if not named else "two face tables are given; give one"
        raise UsageError(f"{problem}, or - for standard input")
    if named[0] != "-":
        return named[0]
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a face table in, or give FILE")
    return sys.stdin.buffer
