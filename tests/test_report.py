"""The report that is given away: what is in it, what never is, and who may read it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import PROGRAM, on_terminal, seen_on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.errors import OutputError
from facecluster.formats import face_table
from facecluster.photos.find import find_photos
from facecluster.render import report
from facecluster.render.report import Content, Look, is_report_folder, make
from facecluster.result import Box, Person, PersonFace, Pose
from facecluster.table import Picture

BAD = "<script>alert(\"x\")</script> & 'Co' 🎈 שרה"
NOON_2009, YEAR_S = 1241172000, 31557600


class Page(HTMLParser):
    """A page as a browser reads it: tags with their attributes, and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str, **wanted: str) -> list[dict[str, str]]:
        return [a for tag, a in self.tags if tag == name and wanted.items() <= a.items()]

    def texts(self) -> str:
        """All that somebody reads or hears."""
        return self.text + "".join(a.get("alt", "") + a.get("aria-label", "") for _, a in self.tags)


def read(file: Path) -> Page:
    return Page(file.read_text("utf-8"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments), "-j", "1"])


def made(*arguments: object) -> dict[str, Any]:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def jpegs(page: Page) -> Iterator[bytes]:
    for img in page.all("img"):
        yield base64.b64decode(img["src"].removeprefix("data:image/jpeg;base64,"))


@pytest.fixture(scope="module")
def shots() -> list[bytes]:
    """Photos, all different, each with a place and a camera in its EXIF data."""
    exif = Image.Exif()
    exif[0x010F] = "CameraMaker"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    files = []
    for i in range(9):
        pixels = np.random.default_rng(i).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((1600, 1200)).save(file := io.BytesIO(), "JPEG", exif=exif)
        files.append(file.getvalue())
    return files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shots: list[bytes]) -> Path:
    """Photos of three people, three of them of two, and their library."""
    (tmp_path / "private-place").mkdir()
    paths = [str(tmp_path / "private-place" / f"shot{i}.jpg") for i in range(9)]
    for path, shot in zip(paths, shots, strict=True):
        Path(path).write_bytes(shot)
    photo = [0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8]
    is_second = [i > 0 and photo[i - 1] == of for i, of in enumerate(photo)]
    table = make_table(
        people(3, 4)[[0, 7, 1, 11, 2, 4, 3, 5, 6, 8, 9, 10]],
        photo=photo,
        paths=paths,
        photos={
            "size": [[1600, 1200]] * 9,
            "time": [NOON_2009 + YEAR_S * (i % 4) for i in range(8)] + [np.nan],
        },
        box=[[1300, 10, 1500, 260] if second else [200, 300, 400, 560] for second in is_second],
        id=[f"{of + 1:032x}-{int(second)}" for of, second in zip(photo, is_second, strict=True)],
    )
    (tmp_path / "out").mkdir()
    face_table.write(table, tmp_path / "out" / "faces.npz")
    result = cluster_table(table, tmp_path / "out", source=str(tmp_path / "out" / "faces.npz"))
    assert [person.n_faces for person in result.people] == [4, 4, 4]
    monkeypatch.chdir(tmp_path)
    for who, name in (("person-0001", "Anna Berg"), ("person-0002", BAD)):
        assert CliRunner().invoke(main, ["name", "out", who, name]).exit_code == 0
    return tmp_path


# ------------------------------------------------------------------------------------------------- one file


def test_one_file_has_everybody(here: Path) -> None:
    assert made("out", "-o", "report.html") == {
        "path": "report.html",
        "form": "file",
        "people": 3,
        "faces": 12,
        "photos": 9,
        "without": 0,
        "bytes": (here / "report.html").stat().st_size,
        "private": False,
        "lost": [],
    }
    page = read(here / "report.html")
    for text in (
        "Anna Berg",
        BAD,
        "Person 3",
        "3 people",
        "9 photos",
        "2009–2012",
        "8 of 9 dated",
        "shot4.jpg",
        "4 faces",
    ):
        assert text in page.texts(), text
    assert len(page.all("img")) == 3 + 3 + 12 + 9  # covers twice, faces, photos
    assert len(page.all("rect", rx="6")) == 12
    assert {a["id"] for a in page.all("figure")} == {f"photo-{i}" for i in range(1, 10)}


