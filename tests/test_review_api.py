"""The addresses of the review page: what they tell of a library, and every decision that they take."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import cluster_table
from pages import Browser, opened
from PIL import Image
from tables import make_table, people

from facecluster.formats import face_table
from facecluster.library.layout import THUMBNAILS
from facecluster.library.library import Library
from facecluster.photos.file import file_digest
from facecluster.review.desk import Desk

DAY = 86400.0
N_PEOPLE, N_EACH = 3, 4
STRANGER = 12
"""Number of the photo of two faces that are like nobody."""


def own(i: int) -> str:
    """Id of the photo of a number."""
    return f"{i + 1:032x}"


def face(i: int) -> str:
    """Id of the first face of the photo of a number."""
    return f"{own(i)}-0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("made"))


def make_home(home: Path) -> Path:
    """Three people of four photos each, taken a year apart, and a photo of two strangers that has no time."""
    paths = []
    for i in range(N_PEOPLE * N_EACH + 1):
        pixels = np.full((800, 1000, 3), 30, dtype=np.uint8)
        pixels[200:300, 100:200] = (200, 16 * i, 10)
        paths.append(str(home / f"{i:02}.jpg"))
        Image.fromarray(pixels).save(paths[-1], quality=95)
    encoding = people(N_PEOPLE + 2, N_EACH)[: N_PEOPLE * N_EACH]
    strangers = people(N_PEOPLE + 2, N_EACH)[[N_PEOPLE * N_EACH, -1]]
    photo = [*range(N_PEOPLE * N_EACH), STRANGER, STRANGER]
    box = np.tile([100, 200, 200, 300], (len(photo), 1))
    box[-1] += 300
    time = np.append(np.arange(N_PEOPLE * N_EACH) * 366 * DAY, np.nan)
    table = make_table(
        np.concatenate([encoding, strangers]),
        photo=photo,
        paths=paths,
        photos={"digest": [own(i) for i in range(len(paths))], "time": time},
        id=[*(face(i) for i in range(STRANGER + 1)), f"{own(STRANGER)}-1"],
        box=box,
    )
    library = home / "people"
    library.mkdir()
    face_table.write(table, library / "faces.npz")
    cluster_table(table, library, source=str(library / "faces.npz"))
    return home


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    """A library of one's own, whose photos are those of all."""
    shutil.copytree(made / "people", tmp_path / "people")
    return tmp_path / "people"


@pytest.fixture
def page(library: Path) -> Iterator[Browser]:
    with opened(library) as browser:
        yield browser


def record(page: Browser, person: str) -> dict[str, Any]:
    found: dict[str, Any] = page.get(f"/api/person/{person}")
    return found


def ids_of(page: Browser, person: str) -> list[str]:
    return [one["id"] for one in page.get(f"/api/person/{person}/faces?sort=best")["faces"]]


def dated(page: Browser) -> None:
    """Wait until it is known when photos were taken."""
    until(lambda: page.get("/api/people")["people"][0]["newest"] is not None)


def until(is_so: Any) -> None:
    import time

    for _ in range(400):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it is not so after 8 seconds")


# --------------------------------------------------------------------------------------------------- reading


def test_state_counts_what_is_there(page: Browser, library: Path) -> None:
    found = page.get("/api/state")
    assert found["version"] >= 1
    assert (found["library"], found["path"]) == ("people", str(library))
    counted = {key: found[key] for key in ("people", "named", "unnamed", "hidden", "faces", "photos")}
    assert counted == {"people": 3, "named": 0, "unnamed": 3, "hidden": 0, "faces": 14, "photos": 13}
    assert (found["undo"], found["saving"], found["busy"]) == (None, False, None)


def test_people_are_sorted_filtered_found_and_cut(page: Browser) -> None:
    dated(page)
    first, second = ("person-0001", "person-0002")
    page.decide("name", person=second, name="Zoë Abel")
    page.decide("name", person=first, name="Bo")

    def ids(query: str) -> list[str]:
        return [one["id"] for one in page.get(f"/api/people?{query}")["people"]]

    assert ids("sort=name") == [first, second, "person-0003"]
    assert ids("sort=newest") == ["person-0003", second, first]
    assert ids("filter=named&sort=name") == [first, second]
    assert ids("filter=unnamed") == ["person-0003"]
    assert ids("q=zoe") == ids("q=ABEL") == ids("q=0002") == [second]
    assert ids("q=nobody+so") == []
    assert ids("limit=1&offset=1") == ids("limit=2")[1:]
    assert page.get("/api/people?limit=1")["total"] == 3
    unsure = page.get("/api/people?sort=unsure")["people"]
    assert [one["unsure"] for one in unsure] == sorted(one["unsure"] for one in unsure)
    for wrong in ("sort=odd", "filter=odd", "offset=-1", "limit=x", "limit=99999999999"):
        assert page.ask("GET", f"/api/people?{wrong}").status == 400


