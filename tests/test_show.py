from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from datetime import datetime, timezone

import numpy as np
import pytest
from tables import NOTHING_SAID, make_table, people
from test_explain import result_of

from facecluster.render import imm
from facecluster.render.show import (
    Page,
    PhotoFacts,
    Taken,
    cut,
    find_photos,
    least_confidence,
    ordered,
    people_csv,
    photo_record,
    photos_csv,
    show_person,
    show_photo,
    stamp,
    to_json,
)
from facecluster.result import Box, Person, PersonFace, Pose, Result, UnclusteredFace
from facecluster.table import NO_FACE, OK, FaceTable

PHOTO = [0, 0, 1, 2, 2, 3, 3, 4, 4]
LABEL = [0, 1, 0, 0, -1, 1, -1, 0, 1]
REASONS = {4: "low_quality", 6: "not_a_person"}
NAMES = "abcdef"
PATHS = [f"/p/{name}.jpg" for name in NAMES]
IDS = [f"{i + 1:032x}-{PHOTO[:row].count(i)}" for row, i in enumerate(PHOTO)]
YEARS = [2001, None, 2003, 2000, 2002, None]


def new_year(year: int | None) -> float:
    return math.nan if year is None else datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()


def make(paths: list[str] = PATHS) -> FaceTable:
    """Six photos, of which the last has no face; of the nine faces, two are nobody's."""
    return make_table(
        people(1, 9),
        photo=PHOTO,
        paths=paths,
        id=IDS,
        score=[0.9, 0.8, *[1.5] * 7],
        sharpness=[0.25, np.nan, *[0.5] * 7],
        pose=[[1, 2, 3], [np.nan] * 3, *[[0, 0, 0]] * 7],
        photos={"time": list(map(new_year, YEARS)), "zoned": [1] * 6, "status": [OK] * 5 + [NO_FACE]},
    )


@pytest.fixture
def table() -> FaceTable:
    return make()


@pytest.fixture
def result(table: FaceTable) -> Result:
    return result_of(table, LABEL, core=[0, 1, 2], reasons=REASONS)


def names(paths: object) -> str:
    return "".join(sorted(path[3] for path in paths))  # type: ignore[attr-defined]


# -------------------------------------------------------------------------------------------------- choosing


def test_photos_hold_all_their_faces_and_whose_each_is(result: Result) -> None:
    photos = find_photos(result)
    assert names(photos) == "abcde"
    assert [(face.id, person and person.id) for face, person in photos["/p/c.jpg"]] == [
        (IDS[3], "person-0001"),
        (IDS[4], None),
    ]


def test_everyone_who_is_named_is_in_the_photo(result: Result) -> None:
    one, two = result.people
    assert names(find_photos(result, [one])) == "abce"
    assert names(find_photos(result, [two])) == "ade"
    assert names(find_photos(result, [one, two])) == "ae"
    assert names(find_photos(result, [one, two], paths=["/p/a.jpg", "/p/b.jpg"])) == "a"
    assert names(find_photos(result, paths=["/p/f.jpg"])) == ""


def test_only_means_no_other_face_but_what_is_no_person(result: Result) -> None:
    one, two = result.people
    assert names(find_photos(result, [one], only=True)) == "b"  # in c is somebody unknown
    assert names(find_photos(result, [two], only=True)) == "d"  # with a statue
    assert names(find_photos(result, [one, two], only=True)) == "ae"


def test_faces_stand_in_the_order_of_their_ordinals() -> None:
    about = ("/p.jpg", Box(0, 0, 1, 1), Pose(None, None, None), None)
    faces = [UnclusteredFace(f"d-{i}", *about, reason="no_match") for i in (10, 2)]
    mine = PersonFace("d-1", *about, core=True, confidence=None)
    result = Result(NOTHING_SAID, (Person.of("x", [mine]),), tuple(faces), None)  # type: ignore[arg-type]
    assert [face.id for face, _ in find_photos(result)["/p.jpg"]] == ["d-1", "d-2", "d-10"]


@pytest.mark.parametrize(("falling", "expected"), [(False, "bdeac"), (True, "debac")])
def test_what_is_unknown_is_last_either_way_and_ties_stay(falling: bool, expected: str) -> None:
    value = {"a": None, "b": 1, "c": None, "d": 2, "e": 2}
    assert "".join(ordered("abcde", value.__getitem__, falling=falling)) == expected


def test_pages_follow_one_another() -> None:
    items = list("abcde")
    pages, after = [], None
    while True:
        shown, page = cut(items, str, after, 2)
        pages.append("".join(shown))
        assert page.total == 5
        if (after := page.next) is None:
            break
    assert pages == ["ab", "cd", "e"]
    assert cut(items, str, None, None) == (items, Page(5, None))
    assert cut(items, str, "e", 2) == ([], Page(5, None))
    assert cut([], str, None, 2) == ([], Page(0, None))
    with pytest.raises(LookupError):
        cut(items, str, "x", 2)


