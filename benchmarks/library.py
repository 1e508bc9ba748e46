"""Time corrections of a large library, and say which of its files they write.

    python benchmarks/library.py [--faces 100000] [--people 5000] [--photos] [--times 5]

The faces are synthetic: a random direction each person, faces 0.4 apart around it, four in a photo. The face table is
written in the format of 2225703, which every later facecluster reads. The photos do not exist, so no montage can be
made, unless --photos draws them: JPEGs of noise, 440 x 110 pixels.

Bounds (issue 11): `name`, `merge`, `move` and `undo` in under 1.5 s from the shell, and in under 0.5 s in an open
`Library`; nothing is written but what changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from labelled import machine
from PIL import Image

import facecluster as fc

PER_PHOTO = 4
SPREAD = 0.4
PARTS = (
    *("presence", "distinctness", "sharpness", "brightness", "contrast", "under_exposure", "over_exposure"),
    *("eyes_open", "mouth_open", "inter_eye_px", "size_px", "size", "centre", "completeness"),
    *("occlusion", "occlusion_eyes", "occlusion_brows", "occlusion_nose", "occlusion_mouth"),
    *("occlusion_face_line",),
)
SETTINGS = {
    "detector": "yunet",
    "encoder": "sface",
    "options": {"max-side": None, "min-face": 24.0, "mirror": False, "quality": 3, "upsample": None},
    "models": {},
    "versions": {},
}


def write_table(file, pictures, n, n_people, draw, per_photo=PER_PHOTO):
    """Write n faces of some people, of which each person has one in a photo at most."""
    rng = np.random.default_rng(11)
    person = np.arange(n) % n_people
    photo = np.arange(n) // per_photo
    place = np.arange(n) % per_photo
    m = int(photo[-1]) + 1
    directions = rng.normal(size=(n_people, 128))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    noise = rng.normal(size=(n, 128))
    noise *= SPREAD / np.sqrt(2) / np.linalg.norm(noise, axis=1, keepdims=True)
    encoding = directions[person] + noise
    encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    paths = [pictures / f"{i:06d}.jpg" for i in range(m)]
    if draw:
        for path in paths:
            coarse = Image.fromarray(rng.integers(0, 256, (4, 16, 3), dtype=np.uint8))
            coarse.resize((per_photo * 110, 110), Image.Resampling.BICUBIC).save(path, quality=40)
    digest = [
        hashlib.blake2b(path.read_bytes() if draw else str(i).encode(), digest_size=16).hexdigest()
        for i, path in enumerate(paths)
    ]
    left = 110 * place + 5
    box = np.stack([left, np.full(n, 5), left + 100, np.full(n, 105)], axis=1).astype(np.float32)
    np.savez(
        file,
        format=1,
        settings=json.dumps(SETTINGS),
        photo_path=[str(path) for path in paths],
        photo_digest=digest,
        photo_size=np.tile(np.array([per_photo * 110, 110], dtype=np.int32), (m, 1)),
        photo_status=np.full(m, "ok"),
        photo_reason=np.full(m, ""),
        photo_time=np.full(m, np.nan),
        photo_hash=rng.integers(1, 2**63, m).astype(np.uint64),
        photo_lost=np.zeros(m, dtype=np.uint8),
        face_photo=photo.astype(np.int32),
        face_id=[f"{digest[i]}-{k}" for i, k in zip(photo, place, strict=True)],
        box=box,
        score=np.full(n, 0.9, dtype=np.float32),
        landmarks=np.tile(box[:, None, :2] + 50, (1, 5, 1)),
        pose=np.zeros((n, 3), dtype=np.float32),
        quality=np.full(n, 0.9, dtype=np.float32),
        **{name: np.full(n, 0.5, dtype=np.float32) for name in PARTS},
        **{name: np.full(n, np.nan, dtype=np.float32) for name in ("age", "age_sd", "male")},
        encoding=encoding.astype(np.float32),
    )


def state_of(folder):
    """Return inode, time and size of every file below a folder."""
    return {
        str(path.relative_to(folder)): (status.st_ino, status.st_mtime_ns, status.st_size)
        for path in folder.rglob("*")
        if path.is_file()
        for status in [path.stat()]
    }


def written(before, after):
    """Say which files are new or other ones, with their sizes, and how many went."""
    changed = sorted(
        ((size, name) for name, (*_, size) in after.items() if before.get(name) != after[name]), reverse=True
    )
    texts = [f"{name} {size:,} B" for size, name in changed[:5]]
    if len(changed) > 5:
        texts.append(f"{len(changed) - 5} more, {sum(size for size, _ in changed[5:]):,} B")
    gone = len(before.keys() - after.keys())
    return ", ".join(texts + [f"{gone} gone"] * bool(gone)) or "nothing"


def facecluster(*arguments):
    """Run a command, and return its seconds."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "facecluster", *map(str, arguments)],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"facecluster {arguments[0]}: {done.stderr}")
    return time.perf_counter() - start


