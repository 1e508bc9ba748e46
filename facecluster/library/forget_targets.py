"""What `forget` is told to take: which results and tables, and which faces, people and photos of them."""

from __future__ import annotations

import json
import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.library.folders import open_folder
from facecluster.library.held import Held, check_ledger
from facecluster.library.labels import (
    attach_to,
    find_labels,
)
from facecluster.library.layout import CLUSTERS, TABLE, group_again, table_of
from facecluster.library.pending import take_in
from facecluster.library.refer import find_person, short_names
from facecluster.text import fold, printable, quoted, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from facecluster.durable.links import Link
    from facecluster.identity.boxes import Main
    from facecluster.identity.decisions import Scene
    from facecluster.library.forget import Target
    from facecluster.library.forget_sights import Doubt
    from facecluster.result import Person, Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)


class TableGoneError(FaceclusterError):
    """The face table of a library is not where it was, and nobody said that it is nowhere any more."""


@dataclass(frozen=True)
class Opened:
    """A result that is to be cleaned.

    Attributes:
        directory: where it lies.
        result: what is in it.
        people: who is to be forgotten, as the user called them; those whom the result knows, absent or not.
        decided: whether only decisions tell who one of them is.
        tables: the face tables that it names, or that lie beside it.
        decisions: its files of decisions that are there, the one it was made with first.
        link: how its folders hold photos.
    """

    directory: Path
    result: Result
    people: Mapping[str, Person]
    decided: bool
    tables: tuple[Path, ...]
    decisions: tuple[Path, ...]
    link: Link


def open_targets(
    targets: Iterable[str], persons: tuple[str, ...], stack: ExitStack, library: Held | None = None
) -> tuple[list[Opened], dict[Path, FaceTable]]:
    """Read all that is to be cleaned, and keep others from it until `stack` ends.

    Args:
        targets: folders of people, their clusters.json, or face tables.
        persons: who is to be forgotten.
        stack: gets the locks.
        library: one of them that is open already.

    Raises:
        FaceclusterError: something cannot be read, is not ours to replace, or is being encoded.
    """
    from facecluster.durable.lock import only_user_of
    from facecluster.formats import face_table

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
            f"{next(iter(paths))}: a face table knows no people; give the library as well, or say whom by a label "
            "of the table, or which photos"
        )
    for folder in folders:
        if not (folder / CLUSTERS).exists():
            raise FaceclusterError(f"{folder}: holds no {CLUSTERS}; give a folder that cluster or run wrote")
        if library is None or folder != library.directory.resolve():
            take_in(stack.enter_context(Held.open(folder)))  # what a watch left is to be forgotten, too
    results = [_result(folder) for folder in folders]
    for opened in results:
        paths |= dict.fromkeys(opened.tables)
    for path in paths:
        face_table.format_of(path)
        stack.enter_context(only_user_of(path))
    tables = {path: face_table.read(path) for path in paths}
    return [_with_people(opened, persons, tables.values()) for opened in results], tables


def _result(folder: Path) -> Opened:
    """Read a result, and find out what belongs to it."""
    from facecluster.formats import decisions_jsonl
    from facecluster.formats.clusters_json import read_result
    from facecluster.library.lineage import check_ids

    result = read_result(folder / CLUSTERS)
    check_ids(result)
    files = open_folder(result, folder, ())
    if not files.has(CLUSTERS):
        raise OutputError(
            f"{folder / CLUSTERS}: not written here by facecluster, or changed since; group the faces again, then "
            f"forget: {group_again(folder, result)}"
        )
    ledger = decisions_jsonl.file_of(result.settings.decisions_file, folder)
    if ledger.parent.resolve() != folder:
        check_ledger(ledger, decisions_jsonl.read(ledger), result, folder)
    tables = [
        path.resolve()
        for path in (table_of(result, folder), folder / TABLE)
        if path is not None and path.exists()
    ]
    decisions = [path.resolve() for path in (ledger, folder / decisions_jsonl.DECISIONS)]
    return Opened(
        directory=folder,
        result=result,
        people={},
        decided=False,
        tables=tuple(dict.fromkeys(tables)),
        decisions=tuple(path for path in dict.fromkeys(decisions) if path.exists()),
        link=result.settings.link or files.link(),
    )


