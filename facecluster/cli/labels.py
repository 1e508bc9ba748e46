"""Labels, as verbs take them: folders of photos, a CSV file, or names of people; and whose each face is by them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click

from facecluster.errors import FaceclusterError, UsageError
from facecluster.library.labels import MAIN, NAMES
from facecluster.library.layout import is_result

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.identity.boxes import Main
    from facecluster.result import Result

_log = logging.getLogger(__name__)


SAID = (
    "programs whose files in and beside the photos say it, one or several with commas between: xmp (digiKam, "
    "Lightroom and others), picasa, takeout (Google Photos), osxphotos (Apple Photos); or programs, which is all four. "
    "A JSON of osxphotos or Picasa's contacts.xml stands there for its program."
)
"""How help says which labels other programs make."""

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
    metavar="folder|CSV|PROGRAM,...|names",
    help="Who is who in a face table: the folder that a photo lies in, or a file or programs as evaluate takes it; or "
    "in LIBRARY, only people who have a name.",
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
