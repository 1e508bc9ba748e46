"""Disks and systems that are not this one: FAT, names in any case, accents taken apart, Windows."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest
from test_folders import files, result_of

from facecluster import text, workers
from facecluster.durable import placing, spelt, whole_file
from facecluster.durable.lock import hold
from facecluster.durable.own_files import ResultFolder
from facecluster.durable.own_list import last_write
from facecluster.durable.whole_file import is_of_one_file
from facecluster.errors import OutputError
from facecluster.formats import json_lines
from facecluster.library.folders import write_result
from facecluster.library.layout import plain_name
from facecluster.photos.find import find_photos, search

ODD = set('<>:"|?*\\')


def refusing(code: int, is_refused: Callable[[Path], bool], call: Callable[..., Any]) -> Callable[..., Any]:
    """A method of Path that fails for some paths, of which one may be the other one."""

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if any(is_refused(Path(one)) for one in (path, *arguments) if isinstance(one, str | Path)):
            raise OSError(code, os.strerror(code), str(path))
        return call(path, *arguments, **options)

    return refuse


def failing(code: int) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.fixture
def fat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk as FAT is: no links, times, nor waiting, and few letters."""
    for name in ("replace", "touch"):
        call = refusing(errno.EINVAL, lambda path: bool(ODD & set(path.name)), getattr(Path, name))
        monkeypatch.setattr(Path, name, call)
    for name in ("hardlink_to", "symlink_to"):
        monkeypatch.setattr(Path, name, failing(errno.EPERM))
    monkeypatch.setattr(placing, "make_link", failing(errno.EPERM))
    monkeypatch.setattr("facecluster.durable.links.clone", failing(errno.ENOTSUP))
    monkeypatch.setattr(os, "utime", failing(errno.EPERM))
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))


def made(folder: Path, *names: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(f"photo {name}".encode())
    return [str(folder / name) for name in names]


def test_fat_takes_every_photo(fat: None, tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "12:30.jpg", "what?.jpg")
    for _ in range(2):
        write_result(result_of(photos), tmp_path / "people", pictures={}, link="auto")
        there = [name for name in files(tmp_path / "people") if name.startswith("person-0001/")]
        assert there == ["person-0001/12_30.jpg", "person-0001/a.jpg", "person-0001/what_.jpg"]


def test_a_disk_that_takes_all_letters_keeps_them(tmp_path: Path) -> None:
    photos = made(tmp_path / "photos", "12:30.jpg")
    write_result(result_of(photos), tmp_path / "people", pictures={}, link="auto")
    assert "person-0001/12:30.jpg" in files(tmp_path / "people")
    assert not [name for name in os.listdir(tmp_path / "people") if name.endswith(".part")]


def test_a_folder_that_cannot_get_its_new_name_is_told_and_gets_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.jpg", "c.jpg")
    people, result = tmp_path / "people", result_of(photos)
    named = replace(result, people=tuple(replace(person, name="Anna") for person in result.people))
    write_result(result, people, pictures={}, link="copy")
    with monkeypatch.context() as patch:
        call = refusing(errno.EIO, lambda path: path.name == "person-0001", Path.rename)
        patch.setattr(Path, "rename", call)
        write_result(named, people, pictures={}, link="copy")
    (line,) = (line for line in caplog.messages if "stays" in line)
    assert f"1 folder stays as before: person-0001 ({os.strerror(errno.EIO)})" in line
    write_result(named, people, pictures={}, link="copy", changed=())
    assert "person-0001 Anna/b.jpg" in files(people)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EPERM, errno.EFBIG, errno.ENAMETOOLONG])
