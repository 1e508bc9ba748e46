"""A verb that was killed and is given again ends as if nothing had happened: what was decided is not decided twice."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import cluster_table
from PIL import Image
from tables import make_table

from facecluster.durable.own_files import ResultFolder
from facecluster.formats import decisions_jsonl, face_table
from facecluster.library import correct, undo_patches
from facecluster.library.held import Held
from facecluster.library.library import Library
from facecluster.render import montage as montage_module

_N = 6
"""Faces of each of three people, a photo each."""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three people whose photos are blank."""
    paths = [str(tmp_path / f"{i:02}.png") for i in range(3 * _N)]
    for i, path in enumerate(paths):
        Image.new("RGB", (320, 320), (13 * i, 90, 60)).save(path)
    directions = np.repeat(np.eye(128)[:3], _N, axis=0)
    around = np.random.default_rng(3).normal(0, 0.02, (3 * _N, 128))
    table = make_table(directions + around, paths=paths, photos={"size": np.full((3 * _N, 2), 320)})
    folder = tmp_path / "people"
    folder.mkdir()
    face_table.write(table, folder / "faces.npz")
    cluster_table(table, folder, source=str(folder / "faces.npz"), jobs=1)
    return folder


class _Killed(BaseException):
    pass


def _who(folder: Path) -> list[tuple[str, list[str]]]:
    found = json.loads((folder / "clusters.json").read_text())
    return [(person["id"], sorted(face["photo"] for face in person["faces"])) for person in found["people"]]


@pytest.mark.parametrize(
    "verb",
    [
        lambda held: correct.merge(held, ["person-0001", "person-0002"]),
        lambda held: correct.split(held, "person-0001", ["1-2"]),
        lambda held: correct.move(held, ["person-0001#1"], "person-0002"),
        lambda held: correct.name_or_make(held, ["Anna", "person-0001#1", "person-0001#2"]),
        lambda held: correct.name_or_make(held, ["person-0001", "Anna"]),
        lambda held: correct.not_a_person(held, ["person-0001#1"]),
        lambda held: correct.not_a_person(held, ["person-0001", "person-0002#1"]),
    ],
    ids=["merge", "split", "move", "make", "name", "face of nobody", "people who are none"],
)
def test_what_was_broken_off_and_is_asked_for_again_is_done_once(
    verb: Callable[[Held], correct.Corrected],
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    with Library.open(undisturbed) as held:
        verb(held)

    def die(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(Held, "save", die)
        with Library.open(library) as held, pytest.raises(_Killed):
            verb(held)
    with Library.open(library) as held:
        verb(held)
    assert "grouped anew" not in caplog.text  # so that who was corrected before stays as they are
    assert _who(library) == _who(undisturbed)
    patches = [(folder / undo_patches.FILE) for folder in (library, undisturbed)]
    n_patches = [len(file.read_text().splitlines()) if file.exists() else 0 for file in patches]
    assert n_patches[0] == n_patches[1]
    assert [one.act for one in decisions_jsonl.read(library / "decisions.jsonl")] == [
        one.act for one in decisions_jsonl.read(undisturbed / "decisions.jsonl")
    ]


def test_sheet_of_everybody_is_the_same_after_a_kill_before_it(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    who = ["person-0001", "person-0002"]
    with Library.open(undisturbed) as held:
        correct.merge(held, who)
    write = ResultFolder.write

    def dying(folder: ResultFolder, name: str, *arguments: Any, **others: Any) -> None:
        if name == "index.jpg":
            raise _Killed
        write(folder, name, *arguments, **others)

    with monkeypatch.context() as patch:
        patch.setattr(ResultFolder, "write", dying)
        with Library.open(library) as held, pytest.raises(_Killed):
            correct.merge(held, who)
    with Library.open(library) as held:
        correct.merge(held, who)
    assert (library / "index.jpg").read_bytes() == (undisturbed / "index.jpg").read_bytes()


def test_a_montage_whose_heading_alone_changes_is_the_same_after_a_kill_before_it(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    montage = "person-0001 Anna_montage.jpg"
    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    with Library.open(undisturbed) as held:
        held.name("person-0001", "Anna")

    def die(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(montage_module, "retitle", die)
        with Library.open(library) as held, pytest.raises(_Killed):
            held.name("person-0001", "Anna")
    assert (library / montage).exists()  # it has the name of its file already, and another heading
    monkeypatch.setattr(montage_module, "make_montage", die)  # no photo is read again
    with Library.open(library) as held:
        held.name("person-0001", "Anna")
    assert (library / montage).read_bytes() == (undisturbed / montage).read_bytes()


def test_what_the_disk_refused_is_tried_when_the_same_is_asked_for_again(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "person-0001":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with Library.open(library) as held:
            held.name("person-0001", "Anna")
    assert (library / "person-0001").is_dir()
    with Library.open(library) as held:
        assert held.name("person-0001", "Anna").decision is None
    assert (library / "person-0001 Anna").is_dir()


def test_what_is_said_after_the_clock_was_put_back_counts_last(library: Path) -> None:
    with Library.open(library) as held:
        correct.name(held, "person-0001", "Anna")
    ledger = library / "decisions.jsonl"
    (first,) = decisions_jsonl.read(ledger)
    ahead = decisions_jsonl.text_of(first).replace(first.time, "2999-12-31T23:59:59.999999Z")
    ledger.write_text(ahead + "\n")
    with Library.open(library) as held:
        correct.name(held, "person-0001", "Berta")
    assert [one.time for one in decisions_jsonl.read(ledger)][1] == "3000-01-01T00:00:00.000000Z"
    with Library.open(library) as held:
        assert held.people.people[0].name == "Berta"
