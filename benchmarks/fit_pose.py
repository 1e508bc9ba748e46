"""Make facecluster/vision/canonical_face.npy and facecluster/vision/head_pose.npy; a quarter of an hour on two cores.

    python benchmarks/fit_pose.py

The canonical face is the Procrustes mean (Gower, Generalized Procrustes Analysis, Psychometrika 40, 1975) of the meshes
of one half of `genki4k_odd`. Its zero comes from one half of the identities of `pose_renders`: per identity the mean of
the rotation that is left over, then the median over the identities.

What the rotation onto the canonical face leaves over is mostly the face's own: the network takes a long nose, a low
brow or a receding chin for a head that is bowed or raised. That part is a linear function of the network's features,
found by ridge regression on heads of known pose: random heads drawn for the purpose (`heads.py`), which know nothing of
the labelled data, and the same halves of `genki4k_odd` and `pose_renders`, which bring real skin and fix the zero. All
pictures count twice, as they are and mirrored, and in pairs. Halves are by the sha256 of the file name and of the
identity; `benchmarks/pose.py` reports on the other halves.
"""

from __future__ import annotations

from multiprocessing import Pool
from pathlib import Path

import cv2
import heads
import numpy as np
from labelled import SHARED, in_fit_half, labels, largest, person_of

from facecluster.photos.decode import decode
from facecluster.vision import detect, mesh, pose

TARGET = Path(pose.__file__).parent
N_PEOPLE, N_POSES = 1500, 5
WEIGHTS = {"drawn": 1.0, "genki4k_odd": 0.5, "pose_renders": 3.0}
"""Of one picture: all drawn heads together count four times as much as all others."""
RIDGE = 0.01
"""Of the features' mean variance; 0.003, 0.01 and 0.03 were within 0.1 degrees of each other, also on the
reported half."""
MIRROR = 1.0
"""How much it counts that a picture and its mirror image get the same pose, against that both get the right one. It
costs 0.1 degrees and takes 0.3 off the 2.1 by which the pitch of mirrored photos differed, both seen on the
reported half."""


def views(pixels, angles, person):
    """Fit meshes to the largest face of a picture and of its mirror image.

    Returns:
        Points (2, 468, 3) upright, features (2, 2304), angles (2, 3), people (2,); none of them where no face is read.
    """
    nothing = np.empty((0, 468, 3)), np.empty((0, mesh.N_FEATURES)), np.empty((0, 3)), np.empty(0, str)
    found = detect.find_faces(pixels)
    if not len(found):
        return nothing
    face = found.rows(largest(found.box))
    width = pixels.shape[1]
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    box = [width, 0, width, 0] + face.box[:, [2, 1, 0, 3]] * [-1, 1, -1, 1]
    landmarks = [width, 0] + face.landmarks[:, [1, 0, 2, 4, 3]] * [-1, 1]
    both = [
        mesh.fit_meshes(pixels, face.box, face.landmarks),
        mesh.fit_meshes(mirrored, box.astype(np.float32), landmarks.astype(np.float32)),
    ]
    points = np.concatenate([one.points for one in both])
    features = np.concatenate([one.features for one in both])
    if np.isnan(features).any():
        return nothing
    return pose.upright(points), features, np.array([angles, angles * [1, -1, -1]]), np.array([person] * 2)


def labelled_views(row):
    path, angles, person = row
    return views(decode(path).pixels, np.array(angles), person)


def drawn_views(number):
    """Draw one person a few times: once straight, else anyhow."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([7, number])
    vertices, paint = heads.person(rng)
    several = []
    for index in range(N_POSES):
        angles = rng.uniform(-30, 30, 3) * [1, rng.choice([1, 2]), 1] * (index > 0)
        several.append(views(heads.draw(rng, vertices, paint, angles), angles, str(number)))
    return tuple(np.concatenate(column) for column in zip(*several, strict=True))


def fit_half(folder):
    """Return (path, angles, person) of the half of a folder's photos that constants are chosen on."""
    rows = [(row, person_of(row["file"], folder)) for row in labels(folder)]
    return [
        (
            SHARED / folder / row["file"],
            [float(row[f"{name}_deg"]) for name in ("pitch", "yaw", "roll")],
            person,
        )
        for row, person in rows
        if in_fit_half(person)
    ]


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


