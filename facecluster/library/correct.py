"""Corrections by somebody who knows better: name, make, merge, split, move, not a person, draw, what is said, and undo.

Each is a line behind the others in decisions.jsonl, to which every later clustering keeps; and what it changes in the
people is changed at once. People and faces are meant as `refer` says.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

from facecluster.durable.own_list import last_write
from facecluster.errors import FaceclusterError, OutputError, UsageError
from facecluster.formats import decisions_jsonl
from facecluster.identity.assured import names
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import (
    NOBODY,
    Act,
    Cover,
    Decision,
    Draw,
    Hide,
    Make,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spots,
    Undo,
    Unsure,
    describe,
    in_force,
    mark,
    spots_of,
    undone,
)
from facecluster.identity.gate import Reason
from facecluster.library import amend, drawn_faces, say, undo_patches
from facecluster.library.amend import Correction
from facecluster.library.change import Change, Corrected, spots, typical
from facecluster.library.held import Held
from facecluster.library.layout import CLUSTERS, group_again
from facecluster.library.refer import (
    Spelling,
    called,
    faces_of,
    find,
    find_faces,
    find_group,
    find_numbers,
    find_person,
    find_photos,
    find_strangers,
    is_person,
    whose,
)
from facecluster.library.showing import as_told
from facecluster.photos import EXTENSIONS
from facecluster.result import Changes, Person, PersonFace, Result, UnclusteredFace, columns
from facecluster.table import FaceTable
from facecluster.text import JOINERS, SELECTORS, fold, many, printable, some, typed

_log = logging.getLogger(__name__)


_Asked = ParamSpec("_Asked")
_T = TypeVar("_T")

_FINISHED = "an undo that was broken off is finished"
"""How `undo` begins that only finishes another one."""

_N_NAMED = 6
"""Photos that a sentence names."""
_LONGEST_NAME = 200
"""Letters."""
_NAME = "NAME"
"""What stands for a name in commands that messages propose; typed as it stands it is none."""


def _once(
    asked: Callable[Concatenate[Held, _Asked], Change | Corrected],
) -> Callable[Concatenate[Held, _Asked], Corrected]:
    """Make a verb of a function that says what is asked for, of the people as they are.

    Where a kill came between the decision and its people, and the same is asked for again, the decision that is there
    counts. Anything else is asked of the people whom it makes.
    """

    @wraps(asked)
    def verb(library: Held, /, *what: _Asked.args, **how: _Asked.kwargs) -> Corrected:
        last = _broken_off(library)

        def ask() -> Change | Corrected:
            return asked(library, *what, **how)

        def is_last(change: Change | Corrected) -> bool:
            return (
                isinstance(change, Change) and last is not None and last.act in (*change.others, change.act)
            )

        change = _again(library, last, ask, is_last)
        if change is None:
            last = None
            catch_up(library)
            change = ask()
        if isinstance(change, Corrected):
            _finish(library)
            return change
        act, correction, said, others, table = change
        return _keep(library, act, correction, said, table, others=others, decided=last)

    return verb


@_once
def name(library: Held, who: str, new_name: str) -> Change | Corrected:
    """Give a person a name; "" takes it away.

    The person keeps the name, and stays a person, whatever is clustered later.

    Raises:
        FaceclusterError: there is no such person, or somebody else has the name.
        UsageError: it is none that could be told apart from other things.
    """
    return _ask_name(library, who, new_name)


def _ask_name(library: Held, who: str, new_name: str) -> Change | Corrected:
    result = library.people
    person = find_person(result, who, library.look)
    new = _name(new_name)
    other = _namesake(result, new)
    if other is not None and other.id != person.id:
        raise FaceclusterError(
            f"{called(other)} has that name already; if they are one person: facecluster merge "
            f"{_quoted(library)} {other.id} {person.id}"
        )
    if person.name == new and _is_decided(library, person):
        said = "has no name anyway" if new is None else f"is called {printable(new)} already"
        return Corrected(None, f"{person.id} {said}; nothing was changed", library.in_step)
    so_far = {p.id: p.name for p in result.people if p.name is not None and p.id != person.id}
    given = so_far if new is None else {**so_far, person.id: new}
    said = f"{person.id} has no name now" if new is None else f"{person.id} is {printable(new)} now"
    if person.name not in (None, new):
        said += f", and was called {printable(person.name or '')} before"
    if fold(who) in map(fold, person.former):
        said += f" ({printable(who)} is {person.id} now)"
    return Change(Name(person.id, new, typical(person)), amend.set_names(result, given), said)


def _is_decided(library: Held, person: Person) -> bool:
    """Say whether decisions give a person the name that it has, or none where it has none."""
    said = _told(library.people, library.decisions, {person.id})
    return any(one.id == person.id and one.name == person.name for one in said.people)


@_once
def make(library: Held, new_name: str, which: Sequence[str]) -> Change:
    """Make a new person of faces, whosever they are, mostly of nobody; with a name, or with none where it is "".

    Raises:
        FaceclusterError: there is no such face, or somebody has the name.
        UsageError: the name is none that could be told apart from other things; no face is given.
    """
    return _ask_make(library, new_name, which)


def _ask_make(library: Held, new_name: str, which: Sequence[str]) -> Change:
    result, look = library.people, library.look
    if not which:
        raise UsageError("of which faces? Give photos, faces, or a group that show --nobody lists")
    new = _name(new_name)
    other = _namesake(result, new)
    if other is not None:
        faces = " ".join(map(shlex.quote, which))
        raise FaceclusterError(
            f"{called(other)} is there already; to give these faces to {other.id}: facecluster move "
            f"{_quoted(library)} {faces} {other.id}"
        )
    ids = {face.id for text in which for face in find_faces(result, text, None, look)}
    origins = [person for person in result.people if any(face.id in ids for face in person.faces)]
    corrected, changed = amend.make(result, ids, new)
    person = next(person for person in corrected.people if person.id in corrected.changes.appeared)
    act = Make(
        person.id,
        new,
        spots(person.faces),
        tuple(spot for origin in origins for spot in typical(origin, ids)),
    )
    said = f"{called(person)} is new, with {many(person.n_faces, 'face')}"
    if origins:
        taken = (f"{sum(face.id in ids for face in origin.faces)} of {called(origin)}" for origin in origins)
        said += f"; of these, {' and '.join(taken)}{_and_gone(origins, ids)}"
    return Change(act, (corrected, changed), said)


@_once
def name_or_make(library: Held, texts: Sequence[str]) -> Change | Corrected:
    """Name a person (PERSON NAME), or make one of faces (NAME FACE...), whichever the texts can mean.

    Raises:
        UsageError: too few texts.
        FaceclusterError: they can mean neither, or mean something that another verb does.
    """
    if len(texts) < 2:
        raise UsageError('give a person and a name (person-0003 "Anna Berg"), or a name and faces')
    who, *rest = texts
    result, look = library.people, library.look
    is_face = _is_face(library, rest[0]) if rest[0] else False
    if is_person(result, who) and (is_face or len(rest) > 1):
        there = called(find_person(result, who))
        faces = " ".join(map(shlex.quote, rest))
        raise FaceclusterError(
            f"{there} is there already; to give these faces to that person: facecluster move {_quoted(library)} "
            f"{faces} {shlex.quote(who)}"
        )
    if len(rest) == 1 and not is_face:
        if is_person(result, who) or _is_face(library, who):
            return _ask_name(library, who, rest[0])
        find_photos(result, rest[0], look)  # says where several photos are called so
        if "#" in rest[0] or os.sep in rest[0] or os.path.splitext(rest[0])[1].lower() in EXTENSIONS:
            find_faces(result, rest[0], None, look)  # says what is like it
        if is_person(result, rest[0]):
            raise FaceclusterError(
                f"{printable(who)}: no such person; to name {called(find_person(result, rest[0]))} so: "
                f"facecluster name {_quoted(library)} {shlex.quote(rest[0])} {shlex.quote(who)}"
            )
        find_person(result, who)  # says who is like it
    return _ask_make(library, who, rest)


def _is_face(library: Held, text: str) -> bool:
    """Say whether a text means a face, a photo or a group, and no person."""
    result, look = library.people, library.look
    if is_person(result, text):
        return False
    if find_group(text, look) or find_photos(result, text, look):
        return True
    try:
        find_faces(result, text, None, look)
    except FaceclusterError:
        return False
    return True


def _namesake(result: Result, name: str | None) -> Person | None:
    """Say who has a name."""
    if name is None:
        return None
    return next((p for p in result.people if p.name is not None and fold(p.name) == fold(name)), None)


def _quoted(library: Held) -> str:
    return typed(library.directory)


def _and_gone(origins: Sequence[Person], ids: Collection[str]) -> str:
    """Say which people have no other faces than these."""
    gone = [called(person) for person in origins if all(face.id in ids for face in person.faces)]
    if not gone:
        return ""
    return f"; {', '.join(gone)} had no other and {'is' if len(gone) == 1 else 'are'} gone"


@_once
def merge(library: Held, who: Sequence[str]) -> Change | Corrected:
    """Make one person of two or more, with the id of the first, and of their names the first.

    Raises:
        UsageError: fewer than two people, or one of them twice.
        FaceclusterError: there is no such person.
    """
    if len(who) < 2:
        raise UsageError("give two people or more, the one whose id and name stays first")
    people = [find_person(library.people, text, library.look) for text in who]
    if len({person.id for person in people}) == 1 and fold(who[-1]) in map(fold, people[0].former):
        said = f"{', '.join(map(printable, who))} are one person already: {called(people[0])}; nothing was changed"
        return Corrected(None, said, library.in_step)
    for i, person in enumerate(people):
        if person.id in (other.id for other in people[:i]):
            raise UsageError(f"{called(person)} is named twice ({printable(who[i])}); give different people")
    act = Merge(tuple(p.id for p in people), tuple(typical(p) for p in people))
    corrected, changed = amend.merge(library.people, people)
    one = next(person for person in corrected.people if person.id == people[0].id)
    all_of_them = " and ".join(called(person) for person in people)
    said = f"{all_of_them} are one person now: {called(one)}, with {many(one.n_faces, 'face')}"
    dropped = [printable(person.name) for person in people if person.name not in (None, one.name)]
    if dropped:
        said += f"; the name{'s' if len(dropped) > 1 else ''} {' and '.join(dropped)} "
        said += "are dropped" if len(dropped) > 1 else "is dropped"
    return Change(act, (corrected, changed), said)


@_once
def split(library: Held, who: str, which: Sequence[str]) -> Change:
    """Make a new person of some faces of one.

    Raises:
        FaceclusterError: there is no such person or face, a face is somebody else's, or none would be left.
    """
    result = library.people
    look = library.look
    person = find_person(result, who, look)
    theirs = {face.id for face in person.faces}
    found = {face.id: face for text in which for face in find_faces(result, text, person, look)}
    ids = list(found)
    for id_ in ids:
        if id_ not in theirs:
            raise FaceclusterError(
                f"{Spelling(result).face(found[id_])}: is {_whose(result, found[id_])}, not a face of {called(person)}"
            )
    if theirs <= set(ids):
        raise FaceclusterError(
            f"these are all faces of {called(person)}, and nothing would be left; give fewer"
        )
    faces = [face for face in person.faces if face.id in ids]
    corrected, changed = amend.split(result, person, ids)
    (new,) = corrected.changes.appeared
    act = Split(person.id, spots(faces), typical(person, ids), into=new)
    keeps = f"which keeps {len(person.faces) - len(faces)}"
    said = f"{new} is new, with {many(len(faces), 'face')} of {called(person)}, {keeps}"
    said += _which(result, faces, which)
    return Change(act, (corrected, changed), said)


@_once
def move(library: Held, which: Sequence[str], to: str) -> Change:
    """Give faces to a person, or to "nobody".

    Raises:
        FaceclusterError: there is no such person or face, or a face is there already.
    """
    return _ask_move(library, which, to)


def _ask_move(library: Held, which: Sequence[str], to: str) -> Change:
    result = library.people
    into = None if fold(to) == NOBODY else find_person(result, to, library.look)
    ids = set[str]()
    for text in which:
        faces = find_faces(result, text, None, library.look)
        if into is not None and not {face.id for face in faces}.isdisjoint(own.id for own in into.faces):
            raise FaceclusterError(f"{printable(text)}: is a face of {called(into)} already; leave it out")
        ids.update(face.id for face in faces)
    origins = [person for person in result.people if any(face.id in ids for face in person.faces)]
    placed = {face.id for person in origins for face in person.faces}
    if into is None and not ids <= placed:
        free = next(face for face in result.unclustered if face.id in ids - placed)
        raise FaceclusterError(f"{Spelling(result).face(free)}: is nobody's already; leave it out")
    if into is None and len(origins) > 1:
        several = ", ".join(called(person) for person in origins)
        raise FaceclusterError(f"the faces are of several people ({several}); move those of one at a time")
    act = Move(
        person=origins[0].id if len(origins) == 1 else None,
        into=None if into is None else into.id,
        faces=spots(face for face in faces_of(result) if face.id in ids),
        to=None if into is None else typical(into),
        away=tuple(spot for person in origins for spot in typical(person, ids)),
    )
    said = f"{many(len(ids), 'face')} moved to {NOBODY if into is None else called(into)}"
    said += _and_gone(origins, ids) + _which(result, (f for f in faces_of(result) if f.id in ids), which)
    return Change(act, amend.move(result, ids, into), said)


def _which(result: Result, faces: Iterable[PersonFace | UnclusteredFace], given: Sequence[str]) -> str:
    """Name the photos of faces that were given by numbers, as a montage that is looked at may be an earlier one."""
    if not any(re.search(r"(^|#)\d+(-\d+)?$", text) for text in given):
        return ""
    spelling = Spelling(result)
    return f": {some([spelling.face(face) for face in {face.id: face for face in faces}.values()], _N_NAMED)}"


def not_a_person(library: Held, what: Sequence[str]) -> Corrected:
    """Say that people, or faces, are none whom somebody knows: a statue, a poster, strangers.

    Args:
        library: it is about.
        what: people; faces; groups of strangers; photos with several faces, or folders: all faces of nobody in them.

    Raises:
        FaceclusterError: there is no such person or face.
    """
    broken_off = _broken_off(library)

    def is_last(meant: _NoPeople) -> bool:
        acts = [NotAPerson(person.id, typical(person)) for person in meant.people.values()]
        return broken_off is not None and broken_off.act in (
            *acts,
            NotAPerson(None, _spots_of(library, meant.ids)),
        )

    meant = _again(library, broken_off, lambda: _no_people(library, what), is_last)
    if meant is None:
        broken_off = None
        catch_up(library)
        meant = _no_people(library, what)
    people, ids, already = meant
    so_already = _not_people_already(library) & ids
    ids -= so_already
    if not people and not ids:
        are_already = [f"{person} is nobody you know already" for person in already.values()]
        if so_already:
            are = "is" if len(so_already) == 1 else "are"
            are_already.append(f"{many(len(so_already), 'face')} {are} nobody you know already")
        _finish(library)
        return Corrected(None, f"{'; '.join(are_already)}; nothing was changed", library.in_step)
    if broken_off is not None:
        time = broken_off.time
    elif already and library.decisions[-1].id in already:  # of this call, which was broken off after it
        time = library.decisions[-1].time
    else:
        time = decisions_jsonl.now(library.decisions)
    done: list[Corrected] = []

    def keep(act: NotAPerson, ids: set[str], said: str) -> None:
        decided = broken_off if broken_off is not None and broken_off.act == act else None
        correction = amend.not_a_person(library.people, ids)
        done.append(_keep(library, act, correction, said, time=time, decided=decided))

    for person in people.values():
        said = f"{called(person)} is nobody you know now; {many(person.n_faces, 'face')} moved to {NOBODY}"
        keep(NotAPerson(person.id, typical(person)), {face.id for face in person.faces}, said)
    if ids:
        said = f"{many(len(ids), 'face')} said to be nobody you know"
        if so_already:
            said += f" ({len(so_already)} more {'was' if len(so_already) == 1 else 'were'} that already)"
        keep(NotAPerson(None, _spots_of(library, ids)), ids, said)
    *others, last = done
    return replace(
        last,
        said="; ".join(one.said for one in done),
        others=tuple(own for one in others for own in one.decisions),
    )


class _NoPeople(NamedTuple):
    """Who is meant by what is to be nobody.

    Attributes:
        people: by id.
        ids: of faces of nobody of them.
        already: ids of those who are nobody already, by id of the decision that says so.
    """

    people: dict[str, Person]
    ids: set[str]
    already: dict[str, str]


def _no_people(library: Held, what: Sequence[str]) -> _NoPeople:
    """Find who is meant."""
    people: dict[str, Person] = {}
    ids = set[str]()
    already: dict[str, str] = {}
    for text in what:
        try:
            it = _person_or_faces(library, text)
        except FaceclusterError:
            said = _said_nobody(library, text)
            if not said:
                raise
            already |= said
            continue
        if isinstance(it, Person):
            people[it.id] = it
        else:
            ids.update(face.id for face in it)
    return _NoPeople(people, ids - {face.id for person in people.values() for face in person.faces}, already)


def _said_nobody(library: Held, text: str) -> dict[str, str]:
    """Who of this id or name is nobody, by id of the decision that says so; empty where none does."""
    standing = [(one, one.act) for one in in_force(library.decisions)]
    ids = {fold(text)}
    for _, act in standing:
        if isinstance(act, Name | Make) and fold(act.name or "") == fold(text):
            ids.add(fold(act.person))
    for said, act in reversed(standing):
        if isinstance(act, NotAPerson) and act.person is not None and fold(act.person) in ids:
            return {said.id: act.person}
    return {}


def _spots_of(library: Held, ids: Collection[str]) -> Spots:
    return spots(face for face in faces_of(library.people) if face.id in ids)


def _not_people_already(library: Held) -> set[str]:
    """Ids of the faces that are no person's, as decisions in force say."""
    if not library.decisions or not library.in_step:
        return set()
    return {face.id for face in library.people.unclustered if face.reason == Reason.NOT_A_PERSON.code}


