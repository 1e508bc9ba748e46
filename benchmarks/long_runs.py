"""Encode many photos, watch a folder under load, and ask of crowds: memory, rate, resuming, and side files (Linux).

    python benchmarks/long_runs.py encode [--photos 20000] [--jobs 2]
    python benchmarks/long_runs.py watch [--minutes 60] [--jobs 1]
    python benchmarks/long_runs.py crowds [--jobs 2]

encode makes photos with a face of some 80 to 100 pixels (crops of `lfw_dev`, each of pixels of its own), starts
`encode`, ends it by SIGTERM halfway, and gives the same command again. It prints a line every tenth: photos done,
photos a second since the line before, the memory of all processes (PSS, so that what they share counts once), and the
bytes of the side file. Then how long the second run took to its first new photo, and what `cluster` takes.

watch starts `watch` in an empty folder, in which photos arrive, are renamed, rated and deleted, while another process
gives names and takes them back. Every tenth it prints memory, the bytes of each side file, and how long events took.
It is ended by SIGTERM, and `watch --once` goes on: every photo that is there must be a row of the library then, else
the exit status is 1.

crowds makes two face tables, without photos: one photo with 5,000 faces, of which 1,000 have two photos of their own,
and 20,000 people with five photos each. It makes a library of each, and gives every verb that reads or changes one. It
prints the seconds of all cores and the peak memory (the largest process) of each.

Bounds: memory and rate of the last tenth are those of the second; a run that goes on does so within seconds;
no side file is left. Of crowds: each verb ends well and takes less than 1 GB, and all but cluster less than a minute,
else the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import scale
from labelled import SHARED, machine
from PIL import Image

from facecluster.formats import face_table

TENTHS = 10
FACECLUSTER = [sys.executable, "-m", "facecluster"]


def sources():
    """Return the paths of portraits with a face of some 100 pixels in the middle."""
    return sorted((SHARED / "lfw_dev").glob("*/*.jpg"))


def make_photo(source, number, path):
    """Write a photo of 160 to 249 pixels a side: a crop of a portrait around its face, with noise of its own."""
    rng = np.random.default_rng(number)
    side = 160 + number % 90
    with Image.open(source) as picture:
        left, top = ((length - side) // 2 for length in picture.size)
        crop = picture.convert("RGB").crop((left, top, left + side, top + side))
    pixels = np.asarray(crop, dtype=np.int16) + rng.integers(-2, 3, (side, side, 1))
    hidden = path.with_name(f".{path.name}.part")
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(hidden, "JPEG", quality=90)
    hidden.rename(path)


def family(pid):
    """Return the process ids of a process and of all below it."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def memory(pid):
    """Return the memory in MB of each process of a family, largest first: its own pages, and its share of others."""
    sizes = []
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes += [int(line.split()[1]) // 1024 for line in lines if line.startswith("Pss:")]
    return sorted(sizes, reverse=True)


def side_files(folder):
    """Return the bytes of each file that is neither a photo nor a result, by name."""
    sizes = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix not in (".jpg", ".npz"):
            sizes[path.name] = path.stat().st_size
    return sizes


def run_encode(root, n, jobs):
    """Encode, stopped halfway and gone on with; then cluster."""
    photos, table = root / "photos", root / "faces.npz"
    photos.mkdir()
    portraits, start = sources(), time.perf_counter()
    for number in range(n):
        folder = photos / f"{number // 1000:03d}"
        folder.mkdir(exist_ok=True)
        make_photo(portraits[number % len(portraits)], number, folder / f"{number:06d}.jpg")
    print(f"{n} photos made in {time.perf_counter() - start:.0f} s", flush=True)
    command = [*FACECLUSTER, "encode", str(photos), "-o", str(table), "-j", str(jobs), "-q"]
    stopped, done = follow(command, table, 0, n // 2, n)
    print(
        f"stopped by SIGTERM with exit status {stopped}; {done} photos done; {side_files(root)}", flush=True
    )
    status, _ = follow(command, table, done, None, n)
    print(f"second run: exit status {status}; side files left: {side_files(root) or 'none'}", flush=True)
    start = time.perf_counter()
    subprocess.run(
        [*FACECLUSTER, "cluster", str(table), "-o", str(root / "people"), "-q"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    counts = json.loads((root / "people" / "clusters.json").read_text())["counts"]
    print(f"cluster: {time.perf_counter() - start:.0f} s; {counts}")
    return 0 if status == 0 and counts["photos"] == n and not side_files(root) else 1


def follow(command, table, done, until, n):
    """Run encode, tell of every tenth, and end it when `until` photos are done -> exit status, photos done."""
    partial = table.with_name(table.name + ".partial")
    start = last = time.perf_counter()
    before, size, first, n_last = partial.stat().st_size if partial.exists() else 0, 0, None, done
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    per_photo = before / done if done else 0
    while process.poll() is None:
        time.sleep(0.1)
        size = partial.stat().st_size if partial.exists() else size
        if first is None and size > before and count(partial) > done:
            first = time.perf_counter() - start
            print(f"  first new photo after {first:.1f} s", flush=True)
        records = count(partial) if not per_photo else int(size / per_photo)
        if records - n_last >= n // TENTHS:
            now = time.perf_counter()
            print(
                f"  {records} photos, {(records - n_last) / (now - last):.1f} a second, MB {memory(process.pid)}, "
                f"side files {side_files(table.parent)}",
                flush=True,
            )
            n_last, last = records, now
        if until is not None and records >= until:
            process.send_signal(signal.SIGTERM)
            start = time.perf_counter()
            process.wait()
            print(f"  ended {time.perf_counter() - start:.1f} s after SIGTERM", flush=True)
    return process.returncode, count(partial) or n_last


def count(journal):
    """Return how many records a journal holds."""
    if not journal.exists():
        return 0
    data = journal.read_bytes()
    at, n = data.find(b"\n") + 1, 0
    while at and at + 8 <= len(data):
        at, n = at + 8 + int.from_bytes(data[at : at + 4], "little"), n + 1
    return n


def run_watch(root, minutes, jobs):
    """Watch a folder in which photos come, change and go, while somebody decides."""
    incoming, library = root / "in", root / "people"
    incoming.mkdir()
    portraits, rnd = sources(), random.Random(4)
    by_person = [path for path in portraits if len(list(path.parent.iterdir())) > 5]
    command = [*FACECLUSTER, "watch", str(incoming), "--into", str(library), "-j", str(jobs), "-q", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    came, told, lock = {}, [], threading.Lock()

    def listen():
        for line in process.stdout:
            photo = json.loads(line).get("photo")
            with lock:
                if photo in came:
                    told.append(time.monotonic() - came.pop(photo))

    threading.Thread(target=listen, daemon=True).start()
    end, tick, number, n_decided = time.monotonic() + 60 * minutes, 60 * minutes / TENTHS, 0, 0
    n_refused, due = 0, time.monotonic() + tick
    while time.monotonic() < end and process.poll() is None:
        path = incoming / f"{number:06d}.jpg"
        with lock:
            came[str(path)] = time.monotonic()
        make_photo(by_person[number % len(by_person)], number, path)
        number += 1
        there = sorted(incoming.glob("*.jpg"))[:-5]
        if there and number % 5 == 0:
            one = rnd.choice(there)
            one.rename(one.with_name(f"renamed-{number:06d}.jpg"))
        if there and number % 7 == 0:
            rnd.choice([one for one in there if one.exists()]).touch()
        if len(there) > 20 and number % 11 == 0:
            rnd.choice([one for one in there if one.exists()]).unlink()
        if number % 20 == 0 and (library / "clusters.json").exists():
            people = json.loads((library / "clusters.json").read_text())["people"]
            if people:
                verb = ["name", str(library), rnd.choice(people)["id"], f"Somebody {number}"]
                if number % 40 == 0:
                    verb = ["undo", str(library)]
                result = subprocess.run([*FACECLUSTER, *verb, "-q"], capture_output=True, check=False)
                n_decided, n_refused = n_decided + 1, n_refused + (result.returncode != 0)
        if time.monotonic() >= due:
            due += tick
            with lock:
                seconds = sorted(told) or [np.nan]
                told.clear()
            print(
                f"{number} photos came, {len(there)} there, {n_decided} decisions ({n_refused} refused); events after "
                f"{np.median(seconds):.1f} s, slowest {seconds[-1]:.1f} s; MB {memory(process.pid)}; "
                f"side files {side_files(library) if library.exists() else {}}",
                flush=True,
            )
        time.sleep(0.2)
    died = process.poll()
    process.send_signal(signal.SIGTERM)
    status = process.wait()
    print(f"stopped; side files {side_files(library)}", flush=True)
    subprocess.run([*command, "--once"], check=True, stdout=subprocess.DEVNULL)
    known = set(face_table.read(library / "faces.npz").photos.path.tolist())
    lost = [path.name for path in sorted(incoming.glob("*.jpg")) if str(path) not in known]
    print(f"ended with {status if died is None else f'{died}, by itself'}; lost photos: {lost or 'none'}")
    print(f"side files left: {side_files(library)}")
    return 1 if lost or died is not None else 0


def write_table(path, sizes):
    """Write such a table; return the id of its last face, and the path of its last photo."""
    made = made_table(*sizes)
    face_table.write(made, path)
    return str(made.faces.id[-1]), str(made.photos.path[-1])


def made_table(n_people, n_faces, n_crowd):
    """Return a table of people with photos of their own, of whom the first, and strangers, are in one more photo."""
    encoding, crowd = scattered(n_people, n_faces), scattered(n_crowd, 1)
    table = scale.make_table(np.concatenate([encoding, crowd]), dlib=False)
    number = np.arange(len(table.photos.path))
    folder = np.char.mod("/photos/%05d", np.where(number < len(encoding), number // n_faces, n_people))
    path = np.char.add(folder, np.char.mod("/%06d.jpg", number))
    table = replace(table, photos=replace(table.photos, path=path))
    if not n_crowd:
        return table
    n_alone, n = len(encoding), len(table.faces.photo)
    photo, place = np.arange(n).clip(max=n_alone), np.arange(n_crowd)
    box = np.array(table.faces.box)
    box[n_alone:, :2] = np.stack([110 * (place % 100), 110 * (place // 100)], axis=1)
    box[n_alone:, 2:] = box[n_alone:, :2] + 100
    digest = table.photos.digest[photo]
    ordinal = np.r_[np.zeros(n_alone, int), place]
    faces = replace(
        table.faces,
        photo=photo.astype(np.int32),
        id=np.char.add(np.char.add(digest, "-"), ordinal.astype(str)),
        box=box,
        anchor=box,
    )
    size = np.array(table.photos.size)
    size[n_alone] = 12_000
    photos = replace(table.photos, size=size)
    rows = {name: column[: n_alone + 1] for name, column in vars(photos).items()}
    return replace(table, photos=type(photos)(**rows), faces=faces)


def scattered(n_people, n_faces):
    """Return encodings (n, 128), person after person; the first people are the same ones, however many there are."""
    rng = np.random.default_rng(7)
    person = np.repeat(np.arange(n_people), n_faces)
    centre = rng.normal(size=(n_people, 128))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    noise = np.random.default_rng(n_faces).normal(size=(len(person), 128))
    encoding = centre[person] + noise * (0.35 / np.linalg.norm(noise, axis=1, keepdims=True))
    encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    return encoding.astype(np.float32)


def timed(*words):
    """Run facecluster -> exit status, seconds of all cores, peak MB of the largest process, what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([*FACECLUSTER, *map(str, words)], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        out.seek(0)
        err.seek(0)
        said = out.read(), err.read().decode()
    return process.returncode, seconds, usage.ru_maxrss / 1024, said


def run_crowds(root, jobs):
    """Give each verb on a crowd in one photo, and on a library of many people."""
    failed = False
    for name, sizes in (("crowd", (1000, 2, 5000)), ("people", (20_000, 5, 0))):
        table, library = root / f"{name}.npz", root / name
        # A process that is started has the memory of its parent at first, and that counts.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            face, photo = pool.apply(write_table, (table, sizes))
        lines = [("cluster", table, "-o", library, "--link", "none", "-j", jobs)]
        lines += [
            ("list", library),
            ("list", table, "--labels", "folder", "--label-face", "all"),
            ("show", library),
            ("show", library, "person-0001"),
            ("show", library, "--photos"),
            ("show", library, "--nobody"),
            ("check", table, "-j", jobs),
            ("audit", table, "--labels", "folder", "--label-face", "all", "-j", jobs),
            ("audit", library, "--labels", "folder", "--label-face", "all", "-j", jobs),
            ("explain", library, face),
            ("explain", library, "person-0001"),
            ("search", "--in", library, "--face", face, "-j", jobs),
            ("search", "--in", library, "--faces", root / "crowd.npz", "-j", jobs),
            ("search", "--in", table, "--faces", root / "crowd.npz", "-j", jobs),
            ("name", library, "person-0002", "Anna Berg"),
            ("undo", library),
            ("merge", library, "person-0003", "person-0004"),
            ("undo", library),
            ("history", library),
            ("forget", library, "--person", "person-0005", "-y"),
            ("forget", library, "--photo", photo, "-y"),
        ]
        for words in lines:
            status, seconds, peak, (out, err) = timed(*words)
            is_bad = status not in (0, 3) or peak > 1000 or (seconds > 60 and words[0] != "cluster")
            failed |= is_bad
            told = " ".join(str(word).removeprefix(f"{root}/") for word in words)
            mark = (
                f"  exit status {status}: {err[-300:]}"
                if status not in (0, 3)
                else "  over the bound"
                if is_bad
                else ""
            )
            print(
                f"{name:6} {seconds:6.1f} s {peak:6.0f} MB {len(out) / 1e6:6.1f} MB out  {told}{mark}",
                flush=True,
            )
    return int(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("encode", "watch", "crowds"))
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="facecluster-") as name:
        root = Path(name).resolve()
        if arguments.what == "encode":
            sys.exit(run_encode(root, arguments.photos, arguments.jobs))
        if arguments.what == "crowds":
            sys.exit(run_crowds(root, arguments.jobs))
        sys.exit(run_watch(root, arguments.minutes, arguments.jobs))


if __name__ == "__main__":
    main()
