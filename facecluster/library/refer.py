"""How a command line says which person, face or photo of a library it means.

PERSON   an id, a name, or an id that the person had before a merge; "person-0001 (Anna)" as messages write it; the
         person's folder or montage; a face of the person
FACE     a face's id or the start of it; a photo in which one face was found; PHOTO#2 for the second of several;
         PERSON#7 for the one that the person's montage numbers so; PERSON#9-17 for several, where several may be given
PHOTO    its path, the end of its path, its bare name, or any file with the same picture, as in a person's folder
GROUP    "group-3fa2c1": faces of nobody that are alike, see `strangers`

Case does not matter, nor do accents, where only one is meant then. Where several are, the message lists them.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from facecluster.errors import FaceclusterError
from facecluster.text import fold, many, printable, some, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.library.strangers import Group
    from facecluster.result import Person, PersonFace, Result, UnclusteredFace

    Face: TypeAlias = PersonFace | UnclusteredFace

SHORTEST = 6
"""Letters of a face's id that may stand for it."""

_N_NEAR = 5
"""People that a message names."""
_N_CHOICES = 10
"""Photos or faces that a message lists."""
_NUMBER = re.compile(r"(?:person)?[-_ #]*(\d{1,9})", re.ASCII)
"""What may be meant for a person's number."""
_ID = re.compile(r"(person-\d{4,})(?: .*|_montage\.jpg)?", re.ASCII | re.DOTALL)
"""A person's folder or montage, or a person as messages name one."""
_NAMED = re.compile(r".*\((person-\d{4,})\)", re.ASCII | re.DOTALL)
"""A person as summaries name one: "Anna (person-0001)"."""
_PLACE = re.compile(r"#?(\d{1,5})", re.ASCII)
"""The number of a face on its person's montage."""
_RANGE = re.compile(r"(?:(.+)#|#?)(\d{1,5})[-\u2013](\d{1,5})", re.ASCII | re.DOTALL)
"""Several of these numbers, with the person or without."""
_GROUP = re.compile(r"group-[\w-]+", re.ASCII)


def by_content(path: str) -> set[str]:
    """Give the ids that a file's photo may have, as far as its content tells; none where it cannot be read."""
    from facecluster.errors import PhotoError
    from facecluster.photos.each_page import picture_digest
    from facecluster.photos.file import file_digest, read_photo

    try:
        data, _ = read_photo(path)
        return {file_digest(data), picture_digest(data)}
    except PhotoError:
        return set()


def _no_groups() -> Sequence[Group]:
    return ()


@dataclass(frozen=True)
class Look:
    """Where to look for what is not in the people themselves.

    Attributes:
        photos_of: gives the ids that the photo of a file may have.
        directory: of the library; a path may be as seen from there. None: not known.
        groups: gives the groups of strangers.
        bare: path and reason of each photo of the library in which no face is known.
    """

    photos_of: Callable[[str], set[str]] = by_content
    directory: Path | None = None
    groups: Callable[[], Sequence[Group]] = _no_groups
    bare: Callable[[], dict[str, str]] = dict


_HERE = Look()


# ----------------------------------------------------------------------------------------------------- people


def find_person(result: Result, text: str, look: Look | None = None) -> Person:
    """Find who is meant.

    Args:
        result: where to look.
        text: see the top of this file.
        look: where else to look, so that a face may stand for its person; None: it may not.

    Raises:
        FaceclusterError: nobody, or several; the message names those whose id or name is like it.
    """
    found = _people(result, text)
    if len(found) > 1:
        raise FaceclusterError(
            f"{printable(text)}: may be {some([called(p) for p in found], _N_NEAR)}; give the id"
        )
    if found:
        return found[0]
    face = None if look is None else _face(result, text, None, look)
    if face is None:
        raise FaceclusterError(f"{printable(text)}: no such person; {_near(result, text)}")
    person = whose(result, face)
    if person is None:
        raise FaceclusterError(
            f"{printable(text)}: is a face of nobody, and no person; to make a person of it: facecluster name "
            f"{_library(look)} NAME {typed(text)}"
        )
    return person


def _library(look: Look | None) -> str:
    """The library as one types it; the word, where it is not known."""
    return "LIBRARY" if look is None or look.directory is None else typed(look.directory)


def is_person(result: Result, text: str) -> bool:
    """Say whether a text is the id or the name of somebody, or of several."""
    return bool(_people(result, text))