def _with_people(opened: Opened, persons: Iterable[str], tables: Iterable[FaceTable]) -> Opened:
    """Find out who is to be forgotten; of somebody absent, what is known.

    Raises:
        FaceclusterError: somebody is absent whose faces are somebody else's now.
    """
    from facecluster.formats import decisions_jsonl
    from facecluster.library.forget import find_absent

    people: dict[str, Person] = {}
    decided = False
    decisions = [decision for file in opened.decisions[:1] for decision in decisions_jsonl.read(file)]
    former = {fold(own) for person in opened.result.people for own in person.former}
    for text in persons:

        def meant(own: str, text: str = text) -> bool:
            return fold(own) == fold(text)

        try:
            people[text] = find_person(opened.result, text)
            continue
        except FaceclusterError:
            if fold(text) in former:  # of several
                continue
        try:
            found = find_absent(opened.result, decisions, tables, meant)
        except FaceclusterError as error:
            raise FaceclusterError(f"{printable(text)}: {error}; nothing was changed") from error
        if found is None:
            continue
        people[text] = found.person
        decided = decided or found.decided
        if not found.all_known:
            _log.error(
                "%s: is absent in %s, and perhaps not all faces are known, only %d: others stay; group the "
                "faces again with settings that find this person, then forget; or give the photos",
                printable(text),
                opened.directory,
                found.person.n_faces,
            )
    return replace(opened, people=people, decided=decided)


def broken_off(opened: Opened) -> tuple[str, ...]:
    """Ids of people whom a call forgot that was broken off when it had only to put down that all is done."""
    from facecluster.durable.own_list import last_write

    if last_write(opened.directory).unfinished == frozenset():
        return ()
    stay = {one.id for one in opened.result.absent}
    stay = stay.union(*(person.former for person in opened.result.people))
    return tuple(own for own in opened.result.changes.vanished if own not in stay)


def ids_of(opened: Opened) -> set[str]:
    """Ids of the people who are to be forgotten."""
    return {person.id for person in opened.people.values()}


def faces_of_labels(
    tables: Mapping[Path, FaceTable],
    names: Iterable[str],
    labels_from: str,
    which: Main | None,
    folders: Sequence[Path] = (),
) -> list[tuple[Scene, list[float]]]:
    """Find the faces of some labels: scene, and anchor. `folders`: of libraries, see `labels_of`.

    Raises:
        FaceclusterError: no face has one of the labels; there is no table.
    """
    import numpy as np

    from facecluster.identity.decisions import scenes_of

    wanted = {fold(name): name for name in names}
    if not wanted:
        return []
    if not tables:
        raise UsageError("a label is about a face table; give that")
    found: list[tuple[Scene, list[float]]] = []
    there: dict[str, str] = {}
    labels = find_labels(labels_from, which)
    for file, table in tables.items():
        label, texts, _, _ = attach_to(table, labels, which, [*folders, file.parent])
        there |= {fold(text): text for text in texts}
        chosen = [number for number, text in enumerate(texts) if fold(text) in wanted]
        rows = np.flatnonzero(np.isin(label, chosen))
        scenes = scenes_of(table.faces)
        found += ((scenes[row], table.faces.anchor[row].tolist()) for row in rows.tolist())
    for key in wanted.keys() - there.keys():
        near = [there[like] for like in get_close_matches(key, there)]
        perhaps = f"; perhaps {', '.join(quoted(near))}" if near else ""
        raise FaceclusterError(
            f"{printable(wanted[key])}: no face has this label{perhaps}; nothing was changed"
        )
    return found


