"""How old a face looks and the like, as records: what a face table holds if `encode --attributes` was asked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facecluster.table import FaceTable

AGE_WITHIN = 10
"""Years: `Attributes.age_confidence` is about an error of this at most."""

GENDERS = ("female", "male")

OPEN_MOUTH, OPEN_MOUTH_POWER = 0.152, 3.53
"""A mouth whose gap is x = `vision.parts.mouth_open` is open with a probability of 1 / (1 + (OPEN_MOUTH / x) ^
OPEN_MOUTH_POWER): logistic regression on log x, fit half of `mouths.csv`. On the other half 93.8 % come out as
labelled (`benchmarks/attributes.py`)."""


@dataclass(frozen=True)
class Attributes:
    """Of a face. None is unknown; a confidence is the probability, per cent, that what stands before it is so.

    Attributes:
        age, age_sd: as in `vision.attributes.Attributes`.
        age_confidence: per cent, 0..100, the probability that it is wrong by no more than `AGE_WITHIN` years.
        gender: "female" or "male", as the face would be read.
        gender_confidence, mouth_open_confidence, eyes_open_confidence: per cent, 50..100.
        mouth_open: whether the lips are apart.
        eyes_open: whether both eyes are open.
    """

    age: float | None
    age_sd: float | None
    age_confidence: float | None
    gender: str | None
    gender_confidence: float | None
    mouth_open: bool | None
    mouth_open_confidence: float | None
    eyes_open: bool | None
    eyes_open_confidence: float | None


@dataclass(frozen=True)
class PersonAttributes:
    """Of the faces of a person whose age and gender are known, one or more.

    Attributes:
        age_average, age_min, age_max: years, over the faces: photos of many years spread them, and so does the error of
            each.
        gender: "female" or "male", by the mean probability.
        gender_confidence: of that mean, per cent, 50..100.
        n_faces: how many.
    """

    age_average: float | None
    age_min: float | None
    age_max: float | None
    gender: str
    gender_confidence: float | None
    n_faces: int


class Looks:
    """What a face table says of the looks of its faces, by their ids; nothing if nobody asked when it was made."""

    def __init__(self, table: FaceTable | None) -> None:
        """Keep the numbers of the table, and not the table."""
        self.known = table is not None and bool(table.settings.options.get("attributes"))
        if table is not None and self.known:
            faces = table.faces
            self._ids = faces.id
            columns = (faces.age, faces.age_sd, faces.male, faces.mouth_open, faces.eyes_open)
            self._numbers = np.stack(columns, axis=1).astype(np.float64)

    @cached_property
    def _row(self) -> dict[str, int]:
        return {face: row for row, face in enumerate(self._ids.tolist())} if self.known else {}

    def of_face(self, face: str) -> Attributes | None:
        """Give the attributes of a face; None where the table does not have it."""
        row = self._row.get(face)
        if row is None:
            return None
        age, age_sd, male, gap, eyes = self._numbers[row].tolist()
        mouth = 1 / (1 + (OPEN_MOUTH / max(gap, 1e-6)) ** OPEN_MOUTH_POWER)
        return Attributes(
            age=_rounded(age, 1),
            age_sd=_rounded(age_sd, 1),
            age_confidence=_rounded(100 * math.erf(AGE_WITHIN / age_sd / math.sqrt(2)), 0),
            gender=None if math.isnan(male) else GENDERS[_likely(male)],
            gender_confidence=_confidence(male),
            mouth_open=None if math.isnan(mouth) else _likely(mouth),
            mouth_open_confidence=_confidence(mouth),
            eyes_open=None if math.isnan(eyes) else _likely(eyes),
            eyes_open_confidence=_confidence(eyes),
        )

    def of_person(self, faces: Iterable[str]) -> PersonAttributes | None:
        """Sum up the faces of a person; None where of none of them age and gender are known."""
        rows = [row for face in faces if (row := self._row.get(face)) is not None]
        numbers = self._numbers[rows] if rows else np.empty((0, 3))
        numbers = numbers[~np.isnan(numbers[:, :3]).any(axis=1)]
        if not len(numbers):
            return None
        age, male = numbers[:, 0], float(numbers[:, 2].mean())
        return PersonAttributes(
            age_average=_rounded(age.mean(), 1),
            age_min=_rounded(age.min(), 1),
            age_max=_rounded(age.max(), 1),
            gender=GENDERS[_likely(male)],
            gender_confidence=_confidence(male),
            n_faces=len(numbers),
        )


def _likely(probability: float) -> bool:
    return probability >= 0.5


def _confidence(probability: float) -> float | None:
    """How likely it is that what is more likely is so, in per cent."""
    return _rounded(100 * max(probability, 1 - probability), 1)


def _rounded(number: float, digits: int) -> float | None:
    return None if math.isnan(number) else round(float(number), digits)
