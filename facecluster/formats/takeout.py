"""The JSON files beside the photos of a Google Takeout -> who is in a photo, and when it was taken.

    IMG_1.jpg.supplemental-metadata.json
    {"title": "IMG_1.jpg", "people": [{"name": "Anna Berg"}], "photoTakenTime": {"timestamp": "1600596727"}, ...}

Google tells names that somebody gave, and not where the faces are. Which file belongs to which photo only its name
says:

| photo | its JSON |
|---|---|
| `IMG_1.jpg` | `IMG_1.jpg.json` until 2024, `IMG_1.jpg.supplemental-metadata.json` since then |
| a long name | all before `.json` is cut after 46 letters: `.supplemental-me.json`, `.s.json`, `..json` |
| `IMG_1(2).jpg` | `IMG_1.jpg(2).json`, `IMG_1.jpg.supplemental-metadata(2).json`: the number is last and not cut |
| `IMG_1-edited.jpg` | that of `IMG_1.jpg`; the word is of the user's language, and is cut where the photo's name is |
| of a title without an ending | `IMG_1.supplemental-metadata.json`, though the photo is called `IMG_1.jpg` |

Letters are counted in UTF-16, of which an emoji takes two. A photo's own name has up to 47 letters before its ending
and number.

References:
    Published observations of exports, as Google describes none: ente pull request 4956, immich-go (its tests of
    matchers, issues 613 and 674), GooglePhotosTakeoutHelper issue 353 and pull request 449.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facecluster.errors import FaceclusterError
from facecluster.formats.said_names import SaidName, clean_name, load_json, number_of, read_bounded
from facecluster.text import can_be_named, fold, printable

_CUT = 46
"""Letters of a JSON's name before its number and `.json`."""

_CUT_PHOTO = 47
"""Letters of a photo's name before its number and ending."""

_ADDED = ".supplemental-metadata"

_NUMBER = re.compile(r"\([0-9]{1,9}\)$")

_EDITED = (
    *("edited", "effects", "smile", "mix"),  # English; what Google's own effects make has the last three
    *(
        "bearbeitet",
        "bewerkt",
        "redigeret",
        "redigert",
        "redigerad",
    ),  # German, Dutch, Danish, Norwegian, Swedish
    *(
        "modifié",
        "modificato",
        "ha editado",
        "editado",
        "editada",
        "editat",
    ),  # French, Italian, Spanish and Portuguese,
    # Catalan
    *("edytowane", "upravené", "muokattu"),  # Polish, Czech and Slovak, Finnish
    *("編集済み", "编辑", "편집됨"),  # Japanese, Chinese, Korean
)
"""What stands behind a hyphen in the name of a photo that was edited in Google Photos, by language."""

_ALBUMS = frozenset({"metadata", "metadatos", "metadaten", "métadonnées", "metadati", "metadados"})
"""Names before `.json` of files that tell about an album."""


@dataclass(frozen=True)
class TakeoutPhoto:
    """What a JSON says of its photo.

    Attributes:
        title: the photo's name where it was uploaded from; None where it says none.
        names: without boxes, in the order of the file, each once.
        taken: seconds since 1970 when the photo was taken, as Google has it; None unknown. `dates.py` says whether
            that can be.
        uploaded: the same, of the upload.
    """

    title: str | None
    names: tuple[SaidName, ...]
    taken: int | None
    uploaded: int | None


def read(file: Path) -> TakeoutPhoto:
    """Read the JSON of a photo.

    Raises:
        FaceclusterError: it cannot be read, is too large, or is none.
    """
    return parse(read_bounded(file), str(file))


def parse(data: bytes, file: str) -> TakeoutPhoto:
    """Parse the JSON of a photo. That of an album, which has another layout, says nothing.

    Args:
        data: JSON.
        file: path of it, for the names and messages.

    Raises:
        FaceclusterError: it is no object of JSON, or its people are no list.
    """
    record = load_json(data, file)
    if not isinstance(record, dict):
        raise FaceclusterError(f"{printable(file)}: not a JSON of Google Takeout's: it is no object")
    people = record.get("people")
    if people is not None and not isinstance(people, list):
        raise FaceclusterError(f"{printable(file)}: not a JSON of Google Takeout's: its people are no list")
    named = (clean_name(one.get("name")) for one in people or () if isinstance(one, dict))
    names = dict.fromkeys(name for name in named if name is not None)
    title = record.get("title")
    return TakeoutPhoto(
        title=title if isinstance(title, str) and can_be_named(title) else None,
        names=tuple(SaidName(name, None, None, "takeout", file) for name in names),
        taken=_seconds(record.get("photoTakenTime")),
        uploaded=_seconds(record.get("creationTime")),
    )


