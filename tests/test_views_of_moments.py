"""Everything that shows a face shows the page or the frame that it is on, and says which."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from libraries import cluster_table
from numpy.typing import NDArray
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.errors import PhotoError
from facecluster.formats import face_table, xmp
from facecluster.formats.said_names import SaidName
from facecluster.identity.changes import Placed
from facecluster.library.contents import Contents
from facecluster.library.read import read
from facecluster.library.refer import Spelling
from facecluster.library.said import Said, match
from facecluster.photos import picture, video
from facecluster.photos.moment import FIRST, Moment, place_of
from facecluster.render.montage import STRIP_PX, TILE_PX
from facecluster.table import Picture

RED, GREEN, BLUE = (200, 30, 30), (30, 170, 30), (30, 30, 200)
"""Of the first, second and third second of the film, and of the pages of the scan."""

FPS = 8


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


class Album(NamedTuple):
    """A library, and the files that it is about."""

    directory: Path
    film: Path
    scan: Path


def colours(k: int) -> NDArray[np.uint8]:
    """A picture that looks like no other, in a colour."""
    small = np.random.default_rng(k).integers(-30, 30, (6, 8, 1)) + np.array([(RED, GREEN, BLUE)[k % 3]])
    wide = cv2.resize(np.clip(small, 0, 255).astype(np.uint8), (480, 360), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide, np.uint8)


def make_film(path: Path) -> None:
    """Three seconds, a colour each."""
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (480, 360))
    for k in range(3):
        for _ in range(FPS):
            film.write(cv2.cvtColor(colours(k), cv2.COLOR_RGB2BGR))
    film.release()


def make_scan(path: Path) -> None:
    """Three pages, a colour each; the last one is larger."""
    pages = [Image.fromarray(colours(3 + k)) for k in range(3)]
    pages[2] = pages[2].resize((960, 720))
    pages[0].save(path, save_all=True, append_images=pages[1:])


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    """Two people: each in three photos, in the film and in the scan.

    The first one is there in the film while it is red, and again while it is blue, and on the first page of the scan;
    the second one while the film is green, and on the third page.
    """
    folder = tmp_path_factory.mktemp("album")
    film, scan = folder / "party.mp4", folder / "scan.tif"
    make_film(film)
    make_scan(scan)
    photos = [folder / f"{k}.jpg" for k in range(6)]
    for k, path in enumerate(photos):
        Image.fromarray(colours(10 + k)).save(path)
    coded = [picture.coded_digest(path.read_bytes()) for path in (*photos, scan)]
    coded.insert(6, video.coded_digest(film))
    first, second = people(2, 6, spread=0.3).reshape(2, 6, 128)
    nan = np.nan
    table = make_table(
        np.array([*first[:3], *second[:3], first[3], first[4], second[3], first[5], second[4]]),
        photo=[*range(6), 6, 6, 6, 7, 7],
        paths=[*map(str, photos), str(film), str(scan)],
        photos={
            "digest": coded,
            "coded": [digest.encode() for digest in coded],
            "size": [[480, 360]] * 8,
            "pages": [1] * 7 + [3],
            "duration": [nan] * 6 + [3.0, nan],
        },
        id=[
            *(f"{digest}-0" for digest in coded[:6]),
            *(f"{coded[6]}-{k}" for k in range(3)),
            f"{coded[7]}-0",
            f"{coded[7]}-1",
        ],
        page=[0] * 10 + [2],
        time_s=[nan] * 6 + [0.5, 2.5, 1.5, nan, nan],
        track=[-1] * 6 + [0, 1, 2, -1, -1],
        from_s=[nan] * 6 + [0, 2, 1, nan, nan],
        to_s=[nan] * 6 + [0.9, 2.9, 1.9, nan, nan],
    )
    directory = folder / "people"
    directory.mkdir()
    face_table.write(table, directory / "faces.npz")
    cluster_table(table, directory, source=str(directory / "faces.npz"))
    for own, name in (("person-0001", "Anna"), ("person-0002", "Bo")):
        assert run("name", str(directory), own, name).exit_code == 0
    return Album(directory, film, scan)


def colour_of(pixels: Any) -> int:
    """Which of the colours a picture has: 0 red, 1 green, 2 blue."""
    return int(np.asarray(pixels, np.float64)[..., :3].reshape(-1, 3).mean(axis=0).argmax())


def test_montages_and_the_sheet_show_the_page_and_the_frame(album: Album) -> None:
    clusters = json.loads((album.directory / "clusters.json").read_text())
    for person in clusters["people"]:
        montage = np.asarray(
            Image.open(next(album.directory.glob(f"{person['id']}*_montage.jpg"))).convert("RGB")
        )
        below = montage[len(montage) % (TILE_PX + STRIP_PX) :]
        for i, face in enumerate(person["faces"]):
            row, column = divmod(i, 3)
            tile = below[row * (TILE_PX + STRIP_PX) :, column * TILE_PX :][:TILE_PX, :TILE_PX]
            name = Path(face["photo"]).name
            k = {"party.mp4": int(face.get("time_s") or 0), "scan.tif": face.get("page", 0)}.get(name)
            assert colour_of(tile) == (int(name[0]) + 10 if k is None else k) % 3, face


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (FIRST, "a.tif"),
        (Moment(2), "page 3 of a.tif"),
        (Moment(0, 65.9), "at 1:05 of a.tif"),
        (Moment(0, 3671), "at 1:01:11 of a.tif"),
    ],
)
def test_place_of_a_face_in_words(moment: Moment, told: str) -> None:
    assert place_of("a.tif", moment) == told


def test_check_draws_each_page_and_frame_with_faces(album: Album, tmp_path: Path) -> None:
    done = run(
        "check", str(album.directory / "faces.npz"), "--annotate", str(tmp_path / "drawn"), "--preset", "none"
    )
    assert "11 pictures" in done.stderr, done.output
    names = {file.name for file in (tmp_path / "drawn").glob("*.jpg")}
    assert {"party.jpg", "party 0.01.jpg", "party 0.02.jpg", "scan.jpg", "scan page 3.jpg"} <= names
    for name, k in (("party", 0), ("party 0.01", 1), ("party 0.02", 2), ("scan", 0), ("scan page 3", 2)):
        assert colour_of(Image.open(tmp_path / "drawn" / f"{name}.jpg").crop((500, 300, 900, 700))) == k
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["time_s"] for one in told if one["photo"].endswith("mp4")] == [0.5, 2.5, 1.5]


def test_a_film_that_became_another_one_is_not_shown(album: Album, tmp_path: Path) -> None:
    other = tmp_path / "party.mp4"
    make_film(other)
    pictures = {str(other): Picture(480, 360, video.coded_digest(other))}
    contents = Contents(read(str(album.directory)), lambda: pictures)
    assert contents.source(str(other)) == str(other)
    cut_short = other.read_bytes()[:-2000]
    other.write_bytes(cut_short)
    with pytest.raises(PhotoError, match="another picture now"):
        contents.source(str(other))


def test_show_says_from_when_to_when_somebody_is_there_and_on_which_page(album: Album) -> None:
    told = json.loads(run("show", album.directory, "--photo", album.film, "--json").stdout)["photos"][0]
    assert told["duration"] == 3.0
    assert told["there"] == {"person-0001": [[0, 0.9], [2, 2.9]], "person-0002": [[1, 1.9]]}
    assert {key: told["faces"][1][key] for key in ("time_s", "track", "from_s", "to_s")} == {
        "time_s": 2.5, "track": 1, "from_s": 2.0, "to_s": 2.9,
    }  # fmt: skip
    text = run("show", album.directory, "--photo", album.film, "--format", "table").stdout
    assert "party.mp4  video of 0:03\n" in text
    assert "  person-0001 (Anna)  0:00-0:01, 0:02-0:03\n" in text
    assert "at 0:01  100x100 at 100,200" in text
    scan = json.loads(run("show", album.directory, "--photo", album.scan, "--json").stdout)["photos"][0]
    assert scan["pages"] == 3
    assert [face.get("page", 0) for face in scan["faces"]] == [0, 2]
    text = run("show", album.directory, "--photo", album.scan, "--format", "table").stdout
    assert "scan.tif  3 pages\n" in text
    assert "page 1  100x100" in text
    assert "page 3  100x100" in text
    rows = list(
        csv.DictReader(run("show", album.directory, "--photos", "--format", "csv").stdout.splitlines())
    )
    where = [
        (row["page"], row["time_s"], row["from_s"], row["to_s"]) for row in rows if row["photo"][-3:] != "jpg"
    ]
    film = [("", "0.5", "0.0", "0.9"), ("", "2.5", "2.0", "2.9"), ("", "1.5", "1.0", "1.9")]
    assert where == [*film, ("0", "", "", ""), ("2", "", "", "")]
    plain = json.loads(run("show", album.directory, "--photo", "0.jpg", "--json").stdout)["photos"][0]
    assert not {"pages", "duration", "there"} & plain.keys()
    assert not {"page", "time_s", "track", "from_s", "to_s", "moment", "span"} & plain["faces"][0].keys()


def test_imm_counts_videos_apart_from_photos(album: Album) -> None:
    people = json.loads(run("show", album.directory, "--imm").stdout)["FigureClusters"]
    assert [(person["ImageCount"], person["VideoCount"]) for person in people] == [(4, 1), (4, 1)]
    files = json.loads(run("show", album.directory, "--photos", "--imm").stdout)["Files"]
    (film,) = (file for file in files if file["Filename"].endswith("mp4"))
    assert {key: film[key] for key in ("MediaType", "VideoWidth", "VideoHeight", "Duration")} == {
        "MediaType": "video", "VideoWidth": 480, "VideoHeight": 360, "Duration": 3.0,
    }  # fmt: skip
    assert "ImageWidth" not in film
    assert "in 4 photos and 1 video" in run("show", album.directory, "Anna", "--format", "table").stdout


def test_explain_names_and_draws_the_moment(album: Album, tmp_path: Path) -> None:
    drawn = tmp_path / "why.png"
    done = run("explain", album.directory, f"{album.film}#3", "--image", drawn)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["time_s"] == 1.5
    assert all("page" not in near for near in told["own"]["nearest"] if near["photo"].endswith("jpg"))
    result = read(str(album.directory))
    spelling = Spelling(result)
    assert spelling.place(result.face_of[told["id"]]) == "party.mp4#3, at 0:01"
    assert colour_of(np.asarray(Image.open(drawn))[60:300, 20:320]) == 1


def test_report_shows_frames_and_pages_as_pictures_of_their_own(album: Album, tmp_path: Path) -> None:
    target = tmp_path / "report"
    done = run("report", album.directory, "-o", target, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["photos"] == 11
    page = next(target.glob("person-0001*.html")).read_text()
    assert all(f"{where} of party.mp4" in page for where in ("at 0:00", "at 0:02"))
    page = next(target.glob("person-0002*.html")).read_text()
    number = re.search(r'id="photo-(\d+)"(?:(?!</figure>).)*page 3 of scan.tif', page, re.DOTALL)
    assert number is not None
    with Image.open(target / "pictures" / f"photo-{number[1]}.jpg") as shown:
        assert shown.size == (960, 720)
        assert colour_of(shown) == 2


def test_page_shows_the_frame_of_a_face_and_leads_to_the_others(album: Album) -> None:
    from pages import opened

    digest = video.coded_digest(album.film)
    with opened(album.directory) as browser:
        listed = browser.photos()
        assert listed["party.mp4"]["video"]
        assert "video" not in listed["scan.tif"]
        assert listed["party.mp4"]["faces"] == 3
        faces = browser.get("/api/person/person-0002/faces")["faces"]
        where = {face["photo"]: face["where"] for face in faces if "where" in face}
        scan = listed["scan.tif"]["id"]
        assert where == {f"{digest}-2": "at 0:01", f"{scan}-1": "page 3"}
        photo = browser.get(f"/api/photo/{digest}-2")
        assert (photo["id"], photo["where"], photo["draws"]) == (digest, "at 0:01", False)
        assert [box["face"] for box in photo["boxes"]] == [f"{digest}-2"]
        assert photo["others"] == [
            {"id": f"{digest}-0", "where": "at 0:00", "names": "Anna"},
            {"id": f"{digest}-1", "where": "at 0:02", "names": "Anna"},
        ]
        page = browser.get(f"/api/photo/{scan}-1")
        assert (page["width"], page["height"], page["others"][0]["where"]) == (960, 720, "page 1")
        pictures = {
            f"/photo/{digest}": 0,
            f"/photo/{digest}-2": 1,
            f"/face/{digest}-1": 2,
            f"/photo/{scan}-1": 2,
        }
        for address, k in pictures.items():
            found = browser.ask("GET", f"{address}?s=160&w=640")
            assert found.status == 200
            assert colour_of(Image.open(io.BytesIO(found.body))) == k, address
        said = browser.post(
            "/api/decide", {"do": "draw", "photo": digest, "box": [9, 9, 99, 99], "person": "Anna"}, 400
        )
        assert "a video; a face can be drawn in a photo" in said["error"]
        assert browser.ask("GET", f"/photo/{digest}-7").status == 404


def test_tag_writes_names_of_videos_and_later_pages_without_regions(album: Album, tmp_path: Path) -> None:
    with_own = copy_of(album, tmp_path)
    assert run("tag", with_own.directory).exit_code == 0
    film = xmp.read(Path(f"{with_own.film}.xmp").read_bytes())
    assert (film.regions, set(film.persons)) == ((), {"Anna", "Bo"})
    assert ("People", "Bo") in film.hierarchical
    scan = xmp.read(Path(f"{with_own.scan}.xmp").read_bytes())
    assert {region.name for region in scan.regions} == {"Anna"}
    assert set(scan.persons) == {"Anna", "Bo"}
    again = run("tag", with_own.directory, "--json")
    assert json.loads(again.stdout)["changed"] == [], again.stdout
    told = run("tag", with_own.directory, "--embed", "--dry-run", with_own.film)
    assert "1 video left as it is" in told.output, told.output
    assert run("untag", with_own.directory).exit_code == 0
    assert not Path(f"{with_own.film}.xmp").exists()


def test_import_gives_a_name_for_all_of_a_video_to_its_one_person(tmp_path: Path) -> None:
    """Faces of a table: two moments of one person in a video, and two people in another."""
    nan = np.nan
    faces = placed([0, 0, 0, 0], page=[0] * 4, time_s=[1.0, 5.0, 1.0, 2.0], person=[0, 0, 0, 1])
    faces = replace(faces, photo=["/one.mp4", "/one.mp4", "/two.mp4", "/two.mp4"])
    loose = SaidName("Zoe", None, None, "xmp", "/one.mp4.xmp")
    boxed = replace(loose, box=(0.1, 0.2, 0.2, 0.3), picture="upright")
    sizes = {"/one.mp4": (1000, 1000), "/two.mp4": (1000, 1000), "/scan.tif": (1000, 1000)}
    found = match(
        Said({"/one.mp4": (loose,), "/two.mp4": (loose,)}, (), frozenset()), faces, sizes, [None] * 4
    )
    assert found.names == {0: (loose,)}
    assert found.unplaced == (("/two.mp4", loose),)
    pages = replace(placed([0, 0], page=[0, 1], time_s=[nan, nan], person=[-1, -1]), photo=["/scan.tif"] * 2)
    found = match(Said({"/scan.tif": (boxed,)}, (), frozenset()), pages, sizes)
    assert found.names == {0: (boxed,)}


def placed(ids: list[int], *, page: list[int], time_s: list[float], person: list[int]) -> Placed:
    """Faces in one place, of photos and people to be told."""
    n = len(ids)
    track = np.where(np.isnan(time_s), -1, range(n))
    box = np.tile([100.0, 200, 200, 300], (n, 1))
    return Placed(
        [f"{k}" for k in range(n)], [""] * n, box, box, np.array(page), np.array(time_s), track,
        np.array(person), np.full(n, 50.0),
    )  # fmt: skip


def copy_of(album: Album, folder: Path) -> Album:
    """An album of one's own, as its files are written beside photos."""
    made = shutil.copytree(album.directory.parent, folder / "album")
    for file in ("clusters.json", "decisions.jsonl"):
        path = made / "people" / file
        path.write_text(path.read_text().replace(str(album.directory.parent), str(made)))
    table = face_table.read(str(album.directory / "faces.npz"))
    moved = [path.replace(str(album.directory.parent), str(made)) for path in table.photos.path.tolist()]
    face_table.write(
        replace(table, photos=replace(table.photos, path=np.array(moved))), made / "people" / "faces.npz"
    )
    return Album(made / "people", made / album.film.name, made / album.scan.name)


