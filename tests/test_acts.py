"""A library goes through the ordinary acts of some years, and nobody who was named is lost.

The acts follow one another on one library, in two orders. After every command the same people are there, with their
ids, names and corrections; nobody forgotten is back; and whoever goes is told by name.

A photo is called by whom it shows and a number, as `shimon-3.jpg`, and keeps this in its name wherever it goes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import PROGRAM, called
from PIL import Image

import facecluster as fc

SUBJECTS = {
    "jelena": "Jelena_Dokic",
    "shimon": "Shimon_Peres",
    "celine": "Celine_Dion",
    "naji": "Naji_Sabri",
    "sheryl": "Sheryl_Crow",
    "ana": "Ana_Palacio",
    "robert": "Robert_Blake",
    "kevin": "Kevin_Costner",
    "paul": "Paul_Martin",
}
"""Their folders in lfw_dev, with eight photos each: 1 to 6 in the library at first, 7 later, 8 for a group picture."""
NAMES = {"jelena": "Jelena", "shimon": "Shimon", "celine": "Celine", "naji": "Naji"}
MERGED = ("paul", "ana")
SPLIT, SPLIT_OFF, SPLIT_FROM = "robert", {1, 4, 5}, {2, 3, 6}
MOVED = ("kevin", 3)
"""Given to Shimon."""
NOBODY = ("kevin", 2)
FORGOTTEN = "sheryl"
GROUP = "jelena+sheryl"
"""A picture of both, side by side: one face of it is forgotten."""
MARGIN = 35
"""Pixels cut from each side of a photo of 250 x 250, so that it shows one face."""
ALL_AT_ONCE = ("--link", "none")

Tag = tuple[str, int]


def tag(path: object) -> Tag:
    found = re.search(r"([a-z]+(?:\+[a-z]+)?)-(\d)", Path(str(path)).stem)
    assert found, f"{path}: not a photo of these tests"
    return found[1], int(found[2])


@dataclass
class World:
    """Photos and the library of them.

    Attributes:
        root: holds everything.
        names: name by id of whoever has one.
        subjects: whom somebody named shows, by id.
        merged, split, split_off: ids.
        gone: named people whose photos were deleted on purpose.
        turned: photos in which no face is found any more.
        strict: settings or networks are not the usual ones, so people may be small.
        told: what the last command said on standard error.
    """

    root: Path
    names: dict[str, str] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    merged: str = ""
    split: str = ""
    split_off: str = ""
    gone: set[str] = field(default_factory=set)
    turned: set[Tag] = field(default_factory=set)
    strict: bool = False
    told: str = ""

    def __post_init__(self) -> None:
        self.photos, self.stash, self.library = (
            self.root / "photos",
            self.root / "stash",
            self.root / "people",
        )

    @property
    def folders(self) -> list[Path]:
        """The years."""
        return sorted(self.photos.iterdir())

    def files(self, *subjects: str, number: int | None = None) -> list[Path]:
        """All photos in the folders, or those of some people, or of a number."""
        return [
            path
            for path in sorted(self.photos.rglob("*.jpg"))
            if (not subjects or tag(path)[0] in subjects) and number in (None, tag(path)[1])
        ]

    def record(self) -> Any:
        return json.loads((self.library / "clusters.json").read_text())

    def people(self) -> dict[str, list[Tag]]:
        """Photos of each person."""
        return {p["id"]: sorted(tag(face["photo"]) for face in p["faces"]) for p in self.record()["people"]}

    def person(self, photo: Tag) -> str:
        return next(id_ for id_, photos in self.people().items() if photo in photos)

    def do(self, *arguments: object, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command, and give what it said on standard error."""
        done = called(*arguments)
        self.told = done.stderr
        assert done.exit_code in codes, (
            f"facecluster {' '.join(map(str, arguments))} ended with {done.exit_code}"
        )
        return done.stderr

    def run(self, *options: object, over: list[Path] | None = None, codes: tuple[int, ...] = (0,)) -> str:
        """Run over the folders, and check what then is there."""
        before = {person["id"]: person["name"] for person in self.record()["people"]}
        told = self.do("run", *(over or self.folders), "-o", self.library, "-j", 1, *options, codes=codes)
        people = self.record()["people"]
        there = {id_ for person in people for id_ in (person["id"], *person["former"])}
        for id_, name in before.items():
            assert id_ in there or id_ in told or (name is not None and name in told), (
                f"{id_} ({name}) went, and nobody was told"
            )
        self.check()
        return told

    def check(self) -> None:
        """The same people with their ids, names and corrections, and nobody who was forgotten."""
        record = self.record()
        found = {person["id"]: person["name"] for person in record["people"] if person["name"] is not None}
        names = {id_: name for id_, name in self.names.items() if name not in self.gone}
        assert found == names
        people = self.people()
        for id_, subject in self.subjects.items():
            if id_ in names:
                self._check_named(subject, people[id_])
        assert {self.merged, self.split, self.split_off} <= people.keys(), (
            "the merged or the split are no people"
        )
        assert set(MERGED) == {subject for subject, _ in people[self.merged]}, "the merged are not one"
        first, second = ({n for s, n in people[id_] if s == SPLIT} for id_ in (self.split, self.split_off))
        assert first & SPLIT_FROM, "the split has lost its faces"
        assert second & SPLIT_OFF, "what was split off has lost its faces"
        assert not first & SPLIT_OFF, "faces that were split off are back"
        assert not second & SPLIT_FROM, "faces have gone over to what was split off"
        with_moved = {id_ for id_, photos in people.items() if MOVED in photos}
        assert with_moved == {next(id_ for id_, subject in self.subjects.items() if subject == "shimon")}
        assert NOBODY not in [photo for photos in people.values() for photo in photos]
        self._check_forgotten(record)

    def _check_named(self, subject: str, photos: list[Tag]) -> None:
        others = {photo for photo in photos if photo[0] not in (subject, f"{subject}+{FORGOTTEN}")}
        assert others <= ({MOVED} if subject == "shimon" else set()), (
            f"{subject} has faces of others: {others}"
        )
        there = {tag(path) for path in self.files(subject)} - self.turned
        kept = {photo for photo in photos if photo[0] == subject}
        least = 1 if self.strict else len(there) / 2
        assert len(kept) >= least, f"{subject} has lost faces: {len(kept)} of {len(there)} photos"

    def _check_forgotten(self, record: Any) -> None:
        table = fc.read(self.library / "faces.npz")
        in_table = table.photos.path[table.faces.photo].tolist()
        in_result = [face["photo"] for person in record["people"] for face in person["faces"]]
        in_result += [face["photo"] for face in record["unclustered"]]
        for photos in (in_table, in_result):
            back = [path for path in photos if tag(path)[0] == FORGOTTEN]
            assert not back, f"forgotten faces are back: {back}"
            group = [path for path in photos if tag(path)[0] == GROUP]
            assert len(group) == len(set(group)), "the forgotten face of the group picture is back"

    def check_shown(self) -> None:
        """What `show` says is what the result says."""
        done = called("show", self.library, "--format", "json")
        assert done.exit_code == 0, done.stderr
        shown = {
            person["id"]: (person["name"], person["n_faces"]) for person in json.loads(done.stdout)["people"]
        }
        assert shown == {p["id"]: (p["name"], len(p["faces"])) for p in self.record()["people"]}


