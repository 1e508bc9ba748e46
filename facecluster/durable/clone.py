"""Clones: files that share their blocks on disk until one of them is written to."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from facecluster.durable.own_file import open_own

_FICLONE = 0x40049409
"""_IOW(0x94, 9, int) of linux/fs.h, for machines whose Python does not know it."""


def clone(source: Path, target: Path) -> None:
    """Make a new file that shares the content of another: on btrfs, XFS, bcachefs (Linux), APFS (macOS).

    `os.copy_file_range` is no way to ask for it, as it copies where the file system cannot clone.

    Args:
        source: a file; a symbolic link is followed. It is only read.
        target: is not there yet. Its time is whatever the system makes of it. It has the permissions of the source,
            less what the umask takes away.

    Raises:
        OSError: this is not possible here; `target` is not there then.

    References:
        Linux: man 2 ioctl_ficlone. macOS: man 2 clonefile.
    """
    if sys.platform == "darwin":
        _clonefile(source, target)
    elif sys.platform == "linux":
        _ficlone(source, target)
    else:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(target))


def _ficlone(source: Path, target: Path) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(target))
    import fcntl

    with source.open("rb") as original:
        permissions = os.fstat(original.fileno()).st_mode & 0o777
        with open_own(target, "xb", permissions=permissions) as file:
            try:
                fcntl.ioctl(file.fileno(), getattr(fcntl, "FICLONE", _FICLONE), original.fileno())
            except OSError:
                target.unlink()
                raise


def _clonefile(source: Path, target: Path) -> None:
    import ctypes

    system = ctypes.CDLL(None, use_errno=True)  # libSystem
    if not hasattr(system, "clonefile"):  # before macOS 10.12
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(target))
    if system.clonefile(os.fsencode(source.resolve()), os.fsencode(target), ctypes.c_uint32(0)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))
    target.chmod(target.stat().st_mode & 0o777)
    if sys.platform == "darwin":  # a clone of a locked file is locked, and could not be removed
        flags = target.stat().st_flags
        if flags & (stat.UF_IMMUTABLE | stat.UF_APPEND):
            os.chflags(target, flags & ~(stat.UF_IMMUTABLE | stat.UF_APPEND))
