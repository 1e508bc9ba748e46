"""The folder of results: photos by person, and the care that nothing of the user's is replaced or removed.

A hidden list in the folder, see `own_list`, says what facecluster put there and how it looked then. A line is written
before its file, so that the files of a run that was killed are known too. Only what still looks as its line says is
ever replaced or removed; everything else in the folder is the user's.
"""

from __future__ import annotations

import filecmp
import hashlib
import logging
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import BinaryIO

from facecluster.durable.links import KINDS, Kind, Link, is_possible, make_link
from facecluster.durable.own_file import refuse_link
from facecluster.durable.own_list import Entry, OwnList, last_write, moved, record_of
from facecluster.durable.spelt import Seen, composed, is_one_file, listed_in, real
from facecluster.durable.whole_file import (
    cannot_write,
    is_of_one_file,
    part_of,
    remove_parts,
    set_times,
    whole_file,
)
from facecluster.errors import OutputError, PhotoError
from facecluster.text import many, printable, some

_log = logging.getLogger(__name__)

NAME_BYTES = 255
"""Longest name of a file nearly everywhere."""

ODD_LETTERS = '<>:"\\|?*'
"""Letters that Windows, and disks that are made for it, have in no name."""

_ODD = re.compile(f"[{re.escape(ODD_LETTERS)}]")

_WORDS = {"clone": "clone", "hardlink": "hard link"}

_FEW = 10
"""Copies that a message names."""

_TOLD = "told"
"""Key of a copy that stays though nobody asks for it, once this was said."""

_MTIME_SLACK_NS = 2_000_000_000
"""FAT file systems keep times to two seconds."""


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


