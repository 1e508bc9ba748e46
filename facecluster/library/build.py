"""All faces to people: cluster, give ids and names, say what it costs, save.

table ─▶ without what is forgotten ─▶ cluster_faces ─▶ records ─▶ ids of before ─▶ names ─▶ save
                                           ▲                          ▲              ▲
                                           └──── what a person said, by rows ────────┘
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from blake3 import blake3

from facecluster.durable.placing import Holding
from facecluster.encoding.drawn import Drawn, settled
from facecluster.encoding.forgotten import without_places
from facecluster.errors import DeclinedError
from facecluster.formats import decisions_jsonl, forgotten_jsonl
from facecluster.identity.assured import Namesakes, lapsed, namesakes
from facecluster.identity.changes import match_faces
from facecluster.identity.cluster import Clustering, cluster_faces, would_merge
from facecluster.identity.constraints import Constraints, resolve
from facecluster.identity.decisions import Decision, mark
from facecluster.identity.rules import Rules
from facecluster.library.held import Held, seen_from
from facecluster.library.lineage import clustering_of
from facecluster.library.make import make_result
from facecluster.library.refer import faces_of
from facecluster.library.settings import Choices, Chosen, choose, encoding_of
from facecluster.library.update import Standing, named_apart, with_ids_and_names
from facecluster.library.update import update as update_result
from facecluster.result import Changes, Person, Result, ResultSettings, columns
from facecluster.table import FaceTable
from facecluster.text import typed

if TYPE_CHECKING:
    from facecluster.library.refer import Face

_log = logging.getLogger(__name__)

_AS_BEFORE = Choices()


@dataclass(frozen=True, eq=False)
class Gone:
    """Somebody of before whose id nobody has any more.

    Attributes:
        person: as it was.
        heir: who has most of those of the faces that are still there; None: nobody.
        n_left: how many of the faces are still there, with anybody or nobody.
    """

    person: Person
    heir: Person | None
    n_left: int


@dataclass(frozen=True, eq=False)
class Built:
    """A result, and what is to be told of it.

    Attributes:
        result: who is who.
        chosen: what it was made with, and what of that was remembered.
        gone: people of before whose ids nobody has any more, but for those whom a person merged or took apart.
        fewer: people of before who have a name and have fewer faces now, as they were, each with how many.
        strayed: people of before who have a name, as they were, each with the faces that are there and not theirs now.
        nameless: people of before, as they were, whose names no decision gives any more.
        other_settings: whether the people of before were made with other settings.
        lapsed: decisions that find none of their faces any more.
        namesakes: people who were given one name, by id: the first lost it to the second; and the decisions.
        alike: people of different names, by id, whose faces would make them one person.
        n_left_out: faces of the table that are forgotten.
        n_forgotten: photos without a face as all of theirs are forgotten.
        holding: how the folders hold photos; None: it is not written yet.
    """

    result: Result
    chosen: Chosen
    gone: tuple[Gone, ...] = ()
    fewer: tuple[tuple[Person, int], ...] = ()
    strayed: tuple[tuple[Person, tuple[Face, ...]], ...] = ()
    nameless: tuple[Person, ...] = ()
    other_settings: bool = False
    lapsed: tuple[Decision, ...] = ()
    namesakes: tuple[tuple[str, str, tuple[Decision, Decision]], ...] = ()
    alike: tuple[tuple[str, str], ...] = ()
    n_left_out: int = 0
    n_forgotten: int = 0
    holding: Holding | None = None


def build(
    library: Held,
    table: FaceTable,
    choices: Choices = _AS_BEFORE,
    *,
    source: str | None = None,
    decisions: Path | None = None,
    sources: Sequence[str] = (),
    update: bool = False,
    defaults: bool = False,
    agree: Callable[[Built], bool] = lambda built: True,
    jobs: int = -1,
    progress: bool = False,
) -> Built:
    """Say who is who in a table, and save it.

    People keep the ids that they have, and the names that a person gave them. Somebody who has a name, or was put
    together, taken apart, or given a face by a person, stays a person whatever the choices are.

    Args:
        library: gets the people.
        table: the faces.
        choices: what is not chosen is as the library was made last.
        defaults: what is not chosen is the default instead.
        source: absolute path of the file of the table; None: it came from standard input.
        decisions: a file of decisions; None: that of the library.
        sources: absolute paths of what was searched for photos, to be remembered.
        update: leave the people who are there as they are, and place new faces only.
        agree: asked before anything is written where other settings would cost people; False: nothing is.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Raises:
        TableError: an encoder nobody knows.
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        DecisionsLackError: no decision gives somebody's name any more, see `Held.keep_to`.
        FaceclusterError: a decision cannot be read, or they contradict each other.
        DeclinedError: `agree` said no.
    """
    earlier = library.result
    chosen = choose(
        choices, None if earlier is None or defaults else earlier.settings, table.settings.encoder
    )
    nameless = library.keep_to(decisions)
    if decisions is None and earlier is not None and earlier.settings.decisions and not library.decisions:
        _log.warning(
            "%s: the people there were made with the decisions of %s, which are not there; give the file",
            library.directory, earlier.settings.decisions_file or decisions_jsonl.DECISIONS,
        )  # fmt: skip
    table = _with_drawn(library, table, source, jobs)
    n_faces = len(table.faces)
    places = library.places
    if source is not None:
        places = [*places, *forgotten_jsonl.read(forgotten_jsonl.list_of(Path(source)))]
    table = without_places(table, places)
    settings = settings_of(library, table, chosen, source, sources)
    made = _make(library, table, settings, chosen.rules, is_update=update, jobs=jobs)
    result = made.result
    built = Built(
        result=result,
        chosen=chosen,
        gone=() if earlier is None else _gone(earlier, result),
        fewer=() if earlier is None else _fewer(earlier, result),
        strayed=() if earlier is None else _strayed(earlier, result),
        nameless=nameless,
        other_settings=earlier is not None and _other_settings(earlier.settings, settings),
        lapsed=tuple(lapsed(library.decisions, table.faces)),
        namesakes=_namesakes(result, namesakes(library.decisions, table.faces, made.clustering.label)),
        alike=_alike(
            result,
            table,
            made.clustering,
            chosen.rules,
            resolve(library.decisions, table.faces, library=typed(library.directory)),
            jobs,
        ),
        n_left_out=n_faces - len(table.faces),
        n_forgotten=int(np.count_nonzero(table.photos.all_forgotten())),
    )
    if built.other_settings and any(one.heir is None for one in built.gone) and not agree(built):
        raise DeclinedError("the people stay as they were, as you said no")
    holding = library.save(
        result, pictures=table.photos.pictures(), changed=made.changed, jobs=jobs, progress=progress
    )
    return replace(built, holding=holding)


def _with_drawn(library: Held, table: FaceTable, source: str | None, jobs: int) -> FaceTable:
    """Put faces into a table that somebody drew, where what did so was broken off or photos were encoded elsewhere.

    Those that were taken back go. A table that came from standard input is left as it is.
    """
    drawn = Drawn.of(library.decisions)
    if source is None or not drawn.photos:
        return table
    now = settled(table, drawn, encoding_of({}, table.settings), jobs=jobs)
    if now is not table:
        library.put_table(now, Path(source))
    return now


def settings_of(
    library: Held, table: FaceTable, chosen: Chosen, source: str | None, sources: Sequence[str] = ()
) -> ResultSettings:
    """Say what a result is made with; see `build`."""
    earlier = library.result
    return ResultSettings(
        faces=table.settings,
        rules=chosen.rules,
        eps=chosen.eps,
        table=None if source is None else seen_from(library.directory, [source])[0],
        link=chosen.link,
        decisions=mark(library.decisions),
        decisions_file=library.ledger_elsewhere,
        sources=tuple(
            dict.fromkeys([*(() if earlier is None else earlier.settings.sources), *sorted(sources)])
        ),
        made_of=made_of(table, chosen.rules, library.decisions),
    )


def made_of(table: FaceTable, rules: Rules, decisions: Sequence[Decision]) -> str:
    """Stand for all that people are grouped from: 32 hex digits, the same only where a full run does the same again."""
    state = blake3(repr((VERSION, rules, mark(decisions), table.settings.key())).encode())
    for rows in (table.photos, table.faces):
        for name, column in vars(rows).items():
            if name not in ("coded", "pixels"):
                state.update(f"{name} {column.dtype} {column.shape}".encode())
                state.update(np.ascontiguousarray(column).view(np.uint8).data)
    return state.hexdigest(16)


VERSION = 2
"""Of the rules of clustering that are no settings: raised by a change of them, so that people are grouped anew."""


@dataclass(frozen=True, eq=False)
class _Made:
    """A result, who each face is, and the ids of people whose faces are others now; None: not known."""

    result: Result
    clustering: Clustering
    changed: frozenset[str] | None


def _make(
    library: Held,
    table: FaceTable,
    settings: ResultSettings,
    rules: Rules,
    *,
    is_update: bool,
    jobs: int,
) -> _Made:
    """Cluster all faces, or for an update the new ones."""
    earlier, decisions = library.result, library.decisions
    if not is_update and _is_made_so(earlier, settings):
        same = replace(earlier, settings=settings, changes=Changes())
        return _Made(same, clustering_of(same, table), None)
    constraints = resolve(decisions, table.faces, library=typed(library.directory))
    if is_update:
        why = no_update(earlier, settings)
        if why:
            _log.warning("no update, all faces are clustered: %s", why)
        elif earlier is not None:
            updated = update_result(
                Standing.of(earlier, table), table, settings, constraints, decisions, jobs=jobs
            )
            return _Made(updated.result, updated.clustering, updated.changed)
    clustering = cluster_faces(table, rules, constraints, jobs=jobs if jobs > 0 else os.cpu_count() or 1)
    made = replace(make_result(table, clustering, rules), settings=settings)
    result = with_ids_and_names(made, decisions, table, clustering.label, earlier)
    return _Made(result, clustering, None)


def _is_made_so(earlier: Result | None, settings: ResultSettings) -> TypeGuard[Result]:
    """Whether a full run would make an earlier result again."""
    if earlier is None or earlier.settings.update is not None:
        return False
    if earlier.settings.decisions != settings.decisions:  # somebody corrected it since
        return False
    return bool(settings.made_of) and earlier.settings.made_of == settings.made_of


def no_update(earlier: Result | None, settings: ResultSettings) -> str:
    """Say why an earlier result is of no use for an update; "" if it is."""
    if earlier is None:
        return "there is no earlier result in the folder"
    then = earlier.settings
    if then.rules != settings.rules:
        return "the earlier result was made with other options of clustering"
    if then.faces.key() != settings.faces.key():
        return "the earlier result is of faces that were encoded otherwise"
    if then.decisions != settings.decisions:
        return "something else was decided since the earlier result"
    return ""


def _alike(
    result: Result,
    table: FaceTable,
    clustering: Clustering,
    rules: Rules,
    constraints: Constraints,
    jobs: int,
) -> tuple[tuple[str, str], ...]:
    """People of different names who would be merged, had nobody named them."""
    named = [number for number, person in enumerate(result.people) if person.name is not None]
    if len(named) < 2:
        return ()
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    changed = np.isin(clustering.label, named)
    pairs = would_merge(table, clustering, rules, constraints, changed=changed, jobs=threads)
    return tuple(
        (result.people[one].id, result.people[other].id)
        for one, other in pairs
        if named_apart(result, one, other)
    )


def _other_settings(then: ResultSettings, now: ResultSettings) -> bool:
    """Whether faces are found, encoded, or grouped otherwise than they were."""
    return then.rules != now.rules or then.faces.key() != now.faces.key()


def _gone(earlier: Result, result: Result) -> tuple[Gone, ...]:
    """Find people of before whose id nobody has now, or ever had."""
    there = {person.id for person in result.people}
    there |= {own for person in result.people for own in person.former}
    numbers = [number for number, person in enumerate(earlier.people) if person.id not in there]
    if not numbers:
        return ()
    old, new = columns(earlier), columns(result)
    rows_old, rows_new = match_faces(old, new)
    was, now = old.person[rows_old], new.person[rows_new]
    gone = []
    for number in numbers:
        left = now[was == number]
        counts = np.bincount(left + 1, minlength=1)
        most = int(counts.argmax())
        heir = result.people[most - 1] if most > 0 and 2 * counts[most] > len(left) else None
        gone.append(Gone(earlier.people[number], heir, len(left)))
    return tuple(gone)


def _fewer(earlier: Result, result: Result) -> tuple[tuple[Person, int], ...]:
    """Find people with a name who are there and have fewer faces than they had."""
    n_now = {person.id: person.n_faces for person in result.people}
    return tuple(
        (person, n_now[person.id])
        for person in earlier.people
        if person.name is not None and n_now.get(person.id, person.n_faces) < person.n_faces
    )


def _strayed(earlier: Result, result: Result) -> tuple[tuple[Person, tuple[Face, ...]], ...]:
    """Find faces of people with a name who are there, that are there too and not theirs now."""
    theirs = {person.id: {face.id for face in person.faces} for person in result.people}
    lost = {
        face.id: person
        for person in earlier.people
        if person.name is not None and person.id in theirs
        for face in person.faces
        if face.id not in theirs[person.id]
    }
    there = {face.id: face for face in faces_of(result) if face.id in lost} if lost else {}
    found: dict[str, tuple[Person, list[Face]]] = {}
    for own, face in there.items():
        found.setdefault(lost[own].id, (lost[own], []))[1].append(face)
    return tuple((person, tuple(faces)) for person, faces in found.values())


def _namesakes(
    result: Result, pairs: Sequence[Namesakes]
) -> tuple[tuple[str, str, tuple[Decision, Decision]], ...]:
    return tuple(
        (result.people[pair.first].id, result.people[pair.second].id, pair.decisions) for pair in pairs
    )


def settings_told(remembered: dict[str, Any]) -> str:
    """Name settings and their values."""
    return ", ".join(f"{name} {value}" for name, value in remembered.items())
