"""Forget: take a person, or photos, out of face tables and libraries, for good, and keep them out.

    the list of places ─▶ names beside photos ─▶ interrupted encode ─▶ face tables ─▶ decisions ─▶ results, the ones
    that know the person last

The list comes first, so that nothing that is found again while the rest is cleaned gets in. A result is the last to
change, and in its folder clusters.json is, so that what was killed half-way finds the same faces when it is run again,
and finishes. Of a label the tables are the last, which know it, and of somebody absent who is known by a decided name,
the decisions. Only which decisions it shows is put down in a result before these change, so that it is known to be in
step with them at any time. Every file is whole, old or new, at any time. The old bytes have no name any more once the
new ones have, but what a disk, its snapshots and backups keep is beyond this.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from facecluster.durable.own_file import oddity_at
from facecluster.durable.own_files import ResultFolder
from facecluster.durable.whole_file import remove_parts
from facecluster.errors import DeclinedError, FaceclusterError, OutputError
from facecluster.formats import forgotten_jsonl
from facecluster.formats.forgotten_jsonl import Place
from facecluster.identity.boxes import Main
from facecluster.library.folders import open_folder, write_result
from facecluster.library.forget import (
    Cleaned,
    CleanedTable,
    Target,
    not_listed,
    places_in_result,
    places_in_table,
)
from facecluster.library.forget_sights import content_of
from facecluster.library.forget_targets import (
    Opened,
    broken_off,
    check_tables,
    faces_of_labels,
    find_in_all,
    ids_of,
    marks_of,
    open_targets,
    tables_of_others,
    target_of_all,
)
from facecluster.library.held import Held
from facecluster.library.labels import FOLDER
from facecluster.library.layout import (
    CLUSTERS,
    NOBODY_SHEET,
    TABLE,
    THUMBNAILS,
    THUMBNAILS_JOURNAL,
    UNDO,
    person_in,
    set_aside_in,
)
from facecluster.library.plan import folders_named, montages_named, plan_photos
from facecluster.result import Result, columns
from facecluster.table import FaceTable, Picture
from facecluster.text import typed

_log = logging.getLogger(__name__)


@dataclass
class Report:
    """What went, or would go.

    Attributes:
        dry_run: whether nothing was done.
        people: ids of people who are gone, as folder and id.
        faces: in results.
        encodings: faces in tables.
        photos: in tables.
        copies: of photos in folders of results, and links to them.
        montages: removed, or made anew without the faces.
        decisions: lines that went or changed.
        places: lines that were added to the lists of what is forgotten.
        sidecars: files beside photos out of which names were taken.
        rewritten: files.
        removed: files, but for copies and montages.
        face_ids: of the faces and encodings, each once.
        photo_paths: of the photos.
        lists: files that say where the faces were.
        inside: photos in which names stand that do not hold any more, by folder of the result.
        doubtful: photos that may show them still, by file of the table, or folder of the result.
    """

    dry_run: bool
    people: list[str] = field(default_factory=list)
    faces: int = 0
    encodings: int = 0
    photos: int = 0
    copies: int = 0
    montages: int = 0
    decisions: int = 0
    places: int = 0
    sidecars: int = 0
    rewritten: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    face_ids: list[str] = field(default_factory=list)
    photo_paths: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    inside: dict[str, list[str]] = field(default_factory=dict)
    doubtful: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What is to be forgotten.

    Attributes:
        persons: ids, or names.
        globs: patterns of photos.
        names: labels of a face table.
        labels_from: where those come from: `labels.FOLDER`, or a file.
        which: face of a photo that carries its label.
        table_gone: the face table of a library, which is not where it was, is nowhere any more.
    """

    persons: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels_from: str | None = None
    which: Main | None = None
    table_gone: bool = False


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten.

    Attributes:
        report: what went.
        results: of the libraries.
        tables: by their file.
        copied: photos that go, and of which copies stay, so that they come back with the next run.
        shown_in: paths of the photos that show the faces, and of those that go, and how many faces go in each.
        only_finished: whether an earlier call, which was broken off at its end, had removed all of it.
    """

    report: Report
    results: list[Opened]
    tables: dict[Path, CleanedTable]
    copied: tuple[str, ...]
    shown_in: Mapping[str, int]
    only_finished: bool = False


def forget(
    targets: Sequence[str],
    wanted: Wanted,
    *,
    library: Held | None = None,
    dry_run: bool = False,
    agree: Callable[[Forgotten], bool] = lambda about_to_go: True,
) -> Forgotten:
    """Remove people, or photos, from face tables and libraries, at once and for good.

    Args:
        targets: folders of people, their clusters.json, or face tables. Of a library its face table and decisions are
            cleaned too, of a table the library beside it.
        wanted: what is to be forgotten.
        library: one of them that is open already.
        dry_run: only say what would go.
        agree: asked before anything is written, but for a dry run; False: nothing is. It gets what will go, whose
            report knows the faces and photos, and not yet what is to be written.

    Raises:
        FaceclusterError: nothing matches, something cannot be read or written, or is not ours to replace.
        DeclinedError: `agree` said no.
    """
    from facecluster.library.forget import forget_in_result, forget_in_table
    from facecluster.library.pending import drop_notices

    with ExitStack() as stack:
        results, tables = open_targets(targets, wanted.persons, stack, library)
        folders = [opened.directory for opened in results]
        labelled = faces_of_labels(tables, wanted.names, wanted.labels_from or FOLDER, wanted.which, folders)
        target = target_of_all(results, tables, wanted.persons, wanted.globs, labelled)
        target, doubts = find_in_all(target, results, tables)
        marks = marks_of(results, target)
        own = check_tables(results, tables, target, gone=wanted.table_gone)
        for path in tables_of_others(targets, results, tables):
            _log.warning("%s: left alone, as it has no face of the library that names it", path)
            del tables[path]
            own = [None if one == path else one for one in own]
        cleaned_tables = {path: forget_in_table(table, target) for path, table in tables.items()}
        cleaned_results = [
            forget_in_result(o.result, target, cleaned_tables[path].table if path else None, ids_of(o))
            for o, path in zip(results, own, strict=True)
        ]
        report = Report(dry_run, photo_paths=sorted(target.photos))
        report.doubtful = {str(doubt.file): list(doubt.photos) for doubt in doubts}
        report.face_ids = list(
            dict.fromkeys(
                face
                for faces in [
                    *(cleaned.faces for cleaned in cleaned_tables.values()),
                    *(cleaned.faces for cleaned in cleaned_results),
                ]
                for face in faces
            )
        )
        is_nothing = not report.face_ids and not report.photo_paths and not any(o.people for o in results)
        if is_nothing:
            report.people = [str(o.directory / own) for o in results for own in broken_off(o)]
        if is_nothing and not report.people:
            named = ", ".join(wanted.persons + wanted.globs + wanted.names)
            raise FaceclusterError(f"{named}: nothing matches; nothing was changed")
        forgotten = Forgotten(
            report,
            results,
            cleaned_tables,
            _copied(tables, target),
            _shown_in(results, tables, report),
            only_finished=is_nothing,
        )
        if not dry_run and not is_nothing and not agree(forgotten):
            raise DeclinedError("nothing was changed")
        pictures: dict[str, Picture] = {}
        for table in tables.values():
            pictures |= table.photos.pictures()
        lists = {
            file: not_listed(places, forgotten_jsonl.read(file))
            for file, places in _lists(results, tables, target).items()
        }
        report.lists = [str(file) for file in lists]
        pairs = list(zip(results, cleaned_results, strict=True))
        try:
            for file, places in lists.items():
                if not dry_run:
                    forgotten_jsonl.append(file, sorted(places, key=_order))
                report.places += len(places)
            for opened, cleaned in pairs:
                _clean_sidecars(opened, cleaned.result, pictures, report)
            if not wanted.names:
                clean_tables(cleaned_tables, target, report, globs=bool(wanted.globs))
            decided = any(o.decided for o in results)
            if not decided:
                clean_decisions(results, marks, target, report)
            if not dry_run:
                for opened, cleaned in pairs:
                    drop_notices(opened.directory, cleaned.result)
            for opened, cleaned in sorted(pairs, key=lambda pair: bool(pair[0].people)):
                clean_result(opened, cleaned, marks, pictures, report)
            if decided:  # which know who it is
                clean_decisions([replace(o, result=c.result) for o, c in pairs], marks, target, report)
            if wanted.names:  # which the tables know
                clean_tables(cleaned_tables, target, report, globs=bool(wanted.globs))
        except (FaceclusterError, OSError) as error:
            raise _unfinished(error, report) from error
    if library is not None and not dry_run:
        library.reload()
    return forgotten


def _lists(
    results: Iterable[Opened], tables: Mapping[Path, FaceTable], target: Target
) -> dict[Path, list[Place]]:
    """Say where the faces are that are to be forgotten, by the list that they belong on.

    All lists get all places: of each table its own, of each result the one in its folder. Of a photo whose pixels no
    table knows, the file tells them, if it is still the one that was encoded.
    """
    files = [forgotten_jsonl.list_of(path) for path in tables]
    files += [forgotten_jsonl.list_of(opened.directory / TABLE) for opened in results]
    places: dict[Place, None] = {}
    for table in tables.values():
        path_of = dict(zip(table.photos.digest.tolist(), table.photos.path.tolist(), strict=True))
        for place in places_in_table(table, target):
            places[
                place if place.pixels or not place.looks else _with_pixels(place, path_of[place.photo])
            ] = None
    for opened in results:
        places |= dict.fromkeys(places_in_result(opened.result, target))
    return {file: list(places) for file in dict.fromkeys(files) if places}


def _with_pixels(place: Place, path: str) -> Place:
    """Look into the file of a photo that an older facecluster encoded, which did not ask for its pixels."""
    content = content_of(path)
    if content is None or content.file != place.photo:
        return place
    return replace(place, pixels=content.pixels)


def _order(place: Place) -> tuple[str, tuple[float, ...]]:
    return place.photo, place.box or ()


def _copied(tables: Mapping[Path, FaceTable], target: Target) -> tuple[str, ...]:
    """Photos that go while copies of them stay."""
    return tuple(
        sorted(
            {
                path
                for table in tables.values()
                for path, digest in zip(table.photos.path.tolist(), table.photos.digest.tolist(), strict=True)
                if target.has_photo(path) and digest and digest not in target.contents
            }
        )
    )


def _shown_in(results: Iterable[Opened], tables: Mapping[Path, FaceTable], report: Report) -> dict[str, int]:
    """Photos that show the faces which go, or go themselves, in order of their paths, and how many faces in each."""
    go, seen = set(report.face_ids), set[tuple[str, str]]()
    for opened in results:
        placed = columns(opened.result)
        seen |= {(path, face) for face, path in zip(placed.id, placed.photo, strict=True) if face in go}
    for table in tables.values():
        rows = [row for row, face in enumerate(table.faces.id.tolist()) if face in go]
        paths = table.photos.path[table.faces.photo[rows]].tolist()
        seen |= set(zip(paths, table.faces.id[rows].tolist(), strict=True))
    count = Counter(path for path, _ in seen)
    return {path: count[path] for path in sorted({*count, *report.photo_paths})}


def _unfinished(error: FaceclusterError | OSError, report: Report) -> FaceclusterError:
    """Say what was done before a step failed; the same again does the rest."""
    done = [*report.rewritten, *report.removed]
    already = f"; cleaned already: {', '.join(done)}" if done else ""
    kind = type(error) if isinstance(error, FaceclusterError) else OutputError
    return kind(
        f"{error}\nnot everything is removed yet{already}. Once that is mended, the same command finishes it"
    )


def _clean_sidecars(opened: Opened, result: Result, pictures: Mapping[str, Picture], report: Report) -> None:
    """Take names out of files beside photos. What cannot be written stays on the library's list of such files."""
    from facecluster.library.embed import kept_with
    from facecluster.library.tag import keep_up

    done = keep_up(opened.directory, opened.result, result, pictures, dry_run=report.dry_run)
    report.sidecars += len(done.changed)
    if done.behind:
        report.inside[str(opened.directory)] = done.behind
    report.rewritten += [change.file for change in done.changed if not change.is_gone]
    report.removed += [change.file for change in done.changed if change.is_gone]
    tag = f"facecluster tag {typed(opened.directory)}"
    for remark in done.remarks:
        _log.warning("%s", remark)
    for trouble in done.troubles:
        _log.warning("%s; once that is mended, type: %s", trouble, tag)
    for photo in done.away:
        _log.warning("%s: not there now, so names may stand beside it; once it is back, type: %s", photo, tag)
    names = [person.name for person in opened.people.values() if person.name]
    for file in kept_with(opened.directory, names):
        _log.warning("%s: has the name, as the photo had it before --embed; remove it if it is to go", file)


