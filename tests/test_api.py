"""facecluster in Python: what the README shows, and that it is the same thing as the command line."""

from __future__ import annotations

import doctest
import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from tables import assert_same, make_table, people

import facecluster as fc
from facecluster.cli import main
from facecluster.errors import TableError, UsageError
from facecluster.output.records import to_json
from facecluster.photos import find_photos

ROOT = Path(__file__).resolve().parent.parent


def two_people() -> fc.FaceTable:
    """Five faces of one, then four of another, a photo each."""
    return make_table(people(2, 5)[:9])


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the README's example: photos of two people, and one more of the first."""
    (tmp_path / "photos").mkdir()
    for person in ("person_2", "person_3"):
        *known, other = find_photos([shared_data / "seed_football129" / person])[:6]
        for path in known:
            (tmp_path / "photos" / f"{person}_{Path(path).name}").symlink_to(path)
        if person == "person_2":
            (tmp_path / "door.jpg").symlink_to(other)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------------------------ the whole of it


def test_the_example_in_the_readme_runs(folder: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("### From Python\n")[2].partition("\n#")[0]
    example = doctest.DocTestParser().get_doctest(section, {}, "From Python", "README.md", 0)
    assert len(example.examples) > 5
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_a_script_without_a_main_guard_encodes_photos(folder: Path) -> None:
    script = folder / "script.py"
    script.write_text(
        "import facecluster as fc\n"
        "print('started')\n"
        "table = fc.encode('door.jpg', output='faces.npz', jobs=1)\n"
        "print(len(table.photos), __file__ is not None)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n1 True\n", "")
    assert_same(fc.read("faces.npz"), fc.encode(["door.jpg"], jobs=1))


def test_what_cannot_be_searched_for_is_an_answer_too(folder: Path) -> None:
    Path("broken.jpg").write_bytes(b"no photo")
    (answer,) = fc.search("broken.jpg", fc.encode("door.jpg", jobs=1), jobs=1)
    assert (answer.status, answer.face, answer.matches) == ("unreadable", None, ())


# ------------------------------------------------------------------------------- the same thing as the command line


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("encode", {"photos": "paths"}),
        ("cluster", {"table": "file", "gate": "no_gate"}),
        ("search", {"photos": "paths", "among": "source", "k": "number", "labels": "labels_from"}),
        ("evaluate", {"people": "source", "labels": "labels_from", "top": "number"}),
    ],
)
def test_options_are_those_of_the_command_line(name: str, renamed: dict[str, str]) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = {option.name: option.default for option in command.params}
    for parameter in inspect.signature(getattr(fc, name)).parameters.values():
        default = options[renamed.get(parameter.name, parameter.name)]
        is_value = parameter.kind == parameter.KEYWORD_ONLY and isinstance(
            parameter.default, (int, float, str)
        )
        if (
            is_value and not isinstance(parameter.default, bool) and name != "encode"
        ):  # as EncodeOptions in both
            assert parameter.default == default, parameter.name


def test_people_are_those_of_cluster(tmp_path: Path) -> None:
    table = two_people()
    fc.write(table, tmp_path / "faces.npz")
    arguments = [
        "cluster",
        str(tmp_path / "faces.npz"),
        "-o",
        str(tmp_path / "people"),
        "--link",
        "none",
        "-q",
    ]
    done = CliRunner().invoke(main, [*arguments, "--max-angle", "20", "--json"], catch_exceptions=False)
    by_command = json.loads(done.stdout)
    by_function = json.loads("".join(to_json(fc.cluster(table, max_angle=20).result)))
    assert by_command["people"] == by_function["people"] != []
    assert by_command["settings"]["cluster"] == by_function["settings"]["cluster"]


