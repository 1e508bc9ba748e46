"""Whether photos are still those whose faces are known: nothing else is put into a library's folders and pictures.

A face table from somebody else may name any file of this machine. It cannot know the digest of a private one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

from facecluster.identity.decisions import digest_of
from facecluster.library.refer import faces_of

if TYPE_CHECKING:
    from facecluster.photos.source import Source
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

    def has(self, photo: str) -> bool:
        """Say whether there is still the picture in a file whose faces are known. False where it cannot be read."""
        from facecluster.errors import PhotoError

        if photo not in self._found:
            try:
                self._read(photo)
                self._found[photo] = True
            except PhotoError:
                self._found[photo] = False
        return self._found[photo]

    def source(self, photo: str) -> Source:
        """Give what a photo is decoded from, if it is still what it was when its faces were found.

        Returns:
            The bytes that were compared; of a video, and of a photo that this process has digested, the path.

        Raises:
            PhotoError: it cannot be read, or is another one now.
        """
        return photo if self._found.get(photo, False) else self._read(photo)

    def _read(self, photo: str) -> Source:
        """Read a photo and compare it; see `source`."""
        from facecluster.errors import PhotoError
        from facecluster.photos.source import read_source

        source = read_source(photo)
        if not self.holds(photo, source):
            raise PhotoError("another picture now than the one whose faces are known")
        return source

    def holds(self, photo: str, source: Source) -> bool:
        """Say whether a file is that of a photo as it was when its faces were found."""
        from facecluster.formats.legacy_pickle import path_digest
        from facecluster.photos.source import is_coded_as

        picture = self._pictures.get(photo)
        if picture is not None and picture.coded:
            return is_coded_as(source, picture.coded)
        known = self._digests.get(photo, "")
        if _DIGEST.fullmatch(known) and known != path_digest(photo):
            return known in _ids(source)
        return (
            picture is not None and self._is_of_script and isinstance(source, bytes) and _is_picture(source)
        )

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


def _ids(source: Source) -> Iterator[str]:
    """What a photo may be known by, that which costs least first, and by the pixels of its first page alone."""
    from facecluster.errors import PhotoError
    from facecluster.photos.decode import decode
    from facecluster.photos.picture import pixel_digest
    from facecluster.photos.source import ids_of

    yield from ids_of(source)
    if isinstance(source, bytes):
        with suppress(PhotoError):
            first = decode(source, truncated=True)
            yield pixel_digest(first.pixels, first.size)


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
