"""Faces on pages of a file and at moments of a video: what is decided of one is about that one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from libraries import cluster_table
from tables import film_table, make_table, people

from facecluster.encoding.analysis import rows_of
from facecluster.encoding.forgotten import leave_out, without_places
from facecluster.encoding.identify import Before, identify
from facecluster.encoding.resume import Past
from facecluster.formats import clusters_json, decisions_jsonl, forgotten_jsonl
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import Decision, Move, Name, Spot, digest_of, locate
from facecluster.identity.gate import Reason
from facecluster.identity.rules import Rules, SamePhotoRule
from facecluster.library.change import spots
from facecluster.library.forget import (
    forget_in_result,
    forget_in_table,
    places_in_table,
    rows_of_target,
    target_of,
)
from facecluster.library.library import Library
from facecluster.library.make import make_result
from facecluster.library.settings import Choices
from facecluster.result import Person, columns
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


def test_a_decision_finds_its_track_where_other_frames_of_the_video_are_kept() -> None:
    apart = [[0, 0, 90, 90], [0, 0, 90, 90], [0, 0, 90, 90], [100, 200, 200, 300], [500, 200, 600, 300]]
    faces = film_table(box=apart, anchor=apart, id=["a-0", "b-0", "b-1", "c-0", "c-1"]).faces

    def rows(box: tuple[float, float, float, float], time_s: float) -> list[int]:
        spot = Spot("c", box, 0, time_s)
        return [*locate([decisions_jsonl.decide(Name("person-0001", "Anna", (spot,)), [])], faces)[spot]]

    assert rows((110, 200, 210, 300), 11.0) == [3]
    assert rows((490, 200, 590, 300), 11.0) == [4]
    assert rows((170, 200, 270, 300), 5.0) == [3]  # the other track is not there yet
    assert rows((170, 200, 270, 300), 11.0) == []  # too far from where it is, and it may be somebody else
    assert rows((300, 200, 400, 300), 5.0) == []
    assert rows((100, 200, 200, 300), 30.0) == []


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
    encoding, photo = people(1, 9, spread=0.4), [0, 1, 2, *[3] * 6]
    times = [0.0, 5, 10, 6, 7, 8] if at_once else [0.0, 5, 10, 16, 17, 18]
    ends = (
        ([0.0] * 3 + [6] * 3, [10] * 3 + [8] * 3) if at_once else ([0.0] * 3 + [16] * 3, [10] * 3 + [18] * 3)
    )
    none = [np.nan] * 3
    return make_table(
        encoding,
        photo=photo,
        id=[f"{number + 1:032x}-{row}" for row, number in enumerate(photo)],
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


def test_a_person_keeps_name_and_faces_of_a_video_where_all_is_grouped_anew(tmp_path: Path) -> None:
    table, folder = film(at_once=False), tmp_path / "people"
    result = cluster_table(table, folder, Choices(link="none"))
    assert result.people[0].n_faces == 9
    with Library.open(folder) as library:
        late = next(face for face in result.people[0].faces if face.time_s == 17)
        library.name("person-0001", "Anna")
        moved = library.move(late.id, to="nobody")
        assert moved.said.startswith("3 faces moved to nobody")
        assert library.people.people[0].n_faces == 6
    # encoded anew: other ids, and the boxes a little elsewhere
    again = replace(
        table,
        faces=replace(
            table.faces,
            id=np.array([f"{digest_of(face)}-{i + 50}" for i, face in enumerate(table.faces.id.tolist())]),
            box=table.faces.box + 3,
            anchor=table.faces.anchor + 3,
        ),
    )
    result = cluster_table(again, folder, Choices(video="found", link="none"))
    (anna,) = result.people
    assert (anna.name, anna.n_faces) == ("Anna", 6)
    assert {face.reason for face in result.unclustered} == {"taken_away"}
    assert cluster_table(again, folder, Choices(link="none")).settings.rules.video == "found"  # remembered


def with_pixels(table: FaceTable) -> FaceTable:
    """The same, of photos whose ids are the digests of their pixels, and whose faces are called by them."""
    digest = table.photos.digest
    ids = [f"{digest[photo]}-{row}" for row, photo in enumerate(table.faces.photo.tolist())]
    return replace(
        table,
        photos=replace(table.photos, pixels=digest.astype("S32")),
        faces=replace(table.faces, id=np.array(ids)),
    )


@pytest.mark.parametrize("row", range(5))
def test_forgetting_a_face_takes_it_from_its_page_or_moment_alone(row: int, tmp_path: Path) -> None:
    table = with_pixels(film_table())
    result = make_result(table, cluster_faces(table, RULES), RULES)
    face = result.face_of[str(table.faces.id[row])]
    target = target_of([Person.of("person-0001", [face.placed(core=True)])], (), ())
    others = set(table.faces.id.tolist()) - {face.id}
    assert set(forget_in_table(table, target).table.faces.id.tolist()) == others
    assert {one.id for one in forget_in_result(result, target, None).result.unclustered} == others
    forgotten_jsonl.append(tmp_path / "list.jsonl", places_in_table(table, target))
    places = forgotten_jsonl.read(tmp_path / "list.jsonl")
    assert set(without_places(table, places).faces.id.tolist()) == others
    left = leave_out(list(rows_of(table)), places, Past())  # as an earlier run left them
    assert {str(own) for found in left.rows for own in found.analysis.ids} == others


def test_a_forgotten_track_stays_away_where_other_frames_of_it_are_kept() -> None:
    table = with_pixels(film(at_once=True))
    result = make_result(table, cluster_faces(table, RULES), RULES)
    face = result.face_of[str(table.faces.id[4])]
    target = target_of([Person.of("person-0001", [face.placed(core=True)])], (), ())
    places = list(places_in_table(table, target))
    assert np.flatnonzero(rows_of_target(table, target)).tolist() == [4]  # at second 5, in the first track
    later = replace(table, faces=replace(table.faces, time_s=table.faces.time_s + np.float32(0.4)))
    assert len(without_places(later, places).faces) == 9  # these were there when it was forgotten
    new = [row._replace(analysis=replace(row.analysis, looks=(1,) * 8)) for row in rows_of(later)]
    film_now = leave_out(new, places, Past()).rows[3]
    assert film_now.analysis.faces["track"].tolist() == [1] * 3  # the second one is there from second 6 on


def test_faces_of_a_file_that_is_encoded_anew_keep_their_ids_by_page_and_moment() -> None:
    table = with_pixels(film_table())
    before = list(rows_of(table))
    order = np.array([0, 2, 1, 4, 3])  # found in another order
    faces = {name: column[order] for name, column in vars(table.faces).items()} | {"photo": table.faces.photo}
    found = [
        row._replace(analysis=replace(row.analysis, digest="", ids=None))
        for row in rows_of(replace(table, faces=replace(table.faces, **faces)))
    ]
    again = identify(found, Before(before), table.settings, table.settings).rows
    ids = [str(own) for row in again for own in row.analysis.ids]
    assert ids == table.faces.id[order].tolist()
