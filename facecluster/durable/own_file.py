"""Open a file of ours by its name, and never what somebody put in its place: a link leads to a file of others."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal, cast

from facecluster.errors import OutputError

OWNER_ONLY = 0o600
"""Permissions of a new file that holds encodings of faces, or pictures of photos that not everybody may read."""

_FLAGS = {
    "rb": os.O_RDONLY,
    "r+b": os.O_RDWR | os.O_CREAT,
    "xb": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    "x+b": os.O_RDWR | os.O_CREAT | os.O_EXCL,
    "a+b": os.O_RDWR | os.O_CREAT | os.O_APPEND,
}
_ALWAYS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # of a pipe that nobody writes to
)
_MODES = {"xb": "wb", "x+b": "r+b"}
"""How what was made is opened."""

_LINK = (errno.ELOOP, errno.EMLINK)
"""What systems say of a link that is not to be followed; FreeBSD has the second."""


def open_own(
    path: Path,
    mode: Literal["rb", "r+b", "xb", "x+b", "a+b"],
    *,
    permissions: int = 0o666,
    buffering: int = -1,
) -> BinaryIO:
    """Open a regular file, and make it if it is not there, but for reading.

    Args:
        path: of the file; its folder may be a link, it itself must not be.
        mode: as of `open`, but that "r+b" makes a file.
        permissions: of a new file, less what the umask takes away.
        buffering: as of `open`.

    Raises:
        OutputError: it is a link, or no regular file.
        OSError: anything else.
    """
    if not hasattr(os, "O_NOFOLLOW"):  # Windows
        refuse_link(path)
    try:
        number = os.open(path, _FLAGS[mode] | _ALWAYS, permissions)
    except OSError as error:
        if error.errno in _LINK:
            refuse_link(path)
        if error.errno in (errno.EISDIR, errno.ENXIO):  # a folder, a pipe or socket
            raise _in_the_way(path) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise _in_the_way(path)
        return cast("BinaryIO", open(number, _MODES.get(mode, mode), buffering=buffering))
    except BaseException:
        os.close(number)
        raise


def refuse_link(path: Path) -> None:
    """Refuse a file of ours that is a symbolic link.

    Raises:
        OutputError: it is one.
    """
    if path.is_symlink():
        raise OutputError(
            f"{path}: a link, where facecluster has a file of its own, and it follows none there; remove the link, or "
            "put the file in its place"
        )


def oddity_at(path: Path) -> str | None:
    """Say what lies where a file of ours belongs, as "a folder"; None: a file, or nothing."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "a pipe or a device"


def not_ours(path: Path, what: str = "another output") -> OutputError:
    """Say that a file has the name of one of ours, and is none."""
    return OutputError(
        f"{path}: not written by facecluster, so it is left alone; move it away, or choose {what}"
    )


def _in_the_way(path: Path) -> OutputError:
    return OutputError(f"{path}: in the way, and no file; move it, or choose another output")
