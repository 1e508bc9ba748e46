"""Who is who: the faces that pass the gate found people, the others join the person they resemble, or stay out.

    gate ─▶ DBSCAN over the faces that pass ─▶ drop groups from too few different photos ─▶ let the rest join

Only founding faces link to each other. Joining looks at a whole person at once, by the average squared distance to
the founding faces, so that it can never bridge two people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.identity.gate import Limits, Reason, judge
from facecluster.table import FaceTable, Photos

MIN_SAMPLES = 3
"""Faces within `eps`, the face itself included, that make a face dense enough to link others."""

NEAR_DUPLICATE_BITS = 4
"""Photos whose perceptual hashes differ in no more bits count as one.

Of the 64,843 pairs of photos of one person in lfw_dev (three or more photos each) 3 are that near, and all are copies.
"""

SAME_BOX_IOU = 0.5
"""Boxes of one photo that overlap more are two looks at the same face."""


@dataclass(frozen=True)
class Radii:
    """The distances that decide, for one encoder; Euclidean, between encodings as stored.

    Attributes:
        eps: two faces this near may link; DBSCAN's radius.
        join: a face joins a person whose founding faces are this near, as root mean square.
        margin: a joining face is nearer to its person than to any other by at least this much.
    """

    eps: float
    join: float
    margin: float


DEFAULTS: Mapping[str, Radii] = MappingProxyType(
    {
        "sface": Radii(eps=0.92, join=1.04, margin=0.05),
        "dlib": Radii(eps=0.38, join=0.54, margin=0.03),
    }
)
"""By encoder, chosen on the people of the fit half of `lfw_dev` (`benchmarks/lfw.py`), on the careful side.

