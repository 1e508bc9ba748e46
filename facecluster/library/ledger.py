"""A decision written down, once, with the people that it makes; and what was broken off between the two.

The decision is on the disk before its people, so that a kill between the two loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from facecluster.durable.own_list import last_write
from facecluster.errors import FaceclusterError, OutputError
from facecluster.formats import decisions_jsonl
from facecluster.identity.assured import names
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    Act,
    Cover,
    Decision,
    Draw,
    Hide,
    Name,
    Said,
    Undo,
    Unsure,
    in_force,
    mark,
    spots_of,
)
from facecluster.library import undo_patches
from facecluster.library.amend import Correction
from facecluster.library.change import Change, Corrected
from facecluster.library.held import Held
from facecluster.library.layout import CLUSTERS
from facecluster.library.showing import as_told
from facecluster.result import Changes, Result, columns
from facecluster.table import FaceTable
from facecluster.text import typed

_log = logging.getLogger(__name__)

_Asked = ParamSpec("_Asked")
_T = TypeVar("_T")


def once(
    asked: Callable[Concatenate[Held, _Asked], Change | Corrected],
) -> Callable[Concatenate[Held, _Asked], Corrected]:
    """Make a verb of a function that says what is asked for, of the people as they are.

    Where a kill came between the decision and its people, and the same is asked for again, the decision that is there
    counts. Anything else is asked of the people whom it makes.
    """

    @wraps(asked)
    def verb(library: Held, /, *what: _Asked.args, **how: _Asked.kwargs) -> Corrected:
        last = broken_off(library)

        def ask() -> Change | Corrected:
            return asked(library, *what, **how)

        def is_last(change: Change | Corrected) -> bool:
            return (
                isinstance(change, Change) and last is not None and last.act in (*change.others, change.act)
            )

        change = again(library, last, ask, is_last)
        if change is None:
            last = None
            catch_up(library)
            change = ask()
        if isinstance(change, Corrected):
            finish(library)
            return change
        act, correction, said, others, table = change
        return keep(library, act, correction, said, table, others=others, decided=last)

    return verb


def keep(
    library: Held,
    act: Act,
    correction: Correction | tuple[Result, None] | None,
    said: str,
    table: FaceTable | None = None,
    *,
    others: Sequence[Act] = (),
    check: bool = True,
    time: str | None = None,
    decided: Decision | None = None,
    root: Decision | None = None,
) -> Corrected:
    """Write a decision, or several of one call, and the people that they make.

    Args:
        library: it is about.
        act: what was decided.
        correction: the people as they are now, and whose faces changed (None: they do not show the decision); None:
            only what is told of people changes, as the decisions have it.
        said: about it, for people.
        others: what was decided before it.
        table: the face table as it is now; None: as it was.
        check: whether it may contradict others.
        time: when it was decided; None: now.
        decided: the decision, or one of the others, where it is written already.
        root: what an undo takes back.

    Raises:
        FaceclusterError: it contradicts an earlier decision; nothing is written then.
        OutputError: it cannot be written.
    """
    in_step = library.in_step
    new, time = list[Decision](), time if decided is None else decided.time
    for one in (*others, act):
        is_written = decided is not None and decided.act == one
        decision = decided if is_written and decided is not None else None
        new.append(decision or decisions_jsonl.decide(one, [*library.decisions, *new], time))
        time = new[0].time if others else time
    if isinstance(act if root is None else root.act, Unsure | Said):  # it changes nobody
        library.record(*new)
        return Corrected(new[-1], said, in_step)
    noted = None if isinstance(act, Undo | Name | Hide | Cover | Draw) else new[-1].id  # taken back without
    check = check and not isinstance(act, Name | Hide | Cover)
    there = () if decided is None else (decided,)
    return put(library, new, correction, said, table, check=check, decided=there, noted=noted)


def put(
    library: Held,
    new: Sequence[Decision],
    correction: Correction | tuple[Result, None] | None,
    said: str,
    table: FaceTable | None = None,
    *,
    check: bool = True,
    decided: Collection[Decision] = (),
    noted: str | None = None,
) -> Corrected:
    """Write decisions that are made, one or more of one call, and the people that they make; see `keep`.

    Args:
        library: it is about.
        new: the decisions.
        correction: see `keep`.
        said: see `keep`.
        table: see `keep`.
        check: whether they may contradict others.
        decided: which of them are written already.
        noted: under which name it is noted what they change; None: it is not.
    """
    before, in_step = library.people, library.in_step
    *earlier, decision = new
    decisions = [*library.decisions, *new]
    if check:
        resolve(decisions, columns(before, _photos_of(decisions)), library=typed(library.directory))
    result, changed = (before, frozenset[str]()) if correction is None else correction
    if correction is None:
        told = with_names(before, decisions, {person.id for person in before.people})
        result = replace(told, changes=Changes())
        changed = frozenset(
            now.id for was, now in zip(before.people, told.people, strict=True) if was.cover != now.cover
        )
    elif changed and any(isinstance(one.act, Hide | Cover) for one in in_force(decisions)):
        faces = columns(result, _photos_of(decisions))
        result = as_told(result, decisions, faces, faces.person, changed)
    shows = changed is not None
    settings = replace(result.settings, made_of="")  # a full run makes others of the same faces
    if in_step and shows:
        settings = replace(settings, decisions=mark(decisions))
    result = replace(result, settings=settings)
    library.check_ours()
    library.decisions += (one for one in new if one in decided)
    library.record(*(one for one in new if one not in decided))
    if changed is not None:
        try:
            if table is not None and library.table_file is not None:
                library.put_table(table, library.table_file)
            if in_step and noted is not None:
                undo_patches.note(library, noted, before, result)
            library.save(result, changed=changed)
        except OutputError as error:
            raise half_kept(library, decision, error) from error
    return Corrected(decision, said, in_step and shows, tuple(earlier))


def half_kept(library: Held, decision: Decision, error: FaceclusterError) -> FaceclusterError:
    """Say that a decision was written, though what it makes was not."""
    return type(error)(
        f"{error}\n{library.ledger} has the decision ({decision.id}) all the same, and cluster will keep to it"
    )


def with_names(result: Result, decisions: Sequence[Decision], whom: Collection[str]) -> Result:
    """Give people, by id, the names that the decisions say, and show them as these say."""
    faces = columns(result, _photos_of(decisions))
    found = names(decisions, faces, faces.person)
    said = {result.people[number].id: name for number, name in found.items()}
    named = replace(
        result,
        people=tuple(
            replace(person, name=said.get(person.id))
            if person.id in whom and person.name != said.get(person.id)
            else person
            for person in result.people
        ),
    )
    return as_told(named, decisions, faces, faces.person, whom)


def _photos_of(decisions: Sequence[Decision]) -> set[str]:
    """Ids of the photos that decisions are about: only their faces say what decisions mean."""
    return {spot.digest for decision in in_force(decisions) for spot in spots_of(decision.act)}


def broken_off(library: Held) -> Decision | None:
    """The decision of the last line, if the people show all decisions but this one."""
    last = max(library.decisions, key=lambda decision: decision.line, default=None)
    if last is None or library.result is None or library.in_step:
        return None
    others = [decision for decision in library.decisions if decision is not last]
    return last if library.people.settings.decisions == mark(others) else None


def again(
    library: Held, last: Decision | None, ask: Callable[[], _T], is_last: Callable[[_T], bool]
) -> _T | None:
    """Ask what a call means as if the last decision, which was broken off, were not there.

    Returns:
        What it means, where it asks for the same; the decision is out of the library's then, as it will be kept anew.
        None: it asks for something else, or there is no such decision.
    """
    if last is None:
        return None
    library.decisions.remove(last)
    with suppress(FaceclusterError):
        meant = ask()
        if is_last(meant):
            return meant
    library.decisions.append(last)
    return None


def finish(library: Held) -> None:
    """Write what of the folder could not be written the last time."""
    if library.in_step and last_write(library.directory).unfinished != frozenset():
        library.save(library.people, changed=())


def catch_up(library: Held, *, jobs: int = -1, progress: bool = False) -> bool:
    """Group people anew where they do not show all decisions, as something was broken off or written by hand.

    Returns:
        Whether that was done. It is not where there is no decision or no face table, or where decisions contradict
        each other: what is corrected then is the people as they are.
    """
    if library.result is None or library.in_step or not library.decisions or library.table_file is None:
        return False
    from facecluster.library.build import build  # scikit-learn is loaded only where people are grouped

    try:
        resolve(library.decisions, library.table.faces, library=typed(library.directory))
    except FaceclusterError:
        return False
    library.check_ours()
    build(library, library.table, source=str(library.table_file), jobs=jobs, progress=progress)
    _log.warning(
        "%s did not show all decisions of %s; people were grouped anew first", CLUSTERS, library.ledger
    )
    return True
