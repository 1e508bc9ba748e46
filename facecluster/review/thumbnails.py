"""Small pictures of faces and photos, made once and kept in a file of the library that may be deleted.

A picture is made only of a photo that is still the one whose faces are known (`library.contents`), decoded no larger
than needed. What is kept counts as long as the photo's file, its size and time, and the box are the same.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from facecluster.durable.own_file import oddity_at
from facecluster.errors import PhotoError
from facecluster.library.layout import THUMBNAILS, THUMBNAILS_JOURNAL

if TYPE_CHECKING:  # OpenCV and Pillow are loaded by who makes pictures
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.library.contents import Contents
    from facecluster.library.refer import Face
    from facecluster.table import Picture

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

FACE_SIZES = (96, 160, 240, 320, 480)
"""Sides of pictures of faces, in pixels; what is asked for gets the next larger one."""
PHOTO_SIZES = (320, 640, 1280, 1600, 2400)
"""Longer sides of pictures of photos."""

MOST_BYTES = 512_000_000
"""Of the file of pictures. Those that nobody asked for longest go first, a part of it at a time."""

_PART = 512
"""That part of it goes at a time: 1 MB, or some 150 pictures."""
_ASKED_S = 3600
"""Seconds after which a picture that is asked for is noted as asked for again: noting it writes."""
_KEPT_PHOTO = 640
"""Photos are kept up to this size; larger ones are looked at one by one."""
_VERSION = 1
"""Of pictures; another number makes all of them anew."""
_QUALITY = 82
_SCHEMA = (
    (
        "CREATE TABLE picture "
        "(id TEXT, size INTEGER, key TEXT, asked INTEGER, jpeg BLOB, PRIMARY KEY (id, size)) WITHOUT ROWID"
    ),
    "CREATE INDEX by_asked ON picture (asked)",
)
"""`asked`: when somebody asked for it last, in seconds since 1970, within `_ASKED_S`."""


class Thumbnail(NamedTuple):
    """A picture.

    Attributes:
        jpeg: None: who asked has it already.
        key: stands for what it shows.
    """

    jpeg: bytes | None
    key: str


class Thumbnails:
    """The pictures of a library. Threads may ask."""

    def __init__(
        self,
        directory: Path,
        pictures: Callable[[], Mapping[str, Picture]],
        contents: Callable[[], Contents],
        knows: Callable[[str], bool] = lambda own: True,
    ) -> None:
        """Take note of what is needed.

        Args:
            directory: of the library.
            pictures: gives those of the face table by path.
            contents: says whether a photo is still the one whose faces are known.
            knows: says whether a face or a photo is in the library, by its id.
        """
        self._pictures, self._contents, self._knows = pictures, contents, knows
        self._kept = _Kept(directory)

    def face(self, face: Face, paths: Sequence[str], side: int, known: str | None = None) -> Thumbnail:
        """Give the square around a face.

        Args:
            face: which.
            paths: of its photo, several of copies; the first that can be read is taken.
            side: in pixels; one of `FACE_SIZES` that is no less is taken, or the largest.
            known: key of the picture that who asks has.

        Raises:
            PhotoError: the photo is gone, cannot be read, or is another one now.
        """
        from facecluster.render.tile import turns_of

        side = _size(FACE_SIZES, side)
        turns = turns_of(face.pose.roll)

        def make(data: bytes, size: tuple[int, int]) -> bytes:
            from facecluster.render.tile import cut_from

            return _jpeg(cut_from(data, [face.box], size, side, [turns])[0])

        return self._picture(face.id, side, (*face.box, turns), paths, known, make, keep=True)

    def photo(self, own: str, paths: Sequence[str], side: int, known: str | None = None) -> Thumbnail:
        """Give a photo, upright; the arguments are those of `face`, `side` being the longer one.

        Raises:
            PhotoError: the photo is gone, cannot be read, or is another one now.
        """
        side = _size(PHOTO_SIZES, side)

        def make(data: bytes, size: tuple[int, int]) -> bytes:
            return _jpeg(_reduced(data, side))

        return self._picture(own, side, (), paths, known, make, keep=side <= _KEPT_PHOTO)

    def size(self, paths: Sequence[str]) -> tuple[int, int]:
        """Give width and height of an upright photo in pixels; 0, 0 where nothing tells."""
        from facecluster.photos.decode import decode

        for path in paths:
            if (picture := self._pictures().get(path)) is not None and picture.width:
                return picture.width, picture.height
        for path in paths:
            with suppress(PhotoError):
                return decode(self._content(path), max_pixels=1_000_000, truncated=True).size
        return 0, 0

    def keep_only(self, ids: Collection[str]) -> None:
        """Drop the pictures of faces and photos that are not in the library any more, as they were forgotten."""
        self._kept.keep_only(ids)

    def close(self) -> None:
        """Close the file."""
        self._kept.close()

    def _picture(
        self,
        own: str,
        side: int,
        shown: tuple[float, ...],
        paths: Sequence[str],
        known: str | None,
        make: Callable[[bytes, tuple[int, int]], bytes],
        *,
        keep: bool,
    ) -> Thumbnail:
        """Give a picture that is kept, or make it of the first path that can be read."""
        why = PhotoError("no such photo")
        for path in paths:
            picture = self._pictures().get(path)
            size = (0, 0) if picture is None else picture[:2]
            try:
                key = _key(path, shown, side, "" if picture is None else picture.coded)
                if key == known:
                    return Thumbnail(None, key)
                if keep and (jpeg := self._kept.get(own, side, key)) is not None:
                    return Thumbnail(jpeg, key)
                from facecluster.photos.file import alone_if_large

                with alone_if_large(path):
                    jpeg = make(self._content(path), size)
            except PhotoError as error:
                why = error
                continue
            if keep:
                self._kept.put(own, side, key, jpeg)
                if not self._knows(own):  # it was forgotten meanwhile
                    self._kept.drop(own)
            return Thumbnail(jpeg, key)
        raise why

    def _content(self, path: str) -> bytes:
        """Read a photo.

        Raises:
            PhotoError: it cannot be read, or is another one now.
        """
        from facecluster.photos.file import read_photo

        data = read_photo(path)[0]
        if not self._contents().holds(path, data):
            raise PhotoError("another picture than that whose faces are known")
        return data


def _size(sizes: Sequence[int], asked: int) -> int:
    return next((size for size in sizes if size >= asked), sizes[-1])


def _key(path: str, shown: tuple[float, ...], side: int, coded: str) -> str:
    """Stand for a picture of a photo as its file is now.

    Raises:
        PhotoError: it is gone.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise PhotoError("the photo is not there any more") from error
    state = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    text = repr((_VERSION, path, state, shown, side, coded))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _reduced(data: bytes, side: int) -> NDArray[np.uint8]:
    """Decode a photo with a longer side of some pixels at most."""
    import cv2

    from facecluster.photos.decode import decode

    pixels = decode(data, max_pixels=_pixels(data, side), truncated=True).pixels
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)


