"""Measure what becomes of a face that somebody draws a careless box round: `vision.drawn`, and its constants.

    python benchmarks/drawn.py [--slack 0.15] [--people 150]

First the labelled faces of `wider_dev` that the default detector misses, and some of those that it finds: how often the
look into the enlarged crop sees a face at the box, each edge of which is off by up to `--slack` of the side, and how
well that overlaps with the label. Then people of `lfw_dev` with two photos: how far the face of one photo, found as
usual and drawn, is from that of the other.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from detectors import labelled_boxes
from labelled import SHARED, machine

from facecluster.encoding.drawn import Look, see
from facecluster.encoding.pipeline import analyse
from facecluster.identity.boxes import overlaps
from facecluster.identity.rules import DEFAULTS
from facecluster.options import EncodeOptions
from facecluster.photos.decode import decode
from facecluster.vision import detect

FOUND_IOU = 0.3
OPTIONS = EncodeOptions()


def careless(box, slack, rng):
    """Move each edge of a box by up to a share of the side."""
    side = np.tile(box[2:] - box[:2], 2)
    return box + rng.uniform(-slack, slack, 4) * side


def drawn(photo, box):
    """Give the row of the face at a box, whether a face is seen, and seconds."""
    began = time.perf_counter()
    seen = see(photo, "", Look("", "", "", 0, (tuple(box),), ()), OPTIONS)
    return seen.faces[0], bool(seen.is_face[0]), time.perf_counter() - began


def iou(one, other):
    return float(overlaps(np.array([one], float), np.array([other], float))[0])


def in_crowds(slack, rng):
    missed, found = [], []
    for file, boxes in sorted(labelled_boxes().items()):
        there = detect.find_faces(decode(SHARED / "wider_dev" / file).pixels).box
        for box in boxes:
            hit = max((iou(box, one) for one in there), default=0.0) >= FOUND_IOU
            (found if hit else missed).append((file, np.array(box, float)))
    chosen = [found[i] for i in rng.permutation(len(found))[: 5 * len(missed)]]
    for name, faces in (("missed", missed), ("found", chosen)):
        rows, times = [], []
        for file, box in faces:
            face, is_face, seconds = drawn(decode(SHARED / "wider_dev" / file), careless(box, slack, rng))
            rows.append(
                (
                    is_face,
                    iou(box, face["box"]),
                    not np.isnan(face["pose"]).any(),
                    not np.isnan(face["encoding"]).any(),
                )
            )
            times.append(seconds)
        share = np.mean(rows, axis=0)
        print(
            f"wider_dev, {name} by the detector: {len(faces)} faces; a face is seen at {share[0]:.2f}, overlap with "
            f"the label {np.median([row[1] for row in rows]):.2f}, pose known {share[2]:.2f}, encoded {share[3]:.2f}; "
            f"{np.median(times):.3f} s each"
        )


def of_people(slack, n_people, rng):
    folders = [one for one in sorted((SHARED / "lfw_dev").iterdir()) if len(list(one.glob("*.jpg"))) > 1]
    rows = []
    for place in rng.permutation(len(folders)):
        if len(rows) == n_people:
            break
        first, second = sorted(folders[place].glob("*.jpg"))[:2]
        one, other = decode(first), decode(second)
        faces, others = analyse(one, OPTIONS).faces, analyse(other, OPTIONS).faces
        if len(faces) != 1 or len(others) != 1:
            continue
        face, _, _ = drawn(one, careless(faces["box"][0].astype(float), slack, rng))
        found, by_hand, elsewhere = faces["encoding"][0], face["encoding"], others["encoding"][0]
        rows.append(
            (
                np.linalg.norm(found - by_hand),
                np.linalg.norm(found - elsewhere),
                np.linalg.norm(by_hand - elsewhere),
                abs(float(faces["quality"][0]) - float(face["quality"])),
            )
        )
    table, join = np.array(rows), DEFAULTS["sface"].join
    print(f"lfw_dev, {len(table)} people, sface (joining radius {join:.2f}):")
    most = np.quantile(table[:, 0], 0.95)
    print(f"  one face, found and drawn: {np.median(table[:, 0]):.3f} apart, 95 % under {most:.3f}")
    for name, column in (("found", 1), ("drawn", 2)):
        near = (table[:, column] < join).mean()
        print(
            f"  {name}, to the other photo: median {np.median(table[:, column]):.3f}, {near:.3f} within the radius"
        )
    print(f"  quality differs by {np.median(table[:, 3]):.3f} (median)")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slack", type=float, default=0.15)
    parser.add_argument("--people", type=int, default=150)
    args = parser.parse_args()
    print(machine())
    rng = np.random.default_rng(0)
    in_crowds(args.slack, rng)
    of_people(args.slack, args.people, rng)


if __name__ == "__main__":
    main()
