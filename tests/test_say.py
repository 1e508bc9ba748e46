"""What a person says that moves no face: it holds after every later run, is told, and is taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from libraries import cluster_table
from PIL import Image
from tables import make_table

from facecluster.cli import main
from facecluster.errors import FaceclusterError, UsageError
from facecluster.formats import decisions_jsonl, face_table
from facecluster.formats.clusters_json import read_result
from facecluster.identity.constraints import resolve
from facecluster.identity.decisions import Merge, Move, Spot, Unsure, digest_of
from facecluster.library import correct
from facecluster.library.change import Corrected
from facecluster.library.held import Held
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.result import Person, Result
from facecluster.table import FaceTable

_N = 6
"""Faces of each of four people, a photo each."""

_APART = 0.9
"""Between the last two people: a run with a radius of 0.5 leaves them apart, one with the usual radius merges them."""

_SMALL = Choices(eps=0.5)


def _table(photos: Path, n: int = 4 * _N) -> FaceTable:
    """The first faces: six each of four people, and then one a person in turn."""
    centres = np.eye(128)[:4].copy()
    near = 1 - _APART**2 / 2
    centres[3] = near * centres[2] + np.sqrt(1 - near**2) * centres[3]
    who = [*np.repeat(np.arange(4), _N), *(i % 4 for i in range(n - 4 * _N))]
    around = np.random.default_rng(3).normal(0, 0.01, (len(who), 128))
    paths = [str(photos / f"{i:02}.png") for i in range(n)]
    for i, path in enumerate(paths):
        if not Path(path).exists():
            Image.new("RGB", (320, 320), (9 * i, 90, 60)).save(path)
    return make_table(centres[who] + around, paths=paths, photos={"size": np.full((n, 2), 320)})


def _cluster(folder: Path, table: FaceTable, choices: Choices = _SMALL, *, update: bool = False) -> Result:
    face_table.write(table, folder / "faces.npz")
    return cluster_table(table, folder, choices, source=str(folder / "faces.npz"), update=update, jobs=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people whose photos are blank; person-0003 and person-0004 are near."""
    folder = tmp_path_factory.mktemp("made") / "people"
    folder.mkdir()
    _cluster(folder, _table(folder.parent))
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    """A copy of it, in a folder that has its photos, too."""
    folder = made.parent / tmp_path.name / "people"
    shutil.copytree(made, folder, symlinks=True)
    return folder


def _photos(library: Path) -> Path:
    """Where the photos of a copied library are."""
    return library.parent.parent


def _say(folder: Path, verb: Callable[[Library], Corrected]) -> Corrected:
    with Library.open(folder) as held:
        return verb(held)


def _person(folder: Path, own: str) -> Person:
    return next(one for one in read_result(folder / "clusters.json").people if one.id == own)


def _ids(folder: Path) -> list[str]:
    return [one.id for one in read_result(folder / "clusters.json").people]


def _told(folder: Path) -> list[tuple[str, bool]]:
    with Library.open(folder) as held:
        return [(one.said, one.holds) for one in held.history()]


def _face(folder: Path, own: str, number: int) -> str:
    return _person(folder, own).faces[number].id


def _colour(folder: Path, place: int) -> float:
    """The red of a cover on the sheet of everybody."""
    with Image.open(folder / "index.jpg") as sheet:
        left = 16 + 176 * place
        return float(np.asarray(sheet.convert("RGB"))[50:200, left : left + 150, 0].mean())


def _width(folder: Path) -> int:
    with Image.open(folder / "index.jpg") as sheet:
        return sheet.width


def _colour_of(face: str) -> float:
    """The red of the photo of a face."""
    return 9.0 * int(face.removeprefix("face"))


def _renamed(table: FaceTable) -> FaceTable:
    """The same photos under other names."""
    paths = [path.replace(".png", " b.png") for path in table.photos.path.tolist()]
    for old, new in zip(table.photos.path.tolist(), paths, strict=True):
        shutil.copy(old, new)
    return replace(table, photos=replace(table.photos, path=np.array(paths, dtype=str)))


