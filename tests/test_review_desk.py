"""The library of the review page: decided at once, written behind, and shared with other programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from commands import PROGRAM
from libraries import cluster_table
from pages import Browser, opened
from PIL import Image
from tables import make_table, people

from facecluster.cli import cluster
from facecluster.errors import OutputError
from facecluster.formats import decisions_jsonl, face_table
from facecluster.library import build as build_module
from facecluster.library import correct
from facecluster.library.build import build
from facecluster.library.change import Corrected
from facecluster.library.library import Library
from facecluster.library.strangers import Group
from facecluster.library.undo import undo
from facecluster.result import Box, Pose, Result, UnclusteredFace
from facecluster.review import desk as desk_module
from facecluster.review import serve
from facecluster.review.behind import Behind
from facecluster.review.desk import BusyError, Desk, still_there


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of three photos each."""
    home = tmp_path_factory.mktemp("made")
    for i in range(9):
        Image.new("RGB", (1000, 800), (20 * i, 90, 90)).save(home / f"{i}.jpg")
    (home / "people").mkdir()
    make_library(home / "people", home)
    return home


def make_library(directory: Path, photos: Path) -> None:
    """Make their library in a folder."""
    paths = [str(photos / f"{i}.jpg") for i in range(9)]
    table = make_table(people(3, 3), paths=paths, id=[f"{i + 1:032x}-0" for i in range(9)])
    face_table.write(table, directory / "faces.npz")
    cluster_table(table, directory, source=str(directory / "faces.npz"))


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "people", tmp_path / "people")
    return tmp_path / "people"


@pytest.fixture
def desk(library: Path) -> Iterator[Desk]:
    opened_desk = Desk(library)
    yield opened_desk
    opened_desk.close()


def named(directory: Path) -> dict[str, str | None]:
    """Names by id, as the file has them."""
    record = json.loads((directory / "clusters.json").read_text())
    return {person["id"]: person["name"] for person in record["people"]}


def name(who: str, what: str) -> Callable[[Library], Corrected]:
    return lambda library: correct.name(library, who, what)


