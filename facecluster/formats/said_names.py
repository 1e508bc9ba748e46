"""What other programs say of who is in a photo, and what their files have in common for those who read them.

The readers are `picasa_ini.py`, `takeout.py` and `osxphotos_json.py`. The files may be anybody's, so each is bounded
before it is read, and each name is made one that could have been typed.
"""

from __future__ import annotations

import json
import math
import os
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from facecluster.durable.denied import why_unread
from facecluster.errors import FaceclusterError
from facecluster.text import JOINERS, SELECTORS, printable, size

LARGEST = 16_000_000
"""Bytes. A larger file is no list of the names of one photo or folder."""

LONGEST_NAME = 200
"""Letters. A longer text is no name, as in `library.correct`."""

_LONGEST_TEXT = 8 * LONGEST_NAME
"""Letters that are looked at of what may be a name."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, each 0..1 of the picture's width or height."""

Picture = Literal["stored", "upright"]
"""Which picture a box lies in: the pixels as the file has them, or these turned by its EXIF orientation."""

Origin = Literal["picasa", "takeout", "osxphotos", "xmp"]
"""Whose words they are."""

_PROGRAMS = {"xmp": "XMP", "picasa": "Picasa", "takeout": "Google Takeout", "osxphotos": "osxphotos"}
"""What people call these."""


@dataclass(frozen=True)
class SaidName:
    """A name that a program gives to a face, or to somebody in a photo.

    Attributes:
        name: as `clean_name` makes it.
        box: where the face is; None: somewhere in the photo.
        picture: in which picture `box` lies; None without a box.
        origin: which program's files say it.
        file: path of the file that says it.
        or_box: where the face is if the box lies in the other picture than `picture`, where that is possible.
    """

    name: str
    box: Box | None
    picture: Picture | None
    origin: Origin
    file: str
    or_box: Box | None = None


def programs(origins: Iterable[str]) -> str:
    """Give what people call origins: "XMP and Picasa"; what is none of `Origin` stays as it is."""
    *others, last = [_PROGRAMS.get(one, printable(one)) for one in origins] or ["other files"]
    return f"{', '.join(others)} and {last}" if others else last


def _whole(digits: str) -> float:
    """Read a whole number; one of thousands of digits takes long, and is nothing that we look for."""
    return int(digits) if len(digits) <= 40 else math.inf


DECODER = json.JSONDecoder(parse_int=_whole)
"""Of JSON that may be anybody's. Numbers may be NaN, and texts may have lone surrogates."""


def clean_name(text: object) -> str | None:
    """Make a name of what a file has in the place of one.

    Spaces are single, accents are composed, and what cannot be shown is left out: control characters, marks of
    direction, lone surrogates. It may be longer than a name can be here.

    Returns:
        None: it is no text, or nothing of it can be seen.
    """
    if not isinstance(text, str):
        return None
    spaced = " ".join(text[:_LONGEST_TEXT].split())
    if not spaced.isprintable():
        kept = (letter for letter in spaced if printable(letter) == letter)
        spaced = " ".join("".join(kept).split())
    name = unicodedata.normalize("NFC", spaced).strip(JOINERS)
    return name if name.strip(JOINERS + SELECTORS + " ") else None


def box_in_picture(left: object, top: object, right: object, bottom: object) -> Box | None:
    """Make a box of four values, each 0..1 of a side; what lies outside of the picture is cut off.

    Returns:
        None: a value is no number, or nothing of the box is in the picture.
    """
    sides = []
    for side in (left, top, right, bottom):
        number = number_of(side)
        if number is None:
            return None
        sides.append(min(max(number, 0.0), 1.0))
    left_, top_, right_, bottom_ = sides
    return (left_, top_, right_, bottom_) if left_ < right_ and top_ < bottom_ else None


def number_of(value: object) -> float | None:
    """Give a number of JSON, or a text of one, as some writers have them; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_bounded(file: Path, most: int = LARGEST) -> bytes:
    """Read a file that may be anybody's.

    Raises:
        FaceclusterError: it cannot be read, is no regular file, or has more than `most` bytes.
    """
    try:
        with open(file, "rb", opener=_opened) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise FaceclusterError(f"{_shown(file)}: is no regular file")
            data = opened.read(most + 1)
    except OSError as error:
        raise FaceclusterError(f"{_shown(file)}: cannot be read: {why_unread(file, error)}") from error
    except ValueError as error:
        raise FaceclusterError(f"{_shown(file)}: no file can be called so") from error
    except MemoryError as error:
        raise FaceclusterError(f"{_shown(file)}: too large for this machine's memory") from error
    if len(data) > most:
        raise FaceclusterError(f"{_shown(file)}: has more than {size(most)}, and is not read")
    return data


def load_json(data: bytes | str, file: str) -> Any:
    """Parse JSON as `DECODER` does.

    Raises:
        FaceclusterError: it is none, or nested too deep.
    """
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
        return DECODER.decode(text)
    except RecursionError as error:
        raise FaceclusterError(f"{printable(file)}: nested too deep") from error
    except ValueError as error:
        raise FaceclusterError(
            f"{printable(file)}: not JSON, or cut short: {printable(str(error))}"
        ) from error
    except MemoryError as error:
        raise FaceclusterError(f"{printable(file)}: too large for this machine's memory") from error


def _opened(path: str, flags: int) -> int:
    """Open a file without waiting for whoever writes into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _shown(file: Path) -> str:
    return printable(str(file))