LATER: dict[str, Callable[[Path], object]] = {
    "at once": lambda folder: None,
    "other settings": lambda folder: _cluster(folder, _table(_photos(folder)), Choices(eps=0.4)),
    "usual settings": lambda folder: _cluster(folder, _table(_photos(folder)), Choices(eps=0.8)),
    "renamed photos": lambda folder: _cluster(folder, _renamed(_table(_photos(folder)))),
    "new faces": lambda folder: _cluster(folder, _table(_photos(folder), 4 * _N + 8), update=True),
    "without the earlier people": lambda folder: (
        (folder / "clusters.json").unlink(),
        _cluster(folder, _table(_photos(folder))),
    ),
}
later = pytest.mark.parametrize("then", LATER.values(), ids=list(LATER))


@later
def test_two_who_are_told_apart_stay_apart(library: Path, then: Callable[[Path], object]) -> None:
    _say(library, lambda held: held.different("person-0003", "person-0004"))
    then(library)
    assert sorted(_ids(library)) == [f"person-000{i}" for i in range(1, 5)]


def test_without_a_word_they_become_one(library: Path) -> None:
    LATER["usual settings"](library)
    assert len(_ids(library)) == 3


def test_a_later_merge_joins_who_was_told_apart(library: Path) -> None:
    _say(library, lambda held: held.different("person-0003", "person-0004"))
    merged = _say(library, lambda held: held.merge("person-0004", "person-0003"))
    assert merged.in_step
    for choices in (Choices(eps=0.4), Choices(eps=0.8)):
        _cluster(library, _table(_photos(library)), choices)
        assert _person(library, "person-0004").n_faces == 2 * _N
    (told, holds), _ = _told(library)
    assert (told, holds) == ("person-0003 and person-0004 are not one person", False)
    _say(library, lambda held: held.undo(merged.decision and merged.decision.id))
    LATER["usual settings"](library)
    assert len(_ids(library)) == 4
    assert _told(library)[0][1]


def test_a_merge_of_people_known_by_other_faces_overrules_too(library: Path) -> None:
    _say(library, lambda held: held.different("person-0001", "person-0003"))
    apart = decisions_jsonl.read(library / "decisions.jsonl")
    faces = _table(_photos(library), 4 * _N + 16).faces

    def new(who: int) -> tuple[Spot, ...]:
        """Faces of a person that were not there when the two were told apart."""
        return tuple(
            Spot(digest_of(own), (100, 200, 200, 300)) for own in faces.id[4 * _N + who :: 4].tolist()
        )

    merge = decisions_jsonl.decide(Merge(("person-0001", "person-0003"), (new(0), new(2))), apart)
    told = resolve([*apart, merge], faces)
    assert told.overruled == {apart[0].id: merge.id}
    assert len(told.apart) == 0
    assert len(resolve(apart, faces).apart) == _N**2


def test_told_apart_twice_is_told_once(library: Path) -> None:
    _say(library, lambda held: held.different("person-0003", "person-0004"))
    again = _say(library, lambda held: held.different("person-0004", "person-0003"))
    assert again.decision is None
    assert again.said == "person-0004 and person-0003 are told apart already; nothing was changed"
    with pytest.raises(UsageError, match="are one person: person-0001"):
        _say(library, lambda held: held.different("person-0001", "person-0001"))


@later
def test_somebody_hidden_stays_hidden(library: Path, then: Callable[[Path], object]) -> None:
    before = (library / "clusters.json").read_text()
    assert '"hidden"' not in before
    said = _say(library, lambda held: held.hide("person-0001", "person-0002"))
    assert said.said == "person-0001, person-0002 are left out of lists now"
    assert len(said.decisions) == 2
    then(library)
    assert sorted(own for own in _ids(library) if _person(library, own).hidden) == [
        "person-0001",
        "person-0002",
    ]
    shown = sum(
        _colour(library, place) < 250 for place in range(4) if _width(library) > 16 + 176 * place + 150
    )
    assert shown == len(_ids(library)) - 2
    assert (library / "person-0001_montage.jpg").exists()
    _say(library, lambda held: held.undo())
    assert not any(one.hidden for one in read_result(library / "clusters.json").people)
    assert '"hidden"' not in (library / "clusters.json").read_text()


