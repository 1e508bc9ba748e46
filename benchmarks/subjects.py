"""Measure how surely the main subject of a photo is found: large faces, tilted ones, and no face twice.

    python benchmarks/subjects.py [--half fit|reporting] [--photos N]

Prints, for the default detector: recall and precision on `wider_dev` by the size of the face and by its roll, as the
face mesh tells it; how many portraits of `genki4k_odd` enlarged to 4,500 pixels, and as many photos of
`caltech_faces84`, have a face too many, and where; portraits turned and pasted into blurred photos of `wider_dev`, by
the size of the face and its roll; and what is found in photos without a person. The constants of `vision.detect` and
`vision.closer` were chosen on the fit half.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from detectors import labelled_boxes
from labelled import SHARED, in_fit_half, labels, machine, overlap

from facecluster.photos.decode import decode
from facecluster.vision import detect, mesh

ENLARGED_PX = 4500
SIZES = ((140, 1024), (250, 1024), (400, 2048), (600, 2048))
"""Widths of a pasted face, and long sides of the photo it is pasted into."""
ROLLS = (0, 15, 30, 45, 60)


def read(folder, file):
    return decode(SHARED / folder / file).pixels


def chosen(files, half, count):
    """Choose files of a half by chance, the same ones each time."""
    files = sorted(file for file in files if in_fit_half(file) == (half == "fit"))
    return [files[i] for i in np.random.default_rng(0).permutation(len(files))[:count]]


def enlarged(pixels, long_side):
    scale = long_side / max(pixels.shape[:2])
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), scale


def only_face(pixels):
    """Return the box of the one face that a portrait has at its own size, None where that finds another number."""
    found = detect.find_faces(pixels, max_side_px=320)
    return found.box[0] if len(found) == 1 and found.score[0] > 0.8 else None


def pasted(portrait, box, background, *, width, long_side, roll, rng):
    """Paste a portrait, turned by `roll` degrees, into a blurred photo.

    Returns:
        The photo, and the (1, 4) box of the face in it.
    """
    photo, _ = enlarged(background, long_side)
    photo = cv2.GaussianBlur(photo, None, long_side / 400)
    height, across = photo.shape[:2]
    scale = width / (box[2] - box[0])
    centre = (box[:2] + box[2:]) / 2
    reach = max(portrait.shape[:2]) * scale * 0.5
    at = [rng.uniform(min(reach, side / 2), max(side - reach, side / 2)) for side in (across, height)]
    angle = np.deg2rad(roll)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.concatenate([turn, (at - turn @ centre)[:, None]], axis=1)
    mask = np.zeros(portrait.shape[:2], np.float32)
    rows, cols = mask.shape
    cv2.ellipse(mask, ((cols / 2, rows / 2), (cols * 0.9, rows * 0.9), 0), 1.0, -1)
    mask = cv2.GaussianBlur(mask, None, cols / 40)
    mask = cv2.warpAffine(mask, matrix, (across, height))[..., None]
    turned = cv2.warpAffine(portrait, matrix, (across, height), flags=cv2.INTER_CUBIC)
    photo = (photo * (1 - mask) + turned * mask).astype(np.uint8)
    half = (box[2:] - box[:2]) * scale / 2
    return photo, np.concatenate([at - half, at + half])[None]


def inside(boxes, box):
    """Say which boxes have their middle in another."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((middle >= box[:2]) & (middle <= box[2:])).all(axis=1)


def subject(found, true):
    """Return whether the one face is found, and which finds are not it: every further one on it is one too many."""
    same = overlap(found.box, true)[:, 0]
    is_it = np.zeros(len(found), bool)
    if len(found) and same.max() >= 0.3:
        is_it[same.argmax()] = True
    return is_it.any(), ~is_it


def tell_enlarged(name, pictures):
    """Print how many portraits miss their face or have another one, on it or elsewhere."""
    missed, on_it, aside, count = 0, 0, 0, 0
    for picture, true in pictures:
        found = detect.find_faces(picture)
        seen, others = subject(found, true)
        on_face = others & inside(found.box, true[0])
        missed, count = missed + (not seen), count + 1
        on_it, aside = on_it + on_face.any(), aside + (others & ~on_face).any()
    print(
        f"{name}: {count} photos, {missed} missed, {on_it} with a find on the face, {aside} elsewhere",
        flush=True,
    )


