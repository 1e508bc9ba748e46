"""Put a result into its folder: photos of each person, montages, and last of all clusters.json."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from facecluster.library.contents import Contents
from facecluster.library.drawn import (
    Sheet,
    claim_pictures,
    draw_montages,
    draw_sheet,
    has_chosen_cover,
    has_newer_cover,
    sheets_of,
)
from facecluster.library.folders_told import (
    tell_of_changed,
    tell_of_evaded,
    tell_of_followed,
    tell_of_gone,
    tell_of_refused,
    tell_of_sheet,
    tell_of_unread,
)
from facecluster.library.layout import CLUSTERS, UNCLUSTERED, montage_of
from facecluster.library.plan import (
    ALL,
    Extent,
    extent_of,
    folders_named,
    follow_people,
    mark_of,
    plan,
    plan_photos,
    rename_folders,
)
from facecluster.library.refer import faces_of

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.durable.links import Link
    from facecluster.durable.own_files import ResultFolder
    from facecluster.durable.placing import Holding
    from facecluster.formats.clusters_json import Texts
    from facecluster.render.montage import Montage
    from facecluster.result import Person, Result
    from facecluster.table import Picture

_T = TypeVar("_T")


def write_result(
    result: Result,
    directory: Path,
    *,
    pictures: Mapping[str, Picture],
    link: Link,
    jobs: int = -1,
    progress: bool = False,
    changed: Collection[str] | None = None,
    named: Collection[str] = (),
    earlier: Result | None = None,
    forget: Collection[str] = (),
    forget_people: Collection[str] = (),
    texts: Texts | None = None,
    contents: Contents | None = None,
) -> Holding:
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
        named: ids of those of whom only the name is another. Who has a folder or montage of another name counts anyway.
        earlier: who was who when the folder was written last: tells which photos are others now than they were.
        forget: photos of whom no copy stays where the result has none, though the original may be gone. All copies
            are looked at.
        forget_people: ids of people of whom no copy stays in their folders, though the result does not know its photo
            any more.
        texts: see `clusters_json.to_json`.
        contents: of the photos, which are asked for where one is placed anew or drawn; None: as `pictures` has them.

    Returns:
        How the folders hold photos.

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
    mark = mark_of(result, link, placed)
    extent = extent_of(result, directory, mark, changed, named, {*forget, *forget_people})
    followed = follow_people(result, directory) if extent.names is None else []
    contents = contents or Contents(result, lambda: pictures)
    folder = open_folder(result, directory, pictures, extent, placed, earlier, contents.has)
    rename_folders(result, folder, extent)
    tell_of_followed(followed, result, directory)
    if (
        link != "none" and folder.has(CLUSTERS) and not last_write(folder.root).mark
    ):  # the list of ours was lost
        folder.claim_photos(plan(result, {}, extent, takes=folder.takes)[0], link)
    layout = lay_out(result, folder, pictures=pictures, link=link, extent=extent)
    taken = [person for person in layout.remade if folder.is_taken(montage_of(person))]
    if taken or layout.taken:
        claim_pictures(taken, layout.taken, pictures, folder, threads, contents)
        layout = lay_out(result, folder, pictures=pictures, link=link, extent=extent)
    tell_of_evaded([path for path in layout.evaded if not folder.has(path)], directory)
    for name in layout.taken[:1]:
        tell_of_sheet(name, directory)
    empty = folders_named(forget_people, folder)
    entries = folder.prepare(layout.files, layout.photos, link, keep=layout.kept, forget=forget, empty=empty)
    n_placed = folder.place(_track(entries, "photos", progress))
    from facecluster.render.montage import permissions_of  # OpenCV is loaded where there is one

    without = list(layout.without)
    montages = draw_montages(
        _track(layout.remade, "montages", progress), pictures, folder, layout.same, threads, contents
    )
    fresh = {person.id for person in layout.remade}

    def write_montage(person: Person, montage: Montage) -> None:
        if montage.jpeg is None:
            without.append(person)
            folder.leave_out(montage_of(person), montage.key)
        else:
            name, seen = montage_of(person), montage.permissions
            folder.write(name, [montage.jpeg], key=montage.key, permissions=seen, may_be_refused=True)

    for sheet in layout.sheets:
        covers: dict[str, NDArray[np.uint8] | None] = {}
        for person, montage in islice(montages, sum(person.id in fresh for person in sheet.people)):
            covers[person.id] = montage.cover
            write_montage(person, montage)
        if sheet.name in layout.files:
            drawn = draw_sheet(sheet, covers, folder, pictures, contents)
            shown = [folder.root / montage_of(person) for person in sheet.people]
            chosen = [person.cover_face.photo for person in sheet.people if has_chosen_cover(person)]
            seen = permissions_of([*shown, *chosen])
            folder.write(sheet.name, [drawn], key=sheet.key, permissions=seen, may_be_refused=True)
    for person, montage in montages:  # of people who are on no sheet
        write_montage(person, montage)
    if extent.names is None:  # all photos
        wanted = placed.union(face.photo for face in result.unclustered)
    else:
        missing = [] if n_placed == len(layout.photos) else layout.photos
        wanted = {layout.photos[path] for path in missing if not os.path.lexists(folder.root / path)}
    tell_of_gone(sorted(photo for photo in wanted if not os.path.lexists(photo)), without, directory)
    others = {photo for photo in folder.others if os.access(photo, os.R_OK)}
    tell_of_changed(sorted(others))
    if n_placed < len(layout.photos):
        not_placed = (
            photo
            for path, photo in layout.photos.items()
            if photo not in others and path not in folder.refused and not os.path.lexists(folder.root / path)
        )
        tell_of_unread(not_placed, directory)
    tell_of_refused(folder.refused, directory)
    folder.write(CLUSTERS, (piece.encode("ascii") for piece in to_json(result, texts)))
    folder.finish(mark)
    return folder.holding(link)


def n_montages(result: Result, directory: Path) -> int:
    """Count the people whose montage is there."""
    return sum((directory / montage_of(person)).is_file() for person in result.people)


@dataclass(frozen=True)
class Layout:
    """What of a result goes where in its folder.

    Attributes:
        photos: the original by path in the folder.
        evaded: those of them that get another name than their own, because of a file of the user's.
        remade: people whose montage is made, in the order of the sheets, those on none behind.
        same: ids of those of them of whom only the name is another.
        without: people who have no montage, as it is known that it cannot be made.
        sheets: of everybody, in their order.
        taken: names of sheets that files of the user's have.
        files: names of what is written, clusters.json last.
        kept: names of what stays as it is until then.
    """

    photos: Mapping[str, str]
    evaded: tuple[str, ...]
    remade: tuple[Person, ...]
    same: frozenset[str]
    without: tuple[Person, ...]
    sheets: tuple[Sheet, ...]
    taken: tuple[str, ...]
    files: tuple[str, ...]
    kept: frozenset[str]


def open_folder(
    result: Result,
    directory: Path,
    others: Iterable[str],
    extent: Extent = ALL,
    placed: Collection[str] | None = None,
    earlier: Result | None = None,
    is_meant: Callable[[str], bool] | None = None,
) -> ResultFolder:
    """Open the folder of a result, in which neither its photos nor `others` are removed.

    Args:
        result: who is who.
        directory: where the folder is.
        others: paths of photos.
        extent: how much of it is looked at.
        placed: photos of the people, where the caller knows them.
        earlier: see `write_result`.
        is_meant: see `ResultFolder`.
    """
    from facecluster.durable.own_files import ResultFolder
    from facecluster.identity.decisions import digest_of

    if placed is None:
        placed = {face.photo for person in result.people for face in person.faces}
    originals = {*others, *placed, *(face.photo for face in result.unclustered)}

    @cache
    def photos_before() -> dict[str, str]:
        return {} if earlier is None else {face.photo: digest_of(face.id) for face in faces_of(earlier)}

    @cache
    def photos_now() -> dict[str, str]:
        return {face.photo: digest_of(face.id) for face in faces_of(result)}

    def is_other(photo: str) -> bool:
        return photo in photos_before() and photos_before()[photo] != photos_now().get(photo)

    if extent.names is None:
        return ResultFolder(directory, originals, is_other=is_other, is_meant=is_meant)
    near = {face.photo for person in result.people if extent.holds(person.id) for face in person.faces}
    if extent.has(UNCLUSTERED):
        near |= {face.photo for face in result.unclustered}
    return ResultFolder(
        directory, originals, scope=extent.names, renamed=near, is_other=is_other, is_meant=is_meant
    )


def lay_out(
    result: Result, folder: ResultFolder, *, pictures: Mapping[str, Picture], link: Link, extent: Extent
) -> Layout:
    """Say what of a result goes where; see `write_result`."""
    from facecluster.render.montage import is_made_of, is_titled  # OpenCV is loaded where there is one

    photos, evaded = plan_photos(result, folder, link, extent)
    remade: list[Person] = []
    same: list[str] = []
    without: list[Person] = []
    for person in result.people:
        if not extent.shows(person.id):
            continue
        name = montage_of(person)
        key, there = folder.key(name), folder.has(name)
        is_same = (person.id in extent.named and there) or is_made_of(key, person, pictures)
        if not is_same and there:
            is_same = _is_all_gone(person)
        if not is_titled(key, person) or not is_same:
            remade.append(person)
            if is_same:
                same.append(person.id)
        elif not there:
            without.append(person)
    sheets = sheets_of(result, folder, extent)
    on_sheets = {person.id: i for i, person in enumerate(chain(*(sheet.people for sheet in sheets)))}
    remade.sort(key=lambda person: on_sheets.get(person.id, len(on_sheets)))
    fresh = {person.id for person in remade}
    new = [
        sheet.name
        for sheet in sheets
        if folder.key(sheet.name) != sheet.key
        or any(person.id in fresh or has_newer_cover(person, sheet, folder) for person in sheet.people)
    ]
    taken = tuple(name for name in new if folder.is_taken(name))
    files = (*map(montage_of, remade), *(name for name in new if name not in taken), CLUSTERS)
    montages = map(montage_of, result.people)
    kept = {CLUSTERS, *montages, *(sheet.name for sheet in sheets)}
    return Layout(
        photos=photos,
        evaded=evaded,
        remade=tuple(remade),
        same=frozenset(same),
        without=tuple(without),
        sheets=sheets,
        taken=taken,
        files=files,
        kept=frozenset(kept),
    )


def _track(items: Sequence[_T], what: str, progress: bool) -> Iterable[_T]:
    """Show how far it is, where somebody looks."""
    from facecluster.progress import bar

    tracked: Iterable[_T] = bar(items, what=what, shown=progress)
    return tracked


def _is_all_gone(person: Person) -> bool:
    """Whether none of a person's photos is where it was."""
    return not any(os.path.lexists(face.photo) for face in person.faces)
