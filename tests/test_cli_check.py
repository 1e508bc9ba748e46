from __future__ import annotations

import json
import os
import pickle
import re
import shlex
import shutil
import struct
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import PROGRAM, called, on_terminal
from PIL import Image
from tables import make_table

from facecluster.cli import main
from facecluster.cli.check import Layout, chosen_limits
from facecluster.errors import UsageError
from facecluster.formats import face_table
from facecluster.identity.check import PRESETS, Limit, names
from facecluster.photos.file import file_digest
from facecluster.photos.find import Found, find_photos
from facecluster.render.verdicts import check_photos
from facecluster.table import NO_FACE, OK, QUALITY_PARTS, UNREADABLE, FaceTable
from facecluster.text import printable


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)], input=stdin)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    """Three faces, two of which fail; a photo without one, and one that cannot be read."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [str(folder / f"{i}.png") for i in range(4)]
    for i, path in enumerate(paths[:3]):
        Image.new("RGB", (400, 300), (60 * i, 100, 100)).save(path)
    Path(paths[3]).write_text("no photo")
    return make_table(
        np.ones((3, 128)),
        photo=[0, 1, 1],
        paths=paths,
        photos={
            "size": [[400, 300]] * 3 + [[0, 0]],
            "digest": [file_digest(Path(path).read_bytes()) for path in paths],
            "status": [OK, OK, NO_FACE, UNREADABLE],
            "reason": ["", "", "", "no photo"],
        },
        pose=[[0, 0, 0], [0, 34.2, 0], [np.nan, -31, 0]],
        quality=[0.9, 0.9, 0.8],
    )


@pytest.fixture
def file(table: FaceTable, tmp_path: Path) -> Path:
    face_table.write(table, tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A table whose faces all pass."""
    face_table.write(make_table(np.ones((2, 128))), tmp_path / "good.npz")
    return tmp_path / "good.npz"


def test_a_line_a_face_on_stdout_and_a_summary_on_stderr(file: Path, table: FaceTable) -> None:
    result = run(file)
    assert result.exit_code == 3
    found = lines(result.stdout)
    paths = table.photos.path.tolist()
    assert [(line["photo"], line["status"], line["face"], line["passed"]) for line in found] == [
        (paths[0], "ok", 1, True),
        (paths[1], "ok", 1, False),
        (paths[1], "ok", 2, False),
        (paths[2], "no_face", None, False),
        (paths[3], "unreadable", None, False),
    ]
    assert [failure["text"] for line in found for failure in line["failures"]] == [
        "yaw 34.2 > 30",
        "pitch unknown",
        "yaw -31 < -30",
        "quality 0.8 is not > 0.8",
    ]
    assert found[1]["failures"] == [
        {
            "name": "yaw",
            "value": 34.2,
            "low": -30,
            "high": 30,
            "strict": True,
            "excess": 4.2,
            "text": "yaw 34.2 > 30",
        }
    ]
    assert found[2]["failures"][0] | {"text": ""} == {
        "name": "pitch", "value": None, "low": -30, "high": 30, "strict": True, "excess": None, "text": ""
    }  # fmt: skip
    assert found[2]["failures"][2]["excess"] == 0
    assert found[4]["reason"] == "no photo"
    assert result.stderr.splitlines() == [
        "1 of 3 faces pass; 4 photos: 1 without a face, 1 unreadable",
        "        2 fail  yaw between -30 and 30",
        "        1 fail  pitch between -30 and 30",
        "        1 fail  quality over 0.8",
    ]


def test_a_line_has_all_that_is_known(file: Path, table: FaceTable) -> None:
    first, *_, third, _, _ = lines(run(file).stdout)
    assert first["id"] == table.faces.id[0]
    assert first["box"] == [100, 200, 200, 300]
    assert first["pose"] == {"pitch": 0, "yaw": 0, "roll": 0}
    assert third["pose"] == {"pitch": None, "yaw": -31, "roll": 0}
    assert (first["quality"], first["score"]) == (0.9, 0.9)
    assert first["parts"] == dict.fromkeys(QUALITY_PARTS, 0.5)
    assert (first["reason"], first["failures"]) == (None, [])


