"""Whether photos are still those whose faces are known: nothing else is put into a library's folders and pictures.

A face table from somebody else may name any file of this machine. It cannot know the digest of a private one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

from facecluster.identity.decisions import digest_of
from facecluster.library.refer import faces_of

if TYPE_CHECKING:
    from facecluster.result import Result
    from facecluster.table import Picture

_DIGEST = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Contents:
    """The contents of the photos of a result. Each is read once, when it is asked for; threads may ask.

    A photo that the face table lacks is none of the result's. Where there is no table, the ids of faces tell. Of a
    table of the older scripts, a pickle, which has no digest at all, any picture counts, and no other file.
    """

    def __init__(
        self,
        result: Result,
        pictures: Callable[[], Mapping[str, Picture]],
        known: Collection[str] = frozenset(),
        bare: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Take note of what is known.

        Args:
            result: who is who.
            pictures: gives those of the face table by path; none where there is no table.
            known: photos that this process has digested just now.
            bare: gives ids by path of photos that the result does not have, as no face is in them.
        """
        self._result, self._read_pictures, self._read_bare = result, pictures, bare
        self._found = dict.fromkeys(known, True)

    def is_known(self, photo: str) -> bool:
        """Say whether a photo was found to be the one whose faces are known."""
        return self._found.get(photo, False)

    def has(self, photo: str) -> bool:
        """Say whether there is still the picture in a file whose faces are known. False where it cannot be read."""
        from facecluster.errors import PhotoError
        from facecluster.photos.file import read_photo

        if photo not in self._found:
            try:
                self._found[photo] = self.holds(photo, read_photo(photo)[0])
            except PhotoError:
                self._found[photo] = False
        return self._found[photo]

    def holds(self, photo: str, data: bytes) -> bool:
        """Say whether the bytes of a file are those of a photo as it was when its faces were found."""
        from facecluster.formats.legacy_pickle import path_digest
        from facecluster.photos.file import file_digest
        from facecluster.photos.picture import is_coded_as

        picture = self._pictures.get(photo)
        if picture is not None and picture.coded:
            return is_coded_as(data, picture.coded)
        known = self._digests.get(photo, "")
        if _DIGEST.fullmatch(known) and known != path_digest(photo):
            return known == file_digest(data) or known in _of_pixels(data)
        return picture is not None and self._is_of_script and _is_picture(data)

    @property
    def _is_of_script(self) -> bool:
        table = self._result.settings.table
        return table is not None and not table.endswith(".npz")

    @cached_property
    def _pictures(self) -> Mapping[str, Picture]:
        return self._read_pictures()

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Ids of photos by path, which are digests."""
        return {**self._read_bare()} | {face.photo: digest_of(face.id) for face in faces_of(self._result)}


def _of_pixels(data: bytes) -> set[str]:
    """The digest of the pixels of a photo, and that of its first page alone; none where it cannot be read."""
    from facecluster.errors import PhotoError
    from facecluster.photos.decode import decode
    from facecluster.photos.each_page import picture_digest
    from facecluster.photos.pages import has_several
    from facecluster.photos.picture import pixel_digest

    digests = set[str]()
    with suppress(PhotoError):
        first = decode(data, truncated=True)
        digests.add(pixel_digest(first.pixels, first.size))
    with suppress(PhotoError):
        if has_several(data):
            digests.add(picture_digest(data))
    return digests


def _is_picture(data: bytes) -> bool:
    """Say whether a file starts as photos do."""
    from PIL import Image

    from facecluster.photos.kinds import kind_of
    from facecluster.photos.pillow import FORMATS

    if kind_of(data) == "heif":
        return True
    try:
        with Image.open(BytesIO(data), formats=FORMATS):
            return True
    except Exception:  # noqa: BLE001 - broken files make decoders trip over anything
        return False
