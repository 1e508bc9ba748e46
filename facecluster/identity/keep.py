"""Who stays a person: groups in enough photos, and whoever somebody said to be one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.assured import Assured, holder
from facecluster.identity.groups import Groups, nearest_two


def part_namesakes(
    encoding: NDArray[np.float32],
    label: NDArray[np.int32],
    part: NDArray[np.int32],
    people: Sequence[Assured],
    fixed: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Part the groups that hold several people of different names, however alike: a person said that they are two.

    Two entries of one id are one person, and so are two of one name.

    Args:
        encoding: (n, 128), finite where `part` is not -1.
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
            groups = Groups.of(encoding[rows], known[rows])
            nearest = nearest_two(encoding[rows], groups, known[rows])[0]
            parted[rows] = parted.max(initial=-1) + 1 + nearest
    return parted


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
        rows = one.rows[unusable[one.rows] & (placed[one.rows] < 0)]
        if len(rows) == 0:
            continue
        number = holder(placed, one.rows)
        placed[rows] = max(n_parts, int(placed.max(initial=-1)) + 1) if number is None else number
    return placed
