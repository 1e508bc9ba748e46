"""Find photo files among files and folders, each once, in a stable order; and count what is not looked at."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from facecluster.durable.own_list import RESULT_MARKER
from facecluster.durable.spelt import Seen, real, spelt
from facecluster.errors import FaceclusterError, UsageError
from facecluster.photos.kinds import (
    EXTENSIONS,
    HEIF_EXTENSIONS,
    JPEG_EXTENSIONS,
    N_HEAD,
    RAW_EXTENSIONS,
    kind_of,
)
from facecluster.text import can_be_named, fold, many

_log = logging.getLogger(__name__)

OnePath: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = OnePath | Iterable[OnePath]
"""A file or folder, or several."""


_JUNK = frozenset({"@eadir", "#recycle", "$recycle.bin", "__macosx", "system volume information"})
"""Folders, in lower case, of thumbnails and deleted files that network drives and systems leave among the photos."""


_NOT_COUNTED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "facecluster.toml"})
"""Files, in lower case, that nobody misses: of systems, or read for what they say of photos. Hidden ones are others."""


_SIDECARS = frozenset({".xmp", ".json", ".npz", ".pickle", ".jsonl", ".partial", ".lock"})
"""The same, by ending: what is read for what it says of photos, and what we write ourselves."""


_ENDING = re.compile(r"\.(?=.*[a-z])[a-z0-9_~+-]{1,8}")
"""What says what a file is; any other text behind a dot belongs to a name, as a date does."""


_N_KINDS = 8
"""Kinds of files that a line names."""


_HAS_JUNCTIONS = os.name == "nt"
"""Whether a folder may be another one that lies elsewhere, without being a symbolic link."""


@dataclass(frozen=True)
class Found:
    """Photos and videos, and what lies beside them.

    Attributes:
        photos: absolute paths, with links not resolved, in the case in which the disk lists them; names that are no
            UTF-8 as `os.fsdecode` gives them.
        not_looked_at: how many other files there are in the folders, by ending in lower case with its dot; "" without
            one. Hidden files, what systems leave, sidecars and our own results are not counted.
        raw_shown: how many RAW files have a JPEG or HEIC of the same shot beside them, by ending; that is looked at.
    """

    photos: list[str]
    not_looked_at: Counter[str] = field(default_factory=Counter)
    raw_shown: Counter[str] = field(default_factory=Counter)

    def aside(self, *, hint: str = "", all_kinds: bool = False) -> str:
        """Say in a line what was not looked at; "" where there is nothing.

        Args:
            hint: follows the kinds.
            all_kinds: name every kind, not only the most frequent ones.
        """
        parts = [f"not looked at: {self._kinds(all_kinds=all_kinds)}{hint}"] if self.not_looked_at else []
        if n := self.raw_shown.total():
            parts.append(f"{many(n, 'RAW file')} shown by {'its' if n == 1 else 'their'} JPEG or HEIC")
        return "; ".join(parts)

    def some_photos(self, *, hint: str = "") -> list[str]:
        """Give the photos, or say that there are none, and what there is.

        Raises:
            FaceclusterError: there are none; `hint` says what else could be tried.
        """
        if self.photos:
            return self.photos
        there = f"; not looked at: {self._kinds()}" if self.not_looked_at else ""
        hint = hint if self.not_looked_at else ""
        raise FaceclusterError(f"no photos found{there}; give files, or folders that hold some{hint}")

    def _kinds(self, *, all_kinds: bool = False) -> str:
        kinds = sorted(self.not_looked_at.items(), key=lambda item: (-item[1], item[0]))
        n = len(kinds) if all_kinds or len(kinds) == _N_KINDS + 1 else _N_KINDS
        told = [f"{number} {ending or 'without an extension'}" for ending, number in kinds[:n]]
        rest = sum(number for _, number in kinds[n:])
        return ", ".join([*told, f"{rest} of other kinds"] if rest else told)


def find_photos(paths: Iterable[OnePath]) -> list[str]:
    """Give the photos alone of `search`."""
    return search(paths).photos


def find_some_photos(paths: Iterable[OnePath]) -> list[str]:
    """Give the photos of `search`; what was not looked at is logged.

    Raises:
        UsageError: as `search` raises it.
        FaceclusterError: there are no photos.
    """
    found = search(paths)
    if aside := found.aside():
        _log.info("%s", aside)
    return found.some_photos()


def search(
    paths: Iterable[OnePath],
    *,
    listed: Iterable[OnePath] = (),
    any_name: bool = False,
    report: Callable[[str], None] = lambda message: None,
    lost: Callable[[str], None] | None = None,
) -> Found:
    """Find the photo files among files and folders, each once.

    A folder gives the files with one of `EXTENSIONS` in it and below it, and those without an extension that start as
    a photo or video does; sorted by name at each level; links to folders are followed, each real folder once. Hidden
    files, thumbnails and bins of other systems, folders of our own results (`RESULT_MARKER`), and RAW files beside a
    JPEG or HEIC of the same name are left out. A file that is named itself always counts. A file reached again, by
    another name of it or through a link, is left out.

    Args:
        paths: files and folders. One that is there and cannot be looked at (a link that leads nowhere, no permission)
            counts like a file, so that it becomes a row that says so.
        any_name: every file counts that starts as a photo or video does, whatever it is called.
        listed: further files and folders, after `paths`, that need not exist any more.
        report: called with a message about a named folder of results, or a name that no file can have; the search
            goes on.
        lost: the same for each folder that cannot be read, and each link that might lead to one; `report` if not given.

    Raises:
        UsageError: one of `paths` does not exist, or is an empty name.
    """
    seen: Seen = {}
    given = [os.path.abspath(path) for path in paths if _can_be_a_file(check_name(path), report)]
    for path in given:
        try:
            os.stat(path)
        except FileNotFoundError as error:
            if not os.path.lexists(path):
                raise UsageError(f"{path}: {error.strerror}; give files or folders of photos") from error
        except OSError:  # a row says so
            continue
    found = Found([])
    reached: set[str] = set()
    folders: set[str] = set()
    for path in (*given, *(os.path.abspath(path) for path in listed if _can_be_a_file(path, report))):
        path = spelt(path, seen)
        alone = [(path, real(path, seen))]
        is_folder = os.path.isdir(path)
        inside = _walk(path, folders, seen, found, any_name, report, lost or report) if is_folder else alone
        for candidate, there in inside:
            if there not in reached:
                reached.add(there)
                found.photos.append(candidate)
    return found


def several(paths: Paths) -> list[str]:
    """Give the paths that are meant by one, or by several."""
    return [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]


def check_name(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Give a path back, but refuse an empty one, which the system takes for the current folder.

    Raises:
        UsageError: it is empty.
    """
    if not os.fspath(path):
        raise UsageError("an empty name; is a variable unset?")
    return path


