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
from facecluster.identity.earlier import Earlier
from facecluster.identity.evidence import count_different
from facecluster.identity.gate import Reason, judge
from facecluster.identity.groups import Groups, Sums, distance_to, renumber, rows_of, sortable
from facecluster.identity.join import join
from facecluster.identity.keep import keep_assured, part_namesakes, place_unusable
from facecluster.identity.merge import merge, near_pairs
from facecluster.identity.neighbours import UnionFind
from facecluster.identity.rules import Radii, Reach, Rules
from facecluster.identity.same_photo import Rivals, Shown
from facecluster.identity.split import split, take_out
from facecluster.table import FaceTable


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        n_people, n_faces = self.n_people, len(self.label)
        people, faces = "person" if n_people == 1 else "people", "face" if n_faces == 1 else "faces"
        return f"Clustering: {n_people} {people}, {np.count_nonzero(self.label >= 0)} of {n_faces} {faces}"


def cluster_faces(
    table: FaceTable,
    rules: Rules,
    constraints: Constraints | None = None,
    *,
    earlier: Earlier | None = None,
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
        earlier: what is known of the n faces; None: nothing.
        jobs: threads for the neighbour search; None is one, -1 all cores.

    Memory is a few numbers a face, blocks of bounded size, and what `merge` takes.

    References:
        Ester et al., A density-based algorithm for discovering clusters, 1996. FACTS.md, "sface on uncropped web
        photos", for why only good faces may link, and "DBSCAN on all of LFW", for why merging follows.
    """
    faces = table.faces
    encoding = faces.encoding
    decided = Constraints.none(len(faces)) if constraints is None else constraints
    rank = np.empty(len(faces), dtype=np.int64)  # of the id: breaks ties the same way in every order of rows
    rank[np.argsort(sortable(faces.id), kind="stable")] = np.arange(len(faces))
    reach, rivals = rules.radii.reach(len(faces)), Rivals(table, rules)

    known = Earlier.nothing(len(faces)) if earlier is None else earlier.without(decided.together >= 0)
    look = known.to_look_at(encoding, rules.radii.join, jobs=jobs)
    reason = judge(faces, rules.limits if rules.gate else None)
    has_encoding = reason != Reason.NO_ENCODING
    reason[decided.ignored] = Reason.NOT_A_PERSON
    founding = (reason == Reason.PASSED) & ~decided.moved & look
    vouched = decided.is_named() & has_encoding & ~decided.moved & ~decided.ignored & look
    reason[reason == Reason.PASSED] = Reason.NO_MATCH
    settled = known.core & has_encoding
    case = _Case(encoding, rank, rules, reach, rivals, decided, settled, Sums(encoding))
    part = _found(case, founding, vouched, has_encoding & look, known, jobs)
    label = _owner(part, decided.together)[part]
    if decided.assured:
        part = part_namesakes(encoding, label, part, decided.assured, settled)
        part = renumber(part, rank, by_size=False)
        label = _owner(part, decided.together)[part]

    before, dropped = label.copy(), np.full(len(faces), -1, dtype=np.int32)
    wanted = rules.limits.min_images
    in_question = label.copy()
    in_question[np.isin(label, label[decided.founded | settled])] = -1
    for rows in rows_of(in_question):
        if len(rows) < wanted or count_different(table, rows, wanted, rules.radii.join) < wanted:
            dropped[rows] = label[rows]
            part[rows] = -1
            if len(rows) > 1:
                reason[rows] = Reason.TOO_FEW_PHOTOS
    usable = has_encoding & ~decided.ignored
    if decided.assured:
        here = np.where(part >= 0, label, -1).astype(np.int32)
        here = np.where(known.person >= 0, known.among(here)[known.person], here)
        part = keep_assured(part, before, here, decided.assured, usable & (known.person < 0))
        dropped[part >= 0] = -1
        look = look | (part >= 0) & ~settled
    part = renumber(part, rank, by_size=False)
    owner = _owner(part, decided.together)
    label, core = owner[part], part >= 0

    label = np.where(known.person >= 0, known.among(label)[known.person], label)
    label = place_unusable(label, len(owner) - 1, decided.assured, ~has_encoding & ~decided.ignored)
    told = look & usable & ~core & (_person_told(label, decided.together) >= 0)
    label[told] = _person_told(label, decided.together)[told]
    parts = case.sums.of(part)
    label, missed, distance, runner_up = join(
        encoding,
        label,
        part,
        look,
        usable,
        parts,
        owner[:-1],
        reach,
        rivals,
        decided.apart,
        rules,
        rank,
        jobs=jobs,
    )
    reason[missed > 0] = missed[missed > 0]
    for row in np.flatnonzero(told).tolist():
        squared, own = parts.squared_to(encoding[row]), owner[:-1] == label[row]
        distance[row] = np.sqrt(squared[own].min(initial=np.inf))
        runner_up[row] = np.sqrt(squared[~own].min(initial=np.inf))
    reason[decided.moved & (label < 0) & ~decided.ignored] = Reason.TAKEN_AWAY
    for rows in decided.not_people:
        holder, count = np.unique(label[rows], return_counts=True)
        if 2 * count.max(initial=0) > len(rows) and holder[count.argmax()] >= 0:
            dissolved = label == holder[count.argmax()]
            label[dissolved], core[dissolved], reason[dissolved] = -1, False, Reason.NOT_A_PERSON

    placed = label >= 0
    reason[placed] = Reason.PASSED
    rest = ~look & ~placed & (reason != Reason.NOT_A_PERSON)
    reason[rest] = known.reason[rest]
    confidence = _confidence(distance, runner_up, rules.radii)
    confidence[~look] = known.confidence[~look]
    kept = ~look & placed & (label < len(parts.count))  # their person has founding faces
    distance[kept] = distance_to(encoding[kept], parts, label[kept], core[kept])
    distance[~look & ~kept] = np.nan
    nothing = np.float32(np.nan)
    open_reason = np.where(look, reason, Reason.PASSED).astype(np.uint8)
    return Clustering(
        label=renumber(label, rank, by_size=True),
        core=core,
        distance=np.where(placed, distance, nothing).astype(np.float32),
        confidence=np.where(placed, confidence, nothing).astype(np.float32),
        reason=reason,
        almost=find_almost(
            table, open_reason, dropped, rank, rules, known=known.almost_of(~look & ~placed), jobs=jobs
        ),
    )


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
        Pairs of numbers of people, the nearest first.
    """
    encoding = table.faces.encoding
    decided = Constraints.none(len(table.faces)) if constraints is None else constraints
    founding = np.where(clustering.core, clustering.label, np.int32(-1))
    people, number = np.unique(founding, return_inverse=True)
    part: NDArray[np.int32] = (number.reshape(-1) - np.count_nonzero(people < 0)).astype(np.int32)
    people = people[people >= 0]
    reach, groups = rules.radii.reach(len(encoding)), Groups.of(encoding, part)
    shown = _shown(part, Rivals(table, rules), decided, rules)
    variance, handicap = groups.variance(), reach.handicap(groups.count)
    fixed = ~np.isin(people, clustering.label[changed])
    found = []
    centre, weight = groups.centre.astype(np.float32), variance + handicap
    for a, b, squared in near_pairs(centre, variance, weight, fixed, reach.radius, jobs):
        cost = squared + handicap[a] + handicap[b] + shown.penalty(a, b) * reach.radius**2
        if cost <= reach.radius**2:
            one, other = int(people[a]), int(people[b])
            found.append((float(cost), min(one, other), max(one, other)))
    return [(one, other) for _, one, other in sorted(found)]


@dataclass(frozen=True, eq=False)
class _Case:
    """What does not change while n faces are clustered.

    Attributes:
        encoding: (n, 128).
        rank: (n,) place of each face's id in the order of all ids.
        rules: see `Rules`.
        reach: how near is near enough among so many faces.
        rivals: which faces of one photo are of two people.
        decided: what people decided.
        settled: (n,) whether it founded a person of the earlier result.
        sums: of groups of the encodings.
    """

    encoding: NDArray[np.float32]
    rank: NDArray[np.int64]
    rules: Rules
    reach: Reach
    rivals: Rivals
    decided: Constraints
    settled: NDArray[np.bool_]
    sums: Sums

    def merge(self, part: NDArray[np.int32], jobs: int | None) -> NDArray[np.int32]:
        """Merge groups, but no two who were people before."""
        fixed = np.isin(np.arange(int(part.max(initial=-1)) + 1), part[self.settled])
        shown = _shown(part, self.rivals, self.decided, self.rules)
        return merge(
            self.encoding, part, self.reach, shown, fixed=fixed, groups=self.sums.of(part), jobs=jobs
        )


def _found(
    case: _Case,
    founding: NDArray[np.bool_],
    vouched: NDArray[np.bool_],
    usable: NDArray[np.bool_],
    known: Earlier,
    jobs: int | None,
) -> NDArray[np.int32]:
    """Group faces -> (n,) number from 0, -1 none.

    Args:
        case: what does not change.
        founding: (n,) faces that link, and are grouped.
        vouched: (n,) faces that somebody knows a person by: they are grouped, though they may link nobody.
        usable: (n,) faces that are grouped if they are said to be a person.
        known: the people who are there already.
        jobs: threads; None is one, -1 all cores.
    """
    part = np.full(len(founding), -1, dtype=np.int32)
    part[founding] = dbscan(case.encoding[founding], case.rules.radii.eps, case.rules.min_samples, jobs=jobs)[
        0
    ]
    part = split(case.encoding, part, case.reach, case.rivals, case.rules)
    alone = (founding | vouched) & (part < 0)
    part[alone] = part.max(initial=-1) + 1 + np.arange(np.count_nonzero(alone))
    part[case.settled] = part.max(initial=-1) + 1 + known.person[case.settled]
    part = case.merge(renumber(part, case.rank, by_size=False), jobs)
    part = take_out(case.encoding, part, case.reach, case.rivals, case.rules)
    part = _add_founded(case, part, np.flatnonzero(case.decided.founded & usable), jobs)
    return renumber(part, case.rank, by_size=False)


def _owner(part: NDArray[np.int32], together: NDArray[np.int32]) -> NDArray[np.int32]:
    """Say whose each part is, by the faces that belong together: the lowest part's; and behind these -1, for none.

    A single face among many of a part ties it to nobody: it may be there by mistake.
    """
    n_parts = int(part.max(initial=-1)) + 1
    size = np.bincount(part[part >= 0], minlength=n_parts)
    rows = np.flatnonzero((together >= 0) & (part >= 0))
    ties, count = np.unique(np.stack([together[rows], part[rows]]), axis=1, return_counts=True)
    number, tied = ties[:, (count > 1) | (2 * count >= size[ties[1]])]
    same = number[1:] == number[:-1]
    owners = UnionFind(n_parts)
    owners.link(tied[:-1][same], tied[1:][same])
    return np.append(owners.find(np.arange(n_parts)), np.int32(-1))


def _add_founded(
    case: _Case, part: NDArray[np.int32], rows: NDArray[np.intp], jobs: int | None
) -> NDArray[np.int32]:
    """Make groups of the faces that somebody called a person, and merge with them what is near them.

    They come last, so that they take none of the faces that others are put together of.
    """
    if len(rows) == 0:
        return part
    label = renumber(part, case.rank, by_size=False)
    number = np.unique(case.decided.together[rows], return_inverse=True)[1].astype(np.int32)
    label[rows] = label.max(initial=-1) + 1 + number
    label = renumber(label, case.rank, by_size=False)
    groups, founded = Groups.of(case.encoding, label), np.unique(label[rows])
    near = [groups.squared_between(one) <= case.reach.radius**2 for one in founded.tolist()]
    chosen = (label >= 0) & np.any(near, axis=0)[label]
    some = np.full(len(label), -1, dtype=np.int32)
    some[chosen] = np.unique(label[chosen], return_inverse=True)[1]
    label[chosen] = len(groups.count) + case.merge(some, jobs)[chosen]
    return label


def _person_told(label: NDArray[np.int32], together: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the person who has most of the faces that each belongs together with -> (n,); -1 where there is none."""
    person = np.full(
        int(together.max(initial=-1)) + 2, -1, dtype=np.int32
    )  # the last one for those of no number
    placed = (label >= 0) & (together >= 0)
    ties, count = np.unique(np.stack([together[placed], label[placed]]), axis=1, return_counts=True)
    order = np.lexsort((-ties[1], count))  # the last one counts
    person[ties[0, order]] = ties[1, order]
    return person[together]


def _shown(label: NDArray[np.int32], rivals: Rivals, decided: Constraints, rules: Rules) -> Shown:
    """Say in which photos the groups are, and which are to be kept apart: they, and all that belong to them."""
    rows = np.argsort(label, kind="stable")[np.count_nonzero(label < 0) :]
    start = np.searchsorted(label[rows], np.arange(int(label.max(initial=-1)) + 2))
    shown = Shown(rivals, rows, start, rules.same_photo)
    owner = _owner(label, decided.together)
    for one, other in np.unique(owner[label[decided.apart]], axis=0).tolist():
        if one >= 0 and other >= 0 and one != other:
            for a in np.flatnonzero(owner == one).tolist():
                for b in np.flatnonzero(owner == other).tolist():
                    shown.keep_apart(a, b)
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
