"""Texts in pictures: a font that has their letters, and texts that fit.

Pillow's own font has the letters of ASCII and little more. Names have others, so the fonts of the system come first. A
letter that no font here has is drawn without its accents, or left out, as an emoji is.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from PIL import ImageFont

from facecluster.text import JOINERS, SELECTORS

Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"

_KNOWN = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "segoeui.ttf", "arial.ttf", "Arial.ttf",
    "NotoSansCJK-Regular.ttc", "Nirmala.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf",
    "Arial Unicode.ttf", "PingFang.ttc", "AppleSDGothicNeo.ttc",
)  # fmt: skip
"""Fonts of Linux, Windows and macOS that between them have most scripts. The first that is there is for most texts, so
that a page has one font."""

_PILLOWS = ""
"""Stands for Pillow's own font where files of fonts do for others."""

_NO_LETTER = "\U0010ffff"
"""Code point that stands for no letter: a font draws its empty box."""

_TRIED_PX = 16
"""Height at which letters are tried."""


def font(size: int, text: str = "") -> Font:
    """Give a font of a size in pixels: the usual one where it has the letters of a text, else one that has more."""
    return _load(_file_for(text), size)


def drawable(text: str) -> str:
    """Give what of a text can be drawn: letters that no font has go, or lose their accents; "" where none is left."""
    file = _file_for(text)
    if not _lacking(file, text):
        return text
    kept = []
    for letter in text:
        if letter in JOINERS + SELECTORS:  # of an emoji that goes, mostly
            continue
        bare = letter if _has(file, letter) else unicodedata.normalize("NFKD", letter)[0]
        if _has(file, bare):
            kept.append(bare)
    return " ".join("".join(kept).split()).replace("( ", "(").replace(" )", ")").replace("()", "").strip(" ,")


def fitted(text: str, size: int, width: float, *, middle: bool = False) -> tuple[str, Font]:
    """Give a text as it can be drawn within a width, and the font for it.

    Args:
        text: one line.
        size: of the letters, in pixels.
        width: in pixels.
        middle: letters are left out in the middle, as the end of a file's name tells photos apart; else at the end.
    """
    chosen, text = font(size, text), drawable(text)
    if chosen.getlength(text) <= width:
        return text, chosen
    for kept in range(len(text) - 1, 0, -1):
        head = (kept + 1) // 2 if middle else kept
        shorter = f"{text[:head].rstrip()}...{text[len(text) - (kept - head) :]}"
        if chosen.getlength(shorter) <= width:
            return shorter, chosen
    return "", chosen


def wrapped(text: str, size: int, width: float) -> tuple[list[str], Font]:
    """Cut a text into lines that fit, at spaces where there are some, and give the font for them."""
    chosen = font(size, text)
    lines = [""]
    for word in drawable(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if chosen.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if chosen.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines, chosen


def _file_for(text: str) -> str:
    """The file of the font for a text."""
    usual = next(iter(_known_files()), _PILLOWS)
    return _best(frozenset(text)) if _lacking(usual, text) else usual


@lru_cache(maxsize=256)
def _best(letters: frozenset[str]) -> str:
    """The font that has the most of some letters; of several the one that systems come with first."""
    wanted = "".join(sorted(letters))
    return min((*_known_files(), *_asked_for(wanted), _PILLOWS), key=lambda file: len(_lacking(file, wanted)))


def _lacking(file: str, text: str) -> str:
    """Letters of a text that a font has not."""
    return "".join(letter for letter in text if not _has(file, letter))


@lru_cache(maxsize=10_000)
def _has(file: str, letter: str) -> bool:
    """Say whether a font has a letter, and does not draw its empty box for it."""
    return letter.isspace() or _drawn(file, letter) != _drawn(file, _NO_LETTER)


def _drawn(file: str, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = _load(file, _TRIED_PX).getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _load(file: str, size: int) -> Font:
    return ImageFont.load_default(size=size) if file == _PILLOWS else ImageFont.truetype(file, size)


@lru_cache(maxsize=1)
def _known_files() -> tuple[str, ...]:
    """The known fonts that are there and can be read, in their order."""
    there: dict[str, str] = {}
    for folder in _folders():
        for pattern in ("*", "*/*", "*/*/*"):
            for found in glob.iglob(pattern, root_dir=folder):  # passes over folders that may not be read
                if (name := os.path.basename(found)) in _KNOWN:
                    there.setdefault(name, str(folder / found))
    return tuple(file for name in _KNOWN if (file := there.get(name)) is not None and _is_font(file))


def _asked_for(letters: str) -> tuple[str, ...]:
    """The font that fontconfig has for letters, where that is there."""
    program = shutil.which("fc-match")
    if program is None:
        return ()
    wanted = " ".join(f"{ord(letter):x}" for letter in letters)
    asked = [program, "--format=%{file}", f"sans:charset={wanted}"]
    try:
        file = os.fsdecode(subprocess.run(asked, capture_output=True, timeout=5, check=True).stdout)
    except (OSError, subprocess.SubprocessError):
        return ()
    return (file,) if _is_font(file) else ()


def _is_font(file: str) -> bool:
    try:
        _load(file, _TRIED_PX)
    except (OSError, ValueError):
        return False
    return file != _PILLOWS


def _folders() -> tuple[Path, ...]:
    """Where a system keeps its fonts."""
    if sys.platform == "win32":
        return (Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts",)
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts")
    return (
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        Path(os.path.expanduser("~/.local/share/fonts")),
    )
