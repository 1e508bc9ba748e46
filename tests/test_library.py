"""A library keeps its settings and its people: issue 11, points 3, 4 and 6."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click.testing
import numpy as np
import pytest
from click.testing import CliRunner
from commands import PROGRAM, read_terminal
from libraries import cluster_table
from tables import make_table, people

import facecluster as fc
from facecluster.cli import main
from facecluster.errors import DecisionsLackError, FaceclusterError, OutputError
from facecluster.formats import face_table
from facecluster.library import undo_patches
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.result import Person, Result, UnclusteredFace
from facecluster.table import FaceTable


def table_of(rows: list[int], encoder: str = "sface") -> FaceTable:
    """Faces that look a little aside: 0 to 4 of one person, 5 to 8 of another, 9 to 11 of a third, 12 of nobody."""
    x = people(4, 5, spread=0.3)[[*range(5), *range(5, 9), *range(10, 13), 15]]
    return make_table(
        x[rows],
        paths=[f"/none/{row:02d}.jpg" for row in rows],
        photos={"digest": [f"{row:032x}" for row in rows]},
        id=[f"{row:032x}-0" for row in rows],
        pose=np.full((len(rows), 3), 5.0),
        encoder=encoder,
    )


ALL = list(range(13))
NONE = Choices(link="none")
ONE, TWO, THREE = "person-0001", "person-0002", "person-0003"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A library of the three, whose table lies in it."""
    folder = tmp_path / "people"
    folder.mkdir()
    face_table.write(table_of(ALL), folder / "faces.npz")
    cluster_table(table_of(ALL), folder, NONE, source=str(folder / "faces.npz"))
    return folder


def again(out: Path, rows: list[int] = ALL, choices: Choices = NONE, encoder: str = "sface") -> Result:
    return cluster_table(table_of(rows, encoder), out, choices, source=str(out / "faces.npz"))


def cli(*arguments: object) -> click.testing.Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def cluster(out: Path, *options: object) -> click.testing.Result:
    done = cli("cluster", out / "faces.npz", "-o", out, "-j", 1, *options)
    assert done.exit_code == 0, done.output
    return done


def rows_of(result: Result) -> dict[str, list[int]]:
    """Faces by person."""
    return {p.id: sorted(int(face.id.partition("-")[0], 16) for face in p.faces) for p in result.people}


def names_of(result: Result) -> dict[str, str]:
    return {person.id: person.name for person in result.people if person.name is not None}


# ---------------------------------------------------------------------------------------- settings are remembered


def test_settings_are_as_last_time_and_told_in_a_line(out: Path) -> None:
    cluster(out, "--min-images", 2, "--max-angle", 40)
    told = cluster(out).stderr
    assert "settings as last time: --min-images 2, --max-angle 40, --link none (--default-settings" in told
    cluster(out, "--min-images", 4)
    assert "--min-images 4, --max-angle 40" in cluster(out).stderr
    assert "as last time" not in cluster(out, "--default-settings", "--link", "none").stderr


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (["--min-images", 2], ["--min-images", 3]),
        (["--min-size", 50], ["--min-size", 75]),
        (["--max-angle", 40], ["--max-angle", 30]),
        (["--min-quality", 0.5], ["--min-quality", 0.8]),
        (["--no-gate"], ["--gate"]),
        (["--min-samples", 2], ["--min-samples", 3]),
        (["--same-photo", "forbid"], ["--same-photo", "prefer"]),
        (["--eps", 0.7], ["--eps", 0.8]),
    ],
)
def test_each_setting_is_remembered_and_goes_back(out: Path, given: list[object], back: list[object]) -> None:
    def rules() -> object:
        return json.loads((out / "clusters.json").read_text())["settings"]["cluster"]

    usual = rules()
    cluster(out, *given)
    other = rules()
    assert other != usual
    cluster(out)
    assert rules() == other
    cluster(out, *back)
    assert rules() == usual
    cluster(out, *given)
    cluster(out, "--default-settings")
    assert rules() == usual


def test_another_encoder_forgets_eps(out: Path) -> None:
    assert again(out, choices=Choices(eps=0.7)).settings.eps == 0.7
    other = again(out, encoder="dlib")
    assert other.settings.eps is None
    assert other.settings.rules is not None
    assert other.settings.rules.radii.eps == 0.33


def test_cost_of_other_settings_is_told_first_by_name(out: Path) -> None:
    told = cluster(out, "--min-images", 4).stderr
    assert told.startswith(f"1 person would go with these settings: {THREE}, 3 faces\n")
    assert "would go" not in cluster(out, "--min-images", 4).stderr