def test_who_is_merged_into_somebody_is_as_hidden_as_that_one(library: Path) -> None:
    _say(library, lambda held: held.hide("person-0001"))
    _say(library, lambda held: held.merge("person-0001", "person-0002"))
    _say(library, lambda held: held.hide("person-0004"))
    _say(library, lambda held: held.merge("person-0003", "person-0004"))
    for choices in (None, Choices(eps=0.4)):
        if choices is not None:
            _cluster(library, _table(_photos(library)), choices)
        assert [_person(library, own).hidden for own in ("person-0001", "person-0003")] == [True, False]


def test_a_named_person_whom_a_run_joins_with_somebody_hidden_is_shown(library: Path) -> None:
    _say(library, lambda held: held.name("person-0003", "Anna"))
    _say(library, lambda held: held.hide("person-0004"))
    LATER["usual settings"](library)
    assert _person(library, "person-0003").n_faces == 2 * _N
    assert not _person(library, "person-0003").hidden


def test_who_is_shown_again_is_told_to_be(library: Path) -> None:
    _say(library, lambda held: held.hide("person-0001"))
    assert _say(library, lambda held: held.hide("person-0001")).decision is None
    _say(library, lambda held: held.unhide("person-0001"))
    assert not _person(library, "person-0001").hidden
    assert _told(library) == [
        ("person-0001 is left out of lists", False),
        ("person-0001 is in lists again", True),
    ]


@later
def test_a_cover_stays(library: Path, then: Callable[[Path], object]) -> None:
    usual, chosen = _face(library, "person-0001", 0), _face(library, "person-0001", 4)
    assert _colour(library, 0) == pytest.approx(_colour_of(usual), abs=3)
    _say(library, lambda held: held.cover(chosen))
    assert _person(library, "person-0001").cover == chosen
    then(library)
    assert _person(library, "person-0001").cover == chosen
    place = _ids(library).index("person-0001")
    assert _colour(library, place) == pytest.approx(_colour_of(chosen), abs=3)
    _say(library, lambda held: held.undo())
    person = _person(library, "person-0001")
    assert person.cover == person.faces[0].id
    place = _ids(library).index("person-0001")
    assert _colour(library, place) == pytest.approx(_colour_of(person.cover), abs=3)
    assert then is not LATER["at once"] or person.cover == usual


def test_a_cover_goes_with_its_face(library: Path) -> None:
    chosen = _face(library, "person-0001", 4)
    _say(library, lambda held: held.cover(chosen))
    assert _say(library, lambda held: held.cover(chosen)).decision is None
    _say(library, lambda held: held.merge("person-0002", "person-0001"))
    assert _person(library, "person-0002").cover == chosen
    _say(library, lambda held: held.move(chosen, to="person-0003"))
    assert _person(library, "person-0003").cover == chosen
    assert _person(library, "person-0002").cover == _face(library, "person-0002", 0)
    _cluster(library, _table(_photos(library)), Choices(eps=0.4))
    assert _person(library, "person-0003").cover == chosen
    _say(library, lambda held: held.cover(_face(library, "person-0003", 1)))
    assert [holds for _, holds in _told(library)] == [False, True, True, True]


def test_a_face_of_nobody_is_no_cover(library: Path) -> None:
    face = _face(library, "person-0001", 4)
    _say(library, lambda held: held.move(face, to="nobody"))
    with pytest.raises(FaceclusterError, match="nobody's, and no cover"):
        _say(library, lambda held: held.cover(face))
    with pytest.raises(FaceclusterError, match="2 faces; give one"):
        _say(library, lambda held: held.cover("person-0002#1-2"))