def test_a_photo_that_is_refused_is_told_in_one_line_and_tried_again(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.jpg", "c.jpg")
    people = tmp_path / "people"
    with monkeypatch.context() as patch:
        call = refusing(code, lambda path: path.name in ("a.jpg", "c.jpg"), Path.replace)
        patch.setattr(Path, "replace", call)
        write_result(result_of(photos), people, pictures={}, link="copy")
    (line,) = (line for line in caplog.messages if "stay" in line)
    assert line.startswith(f"{people}: 2 files stay as before: person-0001/a.jpg ({os.strerror(code)}), ")
    assert "person-0001/b.jpg" in files(people)
    assert "person-0001/a.jpg" not in files(people)
    assert last_write(people).unfinished == {"person-0001"}
    write_result(result_of(photos), people, pictures={}, link="copy", changed=())
    assert "person-0001/a.jpg" in files(people)
    assert last_write(people).unfinished == frozenset()


def test_a_photo_that_cannot_be_removed_stays_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.jpg")
    people = tmp_path / "people"
    write_result(result_of(photos), people, pictures={}, link="copy")
    with monkeypatch.context() as patch:  # as on Windows, while somebody looks at it
        patch.setattr(Path, "unlink", refusing(errno.EACCES, lambda path: path.name == "b.jpg", Path.unlink))
        write_result(result_of(photos[:1]), people, pictures={photos[1]: None}, link="copy")  # type: ignore[dict-item]
    assert "person-0001/b.jpg" in files(people)
    write_result(result_of(photos[:1]), people, pictures={photos[1]: None}, link="copy")  # type: ignore[dict-item]
    assert "person-0001/b.jpg" not in files(people)


def test_what_is_to_be_forgotten_and_cannot_be_removed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = made(tmp_path / "photos", "a.jpg", "b.jpg")
    people = tmp_path / "people"
    write_result(result_of(photos), people, pictures={}, link="copy")
    monkeypatch.setattr(
        Path, "unlink", refusing(errno.EACCES, lambda path: path.name == "b.jpg", Path.unlink)
    )
    with pytest.raises(OutputError, match=r"b\.jpg"):
        write_result(result_of(photos[:1]), people, pictures={}, link="copy", forget=photos[1:])


def test_a_montage_that_cannot_be_replaced_stays_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "person-0001_montage.jpg"
    folder = ResultFolder(tmp_path, [])
    folder.write(name, [b"older"], key="1")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refusing(errno.EACCES, lambda path: path.name == name, Path.replace))
        folder.write(name, [b"new"], key="2", may_be_refused=True)
        assert (folder.key(name), [*folder.refused]) == ("1", [name])
    again = ResultFolder(tmp_path, [])
    assert (again.key(name), (tmp_path / name).read_bytes()) == ("1", b"older")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ENODEV])
