"""`facecluster run`: photos in, people out; encode and cluster in one."""

from __future__ import annotations

from pathlib import Path

import click

from facecluster.cli.cluster import agreement, cluster_options, library_options, tell
from facecluster.cli.encode import Request, encode_options, find, progress
from facecluster.cli.encode import summary as encode_summary
from facecluster.cli.parameters import Folder
from facecluster.errors import UsageError
from facecluster.library.layout import TABLE
from facecluster.library.settings import Choices


@click.command("run")
@click.option(
    "-o",
    "--output",
    required=True,
    type=Folder(),
    metavar="DIR",
    help=f"Folder for the people. It keeps {TABLE}, so that the next run looks at new photos only.",
)
@encode_options
@library_options
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print clusters.json instead of the table of people.")
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

    DIR keeps the people, their names, and the options: what is not given is as last time. Photos of other folders stay
    in it. DIR may lie among the photos: results are not searched for photos.
    """
    import time

    from facecluster.library.library import Library
    from facecluster.library.run import run

    start = time.monotonic()
    for path in request.paths:
        if path != "-" and Path(path).resolve() == output.resolve():
            raise UsageError(f"{output}: the results would mix with the photos; give another folder with -o")
    if request.quiet:
        import logging

        logging.getLogger("facecluster").setLevel(logging.ERROR)
    with Library.open(output, new=True) as library:
        paths = find(request)
        with progress(len(paths), quiet=request.quiet) as bar:
            ran = run(
                library,
                paths,
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
        click.echo(encode_summary(ran.encoded, time.monotonic() - start, request, output / TABLE), err=True)
    tell(ran.built, output, as_json=as_json, quiet=request.quiet, verbose=request.verbose)
