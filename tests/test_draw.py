"""A face that somebody drew is in the library from then on, whatever becomes of its photo, until that is taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from libraries import cluster_table
from PIL import Image, ImageEnhance
from tables import make_table

from facecluster.cli import main
from facecluster.encoding.drawn import Look, see
from facecluster.errors import FaceclusterError, TableError
from facecluster.formats import face_table
from facecluster.library import correct
from facecluster.library.held import Held
from facecluster.library.library import Library
from facecluster.options import EncodeOptions
from facecluster.photos.decode import decode
from facecluster.table import FaceTable

LARGE_PX = 70.0
"""Smaller faces are dropped by the detector in these libraries, as if it missed them."""
SMALL = (262.0, 30.0, 305.0, 85.0)
"""Where the small face is in the picture of two, drawn carelessly."""


@pytest.fixture(scope="module")
def made(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people of three photos each, and a picture of both, in which one is too small for the detector."""
    root = tmp_path_factory.mktemp("drawn")
    (root / "photos").mkdir()
    for who in ("Jelena_Dokic", "Shimon_Peres"):
        for number in (1, 2, 3):
            name = f"{who}_{number:04}.jpg"
            shutil.copy(shared_data / "lfw_dev" / who / name, root / "photos" / name)
    both = Image.new("RGB", (360, 250), (90, 100, 110))
    both.paste(Image.open(shared_data / "lfw_dev" / "Jelena_Dokic" / "Jelena_Dokic_0004.jpg"), (0, 0))
    small = Image.open(shared_data / "lfw_dev" / "Shimon_Peres" / "Shimon_Peres_0004.jpg")
    both.paste(small.resize((110, 110), Image.Resampling.LANCZOS), (232, 0))
    both.save(root / "photos" / "both.png")
    with Library.open(root / "people", new=True) as library:
        library.run(root / "photos", encoding={"min_face": LARGE_PX}, jobs=1)
        for person in library.people.people:
            library.name(person.id, Path(person.faces[0].photo).name.split("_")[0])
    return root


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Iterator[Library]:
    """A copy of it, open; its photos are shared."""
    shutil.copytree(made / "people", tmp_path / "people")
    with Library.open(tmp_path / "people") as held:
        yield held


