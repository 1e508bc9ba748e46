"""Decode the pictures of a file one at a time: all pages of a TIFF, the frames of an animation that differ most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import PhotoError
from facecluster.photos.decode import decode
from facecluster.photos.file import reason
from facecluster.photos.looks import mean_colours
from facecluster.photos.moment import Moment
from facecluster.photos.pages import is_animated, is_tiff, tiff_pages
from facecluster.photos.picture import digest_of_pages, pixel_digest
from facecluster.photos.pillow import colours_of_frames, decode_frames
from facecluster.photos.pixels import MAX_PIXELS, Decoded
from facecluster.text import many

MOST_FRAMES = 16
"""Frames of an animation that are looked at: those of a loop of a few seconds that differ. Set by hand."""

_DIFFERS = 16
"""Of 255 levels of red, green or blue, by which two pictures must differ in the mean of one of 16x16 areas, or they
count as alike. Noise and dithering change such means by 1 or 2, a face as small as an area by 40. Set by hand."""

_FRAMES_LOOKED_THROUGH = 2_000_000_000
"""Pixels of frames among which those are chosen: half a minute. What comes later in an animation is not looked at."""

_LARGE_FILE = 200_000_000
"""Bytes of a file of pages, which stays in memory beside each of them, from which on their pixels are
`_MOST_PIXELS_BESIDE` at most, so that a process stays under 1 GB."""

_MOST_PIXELS_BESIDE = 12_500_000


class Which(NamedTuple):
    """Which pictures of a file are looked at.

    Attributes:
        numbers: of pages or frames, ascending; (0,) of a plain photo.
        remark: what is not looked at, and why; "" where all is.
    """

    numbers: tuple[int, ...]
    remark: str = ""


class Page(NamedTuple):
    """A picture of a file: its number, and its pixels, or why it cannot be read."""

    number: int
    picture: Decoded | PhotoError


def which_pages(data: bytes) -> Which:
    """Say which pictures of a file are looked at.

    Of a TIFF, the first `pages.MOST_PAGES` of its pages. Of an animation its first frame, and then always the one that
    differs most from those chosen, until none differs or `MOST_FRAMES` are chosen.

    Args:
        data: the bytes of the file; any bytes.
    """
    if not is_tiff(data):
        return Which(_frames(data) if is_animated(data) else (0,))
    pages = tiff_pages(data)
    remarks = []
    if pages.n > len(pages.numbers):
        remarks.append(f"the first {len(pages.numbers):,} of {pages.n:,} pages were looked at")
    if not pages.is_whole:
        remarks.append(f"what follows its first {many(pages.n, 'page')} cannot be read")
    return Which(pages.numbers, "; ".join(remarks))


def each_page(data: bytes, numbers: Sequence[int], *, truncated: bool = False) -> Iterator[Page]:
    """Decode pictures of a file of several, one at a time; drop each before the next is asked for.

    A smaller copy of a page of the same TIFF is left out, as pyramids have them that do not say so.

    Args:
        data: the bytes of the file.
        numbers: as `which_pages` gives them.
        truncated: give what is there of a page of a TIFF of which a part is missing.
    """
    max_pixels = _MOST_PIXELS_BESIDE if len(data) > _LARGE_FILE else MAX_PIXELS
    if not is_tiff(data) and len(numbers) > 1:
        yield from _each_frame(data, numbers, max_pixels)
        return
    earlier: list[tuple[tuple[int, int], NDArray[np.uint8]]] = []
    for number in numbers:
        try:
            photo = decode(data, moment=Moment(number), max_pixels=max_pixels, truncated=truncated)
        except PhotoError as error:
            yield Page(number, error)
            continue
        colours = mean_colours(photo.pixels)
        if any(_is_reduced(photo.size, size) and not _differ(colours, others) for size, others in earlier):
            continue
        earlier.append((photo.size, colours))
        page = [Page(number, photo)]
        del photo
        yield page.pop()


def picture_digest(data: bytes) -> str:
    """Digest the upright pixels of a file, as a face table knows them: `picture.digest_of_pages` of what is looked at.

    Of a photo of which a part is missing, what is there counts, as with `--truncated`.

    Raises:
        PhotoError: it cannot be read.
    """
    numbers, _ = which_pages(data)
    if numbers == (0,):
        photo = decode(data, truncated=True)
        return pixel_digest(photo.pixels, photo.size)
    digests, error = [], PhotoError("it has no page")
    for page in each_page(data, numbers, truncated=True):
        if isinstance(page.picture, PhotoError):
            error = page.picture
            digests.append((page.number, ""))
        else:
            digests.append((page.number, pixel_digest(page.picture.pixels, page.picture.size)))
        del page
    if not any(digest for _, digest in digests):
        raise error
    return digest_of_pages(digests)


def _each_frame(data: bytes, numbers: Sequence[int], max_pixels: int) -> Iterator[Page]:
    frames = decode_frames(data, max_pixels, numbers)
    for place, number in enumerate(numbers):
        try:
            page = [Page(number, next(frames))]
        except Exception as error:  # noqa: BLE001 - as in decode
            page = [Page(number, error if isinstance(error, PhotoError) else PhotoError(reason(error)))]
            frames = decode_frames(data, max_pixels, numbers[place + 1 :])
        yield page.pop()


def _frames(data: bytes) -> tuple[int, ...]:
    """Choose the frames of an animation that are looked at."""
    found: list[NDArray[np.uint8]] = []
    with suppress(Exception):  # as in decode; what comes before a broken frame can be read
        found.extend(colours_of_frames(data, _FRAMES_LOOKED_THROUGH))
    if not found:
        return (0,)
    colours = np.array(found).reshape(len(found), -1).astype(np.int16)
    chosen = [0]
    apart = np.abs(colours - colours[0]).max(axis=1)
    while len(chosen) < MOST_FRAMES and apart.max() > _DIFFERS:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.abs(colours - colours[chosen[-1]]).max(axis=1))
    return tuple(sorted(chosen))


def _differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return bool(np.abs(one.astype(np.int16) - other).max() > _DIFFERS)


def _is_reduced(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a picture is smaller than another one and of its shape, as far as whole numbers of pixels allow."""
    (width, height), (full_width, full_height) = size, other
    smaller = width < full_width and height < full_height
    return smaller and abs(width * full_height - height * full_width) <= max(other)
