from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import PROGRAM, called
from PIL import Image

from facecluster.formats import face_table
from facecluster.options import EncodeOptions
from facecluster.photos.find import find_photos
from facecluster.vision import detect, encode


def run(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> tuple[int, bytes, str]:
    """Call the command line; give exit code, stdout, stderr."""
    with pytest.MonkeyPatch.context() as patch:
        if cwd is not None:
            patch.chdir(cwd)
        done = called(*arguments, stdin=stdin)
    return done.exit_code, done.stdout_bytes, done.stderr


def run_program(*arguments: str | Path, stdin: bytes) -> tuple[int, bytes, str]:
    """Do the same in a process of its own."""
    done = subprocess.run([*PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(scope="session")
def portraits(shared_data: Path) -> list[Path]:
    """Four photos of each of two people."""
    folder = shared_data / "caltech_faces84"
    return [Path(path) for name in ("person_0", "person_1") for path in find_photos([folder / name])[:4]]


@pytest.fixture
def album(portraits: list[Path], tmp_path: Path) -> Path:
    """A folder of two of the photos and a broken one."""
    folder = tmp_path / "album"
    folder.mkdir()
    shutil.copy(portraits[0], folder / "a.jpg")
    shutil.copy(portraits[1], folder / "b.jpg")
    (folder / "broken.jpg").write_text("no photo")
    return folder


def test_help_tells_the_real_defaults() -> None:
    _, out, _ = run("encode", "--help")
    text = " ".join(out.decode().split())
    defaults = EncodeOptions()
    for option, default in {
        "--detector": defaults.detector,
        "--encoder": defaults.encoder,
        "--min-face": f"{defaults.min_face:g}",
        "--max-side": "by detector",
        "--upsample": defaults.upsample,
    }.items():
        assert re.search(rf"{option}.*?\[default: (.*?)\]", text)[1] == str(default)  # type: ignore[index]
    assert defaults.max_side is None
    assert defaults.mirror is False
    assert defaults.check is None
    assert "--check [clustering|passport|none]" in text
    assert f"[{'|'.join(detect.DETECTORS)}]" in text
    assert f"[{'|'.join(encode.ENCODERS)}]" in text


def test_encode_writes_a_table_and_tells_how_it_went(album: Path, tmp_path: Path) -> None:
    code, out, err = run("encode", album, "-o", "faces.npz", "-j", "1", cwd=tmp_path)
    assert (code, out) == (0, b"")
    lines = err.splitlines()
    assert lines[0] == "3 photos with 2 faces; 0 without a face, 1 unreadable, 0 known from before"
    assert lines[1].startswith(f"  unreadable: {album / 'broken.jpg'}: no photo")
    assert re.fullmatch(r"faces\.npz: \d+\.\d s, \d+\.\d new faces a second", lines[2])
    list_them = "facecluster check faces.npz -q --json | grep '\"unreadable\"'"
    assert lines[3:] == [f"to list the unreadable photos again: {list_them}"]
    assert len(face_table.read(tmp_path / "faces.npz").faces) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "faces.npz"]

    (album / "b.jpg").unlink()
    code, out, err = run("encode", album, "-o", "faces.npz", "-j", "1", cwd=tmp_path)
    assert (code, out) == (0, b"")
    assert err.startswith(
        "2 photos with 1 face; 0 without a face, 1 unreadable, 1 known from before\n"
        f"1 photo is gone, and left out now:\n  {album / 'b.jpg'}\n"
    )


def test_photos_are_added_to_a_table(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    for name in ("a.jpg", "b.jpg"):
        code, out, err = run("encode", album / name, "-o", output, "--append", "-j", "1")
        assert (code, out) == (0, b"")
        assert err.startswith("1 photo with 1 face; 0 without a face, 0 unreadable, 0 known from before\n")
        (album / name).unlink()
    assert "\n1 earlier photo not among these: kept; the table has 2 photos with 2 faces\n" in err
    assert face_table.read(output).photos.path.tolist() == [str(album / "a.jpg"), str(album / "b.jpg")]
    code, _, err = run("encode", album, "-o", output, "--append")
    assert code == 1
    assert "cannot read the photo" in err
    assert len(face_table.read(output).photos) == 2


def test_only_faces_that_pass_the_check_are_kept_and_the_others_told(
    album: Path, portraits: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "faces.npz"
    (album / "broken.jpg").unlink()
    small = album / "small.png"
    with Image.open(portraits[2]) as photo:
        photo.reduce(5).save(small)  # the face is narrower than 75 pixels
    for known, new in ((0, 1), (3, 0)):
        code, out, err = run("encode", album, "-o", output, "--check", "clustering", "-j", "1")
        assert (code, out) == (0, b""), err
        lines = err.splitlines()
        assert lines[0] == f"3 photos with 2 faces; 1 without a face, 0 unreadable, {known} known from before"
        fail = "1 new face fails" if new else "0 new faces fail"
        assert (
            lines[1]
            == f"{fail} the check clustering: left out; of these photos 1 has such faces, 1 no others"
        )
        assert re.match(
            rf"  left out: {re.escape(str(small))}: the face fails the check: width \d\S+ < 75", lines[2]
        )
        assert len(lines) == 4
    code, _, err = run("encode", album, "-o", output)  # as last time
    assert (code, err.count("0 new faces fail the check clustering")) == (0, 1)
    code, _, err = run("encode", album, "-o", output, "--check", "none")
    assert code == 1
    assert "check: clustering there, none now" in err
    code, _, err = run("encode", small, "-o", tmp_path / "other.npz", "--check", "clustering", "-q")
    assert (code, err) == (0, "")


def test_only_what_is_added_now_is_told(album: Path, portraits: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "faces.npz"
    with Image.open(portraits[2]) as photo:
        for i in range(2):
            photo.reduce(5 + i).save(album / f"small {i}.png")
    arguments = ["-o", output, "--append", "--check", "clustering", "-j", "1"]
    _, _, err = run("encode", album, *arguments)
    assert (err.count("unreadable:"), err.count("left out:")) == (1, 2)
    again = tmp_path / "again.png"
    shutil.copy(album / "small 0.png", again)
    _, _, err = run("encode", again, *arguments)
    lines = err.splitlines()
    assert lines[0] == "1 photo with 0 faces; 1 without a face, 0 unreadable, 1 known from before"
    assert lines[1].endswith("not among these: kept; the table has 6 photos with 2 faces")
    assert lines[2].startswith("0 new faces fail the check clustering")
    assert lines[2].endswith("of these photos 1 has such faces, 1 no others")
    assert lines[3].startswith(f"  left out: {again}: ")
    assert len(lines) == 5


@pytest.mark.parametrize("flags", [[], ["--append"]])
def test_photos_whose_content_changed_are_named(
    flags: list[str], album: Path, portraits: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "faces.npz"
    run("encode", album, "-o", output, "-j", "1")
    shutil.copy(portraits[4], album / "b.jpg")
    _, _, err = run("encode", album, "-o", output, "-j", "1", *flags)
    assert (
        f"\n1 photo has other content now, or none: earlier faces are gone\n  replaced: {album / 'b.jpg'}\n"
    ) in err


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
def test_names_that_would_move_the_cursor_are_escaped(album: Path, tmp_path: Path) -> None:
    (album / "broken.jpg").rename(album / "\x1b[2J\nnew.jpg")
    _, _, err = run("encode", album, "-o", tmp_path / "faces.npz", "-j", "1")
    assert "\x1b" not in err
    assert r"\x1b[2J\nnew.jpg: " in err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that takes no files")
def test_folder_that_takes_no_files_is_told(album: Path) -> None:
    code, _, err = run("encode", album, "-o", "/proc/x.npz")
    assert code == 1
    assert "/proc/x.npz: cannot be written" in err


def test_all_photos_with_faces_that_fail_are_named_on_request(album: Path, tmp_path: Path) -> None:
    with Image.open(album / "a.jpg") as photo:
        for i in range(12):
            photo.reduce(5).save(album / f"{i}.png")
    for flags, n_named in (([], 10), (["-v"], 12)):
        _, _, err = run("encode", album, "-o", tmp_path / "f.npz", "--check", "clustering", "-j", "1", *flags)
        assert err.count("  left out: ") == n_named
        assert ("... and 2 more (-v names all)" in err) == (not flags)


def test_the_flags_of_the_older_script_work(album: Path, tmp_path: Path) -> None:
    code, out, err = run("encode", "-i", album, "-e", tmp_path / "faces.pickle", "-d", "hog", "-q")
    assert (code, out, err) == (0, b"", "")
    table = face_table.read(tmp_path / "faces.pickle")
    assert table.settings.detector == "hog"
    assert len(table.faces) == 2


def test_a_list_on_standard_input_goes_through_to_standard_output(album: Path) -> None:
    names = [album / "a.jpg", album / "gone.jpg"]
    for program, separator, flags in ((run_program, b"\n", []), (run, b"\0", ["-0"])):
        stdin = separator.join(os.fsencode(name) for name in names) + separator
        code, out, err = program("encode", "-", "-o", "-", "-j", "1", *flags, stdin=stdin)
        assert code == 0, err
        table = face_table.read(io.BytesIO(out))
        assert table.photos.path.tolist() == [str(name) for name in names]
        assert table.photos.reason.tolist() == ["", "no such file or directory"]
        assert len(table.faces) == 1
    assert sorted(path.name for path in album.parent.iterdir()) == ["album"]


def test_standard_output_gets_what_the_file_gets(album: Path, tmp_path: Path) -> None:
    _, out, _ = run("encode", album, "-o", "-", "-j", "1")
    run("encode", album, "-o", tmp_path / "faces.npz", "-j", "2")
    with np.load(tmp_path / "faces.npz") as file, np.load(io.BytesIO(out)) as stream:
        assert file.files == stream.files
        for name in file.files:
            np.testing.assert_array_equal(file[name], stream[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "faces.npz"], "which photos?"),
        (["."], "Missing option '-o'"),
        (["no.jpg", "-o", "faces.npz"], "no.jpg: No such file or directory"),
        ([".", "-o", "faces.txt"], "ends in .npz or .pickle"),
        ([".", "-o", "faces.npz", "-0"], "give - for it"),
        ([".", "-o", "faces.npz", "--prune", "--keep-missing"], "give one of them"),
        ([".", "-o", "faces.npz", "--prune", "--append"], "what --append keeps; give one of them"),
        ([".", "-o", "-", "--append"], "give a file with -o"),
        ([".", "-o", "faces.npz", "--check", "good"], "'good' is not one of"),
        ([".", "-o", "faces.npz", "--detector", "eye"], "'eye' is not one of"),
        ([".", "-o", "faces.npz", "--min-face", "-1"], "not in the range"),
        ([".", "-o", "faces.npz", "--min-face", "nan"], "nan is no finite number"),
        ([".", "-o", "faces.npz", "--min-face", "inf"], "inf is no finite number"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], message: str, tmp_path: Path) -> None:
    code, out, err = run("encode", *arguments, cwd=tmp_path)
    assert (code, out) == (2, b"")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_list_with_nul_needs_its_flag(tmp_path: Path) -> None:
    code, _, err = run("encode", "-", "-o", tmp_path / "faces.npz", stdin=b"a.jpg\0b.jpg\0")
    assert code == 2
    assert "-0" in err


def test_nothing_done_is_a_failure(album: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    output = tmp_path / "faces.npz"
    for arguments, message in [
        ([tmp_path / "empty"], "no photos found"),
        (["-"], "no photos found"),
        ([album / "broken.jpg"], f"cannot read the photo:\n  {album / 'broken.jpg'}: no photo"),
    ]:
        code, out, err = run("encode", *arguments, "-o", output)
        assert (code, out) == (1, b"")
        assert err.startswith(f"facecluster: error: {message}")
    code, _, err = run("encode", album, "-o", album / "broken.jpg" / "no" / "faces.npz")
    assert code == 1
    assert "is not a folder" in err


def test_the_folder_of_the_table_is_made(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "er" / "faces.npz"
    assert run("encode", album, "-o", output)[0] == 0
    assert output.is_file()


def test_all_unreadable_photos_are_named_on_request(album: Path, tmp_path: Path) -> None:
    for i in range(12):
        (album / f"broken {i}.jpg").write_text("no photo")
    for flags, n_named in (([], 10), (["-v"], 13)):
        _, _, err = run("encode", album, "-o", tmp_path / "faces.npz", "-j", "1", *flags)
        assert err.count("  unreadable: ") == n_named
        assert ("... and 3 more (-v names all)" in err) == (not flags)


@pytest.mark.skipif(sys.platform == "win32", reason="opens a terminal")
def test_a_terminal_shows_progress_and_gets_no_binary(album: Path, tmp_path: Path) -> None:
    import fcntl
    import pty
    import termios

    at_once = (
        "from facecluster import cli, progress; progress.DELAY = 0.001; cli.main(prog_name='facecluster')"
    )

    def in_terminal(*arguments: str | Path, **streams: Any) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", at_once, *map(str, arguments)],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            | dict.fromkeys(streams, theirs),
        )
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # how Linux tells the end of a terminal
                break
            if not block:
                break
            shown += block
        os.close(ours)
        _, err = process.communicate()
        return process.returncode, (shown + (err or b"")).decode()

    code, shown = in_terminal("encode", album, "-o", tmp_path / "faces.npz", "-j", "1", stderr=True)
    assert code == 0
    assert re.search(r"\d/3 \[\d\d:\d\d<\d\d:\d\d, .*(photos/s|s/ photos)\]", shown)
    code, shown = in_terminal("encode", album, "-o", tmp_path / "faces.npz", "-q", stderr=True)
    assert (code, shown) == (0, "")
    code, shown = in_terminal("encode", album, "-o", "-", stdout=True)
    assert code == 2
    assert "standard output is a terminal" in shown
    code, shown = in_terminal("encode", "-", "-o", tmp_path / "faces.npz", stdin=True)
    assert code == 2
    assert "standard input is a terminal" in shown


def test_run_finds_people_and_a_second_run_does_not_encode_its_results(
    portraits: list[Path], tmp_path: Path
) -> None:
    album, people = tmp_path / "album", tmp_path / "album" / "people"
    album.mkdir()
    for i, path in enumerate(portraits):
        shutil.copy(path, album / f"{i}.jpg")
    arguments = ["run", album, "-o", people, "--min-quality", "0", "--json"]
    code, out, err = run(*arguments)
    assert code == 0, err
    assert json.loads(out) == json.loads((people / "clusters.json").read_text())
    assert sorted(person["n_faces"] for person in json.loads(out)["people"]) == [4, 4]
    assert (people / "faces.npz").is_file()
    assert "8 photos with 8 faces" in err

    code, again, err = run(*arguments)
    assert code == 0, err
    assert again == out
    assert "8 photos with 8 faces; 0 without a face, 0 unreadable, 8 known from before" in err


def test_run_tells_which_encoding_is_as_last_time(portraits: list[Path], tmp_path: Path) -> None:
    arguments = ["run", *portraits, "-o", tmp_path / "people", "-j", "1"]
    code, _, err = run(*arguments, "--min-face", 40, "--mirror", "--min-images", 2)
    assert (code, "as last time" in err) == (0, False), err
    code, _, err = run(*arguments)
    assert code == 0, err
    assert (
        "settings as last time: --min-face 40, --mirror, --min-images 2 (--default-settings goes back" in err
    )
    code, _, err = run(*arguments, "--no-mirror")
    assert "settings as last time: --min-face 40, --min-images 2 (--default-settings goes back" in err
    code, _, err = run(*arguments, "--default-settings")
    assert (code, "as last time" in err) == (0, False), err


def test_run_adds_photos_and_checks_them(portraits: list[Path], tmp_path: Path) -> None:
    people = tmp_path / "people"
    for some, n_photos in ((portraits[:4], 4), (portraits[4:], 8)):
        code, out, err = run("run", *some, "-o", people, "--append", "--check", "clustering", "--json")
        assert code == 0, err
        assert json.loads(out)["counts"]["photos"] == n_photos
        assert "new faces fail the check clustering" in err


def test_run_refuses_to_mix_results_and_photos(album: Path, tmp_path: Path) -> None:
    code, out, err = run("run", album, "-o", album)
    assert (code, out) == (2, b"")
    assert "would mix" in err
    (tmp_path / "file").touch()
    code, _, err = run("run", album, "-o", tmp_path / "file" / "people")
    assert code == 1
    assert "cannot be written" in err
