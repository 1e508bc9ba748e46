"""Measure how many faces are found in photos that lie turned, how many are found where none is, and what it costs.

    python benchmarks/turned.py [--fit] [--detector hog] [--quick]

Photos of `lfw_dev` and `wider_dev` are turned by quarters; a labelled face counts as found at IoU 0.3 with its box in
the photo as it lies, and in `lfw_dev`, which has no boxes, with the face nearest to the middle upright. The reported
half is told, with --fit the half on which the constants of `vision.turned` were chosen. Time is that of
`pipeline.analyse`, each photo with the second look and without, one after the other, in seconds of the
processor.
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np
from detectors import labelled_boxes
from labelled import SHARED, central, in_fit_half, machine, overlap

from facecluster.encoding import pipeline
from facecluster.identity.edited import into_turned
from facecluster.options import EncodeOptions
from facecluster.photos.decode import decode
from facecluster.vision import detect, turned
from facecluster.vision.mesh import fit_meshes

TURNS = (0, 1, 2, 3)


def find(pixels, detector, *, second_look=True):
    """Return the boxes that are found, in pixels of the picture as it is, and by how many quarters it was turned."""
    if not second_look:
        return detect.find_faces(pixels, detector=detector).box, 0
    upright = turned.find_upright(
        pixels, detector=detector, min_face_px=detect.MIN_FACE_PX, max_side_px=None, upsample=detect.UPSAMPLE
    )
    size = upright.pixels.shape[1::-1], pixels.shape[1::-1]
    corners = into_turned(upright.found.box.reshape(-1, 2, 2), *size, upright.turns)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), upright.turns


def lying(box, size, k):
    """Boxes of an upright picture in one that lies turned clockwise by k quarters."""
    corners = into_turned(
        np.asarray(box, float).reshape(-1, 2, 2), size, size if k % 2 == 0 else size[::-1], k
    )
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def tell_found(name, pictures, detector):
    """Print the share of the true boxes that is found in each turn, with the second look and without."""
    for k in TURNS:
        cells = []
        for second_look in (False, True):
            n_right = n_true = n_found = n_turned = 0
            for pixels, true in pictures:
                there = lying(true, pixels.shape[1::-1], k)
                box, turns = find(
                    np.ascontiguousarray(np.rot90(pixels, -k)), detector, second_look=second_look
                )
                n_right += (overlap(there, box).max(axis=1, initial=0) >= 0.3).sum()
                n_true, n_found, n_turned = n_true + len(there), n_found + len(box), n_turned + (turns == k)
            cells.append(f"{n_right / n_true:.3f} of {n_true} (found {n_found})")
        right = n_turned / len(pictures)
        print(
            f"{name} turned by {90 * k:3}: {cells[0]}, second look {cells[1]}, photos put right {right:.3f}",
            flush=True,
        )


def tell_false(pictures, detector):
    """Print how many faces are found where there is none."""
    counts = [
        sum(len(find(pixels, detector, second_look=second)[0]) for pixels in pictures) for second in (0, 1)
    ]
    print(f"nonface: {len(pictures)} photos, {counts[0]} false faces, second look {counts[1]}", flush=True)


def as_it_is(pixels, **how):
    """Stand for `turned.find_upright` without the second look."""
    found = detect.find_faces(pixels, **how)
    return turned.Upright(0, pixels, found, fit_meshes(pixels, found.box, found.landmarks))


def tell_time(name, files, options):
    """Print the seconds of `pipeline.analyse` with the second look and without."""
    seconds = np.zeros((len(files), 2))
    with_look = turned.find_upright
    for i, file in enumerate(files):
        data = file.read_bytes()
        for way in (0, 1) if i % 2 else (1, 0):
            turned.find_upright = with_look if way else as_it_is
            best = np.inf
            for _ in range(2):
                start = time.process_time()
                pipeline.analyse(decode(data), options)
                best = min(best, time.process_time() - start)
            seconds[i, way] = best
    turned.find_upright = with_look
    return seconds


def main():
    cv2.setNumThreads(1)
    print(machine())
    detector = sys.argv[sys.argv.index("--detector") + 1] if "--detector" in sys.argv else "yunet"
    fit, most = "--fit" in sys.argv, 20 if "--quick" in sys.argv else 120
    rng = np.random.default_rng(3)

    def sample(files, name_of=lambda file: file.name):
        half = sorted(file for file in files if in_fit_half(name_of(file)) == fit)
        return [half[i] for i in sorted(rng.permutation(len(half))[:most])]

    lfw = []
    for file in sample((SHARED / "lfw_dev").glob("*/*.jpg"), lambda file: file.parent.name):
        pixels = decode(file).pixels
        box = detect.find_faces(pixels).box
        if len(box):
            lfw.append((pixels, box[central(box, pixels)]))
    tell_found("lfw_dev", lfw, detector)
    boxes = labelled_boxes()
    names = sorted(file for file in boxes if in_fit_half(file) == fit)[:most]
    wider = [SHARED / "wider_dev" / file for file in names]
    tell_found(
        "wider_dev",
        [(decode(file).pixels, boxes[name]) for file, name in zip(wider, names, strict=True)],
        detector,
    )
    nonface = [file for file in sorted((SHARED / "nonface").glob("*/*")) if in_fit_half(file.name) == fit][
        :most
    ]
    tell_false([decode(file).pixels for file in nonface], detector)

    options = EncodeOptions(detector=detector)
    for file in wider[:2]:
        pipeline.analyse(decode(file), options)  # opens the networks
    spent = {
        name: tell_time(name, files, options) for name, files in (("wider_dev", wider), ("nonface", nonface))
    }
    for name, seconds in spent.items():
        without, with_look = seconds.mean(axis=0)
        print(f"{name}: {without:.3f} s a photo, second look {with_look / without:.3f} times that")
    half = sum(seconds.mean(axis=0) for seconds in spent.values())
    print(f"half of the photos of each: {half[1] / half[0]:.3f} times")


if __name__ == "__main__":
    main()
