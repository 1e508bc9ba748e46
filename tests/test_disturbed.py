"""A command that is disturbed ends in order, keeps what was there, and is finished by the same command."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from click.testing import CliRunner
from libraries import cluster_table
from PIL import Image
from tables import make_table

from facecluster.cli import main
from facecluster.durable.own_files import ResultFolder
from facecluster.durable.own_list import OwnList
from facecluster.encoding import pipeline
from facecluster.encoding.analysis import Analysis, unreadable
from facecluster.encoding.dated import When
from facecluster.errors import PhotoError
from facecluster.formats import decisions_jsonl, face_table
from facecluster.formats.clusters_json import read_result
from facecluster.library import ledger
from facecluster.options import EncodeOptions
from facecluster.photos.picture import pixel_digest
from facecluster.photos.pixels import Decoded
from facecluster.render import montage
from facecluster.table import NO_FACE, UNREADABLE
from facecluster.workers import Died

_N = 5


def _run(*arguments: object) -> click.testing.Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def _content(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, but for the list of our files, which has times, and the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".facecluster-files.jsonl", ".facecluster.lock")
    }


# ------------------------------------------------------------------------------------------------------- encode


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Photos that hold no face, whose analysis costs nothing."""

    def nothing(photo: Decoded, *_: object) -> Analysis:
        digest = pixel_digest(photo.pixels, photo.size)
        return Analysis("", digest, photo.size, NO_FACE, "", When(0.0), 0, unreadable("").faces)

    monkeypatch.setattr(pipeline, "analyse", nothing)
    monkeypatch.setattr(pipeline.models, "path", lambda name: None)
    paths = [tmp_path / "photos" / f"{i}.png" for i in range(_N)]
    paths[0].parent.mkdir()
    for i, path in enumerate(paths):
        Image.new("RGB", (16, 16), (50 * i, 9, 9)).save(path)
    return paths


class _Workers:
    """In place of processes: looks at one photo after the other, and something happens before the third."""

    def __init__(self, happens: Callable[[str], object]) -> None:
        self.seen: list[str] = []
        self._happens = happens

    def work(self, paths: Iterable[str], _: int) -> Iterator[tuple[str, object]]:
        for path in list(paths):
            self.seen.append(Path(path).name)
            died = self._happens(path) if len(self.seen) == 3 else None
            yield path, died or pipeline._analyse(path, EncodeOptions())

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