def test_names_complete_what_is_typed(page: Browser) -> None:
    for person, name in (("person-0001", "Johanna"), ("person-0002", "Anna Berg"), ("person-0003", "Bo")):
        page.decide("name", person=person, name=name)
    assert [one["name"] for one in page.get("/api/names?q=an")["names"]] == ["Anna Berg", "Johanna"]
    assert [one["name"] for one in page.get("/api/names?q=berg")["names"]] == ["Anna Berg"]
    assert len(page.get("/api/names?q=&limit=2")["names"]) == 2


def test_a_person_has_years_links_and_what_was_said(page: Browser) -> None:
    dated(page)
    page.decide("name", person="person-0001", name="Anna")
    found = record(page, "person-0001")
    assert (found["name"], found["n_faces"], found["n_photos"]) == ("Anna", 4, 4)
    assert found["years"] == [[1970, 1], [1971, 1], [1972, 1], [1973, 1]]
    assert (found["first"], found["last"]) == ("1970-01-01", "1973-01-03")
    weakest = found["links"]["weakest"]
    assert {weakest["a"]["id"], weakest["b"]["id"]} <= set(ids_of(page, "person-0001"))
    assert weakest["n_a"] + weakest["n_b"] == 4
    assert len(weakest["side"]) == min(weakest["n_a"], weakest["n_b"])
    assert len({weakest["a"]["id"], weakest["b"]["id"]} & set(weakest["side"])) == 1
    assert [one["said"] for one in found["history"]] == ["person-0001 is called Anna"]
    assert record(page, "person-0002")["history"] == []
    page.get("/api/person/person-9999", 404)


def test_faces_come_in_three_orders(page: Browser) -> None:
    dated(page)
    by_date = page.get("/api/person/person-0001/faces?sort=date")["faces"]
    assert [one["date"][:4] for one in by_date] == ["1970", "1971", "1972", "1973"]
    unsure = [one["confidence"] for one in page.get("/api/person/person-0001/faces?sort=unsure")["faces"]]
    assert unsure == sorted(unsure)
    best = page.get("/api/person/person-0001/faces?sort=best&limit=1")
    assert (best["total"], best["faces"][0]["id"]) == (4, record(page, "person-0001")["cover"])
    assert all(one["photo"] == one["id"].rpartition("-")[0] for one in by_date)


def test_photos_of_a_person_and_a_photo_with_its_boxes(page: Browser) -> None:
    dated(page)
    found = page.get("/api/person/person-0001/photos")
    assert [one["name"] for one in found["photos"]] == ["00.jpg", "01.jpg", "02.jpg", "03.jpg"]
    page.decide("name", person="person-0001", name="Anna")
    shown = page.get(f"/api/photo/{own(0)}")
    assert (shown["width"], shown["height"], shown["date"]) == (1000, 800, "1970-01-01")
    assert shown["persons"] == [{"id": "person-0001", "name": "Anna"}]
    (box,) = shown["boxes"]
    assert (box["face"], box["left"], box["top"], box["right"], box["bottom"]) == (
        face(0),
        100,
        200,
        200,
        300,
    )
    assert (box["person"], box["name"], box["reason"]) == ("person-0001", "Anna", None)
    strangers = page.get(f"/api/photo/{own(STRANGER)}")["boxes"]
    assert [one["person"] for one in strangers] == [None, None]
    assert all(one["reason"] for one in strangers)


def make_album(home: Path) -> Path:
    """A person in three photos, one of them with a stranger, and photos without a face: one twice, one unreadable."""
    lies = [
        "2019 Öland/Boot 1.jpg",
        "2019 Öland/boot 2.jpg",
        "2020/Fest.jpg",
        "2020/Wald.jpg",
        "2020/defekt.jpg",
    ]
    lies += ["2020/vergessen.jpg", "Kopie/Wald (1).jpg", "2019 Öland/leer.jpg"]
    paths = [str(home / "Bilder" / where) for where in lies]
    for i, path in enumerate(paths):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (320, 320), (20 * (i % 3), 90, 60)).save(path)
    table = make_table(
        people(2, 3)[:4],
        photo=[0, 1, 2, 2],
        paths=paths,
        photos={
            "digest": [own(i) for i in (0, 1, 2, 3, 4, 5, 3, 7)],
            "size": np.full((8, 2), 320),
            "status": ["ok", "ok", "ok", "no_face", "unreadable", "no_face", "no_face", "no_face"],
            "lost": [0, 0, 0, 0, 0, 7, 0, 0],
            "time": np.array([5, 9, np.nan, 7, np.nan, 3, 7, 1]) * 400 * DAY,
        },
        id=[face(0), face(1), face(2), f"{own(2)}-1"],
        box=[[100, 100, 200, 200]] * 3 + [[210, 210, 310, 310]],
    )
    library = home / "people"
    library.mkdir()
    face_table.write(table, library / "faces.npz")
    cluster_table(table, library, source=str(library / "faces.npz"))
    return library


