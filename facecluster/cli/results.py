"""Put a result into its folder: photos of each person, montages, and last of all clusters.json."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from facecluster.output.places import CLUSTERS
from facecluster.output.words import many

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.output.folders import Link, ResultFolder
    from facecluster.output.records import Person, Result

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
    from facecluster.output.lineage import check_ids
    from facecluster.output.records import to_json

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
    from facecluster.output.folders import ResultFolder

    placed = (face.photo for person in result.people for face in person.faces)
    return ResultFolder(directory, {*others, *placed, *(face.photo for face in result.unclustered)})


def lay_out(result: Result, folder: ResultFolder, *, link: Link, changed: Collection[str] | None) -> Layout:
    """Say what of a result goes where; see `write_result`."""
    from facecluster.output.folders import plan

    photos, evaded = plan(result, folder.foreign()) if link != "none" else ({}, 0)
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

    from facecluster.output.montage import make_montage

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