@later
def test_confirmed_faces_stay(library: Path, then: Callable[[Path], object]) -> None:
    _say(library, lambda held: held.name("person-0004", "Anna"))
    faces = [face.id for face in _person(library, "person-0004").faces]
    said = _say(library, lambda held: held.confirm(faces[:2], person="Anna"))
    assert said.said == "2 faces are person-0004 (Anna)'s, as is confirmed now"
    act = said.decision and said.decision.act
    assert isinstance(act, Move)
    assert (act.person, act.into, act.away) == ("person-0004", "person-0004", ())
    then(library)
    anna = next(one for one in read_result(library / "clusters.json").people if one.name == "Anna")
    assert set(faces) <= {face.id for face in anna.faces}
    told = _told(library)[-1]
    assert told[0].startswith("2 faces (")
    assert told[0].endswith(") are person-0004 (Anna)'s, as was confirmed")
    assert told[1]


def test_who_is_confirmed_wholly_keeps_name_and_id(library: Path) -> None:
    table = _table(_photos(library))
    _say(library, lambda held: held.name("person-0001", "Anna"))
    faces = [face.id for face in _person(library, "person-0001").faces]
    _say(library, lambda held: held.confirm(faces, person="Anna"))
    assert _say(library, lambda held: held.confirm(faces[:3], person="Anna")).decision is None
    before = _person(library, "person-0001")
    for choices in (Choices(eps=0.4), Choices(eps=0.8), Choices(eps=0.01)):
        _cluster(library, table, choices)
        assert _person(library, "person-0001").name == "Anna"
        assert {face.id for face in _person(library, "person-0001").faces} == set(faces)
    _cluster(library, table, _SMALL)
    assert [face.core for face in _person(library, "person-0001").faces] == [
        face.core for face in before.faces
    ]


def test_a_face_of_somebody_else_is_not_confirmed(library: Path) -> None:
    face = _face(library, "person-0002", 0)
    with pytest.raises(
        FaceclusterError, match=f"is person-0002's, not .* facecluster move .* {face} person-0001"
    ):
        _say(library, lambda held: held.confirm(face, person="person-0001"))


def test_what_nobody_could_say_changes_nothing_else(library: Path) -> None:
    before = (library / "clusters.json").read_bytes()
    sides = [["person-0003"], ["person-0004"]]
    done = _say(library, lambda held: held.unsure("same person-0003 person-0004", sides))
    assert done.in_step
    act = done.decision and done.decision.act
    assert isinstance(act, Unsure)
    assert [len(side) for side in act.faces] == [_N, _N]
    assert _say(library, lambda held: held.unsure("same person-0003 person-0004", sides)).decision is None
    assert (library / "clusters.json").read_bytes() == before
    _cluster(library, _table(_photos(library)))
    assert (library / "clusters.json").read_bytes() == before
    ((said, holds),) = _told(library)
    assert said.startswith(f"nobody could say whether these are one person: {_N} faces (")
    assert holds
    undone = _say(library, lambda held: held.undo())
    assert undone.said.startswith(f"taken back: not sure of {2 * _N} faces")
    assert (library / "clusters.json").read_bytes() == before
    assert _say(library, lambda held: held.unsure("same person-0003 person-0004", sides)).decision


