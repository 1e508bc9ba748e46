"""An output before it is written: that it can be, that nobody else writes it, what our files beside it are called."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from facecluster.durable.own_file import not_ours, open_own
from facecluster.durable.whole_file import cannot_write, remove_parts
from facecluster.errors import OutputError

_HEADER = b"lock of facecluster\n"
"""What is in the file of a lock that we made: such a one may be removed."""

_POLL_S = 0.05


@contextmanager
def only_user_of(output: Path) -> Iterator[None]:
    """Keep other processes from the same output, and remove what killed ones left unfinished in its folder.

    Raises:
        OutputError: another process has it, a file of somebody else's has the name of the lock, or the folder cannot be
            written.
    """
    path = beside(output, ".lock")
    with _locked(path, output, wait_s=0, advice="wait until it is done, or choose another output") as ours:
        try:
            with suppress(OSError):
                remove_parts(Path(os.path.realpath(output)).parent)
            yield
        finally:
            if ours and os.name != "nt":
                path.unlink(missing_ok=True)


def beside(output: Path, suffix: str) -> Path:
    """Name the file of ours that stands beside an output."""
    return output.with_name(output.name + suffix)


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device, which cannot be read again nor renamed."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def hold(path: Path, what: Path, *, wait_s: float) -> Iterator[None]:
    """Keep other processes from something, and wait while one of them has it.

    The file stays when it is let go: one that waits holds on to the file that it knows.

    Args:
        path: of the lock's file.
        what: it is about, for messages.
        wait_s: seconds to wait at most.

    Raises:
        OutputError: another process has it for longer, or the folder cannot be written.
    """
    with _locked(path, what, wait_s=wait_s, advice="try again when it is done"):
        yield


@contextmanager
def _locked(path: Path, what: Path, *, wait_s: float, advice: str) -> Iterator[bool]:
    """Hold a lock, and say whether its file is one that facecluster made.

    Args:
        path: of its file, which is made if it is not there. An empty one may be of an older version.
        what: it is about, for messages.
        wait_s: seconds to wait at most.
        advice: what to do where another process has it.
    """
    until = time.monotonic() + wait_s
    try:
        while (file := _try(path)) is None:
            if time.monotonic() >= until:
                raise OutputError(f"{what}: another facecluster is at work on it; {advice}")
            time.sleep(_POLL_S)
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        try:
            yield file.read(len(_HEADER)) == _HEADER
        finally:
            _unlock(file)


def _try(path: Path) -> BinaryIO | None:
    """Open the file of a lock and lock it; None while another process has it."""
    try:
        file, is_new = open_own(path, "x+b", buffering=0), True
    except FileExistsError:
        file, is_new = open_own(path, "r+b", buffering=0), False
    try:
        if not is_new and file.read(len(_HEADER)) not in (b"", _HEADER):
            raise not_ours(path)
        if not _lock(file):
            file.close()
            return None
        if not _is_still(path, file):  # whoever had it removed it
            file.close()
            return None
        if is_new:
            file.write(_HEADER)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Say whether a path is that of an open file."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30
    """Windows lets nobody read what is locked, so it is a byte that is not there."""

    def _lock(file: BinaryIO) -> bool:
        """Lock a file, if nobody else has it."""
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(0)
        return True

    def _unlock(file: BinaryIO) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> bool:
        """Lock a file, if nobody else has it."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)  # closing is not enough where workers were forked
