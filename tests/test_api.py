"""facecluster in Python: what the README shows, and that it is the same thing as the command line."""

from __future__ import annotations

import doctest
import inspect
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from tables import assert_same, make_table, people

import facecluster as fc
from facecluster.cli import main
from facecluster.errors import TableError, UsageError
from facecluster.formats.clusters_json import to_json
from facecluster.library.settings import usual
from facecluster.photos.find import find_photos

ROOT = Path(__file__).resolve().parent.parent
PIXELS_AND_DEGREES = {"min_size": "min_size_px", "max_angle": "max_angle_deg"}
"""Arguments of `cluster` that the command line keeps by a name with a unit."""


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
        ("cluster", {"table": "file", **PIXELS_AND_DEGREES}),
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
            own = renamed.get(parameter.name, parameter.name)
            remembered = name == "cluster" and own in usual()  # the command line remembers what it was last
            assert parameter.default == (usual()[own] if remembered else default), parameter.name


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


def test_labels_may_be_anything_and_what_is_missing_is_nobody() -> None:
    table = two_people()
    found = fc.cluster(table)
    nobody = [None, "", float("nan"), np.float32("nan"), np.datetime64("NaT")]
    numbered = fc.evaluate(found, [0, 0, 0, 0, 0, 1, 1, 1, 1])
    assert (numbered.unlabelled, numbered.purity) == (0, 1.0)
    assert numbered == fc.evaluate(found, np.array([0, 0, 0, 0, 0, 1, 1, 1, 1]))
    assert fc.evaluate(found, [*nobody, 0, (1, 2), 0, frozenset()]).unlabelled == 5
    assert fc.evaluate(found, [*nobody, 0, 0, 0, 0]).labels == 1
    answers = fc.search(make_table(people(2, 1, spread=0)), table, labels=[0] * 5 + [None, 7, 7, np.nan])
    assert [[match.name for match in answer.matches] for answer in answers] == [["0"], ["7"]]
    with pytest.raises(TypeError, match="unhashable"):
        fc.evaluate(found, [[]] * 9)  # type: ignore[list-item]


def test_what_pandas_takes_for_missing_is_nobody() -> None:
    pandas = pytest.importorskip("pandas")
    found = fc.cluster(two_people())
    for missing in (pandas.NA, pandas.NaT, np.nan):
        labels = pandas.Series(["a"] * 5 + [missing] * 4, dtype=object)
        assert (fc.evaluate(found, labels).labels, fc.evaluate(found, labels).unlabelled) == (1, 4)


# ------------------------------------------------------------------------------------------------ people on the disk


def results(table: fc.FaceTable, folder: Path) -> Path:
    """A folder of results, whose first person has a name."""
    fc.write(table, folder / "faces.npz")
    for arguments in (
        ["cluster", folder / "faces.npz", "-o", folder, "--link", "none", "--max-angle", "20", "-q"],
        ["name", folder, "person-0001", "Anna"],
    ):
        assert CliRunner().invoke(main, list(map(str, arguments))).exit_code == 0
    return folder


def test_people_are_read_with_their_names(tmp_path: Path) -> None:
    table = two_people()
    folder = results(table, tmp_path)
    made = fc.cluster(table, max_angle=20)
    for read in (fc.read_people(folder), fc.read_people(folder / "clusters.json", folder / "faces.npz")):
        assert [(person.id, person.name) for person in read] == [
            ("person-0001", "Anna"),
            ("person-0002", None),
        ]
        assert read.rules == made.rules
        assert_same(read.table, table)
        for column in ("label", "core", "confidence", "reason"):
            one, other = getattr(read.clustering, column), getattr(made.clustering, column)
            assert one.dtype == other.dtype
            assert np.allclose(one, other, equal_nan=True, atol=1e-4)
        assert np.isnan(read.clustering.distance).all()
    answers = fc.search(table, fc.read_people(folder, table))
    assert [answer.matches[0].name for answer in answers] == ["Anna"] * 5 + [None] * 4
    assert fc.evaluate(read, [0] * 5 + [1] * 4).purity == 1


