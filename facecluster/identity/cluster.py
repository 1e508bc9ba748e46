"""Who is who: the faces that pass the gate found people, the others join the person they resemble, or stay out.

    gate ─▶ DBSCAN over the faces that pass ─▶ drop groups from too few different photos ─▶ let the rest join

Only founding faces link to each other. Joining looks at a whole person at once, by the average squared distance to
the founding faces, so that it can never bridge two people. What is left is looked through for almost-people: faces
that are alike, and that more photos or lower limits would make a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.almost import AlmostPerson, find_almost
from facecluster.identity.dbscan import dbscan
from facecluster.identity.evidence import count_different
from facecluster.identity.gate import Reason, judge
from facecluster.identity.groups import Groups, nearest_two, renumber, rows_of, second_in_photo
from facecluster.identity.rules import Radii, Rules
from facecluster.table import FaceTable


@dataclass(frozen=True, eq=False)
class Clustering:
    """Who each of n faces is. People are numbered by falling number of faces.

    Attributes:
        label: (n,) int32, number of the person from 0, -1 none.
        core: (n,) bool, founded the person.
        distance: (n,) float32, root mean square of the distances to the (other) founding faces; NaN where there
            are none.
        confidence: (n,) float32 in 0..1, see `_confidence`; NaN where distance is.
        reason: (n,) uint8, `Reason.PASSED` for a face with a person, else why it has none.
        almost: the almost-people among the faces without a person, see `find_almost`; the most nearly complete
            first. A face belongs to one at most.
    """

    label: NDArray[np.int32]
    core: NDArray[np.bool_]
    distance: NDArray[np.float32]
    confidence: NDArray[np.float32]
    reason: NDArray[np.uint8]
    almost: tuple[AlmostPerson, ...]

    @property
    def n_people(self) -> int:
        """How many people there are."""
        return int(self.label.max(initial=-1)) + 1


def cluster_faces(table: FaceTable, rules: Rules, *, jobs: int | None = None) -> Clustering:
    """Say who each face is.

    The result does not depend on the order of the rows, exact ties of distances aside.

    Args:
        table: n faces of m photos.
        rules: see `Rules`.
        jobs: threads for the neighbour search; None is one, -1 all cores.

    Memory is a few numbers a face, and blocks of bounded size.

    References:
        Ester et al., A density-based algorithm for discovering clusters, 1996. FACTS.md, "sface on uncropped web
        photos", for why only good faces may link.
    """
    faces, photos = table.faces, table.photos
    encoding = faces.encoding
    rank = np.empty(len(faces), dtype=np.int64)  # of the id: breaks ties the same way in every order of rows
    rank[np.argsort(faces.id, kind="stable")] = np.arange(len(faces))

    reason = judge(faces, rules.limits if rules.gate else None)
    founding = np.flatnonzero(reason == Reason.PASSED)
    reason[founding] = Reason.NO_MATCH
    label = np.full(len(faces), -1, dtype=np.int32)
    label[founding] = dbscan(encoding[founding], rules.radii.eps, rules.min_samples, jobs=jobs)[0]
    dropped = np.full(len(faces), -1, dtype=np.int32)
    for rows in rows_of(label):
        if count_different(photos, faces.photo[rows], rules.limits.min_images) < rules.limits.min_images:
            dropped[rows] = label[rows]
            label[rows] = -1
            reason[rows] = Reason.TOO_FEW_PHOTOS
    label = renumber(label, rank, by_size=False)
    core = label >= 0

    people = Groups.of(encoding, label)
    person, distance, runner_up = nearest_two(encoding, people, label)
    can_join = ~core & (reason != Reason.NO_ENCODING) & (distance <= rules.radii.join)
    between = can_join & (runner_up < distance + rules.radii.margin)
    reason[between] = Reason.BETWEEN_PEOPLE
    can_join &= ~between
    label[can_join] = person[can_join]
    twice = second_in_photo(label, core, distance, rank, faces.photo, faces.box)
    label[twice] = -1
    reason[twice] = Reason.SAME_PHOTO

    placed = label >= 0
    reason[placed] = Reason.PASSED
    nothing = np.float32(np.nan)
    return Clustering(
        label=renumber(label, rank, by_size=True),
        core=core,
        distance=np.where(placed, distance, nothing).astype(np.float32),
        confidence=np.where(placed, _confidence(distance, runner_up, rules.radii), nothing).astype(
            np.float32
        ),
        reason=reason,
        almost=find_almost(table, reason, dropped, rank, rules, jobs=jobs),
    )


def _confidence(
    distance: NDArray[np.float64], runner_up: NDArray[np.float64], radii: Radii
) -> NDArray[np.float64]:
    """Say how much nearer each face is to its person than to anybody else: 1 - (distance / other)².

    `other` is the distance to the nearest other person, or √2 times the joining radius where there is none that near
    (about the distance of two strangers). So 1 is a face equal to all founding faces, 0.5 one exactly on the joining
    radius and far from others, 0 one that is as near to another person. It ranks faces; it is no probability.
    """
    other = np.minimum(runner_up, np.sqrt(2) * radii.join)
    confidence: NDArray[np.float64] = np.clip(1 - (distance / np.maximum(other, 1e-9)) ** 2, 0, 1)
    return confidence
