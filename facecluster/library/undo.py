"""Decisions taken back: the last one, or that of an id, and an undo itself.

What the last decision changed is put back as it was, see `undo_patches`; else people are grouped anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from facecluster.errors import FaceclusterError
from facecluster.formats import decisions_jsonl
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    Cover,
    Decision,
    Draw,
    Hide,
    Name,
    Undo,
    Unsure,
    describe,
    in_force,
    undone,
)
from facecluster.library import drawn_faces, ledger, undo_patches
from facecluster.library.amend import Correction
from facecluster.library.change import Corrected, and_gone
from facecluster.library.held import Held
from facecluster.library.layout import CLUSTERS, group_again
from facecluster.text import many, printable, typed

_log = logging.getLogger(__name__)

_FINISHED = "an undo that was broken off is finished"
"""How an undo begins that only finishes another one."""


def undo(
    library: Held, which: str | None = None, *, number: int = 1, jobs: int = -1, progress: bool = False
) -> Corrected:
    """Take back what was done last, or the decision of an id.

    What one call decided is taken back together. What the last decision changed is put back as it was; for an earlier
    one people are grouped anew from the face table. If the last line is an undo that the people do not show, as it was
    broken off, and no id is given, that one is finished and nothing else is taken back.

    Args:
        library: it is about.
        which: id of a decision; None: what was done last.
        number: how many things are taken back, the last first; 1 with an id. Where there are fewer, all are.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Raises:
        DecisionsLackError: no decision gives somebody's name, see `Held.keep_to`.
        FaceclusterError: there is none, or it is undone already.
    """
    if which is not None:
        return _undo(library, which, jobs=jobs, progress=progress)
    done = [_undo(library, None, jobs=jobs, progress=progress)]
    first = None if done[0].decision is None else done[0].decision.act
    target = next((d for d in library.decisions if isinstance(first, Undo) and d.id == first.undo), None)
    if not done[0].said.startswith(_FINISHED):
        time = None if target is None else target.time
        while standing := _last_first(library):
            if standing[0].time != time:
                number -= 1
                if number == 0:
                    break
                time = standing[0].time
            done.append(_undo(library, standing[0].id, jobs=jobs, progress=progress))
        else:
            number -= 1
    *others, last = done
    said = "\n".join(one.said for one in done)
    if number > 0 and not said.startswith(_FINISHED):
        said += "\nthere is nothing else to be taken back"
    return replace(last, said=said, others=tuple(own for one in others for own in one.decisions))


def undo_all(library: Held, which: Sequence[str]) -> Corrected:
    """Take back the decisions of some ids, one after the other.

    Raises:
        FaceclusterError: there is no such decision, or it is undone already; those before it are taken back then.
    """
    done = [undo(library, one) for one in which]
    *others, last = done
    said = "\n".join(one.said for one in done)
    return replace(last, said=said, others=tuple(own for one in others for own in one.decisions))


def _last_first(library: Held) -> list[Decision]:
    """The decisions in force, the last first."""
    after = len(library.decisions) + 1
    return sorted(in_force(library.decisions), key=lambda d: (d.line or after, d.time), reverse=True)


def _undo(library: Held, which: str | None, *, jobs: int, progress: bool) -> Corrected:
    """Take one decision back: the last one, or that of an id."""
    library.keep_to(None)
    broken_off = ledger.broken_off(library) if which is None else None
    is_undo = broken_off is not None and isinstance(broken_off.act, Undo)
    if ledger.catch_up(library, jobs=jobs, progress=progress) and broken_off is not None and is_undo:
        _, finished = _undoing(library, broken_off)
        said = f"{_FINISHED}: {finished}; undo again to take another decision back"
        return Corrected(broken_off, said, in_step=True)
    target = _to_undo(library, which)
    decision = decisions_jsonl.decide(Undo(target.id), library.decisions)
    root, said = _undoing(library, decision)
    counts_again = root.id != target.id  # and may contradict others; what counts no more cannot
    if isinstance(root.act, Name | Hide | Cover | Unsure):
        return ledger.keep(library, Undo(target.id), None, said, check=counts_again, root=root)
    if isinstance(target.act, Draw) and not counts_again:
        correction, table = drawn_faces.take_out(library, target.act)
        went = [one for one in library.people.people if one.id in correction[0].changes.vanished]
        said += and_gone(went, {face.id for one in went for face in one.faces})
        return ledger.keep(library, Undo(target.id), correction, said, table, check=False)
    patched = None if counts_again else _put_back(library, target)
    if patched is not None:
        return ledger.keep(library, Undo(target.id), patched, said, check=False)
    if library.table_file is None:
        kept = ledger.keep(library, Undo(target.id), (library.people, None), said, check=counts_again)
        named = library.people.settings.table
        why = "its face table " + ("came through a pipe" if named is None else f"({named}) is gone")
        again = group_again(library.directory)
        _log.warning("%s does not show it yet, as %s; to see it: %s", CLUSTERS, why, again)
        return kept
    from facecluster.library.build import build  # scikit-learn is loaded only where people are grouped

    library.check_ours()
    table, source = library.table, str(library.table_file)
    try:
        resolve([*library.decisions, decision], table.faces, library=typed(library.directory))
    except FaceclusterError as error:
        if counts_again:
            raise
        library.record(decision)
        _log.warning("%s does not show it yet, as there is more to be taken back: %s", CLUSTERS, error)
        return Corrected(decision, said, in_step=False)
    library.record(decision)
    before = library.people
    try:
        result = build(library, table, source=source, jobs=jobs, progress=progress).result
    except FaceclusterError as error:
        raise ledger.half_kept(library, decision, error) from error
    said += f"; {many(result.counts.faces, 'face')} grouped anew, {many(result.counts.people, 'person', 'people')}"
    if result.counts.faces != before.counts.faces:
        said += f" (there were {many(before.counts.faces, 'face')} before: the face table is another since)"
    there = {person.name for person in result.people}
    gone = [printable(person.name) for person in before.people if person.name and person.name not in there]
    if gone:
        said += f"; nobody is named {' or '.join(gone)} any more"
    return Corrected(decision, said, in_step=True)


def _undoing(library: Held, decision: Decision) -> tuple[Decision, str]:
    """Say what an undo takes back: the decision, and a sentence; of an undo of an undo, what counts again by it."""
    by_id = {other.id: other for other in library.decisions}
    root, depth = decision, 0
    while isinstance(root.act, Undo) and root.act.undo in by_id:
        root, depth = by_id.pop(root.act.undo), depth + 1
    back = "taken back" if depth == 1 else "the undoing is taken back"
    return root, f"{back}: {describe(root.act)} ({root.id})"


def _put_back(library: Held, target: Decision) -> Correction | None:
    """Give the people as they were before a decision, with the names of now; None where that cannot be done.

    Where somebody was given a name since, who would be nobody then, all are grouped anew: a name keeps a person.
    """
    patched = undo_patches.apply(library, target.id)
    if patched is None:
        return None
    result, changed = patched
    decisions = [*library.decisions, decisions_jsonl.decide(Undo(target.id), library.decisions)]
    result = ledger.with_names(result, decisions, changed)
    now, then = ({person.name for person in of.people} for of in (library.people, result))
    return (result, changed) if now <= then | {None} else None


def _to_undo(library: Held, which: str | None) -> Decision:
    """The decision that is to be undone.

    Raises:
        FaceclusterError: there is none, or it is undone already.
    """
    if which is None:
        standing = _last_first(library)
        if not standing:
            raise FaceclusterError(f"{library.ledger}: there is no decision to be undone")
        return standing[0]
    found = [decision for decision in library.decisions if decision.id == which.lower()]
    if not found:
        near = "".join(f"\n  {d.id}  {describe(d.act)}" for d in in_force(library.decisions)[-10:])
        raise FaceclusterError(
            f"{library.ledger}: no decision has the id {printable(which)}; the last ones:{near}"
        )
    if found[0].id in undone(library.decisions):
        raise FaceclusterError(f"{which}: is undone already: {describe(found[0].act)}")
    return found[0]