def test_what_the_next_file_meets_too_ends_the_command(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_of_one_file(OSError(code, ""))
    photos = made(tmp_path / "photos", "a.jpg")
    monkeypatch.setattr(Path, "replace", refusing(code, lambda path: path.name == "a.jpg", Path.replace))
    with pytest.raises(OutputError, match=r"a\.jpg: cannot be written"):
        write_result(result_of(photos), tmp_path / "people", pictures={}, link="copy")


def test_what_cannot_be_waited_for_is_written(fat: None, tmp_path: Path) -> None:
    with whole_file.whole_file(tmp_path / "a") as file:
        file.write(b"a")
    json_lines.append(tmp_path / "b", b"{}\n")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"a", b"{}\n")


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OutputError, match="cannot be written"), whole_file.whole_file(tmp_path / "a"):
        pass
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("room", [0, 1, 40, 99])
def test_lines_for_which_there_is_no_room_leave_nothing(tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource", reason="the system limits no sizes of files")
    (tmp_path / "a").write_bytes(b'{"first": 1}\n')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (13 + room, hard))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            json_lines.append(tmp_path / "a", b'{"second": "%s"}\n' % (b"2" * 100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "a").read_bytes() == b'{"first": 1}\n'


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "no locks"), NotImplementedError("no flock")])
def test_a_disk_without_locks_is_told(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(OutputError, match="has no locks"), hold(tmp_path / ".lock", tmp_path, wait_s=0):
        pass


# ---------------------------------------------------------------------------------------- names as disks have them


@pytest.fixture
def any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks that find a file by its name in any case."""
    monkeypatch.setattr(spelt, "is_one_file", lambda path, other: True)
    monkeypatch.setattr(os.path, "lexists", lambda path: "gone" not in str(path))


def test_a_path_is_spelt_as_it_is_listed(any_case: None, tmp_path: Path) -> None:
    made(tmp_path / "Photos", "IMG.jpg", "Zoe\u0308.jpg", "2024")
    typed = str(tmp_path / "photos")
    assert spelt.spelt(f"{typed}/img.JPG") == str(tmp_path / "Photos" / "IMG.jpg")
    assert spelt.spelt(f"{typed}/zo\xeb.jpg") == str(tmp_path / "Photos" / "Zoe\u0308.jpg")
    assert spelt.spelt(f"{typed}/2024") == str(tmp_path / "Photos" / "2024")
    assert spelt.spelt(f"{typed}/gone/a.jpg") == str(tmp_path / "Photos" / "gone" / "a.jpg")


def test_where_case_counts_a_path_is_itself(tmp_path: Path) -> None:
    folder = tmp_path / "Photos"
    made(folder, "img.jpg")
    for path in (f"{folder}/IMG.jpg", f"{folder}/img.jpg", str(tmp_path / "photos"), "/"):
        assert spelt.spelt(path) == path


def test_names_that_differ_in_case_are_two_where_both_are_there(any_case: None, tmp_path: Path) -> None:
    one, other = made(tmp_path, "IMG.jpg", "img.JPG")
    assert [spelt.spelt(one), spelt.spelt(other)] == [one, other]


def test_photos_are_found_once_by_names_in_any_case(any_case: None, tmp_path: Path) -> None:
    photos = made(tmp_path / "Photos", "IMG.jpg", "b.jpg")
    listed = [str(tmp_path / "photos" / "img.JPG"), str(tmp_path / "Photos"), photos[1].swapcase()]
    assert search((), listed=listed).photos == photos


def test_bins_of_other_systems_are_left_out_in_any_case(tmp_path: Path) -> None:
    for name in ("$Recycle.Bin", "System Volume Information", "@eaDir"):
        made(tmp_path / name, "a.jpg")
    assert find_photos([tmp_path]) == []


def apart(gives_names: bool, call: Callable[..., Any]) -> Callable[..., Any]:
    """A call of the system on a disk that finds names in any form of their accents, and takes them apart (HFS+)."""

    def called(path: Any = ".", *arguments: Any, **options: Any) -> Any:
        path = path if isinstance(path, int) else unicodedata.normalize("NFC", os.fspath(path))
        given = call(path, *arguments, **options)
        return [unicodedata.normalize("NFD", name) for name in given] if gives_names else given

    return called


def test_accents_that_the_disk_takes_apart_are_no_renaming_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    photos = made(tmp_path / "photos", "Zo\xeb.jpg", "b.jpg")
    result = result_of(photos)
    result = replace(result, people=(replace(result.people[0], name="Jos\xe9"),))
    people = tmp_path / "people"
    write_result(result, people, pictures={}, link="copy")
    before = files(people)

    caplog.clear()
    for name in ("listdir", "lstat", "stat", "scandir"):
        monkeypatch.setattr(os, name, apart(name == "listdir", getattr(os, name)))
    write_result(result, people, pictures={}, link="copy")
    assert not [line for line in caplog.messages if "montage" not in line]  # the photos are none
    monkeypatch.undo()
    assert files(people) == before


# ------------------------------------------------------------------------------------------------------- Windows


def test_what_a_program_looks_at_for_a_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = PermissionError(errno.EACCES, "used by another process")
    error.winerror = 32  # type: ignore[attr-defined]
    left, real = [error, error], Path.replace

    def replace(path: Path, target: Path) -> Path:
        if left:
            raise left.pop()
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(whole_file, "_PATIENCE_S", (0.0, 0.0))
    with whole_file.whole_file(tmp_path / "a") as file:
        file.write(b"a")
    left[:] = [error] * 3
    with pytest.raises(OutputError, match="has it open"), whole_file.whole_file(tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_path_is_typed_as_the_system_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert text.typed("my photos") == "'my photos'"
    monkeypatch.setattr(text.os, "name", "nt")
    assert text.typed("my photos") == '"my photos"'


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a:b?.jpg", "a_b_.jpg"), ("tail. ", "tail"), ("a\nb", "a_b"), ("CON.jpg", "_CON.jpg")],
)
def test_a_plain_name_is_one_for_every_disk(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_processes_are_started_anew_and_nowhere_else() -> None:
    """So that nothing depends on fork, which Windows lacks and macOS does not bear."""
    ways = re.compile(r"os\.fork|forkpty|ProcessPoolExecutor|set_start_method|multiprocessing\b")
    files = [
        file for file in Path(workers.__file__).parent.rglob("*.py") if ways.search(file.read_text("utf-8"))
    ]
    assert files == [Path(workers.__file__)]
    assert set(re.findall(r"get_context\((.*?)\)", files[0].read_text("utf-8"))) == {'"spawn"'}
