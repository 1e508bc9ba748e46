"""Finding of people: which of the faces that pass the gate are one person's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.assignment import Assignment, Case, owners
from facecluster.identity.assured import Assured, holder
from facecluster.identity.constraints import Constraints
from facecluster.identity.dbscan import dbscan
from facecluster.identity.gate import Reason
from facecluster.identity.groups import Groups, nearest_two, renumber
from facecluster.identity.merge import merge
from facecluster.identity.points import Points
from facecluster.identity.rules import Rules
from facecluster.identity.same_photo import Rivals, Shown
from facecluster.identity.split import split, split_wide, take_out
from facecluster.identity.years import names_of, tie_years, years_of


def find(case: Case, start: Assignment) -> Assignment:
    """Group the faces that found people.

    Faces that pass the gate link. Faces that somebody knows a person by are groups by themselves, and may be merged
    with others. The people of the earlier result are there already. Faces that somebody called a person come last,
    so that they take none of the faces that others are put together of.

    Returns:
        `part` is the group of each founding face. `label` is the lowest of the groups that are one person's, `ties` say
        which of them are so over the years. `reason` of all that passed the gate is `Reason.NO_MATCH`, until they are
        placed.
    """
    decided, reason = case.decided, start.reason.copy()
    free = start.look & ~decided.moved
    founding, vouched = free & (reason == Reason.PASSED), free & case.usable & decided.is_named()
    reason[reason == Reason.PASSED] = Reason.NO_MATCH
    part = _linked(case, founding)
    alone = (founding | vouched) & (part < 0)
    part[alone] = part.max(initial=-1) + 1 + np.arange(np.count_nonzero(alone))
    settled, ties = _settled(case)
    part[case.settled] = part.max(initial=-1) + 1 + settled[case.settled]
    part = _merged(case, renumber(part, case.rank, by_size=False), ties)
    part = take_out(case.points, part, case.reach, case.rivals, case.rules)
    founded = np.flatnonzero(decided.founded & case.has_encoding & start.look)
    if len(founded):
        ties = _over_years(case, part, ties)  # whoever is parted from somebody is so from all of these years
        part = _add_founded(case, part, founded, ties)
    part = renumber(part, case.rank, by_size=False)
    if decided.assured:
        label = owners(part, decided.together, ties)[part]
        part = part_namesakes(case.points, label, part, decided.assured, case.settled)
        part = renumber(part, case.rank, by_size=False)
    ties = _over_years(case, part, ties)
    label = owners(part, decided.together, ties)[part]
    return replace(start, part=part, label=label, reason=reason, ties=ties)


def shown_in(
    label: NDArray[np.int32],
    rivals: Rivals,
    decided: Constraints,
    rules: Rules,
    ties: NDArray[np.int64] | None = None,
) -> Shown:
    """Say in which photos groups are, and which groups are kept apart: they, and all that belong to them.

    Args:
        label: (n,) group of each face from 0; -1 none.
        rivals: which faces of one photo are of two people.
        decided: what people decided about the faces.
        rules: `same_photo` counts.
        ties: as in `Assignment`; None: there are none.
    """
    rows = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
    start = np.searchsorted(label[rows], np.arange(int(label.max(initial=-1)) + 2))
    shown = Shown(rivals, rows, start, rules.same_photo)
    owner = owners(label, decided.together, ties)
    first, second = owner[label[decided.apart]].astype(np.int64).T
    parted = (first >= 0) & (second >= 0) & (first != second)
    for pair in np.unique(first[parted] * len(owner) + second[parted]).tolist():
        one, other = divmod(pair, len(owner))
        for a in np.flatnonzero(owner == one).tolist():
            for b in np.flatnonzero(owner == other).tolist():
                shown.keep_apart(a, b)
    return shown


def _linked(case: Case, founding: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Link the marked faces that are very near, and split groups that are two people -> (n,) group; -1 none."""
    radii = case.rules.radii
    part = np.full(len(founding), -1, dtype=np.int32)
    part[founding] = dbscan(case.points[founding], radii.eps, case.rules.min_samples, jobs=case.jobs)[0]
    return split(case.points, part, case.reach, case.rivals, case.rules)


def _merged(case: Case, part: NDArray[np.int32], ties: NDArray[np.int64]) -> NDArray[np.int32]:
    """Merge groups, but no two who were people before.

    Groups that only photos with both keep apart may be one person's, in photos that are put together of several. If
    they show that these are (`Rivals.compose`), merging is done again.
    """
    fixed = np.isin(np.arange(int(part.max(initial=-1)) + 1), part[case.settled])
    groups = case.sums.of(part)
    while True:
        shown = shown_in(part, case.rivals, case.decided, case.rules, ties)
        merged = merge(case.points, part, case.reach, shown, fixed=fixed, groups=groups, jobs=case.jobs)
        alike = shown.but_for_photos(merged, case.reach)
        if alike is None or not case.rivals.compose(alike):
            return merged