def copy_photo(shared_data: Path, subject: str, number: int, target: Path) -> None:
    folder = SUBJECTS[subject]
    with Image.open(shared_data / "lfw_dev" / folder / f"{folder}_{number:04d}.jpg") as image:
        image.crop((MARGIN, MARGIN, image.width - MARGIN, image.height - MARGIN)).save(target, quality=95)


def put_photos(shared_data: Path, world: World) -> None:
    for folder in (world.photos / "2023", world.photos / "2024", world.stash / "2025"):
        folder.mkdir(parents=True)
    for subject in SUBJECTS:
        for number in range(1, 7):
            folder = world.photos / ("2023" if number <= 3 else "2024")
            copy_photo(shared_data, subject, number, folder / f"{subject}-{number}.jpg")
        if subject not in (FORGOTTEN, "naji"):
            copy_photo(shared_data, subject, 7, world.stash / "2025" / f"{subject}-7.jpg")
    copy_photo(shared_data, "naji", 7, world.stash / "naji-7.jpg")
    group = Image.new("RGB", (2 * (250 - 2 * MARGIN), 250 - 2 * MARGIN))
    for place, subject in enumerate(GROUP.split("+")):
        copy_photo(shared_data, subject, 8, world.stash / "part.jpg")
        with Image.open(world.stash / "part.jpg") as image:
            group.paste(image, (place * image.width, 0))
    (world.stash / "part.jpg").unlink()
    group.save(world.photos / "2024" / f"{GROUP}-8.jpg", quality=95)


def face(world: World, photo: Tag) -> str:
    """Id of the largest face of a photo."""
    record = world.record()
    faces = [face for person in record["people"] for face in person["faces"]] + record["unclustered"]
    own = [face for face in faces if tag(face["photo"]) == photo]
    return str(max(own, key=lambda face: face["box"][2] - face["box"][0])["id"])


