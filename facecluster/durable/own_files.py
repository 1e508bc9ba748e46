"""The folder of results: photos by person, and the care that nothing of the user's is replaced or removed.

A hidden list in the folder, see `own_list`, says what facecluster put there and how it looked then. A line is written
before its file, so that the files of a run that was killed are known too. Only what still looks as its line says is
ever replaced or removed; everything else in the folder is the user's.
"""

from __future__ import annotations

import errno
import filecmp
import fnmatch
import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from typing import BinaryIO, Literal

from facecluster.durable.own_list import Entry, OwnList, last_write, record_of
from facecluster.durable.whole_file import PART, cannot_write, whole_file
from facecluster.errors import OutputError, PhotoError
from facecluster.text import many, printable, some

_log = logging.getLogger(__name__)

NAME_BYTES = 255
"""Longest name of a file nearly everywhere."""

Link = Literal["copy", "hardlink", "symlink", "none"]
"""How a person's folder holds a photo; none: there are no folders of photos."""


_FEW = 10
"""Copies that a message names."""

_TOLD = "told"
"""Key of a copy that stays though nobody asks for it, once this was said."""

_MTIME_SLACK_NS = 2_000_000_000
"""FAT file systems keep times to two seconds."""


class ResultFolder:
    """A folder in which only our own unchanged files are replaced or removed.

    Use: `foreign` to choose names, `prepare` with everything that will be written, `write` and `place`, and `finish`.
    """

    def __init__(
        self,
        root: Path,
        originals: Iterable[str],
        *,
        scope: Collection[str] | None = None,
        renamed: Iterable[str] | None = None,
    ) -> None:
        """Open the folder, which is made if it is not there.

        Args:
            root: the folder of results. It may be, hold, or lie in the folder of the photos.
            originals: photos that are never removed, wherever they lie.
            scope: names of the files and folders in there that may change; the others are not looked at. None: all.
            renamed: originals among which a photo is looked for that is not where it was; None: all.

        Raises:
            OutputError: it cannot be made or read, or a newer facecluster wrote its list.
        """
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.root = Path(os.path.realpath(root))
            self._scope = None if scope is None else frozenset(scope)
            self._is_folder: dict[str, bool] = {}
            self._list = OwnList(self.root, self._scope)
            listed = [entry for entries in self._list.candidates.values() for entry in entries]
            self._remove_parts(listed)
            unchanged = [entry for entry in listed if self._is_unchanged(entry)]
            self._known = originals = frozenset(originals)
            self._originals = self._inside(originals)
        except OSError as error:
            raise cannot_write(root, error) from error
        ours = [entry for entry in unchanged if entry.path not in self._originals]
        last = {entry for entry in ours if _is_last(entry)}
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

    def link(self) -> Link:
        """Tell how our folders hold photos, as an older result does not say it."""
        kinds = {entry.kind for entry in (*self._own.values(), *self._kept)}
        links: tuple[Link, ...] = (
            "hardlink",
            "symlink",
            "copy",
        )  # of hard links, some may have become copies
        return next((link for link in links if link in kinds), "none")

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
                    names[folder.name] = {
                        name for name in os.listdir(folder) if f"{folder.name}/{name}" not in self._own
                    }
        return names

    def last_copies(self) -> dict[str, str]:
        """Give the originals, which are not there, of copies of ours that may be the last, by path in here."""
        return {entry.path: entry.source for entry in self._kept if entry.path not in self._originals}

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
            OutputError: a file of the user's has one of the names, or the disk is too small for the copies.
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
        if self._scope is None:
            self._tell_of_last_copies(photos)
        try:
            planned = self._entries(photos, link)
            wanted, kept = set(planned), set(keep)
            kept |= {path for path, entry in self._own.items() if _is_away(entry, photos.get(path))}
            stale = [entry for entry in self._own.values() if entry not in wanted and entry.path not in kept]
            self._check_space(planned, stale)
            self._begin(names, planned, stale)
            for entry in stale:
                (self.root / entry.path).unlink()
                del self._own[entry.path]
            for folder in {PurePath(entry.path).parent for entry in stale} - {PurePath()}:
                _remove_if_empty(self.root / folder)
            if self._scope is None or self._list.is_long:
                absent = {path: key for path, key in self._list.absent.items() if path in kept}
                self._list.write_anew((*self._own.values(), *self._kept), absent)
            else:
                self._list.append(*({"gone": entry.path} for entry in stale))
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

    def write(self, name: str, chunks: Iterable[bytes], *, key: str = "") -> None:
        """Write a file of ours, whole or not at all.

        Args:
            name: of the file.
            chunks: what is in it.
            key: tells what it is made of, for `key`.

        Raises:
            OutputError: disk full, no permission.
        """
        digest = hashlib.sha256()

        def note(part: Path) -> None:
            status = part.stat()
            self._note(Entry(name, "file", "", status.st_size, status.st_mtime_ns, digest.hexdigest(), key))

        with whole_file(self.root / name, ready=note) as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)

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

    def claim_same(self, name: str, content: bytes, *, key: str) -> None:
        """Count a file as ours that holds what would be written anyway.

        Raises:
            OutputError: it cannot be read, disk full, no permission.
        """
        path = self.root / name
        try:
            if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
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
                for entry in self._entries(photos, link)
                if entry.path not in self._own
                and entry.path not in self._originals
                and self._is_unchanged(entry)
                and (entry.kind != "copy" or _has_content(self.root / entry.path, entry))
            ]
            self._list.append(*map(record_of, same))
        except OSError as error:
            raise cannot_write(self.root, error) from error
        self._own |= {entry.path: entry for entry in same}

    def leave_out(self, name: str, key: str) -> None:
        """Say that a file cannot be made of what `key` stands for.

        Raises:
            OutputError: disk full, no permission.
        """
        try:
            self._list.append({"gone": name, "key": key})
        except OSError as error:
            raise cannot_write(self.root, error) from error

    def finish(self, mark: str) -> None:
        """Say that all is done that `prepare` began; `last_write` gives the mark back.

        Raises:
            OutputError: disk full, no permission.
        """
        try:
            last = last_write(self.root)
            if last.mark != mark or last.unfinished != frozenset():
                self._list.append({"done": mark})
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
            try:
                path.parent.mkdir(exist_ok=True)
                placed += self._make(entry, path)
            except OSError as error:
                raise cannot_write(path, error) from error
        return placed

    # ------------------------------------------------------------------------------------------ the list

    def _begin(self, files: Sequence[str], planned: Iterable[Entry], stale: Iterable[Entry]) -> None:
        """Note which files and folders are about to change, but for one that is alone: it is whole at any time."""
        paths = {*files, *(entry.path for entry in stale)}
        paths.update(entry.path for entry in planned if self._own.get(entry.path) != entry)
        if self._scope is None:
            self._list.append({"begun": None})
        elif len(paths) > 1:
            self._list.append({"begun": sorted({path.partition("/")[0] for path in paths})})

    def _note(self, entry: Entry) -> None:
        """Say that a file is ours, before it is there."""
        self._list.note(entry, self._own.get(entry.path))
        self._own[entry.path] = entry

    def _remove_parts(self, entries: Iterable[Entry]) -> None:
        """Remove the unfinished files of runs that were killed."""
        folders = {"", self._list.last_folder, *(entry.path.rpartition("/")[0] for entry in entries)}
        for folder in map(self.root.joinpath, folders):
            with suppress(FileNotFoundError, NotADirectoryError):
                for name in fnmatch.filter(os.listdir(folder), PART):
                    (folder / name).unlink()

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
            return abs(status.st_mtime_ns - entry.mtime_ns) < _MTIME_SLACK_NS or _has_content(
                Path(path), entry
            )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _is_our_folder(self, name: str) -> bool:
        """Say whether a folder is none that somebody put in the place of ours, by a link."""
        if name not in self._is_folder:
            self._is_folder[name] = not (name and (self.root / name).is_symlink())
        return self._is_folder[name]

    def _tell_of_last_copies(self, photos: Mapping[str, str]) -> None:
        """Say once of copies that they stay, as their photo is gone from its place and from the library."""
        new = [
            entry
            for entry in self._kept
            if entry.path not in self._originals
            and photos.get(entry.path) != entry.source
            and entry.source not in self._known
            and entry.key != _TOLD
        ]
        if not new:
            return
        names = some([printable(f"{self.root}/{entry.path}") for entry in new], _FEW)
        one = len(new) == 1
        _log.warning(
            "%s kept, as %s gone: %s; %s",
            many(len(new), "copy is", "copies are"), "its original is" if one else "their originals are", names,
            "delete it, if you do not want it" if one else "delete those that you do not want",
        )  # fmt: skip
        told = {entry: replace(entry, key=_TOLD) for entry in new}
        self._kept = [told.get(entry, entry) for entry in self._kept]

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
        for folder in folders:
            real = Path(os.path.realpath(folder))
            if real.is_relative_to(self.root):
                inside[folder] = real.relative_to(self.root).as_posix()
        if not inside:
            return set()
        split = ((original[: (at := original.rfind(os.sep) + 1)], original[at:]) for original in originals)
        return {PurePath(inside[folder], name).as_posix() for folder, name in split if folder in inside}

    # ------------------------------------------------------------------------------------------- photos

    def _entries(self, photos: Mapping[str, str], link: Link) -> list[Entry]:
        """What each photo will look like; hard links only where the file system allows them."""
        device = self.root.stat().st_dev
        entries: list[Entry] = []
        elsewhere = 0
        for path, source in photos.items():
            try:
                status = os.stat(source)
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            if link == "symlink":
                entries.append(Entry(path, "symlink", source, 0, 0))
            elif link == "hardlink" and status.st_dev == device:
                entries.append(Entry(path, "hardlink", source, status.st_size, status.st_mtime_ns))
            else:
                elsewhere += link == "hardlink"
                entries.append(Entry(path, "copy", source, status.st_size, status.st_mtime_ns))
        if elsewhere:
            _log.warning(
                "%d photos are on another disk than %s: copied, not hard-linked", elsewhere, self.root
            )
        return entries

    def _check_space(self, planned: Iterable[Entry], stale: Iterable[Entry]) -> None:
        new = sum(
            entry.size for entry in planned if entry.kind == "copy" and self._own.get(entry.path) != entry
        )
        freed = sum(entry.size for entry in stale if entry.kind == "copy")
        free = shutil.disk_usage(self.root).free
        if new - freed > free:
            raise OutputError(
                f"{self.root}: the copies of the photos need {new / 1e6:,.1f} MB, {(free + freed) / 1e6:,.1f} MB are "
                "free; use symbolic or hard links in place of copies, or free some space"
            )

    def _make(self, entry: Entry, path: Path) -> bool:
        """Make one link or copy; False where the original cannot be read (any more)."""
        source = Path(entry.source)
        if entry.kind == "symlink":
            self._note(entry)
            path.symlink_to(source)
            return True
        if entry.kind == "hardlink":
            self._note(entry)
            try:
                path.hardlink_to(source.resolve())
            except FileNotFoundError:
                return False
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                    raise
                _log.warning("%s: no hard link is possible here, copied", path)
            else:
                return True
        try:
            original = source.open("rb")
        except OSError:
            return False
        times = (entry.mtime_ns, entry.mtime_ns)
        with original:
            self._note(Entry(entry.path, "copy", entry.source, entry.size, entry.mtime_ns))
            try:
                with whole_file(path, sync=False, ready=lambda part: os.utime(part, ns=times)) as copy:
                    copy.writelines(_chunks(original))
            except PhotoError:
                return False
        return True


def _is_last(entry: Entry) -> bool:
    """Say whether it may be the last copy of a photo, as its original is not where it was."""
    return entry.kind in ("copy", "hardlink") and not os.path.isfile(entry.source)


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
    """Say whether a file of the right size holds what we put there."""
    try:
        if entry.kind == "file":
            return _digest(path) == entry.digest
        return filecmp.cmp(path, entry.source, shallow=False)
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
