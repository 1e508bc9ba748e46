"""What the files of a result are called, and where the face table lies that it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.output.records import Result

CLUSTERS = "clusters.json"
"""Who is who, in the folder of results."""
TABLE = "faces.npz"
"""The face table, where it lies in the folder of results."""


def table_of(result: Result, directory: Path) -> Path | None:
    """Find the face table that a result was made from.

    Args:
        result: it names the table: by a path relative to `directory` where it lies in there, else by an absolute one.
        directory: where the result lies now; it may have been moved since.

    Returns:
        The table that is named, else the one beside the result, if that is there; None: neither is.
    """
    places = [directory / named] if isinstance(named := result.settings.get("table"), str) else []
    return next((file for file in (*places, directory / TABLE) if file.is_file()), None)
