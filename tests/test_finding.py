"""What is found among files of every name: kinds by first bytes, what is not looked at, pairs, and lists."""

from __future__ import annotations

import json
import os
import struct
from collections import Counter
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import facecluster
from facecluster.cli import main
from facecluster.durable.own_list import RESULT_MARKER
from facecluster.errors import FaceclusterError
from facecluster.formats.clusters_json import read_result
from facecluster.formats.labels_csv import read_labels
from facecluster.formats.photo_list import read_list
from facecluster.library.arrivals import Arrivals
from facecluster.photos.find import Found, search
from facecluster.photos.kinds import N_HEAD, kind_of

PICTURE = Image.linear_gradient("L").resize((48, 32)).convert("RGB")


def coded(kind: str) -> bytes:
    file = BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(PICTURE).save(file)
    else:
        PICTURE.save(file, kind)
    return file.getvalue()


def tiff(order: str, **tags: int | bytes) -> bytes:
    """A TIFF of one directory: numbers are one SHORT, bytes a text behind the directory."""
    numbers = {
        "subfile": 254,
        "compression": 259,
        "photometric": 262,
        "make": 271,
        "others": 330,
        "dng": 50706,
    }
    entries, texts = b"", b""
    behind = 8 + 2 + 12 * len(tags) + 4
    for name, value in tags.items():
        if isinstance(value, bytes):
            entries += struct.pack(f"{order}HHLL", numbers[name], 2, len(value), behind + len(texts))
            texts += value
        else:
            entries += struct.pack(f"{order}HHLHH", numbers[name], 3, 1, value, 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}LH", 8, len(tags)) + entries + bytes(4) + texts


def film(path: Path, codec: str) -> bytes:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 5, (64, 48))
    for k in range(5):
        video.write(np.full((48, 64, 3), 40 * k, np.uint8))
    video.release()
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"])
def test_a_photo_is_told_by_its_first_bytes(kind: str) -> None:
    assert kind_of(coded(kind)[:N_HEAD]) == kind.lower()


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [("a.mp4", "mp4v", "mp4"), ("a.mov", "mp4v", "mov"), ("a.avi", "MJPG", "avi"), ("a.mkv", "mp4v", "mkv"),
     ("a.webm", "VP80", "webm"), ("a.m2ts", "mp4v", "mts"), ("a.3gp", "mp4v", "mp4")],
)  # fmt: skip
def test_a_video_is_told_by_its_first_bytes(tmp_path: Path, name: str, codec: str, kind: str) -> None:
    assert kind_of(film(tmp_path / name, codec)[:N_HEAD]) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "cr3"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", None),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\xff\x0a\xfa", "jxl"),
        (b"8BPS\0\1", "psd"),
        (b"FUJIFILMCCD-RAW 0201", "raf"),
        (b"IIU\0\x18\0\0\0", "rw2"),
        (b"IIRO\x08\0\0\0", "orf"),
        (b"II*\0\x10\0\0\0CR\2\0", "cr2"),
        (tiff("<", dng=1), "dng"),
        (tiff(">", subfile=1, make=b"NIKON CORPORATION\0", others=0), "nef"),
        (tiff("<", compression=6, make=b"SAMSUNG\0", others=0), "srw"),
        (tiff(">", compression=65535, make=b"PENTAX\0"), "pef"),
        (tiff("<", subfile=1, make=b"SONY\0", others=0), "arw"),
        (tiff("<", photometric=32803), "raw"),
        (tiff("<", subfile=0, make=b"NIKON CORPORATION\0", others=0), "tiff"),  # a picture made of a RAW
        (b"II*\0\xff\xff\xff\xff", "tiff"),
        (b"BMW drives, a text as long as a head is", None),
        (b"\x1aE\xdf\xa3", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)  # fmt: skip
