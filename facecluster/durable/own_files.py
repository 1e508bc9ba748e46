"""The folder of results: photos by person, and the care that nothing of the user's is replaced or removed.

A hidden list in the folder, see `own_list`, says what facecluster put there and how it looked then. A line is written
before its file, so that the files of a run that was killed are known too. Only what still looks as its line says is
ever replaced or removed; everything else in the folder is the user's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from facecluster.durable.links import Link, is_possible
from facecluster.durable.own_file import refuse_link
from facecluster.durable.own_list import Entry, OwnList, last_write, moved, record_of
from facecluster.durable.placing import (
    Holding,
    Possible,
    as_placed,
    check_space,
    entries_of,
    holding_of,
    put,
    tell_of_copies,
)
from facecluster.durable.spelt import ODD_LETTERS, composed, is_one_file, real, takes_odd_letters
from facecluster.durable.unchanged import (
    TOLD,
    digest_of,
    found_again,
    inside,
    is_away,
    last_copies,
    state_of,
    tell_of_last_copies,
)
from facecluster.durable.whole_file import cannot_write, is_of_one_file, remove_parts, whole_file
from facecluster.errors import OutputError


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
            self._possible = Possible(self.root)
            self._parted: set[Entry] = set()
            self._made: dict[Entry, Entry | None] = {}
            self.refused: dict[str, str] = {}
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
            self._originals = inside(self.root, originals)
        except OSError as error:
            raise cannot_write(root, error) from error
        self._composed: dict[str, str] | None = None
        self._takes_odd: bool | None = False if os.name == "nt" else None
        ours = [entry for entry in unchanged if entry.path not in self._originals]
        last, self._replaced = last_copies(self.root, ours, is_other)
        last -= found_again(self.root, last, originals if renamed is None else renamed)
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
        # Of hard links, some may have become copies.
        links: tuple[Link, ...] = ("clone", "hardlink", "symlink", "copy")
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
        if not ODD_LETTERS.isdisjoint(name) and self._takes_odd is None:
            self._takes_odd = takes_odd_letters(self.root)
        return ODD_LETTERS.isdisjoint(name) or bool(self._takes_odd)

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
            linked = {
                path for path, own in self._own.items() if own.kind == "hardlink" and own not in self._parted
            }
            planned = entries_of(self.root, photos, link, self._possible, linked)
            wanted, kept = set(planned), set(keep)
            kept |= {path for path, entry in self._own.items() if is_away(entry, photos.get(path))}
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
            new = [entry for entry in planned if self._own.get(entry.path) != entry]
            check_space(self.root, new, stale, link)
            self._begin({entry.path for entry in (*new, *stale)}.union(names))
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
            digest = digest_of(self.root / name)
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
                if self._is_our_folder(path.rpartition("/")[0])
                if (entry := as_placed(self.root, path, source, link)) is not None
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
        instead: dict[str, tuple[str, str]] = {}
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
                done = put(entry, path, self._note)
                if done.no_link is not None and entry.path not in self.refused:
                    instead[entry.path] = entry.kind, done.no_link
                if done.is_there:
                    self._made[self._own[entry.path]] = self._removed.get(entry.path)
                    placed += 1
            except (OSError, OutputError) as error:
                self._refuse(entry.path, error)
        if instead:
            tell_of_copies(self.root, instead)
        return placed

    def holding(self, link: Link) -> Holding:
        """Say how the folders hold photos after `place`."""
        is_all = self._scope is None
        held = [*self._own.values()] if is_all else [*self._made]
        last = [entry for entry in self._kept if entry.path not in self._originals]
        return holding_of(self.root, link, held, last, self._made, is_all=is_all)

    # ------------------------------------------------------------------------------------------ the list

    def _begin(self, paths: Collection[str]) -> None:
        """Note which files are about to change, but for one that is alone: it is whole at any time."""
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
        """Say whether the file is as its line has it, at the place where we put it."""
        if not self._is_our_folder(entry.path.rpartition("/")[0]):
            return False
        state = state_of(self.root, entry)
        if state == "parted":
            self._parted.add(entry)
        return state != "changed"

    def _is_our_folder(self, name: str) -> bool:
        """Say whether a folder is none that somebody put in the place of ours, by a link."""
        if name not in self._is_folder:
            self._is_folder[name] = not (name and (self.root / name).is_symlink())
        return self._is_folder[name]

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
            and entry.key != TOLD
        ]
        if not new:
            return []
        tell_of_last_copies(self.root, new)
        told = {entry: replace(entry, key=TOLD) for entry in new}
        self._kept = [told.get(entry, entry) for entry in self._kept]
        return [*told.values()]

    def _means(self, original: str) -> bool:
        """Say whether an original has the content that is to be placed; if not, it is one of `others`."""
        if self._is_meant is None or self._is_meant(original):
            return True
        self.others.append(original)
        return False


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # something of the user's is in it
