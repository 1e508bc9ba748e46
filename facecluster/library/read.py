"""Read who is who, from the folder of a library or its record, without holding it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.errors import FaceclusterError, UsageError
from facecluster.library.layout import CLUSTERS, PENDING, folder_of

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Result


def read(source: str) -> Result:
    """Read a result, from its folder or its clusters.json.

    What a watch has not put into its files yet is put there, if nobody is at work on them and they can be written.

    Raises:
        UsageError: an empty name.
        FaceclusterError: as `records.read_result` raises it.
    """
    from facecluster.formats.clusters_json import read_result

    if not source:
        raise UsageError("an empty name; is a variable unset?")
    path = Path(source)
    take_in(folder_of(source))
    if not path.is_dir():
        return read_result(path)
    if not (path / CLUSTERS).exists():
        raise FaceclusterError(f"{source}: holds no {CLUSTERS}; give a folder that cluster or run wrote")
    return read_result(path / CLUSTERS)


def take_in(directory: Path) -> None:
    """Have what a watch left taken into the files of a library, if nobody is at work on them.

    Where they cannot be written, they stay as they are.
    """
    if not (directory / PENDING).exists():
        return
    from facecluster.errors import OutputError
    from facecluster.library.library import Library

    with suppress(OutputError), Library.open(directory, new=True, wait_s=0):
        pass
