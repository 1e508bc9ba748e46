"""Reproduce with `-d cnn --encoder dlib` what face_recognition's cnn and encodings gave on `seed_football129`.

    python benchmarks/seed.py

Bounds (issue 2): every face of `seed_encodings.npz` found at IoU 0.7, median distance of the encodings under 0.1.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from labelled import SHARED, machine, overlap
from lfw import facecluster

from facecluster.formats import face_table


def main():
    with np.load(SHARED / "seed_football129" / "seed_encodings.npz", allow_pickle=False) as seed:
        files, trbl, encodings = seed["files"], seed["box_trbl"], seed["encoding"]
    boxes = trbl[:, [3, 0, 1, 2]].astype(np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        table_file = Path(scratch, "faces.npz")
        start = time.perf_counter()
        facecluster("encode", SHARED / "seed_football129", "-o", table_file, "-d", "cnn", "--encoder", "dlib")
        seconds = time.perf_counter() - start
        table = face_table.read(table_file)
    names = np.array([Path(path).name for path in table.photos.path[table.faces.photo]])
    ious, distances = [], []
    for file, box, encoding in zip(files, boxes, encodings, strict=True):
        there = np.flatnonzero(names == file)
        iou = overlap(box[np.newaxis], table.faces.box[there])[0]
        ious.append(iou.max(initial=0))
        if len(there):
            distances.append(np.linalg.norm(table.faces.encoding[there[iou.argmax()]] - encoding))
    print(machine())
    print(
        f"{sum(iou >= 0.7 for iou in ious)} of {len(files)} faces found at IoU 0.7, least {min(ious):.3f}; distance "
        f"of encodings median {np.median(distances):.4f}, 95 % {np.percentile(distances, 95):.4f}, largest "
        f"{max(distances):.4f}; {len(table.faces)} faces found in all; {seconds:.0f} s for {len(table.photos)} photos"
    )


if __name__ == "__main__":
    main()