def json_of(photo: str, folder: Iterable[str]) -> str | None:
    """Find the JSON of a photo among the files of its folder, by the names alone; see `Folder` for several photos.

    Args:
        photo: name of the photo's file.
        folder: names of the files in its folder, the photos too, in any order.

    Returns:
        The name of the JSON; None where there is none, or where it may as well be another photo's.
    """
    return Folder(folder).json_of(photo)


class Folder:
    """The files of a folder, to find the JSON of photos in it.

    A name counts as it is, and where that is not there, without regard to case and accents. Some names were cut at
    other places than the 46th letter. They count if the photo's own name is whole in them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Look through the names of all files in a folder."""
        self._jsons = set[str]()
        self._folded: dict[str, str] = {}
        self._whole: dict[tuple[str, str], list[str]] = {}
        self._photos = Counter[str]()
        self._alike: dict[tuple[str, str], set[str]] = {}
        for name in sorted(set(names)):
            stem, ending = os.path.splitext(name)
            if ending.lower() == ".json":
                self._jsons.add(name)
                self._folded.setdefault(fold(name), name)
                base, number = _off(stem, _NUMBER)
                self._whole.setdefault((fold(_without_added(base)), number), []).append(name)
                continue
            self._photos[fold(name)] += 1
            base, number = _off(stem, _NUMBER)
            if _length(base + ending) > _CUT:
                self._alike.setdefault((fold(_cut(base + ending)), number), set()).add(
                    fold(_unedited(base) or base)
                )

    def json_of(self, photo: str) -> str | None:
        """Give the name of the JSON of a photo in this folder; None as in the function of this name."""
        bases = [*_bases(photo)]
        for base, number in bases:
            if len(self._alike.get((fold(_cut(base)), number), ())) > 1:
                return None  # their JSONs are called the same but for a number, which may be the other one's
            found = self._find(photo, base, number) or self._odd(photo, base, number)
            if found is not None:
                return found
        for base, number in bases:
            stem = os.path.splitext(base)[0]
            if (found := self._find(photo, stem, number)) is not None and not _is_album(found):
                return found
        return None

    def _find(self, photo: str, base: str, number: str) -> str | None:
        """Look for a JSON that is called after a photo's name, as the one of a photo."""
        for added in (_ADDED, ""):
            name = f"{_cut(base + added)}{number}.json"
            if name in self._jsons:
                return name
            if (found := self._folded.get(fold(name))) is not None and self._photos[fold(photo)] < 2:
                return found
        return None

    def _odd(self, photo: str, base: str, number: str) -> str | None:
        """Look for the only JSON that is called after a whole name, and cut somewhere behind it."""
        found = self._whole.get((fold(base), number), [])
        return found[0] if len(found) == 1 and self._photos[fold(photo)] < 2 else None


def _bases(photo: str) -> Iterator[tuple[str, str]]:
    """Give what a JSON may be called after: names of photos without a number, and the number; the likeliest first."""
    photo = unicodedata.normalize("NFC", photo)
    stem, ending = os.path.splitext(photo)
    base, number = _off(stem, _NUMBER)
    is_cut = bool(number) and _length(photo) > _CUT  # its own name does not tell it from one without a number
    if not is_cut:
        yield photo, ""
    if number:
        yield base + ending, number
    if (first := _unedited(base)) is not None:
        yield first + ending, number
        if not number and (inner := _off(first, _NUMBER))[1]:  # IMG(1)-edited.jpg
            yield inner[0] + ending, inner[1]
    if is_cut:  # also of an edited photo, whose word fell to the cut, so that it got a number
        yield photo, ""


def _unedited(stem: str) -> str | None:
    """Take the word behind the last hyphen off, if it says that the photo was edited; None where it does not."""
    start, hyphen, word = stem.rpartition("-")
    if not hyphen or not start:
        return None
    word, is_cut = word.casefold(), _length(stem) >= _CUT_PHOTO
    return start if any(word == one or (is_cut and one.startswith(word)) for one in _EDITED) else None


def _off(text: str, end: re.Pattern[str]) -> tuple[str, str]:
    """Part a text from what it ends in; "" where that is not there."""
    found = end.search(text)
    return (text[: found.start()], found[0]) if found else (text, "")


def _without_added(stem: str) -> str:
    """Take off what Google adds to a photo's name, whole or cut."""
    start, dot, end = stem.rpartition(".")
    return start if dot and _ADDED.startswith(dot + end) else stem


def _is_album(json: str) -> bool:
    return _off(os.path.splitext(json)[0], _NUMBER)[0].casefold() in _ALBUMS


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass")[: 2 * _CUT].decode("utf-16-le", "surrogatepass")


def _seconds(time: object) -> int | None:
    """Read {"timestamp": "1600596727"}; None where it is none."""
    number = number_of(time.get("timestamp")) if isinstance(time, dict) else None
    return int(number) if number is not None and abs(number) < 1e12 else None
