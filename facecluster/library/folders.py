"""Put a result into its folder: photos of each person, montages, and last of all clusters.json."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from facecluster.durable.own_files import NAME_BYTES
from facecluster.library.layout import CLUSTERS
from facecluster.library.refer import called
from facecluster.text import fold, many, printable, some

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.durable.own_files import Link, ResultFolder
    from facecluster.formats.clusters_json import Texts
    from facecluster.render.montage import Montage
    from facecluster.result import Person, Result
    from facecluster.table import Picture

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_MONTAGE = "_montage.jpg"

_N_NAMED = 3
"""Photos or people that a message names."""

_BLOCK = 64
"""Montages that may wait for being written."""


def write_result(
    result: Result,
    directory: Path,
    *,
    pictures: Mapping[str, Picture],
    link: Link,
    jobs: int = -1,
    progress: bool = False,
    changed: Collection[str] | None = None,
    forget: Collection[str] = (),
    forget_people: Collection[str] = (),
    texts: Texts | None = None,
) -> None:
    """Write the folders of photos, the montages, and clusters.json.

    The record comes last: where this is cut short, the earlier one is still there, and the next call, whatever its
    `changed`, does the rest too. A montage is made only where it would be another than the one that is there, or where
    it was lost, and not where photos are merely away, see `montage.is_made_of`, as the earlier one stays then. One of
    photos that cannot be read is tried again when one of them has changed.

    Args:
        result: who is who.
        directory: gets them; made if it is not there. Only what facecluster put there is replaced or removed.
        pictures: of photos by path; unknown for a path that is not in it.
            None of these photos is ever removed, nor one with a face in the result. With other pictures a montage
            counts as another.
        link: how the folders hold photos; "none": there are no folders.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.
        changed: ids of the people who have other faces than in the result that the folder holds; only their files are
            looked at, and those of people who are gone, and of faces of nobody where these are others. None: all.
        forget: photos of whom no copy stays where the result has none, though the original may be gone. All copies
            are looked at.
        forget_people: ids of people of whom no copy stays in their folders, though the result does not know its photo
            any more.
        texts: see `clusters_json.to_json`.

    Raises:
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        FaceclusterError: the ids in the result are none.
    """
    from facecluster.durable.own_list import last_write
    from facecluster.formats.clusters_json import to_json
    from facecluster.library.lineage import check_ids

    check_ids(result)
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    placed = {face.photo for person in result.people for face in person.faces}
    mark = _mark(result, link, placed)
    extent = _extent(result, directory, mark, changed, {*forget, *forget_people})
    folder = open_folder(result, directory, pictures, extent, placed)
    if (
        link != "none" and folder.has(CLUSTERS) and not last_write(folder.root).mark
    ):  # the list of ours was lost
        folder.claim_photos(plan(result, {}, extent)[0], link)
    layout = lay_out(result, folder, pictures=pictures, link=link, extent=extent)
    if taken := [person for person in layout.remade if folder.is_taken(montage_of(person.id))]:
        for person, montage in _montages(taken, pictures, threads):
            if montage.jpeg is not None:
                folder.claim_same(montage_of(person.id), montage.jpeg, key=montage.key)
        layout = lay_out(result, folder, pictures=pictures, link=link, extent=extent)
    _tell_of_evaded([path for path in layout.evaded if not folder.has(path)], directory)
    entries = folder.prepare(
        layout.files, layout.photos, link, keep=layout.kept, forget=forget, empty=forget_people
    )
    n_placed = folder.place(_track(entries, "photos", progress))
    without = list(layout.without)
    for person, montage in _montages(_track(layout.remade, "montages", progress), pictures, threads):
        if montage.jpeg is None:
            without.append(person)
            folder.leave_out(montage_of(person.id), montage.key)
        else:
            folder.write(montage_of(person.id), [montage.jpeg], key=montage.key)
    if extent.names is None:  # all photos
        wanted = placed.union(face.photo for face in result.unclustered)
    else:
        missing = [] if n_placed == len(layout.photos) else layout.photos
        wanted = {layout.photos[path] for path in missing if not os.path.lexists(folder.root / path)}
    gone = sorted(photo for photo in wanted if not os.path.lexists(photo))
    _tell_of_gone(gone, without, directory)
    if n_placed < len(layout.photos):
        _tell_of_unread(
            [photo for path, photo in layout.photos.items() if not os.path.lexists(folder.root / path)],
            directory,
        )
    folder.write(CLUSTERS, (piece.encode("ascii") for piece in to_json(result, texts)))
    folder.finish(mark)


def _tell_of_evaded(paths: Sequence[str], directory: Path) -> None:
    """Say under which other names photos are put, as files of the user's have theirs."""
    if paths:
        names = some([printable(f"{directory}/{path}") for path in paths], _N_NAMED)
        whose = ("a file", "has its own name") if len(paths) == 1 else ("files", "have their own names")
        _log.warning(
            "%s got another name, as %s of yours there %s: %s", many(len(paths), "photo"), *whose, names
        )


