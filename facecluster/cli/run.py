"""`facecluster run`: photos in, people out; encode and cluster in one."""

from __future__ import annotations

import os
from pathlib import Path

import click

from facecluster.cli.cluster import (
    cluster_options,
    decisions_option,
    update_option,
)
from facecluster.cli.encode import Request, encode, encode_options
from facecluster.cli.parameters import Folder
from facecluster.cli.summary import print_result, summary
from facecluster.errors import UsageError
from facecluster.library.layout import TABLE
from facecluster.library.settings import (
    ClusterOptions,
)


@click.command("run")
@click.option(
    "-o",
    "--output",
    required=True,
    type=Folder(),
    metavar="DIR",
    help=f"Folder for the results. It keeps {TABLE}, so that the next run looks at new photos only.",
)
@encode_options
@decisions_option
@update_option
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print clusters.json instead of the table of people.")
def command(request: Request, options: ClusterOptions, output: Path, as_json: bool) -> None:
    """Find the faces in photos and group them by person.

    The same as encode PATHS -o DIR/faces.npz and then cluster DIR/faces.npz -o DIR. DIR may lie among the photos:
    results are not searched for photos.
    """
    from facecluster.durable.whole_file import cannot_write
    from facecluster.library.build import cluster_table

    for path in request.paths:
        if path != "-" and Path(path).resolve() == output.resolve():
            raise UsageError(f"{output}: the results would mix with the photos; give another folder with -o")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(output, error) from error
    table = encode(request, output / TABLE)
    result = cluster_table(
        table,
        output,
        options,
        source=os.path.abspath(output / TABLE),
        jobs=request.jobs,
        progress=not request.quiet,
    )
    print_result(result, as_json=as_json)
    if not request.quiet:
        click.echo(summary(result, output, options), err=True)
