"""`facecluster search`: photos and a face table or a result in; whom their faces are like, out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import click

from facecluster.cli.encode import Request, find, progress
from facecluster.cli.labels import (
    check_labels,
    check_names,
    label_face_option,
    labels_option,
)
from facecluster.cli.parameters import FloatRange
from facecluster.cli.sources import (
    known_faces,
    look_in,
    read_table,
    refuse_table,
    spelling_of,
    table_option,
)
from facecluster.errors import TableError, UsageError
from facecluster.library.labels import (
    NAMES,
    label_faces,
)
from facecluster.library.layout import is_result
from facecluster.library.read import read
from facecluster.library.refer import find_face
from facecluster.text import many, per_cent, printable

if TYPE_CHECKING:  # NumPy and the networks are loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.identity.boxes import Main
    from facecluster.library.refer import Spelling
    from facecluster.render.matches import Gallery, Match, Query
    from facecluster.table import FaceTable

    Wanted = tuple[FaceTable, NDArray[np.bool_]]

_log = logging.getLogger(__name__)

NOBODY = 3
"""Exit code where no face is like anybody's."""


@click.command("search")
@click.argument("paths", nargs=-1, metavar="[PHOTO]...")
@click.option(
    "--in",
    "source",
    required=True,
    metavar="FILE|LIBRARY",
    help="What is searched: a face table (- for one on standard input), or a folder of results or its clusters.json.",
)
@click.option(
    "--faces", "query_file", metavar="FILE", help="Look for the faces of a face table, in place of photos."
)
@click.option(
    "--face",
    "face",
    metavar="FACE",
    help="Look for a face of LIBRARY, which is then left out of what is searched: its id, the start of it, or its "
    "photo, with #2 for the second face of several.",
)
@click.option(
    "--by",
    type=click.Choice(["face", "person"]),
    help="Find single faces, or people by all their reference faces (see explain), labels by all their faces.  "
    "[default: person, but face in a table without --labels]",
)
@labels_option
@label_face_option
@click.option(
    "-k",
    "number",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Matches of a face, at most.",
)
@click.option(
    "--min-score",
    type=FloatRange(0, 100),
    metavar="PERCENT",
    help="Confidence in per cent that is enough for a match; 0 takes everybody.  "
    "[default: as near as cluster asks for]",
)
@click.option("--largest", is_flag=True, help="Look only for the largest face of each photo.")
@table_option
@click.option("-0", "--null", is_flag=True, help="Names on standard input end with NUL (find -print0).")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=-1), default=-1, help="Worker processes.  [default: one a core]"
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON a face, as a pipe gets it anyway."
)
@click.option("-q", "--quiet", is_flag=True, help="Neither progress nor summary.")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    source: str,
    query_file: str | None,
    face: str | None,
    by: Literal["face", "person"] | None,
    labels_from: str | None,
    which: Main | None,
    number: int,
    min_score: float | None,
    largest: bool,
    table_file: str | None,
    null: bool,
    jobs: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say whom the faces of photos are like: people of a result, or faces or labels of a face table.

    PHOTO is a photo, a folder of photos, or - for a list of such on standard input; they are encoded as those that are
    searched. Each match has its distance and a confidence: of as many pairs of faces of one person as of two, how many
    of 100 that far apart are of one. Exit code 0: somebody is found; 3: for no face at all.
    """
    from facecluster.render.matches import check_encoders, search_tables, to_json

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    _check_queries(paths, query_file, face, source, null=null, largest=largest)
    gallery, labelled = read_gallery(source, labels_from, which, table_file)
    if by == "person" and not labelled:
        raise UsageError(
            f"{source}: a face table does not say who is who; say it with --labels, or give a result"
        )
    if by is None:
        by = "person" if labelled else "face"
    if face is not None:
        gallery, queries, n_photos = _face_of(source, face, gallery)
    elif query_file is not None:
        table = read_table(query_file)
        try:
            check_encoders(gallery.table, table)
        except TableError as error:
            raise TableError(f"{query_file}: {error}") from error
        queries, n_photos = iter([(table, _wanted(table, largest=largest))]), len(table.photos)
    else:
        queries, n_photos = _photos(Request(paths, null, {}, jobs, quiet), gallery, source, largest=largest)
    tally = Tally()
    found = search_tables(gallery, queries, by, k=number, min_score=min_score, jobs=jobs)
    plain_text = sys.stdout.isatty() and not as_json
    spelling = spelling_of(source) if plain_text else None
    before: str | None = None
    with closing(found), progress(n_photos, quiet=quiet) as bar:
        for query in found:
            with bar.external_write_mode():
                sys.stdout.writelines(_lines(query, spelling) if plain_text else [to_json(query)])
                sys.stdout.flush()
            tally.add(query)
            bar.update(query.photo != before)
            before = query.photo
    if not quiet:
        click.echo(tally.summary(gallery, by), err=True)
    if not tally.found:
        ctx.exit(NOBODY)


def _check_queries(
    paths: Sequence[str], query_file: str | None, face: str | None, source: str, *, null: bool, largest: bool
) -> None:
    """Make sure that it is clear what is looked for.

    Raises:
        UsageError: it is not.
    """
    given = [name for name, value in (("PHOTO", paths), ("--faces", query_file), ("--face", face)) if value]
    if not given:
        raise UsageError("whom to look for? Give photos, --faces FACE_TABLE, or --face FACE of the result")
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: give one of them")
    if face is not None and largest:
        raise UsageError("--face is one face; leave --largest out")
    if null and "-" not in paths:
        raise UsageError("-0 is about the list on standard input; give - for it")
    if (source == "-") + (query_file == "-") + ("-" in paths) > 1:
        raise UsageError("standard input can be only one of the two")


# --------------------------------------------------------------------------------------------------- reading


def read_gallery(
    source: str, labels_from: str | None, which: Main | None, table_file: str | None
) -> tuple[Gallery, bool]:
    """Read what is searched, and whether it says who is who.

    Raises:
        FaceclusterError: it cannot be read, or the options do not fit it.
    """
    from facecluster.render.matches import Gallery

    check_labels(source, labels_from, which)
    if is_result(source):
        result = read(source)
        if labels_from == NAMES:
            check_names(result, source)
        known, table = known_faces(result, source, table_file)
        return Gallery.of_result(known, table, named=labels_from == NAMES), True
    refuse_table(source, table_file)
    table = read_table(source)
    try:
        if labels_from is None:
            return Gallery.of_table(table), False
        label, texts, _ = label_faces(table, source, labels_from, which)
        return Gallery.of_table(table, label, texts), True
    except TableError as error:
        raise TableError(f"{source}: {error}") from error


# --------------------------------------------------------------------------------------------------- queries


def _wanted(table: FaceTable, *, largest: bool) -> NDArray[np.bool_]:
    """Say which faces of a table are looked for."""
    import numpy as np

    from facecluster.identity.boxes import main_faces

    return main_faces(
        table.faces.photo.astype(np.int64),
        table.faces.box.astype(np.float64),
        "largest" if largest else "all",
    )


def _photos(
    request: Request, gallery: Gallery, source: str, *, largest: bool
) -> tuple[Iterator[Wanted], int]:
    """Encode photos as those of a gallery, and say how many there are.

    Raises:
        FaceclusterError: there are none; the gallery was encoded in a way that is gone.
    """
    from facecluster.encoding.pipeline import encode_each
    from facecluster.options import options_of
    from facecluster.render.matches import check_encoders

    settings = gallery.table.settings
    options = options_of(settings)
    if not settings.detector:
        _log.warning(
            "%s: does not say what found its faces; %s looks for those of your photos",
            source,
            options.detector,
        )
    found = find(request)
    paths = found.photos
    if not request.quiet and (aside := found.aside()):
        click.echo(aside, err=True)

    def tables() -> Iterator[Wanted]:
        for table in encode_each(paths, options, jobs=request.jobs):
            check_encoders(gallery.table, table)
            yield table, _wanted(table, largest=largest)

    return tables(), len(paths)


def _face_of(source: str, text: str, gallery: Gallery) -> tuple[Gallery, Iterator[Wanted], int]:
    """Find a face of a result, and leave it out of what is searched.

    Raises:
        FaceclusterError: there is no such face, or several.
    """
    import numpy as np

    from facecluster.table import Faces, FaceTable, Photos

    if not is_result(source):
        raise UsageError(f"{source}: is taken for a face table; --face is of a result")
    result = read(source)
    face = find_face(result, text, None, look_in(result, source))
    table = gallery.table
    photo = np.flatnonzero(table.photos.path == face.photo)
    rows = np.flatnonzero(np.isin(table.faces.photo, photo))
    faces = {name: column[rows] for name, column in vars(table.faces).items()}
    faces["photo"] = np.zeros(len(rows), dtype=np.int32)
    photos = Photos(**{name: column[photo[:1]] for name, column in vars(table.photos).items()})
    query = FaceTable(photos, Faces(**faces), table.settings)
    return gallery.without(face.id), iter([(query, query.faces.id == face.id)]), 1


# --------------------------------------------------------------------------------------------------- telling


@dataclass
class Tally:
    """How many faces were looked for and found, and photos that show none."""

    photos: set[str] = field(default_factory=set)
    faces: int = 0
    found: int = 0
    no_face: int = 0
    unreadable: int = 0

    def add(self, query: Query) -> None:
        """Count a face, or a photo without one."""
        self.photos.add(query.photo)
        self.faces += query.face is not None
        self.found += bool(query.matches)
        self.no_face += query.status == "no_face"
        self.unreadable += query.status == "unreadable"

    def summary(self, gallery: Gallery, by: str) -> str:
        """Say in a line or two what was found among what."""
        among = many(gallery.n_people, "person", "people") if by == "person" else many(len(gallery), "face")
        asked = f"{many(self.faces, 'face')} in {many(len(self.photos), 'photo')} looked for among {among}"
        lines = [f"{asked}: {self.found} found, {self.faces - self.found} of no one here"]
        if self.no_face or self.unreadable:
            lines.append(f"{many(self.no_face, 'photo')} without a face, {self.unreadable} unreadable")
        return "\n".join(lines)


def _lines(query: Query, spelling: Spelling | None = None) -> Iterable[str]:
    """Write a face and its matches for a terminal; `spelling` is of the result that is searched, if it is one."""
    number = "" if query.face is None else f"#{query.face}"
    yield f"{printable(query.photo)}{number}\n"
    for match in query.matches:
        yield f"  {match.confidence:5.1f} %  {match.distance:.2f}  {_whose(match, spelling)}\n"
    if query.matches:
        return
    if query.face is None:
        yield f"  {printable(query.reason) or 'no face'}\n"
    elif query.nearest is None:
        yield "  no one: nobody to compare it with\n"
    else:
        near = query.nearest
        yield (
            f"  no one; the nearest is {near.distance:.2f} away ({per_cent(near.confidence)}), a match within "
            f"{near.within:.2f}: {_whose(near, spelling)}\n"
        )


def _whose(match: Match, spelling: Spelling | None) -> str:
    """Name who it is, and the face to look at."""
    names = [match.person, None if match.name is None else printable(match.name)]
    who = " ".join(
        name if i == 0 or match.person is None else f"({name})" for i, name in enumerate(names) if name
    )
    photo = printable(match.face.photo) if spelling is None else spelling.face(match.face)
    face = f"{photo}  [{', '.join(str(round(side)) for side in match.face.box)}]"
    if match.n_faces == 1:
        return f"{who}  {face}" if who else face
    return f"{who}  {match.n_faces} faces, the nearest {face}"
