from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest
from commands import on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main, watch
from facecluster.encoding import pipeline
from facecluster.errors import PhotoError
from facecluster.formats import face_table
from facecluster.formats.clusters_json import read_result
from facecluster.identity.gate import Reason
from facecluster.identity.rules import Rules
from facecluster.library import pending
from facecluster.library.arrivals import Arrivals
from facecluster.library.held import Held
from facecluster.library.layout import PENDING, TOLD
from facecluster.library.library import Library
from facecluster.library.make import make_result
from facecluster.library.settings import Choices
from facecluster.library.watch import Watch
from facecluster.photos.find import find_photos
from facecluster.render.events import events, faces_of, pack, to_json, unpack
from facecluster.result import Result
from facecluster.table import FaceTable

OPTIONS = ("--settle", 0, "--link", "none", "-j", 1)
N_BURST = 50
WAIT_S = 120
"""Until a test gives up; it is over as soon as what it waits for is there."""


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["watch", *map(str, arguments)])


def once(incoming: Path, out: Path, *arguments: object) -> list[dict[str, Any]]:
    """The events of one pass over a folder."""
    done = run(incoming, "--into", out, "--once", *OPTIONS, *arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def told_photos(found: list[dict[str, Any]]) -> list[str]:
    """Names of the photos of all new faces, sorted."""
    names = []
    for event in found:
        new = [face for face in event["faces"] if face["new"]] if event["event"] == "founded" else [event]
        names += [Path(face["photo"]).name for face in new]
    return sorted(names)


@pytest.fixture(scope="session")
def hers(shared_data: Path) -> list[Path]:
    return [Path(path) for path in find_photos([shared_data / "seed_football129" / "person_2"])]


@pytest.fixture(scope="session")
def his(shared_data: Path) -> Path:
    return Path(find_photos([shared_data / "seed_football129" / "person_0"])[0])


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def result_of(table: FaceTable, n: int, tmp_path: Path) -> Result:
    """Cluster the first n photos of one face each."""
    columns = {name: column[:n] for name, column in vars(table.faces).items()}
    photos = {name: column[:n] for name, column in vars(table.photos).items()}
    part = FaceTable(type(table.photos)(**photos), type(table.faces)(**columns), table.settings)
    return cluster_table(part, tmp_path / "r", Choices(link="none"), update=n > 4)


# ------------------------------------------------------------------------------------------------------- events


def test_events_are_what_was_not_told(tmp_path: Path) -> None:
    # three photos of one person and one of a second; then one more of the first, two of the second, one of a third
    table = make_table(people(3, 4)[[0, 1, 2, 4, 3, 5, 6, 8]])
    before, after = result_of(table, 4, tmp_path), result_of(table, 8, tmp_path)
    told = unpack(pack(faces_of(before)))
    assert told == faces_of(before)
    found = list(events(told, after))
    assert [(event.kind, event.faces[0].photo[-7:]) for event in found if event.kind != "founded"] == [
        ("known", "004.jpg"),
        ("stranger", "007.jpg"),
    ]
    (founded,) = [event for event in found if event.kind == "founded"]
    assert sorted(zip((face.photo[-7:] for face in founded.faces), founded.fresh, strict=True)) == [
        ("003.jpg", False), ("005.jpg", True), ("006.jpg", True),
    ]  # fmt: skip
    assert [event.kind for event in found] == ["known", "founded", "stranger"]

    for i in range(len(found) + 1):  # cut short anywhere, the rest is left to tell
        sofar = told + [face for event in found[:i] for face in event.told()]
        assert list(events(sofar, after)) == found[i:]


def test_a_terminal_gets_sentences(tmp_path: Path) -> None:
    table = make_table(people(3, 4)[[0, 1, 2, 4, 3, 5, 6, 8]])
    before, after = result_of(table, 4, tmp_path), result_of(table, 8, tmp_path)
    told = [json.loads(to_json(event)) for event in events(faces_of(before), after)]
    known, founded, stranger = (watch.sentence(event, Path("my people")) for event in told)
    assert known.startswith("person-0001 is in /photos/004.jpg (confidence ")
    assert known.endswith(f"{round(told[0]['confidence'], 1):g} %)")
    assert founded.startswith("somebody new: person-0002, 3 faces in 3 photos, one of them /photos/00")
    assert founded.endswith("; to name: facecluster name 'my people' person-0002 NAME")
    assert stranger == f"a face of nobody is in /photos/007.jpg: {Reason.NO_MATCH.text}"
    named = {"name": "Anna\x1b", "confidence": None}
    assert watch.sentence(told[0] | named, Path()) == "person-0001 (Anna\\x1b) is in /photos/004.jpg"
    assert "to name" not in watch.sentence(told[1] | named, Path())


def test_photo_is_told_a_terminal_in_a_sentence_and_with_json_as_a_pipe(
    incoming: Path, tmp_path: Path, his: Path
) -> None:
    photo = Path(shutil.copy(his, incoming / "a.jpg"))
    command = ("watch", incoming, "--into", tmp_path / "out", "--once", *OPTIONS, "--exec", "cat")
    code, shown, stderr = on_terminal(*command)
    assert (code, shown) == (0, f"a face of nobody is in {photo}: {Reason.NO_MATCH.text}\n"), stderr
    assert json.loads(stderr.splitlines()[-1])["event"] == "stranger"  # the command gets JSON
    shutil.copy(his, incoming / "b.jpg")
    code, shown, stderr = on_terminal(*command, "--json")
    assert json.loads(shown)["photo"] == str(incoming / "b.jpg"), stderr


def test_copy_is_new_beside_a_face_that_was_told_twice(tmp_path: Path) -> None:
    # photo 3 is a byte-identical copy of photo 0, whose face was told as a stranger, and then with the new person's
    ids = [f"{number:032x}-0" for number in (1, 2, 3, 1, 5)]
    table = make_table(people(1, 4)[[0, 1, 2, 0, 3]], id=ids)
    told = faces_of(result_of(table, 1, tmp_path))
    (founded,) = events(told, result_of(table, 3, tmp_path))
    told += founded.told()
    assert len(told) == 4
    (known,) = events(told, result_of(table, 4, tmp_path))
    assert (known.kind, known.faces[0].photo) == ("known", "/photos/003.jpg")


def test_nothing_told_and_nobody_there() -> None:
    import numpy as np

    from facecluster.identity.cluster import cluster_faces

    table = make_table(np.empty((0, 128)))
    rules = Rules.make("sface")
    assert list(events([], make_result(table, cluster_faces(table, rules), rules))) == []


# ----------------------------------------------------------------------------------------------------- arrivals


def test_half_written_photo_waits_until_it_is_whole(incoming: Path) -> None:
    path = incoming / "a.jpg"
    path.write_bytes(b"half")
    arrivals = Arrivals([str(incoming)], [], 0, 2)
    assert arrivals.look(10) == []
    assert arrivals.look(11.9) == []
    path.write_bytes(b"half and half")
    assert arrivals.look(12) == []
    assert arrivals.look(13.9) == []
    assert arrivals.look(14) == [str(path)]
    arrivals.done([str(path)])
    assert (arrivals.look(20), arrivals.unfinished) == ([], [])
    path.write_bytes(b"another photo")
    assert (arrivals.look(21), arrivals.unfinished) == ([], [str(path)])


def test_known_photo_arrives_only_where_it_was_changed_since(incoming: Path) -> None:
    path = incoming / "a.jpg"
    path.write_bytes(b"photo")
    changed = os.stat(path).st_ctime
    assert Arrivals([str(incoming)], [str(path)], changed + 10, 0).look(1) == []
    assert Arrivals([str(incoming)], [str(path)], changed - 10, 0).look(1) == [str(path)]


def test_folder_that_is_gone_is_told_once_and_taken_up_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"photo")
    arrivals = Arrivals([str(folder) for folder in folders], [], 0, 0)
    arrivals.done(arrivals.look(1))
    shutil.rmtree(folders[1])
    (folders[0] / "b.jpg").write_bytes(b"photo")
    assert [arrivals.look(now) for now in (2, 3)] == [[str(folders[0] / "b.jpg")]] * 2
    (message,) = caplog.messages
    assert message.startswith(f"{folders[1]}: not there any more")
    folders[1].mkdir()
    (folders[1] / "c.jpg").write_bytes(b"photo")
    assert arrivals.look(4) == [str(folders[0] / "b.jpg"), str(folders[1] / "c.jpg")]
    shutil.rmtree(folders[1])
    arrivals.look(5)
    assert caplog.messages == [message, message]


