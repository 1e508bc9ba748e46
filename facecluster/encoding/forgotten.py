"""Faces that were forgotten are left out, wherever their photos turn up: renamed, copied, edited, or encoded anew.

What is known of a forgotten face is its place (`forgotten_jsonl.Place`): a box in a picture. The same picture is known
by the digest of its pixels, an edit of it by the photo's id, a copy that was scaled or saved again by its looks, and a
cropped copy by comparing it with the photo, if that is still there. A face in a video is forgotten with all of its
track; where frames of other moments are kept now, it is the track that was there then, if a face of it lies there.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import Analysis, Row, ids_of
from facecluster.encoding.crops import MAYBE_CROP_BITS, find_crop
from facecluster.encoding.resume import Past
from facecluster.formats.forgotten_jsonl import Place
from facecluster.identity.boxes import SAME_FACE_IOU, lose_faces, overlaps
from facecluster.identity.edited import ForgottenPlaces, Relation, forgotten_in, hash_distances
from facecluster.identity.evidence import NEAR_DUPLICATE_BITS, SAME_SCENE_BITS, are_other_times
from facecluster.table import LOST, NO_FACE, PLAIN, FaceTable


@dataclass(frozen=True)
class Left:
    """Rows without what is forgotten.

    Attributes:
        rows: as given, but for faces that are forgotten.
        counts: how many new faces were left out, by path.
        places: that belong on the list too: of forgotten faces in edits and copies, where those lie there; and of faces
            that an older facecluster forgot.
    """

    rows: list[Row]
    counts: dict[str, int]
    places: list[Place]


def leave_out(
    rows: Sequence[Row], places: Iterable[Place], past: Past, others: Iterable[tuple[str, Analysis]] = ()
) -> Left:
    """Leave out the faces that are forgotten.

    A table of an older facecluster says of a photo that faces of it are gone, and has no list of their places. Where
    such a photo is analysed again, all its faces that the table did not have count as forgotten, and get on the list.
    Where none is left in it, the whole photo does. A forgotten face in a picture that is an edit, or a copy saved
    anew, gets on the list as it lies there.

    Args:
        rows: photos, which know who they are (`Analysis.digest`).
        places: the list.
        past: the earlier table.
        others: paths of further photos, and what is known of them: of a crop of one of these it is known, too, which
            faces are forgotten.
    """
    known = _Places(places)

    @functools.cache
    def path_of() -> dict[str, str]:
        there = dict(others) | {row.path: row.analysis for row in (*past.rows, *rows)}
        return {it.pixels: path for path, it in there.items() if known.has_photo("", it.pixels)}

    before = {row.path: row.analysis for row in past.rows}
    unlisted = _unlisted(past)
    result: list[Row] = []
    counts: dict[str, int] = {}
    added: list[Place] = []
    for row in rows:
        new = row.analysis
        was = before.get(row.path)
        found, had = _found(new), _known(new, was)
        exact = known.exact(found)
        gone = exact | known.gone(found, had) | known.at_path(found, was, had)
        if new.looks and not (gone | had).all():
            gone |= known.cropped(found, row.path, path_of) & ~had
        if new.pixels:
            added += (_place(new, face) for face in new.faces[gone & ~exact])
        if new.looks and new.digest in unlisted and not known.has_photo(new.digest, new.pixels):
            others = np.array([face not in unlisted[new.digest] for face in ids_of(new)], dtype=np.bool_)
            added += (_place(new, face) for face in new.faces[others & ~gone])
            gone |= others
        if gone.any():
            if new.looks:  # else the earlier table had them
                counts[row.path] = int(np.count_nonzero(gone))
            row = row._replace(analysis=_without(new, gone))
        result.append(row)
    if unlisted:
        added += (_place(was, None) for was in before.values() if _is_bare(was, known))
    return Left(result, counts, list(dict.fromkeys(added)))


def without_places(table: FaceTable, places: Sequence[Place]) -> FaceTable:
    """Give a table without the faces in some places.

    Their photos are known by id or pixels, else by what they look like, as of a table of an older facecluster.
    """
    if not places or not len(table.faces):
        return table
    known = _Places(places)
    photos, faces = table.photos, table.faces
    near = known.look_like(photos.hash)
    gone = np.zeros(len(faces), dtype=np.bool_)
    start = np.searchsorted(faces.photo, np.arange(len(photos) + 1))
    times = photos.shot_times().tolist()
    for i, (digest, pixels) in enumerate(
        zip(photos.digest.tolist(), photos.pixels.astype(str).tolist(), strict=True)
    ):
        own = slice(start[i], start[i + 1])
        if known.has_photo(digest, pixels) or near[i]:
            found = _Found(
                digest,
                pixels,
                (int(photos.size[i, 0]), int(photos.size[i, 1])),
                (int(photos.hash[i]),),
                faces.box[own].astype(np.float64),
                faces.anchor[own].astype(np.float64),
                times[i],
                _Moments(**{name: getattr(faces, name)[own] for name in PLAIN}),
            )
            gone[own] = known.gone(found, np.full(start[i + 1] - start[i], known.has_photo(digest, pixels)))
    if not gone.any():
        return table
    photo = faces.photo.astype(np.int64)
    lost = lose_faces(photo, faces.box.astype(np.float64), gone, photos.size, photos.lost)
    left = np.bincount(faces.photo[~gone], minlength=len(photos))
    bare = (left == 0) & (np.bincount(faces.photo[gone], minlength=len(photos)) > 0)
    status = np.where(bare, NO_FACE, photos.status)
    cleaned = replace(table, photos=replace(photos, lost=lost, status=status))
    return cleaned.select(np.ones(len(photos), dtype=np.bool_), ~gone)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Where in a file n faces are, see `table.Faces`."""

    page: NDArray[np.int32]
    time_s: NDArray[np.float32]
    track: NDArray[np.int32]
    from_s: NDArray[np.float32]
    to_s: NDArray[np.float32]

    def least(self, place: Place) -> NDArray[np.float64]:
        """Give the overlap from which on each face is the one of a place -> (n,); infinite where it is not there then.

        A track of a video that was there then, and of which no frame of that moment is kept, is it rather than that it
        comes back.
        """
        least = np.full(len(self.page), np.inf)
        if place.time_s is None:
            least[(self.page == place.page) & (self.track < 0)] = SAME_FACE_IOU
            return least
        then = np.float32(place.time_s)
        exact = self.time_s == then
        there = (self.from_s <= then) & (then <= self.to_s) & ~np.isin(self.track, self.track[exact])
        least[there], least[exact] = np.finfo(np.float64).tiny, SAME_FACE_IOU
        return least

    def with_tracks(self, gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add to some faces the others of their tracks -> (n,)."""
        whole: NDArray[np.bool_] = gone | ((self.track >= 0) & np.isin(self.track, self.track[gone]))
        return whole


@dataclass(frozen=True, eq=False)
class _Found:
    """The n faces that were found in a photo, and what tells which photo it is: see `table.Photos` and `Faces`."""

    digest: str
    pixels: str
    size: tuple[int, int]
    looks: tuple[int, ...]
    box: NDArray[np.float64]
    anchor: NDArray[np.float64]
    time: float
    moments: _Moments

    def lie_at(self, place: Place, box: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which faces, by their boxes or anchors (n, 4), are the one of a place of the same picture -> (n,)."""
        if place.box is None:
            return np.ones(len(box), dtype=np.bool_)
        lies: NDArray[np.bool_] = overlaps(
            np.tile(np.array(place.box), (len(box), 1)), box
        ) >= self.moments.least(place)
        return self.moments.with_tracks(lies)


class _Places:
    """Places by the photos that they are in."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._all = list(places)
        self._by_photo: dict[str, list[Place]] = defaultdict(list)
        for place in self._all:
            for key in {place.photo, place.pixels} - {""}:
                self._by_photo[key].append(place)
        self._looks = np.array([place.looks for place in self._all], dtype=np.uint64)

    def has_photo(self, digest: str, pixels: str) -> bool:
        return digest in self._by_photo or pixels in self._by_photo  # which have no ""

    def of(self, digest: str, pixels: str) -> list[Place]:
        """Places in a photo, by its id or its pixels."""
        return list(dict.fromkeys([*self._by_photo.get(digest, ()), *self._by_photo.get(pixels, ())]))

    def look_like(self, looks: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Say which of m perceptual hashes are near to that of a picture with places -> (m,)."""
        near = np.zeros(len(looks), dtype=np.bool_)
        for look in np.unique(self._looks[self._looks != 0]):
            near |= _bits(looks ^ look) <= NEAR_DUPLICATE_BITS
        near &= looks != 0
        return near

    def alike(self, looks: Iterable[int]) -> list[Place]:
        """Places in pictures that look like this one in any orientation."""
        if not len(self._all):
            return []
        near = np.zeros(len(self._all), dtype=np.bool_)
        for look in looks:
            if look:
                near |= _bits(self._looks ^ np.uint64(look)) <= NEAR_DUPLICATE_BITS
        return [place for place, is_near in zip(self._all, near & (self._looks != 0), strict=True) if is_near]

    def cropped(self, new: _Found, path: str, path_of: Callable[[], Mapping[str, str]]) -> NDArray[np.bool_]:
        """Say which faces of a photo are forgotten, as it is a crop of a photo with places -> (n,).

        Args:
            new: what was found.
            path: of the photo.
            path_of: says where photos with places are, by the digest of their pixels.
        """
        gone = np.zeros(len(new.box), dtype=np.bool_)
        if not self._all or not new.looks or not new.looks[0]:
            return gone
        near = (self._looks != 0) & (_bits(self._looks ^ np.uint64(new.looks[0])) <= MAYBE_CROP_BITS)
        places: dict[str, list[Place]] = defaultdict(list)
        for i in np.flatnonzero(near).tolist():
            place = self._all[i]
            if _is_of_another_time(place, new):
                continue
            if place.pixels in path_of() and place.pixels != new.pixels and place.photo != new.digest:
                places[path_of()[place.pixels]].append(place)
        for photo, there in places.items():
            region = find_crop(photo, path) if photo != path else None
            if region is None:
                continue
            left, top, right, bottom = region
            for place in there:
                if place.box is None:
                    gone[:] = True
                    continue
                width, height = place.size
                part = np.array([right - left, bottom - top] * 2) * np.array(place.size * 2) / (new.size * 2)
                box = new.box * part + np.array([left * width, top * height] * 2)
                lies = overlaps(np.tile(np.array(place.box), (len(box), 1)), box) >= _CROPPED_IOU
                gone |= lies & np.isfinite(new.moments.least(place))
        return gone

    def exact(self, new: _Found) -> NDArray[np.bool_]:
        """Say which faces of a photo lie in a place of this very picture -> (n,)."""
        gone = np.zeros(len(new.box), dtype=np.bool_)
        for place in self._by_photo.get(new.pixels, ()):
            if (place.pixels or place.photo) == new.pixels:
                gone |= new.lie_at(place, new.box)
        return gone

    def at_path(self, new: _Found, was: Analysis | None, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which faces may be forgotten ones of the photo that was at this path, if this is an edit of it -> (n,).

        A photo all of whose faces are forgotten has none by which an edit of it is told from another photo. The looks
        must do, and rather one face too many is left out.
        """
        gone = np.zeros(len(new.box), dtype=np.bool_)
        if was is None or was.digest == new.digest or not len(gone):
            return gone
        if hash_distances(was.hash, new.looks).min() > SAME_SCENE_BITS:
            return gone
        for place in self.of(was.digest, was.pixels):
            gone |= _in_edit(place, new, "edit", known)
        return gone

    def gone(self, new: _Found, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which faces of a photo are forgotten -> (n,).

        Args:
            new: what was found.
            known: (n,) faces that a table had: they are others, unless they lie in the place itself.
        """
        gone = np.zeros(len(new.box), dtype=np.bool_)
        if not len(gone):
            return gone
        own = self.of(new.digest, new.pixels)
        for place in own:
            picture = place.pixels or place.photo  # in which the box is
            if place.box is None:
                gone[:] = True
            elif picture == new.pixels:
                gone |= new.lie_at(place, new.box)
                continue  # it lies there and nowhere else
            elif picture == new.digest:
                gone |= new.lie_at(place, new.anchor) & (known if place.pixels else True)
            elif (
                place.photo == new.digest and not new.pixels
            ):  # of an older table, where nobody asked for pixels
                gone |= new.lie_at(place, new.anchor)
            gone |= _in_edit(place, new, "edit", known)
        if not known.all():
            for place in self.alike(new.looks):
                if place not in own and not _is_of_another_time(place, new):
                    gone |= _in_edit(place, new, "alike", known)
        return gone


def _is_of_another_time(place: Place, new: _Found) -> bool:
    """Say whether a photo was taken at another time than that of a place: before a fixed camera all look alike."""
    return place.time is not None and are_other_times(abs(place.time - new.time))


def _in_edit(place: Place, new: _Found, relation: Relation, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which faces of another picture of the photo may be the one of a place -> (n,)."""
    if 0 in place.size:
        return np.zeros(len(new.box), dtype=np.bool_)
    if place.box is None:
        return ~known
    places = ForgottenPlaces(place.size, np.array([place.box]), place.looks)
    gone = forgotten_in(places, new.box, new.size, new.looks, relation=relation, known=known)
    return new.moments.with_tracks(gone & np.isfinite(new.moments.least(place))) & ~known


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Count the bits that are set -> (n,)."""
    ones: NDArray[np.int64] = _ONES[values.view(np.uint8).reshape(-1, 8)].sum(axis=1)
    return ones


_CROPPED_IOU = 0.3
"""Overlap from which on a face of a crop is the one of a place. A detector frames a scaled face otherwise, and a crop
is found to 1.4 % of the sides (`benchmarks/crops.py`). Others in the photo are not that near. Set by hand."""

_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.int64)


def _unlisted(past: Past) -> dict[str, set[str]]:
    """Find photos of which an older facecluster forgot faces: by id, which faces it left.

    It knew no pixels. Where they are known, the list is all there is, so that its lines may be taken away again.
    """
    if past.settings is None or past.settings.options.get("check"):
        return {}  # it is not said which of them merely failed the check
    left: dict[str, set[str]] = {}
    for row in past.rows:
        was = row.analysis
        if was.lost & LOST and was.digest and not was.pixels:
            left.setdefault(was.digest, set()).update(ids_of(was))
    return left


def _is_bare(was: Analysis, known: _Places) -> bool:
    """Whether an older facecluster forgot all the faces of a photo."""
    if was.pixels or not was.lost & LOST or len(was.faces) or not was.digest:
        return False
    return not known.has_photo(was.digest, was.pixels)


def _found(analysis: Analysis) -> _Found:
    """What was found in a photo."""
    box, anchor = (analysis.faces[name].astype(np.float64) for name in ("box", "anchor"))
    looks = analysis.looks or (analysis.hash,)
    moments = _Moments(**{name: analysis.faces[name] for name in PLAIN})
    return _Found(
        analysis.digest, analysis.pixels, analysis.size, looks, box, anchor, analysis.when.shot, moments
    )


def _known(new: Analysis, was: Analysis | None) -> NDArray[np.bool_]:
    """Say which faces of a photo the earlier table had -> (n,).

    Of a photo that was not looked at now, it had all. Only where it knew no pixels, as of an older facecluster, it may
    have been another table, which was put back.
    """
    if not new.looks:
        return np.full(len(new.faces), bool(new.pixels))
    return np.isin(ids_of(new), [] if was is None else ids_of(was))


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


def _place(analysis: Analysis, face: np.void | None) -> Place:
    """Give the place of a face, or of all faces of a photo."""
    box = None if face is None else face["box"].tolist()
    where = None if box is None else (box[0], box[1], box[2], box[3])
    time_s = math.nan if face is None else float(face["time_s"])
    return Place(
        analysis.digest,
        analysis.pixels,
        analysis.hash,
        analysis.size,
        where,
        None if math.isnan(analysis.when.shot) else analysis.when.shot,
        0 if face is None else int(face["page"]),
        None if math.isnan(time_s) else time_s,
    )
