"""Faces on pages of a file and at moments of a video: what is decided of one is about that one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tables import film_table

from facecluster.formats import clusters_json, decisions_jsonl
from facecluster.identity.cluster import cluster_faces
from facecluster.identity.decisions import Decision, Name, Spot, locate
from facecluster.identity.rules import Rules
from facecluster.library.change import spots
from facecluster.library.make import make_result
from facecluster.result import columns

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
