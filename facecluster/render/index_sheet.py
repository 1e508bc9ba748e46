"""Everybody on one page: a cover, the name and the number of faces of each person."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facecluster.render.letters import drawable, fitted
from facecluster.render.montage import SAVE, TILE_PX
from facecluster.result import Person
from facecluster.text import many, printable

PER_ROW = 7
"""Cells in a row, and rows of a sheet."""

PER_SHEET = PER_ROW**2
"""People on a sheet."""

VERSION = 1
"""Of sheets; another number makes all of them anew."""

_CELL = (TILE_PX + 16, TILE_PX + 64)
"""Width and height of a cell. These, the title, and the edge are multiples of 16: a cell that is copied from an earlier
sheet fills the same blocks of the JPEG, so that it looks the same after many changes of others."""

_TITLE_PX, _EDGE_PX = 48, 16
_TITLE, _NAME, _COUNT = 22, 15, 12
"""Heights of letters, in pixels."""

_PAPER, _INK, _GREY = "white", "black", (128, 128, 128)


def key_of(people: Sequence[Person], number: int) -> str:
    """Tell what a sheet shows, and who is on it: sheets of equal keys are equal.

    Args:
        people: on it, `PER_SHEET` at most.
        number: of the sheet, from 1.
    """
    cells = json.dumps([VERSION, _title(people, number), *map(_cell_key, people)])
    digest = hashlib.sha256(cells.encode()).hexdigest()[:32]
    return f"{digest}:{','.join(person.id for person in people)}"


def people_of(key: str) -> list[str]:
    """Give the ids of the people on a sheet, by its key; none where the key is of another version."""
    return [own for own in key.partition(":")[2].split(",") if own]


def make_sheet(
    people: Sequence[Person],
    number: int,
    cover: Callable[[Person], NDArray[np.uint8] | None],
    *,
    earlier: bytes | None = None,
    fresh: Collection[str] = (),
) -> bytes:
    """Make a sheet as a JPEG. Its comment says what is in which cell.

    Args:
        people: on it, 1 to `PER_SHEET`.
        number: of the sheet, from 1.
        cover: gives a person's cover, (`TILE_PX`, `TILE_PX`, 3) uint8; None: there is none. It is asked only for people
            whose cell is not as in the earlier sheet.
        earlier: the sheet until now, whose cells are copied; None: there is none.
        fresh: ids of people whose cover is another now.
    """
    rows = -(-len(people) // PER_ROW)
    columns = min(len(people), PER_ROW)
    width = max(2 * _EDGE_PX + columns * _CELL[0], 2 * _CELL[0])
    sheet = Image.new("RGB", (width, _TITLE_PX + rows * _CELL[1]), _PAPER)
    title, letters = fitted(_title(people, number), _TITLE, width - 2 * _EDGE_PX)
    pen = ImageDraw.Draw(sheet)
    pen.text((_EDGE_PX, _TITLE_PX / 2), title, fill=_INK, font=letters, anchor="lm")
    before = {} if earlier is None else _cells(earlier)
    keys = [_cell_key(person) for person in people]
    for i, (person, key) in enumerate(zip(people, keys, strict=True)):
        known = None if person.id in fresh else before.get(key)
        sheet.paste(_cell(person, cover(person)) if known is None else known, _place(i))
    file = io.BytesIO()
    sheet.save(file, "JPEG", comment=json.dumps([VERSION, keys]), **SAVE)
    return file.getvalue()


def is_sheet(content: bytes) -> bool:
    """Say whether a file is a sheet that `make_sheet` made."""
    return bool(_cells(content))


def _title(people: Sequence[Person], number: int) -> str:
    """What stands above: the number of people where one sheet has them all, else which sheet this is."""
    if number == 1 and len(people) < PER_SHEET:
        return many(len(people), "person", "people")
    return f"People, sheet {number}"


def _cell_key(person: Person) -> str:
    """What a cell shows: who it is, and the face that is the cover."""
    face = person.cover_face if person.faces else None
    shown = (person.id, person.name, person.n_faces, face and (face.id, face.photo, list(face.box)))
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def _place(i: int) -> tuple[int, int]:
    """Where a cell begins: x, y."""
    row, column = divmod(i, PER_ROW)
    return _EDGE_PX + column * _CELL[0], _TITLE_PX + row * _CELL[1]


def _cells(sheet: bytes) -> dict[str, Image.Image]:
    """The cells of a sheet, by key; none where it is of another version, or damaged."""
    try:
        with Image.open(io.BytesIO(sheet)) as image:
            comment = bytes(image.info.get("comment", b""))
            pixels = image.convert("RGB")
        version, keys = json.loads(comment)
    except (OSError, ValueError, TypeError):
        return {}
    if version != VERSION:
        return {}
    places = map(_place, range(len(keys)))
    return {
        key: pixels.crop((x, y, x + _CELL[0], y + _CELL[1])) for key, (x, y) in zip(keys, places, strict=True)
    }


def _cell(person: Person, cover: NDArray[np.uint8] | None) -> Image.Image:
    """A cover, and below it the name, and the id and the number of faces."""
    cell = Image.new("RGB", _CELL, _PAPER)
    if cover is None:
        cell.paste(_GREY, (0, 0, TILE_PX, TILE_PX))
    else:
        cell.paste(Image.fromarray(cover), (0, 0))
    pen = ImageDraw.Draw(cell)
    count = many(person.n_faces, "face")
    named = drawable(printable(person.name or ""))
    name, note = (named, f"{person.id}, {count}") if named else (person.id, count)
    for text, size, y in ((name, _NAME, TILE_PX + 4), (note, _COUNT, TILE_PX + 26)):
        line, letters = fitted(text, size, TILE_PX)
        pen.text((0, y), line, fill=_INK, font=letters)
    return cell
