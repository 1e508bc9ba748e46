from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from killed import killed_at
from PIL import Image
from tables import NOTHING_SAID, make_table, people

from facecluster.cli import main
from facecluster.durable import own_files, own_list
from facecluster.durable.links import Link
from facecluster.durable.own_files import ResultFolder
from facecluster.errors import OutputError
from facecluster.formats import face_table
from facecluster.library.folders import write_result
from facecluster.library.plan import plan, plan_photos
from facecluster.photos.file import file_digest
from facecluster.render import montage as montage_module
from facecluster.result import Box, Counts, Person, PersonFace, Pose, Result, UnclusteredFace

LINKS: tuple[Link, ...] = ("auto", "copy", "hardlink", "symlink")


def face_id(photo: Path | str) -> str:
    """Of the first face in a photo."""
    return f"{file_digest(Path(photo).read_bytes())}-0" if Path(photo).is_file() else ""


def result_of(*people: Sequence[Path | str], nobody: Sequence[Path | str] = ()) -> Result:
    """People by the photos that show them."""
    where = (Box(0, 0, 1, 1), Pose(0, 0, 0), 0.9)
    return Result(
        settings=NOTHING_SAID,
        people=tuple(
            Person(
                id=f"person-{number:04d}",
                name=None,
                n_faces=len(photos),
                n_photos=len(photos),
                cover="",
                faces=tuple(
                    PersonFace(face_id(photo), str(photo), *where, core=True, confidence=100)
                    for photo in photos
                ),
            )
            for number, photos in enumerate(people, start=1)
        ),
        unclustered=tuple(
            UnclusteredFace(face_id(photo), str(photo), *where, reason="no_match") for photo in nobody
        ),
        counts=Counts(0, 0, 0, 0, 0, 0, 0, {}),
    )


def write(root: Path, result: Result, link: Link = "copy") -> int:
    """All that a run does with the folder; how many photos are in place."""
    originals = [face.photo for person in result.people for face in person.faces]
    originals += [face.photo for face in result.unclustered]
    folder = ResultFolder(root, originals)
    planned, _ = plan_photos(result, folder, "copy")
    montages = [f"{person.id}_montage.jpg" for person in result.people]
    entries = folder.prepare(["clusters.json", *montages], planned if link != "none" else {}, link)
    folder.write("clusters.json", [b"{", b"}"])
    placed = folder.place(entries)
    for montage in montages:
        folder.write(montage, [montage.encode()])
    return placed


def files(root: Path) -> list[str]:
    """Every visible file below a folder."""
    return sorted(
        p.relative_to(root).as_posix()
        for p in root.rglob("*")
        if not p.is_dir() and not p.name.startswith(".")
    )


