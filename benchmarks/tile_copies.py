"""How alike are the tiles of copies of a picture, and of different photos of a person? Sets `montage.ALIKE`.

    python benchmarks/tile_copies.py FACES.npz

FACES is a face table of photos in a folder a person, as of `facecluster encode lfw -o lfw.npz`. Of 150 people with four
faces or more, every face is scaled to 50..90 %, saved as JPEG at quality 60, and boxed anew with an error of 1.5 % of
the box.
"""

from __future__ import annotations

import io
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from facecluster.formats import face_table
from facecluster.render.montage import ALIKE, TILE_PX, look_of
from facecluster.render.tile import cut
from facecluster.result import Box

N_PEOPLE, FEWEST, MOST = 150, 4, 12


def main(file: str) -> None:
    """Measure, and print."""
    rng = np.random.default_rng(0)
    people = defaultdict[str, list[tuple[str, Box]]](list)
    table = face_table.read(Path(file))
    paths = table.photos.path.tolist()
    for photo, box in zip(table.faces.photo.tolist(), table.faces.box.tolist(), strict=True):
        people[Path(paths[photo]).parent.name].append((paths[photo], Box(*box)))
    several = sorted(name for name, faces in people.items() if len(faces) >= FEWEST)
    copies: list[float] = []
    others: list[float] = []
    for name in rng.permutation(several)[:N_PEOPLE]:
        looks = []
        for path, box in people[name][:MOST]:
            photo = Image.open(path).convert("RGB")
            looks.append(look_of(cut(np.asarray(photo), box, TILE_PX)))
            scale = rng.uniform(0.5, 0.9)
            saved = io.BytesIO()
            photo.resize((round(photo.width * scale), round(photo.height * scale))).save(
                saved, "JPEG", quality=60
            )
            edges = np.array(box) + rng.normal(0, 0.015 * (box.right - box.left), 4)
            copy = cut(np.asarray(Image.open(saved)), Box(*(scale * edges)), TILE_PX)
            copies.append(float(looks[-1] @ look_of(copy)))
        matrix = np.array(looks) @ np.array(looks).T
        others += matrix[np.triu_indices(len(looks), 1)].tolist()
    print(
        f"{len(copies)} copies: {np.mean(np.array(copies) >= ALIKE):.3f} reach {ALIKE}, least {min(copies):.3f}"
    )
    print(
        f"{len(others)} pairs of photos: {np.sum(np.array(others) >= ALIKE)} reach it, largest",
        sorted(others)[-8:],
    )


if __name__ == "__main__":
    main(sys.argv[1])
