"""Labels, as verbs take them: folders of photos, a CSV file, or names of people; and whose each face is by them."""

from __future__ import annotations

import csv
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from facecluster.cli.sources import is_result
from facecluster.errors import FaceclusterError, UsageError
from facecluster.output.words import printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.identity.boxes import Main
    from facecluster.identity.changes import Placed
    from facecluster.output.records import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

FOLDER = "folder"
NAMES = "names"
"""Labels that are the names somebody gave to people."""
MAIN = ("largest", "central", "only", "all")
_BOX = ("left", "top", "right", "bottom")


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
labels_option = click.option(
    "--labels",
    "labels_from",
    metavar="folder|CSV|names",
    help="Who is who in a face table: the folder that a photo lies in, or a file as evaluate takes it; or in RESULT, "
    "only people who have a name.",
)
"""For verbs that look into a database of known faces; the command gets it as `labels_from`."""


def check_labels(source: str, labels_from: str | None, which: Main | None) -> None:
    """Make sure that labels fit what they are of.

    Raises:
        UsageError: they do not.
    """
    if source != "-" and not os.path.exists(source):
        raise FaceclusterError(f"{source}: no such file or directory")
    if is_result(source) and (labels_from not in (None, NAMES) or which is not None):
        leave = "--label-face out" if labels_from in (None, NAMES) else "--labels out (or names)"
        raise UsageError(f"{source}: says itself who is who; leave {leave}, or give its face table")
    if not is_result(source) and labels_from == NAMES:
        raise UsageError(f"{source}: a face table has no names; give --labels folder or a CSV, or a result")
    if which is not None and labels_from is None:
        raise UsageError("--label-face is about --labels; give that too")


def check_names(result: Result, source: str) -> None:
    """Say so where nobody of a result has a name."""
    if not any(person.name is not None for person in result.people):
        _log.warning("%s: nobody in it has a name; facecluster name %s PERSON NAME gives one", source, source)


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


def attach_to(
    table: FaceTable, labels: Labels | None, which: Main | None
) -> tuple[NDArray[np.int64], list[str], list[int]]:
    """Say which label each face of a table has, as `attach` does."""
    import numpy as np

    from facecluster.identity.changes import Placed

    photo, n = table.faces.photo, len(table.faces)
    faces = Placed(
        id=table.faces.id.tolist(),
        photo=table.photos.path[photo].tolist(),
        box=table.faces.box.astype(np.float64),
        person=np.full(n, -1),
        confidence=np.full(n, np.nan),
    )
    return attach(labels, faces, which or "largest", table.photos.size[photo], table.photos.lost[photo])


def label_faces(
    table: FaceTable, source: str, labels_from: str, which: Main | None
) -> tuple[NDArray[np.int64], list[str]]:
    """Say which label each face of a table has, -1 none, and what the labels are; see `attach`.

    Raises:
        FaceclusterError: the labels cannot be read, or are of other faces.
    """
    labels = find_labels(labels_from, which)
    label, texts, unused = attach_to(table, labels, which)
    photo = table.faces.photo
    why = bare_photos(table.photos.path[photo].tolist(), table.photos.lost[photo], labels, which)
    if len(photo) and not texts:
        raise FaceclusterError(
            f"{labels_from}: none of its labels is of a face of {source}{why and f': {why}'}"
        )
    if why:
        _log.warning("%s: %s", source, why)
    if labels is not None and unused:
        row = unused[0]
        _log.warning(
            "%s: no face for %d of %d labels, the first in line %d: %s",
            labels_from, len(unused), len(labels.names), labels.lines[row], printable(labels.names[row]),
        )  # fmt: skip
    return label, texts


def suspected(faces: Placed) -> NDArray[np.uint8]:
    """Say what `table.Photos.lost` may be of the photos of n faces, (n,): all where their ids have gaps, else none."""
    import numpy as np

    from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST, gaps

    number: dict[str, int] = {}
    photo = np.array([number.setdefault(path, len(number)) for path in faces.photo], dtype=np.int64)
    missing = gaps(photo, faces.id, len(number))[photo]
    return np.where(missing, LOST | LOST_LARGEST | LOST_CENTRAL, 0).astype(np.uint8)


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
