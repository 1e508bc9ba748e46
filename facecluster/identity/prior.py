"""What an earlier result says of the faces of a table that has grown since."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.almost import AlmostPerson
from facecluster.identity.constraints import Constraints
from facecluster.identity.gate import Reason
from facecluster.identity.neighbours import has_near
from facecluster.identity.points import Points


@dataclass(frozen=True, eq=False)
class PriorAssignment:
    """Whom an earlier result assigns each of n faces to.

    Attributes:
        is_new: (n,) bool, the earlier result does not have the face.
        person: (n,) int32, person in the earlier result from 0; -1 none.
        core: (n,) bool, founded the person.
        confidence: (n,) float32, per cent, 0..100, of belonging to the person; NaN where unknown.
        reason: (n,) uint8 `Reason`, why it has no person; `Reason.PASSED` for the others.
        almost: the almost-people of before, of faces that are still there.
    """

    is_new: NDArray[np.bool_]
    person: NDArray[np.int32]
    core: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    reason: NDArray[np.uint8]
    almost: tuple[AlmostPerson, ...]

    @classmethod
    def nothing(cls, n: int) -> PriorAssignment:
        """All n faces are new."""
        return cls(
            is_new=np.ones(n, dtype=np.bool_),
            person=np.full(n, -1, dtype=np.int32),
            core=np.zeros(n, dtype=np.bool_),
            confidence=np.full(n, np.nan, dtype=np.float32),
            reason=np.full(n, Reason.NO_MATCH, dtype=np.uint8),
            almost=(),
        )

    def without(self, rows: NDArray[np.bool_]) -> PriorAssignment:
        """Take back what is known of the people who have one of the marked faces: all their faces are as new."""
        people = np.unique(self.person[rows & (self.person >= 0)])
        theirs = (self.person >= 0) & np.isin(self.person, people)
        return replace(
            self,
            is_new=self.is_new | theirs,
            person=np.where(theirs, np.int32(-1), self.person),
            core=self.core & ~theirs,
            confidence=np.where(theirs, np.float32(np.nan), self.confidence),
            reason=np.where(theirs, np.uint8(Reason.NO_MATCH), self.reason),
        )

    def to_look_at(self, points: Points, radius: float, *, jobs: int | None = None) -> NDArray[np.bool_]:
        """Say which faces are new, or left over and within `radius` of a new one -> (n,).

        Time is as the new faces times those left over.
        """
        look = self.is_new.copy()
        usable = points.finite
        rest, new = np.flatnonzero(~look & (self.person < 0) & usable), np.flatnonzero(look & usable)
        if len(rest) and len(new):
            look[rest] = has_near(points[rest], points[new], radius, jobs=jobs)
        return look

    def unheeded(self, decided: Constraints) -> NDArray[np.bool_]:
        """Say which faces do not stand where decisions want them -> (n,).

        They belong together, and are not one person's or not all somebody's. Or they are of two people, and are one
        person's. Or somebody made them a person, and they do not found one. Or somebody moved them, and they found
        the person that they were moved to.
        """
        wrong = (decided.founded & ~self.core) | (decided.moved & ~decided.founded & self.core)
        rows = np.flatnonzero(decided.together >= 0)
        number, person = decided.together[rows], self.person[rows]
        lowest = np.full(int(number.max(initial=-1)) + 1, np.iinfo(np.int32).max, dtype=np.int32)
        highest = np.full(len(lowest), -1, dtype=np.int32)
        np.minimum.at(lowest, number, person)
        np.maximum.at(highest, number, person)
        wrong[rows[((lowest < 0) | (lowest != highest))[number]]] = True
        one, other = self.person[decided.apart].T
        wrong[decided.apart[(one >= 0) & (one == other)]] = True
        return wrong

    def restored(self, label: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give the faces of each person the number that its founding faces have now.

        Args:
            label: (n,) int32 number of each face's person now; -1 none.

        Returns:
            (n,) int32. A person none of whose founding faces has a number gets one of its own.
        """
        p = int(self.person.max(initial=-1)) + 1
        number = int(label.max(initial=-1)) + 1 + np.arange(p, dtype=np.int32)
        placed = self.core & (label >= 0)
        number[self.person[placed]] = label[placed]
        return np.where(self.person >= 0, np.append(number, np.int32(-1))[self.person], label)

    def almost_of(self, still: NDArray[np.bool_]) -> tuple[AlmostPerson, ...]:
        """Give the almost-people all of whose faces are marked."""
        if not self.almost:
            return ()
        start = np.cumsum([0, *(len(almost.rows) for almost in self.almost[:-1])])
        there = np.logical_and.reduceat(still[np.concatenate([almost.rows for almost in self.almost])], start)
        return tuple(almost for almost, all_ in zip(self.almost, there.tolist(), strict=True) if all_)


def reopen(
    prior: PriorAssignment,
    decided: Constraints,
    points: Points,
    radius: float,
    *,
    jobs: int | None = None,
) -> tuple[PriorAssignment, NDArray[np.bool_]]:
    """Take back what is known of people of whom decisions speak, where that may be known better now.

    Somebody who was merged may be of several groups that look different, and what is known says only that they are
    one person's. So these people are grouped anew where they are not yet what was decided, and where a face that is
    looked at is near one of theirs. All others stay as they are.

    Args:
        prior: what is known of n faces.
        decided: what people decided about them.
        points: n.
        radius: a face that is farther from all faces of a person is not that person's.
        jobs: threads; None is one, -1 all cores.

    Returns:
        What is known still; and (n,) bool, the faces to look at. These are the faces that are new, the faces of people
        who are grouped anew, and those left over that are near a new face or near somebody who is not what was decided.
    """
    spoken_of = np.unique(prior.person[(decided.together >= 0) & (prior.person >= 0)])
    theirs = np.isin(prior.person, spoken_of) & (prior.person >= 0)
    known = prior.without(theirs & prior.unheeded(decided))
    look = known.to_look_at(points, radius, jobs=jobs)
    finite = points.finite
    founding, looked_at = np.flatnonzero(theirs & known.core & finite), np.flatnonzero(look & finite)
    if len(founding) == 0 or len(looked_at) == 0:
        return known, look
    again = np.zeros(len(look), dtype=np.bool_)
    again[founding] = has_near(points[founding], points[looked_at], radius, jobs=jobs)
    known = known.without(again)
    return known, look | known.is_new
