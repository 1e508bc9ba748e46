"""Whom each face is assigned to, while faces are clustered: the record that the stages of `cluster_faces` hand on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.constraints import Constraints
from facecluster.identity.gate import Reason, judge
from facecluster.identity.groups import Sums, sortable
from facecluster.identity.neighbours import UnionFind
from facecluster.identity.points import Points
from facecluster.identity.prior import PriorAssignment, reopen
from facecluster.identity.rules import Reach, Rules
from facecluster.identity.same_photo import Rivals
from facecluster.identity.tracks import leaders
from facecluster.table import FaceTable


@dataclass(frozen=True, eq=False)
class Case:
    """What does not change while n faces are clustered.

    Attributes:
        table: the n faces and their photos.
        points: the faces as distances see them.
        rules: see `Rules`.
        decided: what people decided about the faces.
        prior: what an earlier result says of the faces. Some people of whom decisions speak are taken out of it, see
            `reopen`.
        look: (n,) bool, the face is new, or may be placed otherwise because of a new one.
        rank: (n,) int64, place of each face's id in the order of all ids. It breaks ties the same way in every order
            of rows.
        gate: (n,) uint8 `Reason`, what the gate says of each face. Of the faces of a track only one takes part, see
            `lead`; the others are as if they had no encoding.
        lead: (n,) row of the face that stands for the track of each, see `tracks.leaders`; of all others its own.
        reach: how near is near enough among so many faces.
        rivals: which faces of one photo are of two people.
        sums: of groups of the faces. It keeps what it summed up last.
        jobs: threads; None is one, -1 all cores.
    """

    table: FaceTable
    points: Points
    rules: Rules
    decided: Constraints
    prior: PriorAssignment
    look: NDArray[np.bool_]
    rank: NDArray[np.int64]
    gate: NDArray[np.uint8]
    lead: NDArray[np.intp]
    reach: Reach
    rivals: Rivals
    sums: Sums
    jobs: int | None

    @classmethod
    def of(
        cls,
        table: FaceTable,
        rules: Rules,
        constraints: Constraints | None,
        prior: PriorAssignment | None,
        jobs: int | None,
    ) -> Case:
        """Prepare the clustering of a table; the arguments are those of `cluster_faces`."""
        n, points = len(table.faces), Points.of(table.faces.encoding, table.settings.encoder)
        rank = np.empty(n, dtype=np.int64)
        rank[np.argsort(sortable(table.faces.id), kind="stable")] = np.arange(n)
        limits = rules.limits if rules.gate else None
        lead = leaders(table.faces, judge(table.faces, limits))
        gate = judge(table.faces, limits, video=rules.video)
        gate[lead != np.arange(n)] = Reason.NO_ENCODING
        decided = (Constraints.none(n) if constraints is None else constraints).led(lead)
        known, look = reopen(
            PriorAssignment.nothing(n) if prior is None else prior,
            decided,
            points,
            rules.radii.join,
            jobs=jobs,
        )
        return cls(
            table=table,
            points=points,
            rules=rules,
            decided=decided,
            prior=known,
            look=look[lead],
            rank=rank,
            gate=gate,
            lead=lead,
            reach=rules.radii.reach(n),
            rivals=Rivals(table, points, rules),
            sums=Sums(points),
            jobs=jobs,
        )

    @property
    def has_encoding(self) -> NDArray[np.bool_]:
        """(n,) whether the encoding of a face is finite, and the face stands for itself or for its track."""
        finite: NDArray[np.bool_] = self.gate != Reason.NO_ENCODING
        return finite

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) whether a face has an encoding, and nobody said that it is no person."""
        return self.has_encoding & ~self.decided.ignored

    @property
    def settled(self) -> NDArray[np.bool_]:
        """(n,) whether a face founded a person of the earlier result. These people are neither split nor merged."""
        return self.prior.core & self.has_encoding


def no_ties() -> NDArray[np.int64]:
    """No pairs of faces -> (0, 2)."""
    return np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Assignment:
    """Whom each of n faces is assigned to so far. A stage makes a new one, and shares the arrays that it leaves alone.

    Attributes:
        look: (n,) bool, the face is looked at. The others stay where the earlier result has them.
        part: (n,) int32, number from 0 of the group of founding faces that it is in; -1 it founds nobody. The groups
            are as alike as faces of one person are. A person whom somebody merged, or over many years, has several.
        label: (n,) int32, its person; -1 none. The number of a person with founding faces is its lowest `part`.
        dropped: (n,) int32, the group that it was in, of those in too few photos; -1 none.
        reason: (n,) uint8 `Reason`, why it has no person.
        distance: (n,) float64, root mean square of the distances to the (other) founding faces of its person's
            nearest part. Infinite where there is none, NaN where that is unknown.
        runner_up: (n,) float64, the same for the nearest other person.
        ties: (k, 2) int64, pairs of founding faces whose parts are one person's over the years, see `years`.
    """

    look: NDArray[np.bool_]
    part: NDArray[np.int32]
    label: NDArray[np.int32]
    dropped: NDArray[np.int32]
    reason: NDArray[np.uint8]
    distance: NDArray[np.float64]
    runner_up: NDArray[np.float64]
    ties: NDArray[np.int64] = field(default_factory=no_ties)

    @classmethod
    def start(cls, case: Case) -> Assignment:
        """Assign no face to anybody; `reason` is what the gate says, and `Reason.PASSED` where a face passes it."""
        n = len(case.points)
        reason = np.where(case.decided.ignored, np.uint8(Reason.NOT_A_PERSON), case.gate)
        nobody, far = np.full(n, -1, dtype=np.int32), np.full(n, np.inf)
        return cls(case.look, nobody, nobody, nobody, reason, far, far)

    def with_tracks(self, lead: NDArray[np.intp]) -> Assignment:
        """Assign the faces of each track as the one that stands for it; those beside it found nobody."""
        columns = {name: getattr(self, name)[lead] for name in ("label", "reason", "distance", "runner_up")}
        return replace(self, **columns)

    @property
    def core(self) -> NDArray[np.bool_]:
        """(n,) whether a face founds its person."""
        return self.part >= 0


def owners(
    part: NDArray[np.int32], together: NDArray[np.int32], ties: NDArray[np.int64] | None = None
) -> NDArray[np.int32]:
    """Say whose each part is, by the faces that belong together.

    A single face among many of a part ties it to nobody: it may be there by mistake.

    Args:
        part: (n,) number from 0 of the part that each face is of; -1 none.
        together: (n,) as in `Constraints`.
        ties: (k, 2) as in `Assignment`: the whole parts of two faces are one person's. None: there are none.

    Returns:
        (p + 1,) the lowest number of the parts that are one person's; and behind these -1, for faces of no part.
    """
    n_parts = int(part.max(initial=-1)) + 1
    size = np.bincount(part[part >= 0], minlength=n_parts)
    rows = np.flatnonzero((together >= 0) & (part >= 0))
    pairs, count = np.unique(np.stack([together[rows], part[rows]]), axis=1, return_counts=True)
    number, tied = pairs[:, (count > 1) | (2 * count >= size[pairs[1]])]
    same = number[1:] == number[:-1]
    tree = UnionFind(n_parts)
    tree.link(tied[:-1][same], tied[1:][same])
    if ties is not None and len(ties):
        one, other = part[ties[(part[ties] >= 0).all(axis=1)]].T
        tree.link(one, other)
    return np.append(tree.find(np.arange(n_parts)), np.int32(-1))