def snapshot(root: Path) -> dict[str, bytes]:
    """What is in every file; of a sheet of everybody, whose cells may be copied, what it says that they are."""

    def content(path: Path) -> bytes:
        return Image.open(path).info["comment"] if path.name.startswith("index") else path.read_bytes()

    return {name: content(root / name) for name in files(root)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of equal names in two folders."""
    root = tmp_path / "photos"
    for folder, names in {"x": "a.jpg b.jpg c.jpg", "y": "a.jpg B.JPG d.jpg"}.items():
        (root / folder).mkdir(parents=True)
        for name in names.split():
            (root / folder / name).write_text(f"{folder}/{name}")
    return root


@pytest.mark.parametrize("link", LINKS)
def test_photos_are_in_the_folders_of_their_people(link: Link, photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    x, y = photos / "x", photos / "y"
    before = snapshot(photos)
    result = result_of(
        [x / "a.jpg", x / "b.jpg"], [x / "a.jpg", y / "d.jpg"], nobody=[x / "b.jpg", x / "c.jpg"]
    )
    assert write(root, result, link) == 5
    assert files(root) == [
        "clusters.json",
        "person-0001/a.jpg",
        "person-0001/b.jpg",
        "person-0001_montage.jpg",
        "person-0002/a.jpg",
        "person-0002/d.jpg",
        "person-0002_montage.jpg",
        "unclustered/c.jpg",
    ]
    copy = root / "person-0002" / "d.jpg"
    assert copy.read_text() == "y/d.jpg"
    if link != "auto":  # see test_links.py
        assert copy.is_symlink() == (link == "symlink")
        assert copy.samefile(y / "d.jpg") == (link != "copy")
    assert copy.stat().st_mtime_ns == (y / "d.jpg").stat().st_mtime_ns
    assert snapshot(photos) == before


def test_link_none_makes_no_folders(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "out", result_of([photos / "x/a.jpg"]))
    assert write(tmp_path / "out", result_of([photos / "x/a.jpg"]), "none") == 0
    assert files(tmp_path / "out") == ["clusters.json", "person-0001_montage.jpg"]
    assert not (tmp_path / "out" / "person-0001").exists()


def test_equal_names_do_not_overwrite_each_other(photos: Path, tmp_path: Path) -> None:
    everything = [*photos.glob("*/*")]
    for order in (everything, everything[::-1]):
        write(tmp_path / "out", result_of(order))
        assert {p.name: p.read_text() for p in (tmp_path / "out" / "person-0001").iterdir()} == {
            "a.jpg": "x/a.jpg",
            "a-2.jpg": "y/a.jpg",
            "b.jpg": "x/b.jpg",
            "B-2.JPG": "y/B.JPG",
            "c.jpg": "x/c.jpg",
            "d.jpg": "y/d.jpg",
        }


def test_number_evades_names_that_are_taken_too() -> None:
    planned, evaded = plan(result_of(["/1/a.jpg", "/2/a.jpg", "/3/a-2.jpg"]), {"person-0001": {"A-3.jpg"}})
    assert planned == {
        "person-0001/a.jpg": "/1/a.jpg",
        "person-0001/a-2.jpg": "/2/a.jpg",
        "person-0001/a-2-2.jpg": "/3/a-2.jpg",
    }
    assert evaded == ()


def test_long_names_stay_as_long_as_a_name_may_be() -> None:
    name = "é" * 125 + ".jpg"
    planned, _ = plan(result_of([f"/1/{name}", f"/2/{name}"]), {})
    assert all(len(os.fsencode(Path(path).name)) <= 255 for path in planned)
    assert len(planned) == 2


def test_ten_thousand_equal_names_are_quick() -> None:
    planned, _ = plan(result_of([f"/{i}/image.jpg" for i in range(10_000)]), {})
    assert len(planned) == 10_000


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("again", LINKS)
def test_run_again_replaces_what_it_wrote(link: Link, again: Link, photos: Path, tmp_path: Path) -> None:
    root, x, y = tmp_path / "out", photos / "x", photos / "y"
    before = snapshot(photos)
    write(root, result_of([x / "a.jpg"], [x / "b.jpg"], nobody=[x / "c.jpg"]), link)
    result = result_of([x / "a.jpg", y / "d.jpg"])
    write(root, result, again)
    write(tmp_path / "fresh", result, again)
    assert snapshot(root) == snapshot(tmp_path / "fresh")
    assert sorted(p.name for p in root.iterdir() if p.is_dir()) == ["person-0001"]
    assert (root / "person-0001" / "a.jpg").is_symlink() == (again == "symlink")
    assert snapshot(photos) == before


def test_what_is_as_it_should_be_is_left_alone(photos: Path, tmp_path: Path) -> None:
    result = result_of([photos / "x/a.jpg"])
    write(tmp_path, result)
    inode = (tmp_path / "person-0001/a.jpg").stat().st_ino
    write(tmp_path, result)
    assert (tmp_path / "person-0001/a.jpg").stat().st_ino == inode


def test_changed_original_is_copied_again(photos: Path, tmp_path: Path) -> None:
    original = photos / "x/a.jpg"
    for link in LINKS:
        write(tmp_path / link, result_of([original]), link)
    original.write_text("edited")
    for link in LINKS:
        write(tmp_path / link, result_of([original]), link)
        assert {p.name: p.read_text() for p in (tmp_path / link / "person-0001").iterdir()} == {
            "a.jpg": "edited"
        }


@pytest.mark.parametrize("link", LINKS)
def test_files_of_the_user_stay(link: Link, photos: Path, tmp_path: Path) -> None:
    root, x, y = tmp_path / "out", photos / "x", photos / "y"
    write(root, result_of([x / "a.jpg", x / "b.jpg"]), link)
    (root / "notes.txt").write_text("mine")
    (root / "person-0001" / "mine.jpg").write_text("mine")
    (root / "person-0001" / "a.jpg").unlink()
    (root / "person-0001" / "a.jpg").write_text("mine, edited")
    (root / "person-0007").mkdir()
    write(root, result_of([x / "a.jpg", y / "a.jpg"], [y / "d.jpg"]), link)
    assert (root / "notes.txt").read_text() == "mine"
    assert (root / "person-0007").is_dir()
    assert {p.name: p.read_text() for p in (root / "person-0001").iterdir()} == {
        "mine.jpg": "mine",
        "a.jpg": "mine, edited",
        "a-2.jpg": "x/a.jpg",
        "a-3.jpg": "y/a.jpg",
    }


def test_file_that_is_kept_stays_until_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, result_of())
    folder = ResultFolder(tmp_path, [])
    folder.prepare(["clusters.json"], {}, "copy", keep=["clusters.json", "other.json"])
    assert (tmp_path / "clusters.json").read_bytes() == b"{}"
    folder.write("clusters.json", [b"[]"])
    assert ResultFolder(tmp_path, []).has("clusters.json")
    assert not ResultFolder(tmp_path, []).has("other.json")


def test_file_whose_replacing_was_cut_short_is_still_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    write(tmp_path, result_of())
    folder = ResultFolder(tmp_path, [])
    folder.prepare(["clusters.json"], {}, "copy", keep=["clusters.json"])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            folder.write("clusters.json", [b"longer than before"])
    assert (tmp_path / "clusters.json").read_bytes() == b"{}"
    write(tmp_path, result_of())


@pytest.mark.parametrize("name", ["clusters.json", "person-0001_montage.jpg"])
@pytest.mark.parametrize("ours", [False, True])
def test_record_or_montage_that_is_not_ours_ends_it_before_anything_is_touched(
    name: str, ours: bool, photos: Path, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    root.mkdir()
    if ours:
        write(root, result_of([photos / "x/a.jpg"]))
    (root / name).write_text("the user's own")
    before = snapshot(root)
    with pytest.raises(
        OutputError, match=f"{name}: not written by facecluster, or changed since.*another folder"
    ):
        write(root, result_of([photos / "x/b.jpg"]))
    assert snapshot(root) == before


def test_original_is_never_removed_wherever_the_results_lie(photos: Path) -> None:
    originals = sorted(photos.glob("*/*"))
    before = snapshot(photos)
    for root in (photos, photos / "x", photos / "x"):
        write(root, result_of(originals[:4], nobody=originals[4:]))
        write(root, result_of(originals[4:], nobody=originals[:4]), "hardlink")
        write(root, result_of(), "symlink")
        assert {name: content for name, content in snapshot(photos).items() if name in before} == before


def test_copy_that_became_an_original_is_not_removed(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    write(root, result_of([photos / "x/a.jpg"]))
    ours = root / "person-0001" / "a.jpg"  # and now the user encodes the results
    write(root, result_of([ours]))
    assert ours.read_text() == "x/a.jpg"
    assert {p.name for p in ours.parent.iterdir()} == {"a.jpg", "a-2.jpg"}


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_last_copy_of_a_photo_is_not_removed(
    link: Link, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "out"
    write(root, result_of([photos / "x/a.jpg"]), link)
    shutil.rmtree(photos / "x")
    assert write(root, result_of([photos / "y/a.jpg", photos / "x/a.jpg"]), link) == 1
    assert {p.name: p.read_text() for p in (root / "person-0001").iterdir()} == {
        "a.jpg": "x/a.jpg",
        "a-2.jpg": "y/a.jpg",
    }
    assert not caplog.messages
    write(root, result_of([photos / "y/a.jpg"]), link)
    assert (root / "person-0001/a.jpg").read_text() == "x/a.jpg"
    assert caplog.messages == [
        f"1 copy is kept, as its original is gone: {root}/person-0001/a.jpg; delete it, if you do not want it"
    ]
    write(root, result_of([photos / "y/a.jpg"]), link)
    assert (root / "person-0001/a.jpg").read_text() == "x/a.jpg"
    assert len(caplog.messages) == 1, "it is said once"
    (photos / "x").mkdir()
    (photos / "x/a.jpg").write_text("another")
    write(root, result_of([photos / "y/a.jpg"]), link)
    assert (root / "person-0001/a.jpg").read_text() == "x/a.jpg"
    (photos / "x/a.jpg").write_text("x/a.jpg")  # it is back
    write(root, result_of([photos / "y/a.jpg"]), link)
    assert {p.name: p.read_text() for p in (root / "person-0001").iterdir()} == {"a.jpg": "y/a.jpg"}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", ["renamed.png", "sub/-dash.png", "sub/renamed.png"])
def test_renamed_photo_is_there_once(
    name: str, link: Link, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, out, file = tmp_path / "photos", tmp_path / "out", tmp_path / "faces.npz"
    (folder / "sub").mkdir(parents=True)
    for number, photo in enumerate(["-dash.png", "1.png", "2.png"]):
        Image.new("RGB", (400, 400), (number, 0, 0)).save(folder / photo)

    def cluster(first: str) -> list[str]:
        paths = [str(folder / photo) for photo in (first, "1.png", "2.png")]
        face_table.write(make_table(people(1, 3), paths=paths, photos={"size": [[400, 400]] * 3}), str(file))
        done = CliRunner().invoke(main, ["cluster", str(file), "-o", str(out), "--link", link])
        assert done.exit_code == 0, done.output
        return sorted(photo.name for photo in (out / "person-0001").iterdir())

    before = cluster("-dash.png")
    assert before == ["-dash.png", "1.png", "2.png"]
    (folder / "-dash.png").rename(folder / name)
    for _ in range(2):
        assert cluster(name) == sorted([Path(name).name, "1.png", "2.png"])
    assert caplog.messages == []
    (folder / name).rename(folder / "-dash.png")
    assert cluster("-dash.png") == before
    assert snapshot(folder).keys() == {"-dash.png", "1.png", "2.png"}


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_copy_of_a_photo_that_was_edited_under_a_new_name_is_kept(
    link: Link, photos: Path, tmp_path: Path
) -> None:
    write(tmp_path / "out", result_of([photos / "x/a.jpg"]), link)
    (photos / "x/a.jpg").unlink()
    (photos / "x/new.jpg").write_text("X/A.JPG")  # of the same size
    for _ in range(2):
        write(tmp_path / "out", result_of([photos / "x/new.jpg"]), link)
        assert {p.name: p.read_text() for p in (tmp_path / "out/person-0001").iterdir()} == {
            "a.jpg": "x/a.jpg",
            "new.jpg": "X/A.JPG",
        }


@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_copies_are_kept_where_what_is_left_of_the_photo_leads_to_them(
    link: Link, photos: Path, tmp_path: Path
) -> None:
    root, photo = tmp_path / "out", photos / "x/a.jpg"
    write(root, result_of([photo], [photo]), link)
    photo.unlink()
    copies = [root / f"person-000{i}" / "a.jpg" for i in (1, 2)]
    links = [photos / f"link-{i}.jpg" for i in (1, 2)]
    for new, copy in zip(links, copies, strict=True):
        new.symlink_to(copy)
    write(root, result_of(links), link)
    assert [copy.read_text() for copy in copies] == ["x/a.jpg"] * 2


def test_folder_that_was_replaced_by_a_link_to_originals_is_not_touched(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    write(root, result_of([photos / "x/a.jpg"]))
    shutil.rmtree(root / "person-0001")
    (root / "person-0001").symlink_to(photos / "x")
    before = snapshot(photos)
    with pytest.raises(OutputError, match="a link, where facecluster needs a folder"):
        write(root, result_of([photos / "y/a.jpg"]))
    assert snapshot(photos) == before


def test_file_in_the_place_of_a_folder_is_an_output_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "person-0001").write_text("mine")
    with pytest.raises(OutputError, match="person-0001"):
        write(tmp_path, result_of([photos / "x/a.jpg"]))
    assert (tmp_path / "person-0001").read_text() == "mine"


def test_missing_originals_do_not_end_it(photos: Path, tmp_path: Path) -> None:
    gone = [photos / "gone.jpg", photos, "/dev/null"]
    for link in LINKS:
        assert write(tmp_path / link, result_of([photos / "x/a.jpg", *gone]), link) == 1


def test_original_that_vanishes_on_the_way_is_left_out(photos: Path, tmp_path: Path) -> None:
    for link in ("copy", "hardlink"):
        folder = ResultFolder(tmp_path / link, [])
        entries = folder.prepare([], {"person-0001/a.jpg": str(photos / "x/a.jpg")}, link)  # type: ignore[arg-type]
        (photos / "x/a.jpg").rename(photos / "moved")
        assert folder.place(entries) == 0
        (photos / "moved").rename(photos / "x/a.jpg")
        assert files(tmp_path / link) == []


def test_killed_run_is_cleaned_up_by_the_next(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, everything = tmp_path / "out", sorted(photos.glob("*/*"))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)  # as after kill -9, the unfinished copy stays
        patch.setattr(own_files.os, "utime", die)
        with pytest.raises(KeyboardInterrupt):
            write(root, result_of(everything))
    assert any(p.name.endswith(".part") for p in (root / "person-0001").iterdir())
    result = result_of([photos / "y/d.jpg"])
    write(root, result)
    write(tmp_path / "fresh", result)
    assert snapshot(root) == snapshot(tmp_path / "fresh")
    assert not list(root.rglob("*.part"))


def test_run_killed_after_some_photos_is_cleaned_up_by_the_next(photos: Path, tmp_path: Path) -> None:
    root, everything = tmp_path / "out", sorted(photos.glob("*/*"))
    result = result_of(everything)
    folder = ResultFolder(root, [])
    planned, _ = plan(result, {})
    folder.place(folder.prepare([], planned, "copy")[:3])
    with (root / ".facecluster-files.jsonl").open("ab") as file:
        file.write(b'{"path": "person-0001/d.j')  # a torn line
    write(root, result_of([photos / "y/d.jpg"]))
    assert files(root) == ["clusters.json", "person-0001/d.jpg", "person-0001_montage.jpg"]


def test_folder_that_was_copied_without_its_times_is_still_ours(photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "out", result_of([photos / "x/a.jpg"], [photos / "y/d.jpg"]))
    shutil.copytree(tmp_path / "out", tmp_path / "copied", copy_function=shutil.copyfile)
    before = {path: os.stat(tmp_path / "copied" / path).st_mtime_ns for path in files(tmp_path / "copied")}
    (tmp_path / "copied" / "person-0002_montage.jpg").write_bytes(b"mine")  # of the same size, and not ours
    with pytest.raises(OutputError, match=r"person-0002_montage\.jpg: not written by facecluster"):
        write(tmp_path / "copied", result_of([photos / "x/a.jpg"], [photos / "y/d.jpg"]))
    (tmp_path / "copied" / "person-0002_montage.jpg").unlink()
    write(tmp_path / "copied", result_of([photos / "x/a.jpg"]))
    assert files(tmp_path / "copied") == ["clusters.json", "person-0001/a.jpg", "person-0001_montage.jpg"]
    assert os.stat(tmp_path / "copied" / "person-0001/a.jpg").st_mtime_ns == before["person-0001/a.jpg"]


@pytest.mark.parametrize(
    "path", ["../photos/x/a.jpg", "/etc/passwd", "person-0001/../../photos/x/a.jpg", "a/b/c", "", "."]
)
def test_list_that_names_files_elsewhere_removes_nothing(path: str, photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    write(root, result_of([photos / "x/b.jpg"]))
    original = (photos / "x/a.jpg").stat()
    entry = own_list.Entry(path, "file", "", original.st_size, original.st_mtime_ns)
    with (root / ".facecluster-files.jsonl").open("ab") as file:
        file.write(own_list.line(vars(entry)))
    write(root, result_of())
    assert (photos / "x/a.jpg").exists()


def test_list_of_a_newer_facecluster_is_not_guessed_at(photos: Path, tmp_path: Path) -> None:
    write(tmp_path, result_of([photos / "x/a.jpg"]))
    (tmp_path / ".facecluster-files.jsonl").write_text('{"format": 3}\n')
    with pytest.raises(OutputError, match="newer facecluster"):
        write(tmp_path, result_of())


def test_disk_that_is_too_small_ends_it_before_anything_is_touched(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "out"
    write(root, result_of([photos / "x/a.jpg"]))
    before = snapshot(root)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(OutputError, match="use --link auto"):
        write(
            root, result_of([photos / "x/b.jpg", photos / "x/c.jpg", photos / "y/d.jpg", photos / "y/B.JPG"])
        )
    assert snapshot(root) == before
    write(root, result_of([photos / "x/b.jpg"]))  # what is removed makes room
    write(root, result_of(sorted(photos.glob("*/*"))), "symlink")


def test_hard_link_to_another_disk_becomes_a_copy(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev or not os.access(shm, os.W_OK):
        pytest.skip("needs two file systems")
    root = shm / f"facecluster-{os.getpid()}"
    try:
        assert write(root, result_of([photos / "x/a.jpg"]), "hardlink") == 1
        assert (root / "person-0001/a.jpg").read_text() == "x/a.jpg"
        assert "no hard link of 1 photo is possible there, so it is copied" in caplog.text
        write(root, result_of(), "hardlink")
        assert files(root) == ["clusters.json"]
    finally:
        shutil.rmtree(root)


def test_symlinks_are_absolute_and_removed_without_their_originals(photos: Path, tmp_path: Path) -> None:
    (photos / "alias.jpg").symlink_to(photos / "x/a.jpg")
    write(tmp_path, result_of([photos / "alias.jpg"]), "symlink")
    assert (tmp_path / "person-0001/alias.jpg").readlink() == photos / "alias.jpg"
    write(tmp_path, result_of(), "symlink")
    assert not (tmp_path / "person-0001").exists()
    assert (photos / "x/a.jpg").read_text() == "x/a.jpg"


def test_names_that_are_no_text(photos: Path, tmp_path: Path) -> None:
    strange = photos / "\udcff.jpg"
    try:
        strange.write_text("strange")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system wants UTF-8")
    for _ in range(2):
        assert write(tmp_path / "out", result_of([strange])) == 1
    write(tmp_path / "out", result_of())
    assert files(tmp_path / "out") == ["clusters.json"]


def write_changed(
    root: Path, result: Result, changed: Sequence[str] | None = None, link: Link = "copy"
) -> None:
    write_result(result, root, pictures={}, link=link, jobs=1, changed=changed)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Photos that can be decoded."""
    (tmp_path / "photos").mkdir()
    paths = [tmp_path / "photos" / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        Image.new("RGB", (40, 40), (i, 0, 0)).save(path)
    return paths


def inodes(root: Path) -> dict[str, int]:
    return {name: (root / name).lstat().st_ino for name in files(root)}


def test_name_alone_writes_only_the_record(pictures: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "out"
    result = result_of(pictures[:2], pictures[2:4], nobody=pictures[4:])
    write_changed(root, result)
    before, lines = inodes(root), (root / own_list.RESULT_MARKER).read_bytes()
    write_changed(root, result, ())
    after = inodes(root)
    assert {name for name in after if after[name] != before[name]} == {"clusters.json"}
    added = (root / own_list.RESULT_MARKER).read_bytes().removeprefix(lines)
    assert added.count(b"\n") == 1
    write_changed(root, result)
    assert {name for name, inode in inodes(root).items() if inode != after[name]} == {"clusters.json"}


@pytest.mark.parametrize("link", LINKS)
def test_changed_people_alone_give_what_all_give(link: Link, pictures: list[Path], tmp_path: Path) -> None:
    root, p = tmp_path / "out", pictures
    write_changed(root, result_of(p[:2], p[2:4], nobody=p[4:]), link=link)
    steps: list[tuple[Result, list[str]]] = [
        (result_of(p[:4], nobody=p[4:]), ["person-0001"]),
        (result_of(p[:3], nobody=p[3:]), ["person-0001"]),
        (result_of(p[:3], p[3:5], nobody=p[5:]), ["person-0002"]),
        (result_of(nobody=p), []),
    ]
    for number, (result, changed) in enumerate(steps):
        write_changed(root, result, changed, link)
        write_changed(tmp_path / f"fresh-{number}", result, link=link)
        assert snapshot(root) == snapshot(tmp_path / f"fresh-{number}")


@pytest.mark.parametrize("at", range(20))
def test_write_of_changed_people_that_was_killed_is_finished_by_the_next(
    at: int, pictures: list[Path], tmp_path: Path
) -> None:
    root, p = tmp_path / "out", pictures
    write_changed(root, result_of(p[:2], p[2:4], nobody=p[4:]))
    merged = result_of(p[:5], nobody=p[5:])
    with killed_at(at):
        write_changed(root, merged, ["person-0001"])
    write_changed(root, merged, () if at else ["person-0001"])
    write_changed(tmp_path / "fresh", merged)
    assert snapshot(root) == snapshot(tmp_path / "fresh")
    assert not list(root.rglob("*.part"))
    assert snapshot(tmp_path / "photos").keys() == {path.name for path in p}


def test_line_after_a_torn_one_counts(pictures: list[Path], tmp_path: Path) -> None:
    write_changed(tmp_path / "out", result_of(pictures))
    with (tmp_path / "out" / own_list.RESULT_MARKER).open("ab") as file:
        file.write(b'{"path": "clusters.json", "ki')
    for _ in range(3):
        write_changed(tmp_path / "out", result_of(pictures), ())


def test_list_is_written_anew_when_most_of_it_is_dead(
    pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, result = tmp_path / "out", result_of(pictures[:3], nobody=pictures[3:])
    monkeypatch.setattr(own_list, "_FEW_LINES", 5)
    write_changed(root, result)
    for _ in range(40):
        write_changed(root, result, ())
    assert (root / own_list.RESULT_MARKER).read_bytes().count(b"\n") < 40
    write_changed(root, result_of(), ())
    assert files(root) == ["clusters.json"]


def test_montage_is_made_anew_only_where_it_would_be_another(pictures: list[Path], tmp_path: Path) -> None:
    root, montage, p = tmp_path / "out", tmp_path / "out/person-0001_montage.jpg", pictures
    result = result_of(p[:2])

    def is_anew() -> bool:
        before = montage.stat().st_ino, montage.stat().st_mtime_ns
        write_changed(root, result)
        return (montage.stat().st_ino, montage.stat().st_mtime_ns) != before

    write_changed(root, result)
    assert not is_anew()
    Image.new("RGB", (40, 40), (0, 200, 0)).save(p[1])
    assert is_anew()
    result = result_of(p[:3])
    assert is_anew()
    assert not is_anew()


@pytest.mark.parametrize("link", LINKS)
def test_what_is_as_we_would_write_it_is_ours_after_the_list_was_lost(
    link: Link, pictures: list[Path], tmp_path: Path
) -> None:
    root, p = tmp_path / "out", pictures
    result = result_of(p[:2], p[2:4], nobody=p[4:])
    write_changed(root, result, link=link)
    before = snapshot(root)
    (root / own_list.RESULT_MARKER).write_bytes(b"")
    ResultFolder(root, ()).claim("clusters.json")  # as opening the library does
    write_changed(root, result, link=link)
    assert snapshot(root) == before
    write_changed(root, result_of(), link=link)
    assert files(root) == ["clusters.json"]


def test_montages_of_others_are_told_at_once(pictures: list[Path], tmp_path: Path) -> None:
    root, p = tmp_path / "out", pictures
    root.mkdir()
    for number in (1, 2):
        (root / f"person-000{number}_montage.jpg").write_text("the user's own")
    with pytest.raises(
        OutputError, match=r"person-0001_montage.jpg: .* the same with person-0002_montage.jpg"
    ):
        write_changed(root, result_of(p[:2], p[2:4]))


def test_montage_of_lost_photos_is_tried_again_when_one_is_back(
    pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root, result = tmp_path / "out", result_of(pictures[:1])
    content = pictures[0].read_bytes()
    pictures[0].unlink()
    write_changed(root, result, link="none")
    with monkeypatch.context() as patch:
        patch.setattr(montage_module, "make_montage", None)
        write_changed(root, result, link="none")
    told = (
        f"1 photo is not where it was (first: {pictures[0]}), so person-0001 has no montage. If deleted, it leaves the "
        "library with the next run over that folder. If it was moved, type: "
    )
    again = f"facecluster encode NEW_FOLDER -o TABLE, and facecluster cluster TABLE -o {root}"
    assert caplog.messages == [f"{told}{again}"] * 2  # the face table lies elsewhere
    pictures[0].write_bytes(content)
    write_changed(root, result, link="none")
    assert (root / "person-0001_montage.jpg").exists()


@pytest.mark.parametrize("link", LINKS)
def test_photos_that_are_away_take_nothing_along_and_are_told_in_one_sentence(
    link: Link, pictures: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "a library"
    write_changed(root, result_of(pictures[:2], pictures[1:3], nobody=pictures[3:4]), link=link)
    before = {path for path in root.rglob("*") if not path.name.startswith(".")}
    others = result_of(pictures[:3], pictures[2:3], nobody=pictures[3:4])  # both need another montage
    pictures[0].parent.rename(tmp_path / "moved")
    write_changed(root, others, link=link)
    assert {path for path in root.rglob("*") if not path.name.startswith(".")} >= before - {
        root / "person-0002" / pictures[1].name
    }
    told = (
        f"4 photos are not where they were (first: {pictures[0]}). If deleted, they leave the library with the next "
        "run over that folder. If they were moved, type: "
    )
    again = f"facecluster encode NEW_FOLDER -o TABLE, and facecluster cluster TABLE -o '{root}'"
    assert caplog.messages == [f"{told}{again}"]
    (tmp_path / "moved").rename(pictures[0].parent)
    caplog.clear()
    write_changed(root, others, link=link)
    assert caplog.messages == []
    assert {path.name for path in (root / "person-0001").iterdir()} == {path.name for path in pictures[:3]}


def test_photos_that_are_not_placed_are_named(
    pictures: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "out"
    (root / "person-0001").mkdir(parents=True)
    (root / "person-0001" / pictures[0].name).write_text("mine")
    unread = pictures[1].with_name("a folder.jpg")
    unread.mkdir()
    result = result_of([pictures[0], pictures[1]], nobody=[unread])
    write_changed(root, result)
    other = f"{pictures[0].stem}-2{pictures[0].suffix}"
    cannot = f"1 photo cannot be read, and is missing in the folders of {root}: {unread}"
    assert caplog.messages == [
        f"1 photo got another name, as a file of yours there has its own name: {root}/person-0001/{other}",
        cannot,
    ]
    caplog.clear()
    write_changed(root, result)
    assert caplog.messages == [cannot]


def test_montage_stays_while_its_photos_are_away(pictures: list[Path], tmp_path: Path) -> None:
    root, montage, away = tmp_path / "out", tmp_path / "out/person-0001_montage.jpg", tmp_path / "unmounted"
    result = result_of(pictures[:3])

    def is_anew() -> bool:
        before = montage.read_bytes(), montage.stat().st_ino
        write_changed(root, result, link="none")
        return (montage.read_bytes(), montage.stat().st_ino) != before

    pictures[0].rename(tmp_path / "0.png")
    write_changed(root, result, link="none")
    pictures[0].parent.rename(away)
    assert not is_anew()
    away.rename(pictures[0].parent)
    assert not is_anew()
    (tmp_path / "0.png").rename(pictures[0])  # more are there than when it was made
    assert is_anew()
    pictures[0].parent.rename(away)
    assert not is_anew()
    away.rename(pictures[0].parent)
    Image.new("RGB", (40, 40), (0, 200, 0)).save(pictures[1])
    assert is_anew()


def test_copy_of_a_photo_that_is_away_keeps_its_place_and_nobody_is_bothered(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, away = tmp_path / "out", tmp_path / "unmounted"
    everything = result_of([photos / "x/a.jpg", photos / "y/d.jpg"])
    write(root, everything)
    before = snapshot(root)
    photos.rename(away)
    write(root, everything)
    assert not caplog.messages
    away.rename(photos)
    write(root, everything)
    assert not caplog.messages
    assert snapshot(root).keys() == before.keys()
