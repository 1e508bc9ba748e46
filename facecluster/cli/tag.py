"""`facecluster tag` and `untag`: the names of people into files beside their photos, and out of them again.

On a terminal what was done is told in sentences. In a pipe stdout gets it as JSON, and stderr the sentences. A file
that could not be written is told in a line of standard error, and the exit code is 1 then.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from facecluster.errors import UsageError
from facecluster.text import many, printable, quoted, some, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Sequence
    from pathlib import Path

    from facecluster.formats.tags_jsonl import Naming
    from facecluster.formats.xmp_write import Field
    from facecluster.library.embed import Agree
    from facecluster.library.tag_list import Tagged

_ALL = "all"
_FIELDS = ("mwg", "microsoft", "persons", "digikam", "lightroom", "subject")
_SHOWN = 3
"""Photos that a line names; JSON has all of them."""

_yes = click.option("-y", "--yes", is_flag=True, help="Write into the photos without asking.")
_dry_run = click.option("-n", "--dry-run", is_flag=True, help="Only list what would change.")
_as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print what was done as JSON, as a pipe gets it anyway."
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")


@click.command("tag")
@click.argument("source", metavar="LIBRARY")
@click.argument("photos", metavar="[PHOTO|FOLDER|GLOB...]", nargs=-1)
@click.option(
    "--sidecar-name",
    "naming",
    type=click.Choice(["ext", "stem"]),
    help="What the files are called: IMG_1.jpg.xmp (ext), or IMG_1.xmp (stem).  [as the "
    "one that tag wrote, else as last time; at first ext]",
)
@click.option(
    "--only",
    type=click.Choice([_ALL, *_FIELDS]),
    multiple=True,
    help="Write this alone. May be given several times; all of them at first, then as last time.",
)
@click.option(
    "--without",
    type=click.Choice(_FIELDS),
    multiple=True,
    help="Do not write this. May be given several times.",
)
@click.option(
    "--embed",
    is_flag=True,
    help="Write into the photos themselves, with exiftool, which has to be installed; asks first. What their XMP was "
    "before is put into LIBRARY/metadata-before. Pixels and times of the files stay.",
)
@_yes
@_dry_run
@_as_json
@_quiet
def command(
    source: str,
    photos: tuple[str, ...],
    naming: str | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    embed: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the names of people, and where their faces are, into files beside the photos that show them.

    \b
    mwg         regions as digiKam, Lightroom, Picasa and many others read them
    microsoft   regions of Windows
    persons     PersonInImage of IPTC
    digikam     keywords People/NAME of digiKam
    lightroom   keywords People|NAME of Lightroom
    subject     keywords NAME

    LIBRARY is a folder of people; photos of it are meant, all of them if none is named. The files are XMP sidecars. One
    that is there is added to, and nothing of others' in it is lost; photos are not touched without --embed. Type it
    again after people were renamed, moved or forgotten: only what changed is written, in each file that names were ever
    written into. What --sidecar-name, --only and --without say is remembered where no photo is named. Nobody without a
    name, and nobody hidden, is written. untag takes it all out.
    """  # noqa: D301
    from facecluster.library.library import Library
    from facecluster.library.tag import tag

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    fields, agree = _fields(only, without), _asker(embed=embed, yes=yes, dry_run=dry_run)
    if embed and naming is not None:
        raise UsageError(
            "--sidecar-name is about files beside photos, and --embed writes none; leave one out"
        )
    with Library.open(source) as library:
        done = tag(
            library,
            photos,
            naming=cast("Naming | None", naming),
            fields=fields,
            into_photos=agree,
            dry_run=dry_run,
        )
    _tell(done, _tagged(done, source), as_json=as_json, quiet=quiet)


