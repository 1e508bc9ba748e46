"""`facecluster forget`: take a person, or photos, out of face tables and results, for good.

    interrupted encode ─▶ face tables ─▶ decisions ─▶ results, the ones that know the person last

A result is the last to change, and in its folder clusters.json is, so that what was killed half-way finds the same
faces when it is run again, and finishes; of a label, the tables are, which know it, and of somebody absent who is known
by a decided name, the decisions. Only which decisions it shows is put down in a result before these change, so that it
is known to be in step with them at any time. Every file is whole,
old or new, at any time; the old bytes have no name any more once the new ones have, but what a disk, its snapshots and
backups keep is beyond this.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.labels import (
    label_face_option,
)
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.library.forget_steps import Report, clean_decisions, clean_result, clean_tables
from facecluster.library.forget_targets import (
    Opened,
    check_tables,
    faces_of_labels,
    ids_of,
    marks_of,
    open_targets,
    target_of_all,
)
from facecluster.library.labels import (
    FOLDER,
)
from facecluster.library.refer import called
from facecluster.text import many

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Mapping, Sequence

    from facecluster.identity.boxes import Main
    from facecluster.library.forget import CleanedTable


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
    from facecluster.library.forget import forget_in_result, forget_in_table

    with ExitStack() as stack:
        results, tables = open_targets(targets, persons, stack)
        labelled = faces_of_labels(tables, names, labels_from or FOLDER, which)
        target = target_of_all(results, tables, persons, globs, labelled)
        marks = marks_of(results, target)
        own = check_tables(results, tables, target, gone=table_gone)
        cleaned_tables = {path: forget_in_table(table, target) for path, table in tables.items()}
        cleaned_results = [
            forget_in_result(o.result, target, cleaned_tables[path].table if path else None, ids_of(o))
            for o, path in zip(results, own, strict=True)
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
        if not report.face_ids and not report.photo_paths and not any(o.people for o in results):
            raise FaceclusterError(
                f"{', '.join(persons + globs + names)}: nothing matches; nothing was changed"
            )
        sizes: dict[str, tuple[int, int]] = {}
        for table in tables.values():
            paths, wh = table.photos.path.tolist(), table.photos.size.tolist()
            sizes |= zip(paths, map(tuple, wh), strict=True)
        try:
            if not names:
                clean_tables(cleaned_tables, target, report, globs=bool(globs))
            decided = any(o.decided for o in results)
            if not decided:
                clean_decisions(results, marks, target, report)
            pairs = list(zip(results, cleaned_results, strict=True))
            for opened, cleaned in sorted(pairs, key=lambda pair: bool(pair[0].people)):
                clean_result(opened, cleaned, marks, sizes, report)
            if decided:  # which know who it is
                clean_decisions([replace(o, result=c.result) for o, c in pairs], marks, target, report)
            if names:  # which the tables know
                clean_tables(cleaned_tables, target, report, globs=bool(globs))
        except (FaceclusterError, OSError) as error:
            raise _unfinished(error, report) from error
    try:
        click.echo(json.dumps(asdict(report)))
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        done = "nothing was changed, as was asked" if dry_run else "everything was removed"
        raise OutputError(
            f"{done}; only the report could not be written: {error.strerror or error}"
        ) from error
    finally:
        if not quiet:
            click.echo(_summary(report, results, cleaned_tables), err=True)


def _unfinished(error: FaceclusterError | OSError, report: Report) -> FaceclusterError:
    """Say what was done before a step failed; the same again does the rest."""
    done = [*report.rewritten, *report.removed]
    already = f"; cleaned already: {', '.join(done)}" if done else ""
    kind = type(error) if isinstance(error, FaceclusterError) else OutputError
    return kind(
        f"{error}\nnot everything is removed yet{already}. Once that is mended, the same command finishes it"
    )


def _summary(report: Report, results: Sequence[Opened], tables: Mapping[Path, CleanedTable]) -> str:
    """Say in a few sentences what went, and what did not."""
    from facecluster.formats import face_table

    went = [
        (report.faces, "face in results", "faces in results"),
        (report.encodings, "encoding", "encodings"),
        (report.photos, "photo in tables", "photos in tables"),
        (report.copies, "copy or link of a photo", "copies or links of photos"),
        (report.montages, "montage", "montages"),
        (report.decisions, "decision", "decisions"),
    ]
    text = ", ".join(many(n, one, several) for n, one, several in went if n) or "no face"
    people = ", ".join(dict.fromkeys(called(one) for opened in results for one in opened.people.values()))
    if people and report.photo_paths:
        people += f" and of {many(len(report.photo_paths), 'photo')} (--photo)"
    lines = [f"{'would be removed' if report.dry_run else 'removed'}{people and f' of {people}'}: {text}"]
    stay = [path for path in report.people if not report.dry_run and os.path.isdir(path)]
    lines += [f"{path}: holds files that are not facecluster's; they stay" for path in stay]
    for table, cleaned in tables.items():
        if cleaned.bare and face_table.format_of(table) == "pickle":
            lines.append(
                f"{table}: a pickle has no rows for photos without a face, as "
                f"{many(len(cleaned.bare), 'photo')} {'would be' if report.dry_run else 'now'} after this: the next "
                "ordinary encode of them into it finds these faces again. Keep the table as .npz, or do not encode "
                "these photos into it again"
            )
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
