"""One score in 0..1 that says how likely the encoding of a face is to match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A logistic regression on two parts of quality: their weights, and an offset."""

    presence: float
    distinctness: float
    offset: float


MODELS = {"sface": Model(2.63, 12.59, -11.782), "dlib": Model(6.64, 12.79, -16.628)}
"""By encoder; `benchmarks/quality.py fit` prints them, `benchmarks/quality.py report` judges them on other people.

The weights are those that say best whether a face, damaged or not, matches undamaged photos of the same person at a
distance at which one in a thousand pairs of strangers does. The offset is then moved so that 95 % of the undamaged
faces of the fit half of `lfw_dev` are above 0.8, so that a quality means the same with either encoder. For dlib that
moves little: there, quality is about the chance of a match. For sface the chance is higher.

Sharpness, contrast, size, pose, the detector's score, the agreement of the mesh's two passes and its distance from the
detector's landmarks add nothing to the two: trees grown on all of them together gain 0.015 in the area of the report.
"""


def score(presence: Array, distinctness: Array, encoder: str) -> Array:
    """Say how likely the encoding of each face is to match.

    quality = 1 / (1 + exp(-(offset + a presence + b distinctness))), a and b positive.

    Blur, noise, darkness, clipping, flat contrast, compression, occlusion and few pixels all lower it without being
    measured: each takes away what the two networks look for. Nor does it know the photo's resolution or the detector.

    Args:
        presence: (n,) 0..1, `parts.Parts.presence`: how sure the mesh network is that there is a face.
        distinctness: (n,) 0 to about 1.3, `encode.Encodings.distinctness`: how much the encoder has to say about it.
        encoder: one of `encode.ENCODERS`.

    Returns:
        (n,) float32 in 0..1, up is better; 0 where there is no encoding, which cannot match.
    """
    model = MODELS[encoder]
    logit = model.offset + model.presence * presence + model.distinctness * distinctness
    quality = 1 / (1 + np.exp(-logit.astype(np.float64)))
    return np.where(np.isnan(distinctness), 0, quality).astype(np.float32)