def test_scores_are_those_of_evaluate(tmp_path: Path) -> None:
    table = two_people()
    fc.write(table, tmp_path / "faces.npz")
    labels = ["a", "a", "a", "b", "b", "c", "c", "c", ""]
    rows = "".join(f"{face},{label}\n" for face, label in zip(table.faces.id, labels, strict=True))
    (tmp_path / "labels.csv").write_text("face,label\n" + rows)
    arguments = ["evaluate", str(tmp_path / "faces.npz"), "--labels", str(tmp_path / "labels.csv"), "-q"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    evaluation = fc.evaluate(fc.cluster(table), labels)
    assert evaluation.unlabelled == 1
    assert evaluation.bcubed.f == pytest.approx(json.loads(done.stdout)["bcubed"]["f"])


# --------------------------------------------------------------------------------------------------------- people


def test_people_stand_beside_their_labels() -> None:
    found = fc.cluster(two_people())
    assert [person.n_faces for person in found] == [5, 4]
    assert len(found) == found.clustering.n_people == 2
    for label in range(2):
        rows = np.flatnonzero(found.clustering.label == label)
        assert {face.id for face in found[label].faces} == set(found.table.faces.id[rows].tolist())


def test_a_table_without_faces_has_no_people() -> None:
    found = fc.cluster(make_table(np.empty((0, 128))))
    assert len(found) == 0
    assert fc.search(two_people(), found)[0].nearest is None


def test_faces_find_their_people() -> None:
    table = two_people()
    answers = fc.search(table, fc.cluster(table))
    assert [answer.matches[0].person for answer in answers] == ["person-0001"] * 5 + ["person-0002"] * 4


def test_faces_find_faces_or_labels_of_a_table() -> None:
    table, query = two_people(), make_table(people(3, 1, spread=0))
    assert [len(answer.matches) for answer in fc.search(query, table, k=3)] == [3, 3, 0]
    answers = fc.search(query, table, labels=["Anna"] * 5 + [None, "", "Bea", "Bea"])
    assert [[match.name for match in answer.matches] for answer in answers] == [["Anna"], ["Bea"], []]
    assert [answer.matches[0].n_faces for answer in answers[:2]] == [5, 2]


def test_the_largest_face_of_each_photo_is_enough() -> None:
    query = make_table(
        people(2, 1), photo=[0, 0], box=[[0, 0, 50, 50], [50, 0, 150, 100]], paths=["/photos/two.jpg"]
    )
    (answer,) = fc.search(query, two_people(), largest=True)
    assert answer.face == 2


# --------------------------------------------------------------------------------------------------------- errors


def test_wrong_arguments_say_what_is_expected() -> None:
    table = two_people()
    with pytest.raises(ValueError, match="detector: expected one of yunet, cnn, hog; got 'mtcnn'"):
        fc.encode("photos", detector="mtcnn")
    with pytest.raises(ValueError, match="encoder: expected one of sface, dlib"):
        fc.encode("photos", encoder="arcface")
    with pytest.raises(ValueError, match="same_photo: expected one of forbid, prefer, allow"):
        fc.cluster(table, same_photo="never")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="by: expected one of face, person"):
        fc.search(table, table, by="name")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not say who is who"):
        fc.search(table, table, by="person")
    with pytest.raises(ValueError, match="k: expected 1 or more, got 0"):
        fc.search(table, table, k=0)
    with pytest.raises(ValueError, match="expected one for each of 9 faces, got 1"):
        fc.search(table, table, labels=["Anna"])
    with pytest.raises(ValueError, match="people say themselves"):
        fc.search(table, fc.cluster(table), labels=["Anna"] * 9)
    with pytest.raises(ValueError, match="not empty, got none"):
        fc.evaluate(fc.cluster(table), [None] * 9)


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("encode", {}),
        ("cluster", {}),
        ("search", {"number": "k"}),
        ("evaluate", {"number": "top"}),
    ],
)
def test_ranges_and_choices_are_those_of_the_command_line(name: str, renamed: dict[str, str]) -> None:
    table = two_people()
    given = {
        "encode": ("photos",), "cluster": (table,), "search": (table, table), "evaluate": (fc.cluster(table), "ab")
    }[name]  # fmt: skip
    command = main.get_command(click.Context(main), name)
    assert command is not None
    function, tried = getattr(fc, name), []
    for option in command.params:
        argument, kind = renamed.get(str(option.name), str(option.name)), option.type
        if argument not in inspect.signature(function).parameters:
            continue
        wrong: list[object] = ["x"] if isinstance(kind, click.Choice) else []
        if isinstance(kind, (click.IntRange, click.FloatRange)):
            if kind.min is not None:
                wrong.append(kind.min if kind.min_open else kind.min - 1)
            if kind.max is not None:
                wrong.append(kind.max + 1)
            if isinstance(kind, click.FloatRange):
                wrong.append(float("nan"))
        for value in wrong:
            with pytest.raises(ValueError, match=rf"^{argument}: expected .* got "):
                function(*given, **{argument: value})
        tried += [argument] * bool(wrong)
    assert len(tried) >= {"encode": 6, "cluster": 8, "search": 4, "evaluate": 1}[name], tried


def test_what_a_user_can_mend_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file or directory; give files or folders"):
        fc.encode(tmp_path / "nowhere")
    with pytest.raises(fc.FaceclusterError, match="no photos found"):
        fc.encode(tmp_path)
    with pytest.raises(fc.FaceclusterError, match="no photos found"):
        fc.search(tmp_path, two_people())
    with pytest.raises(UsageError, match=r"ends in \.npz or \.pickle"):
        fc.encode(tmp_path, output=tmp_path / "faces.csv")
    with pytest.raises(TableError, match="encoded by 'dlib', the faces that are searched by 'sface'"):
        fc.search(make_table(people(1, 1), encoder="dlib"), two_people())


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(fc, "enode")
    assert set(fc.__all__) <= set(dir(fc))
    assert all(hasattr(fc, name) for name in fc.__all__)


# --------------------------------------------------------------------------------------------------------- pandas


def test_a_data_frame_has_a_row_for_each_face() -> None:
    pandas = pytest.importorskip("pandas")
    taken = {"time": [np.nan, 1.5e9 + 0.25]}
    table = make_table(people(1, 3), photo=[0, 0, 1], landmarks=np.arange(30), photos=taken)
    frame = table.to_pandas()
    assert len(frame) == 3
    assert frame["photo"].tolist() == [0, 0, 1]
    assert frame["photo_path"].tolist() == [str(table.photos.path[i]) for i in (0, 0, 1)]
    assert frame.loc[0, ["left", "top", "right", "bottom"]].tolist() == [100, 200, 200, 300]
    assert frame.loc[1, ["right_eye_x", "left_eye_y", "mouth_left_y"]].tolist() == [10, 13, 19]
    assert frame["photo_time"].isna().tolist() == [True, True, False]
    assert frame["photo_time"][2] == pandas.Timestamp("2017-07-14T02:40:00.250")
    assert {len(name) for name in frame["id"]} == {8}
    assert "encoding" not in frame
    frame["person"] = fc.cluster(table).clustering.label
    assert frame["person"].tolist() == [-1, -1, -1]


def test_a_data_frame_of_photos_has_those_without_a_face() -> None:
    pytest.importorskip("pandas")
    table = make_table(np.empty((0, 128)), paths=["/photos/sea.jpg"])
    assert len(table.to_pandas()) == 0
    assert table.photos.to_pandas()["path"].tolist() == ["/photos/sea.jpg"]
