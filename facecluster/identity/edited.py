"""A photo that was edited in place: which faces it still shows, and which of them were forgotten.

Edited means: the same path, the picture cropped a little, brightened, scaled, saved again, turned by quarters or
mirrored. Faces are compared by encoding, and by place after the best orientation, scale and shift. Orientations are
numbered as `picture.hashes` lists them: orientation k turns the new photo so that it lies like the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.evidence import NEAR_DUPLICATE_BITS, SAME_SCENE_BITS

SAME_FACE = 0.7
"""Two faces nearer than this part of the joining radius may be one face before and after an edit, if they lie where
the edit puts it. Set by hand; `benchmarks/edited.py` tries it."""

EDITED_FACE = 0.4
"""Two faces nearer than this part of the joining radius are one shot without regard to their places: `SAME_SHOT` of
`evidence`, where 0.05 % of the pairs of photos of one person are as near."""

CROP = 0.12
"""Share of a side that an edit crops at each end; forgotten places reach as far. Set by hand."""

_BAND = 4
"""Bits by which the hash of an orientation may be further than the nearest and still be the one. Set by hand."""

_UNLIKE = 24
"""Bits from which on hashes say nothing: those of two unlike pictures differ in 32 on average."""

Relation = Literal["same", "edit", "alike"]
"""How a photo is related to the one in which faces were forgotten: the same picture; an edit of it at the same path; or
merely alike, if its perceptual hash says so."""


@dataclass(frozen=True, eq=False)
class EditedSide:
    """The faces of a photo before or after an edit.

    Attributes:
        size: width, height in pixels.
        box: (n, 4) left, top, right, bottom in pixels.
        encoding: (n, d); None where encodings cannot be compared with the other side's. NaN rows are unknown.
        hashes: perceptual hash, and after the edit all 8 of `picture.hashes`. The value 0 or () is unknown.
    """

    size: tuple[int, int]
    box: NDArray[np.floating]
    encoding: NDArray[np.floating] | None
    hashes: tuple[int, ...]


def hash_distances(old: int, new: tuple[int, ...]) -> NDArray[np.int64]:
    """Count the bits in which a hash differs from each of the new photo's 8 (64 where one is unknown) -> (8,)."""
    bits = [(old ^ value).bit_count() if old and value else 64 for value in new[:8]]
    return np.array(bits + [64] * (8 - len(bits)), dtype=np.int64)


def orient(box: NDArray[np.floating], size: tuple[int, int], k: int) -> NDArray[np.float64]:
    """Map boxes of a photo into the photo in orientation k.

    Args:
        box: (n, 4) left, top, right, bottom in pixels.
        size: width, height of the photo.
        k: 0 to 3: `numpy.rot90(pixels, k)`; 4 to 7: `numpy.rot90(pixels[:, ::-1], k - 4)`.
    """
    left, top, right, bottom = np.asarray(box, dtype=np.float64).reshape(-1, 4).T
    width, height = size
    if k >= 4:
        left, right = width - right, width - left
    for _ in range(k % 4):  # counterclockwise: x becomes the distance from the bottom, y that from the right
        left, top, right, bottom = top, width - right, bottom, width - left
        width, height = height, width
    return np.stack([left, top, right, bottom], axis=1)


def turn_of(old: EditedSide, new: EditedSide) -> int:
    """Say in which orientation the new photo is the old one, but for scale and compression; 0 if it is not known.

    Args:
        old: before.
        new: now, with 8 hashes.
    """
    bits = hash_distances(old.hashes[0] if old.hashes else 0, new.hashes)
    k = int(bits.argmin())
    if bits[0] <= NEAR_DUPLICATE_BITS or bits[k] > NEAR_DUPLICATE_BITS or 0 in (*old.size, *new.size):
        return 0
    width, height = new.size if k % 2 == 0 else new.size[::-1]
    fits = abs(width * old.size[1] / (height * old.size[0]) - 1) < _SHAPE
    return k if fits else 0


_SHAPE = 0.02
"""Part by which the ratio of the sides may differ in a photo that was only turned: rounding of small photos."""


