"""Time the review page of a large library, and say how much memory it takes (Linux).

    python benchmarks/review_speed.py [--faces 100000] [--people 5000] [--library FOLDER]

The library is that of benchmarks/library.py, with photos drawn: JPEGs of noise, 440 x 110 pixels. --library takes one
that is there, and changes it. Thumbnails are timed a second time with 40 photos of 12 megapixels, and the list of
photos with 100,000 of them, of which 90,000 have no face. --photos times that list alone.

Bounds (issue 15): a grid in 3 s from the start, the pictures of the first screen 2 s more, a decision in 0.3 s, 500 MB;
a page of the list of photos in 0.2 s.
Beside the seconds stands the processor time of the page in them, all threads together: it tells what other programs on
the machine cost.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from labelled import machine
from library import facecluster, write_table
from PIL import Image

COVERS = 40
"""Pictures of a first screen; a browser asks for six at a time."""
THUMBNAILS = ".facecluster-thumbnails.sqlite"


class Page:
    """A page that runs, and somebody who asks it."""

    def __init__(self, library):
        """Start it, and come in."""
        (library / THUMBNAILS).unlink(missing_ok=True)
        self.began = time.perf_counter()
        command = [sys.executable, "-m", "facecluster", "review", str(library), "--no-browser", "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = self.process.stdout.readline().strip()
        self.port = int(address.rpartition("/")[0].rpartition(":")[2])
        self.cookie = ""
        self.cookie = self.ask("GET", address.partition(str(self.port))[2])[1].partition(";")[0]

    def ask(self, method, path, sent=None):
        """Return body and cookie of an answer; anything but success is the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        body = None if sent is None else json.dumps(sent)
        connection.request(method, path, body, {"Cookie": self.cookie, "Content-Type": "application/json"})
        answer = connection.getresponse()
        found = answer.read(), answer.getheader("Set-Cookie", "")
        connection.close()
        if answer.status not in (200, 303):
            sys.exit(f"{method} {path} {sent}: {answer.status} {found[0][:300]}")
        return found

    def get(self, path):
        """Return the JSON of an address."""
        return json.loads(self.ask("GET", path)[0])

    def decide(self, do, **rest):
        """Decide something."""
        return self.ask("POST", "/api/decide", {"do": do, **rest})

    def work(self):
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Megabytes now, and at most."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines if line.startswith("Vm")}
        return f"{found['VmRSS']:.0f} MB, at most {found['VmHWM']:.0f} MB"

    def covers(self):
        """Ask for the pictures of a first screen, and return how long that takes."""
        people = self.get(f"/api/people?limit={COVERS}")["people"]
        start, work = time.perf_counter(), self.work()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda one: self.ask("GET", f"/face/{one['cover']}?s=160"), people))
        return time.perf_counter() - start, self.work() - work, len(people)

    def end(self):
        """End it in order."""
        self.process.terminate()
        self.process.wait()


@contextmanager
def page_of(library):
    page = Page(library)
    try:
        yield page
    finally:
        page.end()


def told(what, seconds, work):
    print(f"{what:44} {seconds:6.3f} s ({work:.2f} s of processor time)", flush=True)


def decisions(page):
    """Time decisions of each kind, and the page showing them: the answer, and the records that it asks for then."""
    people = [one["id"] for one in page.get("/api/people?limit=120")["people"]]

    def faces(person, n):
        return [one["id"] for one in page.get(f"/api/person/{person}/faces?sort=best")["faces"]][:n]

    acts = {
        "name": [("name", {"person": own, "name": f"Name of {own}"}) for own in people[:5]],
        "merge": [("merge", {"people": people[i : i + 2]}) for i in range(10, 20, 2)],
        "split": [("split", {"person": own, "faces": faces(own, 3)}) for own in people[20:25]],
        "move": [("move", {"faces": faces(own, 3), "to": people[31]}) for own in people[25:30]],
        "not a person": [("not_a_person", {"what": [own]}) for own in people[40:45]],
        "hide": [("hide", {"people": [own]}) for own in people[50:55]],
        "undo": [("undo", {})] * 5,
    }
    for kind, calls in acts.items():
        times = []
        for do, rest in calls:
            time.sleep(1.5)
            start, work = time.perf_counter(), page.work()
            page.decide(do, **rest)
            page.get("/api/people?limit=120")
            times.append((time.perf_counter() - start, page.work() - work))
        middle = sorted(times)[len(times) // 2]
        told(f"{kind}, and the grid", *middle)


def large_photos(folder):
    """Make a library of 40 people with three photos of 12 megapixels each, of which all are copies of a few."""
    rng = np.random.default_rng(15)
    for i in range(12):
        coarse = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8))
        coarse.resize((4000, 3000), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=90)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from tables import make_table, people

    from facecluster.formats import face_table

    paths = []
    for i in range(3 * COVERS):
        paths.append(folder / "photos" / f"{i:03}.jpg")
        paths[-1].parent.mkdir(exist_ok=True)
        os.link(folder / f"{i % 12}.jpg", paths[-1])
    table = make_table(
        people(COVERS, 3),
        paths=[str(path) for path in paths],
        photos={"size": np.tile([4000, 3000], (len(paths), 1))},
        id=[f"{i + 1:032x}-0" for i in range(len(paths))],
        box=np.tile([1500, 1200, 2000, 1700], (len(paths), 1)),
    )
    library = folder / "people"
    library.mkdir()
    face_table.write(table, library / "faces.npz")
    facecluster("cluster", library / "faces.npz", "-o", library, "--link", "none", "-q")
    return library