def medians(what, library, acts):
    """Do each verb several times, and print the median, the slowest, and what the last one of them wrote."""
    print(f"{what:14} {'median':>8} {'slowest':>8}  the last one wrote")
    for verb, calls in acts.items():
        seconds = []
        for call in calls:
            before = state_of(library)
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        said = written(before, state_of(library))
        print(f"{verb:14} {np.median(seconds):6.2f} s {max(seconds):6.2f} s  {said}", flush=True)


def subjects(library, first, times):
    """Choose people and faces that no other act of this program deals with.

    Returns:
        times ids of people, times pairs of such, and times pairs of a face and a person who does not have it.
    """
    people = json.loads((library / "clusters.json").read_text())["people"][first : first + 5 * times]
    ids = [person["id"] for person in people]
    merged = list(pairwise(ids[times : 3 * times]))[::2]
    given = [(people[3 * times + i]["faces"][-1]["id"], ids[4 * times + i]) for i in range(times)]
    return ids[:times], merged, given


def from_shell(library, times):
    """Time each verb as a process of its own."""
    named, merged, given = subjects(library, 0, times)
    medians(
        "from the shell",
        library,
        {
            "name": [lambda p=p: facecluster("name", library, p, f"Name of {p}", "-q") for p in named],
            "merge": [lambda p=p: facecluster("merge", library, *p, "-q") for p in merged],
            "move": [lambda p=p: facecluster("move", library, *p, "-q") for p in given],
            "undo": [lambda: facecluster("undo", library, "-q") for _ in range(times)],
        },
    )


def from_python(library, times):
    """Time each verb in a library that is open; `undo` takes back what this did."""
    named, merged, given = subjects(library, 5 * times, times)
    start = time.perf_counter()
    opened = fc.open(library)
    print(f"open {time.perf_counter() - start:.2f} s")
    medians(
        "in a Library",
        library,
        {
            "name": [lambda p=p: opened.name(p, f"Name of {p}") for p in named],
            "merge": [lambda p=p: opened.merge(*p) for p in merged],
            "move": [lambda p=p: opened.move(p[0], to=p[1]) for p in given],
            "undo": [opened.undo for _ in range(times)],
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=5_000)
    parser.add_argument("--photos", action="store_true", help="draw the photos")
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.people < max(PER_PHOTO, 10 * arguments.times):
        parser.error(f"--people: {10 * arguments.times} are needed for {arguments.times} times")
    print(machine())
    with tempfile.TemporaryDirectory(prefix="facecluster-") as name:
        root = Path(os.path.realpath(name))
        library, pictures = root / "people", root / "pictures"
        library.mkdir()
        pictures.mkdir()
        write_table(library / "faces.npz", pictures, arguments.faces, arguments.people, arguments.photos)
        seconds = facecluster("cluster", library / "faces.npz", "-o", library, "--link", "none", "-q")
        found = len(json.loads((library / "clusters.json").read_text())["people"])
        print(f"{arguments.faces:,} faces, {found:,} people found, clustered in {seconds:.1f} s")
        for file, (*_, size) in sorted(state_of(library).items(), key=lambda item: -item[1][2])[:4]:
            print(f"  {file} {size:,} B")
        from_shell(library, arguments.times)
        if hasattr(fc, "open"):
            from_python(library, arguments.times)


if __name__ == "__main__":
    main()
