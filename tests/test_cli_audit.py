from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tables import make_table, people

from facecluster.cli import main
from facecluster.cli.audit import report, summary
from facecluster.formats import face_table
from facecluster.render.audit import Audit, make_audit
from facecluster.table import FaceTable


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)], input=stdin)


def audited(*arguments: object) -> dict[str, Any]:
    result = run(*arguments)
    assert result.exit_code in (0, 3), result.output
    record = json.loads(result.stdout)
    assert record["all_right"] == (result.exit_code == 0)
    return record  # type: ignore[no-any-return]


FILED = ["anna"] * 3 + ["bert"] + ["bert"] * 4 + ["carl"] * 2 + ["karl"] * 2 + ["dora"] * 5
"""Of four people with four faces and one with one: anna's last is bert's, carl is karl, and dora is two people."""


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    paths = [str(tmp_path / "photos" / name / f"{i}.jpg") for i, name in enumerate(FILED)]
    return make_table(people(5, 4)[:17], paths=paths)


@pytest.fixture
def file(table: FaceTable, tmp_path: Path) -> Path:
    face_table.write(table, tmp_path / "faces.npz")
    return tmp_path / "faces.npz"


@pytest.fixture
def result(file: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["cluster", str(file), "-o", str(out), "--link", "none", "-q"])
    assert done.exit_code == 0, done.output
    return out


def audit_of(table: FaceTable, label: list[int], texts: list[str]) -> Audit:
    return make_audit(
        table.faces,
        table.photos,
        table.settings.encoder,
        np.array(label),
        texts,
        cluster_threshold=50,
        output_threshold=50,
        max_results=5,
    )


def test_tells_all_three_kinds(file: Path) -> None:
    record = audited(file, "--labels", "folder")
    assert (record["faces"], record["labels"], record["left_out"]) == (17, 5, 0)
    (misfiled,) = record["misfiled"]
    assert (misfiled["label"], misfiled["looks_like"], misfiled["n_faces"]) == ("bert", "anna", [5, 3])
    assert [face["id"] for face in misfiled["faces"]] == ["face0003"]
    assert misfiled["faces"][0]["box"] == [100, 200, 200, 300]
    assert misfiled["beside"]["label"] == "anna"
    assert misfiled["own_distance"] > 1.3
    assert misfiled["confidence"] > 99
    (one,) = record["one_person"]
    assert (one["labels"], one["n_faces"]) == (["carl", "karl"], [2, 2])
    assert [face["label"] for face in one["faces"]] == ["carl", "karl"]
    (two,) = record["two_people"]
    assert (two["label"], two["n_faces"]) == ("dora", [4, 1])
    assert [face["id"] for face in two["faces"]] == ["face0016"]
    assert two["confidence"] < 1


def test_tells_groups_and_their_matches(file: Path) -> None:
    groups = audited(file, "--labels", "folder")["groups"]
    assert [group["labels"] for group in groups] == [
        {"anna": 3, "bert": 1},
        {"bert": 4},
        {"carl": 2, "karl": 2},
        {"dora": 4},
    ]
    first = groups[0]["faces"][0]
    assert first["id"] == "face0000"
    assert {match["id"] for match in first["matches"]} == {"face0001", "face0002", "face0003"}
    assert [match["distance"] for match in first["matches"]] == sorted(
        m["distance"] for m in first["matches"]
    )
    assert all(match["confidence"] > 99 for match in first["matches"])


def test_face_of_no_group_has_matches_too(file: Path) -> None:
    record = audited(file, "--labels", "folder", "--output-threshold", 0, "--max-results", 2)
    (alone,) = record["alone"]
    assert (alone["id"], alone["label"], len(alone["matches"])) == ("face0016", "dora", 2)
    assert [
        face["id"] for face in audited(file, "--labels", "folder", "--cluster-threshold", 100)["alone"]
    ] == [f"face{i:04d}" for i in range(17)]
    (none,) = audited(file, "--labels", "folder")["alone"]
    assert none["matches"] == []
    near = audited(file, "--labels", "folder", "--cluster-threshold", 100)["alone"][0]["matches"]
    assert {match["id"] for match in near} == {"face0001", "face0002", "face0003"}


