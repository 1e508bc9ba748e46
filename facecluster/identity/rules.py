"""All that decides who is who: radii by encoder, the limits of the gate, and what makes a face dense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.identity.gate import Limits, VideoRule

Number = TypeVar("Number", float, NDArray[np.float64])

SamePhotoRule = Literal["forbid", "prefer", "allow"]
"""Whether two faces of one photo may be one person's: never; only if they are very alike; as any others."""

MIN_SAMPLES = 3
"""Faces within `eps`, the face itself included, that make a face dense enough to link others."""


@dataclass(frozen=True)
class Reach:
    """How near two groups of faces, of which each may be one face, must be to be one person's.

    The mean squared distance between the members of the one and the other, the handicaps of both, and what speaks
    against it (`same_photo`), are no more than radius² together.

    Attributes:
        radius: for groups of many faces.
        caution: squared distance by which a pair of single faces must be nearer, one half for each.
        growth: how much of `caution` there is as the library is large.
    """

    radius: float
    caution: float
    growth: float = 0.0

    def handicap(self, count: Number) -> Number:
        """Give what is added to the squared distance for a group of so many faces.

        The mean over few pairs of faces is near by chance more often than that over many: its variance falls as
        1 / count on either side.
        """
        return self.caution / (2 * count)

    def joining(self, count: Number) -> Number:
        """Give the distance within which a face joins a group of so many faces, as root mean square.

        A face is compared with as many as there are, so what is asked of a pair of single faces falls as 1 / count.
        What a large library asks of a face remains: there are more groups that it may be near to by chance. Against
        half of the pair's caution for the face, whatever it is compared with, this places more, and no more of them
        wrongly: 0.887 in place of 0.872 of the blurred, small and compressed photos of the fit half
        (`benchmarks/hard.py`).
        """
        squared = self.radius**2 - (self.caution - self.growth) / count - self.growth * (1 + 1 / count) / 2
        within: Number = np.sqrt(np.maximum(squared, 0.0))
        return within


@dataclass(frozen=True)
class Radii:
    """The distances that decide, for one encoder; see `points` for what a distance is.

    Attributes:
        eps: two faces this near may link; DBSCAN's radius.
        join: `Reach.radius` of groups that are merged to a person, and of faces that join one.
        margin: a joining face is nearer to its person than to any other by at least this much.
        caution: `Reach.caution` in a library of up to `CAUTION_FACES` faces.
        growth: how much caution rises when there are e times as many.
    """

    eps: float
    join: float
    margin: float
    caution: float = 0.0
    growth: float = 0.0

    def reach(self, n_faces: int) -> Reach:
        """Give the reach in a library of so many faces."""
        growth = self.growth * math.log(max(1.0, n_faces / CAUTION_FACES))
        return Reach(self.join, self.caution + growth, growth)

    def scaled(self, eps: float) -> Radii:
        """Give the same for another `eps`, and for a smaller one all else in proportion.

        A larger one leaves the rest as it is: what it links too much, the joining radius takes apart.
        """
        by = min(1.0, eps / self.eps)
        return Radii(eps, self.join * by, self.margin * by, self.caution * by**2, self.growth * by**2)


_FARTHEST = 1e6
"""No encodings are so far apart; the square of a larger `eps` may be no number any more."""

CAUTION_FACES = 3000
"""As many faces as `caution` was chosen on: one half of `lfw_dev`."""

DEFAULTS: Mapping[str, Radii] = MappingProxyType(
    {
        "sface": Radii(eps=0.80, join=1.06, margin=0.05, caution=0.10, growth=0.020),
        "dlib": Radii(eps=0.33, join=0.54, margin=0.03, caution=0.04, growth=0.014),
    }
)
"""By encoder, chosen on the people of the fit half of `lfw_dev` (`benchmarks/lfw.py --sweep`), on the careful side.

eps: of FACTS.md for dlib; for sface where no two of its strangers link.
growth: half of what keeps the number of false pairs of single faces from growing: the share of strangers' pairs that
are near falls e-fold by 0.038 (sface) and 0.027 (dlib) of squared distance.
"""


@dataclass(frozen=True)
class Rules:
    """All that decides who is who.

    Attributes:
        radii: see `Radii`.
        limits: what a person must be founded on.
        gate: whether faces are judged by `limits`; without, all of them found people. `limits.min_images` always holds.
        min_samples: see `MIN_SAMPLES`.
        same_photo: see `SamePhotoRule`.
        video: see `VideoRule`.
    """

    radii: Radii
    limits: Limits = Limits()
    gate: bool = True
    min_samples: int = MIN_SAMPLES
    same_photo: SamePhotoRule = "prefer"
    video: VideoRule = "join"

    @classmethod
    def make(
        cls,
        encoder: str,
        *,
        limits: Limits = Limits(),
        gate: bool = True,
        eps: float | None = None,
        min_samples: int | None = None,
        same_photo: SamePhotoRule = "prefer",
        video: VideoRule = "join",
    ) -> Rules:
        """Fill in what is None: radii by the encoder and `eps`, see `Radii.scaled`; `MIN_SAMPLES`.

        Raises:
            TableError: an encoder nobody has chosen radii for.
        """
        if encoder not in DEFAULTS:
            raise TableError(
                f"the faces were encoded by {encoder!r}, clustering knows {', '.join(DEFAULTS)}; run encode again"
            )
        radii = DEFAULTS[encoder]
        if eps is not None:
            radii = radii.scaled(min(eps, _FARTHEST))
        samples = MIN_SAMPLES if min_samples is None else min_samples
        return cls(radii, limits, gate, samples, same_photo, video)
