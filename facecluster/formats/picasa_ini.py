"""`.picasa.ini` -> who is where in the photos of its folder, as Picasa has it.

    [Contacts2]
    b8e4117cf1d6615b=Anna Berg;anna@example.org;
    [IMG_1.jpg]
    rotate=rotate(1)
    faces=rect64(3f845bcb59418507),b8e4117cf1d6615b;rect64(1f000200a0007fff),ffffffffffffffff

The number in `rect64` is four of 16 bits: left, top, right, bottom, each 65535 times its share of the side. Zeros in
front are left out, as they are of ids. The ids 0 and ffffffffffffffff are nobody.

**Boxes lie in the stored picture.** picasa2digikam compared Picasa's boxes of photos with EXIF orientations 3, 6 and 8
with where the faces are (its `test_rect64.py`). ExifTool's `picasa_faces.config` agrees: it writes them unchanged as
MWG regions, which lie in the stored picture. Raw photos, which facecluster does not read, are the exception there:
their boxes lie in the upright picture. What the turns of `rotate=`, which somebody made in Picasa in addition, do to
boxes is published nowhere; they are given beside the names, and change nothing.

`[Contacts]` of older versions may have `id=user_lh,other`, which gives the id of a contact of an account in place of a
name. Such names are in Picasa's `contacts.xml` only, which has both ids.

References:
    F. Buchinger, .picasa.ini file structure, 2011. P. Classen, picasa2digikam. B. K. Williams, picasa_faces.config of
    ExifTool, 2015.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from xml.parsers import expat

from facecluster.errors import FaceclusterError
from facecluster.formats.said_names import SaidName, box_in_picture, clean_name, read_bounded
from facecluster.text import fold, printable

FILES = (".picasa.ini", "Picasa.ini")
"""What the file is called in a folder of photos; the second by older versions, which hid it otherwise."""

NOBODY = frozenset({"0" * 16, "f" * 16})
"""Ids of contacts: a face that was found and not named, and one that was ignored."""

_FACE = re.compile(r"rect64\(\s*([0-9a-f]{1,16})\s*\)\s*,\s*([0-9a-f]{1,16})(?![0-9a-f])", re.IGNORECASE)
_TURNS = re.compile(r"rotate\(\s*([0-3])\s*\)", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{1,16}", re.IGNORECASE)
_ACCOUNT = re.compile(r"[^;]*_lh,([0-9a-f]{1,16})", re.IGNORECASE)
_NO_PHOTO = frozenset({"picasa", "encoding", "contacts", "contacts2", "photoid"})
"""Sections in lower case that are of the folder; those of albums start with ".album:"."""


@dataclass(frozen=True)
class PicasaPhoto:
    """What the file says of a photo.

    Attributes:
        names: with boxes in the stored picture, in the order of the file, each box once.
        turns: quarter turns clockwise of the upright picture that somebody made in Picasa, 0..3.
    """

    names: tuple[SaidName, ...] = ()
    turns: int = 0


@dataclass(frozen=True)
class PicasaFolder:
    """What the file says of the photos in its folder.

    Attributes:
        photos: by file name as the file spells it, in its order; those without a face that has a contact are not here.
        nameless: ids of contacts who have faces and no name, sorted; `contacts.xml` may name them.
    """

    photos: Mapping[str, PicasaPhoto]
    nameless: tuple[str, ...]
    _folded: Mapping[str, Sequence[str]] = field(repr=False, compare=False)

    def of(self, photo: str) -> PicasaPhoto:
        """Give what is said of a photo by its file name; where none is spelt so, case and accents do not count."""
        if photo in self.photos:
            return self.photos[photo]
        spelt = self._folded.get(fold(photo), ())
        names = dict.fromkeys(name for other in spelt for name in self.photos[other].names)
        return PicasaPhoto(tuple(names), self.photos[spelt[-1]].turns if spelt else 0)


def read(file: Path, contacts: Mapping[str, str] = MappingProxyType({})) -> PicasaFolder:
    """Read a `.picasa.ini`.

    Args:
        file: path of it.
        contacts: names by id, as `read_contacts` gives them; they count more than those in the file, which are older.

    Raises:
        FaceclusterError: it cannot be read, is too large, or is no text.
    """
    return parse(read_bounded(file), str(file), contacts)


def parse(data: bytes, file: str, contacts: Mapping[str, str] = MappingProxyType({})) -> PicasaFolder:
    """Parse a `.picasa.ini`. A line that is not understood is left out, as most say other things.

    A section that is there twice counts as one. Of two faces at one place the last counts.

    Args:
        data: UTF-8, with or without a byte order mark, or the code page of western Windows, line by line.
        file: path of it, for the names and messages.
        contacts: as in `read`.

    Raises:
        FaceclusterError: it is no text.
    """
    if b"\0" in data:
        raise FaceclusterError(f"{printable(file)}: not a file of Picasa's: it has a zero in it")
    faces: dict[str, dict[str, str]] = {}
    turns: dict[str, int] = {}
    older: dict[str, str] = {}
    newer: dict[str, str] = {}
    accounts: dict[str, str] = {}
    section = ""
    for line in data.removeprefix(b"\xef\xbb\xbf").splitlines():
        text = _decoded(line).strip()
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
            continue
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            continue
        match section.lower():
            case "contacts2" | "contacts" as kind:
                if not _ID.fullmatch(key):
                    pass
                elif account := _ACCOUNT.fullmatch(value):
                    accounts[_id(key)] = _id(account[1])
                elif (name := clean_name(value.partition(";")[0])) is not None:
                    (newer if kind == "contacts2" else older)[_id(key)] = name
            case other if other in _NO_PHOTO or other.startswith(".album:"):
                pass
            case _ if key.lower() == "faces":
                here = faces.setdefault(section, {})
                for rect, contact in _FACE.findall(value):
                    here[_id(rect)] = _id(contact)
            case _ if key.lower() == "rotate" and (turned := _TURNS.fullmatch(value)):
                turns[section] = int(turned[1])
    by_account = {id_: contacts[other] for id_, other in accounts.items() if other in contacts}
    known = {**older, **newer, **by_account, **contacts}
    nameless = {id_ for here in faces.values() for id_ in here.values()} - known.keys() - NOBODY
    photos = {
        name: PicasaPhoto(_names(here, known, file), turns.get(name, 0))
        for name, here in faces.items()
        if not NOBODY.issuperset(here.values())
    }
    folded: dict[str, list[str]] = {}
    for name in photos:
        folded.setdefault(fold(name), []).append(name)
    return PicasaFolder(photos, tuple(sorted(nameless)), folded)


def read_contacts(file: Path) -> dict[str, str]:
    """Read Picasa's `contacts.xml`: names by id, 16 hex digits in lower case.

    It lies in the user's own folder: AppData/Local/Google/Picasa2/contacts of Windows, and Library/Application
    Support/Google/Picasa3/contacts of a Mac.

    Raises:
        FaceclusterError: it cannot be read, is too large, or is not such a file.
    """
    return parse_contacts(read_bounded(file), str(file))


def parse_contacts(data: bytes, file: str) -> dict[str, str]:
    """Parse a `contacts.xml`: `<contact id="b8e4117cf1d6615b" name="Anna Berg" display="Anna"/>`.

    The name counts, and else what is displayed. A contact's `<subject id="..."/>` is another id of the same person.

    Raises:
        FaceclusterError: it is no XML, or has a document type, which Picasa writes none of and which can say anything.
    """
    names: dict[str, str] = {}
    others: dict[str, str] = {}
    whose: list[str | None] = [None]

    def start(tag: str, attributes: dict[str, str]) -> None:
        id_ = attributes.get("id", "")
        if tag == "contact":
            whose[0] = clean_name(attributes.get("name")) or clean_name(attributes.get("display"))
            if whose[0] is not None and _ID.fullmatch(id_):
                names[_id(id_)] = whose[0]
        elif tag == "subject" and whose[0] is not None and _ID.fullmatch(id_):
            others.setdefault(_id(id_), whose[0])

    def end(tag: str) -> None:
        if tag == "contact":
            whose[0] = None

    def refuse(*_: object) -> None:
        raise FaceclusterError(f"{printable(file)}: not a contacts.xml of Picasa's: it has a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise FaceclusterError(f"{printable(file)}: not XML, or cut short: {error}") from error
    return {**others, **names}


def _names(faces: Mapping[str, str], known: Mapping[str, str], file: str) -> tuple[SaidName, ...]:
    """Give the faces of a photo, id of the contact by the digits of the box, whose contacts have names."""
    names = []
    for rect, contact in faces.items():
        sides = (int(rect[at : at + 4], 16) / 65535 for at in (0, 4, 8, 12))
        box = box_in_picture(*sides)
        if box is not None and contact not in NOBODY and contact in known:
            names.append(SaidName(known[contact], box, "stored", "picasa", file))
    return tuple(names)


def _id(digits: str) -> str:
    """Spell an id or a box with all of its digits."""
    return digits.lower().zfill(16)


def _decoded(line: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            pass
    return line.decode("latin-1")