def test_label_of_many_people_counts_once(file: Path) -> None:
    file.with_name("labels.csv").write_text("face,label\n" + "".join(f"face{i:04d},all\n" for i in range(17)))
    found = run(file, "--labels", file.with_name("labels.csv"))
    assert len(json.loads(found.stdout)["two_people"]) > 1
    assert "; 1 label that is two people or more" in found.stderr


def test_why_faces_are_left_out(tmp_path: Path) -> None:
    table = make_table(people(2, 2), photo=[0, 0, 1, 1], paths=["/photos/ann/1.jpg", "/photos/ann/2.jpg"])
    face_table.write(table, tmp_path / "faces.npz")
    found = run(tmp_path / "faces.npz", "--labels", "folder", "--label-face", "central")
    assert "2 left out: 2 not the central face of their photo (--label-face all" in found.stderr
    assert ", 0 left out; " in run(tmp_path / "faces.npz", "--labels", "folder", "--label-face", "all").stderr


def test_limits_of_matches(file: Path) -> None:
    def most(*options: object) -> int:
        groups = audited(file, "--labels", "folder", *options)["groups"]
        return max(len(face["matches"]) for group in groups for face in group["faces"])

    assert most("--max-results", 2) == 2
    assert most("--max-results", 0) == 0
    assert most("--max-results", 10) == 3
    assert most("--output-threshold", 100) == 0
    assert most("--output-threshold", 0, "--max-results", 100) == 16


def test_nothing_is_a_group_at_confidence_100(file: Path) -> None:
    record = audited(file, "--labels", "folder", "--cluster-threshold", 100)
    assert record["groups"] == []
    assert [wrong["label"] for wrong in record["misfiled"]] == [
        "bert"
    ]  # verdicts rest on means, not on groups


def test_nothing_wrong_is_exit_code_0(file: Path) -> None:
    found = run(file, "--labels", "folder", "--database", "anna", "--database", "carl")
    assert found.exit_code == 0
    record = json.loads(found.stdout)
    assert (record["faces"], record["labels"], record["left_out"]) == (5, 2, 12)
    assert record["why_left_out"] == {"other_label": 12}
    assert "5 faces of 2 labels, 12 left out: 12 of other labels; 2 groups" in found.stderr
    assert "0 faces filed under another label" in found.stderr


def test_case_of_a_database_does_not_matter(file: Path) -> None:
    assert audited(file, "--labels", "folder", "--database", "ANNA")["faces"] == 3


def test_database_that_is_not_there(file: Path) -> None:
    found = run(file, "--labels", "folder", "--database", "anne")
    assert found.exit_code == 2
    assert "--database anne: no such label; there are anna, 4 more" in found.stderr


def test_labels_of_a_csv(file: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("face,label\n" + "".join(f"face{i:04d},{'ab'[i > 3]}\n" for i in range(8)))
    record = audited(file, "--labels", labels)
    assert (record["all_right"], record["faces"], record["left_out"]) == (True, 8, 9)


def test_table_from_standard_input(file: Path) -> None:
    found = run("-", "--labels", "folder", stdin=file.read_bytes())
    assert json.loads(found.stdout) == audited(file, "--labels", "folder")


def test_names_given_to_people(result: Path) -> None:
    found = run(result, "--labels", "names")
    assert found.exit_code == 1
    assert "nobody has a name" in found.stderr
    for person, name in (("person-0001", "Anna"), ("person-0002", "Bert")):
        named = CliRunner().invoke(main, ["name", str(result), person, name, "-q"])
        assert named.exit_code == 0, named.output
    record = audited(result, "--labels", "names")
    assert (record["all_right"], record["faces"], record["labels"]) == (True, 8, 2)
    assert [group["labels"] for group in record["groups"]] == [{"Anna": 4}, {"Bert": 4}]


def test_folders_of_a_result(result: Path, file: Path) -> None:
    assert audited(result, "--labels", "folder") == audited(file, "--labels", "folder")
    moved = file.rename(file.with_name("moved.npz"))
    assert run(result, "--labels", "folder").exit_code == 1
    assert audited(result, "--labels", "folder", "--table", moved) == audited(moved, "--labels", "folder")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "names"], "a face table has no names"),
        (["--labels", "folder", "--table", "x.npz"], "leave --table x.npz out"),
        ([], "Missing option '--labels'"),
        (["--labels", "folder", "--cluster-threshold", "0"], "0<x<=100"),
        (["--labels", "folder", "--cluster-threshold", "nan"], "nan is no finite number"),
        (["--labels", "folder", "--output-threshold", "nan"], "nan is no finite number"),
        (["--labels", "folder", "--max-results", "-1"], "x>=0"),
    ],
)
def test_options_that_make_no_sense(file: Path, options: list[str], message: str) -> None:
    found = run(file, *options)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stdout == ""


