"""`facecluster show LIBRARY --nobody`: the faces of nobody, those that are alike together, and a picture of them."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.messages import write_data
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.library.layout import NOBODY_SHEET
from facecluster.render.columns import aligned
from facecluster.text import many, printable

if TYPE_CHECKING:  # NumPy and Pillow are loaded when there is work to do
    from facecluster.library.refer import Spelling
    from facecluster.library.strangers import Group
    from facecluster.result import Result, UnclusteredFace
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

_ON_TERMINAL = 20
"""Groups that a terminal gets, and a picture has, where no limit is given."""
_N_FACES = 8
"""Faces of a group that a terminal names."""


def show_nobody(
    source: str,
    result: Result,
    table_file: str | None,
    *,
    limit: int | None,
    after: str | None,
    form: str,
    end: str,
    image: Path | None,
    quiet: bool,
) -> None:
    """List the groups of strangers, as show lists people, and draw them.

    Args:
        source: the library, as it was named.
        result: who is who in it.
        table_file: its face table; None: as the library says.
        limit: groups, at most; None: all, but on a terminal `_ON_TERMINAL`.
        after: the group that the page before ended with.
        form: table, json, jsonl, csv or paths.
        end: of a path.
        image: where the picture goes; None: into the library, but where another program reads the list, nowhere.
        quiet: no messages but errors.
    """
    from facecluster.cli.sources import known_faces
    from facecluster.library.refer import Spelling
    from facecluster.library.strangers import strangers
    from facecluster.render.show import cut, to_json, to_jsonl
    from facecluster.render.side_by_side import check_target

    if image is not None:
        check_target(image)
    known, table = known_faces(result, source, table_file)
    groups = strangers(known, table)
    spelling = Spelling(result)
    if limit is None and form == "table":
        limit = _ON_TERMINAL
    try:
        page, where = cut(groups, lambda group: group.id, after, limit)
    except LookupError:
        raise FaceclusterError(
            f"--after {printable(after or '')}: no group is called so (any more); start again without --after"
        ) from None
    if form == "table":
        click.echo("\n".join(_report(page, spelling)))
    elif form in ("json", "jsonl"):
        records = (_record(group, spelling) for group in page)
        write_data(to_jsonl(records) if form == "jsonl" else to_json(vars(where), "groups", records), form)
    elif form == "csv":
        write_data(_csv(page, spelling), form)
    else:
        paths = dict.fromkeys(face.photo for group in page for face in group.faces)
        write_data((path + end for path in paths), form)
    drawn = _draw(source, page, spelling, table, image) if image is not None or form == "table" else None
    if quiet:
        return
    n_faces = sum(len(group.faces) for group in groups)
    click.echo(f"{many(n_faces, 'face')} of nobody, in {many(len(groups), 'group')}", err=True)
    if where.next is not None:
        click.echo(f"the next groups come with --after {where.next}", err=True)
    if drawn is not None:
        click.echo(f"a picture of these: {printable(str(drawn))}", err=True)
    if page and form == "table":
        library, first = shlex.quote(source), page[0].id
        click.echo(f"to make a person of one: facecluster name {library} NAME {first}", err=True)
        click.echo(f"nobody you know:         facecluster not-a-person {library} {first} ...", err=True)


def heading(group: Group) -> str:
    """Say how many faces a group has, and what it lacks to be a person."""
    text = f"{many(len(group.faces), 'face')} in {many(group.n_photos, 'photo')}"
    if group.almost is not None and group.almost.n_photos < group.almost.n_photos_needed:
        n = group.almost.n_photos_needed - group.almost.n_photos
        text += f"; {many(n, 'more good photo')} would make this a person"
    return text


def _report(groups: Sequence[Group], spelling: Spelling) -> Iterator[str]:
    """Write a line a group, and below it one for its faces."""
    for group in groups:
        yield f"{group.id}  {heading(group)}"
        rows = [(spelling.face(face), _why(face)) for face in group.faces[:_N_FACES]]
        yield from (f"  {line}" for line in aligned(rows))
        if len(group.faces) > _N_FACES:
            yield f"  ... and {len(group.faces) - _N_FACES} more"


def _why(face: UnclusteredFace) -> str:
    """Say why a face is nobody's."""
    from facecluster.identity.gate import Reason

    return next((reason.text for reason in Reason if reason.code == face.reason), face.reason)


def _record(group: Group, spelling: Spelling) -> dict[str, object]:
    """A group as JSON has it; `name` of a face is how other verbs take it."""
    return {
        "id": group.id,
        "n_faces": len(group.faces),
        "n_photos": group.n_photos,
        "n_good": group.n_good,
        "faces": [
            {
                "id": face.id,
                "name": spelling.face(face),
                "photo": face.photo,
                "box": face.box,
                **face.moment.record,
                "quality": face.quality,
                "reason": face.reason,
            }
            for face in group.faces
        ],
    }


def _csv(groups: Sequence[Group], spelling: Spelling) -> Iterator[str]:
    """Write a header and a row a face."""
    from facecluster.render.show import to_csv

    header = ("group", "face", "name", "photo", "left", "top", "right", "bottom", "quality", "reason")
    rows = (
        (group.id, face.id, spelling.face(face), face.photo, *face.box, face.quality, face.reason)
        for group in groups
        for face in group.faces
    )
    return to_csv(header, rows)


# --------------------------------------------------------------------------------------------------- drawing


def _draw(
    source: str, groups: Sequence[Group], spelling: Spelling, table: FaceTable, image: Path | None
) -> Path | None:
    """Draw the groups, and say where the picture is; None where there is none, which is told."""
    from facecluster.durable.own_file import refuse_link
    from facecluster.library.layout import folder_of
    from facecluster.render.contact_sheet import MOST, SheetGroup, contact_sheet
    from facecluster.render.side_by_side import check_target, write_picture
    from facecluster.render.tile import Tile, turns_of

    if not groups:
        return None
    if len(groups) > MOST:
        _log.warning("the picture has the first %d groups; the next ones come with --after", MOST)
    size = dict(zip(table.photos.path.tolist(), map(tuple, table.photos.size.tolist()), strict=True))
    blocks = [
        SheetGroup(
            group.id,
            heading(group),
            tuple(
                Tile(
                    face.photo,
                    face.box,
                    size.get(face.photo, (0, 0)),
                    (spelling.place(face),),
                    turns_of(face.pose.roll),
                    face.moment,
                )
                for face in group.faces
            ),
        )
        for group in groups[:MOST]
    ]
    pixels, missing = contact_sheet(blocks, f"Faces of nobody in {folder_of(source).name or source}")
    for photo, why in missing[:_N_FACES]:
        _log.warning("%s: cannot be shown: %s", printable(photo), why)
    target = folder_of(source) / NOBODY_SHEET if image is None else image
    try:
        if image is None:
            refuse_link(target)
            check_target(target)
        write_picture(target, pixels)
    except (OutputError, UsageError) as error:
        if image is not None:
            raise
        _log.warning("there is no picture of these faces: %s", error)
        return None
    return target
