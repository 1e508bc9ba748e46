"""Paths as their folders list them: macOS and Windows find a file by its name in any case, and accents in any form.

So the same file has many paths there, of which one is to be stored and compared.
"""

from __future__ import annotations

import os
from typing import TypeAlias

from facecluster.text import fold

Seen: TypeAlias = dict[str, tuple[str, dict[str, str] | None]]
"""Folders that were looked at: how each is listed itself; names in it by themselves and `fold`, None where case counts."""


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
        found = seen[folder] = listed, _names(listed) if _is_there(folder, name, other) else None
    listed, names = found
    if names is not None:
        name = names.get(name) or names.get(fold(name), name)
    return os.path.join(listed, name)


def real(path: str | os.PathLike[str], seen: Seen | None = None) -> str:
    """Give a path without links, as it is listed."""
    return spelt(os.path.realpath(path), seen)


def _is_there(folder: str, name: str, other: str) -> bool:
    """Say whether two names are those of one file."""
    try:
        return os.path.samestat(os.lstat(os.path.join(folder, name)), os.lstat(os.path.join(folder, other)))
    except OSError:
        return False


def _names(folder: str) -> dict[str, str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    return {fold(name): name for name in names} | {name: name for name in names}
