"""When a photo was taken, by what its file and the files beside it say.

EXIF says it of most photos. Only where its DateTimeOriginal and DateTimeDigitized are no dates is more looked at, in
the order of `formats.dates`: XMP, in sidecars (`photo.jpg.xmp`, then `photo.xmp`) before that in the photo, and the
JSON of Google Takeout. A file beside a photo counts if it is one: links are passed by.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args

from facecluster.errors import FaceclusterError
from facecluster.formats import takeout, xmp
from facecluster.formats.dates import Tag, Taken, when_taken
from facecluster.formats.embedded import read_embedded
from facecluster.formats.said_names import read_bounded
from facecluster.photos import video
from facecluster.table import SHOT_TAG

_EXIF = (SHOT_TAG, "DateTimeDigitized")
"""Nothing beside a photo counts before these."""

_LAST = "DateTime"


class When(NamedTuple):
    """When a photo was taken; the attributes as in `table.Photos`: time, time_from, zoned."""

    time: float = math.nan
    tag: str = ""
    zoned: bool = False

    @property
    def shot(self) -> float:
        """The time that tells shots apart, see `table.Photos.shot_times`."""
        return self.time if self.tag in (SHOT_TAG, "") else math.nan

    @property
    def is_of_exif(self) -> bool:
        """Whether no other file can say it better."""
        return self.tag in _EXIF


UNDATED = When()


def when_of(path: str, data: bytes) -> When:
    """Tell when a photo was taken, without decoding it.

    Args:
        path: of the photo, for the files beside it.
        data: the bytes of the photo's file. What is broken in them, or beside them, says nothing.
    """
    said = read_embedded(data, sized=False)
    exif = {name: text for name, text in said.dates.items() if name != _LAST}
    found = when_taken(exif) or _by_xmp(path, said.xmp) or _by_takeout(path) or when_taken(said.dates)
    return UNDATED if found is None else When(found.seconds, found.tag, found.time.tzinfo is not None)


def when_of_film(path: str) -> When:
    """Tell when a video was taken: by Apple's text in it, files beside it, or what MP4 and MOV have in all files.

    Raises:
        PhotoError: it cannot be read.
    """
    said = video.dates(path)
    first = {name: text for name, text in said.items() if name == "QuickTime:CreationDate"}
    found = when_taken(first) or _by_xmp(path, None) or _by_takeout(path) or when_taken(said)
    return UNDATED if found is None else When(found.seconds, found.tag, found.time.tzinfo is not None)


def _by_xmp(path: str, packet: bytes | None) -> Taken | None:
    """Ask the sidecars of a photo, and its own packet; of dates of one kind, the first one counts."""
    folder, name = os.path.split(path)
    there = _beside(folder).plain
    stem = os.path.splitext(name)[0]
    sidecars = [os.path.join(folder, side) for side in (f"{name}.xmp", f"{stem}.xmp") if side in there]
    found = [taken for sidecar in sidecars if (taken := _of_sidecar(sidecar)) is not None]
    if packet is not None and (taken := _of_packet(packet)) is not None:
        found.append(taken)
    return min(found, key=lambda taken: get_args(Tag).index(taken.tag), default=None)


def _of_sidecar(sidecar: str) -> Taken | None:
    try:
        return _of_packet(read_bounded(Path(sidecar)))
    except FaceclusterError:
        return None


def _of_packet(packet: bytes) -> Taken | None:
    try:
        dates = xmp.read(packet).dates
    except FaceclusterError:
        return None
    tags: Mapping[str, object] = dict(reversed(dates))
    return when_taken(tags)


def _by_takeout(path: str) -> Taken | None:
    folder, name = os.path.split(path)
    there = _beside(folder)
    json = there.takeout.json_of(name)
    if json is None or json not in there.plain:
        return None
    try:
        return when_taken({"photoTakenTime": takeout.read(Path(folder, json)).taken})
    except FaceclusterError:
        return None


class _Beside(NamedTuple):
    """What lies in a folder: the names of files that are no links, and which JSON belongs to which of all files."""

    plain: frozenset[str]
    takeout: takeout.Folder


def _beside(folder: str) -> _Beside:
    try:
        return _listed(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return _Beside(frozenset(), takeout.Folder(()))


@lru_cache(maxsize=4)
def _listed(folder: str, _as_of: int) -> _Beside:
    with os.scandir(folder) as entries:
        files = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    has_json = any(name.lower().endswith(".json") for name in files)
    plain = frozenset(name for name, is_plain in files.items() if is_plain)
    return _Beside(plain, takeout.Folder(files if has_json else ()))
