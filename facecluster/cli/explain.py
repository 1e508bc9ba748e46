"""`facecluster explain`: a result and one of its faces or people in; why they are so, out."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.sources import (
    known_faces,
    look_in,
    table_option,
)
from facecluster.errors import FaceclusterError
from facecluster.library.layout import find_again, folder_of, group_again
from facecluster.library.read import read
from facecluster.library.refer import Spelling, faces_of, find
from facecluster.photos.moment import place_of
from facecluster.render.columns import aligned, n_cells, wrapped
from facecluster.text import many, printable, typed

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.identity.decisions import Decision
    from facecluster.joined import End
    from facecluster.render.explanation import (
        FaceExplanation,
        FacePair,
        Gate,
        NearFace,
        NearPerson,
        PersonExplanation,
        Ruling,
    )
    from facecluster.render.tile import Tile
    from facecluster.result import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)


@click.command("explain")
@click.argument("source", metavar="LIBRARY")
@click.argument("what", metavar="FACE|PERSON")
@table_option
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Picture (.jpg, .png): of a person the pair that is its weakest link; of a face that one, the nearest "
    "face that its person is known by, and that of the nearest other person.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="No messages but errors.")
def command(
    source: str, what: str, table_file: str | None, image: Path | None, as_json: bool, quiet: bool
) -> None:
    """Say why a face is where it is, or what holds a person together.

    LIBRARY is a folder that cluster or run made, or its clusters.json. FACE is a photo, with #2 behind it for the
    second face of several, or a face's id, or the start of one. PERSON is an id or a name.

    A person is known by reference faces: those good enough that other faces are compared with them. Of a face you are
    told which limits for that it passes, how far the reference faces of its person are, who else is near, and of a
    face that is nobody's, how it missed. Of a person: its reference faces, how far apart they are, the weakest link
    between them, and the nearest other person. The rules are those that LIBRARY was made by. A picture that cannot be
    made is an error, told after the explanation.
    """
    from facecluster.render.explain_face import explain_face
    from facecluster.render.explain_person import explain_person
    from facecluster.render.explanation import to_json
    from facecluster.render.side_by_side import check_target
    from facecluster.result import Person

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    if image is not None:
        check_target(image)
    result = read(source)
    chosen = find(result, what, look_in(result, source, table_file))
    known, table = known_faces(result, source, table_file)
    explanation: PersonExplanation | FaceExplanation
    decisions, spelling = _decisions(result, source), Spelling(result)
    if isinstance(chosen, Person):
        explanation = explain_person(known, chosen, decisions)
    else:
        face_of = {face.id: face for face in faces_of(result)}
        explanation = explain_face(
            known,
            chosen,
            decisions,
            spell=lambda face: spelling.face(face_of[face]),
            library=typed(folder_of(source)),
        )
    if as_json or not sys.stdout.isatty():
        sys.stdout.write(to_json(explanation))
    else:
        lines = (
            person_report(explanation, spelling)
            if explanation.kind == "person"
            else face_report(explanation, source, spelling)
        )
        click.echo("\n".join(_fit(lines)))
    if image is not None:
        title, tiles = _picture(explanation, table, spelling)
        _draw(image, tiles, title, source)
        if not quiet:
            click.echo(f"{printable(str(image))}: {title}", err=True)


# --------------------------------------------------------------------------------------------------- reading


def _decisions(result: Result, source: str) -> list[Decision]:
    """Read what somebody decided about a result."""
    from facecluster.formats import decisions_jsonl
    from facecluster.identity.decisions import mark

    file = decisions_jsonl.file_of(result.settings.decisions_file, folder_of(source))
    decisions = decisions_jsonl.read(file)
    if mark(decisions) != result.settings.decisions:
        _log.warning(
            "%s: %s does not show all of these decisions; to group the faces again: %s",
            file,
            source,
            group_again(folder_of(source), result),
        )
    return decisions


# -------------------------------------------------------------------------------------------------- pictures


def _picture(
    explanation: FaceExplanation | PersonExplanation, table: FaceTable, spelling: Spelling
) -> tuple[str, list[Tile]]:
    """Say which faces are drawn, with which captions, under which title.

    Raises:
        FaceclusterError: there is no pair to draw.
    """
    from facecluster.render.explain_words import called
    from facecluster.render.tile import Tile, turns_of

    roll = dict(zip(table.faces.id.tolist(), table.faces.pose[:, 2].tolist(), strict=True))
    size = dict(zip(table.photos.path.tolist(), map(tuple, table.photos.size.tolist()), strict=True))

    def tile(face: End | NearFace | FaceExplanation, *caption: str) -> Tile:
        lines = (*map(printable, caption), spelling.place(face))
        turns = turns_of(roll.get(face.id))
        return Tile(face.photo, face.box, size.get(face.photo, (0, 0)), lines, turns, face.moment)

    if explanation.kind == "person":
        if explanation.weakest is None or explanation.weakest.sides is None:
            raise FaceclusterError(
                f"{explanation.id}: has no two reference faces, so there is no link to be drawn; leave --image out"
            )
        pair, sides = explanation.weakest, explanation.weakest.sides
        title = f"Weakest link of {called(explanation)}: {pair.distance:.2f} apart"
        faces = zip(pair.faces, sides, strict=True)
        return printable(title), [
            tile(face, f"on this side: {many(n, 'reference face')}") for face, n in faces
        ]
    mine = "nobody's" if explanation.person is None else called(explanation.person)
    tiles = [tile(explanation, "this face")]
    shown = [explanation.own] if explanation.own is not None else []
    for near in [*shown, *explanation.others][:2]:
        nearest = near.nearest[0]
        tiles.append(tile(nearest, f"{nearest.distance:.2f} away: nearest of {called(near)}"))
    return f"{spelling.place(explanation)}: {printable(mine)}", tiles


def _draw(image: Path, tiles: Sequence[Tile], title: str, source: str) -> None:
    """Make the picture, if any of the photos can be read.

    Raises:
        FaceclusterError: none can; nothing is written.
    """
    from facecluster.render.side_by_side import side_by_side, write_picture

    pixels, missing = side_by_side(tiles, title)
    if len(missing) == len(tiles):
        photo, why = missing[0]
        raise FaceclusterError(
            f"{image}: there is no picture, as none of the photos can be shown ({photo}: {why}); if they were "
            f"deleted, they leave the library with the next run over that folder; if they were moved, type: "
            f"{find_again(folder_of(source))}"
        )
    for photo, why in missing:
        _log.warning("%s: cannot be shown: %s", printable(photo), why)
    write_picture(image, pixels)


# --------------------------------------------------------------------------------------------------- telling


def face_report(e: FaceExplanation, source: str, spelling: Spelling) -> Iterator[str]:
    """Write why a face of the result `source` is where it is as a text for people, a line a paragraph."""
    from facecluster.render.explain_words import called

    yield f"face {spelling.face(e)} ({e.id})"
    yield f"  {_place(e)}"
    yield ""
    yield from e.why
    yield from map(_ruling, e.decisions)
    yield ""
    yield f"good enough to be a reference face, which others are compared with: {_verdict(e)}"
    rows = [_limit(limit) for limit in e.gate]
    yield from (f"  {line}" for line in aligned(rows, right=(1,), least=(8, 10, 13)))
    if e.own is not None:
        yield ""
        yield f"nearest reference faces of {called(e.own)}"
        for near in e.own.nearest:
            yield f"  {near.distance:.3f}  {spelling.place(near)}"
    if e.others:
        yield ""
        yield "other people" if e.person is not None else "nearest people"
        for other in e.others:
            yield from _other(other, spelling)
    if e.person is None:
        yield ""
        yield "what would have to change"
        for remedy in e.remedies:
            yield f"  - {remedy}"
        if e.others:
            move = shlex.join(["facecluster", "move", source, spelling.face(e), e.others[0].id])
            yield f"  - if you know that it is {called(e.others[0])}:"
            yield f"    {move}"


def _verdict(e: FaceExplanation) -> str:
    n_failing = sum(not limit.passed for limit in e.gate)
    if not e.bounds.gate:
        return (
            "every face is, with --no-gate; by the usual limits"
            if n_failing
            else "every face is, with --no-gate"
        )
    fails = f"no, {n_failing} of {len(e.gate)} limits {'fails' if n_failing == 1 else 'fail'}"
    return fails if n_failing else "yes"


def _ruling(ruling: Ruling) -> str:
    return f"decided on {ruling.time[:10]} ({ruling.id}): {ruling.text}"


def _limit(limit: Gate) -> tuple[str, str, str, str]:
    from facecluster.render.explain_words import measure

    value = measure(limit)
    side = "over" if limit.name in ("size", "quality") else "within ±"
    bound = f"{side}{'' if side.endswith('±') else ' '}{limit.limit:g}{limit.unit}"
    return limit.name, value, bound, "" if limit.passed else "fails"


def _other(other: NearPerson, spelling: Spelling) -> Iterator[str]:
    from facecluster.render.explain_words import called

    already = "; in this photo already" if other.in_photo else ""
    yield f"  {other.distance:.3f}  {called(other)}, {many(other.n_founding, 'reference face')}{already}"
    for near in other.nearest:
        yield f"         nearest {near.distance:.3f}  {spelling.place(near)}"


def person_report(e: PersonExplanation, spelling: Spelling) -> Iterator[str]:
    """Write what holds a person together as a text for people, a line a paragraph."""
    from facecluster.render.explain_words import called

    bounds = e.bounds
    yield f"{called(e)}: {many(e.n_faces, 'face')} in {many(e.n_photos, 'photo')}"
    yield f"{many(e.n_founding, 'reference face')}: good enough that others are compared with them"
    yield from map(_ruling, e.decisions)
    yield ""
    if e.links is None or e.weakest is None or e.farthest is None:
        yield "There are no two reference faces to be compared."
    else:
        links = e.links
        yield f"spread         {e.spread:.3f}  how far apart they are on average"
        share = 100 * links.n / links.n_pairs
        yield (
            f"links          {links.n} of {links.n_pairs} pairs ({share:.0f} %) are within {bounds.eps:g} (--eps), "
            f"where two faces are linked; a face has {links.fewest} or more, half of them {links.median:g} or more"
        )
        if links.n_parts > 1:
            yield (
                f"               these links leave {links.n_parts} parts, which something else put together: "
                "likeness on average, or a decision"
            )
        yield from _pair(
            "weakest link", e.weakest, "without it, {} and {} reference faces would be apart", spelling
        )
        if e.seam is not None:
            enough = max(2, bounds.limits.min_images)
            yield from _pair(
                "between parts",
                e.seam,
                f"the weakest link between two parts of {enough} faces or more: {{}} and {{}}",
                spelling,
            )
        yield from _pair("farthest pair", e.farthest, "no two reference faces are further apart", spelling)
    if e.neighbour is None:
        yield "nearest        there is no other person"
    else:
        other = e.neighbour
        yield (
            f"nearest        {other.distance:.3f}  {called(other)}, {many(other.n_founding, 'reference face')}: "
            "how far apart theirs and these are on average"
        )
        if other.within is not None:
            yield f"               two such groups are merged within {other.within:.3f}"


def _pair(name: str, pair: FacePair, text: str, spelling: Spelling) -> Iterator[str]:
    yield f"{name:<13}  {pair.distance:.3f}  {text.format(*(pair.sides or ()))}"
    for face in pair.faces:
        yield f"                      {spelling.face(face)}  {_place(face)}"


def _place(face: End | FaceExplanation) -> str:
    left, top, right, bottom = (round(side) for side in face.box)
    return f"{place_of(face.photo, face.moment)}  [{left}, {top}, {right}, {bottom}]"


def _fit(lines: Iterator[str]) -> Iterator[str]:
    """Make lines printable, and wrap those that are sentences; what has a path stays whole."""
    width = max(40, shutil.get_terminal_size()[0])
    for line in map(printable, lines):
        if n_cells(line) <= width or os.sep in line:
            yield line
            continue
        indent = len(line) - len(line.lstrip())
        yield from wrapped(line, width, indent=" " * (indent + 2 * bool(indent)))
