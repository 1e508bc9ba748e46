"""`facecluster evaluate`: a result and labels in; how well they agree, and the worst mistakes, out."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from facecluster.cli.cluster import cluster_options
from facecluster.cli.labels import SAID, label_face_option
from facecluster.cli.parameters import FLAGS
from facecluster.cli.sources import read_table
from facecluster.errors import FaceclusterError, UsageError
from facecluster.formats.labels_csv import Labels
from facecluster.library.labels import (
    attach,
    bare_photos,
    find_labels,
    folders_of,
    labels_of,
    programs_of,
    shown,
    suspected,
)
from facecluster.library.layout import folder_of, is_result, table_of
from facecluster.library.read import read
from facecluster.library.settings import Choices
from facecluster.render.columns import aligned, n_cells
from facecluster.text import many, printable, quoted

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.identity.boxes import Main
    from facecluster.identity.changes import Placed
    from facecluster.render.evaluation import Evaluation, LabelledFace
    from facecluster.result import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

_N_LISTED = 3
"""Rows of labels without a face that the summary names."""


@click.command("evaluate")
@click.argument("source", metavar="FILE|LIBRARY")
@click.option(
    "--labels",
    "labels_from",
    required=True,
    metavar="folder|CSV|PROGRAM,...",
    help="Who is who: the folder that a photo lies in; a file with a header and the columns photo,label or "
    "photo,left,top,right,bottom,label or face,label; or " + SAID,
)
@label_face_option
@click.option(
    "-e",
    "--encodings",
    metavar="FILE",
    help="Face table that the result was made from, so that near faces are shown.  "
    "[default: the one that the result names, if it is there]",
)
@click.option(
    "--top",
    "number",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Merges and splits to tell of.",
)
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
@click.pass_context
def command(
    ctx: click.Context,
    source: str,
    labels_from: str,
    which: Main | None,
    encodings: str | None,
    number: int,
    choices: Choices,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say how well people agree with labels, and which mistakes are worst.

    LIBRARY is a folder that cluster or run made, FILE its clusters.json, or a face table (.npz, .pickle, - is standard
    input), which is clustered for it, with the options of cluster. Only labelled faces are scored; one without a
    person counts as a person of its own.
    """
    from facecluster.identity.points import Points
    from facecluster.render.evaluation import evaluate, to_json

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    wanted = find_labels(labels_from, which)
    if is_result(source):
        if given := _given(ctx):
            raise UsageError(f"{source}: is clustered already; leave {given} out, or give a face table")
        result = read(source)
        table = _table_of(result, source, encodings)
    elif encodings is not None:
        raise UsageError(f"{source}: is taken for a face table; leave -e {encodings} out, or give a result")
    else:
        table = read_table(source)
        result = _cluster(table, choices)
    faces, rows = _columns(result, table)
    if rows is None and encodings is not None:
        raise FaceclusterError(
            f"{encodings}: lacks faces of {source}; give the face table that it was made from"
        )
    size = lost = points = None
    if table is not None and rows is not None:
        photo = table.faces.photo[rows]
        points = Points.of(table.faces.encoding[rows], table.settings.encoder)
        size, lost = table.photos.size[photo], table.photos.lost[photo]
    if size is None and which == "central":
        raise FaceclusterError(
            "--label-face central: a result does not say how large its photos are; give their face table with -e"
        )
    if lost is None:
        lost = suspected(faces)
    labels = labels_of(wanted, faces, size, folders_of(source))
    label, texts, unused = attach(labels, faces, which or "largest", size, lost)
    why = bare_photos(faces.photo, lost, labels, which)
    if not len(label) or label.max() < 0:
        raise FaceclusterError(_no_overlap(labels_from, labels, source, faces) + (why and f": {why}"))
    if why:
        _log.warning("%s: %s", source, why)
    evaluation = evaluate(
        faces,
        [person.id for person in result.people],
        label,
        texts,
        min_faces=_min_images(result),
        number=number,
        points=points,
    )
    if as_json or not sys.stdout.isatty():
        sys.stdout.write(to_json(evaluation))
    else:
        click.echo(report(evaluation))
    if not quiet:
        click.echo(_summary(evaluation, labels_from, labels, unused), err=True)
        if points is None and (evaluation.merges or evaluation.splits):
            click.echo("shown are the most confident faces; -e FACE_TABLE shows near ones", err=True)


# --------------------------------------------------------------------------------------------------- reading


def _given(ctx: click.Context) -> str:
    """Name the options of clustering on the command line; those of a file are for face tables."""
    return ", ".join(
        (parameter.opts if ctx.params.get(str(parameter.name)) is not False else parameter.secondary_opts)[0]
        for parameter in ctx.command.params
        if parameter.name in (*FLAGS, "gate")
        and ctx.get_parameter_source(parameter.name) == ParameterSource.COMMANDLINE
    )


def _table_of(result: Result, source: str, encodings: str | None) -> FaceTable | None:
    """The face table that was named, else the one that the result was made from, else the one beside it."""
    from facecluster.formats import face_table

    file = encodings or table_of(result, folder_of(source))
    return None if file is None else face_table.read(file)


