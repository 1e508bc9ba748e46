"""The photos of a face table, each once: copies are one. In their orders, and found by what is typed of their names."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from facecluster.library.refer import plain
from facecluster.text import fold

if TYPE_CHECKING:
    from facecluster.table import Listed

SORTS = ("newest", "oldest", "name", "folder")
"""Of photos; those without a date come last."""


class Shelf:
    """Photos, those without a face too. It is never changed, and threads may ask.

    Attributes:
        paths: where each photo lies, by its id: several are copies.
        dates: when photos were taken, in seconds since 1970, by path, as far as that is known.
        is_read: whether it is known yet which photos there are.
    """

    def __init__(self, photos: Iterable[Listed] | None = None) -> None:
        """Take the photos, in any order; None: they are not read yet."""
        self.is_read = photos is not None
        paths: dict[str, dict[str, None]] = {}
        self.dates: dict[str, float] = {}
        for path, digest, time in photos or ():
            paths.setdefault(digest, {})[path] = None
            if math.isfinite(time):
                self.dates[path] = time
        self.paths = {own: tuple(there) for own, there in paths.items()}
        self._orders: dict[str, Sequence[str]] = {}

    def is_as(self, other: Shelf) -> bool:
        """Say whether another one has the same photos."""
        return (self.is_read, self.paths, self.dates) == (other.is_read, other.paths, other.dates)

    def find(self, query: str, sort: str) -> Sequence[str]:
        """Give the ids of the photos that have all words of a text in folder and name, accents and case aside.

        Args:
            query: the text; "": all photos.
            sort: one of `SORTS`; equal ones are in order of folder and name.
        """
        if sort not in self._orders:
            self._orders[sort] = self._ordered(sort)
        found = self._orders[sort]
        for word in _plain(query).split():
            found = [own for own in found if word in self._texts[own]]
        return found

    def folder(self, path: str) -> str:
        """Give the folder of a photo, from the innermost one on that all photos lie in."""
        return self._short(os.path.dirname(path))

    def _ordered(self, sort: str) -> list[str]:
        found = sorted(self._texts, key=self._texts.__getitem__)
        if sort == "name":
            found.sort(key=lambda own: _plain(os.path.basename(self.paths[own][0])))
        elif sort != "folder":
            sign = 1 if sort == "oldest" else -1
            times = {own: self.dates.get(self.paths[own][0]) for own in found}
            found.sort(key=lambda own: (times[own] is None, sign * (times[own] or 0.0)))
        return found

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Where each photo lies as it is looked for, by its id."""
        return {
            own: "\n".join(_plain(self._short(path)) for path in there) for own, there in self.paths.items()
        }

    def _short(self, path: str) -> str:
        """Leave out what lies above the innermost folder that all photos lie in."""
        return path[self._n_above :].replace(os.sep, "/")

    @cached_property
    def _n_above(self) -> int:
        """The letters that are left out."""
        folders = {os.path.dirname(path) for there in self.paths.values() for path in there}
        try:
            common = os.path.commonpath(folders)
        except ValueError:  # there are none, or they are on several drives
            return 0
        return len(os.path.join(os.path.dirname(common), ""))


def _plain(text: str) -> str:
    return plain(fold(text))
