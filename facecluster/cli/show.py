"""`facecluster show`: a result in; who is there, or which photos show whom, out."""

from __future__ import annotations

import gc
import logging
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facecluster.cli.messages import write_data
from facecluster.cli.sources import look_in
from facecluster.errors import FaceclusterError, TableError, UsageError
from facecluster.library.layout import CLUSTERS, NOBODY_SHEET, TABLE, folder_of, table_of
from facecluster.library.read import read
from facecluster.library.refer import find_person, find_shown, is_person
from facecluster.render.columns import aligned
from facecluster.text import clock, fold, many, per_cent, photos_in_words, printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.render.attributes import Attributes, PersonAttributes
    from facecluster.render.imm import Measured
    from facecluster.render.show import (
        About,
        Album,
        Page,
        PhotoFacts,
        ShownFace,
        ShownPerson,
        ShownPhoto,
        Span,
        Taken,
    )
    from facecluster.result import Person, Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_SORT_PEOPLE = ("faces", "photos", "name", "id", "first", "last")
_SORT_PHOTOS = ("time", "path", "faces", "confidence")
_FALLING = ("faces", "photos", "confidence")
"""Keys that most come first by."""
_FORMATS = ("table", "json", "jsonl", "csv", "paths")


@dataclass(frozen=True)
class _Listing:
    """What is asked for.

    Attributes:
        sort: one of `_SORT_PEOPLE` or `_SORT_PHOTOS`; None: the first of them.
        form: one of `_FORMATS`.
        end: of a path.
        The others are as on the command line.
    """

    min_photos: int
    sort: str | None
    reverse: bool
    limit: int | None
    after: str | None
    form: str
    end: str
    imm: bool
    hidden: bool


@click.command("show")
@click.argument("source", metavar="LIBRARY")
@click.argument("who", metavar="[PERSON]", required=False)
@click.option("--photo", metavar="PATH", help="List this photo, or the copies of it that LIBRARY knows.")
@click.option("--photos", "every", is_flag=True, help="List all photos in which there is a face.")
@click.option(
    "--nobody",
    is_flag=True,
    help="List the faces of nobody, those that are alike together, the most promising first.",
)
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --nobody: picture (.jpg, .png) of the groups that are listed.  "
    f"[default: {NOBODY_SHEET} in LIBRARY; in a pipe none]",
)
@click.option(
    "--together",
    nargs=2,
    multiple=True,
    metavar="A B",
    help="List photos that show both people (and PERSON, if given). May be given often.",
)
@click.option(
    "--only",
    is_flag=True,
    help="Of these photos, those that show nobody else: no other face, recognised or not, but what not-a-person named.",
)
@click.option("--hidden", is_flag=True, help="List people whom hide left out, too.  [JSON has them anyway]")
@click.option(
    "--min-photos", type=click.IntRange(min=1), metavar="N", help="List people in N photos or more."
)
@click.option(
    "--sort",
    type=click.Choice(list(dict.fromkeys((*_SORT_PEOPLE, *_SORT_PHOTOS)))),
    help="Of people: faces (most first), photos, name, id, first, last (when they were seen). Of photos: time, path, "
    "faces, confidence (surest first). What is unknown comes last.  [default: faces of people, time of photos]",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="List N people or photos at most.")
