from __future__ import annotations

import gc
import json
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tables import make_table, people

from facecluster.errors import FaceclusterError
from facecluster.formats.clusters_json import read_result, settings_of, to_json
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.rules import Rules
from facecluster.library.build import make_result
from facecluster.result import (
    Absent,
    Box,
    Changes,
    Person,
    PersonFace,
    Pose,
    Result,
    SamePhotoCounts,
    UnclusteredFace,
    Updated,
    WasMerged,
    WasSplit,
    columns,
    with_people,
)
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
    assert list(record) == [
        "format",
        "settings",
        "people",
        "unclustered",
        "almost",
        "counts",
        "next_id",
        "changes",
        "absent",
    ]
    assert record["format"] == 2
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
    assert 50 < turned["confidence"] < 100
    assert record["unclustered"] == [
        {
            "id": "face0007", "photo": "/p/7.jpg", "box": [100, 200, 200, 300],
            "pose": {"pitch": None, "yaw": None, "roll": None}, "quality": 0.9, "reason": "no_pose",
            "almost": None,
        }
    ]  # fmt: skip
    assert record["counts"] == {
        "photos": 10, "ok": 8, "no_face": 1, "unreadable": 1, "faces": 8, "people": 2, "clustered": 7,
        "unclustered": {"no_pose": 1}, "same_photo": {"photos": 0, "twice": 0},
    }  # fmt: skip
    assert record["next_id"] == 3
    assert record["changes"] == {"appeared": [], "vanished": [], "merged": [], "split": []}
    assert list(first) == ["id", "name", "n_faces", "n_photos", "cover", "former", "faces"]


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


# ---------------------------------------------------------------------------------------------------- reading


@pytest.fixture
def rich() -> Result:
    """People, a stranger, an almost-person, unknown numbers, and a path that is no text."""
    encoding = people(4, 4)[[0, 1, 2, 3, 4, 5, 6, 8, 9, 12]]
    pose = np.zeros((10, 3))
    pose[9] = np.nan
    paths = [f"/p/\udcff{i}ü.jpg" for i in range(10)]
    return result_of(make_table(encoding, paths=paths, pose=pose, quality=[0.9] * 9 + [np.nan]))


def test_what_was_written_is_read(rich: Result, tmp_path: Path) -> None:
    assert rich.people
    assert rich.almost
    assert rich.unclustered
    (tmp_path / "clusters.json").write_text("".join(to_json(rich)))
    read = read_result(tmp_path / "clusters.json")
    assert "".join(to_json(read)) == "".join(to_json(rich))
    assert read.people == rich.people
    assert (read.unclustered, read.almost, read.counts) == (rich.unclustered, rich.almost, rich.counts)


def test_ids_names_and_changes_are_read(rich: Result, tmp_path: Path) -> None:
    changes = Changes(
        ("person-0009",), ("person-0004",), (WasMerged("person-0001", ("person-0001", "person-0004")),)
    )
    changes = replace(changes, split=(WasSplit("person-0002", ("person-0002", "person-0009")),))
    first = replace(rich.people[0], name="Zoë", former=("person-0004", "person-0003"))
    absent = (Absent("person-0004", 9, ("a-0", "b-1")), Absent("person-0003", 1, ()))
    result = replace(rich, people=(first, *rich.people[1:]), next_id=12, changes=changes, absent=absent)
    record = parsed(result)
    assert record["changes"]["merged"] == [{"into": "person-0001", "from": ["person-0001", "person-0004"]}]
    assert record["changes"]["split"] == [{"from": "person-0002", "into": ["person-0002", "person-0009"]}]
    (tmp_path / "clusters.json").write_text(json.dumps(record))
    assert read_result(tmp_path / "clusters.json") == result


def test_older_result_without_ids_of_its_own_is_read(rich: Result, tmp_path: Path) -> None:
    record = parsed(rich)
    del record["next_id"], record["changes"], record["absent"], record["counts"]["same_photo"]
    for person in record["people"]:
        del person["former"]
    (tmp_path / "clusters.json").write_text(json.dumps(record))
    read = read_result(tmp_path / "clusters.json")
    assert (read.people, read.changes, read.next_id) == (rich.people, Changes(), len(rich.people) + 1)
    assert read.absent == ()
    assert read.counts == rich.counts


