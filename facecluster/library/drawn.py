"""What of the pictures of a library is made anew: montages, and sheets of everybody."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, takewhile, zip_longest
from typing import TYPE_CHECKING, Any

from facecluster.library.layout import index_sheet, montage_of

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.durable.own_files import ResultFolder
    from facecluster.library.contents import Contents
    from facecluster.library.plan import Extent
    from facecluster.render.montage import Montage
    from facecluster.result import Person, Result
    from facecluster.table import Picture

_BLOCK = 64
"""Montages that may wait for being written."""


@dataclass(frozen=True)
class Sheet:
    """A sheet of everybody: its number from 1, who is on it, and its key."""

    number: int
    people: tuple[Person, ...]
    key: str

    @property
    def name(self) -> str:
        """Of its file."""
        return index_sheet(self.number)


def sheets_of(result: Result, folder: ResultFolder, extent: Extent) -> tuple[Sheet, ...]:
    """The sheets of everybody who is not hidden, in the order of the result.

    Where not everybody is looked at, people stay on the sheets that they are on, and who is new gets the first free
    place, so that few sheets change. The next write of all has them in order again.
    """
    from facecluster.render.index_sheet import PER_SHEET, key_of, people_of

    place = {person.id: i for i, person in enumerate(result.people) if not person.hidden}
    ids = [*place]
    pages = [ids[first : first + PER_SHEET] for first in range(0, len(ids), PER_SHEET)]
    keys = [""] * len(pages)
    names = map(index_sheet, range(1, 2 + len(ids)))
    before = [*takewhile(bool, (folder.key(name) for name in names))]
    if extent.people is not None and before:
        there = [people_of(key) for key in before]
        stay = [[own for own in page if own in place] for page in there]
        on_a_sheet = set(chain(*stay))
        new = deque(own for own in ids if own not in on_a_sheet)
        for page in stay:
            page += [new.popleft() for _ in range(min(len(new), PER_SHEET - len(page)))]
        while new:
            stay.append([new.popleft() for _ in range(min(len(new), PER_SHEET))])
        if all(stay):
            pages = [sorted(page, key=place.__getitem__) for page in stay]
            keys = [
                key if page == old and extent.people.isdisjoint(page) else ""
                for page, old, key in zip_longest(pages, there, before, fillvalue="")
            ]
    sheets = []
    for number, (page, key) in enumerate(zip(pages, keys, strict=True), start=1):
        people = tuple(result.people[place[own]] for own in page)
        sheets.append(Sheet(number, people, key or key_of(people, number)))
    return tuple(sheets)


def has_chosen_cover(person: Person) -> bool:
    """Say whether a person's cover is not the first face, which the montage begins with."""
    return person.cover_face is not person.faces[0]


def has_newer_cover(person: Person, sheet: Sheet, folder: ResultFolder) -> bool:
    """Say whether a montage was made after the sheet that shows its cover, as where a kill came between the two."""
    return folder.is_newer(montage_of(person), sheet.name)


def draw_sheet(
    sheet: Sheet,
    covers: Mapping[str, NDArray[np.uint8] | None],
    folder: ResultFolder,
    pictures: Mapping[str, Picture],
    contents: Contents,
) -> bytes:
    """Make a sheet of everybody; a cover that somebody chose is cut out of its photo.

    Of the others, who has no new cover has that of the montage.
    """
    from facecluster.durable.whole_file import is_of_one_file
    from facecluster.render.index_sheet import make_sheet
    from facecluster.render.montage import cover_of, cut_cover

    def cover(person: Person) -> NDArray[np.uint8] | None:
        if has_chosen_cover(person) and (tile := cut_cover(person, pictures, contents)) is not None:
            return tile
        if person.id in covers:
            return covers[person.id]
        try:
            return cover_of((folder.root / montage_of(person)).read_bytes())
        except OSError as error:
            if not is_of_one_file(error):
                raise
            return None

    earlier = (folder.root / sheet.name).read_bytes() if folder.has(sheet.name) else None
    fresh = {person.id for person in sheet.people if has_newer_cover(person, sheet, folder)}
    return make_sheet(sheet.people, sheet.number, cover, earlier=earlier, fresh=fresh.union(covers))


def draw_montages(
    people: Iterable[Person],
    pictures: Mapping[str, Picture],
    folder: ResultFolder,
    same: Collection[str],
    threads: int,
    contents: Contents,
) -> Iterator[tuple[Person, Montage]]:
    """Make montages in several threads (decoding is nearly all of it), a bounded number ahead of their use."""
    from facecluster.render.montage import make_montage, retitle

    def make(person: Person) -> Montage:
        if person.id in same:
            name = montage_of(person)
            montage = retitle((folder.root / name).read_bytes(), folder.key(name), person)
            if montage.jpeg is not None:
                return montage
        return make_montage(person, pictures, contents)

    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque[Any]()
        for person in people:
            waiting.append((person, pool.submit(make, person)))
            if len(waiting) >= _BLOCK:
                done, montage = waiting.popleft()
                yield done, montage.result()
        for done, montage in waiting:
            yield done, montage.result()
    finally:
        pool.shutdown(cancel_futures=True)


def claim_pictures(
    people: Sequence[Person],
    sheets: Iterable[str],
    pictures: Mapping[str, Picture],
    folder: ResultFolder,
    threads: int,
    contents: Contents,
) -> None:
    """Count the montages and sheets as ours that look as they would be made, as after the list of ours was lost."""
    from facecluster.render.index_sheet import is_sheet
    from facecluster.render.montage import looks_like

    for person, montage in draw_montages(people, pictures, folder, (), threads, contents):
        if (jpeg := montage.jpeg) is not None:
            folder.claim_if(montage_of(person), partial(looks_like, jpeg), key=montage.key)
    for name in sheets:
        folder.claim_if(name, is_sheet, key="")
