"""Names to propose for somebody: those that the files of other programs give to the faces, in and beside their photos.

Nothing is decided, and a few photos are looked into, when somebody is asked who that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facecluster.errors import TableError, UsageError
from facecluster.formats.said_names import SaidName
from facecluster.identity.decisions import digest_of
from facecluster.library import correct
from facecluster.library.held import Held
from facecluster.library.said import ORIGINS, forgotten_in, match, read_said, tagged
from facecluster.result import columns
from facecluster.text import fold

_MOST_PHOTOS = 40
"""Photos whose files are read for one person: at two milliseconds each nobody waits for it."""
_MOST_NAMES = 3


@dataclass
class Proposed:
    """A name that files give.

    Attributes:
        name: as the first file spells it.
        faces: ids of those that it is given to.
        origins: whose files say it, see `said_names.Origin`.
        files: paths; each once, as are all of these.
    """

    name: str
    faces: dict[str, None] = field(default_factory=dict)
    origins: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)


def proposed(library: Held, faces: Sequence[str]) -> list[Proposed]:
    """Give up to three names that files give to some faces, those of most faces first.

    Args:
        library: of the faces. What `tag` wrote for it is no word of others.
        faces: ids; the photos of the first ones are looked into.

    Raises:
        FaceclusterError: the list of what `tag` wrote, or of what was forgotten, cannot be read.
    """
    result, about = library.people, set(faces)
    photos = [*dict.fromkeys(map(digest_of, faces))][:_MOST_PHOTOS]
    there = columns(result, photos)
    pictures = library.pictures
    sizes = {path: (known.width, known.height) for path in there.photo if (known := pictures.get(path))}
    forgotten = {}
    if places := library.places:
        try:
            table = library.table.photos
        except TableError:  # so it is not known which of these photos they are in
            return []
        rows = np.flatnonzero(np.isin(table.digest, photos))
        forgotten = forgotten_in(
            places,
            zip(
                table.path[rows].tolist(),
                table.digest[rows].tolist(),
                table.pixels[rows].tolist(),
                strict=True,
            ),
        )
    said = read_said(there.photo, ORIGINS, ours=tagged(library.directory, there))
    names = [None if number < 0 else result.people[number].name for number in there.person.tolist()]
    found: dict[str, Proposed] = {}
    for row, words in sorted(match(said, there, sizes, names, forgotten).names.items()):
        if there.id[row] in about:
            for one in words:
                _add(found, there.id[row], one)
    return sorted(found.values(), key=lambda one: -len(one.faces))[:_MOST_NAMES]


def _add(found: dict[str, Proposed], face: str, one: SaidName) -> None:
    """Note a name of a face, if somebody can have it here."""
    try:
        name = correct.checked_name(one.name)
    except UsageError:
        return
    if name is not None:
        known = found.setdefault(fold(name), Proposed(name))
        known.faces[face] = known.origins[one.origin] = known.files[one.file] = None
