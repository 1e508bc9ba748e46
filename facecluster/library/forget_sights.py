"""The same faces in other face tables and results, which may know their photos by other ids.

A photo is known by its id. An older facecluster made that of the bytes of the file, this one of the pixels. So a photo
is one of another table also where that has the same pixels, where the file at its path has both digests, and where path
and size agree and boxes overlap. In a table that is given beside a library, a photo is known by its perceptual hash,
and a face by its encoding, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import PhotoError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.decisions import Scene, digest_of, scenes_of
from facecluster.identity.edited import EDITED_FACE
from facecluster.identity.neighbours import squared_distances
from facecluster.identity.points import Points, local_limit
from facecluster.identity.rules import DEFAULTS
from facecluster.library.forget import Target, boxes_of
from facecluster.photos.each_page import picture_digest
from facecluster.photos.file import file_digest, read_photo
from facecluster.result import Result, columns
from facecluster.table import FaceTable

_BLOCK = 4096
"""Faces whose distances are computed at a time."""


@dataclass(frozen=True)
class Content:
    """What a file holds now.

    Attributes:
        file: `file_digest` of its bytes.
        pixels: `each_page.picture_digest` of it.
    """

    file: str
    pixels: str


def content_of(path: str) -> Content | None:
    """Read what a file holds; None where it cannot be read."""
    try:
        data, _ = read_photo(path)
        return Content(file_digest(data), picture_digest(data))
    except PhotoError:
        return None


@dataclass(frozen=True, eq=False)
class Sight:
    """n faces as one table or result knows them.

    Attributes:
        file: of the table, or the folder of the result.
        path, photo, pixels: n of their photos: absolute path, id, and digest of the pixels, "" where unknown.
        where: n pages and moments of them.
        size: (n, 2) width and height of the photos, 0 where unknown.
        hash: perceptual hashes of the photos, 0 where unknown.
        anchor, box: (n, 4) in pixels of the photo when it was first seen, and as it is now.
        encoding: (n, d); None: a result has none.
        encoder: of these.
        own: whether a result that knows the people is of this table. Then its encodings tell nothing new.
    """

    file: Path
    path: list[str]
    photo: list[str]
    pixels: list[str]
    where: list[tuple[int, float | None]]
    size: NDArray[np.int64]
    hash: list[int]
    anchor: NDArray[np.float64]
    box: NDArray[np.float64]
    encoding: NDArray[np.float32] | None
    encoder: str
    own: bool


def sight_of_table(file: Path, table: FaceTable, *, own: bool) -> Sight:
    """See the faces of a table."""
    row = table.faces.photo
    return Sight(
        file,
        table.photos.path[row].tolist(),
        [digest_of(face) for face in table.faces.id.tolist()],
        table.photos.pixels[row].astype(str).tolist(),
        [scene[1:] for scene in scenes_of(table.faces)],
        table.photos.size[row].astype(np.int64),
        table.photos.hash[row].tolist(),
        table.faces.anchor.astype(np.float64),
        table.faces.box.astype(np.float64),
        table.faces.encoding,
        table.settings.encoder,
        own,
    )


def sight_of_result(folder: Path, result: Result, known: Collection[str]) -> Sight:
    """See the faces of a result whose photos are not among those that tables know."""
    placed = columns(result)
    scenes = scenes_of(placed)
    rows = [row for row, face in enumerate(placed.id) if digest_of(face) not in known]
    return Sight(
        folder,
        [placed.photo[row] for row in rows],
        [digest_of(placed.id[row]) for row in rows],
        [""] * len(rows),
        [scenes[row][1:] for row in rows],
        np.zeros((len(rows), 2), dtype=np.int64),
        [0] * len(rows),
        placed.anchor[rows],
        placed.box[rows],
        None,
        "",
        own=False,
    )


@dataclass(frozen=True)
class Doubt:
    """Faces of a table or result that may be of those that go, and stay.

    Attributes:
        file: of the table, or the folder of the result.
        photos: paths, sorted.
    """

    file: Path
    photos: tuple[str, ...]


def find_everywhere(
    target: Target,
    sights: Sequence[Sight],
    contents: Callable[[str], Content | None] = content_of,
) -> tuple[Target, list[Doubt]]:
    """Find the faces that go in all tables and results, whatever they call their photos.

    Args:
        target: faces as one of them knows them.
        sights: all of them.
        contents: what a file holds now.

    Returns:
        The target by all the names that the photos have, and what is in doubt: photos at the same paths in which no
        face could be found again, and faces that are as near as those of one person are.
    """
    if not target.boxes:
        return target, []
    read = cache(contents) if any("" in sight.pixels for sight in sights) else _unread
    gone = [np.zeros(len(sight.path), dtype=np.bool_) for sight in sights]
    while True:
        for sight, rows in zip(sights, gone, strict=True):
            rows |= _known(sight, target)
        found: list[tuple[Scene, Sequence[float]]] = []
        for sight, rows in zip(sights, gone, strict=True):
            for row in np.flatnonzero(rows).tolist():
                found += _names(sight, row, read)
        for one, sight in enumerate(sights):
            others = _but(one, sights, gone)
            new = _by_place(sight, others) & ~gone[one]
            if not sight.own and any(s.own for s in sights):
                new |= _by_encoding(sight, others, EDITED_FACE) & ~gone[one] & ~_photos_of_own(sight, sights)
            gone[one] |= new
            for row in np.flatnonzero(new).tolist():
                found += _names(sight, row, read)
        left = [(name, box) for name, box in found if not target.has_face(name, box)]
        if not left:
            return target, list(_doubts(sights, gone))
        spots = [(name, box) for name, boxes in target.boxes.items() for box in boxes.tolist()]
        target = replace(target, boxes=boxes_of([*spots, *left]))


def _but(
    one: int, sights: Sequence[Sight], gone: Sequence[NDArray[np.bool_]]
) -> list[tuple[Sight, NDArray[np.bool_]]]:
    """Give all but one that have faces that go."""
    both = enumerate(zip(sights, gone, strict=True))
    return [(sight, rows) for number, (sight, rows) in both if number != one and rows.any()]


def _unread(_: str) -> None:
    """No file need be read."""


def _known(sight: Sight, target: Target) -> NDArray[np.bool_]:
    """Say which faces go by what they are called -> (n,)."""
    gone = np.zeros(len(sight.path), dtype=np.bool_)
    for names, boxes in ((sight.photo, sight.anchor), (sight.pixels, sight.box)):
        for row, scene in enumerate(zip(names, sight.where, strict=True)):
            if (key := (scene[0], *scene[1])) in target.boxes:
                gone[row] |= target.has_face(key, boxes[row])
    return gone


def _names(
    sight: Sight, row: int, read: Callable[[str], Content | None]
) -> Iterator[tuple[Scene, list[float]]]:
    """Give all the names of a face: of each id that its photo may have, where in it the face is, and its box."""
    anchor, box, where = sight.anchor[row].tolist(), sight.box[row].tolist(), sight.where[row]
    yield (sight.photo[row], *where), anchor
    if sight.pixels[row]:
        yield (sight.pixels[row], *where), box
    content = read(sight.path[row])
    if content is None:
        return
    if content.file == sight.photo[row] or content.pixels in (sight.photo[row], sight.pixels[row]):
        yield (content.file, *where), box
        yield (content.pixels, *where), box


def _by_place(sight: Sight, others: Iterable[tuple[Sight, NDArray[np.bool_]]]) -> NDArray[np.bool_]:
    """Say which faces lie where faces that go lie, in a photo of the same path, or hash, and size -> (n,)."""
    new = np.zeros(len(sight.path), dtype=np.bool_)
    for other, gone in others:
        at: dict[str | int, list[int]] = defaultdict(list)
        for row in np.flatnonzero(gone).tolist():
            at[other.path[row]].append(row)
            at[other.hash[row]].append(row)
        for row, (path, look) in enumerate(zip(sight.path, sight.hash, strict=True)):
            by_look = at.get(look, []) if look and not sight.own else []
            new[row] |= any(
                _is_same_place(sight, row, other, there) for there in (*at.get(path, ()), *by_look)
            )
    return new


def _is_same_place(one: Sight, row: int, other: Sight, there: int) -> bool:
    """Whether two faces lie in one place of photos of one size, and their encodings do not speak against it."""
    if one.where[row] != other.where[there]:
        return False
    size, size_there = one.size[row], other.size[there]
    if size.any() and size_there.any() and (size != size_there).any():
        return False
    placed = overlaps(one.box[row : row + 1], other.box[there : there + 1])[0] >= SAME_FACE_IOU
    return bool(placed) and not _distance(one, row, other, there) > 1


def _distance(one: Sight, row: int, other: Sight, there: int) -> float:
    """Distance of two encodings in parts of the joining radius; NaN where they cannot be compared."""
    if (
        one.encoding is None
        or other.encoding is None
        or one.encoder != other.encoder
        or one.encoder not in DEFAULTS
    ):
        return float("nan")
    apart = np.linalg.norm(one.encoding[row].astype(np.float64) - other.encoding[there].astype(np.float64))
    return float(apart) / DEFAULTS[one.encoder].join


def _by_encoding(
    sight: Sight, others: Iterable[tuple[Sight, NDArray[np.bool_]]], near: float
) -> NDArray[np.bool_]:
    """Say which faces are as near to one that goes as this part of the joining radius there -> (n,)."""
    new = np.zeros(len(sight.path), dtype=np.bool_)
    for other, gone in others:
        comparable = (
            sight.encoding is not None and sight.encoder == other.encoder and sight.encoder in DEFAULTS
        )
        if not comparable or sight.encoding is None or other.encoding is None:
            continue
        wanted = Points.of(other.encoding[gone].astype(np.float32), sight.encoder)
        radius = DEFAULTS[sight.encoder].join
        for start in range(0, len(sight.path), _BLOCK):
            some = Points.of(sight.encoding[start : start + _BLOCK].astype(np.float32), sight.encoder)
            crowding = some.crowding[:, None] + wanted.crowding
            squared = squared_distances(some, wanted) - crowding
            new[start : start + _BLOCK] |= (squared <= near**2 * local_limit(radius, crowding)).any(axis=1)
    return new


def _photos_of_own(sight: Sight, sights: Iterable[Sight]) -> NDArray[np.bool_]:
    """Say which faces are in photos that a result's own table knows: there they are somebody else's -> (n,)."""
    names: set[str] = set()
    for other in sights:
        if other.own:
            names.update(other.photo, other.pixels)
    names.discard("")
    return np.array(
        [photo in names or pixels in names for photo, pixels in zip(sight.photo, sight.pixels, strict=True)],
        dtype=np.bool_,
    )


def _doubts(sights: Sequence[Sight], gone: Sequence[NDArray[np.bool_]]) -> Iterator[Doubt]:
    """Say what may be of those that go, and stays."""
    for one, (sight, rows) in enumerate(zip(sights, gone, strict=True)):
        if sight.own:
            continue
        others = _but(one, sights, gone)
        cleaned = {sight.path[row] for row in np.flatnonzero(rows).tolist()}
        ids: Mapping[str, set[str]] = defaultdict(set)
        for other, there in others:
            for row in np.flatnonzero(there).tolist():
                ids[other.path[row]] |= {other.photo[row], other.pixels[row]}
        doubtful = {
            path
            for path, photo in zip(sight.path, sight.photo, strict=True)
            if path in ids and path not in cleaned and photo not in ids[path]
        }
        if any(s.own for s in sights):
            alike = _by_encoding(sight, others, 1.0) & ~rows & ~_photos_of_own(sight, sights)
            doubtful |= {sight.path[row] for row in np.flatnonzero(alike).tolist()}
        if doubtful:
            yield Doubt(sight.file, tuple(sorted(doubtful)))
