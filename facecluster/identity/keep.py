"""Who stays a person, and whom somebody told to be whose: groups in enough photos, and what decisions say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.assignment import Assignment, Case, owners
from facecluster.identity.assured import Assured, holder
from facecluster.identity.evidence import count_different
from facecluster.identity.gate import Reason
from facecluster.identity.groups import renumber, rows_of


def keep(case: Case, found: Assignment) -> Assignment:
    """Drop the groups in too few photos, but keep the people that a person vouched for.

    The people of the earlier result stay, too, and those whom somebody made by a split.

    Returns:
        `part` and `label` are of the people who are left. `dropped` is the group of each face whose group is in too
        few photos; the `reason` of these is `Reason.TOO_FEW_PHOTOS` if they are several. A face that founds a person
        only because somebody vouched for it is looked at.
    """
    decided, rules, prior = case.decided, case.rules, case.prior
    part, reason, look = found.part.copy(), found.reason.copy(), found.look
    dropped, wanted = np.full(len(part), -1, dtype=np.int32), rules.limits.min_images
    stays = np.isin(found.label, found.label[decided.founded | case.settled])
    for rows in rows_of(np.where(stays, np.int32(-1), found.label)):
        if len(rows) < wanted or count_different(case.table, rows, wanted, rules.radii.join) < wanted:
            dropped[rows] = found.label[rows]
            part[rows] = -1
            if len(rows) > 1:
                reason[rows] = Reason.TOO_FEW_PHOTOS
    if decided.assured:
        here = prior.restored(np.where(part >= 0, found.label, np.int32(-1)))
        part = keep_assured(part, found.label, here, decided.assured, case.usable & (prior.person < 0))
        dropped[part >= 0] = -1
        look = look | (part >= 0) & ~case.settled
    part = renumber(part, case.rank, by_size=False)
    label = owners(part, decided.together, found.ties)[part]
    return replace(found, look=look, part=part, label=label, dropped=dropped, reason=reason)


def tell(case: Case, kept: Assignment) -> Assignment:
    """Place the faces that somebody told to be whose.

    Faces of the earlier result that founded nobody are with their people again. Faces without a usable encoding go to
    the people that are known by them. Of the others, each goes to whoever has most of the faces that it belongs
    together with.

    Returns:
        `label` is changed, and nothing else.
    """
    decided = case.decided
    n_parts = int(kept.part.max(initial=-1)) + 1
    label = case.prior.restored(kept.label)
    label = place_unusable(label, n_parts, decided.assured, ~case.has_encoding & ~decided.ignored)
    person = _person_told(label, decided.together)
    told = kept.look & case.usable & ~kept.core & (person >= 0)
    return replace(kept, label=np.where(told, person, label))


def keep_assured(
    part: NDArray[np.int32],
    before: NDArray[np.int32],
    here: NDArray[np.int32],
    people: Sequence[Assured],
    usable: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Make people of those who somebody said are people, and whom nobody holds.

    Args:
        part: (n,) part that each face is of; -1 none.
        before: (n,) group of each before groups in too few photos were left out. One that holds such a person is kept.
        here: (n,) person of each now, also of an earlier result; -1 none.
        people: who they are; a face of several groups goes to the last one.
        usable: (n,) faces that may found a person.

    Returns:
        (n,) part, with a new number for each who was made.
    """
    kept, here, number = part.copy(), here.copy(), int(part.max(initial=-1)) + 1
    for one in reversed(people):
        if holder(here, one.rows) is not None:
            continue
        group = holder(np.where(here < 0, before, np.int32(-1)), one.rows)
        rows = one.rows
        if group is not None:
            rows = np.union1d(rows, np.flatnonzero((before == group) & (here < 0)))
        rows = rows[usable[rows]]
        kept[rows] = number
        here[rows] = int(here.max(initial=-1)) + 1
        number += 1
    return kept


def place_unusable(
    label: NDArray[np.int32], n_parts: int, people: Sequence[Assured], unusable: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Put the faces without a usable encoding by which people are known to these people.

    Who holds somebody, the faces with one say alone: of the others none is anybody's yet.

    Args:
        label: (n,) person of each; -1 none.
        n_parts: numbers from this one on are free for people without a founding face.
        people: who they are.
        unusable: (n,) faces without a usable encoding that may be somebody's.

    Returns:
        (n,) person; of somebody who has no other faces, a new number.
    """
    placed = label.copy()
    for one in people:
        bare = unusable[one.rows]
        rows = one.rows[bare & (placed[one.rows] < 0)]
        if len(rows) == 0:
            continue
        number = holder(placed, one.rows[~bare])
        placed[rows] = max(n_parts, int(placed.max(initial=-1)) + 1) if number is None else number
    return placed


def _person_told(label: NDArray[np.int32], together: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the person who has most of the faces that each belongs together with -> (n,); -1 where there is none."""
    numbers = int(together.max(initial=-1)) + 1
    person = np.full(numbers + 1, -1, dtype=np.int32)  # the last one for faces of no number
    placed = (label >= 0) & (together >= 0)
    ties, count = np.unique(np.stack([together[placed], label[placed]]), axis=1, return_counts=True)
    order = np.lexsort((-ties[1], count))  # the last one counts
    person[ties[0, order]] = ties[1, order]
    return person[together]
