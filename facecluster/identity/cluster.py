"""Who is who: the faces that pass the gate found people, the others join the person they resemble, or stay out.

    gate ─▶ DBSCAN over the faces that pass ─▶ split groups that are two ─▶ merge groups, and faces left alone
         ─▶ drop groups from too few different photos ─▶ let the rest join

DBSCAN links only what is very near. All else compares whole groups by the mean squared distance of their faces, so
that no single face makes one person of two. What is left is looked through for almost-people: faces that are alike,
and that more photos or lower limits would make a person. What people decided comes before all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.almost import AlmostPerson, find_almost
from facecluster.identity.constraints import Constraints
from facecluster.identity.dbscan import dbscan
from facecluster.identity.evidence import count_different
from facecluster.identity.gate import Reason, judge
from facecluster.identity.groups import Groups, renumber, rows_of
from facecluster.identity.join import join
from facecluster.identity.merge import merge
from facecluster.identity.neighbours import Parts
from facecluster.identity.rules import Radii, Rules
from facecluster.identity.same_photo import Rivals, Shown
from facecluster.identity.split import split
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


def cluster_faces(
    table: FaceTable, rules: Rules, constraints: Constraints | None = None, *, jobs: int | None = None
) -> Clustering:
    """Say who each face is.

    The result does not depend on the order of the rows, exact ties of distances aside.

    Args:
        table: n faces of m photos.
        rules: see `Rules`.
        constraints: what people decided about the n faces; None is nothing.
        jobs: threads for the neighbour search; None is one, -1 all cores.

    Memory is a few numbers a face, blocks of bounded size, and what `merge` takes.

    References:
        Ester et al., A density-based algorithm for discovering clusters, 1996. FACTS.md, "sface on uncropped web
        photos", for why only good faces may link, and "DBSCAN on all of LFW", for why merging follows.
    """
    faces, photos = table.faces, table.photos
    encoding = faces.encoding
    decided = Constraints.none(len(faces)) if constraints is None else constraints
    rank = np.empty(len(faces), dtype=np.int64)  # of the id: breaks ties the same way in every order of rows
    rank[np.argsort(faces.id, kind="stable")] = np.arange(len(faces))
    reach, rivals = rules.radii.reach(len(faces)), Rivals(table, rules)

    reason = judge(faces, rules.limits if rules.gate else None)
    has_encoding = reason != Reason.NO_ENCODING
    reason[decided.ignored] = Reason.NOT_A_PERSON
    founding = (reason == Reason.PASSED) & ~decided.moved
    reason[reason == Reason.PASSED] = Reason.NO_MATCH
    label = np.full(len(faces), -1, dtype=np.int32)
    rows = np.flatnonzero(founding)
    dense, _ = dbscan(encoding[rows], rules.radii.eps, rules.min_samples, jobs=jobs)
    label[rows] = dense
    label = split(encoding, label, reach, rivals, rules)
    _number_alone(label, np.flatnonzero((founding | decided.founded & has_encoding) & (label < 0)))
    label = _link(label, decided.together)
    label = renumber(label, rank, by_size=False)
    shown = _shown(label, rivals, decided.apart, rules)
    label = renumber(merge(encoding, label, reach, shown, jobs=jobs), rank, by_size=False)

    dropped = np.full(len(faces), -1, dtype=np.int32)
    wanted = rules.limits.min_images
    for rows in rows_of(label):
        if not decided.founded[rows].any() and count_different(photos, faces.photo[rows], wanted) < wanted:
            dropped[rows] = label[rows]
            label[rows] = -1
            if len(rows) > 1:
                reason[rows] = Reason.TOO_FEW_PHOTOS
    label = renumber(label, rank, by_size=False)
    core = label >= 0

    people = Groups.of(encoding, label)
    told = has_encoding & ~decided.ignored & ~core & (_person_told(label, decided.together) >= 0)
    label[told] = _person_told(label, decided.together)[told]
    open_ = has_encoding & ~decided.ignored & (label < 0)
    label, missed, distance, runner_up = join(
        encoding, label, core, open_, people, reach, rivals, decided.apart, rules, rank
    )
    reason[missed > 0] = missed[missed > 0]
    for row in np.flatnonzero(told).tolist():
        squared = people.squared_to(encoding[row])
        distance[row] = np.sqrt(squared[label[row]])
        runner_up[row] = np.sqrt(np.delete(squared, label[row]).min(initial=np.inf))
    for rows in decided.not_people:
        if len(holders := label[rows][label[rows] >= 0]):
            dissolved = label == np.bincount(holders).argmax()
            label[dissolved], core[dissolved], reason[dissolved] = -1, False, Reason.NOT_A_PERSON

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


def _number_alone(label: NDArray[np.int32], rows: NDArray[np.intp]) -> None:
    """Make each of these faces a group."""
    label[rows] = label.max(initial=-1) + 1 + np.arange(len(rows))


def _link(label: NDArray[np.int32], together: NDArray[np.int32]) -> NDArray[np.int32]:
    """Make one group of those with faces that belong together."""
    rows = np.flatnonzero((together >= 0) & (label >= 0))
    rows = rows[np.argsort(together[rows], kind="stable")]
    same = together[rows[1:]] == together[rows[:-1]]
    parts = Parts(int(label.max(initial=-1)) + 1)
    parts.link(label[rows[:-1][same]], label[rows[1:][same]])
    linked = label.copy()
    linked[label >= 0] = parts.find(label[label >= 0])
    return linked


def _person_told(label: NDArray[np.int32], together: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the person of the faces that each belongs together with -> (n,); -1 where there is none."""
    person = np.full(
        int(together.max(initial=-1)) + 2, -1, dtype=np.int32
    )  # the last one for those of no number
    placed = (label >= 0) & (together >= 0)
    person[together[placed]] = label[placed]
    return person[together]


def _shown(label: NDArray[np.int32], rivals: Rivals, apart: NDArray[np.int64], rules: Rules) -> Shown:
    """Say in which photos the groups are, and which are to be kept apart."""
    rows = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
    start = np.searchsorted(label[rows], np.arange(int(label.max(initial=-1)) + 2))
    shown = Shown(rivals, rows, start, rules.same_photo)
    for one, other in label[apart].tolist():
        if one >= 0 and other >= 0 and one != other:
            shown.keep_apart(one, other)
    return shown


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
