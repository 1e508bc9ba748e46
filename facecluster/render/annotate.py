"""One picture a photo: a box around each face, where its head looks, and the limits that it fails."""

from __future__ import annotations

import io
import math
import os
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facecluster.durable.spelt import NAME_BYTES
from facecluster.errors import PhotoError
from facecluster.photos.decode import decode
from facecluster.photos.file import file_digest, read_photo
from facecluster.photos.picture import is_coded_as
from facecluster.photos.pixels import MAX_PIXELS
from facecluster.render.verdicts import CheckedFace, CheckedPhoto
from facecluster.table import NO_FACE
from facecluster.text import fold
from facecluster.vision.pose import rotation_of

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

LONGEST_PX, SHORTEST_PX = 1600, 1000
"""Long side of a picture: larger photos are reduced to the one, smaller ones enlarged to the other."""

PASS, FAIL = (40, 200, 80), (235, 50, 50)
"""Colours of boxes, RGB."""

AXES = ((255, 120, 220), (255, 220, 60), (60, 150, 255))
"""Colours of a head's axes, RGB: to its left, up, and where it looks."""

_LEGEND = (
    (PASS, "box: passes"),
    (FAIL, "box: fails"),
    (AXES[0], "to the head's own left"),
    (AXES[1], "up"),
    (AXES[2], "where it looks"),
)
"""What the colours mean; it stands below a picture with faces."""

_INK, _PAPER, _OUTLINE = (255, 255, 255), (24, 24, 24), (0, 0, 0)

_LETTERS = (1 / 50, 1 / 60, 1 / 72, 1 / 86, 1 / 100)
"""Heights of letters in long sides of the picture: the first at which no label hides anything is taken, or the last."""

_MIN_LETTERS_PX = 14

_LINE_LETTERS = 30
"""Longest line of unknown numbers."""

_CELL_PX = 8
"""Labels are placed on a grid this fine."""

_NUMBER_CELLS = 4
"""Height and width of a face's number, which holds two digits."""

_HIDE_FACE, _HIDE_LABEL, _DISTANCE = 1.0, 8.0, 2.0
"""What a place costs: each cell of a face or of a label that it hides, and each cell between label and face. Set by
eye, on photos with one to twenty faces."""


