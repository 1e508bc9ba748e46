from __future__ import annotations

import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable.own_files import ResultFolder
from facecluster.errors import FaceclusterError
from facecluster.formats import face_table
from facecluster.identity.gate import Limits
from facecluster.library.folders import write_result
from facecluster.library.settings import Choices
from facecluster.table import UNREADABLE, FaceTable


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["cluster", *map(str, arguments)], input=stdin)


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    """Two people in three and four photos, and one stranger, in photos that are there."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [str(folder / f"{i}.png") for i in range(8)]
    for i, path in enumerate(paths):
        Image.new("RGB", (400, 400), (30 * i, 100, 100)).save(path)
    encoding = people(3, 4)[[0, 1, 2, 4, 5, 6, 7, 8]]
    return make_table(encoding, paths=paths, photos={"size": [[400, 400]] * 8})


@pytest.fixture
def file(table: FaceTable, tmp_path: Path) -> Path:
    face_table.write(table, tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


@pytest.mark.parametrize("verb", ["cluster", "run"])
def test_name_of_the_folder_cannot_move_the_cursor(verb: str, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "x\n\x1b[31mred"
    given = file if verb == "cluster" else tmp_path / "photos"
    result = CliRunner().invoke(main, [verb, str(given), "-o", str(out), "--link", "none", "-j", "1"])
    assert result.exit_code == 0, result.output
    shown = f"{tmp_path}/x\\n\\x1b[31mred"
    assert f"\n{shown}: clusters.json" in result.stderr
    assert f"\n{shown}/faces.npz: " in result.stderr or verb == "cluster"
    assert "\x1b" not in result.stderr


def test_people_on_a_terminal_summary_on_stderr_pictures_in_the_folder(file: Path, tmp_path: Path) -> None:
    code, shown, stderr = on_terminal("cluster", file, "-o", tmp_path / "out")
    assert code == 0, stderr
    lines = [line.split(maxsplit=3) for line in shown.splitlines()]
    assert lines[0] == ["person", "faces", "photos", "cover"]
    assert [line[:3] for line in lines[1:]] == [["person-0001", "4", "4"], ["person-0002", "3", "3"]]
    assert Path(lines[1][3]).parent == tmp_path / "photos"
    assert "2 people with 7 of 8 faces" in stderr
    assert "1  like nobody else" in stderr
    assert str(tmp_path / "out") in stderr
    out = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("[!.]*"))
    assert out == [
        "clusters.json", "index.jpg",
        "person-0001", *(f"person-0001/{i}.png" for i in (3, 4, 5, 6)), "person-0001_montage.jpg",
        "person-0002", *(f"person-0002/{i}.png" for i in (0, 1, 2)), "person-0002_montage.jpg",
        "unclustered", "unclustered/7.png",
    ]  # fmt: skip
    with Image.open(tmp_path / "out" / "person-0001_montage.jpg") as montage:
        assert montage.info["comment"] == b"person-0001: 4 of 4 faces"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_json_in_a_pipe_is_the_file(options: list[str], file: Path, tmp_path: Path) -> None:
    result = run(file, "-o", tmp_path / "out", "-q", *options)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (tmp_path / "out" / "clusters.json").read_text()
    assert json.loads(result.stdout)["counts"]["people"] == 2


@pytest.mark.parametrize("verb", ["cluster", "run"])
def test_a_terminal_gets_json_only_where_asked(verb: str, file: Path, tmp_path: Path) -> None:
    given = file if verb == "cluster" else tmp_path / "photos"
    command = (verb, given, "-o", tmp_path / "out", "-j", 1, "-q")
    code, shown, stderr = on_terminal(*command)
    assert (code, stderr) == (0, "")
    assert "{" not in shown
    code, shown, stderr = on_terminal(*command, "--json")
    assert (code, stderr) == (0, "")
    told = json.loads(shown)
    if verb == "run":
        assert (told.pop("not_looked_at"), told.pop("raw_shown")) == ({}, {})
    assert told == json.loads((tmp_path / "out" / "clusters.json").read_text())


def test_options_of_the_older_script_and_standard_input(file: Path, tmp_path: Path) -> None:
    named = run("-e", file, "-j", -1, "--output", tmp_path / "a", "--json")
    piped = run("-", "--output", tmp_path / "b", "--json", stdin=file.read_bytes())
    assert named.exit_code == piped.exit_code == 0
    assert json.loads(named.stdout)["settings"]["table"] == str(file)
    assert named.stdout.replace(json.dumps(str(file)), "null") == piped.stdout


def test_run_again_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name[0] != "."}

    assert run(file, "-o", tmp_path / "out").exit_code == 0
    first = content()
    assert run(file, "-o", tmp_path / "out").exit_code == 0
    assert content() == first
    assert run(file, "-o", tmp_path / "out", "--min-images", 4, "--link", "none").exit_code == 0
    assert {p.name for p in content()} == {"clusters.json", "index.jpg", "person-0001_montage.jpg"}


def record(folder: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((folder / "clusters.json").read_text())  # type: ignore[no-any-return]


def ids(folder: Path) -> dict[str, set[str]]:
    """Names of the photos of each person."""
    return {p["id"]: {Path(f["photo"]).stem for f in p["faces"]} for p in record(folder)["people"]}


def part_of(table: FaceTable, rows: list[int]) -> FaceTable:
    """A table of some faces, with all photos."""
    faces = replace(table.faces, **{name: column[rows] for name, column in vars(table.faces).items()})
    return replace(table, faces=faces)


def test_ids_stay_when_photos_are_added(table: FaceTable, tmp_path: Path) -> None:
    # person 1 of the first run has three photos, the other two join her later and make her the smaller one
    out = tmp_path / "out"
    cluster_table(part_of(table, [0, 1, 2]), out)
    assert ids(out) == {"person-0001": {"0", "1", "2"}}
    result = cluster_table(table, out)
    assert [person.id for person in result.people] == ["person-0002", "person-0001"]
    assert ids(out) == {"person-0001": {"0", "1", "2"}, "person-0002": {"3", "4", "5", "6"}}
    assert record(out)["changes"] == {"appeared": ["person-0002"], "vanished": [], "merged": [], "split": []}
    assert record(out)["next_id"] == 3
    assert {p.name for p in (out / "person-0002").iterdir()} == {"3.png", "4.png", "5.png", "6.png"}
    with Image.open(out / "person-0002_montage.jpg") as montage:
        assert montage.info["comment"] == b"person-0002: 4 of 4 faces"
    cluster_table(table, tmp_path / "fresh")
    assert ids(tmp_path / "fresh")["person-0001"] == {"3", "4", "5", "6"}


def test_second_run_changes_nothing_whatever_came_before(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cluster_table(part_of(table, [0, 1, 2]), out)
    cluster_table(table, out)
    cluster_table(table, out)
    second = (out / "clusters.json").read_bytes()
    cluster_table(table, out)
    assert (out / "clusters.json").read_bytes() == second
    assert record(out)["changes"] == {"appeared": [], "vanished": [], "merged": [], "split": []}


def test_somebody_who_was_gone_gets_the_id_back(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cluster_table(table, out)
    cluster_table(part_of(table, [0, 1, 2]), out)
    assert record(out)["changes"]["vanished"] == ["person-0001"]
    assert ids(out) == {"person-0002": {"0", "1", "2"}}
    cluster_table(table, out)
    assert ids(out) == {"person-0002": {"0", "1", "2"}, "person-0001": {"3", "4", "5", "6"}}
    assert record(out)["changes"]["appeared"] == ["person-0001"]
    assert record(out)["absent"] == []


def test_people_who_vanish_by_a_stricter_run_come_back_as_they_were(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cluster_table(table, out, Choices(link="none"))
    before = ids(out)
    for _ in range(2):
        cluster_table(table, out, Choices(min_size_px=500, link="none"))
        assert ids(out) == {}
        assert {one["id"] for one in record(out)["absent"]} == {"person-0001", "person-0002"}
    cluster_table(table, out, Choices(min_size_px=Limits().min_size_px))
    assert (ids(out), record(out)["absent"]) == (before, [])


@pytest.mark.parametrize(
    "decision",
    [
        ["merge", "out", "person-0001", "person-0002"],
        ["merge", "out", "person-0002", "person-0001"],
        ["not-a-person", "out", "person-0001"],
    ],
)
def test_undo_gives_the_ids_back(
    decision: list[str], table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    named = replace(table, faces=replace(table.faces, id=np.char.add(table.photos.digest, "-0")))
    face_table.write(named, out / "faces.npz")
    cluster_table(named, out, Choices(link="none"), source=str(out / "faces.npz"))
    before = (out / "clusters.json").read_bytes()
    for arguments in (decision, ["undo", "out"]):
        assert CliRunner().invoke(main, arguments).exit_code == 0
    assert [person["former"] for person in record(out)["people"]] == [[], []]
    assert (
        CliRunner().invoke(main, ["cluster", "out/faces.npz", "-o", "out", "--link", "none"]).exit_code == 0
    )
    assert (out / "clusters.json").read_bytes() == before


def test_update_keeps_who_is_absent(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cluster_table(table, out, Choices(link="none"))
    cluster_table(part_of(table, [0, 1, 2]), out, Choices(link="none"))
    absent = record(out)["absent"]
    assert [one["id"] for one in absent] == ["person-0001"]
    cluster_table(part_of(table, [0, 1, 2, 3]), out, Choices(link="none"), update=True)
    assert (record(out)["absent"], record(out)["settings"]["update"]["updates"]) == (absent, 1)
    cluster_table(table, out, Choices(link="none"), update=True)
    assert (set(ids(out)), record(out)["absent"]) == ({"person-0001", "person-0002"}, [])


def test_merged_and_split_people_are_recorded(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cluster_table(table, out)
    spots = [
        [[str(table.faces.id[row]), table.faces.box[row].tolist()] for row in rows]
        for rows in ((3, 4), (0, 1))
    ]
    merge = {"do": "merge", "people": ["person-0001", "person-0002"], "faces": spots}
    (tmp_path / "merge.jsonl").write_text(json.dumps({"id": "0a", "time": "2026-01-01T00:00:00Z", **merge}))
    cluster_table(table, out, decisions=tmp_path / "merge.jsonl")
    (one,) = record(out)["people"]
    assert (one["id"], one["former"], one["n_faces"]) == ("person-0001", ["person-0002"], 7)
    assert record(out)["changes"] == {
        "appeared": [],
        "vanished": ["person-0002"],
        "merged": [{"into": "person-0001", "from": ["person-0001", "person-0002"]}],
        "split": [],
    }
    (tmp_path / "merge.jsonl").unlink()
    cluster_table(table, out)
    assert record(out)["changes"] == {
        "appeared": ["person-0002"],
        "vanished": [],
        "merged": [],
        "split": [{"from": "person-0001", "into": ["person-0001", "person-0002"]}],
    }
    assert [one["former"] for one in record(out)["people"]] == [[], []]


def test_ids_survive_renamed_photos_and_other_boxes(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    digest = table.photos.digest[table.faces.photo]
    named = replace(table.faces, id=np.char.add(digest, "-0"))
    cluster_table(part_of(replace(table, faces=named), [0, 1, 2]), out, Choices(link="none"))
    moved = replace(table.photos, path=np.char.replace(table.photos.path, "photos", "pictures"))
    other = replace(named, id=np.char.add(digest, "-3"), box=table.faces.box + np.float32(9))
    cluster_table(replace(table, photos=moved, faces=other), out, Choices(link="none"))
    assert ids(out)["person-0001"] == {"0", "1", "2"}


def test_names_stay_with_their_people(table: FaceTable, tmp_path: Path) -> None:
    # as a program that knows the format might write them
    out = tmp_path / "out"
    result = cluster_table(part_of(table, [0, 1, 2]), out)
    named = replace(result, people=(replace(result.people[0], name="Zoë"),))
    write_result(named, out, pictures={}, link="copy", changed=())
    cluster_table(table, out)
    assert [(p["id"], p["name"]) for p in record(out)["people"]] == [
        ("person-0002", None),
        ("person-0001", "Zoë"),
    ]


def test_names_and_changes_are_told(file: Path, table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = cluster_table(part_of(table, [0, 1, 2]), out)
    named = replace(result, people=(replace(result.people[0], name="Zoë \udcff"),))
    write_result(named, out, pictures={}, link="copy", changed=())
    _, shown, stderr = on_terminal("cluster", file, "-o", out)
    assert [line.split()[:4] for line in shown.splitlines()] == [
        ["person", "faces", "photos", "name"],
        ["person-0002", "4", "4", "-"],
        ["person-0001", "3", "3", "Zoë"],
    ]
    assert "since the earlier result: 1 appeared" in stderr
    assert "since the earlier result" not in run(file, "-o", out).stderr


def test_decisions_beside_the_result_or_elsewhere_are_kept_to(
    file: Path, table: FaceTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def spots(*rows: int) -> list[list[object]]:
        return [[str(table.faces.id[row]), table.faces.box[row].tolist()] for row in rows]

    lines = [
        {"do": "name", "person": "person-0002", "name": "Zoë", "faces": spots(0, 1, 2)},
        {
            "do": "move",
            "person": "person-0001",
            "into": None,
            "faces": spots(3),
            "to": None,
            "from": spots(4, 5, 6),
        },
    ]
    ledger = tmp_path / "elsewhere.jsonl"
    text = "".join(
        json.dumps({"id": f"{i:08x}", "time": f"2026-01-01T00:00:0{i}.000000Z", **line}) + "\n"
        for i, line in enumerate(lines)
    )
    ledger.write_text(text)
    assert run(file, "-o", tmp_path / "a", "--decisions", ledger).exit_code == 0
    (tmp_path / "b").mkdir()
    shutil.copy(ledger, tmp_path / "b" / "decisions.jsonl")
    assert run(file, "-o", tmp_path / "b").exit_code == 0
    for out in (tmp_path / "a", tmp_path / "b"):
        assert [(p["name"], p["n_faces"]) for p in record(out)["people"]] == [("Zoë", 3), (None, 3)]
        assert len(record(out)["settings"]["decisions"]) == 16
    assert record(tmp_path / "a")["settings"]["decisions_file"] == str(ledger)
    assert record(tmp_path / "b")["settings"]["decisions_file"] is None
    assert (tmp_path / "b" / "decisions.jsonl").read_text() == text
    first = (tmp_path / "b" / "clusters.json").read_bytes()
    assert run(file, "-o", tmp_path / "b").exit_code == 0
    assert (tmp_path / "b" / "clusters.json").read_bytes() == first
    assert (tmp_path / "b" / "decisions.jsonl").read_text() == text
    assert run(file, "-o", tmp_path / "a").exit_code == 0
    assert [p["name"] for p in record(tmp_path / "a")["people"]] == ["Zoë", None]
    ledger.unlink()
    caplog.clear()
    result = run(file, "-o", tmp_path / "a")
    assert (result.exit_code, f"{ledger}: lacks the decisions" in result.stderr) == (1, True)
    assert run(file, "-o", tmp_path / "a", "-y").exit_code == 0
    assert f"made with the decisions of {ledger}, which are not there; give the file" in caplog.text
    assert [p["name"] for p in record(tmp_path / "a")["people"]] == [None, None]
    result = run(file, "-o", tmp_path / "a", "--decisions", tmp_path / "none.jsonl")
    assert (result.exit_code, "none.jsonl" in result.stderr) == (2, True)


def test_damaged_record_is_set_aside(
    table: FaceTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    cluster_table(table, out)
    status = (out / "clusters.json").stat()
    content = (out / "clusters.json").read_bytes()
    rotten = content.replace(b'"format": 2', b'"format": !')
    (out / "clusters.json").write_bytes(rotten)
    os.utime(out / "clusters.json", ns=(status.st_atime_ns, status.st_mtime_ns))
    cluster_table(table, out)
    assert "not JSON" in caplog.text
    assert "clusters.damaged.json, and people get new ids" in caplog.text
    assert (out / "clusters.json").read_bytes() == content
    assert (out / "clusters.damaged.json").read_bytes() == rotten


def test_run_that_was_killed_loses_no_ids(
    table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    cluster_table(part_of(table, [0, 1, 2]), out)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for name in ("write", "place"):
        with monkeypatch.context() as patch:
            patch.setattr(ResultFolder, name, die)
            with pytest.raises(KeyboardInterrupt):
                cluster_table(table, out)
    assert not (out / "person-0002_montage.jpg").exists()
    cluster_table(table, out)
    assert ids(out)["person-0001"] == {"0", "1", "2"}
    assert (out / "person-0001_montage.jpg").exists()


def test_only_changed_montages_are_made_anew(table: FaceTable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = cluster_table(table, out)
    sizes = table.photos.pictures()
    montages = sorted(out.glob("*_montage.jpg"))
    before = [montage.stat().st_ino for montage in montages]
    write_result(result, out, pictures=sizes, link="copy")
    assert [montage.stat().st_ino for montage in montages] == before
    montages[0].unlink()
    write_result(result, out, pictures=sizes, link="copy", changed=())
    assert not montages[0].exists()
    write_result(result, out, pictures=sizes, link="copy", changed={"person-0001"})
    assert montages[0].exists()
    assert montages[1].stat().st_ino == before[1]


def test_ids_that_lead_elsewhere_are_refused(table: FaceTable, tmp_path: Path) -> None:
    result = cluster_table(table, tmp_path / "out")
    for strange in ("../person-0001", "person-0002", "person-0001\n", ""):
        people = (replace(result.people[0], id=strange), *result.people[1:])
        with pytest.raises(FaceclusterError, match="record of people is damaged"):
            write_result(replace(result, people=people), tmp_path / "out", pictures={}, link="copy")


def test_limits_are_passed_on(file: Path, tmp_path: Path) -> None:
    def people_with(*options: object) -> int:
        defaults = ("--default-settings", "--link", "none", "--json")
        result = run(file, "-o", tmp_path / "out", *defaults, *options)
        assert result.exit_code == 0, result.output
        return int(json.loads(result.stdout)["counts"]["people"])

    assert people_with("--min-images", 4) == 1
    assert people_with("--min-size", 100) == 0
    assert people_with("--max-angle", 0) == 0
    assert people_with("--min-quality", 0.9) == 0
    assert people_with("--min-quality", 0.9, "--no-gate") == 2
    assert people_with("--eps", 0.01) == 0
    assert people_with("--min-images", 1, "--min-samples", 1) == 3
    assert record(tmp_path / "out")["settings"]["cluster"]["min_samples"] == 1


def test_nobody_is_an_answer_that_says_why(file: Path, tmp_path: Path) -> None:
    result = run(file, "-o", tmp_path / "out", "--min-size", 500)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["people"] == []
    assert on_terminal("cluster", file, "-o", tmp_path / "out", "-q") == (0, "", "")
    assert "8  too small" in result.stderr
    assert "no one is in 3 different photos" in result.stderr
    face_table.write(make_table([]), tmp_path / "empty.npz")
    result = run(tmp_path / "empty.npz", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "there is no face in the table" in result.stderr


def almost_lines(result: Result) -> list[str]:
    """The lines of the summary that tell of almost-people."""
    lines = result.stderr.splitlines()
    return [line for line in lines if line.startswith(("almost a person: ", "... and"))]


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ({"pose": [[0] * 3, [0] * 3, [0, -34.2, 0]]}, "c.jpg fails yaw 34° (limit 30°)"),
        ({"pose": [[0] * 3, [0] * 3, [30, 0, 0]]}, "c.jpg fails pitch 30° (limit 30°)"),
        ({"pose": [[0] * 3, [0] * 3, [0, 0, 30.03]]}, "c.jpg fails roll 30.03° (limit 30°)"),
        ({"box": [[0, 0, 90, 90]] * 2 + [[0, 0, 90, 62]]}, "c.jpg fails size 62 px (limit 75 px)"),
        ({"quality": [0.9, 0.9, 0.71]}, "c.jpg fails quality 0.71 (limit 0.8)"),
        ({"quality": [0.9, 0.9, 0.7996]}, "c.jpg fails quality 0.7996 (limit 0.8)"),
        ({"quality": [0.9, 0.9, np.nan]}, "c.jpg has no measured quality"),
        (
            {"pose": [[0] * 3, [0] * 3, [np.nan] * 3]},
            "c.jpg is too unclear to tell which way the head is turned",
        ),
        (
            {"quality": [0.9, 0.9, 0.5], "pose": [[0] * 3, [0] * 3, [0, 40, 0]]},
            "c.jpg fails yaw 40° (limit 30°) and quality 0.50 (limit 0.8)",
        ),
        (
            {"quality": [0.9, 0.9, 0.5], "pose": [[0] * 3, [0] * 3, [np.nan] * 3]},
            "c.jpg fails quality 0.50 (limit 0.8), is too unclear to tell which way the head is turned",
        ),
        (
            {"photos": {"hash": [0b1111, 0b1111 << 20, 0b11111 << 20]}},
            "c.jpg is nearly the same picture as another photo (counts once)",
        ),
    ],
)
def test_almost_a_person_says_what_is_missing(
    columns: dict[str, object], missing: str, tmp_path: Path
) -> None:
    paths = ["/p/a.jpg", "/p/b.jpg", "/p/c.jpg"]
    face_table.write(make_table(people(1, 3), paths=paths, **columns), tmp_path / "faces.npz")  # type: ignore[arg-type]
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none")
    assert (result.exit_code, json.loads(result.stdout)["people"]) == (0, [])
    assert almost_lines(result) == [f"almost a person: 2 of 3 photos (a.jpg, b.jpg); {missing}"]


def test_two_good_photos_are_almost_a_person(file: Path, tmp_path: Path) -> None:
    result = run(file, "-o", tmp_path / "out", "--link", "none")
    assert almost_lines(result) == []
    result = run(file, "-o", tmp_path / "out", "--link", "none", "--min-images", 5)
    assert almost_lines(result) == [
        "almost a person: 4 of 5 photos (3.png, 4.png, 5.png, 1 more)",
        "almost a person: 3 of 5 photos (0.png, 1.png, 2.png)",
    ]


def test_what_to_type_for_an_almost_person_works_as_it_is_printed(file: Path, tmp_path: Path) -> None:
    library = tmp_path / "my out"
    result = run(file, "-o", library, "--link", "none", "--min-images", 5)
    shown = f"  to see them: facecluster show '{library}' --nobody"
    typed = f"facecluster name '{library}' NAME 3.png 4.png 5.png 6.png"
    lines = result.stderr.splitlines()
    assert shown in lines
    assert f"  to make the first a person all the same: {typed}" in lines
    refused = CliRunner().invoke(main, shlex.split(typed)[1:])
    assert (refused.exit_code, refused.stderr) == (2, "facecluster: error: give a name in place of NAME\n")
    done = CliRunner().invoke(main, shlex.split(typed.replace("NAME", "Eva"))[1:])
    assert done.exit_code == 0, done.output
    assert [p["name"] for p in json.loads((library / "clusters.json").read_text())["people"]] == ["Eva"]


def test_verbose_writes_options_as_they_are_typed(file: Path, tmp_path: Path) -> None:
    told = run(file, "-o", tmp_path / "out", "--link", "none", "-v", "--no-gate", "--min-size", 60).stderr
    (used,) = (line for line in told.splitlines() if line.startswith("used: "))
    options, _, distances = used.removeprefix("used: ").partition("; ")
    assert options == (
        "--no-gate --eps 0.8 --min-samples 3 --min-images 3 --min-size 60 --max-angle 30 --min-quality 0.8 "
        "--same-photo prefer --video join"
    )
    assert distances == "a face joins a person within 1.06 on average, if it is nearer than to others by 0.05"
    again = run(file, "-o", tmp_path / "out", *options.split(), "--link", "none", "-v")
    assert used in again.stderr.splitlines()


def test_photo_that_shows_a_person_twice_is_named_and_others_are_not_counted(tmp_path: Path) -> None:
    photos = {"size": [[1000, 400]] * 3}
    paths = [f"/photos/{i}.jpg" for i in range(3)]
    table = make_table(
        people(1, 4), paths=paths, photos=photos, photo=np.array([0, 0, 1, 2], np.int32),
        box=np.array([[0, 0, 100, 100], [300, 0, 400, 100], [0, 0, 100, 100], [0, 0, 100, 100]], np.float32),
    )  # fmt: skip
    face_table.write(table, tmp_path / "faces.npz")
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none", "--same-photo", "allow")
    twice = (
        "in 1 of 1 photo with several people, one of them is there twice: person-0001 in 0.jpg. To see why: "
    )
    assert f"{twice}facecluster explain {tmp_path / 'out'} '0.jpg#" in result.stderr
    separate = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none", "--same-photo", "forbid")
    assert "twice" not in separate.stderr


def test_photos_whose_faces_are_forgotten_are_not_without_a_face(tmp_path: Path) -> None:
    table = make_table(people(1, 4), id=[f"{i:032x}-0" for i in range(1, 5)])
    face_table.write(table, tmp_path / "faces.npz")
    run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none")
    photo = str(table.photos.path[0])
    (tmp_path / "faces.npz").rename(tmp_path / "out" / "faces.npz")
    gone = CliRunner().invoke(main, ["forget", str(tmp_path / "out"), "--person", "person-0001"])
    assert gone.exit_code == 0, gone.output
    result = run(tmp_path / "out" / "faces.npz", "-o", tmp_path / "out", "--link", "none")
    assert "4 photos: 0 without a face, 4 whose faces are forgotten, 0 unreadable" in result.stderr
    explained = CliRunner().invoke(main, ["explain", str(tmp_path / "out"), photo])
    assert "all its faces are forgotten" in explained.stderr


def test_only_as_many_faces_are_named_as_a_person_needs(tmp_path: Path) -> None:
    table = make_table(people(1, 6), quality=[0.9, 0.75, 0.5, 0.79, 0.1, 0.2])
    face_table.write(table, tmp_path / "faces.npz")
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none")
    assert almost_lines(result) == [
        (
            "almost a person: 1 of 3 photos (000.jpg); 003.jpg fails quality 0.79 (limit 0.8); "
            "001.jpg fails quality 0.75 (limit 0.8); 3 more"
        )
    ]
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none", "--min-quality", 0.74)
    assert json.loads((tmp_path / "out" / "clusters.json").read_text())["counts"]["people"] == 1


def test_ten_almost_people_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    face_table.write(make_table(people(12, 2)), tmp_path / "faces.npz")
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none", "--json")
    lines = almost_lines(result)
    assert len(lines) == 11
    assert lines[-1] == "... and 2 more in clusters.json"
    assert len(json.loads(result.stdout)["almost"]) == 12


@pytest.mark.parametrize(
    ("n_faces", "options", "lines"),
    [
        (3, (), ["3 photos: 0 without a face, 0 unreadable", "1 person with 3 of 3 faces"]),
        (1, ("--min-images", 1), ["1 photo: 0 without a face, 0 unreadable", "1 person with 1 of 1 face"]),
        (1, (), ["0 people with 0 of 1 face", "1 face is nobody's:"]),
        (1, (), ["no one is in 3 different photos"]),
        (1, ("--min-images", 1, "--min-size", 500), ["no one is in 1 photo with"]),
    ],
)
def test_one_is_singular(n_faces: int, options: tuple[object, ...], lines: list[str], tmp_path: Path) -> None:
    face_table.write(make_table(people(1, n_faces)), tmp_path / "faces.npz")
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--link", "none", *options)
    assert result.exit_code == 0, result.output
    for line in lines:
        assert line in result.stderr


def test_unreadable_photos_are_counted_and_it_is_told_how_to_list_them(tmp_path: Path) -> None:
    table = make_table(people(1, 3), paths=["/p/0.jpg", "/p/1.jpg", "/p/2.jpg"])
    broken = replace(table.photos, status=np.array([*table.photos.status[:2], UNREADABLE]))
    kept = part_of(table, [0, 1])
    for photos, is_told in ((broken, True), (table.photos, False)):
        face_table.write(replace(kept, photos=photos), tmp_path / "faces.npz")
        told = run(tmp_path / "faces.npz", "-o", tmp_path / "out").stderr
        assert ("1 unreadable" in told) == is_told
        assert (
            f"to list the unreadable photos: facecluster check {tmp_path / 'faces.npz'} " in told
        ) == is_told


def test_warnings_count_one_in_the_singular(tmp_path: Path) -> None:
    Image.new("RGB", (400, 400)).save(tmp_path / "a.png")
    here, gone = str(tmp_path / "a.png"), str(tmp_path / "gone.png")
    table = make_table(people(2, 1), paths=[here, gone], photos={"size": [[400, 400]] * 2})
    face_table.write(table, tmp_path / "faces.npz")
    (tmp_path / "out" / "person-0001").mkdir(parents=True)
    (tmp_path / "out" / "person-0001" / "a.png").write_text("mine")
    result = run(tmp_path / "faces.npz", "-o", tmp_path / "out", "--min-images", 1)
    assert result.exit_code == 0, result.output
    assert "1 photo got another name, as a file of yours there has its own name: " in result.stderr
    assert f"{tmp_path / 'out'}/person-0001/a-2.png" in result.stderr
    assert (
        f"1 photo is not where it was (first: {gone}), so person-0002 has no montage. If deleted, it leaves"
        in result.stderr
    )
    assert result.stderr.splitlines()[-1].endswith(
        "clusters.json, folders of photos, a montage of 1 of 2 people, everybody on one page (index.jpg)"
    )


def test_older_pickle_needs_no_gate_and_says_so(tmp_path: Path) -> None:
    rows = [
        {"imagePath": f"/p/{i}.jpg", "loc": (0, 90 if i else 50, 90, 0), "encoding": e.astype(float) * 0.5}
        for i, e in enumerate(people(2, 3, spread=0.2))
    ]
    (tmp_path / "encodings.pickle").write_bytes(pickle.dumps(rows))
    result = run("-e", tmp_path / "encodings.pickle", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "says nothing of pose and quality" in result.stderr
    assert "--no-gate" in result.stderr
    result = run("-e", tmp_path / "encodings.pickle", "-o", tmp_path / "out", "--no-gate")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["people"]) == 2
    told = (
        "6 photos are not where they were (first: /p/0.jpg), so person-0001, person-0002 have no montage. If "
    )
    assert told in result.stderr
    assert result.stderr.splitlines()[-1].endswith("out: clusters.json"), "no photo is there to be held"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["-o", "out"], 2, "which face table? Give FILE"),
        (["a.npz", "-e", "b.npz", "-o", "out"], 2, "two face tables"),
        (["a.npz"], 2, "--output"),
        (["a.npz", "-o", "out", "--min-images", "0"], 2, "--min-images"),
        (["a.npz", "-o", "out", "--link", "move"], 2, "--link"),
        (["none.npz", "-o", "out"], 1, "none.npz: cannot be read: No such file"),
        (["text.npz", "-o", "out"], 1, "text.npz: not a face table"),
        (["-", "-o", "out"], 1, "empty"),
        (["faces.npz", "-o", "text.npz"], 2, "text.npz"),
    ],
)
def test_mistakes_are_messages(
    arguments: list[str], exit_code: int, message: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    Path("text.npz").write_text("hello")
    result = run(*arguments, stdin=b"")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("out").exists()


def test_malicious_pickle_is_refused(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.system, (f"touch '{tmp_path / 'it ran'}'",))

    (tmp_path / "bad.pickle").write_bytes(pickle.dumps([{"imagePath": Touch()}]))
    result = run(tmp_path / "bad.pickle", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "bad.pickle: refused: it wants" in result.stderr
    assert not (tmp_path / "it ran").exists()


def test_foreign_record_in_the_folder_is_not_replaced(file: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clusters.json").write_text("mine")
    result = run(file, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "clusters.json: not written by facecluster" in result.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"clusters.json", ".facecluster.lock"}
    assert (tmp_path / "out" / "clusters.json").read_text() == "mine"


def test_results_among_the_photos_harm_nothing(table: FaceTable, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    before = {p: p.read_bytes() for p in folder.iterdir()}
    for options in (Choices(), Choices(link="symlink"), Choices(min_images=9)):
        cluster_table(table, folder, options)
        assert {p: p.read_bytes() for p in folder.iterdir() if p in before} == before


def test_every_montage_of_many_people_is_made(table: FaceTable, tmp_path: Path) -> None:
    encoding = people(90, 3, spread=0.2)
    paths = (table.photos.path.tolist() * 34)[:270]
    many = make_table(encoding, paths=[f"{p}" for p in paths], photos={"size": [[400, 400]] * 270})
    cluster_table(many, tmp_path / "out", Choices(link="none"), jobs=2)
    assert len(list((tmp_path / "out").glob("person-*_montage.jpg"))) == 90


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom facecluster.cli import main\n"
        "try: main(['cluster', '--help'])\n"
        "except SystemExit: print(sorted({'numpy', 'cv2', 'sklearn', 'PIL', 'tqdm'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_real_photos_of_five_people(tmp_path: Path) -> None:
    seed = Path(__file__).parents[2] / "shared" / "data" / "seed_football129"
    if not seed.is_dir():
        pytest.skip("needs shared/data/seed_football129")
    where = {path.name: path for path in seed.glob("person_*/*")}
    with np.load(seed / "seed_encodings.npz") as npz:
        rows = [
            {"imagePath": str(where[str(name)]), "loc": tuple(box), "encoding": encoding}
            for name, box, encoding in zip(npz["files"], npz["box_trbl"], npz["encoding"], strict=True)
        ]
    (tmp_path / "encodings.pickle").write_bytes(pickle.dumps(rows))
    result = run(
        "-e",
        tmp_path / "encodings.pickle",
        "-o",
        tmp_path / "out",
        "--no-gate",
        "--json",
        "--link",
        "symlink",
    )
    assert result.exit_code == 0, result.stderr
    for person in json.loads(result.stdout)["people"]:
        assert len({Path(face["photo"]).parent.name for face in person["faces"]}) == 1, "nobody is mixed up"
        assert (tmp_path / "out" / f"{person['id']}_montage.jpg").is_file()


# -------------------------------------------------------------------------------------------------- updates


def first(table: FaceTable, n: int) -> FaceTable:
    """The first n photos of a table of one face a photo."""
    photos = {key: column[:n] for key, column in vars(table.photos).items()}
    faces = {key: column[:n] for key, column in vars(table.faces).items()}
    return FaceTable(type(table.photos)(**photos), type(table.faces)(**faces), table.settings)


@pytest.fixture
def grown(table: FaceTable, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of results of the first seven photos, and a table of these and five more: one of the stranger's, three
    of hers and one of the first person's."""
    paths = [*table.photos.path.tolist(), *(str(tmp_path / "photos" / f"{i}.png") for i in range(8, 12))]
    for path in paths[8:]:
        Image.new("RGB", (400, 400), (10, 200, 10)).save(path)
    encoding = people(3, 4)[[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 3]]
    full = make_table(encoding, paths=paths, photos={"size": [[400, 400]] * 12})
    face_table.write(first(full, 7), tmp_path / "before.npz")
    face_table.write(full, tmp_path / "after.npz")
    assert run(tmp_path / "before.npz", "-o", tmp_path / "out").exit_code == 0
    return tmp_path / "out", tmp_path / "after.npz"