# ------------------------------------------------------------------------------------------------- a growing folder


def test_growing_folder(incoming: Path, tmp_path: Path, hers: list[Path], his: Path) -> None:
    out = tmp_path / "out"
    assert once(incoming, out) == []
    (incoming / "broken.jpg").write_text("no photo")
    assert once(incoming, out) == []

    shutil.copy(hers[0], incoming / "0.jpg")
    (stranger,) = once(incoming, out)
    assert (stranger["event"], Path(stranger["photo"]).name) == ("stranger", "0.jpg")
    assert once(incoming, out) == []

    for i in range(1, 6):
        shutil.copy(hers[i], incoming / f"{i}.jpg")
    (founded,) = once(incoming, out)
    assert (founded["event"], founded["person"], founded["n_photos"]) == ("founded", "person-0001", 6)
    assert {Path(face["photo"]).name for face in founded["faces"] if not face["new"]} == {"0.jpg"}

    assert click.testing.CliRunner().invoke(main, ["name", str(out), "person-0001", "Ann"]).exit_code == 0
    shutil.copy(hers[6], incoming / "6.jpg")
    shutil.copy(hers[0], incoming / "a copy.jpg")
    shutil.copy(his, incoming / "his.jpg")
    found = once(incoming, out)
    about = {Path(event["photo"]).name: (event["event"], event.get("name")) for event in found}
    assert about == {
        "6.jpg": ("known", "Ann"), "a copy.jpg": ("known", "Ann"), "his.jpg": ("stranger", None),
    }  # fmt: skip

    (incoming / "1.jpg").unlink()  # people stay as they are when photos go
    assert once(incoming, out) == []
    table = face_table.read(out / "faces.npz")
    assert sorted(Path(path).name for path in table.photos.path.tolist()) == sorted(
        [*(f"{i}.jpg" for i in range(7)), "a copy.jpg", "broken.jpg", "his.jpg"]
    )
    assert [person.n_photos for person in read_result(out / "clusters.json").people] == [8]
    assert not (out / PENDING).exists()
    assert not (out / TOLD).exists()


