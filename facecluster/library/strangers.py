"""The faces of nobody, those that are alike together: who might be made a person next."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from facecluster.identity.cluster import cluster_faces
from facecluster.identity.decisions import digest_of
from facecluster.identity.gate import Reason, judge
from facecluster.identity.groups import rows_of
from facecluster.identity.rules import Rules
from facecluster.joined import Known
from facecluster.result import AlmostPerson, Result, UnclusteredFace
from facecluster.table import Faces, FaceTable

_LETTERS = 6
"""Letters of a face's id that name its group, at least: as many as may stand for a face."""


@dataclass(frozen=True)
class Group:
    """Faces of nobody that are alike.

    Attributes:
        id: "group-3fa2c1", of the start of the id of one of the faces; with "-2" behind it where this is not the
            first face of its photo. It names the group that this face is in, whatever else is in it.
        faces: the best first.
        n_photos: different pictures among them.
        n_good: of these, with a face that is good enough to make a person.
        almost: the almost-person whose faces are in it, all of them; None: there is none.
    """

    id: str
    faces: tuple[UnclusteredFace, ...]
    n_photos: int
    n_good: int
    almost: AlmostPerson | None


def strangers(known: Known, table: FaceTable, *, jobs: int = -1) -> tuple[Group, ...]:
    """Group the faces of nobody, but those that somebody said to be no person.

    The faces of an almost-person are in one group, without those of another one.

    Faces are alike by the distances that people are grouped by; no face is too poor, and one photo is enough. So a
    group is a guess: it may be two people, and one person may be two groups.

    Args:
        known: people beside the numbers of their faces.
        table: that these are of.
        jobs: threads; -1 is one a core.

    Returns:
        The most promising groups first: almost-people in the order of the result, then those with the most photos of
        good faces, then with the most photos, then of the best face. Groups of equal promise come in the order of
        their ids.
    """
    rows = np.array(
        [
            row
            for row, face in enumerate(known.records)
            if isinstance(face, UnclusteredFace) and face.reason != Reason.NOT_A_PERSON.code
        ],
        dtype=np.intp,
    )
    if not len(rows):
        return ()
    rows = rows[np.argsort(known.faces.photo[rows], kind="stable")]
    faces = Faces(**{name: column[rows] for name, column in vars(known.faces).items()})
    free = FaceTable(table.photos, faces, table.settings)
    made_by = known.result.settings.rules or Rules.make(table.settings.encoder)
    limits = made_by.limits
    rules = replace(made_by, gate=False, video="found", limits=replace(limits, min_images=1))
    label = cluster_faces(free, rules, jobs=jobs if jobs > 0 else os.cpu_count() or 1).label
    alone = label < 0  # without an encoding that can be compared
    label[alone] = label.max(initial=-1) + 1 + np.arange(np.count_nonzero(alone))
    almost = np.array(
        [
            -1 if not isinstance(face, UnclusteredFace) or face.almost is None else face.almost
            for face in (known.records[row] for row in rows.tolist())
        ]
    )
    label = _gathered(label, almost)
    good = judge(faces, limits) == Reason.PASSED
    groups = [_group(known, rows, good, faces, members) for members in rows_of(label)]
    return tuple(_named([group for _, group in sorted(groups, key=lambda pair: pair[0])]))


def _gathered(label: NDArray[np.int32], almost: NDArray[np.intp]) -> NDArray[np.int32]:
    """Give all faces of an almost-person one label, and to other faces that of the almost-person most are with.

    Args:
        label: (n,) number of each face's group, at least 0.
        almost: (n,) number of each face's almost-person, -1 none.

    Returns:
        (n,) label.
    """
    gathered = np.where(almost >= 0, label.max(initial=-1) + 1 + almost, label).astype(np.int32)
    for members in rows_of(label):
        if (theirs := almost[members][almost[members] >= 0]).size:
            most = np.bincount(theirs).argmax()
            gathered[members[almost[members] < 0]] = label.max() + 1 + most
    return gathered


def _group(
    known: Known, rows: NDArray[np.intp], good: NDArray[np.bool_], faces: Faces, members: NDArray[np.intp]
) -> tuple[tuple[float, ...], Group]:
    """Make a group of some rows of `faces`, and say how it is ordered among the others."""
    quality = np.nan_to_num(faces.quality[members], nan=0.0)
    best = members[np.lexsort((-quality, ~good[members]))]
    records = [known.records[row] for row in rows[best].tolist()]
    theirs = tuple(face for face in records if isinstance(face, UnclusteredFace))
    photos = {digest_of(face.id) for face in theirs}
    n_good = len({digest_of(str(faces.id[row])) for row in members[good[members]].tolist()})
    places = Counter(face.almost for face in theirs if face.almost is not None)
    place = places.most_common(1)[0][0] if places else None
    almost = None if place is None else known.result.almost[place]
    group = Group("", theirs, len(photos), n_good, almost)
    return (np.inf if place is None else place, -n_good, -len(photos), -float(quality.max())), group


def _named(groups: Sequence[Group]) -> Iterator[Group]:
    """Name groups by the lowest id of their faces."""
    digests = sorted({digest_of(face.id) for group in groups for face in group.faces})
    for group in groups:
        yield replace(group, id=_name([face.id for face in group.faces], digests))


def _name(ids: Iterable[str], digests: Sequence[str]) -> str:
    """Name a group by the lowest id of its faces: six letters, or as many as no other of the photos (sorted) has."""
    digest, ordinal = parts_of(min(ids))
    i, letters = bisect_left(digests, digest), _LETTERS
    for other in (digests[i - 1] if i else "", digests[i + 1] if i + 1 < len(digests) else ""):
        same = takewhile(lambda pair: pair[0] == pair[1], zip(digest, other, strict=False))
        letters = max(letters, 1 + len(list(same)))
    return f"group-{digest[:letters]}" + (f"-{ordinal}" if ordinal != "0" else "")


def name_of(result: Result, ids: Iterable[str]) -> str:
    """Name the group of some faces of nobody, by their ids, without grouping: any of a group's faces names it."""
    return names_of(result, [ids])[0]


def names_of(result: Result, groups: Iterable[Iterable[str]]) -> list[str]:
    """Name several groups, as `name_of` does."""
    free = (face for face in result.unclustered if face.reason != Reason.NOT_A_PERSON.code)
    digests = sorted({digest_of(face.id) for face in free})
    return [_name(ids, digests) for ids in groups]


def find_group(groups: Sequence[Group], text: str) -> list[Group]:
    """Find the groups that a text may name: those with a face whose photo's digest starts so, and of this ordinal."""
    digest, ordinal = parts_of(text.removeprefix("group-"))
    return [
        group
        for group in groups
        if any(
            own.startswith(digest) and number == ordinal for own, number in map(_parts_of_face, group.faces)
        )
    ]


def parts_of(face_id: str) -> tuple[str, str]:
    """Give the digest of the photo, and the ordinal of the face in it; "0" where the id has none."""
    digest, _, ordinal = face_id.rpartition("-")
    return (digest, ordinal) if digest and ordinal.isdecimal() else (face_id, "0")


def _parts_of_face(face: UnclusteredFace) -> tuple[str, str]:
    return parts_of(face.id)