class ResultFolder:
    """A folder in which only our own unchanged files are replaced or removed.

    Use: `foreign` to choose names, `prepare` with everything that will be written, `write` and `place`, and `finish`.

    Attributes:
        root: without links.
        refused: why, by path, files could not be written or removed, or folders renamed, while others could.
        others: originals that were not placed, as they have other content now; what there was of them stays.
    """

    def __init__(
        self,
        root: Path,
        originals: Iterable[str],
        *,
        scope: Collection[str] | None = None,
        renamed: Iterable[str] | None = None,
        is_other: Callable[[str], bool] = lambda _: False,
        is_meant: Callable[[str], bool] | None = None,
    ) -> None:
        """Open the folder, which is made if it is not there.

        Args:
            root: the folder of results. It may be, hold, or lie in the folder of the photos.
            originals: photos that are never removed, wherever they lie.
            scope: names of the files and folders in there that may change; the others are not looked at. None: all.
            renamed: originals among which a photo is looked for that is not where it was; None: all.
            is_other: says of an original that changed whether it is another photo now, and not the same one edited:
                then what we have of the earlier one may be its last copy.
            is_meant: says of an original, which it reads, whether it has the content that is to be placed; None: any
                has. It is asked of those only that are placed anew.

        Raises:
            OutputError: it cannot be made or read, or a newer facecluster wrote its list.
        """
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.root = Path(real(root))
            self._scope = None if scope is None else frozenset(scope)
            self._is_folder: dict[str, bool] = {}
            self._kinds: dict[tuple[Link, int, int, int, int], Kind] = {}
            self._parted: set[Entry] = set()
            self._made: list[Entry] = []
            self.refused: dict[str, str] = {}
            self._instead: dict[str, tuple[Kind, str]] = {}
            self._removed: dict[str, Entry] = {}
            self._is_meant = is_meant
            self.others: list[str] = []
            self._list = OwnList(self.root, self._scope)
            listed = [entry for entries in self._list.candidates.values() for entry in entries]
            self._remove_parts(listed)
            unchanged: list[Entry] = []
            self._left: set[str] = set()  # folders of files that are not there any more
            for entry in listed:
                if self._is_unchanged(entry):
                    unchanged.append(entry)
                else:
                    self._left.add(entry.path.rpartition("/")[0])
            self._known = originals = frozenset(originals)
            self._originals = self._inside(originals)
        except OSError as error:
            raise cannot_write(root, error) from error
        self._composed: dict[str, str] | None = None
        self._takes_odd: bool | None = False if os.name == "nt" else None
        ours = [entry for entry in unchanged if entry.path not in self._originals]
        changed = (entry for entry in ours if _has_changed(entry))
        self._replaced = {
            entry
            for entry in changed
            if (entry.key == _TOLD or is_other(entry.source))
            and not _has_content(self.root / entry.path, entry)
        }
        last = {entry for entry in ours if _is_last(entry)} | self._replaced
        last -= self._moved(last, originals if renamed is None else renamed)
        self._own = {entry.path: entry for entry in ours if entry not in last}
        self._kept = [entry for entry in unchanged if entry.path not in self._own]

    def has(self, name: str) -> bool:
        """Say whether there is a file of ours of this name, as we left it."""
        return name in self._own

    def is_taken(self, name: str) -> bool:
        """Say whether there is a file of this name that is not ours to replace."""
        return name not in self._own and os.path.lexists(self.root / name)

    def key(self, name: str) -> str:
        """Tell what a file of ours was made of, or could not be made of; "" where it is not as we left it."""
        if name in self._own:
            return self._own[name].key
        return self._list.absent.get(name, "")

    def is_newer(self, name: str, other: str) -> bool:
        """Say whether a file of ours was written after another one of ours."""
        return (
            name in self._own and other in self._own and self._own[name].mtime_ns > self._own[other].mtime_ns
        )

    def link(self) -> Link:
        """Tell how our folders hold photos, as an older result does not say it."""
        kinds = {entry.kind for entry in (*self._own.values(), *self._kept)}
        links: tuple[Link, ...] = (
            "clone",
            "hardlink",
            "symlink",
            "copy",
        )  # of hard links, some may have become copies
        return next((link for link in links if link in kinds), "none")

    def held(self) -> set[str]:
        """Names of the files here that are ours, and, with a slash behind, of the folders in which something is."""
        paths = {entry.path for entry in (*self._own.values(), *self._kept)}
        return {path if "/" not in path else path[: path.index("/") + 1] for path in paths}

    def rename(self, old: str, new: str) -> bool:
        """Give a file or folder another name, with all that is in it, the user's files too.

        Args:
            old: its name.
            new: of nothing else here.

        Returns:
            Whether it has it now: a folder in which an original lies stays, and what the system does not let go, as a
            program has it open.

        Raises:
            OutputError: disk full, no permission.
        """
        if any(moved(path, old, new) for path in self._originals):
            return False
        try:
            self._list.append({"begun": None if self._scope is None else [old, new]})
            self._list.rename(old, new, done=False)
        except OSError as error:
            raise cannot_write(self.root, error) from error
        try:
            (self.root / old).rename(self.root / new)
        except OSError as error:
            self.refused[old] = error.strerror or str(error)
            return False
        try:
            self._list.rename(old, new, done=True)
        except OSError as error:
            raise cannot_write(self.root, error) from error

        def renamed(entry: Entry) -> Entry:
            there = moved(entry.path, old, new)
            return entry if there is None else replace(entry, path=there)

        self._own = {(entry := renamed(was)).path: entry for was in self._own.values()}
        self._kept = [renamed(entry) for entry in self._kept]
        self._parted = {renamed(entry) for entry in self._parted}
        self._is_folder.pop(old, None)
        return True

    def foreign(self, of_photos: Callable[[str], bool]) -> dict[str, set[str]]:
        """Names, by folder of photos, that are not ours to replace.

        Args:
            of_photos: says of a name whether it is that of a folder of photos.

        Raises:
            OutputError: the name of such a folder is taken by something else.
        """
        names: dict[str, set[str]] = {}
        inside = self.root.iterdir() if self._scope is None else map(self.root.joinpath, sorted(self._scope))
        for folder in inside:
            if of_photos(folder.name):
                if folder.is_symlink():
                    raise OutputError(
                        f"{folder}: a link, where facecluster needs a folder; move it away, or choose another folder"
                    )
                if folder.is_dir():
                    own = composed(folder.name)
                    names[own] = {name for name in os.listdir(folder) if not self._is_own(f"{own}/{name}")}
        return names

    def takes(self, name: str) -> bool:
        """Say whether the disk has such letters in names; tried once, as FAT and Windows lack some."""
        if not _ODD.search(name):
            return True
        if self._takes_odd is None:
            trial = part_of(self.root / "trial").with_suffix(f".{ODD_LETTERS}.part")
            try:
                trial.touch()
                trial.unlink()
            except OSError:
                self._takes_odd = False
            else:
                self._takes_odd = True
        return self._takes_odd

    def last_copies(self) -> dict[str, str]:
        """Give the originals, which are not there, of copies of ours that may be the last, by path in here.

        What is left of a photo whose place another one has is not among them: it is of no photo that is known.
        """
        return {
            entry.path: entry.source
            for entry in self._kept
            if entry.path not in self._originals and entry not in self._replaced
        }

    def prepare(
        self,
        files: Iterable[str],
        photos: Mapping[str, str],
        link: Link,
        *,
        keep: Iterable[str] = (),
        forget: Collection[str] = (),
        empty: Collection[str] = (),
    ) -> list[Entry]:
        """Remove what earlier runs left and this one will not write again, once it is sure that the rest will fit.

        Args:
            files: names that `write` will be called with.
            photos: original by path in this folder, as `plan` gives them.
            link: how the photos will be held.
            keep: names of files that stay, until `write` replaces them.
            forget: originals; a copy of one goes from the folders that `photos` does not have it in, though it may be
                the last one.
            empty: names of folders from which every copy goes that `photos` does not have there, the last one too.

        Returns:
            The photos that are there, for `place`; missing originals are left out. A link to one stays.

        Raises:
            OutputError: a file of the user's has one of the names, the disk is too small for the copies, or there can
                be no symbolic links.
        """
        names = [*files]
        if taken := [name for name in names if self.is_taken(name)]:
            others = f" and the same with {', '.join(taken[1:])}," if len(taken) > 1 else ""
            raise OutputError(
                f"{self.root / taken[0]}: not written by facecluster, or changed since, so it is not replaced; "
                f"move it away,{others} or choose another folder"
            )
        unwanted = self.forgotten(photos, forget, empty)
        for entry in unwanted:
            self._own[entry.path] = entry
        self._kept = [entry for entry in self._kept if entry.path not in self._own]
        told = self._tell_of_last_copies(photos)
        try:
            planned = self._entries(photos, link)
            wanted, kept = set(planned), set(keep)
            kept |= {path for path, entry in self._own.items() if _is_away(entry, photos.get(path))}
            wanted -= self._parted
            again = [
                entry for entry in planned if entry.path in self._own and self._own[entry.path] not in wanted
            ]
            not_meant = {entry.path for entry in again if not self._means(entry.source)}
            planned = [entry for entry in planned if entry.path not in not_meant]
            kept |= not_meant
            stale = [entry for entry in self._own.values() if entry not in wanted and entry.path not in kept]
            if link == "symlink" and planned and not is_possible("symlink", planned[0].source, self.root):
                raise OutputError(f"{self.root}: no symbolic link is possible there; use --link auto")
            self._check_space(planned, stale, link)
            self._begin(names, planned, stale)
            for entry in stale:
                try:
                    (self.root / entry.path).unlink(missing_ok=True)
                except OSError as error:
                    if entry in unwanted:
                        raise cannot_write(self.root / entry.path, error) from error
                    self._refuse(entry.path, error, entry)
                    continue
                self._removed[entry.path] = self._own.pop(entry.path)
            for folder in self._left.union(entry.path.rpartition("/")[0] for entry in stale) - {""}:
                _remove_if_empty(self.root / folder)
            if self._scope is None or self._list.is_long:
                absent = {path: key for path, key in self._list.absent.items() if path in kept}
                self._list.write_anew((*self._own.values(), *self._kept), absent)
            else:
                gone = (entry.path for entry in stale if entry.path not in self.refused)
                self._list.append(*({"gone": path} for path in gone), *map(record_of, told))
        except OSError as error:
            raise cannot_write(self.root, error) from error
        return planned

    def forgotten(
        self, photos: Mapping[str, str], forget: Collection[str], empty: Collection[str] = ()
    ) -> list[Entry]:
        """Find the copies and links of photos that are to be forgotten, as `prepare` removes them.

        Args:
            photos: original by path in this folder, of all that stay.
            forget: originals.
            empty: names of folders, all of whose copies and links are found.
        """
        stay = {(PurePath(path).parent, source) for path, source in photos.items()}
        return [
            entry
            for entry in (*self._own.values(), *self._kept)
            if (entry.source in forget or entry.path.rpartition("/")[0] in empty)
            and entry.path not in self._originals
            and (PurePath(entry.path).parent, entry.source) not in stay
        ]

    def write(
        self,
        name: str,
        chunks: Iterable[bytes],
        *,
        key: str = "",
        permissions: int = 0o666,
        may_be_refused: bool = False,
    ) -> None:
        """Write a file of ours, whole or not at all.

        Args:
            name: of the file.
            chunks: what is in it.
            key: tells what it is made of, for `key`.
            permissions: it gets no others.
            may_be_refused: what stands in its way alone is noted in `refused`; the earlier one stays.

        Raises:
            OutputError: disk full, no permission.
        """
        digest = hashlib.sha256()
        before = self._own.get(name)

        def note(part: Path) -> None:
            status = part.stat()
            if os.name != "nt" and status.st_mode & 0o077 & ~permissions:
                part.chmod(status.st_mode & permissions)
            self._note(Entry(name, "file", "", status.st_size, status.st_mtime_ns, digest.hexdigest(), key))

        try:
            with whole_file(self.root / name, ready=note, follow=False, permissions=permissions) as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
        except OutputError as error:
            if not may_be_refused:
                raise
            self._refuse(name, error, before)

    def claim(self, name: str, *, key: str = "") -> None:
        """Count a file as ours as it is now; the next write looks at all of the folder.

        Raises:
            OutputError: it cannot be read, disk full, no permission.
        """
        try:
            status = (self.root / name).stat()
            digest = _digest(self.root / name)
            entry = Entry(name, "file", "", status.st_size, status.st_mtime_ns, digest, key)
            self._list.append(record_of(entry), {"begun": None})
        except OSError as error:
            raise cannot_write(self.root, error) from error
        self._own[name] = entry

    def claim_if(self, name: str, is_ours: Callable[[bytes], bool], *, key: str) -> None:
        """Count a file as ours whose content says so.

        Raises:
            OutputError: it cannot be read, disk full, no permission.
        """
        path = self.root / name
        try:
            if path.is_symlink() or not path.is_file() or not is_ours(path.read_bytes()):
                return
        except OSError as error:
            raise cannot_write(path, error) from error
        self.claim(name, key=key)

    def claim_photos(self, photos: Mapping[str, str], link: Link) -> None:
        """Count the copies and links as ours that are there as they would be placed anyway.

        Args:
            photos: original by path in this folder, where no name is taken.
            link: how the photos are held.

        Raises:
            OutputError: disk full, no permission.
        """
        try:
            same = [
                entry
                for path, source in photos.items()
                if path not in self._own and path not in self._originals
                if (entry := self._as_placed(path, source, link)) is not None
            ]
            self._list.append(*map(record_of, same))
        except OSError as error:
            raise cannot_write(self.root, error) from error
        self._own |= {entry.path: entry for entry in same}

    def leave_out(self, name: str, key: str) -> None:
        """Say that a file cannot be made of what `key` stands for; one of ours that was made of something else goes.

        Raises:
            OutputError: disk full, no permission.
        """
        try:
            if self._own.pop(name, None) is not None:
                (self.root / name).unlink()
            self._list.append({"gone": name, "key": key})
        except OSError as error:
            raise cannot_write(self.root, error) from error

    def finish(self, mark: str) -> None:
        """Say that all is done that `prepare` began but what was refused; `last_write` gives the mark back.

        Raises:
            OutputError: disk full, no permission.
        """
        try:
            last = last_write(self.root)
            again = sorted({path.partition("/")[0] for path in self.refused})
            if last.mark != mark or last.unfinished != frozenset(again):
                self._list.append({"done": mark}, *([{"begun": again}] if again else []))
        except OSError as error:
            raise cannot_write(self.root, error) from error

    def place(self, entries: Iterable[Entry]) -> int:
        """Put photos into their folders, and say how many are there; those of an earlier run are left as they are.

        Raises:
            OutputError: disk full, no permission.
        """
        placed = 0
        for entry in entries:
            if self._own.get(entry.path) == entry:
                placed += 1
                continue
            path = self.root / entry.path
            if not self._means(entry.source):
                continue
            try:
                path.parent.mkdir(exist_ok=True)
                refuse_link(path.parent)
                if self._make(entry, path):
                    self._made.append(self._own[entry.path])
                    placed += 1
            except (OSError, OutputError) as error:
                self._refuse(entry.path, error)
        if copied := [(path, *why) for path, why in self._instead.items() if path not in self.refused]:
            first, kind, why = copied[0]
            _log.warning(
                "%s copied, as no %s is possible here (first: %s: %s)",
                many(len(copied), "photo is", "photos are"), _WORDS[kind], f"{self.root}/{first}", why,
            )  # fmt: skip
            self._instead.clear()
        return placed

    def holding(self, link: Link) -> Holding:
        """Say how the folders hold photos after `place`."""
        held = [*self._own.values()] if self._scope is None else self._made
        last = [entry for entry in self._kept if entry.path not in self._originals]
        copies = [entry for entry in held if entry.kind == "copy"]
        return Holding(
            link,
            Counter(entry.kind for entry in held if entry.kind != "file"),
            sum(entry.size for entry in copies),
            len(last) if self._scope is None else 0,
            sum(entry.size for entry in last),
            len(self._made),
            Counter(
                was.kind
                for entry in self._made
                if (was := self._removed.get(entry.path)) is not None
                and was.kind != "file"
                and was.kind != entry.kind
            ),
            self._scope is None,
            bool(copies) and link == "copy" and self._auto_is_free(copies),
        )

    # ------------------------------------------------------------------------------------------ the list

    def _begin(self, files: Sequence[str], planned: Iterable[Entry], stale: Iterable[Entry]) -> None:
        """Note which files and folders are about to change, but for one that is alone: it is whole at any time."""
        paths = {*files, *(entry.path for entry in stale)}
        paths.update(entry.path for entry in planned if self._own.get(entry.path) != entry)
        if self._scope is None:
            self._list.append({"begun": None})
        elif len(paths) > 1:
            self._list.append({"begun": sorted({path.partition("/")[0] for path in paths})})

    def _refuse(self, path: str, error: OSError | OutputError, before: Entry | None = None) -> None:
        """Note that a file is as it was `before`; raises where others would be, too.

        Raises:
            OutputError: disk full, gone, read-only.
        """
        cause = error if isinstance(error, OSError) else error.__cause__
        told = error if isinstance(error, OutputError) else cannot_write(self.root / path, error)
        if not isinstance(cause, OSError) or not is_of_one_file(cause):
            raise told from cause
        self.refused[path] = cause.strerror or str(cause)
        if before is None:
            self._own.pop(path, None)
        else:
            self._own[path] = before

    def _note(self, entry: Entry) -> None:
        """Say that a file is ours, before it is there."""
        self._list.note(entry, self._own.get(entry.path))
        self._own[entry.path] = entry

    def _remove_parts(self, entries: Iterable[Entry]) -> None:
        """Remove the unfinished files of runs that were killed."""
        folders = {"", self._list.last_folder, *(entry.path.rpartition("/")[0] for entry in entries)}
        for folder in filter(self._is_our_folder, folders):
            remove_parts(self.root / folder)

    # -------------------------------------------------------------------------------------- what is whose

    def _is_unchanged(self, entry: Entry) -> bool:
        """Say whether the file is as its line has it, at the place where we put it.

        The content tells where the time does not, as in a folder that was copied.
        """
        path = f"{self.root}/{entry.path}"
        try:
            if not self._is_our_folder(entry.path.rpartition("/")[0]):
                return False
            status = os.lstat(path)
            if entry.kind == "symlink":
                return stat.S_ISLNK(status.st_mode) and os.readlink(path) == entry.source
            if not stat.S_ISREG(status.st_mode):
                return False
            if entry.kind == "hardlink" and _same_file(Path(path), entry.source):
                return True
            if status.st_size != entry.size:
                return False
            if abs(status.st_mtime_ns - entry.mtime_ns) >= _MTIME_SLACK_NS and not _has_content(
                Path(path), entry
            ):
                return False
            if entry.kind == "hardlink":  # and now a file of its own, as in a folder that was copied
                self._parted.add(entry)
            return True
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _is_own(self, path: str) -> bool:
        """Say whether a listed file is ours, also where the disk takes its accents apart (HFS+)."""
        if path in self._own:
            return True
        if path.isascii():
            return False
        if self._composed is None:
            self._composed = {composed(path): path for path in self._own if not path.isascii()}
        ours = self._composed.get(composed(path))
        return ours is not None and is_one_file(self.root / path, self.root / ours)

    def _is_our_folder(self, name: str) -> bool:
        """Say whether a folder is none that somebody put in the place of ours, by a link."""
        if name not in self._is_folder:
            self._is_folder[name] = not (name and (self.root / name).is_symlink())
        return self._is_folder[name]

    def _tell_of_last_copies(self, photos: Mapping[str, str]) -> list[Entry]:
        """Say once of copies that they stay, as their photo is gone from its place and from the library.

        Where not all is looked at, it is said of those only in whose photo's place there is another now. Whose photo is
        merely gone may have it elsewhere.
        """
        new = [
            entry
            for entry in self._kept
            if entry.path not in self._originals
            and photos.get(entry.path) != entry.source
            and (entry in self._replaced or (entry.source not in self._known and self._scope is None))
            and entry.key != _TOLD
        ]
        if not new:
            return []
        names = some([printable(f"{self.root}/{entry.path}") for entry in new], _FEW)
        one = len(new) == 1
        _log.warning(
            "%s kept, as %s gone: %s; %s",
            many(len(new), "copy is", "copies are"), "its original is" if one else "their originals are", names,
            "delete it, if you do not want it" if one else "delete those that you do not want",
        )  # fmt: skip
        told = {entry: replace(entry, key=_TOLD) for entry in new}
        self._kept = [told.get(entry, entry) for entry in self._kept]
        return [*told.values()]

    def _moved(self, copies: Collection[Entry], originals: Iterable[str]) -> set[Entry]:
        """Those of some copies whose content an original outside of this folder has, as after it was renamed."""
        alike = {copy.size: list[str]() for copy in copies}
        for original in originals if copies else ():
            with suppress(OSError):
                size = os.stat(original).st_size
                if size in alike and not Path(os.path.realpath(original)).is_relative_to(self.root):
                    alike[size].append(original)
        return {
            copy
            for copy in copies
            if any(_is_another(self.root / copy.path, original) for original in alike[copy.size])
        }

    def _inside(self, originals: Iterable[str]) -> set[str]:
        """The originals that lie in this folder, as paths of entries."""
        folders = {original[: original.rfind(os.sep) + 1] for original in originals}  # quicker than dirname
        inside: dict[str, str] = {}
        seen: Seen = {}
        for folder in folders:
            there = Path(real(folder, seen))
            if there.is_relative_to(self.root):
                inside[folder] = there.relative_to(self.root).as_posix()
        if not inside:
            return set()
        split = ((original[: (at := original.rfind(os.sep) + 1)], original[at:]) for original in originals)
        return {PurePath(inside[folder], name).as_posix() for folder, name in split if folder in inside}

    def _means(self, original: str) -> bool:
        """Say whether an original has the content that is to be placed; if not, it is one of `others`."""
        if self._is_meant is None or self._is_meant(original):
            return True
        self.others.append(original)
        return False

    # ------------------------------------------------------------------------------------------- photos

    def _entries(self, photos: Mapping[str, str], link: Link) -> list[Entry]:
        """What each photo will look like: of the kinds of the link, the first that is possible for it."""
        entries: list[Entry] = []
        copied: list[str] = []
        for path, source in photos.items():
            try:
                status = os.stat(source)
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            kind = self._kind(link, path, source, status)
            if kind == "copy" and link in ("clone", "hardlink"):
                copied.append(source)
            entries.append(_entry(path, kind, source, status))
        if copied:
            _log.warning(
                "%s: no %s of %s is possible there, so %s copied: %s",
                self.root,
                _WORDS[link],
                many(len(copied), "photo"),
                "it is" if len(copied) == 1 else "they are",
                ", ".join(copied[:_FEW]) + (", ..." if len(copied) > _FEW else ""),
            )
        return entries

    def _kind(self, link: Link, path: str, source: str, status: os.stat_result) -> Kind:
        """Choose how a photo is held; tried once for photos of one disk, owner and permissions.

        A system may refuse hard links to files of others (Linux: fs.protected_hardlinks, see man 5 proc).
        """
        *tried, last = KINDS[link]
        group = (link, status.st_dev, status.st_uid, status.st_gid, status.st_mode)
        if tried and group not in self._kinds:
            own = self._own.get(path)
            # A hard link that is there is proof. A trial would touch the original again.
            proven = "hardlink" if own and own.kind == "hardlink" and own not in self._parted else None
            self._kinds[group] = next(
                (kind for kind in tried if kind == proven or is_possible(kind, source, self.root)), last
            )
        return self._kinds.get(group, last)

    def _auto_is_free(self, copies: Sequence[Entry]) -> bool:
        """Say whether `auto` would make clones or links of copies, without touching an original."""
        source = copies[0].source
        if is_possible("symlink", source, self.root) or is_possible("clone", source, self.root):
            return True
        if not is_possible("hardlink", str(self.root / copies[0].path), self.root):
            return False
        try:
            device = self.root.stat().st_dev
            return all(os.stat(entry.source).st_dev == device for entry in copies)
        except OSError:
            return False

    def _as_placed(self, path: str, source: str, link: Link) -> Entry | None:
        """Find out how a photo is held that is there already; None where something else is there."""
        try:
            status = os.stat(source)
        except OSError:
            return None
        kinds: tuple[Kind, ...] = ("symlink", "hardlink", "copy")  # nobody sees of a copy that it is a clone
        for kind in kinds:
            entry = _entry(path, kind, source, status)
            if (
                kind in KINDS[link]
                and self._is_unchanged(entry)
                and entry not in self._parted
                and (kind != "copy" or _has_content(self.root / path, entry))
            ):
                return entry
        return None

    def _check_space(self, planned: Iterable[Entry], stale: Iterable[Entry], link: Link) -> None:
        new = sum(
            entry.size for entry in planned if entry.kind == "copy" and self._own.get(entry.path) != entry
        )
        freed = sum(entry.size for entry in stale if entry.kind == "copy")
        free = shutil.disk_usage(self.root).free
        if new - freed > free:
            raise OutputError(
                f"{self.root}: the copies of the photos need {new / 1e6:,.1f} MB, {(free + freed) / 1e6:,.1f} MB are "
                f"free; {'free some space' if link == 'auto' else 'use --link auto, or free some space'}"
            )

    def _make(self, entry: Entry, path: Path) -> bool:
        """Make one link or copy; False where the original cannot be read (any more)."""
        times = (entry.mtime_ns, entry.mtime_ns)
        if entry.kind == "symlink":
            self._note(entry)
            make_link("symlink", entry.source, path)
            return True
        if entry.kind in ("clone", "hardlink"):
            self._note(entry)
            try:
                if entry.kind == "hardlink":
                    make_link("hardlink", entry.source, path)
                else:
                    _make_clone(entry.source, path, times)
            except FileNotFoundError:
                return False
            except OSError as error:  # where a copy is not possible either, it says why
                self._instead[entry.path] = entry.kind, error.strerror or str(error)
            else:
                return True
        try:
            original = open(entry.source, "rb")  # noqa: SIM115
        except OSError:
            return False
        with original:
            self._note(Entry(entry.path, "copy", entry.source, entry.size, entry.mtime_ns))
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
                return False
        return True


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