def _tell_of_gone(gone: Sequence[str], without: Sequence[Person], directory: Path) -> None:
    """Say that photos are not where they were, who has no montage, and what to type."""
    names = some([called(person) for person in without], _N_NAMED)
    so = f"{names} {'has' if len(without) == 1 else 'have'} no montage" if without else ""
    if gone:
        _log.warning(
            "%s not where %s (first: %s)%s. If %s moved, type: facecluster run NEW_FOLDER -o %s",
            many(len(gone), "photo is", "photos are"), "it was" if len(gone) == 1 else "they were",
            printable(gone[0]), f", so {so}" if so else "", "it was" if len(gone) == 1 else "they were",
            shlex.quote(str(directory)),
        )  # fmt: skip
    elif so:
        _log.warning("%s, as none of their photos can be read", so)


def _tell_of_unread(photos: Iterable[str], directory: Path) -> None:
    """Say which photos are there and cannot be put into their folders."""
    if unread := sorted({photo for photo in photos if os.path.lexists(photo)}):
        _log.warning(
            "%s cannot be read, and %s missing in the folders of %s: %s",
            many(len(unread), "photo"), "is" if len(unread) == 1 else "are", printable(str(directory)),
            some([printable(photo) for photo in unread], _N_NAMED),
        )  # fmt: skip


def n_montages(result: Result, directory: Path) -> int:
    """Count the people whose montage is there."""
    return sum((directory / montage_of(person.id)).is_file() for person in result.people)


def montage_of(person: str) -> str:
    """Name a person's montage, by id."""
    return f"{person}{_MONTAGE}"


@dataclass(frozen=True)
class Extent:
    """How much of a folder is looked at.

    Attributes:
        people: ids of those whose folders and montages are; None: everybody's.
        names: of files and folders that are; None: all.
    """

    people: frozenset[str] | None = None
    names: frozenset[str] | None = None

    def has(self, name: str) -> bool:
        """Say whether a file or folder is looked at."""
        return self.names is None or name in self.names


_ALL = Extent()


@dataclass(frozen=True)
class Layout:
    """What of a result goes where in its folder.

    Attributes:
        photos: the original by path in the folder.
        evaded: those of them that get another name than their own, because of a file of the user's.
        remade: people whose montage is made.
        without: people who have no montage, as it is known that it cannot be made.
        files: names of what is written.
        kept: names of what stays as it is until then.
    """

    photos: Mapping[str, str]
    evaded: tuple[str, ...]
    remade: tuple[Person, ...]
    without: tuple[Person, ...]
    files: tuple[str, ...]
    kept: frozenset[str]


def open_folder(
    result: Result,
    directory: Path,
    others: Iterable[str],
    extent: Extent = _ALL,
    placed: Collection[str] | None = None,
) -> ResultFolder:
    """Open the folder of a result, in which neither its photos nor `others` are removed.

    Args:
        result: who is who.
        directory: where the folder is.
        others: paths of photos.
        extent: how much of it is looked at.
        placed: photos of the people, where the caller knows them.
    """
    from facecluster.durable.own_files import ResultFolder

    if placed is None:
        placed = {face.photo for person in result.people for face in person.faces}
    originals = {*others, *placed, *(face.photo for face in result.unclustered)}
    if extent.names is None:
        return ResultFolder(directory, originals)
    near = {face.photo for person in result.people if extent.has(person.id) for face in person.faces}
    if extent.has(UNCLUSTERED):
        near |= {face.photo for face in result.unclustered}
    return ResultFolder(directory, originals, scope=extent.names, renamed=near)


def lay_out(
    result: Result, folder: ResultFolder, *, pictures: Mapping[str, Picture], link: Link, extent: Extent
) -> Layout:
    """Say what of a result goes where; see `write_result`."""
    photos, evaded = plan_photos(result, folder, link, extent)
    remade: list[Person] = []
    without: list[Person] = []
    for person in result.people:
        if extent.people is None or person.id in extent.people:
            from facecluster.render.montage import is_made_of  # OpenCV is loaded where there is one

            name = montage_of(person.id)
            if not is_made_of(folder.key(name), person, pictures):
                if not (folder.has(name) and _is_all_gone(person)):
                    remade.append(person)
            elif not folder.has(name):
                without.append(person)
    files = (*(montage_of(person.id) for person in remade), CLUSTERS)
    kept = {CLUSTERS, *(montage_of(person.id) for person in result.people)} - set(files[:-1])
    return Layout(photos, evaded, tuple(remade), tuple(without), files, frozenset(kept))