def test_people_without_their_table_are_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = results(two_people(), tmp_path)
    with pytest.raises(TableError, match=r"clusters\.json: was made from another face table: it lacks"):
        fc.read_people(folder, make_table(people(1, 5)))
    more = make_table(people(3, 5)[:11])
    assert fc.read_people(folder, more).clustering.label.tolist() == [0] * 5 + [1] * 4 + [-1] * 2
    assert "its face table has 2 faces that it does not know" in caplog.text
    (folder / "faces.npz").unlink()
    with pytest.raises(TableError, match=r"faces\.npz: cannot be read"):
        fc.read_people(folder)
    with pytest.raises(fc.FaceclusterError, match=r"clusters\.json: cannot be read"):
        fc.read_people(tmp_path / "nowhere" / "clusters.json")


def test_people_are_shown_in_short() -> None:
    assert repr(fc.cluster(two_people())) == "People: 2 people, 9 of 9 faces"
    assert repr(two_people()) == "FaceTable: 9 faces in 9 photos"
    assert repr(make_table(people(1, 1))) == "FaceTable: 1 face in 1 photo"
    assert repr(fc.cluster(make_table(people(1, 1)))) == "People: 0 people, 0 of 1 face"


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


def test_wrong_types_say_what_is_expected(tmp_path: Path) -> None:
    table = two_people()
    found = fc.cluster(table)
    for function, arguments, message in (
        (fc.cluster, ("faces.npz",), "table: expected a FaceTable, as encode and read give it; got str"),
        (fc.cluster, (found,), "table: expected a FaceTable, .*; got People"),
        (fc.search, ("door.jpg", "people"), "among: expected People, as .*, or a FaceTable, .*; got str"),
        (
            fc.search,
            (found, found),
            "photos: expected paths of photos and folders, or a FaceTable.*; got Person",
        ),
        (fc.search, (None, found), "photos: expected paths .*; got NoneType"),
        (fc.evaluate, (table, ["a"] * 9), "people: expected People, as .*; got FaceTable"),
        (fc.evaluate, (found, None), "labels: expected one for each of 9 faces; got NoneType"),
        (fc.encode, (None,), "photos: expected paths of photos and folders; got NoneType"),
        (fc.encode, (b"photos",), "photos: expected .*; got bytes"),
        (partial(fc.encode, output=1), ("photos",), "output: expected a path; got int"),
        (fc.encode, ([1],), "photos: expected .*; got int"),
        (fc.write, (None, tmp_path / "faces.npz"), "table: expected a FaceTable, .*; got NoneType"),
        (fc.write, (table, None), "file: expected a path, or a binary stream; got NoneType"),
        (fc.read, (None,), "file: expected a path, or a binary stream; got NoneType"),
        (fc.read_people, (table,), "result: expected a path; got FaceTable"),
        (fc.read_people, (results(table, tmp_path), found), "file: expected a path, .*; got People"),
    ):
        with pytest.raises(TypeError, match=f"^{message}$"):
            function(*arguments)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("function", "numbers", "whole", "flags", "none"),
    [
        (
            "encode",
            ["min_face", "fps"],
            ["max_side", "upsample", "jobs"],
            ["mirror", "attributes", "fresh", "prune", "keep_missing", "append", "truncated"],
            ["max_side"],
        ),
        (
            "cluster",
            ["min_size", "max_angle", "min_quality", "eps"],
            ["min_images", "min_samples", "jobs"],
            ["gate"],
            ["eps", "min_samples"],
        ),
        ("search", ["min_score"], ["k", "jobs"], ["largest"], ["min_score"]),
        ("evaluate", [], ["top"], [], []),
    ],
)
def test_what_is_no_number_or_no_flag_is_named(
    function: str, numbers: list[str], whole: list[str], flags: list[str], none: list[str]
) -> None:
    table = two_people()
    given = {
        "encode": ("photos",), "cluster": (table,), "search": (table, table), "evaluate": (fc.cluster(table), [1] * 9)
    }[function]  # fmt: skip
    parameters = inspect.signature(getattr(fc, function)).parameters.values()
    of_kind = [p.name for p in parameters if re.search("int|float|bool", str(p.annotation))]
    assert sorted(numbers + whole + flags) == sorted(of_kind)
    for names, wrong, expected in (
        (numbers, ["a", True, None, [1], 1j], "a number"),
        (whole, ["3", True, None, 2.5, 3.0], "a whole number"),
        (flags, [None, 1, "yes"], "True or False"),
    ):
        for name in names:
            for value in wrong:
                if value is not None or name not in none:
                    with pytest.raises(TypeError, match=rf"^{name}: expected {expected}; got "):
                        getattr(fc, function)(*given, **{name: value})


