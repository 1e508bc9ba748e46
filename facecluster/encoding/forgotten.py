"""Faces that were forgotten are left out, wherever their photos turn up: renamed, copied, edited, or encoded anew.

What is known of a forgotten face is its place (`forgotten_jsonl.Place`): a box in a picture. The same picture is known
by its digest; an edit of it, by the photo's id; and a copy that was scaled or saved again, by what the picture looks
like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import Analysis, Row, ids_of
from facecluster.encoding.resume import Past
from facecluster.formats.forgotten_jsonl import Place
from facecluster.identity.boxes import SAME_FACE_IOU, lose_faces, overlaps
from facecluster.identity.edited import ForgottenPlaces, forgotten_in
from facecluster.identity.evidence import NEAR_DUPLICATE_BITS
from facecluster.table import LOST, NO_FACE, FaceTable


@dataclass(frozen=True)
class Left:
    """Rows without what is forgotten.

    Attributes:
        rows: as given, but for faces that are forgotten.
        counts: how many new faces were left out, by path.
        places: of faces that an older facecluster forgot, and that this run found again: they belong on the list.
    """

    rows: list[Row]
    counts: dict[str, int]
    places: list[Place]


def leave_out(rows: Sequence[Row], places: Iterable[Place], past: Past) -> Left:
    """Leave out the faces that are forgotten.

    A table of an older facecluster says of a photo that faces of it are gone, and has no list of their places: where
    such a photo is analysed again, all its faces that the table did not have count as forgotten, and get on the list.

    Args:
        rows: photos, which know who they are (`Analysis.digest`).
        places: the list.
        past: the earlier table.
    """
    known = _Places(places)
    ids = {face for row in past.rows for face in ids_of(row.analysis)} if known else set()
    unlisted = _unlisted(past)
    result: list[Row] = []
    counts: dict[str, int] = {}
    added: list[Place] = []
    for row in rows:
        new = row.analysis
        gone = known.gone(new, ids)
        if new.looks and new.digest in unlisted:
            found = np.array([face not in unlisted[new.digest] for face in ids_of(new)], dtype=np.bool_)
            added += (_place(new, box) for box in new.faces["box"][found & ~gone].tolist())
            gone |= found
        if gone.any():
            if new.looks:  # else the earlier table had them
                counts[row.path] = int(np.count_nonzero(gone))
            row = row._replace(analysis=_without(new, gone))
        result.append(row)
    return Left(result, counts, added)


def without_places(table: FaceTable, places: Sequence[Place]) -> FaceTable:
    """Give a table without the faces in some places, as far as their photos are known by id or pixels."""
    known = _Places(places)
    if not places or not len(table.faces):
        return table
    photos, faces = table.photos, table.faces
    gone = np.zeros(len(faces), dtype=np.bool_)
    start = np.searchsorted(faces.photo, np.arange(len(photos) + 1))
    for i, (digest, pixels) in enumerate(
        zip(photos.digest.tolist(), photos.pixels.astype(str).tolist(), strict=True)
    ):
        own = slice(start[i], start[i + 1])
        if known.has_photo(digest, pixels):
            for place in known.of(digest, pixels):
                if place.box is None or (pixels and place.pixels == pixels):
                    gone[own] |= _same_place(place, faces.box[own])
                elif place.photo == digest and place.pixels in ("", digest):
                    gone[own] |= _same_place(place, faces.anchor[own])
    if not gone.any():
        return table
    photo = faces.photo.astype(np.int64)
    lost = lose_faces(photo, faces.box.astype(np.float64), gone, photos.size, photos.lost)
    left = np.bincount(faces.photo[~gone], minlength=len(photos))
    bare = (left == 0) & (np.bincount(faces.photo[gone], minlength=len(photos)) > 0)
    status = np.where(bare, NO_FACE, photos.status)
    cleaned = replace(table, photos=replace(photos, lost=lost, status=status))
    return cleaned.select(np.ones(len(photos), dtype=np.bool_), ~gone)


class _Places:
    """Places by the photos that they are in."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._all = list(places)
        self._by_photo: dict[str, list[Place]] = defaultdict(list)
        for place in self._all:
            for key in {place.photo, place.pixels} - {""}:
                self._by_photo[key].append(place)
        self._looks = np.array([place.looks for place in self._all], dtype=np.uint64)

    def __bool__(self) -> bool:
        return bool(self._all)

    def has_photo(self, digest: str, pixels: str) -> bool:
        return digest in self._by_photo or pixels in self._by_photo

    def of(self, digest: str, pixels: str) -> list[Place]:
        """Places in a photo, by its id or its pixels."""
        return list(dict.fromkeys([*self._by_photo.get(digest, ()), *self._by_photo.get(pixels, ())]))

    def alike(self, looks: Iterable[int]) -> list[Place]:
        """Places in pictures that look like this one in any orientation."""
        if not len(self._all):
            return []
        near = np.zeros(len(self._all), dtype=np.bool_)
        for look in looks:
            differing = (self._looks ^ np.uint64(look)).view(np.uint8).reshape(-1, 8)
            near |= np.unpackbits(differing, axis=1).sum(axis=1) <= NEAR_DUPLICATE_BITS
        return [place for place, is_near in zip(self._all, near & (self._looks != 0), strict=True) if is_near]

    def gone(self, new: Analysis, earlier: Collection[str]) -> NDArray[np.bool_]:
        """Say which faces of a photo are forgotten.

        Args:
            new: the photo.
            earlier: ids of faces that the earlier table has. They go only where they lie in the very place.

        Returns:
            (n,)
        """
        gone = np.zeros(len(new.faces), dtype=np.bool_)
        if not len(new.faces):
            return gone
        own = self.of(new.digest, new.pixels)
        alike = [place for place in self.alike(new.looks) if place not in own]
        if not own and not alike:
            return gone
        kept = np.array([face in earlier for face in ids_of(new)], dtype=np.bool_)
        for place in (*own, *alike):
            is_own = place in own
            if is_own and place.box is None:
                gone[:] = True
            elif is_own and place.pixels == new.pixels:
                gone |= _same_place(place, new.faces["box"])
            else:
                if is_own and not place.pixels:
                    gone |= _same_place(place, new.faces["anchor"])
                if not all(place.size):
                    continue
                gone |= forgotten_in(
                    ForgottenPlaces(place.size, np.array([place.box or (0, 0, *place.size)]), place.looks),
                    new.faces["box"],
                    new.size,
                    new.looks or (new.hash,),
                    relation="edit" if is_own else "alike",
                    known=kept,
                )
        return gone