def test_confidences_of_format_1_become_per_cent(rich: Result, tmp_path: Path) -> None:
    record = parsed(rich)
    record["format"] = 1
    for person, shares in zip(record["people"], ([0.9712345, 1, 0, None], [0.07]), strict=False):
        for face, share in zip(person["faces"], shares, strict=False):
            face["confidence"] = share
    (tmp_path / "clusters.json").write_text(json.dumps(record))
    first, second, *_ = read_result(tmp_path / "clusters.json").people
    assert [face.confidence for face in first.faces[:3]] == [97.12345, 100, 0]
    assert second.faces[0].confidence == 7
    (tmp_path / "again.json").write_text("".join(to_json(read_result(tmp_path / "clusters.json"))))
    assert read_result(tmp_path / "again.json") == read_result(tmp_path / "clusters.json")


def test_next_id_is_above_every_id_that_is_there(rich: Result, tmp_path: Path) -> None:
    record = parsed(rich)
    record["people"][0] |= {"id": "person-0007", "former": ["person-0041", "grandma"]}
    (tmp_path / "clusters.json").write_text(json.dumps(record))
    assert read_result(tmp_path / "clusters.json").next_id == 42
    record["absent"] = [{"id": "person-0050", "n_faces": 1, "faces": ["a-0"]}]
    (tmp_path / "clusters.json").write_text(json.dumps(record))
    assert read_result(tmp_path / "clusters.json").next_id == 51


def test_absent_are_known_by_their_founding_faces_first(rich: Result) -> None:
    face = rich.people[0].faces[0]
    some = [replace(face, id=f"f{i:02d}-0", core=i % 2 == 1) for i in range(40)]
    absent = Absent.of(Person.of("person-0001", [some[0], some[0], *some]))
    assert (absent.id, absent.n_faces, len(absent.faces)) == ("person-0001", 42, 25)
    assert absent.faces[:2] == ("f01-0", "f03-0")
    assert absent.faces[20:] == ("f00-0", "f02-0", "f04-0", "f06-0", "f08-0")


def test_faces_of_one_photo_are_counted() -> None:
    def person(who: str, *photos: str, step: int = 20) -> Person:
        places = [Box(i * step, 0, i * step + 10, 10) for i in range(len(photos))]
        return Person.of(
            who,
            [
                PersonFace("f", photo, box, Pose(0, 0, 0), 0.9, core=True, confidence=None)
                for photo, box in zip(photos, places, strict=True)
            ],
        )

    assert SamePhotoCounts.of([]) == SamePhotoCounts(photos=0, twice=0)
    one, other = (
        person("a", "1.jpg", "2.jpg", "3.jpg"),
        person("b", "2.jpg", "3.jpg", "3.jpg", "4.jpg", "4.jpg"),
    )
    assert SamePhotoCounts.of([one, other]) == SamePhotoCounts(photos=3, twice=2)
    found_twice = person("b", "3.jpg", "4.jpg", "4.jpg", step=2)
    assert SamePhotoCounts.of([one, found_twice]) == SamePhotoCounts(photos=1, twice=0)


def test_people_that_were_changed_are_counted_again(rich: Result) -> None:
    assert with_people(rich, rich.people, rich.unclustered) == rich
    face = rich.people[0].faces[0]
    lone = UnclusteredFace(face.id, face.photo, face.box, face.pose, face.quality, reason="no_match")
    smaller = Person.of("person-0001", rich.people[0].faces[1:], "Ann", ["person-0008"])
    result = with_people(rich, [smaller, *rich.people[1:]], [*rich.unclustered, lone])
    assert (smaller.n_faces, smaller.n_photos, smaller.cover) == (3, 3, smaller.faces[0].id)
    assert result.counts.clustered == rich.counts.clustered - 1
    assert sum(result.counts.unclustered.values()) == len(result.unclustered)
    assert result.counts.faces == rich.counts.faces
    assert [p.n_faces for p in result.people] == sorted((p.n_faces for p in result.people), reverse=True)
    (alone,) = with_people(rich, rich.people[:1], ()).people
    assert alone == rich.people[0]


def test_results_and_people_are_shown_in_short() -> None:
    result = result_of(make_table(np.vstack([people(1, 4), people(2, 1, seed=3)[1:]])))
    (person,) = result.people
    assert repr(result) == "Result: 1 person, 4 of 5 faces"
    assert repr(result_of(make_table(people(1, 1)))) == "Result: 0 people, 0 of 1 face"
    assert repr(person) == "Person: person-0001, 4 faces in 4 photos"
    lone = Person.of("person-0003", person.faces[:1], "Anna\nBerg")
    assert repr(lone) == r"Person: person-0003 (Anna\nBerg), 1 face in 1 photo"


def test_layout_and_unknown_fields_do_not_matter(rich: Result, tmp_path: Path) -> None:
    record = parsed(rich)
    record["new"] = record["people"][0]["new"] = record["people"][0]["faces"][0]["new"] = 7
    del record["almost"]
    file = tmp_path / "other.json"
    file.write_text(json.dumps(record, indent=4, sort_keys=True))
    assert read_result(file).people == rich.people
    assert read_result(file).almost == ()