def _can_be_a_file(path: OnePath, report: Callable[[str], None]) -> bool:
    """Whether the system takes a path; `report` one that it does not."""
    possible = can_be_named(os.fspath(path))
    if not possible:
        report(f"{os.fspath(path)!r}: no file can have this name; skipped")
    return possible


def _walk(
    top: str,
    visited: set[str],
    seen: Seen,
    found: Found,
    any_name: bool,
    report: Callable[[str], None],
    lost: Callable[[str], None],
) -> Iterator[tuple[str, str]]:
    """Give path and real path of the photo files in a folder and below.

    The real folders are added to `visited`, and what is not looked at to `found`.
    """
    pending = [(top, real(top, seen), True)]
    while pending:
        path, there, is_folder = pending.pop()
        if not is_folder:
            yield path, there
            continue
        if there in visited:
            continue
        visited.add(there)
        try:
            with os.scandir(path) as entries:
                inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            lost(f"{path}: {error.strerror}; skipped this folder")
            continue
        if any(entry.name == RESULT_MARKER for entry in inside):
            if path != top:
                continue
            report(
                f"{path}: holds results of facecluster, whose photos count like any others as it is named itself"
            )
        developed = _developed(inside)
        for entry in inside:
            name = entry.name.lower()
            if name.startswith(".") or name in _JUNK:
                continue
            ending = ending_of(name)
            is_named_so = ending in EXTENSIONS
            try:
                is_folder = entry.is_dir()
                is_link = entry.is_symlink() or (is_folder and _HAS_JUNCTIONS)
                # A link with the name of a photo counts, wherever it leads: it becomes a row that says so.
                is_photo = is_named_so and (is_link or entry.is_file())
                is_other = not (is_folder or is_named_so) and entry.is_file()
            except OSError as error:
                is_folder, is_link, is_photo, is_other = False, True, is_named_so, False
                if not is_photo:
                    lost(f"{entry.path}: {error.strerror}; skipped this link")
            if is_photo and ending in RAW_EXTENSIONS and _stem(name) in developed:
                found.raw_shown[ending] += 1
                continue
            if is_other and name not in _NOT_COUNTED:
                is_photo = (any_name or not ending) and kind_of(_head(entry.path)) is not None
                if not is_photo and ending not in _SIDECARS:
                    found.not_looked_at[ending] += 1
            if is_folder or is_photo:
                entry_real = real(entry.path, seen) if is_link else os.path.join(there, entry.name)
                # The same string object twice, where it is the same, halves the memory for a million photos.
                pending.append(
                    (entry.path, entry.path if entry_real == entry.path else entry_real, is_folder)
                )


def ending_of(name: str) -> str:
    """Give the ending of a name, with its dot and in lower case; "" where what follows a dot says of no kind."""
    ending = os.path.splitext(name)[1].lower()
    return ending if ending in EXTENSIONS or _ENDING.fullmatch(ending) else ""


def _developed(entries: Sequence[os.DirEntry[str]]) -> set[str]:
    """Names without endings of the JPEG and HEIC files of a folder; none where it has no RAW files."""
    endings = [os.path.splitext(entry.name)[1].lower() for entry in entries]
    if RAW_EXTENSIONS.isdisjoint(endings):
        return set()
    shown = JPEG_EXTENSIONS | HEIF_EXTENSIONS
    return {
        _stem(entry.name)
        for entry, ending in zip(entries, endings, strict=True)
        if ending in shown and not entry.name.startswith(".") and _is_file(entry)
    }


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads in a circle
        return False


def _stem(name: str) -> str:
    return fold(os.path.splitext(name)[0])


def _head(path: str) -> bytes:
    """Give the first bytes of a file; none where it cannot be read."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.open(path, flags)  # should it be a pipe by now, opening it must not wait
    except OSError:
        return b""
    try:
        return os.read(file, N_HEAD)
    except OSError:
        return b""
    finally:
        os.close(file)
