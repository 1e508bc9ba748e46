"""What is written, replaced and removed is ours, and only those read it who may."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable.denied import user_name
from facecluster.durable.journal import Journal
from facecluster.durable.links import Link
from facecluster.durable.lock import hold, only_user_of
from facecluster.durable.whole_file import PART, part_of, remove_parts, whole_file
from facecluster.errors import FaceclusterError, OutputError
from facecluster.formats import face_table, json_lines
from facecluster.library.settings import Choices
from facecluster.render.side_by_side import write_picture
from facecluster.table import FaceTable

NOBODY = 65534
"""The number of a user whom permissions bind."""

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes, links or names")


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def photo_table(folder: Path, *names: str | bytes, **columns: object) -> FaceTable:
    """Three photos, or others, and a face of one person in each."""
    folder.mkdir()
    paths = [
        os.path.join(os.fsencode(folder), os.fsencode(name)) for name in names or ("a.png", "b.png", "c.png")
    ]
    for number, path in enumerate(paths):
        with open(path, "wb") as file:
            Image.fromarray(np.full((400, 400, 3), 20 * number, np.uint8)).save(file, "PNG")
    size = [[400, 400]] * len(paths)
    return make_table(
        people(1, len(paths)), paths=[*map(os.fsdecode, paths)], photos={"size": size, **columns}
    )


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, (done.stderr, done.exception)
    return done.stderr


# ------------------------------------------------------------------------------------------------------- modes


@posix
def test_new_face_tables_and_journals_are_for_their_owner(tmp_path: Path) -> None:
    table = photo_table(tmp_path / "photos")
    for name in ("a.npz", "a.pickle"):
        face_table.write(table, tmp_path / name)
        assert mode(tmp_path / name) == 0o600
    with Journal(tmp_path / "a.npz.partial", '{"journal of encode": 1}') as journal:
        assert [*journal.replay()] == []
        assert mode(journal.path) == 0o600


@posix
def test_files_keep_their_modes_when_they_are_written_again(tmp_path: Path) -> None:
    table = photo_table(tmp_path / "photos")
    for permissions in (0o600, 0o640, 0o664, 0o400):
        face_table.write(table, tmp_path / "a.npz")
        (tmp_path / "a.npz").chmod(permissions)
        face_table.write(table, tmp_path / "a.npz")
        assert mode(tmp_path / "a.npz") == permissions
    cluster_table(table, tmp_path / "out", Choices(link="none"), source=str(tmp_path / "a.npz"))
    assert mode(tmp_path / "out" / "clusters.json") == 0o644
    (tmp_path / "out" / "clusters.json").chmod(0o600)
    run("name", tmp_path / "out", "person-0001", "Ann")
    assert mode(tmp_path / "out" / "clusters.json") == 0o600


@posix
@pytest.mark.parametrize("link", ["copy", "auto"])
def test_copies_of_photos_are_as_private_as_the_photos(tmp_path: Path, link: Link) -> None:
    table = photo_table(tmp_path / "photos")
    for name, permissions in (("a.png", 0o600), ("b.png", 0o4755), ("c.png", 0o666)):
        (tmp_path / "photos" / name).chmod(permissions)
    cluster_table(table, tmp_path / "out", Choices(link=link))
    person = tmp_path / "out" / "person-0001"
    assert mode(person / "a.png") == 0o600
    assert mode(tmp_path / "out" / "person-0001_montage.jpg") == mode(tmp_path / "out" / "index.jpg") == 0o600
    if link == "copy":
        assert (mode(person / "b.png"), mode(person / "c.png")) == (0o755, 0o644)


# ------------------------------------------------------------------------------------------------------- locks


@posix
def test_lock_leaves_files_of_others(tmp_path: Path) -> None:
    lock, mine = tmp_path / "f.npz.lock", tmp_path / "mine"
    mine.write_text("mine")
    lock.write_text("mine")
    with pytest.raises(OutputError, match="not written by facecluster"), only_user_of(tmp_path / "f.npz"):
        pass
    assert lock.read_text() == "mine"
    lock.unlink()
    lock.symlink_to(mine)
    with pytest.raises(OutputError, match="a link"), only_user_of(tmp_path / "f.npz"):
        pass
    assert lock.is_symlink()
    assert mine.read_text() == "mine"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(OutputError, match="in the way"), only_user_of(tmp_path / "f.npz"):
        pass
    lock.rmdir()
    os.mkfifo(lock)
    with pytest.raises(OutputError, match="in the way"), only_user_of(tmp_path / "f.npz"):
        pass


def test_stale_locks_are_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "f.npz.lock"
    with only_user_of(tmp_path / "f.npz"):
        assert lock.read_bytes() == b""
        with pytest.raises(OutputError, match="at work on it"), only_user_of(tmp_path / "f.npz"):
            pass
    assert os.name == "nt" or not lock.exists()
    lock.touch()
    with only_user_of(tmp_path / "f.npz"):
        pass
    assert os.name == "nt" or not lock.exists()
    with hold(tmp_path / "kept", tmp_path, wait_s=0):
        pass
    assert (tmp_path / "kept").exists()


@posix
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_lock_in_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.chdir(tmp_path)
            os.setuid(65534)
            with only_user_of(Path("f.npz")):
                os.write(writer, b"locked")
        except OutputError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert b"no permission" in os.read(reader, 1000)
    os.close(reader)


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that everybody may look into, but not write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(os.path.realpath(folder))


def told_to_another(act: Callable[[], object]) -> str:
    """Do something as a user whom permissions bind, and give the error: as nobody, where the tests run as root."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            act()
        except FaceclusterError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        return said.read()