def _encode(
    photos: list[Path], patch: pytest.MonkeyPatch, happens: Callable[[str], object] = lambda path: None
) -> tuple[click.testing.Result, list[str]]:
    workers = _Workers(happens)
    patch.setattr(pipeline, "photo_workers", lambda *_: workers)
    out = photos[0].parent.parent / "faces.npz"
    return _run("encode", photos[0].parent, "-o", out, "-j", "1"), workers.seen


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_keeps_what_is_done(name: str, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    number, folder = getattr(signal, name), photos[0].parent.parent
    before = signal.getsignal(number)
    done, seen = _encode(photos, monkeypatch, lambda path: os.kill(os.getpid(), number))
    assert done.exit_code == 128 + number, done.output
    assert done.stderr.endswith("facecluster: interrupted\n")
    assert "Traceback" not in done.output
    assert len(seen) == 3
    assert signal.getsignal(number) is before
    done, seen = _encode(photos, monkeypatch)
    assert (done.exit_code, len(seen)) == (0, _N - 2)
    assert sorted(path.name for path in folder.iterdir()) == ["faces.npz", "photos"]
    assert face_table.read(folder / "faces.npz").photos.status.tolist() == [NO_FACE] * _N


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_that_python_cannot_raise_where_it_comes_ends_it_a_moment_later(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Freed:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    def happens(path: str) -> None:
        Freed()
        time.sleep(5)

    done, seen = _encode(photos, monkeypatch, happens)
    assert (done.exit_code, len(seen)) == (130, 3)
    assert done.stderr.endswith("facecluster: interrupted\n")
    assert "Traceback" not in done.output


@pytest.mark.parametrize("what", ["vanishes", "costs its worker"])
def test_photo_that_was_lost_while_read_is_a_row_and_is_read_by_the_next_run(
    what: str, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, bytes] = {}

    def happens(path: str) -> object:
        if what == "costs its worker":
            return Died(-9)
        kept[path] = Path(path).read_bytes()
        return Path(path).unlink()

    done, _ = _encode(photos, monkeypatch, happens)
    assert done.exit_code == 0, done.output
    table = face_table.read(photos[0].parent.parent / "faces.npz")
    assert sorted(table.photos.status.tolist()) == [NO_FACE] * (_N - 1) + [UNREADABLE]
    for path, content in kept.items():
        Path(path).write_bytes(content)
    done, seen = _encode(photos, monkeypatch)
    assert (done.exit_code, len(seen)) == (0, 1)
    table = face_table.read(photos[0].parent.parent / "faces.npz")
    assert table.photos.status.tolist() == [NO_FACE] * _N


# ------------------------------------------------------------------------------------------------------ cluster


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three people, of five, four and two photos; the last one is none by default."""
    number = [_N, 4, 2]
    paths = [str(tmp_path / f"{i:02}.png") for i in range(sum(number))]
    for i, path in enumerate(paths):
        Image.new("RGB", (320, 320), (20 * i, 90, 60)).save(path)
    around = np.random.default_rng(3).normal(0, 0.02, (len(paths), 128))
    encodings = np.repeat(np.eye(128)[:3], number, axis=0) + around
    table = make_table(encodings, paths=paths, photos={"size": np.full((len(paths), 2), 320)})
    folder = tmp_path / "people"
    folder.mkdir()
    face_table.write(table, folder / "faces.npz")
    cluster_table(table, folder, source=str(folder / "faces.npz"), jobs=1)
    return folder


def _cluster(folder: Path) -> click.testing.Result:
    return _run("cluster", folder / "faces.npz", "-o", folder, "--min-images", "2", "-y", "-q", "-j", "1")


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    """Have the disk be full for files over so many bytes, as a quota does."""
    resource = pytest.importorskip("resource", reason="this system has no such limit")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.8])
def test_full_disk_keeps_the_earlier_result(part: float, library: Path) -> None:
    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    before = (library / "clusters.json").read_bytes()
    with _files_up_to(int(part * len(before))):
        failed = _cluster(library)
    assert failed.exit_code == 1, failed.output
    assert failed.stderr.startswith("facecluster: error: ")
    assert "cannot be written: the disk takes no file as large" in failed.stderr
    assert (library / "clusters.json").read_bytes() == before
    assert _run("list", library, "--json").exit_code == 0
    assert _cluster(library).exit_code == _cluster(undisturbed).exit_code == 0
    assert len(read_result(library / "clusters.json").people) == 3
    assert _content(library) == _content(undisturbed)


def test_disk_that_fails_gives_no_sheet_without_covers(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name.endswith("_montage.jpg"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path)

    (library / "index.jpg").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        failed = _cluster(library)
    assert failed.exit_code == 1, failed.output
    assert "_montage.jpg: Input/output error" in failed.stderr
    assert _cluster(library).exit_code == 0
    assert (library / "index.jpg").exists()


def test_montage_gets_what_a_disk_did_not_give_for_a_moment(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    cut = montage.cut_from

    def failing(source: str, *others: Any) -> Any:
        if str(source).endswith("10.png"):
            raise PhotoError("Input/output error") from OSError(errno.EIO, "")
        return cut(source, *others)

    with monkeypatch.context() as patch:
        patch.setattr(montage, "cut_from", failing)
        assert _cluster(library).exit_code == 0
    assert _cluster(undisturbed).exit_code == 0
    made = "person-0003_montage.jpg"
    assert (library / made).read_bytes() != (undisturbed / made).read_bytes()
    assert _cluster(library).exit_code == 0
    assert (library / made).read_bytes() == (undisturbed / made).read_bytes()


# --------------------------------------------------------------------------------- what had only to be put down


class _Killed(BaseException):
    pass


def _die(*_: object, **__: object) -> None:
    raise _Killed


@pytest.mark.parametrize("at", ["write_anew", "finish"])
def test_forget_that_was_broken_off_is_finished_by_the_same_command(
    at: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run("name", library, "person-0002", "Bert Alm", "-q").exit_code == 0
    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    forget = ("forget", library, "--person", "bert alm")
    with monkeypatch.context() as patch:
        patch.setattr(OwnList if at == "write_anew" else ResultFolder, at, _die)
        with pytest.raises(_Killed):
            _run(*forget)
    again = _run(*forget)
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["people"] == [str(library / "person-0002")]
    if at == "finish":
        told = "facecluster: bert alm: no such person any more\nforgotten already: person-0002. A call"
        assert again.stderr.startswith(told)
    assert _run("forget", undisturbed, "--person", "bert alm").exit_code == 0
    assert sorted(path.relative_to(library) for path in library.rglob("*")) == sorted(
        path.relative_to(undisturbed) for path in undisturbed.rglob("*")
    )
    more = _run(*forget)
    assert more.exit_code == 1
    assert "bert alm: no such person" in more.stderr


def test_several_who_are_nobody_are_finished_by_the_same_command(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run("name", library, "person-0001", "Statue", "-q").exit_code == 0
    keep, n_kept = ledger.keep, 0

    def dying(*arguments: Any, **others: Any) -> Any:
        nonlocal n_kept
        n_kept += 1
        return keep(*arguments, **others) if n_kept == 1 else _die()

    command = ("not-a-person", library, "Statue", "person-0002")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "keep", dying)
        with pytest.raises(_Killed):
            _run(*command)
    again = _run(*command)
    assert again.exit_code == 0, again.output
    assert not read_result(library / "clusters.json").people
    assert len({one.time for one in decisions_jsonl.read(library / "decisions.jsonl")[1:]}) == 1
    so_already = _run(*command)
    assert so_already.exit_code == 0
    assert (
        "person-0001 is nobody you know already; person-0002 is nobody you know already; nothing was changed"
        in so_already.stderr
    )
    assert _run("undo", library, "-q").exit_code == 0
    assert [person.name for person in read_result(library / "clusters.json").people] == ["Statue", None]
