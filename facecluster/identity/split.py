"""Splitting of groups that are two people: whom a bridge linked, or who are together in photo after photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from facecluster.identity import doubles
from facecluster.identity.doubles import Doubles, longest
from facecluster.identity.groups import Groups, nearest_two, rows_of
from facecluster.identity.neighbours import blocks, squared_distances
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach, Rules, SamePhotoRule
from facecluster.identity.same_photo import Rivals, Shown, against

DISTINCT = 1.45
"""Two halves that photos show together are two people if the mean squared distance between the faces of the one and the
other is this many times that within them. Crowding is left out of both. Of the people of the fit half of `lfw_dev` with
eight photos or more, cut in halves, it is 1.43 at most (dlib: 1.54, and 1.37 for 95 %); of any two of them put
together, 1.84 at least (2.00) (`benchmarks/halves.py`)."""

COPY = 0.6
"""A face is from the shot of another only if it is nearer to that than this part of its median distance to the faces of
the group: where all of them are very near, none is a copy. Set by hand, between what copies are at (0.3 to 0.45 of the
joining radius, `benchmarks/copies.py`) and what a person's faces are at."""

_PAIRS = 2**15
"""Pairs of faces of one photo that a group is cut by, at most: 0.15 GB of their differences."""

_ROUNDS = 10
"""Of moving the faces to the nearer half; two people's halves do not change after a few."""


def split(
    points: Points, label: NDArray[np.int32], reach: Reach, rivals: Rivals, rules: Rules
) -> NDArray[np.int32]:
    """Split each group whose two halves `merge` would not put together, and again their halves.

    Args:
        points: n.
        label: (n,) group of each from 0; -1 for none.
        reach: how near halves must be to stay together.
        rivals: which faces of one photo are of two people.
        rules: `same_photo` counts.

    Returns:
        (n,) group of each, from 0. A face that remains in its group twice in a photo, and is too far for that from
        the others, the farther of the two, is a group by itself.

    The halves are made by moving faces to the nearer of two centres, from a first cut across the axis on which the
    group is longest; and another time across that on which the faces of one photo differ most. Photos that show both
    count only against halves that are `DISTINCT`: else the cut would part nobody. A third cut has the faces of each
    photo on different sides, and counts where it says that these are two people (`doubles.tell`).

    Photos do not count if each of two faces is from a shot of another photo of the group, which lacks the other
    (`evidence.SAME_SHOT`): somebody put these together. Nor do pages (`Rivals.compose`).

    References:
        MacQueen, Some methods for classification and analysis of multivariate observations, 1967 (two means).
    """
    for group in rows_of(label):
        _excuse(points, group, rivals)
    rivals.compose(label)
    fresh = np.full(len(label), -1, dtype=np.int32)
    number = 0
    for rows in _pieces(label, lambda rows: _two_people(points, rows, reach, rivals, rules)):
        out = rows[_twice(points, rows, reach, rivals, rules)]
        fresh[rows] = number
        fresh[out] = number + 1 + np.arange(len(out))
        number += 1 + len(out)
    return fresh


def split_by_distance(points: Points, label: NDArray[np.int32], reach: Reach) -> NDArray[np.int32]:
    """Do as `split`, whatever photos say -> (n,) group of each, from 0."""
    fresh = np.full(len(label), -1, dtype=np.int32)
    for number, rows in enumerate(_pieces(label, lambda rows: _far_halves(points, rows, reach))):
        fresh[rows] = number
    return fresh


def split_wide(
    points: Points, label: NDArray[np.int32], wide: NDArray[np.bool_], reach: Reach
) -> NDArray[np.int32]:
    """Split groups of one person that are too far apart for a mean over all.

    Args:
        points: n, finite where `label` is not -1.
        label: (n,) group of each; -1 none.
        wide: (p,) groups to split.
        reach: how near parts must be to be one.

    Returns:
        (n,) group: new numbers, higher than all others, in those that were split.
    """
    rows = np.flatnonzero(np.append(wide, np.False_)[label])
    parted = label.copy()
    if len(rows):
        parted[rows] = label.max() + 1 + split_by_distance(points[rows], label[rows], reach)
    return parted