def on_a_terminal(out: Path, answer: str, *options: object) -> tuple[int, str]:
    """Exit code and what a terminal shows of a run that is answered."""
    pty = pytest.importorskip("pty", reason="no terminals to be had on this system")
    leader, terminal = pty.openpty()
    command = [*PROGRAM, "cluster", out / "faces.npz", "-o", out, "-j", 1, *options]
    with subprocess.Popen(
        [*map(str, command)], stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal
    ) as process:
        os.close(terminal)
        os.write(leader, answer.encode())
        shown = read_terminal(leader)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def test_terminal_is_asked_and_no_changes_nothing(out: Path) -> None:
    before = (out / "clusters.json").read_bytes()
    code, shown = on_a_terminal(out, "n\n", "--min-images", 4)
    assert code == 1
    assert f"would go with these settings: {THREE}, 3 faces" in shown
    assert "go on? [y/N]" in shown
    assert "facecluster: the people stay as they were, as you said no" in shown
    assert (out / "clusters.json").read_bytes() == before
    assert on_a_terminal(out, "y\n", "--min-images", 4)[0] == 0
    assert (out / "clusters.json").read_bytes() != before
    cluster(out, "--default-settings", "--link", "none")
    code, shown = on_a_terminal(out, "", "--min-images", 4, "--yes")
    assert code == 0
    assert "go on?" not in shown


# ---------------------------------------------------------------------------------------- a name keeps a person

STRICT = {
    "five photos": Choices(min_images=6),
    "one degree": Choices(max_angle_deg=1),
    "tiny eps": Choices(eps=1e-3),
    "all of it": Choices(min_images=9, max_angle_deg=1, eps=1e-3),
}


def decided(out: Path, way: str) -> str:
    """Let a person say something, and give who it is about."""
    with Library.open(out) as library:
        if way == "named":
            library.name(TWO, "Anna")
        if way == "merged":
            library.merge(TWO, THREE)
        if way == "split":
            return library.split(ONE, *[f"{row:032x}-0" for row in (0, 1)]).decision.act.into  # type: ignore[union-attr, return-value]
        if way == "moved":
            library.move(f"{12:032x}-0", to=TWO)
    return TWO


@pytest.mark.parametrize("setting", STRICT)
@pytest.mark.parametrize("way", ["named", "merged", "split", "moved"])
def test_person_stays_under_any_settings(out: Path, way: str, setting: str) -> None:
    who = decided(out, way)
    with Library.open(out) as library:
        before, names = rows_of(library.people)[who], names_of(library.people)
    now = again(out, choices=STRICT[setting])
    assert rows_of(now)[who] == before
    assert names_of(now) == names


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("way", ["named", "merged", "split", "moved"])
def test_people_come_back_from_the_decisions_alone(out: Path, way: str, damaged: bool) -> None:
    who = decided(out, way)
    with Library.open(out) as library:
        before, names = rows_of(library.people)[who], names_of(library.people)
        others = rows_of(library.people)
    if damaged:
        (out / ".facecluster-files.jsonl").unlink()
    (out / "clusters.json").unlink()
    now = again(out)
    assert rows_of(now)[who] == before
    assert names_of(now) == names
    assert sorted(rows_of(now).values()) == sorted(others.values())