@click.command("untag")
@click.argument("source", metavar="LIBRARY")
@click.argument("photos", metavar="[PHOTO|FOLDER|GLOB...]", nargs=-1)
@click.option(
    "--embed", is_flag=True, help="Take it out of the photos themselves, too, with exiftool; asks first."
)
@_yes
@_dry_run
@_as_json
@_quiet
def untag(
    source: str,
    photos: tuple[str, ...],
    embed: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Take out of files beside photos what tag wrote into them, and nothing else.

    LIBRARY is a folder of people; the files of all its photos are meant if none is named. A file in which nothing else
    stands is removed.
    """
    from facecluster.library.library import Library
    from facecluster.library.tag import untag as take_out

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    agree = _asker(embed=embed, yes=yes, dry_run=dry_run)
    with Library.open(source) as library:
        done = take_out(library, photos, into_photos=agree, dry_run=dry_run)
    lines = [*_counts(done), *_held(done, source)]
    if done.away:
        lines.append(
            f"{many(len(done.away), 'photo')} not there, so names may stand beside: {_some(done.away)}"
        )
    if done.behind:
        lines.append(
            f"{many(len(done.behind), 'photo')} with names of ours in the photo itself, which stay: "
            f"{_some(done.behind)}; to take them out: facecluster untag {typed(source)} --embed"
        )
    _tell(done, lines, as_json=as_json, quiet=quiet)


def _asker(*, embed: bool, yes: bool, dry_run: bool) -> Agree | None:
    """Give what asks whether to write into photos; None: nobody wants to.

    Raises:
        UsageError: nobody can be asked.
    """
    if not embed:
        if yes:
            raise UsageError("--yes answers what --embed asks; give that too")
        return None
    if not yes and not dry_run and not sys.stdin.isatty():
        raise UsageError(
            "--embed writes into the photos themselves, and nobody can be asked here; give --yes too"
        )

    def agree(photos: Sequence[str], kept: Path) -> bool:
        if yes:
            return True
        err = sys.stderr.isatty() or not sys.stdout.isatty()
        click.echo(
            f"about to write into {many(len(photos), 'photo')}: {_some(list(photos))}\n"
            f"Their pictures and times stay. What their XMP was before is put into {printable(str(kept))}.\n"
            "write into them? [y/N]: ",
            nl=False,
            err=err,
        )
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return agree


def _fields(only: tuple[str, ...], without: tuple[str, ...]) -> frozenset[Field] | None:
    """Say what is written; None: nothing was asked.

    Raises:
        UsageError: nothing would be left.
    """
    if not only and not without:
        return None
    fields = frozenset(_FIELDS if _ALL in only or not only else only) - {*without}
    if not fields:
        raise UsageError("--without leaves nothing to write; see facecluster tag --help")
    return cast("frozenset[Field]", fields)


def _tell(done: Tagged, sentences: list[str], *, as_json: bool, quiet: bool) -> None:
    """Say what was done, and end with 1 where something could not be."""
    plain = sys.stdout.isatty() and not as_json
    if not plain:
        click.echo(json.dumps(asdict(done)))
    elif done.dry_run:
        for change in done.changed:
            names = ", ".join(quoted(change.names)) or (
                "to be removed" if change.is_gone else "no name of ours"
            )
            click.echo(printable(f"{change.file}: {names}"))
    if not quiet:
        click.echo("\n".join(sentences), err=not plain)
    for trouble in done.troubles:
        click.echo(f"facecluster: {printable(trouble)}", err=True)
    if done.troubles:
        click.get_current_context().exit(1)


def _counts(done: Tagged) -> list[str]:
    """Count files."""
    photos = sum(change.file == change.photo for change in done.changed)
    n_new = sum(change.is_new for change in done.changed)
    n_gone = sum(change.is_gone for change in done.changed)
    parts = [
        (photos, "photo changed", "photos changed"),
        (done.unchanged_photos, "photo as it was", "photos as they were"),
        (n_new, "new sidecar", "new sidecars"),
        (len(done.changed) - photos - n_new - n_gone, "sidecar changed", "sidecars changed"),
        (n_gone, "sidecar removed", "sidecars removed"),
        (done.unchanged - done.unchanged_photos, "sidecar as it was", "sidecars as they were"),
        (len(done.troubles), "trouble", "troubles"),
    ]
    told = ", ".join(many(n, one, several) for n, one, several in parts if n) or "nothing to do"
    return [f"{'would be: ' if done.dry_run else ''}{told}", *map(printable, done.remarks)]


def _held(done: Tagged, source: str) -> list[str]:
    """Say which photos lie in folders of people as they were before."""
    if not done.held:
        return []
    folders = {os.path.dirname(photo) for photo in done.held}
    tops = sorted(one for one in folders if not any(one.startswith(top + os.sep) for top in folders))
    from_where = " ".join(map(typed, tops)) if len(tops) <= _SHOWN else "PHOTOS"
    told = (
        f"{many(len(done.held), 'photo')} in folders of people as before, without what was written just now"
    )
    again = f"facecluster run {from_where} -o {typed(source)}"
    return [f"{told}: {_some(done.held)}; to have them there as they are: {again}"]


def _tagged(done: Tagged, source: str) -> list[str]:
    """Say what was done."""
    lines = [
        f"{many(done.photos, 'photo')} with {many(done.people, 'person who has', 'people who have')} a name",
        *_counts(done),
        *_held(done, source),
    ]
    if not done.people:
        lines.append(
            f"nobody here has a name; to give one: facecluster name {typed(source)} person-0001 NAME"
        )
    if done.away:
        lines.append(
            f"{many(len(done.away), 'photo')} not there, so nothing was changed beside: {_some(done.away)}; if photos "
            f"were moved, type first: facecluster run NEW_FOLDER -o {typed(source)}"
        )
    if done.behind:
        lines.append(
            f"{many(len(done.behind), 'photo')} with names in the photo itself that do not hold any more: "
            f"{_some(done.behind)}; to mend that: facecluster tag {typed(source)} --embed"
        )
    if done.beside:
        lines.append(
            f"{many(len(done.beside), 'photo')} with a sidecar of the other name, which some programs do not read any "
            f"more: {_some(done.beside)}; to write into these: --sidecar-name ext or stem"
        )
    if done.two_names:
        lines.append(
            f"{many(sum(done.two_names.values()), 'face')} with another name of another program, which stays beside "
            f"yours: {_some([*done.two_names])}; to see both names: facecluster audit {typed(source)} --labels xmp"
        )
    return lines


def _some(paths: list[str]) -> str:
    return some([printable(path) for path in paths], _SHOWN)