def photos_of(page: Browser, query: str = "") -> list[str]:
    """Names of all photos, as far as they are asked for."""
    until(lambda: not page.get("/api/photos")["searching"])
    return [one["name"] for one in page.get(f"/api/photos?{query}")["photos"]]


def test_all_photos_are_sorted_filtered_found_and_cut(tmp_path: Path) -> None:
    with opened(make_album(tmp_path)) as page:
        newest = ["boot 2.jpg", "Wald.jpg", "Boot 1.jpg", "leer.jpg", "Fest.jpg"]
        assert photos_of(page) == newest  # nor what cannot be read, nor what is forgotten; a copy is the same
        assert photos_of(page, "sort=oldest") == [*newest[:4][::-1], "Fest.jpg"]
        by_name = ["Boot 1.jpg", "boot 2.jpg", "Fest.jpg", "leer.jpg", "Wald.jpg"]
        assert photos_of(page, "sort=name") == by_name
        assert photos_of(page, "sort=folder") == [
            "Boot 1.jpg",
            "boot 2.jpg",
            "leer.jpg",
            "Fest.jpg",
            "Wald.jpg",
        ]
        assert photos_of(page, "only=none") == ["Wald.jpg", "leer.jpg"]
        assert photos_of(page, "only=nobody") == ["Fest.jpg"]
        assert photos_of(page, "query=BOOT&sort=name") == by_name[:2]
        assert (
            photos_of(page, "query=oland+1.j") == photos_of(page, "query=land/BOOT%201.j") == ["Boot 1.jpg"]
        )
        assert photos_of(page, "query=kopie") == ["Wald.jpg"]
        assert photos_of(page, f"query={tmp_path.name}") == []  # above all of them
        assert photos_of(page, "limit=2&offset=1") == newest[1:3]
        first = page.get("/api/photos?limit=1&query=fest")
        assert (first["total"], first["photos"]) == (
            1,
            [
                {
                    "id": own(2),
                    "name": "Fest.jpg",
                    "folder": "Bilder/2020",
                    "date": None,
                    "faces": 2,
                    "nobody": True,
                }
            ],
        )
        for wrong in ("sort=odd", "only=odd", "offset=-1"):
            assert page.ask("GET", f"/api/photos?{wrong}").status == 400
        for hidden in (own(4), own(5)):
            page.get(f"/api/photo/{hidden}", 404)


def test_a_face_is_drawn_in_a_photo_without_any(tmp_path: Path) -> None:
    with opened(make_album(tmp_path)) as page:
        assert photos_of(page, "only=none") == ["Wald.jpg", "leer.jpg"]
        shown = page.get(f"/api/photo/{own(3)}")
        assert (shown["name"], shown["width"], shown["boxes"], shown["date"]) == (
            "Wald.jpg",
            320,
            [],
            "1977-09-01",
        )
        picture = page.ask("GET", f"/photo/{own(3)}?w=320")
        assert Image.open(io.BytesIO(picture.body)).size == (320, 320)
        done = page.decide("draw", photo=own(3), box=[20, 30, 120, 140], person="Eva Berg")
        assert (done["changed"][0]["name"], done["changed"][0]["n_photos"]) == (
            "Eva Berg",
            2,
        )  # it has a copy
        assert [one["name"] for one in page.get(f"/api/photo/{own(3)}")["boxes"]] == ["Eva Berg"]
        assert photos_of(page, "only=none") == ["leer.jpg"]
        page.decide("undo")
        assert photos_of(page, "only=none") == ["Wald.jpg", "leer.jpg"]


def test_a_photo_without_a_face_is_shown_while_it_is_the_same(tmp_path: Path) -> None:
    library = make_album(tmp_path)
    empty = tmp_path / "Bilder" / "2019 Öland" / "leer.jpg"
    table = face_table.read(library / "faces.npz")
    digests = table.photos.digest.copy()
    digests[7] = file_digest(empty.read_bytes())
    older = replace(table.photos, digest=digests, coded=np.zeros_like(table.photos.coded))
    face_table.write(replace(table, photos=older), library / "faces.npz")
    with opened(library) as page:
        assert "leer.jpg" in photos_of(page)
        assert page.ask("GET", f"/photo/{digests[7]}?w=320").status == 200
        Image.new("RGB", (320, 320)).save(empty)
        assert page.ask("GET", f"/photo/{digests[7]}?w=320").status == 404
        assert page.ask("GET", f"/photo/{own(3)}?w=320").status == 404  # nothing tells that it is the same