def check_tables(
    results: Iterable[Opened], tables: Mapping[Path, FaceTable], target: Target, *, gone: bool
) -> list[Path | None]:
    """Make sure that the face table of each result is cleaned: it has all faces of the result, or had them.

    Args:
        results: to be cleaned.
        tables: that will be.
        target: what is to be forgotten.
        gone: a table that is not among them is nowhere, the user says.

    Returns:
        The table of each; None where it is not known.

    Raises:
        TableGoneError: the table of a result was moved or replaced, and is not among them.
    """
    own: list[Path | None] = []
    for opened in results:
        named = opened.result.settings.table
        first = dict.fromkeys([*opened.tables, *tables])
        own.append(
            next((path for path in first if not _lacks(path, tables[path], opened.result, target)), None)
        )
        if own[-1] is not None:
            continue
        if not isinstance(named, str):
            _log.error(
                "%s: was made from a face table on standard input; if that is kept somewhere, it is not cleaned: "
                "give it as well",
                opened.directory,
            )
        elif not gone:
            what, again = f"its face table {named} is not there", ""
            for path in opened.tables[:1]:
                why = _lacks(path, tables[path], opened.result, target)
                what = f"{path} is not the face table that it was made from ({why})"
                again = f", or, if it was encoded since, type first: facecluster cluster {typed(path)} -o "
                again += typed(opened.directory)
            raise TableGoneError(
                f"{opened.directory}: {what}, and encodings would stay wherever that is; give it as well, or say "
                f"that it is nowhere any more{again}. Nothing was changed"
            )
    return own


def tables_of_others(
    targets: Iterable[str], results: Iterable[Opened], tables: Mapping[Path, FaceTable]
) -> set[Path]:
    """Find the face tables that results name and that are not theirs: those outside that have none of their faces.

    A result from somebody else may name a table of the user's; photos that the user chooses would go from it.

    Args:
        targets: what the user named.
        results: to be cleaned.
        tables: that would be.
    """
    from facecluster.library.refer import faces_of

    named = {Path(text).resolve() for text in targets}
    return {
        path
        for opened in results
        for path in opened.tables
        if path not in named and not path.is_relative_to(opened.directory)
        if tables[path].faces.id.size
        and {face.id for face in faces_of(opened.result)}.isdisjoint(tables[path].faces.id.tolist())
    }


def _lacks(path: Path, table: FaceTable, result: Result, target: Target) -> str:
    """Say what a table lacks of a result that was made from it, as far as can be told; "" if nothing."""
    from facecluster.formats import face_table
    from facecluster.library.forget import n_unaccounted
    from facecluster.result import columns

    placed = columns(result)
    n_faces = len(placed.id)
    if number := n_unaccounted(result, table, target, bare=face_table.format_of(path) == "npz"):
        return f"it lacks {number} of the {n_faces} faces of the result"
    shared = not set(table.photos.path.tolist()).isdisjoint(placed.photo)
    if (
        shared
        or not len(table.photos)
        or not n_faces
        or not set(table.faces.id.tolist()).isdisjoint(placed.id)
    ):
        return ""
    return "it has no photo of the result"


