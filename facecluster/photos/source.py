"""A photo's file as what decodes it takes it: its bytes, read once, or the path of a video, never read whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeAlias

from facecluster.errors import PhotoError
from facecluster.photos import picture, video
from facecluster.photos.each_page import picture_digest
from facecluster.photos.file import file_digest, read_photo
from facecluster.photos.find import OnePath

Source: TypeAlias = bytes | str
"""The bytes of a photo, or the path of a video."""


def read_source(path: OnePath) -> Source:
    """Read a photo, or find that its file is a video, which is left on the disk.

    Raises:
        PhotoError: the file cannot be read, with the reason.
    """
    return os.fspath(path) if video.is_video(path) else read_photo(path)[0]


def is_coded_as(source: Source, digest: str) -> bool:
    """Say whether a coded picture or film has a digest, see `picture.is_coded_as`.

    Raises:
        PhotoError: a video cannot be read.
    """
    if isinstance(source, str):
        return video.coded_digest(source) == digest
    return picture.is_coded_as(source, digest)


def ids_of(source: Source) -> Iterator[str]:
    """Give what a photo may have as its id: the digest of its file, then that of its pixels; of a video, of the film.

    The pixels are missing where they cannot be decoded.

    Raises:
        PhotoError: a video cannot be read.
    """
    if isinstance(source, str):
        yield video.coded_digest(source)
        return
    yield file_digest(source)
    with suppress(PhotoError):
        yield picture_digest(source)