def _person_or_faces(library: Held, text: str) -> Person | Sequence[PersonFace | UnclusteredFace]:
    """Find whom or what a text of `not_a_person` means.

    Raises:
        FaceclusterError: there is no such person or face.
    """
    result, look = library.people, library.look
    if (face := result.face_of.get(text)) is not None:
        return [face]
    if is_person(result, text):
        return find_person(result, text)
    if faces := find_group(text, look) or find_numbers(result, text):
        return faces
    photos = find_photos(result, text, look)
    n_faces = len({face.id for face in faces_of(result) if face.photo in photos})
    if (n_faces != 1 or not photos) and (free := find_strangers(result, text, look)):
        return free
    it = find(result, text, look)
    return it if isinstance(it, Person) else [it]


confirm = _once(say.confirm)
different = _once(say.different)
cover = _once(say.cover)
not_theirs = _once(say.not_theirs)
unsure = _once(say.unsure)


@_once
def hide(library: Held, who: Sequence[str]) -> Change | Corrected:
    """Leave people out of lists; they stay people. See `say.hide`."""
    return say.hide(library, who, hidden=True)


@_once
def unhide(library: Held, who: Sequence[str]) -> Change | Corrected:
    """Take people into lists again. See `say.hide`."""
    return say.hide(library, who, hidden=False)