def called(person: Person) -> str:
    """Give the id, and the name if there is one: "person-0001 (Anna)"."""
    return person.id if person.name is None else f"{person.id} ({printable(person.name)})"


def whose(result: Result, face: Face) -> Person | None:
    """Say whose a face is; None: nobody's."""
    return next((person for person in result.people if any(own.id == face.id for own in person.faces)), None)


def _people(result: Result, text: str) -> list[Person]:
    """Those of this id, else of this name, else those it has become, else of the name without accents."""
    wanted = fold(text)
    last = os.path.basename(text.rstrip("/" + os.sep))
    ids = {wanted, *(fold(match[1]) for match in (_ID.fullmatch(last), _NAMED.fullmatch(text)) if match)}
    named = [(person, fold(person.name)) for person in result.people if person.name is not None]
    found = [person for person in result.people if fold(person.id) == wanted]
    found = found or [person for person, name in named if name == wanted]
    found = found or [person for person in result.people if wanted in map(fold, person.former)]
    found = found or [person for person in result.people if fold(person.id) in ids]
    found = found or [p for p in result.people if not ids.isdisjoint(map(fold, p.former))]
    return found or [person for person, name in named if plain(name) == plain(wanted)]


def _near(result: Result, text: str) -> str:
    """Name those whose id or name is like a text."""
    if not result.people:
        return "nobody is in the library"
    if written := _NUMBER.fullmatch(fold(text)):
        same = [
            p for p in result.people if (own := _NUMBER.fullmatch(p.id)) and int(own[1]) == int(written[1])
        ]
        if same:
            return f"perhaps {some([called(person) for person in same], _N_NEAR)}"
    known = {fold(text): called(p) for p in result.people for text in (p.id, p.name) if text}
    near = dict.fromkeys(known[like] for like in get_close_matches(fold(text), known, n=_N_NEAR))
    word = plain(fold(text))
    near |= dict.fromkeys(
        called(p) for p in result.people if p.name is not None and word in plain(fold(p.name)).split()
    )
    if near:
        return f"perhaps {some(list(near), _N_NEAR)}"
    return f"there are {some([called(person) for person in result.people], _N_NEAR)}"


# ------------------------------------------------------------------------------------------------------ faces


def find_face(result: Result, text: str, person: Person | None = None, look: Look = _HERE) -> Face:
    """Find which face is meant.

    Args:
        result: where to look.
        text: see the top of this file.
        person: of several faces of a photo, the one of this person is meant; "7" is the seventh of its montage.
        look: where else to look.

    Raises:
        FaceclusterError: none, or several; the message lists the faces of the photo.
    """
    face = _face(result, text, person, look)
    if face is not None:
        return face
    if found := _people(result, text):
        who = called(found[0])
        raise FaceclusterError(
            f"{printable(text)}: is a person, {who}, where a face is asked for; give a photo of {found[0].id}, or "
            f"{found[0].id}#7 for the face that the montage numbers so"
        )
    raise FaceclusterError(f"{printable(text)}: no such face{_why_not(text, look)}")


def find_faces(
    result: Result, text: str, person: Person | None = None, look: Look = _HERE
) -> tuple[Face, ...]:
    """Find the faces that are meant: one, those of a group, or those of numbers on a montage.

    Raises:
        FaceclusterError: none, or it is not clear which.
    """
    return (
        find_group(text, look)
        or find_numbers(result, text, person)
        or (find_face(result, text, person, look),)
    )


def find_numbers(result: Result, text: str, person: Person | None = None) -> tuple[PersonFace, ...]:
    """Find the faces of several numbers on a montage: PERSON#9-17, or 9-17 of a person; none where it is no such text.

    Raises:
        FaceclusterError: the montage has no such numbers; or the person may be several.
    """
    written = _RANGE.fullmatch(text)
    if written is None:
        return ()
    if written[1] is not None:
        person = find_person(result, written[1]) if _people(result, written[1]) else None
    if person is None:
        return ()
    first, last = int(written[2]), int(written[3])
    for number in (first, last):
        _on_montage(person, text, number)
    if first > last:
        raise FaceclusterError(f"{printable(text)}: the first number is the larger one; give {last}-{first}")
    return person.faces[first - 1 : last]


