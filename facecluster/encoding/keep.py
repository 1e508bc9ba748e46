"""Which photos of an earlier table stay: a run says something of the folders it looked at, and nothing of the rest."""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the options of the command line need `Keep`, and NumPy loads longer than all the rest
    from facecluster.encoding.analysis import Row

TOO_MANY = 1 / 3
"""Share of the photos of a folder. Where more than this is gone, the folder was more likely not there in full (a drive
that is half copied, a wrong mount) than tidied up, and all of it stays. The issue about the library sets it."""


@dataclass(frozen=True)
class Keep:
    """Which earlier photos stay that are not among those of this run.

    Attributes:
        looked_in: absolute paths of the folders that were searched for photos.
        prune: let photos that are gone go, however many, and also where their folder is gone.
        missing: let none go, but one whose photo got another name.
        append: let none go at all.
        arriving: for folders that are watched: a photo that got another name goes, others stay as with `append`.
    """

    looked_in: tuple[str, ...] = ()
    prune: bool = False
    missing: bool = False
    append: bool = False
    arriving: bool = False


@dataclass(frozen=True)
class Kept:
    """What became of the earlier photos.

    Attributes:
        rows: those that stay, in their order, without those that this run looked at.
        renamed: paths that are gone; their photos have other names now.
        dropped: paths that went, as their folder was looked at and they are not there.
        held: paths that are not there and stay, by folder: the folder is gone, or too much of it is.
        unseen: how many stay because nobody looked at them.
    """

    rows: list[Row] = field(default_factory=list)
    renamed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: int = 0

    def without_rows(self) -> Kept:
        """The same where no row can stay, as its numbers are of another kind."""
        dropped = (*self.dropped, *(row.path for row in self.rows))
        return replace(self, rows=[], dropped=dropped, held={}, unseen=0)


def stay(before: Sequence[Row], now: Sequence[Row], keep: Keep) -> Kept:
    """Say which rows of an earlier table stay beside those of this run.

    A photo goes where its folder was searched, is there and holds other photos, and the photo is not there; and where a
    file that was not there before has its picture. It stays where nobody looked, where its folder is gone or empty (a
    drive that is not mounted), and where more than `TOO_MANY` of its folder is gone.

    Args:
        before: rows of the earlier table.
        now: rows of this run, which know their photos (`Analysis.digest`).
        keep: see `Keep`.
    """
    asked = {row.path for row in now}
    rest = [row for row in before if row.path not in asked]
    gone = set() if keep.append and not keep.arriving else renamed(before, now)
    rest_of_folder: dict[str, list[Row]] = defaultdict(list)
    looked_in = functools.cache(functools.partial(_is_below, tops=keep.looked_in))
    unseen = 0
    for row in rest:
        folder = os.path.dirname(row.path)
        if row.path in gone:
            continue
        if not looked_in(folder) or os.path.lexists(row.path):
            unseen += 1
        else:
            rest_of_folder[folder].append(row)
    if keep.missing or keep.append or keep.arriving:
        dropped: list[str] = []
        held: dict[str, tuple[str, ...]] = {}
    else:
        there = Counter(os.path.dirname(path) for path in asked)
        size = Counter(os.path.dirname(row.path) for row in before if row.path not in gone)
        dropped, held = _judge(rest_of_folder, there, size, prune=keep.prune)
    lost = gone.union(dropped)
    return Kept(
        rows=[row for row in rest if row.path not in lost],
        renamed=tuple(row.path for row in before if row.path in gone),
        dropped=tuple(dropped),
        held=held,
        unseen=unseen,
    )


def _judge(
    missing: dict[str, list[Row]], there: Counter[str], size: Counter[str], *, prune: bool
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Divide missing photos, by folder, into those that go and those that stay.

    Args:
        missing: rows by folder. Those that were never read have nothing to keep.
        there: how many photos each folder holds now.
        size: how many the earlier table knew in it.
        prune: all go.
    """
    dropped: list[str] = []
    held: dict[str, tuple[str, ...]] = {}
    for folder, rows in missing.items():
        if prune or (there[folder] and len(rows) <= TOO_MANY * size[folder]):
            dropped += (row.path for row in rows)
            continue
        dropped += (row.path for row in rows if not row.analysis.digest)
        if paths := tuple(row.path for row in rows if row.analysis.digest):
            held[folder] = paths
    return dropped, held


def renamed(before: Iterable[Row], now: Iterable[Row]) -> set[str]:
    """Find the paths that are not there any more, or that were reached by another way now.

    For each path that has a photo newly, one of that photo at most.
    """
    photo_of = {row.path: row.analysis.digest for row in before}
    new: dict[str, list[str]] = defaultdict(list)
    for row in now:
        if row.analysis.digest and photo_of.get(row.path) != row.analysis.digest:
            new[row.analysis.digest].append(row.path)
    here = {row.path for row in now}
    gone = set()
    for path, photo in photo_of.items():
        others = new.get(photo)
        if not others or path in here:
            continue
        if not os.path.exists(path):
            others.pop()
            gone.add(path)
            continue
        real = os.path.realpath(path)
        same = [other for other in others if os.path.realpath(other) == real]
        if same:
            others.remove(same[0])
            gone.add(path)
    return gone


def replaced(before: Iterable[Row], now: Iterable[Row]) -> tuple[str, ...]:
    """Find the paths that are still there, but whose faces are not: no row has the photo that they had."""
    from facecluster.table import UNREADABLE

    rows = {row.path: row for row in now}
    photos = {row.analysis.digest for row in rows.values() if row.analysis.status != UNREADABLE}
    return tuple(
        row.path
        for row in before
        if len(row.analysis.faces) and row.path in rows and row.analysis.digest not in photos
    )


def _is_below(folder: str, tops: Iterable[str]) -> bool:
    """Whether a folder is one of some, or lies in one."""
    path = PurePath(folder)
    return any(path.is_relative_to(top) for top in tops)