VERBS: dict[str, Callable[[Library], Corrected]] = {
    "different": lambda held: held.different("person-0003", "person-0004"),
    "hide": lambda held: held.hide("person-0001"),
    "hide several": lambda held: held.hide("person-0001", "person-0002", "person-0003"),
    "cover": lambda held: held.cover("person-0001#5"),
    "confirm": lambda held: held.confirm("person-0001#5", person="person-0001"),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_what_was_broken_off_and_is_asked_for_again_is_done_once(
    verb: Callable[[Library], Corrected], library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    undisturbed = library.with_name("undisturbed")
    shutil.copytree(library, undisturbed)
    _say(undisturbed, verb)
    with monkeypatch.context() as patch:
        patch.setattr(Held, "save", die)
        with pytest.raises(Killed):
            _say(library, verb)
    _say(library, verb)
    people = [read_result(folder / "clusters.json").people for folder in (library, undisturbed)]
    assert people[0] == people[1]
    acts = [
        [one.act for one in decisions_jsonl.read(folder / "decisions.jsonl")]
        for folder in (library, undisturbed)
    ]
    assert acts[0] == acts[1]


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_undo_gives_the_people_back_as_they_were(verb: Callable[[Library], Corrected], library: Path) -> None:
    before = read_result(library / "clusters.json").people
    _say(library, verb)
    undone = _say(library, lambda held: held.undo())
    assert undone.in_step
    assert read_result(library / "clusters.json").people == before
    _say(library, lambda held: held.undo(undone.decision and undone.decision.id))
    assert next(holds for _, holds in _told(library))


def test_what_is_forgotten_is_in_no_line(library: Path) -> None:
    faces = [_face(library, "person-0004", i) for i in range(_N)]
    for verb in (
        lambda held: held.different("person-0003", "person-0004"),
        lambda held: held.hide("person-0004", "person-0003"),
        lambda held: held.cover(faces[2]),
        lambda held: held.confirm(faces[1], person="person-0004"),
        lambda held: held.unsure(f"is {faces[0]} person-0003", [[faces[0]], ["person-0003"]]),
    ):
        _say(library, verb)
    with Library.open(library) as held:
        held.forget("person-0004")
    lines = (library / "decisions.jsonl").read_text()
    assert [json.loads(line)["do"] for line in lines.splitlines()] == ["hide"]
    assert not any(face in lines for face in faces)
    assert _person(library, "person-0003").hidden


def test_merge_of_two_files_that_contradict_names_both(library: Path) -> None:
    merged = _say(library, lambda held: held.merge("person-0003", "person-0004"))
    undone = _say(library, lambda held: held.undo())
    _say(library, lambda held: held.different("person-0003", "person-0004"))
    with pytest.raises(
        FaceclusterError, match=r"(?s)merge person-0003.*different person-0003.*facecluster undo"
    ):
        _say(library, lambda held: held.undo(undone.decision and undone.decision.id))
    assert merged.decision is not None
    assert len(_ids(library)) == 4


def test_verbs_of_the_library_are_those_of_correct() -> None:
    for verb in ("confirm", "different", "hide", "unhide", "cover", "unsure"):
        assert callable(getattr(correct, verb))


def test_lists_leave_out_who_is_hidden_and_say_how_many(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(*arguments: str, terminal: bool = True) -> tuple[list[str], str]:
        with monkeypatch.context() as patch:
            patch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: terminal, raising=False)
            done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.stderr
        return done.stdout.splitlines(), done.stderr

    def whose(rows: list[str]) -> set[str]:
        return {word for row in rows for word in row.split() if word.startswith("person-")}

    _say(library, lambda held: held.hide("person-0001", "person-0002"))
    everybody, folder = set(_ids(library)), str(library)
    for verb in ("list", "show"):
        rows, told = lines(verb, folder)
        assert whose(rows) == {"person-0003", "person-0004"}
        assert "2 " in told
        assert "--hidden" in told
        rows, told = lines(verb, folder, "--hidden")
        assert whose(rows) == everybody
        assert "--hidden" not in told
    rows, _ = lines("list", folder, terminal=False)
    assert [json.loads(row)["hidden"] for row in rows] == [True, True, False, False]
    rows, _ = lines("show", folder, "--format", "jsonl", terminal=False)
    assert [json.loads(row)["hidden"] for row in rows] == [True, True, False, False]


def test_explain_says_what_was_said(library: Path) -> None:
    face = _face(library, "person-0003", 1)
    _say(library, lambda held: held.confirm(face, person="person-0003"))
    _say(library, lambda held: held.different("person-0003", "person-0001"))
    for about in ("person-0003", face):
        done = CliRunner().invoke(main, ["explain", str(library), about])
        assert "1 face confirmed to be person-0003's" in done.stdout
        assert "person-0003 and person-0001 said not to be one person" in done.stdout