def into_turned(
    points: NDArray[np.floating], old: tuple[int, int], new: tuple[int, int], k: int
) -> NDArray[np.float64]:
    """Map points of a photo into the photo that lies like it in orientation k: the reverse of `orient`.

    Args:
        points: (..., 2) x, y in pixels of the old photo.
        old: width, height of it.
        new: width, height of the new one.
        k: see `orient`.
    """
    width, height = new if k % 2 == 0 else new[::-1]
    x, y = points[..., 0] * (width / old[0]), points[..., 1] * (height / old[1])
    for _ in range(k % 4):
        x, y = height - y, x
        width, height = height, width
    if k >= 4:
        x = width - x
    return np.stack([x, y], axis=-1).astype(np.float64)


def match_faces_of_edit(old: EditedSide, new: EditedSide, *, join: float) -> NDArray[np.intp]:
    """Find for each face of an edited photo which face it was before.

    For each orientation, and for each scale and shift that a pair of faces or the whole photo suggests, faces are
    paired that lie on each other and are alike (`SAME_FACE`); the suggestion by which most faces are nearest wins.
    If fewer than two are paired, faces of the same shot (`EDITED_FACE`) that are nearest to each other are paired
    wherever they lie. Place alone counts without encodings, and where the photo was turned: encodings of
    faces that lie on their side say nothing. It does only if a hash says that it is the same picture.

    Args:
        old: m faces before the edit.
        new: n faces after it, with 8 hashes.
        join: `rules.Radii.join` of the encoder.

    Returns:
        (n,) row of `old`, or -1; no row twice.
    """
    from scipy.optimize import linear_sum_assignment  # half a second, and few runs need it

    found = np.full(len(new.box), -1, dtype=np.intp)
    if not len(old.box) or not len(new.box):
        return found
    apart = _apart(old, new, join)
    unknown = np.isnan(apart)
    near_hash = hash_distances(old.hashes[0] if old.hashes else 0, new.hashes)
    seeds = np.argwhere(apart <= SAME_FACE)
    order = np.argsort(apart[tuple(seeds.T)], kind="stable")
    seeds = seeds[order[:_SEEDS]]
    best_score, best = 0.0, None
    for k in range(8):
        same_picture = near_hash[k] <= SAME_SCENE_BITS
        turned = orient(new.box, new.size, k)
        new_size = new.size if k % 2 == 0 else new.size[::-1]
        by_photo = turned * np.tile(np.array(old.size) / np.maximum(new_size, 1), 2)
        suggestions = [by_photo]
        suggestions += [_moved(turned, turned[j], old.box[i]) for i, j in seeds.tolist()]
        bonus = max(0.0, 1 - near_hash[k] / 32) / 2
        for n, mapped in enumerate(suggestions):
            iou = _all_overlaps(np.asarray(old.box, dtype=np.float64), mapped)
            allowed = (apart <= SAME_FACE) & (iou >= _PLACED_IOU)
            allowed |= unknown & (iou >= SAME_FACE_IOU) & bool(same_picture)
            if k % 4 and near_hash[k] <= NEAR_DUPLICATE_BITS:
                allowed |= iou >= _PLACED_IOU
            alike = np.where(unknown, 0, np.clip(1 - apart, 0, None))
            score = np.where(allowed, iou + alike, 0)
            rows, columns = linear_sum_assignment(score, maximize=True)
            paired = score[rows, columns] > 0
            # One pair fits itself in any orientation; there the hash, and the photo as a whole, are what tells.
            total = float(score[rows, columns].sum()) + (bonus + 0.05 * (n == 0)) * bool(paired.any())
            if total > best_score + 1e-9:
                best_score, best = total, (rows[paired], columns[paired])
    if best is not None:
        found[best[1]] = best[0]
    if np.count_nonzero(found >= 0) < _PLACED:  # one face tells no place: the others may have other ones
        _pair_same_shot(found, apart)
    return found