def test_confidence_of_a_photo_is_the_least_of_those_who_are_asked_for() -> None:
    about = ("/p.jpg", Box(0, 0, 1, 1), Pose(None, None, None), None)
    a, b, c = (
        Person.of(name, [PersonFace(f"d-{name}", *about, core=True, confidence=confidence)])
        for name, confidence in (("a", 90), ("b", 30), ("c", None))
    )
    faces = find_photos(Result(NOTHING_SAID, (a, b, c), (), None))["/p.jpg"]  # type: ignore[arg-type]
    assert least_confidence(faces, [a]) == 90
    assert least_confidence(faces, [a, b]) == least_confidence(faces, []) == 30
    assert least_confidence(faces, [c]) is None


# ---------------------------------------------------------------------------------------------------- making


def test_person_is_seen_from_the_first_to_the_last_photo_that_has_a_time(
    result: Result, table: FaceTable
) -> None:
    shown = show_person(result.people[0], PhotoFacts(table))
    assert (stamp(shown.first_seen), shown.first_photo) == ("2001-01-01T00:00:00Z", "/p/a.jpg")
    assert (stamp(shown.last_seen), shown.last_photo) == ("2003-01-01T00:00:00Z", "/p/c.jpg")
    assert (shown.span_days, shown.n_dated, shown.n_photos) == (730, 3, 4)
    assert (shown.cover, shown.cover_photo) == (IDS[0], "/p/a.jpg")
    assert shown.cover_box == result.people[0].faces[0].box


def test_without_a_table_no_time_is_known(result: Result) -> None:
    shown = show_person(result.people[0], PhotoFacts(None))
    times = (shown.first_seen, shown.first_photo, shown.last_seen, shown.last_photo, shown.span_days)
    assert times == (None,) * 5
    assert shown.n_dated == 0
    photo = show_photo("/p/a.jpg", find_photos(result)["/p/a.jpg"], PhotoFacts(None))
    assert (photo.about.time, photo.about.size, photo.about.digest) == (None, None, IDS[0][:-2])


def test_photo_that_was_renamed_since_is_known_by_its_content(result: Result) -> None:
    renamed = PhotoFacts(make([f"/new/{name}.jpg" for name in NAMES]))
    assert show_person(result.people[0], renamed).n_dated == 3
    photo = show_photo("/p/a.jpg", find_photos(result)["/p/a.jpg"], renamed)
    assert (stamp(photo.about.time), photo.about.size) == ("2001-01-01T00:00:00Z", (1000, 800))


def test_json_of_a_photo_says_whose_each_face_is(result: Result, table: FaceTable) -> None:
    record = photo_record(show_photo("/p/c.jpg", find_photos(result)["/p/c.jpg"], PhotoFacts(table)))
    assert {key: record[key] for key in ("path", "status", "time", "size", "n_faces", "people")} == {
        "path": "/p/c.jpg",
        "status": "ok",
        "time": "2003-01-01T00:00:00Z",
        "size": (1000, 800),
        "n_faces": 2,
        "people": ["person-0001"],
    }
    mine, left = record["faces"]
    assert list(mine) == list(left)
    assert (mine["number"], mine["person"], mine["confidence"], mine["reason"]) == (
        1,
        "person-0001",
        50,
        None,
    )
    assert (left["number"], left["person"], left["confidence"], left["reason"]) == (
        2,
        None,
        None,
        "low_quality",
    )
    assert mine["box"] == (100, 200, 200, 300)
    assert mine["pose"] == {"pitch": 0, "yaw": 0, "roll": 0}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, None),
        (Taken(0.0, zoned=True), "1970-01-01T00:00:00Z"),
        (Taken(-1.0, zoned=True), "1969-12-31T23:59:59Z"),
        (Taken(0.0, zoned=False), "1970-01-01T00:00:00"),
        (Taken(1e300, zoned=True), None),
    ],
)
def test_times_are_those_of_iso_8601(time: Taken | None, expected: str | None) -> None:
    assert stamp(time) == expected


# --------------------------------------------------------------------------------------------------- writing


def test_json_of_nothing_is_json() -> None:
    assert json.loads("".join(to_json({"total": 0}, "people", []))) == {"total": 0, "people": []}


