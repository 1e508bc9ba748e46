"""What distances are measured between: encodings, and how crowded the place of each is.

A network that has seen few children puts them near each other. Two babies are as near as two photos of one adult, so no
one distance tells both apart. A face in a crowded place must be nearer to be the same person's. So the distance is

    d'(a, b)² = |a - b|² + c(a) + c(b)

where c, the crowding, is 0 where adults usually are, and grows with the density of strangers around a face:

    c(x) = share * width * max(0, ln rho(x) - ln rho0),    rho(x) = sum over k of n_k exp(-(|x - m_k|² + v_k) / width)

The background is m_k, n_k, v_k: mean, part of all faces, and mean squared distance to the mean, of 63 groups of several
people each, made from half of the people of LFW and of LAG (public figures as children and as adults). No encoding of a
person is in it. rho0 is the density that 95 % of LFW's faces are below with sface, which hardly takes adults for each
other; and their median with dlib, which does. width and share were chosen together, on the same half cut in two again
(`benchmarks/fit_crowding.py`): width 0.09 and 0.03 of squared distance, share 0.8.

c is a handicap as score normalisation gives it in speaker verification (Auckenthaler, Carey, Lloyd-Thomas, Score
normalization for text-independent speaker verification systems, 2000; Matejka et al., Analysis of score normalization
in multilingual speaker recognition, 2017: adaptive s-norm). Here it follows a smooth density (Parzen, On estimation of
a probability density function and mode, 1962) in place of the nearest of a cohort.

As c is added for each of two faces, it is as if each face had an axis of its own, on which it lies sqrt(c) from all
others. So distances keep all that is known of Euclidean ones; means and variances over groups, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError

_ROWS = 4096
"""Encodings that are compared with the background at a time: 1 MB of float32."""


@dataclass(frozen=True, eq=False)
class Points:
    """n faces, as distances see them.

    Attributes:
        encoding: (n, 128) float32 as stored; NaN where a face has none.
        crowding: (n,) float64, 0 or more, squared distance that is added for each of two; 0 where there is no encoding.
    """

    encoding: NDArray[np.float32]
    crowding: NDArray[np.float64]

    @classmethod
    def of(cls, encoding: NDArray[np.float32], encoder: str) -> Points:
        """Look up how crowded the places of (n, 128) encodings are. No copy of them is made.

        Raises:
            TableError: an encoder without a background.
        """
        return cls(encoding, crowding(encoding, encoder))

    @classmethod
    def plain(cls, encoding: NDArray[np.float32]) -> Points:
        """Take (n, 128) encodings by Euclidean distance alone, as points such as means of groups are."""
        return cls(encoding, np.zeros(len(encoding)))

    @classmethod
    def join(cls, one: Points, other: Points) -> Points:
        """Put two below each other."""
        return cls(
            np.concatenate([one.encoding, other.encoding]), np.concatenate([one.crowding, other.crowding])
        )

    def __getitem__(self, rows: Any) -> Points:
        """Choose rows, by what NumPy takes for several."""
        return Points(self.encoding[rows], self.crowding[rows])

    def __len__(self) -> int:
        return len(self.encoding)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """(n,) whether the face has an encoding."""
        known: NDArray[np.bool_] = np.isfinite(np.einsum("ij,ij->i", self.encoding, self.encoding))
        return known


@dataclass(frozen=True, eq=False)
class _Background:
    """The strangers of one encoder, see the head of this file.

    Attributes:
        mean: (k, 128) float32.
        offset: (k,) float32, ln n_k - (|m_k|² + v_k) / width.
        width, share: as above.
        usual: ln rho0.
        shortest, longest: squared length of encodings; others are of no face.
    """

    mean: NDArray[np.float32]
    offset: NDArray[np.float32]
    width: float
    share: float
    usual: float
    shortest: float
    longest: float


@cache
def _background(encoder: str) -> _Background:
    """Read the background that `benchmarks/fit_crowding.py` made."""
    with (
        resources.files("facecluster.identity").joinpath("crowding.npz").open("rb") as file,
        np.load(file) as kept,
    ):
        if f"{encoder}_mean" not in kept:
            raise TableError(
                f"the faces were encoded by {encoder!r}, of which nobody has measured how near strangers are; "
                "run encode again"
            )
        mean, faces, spread = (
            kept[f"{encoder}_{name}"].astype(np.float32) for name in ("mean", "faces", "spread")
        )
        width, share, *others = kept[f"{encoder}_constants"].tolist()
    squared = np.einsum("ij,ij->i", mean, mean)
    return _Background(mean, np.log(faces / faces.sum()) - (squared + spread) / width, width, share, *others)


def crowding(encoding: NDArray[np.float32], encoder: str) -> NDArray[np.float64]:
    """Say how crowded the places of (n, 128) encodings are -> (n,) squared distance, 0 or more; 0 for unknown ones.

    Raises:
        TableError: an encoder without a background.
    """
    it = _background(encoder)
    found = np.zeros(len(encoding))
    scaled = it.mean.T * np.float32(2 / it.width)
    for start in range(0, len(encoding), _ROWS):
        x = encoding[start : start + _ROWS]
        if not np.isfinite(x).all():  # an infinite number makes others of the same product unknown
            x = np.where(np.isfinite(x).all(axis=1, keepdims=True), x, np.float32(0))
        logit = x @ scaled
        logit += it.offset
        highest = logit.max(axis=1, keepdims=True)
        logit -= highest
        np.exp(logit, out=logit)
        squared = np.einsum("ij,ij->i", x, x)
        density = np.log(logit.sum(axis=1)) + highest[:, 0] - squared / it.width
        above = it.share * it.width * (density.astype(np.float64) - it.usual)
        counts = (above > 0) & (squared >= it.shortest) & (squared <= it.longest)  # NaN is not
        found[start : start + _ROWS] = np.where(counts, above, 0)
    return found


def local_limit(radius: float, crowding: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the squared Euclidean distance that a radius allows between two faces of so much crowding together."""
    limit: NDArray[np.float64] = np.maximum(radius**2 - crowding, 0)
    return limit
