"""Head pose from a face mesh: the rotation that lays a canonical face over it, put right for the face's own shape."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


DEPTH = 1.1
"""Factor on the depth of a mesh, which the network underrates; 1.0, 1.1, 1.2 and 1.3 were tried on the fit half."""


def head_pose(points: Array, features: Array | None = None) -> Array:
    """Measure pitch, yaw and roll of every mesh.

    The rotation of the canonical face onto a mesh still takes a long nose or a low brow for a bowed head. How much,
    is a linear function of the features that the mesh network reads the mesh off: a small rotation before that one.

    The canonical face is the Procrustes mean of meshes of real faces, its zero fixed on heads of known pose; the
    linear function is a ridge regression on drawn and real heads of known pose. `benchmarks/fit_pose.py` made both
    and says on what; `benchmarks/pose.py` measures them on the other half.

    Args:
        points: (n, 468, 3) x, y in pixels (y down), z in the same unit (smaller is nearer); NaN where there is none.
        features: (n, 2304) as in `mesh.Meshes`; None gives the rotation onto the canonical face as it is.

    Returns:
        (n, 3) float32 pitch, yaw, roll in degrees: + looks up, + looks to the image's right, + clockwise in the
        image. NaN for a mesh that is NaN.

    References:
        Kabsch, A solution for the best rotation to relate two sets of vectors, Acta Cryst. A32, 1976.
    """
    angles = np.full((len(points), 3), np.nan, np.float32)
    known = ~np.isnan(points[:, 0, 0])
    if known.any():
        rotation = rotations(canonical_face(), upright(points[known]))
        if features is not None:
            slopes, constant = own_shape()
            rotation = rotation @ turns(features[known] @ slopes + constant)
        angles[known] = angles_of(rotation)
    return angles


def upright(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn meshes to the axes of the poses: x right, y up, z towards the camera."""
    turned: NDArray[np.float64] = points * np.array([1.0, -1.0, -DEPTH])
    return turned


def rotations(canonical: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (n, 3, 3) rotations that bring a (k, 3) face closest to (n, k, 3) others, whatever their size."""
    # one of the two centred is enough: the mean of the other then cancels in the product
    left, _, right = np.linalg.svd(points.transpose(0, 2, 1) @ (canonical - canonical.mean(axis=0)))
    left[:, :, 2] *= np.linalg.det(left @ right)[:, np.newaxis]  # a mirror image is not a rotation
    result: NDArray[np.float64] = left @ right
    return result


def angles_of(rotation: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (n, 3) pitch, yaw, roll in degrees of (n, 3, 3) rotations Rx(-pitch) Ry(yaw) Rz(-roll)."""
    r = rotation.T  # r[j, i] is row i, column j
    angles: NDArray[np.float64] = np.rad2deg(
        [
            np.arctan2(r[2, 1], r[2, 2]),
            np.arctan2(r[2, 0], np.hypot(r[0, 0], r[1, 0])),
            np.arctan2(r[1, 0], r[0, 0]),
        ]
    ).T
    return angles


def rotation_of(angles_deg: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (n, 3, 3) rotations of (n, 3) pitch, yaw, roll in degrees: the inverse of `angles_of`."""
    sin, cos = np.sin(np.deg2rad(angles_deg)).T, np.cos(np.deg2rad(angles_deg)).T
    zero, one = np.zeros(len(angles_deg)), np.ones(len(angles_deg))

    def stack(*entries: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(entries, axis=1).reshape(-1, 3, 3)

    about_x = stack(one, zero, zero, zero, cos[0], sin[0], zero, -sin[0], cos[0])
    about_y = stack(cos[1], zero, sin[1], zero, one, zero, -sin[1], zero, cos[1])
    about_z = stack(cos[2], sin[2], zero, -sin[2], cos[2], zero, zero, zero, one)
    return about_x @ about_y @ about_z


def turns(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (n, 3, 3) rotations about (n, 3) axes, by their lengths in radians (Rodrigues' formula)."""
    angle = np.sqrt(np.square(vectors).sum(axis=1))[:, np.newaxis, np.newaxis]
    cross = (vectors @ _CROSS).reshape(-1, 3, 3) / np.maximum(angle, 1e-12)
    rotation: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return rotation


def vectors_of(rotation: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (n, 3) axes of (n, 3, 3) rotations by less than half a turn: the inverse of `turns`."""
    r = np.moveaxis(rotation, 0, -1)
    axis = np.stack([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]], axis=1) / 2
    sine = np.linalg.norm(axis, axis=1)
    angle = np.arctan2(sine, (np.trace(r) - 1) / 2)
    vectors: NDArray[np.float64] = axis * (angle / np.maximum(sine, 1e-12))[:, np.newaxis]
    return vectors


_CROSS = np.array([
    [0, 0, 0, 0, 0, -1, 0, 1, 0],
    [0, 0, 1, 0, 0, 0, -1, 0, 0],
    [0, -1, 0, 1, 0, 0, 0, 0, 0],
])  # fmt: skip
"""(3, 9) what makes of a vector, row by row, the matrix whose product with another is their cross product."""


@cache
def canonical_face() -> NDArray[np.float64]:
    """Return the (468, 3) canonical face that looks straight at the camera, axes as in `upright`."""
    with resources.files(__package__).joinpath("canonical_face.npy").open("rb") as file:
        face: NDArray[np.float64] = np.load(file, allow_pickle=False).astype(np.float64)
    return face


@cache
def own_shape() -> tuple[Array, Array]:
    """Return the (2304, 3) slopes and the (3,) constant that turn features into rotation vectors in radians."""
    with resources.files(__package__).joinpath("head_pose.npy").open("rb") as file:
        coefficients: Array = np.load(file, allow_pickle=False)
    return coefficients[:-1], coefficients[-1]
