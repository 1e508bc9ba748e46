"""Which limits a face fails, all of them, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facecluster.identity.gate import Limits

if TYPE_CHECKING:  # `check --help` shows the presets, and NumPy takes longer to load than all the rest
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.table import Faces


@dataclass(frozen=True)
class Limit:
    """Where a number must lie. An unknown number lies nowhere; without bounds, only that is asked.

    Attributes:
        low, high: bounds, compared as float32 like the numbers of the face table; infinite where there is none.
        strict: a number exactly on a bound fails.
    """

    low: float = -math.inf
    high: float = math.inf
    strict: bool = False

    def __str__(self) -> str:
        """As `--limit` takes it; strict ones in words."""
        low, high = (f"{bound:.15g}" if math.isfinite(bound) else "" for bound in (self.low, self.high))
        if not low and not high:
            return "known"
        if not self.strict:
            return low if low == high else f"{low}..{high}"
        return f"between {low} and {high}" if low and high else f"over {low}" if low else f"under {high}"

    def fails(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say which of (n,) numbers do not lie within, or are NaN."""
        import numpy as np

        failing = np.isnan(values)
        with np.errstate(over="ignore"):  # beyond float32 is beyond every number of the table
            low, high = np.float32(self.low), np.float32(self.high)
        if self.low > -math.inf:
            failing |= (values <= low) if self.strict else (values < low)
        if self.high < math.inf:
            failing |= (values >= high) if self.strict else (values > high)
        return failing


@dataclass(frozen=True)
class Failure:
    """A limit that a face fails.

    Attributes:
        name: of the number, one of `names()`.
        value: the shortest decimal that is the same float32; None where unknown.
        limit: see `Limit`.
    """

    name: str
    value: float | None
    limit: Limit

    @property
    def excess(self) -> float | None:
        """How far the number is beyond the bound, 0 on a strict one; None where the number is unknown."""
        import numpy as np

        if self.value is None:
            return None
        beyond = max(self.limit.low - self.value, self.value - self.limit.high)
        return _shortest(np.float32(max(beyond, 0.0)))

    @property
    def text(self) -> str:
        """For people: "yaw 34.2 > 30", with more than two decimals only where the difference needs them."""
        if self.value is None:
            return f"{self.name} unknown"
        above = self.value - self.limit.high > self.limit.low - self.value
        bound = self.limit.high if above else self.limit.low
        side = _side(self.value, bound)
        decimals = 1 if abs(self.value) >= 10 else 2
        while _side(float(number := f"{self.value:.{decimals}f}"), bound) != side:
            decimals += 1
        number = number.rstrip("0").rstrip(".")
        sign = {1: ">", -1: "<", 0: "is not <" if above else "is not >"}[side]
        return f"{self.name} {number} {sign} {bound:.15g}"


def _clustering(limits: Limits) -> dict[str, Limit]:
    """Write the gate as limits: `gate.judge` passes exactly the faces that fail none of them."""
    size = Limit(low=limits.min_size_px, strict=True)
    angle = Limit(-limits.max_angle_deg, limits.max_angle_deg, strict=True)
    quality = Limit(low=limits.min_quality, strict=True)
    return {
        "encoding": Limit(),
        "width": size,
        "height": size,
        "pitch": angle,
        "yaw": angle,
        "roll": angle,
        "quality": quality,
    }


PRESETS: Mapping[str, Mapping[str, Limit]] = {
    "clustering": _clustering(Limits()),
    "passport": {
        "pitch": Limit(-15, 15),
        "yaw": Limit(-10, 10),
        "roll": Limit(-10, 10),
        "centre": Limit(0.2, 1),
        "size": Limit(high=0.85),
        "completeness": Limit(0.9, 1),
        "sharpness": Limit(0.8, 1),
        "brightness": Limit(-0.5, 0.5),
        "mouth_open": Limit(high=0.4),
        "occlusion": Limit(high=0.02),
        "occlusion_eyes": Limit(0, 0),
        "occlusion_brows": Limit(0, 0),
        "occlusion_nose": Limit(0, 0),
        "occlusion_mouth": Limit(high=0.4),
        "occlusion_face_line": Limit(high=0.1),
    },
    "none": {},
}
"""Limits by name of the number, in the order in which they are told.

clustering: the gate, which decides who may found a person. passport: the reference values that the guide of FaceMe,
a face recognition library, gives for enrolling faces from passport-like photos.
"""


def names() -> tuple[str, ...]:
    """Name every number that can have a limit: those of `measure`."""
    from facecluster.table import QUALITY_PARTS

    return ("pitch", "yaw", "roll", "quality", "score", "width", "height", "encoding", *QUALITY_PARTS)


def measure(faces: Faces) -> dict[str, NDArray[np.float32]]:
    """Give every number of n faces that can have a limit.

    Args:
        faces: n faces; NaN where a number is unknown.

    Returns:
        (n,) float32 by name, in the order of `names()`: the columns of the table; pitch, yaw and roll in the photo held
        upright (`Faces.upright_pose`); `width` and `height` of the box in
        pixels of the full-size photo; `encoding`, the squared length of the encoding, NaN where it is not finite.
    """
    import numpy as np

    squared = np.einsum("ij,ij->i", faces.encoding, faces.encoding)  # as gate.judge asks
    width, height = (faces.box[:, 2:] - faces.box[:, :2]).T
    pitch, yaw, roll = faces.upright_pose().T
    derived = {
        "pitch": pitch,
        "yaw": yaw,
        "roll": roll,
        "width": width,
        "height": height,
        "encoding": np.where(np.isfinite(squared), squared, np.float32(np.nan)),
    }
    return {name: derived[name] if name in derived else getattr(faces, name) for name in names()}


def find_failures(
    values: Mapping[str, NDArray[np.float32]], limits: Mapping[str, Limit]
) -> Iterator[tuple[Failure, ...]]:
    """Say of each face which limits it fails; none: it passes.

    Args:
        values: (n,) by name, as `measure` gives them.
        limits: by name.

    Yields:
        n times the failures of a face, in the order of `limits`.
    """
    import numpy as np

    n = len(next(iter(values.values())))
    failing = np.zeros((n, len(limits)), np.bool_)
    for column, (name, limit) in enumerate(limits.items()):
        failing[:, column] = limit.fails(values[name])
    order = list(limits)
    for i, row in enumerate(failing):
        failed = (order[column] for column in row.nonzero()[0])
        yield tuple(Failure(name, _shortest(values[name][i]), limits[name]) for name in failed)


def _shortest(value: np.float32) -> float | None:
    """Give the shortest decimal that is the same float32, None for NaN."""
    return None if math.isnan(value) else float(str(value))


def _side(value: float, bound: float) -> int:
    """Say whether a number is above (1), on (0) or below (-1) a bound, all as float32."""
    import numpy as np

    with np.errstate(over="ignore"):
        number, edge = np.float32(value), np.float32(bound)
    return int(number > edge) - int(number < edge)
