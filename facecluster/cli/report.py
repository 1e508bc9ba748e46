"""`facecluster report`: a library in; pages that can be given to somebody, out."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.sources import look_in
from facecluster.errors import FaceclusterError, OutputError, TableError, UsageError
from facecluster.library.layout import TABLE, folder_of, table_of
from facecluster.library.read import read
from facecluster.library.refer import Spelling, find_person
from facecluster.text import many, printable, size, some

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.render.report import Content, Look, Made
    from facecluster.result import Person, Result
    from facecluster.table import Picture

_log = logging.getLogger(__name__)

_PAGES = (".html", ".htm")
_N_LOST = 3
"""Photos that are named where they cannot be shown."""


@click.command("report")
@click.argument("source", metavar="LIBRARY")
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(),
    metavar="FILE|DIR",
    help="One file that holds everything (NAME.html), or a folder of pages with pictures beside them. A file of more "
    "than 200 people, or of 300 MB, becomes a folder.",
)
@click.option(
    "--person",
    "who",
    multiple=True,
    metavar="WHO",
    help="Only this person, by id or name. May be given often.",
)
@click.option("--named-only", is_flag=True, help="Only people who have a name.")
@click.option("--hidden", is_flag=True, help="Hidden people, too.")
@click.option("--thumbnails-only", is_flag=True, help="Faces alone, no photos.")
@click.option("--no-file-names", is_flag=True, help="Do not say what the photos are called.")
@click.option("--title", metavar="TEXT", help="Stands above it.  [default: People, or the one person's name]")
@click.option(
    "--table",
    "table_file",
    metavar="FILE",
    help=f"Face table that has the times of photos.  [default: as LIBRARY says, or {TABLE} beside it]",
)
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Photos decoded at a time.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what was made as JSON, as a pipe gets it anyway."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no messages but errors.")
def command(
    source: str,
    target: str,
    who: Sequence[str],
    named_only: bool,
    hidden: bool,
    thumbnails_only: bool,
    no_file_names: bool,
    title: str | None,
    table_file: str | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make pages of people and their photos that can be given to somebody.

    They open in any browser, from a USB stick too, without a server and without a network, and can be printed. There
    are a cover of each person, names, years, faces, and photos with boxes and names that can be switched off. Photos
    are scaled to 1280 pixels, and have no metadata (no place, no camera). Encodings, and where photos lie on the disk,
    are not told. Who may not read the photos may not read the report.
    """
    from facecluster.library.contents import Contents
    from facecluster.progress import bar
    from facecluster.render.report import Content, Look, make

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    if not target:
        raise UsageError("-o: an empty name; is a variable unset?")
    result = read(source)
    people = _chosen(result, source, who, table_file, named_only=named_only, hidden=hidden)
    pictures, times = _known(result, source, table_file)
    if title is None:
        title = people[0].name if len(people) == 1 else None
    look = Look(title or "People", photos=not thumbnails_only, file_names=not no_file_names)
    n_photos = len({face.photo for person in people for face in person.faces})
    n_without = result.counts.photos - result.counts.unreadable - n_photos
    content = Content(people, pictures, times, 0 if who else n_without)
    path, as_folder, why = _form(target, content, look)
    _check(path, as_folder=as_folder)
    n_pictures = len({(face.photo, face.moment) for person in people for face in person.faces})
    with bar(total=n_pictures, what="photos", shown=not quiet) as progress:
        made = make(
            content,
            look,
            path,
            Contents(result, lambda: pictures),
            as_folder=as_folder,
            threads=jobs or min(os.cpu_count() or 1, 4),
            advance=partial(progress.update, 1),
        )
    _tell(made, result, why, n_without, as_folder=as_folder, as_json=as_json, quiet=quiet)


def _chosen(
    result: Result,
    source: str,
    who: Sequence[str],
    table_file: str | None,
    *,
    named_only: bool,
    hidden: bool,
) -> list[Person]:
    """The people of the report, in the order in which they were named, else of the library.

    Raises:
        FaceclusterError: there is none.
    """
    if who:
        look = look_in(result, source, table_file)
        found = {person.id: person for person in (find_person(result, text, look) for text in who)}
        people = [*found.values()]
    else:
        people = [person for person in result.people if hidden or not person.hidden]
    chosen = [person for person in people if person.name is not None or not named_only]
    if not chosen:
        lack = "somebody with a name" if named_only and people else "anybody"
        raise FaceclusterError(f"{source}: does not have {lack} to show; nothing was written")
    return chosen