def give(path: Path, mode: int) -> Path:
    """Give a file or folder to whom `told_to_another` acts for, with a mode."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, -1)
    path.chmod(mode)
    return path


@posix
def test_a_table_of_ones_own_that_cannot_be_read_is_told_with_what_to_type(common: Path) -> None:
    file = common / "my faces.npz"
    face_table.write(make_table([]), file)
    give(file, 0o200)
    assert told_to_another(lambda: face_table.read(file)) == (
        f"{file}: cannot be read: no permission: it belongs to you, mode 200; type: chmod u+r '{file}'"
    )
    give(file, 0o600)
    folder = give(common, 0o600)
    assert told_to_another(lambda: face_table.read(file)) == (
        f"{file}: cannot be read: no permission: the folder {folder} belongs to you, mode 600; "
        f"type: chmod u+rx {folder}"
    )
    folder.chmod(0o700)


@posix
def test_an_output_in_a_folder_of_ones_own_that_cannot_be_written(common: Path) -> None:
    folder = common / "folder"
    folder.mkdir()
    give(folder, 0o555)
    told = f"cannot be written: no permission: the folder {folder} belongs to you, mode 555; type: chmod u+rwx {folder}"
    for file, act in (
        (folder / "a.npz", face_table.check_output),
        (folder / "a.npz", lambda file: face_table.write(make_table([]), file)),
        (folder / "new" / "a.npz", face_table.check_output),
    ):
        assert told_to_another(partial(act, file)) == f"{file}: {told}"


@posix
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_what_belongs_to_somebody_else_is_told_with_the_name(common: Path) -> None:
    file, root, nobody = common / "a.npz", user_name(0), user_name(NOBODY)
    face_table.write(make_table([]), file)
    assert told_to_another(lambda: face_table.read(file)) == (
        f"{file}: cannot be read: no permission: it belongs to {root}, mode 600; ask {root} for a copy, "
        f"or type: sudo chown {nobody} {file}"
    )
    assert told_to_another(lambda: face_table.check_output(common / "b.npz")) == (
        f"{common / 'b.npz'}: cannot be written: no permission: the folder {common} belongs to {root}, mode 755; "
        f"ask {root}, or choose another place"
    )


def test_a_user_without_a_name_is_called_by_the_number() -> None:
    assert user_name(987654321) == "user 987654321"


# ------------------------------------------------------------------------------------- files of others, and links


@posix
@pytest.mark.parametrize("content", [b"mine", b"mine\nmine\n", b'{"mine": 1}\n', b"[1]\n", b"\xff\0\n"])
def test_journal_leaves_files_of_others(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.npz.partial"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="not written by facecluster, so it is left alone"):
        Journal(path, '{"journal of encode": 1}', replace=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b'{"jour', b'{"journal of encode": 2, "x": 1}\n123'])
def test_journal_replaces_what_is_left_of_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.npz.partial"
    path.write_bytes(content)
    with Journal(path, '{"journal of encode": 1}', replace=True) as journal:
        assert [*journal.replay()] == []
        journal.append(b"a")
    with Journal(path, '{"journal of encode": 1}') as journal:
        assert [*journal.replay()] == [b"a"]


@posix
def test_links_are_followed_where_the_user_named_them_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for name in ("faces.npz", "faces.npz.partial", "forgotten.jsonl"):
        (tmp_path / name).symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="a link"):
        Journal(tmp_path / "faces.npz.partial", "{}", replace=True)
    with pytest.raises(OutputError, match="a link"):
        json_lines.append(tmp_path / "forgotten.jsonl", b"{}\n")
    with pytest.raises(OutputError, match="a link"):
        list(json_lines.read(tmp_path / "forgotten.jsonl", print))
    with pytest.raises(OutputError, match="a link"), whole_file(tmp_path / "faces.npz", follow=False) as file:
        file.write(b"x")
    assert (tmp_path / "mine").read_text() == "mine"
    face_table.write(make_table(people(1, 3)), tmp_path / "faces.npz")
    assert (tmp_path / "faces.npz").is_symlink()
    assert (tmp_path / "mine").read_bytes().startswith(b"PK")


@posix
def test_output_that_is_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.npz").symlink_to("a.npz")
    with pytest.raises(OutputError, match="cannot be written"):
        face_table.write(make_table(people(1, 3)), tmp_path / "a.npz")


def test_parts_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    mine = part_of(tmp_path / "x").name
    machine = mine.split("-")[2]
    dead, living = 2**22 + 1, os.getppid()  # more than Linux gives
    goes = [f".facecluster-{dead}-{machine}-ab12.part", mine]
    stays = [
        f".facecluster-{living}-{machine}-ab12.part",
        f".facecluster-{dead}-{'0' * 6}-ab12.part",
        f".facecluster-{dead}-abcdef12.part",  # of an older version, which says no machine
    ]
    others = [".facecluster-notes.part", ".facecluster-1-.part"]
    for name in (*goes, *stays, *others):
        (tmp_path / name).write_text("part")
    with only_user_of(tmp_path / "faces.npz"), whole_file(tmp_path / "new"):
        assert len([*tmp_path.glob(PART)]) == len(stays) + len(others) + 1
        remove_parts(tmp_path)
    assert {path.name for path in tmp_path.glob(PART)} == {*stays, *others}
    for name in (*stays, *others):
        os.utime(tmp_path / name, (0, 0))
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.glob(PART)} == {*others}
    assert socket.gethostname() not in mine


# ------------------------------------------------------------------------------------------------------- names

NAMES = (
    "a\\b.png", "new\nline.png", "quo\"te'.png", "dots...", " spaces ", "\u202egnp.a.png", b"not utf-8 \xff\xfe.png",
    "x" * 251 + ".png", "-rf", "$(touch x)", "a\tb.png",
)  # fmt: skip


@posix
@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_photos_of_any_name_are_placed_once_and_forgotten(tmp_path: Path, link: Link) -> None:
    table = photo_table(tmp_path / "photos", *NAMES)
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "faces.npz"
    face_table.write(table, file)
    for _ in range(2):
        cluster_table(table, tmp_path / "out", Choices(link=link), source=str(file))
        there = {os.fsencode(path.name) for path in (tmp_path / "out" / "person-0001").iterdir()}
        assert there == {*map(os.fsencode, NAMES)}
    run("forget", tmp_path / "out", "--person", "person-0001", "-y")
    assert not (tmp_path / "out" / "person-0001").exists()
    assert len([*(tmp_path / "photos").iterdir()]) == len(NAMES)


# ------------------------------------------------------------------------------------------------------ content


def test_only_the_analysed_content_is_placed(tmp_path: Path) -> None:
    """What was edited since is told, and what was there of it stays; metadata are no edit."""
    table = photo_table(tmp_path / "photos", "a.png", "b.png", "c.png", "d.png")
    photos, out = tmp_path / "photos", tmp_path / "out"
    was = (photos / "a.png").read_bytes()
    Image.new("RGB", (400, 400), "red").save(photos / "d.png")
    cluster_table(table, out, Choices(link="copy"))
    there = {path.name: path.read_bytes() for path in (out / "person-0001").iterdir()}
    assert {*there} == {"a.png", "b.png", "c.png"}
    Image.new("RGB", (400, 400), "blue").save(photos / "a.png")
    with Image.open(photos / "b.png") as picture:
        picture.save(photos / "b.png", dpi=(72, 72))
    face_table.write(table, tmp_path / "faces.npz")
    told = run("cluster", tmp_path / "faces.npz", "-o", out)
    assert "2 photos are not the picture whose faces are known" in told
    assert "facecluster encode " in told
    assert (out / "person-0001" / "a.png").read_bytes() == was
    assert (out / "person-0001" / "b.png").read_bytes() == (photos / "b.png").read_bytes() != there["b.png"]
    assert not (out / "person-0001" / "d.png").exists()


def test_photos_that_stay_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = photo_table(tmp_path / "photos")
    cluster_table(table, tmp_path / "out", Choices(link="copy"))
    monkeypatch.setattr("facecluster.photos.file.read_photo", None)
    cluster_table(table, tmp_path / "out", Choices(link="copy"))


@posix
def test_picture_that_is_asked_for_is_its_owners(tmp_path: Path) -> None:
    write_picture(tmp_path / "why.png", np.zeros((4, 4, 3), np.uint8))
    assert mode(tmp_path / "why.png") == 0o600
