"""Put photos into folders of people: as clones, links or copies, whichever is possible, and each whole or not at all.

What is in the folder already, and whose it is, `own_files` knows.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from facecluster.durable.links import KINDS, Kind, Link, is_possible, make_link
from facecluster.durable.own_list import Entry
from facecluster.durable.unchanged import has_content, state_of
from facecluster.durable.whole_file import part_of, set_times, whole_file
from facecluster.errors import OutputError, PhotoError
from facecluster.text import many

_log = logging.getLogger(__name__)

_WORDS = {"clone": "clone", "hardlink": "hard link"}

_FEW = 10
"""Photos that a message names."""


@dataclass(frozen=True)
class Holding:
    """How our folders hold photos, in numbers.

    Attributes:
        link: what was asked for.
        photos: how many there are of each kind, but for last copies; of a folder that was opened with a scope, how many
            were placed now.
        n_bytes: of the copies among them. Clones and links use no space.
        n_last: copies, clones and hard links whose originals are gone.
        n_bytes_last: of these.
        n_new: photos that were placed now.
        before: how many of these were held in another way until now, by that kind.
        is_all: whether all of the folder was looked at.
        auto_is_free: whether `auto` would use no space in place of the copies.
    """

    link: Link
    photos: Mapping[Kind, int]
    n_bytes: int
    n_last: int
    n_bytes_last: int
    n_new: int
    before: Mapping[Kind, int]
    is_all: bool
    auto_is_free: bool


@dataclass(frozen=True)
class Put:
    """What became of a photo that was to be placed.

    Attributes:
        is_there: whether it is in its place; not where its original cannot be read (any more).
        no_link: why it could not be the clone or hard link that it was to be, so that a copy was tried; None: it could.
    """

    is_there: bool
    no_link: str | None = None


class Possible:
    """Which kinds of links a folder can hold; tried once for photos of one disk, owner and permissions."""

    def __init__(self, root: Path) -> None:
        """Nothing is tried yet.

        Args:
            root: the folder of results.
        """
        self._root = root
        self._kinds: dict[tuple[Link, int, int, int, int], Kind] = {}

    def kind(self, link: Link, source: str, status: os.stat_result, *, is_linked: bool) -> Kind:
        """Choose how a photo is held: of the kinds of the link, the first that is possible.

        A system may refuse hard links to files of others (Linux: fs.protected_hardlinks, see man 5 proc).

        Args:
            link: what was asked for.
            source: the original.
            status: of the original.
            is_linked: whether a hard link to it is in its place: that is proof, and a trial would touch the original
                again.
        """
        *tried, last = KINDS[link]
        group = (link, status.st_dev, status.st_uid, status.st_gid, status.st_mode)
        if tried and group not in self._kinds:
            proven = "hardlink" if is_linked else None
            self._kinds[group] = next(
                (kind for kind in tried if kind == proven or is_possible(kind, source, self._root)), last
            )
        return self._kinds.get(group, last)


def entries_of(
    root: Path,
    photos: Mapping[str, str],
    link: Link,
    possible: Possible,
    linked: Collection[str],
) -> list[Entry]:
    """What the line of each photo will say; missing originals are left out.

    Args:
        root: the folder of results.
        photos: original by path in this folder.
        link: what was asked for; that it is possible for some photos only is said.
        possible: what was tried of it.
        linked: paths where a hard link to the original is.
    """
    entries: list[Entry] = []
    copied: list[str] = []
    for path, source in photos.items():
        try:
            status = os.stat(source)
        except OSError:
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        kind = possible.kind(link, source, status, is_linked=path in linked)
        if kind == "copy" and link in ("clone", "hardlink"):
            copied.append(source)
        entries.append(_entry(path, kind, source, status))
    if copied:
        _log.warning(
            "%s: no %s of %s is possible there, so %s copied: %s",
            root,
            _WORDS[link],
            many(len(copied), "photo"),
            "it is" if len(copied) == 1 else "they are",
            ", ".join(copied[:_FEW]) + (", ..." if len(copied) > _FEW else ""),
        )
    return entries


def as_placed(root: Path, path: str, source: str, link: Link) -> Entry | None:
    """Find out how a photo is held that is there already; None where something else is there.

    Args:
        root: the folder of results.
        path: in this folder, and in no folder that is a link.
        source: the original.
        link: what was asked for.
    """
    try:
        status = os.stat(source)
    except OSError:
        return None
    kinds: tuple[Kind, ...] = ("symlink", "hardlink", "copy")  # nobody sees of a copy that it is a clone
    for kind in kinds:
        entry = _entry(path, kind, source, status)
        if (
            kind in KINDS[link]
            and state_of(root, entry) == "unchanged"
            and (kind != "copy" or has_content(root / path, entry))
        ):
            return entry
    return None


def check_space(root: Path, new: Iterable[Entry], stale: Iterable[Entry], link: Link) -> None:
    """See that the disk has room for what is placed anew, once what is stale is gone.

    Raises:
        OutputError: it has not.
        OSError: it does not say.
    """
    needed = sum(entry.size for entry in new if entry.kind == "copy")
    freed = sum(entry.size for entry in stale if entry.kind == "copy")
    free = shutil.disk_usage(root).free
    if needed - freed > free:
        raise OutputError(
            f"{root}: the copies of the photos need {needed / 1e6:,.1f} MB, {(free + freed) / 1e6:,.1f} MB are "
            f"free; {'free some space' if link == 'auto' else 'use --link auto, or free some space'}"
        )


def put(entry: Entry, path: Path, note: Callable[[Entry], None]) -> Put:
    """Make one clone, link or copy.

    Args:
        entry: what it is to be.
        path: where, in a folder that is there.
        note: is told what will be there before it is.

    Raises:
        OSError, OutputError: disk full, no permission.
    """
    times = (entry.mtime_ns, entry.mtime_ns)
    if entry.kind == "symlink":
        note(entry)
        make_link("symlink", entry.source, path)
        return Put(is_there=True)
    no_link: str | None = None
    if entry.kind in ("clone", "hardlink"):
        note(entry)
        try:
            if entry.kind == "hardlink":
                make_link("hardlink", entry.source, path)
            else:
                _make_clone(entry.source, path, times)
        except FileNotFoundError:
            return Put(is_there=False)
        except OSError as error:  # where a copy is not possible either, it says why
            no_link = error.strerror or str(error)
        else:
            return Put(is_there=True)
    try:
        original = open(entry.source, "rb")  # noqa: SIM115
    except OSError:
        return Put(is_there=False, no_link=no_link)
    with original:
        note(Entry(entry.path, "copy", entry.source, entry.size, entry.mtime_ns))
        seen = stat.S_IMODE(os.fstat(original.fileno()).st_mode) & 0o777 if os.name != "nt" else 0o666
        try:
            with whole_file(
                path,
                sync=False,
                ready=lambda part: set_times(part, times),
                follow=False,
                permissions=seen,
            ) as copy:
                copy.writelines(_chunks(original))
        except PhotoError:
            return Put(is_there=False, no_link=no_link)
    return Put(is_there=True, no_link=no_link)


def tell_of_copies(root: Path, instead: Mapping[str, tuple[str, str]]) -> None:
    """Say that photos were copied.

    Args:
        root: the folder of results.
        instead: of what kind each was to be, and why it could not, by path.
    """
    path, (kind, why) = next(iter(instead.items()))
    _log.warning(
        "%s copied, as no %s is possible here (first: %s: %s)",
        many(len(instead), "photo is", "photos are"), _WORDS[kind], f"{root}/{path}", why,
    )  # fmt: skip


def holding_of(
    root: Path,
    link: Link,
    held: Collection[Entry],
    last: Collection[Entry],
    made: Mapping[Entry, Entry | None],
    *,
    is_all: bool,
) -> Holding:
    """Count how our folders hold photos.

    Args:
        root: the folder of results.
        link: what was asked for.
        held: files of ours.
        last: copies, clones and hard links whose originals are gone.
        made: what was placed now, with what of ours was there until then.
        is_all: whether all of the folder was looked at.
    """
    copies = [entry for entry in held if entry.kind == "copy"]
    return Holding(
        link,
        Counter(entry.kind for entry in held if entry.kind != "file"),
        sum(entry.size for entry in copies),
        len(last) if is_all else 0,
        sum(entry.size for entry in last),
        len(made),
        Counter(
            was.kind
            for entry, was in made.items()
            if was is not None and was.kind != "file" and was.kind != entry.kind
        ),
        is_all,
        bool(copies) and link == "copy" and _auto_is_free(root, copies),
    )


def _auto_is_free(root: Path, copies: Sequence[Entry]) -> bool:
    """Say whether `auto` would make clones or links of copies, without touching an original."""
    source = copies[0].source
    if is_possible("symlink", source, root) or is_possible("clone", source, root):
        return True
    if not is_possible("hardlink", str(root / copies[0].path), root):
        return False
    try:
        device = root.stat().st_dev
        return all(os.stat(entry.source).st_dev == device for entry in copies)
    except OSError:
        return False


def _entry(path: str, kind: Kind, source: str, status: os.stat_result) -> Entry:
    """What the line of a photo will say."""
    if kind == "symlink":
        return Entry(path, kind, source, 0, 0)
    return Entry(path, kind, source, status.st_size, status.st_mtime_ns)


def _make_clone(source: str, path: Path, times: tuple[int, int]) -> None:
    """Put a clone into its place, whole or not at all."""
    part = part_of(path)
    try:
        make_link("clone", source, part)
        set_times(part, times)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Read a photo; raises PhotoError, so that a broken original is not taken for a disk that cannot be written."""
    while True:
        try:
            chunk = file.read(2**20)
        except OSError as error:
            raise PhotoError(error.strerror or str(error)) from error
        if not chunk:
            return
        yield chunk
