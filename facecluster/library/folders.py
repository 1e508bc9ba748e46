"""Put a result into its folder: photos of each person, montages, and last of all clusters.json."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from facecluster.durable.own_files import NAME_BYTES
from facecluster.library.layout import CLUSTERS
from facecluster.text import fold, many

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.durable.own_files import Link, ResultFolder
    from facecluster.result import Person, Result

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_BLOCK = 64
"""Montages that may wait for being written."""


def write_result(
    result: Result,
    directory: Path,
    *,
    sizes: Mapping[str, tuple[int, int]],
    link: Link,
    jobs: int = -1,
    progress: bool = False,
    changed: Collection[str] | None = None,
    forget: Collection[str] = (),
) -> None:
    """Write the folders of photos, the montages, and clusters.json.

    The record comes last: where this is cut short, the earlier one is still there, and the same again does all of it.

    Args:
        result: who is who.
        directory: gets them; made if it is not there. Only what facecluster put there is replaced or removed.
        sizes: width, height of photos at full size by path; 0, 0 where unknown, as for a path that is not in it.
            None of these photos is ever removed, nor one with a face in the result.
        link: how the folders hold photos; "none": there are no folders.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.
        changed: ids of the people whose montage is made anew; the others' stay where they are as we left them. None:
            all are made anew.
        forget: photos of whom no copy stays where the result has none, though the original may be gone.

    Raises:
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        FaceclusterError: the ids in the result are none.
    """
    from facecluster.formats.clusters_json import to_json
    from facecluster.library.lineage import check_ids

    check_ids(result)
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    folder = open_folder(result, directory, sizes)
    layout = lay_out(result, folder, link=link, changed=changed)
    if layout.evaded:
        whose = ("a file", "has it") if layout.evaded == 1 else ("files", "have theirs")
        _log.warning(
            "%s got another name, as %s of yours in %s %s",
            many(layout.evaded, "photo"), whose[0], directory, whose[1],
        )  # fmt: skip
    entries = folder.prepare(layout.files, layout.photos, link, keep=layout.kept, forget=forget)
    n_placed = folder.place(_track(entries, "photos", progress))
    if n_placed < len(layout.photos):
        n_gone = len(layout.photos) - n_placed
        are = "is" if n_gone == 1 else "are"
        _log.warning(
            "%s %s gone or cannot be read, and %s missing in the folders", many(n_gone, "photo"), are, are
        )
    n_without = 0
    for person, montage in _montages(_track(layout.remade, "montages", progress), sizes, threads):
        if montage is None:
            n_without += 1
        else:
            folder.write(montage_of(person.id), [montage])
    if n_without:
        _log.warning(
            "%s %s no montage, as none of their photos can be read",
            many(n_without, "person", "people"),
            "has" if n_without == 1 else "have",
        )
    folder.write(CLUSTERS, (piece.encode("ascii") for piece in to_json(result)))


def montage_of(person: str) -> str:
    """Name a person's montage, by id."""
    return f"{person}_montage.jpg"


@dataclass(frozen=True)
class Layout:
    """What of a result goes where in its folder.

    Attributes:
        photos: the original by path in the folder.
        evaded: how many of them got another name than their own, because of a file of the user's.
        remade: people whose montage is made.
        files: names of what is written.
        kept: names of what stays as it is until then.
    """

    photos: Mapping[str, str]
    evaded: int
    remade: tuple[Person, ...]
    files: tuple[str, ...]
    kept: frozenset[str]


def open_folder(result: Result, directory: Path, others: Iterable[str]) -> ResultFolder:
    """Open the folder of a result, in which neither its photos nor `others` are removed."""
    from facecluster.durable.own_files import ResultFolder

    placed = (face.photo for person in result.people for face in person.faces)
    return ResultFolder(directory, {*others, *placed, *(face.photo for face in result.unclustered)})


def lay_out(result: Result, folder: ResultFolder, *, link: Link, changed: Collection[str] | None) -> Layout:
    """Say what of a result goes where; see `write_result`."""
    photos, evaded = plan(result, folder.foreign(_is_of_photos)) if link != "none" else ({}, 0)
    remade = tuple(
        person
        for person in result.people
        if changed is None or person.id in changed or not folder.has(montage_of(person.id))
    )
    files = (*(montage_of(person.id) for person in remade), CLUSTERS)
    kept = {CLUSTERS, *(montage_of(person.id) for person in result.people)} - set(files[:-1])
    return Layout(photos, evaded, remade, files, frozenset(kept))


def _montages(
    people: Iterable[Person], sizes: Mapping[str, tuple[int, int]], threads: int
) -> Iterator[tuple[Person, bytes | None]]:
    """Make montages in several threads (decoding is nearly all of it), a bounded number ahead of their use."""
    from collections import deque

    from facecluster.render.montage import make_montage

    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque[Any]()
        for person in people:
            waiting.append((person, pool.submit(make_montage, person, sizes)))
            if len(waiting) >= _BLOCK:
                done, montage = waiting.popleft()
                yield done, montage.result()
        for done, montage in waiting:
            yield done, montage.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _track(items: Sequence[_T], what: str, progress: bool) -> Iterable[_T]:
    """Show how far it is, where somebody looks."""
    from tqdm import tqdm

    bar: Iterable[_T] = tqdm(items, desc=what, unit="", leave=False, disable=None if progress else True)
    return bar


UNCLUSTERED = "unclustered"
"""The folder of photos that have faces, none of them placed."""


def plan(result: Result, foreign: Mapping[str, set[str]]) -> tuple[dict[str, str], int]:
    """Choose where each photo goes: into the folder of every person it shows, or into that of nobody.

    Args:
        result: who is who.
        foreign: names that are taken, by folder.

    Returns:
        The original by path in the folder of results, and how many had to evade a name of the user's. Photos of equal
        names get "-2", "-3" and so on behind the stem, in the order of their paths; case does not tell names apart.
    """
    folders = {person.id: {face.photo for face in person.faces} for person in result.people}
    placed = set().union(*folders.values())
    folders[UNCLUSTERED] = {face.photo for face in result.unclustered} - placed
    planned: dict[str, str] = {}
    evaded = 0
    for folder, photos in folders.items():
        theirs = {fold(name) for name in foreign.get(folder, ())}
        taken, tries = set(theirs), Counter[str]()
        for photo in sorted(photos):
            name = Path(photo).name
            evaded += fold(name) in theirs
            free = name
            while fold(free) in taken:
                tries[fold(name)] += 1
                free = _numbered(name, tries[fold(name)] + 1)
            taken.add(fold(free))
            planned[f"{folder}/{free}"] = photo
    return planned, evaded


def _is_of_photos(folder: str) -> bool:
    """Whether a name is that of a folder of photos."""
    return folder == UNCLUSTERED or folder.startswith("person-")


def _numbered(name: str, number: int) -> str:
    """a.jpg, 2 -> a-2.jpg, no longer than a name may be."""
    stem, ending = Path(name).stem, f"-{number}{Path(name).suffix}"
    while len(os.fsencode(stem + ending)) > NAME_BYTES and stem:
        stem = stem[:-1]
    return stem + ending
