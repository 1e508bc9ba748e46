"""Faces that somebody drew a box round are put in, wherever their photos are encoded: renamed, edited, or anew.

A decision (`decisions.Draw`) says where such a face is. In a photo of which a detector finds it, that one counts. Else
it is looked for round the box, in the picture enlarged (`vision.drawn`); where nothing like a face is there, the box
itself is the face. In an edited photo the box goes where the edit puts it. A face that was put in has no score.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.encoding.analysis import FACE, Analysis, Row, ids_of, make_table, rows_of
from facecluster.encoding.identify import Before
from facecluster.encoding.measure import measured
from facecluster.encoding.worker import LIMIT_S, obituary, prepare_worker
from facecluster.errors import PhotoError
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.decisions import Decision, Draw, in_force
from facecluster.identity.edited import hash_distances, into_turned, orient
from facecluster.identity.evidence import SAME_SCENE_BITS
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.decode import decode
from facecluster.photos.file import read_photo
from facecluster.photos.pixels import Decoded
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable
from facecluster.workers import Died, n_cores, work

_log = logging.getLogger(__name__)

_Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class Drawn:
    """What decisions say of faces that somebody drew.

    Attributes:
        standing: that are there.
        gone: that were taken back, and are not there.
    """

    standing: tuple[Draw, ...] = ()
    gone: tuple[Draw, ...] = ()

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> Drawn:
        """Gather them, in order of time."""
        counts = {decision.id for decision in in_force(decisions)}
        acts = [(decision.id in counts, decision.act) for decision in decisions]
        standing = tuple(act for holds, act in acts if holds and isinstance(act, Draw))
        gone = (act for holds, act in acts if not holds and isinstance(act, Draw))
        return cls(standing, tuple(act for act in gone if act not in standing))

    @property
    def photos(self) -> set[str]:
        """Ids of the photos that they are about."""
        return {spot.digest for act in (*self.standing, *self.gone) for spot in act.faces}


NONE = Drawn()


class Look(NamedTuple):
    """Where to look for faces in a photo.

    Attributes:
        path: of the photo.
        coded, pixels: digests that tell whether it is still the one that is meant; "" unknown.
        turns: quarters counterclockwise that make it upright, see `vision.turned`.
        boxes: left, top, right, bottom in its pixels.
        others: of faces that are known, and not meant.
    """

    path: str
    coded: str
    pixels: str
    turns: int
    boxes: tuple[_Box, ...]
    others: tuple[_Box, ...]

    @classmethod
    def of(cls, row: Row, boxes: Iterable[_Box], known: Collection[str]) -> Look:
        """Look for faces in a photo, beside those of some ids."""
        analysis = row.analysis
        first = _in_first(analysis)
        named = zip(analysis.faces["box"][first], np.array(ids_of(analysis), dtype=str)[first], strict=True)
        others = (_box(box) for box, own in named if own in known)
        turns = _turns_of(analysis.faces["turned"])
        return cls(row.path, row.coded, analysis.pixels, turns, tuple(boxes), tuple(others))


@dataclass(frozen=True, eq=False)
class Seen:
    """What is at the places of a look.

    Attributes:
        faces: (n,) of `analysis.FACE`, without scores.
        is_face: (n,) bool, whether the detector or the mesh sees a face there.
        pixels: digest of the pixels of the photo.
        size: width, height of it.
    """

    faces: NDArray[np.void]
    is_face: NDArray[np.bool_]
    pixels: str
    size: tuple[int, int]


def look_at(looks: Sequence[Look], options: EncodeOptions, *, jobs: int = -1) -> list[Seen | str]:
    """Look at places of photos in worker processes, measure and encode the faces there.

    Returns:
        For each look what is there; or why nobody can tell.
    """
    found: dict[int, Seen | str] = {}
    n_workers = min(jobs if jobs > 0 else n_cores(), len(looks))
    function = partial(_look, options=options)
    working = work(function, enumerate(looks), n_workers=n_workers, start=prepare_worker, limit_s=LIMIT_S)
    with closing(working) as results:
        for (place, _), outcome in results:
            found[place] = obituary(outcome) if isinstance(outcome, Died) else outcome
    return [
        one if isinstance(one, str) else replace(one, faces=one.faces.astype(FACE))
        for one in (found[place] for place in range(len(looks)))
    ]


def put_in(
    rows: Sequence[Row],
    drawn: Drawn,
    before: Before,
    earlier: Iterable[Row],
    options: EncodeOptions,
    *,
    ready: Mapping[Draw, Seen] | None = None,
    jobs: int = -1,
) -> list[Row]:
    """Put the faces that somebody drew into the photos that lack them, and take out those that were taken back.

    Args:
        rows: photos, which know who they are.
        drawn: what decisions say.
        before: the photos of the earlier table, for numbers that no face of a photo has yet.
        earlier: rows of it: where the faces were in photos that were edited since, and what they are called.
        options: how faces are found and encoded.
        ready: what is at a place, where that is known.
        jobs: worker processes; -1 is one a core.

    Returns:
        The rows, those of other photos as they are.
    """
    acts: dict[str, list[Draw]] = defaultdict(list)
    for act in drawn.standing:
        acts[act.faces[0].digest].append(act)
    about = drawn.photos
    if not about:
        return list(rows)
    was = _by_photo(row for row in earlier if row.analysis.digest in about)
    result = [
        row._replace(analysis=_without(row.analysis, drawn)) if row.analysis.digest in about else row
        for row in rows
    ]
    now = _by_photo(row for row in result if row.analysis.digest in about)
    wanted: list[_Wanted] = []
    for number, row in enumerate(result):
        for act in acts.get(row.analysis.digest, ()):
            if row.analysis.status == UNREADABLE or _at(act, row.analysis) is not None:
                continue
            place = _place(act, row, [*was[row.analysis.digest], *now[row.analysis.digest]])
            if place is not None:
                wanted.append(_Wanted(number, act, *place))
    known = {one for those in was.values() for row in those for one in ids_of(row.analysis)}
    seen = _seen(wanted, result, known, options, ready or {}, jobs)
    names: dict[Draw, str] = {}
    for one in wanted:
        row, there = result[one.row], seen[one]
        path, digest = row.path, row.analysis.digest
        if isinstance(there, str):
            _log.warning("%s: a face that was drawn in it is not looked for: %s", path, there)
        elif not one.is_sure and not there.is_face[0]:
            _log.warning(
                "%s: a face that was drawn in it is not to be seen any more, since the photo was edited", path
            )
        else:
            if one.act not in names:
                names[one.act] = _name(one.act, was[digest], before)
            analysis = _with(row.analysis, one.act, there.faces[:1], names[one.act], known)
            result[one.row] = row._replace(analysis=analysis)
    return result


def settled(
    table: FaceTable,
    drawn: Drawn,
    options: EncodeOptions,
    *,
    ready: Mapping[Draw, Seen] | None = None,
    jobs: int = -1,
) -> FaceTable:
    """Give a table with the faces that somebody drew, and without those that were taken back; itself if it is so.

    The arguments are those of `put_in`.
    """
    about = np.isin(table.photos.digest, [*drawn.photos])
    if not about.any():
        return table
    rows = list(rows_of(table.select(about)))
    now = put_in(rows, drawn, Before(rows), rows, options, ready=ready, jobs=jobs)
    if all(one.analysis is other.analysis for one, other in zip(rows, now, strict=True)):
        return table
    part = make_table(now, table.settings)
    status = table.photos.status.astype(object)
    status[about] = part.photos.status
    number = np.flatnonzero(about).astype(np.int32)
    stays = ~about[table.faces.photo]
    photo = np.concatenate([table.faces.photo[stays], number[part.faces.photo]])
    order = np.argsort(photo, kind="stable")
    faces = {
        name: np.concatenate([column[stays], getattr(part.faces, name)])[order]
        for name, column in vars(table.faces).items()
        if name != "photo"
    }
    return replace(
        table,
        photos=replace(table.photos, status=status.astype(str)),
        faces=replace(table.faces, photo=photo[order], **faces),
    )


# ----------------------------------------------------------------------------------------------------- places


class _Wanted(NamedTuple):
    """A face that a photo lacks.

    Attributes:
        row: number of the photo.
        act: what says so.
        box: round which it is looked for.
        is_sure: whether it was drawn in this very picture, so that it is there, whatever is to be seen.
    """

    row: int
    act: Draw
    box: _Box
    is_sure: bool


def _place(act: Draw, row: Row, others: Iterable[Row]) -> tuple[_Box, bool] | None:
    """Say where a face is in a photo, and whether that is sure; None where nobody knows, or it was cropped away.

    Args:
        act: what says where it was drawn.
        row: the photo.
        others: further rows that may show it: the same picture is the best, then one at the same path.
    """
    new = row.analysis
    if new.pixels in ("", act.picture):
        return act.drawn, True
    known = [
        (other, place)
        for other in others
        if other.analysis.digest == new.digest and (place := _at(act, other.analysis)) is not None
    ]
    known.sort(key=lambda one: (one[0].analysis.pixels != new.pixels, one[0].path != row.path))
    for other, place in known:
        old = other.analysis
        anchor, now = (old.faces[name][place].astype(np.float64) for name in ("anchor", "box"))
        box = _moved(np.array(act.drawn), anchor, now)
        if old.pixels == new.pixels:
            return _box(box), True
        box = _edited(box, old, new)
        middle = (box[:2] + box[2:]) / 2
        if (middle > 0).all() and (middle < new.size).all():
            return _box(box), False
    return None


def _edited(box: NDArray[np.float64], old: Analysis, new: Analysis) -> NDArray[np.float64]:
    """Lay a box of a photo into the photo as it was edited: by its looks as a whole, then by the faces of both."""
    bits = hash_distances(old.hash, new.looks or (new.hash,))
    k = int(bits.argmin()) if bits.min() <= SAME_SCENE_BITS else 0

    def whole(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        corners = into_turned(boxes.reshape(-1, 2, 2), old.size, new.size, k)
        return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)

    there = {face: place for place, face in enumerate(ids_of(old))}
    pairs = [(there[face], place) for place, face in enumerate(ids_of(new)) if face in there]
    mapped: NDArray[np.float64] = whole(box)[0]
    if not pairs:
        return mapped
    rows, places = (np.array(side) for side in zip(*pairs, strict=True))
    was, now = whole(old.faces["box"][rows].astype(np.float64)), new.faces["box"][places].astype(np.float64)
    scale = float(np.median(np.sqrt(_areas(now) / np.maximum(_areas(was), 1e-9))))
    shift = np.median((now[:, :2] + now[:, 2:]) / 2 - scale * (was[:, :2] + was[:, 2:]) / 2, axis=0)
    moved: NDArray[np.float64] = scale * mapped + np.tile(shift, 2)
    return moved


def _areas(box: NDArray[np.float64]) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = np.prod(np.clip(box[:, 2:] - box[:, :2], 0, None), axis=1)
    return areas


def _moved(
    box: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Move a box as one is moved to lie on another."""
    scale = (other[2:] - other[:2]) / np.maximum(one[2:] - one[:2], 1e-9)
    moved: NDArray[np.float64] = (box - np.tile(one[:2], 2)) * np.tile(scale, 2) + np.tile(other[:2], 2)
    return moved


