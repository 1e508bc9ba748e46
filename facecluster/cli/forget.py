"""`facecluster forget`: take a person, or photos, out of face tables and results, for good.

    interrupted encode ─▶ face tables ─▶ decisions ─▶ results, the ones that know the person last

A result is the last to change, and in its folder clusters.json is, so that what was killed half-way finds the same
faces when it is run again, and finishes; of a label, the tables are, which know it. Only which decisions it shows is
put down in a result before these change, so that it is known to be in step with them at any time. Every file is whole,
old or new, at any time; the old bytes have no name any more once the new ones have, but what a disk, its snapshots and
backups keep is beyond this.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.cluster import DAMAGED
from facecluster.cli.evaluate import FOLDER, find_labels, label_face_option, read
from facecluster.cli.refer import called, find_person, fold
from facecluster.cli.results import lay_out, montage_of, open_folder, write_result
from facecluster.cli.search import attach_to
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.output.places import CLUSTERS, TABLE, table_of
from facecluster.output.words import printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Iterable, Mapping, Sequence

    from facecluster.identity.boxes import Main
    from facecluster.output.folders import Link
    from facecluster.output.forget import Cleaned, CleanedTable, Target
    from facecluster.output.records import Person, Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A result that is to be cleaned.

    Attributes:
        directory: where it lies.
        result: what is in it.
        people: who is to be forgotten, as the user called them; those whom the result knows.
        tables: the face tables that it names, or that lie beside it.
        decisions: its files of decisions that are there, the one it was made with first.
        link: how its folders hold photos.
    """

    directory: Path
    result: Result
    people: Mapping[str, Person]
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


