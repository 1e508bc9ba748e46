"""Print the memory that one worker takes at most for photos of 12 to 100 megapixels in a row, in three formats (Linux).

    python benchmarks/memory.py [--detector cnn]

Bound (issue 2): 1 GB.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from labelled import SHARED
from PIL import Image

from facecluster.encoding import pipeline
from facecluster.options import EncodeOptions
from facecluster.photos.decode import decode


def main():
    detector = sys.argv[-1] if "--detector" in sys.argv else "yunet"
    face = Image.open(SHARED / "lfw_dev" / "AJ_Lamas" / "AJ_Lamas_0001.jpg")
    with tempfile.TemporaryDirectory() as scratch:
        small, large = (
            Image.new("RGB", (4000, 3000), (90, 110, 130)),
            Image.new("RGB", (11600, 8700), (90, 110, 130)),
        )
        for picture in (small, large):
            picture.paste(face.resize((1000, 1000)), (300, 300))
        files = []
        for name, picture in (
            ("small.jpg", small),
            ("large.jpg", large),
            ("large.png", large),
            ("alpha.png", large.convert("RGBA")),
            ("large.tif", large),
        ):
            files.append(Path(scratch, name))
            picture.save(files[-1], **({"compress_level": 1} if name.endswith("png") else {}))
        pid_memory = run_in_worker([str(file) for file in files * 2], detector)
    for name, n_faces, peak in pid_memory:
        print(f"{name:10} {n_faces} faces, at most {peak} MB so far")


def run_in_worker(paths, detector):
    """Analyse photos one after another in a process of their own, prepared as the workers of encode are."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1, initializer=pipeline.prepare_worker) as pool:
        return [pool.apply(analyse, (path, detector)) for path in paths]


def analyse(path, detector):
    found = pipeline.analyse(decode(path), EncodeOptions(detector=detector))
    # Not ru_maxrss, which a new process inherits from the one that started it.
    peak = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return Path(path).name, len(found.faces), int(peak.split()[1]) * 1024 // 1_000_000


if __name__ == "__main__":
    main()