def take_out(
    points: Points, label: NDArray[np.int32], reach: Reach, rivals: Rivals, rules: Rules
) -> NDArray[np.int32]:
    """Take the faces out of each group that are in a photo with a nearer one, as far as the rules forbid that.

    Of tracks of a video that are there at once they always do, but for `same_photo` "allow".

    Returns:
        (n,) group of each, -1 for those taken out.
    """
    left = label.copy()
    for rows in rows_of(label) if rules.same_photo == "forbid" or rivals.in_video.any() else ():
        left[rows[_twice(points, rows, reach, rivals, rules)]] = -1
    return left


def _excuse(points: Points, rows: NDArray[np.intp], rivals: Rivals) -> None:
    """Excuse the photos of which two faces of a group are each from a shot of another photo, without the other.

    Photos that show both as this one does are copies of it, and say nothing.
    """
    pairs = _rival_pairs(rows, rivals, groups=True)
    if len(pairs) == 0:
        return
    places, number = np.unique(pairs, return_inverse=True)
    photo, x = rivals.photo[rows], Points.plain(points.encoding[rows])
    order = np.argsort(photo, kind="stable")
    start = np.flatnonzero(np.diff(photo[order], prepend=-1))
    sources: list[NDArray[np.uint8]] = []  # of each face, the photos with one of the same shot, as bits
    for some in blocks(np.arange(len(places)), len(rows)):
        squared = squared_distances(x[places[some]], x)
        usual = np.median(squared, axis=1)
        squared[photo[places[some]][:, None] == photo] = np.inf
        near = squared <= np.minimum(rivals.same_shot**2, COPY**2 * usual)[:, None]
        sources.append(np.packbits(np.logical_or.reduceat(near[:, order], start, axis=1), axis=1))
    of = np.concatenate(sources)
    for pair in number.reshape(-1, 2):
        one, other = of[pair]
        if (one & ~other).any() and (other & ~one).any():
            rivals.excuse(int(photo[places[pair[0]]]))


def _pieces(
    label: NDArray[np.int32], cut: Callable[[NDArray[np.intp]], list[NDArray[np.intp]]]
) -> Iterator[NDArray[np.intp]]:
    """Cut groups, and what they are cut in, until nothing is left to cut."""
    for group in rows_of(label):
        waiting = [group]
        while waiting:
            rows = waiting.pop()
            if halves := cut(rows):
                waiting += halves
            else:
                yield rows


def _two_people(
    points: Points, rows: NDArray[np.intp], reach: Reach, rivals: Rivals, rules: Rules
) -> list[NDArray[np.intp]]:
    """Give the two halves of a group that are two people; nothing if there are none."""
    if len(rows) < 2:
        return []
    for half, is_distinct in _halves(points.encoding[rows].astype(np.float64), rows, rivals):
        one, other = rows[half], rows[~half]
        start = np.array([0, len(one), len(rows)])
        # photos that show both halves are weighed, even if that is forbidden: see _twice
        weighed: SamePhotoRule = "allow" if rules.same_photo == "allow" else "prefer"
        shown = Shown(rivals, np.concatenate([one, other]), start, weighed)
        groups = Groups.of(points[rows], (~half).astype(np.int32))
        squared = groups.squared_between(0)[1]
        cost = squared + reach.handicap(groups.count).sum()
        if is_distinct or squared - groups.crowding.sum() > DISTINCT * within(groups):
            cost += shown.penalty(0, 1) * reach.radius**2
        if cost > reach.radius**2:
            return [one, other]
    return []


def _far_halves(points: Points, rows: NDArray[np.intp], reach: Reach) -> list[NDArray[np.intp]]:
    """Give the two halves of a group that are too far apart; nothing if there are none."""
    if len(rows) < 2:
        return []
    x = points.encoding[rows].astype(np.float64)
    middle = x.mean(axis=0)
    half = _two_means(x, longest(x - middle), middle)
    if half.all() or not half.any():
        return []
    groups = Groups.of(points[rows], (~half).astype(np.int32))
    cost = groups.squared_between(0)[1] + reach.handicap(groups.count).sum()
    return [rows[half], rows[~half]] if cost > reach.radius**2 else []


def within(groups: Groups) -> float:
    """Give the mean squared Euclidean distance of two faces of one group, over those with several; 0 for none."""
    several = (groups.spread() ** 2 - 2 * groups.crowding)[groups.count > 1]
    return float(np.mean(several)) if len(several) else 0.0