def test_empty_table(tmp_path: Path) -> None:
    face_table.write(make_table([]), tmp_path / "empty.npz")
    record = audited(tmp_path / "empty.npz", "--labels", "folder")
    assert (record["all_right"], record["faces"], record["groups"]) == (True, 0, [])


def test_face_without_an_encoding_is_left_out(table: FaceTable) -> None:
    table.faces.encoding[0] = np.nan
    record = audit_of(table, [0, 0, *[-1] * 15], ["anna"])
    assert (record.faces, record.left_out, record.all_right) == (1, 16, True)
    assert record.why_left_out == {"no_label": 15, "no_encoding": 1}
    assert "1 face of 1 label, 16 left out: 15 without a label, 1 without an encoding; " in summary(record)
    assert "16 left out: 15 of no one, 1 w" in summary(record, "of no one")


def test_quiet_says_nothing_on_stderr(file: Path) -> None:
    assert run(file, "--labels", "folder", "-q").stderr == ""


def test_report_by_hand(table: FaceTable) -> None:
    texts = sorted(set(FILED))
    record = audit_of(table, [texts.index(name) for name in FILED], texts)
    lines = list(report(record))
    assert lines[0] == "faces that look like another label"
    assert lines[1].startswith("  bert (5 faces; 1.4")
    assert " from the rest) looks like anna (3 faces; 0.4" in lines[1]
    assert lines[1].endswith(", confidence 100 %):")
    assert lines[2].endswith("photos/bert/3.jpg  [100, 200, 200, 300]")
    assert lines[3].endswith("  like this one")
    assert lines[4] == "labels that are one person"
    assert lines[5].startswith("  carl (2 faces) and karl (2 faces): 0.")
    assert lines[8] == "labels that are two people"
    assert lines[9].startswith("  dora: 1 face beside 4, 1.")
    assert lines[11].endswith("  unlike this one")
    assert len(lines) == 12
    assert summary(record).splitlines() == [
        "17 faces of 5 labels, 0 left out; 4 groups of two faces or more at a confidence of 50 %, 2 of several labels",
        "1 face filed under another label; 1 pair of labels that are one person; 1 label that is two people or more",
    ]


def test_bystanders_of_a_lost_face_have_a_reason_of_their_own(tmp_path: Path) -> None:
    # photo 0 shows two faces, the second a smaller one; photo 6 lost its largest face, a bystander is left
    paths = [f"/p/{who}/{i}.jpg" for who in "ab" for i in range(3)] + ["/p/b/6.jpg"]
    box = [[0, 0, 100, 100], [200, 0, 250, 50], *[[0, 0, 100, 100]] * 6]
    encoding = people(2, 4)[[0, 7, 1, 2, 3, 4, 5, 6]]
    columns: dict[str, Any] = {"paths": paths, "box": box, "photos": {"lost": [0] * 6 + [3]}}
    face_table.write(make_table(encoding, photo=[0, 0, 1, 2, 3, 4, 5, 6], **columns), tmp_path / "faces.npz")
    done = run(tmp_path / "faces.npz", "--labels", "folder")
    assert json.loads(done.stdout)["why_left_out"] == {"no_label": 1, "lost_label": 1}
    assert (
        "2 left out: 1 not the largest face of their photo (--label-face all takes every face), "
        "1 in photos whose largest face is not in the table (any more)"
    ) in done.stderr
    record = audited(tmp_path / "faces.npz", "--labels", "folder", "--database", "a")
    assert record["why_left_out"] == {"no_label": 1, "other_label": 3, "lost_label": 1}
    assert audited(tmp_path / "faces.npz", "--labels", "folder", "--label-face", "all")["left_out"] == 0