@pytest.mark.skipif(os.name == "nt", reason="there it is findstr")
def test_what_is_told_to_list_the_unreadable_photos_lists_them(file: Path) -> None:
    code, _, told = on_terminal("check", file)
    begin, _, command = told.splitlines()[-1].partition(": ")
    assert (code, begin) == (3, "to list the unreadable photos")
    assert command.startswith(f"facecluster check {file} ")
    shell = command.replace("facecluster", shlex.join(PROGRAM), 1)
    listed = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True)
    assert [(line["reason"], line["status"]) for line in lines(listed.stdout)] == [("no photo", "unreadable")]
    assert listed.stderr == ""


def test_all_pass(good: Path) -> None:
    result = run(good)
    assert result.exit_code == 0
    assert [line["passed"] for line in lines(result.stdout)] == [True, True]
    assert result.stderr == "2 of 2 faces pass; 2 photos: 0 without a face, 0 unreadable\n"
    quiet = run(good, "-q", "--json")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, result.stdout, "")


@pytest.mark.parametrize("status", [NO_FACE, UNREADABLE])
def test_photo_without_a_face_does_not_pass(status: str, tmp_path: Path) -> None:
    face_table.write(make_table([], paths=["/a.jpg"], photos={"status": [status]}), tmp_path / "faces.npz")
    result = run(tmp_path / "faces.npz", "--preset", "none")
    assert result.exit_code == 3
    assert lines(result.stdout)[0]["status"] == status
    assert "0 of 0 faces pass" in result.stderr


def test_limits_replace_add_and_drop(file: Path, good: Path) -> None:
    assert run(file, "--preset", "none", "--limit", "yaw=-40..40").exit_code == 3  # photos without faces
    for options, exit_code in [
        (["--limit", "quality=0.95.."], 3),
        (["--limit", "quality=0.9"], 0),
        (["--limit", "quality=0.95..", "--limit", "quality=..0.9"], 0),
        (["--limit", "width=100..100", "--limit", "height=..100"], 0),
        (["--limit", "mouth-open=..0.4"], 3),
        (["--limit", "mouth_open=0.5"], 0),
        (["--limit", "occlusion-eyes=0"], 3),
        (["--preset", "passport"], 3),
        (["--preset", "passport", *(f"--limit={name}=off" for name in PRESETS["passport"])], 0),
        (["--preset", "none"], 0),
    ]:
        assert run(good, *options).exit_code == exit_code, options


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("yaw=-10..10", Limit(-10, 10)),
        ("sharpness=0.8..", Limit(low=0.8)),
        ("mouth-open=..0.4", Limit(high=0.4)),
        ("size=0", Limit(0, 0)),
        ("size=-.5...5", Limit(-0.5, 0.5)),
        ("size_px=1e2..+2E3", Limit(100, 2000)),
        (" yaw = 5..5 ", Limit(5, 5)),
    ],
)
def test_ranges_are_read(text: str, limit: Limit) -> None:
    name = text.partition("=")[0].strip().replace("-", "_")
    assert chosen_limits("none", [text]) == {name: limit}


