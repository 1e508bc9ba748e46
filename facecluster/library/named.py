"""Who is where in which photo, as files for other programs are to say it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facecluster.errors import FaceclusterError
from facecluster.formats import embedded, xmp, xmp_write
from facecluster.formats.tags_jsonl import Asked
from facecluster.formats.xmp_edit import check_text
from facecluster.formats.xmp_write import Marked, Tags
from facecluster.identity.decisions import digest_of
from facecluster.photos.moment import FIRST

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Person, Result
    from facecluster.table import Picture

_WRITER = 2
"""Which rules a file was written by: raised by a change of them, so that all files are looked at again."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Named:
    """The faces with a name in a photo.

    Attributes:
        photo: path.
        id: digest of the photo.
        faces: name and box in pixels of the upright photo, from left to right; of a file of pages, those on its first.
        size: width, height of the upright photo in pixels as its faces were found; None unknown.
        others: names of faces on other pages, and in a video: a region would mark a wrong picture.
        is_video: whether it is one.
    """

    photo: str
    id: str
    faces: tuple[tuple[str, Box], ...]
    size: tuple[int, int] | None
    others: tuple[str, ...] = ()
    is_video: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names, each once."""
        return tuple(dict.fromkeys([*(name for name, _ in self.faces), *self.others]))

    def key(self, how: Asked) -> str:
        """Stand for all that is to be written."""
        record: list[object] = [_WRITER, self.id, self.faces, self.size, sorted(how.fields)]
        if self.others:
            record.append(self.others)
        return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]


def named_photos(
    result: Result, pictures: Mapping[str, Picture], troubles: list[str] | None = None
) -> dict[str, Named]:
    """Give the photos that show people with a name, by path.

    Args:
        result: who is who.
        pictures: of its photos.
        troubles: gets a line about each name that cannot be written.
    """
    faces: dict[str, list[tuple[str, Box]]] = {}
    others: dict[str, set[str]] = {}
    videos = set[str]()
    ids: dict[str, str] = {}
    for person in result.people:
        name = _writable(person, troubles)
        if name is None:
            continue
        for face in person.faces:
            ids[face.photo] = digest_of(face.id)
            if face.moment != FIRST:
                others.setdefault(face.photo, set()).add(name)
                videos.update([face.photo] * face.moment.in_video)
                continue
            left, top, right, bottom = (float(edge) for edge in face.box)
            faces.setdefault(face.photo, []).append((name, (left, top, right, bottom)))
    return {
        photo: Named(
            photo,
            ids[photo],
            tuple(sorted(faces.get(photo, ()), key=lambda one: (one[1], one[0]))),
            _size(pictures.get(photo)),
            tuple(sorted(others.get(photo, ()))),
            photo in videos,
        )
        for photo in sorted(ids)
    }


def _writable(person: Person, troubles: list[str] | None) -> str | None:
    """Give the name that stands for a person in files; None: none does."""
    name = (person.name or "").strip()
    if not name or person.hidden:
        return None
    try:
        check_text(name)
    except FaceclusterError as error:
        if troubles is not None:
            troubles.append(f"{person.id}: {error}, so it is written nowhere")
        return None
    return name


def _size(picture: Picture | None) -> tuple[int, int] | None:
    return None if picture is None or not picture.width else (picture.width, picture.height)


def wanted_of(named: Named, inside: embedded.Embedded, how: Asked) -> Tags:
    """Say what is to stand in a file about a photo.

    Args:
        named: who is where in the upright photo.
        inside: how the photo is stored.
        how: what is written.

    Raises:
        FaceclusterError: the photo is not the one in which the faces were found. The message names no file.
    """
    if named.is_video:
        return xmp_write.tags((), named.names, (1, 1), how.fields)
    stored = inside.size
    upright = None if stored is None else stored if inside.orientation < 5 else stored[::-1]
    size = named.size or upright
    if size is None:
        raise FaceclusterError("its size in pixels is not known")
    if upright is not None and upright != size:
        raise FaceclusterError(
            f"has {upright[0]} x {upright[1]} pixels, and had {size[0]} x {size[1]} when its faces were found; "
            "type first: facecluster run"
        )
    width, height = size
    marked = [
        Marked(
            name,
            xmp.stored((left / width, top / height, right / width, bottom / height), inside.orientation),
        )
        for name, (left, top, right, bottom) in named.faces
    ]
    return xmp_write.tags(
        marked, named.others, stored or (size if inside.orientation < 5 else size[::-1]), how.fields
    )
