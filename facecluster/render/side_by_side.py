"""A few faces beside each other, large, with captions: what explain draws."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, PngImagePlugin

from facecluster.durable.own_file import OWNER_ONLY
from facecluster.durable.whole_file import whole_file
from facecluster.errors import OutputError, PhotoError, UsageError
from facecluster.render.letters import Font, font, wrapped
from facecluster.render.tile import Tile, cut_from

SIDE_PX = 320
"""Width and height of a tile; the box of the face takes 228 pixels of it."""

_GAP, _FONT, _LINE = 12, 14, 20
_PAPER, _INK, _GREY = "white", "black", (96, 96, 96)
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_COMMENT = "made by facecluster explain"


def check_target(path: Path) -> None:
    """Refuse a picture that could not be written, or that would replace a file that is not such a picture.

    Raises:
        UsageError: its name says no format that is known.
        OutputError: there is a file of somebody else's.
    """
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"{path}: a picture's name ends in {', '.join(_FORMATS)}")
    if path.is_file() and not is_ours(path):
        raise OutputError(
            f"{path}: is there already, and facecluster did not make it; choose another name, or move it away"
        )


def is_ours(path: Path) -> bool:
    """Say whether a file is a picture that `write_picture` made."""
    try:
        with Image.open(path) as image:
            comment = image.info.get("comment")
    except (OSError, Image.DecompressionBombError):
        return False
    return comment in (_COMMENT, _COMMENT.encode())


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (h, w, 3) uint8 RGB as a JPEG or PNG, by the name; a new one is for its owner, as its photos may be.

    Raises:
        OutputError: it cannot be written.
    """
    kind, file, image = _FORMATS[path.suffix.lower()], io.BytesIO(), Image.fromarray(pixels)
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("comment", _COMMENT)
        image.save(file, kind, pnginfo=info)
    else:
        image.save(file, kind, quality=92, comment=_COMMENT)
    with whole_file(path, permissions=OWNER_ONLY) as target:
        target.write(file.getvalue())


def side_by_side(tiles: Sequence[Tile], title: str) -> tuple[NDArray[np.uint8], list[tuple[str, str]]]:
    """Draw faces beside each other, as large as each other, upright as their photos are or as `Tile.turns` says.

    Args:
        tiles: one or more.
        title: line above them all.

    Returns:
        (h, w, 3) uint8 RGB; and of each photo that could not be shown, its path and why. A grey tile stands for it.
    """
    width = _GAP + len(tiles) * (SIDE_PX + _GAP)
    heading = _lines((title,), width - 2 * _GAP)
    captions = [_lines(tile.caption, SIDE_PX) for tile in tiles]
    top = _GAP + _LINE * len(heading) + _GAP // 2
    height = top + SIDE_PX + _GAP // 2 + _LINE * max(map(len, captions)) + _GAP
    canvas = Image.new("RGB", (width, height), _PAPER)
    pen, missing = ImageDraw.Draw(canvas), []
    for k, (line, letters) in enumerate(heading):
        pen.text((_GAP, _GAP + k * _LINE), line, fill=_INK, font=letters)
    for i, (tile, lines) in enumerate(zip(tiles, captions, strict=True)):
        left = _GAP + i * (SIDE_PX + _GAP)
        try:
            (pixels,) = cut_from(tile.photo, [tile.box], tile.size, SIDE_PX, [tile.turns], tile.moment)
            canvas.paste(Image.fromarray(pixels), (left, top))
        except PhotoError as error:
            missing.append((tile.photo, str(error)))
            canvas.paste(_GREY, (left, top, left + SIDE_PX, top + SIDE_PX))
            middle = (left + SIDE_PX / 2, top + SIDE_PX / 2)
            pen.text(middle, "the photo cannot be shown", fill=_PAPER, font=font(_FONT), anchor="mm")
        for k, (line, letters) in enumerate(lines):
            pen.text((left, top + SIDE_PX + _GAP // 2 + k * _LINE), line, fill=_INK, font=letters)
    return np.asarray(canvas), missing


def _lines(texts: Sequence[str], width: float) -> list[tuple[str, Font]]:
    """Cut texts into lines that fit, each with its font."""
    return [
        (line, letters)
        for lines, letters in (wrapped(text, _FONT, width) for text in texts)
        for line in lines
    ]