def test_csv_has_a_row_a_person_and_a_row_a_face(result: Result, table: FaceTable) -> None:
    known, photos = PhotoFacts(table), find_photos(result)
    rows = list(csv.DictReader(people_csv(show_person(person, known) for person in result.people)))
    assert [(row["id"], row["n_faces"], row["first_seen"][:4]) for row in rows] == [
        ("person-0001", "4", "2001"),
        ("person-0002", "3", "2000"),
    ]
    shown = [show_photo(path, faces, known) for path, faces in photos.items()]
    rows = list(csv.DictReader(photos_csv([*shown, show_photo("/p/f.jpg", (), known)])))
    assert len(rows) == 10
    assert {row["face"]: row["person"] for row in rows[:9]} == {
        face: f"person-000{label + 1}" if label >= 0 else "" for face, label in zip(IDS, LABEL, strict=True)
    }
    assert (rows[9]["photo"], rows[9]["face"], rows[9]["reason"]) == ("/p/f.jpg", "", "no_face")
    assert None not in rows[9]


# ------------------------------------------------------------------------------------------------------- IMM


def test_photo_has_the_field_names_of_imm(result: Result, table: FaceTable) -> None:
    photo = show_photo("/p/a.jpg", find_photos(result)["/p/a.jpg"], PhotoFacts(table))
    assert photo.faces[0].confidence == 50
    file = imm.file(photo, imm.measured(table))
    assert file | {"Figures": [], "ObjectId": ""} == {
        "ObjectType": "file",
        "ObjectId": "",
        "URI": "file:///p/a.jpg",
        "Filename": "/p/a.jpg",
        "MediaType": "image",
        "FileHash": IDS[0][:-2],
        "ImageWidth": 1000,
        "ImageHeight": 800,
        "ProduceTime": "2001-01-01T00:00:00Z",
        "FigureCount": 2,
        "Figures": [],
    }
    assert file["Figures"][0] == {
        "FigureId": IDS[0],
        "FigureType": "face",
        "FigureConfidence": 0.9,
        "FigureClusterId": "person-0001",
        "FigureClusterConfidence": 0.5,
        "FaceQuality": 0.9,
        "Sharpness": 0.25,
        "Boundary": {"Left": 100, "Top": 200, "Width": 100, "Height": 100},
        "HeadPose": {"Pitch": 1, "Yaw": 2, "Roll": 3},
    }
    assert {"Sharpness", "HeadPose"} & file["Figures"][1].keys() == set()  # unknown, so not there


def test_photo_of_any_name_has_fields_of_imm() -> None:
    for name in ("/p/caf\xe9.jpg", "/p/\udce9.jpg"):
        photo = show_photo(name, (), PhotoFacts(make([*PATHS[:5], name])))
        file = imm.file(photo, {})
        assert (file["Filename"], file["URI"][:10]) == (name, "file:///p/")


def test_photo_of_any_name_has_fields_of_imm_where_names_are_ascii() -> None:
    code = (
        "import sys; from facecluster import text; from facecluster.render import imm;"
        "assert sys.getfilesystemencoding() == 'ascii';"
        "print(imm._uri('/p/caf\\xe9.jpg'), text.as_bytes('/p/caf\\xe9.jpg', path=True).hex())"
    )
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["file:///p/caf%C3%A9.jpg", "/p/café.jpg".encode().hex()]


def test_face_without_a_person_has_the_reserved_id_of_imm(result: Result, table: FaceTable) -> None:
    photo = show_photo("/p/c.jpg", find_photos(result)["/p/c.jpg"], PhotoFacts(table))
    figure = imm.file(photo, imm.measured(table))["Figures"][1]
    assert figure["FigureClusterId"] == "figure-cluster-id-independent"
    assert "FigureClusterConfidence" not in figure
    assert "FigureConfidence" not in figure  # a score of 1.5 is none of 0..1


def test_person_has_the_field_names_of_imm(result: Result, table: FaceTable) -> None:
    known = PhotoFacts(table)
    cover = show_photo("/p/a.jpg", find_photos(result)["/p/a.jpg"], known)
    cluster = imm.figure_cluster(show_person(result.people[0], known), cover, 0.0, {})
    assert cluster | {"Cover": {}} == {
        "ObjectType": "figure-cluster",
        "ObjectId": "person-0001",
        "FaceCount": 4,
        "ImageCount": 4,
        "VideoCount": 0,
        "Cover": {},
        "CreateTime": "1970-01-01T00:00:00Z",
        "UpdateTime": "1970-01-01T00:00:00Z",
    }
    assert [figure["FigureId"] for figure in cluster["Cover"]["Figures"]] == [IDS[0]]
    assert cluster["Cover"]["FigureCount"] == 2


def test_pages_have_the_field_names_of_imm() -> None:
    assert imm.page_of(Page(7, "x"), "FigureClusters") == {"TotalCount": 7, "NextToken": "x"}
    assert imm.page_of(Page(7, None), "Files") == {"TotalHits": 7, "NextToken": ""}