def name_pictures(paths: Iterable[str]) -> dict[str, str]:
    """Name the picture of each photo after it, with "-2", "-3" and so on behind the name where it is taken.

    Args:
        paths: of photos.

    Returns:
        Names that end in .jpg by path, all different; case does not tell names apart.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    tries = Counter[str]()
    for path in paths:
        stem = Path(path).stem
        while fold(name := _picture_name(stem, tries[fold(stem)] + 1)) in taken:
            tries[fold(stem)] += 1
        taken.add(fold(name))
        names[path] = name
    return names


def make_picture(photo: CheckedPhoto) -> bytes:
    """Make the picture of a photo as a JPEG whose comment is the path of the photo.

    Below a photo with faces stands what the colours mean.

    Raises:
        PhotoError: the photo cannot be read, or is not what it was when its faces were found.
    """
    changed = "changed since its faces were found"
    data, _ = read_photo(photo.path)
    if photo.coded and not is_coded_as(data, photo.coded):
        raise PhotoError(changed)
    if (
        photo.digest and not photo.coded and file_digest(data) != photo.digest
    ):  # of a table of an older facecluster
        raise PhotoError(changed)
    width, height = photo.size
    reduction = 2 ** int(
        math.log2(max(max(width, height) / LONGEST_PX, 1))
    )  # what JPEG can do while it is decoded
    n_pixels = math.ceil(width / reduction) * math.ceil(height / reduction)
    decoded = decode(data, max_pixels=n_pixels or MAX_PIXELS, truncated=True)
    if n_pixels and decoded.size != photo.size:
        raise PhotoError(changed)
    pixels, scale = fit(decoded.pixels)
    drawn = draw(pixels, photo, scale * decoded.scale)
    if photo.faces:
        drawn = np.vstack([drawn, legend(drawn.shape[1])])
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "JPEG", quality=90, comment=os.fsencode(photo.path))
    return file.getvalue()


def fit(pixels: Pixels) -> tuple[Pixels, float]:
    """Resize (h, w, 3) to a long side of `SHORTEST_PX` to `LONGEST_PX`; say by what its sides were multiplied."""
    height, width = pixels.shape[:2]
    long_side = max(height, width)
    scale = min(max(long_side, SHORTEST_PX), LONGEST_PX) / long_side
    size = max(1, round(width * scale)), max(1, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, size, interpolation=interpolation).astype(np.uint8, copy=False), scale


def draw(pixels: Pixels, photo: CheckedPhoto, scale: float) -> Pixels:
    """Draw what is known about the faces of a photo.

    Args:
        pixels: (h, w, 3) uint8 RGB, left as it is.
        photo: its coordinates are those of the photo at full size.
        scale: pixels here per pixel at full size.

    Returns:
        (h, w, 3) uint8 RGB, wider or higher than `pixels`, with black, only where a label would not fit into it.
    """
    drawn = np.ascontiguousarray(pixels).copy()
    height, width = drawn.shape[:2]
    thickness = max(2, round(max(height, width) / 500))
    faces = [face for face in photo.faces if None not in face.box]
    boxes = [np.clip(np.multiply(face.box, scale), 0, (width, height, width, height)) for face in faces]
    texts = {i: _lines(face) for i, face in enumerate(faces) if not face.passed}
    for face, box in zip(faces, boxes, strict=True):
        _draw_box(drawn, box, PASS if face.passed else FAIL, thickness)
        _draw_axes(drawn, face, box, scale, thickness)
    if photo.status == NO_FACE:
        boxes, texts = [np.zeros(4)], {0: ["no face"]}
    drawn = _draw_labels(drawn, texts, boxes, thickness)
    for face, box in zip(faces, boxes, strict=False):
        _draw_number(drawn, face, box)
    return drawn


def _picture_name(stem: str, number: int) -> str:
    """a, 2 -> a-2.jpg, no longer than a name may be."""
    ending = ".jpg" if number == 1 else f"-{number}.jpg"
    while len(os.fsencode(stem + ending)) > NAME_BYTES:
        stem = stem[:-1]
    return stem + ending


def _lines(face: CheckedFace) -> list[str]:
    """What is written beside a face that fails: its number, and what fails; what is unknown all together."""
    lines = [failure.text for failure in face.failures if failure.value is not None]
    unknown = ", ".join(failure.name for failure in face.failures if failure.value is None)
    if unknown:
        lines += textwrap.wrap(f"{unknown} unknown", _LINE_LETTERS)
    return [f"{face.number}: {lines[0]}", *lines[1:]]


def _draw_box(drawn: Pixels, box: NDArray[np.float64], colour: Colour, thickness: int) -> None:
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    for line, width in ((_OUTLINE, thickness + 2), (colour, thickness)):
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), line, width)


def _draw_axes(
    drawn: Pixels, face: CheckedFace, box: NDArray[np.float64], scale: float, thickness: int
) -> None:
    """Draw the axes of a head from the tip of its nose, seen from far away; what points to the camera comes last."""
    angles = [face.values[angle] for angle in ("pitch", "yaw", "roll")]
    if None in angles:
        return
    height, width = drawn.shape[:2]
    centre = (box[:2] + box[2:]) / 2 if face.nose is None else np.multiply(face.nose, scale)
    origin = np.clip(centre, 0, (width, height))
    directions = rotation_of(np.array([angles], np.float64))[0].T  # x right, y up, z towards the camera
    length = 0.6 * float((box[2:] - box[:2]).max())
    for i in np.argsort(directions[:, 2]):
        tip = origin + length * directions[i, :2] * (1, -1)
        start, end = np.rint(origin).astype(int).tolist(), np.rint(tip).astype(int).tolist()
        for line, stroke in ((_OUTLINE, thickness + 2), (AXES[i], thickness)):
            cv2.arrowedLine(drawn, start, end, line, stroke, cv2.LINE_AA, tipLength=0.15)


def _draw_number(drawn: Pixels, face: CheckedFace, box: NDArray[np.float64]) -> None:
    """Write a face's number at its box: above the left corner, or inside where that is outside the picture."""
    size = max(_MIN_LETTERS_PX, round(_LETTERS[-1] * max(drawn.shape)))
    tag = _write([str(face.number)], size, _OUTLINE, PASS if face.passed else FAIL)
    height, width = tag.shape[:2]
    top = int(box[1]) - height if box[1] >= height else int(box[1])
    left = min(int(box[0]), drawn.shape[1] - width)
    drawn[top : top + height, left : left + width] = tag


def _draw_labels(
    drawn: Pixels, texts: Mapping[int, Sequence[str]], boxes: Sequence[NDArray[np.float64]], thickness: int
) -> Pixels:
    """Write lines beside boxes, by their number in `boxes`, where they hide least; always on a copy."""
    long_side = max(drawn.shape)
    for size in dict.fromkeys(max(_MIN_LETTERS_PX, round(part * long_side)) for part in _LETTERS):
        labels = {i: _write(lines, size, _INK, _PAPER) for i, lines in texts.items()}
        canvas = _enlarge(drawn, labels.values())
        places, hidden = _place(canvas.shape, labels, boxes)
        if not hidden and canvas.shape == drawn.shape:
            break
    for i, (x, y) in places.items():
        _draw_leader(canvas, boxes[i], (x, y), labels[i].shape, thickness)
    for i, (x, y) in places.items():
        height, width = labels[i].shape[:2]
        canvas[y : y + height, x : x + width] = labels[i]
    return canvas


