"""The file of small pictures: no larger than it may be, whole after a kill, and whatever else lies in its place."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from libraries import cluster_table
from pages import opened
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.formats import face_table
from facecluster.library.layout import THUMBNAILS, THUMBNAILS_JOURNAL, UNDO
from facecluster.review import thumbnails
from facecluster.review.thumbnails import _Kept

FACE = f"{1:032x}-0"
JPEG = bytes(20_000)


def rows(directory: Path) -> list[str]:
    """Whose pictures are kept."""
    with closing(sqlite3.connect(directory / THUMBNAILS)) as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [own for (own,) in base.execute("SELECT id FROM picture ORDER BY id")]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Kept]:
    monkeypatch.setattr(thumbnails, "MOST_BYTES", 1_000_000)
    file = _Kept(tmp_path)
    yield file
    file.close()


def test_what_nobody_asked_for_longest_goes_first(kept: _Kept, tmp_path: Path) -> None:
    for i in range(40):
        kept.put(f"{i:03d}", 160, "key", JPEG)
    with closing(sqlite3.connect(tmp_path / THUMBNAILS)) as base, base:
        base.execute("UPDATE picture SET asked = 1000000 + id")  # days ago, one after the other
    for own in ("000", "007"):
        assert kept.get(own, 160, "key") == JPEG
    for i in range(40, 65):
        kept.put(f"{i:03d}", 160, "key", JPEG)
    left = rows(tmp_path)
    assert left[:2] == ["000", "007"]
    assert left[2:] == [f"{i:03d}" for i in range(65 - len(left[2:]), 65)]
    assert len(left) > 40


def test_file_grows_no_larger_than_it_may(kept: _Kept, tmp_path: Path) -> None:
    for i in range(300):
        kept.put(f"{i:03d}", 160, "key", os.urandom(1000 + 40 * i))
        assert (tmp_path / THUMBNAILS).stat().st_size < 1_050_000
    assert kept.get("299", 160, "key") is not None
    assert len(rows(tmp_path)) > 20


KEEPS = """
import sys, os
from pathlib import Path
from facecluster.review import thumbnails
thumbnails.MOST_BYTES = 1_000_000
kept = thumbnails._Kept(Path(sys.argv[1]))
for i in range(10**9):
    kept.put(f"{i % 1000:03d}", 160, "key", os.urandom(20_000))
    if i == 200:
        print("full", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows kills otherwise")
def test_a_kill_leaves_it_whole(tmp_path: Path, kept: _Kept) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", KEEPS, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"full\n"
            process.send_signal(signal.SIGKILL)
        kept.put("new", 160, "key", JPEG)
        assert kept.get("new", 160, "key") == JPEG
        assert len(rows(tmp_path)) > 20
        assert (tmp_path / THUMBNAILS).stat().st_size < 1_050_000
        kept.close()


# ----------------------------------------------------------------------------------------- what else lies there


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two people of three photos each."""
    directory = tmp_path / "people"
    directory.mkdir()
    paths = [str(tmp_path / f"{i}.jpg") for i in range(6)]
    for i, path in enumerate(paths):
        Image.new("RGB", (1000, 800), (40 * i, 90, 90)).save(path)
    table = make_table(people(2, 3), paths=paths, id=[f"{i + 1:032x}-0" for i in range(6)])
    face_table.write(table, directory / "faces.npz")
    cluster_table(table, directory, source=str(directory / "faces.npz"))
    return directory


def put_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def put_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)


ODD = pytest.mark.parametrize(
    ("put", "what"),
    [
        (put_folder, "a folder"),
        pytest.param(
            getattr(os, "mkfifo", None),
            "a pipe or a device",
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names"),
        ),
        pytest.param(
            put_socket,
            "a pipe or a device",
            marks=pytest.mark.skipif(os.name == "nt", reason="no sockets with names"),
        ),
    ],
)
"""What is no file, and how it is called."""


@ODD
@pytest.mark.parametrize("name", [THUMBNAILS, THUMBNAILS_JOURNAL])
def test_the_page_does_without_and_says_so_once(
    library: Path, caplog: pytest.LogCaptureFixture, put: object, what: str, name: str
) -> None:
    assert callable(put)
    put(library / name)
    with opened(library) as page, caplog.at_level(logging.WARNING):
        for side in (96, 160, 96):
            assert page.ask("GET", f"/face/{FACE}?s={side}").body[:2] == b"\xff\xd8"
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert f"{library / THUMBNAILS}: {what} is in the way" in told[0]
    assert not (library / name).is_file()
    assert os.path.lexists(library / name)


@ODD
def test_forget_goes_on_and_says_what_it_leaves(library: Path, put: object, what: str) -> None:
    assert callable(put)
    assert CliRunner().invoke(main, ["name", str(library), "person-0002", "Bo"]).exit_code == 0
    odd = [THUMBNAILS, THUMBNAILS_JOURNAL, UNDO, "decisions.jsonl.torn"]
    for name in odd:
        put(library / name)
    put(library / "clusters.damaged.json")
    put(library / "nobody.jpg")
    done = CliRunner().invoke(main, ["forget", str(library), "--person", "person-0001"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["faces"] == 3
    for name in odd:
        assert (
            f"{library / name}: {what}, in the place of a file of facecluster's; it is left alone"
            in done.stderr
        )
    assert all(os.path.lexists(library / name) for name in (*odd, "clusters.damaged.json", "nobody.jpg"))


@ODD
def test_decisions_go_on_without_what_takes_them_back_fast(library: Path, put: object, what: str) -> None:
    assert callable(put)
    put(library / UNDO)
    done = CliRunner().invoke(main, ["merge", str(library), "person-0001", "person-0002"])
    assert done.exit_code == 0, done.output
    assert f"{library / UNDO}: {what} is in the way; to undo this decision, all people will be" in done.stderr
    done = CliRunner().invoke(main, ["undo", str(library)])
    assert done.exit_code == 0, done.output
    assert len(json.loads((library / "clusters.json").read_text())["people"]) == 2


def test_forget_removes_any_file_of_that_name(library: Path) -> None:
    with closing(sqlite3.connect(library / THUMBNAILS)) as base, base:
        base.execute("CREATE TABLE mine (x)")  # or of another version
    done = CliRunner().invoke(main, ["forget", str(library), "--person", "person-0001"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["removed"] == [str(library / THUMBNAILS)]
    assert not (library / THUMBNAILS).exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights")
def test_a_link_is_refused_before_anything_is_done(library: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.sqlite"
    mine.write_bytes(b"mine")
    (library / THUMBNAILS).symlink_to(mine)
    before = {path.name: path.read_bytes() for path in library.iterdir() if path.is_file()}
    done = CliRunner().invoke(main, ["forget", str(library), "--person", "person-0001"])
    assert done.exit_code == 1
    assert f"{library / THUMBNAILS}: a link, where facecluster has a file of its own" in done.stderr
    assert {path.name: path.read_bytes() for path in library.iterdir() if path.is_file()} == before