def _unlisted(past: Past) -> dict[str, set[str]]:
    """Find photos of which an older facecluster forgot faces: by id, which faces it left."""
    if past.settings is None or past.settings.options.get("check"):
        return {}  # it is not said which of them merely failed the check
    left: dict[str, set[str]] = {}
    for _, _, was in past.rows:
        if was.lost & LOST and was.digest and not was.pixels:
            left.setdefault(was.digest, set()).update(ids_of(was))
    return left


def _same_place(place: Place, box: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Say which of (n, 4) boxes are of the face at a place of the same picture -> (n,)."""
    if place.box is None:
        return np.ones(len(box), dtype=np.bool_)
    places = np.tile(np.array(place.box), (len(box), 1))
    same: NDArray[np.bool_] = overlaps(places, box.astype(np.float64)) >= SAME_FACE_IOU
    return same


def _without(analysis: Analysis, gone: NDArray[np.bool_]) -> Analysis:
    """Take faces out of a photo, and note whether its main face is lost."""
    n = len(analysis.faces)
    lost = lose_faces(
        np.zeros(n, dtype=np.int64),
        analysis.faces["box"].astype(np.float64),
        gone,
        np.array([analysis.size], dtype=np.int32),
        np.array([analysis.lost], dtype=np.uint8),
    )
    status = NO_FACE if gone.all() else analysis.status
    ids = None if analysis.ids is None else analysis.ids[~gone]
    return replace(analysis, faces=analysis.faces[~gone], ids=ids, status=status, lost=int(lost[0]))


def _place(analysis: Analysis, box: Sequence[float]) -> Place:
    left, top, right, bottom = box
    return Place(analysis.digest, analysis.pixels, analysis.hash, analysis.size, (left, top, right, bottom))
