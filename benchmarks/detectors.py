"""Measure recall and precision of the detectors on `wider_dev`, and time them on one thread.

    python benchmarks/detectors.py [--all]

Every labelled face of at least 40 pixels counts, at IoU 0.3. The constants of `vision.detect` were chosen on the fit
half of the photos. With --all, cnn and hog too: some minutes.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict

import cv2
import numpy as np
from labelled import SHARED, in_fit_half, labels, machine, overlap

from facecluster.photos.decode import decode
from facecluster.vision import detect


def labelled_boxes():
    boxes = defaultdict(list)
    for row in labels("wider_dev"):
        left, top, width, height = (float(row[key]) for key in "xywh")
        boxes[row["file"]].append((left, top, left + width, top + height))
    return {file: np.array(rows) for file, rows in boxes.items()}


def right(found, true):
    """Count the found boxes that match a labelled one, each labelled one once, best score first."""
    matches = overlap(found.box, true)
    free = np.ones(len(true), bool)
    count = 0
    for row in range(len(found)):
        best = np.argmax(np.where(free, matches[row], -1))
        if free[best] and matches[row, best] >= 0.3:
            free[best] = False
            count += 1
    return count


def measure(name, pictures, boxes, **options):
    """Print recall and precision over both halves, and seconds a photo."""
    counts = np.zeros((2, 3))  # right, found, labelled
    start = time.perf_counter()
    found = {file: detect.find_faces(pixels, **options) for file, pixels in pictures.items()}
    seconds = (time.perf_counter() - start) / len(pictures)
    for file, faces in found.items():
        counts[int(in_fit_half(file))] += right(faces, boxes[file]), len(faces), len(boxes[file])
    cells = [
        f"recall {n_right / n_true:.3f} precision {n_right / max(n_found, 1):.3f}"
        for n_right, n_found, n_true in (*counts, counts.sum(axis=0))
    ]
    print(
        f"{name:32} reported {cells[0]}   fit {cells[1]}   both {cells[2]}   {seconds:.3f} s a photo",
        flush=True,
    )


def large(pictures):
    """Lay photos out on 4096x3072 canvases, 4 by 3 or so: faces from 40 pixels up in 12 megapixels."""
    canvases, boxes, left, top, row_height = [], [], 0, 0, 0
    canvas, inside = np.zeros((3072, 4096, 3), np.uint8), []
    for pixels, true in pictures:
        height, width = pixels.shape[:2]
        if left + width > 4096:
            left, top, row_height = 0, top + row_height, 0
        if top + height > 3072:
            canvases.append(canvas)
            boxes.append(np.concatenate(inside))
            canvas, inside, left, top, row_height = np.zeros((3072, 4096, 3), np.uint8), [], 0, 0, 0
        canvas[top : top + height, left : left + width] = pixels
        inside.append(true + np.tile([left, top], 2))
        left, row_height = left + width, max(row_height, height)
    return canvases, boxes


def main():
    cv2.setNumThreads(1)
    print(machine())
    boxes = labelled_boxes()
    pictures = {file: decode(SHARED / "wider_dev" / file).pixels for file in boxes}
    measure("yunet, defaults", pictures, boxes)
    for side in (320, 640, 1024):
        measure(f"yunet, --max-side {side}", pictures, boxes, max_side_px=side)
    canvases, inside = large([(pictures[file], boxes[file]) for file in boxes if not in_fit_half(file)])
    found = [detect.find_faces(canvas) for canvas in canvases]
    for least in (40, 76, 120):
        seen = [
            overlap(true, faces.box).max(axis=1, initial=0)[(true[:, 2:] - true[:, :2]).min(axis=1) >= least]
            >= 0.3
            for faces, true in zip(found, inside, strict=True)
        ]
        seen = np.concatenate(seen)
        print(
            f"12-megapixel canvases, faces of at least {least} pixels: recall {seen.mean():.3f} of {len(seen)}"
        )
    wrong = sum(len(faces) - right(faces, true) for faces, true in zip(found, inside, strict=True))
    print(
        f"12-megapixel canvases: precision {1 - wrong / sum(map(len, found)):.3f}, {len(canvases)} canvases"
    )
    if "--all" in sys.argv[1:]:
        for detector in ("hog", "cnn"):
            for upsample in (0, 1):
                measure(
                    f"{detector}, --upsample {upsample}",
                    pictures,
                    boxes,
                    detector=detector,
                    upsample=upsample,
                )


if __name__ == "__main__":
    main()
