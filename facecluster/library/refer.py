"""How a command line says which person or face of a result it means.

PERSON   an id, a name, or an id that the person had before a merge; case does not matter
FACE     a face's id or the start of it; a photo in which one face was found; or PHOTO#2 for the second of several
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from facecluster.errors import FaceclusterError
from facecluster.text import fold, printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Person, PersonFace, Result, UnclusteredFace

    Face: TypeAlias = PersonFace | UnclusteredFace

SHORTEST = 6
"""Letters of a face's id that may stand for it."""

_N_NEAR = 5
"""People that a message names."""
_NUMBER = re.compile(r"(?:person)?[-_ #]*(\d{1,9})", re.ASCII)
"""What may be meant for a person's number."""


def find_person(result: Result, text: str) -> Person:
    """Find who is meant.

    Raises:
        FaceclusterError: nobody, or several; the message names those whose id or name is like it.
    """
    found = _people(result, text)
    if len(found) > 1:
        raise FaceclusterError(f"{printable(text)}: may be {_some([called(p) for p in found])}; give the id")
    if not found:
        raise FaceclusterError(f"{printable(text)}: no such person; {_near(result, text)}")
    return found[0]


def by_content(path: str) -> set[str]:
    """Give the ids that a file's photo may have, as far as its content tells; none where it cannot be read."""
    from facecluster import photos, picture
    from facecluster.errors import PhotoError

    try:
        data, _ = photos.read(path)
        decoded = photos.decode(data)
    except PhotoError:
        return set()
    return {photos.digest(data), picture.pixel_digest(decoded.pixels, decoded.size)}


def find_face(
    result: Result,
    text: str,
    person: Person | None = None,
    photos_of: Callable[[str], set[str]] = by_content,
) -> Face:
    """Find which face is meant.

    Args:
        result: where to look.
        text: see the top of this file. A photo is known by its path, or by its content wherever it lies, so that a
            photo in a person's folder will do.
        person: of several faces of a photo, the one of this person is meant.
        photos_of: gives the ids that the photo of a file may have.

    Raises:
        FaceclusterError: none, or several; the message lists the faces of the photo.
    """
    face = _face(result, text, person, photos_of)
    if face is None:
        raise FaceclusterError(
            f"{printable(text)}: no such face; give a face's id as clusters.json has it (or {SHORTEST} letters of "
            "its start or more), or the path of a photo"
        )
    return face


def find(result: Result, text: str, photos_of: Callable[[str], set[str]] = by_content) -> Person | Face:
    """Find the person or face that is meant.

    Raises:
        FaceclusterError: neither, or several.
    """
    if _people(result, text):
        return find_person(result, text)
    face = _face(result, text, None, photos_of)
    if face is None:
        raise FaceclusterError(f"{printable(text)}: no such person or face; {_near(result, text)}")
    return face


def called(person: Person) -> str:
    """Give the id, and the name if there is one: "person-0001 (Anna)"."""
    return person.id if person.name is None else f"{person.id} ({printable(person.name)})"


def _people(result: Result, text: str) -> list[Person]:
    """Those of this id, else of this name, else those it has become."""
    wanted = fold(text)
    found = [person for person in result.people if fold(person.id) == wanted]
    found = found or [p for p in result.people if p.name is not None and fold(p.name) == wanted]
    return found or [p for p in result.people if wanted in map(fold, p.former)]


def _face(
    result: Result, text: str, person: Person | None, photos_of: Callable[[str], set[str]]
) -> Face | None:
    """The face that is meant; None if nothing is like it."""
    if found := [face for face in _faces(result) if face.id == text]:
        return found[0]
    path, number = text, None
    of_photo = _of_photo(result, text, photos_of)
    if not of_photo and "#" in text:
        path, _, digits = text.rpartition("#")
        number, of_photo = int(digits) if digits.isdecimal() else 0, _of_photo(result, path, photos_of)
    if of_photo:
        return _choose(result, path, of_photo, number, person)
    starting = {
        face.id: face for face in _faces(result) if len(text) >= SHORTEST and face.id.startswith(text)
    }
    if len(starting) > 1:
        raise FaceclusterError(
            f"{text}: {len(starting)} faces begin so: {_some(list(starting))}; give more of it"
        )
    if not starting and os.path.isfile(path):
        raise FaceclusterError(f"{printable(path)}: no face of this photo is in the result")
    return next(iter(starting.values()), None)


def _faces(result: Result) -> list[Face]:
    return [*(face for person in result.people for face in person.faces), *result.unclustered]


def _of_photo(result: Result, path: str, photos_of: Callable[[str], set[str]]) -> list[Face]:
    """Faces of a photo, in the order of their ordinals; none where there is no such photo."""
    faces = _faces(result)
    paths = {os.path.abspath(path), os.path.realpath(path)}
    found = [face for face in faces if face.photo in paths]
    if not found and os.path.isfile(path):
        photos = photos_of(path)
        found = list({face.id: face for face in faces if face.id.rpartition("-")[0] in photos}.values())
    return sorted(found, key=lambda face: (len(face.id), face.id))


def _choose(result: Result, path: str, faces: list[Face], number: int | None, person: Person | None) -> Face:
    """Choose the one of a photo's faces that is meant."""
    if number is not None and 1 <= number <= len(faces):
        return faces[number - 1]
    theirs = {face.id for face in person.faces} if person is not None else set[str]()
    of_person = [face for face in faces if face.id in theirs]
    for only in (faces, of_person):
        if number is None and len(only) == 1:
            return only[0]
    whose = {face.id: called(person) for person in result.people for face in person.faces}
    lines = "".join(
        f"\n  {printable(path)}#{i}  {whose.get(face.id, 'nobody')}, {_where(face)}"
        for i, face in enumerate(faces, start=1)
    )
    has = "1 face of this photo is" if len(faces) == 1 else f"{len(faces)} faces of this photo are"
    raise FaceclusterError(f"{printable(path)}: {has} in the result; say which:{lines}")


def _where(face: Face) -> str:
    left, top, right, bottom = (round(number) for number in face.box)
    return f"{right - left}x{bottom - top} pixels at {left},{top}"


def _near(result: Result, text: str) -> str:
    """Name those whose id or name is like a text."""
    if not result.people:
        return "nobody is in the result"
    if written := _NUMBER.fullmatch(fold(text)):
        same = [
            p for p in result.people if (own := _NUMBER.fullmatch(p.id)) and int(own[1]) == int(written[1])
        ]
        if same:
            return f"perhaps {_some([called(person) for person in same])}"
    known = {fold(text): called(p) for p in result.people for text in (p.id, p.name) if text}
    near = dict.fromkeys(known[like] for like in get_close_matches(fold(text), known, n=_N_NEAR))
    if near:
        return f"perhaps {_some(list(near))}"
    return f"there are {_some([called(person) for person in result.people])}"


def _some(texts: list[str]) -> str:
    rest = [f"{len(texts) - _N_NEAR} more"] if len(texts) > _N_NEAR else []
    return ", ".join([*texts[:_N_NEAR], *rest])