def plan_photos(
    result: Result, folder: ResultFolder, link: Link, extent: Extent = _ALL
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Choose where photos go, as `plan` does, among the files that are there."""
    if link == "none":
        return {}, ()
    return plan(result, folder.foreign(_is_of_photos), extent, folder.last_copies())


def _extent(
    result: Result, directory: Path, mark: str, changed: Collection[str] | None, forget: Collection[str]
) -> Extent:
    """Say how much of a folder is to be looked at; all of it where a write of all was cut short, or links differ."""
    from facecluster.durable.own_list import last_write

    if changed is None:
        return _ALL
    try:
        last = last_write(directory)
        there = os.listdir(directory)
    except OSError:  # opening it says why
        return _ALL
    link = mark.partition(":")[0]
    if last.unfinished is None or (last.mark and last.mark.partition(":")[0] != link):
        return _ALL
    people = {*changed, *(name.removesuffix(_MONTAGE) for name in last.unfinished if _is_of_people(name))}
    if forget:
        return Extent(frozenset(people))
    ids = {person.id for person in result.people}
    gone = {name for name in there if _is_of_people(name) and name.removesuffix(_MONTAGE) not in ids}
    names = {CLUSTERS, *people, *map(montage_of, people), *gone}
    if last.mark != mark or UNCLUSTERED in last.unfinished:
        names.add(UNCLUSTERED)
    return Extent(frozenset(people), frozenset(names))


def _mark(result: Result, link: Link, placed: Collection[str]) -> str:
    """How folders hold photos, and a digest of those of nobody: other marks mean other files there."""
    if link == "none":
        return f"{link}:"
    photos = {face.photo for face in result.unclustered}.difference(placed)
    digest = hashlib.sha256(b"\0".join(map(os.fsencode, sorted(photos))))
    return f"{link}:{digest.hexdigest()[:32]}"


def _montages(
    people: Iterable[Person], pictures: Mapping[str, Picture], threads: int
) -> Iterator[tuple[Person, Montage]]:
    """Make montages in several threads (decoding is nearly all of it), a bounded number ahead of their use."""
    from collections import deque

    from facecluster.render.montage import make_montage

    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque[Any]()
        for person in people:
            waiting.append((person, pool.submit(make_montage, person, pictures)))
            if len(waiting) >= _BLOCK:
                done, montage = waiting.popleft()
                yield done, montage.result()
        for done, montage in waiting:
            yield done, montage.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _track(items: Sequence[_T], what: str, progress: bool) -> Iterable[_T]:
    """Show how far it is, where somebody looks."""
    from facecluster.progress import bar

    tracked: Iterable[_T] = bar(items, what=what, shown=progress)
    return tracked


UNCLUSTERED = "unclustered"
"""The folder of photos that have faces, none of them placed."""


def plan(
    result: Result,
    foreign: Mapping[str, set[str]],
    extent: Extent = _ALL,
    copies: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Choose where each photo goes: into the folder of every person it shows, or into that of nobody.

    Args:
        result: who is who.
        foreign: names that are taken, by folder.
        extent: of the folders; of others no photo is placed.
        copies: originals that are not there, by path of the copy that stays: the photo keeps its name.

    Returns:
        The original by path in the folder of results, and those of them that had to evade a name of the user's. Photos
        of equal names get "-2", "-3" and so on behind the stem, in the order of their paths; case does not tell names
        apart.
    """
    folders = {
        person.id: {face.photo for face in person.faces} for person in result.people if extent.has(person.id)
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
        names = {path.rpartition("/")[2] for path in held}
        theirs = {fold(name) for name in foreign.get(folder, ()) if name not in names}
        taken, tries = theirs | {fold(name) for name in names}, Counter[str]()
        for photo in sorted(photos.difference(held.values())):
            name = os.path.basename(photo)
            free = name
            while fold(free) in taken:
                tries[fold(name)] += 1
                free = _numbered(name, tries[fold(name)] + 1)
            taken.add(fold(free))
            planned[f"{folder}/{free}"] = photo
            if fold(name) in theirs:
                evaded.append(f"{folder}/{free}")
    return planned, tuple(evaded)


def _is_all_gone(person: Person) -> bool:
    """Whether none of a person's photos is where it was."""
    return not any(os.path.lexists(face.photo) for face in person.faces)


def _is_of_photos(folder: str) -> bool:
    """Whether a name is that of a folder of photos."""
    return folder == UNCLUSTERED or _is_of_people(folder)


def _is_of_people(name: str) -> bool:
    """Whether a name is that of somebody's folder or montage, or might be."""
    return name.startswith("person-")


def _numbered(name: str, number: int) -> str:
    """a.jpg, 2 -> a-2.jpg, no longer than a name may be."""
    stem, ending = Path(name).stem, f"-{number}{Path(name).suffix}"
    while len(os.fsencode(stem + ending)) > NAME_BYTES and stem:
        stem = stem[:-1]
    return stem + ending