def clean_tables(tables: Mapping[Path, CleanedTable], target: Target, report: Report, *, globs: bool) -> None:
    """Write the tables that lost something; `globs`: photos were chosen by patterns. See `_clean_table`."""
    for path, cleaned in tables.items():
        _clean_table(path, cleaned, target, report, globs=globs)


def _clean_table(path: Path, cleaned: CleanedTable, target: Target, report: Report, *, globs: bool) -> None:
    """Write a table that lost faces or photos, and drop what an interrupted encode keeps, unless it is about others.

    An interrupted encode knows photos by their pixels only: any of those may match a glob.
    """
    from facecluster.durable.journal import is_journal
    from facecluster.durable.lock import beside
    from facecluster.durable.own_file import not_ours, open_own
    from facecluster.formats import face_table

    journal = beside(path, ".partial")
    if journal.exists():
        with open_own(journal, "rb") as file:
            content = file.read()
        if not is_journal(content[: 1 << 16], b'{"journal of encode": 1}'):
            raise not_ours(journal, "another table")
        if globs or cleaned.unseen or any(digest.encode() in content for digest in target.digests):
            if not report.dry_run:
                journal.unlink()
            report.removed.append(str(journal))
    if cleaned.faces or cleaned.photos:
        if not report.dry_run:
            face_table.write(cleaned.table, path)
        report.rewritten.append(str(path))
    if not report.dry_run:
        remove_parts(path.parent, of_others=True)
    report.encodings += len(cleaned.faces)
    report.photos += len(cleaned.photos)


