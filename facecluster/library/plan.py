"""Which photo goes where in the folder of results, what the folders are called, and how much of it is looked at."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from facecluster.durable.spelt import NAME_BYTES
from facecluster.errors import OutputError
from facecluster.library.layout import (
    CLUSTERS,
    UNCLUSTERED,
    folder_name,
    index_sheet,
    is_index_sheet,
    montage_of,
    person_in,
    plain_name,
)
from facecluster.text import fold

if TYPE_CHECKING:
    from facecluster.durable.links import Link
    from facecluster.durable.own_files import ResultFolder
    from facecluster.result import Result


@dataclass(frozen=True)
class Extent:
    """How much of a folder is looked at.

    Attributes:
        people: ids of those whose folders and montages are; None: everybody's.
        names: of files and folders that are; None: all.
        named: ids of those of `people` of whom nothing but the name is another than before.
    """

    people: frozenset[str] | None = None
    names: frozenset[str] | None = None
    named: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Say whether a file or folder is looked at."""
        return self.names is None or name in self.names

    def shows(self, own: str) -> bool:
        """Say whether the montage of a person, by id, is looked at."""
        return self.people is None or own in self.people

    def holds(self, own: str) -> bool:
        """Say whether the folder of a person, by id, is looked at."""
        return self.names is None or self.shows(own)


ALL = Extent()
"""All of a folder."""


def extent_of(
    result: Result,
    directory: Path,
    mark: str,
    changed: Collection[str] | None,
    named: Collection[str],
    forget: Collection[str],
) -> Extent:
    """Say how much of a folder is to be looked at; all of it where a write of all was cut short, or links differ.

    Args:
        result: who is who.
        directory: the folder.
        mark: of this write, see `mark_of`.
        changed: ids of the people who have other faces than before; None: all.
        named: ids of those who have another name.
        forget: what is to be forgotten: all names are looked at where there is something.
    """
    from facecluster.durable.own_list import last_write

    if changed is None:
        return ALL
    try:
        last = last_write(directory)
        there = [unicodedata.normalize("NFC", name) for name in os.listdir(directory)]
    except OSError:  # opening it says why
        return ALL
    link = mark.partition(":")[0]
    if last.unfinished is None or (last.mark and last.mark.partition(":")[0] != link):
        return ALL
    wanted = {person.id: {folder_name(person), montage_of(person)} for person in result.people}
    of_people = {name: own for name in there if (own := person_in(name)) is not None}
    misnamed = {own for name, own in of_people.items() if name not in wanted.get(own, (name,))}
    others = {*changed, *(own for name in last.unfinished if (own := person_in(name)) is not None)}
    misnamed |= wanted.keys() & named
    people, name_alone = frozenset(others | misnamed), frozenset(misnamed - others)
    if forget:
        return Extent(people, None, name_alone)
    sheets = [*filter(is_index_sheet, there)]
    names = {CLUSTERS, *sheets, *map(index_sheet, range(1, len(sheets) + n_sheets(result) + 1))}
    for own in people:
        names |= wanted.get(own, set())
    names |= {name for name, own in of_people.items() if own in people or own not in wanted}
    if last.mark != mark or UNCLUSTERED in last.unfinished:
        names.add(UNCLUSTERED)
    return Extent(people, frozenset(names), name_alone)