def test_damaged_record_is_kept_and_ids_and_names_come_back(out: Path) -> None:
    decided(out, "named")
    record = out / "clusters.json"
    status, text = record.stat(), record.read_bytes()
    damaged = text[: len(text) // 2] + b"\0" * (len(text) - len(text) // 2)
    record.write_bytes(damaged)
    os.utime(record, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a broken disk does it
    done = cli("name", out, TWO, "Bea")
    assert done.exit_code == 1
    assert "clusters.json: not JSON, or cut short" in done.stderr
    told = cluster(out, "--link", "none").stderr
    assert "is kept as" in told
    assert "people get new ids, but for those whom decisions know" in told
    assert (out / "clusters.damaged.json").read_bytes() == damaged
    with Library.open(out) as library:
        assert rows_of(library.people)[TWO] == [5, 6, 7, 8]
        assert names_of(library.people) == {TWO: "Anna"}


@pytest.mark.parametrize("left", [0, 100])
def test_record_that_was_cut_short_is_made_anew(out: Path, left: int) -> None:
    decided(out, "named")
    record = out / "clusters.json"
    cut = record.read_bytes()[:left]
    record.write_bytes(cut)
    told = cli("name", out, TWO, "Bea").stderr
    assert told.endswith(f"make it anew: facecluster cluster {out / 'faces.npz'} -o {out}\n")
    (out / "clusters.damaged.json").write_text("the user's own")
    assert "clusters.damaged-2.json" in cluster(out, "--link", "none").stderr
    assert (out / "clusters.damaged.json").read_text() == "the user's own"
    assert (out / "clusters.damaged-2.json").read_bytes() == cut
    with Library.open(out) as library:
        assert names_of(library.people) == {TWO: "Anna"}
    assert cli("name", out, TWO, "Bea").exit_code == 0


def test_record_from_a_backup_is_brought_up_to_the_decisions(out: Path) -> None:
    record = out / "clusters.json"
    backup = record.read_bytes()
    decided(out, "named")
    assert cli("name", out, THREE, "Cleo").exit_code == 0
    record.write_bytes(backup)
    ledger = (out / "decisions.jsonl").read_bytes()
    for verb in (["name", out, ONE, "Bea"], ["undo", out]):
        done = cli(*verb)
        assert done.exit_code == 1
        assert "not as facecluster left it" in done.stderr
        assert f"to mend it: facecluster cluster {out / 'faces.npz'} -o {out}\n" in done.stderr
    assert (out / "decisions.jsonl").read_bytes() == ledger
    told = cluster(out, "--link", "none").stderr
    assert "a copy is kept as" in told
    assert (out / "clusters.replaced.json").read_bytes() == backup
    with Library.open(out) as library:
        assert names_of(library.people) == {TWO: "Anna", THREE: "Cleo"}
        assert library.in_step
    assert cli("name", out, ONE, "Bea").exit_code == 0
    assert "kept as" not in cluster(out).stderr


def test_named_person_stays_with_one_face(out: Path) -> None:
    decided(out, "named")
    now = again(out, [*range(5), 6])
    assert rows_of(now)[TWO] == [6]
    assert names_of(now) == {TWO: "Anna"}
    assert rows_of(again(out))[TWO] == [5, 6, 7, 8]


def test_who_has_no_face_left_is_told_by_name_and_comes_back(out: Path) -> None:
    decided(out, "named")
    face_table.write(table_of([*range(5), 9, 10, 11, 12]), out / "faces.npz")
    told = cluster(out).stderr
    assert f"gone, as none of their faces is there any more: {TWO} (Anna), 4 faces" in told
    assert f"Anna ({TWO}): none of the faces that it was about is there any more" in told
    told = cluster(out).stderr
    assert f"Anna ({TWO}): none of the faces that it was about is there any more" in told
    face_table.write(table_of(ALL), out / "faces.npz")
    told = cluster(out).stderr
    assert "is there any more" not in told
    with Library.open(out) as library:
        assert names_of(library.people) == {TWO: "Anna"}
        assert rows_of(library.people)[TWO] == [5, 6, 7, 8]


def test_names_without_decisions_stop_and_are_told_by_name(out: Path, tmp_path: Path) -> None:
    with Library.open(out) as library:
        library.name(ONE, "Anna")
        library.name(TWO, "Bea")
    ledger, record = out / "decisions.jsonl", out / "clusters.json"
    whole, before = ledger.read_bytes(), record.read_bytes()

    def stopped(*options: object) -> str:
        done = cli("cluster", out / "faces.npz", "-o", out, "-q", *options)
        assert (done.exit_code, record.read_bytes()) == (1, before)
        return done.stderr

    ledger.write_bytes(whole[:-40])
    told = stopped()
    assert (
        f"decisions.jsonl: lacks the decisions that gave 1 person a name, so nothing was changed: Bea ({TWO})"
        in told
    )
    assert "Put the file back from a backup, or go on without these names" in told
    ledger.unlink()
    assert f"gave 2 people a name, so nothing was changed: Anna ({ONE}), Bea ({TWO})" in stopped()
    (tmp_path / "none.jsonl").touch()
    assert "none.jsonl: lacks the decisions that gave 2 people" in stopped(
        "--decisions", tmp_path / "none.jsonl"
    )
    with pytest.raises(DecisionsLackError):
        again(out)
    ledger.write_bytes(whole[: whole.index(b"\n") + 1])
    assert "gave 1 person a name" in cli("undo", out).stderr
    assert record.read_bytes() == before
    ledger.write_bytes(whole)
    cluster(out)
    with Library.open(out) as library:
        assert names_of(library.people) == {ONE: "Anna", TWO: "Bea"}
    ledger.unlink()
    told = cluster(out, "-q", "-y").stderr
    assert told == f"no decision gives these names any more: {ONE} (Anna), 5 faces, {TWO} (Bea), 4 faces\n"
    with Library.open(out) as library:
        assert names_of(library.people) == {}
    cluster(out)


def test_names_that_were_taken_away_by_a_person_do_not_stop(out: Path, tmp_path: Path) -> None:
    with Library.open(out) as library:
        library.name(ONE, "Anna")
        library.name(TWO, "Bea")
        shutil.copytree(out, tmp_path / "earlier")
        library.name(ONE, "")
        library.undo(library.decisions[1].id)
        ledger = library.ledger.read_bytes()
    shutil.rmtree(out)
    shutil.move(tmp_path / "earlier", out)
    (out / "decisions.jsonl").write_bytes(ledger)  # as after a kill between the decisions and the people
    assert "lacks" not in cluster(out).stderr
    with Library.open(out) as library:
        assert names_of(library.people) == {}


def test_names_forgotten_in_another_library_of_the_file_stop(out: Path, tmp_path: Path) -> None:
    with Library.open(out) as library:
        library.name(TWO, "Bea")
    other = [out / "faces.npz", "-o", tmp_path / "other", "-j", 1, "--link", "none"]
    assert cli("cluster", *other, "--decisions", out / "decisions.jsonl").exit_code == 0
    assert cli("forget", out, "--person", "Bea").exit_code == 0
    done = cli("cluster", *other)
    assert done.exit_code == 1
    assert f"so nothing was changed: Bea ({TWO})" in done.stderr
    assert cli("cluster", *other, "-y").exit_code == 0


def test_who_is_somebody_else_now_is_told_with_the_other_name(out: Path, tmp_path: Path) -> None:
    """The decisions of a second computer were put behind those of the first."""
    with Library.open(out) as library:
        library.name(ONE, "Anna")
        library.name(TWO, "Bea")
    shutil.copytree(out, tmp_path / "other")
    with Library.open(out) as library:
        library.merge(ONE, TWO)
    with Library.open(tmp_path / "other") as library:
        library.name(ONE, "Cleo")
        library.split(TWO, f"{5:032x}-0")
    with (out / "decisions.jsonl").open("ab") as file:
        file.write((tmp_path / "other" / "decisions.jsonl").read_bytes())
    with Library.open(out) as library:
        before = library.people
    told = cluster(out).stderr
    with Library.open(out) as library:
        there = {person.id for person in library.people.people}
    gone = [person for person in before.people if person.id not in there]
    assert "as none of their faces" not in told
    assert all(f"{person.id} (Anna), {person.n_faces} faces, is person-" in told for person in gone)


def test_a_face_that_a_named_person_loses_is_told_though_another_came(out: Path) -> None:
    decided(out, "named")
    x = people(4, 5, spread=0.3)[[*range(5), *range(5, 9), *range(10, 13), 15, 9]]  # one more of Anna
    x[8] = people(9, 1)[8]  # and one who looks like nobody now
    rows = range(len(x))
    table = make_table(
        x,
        paths=[f"/none/{row:02d}.jpg" for row in rows],
        photos={"digest": [f"{row:032x}" for row in rows]},
        id=[f"{row:032x}-0" for row in rows],
        pose=np.full((len(rows), 3), 5.0),
    )
    face_table.write(table, out / "faces.npz")
    told = cluster(out).stderr
    assert f"not with them any more: {TWO} (Anna): 08.jpg. To give a face back: facecluster move" in told
    assert "fewer faces" not in told
    assert "not with them" not in cluster(out).stderr


def test_named_people_with_fewer_faces_and_everybody_gone_are_told(out: Path) -> None:
    decided(out, "named")
    face_table.write(table_of([*range(7), 12]), out / "faces.npz")
    told = cluster(out).stderr
    assert "would go" not in told
    assert f"gone, as none of their faces is there any more: {THREE}, 3 faces" in told
    assert f"fewer faces than before: {TWO} (Anna): 2 faces, were 4" in told
    assert "fewer faces" not in cluster(out).stderr


def test_people_of_two_names_are_two_and_told_to_be_alike(out: Path) -> None:
    with Library.open(out) as library:
        new = library.split(ONE, f"{0:032x}-0", f"{1:032x}-0").decision.act.into  # type: ignore[union-attr]
        library.name(ONE, "Anna")
        library.name(str(new), "Bea")
        library.undo(library.decisions[0].id)  # the split; the names stand
        assert names_of(library.people) == {ONE: "Anna", new: "Bea"}
    told = cluster(out).stderr
    assert (
        "look like one person, and stay two as their names say; if they are one: facecluster merge " in told
    )
    assert cli("merge", out, ONE, str(new)).exit_code == 0
    assert "look like one person" not in cluster(out).stderr


# ------------------------------------------------------------------------------------------------- undo


def state(library: Library) -> tuple[tuple[Person, ...], tuple[UnclusteredFace, ...]]:
    return library.people.people, library.people.unclustered


def act_at_random(library: Library, random: random.Random) -> bool:
    """Let a person say something, and say whether there was anything to say."""
    result = library.people
    person = random.choice(result.people)
    face = random.choice(person.faces)
    others = [other for other in result.people if other.id != person.id]
    match random.choice(["name", "merge", "split", "move", "nobody", "back", "no person", "no face"]):
        case "name":
            library.name(person.id, f"N{len(library.decisions)}")
        case "merge" if others:
            library.merge(random.choice(others).id, person.id)
        case "split" if len(person.faces) > 1:
            library.split(person.id, face.id)
        case "move" if others:
            library.move(face.id, to=random.choice(others).id)
        case "nobody":
            library.move(face.id, to="nobody")
        case "back" if result.unclustered:
            library.move(random.choice(result.unclustered).id, to=person.id)
        case "no person" if len(result.people) > 1:
            library.not_a_person(person.id)
        case "no face":
            library.not_a_person(face.id)
        case _:
            return False
    return True


@pytest.mark.parametrize("seed", range(12))
def test_undo_puts_back_exactly_what_was_there(out: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Library.open(out) as library:
        states = [state(library)]
        given = {person.id for person in library.people.people}
        for _ in range(25):
            if len(states) > 1 and chance.random() < 0.4:
                n_before = len(library.decisions)
                library.undo()
                states.pop()
                assert state(library) == states[-1]
                assert len(library.decisions) == n_before + 1
            else:
                before = {person.id for person in library.people.people}
                try:
                    if not act_at_random(library, chance):
                        continue
                except FaceclusterError as error:
                    assert "contradict" in str(error)  # noqa: PT017 - a merge of whom a split took apart
                    assert state(library) == states[-1]
                    continue
                new = {person.id for person in library.people.people} - before
                assert not new & given, "an id that somebody had"
                given |= new
                states.append(state(library))
            if not library.people.people:
                break
        while len(states) > 1:
            library.undo()
            states.pop()
            assert state(library) == states[-1]
    with Library.open(out) as library:
        assert state(library) == states[0]


def test_undo_groups_anew_where_the_patch_does_not_fit(out: Path) -> None:
    with Library.open(out) as library:
        before = state(library)
        library.merge(ONE, TWO)
        (out / undo_patches.FILE).write_text("damaged\n")
        assert "13 faces grouped anew" in library.undo().said
        assert rows_of(library.people) == {
            person.id: sorted(int(face.id[:32], 16) for face in person.faces) for person in before[0]
        }


def test_undo_makes_per_cent_of_the_confidences_of_an_older_patch(out: Path) -> None:
    with Library.open(out) as library:
        before = state(library)
        library.merge(ONE, TWO)
        patch = json.loads((out / undo_patches.FILE).read_text())
        del patch["format"]  # as it was when confidences were 0..1
        for _, person in patch["people"]:
            for known in person["faces"]:
                if known["confidence"] is not None:
                    known["confidence"] /= 100
        (out / undo_patches.FILE).write_text(json.dumps(patch) + "\n")
        assert "grouped anew" not in library.undo().said
        for person, was in zip(library.people.people, before[0], strict=True):
            assert [face.confidence for face in person.faces] == pytest.approx(
                [face.confidence for face in was.faces], rel=1e-6
            )
            assert all(face.confidence is not None and face.confidence > 1 for face in person.faces)


def test_undo_of_a_merge_gives_names_as_they_were_decided(out: Path) -> None:
    with Library.open(out) as library:
        library.name(TWO, "Bea")
        library.merge(ONE, TWO)
        assert names_of(library.people) == {ONE: "Bea"}
        library.undo()
        assert names_of(library.people) == {TWO: "Bea"}
        merged = library.merge(ONE, TWO).decision
        library.name(ONE, "Cleo")
        library.undo(merged.id)
        assert names_of(library.people)[ONE] == "Cleo"


def face(row: int) -> str:
    return f"{row:032x}-0"


MERGED_SINCE: dict[str, tuple[Callable[[Library], object], dict[str, list[int]], dict[str, str]]] = {
    "move": (
        lambda library: library.move(face(9), to=ONE),
        {ONE: [0, 1, 2, 3, 4, 9], TWO: [5, 6, 7, 8], THREE: [10, 11]},
        {ONE: "Tony", TWO: "Hugo", THREE: "Jacques"},
    ),
    "split": (
        lambda library: library.split(ONE, face(5)),
        {ONE: [0, 1, 2, 3, 4], TWO: [5, 6, 7, 8], THREE: [9, 10, 11]},
        {ONE: "Tony", TWO: "Hugo", THREE: "Jacques"},
    ),
    "name": (
        lambda library: library.name(ONE, "Both"),
        {ONE: [0, 1, 2, 3, 4], TWO: [5, 6, 7, 8], THREE: [9, 10, 11]},
        {ONE: "Both", TWO: "Hugo", THREE: "Jacques"},
    ),
    "merge": (
        lambda library: library.merge(THREE, ONE),
        {TWO: [5, 6, 7, 8], THREE: [0, 1, 2, 3, 4, 9, 10, 11]},
        {TWO: "Hugo", THREE: "Jacques"},
    ),
    "not a person": (
        lambda library: library.not_a_person(ONE),
        {TWO: [5, 6, 7, 8], THREE: [9, 10, 11]},
        {TWO: "Hugo", THREE: "Jacques"},
    ),
}
"""What was decided after a merge of Tony and Hugo; the faces and the names after the merge is undone."""


@pytest.mark.parametrize("since", MERGED_SINCE)
@pytest.mark.parametrize("by", ["merge", "move"])
def test_undone_merge_parts_its_people_whatever_was_decided_since(out: Path, since: str, by: str) -> None:
    decide, faces, given = MERGED_SINCE[since]
    with Library.open(out) as library:
        for who, name in ((ONE, "Tony"), (TWO, "Hugo"), (THREE, "Jacques")):
            library.name(who, name)
        if by == "merge":
            merged = library.merge(ONE, TWO).decision
        else:
            merged = library.move(*map(face, range(5, 9)), to=ONE).decision
        decide(library)
        library.undo(merged.id)
        assert (rows_of(library.people), names_of(library.people)) == (faces, given)
        assert library.in_step
    again_made = again(out)
    assert (rows_of(again_made), names_of(again_made)) == (faces, given)


def test_faces_that_came_after_a_merge_do_not_hold_its_people_together(tmp_path: Path) -> None:
    out = tmp_path / "people"
    out.mkdir()
    few = [row for row in ALL if row not in (3, 7, 8)]
    for rows in (few, ALL):
        face_table.write(table_of(rows), out / "faces.npz")
        cluster_table(table_of(rows), out, Choices(link="none", min_images=2), source=str(out / "faces.npz"))
        with Library.open(out) as library:
            if rows is few:
                own = {faces[0]: who for who, faces in rows_of(library.people).items()}
                library.name(own[0], "Tony")
                library.name(own[5], "Hugo")
                merged = library.merge("Tony", "Hugo").decision
            else:
                library.move(face(9), to="Tony")
                library.undo(merged.id)
                assert rows_of(library.people)[own[0]] == [0, 1, 2, 3, 4, 9]
                assert rows_of(library.people)[own[5]] == [5, 6, 7, 8]
                assert names_of(library.people) == {own[0]: "Tony", own[5]: "Hugo"}


def test_two_merges_of_one_person_are_undone_in_any_order(out: Path) -> None:
    for first in (0, 1):
        with Library.open(out) as library:
            for who, name in ((ONE, "Tony"), (TWO, "Hugo"), (THREE, "Jacques")):
                library.name(who, name)
            merges = [library.merge(ONE, TWO).decision.id, library.merge(THREE, ONE).decision.id]
            library.name(THREE, "All")
            library.undo(merges[first])
            library.undo(merges[1 - first])
            assert rows_of(library.people) == {ONE: [0, 1, 2, 3, 4], TWO: [5, 6, 7, 8], THREE: [9, 10, 11]}
            assert names_of(library.people) == {ONE: "Tony", TWO: "Hugo", THREE: "All"}


def test_merge_that_was_undone_and_made_again_holds(out: Path) -> None:
    with Library.open(out) as library:
        library.name(ONE, "Tony")
        library.name(TWO, "Hugo")
        library.merge(ONE, TWO)
        library.undo()
        library.merge(ONE, TWO)
        library.name(ONE, "Both")
    made = again(out)
    assert rows_of(made)[ONE] == list(range(9))
    assert names_of(made) == {ONE: "Both"}


def test_names_that_an_undo_takes_are_told(out: Path) -> None:
    with Library.open(out) as library:
        one = library.move(*map(face, range(9, 12)), to="nobody").decision
        library.move(*map(face, range(9, 12)), to=TWO)
        (out / undo_patches.FILE).unlink()
        assert "any more" not in library.undo(one.id).said
        gone = library.not_a_person(ONE).decision
        (out / undo_patches.FILE).unlink()
        back = library.undo(gone.id).decision
        library.name(ONE, "Anna")
        assert "nobody is named Anna any more" in library.undo(back.id).said


def broken_off(out: Path) -> str:
    """Merge two named people and break its undo off, after its line was written -> id of the merge."""
    with Library.open(out) as library:
        library.name(ONE, "Tony")
        library.name(TWO, "Hugo")
        merged = library.merge(ONE, TWO).decision.id
    line = {"format": 1, "id": "u1", "time": "2027-01-01T00:00:00.000000Z", "do": "undo", "undo": merged}
    with (out / "decisions.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    return merged


def test_undo_that_was_broken_off_is_finished_by_the_next_one(out: Path) -> None:
    merged = broken_off(out)
    with Library.open(out) as library:
        n_before = len(library.decisions)
        done = library.undo()
        assert done.said.startswith("an undo that was broken off is finished: taken back: merge")
        assert merged in done.said
        assert (done.decision.id, done.in_step) == ("u1", True)
        assert len(library.decisions) == n_before
        assert names_of(library.people) == {ONE: "Tony", TWO: "Hugo"}
        assert library.undo().said.startswith(f"taken back: name {TWO}")


def test_several_undos_that_were_broken_off_are_finished_together(out: Path) -> None:
    broken_off(out)
    with Library.open(out) as library:
        named = library.decisions[1].id
        line = {"format": 1, "id": "u2", "time": "2027-01-02T00:00:00.000000Z", "do": "undo", "undo": named}
    with (out / "decisions.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    with Library.open(out) as library:
        done = library.undo()
        assert done.said.startswith("an undo that was broken off is finished: taken back: merge")
        assert [one.id for one in done.decisions] == ["u1", "u2"]
        assert names_of(library.people) == {ONE: "Tony"}
        assert library.in_step


def test_people_are_grouped_anew_once_for_several_that_are_taken_back(out: Path) -> None:
    with Library.open(out) as library:
        before = state(library)
        library.merge(ONE, TWO)
        library.name(ONE, "Tony")
        library.merge(ONE, THREE)
        (out / undo_patches.FILE).unlink()
        done = library.undo(number=3)
        assert done.said.count("grouped anew") == 1
        assert len(done.decisions) == len({one.time for one in done.decisions}) == 3
        assert library.in_step
        assert rows_of(library.people) == {
            person.id: sorted(int(face.id[:32], 16) for face in person.faces) for person in before[0]
        }
        library.undo(done.decisions[0].id)
        library.undo(done.decisions[1].id)
        assert names_of(library.people) == {ONE: "Tony"}


def test_people_who_were_called_nobody_at_once_are_that_again_by_one_id(out: Path) -> None:
    with Library.open(out) as library:
        library.not_a_person(ONE, TWO)
        back = library.undo()
        assert len(library.people.people) == 3
        again = library.undo(back.decisions[0].id)
        assert len(again.decisions) == 2
        assert [person.id for person in library.people.people] == [THREE]


def test_what_was_broken_off_is_made_up_for_before_a_correction(out: Path) -> None:
    broken_off(out)
    told = cli("name", out, THREE, "Carla")
    assert "did not show all decisions" in told.stderr
    with Library.open(out) as library:
        assert library.in_step
        assert names_of(library.people) == {ONE: "Tony", TWO: "Hugo", THREE: "Carla"}


# ------------------------------------------------------------------------------------------------- one lock


def test_four_at_once_keep_four_names(out: Path) -> None:
    cluster(out, "--min-images", 1, "--min-samples", 1)
    own = [person["id"] for person in json.loads((out / "clusters.json").read_text())["people"]]
    assert len(own) == 4
    running = [
        subprocess.Popen([*PROGRAM, "name", "-q", str(out), who, f"Name {i}"], stdout=subprocess.DEVNULL)
        for i, who in enumerate(own)
    ]
    assert [process.wait() for process in running] == [0] * 4
    with Library.open(out) as library:
        assert names_of(library.people) == {who: f"Name {i}" for i, who in enumerate(own)}
        assert library.in_step


def test_held_library_is_told_after_the_wait(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"import sys; sys.path[:0] = {sys.path!r}; from facecluster.library.library import Library\n"
    script += f"with Library.open({str(out)!r}): print('open', flush=True); input()\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(OutputError, match="another facecluster is at work on it; try again when it is"):
            Library.open(out, wait_s=0.2)
        before = (out / "clusters.json").read_bytes()
        defaults = {"new": False, "wait_s": 0.2, "may_lose_names": False}
        monkeypatch.setattr(Library.open.__func__, "__kwdefaults__", defaults)  # type: ignore[attr-defined]
        done = cli("name", out, ONE, "Anna")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "another facecluster is at work on it" in done.stderr
        assert (out / "clusters.json").read_bytes() == before
        other.stdin.write("\n")
    assert cli("name", out, ONE, "Anna").exit_code == 0


# ------------------------------------------------------------------------------------------------- from Python

FACE, OTHER, NOBODY = (f"{row:032x}-0" for row in (0, 5, 12))
VERBS: dict[str, tuple[Callable[[Library], object], list[str]]] = {
    "name": (lambda it: it.name(ONE, "Anna"), ["name", ONE, "Anna"]),
    "merge": (lambda it: it.merge(ONE, TWO), ["merge", ONE, TWO]),
    "split": (lambda it: it.split(ONE, FACE), ["split", ONE, FACE]),
    "move": (lambda it: it.move(NOBODY, to=ONE), ["move", NOBODY, ONE]),
    "nobody": (lambda it: it.move(FACE, OTHER, to=THREE), ["move", FACE, OTHER, THREE]),
    "not a person": (lambda it: it.not_a_person(ONE), ["not-a-person", ONE]),
    "different": (lambda it: it.different(ONE, TWO), ["different", ONE, TWO]),
    "hide": (lambda it: it.hide(ONE), ["hide", ONE]),
    "cover": (lambda it: it.cover(OTHER), ["cover", OTHER]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_methods_do_what_the_verbs_do(out: Path, tmp_path: Path, verb: str) -> None:
    def record(folder: Path) -> dict[str, object]:
        read = json.loads((folder / "clusters.json").read_text())
        read["settings"].pop("decisions")  # ids of decisions are of their time
        return read  # type: ignore[no-any-return]

    twin = tmp_path / "twin"
    twin.mkdir()
    face_table.write(table_of(ALL), twin / "faces.npz")
    cluster_table(table_of(ALL), twin, NONE, source=str(twin / "faces.npz"))
    method, arguments = VERBS[verb]
    with fc.open(out) as library:
        method(library)
        (past,) = library.history()
        assert (past.holds, past.found) == (True, True)
    assert cli(arguments[0], twin, *arguments[1:]).exit_code == 0
    assert record(out) == record(twin)
    with fc.open(out) as library:
        library.undo()
        done, undoing = library.history()
        assert (done.holds, done.undone_by) == (False, undoing.id)
        assert undoing.said == f"taken back: {past.said} ({past.id})"
    assert cli("undo", twin).exit_code == 0
    assert record(out) == record(twin)


def test_methods_take_texts_and_lists_of_them(out: Path) -> None:
    with fc.open(out) as library:
        assert library.split(ONE, [FACE]).in_step
        assert library.move([FACE, OTHER], to=THREE).in_step
        assert library.merge([ONE, TWO]).in_step
        assert library.not_a_person([FACE]).in_step
        calls: list[Callable[[], object]] = [
            lambda: library.split(ONE),
            lambda: library.move(to=ONE),
            lambda: library.not_a_person([]),
        ]
        for call in calls:
            with pytest.raises(FaceclusterError, match="nothing is given"):
                call()
        with pytest.raises(FaceclusterError, match="3: not the text of an id"):
            library.move(3, to=ONE)  # type: ignore[arg-type]
        with pytest.raises(FaceclusterError, match="give two people or more"):
            library.merge(ONE)


def test_library_shows_people_and_photos(out: Path) -> None:
    with fc.open(out) as library:
        assert [person.id for person in library.show()] == [ONE, TWO, THREE]  # type: ignore[union-attr]
        photos = library.show(THREE)
        assert isinstance(photos, dict)
        assert sorted(photos) == ["/none/09.jpg", "/none/10.jpg", "/none/11.jpg"]
        assert library.show(ONE, TWO) == {}


def test_what_is_no_library_is_told(tmp_path: Path) -> None:
    with pytest.raises(FaceclusterError, match=r"holds no clusters\.json"):
        fc.open(tmp_path)
    with pytest.raises(FaceclusterError, match="nowhere: no such folder"):
        fc.open(tmp_path / "nowhere")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(FaceclusterError, match="give a folder of people"):
        fc.open(tmp_path / "a.jpg")
    with pytest.raises(FaceclusterError, match="an empty name"):
        fc.open("")
    with pytest.raises(TypeError, match="library: expected a path; got int"):
        fc.open(3)  # type: ignore[arg-type]
    with fc.open(tmp_path / "new", new=True) as library, pytest.raises(FaceclusterError, match="nobody has"):
        library.people  # noqa: B018 - it is asked for


def test_closed_library_lets_others_in(out: Path) -> None:
    library = fc.open(out)
    library.close()
    library.close()
    with fc.open(out, new=False) as other:
        assert other.people.counts.people == 3