def test_a_photo_that_is_forgotten_is_in_no_list(tmp_path: Path) -> None:
    library = make_album(tmp_path)
    with opened(library) as page:
        assert "leer.jpg" in photos_of(page)
        assert page.ask("GET", f"/photo/{own(0)}?w=320").status == 200
        assert page.ask("GET", f"/photo/{own(7)}?w=320").status == 200
        with Library.open(library) as beside:
            beside.forget(photos=["*/Boot 1.jpg", "*/leer.jpg"])
        assert photos_of(page) == ["boot 2.jpg", "Wald.jpg", "Fest.jpg"]
        for own_id in (own(0), own(7)):
            assert page.ask("GET", f"/photo/{own_id}?w=320").status == 404


def test_without_a_face_table_photos_with_faces_are_listed(library: Path) -> None:
    (library / "faces.npz").unlink()
    with opened(library) as page:
        assert photos_of(page, "sort=name&limit=2") == ["00.jpg", "01.jpg"]
        assert page.get("/api/photos?only=nobody")["total"] == 1


def test_strangers_come_in_groups_with_reasons(page: Browser) -> None:
    until(lambda: not page.get("/api/nobody")["searching"])
    found = page.get("/api/nobody")
    assert sum(one["n_faces"] for one in found["groups"]) == 2
    assert sum(one["n"] for one in found["reasons"]) == 2
    group = found["groups"][0]
    whole = page.get(f"/api/nobody/{group['id']}")
    assert [one["id"] for one in whole["faces"]] == group["faces"]
    assert all(one["reason"] for one in whole["faces"])
    made = page.decide("make", name="Eva", faces=[group["id"]])
    assert made["changed"][0]["n_faces"] == group["n_faces"]
    assert group["id"] not in {one["id"] for one in page.get("/api/nobody")["groups"]}
    page.get(f"/api/nobody/{group['id']}", 404)
    page.decide("make", 400, name="Ida", faces=[group["id"]])


# -------------------------------------------------------------------------------------------------- deciding


def test_a_name_is_given_taken_and_of_somebody_else_refused(page: Browser) -> None:
    done = page.decide("name", person="person-0001", name="Anna")
    assert (done["said"], done["gone"]) == ("person-0001 is Anna now", [])
    assert [(one["id"], one["name"]) for one in done["changed"]] == [("person-0001", "Anna")]
    assert done["undo"]["id"] == done["decisions"][0]
    refused = page.decide("name", 409, person="person-0002", name=" anna ")
    assert refused["namesake"]["id"] == "person-0001"
    page.decide("name", person="person-0001", name="")
    assert record(page, "person-0001")["name"] is None
    page.decide("name", 400, person="person-0001", name="person-0007")
    page.decide("name", 400, person="person-0001", name="a\x00b")
    page.decide("name", 400, person="person-0001", name="\ud800")


def test_the_name_of_somebody_else_may_make_both_one(page: Browser) -> None:
    page.decide("name", person="person-0002", name="Anna")
    done = page.decide("name", person="person-0001", name="Anna", merge=True)
    assert (done["gone"], done["changed"][0]["id"]) == (["person-0001"], "person-0002")
    assert done["changed"][0]["n_faces"] == 8


def test_people_are_merged_and_taken_apart_by_undo(page: Browser) -> None:
    done = page.decide("merge", people=["person-0001", "person-0002", "person-0003"])
    assert (done["changed"][0]["n_faces"], sorted(done["gone"])) == (12, ["person-0002", "person-0003"])
    page.get("/api/person/person-0002", 404)
    back = page.decide("undo")
    assert sorted(one["n_faces"] for one in back["changed"]) == [4, 4, 4]
    assert (back["gone"], back["undo"]) == ([], None)


def test_faces_are_split_moved_and_made_somebody(page: Browser) -> None:
    ids = ids_of(page, "person-0001")
    done = page.decide("split", person="person-0001", faces=ids[:2])
    new = next(one["id"] for one in done["changed"] if one["id"] != "person-0001")
    assert sorted(ids_of(page, new)) == sorted(ids[:2])
    done = page.decide("move", faces=ids[:2], to="person-0002")
    assert done["gone"] == [new]
    assert set(ids[:2]) < set(ids_of(page, "person-0002"))
    page.decide("move", faces=[ids[0]], to="nobody")
    assert ids[0] not in ids_of(page, "person-0002")
    page.decide("make", name="Eva", faces=[ids[0]])
    assert [one["name"] for one in page.get("/api/names?q=eva")["names"]] == ["Eva"]
    page.decide("split", 400, person="person-0002", faces=[ids[2]])
    page.decide("move", 400, faces=[face(99)], to="nobody")
    page.decide("split", 400, person="person-0002", faces=[])


