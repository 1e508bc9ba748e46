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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.forgotten import without_places
from facecluster.errors import FaceclusterError
from facecluster.formats import decisions_jsonl, forgotten_jsonl
from facecluster.identity.assured import Namesakes, claims, lapsed, names, namesakes
from facecluster.identity.cluster import Clustering, cluster_faces, would_merge
from facecluster.identity.constraints import Constraints, resolve
from facecluster.identity.decisions import Decision, mark
from facecluster.identity.rules import Rules
from facecluster.library.library import Library, seen_from
from facecluster.library.lineage import inherit, prior_assignment, rename
from facecluster.library.make import make_result
from facecluster.library.settings import Choices, Chosen, choose
from facecluster.result import Person, Result, ResultSettings, Updated
from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

_AS_BEFORE = Choices()


@dataclass(frozen=True, eq=False)
class Built:
    """A result, and what is to be told of it.

    Attributes:
        result: who is who.
        chosen: what it was made with, and what of that was remembered.
        lost: people of before who have no face any more or are somebody else's, as they were, but for those whom a
            person merged or took apart.
        lapsed: decisions that find none of their faces any more.
        namesakes: people who were given one name, by id: the first lost it to the second; and the decisions.
        n_left_out: faces of the table that are forgotten.
    """

    result: Result
    chosen: Chosen
    lost: tuple[Person, ...] = ()
    lapsed: tuple[Decision, ...] = ()
    namesakes: tuple[tuple[str, str, tuple[Decision, Decision]], ...] = ()
    n_left_out: int = 0


def build(
    library: Library,
    table: FaceTable,
    choices: Choices = _AS_BEFORE,
    *,
    source: str | None = None,
    decisions: Path | None = None,
    sources: Sequence[str] = (),
    update: bool = False,
    agree: Callable[[Built], bool] = lambda built: True,
    jobs: int = -1,
    progress: bool = False,
) -> Built:
    """Say who is who in a table, and save it.

    People keep the ids that they have, and the names that a person gave them. Somebody who has a name, or was put together,
    taken apart, or given a face by a person, stays a person whatever the choices are.

    Args:
        library: gets the people.
        table: the faces.
        choices: what is not chosen is as the library was made last.
        source: absolute path of the file of the table; None: it came from standard input.
        decisions: a file of decisions; None: that of the library.
        sources: absolute paths of what was searched for photos, to be remembered.
        update: leave the people who are there as they are, and place new faces only.
        agree: asked before anything is written where people would be lost; False: nothing is.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Raises:
        TableError: an encoder nobody knows.
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        FaceclusterError: a decision cannot be read, they contradict each other, or `agree` said no.
    """
    earlier = library.result
    chosen = choose(choices, None if earlier is None else earlier.settings, table.settings.encoder)
    if decisions is not None:
        library.follow(decisions)
    elif earlier is not None and earlier.settings.decisions and not library.decisions:
        _log.warning(
            "%s: the people there were made with the decisions of %s, which are not there; give the file",
            library.directory, earlier.settings.decisions_file or decisions_jsonl.DECISIONS,
        )  # fmt: skip
    n_faces = len(table.faces)
    places = library.places
    if source is not None and Path(source).parent != library.directory.resolve():
        places = [*places, *forgotten_jsonl.read(forgotten_jsonl.list_of(Path(source)))]
    table = without_places(table, places)
    constraints = resolve(library.decisions, table.faces)
    settings = ResultSettings(
        faces=table.settings,
        rules=chosen.rules,
        eps=chosen.eps,
        table=None if source is None else seen_from(library.directory, [source])[0],
        link=chosen.link,
        decisions=mark(library.decisions),
        decisions_file=library.ledger_elsewhere,
        sources=tuple(dict.fromkeys([*(() if earlier is None else earlier.settings.sources), *sources])),
    )
    made = _cluster(table, chosen.rules, constraints, settings, earlier, update=update, jobs=jobs)
    result = _with_ids_and_names(made, library.decisions, table, earlier)
    built = Built(
        result=result,
        chosen=chosen,
        lost=() if earlier is None else _lost(earlier, result),
        lapsed=tuple(lapsed(library.decisions, table.faces)),
        namesakes=_namesakes(result, namesakes(library.decisions, table.faces, made.clustering.label)),
        n_left_out=n_faces - len(table.faces),
    )
    if built.lost and not agree(built):
        raise FaceclusterError("nothing was changed, as you said no")
    sizes = dict(zip(table.photos.path.tolist(), map(tuple, table.photos.size.tolist()), strict=True))
    library.save(result, sizes=sizes, changed=made.changed(result, earlier), jobs=jobs, progress=progress)
    return built