@pytest.mark.parametrize(
    "text",
    [
        "yaw",
        "yaw=",
        "yaw=..",
        "yaw=a..b",
        "yaw=1...2..3",
        "yaw=nan",
        "yaw=inf..",
        "yaw=1e999..",
        "yaw=10..-10",
        "yaw=1-2",
    ],
)
def test_what_is_no_range_is_told_with_an_example(text: str, good: Path) -> None:
    result = run(good, "--limit", text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--limit {text}: " in result.stderr
    assert "-10..10" in result.stderr


def test_unknown_name_is_told_with_all_names() -> None:
    with pytest.raises(UsageError) as error:
        chosen_limits("none", ["jaw=0.."])
    assert all(name in str(error.value) for name in names())


def test_dropping_a_limit_keeps_the_others_in_order() -> None:
    limits = chosen_limits("clustering", ["yaw=off", "contrast=0.5..", "width=100.."])
    assert list(limits) == ["encoding", "width", "height", "pitch", "roll", "quality", "contrast"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ([], 2, "which photos?"),
        (["none.npz"], 1, "none.npz: cannot be read: No such file"),
        (["none.jpg"], 2, "none.jpg: No such file"),
        (["text.npz"], 1, "text.npz: not a face table"),
        (["empty.npz"], 1, "empty.npz: there are no photos"),
        (["folder"], 1, "no photos found"),
        (["good.npz", "good.npz"], 2, "good.npz: a face table is checked alone"),
        (["folder", "good.npz"], 2, "good.npz: a face table is checked alone"),
        (["good.npz", "--min-face", "50", "--max-side=0"], 2, "leave --min-face, --max-side out"),
        (["good.npz", "--preset", "visa"], 2, "--preset"),
        (["good.npz", "--annotate", "text.npz"], 2, "text.npz"),
        (["good.npz", "-0"], 2, "-0"),
    ],
)
def test_mistakes_are_messages(
    arguments: list[str], exit_code: int, message: str, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(good.parent)
    Path("text.npz").write_text("hello")
    Path("folder").mkdir()
    face_table.write(make_table([]), "empty.npz")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_older_pickle_fails_what_it_does_not_know_and_says_so_once(tmp_path: Path) -> None:
    rows = [{"imagePath": f"/{i}.jpg", "loc": (0, 100, 100, 0), "encoding": np.ones(128)} for i in range(3)]
    (tmp_path / "encodings.pickle").write_bytes(pickle.dumps(rows))
    result = run(tmp_path / "encodings.pickle")
    assert result.exit_code == 3
    assert [f["text"] for f in lines(result.stdout)[0]["failures"]] == [
        "pitch unknown", "yaw unknown", "roll unknown", "quality unknown"
    ]  # fmt: skip
    assert result.stderr.count("pitch, yaw, roll, quality: unknown for every face") == 1
    assert run(tmp_path / "encodings.pickle", "--preset", "none", "--limit", "width=100").exit_code == 0


# -------------------------------------------------------------------------------------------------- pictures


def test_pictures_of_photos_that_can_be_read(file: Path, table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = {path: path.read_bytes() for path in (tmp_path / "photos").iterdir()}
    result = run(file, "--annotate", out)
    assert result.exit_code == 3
    assert len(lines(result.stdout)) == 5
    assert sorted(path.name for path in out.glob("[!.]*")) == ["0.jpg", "1.jpg", "2.jpg"]
    for i in range(3):
        with Image.open(out / f"{i}.jpg") as picture:
            assert picture.info["comment"].decode() == table.photos.path[i]
    assert f"{out}: 3 pictures" in result.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "photos").iterdir()} == before
    first = {path.name: path.read_bytes() for path in out.glob("[!.]*")}
    run(file, "--annotate", out)
    assert {path.name: path.read_bytes() for path in out.glob("[!.]*")} == first


def test_missing_and_changed_photos_are_told_and_the_rest_goes_on(
    file: Path, table: FaceTable, tmp_path: Path
) -> None:
    paths = [Path(path) for path in table.photos.path]
    paths[0].unlink()
    Image.new("RGB", (400, 300), (1, 2, 3)).save(paths[1])
    result = run(file, "--annotate", tmp_path / "out")
    assert result.exit_code == 3
    assert len(lines(result.stdout)) == 5
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["2.jpg"]
    assert "2 photos cannot be read (any more), and have no picture:" in result.stderr
    assert f"  {paths[0]}: no such file or directory" in result.stderr
    assert f"  {paths[1]}: changed since its faces were found" in result.stderr
    assert "1 picture\n" in result.stderr


