"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import re
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from facecluster.durable.denied import why_unwritten
from facecluster.durable.own_file import open_own, refuse_link
from facecluster.errors import OutputError

PART = ".facecluster-*.part"
"""Names of unfinished files; one that stays behind belongs to a process that was killed."""

_PART = re.compile(r"\.facecluster-(?P<pid>\d+)-((?P<host>[0-9a-f]{6})-)?[0-9a-z]+\.part", re.ASCII)
"""Such names apart: process, machine (none where an older version made it), and what tells files apart."""

_DAY_S = 86400
"""Nobody writes to a file for so long."""

_open_parts: set[Path] = set()
"""Those that this process is writing."""
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
    path: Path,
    *,
    sync: bool = True,
    ready: Callable[[Path], None] | None = None,
    follow: bool = True,
    permissions: int = 0o666,
) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is complete, and leaves no trace if that fails.

    Args:
        path: where it goes. A device or pipe is written to as it is.
        sync: wait for the disk, so that after a power cut the file is whole too.
        ready: called with the path of the complete file, just before it takes its place.
        follow: a symbolic link at `path` is followed, as for an output that a user named; it is refused otherwise.
        permissions: of a new file, less what the umask takes away. One that replaces another has those of that.

    Raises:
        OutputError: a link that is not followed; and in place of any OSError while writing.
    """
    try:
        if not follow:
            refuse_link(path)
        target = Path(os.path.realpath(path)) if follow else path.absolute()
        before = _status(target)
        if before is not None and not stat.S_ISREG(before.st_mode) and not stat.S_ISDIR(before.st_mode):
            with target.open("wb") as file:
                yield file
            return
        part = part_of(target)
        _open_parts.add(part)
        try:
            permissions = permissions if before is None else before.st_mode & 0o777
            with open_own(part, "xb", permissions=permissions) as file:
                if before is not None and os.name != "nt":
                    _give_access(file.fileno(), before)
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
        finally:
            _open_parts.discard(part)
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
    return target.with_name(PART.replace("*", f"{os.getpid()}-{_machine()}-{secrets.token_hex(4)}"))


def remove_parts(folder: Path, *, of_others: bool = False) -> None:
    """Remove the unfinished files of processes that were killed.

    Those of processes that live stay, and the young ones of other machines, as on a shared drive, of which nobody can
    say whether they do.

    Args:
        folder: where they lie; nothing is done where there is none.
        of_others: the young ones of other machines, and of older versions, go too.

    Raises:
        OSError: no permission.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in fnmatch.filter(os.listdir(folder), PART):
            path = folder / name
            if path not in _open_parts and is_left(path, of_others=of_others):
                path.unlink(missing_ok=True)


def is_left(part: Path, *, of_others: bool = False, folder: bool = False) -> bool:
    """Say whether nobody works any more on what is called like an unfinished file, or `folder`; see `remove_parts`."""
    made, status = _PART.fullmatch(part.name), _status(part)
    is_kind = stat.S_ISDIR if folder else stat.S_ISREG
    if made is None or status is None or not is_kind(status.st_mode):
        return False
    if abs(time.time() - status.st_mtime) > _DAY_S:
        return True
    if made["host"] != _machine():
        return of_others
    return int(made["pid"]) == os.getpid() or not _lives(int(made["pid"]))


def _lives(pid: int) -> bool:
    """Say whether there is a process of this number here."""
    if os.name == "nt":  # where os.kill ends it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@cache
def _machine() -> str:
    """Stand for this machine in names of files: 6 hex digits."""
    return hashlib.sha256(os.fsencode(socket.gethostname())).hexdigest()[:6]


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _give_access(number: int, before: os.stat_result) -> None:
    """Let those read and write an open file who could the one that it replaces, and nobody else."""
    permissions = before.st_mode & 0o777
    if os.fstat(number).st_gid != before.st_gid:
        try:
            os.fchown(number, -1, before.st_gid)
        except OSError:
            permissions &= ~0o070  # which would be another group's
    with suppress(OSError):  # FAT has none
        os.fchmod(number, permissions)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Say what the system's error means for someone who waits for `path`."""
    if getattr(error, "winerror", None) == _SHARED:
        return OutputError(f"{path}: cannot be written: another program has it open; close it there")
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            why = "the disk is full; free some space, or choose another place"
        case errno.EROFS:
            why = "its disk can only be read; choose another place"
        case errno.EACCES | errno.EPERM:
            why = why_unwritten(path, error)
        case errno.ENOENT | errno.ENOTDIR:
            why = f"{path.parent} is not a folder; make it, or choose another place"
        case errno.EISDIR:
            why = "it is a folder; give a file name"
        case errno.ENAMETOOLONG:
            why = "its name is too long; choose a shorter one"
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