@pytest.fixture(scope="module")
def with_drawn(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library with the small face, drawn and given to Shimon."""
    root = tmp_path_factory.mktemp("with")
    shutil.copytree(made / "people", root / "people")
    with Library.open(root / "people") as held:
        held.draw("both.png", SMALL, "Shimon")
    return root / "people"


@pytest.fixture
def drawn(with_drawn: Path, tmp_path: Path) -> Iterator[Library]:
    """A copy of that, open."""
    shutil.copytree(with_drawn, tmp_path / "drawn")
    with Library.open(tmp_path / "drawn") as held:
        yield held


def rows_of(table: FaceTable, name: str = "both.png") -> list[int]:
    photo = [path.endswith(name) for path in table.photos.path].index(True)
    return np.flatnonzero(table.faces.photo == photo).tolist()


def whose(library: Library, name: str = "both.png") -> list[str | None]:
    """Names of the people who have a face in a photo."""
    return sorted(
        str(person.name)
        for person in library.people.people
        for face in person.faces
        if face.photo.endswith(name)
    )


def test_a_drawn_face_is_measured_encoded_and_whose_it_is_said_to_be(
    drawn: Library, library: Library
) -> None:
    assert whose(library) == ["Jelena"]
    assert whose(drawn) == ["Jelena", "Shimon"]
    before, after = library.table, drawn.table
    old, new = rows_of(after)
    (first,) = rows_of(before)
    assert after.faces.id[old] == before.faces.id[first]
    digest, _, number = str(before.faces.id[first]).rpartition("-")
    assert after.faces.id[new] == f"{digest}-{int(number) + 1}"
    assert np.isnan(after.faces.score[new])
    assert not np.isnan(after.faces.pose[new]).any()
    assert (
        35 < after.faces.size_px[new] < LARGE_PX
        or after.faces.box[new, 2] - after.faces.box[new, 0] < LARGE_PX
    )
    shimon = [row for name in ("0001", "0002", "0003") for row in rows_of(after, f"Shimon_Peres_{name}.jpg")]
    others = [row for name in ("0001", "0002", "0003") for row in rows_of(after, f"Jelena_Dokic_{name}.jpg")]
    near, far = (
        np.linalg.norm(after.faces.encoding[rows] - after.faces.encoding[new], axis=1)
        for rows in (shimon, others)
    )
    assert near.mean() < 1.06 < far.min()  # sface's radius
    rest = np.setdiff1d(np.arange(len(after.faces)), [new])
    for name, column in vars(before.faces).items():
        np.testing.assert_array_equal(getattr(after.faces, name)[rest], column, err_msg=name)
    counts = drawn.people.counts
    assert (counts.faces, counts.ok) == (len(after.faces), 7)
    assert drawn.in_step


def test_it_stays_to_the_byte_where_all_photos_are_encoded_anew(drawn: Library, made: Path) -> None:
    file = drawn.directory / "faces.npz"
    before = file.read_bytes()
    drawn.run(made / "photos", fresh=True, jobs=1)
    assert file.read_bytes() == before
    assert whose(drawn) == ["Jelena", "Shimon"]


def test_where_another_detector_finds_it_the_found_one_counts(drawn: Library, made: Path) -> None:
    (_, was) = drawn.table.faces.id[rows_of(drawn.table)].tolist()
    drawn.run(made / "photos", encoding={"min_face": 20.0}, jobs=1)
    rows = rows_of(drawn.table)
    assert len(rows) == 2
    assert not np.isnan(drawn.table.faces.score[rows]).any()
    assert was in drawn.table.faces.id[rows].tolist()
    assert whose(drawn) == ["Jelena", "Shimon"]
    drawn.undo(number=2)
    assert len(rows_of(drawn.table)) == 2  # it is there without anybody's word


def test_it_outlasts_an_edit_and_another_name(drawn: Library, made: Path) -> None:
    path = made / "photos" / "both.png"
    moved = path.with_name("renamed.png")
    original = path.read_bytes()
    try:
        with Image.open(path) as image:
            edited = ImageEnhance.Brightness(image.crop((14, 0, 350, 244))).enhance(1.15)
        edited.save(path)
        drawn.run(made / "photos", jobs=1)
        rows = rows_of(drawn.table)
        assert len(rows) == 2
        assert np.abs(drawn.table.faces.box[rows[1], 0] - (drawn.table.faces.anchor[rows[1], 0] - 14)) < 8
        assert whose(drawn) == ["Jelena", "Shimon"]
        path.rename(moved)
        drawn.run(made / "photos", jobs=1)
        assert whose(drawn, "renamed.png") == ["Jelena", "Shimon"]
    finally:
        moved.unlink(missing_ok=True)
        path.write_bytes(original)


@pytest.mark.parametrize("which", [0, 1], ids=["by the undo of the move", "by the undo of the drawing"])
def test_undo_takes_it_away_and_undoing_that_brings_it_again(drawn: Library, made: Path, which: int) -> None:
    done = drawn.undo()
    assert len(done.decisions) == 2
    assert whose(drawn) == ["Jelena"]
    assert len(rows_of(drawn.table)) == len(rows_of(face_table.read(drawn.directory / "faces.npz"))) == 1
    assert drawn.in_step
    by_do = {one.decision.act.__class__.__name__: one for one in drawn.history()}
    assert not by_do["Draw"].holds
    drawn.run(made / "photos", jobs=1)
    assert len(rows_of(drawn.table)) == 1
    again = drawn.undo(done.decisions[which].id)
    assert len(again.decisions) == 2
    assert whose(drawn) == ["Jelena", "Shimon"]
    assert len(rows_of(face_table.read(drawn.directory / "faces.npz"))) == 2
    assert drawn.in_step
    drawn.undo(again.decisions[1 - which].id)
    assert whose(drawn) == ["Jelena"]
    assert len(rows_of(face_table.read(drawn.directory / "faces.npz"))) == 1


def test_the_drawing_alone_can_be_taken_back(drawn: Library) -> None:
    (draw,) = (one for one in drawn.history() if one.said.endswith("drawn by hand"))
    drawn.undo(draw.id)
    assert whose(drawn) == ["Jelena"]
    assert len(rows_of(drawn.table)) == 1


def test_forgotten_it_does_not_come_back(drawn: Library, made: Path) -> None:
    drawn.forget("Shimon")
    assert "draw" not in [json.loads(line)["do"] for line in drawn.ledger.read_text().splitlines()]
    assert len(rows_of(drawn.table)) == 1
    with pytest.raises(FaceclusterError, match="forgotten"):
        drawn.draw("both.png", SMALL)
    drawn.run(made / "photos", jobs=1)
    assert whose(drawn) == ["Jelena"]


def test_a_face_that_lies_is_encoded_as_if_it_stood(shared_data: Path) -> None:
    photo = decode(shared_data / "lfw_dev" / "Jelena_Dokic" / "Jelena_Dokic_0001.jpg")
    standing, lying = (
        see(
            replace(photo, pixels=np.ascontiguousarray(np.rot90(photo.pixels, k))),
            "",
            Look("", "", "", 0, (box,), ()),
            EncodeOptions(),
        ).faces[0]
        for k, box in ((0, (87.0, 61.0, 178.0, 188.0)), (1, (61.0, 72.0, 188.0, 163.0)))
    )
    assert np.linalg.norm(standing["encoding"] - lying["encoding"]) < 0.1
    assert abs(lying["pose"][2] - standing["pose"][2] + 90) < 5


class _Killed(BaseException):
    pass


def _killed(library: Library, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise _Killed

    monkeypatch.setattr(Held, method, die)
    with pytest.raises(_Killed):
        library.draw("both.png", SMALL, "Shimon")
    monkeypatch.undo()


def test_the_same_again_ends_well_after_a_kill(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed(library, "put_table", monkeypatch)
    library.reload()
    assert len(rows_of(library.table)) == 1
    library.draw("both.png", SMALL, "Shimon")
    assert whose(library) == ["Jelena", "Shimon"]
    assert [one.decision.act.__class__.__name__ for one in library.history()][-2:] == ["Draw", "Move"]
    library.undo()
    assert whose(library) == ["Jelena"]


def test_any_other_verb_takes_in_what_was_broken_off(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed(library, "save", monkeypatch)
    library.reload()
    library.name("Jelena", "Jelena Dokic")
    assert len(rows_of(library.table)) == 2
    assert len(library.people.people) == 2
    assert library.in_step
    assert library.people.counts.faces == len(library.table.faces)


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """Two people of three blank photos each, and one without a face, of a made table."""
    paths = [str(tmp_path / f"{i}.png") for i in range(7)]
    for i, path in enumerate(paths):
        Image.new("RGB", (320, 320), (13 * i, 90, 60)).save(path)
    encodings = np.repeat(np.eye(128)[:2], 3, axis=0) + np.random.default_rng(0).normal(0, 0.02, (6, 128))
    photos = {"size": np.full((7, 2), 320), "status": [*["ok"] * 6, "no_face"]}
    table = make_table(encodings, paths=paths, photos=photos)
    folder = tmp_path / "people"
    folder.mkdir()
    face_table.write(table, folder / "faces.npz")
    cluster_table(table, folder, source=str(folder / "faces.npz"), jobs=1)
    return folder


def test_where_nothing_is_seen_the_box_is_the_face_and_a_new_name_makes_a_person(blank: Path) -> None:
    result = CliRunner().invoke(main, ["draw", str(blank), "2.png", "200,210,290,300", "Anna Berg"])
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["do"] for line in result.stdout.splitlines()] == ["draw", "make"]
    assert "nothing like a face" in result.stderr
    with Library.open(blank) as library:
        (anna,) = (person for person in library.people.people if person.name == "Anna Berg")
        assert tuple(anna.faces[0].box) == (200, 210, 290, 300)
        assert library.table.faces.box[-1].tolist() != [200, 210, 290, 300]  # it is behind its photo's others
        again = library.draw("2.png", (200, 210, 290, 300), "Anna Berg")
        assert again.decision is None
        with pytest.raises(FaceclusterError, match=r"there is a face already.*Anna Berg.*facecluster move"):
            library.draw("2.png", (205, 215, 290, 300))


def test_in_a_photo_without_a_face_one_is_drawn_and_taken_back(blank: Path) -> None:
    result = CliRunner().invoke(main, ["draw", str(blank), "6.png", "200,210,290,300", "Anna Berg"])
    assert result.exit_code == 0, result.output
    with Library.open(blank) as library:
        assert whose(library, "6.png") == ["Anna Berg"]
        assert library.table.photos.status[6] == "ok"
        library.undo()
        assert library.table.photos.status[6] == "no_face"
        assert not [person for person in library.people.people if person.name == "Anna Berg"]


@pytest.mark.parametrize(
    ("photo", "box", "who", "said"),
    [
        ("9.png", (1, 1, 50, 50), None, "no such photo"),
        ("2.png", (400, 400, 450, 450), None, "outside of .*320 x 320"),
        ("2.png", (1, 1, 6, 60), None, "too small, 5 x 59"),
        ("2.png", (60, 1, 6, 60), None, "no box"),
        ("2.png", (1, 1, float("nan"), 60), None, "no box"),
        ("2.png", (1, 1, 10**400, 60), None, "no box"),
        ("2.png", (200, 200, 290, 290), "person-0077", "no such person"),
        ("2.png", (200, 200, 290, 290), "", "empty name"),
    ],
)
def test_what_cannot_be_is_refused_in_plain_words_and_nothing_is_written(
    blank: Path, photo: str, box: tuple[float, float, float, float], who: str | None, said: str
) -> None:
    before = {path.name: path.read_bytes() for path in blank.iterdir() if path.is_file()}
    with Library.open(blank) as library, pytest.raises(FaceclusterError, match=said):
        library.draw(photo, box, who)
    assert {path.name: path.read_bytes() for path in blank.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder.parent / "2.png").unlink(), "2.png: .*facecluster run"),
        (lambda folder: (folder / "faces.npz").unlink(), "face table"),
    ],
    ids=["photo gone", "table gone"],
)
def test_without_photo_or_table_nothing_can_be_drawn(
    blank: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(blank)
    with Library.open(blank) as library, pytest.raises((FaceclusterError, TableError), match=said):
        correct.draw(library, "2.png", (200, 200, 290, 290))
    assert not (blank / "decisions.jsonl").exists()
