"""Files of several pictures: the faces on the pages of a TIFF, and in frames of an animation."""

from __future__ import annotations

import textwrap

import numpy as np

from facecluster.encoding.analysis import FACE, Analysis
from facecluster.encoding.dated import When
from facecluster.encoding.measure import faces_in
from facecluster.errors import PhotoError
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.each_page import Which, each_page
from facecluster.table import NO_FACE, OK
from facecluster.text import many
from facecluster.workers import still_at_work

_REASON_LENGTH = 500
"""Characters of a remark at most: a thousand pages may be broken, each in its way."""


def analyse_pages(data: bytes, which: Which, options: EncodeOptions, when: When) -> Analysis:
    """Find and measure the faces on each page of a file, one page at a time.

    Args:
        data: the bytes of the file.
        which: pages are looked at.
        options: what to look for, and how.
        when: it was taken.

    Returns:
        One photo. Its size is that of the first page that can be read; its looks are those of the first page with a
        face, or of that one: pages before it may be empty.

    Raises:
        PhotoError: no page can be read; the reason is that of the first.
    """
    faces, digests, broken, sizes = [np.empty(0, FACE)], [], dict[int, PhotoError](), []
    looks: tuple[int, ...] = ()
    for page in each_page(data, which.numbers, truncated=options.truncated):
        number, photo = page
        still_at_work()
        if isinstance(photo, PhotoError):
            broken[number] = photo
            digests.append((number, ""))
            continue
        digests.append((number, picture.pixel_digest(photo.pixels, photo.size)))
        sizes.append(photo.size)
        found = faces_in(photo, options)
        found["page"] = number
        if not looks or (len(found) and not any(map(len, faces))):
            looks = picture.hashes(photo.pixels)
        faces.append(found)
        del page, photo  # else there are two in memory while the next is decoded
    if not sizes:
        raise next(iter(broken.values()))
    all_faces = np.concatenate(faces)
    return Analysis(
        digest="",
        pixels=picture.digest_of_pages(digests),
        size=sizes[0],
        status=OK if len(all_faces) else NO_FACE,
        reason="; ".join(filter(None, [_told(broken, len(digests)), which.remark])),
        when=when,
        hash=looks[0],
        faces=all_faces,
        looks=looks,
        pages=len(sizes),
        first=next((digest for number, digest in digests if number == 0), ""),
    )


def _told(broken: dict[int, PhotoError], n_pages: int) -> str:
    """Say which pages cannot be read, counted from 1."""
    if not broken:
        return ""
    each = "; ".join(f"({number + 1}) {error}" for number, error in broken.items())
    text = f"{len(broken)} of {many(n_pages, 'page')} cannot be read: {each}"
    return textwrap.shorten(" ".join(text.split()), _REASON_LENGTH, placeholder=" ...")
