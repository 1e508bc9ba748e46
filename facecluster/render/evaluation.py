"""How well a result agrees with labels, as records: what evaluate prints."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.identity import metrics
from facecluster.identity.changes import Placed
from facecluster.identity.points import Points
from facecluster.result import Box


@dataclass(frozen=True)
class LabelledFace:
    """A face to look at; `person` is the id of the person that it is placed with, `confidence` per cent, 0..100."""

    id: str
    photo: str
    box: Box
    label: str
    person: str
    confidence: float | None


@dataclass(frozen=True)
class WrongMerge:
    """A person with faces of two labels (and perhaps of more, which are merges of their own).

    Attributes:
        person: its id.
        labels: that of most of its faces, and the other.
        n_faces: of each.
        distance: between the two faces to look at; None where encodings are not at hand.
        faces: one of each label, see `_look`.
    """

    person: str
    labels: tuple[str, str]
    n_faces: tuple[int, int]
    distance: float | None
    faces: tuple[LabelledFace, LabelledFace]


@dataclass(frozen=True)
class WrongSplit:
    """A label with faces in two people or more; `people` has the ids of two, the rest is as in a wrong merge."""

    label: str
    people: tuple[str, str]
    n_faces: tuple[int, int]
    distance: float | None
    faces: tuple[LabelledFace, LabelledFace]


@dataclass(frozen=True)
class Share:
    """Some of the labels: how many, how many faces they have, and how many of these are placed."""

    labels: int
    faces: int
    placed: int


@dataclass(frozen=True)
class Evaluation:
    """How well people agree with labels. Only labelled faces count; one without a person is a person of its own.

    Attributes:
        faces: with a label.
        unlabelled: faces of the result without one.
        placed: labelled faces with a person.
        labels: different ones.
        people: with a labelled face.
        min_faces: the people of the result were founded on at least as many photos.
        enough: labels of at least `min_faces` faces.
        too_few: the other labels, whose faces should not be placed.
        pairwise, bcubed, purity, coverage, splits_per_person, merges_per_person: see `identity.metrics`.
        merges, splits: the largest ones.
    """

    faces: int
    unlabelled: int
    placed: int
    labels: int
    people: int
    min_faces: int
    enough: Share
    too_few: Share
    pairwise: metrics.Score
    bcubed: metrics.Score
    purity: float
    coverage: float
    splits_per_person: float
    merges_per_person: float
    merges: tuple[WrongMerge, ...]
    splits: tuple[WrongSplit, ...]


def evaluate(
    faces: Placed,
    people: Sequence[str],
    label: NDArray[np.int64],
    labels: Sequence[str],
    *,
    min_faces: int,
    number: int,
    points: Points | None = None,
) -> Evaluation:
    """Compare who is who with labels.

    Args:
        faces: n faces.
        people: ids, by number of `faces.person`.
        label: (n,) number of the label of each face; -1 none.
        labels: texts, by number.
        min_faces: a label of fewer faces cannot be a person.
        number: merges and splits to tell of, at most.
        points: the faces as distances see them, if at hand.
    """
    rows = np.flatnonzero(label >= 0)
    truth, person = label[rows], faces.person[rows]
    size = np.bincount(truth, minlength=len(labels))

    def share(chosen: NDArray[np.bool_]) -> Share:
        mine = chosen[truth]
        return Share(int(chosen.sum()), int(mine.sum()), int((mine & (person >= 0)).sum()))

    def look(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> dict[str, Any]:
        return _look(faces, people, label, labels, points, rows[one], rows[other])

    return Evaluation(
        faces=len(rows),
        unlabelled=len(faces) - len(rows),
        placed=int((person >= 0).sum()),
        labels=int((size > 0).sum()),
        people=len(np.unique(person[person >= 0])),
        min_faces=min_faces,
        enough=share(size >= min_faces),
        too_few=share((size > 0) & (size < min_faces)),
        pairwise=metrics.pairwise(truth, person),
        bcubed=metrics.bcubed(truth, person),
        purity=metrics.purity(truth, person),
        coverage=metrics.coverage(person),
        splits_per_person=metrics.splits(truth, person),
        merges_per_person=metrics.merges(truth, person),
        merges=tuple(
            WrongMerge(
                person=people[mix.group],
                labels=(labels[mix.main], labels[mix.other]),
                n_faces=(mix.n_main, mix.n_other),
                **look(
                    (person == mix.group) & (truth == mix.main), (person == mix.group) & (truth == mix.other)
                ),
            )
            for mix in metrics.worst_mixes(person, truth, number)
        ),
        splits=tuple(
            WrongSplit(
                label=labels[mix.group],
                people=(people[mix.main], people[mix.other]),
                n_faces=(mix.n_main, mix.n_other),
                **look(
                    (truth == mix.group) & (person == mix.main), (truth == mix.group) & (person == mix.other)
                ),
            )
            for mix in metrics.worst_mixes(truth, person, number)
        ),
    )


def _look(
    faces: Placed,
    people: Sequence[str],
    label: NDArray[np.int64],
    labels: Sequence[str],
    points: Points | None,
    one: NDArray[np.intp],
    other: NDArray[np.intp],
) -> dict[str, Any]:
    """Choose a face of each of two groups of rows: two that are near to each other, else the most confident ones.

    Near ones show why a merge happened, or that a label is wrong, and which link a split lacks.
    """
    distance = None
    if points is not None:
        i, j, distance = metrics.near_pair(points[one], points[other])
    else:
        i, j = (int(np.nan_to_num(faces.confidence[rows], nan=-1).argmax()) for rows in (one, other))

    def face(row: int) -> LabelledFace:
        left, top, right, bottom = faces.box[row].tolist()
        return LabelledFace(
            id=faces.id[row],
            photo=faces.photo[row],
            box=Box(left, top, right, bottom),
            label=labels[label[row]],
            person=people[faces.person[row]],
            confidence=_known(float(faces.confidence[row])),
        )

    return {
        "distance": None if distance is None else round(distance, 4),
        "faces": (face(int(one[i])), face(int(other[j]))),
    }


def to_json(evaluation: Evaluation) -> str:
    """Write strict JSON, ASCII only; unknown is null."""
    record = {key: _known(value) for key, value in vars(evaluation).items()}
    for score in ("pairwise", "bcubed"):
        record[score] = {name: _known(getattr(record[score], name)) for name in ("precision", "recall", "f")}
    return json.dumps(record, default=vars, indent=1, allow_nan=False) + "\n"


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
