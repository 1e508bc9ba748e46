"""How people are shown, as a person said: who is left out of lists, and which face is whose cover."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.assured import covers, hidden
from facecluster.identity.changes import Placed
from facecluster.identity.decisions import Decision
from facecluster.result import Person, Result
from facecluster.table import Faces


def as_told(
    result: Result,
    decisions: Sequence[Decision],
    faces: Faces | Placed,
    label: NDArray[np.integer],
    whom: Collection[str] | None = None,
) -> Result:
    """Show people as decisions say; who was not spoken of is in lists, and its first face is the cover.

    Args:
        result: who is who.
        decisions: in order of time, with those that are undone.
        faces: n faces of a table or of the result.
        label: (n,) place of each face's person in the result, -1 none.
        whom: ids of those who are looked at; None: everybody.

    Returns:
        The result; whom it says the same of stays the same object.
    """
    out, chosen = hidden(decisions, faces, label), covers(decisions, faces, label)

    def told(number: int, person: Person) -> Person:
        if whom is not None and person.id not in whom:
            return person
        is_hidden, cover = number in out, chosen.get(number, person.faces[0].id)
        if (person.hidden, person.cover) == (is_hidden, cover):
            return person
        return replace(person, hidden=is_hidden, cover=cover)

    return replace(result, people=tuple(told(*one) for one in enumerate(result.people)))
