"""What a person says that moves no face: who is rightly placed, who are two people, how somebody is shown.

Each function says which decision that is, of the people as they are; `correct` makes a verb of it. People and faces are
meant as `refer` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import starmap

from facecluster.errors import FaceclusterError, UsageError
from facecluster.identity.decisions import (
    NOBODY,
    Cover,
    Decision,
    Different,
    Hide,
    Make,
    Move,
    Split,
    Spot,
    Spots,
    Unsure,
    in_force,
)
from facecluster.library.change import Change, Corrected, spots, typical
from facecluster.library.held import Held
from facecluster.library.refer import Spelling, called, find_faces, find_person, is_person, whose
from facecluster.result import Person
from facecluster.text import many, printable, some, typed

_N_NAMED = 6
"""People whom a sentence names."""


def confirm(library: Held, which: Sequence[str], who: str) -> Change | Corrected:
    """Say that faces of a person are that person's: they stay there whatever is clustered later.

    Raises:
        FaceclusterError: there is no such person or face, or a face is not this person's.
        UsageError: no face is given.
    """
    result = library.people
    if not which:
        raise UsageError("which faces? Give photos, or faces")
    person = find_person(result, who, library.look)
    theirs = {face.id: face for face in person.faces}
    found = {face.id: face for text in which for face in find_faces(result, text, person, library.look)}
    for id_, face in found.items():
        if id_ not in theirs:
            owner = whose(result, face)
            raise FaceclusterError(
                f"{Spelling(result).face(face)}: is {'nobody' if owner is None else called(owner)}'s, not a face of "
                f"{called(person)}; to give it to {person.id}: facecluster move {typed(library.directory)} {id_} "
                f"{person.id}"
            )
    faces = spots(theirs[id_] for id_ in theirs if id_ in found)
    if set(faces) <= _said_of(library.decisions, person):
        what = f"{many(len(faces), 'face')} of {called(person)} {'is' if len(faces) == 1 else 'are'}"
        return Corrected(None, f"{what} confirmed already; nothing was changed", library.in_step)
    # a founding face goes on founding: else who is confirmed most would be known least
    known = typical(person, [id_ for id_ in found if not theirs[id_].core]) or typical(person)
    act = Move(person=person.id, into=person.id, faces=faces, to=known, away=())
    said = f"{many(len(faces), 'face')} {'is' if len(faces) == 1 else 'are'} {called(person)}'s, as is confirmed now"
    return Change(act, (result, frozenset()), said)


def _said_of(decisions: Sequence[Decision], person: Person) -> set[Spot]:
    """The faces of which the last decision about each says that they are a person's."""
    ids, into = {person.id, *person.former}, dict[Spot, str | None]()
    for decision in in_force(decisions):
        match decision.act:
            case Move(into=own, faces=faces) | Split(into=own, faces=faces) | Make(person=own, faces=faces):
                into.update(dict.fromkeys(faces, own))
            case _:
                pass
    return {spot for spot, own in into.items() if own in ids}


def different(library: Held, who: str, other: str) -> Change | Corrected:
    """Say that two people are not one: no later run makes one of them; a later merge does.

    Raises:
        FaceclusterError: there is no such person.
        UsageError: both are one person.
    """
    result = library.people
    one, two = (find_person(result, text, library.look) for text in (who, other))
    if one.id == two.id:
        raise UsageError(f"{printable(who)} and {printable(other)} are one person: {called(one)}; give two")
    both = f"{called(one)} and {called(two)}"
    for decision in in_force(library.decisions):
        if isinstance(decision.act, Different) and {*decision.act.people} == {one.id, two.id}:
            return Corrected(None, f"{both} are told apart already; nothing was changed", library.in_step)
    update = result.settings.update
    if update is not None:  # a full run would not make one of them any more
        pairs = tuple(pair for pair in update.would_merge if {*pair} != {one.id, two.id})
        result = replace(result, settings=replace(result.settings, update=replace(update, would_merge=pairs)))
    act = Different((one.id, two.id), (typical(one), typical(two)))
    return Change(act, (result, frozenset()), f"{both} are two people, and are kept apart")