def test_people_and_faces_are_said_to_be_nobody(page: Browser) -> None:
    done = page.decide("not_a_person", what=["person-0002", face(STRANGER)])
    assert (len(done["decisions"]), done["gone"]) == (2, ["person-0002"])
    boxes = page.get(f"/api/photo/{own(STRANGER)}")["boxes"]
    assert "said to be nobody you know" in {one["reason"] for one in boxes}
    page.decide("undo")  # what one call decided comes back together
    assert record(page, "person-0002")["n_faces"] == 4
    assert page.get("/api/state")["undo"] is None


def test_an_earlier_decision_is_taken_back_by_its_id(page: Browser) -> None:
    first = page.decide("name", person="person-0001", name="Anna")["decisions"][0]
    page.decide("name", person="person-0002", name="Bo")
    page.decide("undo", decisions=[first])
    assert [record(page, f"person-000{i}")["name"] for i in (1, 2)] == [None, "Bo"]
    last = page.get("/api/history")["decisions"]
    assert [one["undone"] is not None for one in last] == [False, False, True]
    assert last[0]["said"].startswith("taken back")
    assert [one["id"] for one in page.get("/api/history?limit=1&offset=2")["decisions"]] == [first]
    page.decide("undo", 400, decisions=[first])
    page.decide("undo", 400, decisions=["nothing"])
    page.decide("undo", 400, decisions=first)


def test_what_an_undo_takes_back_has_each_name_once(page: Browser) -> None:
    page.decide("name", person="person-0001", name="Anna (Berg)")
    assert page.get("/api/state")["undo"]["said"] == "name Anna (Berg)"
    page.decide("make", name="Eva", faces=[face(STRANGER)])
    assert page.get("/api/state")["undo"]["said"] == "make Eva of 1 face"


def test_the_version_grows_with_every_change(page: Browser) -> None:
    dated(page)
    until(lambda: not page.get("/api/questions")["searching"])  # it grows when they are found, too
    seen = [page.get("/api/state")["version"]]
    seen.append(page.decide("name", person="person-0001", name="Anna")["version"])
    seen.append(page.decide("undo")["version"])
    page.decide("merge", 400, people=["person-0001"])
    seen.append(page.get("/api/state")["version"])
    assert seen[0] < seen[1] < seen[2] <= seen[3]  # what is read behind makes it grow, too


# -------------------------------------------------------------------------------------------------- pictures


