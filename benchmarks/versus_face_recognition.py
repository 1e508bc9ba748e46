"""Time `facecluster encode` on `wider_dev` beside what face_recognition does with `model="cnn"`, and score its faces.

    python benchmarks/versus_face_recognition.py [N]

face_recognition's `face_locations(model="cnn")` and `face_encodings` are these calls of dlib: the cnn detector with one
doubling, the five-point landmarks, one descriptor a face. It would take an hour or two for all 250 photos, so it is
timed on N photos (default 8, every 31st) and ours on all of them, start-up included; both are seconds a photo, on the
cores that each uses by itself (ours all, dlib one).

Bounds (issue 2): at least 60 times faster, recall at least 0.92 and precision at least 0.93 at IoU 0.3.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import dlib
import numpy as np
from detectors import labelled_boxes
from labelled import SHARED, machine, overlap
from lfw import facecluster

from facecluster.formats import face_table
from facecluster.photos.decode import decode
from facecluster.vision import models


def face_recognition(pixels, cnn, landmarks, resnet):
    """Locate and encode the faces of one photo as face_recognition does."""
    faces = [detection.rect for detection in cnn(pixels, 1)]
    return [resnet.compute_face_descriptor(pixels, landmarks(pixels, face), 1) for face in faces]


def main():
    n_timed = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    boxes = labelled_boxes()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        table_file = Path(scratch, "faces.npz")
        start = time.perf_counter()
        facecluster("encode", SHARED / "wider_dev", "-o", table_file)
        ours = (time.perf_counter() - start) / len(boxes)
        table = face_table.read(table_file)

    paths = [str(Path(path).relative_to(SHARED / "wider_dev")) for path in table.photos.path]
    right = n_labelled = 0
    for row, path in enumerate(paths):
        found = table.faces.box[table.faces.photo == row]
        matches = overlap(boxes[path], found) >= 0.3
        right += min(matches.any(axis=1).sum(), matches.any(axis=0).sum())
        n_labelled += len(boxes[path])
    recall, precision = right / n_labelled, right / len(table.faces)
    print(
        f"recall {recall:.3f}, precision {precision:.3f} at IoU 0.3; {len(table.faces)} faces in {len(paths)} photos"
    )

    cnn = dlib.cnn_face_detection_model_v1(str(models.path("dlib-mmod")))
    landmarks = dlib.shape_predictor(str(models.path("dlib-5point")))
    resnet = dlib.face_recognition_model_v1(str(models.path("dlib-resnet")))
    pictures = [
        decode(SHARED / "wider_dev" / path).pixels for path in list(boxes)[:: len(boxes) // n_timed][:n_timed]
    ]
    times = []
    for pixels in pictures:
        start = time.perf_counter()
        face_recognition(pixels, cnn, landmarks, resnet)
        times.append(time.perf_counter() - start)
    theirs = float(np.mean(times))
    print(
        f"face_recognition {theirs:.2f} s a photo ({n_timed} photos), facecluster encode {ours:.4f} s a photo: "
        f"{theirs / ours:.0f} times faster"
    )


if __name__ == "__main__":
    main()