def test_nothing_is_loaded_from_elsewhere(here: Path) -> None:
    made("out", "-o", "report.html")
    page = read(here / "report.html")
    ids = {a["id"] for _, a in page.tags if "id" in a}
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "action", "srcset", "poster", "xlink:href"):
            if (value := attributes.get(name)) is not None:
                inside = value.startswith("data:image/jpeg;base64,") if name == "src" else value[1:] in ids
                assert inside, (tag, value[:80])
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
    assert not re.search(r"https?:|url\(|@import", page.html)
    assert not {"iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in page.tags}


def test_the_policy_lets_only_our_script_and_style_in(here: Path) -> None:
    made("out", "-o", "report.html")
    page = read(here / "report.html")
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    before = page.html[: page.html.index("Content-Security-Policy")]
    assert "<style" not in before
    assert "<script" not in before


def test_a_name_is_text(here: Path) -> None:
    made("out", "-o", "report.html", "--title", "</title><img src=x onerror=y>")
    page = read(here / "report.html")
    assert len(page.all("script")) == 1
    assert not page.all("img", src="x")
    assert BAD in page.texts()


def test_no_path_and_no_numbers_of_faces_are_told(here: Path) -> None:
    made("out", "-o", "report.html")
    made("out", "-o", "folder/")
    for file in (here / "report.html", *(here / "folder").rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            assert b"private-place" not in content
            assert os.fsencode(here) not in content
            assert f"{1:032x}".encode() not in content


def test_pictures_have_no_metadata_and_are_scaled(here: Path) -> None:
    made("out", "-o", "report.html")
    sizes = set()
    for jpeg in jpegs(read(here / "report.html")):
        assert b"Exif" not in jpeg
        assert b"CameraMaker" not in jpeg
        with Image.open(io.BytesIO(jpeg)) as image:
            assert not image.getexif()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            sizes.add(image.size)
    assert sizes == {(320, 320), (160, 160), (1280, 960)}


def test_boxes_lie_where_the_faces_are(here: Path) -> None:
    made("out", "-o", "report.html")
    page = read(here / "report.html")
    assert page.all("svg", viewbox="0 0 1000 750")
    assert page.all("rect", x="125", y="188", width="125", height="162")
    assert page.all("rect", x="812", y="6", width="125", height="156")


def test_an_upright_photo_of_a_camera_held_sideways(tmp_path: Path) -> None:
    file, exif = tmp_path / "a.jpg", Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200), "red").save(file, exif=exif)
    face = PersonFace("a-0", str(file), Box(20, 100, 120, 220), Pose(0, 0, 0), 0.9, core=True, confidence=99)
    content = Content([Person.of("person-0001", [face])], {str(file): Picture(200, 400)}, {})
    make(content, Look(), tmp_path / "r.html", AnyPicture(), as_folder=False, threads=1)
    page = read(tmp_path / "r.html")
    assert page.all("svg", viewbox="0 0 500 1000")
    assert page.all("img", width="200", height="400")


class AnyPicture:
    """Takes any picture for the right one."""

    def source(self, photo: str) -> str:
        return photo


# -------------------------------------------------------------------------------------------------- options


def test_options(here: Path) -> None:
    one = made("out", "-o", "one.html", "--person", "Anna Berg", "--person", "person-0003")
    assert (one["people"], one["faces"]) == (2, 8)
    assert BAD not in read(here / "one.html").texts()
    assert made("out", "-o", "named.html", "--named-only")["people"] == 2
    assert "Person 3" not in read(here / "named.html").texts()
    faces = made("out", "-o", "faces.html", "--thumbnails-only")
    page = read(here / "faces.html")
    assert (faces["photos"], len(page.all("figure")), len(page.all("img"))) == (0, 0, 18)
    assert not page.all("input", type="checkbox")
    made("out", "-o", "quiet.html", "--no-file-names")
    assert ".jpg" not in read(here / "quiet.html").texts()
    alone = made("out", "-o", "anna.html", "--person", "Anna Berg")
    assert alone["people"] == 1
    assert "<title>Anna Berg</title>" in (here / "anna.html").read_text("utf-8")


