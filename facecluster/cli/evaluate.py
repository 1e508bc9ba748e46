"""`facecluster evaluate`: a result and labels in; how well they agree, and the worst mistakes, out."""

from __future__ import annotations

import csv
import logging
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from facecluster.cli.cluster import ClusterOptions, cluster_options, warn_if_outdated
from facecluster.errors import FaceclusterError, UsageError
from facecluster.output.places import CLUSTERS, table_of
from facecluster.output.words import many, printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.identity.boxes import Main
    from facecluster.identity.changes import Placed
    from facecluster.output.evaluation import Evaluation, LabelledFace
    from facecluster.output.records import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

FOLDER = "folder"
MAIN = ("largest", "central", "only", "all")
_BOX = ("left", "top", "right", "bottom")
_N_LISTED = 3
"""Rows of labels without a face that the summary names."""
_OWN = {"source", "labels_from", "which", "encodings", "number", "as_json", "quiet"}
"""Parameters that are not about clustering."""


@dataclass(frozen=True)
class Labels:
    """The rows of a file of labels.

    Attributes:
        kind: what a row is about: a photo, a face of known id, or a box in a photo.
        names: absolute path of the photo, or id of the face, of each row.
        labels: of each row, not empty.
        lines: of the file, from 1, of each row.
        boxes: left, top, right, bottom of each row, in pixels; empty where a row is about something else.
    """

    kind: Literal["photo", "face", "box"]
    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)


label_face_option = click.option(
    "--label-face",
    "which",
    type=click.Choice(MAIN),
    help="The face that carries the label of its photo: the largest, the one nearest to the middle, the only one "
    "(none where there are several), or all.  [default: largest]",
)
"""For verbs that read labels of photos; the command gets it as `which`."""


