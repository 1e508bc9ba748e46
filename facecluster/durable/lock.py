"""An output before it is written: that it can be, that nobody else writes it, what our files beside it are called."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from facecluster.durable.own_file import not_ours, open_own
from facecluster.durable.whole_file import cannot_write, remove_parts
from facecluster.errors import OutputError

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What systems answer where a disk knows no locks."""


@contextmanager
def only_user_of(output: Path) -> Iterator[None]:
    """Keep other processes from the same output, and remove what killed ones left unfinished in its folder.

    Raises:
        OutputError: another process has it, a file of somebody else's has the name of the lock, or the folder cannot be
            written.
    """
    path = beside(output, ".lock")
    with _locked(path, output, wait_s=0, advice="wait until it is done, or choose another output"):
        try:
            with suppress(OSError):
                remove_parts(Path(os.path.realpath(output)).parent)
            yield
        finally:
            if os.name != "nt":
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
def _locked(path: Path, what: Path, *, wait_s: float, advice: str) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: of its file, which is empty: nothing is lost where it is removed.
        what: it is about, for messages.
        wait_s: seconds to wait at most.
        advice: what to do where another process has it.
    """
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        with suppress(FileNotFoundError), open_own(path, "rb") as file:
            if file.read(1):
                raise not_ours(path)
        lock.acquire(timeout=wait_s, poll_interval=0.05)
    except filelock.Timeout as error:
        if not path.exists():  # some folders take no files, but do not say so
            raise cannot_write(what, OSError(errno.EACCES, "")) from error
        raise OutputError(f"{what}: another facecluster is at work on it; {advice}") from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise cannot_write(path, error) from error
        raise OutputError(
            f"{path}: its disk has no locks, as some network drives; choose an output on another disk"
        ) from error
    try:
        yield
    finally:
        lock.release()