def test_photos_without_these_people_are_counted_once(here: Path) -> None:
    _, _, told = on_terminal("report", "out", "-o", "named.html", "--named-only")
    assert told.count("3 photos without these people are left out") == 1
    assert read(here / "named.html").texts().count("3 photos without these people are left out") == 1
    assert made("out", "-o", "anna.html", "--person", "Anna Berg")["without"] == 5
    assert "left out" not in read(here / "anna.html").texts()


def test_who_is_hidden_is_left_out_unless_asked_for(here: Path) -> None:
    n_people = made("out", "-o", "all.html")["people"]
    assert CliRunner().invoke(main, ["hide", "out", "person-0001"]).exit_code == 0
    assert made("out", "-o", "r.html")["people"] == n_people - 1
    assert made("out", "-o", "h.html", "--hidden")["people"] == n_people
    assert made("out", "-o", "o.html", "--person", "person-0001")["people"] == 1


def test_nobody_to_show_writes_nothing(here: Path) -> None:
    done = run("out", "-o", "r.html", "--person", "person-0003", "--named-only")
    assert done.exit_code == 1
    assert "nothing was written" in done.stderr
    assert not (here / "r.html").exists()


def test_what_is_gone_or_another_picture_now_is_left_out(here: Path) -> None:
    gone, other = (here / "private-place" / f"shot{i}.jpg" for i in (3, 4))
    gone.unlink()
    Image.new("RGB", (1600, 1200), "red").save(other)
    done = run("out", "-o", "r.html")
    record = json.loads(done.stdout)
    assert (record["photos"], record["faces"]) == (7, 9)
    assert set(record["lost"]) == {str(gone), str(other)}
    assert "2 photos cannot be shown: shot4.jpg (another picture now" in done.stderr
    assert "shot4.jpg" not in read(here / "r.html").texts()


# ------------------------------------------------------------------------------------------------- a folder


def test_a_folder_has_a_page_of_each(here: Path) -> None:
    record = made("out", "-o", "album/")
    assert (record["form"], record["photos"]) == ("folder", 9)
    album = here / "album"
    pages = sorted(path.name for path in album.glob("*.html"))
    assert pages == ["index.html", "person-0001.html", "person-0002.html", "person-0003.html"]
    for name in pages:
        page = read(album / name)
        ids = {a["id"] for _, a in page.tags if "id" in a}
        for img in page.all("img"):
            assert (album / img["src"]).is_file()
            assert re.fullmatch(r"pictures/[a-z]+-\d+\.jpg", img["src"])
        for link in page.all("a"):
            file, _, there = link["href"].partition("#")
            assert file in ("", *pages)
            assert there in ("", *ids)
        assert "img-src 'self' file:;" in page.html
    assert len(read(album / "person-0001.html").all("figure")) == 4
    assert len(find_photos([here])) == 9


def test_a_folder_of_ours_is_replaced_and_another_is_not(here: Path) -> None:
    made("out", "-o", "album")
    made("out", "-o", "album", "--person", "Anna Berg")
    assert sorted(path.name for path in (here / "album").glob("*.html")) == ["index.html", "person-0001.html"]
    (here / "album" / "mine.txt").write_text("mine")
    done = run("out", "-o", "album")
    assert done.exit_code == 1
    assert "not written by facecluster" in done.stderr
    assert (here / "album" / "mine.txt").read_text() == "mine"
    (here / "photos2").mkdir()
    (here / "photos2" / "index.html").write_text("mine")
    assert run("out", "-o", "photos2").exit_code == 1
    assert run("out", "-o", "out").exit_code == 1
    assert (here / "out" / "clusters.json").exists()