@click.option(
    "--after",
    metavar="ID|PATH",
    help="Go on after this person or photo, the last one of the page before: `next` of the JSON.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="csv has a row a person, or of photos a row a face; paths are those of the photos that are listed, or of the "
    "people who are.  [default: table on a terminal, else json]",
)
@click.option(
    "-0", "--null", is_flag=True, help="Print paths with a null character behind each, for xargs -0."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--imm", is_flag=True, help="Print JSON with the field names of Alibaba IMM.")
@click.option(
    "--table",
    "table_file",
    metavar="FILE",
    help=f"Face table that has the times of photos, and attributes.  [default: as LIBRARY says, or {TABLE} beside it]",
)
@click.option("-q", "--quiet", is_flag=True, help="No messages but errors.")
def command(
    source: str,
    who: str | None,
    photo: str | None,
    every: bool,
    nobody: bool,
    image: Path | None,
    together: Sequence[tuple[str, str]],
    only: bool,
    hidden: bool,
    min_photos: int | None,
    sort: str | None,
    reverse: bool,
    limit: int | None,
    after: str | None,
    form: str | None,
    null: bool,
    as_json: bool,
    imm: bool,
    table_file: str | None,
    quiet: bool,
) -> None:
    """Say who is there, and which photos show whom.

    LIBRARY is a folder that cluster or run made, or its clusters.json. Without more, all people are listed: how many
    faces and photos they have, their cover face, when they were first and last seen. With PERSON (an id or a name),
    --together, --photo or --photos, photos are listed: when each was taken, and all its faces, with whose each is, box,
    pose, quality, and how sure it is that it is that person's.
    """
    from facecluster.render.show import find_photos

    names = [*([] if who is None else [who]), *(name for pair in together for name in pair)]
    of_photos = bool(names) or every or photo is not None
    _check_usage(names, photo, every, only, min_photos, sort, of_photos, nobody)
    if image is not None and not nobody:
        raise UsageError("--image is a picture of --nobody; give that too")
    if as_json and (null or form not in (None, "json")):
        raise UsageError(f"--json is a format; leave {'-0' if null else f'--format {form}'} out")
    form = _form("json" if as_json else form, null, imm)
    listing = _Listing(
        min_photos or 1, sort, reverse, limit, after, form, "\0" if null else "\n", imm, hidden
    )
    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    result = read(source)
    look = look_in(result, source, table_file)
    if nobody:
        from facecluster.cli.nobody import show_nobody

        show_nobody(
            source,
            result,
            table_file,
            limit=limit,
            after=after,
            form=form,
            end=listing.end,
            image=image,
            quiet=quiet,
        )
        return
    if who is not None and not together and not only and not is_person(result, who):
        names, photo = [], who
    named = list(
        {person.id: person for person in (find_person(result, name, look) for name in names)}.values()
    )
    known, numbers = _known(result, source, table_file, imm=imm)
    gc.freeze()  # of millions of records none is garbage; looking through them takes longer than all the rest
    if not of_photos:
        pieces, page = _people(result, known, listing, numbers, _written(source))
    else:
        if photo is not None:
            paths = find_shown(result, photo, look, known.contents())
            if not paths and who == photo:
                find_person(result, photo)  # says who is like it
            if not paths:
                raise FaceclusterError(
                    f"{printable(photo)}: no such photo in the library; show --photos lists those with faces"
                )
            photos: Album = dict.fromkeys(paths, ()) | dict(find_photos(result, paths=paths))
        else:
            photos = find_photos(result, named, only=only)
        pieces, page = _photos(photos, named, known, listing, numbers)
    if form == "table":
        for piece in pieces:
            click.echo(piece)
    else:
        write_data(pieces, form)
    n_hidden = sum(person.hidden for person in result.people)
    if n_hidden and form == "table" and not of_photos and not hidden and not quiet:
        are = "more is" if n_hidden == 1 else "more are"
        click.echo(f"{n_hidden} {are} hidden; to list them too: --hidden", err=True)
    if not page.total and not quiet:
        click.echo("no photo is like that" if of_photos else "nobody is like that", err=True)
    if page.next is not None and not quiet:
        last = printable(page.next)
        click.echo(f"there are {page.total} in all; the next come with --after {last}", err=True)


def _check_usage(
    names: Sequence[str],
    photo: str | None,
    every: bool,
    only: bool,
    min_photos: int | None,
    sort: str | None,
    of_photos: bool,
    nobody: bool,
) -> None:
    """Refuse options that make no sense together."""
    if nobody and (of_photos or min_photos is not None or sort is not None):
        raise UsageError(
            "--nobody lists faces of nobody alone; leave PERSON, --photo, --photos, --min-photos and --sort out"
        )
    if bool(names) + every + (photo is not None) > 1:
        raise UsageError("PERSON or --together, --photo, --photos: give one of the three")
    if only and not names:
        raise UsageError("--only: say whom, with PERSON or --together")
    if min_photos is not None and of_photos:
        raise UsageError("--min-photos is about people; leave it out where photos are listed")
    keys, what = (_SORT_PHOTOS, "photos") if of_photos else (_SORT_PEOPLE, "people")
    if sort is not None and sort not in keys:
        raise UsageError(f"--sort {sort}: {what} are sorted by {', '.join(keys)}")


def _form(form: str | None, null: bool, imm: bool) -> str:
    """Choose the format; one option may tell it by itself."""
    if null and form not in (None, "paths"):
        raise UsageError(f"-0 is about paths; leave --format {form} out")
    if imm and (null or form not in (None, "json", "jsonl")):
        raise UsageError(f"--imm is about JSON; leave {'-0' if null else f'--format {form}'} out")
    if form is not None:
        return form
    if null:
        return "paths"
    return "table" if sys.stdout.isatty() and not imm else "json"


# --------------------------------------------------------------------------------------------------- reading


def _table(result: Result, source: str, table_file: str | None) -> FaceTable | None:
    """Read the face table of a result; None, with a notice, where there is none or it is not of these photos.

    Raises:
        TableError: the one that the user named cannot be read.
    """
    from facecluster.formats import face_table

    if table_file is not None:
        return face_table.read(table_file)
    missing = "times of photos, and attributes of faces, are not known; give it with --table FILE"
    file = table_of(result, folder_of(source))
    if file is None:
        _log.warning("%s: its face table is gone; %s", source, missing)
        return None
    try:
        return face_table.read(file)
    except TableError as error:
        _log.warning("%s; %s", error, missing)
        return None


def _known(result: Result, source: str, table_file: str | None, *, imm: bool) -> tuple[PhotoFacts, Measured]:
    """Say what the face table of a result knows of photos and, if it is asked for, of faces; the rest is let go."""
    from facecluster.render.imm import measured
    from facecluster.render.show import PhotoFacts

    table = _table(result, source, table_file)
    if table is None:
        return PhotoFacts(None), {}
    known = PhotoFacts(table)
    missing = {face.photo for person in result.people for face in person.faces if known.lacks(face)}
    if missing:
        _log.warning(
            "%s: its face table lacks %s, of which times and attributes are not known",
            source,
            many(len(missing), "photo"),
        )
    return known, measured(table) if imm else {}


def _file(source: str) -> Path:
    """The clusters.json of a result."""
    return Path(source) / CLUSTERS if os.path.isdir(source) else Path(source)


def _written(source: str) -> float:
    """When a result was written, in seconds since 1970."""
    return _file(source).stat().st_mtime


# -------------------------------------------------------------------------------------------------- listing


def _people(
    result: Result, known: PhotoFacts, listing: _Listing, numbers: Measured, written: float
) -> tuple[Iterable[str], Page]:
    """List people; the texts are made as they are asked for."""
    from facecluster.render import imm, show

    records = {person.id: show.show_person(person, known) for person in result.people}
    keys = {
        "faces": lambda person: person.n_faces,
        "photos": lambda person: person.n_photos,
        "name": lambda person: None if person.name is None else fold(person.name),
        "id": lambda person: person.id,
        "first": lambda person: records[person.id].first_seen,
        "last": lambda person: records[person.id].last_seen,
    }
    sort = listing.sort or _SORT_PEOPLE[0]
    chosen = [person for person in result.people if person.n_photos >= listing.min_photos]
    if listing.form == "table" and not listing.hidden:
        chosen = [person for person in chosen if not person.hidden]
    chosen = show.ordered(chosen, keys[sort], falling=(sort in _FALLING) != listing.reverse)
    after = None if listing.after is None else find_person(result, listing.after).id
    people, page = _cut(chosen, _id, after, listing)
    shown = [records[person.id] for person in people]
    if listing.imm:
        covers = {person.cover_photo for person in shown if person.cover_photo is not None}
        photos = show.find_photos(result, paths=covers)
        clusters = (
            imm.figure_cluster(
                person,
                None if (path := person.cover_photo) is None else show.show_photo(path, photos[path], known),
                written,
                numbers,
            )
            for person in shown
        )
        return _json(imm.page_of(page, "FigureClusters"), "FigureClusters", clusters, listing), page
    if listing.form == "paths":
        paths = dict.fromkeys(face.photo for person in people for face in person.faces)
        return (path + listing.end for path in paths), page
    if listing.form == "csv":
        return show.people_csv(shown), page
    if listing.form == "table":
        return people_table(shown), page
    return _json(vars(page), "people", map(show.person_record, shown), listing), page


def _photos(
    photos: Album, named: Sequence[Person], known: PhotoFacts, listing: _Listing, numbers: Measured
) -> tuple[Iterable[str], Page]:
    """List photos; the texts are made as they are asked for."""
    from facecluster.render import imm, show

    keys = {
        "time": lambda path: known.time(photos[path][0].face) if photos[path] else None,
        "path": lambda path: path,
        "faces": lambda path: len(photos[path]),
        "confidence": lambda path: show.least_confidence(photos[path], named),
    }
    sort = listing.sort or _SORT_PHOTOS[0]
    chosen = show.ordered(sorted(photos), keys[sort], falling=(sort in _FALLING) != listing.reverse)
    after = listing.after
    if after is not None and after not in photos:
        after = os.path.abspath(after)
    paths, page = _cut(chosen, str, after, listing)
    shown = (show.show_photo(path, photos[path], known) for path in paths)
    if listing.imm:
        files = (imm.file(photo, numbers) for photo in shown)
        return _json(imm.page_of(page, "Files"), "Files", files, listing), page
    if listing.form == "paths":
        return (path + listing.end for path in paths), page
    if listing.form == "csv":
        return show.photos_csv(shown), page
    people = [show.show_person(person, known) for person in named]
    if listing.form == "table":
        return photos_report(people, shown), page
    head = {"people": [show.person_record(person) for person in people], **vars(page)}
    return _json(head, "photos", map(show.photo_record, shown), listing), page


def _cut(
    items: Sequence[_T], name: Callable[[_T], str], after: str | None, listing: _Listing
) -> tuple[Sequence[_T], Page]:
    """Take the page that was asked for."""
    from facecluster.render.show import cut

    try:
        return cut(items, name, after, listing.limit)
    except LookupError:
        raise FaceclusterError(
            f"--after {printable(listing.after or '')}: is not in this listing (any more); start again without --after"
        ) from None


def _id(person: Person) -> str:
    return person.id


def _json(head: Mapping[str, Any], kind: str, records: Iterable[object], listing: _Listing) -> Iterator[str]:
    from facecluster.render.show import to_json, to_jsonl

    return to_jsonl(records) if listing.form == "jsonl" else to_json(head, kind, records)


# --------------------------------------------------------------------------------------------------- telling


def people_table(people: Sequence[ShownPerson]) -> Iterator[str]:
    """Write a header and a line a person; on a terminal, paths of covers lose their start where there is no room."""
    looks = any(person.attributes is not None for person in people)
    rows = [
        ("person", "faces", "photos", "first seen", "last seen", *["age, looks"] * looks, "name", "cover"),
        *(
            (
                printable(person.id),
                str(person.n_faces),
                str(person.n_photos),
                _day(person.first_seen),
                _day(person.last_seen),
                *[_age_of(person.attributes)] * looks,
                printable(person.name or "-"),
                printable(person.cover_photo or "-"),
            )
            for person in people
        ),
    ]
    yield from aligned(
        rows, right=(1, 2), width=shutil.get_terminal_size()[0] if sys.stdout.isatty() else None
    )


def photos_report(people: Sequence[ShownPerson], photos: Iterable[ShownPhoto]) -> Iterator[str]:
    """Write a line a person, then a line a photo, and below it one a face."""
    for person in people:
        yield _heading(person)
    if people:
        yield ""
    for photo in photos:
        about = photo.about
        parts = [printable(photo.path), _minute(about.time)]
        if about.duration is not None:
            parts.append(f"video of {clock(math.ceil(about.duration))}")
        if about.pages > 1:
            parts.append(many(about.pages, "page"))
        if not photo.faces:
            parts.append(printable(about.reason or "no face"))
        yield "  ".join(filter(None, parts))
        called = {face.person: _whose(face) for face in photo.faces}
        there = [(called[own], spans_in_words(spans)) for own, spans in photo.there.items()]
        yield from (f"  {line}" for line in aligned(there))
        rows = [(f"#{face.number}", _whose(face), _numbers_of(face, about)) for face in photo.faces]
        yield from (f"  {line}" for line in aligned(rows))


def spans_in_words(spans: Iterable[Span]) -> str:
    """Say from when to when somebody is there in a video: "0:12-0:31, 1:05"."""
    return ", ".join("-".join(dict.fromkeys((clock(start), clock(math.ceil(stop))))) for start, stop in spans)


def _heading(person: ShownPerson) -> str:
    who = person.id if person.name is None else f"{person.id} ({person.name})"
    first, last = _day(person.first_seen), _day(person.last_seen)
    seen = "" if person.first_seen is None else f", {first}" if first == last else f", {first} to {last}"
    former = f", formerly {', '.join(person.former)}" if person.former else ""
    cover = "" if person.cover_photo is None else f", cover {person.cover_photo}"
    looks = "" if person.attributes is None else f", age {_age_of(person.attributes)}"
    photos = photos_in_words(person.n_photos, person.n_videos)
    return printable(f"{who}: {many(person.n_faces, 'face')} in {photos}{seen}{looks}{former}{cover}")


def _whose(face: ShownFace) -> str:
    from facecluster.identity.gate import Reason

    if face.person is not None:
        return printable(face.person if face.name is None else f"{face.person} ({face.name})")
    why = next((reason.text for reason in Reason if reason.code == face.reason), face.reason or "")
    return f"nobody: {printable(why)}"


def _numbers_of(face: ShownFace, about: About) -> str:
    left, top, right, bottom = map(round, face.box)
    where = face.moment.words or ("page 1" if about.pages > 1 else "")
    parts = [*filter(None, [where]), f"{right - left}x{bottom - top} at {left},{top}"]
    parts += [
        f"{name} {round(angle)}°"
        for name in ("pitch", "yaw", "roll")
        if (angle := getattr(face.pose, name)) is not None
    ]
    parts += [f"quality {face.quality:.2f}"] if face.quality is not None else []
    parts += [f"confidence {per_cent(face.confidence)}"] if face.confidence is not None else []
    return "  ".join(parts + _looks_of(face.attributes))


def _looks_of(known: Attributes | None) -> list[str]:
    """Say how somebody looks, and how sure that is."""
    if known is None:
        return []
    parts = [] if known.age is None else [f"age {known.age:.0f} ± {known.age_sd:.0f}"]
    if known.gender is not None and known.gender_confidence is not None:
        parts.append(f"{known.gender} {per_cent(known.gender_confidence)}")
    for what, is_open, confidence in (
        ("mouth", known.mouth_open, known.mouth_open_confidence),
        ("eyes", known.eyes_open, known.eyes_open_confidence),
    ):
        if is_open is not None and confidence is not None:
            parts.append(f"{what} {'open' if is_open else 'closed'} {per_cent(confidence)}")
    return parts


def _age_of(known: PersonAttributes | None) -> str:
    """Say the average, least and greatest age, and the gender."""
    if known is None:
        return "-"
    return f"{known.age_average:.0f} ({known.age_min:.0f}-{known.age_max:.0f}) {known.gender}"


def _day(time: Taken | None) -> str:
    from facecluster.render.show import stamp

    return (stamp(time) or "-")[:10]


def _minute(time: Taken | None) -> str:
    from facecluster.render.show import stamp

    return (stamp(time) or "")[:16].replace("T", " ")