def test_numbers_of_numpy_are_numbers() -> None:
    table = two_people()
    found = fc.cluster(
        table, min_images=np.int64(3), min_size=np.float32(75), eps=np.float64(1), gate=np.bool_(True)
    )
    assert json.loads("".join(to_json(found.result)))["settings"]["cluster"]["limits"]["min_images"] == 3
    assert len(fc.search(table, found, k=np.int8(1), min_score=np.float32(50))) == 9


def test_what_has_no_order_or_another_one_is_refused() -> None:
    table = two_people()
    for paths in ({"a": 1}, {"photos": "faces.npz"}):
        with pytest.raises(TypeError, match=r"^photos: expected paths of photos and folders; got dict$"):
            fc.encode(paths)
    for labels in ({str(i): "a" for i in range(9)}, set(range(9)), "aaaaabbbb"):
        with pytest.raises(
            TypeError, match=r"^labels: expected one for each of 9 faces, in their order; got "
        ):
            fc.search(table, table, labels=labels)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^labels: expected one that is not empty, got none$"):
        fc.search(table, table, labels=[None] * 9)


def test_series_in_another_order_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    found = fc.cluster(two_people())
    labels = pandas.Series(["a"] * 5 + ["b"] * 4)
    assert fc.evaluate(found, labels).purity == 1
    for other in (labels[::-1], labels.set_axis(found.table.faces.id), labels.set_axis(range(1, 10))):
        with pytest.raises(ValueError, match=r"got a Series whose index is not 0 to 8; .* \.to_numpy\(\)$"):
            fc.evaluate(found, other)
        assert fc.evaluate(found, other.to_numpy()).labels == 2


def test_what_is_added_to_needs_a_file() -> None:
    with pytest.raises(ValueError, match="append: adds to a face table; expected an output"):
        fc.encode("photos", append=True)
    for what in ("append", "keep_missing"):
        with pytest.raises(ValueError, match="prune: lets go what append and keep_missing keep"):
            fc.encode("photos", output="faces.npz", prune=True, **{what: True})


def test_photos_are_added_to_a_table_and_their_faces_checked(folder: Path) -> None:
    first = fc.encode("photos", output="faces.npz", jobs=1, check="passport")
    assert first.settings.options["check"] == "passport"
    assert 0 < len(first.faces) < len(fc.encode("photos", jobs=1).faces)
    both = fc.encode("door.jpg", output="faces.npz", jobs=1, check="passport", append=True)
    assert [len(first.photos), len(both.photos)] == [10, 11]
    with pytest.raises(ValueError, match="check: expected one of None, clustering, passport"):
        fc.encode("photos", check="good")


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        ("encode", {}),
        ("cluster", {there: here for here, there in PIXELS_AND_DEGREES.items()}),
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
    for nameless in ("", [tmp_path, ""]):
        with pytest.raises(UsageError, match=r"^an empty name; is a variable unset"):
            fc.encode(nameless)
    with pytest.raises(TableError, match=r"^an empty name: cannot be read"):
        fc.read("")
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
    assert sorted([*fc.__all__, "__version__"]) == dir(fc)
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