def _is_last(entry: Entry) -> bool:
    """Say whether it may be the last copy of a photo, as its original is not where it was."""
    return entry.kind in ("copy", "clone", "hardlink") and not os.path.isfile(entry.source)


def follow_renames(root: Path, of: Callable[[str], str | None]) -> list[tuple[str, str]]:
    """Have what is ours count under the name that somebody gave its file or folder by hand.

    Args:
        root: the folder of results.
        of: says of a name whose it is; None: of nobody's. A file or folder of ours that is gone, and the only one there
            of this owner that is not ours, are the same.

    Returns:
        Names as they were, and as they are.

    Raises:
        OutputError: disk full, no permission, or a newer facecluster wrote the list.
    """
    try:
        listed = OwnList(root, None)
        there = listed_in(root)
        ours = {path.partition("/")[0]: "/" in path for path in listed.candidates}
        gone = [
            (name, (of(name), is_folder))
            for name, is_folder in ours.items()
            if of(name) and name not in there
        ]
        new = [(name, (of(name), (root / name).is_dir())) for name in there if of(name) and name not in ours]
        pairs = []
        for name, owner in new:
            before = [old for old, theirs in gone if theirs == owner]
            if len(before) == 1 and [theirs for _, theirs in new].count(owner) == 1:
                listed.rename(before[0], name, done=True)
                pairs.append((before[0], name))
    except OSError as error:
        raise cannot_write(root, error) from error
    return pairs