sface: pairwise F is flat from eps 0.88 to 0.96 (0.988 to 0.989) and falls to 0.970 at 1.00, where people begin to
merge; the radius stays well below that, because a larger library has more bridges (FACTS.md: web photos, all of LFW).
From join 1.04 to 1.12 strangers in folders rise tenfold. dlib: above eps 0.38 precision falls under 0.98.
"""


@dataclass(frozen=True)
class Rules:
    """All that decides who is who.

    Attributes:
        radii: see `Radii`.
        limits: what a person must be founded on.
        gate: whether faces are judged by `limits`; without, all of them found people. `limits.min_images` always holds.
        min_samples: see `MIN_SAMPLES`.
    """

    radii: Radii
    limits: Limits = Limits()
    gate: bool = True
    min_samples: int = MIN_SAMPLES

    @classmethod
    def make(
        cls,
        encoder: str,
        *,
        limits: Limits = Limits(),
        gate: bool = True,
        eps: float | None = None,
        min_samples: int | None = None,
    ) -> Rules:
        """Fill in what is None: radii by the encoder, min_samples so that `limits.min_images` can be met.

        Raises:
            TableError: an encoder nobody has chosen radii for.
        """
        if encoder not in DEFAULTS:
            raise TableError(
                f"the faces were encoded by {encoder!r}, clustering knows {', '.join(DEFAULTS)}; run encode again"
            )
        radii = DEFAULTS[encoder]
        if eps is not None:
            radii = Radii(eps, radii.join, radii.margin)
        if min_samples is None:
            min_samples = max(1, min(MIN_SAMPLES, limits.min_images))
        return cls(radii, limits, gate, min_samples)


@dataclass(frozen=True, eq=False)
class Clustering:
    """Who each of n faces is. People are numbered by falling number of faces.

    Attributes:
        label: (n,) int32, number of the person from 0, -1 none.
        core: (n,) bool, founded the person.
        distance: (n,) float32, root mean square of the distances to the (other) founding faces; NaN where there
            are none.
        confidence: (n,) float32 in 0..1, see `_confidence`; NaN where distance is.
        reason: (n,) uint8, `Reason.PASSED` for a face with a person, else why it has none.
    """

    label: NDArray[np.int32]
    core: NDArray[np.bool_]
    distance: NDArray[np.float32]
    confidence: NDArray[np.float32]
    reason: NDArray[np.uint8]

    @property
    def n_people(self) -> int:
        """How many people there are."""
        return int(self.label.max(initial=-1)) + 1


def cluster_faces(table: FaceTable, rules: Rules, *, jobs: int | None = None) -> Clustering:
    """Say who each face is.

    The result does not depend on the order of the rows, exact ties of distances aside.

    Args:
        table: n faces of m photos.
        rules: see `Rules`.
        jobs: threads for the neighbour search; None is one, -1 all cores.

    Memory is a few numbers a face, blocks of bounded size, and the neighbour lists of DBSCAN.

    References:
        Ester et al., A density-based algorithm for discovering clusters, 1996. FACTS.md, "sface on uncropped web
        photos", for why only good faces may link.
    """
    faces, photos = table.faces, table.photos
    encoding = faces.encoding
    rank = np.empty(len(faces), dtype=np.int64)  # of the id: breaks ties the same way in every order of rows
    rank[np.argsort(faces.id, kind="stable")] = np.arange(len(faces))

    reason = judge(faces, rules.limits if rules.gate else None)
    founding = np.flatnonzero(reason == Reason.PASSED)
    reason[founding] = Reason.NO_MATCH
    label = np.full(len(faces), -1, dtype=np.int32)
    label[founding] = _dense_groups(encoding[founding], rules.radii.eps, rules.min_samples, jobs)
    for rows in _groups(label):
        if not _has_different_photos(photos, faces.photo[rows], rules.limits.min_images):
            label[rows] = -1
            reason[rows] = Reason.TOO_FEW_PHOTOS
    label = _renumber(label, rank, by_size=False)
    core = label >= 0

    people = _People.of(encoding, label)
    person, distance, runner_up = _nearest_two(encoding, people, label)
    can_join = ~core & (reason != Reason.NO_ENCODING) & (distance <= rules.radii.join)
    between = can_join & (runner_up < distance + rules.radii.margin)
    reason[between] = Reason.BETWEEN_PEOPLE
    can_join &= ~between
    label[can_join] = person[can_join]
    twice = _second_in_photo(label, core, distance, rank, faces.photo, faces.box)
    label[twice] = -1
    reason[twice] = Reason.SAME_PHOTO

    placed = label >= 0
    reason[placed] = Reason.PASSED
    nothing = np.float32(np.nan)
    return Clustering(
        label=_renumber(label, rank, by_size=True),
        core=core,
        distance=np.where(placed, distance, nothing).astype(np.float32),
        confidence=np.where(placed, _confidence(distance, runner_up, rules.radii), nothing).astype(
            np.float32
        ),
        reason=reason,
    )


def _confidence(
    distance: NDArray[np.float64], runner_up: NDArray[np.float64], radii: Radii
) -> NDArray[np.float64]:
    """Say how much nearer each face is to its person than to anybody else: 1 - (distance / other)².

    `other` is the distance to the nearest other person, or √2 times the joining radius where there is none that near
    (about the distance of two strangers). So 1 is a face equal to all founding faces, 0.5 one exactly on the joining
    radius and far from others, 0 one that is as near to another person. It ranks faces; it is no probability.
    """
    other = np.minimum(runner_up, np.sqrt(2) * radii.join)
    confidence: NDArray[np.float64] = np.clip(1 - (distance / np.maximum(other, 1e-9)) ** 2, 0, 1)
    return confidence


# ---------------------------------------------------------------------------------------------------- founding


def _dense_groups(
    encoding: NDArray[np.float32], eps: float, min_samples: int, jobs: int | None
) -> NDArray[np.int32]:
    """Group (n, 128) encodings by DBSCAN -> (n,) labels, -1 none; a border face goes to its nearest dense face.

    scikit-learn gives a border face to the first group that reaches it, which depends on the order of the rows.
    """
    from sklearn.cluster import DBSCAN

    if len(encoding) == 0:
        return np.empty(0, dtype=np.int32)
    found = DBSCAN(eps=eps, min_samples=min_samples, algorithm="brute", n_jobs=jobs).fit(encoding)
    label: NDArray[np.int32] = found.labels_.astype(np.int32)
    dense: NDArray[np.intp] = found.core_sample_indices_
    is_border = label >= 0
    is_border[dense] = False
    border = np.flatnonzero(is_border)
    for rows in _blocks(border, len(dense)):
        nearest = _squared_distances(encoding[rows], encoding[dense]).argmin(axis=1)
        label[rows] = label[dense[nearest]]
    return label


def _has_different_photos(photos: Photos, rows: NDArray[np.int32], wanted: int) -> bool:
    """Say whether `wanted` photos of these rows are different: neither the same bytes nor near-duplicates.

    Photos are taken in the order of their hash, and each that differs from all taken before counts; it stops as soon
    as there are enough, so it costs len(rows) * wanted comparisons at most.
    """
    rows = np.unique(rows)
    if len(rows) < wanted:
        return False
    digests, hashes, paths = photos.digest[rows], photos.hash[rows], photos.path[rows]
    different: list[int] = []
    seen: set[str] = set()
    for i in np.lexsort((paths, digests, hashes)).tolist():
        digest, bits = str(digests[i]), int(hashes[i])
        is_copy = digest in seen or (
            bits and any(other and (bits ^ other).bit_count() <= NEAR_DUPLICATE_BITS for other in different)
        )
        if not is_copy:
            different.append(bits)
            if len(different) >= wanted:
                return True
        if digest:
            seen.add(digest)
    return False


# ---------------------------------------------------------------------------------------------------- joining


@dataclass(frozen=True, eq=False)
class _People:
    """What the mean squared distance to p people's founding faces needs: |x|² - 2 x·centre + square.

    Attributes:
        count: (p,) founding faces.
        centre: (p, 128) their mean.
        square: (p,) mean of their squared norms.
    """

    count: NDArray[np.float64]
    centre: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, encoding: NDArray[np.float32], label: NDArray[np.int32]) -> _People:
        rows = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
        count = np.bincount(label[rows]).astype(np.float64)
        if len(rows) == 0:
            return cls(count, np.empty((0, encoding.shape[1])), np.empty(0))
        start = np.r_[0, np.cumsum(count)[:-1]].astype(np.intp)
        members = encoding[rows]
        centre = np.add.reduceat(members, start, axis=0, dtype=np.float64) / count[:, None]
        square = np.add.reduceat(_squares(members), start) / count
        return cls(count, centre, square)


def _nearest_two(
    encoding: NDArray[np.float32], people: _People, label: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Find each face's person and how far that one and the next one are.

    Args:
        encoding: (n, 128).
        people: p people.
        label: (n,) the person a face founded, who is taken as its own however near others are; -1 for the others.

    Returns:
        (n,) person; (n,) root mean square distance to its founding faces, the face itself not counted; (n,) the same to
        the nearest other person. Infinite where there is nobody; NaN for a person founded by this face alone.
    """
    n, p = len(encoding), len(people.count)
    person, distance, runner_up = label.copy(), np.full(n, np.inf), np.full(n, np.inf)
    if p == 0:
        return person, distance, runner_up
    for rows in _blocks(np.arange(n), p):
        x = encoding[rows].astype(np.float64)
        squared = _squares(x)[:, None] - 2 * x @ people.centre.T + people.square
        np.maximum(squared, 0, out=squared)
        founder = label[rows] >= 0
        own = np.where(founder, label[rows], squared.argmin(axis=1))
        line = np.arange(len(rows))
        own_squared = squared[line, own]
        count = people.count[own]
        with np.errstate(invalid="ignore", divide="ignore"):
            others = np.where(count > 1, own_squared * count / (count - 1), np.nan)
        person[rows] = own
        distance[rows] = np.sqrt(np.where(founder, others, own_squared))
        squared[line, own] = np.inf
        runner_up[rows] = np.sqrt(squared.min(axis=1))
    return person, distance, runner_up


