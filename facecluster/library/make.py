"""Arrays to records: who is who of a clustering, as a result."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.cluster import Clustering
from facecluster.identity.gate import Reason, failures, measured
from facecluster.identity.rules import Rules
from facecluster.result import (
    SHARP_BOX_PX,
    AlmostFace,
    AlmostPerson,
    Box,
    Counts,
    Lack,
    Person,
    PersonFace,
    Pose,
    Result,
    ResultSettings,
    SamePhotoCounts,
    UnclusteredFace,
    person_id,
    plain,
)
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable


def make_result(table: FaceTable, clustering: Clustering, rules: Rules) -> Result:
    """Turn arrays into records, whose people are numbered from 1 in the order of their labels.

    Args:
        table: n faces.
        clustering: who each of them is.
        rules: by which; written to the settings next to those of the table.
    """
    faces = table.faces
    paths = table.photos.path.tolist()
    ids, photo, reason = faces.id.tolist(), faces.photo.tolist(), clustering.reason.tolist()
    box, pose, quality = plain(faces.box), plain(faces.pose), plain(faces.quality)
    moved = (faces.anchor != faces.box).any(axis=1)
    anchor = {i: Box(*plain(faces.anchor[i])) for i in np.flatnonzero(moved).tolist()}
    page, time_s = faces.page.tolist(), plain(faces.time_s)
    track = [None if track < 0 else track for track in faces.track.tolist()]
    core, confidence = clustering.core.tolist(), plain(clustering.confidence)
    almost_of = {i: place for place, almost in enumerate(clustering.almost) for i in almost.rows.tolist()}

    def person_face(i: int) -> PersonFace:
        return PersonFace(
            ids[i], paths[photo[i]], Box(*box[i]), Pose(*pose[i]), quality[i], core[i], confidence[i],
            anchor.get(i), page[i], time_s[i], track[i],
        )  # fmt: skip

    def unclustered_face(i: int) -> UnclusteredFace:
        return UnclusteredFace(
            ids[i], paths[photo[i]], Box(*box[i]), Pose(*pose[i]), quality[i],
            reason=Reason(reason[i]).code, almost=almost_of.get(i), anchor=anchor.get(i),
            page=page[i], time_s=time_s[i], track=track[i],
        )  # fmt: skip

    n_left = int(np.count_nonzero(clustering.label < 0))
    order = _typical(table, clustering, rules)
    left, placed = order[:n_left], order[n_left:]
    starts = np.flatnonzero(np.diff(clustering.label[placed])) + 1
    people = []
    for number, rows in enumerate(np.split(placed, starts) if len(placed) else [], start=1):
        people.append(Person.of(person_id(number), [person_face(i) for i in rows.tolist()]))
    statuses = Counter(table.photos.status.tolist())
    return Result(
        settings=ResultSettings(table.settings, rules),
        people=tuple(people),
        unclustered=tuple(unclustered_face(i) for i in sorted(left.tolist())),
        counts=Counts(
            photos=len(table.photos),
            ok=statuses[OK],
            no_face=statuses[NO_FACE],
            unreadable=statuses[UNREADABLE],
            faces=len(faces),
            people=len(people),
            clustered=len(placed),
            unclustered={r.code: reason.count(r) for r in Reason if r != Reason.PASSED and r in reason},
            same_photo=SamePhotoCounts.of(people),
        ),
        almost=_almost_people(table, clustering, rules),
        next_id=len(people) + 1,
    )


def _almost_people(table: FaceTable, clustering: Clustering, rules: Rules) -> tuple[AlmostPerson, ...]:
    """Turn rows into records, with all limits that each face fails."""
    faces, limits = table.faces, rules.limits
    fails = failures(faces, limits) if rules.gate else {}
    numbers = measured(faces, limits)

    def missing(i: int, lack: int) -> tuple[Lack, ...]:
        if lack == Reason.PASSED:
            return ()
        if lack == Reason.NEAR_DUPLICATE:
            return (Lack(Reason.NEAR_DUPLICATE.code, None, None),)
        return tuple(lacking(i, reason) for reason, failing in fails.items() if failing[i])

    def lacking(i: int, reason: Reason) -> Lack:
        if reason not in numbers:
            return Lack(reason.code, None, None)
        number, limit = numbers[reason]
        return Lack(reason.code, plain(number[i : i + 1])[0], limit)

    def almost_face(i: int, lack: int) -> AlmostFace:
        return AlmostFace(str(faces.id[i]), str(table.photos.path[faces.photo[i]]), missing(i, lack))

    return tuple(
        AlmostPerson(
            n_photos=almost.n_photos,
            n_photos_needed=limits.min_images,
            faces=tuple(map(almost_face, almost.rows.tolist(), almost.lack.tolist())),
        )
        for almost in clustering.almost
    )


def _typical(table: FaceTable, clustering: Clustering, rules: Rules) -> NDArray[np.intp]:
    """Order all faces by person; within one, those worth showing first, then founding ones, then the nearest.

    Worth showing: large enough not to be enlarged, and of the quality that the gate asks for, where it is known.
    """
    faces = table.faces
    size = (faces.box[:, 2:] - faces.box[:, :2]).min(axis=1)
    poor = (size < SHARP_BOX_PX) | (faces.quality <= rules.limits.min_quality)
    return np.lexsort((faces.id, clustering.distance, ~clustering.core, poor, clustering.label))
