"""Make facecluster/vision/canonical_face.npy from half of the labelled photos beside the project.

    python benchmarks/fit_canonical_face.py

The shape is the Procrustes mean (Gower, Generalized Procrustes Analysis, Psychometrika 40, 1975) of the meshes of one
half of `genki4k_odd`. Its zero comes from one half of the identities of `pose_renders`: per identity the mean of the
rotation that is left over, then the median over the identities, because the zero pitch of one head and of another
differ by up to 15 degrees. Halves are by the sha256 of the file name and of the identity; `benchmarks/pose.py`
reports on the other halves.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from labelled import in_fit_half, labelled_meshes

from facecluster.vision import pose

TARGET = Path(__file__).parents[1] / "facecluster" / "vision" / "canonical_face.npy"


def procrustes_mean(points, iterations=10):
    """Return the (k, 3) mean shape of (n, k, 3) point sets, free of place, size and rotation."""
    points = points - points.mean(axis=1, keepdims=True)
    points = points / np.sqrt(np.square(points).sum(axis=(1, 2), keepdims=True))
    mean = points[0]
    for _ in range(iterations):
        mean = np.einsum("nij,nki->nkj", pose.rotations(mean, points), points).mean(axis=0)
        mean -= mean.mean(axis=0)
        mean /= np.sqrt(np.square(mean).sum())
    return mean


def nearest_rotation(matrix):
    left, _, right = np.linalg.svd(matrix)
    left[:, 2] *= np.linalg.det(left @ right)
    return left @ right


def main():
    files, points, _ = labelled_meshes("genki4k_odd")
    fit = np.array([in_fit_half(file) for file in files])
    face = procrustes_mean(points[fit])

    files, points, angles = labelled_meshes("pose_renders")
    identity = np.array([Path(file).name.split("_")[0] for file in files])
    fit = np.array([in_fit_half(name) for name in identity])
    points, identity, true = points[fit], identity[fit], pose.rotation_of(angles[fit])
    for _ in range(5):  # the median of small rotations is taken about the zero found so far
        left_over = np.einsum("nji,njk->nik", pose.rotations(face, points), true)
        means = [nearest_rotation(left_over[identity == one].mean(axis=0)) for one in np.unique(identity)]
        turn = pose.rotation_of(np.median(pose.angles_of(np.array(means)), axis=0)[np.newaxis])[0]
        face = face @ turn
    np.save(TARGET, face.astype(np.float32))
    print(f"{TARGET}: {len(np.unique(identity))} identities, {fit.sum()} renders")


if __name__ == "__main__":
    main()