def people_of(directory: Path) -> dict[str, set[str]]:
    record = json.loads((directory / "clusters.json").read_text())
    return {person["id"]: {face["id"] for face in person["faces"]} for person in record["people"]}


def test_update_places_new_faces_and_says_so(grown: tuple[Path, Path], tmp_path: Path) -> None:
    out, after = grown
    untouched = (out / "person-0001_montage.jpg").stat().st_mtime_ns
    result = run(after, "-o", out, "--update")
    assert result.exit_code == 0, result.output
    assert "an update: 5 new faces since all faces were clustered" in result.stderr
    assert "1 appeared" in result.stderr
    found = people_of(out)
    assert {who: len(faces) for who, faces in found.items()} == {
        "person-0001": 4,
        "person-0002": 4,
        "person-0003": 4,
    }
    assert (out / "person-0003" / "8.png").exists()
    assert (out / "person-0001_montage.jpg").stat().st_mtime_ns == untouched
    record = json.loads((out / "clusters.json").read_text())
    assert record["settings"]["update"] == {"updates": 1, "new_faces": 5, "would_merge": []}
    # the same people as all at once
    assert run(after, "-o", tmp_path / "full").exit_code == 0
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, people_of(tmp_path / "full").values()))
    # once more: nothing is new, and nothing changes but what is said to have changed
    assert run(after, "-o", out, "--update").exit_code == 0
    assert people_of(out) == found
    again = json.loads((out / "clusters.json").read_text())
    assert again | {"changes": record["changes"]} == record
    # and a full run forgets that there were updates
    assert run(after, "-o", out).exit_code == 0
    assert "update" not in json.loads((out / "clusters.json").read_text())["settings"]
    assert people_of(out) == found


@pytest.mark.parametrize(
    ("options", "why"),
    [(["--min-size", "50"], "other options"), (["--same-photo", "allow"], "other options")],
)
def test_update_with_other_options_is_a_full_run(
    grown: tuple[Path, Path], options: list[str], why: str
) -> None:
    out, after = grown
    result = run(after, "-o", out, "--update", *options)
    assert result.exit_code == 0
    assert "all faces are clustered: the earlier result was made with " + why in result.stderr
    assert len(people_of(out)) == 3


def test_update_without_an_earlier_result_is_a_full_run(file: Path, tmp_path: Path) -> None:
    result = run(file, "-o", tmp_path / "new", "--update")
    assert result.exit_code == 0
    assert "all faces are clustered: there is no earlier result in the folder" in result.stderr
    assert len(people_of(tmp_path / "new")) == 2
