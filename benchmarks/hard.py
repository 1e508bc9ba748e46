"""Measure how many faces of bad photos are placed, and how many wrongly, on photos of `lfw_dev` that are made worse.

    python benchmarks/hard.py [--table FILE]

Of everyone with five photos or more, up to 14 photos; and a third of those who have one. Of the former the photos from
the fourth on, and of the latter each, are made worse, six in ten: fewer pixels, blur, strong compression, or a small
photo. All of it is drawn from a fixed seed. Prints, with all defaults, for the fit half and the reporting half: the
share of the faces of people with three photos or more that are placed, how many of those placed are with somebody
else, and how many of the strangers of one photo are placed.

--table keeps the face table, or takes it from there.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from labelled import SHARED, machine
from lfw import encode, half_of, labelled_faces
from PIL import Image, ImageFilter

from facecluster.formats import face_table
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.rules import Rules

MANY, MOST, GOOD = 5, 14, 3


def worse(image, rng):
    """Return a photo of 250 pixels with less in it."""
    way = rng.randrange(4)
    if way == 0:
        side = int(250 * rng.choice([0.22, 0.28, 0.34]))
        return image.resize((side, side), Image.Resampling.LANCZOS).resize(
            (250, 250), Image.Resampling.BICUBIC
        )
    if way == 1:
        return image.filter(ImageFilter.GaussianBlur(rng.choice([2, 2.5, 3])))
    if way == 2:
        buffer = io.BytesIO()
        image.resize((110, 110)).save(buffer, "JPEG", quality=rng.choice([8, 12]))
        return Image.open(buffer).convert("RGB").resize((250, 250), Image.Resampling.BICUBIC)
    side = int(250 * rng.choice([0.25, 0.3]) * 1.6)
    return image.filter(ImageFilter.GaussianBlur(1)).resize((side, side))


def make_photos(folder):
    """Write the photos, a folder a person."""
    rng = random.Random(1)
    for person in sorted((SHARED / "lfw_dev").iterdir()):
        files = sorted(person.glob("*.jpg"))[:MOST]
        many = len(files) >= MANY
        if not many and not (len(files) == 1 and rng.random() < 0.35):
            continue
        (folder / person.name).mkdir()
        for i, file in enumerate(files):
            image = Image.open(file).convert("RGB")
            if not many or (i >= GOOD and rng.random() < 0.6):
                image = worse(image, rng)
            image.save(folder / person.name / file.name, quality=90)


def report(table):
    """Print who is placed."""
    rows, people = labelled_faces(table)
    label = cluster_faces(table, Rules.make(table.settings.encoder), jobs=-1).label[rows]
    count = Counter(people.tolist())
    several = np.array([count[name] >= 3 for name in people])
    placed = label >= 0
    whose = {
        one: Counter(people[label == one].tolist()).most_common(1)[0][0]
        for one in set(label[placed].tolist())
    }
    wrong = sum(
        whose[one] != name for one, name in zip(label[placed].tolist(), people[placed].tolist(), strict=True)
    )
    print(
        f"placed {placed[several].mean():.3f} of {several.sum()} faces of people with three photos or more, {wrong} of "
        f"them with somebody else; {placed[~several].sum()} of {(~several).sum()} strangers"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", type=Path)
    chosen = parser.parse_args()
    print(machine(), flush=True)
    if chosen.table and chosen.table.exists():
        table = face_table.read(chosen.table)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            make_photos(Path(scratch))
            table = encode(sorted(Path(scratch).iterdir()), "sface")
        if chosen.table:
            face_table.write(table, chosen.table)
    for fit in (True, False):
        print("fit half: " if fit else "reporting half: ", end="")
        report(half_of(table, fit))


if __name__ == "__main__":
    main()
