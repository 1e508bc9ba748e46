"""Texts in pictures: a font that has their letters, and texts that fit.

Pillow's own font has the letters of ASCII and little more. Names have others, so the fonts of the system come first. A
letter that no font here has is drawn without its accents, or left out, as an emoji is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from PIL import ImageFont

Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"

_SANS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "segoeui.ttf",
    "arial.ttf",
    "Arial.ttf",
)
"""Fonts for most texts, so that a page has one font."""

_KNOWN = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "NotoSansCJK-Regular.ttc",
    "segoeui.ttf", "arial.ttf", "Nirmala.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf",
    "Arial Unicode.ttf", "Supplemental/Arial Unicode.ttf", "PingFang.ttc", "AppleSDGothicNeo.ttc",
)  # fmt: skip
"""Fonts of Linux, Windows and macOS that between them have most scripts."""

_NO_LETTER = "\U0010ffff"
"""Code point that stands for no letter: a font draws its empty box."""


@lru_cache(maxsize=64)
def font(size: int, text: str = "") -> Font:
    """Give a font of a size in pixels: the usual one where it has the letters of a text, else one that has them."""
    file = _usual()
    usual = ImageFont.load_default(size=size) if file is None else ImageFont.truetype(file, size)
    lacking = _lacking(usual, text)
    if not lacking:
        return usual
    file = _font_with(lacking)
    return usual if file is None else ImageFont.truetype(file, size)


def drawable(text: str, size: int) -> str:
    """Give what of a text can be drawn; "" where nothing can."""
    return _drawable(font(size, text), text)


def fitted(text: str, size: int, width: float, *, middle: bool = False) -> tuple[str, Font]:
    """Give a text as it can be drawn within a width, and the font for it.

    Args:
        text: one line.
        size: of the letters, in pixels.
        width: in pixels.
        middle: letters are left out in the middle, as the end of a file's name tells photos apart; else at the end.
    """
    chosen = font(size, text)
    text = _drawable(chosen, text)
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
    for word in _drawable(chosen, text).split(" "):
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


def _drawable(chosen: Font, text: str) -> str:
    """A text without what a font lacks: a letter without its accents where it has this one, else nothing."""
    lacking = _lacking(chosen, text)
    if not lacking:
        return text
    kept = []
    for letter in text:
        if letter in lacking:
            letter = unicodedata.normalize("NFKD", letter)[0]
            if _lacking(chosen, letter):
                continue
        kept.append(letter)
    return " ".join("".join(kept).split()).replace("( ", "(").replace(" )", ")").replace("()", "").strip(" ,")


@lru_cache(maxsize=1)
def _usual() -> str | None:
    """The font file for most texts; None: there is none, and Pillow's own serves."""
    for name in _SANS:
        for folder in _folders():
            for path in (
                folder / name,
                *sorted(folder.glob(f"*/{name}")),
                *sorted(folder.glob(f"*/*/{name}")),
            ):
                with suppress(OSError, ValueError):
                    ImageFont.truetype(str(path), 16)
                    return str(path)
    return None


def _lacking(chosen: Font, text: str) -> frozenset[str]:
    """Letters of a text that a font draws as its empty box."""
    empty = _drawn(chosen, _NO_LETTER)
    return frozenset(c for c in set(text) if not c.isspace() and _drawn(chosen, c) == empty)


def _drawn(chosen: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = chosen.getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _font_with(letters: frozenset[str]) -> str | None:
    """A font file of the system that has the most of some letters; None where none has any."""
    best: tuple[int, str | None] = (len(letters), None)
    for file in _files(letters):
        try:
            n_lacking = len(_lacking(ImageFont.truetype(file, 16), "".join(letters)))
        except (OSError, ValueError):
            continue
        if not n_lacking:
            return file
        best = min(best, (n_lacking, file), key=lambda found: found[0])
    return best[1]


def _files(letters: frozenset[str]) -> Iterator[str]:
    """Font files that may have letters: what fontconfig says, and those that systems come with."""
    if program := shutil.which("fc-match"):
        wanted = " ".join(f"{ord(letter):x}" for letter in sorted(letters))
        asked = [program, "--format=%{file}", f"sans:charset={wanted}"]
        try:
            found = subprocess.run(asked, capture_output=True, timeout=5, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            found = b""
        if found:
            yield os.fsdecode(found)
    for folder in _folders():
        for name in _KNOWN:
            if (folder / name).is_file():
                yield str(folder / name)
        for path in sorted(folder.glob("*/*")) + sorted(folder.glob("*/*/*")):
            if path.name in _KNOWN:
                yield str(path)


def _folders() -> tuple[Path, ...]:
    """Where a system keeps its fonts."""
    if sys.platform == "win32":
        return (Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts",)
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts")
    return Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts"
