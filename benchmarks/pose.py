"""Measure the head pose on labelled photos: mean absolute error, and decisions of the gate.

    python benchmarks/pose.py

Bounds (issue 2): on `pose_renders` within 30 degrees at most 3.0, decisions right at least 0.92.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from labelled import in_fit_half, labelled_meshes, labels

from facecluster.vision import pose


def report(name, n_photos, measured, true):
    """Print one line: a photo in which no face was read decides as the gate does, by failing."""
    error = np.abs((measured - true + 180) % 360 - 180)
    within = (np.abs(true) < 30).all(axis=1)
    right = ((np.abs(measured) < 30).all(axis=1) == within).sum() / n_photos
    angles = " / ".join(f"{value:.1f}" for value in error.mean(axis=0))
    print(
        f"{name:28} {n_photos:5} photos   MAE {error.mean():.2f} (pitch / yaw / roll {angles})"
        f"   within 30 degrees {error[within].mean():.2f}   gate right {right:.3f}"
    )


def main():
    for folder in ("pose_renders", "genki4k_odd", "aflw2000_16"):
        files, points, true = labelled_meshes(folder)
        if folder == "aflw2000_16":
            true = true * [1, -1, 1]  # its yaw has the opposite sign
        measured = pose.angles_of(pose.rotations(pose.canonical_face(), points))
        rows = [row["file"] for row in labels(folder)]
        report(folder, len(rows), measured, true)
        if folder == "aflw2000_16":
            continue
        groups = {row: Path(row).name.split("_")[0] if folder == "pose_renders" else row for row in rows}
        for half, name in ((True, "fitted on"), (False, "reported")):
            chosen = np.array([in_fit_half(groups[file]) == half for file in files])
            n_photos = sum(in_fit_half(group) == half for group in groups.values())
            report(f"  {name}", n_photos, measured[chosen], true[chosen])


if __name__ == "__main__":
    main()
