"""The labelled photos beside the project, as the benchmarks read them, and the split that keeps us honest."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

import numpy as np

SHARED = Path(os.environ.get("FACECLUSTER_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"))


def in_fit_half(name):
    """Say whether a person or file belongs to the half on which constants are chosen; the other half is reported."""
    return hashlib.sha256(name.encode()).digest()[-1] % 2 == 0


def labels(folder):
    """Return the rows of a labels.csv as dictionaries."""
    with (SHARED / folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def person_of(file, folder):
    """Return what a photo's half is decided by: the identity of a rendered head, else the file."""
    return Path(file).name.split("_")[0] if folder == "pose_renders" else file


def labelled_meshes(folder):
    """Fit a mesh to the largest face of every photo with a labelled pose.

    Returns:
        Files (n,), points (n, 468, 3), features (n, 2304) as in `mesh.Meshes`, and labelled pitch, yaw, roll (n, 3);
        photos in which no face is found are left out.
    """
    from facecluster.photos.decode import decode
    from facecluster.vision import detect, mesh

    files, points, features, angles = [], [], [], []
    for row in labels(folder):
        pixels = decode(SHARED / folder / row["file"]).pixels
        found = detect.find_faces(pixels)
        if not len(found):
            continue
        face = found.rows(largest(found.box))
        fitted = mesh.fit_meshes(pixels, face.box, face.landmarks)
        if not np.isnan(fitted.points).any():
            files.append(row["file"])
            points.append(fitted.points[0])
            features.append(fitted.features[0])
            angles.append([float(row[f"{name}_deg"]) for name in ("pitch", "yaw", "roll")])
    return np.array(files), np.array(points), np.array(features), np.array(angles)


def central(box, pixels):
    """Return the row, as an array of one, of the box nearest to the middle of the picture: LFW's labelled face."""
    middle = np.array(pixels.shape[1::-1]) / 2
    return np.abs((box[:, :2] + box[:, 2:]) / 2 - middle).sum(axis=1).argmin()[np.newaxis]


def largest(box):
    """Return the row, as an array of one, of the largest box."""
    return np.prod(box[:, 2:] - box[:, :2], axis=1).argmax()[np.newaxis]


def overlap(a, b):
    """Return the (n, m) intersections over union of two sets of boxes."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


def machine():
    """Name the machine, for the head of a report."""
    import platform

    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