def with_zero(face, points, true, people):
    """Turn a face so that it looks straight ahead where heads of known pose do."""
    for _ in range(5):  # the median of small rotations is taken about the zero found so far
        left_over = np.einsum("nji,njk->nik", pose.rotations(face, points), true)
        means = [nearest_rotation(left_over[people == one].mean(axis=0)) for one in np.unique(people)]
        face = face @ pose.rotation_of(np.median(pose.angles_of(np.array(means)), axis=0)[np.newaxis])[0]
    return face


def readout(features, left_over, differences, weight):
    """Return the (2305, 3) ridge regression of rotation vectors on features; its last row is the constant.

    Args:
        features: (n, 2304); rows 2i and 2i + 1 are a picture and its mirror image.
        left_over: (n, 3) rotation vectors to be found.
        differences: (n / 2, 3) by how much those of a pair have to differ for both to give the same pose.
        weight: (n,) of the rows.
    """
    columns = np.hstack([features, np.ones((len(features), 1))])
    weight = weight[:, np.newaxis] / weight.sum()
    products = (columns * weight).T @ columns
    variance = np.trace(products - np.outer(products[-1], products[-1])) / len(features[0])
    products[np.diag_indices(len(features[0]))] += RIDGE * variance
    result = np.empty((len(products), 3))
    for axis, sign in enumerate((1, -1, -1)):  # a mirror image turns the other way about the upright axes
        apart = columns[::2] - sign * columns[1::2]
        weighted = MIRROR * apart * weight[::2]
        right = (columns * weight).T @ left_over[:, axis] + weighted.T @ differences[:, axis]
        result[:, axis] = np.linalg.solve(products + weighted.T @ apart, right)
    return result


def gather(results):
    return [np.concatenate(column) for column in zip(*results, strict=True)]


def samples(pool):
    """Return points, features and angles of all pictures, by where they are from."""
    data = {"drawn": gather(pool.imap(drawn_views, range(N_PEOPLE)))}
    for folder in ("genki4k_odd", "pose_renders"):
        data[folder] = gather(pool.imap(labelled_views, fit_half(folder)))
    return data


def fit(data):
    """Return the canonical face and the readout."""
    points, _, angles, people = data["pose_renders"]
    face = with_zero(procrustes_mean(data["genki4k_odd"][0]), points, pose.rotation_of(angles), people)
    points, features, angles = (
        np.concatenate([data[name][column] for name in WEIGHTS]) for column in range(3)
    )
    rotation = pose.rotations(face, points)
    left_over = np.einsum("nji,njk->nik", rotation, pose.rotation_of(angles))
    mirror = np.diag([-1.0, 1.0, 1.0])
    differences = np.einsum("nji,njk->nik", rotation[::2], mirror @ rotation[1::2] @ mirror)
    weight = np.concatenate([np.full(len(data[name][0]), value) for name, value in WEIGHTS.items()])
    vectors = pose.vectors_of(left_over), pose.vectors_of(differences)
    return face, readout(features.astype(np.float64), *vectors, weight)


def main():
    heads.fetched()  # once, not by both processes
    with Pool(2) as pool:
        data = samples(pool)
    face, coefficients = fit(data)
    np.save(TARGET / "canonical_face.npy", face.astype(np.float32))
    np.save(TARGET / "head_pose.npy", coefficients.astype(np.float32))
    print(TARGET, {name: len(columns[0]) for name, columns in data.items()})


if __name__ == "__main__":
    main()
