"""Who is who: the faces that pass the gate found people, the others join the person they resemble, or stay out.

    find ─▶ keep ─▶ tell ─▶ join ─▶ conclude

Each stage takes a `Case`, which does not change, and the `Assignment` of the stage before, and makes a new one.

- find: DBSCAN links the faces that pass the gate. Groups that are two people are split. Groups, and faces left alone,
  are merged. Those that are one person's over the years are tied.
- keep: groups in too few different photos are dropped, unless a person vouched for them.
- tell: faces that somebody told to be a person's go there.
- join: each face that is left joins the person it is like.
- conclude: whoever is said to be no person is dissolved. Each face without a person gets its reason.

Of the faces of a track in a video one takes part; the others go where it goes (`tracks`).

DBSCAN links only what is very near. All else compares whole groups by the mean squared distance of their faces, so
that no single face makes one person of two. What is left is looked through for almost-people: faces that are alike,
and that more photos or lower limits would make a person. What people decided comes before all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.almost import AlmostPerson, find_almost
from facecluster.identity.assignment import Assignment, Case
from facecluster.identity.constraints import Constraints
from facecluster.identity.find import find, shown_in
from facecluster.identity.gate import Reason
from facecluster.identity.groups import Groups, renumber
from facecluster.identity.join import join
from facecluster.identity.keep import keep, tell
from facecluster.identity.merge import near_pairs
from facecluster.identity.points import Points
from facecluster.identity.prior import PriorAssignment
from facecluster.identity.rules import Radii, Rules
from facecluster.identity.same_photo import Rivals
from facecluster.identity.years import names_of, tie_years, years_of
from facecluster.table import FaceTable


@dataclass(frozen=True, eq=False, repr=False)
class Clustering:
    """Who each of n faces is. People are numbered by falling number of faces.

    Attributes:
        label: (n,) int32, number of the person from 0, -1 none.
        core: (n,) bool, founded the person.
        distance: (n,) float32, root mean square of the distances to the (other) founding faces; NaN where there
            are none.
        confidence: (n,) float32, per cent, 0..100, see `_confidence`; NaN where distance is.
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

    def __repr__(self) -> str:
        n_people, n_faces = self.n_people, len(self.label)
        people, faces = "person" if n_people == 1 else "people", "face" if n_faces == 1 else "faces"
        return f"Clustering: {n_people} {people}, {np.count_nonzero(self.label >= 0)} of {n_faces} {faces}"


def cluster_faces(
    table: FaceTable,
    rules: Rules,
    constraints: Constraints | None = None,
    *,
    prior: PriorAssignment | None = None,
    jobs: int | None = None,
) -> Clustering:
    """Say who each face is.

    The result does not depend on the order of the rows, exact ties of distances aside.

    With an earlier result, the people in it stay as they are. Only faces that are new, and those left over that are
    like one of them, are looked at: they join or are merged with the people that exist, or found others. No two of
    those who exist are merged, none is split, and no face changes from one to another.

    Args:
        table: n faces of m photos.
        rules: see `Rules`.
        constraints: what people decided about the n faces; None is nothing.
        prior: whom an earlier result assigns the n faces to; None: there is none.
        jobs: threads for the neighbour search; None is one, -1 all cores.

    Memory is a few numbers a face, blocks of bounded size, and what `merge` takes.

    References:
        Ester et al., A density-based algorithm for discovering clusters, 1996. FACTS.md, "sface on uncropped web
        photos", for why only good faces may link, and "DBSCAN on all of LFW", for why merging follows.
    """
    case = Case.of(table, rules, constraints, prior, jobs)
    found = find(case, Assignment.start(case))
    joined = join(case, tell(case, keep(case, found)))
    return _clustering(case, conclude(case, joined))