def test_more_than_200_people_become_a_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = str(here / "private-place" / "shot0.jpg")
    box = Box(200, 300, 400, 560)
    everybody = [
        Person.of(
            f"person-{i:04d}",
            [PersonFace(f"{1:032x}-{i}", photo, box, Pose(0, 0, 0), 0.9, core=True, confidence=99)],
        )
        for i in range(1, 202)
    ]
    from facecluster.cli import report as verb

    result = verb.read("out")
    monkeypatch.setattr(verb, "read", lambda source: replace(result, people=tuple(everybody)))
    record = made("out", "-o", "many.html", "--thumbnails-only")
    assert (record["form"], record["path"], record["people"]) == ("folder", "many", 201)
    assert len(list((here / "many").glob("person-*.html"))) == 201
    monkeypatch.setattr(verb, "read", lambda source: replace(result, people=tuple(everybody[:200])))
    assert made("out", "-o", "many.html", "--thumbnails-only")["form"] == "file"
    monkeypatch.setattr(report, "MOST_BYTES", 100_000)
    assert made("out", "-o", "large.html")["form"] == "folder"


# -------------------------------------------------------------------------------------- whose, and who reads


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permissions of this kind")
@pytest.mark.parametrize("output", ["report.html", "album"])
def test_a_private_photo_makes_the_report_private(here: Path, output: str) -> None:
    def others() -> set[int]:
        """What others may do with what the report is made of: folders, files."""
        return {file.stat().st_mode & 0o077 for file in (here / output, *(here / output).rglob("*"))}

    before = os.umask(0o022)
    try:
        made("out", "-o", output)
        assert others() == ({0o055, 0o044} if output == "album" else {0o044})
        (here / "private-place" / "shot5.jpg").chmod(0o600)
        assert made("out", "-o", output)["private"]
    finally:
        os.umask(before)
    assert others() == {0}


def test_a_file_of_the_user_is_not_replaced(here: Path) -> None:
    mine = here / "mine.html"
    mine.write_text("<!DOCTYPE html><p>mine")
    done = run("out", "-o", mine)
    assert done.exit_code == 1
    assert "not written by facecluster" in done.stderr
    assert mine.read_text() == "<!DOCTYPE html><p>mine"
    made("out", "-o", "r.html")
    assert made("out", "-o", "r.html", "--named-only")["people"] == 2


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_broken_off_report_leaves_all_as_it_was(here: Path, as_folder: bool) -> None:
    output = "album" if as_folder else "r.html"
    made("out", "-o", output, "--person", "Anna Berg")
    before = sorted(path.name for path in here.rglob("*"))
    from facecluster.cli import report as verb

    result = verb.read("out")
    content = Content(result.people, {}, {})
    n = 0

    def die() -> None:
        nonlocal n
        n += 1
        if n == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(content, Look(), here / output, AnyPicture(), as_folder=as_folder, threads=1, advance=die)
    assert sorted(path.name for path in here.rglob("*")) == before


def test_what_a_killed_process_left_goes_with_the_next_report(here: Path) -> None:
    made("out", "-o", "album")
    from facecluster.durable.whole_file import part_of

    left = part_of(here / "album")
    (here / "album").rename(left)
    (left / "index.html").unlink()
    assert is_report_folder(left)
    made("out", "-o", "album")
    assert not left.exists()
    assert is_report_folder(here / "album")


def test_a_place_that_is_not_there_is_told(here: Path) -> None:
    done = run("out", "-o", "nowhere/r.html")
    assert done.exit_code == 1
    assert "is not a folder; make it" in done.stderr
    with pytest.raises(OutputError):
        make(Content([], {}, {}), Look(), here / "no" / "album", AnyPicture(), as_folder=True, threads=1)


def test_a_terminal_is_told_how_to_look_and_what_was_made(here: Path) -> None:
    shown = seen_on_terminal([*PROGRAM, "cluster", "out/faces.npz", "-o", "out", "-j", "1"]).decode()
    assert shown.split("\r\n")[-3:] == [
        "to look and decide: facecluster review out",
        "to give it away: facecluster report out -o report.html",
        "",
    ]
    _, shown, _ = on_terminal("report", "out", "-o", "album/", "--named-only")
    assert shown.startswith("album: a folder, as -o names one: 2 people, 8 faces, 6 photos, ")
