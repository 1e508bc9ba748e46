"""Print the parts of quality of clean and damaged faces of one half of the people of `lfw_dev`, and what they cost.

    python benchmarks/parts.py [fit|report] [N_FACES]

The constants of `vision.parts` were chosen on the fit half.
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np
from damage import LADDERS, damaged
from labelled import SHARED, central, in_fit_half, machine

from facecluster.photos.decode import decode
from facecluster.table import QUALITY_PARTS
from facecluster.vision import detect, mesh, occlusion, parts, pose

MEASURED = tuple(part for part in QUALITY_PARTS if part != "distinctness")  # that comes from the encoder
STRENGTHS = (2, 4)
PERCENTILES = (1, 5, 50, 95, 99)


def faces_of(half, n_faces):
    """Return the pixels, box and landmarks of the labelled face of one photo of each of some people."""
    people = [folder for folder in sorted((SHARED / "lfw_dev").iterdir()) if in_fit_half(folder.name) == half]
    for index in np.random.default_rng(0).permutation(len(people))[:n_faces]:
        pixels = decode(min(people[index].iterdir())).pixels
        found = detect.find_faces(pixels)
        if len(found):
            face = found.rows(central(found.box, pixels))
            yield pixels, face.box, face.landmarks


def measured(pixels, box, landmarks):
    """Return the parts of one face, (k,), and the seconds that all of them and the occlusions took on one thread."""
    fitted = mesh.fit_meshes(pixels, box, landmarks)
    angles = pose.head_pose(fitted.points, fitted.features)
    start = time.thread_time()
    found = parts.measure(pixels, box, fitted.points, fitted.presence, 1.0, angles)
    middle = time.thread_time()
    occlusion.occlusions(pixels, fitted.points, fitted.presence)
    end = time.thread_time()
    return np.array([getattr(found, part)[0] for part in MEASURED]), (middle - start, end - middle)


def main():
    cv2.setNumThreads(1)
    half = "fit" in sys.argv[1:]
    n_faces = next((int(word) for word in sys.argv[1:] if word.isdigit()), 200)
    faces = list(faces_of(half, n_faces))
    clean, seconds = zip(*(measured(*face) for face in faces), strict=True)
    clean = np.array(clean)
    print(machine())
    print(f"{'fit' if half else 'reporting'} half, {len(faces)} faces; percentiles of clean faces")
    print(f"{'':20}" + "".join(f"{q:>9}" for q in PERCENTILES) + "   unknown")
    for name, values in zip(MEASURED, clean.T, strict=True):
        known = values[~np.isnan(values)]
        cells = np.percentile(known, PERCENTILES) if len(known) else np.full(len(PERCENTILES), np.nan)
        print(f"{name:20}" + "".join(f"{cell:9.3f}" for cell in cells) + f"{np.isnan(values).sum():10}")
    sharp = clean[:, MEASURED.index("sharpness")]
    print(f"sharpness of at least 0.8: {np.mean(sharp >= 0.8):.3f} of the clean faces")
    whole, hidden = np.median(seconds, axis=0) * 1e3
    print(
        f"CPU time a face, mesh and pose aside: {whole - hidden:.2f} ms, and {hidden:.2f} ms for the occlusions"
    )

    print("\nmedians of damaged faces; of sharpness also the share of faces of at least 0.8")
    print(f"{'':18}" + "".join(f"{part[:14]:>15}" for part in MEASURED) + "   sharp")
    for kind in (None, *LADDERS):
        for strength in STRENGTHS if kind else (0,):
            rows = clean
            if kind:
                pictures = (
                    damaged(pixels, box[0], kind, strength, seed)
                    for seed, (pixels, box, _) in enumerate(faces)
                )
                rows = np.array(
                    [measured(picture, *face[1:])[0] for picture, face in zip(pictures, faces, strict=True)]
                )
            cells = [
                np.median(column[~np.isnan(column)]) if not np.isnan(column).all() else np.nan
                for column in rows.T
            ]
            share = np.mean(rows[:, MEASURED.index("sharpness")] >= 0.8)
            name = f"{kind} {strength}" if kind else "none"
            print(f"{name:18}" + "".join(f"{cell:15.3f}" for cell in cells) + f"{share:8.2f}")


if __name__ == "__main__":
    main()
