"""What holds a person together: its weakest link and its seam, by the encodings of its founding faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.explain import Link, spanning_tree
from facecluster.identity.points import Points
from facecluster.result import Person, Result
from facecluster.table import FaceTable

_MOST = 2000
"""Founding faces of a person of whom links are looked for: time is as their square."""


@dataclass(frozen=True)
class Pair:
    """Two faces, without whose nearness a person would fall in two.

    Attributes:
        a, b: ids of the faces.
        n_a, n_b: founding faces on the side of each.
        distance: between them.
        side: ids of the founding faces on the smaller side, that of b where both are equal.
    """

    a: str
    b: str
    n_a: int
    n_b: int
    distance: float
    side: tuple[str, ...]


@dataclass(frozen=True)
class Links:
    """See `render.explain_person`.

    Attributes:
        weakest: the longest link; None of a person founded by one face.
        seam: the longest with as many photos on either side as make a person; None where that is the same.
    """

    weakest: Pair | None
    seam: Pair | None


class Encodings:
    """The encodings of a face table by id of the face, and nothing else of it."""

    def __init__(self, table: FaceTable) -> None:
        """Take them out of a table, which need not be kept."""
        self._encoding: NDArray[np.float32] = table.faces.encoding
        self._encoder = table.settings.encoder
        self._row = {own: row for row, own in enumerate(table.faces.id.tolist())}

    def links(self, result: Result, person: Person) -> Links:
        """Find what holds a person together; nothing where the table has too few of its founding faces, or too many."""
        ids = list(dict.fromkeys(face.id for face in person.faces if face.core and face.id in self._row))
        encoding = self._encoding[[self._row[own] for own in ids]]
        finite = np.flatnonzero(np.isfinite(encoding).all(axis=1))
        ids, encoding = [ids[i] for i in finite.tolist()], encoding[finite]
        if not 2 <= len(ids) <= _MOST:
            return Links(None, None)
        tree = spanning_tree(Points.of(encoding, self._encoder))
        rules = result.settings.rules
        weakest = tree.weakest()
        seam = tree.weakest(max(2, 2 if rules is None else rules.limits.min_images))

        def pair(link: Link | None) -> Pair | None:
            if link is None:
                return None
            behind = tree.behind(link.j)
            rows = np.flatnonzero(behind if link.n_j <= link.n_i else ~behind)
            side = tuple(ids[row] for row in rows.tolist())
            return Pair(ids[link.i], ids[link.j], link.n_i, link.n_j, link.distance, side)

        return Links(pair(weakest), None if seam == weakest else pair(seam))