def _second_in_photo(
    label: NDArray[np.int32],
    core: NDArray[np.bool_],
    distance: NDArray[np.float64],
    rank: NDArray[np.int64],
    photo: NDArray[np.int32],
    box: NDArray[np.float32],
) -> list[int]:
    """Find the joined faces whose person is in the same photo already, as a founding or a nearer face.

    Two faces of one photo are two people, unless their boxes say that they are one face found twice.
    """
    placed = np.flatnonzero(label >= 0)
    order = placed[np.lexsort((rank[placed], distance[placed], ~core[placed], photo[placed], label[placed]))]
    starts = np.flatnonzero(np.diff(label[order], prepend=-1) | np.diff(photo[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(order)))
    second = []
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        kept: list[int] = []
        for row in order[start : start + size].tolist():
            if core[row] or not kept or any(_overlap(box[row], box[other]) > SAME_BOX_IOU for other in kept):
                kept.append(row)
            else:
                second.append(row)
    return second


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""

    def area(left: float, top: float, right: float, bottom: float) -> float:
        return max(right - left, 0.0) * max(bottom - top, 0.0)

    left, top, right, bottom = a.tolist()
    left2, top2, right2, bottom2 = b.tolist()
    common = area(max(left, left2), max(top, top2), min(right, right2), min(bottom, bottom2))
    union = area(left, top, right, bottom) + area(left2, top2, right2, bottom2) - common
    return common / union if union > 0 else 0.0


# ---------------------------------------------------------------------------------------------------- arrays


def _groups(label: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Rows of each label that is not negative."""
    order = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
    if len(order) == 0:
        return []
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _renumber(label: NDArray[np.int32], rank: NDArray[np.int64], *, by_size: bool) -> NDArray[np.int32]:
    """Number the groups anew from 0, by falling size if asked for, equal ones by their lowest rank."""
    groups = _groups(label)
    groups.sort(key=lambda rows: (-len(rows) if by_size else 0, int(rank[rows].min())))
    fresh = np.full(len(label), -1, dtype=np.int32)
    for number, rows in enumerate(groups):
        fresh[rows] = number
    return fresh


def _squares(x: NDArray[Any]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    return squares


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 128), (m, 128) -> (n, m)."""
    distances: NDArray[np.float64] = _squares(a)[:, None] - 2 * (a @ b.T).astype(np.float64) + _squares(b)
    return distances


def _blocks(rows: NDArray[np.intp], width: int) -> list[NDArray[np.intp]]:
    """Cut rows into blocks that make matrices of 4 million numbers at most with `width` columns."""
    size = max(1, 2**22 // max(width, 1))
    return [rows[start : start + size] for start in range(0, len(rows), size)]