def _box(box: NDArray[np.floating]) -> _Box:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


# ------------------------------------------------------------------------------------------------------ faces


def _at(act: Draw, analysis: Analysis) -> int | None:
    """Which face of a photo is the one of a decision, which is on its first page; None where it is not there."""
    anchor = analysis.faces["anchor"].astype(np.float64)
    if not len(anchor):
        return None
    iou = overlaps(np.tile(np.array(act.faces[0].box), (len(anchor), 1)), anchor) * _in_first(analysis)
    best = int(iou.argmax())
    return best if iou[best] >= SAME_FACE_IOU else None


def _in_first(analysis: Analysis) -> NDArray[np.bool_]:
    """Say which faces are on the first page, where somebody can draw, and in no video -> (n,)."""
    first: NDArray[np.bool_] = (analysis.faces["page"] == 0) & (analysis.faces["track"] < 0)
    return first


def _by_photo(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found = defaultdict[str, list[Row]](list)
    for row in rows:
        found[row.analysis.digest].append(row)
    return found


def _without(analysis: Analysis, drawn: Drawn) -> Analysis:
    """Take faces out of a photo that were put in, and whose drawing was taken back."""
    out = np.zeros(len(analysis.faces), dtype=np.bool_)
    for act in drawn.gone:
        if act.faces[0].digest == analysis.digest and (place := _at(act, analysis)) is not None:
            out[place] = bool(np.isnan(analysis.faces["score"][place]))
    for act in drawn.standing:
        if act.faces[0].digest == analysis.digest and (place := _at(act, analysis)) is not None:
            out[place] = False
    if not out.any():
        return analysis
    status = NO_FACE if out.all() and analysis.status == OK else analysis.status
    ids = np.array(ids_of(analysis), dtype=str)[~out]
    return replace(analysis, faces=analysis.faces[~out], ids=ids, status=status)


def _with(
    analysis: Analysis, act: Draw, face: NDArray[np.void], name: str, known: Collection[str]
) -> Analysis:
    """Put a face into a photo. Where the detector found it now, framed otherwise, this is the one."""
    face["anchor"] = act.faces[0].box
    ids = ids_of(analysis)
    box = analysis.faces["box"].astype(np.float64)
    iou = overlaps(np.tile(face["box"].astype(np.float64), (len(box), 1)), box) * _in_first(analysis)
    if len(iou) and iou.max() >= SAME_FACE_IOU and ids[place := int(iou.argmax())] not in known:
        faces = analysis.faces.copy()
        faces["anchor"][place] = act.faces[0].box
        ids[place] = name
        return replace(analysis, faces=faces, ids=np.array(ids, dtype=str))
    return replace(
        analysis,
        faces=np.concatenate([analysis.faces, face]),
        ids=np.array([*ids, name], dtype=str),
        status=OK,
    )


def _name(act: Draw, was: Iterable[Row], before: Before) -> str:
    """Name a face: as it was called, else by the next number of its photo."""
    for row in was:
        if (place := _at(act, row.analysis)) is not None:
            return ids_of(row.analysis)[place]
    digest = act.faces[0].digest
    before.highest[digest] = before.highest.get(digest, -1) + 1
    return f"{digest}-{before.highest[digest]}"


def _seen(
    wanted: Sequence[_Wanted],
    rows: Sequence[Row],
    known: Collection[str],
    options: EncodeOptions,
    ready: Mapping[Draw, Seen],
    jobs: int,
) -> dict[_Wanted, Seen | str]:
    """Look at the places where faces are wanted; each photo is read once."""
    found: dict[_Wanted, Seen | str] = {
        one: ready[one.act]
        for one in wanted
        if one.act in ready and rows[one.row].analysis.pixels in ("", ready[one.act].pixels)
    }
    of_photo: dict[int, list[_Wanted]] = defaultdict(list)
    for one in wanted:
        if one not in found:
            of_photo[one.row].append(one)
    looks = [Look.of(rows[number], [one.box for one in those], known) for number, those in of_photo.items()]
    for those, seen in zip(
        of_photo.values(), look_at(looks, options, jobs=jobs) if looks else [], strict=True
    ):
        for place, one in enumerate(those):
            part = slice(place, place + 1)
            found[one] = (
                seen
                if isinstance(seen, str)
                else replace(seen, faces=seen.faces[part], is_face=seen.is_face[part])
            )
    return found


def _turns_of(turned: NDArray[np.floating]) -> int:
    """Say by how many quarters counterclockwise a photo is turned upright, as its faces say: most of (n,) degrees."""
    turns = (np.round(turned / 90).astype(np.int64) % 4) if len(turned) else np.zeros(1, dtype=np.int64)
    return int(np.bincount(turns, minlength=4).argmax())


# ------------------------------------------------------------------------------------------- in a worker process


def _look(item: tuple[int, Look], options: EncodeOptions) -> Seen | str:
    """Look at places of one photo, or say why that is not possible."""
    look = item[1]
    try:
        data, _ = read_photo(look.path)
        photo = decode(data, truncated=True)
    except PhotoError as error:
        return str(error)
    pixels = picture.pixel_digest(photo.pixels, photo.size)
    is_known = look.pixels == pixels if look.pixels else look.coded == picture.coded_digest(data)
    if (look.pixels or look.coded) and not is_known:
        return "another picture is there now"
    return see(photo, pixels, look, options)


def see(photo: Decoded, pixels: str, look: Look, options: EncodeOptions) -> Seen:
    """Find, measure and encode the faces at places of a photo.

    Args:
        photo: as `decode` gives it.
        pixels: digest of its pixels.
        look: where.
        options: how.
    """
    from facecluster.vision import drawn, mesh, turned

    upright = turned.turned(photo.pixels, look.turns) if look.turns else photo.pixels
    boxes, others = (
        (orient(np.array(some), photo.size, look.turns) * photo.scale).astype(np.float32)
        for some in (look.boxes, look.others)
    )
    found = drawn.find_at(upright, boxes, others, detector=options.detector)
    meshes = mesh.fit_meshes(upright, found.box, found.landmarks)
    faces = measured(turned.Upright(look.turns, upright, found, meshes), photo, options)
    is_face = ~np.isnan(found.score) | (meshes.presence >= mesh.MIN_PRESENCE)
    faces["score"] = np.nan
    return Seen(faces, is_face, pixels, photo.size)
