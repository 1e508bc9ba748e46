"""What the files of a result are called, and where the face table lies that it was made from."""

from __future__ import annotations

import os
import re
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Result

CLUSTERS = "clusters.json"
"""Who is who, in the folder of results."""
DAMAGED = "clusters.damaged.json"
"""What becomes of a record that cannot be read."""
REPLACED = "clusters.replaced.json"
"""What becomes of a record that somebody else put there, or changed; further ones get a number."""
LOCK = ".facecluster.lock"
"""Held while a process works in the folder of results."""
TABLE = "faces.npz"
"""The face table, where it lies in the folder of results."""
NOBODY_SHEET = "nobody.jpg"
"""The picture of strangers that show made last."""
PENDING = "arrivals.journal"
"""Photos of a watch that are in neither of these two yet, see `pending`."""
TOLD = "watch.journal"
"""What a watch has to tell, and how much of it was told, see `pending`."""


def table_of(result: Result, directory: Path) -> Path | None:
    """Find the face table that a result was made from.

    Args:
        result: it names the table: by a path relative to `directory` where it lies in there, else by an absolute one.
        directory: where the result lies now; it may have been moved since.

    Returns:
        The table that is named, else the one beside the result, if that is there; None: neither is.
    """
    named = result.settings.table
    places = [] if named is None else [directory / named]
    return next((file for file in (*places, directory / TABLE) if file.is_file()), None)


def free_name(directory: Path, name: str) -> Path:
    """Give a file of this name in a folder, or of one with a number, that is not there yet."""
    stem, _, ending = name.rpartition(".")
    numbered = (directory / f"{stem}-{number}.{ending}" for number in count(2))
    return next(file for file in chain([directory / name], numbered) if not os.path.lexists(file))


def set_aside_in(directory: Path) -> list[Path]:
    """Find the records that were set aside in a folder: they tell of people, too."""
    stems = "|".join(re.escape(name.removesuffix(".json")) for name in (DAMAGED, REPLACED))
    names = sorted(name for name in os.listdir(directory) if re.fullmatch(rf"({stems})(-\d+)?\.json", name))
    return [directory / name for name in names]


def folder_of(source: str) -> Path:
    """Give the folder of a result that is named by it, or by its record."""
    return Path(source) if os.path.isdir(source) else Path(source).parent


def is_result(source: str) -> bool:
    """Say whether a path is taken for a folder of results, or for its record."""
    return os.path.isdir(source) or source.lower().endswith(".json")
