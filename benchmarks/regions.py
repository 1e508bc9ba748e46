"""Measure how surely a region of another program finds the face it is of: `library.said`, and its constants.

    python benchmarks/regions.py [--photos 250]

The labelled faces of `wider_dev` that the default detector finds (overlap 0.5 or more) stand for regions. Programs draw
boxes of other sizes and places round a face, so each is scaled, and moved by up to a tenth of its side. A row a scale:
the share of regions that find their face, another's, and none; with all faces, and with half of the faces taken out, as
if the detector had missed them, so that their regions should find none.
"""

from __future__ import annotations

import argparse

import numpy as np
from detectors import labelled_boxes
from labelled import SHARED, machine

from facecluster.formats.said_names import SaidName
from facecluster.identity.boxes import SAME_FACE_IOU, match_boxes
from facecluster.identity.changes import Placed
from facecluster.library import said
from facecluster.photos.decode import decode
from facecluster.vision import detect

SCALES = (0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.4)


def found_faces(n_photos):
    """Give, of each photo, its size, the detected boxes, and pairs of a label and the box that is of it."""
    for file, true in sorted(labelled_boxes().items())[:: max(1, 250 // n_photos)]:
        pixels = decode(SHARED / "wider_dev" / file).pixels
        box = detect.find_faces(pixels).box.astype(np.float64)
        zero = np.zeros
        pairs = match_boxes(zero(len(true), int), true, zero(len(box), int), box)
        yield (
            (pixels.shape[1], pixels.shape[0]),
            box,
            true,
            list(zip(*map(np.ndarray.tolist, pairs), strict=True)),
        )


def region(box, scale, size, rng):
    """Draw a box as another program would, 0..1."""
    side = box[2:] - box[:2]
    middle = (box[:2] + box[2:]) / 2 + rng.uniform(-0.1, 0.1, 2) * side
    corners = np.concatenate([middle - scale * side / 2, middle + scale * side / 2]) / np.tile(size, 2)
    return tuple(np.clip(corners, 0, 1).tolist())


def matched(size, boxes, regions, names):
    """Give the number of the region by that of its face."""
    n = len(boxes)
    faces = Placed([str(i) for i in range(n)], ["p"] * n, boxes, boxes, np.full(n, -1), np.full(n, np.nan))
    told = tuple(
        SaidName(str(name), box, "upright", "xmp", "a.xmp") for name, box in zip(names, regions, strict=True)
    )
    found = said.match(said.Said({"p": told}, (), 1), faces, {"p": size})
    return {int(those[0].name): row for row, those in found.names.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=250)
    args = parser.parse_args()
    print(machine())
    there = list(found_faces(args.photos))
    n = sum(len(pairs) for *_, pairs in there)
    print(f"{n} faces of {len(there)} photos")
    chosen = said.LEAST_OVERLAP, said._is_near
    rules = {
        "as said.match": chosen,
        "overlap 0.5 alone": (SAME_FACE_IOU, lambda *_: True),
        "overlap 0.2 alone": (0.2, lambda *_: True),
        "overlap 0.2, near": (0.2, said._is_near),
        "overlap 0.1 alone": (0.1, lambda *_: True),
    }
    for rule, (said.LEAST_OVERLAP, said._is_near) in rules.items():
        for scale in SCALES:
            rng, count = np.random.default_rng(0), np.zeros((2, 3), int)
            for size, boxes, true, pairs in there:
                regions = [region(true[label], scale, size, rng) for label, _ in pairs]
                for half in (0, 1):
                    stay = np.ones(len(boxes), bool)
                    stay[[face for _, face in pairs if half and rng.random() < 0.5]] = False
                    found = matched(size, boxes[stay], regions, range(len(pairs)))
                    left = np.flatnonzero(stay)
                    right = sum(left[row] == pairs[i][1] for i, row in found.items())
                    count[half] += right, len(found) - right, len(pairs) - len(found)
            share = count / count.sum(axis=1, keepdims=True)
            told = "; ".join(
                f"{which} {s[0]:.3f} their face, {s[1]:.4f} another, {s[2]:.3f} none"
                for which, s in zip(("all:", "half missed:"), share, strict=True)
            )
            print(f"{rule}, scale {scale}: {told}")


if __name__ == "__main__":
    main()