@dataclass(frozen=True, eq=False)
class _Made:
    """People by number.

    Attributes:
        clustering: who each face is.
        result: the same as records, numbered from 1.
        fresh: (n,) faces that were placed by an update; None: all faces were clustered.
        pairs: of an update, numbers of people whom a full run would merge.
        n_new: of an update, faces that were new.
    """

    clustering: Clustering
    result: Result
    fresh: NDArray[np.bool_] | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    n_new: int = 0

    def changed(self, result: Result, earlier: Result | None) -> set[str] | None:
        """Ids of people whose faces are others than before; None: of a full run, where all are looked at."""
        if self.fresh is None or earlier is None:
            return None
        grown = set(self.clustering.label[self.fresh].tolist()) - {-1}
        before = {person.id: person.n_faces for person in earlier.people}
        return {result.people[number].id for number in grown} | {
            person.id for person in result.people if before.get(person.id, 0) > person.n_faces
        }


def _cluster(
    table: FaceTable,
    rules: Rules,
    constraints: Constraints,
    settings: ResultSettings,
    earlier: Result | None,
    *,
    update: bool,
    jobs: int,
) -> _Made:
    """Cluster all faces, or for an update the new ones."""
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    known = None
    if update:
        why = _no_update(earlier, settings)
        if why:
            _log.warning("no update, all faces are clustered: %s", why)
        elif earlier is not None:
            known = prior_assignment(earlier, table)
    clustering = cluster_faces(table, rules, constraints, prior=known, jobs=threads)
    result = replace(make_result(table, clustering, rules), settings=settings)
    if known is None:
        return _Made(clustering, result)
    fresh = known.is_new | ((known.person < 0) & (clustering.label >= 0))
    pairs = would_merge(table, clustering, rules, constraints, changed=fresh, jobs=threads)
    return _Made(clustering, result, fresh, tuple(pairs), int(np.count_nonzero(known.is_new)))


def _no_update(earlier: Result | None, settings: ResultSettings) -> str:
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


def _with_ids_and_names(
    made: _Made, decisions: Sequence[Decision], table: FaceTable, earlier: Result | None
) -> Result:
    """Give people the ids that they have, and the names that a person gave them."""
    result, label = made.result, made.clustering.label
    claimed = claims(decisions, table.faces, label)
    same = earlier is not None and earlier.settings.decisions == result.settings.decisions
    result = inherit(result, earlier, claimed=claimed, names=same)
    result = rename(result, names(decisions, table.faces, label))
    if made.fresh is None or earlier is None:
        return result
    since = earlier.settings.update or Updated(0, 0, ())
    update = Updated(
        updates=since.updates + 1,
        new_faces=since.new_faces + made.n_new,
        would_merge=tuple((result.people[one].id, result.people[other].id) for one, other in made.pairs),
    )
    return replace(result, settings=replace(result.settings, update=update))


def _lost(earlier: Result, result: Result) -> tuple[Person, ...]:
    """People of before who are nobody now: not there, nor part of somebody."""
    there = {person.id for person in result.people}
    there |= {own for person in result.people for own in person.former}
    return tuple(person for person in earlier.people if person.id not in there)


def _namesakes(
    result: Result, pairs: Sequence[Namesakes]
) -> tuple[tuple[str, str, tuple[Decision, Decision]], ...]:
    return tuple(
        (result.people[pair.first].id, result.people[pair.second].id, pair.decisions) for pair in pairs
    )


def settings_told(remembered: dict[str, Any]) -> str:
    """Name settings and their values."""
    return ", ".join(f"{name} {value}" for name, value in remembered.items())
