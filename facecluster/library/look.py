"""Where a library looks for what is meant by a photo or a group: files on the disk, its face table, its strangers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.library.refer import Look, by_content

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.strangers import Group
    from facecluster.result import Result
    from facecluster.table import FaceTable


def look_at(directory: Path, result: Result, table_of: Callable[[], FaceTable | None]) -> Look:
    """Say where to look.

    Args:
        directory: of the library.
        result: who is who.
        table_of: reads the face table, where it is needed; None: it is not there. Called at most once.
    """
    table = cache(table_of)

    def photos_of(path: str) -> set[str]:
        """What the face table knows of a file's picture, and its content."""
        import numpy as np

        from facecluster.errors import PhotoError
        from facecluster.photos import picture
        from facecluster.photos.file import read_photo

        found, known = by_content(path), table()
        if known is None:
            return found
        try:
            coded = picture.coded_digest(read_photo(path)[0]).encode()
        except PhotoError:
            return found
        pixels, there = [key.encode() for key in found], known.photos
        same = (there.coded == coded) | ((there.pixels != b"") & np.isin(there.pixels, pixels))
        return found | set(there.digest[same].tolist())

    def bare() -> dict[str, str]:
        from facecluster.table import OK, UNREADABLE

        known = table()
        if known is None:
            return {}
        photos, forgotten = known.photos, known.photos.all_forgotten()
        found: dict[str, str] = {}
        for row in (photos.status != OK).nonzero()[0].tolist():
            if photos.status[row] == UNREADABLE:
                why = "it cannot be read: "
            else:
                why = "all its faces are forgotten" if forgotten[row] else "none was found in it"
            found[str(photos.path[row])] = why + str(photos.reason[row])
        return found

    def groups() -> Sequence[Group]:
        from facecluster.errors import TableError
        from facecluster.joined import Known
        from facecluster.library.strangers import strangers

        known = table()
        if known is None:
            raise TableError(
                f"{directory}: its face table is gone, and without it nobody knows which strangers are alike; give the "
                "faces by their photos"
            )
        return strangers(Known.of(result, known), known)

    return Look(photos_of, directory, cache(groups), cache(bare))