def _halves(
    x: NDArray[np.float64], rows: NDArray[np.intp], rivals: Rivals
) -> Iterator[tuple[NDArray[np.bool_], bool]]:
    """Give ways to cut a group (k, 128) in halves: (k,) whether a face is in the one; if they are distinct anyway."""
    middle = x.mean(axis=0)
    axes = [(longest(x - middle), middle)]
    pairs = _rival_pairs(rows, rivals, groups=True)
    if len(pairs):
        axes.append((longest(x[pairs[:, 0]] - x[pairs[:, 1]]), x[pairs].mean(axis=(0, 1))))
    for axis, middle in axes:
        half = _two_means(x, axis, middle)
        if half.any() and not half.all():
            yield half, False
    if len(pairs):
        pairs = pairs[np.unique(rivals.photo[rows[pairs[:, 0]]], return_index=True)[1]]
        half, verdict = doubles.tell(x, pairs, rivals.same_shot)
        if verdict in (Doubles.TWO, Doubles.SURELY_TWO):
            yield half, True


def _two_means(
    x: NDArray[np.float64], axis: NDArray[np.float64], middle: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Cut (k, 128) across an axis at a point, and move each to the nearer of the two means -> (k,) which half."""
    half: NDArray[np.bool_] = x @ axis > middle @ axis
    for _ in range(_ROUNDS):
        if half.all() or not half.any():
            break
        one, other = x[half].mean(axis=0), x[~half].mean(axis=0)
        before, half = half, (x - (one + other) / 2) @ (one - other) > 0
        if np.array_equal(before, half):
            break
    return half


def _rival_pairs(rows: NDArray[np.intp], rivals: Rivals, *, groups: bool) -> NDArray[np.intp]:
    """Find the faces of a group that are of two people because of their photo: places (k, 2) in `rows`.

    Of more than `_PAIRS` pairs, those of the first photos and faces: they are not needed all to cut a group.
    """
    pairs, n = [np.empty((0, 2), dtype=np.intp)], 0
    for some in _pairs_by_photo(rows, rivals, groups=groups):
        pairs.append(some[: _PAIRS - n])
        n += len(pairs[-1])
        if n == _PAIRS:
            break
    return np.concatenate(pairs)


def _pairs_by_photo(rows: NDArray[np.intp], rivals: Rivals, *, groups: bool) -> Iterator[NDArray[np.intp]]:
    """Find the same, all of them, some at a time."""
    place = np.flatnonzero(rivals.in_company[rows])
    place = place[np.argsort(rivals.photo[rows[place]], kind="stable")]
    cuts = np.flatnonzero(np.diff(rivals.photo[rows[place]])) + 1
    for of_photo in np.split(place, cuts):
        if len(of_photo) > 1:
            for first in blocks(np.arange(len(of_photo)), len(of_photo)):
                two = rivals.two_people(rows[of_photo[first]], rows[of_photo], groups=groups)
                one, other = np.nonzero(np.triu(two, int(first[0])))
                yield np.stack([of_photo[first[one]], of_photo[other]], axis=1)


def _twice(
    points: Points, rows: NDArray[np.intp], reach: Reach, rivals: Rivals, rules: Rules
) -> NDArray[np.intp]:
    """Find the faces that are too far from the others for a group that is in their photo already: places in `rows`."""
    pairs = _pairs_by_photo(rows, rivals, groups=False)
    first = next((some for some in pairs if len(some)), None)
    if first is None:
        return np.empty(0, dtype=np.intp)
    none = np.zeros(len(rows), dtype=np.int32)
    distance = nearest_two(points[rows], Groups.of(points[rows], none), none)[1]
    cost = distance**2 + reach.handicap(1.0) + reach.handicap(float(len(rows) - 1))
    soft = (rules.same_photo == "prefer") & ~rivals.in_video[rows]
    bound = np.where(soft, reach.radius**2 * (1 - against(1, 1)), -np.inf)
    out = np.zeros(len(rows), dtype=np.bool_)
    for one, other in (some.T for some in chain([first], pairs)):
        out[np.where(distance[one] > distance[other], one, other)] = True
    return np.flatnonzero(out & (cost > bound))
