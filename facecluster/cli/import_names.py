"""`facecluster import`: the names that other programs gave, out of their files."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Sequence

    from facecluster.library.import_names import Imported
    from facecluster.library.import_plan import Conflict
    from facecluster.library.library import Library

_log = logging.getLogger(__name__)

_N_TOLD = 10
"""Conflicts, regions and troubles that are named on a terminal, each."""


@click.command("import")
@click.argument("source", metavar="LIBRARY")
@click.argument("photos", metavar="[PHOTOS]...", nargs=-1)
@click.option(
    "--from",
    "origins",
    metavar="ORIGIN,...",
    help="Read these programs' files only: xmp, picasa, takeout, osxphotos.  [default: all]",
)
@click.option("--draw", is_flag=True, help="Make faces of the regions in which none was found.")
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and write nothing.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print what decisions.jsonl gets, as a pipe gets it anyway.",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Name all that is not used: conflicts, regions, names, files."
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    source: str,
    photos: tuple[str, ...],
    origins: str | None,
    draw: bool,
    dry_run: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Take in the names that other programs gave to the faces in photos.

    \b
    facecluster import people
    facecluster import people ~/Pictures/2019 --from xmp,picasa
    facecluster import people ~/osxphotos.json

    LIBRARY is a folder of people. PHOTOS are files and folders of its photos; without, all of them are looked at. Names
    are read from XMP in and beside photos (digiKam, Lightroom, immich, Windows), .picasa.ini, Google Takeout's JSON and
    osxphotos' JSON, which can be given too, as can Picasa's contacts.xml.

    What you decided yourself stays. Where names and faces disagree nothing is changed: `facecluster audit` lists these
    faces, and `facecluster review` asks. `facecluster undo` takes an import back as a whole. No photo is touched.
    """  # noqa: D301
    from facecluster.library.import_names import import_names
    from facecluster.library.library import Library
    from facecluster.library.said import origins_of

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    wanted = origins_of([] if origins is None else [part.strip() for part in origins.split(",")])
    with Library.open(source) as library:
        done = import_names(library, photos, origins=wanted, draw=draw, dry_run=dry_run)
        plain, most = sys.stdout.isatty() and not as_json, sys.maxsize if verbose else _N_TOLD
        _say(library, source, done, ",".join(wanted), plain=plain, quiet=quiet, most=most)


def _say(
    library: Library, source: str, done: Imported, origins: str, *, plain: bool, quiet: bool, most: int
) -> None:
    """Say what was done: on a terminal in sentences, in a pipe as lines, with the sentences on stderr.

    `most`: of each kind of what was not used, so many are named.
    """
    import os

    from facecluster.formats.decisions_jsonl import text_of
    from facecluster.formats.said_names import programs
    from facecluster.identity.decisions import describe
    from facecluster.library.layout import CLUSTERS, group_again
    from facecluster.library.refer import called
    from facecluster.text import many, printable, some, typed

    written = done.corrected.decisions
    is_dry = not written
    if plain and is_dry:
        for decision in done.planned:
            click.echo(describe(decision.act))
    elif not plain:
        for decision in done.planned:
            click.echo(text_of(decision))
    for line in done.troubles[:most]:
        _log.warning("%s", line)
    if len(done.troubles) > most:
        _log.warning("%s more could not be read or used", len(done.troubles) - most)
    if quiet:
        return
    for one in done.conflicts[:most]:
        whose = "nobody" if one.person is None else called(one.person)
        called_so = f"{printable(one.name)} in {programs(one.said_by.origin.split(','))}"
        click.echo(f"{many(one.n_faces, 'face')} of {whose} called {called_so}: {one.why}", err=not plain)
    if len(done.conflicts) > most:
        click.echo(f"{many(len(done.conflicts) - most, 'more conflict')}", err=not plain)
    for person, most_called in _undecided(done.conflicts[:most]):
        do = f"facecluster name {typed(source)} {person} {typed(most_called)}"
        click.echo(f"to name {person}, whose faces are called several names: {do}", err=not plain)
    if done.unmatched:
        named = [
            f"{printable(os.path.basename(path))} ({printable(one.name)})" for path, one in done.unmatched
        ]
        click.echo(f"no face there: {some(named, most)}", err=not plain)
    if done.unplaced and most > _N_TOLD:
        for path, name in done.unplaced:
            click.echo(
                f"of several faces, or of none: {printable(name.name)} in {printable(path)}, by {printable(name.file)}",
                err=not plain,
            )
    would = "would be: " if is_dry and done.planned else ""
    click.echo(f"{would}{done.corrected.said}", err=not plain)
    if done.conflicts:
        labels = "programs" if origins.count(",") == 3 else origins
        click.echo(
            f"to see where names and faces disagree: facecluster audit {typed(source)} --labels {labels}",
            err=not plain,
        )
    if written:
        which = "" if len(written) > 1 else f" {written[-1].id}"
        click.echo(f"to take it back: facecluster undo {typed(source)}{which}", err=not plain)
    if not done.corrected.in_step and written:
        _log.warning(
            "%s does not show all decisions of %s; to see them: %s",
            CLUSTERS, library.ledger, group_again(library.directory, library.result),
        )  # fmt: skip


def _undecided(conflicts: Sequence[Conflict]) -> list[tuple[str, str]]:
    """Give the ids of people who got no name as their faces are called several, and the name that most have."""
    from facecluster.library.import_plan import SEVERAL

    most: dict[str, Conflict] = {}
    for one in conflicts:
        if one.person is not None and (
            one.person.id not in most or one.n_faces > most[one.person.id].n_faces
        ):
            most[one.person.id] = one
    return [(own, one.name) for own, one in most.items() if one.why == SEVERAL]