def n_sheets(result: Result) -> int:
    """Say how many sheets show everybody."""
    from facecluster.render.index_sheet import PER_SHEET  # OpenCV is loaded where there is one

    return -(-len(result.people) // PER_SHEET)


def mark_of(result: Result, link: Link, placed: Collection[str]) -> str:
    """How folders hold photos, and a digest of those of nobody: other marks mean other files there."""
    if link == "none":
        return f"{link}:"
    photos = {face.photo for face in result.unclustered}.difference(placed)
    digest = hashlib.sha256(b"\0".join(map(os.fsencode, sorted(photos))))
    return f"{link}:{digest.hexdigest()[:32]}"


def follow_people(result: Result, directory: Path) -> list[tuple[str, str]]:
    """Find folders and montages of people under names that somebody gave them by hand.

    Returns:
        Their names as they were, and as they are.

    Raises:
        OutputError: disk full, no permission.
    """
    from facecluster.durable.own_list import follow_renames
    from facecluster.durable.spelt import listed_in

    wanted = {name for person in result.people for name in (folder_name(person), montage_of(person))}
    there = listed_in(directory) if directory.is_dir() else []
    if all(name in wanted for name in there if person_in(name) is not None):
        return []
    return follow_renames(directory, person_in)


def rename_folders(result: Result, folder: ResultFolder, extent: Extent) -> None:
    """Have the folders and montages of people bear the names that they have now, where nothing else bears them.

    Raises:
        OutputError: disk full, no permission.
    """
    folders, montages, there = *_held(folder), _listed(folder)
    for person in result.people:
        if not extent.holds(person.id):
            continue
        for names, wanted in ((folders, folder_name(person)), (montages, montage_of(person))):
            for name in names.get(person.id, ()):
                if name != wanted and wanted not in there and folder.rename(name, wanted):
                    there = (there - {name}) | {wanted}


def folders_of(result: Result, folder: ResultFolder) -> dict[str, str]:
    """Name the folder of each person, by id: the one that is there where it could not be renamed.

    Raises:
        OutputError: something else than a folder has the name.
    """
    held, there = _held(folder)[0], _listed(folder)
    names = {}
    for person in result.people:
        wanted, folders = folder_name(person), held.get(person.id, [])
        in_the_way = wanted in there and not (folder.root / wanted).is_dir()
        if in_the_way and not folders:
            raise OutputError(
                f"{folder.root / wanted}: a file, where the folder of {person.id} is to be; move it away, or choose "
                "another folder"
            )
        names[person.id] = wanted if not folders or (wanted in there and not in_the_way) else folders[0]
    return names


def folders_named(people: Collection[str], folder: ResultFolder) -> set[str]:
    """Names of the folders here in which something of some people, by id, is."""
    held = _held(folder)[0]
    return {name for own in people for name in held.get(own, ())}


def montages_named(people: Collection[str], folder: ResultFolder) -> set[str]:
    """Names of the montages here of some people, by id."""
    held = _held(folder)[1]
    return {name for own in people for name in held.get(own, ())}


def _listed(folder: ResultFolder) -> set[str]:
    """Names of what is there, composed as ours are: some file systems take accents apart."""
    return {unicodedata.normalize("NFC", name) for name in os.listdir(folder.root)}


def _held(folder: ResultFolder) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Names of the folders and of the montages that are ours, by id of the person whose they are."""
    folders: dict[str, list[str]] = {}
    montages: dict[str, list[str]] = {}
    for name in sorted(folder.held()):
        if (own := person_in(name.rstrip("/"))) is not None:
            (folders if name.endswith("/") else montages).setdefault(own, []).append(name.rstrip("/"))
    return folders, montages


def plan_photos(
    result: Result, folder: ResultFolder, link: Link, extent: Extent = ALL
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Choose where photos go, as `plan` does, among the files that are there."""
    if link == "none":
        return {}, ()
    foreign, copies = folder.foreign(_is_of_photos), folder.last_copies()
    return plan(result, foreign, extent, copies, folders_of(result, folder), folder.takes)


def plan(
    result: Result,
    foreign: Mapping[str, set[str]],
    extent: Extent = ALL,
    copies: Mapping[str, str] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
    takes: Callable[[str], bool] = lambda name: True,
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Choose where each photo goes: into the folder of every person it shows, or into that of nobody.

    Args:
        result: who is who.
        foreign: names that are taken, by folder.
        extent: of the folders; of others no photo is placed.
        copies: originals that are not there, by path of the copy that stays: the photo keeps its name.
        names: of the folders of people, by id, where they are not as `folder_name` gives them.
        takes: says whether the disk has such a name; see `layout.plain_name` for what it is called else.

    Returns:
        The original by path in the folder of results, and those of them that had to evade a name of the user's. Photos
        of equal names get "-2", "-3" and so on behind the stem, in the order of their paths; case does not tell names
        apart.
    """
    folders = {
        names.get(person.id) or folder_name(person): {face.photo for face in person.faces}
        for person in result.people
        if extent.holds(person.id)
    }
    if extent.has(UNCLUSTERED):
        placed = (face.photo for person in result.people for face in person.faces)
        folders[UNCLUSTERED] = {face.photo for face in result.unclustered}.difference(placed)
    planned: dict[str, str] = {}
    evaded: list[str] = []
    for folder, photos in folders.items():
        held = {
            path: photo for path, photo in copies.items() if path.startswith(f"{folder}/") and photo in photos
        }
        planned |= held
        kept = {path.rpartition("/")[2] for path in held}
        theirs = {fold(name) for name in foreign.get(folder, ()) if name not in kept}
        taken, tries = theirs | {fold(name) for name in kept}, Counter[str]()
        for photo in sorted(photos.difference(held.values())):
            name = os.path.basename(photo)
            free = name = name if takes(name) else plain_name(name)
            while fold(free) in taken:
                tries[fold(name)] += 1
                free = _numbered(name, tries[fold(name)] + 1)
            taken.add(fold(free))
            planned[f"{folder}/{free}"] = photo
            if fold(name) in theirs:
                evaded.append(f"{folder}/{free}")
    return planned, tuple(evaded)


def _is_of_photos(folder: str) -> bool:
    """Whether a name is that of a folder of photos."""
    return folder == UNCLUSTERED or person_in(folder) is not None


def _numbered(name: str, number: int) -> str:
    """a.jpg, 2 -> a-2.jpg, no longer than a name may be."""
    stem, ending = Path(name).stem, f"-{number}{Path(name).suffix}"
    while len(os.fsencode(stem + ending)) > NAME_BYTES and stem:
        stem = stem[:-1]
    return stem + ending
