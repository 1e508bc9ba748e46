from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable import links, own_list
from facecluster.durable.clone import clone
from facecluster.durable.links import KINDS, Kind, Link, is_possible
from facecluster.durable.own_files import ResultFolder
from facecluster.errors import OutputError
from facecluster.formats import face_table
from facecluster.library.arrivals import Arrivals
from facecluster.library.settings import Choices, choose

PHOTO = "person-0001/a.jpg"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo that nobody may write to."""
    path = tmp_path / "photos" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a photo" * 1000)
    return path


def can_clone(folder: Path) -> bool:
    one, other = folder / "one", folder / "other"
    one.write_bytes(b"1" * 9000)
    try:
        clone(one, other)
    except OSError:
        assert not other.exists()
        return False
    finally:
        one.unlink()
        other.unlink(missing_ok=True)
    return True


def hold(root: Path, photo: Path, link: Link) -> Path:
    """Place one photo, as a run does."""
    folder = ResultFolder(root, [str(photo)])
    assert folder.place(folder.prepare([], {PHOTO: str(photo)}, link)) == 1
    return root / PHOTO


def kind_of(held: Path, photo: Path) -> str:
    if held.is_symlink():
        return "symlink"
    return "hardlink" if held.samefile(photo) else "copy or clone"


def facecluster(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def other_disk(tmp_path: Path) -> Path:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev or not os.access(shm, os.W_OK):
        pytest.skip("needs two file systems")
    return shm / f"facecluster-links-{os.getpid()}"


def test_auto_is_a_clone_else_a_hard_link(photo: Path, tmp_path: Path) -> None:
    held = hold(tmp_path / "out", photo, "auto")
    assert held.read_bytes() == photo.read_bytes()
    if can_clone(tmp_path):
        assert kind_of(held, photo) == "copy or clone"
        [entry] = own_list.OwnList(tmp_path / "out", None).candidates[PHOTO]
        assert entry.kind == "clone"
    elif is_possible("hardlink", str(photo), tmp_path):
        assert kind_of(held, photo) == "hardlink"
    assert not list(tmp_path.rglob("*.part"))


def test_auto_is_a_symbolic_link_where_the_photo_is_on_another_disk(photo: Path, tmp_path: Path) -> None:
    root = other_disk(tmp_path)
    try:
        for _ in range(2):
            held = hold(root, photo, "auto")
            assert held.readlink() == photo
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("n_refused", range(4))
def test_what_the_disk_refuses_is_tried_once_and_the_next_is_taken(
    n_refused: int, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    order = KINDS["auto"]
    photos = {f"person-0001/{i}.jpg": str(photo.with_name(f"{i}.jpg")) for i in range(3)}
    for path in photos.values():
        shutil.copyfile(photo, path)

    def on_this_disk(kind: Kind, source: str, target: Path) -> None:
        tried.append(kind)
        if kind in order[:n_refused]:
            raise OSError(errno.EPERM, "refused")
        target.write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(links, "make_link", on_this_disk)
    folder = ResultFolder(tmp_path / "out", photos.values())
    planned = folder.prepare([], photos, "auto")
    assert {entry.kind for entry in planned} == {order[n_refused]}
    assert tried == [*order[: n_refused + 1]][:3]


def test_where_no_link_is_possible_copies_stay_as_they_are(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(kind: Kind, *_: object) -> None:
        raise OSError(errno.EPERM, "refused")

    monkeypatch.setattr(links, "make_link", refuse)
    inodes = {hold(tmp_path / "out", photo, "auto").stat().st_ino for _ in range(3)}
    assert len(inodes) == 1
    assert not caplog.messages
    assert kind_of(tmp_path / "out" / PHOTO, photo) == "copy or clone"


def test_clone_that_is_not_possible_is_a_copy_and_told(
    photo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = hold(tmp_path / "out", photo, "clone")
    assert kind_of(held, photo) == "copy or clone"
    told = f"no clone of 1 photo is possible there, so it is copied: {photo}"
    assert (told in caplog.text) == (not can_clone(tmp_path))


@pytest.mark.parametrize("link", ["clone", "copy"])
def test_copy_and_original_are_edited_apart(link: Link, photo: Path, tmp_path: Path) -> None:
    if link == "clone" and not can_clone(tmp_path):
        pytest.skip("this file system has no clones")
    before = photo.read_bytes()
    held = hold(tmp_path / "out", photo, link)
    assert held.stat().st_mtime_ns == photo.stat().st_mtime_ns
    with held.open("r+b") as file:
        file.write(b"edited")
    assert photo.read_bytes() == before
    with photo.open("r+b") as file:
        file.write(b"EDITED")
    assert held.read_bytes()[:6] == b"edited"


@pytest.mark.parametrize("link", ["auto", "clone", "hardlink", "copy"])
@pytest.mark.parametrize("again", ["auto", "clone", "hardlink", "symlink", "copy"])
def test_no_change_of_kind_writes_through_to_the_original(
    link: Link, again: Link, photo: Path, tmp_path: Path
) -> None:
    if again == "symlink" and not is_possible("symlink", str(photo), tmp_path):
        pytest.skip("this file system has no symbolic links")
    photo.chmod(0o640)
    os.utime(photo, ns=(10**18, 10**18))
    before, status = photo.read_bytes(), photo.stat()
    for kind in (link, again, link):
        held = hold(tmp_path / "out", photo, kind)
        assert held.read_bytes() == before
        assert photo.read_bytes() == before
        now = photo.stat()
        assert (now.st_ino, now.st_mode, now.st_mtime_ns) == (
            status.st_ino,
            status.st_mode,
            status.st_mtime_ns,
        )


def test_copies_become_links_when_asked_for_and_none_of_them_is_lost(photo: Path, tmp_path: Path) -> None:
    if not is_possible("hardlink", str(photo), tmp_path):
        pytest.skip("this file system has no hard links")
    root = tmp_path / "out"
    hold(root, photo, "copy")
    gone = photo.with_name("gone.jpg")
    gone.write_bytes(b"the only one")
    both = {PHOTO: str(photo), "person-0001/gone.jpg": str(gone)}
    folder = ResultFolder(root, both.values())
    folder.place(folder.prepare([], both, "copy"))
    gone.unlink()
    folder = ResultFolder(root, both.values())
    folder.place(folder.prepare([], both, "hardlink"))
    assert kind_of(root / PHOTO, photo) == "hardlink"
    assert (root / "person-0001/gone.jpg").read_bytes() == b"the only one"


@pytest.mark.parametrize("link", ["auto", "hardlink", "clone"])
def test_last_copy_stays_the_same_file_under_any_link(link: Link, photo: Path, tmp_path: Path) -> None:
    root, before = tmp_path / "out", photo.read_bytes()
    held = hold(root, photo, link)
    if held.is_symlink():
        pytest.skip("this file system has no hard links")
    photo.unlink()
    inode = held.stat().st_ino
    for now in ("auto", "copy", "symlink", "none"):
        folder = ResultFolder(root, [str(photo)])
        assert folder.last_copies() == {PHOTO: str(photo)}
        folder.place(folder.prepare([], {PHOTO: str(photo)} if now != "none" else {}, now))  # type: ignore[arg-type]
        assert held.stat().st_ino == inode
        assert held.read_bytes() == before
    folder = ResultFolder(root, [str(photo)])
    folder.prepare([], {}, link, forget=[str(photo)])
    assert not held.exists()


def test_hard_links_that_were_copied_apart_are_linked_again(photo: Path, tmp_path: Path) -> None:
    if not is_possible("hardlink", str(photo), tmp_path):
        pytest.skip("this file system has no hard links")
    hold(tmp_path / "out", photo, "hardlink")
    shutil.copytree(tmp_path / "out", tmp_path / "moved")
    assert kind_of(tmp_path / "moved" / PHOTO, photo) == "copy or clone"
    assert kind_of(hold(tmp_path / "moved", photo, "hardlink"), photo) == "hardlink"


def test_clone_is_a_copy_for_an_older_facecluster() -> None:
    entry = own_list.Entry(PHOTO, "clone", "/a.jpg", 7, 8)
    record = own_list.record_of(entry)
    assert record["kind"] == "copy"
    assert [*own_list._entries(record)] == [entry]
    del record["clone"]
    assert [*own_list._entries(record)] == [own_list.Entry(PHOTO, "copy", "/a.jpg", 7, 8)]


def test_hard_link_does_not_make_a_known_photo_an_arrival(photo: Path, tmp_path: Path) -> None:
    if not is_possible("hardlink", str(photo), tmp_path):
        pytest.skip("this file system has no hard links")
    os.utime(photo, (1e9, 1e9))
    (tmp_path / "link.jpg").hardlink_to(photo)
    folder, since = str(photo.parent), photo.stat().st_ctime - 60
    assert Arrivals([folder], [str(photo)], since, 0).look(0) == []
    photo.write_bytes(b"another")
    assert Arrivals([folder], [str(photo)], since, 0).look(0) == [str(photo)]


def test_library_whose_folders_hold_copies_goes_on_with_copies(photo: Path, tmp_path: Path) -> None:
    assert choose(Choices(), None, "sface").link == "auto"
    table = make_table(people(1, 3), paths=[str(photo)] * 3)
    face_table.write(table, str(tmp_path / "faces.npz"))
    for options, kind in ((("--link", "copy"), "copy or clone"), ((), "copy or clone")):
        done = facecluster("cluster", tmp_path / "faces.npz", "-o", tmp_path / "out", *options)
        assert kind_of(next((tmp_path / "out/person-0001").iterdir()), photo) == kind
    assert "settings as last time: --link copy" in done.stderr
    done = facecluster("cluster", tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "auto")
    assert "as last time" not in done.stderr


def test_disk_without_symbolic_links_keeps_its_copies(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold(tmp_path / "out", photo, "copy")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "refused")

    monkeypatch.setattr(links, "make_link", refuse)
    with pytest.raises(OutputError, match="out: no symbolic link is possible there; use --link auto"):
        hold(tmp_path / "out", photo, "symlink")
    assert held.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("copy", "3 copies, 21 kB; --link auto costs none here"),
        (
            "hardlink",
            "3 hard links, no space used; what a program writes into a hard link is in the original too",
        ),
        (
            "symlink",
            "3 symbolic links, no space used; symbolic links show nothing where the originals are away",
        ),
        ("none", ""),
    ],
)
def test_summary_tells_how_photos_are_held_and_what_it_costs(
    link: Link, told: str, photo: Path, tmp_path: Path
) -> None:
    if link != "none" and not all(
        is_possible(kind, str(photo), tmp_path) for kind in ("hardlink", "symlink")
    ):
        pytest.skip("this file system has no links")
    paths = [str(photo.with_name(f"{i}.jpg")) for i in range(3)]
    for number, path in enumerate(paths):
        Path(path).write_bytes(bytes([number]) * 7000)
    face_table.write(make_table(people(1, 3), paths=paths), str(tmp_path / "faces.npz"))
    arguments = ["cluster", tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", link]
    lines = [line for line in facecluster(*arguments).stderr.splitlines() if line.startswith("photos in the")]
    assert len(lines) == bool(told)
    assert all(line.startswith(f"photos in the folders: {told}") for line in lines)
    again = facecluster(*arguments).stderr
    assert ("what a program writes" in again, "show nothing where" in again) == (False, False)
    if link in ("copy", "hardlink"):
        Path(paths[0]).unlink()
        assert "1 last copy of a photo that is not where it was, 7 kB" in facecluster(*arguments).stderr


def test_update_tells_of_the_new_photos(photo: Path, tmp_path: Path) -> None:
    paths = [str(photo.with_name(f"{i}.jpg")) for i in range(4)]
    for path in paths:
        shutil.copyfile(photo, path)
    for n, options in ((3, ()), (4, ("--update",))):
        face_table.write(make_table(people(1, n), paths=paths[:n]), str(tmp_path / "faces.npz"))
        told = facecluster(
            "cluster", tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "copy", *options
        ).stderr
    assert "photos new in the folders: 1 copy, 7 kB" in told


def test_a_person_who_is_forgotten_leaves_no_link(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = [str(photo.with_name(f"{i}.jpg")) for i in range(3)]
    for number, path in enumerate(paths):
        Path(path).write_bytes(bytes([number]) * 7000)
    face_table.write(make_table(people(1, 3), paths=paths), str(tmp_path / "faces.npz"))
    facecluster("cluster", tmp_path / "faces.npz", "-o", out)
    held = [*(out / "person-0001").iterdir()]
    Path(paths[0]).unlink()
    facecluster("forget", out, "--person", "person-0001")
    assert len(held) == 3
    assert not any(os.path.lexists(path) for path in held)
    assert [Path(path).read_bytes() for path in paths[1:]] == [bytes([number]) * 7000 for number in (1, 2)]


def test_summary_tells_how_photos_were_held_until_now(photo: Path, tmp_path: Path) -> None:
    if not is_possible("symlink", str(photo), tmp_path):
        pytest.skip("this file system has no links")
    paths = [str(photo.with_name(f"{i}.jpg")) for i in range(3)]
    for number, path in enumerate(paths):
        Path(path).write_bytes(bytes([number]) * 7000)
    face_table.write(make_table(people(1, 3), paths=paths), str(tmp_path / "faces.npz"))
    arguments = ["cluster", tmp_path / "faces.npz", "-o", tmp_path / "out", "--link"]
    assert "until now" not in facecluster(*arguments, "copy").stderr
    assert (
        "3 symbolic links, no space used; 3 copies until now; " in facecluster(*arguments, "symlink").stderr
    )
    assert "until now" not in facecluster(*arguments, "symlink").stderr
