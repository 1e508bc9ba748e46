"""Numbers and texts as people and pipes get them, the same everywhere."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress

from facecluster.errors import UsageError


def many(number: int, one: str, several: str | None = None) -> str:
    """Count in words: "1 face", "2 faces", "3 people"."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def photos_in_words(n_photos: int, n_videos: int) -> str:
    """Count photos and the videos among them: "3 photos and 1 video"."""
    photos = many(n_photos - n_videos, "photo")
    if not n_videos:
        return photos
    videos = many(n_videos, "video")
    return f"{photos} and {videos}" if n_photos > n_videos else videos


def per_cent(share: float) -> str:
    """Write per cent, 0..100, with one decimal at most: "97 %", "99.9 %"."""
    return f"{share:.1f}".removesuffix(".0") + " %"


def without(n_no_face: int, n_forgotten: int) -> str:
    """Count photos without a face, "3 without a face", and apart those of them whose faces are forgotten."""
    forgotten = f", {n_forgotten} whose faces are forgotten" if n_forgotten else ""
    return f"{n_no_face - n_forgotten} without a face{forgotten}"


def some(texts: Sequence[str], number: int, separator: str = ", ") -> str:
    """Name the first ones and count the rest: "a, b, 3 more"."""
    rest = [f"{len(texts) - number} more"] if len(texts) > number else []
    return separator.join([*texts[:number], *rest])


def quoted(names: Iterable[str]) -> list[str]:
    """Make names fit for a list with commas: printable, and in quotes where one has a comma: "Chirac, Jacques"."""
    shown = [printable(name) for name in names]
    return [f'"{name}"' for name in shown] if any("," in name for name in shown) else shown


def size(n_bytes: int) -> str:
    """Tell an amount of data: "640 kB", "2.3 MB", "23 MB"."""
    for unit, word in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.{0 if n_bytes >= 10 * unit else 1}f} {word}"
    return f"{-(-n_bytes // 1000)} kB"


def clock(seconds: float) -> str:
    """Tell a moment of a video as players do: "0:12", "1:05:09"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def typed(path: str | os.PathLike[str]) -> str:
    """Write a path as one types it on a command line: that of Windows knows no single quotes."""
    if os.name == "nt":
        import subprocess

        return printable(subprocess.list2cmdline([os.fspath(path)]))
    return printable(shlex.quote(os.fspath(path)))


JOINERS = "\u200c\u200d"
"""Letters that are not seen, and say whether their neighbours join: Persian names and emoji have them."""

SELECTORS = "\ufe0e\ufe0f"
"""Letters that are not seen, and say whether the one before is drawn as text or as an emoji."""

_KEPT = f"\xa0{JOINERS}"
_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")
"""The flag of a part of a country, as of Scotland: a black flag, and the part's code in letters that are not seen."""


def printable(text: str) -> str:
    """Escape what would move the cursor, or is no text. Emoji stay whole, whatever they are joined of."""
    if text.isprintable():
        return text
    parts = _FLAG.split(text)  # each second one is a flag
    return "".join(part if i % 2 else "".join(map(_escaped, part)) for i, part in enumerate(parts))


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() or letter in _KEPT else ascii(letter)[1:-1]


def check_text(text: str) -> None:
    """Make sure that a text from outside can be a path or a name.

    Raises:
        UsageError: it has a zero byte, or half a letter, as no bytes of this system stand for.
    """
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise UsageError(f"{printable(text)}: is no text; one of its letters is broken") from error
    if "\0" in text:
        raise UsageError(f"{printable(text)}: has a zero byte, which no path and no name can have")


def as_bytes(text: str, *, path: bool) -> bytes:
    """Encode a path as the disk has it, other text in UTF-8; what no bytes of this system stand for is escaped."""
    if path:
        with suppress(UnicodeEncodeError):
            return os.fsencode(text)
    with suppress(UnicodeEncodeError):
        return text.encode("utf-8", "surrogateescape")
    return text.encode("utf-8", "backslashreplace")


def can_be_named(path: str) -> bool:
    """Say whether a file may have this path: it has no zero, and no lone surrogates but those that stand for bytes."""
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return "\0" not in path


_FIRST = "'=+-@\t\r\n＝＋－＠"
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a text starts that a spreadsheet runs, or reads as another text; any apostrophes in front are ours."""


def to_cell(text: str) -> str:
    """Write a text for a cell of a CSV file: an apostrophe in front of what a spreadsheet would run as a formula."""
    return f"'{text}" if text[:1] in _FIRST and _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Read what `to_cell` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def fold(text: str) -> str:
    """Equal for texts that differ in case, in how their accents are written, in spaces around them, or unseen letters.

    These are joiners, and those that say whether an emoji is drawn in colour.
    """
    if text.isascii():
        return text.lower().strip()
    for unseen in JOINERS + SELECTORS:
        text = text.replace(unseen, "")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()