def many_photos(folder, n=100_000, n_faces=10_000):
    """Make a library of many photos, none of which is there: in each tenth is a face, of one of 500 people."""
    rng = np.random.default_rng(15)
    person = np.arange(n_faces) % 500
    encoding = rng.normal(size=(500, 128))[person]
    encoding /= np.linalg.norm(encoding, axis=1, keepdims=True)
    encoding += rng.normal(size=(n_faces, 128)) * 0.4 / np.sqrt(2 * 128)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from tables import make_table

    from facecluster.formats import face_table

    photo = np.arange(n_faces) * (n // n_faces)
    table = make_table(
        encoding,
        photo=photo,
        paths=[
            str(folder / f"{2000 + i % 25}" / f"{i % 300} Ausflüge" / f"IMG_{i:06}.jpg") for i in range(n)
        ],
        photos={
            "status": np.where(np.isin(np.arange(n), photo), "ok", "no_face"),
            "time": rng.uniform(9e8, 1.7e9, n),
        },
        id=[f"{i + 1:032x}-0" for i in photo],
    )
    library = folder / "people"
    library.mkdir()
    face_table.write(table, library / "faces.npz")
    facecluster("cluster", library / "faces.npz", "-o", library, "--link", "none", "-q")
    return library


def put_sidecars(folder):
    """Have a file of another program name the four faces of each photo of a folder."""
    from facecluster.formats.xmp_write import Marked, merge, tags

    boxes = {f"Name {i}": (i / 4 + 0.02, 0.1, i / 4 + 0.23, 0.9) for i in range(4)}
    data = merge(None, tags([Marked(name, box) for name, box in boxes.items()], (), (440, 110))).data
    for photo in [*folder.iterdir()]:
        photo.with_name(f"{photo.name}.xmp").write_bytes(data)


def propose(page):
    """Time what files of other programs call the first people without a name."""
    times = []
    for own in [one["id"] for one in page.get("/api/people?filter=unnamed&limit=11")["people"]]:
        start, work = time.perf_counter(), page.work()
        names = page.get(f"/api/proposed?question=who%20{own}")["names"]
        times.append((time.perf_counter() - start, page.work() - work))
    told(f"{len(names)} names that files give to somebody", *sorted(times)[5])


def list_photos(page):
    """Time pages of the list of all photos, the first of each kind and the middle of ten more."""
    while page.get("/api/questions")["searching"]:
        time.sleep(0.1)
    time.sleep(2)  # the list is put in order then
    for query in (
        "",
        "only=none",
        "only=nobody",
        "sort=name",
        "query=img_0",
        "query=ausfluge+2007&only=none&offset=500",
    ):
        times = []
        for _ in range(11):
            start, work = time.perf_counter(), page.work()
            total = page.get(f"/api/photos?limit=120&{query}")["total"]
            times.append((time.perf_counter() - start, page.work() - work))
        told(f"/api/photos?{query}: {total:,}, first", *times[0])
        told("    again", *sorted(times)[5])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=5_000)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--photos", action="store_true")
    chosen = parser.parse_args()
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="facecluster-") as name:
        folder = Path(name)
        (folder / "many").mkdir()
        with page_of(many_photos(folder / "many")) as page:
            list_photos(page)
            print(f"{'memory':44} {page.memory()}", flush=True)
        if chosen.photos:
            return
        library = chosen.library
        if library is None:
            library = folder / "library"
            (folder / "photos").mkdir()
            library.mkdir()
            write_table(library / "faces.npz", folder / "photos", chosen.faces, chosen.people, True)
            put_sidecars(folder / "photos")
            facecluster("cluster", library / "faces.npz", "-o", library, "--link", "none", "-q")
        with page_of(library) as page:
            shown = page.get("/api/people?limit=120")
            told(
                f"start to a grid of {shown['total']:,} people", time.perf_counter() - page.began, page.work()
            )
            seconds, work, n = page.covers()
            told(f"{n} covers, cold", seconds, work)
            while page.get("/api/questions")["searching"]:
                time.sleep(0.1)
            told("start to the first question", time.perf_counter() - page.began, page.work())
            print(f"{'memory':44} {page.memory()}", flush=True)
            propose(page)
            decisions(page)
            print(f"{'memory after these':44} {page.memory()}", flush=True)
        (folder / "large").mkdir()
        with page_of(large_photos(folder / "large")) as page:
            seconds, work, n = page.covers()
            told(f"{n} covers of 12 megapixels, cold", seconds, work)


if __name__ == "__main__":
    main()