def draw(library: Held, photo: str, box: Sequence[float], who: str | None = None) -> Corrected:
    """Say that there is a face which no detector found, and whose it is.

    The face that is likest to one in the box is measured and encoded; where there is none, the box is the face.

    Args:
        library: it is about.
        photo: of the library, as `refer` understands it, or its id.
        box: left, top, right, bottom in pixels of the upright photo, drawn round the face.
        who: a person; or the name of somebody new; None: nobody, until people are grouped again.

    Raises:
        TableError: the library has no face table.
        UsageError: it is no box, or too small, or not within the photo; or no name.
        FaceclusterError: there is no such photo or person, or a face is there already; the photo cannot be read, or is
            another one now.
    """
    if who is not None and not _is_known(library.people, who) and _name(who) is None:
        raise UsageError("an empty name; give a person or a name, or leave it out")
    drawn = _draw(library, photo, box)
    there = drawn_faces.drawn_there(library, drawn_faces.place_of(library, photo, box))
    if who is None or there is None:
        return drawn
    decision, face = there
    owner = next((p for p in library.people.people if any(own.id == face for own in p.faces)), None)
    if owner is not None:
        if _is_known(library.people, who) and find_person(library.people, who) is owner:
            return replace(drawn, said=f"{drawn.said}, and is of {called(owner)}; nothing was changed")
        raise FaceclusterError(
            f"{drawn.said}, and is of {called(owner)}; to give it to somebody else: facecluster move "
            f"{_quoted(library)} {face} {shlex.quote(who)}"
        )
    is_known = _is_known(library.people, who)
    change = _ask_move(library, [face], who) if is_known else _ask_make(library, who, [face])
    time = decision.time if library.decisions[-1] is decision else None  # both are taken back together
    kept = _keep(library, change.act, change.correction, change.said, time=time)
    said = f"{drawn.said}; it is of {called(find_person(library.people, who))} now"
    return replace(kept, said=said, others=drawn.decisions)


