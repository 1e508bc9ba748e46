"""Measure how surely a crop of a photo is told from another photo: `encoding.crops`, and its constants.

    python benchmarks/crops.py [--half fit|reporting] [--photos 150] [--pairs 3000]

Crops photos of `lfw_dev` at all four sides by up to a share, scales half of them to 200 pixels, and saves them as JPEG
of quality 60 or 90. Prints for each share how many are found again: of those whose hash is near enough to be looked at,
and of all; then how many pairs of other photos with near hashes are taken for crops. The constants were chosen on the
fit half.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from labelled import SHARED, in_fit_half, machine
from PIL import Image

from facecluster.encoding.crops import MAYBE_CROP_BITS, find_crop
from facecluster.photos.picture import hashes

SHARES = (0.04, 0.08, 0.12, 0.16, 0.20)


def hash_of(path):
    with Image.open(path) as image:
        return hashes(np.array(image.convert("RGB")))[0]


def crop(path, share, target):
    """Save a crop by up to a share of each side, and return where it lies in parts of the sides."""
    with Image.open(path) as image:
        photo = image.convert("RGB")
    width, height = photo.size
    left, top, right, bottom = (random.random() * share for _ in range(4))
    box = (int(width * left), int(height * top), int(width * (1 - right)), int(height * (1 - bottom)))
    part = photo.crop(box)
    if random.random() < 0.5:
        part = part.resize((200, max(1, round(200 * part.height / part.width))))
    part.save(target, "JPEG", quality=random.choice((60, 90)))
    return np.array(box) / np.array([width, height] * 2)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--photos", type=int, default=150)
    parser.add_argument("--pairs", type=int, default=3000)
    args = parser.parse_args()
    random.seed(0)
    wanted = args.half == "fit"
    paths = [p for p in sorted(SHARED.glob("lfw_dev/*/*.jpg")) if in_fit_half(p.parent.name) == wanted]
    paths = random.sample(paths, min(1500, len(paths)))
    known = {path: hash_of(path) for path in paths}
    print(f"{machine()}; {args.half} half of lfw_dev")
    print(f"{'crop of a side':16}{'looked at':>10}{'found':>8}{'found of all':>14}{'largest error':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for share in SHARES:
            looked, found, errors = 0, 0, [0.0]
            for i, path in enumerate(paths[: args.photos]):
                target = Path(folder) / f"{share}-{i}.jpg"
                where = crop(path, share, target)
                if (hash_of(target) ^ known[path]).bit_count() > MAYBE_CROP_BITS:
                    continue
                looked += 1
                region = find_crop(str(path), str(target))
                found += region is not None
                if region is not None:
                    errors.append(float(np.abs(np.array(region) - where).max()))
            shares = (looked / args.photos, found / max(looked, 1), found / args.photos, max(errors))
            print(f"up to {share:<10.0%}{shares[0]:10.3f}{shares[1]:8.3f}{shares[2]:14.3f}{shares[3]:15.3f}")
        near = (
            (a, b)
            for a, b in itertools.combinations(paths, 2)
            if (known[a] ^ known[b]).bit_count() <= MAYBE_CROP_BITS
        )
        pairs = list(itertools.islice(near, args.pairs))
        began = time.perf_counter()
        taken = [(a, b) for a, b in pairs if find_crop(str(a), str(b)) is not None]
        each = (time.perf_counter() - began) / len(pairs)
        print(
            f"other photos that are looked at: {len(pairs)}, taken for crops: {len(taken)}; {each * 1e3:.1f} ms each"
        )
        for a, b in taken:
            print(f"  {a} {b}")


if __name__ == "__main__":
    main()
