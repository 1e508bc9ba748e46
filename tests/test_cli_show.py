from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click.testing
import pytest
from commands import on_terminal, refused
from PIL import Image
from tables import make_table, people
from test_explain import result_of
from test_show import IDS, LABEL, NAMES, REASONS, make

from facecluster.cli import main
from facecluster.cli.show import _FORMATS, photos_report
from facecluster.formats import face_table
from facecluster.formats.clusters_json import to_json
from facecluster.formats.labels_csv import read_labels
from facecluster.photos.decode import decode
from facecluster.photos.picture import pixel_digest
from facecluster.render.show import About, ShownPhoto


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["show", *map(str, arguments)])


def shown(*arguments: object) -> dict[str, Any]:
    found = run(*arguments)
    assert (found.exit_code, found.stderr) == (0, "")
    record: dict[str, Any] = json.loads(found.stdout)
    return record


error = partial(refused, run)


def ids(record: dict[str, Any]) -> list[str]:
    return [person["id"][-1] for person in record["people"]]


def names(record: dict[str, Any]) -> str:
    return "".join(Path(photo["path"]).stem for photo in record["photos"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The result of `test_show`, with the second person called Anna and the table beside it."""
    table = make([str(tmp_path / f"{name}.jpg") for name in NAMES])
    record = json.loads("".join(to_json(result_of(table, LABEL, core=[0, 1, 2], reasons=REASONS))))
    record["people"][1] |= {"name": "Anna", "former": ["person-0009"]}
    for person in record["people"]:
        for i, face in enumerate(person["faces"]):
            face["confidence"] = 90 - 10 * i
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "clusters.json").write_text(json.dumps(record))
    face_table.write(table, folder / "faces.npz")
    return folder


# ---------------------------------------------------------------------------------------------------- people


def test_all_people_are_listed(folder: Path, tmp_path: Path) -> None:
    record = shown(folder)
    assert (record["total"], record["next"]) == (2, None)
    assert record["people"][1] == {
        "id": "person-0002",
        "name": "Anna",
        "former": ["person-0009"],
        "n_faces": 3,
        "n_photos": 3,
        "cover": IDS[1],
        "cover_photo": str(tmp_path / "a.jpg"),
        "cover_box": [100, 200, 200, 300],
        "first_seen": "2000-01-01T00:00:00",
        "first_photo": str(tmp_path / "d.jpg"),
        "last_seen": "2002-01-01T00:00:00",
        "last_photo": str(tmp_path / "e.jpg"),
        "span_days": 731,
        "n_dated": 3,
        "attributes": None,
        "hidden": False,
    }
    assert shown(folder / "clusters.json") == record


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("faces", "12"), ("photos", "12"), ("id", "12"), ("name", "21"), ("first", "21"), ("last", "21")],
)
def test_people_are_sorted(folder: Path, sort: str, expected: str) -> None:
    assert "".join(ids(shown(folder, "--sort", sort))) == expected
    reverse = expected if sort == "name" else expected[::-1]  # who has no name is last either way
    assert "".join(ids(shown(folder, "--sort", sort, "--reverse"))) == reverse


def test_people_in_few_photos_are_left_out(folder: Path) -> None:
    assert ids(shown(folder, "--min-photos", 4)) == ["1"]
    found = run(folder, "--min-photos", 5)
    assert (found.exit_code, json.loads(found.stdout)["people"]) == (0, [])
    assert found.stderr == "nobody is like that\n"


def test_pages_of_people(folder: Path) -> None:
    first = run(folder, "--limit", 1)
    record = json.loads(first.stdout)
    assert (ids(record), record["total"], record["next"]) == (["1"], 2, "person-0001")
    assert first.stderr == "there are 2 in all; the next come with --after person-0001\n"
    assert run(folder, "--limit", 1, "-q").stderr == ""
    second = shown(folder, "--limit", 1, "--after", record["next"])
    assert (ids(second), second["next"]) == (["2"], None)
    assert run(folder, "--after", "anna").stderr == ""
    assert "not in this listing" in error(1, folder, "--min-photos", 4, "--after", "Anna")
    assert "no such person" in error(1, folder, "--after", "nobody")


# ---------------------------------------------------------------------------------------------------- photos


def test_photos_of_a_person_with_all_their_faces(folder: Path) -> None:
    record = shown(folder, "person-0001")
    assert names(record) == "aecb"  # by time; that of b is not known
    assert (ids(record), record["total"], record["next"]) == (["1"], 4, None)
    faces = record["photos"][0]["faces"]
    assert [(face["number"], face["id"], face["person"], face["name"]) for face in faces] == [
        (1, IDS[0], "person-0001", None),
        (2, IDS[1], "person-0002", "Anna"),
    ]
    assert [face["reason"] for face in record["photos"][2]["faces"]] == [None, "low_quality"]
    for who in ("anna", "person-0002", "person-0009"):
        assert names(shown(folder, who)) == "dae"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["person-0001", "--sort", "time", "--reverse"], "ceab"),
        (["person-0001", "--sort", "path"], "abce"),
        (["person-0001", "--sort", "faces"], "aceb"),
        (["person-0001", "--sort", "confidence"], "abce"),
        (["person-0001", "--sort", "confidence", "--reverse"], "ecba"),
        (["person-0001", "--only"], "b"),
        (["anna", "--only"], "d"),
        (["--together", "person-0001", "anna"], "ae"),
        (["person-0001", "--together", "anna", "person-0001"], "ae"),
        (["--together", "person-0001", "Anna", "--only", "--sort", "path", "--reverse"], "ea"),
        (["--photos"], "daecb"),
    ],
)
def test_photos_are_chosen_and_sorted(folder: Path, arguments: list[str], expected: str) -> None:
    assert names(shown(folder, *arguments)) == expected


def test_pages_of_photos(folder: Path, tmp_path: Path) -> None:
    pages, after = "", []
    for _ in range(3):
        record = json.loads(run(folder, "--photos", "--limit", 2, *after).stdout)
        pages += names(record) + " "
        assert record["total"] == 5
        after = ["--after", record["next"]]
    assert pages == "da ec b "
    assert record["next"] is None
    assert "not in this listing" in error(1, folder, "--photos", "--after", tmp_path / "f.jpg")


def test_one_photo_is_known_by_its_path_or_its_content(folder: Path, tmp_path: Path) -> None:
    record = shown(folder, "--photo", tmp_path / "c.jpg")
    assert (names(record), record["people"], len(record["photos"][0]["faces"])) == ("c", [], 2)
    file = tmp_path / "copy.png"
    Image.new("RGB", (9, 9)).save(file)
    clusters = folder / "clusters.json"
    clusters.write_text(clusters.read_text().replace(IDS[3][:-2], pixel_digest(decode(file).pixels, (9, 9))))
    assert names(shown(folder, "--photo", file)) == "c"


def test_photo_without_a_face_is_told(folder: Path, tmp_path: Path) -> None:
    (photo,) = shown(folder, "--photo", tmp_path / "f.jpg")["photos"]
    assert (photo["status"], photo["faces"], photo["n_faces"]) == ("no_face", [], 0)
    assert "f.jpg  no face" in on_terminal("show", folder, "--photo", tmp_path / "f.jpg")[1]


def test_photo_that_is_not_there_is_an_error(folder: Path, tmp_path: Path) -> None:
    assert "no such photo" in error(1, folder, "--photo", tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes(b"x")
    assert "no such photo in the library" in error(1, folder, "--photo", tmp_path / "x.jpg")


# --------------------------------------------------------------------------------------------------- formats


def test_lines_of_json(folder: Path) -> None:
    lines = run(folder, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == shown(folder)["people"]
    lines = run(folder, "anna", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == shown(folder, "anna")["photos"]


def test_csv_of_photos_can_be_made_labels(folder: Path, tmp_path: Path) -> None:
    text = run(folder, "--photos", "--format", "csv").stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 9
    labels = tmp_path / "labels.csv"
    labels.write_text(text.replace(",person,", ",label,", 1))
    known = read_labels(labels)
    assert (known.kind, len(known.names)) == ("face", 7)
    assert run(folder, "--format", "csv").stdout.startswith("id,name,n_faces,")


def test_paths_feed_xargs(folder: Path, tmp_path: Path) -> None:
    a, b, c, d, e = (str(tmp_path / f"{name}.jpg") for name in "abcde")
    assert run(folder, "anna", "--format", "paths").stdout == f"{d}\n{a}\n{e}\n"
    assert run(folder, "anna", "-0").stdout == f"{d}\0{a}\0{e}\0"
    everyone = run(folder, "-0").stdout.split("\0")
    assert sorted(everyone) == ["", a, b, c, d, e]
    assert sorted(run(folder, "-0", "--limit", 1).stdout.split("\0")) == ["", a, b, c, e]


def test_paths_that_are_no_text_come_out_as_they_are(folder: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")
    clusters = folder / "clusters.json"
    clusters.write_text(clusters.read_text().replace(f"{tmp_path}/b.jpg", json.dumps(odd)[1:-1]))
    found = run(folder, "person-0001", "--only", "-0")
    assert found.stdout_bytes == os.fsencode(odd) + b"\0"
    found = run(folder, "person-0001", "--only", "--format", "csv")
    assert os.fsencode(odd) in found.stdout_bytes
    assert names(shown(folder, "person-0001", "--only")) == "\udcff"
    assert run(folder, "person-0001", "--only", "--imm").exit_code == 0


def test_paths_and_names_that_are_no_text_are_listed_in_every_format(folder: Path, tmp_path: Path) -> None:
    clusters = folder / "clusters.json"
    text = clusters.read_text().replace(f"{tmp_path}/", f"{tmp_path}/\\udcff")
    clusters.write_text(text.replace('"Anna"', '"Anna \\udcfe"'))
    for arguments in ([], ["--photos"], ["person-0002"], ["--photo", tmp_path / "\udcffa.jpg"]):
        for options in (["-0"], ["--imm"], *(["--format", form] for form in _FORMATS)):
            found = run(folder, *arguments, *options, "-q")
            assert (found.exit_code, found.stderr) == (0, ""), (arguments, options)
            as_bytes = options[-1] in ("-0", "paths", "csv")
            path = os.fsencode(tmp_path) + (b"/\xffa.jpg" if as_bytes else rb"/\udcffa.jpg")
            assert path in found.stdout_bytes, (arguments, options)


def test_what_no_bytes_stand_for_is_refused(folder: Path, tmp_path: Path) -> None:
    clusters = folder / "clusters.json"
    sound = clusters.read_text()
    for text in (
        sound.replace(f"{tmp_path}/b.jpg", f"{tmp_path}/\\ud800.jpg"),
        sound.replace('"Anna"', '"Anna \\ud800"'),
    ):
        clusters.write_text(text)
        refused = run(folder, "--photos", "--format", "paths")
        assert refused.exit_code == 1
        assert (
            f"{clusters}: not a result, or damaged: a text has a zero or half a letter in it"
            in refused.stderr
        )


def test_paths_that_the_locale_cannot_write_come_out_in_utf8(folder: Path, tmp_path: Path) -> None:
    clusters = folder / "clusters.json"
    clusters.write_text(clusters.read_text().replace(f"{tmp_path}/b.jpg", f"{tmp_path}/\\u00e9.jpg"))
    # Python takes names for ASCII then.
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for form in ("paths", "csv"):
        command = [sys.executable, "-m", "facecluster", "show", folder, "--photos", "--format", form]
        found = subprocess.run(command, capture_output=True, env={**os.environ, **plain}, check=True)
        assert f"{tmp_path}/é.jpg".encode() in found.stdout


def test_reason_of_a_photo_cannot_move_the_cursor() -> None:
    about = About(status="unreadable", reason="no\x1b[2J photo \udcff")
    (line,) = photos_report([], [ShownPhoto("/a.jpg", about, ())])
    assert line == "/a.jpg  no\\x1b[2J photo \\udcff"


def test_imm_answers_both_queries(folder: Path, tmp_path: Path) -> None:
    clusters = json.loads(run(folder, "--imm", "--limit", 1).stdout)
    assert (clusters["TotalCount"], clusters["NextToken"]) == (2, "person-0001")
    assert [cluster["ObjectId"] for cluster in clusters["FigureClusters"]] == ["person-0001"]
    assert clusters["FigureClusters"][0]["Cover"]["URI"] == (tmp_path / "a.jpg").as_uri()
    files = shown(folder, "person-0002", "--imm")
    assert (files["TotalHits"], files["NextToken"]) == (3, "")
    of_clusters = [figure["FigureClusterId"] for figure in files["Files"][0]["Figures"]]
    assert of_clusters == ["person-0002", "figure-cluster-id-independent"]
    lines = run(folder, "person-0002", "--imm", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == files["Files"]


def test_a_terminal_gets_a_table_of_people(folder: Path, tmp_path: Path) -> None:
    exit_code, text, stderr = on_terminal("show", folder)
    assert (exit_code, stderr) == (0, "")
    lines = text.splitlines()
    assert lines[0].split() == ["person", "faces", "photos", "first", "seen", "last", "seen", "name", "cover"]
    assert lines[1].startswith("person-0001      4       4  2001-01-01  2003-01-01  -     ")
    assert lines[2].startswith("person-0002      3       3  2000-01-01  2002-01-01  Anna  ")
    assert all(line.endswith("a.jpg") for line in lines[1:])
    assert json.loads(on_terminal("show", folder, "--format", "json")[1]) == shown(folder)
    assert run(folder, "--format", "table").stdout.endswith(f"Anna  {tmp_path / 'a.jpg'}\n")


def test_no_angle_is_minus_zero(folder: Path) -> None:
    file = folder / "clusters.json"
    record = json.loads(file.read_text())
    for face in record["people"][1]["faces"]:
        face["pose"]["pitch"] = -0.3
    file.write_text(json.dumps(record))
    shown = on_terminal("show", folder, "anna")[1]
    assert shown.count("pitch 0°") >= 3
    assert "-0°" not in shown


def test_a_terminal_gets_photos_and_their_faces(folder: Path, tmp_path: Path) -> None:
    exit_code, text, stderr = on_terminal("show", folder, "anna")
    assert (exit_code, stderr) == (0, "")
    lines = text.splitlines()
    cover = tmp_path / "a.jpg"
    assert lines[0] == (
        "person-0002 (Anna): 3 faces in 3 photos, 2000-01-01 to 2002-01-01, formerly person-0009, cover "
        f"{cover}"
    )
    assert lines[2] == f"{tmp_path / 'd.jpg'}  2000-01-01 00:00"
    start = "  #1  person-0002 (Anna)  "
    assert lines[3].startswith(start)
    assert lines[3].endswith("100x100 at 100,200  pitch 0°  yaw 0°  roll 0°  quality 0.90  confidence 80 %")
    assert lines[4].startswith("  #2  nobody: ")
    assert "confidence" not in lines[4]


def test_a_terminal_gets_no_control_characters(folder: Path) -> None:
    clusters = folder / "clusters.json"
    clusters.write_text(clusters.read_text().replace("a.jpg", "\\u001b[31m.jpg"))
    for arguments in ([], ["person-0001"]):
        assert "\x1b" not in on_terminal("show", folder, *arguments)[1]


# ----------------------------------------------------------------------------------------------------- table


def test_without_a_face_table_times_are_null_and_a_notice_tells_so(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.npz"
    (folder / "faces.npz").rename(elsewhere)
    found = run(folder)
    assert found.exit_code == 0
    assert "its face table is gone" in found.stderr
    assert "--table FILE" in found.stderr
    assert [person["first_seen"] for person in json.loads(found.stdout)["people"]] == [None, None]
    assert run(folder, "-q").stderr == ""
    assert json.loads(run(folder, "anna", "-q").stdout)["photos"][0]["time"] is None
    assert run(folder, "--imm", "-q").exit_code == 0
    assert shown(folder, "--table", elsewhere)["people"][0]["first_seen"] == "2001-01-01T00:00:00"
    record = json.loads((folder / "clusters.json").read_text())
    record["settings"]["table"] = str(elsewhere)
    (folder / "clusters.json").write_text(json.dumps(record))
    assert shown(folder)["people"][0]["first_seen"] == "2001-01-01T00:00:00"


def test_photos_that_the_face_table_lacks_are_told(folder: Path, tmp_path: Path) -> None:
    face_table.write(make_table(people(1, 1), paths=[str(tmp_path / "a.jpg")]), tmp_path / "other.npz")
    found = run(folder, "--table", tmp_path / "other.npz")
    assert found.exit_code == 0
    assert "its face table lacks 4 photos" in found.stderr


def test_broken_face_table_is_told(folder: Path) -> None:
    (folder / "faces.npz").write_bytes(b"PK nonsense")
    found = run(folder)
    assert found.exit_code == 0
    assert "damaged" in found.stderr
    assert "damaged" in error(1, folder, "--table", folder / "faces.npz")


# ----------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["anna", "--photos"], "give one of the three"),
        (["anna", "--photo", "a.jpg"], "give one of the three"),
        (["--photo", "a.jpg", "--together", "a", "b"], "give one of the three"),
        (["--only"], "--only: say whom"),
        (["--photos", "--only"], "--only: say whom"),
        (["anna", "--min-photos", "2"], "--min-photos is about people"),
        (["--sort", "time"], "people are sorted by faces, photos"),
        (["anna", "--sort", "name"], "photos are sorted by time, path"),
        (["-0", "--format", "csv"], "-0 is about paths"),
        (["--json", "--format", "csv"], "--json is a format; leave --format csv out"),
        (["--json", "-0"], "--json is a format; leave -0 out"),
        (["--imm", "--format", "csv"], "--imm is about JSON"),
        (["--imm", "-0"], "--imm is about JSON"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_options_that_make_no_sense_together(folder: Path, arguments: list[str], message: str) -> None:
    assert message in error(2, folder, *arguments)


def test_whoever_is_not_there_is_an_error(folder: Path, tmp_path: Path) -> None:
    assert "no such person" in error(1, folder, "person-0007")
    (tmp_path / "empty").mkdir()
    assert "holds no clusters.json" in error(1, tmp_path / "empty")


def test_result_of_nobody(tmp_path: Path) -> None:
    table = make()
    (tmp_path / "clusters.json").write_text("".join(to_json(result_of(table, [-1] * 9))))
    face_table.write(table, tmp_path / "faces.npz")
    found = run(tmp_path)
    assert (found.exit_code, json.loads(found.stdout)) == (0, {"total": 0, "next": None, "people": []})
    assert names(shown(tmp_path, "--photos")) == "daecb"


def test_real_photos_are_shown(shared_data: Path, tmp_path: Path) -> None:
    photos = sorted((shared_data / "seed_football129" / "person_2").iterdir())[:6]
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos:
        shutil.copy(photo, folder)
    found = click.testing.CliRunner().invoke(
        main, ["run", str(folder), "-o", str(tmp_path / "r"), "--link", "none", "-q", "-j", "1"]
    )
    assert found.exit_code == 0
    (person,) = shown(tmp_path / "r")["people"]
    record = shown(tmp_path / "r", person["id"])
    assert record["total"] == person["n_photos"] == len(record["photos"])
    one = shown(tmp_path / "r", "--photo", photos[0])  # the original: known by its content
    assert one["photos"][0]["path"] == str(folder / photos[0].name)