def test_search_says_at_which_moment_the_nearest_face_is(album: Album) -> None:
    table = str(album.directory / "faces.npz")
    done = run("search", "--faces", table, "--in", table, "--by", "face", "-k", "12", "--json")
    assert done.exit_code in (0, 3), done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("time_s") for one in told if one["photo"] == str(album.film)] == [0.5, 2.5, 1.5]
    of_film = {
        match["face"]["time_s"]
        for one in told
        for match in one["matches"]
        if match["face"]["photo"] == str(album.film)
    }
    assert of_film == {0.5, 1.5, 2.5}


def test_window_shows_a_video_by_its_frames_and_draws_nothing_there(album: Album, browser: Any) -> None:
    from pages import opened
    from playwright.sync_api import expect

    with opened(album.directory) as asker, browser.new_context() as context:
        page = context.new_page()
        page.goto(asker.address)
        page.goto(asker.address.partition("?")[0] + "#/photos")
        expect(page.get_by_text("▶ Video · 3 faces")).to_be_visible()
        page.get_by_text("party.mp4").click()
        expect(page.locator(".titles")).to_contain_text("at 0:00")
        expect(page.locator(".stage .box")).to_have_count(1)
        expect(page.get_by_role("button", name="Draw a face")).to_be_hidden()
        page.keyboard.press("d")
        expect(page.locator("#toasts, .toast").first).to_contain_text("not in a video or on a later page")
        page.get_by_role("link", name="at 0:01").click()
        expect(page.locator(".titles")).to_contain_text("at 0:01")
        expect(page.locator(".stage .label")).to_have_text("Bo")
