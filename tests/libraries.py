"""Libraries to test with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facecluster.library.build import build
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.result import Result
from facecluster.table import FaceTable

AS_BEFORE = Choices()


def cluster_table(table: FaceTable, directory: Path, choices: Choices = AS_BEFORE, **options: Any) -> Result:
    """Group the faces of a table into a library, which is made if it is not there."""
    with Library.open(directory, new=True) as library:
        return build(library, table, choices, **options).result
