"""Make the older library beside this file: run it with facecluster as of commit 2225703, and with no other.

    git worktree add /tmp/2225703 2225703
    PYTHONPATH=/tmp/2225703 python tests/library_2225703/make.py

The pictures are smooth noise, in which no detector finds a face. The faces of the table are synthetic, so that nobody's
photo lies in the repository. All else is what the commands of the time wrote.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
from PIL import Image

from facecluster import store
from facecluster.table import ATTRIBUTES, NO_FACE, OK, QUALITY_PARTS, Faces, FaceTable, Photos

ROOT = Path("/tmp/facecluster-2225703")
PICTURES, LIBRARY = ROOT / "pictures", ROOT / "people"
KEPT = Path(__file__).resolve().parent
WIDTH, HEIGHT = 240, 120
SPREAD = 0.4
"""Distance of two faces of one person; two people are 1.41 apart."""

SHOWN = [
    *[["anna"]] * 4,
    ["anna", "gone"],
    *[["bert"]] * 3,
    ["bert", "clara"],
    *[["clara"]] * 2,
    *[["clara as a child"]] * 3,
    *[["twins"]] * 6,
    ["fay"],
    *[["statue"]] * 3,
    *[["gone"]] * 2,
    *[["pair"]] * 2,
    [],
]
"""Who is in each picture, from left to right."""


def picture(number: int) -> Path:
    return PICTURES / f"{number:02d}.{'png' if number % 8 == 5 else 'jpg'}"


def draw() -> None:
    """Draw smooth noise: JPEG, and every eighth picture PNG with few colours."""
    for number in range(len(SHOWN)):
        rng = np.random.default_rng(2225703 + number)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 8, 3), dtype=np.uint8))
        if picture(number).suffix == ".png":
            coarse.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).quantize(32).save(picture(number))
        else:
            coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(picture(number), quality=15)


def with_faces(table: FaceTable) -> FaceTable:
    """Put synthetic faces into a table of photos without any."""
    rng = np.random.default_rng(0)
    who = list(dict.fromkeys(name for names in SHOWN for name in names))
    photo = [row for row, names in enumerate(SHOWN) for _ in names]
    place = [left for names in SHOWN for left in range(len(names))]
    direction = [who.index(name) for names in SHOWN for name in names]
    n = len(photo)
    noise = rng.normal(size=(n, 128))
    noise *= SPREAD / np.sqrt(2) / np.linalg.norm(noise, axis=1, keepdims=True)
    encoding = np.eye(128)[direction] + noise
    encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    box = np.array([[10 + 120 * left, 10, 110 + 120 * left, 110] for left in place])
    columns = {
        "photo": np.array(photo, dtype=np.int32),
        "id": np.array(
            [f"{table.photos.digest[row]}-{left}" for row, left in zip(photo, place, strict=True)]
        ),
        "box": box.astype(np.float32),
        "score": np.array([0.95 - 0.05 * left for left in place], dtype=np.float32),
        "landmarks": np.tile(box[:, None, :2] + 50, (1, 5, 1)).astype(np.float32),
        "pose": np.zeros((n, 3), dtype=np.float32),
        "quality": np.full(n, 0.9, dtype=np.float32),
        **{part: np.full(n, 0.5, dtype=np.float32) for part in QUALITY_PARTS},
        **{name: np.full(n, np.nan, dtype=np.float32) for name in ATTRIBUTES},
        "encoding": encoding.astype(np.float32),
    }
    photos = {column.name: getattr(table.photos, column.name) for column in fields(Photos)}
    photos["status"] = np.array([OK if names else NO_FACE for names in SHOWN])
    return FaceTable(Photos(**photos), Faces(**columns), table.settings)


def facecluster(*arguments: object) -> str:
    print("facecluster", *arguments)
    done = subprocess.run(
        [sys.executable, "-m", "facecluster", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def person(number: int) -> str:
    """Id of whoever has the first face of a picture."""
    people = json.loads((LIBRARY / "clusters.json").read_text())["people"]
    return next(p["id"] for p in people for face in p["faces"] if face["photo"] == str(picture(number)))


def main() -> None:
    shutil.rmtree(ROOT, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    LIBRARY.mkdir()
    draw()
    table = LIBRARY / "faces.npz"
    facecluster("encode", PICTURES, "-o", table)
    store.write(with_faces(store.read(table)), table)
    facecluster("cluster", table, "-o", LIBRARY, "--min-images", 2, "--link", "none")
    facecluster("name", LIBRARY, person(0), "Anna Berg")
    facecluster("name", LIBRARY, person(5), "Bert Alm")
    facecluster("name", LIBRARY, person(9), "Clara Dahl")
    facecluster("merge", LIBRARY, "Clara Dahl", person(11))
    facecluster("name", LIBRARY, person(14), "Dora Ek")
    facecluster("split", LIBRARY, "Dora Ek", picture(17), picture(18), picture(19))
    facecluster("name", LIBRARY, person(17), "Edda Ek")
    facecluster("move", LIBRARY, picture(20), "Anna Berg")
    facecluster("not-a-person", LIBRARY, person(21))
    facecluster("name", LIBRARY, "Bert Alm", "A mistake")
    facecluster("undo", LIBRARY)
    facecluster("forget", LIBRARY, "--person", person(24))
    store.write(store.read(table), LIBRARY / "faces.pickle")
    for name in ("pictures", "people"):
        shutil.rmtree(KEPT / name, ignore_errors=True)
    shutil.copytree(PICTURES, KEPT / "pictures")
    (KEPT / "people").mkdir()
    for name in ("faces.npz", "faces.pickle", "clusters.json", "decisions.jsonl", ".facecluster-files.jsonl"):
        shutil.copy(LIBRARY / name, KEPT / "people" / name)


if __name__ == "__main__":
    main()