def test_touched_photo_changes_nothing(incoming: Path, tmp_path: Path) -> None:
    tiny(incoming, 1)
    assert once(incoming, tmp_path / "out") == []
    before = [(tmp_path / "out" / name).stat().st_mtime_ns for name in ("faces.npz", "clusters.json")]
    os.utime(incoming / "1.png")
    assert once(incoming, tmp_path / "out") == []
    assert before == [(tmp_path / "out" / name).stat().st_mtime_ns for name in ("faces.npz", "clusters.json")]


def test_photo_that_cannot_be_read_ends_nothing(incoming: Path, tmp_path: Path) -> None:
    tiny(incoming, 1)
    assert once(incoming, tmp_path / "out") == []
    (incoming / "broken.jpg").write_text("no photo")
    (incoming / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    assert once(incoming, tmp_path / "out") == []
    table = face_table.read(tmp_path / "out" / "faces.npz")
    status = {
        Path(path).name: status for path, status in zip(table.photos.path, table.photos.status, strict=True)
    }
    assert status == {"1.png": "no_face", "broken.jpg": "unreadable"}


def test_photo_replaced_in_place_is_looked_at_again(
    incoming: Path, tmp_path: Path, hers: list[Path], his: Path
) -> None:
    shutil.copy(hers[0], incoming / "latest.jpg")
    (first,) = once(incoming, tmp_path / "out")
    shutil.copy(his, incoming / "latest.jpg")
    (second,) = once(incoming, tmp_path / "out")
    assert first["photo"] == second["photo"]
    assert first["face"] != second["face"]
    assert len(face_table.read(tmp_path / "out" / "faces.npz").photos) == 1


class Killed(Exception):  # noqa: N818 - no error, but what a kill leaves behind
    pass


def killed(*_: object, **__: object) -> None:
    raise Killed


def killed_after(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **options: Any) -> Any:
        function(*arguments, **options)
        raise Killed

    return wrapper


@pytest.fixture
def batch(incoming: Path, tmp_path: Path, hers: list[Path], his: Path) -> Path:
    """A result of three photos, and three more in the folder."""
    for i in range(3):
        shutil.copy(hers[i], incoming / f"{i}.jpg")
    assert told_photos(once(incoming, tmp_path / "out")) == ["0.jpg", "1.jpg", "2.jpg"]
    for i in (3, 4):
        shutil.copy(hers[i], incoming / f"{i}.jpg")
    shutil.copy(his, incoming / "his.jpg")
    return tmp_path / "out"


STEPS = {
    "analysed": (Watch, "_commit", False),
    "opened": (pending.Notes, "start", True),
    "rows noted": (pending.Notes, "add", True),
    "faces placed": (pending, "place", True),
    "put down": (pending, "put_down", True),
    "all noted": (pending.Notes, "is_placed", True),
    "before the record": (Held, "save", False),
    "the record": (Held, "save", True),
    "the table": (pending, "write_table", True),
    "before people are made": (pending, "build", False),
    "people made": (pending, "build", True),
}
"""Where a watch is killed: before a function that it calls, or after it. The last two are called where all faces are
clustered anew, as the choices are others."""


_UPDATE, _ANEW = "--min-images=3", "--min-images=2"
CASES = [
    *(
        (step, _UPDATE, opened)
        for step in (*STEPS, "told", "noted")
        for opened in (False, True)
        if "people" not in step
    ),
    *(
        (step, _ANEW, True)
        for step in ("rows noted", "the table", "before people are made", "people made", "put down")
    ),
]


@pytest.mark.parametrize(("step", "others", "opened"), CASES)
def test_killed_between_any_two_steps(
    step: str, others: str, opened: bool, batch: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    tell = watch._tell

    def tell_and_die(notice: pending.Notice, library: Path | None, arguments: list[str]) -> None:
        if found and step == "noted":  # the first event is told and noted
            raise Killed
        tell(notice, library, arguments)
        found.append(notice.line)
        if step == "told":  # and not noted
            raise Killed

    with monkeypatch.context() as patch:
        if step in STEPS:
            owner, name, after = STEPS[step]
            hurt = killed_after(getattr(owner, name)) if after else killed
            patch.setattr(owner, name, hurt)
        else:
            patch.setattr(watch, "_tell", tell_and_die)
        died = run(incoming, "--into", batch, "--once", *OPTIONS, others)
        assert isinstance(died.exception, Killed)
        before = [json.loads(line) for line in died.stdout.splitlines()]
    if opened:
        assert click.testing.CliRunner().invoke(main, ["list", str(batch)]).exit_code == 0
        assert not (batch / PENDING).exists() or not pending_batches(batch)
    after_all = once(incoming, batch, others)
    if step == "told":  # the one event that may come twice, and does so as it was
        assert after_all[0] == before[0]
        before = []
    assert told_photos(before + after_all) == ["3.jpg", "4.jpg", "his.jpg"]
    assert others == _ANEW or sorted(event["event"] for event in before + after_all) == [
        "founded",
        "stranger",
    ]
    assert not (batch / PENDING).exists()
    assert not (batch / TOLD).exists()
    assert sorted(names_in(batch)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg", "his.jpg"]
    assert once(incoming, batch) == []


def pending_batches(directory: Path) -> list[pending.Batch]:
    with pending.Notes(directory) as notes:
        return notes.read().batches


def test_faces_of_another_encode_are_placed_and_told(
    incoming: Path, tmp_path: Path, hers: list[Path]
) -> None:
    shutil.copy(hers[0], incoming / "0.jpg")
    out = tmp_path / "out"
    encoded = click.testing.CliRunner().invoke(
        main, ["encode", str(incoming), "-o", str(out / "faces.npz"), "-q", "-j", "1"]
    )
    assert encoded.exit_code == 0
    assert told_photos(once(incoming, out)) == ["0.jpg"]


def test_renamed_photo_is_nothing_new_and_a_copy_is(incoming: Path, tmp_path: Path, his: Path) -> None:
    shutil.copy(his, incoming / "first.jpg")
    assert told_photos(once(incoming, tmp_path / "out")) == ["first.jpg"]
    (incoming / "first.jpg").rename(incoming / "second.jpg")
    assert once(incoming, tmp_path / "out") == []
    shutil.copy(his, incoming / "third.jpg")
    assert told_photos(once(incoming, tmp_path / "out")) == ["third.jpg"]
    table = face_table.read(tmp_path / "out" / "faces.npz")
    assert sorted(Path(path).name for path in table.photos.path.tolist()) == ["second.jpg", "third.jpg"]


def names_in(out: Path) -> list[str]:
    """Names of the photos of the table, in its order; the result has the same photos and faces."""
    table = face_table.read(out / "faces.npz")
    result = read_result(out / "clusters.json")
    assert sorted(face.photo for face in faces_of(result)) == sorted(
        table.photos.path[table.faces.photo].tolist()
    )
    assert result.counts.photos == len(table.photos)
    return [Path(path).name for path in table.photos.path.tolist()]


def test_copies_stay_and_are_told_once(incoming: Path, tmp_path: Path, hers: list[Path], his: Path) -> None:
    out = tmp_path / "out"
    for i in range(4):
        shutil.copy(hers[i], incoming / f"{i}.jpg")
    assert told_photos(once(incoming, out)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    shutil.copy(hers[0], incoming / "copy.jpg")
    assert told_photos(once(incoming, out)) == ["copy.jpg"]
    for i in range(4, 6):
        shutil.copy(hers[i], incoming / f"{i}.jpg")
        assert told_photos(once(incoming, out)) == [f"{i}.jpg"]
        assert once(incoming, out) == []
    assert sorted(names_in(out)) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "copy.jpg"]


def test_of_copies_that_are_gone_one_is_renamed_and_the_other_stays(
    incoming: Path, tmp_path: Path, his: Path
) -> None:
    out = tmp_path / "out"
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(his, incoming / name)
    assert told_photos(once(incoming, out)) == ["a.jpg", "b.jpg"]
    (incoming / "b.jpg").unlink()
    (incoming / "a.jpg").rename(incoming / "c.jpg")
    assert once(incoming, out) == []
    assert sorted(names_in(out)) == ["b.jpg", "c.jpg"]
    (incoming / "c.jpg").rename(incoming / "d.jpg")
    assert once(incoming, out) == []
    assert len(names_in(out)) == 2
    shutil.copy(his, incoming / "e.jpg")
    shutil.copy(
        his, incoming / "f.jpg"
    )  # one takes the place of the last that is gone, the other is one more
    assert len(once(incoming, out)) == 1
    assert sorted(names_in(out)) == ["d.jpg", "e.jpg", "f.jpg"]


def test_photo_that_is_renamed_back_is_in_the_table_under_its_name(
    incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(incoming, 1)

    def looks(*_: object) -> Iterator[None]:
        yield
        (incoming / "1.png").rename(incoming / "2.png")
        yield
        (incoming / "2.png").rename(incoming / "1.png")
        yield

    monkeypatch.setattr(watch, "reports", looks)
    assert run(incoming, "--into", tmp_path / "out", *OPTIONS).exit_code == 0
    assert names_in(tmp_path / "out") == ["1.png"]


def moving(monkeypatch: pytest.MonkeyPatch, old: Path, new: Path | None, *, digested: bool) -> None:
    """Have a photo renamed, or removed, once: just before its content is digested, or just after that."""
    look, left = pipeline._look, [str(old)]

    def look_and_move(path: str, **how: Any) -> pipeline._File | PhotoError:
        found = look(path, **how)
        if path in left:
            left.clear()
            old.unlink() if new is None else old.rename(new)
        return found if digested else look(path, **how)

    monkeypatch.setattr(pipeline, "_look", look_and_move)


@pytest.mark.parametrize("digested", [False, True])
@pytest.mark.parametrize("others", [0, 1])
def test_photo_that_is_gone_before_it_is_read_is_none(
    digested: bool, others: int, incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    for number in range(others + 1):
        tiny(incoming, number)
    moving(monkeypatch, incoming / "0.png", None, digested=digested)
    done = run(incoming, "--into", out, "--once", *OPTIONS)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == ("facecluster: 1 photo arrived or changed, with 0 faces\n" if others else "")
    assert (out / "faces.npz").exists() == bool(others)
    assert not others or names_in(out) == ["1.png"]
    assert not list(out.glob("*.partial")) + list(out.glob("*.journal"))


@pytest.mark.parametrize("digested", [False, True])
def test_photo_that_is_renamed_before_it_is_read_arrives_under_its_name(
    digested: bool, incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        tiny(incoming, number)
    shutil.copy(incoming / "0.png", incoming / "copy.png")
    moving(monkeypatch, incoming / "0.png", incoming / "2.png", digested=digested)
    done = run(incoming, "--into", tmp_path / "out", "--once", *OPTIONS)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "cannot be read" not in done.stderr
    assert sorted(names_in(tmp_path / "out")) == ["1.png", "2.png", "copy.png"]
    assert read_result(tmp_path / "out" / "clusters.json").counts.unreadable == 0


def test_photo_that_was_gone_before_it_was_read_is_new_when_it_is_back(
    incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(incoming, 1)
    away = tmp_path / "away.png"

    def looks(*_: object) -> Iterator[None]:
        yield
        away.rename(incoming / "1.png")
        yield

    moving(monkeypatch, incoming / "1.png", away, digested=False)
    monkeypatch.setattr(watch, "reports", looks)
    assert run(incoming, "--into", tmp_path / "out", *OPTIONS).exit_code == 0
    assert names_in(tmp_path / "out") == ["1.png"]
    assert read_result(tmp_path / "out" / "clusters.json").counts.no_face == 1


def test_names_that_others_have_now_are_no_arrivals(incoming: Path, tmp_path: Path) -> None:
    (incoming / "sub").mkdir()
    for number in range(3):
        tiny(incoming / "sub", number)
    assert once(incoming, tmp_path / "out") == []
    (incoming / "sub").rename(incoming / "sub2")
    moved = run(incoming, "--into", tmp_path / "out", "--once", *OPTIONS)
    assert moved.stderr == "facecluster: 3 photos have another name now\n"

    for old, new in (("0", "x"), ("1", "0"), ("x", "1")):
        (incoming / "sub2" / f"{old}.png").rename(incoming / "sub2" / f"{new}.png")
    swapped = run(incoming, "--into", tmp_path / "out", "--once", *OPTIONS)
    assert swapped.stderr == "facecluster: 2 photos have another name now\n"

    (incoming / "sub2" / "0.png").rename(incoming / "0.png")
    tiny(incoming, 7)
    shutil.copy(incoming / "sub2" / "1.png", incoming / "copy.png")
    both = run(incoming, "--into", tmp_path / "out", "--once", *OPTIONS)
    assert both.stderr == (
        "facecluster: 2 photos arrived or changed, with 0 faces\nfacecluster: 1 photo has another name now\n"
    )


def test_settings_are_those_of_the_table_though_nothing_is_new(incoming: Path, tmp_path: Path) -> None:
    tiny(incoming, 1)
    assert once(incoming, tmp_path / "out") == []
    done = run(incoming, "--into", tmp_path / "out", "--once", *OPTIONS, "--encoder", "dlib")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "made with other settings" in done.stderr
    assert "encoder: sface there, dlib now" in done.stderr
    assert once(incoming, tmp_path / "out", "--encoder", "sface") == []


def test_check_of_the_table_holds_for_what_arrives(incoming: Path, tmp_path: Path, hers: list[Path]) -> None:
    out = tmp_path / "out"
    shutil.copy(hers[1], incoming / "1.jpg")
    encoded = click.testing.CliRunner().invoke(
        main, ["encode", str(incoming), "-o", str(out / "faces.npz"), "--check", "passport", "-q", "-j", "1"]
    )
    assert encoded.exit_code == 0
    assert told_photos(once(incoming, out)) == ["1.jpg"]
    shutil.copy(hers[0], incoming / "aside.jpg")
    shutil.copy(hers[14], incoming / "14.jpg")
    done = run(incoming, "--into", out, "--once", *OPTIONS)
    assert done.exit_code == 0, done.output
    assert told_photos([json.loads(line) for line in done.stdout.splitlines()]) == ["14.jpg"]
    aside = incoming / "aside.jpg"
    assert (
        f"faces left out by the check passport of the table: {aside} (the face fails the check: yaw"
        in done.stderr
    )
    table = face_table.read(out / "faces.npz")
    assert dict(zip(table.photos.path.tolist(), table.photos.status.tolist(), strict=True)) == {
        str(incoming / "1.jpg"): "ok", str(incoming / "14.jpg"): "ok", str(aside): "no_face",
    }  # fmt: skip


@pytest.fixture
def deadly(incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo that ends every worker process that reads it, as a mistake in a C library does."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if '--multiprocessing-fork' in sys.argv:\n"
        "    from facecluster.encoding import pipeline\n"
        "    read = pipeline.read_photo\n"
        "    pipeline.read_photo = lambda path: os._exit(139) if 'deadly' in path else read(path)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    tiny(incoming, 1)
    return (incoming / "1.png").rename(incoming / "deadly.png")


def test_photo_that_ends_the_process_that_decodes_it_ends_nothing(
    deadly: Path, incoming: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (incoming / "broken.jpg").write_text("no photo")
    done = run(incoming, "--into", out, "--once", *OPTIONS)
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    assert f"cannot be read: {incoming / 'broken.jpg'} (" in done.stderr
    assert f"{deadly} (a worker process crashed on it" in done.stderr

    tiny(incoming, 2)
    assert once(incoming, out) == []
    (incoming / "2.png").unlink()  # now nothing that the table has can be read any more
    shutil.copy(deadly, incoming / "another deadly.png")
    with (incoming / "another deadly.png").open("ab") as file:
        file.write(b"with another content")
    assert once(incoming, out) == []
    photos = face_table.read(out / "faces.npz").photos
    assert {Path(path).name: status for path, status in zip(photos.path, photos.status, strict=True)} == {
        "2.png": "no_face", "broken.jpg": "unreadable", "deadly.png": "unreadable", "another deadly.png": "unreadable"
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------- a burst


def tiny(folder: Path, number: int) -> None:
    """A picture without a face, all at once under its name, each with another content."""
    Image.new("RGB", (40, 30), (number % 256, number // 256, 90)).save(folder / f"{number}.part", "PNG")
    (folder / f"{number}.part").rename(folder / f"{number}.png")


def test_burst_in_small_batches(incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_BATCH", 20)
    for number in range(N_BURST):
        tiny(incoming, number)
    assert once(incoming, tmp_path / "out") == []
    table = face_table.read(tmp_path / "out" / "faces.npz")
    assert sorted(Path(path).stem for path in table.photos.path.tolist()) == sorted(map(str, range(N_BURST)))
    assert read_result(tmp_path / "out" / "clusters.json").counts.no_face == N_BURST


def test_burst_with_copies_loses_and_doubles_nothing(
    incoming: Path, tmp_path: Path, hers: list[Path], his: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_BATCH", 16)
    for number in range(40):
        shutil.copy(his if number % 3 else hers[number % 2], incoming / f"{number}.jpg")
        tiny(incoming, number % 30)
        if number % 2:
            shutil.copy(incoming / f"{number % 30}.png", incoming / f"copy of {number}.png")
    found = once(incoming, tmp_path / "out")
    everything = sorted(path.name for path in incoming.iterdir())
    assert told_photos(found) == [name for name in everything if name.endswith("jpg")]
    assert sorted(names_in(tmp_path / "out")) == everything
    assert once(incoming, tmp_path / "out") == []


# ------------------------------------------------------------------------------------------------- the command


def test_command_gets_the_event_without_a_shell(incoming: Path, tmp_path: Path, his: Path) -> None:
    script = tmp_path / "note.py"
    script.write_text(
        "import json, os, sys\n"
        "names = {key: value for key, value in os.environ.items() if key.startswith('FACECLUSTER_')}\n"
        "json.dump([sys.argv[1:], json.load(sys.stdin), names], open(sys.argv[1], 'w'))\n"
        "print('noise')\n"
        "sys.exit(5)\n"
    )
    photo = incoming / "it's; $HOME.jpg"
    shutil.copy(his, photo)
    note = tmp_path / "note; a"
    program = f"'{sys.executable}' '{script}' '{note}' '$HOME' ';' x"
    done = run(incoming, "--into", tmp_path / "out", "--once", *OPTIONS, "--exec", program)
    assert done.exit_code == 0
    (event,) = map(json.loads, done.stdout.splitlines())
    arguments, given, names = json.loads(note.read_text())
    assert arguments == [str(note), "$HOME", ";", "x"]
    assert given == event
    assert names["FACECLUSTER_EVENT"] == "stranger"
    assert names["FACECLUSTER_PHOTO"] == str(photo)
    assert names["FACECLUSTER_FACE"] == event["face"]
    assert names["FACECLUSTER_PERSON"] == names["FACECLUSTER_NAME"] == ""
    assert "ended with 5" in done.stderr


def test_what_makes_no_sense(incoming: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, message in (
        ([incoming, "--into", incoming], "would mix"),
        ([tmp_path / "nowhere", "--into", out], "no folder"),
        (["-", "--into", out], "no folder"),
        (["", "--into", out], "an empty name; is a variable unset?"),
        ([incoming, "--into", out, "--exec", "no-such-program-at-all x"], "no such program"),
        ([incoming, "--into", out, "--exec", "'"], "No closing quotation"),
        (["--into", out], "which folders? Give one or more"),
        ([incoming, "-0", "--into", out], "No such option"),
        ([incoming, "--into", out, "--settle", "nan"], "no finite number"),
        ([incoming, "--into", out, "--settle", "inf"], "no finite number"),
    ):
        done = run(*arguments, "--once")
        assert done.exit_code == 2, done.output
        assert message in done.stderr
    assert not out.exists()


def test_result_of_another_table_is_refused(incoming: Path, tmp_path: Path) -> None:
    result_of(make_table(people(1, 4)), 4, tmp_path)
    done = run(incoming, "--into", tmp_path / "r", "--once")
    assert done.exit_code == 1
    assert "not of its own faces.npz" in done.stderr


# ------------------------------------------------------------------------------------------------- the watcher


@pytest.fixture
def watcher(incoming: Path, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A watch in a process of its own; a call waits for its next line, of stdout or stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facecluster", "watch", str(incoming), "--into", str(tmp_path / "out"),
         "--settle", "0.3", "--link", "none", "-j", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)

    reader = threading.Thread(target=read)
    reader.start()
    yield lambda: lines.get(timeout=WAIT_S)
    process.kill()
    process.wait()
    reader.join()


def until(watcher: Callable[[], str], part: str) -> str:
    while part not in (line := watcher()):
        assert "Traceback" not in line
    return line


def test_watcher_sees_what_is_there_and_what_comes(
    watcher: Callable[[], str], incoming: Path, tmp_path: Path, his: Path
) -> None:
    def n_arrived(line: str) -> int:
        return int(line.split()[1])

    n_seen = 0
    for number in range(N_BURST):
        tiny(incoming, number)
    while n_seen < N_BURST:
        n_seen += n_arrived(until(watcher, "arrived"))
    assert n_seen == N_BURST
    (incoming / "below").mkdir()
    shutil.copy(his, incoming / "below" / "his.jpg")
    event = json.loads(until(watcher, '"stranger"'))
    assert event["photo"] == str(incoming / "below" / "his.jpg")
    with Library.open(tmp_path / "out") as library:  # which takes in what the watch has not written yet
        table = library.table
    assert len(set(table.photos.path.tolist())) == len(table.photos) == N_BURST + 1


def test_watcher_goes_on_beside_a_name_that_is_no_utf8(
    watcher: Callable[[], str], incoming: Path, tmp_path: Path
) -> None:
    tiny(incoming, 1)
    until(watcher, "1 photo arrived")
    odd = os.fsencode(incoming) + b"/caf\xe9.png"
    shutil.copy(incoming / "1.png", odd)
    assert "searched instead" in until(watcher, "does not report")
    until(watcher, "1 photo arrived")
    tiny(incoming, 2)
    until(watcher, "1 photo arrived")
    with Library.open(tmp_path / "out") as library:
        paths = library.table.photos.path.tolist()
    assert paths == [
        str(incoming / "1.png"), os.fsdecode(odd), str(incoming / "2.png")
    ]  # fmt: skip


def test_watcher_takes_up_a_folder_that_was_made_anew(watcher: Callable[[], str], incoming: Path) -> None:
    tiny(incoming, 1)
    until(watcher, "1 photo arrived")
    for number in (2, 4):
        shutil.rmtree(incoming)
        until(watcher, "not there any more")
        incoming.mkdir()
        tiny(incoming, number)
        until(watcher, "1 photo arrived")
        shutil.rmtree(incoming)
        incoming.mkdir()  # before anybody looks
        tiny(incoming, number + 1)
        until(watcher, "1 photo arrived")


def test_two_watches_into_one_result_are_refused(tmp_path: Path, incoming: Path) -> None:
    from facecluster.durable.lock import only_user_of

    (tmp_path / "out").mkdir()
    with only_user_of(tmp_path / "out" / TOLD):
        done = run(incoming, "--into", tmp_path / "out", "--once")
    assert done.exit_code == 1
    assert "another facecluster" in done.stderr


def test_watch_of_nothing_leaves_nothing(tmp_path: Path, incoming: Path) -> None:
    assert once(incoming, tmp_path / "out") == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".facecluster.lock"]
