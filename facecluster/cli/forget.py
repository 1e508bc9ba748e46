"""`facecluster forget`: take a person, or photos, out of face tables and libraries, for good.

What will go is told first, as it cannot be taken back, and on a terminal it is asked whether to. What went is told in
sentences on a terminal; in a pipe stdout gets it as JSON, and stderr the sentences.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.labels import label_face_option
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.library.layout import person_in
from facecluster.library.refer import called, faces_of, short_names
from facecluster.text import many, printable, quoted, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.identity.boxes import Main
    from facecluster.library.forget_steps import Forgotten

_SHOWN = 10
"""Photos that a line names; the report has all of them."""


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
    metavar="folder|CSV|PROGRAM,...",
    help="Who is who in a face table: the folder that a photo lies in, or a file or programs as evaluate takes it.",
)
@label_face_option
@click.option(
    "--table-gone",
    is_flag=True,
    help="The face table of a LIBRARY, which is not where it was, is nowhere any more.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask on a terminal whether to go on.")
@click.option("--json", "as_json", is_flag=True, help="Print what went as JSON, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors, and what is asked on a terminal.")
def command(
    targets: tuple[str, ...],
    persons: tuple[str, ...],
    globs: tuple[str, ...],
    names: tuple[str, ...],
    labels_from: str | None,
    which: Main | None,
    table_gone: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Remove people, or photos, from face tables and results, at once and for good.

    TARGET is a folder of results, its clusters.json, or a face table. Of a result, its face table and decisions are
    cleaned too (give the table as well if it was moved); of a table, the result beside it. Faces, encodings, folders,
    montages and names go; the photos themselves stay where they are. This cannot be taken back, so what will go is told
    first, and on a terminal you are asked.
    """
    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    from facecluster.library.forget_steps import Wanted, forget
    from facecluster.library.forget_targets import TableGoneError

    if not persons and not globs and not names:
        raise UsageError(f"give --person, --photo or --label: {_whole(targets)}")
    if names and labels_from is None:
        raise UsageError("--label is one of --labels; give that too")
    if names and persons:
        raise UsageError("--label and --person: forget one, then the other")
    if not names and (labels_from is not None or which is not None):
        raise UsageError(
            f"{'--label-face' if labels_from is None else '--labels'} is about --label; give that too"
        )
    wanted = Wanted(persons, globs, names, labels_from, which, table_gone)
    try:
        done = forget(
            targets,
            wanted,
            dry_run=dry_run,
            agree=lambda about_to_go: _agree(about_to_go, names, yes=yes, quiet=quiet),
        )
    except TableGoneError as error:
        raise FaceclusterError(f"{error}\n  if it is nowhere any more: --table-gone") from error
    plain = sys.stdout.isatty() and not as_json
    try:
        if not plain:
            click.echo(json.dumps(asdict(done.report)))
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        did = "nothing was changed, as was asked" if dry_run else "everything was removed"
        raise OutputError(
            f"{did}; only the report could not be written: {error.strerror or error}"
        ) from error
    finally:
        if not quiet:
            click.echo(_summary(done, names), err=not plain)


def _whole(targets: tuple[str, ...]) -> str:
    """Give the command that is meant where a person or photo is named like a library."""
    there = [
        text for text in targets if os.path.isdir(text) or text.lower().endswith((".json", ".npz", ".pickle"))
    ] or [*targets[:1]]
    named = [text for text in targets if text not in there]
    whom = [word for text in named for word in ("--person" if not _is_photo(text) else "--photo", text)]
    return printable(shlex.join(["facecluster", "forget", *there, *(whom or ["--person", "NAME"])]))


def _is_photo(text: str) -> bool:
    """Say whether a text is meant for photos, and not for a person."""
    return any(letter in text for letter in "*?[/#") or bool(re.search(r"\.\w{2,5}$", text))


def _agree(about_to_go: Forgotten, labels: tuple[str, ...], *, yes: bool, quiet: bool) -> bool:
    """Say what will go, and ask where there is a terminal."""
    err = sys.stderr.isatty() or not sys.stdout.isatty()
    asks = not yes and sys.stdin.isatty() and (sys.stderr.isatty() or sys.stdout.isatty())
    if asks or not quiet:
        click.echo(_beforehand(about_to_go, labels), err=err)
    if not asks:
        return True
    click.echo("forget them? [y/N]: ", nl=False, err=err)  # click.confirm asks on stderr, wherever that goes
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _beforehand(about_to_go: Forgotten, labels: tuple[str, ...]) -> str:
    """Say what will go, and that it will be gone."""
    removed = _set_aside(about_to_go)
    return (
        f"about to forget {_whose(about_to_go, labels)}\n"
        + (f"{removed} will go too, as nobody can say whom they are about\n" if removed else "")
        + "This cannot be taken back: neither undo nor a later run brings these faces and names back."
    )


