from __future__ import annotations

import json

import numpy as np
from tables import make_table, people

from facecluster.identity.cluster import cluster_faces
from facecluster.identity.rules import Rules
from facecluster.output.records import Result, make_result, to_json
from facecluster.table import NO_FACE, OK, UNREADABLE, FaceTable

RULES = Rules.make("sface")


def result_of(table: FaceTable) -> Result:
    return make_result(table, cluster_faces(table, RULES), RULES)


def parsed(result: Result) -> dict:  # type: ignore[type-arg]
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads("".join(to_json(result)), parse_constant=refuse)


def test_json_is_what_the_design_says() -> None:
    pose = np.zeros((8, 3))
    pose[3] = [12.3, -45.6, 0.1]
    pose[7] = np.nan
    encoding = np.vstack([people(1, 4), people(3, 4, seed=3)[4:7], people(9, 1)[8:]])
    table = make_table(
        encoding, photo=range(8), paths=[f"/p/{i}.jpg" for i in range(10)], pose=pose,
        photos={"status": [OK] * 8 + [NO_FACE, UNREADABLE], "reason": [""] * 9 + ["empty file"]},
    )  # fmt: skip
    record = parsed(result_of(table))
    assert list(record) == ["format", "settings", "people", "unclustered", "almost", "counts"]
    assert record["format"] == 1
    assert record["settings"]["encoder"] == "sface"
    assert record["settings"]["cluster"]["limits"]["min_images"] == 3
    assert [(p["id"], p["name"], p["n_faces"], p["n_photos"]) for p in record["people"]] == [
        ("person-0001", None, 4, 4),
        ("person-0002", None, 3, 3),
    ]
    first = record["people"][0]
    assert first["cover"] == first["faces"][0]["id"]
    turned = first["faces"][-1]
    assert list(turned) == ["id", "photo", "box", "pose", "quality", "core", "confidence"]
    assert turned["id"] == "face0003"
    assert turned["photo"] == "/p/3.jpg"
    assert turned["box"] == [100, 200, 200, 300]
    assert turned["pose"] == {"pitch": 12.3, "yaw": -45.6, "roll": 0.1}
    assert turned["quality"] == 0.9
    assert turned["core"] is False
    assert 0.5 < turned["confidence"] < 1
    assert record["unclustered"] == [
        {
            "id": "face0007", "photo": "/p/7.jpg", "box": [100, 200, 200, 300],
            "pose": {"pitch": None, "yaw": None, "roll": None}, "quality": 0.9, "reason": "no_pose",
            "almost": None,
        }
    ]  # fmt: skip
    assert record["counts"] == {
        "photos": 10, "ok": 8, "no_face": 1, "unreadable": 1, "faces": 8, "people": 2, "clustered": 7,
        "unclustered": {"no_pose": 1},
    }  # fmt: skip


def test_empty_table() -> None:
    record = parsed(result_of(make_table([])))
    assert record["people"] == record["unclustered"] == record["almost"] == []
    assert record["counts"]["unclustered"] == {}


def test_one_face_is_one_line() -> None:
    text = "".join(to_json(result_of(make_table(people(2, 3)))))
    assert sum('"confidence"' in line for line in text.splitlines()) == 6


def test_path_that_is_no_text_survives() -> None:
    paths = [f"/p/\udcff{i}ü.jpg" for i in range(3)]
    text = "".join(to_json(result_of(make_table(people(1, 3), paths=paths))))
    assert text.isascii()
    assert {face["photo"] for face in json.loads(text)["people"][0]["faces"]} == set(paths)


def test_faces_worth_showing_come_first() -> None:
    # the most typical face is small; the next one is of poor quality
    encoding = people(1, 5, spread=0.4)
    encoding[0] = encoding[1:].mean(axis=0)
    boxes = np.tile([0, 0, 100, 100], (5, 1))
    boxes[0] = [0, 0, 78, 78]
    table = make_table(encoding, box=boxes, quality=[0.9, 0.5, 0.9, 0.9, 0.9])
    person = result_of(table).people[0]
    assert person.cover in {"face0002", "face0003", "face0004"}
    assert [face.id for face in person.faces[3:]] == ["face0000", "face0001"]


def test_confidence_of_a_lone_founder_is_null() -> None:
    table = make_table(people(1, 1))
    rules = Rules.make("sface", limits=type(RULES.limits)(min_images=1))
    face = parsed(make_result(table, cluster_faces(table, rules), rules))["people"][0]["faces"][0]
    assert face["confidence"] is None


def test_almost_people_say_what_is_missing() -> None:
    encoding = people(3, 4)[[0, 1, 2, 4, 5, 6, 8]]
    pose = np.zeros((7, 3))
    pose[1] = [0, -34.5, 0]
    box = np.tile([0.0, 0, 100, 100], (7, 1))
    box[1] = [0, 0, 62.5, 100]
    hashes = [0b111 << shift for shift in (10, 20, 30, 0, 0, 40, 50)]
    hashes[4] += 0b1000
    table = make_table(encoding, pose=pose, box=box, photos={"hash": hashes})
    record = parsed(result_of(table))
    assert record["almost"] == [
        {
            "n_photos": 2, "n_photos_needed": 3, "faces": [
                {"id": "face0000", "photo": "/photos/000.jpg", "missing": []},
                {"id": "face0002", "photo": "/photos/002.jpg", "missing": []},
                {"id": "face0001", "photo": "/photos/001.jpg", "missing": [
                    {"reason": "too_small", "value": 62.5, "limit": 75.0},
                    {"reason": "yaw", "value": -34.5, "limit": 30.0},
                ]},
            ],
        },
        {
            "n_photos": 2, "n_photos_needed": 3, "faces": [
                {"id": "face0003", "photo": "/photos/003.jpg", "missing": []},
                {"id": "face0005", "photo": "/photos/005.jpg", "missing": []},
                {"id": "face0004", "photo": "/photos/004.jpg", "missing": [
                    {"reason": "near_duplicate", "value": None, "limit": None},
                ]},
            ],
        },
    ]  # fmt: skip
    assert [face["almost"] for face in record["unclustered"]] == [0, 0, 0, 1, 1, 1, None]
    assert record["unclustered"][1]["reason"] == "too_small"
    assert record["unclustered"][4]["reason"] == "too_few_photos"


def test_unknown_numbers_of_almost_people_are_null() -> None:
    pose = np.zeros((3, 3))
    pose[2] = np.nan
    record = parsed(result_of(make_table(people(1, 3), pose=pose, quality=[0.9, 0.9, np.nan])))
    assert record["almost"][0]["faces"][2]["missing"] == [
        {"reason": "no_pose", "value": None, "limit": None},
        {"reason": "no_quality", "value": None, "limit": None},
    ]
