"""Run encode over 1,300 bad photos and, if given, the test images of Pillow, with good photos between (Linux).

    pip download --no-binary :all: --no-deps pillow && tar xzf pillow-*.tar.gz
    nice python benchmarks/bad_photos.py [pillow-*/Tests/images]

Prints for each kind of photo how many were analysed and how many are rows with a reason, how often each reason is
given, the peak memory of the command and of its workers, the slowest photos, and what went wrong: a good photo whose
numbers are others than alone, a photo without a row, a whole one that is unreadable, a file that was written among the
photos. Takes some ten minutes and 2 GB of disk. Root makes device nodes too, and gives up its right to read any file.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from labelled import SHARED
from PIL import Image

from facecluster.encoding.pipeline import encode_each
from facecluster.formats import face_table
from facecluster.options import EncodeOptions
from facecluster.photos.find import find_photos
from facecluster.table import UNREADABLE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import bad_photos

N_GOOD = 20

AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""What keeps root from reading files that others may not read."""


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
        seconds, own, workers = encode(folder, Path(scratch, "faces.npz"))
        table = face_table.read(Path(scratch, "faces.npz"))
        n_of_ours = sum(kind != "image of Pillow" for kind in kinds.values())
        print(
            f"{n_of_ours} bad photos of ours, {len(kinds) - n_of_ours} images of Pillow, {N_GOOD} good photos"
        )
        print(
            f"encode: {len(table.photos)} photos, {seconds:.0f} s, "
            f"at most {own:.0f} MB in its own process and {workers:.0f} MB in a worker"
        )
        tell(table, face_table.read(Path(scratch, "alone.npz")), kinds, becomes)
        if sorted(os.listdir(folder)) != before:
            print("WRONG: something was written among the photos")
        time_each(table.photos.path.tolist())


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
    for path, kind, due in (*put_huge_files(folder), *put_what_nobody_reads(folder)):
        kinds[path], becomes[path] = kind, due
    for name in find_photos(sys.argv[1:]):
        path = str(folder / f"pillow {Path(name).name}")
        shutil.copy(name, path)
        kinds[path] = "image of Pillow"
    return kinds, becomes


def put_huge_files(folder):
    """Write small files of many pixels and large ones of none; yield path, kind, and what each is to become."""
    bad, whole = bad_photos.BAD, bad_photos.WHOLE
    for name, mode, side, due, options in (
        ("baseline.jpg", "L", 17_000, whole, {}),
        ("progressive.jpg", "RGB", 12_200, whole, {"progressive": True}),
        ("cmyk.jpg", "CMYK", 10_000, bad, {"progressive": True}),
        ("grey.png", "L", 17_000, whole, {"compress_level": 1}),
        ("colour.png", "RGB", 11_000, whole, {"compress_level": 1}),
        ("more colour.png", "RGB", 17_000, bad, {"compress_level": 1}),
        ("grey.gif", "L", 17_000, whole, {}),
        ("one strip.tif", "RGB", 12_200, whole, {}),
        ("lzw.tif", "RGB", 11_000, whole, {"compression": "tiff_lzw"}),
        ("lzw, one strip.tif", "RGB", 12_200, bad, {"compression": "tiff_lzw", "strip_size": 1 << 30}),
        ("webp.webp", "RGB", 10_000, whole, {"quality": 10, "method": 0}),
        ("avif.avif", "RGB", 10_000, bad, {"speed": 10}),
        ("heic.heic", "RGB", 10_000, whole, {"quality": 20, "enc_params": {"preset": "ultrafast"}}),
    ):
        path = folder / f"huge {name}"
        picture = Image.new(mode, (side, side), 90 if mode == "L" else (90, 110, 130, 9)[: len(mode)])
        path.write_bytes(bad_photos.coded(picture, Image.registered_extensions()[path.suffix], **options))
        yield str(path), "100 to 289 megapixels", due
    whole = bad_photos.coded(Image.new("RGB", (64, 64)), "JPEG")
    for name, head in ("heic", b"\0\0\0\x18ftypheic"), ("jpg", whole), ("tif", b"II*\0"), ("png", b"\x89PNG"):
        with open(folder / f"sparse.{name}", "wb") as file:
            file.write(head)
            file.truncate(4 << 30)
        yield str(folder / f"sparse.{name}"), "4 GB of zeros", bad


def put_what_nobody_reads(folder):
    """Make files without permission and, as root, device nodes; yield as `put_huge_files` does."""
    for name in ("shut 1.jpg", "shut 2.png"):
        (folder / name).write_bytes(b"anything")
        (folder / name).chmod(0)
        yield str(folder / name), "no permission", bad_photos.BAD
    (folder / "shut").mkdir(0)
    if os.geteuid() == 0:
        for name, kind, numbers in (
            ("null.jpg", stat.S_IFCHR, (1, 3)),
            ("zero.jpg", stat.S_IFCHR, (1, 5)),
            ("terminal.jpg", stat.S_IFCHR, (5, 0)),
            ("disk.jpg", stat.S_IFBLK, (7, 0)),
        ):
            os.mknod(folder / name, kind | 0o666, os.makedev(*numbers))
            yield str(folder / name), "device", bad_photos.EITHER
            (folder / f"link to {name}").symlink_to(name)
            yield str(folder / f"link to {name}"), "device", bad_photos.BAD


def encode(folder, output):
    """Run the command; return its seconds, and the most MB that its process and one of its workers took."""
    began, own, workers = time.time(), [0.0], [0.0]
    command = [
        *AS_OTHERS,
        sys.executable,
        "-m",
        "facecluster",
        "encode",
        str(folder),
        "-o",
        str(output),
        "-q",
    ]
    running = subprocess.Popen(command)
    while running.poll() is None:
        own.append(memory(running.pid))
        workers += map(memory, children(running.pid))
        time.sleep(0.05)
    if running.returncode:
        print(f"WRONG: exit code {running.returncode}")
    return time.time() - began, max(own), max(workers)


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
    for kind, numbers in sorted(counts.items()):
        print(f"{kind:24} {numbers['analysed']:5} analysed {numbers['unreadable']:5} unreadable")
    reasons = Counter(
        re.sub(r"\d+|'.*?'|b'.*", "N", reason) for reason in table.photos.reason.tolist() if reason
    )
    for reason, number in reasons.most_common():
        print(f"{number:5}  {reason}")
    rows = {path.rpartition("good ")[2]: row for row, path in enumerate(table.photos.path.tolist())}
    for row, path in enumerate(alone.photos.path.tolist()):
        here = rows.get(Path(path).name.replace(" good", ""))
        for column in ("box", "encoding", "pose", "quality"):
            one = getattr(alone.faces, column)[alone.faces.photo == row]
            other = getattr(table.faces, column)[table.faces.photo == here]
            if not np.array_equal(one, other, equal_nan=True):
                print(f"WRONG: other numbers than alone: {path}")


def time_each(paths):
    """Print the slowest photos of all, one after another."""
    times, began = [], time.monotonic()
    for table in encode_each(paths, EncodeOptions(), jobs=1):
        times.append((time.monotonic() - began, Path(table.photos.path[0]).name))
        began = time.monotonic()
    print(f"one after another: {sum(seconds for seconds, _ in times):.0f} s")
    for seconds, name in sorted(times[1:], reverse=True)[:8]:
        print(f"{seconds:6.2f} s  {name!r}")


if __name__ == "__main__":
    main()