@pytest.fixture(scope="session")
def corrected(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A library of two years with four names, a merge, a split, a moved face, one that is none, and one forgotten."""
    world = World(tmp_path_factory.mktemp("acts") / "world")
    put_photos(shared_data, world)
    world.do("run", *world.folders, "-o", world.library, "-j", 1, *ALL_AT_ONCE)
    people = world.people()
    assert [len({subject for subject, _ in photos if subject != GROUP}) for photos in people.values()] == [
        1
    ] * 9
    for subject, name in NAMES.items():
        id_ = world.person((subject, 5))
        world.do("name", world.library, id_, name)
        world.names[id_], world.subjects[id_] = name, subject
    world.merged = world.person((MERGED[0], 5))
    world.do("merge", world.library, world.merged, world.person((MERGED[1], 5)))
    world.split = world.person((SPLIT, 2))
    world.do("split", world.library, world.split, *[face(world, (SPLIT, n)) for n in sorted(SPLIT_OFF)])
    world.split_off = world.person((SPLIT, 4))
    world.do("move", world.library, face(world, MOVED), "Shimon")
    world.do("not-a-person", world.library, face(world, NOBODY))
    world.do("forget", world.library, "--person", world.person((FORGOTTEN, 5)))
    world.check()
    shutil.copytree(world.root, world.root.with_name("template"))
    return world


@pytest.fixture
def world(corrected: World) -> World:
    """A world of its own, at the same place: paths in a face table are absolute."""
    shutil.rmtree(corrected.root)
    shutil.copytree(corrected.root.with_name("template"), corrected.root)
    return World(
        corrected.root,
        dict(corrected.names),
        dict(corrected.subjects),
        corrected.merged,
        corrected.split,
        corrected.split_off,
    )


# How photos are changed.


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (2 + len(payload)).to_bytes(2, "big") + payload


def with_rating(jpeg: bytes, stars: int) -> bytes:
    """A JPEG with a rating and a tag in two APP1 segments, EXIF and XMP, as photo managers write them.

    References:
        CIPA DC-008 4.7 (EXIF in APP1); Adobe, XMP Specification Part 3, 1.1.3 (XMP in APP1); Microsoft's tag 0x4746.
    """
    assert jpeg[:2] == b"\xff\xd8"
    exif = Image.Exif()
    exif[0x4746] = stars
    xmp = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{stars}" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>holiday</rdf:li></rdf:Bag>'
        '</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
    # tobytes() begins with the identifier "Exif\0\0" already
    parts = (exif.tobytes(), b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode())
    return jpeg[:2] + b"".join(segment(0xE1, part) for part in parts) + jpeg[2:]


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def edit(paths: list[Path], change: Callable[[Image.Image], Image.Image], quality: int = 92) -> None:
    """Write changed pictures in the place of photos, as an editor does."""
    for path in paths:
        with Image.open(path) as image:
            changed = change(image.convert("RGB"))
        changed.save(path, quality=quality)


@contextmanager
def away(world: World, files: list[Path]) -> Iterator[None]:
    """Files are elsewhere for a while."""
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    for number, path in enumerate(files):
        path.rename(elsewhere / str(number))
    yield
    for number, path in enumerate(files):
        (elsewhere / str(number)).rename(path)
    elsewhere.rmdir()


# The acts.


def rate_and_tag_all(world: World) -> None:
    before = world.people()
    ids = {face["id"] for person in world.record()["people"] for face in person["faces"]}
    for path in world.files():
        shown = pixels(path)
        path.write_bytes(with_rating(path.read_bytes(), 5))
        np.testing.assert_array_equal(pixels(path), shown)
    world.run()
    assert world.people() == before
    assert {face["id"] for person in world.record()["people"] for face in person["faces"]} == ids


def rename_move_and_duplicate_some(world: World) -> None:
    for path in world.files(number=6):
        path.rename(path.with_name(f"holiday {path.name}"))
    (world.photos / "2024" / "trip").mkdir()
    for path in world.files(number=3):
        path.rename(world.photos / "2024" / "trip" / path.name)
    for path in world.files(number=5):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    for path in world.files(GROUP):
        shutil.copy(path, world.photos / "2023" / path.name)
    world.run()


def turn_some(world: World) -> None:
    paths = world.files(number=1)
    edit(paths, lambda image: image.transpose(Image.Transpose.ROTATE_90))
    world.turned |= {tag(path) for path in paths}
    world.run()


def crop_some(world: World) -> None:
    paths = world.files(number=2)
    edit(paths, lambda image: image.crop((image.width // 20, image.height // 20, image.width, image.height)))
    world.run()


def brighten_some(world: World) -> None:
    edit(world.files(number=3), lambda image: image.point(lambda value: min(255, round(1.15 * value + 8))))
    world.run()


def save_some_again(world: World) -> None:
    edit(world.files(number=4) + world.files(GROUP), lambda image: image, quality=70)
    world.run()


def copy_and_edit_the_forgotten(world: World) -> None:
    for path in world.files(FORGOTTEN, GROUP):
        shutil.copy(path, path.with_name(f"edited {path.name}"))
    edit(
        [path for path in world.files(FORGOTTEN, GROUP) if path.name.startswith("edited")],
        lambda image: image.resize((image.width * 4 // 5, image.height * 4 // 5)),
        quality=80,
    )
    world.run()


def add_a_year(world: World) -> None:
    shutil.move(world.stash / "2025", world.photos / "2025")
    world.run()
    numbers = {photo for photos in world.people().values() for photo in photos if photo[1] == 7}
    assert {("jelena", 7), ("shimon", 7)} <= numbers


def run_over_one_folder(world: World) -> None:
    before = world.people()
    world.run(over=world.folders[:1])
    assert world.people() == before


def run_over_the_other(world: World) -> None:
    before = world.people()
    world.run(over=world.folders[1:2])
    assert world.people() == before


def ask_for_more_photos(world: World) -> None:
    world.strict = True
    world.run("--min-images", 5)
    assert world.record()["settings"]["cluster"]["limits"]["min_images"] == 5
    told = world.run()
    assert world.record()["settings"]["cluster"]["limits"]["min_images"] == 5, "settings are not remembered"
    assert re.search(r"min.images\W+5", told), "remembered settings are not told"
    assert world.record()["settings"]["link"] == "none", "settings are not remembered"
    world.strict = False
    world.run("--min-images", 3)


def ask_for_straight_heads(world: World) -> None:
    world.strict = True
    world.run("--max-angle", 5)
    world.strict = False
    world.run("--max-angle", 30)


def use_another_detector(world: World) -> None:
    world.strict = True
    world.run("--detector", "hog")
    assert world.record()["settings"]["detector"] == "hog"
    world.strict = False
    world.run("--detector", "yunet")
    assert world.record()["settings"]["detector"] == "yunet"


def use_another_encoder(world: World) -> None:
    world.strict = True
    world.run("--encoder", "dlib")
    assert world.record()["settings"]["encoder"] == "dlib"
    world.strict = False
    world.run("--encoder", "sface")
    assert world.record()["settings"]["encoder"] == "sface"


def encode_afresh(world: World) -> None:
    world.run("--fresh")


def unmount_a_folder(world: World) -> None:
    before, years = world.people(), world.folders
    gone = world.photos / "2024"
    gone.rename(world.root / "unmounted")
    # A path that is given and not there may be refused (2), or told while the others are looked at (0).
    told = world.run(over=years, codes=(0, 2))
    assert str(gone) in told, "a folder that is gone is not told"
    assert world.people() == before
    told = world.run(over=[world.photos])
    assert str(gone) in told, "a folder that is gone is not told"
    assert world.people() == before
    (world.root / "unmounted").rename(gone)
    world.run()
    assert world.people() == before


def empty_a_folder(world: World) -> None:
    before = world.people()
    folder = world.photos / "2024"
    shutil.move(folder, world.root / "unmounted")
    folder.mkdir()
    told = world.run()
    assert str(folder) in told, "a folder that is empty is not told"
    assert world.people() == before
    folder.rmdir()
    shutil.move(world.root / "unmounted", folder)
    world.run()
    assert world.people() == before


def lose_most_of_a_folder(world: World) -> None:
    before = world.people()
    files = [path for path in world.files() if path.is_relative_to(world.photos / "2024")]
    with away(world, files[: len(files) // 2]):
        told = world.run()
        assert "--prune" in told, "photos that are gone are not told"
        assert world.people() == before
    world.run()
    assert world.people() == before


def delete_somebody_and_bring_the_photos_back(world: World) -> None:
    files = world.files("celine")
    with away(world, files):
        world.gone.add("Celine")
        told = world.run()
        assert "Celine" in told, "a name without a face is not told"
        told = world.run()
    world.gone.clear()
    world.run()


def restore_a_backup(world: World) -> None:
    backup = world.root / "backup"
    shutil.copytree(world.library, backup)
    world.do("name", world.library, "Shimon", "Somebody else")
    world.do("undo", world.library)
    world.do("merge", world.library, "Jelena", "Naji")
    for path in world.files():
        path.write_bytes(with_rating(path.read_bytes(), 3))
    world.do("run", *world.folders, "-o", world.library, "-j", 1)
    shutil.rmtree(world.library)
    shutil.move(backup, world.library)
    world.run()


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Number and time of each file of a folder."""
    state = {}
    for entry in os.scandir(folder):
        try:
            status = os.stat(entry.path)
        except FileNotFoundError:  # it has just taken its place
            continue
        state[entry.name] = status.st_ino, status.st_mtime_ns
    return state


def kill_a_run(world: World) -> None:
    for until in ("anything is written", "the face table is written"):
        before = state_of(world.library)
        arguments = ["run", *world.folders, "-o", world.library, "-j", 1, "--fresh", "-q"]
        with subprocess.Popen([*PROGRAM, *map(str, arguments)], start_new_session=True) as process:
            while process.poll() is None:
                now = state_of(world.library)
                if now != before if until[0] == "a" else now.get("faces.npz") != before["faces.npz"]:
                    os.killpg(process.pid, signal.SIGKILL)
                    break
                time.sleep(0.005)
        assert process.returncode == -signal.SIGKILL, f"not killed before {until}"
        world.check()
        world.run("--fresh")


def watch_between_two_runs(world: World) -> None:
    shutil.copy(world.stash / "naji-7.jpg", world.photos / "2024" / "naji-7.jpg")
    done = called("watch", *world.folders, "--into", world.library, "--once", "--settle", 0, "-j", 1)
    world.told = done.stderr
    assert done.exit_code == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["event"], event["name"]) for event in events if "name" in event] == [("known", "Naji")]
    world.check()
    world.run()
    assert ("naji", 7) in world.people()[world.person(("naji", 5))]


