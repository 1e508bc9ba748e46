"""A CSV file <-> who is who: labels of photos, of faces by id, or of boxes in photos."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from facecluster.durable.denied import why_unread
from facecluster.errors import FaceclusterError
from facecluster.formats.spreadsheet import Row, as_path, as_text, rows_of, to_utf8
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

    Commas, semicolons or tabs stand between the cells, and the names of the columns are in any case. The text is UTF-8
    or UTF-16; else as Excel on Windows writes it.

    Raises:
        FaceclusterError: it cannot be read, has other columns, or says two things of the same photo or face.
    """
    try:
        text = to_utf8(file.read_bytes()).decode(errors="surrogateescape")
        return _parse(*rows_of(text, _is_header), file)
    except OSError as error:
        raise FaceclusterError(f"{file}: cannot be read: {why_unread(file, error)}") from error
    except csv.Error as error:
        raise FaceclusterError(f"{file}: not a table of comma-separated values: {error}") from error
    except UnicodeError as error:
        raise FaceclusterError(f"{file}: starts as UTF-16 and is none; save it as UTF-8") from error


def _is_header(names: Sequence[str]) -> bool:
    return "label" in names and ("photo" in names or "face" in names)


def _parse(header: Sequence[str], rows: Iterable[Row], file: Path) -> Labels:
    """Make labels of the rows of a table."""
    if "label" in header and "face" in header:
        labels = Labels("face")
    elif "label" in header and "photo" in header:
        labels = Labels("box" if set(_BOX) <= set(header) else "photo")
    else:
        raise FaceclusterError(
            f"{file}: its first line is {printable(','.join(header))[:80]!r}; expected a header with the columns "
            "photo,label or photo,left,top,right,bottom,label or face,label, with commas, semicolons or tabs between"
        )
    column = {name: header.index(name) for name in header}
    folder = os.path.abspath(file.parent)
    first: dict[str, int] = {}
    for line, row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise FaceclusterError(f"{file}: line {line} has {len(row)} values, the header {len(header)}")
        label = as_text(from_cell(row[column["label"]])).strip()
        if not label:
            continue
        if "\0" in "".join(row):
            raise FaceclusterError(f"{file}: line {line} has a zero in it, and is no text")
        name = from_cell(row[column["face" if labels.kind == "face" else "photo"]])
        if labels.kind != "face":
            name = as_path(os.path.normpath(os.path.join(folder, name)))
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
        left, top, right, bottom = (float(text.replace(",", ".")) for text in texts)
    except ValueError:
        left = math.nan
    if not (math.isfinite(left) and left < right < math.inf and -math.inf < top < bottom < math.inf):
        raise FaceclusterError(
            f"{where}: {printable(','.join(texts)[:80])} is no box; expected left, top, right, bottom in pixels of the "
            "upright photo"
        )
    return left, top, right, bottom