def find_strangers(result: Result, text: str, look: Look = _HERE) -> tuple[Face, ...]:
    """Find the faces of nobody that are meant: of a group, of a photo that has several faces, or of a folder.

    Raises:
        FaceclusterError: it is none of these, or everybody there is a person.
    """
    if group := find_group(text, look):
        return group
    folder = _folder(result, text)
    photos = folder or set(find_photos(result, text, look))
    inside = "folder" if folder else "photo"
    free = tuple(face for face in result.unclustered if face.photo in photos)
    if photos and not free:
        raise FaceclusterError(
            f"{printable(text)}: every face of this {inside} is somebody's; name the person"
        )
    return free


def find_group(text: str, look: Look) -> tuple[UnclusteredFace, ...]:
    """Find the faces of the group of strangers that a text names; none where it names no group.

    Raises:
        FaceclusterError: there is no such group, or there are several.
    """
    if _GROUP.fullmatch(text) is None:
        return ()
    from facecluster.library import strangers

    found = strangers.find_group(look.groups(), text)
    if len(found) != 1:
        what = "may be several groups" if found else "no such group"
        raise FaceclusterError(f"{text}: {what}; facecluster show {_library(look)} --nobody lists them")
    return found[0].faces


def find(result: Result, text: str, look: Look = _HERE) -> Person | Face:
    """Find the person or face that is meant.

    Raises:
        FaceclusterError: neither, or several.
    """
    if _people(result, text):
        return find_person(result, text)
    face = _face(result, text, None, look)
    if face is None:
        why = _why_not(text, look, "") or _no_folder(text, look) or f"; {_near(result, text)}"
        raise FaceclusterError(f"{printable(text)}: no such person or face{why}")
    return face


def faces_of(result: Result) -> list[Face]:
    """Give all faces: those of each person in turn, then those of nobody."""
    return [*(face for person in result.people for face in person.faces), *result.unclustered]


def ordinal(face: Face) -> tuple[int, str]:
    """Order the faces of a photo as PHOTO#2 counts them."""
    return len(face.id), face.id


def _digest(face: Face) -> str:
    """The id of a face's photo, as `identity.decisions.digest_of` gives it without loading NumPy."""
    return face.id.rpartition("-")[0] or face.id


def _face(result: Result, text: str, person: Person | None, look: Look) -> Face | None:
    """The face that is meant; None if nothing is like it."""
    if (known := result.face_of.get(text)) is not None:
        return known
    faces = faces_of(result)
    if group := find_group(text, look):  # its best face stands for it
        return group[0]
    if person is not None and (place := _PLACE.fullmatch(text)):
        return _on_montage(person, text, int(place[1]))
    path, number = text, None
    of_photo = _of_photo(result, faces, text, look)
    if not of_photo and "#" in text:
        path, _, digits = text.rpartition("#")
        number = int(digits) if digits.isdecimal() else 0
        of_photo = _of_photo(result, faces, path, look)
        if not of_photo and (people := _people(result, path)):
            if len(people) > 1:
                raise FaceclusterError(
                    f"{printable(path)}: may be {some([called(p) for p in people], _N_NEAR)}; give the id"
                )
            return _on_montage(people[0], text, number)
    if of_photo:
        return _choose(result, path, of_photo, number, person)
    starting = {face.id: face for face in faces if len(text) >= SHORTEST and face.id.startswith(text)}
    if len(starting) > 1:
        raise FaceclusterError(
            f"{text}: {len(starting)} faces begin so: {some(list(starting), _N_NEAR)}; give more of it"
        )
    if not starting and os.path.isfile(path):
        why = _no_face(path, look)
        raise FaceclusterError(f"{printable(path)}: no face of this photo is in the library{why}")
    return next(iter(starting.values()), None)


def _on_montage(person: Person, text: str, number: int) -> PersonFace:
    """The face of a number on a person's montage."""
    if not 1 <= number <= len(person.faces):
        raise FaceclusterError(
            f"{printable(text)}: the montage of {called(person)} has {many(len(person.faces), 'face')}; give a number "
            f"from 1 to {len(person.faces)}"
        )
    return person.faces[number - 1]


def _of_photo(result: Result, faces: Sequence[Face], path: str, look: Look) -> list[Face]:
    """Faces of a photo, in the order of their ordinals; none where there is no such photo.

    Raises:
        FaceclusterError: several photos are called so.
    """
    photos = find_photos(result, path, look)
    found = {face.id: face for face in faces if face.photo in photos}
    return sorted(found.values(), key=ordinal)


