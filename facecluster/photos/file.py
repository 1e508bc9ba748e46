"""Read the files of photos: regular ones, up to a size, and few large ones at a time."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from facecluster.errors import PhotoError
from facecluster.photos.find import OnePath
from facecluster.photos.pixels import LARGEST

LARGEST_FILE = 500_000_000
"""Bytes. A larger file is refused before it is read: it may have no content at all (a sparse file)."""


_TOO_LARGE = f"the file is larger than {LARGEST_FILE // 10**6} MB; a smaller copy can be read"


LARGE_FILE = 50_000_000
"""Bytes; see `alone_if_large`."""


_ALONE = threading.Lock()


def read_photo(path: OnePath) -> tuple[bytes, float]:
    """Read a photo's file.

    Returns:
        Its bytes; and when the file was changed last, in seconds since 1970, also where that was hidden afterwards
        (`exiftool -P`), or where only its name changed.

    Raises:
        PhotoError: the file cannot be read, with the reason.
    """
    with open_photo(path) as file:
        status = os.fstat(file.fileno())
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise PhotoError(_TOO_LARGE)
    return data, max(status.st_mtime, status.st_ctime)


@contextmanager
def open_photo(path: OnePath, largest: float = LARGEST_FILE) -> Iterator[BinaryIO]:
    """Open a photo's file; a file that cannot be read in the block raises the same.

    Args:
        path: of the file.
        largest: bytes that it may have.

    Raises:
        PhotoError: it cannot be read, is no regular file, or is larger.
    """
    try:
        _check_kind(os.stat(path).st_mode)
        # Not the kind that was asked about a moment ago, if somebody replaced it: opening a pipe must not wait.
        with open(path, "rb", opener=_opened) as file:
            status = os.fstat(file.fileno())
            _check_kind(status.st_mode)
            if status.st_size > largest:
                raise PhotoError(_TOO_LARGE)
            yield file
    except (OSError, ValueError, MemoryError) as error:
        raise PhotoError(reason(error)) from error


def alone_if_large(path: OnePath) -> AbstractContextManager[object]:
    """Hold up other threads that ask the same while one has a large file in memory, so that it is one at a time."""
    try:
        large = os.stat(path).st_size > LARGE_FILE
    except (OSError, ValueError):
        large = False
    return _ALONE if large else nullcontext()


def file_digest(data: bytes) -> str:
    """Digest the bytes of a file, as an older facecluster knew photos: 32 hex digits, BLAKE2b with 128 bits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_kind(mode: int) -> None:
    """Accept regular files; anything else could wait forever (a pipe) or has no content (a folder)."""
    if stat.S_ISDIR(mode):
        raise PhotoError("this is a folder")
    if not stat.S_ISREG(mode):
        raise PhotoError("this is not a regular file")


def reason(error: Exception) -> str:
    """Say in a line why a file cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        return "no photo in a format that can be read, or broken at its start"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {LARGEST // 10**6} megapixels"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())
    return f"broken photo: {text or type(error).__name__}"
