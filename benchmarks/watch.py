"""Time a photo that arrives in a large library, beside its analysis, and say which files it writes.

    python benchmarks/watch.py [--faces 100000] [--people 5000] [--times 5]

The faces are synthetic: a random direction each person, faces 0.4 apart around it, four in a photo. What the networks
find in an arriving photo is made up: one face, of somebody known or of a stranger. The time is from the photo being
whole to its event: read it, know it for new, note it, place it, put down what is to be told, tell it.

Bounds (issue 11): under 1 s; no file of the size of the library is written.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from labelled import machine
from PIL import Image

from facecluster.encoding.analysis import FACE, Analysis, Row
from facecluster.encoding.dated import UNDATED
from facecluster.formats import face_table
from facecluster.library import update
from facecluster.library.build import build
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.library.watch import Watch
from facecluster.options import EncodeOptions
from facecluster.photos import picture
from facecluster.photos.decode import decode
from facecluster.photos.file import read_photo
from facecluster.table import MEASURED, OK, PLAIN, Faces, FaceTable, Photos

PER_PHOTO = 4
SPREAD = 0.4


def unit(rows):
    """Return rows of length one."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def make_table(n, directions):
    """Return a table of n faces of some people, of whom each has one in a photo at most."""
    rng = np.random.default_rng(12)
    person, photo, place = np.arange(n) % len(directions), np.arange(n) // PER_PHOTO, np.arange(n) % PER_PHOTO
    m = int(photo[-1]) + 1
    encoding = unit(directions[person] + SPREAD / np.sqrt(2) * unit(rng.normal(size=(n, 128))))
    digest = [f"{i:032x}" for i in range(m)]
    left = 110 * place + 5
    box = np.stack([left, np.full(n, 5), left + 100, np.full(n, 105)], axis=1).astype(np.float32)
    return FaceTable(
        Photos(
            path=np.array([f"/photos/of/somebody/{i:06d}.jpg" for i in range(m)]),
            digest=np.array(digest),
            coded=np.array([f"c{i:031x}".encode() for i in range(m)]),
            pixels=np.array([text.encode() for text in digest]),
            size=np.tile(np.array([PER_PHOTO * 110, 110], dtype=np.int32), (m, 1)),
            status=np.full(m, OK),
            reason=np.full(m, ""),
            time=np.full(m, np.nan),
            time_from=np.full(m, ""),
            zoned=np.zeros(m, dtype=np.uint8),
            hash=rng.integers(1, 2**63, m).astype(np.uint64),
            lost=np.zeros(m, dtype=np.uint8),
        ),
        Faces(
            photo=photo.astype(np.int32),
            id=np.array([f"{digest[i]}-{k}" for i, k in zip(photo, place, strict=True)]),
            box=box,
            anchor=box,
            score=np.full(n, 0.9, dtype=np.float32),
            landmarks=np.tile(box[:, None, :2] + 50, (1, 5, 1)),
            pose=np.zeros((n, 3), dtype=np.float32),
            quality=np.full(n, 0.9, dtype=np.float32),
            **{name: np.full(n, 0.5, dtype=np.float32) for name in MEASURED},
            encoding=encoding.astype(np.float32),
        ),
        EncodeOptions().settings(),
    )


class Timed(Watch):
    """A watch whose photos show one face each, which is given."""

    encoding = np.zeros(128)
    seconds = 0.0

    def _analyse(self, paths):
        start = time.perf_counter()
        rows = [found(path, self.encoding) for path in paths]
        self.seconds = time.perf_counter() - start
        return rows


def found(path, encoding):
    """Return what is found in a photo."""
    data, _ = read_photo(path)
    photo = decode(data)
    faces = np.zeros(1, FACE)
    for name, value in (dict.fromkeys(MEASURED, 0.5) | PLAIN).items():
        faces[name] = value
    faces["box"] = faces["anchor"] = (5, 5, 105, 105)
    faces["score"], faces["quality"], faces["encoding"] = 0.9, 0.9, encoding
    looks = picture.hashes(photo.pixels)
    digest = picture.pixel_digest(photo.pixels, photo.size)
    known = Analysis("", digest, photo.size, OK, "", UNDATED, looks[0], faces, looks=looks)
    return Row(path, picture.coded_digest(data), known)


def timed(function, spent):
    """Return a function that adds its seconds to a list."""

    def measured(*arguments, **options):
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            spent.append(time.perf_counter() - start)

    return measured


def state_of(folder):
    """Return inode, time and size of every file below a folder."""
    return {
        str(path.relative_to(folder)): (status.st_ino, status.st_mtime_ns, status.st_size)
        for path in folder.rglob("*")
        if path.is_file()
        for status in [path.stat()]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=5_000)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    print(machine())
    spent = []
    for name in ("cluster_faces", "would_merge"):
        setattr(update, name, timed(getattr(update, name), spent))
    rng = np.random.default_rng(13)
    directions = unit(rng.normal(size=(arguments.people, 128)))
    with tempfile.TemporaryDirectory(prefix="facecluster-") as name:
        root = Path(os.path.realpath(name))
        library, incoming = root / "people", root / "in"
        library.mkdir()
        incoming.mkdir()
        table = make_table(arguments.faces, directions)
        face_table.write(table, library / "faces.npz")
        start = time.perf_counter()
        with Library.open(library, new=True) as opened:
            source = str(library / "faces.npz")
            result = build(opened, table, Choices(link="none"), source=source).result
        print(f"{result}, clustered in {time.perf_counter() - start:.1f} s")
        told = []
        start = time.perf_counter()
        with Timed(library, told.append) as watch:
            print(f"watch started in {time.perf_counter() - start:.1f} s")
            for what in ("known", "stranger"):
                seconds, identity = [], []
                for i in range(arguments.times):
                    near = directions[i] if what == "known" else unit(rng.normal(size=128))
                    watch.encoding = unit(near + SPREAD / np.sqrt(2) * unit(rng.normal(size=128)))
                    path = incoming / f"{what} {i}.jpg"
                    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
                    coarse.resize((110, 110)).save(path)
                    before, n_told = state_of(library), len(told)
                    spent.clear()
                    start = time.perf_counter()
                    watch.add([str(path)])
                    seconds.append(time.perf_counter() - start - watch.seconds)
                    identity.append(sum(spent))
                    written = {
                        file: size for file, (*_, size) in state_of(library).items()
                        if before.get(file, (0, 0, 0))[:2] != state_of(library)[file][:2]
                    }  # fmt: skip
                    if len(told) != n_told + 1 or f'"{what}"' not in told[-1].line:
                        raise SystemExit(f"expected one event, {what}; got {told[n_told:]}")
                print(
                    f"{what}: median {np.median(seconds):.2f} s, slowest {max(seconds):.2f} s, "
                    f"of that to say who it is {np.median(identity):.2f} s; the last one wrote "
                    + ", ".join(f"{file} {size:,} B" for file, size in written.items()),
                    flush=True,
                )
            start = time.perf_counter()
            watch.write()
            print(f"files written in {time.perf_counter() - start:.1f} s")
        files = sorted(state_of(library).items(), key=lambda item: -item[1][2])[:3]
        print(", ".join(f"{file} {size:,} B" for file, (*_, size) in files))


if __name__ == "__main__":
    main()
