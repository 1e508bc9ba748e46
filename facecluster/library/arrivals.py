"""Folders that are watched: which photos in them are new and whole, and when to look."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from facecluster.durable.spelt import real
from facecluster.photos.find import Found, search

_log = logging.getLogger(__name__)

_LOOK_S = 60.0
"""Seconds after which the folders are searched though nothing was reported, as network drives report nothing."""
_RETRY_S = 2.0
"""Seconds until the system is asked for reports again that it could not give."""
_CLOCK_S = 2.0
"""Seconds by which times of files are rounded, at most (FAT: Microsoft, "File Times")."""


class Stamp(NamedTuple):
    """What changes when a file does."""

    size: int
    mtime_ns: int


class Arrivals:
    """Which photos of some folders are new, and whole."""

    def __init__(
        self,
        folders: Sequence[str],
        known: Iterable[str],
        since: float,
        settle: float,
        *,
        any_name: bool = False,
    ) -> None:
        """Start with what a table knows.

        Args:
            folders: to search.
            known: absolute paths of photos that are no arrivals, unless they were changed after `since`.
            since: seconds since 1970.
            settle: seconds for which size and time of a file stay the same once it is whole.
            any_name: see `photos.find.search`.
        """
        self._any_name = any_name
        self._aside: str | None = None
        self._told = ""
        self._folders, self._known, self._since, self._settle = folders, set(known), since, settle
        self._seen: dict[str, Stamp] = {}
        self._waiting: dict[str, tuple[Stamp, float]] = {}
        self._lost: list[str] = []

    def look(self, now: float) -> list[str]:
        """Search the folders at a time in seconds, of any clock that never goes back.

        Returns:
            Paths of new photos that are whole, in the order of `photos.find.search`, until they are `done`.
        """
        waiting, whole = {}, []
        there = [folder for folder in self._folders if os.path.isdir(folder)]
        lost = [
            f"{folder}: not there any more; it is watched again once it is back"
            for folder in self._folders
            if folder not in there
        ]
        found = search((), listed=there, any_name=self._any_name, lost=lost.append)
        for message in lost:
            if message not in self._lost:
                _log.warning(message)
        self._lost = lost
        self._tell_others(found)
        for path in found.photos:
            try:
                status = os.stat(path)
            except OSError:  # gone again, or a link to what is not there yet
                continue
            stamp = Stamp(status.st_size, status.st_mtime_ns)
            if self._seen.get(path) == stamp:
                continue
            # A hard link in a library changes the time of a photo's status, and nothing else.
            changed = max(status.st_mtime, 0.0 if status.st_nlink > 1 else status.st_ctime)
            if path in self._known and path not in self._seen and changed < self._since - _CLOCK_S:
                self._seen[path] = stamp
                continue
            before, start = self._waiting.get(path, (None, now))
            waiting[path] = (stamp, start if before == stamp else now)
            if now - waiting[path][1] >= self._settle:
                whole.append(path)
        self._waiting = waiting
        return whole

    def _tell_others(self, found: Found) -> None:
        """Say what is not looked at: at once, then when two searches agree: copying makes files that go again."""
        aside = found.aside()
        if aside != self._told and (self._aside is None or aside == self._aside):
            self._told = aside
            if aside:
                _log.info("%s", aside)
        self._aside = aside

    @property
    def unfinished(self) -> list[str]:
        """New photos of the last search that are not done."""
        return list(self._waiting)

    def done(self, paths: Iterable[str]) -> None:
        """Take note that photos of the last search are dealt with, as they were then."""
        for path in paths:
            self._seen[path], _ = self._waiting.pop(path)

    def forget(self, paths: Iterable[str]) -> None:
        """Take note that a table does not know photos any more, which are new if they come back."""
        for path in paths:
            self._seen.pop(path, None)
            self._known.discard(path)


def moments(arrivals: Arrivals, settle: float) -> Iterator[None]:
    """Look, and where there is something new, again once it should be whole."""
    yield
    if arrivals.unfinished:
        time.sleep(settle)
        yield


def reports(
    folders: Collection[str],
    directory: Path,
    arrivals: Arrivals,
    settle: float,
    is_due: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Look when something happens in the folders, while photos are being written, when it `is_due`, and now and then.

    What was reported is not used but as a reason to look: the folders themselves are what is true. Where reports end,
    as for a name that is no UTF-8 or a folder that was replaced, they are asked for anew, with a look in between.
    """
    import watchfiles

    ours = os.path.join(real(directory), "")
    warned = False
    while True:
        watched, looked = _which(folders), -_LOOK_S
        try:
            for changes in watchfiles.watch(
                *watched,
                watch_filter=lambda _, path: not os.path.realpath(path).startswith(ours),
                debounce=1000,
                rust_timeout=max(100, int(settle * 1000)),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                now = time.monotonic()
                if changes or arrivals.unfinished or now - looked >= _LOOK_S or is_due():
                    yield
                    looked = now
                if _which(folders) != watched or any(path in watched for _, path in changes):
                    break
        except (OSError, RuntimeError, UnicodeError) as error:
            # RuntimeError is the base of the library's own, which has no public name.
            if not warned:
                _log.warning(
                    "the system does not report all changes (%s): the folders are searched instead", error
                )
            warned = True
            time.sleep(max(settle, _RETRY_S))
            yield


def _which(folders: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The folders that are there, and what tells them from others of the same name."""
    found = {}
    for folder in folders:
        with suppress(OSError):
            status = os.stat(folder)
            found[folder] = (status.st_dev, status.st_ino)
    return found