def clean_decisions(
    results: Iterable[Opened], marks: Mapping[Path, str], target: Target, report: Report
) -> None:
    """Clean the decisions, once each result says that it shows what will be left of its own."""
    from facecluster.durable.whole_file import whole_file
    from facecluster.formats.clusters_json import to_json
    from facecluster.formats.decisions_jsonl import TORN
    from facecluster.library.forget import forget_in_decisions

    for opened in results:
        result = _marked(opened.result, opened, marks)
        if result.settings != opened.result.settings and not report.dry_run:
            folder = open_folder(result, opened.directory, ())
            folder.write(CLUSTERS, (piece.encode("ascii") for piece in to_json(result)))
    for path in dict.fromkeys(path for opened in results for path in opened.decisions):
        content, n_lines = forget_in_decisions(path.read_bytes(), target)
        if n_lines:
            if not report.dry_run:
                with whole_file(path) as file:
                    file.write(content)
            report.decisions += n_lines
            report.rewritten.append(str(path))
        _remove([path.with_name(path.name + TORN)], report)  # nobody knows whom it is about


def _marked(result: Result, opened: Opened, marks: Mapping[Path, str]) -> Result:
    """Put down which decisions a result shows."""
    if opened.directory not in marks:
        return result
    return replace(result, settings=replace(result.settings, decisions=marks[opened.directory]))


