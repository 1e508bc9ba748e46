"""All that decides who is who: radii by encoder, the limits of the gate, and what makes a face dense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from facecluster.errors import TableError
from facecluster.identity.gate import Limits

SamePhoto = Literal["forbid", "prefer", "allow"]
"""Whether two faces of one photo may be one person's: never; only if they are very alike; as any others."""

MIN_SAMPLES = 3
"""Faces within `eps`, the face itself included, that make a face dense enough to link others."""


@dataclass(frozen=True)
class Radii:
    """The distances that decide, for one encoder; Euclidean, between encodings as stored.

    Attributes:
        eps: two faces this near may link; DBSCAN's radius.
        join: a face joins a person whose founding faces are this near, as root mean square.
        margin: a joining face is nearer to its person than to any other by at least this much.
    """

    eps: float
    join: float
    margin: float


DEFAULTS: Mapping[str, Radii] = MappingProxyType(
    {
        "sface": Radii(eps=0.92, join=1.04, margin=0.05),
        "dlib": Radii(eps=0.38, join=0.54, margin=0.03),
    }
)
"""By encoder, chosen on the people of the fit half of `lfw_dev` (`benchmarks/lfw.py`), on the careful side.

sface: pairwise F is flat from eps 0.88 to 0.96 (0.988 to 0.989) and falls to 0.970 at 1.00, where people begin to
merge; the radius stays well below that, because a larger library has more bridges (FACTS.md: web photos, all of LFW).
From join 1.04 to 1.12 strangers in folders rise tenfold. dlib: above eps 0.38 precision falls under 0.98.
"""


@dataclass(frozen=True)
class Rules:
    """All that decides who is who.

    Attributes:
        radii: see `Radii`.
        limits: what a person must be founded on.
        gate: whether faces are judged by `limits`; without, all of them found people. `limits.min_images` always holds.
        min_samples: see `MIN_SAMPLES`.
        same_photo: see `SamePhoto`.
    """

    radii: Radii
    limits: Limits = Limits()
    gate: bool = True
    min_samples: int = MIN_SAMPLES
    same_photo: SamePhoto = "prefer"

    @classmethod
    def make(
        cls,
        encoder: str,
        *,
        limits: Limits = Limits(),
        gate: bool = True,
        eps: float | None = None,
        min_samples: int | None = None,
        same_photo: SamePhoto = "prefer",
    ) -> Rules:
        """Fill in what is None: radii by the encoder, min_samples so that `limits.min_images` can be met.

        Raises:
            TableError: an encoder nobody has chosen radii for.
        """
        if encoder not in DEFAULTS:
            raise TableError(
                f"the faces were encoded by {encoder!r}, clustering knows {', '.join(DEFAULTS)}; run encode again"
            )
        radii = DEFAULTS[encoder]
        if eps is not None:
            radii = Radii(eps, radii.join, radii.margin)
        if min_samples is None:
            min_samples = max(1, min(MIN_SAMPLES, limits.min_images))
        return cls(radii, limits, gate, min_samples, same_photo)