def held_back(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have nothing written of what is due until this is set."""
    may_write = threading.Event()
    write = Behind.write_due

    def waiting(self: Behind) -> None:
        may_write.wait(10)
        write(self)

    monkeypatch.setattr(Behind, "write_due", waiting)
    return may_write


def until(is_so: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it is not so after a long time"
        time.sleep(0.02)


# ------------------------------------------------------------------------------------------- written behind


def test_a_decision_is_on_the_disk_before_its_people_are_written(
    desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write = held_back(monkeypatch)
    done = [desk.decide(name(f"person-000{i}", f"Name {i}")) for i in (1, 2)]
    written = decisions_jsonl.read(library / "decisions.jsonl")
    assert [one.id for one in written] == [one.corrected.decisions[0].id for one in done]
    assert set(named(library).values()) == {None}
    assert desk.is_saving
    assert [person.name for person in desk.look().result.people] == ["Name 1", "Name 2", None]
    may_write.set()
    until(lambda: not desk.is_saving)
    assert named(library) == {"person-0001": "Name 1", "person-0002": "Name 2", "person-0003": None}


def test_what_is_written_is_what_a_library_that_writes_at_once_has(library: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(library, other)

    def acts(of: Library) -> Iterator[Callable[[Library], Corrected]]:
        yield name("person-0001", "Anna")
        yield lambda it: correct.merge(it, ["person-0001", "person-0002"])
        yield lambda it: correct.split(it, "person-0001", [it.people.people[0].faces[0].id])
        yield lambda it: correct.move(it, [it.people.people[1].faces[0].id], "nobody")
        yield undo
        yield lambda it: correct.not_a_person(it, ["person-0003"])

    page_desk = Desk(library)
    with Library.open(other) as at_once:
        for act in acts(at_once):
            page_desk.decide(act)
            act(at_once)
        at_once_people = at_once.people
    page_desk.close()
    with Library.open(library) as behind:
        assert behind.in_step
        assert behind.people.people == at_once_people.people
        assert behind.people.unclustered == at_once_people.unclustered
        assert behind.people.counts == at_once_people.counts
    files = [sorted(str(path.relative_to(of)) for path in of.rglob("*")) for of in (library, other)]
    assert files[0] == files[1]


def test_an_undo_that_groups_anew_is_written_too(desk: Desk, library: Path) -> None:
    first = (
        desk.decide(lambda it: correct.merge(it, ["person-0001", "person-0002"])).corrected.decisions[0].id
    )
    desk.decide(name("person-0003", "Bo"))
    desk.decide(lambda it: correct.move(it, [it.people.people[0].faces[0].id], "nobody"))
    done = desk.decide(lambda it: undo(it, first))
    assert "grouped anew" in done.corrected.said
    assert len(done.view.result.people) == 2  # one of the merged ones has too few photos now
    desk.decide(name("person-0001", "Anna"))
    until(lambda: not desk.is_saving)
    assert named(library) == {"person-0001": "Anna", "person-0003": "Bo"}


def test_what_cannot_be_written_is_told_kept_and_tried_again(
    desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "_AGAIN_S", 0.05)
    is_full = True
    write = Behind.write_due

    def full(self: Behind) -> None:
        if is_full and self.is_due:
            raise OutputError(f"{library}/index.jpg: cannot be written: no space left on device")
        write(self)

    monkeypatch.setattr(Behind, "write_due", full)
    desk.decide(name("person-0001", "Anna"))
    until(lambda: desk.busy() is not None)
    assert desk.busy() == (
        "people/index.jpg: cannot be written: no space left on device. What you decided is kept; folders and pictures "
        "of people follow as soon as they can be written"
    )
    assert desk.is_saving
    is_full = False
    until(lambda: not desk.is_saving)
    until(lambda: desk.busy() is None)
    assert named(library)["person-0001"] == "Anna"


# ----------------------------------------------------------------------------------------------- a full disk


@pytest.fixture
def small(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A library of them on a disk of 1 MB."""
    directory = tmp_path / "people"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk, on Linux")
    try:
        make_library(directory, made)
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; remove the file to make room."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_on_a_full_disk_nothing_is_decided_and_that_is_said(small: Path) -> None:
    with opened(small) as page:
        filler = fill(small)
        refused = page.decide("name", 400, person="person-0001", name="Anna")["error"]
        assert refused.startswith("people/decisions.jsonl: cannot be written: the disk is full")
        assert refused.endswith("Nothing was decided")
        assert page.get("/api/state")["named"] == 0
        with Library.open(small, wait_s=5):  # it is let go
            pass
        filler.unlink()
        page.decide("name", person="person-0001", name="Bo")
    assert named(small)["person-0001"] == "Bo"
    assert len(decisions_jsonl.read(small / "decisions.jsonl")) == 1


def test_what_a_full_disk_holds_up_is_kept_told_and_written_later(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "_AGAIN_S", 0.2)
    with opened(small) as page:
        page.decide("name", person="person-0003", name="Cy")  # so that there is room in the block of the file
        until(lambda: not page.get("/api/state")["saving"])
        filler = fill(small)
        page.decide("split", person="person-0001", faces=[f"{1:032x}-0"])
        until(lambda: page.get("/api/state")["busy"])
        state = page.get("/api/state")
        assert "the disk is full" in state["busy"]
        assert state["busy"].endswith(desk_module._PENDING)
        assert (state["saving"], state["people"]) == (True, 4)
        with Library.open(small, wait_s=5) as beside:  # it is let go meanwhile
            assert len(beside.decisions) == 2
            assert len(beside.people.people) == 3
        filler.unlink()
        until(lambda: not page.get("/api/state")["saving"])
        assert page.get("/api/state")["busy"] is None
        assert len(named(small)) == 4


def test_who_ends_it_on_a_full_disk_is_told_that_not_all_is_written(small: Path) -> None:
    with running(small) as (process, page):
        page.decide("name", person="person-0003", name="Cy")
        until(lambda: not page.get("/api/state")["saving"])
        fill(small)
        page.decide("split", person="person-0001", faces=[f"{1:032x}-0"])
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    *_, told, last = stderr.splitlines()
    assert "the disk is full" in told
    assert told.endswith("The decisions are kept, and the next correction groups people anew")
    assert last == "ended"


def test_what_others_decide_while_the_disk_holds_us_up_counts_too(
    desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "_AGAIN_S", 0.2)
    is_full = True
    write = Behind.write_due

    def full(self: Behind) -> None:
        if is_full and self.is_due:
            raise OutputError(f"{library}/index.jpg: cannot be written: no space left on device")
        write(self)

    monkeypatch.setattr(Behind, "write_due", full)
    desk.decide(lambda it: correct.merge(it, ["person-0001", "person-0002"]))
    until(lambda: desk.busy() is not None)
    with Library.open(library, wait_s=5) as beside:
        correct.name(beside, "person-0003", "Cy")
        assert beside.in_step
        assert len(beside.people.people) == 2
    assert desk.decide(name("person-0001", "Anna")).corrected.in_step
    is_full = False
    until(lambda: not desk.is_saving)
    assert named(library) == {"person-0001": "Anna", "person-0003": "Cy"}
    assert [person.name for person in desk.look().result.people] == ["Anna", "Cy"]


# ------------------------------------------------------------------------------------------------ other programs


def test_a_verb_beside_comes_to_its_turn_and_is_seen(desk: Desk, library: Path) -> None:
    desk.decide(name("person-0001", "Anna"))
    before = desk.look().version
    done = subprocess.run([*PROGRAM, "name", library, "person-0002", "Bo"], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    view = desk.look()
    assert view.version > before
    assert [person.name for person in view.result.people] == ["Anna", "Bo", None]
    desk.decide(undo)  # what the shell said last
    assert [person.name for person in desk.look().result.people] == ["Anna", None, None]
    until(lambda: not desk.is_saving)
    assert named(library) == {"person-0001": "Anna", "person-0002": None, "person-0003": None}


def test_a_decision_that_waits_sees_what_the_other_program_did(desk: Desk, library: Path) -> None:
    with Library.open(library) as beside:
        thread = threading.Timer(0.3, beside.close)
        correct.merge(beside, ["person-0001", "person-0002"])
        thread.start()
        done = desk.decide(name("person-0002", "Anna"))
        thread.join()
    assert [person.id for person in done.changed] == ["person-0001"]
    assert [(person.id, person.n_faces) for person in done.view.result.people] == [
        ("person-0001", 6),
        ("person-0003", 3),
    ]


def test_while_another_program_is_at_work_a_decision_is_refused_and_looking_is_not(
    desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "WAIT_S", 0.1)
    with Library.open(library):
        with pytest.raises(BusyError, match="another facecluster is at work on it"):
            desk.decide(name("person-0001", "Anna"))
        assert desk.busy() == "another facecluster is at work in this library"
        assert len(desk.look().result.people) == 3
    until(lambda: desk.busy() is None)
    assert desk.decide(name("person-0001", "Anna")).corrected.said


def test_who_decides_without_an_end_lets_others_in(
    desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "_FAIR_S", 0.3)
    is_enough = threading.Event()

    def decide() -> None:
        number = 0
        while not is_enough.is_set():
            number += 1
            desk.decide(name("person-0001", f"Anna {number}"))

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        with Library.open(library, wait_s=10) as beside:
            correct.name(beside, "person-0002", "Bo")
    finally:
        is_enough.set()
        thread.join()
    assert [person.name for person in desk.look().result.people][1] == "Bo"
    until(lambda: not desk.is_saving)
    until(lambda: named(library)["person-0002"] == "Bo")


def test_what_takes_long_is_told_and_waited_for(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "_LONG_S", 0.1)
    monkeypatch.setattr(desk_module, "WAIT_S", 0.1)
    is_over = threading.Event()
    build = build_module.build

    def long(*args: Any, **options: Any) -> Any:
        is_over.wait(20)
        return build(*args, **options)

    with opened(library) as page, ThreadPoolExecutor(2) as threads:
        first = page.decide("merge", people=["person-0001", "person-0002"])["decisions"][0]
        page.decide("move", faces=[f"{1:032x}-0"], to="nobody")
        monkeypatch.setattr(build_module, "build", long)
        undone = threads.submit(page.decide, "undo", decisions=[first])
        until(lambda: page.get("/api/state")["busy"])
        told = page.get("/api/state")["busy"]
        assert told == "Still at work on what was decided last. What you decide now waits until that is done"
        named_then = threads.submit(page.decide, "name", person="person-0003", name="Bo")
        time.sleep(0.5)
        assert not named_then.done()
        assert page.get("/api/people")["total"] == 2
        is_over.set()
        assert "grouped anew" in undone.result()["said"]
        assert named_then.result()["changed"][0]["name"] == "Bo"
        until(lambda: page.get("/api/state")["busy"] is None)


def test_a_refused_decision_keeps_nobody_out(desk: Desk, library: Path) -> None:
    with pytest.raises(Exception, match="no such person"):
        desk.decide(name("person-0009", "Anna"))
    with Library.open(library, wait_s=5):
        pass


def test_what_is_written_while_the_library_is_held_is_seen_later(
    desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.decide(name("person-0001", "Anna"))
    until(lambda: not desk.is_saving)
    ledger = library / "decisions.jsonl"
    before = ledger.read_bytes()
    may_write = held_back(monkeypatch)
    desk.decide(name("person-0002", "Bo"))
    (library / "other").write_bytes(before)  # by a program that copies files and knows no lock
    os.replace(library / "other", ledger)
    may_write.set()
    until(lambda: len(desk.look().decisions) == 1)


def test_own_writing_is_no_change_of_others(desk: Desk) -> None:
    desk.decide(name("person-0001", "Anna"))
    desk.decide(name("person-0002", "Bo"))
    until(lambda: not desk.is_saving)
    with pytest.raises(Exception, match="no such person"):
        desk.decide(name("person-0009", "Anna"))
    until(lambda: desk.busy() is None)
    view = desk.look()
    time.sleep(0.5)
    assert desk.look() is view


def test_library_that_was_removed_is_not_made_again(desk: Desk, library: Path) -> None:
    desk.decide(name("person-0001", "Anna"))
    until(lambda: not desk.is_saving)
    with Library.open(library, wait_s=5):  # the page lets it go
        shutil.rmtree(library)
    desk.look()
    desk.busy()
    with pytest.raises(OutputError, match="not there any more"):
        desk.decide(name("person-0001", "Bo"))
    assert not library.exists()


# -------------------------------------------------------------------------------------------------- one process


@contextmanager
def running(library: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Browser]]:
    process = subprocess.Popen(
        [*PROGRAM, "review", str(library), "--no-browser", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
        yield process, Browser(address).enter()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows kills without a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_with_everything_written(library: Path, number: signal.Signals) -> None:
    with running(library) as (process, page):
        page.decide("merge", people=["person-0001", "person-0002"])
        page.decide("name", person="person-0001", name="Anna")
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (0, "")
    first, last = stderr.splitlines()
    assert first == f"the page of {library}, until Ctrl-C: {page.address}"
    assert last == "ended; everything is written"
    assert named(library) == {"person-0001": "Anna", "person-0003": None}
    with Library.open(library, wait_s=0) as after:
        assert after.in_step


@pytest.mark.skipif(os.name == "nt", reason="Windows kills without a signal")
def test_what_strangers_send_is_not_told_in_the_terminal(library: Path) -> None:
    with running(library) as (process, page):
        for sent in (
            b"no HTTP\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", page.port), timeout=10) as stranger:
                stranger.sendall(sent)
                assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    assert len(stderr.splitlines()) == 2


def test_connections_that_ask_nothing_are_few_and_end(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_HEAD_S", 0.5)
    monkeypatch.setattr(serve, "_MOST_LINES", 5)
    with opened(library) as page, ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(("127.0.0.1", page.port), timeout=10))
            for _ in range(9)
        ]
        for line in lines:
            with suppress(OSError):  # the last of them are refused at once
                line.sendall(b"GET /api")
        for line in lines:
            with suppress(ConnectionError):
                assert line.recv(1) == b""
        assert page.get("/api/state")["people"] == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows kills otherwise")
def test_a_kill_loses_no_decision(library: Path) -> None:
    with running(library) as (process, page):
        page.decide("merge", people=["person-0001", "person-0002"])
        page.decide("name", person="person-0003", name="Bo")
        page.decide("name", person="person-0001", name="Anna")
        process.kill()
        process.wait()
    assert len(decisions_jsonl.read(library / "decisions.jsonl")) == 3
    with opened(library) as page:
        until(lambda: page.get("/api/state")["named"] == 2)
        assert {(one["name"], one["n_faces"]) for one in page.get("/api/people")["people"]} == {
            ("Anna", 6),
            ("Bo", 3),
        }
        page.decide("undo")
        assert page.get("/api/state")["named"] == 1


def test_a_port_that_is_taken_is_told(library: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*PROGRAM, "review", str(library), "--no-browser", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} cannot be used" in done.stderr
    assert "--port" in done.stderr


def test_what_is_not_installed_is_named_with_what_to_type(library: Path) -> None:
    code = "import sys; sys.modules['starlette'] = None; from facecluster.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "review", str(library)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'facecluster[review]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([*PROGRAM, "review", str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no clusters.json" in done.stderr


# ------------------------------------------------------------------------------------------------------ strangers


def _free(own: str, reason: str = "no_match") -> UnclusteredFace:
    return UnclusteredFace(own, f"/{own}.jpg", Box(0, 0, 9, 9), Pose(0, 0, 0), 0.5, reason)


def test_groups_of_strangers_lose_faces_and_get_new_ones(made: Path) -> None:
    with Library.open(made / "people") as beside:
        result = beside.people
    a, b, c, d = (_free(f"{i:032x}-0") for i in (0xA, 0xB, 0xC, 0xD))
    groups = [Group("group-one", (a, b), 2, 2, None), Group("group-two", (c,), 1, 1, None)]

    def left(*free: UnclusteredFace) -> list[tuple[int, tuple[UnclusteredFace, ...]]]:
        of: Result = desk_module.replace(result, unclustered=free)
        return [(one.n_photos, one.faces) for one in still_there(groups, of)]

    assert left(a, b, c) == [(2, (a, b)), (1, (c,))]
    assert left(b, c) == [(1, (b,)), (1, (c,))]
    assert left(a, _free(b.id, "not_a_person")) == [(1, (a,))]
    assert left(a, b, d) == [(2, (a, b)), (1, (d,))]
    assert left() == []


def test_a_run_tells_of_a_name_that_was_given_as_soon_as_it_let_go(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.opened(library, yes=False) as held:
        built = build(held, held.table, source=str(library / "faces.npz"), jobs=1)
    with Library.open(library) as other:
        correct.name(other, "person-0002", "Anna Berg")
    cluster.tell(built, held, as_json=True, quiet=False, verbose=False)
    told = capsys.readouterr()
    assert {one["id"]: one["name"] for one in json.loads(told.out)["people"]}["person-0002"] == "Anna Berg"
    assert told.out == (library / "clusters.json").read_text()
    assert "3 people with 9 of 9 faces" in told.err
    Library.open(library, wait_s=0).close()  # it was let go again
