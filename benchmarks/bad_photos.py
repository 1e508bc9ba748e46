"""Run encode over 1,500 bad photos and, if given, the test images of Pillow, with good photos between (Linux).

    pip download --no-binary :all: --no-deps pillow && tar xzf pillow-*.tar.gz
    python benchmarks/bad_photos.py [pillow-*/Tests/images]

Prints for each kind of photo how many were analysed and how many are rows with a reason, the peak memory of a process,
the slowest photos, and what went wrong: a good photo whose numbers are others than alone, a photo
without a row, a whole one that is unreadable, a file that was written among the photos.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from labelled import SHARED
from PIL import Image

from facecluster import workers
from facecluster.encoding import pipeline
from facecluster.formats import face_table
from facecluster.options import EncodeOptions
from facecluster.photos import find_photos
from facecluster.table import UNREADABLE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import bad_photos

N_GOOD = 20


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder, alone = Path(scratch, "photos"), Path(scratch, "alone")
        kinds, becomes = make(folder)
        alone.mkdir()
        for k, path in enumerate(find_photos([SHARED / "lfw_dev"])[: N_GOOD * 9 : 9]):
            shutil.copy(path, alone / f"{k:02} good.jpg")
            shutil.copy(path, folder / f"{chr(ord('0') + 3 * k)} good {k:02}.jpg")
        before = sorted(os.listdir(folder))
        encode(alone, Path(scratch, "alone.npz"))
        seconds, peak = encode(folder, Path(scratch, "faces.npz"))
        table = face_table.read(Path(scratch, "faces.npz"))
        print(f"encode: {len(table.photos)} photos, {seconds:.0f} s, at most {peak:.0f} MB in a process")
        tell(table, face_table.read(Path(scratch, "alone.npz")), kinds, becomes)
        if sorted(os.listdir(folder)) != before:
            print("WRONG: something was written among the photos")
        time_each(find_photos([folder]))


def make(folder):
    """Write all cases; return the kind, and what it is to become, of each path."""
    folder.mkdir()
    face = Image.open(SHARED / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg").convert("RGB")
    kinds, becomes = {}, {}
    for case in bad_photos.cases(face, n_cuts=10, n_flips=120):
        (folder / case.name).write_bytes(case.data)
        kinds[str(folder / case.name)], becomes[str(folder / case.name)] = case.kind, case.becomes
    for path, due in bad_photos.put_odd_files(folder):
        kinds[path], becomes[path] = "no regular file", due
    for k, name in enumerate(bad_photos.NAMES):
        (folder / name).write_bytes(bad_photos.coded(face, "JPEG") + bytes(k))
        kinds[str(folder / name)], becomes[str(folder / name)] = "odd name", bad_photos.WHOLE
    for name in find_photos(sys.argv[1:]):
        path = str(folder / f"pillow {Path(name).name}")
        shutil.copy(name, path)
        kinds[path] = "image of Pillow"
    return kinds, becomes


def encode(folder, output):
    """Run the command; return its seconds, and the most MB that one of its processes took."""
    began, peaks = time.time(), [0.0]
    command = [sys.executable, "-m", "facecluster", "encode", str(folder), "-o", str(output), "-q"]
    running = subprocess.Popen(command)
    while running.poll() is None:
        peaks.append(max(map(memory, [running.pid, *children(running.pid)])))
        time.sleep(0.05)
    if running.returncode:
        print(f"WRONG: exit code {running.returncode}")
    return time.time() - began, max(peaks)


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def memory(pid):
    """Return the peak memory of a process so far, in MB."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def tell(table, alone, kinds, becomes):
    counts = defaultdict(Counter)
    for path, status, reason in zip(
        table.photos.path.tolist(), table.photos.status.tolist(), table.photos.reason.tolist(), strict=True
    ):
        counts[kinds.get(path, "good")]["unreadable" if status == UNREADABLE else "analysed"] += 1
        due = becomes.get(path, bad_photos.EITHER)
        if due != bad_photos.EITHER and (status == UNREADABLE) != (due == bad_photos.BAD):
            print(f"WRONG: {kinds[path]}: {path!r}: {status} {reason}")
        if "report it" in reason or "worker" in reason or (status == UNREADABLE) != bool(reason):
            print(f"WRONG: {path!r}: {reason}")
    missing = becomes.keys() - set(table.photos.path.tolist())
    for path in missing:
        if becomes[path] != bad_photos.EITHER:
            print(f"WRONG: no row: {path!r}")
    for kind, numbers in counts.items():
        print(f"{kind:24} {numbers['analysed']:5} analysed {numbers['unreadable']:5} unreadable")
    rows = {path.rpartition("good ")[2]: row for row, path in enumerate(table.photos.path.tolist())}
    for row, path in enumerate(alone.photos.path.tolist()):
        here = rows.get(Path(path).name.replace(" good", ""))
        for column in ("box", "encoding", "pose", "quality"):
            one = getattr(alone.faces, column)[alone.faces.photo == row]
            other = getattr(table.faces, column)[table.faces.photo == here]
            if not np.array_equal(one, other, equal_nan=True):
                print(f"WRONG: other numbers than alone: {path}")


def time_each(paths):
    """Print the slowest photos."""
    work = workers.work(timed, paths, n_workers=1, start=pipeline.prepare_worker, limit_s=600)
    times = sorted(((found, path) for path, found in work if isinstance(found, float)), reverse=True)
    for seconds, path in times[:5]:
        print(f"{seconds:6.2f} s  {Path(path).name!r}")


def timed(path):
    began = time.monotonic()
    pipeline._analyse(path, EncodeOptions())
    return time.monotonic() - began


if __name__ == "__main__":
    main()
