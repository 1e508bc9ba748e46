"""The steps of `forget`: clean tables, decisions and results of faces and photos, and count what goes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.durable.whole_file import PART
from facecluster.library.folders import lay_out, montage_of, open_folder, write_result
from facecluster.library.forget_targets import Opened, ids_of
from facecluster.library.layout import (
    CLUSTERS,
    DAMAGED,
)

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Iterable, Mapping

    from facecluster.library.forget import Cleaned, CleanedTable, Target
    from facecluster.result import Result


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
        face_ids: of the faces and encodings, each once.
        photo_paths: of the photos.
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
    face_ids: list[str] = field(default_factory=list)
    photo_paths: list[str] = field(default_factory=list)


def clean_tables(tables: Mapping[Path, CleanedTable], target: Target, report: Report, *, globs: bool) -> None:
    """Write the tables that lost something; `globs`: photos were chosen by patterns. See `_clean_table`."""
    for path, cleaned in tables.items():
        _clean_table(path, cleaned, target, report, globs=globs)


def _clean_table(path: Path, cleaned: CleanedTable, target: Target, report: Report, *, globs: bool) -> None:
    """Write a table that lost faces or photos, and drop what an interrupted encode keeps, unless it is about others.

    An interrupted encode knows photos by content only: any of those may match a glob.
    """
    from facecluster.durable.lock import beside
    from facecluster.formats import face_table

    journal = beside(path, ".partial")
    if journal.exists():
        content = journal.read_bytes()
        if globs or any(digest.encode() in content for digest in target.boxes):
            if not report.dry_run:
                journal.unlink()
            report.removed.append(str(journal))
    if cleaned.faces or cleaned.photos:
        if not report.dry_run:
            face_table.write(cleaned.table, path)
        report.rewritten.append(str(path))
    if not report.dry_run:
        for part in path.parent.glob(PART):  # of a process that was killed while it wrote
            part.unlink(missing_ok=True)
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
        torn = path.with_name(path.name + TORN)  # nobody knows whom it is about
        if torn.exists():
            if not report.dry_run:
                torn.unlink()
            report.removed.append(str(torn))


def _marked(result: Result, opened: Opened, marks: Mapping[Path, str]) -> Result:
    """Put down which decisions a result shows."""
    if opened.directory not in marks:
        return result
    return replace(result, settings={**result.settings, "decisions": marks[opened.directory]})


def clean_result(
    opened: Opened,
    cleaned: Cleaned,
    marks: Mapping[Path, str],
    sizes: Mapping[str, tuple[int, int]],
    report: Report,
) -> None:
    """Clean a folder of results: the record, folders of photos, montages."""
    was, result = opened.result, _marked(cleaned.result, opened, marks)
    if not cleaned.faces and result.counts == was.counts and result.absent == was.absent:
        return
    damaged = opened.directory / DAMAGED
    if damaged.exists():
        if not report.dry_run:
            damaged.unlink()
        report.removed.append(str(damaged))
    _count(opened, result, cleaned, report)
    if not report.dry_run:
        write_result(
            result,
            opened.directory,
            sizes={**dict.fromkeys(cleaned.photos, (0, 0)), **sizes},
            link=opened.link,
            changed=cleaned.changed,
            forget=cleaned.photos,
        )
    report.rewritten.append(str(opened.directory / CLUSTERS))


def _count(opened: Opened, result: Result, cleaned: Cleaned, report: Report) -> None:
    """Say what will go from a folder."""
    folder = open_folder(opened.result, opened.directory, ())
    layout = lay_out(result, folder, link=opened.link, changed=cleaned.changed)
    gone = result.changes.vanished
    left = ids_of(opened) & {one.id for one in opened.result.absent}
    report.people += [str(opened.directory / own) for own in (*gone, *sorted(left))]
    report.faces += len(cleaned.faces)
    report.copies += len(folder.forgotten(layout.photos, cleaned.photos))
    report.montages += sum(folder.has(montage_of(own)) for own in (*gone, *cleaned.changed))
