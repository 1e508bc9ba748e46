"""Almost-people: faces that are alike, and that more photos or lower limits would make a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.evidence import by_content, count_different, find_copies
from facecluster.identity.gate import Limits, Reason, failures, measured
from facecluster.identity.groups import Groups, nearest_two, renumber, rows_of, second_in_photo
from facecluster.identity.neighbours import has_near
from facecluster.identity.points import Points
from facecluster.identity.rules import Rules
from facecluster.table import Faces, FaceTable, number_scenes


@dataclass(frozen=True, eq=False)
class AlmostPerson:
    """Faces that are alike, of somebody whom too few good photos show.

    Attributes:
        rows: (k,) int64 rows of faces, k >= 2: first those that count towards a person, one a photo, in the order of
            the photos' paths; then the others, the most useful ones first.
        lack: (k,) uint8, `Reason.PASSED` for a face that counts; `Reason.NEAR_DUPLICATE` for one whose photo counts
            already or is near one that does; else the first limit that it fails.
    """

    rows: NDArray[np.int64]
    lack: NDArray[np.uint8]

    @property
    def n_photos(self) -> int:
        """How many different photos count."""
        return int(np.count_nonzero(self.lack == Reason.PASSED))


_OPEN = tuple(reason for reason in Reason if Reason.TOO_SMALL <= reason <= Reason.TOO_FEW_PHOTOS)
"""Why a face may be of an almost-person: it has an encoding, no person, and is not like one who was found."""


def find_almost(
    table: FaceTable,
    points: Points,
    reason: NDArray[np.uint8],
    dropped: NDArray[np.int32],
    rank: NDArray[np.int64],
    rules: Rules,
    *,
    known: tuple[AlmostPerson, ...] = (),
    jobs: int | None = None,
) -> tuple[AlmostPerson, ...]:
    """Find the groups of faces that too few good photos keep from being a person.

    A group is good faces that were merged, or one alone. Other faces are added as
    they join a person: within the joining radius of them as a whole, and nearer than to any other group by the margin;
    these link nothing. The group is an almost-person when two different photos count, or when one does and there would
    be enough if the limits were lower. A face that is like a person who was found, and has no place there, is in none.

    Args:
        table: n faces.
        points: the faces as distances see them.
        reason: (n,) `Reason` of each after clustering.
        dropped: (n,) group of each face that is good enough to found a person and is in too few different photos,
            with others or alone; -1 none.
        rank: (n,) place of each face's id in the order of all ids.
        rules: as for clustering.
        known: others, of faces that are not looked at; their `reason` is `Reason.PASSED` here.
        jobs: threads; None is one, -1 all cores.

    Returns:
        Those with the most photos first; of equal ones, first those that lower limits would complete, the least
        lowering first.

    Only faces that are left over cost anything: each is compared with the good ones among them, block by block.
    """
    left = np.flatnonzero(np.isin(reason, _OPEN))
    faces, radii = Faces(**{key: column[left] for key, column in vars(table.faces).items()}), rules.radii
    full_rank, reason, rank = rank, reason[left], rank[left]
    good = reason >= Reason.NO_MATCH
    label = renumber(np.where(good, dropped[left], np.int32(-1)), rank, by_size=False)

    points = points[left]
    groups, rest = Groups.of(points, label), np.flatnonzero(~good)
    rest = rest[has_near(points[rest], points[good], radii.join + _SLACK, jobs=jobs)]
    distance = np.zeros(len(left))
    nearest, distance[rest], runner_up = nearest_two(points[rest], groups, label[rest], jobs=jobs)
    near = (distance[rest] <= radii.join) & (runner_up >= distance[rest] + radii.margin)
    label[rest[near]] = nearest[near]
    label[np.isin(label, np.flatnonzero(groups.spread() > radii.join))] = -1
    scene = number_scenes(faces.photo, faces.page, faces.time_s)
    label[second_in_photo(label, good, distance, rank, scene, faces.box)] = -1

    short = _shortfalls(faces, rules.limits)
    found = [(-almost.n_photos, (False, 0.0), int(full_rank[almost.rows].min()), almost) for almost in known]
    for rows in (rows for rows in rows_of(label) if len(rows) > 1):
        rows = rows[np.argsort(rank[rows])]
        if group := _almost_person(table, left[rows], reason[rows], short[rows], rules):
            order, lack, lowering = group
            almost = AlmostPerson(left[rows[order]], lack)
            found.append((-almost.n_photos, lowering, int(rank[rows[0]]), almost))
    return tuple(almost for *_, almost in sorted(found, key=lambda entry: entry[:3]))


_SLACK = 1e-3
"""Wider than what `has_near` may be wrong by."""


def _almost_person(
    table: FaceTable,
    rows: NDArray[np.intp],
    reason: NDArray[np.uint8],
    short: NDArray[np.float32],
    rules: Rules,
) -> tuple[NDArray[np.intp], NDArray[np.uint8], tuple[bool, float]] | None:
    """Say what keeps a group from being a person; None if it is far from that, or nothing that counts photos.

    Args:
        table: n faces.
        rows: (k,) of them.
        reason: (k,) `Reason` of each face.
        short: (k, 3) as of `_shortfalls`.
        rules: as for clustering.

    Returns:
        (k,) order of the faces and (k,) what each lacks in that order, as in `AlmostPerson`; and how much lower limits
        would have to be: whether that would not be enough, and the sum of the shortfalls of as many faces as miss.
    """
    wanted, radius = rules.limits.min_images, rules.radii.join
    good, rest = np.flatnonzero(reason >= Reason.NO_MATCH), np.flatnonzero(reason < Reason.NO_MATCH)
    good = good[by_content(table, rows[good])]
    missing = wanted - count_different(table, rows[good], wanted, radius)
    if missing == 0:
        return None
    rest = rest[_useful_first(short[rest], missing)]
    order = np.concatenate([good, rest])
    copy = find_copies(table, rows[order], wanted, radius)
    is_enough = np.count_nonzero(~copy) >= wanted
    if wanted - missing < 2 and not is_enough:
        return None
    counts = ~copy & (reason[order] >= Reason.NO_MATCH)
    lack = np.select([copy, counts], [Reason.NEAR_DUPLICATE, Reason.PASSED], reason[order]).astype(np.uint8)
    place = np.arange(len(order))
    place[counts] = np.argsort(np.argsort(table.photos.path[table.faces.photo[rows[order[counts]]]]))
    last = np.lexsort((place, copy, ~counts))
    useful = order[~copy & ~counts][:missing]
    return order[last], lack[last], (not is_enough, float(short[useful].sum()))


def _useful_first(short: NDArray[np.float32], missing: int) -> NDArray[np.intp]:
    """Order faces that fail limits so that the first `missing` need the fewest limits lowered, and least.

    Args:
        short: (k, 3) as of `_shortfalls`.
        missing: how many of them are needed, at least 1.

    Returns:
        (k,) rows: first the faces that fail one limit only; of these, first those of the limit that alone would
        let enough of them pass. What is unknown no limit mends, so faces with an unknown number come last.
    """
    alone = np.count_nonzero(short > 0, axis=1) == 1
    limit = short.argmax(axis=1)
    price = np.full(len(short), np.inf)
    for column in range(short.shape[1]):
        rows = np.flatnonzero(alone & (limit == column))
        if len(rows) >= missing:
            price[rows] = np.sort(short[rows, column])[missing - 1]
    total = short.sum(axis=1)
    return np.lexsort((total, price, ~alone, np.isinf(total)))


def _shortfalls(faces: Faces, limits: Limits) -> NDArray[np.float32]:
    """Say how far each face is from passing the gate, by what would have to give: size, angle, quality.

    Returns:
        (n, 3) float32: 0 where all is well, infinite where the number is unknown, else more than 0: how far the worst
        number is beyond the limit, in parts of the least size, of 90 degrees, of a quality of 1. It orders faces and
        means nothing else.
    """
    scale, numbers = (max(limits.min_size_px, 1.0), 90.0, 1.0), measured(faces, limits)
    short = np.zeros((len(faces), len(scale)), dtype=np.float32)
    for reason, failing in failures(faces, limits).items():
        column = _COLUMN[reason]
        if reason in numbers:
            number, limit = numbers[reason]
            beyond = np.abs(np.abs(number[failing]) - limit) / scale[column] + _ON_THE_LIMIT
            short[failing, column] = np.maximum(short[failing, column], beyond)
        else:
            short[failing, column] = np.inf
    return short


_ON_THE_LIMIT = 1e-6
_COLUMN = {
    Reason.TOO_SMALL: 0, Reason.NO_POSE: 1, Reason.PITCH: 1, Reason.YAW: 1, Reason.ROLL: 1,
    Reason.NO_QUALITY: 2, Reason.LOW_QUALITY: 2,
}  # fmt: skip
"""Of `_shortfalls`."""
