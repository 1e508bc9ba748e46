"""`facecluster forget`: take a person, or photos, out of face tables and results, for good.

    interrupted encode ─▶ face tables ─▶ decisions ─▶ results, the ones that know the person last

A result is the last to change, and in its folder clusters.json is, so that what was killed half-way finds the same
faces when it is run again, and finishes. Every file is whole, old or new, at any time; the old bytes have no name any
more once the new ones have, but what a disk, its snapshots and backups keep is beyond this.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.cluster import CLUSTERS, DAMAGED, lay_out, montage_of, open_folder, write_result
from facecluster.cli.evaluate import read
from facecluster.cli.refer import called, find_person, fold
from facecluster.cli.run import TABLE
from facecluster.errors import FaceclusterError, OutputError, UsageError

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Iterable, Mapping

    from facecluster.output.folders import Link
    from facecluster.output.forget import Cleaned, Target
    from facecluster.output.records import Person, Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A result that is to be cleaned.

    Attributes:
        directory: where it lies.
        result: what is in it.
        person: who is to be forgotten, if the result knows them.
        tables: the face tables that it names, or that lie beside it.
        decisions: its files of decisions.
        link: how its folders hold photos.
    """

    directory: Path
    result: Result
    person: Person | None
    tables: tuple[Path, ...]
    decisions: tuple[Path, ...]
    link: Link


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
        rewritten: files.
        removed: files, but for copies and montages.
    """

    dry_run: bool
    people: list[str] = field(default_factory=list)
    faces: int = 0
    encodings: int = 0
    photos: int = 0
    copies: int = 0
    montages: int = 0
    decisions: int = 0
    rewritten: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


@click.command("forget")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--person", metavar="PERSON", help="An id, or a name.")
@click.option(
    "--photo",
    metavar="GLOB",
    help="Photos whose path matches, or whose name does if there is no slash in GLOB: '*.png', 'trip/*'.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(
    targets: tuple[str, ...], person: str | None, photo: str | None, dry_run: bool, quiet: bool
) -> None:
    """Remove a person, or photos, from face tables and results, at once and for good.

    TARGET is a folder of results, its clusters.json, or a face table. Of a result, its face table and decisions are
    cleaned too; of a table, the result beside it. Faces, encodings, folders, montages and names go; the photos
    themselves stay where they are. What was removed is printed as JSON.
    """
    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    if (person is None) == (photo is None):
        raise UsageError("give --person or --photo, one of them")
    from facecluster.output.forget import forget_in_result, forget_in_table

    with ExitStack() as stack:
        results, tables = _open(targets, person, stack)
        target = _target(results, tables, person, photo)
        cleaned_tables = {path: forget_in_table(table, target) for path, table in tables.items()}
        cleaned_results = [
            forget_in_result(o.result, target, cleaned_tables[o.tables[0]][0] if o.tables else None)
            for o in results
        ]
        report = Report(dry_run)
        if not any(n_faces or n_photos for _, n_faces, n_photos in cleaned_tables.values()) and not any(
            cleaned.n_faces for cleaned in cleaned_results
        ):
            raise FaceclusterError(f"{person or photo}: nothing matches; nothing was changed")
        sizes: dict[str, tuple[int, int]] = {}
        for path, (cleaned_table, n_faces, n_photos) in cleaned_tables.items():
            paths, wh = tables[path].photos.path.tolist(), tables[path].photos.size.tolist()
            sizes |= zip(paths, map(tuple, wh), strict=True)
            _clean_table(path, cleaned_table, n_faces, n_photos, target, report)
        marks = _clean_decisions(results, target, report)
        both = zip(results, cleaned_results, strict=True)
        for opened, cleaned in sorted(both, key=lambda pair: pair[0].person is not None):
            _clean_result(opened, cleaned, marks, sizes, report)
    click.echo(json.dumps(asdict(report)))
    if not quiet:
        click.echo(_summary(report, results), err=True)


# ------------------------------------------------------------------------------------------------------ what


def _open(
    targets: Iterable[str], person: str | None, stack: ExitStack
) -> tuple[list[Opened], dict[Path, FaceTable]]:
    """Read all that is to be cleaned, and keep encode from the tables until `stack` ends.

    Raises:
        FaceclusterError: something cannot be read, is not ours to replace, or is being encoded.
    """
    from facecluster import store
    from facecluster.pipeline import only_user_of

    folders: dict[Path, None] = {}
    paths: dict[Path, None] = {}
    for text in targets:
        if os.path.isdir(text) or os.path.basename(text) == CLUSTERS:
            folders[Path(text if os.path.isdir(text) else os.path.dirname(text)).resolve()] = None
        else:
            paths[Path(text).resolve()] = None
            if (Path(text).resolve().parent / CLUSTERS).exists():
                folders[Path(text).resolve().parent] = None
    if person is not None and not folders:
        raise UsageError(f"{next(iter(paths))}: a face table knows no people; give the RESULT as well")
    results = [_result(folder, person) for folder in folders]
    for opened in results:
        paths |= dict.fromkeys(opened.tables)
        if not opened.tables and not paths:
            _log.warning("%s: its face table is not known; give it as well", opened.directory)
    for path in paths:
        store.format_of(path)
        stack.enter_context(only_user_of(path))
    return results, {path: store.read(path) for path in paths}


def _result(folder: Path, person: str | None) -> Opened:
    """Read a result, and find out what belongs to it."""
    from facecluster import ledger
    from facecluster.output.lineage import check_ids

    result = read(str(folder))
    check_ids(result)
    files = open_folder(result, folder, ())
    if not files.has(CLUSTERS):
        raise OutputError(
            f"{folder / CLUSTERS}: not written here by facecluster, or changed since; run cluster into this folder, "
            "or into another one, then forget"
        )
    named = result.settings.get("table")
    if named is not None and not os.path.exists(named):
        _log.warning("%s: its face table %s is not there; where it is now, it is not cleaned", folder, named)
    tables = [
        Path(path).resolve() for path in (named, folder / TABLE) if path is not None and os.path.exists(path)
    ]
    elsewhere = result.settings.get("decisions_file")
    decisions = [Path(path).resolve() for path in (elsewhere, folder / ledger.DECISIONS) if path is not None]
    return Opened(
        directory=folder,
        result=result,
        person=None if person is None else _known(result, person),
        tables=tuple(dict.fromkeys(tables)),
        decisions=tuple(path for path in dict.fromkeys(decisions) if path.exists()),
        link=result.settings.get("link") or files.link(),
    )


def _known(result: Result, person: str) -> Person | None:
    try:
        return find_person(result, person)
    except FaceclusterError:
        return None


def _target(
    results: list[Opened], tables: Mapping[Path, FaceTable], person: str | None, photo: str | None
) -> Target:
    """Say what is to be forgotten.

    Raises:
        FaceclusterError: no result knows the person.
    """
    from facecluster.identity.decisions import digest_of
    from facecluster.output.forget import faces_of, photos_of
    from facecluster.output.records import columns

    if person is not None:
        people = [opened.person for opened in results if opened.person is not None]
        if not people:
            find_person(results[0].result, person)  # says who is like it
        first, *others = map(faces_of, ([one] for one in people))
        by_name = all(one.name is not None and fold(one.name) == fold(person) for one in people)
        if not by_name and any(first.boxes.keys().isdisjoint(other.boxes) for other in others):
            raise UsageError(f"{person}: another one in each RESULT; give them one by one, or a name")
        return faces_of(people)
    faces = [
        (digest_of(face), path)
        for opened in results
        for placed in [columns(opened.result)]
        for face, path in zip(placed.id, placed.photo, strict=True)
    ]
    for table in tables.values():
        paths = table.photos.path[table.faces.photo].tolist()
        faces += ((digest_of(face), path) for face, path in zip(table.faces.id.tolist(), paths, strict=True))
    return photos_of(photo or "", faces)


# ------------------------------------------------------------------------------------------------------ steps


def _clean_table(
    path: Path, cleaned: FaceTable, n_faces: int, n_photos: int, target: Target, report: Report
) -> None:
    """Write a table that lost faces or photos, and drop what an interrupted encode keeps, unless it is about others.

    An interrupted encode knows photos by content only: any of those may match a glob.
    """
    from facecluster import store
    from facecluster.pipeline import beside

    report.encodings += n_faces
    report.photos += n_photos
    journal = beside(path, ".partial")
    if journal.exists():
        content = journal.read_bytes()
        if target.glob is not None or any(digest.encode() in content for digest in target.boxes):
            report.removed.append(str(journal))
            if not report.dry_run:
                journal.unlink()
    if n_faces or n_photos:
        report.rewritten.append(str(path))
        if not report.dry_run:
            store.write(cleaned, path)
    if not report.dry_run:
        for part in path.parent.glob(store.PART):  # of a process that was killed while it wrote
            part.unlink(missing_ok=True)


def _clean_decisions(results: Iterable[Opened], target: Target, report: Report) -> dict[Path, str]:
    """Clean the decisions, and give the mark of those of each result that was in step with them."""
    from facecluster import ledger
    from facecluster.identity.decisions import mark
    from facecluster.output.forget import forget_in_decisions
    from facecluster.store import whole_file

    in_step = {
        opened.directory: opened.decisions[0]
        for opened in results
        if opened.decisions
        and opened.result.settings.get("decisions") == mark(ledger.read(opened.decisions[0]))
    }
    for path in dict.fromkeys(path for opened in results for path in opened.decisions):
        ledger.read(path)  # raises where a line makes no sense
        content, n_lines = forget_in_decisions(path.read_bytes(), target)
        if n_lines:
            report.decisions += n_lines
            report.rewritten.append(str(path))
            if not report.dry_run:
                with whole_file(path) as file:
                    file.write(content)
    return {directory: mark(ledger.read(path)) for directory, path in in_step.items()}


def _clean_result(
    opened: Opened,
    cleaned: Cleaned,
    marks: Mapping[Path, str],
    sizes: Mapping[str, tuple[int, int]],
    report: Report,
) -> None:
    """Clean a folder of results: the record, folders of photos, montages."""
    if not cleaned.n_faces and cleaned.result.counts == opened.result.counts:
        return
    damaged = opened.directory / DAMAGED
    if damaged.exists():
        report.removed.append(str(damaged))
        if not report.dry_run:
            damaged.unlink()
    result = cleaned.result
    if opened.directory in marks:
        result = replace(result, settings={**result.settings, "decisions": marks[opened.directory]})
    _count(opened, result, cleaned, report)
    if report.dry_run:
        return
    write_result(
        result,
        opened.directory,
        sizes={**dict.fromkeys(cleaned.photos, (0, 0)), **sizes},
        link=opened.link,
        changed=cleaned.changed,
        forget=cleaned.photos,
    )


def _count(opened: Opened, result: Result, cleaned: Cleaned, report: Report) -> None:
    """Say what will go from a folder."""
    folder = open_folder(opened.result, opened.directory, ())
    layout = lay_out(result, folder, link=opened.link, changed=cleaned.changed)
    gone = result.changes.vanished
    report.people += [str(opened.directory / own) for own in gone]
    report.faces += cleaned.n_faces
    report.copies += len(folder.forgotten(layout.photos, cleaned.photos))
    report.montages += sum(folder.has(montage_of(own)) for own in (*gone, *cleaned.changed))
    report.rewritten.append(str(opened.directory / CLUSTERS))


def _summary(report: Report, results: Iterable[Opened]) -> str:
    """Say in a few sentences what went, and what did not."""
    went = [
        (report.faces, "face in results", "faces in results"),
        (report.encodings, "encoding", "encodings"),
        (report.photos, "photo in tables", "photos in tables"),
        (report.copies, "copy or link of a photo", "copies or links of photos"),
        (report.montages, "montage", "montages"),
        (report.decisions, "decision", "decisions"),
    ]
    text = ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in went if n)
    people = ", ".join(called(opened.person) for opened in results if opened.person is not None)
    lines = [f"{'would be removed' if report.dry_run else 'removed'}{people and f' of {people}'}: {text}"]
    stay = [path for path in report.people if not report.dry_run and os.path.isdir(path)]
    lines += [f"{path}: holds files that are not facecluster's; they stay" for path in stay]
    lines.append(
        "The photos themselves are not touched. While they are there, encode finds these faces again in photos that "
        "its table does not know (any more), and in all of them with --fresh; move them away if it should not."
    )
    return "\n".join(lines)