def clean_result(
    opened: Opened,
    cleaned: Cleaned,
    marks: Mapping[Path, str],
    pictures: Mapping[str, Picture],
    report: Report,
) -> None:
    """Clean a folder of results: the record, folders of photos, montages."""
    was, result = opened.result, _marked(cleaned.result, opened, marks)
    if not cleaned.faces and result.counts == was.counts and result.absent == was.absent:
        if broken_off(opened) and not report.dry_run:
            write_result(was, opened.directory, pictures=pictures, link=opened.link, changed=())
        return
    from facecluster.render.side_by_side import is_ours  # OpenCV is loaded by who reads pixels

    sheet = opened.directory / NOBODY_SHEET
    ours = [opened.directory / name for name in (UNDO, THUMBNAILS, THUMBNAILS_JOURNAL)]
    made = [sheet] if oddity_at(sheet) is None and is_ours(sheet) else []
    _remove([*set_aside_in(opened.directory), *ours, *made], report)
    _count(opened, result, cleaned, report)
    gone = _gone(opened, result)
    _clean_leftovers(opened, gone, report)
    if not report.dry_run:
        write_result(
            result,
            opened.directory,
            pictures={**dict.fromkeys(cleaned.photos, Picture()), **pictures},
            link=opened.link,
            changed=cleaned.changed,
            forget=cleaned.photos,
            forget_people=gone,
        )
    report.rewritten.append(str(opened.directory / CLUSTERS))


