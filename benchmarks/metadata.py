"""Time a run over photos of which only the metadata changed, against the first run over them.

    python benchmarks/metadata.py [--number 1000] [--photos FOLDER] [--work FOLDER]

Bound (issue 11): no network runs, and the second run takes a fifteenth of the first one's time at most. Between the two
each JPEG gets another rating in a new XMP segment (Adobe, XMP part 3, 1.1.3), as photo managers write it. That no
network ran is seen in the summary, by which all photos are known, and in the second run itself: none of `NETWORKS` may
be loaded there, and no worker process started. Without --photos they are the first ones of lfw_dev.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from labelled import SHARED, machine

NETWORKS = ("onnxruntime", "cv2", "_dlib_pybind11")
"""What runs networks or their preprocessing."""

BOUND = 15

PROGRAM = f"""
import sys, subprocess, multiprocessing.process
started = []
start = multiprocessing.process.BaseProcess.start
multiprocessing.process.BaseProcess.start = lambda self: (started.append(self), start(self))[1]
from facecluster.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    loaded = [name for name in {NETWORKS!r} if name in sys.modules]
    print("LOADED", ",".join(loaded) or "nothing", "WORKERS", len(started), file=sys.stderr)
"""


def rate(path, rating):
    """Put an XMP segment with a rating behind the start of a JPEG."""
    data = path.read_bytes()
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}"/></rdf:RDF></x:xmpmeta>'
    )
    body = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    path.write_bytes(data[:2] + segment + data[2:])


def run(photos, people):
    """Run facecluster; return seconds and what it said."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run", str(photos), "-o", str(people)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return time.perf_counter() - start, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--photos", type=Path, default=SHARED / "lfw_dev")
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        photos, people = Path(folder, "photos"), Path(folder, "people")
        photos.mkdir()
        files = sorted(
            path for path in arguments.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")
        )
        copies = [
            Path(shutil.copy(path, photos / f"{i:05d}.jpg"))
            for i, path in enumerate(files[: arguments.number])
        ]
        first, said = run(photos, people)
        print(said.splitlines()[0])
        for i, path in enumerate(copies):
            rate(path, i % 6)
        second, said = run(photos, people)
        print(said.splitlines()[0])
        loaded = next(line for line in said.splitlines() if line.startswith("LOADED"))
        known = f", {len(copies)} known from before" in said
        print(f"second run: {loaded.lower()}; all photos known: {'yes' if known else 'no'}")
        print(
            f"{len(copies)} photos: first run {first:.1f} s, second {second:.2f} s: {first / second:.1f} times as fast"
        )
        met = first / second >= BOUND and known and loaded == "LOADED nothing WORKERS 0"
        print(f"bound of {BOUND} times, no network, no worker: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
