"""Paths as their folders list them: macOS and Windows find a file by its name in any case, and accents in any form.

So the same file has many paths there, of which one is to be stored and compared. And what a name there may be.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import TypeAlias

from facecluster.durable.whole_file import part_of
from facecluster.text import fold

NAME_BYTES = 255
"""Longest name of a file nearly everywhere."""

ODD_LETTERS = frozenset('<>:"\\|?*')
"""Letters that Windows, and disks that are made for it, have in no name."""

Seen: TypeAlias = dict[str, tuple[str, dict[str, str] | None]]
"""Folders that were looked at: how each is listed itself; names in it by themselves and `fold`; None: case counts."""


def spelt(path: str, seen: Seen | None = None) -> str:
    """Give an absolute path as it is listed, name by name; links are not resolved, and what is not there stays.

    Where case tells files apart, this is the path itself, for one look a folder.

    Args:
        path: absolute, normal.
        seen: filled, for the next call.
    """
    folder, name = os.path.split(path)
    if not name:
        drive, rest = os.path.splitdrive(path)
        return drive.upper() + rest if len(drive) == 2 else path
    seen = {} if seen is None else seen
    found = seen.get(folder)
    if found is None:
        other = name.swapcase()
        listed = spelt(folder, seen)
        if other == name or not os.path.lexists(path):  # neither "2024" nor what is not there tells
            return os.path.join(listed, name)
        found = seen[folder] = (
            listed,
            _names(listed) if is_one_file(os.path.join(folder, name), os.path.join(folder, other)) else None,
        )
    listed, names = found
    if names is not None:
        name = names.get(name) or names.get(fold(name), name)
    return os.path.join(listed, name)


def real(path: str | os.PathLike[str], seen: Seen | None = None) -> str:
    """Give a path without links, as it is listed."""
    return spelt(os.path.realpath(path), seen)


def composed(name: str) -> str:
    """Give a name with its accents as we write them: some file systems take them apart."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def listed_in(folder: Path) -> list[str]:
    """Names of what is in a folder, as we write them where that is the same file.

    Raises:
        OSError: it cannot be read.
    """
    names = os.listdir(folder)
    return [
        ours if (ours := composed(name)) != name and is_one_file(folder / name, folder / ours) else name
        for name in names
    ]


def is_one_file(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Say whether two names are those of one file, or of one link."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False


def takes_odd_letters(folder: Path) -> bool:
    """Try whether a disk has the odd letters in names; nothing stays of the trial."""
    trial = part_of(folder / "trial").with_suffix(f".{''.join(sorted(ODD_LETTERS))}.part")
    try:
        trial.touch()
        trial.unlink()
    except OSError:
        return False
    return True


def _names(folder: str) -> dict[str, str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    return {fold(name): name for name in names} | {name: name for name in names}