@_once
def _draw(library: Held, photo: str, box: Sequence[float]) -> Change | Corrected:
    """Put in the face that somebody drew, as one of nobody."""
    place = drawn_faces.place_of(library, photo, box)
    if drawn_faces.drawn_there(library, place) is not None:
        return Corrected(None, f"{place.name}: this face is drawn already", library.in_step)
    found = drawn_faces.find(library, place)
    seen = (
        "a face is put in"
        if found.is_face
        else "nothing like a face is to be seen there; the box itself is put in"
    )
    return Change(found.act, found.correction, f"{place.name}: {seen}", table=found.table)


def _is_known(result: Result, who: str) -> bool:
    """Say whether a text means a person who is there.

    Raises:
        FaceclusterError: it may be several, or is an id that nobody has.
    """
    if not is_person(result, who) and re.fullmatch(r"person-\d+", fold(who)) is None:
        return False
    find_person(result, who)
    return True


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
    broken_off = _broken_off(library) if which is None else None
    is_undo = broken_off is not None and isinstance(broken_off.act, Undo)
    if catch_up(library, jobs=jobs, progress=progress) and broken_off is not None and is_undo:
        _, finished = _undoing(library, broken_off)
        said = f"{_FINISHED}: {finished}; undo again to take another decision back"
        return Corrected(broken_off, said, in_step=True)
    target = _to_undo(library, which)
    decision = decisions_jsonl.decide(Undo(target.id), library.decisions)
    root, said = _undoing(library, decision)
    counts_again = root.id != target.id  # and may contradict others; what counts no more cannot
    if isinstance(root.act, Name | Hide | Cover | Unsure):
        return _keep(library, Undo(target.id), None, said, check=counts_again, root=root)
    if isinstance(target.act, Draw) and not counts_again:
        correction, table = drawn_faces.take_out(library, target.act)
        went = [one for one in library.people.people if one.id in correction[0].changes.vanished]
        said += _and_gone(went, {face.id for one in went for face in one.faces})
        return _keep(library, Undo(target.id), correction, said, table, check=False)
    patched = None if counts_again else _put_back(library, target)
    if patched is not None:
        return _keep(library, Undo(target.id), patched, said, check=False)
    if library.table_file is None:
        kept = _keep(library, Undo(target.id), (library.people, None), said, check=counts_again)
        named = library.people.settings.table
        why = "its face table " + ("came through a pipe" if named is None else f"({named}) is gone")
        again = group_again(library.directory)
        _log.warning("%s does not show it yet, as %s; to see it: %s", CLUSTERS, why, again)
        return kept
    from facecluster.library.build import build  # scikit-learn is loaded only where people are grouped

    library.check_ours()
    table, source = library.table, str(library.table_file)
    try:
        resolve([*library.decisions, decision], table.faces, library=_quoted(library))
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
    """The decision of the last line, if the people show all decisions but this one."""
    last = max(library.decisions, key=lambda decision: decision.line, default=None)
    if last is None or library.result is None or library.in_step:
        return None
    others = [decision for decision in library.decisions if decision is not last]
    return last if library.people.settings.decisions == mark(others) else None