def _has_changed(entry: Entry) -> bool:
    """Say whether the original is there, and is not as it was when it was placed."""
    if entry.kind not in ("copy", "clone", "hardlink"):
        return False
    try:
        status = os.stat(entry.source)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime_ns)


def _is_away(entry: Entry, photo: str | None) -> bool:
    """Say whether it holds the photo that it is to hold, which is not where it was, as on a drive that is away."""
    return entry.source == photo and not os.path.lexists(entry.source)


def _is_another(path: Path, original: str) -> bool:
    """Say whether an original has the content of a copy, and is still there when the copy is removed."""
    try:
        if path.samefile(original):
            return path.stat().st_nlink > 1
        return filecmp.cmp(path, original, shallow=False)
    except OSError:
        return False


def _has_content(path: Path, entry: Entry) -> bool:
    """Say whether a file of the right size holds what we put there.

    Of a photo whose original is away nobody can say, and it counts as ours: it is kept as the last copy then.
    """
    try:
        if entry.kind == "file":
            return _digest(path) == entry.digest
        return not os.path.lexists(entry.source) or filecmp.cmp(path, entry.source, shallow=False)
    except OSError:
        return False


def _digest(path: Path) -> str:
    """Sha256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(2**20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _same_file(path: Path, source: str) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # something of the user's is in it


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