def is_edit(old: EditedSide, new: EditedSide, *, join: float) -> bool:
    """Say whether the picture that is now at a path is an edit of the earlier one, and no other photo of that name.

    Yes if a face is of the same shot (`EDITED_FACE`); or if the hash of a turned photo is near (`NEAR_DUPLICATE_BITS`);
    or if a hash is near (`SAME_SCENE_BITS`) and no face speaks against it. Where both have faces that can be compared,
    one must be `SAME_FACE`. Where they cannot be compared, one must lie in its place. Where one photo has no face, the
    hash must be nearer (`NEAR_DUPLICATE_BITS`). So another visitor before a fixed camera is another photo.

    Args:
        old: m faces before.
        new: n faces now, with 8 hashes.
        join: `rules.Radii.join` of the encoder.
    """
    bits = hash_distances(old.hashes[0] if old.hashes else 0, new.hashes)
    apart = _apart(old, new, join)
    if np.any(apart <= EDITED_FACE):
        return True
    if bits.min() > SAME_SCENE_BITS:
        return False
    if min(bits[1:4].min(), bits[5:].min()) <= NEAR_DUPLICATE_BITS:
        return True  # turned: encodings of faces that lie on their side say nothing
    if not apart.size:
        # A face may be lost by turning; but a scene alone must then be nearer.
        return bool(bits.min() <= NEAR_DUPLICATE_BITS)
    if not np.isnan(apart).all():
        return bool(np.nanmin(apart) <= SAME_FACE)
    return bool(np.any(match_faces_of_edit(old, new, join=join) >= 0))


def may_be_edit(old: EditedSide, new: EditedSide, *, same_time: bool) -> bool:
    """Say whether a picture may be an edit of an earlier one of which no face is known any more.

    It is for photos with forgotten faces: one that is taken for an edit loses faces, one that is not brings them back.
    So it may be one if a hash in any orientation is near (`TURNED_BITS`); or if the photo is smaller, or of the same
    time, and its hash upright is not far (`CROPPED_BITS`).

    Args:
        old: before.
        new: now, with 8 hashes.
        same_time: both were taken at one known second.
    """
    bits = hash_distances(old.hashes[0] if old.hashes else 0, new.hashes)
    if bits.min() <= TURNED_BITS:
        return True
    smaller = new.size != old.size and new.size[0] <= old.size[0] and new.size[1] <= old.size[1]
    return bool((smaller or same_time) and bits[0] <= CROPPED_BITS)


TURNED_BITS = 12
"""A picture that was turned, brightened or saved again differs in no more bits; so do 1 % of two pictures, in the
nearest of 8 orientations (300 photos of lfw_dev, wider_dev and caltech_faces84)."""

CROPPED_BITS = 25
"""A picture that was cropped by 10 % on each side differs in no more bits upright in 95 % of these photos; two pictures
differ in 32 on average."""


@dataclass(frozen=True, eq=False)
class ForgottenPlaces:
    """Where faces of a photo were that are forgotten.

    Attributes:
        size: width, height of the photo in pixels.
        box: (k, 4) left, top, right, bottom in pixels.
        hash: perceptual hash of the photo, 0 where unknown.
    """

    size: tuple[int, int]
    box: NDArray[np.floating]
    hash: int