def test_columns_have_all_faces(rich: Result) -> None:
    faces = columns(rich)
    ids = [[face.id for face in person.faces] for person in rich.people]
    left = [face.id for face in rich.unclustered]
    assert faces.id == [*chain(*ids), *left]
    assert faces.person.tolist() == [i for i, mine in enumerate(ids) for _ in mine] + [-1] * len(left)
    assert faces.box.shape == (10, 4)
    assert np.isnan(faces.confidence).tolist() == [False] * (10 - len(left)) + [True] * len(left)
    assert len(columns(result_of(make_table([])))) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "written by format 3, this facecluster reads up to 2; upgrade"),
        ({"format": "1"}, "damaged: Expected `int`, got `str` - at `$.format`"),
        ({"people": {}}, "damaged: Expected `array`, got `object` - at `$.people`"),
        ({"people": [{}]}, "damaged: Object missing required field"),
        ({"people": [7]}, "damaged"),
        ({"counts": {}}, "damaged"),
        ({"counts": None}, "damaged"),
        ({"next_id": "7"}, "damaged: Expected `int`"),
        ({"changes": {"merged": [{}]}}, "damaged: Object missing required field"),
        ({"changes": {"appeared": [7]}}, "damaged: Expected `str`, got `int` - at `$.changes.appeared[0]`"),
        ({"absent": [{"id": "person-0001"}]}, "damaged: Object missing required field `n_faces`"),
        ({"settings": []}, "damaged: Expected `object`"),
        ({"unclustered": [{"id": "a"}]}, "damaged: Object missing required field"),
        ({"unclustered": [{"box": [0, 0, 1, 1]}]}, "damaged: Object missing required field"),
        ({"almost": [{"n_photos": 1}]}, "damaged: Object missing required field `n_photos_needed`"),
    ],
)
def test_what_is_no_result_is_told(
    rich: Result, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    file = tmp_path / "clusters.json"
    file.write_text(json.dumps(parsed(rich) | change))
    with pytest.raises(FaceclusterError, match=rf"^{re.escape(str(file))}: .*{re.escape(message)}"):
        read_result(file)


@pytest.mark.parametrize("box", [[0, 0, 1], [0, 0, 1, None], [0, 0, 1, 1e999], "abcd", None])
def test_broken_boxes_are_told(rich: Result, tmp_path: Path, box: object) -> None:
    record = parsed(rich)
    record["people"][0]["faces"][0]["box"] = box
    (tmp_path / "clusters.json").write_text(json.dumps(record))
    with pytest.raises(FaceclusterError, match="damaged"):
        read_result(tmp_path / "clusters.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b'{"format": 1, "people": [', "not JSON, or cut short"),
        (b"PK\x03\x04\xa4", "not JSON"),
        (b"[]", "not a result; give a clusters.json"),
        (b"7", "not a result"),
        (b'{"file": "a.json"}', "not a result"),
        (b'{"format": NaN}', "NaN is no number"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_what_is_not_even_json_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "clusters.json").write_bytes(content)
    with pytest.raises(FaceclusterError, match=message):
        read_result(tmp_path / "clusters.json")
    assert gc.isenabled()


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FaceclusterError, match=r"clusters\.json: cannot be read: No such file"):
        read_result(tmp_path / "clusters.json")


def test_settings_of_a_file_have_types(rich: Result) -> None:
    record = parsed(rich)["settings"]
    made = settings_of(record)
    assert (made.rules, made.eps, made.link, made.update, made.sources) == (RULES, None, None, None, ())
    assert (made.faces.encoder, made.faces.models) == ("sface", {"sface": "abc"})
    record["cluster"]["radii"] |= {"eps": 0.7, "unknown": 1}
    assert settings_of(record).eps is None
    older = {key: value for key, value in record.items() if key != "eps_chosen"}
    assert settings_of(older).eps == 0.7
    update = {"updates": 2, "new_faces": 5, "would_merge": [["person-0001", "person-0002"]]}
    made = settings_of({**record, "update": update, "link": "copy", "decisions": None})
    assert made.update == Updated(2, 5, (("person-0001", "person-0002"),))
    assert (made.link, made.decisions) == ("copy", "")


def test_settings_that_say_nothing_have_no_rules() -> None:
    assert settings_of({}).rules is None
    assert settings_of({"cluster": {"radii": 7}}).rules is None
    with pytest.raises(ValueError, match=r"\$\.link"):
        settings_of({"link": 7})