def _choose(result: Result, path: str, faces: list[Face], number: int | None, person: Person | None) -> Face:
    """Choose the one of a photo's faces that is meant."""
    if number is not None and 1 <= number <= len(faces):
        return faces[number - 1]
    theirs = {face.id for face in person.faces} if person is not None else set[str]()
    of_person = [face for face in faces if face.id in theirs]
    for only in (faces, of_person):
        if number is None and len(only) == 1:
            return only[0]
    owner = {face.id: called(person) for person in result.people for face in person.faces}
    lines = "".join(
        f"\n  {printable(path)}#{i}  {owner.get(face.id, 'nobody')}, {_where(face)}"
        for i, face in enumerate(faces, start=1)
    )
    has = "1 face of this photo is" if len(faces) == 1 else f"{len(faces)} faces of this photo are"
    raise FaceclusterError(f"{printable(path)}: {has} in the library; say which:{lines}")


def _where(face: Face) -> str:
    left, top, right, bottom = (round(number) for number in face.box)
    return f"{right - left}x{bottom - top} pixels at {left},{top}"


def _why_not(text: str, look: Look, usual: str | None = None) -> str:
    """Say why a text is no face: its photo has none, or what else to give."""
    photo = text.rpartition("#")[0] or text
    if called_so(look.bare(), photo):
        return _no_face(photo, look)
    if usual is not None:
        return usual
    return (
        "; give a photo by its name, with #2 for its second face, person-0004#7 for the face that a montage numbers "
        f"so, or a face's id ({SHORTEST} letters of its start are enough)"
    )


def _no_face(path: str, look: Look) -> str:
    """Say why no face of a photo is known, as far as that is known."""
    bare = look.bare()
    reason = next((bare[photo] for photo in called_so(bare, path)), "")
    return (
        f" ({reason})"
        if reason
        else ""
        if not bare
        else " (none was found in it, or it is not a photo of the library)"
    )


# ----------------------------------------------------------------------------------------------------- photos


def find_photos(
    result: Result, text: str, look: Look = _HERE, others: Mapping[str, str] | None = None
) -> list[str]:
    """Find the paths of the photo that is meant; several are copies of one.

    Args:
        result: its photos with faces are known.
        text: a path, the end of one, or a bare name; or any file with the same picture.
        look: where else to look.
        others: id by path of further photos, as of those without a face.

    Returns:
        Paths as the library has them; none where there is no such photo.

    Raises:
        FaceclusterError: several photos are called so, and none is meant more than the others.
    """
    paths = dict(others or {}) | {face.photo: _digest(face) for face in faces_of(result)}
    files = [text] if look.directory is None else [text, str(look.directory / text)]
    for file in files:
        named = [path for path in (os.path.abspath(file), os.path.realpath(file)) if path in paths]
        if named and text:
            return named[:1]
    for file in files:
        ids = look.photos_of(file) if os.path.isfile(file) else set[str]()
        if same := [path for path, digest in paths.items() if digest in ids]:
            return same
    found = called_so(paths, text)
    if len({paths[path] or path for path in found}) > 1:
        lines = "".join(f"\n  {printable(end)}" for end in short_names(found, paths)[:_N_CHOICES])
        more = f"\n  ... and {len(found) - _N_CHOICES} more" if len(found) > _N_CHOICES else ""
        raise FaceclusterError(
            f"{printable(text)}: {len(found)} photos are called so; say which:{lines}{more}"
        )
    return found


def find_shown(
    result: Result, text: str, look: Look = _HERE, others: Mapping[str, str] | None = None
) -> list[str]:
    """Find the paths of the photos that a text means, or of those of a group, or of a face; none where there is none.

    The arguments are those of `find_photos`.

    Raises:
        FaceclusterError: several are called so.
    """
    if found := find_photos(result, text, look, others):
        return found
    if group := find_group(text, look):
        return list(dict.fromkeys(face.photo for face in group))
    if os.path.isfile(text):
        return []
    face = _face(result, text, None, look)
    return [] if face is None else [face.photo]


