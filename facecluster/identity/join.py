"""Joining of people by the faces that found nobody: each looks at whole people, so that it can never bridge two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.gate import Reason
from facecluster.identity.groups import Groups, nearest_two
from facecluster.identity.rules import Reach, Rules
from facecluster.identity.same_photo import Rivals, against


def join(
    encoding: NDArray[np.float32],
    label: NDArray[np.int32],
    part: NDArray[np.int32],
    look: NDArray[np.bool_],
    open_: NDArray[np.bool_],
    parts: Groups,
    owner: NDArray[np.int32],
    reach: Reach,
    rivals: Rivals,
    apart: NDArray[np.int64],
    rules: Rules,
    rank: NDArray[np.int64],
    *,
    jobs: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Let faces join the people they are like.

    Args:
        encoding: (n, 128).
        label: (n,) person of each face that has one already, -1 for the others.
        part: (n,) part of a person that a founding face is of, -1 for the others.
        look: (n,) whether it is looked at at all; of the others, nothing is returned but their person.
        open_: (n,) whether a face without a person may join one.
        parts: p groups of founding faces: a person each, or what somebody put together to one.
        owner: (p,) person of each.
        reach: how near is near enough.
        rivals: which faces of one photo are of two people.
        apart: (k, 2) rows of faces that are of two people.
        rules: the margin and `same_photo` count.
        rank: (n,) place of each face's id in the order of all ids.
        jobs: threads; None is one, -1 all cores.

    Returns:
        (n,) person; (n,) `Reason` of those that may join and do not, 0 for all others; (n,) root mean square distance
        to the (other) founding faces of the person, or of the nearest one (of the nearest part, if there are several);
        (n,) the same to the nearest other person.

    Of two faces of one photo that are like the same person, the nearer one is taken. The other must be nearer than is
    asked for otherwise (see `same_photo`), or like somebody else who is not in the photo, by the same margin.
    """
    n, rows = len(label), np.flatnonzero(look)
    nearest, distance, runner_up = np.full(n, -1, dtype=np.int32), np.full(n, np.inf), np.full(n, np.inf)
    nearest[rows], distance[rows], runner_up[rows] = nearest_two(
        encoding[rows], parts, part[rows], owner, jobs=jobs
    )
    reason = np.zeros(n, dtype=np.uint8)
    if len(owner) == 0:
        return label, reason, distance, runner_up
    limit = np.sqrt(np.maximum(reach.radius**2 - reach.handicap(1.0) - reach.handicap(parts.count), 0))
    near = look & open_ & (label < 0) & (distance <= limit[nearest])
    between = near & (runner_up < distance + rules.radii.margin)
    reason[between] = Reason.BETWEEN_PEOPLE
    joined = np.where(near & ~between, owner[nearest], label)

    foes: dict[int, list[int]] = {}
    for one, other in apart.tolist():
        foes.setdefault(one, []).append(other)
        foes.setdefault(other, []).append(one)
    doubtful = np.flatnonzero((label < 0) & (joined >= 0))
    in_doubt = _is_claimed_twice(joined, rivals)[doubtful] | np.isin(doubtful, list(foes))
    doubtful = doubtful[in_doubt]
    joined[doubtful] = -1
    penalty = against(1, 1) * reach.radius**2 if rules.same_photo == "prefer" else np.inf
    for row in doubtful[np.lexsort((rank[doubtful], distance[doubtful]))].tolist():
        squared = parts.squared_to(encoding[row])
        others = rivals.rows(int(rivals.photo[row]))
        others = others[joined[others] >= 0]
        if len(others):
            here = joined[others[rivals.two_people(np.array([row]), others)[0]]]
            squared[np.isin(owner, here)] += penalty
        squared[np.isin(owner, joined[foes.get(row, [])])] = np.inf
        best = int(squared.argmin())
        distance[row] = np.sqrt(squared[best])
        runner_up[row] = np.sqrt(squared[owner != owner[best]].min(initial=np.inf))
        if distance[row] > limit[best]:
            reason[row] = Reason.SAME_PHOTO if row not in foes else Reason.NO_MATCH
        elif runner_up[row] < distance[row] + rules.radii.margin:
            reason[row] = Reason.BETWEEN_PEOPLE
        else:
            joined[row] = owner[best]
    return joined, reason, distance, runner_up


def _is_claimed_twice(joined: NDArray[np.int32], rivals: Rivals) -> NDArray[np.bool_]:
    """Say of (n,) faces whether another in the same photo has the same person."""
    twice = np.zeros(len(joined), dtype=np.bool_)
    rows = np.flatnonzero((joined >= 0) & rivals.in_company)
    _, number, count = np.unique(
        np.stack([rivals.photo[rows], joined[rows]]), axis=1, return_inverse=True, return_counts=True
    )
    twice[rows] = count[number.reshape(-1)] > 1
    return twice