def _known(
    result: Result, source: str, table_file: str | None
) -> tuple[Mapping[str, Picture], Mapping[str, float]]:
    """What the face table says of photos, and when they were taken; nothing, with a notice, where it is gone.

    Raises:
        TableError: the one that the user named cannot be read.
    """
    import numpy as np

    from facecluster.formats import face_table
    from facecluster.table import pictures

    try:
        file = table_file or table_of(result, folder_of(source))
        table = None if file is None else face_table.read(file)
    except TableError:
        if table_file is not None:
            raise
        table = None
    if table is None:
        _log.warning("%s: its face table is not there or cannot be read, so that no years are known", source)
        return {}, {}
    photos = table.photos
    known = np.isfinite(photos.time)
    times = dict(zip(photos.path[known].tolist(), photos.time[known].tolist(), strict=True))
    return pictures(photos.path, photos.size, photos.coded), times


def _form(output: str, content: Content, look: Look) -> tuple[Path, bool, str]:
    """Say where the report goes, whether it is a folder, and why."""
    from facecluster.render.report import MOST_BYTES, MOST_PEOPLE, estimate

    path = Path(output)
    if path.suffix.lower() not in _PAGES or output.endswith(("/", os.sep)):
        return path, True, "as -o names one"
    n, n_bytes = len(content.people), estimate(content, look)
    if n > MOST_PEOPLE:
        return path.with_suffix(""), True, f"as {n} people are too many for one file (at most {MOST_PEOPLE})"
    if n_bytes > MOST_BYTES:
        less = "" if not look.photos else "; --thumbnails-only takes less"
        return path.with_suffix(""), True, f"as one file would have about {size(n_bytes)}{less}"
    return path, False, "it holds everything"


def _check(path: Path, *, as_folder: bool) -> None:
    """Make sure that the report replaces nothing but one of ours, before photos are read.

    Raises:
        OutputError: it would.
    """
    from facecluster.durable.own_file import not_ours
    from facecluster.render.report import is_report, is_report_folder

    try:
        if not path.exists():
            return
        if as_folder and path.is_dir() and any(path.iterdir()) and not is_report_folder(path):
            raise not_ours(path)
        if as_folder and not path.is_dir():
            raise OutputError(f"{path}: is a file, and the report becomes a folder; choose another output")
        if not as_folder and path.is_file() and path.stat().st_size and not is_report(path):
            raise not_ours(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}; choose another output") from error


def _tell(
    made: Made, result: Result, why: str, n_without: int, *, as_folder: bool, as_json: bool, quiet: bool
) -> None:
    """Say what was made, and what is not in it."""
    from facecluster.render.report import about_left_out

    if not quiet and made.lost:
        spelling = Spelling(result)
        named = some([f"{spelling.photo(path)} ({reason})" for path, reason in made.lost], _N_LOST, "; ")
        _log.warning("%s cannot be shown: %s", many(len(made.lost), "photo"), named)
    if as_json or not sys.stdout.isatty():
        record = {
            "path": str(made.path),
            "form": "folder" if as_folder else "file",
            "people": made.people,
            "faces": made.faces,
            "photos": made.photos,
            "without": n_without,
            "bytes": made.n_bytes,
            "private": made.private,
            "lost": [path for path, _ in made.lost],
        }
        click.echo(json.dumps(record))
        return
    what = [many(made.people, "person", "people"), many(made.faces, "face")]
    what += [many(made.photos, "photo")] if made.photos else []
    form = "a folder" if as_folder else "one file"
    click.echo(f"{printable(str(made.path))}: {form}, {why}: {', '.join(what)}, {size(made.n_bytes)}")
    if quiet:
        return
    if n_without:
        click.echo(about_left_out(n_without), err=True)
    if as_folder:
        click.echo(f"to look: open {printable(str(made.path / 'index.html'))} in a browser", err=True)
    if made.private:
        click.echo("only you may read it, as not everybody may read its photos", err=True)
