"""Find photo files among files and folders, each once, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from facecluster.durable.own_list import RESULT_MARKER
from facecluster.durable.spelt import Seen, real, spelt
from facecluster.errors import UsageError
from facecluster.photos.kinds import EXTENSIONS
from facecluster.text import can_be_named

OnePath: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = OnePath | Iterable[OnePath]
"""A file or folder, or several."""


_JUNK = frozenset({"@eadir", "#recycle", "$recycle.bin", "__macosx", "system volume information"})
"""Folders, in lower case, of thumbnails and deleted files that network drives and systems leave among the photos."""


_HAS_JUNCTIONS = os.name == "nt"
"""Whether a folder may be another one that lies elsewhere, without being a symbolic link."""


def find_photos(
    paths: Iterable[str | os.PathLike[str]],
    *,
    listed: Iterable[str | os.PathLike[str]] = (),
    report: Callable[[str], None] = lambda message: None,
    lost: Callable[[str], None] | None = None,
) -> list[str]:
    """Find the photo files among files and folders, each once.

    A folder gives the files with one of `EXTENSIONS` in it and below it, sorted by name at each level; links to
    folders are followed, each real folder once. Hidden files, thumbnails and bins of other systems, and folders of
    our own results (`RESULT_MARKER`) are left out. A file that is named itself always counts. A file reached again,
    by another name of it or through a link, is left out.

    Args:
        paths: files and folders. One that is there and cannot be looked at (a link that leads nowhere, no permission)
            counts like a file, so that it becomes a row that says so.
        listed: further files and folders, after `paths`, that need not exist any more.
        report: called with a message about a named folder of results, or a name that no file can have; the search
            goes on.
        lost: the same for each folder that cannot be read, and each link that might lead to one; `report` if not given.

    Returns:
        Absolute paths, with links not resolved, in the case in which the disk lists them; names that are no UTF-8 as
        `os.fsdecode` gives them.

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
    found: list[str] = []
    reached: set[str] = set()
    folders: set[str] = set()
    for path in (*given, *(os.path.abspath(path) for path in listed if _can_be_a_file(path, report))):
        path = spelt(path, seen)
        alone = [(path, real(path, seen))]
        inside = _walk(path, folders, seen, report, lost or report) if os.path.isdir(path) else alone
        for candidate, there in inside:
            if there not in reached:
                reached.add(there)
                found.append(candidate)
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
    report: Callable[[str], None],
    lost: Callable[[str], None],
) -> Iterator[tuple[str, str]]:
    """Give path and real path of the photo files in a folder and below; add the real folders to `visited`."""
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
        for entry in inside:
            if entry.name.startswith(".") or entry.name.lower() in _JUNK:
                continue
            is_named_so = os.path.splitext(entry.name)[1].lower() in EXTENSIONS
            try:
                is_folder = entry.is_dir()
                is_link = entry.is_symlink() or (is_folder and _HAS_JUNCTIONS)
                # A link with the name of a photo counts, wherever it leads: it becomes a row that says so.
                is_photo = is_named_so and (is_link or entry.is_file())
            except OSError as error:
                is_folder, is_link, is_photo = False, True, is_named_so
                if not is_photo:
                    lost(f"{entry.path}: {error.strerror}; skipped this link")
            if is_folder or is_photo:
                entry_real = real(entry.path, seen) if is_link else os.path.join(there, entry.name)
                # The same string object twice, where it is the same, halves the memory for a million photos.
                pending.append(
                    (entry.path, entry.path if entry_real == entry.path else entry_real, is_folder)
                )