def target_of_all(
    results: list[Opened],
    tables: Mapping[Path, FaceTable],
    persons: Iterable[str],
    globs: tuple[str, ...],
    labelled: Sequence[tuple[Scene, Sequence[float]]],
) -> Target:
    """Say what is to be forgotten.

    Raises:
        FaceclusterError: no photo matches a glob; no result knows a person; with several results, none of the people,
            as those that know one may have been cleaned already by what was killed half-way.
    """
    from facecluster.identity.decisions import digest_of
    from facecluster.library.forget import find_photos, target_of
    from facecluster.result import columns

    people: list[Person] = []
    for text in persons:
        theirs = [opened.people[text] for opened in results if text in opened.people]
        is_last = len(results) == 1 or not any(opened.people for opened in results)
        if not theirs and is_last and not any(map(broken_off, results)):
            find_person(results[0].result, text)  # says who is like it
        if not theirs:
            anywhere = (
                "in any of these libraries; nothing is removed for it" if len(results) > 1 else "any more"
            )
            _log.warning("%s: no such person %s", text, anywhere)
        first, *others = [{digest_of(face.id) for face in one.faces} for one in theirs] or [set[str]()]
        by_name = all(one.name is not None and fold(one.name) == fold(text) for one in theirs)
        if not by_name and any(first.isdisjoint(other) for other in others):
            raise UsageError(f"{text}: another person in each library; give them one by one, or a name")
        people += theirs
    known = [
        (digest_of(face), path)
        for opened in results
        for placed in [columns(opened.result)]
        for face, path in zip(placed.id, placed.photo, strict=True)
    ]
    for table in tables.values():
        known += zip(table.photos.digest.tolist(), table.photos.path.tolist(), strict=True)
    paths, digests = {path for _, path in known}, {path: digest for digest, path in known}
    photos = set[str]()
    for glob in globs:
        found = find_photos(paths, glob)
        _check_one(glob, found, digests, paths)
        photos |= found
        if not found and (len(globs) > 1 or people or labelled):
            raise FaceclusterError(
                f"{glob}: no photo matches; nothing was changed; leave it out if it is forgotten already"
            )
    return target_of(people, photos, known, labelled)


def _check_one(glob: str, found: Collection[str], digests: Mapping[str, str], paths: Iterable[str]) -> None:
    """Make sure that a name, which is no pattern, means one photo, or copies of one.

    Raises:
        FaceclusterError: several photos are called so; the message lists them.
    """
    if any(letter in glob for letter in "*?[") or len({digests[path] for path in found}) < 2:
        return
    lines = "".join(f"\n  {printable(name)}" for name in short_names(sorted(found), paths))
    raise FaceclusterError(
        f"{printable(glob)}: {len(found)} photos are called so; nothing was changed; say which:{lines}\n"
        f"all of them are --photo '*/{printable(glob)}'"
    )


def find_in_all(
    target: Target, results: Iterable[Opened], tables: Mapping[Path, FaceTable]
) -> tuple[Target, list[Doubt]]:
    """Find the faces that go in all results and tables, also where those know the photos by other ids.

    Returns:
        See `forget_sights.find_everywhere`.
    """
    from facecluster.library.forget_sights import find_everywhere, sight_of_result, sight_of_table

    own = {path for opened in results if opened.people for path in opened.tables}
    known = {digest for table in tables.values() for digest in table.photos.digest.tolist()}
    sights = [sight_of_table(path, table, own=path in own) for path, table in tables.items()]
    sights += [sight_of_result(opened.directory, opened.result, known) for opened in results]
    return find_everywhere(target, sights)


def marks_of(results: Iterable[Opened], target: Target) -> dict[Path, str]:
    """Say for each folder of a result with decisions what stands for them once they are cleaned.

    Raises:
        FaceclusterError: a result does not show its decisions, so that it is not known who is who.
    """
    from facecluster.formats import decisions_jsonl
    from facecluster.identity.decisions import mark
    from facecluster.library.forget import forget_in_decisions

    marks = {}
    for opened in results:
        both = [
            (file, decisions_jsonl.read(file)) for file in opened.decisions
        ]  # raises where a line makes no sense
        for file, decisions in both[:1]:
            content, _ = forget_in_decisions(file.read_bytes(), target)
            stay = {json.loads(line)["id"] for line in content.split(b"\n") if line.strip()}
            cleaned = mark([decision for decision in decisions if decision.id in stay])
            if opened.result.settings.decisions not in (mark(decisions), cleaned):
                raise FaceclusterError(
                    f"{opened.directory}: its {CLUSTERS} does not show all decisions of {file}, and others may be "
                    f"forgotten than are meant; group the faces again, then forget: "
                    f"{group_again(opened.directory, opened.result)}"
                )
            marks[opened.directory] = cleaned
    return marks
