"""Measure how surely an edit of a photo is told from another photo at its path: `identity.edited`.

    python benchmarks/edited.py [--half fit|reporting] [--people 40] [--encoder sface]

Takes two photos each of people of `lfw_dev` and `caltech_faces84`, and photos of `wider_dev`; edits the first, and lets
facecluster find the faces. Prints the share of edits that are recognised, and of their faces that are matched and
forgotten; then the share of other photos, of the same person and of another one, that are taken for an edit.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from labelled import SHARED, in_fit_half, machine

from facecluster.encoding.pipeline import encode_photos
from facecluster.identity.edited import (
    EditedSide,
    ForgottenPlaces,
    forgotten_in,
    is_edit,
    match_faces_of_edit,
)
from facecluster.identity.rules import DEFAULTS
from facecluster.options import EncodeOptions
from facecluster.photos.decode import decode
from facecluster.photos.picture import hashes


def edits(pixels):
    """Return edits of a photo by name: pixels, and the quality of the JPEG."""
    height, width = pixels.shape[:2]

    def crop(share):
        x, y = round(width * share), round(height * share)
        return pixels[y : height - y, x : width - x]

    def bright(by):
        return np.clip(pixels * by, 0, 255).astype(np.uint8)

    return {
        "crop 5 %": (crop(0.05), 92),
        "crop 10 %": (crop(0.10), 92),
        "brighter": (bright(1.3), 92),
        "darker": (bright(0.7), 92),
        "half size": (cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), 92),
        "JPEG 60": (pixels, 60),
        "turn 90": (np.ascontiguousarray(np.rot90(pixels, 1)), 92),
        "turn 180": (np.ascontiguousarray(np.rot90(pixels, 2)), 92),
        "turn 270": (np.ascontiguousarray(np.rot90(pixels, 3)), 92),
        "mirror": (np.ascontiguousarray(pixels[:, ::-1]), 92),
    }


def chosen_photos(half, n_people):
    """Return lists of up to two photos of one person each, and single photos of many."""
    wanted = half == "fit"
    rng = np.random.default_rng(0)
    folders = [
        f for f in sorted((SHARED / "lfw_dev").iterdir()) if f.is_dir() and in_fit_half(f.name) == wanted
    ]
    sets = [sorted(f.glob("*.jpg"))[:2] for f in folders]
    several = [s for s in sets if len(s) == 2]
    found = [several[i] for i in rng.permutation(len(several))[:n_people]]
    fixed = [f for f in sorted((SHARED / "caltech_faces84").iterdir()) if f.is_dir()]
    found += [sorted(f.glob("*.jpg"))[:2] for f in fixed if in_fit_half(f.name) == wanted]
    wider = [f for f in sorted((SHARED / "wider_dev").rglob("*.jpg")) if in_fit_half(f.name) == wanted]
    return found + [[wider[i]] for i in rng.permutation(len(wider))[: n_people // 3]]


def sides(table, path_hashes):
    """Return an `EditedSide` for each photo of a table, by path."""
    found = {}
    for row, path in enumerate(table.photos.path.tolist()):
        faces = table.faces.photo == row
        size = tuple(table.photos.size[row].tolist())
        found[path] = EditedSide(size, table.faces.box[faces], table.faces.encoding[faces], path_hashes[path])
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--half", choices=("fit", "reporting"), default="fit")
    parser.add_argument("--people", type=int, default=40)
    chosen = parser.parse_args()
    join = DEFAULTS[chosen.encoder].join
    print(f"{machine()}, {chosen.half} half, {chosen.encoder}", flush=True)
    known, originals = {}, []
    with tempfile.TemporaryDirectory() as scratch:
        for n, files in enumerate(chosen_photos(chosen.half, chosen.people)):
            pixels = [decode(file).pixels for file in files]
            originals.append([str(file) for file in files])
            known |= {str(f): hashes(p) for f, p in zip(files, pixels, strict=True)}
            for name, (edited, quality) in edits(pixels[0]).items():
                file = Path(scratch, f"{n} {name}.jpg")
                cv2.imwrite(str(file), edited[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
                known[str(file)] = hashes(decode(file).pixels)
        options = EncodeOptions(encoder=chosen.encoder)
        side = sides(encode_photos(list(known), options).table, known)
        olds = [side[files[0]] for files in originals]
        for name in edits(np.zeros((20, 20, 3), np.uint8)):
            news = [side[str(Path(scratch, f"{n} {name}.jpg"))] for n in range(len(olds))]
            report(name, olds, news, join)
    same = [(side[files[0]], side[files[1]]) for files in originals if len(files) == 2]
    print(
        f"same person: {np.mean([is_edit(a, b, join=join) for a, b in same]):.4f} of {len(same)} taken for an edit"
    )
    others = [is_edit(a, b, join=join) for i, a in enumerate(olds) for j, b in enumerate(olds) if i != j]
    print(f"other photo: {np.mean(others):.5f} of {len(others)} taken for an edit")


def report(name, olds, news, join):
    """Print how many edits are recognised, and how many of the faces found in them matched and forgotten."""
    recognised = [is_edit(old, new, join=join) for old, new in zip(olds, news, strict=True)]
    matched = n_faces = n_forgotten = 0
    for old, new in zip(olds, news, strict=True):
        places = ForgottenPlaces(old.size, old.box, old.hashes[0])
        gone = forgotten_in(places, new.box, new.size, new.hashes, relation="edit")
        matched += np.count_nonzero(match_faces_of_edit(old, new, join=join) >= 0)
        n_faces += min(len(old.box), len(new.box))
        n_forgotten += min(np.count_nonzero(gone), len(old.box))
    print(
        f"{name:10} {np.mean(recognised):.3f} of {len(recognised)} edits; of {n_faces} faces {matched / n_faces:.3f}"
        f" matched, {n_forgotten / n_faces:.3f} forgotten;"
        f" without a face {np.mean([not len(new.box) for new in news]):.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