def _settled(case: Case) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Split the people of the earlier result whose faces are too far apart to be compared as a whole.

    Their founding faces are known to be one person's, not of which age each is. So they are split as any group is.

    Returns:
        (n,) number of the part of each of `Case.settled`, -1 for the others; and the ties of those of one person, as in
        `Assignment`.
    """
    settled = case.settled
    part = np.full(len(settled), -1, dtype=np.int32)
    part[settled] = np.unique(case.prior.person[settled], return_inverse=True)[1].reshape(-1)
    wide = case.sums.of(part).spread() > case.reach.radius
    parted = split_wide(case.points, part, wide, case.reach)
    rows = np.flatnonzero(parted != part)
    first = rows[np.unique(parted[rows], return_index=True)[1]]  # a face of each part
    whose, begin = np.unique(part[rows], return_index=True)
    ties = np.stack([first, rows[begin[np.searchsorted(whose, part[first])]]], axis=1)
    return parted, ties.astype(np.int64)


def _over_years(case: Case, part: NDArray[np.int32], ties: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tie the people who are one over the years -> (k, 2) rows, behind those of `ties`."""
    time = case.table.photos.shot_times()
    if not np.isfinite(time).any():
        return ties
    label = owners(part, case.decided.together, ties)[part]
    placed, row = np.unique(label, return_index=True)
    fixed = np.isin(np.arange(int(label.max(initial=-1)) + 1), label[case.settled])
    pairs = tie_years(
        case.points,
        label,
        years_of(time)[case.table.faces.photo],
        case.reach,
        case.rules.radii.margin,
        shown_in(label, case.rivals, case.decided, case.rules),
        fixed=fixed,
        names=names_of(label, case.decided.assured),
        jobs=case.jobs,
    )
    more = row[np.searchsorted(placed, np.array(pairs, dtype=np.int64).reshape(-1, 2))]
    return np.concatenate([ties, more.astype(np.int64)])


def _add_founded(
    case: Case, part: NDArray[np.int32], rows: NDArray[np.intp], ties: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Make groups of the faces that somebody called a person, and merge with them what is near them."""
    if len(rows) == 0:
        return part
    label = renumber(part, case.rank, by_size=False)
    number = np.unique(case.decided.together[rows], return_inverse=True)[1].astype(np.int32)
    label[rows] = label.max(initial=-1) + 1 + number
    label = renumber(label, case.rank, by_size=False)
    groups, founded = Groups.of(case.points, label), np.unique(label[rows])
    near = [groups.squared_between(one) <= case.reach.radius**2 for one in founded.tolist()]
    owner = owners(label, case.decided.together, ties)
    # whoever is kept apart from one part of somebody is so from all
    theirs = np.isin(owner[:-1], owner[:-1][np.any(near, axis=0)])
    chosen = (label >= 0) & theirs[label]
    some = np.full(len(label), -1, dtype=np.int32)
    some[chosen] = np.unique(label[chosen], return_inverse=True)[1]
    label[chosen] = len(groups.count) + _merged(case, some, ties)[chosen]
    return label


def part_namesakes(
    points: Points,
    label: NDArray[np.int32],
    part: NDArray[np.int32],
    people: Sequence[Assured],
    fixed: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Part the groups that hold several people of different names, however alike: a person said that they are two.

    Two entries of one id are one person, and so are two of one name.

    Args:
        points: n, finite where `part` is not -1.
        label: (n,) group of each; -1 none.
        part: (n,) part of the group that each is of; -1 none.
        people: who was named.
        fixed: (n,) faces of groups that stay as they are.

    Returns:
        (n,) part: in a group that is parted, of those who are nearest to it.
    """
    held: dict[int, list[Assured]] = {}
    for one in people:
        number = holder(label, one.rows) if one.name is not None else None
        if number is not None:
            held.setdefault(number, []).append(one)
    parted = part.copy()
    for number, several in held.items():
        rows = np.flatnonzero(label == number)
        if len(several) < 2 or fixed[rows].any():
            continue
        known = np.full(len(label), -1, dtype=np.int32)
        person: dict[str, int] = {}
        for one in several:
            if all(one.id is None or one.id != other.id for other in several if other is not one):
                own = one.rows[label[one.rows] == number]
                known[own] = person.setdefault(str(one.name).casefold(), len(person))
        n_people = len(person)
        if n_people > 1:
            groups = Groups.of(points[rows], known[rows])
            nearest = nearest_two(points[rows], groups, known[rows])[0]
            parted[rows] = parted.max(initial=-1) + 1 + nearest
    return parted
