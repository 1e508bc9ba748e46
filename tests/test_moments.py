"""Faces on pages of a file and at moments of a video: what is decided of one is about that one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tables import film_table, make_table, people

from facecluster.formats import clusters_json, decisions_jsonl
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import Decision, Move, Name, Spot, locate
from facecluster.identity.gate import Reason
from facecluster.identity.rules import Rules, SamePhotoRule
from facecluster.library.change import spots
from facecluster.library.make import make_result
from facecluster.result import columns
from facecluster.table import FaceTable

RULES = Rules.make("sface")
BOX = (100.0, 200.0, 200.0, 300.0)


def test_a_decision_finds_its_face_by_page_and_moment_and_no_other(tmp_path: Path) -> None:
    table = film_table()
    result = make_result(table, cluster_faces(table, RULES), RULES)
    faces = sorted(result.unclustered, key=lambda face: table.faces.id.tolist().index(face.id))
    assert len({face.known_at for face in faces}) == 1  # all boxes are the same
    for row, face in enumerate(faces):
        decision = decisions_jsonl.decide(Name("person-0001", "Anna", spots([face])), [])
        decisions_jsonl.append(tmp_path / f"{row}.jsonl", decision)
        (read,) = decisions_jsonl.read(tmp_path / f"{row}.jsonl")
        assert locate([read], table.faces)[read.act.faces[0]] == [row]
        assert locate([read], columns(result))[read.act.faces[0]] == [row]


@pytest.mark.parametrize(
    ("spot", "text", "number"),
    [
        (Spot("d", BOX), ["d", [*BOX]], 1),
        (Spot("d", BOX, 2), ["d", [*BOX], 2], 2),
        (Spot("d", BOX, 0, 12.48), ["d", [*BOX], 0, 12.48], 2),
        (Spot("d", BOX, 0, 0.0), ["d", [*BOX], 0, 0.0], 2),
    ],
)
def test_lines_say_where_in_the_file_a_face_is_only_where_that_says_something(
    spot: Spot, text: object, number: int
) -> None:
    decision = Decision("00000001", "2026-01-01T00:00:00.000000Z", Name("person-0001", "Anna", (spot,)))
    record = json.loads(decisions_jsonl.text_of(decision))
    assert (record["faces"], record["format"]) == ([text], number)


def test_records_say_it_too() -> None:
    table = film_table()
    result = make_result(table, cluster_faces(table, RULES), RULES)
    text = "".join(clusters_json.to_json(result))
    plain, first, third, early, late = json.loads(text)["unclustered"]
    assert not {"page", "time_s", "track"} & (plain.keys() | first.keys())
    assert third["page"] == 2
    assert "time_s" not in third
    assert (early["time_s"], early["track"], late["time_s"], late["track"]) == (1.5, 0, 12.48, 1)


def film(*, at_once: bool) -> FaceTable:
    """Anna in three photos and in a video of two tracks of three faces, hers and one like her."""
    encoding = people(1, 9, spread=0.4)
    times = [0.0, 5, 10, 6, 7, 8] if at_once else [0.0, 5, 10, 16, 17, 18]
    ends = (
        ([0.0] * 3 + [6] * 3, [10] * 3 + [8] * 3) if at_once else ([0.0] * 3 + [16] * 3, [10] * 3 + [18] * 3)
    )
    none = [np.nan] * 3
    return make_table(
        encoding,
        photo=[0, 1, 2, *[3] * 6],
        paths=[f"/photos/{i}.jpg" for i in range(3)] + ["/photos/film.mp4"],
        photos={"duration": [np.nan, np.nan, np.nan, 20.0]},
        time_s=none + times,
        track=[-1] * 3 + [0] * 3 + [1] * 3,
        from_s=none + ends[0],
        to_s=none + ends[1],
    )


@pytest.mark.parametrize("same_photo", ["prefer", "forbid"])
def test_tracks_that_are_there_at_once_are_two_people_whatever_they_look_like(
    same_photo: SamePhotoRule,
) -> None:
    rules = replace(RULES, same_photo=same_photo)
    one = cluster_faces(film(at_once=False), rules)
    assert one.label.tolist() == [0] * 9
    two = cluster_faces(film(at_once=True), rules).label
    assert two[:3].tolist() == [0] * 3
    assert sorted([two[3:6].tolist(), two[6:].tolist()]) == [[-1] * 3, [0] * 3]
    assert cluster_faces(film(at_once=True), replace(RULES, same_photo="allow")).label.tolist() == [0] * 9


def test_videos_found_nobody_unless_that_is_asked_for_and_count_as_one_photo() -> None:
    table = film(at_once=False)
    video = table.select(np.array([False, False, False, True]))
    asked = replace(RULES, video="found")
    for rules, reason in ((RULES, Reason.VIDEO), (asked, Reason.TOO_FEW_PHOTOS)):
        alone = cluster_faces(video, rules)
        assert set(alone.label.tolist()) == {-1}
        assert set(alone.reason.tolist()) == {reason}
    two_photos = table.select(np.array([True, True, False, True]))
    assert cluster_faces(two_photos, RULES).n_people == 0
    assert cluster_faces(two_photos, asked).label.tolist() == [0] * 8


def test_all_faces_of_a_track_go_where_one_is_put() -> None:
    table = film(at_once=False)
    result = make_result(table, cluster_faces(table, RULES), RULES)
    (anna,) = result.people
    by_id = {face.id: face for face in anna.faces}
    late = by_id[str(table.faces.id[7])]
    decision = decisions_jsonl.decide(
        Move("person-0001", None, spots([late]), None, spots(anna.faces[:3])), []
    )
    label = cluster_faces(table, RULES, resolve([decision], table.faces)).label
    assert label.tolist() == [0] * 6 + [-1] * 3
