"""What people decided about the faces of a table, as rows: see `decisions` for where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Constraints:
    """What `cluster_faces` must keep to, for n faces.

    Attributes:
        together: (n,) int32, faces of equal number are one person's (must-link); -1 nothing is decided.
        apart: (k, 2) int64, pairs of rows that are not one person's (cannot-link).
        moved: (n,) bool, somebody took the face away from where it had been put: it links nobody, founds nobody, and
            is judged alone, unless `together` says whose it is.
        founded: (n,) bool, somebody said that the faces of this `together` are a person: no gate, no least number of
            photos.
        ignored: (n,) bool, said to be no person.
        not_people: rows (k_i,) of faces by which a person is known who is said to be none: the person who holds most
            of them is dissolved, whoever else is in it.
    """

    together: NDArray[np.int32]
    apart: NDArray[np.int64]
    moved: NDArray[np.bool_]
    founded: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    not_people: tuple[NDArray[np.int64], ...] = field(default=())

    def is_named(self) -> NDArray[np.bool_]:
        """Say by which faces somebody knows a person -> (n,)."""
        named = self.together >= 0
        named[self.apart.reshape(-1)] = True
        return named

    @classmethod
    def none(cls, n: int) -> Constraints:
        """Nothing is decided about n faces."""
        no = np.zeros(n, dtype=np.bool_)
        return cls(np.full(n, -1, dtype=np.int32), np.empty((0, 2), dtype=np.int64), no, no, no)
