"""`facecluster cluster`: a face table in; people as records, folders of photos and montages out."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facecluster.cli.parameters import FloatRange, Folder
from facecluster.cli.sources import (
    warn_if_outdated,
)
from facecluster.cli.summary import print_result, summary
from facecluster.errors import UsageError
from facecluster.identity.gate import Limits
from facecluster.library.layout import CLUSTERS
from facecluster.library.settings import ClusterOptions

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.durable.own_files import Link
    from facecluster.identity.rules import SamePhoto

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_LINKS = ("copy", "hardlink", "symlink", "none")


def cluster_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of clustering to a command, which gets them as `options: ClusterOptions`."""

    @functools.wraps(function)
    def with_options(
        *,
        min_images: int,
        min_size: float,
        max_angle: float,
        min_quality: float,
        no_gate: bool,
        eps: float | None,
        min_samples: int | None,
        same_photo: SamePhoto,
        link: Link,
        decisions: Path | None = None,
        update: bool = False,
        **others: Any,
    ) -> Any:
        limits = Limits(min_images, min_size, max_angle, min_quality)
        options = ClusterOptions(limits, not no_gate, eps, min_samples, same_photo, link, decisions, update)
        return function(options=options, **others)

    limits = Limits()
    for option in reversed(
        [
            click.option(
                "--min-images",
                type=click.IntRange(min=1),
                default=limits.min_images,
                show_default=True,
                help="Different photos that a person needs; copies and near-duplicates count once.",
            ),
            click.option(
                "--min-size",
                type=FloatRange(min=0),
                default=limits.min_size_px,
                show_default=True,
                help="A face that founds a person is wider and higher than this, in pixels.",
            ),
            click.option(
                "--max-angle",
                type=FloatRange(min=0),
                default=limits.max_angle_deg,
                show_default=True,
                help="... and is turned, tilted and rolled by less than this, in degrees.",
            ),
            click.option(
                "--min-quality",
                type=FloatRange(0, 1),
                default=limits.min_quality,
                show_default=True,
                help="... and is of better quality than this.",
            ),
            click.option(
                "--no-gate", is_flag=True, help="Let every face found a person, whatever it looks like."
            ),
            click.option(
                "--eps",
                type=FloatRange(min=0, min_open=True),
                help="Distance up to which two faces link.  [default: by encoder]",
            ),
            click.option(
                "--min-samples",
                type=click.IntRange(min=1),
                help="Faces within that distance, itself included, that let a face link others.  "
                "[default: 3, or --min-images if that is less]",
            ),
            click.option(
                "--same-photo",
                type=click.Choice(["forbid", "prefer", "allow"]),
                default="prefer",
                show_default=True,
                help="May two faces of one photo be one person's: never, only if they are very alike (mirrors, "
                "collages), or as any others.",
            ),
            click.option(
                "--link",
                type=click.Choice(_LINKS),
                default="copy",
                show_default=True,
                help="How photos get into the folders of people; none: no folders.",
            ),
        ]
    ):
        with_options = option(with_options)
    return with_options


decisions_option = click.option(
    "--decisions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What was decided with name, merge, split, move and not-a-person.  "
    "[default: the file of the earlier result in DIR, else decisions.jsonl in DIR]",
)
update_option = click.option(
    "--update",
    is_flag=True,
    help="Leave the people of the earlier result in DIR as they are, and place new faces only: the time grows with "
    "these, not with the library. Says what a full run would change.",
)
"""For verbs that write a folder of results; before `cluster_options`, which takes them."""


@click.command("cluster")
@click.argument("file", required=False, metavar="[FILE]")
@click.option("-e", "--encodings", metavar="FILE", help="The same as FILE.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=Folder(),
    metavar="DIR",
    help="Folder for the results. Only what facecluster put there before is replaced.",
)
@decisions_option
@update_option
@cluster_options
@click.option("-j", "--jobs", type=click.IntRange(min=-1), default=-1, help="Threads.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help=f"Print {CLUSTERS} instead of the table of people.")
@click.option("-q", "--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("-v", "--verbose", is_flag=True, help="Say which distances and limits were used.")
def command(
    file: str | None,
    encodings: str | None,
    output: Path,
    options: ClusterOptions,
    jobs: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Group the faces of a face table by person.

    FILE is what encode wrote, .npz or .pickle, or - for standard input. DIR gets clusters.json, a folder and a
    montage of each person, and a folder of the photos in which nobody was recognised.
    """
    from facecluster.formats import face_table
    from facecluster.library.build import cluster_table

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    named = _source(file, encodings)
    table = face_table.read(named)
    warn_if_outdated(table, file or encodings or "standard input")
    source = os.path.abspath(named) if isinstance(named, str) else None
    result = cluster_table(table, output, options, source=source, jobs=jobs, progress=not quiet)
    if verbose and not quiet:
        used = {**result.settings["cluster"], **result.settings["cluster"]["radii"]}
        click.echo(
            "used: " + ", ".join(f"{k} {v}" for k, v in used.items() if not hasattr(v, "keys")), err=True
        )
    print_result(result, as_json=as_json)
    if not quiet:
        click.echo(summary(result, output, options), err=True)


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
