"""Corrections by somebody who knows better: name, merge, split, move, not a person, and undo.

Each is a line behind the others in decisions.jsonl, to which every later clustering keeps; and what it changes in the
people is changed at once. People and faces are meant as `refer` says.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.formats import decisions_jsonl
from facecluster.identity.assured import names
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    TYPICAL,
    Act,
    Decision,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spot,
    Spots,
    Undo,
    digest_of,
    in_force,
    mark,
    spots_of,
    undone,
)
from facecluster.library import amend, undo_patches
from facecluster.library.amend import Correction
from facecluster.library.held import Held
from facecluster.library.layout import CLUSTERS
from facecluster.library.refer import called, find, find_face, find_person
from facecluster.result import Changes, Person, PersonFace, Result, UnclusteredFace, columns
from facecluster.text import JOINERS, fold, many, printable

_log = logging.getLogger(__name__)

NOBODY = "nobody"
"""Whose a face is that is moved away from somebody."""

_LONGEST_NAME = 200
"""Letters."""


@dataclass(frozen=True)
class Corrected:
    """What was decided, and what it did.

    Attributes:
        decision: as it was written.
        said: the same in a sentence.
        in_step: whether the people show all decisions now; else they have to be clustered again.
    """

    decision: Decision
    said: str
    in_step: bool


def name(library: Held, who: str, new_name: str) -> Corrected:
    """Give a person a name; "" takes it away.

    The person keeps the name, and stays a person, whatever is clustered later.

    Raises:
        FaceclusterError: there is no such person, or somebody else has the name.
        UsageError: it is none that could be told apart from other things.
    """
    _catch_up(library)
    result = library.people
    person = find_person(result, who)
    new = _name(new_name)
    for other in result.people:
        if new is not None and other.id != person.id and other.name and fold(other.name) == fold(new):
            raise FaceclusterError(
                f"{called(other)} has that name; if they are one person, merge {other.id} and {person.id}"
            )
    so_far = {p.id: p.name for p in result.people if p.name is not None and p.id != person.id}
    given = so_far if new is None else {**so_far, person.id: new}
    said = f"{person.id} has no name now" if new is None else f"{person.id} is {printable(new)} now"
    if person.name not in (None, new):
        said += f", and was called {printable(person.name or '')} before"
    if fold(who) in map(fold, person.former):
        said += f" ({printable(who)} is {person.id} now)"
    return _keep(library, Name(person.id, new, _typical(person)), amend.set_names(result, given), said)


def merge(library: Held, who: Sequence[str]) -> Corrected:
    """Make one person of two or more, with the id of the first, and of their names the first.

    Raises:
        UsageError: fewer than two people, or one of them twice.
        FaceclusterError: there is no such person, or an earlier decision keeps them apart.
    """
    _catch_up(library)
    if len(who) < 2:
        raise UsageError("give two people or more, the one whose id and name stays first")
    people = [find_person(library.people, text) for text in who]
    for i, person in enumerate(people):
        if person.id in (other.id for other in people[:i]):
            raise UsageError(f"{called(person)} is named twice ({printable(who[i])}); give different people")
    act = Merge(tuple(p.id for p in people), tuple(_typical(p) for p in people))
    corrected, changed = amend.merge(library.people, people)
    one = next(person for person in corrected.people if person.id == people[0].id)
    all_of_them = " and ".join(called(person) for person in people)
    said = f"{all_of_them} are one person now: {called(one)}, with {many(one.n_faces, 'face')}"
    dropped = [printable(person.name) for person in people if person.name not in (None, one.name)]
    if dropped:
        said += f"; the name{'s' if len(dropped) > 1 else ''} {' and '.join(dropped)} "
        said += "are dropped" if len(dropped) > 1 else "is dropped"
    return _keep(library, act, (corrected, changed), said)


def split(library: Held, who: str, which: Sequence[str]) -> Corrected:
    """Make a new person of some faces of one.

    Raises:
        FaceclusterError: there is no such person or face, a face is somebody else's, or none would be left.
    """
    _catch_up(library)
    result = library.people
    person = find_person(result, who)
    theirs = {face.id for face in person.faces}
    ids = list(dict.fromkeys(find_face(result, text, person, library.photos_of).id for text in which))
    for id_ in ids:
        if id_ not in theirs:
            raise FaceclusterError(f"{id_}: is {_whose(result, id_)}, not a face of {called(person)}")
    if theirs <= set(ids):
        raise FaceclusterError(
            f"these are all faces of {called(person)}, and nothing would be left; give fewer"
        )
    faces = [face for face in person.faces if face.id in ids]
    corrected, changed = amend.split(result, person, ids)
    (new,) = corrected.changes.appeared
    act = Split(person.id, _spots(faces), _typical(person, ids), into=new)
    keeps = f"which keeps {len(person.faces) - len(faces)}"
    said = f"{new} is new, with {many(len(faces), 'face')} of {called(person)}, {keeps}"
    return _keep(library, act, (corrected, changed), said)


def move(library: Held, which: Sequence[str], to: str) -> Corrected:
    """Give faces to a person, or to "nobody".

    Raises:
        FaceclusterError: there is no such person or face, or a face is there already.
    """
    _catch_up(library)
    result = library.people
    into = None if fold(to) == NOBODY else find_person(result, to)
    ids = set[str]()
    for text in which:
        face = find_face(result, text, None, library.photos_of)
        if into is not None and face.id in {theirs.id for theirs in into.faces}:
            raise FaceclusterError(f"{printable(text)}: is a face of {called(into)} already")
        ids.add(face.id)
    origins = [person for person in result.people if any(face.id in ids for face in person.faces)]
    placed = {face.id for person in origins for face in person.faces}
    if into is None and not ids <= placed:
        raise FaceclusterError(f"{min(ids - placed)}: is nobody's already; leave it out")
    if into is None and len(origins) > 1:
        several = ", ".join(called(person) for person in origins)
        raise FaceclusterError(f"the faces are of several people ({several}); move those of one at a time")
    act = Move(
        person=origins[0].id if len(origins) == 1 else None,
        into=None if into is None else into.id,
        faces=_spots(face for face in _all_faces(result) if face.id in ids),
        to=None if into is None else _typical(into),
        away=tuple(spot for person in origins for spot in _typical(person, ids)),
    )
    said = f"{many(len(ids), 'face')} moved to {NOBODY if into is None else called(into)}"
    gone = [called(person) for person in origins if all(face.id in ids for face in person.faces)]
    if gone:
        said += f"; {', '.join(gone)} had no other and {'is' if len(gone) == 1 else 'are'} gone"
    return _keep(library, act, amend.move(result, ids, into), said)


def not_a_person(library: Held, what: Sequence[str]) -> Corrected:
    """Say that a person, or faces, are none: a statue, a poster.

    Raises:
        UsageError: people and faces are mixed, or several people are given.
        FaceclusterError: there is no such person or face.
    """
    _catch_up(library)
    result = library.people
    found = [find(result, text, library.photos_of) for text in what]
    people = [it for it in found if isinstance(it, Person)]
    if people and len(found) > 1:
        raise UsageError(f"{called(people[0])} is a person; give one person, or faces only")
    if people:
        (person,) = people
        act = NotAPerson(person.id, _typical(person))
        ids = {face.id for face in person.faces}
        said = f"{called(person)} is no person now; {many(person.n_faces, 'face')} left out"
    else:
        ids = {it.id for it in found}
        act = NotAPerson(None, _spots(face for face in _all_faces(result) if face.id in ids))
        said = f"{many(len(ids), 'face')} said to be no person's"
    return _keep(library, act, amend.not_a_person(result, ids), said)


def undo(library: Held, which: str | None = None, *, jobs: int = -1, progress: bool = False) -> Corrected:
    """Take a decision back: the last one, or that of an id.

    What the last decision changed is put back as it was; for an earlier one people are grouped anew from the face
    table. If the last line is an undo that the people do not show, as it was broken off, and no id is given, that one
    is finished and nothing else is taken back.

    Raises:
        DecisionsLackError: no decision gives somebody's name, see `Held.keep_to`.
        FaceclusterError: there is none, or it is undone already.
    """
    library.keep_to(None)
    broken_off = _broken_off(library) if which is None else None
    if _catch_up(library, jobs=jobs, progress=progress) and broken_off is not None:
        _, finished = _undoing(library, broken_off)
        said = (
            f"an undo that was broken off is finished: {finished}; undo again to take another decision back"
        )
        return Corrected(broken_off, said, in_step=True)
    target = _to_undo(library, which)
    decision = decisions_jsonl.decide(Undo(target.id), library.decisions)
    root, said = _undoing(library, decision)
    counts_again = root.id != target.id  # and may contradict others; what counts no more cannot
    if isinstance(root.act, Name):
        return _keep(library, Undo(target.id), None, said, check=counts_again)
    patched = None if counts_again else _put_back(library, target)
    if patched is not None:
        return _keep(library, Undo(target.id), patched, said, check=False)
    if library.table_file is None:
        kept = _keep(library, Undo(target.id), (library.people, None), said, check=counts_again)
        named = library.people.settings.table
        why = "its face table " + ("came through a pipe" if named is None else f"({named}) is gone")
        _log.warning("%s does not show it yet, as %s; cluster again to see it", CLUSTERS, why)
        return kept
    from facecluster.library.build import build  # scikit-learn is loaded only where people are grouped

    library.check_ours()
    table, source = library.table, str(library.table_file)
    try:
        resolve([*library.decisions, decision], table.faces)
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
        raise _kept(library, decision, error) from error
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


def _broken_off(library: Held) -> Decision | None:
    """The undo of the last line, if the people show all decisions but this one."""
    last = max(library.decisions, key=lambda decision: decision.line, default=None)
    if last is None or not isinstance(last.act, Undo) or library.in_step:
        return None
    others = [decision for decision in library.decisions if decision is not last]
    return last if library.people.settings.decisions == mark(others) else None


def _catch_up(library: Held, *, jobs: int = -1, progress: bool = False) -> bool:
    """Group people anew where they do not show all decisions, as something was broken off or written by hand.

    Returns:
        Whether that was done. It is not where there is no decision or no face table, or where decisions contradict
        each other: what is corrected then is the people as they are.
    """
    if library.result is None or library.in_step or not library.decisions or library.table_file is None:
        return False
    from facecluster.library.build import build  # scikit-learn is loaded only where people are grouped

    try:
        resolve(library.decisions, library.table.faces)
    except FaceclusterError:
        return False
    library.check_ours()
    build(library, library.table, source=str(library.table_file), jobs=jobs, progress=progress)
    _log.warning(
        "%s did not show all decisions of %s; people were grouped anew first", CLUSTERS, library.ledger
    )
    return True


def _put_back(library: Held, target: Decision) -> Correction | None:
    """Give the people as they were before a decision, with the names of now; None where that cannot be done.

    Where somebody was given a name since, who would be nobody then, all are grouped anew: a name keeps a person.
    """
    patched = undo_patches.apply(library, target.id)
    if patched is None:
        return None
    result, changed = patched
    decisions = [*library.decisions, decisions_jsonl.decide(Undo(target.id), library.decisions)]
    result = _renamed(result, decisions, changed)
    now, then = ({person.name for person in of.people} for of in (library.people, result))
    return (result, changed) if now <= then | {None} else None


def _to_undo(library: Held, which: str | None) -> Decision:
    """The decision that is to be undone.

    Raises:
        FaceclusterError: there is none, or it is undone already.
    """
    if which is None:
        standing = in_force(library.decisions)
        if not standing:
            raise FaceclusterError(f"{library.ledger}: there is no decision to be undone")
        return max(
            standing, key=lambda decision: (decision.line or len(library.decisions) + 1, decision.time)
        )
    found = [decision for decision in library.decisions if decision.id == which.lower()]
    if not found:
        near = "".join(f"\n  {d.id}  {describe(d.act)}" for d in in_force(library.decisions)[-10:])
        raise FaceclusterError(
            f"{library.ledger}: no decision has the id {printable(which)}; the last ones:{near}"
        )
    if found[0].id in undone(library.decisions):
        raise FaceclusterError(f"{which}: is undone already: {describe(found[0].act)}")
    return found[0]


def _keep(
    library: Held,
    act: Act,
    correction: Correction | tuple[Result, None] | None,
    said: str,
    *,
    check: bool = True,
) -> Corrected:
    """Write a decision, and the people that it makes.

    Args:
        library: it is about.
        act: what was decided.
        correction: the people as they are now, and whose faces changed (None: they do not show the decision); None:
            only names change, as the decisions have them.
        said: about it, for people.
        check: whether it may contradict others.

    Raises:
        FaceclusterError: it contradicts an earlier decision; nothing is written then.
        OutputError: it cannot be written.
    """
    before, in_step = library.people, library.in_step
    decision = decisions_jsonl.decide(act, library.decisions)
    decisions = [*library.decisions, decision]
    if check and not isinstance(act, Name):
        resolve(decisions, columns(before, _photos_of(decisions)))
    result, changed = (before, frozenset[str]()) if correction is None else correction
    if correction is None:
        renamed = _renamed(before, decisions, {person.id for person in before.people})
        result = replace(renamed, changes=Changes())
    shows = changed is not None
    settings = replace(result.settings, made_of="")  # a full run makes others of the same faces
    if in_step and shows:
        settings = replace(settings, decisions=mark(decisions))
    result = replace(result, settings=settings)
    library.record(decision)
    if changed is not None:
        try:
            if in_step and not isinstance(act, Undo | Name):  # a name is taken back without
                undo_patches.note(library, decision.id, before, result)
            library.save(result, changed=changed)
        except OutputError as error:
            raise _kept(library, decision, error) from error
    return Corrected(decision, said, in_step and shows)


def _kept(library: Held, decision: Decision, error: FaceclusterError) -> FaceclusterError:
    """Say that a decision was written, though what it makes was not."""
    return type(error)(
        f"{error}\n{library.ledger} has the decision ({decision.id}) all the same, and cluster will keep to it"
    )


def _renamed(result: Result, decisions: Sequence[Decision], whom: Collection[str]) -> Result:
    """Give people, by id, the names that the decisions say."""
    faces = columns(result, _photos_of(decisions))
    found = names(decisions, faces, faces.person)
    said = {result.people[number].id: name for number, name in found.items()}
    return replace(
        result,
        people=tuple(
            replace(person, name=said.get(person.id))
            if person.id in whom and person.name != said.get(person.id)
            else person
            for person in result.people
        ),
    )


def _photos_of(decisions: Sequence[Decision]) -> set[str]:
    """Ids of the photos that decisions are about: only their faces say what decisions mean."""
    return {spot.digest for decision in in_force(decisions) for spot in spots_of(decision.act)}


def describe(act: Act) -> str:
    """Put into a few words what was decided; ids are those of the time."""
    match act:
        case Name(person, given):
            return f"name {person} {'(none)' if given is None else printable(given)}"
        case Merge(people):
            return f"merge {' '.join(people)}"
        case Split(person, faces):
            return f"split {many(len(faces), 'face')} off {person}"
        case Move(into=into, faces=faces):
            return f"move {many(len(faces), 'face')} to {into or NOBODY}"
        case NotAPerson(person, faces):
            return f"not-a-person {person or many(len(faces), 'face')}"
        case Undo(undone_id):
            return f"undo {undone_id}"


def _name(text: str) -> str | None:
    """A name as it is kept; None for no name.

    Raises:
        UsageError: it is none that could be told apart from other things.
    """
    new = " ".join(text.split()).strip(JOINERS)
    if text and not new:
        raise UsageError('a name that nobody sees; give letters, or "" to take the name away')
    if not new.translate(dict.fromkeys(map(ord, JOINERS))).isprintable():
        raise UsageError(f"{printable(new)!r}: not a name that can be shown everywhere; give plain text")
    if len(new) > _LONGEST_NAME:
        raise UsageError(f"a name of {len(new)} letters; give one of up to {_LONGEST_NAME}")
    if fold(new) == NOBODY or re.fullmatch(r"person-\d+", fold(new)):
        raise UsageError(f"{new!r}: has a meaning of its own and is no name; give another")
    return new or None


def _typical(person: Person, without: Iterable[str] = ()) -> Spots:
    """The faces by which a person is known, but for some: founding ones first."""
    left_out = set(without)
    founding_first: list[PersonFace] = sorted(person.faces, key=lambda face: not face.core)
    return _spots(face for face in founding_first if face.id not in left_out)[:TYPICAL]


def _spots(faces: Iterable[PersonFace | UnclusteredFace]) -> Spots:
    """How decisions know faces; copies are one."""
    return tuple(dict.fromkeys(Spot(digest_of(face.id), face.known_at) for face in faces))


def _all_faces(result: Result) -> list[PersonFace | UnclusteredFace]:
    return [*(face for person in result.people for face in person.faces), *result.unclustered]


def _whose(result: Result, id_: str) -> str:
    """Say whose a face is."""
    for person in result.people:
        if any(face.id == id_ for face in person.faces):
            return f"of {called(person)}"
    return "nobody's"