def tell_pasted(files, backgrounds):
    rng = np.random.default_rng(0)
    portraits = (read("genki4k_odd", file) for file in files)
    portraits = [(pixels, box) for pixels in portraits if (box := only_face(pixels)) is not None]
    print("pasted portraits: missed, photos with a find too many on the face")
    for width, long_side in SIZES:
        cells = []
        for roll in ROLLS:
            missed = extra = 0
            for row, (portrait, box) in enumerate(portraits):
                sign = 1 if row % 2 else -1
                photo, true = pasted(
                    portrait,
                    box,
                    backgrounds[row % len(backgrounds)],
                    width=width,
                    long_side=long_side,
                    roll=sign * roll,
                    rng=rng,
                )
                found = detect.find_faces(photo)
                seen, others = subject(found, true)
                missed, extra = missed + (not seen), extra + (others & inside(found.box, true[0])).any()
            cells.append(f"{roll:2} degrees {missed:3} {extra:3}")
        print(f"  {width} pixels of {long_side}, {len(portraits)} photos: {'   '.join(cells)}", flush=True)


def rolls_of(pixels, boxes):
    """Estimate the roll of labelled faces in degrees, NaN where the mesh sees no face."""
    empty = np.full((len(boxes), 5, 2), np.nan, np.float32)
    points = mesh.landmarks(mesh.fit_meshes(pixels, boxes.astype(np.float32), empty).points)
    across = points[:, 1] - points[:, 0]
    return np.rad2deg(np.arctan2(across[:, 1], across[:, 0]))


def tell_labelled(half):
    """Print recall and precision on `wider_dev` by size, and recall by roll."""
    true_size, true_roll, seen, size, right = [], [], [], [], []
    for file, true in labelled_boxes().items():
        if in_fit_half(file) != (half == "fit"):
            continue
        pixels = read("wider_dev", file)
        found = detect.find_faces(pixels)
        matches = overlap(true, found.box) >= 0.3
        true_size += list((true[:, 2:] - true[:, :2]).max(axis=1))
        true_roll += list(np.abs(rolls_of(pixels, true)))
        seen += list(matches.any(axis=1))
        size += list((found.box[:, 2:] - found.box[:, :2]).max(axis=1))
        right += list(matches.any(axis=0))
    true_size, true_roll, seen, size, right = map(np.array, (true_size, true_roll, seen, size, right))
    for low, high in ((0, 60), (60, 100), (100, 200), (200, 400), (400, 9999)):
        there, told = (true_size >= low) & (true_size < high), (size >= low) & (size < high)
        print(
            f"wider_dev, {low} to {high} pixels: recall {seen[there].mean():.3f} of {there.sum()}, "
            f"precision {right[told].mean():.3f} of {told.sum()}"
        )
    for low, high in ((0, 15), (15, 30), (30, 60), (60, 181)):
        there = (true_roll >= low) & (true_roll < high)
        print(f"wider_dev, roll {low} to {high}: recall {seen[there].mean():.3f} of {there.sum()}")
    there = np.isnan(true_roll)
    print(f"wider_dev, no mesh: recall {seen[there].mean():.3f} of {there.sum()}", flush=True)


def portraits_enlarged(folder, files):
    for file in files:
        pixels = read(folder, file)
        if (box := only_face(pixels)) is not None:
            picture, scale = enlarged(pixels, ENLARGED_PX)
            yield picture, box[None] * scale


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("fit", "reporting"), default="reporting")
    parser.add_argument("--photos", type=int, default=60, help="portraits of each kind")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{machine()}, {given.half} half")
    tell_labelled(given.half)
    files = [row["file"] for row in labels("genki4k_odd")]
    files = chosen(files, given.half, given.photos)
    tell_enlarged(f"portraits of {ENLARGED_PX} pixels", portraits_enlarged("genki4k_odd", files))
    posed = chosen([row["file"] for row in labels("caltech_faces84")], given.half, given.photos)
    tell_enlarged(f"photos of {ENLARGED_PX} pixels", portraits_enlarged("caltech_faces84", posed))
    backgrounds = [read("wider_dev", file) for file in chosen(labelled_boxes(), given.half, given.photos)]
    tell_pasted(files, backgrounds)
    empty = sorted(path.relative_to(SHARED).as_posix() for path in (SHARED / "nonface").rglob("*.jpg"))
    empty = chosen(empty, given.half, None)
    finds = [len(detect.find_faces(read("", file))) for file in empty]
    print(f"photos without a person: {sum(finds)} finds in {len(finds)}")


if __name__ == "__main__":
    main()
