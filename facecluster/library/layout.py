"""What the files of a result are called, and where the face table lies that it was made from."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.durable.own_list import RESULT_MARKER
from facecluster.text import typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Person, Result

CLUSTERS = "clusters.json"
"""Who is who, in the folder of results."""
DAMAGED = "clusters.damaged.json"
"""What becomes of a record that cannot be read."""
REPLACED = "clusters.replaced.json"
"""What becomes of a record that somebody else put there, or changed; further ones get a number."""
LOCK = ".facecluster.lock"
"""Held while a process works in the folder of results."""
TABLE = "faces.npz"
"""The face table, where it lies in the folder of results."""
INDEX = "index.jpg"
"""The first sheet of everybody; further ones are "index-2.jpg" and so on."""
UNCLUSTERED = "unclustered"
"""The folder of photos that have faces, none of them placed."""
NOBODY_SHEET = "nobody.jpg"
"""The picture of strangers that show made last."""
PENDING = "arrivals.journal"
"""Photos of a watch that are in neither of these two yet, see `pending`."""
TOLD = "watch.journal"
"""What a watch has to tell, and how much of it was told, see `pending`."""

TAGS = "tags.jsonl"
"""Which names we wrote into which files, see `formats.tags_jsonl`."""
METADATA_BEFORE = "metadata-before"
"""A folder with the XMP of photos as it was before names were written into them, see `embed`."""
UNDO = ".facecluster-undo.jsonl"
"""What the last decisions changed, see `undo_patches`."""
THUMBNAILS = ".facecluster-thumbnails.sqlite"
"""Small pictures of faces and photos, see `review.thumbnails`; made again where it is gone."""
THUMBNAILS_JOURNAL = f"{THUMBNAILS}-journal"
"""Stands beside it while SQLite writes into it, and until the next use where that was cut short."""
FILES = (
    CLUSTERS, TABLE, "decisions.jsonl", "forgotten.jsonl", TAGS, PENDING, TOLD, UNDO, THUMBNAILS, THUMBNAILS_JOURNAL,
    RESULT_MARKER, LOCK,
)  # fmt: skip
"""Files of a library itself: none of them is ever a link, so that nothing outside of it is written."""

_MONTAGE = "_montage.jpg"
_NOT_IN_NAMES = {ord(letter): "_" for letter in '<>:"/\\|?*'} | dict.fromkeys(range(32), "_")
"""Letters that Windows has in no name, or no system."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", re.ASCII | re.IGNORECASE)
"""What no file is called on Windows, whatever is behind the dot."""
_INDEX_SHEET = re.compile(r"index(-[1-9]\d*)?\.jpg", re.ASCII)


def folder_name(person: Person) -> str:
    """Name the folder of a person's photos: "person-0001", or "person-0001 Anna Berg" where there is a name.

    The name is safe on every file system: letters that some system refuses become "_", accents are composed (NFC), no
    dot or space is at its end, and the name of the montage has no more than 255 bytes. Ids tell names apart where case
    does not.
    """
    return _named(person.id, person.name) if person.name else person.id


@lru_cache(maxsize=100_000)
def _named(own: str, name: str) -> str:
    """The name of the folder of somebody who has one."""
    from wcwidth import iter_graphemes

    from facecluster.durable.spelt import NAME_BYTES

    name = unicodedata.normalize("NFC", name).translate(_NOT_IN_NAMES)
    room = NAME_BYTES - len(f"{own} {_MONTAGE}")
    kept = ""
    for letter in iter_graphemes(name):
        room -= len(letter.encode("utf-8", "replace"))
        if room < 0:
            break
        kept += letter
    kept = kept.strip(" .")
    if kept.casefold().endswith(_MONTAGE):  # a folder is not to be called as a montage is
        kept = kept[: -len(_MONTAGE)] + _MONTAGE.replace(".", "_")
    try:
        os.fsencode(kept)
    except UnicodeEncodeError:  # of a system that has no such letters
        kept = ""
    return f"{own} {kept}" if kept else own


def plain_name(name: str) -> str:
    """Give the name that a photo gets where a disk does not take its own: "12:30.jpg" is "12_30.jpg"."""
    name = name.translate(_NOT_IN_NAMES).rstrip(" .") or "_"
    return f"_{name}" if _DEVICE.match(name) else name


def montage_of(person: Person) -> str:
    """Name the file of a person's montage: "person-0001_montage.jpg", "person-0001 Anna Berg_montage.jpg"."""
    return f"{folder_name(person)}{_MONTAGE}"


def person_in(name: str) -> str | None:
    """Give the id of the person whose folder or montage is called so, or may be; None for other files."""
    if not name.startswith("person-"):
        return None
    return name.removesuffix(_MONTAGE).partition(" ")[0]


def index_sheet(number: int) -> str:
    """Name a sheet of everybody, from 1: "index.jpg", "index-2.jpg"."""
    return INDEX if number == 1 else f"index-{number}.jpg"


def is_index_sheet(name: str) -> bool:
    """Say whether a name is that of a sheet of everybody."""
    return _INDEX_SHEET.fullmatch(name) is not None


def table_of(result: Result, directory: Path) -> Path | None:
    """Find the face table that a result was made from.

    Args:
        result: it names the table: by a path relative to `directory` where it lies in there, else by an absolute one.
        directory: where the result lies now; it may have been moved since.

    Returns:
        The table that is named, else the one beside the result, if that is there; None: neither is.
    """
    named = result.settings.table
    places = [] if named is None else [directory / named]
    return next((file for file in (*places, directory / TABLE) if file.is_file()), None)


def find_again(directory: Path) -> str:
    """Give what is typed where photos of a library were moved: its own face table knows them, or one elsewhere."""
    if (directory / TABLE).is_file():
        return f"facecluster run NEW_FOLDER -o {typed(directory)}"
    return f"facecluster encode NEW_FOLDER -o TABLE, and facecluster cluster TABLE -o {typed(directory)}"


def group_again(directory: Path, result: Result | None = None) -> str:
    """Give the command that groups the faces of a library anew, for messages.

    Args:
        directory: of the library.
        result: names its face table; None: it is the one in the folder, or none.
    """
    table = directory / TABLE if result is None else table_of(result, directory)
    if table is None or not table.is_file():
        return f"facecluster run PHOTOS -o {typed(directory)}"
    return f"facecluster cluster {typed(table)} -o {typed(directory)}"


def free_name(directory: Path, name: str) -> Path:
    """Give a file of this name in a folder, or of one with a number, that is not there yet."""
    stem, _, ending = name.rpartition(".")
    numbered = (directory / f"{stem}-{number}.{ending}" for number in count(2))
    return next(file for file in chain([directory / name], numbered) if not os.path.lexists(file))


def set_aside_in(directory: Path) -> list[Path]:
    """Find the records that were set aside in a folder: they tell of people, too. A link is none of them."""
    stems = "|".join(re.escape(name.removesuffix(".json")) for name in (DAMAGED, REPLACED))
    names = sorted(name for name in os.listdir(directory) if re.fullmatch(rf"({stems})(-\d+)?\.json", name))
    return [file for name in names if not (file := directory / name).is_symlink()]


def folder_of(source: str) -> Path:
    """Give the folder of a result that is named by it, or by its record."""
    return Path(source) if os.path.isdir(source) else Path(source).parent


def is_result(source: str) -> bool:
    """Say whether a path is taken for a folder of results, or for its record."""
    return os.path.isdir(source) or source.lower().endswith(".json")
