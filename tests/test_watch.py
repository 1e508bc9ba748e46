"""Watches over made-up faces: what networks would find in a photo is told by its name: person, and number of face."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tables import people

from facecluster import api
from facecluster.encoding.analysis import FACE, Analysis, Row
from facecluster.encoding.dated import UNDATED
from facecluster.formats.clusters_json import read_result
from facecluster.library import watch as module
from facecluster.library.layout import CLUSTERS, PENDING, TABLE, TOLD
from facecluster.library.library import Library
from facecluster.library.pending import Notice, ToTell
from facecluster.library.read import read
from facecluster.library.settings import Choices
from facecluster.library.watch import Watch
from facecluster.photos import picture
from facecluster.photos.decode import decode
from facecluster.photos.file import read_photo
from facecluster.table import MEASURED, OK, PLAIN

FACES = people(6, 40).reshape(6, 40, 128)
NOTHING: Callable[[Notice], object] = lambda notice: None  # noqa: E731


def found(path: str) -> Row:
    """What is found in a photo: a face of the person whose number its name starts with."""
    data, _ = read_photo(path)
    photo = decode(data)
    person, text = Path(path).stem.split()[:2]
    faces = np.zeros(1, FACE)
    for name, value in (dict.fromkeys(MEASURED, 0.5) | PLAIN).items():
        faces[name] = value
    faces["box"] = faces["anchor"] = (5, 5, 105, 105)
    faces["score"], faces["quality"] = 0.9, 0.9
    faces["encoding"] = FACES[int(person), int(text)]
    looks = picture.hashes(photo.pixels)
    digest = picture.pixel_digest(photo.pixels, photo.size)
    known = Analysis("", digest, photo.size, OK, "", UNDATED, looks[0], faces, looks=looks)
    return Row(path, picture.coded_digest(data), known)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def analyse(self: Watch, paths: Sequence[str]) -> list[Row]:
        known = self._past.by_coded
        return [row._replace(analysis=known.get(row.coded, row.analysis)) for row in map(found, paths)]

    monkeypatch.setattr(Watch, "_analyse", analyse)


def photo_of(folder: Path, person: int, number: int) -> str:
    """A photo that shows a face of a person, and no other like it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{person} {number}.png"
    noise = np.random.default_rng(100 * person + number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((110, 110)).save(path)
    return str(path)


def several(folder: Path, *names: tuple[int, int]) -> list[str]:
    return [photo_of(folder, *name) for name in names]


def watch_of(library: Path, told: list[dict[str, Any]]) -> Watch:
    return Watch(
        library, lambda notice: told.append(json.loads(notice.line)), choices=Choices(link="none"), jobs=1
    )


@pytest.fixture
def library(made_up: None, tmp_path: Path) -> Path:
    """Two people of five photos."""
    told: list[dict[str, Any]] = []
    with watch_of(tmp_path / "people", told) as watch:
        watch.add(several(tmp_path / "in", *((person, i) for person in (0, 1) for i in range(5))))
    assert [event["event"] for event in told] == ["founded", "founded"]
    return tmp_path / "people"


def bytes_of(library: Path) -> list[bytes]:
    return [(library / name).read_bytes() for name in (CLUSTERS, TABLE)]


ARRIVING = [[(0, 5)], [(2, 0), (2, 1)], [(1, 5), (2, 2)], [(3, 0)], [(2, 3), (0, 6), (2, 4)]]
"""Photos in batches, in which person 2 is founded."""


def test_photo_that_arrives_leaves_the_large_files_alone(library: Path, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    before = bytes_of(library)
    with watch_of(library, told) as watch:
        for names in ARRIVING:
            watch.add(several(tmp_path / "in", *names))
        assert bytes_of(library) == before
        assert (library / PENDING).exists()
        assert not (library / TOLD).exists()
    assert bytes_of(library) != before
    assert not (library / PENDING).exists()
    events = [event["event"] for event in told]
    assert events == [
        "known",
        "stranger",
        "stranger",
        "known",
        "founded",
        "stranger",
        "known",
        "known",
        "known",
    ]
    assert len(read_result(library / CLUSTERS).people) == 3
    with Library.open(library) as opened:
        assert len(opened.table.photos) == 19


@pytest.mark.parametrize("n", range(1, len(ARRIVING) + 1))
def test_library_that_takes_in_what_waits_is_what_the_watch_would_have_written(
    n: int, library: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    with watch_of(library, []) as watch:
        for names in ARRIVING[:n]:
            watch.add(several(tmp_path / "in", *names))
        shutil.copytree(library, copy)
    Library.open(copy).close()
    assert not (copy / PENDING).exists()
    assert [(copy / name).read_bytes() for name in (CLUSTERS, TABLE)] == bytes_of(library)


def test_verbs_that_only_read_see_what_waits(library: Path, tmp_path: Path) -> None:
    with watch_of(library, []) as watch:
        watch.add(several(tmp_path / "in", (0, 5)))
        copy = tmp_path / "copy"
        shutil.copytree(library, copy)
        assert read(str(library)).counts.faces == 11
        assert not (library / PENDING).exists()
        watch.add(several(tmp_path / "in", (0, 6)))
    assert api.read_people(copy).result.counts.faces == 11
    assert read(str(library)).counts.faces == 12


def test_verb_that_only_reads_waits_for_nobody(library: Path, tmp_path: Path) -> None:
    with watch_of(library, []) as watch:
        watch.add(several(tmp_path / "in", (0, 5)))
        with Library.open(library):
            watch_copy = several(tmp_path / "in", (0, 6))
        watch.add(watch_copy)
        watch._library.hold()
        with watch._library:
            assert read(str(library)).counts.faces == 11


def test_what_a_person_says_while_photos_arrive_counts(library: Path, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    with watch_of(library, told) as watch:
        watch.add(several(tmp_path / "in", (0, 5)))
        with Library.open(library) as opened:
            opened.name(told[0]["person"], "Ann")
        watch.add(several(tmp_path / "in", (0, 6), (1, 6)))
    assert [(event["event"], event["name"]) for event in told] == [
        ("known", None), ("known", "Ann"), ("known", None)
    ]  # fmt: skip
    assert sorted(person.n_faces for person in read_result(library / CLUSTERS).people) == [6, 7]


def test_library_is_free_while_events_are_told(library: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def tell(notice: Notice) -> None:
        event = json.loads(notice.line)
        with Library.open(library, wait_s=0) as opened:
            opened.name(event["person"], f"Name {len(told)}")
        told.append(notice.environment["FACECLUSTER_PHOTO"])

    with Watch(library, tell, choices=Choices(link="none"), jobs=1) as watch:
        watch.add(several(tmp_path / "in", (0, 5), (1, 5)))
        watch.add(several(tmp_path / "in", (0, 6)))
    assert [Path(path).name for path in told] == ["0 5.png", "1 5.png", "0 6.png"]
    assert {person.name for person in read_result(library / CLUSTERS).people} == {"Name 1", "Name 2"}


class Killed(Exception):  # noqa: N818 - no error, but what a kill leaves behind
    pass


def test_forgotten_people_are_in_no_journal(library: Path, tmp_path: Path) -> None:
    def die(notice: Notice) -> None:
        raise Killed

    with pytest.raises(Killed), Watch(library, die, choices=Choices(link="none"), jobs=1) as watch:
        watch.add(several(tmp_path / "in", (0, 5), (1, 5)))
    assert (library / PENDING).exists()
    whose = {
        Path(face.photo).name: person.id for person in read(str(library)).people for face in person.faces
    }
    with Library.open(library) as opened:
        opened.forget(whose["0 5.png"])
    left = (library / TOLD).read_text(encoding="utf-8", errors="replace")
    assert "0 5.png" not in left
    assert "1 5.png" in left
    told: list[dict[str, Any]] = []
    with watch_of(library, told) as watch:
        watch.add(several(tmp_path / "in", (0, 5)))
    assert [Path(event["photo"]).name for event in told] == ["1 5.png"]


def test_files_are_written_when_many_photos_wait_or_nothing_comes(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watch_of(library, []) as watch:
        assert not watch.is_due
        watch.add(several(tmp_path / "in", (0, 5)))
        assert not watch.is_due
        monkeypatch.setattr(module, "QUIET_S", 0)
        assert watch.is_due
        monkeypatch.setattr(module, "QUIET_S", 60)
        monkeypatch.setattr(module, "WAITING", 2)
        watch.add(several(tmp_path / "in", (0, 6)))
        assert watch.is_due
        watch.write()
        assert not watch.is_due
        assert not (library / PENDING).exists()


def test_renamed_photo_takes_its_person_along(library: Path, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    path = Path(photo_of(tmp_path / "in", 0, 1))
    with watch_of(library, told) as watch:
        watch.add(several(tmp_path / "in", (0, 5)))
        new = path.rename(path.with_name("0 1 renamed.png"))
        assert watch.add([str(new)]) == {str(path)}
        copy = tmp_path / "copy"
        shutil.copytree(library, copy)
    assert len(told) == 1
    Library.open(copy).close()
    assert [(copy / name).read_bytes() for name in (CLUSTERS, TABLE)] == bytes_of(library)
    assert str(new) in {face.photo for person in read(str(library)).people for face in person.faces}


def test_photo_that_changed_before_the_files_were_written_is_looked_at_again(
    library: Path, tmp_path: Path
) -> None:
    paths = several(tmp_path / "in", (0, 5))
    with watch_of(library, []) as watch:
        watch.add(paths)
        Image.new("RGB", (50, 50)).save(paths[0])
    with watch_of(library, []) as watch:
        assert watch.since < Path(paths[0]).stat().st_mtime


def test_what_an_older_watch_left_to_be_told_is_told_in_per_cent(tmp_path: Path) -> None:
    lines = [
        '{"event": "known", "face": "a-0", "confidence": 0.9712345}',
        '{"event": "stranger", "face": "b-0"}',
    ]
    with ToTell(tmp_path) as to_tell:
        to_tell.read()
        to_tell.append(json.dumps({"batch": "1", "notices": [[line, {}] for line in lines]}).encode())
        to_tell.add("2", [Notice(lines[0].replace("0.9712345", "0.5"), {})])
    with ToTell(tmp_path) as to_tell:
        notices, batches = to_tell.read()
    assert batches == {"1", "2"}
    assert [json.loads(notice.line).get("confidence") for notice in notices] == [97.12345, None, 0.5]
