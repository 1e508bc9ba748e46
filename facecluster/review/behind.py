"""A library that is written a moment after it was decided on, so that nobody waits for its folders.

Each decision is on the disk before its function returns, as always: a kill loses none. Folders, montages and
clusters.json follow, those of several decisions at once, when `write_due` is called.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.durable.placing import Holding
from facecluster.library.layout import CLUSTERS
from facecluster.library.library import Library
from facecluster.result import Result

if TYPE_CHECKING:
    from facecluster.table import Picture


Stamp = tuple[int, int, int]
"""Inode, size and time of a file."""


def stamp_of(file: Path) -> Stamp | None:
    """Give what tells that somebody wrote a file; None: it is not there."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


class Behind(Library):
    """A library whose people are in memory first.

    One thread decides and holds the library, another one may call `write_due` meanwhile.

    Attributes:
        written: who is who as the folder has it.
        read_last: the same when it was last read, or when all faces were grouped anew.
        wrote: clusters.json as we last wrote it since this was set to None.
    """

    def __init__(
        self, directory: Path, result: Result | None, stack: ExitStack, *, may_lose_names: bool = False
    ) -> None:
        """See `Held.look_in`, which makes one."""
        super().__init__(directory, result, stack, may_lose_names=may_lose_names)
        self.written = self.read_last = result
        self.wrote: Stamp | None = None
        self._due: set[str] | None = None
        self._ours: Stamp | None = None
        file = self.table_file
        self._table_stamp = None if file is None else stamp_of(file)
        self._state = threading.Lock()
        self._writing = threading.Lock()

    @property
    def is_due(self) -> bool:
        """Whether people were decided on who are not written yet."""
        return self._due is not None

    def reload(self) -> None:
        """Read all of it again. What is due is not written any more: it was made of people who are others now.

        Its decisions are kept, so that the people do not show all of them, see `ledger.catch_up`.
        """
        super().reload()
        with self._state:
            self._due = None
            self.written = self.read_last = self.result

    def forget_table(self) -> None:
        """See `Held.forget_table`; it is kept where its file is still the one that was read."""
        file = self.table_file
        stamp = None if file is None else stamp_of(file)
        if stamp is None or stamp != self._table_stamp:
            super().forget_table()
        self._table_stamp = stamp

    def check_ours(self) -> None:
        """See `Held.check_ours`; while we are writing clusters.json, and as long as it is as then, it is ours."""
        with self._state:
            if self._due is not None:  # it was looked at before the first of what is due
                return
        stamp = stamp_of(self.directory / CLUSTERS)
        if stamp is None or stamp != self._ours:
            super().check_ours()
            self._ours = stamp

    def save(
        self,
        result: Result,
        *,
        pictures: Mapping[str, Picture] | None = None,
        changed: Collection[str] | None = None,
        forget: Collection[str] = (),
        jobs: int = -1,
        progress: bool = False,
    ) -> Holding:
        """Have who is who now, and write it later where a correction says whose faces are others; else at once."""
        if changed is not None and pictures is None and not forget:
            with self._state:
                self.result = result
                self._due = {*(self._due or ()), *changed}
            return Holding(
                result.settings.link or "none", {}, 0, 0, 0, 0, {}, is_all=False, auto_is_free=False
            )
        with self._writing:
            holding = self._write(
                result,
                self.written,
                pictures=pictures,
                changed=changed,
                forget=forget,
                jobs=jobs,
                progress=progress,
            )
            self.wrote = self._ours = stamp_of(self.directory / CLUSTERS)
            with self._state:
                self.result = self.written = self.read_last = result
                self._due = None
        return holding

    def write_due(self) -> None:
        """Write what was decided up to now.

        Raises:
            OutputError: it could not be written, and stays due.
        """
        with self._writing:
            with self._state:
                result, changed = self.result, self._due
                if changed is None or result is None:
                    return
            self.check_there()  # else it would be made again
            self._write(result, self.written, changed=changed)
            self.wrote = self._ours = stamp_of(self.directory / CLUSTERS)
            with self._state:
                self.written = result
                if self.result is result:
                    self._due = None