def take_the_decisions_of_a_second_computer(world: World) -> None:
    other = world.root / "second computer"
    shutil.copytree(world.library, other)
    ours = (world.library / "decisions.jsonl").read_bytes()
    world.do("name", other, world.merged, "Ana")
    world.do("name", other, "Naji", "Naji S.")
    theirs = (other / "decisions.jsonl").read_bytes()
    assert theirs.startswith(ours)
    with (world.library / "decisions.jsonl").open("ab") as file:
        file.write(theirs[len(ours) :])
    shutil.rmtree(other)
    world.names[world.merged] = "Ana"
    world.names[world.person(("naji", 5))] = "Naji S."
    world.run()
    world.do("name", world.library, "Naji S.", "Naji")
    world.names[world.person(("naji", 5))] = "Naji"
    world.run()


def move_the_library(world: World) -> None:
    (world.root / "kept").mkdir()
    world.library = world.library.rename(world.root / "kept" / "our people")
    world.check_shown()
    world.run()


ACTS = (
    rate_and_tag_all,
    rename_move_and_duplicate_some,
    run_over_one_folder,
    run_over_the_other,
    turn_some,
    crop_some,
    ask_for_more_photos,
    ask_for_straight_heads,
    take_the_decisions_of_a_second_computer,
    unmount_a_folder,
    brighten_some,
    save_some_again,
    copy_and_edit_the_forgotten,
    watch_between_two_runs,
    add_a_year,
    use_another_detector,
    use_another_encoder,
    empty_a_folder,
    lose_most_of_a_folder,
    encode_afresh,
    kill_a_run,
    restore_a_backup,
    delete_somebody_and_bring_the_photos_back,
    move_the_library,
)
ORDERS = {"as listed": ACTS, "backwards": ACTS[::-1]}


def go_through(world: World, acts: tuple[Callable[[World], None], ...]) -> None:
    for number, act in enumerate(acts, 1):
        try:
            act(world)
            world.check()
            world.check_shown()
        except AssertionError as error:
            raise AssertionError(f"act {number}, {act.__name__}: {error}\n{world.told}") from error


def orders() -> Iterator[Any]:
    """The first order; the others, two minutes each, where FACECLUSTER_LONG_TESTS is set."""
    is_short = not os.environ.get("FACECLUSTER_LONG_TESTS")
    for place, order in enumerate(ORDERS):
        long = pytest.mark.skipif(
            place > 0 and is_short, reason="takes minutes; set FACECLUSTER_LONG_TESTS=1"
        )
        yield pytest.param(order, marks=long)


@pytest.mark.parametrize("order", [*orders()])
def test_nobody_is_lost(world: World, order: str) -> None:
    go_through(world, ORDERS[order])