def _again(
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


def _finish(library: Held) -> None:
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
        resolve(library.decisions, library.table.faces, library=_quoted(library))
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
    result = _told(result, decisions, changed)
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


def _keep(
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
    before, in_step = library.people, library.in_step
    new, time = list[Decision](), time if decided is None else decided.time
    for one in (*others, act):
        is_written = decided is not None and decided.act == one
        decision = decided if is_written and decided is not None else None
        new.append(decision or decisions_jsonl.decide(one, [*library.decisions, *new], time))
        time = new[0].time if others else time
    *earlier, decision = new
    if isinstance(act if root is None else root.act, Unsure):  # it changes nobody
        library.record(decision)
        return Corrected(decision, said, in_step)
    decisions = [*library.decisions, *new]
    if check and not isinstance(act, Name | Hide | Cover):
        resolve(decisions, columns(before, _photos_of(decisions)), library=_quoted(library))
    result, changed = (before, frozenset[str]()) if correction is None else correction
    if correction is None:
        told = _told(before, decisions, {person.id for person in before.people})
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
    for made in new:
        if made is not decided:
            library.record(made)
        else:
            library.check_ours()
            library.decisions.append(made)
    if changed is not None:
        try:
            if table is not None and library.table_file is not None:
                library.put_table(table, library.table_file)
            if in_step and not isinstance(
                act, Undo | Name | Hide | Cover | Draw
            ):  # these are taken back without
                undo_patches.note(library, decision.id, before, result)
            library.save(result, changed=changed)
        except OutputError as error:
            raise _kept(library, decision, error) from error
    return Corrected(decision, said, in_step and shows, tuple(earlier))


def _kept(library: Held, decision: Decision, error: FaceclusterError) -> FaceclusterError:
    """Say that a decision was written, though what it makes was not."""
    return type(error)(
        f"{error}\n{library.ledger} has the decision ({decision.id}) all the same, and cluster will keep to it"
    )


def _told(result: Result, decisions: Sequence[Decision], whom: Collection[str]) -> Result:
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


def _name(text: str) -> str | None:
    """A name as it is kept; None for no name.

    Raises:
        UsageError: it is none that could be told apart from other things.
    """
    new = " ".join(text.split()).strip(JOINERS)
    if text and not new.strip(JOINERS + SELECTORS):
        raise UsageError('a name that nobody sees; give letters, or "" to take the name away')
    if new == _NAME:
        raise UsageError(f"give a name in place of {_NAME}")
    if printable(new) != new:
        raise UsageError(f"{printable(new)!r}: not a name that can be shown everywhere; give plain text")
    if len(new) > _LONGEST_NAME:
        raise UsageError(f"a name of {len(new)} letters; give one of up to {_LONGEST_NAME}")
    if fold(new) == NOBODY or re.fullmatch(r"person-\d+", fold(new)):
        raise UsageError(f"{new!r}: has a meaning of its own and is no name; give another")
    return new or None


def _whose(result: Result, face: PersonFace | UnclusteredFace) -> str:
    """Say whose a face is."""
    person = whose(result, face)
    return "nobody's" if person is None else f"of {called(person)}"
