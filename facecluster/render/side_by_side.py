"""A few faces beside each other, large, with captions: what explain draws."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from facecluster.durable.whole_file import whole_file
from facecluster.errors import OutputError, PhotoError, UsageError
from facecluster.photos import MAX_PIXELS, decode
from facecluster.render.montage import MARGIN
from facecluster.result import Box

SIDE_PX = 320
"""Width and height of a tile; the box of the face takes 228 pixels of it."""

_GAP, _FONT, _LINE = 12, 14, 20
_PAPER, _INK, _GREY = "white", "black", (96, 96, 96)
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_COMMENT = "made by facecluster explain"


@dataclass(frozen=True)
class Tile:
    """A face to draw.

    Attributes:
        photo: path.
        box: in the upright photo.
        size: width, height of the upright photo at full size; 0, 0 where unknown.
        caption: lines below it.
    """

    photo: str
    box: Box
    size: tuple[int, int]
    caption: tuple[str, ...]


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
    """Write (h, w, 3) uint8 RGB as a JPEG or PNG, by the name.

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
    with whole_file(path) as target:
        target.write(file.getvalue())


def side_by_side(tiles: Sequence[Tile], title: str) -> tuple[NDArray[np.uint8], list[tuple[str, str]]]:
    """Draw faces beside each other, as large as each other, upright as their photos are.

    Args:
        tiles: one or more.
        title: line above them all.

    Returns:
        (h, w, 3) uint8 RGB; and of each photo that could not be shown, its path and why. A grey tile stands for it.
    """
    font = ImageFont.load_default(size=_FONT)
    width = _GAP + len(tiles) * (SIDE_PX + _GAP)
    heading = _wrap(title, font, width - 2 * _GAP)
    captions = [[line for text in tile.caption for line in _wrap(text, font, SIDE_PX)] for tile in tiles]
    top = _GAP + _LINE * len(heading) + _GAP // 2
    height = top + SIDE_PX + _GAP // 2 + _LINE * max(map(len, captions)) + _GAP
    canvas = Image.new("RGB", (width, height), _PAPER)
    pen, missing = ImageDraw.Draw(canvas), []
    for k, line in enumerate(heading):
        pen.text((_GAP, _GAP + k * _LINE), line, fill=_INK, font=font)
    for i, (tile, lines) in enumerate(zip(tiles, captions, strict=True)):
        left = _GAP + i * (SIDE_PX + _GAP)
        try:
            canvas.paste(Image.fromarray(_cut_from(tile)), (left, top))
        except PhotoError as error:
            missing.append((tile.photo, str(error)))
            canvas.paste(_GREY, (left, top, left + SIDE_PX, top + SIDE_PX))
            middle = (left + SIDE_PX / 2, top + SIDE_PX / 2)
            pen.text(middle, "the photo cannot be shown", fill=_PAPER, font=font, anchor="mm")
        for k, line in enumerate(lines):
            pen.text((left, top + SIDE_PX + _GAP // 2 + k * _LINE), line, fill=_INK, font=font)
    return np.asarray(canvas), missing


def _cut_from(tile: Tile) -> NDArray[np.uint8]:
    """Cut a square around a face, moved or shrunk where it would leave the photo: (`SIDE_PX`, `SIDE_PX`, 3).

    The photo is decoded no larger than that needs.
    """
    left, top, right, bottom = tile.box
    longest, (full_width, full_height) = MARGIN * max(right - left, bottom - top), tile.size
    reduction = 2 ** int(math.log2(max(longest / SIDE_PX, 1)))
    n_pixels = math.ceil(full_width / reduction) * math.ceil(full_height / reduction)
    decoded = decode(tile.photo, max_pixels=n_pixels or MAX_PIXELS)
    if n_pixels and decoded.size != tile.size:
        raise PhotoError("changed since its faces were found")
    height, width = decoded.pixels.shape[:2]
    side = max(1, min(round(longest * decoded.scale), width, height))
    x = min(max(round((left + right) / 2 * decoded.scale - side / 2), 0), width - side)
    y = min(max(round((top + bottom) / 2 * decoded.scale - side / 2), 0), height - side)
    square = np.ascontiguousarray(decoded.pixels[y : y + side, x : x + side])
    interpolation = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_CUBIC
    return cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=interpolation).astype(np.uint8, copy=False)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> list[str]:
    """Cut a text into lines that fit, at spaces where there are some."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