@click.command("evaluate")
@click.argument("source", metavar="FILE|DIR")
@click.option(
    "--labels",
    "labels_from",
    required=True,
    metavar="folder|CSV",
    help="Who is who: the folder that a photo lies in, or a file with a header and the columns photo,label or "
    "photo,left,top,right,bottom,label or face,label.",
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
    options: ClusterOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say how well people agree with labels, and which mistakes are worst.

    DIR is a folder of results, FILE its clusters.json, or a face table (.npz, .pickle, or - for one on standard
    input), which is clustered for it, with the options of cluster. Only labelled faces are scored; one without a
    person counts as a person of its own.
    """
    from facecluster.output.evaluation import evaluate, to_json

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    labels = find_labels(labels_from, which)
    if is_result(source):
        if given := _given(ctx):
            raise UsageError(f"{source}: is clustered already; leave {given} out, or give a face table")
        result = read(source)
        table = _table_of(result, source, encodings)
    elif encodings is not None:
        raise UsageError(f"{source}: is taken for a face table; leave -e {encodings} out, or give a result")
    else:
        table = read_table(source)
        result = _cluster(table, options)
    faces, rows = _columns(result, table)
    if rows is None and encodings is not None:
        raise FaceclusterError(
            f"{encodings}: lacks faces of {source}; give the face table that it was made from"
        )
    size = lost = encoding = None
    if table is not None and rows is not None:
        photo, encoding = table.faces.photo[rows], table.faces.encoding[rows]
        size, lost = table.photos.size[photo], table.photos.lost[photo]
    if size is None and which == "central":
        raise FaceclusterError(
            "--label-face central: a result does not say how large its photos are; give their face table with -e"
        )
    if lost is None:
        lost = suspected(faces)
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
        encoding=encoding,
    )
    if as_json or not sys.stdout.isatty():
        sys.stdout.write(to_json(evaluation))
    else:
        click.echo(report(evaluation))
    if not quiet:
        click.echo(_summary(evaluation, labels_from, labels, unused), err=True)
        if encoding is None and (evaluation.merges or evaluation.splits):
            click.echo("shown are the most confident faces; -e FACE_TABLE shows near ones", err=True)


# --------------------------------------------------------------------------------------------------- reading


def read(source: str) -> Result:
    """Read a result, from its folder or its clusters.json.

    Raises:
        UsageError: an empty name.
        FaceclusterError: as `records.read_result` raises it.
    """
    from facecluster.output.records import read_result

    if not source:
        raise UsageError("an empty name; is a variable unset?")
    path = Path(source)
    if not path.is_dir():
        return read_result(path)
    if not (path / CLUSTERS).exists():
        raise FaceclusterError(f"{source}: holds no {CLUSTERS}; give a folder that cluster or run wrote")
    return read_result(path / CLUSTERS)


def _given(ctx: click.Context) -> str:
    """Name the options of clustering that the user gave."""
    return ", ".join(
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in _OWN
        and ctx.get_parameter_source(parameter.name) == ParameterSource.COMMANDLINE
    )


def is_result(source: str) -> bool:
    """Say whether a path is taken for a folder of results, or for its record."""
    return os.path.isdir(source) or source.lower().endswith(".json")


def _table_of(result: Result, source: str, encodings: str | None) -> FaceTable | None:
    """The face table that was named, else the one that the result was made from, else the one beside it."""
    from facecluster import store

    file = encodings or table_of(result, Path(source) if os.path.isdir(source) else Path(source).parent)
    return None if file is None else store.read(file)


def read_table(source: str) -> FaceTable:
    """Read a face table, of standard input where the source is "-"."""
    from facecluster import store

    if source == "-" and sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a face table in, or give FILE")
    table = store.read(sys.stdin.buffer if source == "-" else source)
    warn_if_outdated(table, "standard input" if source == "-" else source)
    return table


def _cluster(table: FaceTable, options: ClusterOptions) -> Result:
    """Say who is who, as cluster does, without a file."""
    from facecluster.identity.cluster import cluster_faces
    from facecluster.output.records import make_result

    rules = options.rules(table.settings.encoder)
    return make_result(table, cluster_faces(table, rules, jobs=os.cpu_count() or 1), rules)


def _min_images(result: Result) -> int:
    """How many photos a person of the result needed."""
    from facecluster.identity.gate import Limits

    match result.settings:
        case {"cluster": {"limits": {"min_images": int(number)}}}:
            return number
        case _:
            return Limits().min_images


def _columns(result: Result, table: FaceTable | None) -> tuple[Placed, NDArray[np.intp] | None]:
    """The faces of a result, and the row of each in the table, where that has all of them."""
    import numpy as np

    from facecluster.output.records import columns

    faces = columns(result)
    if table is None:
        return faces, None
    paths = table.photos.path[table.faces.photo].tolist()
    row_of = {name: row for row, name in enumerate(zip(paths, table.faces.id.tolist(), strict=True))}
    rows = np.array([row_of.get(name, -1) for name in zip(faces.photo, faces.id, strict=True)], dtype=np.intp)
    return faces, None if (rows < 0).any() else rows


def find_labels(labels_from: str, which: Main | None) -> Labels | None:
    """Read the labels that --labels says; None: they are folders.

    Args:
        labels_from: `FOLDER`, or a file.
        which: what --label-face says.

    Raises:
        FaceclusterError: there is no such file, or it says itself which faces its labels are of.
    """
    if labels_from == FOLDER:
        return None
    if not labels_from:
        raise UsageError(f"--labels is empty; give {FOLDER}, or a file")
    labels = read_labels(Path(labels_from))
    if which is not None and labels.kind != "photo":
        raise UsageError(
            f"--label-face: {labels_from} says itself which faces its labels are of; leave it out"
        )
    return labels


def read_labels(file: Path) -> Labels:
    """Read a file of labels: CSV with a header; other columns are left out, rows with an empty label too.

    Raises:
        FaceclusterError: it cannot be read, has other columns, or says two things of the same photo or face.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
            return _parse(csv.reader(text, strict=True), file)
    except OSError as error:
        raise FaceclusterError(f"{file}: cannot be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise FaceclusterError(f"{file}: not a table of comma-separated values: {error}") from error


def _parse(rows: Any, file: Path) -> Labels:
    """Make rows of what a csv.reader gives."""
    header = [name.strip() for name in next(rows, [])]
    if "label" in header and "face" in header:
        labels = Labels("face")
    elif "label" in header and "photo" in header:
        labels = Labels("box" if set(_BOX) <= set(header) else "photo")
    else:
        raise FaceclusterError(
            f"{file}: its first line is {printable(','.join(header))[:80]!r}; expected a header with the columns "
            "photo,label or photo,left,top,right,bottom,label or face,label, with commas between"
        )
    column = {name: header.index(name) for name in header}
    folder = os.path.abspath(file.parent)
    first: dict[str, int] = {}
    for row in rows:
        line = rows.line_num
        if not row:
            continue
        if len(row) != len(header):
            raise FaceclusterError(f"{file}: line {line} has {len(row)} values, the header {len(header)}")
        label = row[column["label"]].strip()
        if not label:
            continue
        name = row[column["face" if labels.kind == "face" else "photo"]]
        if labels.kind != "face":
            name = os.path.normpath(os.path.join(folder, name))
        if labels.kind == "box":
            labels.boxes.append(_box([row[column[side]] for side in _BOX], f"{file}: line {line}"))
        elif (before := first.setdefault(name, len(labels.names))) < len(labels.names):
            if labels.labels[before] != label:
                raise FaceclusterError(
                    f"{file}: line {line} says {printable(label)!r} of what line {labels.lines[before]} calls "
                    f"{printable(labels.labels[before])!r}: {printable(name)}"
                )
            continue
        labels.names.append(name)
        labels.labels.append(label)
        labels.lines.append(line)
    return labels


def _box(texts: Sequence[str], where: str) -> tuple[float, ...]:
    try:
        left, top, right, bottom = map(float, texts)
    except ValueError:
        left = math.nan
    if not (math.isfinite(left) and left < right < math.inf and -math.inf < top < bottom < math.inf):
        raise FaceclusterError(
            f"{where}: {','.join(texts)} is no box; expected left, top, right, bottom in pixels of the upright photo"
        )
    return left, top, right, bottom


def attach(
    labels: Labels | None,
    faces: Placed,
    which: Main,
    size: NDArray[np.int32] | None = None,
    lost: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.int64], list[str], list[int]]:
    """Say which label each face has.

    Args:
        labels: see `Labels`; None: the name of the folder that its photo lies in.
        faces: n faces.
        which: of a photo carries its label.
        size: (n, 2) of each face's photo, for "central".
        lost: (n,) `table.Photos.lost` of each face's photo; None: see `suspected`. Where the face of the label is lost,
            nobody else gets it.

    Returns:
        (n,) number of each face's label, -1 none; the labels' texts, sorted; and the rows of `labels` that no face
        is found for.
    """
    import numpy as np

    from facecluster.identity.boxes import main_faces, match_boxes

    number: dict[str, int] = {}
    photo = np.array([number.setdefault(path, len(number)) for path in faces.photo], dtype=np.int64)
    text: dict[int, str] = {}
    unused: list[int] = []
    if labels is not None and labels.kind == "box":
        of_row = np.array([number.get(name, -1) for name in labels.names], dtype=np.int64)
        boxes = np.array(labels.boxes, dtype=np.float64).reshape(-1, 4)
        rows, found = match_boxes(of_row, boxes, photo, faces.box)
        text = {face: labels.labels[row] for row, face in zip(rows.tolist(), found.tolist(), strict=True)}
        unused = np.setdiff1d(np.arange(len(of_row)), rows).tolist()
    elif labels is not None and labels.kind == "face":
        row_of = {name: row for row, name in enumerate(labels.names)}
        text = {i: labels.labels[row_of[face]] for i, face in enumerate(faces.id) if face in row_of}
        there = set(faces.id)
        unused = [row for row, name in enumerate(labels.names) if name not in there]
    else:
        lost = suspected(faces) if lost is None else lost
        main = np.flatnonzero(main_faces(photo, faces.box, which, size, lost)).tolist()
        if labels is None:
            text = {i: os.path.basename(os.path.dirname(faces.photo[i])) for i in main}
        else:
            label_of = dict(zip(labels.names, labels.labels, strict=True))
            text = {i: label_of[path] for i in main if (path := os.path.normpath(faces.photo[i])) in label_of}
            there = {os.path.normpath(faces.photo[i]) for i in main}
            unused = [row for row, name in enumerate(labels.names) if name not in there]
    texts = sorted(set(text.values()))
    code = {name: i for i, name in enumerate(texts)}
    label = np.full(len(faces), -1, dtype=np.int64)
    label[list(text)] = [code[name] for name in text.values()]
    return label, texts, unused


def suspected(faces: Placed) -> NDArray[np.uint8]:
    """Say what `table.Photos.lost` may be of the photos of n faces, (n,): all where their ids have gaps, else none."""
    import numpy as np

    from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST, gaps

    number: dict[str, int] = {}
    photo = np.array([number.setdefault(path, len(number)) for path in faces.photo], dtype=np.int64)
    missing = gaps(photo, faces.id, len(number))[photo]
    return np.where(missing, LOST | LOST_LARGEST | LOST_CENTRAL, 0).astype(np.uint8)


# --------------------------------------------------------------------------------------------------- telling


def bare_photos(
    photo: Sequence[str], lost: NDArray[np.uint8], labels: Labels | None, which: Main | None
) -> str:
    """Say which photos' faces have no label because the main one is lost; "" where that is so of none.

    Args:
        photo: paths, of n faces.
        lost: (n,) `table.Photos.lost` of these.
        labels: None: of folders.
        which: see `attach`.
    """
    from itertools import compress

    from facecluster.identity.boxes import main_is_lost

    if labels is not None and labels.kind != "photo":
        return ""
    bare = sorted(set(compress(photo, main_is_lost(lost, which or "largest").tolist())))
    if not bare:
        return ""
    whose = "the main face of 1 photo is" if len(bare) == 1 else f"the main faces of {len(bare)} photos are"
    where = printable(bare[0]) + (" ..." if len(bare) > 1 else "")
    return f"{whose} not in the table (any more), and nobody else there gets the label: {where}"


def _no_overlap(labels_from: str, labels: Labels | None, source: str, faces: Placed) -> str:
    if not len(faces):
        return f"{source}: there are no faces to evaluate"
    if labels is None:
        return f"{source}: no photo with a face that could carry the label; see --label-face"
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
    lines = ["                   precision  recall       F"]
    for name, score in (("pairwise", e.pairwise), ("BCubed", e.bcubed)):
        lines.append(
            f"{name:<17}  {_number(score.precision):>9}  {_number(score.recall)}  {_number(score.f)}"
        )
    lines += [f"{name:<17}  {_number(value):>9}  {what}" for name, value, what in shares]
    lines += ["", "worst merges"] if e.merges else []
    for merge in e.merges:
        parts = zip(merge.labels, merge.n_faces, strict=True)
        of = ", ".join(f"{number} of {printable(label)}" for label, number in parts)
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
    return "     -" if math.isnan(value) else f"{value:.4f}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _summary(evaluation: Evaluation, labels_from: str, labels: Labels | None, unused: Sequence[int]) -> str:
    """Say what was compared with what, and what could not be."""
    e = evaluation
    scored = (
        f"{many(e.faces, 'face')} of {many(e.labels, 'label')} scored, {e.faces - e.placed} without a person"
    )
    lines = [f"{scored}; {many(e.unlabelled, 'face')} without a label left out"]
    if labels is not None and unused:
        lines.append(
            f"{labels_from}: no face for {len(unused)} of {many(len(labels.names), 'label')}, among them:"
        )
        lines += [
            f"  line {labels.lines[row]}: {printable(labels.names[row])}" for row in list(unused)[:_N_LISTED]
        ]
    return "\n".join(lines)


# The results have no folder here that photos could get into.
next(option for option in command.params if option.name == "link").hidden = True  # type: ignore[attr-defined]
