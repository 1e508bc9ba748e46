"""What both kinds of face table share: the version, the settings, and what makes a table sound."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.formats.dates import Tag
from facecluster.formats.json_lines import load
from facecluster.table import (
    FURTHEST,
    LOST,
    LOST_CENTRAL,
    LOST_LARGEST,
    Faces,
    FaceTable,
    Photos,
    Settings,
    gaps,
    settings_record,
)
from facecluster.text import can_be_named, printable
from facecluster.text import size as in_words

FORMAT = 2
"""Of the face table, in both kinds of file. Readers accept this and older ones. Format 1 has no pages and videos."""

ANEW = "make it anew: encode or run with --fresh"
"""What is done with a table that is damaged."""

FREE = 1 << 28
"""Bytes that any table may take."""

_LAST = 0x110000
"""There are so many letters."""
_FIRST_SURROGATE = 0xD800
_LETTERS = 1 << 16
"""Looked at at once, so that they stay in the cache."""


def check_format(version: object, name: str) -> None:
    """Refuse what a later facecluster wrote."""
    if not isinstance(version, (int, np.integer)):
        raise ValueError(f"its format is a {type(version).__name__}")
    if version > FORMAT:
        raise TableError(
            f"{name}: written by format {version}, this facecluster reads up to {FORMAT}; "
            "upgrade, or run encode again"
        )


def check_room(n_bytes: int, size: int) -> None:
    """Refuse a table that takes far more memory than one in a file of its size does.

    The text of a table is compressed, and the better the longer the longest of a column is, as all are padded to that.

    Args:
        n_bytes: of all columns.
        size: of the file, in bytes.

    Raises:
        ValueError: it does.
    """
    if n_bytes > room(size):
        raise ValueError(f"it would take {in_words(n_bytes)} of memory, out of {in_words(size)}")


def room(size: int) -> int:
    """Give the bytes that the columns of a table may take that is in a file of some size in bytes."""
    return FREE + 32 * size


def sound(photos: Photos, faces: Faces, settings: Settings) -> FaceTable:
    """Raises ValueError for what fits no table; a face may lack any number but its box."""
    if not all((np.abs(box) <= FURTHEST).all() for box in (faces.box, faces.anchor)):
        raise ValueError("a face without a box")
    if min(faces.page.min(initial=0), photos.pages.min(initial=0), faces.track.min(initial=-1) + 1) < 0:
        raise ValueError("a page or a track of a number below 0")
    if any((seconds < 0).any() for seconds in (faces.time_s, faces.from_s, faces.to_s, photos.duration)):
        raise ValueError("a moment before the start of a video")
    for texts in (photos.path, photos.digest, photos.status, photos.reason, photos.time_from, faces.id):
        check_texts(texts)
    if unknown := set(np.unique(photos.time_from).tolist()) - {"", *get_args(Tag)}:
        raise ValueError(f"a time out of {printable(min(unknown))!r}")
    for keys in (photos.coded, photos.pixels):
        if keys.view(np.uint8).max(initial=0) > 127:
            raise ValueError("a digest that is no text")
    return FaceTable(photos, faces, settings)


def check_texts(texts: NDArray[np.str_]) -> None:
    """Raise ValueError for letters that are none, and for what stands in no name of a file."""
    letters = texts.view(f"{texts.dtype.byteorder}u4").reshape(len(texts), texts.itemsize // 4)
    if letters.max(initial=0) >= _LAST:
        raise ValueError("letters that are none")
    step = max(1, _LETTERS // letters.shape[1])
    for at in range(0, len(texts), step):
        some = letters[at : at + step]
        if np.count_nonzero(some) < some.size:
            ended = some == 0
            if (ended[:, :-1] > ended[:, 1:]).any():
                raise ValueError("a text has a zero in it")
        if some.max(initial=0) >= _FIRST_SURROGATE and not can_be_named(
            "".join(texts[at : at + step].tolist())
        ):
            raise ValueError("a text has half a letter in it")


def suspected(table: FaceTable, suspects: NDArray[np.bool_]) -> FaceTable:
    """Say that the main face of a photo may be lost where others are, in a table that does not know.

    Args:
        table: m photos.
        suspects: (m,) photos of which other columns say that faces are not there.
    """
    missing = suspects | gaps(table.faces.photo, table.faces.id.tolist(), len(table.photos))
    lost = np.where(missing, LOST | LOST_LARGEST | LOST_CENTRAL, 0).astype(np.uint8)
    return replace(table, photos=replace(table.photos, lost=lost))


class _Settings(msgspec.Struct):
    detector: str
    encoder: str
    options: dict[str, float | int | bool | str | None]
    models: dict[str, str]
    versions: dict[str, str]


def settings_of(text: str) -> Settings:
    """Raises ValueError where the text is no settings."""
    try:
        it = msgspec.convert(load(text), _Settings)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no settings: {error}") from error
    return Settings(it.detector, it.encoder, it.options, it.models, it.versions)


def settings_text(settings: Settings) -> str:
    """The settings as the files have them."""
    return json.dumps(settings_record(settings), sort_keys=True)