def would_merge(
    table: FaceTable,
    clustering: Clustering,
    rules: Rules,
    constraints: Constraints | None = None,
    *,
    changed: NDArray[np.bool_],
    jobs: int | None = None,
) -> list[tuple[int, int]]:
    """Say which people `cluster_faces` would merge, were they not there already: what an update leaves to a full run.

    Args:
        table: n faces.
        clustering: who they are.
        rules: as for clustering.
        constraints: as for clustering.
        changed: (n,) faces that are new in their person. Only people who have one are compared with all.
        jobs: threads; None is one, -1 all cores.

    Returns:
        Pairs of numbers of people, the nearest first; then those who are one over the years (`years`).
    """
    points = Points.of(table.faces.encoding, table.settings.encoder)
    decided = Constraints.none(len(table.faces)) if constraints is None else constraints
    founding = np.where(clustering.core, clustering.label, np.int32(-1))
    people, number = np.unique(founding, return_inverse=True)
    part: NDArray[np.int32] = (number.reshape(-1) - np.count_nonzero(people < 0)).astype(np.int32)
    people = people[people >= 0]
    reach, groups = rules.radii.reach(len(points)), Groups.of(points, part)
    rivals = Rivals(table, points, rules)
    shown = shown_in(part, rivals, decided, rules)
    variance, handicap = groups.variance(), reach.handicap(groups.count)
    fixed = ~np.isin(people, clustering.label[changed])
    found = []
    centre, weight = groups.centre.astype(np.float32), variance + handicap
    for a, b, squared in near_pairs(centre, variance, weight, fixed, reach.radius, jobs):
        cost = squared + handicap[a] + handicap[b] + shown.penalty(a, b) * reach.radius**2
        if cost <= reach.radius**2:
            one, other = int(people[a]), int(people[b])
            found.append((float(cost), min(one, other), max(one, other)))
    over_years = tie_years(
        points,
        part,
        years_of(table.photos.shot_times())[table.faces.photo],
        reach,
        rules.radii.margin,
        shown_in(part, rivals, decided, rules),
        fixed=fixed,
        names=names_of(part, decided.assured),
        jobs=jobs,
    )
    told = [(one, other) for _, one, other in sorted(found)]
    pairs = [tuple(sorted((int(people[a]), int(people[b])))) for a, b in over_years]
    return told + [(one, other) for one, other in pairs if (one, other) not in told]


def conclude(case: Case, joined: Assignment) -> Assignment:
    """Dissolve whoever was said to be no person, and say why each face that is left over has no person.

    Somebody is dissolved who has most of the faces by which decisions know a person that is none. A group in too few
    photos that has most of them is none either, nor are these faces themselves where they are nobody's.

    Returns:
        `label` and `part` are -1 for the faces of those dissolved. `reason` is final.
    """
    decided, look = case.decided, joined.look
    label, part, reason = joined.label.copy(), joined.part.copy(), joined.reason.copy()
    reason[decided.moved & (label < 0) & ~decided.ignored] = Reason.TAKEN_AWAY
    for rows in decided.not_people:
        none = (label == _holder(label[rows])) | (joined.dropped == _holder(joined.dropped[rows])) & (
            label < 0
        )
        none[rows] |= label[rows] < 0
        label[none], part[none], reason[none] = -1, -1, Reason.NOT_A_PERSON
    reason[label >= 0] = Reason.PASSED
    as_before = ~look & (label < 0) & (reason != Reason.NOT_A_PERSON)
    reason[as_before] = case.prior.reason[as_before]
    return replace(joined, label=label, part=part, reason=reason)


def _holder(number: NDArray[np.int32]) -> int:
    """Give the number from 0 that most faces have; -2, which none has, where there is none."""
    numbers, count = np.unique(number, return_counts=True)
    most = int(numbers[count.argmax()])
    return most if most >= 0 and 2 * count.max() > len(number) else -2


def _clustering(case: Case, final: Assignment) -> Clustering:
    """Number the people by size, and look for almost-people among the faces that are left over."""
    everybody = final.with_tracks(case.lead)
    look, prior, placed, nothing = final.look, case.prior, everybody.label >= 0, np.float32(np.nan)
    confidence = _confidence(everybody.distance, everybody.runner_up, case.rules.radii)
    confidence[~look] = prior.confidence[~look]
    almost = find_almost(
        case.table,
        case.points,
        np.where(look & (case.lead == np.arange(len(look))), final.reason, np.uint8(Reason.PASSED)),
        final.dropped,
        case.rank,
        case.rules,
        known=prior.almost_of(~look & ~placed),
        jobs=case.jobs,
    )
    return Clustering(
        label=renumber(everybody.label, case.rank, by_size=True),
        core=final.core,
        distance=np.where(placed, everybody.distance, nothing).astype(np.float32),
        confidence=np.where(placed, confidence, nothing).astype(np.float32),
        reason=everybody.reason,
        almost=almost,
    )


def _confidence(
    distance: NDArray[np.float64], runner_up: NDArray[np.float64], radii: Radii
) -> NDArray[np.float64]:
    """Say how much nearer each face is to its person than to anybody else, in per cent: 1 - (distance / other)².

    `other` is the distance to the nearest other person, or √2 times the joining radius where there is none that near
    (about the distance of two strangers). So 100 is a face equal to all founding faces, 50 one exactly on the joining
    radius and far from others, 0 one that is as near to another person. It ranks faces; it is no probability.
    """
    other = np.minimum(runner_up, np.sqrt(2) * radii.join)
    confidence: NDArray[np.float64] = 100 * np.clip(1 - (distance / np.maximum(other, 1e-9)) ** 2, 0, 1)
    return confidence
