"""`facecluster run`: photos in, people out; encode and cluster in one."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.cluster import agreement, cluster_options, library_options, opened, tell
from facecluster.cli.encode import Request, encode_options, find_in_order, progress
from facecluster.cli.encode import summary as encode_summary
from facecluster.cli.parameters import Folder
from facecluster.errors import FaceclusterError, UsageError
from facecluster.library.layout import TABLE
from facecluster.library.settings import Choices
from facecluster.text import typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.library import Library

_log = logging.getLogger(__name__)


@click.command("run")
@click.option(
    "-o",
    "--output",
    required=True,
    type=Folder(),
    metavar="LIBRARY",
    help=f"Folder for the people. It keeps {TABLE}, so that the next run looks at new photos only.",
)
@encode_options
@library_options
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print clusters.json, as a pipe gets it anyway.")
def command(
    request: Request,
    choices: Choices,
    decisions: Path | None,
    update: bool,
    default_settings: bool,
    yes: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Find the faces in photos and group them by person.

    LIBRARY keeps the people, their names, and the options: what is not given is as last time. Photos of other folders
    stay in it. It may lie among the photos: results are not searched for photos.
    """
    import time

    from facecluster.library.run import run

    start = time.monotonic()
    for path in request.paths:
        if path != "-" and Path(path).resolve() == output.resolve():
            raise UsageError(f"{output}: the results would mix with the photos; give another folder with -o")
    if request.quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    with opened(output, yes=yes) as library:
        request = _there(request, library)
        found = find_in_order(request)
        with progress(len(found.photos), quiet=request.quiet) as bar:
            ran = run(
                library,
                found.photos,
                sources=request.sources,
                encoding=request.chosen,
                choices=choices,
                defaults=default_settings,
                decisions=decisions,
                update=update,
                fresh=request.fresh,
                keep=request.keep,
                agree=agreement(yes=yes),
                jobs=request.jobs,
                progress=not request.quiet,
                encoded=bar.close,
                advance=bar.update,
            )
    if not request.quiet:
        seconds = time.monotonic() - start
        click.echo(encode_summary(ran.encoded, found, seconds, request, output / TABLE), err=True)
    aside = {"not_looked_at": found.not_looked_at, "raw_shown": found.raw_shown}
    tell(ran.built, library, as_json=as_json, quiet=request.quiet, verbose=request.verbose, more=aside)


def _there(request: Request, library: Library) -> Request:
    """Leave out folders and files that an earlier run was given and that are not there now, and say so.

    Raises:
        FaceclusterError: none of them is there.
    """
    known = () if library.result is None else library.result.settings.sources
    gone = [path for path in request.paths if os.path.abspath(path) in known and not os.path.lexists(path)]
    left = tuple(path for path in request.paths if path not in gone)
    for path in gone:
        _log.warning(
            "%s: not there (is a drive not mounted?); its photos %s %s",
            path, "leave" if left and request.keep.prune else "stay in", library.directory,
        )  # fmt: skip
    if gone and not left:
        raise FaceclusterError(
            f"nothing to look at: none of {', '.join(gone)} is there; nothing was changed; if they were deleted, their "
            "photos leave the library once you give another folder too, and --prune; if they were moved, type: "
            f"facecluster run NEW_FOLDER -o {typed(library.directory)}"
        )
    return replace(request, paths=left)