def pixel(body: bytes) -> tuple[int, ...]:
    """The colour in the middle of a picture."""
    image = Image.open(io.BytesIO(body)).convert("RGB")
    found: Any = image.getpixel((image.width // 2, image.height // 2))
    return tuple(found)


def test_a_face_is_a_square_of_its_photo_with_a_validator(page: Browser) -> None:
    found = page.ask("GET", f"/face/{face(3)}?s=150")
    assert (found.status, found.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(found.body)).size == (160, 160)
    assert np.abs(np.subtract(pixel(found.body), (200, 48, 10))).max() < 8
    assert found.headers["cache-control"] == "private, no-cache"
    again = page.ask("GET", f"/face/{face(3)}?s=150", headers={"If-None-Match": found.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert page.ask("GET", f"/face/{face(3)}?s=150").body == found.body
    assert Image.open(io.BytesIO(page.ask("GET", f"/face/{face(3)}?s=9999").body)).size == (480, 480)


def test_where_a_face_is_in_its_picture_is_told_where_another_one_is_in_it(tmp_path: Path) -> None:
    colours = np.array(
        [[250, 20, 20], [20, 20, 250], [20, 220, 20]]
    )  # two side by side, at an edge, and one alone
    boxes = np.array([[48, 20, 144, 180], [148, 20, 244, 180], [440, 300, 540, 420]])
    pixels = np.full((480, 600, 3), 90, dtype=np.uint8)
    for colour, (left, top, right, bottom) in zip(colours, boxes, strict=True):
        pixels[top:bottom, left:right] = colour
    n = 4
    paths = [str(tmp_path / f"{i}.png") for i in range(n)]
    for i, path in enumerate(paths):
        pixels[-1, -1] = i  # no copy of another one
        Image.fromarray(pixels).save(path)
    table = make_table(
        people(3, n).reshape(3, n, 128).swapaxes(0, 1).reshape(-1, 128),
        photo=np.repeat(np.arange(n), 3).tolist(),
        paths=paths,
        photos={"digest": [own(i) for i in range(n)], "size": np.tile([600, 480], (n, 1))},
        id=[f"{own(i)}-{j}" for i in range(n) for j in range(3)],
        box=np.tile(boxes, (n, 1)),
        pose=np.tile([[0, 0, 0], [0, 0, 90], [0, 0, 0]], (n, 1)),  # who lies on a side is shown turned
    )
    (tmp_path / "people").mkdir()
    face_table.write(table, tmp_path / "people" / "faces.npz")
    cluster_table(table, tmp_path / "people", source=str(tmp_path / "people" / "faces.npz"))
    with opened(tmp_path / "people") as page:
        until(lambda: not page.get("/api/nobody")["searching"])
        groups = page.get("/api/nobody")["groups"]
        found = [page.get(f"/api/person/{one['id']}/faces") for one in page.get("/api/people")["people"]]
        found += [page.get(f"/api/nobody/{one['id']}") for one in groups]
        frames = {key: at for answer in found for key, at in answer["frames"].items()}
        assert frames.keys() == {f"{own(i)}-{j}" for i in range(n) for j in (0, 1)}
        for j in (0, 1):
            answer = page.ask("GET", f"/face/{own(0)}-{j}?s=160")
            shown = np.asarray(Image.open(io.BytesIO(answer.body)), dtype=int)
            rows, columns = np.nonzero(np.abs(shown - colours[j]).sum(axis=2) < 120)
            left, top, width, height = frames[f"{own(0)}-{j}"]
            told = np.array([left, top, left + width, top + height]) * 1.6
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.allclose(told, seen, atol=2.5), (told, seen)
        until(lambda: not page.get("/api/questions")["searching"])
        assert page.get("/api/questions")["frames"].keys() <= frames.keys()


def test_a_photo_is_shown_upright_and_reduced(page: Browser, library: Path) -> None:
    found = page.ask("GET", f"/photo/{own(0)}?w=500")
    assert Image.open(io.BytesIO(found.body)).size == (640, 512)
    assert Image.open(io.BytesIO(page.ask("GET", f"/photo/{own(0)}").body)).size == (1000, 800)


def test_a_photo_that_is_gone_or_another_one_shows_grey(tmp_path: Path) -> None:
    photos = make_home(tmp_path)
    (photos / "00.jpg").unlink()
    shutil.copy2(photos / "02.jpg", photos / "01.jpg")
    with opened(photos / "people") as page:
        for i in (0, 1):
            for path in (f"/face/{face(i)}", f"/photo/{own(i)}"):
                found = page.ask("GET", path)
                assert (found.status, found.headers["content-type"]) == (404, "image/svg+xml")
        assert page.ask("GET", f"/face/{face(2)}").status == 200
        assert page.get(f"/api/photo/{own(0)}")["width"] == 1000
        (photos / "02.jpg").unlink()
        assert page.ask("GET", f"/face/{face(2)}").status == 404  # though its picture is kept
        (photos / "03.jpg").write_bytes(b"\xff\xd8 no photo")
        assert page.ask("GET", f"/face/{face(3)}").status == 404


def test_pictures_are_kept_for_the_owner_alone_and_may_be_deleted(library: Path) -> None:
    kept = library / THUMBNAILS
    with opened(library) as page:
        body = page.ask("GET", f"/face/{face(0)}").body
        if os.name != "nt":
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            kept.unlink()
            assert page.ask("GET", f"/face/{face(0)}").body == body
        page.ask("GET", f"/face/{face(1)}")
    with sqlite3.connect(kept) as base:
        assert {own for (own,) in base.execute("SELECT id FROM picture")} == {face(0), face(1)}
    base.close()
    kept.write_bytes(b"no pictures" * 1000)
    with opened(library) as page:
        assert page.ask("GET", f"/face/{face(0)}").body == body


def test_pictures_of_somebody_elses_making_are_not_shown(library: Path) -> None:
    with sqlite3.connect(library / THUMBNAILS) as base:
        base.execute("CREATE VIEW picture AS SELECT 'x' AS id, 160 AS size, 'x' AS key, 'x' AS jpeg")
    base.close()
    with opened(library) as page:
        found = page.ask("GET", f"/face/{face(0)}")
        assert (found.status, found.body[:2]) == (200, b"\xff\xd8")


def test_file_of_pictures_has_no_second_file_that_nobody_removes(library: Path) -> None:
    with opened(library) as page:
        page.ask("GET", f"/face/{face(0)}")
    with sqlite3.connect(library / THUMBNAILS) as base:
        base.execute("PRAGMA journal_mode = WAL")  # as somebody else may have made it
    base.close()
    with opened(library) as page:
        page.ask("GET", f"/face/{face(1)}")
        assert [file.name for file in library.glob(f"{THUMBNAILS}*")] == [THUMBNAILS]


def test_picture_of_somebody_who_is_forgotten_meanwhile_is_not_kept(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(library) as page:
        page.ask("GET", f"/face/{face(0)}")
    monkeypatch.setattr(Desk, "knows", lambda self, own: False)
    with opened(library) as page:
        assert page.ask("GET", f"/face/{face(1)}").status == 200
    with sqlite3.connect(library / THUMBNAILS) as base:
        assert {own for (own,) in base.execute("SELECT id FROM picture")} == {face(0)}
    base.close()


# ----------------------------------------------------------------------------------------------- page and more


def test_two_windows_see_what_the_other_one_decides(page: Browser) -> None:
    other = Browser(page.address).enter()
    before = other.get("/api/state")["version"]
    page.decide("merge", people=["person-0001", "person-0002"])
    assert other.get("/api/state")["version"] > before
    other.decide("name", person="person-0002", name="Anna")  # who is person-0001 now
    assert record(page, "person-0001")["name"] == "Anna"


def test_somebody_who_is_forgotten_is_seen_no_more(library: Path) -> None:
    with opened(library) as page:
        assert page.ask("GET", f"/face/{face(0)}").status == 200
        whose = page.get(f"/api/photo/{own(0)}")["boxes"][0]["person"]
        with Library.open(library) as beside:
            beside.forget(whose)
        assert page.ask("GET", f"/face/{face(0)}").status == 404
        page.get(f"/api/person/{whose}", 404)
        assert page.get("/api/state")["people"] == 2
        page.ask("GET", f"/face/{face(4)}")
    with sqlite3.connect(library / THUMBNAILS) as base:
        assert {own for (own,) in base.execute("SELECT id FROM picture")} == {face(4)}
    base.close()
    with Library.open(library) as beside:
        report = beside.forget("person-0002")
    assert str(library / THUMBNAILS) in report.removed
    assert not (library / THUMBNAILS).exists()


def test_a_record_that_is_gone_or_damaged_is_told_and_mended(page: Browser, library: Path) -> None:
    record_file = library / "clusters.json"
    whole = record_file.read_bytes()
    record_file.unlink()
    assert "grouped" in page.get("/api/state")["busy"]
    assert str(library) not in page.get("/api/state")["busy"]
    page.decide("name", 400, person="person-0001", name="Anna")
    assert len(page.get("/api/people")["people"]) == 3  # what was there is shown
    record_file.write_bytes(b"{")
    page.decide("name", 400, person="person-0001", name="Anna")
    record_file.write_bytes(whole)
    until(lambda: page.get("/api/state")["busy"] is None)
    assert not (library / "decisions.jsonl").exists()


def test_without_a_face_table_all_but_links_works(library: Path) -> None:
    (library / "faces.npz").unlink()
    with opened(library) as page:
        assert record(page, "person-0001")["links"] == {"weakest": None, "seam": None}
        page.decide("merge", people=["person-0001", "person-0002"])
        assert page.decide("undo")["undo"] is None
        assert (
            page.ask("GET", f"/photo/{own(0)}").status == 404
        )  # nothing tells that it is still the same photo


# ------------------------------------------------------------------------------- what is said and moves nobody


def test_people_are_hidden_and_shown_again(page: Browser) -> None:
    page.decide("hide", people=["person-0001", "person-0002"])
    state = page.get("/api/state")
    assert (state["people"], state["hidden"]) == (1, 2)
    assert [one["id"] for one in page.get("/api/people?filter=all")["people"]] == ["person-0003"]
    hidden = page.get("/api/people?filter=hidden")["people"]
    assert [(one["id"], one["hidden"]) for one in hidden] == [("person-0001", True), ("person-0002", True)]
    done = page.decide("unhide", people=["person-0001"])
    assert [(one["id"], one["hidden"]) for one in done["changed"]] == [("person-0001", False)]
    page.decide("undo", decisions=[page.get("/api/history")["decisions"][1]["id"]])
    assert page.get("/api/state")["hidden"] == 0


def test_a_cover_is_chosen(page: Browser) -> None:
    other = next(one for one in ids_of(page, "person-0001") if one != record(page, "person-0001")["cover"])
    done = page.decide("cover", face=other)
    assert [(one["id"], one["cover"]) for one in done["changed"]] == [("person-0001", other)]
    page.decide("cover", 400, face=face(STRANGER))


def test_faces_are_confirmed_and_people_told_apart(page: Browser) -> None:
    page.decide("confirm", faces=ids_of(page, "person-0001")[:2], person="person-0001")
    page.decide("confirm", 400, faces=ids_of(page, "person-0002")[:1], person="person-0001")
    done = page.decide("different", people=["person-0001", "person-0002"])
    assert (done["changed"], done["gone"]) == ([], [])
    page.decide("different", 400, people=["person-0001"])
    said = [one["said"] for one in page.get("/api/history")["decisions"]]
    assert said[0] == "person-0001 and person-0002 are not one person"
    assert said[1].endswith(" are person-0001's, as was confirmed")


def test_a_face_is_drawn_and_is_somebodys(page: Browser) -> None:
    done = page.decide("draw", photo=own(0), box=[600, 500, 720, 640], person="Eva Berg")
    assert len(done["decisions"]) == 2
    (eva,) = done["changed"]
    assert (eva["name"], eva["n_faces"], eva["cover"]) == ("Eva Berg", 1, f"{own(0)}-1")
    boxes = page.get(f"/api/photo/{own(0)}")["boxes"]
    assert [(one["face"], one["left"], one["name"]) for one in boxes[1:]] == [
        (f"{own(0)}-1", 600, "Eva Berg")
    ]
    assert page.ask("GET", f"/face/{own(0)}-1").status == 200
    assert page.get("/api/state")["faces"] == 15
    page.decide("undo")
    assert page.get("/api/state")["faces"] == 14
    assert page.ask("GET", f"/face/{own(0)}-1").status == 404
    for wrong in ([600, 500, 720], [600, 500, 720, "640"], [1, 1, 2, 2], [True, 500, 720, 640], "box"):
        page.decide("draw", 400, photo=own(0), box=wrong, person=None)
    page.decide("draw", 400, photo="00.jpg", box=[600, 500, 720, 640], person=None)


# ---------------------------------------------------------------------------------------------------- questions


def asked(page: Browser) -> Any:
    until(lambda: not page.get("/api/questions")["searching"])
    return page.get("/api/questions?number=50")


def test_questions_are_asked_answered_and_asked_no_more(page: Browser) -> None:
    first = asked(page)
    assert first["left"] == len(first["questions"]) > 0
    worth = [one["worth"] for one in first["questions"]]
    assert worth == sorted(worth, reverse=True)
    who = next(one for one in first["questions"] if one["kind"] == "who" and one["left"]["person"])
    assert set(who["left"]["faces"]) <= set(ids_of(page, who["left"]["person"]))
    done = page.post("/api/answer", {"question": who["id"], "reply": "name", "name": "Anna"})
    assert [one["name"] for one in done["changed"]] == ["Anna"]
    then = asked(page)
    assert who["id"] not in {one["id"] for one in then["questions"]}
    assert then["worth_left"] < first["worth_left"]
    other = next(one for one in then["questions"] if one["kind"] == "who" and one["left"]["person"])
    page.post("/api/answer", {"question": other["id"], "reply": "unsure"})
    assert other["id"] not in {one["id"] for one in asked(page)["questions"]}
    page.decide("undo")
    assert other["id"] in {one["id"] for one in asked(page)["questions"]}
    page.post("/api/answer", {"question": who["id"], "reply": "unsure"}, 400)
    page.post("/api/answer", {"question": other["id"], "reply": "yes"}, 400)
    page.post("/api/answer", {"question": other["id"], "reply": "name"}, 400)


def test_nobody_takes_no_more_faces_than_were_shown(page: Browser) -> None:
    whole = [one for one in asked(page)["questions"] if one["kind"] == "who" and one["left"]["person"]]
    shown, other = whole[0], whole[1]
    n_faces = shown["left"]["n_faces"]
    page.decide("merge", people=[shown["left"]["person"], other["left"]["person"]])
    sent = {"question": shown["id"], "reply": "nobody", "n_faces": n_faces}
    refused = page.post("/api/answer", sent, 409)
    now = refused["question"]["left"]["n_faces"]
    assert now == n_faces + other["left"]["n_faces"]
    assert f"{now} faces now, and {n_faces} when" in refused["error"]
    page.post("/api/answer", {**sent, "n_faces": "3"}, 400)
    assert page.get(f"/api/person/{shown['left']['person']}")["n_faces"] == now
    page.post("/api/answer", {**sent, "n_faces": now})
    page.get(f"/api/person/{shown['left']['person']}", 404)


def test_what_another_window_answered_is_asked_no_more(page: Browser) -> None:
    people = [one for one in asked(page)["questions"] if one["kind"] == "who" and one["left"]["person"]]
    page.decide("not_a_person", what=[people[0]["left"]["person"]])
    page.post("/api/answer", {"question": people[0]["id"], "reply": "nobody"}, 400)
    with_name = page.post("/api/answer", {"question": people[1]["id"], "reply": "name", "name": "Bo"})
    assert with_name["changed"][0]["name"] == "Bo"
