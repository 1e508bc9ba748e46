"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from facecluster.errors import OutputError

PART = ".facecluster-*.part"
"""Names of unfinished files; one that stays behind belongs to a process that was killed."""

_OF_THE_DISK = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.ESTALE,
    }
)
"""What the next file will meet, too."""

_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What systems answer where a disk, as one with FAT or on a network, cannot be waited for."""

_SHARED = 32
"""What Windows says of a file that another program has open; of one that is to be replaced it may say _DENIED."""
_DENIED = 5

_PATIENCE_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""How long scanners of viruses and indexers get to let a new file go."""


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
                    wait_for_disk(file)
            if ready is not None:
                ready(part)
            _replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def wait_for_disk(file: BinaryIO) -> None:
    """Return once a file is on its disk, where that can be waited for.

    Raises:
        OSError: the disk failed.
    """
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def set_times(path: Path, times_ns: tuple[int, int]) -> None:
    """Set a file's times of access and change where the disk lets us: FAT does not for files of others (EPERM)."""
    with suppress(OSError):
        os.utime(path, ns=times_ns)


def is_of_one_file(error: OSError) -> bool:
    """Say whether other files may do where one failed: its name, size or content is refused, or a program has it open.

    Not so where the disk is full, read-only or gone.
    """
    return error.errno not in _OF_THE_DISK


def part_of(target: Path) -> Path:
    """Name an unfinished file beside the one that it becomes."""
    return target.with_name(PART.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}"))


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Say what the system's error means for someone who waits for `path`."""
    if getattr(error, "winerror", None) == _SHARED:
        return OutputError(f"{path}: cannot be written: another program has it open; close it there")
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            why = "the disk is full; free some space, or choose another place"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            why = "no permission; choose another place, or change its permissions"
        case errno.ENOENT | errno.ENOTDIR:
            why = f"{path.parent} is not a folder; make it, or choose another place"
        case errno.EISDIR:
            why = "it is a folder; give a file name"
        case errno.EFBIG:
            why = "the disk takes no file as large (FAT: 4 GB); choose a place on another disk"
        case _:
            why = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written: {why}")


def _replace(part: Path, target: Path) -> None:
    """Have a file take the place of another; on Windows, once programs that look at them for a moment are done."""
    for patience in _PATIENCE_S:
        try:
            part.replace(target)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in (_DENIED, _SHARED):
                raise
            time.sleep(patience)
        else:
            return
    part.replace(target)
