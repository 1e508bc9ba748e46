"""Decisions taken back: the last ones, or those of ids, and undos themselves.

What the last decisions changed is put back as it was, see `undo_patches`; else people are grouped anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby, islice

from facecluster.errors import FaceclusterError
from facecluster.formats import decisions_jsonl
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    Cover,
    Decision,
    Draw,
    Hide,
    Make,
    Name,
    Said,
    Undo,
    Unsure,
    describe,
    in_force,
    mark,
    undone,
)
from facecluster.library import drawn_faces, ledger, undo_patches
from facecluster.library.amend import Correction
from facecluster.library.change import Corrected, and_gone
from facecluster.library.held import Held
from facecluster.library.imports import WHOLE, in_words
from facecluster.library.layout import CLUSTERS, group_again
from facecluster.text import many, printable, quoted, typed

_log = logging.getLogger(__name__)

_N_NAMED = 6
"""Names that a sentence has."""


def undo(library: Held, *which: str, number: int = 1, jobs: int = -1, progress: bool = False) -> Corrected:
    """Take back what was done last, or the decisions of some ids.

    Without an id, what one call decided is taken back together. What one undo took back counts again together, with an
    id too. What the last decisions changed is put back as it was; for earlier ones people are grouped anew from the
    face table, once for all of them. If the last lines are undos that the people do not show, as they were broken off,
    and no id is given, these are finished and nothing else is taken back.

    Args:
        library: it is about.
        which: ids of decisions; none: what was done last. With `imports.WHOLE` after it an id means all of its call.
        number: how many things are taken back, the last first; 1 with an id. Where there are fewer, all are.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Raises:
        DecisionsLackError: no decision gives somebody's name, see `Held.keep_to`.
        FaceclusterError: there is none, or it is undone already.
    """
    library.keep_to(None)
    broken_off = [] if which else _broken_off(library)
    if ledger.catch_up(library, jobs=jobs, progress=progress) and broken_off:
        finished = "; ".join(_undoing(library, decision)[1] for decision in broken_off)
        said = (
            f"an undo that was broken off is finished: {finished}; undo again to take another decision back"
        )
        return Corrected(broken_off[-1], said, in_step=True, others=tuple(broken_off[:-1]))
    things = _of_ids(library, which) if which else _last(library, number)
    done = _take_back(library, things, jobs=jobs, progress=progress)
    said = "\n".join(one.said for one in done)
    if not which and len(things) < number:
        said += "\nthere is nothing else to be taken back"
    *others, last = (decision for one in done for decision in one.decisions)
    return Corrected(last, said, done[-1].in_step, tuple(others))


def _broken_off(library: Held) -> list[Decision]:
    """The undos of the last lines, if the people show all decisions but these."""
    if library.result is None or library.in_step:
        return []
    others = sorted(library.decisions, key=lambda decision: decision.line)
    undos = list[Decision]()
    while others and isinstance(others[-1].act, Undo):
        undos.insert(0, others.pop())
        if library.people.settings.decisions == mark(others):
            return undos
    return []


def _last(library: Held, number: int) -> list[list[Decision]]:
    """What was decided last: so many things, or all, the last first.

    Raises:
        FaceclusterError: there is none.
    """
    after = len(library.decisions) + 1
    standing = sorted(in_force(library.decisions), key=lambda d: (d.line or after, d.time), reverse=True)
    if not standing:
        raise FaceclusterError(f"{library.ledger}: there is no decision to be undone")
    return [[*thing] for _, thing in islice(groupby(standing, lambda decision: decision.time), number)]


def _of_ids(library: Held, which: Sequence[str]) -> list[list[Decision]]:
    """The decisions of some ids; of an undo, and where `WHOLE` says so, with the others of its call.

    Raises:
        FaceclusterError: there is no such decision, or it is undone already.
    """
    gone, by_id = undone(library.decisions), {decision.id: decision for decision in library.decisions}
    things = list[list[Decision]]()
    for text in which:
        target = by_id.get(text.lower().removesuffix(WHOLE))
        if target is None:
            near = "".join(f"\n  {d.id}  {describe(d.act)}" for d in in_force(library.decisions)[-10:])
            raise FaceclusterError(
                f"{library.ledger}: no decision has the id {printable(text)}; the last ones:{near}"
            )
        thing = [target]
        if text.endswith(WHOLE) or isinstance(target.act, Undo):
            thing = [
                one
                for one in reversed(library.decisions)
                if one.time == target.time and isinstance(one.act, Undo) == isinstance(target.act, Undo)
            ]
        left = [one for one in thing if one.id not in gone]
        if not left or (target.id in gone and not text.endswith(WHOLE)):
            raise FaceclusterError(f"{printable(text)}: is undone already: {describe(target.act)}")
        before = {one.id for those in things for one in those}
        if left := [one for one in left if one.id not in before]:
            things.append(left)
    return things


def _take_back(
    library: Held, things: Sequence[Sequence[Decision]], *, jobs: int, progress: bool
) -> list[Corrected]:
    """Take decisions back; those of a thing have one time, as what is decided by one call."""
    done, left, counts_again = list[Corrected](), list[tuple[Decision, str]](), False
    for thing in things:
        roots = _roots(library, thing)
        if len(thing) > 1 and all(root.said_by is not None for root in roots):
            undos = decisions_jsonl.decide_all(
                [(Undo(target.id), None) for target in thing], [*library.decisions, *(one for one, _ in left)]
            )
            said = _import_in_words(roots, counts_again=roots[0] is not thing[0])
            corrected = None if left else _import_back(library, thing, undos, said)
            if corrected is not None:
                done.append(corrected)
            elif library.table_file is not None:
                left += zip(undos, [said, *[""] * (len(undos) - 1)], strict=True)
                counts_again |= isinstance(thing[0].act, Undo)
            if corrected is not None or library.table_file is not None:
                continue
        time = None
        for target in thing:
            earlier = [*library.decisions, *(decision for decision, _ in left)]
            decision = decisions_jsonl.decide(Undo(target.id), earlier, time)
            time = decision.time
            root, said = _undoing(library, decision)
            corrected = None if left else _at_once(library, target, root, decision, said)
            if corrected is None:
                left.append((decision, said))
                counts_again |= root.id != target.id
            else:
                done.append(corrected)
    if left:
        done.append(_anew(library, left, counts_again=counts_again, jobs=jobs, progress=progress))
    return done


def _roots(library: Held, thing: Sequence[Decision]) -> list[Decision]:
    """Give what decisions are about: each itself; of an undo, what it takes back in the end, if that is here."""
    by_id = {one.id: one for one in library.decisions} if any(isinstance(d.act, Undo) for d in thing) else {}
    roots = []
    for root in thing:
        seen = set[str]()
        while isinstance(root.act, Undo) and root.act.undo in by_id and root.id not in seen:
            seen.add(root.id)
            root = by_id[root.act.undo]
        roots.append(root)
    return roots


def _import_in_words(roots: Sequence[Decision], *, counts_again: bool) -> str:
    """Say that an import is taken back, or counts again."""
    return f"{'the undoing is taken back' if counts_again else 'taken back'}: {in_words(roots)}"


def _import_back(
    library: Held, thing: Sequence[Decision], undos: Sequence[Decision], said: str
) -> Corrected | None:
    """Take an import back without grouping people anew; None where that cannot be done, and nothing was."""
    if all(isinstance(one.act, Said) for one in thing):  # these change nobody
        library.record(*undos)
        return Corrected(undos[-1], said, library.in_step, tuple(undos[:-1]))
    if any(isinstance(one.act, Undo | Draw) for one in thing):
        return None
    patched = undo_patches.apply(library, thing[0].time)
    if patched is None:
        return None
    before = library.people
    result = ledger.with_names(
        patched[0], [*library.decisions, *undos], {person.id for person in patched[0].people}
    )
    gave = {one.act.name for one in thing if isinstance(one.act, Name | Make)}
    now, then = ({person.name for person in of.people} for of in (before, result))
    if not now <= then | gave | {None}:
        return None
    return ledger.put(library, undos, (result, patched[1]), said, check=False)


def _at_once(
    library: Held, target: Decision, root: Decision, decision: Decision, said: str
) -> Corrected | None:
    """Take a decision back without grouping people anew; None where that cannot be done, and nothing was.

    Args:
        library: it is about.
        target: what is taken back.
        root: the same; or what counts again, where that is an undo.
        decision: the undo.
        said: about it, for people.
    """
    act, time = decision.act, decision.time
    counts_again = root.id != target.id  # and may contradict others; what counts no more cannot
    if isinstance(root.act, Name | Hide | Cover | Unsure | Said):
        return ledger.keep(library, act, None, said, check=counts_again, time=time, root=root)
    if isinstance(target.act, Draw):
        correction, table = drawn_faces.take_out(library, target.act)
        went = [one for one in library.people.people if one.id in correction[0].changes.vanished]
        said += and_gone(went, {face.id for one in went for face in one.faces})
        return ledger.keep(library, act, correction, said, table, check=False, time=time)
    patched = None if counts_again else _put_back(library, target, decision)
    if patched is not None:
        return ledger.keep(library, act, patched, said, check=False, time=time)
    if library.table_file is None:
        kept = ledger.keep(library, act, (library.people, None), said, check=counts_again, time=time)
        named = library.people.settings.table
        why = "its face table " + ("came through a pipe" if named is None else f"({named}) is gone")
        again = group_again(library.directory)
        _log.warning("%s does not show it yet, as %s; to see it: %s", CLUSTERS, why, again)
        return kept
    return None


def _anew(
    library: Held, undos: Sequence[tuple[Decision, str]], *, counts_again: bool, jobs: int, progress: bool
) -> Corrected:
    """Take decisions back, and group people anew.

    Args:
        library: it is about.
        undos: and what is said about each.
        counts_again: whether anything does by them.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.
    """
    from facecluster.library.build import build  # scikit-learn is loaded only where people are grouped

    *others, last = decisions = [decision for decision, _ in undos]
    said = "\n".join(one for _, one in undos if one)
    library.check_ours()
    table, source = library.table, str(library.table_file)
    try:
        resolve([*library.decisions, *decisions], table.faces, library=typed(library.directory))
    except FaceclusterError as error:
        if counts_again:
            raise
        for decision in decisions:
            library.record(decision)
        _log.warning("%s does not show it yet, as there is more to be taken back: %s", CLUSTERS, error)
        return Corrected(last, said, in_step=False, others=tuple(others))
    for decision in decisions:
        library.record(decision)
    before = library.people
    try:
        result = build(library, table, source=source, jobs=jobs, progress=progress).result
    except FaceclusterError as error:
        raise ledger.half_kept(library, last, error) from error
    said += f"; {many(result.counts.faces, 'face')} grouped anew, {many(result.counts.people, 'person', 'people')}"
    if result.counts.faces != before.counts.faces:
        said += f" (there were {many(before.counts.faces, 'face')} before: the face table is another since)"
    there = {person.name for person in result.people}
    gone = quoted(one.name for one in before.people if one.name and one.name not in there)
    if len(gone) > _N_NAMED:
        said += f"; {len(gone)} names are nobody's any more"
    elif gone:
        said += f"; nobody is named {' or '.join(gone)} any more"
    return Corrected(last, said, in_step=True, others=tuple(others))


def _undoing(library: Held, decision: Decision) -> tuple[Decision, str]:
    """Say what an undo takes back: the decision, and a sentence; of an undo of an undo, what counts again by it."""
    by_id = {other.id: other for other in library.decisions}
    root, depth = decision, 0
    while isinstance(root.act, Undo) and root.act.undo in by_id:
        root, depth = by_id.pop(root.act.undo), depth + 1
    back = "taken back" if depth == 1 else "the undoing is taken back"
    return root, f"{back}: {describe(root.act)} ({root.id})"


def _put_back(library: Held, target: Decision, decision: Decision) -> Correction | None:
    """Give the people as they were before a decision, with the names of now; None where that cannot be done.

    Where somebody was given a name since, who would be nobody then, all are grouped anew: a name keeps a person.
    """
    patched = undo_patches.apply(library, target.id)
    if patched is None:
        return None
    result, changed = patched
    result = ledger.with_names(result, [*library.decisions, decision], changed)
    now, then = ({person.name for person in of.people} for of in (library.people, result))
    return (result, changed) if now <= then | {None} else None