def forgotten_in(
    places: ForgottenPlaces,
    box: NDArray[np.floating],
    size: tuple[int, int],
    hashes: tuple[int, ...],
    *,
    relation: Relation,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Say which faces of a photo lie where faces were forgotten. Rather one too many than one that comes back.

    Args:
        places: what was forgotten of one photo.
        box: (n, 4) faces found now, in pixels.
        size: width, height of the photo now.
        hashes: its 8 of `picture.hashes`.
        relation: "same": boxes overlap by `SAME_FACE_IOU` as they are. "edit": in each orientation that the hashes
            leave open, a middle is as near as a crop of `CROP` may move it, and the size fits. "alike": none, unless a
            hash differs by `NEAR_DUPLICATE_BITS` at most; then overlap, or middles that lie in each other's boxes.
        known: (n,) faces that are known to be others of the photo; they are not forgotten.

    Returns:
        (n,)
    """
    box = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    gone: NDArray[np.bool_] = np.zeros(len(box), dtype=np.bool_)
    before = np.asarray(places.box, dtype=np.float64).reshape(-1, 4)
    if not len(box) or not len(before):
        return gone
    if relation == "same":
        gone |= np.any(_all_overlaps(before, box) >= SAME_FACE_IOU, axis=0)
    else:
        for k in _orientations(places, size, hashes, relation):
            now = size if k % 2 == 0 else size[::-1]
            mapped = orient(box, size, k) * np.tile(np.array(places.size) / np.maximum(now, 1), 2)
            gone |= _near_places(before, mapped, places.size, CROP if relation == "edit" else 0.0)
    return gone if known is None else gone & ~known


_SEEDS = 24
"""Pairs of faces that suggest a scale and a shift, the most alike first."""

_PLACED_IOU = 0.3
"""Overlap from which on alike faces lie in the same place: detectors frame a turned or smaller face otherwise."""

_PLACED = 2
"""Faces that agree in scale and shift, and so say where the others are."""


def _apart(old: EditedSide, new: EditedSide, join: float) -> NDArray[np.float64]:
    """(m, n) distances in parts of the joining radius, NaN where unknown."""
    if old.encoding is None or new.encoding is None or old.encoding.shape[1] != new.encoding.shape[1]:
        return np.full((len(old.box), len(new.box)), np.nan)
    a, b = old.encoding.astype(np.float64), new.encoding.astype(np.float64)
    distance: NDArray[np.float64] = np.linalg.norm(a[:, None] - b[None], axis=2) / join
    return distance


def _all_overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 4), (n, 4) -> (m, n) intersection over union."""
    return overlaps(np.repeat(a, len(b), axis=0), np.tile(b, (len(a), 1))).reshape(len(a), len(b))


def _moved(
    boxes: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Scale and shift boxes so that one of them lies on another box."""
    scale = np.sqrt(np.prod(other[2:] - other[:2]) / max(float(np.prod(one[2:] - one[:2])), 1e-9))
    middle_one, middle_other = (one[:2] + one[2:]) / 2, (other[:2] + other[2:]) / 2
    moved: NDArray[np.float64] = (boxes - np.tile(middle_one, 2)) * scale + np.tile(middle_other, 2)
    return moved


def _pair_same_shot(found: NDArray[np.intp], apart: NDArray[np.float64]) -> None:
    """Pair the faces left over that are of the same shot and nearest to each other."""
    left = apart.copy()
    left[np.isnan(left)] = np.inf
    for i, j in np.argwhere(left <= EDITED_FACE).tolist():
        mutual = left[i, j] == left[i].min() and left[i, j] == left[:, j].min()
        if mutual and found[j] < 0 and i not in found:
            found[j] = i


def _orientations(
    places: ForgottenPlaces, size: tuple[int, int], hashes: tuple[int, ...], relation: Relation
) -> list[int]:
    """The orientations in which a photo may show the forgotten places."""
    bits = hash_distances(places.hash, hashes)
    if relation == "alike":
        return np.flatnonzero(bits <= NEAR_DUPLICATE_BITS).tolist()
    if bits.min() <= _UNLIKE:
        return np.flatnonzero(bits <= bits.min() + _BAND).tolist()
    # The hashes say nothing: any turn that the shape of the photo allows.
    shape, before = size[0] / max(size[1], 1), places.size[0] / max(places.size[1], 1)
    fits = [max(ratio / before, before / ratio) < (1 / (1 - 2 * CROP)) for ratio in (shape, 1 / shape)]
    return [k for k in range(8) if fits[k % 2] or not any(fits)]


def _near_places(
    before: NDArray[np.float64], now: NDArray[np.float64], size: tuple[int, int], crop: float
) -> NDArray[np.bool_]:
    """Say which boxes now may be one of those before, of which a crop moved the middles and the sizes."""
    middle = ((before[:, :2] + before[:, 2:]) / 2)[:, None]
    side = (before[:, 2:] - before[:, :2])[:, None]
    middle_now, side_now = ((now[:, :2] + now[:, 2:]) / 2)[None], (now[:, 2:] - now[:, :2])[None]
    reach = crop * np.array(size) + np.minimum(side, side_now) / 2
    placed = (np.abs(middle - middle_now) <= reach).all(axis=2)
    ratio = np.divide(
        side_now, side, out=np.zeros(np.broadcast_shapes(side.shape, side_now.shape)), where=side > 0
    )
    sized = ((ratio >= 0.5) & (ratio <= 2)).all(axis=2)
    return np.asarray(np.any(placed & sized, axis=0), dtype=np.bool_)
