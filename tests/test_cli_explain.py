from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from commands import on_terminal, refused
from PIL import Image
from tables import make_table
from test_explain import CORE, LABEL, at, result_of, spot

from facecluster.cli import main
from facecluster.formats import decisions_jsonl, face_table
from facecluster.formats.clusters_json import to_json
from facecluster.identity.decisions import Move, mark
from facecluster.render.side_by_side import SIDE_PX, Tile, side_by_side
from facecluster.result import Box
from facecluster.table import FaceTable

COLOURS = np.random.default_rng(1).integers(40, 216, (8, 3))
POINTS = (0, 0.5, 1, 5, 5.5, 6, 1.5, -3)
FACE = [f"{i:032x}-0" for i in range(8)]


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["explain", *map(str, arguments)])


def explained(*arguments: object) -> dict[str, Any]:
    found = run(*arguments)
    assert found.exit_code == 0, found.stderr
    record: dict[str, Any] = json.loads(found.stdout)
    return record


error = partial(refused, run)


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    """Six founding faces of two people, one that joined the first, one alone; each a colour in a grey photo."""
    paths = []
    for i, colour in enumerate(COLOURS):
        pixels = np.full((400, 500, 3), 128, np.uint8)
        pixels[170:330, 70:230] = colour
        paths.append(str(tmp_path / f"photo{i}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return make_table(at(*POINTS), paths=paths, photos={"size": [[500, 400]] * 8}, id=FACE)


@pytest.fixture
def result(table: FaceTable, tmp_path: Path) -> Path:
    """Its result, with the table beside it."""
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "clusters.json").write_text("".join(to_json(result_of(table, [*LABEL, 0, -1], CORE))))
    face_table.write(table, folder / "faces.npz")
    return folder


def colours_of(picture: Path, n: int) -> list[list[float]]:
    """Of the middle of each tile."""
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(float)
    assert pixels.shape[1] >= n * SIDE_PX
    step = pixels.shape[1] / n
    return [
        pixels[150:250, int((i + 0.5) * step) - 50 :][:, :100].mean(axis=(0, 1)).tolist() for i in range(n)
    ]


# ---------------------------------------------------------------------------------------------------- what is told


def test_a_pipe_gets_json_of_a_face(result: Path) -> None:
    e = explained(result, FACE[6])
    assert (e["kind"], e["id"], e["person"], e["core"]) == (
        "face",
        FACE[6],
        {"id": "person-0001", "name": None},
        False,
    )
    assert [limit["name"] for limit in e["gate"]] == ["size", "pitch", "yaw", "roll", "quality"]
    assert e["passed"] is True
    assert [near["distance"] for near in e["own"]["nearest"]] == [0.5, 1, 1.5]
    assert e["own"]["distance"] == pytest.approx(np.sqrt((0.25 + 1 + 2.25) / 3))
    assert e["others"][0]["id"] == "person-0002"
    assert e["margin"] == pytest.approx(e["others"][0]["distance"] - e["own"]["distance"])
    assert (e["bounds"]["join"], e["bounds"]["margin"]) == (2.0, 0.5)
    assert run(result, FACE[6]).stderr == ""
    assert run(result / "clusters.json", FACE[6], "--json").stdout == run(result, FACE[6]).stdout


def test_a_pipe_gets_json_of_a_person(result: Path) -> None:
    e = explained(result, "person-0001")
    assert (e["kind"], e["n_faces"], e["n_founding"]) == ("person", 4, 3)
    assert e["weakest"]["distance"] == 0.5
    assert sorted(e["weakest"]["sides"]) == [1, 2]
    assert {face["id"] for face in e["farthest"]["faces"]} == {FACE[0], FACE[2]}
    assert e["neighbour"]["id"] == "person-0002"


def test_a_face_is_known_by_its_photo(result: Path, tmp_path: Path) -> None:
    assert explained(result, tmp_path / "photo7.png")["id"] == FACE[7]


def test_a_terminal_gets_a_text_of_a_face(result: Path) -> None:
    exit_code, shown, stderr = on_terminal("explain", result, FACE[7])
    assert (exit_code, stderr) == (0, "")
    lines = shown.splitlines()
    assert lines[0] == f"face photo7.png ({FACE[7]})"
    assert "It is nobody's: like nobody else." in lines
    assert "  quality        0.900  over 0.8" in lines
    assert "  3.524  person-0001, 3 reference faces" in lines
    assert "  - to join person-0001, it would have to be nearer by 1.52" in lines
    assert f"    facecluster move {result} photo7.png person-0001" in lines


def test_a_terminal_gets_a_text_of_a_person(result: Path) -> None:
    exit_code, shown, stderr = on_terminal("explain", result, "person-0002")
    assert (exit_code, stderr) == (0, "")
    assert shown.startswith("person-0002: 3 faces in 3 photos\n3 reference faces: good enough that others ")
    assert "weakest link   0.500  without it, 1 and 2 reference faces would be apart" in shown
    assert "farthest pair  1.000" in shown


def test_decisions_beside_the_result_are_told(result: Path, table: FaceTable) -> None:
    spots = [spot(table, row) for row in range(8)]
    decision = decisions_jsonl.decide(Move(None, "person-0001", (spots[6],), tuple(spots[:3]), ()), [])
    decisions_jsonl.append(result / decisions_jsonl.DECISIONS, decision)
    told = run(result, FACE[6]).stderr
    again = f"facecluster cluster {result / 'faces.npz'} -o {result}"
    assert f"{result} does not show all of these decisions; to group the faces again: {again}\n" in told
    record = json.loads((result / "clusters.json").read_text())
    record["settings"]["decisions"] = mark([decision])
    (result / "clusters.json").write_text(json.dumps(record))
    assert run(result, FACE[6]).stderr == ""
    e = explained(result, FACE[6])
    assert [(ruling["id"], ruling["places"]) for ruling in e["decisions"]] == [(decision.id, True)]
    assert f"because somebody decided so ({decision.id})" in e["why"][0]


def test_advice_names_the_library_as_it_is_typed(
    result: Path, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result.rename(tmp_path / "my people")
    monkeypatch.chdir(tmp_path)
    move = Move(None, None, (spot(table, 7),), None, tuple(spot(table, row) for row in range(3)))
    decision = decisions_jsonl.decide(move, [])
    decisions_jsonl.append(Path("my people", decisions_jsonl.DECISIONS), decision)
    advice = [f"take the decision back: facecluster undo 'my people' {decision.id}"]
    assert explained("my people", FACE[7])["remedies"] == advice


# ------------------------------------------------------------------------------------------------------ the table


def test_table_that_the_result_names_is_used(result: Path, table: FaceTable, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.npz"
    (result / "faces.npz").rename(elsewhere)
    record = json.loads((result / "clusters.json").read_text())
    record["settings"]["table"] = str(elsewhere)
    (result / "clusters.json").write_text(json.dumps(record))
    assert explained(result, FACE[6])["own"]
    elsewhere.rename(result / "faces.npz")  # moved beside the result: found there
    assert explained(result, FACE[6])["own"]
    (result / "faces.npz").rename(tmp_path / "third.npz")
    message = error(1, result, FACE[6])
    assert f"its face table is gone ({elsewhere} and {result / 'faces.npz'})" in message
    assert "--table FILE" in message
    assert explained(result, FACE[6], "--table", tmp_path / "third.npz")["own"]


def test_table_with_other_faces_is_told(result: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    face_table.write(make_table(at(0, 1)), other)
    message = error(1, result, FACE[6], "--table", other)
    assert f"{other}: not the face table that {result} was made from: it lacks 8 of the 8 faces" in message
    assert f"or group its faces: facecluster cluster {other} -o {result}" in message
    face_table.write(make_table(at(0, 1), encoder="dlib"), result / "faces.npz")
    assert "its encoder is dlib, not sface" in error(1, result, FACE[6])


def test_photos_of_the_table_may_have_got_other_names(result: Path, table: FaceTable, tmp_path: Path) -> None:
    before = explained(result, FACE[6])
    paths = [f"/elsewhere/{i}.jpg" for i in range(len(table.photos))]
    paths[1] = str(table.photos.path[1])
    moved = replace(table, photos=replace(table.photos, path=np.array(paths)))
    face_table.write(moved, tmp_path / "moved.npz")
    assert explained(result, FACE[6], "--table", tmp_path / "moved.npz") == before


def test_faces_that_the_result_does_not_know_are_told(result: Path, table: FaceTable, tmp_path: Path) -> None:
    paths = [*table.photos.path, "/new.jpg"]
    face_table.write(make_table(at(*POINTS, 9), paths=paths, id=[*FACE, "new"]), result / "faces.npz")
    found = run(result, FACE[6])
    assert found.exit_code == 0
    assert f"faces.npz: has 1 face that {result} does not know" in found.stderr
    assert run(result, FACE[6], "-q").stderr == ""


def test_whoever_is_not_there_is_an_error(result: Path, tmp_path: Path) -> None:
    assert "no such person" in error(1, result, "person-0009")
    (tmp_path / "empty").mkdir()
    assert "holds no clusters.json" in error(1, tmp_path / "empty", "person-0001")


# ------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", ["pair.png", "pair.jpg"])
def test_picture_of_a_person_shows_the_weakest_link(result: Path, tmp_path: Path, name: str) -> None:
    picture = tmp_path / name
    found = run(result, "person-0001", "--image", picture)
    assert found.exit_code == 0
    assert found.stderr == f"{picture}: Weakest link of person-0001: 0.50 apart\n"
    pair = [FACE.index(face["id"]) for face in json.loads(found.stdout)["weakest"]["faces"]]
    for shown, i in zip(colours_of(picture, 2), pair, strict=True):
        assert shown == pytest.approx(COLOURS[i].tolist(), abs=3)
    assert run(result, "person-0002", "--image", picture).exit_code == 0  # one of ours is replaced


def test_picture_of_a_face_shows_it_and_the_nearest_of_two_people(result: Path, tmp_path: Path) -> None:
    picture = tmp_path / "face.png"
    assert run(result, FACE[6], "--image", picture).exit_code == 0
    for shown, i in zip(colours_of(picture, 3), [6, 2, 3], strict=True):
        assert shown == pytest.approx(COLOURS[i].tolist(), abs=3)
    assert run(result, FACE[7], "--image", picture).exit_code == 0
    for shown, i in zip(colours_of(picture, 3), [7, 0, 3], strict=True):
        assert shown == pytest.approx(COLOURS[i].tolist(), abs=3)


def test_faces_are_drawn_upright_and_from_the_whole_resolution(tmp_path: Path) -> None:
    pixels = np.zeros((2000, 3000, 3), np.uint8)
    pixels[:, :1000, 0] = 200  # on its side; upright, the top third is red
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = tmp_path / "side.jpg"
    Image.fromarray(pixels).save(photo, exif=exif)
    drawn, missing = side_by_side(
        [Tile(str(photo), Box(800, 800, 1200, 1200), (2000, 3000), ("a",))], "title"
    )
    assert missing == []
    tile = drawn[38 : 38 + SIDE_PX, 12 : 12 + SIDE_PX]
    assert tile[20, :, 0].min() > 150
    assert tile[-20, :, 0].max() < 50


def test_photo_that_is_gone_is_grey_and_told(result: Path, tmp_path: Path) -> None:
    (tmp_path / "photo2.png").unlink()
    Image.new("RGB", (50, 40)).save(tmp_path / "photo3.png")
    picture = tmp_path / "face.png"
    found = run(result, FACE[6], "--image", picture)
    assert found.exit_code == 0
    assert "photo2.png: cannot be shown" in found.stderr
    assert "photo3.png: cannot be shown: changed since" in found.stderr
    for shown, expected in zip(
        colours_of(picture, 3), [COLOURS[6].tolist(), [96] * 3, [96] * 3], strict=True
    ):
        assert shown == pytest.approx(expected, abs=20)
    for photo in tmp_path.glob("photo*.png"):
        photo.unlink()
    picture.unlink()
    without = run(result, FACE[6])
    found = run(result, FACE[6], "--image", picture)
    assert (found.exit_code, found.stdout) == (1, without.stdout)
    assert (
        f"error: {picture}: there is no picture, as none of the photos can be shown ({tmp_path / 'photo6.png'}: "
        f"no such file or directory); if they were deleted, they leave the library with the next run over that "
        f"folder; if they were moved, type: facecluster run NEW_FOLDER -o {result}\n" in found.stderr
    )
    assert not picture.exists()


def test_files_of_the_user_are_not_replaced(result: Path, tmp_path: Path) -> None:
    before = (tmp_path / "photo0.png").read_bytes()
    assert "facecluster did not make it" in error(1, result, FACE[0], "--image", tmp_path / "photo0.png")
    assert (tmp_path / "photo0.png").read_bytes() == before
    assert "a picture's name ends in" in error(2, result, FACE[0], "--image", tmp_path / "a.txt")
    found = run(result, FACE[0], "--image", tmp_path / "no" / "a.png")
    assert (found.exit_code, found.stdout) == (1, run(result, FACE[0]).stdout)
    assert "is not a folder" in found.stderr


def test_person_of_one_founding_face_has_no_picture(table: FaceTable, result: Path, tmp_path: Path) -> None:
    (result / "clusters.json").write_text("".join(to_json(result_of(table, [0] + [-1] * 7, [0]))))
    found = run(result, "person-0001", "--image", tmp_path / "a.png")
    assert (found.exit_code, found.stdout) == (1, run(result, "person-0001").stdout)
    assert "no link to be drawn" in found.stderr


def test_real_photos_are_explained(shared_data: Path, tmp_path: Path) -> None:
    photos = sorted((shared_data / "seed_football129" / "person_2").iterdir())[:6]
    assert len(photos) == 6
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos:
        shutil.copy(photo, folder)
    found = click.testing.CliRunner().invoke(
        main, ["run", str(folder), "-o", str(tmp_path / "r"), "--link", "none", "-q", "-j", "1"]
    )
    assert found.exit_code == 0
    e = explained(tmp_path / "r", "person-0001", "--image", tmp_path / "a.png")
    assert 0 < e["weakest"]["distance"] < e["farthest"]["distance"]
    assert sum(e["weakest"]["sides"]) == e["n_founding"]
    face = explained(tmp_path / "r", folder / photos[0].name)
    assert face["own"]["distance"] < face["bounds"]["join"]