def called_so(paths: Iterable[str], text: str) -> list[str]:
    """Those of some paths that end so: letter by letter, else in any case, else without accents."""
    cut = text.startswith("…")  # as a table on a narrow terminal shortens them
    wanted = text[1:] if cut else os.path.normpath(text) if text else ""
    if not wanted or wanted.startswith(".."):
        return []

    def end_so(paths: Iterable[str], level: Callable[[str], str]) -> list[str]:
        end = level(printable(wanted))
        whole = end if cut or end.startswith("/") else "/" + end
        return [path for path in paths if level(printable(path)).replace(os.sep, "/").endswith(whole)]

    alike = end_so(paths, _plain)  # all that may be meant; mostly none, or a few
    return end_so(alike, str) or end_so(alike, fold) or alike


def _folder(result: Result, text: str) -> set[str]:
    """The photos with faces in a folder, and below it; none where there is no such folder."""
    if not text:  # of an unset variable; else it would mean the folder that we are in
        return set()
    paths = {face.photo for face in faces_of(result)}
    for folder in (os.path.abspath(text), os.path.realpath(text)):
        start = folder.rstrip(os.sep) + os.sep
        if inside := {path for path in paths if path.startswith(start)}:
            return inside
    end = "/" + fold(os.path.normpath(text)).strip("/") + "/"
    inside = {path for path in paths if end in fold(os.path.dirname(path)).replace(os.sep, "/") + "/"}
    tops = {fold(path).replace(os.sep, "/").partition(end)[0] for path in inside}
    if len(tops) > 1:
        raise FaceclusterError(
            f"{printable(text)}: several folders are called so; give more of the path:"
            + "".join(f"\n  {printable(top + end)}" for top in sorted(tops)[:_N_CHOICES])
        )
    return inside


def _no_folder(text: str, look: Look) -> str:
    """Say that a folder is none of photos of the library; "" where a text is meant for something else."""
    if not (os.path.isdir(text) or "/" in text or os.sep in text):
        return ""
    return (
        ", and no photo of the library lies in a folder that is called so; if photos were moved, type first: "
        f"facecluster run NEW_FOLDER -o {_library(look)}"
    )


def plain(text: str) -> str:
    """Give a text without its accents: "Zoë" and "Zoe" are equal then."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _plain(text: str) -> str:
    return plain(fold(text))


# --------------------------------------------------------------------------------------------------- spelling


class _Shown(Protocol):
    """Any record of a face."""

    @property
    def id(self) -> str: ...
    @property
    def photo(self) -> str: ...


class Spelling:
    """How photos and faces of a library are written in texts for people: as short as they can be given back."""

    def __init__(self, result: Result, others: Iterable[str] = ()) -> None:
        """Take the photos of a result, and paths of others."""
        self._faces: dict[str, list[Face]] = {}
        for face in faces_of(result):
            self._faces.setdefault(face.photo, []).append(face)
        self._called: dict[str, list[str]] = {}
        for path in dict.fromkeys([*self._faces, *others]):
            self._called.setdefault(os.path.basename(path), []).append(path)
        self._places: dict[str, dict[str, int]] = {}

    def photo(self, path: str) -> str:
        """Write a photo: its bare name, or as much of the end of its path as no other photo has."""
        same = self._called.get(os.path.basename(path), [])
        return printable(_short(path, [other for other in same if other != path]))

    def face(self, face: _Shown) -> str:
        """Write a face: its photo, with #2 behind it for the second one of several."""
        places = self._places_in(face.photo)
        if len(places) < 2:
            return self.photo(face.photo)
        return f"{self.photo(face.photo)}#{places.get(face.id, 1)}"

    def _places_in(self, photo: str) -> dict[str, int]:
        """Number the faces of a photo, by id; once, as there may be thousands."""
        if photo not in self._places:
            of_photo = {one.id: one for one in self._faces.get(photo, [])}
            self._places[photo] = {
                one.id: i for i, one in enumerate(sorted(of_photo.values(), key=ordinal), start=1)
            }
        return self._places[photo]


def short_names(paths: Sequence[str], among: Iterable[str]) -> list[str]:
    """Give of each path as much of its end as no other path among these has."""
    called: dict[str, list[str]] = {}
    for path in among:
        called.setdefault(os.path.basename(path), []).append(path)
    return [_short(path, [o for o in called.get(os.path.basename(path), []) if o != path]) for path in paths]


def _short(path: str, others: Sequence[str]) -> str:
    """The shortest end of a path, whole names only, that no other path has."""
    parts = path.split(os.sep)
    for n in range(1, len(parts)):
        end = os.sep.join(parts[-n:])
        if not any(other.endswith(os.sep + end) for other in others):
            return f".{os.sep}{end}" if end.startswith("-") else end
    return path
