"""Corrections by somebody who knows better: name, make, merge, split, move, not a person, draw, and what is said.

Each is a line behind the others in decisions.jsonl, to which every later clustering keeps; and what it changes in the
people is changed at once, see `ledger`. People and faces are meant as `refer` says.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from facecluster.errors import FaceclusterError, UsageError
from facecluster.formats import decisions_jsonl
from facecluster.identity.decisions import (
    NOBODY,
    Make,
    Merge,
    Move,
    Name,
    NotAPerson,
    Split,
    Spots,
    in_force,
)
from facecluster.identity.gate import Reason
from facecluster.library import amend, drawn_faces, ledger, say
from facecluster.library.change import Change, Corrected, and_gone, spots, typical
from facecluster.library.held import Held
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
    with_tracks,
)
from facecluster.photos.kinds import EXTENSIONS
from facecluster.result import Person, PersonFace, Result, UnclusteredFace
from facecluster.text import JOINERS, SELECTORS, fold, many, printable, quoted, some, typed

_N_NAMED = 6
"""Photos that a sentence names."""
_LONGEST_NAME = 200
"""Letters."""
_NAME = "NAME"
"""What stands for a name in commands that messages propose; typed as it stands it is none."""


@ledger.once
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
    new = checked_name(new_name)
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
    said = ledger.with_names(library.people, library.decisions, {person.id})
    return any(one.id == person.id and one.name == person.name for one in said.people)


@ledger.once
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
    new = checked_name(new_name)
    other = _namesake(result, new)
    if other is not None:
        faces = " ".join(map(shlex.quote, which))
        raise FaceclusterError(
            f"{called(other)} is there already; to give these faces to {other.id}: facecluster move "
            f"{_quoted(library)} {faces} {other.id}"
        )
    ids = {face.id for text in which for face in with_tracks(result, find_faces(result, text, None, look))}
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
        said += f"; of these, {' and '.join(taken)}{and_gone(origins, ids)}"
    return Change(act, (corrected, changed), said)


@ledger.once
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


@ledger.once
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
        said = f"{', '.join(quoted(who))} are one person already: {called(people[0])}; nothing was changed"
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


@ledger.once
def split(library: Held, who: str, which: Sequence[str]) -> Change:
    """Make a new person of some faces of one.

    Raises:
        FaceclusterError: there is no such person or face, a face is somebody else's, or none would be left.
    """
    result = library.people
    look = library.look
    person = find_person(result, who, look)
    theirs = {face.id for face in person.faces}
    meant = (face for text in which for face in find_faces(result, text, person, look))
    found = {face.id: face for face in with_tracks(result, meant)}
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


@ledger.once
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
        faces = with_tracks(result, find_faces(result, text, None, library.look))
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
    said += and_gone(origins, ids) + _which(result, (f for f in faces_of(result) if f.id in ids), which)
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
    broken_off = ledger.broken_off(library)

    def is_last(meant: _NoPeople) -> bool:
        acts = [NotAPerson(person.id, typical(person)) for person in meant.people.values()]
        return broken_off is not None and broken_off.act in (
            *acts,
            NotAPerson(None, _spots_of(library, meant.ids)),
        )

    meant = ledger.again(library, broken_off, lambda: _no_people(library, what), is_last)
    if meant is None:
        broken_off = None
        ledger.catch_up(library)
        meant = _no_people(library, what)
    people, ids, already = meant
    so_already = _not_people_already(library) & ids
    ids -= so_already
    if not people and not ids:
        are_already = [f"{person} is nobody you know already" for person in already.values()]
        if so_already:
            are = "is" if len(so_already) == 1 else "are"
            are_already.append(f"{many(len(so_already), 'face')} {are} nobody you know already")
        ledger.finish(library)
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
        done.append(ledger.keep(library, act, correction, said, time=time, decided=decided))

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
            ids.update(face.id for face in with_tracks(library.people, it))
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


confirm = ledger.once(say.confirm)
different = ledger.once(say.different)
cover = ledger.once(say.cover)
not_theirs = ledger.once(say.not_theirs)
unsure = ledger.once(say.unsure)


@ledger.once
def hide(library: Held, who: Sequence[str]) -> Change | Corrected:
    """Leave people out of lists; they stay people. See `say.hide`."""
    return say.hide(library, who, hidden=True)


@ledger.once
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
    if who is not None and not _is_known(library.people, who) and checked_name(who) is None:
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
    kept = ledger.keep(library, change.act, change.correction, change.said, time=time)
    said = f"{drawn.said}; it is of {called(find_person(library.people, who))} now"
    return replace(kept, said=said, others=drawn.decisions)


@ledger.once
def _draw(library: Held, photo: str, box: Sequence[float]) -> Change | Corrected:
    """Put in the face that somebody drew, as one of nobody."""
    place = drawn_faces.place_of(library, photo, box)
    if drawn_faces.drawn_there(library, place) is not None:
        return Corrected(None, f"{place.name}: this face is drawn already", library.in_step)
    found = drawn_faces.find(library, place)
    seen = (
        "a face is put in"
        if found.is_face[0]
        else "nothing like a face is to be seen there; the box itself is put in"
    )
    return Change(found.acts[0], found.correction, f"{place.name}: {seen}", table=found.table)


def _is_known(result: Result, who: str) -> bool:
    """Say whether a text means a person who is there.

    Raises:
        FaceclusterError: it may be several, or is an id that nobody has.
    """
    if not is_person(result, who) and re.fullmatch(r"person-\d+", fold(who)) is None:
        return False
    find_person(result, who)
    return True


def checked_name(text: str) -> str | None:
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