def _write(lines: Sequence[str], size: int, ink: Colour, paper: Colour) -> Pixels:
    """Draw lines of text: (h, w, 3) RGB."""
    font = ImageFont.load_default(size=size)
    step, margin = math.ceil(1.3 * size), math.ceil(0.3 * size)
    width = 2 * margin + math.ceil(max(font.getlength(line) for line in lines))
    image = Image.new("RGB", (width, step * len(lines) + margin), paper)
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        pen.text((margin, margin / 2 + (i + 0.5) * step), line, fill=ink, font=font, anchor="lm")
    return np.asarray(image)


def legend(width: int) -> Pixels:
    """Say what the colours mean, in as many lines as it takes: (some, width, 3) RGB."""
    size = max(_MIN_LETTERS_PX, round(width / 60))
    font = ImageFont.load_default(size=size)
    step, places, x, row = 2 * size, [], size, 0
    for _, text in _LEGEND:
        length = 2 * size + math.ceil(font.getlength(text))
        if x > size and x + length > width:
            x, row = size, row + 1
        places.append((x, row * step))
        x += length + size
    image = Image.new("RGB", (width, (row + 1) * step), _PAPER)
    pen = ImageDraw.Draw(image)
    for (colour, text), (left, top) in zip(_LEGEND, places, strict=True):
        middle = top + step / 2
        pen.rectangle((left, middle - size / 3, left + 1.3 * size, middle + size / 3), fill=colour)
        pen.text((left + 2 * size, middle), text, fill=_INK, font=font, anchor="lm")
    return np.asarray(image)


def _enlarge(drawn: Pixels, labels: Iterable[Pixels]) -> Pixels:
    """Give a picture the size of its largest label at least; always a copy."""
    heights, widths = zip(drawn.shape[:2], *(label.shape[:2] for label in labels), strict=True)
    canvas = np.zeros((max(heights), max(widths), 3), np.uint8)
    canvas[: drawn.shape[0], : drawn.shape[1]] = drawn
    return canvas


def _place(
    shape: tuple[int, ...], labels: Mapping[int, Pixels], boxes: Sequence[NDArray[np.float64]]
) -> tuple[dict[int, tuple[int, int]], float]:
    """Find a place for each label: beside its box if it can be, and where it hides nothing.

    Args:
        shape: (h, w, ...) of the picture.
        labels: by their number in `boxes`; none larger than the picture.
        boxes: of all faces.

    Returns:
        x, y of the left top corners, and how many cells of faces and labels are hidden, weighted.
    """
    cost = np.zeros([math.ceil(side / _CELL_PX) for side in shape[:2]], np.float64)
    cells = [_cells(box) for box in boxes]
    for left, top, right, bottom in cells:
        cost[top:bottom, left:right] = _HIDE_FACE
    for left, top, _, _ in cells:
        cost[max(top - _NUMBER_CELLS, 0) : top, left : left + _NUMBER_CELLS] = _HIDE_LABEL
    places, hidden = {}, 0.0
    for i in sorted(labels, key=lambda i: -labels[i].size):  # what is small finds its place last
        height, width = labels[i].shape[:2]
        h, w = math.ceil(height / _CELL_PX), math.ceil(width / _CELL_PX)
        left, top, right, bottom = cells[i]
        sums = cv2.integral(cost)
        hides = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
        y, x = np.ogrid[: hides.shape[0], : hides.shape[1]]
        aside = np.maximum(np.maximum(left - x - w, x - right), 0)
        beyond = np.maximum(np.maximum(top - y - h, y - bottom), 0)
        taste = 1e-3 * (np.abs(x - left) + np.abs(y - bottom))  # below, and level with the left side
        total = hides + _DISTANCE * np.hypot(aside, beyond) + taste
        row, column = divmod(int(total.argmin()), total.shape[1])
        hidden += float(hides[row, column])
        cost[row : row + h, column : column + w] += _HIDE_LABEL
        places[i] = (min(column * _CELL_PX, shape[1] - width), min(row * _CELL_PX, shape[0] - height))
    return places, hidden


def _cells(box: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The cells that a box touches, half-open."""
    left, top = np.floor(box[:2] / _CELL_PX).astype(int).tolist()
    right, bottom = np.ceil(box[2:] / _CELL_PX).astype(int).tolist()
    return left, top, right, bottom


def _draw_leader(
    canvas: Pixels, box: NDArray[np.float64], place: tuple[int, int], shape: tuple[int, ...], thickness: int
) -> None:
    """Draw a line from a label to its box where they do not touch."""
    start, end = [], []
    for low, side, near, far in zip(place, shape[1::-1], box[:2], box[2:], strict=True):
        high = low + side
        if high < near or far < low:
            start.append(round(high if high < near else low))
            end.append(round(near if high < near else far))
        else:
            middle = round((max(low, near) + min(high, far)) / 2)
            start.append(middle)
            end.append(middle)
    if math.dist(start, end) > 2 * _CELL_PX:
        for line, stroke in ((_OUTLINE, thickness + 2), (_INK, thickness)):
            cv2.line(canvas, start, end, line, stroke, cv2.LINE_AA)