def _pixels(data: bytes, side: int) -> int:
    """Give how many pixels a photo is decoded to, so that no side is smaller than it is shown, where that helps."""
    from PIL import Image

    from facecluster.photos.pillow import FORMATS
    from facecluster.photos.pixels import MAX_PIXELS

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
    except Exception:  # noqa: BLE001 - broken files make decoders trip over anything; decode says of what
        return MAX_PIXELS
    for reduction in (8, 4, 2):
        if max(width, height) >= side * reduction:
            return min(MAX_PIXELS, -(-width // reduction) * -(-height // reduction))
    return MAX_PIXELS


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


class _Kept:
    """The file of the pictures. It is a cache: whatever is wrong with it, it is made anew, or done without."""

    def __init__(self, directory: Path) -> None:
        self._file, self._journal = directory / THUMBNAILS, directory / THUMBNAILS_JOURNAL
        self._lock = threading.Lock()
        self._base: sqlite3.Connection | None = None
        self._inode = 0
        self._is_told = False

    def get(self, own: str, size: int, key: str) -> bytes | None:
        """Give a picture that is kept; None where there is none of this key."""

        def find(base: sqlite3.Connection) -> bytes | None:
            found = base.execute(
                "SELECT jpeg, asked FROM picture WHERE id = ? AND size = ? AND key = ?", (own, size, key)
            ).fetchone()
            if found is None or not isinstance(found[0], bytes):
                return None
            now = int(time.time())
            if not isinstance(found[1], int) or abs(now - found[1]) > _ASKED_S:
                base.execute("UPDATE picture SET asked = ? WHERE id = ? AND size = ?", (now, own, size))
            return found[0]

        return self._do(find)

    def put(self, own: str, size: int, key: str, jpeg: bytes) -> None:
        """Keep a picture."""

        def put(base: sqlite3.Connection) -> None:
            _make_room(base)
            values = own, size, key, int(time.time()), jpeg
            base.execute("INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?, ?)", values)

        self._do(put)

    def keep_only(self, ids: Collection[str]) -> None:
        """Drop what is of other ids."""
        if not self._file.exists():
            self.close()  # else what was removed would stay on the disk
            return
        kept = self._do(
            lambda base: {own for (own,) in base.execute("SELECT id FROM picture INDEXED BY by_asked")}
        )
        for own in kept or ():
            if own not in ids:
                self.drop(own)

    def drop(self, own: object) -> None:
        """Drop what is of an id."""
        self._do(lambda base: base.execute("DELETE FROM picture WHERE id = ?", (own,)))

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do something with the file, wholly or not at all; None: it was not."""
        with self._lock:
            try:
                base = self._opened()
                with base:
                    return work(base)
            except (sqlite3.Error, OSError) as error:
                self._drop()
                with suppress(OSError):
                    self._remove()
                if isinstance(error, OSError) and not self._is_told:
                    self._is_told = True
                    _log.warning(
                        "%s: %s; the page keeps no small pictures, and makes each anew",
                        self._file,
                        error.strerror,
                    )
                return None

    def _opened(self) -> sqlite3.Connection:
        """The file as it is now: who forgets somebody removes it.

        Raises:
            OSError: there can be none, as where something else lies in its place.
            sqlite3.Error: it is damaged, or of somebody else.
        """
        inode = self._own_inode()
        if self._base is not None and inode == self._inode:
            return self._base
        self._drop()
        for file in (self._file, self._journal):
            if what := oddity_at(file):
                where = "" if file == self._file else f" at {file.name}"
                raise FileExistsError(errno.EEXIST, f"{what} is in the way{where}")
        if not inode:
            self._remove()
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
            os.close(os.open(self._file, flags, 0o600))
            inode = self._own_inode()
        base = sqlite3.connect(self._file, check_same_thread=False, timeout=1.0, isolation_level="DEFERRED")
        self._base, self._inode = base, inode
        for setting in (
            "journal_mode = DELETE",  # of somebody else's file it may be one with a file that nobody removes
            "trusted_schema = OFF",
            "synchronous = OFF",
            "secure_delete = ON",
            "cell_size_check = ON",
        ):
            base.execute(f"PRAGMA {setting}")
        schema = base.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        if not schema:
            for command in _SCHEMA:
                base.execute(command)
        elif schema != [(command,) for command in _SCHEMA]:  # of somebody else, or an older version
            raise sqlite3.DatabaseError("not ours")
        return base

    def _own_inode(self) -> int:
        """The inode of the file; 0: there is none, or none that is ours alone."""
        try:
            status = os.lstat(self._file)
        except OSError:
            return 0
        is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        if not stat.S_ISREG(status.st_mode) or not is_ours or status.st_nlink != 1:
            return 0
        if status.st_mode & 0o077 and os.name != "nt":
            os.chmod(self._file, 0o600)
        return status.st_ino or 1

    def _remove(self) -> None:
        for file in (self._file, self._journal):
            if oddity_at(file) is None:
                file.unlink(missing_ok=True)

    def _drop(self) -> None:
        if self._base is not None:
            with suppress(sqlite3.Error), closing(self._base):
                pass
            self._base = None


def _make_room(base: sqlite3.Connection) -> None:
    """Drop the pictures that nobody asked for longest where there are too many; their room in the file is used again.

    Neither the size nor who goes takes a look at all of them.
    """
    pages, free, size = (
        base.execute(f"PRAGMA {asked}").fetchone()[0]
        for asked in ("page_count", "freelist_count", "page_size")
    )
    too_much = (pages - free) * size - MOST_BYTES
    if too_much <= 0:
        return
    go, n_bytes = list[tuple[object, object]](), 0
    for own, side, length in base.execute("SELECT id, size, length(jpeg) FROM picture ORDER BY asked"):
        go.append((own, side))
        n_bytes += length or 0
        if n_bytes >= too_much + MOST_BYTES // _PART:
            break
    base.executemany("DELETE FROM picture WHERE id = ? AND size = ?", go)