def not_theirs(library: Held, which: Sequence[str], who: str) -> Change:
    """Say that faces of nobody are not a person's. They stay nobody's, and may be anybody else's.

    Raises:
        FaceclusterError: there is no such person or face, or a face is somebody's.
    """
    result = library.people
    person = find_person(result, who, library.look)
    faces = [face for text in which for face in find_faces(result, text, None, library.look)]
    for face in faces:
        if (owner := whose(result, face)) is not None:
            raise FaceclusterError(f"{Spelling(result).face(face)}: is of {called(owner)}, and not of nobody")
    theirs = spots(faces)
    act = Different((NOBODY, person.id), (theirs, typical(person)))
    are = "is" if len(theirs) == 1 else "are"
    return Change(
        act, (result, frozenset()), f"{many(len(theirs), 'face')} of nobody {are} not {called(person)}"
    )


def hide(library: Held, who: Sequence[str], *, hidden: bool) -> Change | Corrected:
    """Leave people out of lists, or take them in again. They stay people.

    Raises:
        FaceclusterError: there is no such person.
        UsageError: nobody is given.
    """
    if not who:
        raise UsageError("whom? Give people, by id or name")
    people = {
        person.id: person for person in (find_person(library.people, text, library.look) for text in who)
    }
    changed = [person for person in people.values() if person.hidden != hidden]
    told = changed or [*people.values()]
    they_are = f"{_named(told)} {'is' if len(told) == 1 else 'are'}"
    if not changed:
        said = f"{they_are} {'left out of' if hidden else 'in'} lists already; nothing was changed"
        return Corrected(None, said, library.in_step)
    *others, last = (Hide(person.id, hidden, typical(person)) for person in changed)
    said = f"{they_are} {'left out of lists' if hidden else 'in lists again'} now"
    return Change(last, None, said, tuple(others))


def _named(people: Sequence[Person]) -> str:
    return some([called(person) for person in people], _N_NAMED)


def cover(library: Held, face: str) -> Change | Corrected:
    """Choose the face that stands for whoever holds it.

    Raises:
        FaceclusterError: there is no such face, or it is nobody's, or several are meant.
    """
    result = library.people
    found = {one.id: one for one in find_faces(result, face, None, library.look)}
    if len(found) > 1:
        raise FaceclusterError(f"{printable(face)}: {many(len(found), 'face')}; give one")
    (one,) = found.values()
    person = whose(result, one)
    if person is None:
        raise FaceclusterError(f"{Spelling(result).face(one)}: is nobody's, and no cover")
    spot, *_ = faces = spots([one])
    for decision in reversed(in_force(library.decisions)):
        if isinstance(decision.act, Cover) and decision.act.faces == faces and person.cover == one.id:
            said = (
                f"{Spelling(result).face(one)} is the cover of {called(person)} already; nothing was changed"
            )
            return Corrected(None, said, library.in_step)
    said = f"{Spelling(result).face(one)} is the cover of {called(person)} now"
    return Change(Cover(person.id, (spot,)), None, said)


def unsure(library: Held, question: str, sides: Sequence[Sequence[str]]) -> Change | Corrected:
    """Note that somebody could not answer a question, so that it is not asked again. It changes nobody.

    Args:
        library: it is about.
        question: its id.
        sides: whom or what it was about: each a person, or faces.

    Raises:
        FaceclusterError: there is no such person or face.
    """
    result = library.people

    def meant(*texts: str) -> Spots:
        if len(texts) == 1 and is_person(result, texts[0]):
            return typical(find_person(result, texts[0], library.look))
        return spots(face for text in texts for face in find_faces(result, text, None, library.look))

    act = Unsure(question, tuple(starmap(meant, sides)))
    for decision in in_force(library.decisions):
        if decision.act == act:  # of other faces it is another question, though it is called the same
            return Corrected(
                None, "that nobody could say is noted already; nothing was changed", library.in_step
            )
    return Change(act, (result, frozenset()), "noted that you could not say; it is not asked again")
