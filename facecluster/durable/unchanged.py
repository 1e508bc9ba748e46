"""Whether a file that we put into a folder is still what its line says, and what became of its original.

The content is asked only where size and time do not tell. Nothing is written here.
"""

from __future__ import annotations

import filecmp
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Literal

from facecluster.durable.own_list import Entry
from facecluster.durable.spelt import Seen, real
from facecluster.text import many, printable, some

_log = logging.getLogger(__name__)

TOLD = "told"
"""Key of a copy that stays though nobody asks for it, once this was said."""

_FEW = 10
"""Copies that a message names."""

_MTIME_SLACK_NS = 2_000_000_000
"""FAT file systems keep times to two seconds."""


def state_of(root: Path, entry: Entry) -> Literal["unchanged", "parted", "changed"]:
    """Say whether a file is as its line has it.

    The content tells where the time does not, as in a folder that was copied.

    Args:
        root: the folder of results.
        entry: of a file in there, in a folder that is no link.

    Returns:
        "parted" for a hard link that is a file of its own now, with the content that it had, as in a folder that was
        copied. A file that is gone has changed.

    Raises:
        OSError: it cannot be read.
    """
    path = f"{root}/{entry.path}"
    try:
        status = os.lstat(path)
        if entry.kind == "symlink":
            is_same = stat.S_ISLNK(status.st_mode) and os.readlink(path) == entry.source
            return "unchanged" if is_same else "changed"
        if not stat.S_ISREG(status.st_mode):
            return "changed"
        if entry.kind == "hardlink" and _is_one_file(Path(path), entry.source):
            return "unchanged"
        if status.st_size != entry.size:
            return "changed"
        is_of_another_time = abs(status.st_mtime_ns - entry.mtime_ns) >= _MTIME_SLACK_NS
        if is_of_another_time and not has_content(Path(path), entry):
            return "changed"
        return "parted" if entry.kind == "hardlink" else "unchanged"
    except (FileNotFoundError, NotADirectoryError):
        return "changed"


def last_copies(
    root: Path, ours: Collection[Entry], is_other: Callable[[str], bool]
) -> tuple[set[Entry], set[Entry]]:
    """Find those that may be the last copies of photos.

    Args:
        root: the folder of results.
        ours: copies, clones, links and files of ours, as we left them.
        is_other: says of an original that changed whether it is another photo now, and not the same one edited.

    Returns:
        All of them, and those among them in whose photo's place is another one now.
    """
    changed = (entry for entry in ours if _has_changed(entry))
    replaced = {
        entry
        for entry in changed
        if (entry.key == TOLD or is_other(entry.source)) and not has_content(root / entry.path, entry)
    }
    return {entry for entry in ours if _is_last(entry)} | replaced, replaced


def tell_of_last_copies(root: Path, copies: Sequence[Entry]) -> None:
    """Say of some copies that they stay, as their photo is gone."""
    names = some([printable(f"{root}/{entry.path}") for entry in copies], _FEW)
    one = len(copies) == 1
    _log.warning(
        "%s kept, as %s gone: %s; %s",
        many(len(copies), "copy is", "copies are"), "its original is" if one else "their originals are", names,
        "delete it, if you do not want it" if one else "delete those that you do not want",
    )  # fmt: skip


def is_away(entry: Entry, photo: str | None) -> bool:
    """Say whether it holds the photo that it is to hold, which is not where it was, as on a drive that is away."""
    return entry.source == photo and not os.path.lexists(entry.source)


def has_content(path: Path, entry: Entry) -> bool:
    """Say whether a file of the right size holds what we put there.

    Of a photo whose original is away nobody can say, and it counts as ours: it is kept as the last copy then.
    """
    try:
        if entry.kind == "file":
            return digest_of(path) == entry.digest
        return not os.path.lexists(entry.source) or filecmp.cmp(path, entry.source, shallow=False)
    except OSError:
        return False


def digest_of(path: Path) -> str:
    """Sha256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(2**20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def found_again(root: Path, copies: Collection[Entry], originals: Iterable[str]) -> set[Entry]:
    """Those of some copies whose content an original outside of the folder has, as after it was renamed."""
    alike = {copy.size: list[str]() for copy in copies}
    for original in originals if copies else ():
        with suppress(OSError):
            size = os.stat(original).st_size
            if size in alike and not Path(os.path.realpath(original)).is_relative_to(root):
                alike[size].append(original)
    return {
        copy
        for copy in copies
        if any(_is_another(root / copy.path, original) for original in alike[copy.size])
    }


def inside(root: Path, originals: Iterable[str]) -> set[str]:
    """The originals that lie in a folder, as paths of entries."""
    folders = {original[: original.rfind(os.sep) + 1] for original in originals}  # quicker than dirname
    inside: dict[str, str] = {}
    seen: Seen = {}
    for folder in folders:
        there = Path(real(folder, seen))
        if there.is_relative_to(root):
            inside[folder] = there.relative_to(root).as_posix()
    if not inside:
        return set()
    split = ((original[: (at := original.rfind(os.sep) + 1)], original[at:]) for original in originals)
    return {PurePath(inside[folder], name).as_posix() for folder, name in split if folder in inside}


def _has_changed(entry: Entry) -> bool:
    """Say whether the original is there, and is not as it was when it was placed."""
    if entry.kind not in ("copy", "clone", "hardlink"):
        return False
    try:
        status = os.stat(entry.source)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime_ns)


def _is_last(entry: Entry) -> bool:
    """Say whether it may be the last copy of a photo, as its original is not where it was."""
    return entry.kind in ("copy", "clone", "hardlink") and not os.path.isfile(entry.source)


def _is_another(path: Path, original: str) -> bool:
    """Say whether an original has the content of a copy, and is still there when the copy is removed."""
    try:
        if path.samefile(original):
            return path.stat().st_nlink > 1
        return filecmp.cmp(path, original, shallow=False)
    except OSError:
        return False


def _is_one_file(path: Path, source: str) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False