def _remove(files: Iterable[Path], report: Report) -> None:
    """Remove those files of ours that are there. What is no file is none of ours, and told."""
    for file in files:
        if what := oddity_at(file):
            _log.warning("%s: %s, in the place of a file of facecluster's; it is left alone", file, what)
        elif file.exists():
            if not report.dry_run:
                file.unlink()
            report.removed.append(str(file))


def _clean_leftovers(opened: Opened, people: Collection[str], report: Report) -> None:
    """Remove montages of people, by id, into which another program wrote, and take the names off their folders.

    A folder stays where files of the user's are in it, and then bears the id alone.
    """
    from facecluster.render.montage import is_montage_of

    directory, photos = opened.directory, columns(opened.result).photo
    for name in sorted(os.listdir(directory)):
        own, path = person_in(name), directory / name
        if own is None or own not in people or path.is_symlink():
            continue
        folder = ResultFolder(directory, photos, scope=[name, own])
        if path.is_file() and not folder.has(name) and is_montage_of(path.read_bytes(), own):
            if not report.dry_run:
                path.unlink()
            report.removed.append(str(path))
        elif path.is_dir() and not report.dry_run and not os.path.lexists(directory / own):
            folder.rename(name, own)


def _count(opened: Opened, result: Result, cleaned: Cleaned, report: Report) -> None:
    """Say what will go from a folder."""
    folder = open_folder(opened.result, opened.directory, ())
    photos, _ = plan_photos(result, folder, opened.link)
    gone = result.changes.vanished
    left = ids_of(opened) & {one.id for one in opened.result.absent}
    report.people += [str(opened.directory / own) for own in (*gone, *sorted(left))]
    report.faces += len(cleaned.faces)
    forgotten = folders_named(_gone(opened, result), folder)
    report.copies += len(folder.forgotten(photos, cleaned.photos, forgotten))
    report.montages += len(montages_named({*gone, *cleaned.changed}, folder))


def _gone(opened: Opened, result: Result) -> set[str]:
    """Ids of those who are to be forgotten and have nothing left: all that lies in their folders is of them."""
    return ids_of(opened) - {person.id for person in result.people}
