"""Measure how near a face is to itself in a copy of its photo, and to the same person's in other photos.

    python benchmarks/copies.py [--encoder dlib] [--half fit|reporting] [--people 150]

Copies are crops (90 % anywhere, 70 % and 60 % about the middle), of 70 % and 40 % of the size, more compressed,
brighter, grey. Prints the distances in parts of the joining radius, how many bits of the perceptual hash differ, how
much boxes overlap in parts of the sides of the photos, and which share counts once. `identity.evidence` takes its
constants from the fit half.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from labelled import SHARED, in_fit_half, machine
from lfw import labelled_faces

from facecluster.formats import face_table
from facecluster.identity.boxes import overlaps
from facecluster.identity.evidence import SAME_COPY, SAME_MOMENT, SAME_SCENE_BITS, SAME_SHOT, count_different
from facecluster.identity.rules import DEFAULTS


def copies(pixels, rng):
    """Return copies of a photo by name: pixels and the quality of the JPEG."""
    height, width = pixels.shape[:2]

    def crop(share, where):
        w, h = int(width * share), int(height * share)
        left, top = int((width - w) * where[0]), int((height - h) * where[1])
        return pixels[top : top + h, left : left + w]

    return {
        "crop to 90 %": (crop(0.9, rng.uniform(size=2)), 85),
        "crop to 70 %": (crop(0.7, rng.uniform(0.45, 0.55, 2)), 85),
        "crop to 60 %": (crop(0.6, rng.uniform(0.45, 0.55, 2)), 85),
        "smaller": (cv2.resize(pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), 80),
        "much smaller": (cv2.resize(pixels, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), 85),
        "JPEG 40": (pixels, 40),
        "JPEG 15": (pixels, 15),
        "grey": (cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), 85),
        "brighter": (np.clip(pixels * 1.2 + 10, 0, 255).astype(np.uint8), 85),
    }


def encode(folders, encoder, table_file):
    """Encode the photos of folders."""
    names = "\0".join(map(str, folders)).encode()
    command = [
        sys.executable,
        "-m",
        "facecluster",
        "encode",
        "-",
        "-0",
        "-q",
        "-o",
        table_file,
        "--encoder",
        encoder,
    ]
    subprocess.run(command, check=True, input=names)
    table = face_table.read(table_file)
    rows, _ = labelled_faces(table)
    return table, rows


def report(what, distance, bits, iou, once):
    """Print how near pairs are, and how many count once."""
    parts = (SAME_SHOT, SAME_MOMENT, SAME_COPY)
    shares = ", ".join(f"{np.mean(distance <= part):.4f} within {part}" for part in parts)
    print(
        f"{what:13} {len(distance):6,} pairs: median {np.median(distance):.3f}, "
        f"95 % {np.percentile(distance, 95):.3f}; {shares}; "
        f"hash: median {np.median(bits):.0f} bits, {np.mean(bits <= SAME_SCENE_BITS):.3f} up to {SAME_SCENE_BITS}; "
        f"overlap: 1 % under {np.percentile(iou, 1):.2f}; {np.mean(once):.4f} count once",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sface")
    parser.add_argument("--half", choices=("fit", "reporting"), default="fit")
    parser.add_argument("--people", type=int, default=150)
    chosen = parser.parse_args()
    rng, radius = np.random.default_rng(1), DEFAULTS[chosen.encoder].join
    folders = [
        f for f in sorted((SHARED / "lfw_dev").iterdir()) if in_fit_half(f.name) == (chosen.half == "fit")
    ]
    print(f"{machine()}, {chosen.half} half, {chosen.encoder}, joining radius {radius}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "copies")
        for folder in rng.permutation(np.array(folders))[: chosen.people]:
            pixels = cv2.imread(str(min(folder.iterdir())))
            (made / folder.name).mkdir(parents=True)
            cv2.imwrite(str(made / folder.name / "original.png"), pixels)
            for name, (copy, quality) in copies(pixels, rng).items():
                file = made / folder.name / f"{name}.jpg"
                cv2.imwrite(str(file), copy, [cv2.IMWRITE_JPEG_QUALITY, quality])
        table, rows = encode([made], chosen.encoder, Path(scratch, "copies.npz"))
        paths = [Path(path) for path in table.photos.path[table.faces.photo[rows]]]
        row_of = dict(zip(paths, rows.tolist(), strict=True))
        for name in copies(pixels, rng):
            pairs = [
                (row, row_of[path.with_name(f"{name}.jpg")])
                for path, row in row_of.items()
                if path.name == "original.png" and path.with_name(f"{name}.jpg") in row_of
            ]
            report(name, *apart(table, np.array(pairs), radius))
        several = [folder for folder in folders if len(list(folder.iterdir())) > 1]
        table, rows = encode(several, chosen.encoder, Path(scratch, "others.npz"))
        people = np.array([Path(path).parent.name for path in table.photos.path[table.faces.photo[rows]]])
        pairs = np.concatenate([
            rows[np.flatnonzero(people == name)[np.stack(np.triu_indices(np.sum(people == name), 1), axis=1)]]
            for name in np.unique(people)
        ])  # fmt: skip
        report("other photos", *apart(table, pairs, radius))


def apart(table, pairs, radius):
    """Tell of pairs (k, 2) of faces: distance, bits between the hashes of their photos, overlap, and if one shot."""
    faces, hashes = table.faces, table.photos.hash[table.faces.photo].tolist()
    distance = np.linalg.norm(faces.encoding[pairs[:, 0]] - faces.encoding[pairs[:, 1]], axis=1) / radius
    bits = np.array([(hashes[i] ^ hashes[j]).bit_count() for i, j in pairs.tolist()])
    place = faces.box / np.tile(table.photos.size[faces.photo], 2)
    once = [count_different(table, pair, 2, radius) == 1 for pair in pairs]
    return distance, bits, overlaps(place[pairs[:, 0]], place[pairs[:, 1]]), once


if __name__ == "__main__":
    main()