def test_a_kind_is_told_by_what_a_file_says_of_itself(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


# ------------------------------------------------------------------------------------- what is not looked at, pairs


def write(folder: Path, **files: bytes) -> Path:
    """Write files; in a name "__" is a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def found_in(folder: Path, **how: bool) -> tuple[list[str], dict[str, int], dict[str, int]]:
    found = search([folder], **how)
    return (
        [os.path.relpath(path, folder) for path in found.photos],
        dict(found.not_looked_at),
        dict(found.raw_shown),
    )


def test_what_is_not_looked_at_is_counted_and_what_starts_as_a_photo_is_found(tmp_path: Path) -> None:
    photo = coded("PNG")
    write(tmp_path, a__pdf=b"%PDF", b__PDF=b"%PDF", lost=photo, notes=b"text", rescued__chk=photo, c__svg=b"")
    write(tmp_path, a__xmp=b"", Thumbs__db=b"", faces__npz=b"", __hidden=b"", desktop__ini=b"")
    write(tmp_path / "below", a__pdf=b"%PDF")
    (tmp_path / "2019.05.12 at 10.30").write_bytes(photo)
    (tmp_path / "results" / RESULT_MARKER).parent.mkdir()
    write(tmp_path / "results", **{RESULT_MARKER.replace(".", "__"): b"", "a__pdf": b""})
    others = {".pdf": 3, ".svg": 1, "": 1}
    assert found_in(tmp_path) == (["2019.05.12 at 10.30", "lost"], others | {".chk": 1}, {})
    assert found_in(tmp_path, any_name=True) == (["2019.05.12 at 10.30", "lost", "rescued.chk"], others, {})
    assert search([tmp_path]).aside(hint=" (hint)") == (
        "not looked at: 3 .pdf, 1 without an extension, 1 .chk, 1 .svg (hint)"
    )
    many = Found([], Counter({f".{k:02}x": 1 for k in range(12)}))
    assert many.aside().endswith(", 4 of other kinds")
    assert many.aside(all_kinds=True).endswith(", 1 .11x")


def test_a_raw_file_is_shown_by_the_jpeg_beside_it(tmp_path: Path) -> None:
    write(
        tmp_path, IMG_1__NEF=b"", img_1__jpg=b"", a__dng=b"", A__HEIC=b"", b__cr2=b"", b__png=b"", c__arw=b""
    )
    write(tmp_path, live__HEIC=b"", live__MOV=b"")
    write(tmp_path / "other", c__jpg=b"")
    photos = ["A.HEIC", "b.cr2", "b.png", "c.arw", "img_1.jpg", "live.HEIC", "live.MOV", "other/c.jpg"]
    assert found_in(tmp_path) == (photos, {}, {".nef": 1, ".dng": 1})
    named = [str(tmp_path / "IMG_1.NEF"), str(tmp_path / "img_1.jpg")]
    assert search(named).photos == named
    assert search([tmp_path]).aside() == "2 RAW files shown by their JPEG or HEIC"


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), input=stdin)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos without a face under names that say something else, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "in", a__jpg=coded("PNG"), b__JPG=coded("HEIF"), c__png=coded("JPEG"), lost=coded("WEBP")
    )
    return write(tmp_path / "in", a__pdf=b"%PDF", x__chk=coded("JPEG"))


def test_verbs_tell_what_they_did_not_look_at(folder: Path, tmp_path: Path) -> None:
    line = "not looked at: 1 .chk, 1 .pdf (--any-name looks into them)\n"
    done = run("encode", folder, "-o", "faces.npz", "-j", "1")
    assert done.exit_code == 0
    assert done.stderr.startswith(
        f"4 photos with 0 faces; 4 without a face, 0 unreadable, 0 known from before\n{line}"
    )
    done = run("run", folder, "-o", "people", "-j", "1", "--any-name")
    assert "5 photos with 0 faces; 5 without a face, 0 unreadable" in done.stderr
    assert "\nnot looked at: 1 .pdf\n" in done.stderr
    assert json.loads(done.stdout)["not_looked_at"] == {".pdf": 1}
    assert read_result(tmp_path / "people" / "clusters.json").counts.photos == 5
    done = run("check", folder, "-j", "1")
    assert line in done.stderr
    *rows, last = map(json.loads, done.stdout.splitlines())
    assert [row["status"] for row in rows] == ["no_face"] * 4
    assert (last["photo"], last["passed"], last["not_looked_at"]) == (None, None, {".pdf": 1, ".chk": 1})


def test_a_folder_of_other_files_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in", a__pdf=b"%PDF", README=b"text")
    message = "no photos found; not looked at: 1 without an extension, 1 .pdf; give files, or folders that hold some"
    for verb in (["encode", "-o", tmp_path / "f.npz"], ["run", "-o", tmp_path / "people"], ["check"]):
        done = run(*verb, tmp_path / "in")
        assert done.exit_code == 1
        assert f"{message}, or --any-name to look into all of these\n" in done.stderr
        assert f"{message}\n" in run(*verb, tmp_path / "in", "--any-name").stderr
    with pytest.raises(FaceclusterError, match=r"1 \.pdf; give"):
        facecluster.encode(tmp_path / "in")


def test_a_watch_tells_what_it_does_not_look_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write(tmp_path, a__pdf=b"", lost=coded("PNG"))
    arrivals = Arrivals([str(tmp_path)], (), 0.0, 0.0)
    assert arrivals.look(0) == [str(tmp_path / "lost")]
    arrivals.look(1)
    assert caplog.messages == ["not looked at: 1 .pdf"]
    write(tmp_path, b__part=b"")
    arrivals.look(2)
    (tmp_path / "b.part").unlink()
    write(tmp_path, c__pdf=b"")
    arrivals.look(3)
    assert len(caplog.messages) == 1
    arrivals.look(4)
    assert caplog.messages[1:] == ["not looked at: 2 .pdf"]


# --------------------------------------------------------------------------------------------- lists and labels

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_list_is_read_whoever_wrote_it(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / '"odd"').touch()
    for text, names in {
        "a b.jpg\nMünchen;1,2.jpg\n": ["a b.jpg", "München;1,2.jpg"],
        'D:/a.jpg\r\n"D:/b ""c"".jpg"\r\n"odd"\r\n': ["D:/a.jpg", 'D:/b "c".jpg', '"odd"'],
        'Photo;Label\r\nä.jpg;Anna\r\n;\r\n"b;c.jpg";\r\n': ["ä.jpg", "b;c.jpg"],
        'Who\t"PHOTO"\r\nAnna\ta,b.jpg\r\n': ["a,b.jpg"],
        "photo\r\na.jpg\r\n": ["a.jpg"],
        "sep=;\r\nphoto;n\r\na.jpg;1\r\n": ["a.jpg"],
        "photos\nphoto,1.jpg\n": ["photos", "photo,1.jpg"],
    }.items():
        assert read_list(text.encode(encoding)) == names
    (tmp_path / "photo").mkdir()
    assert read_list("photo\na.jpg\n".encode(encoding)) == ["photo", "a.jpg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"a\0b\0", "NUL stands between the names; say so with -0"), (b"\xff\xfea", "starts as UTF-16 and is none"),
     (b"Photo;Label\r\na.jpg;Anna\r\nb.jpg\r\n", "line 3 has 1 values, the header 2"),
     (b'photo,label\na,b\n"a', "after 1 photos of its table")],
)  # fmt: skip
def test_a_list_that_is_none_is_told(text: bytes, message: str) -> None:
    done = run("encode", "-", "-o", "-", stdin=text)
    assert done.exit_code == 2
    assert f"standard input: {message}" in done.stderr


@pytest.mark.parametrize("encoding", [*ENCODINGS, "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_labels_are_read_as_excel_writes_them(encoding: str, separator: str, tmp_path: Path) -> None:
    rows = [
        ["Photo", "LABEL", "Note"],
        ["ä.jpg", "Jürgen", ""],
        [f'"b{separator}c.jpg"', '"An ""X"" Na"', ""],
    ]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    labels = read_labels(tmp_path / "labels.csv")
    assert labels.names == [str(tmp_path / "ä.jpg"), str(tmp_path / f"b{separator}c.jpg")]
    assert labels.labels == ["Jürgen", 'An "X" Na']
    assert labels.where == ["line 2", "line 3"]


def test_boxes_have_the_decimal_comma_of_excel_and_errors_name_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    head = "sep=;\r\nPhoto;Left;Top;Right;Bottom;Label\r\n"
    file.write_text(head + "a.jpg;1,5;2;30;40,25;Anna\r\n", encoding="utf-16")
    assert read_labels(file).boxes == [(1.5, 2.0, 30.0, 40.25)]
    file.write_text(head + "a.jpg;1;2;30;40;Anna\r\nb.jpg;1;2\r\n", encoding="utf-16")
    with pytest.raises(FaceclusterError, match=r"labels\.csv: line 4 has 3 values, the header 6"):
        read_labels(file)
    file.write_bytes(b"\xff\xfea")
    with pytest.raises(FaceclusterError, match=r"labels\.csv: starts as UTF-16 and is none"):
        read_labels(file)
