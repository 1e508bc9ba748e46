"""A folder that is either whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facecluster.durable.own_file import not_ours
from facecluster.durable.whole_file import PART, cannot_write, is_left, part_of
from facecluster.errors import OutputError


@contextmanager
def whole_folder(path: Path, is_ours: Callable[[Path], bool], *, permissions: int = 0o777) -> Iterator[Path]:
    """Give a new folder that takes the place of `path` once it is complete, and leaves no trace if that fails.

    Args:
        path: where it goes. A folder that is there is replaced if all that lies in it is ours.
        is_ours: says whether a folder is, and whether nothing else is in it.
        permissions: of the folder, less what the umask takes away.

    Raises:
        OutputError: something else is at `path`; and in place of any OSError while writing.
    """
    target = Path(os.path.realpath(path))
    _check(path, target, is_ours)
    try:
        for left in target.parent.glob(PART):
            if left.is_dir() and is_left(left, folder=True) and is_ours(left):
                shutil.rmtree(left)
        part = part_of(target)
        part.mkdir(permissions)
        try:
            yield part
            _check(path, target, is_ours)
            _replace(part, target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def _check(path: Path, target: Path, is_ours: Callable[[Path], bool]) -> None:
    """Make sure that a folder may go where another one is.

    Raises:
        OutputError: it may not.
    """
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise OutputError(f"{path}: in the way, and no folder; move it, or choose another output")
    if any(target.iterdir()) and not is_ours(target):
        raise not_ours(path)


def _replace(part: Path, target: Path) -> None:
    """Have a folder take the place of another, which goes back if that fails."""
    if not target.exists():
        part.rename(target)
        return
    before = part_of(target)
    target.rename(before)
    try:
        part.rename(target)
    except BaseException:
        with suppress(OSError):
            before.rename(target)
        raise
    shutil.rmtree(before, ignore_errors=True)
