"""Who stays who: which of the people of an earlier result each person of a new one is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.changes import match_people


@dataclass(frozen=True)
class Lineage:
    """What became of k old people in p new ones; people are numbers from 0.

    Attributes:
        heir: for each of the p, the old person whose id it keeps; -1 for somebody new.
        merged: new people with the several old ones that went to them, whose id is kept first, the others by number.
        split: old people with the several new ones that their faces are in, in order of number.
    """

    heir: tuple[int, ...]
    merged: tuple[tuple[int, tuple[int, ...]], ...]
    split: tuple[tuple[int, tuple[int, ...]], ...]


def trace(old: NDArray[np.int64], new: NDArray[np.int64], n_new: int) -> Lineage:
    """Find out who keeps whose id, by majority of the faces that both results have.

    People belong together as `match_people` says. An old person goes to the one of its new people who has most of its
    faces; of the old people who go to a new one, that with most faces there gives its id, and the others were merged
    into it. A tie is for the lower number, which is the larger person's.

    Args:
        old: (n,) person in the earlier result of each face that is in both; -1 none.
        new: (n,) person in the new one.
        n_new: how many new people there are, also those without a face among these.
    """
    links = list(zip(*(column.tolist() for column in match_people(old, new)), strict=True))
    links.sort(key=lambda link: -link[2])  # stable: by old, then new number
    home: dict[int, int] = {}
    parts: dict[int, list[int]] = {}
    for one, other, _ in links:
        home.setdefault(one, other)
        parts.setdefault(one, []).append(other)
    gone_to: dict[int, list[int]] = {}
    for one, other, _ in links:
        if home[one] == other:
            gone_to.setdefault(other, []).append(one)
    return Lineage(
        heir=tuple(gone_to[other][0] if other in gone_to else -1 for other in range(n_new)),
        merged=tuple((to, (of[0], *sorted(of[1:]))) for to, of in sorted(gone_to.items()) if len(of) > 1),
        split=tuple((one, tuple(sorted(to))) for one, to in sorted(parts.items()) if len(to) > 1),
    )
