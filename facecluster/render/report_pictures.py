"""The pictures of a report: faces and photos, made anew without what a camera writes beside the pixels."""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster.errors import PhotoError
from facecluster.photos.decode import decode
from facecluster.photos.file import alone_if_large, read_photo
from facecluster.render.montage import Meant
from facecluster.render.tile import MARGIN, cut
from facecluster.result import Box
from facecluster.table import Picture

PHOTO_PX = 1280
"""Longer side of a photo, at most."""

FACE_PX, COVER_PX = 160, 320
"""Width and height of a face, and of a cover."""

_MOST_PIXELS = 24_000_000
"""A photo is decoded to no more, so that a thread takes 150 MB at most, whatever its smallest face needs."""

_QUALITY = 80


@dataclass(frozen=True)
class Square:
    """A face to cut out: its box in the upright photo, turns as of `tile.turns_of`, and the side in pixels."""

    box: Box
    turns: int
    side_px: int


@dataclass(frozen=True)
class Pictures:
    """What a photo gave.

    Attributes:
        size: width, height of the upright photo at full size.
        squares: JPEGs, in the order in which they were asked for.
        photo: JPEG of all of it; None: not asked for.
        photo_size: width, height of that; 0, 0 without.
    """

    size: tuple[int, int]
    squares: tuple[bytes, ...]
    photo: bytes | None
    photo_size: tuple[int, int]


def make_pictures(
    wanted: Mapping[str, Sequence[Square]],
    pictures: Mapping[str, Picture],
    meant: Meant,
    *,
    whole: bool,
    threads: int,
) -> Iterator[tuple[str, Pictures | PhotoError]]:
    """Make the pictures of photos in several threads, a bounded number ahead of their use.

    Args:
        wanted: faces by path of the photo.
        pictures: what the face table says of the photos, by path.
        meant: says whether a photo is still the one whose faces are known.
        whole: the photo itself is wanted too.
        threads: how many work at a time.

    Yields:
        Path and pictures, in the order of `wanted`; why there are none, where the photo cannot be shown.
    """

    def make(path: str) -> Pictures | PhotoError:
        try:
            with alone_if_large(path):
                return _make(path, wanted[path], pictures.get(path, Picture()), meant, whole=whole)
        except PhotoError as error:
            return error

    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque[tuple[str, Future[Pictures | PhotoError]]]()
        for path in wanted:
            waiting.append((path, pool.submit(make, path)))
            if len(waiting) > 2 * threads:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _make(path: str, squares: Sequence[Square], picture: Picture, meant: Meant, *, whole: bool) -> Pictures:
    """Make the pictures of a photo.

    Raises:
        PhotoError: it cannot be read, or is not what it was.
    """
    data = read_photo(path)[0]
    if not meant.holds(path, data):
        raise PhotoError("another picture now than the one whose faces are known")
    decoded = decode(data, max_pixels=_pixels_needed(squares, picture[:2], whole=whole), truncated=True)
    if picture.width and picture.height and decoded.size != picture[:2]:
        raise PhotoError("changed since its faces were found")
    tiles = [
        np.rot90(
            cut(decoded.pixels, Box(*(decoded.scale * edge for edge in one.box)), one.side_px), one.turns
        )
        for one in squares
    ]
    scaled = _scaled(decoded.pixels) if whole else None
    return Pictures(
        decoded.size,
        tuple(map(_jpeg, tiles)),
        None if scaled is None else _jpeg(scaled),
        (0, 0) if scaled is None else (scaled.shape[1], scaled.shape[0]),
    )


def _pixels_needed(squares: Sequence[Square], size: tuple[int, int], *, whole: bool) -> int:
    """To how many pixels a photo may be reduced when it is decoded: by powers of two, as JPEG can."""
    if not all(size):
        return _MOST_PIXELS
    spare = [
        MARGIN * max(one.box.right - one.box.left, one.box.bottom - one.box.top) / one.side_px
        for one in squares
    ]
    spare += [max(size) / PHOTO_PX] if whole else []
    reduction: int = 2 ** int(math.log2(max(min(spare), 1)))
    return min(math.ceil(size[0] / reduction) * math.ceil(size[1] / reduction), _MOST_PIXELS)


def _scaled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a photo no larger than `PHOTO_PX`."""
    import cv2  # loaded by who reads pixels only

    height, width = pixels.shape[:2]
    scale = PHOTO_PX / max(height, width)
    if scale >= 1:
        return pixels
    to = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(pixels, to, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A JPEG of pixels alone: no EXIF data, no comment, no colour profile."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