def _cluster(table: FaceTable, choices: Choices) -> Result:
    """Say who is who, as cluster does, without a file."""
    from facecluster.identity.cluster import cluster_faces
    from facecluster.library.make import make_result
    from facecluster.library.settings import choose

    rules = choose(choices, None, table.settings.encoder).rules
    return make_result(table, cluster_faces(table, rules, jobs=os.cpu_count() or 1), rules)


def _min_images(result: Result) -> int:
    """How many photos a person of the result needed."""
    from facecluster.identity.gate import Limits

    rules = result.settings.rules
    return (Limits() if rules is None else rules.limits).min_images


def _columns(result: Result, table: FaceTable | None) -> tuple[Placed, NDArray[np.intp] | None]:
    """The faces of a result, and the row of each in the table, where that has all of them."""
    import numpy as np

    from facecluster.result import columns

    faces = columns(result)
    if table is None:
        return faces, None
    paths = table.photos.path[table.faces.photo].tolist()
    row_of = {name: row for row, name in enumerate(zip(paths, table.faces.id.tolist(), strict=True))}
    rows = np.array([row_of.get(name, -1) for name in zip(faces.photo, faces.id, strict=True)], dtype=np.intp)
    return faces, None if (rows < 0).any() else rows


# --------------------------------------------------------------------------------------------------- telling


def _no_overlap(labels_from: str, labels: Labels | None, source: str, faces: Placed) -> str:
    if not len(faces):
        return f"{source}: there are no faces to evaluate"
    if labels is None:
        return f"{source}: no photo with a face that could carry the label; see --label-face"
    if programs_of(labels_from):
        return f"{labels_from}: none of its labels is of a face of {source}"
    if not labels.names:
        return f"{labels_from}: there are no labels in it"
    there = (faces.id if labels.kind == "face" else faces.photo)[0]
    return (
        f"{labels_from}: none of its {len(labels.names)} labels is of a face of {source}: it names "
        f"{printable(labels.names[0])}, the result {printable(there)}"
    )


def report(evaluation: Evaluation) -> str:
    """Write scores and mistakes as a text for people."""
    e = evaluation
    enough, too_few = (_share(some.placed, some.faces) for some in (e.enough, e.too_few))
    shares = [
        ("purity", e.purity, "of the placed faces are of their person's main label"),
        ("coverage", e.coverage, f"of the faces are placed: {e.placed} of {e.faces}"),
        (
            f"  of {e.min_faces} or more",
            enough,
            f"of those whose label has as many: {e.enough.placed} of {e.enough.faces}",
        ),
        (
            "  of fewer",
            too_few,
            f"of the others, of whom none should be: {e.too_few.placed} of {e.too_few.faces}",
        ),
        ("splits per person", e.splits_per_person, "people too many that a label is in"),
        ("merges per person", e.merges_per_person, "labels too many that a person has"),
    ]
    scores = [
        (name, _number(score.precision), _number(score.recall), _number(score.f))
        for name, score in (("pairwise", e.pairwise), ("BCubed", e.bcubed))
    ]
    names = max(n_cells(name) for name, *_ in shares)
    lines = aligned([("", "precision", "recall", "F"), *scores], right=(1, 2, 3), least=(names, 0, 0, 6))
    lines += aligned([(name, _number(value), what) for name, value, what in shares], right=(1,), least=(0, 9))
    lines += ["", "worst merges"] if e.merges else []
    for merge in e.merges:
        parts = zip(quoted(merge.labels), merge.n_faces, strict=True)
        of = ", ".join(f"{number} of {label}" for label, number in parts)
        lines.append(f"  {merge.person}: {of}{_apart(merge.distance)}")
        lines += [_face(face, face.label) for face in merge.faces]
    lines += ["", "worst splits"] if e.splits else []
    for split in e.splits:
        parts = zip(split.people, split.n_faces, strict=True)
        into = ", ".join(f"{number} in {person}" for person, number in parts)
        lines.append(f"  {printable(split.label)}: {into}{_apart(split.distance)}")
        lines += [_face(face, face.person) for face in split.faces]
    return "\n".join(lines)


def _face(face: LabelledFace, whose: str) -> str:
    left, top, right, bottom = (round(side) for side in face.box)
    return f"    {printable(face.photo)}  [{left}, {top}, {right}, {bottom}]  {printable(whose)}"


def _apart(distance: float | None) -> str:
    return ":" if distance is None else f"; two faces {distance:.2f} apart:"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _summary(evaluation: Evaluation, labels_from: str, labels: Labels | None, unused: Sequence[int]) -> str:
    """Say what was compared with what, and what could not be."""
    e = evaluation
    scored = f"{many(e.faces, 'face')} of {many(e.labels, 'label')} scored, {e.faces - e.placed} of nobody"
    lines = [f"{scored}; {many(e.unlabelled, 'face')} without a label left out"]
    if labels is not None and unused:
        lines.append(
            f"{labels_from}: no face for {len(unused)} of {many(len(labels.names), 'label')}, among them:"
        )
        lines += [f"  {shown(labels, row)}" for row in list(unused)[:_N_LISTED]]
    return "\n".join(lines)


# The results have no folder here that photos could get into.
next(option for option in command.params if option.name == "link").hidden = True  # type: ignore[attr-defined]
