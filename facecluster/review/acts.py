"""What a page asks the library to do: JSON to the library's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from facecluster.errors import FaceclusterError, UsageError
from facecluster.library import correct, undo
from facecluster.text import check_text, fold, many, printable

if TYPE_CHECKING:
    from facecluster.library.change import Corrected
    from facecluster.library.questions import Question
    from facecluster.result import Person
    from facecluster.review.behind import Behind
    from facecluster.review.desk import Desk
    from facecluster.review.view import View

Act = Callable[["Behind"], "Corrected"]


class NamesakeError(FaceclusterError):
    """Somebody else has the name that was given.

    Attributes:
        namesake: who has it.
        view: of the library.
    """

    def __init__(self, namesake: Person, view: View) -> None:
        super().__init__(f"{printable(namesake.name or '')} is the name of {namesake.id} already")
        self.namesake, self.view = namesake, view


class GrownError(FaceclusterError):
    """The person of a question has more faces than were shown.

    Attributes:
        question: as it is now.
    """

    def __init__(self, question: Question, n_shown: int) -> None:
        n, who = question.left.n_faces, printable(question.left.name or "this person")
        super().__init__(f"{who} has {many(n, 'face')} now, and {n_shown} when you were asked; look again")
        self.question = question


def act_of(sent: Mapping[str, Any], desk: Desk) -> Act:
    """Give what is to be decided.

    Args:
        sent: {"do": verb, ...} as `facecluster.review` documents it.
        desk: knows the groups of strangers, and who is who.

    Raises:
        UsageError: it is not understood.
    """
    verb = _text(sent, "do")
    make = _ACTS.get(verb)
    if make is None:
        raise UsageError(f"{printable(verb)}: not a thing to do here")
    return make(sent, desk)


def _name(sent: Mapping[str, Any], desk: Desk) -> Act:
    person, name, merge = _text(sent, "person"), _text(sent, "name"), sent.get("merge", False)

    def act(library: Behind) -> Corrected:
        wanted = fold(" ".join(name.split()))
        others = [one for one in library.people.people if one.name is not None and fold(one.name) == wanted]
        other = next((one for one in others if one.id != person), None)
        if other is None:
            return correct.name(library, person, name)
        if merge is not True:
            raise NamesakeError(other, desk.look())
        return correct.merge(library, [other.id, person])

    return act


def _merge(sent: Mapping[str, Any], desk: Desk) -> Act:
    people = _texts(sent, "people")
    return lambda library: correct.merge(library, people)


def _split(sent: Mapping[str, Any], desk: Desk) -> Act:
    person, faces = _text(sent, "person"), _texts(sent, "faces")
    return lambda library: correct.split(library, person, faces)


def _move(sent: Mapping[str, Any], desk: Desk) -> Act:
    faces, to = desk.faces_of(_texts(sent, "faces")), _text(sent, "to")
    return lambda library: correct.move(library, faces, to)


def _make(sent: Mapping[str, Any], desk: Desk) -> Act:
    faces, name = desk.faces_of(_texts(sent, "faces")), _text(sent, "name")
    return lambda library: correct.make(library, name, faces)


def _not_a_person(sent: Mapping[str, Any], desk: Desk) -> Act:
    what = desk.faces_of(_texts(sent, "what"))
    return lambda library: correct.not_a_person(library, what)


def _undo(sent: Mapping[str, Any], desk: Desk) -> Act:
    which = () if sent.get("decisions") is None else _texts(sent, "decisions")
    return lambda library: undo.undo(library, *which)


def _confirm(sent: Mapping[str, Any], desk: Desk) -> Act:
    faces, person = _texts(sent, "faces"), _text(sent, "person")
    return lambda library: correct.confirm(library, faces, person)


def _different(sent: Mapping[str, Any], desk: Desk) -> Act:
    people = _texts(sent, "people")
    if len(people) != 2:
        raise UsageError("people: send two")
    return lambda library: correct.different(library, *people)


def _hide(sent: Mapping[str, Any], desk: Desk) -> Act:
    people = _texts(sent, "people")
    return lambda library: correct.hide(library, people)


def _unhide(sent: Mapping[str, Any], desk: Desk) -> Act:
    people = _texts(sent, "people")
    return lambda library: correct.unhide(library, people)


def _cover(sent: Mapping[str, Any], desk: Desk) -> Act:
    face = _text(sent, "face")
    return lambda library: correct.cover(library, face)


def _draw(sent: Mapping[str, Any], desk: Desk) -> Act:
    photo, box = _text(sent, "photo"), sent.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(type(edge) in (int, float) for edge in box):
        raise UsageError("box: send four numbers")
    if photo not in desk.look().paths:
        raise UsageError(f"{printable(photo)}: no such photo")
    who = None if sent.get("person") is None else _text(sent, "person")
    return lambda library: correct.draw(library, photo, box, who)


_ACTS: dict[str, Callable[[Mapping[str, Any], Desk], Act]] = {
    "name": _name,
    "merge": _merge,
    "split": _split,
    "move": _move,
    "make": _make,
    "not_a_person": _not_a_person,
    "hide": _hide,
    "unhide": _unhide,
    "cover": _cover,
    "confirm": _confirm,
    "different": _different,
    "draw": _draw,
    "undo": _undo,
}


def answer_of(sent: Mapping[str, Any], desk: Desk) -> Act:
    """Give what an answer to a question of the queue decides.

    Raises:
        UsageError: it is not understood.
        GrownError: somebody whom nobody knows has more faces than `n_faces`, that were shown.
    """
    from facecluster.library import questions

    question, reply = desk.question(_text(sent, "question")), _text(sent, "reply")
    name = None if sent.get("name") is None else _text(sent, "name")
    n_shown = sent.get("n_faces")
    if n_shown is not None and type(n_shown) is not int:
        raise UsageError("n_faces: send a number")

    def act(library: Behind) -> Corrected:
        if reply == "nobody" and n_shown is not None and desk.question(question.id).left.n_faces > n_shown:
            raise GrownError(desk.question(question.id), n_shown)
        return questions.answer(library, question, reply, name)

    return act


def _text(sent: Mapping[str, Any], key: str) -> str:
    """A text that is sent.

    Raises:
        UsageError: it is none.
    """
    value = sent.get(key)
    if not isinstance(value, str):
        raise UsageError(f"{key}: send a text")
    check_text(value)
    return value


def _texts(sent: Mapping[str, Any], key: str) -> list[str]:
    """Texts that are sent.

    Raises:
        UsageError: it is no list of texts, or an empty one.
    """
    value = sent.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{key}: send a list of texts")
    for one in value:
        check_text(one)
    return value
