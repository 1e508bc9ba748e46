"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from facecluster.errors import OutputError

PART = ".facecluster-*.part"
"""Names of unfinished files; one that stays behind belongs to a process that was killed."""


@contextmanager
def whole_file(
    path: Path, *, sync: bool = True, ready: Callable[[Path], None] | None = None
) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is complete, and leaves no trace if that fails.

    Args:
        path: where it goes; a symbolic link is followed. A device or pipe is written to as it is.
        sync: wait for the disk, so that after a power cut the file is whole too.
        ready: called with the path of the complete file, just before it takes its place.

    Raises:
        OutputError: in place of any OSError while writing.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("wb") as file:
                yield file
            return
        part = part_of(target)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            if ready is not None:
                ready(part)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def part_of(target: Path) -> Path:
    """Name an unfinished file beside the one that it becomes."""
    return target.with_name(PART.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}"))


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Say what the system's error means for someone who waits for `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            why = "the disk is full; free some space, or choose another place"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            why = "no permission; choose another place, or change its permissions"
        case errno.ENOENT | errno.ENOTDIR:
            why = f"{path.parent} is not a folder; make it, or choose another place"
        case errno.EISDIR:
            why = "it is a folder; give a file name"
        case _:
            why = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written: {why}")