def test_only_our_own_pictures_are_replaced(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(file, "--annotate", out).exit_code == 3
    (out / "0.jpg").write_text("mine now")
    result = run(file, "--annotate", out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "0.jpg: not written by facecluster, or changed since" in result.stderr
    assert (out / "0.jpg").read_text() == "mine now"


def test_results_of_cluster_are_left_alone(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "people"
    assert CliRunner().invoke(main, ["cluster", str(file), "-o", str(out), "-q"]).exit_code == 0
    before = sorted(out.rglob("*"))
    result = run(file, "--annotate", out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "results of cluster" in result.stderr
    assert sorted(out.rglob("*")) == before


def test_originals_in_the_folder_of_pictures_are_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (400, 400)).save(path)
    before = path.read_bytes()
    face_table.write(
        make_table(np.ones((1, 128)), paths=[str(path)], photos={"size": [[400, 400]], "digest": [""]}),
        tmp_path / "f.npz",
    )
    result = run(tmp_path / "f.npz", "--annotate", tmp_path)
    assert result.exit_code == 1
    assert "a.jpg: not written by facecluster" in result.stderr
    assert path.read_bytes() == before


# ---------------------------------------------------------------------------------------- terminals and pipes


def test_table_of_a_terminal_fits_its_width() -> None:
    paths = [f"/photos/{'long ' * 20}{i}.jpg" for i in range(3)] + [
        "/photos/日本語の長い名前日本語の長い名前.jpg"
    ]
    table = make_table(np.ones((4, 128)), paths=paths, pose=[[50, 50, 50]] * 4, quality=[np.nan] * 4)
    for width in (40, 60, 80, 200):
        layout = Layout.make(paths, width)
        rows = [row for photo in check_photos(table, PRESETS["clustering"]) for row in layout.rows(photo)]
        shown = [layout.header(), *rows]
        two_cells = sum(unicodedata.east_asian_width(c) == "W" for c in rows[-1])
        assert max(len(line) for text in shown for line in text.splitlines()) <= width
        assert len(rows[-1].splitlines()[0]) + two_cells <= width
        assert "\xa0" not in "".join(rows)
        assert all("roll 50 > 30" in row for row in rows)  # a limit is never torn apart
    assert all(row.count("\n") == 1 for row in rows)


def test_table_tells_why_a_photo_has_no_face_left() -> None:
    why = "the face fails the check: yaw 34.2 > 10"
    about = {"status": [NO_FACE, NO_FACE, UNREADABLE], "reason": ["", why, "no photo"]}
    paths = [f"/photos/{i}.jpg" for i in range(3)]
    table = make_table(np.empty((0, 128)), paths=paths, photos=about)
    layout = Layout.make(paths, 100)
    rows = [row for photo in check_photos(table, PRESETS["passport"]) for row in layout.rows(photo)]
    assert [row.split("fail", 1)[1].strip() for row in rows] == ["no face", why, "no photo"]


def test_names_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\nc\udcff é日") == "a\\x1b[2Jb\\nc\\udcff é日"


@pytest.mark.skipif(sys.platform == "win32", reason="opens a terminal")
def test_terminal_gets_a_table_and_json_on_request(file: Path) -> None:
    import fcntl
    import pty
    import termios

    def in_terminal(*arguments: str | Path) -> tuple[int, list[str]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
        process = subprocess.Popen(
            [*PROGRAM, "check", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
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
        return process.wait(), shown.decode().splitlines()

    code, shown = in_terminal(file)
    assert code == 3
    assert [re.split(r"  +", line) for line in shown] == [
        ["photo", "face", "limits that fail"],
        ["0.png", "1", "pass"],
        ["1.png", "1", "fail", "yaw 34.2 > 30"],
        ["1.png", "2", "fail", "pitch unknown, yaw -31 < -30, quality 0.8 is not > 0.8"],
        ["2.png", "-", "fail", "no face"],
        ["3.png", "-", "fail", "no photo"],
    ]
    code, shown = in_terminal(file, "--json")
    assert code == 3
    assert len(lines("\n".join(shown))) == 5


def test_reader_that_closes_the_pipe_ends_the_program_quietly(tmp_path: Path) -> None:
    face_table.write(make_table(np.ones((500, 128))), tmp_path / "faces.npz")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, "check", str(tmp_path / "faces.npz"), "-q"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_told(file: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, "check", str(file), "-q"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "facecluster: error: No space left on device\n")


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom facecluster.cli import main\n"
        "try: main(['check', '--help'])\n"
        "except SystemExit: print(sorted({'numpy', 'cv2', 'sklearn', 'PIL', 'tqdm'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


# ------------------------------------------------------------------------------------------------ real photos


@pytest.fixture
def album(shared_data: Path, tmp_path: Path) -> Path:
    """Two photos of equal name, one without a face, a broken one."""
    portraits = find_photos([shared_data / "caltech_faces84" / "person_0"])
    for i in range(2):
        (tmp_path / "album" / str(i)).mkdir(parents=True)
        shutil.copy(portraits[i], tmp_path / "album" / str(i) / "a.jpg")
    Image.new("RGB", (300, 300)).save(tmp_path / "album" / "black.png")
    (tmp_path / "album" / "broken.jpg").write_text("no photo")
    return tmp_path / "album"


def test_photos_and_their_table_give_the_same(album: Path, tmp_path: Path) -> None:
    def check(*arguments: str | Path, stdin: bytes = b"") -> Result:
        return called("check", *arguments, stdin=stdin)

    of_photos = check(album, "--annotate", tmp_path / "out", "-j", "2")
    assert of_photos.exit_code == 3
    found = lines(of_photos.stdout)
    assert [(Path(line["photo"]).relative_to(album).as_posix(), line["face"]) for line in found] == [
        ("0/a.jpg", 1), ("1/a.jpg", 1), ("black.png", None), ("broken.jpg", None)
    ]  # fmt: skip
    err = of_photos.stderr
    assert " of 2 faces pass; 4 photos: 1 without a face, 1 unreadable" in err
    assert "Traceback" not in err
    pictures = [path.name for path in (tmp_path / "out").glob("[!.]*")]
    assert sorted(pictures) == ["a-2.jpg", "a.jpg", "black.jpg"]

    assert called("encode", album, "-o", tmp_path / "faces.npz", "-q").exit_code == 0
    of_table = check(tmp_path / "faces.npz")
    assert (of_table.exit_code, of_table.stdout) == (3, of_photos.stdout)

    names = b"".join(os.fsencode(path) + b"\0" for path in (album / "0" / "a.jpg", album / "gone.jpg"))
    listed = check("-", "-0", "-j", "1", "--preset", "none", stdin=names)
    assert [line["status"] for line in lines(listed.stdout)] == ["ok", "unreadable"]
    assert listed.exit_code == 3
    alone = check(album / "0" / "a.jpg", "--preset", "none")
    assert (alone.exit_code, len(lines(alone.stdout))) == (0, 1)
    broken = check(album / "broken.jpg")
    assert (broken.exit_code, lines(broken.stdout)[0]["status"]) == (3, "unreadable")


@pytest.mark.parametrize("protocol", [None, 4, 5])
def test_a_table_is_read_from_a_pipe(file: Path, tmp_path: Path, protocol: int | None) -> None:
    content = file.read_bytes()
    if protocol is not None:
        face_table.write(face_table.read(file), tmp_path / "faces.pickle")
        content = pickle.dumps(pickle.loads((tmp_path / "faces.pickle").read_bytes()), protocol)
    piped = subprocess.run([*PROGRAM, "check", "-"], input=content, capture_output=True, check=False)
    assert piped.returncode == 3, piped.stderr.decode()
    assert [line["face"] for line in lines(piped.stdout.decode())][:3] == [1, 1, 2]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_folder_that_cannot_be_read_does_not_pass(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    (tmp_path / "a.png").write_bytes(b"")
    done = run(tmp_path / "locked", tmp_path / "a.png", "--preset", "none")
    assert done.exit_code == 3
    assert "1 folder or link could not be read" in done.stderr


def test_a_folder_that_vanished_does_not_pass(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photos" / "0.png"

    def search(named: list[str], *, lost: Any, **others: Any) -> Found:
        lost("gone")
        return Found([str(photo)])

    monkeypatch.setattr("facecluster.photos.find.search", search)
    done = run(tmp_path / "photos", "--preset", "none", "-j", "1")
    assert done.exit_code == 3
    assert "1 folder" in done.stderr


def test_limits_may_have_spaces_and_capitals() -> None:
    assert chosen_limits("none", ["yaw = -2 .. 2"]) == {"yaw": Limit(-2, 2)}
    assert "yaw" not in chosen_limits("passport", ["yaw=OFF"])
