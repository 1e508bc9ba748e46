"""Print what damage does to the parts of quality and to their score, on one half of the people of `lfw_dev`.

    python benchmarks/quality.py [fit|report]

`vision.quality.HALF_AND_GOOD` was read off the fit half.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
from labelled import SHARED, central, in_fit_half

from facecluster import photos
from facecluster.table import QUALITY_PARTS
from facecluster.vision import detect, mesh, quality

N_FACES = 400


def resized(pixels, side):
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def half_hidden(pixels):
    hidden = pixels.copy()
    hidden[: len(pixels) // 2] = 60
    return hidden


def jpeg(pixels, level):
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, level])[1], cv2.IMREAD_COLOR)


RNG = np.random.default_rng(0)
DAMAGE = {
    "none": lambda p: p,
    "blur 1.5": lambda p: cv2.GaussianBlur(p, (0, 0), 1.5),
    "blur 4": lambda p: cv2.GaussianBlur(p, (0, 0), 4),
    "noise 25": lambda p: np.clip(p + RNG.normal(0, 25, p.shape), 0, 255).astype(np.uint8),
    "noise 50": lambda p: np.clip(p + RNG.normal(0, 50, p.shape), 0, 255).astype(np.uint8),
    "light x 0.25": lambda p: (p * 0.25).astype(np.uint8),
    "light x 0.1": lambda p: (p * 0.1).astype(np.uint8),
    "light x 2.5": lambda p: np.clip(p * 2.5, 0, 255).astype(np.uint8),
    "contrast x 0.2": lambda p: (p * 0.2 + 100).astype(np.uint8),
    "JPEG 10": lambda p: jpeg(p, 10),
    "JPEG 4": lambda p: jpeg(p, 4),
    "size 1/3": lambda p: resized(p, 83),
    "size 1/8": lambda p: resized(p, 31),
    "half hidden": half_hidden,
}


def main():
    half = sys.argv[1:] != ["report"]
    people = [folder for folder in sorted((SHARED / "lfw_dev").iterdir()) if in_fit_half(folder.name) == half]
    rows = {name: [] for name in DAMAGE}
    for index in np.random.default_rng(0).permutation(len(people))[:N_FACES]:
        pixels = photos.decode(min(people[index].iterdir())).pixels
        found = detect.find_faces(pixels)
        if not len(found):
            continue
        face = found.rows(central(found.box, pixels))
        for name, damage in DAMAGE.items():
            damaged = np.ascontiguousarray(damage(pixels))
            fitted = mesh.fit_meshes(damaged, face.box, face.landmarks)
            parts = quality.measure(damaged, face.box, fitted.points, fitted.presence)
            rows[name].append([*(getattr(parts, part)[0] for part in QUALITY_PARTS), quality.score(parts)[0]])
    print(f"{'fit' if half else 'reporting'} half, {len(rows['none'])} faces; 2nd percentile / median")
    print(f"{'':16}" + "".join(f"{part:>16}" for part in (*QUALITY_PARTS, "quality")) + "   above 0.8")
    for name, values in rows.items():
        low, middle = np.percentile(values, (2, 50), axis=0)
        cells = "".join(f"{a:8.2f} /{b:6.2f}" for a, b in zip(low, middle, strict=True))
        print(f"{name:16}{cells}{np.mean(np.array(values)[:, -1] > 0.8):12.3f}")


if __name__ == "__main__":
    main()