def _set_aside(forgotten: Forgotten) -> str:
    """Name the files that were set aside by facecluster, as damaged, replaced or cut short, and that go."""
    report = forgotten.report
    return ", ".join(printable(path) for path in report.removed if Path(path).suffix in (".json", ".torn"))


def _whose(forgotten: Forgotten, labels: tuple[str, ...]) -> str:
    """Say whose faces go, how many they are, and which photos show them."""
    whom = [called(one) for opened in forgotten.results for one in opened.people.values()]
    whom += quoted(labels)
    if n := len(forgotten.report.photo_paths):
        whom.append(f"all faces of {many(n, 'photo')}")
    shown = forgotten.shown_in
    known = {face.photo for opened in forgotten.results for face in faces_of(opened.result)}
    names = short_names([*shown], {*known, *shown})
    return (
        f"{', '.join(dict.fromkeys(whom))}: {many(sum(shown.values()), 'face')} in {many(len(shown), 'photo')}"
        + (f" ({_some(names)})" if names else "")
    )


def _folders_of(person: Path) -> list[Path]:
    """The folders of a person, LIBRARY/person-0001, whatever name they carry."""
    return [
        path
        for path in sorted(person.parent.iterdir())
        if path.is_dir() and person_in(path.name) == person.name
    ]


def _summary(done: Forgotten, labels: tuple[str, ...]) -> str:
    """Say in a few sentences what went, and what did not."""
    report, results, tables = done.report, done.results, done.tables
    if done.only_finished:
        return (
            f"forgotten already: {_some([Path(path).name for path in report.people])}. A call that was broken off had "
            "removed all of it; nothing was left to remove"
        )
    went = [
        (report.faces, "face in results", "faces in results"),
        (report.encodings, "encoding", "encodings"),
        (report.photos, "photo in tables", "photos in tables"),
        (report.copies, "copy or link of a photo", "copies or links of photos"),
        (report.montages, "montage", "montages"),
        (report.decisions, "decision", "decisions"),
    ]
    text = ", ".join(many(n, one, several) for n, one, several in went if n) or "no face"
    lines = [
        f"{'would be forgotten' if report.dry_run else 'forgotten'}: {_whose(done, labels)}",
        f"{'to be removed' if report.dry_run else 'removed'}: {text}",
    ]
    if report.sidecars:
        lines.append(
            f"names {'to be taken' if report.dry_run else 'taken'} out of "
            f"{many(report.sidecars, 'file beside a photo', 'files beside photos')}"
        )
    for folder, photos in report.inside.items():
        lines.append(
            f"names that do not hold any more {'will be' if report.dry_run else 'are'} still inside "
            f"{many(len(photos), 'photo')}: {_some(photos)}; to take them out: facecluster tag {typed(folder)} --embed"
        )
    if removed := _set_aside(done):
        lines.append(f"{removed}: {'to be removed' if report.dry_run else 'removed'} too")
    stay = [] if report.dry_run else [folder for path in report.people for folder in _folders_of(Path(path))]
    lines += [f"{path}: holds files that are not facecluster's; they stay" for path in stay]
    for table in tables:
        if str(table) in report.rewritten and not any(table.is_relative_to(o.directory) for o in results):
            lines.append(
                f"{table}: {'would be' if report.dry_run else 'was'} rewritten; other results made from it are not "
                "cleaned, give them as well"
            )
    for path in done.copied:
        lines.append(
            f"{path}: copies of it stay, so the next run over it finds its faces again; give these as well"
        )
    for file, photos in report.doubtful.items():
        lines.append(
            f"{file}: {many(len(photos), 'photo')} may show them still, and could not be matched with what is "
            f"forgotten. Look at {_some(photos)}, and give what is to go as --photo"
        )
    places = many(report.places, "place is", "places are")
    lines.append(
        "The photos themselves are not touched. Faces found in them again are left out: "
        f"{places} {'to be put' if report.dry_run else 'new'} on {_some(report.lists) or 'no list'}. "
        "To find somebody again, remove the lines from the list, then encode these photos with --fresh."
    )
    return "\n".join(lines)


def _some(texts: list[str]) -> str:
    """Name a few."""
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(map(printable, texts[:_SHOWN])) + more
