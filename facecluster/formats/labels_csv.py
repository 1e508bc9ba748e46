"""A CSV file <-> who is who: labels of photos, of faces by id, or of boxes in photos."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from facecluster.durable.denied import why_unread
from facecluster.errors import FaceclusterError
from facecluster.text import from_cell, printable

_BOX = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class Labels:
    """Labels, as the rows of a file have them.

    Attributes:
        kind: what a row is about: a photo, a face of known id, or a box in a photo.
        names: absolute path of the photo, or id of the face, of each row; "" where nobody knows the face.
        labels: of each row, not empty.
        where: what says it, of each row: a line of the file, as "line 2", another file, or a photo.
        boxes: left, top, right, bottom of each row, in pixels; empty where a row is about something else.
        disputed: the files by label, by id of each face that programs call several things; it has no row.
    """

    kind: Literal["photo", "face", "box"]
    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    disputed: dict[str, dict[str, list[str]]] = field(default_factory=dict)


def read_labels(file: Path) -> Labels:
    """Read a file of labels: CSV with a header; other columns are left out, rows with an empty label too.

    Raises:
        FaceclusterError: it cannot be read, has other columns, or says two things of the same photo or face.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as text:
            return _parse(csv.reader(text, strict=True), file)
    except OSError as error:
        raise FaceclusterError(f"{file}: cannot be read: {why_unread(file, error)}") from error
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
        label = from_cell(row[column["label"]]).strip()
        if not label:
            continue
        if "\0" in "".join(row):
            raise FaceclusterError(f"{file}: line {line} has a zero in it, and is no text")
        name = from_cell(row[column["face" if labels.kind == "face" else "photo"]])
        if labels.kind != "face":
            name = os.path.normpath(os.path.join(folder, name))
        if labels.kind == "box":
            labels.boxes.append(_box([row[column[side]] for side in _BOX], f"{file}: line {line}"))
        elif (before := first.setdefault(name, len(labels.names))) < len(labels.names):
            if labels.labels[before] != label:
                raise FaceclusterError(
                    f"{file}: line {line} says {printable(label)!r} of what {labels.where[before]} calls "
                    f"{printable(labels.labels[before])!r}: {printable(name)}"
                )
            continue
        labels.names.append(name)
        labels.labels.append(label)
        labels.where.append(f"line {line}")
    return labels


def _box(texts: Sequence[str], where: str) -> tuple[float, ...]:
    try:
        left, top, right, bottom = map(float, texts)
    except ValueError:
        left = math.nan
    if not (math.isfinite(left) and left < right < math.inf and -math.inf < top < bottom < math.inf):
        raise FaceclusterError(
            f"{where}: {printable(','.join(texts)[:80])} is no box; expected left, top, right, bottom in pixels of the "
            "upright photo"
        )
    return left, top, right, bottom
