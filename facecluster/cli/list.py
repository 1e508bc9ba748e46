"""`facecluster list`: a face table or a result in; who is in it, out."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from facecluster.cli.labels import (
    check_labels,
    check_names,
    label_face_option,
    labels_option,
)
from facecluster.cli.sources import read_table
from facecluster.errors import UsageError
from facecluster.library.labels import (
    NAMES,
    label_faces,
)
from facecluster.library.layout import is_result
from facecluster.library.read import read
from facecluster.render.columns import aligned
from facecluster.text import many, printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.identity.boxes import Main
    from facecluster.render.matches import Entry


@click.command("list")
@click.argument("source", metavar="FILE|LIBRARY")
@labels_option
@label_face_option
@click.option("--hidden", is_flag=True, help="List people whom hide left out, too.  [JSON has them anyway]")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON each, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
def command(
    source: str, labels_from: str | None, which: Main | None, hidden: bool, as_json: bool, quiet: bool
) -> None:
    """Say who is in a result, or in a face table with labels, with how many faces in how many photos.

    LIBRARY is a folder that cluster or run made, or its clusters.json; FILE a face table (.npz, .pickle, or - for one
    on standard input), whose labels come from --labels. People come by falling number of faces, labels by the alphabet.
    """
    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    check_labels(source, labels_from, which)
    if is_result(source):
        found, others = _of_result(source, named=labels_from == NAMES)
    elif labels_from is None:
        raise UsageError(f"{source}: a face table does not say who is who; say it with --labels")
    else:
        found, others = _of_table(source, labels_from, which)
    n_hidden = sum(entry.hidden for entry in found)
    if as_json or not sys.stdout.isatty():
        sys.stdout.writelines(json.dumps(vars(entry), allow_nan=False) + "\n" for entry in found)
    else:
        sys.stdout.writelines(
            f"{line}\n" for line in _rows(found if hidden else [e for e in found if not e.hidden])
        )
    if not quiet:
        who = many(len(found), "person", "people") if is_result(source) else many(len(found), "label")
        of_them = (
            f", {n_hidden} of them hidden{'' if hidden else ' (--hidden lists them)'}" if n_hidden else ""
        )
        click.echo(f"{who}{of_them}; {others}", err=True)


def _of_result(source: str, *, named: bool) -> tuple[list[Entry], str]:
    """The people of a result, and words for the faces that are not theirs."""
    from facecluster.render.matches import Entry

    result = read(source)
    people = [person for person in result.people if person.name is not None or not named]
    found = [
        Entry(person.id, person.name, person.n_faces, person.n_photos, person.hidden) for person in people
    ]
    others = _of_nobody(len(result.unclustered), found)
    if named:
        check_names(result, source)
        n_unnamed = sum(person.n_faces for person in result.people if person.name is None)
        others = f"{many(n_unnamed, 'face')} of people without a name, {len(result.unclustered)} of nobody"
    return found, others


def _of_table(source: str, labels_from: str, which: Main | None) -> tuple[list[Entry], str]:
    """The labels of a face table, and words for the faces that have none."""
    import numpy as np

    from facecluster.render.matches import Somebody, entries

    table = read_table(source)
    label, texts, _ = label_faces(table, source, labels_from, which)
    found = entries([Somebody(None, text) for text in texts], label.astype(np.int32), table.faces.photo)
    return found, _of_nobody(int(np.count_nonzero(label < 0)), found)


def _of_nobody(number: int, found: Sequence[Entry]) -> str:
    return f"{many(number, 'face')} of nobody{' else here' if found else ''}"


def _rows(found: Sequence[Entry]) -> list[str]:
    """Write a table for a terminal."""
    has_ids = any(entry.person is not None for entry in found)
    rows = [("faces", "photos", *["person"] * has_ids, "name")]
    rows += [
        (str(e.n_faces), str(e.n_photos), *[e.person or ""] * has_ids, printable(e.name or "")) for e in found
    ]
    return aligned(rows, right=(0, 1), least=(7, 7))
