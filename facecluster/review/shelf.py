"""The photos of a face table, each once: copies are one. In their orders, and found by what is typed of their names."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
        self.paths: dict[str, tuple[str, ...]] = {}
        self.dates: dict[str, float] = {}
        copies: dict[str, dict[str, None]] = {}
        for path, digest, time in photos or ():
            there = self.paths.setdefault(digest, (path,))
            if there[0] != path:
                copies.setdefault(digest, {})[path] = None
            if math.isfinite(time):
                self.dates[path] = time
        for digest, others in copies.items():
            self.paths[digest] += tuple(others)
        self._orders: dict[str, NDArray[np.intp]] = {}
        self._last: tuple[tuple[list[str], str] | None, NDArray[np.intp]] = None, np.empty(0, np.intp)

    @property
    def digests(self) -> dict[str, str]:
        """The id of each photo by its path."""
        return {path: own for own, there in self.paths.items() for path in there}

    def is_as(self, other: Shelf) -> bool:
        """Say whether another one has the same photos."""
        return (self.is_read, self.paths, self.dates) == (other.is_read, other.paths, other.dates)

    def prepare(self) -> None:
        """Do now what the first `find` would take its time for."""
        for sort in SORTS:
            self.find("", sort)

    @property
    def ids(self) -> NDArray[np.object_]:
        """The id of each row: (n,) str, by folder and name."""
        return self._rows[1]

    def find(self, query: str, sort: str) -> NDArray[np.intp]:
        """Find the photos that have all words of a text in folder and name, accents and case aside -> (k,) rows.

        Args:
            query: the text; "": all photos.
            sort: one of `SORTS`; equal ones are in order of folder and name.
        """
        words = _plain(query).split()
        asked, found = self._last
        if asked != (words, sort):
            found = self._find(words, sort)
            self._last = (words, sort), found
        return found

    def _find(self, words: Sequence[str], sort: str) -> NDArray[np.intp]:
        texts = self._rows[0]
        if sort not in self._orders:
            self._orders[sort] = self._ordered(sort)
        found = self._orders[sort]
        for word in words:
            found = found[np.fromiter((word in text for text in texts), bool, len(texts))[found]]
        return found

    def folder(self, path: str) -> str:
        """Give the folder of a photo, from the innermost one on that all photos lie in."""
        return self._short(os.path.dirname(path))

    def _ordered(self, sort: str) -> NDArray[np.intp]:
        """Give the rows in an order."""
        first = self._rows[2]
        if sort == "name":
            names = [_plain(path.rpartition(os.sep)[2]) for path in first]
            return np.array(sorted(range(len(names)), key=names.__getitem__), np.intp)
        if sort == "folder":
            return np.arange(len(first))
        times = np.array([self.dates.get(path, math.nan) for path in first], np.float64)
        return np.argsort(times if sort == "oldest" else -times, kind="stable")  # NaN comes last

    @cached_property
    def _rows(self) -> tuple[list[str], NDArray[np.object_], list[str]]:
        """Where each photo lies as it is looked for, in order; its id; its first path."""
        folders: dict[str, str] = {}

        def text(path: str) -> str:
            folder, _, name = path.rpartition(os.sep)  # os.path.split takes four times as long
            if folder not in folders:
                folders[folder] = _plain(self._short(folder))
            return f"{folders[folder]}/{_plain(name)}"

        rows = sorted(("\n".join(map(text, there)), own, there[0]) for own, there in self.paths.items())
        return [row[0] for row in rows], np.array([row[1] for row in rows], object), [row[2] for row in rows]

    def _short(self, folder: str) -> str:
        """Leave out what lies above the innermost folder that all photos lie in."""
        return folder[self._n_above :].replace(os.sep, "/")

    @cached_property
    def _n_above(self) -> int:
        """The letters that are left out."""
        folders = {path.rpartition(os.sep)[0] for there in self.paths.values() for path in there}
        try:
            common = os.path.commonpath(folders)
        except ValueError:  # there are none, or they are on several drives
            return 0
        return len(os.path.join(os.path.dirname(common), ""))


def _plain(text: str) -> str:
    return plain(fold(text))
