"""What holds a person together, and apart from others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.decisions import Decision
from facecluster.identity.explain import between_groups, count_links, spanning_tree
from facecluster.joined import Known
from facecluster.render.explain_decisions import about_person
from facecluster.render.explanation import FacePair, Links, Neighbour, PersonExplanation
from facecluster.result import Person


def explain_person(known: Known, person: Person, decisions: Sequence[Decision] = ()) -> PersonExplanation:
    """Say what holds a person together.

    Args:
        known: the result.
        person: of it.
        decisions: all of them, in order of time.

    Takes seconds for 20,000 founding faces, and blocks of bounded size beside a copy of their encodings.
    """
    bounds = known.bounds
    place = next(place for place, other in enumerate(known.result.people) if other.id == person.id)
    rows = known.founding(place)
    points = known.points[rows]
    links = weakest = seam = farthest = neighbour = spread = None
    if len(rows) > 1:
        tree = spanning_tree(points)
        count, ends = count_links(points, bounds.eps)
        n_pairs = len(rows) * (len(rows) - 1) // 2
        links = Links(
            int(count.sum()) // 2,
            n_pairs,
            int(count.min()),
            float(np.median(count)),
            tree.n_parts(bounds.eps),
        )
        link, wide = tree.weakest(), tree.weakest(max(2, bounds.limits.min_images))
        if link is not None:
            weakest = _pair(known, rows, link.i, link.j, link.distance, (link.n_i, link.n_j))
        if wide is not None and wide != link:
            seam = _pair(known, rows, wide.i, wide.j, wide.distance, (wide.n_i, wide.n_j))
        if ends is not None:
            farthest = _pair(known, rows, ends.i, ends.j, ends.distance, None)
    if len(rows):
        group = int(np.flatnonzero(known.place == place)[0])
        spread = float(known.people.spread()[group]) if len(rows) > 1 else None
        if len(known.place) > 1:
            apart = between_groups(known.people, group)
            other = int(apart.argmin())
            who = known.who(int(known.place[other]))
            count_other = int(known.people.count[other])
            within = bounds.within(len(rows), count_other) if bounds.merges else None
            neighbour = Neighbour(who.id, who.name, count_other, float(apart[other]), within)
    return PersonExplanation(
        id=person.id,
        name=person.name,
        n_faces=person.n_faces,
        n_photos=person.n_photos,
        n_founding=len(rows),
        spread=spread,
        links=links,
        weakest=weakest,
        seam=seam,
        farthest=farthest,
        neighbour=neighbour,
        bounds=bounds,
        decisions=about_person(known, place, decisions),
    )


def _pair(
    known: Known, rows: NDArray[np.intp], i: int, j: int, distance: float, sides: tuple[int, int] | None
) -> FacePair:
    return FacePair((known.end(int(rows[i])), known.end(int(rows[j]))), distance, sides)