@click.command("forget")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option(
    "--person",
    "persons",
    multiple=True,
    metavar="PERSON",
    help="An id, or a name. May be given several times.",
)
@click.option(
    "--photo",
    "globs",
    multiple=True,
    metavar="GLOB",
    help="Photos whose path matches, or whose name does if there is no slash in GLOB: '*.png', 'trip/*'; only the one "
    "that is called so, where one is. May be given several times.",
)
@click.option(
    "--label",
    "names",
    multiple=True,
    metavar="NAME",
    help="The faces of a table that have this label, by --labels. May be given several times.",
)
@click.option(
    "--labels",
    "labels_from",
    metavar="folder|CSV",
    help="Who is who in a face table: the folder that a photo lies in, or a file as evaluate takes it.",
)
@label_face_option
@click.option(
    "--table-gone",
    is_flag=True,
    help="The face table of a RESULT, which is not where it was, is nowhere any more.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(
    targets: tuple[str, ...],
    persons: tuple[str, ...],
    globs: tuple[str, ...],
    names: tuple[str, ...],
    labels_from: str | None,
    which: Main | None,
    table_gone: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Remove people, or photos, from face tables and results, at once and for good.

    TARGET is a folder of results, its clusters.json, or a face table. Of a result, its face table and decisions are
    cleaned too (give the table as well if it was moved); of a table, the result beside it. Faces, encodings, folders,
    montages and names go; the photos themselves stay where they are. What was removed is printed as JSON.
    """
    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    if not persons and not globs and not names:
        raise UsageError("give --person, --photo or --label")
    if names and labels_from is None:
        raise UsageError("--label is one of --labels; give that too")
    if names and persons:
        raise UsageError("--label and --person: forget one, then the other")
    if not names and (labels_from is not None or which is not None):
        raise UsageError(
            f"{'--label-face' if labels_from is None else '--labels'} is about --label; give that too"
        )
    from facecluster.output.forget import forget_in_result, forget_in_table

    with ExitStack() as stack:
        results, tables = _open(targets, persons, stack)
        labelled = _labelled(tables, names, labels_from or FOLDER, which)
        target = _target(results, tables, persons, globs, labelled)
        marks = _marks(results, target)
        _check_tables(results, tables, target, gone=table_gone)
        cleaned_tables = {path: forget_in_table(table, target) for path, table in tables.items()}
        cleaned_results = [
            forget_in_result(o.result, target, cleaned_tables[o.tables[0]].table if o.tables else None)
            for o in results
        ]
        report = Report(dry_run, photo_paths=sorted(target.photos))
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
        if not report.face_ids and not report.photo_paths:
            raise FaceclusterError(
                f"{', '.join(persons + globs + names)}: nothing matches; nothing was changed"
            )
        sizes: dict[str, tuple[int, int]] = {}
        for table in tables.values():
            paths, wh = table.photos.path.tolist(), table.photos.size.tolist()
            sizes |= zip(paths, map(tuple, wh), strict=True)
        try:
            if not names:
                _clean_tables(cleaned_tables, target, report, globs=bool(globs))
            _clean_decisions(results, marks, target, report)
            pairs = zip(results, cleaned_results, strict=True)
            for opened, cleaned in sorted(pairs, key=lambda pair: bool(pair[0].people)):
                _clean_result(opened, cleaned, marks, sizes, report)
            if names:  # which the tables know
                _clean_tables(cleaned_tables, target, report, globs=bool(globs))
        except (FaceclusterError, OSError) as error:
            raise _unfinished(error, report) from error
    click.echo(json.dumps(asdict(report)))
    if not quiet:
        click.echo(_summary(report, results, tables), err=True)


# ------------------------------------------------------------------------------------------------------ what


def _open(
    targets: Iterable[str], persons: tuple[str, ...], stack: ExitStack
) -> tuple[list[Opened], dict[Path, FaceTable]]:
    """Read all that is to be cleaned, and keep encode from the tables until `stack` ends.

    Raises:
        FaceclusterError: something cannot be read, is not ours to replace, or is being encoded.
    """
    from facecluster import store
    from facecluster.claim import only_user_of

    folders: dict[Path, None] = {}
    paths: dict[Path, None] = {}
    for text in targets:
        if not os.path.exists(text):
            raise FaceclusterError(f"{text}: no such file or directory")
        if os.path.isdir(text) or os.path.basename(text) == CLUSTERS:
            folders[Path(text if os.path.isdir(text) else os.path.dirname(text)).resolve()] = None
        else:
            paths[Path(text).resolve()] = None
            if (Path(text).resolve().parent / CLUSTERS).exists():
                folders[Path(text).resolve().parent] = None
    if persons and not folders:
        raise UsageError(
            f"{next(iter(paths))}: a face table knows no people; give the RESULT as well, or --label NAME with "
            "--labels folder or a CSV, or --photo"
        )
    results = [_result(folder, persons) for folder in folders]
    for opened in results:
        paths |= dict.fromkeys(opened.tables)
    for path in paths:
        store.format_of(path)
        stack.enter_context(only_user_of(path))
    return results, {path: store.read(path) for path in paths}


def _result(folder: Path, persons: Iterable[str]) -> Opened:
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
    tables = [
        path.resolve()
        for path in (table_of(result, folder), folder / TABLE)
        if path is not None and path.exists()
    ]
    decisions = [
        path.resolve() for path in (ledger.file_of(result.settings, folder), folder / ledger.DECISIONS)
    ]
    return Opened(
        directory=folder,
        result=result,
        people={text: known for text in persons if (known := _known(result, text)) is not None},
        tables=tuple(dict.fromkeys(tables)),
        decisions=tuple(path for path in dict.fromkeys(decisions) if path.exists()),
        link=result.settings.get("link") or files.link(),
    )


def _known(result: Result, person: str) -> Person | None:
    try:
        return find_person(result, person)
    except FaceclusterError:
        return None


def _labelled(
    tables: Mapping[Path, FaceTable], names: Iterable[str], labels_from: str, which: Main | None
) -> list[tuple[str, list[float]]]:
    """Find the faces of some labels: digest of the photo, and box.

    Raises:
        FaceclusterError: no face has one of the labels; there is no table.
    """
    import numpy as np

    from facecluster.identity.decisions import digest_of

    wanted = {fold(name): name for name in names}
    if not wanted:
        return []
    if not tables:
        raise UsageError("--label is about a face table; give that")
    found: list[tuple[str, list[float]]] = []
    there: dict[str, str] = {}
    labels = find_labels(labels_from, which)
    for table in tables.values():
        label, texts, _ = attach_to(table, labels, which)
        there |= {fold(text): text for text in texts}
        chosen = [number for number, text in enumerate(texts) if fold(text) in wanted]
        rows = np.flatnonzero(np.isin(label, chosen))
        found += zip(
            map(digest_of, table.faces.id[rows].tolist()), table.faces.box[rows].tolist(), strict=True
        )
    for key in wanted.keys() - there.keys():
        near = [there[like] for like in get_close_matches(key, there)]
        perhaps = f"; perhaps {', '.join(map(printable, near))}" if near else ""
        raise FaceclusterError(
            f"{printable(wanted[key])}: no face has this label{perhaps}; nothing was changed"
        )
    return found


def _check_tables(
    results: Iterable[Opened], tables: Mapping[Path, FaceTable], target: Target, *, gone: bool
) -> None:
    """Make sure that the face table of each result is cleaned.

    A table that was moved is known by the faces that stay: it has all that the result has.

    Args:
        results: to be cleaned.
        tables: that will be.
        target: what is to be forgotten.
        gone: a table that is not among them is nowhere, the user says.

    Raises:
        FaceclusterError: the table of a result was moved, and is not among them.
    """
    for opened in results:
        named = opened.result.settings.get("table")
        if isinstance(named, str) and (opened.directory / named).exists():
            continue
        if any(_is_of(table, opened.result, target) for table in tables.values()):
            continue
        if not isinstance(named, str):
            _log.error(
                "%s: was made from a face table on standard input; if that is kept somewhere, it is not cleaned: "
                "give it as well",
                opened.directory,
            )
        elif not gone:
            raise FaceclusterError(
                f"{opened.directory}: its face table {named} is not there, and encodings would stay wherever it is; "
                "give it as well, or say --table-gone if it is nowhere any more. Nothing was changed"
            )


def _is_of(table: FaceTable, result: Result, target: Target) -> bool:
    """Say whether a table is, as far as can be told, the one that a result was made from."""
    from facecluster.identity.decisions import digest_of
    from facecluster.output.records import columns

    placed = columns(result)
    stay = {
        face
        for face, photo, box in zip(placed.id, placed.photo, placed.box, strict=True)
        if not target.has_photo(photo) and not target.has_face(digest_of(face), box)
    }
    if stay:
        return stay <= set(table.faces.id.tolist())
    return not set(table.photos.path.tolist()).isdisjoint(placed.photo)


def _target(
    results: list[Opened],
    tables: Mapping[Path, FaceTable],
    persons: Iterable[str],
    globs: tuple[str, ...],
    labelled: Sequence[tuple[str, Sequence[float]]],
) -> Target:
    """Say what is to be forgotten.

    Raises:
        FaceclusterError: no result knows a person; with several results, none of the people, as those that know one
            may have been cleaned already by what was killed half-way.
    """
    from facecluster.identity.decisions import digest_of
    from facecluster.output.forget import find_photos, target_of
    from facecluster.output.records import columns

    people: list[Person] = []
    for text in persons:
        theirs = [opened.people[text] for opened in results if text in opened.people]
        if not theirs and (len(results) == 1 or not any(opened.people for opened in results)):
            find_person(results[0].result, text)  # says who is like it
        if not theirs:
            _log.warning("%s: no such person in any RESULT; nothing is removed for it", text)
        first, *others = [{digest_of(face.id) for face in one.faces} for one in theirs] or [set[str]()]
        by_name = all(one.name is not None and fold(one.name) == fold(text) for one in theirs)
        if not by_name and any(first.isdisjoint(other) for other in others):
            raise UsageError(f"{text}: another one in each RESULT; give them one by one, or a name")
        people += theirs
    faces = [
        (digest_of(face), path)
        for opened in results
        for placed in [columns(opened.result)]
        for face, path in zip(placed.id, placed.photo, strict=True)
    ]
    for table in tables.values():
        paths = table.photos.path[table.faces.photo].tolist()
        faces += ((digest_of(face), path) for face, path in zip(table.faces.id.tolist(), paths, strict=True))
    known = {path for _, path in faces}.union(*(table.photos.path.tolist() for table in tables.values()))
    photos = set[str]()
    for glob in globs:
        found = find_photos(known, glob)
        photos |= found
        if not found and (len(globs) > 1 or people or labelled):
            _log.warning("%s: no photo matches; nothing is removed for it", glob)
    return target_of(people, photos, faces, labelled)


def _marks(results: Iterable[Opened], target: Target) -> dict[Path, str]:
    """Say for each folder of a result with decisions what stands for them once they are cleaned.

    Raises:
        FaceclusterError: a result does not show its decisions, so that it is not known who is who.
    """
    from facecluster import ledger
    from facecluster.identity.decisions import mark
    from facecluster.output.forget import forget_in_decisions

    marks = {}
    for opened in results:
        both = [(file, ledger.read(file)) for file in opened.decisions]  # raises where a line makes no sense
        for file, decisions in both[:1]:
            content, _ = forget_in_decisions(file.read_bytes(), target)
            stay = {json.loads(line)["id"] for line in content.split(b"\n") if line.strip()}
            cleaned = mark([decision for decision in decisions if decision.id in stay])
            if (opened.result.settings.get("decisions") or "") not in (mark(decisions), cleaned):
                raise FaceclusterError(
                    f"{opened.directory}: its {CLUSTERS} does not show all decisions of {file}, and others may be "
                    f"forgotten than are meant; run cluster with -o {shlex.quote(str(opened.directory))} first, "
                    "then forget"
                )
            marks[opened.directory] = cleaned
    return marks


# ------------------------------------------------------------------------------------------------------ steps


def _clean_tables(
    tables: Mapping[Path, CleanedTable], target: Target, report: Report, *, globs: bool
) -> None:
    for path, cleaned in tables.items():
        _clean_table(path, cleaned, target, report, globs=globs)


def _clean_table(path: Path, cleaned: CleanedTable, target: Target, report: Report, *, globs: bool) -> None:
    """Write a table that lost faces or photos, and drop what an interrupted encode keeps, unless it is about others.

    An interrupted encode knows photos by content only: any of those may match a glob.
    """
    from facecluster import store
    from facecluster.claim import beside

    journal = beside(path, ".partial")
    if journal.exists():
        content = journal.read_bytes()
        if globs or any(digest.encode() in content for digest in target.boxes):
            if not report.dry_run:
                journal.unlink()
            report.removed.append(str(journal))
    if cleaned.faces or cleaned.photos:
        if not report.dry_run:
            store.write(cleaned.table, path)
        report.rewritten.append(str(path))
    if not report.dry_run:
        for part in path.parent.glob(store.PART):  # of a process that was killed while it wrote
            part.unlink(missing_ok=True)
    report.encodings += len(cleaned.faces)
    report.photos += len(cleaned.photos)


def _clean_decisions(
    results: Iterable[Opened], marks: Mapping[Path, str], target: Target, report: Report
) -> None:
    """Clean the decisions, once each result says that it shows what will be left of its own."""
    from facecluster.ledger import TORN
    from facecluster.output.forget import forget_in_decisions
    from facecluster.output.records import to_json
    from facecluster.store import whole_file

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


def _clean_result(
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
    report.people += [str(opened.directory / own) for own in gone]
    report.faces += len(cleaned.faces)
    report.copies += len(folder.forgotten(layout.photos, cleaned.photos))
    report.montages += sum(folder.has(montage_of(own)) for own in (*gone, *cleaned.changed))


def _unfinished(error: FaceclusterError | OSError, report: Report) -> FaceclusterError:
    """Say what was done before a step failed; the same again does the rest."""
    done = [*report.rewritten, *report.removed]
    already = f"; cleaned already: {', '.join(done)}" if done else ""
    kind = type(error) if isinstance(error, FaceclusterError) else OutputError
    return kind(
        f"{error}\nnot everything is removed yet{already}. Once that is mended, the same command finishes it"
    )


def _summary(report: Report, results: Iterable[Opened], tables: Iterable[Path]) -> str:
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
    people = ", ".join(dict.fromkeys(called(one) for opened in results for one in opened.people.values()))
    lines = [f"{'would be removed' if report.dry_run else 'removed'}{people and f' of {people}'}: {text}"]
    stay = [path for path in report.people if not report.dry_run and os.path.isdir(path)]
    lines += [f"{path}: holds files that are not facecluster's; they stay" for path in stay]
    for table in tables:
        if str(table) in report.rewritten and not any(table.is_relative_to(o.directory) for o in results):
            lines.append(
                f"{table}: {'would be' if report.dry_run else 'was'} rewritten; other results made from it are not "
                "cleaned, give them as well"
            )
    lines.append(
        "The photos themselves are not touched. While they are there, encode finds these faces again in photos that "
        "its table does not know (any more), and in all of them with --fresh; move them away if it should not."
    )
    return "\n".join(lines)
