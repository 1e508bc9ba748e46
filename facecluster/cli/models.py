"""`facecluster models`: show the weight files; `facecluster models fetch`: get them ahead of time."""

from __future__ import annotations

import json
import sys

import click

from facecluster.render.columns import aligned
from facecluster.vision import models


@click.group(name="models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as a pipe gets it anyway.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show the weight files: licence, size, source, and whether each is here.

    The state is installed (with a Python package), cached, missing, or corrupt. Missing and corrupt ones are fetched
    when first needed; FACECLUSTER_CACHE moves the folder where they are kept.
    """
    if ctx.invoked_subcommand is not None:
        return
    states = {name: models.state(name) for name in models.WEIGHTS}
    if as_json or not sys.stdout.isatty():
        records = [
            {
                "name": name,
                "file": weights.file,
                "licence": weights.licence,
                "size": weights.size,
                "source": weights.package.requirement,
                "sha256": weights.sha256,
                "state": states[name].word,
                "path": str(states[name].path),
            }
            for name, weights in models.WEIGHTS.items()
        ]
        click.echo(json.dumps(records, indent=2))
        return
    header = ("NAME", "FILE", "LICENCE", "SIZE", "SOURCE", "STATE")
    rows = [header] + [
        (w.name, w.file, w.licence, f"{w.size / 1e6:.1f} MB", w.package.requirement, states[w.name].word)
        for w in models.WEIGHTS.values()
    ]
    for line in aligned(rows):
        click.echo(line)


@command.command()
def fetch() -> None:
    """Fetch every weight file that is not here yet."""
    models.fetch_all()
    click.echo(f"facecluster: all {len(models.WEIGHTS)} weight files are here", err=True)
