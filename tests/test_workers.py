from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import warm

from facecluster.errors import FaceclusterError, PhotoError
from facecluster.workers import Died, n_cores, work

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes in /proc")


@pytest.fixture(autouse=True)
def _warm_workers() -> None:
    """Have no workers that other tests left, and leave none."""
    warm.end_all()


def nothing() -> None:
    pass


def end() -> None:
    os._exit(3)


def handle(item: str) -> str:
    """Do what the item says."""
    word, _, rest = item.partition(" ")
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "die-once" and not Path(rest).exists():
        Path(rest).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "sleep":
        time.sleep(float(rest))
    elif word == "refuse":
        raise PhotoError("refused")
    elif word == "fail":
        raise ZeroDivisionError("by zero")
    elif word == "pid":
        return str(os.getpid())
    return item.upper()


def results(items: list[str], n_workers: int = 2) -> dict[str, str | Died]:
    return dict(work(handle, items, n_workers=n_workers, start=nothing))


def test_no_items_start_no_worker() -> None:
    assert results([]) == {}
    assert not multiprocessing.active_children()


def test_every_item_gets_its_result() -> None:
    items = [f"item {i}" for i in range(50)]
    assert results(items, 3) == {item: item.upper() for item in items}
    assert not multiprocessing.active_children()


def test_a_death_costs_only_the_item_that_causes_it() -> None:
    items = ["a", "die", "b", "c", "d"]
    assert results(items) == {"a": "A", "b": "B", "c": "C", "d": "D", "die": Died(-signal.SIGKILL)}


def test_an_item_whose_worker_died_is_tried_again(tmp_path: Path) -> None:
    item = f"die-once {tmp_path / 'died'}"
    assert results(["a", item, "b"]) == {"a": "A", item: item.upper(), "b": "B"}


def test_items_are_taken_only_as_workers_come_free() -> None:
    taken = []

    def items() -> Iterator[str]:
        for i in range(20):
            taken.append(i)
            yield f"item {i}"

    for n_done, _ in enumerate(work(handle, items(), n_workers=2, start=nothing)):
        assert len(taken) <= n_done + 4


def test_an_error_a_user_can_act_on_comes_through() -> None:
    with pytest.raises(PhotoError, match=r"^refused$"):
        results(["a", "refuse"])


def test_a_mistake_of_ours_comes_through_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)on 'fail':.*in handle.*ZeroDivisionError: by zero"):
        results(["fail"])
    assert not multiprocessing.active_children()


def test_workers_that_cannot_start_end_the_work() -> None:
    with pytest.raises(FaceclusterError, match=r"cannot start \(exit code 3\)"):
        list(work(handle, ["a", "b"], n_workers=2, start=end))


def test_workers_end_when_the_caller_stops() -> None:
    running = work(handle, ["a", "sleep 60", "sleep 60"], n_workers=2, start=nothing)
    assert next(running) == ("a", "A")
    running.close()
    assert not multiprocessing.active_children()


def test_workers_end_when_their_parent_is_killed() -> None:
    program = """
import test_workers, facecluster.workers
if __name__ == "__main__":
    for _, pid in facecluster.workers.work(
        test_workers.handle, ["pid", "sleep 60"], n_workers=1, start=test_workers.nothing
    ):
        print(pid, flush=True)
"""
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert parent.stdout is not None
    with parent.stdout as stdout:
        pid = int(stdout.readline())
        parent.kill()
        parent.wait()
        os.kill(pid, signal.SIGINT)  # is ignored, so what ends it is the end of its parent
    wait_for_end(pid)


def test_a_worker_that_still_starts_ends_with_its_parent(tmp_path: Path) -> None:
    """As where the machine is busy, and what a worker needs takes seconds to import."""
    (tmp_path / "slow.py").write_text(
        "import multiprocessing, os, time\n"
        "if multiprocessing.parent_process():\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "def handle(item): pass\n"
    )
    program = """
import facecluster.workers, slow, test_workers
if __name__ == "__main__":
    [*facecluster.workers.work(slow.handle, ["a"], n_workers=1, start=test_workers.nothing)]
"""
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    command, env = [sys.executable, "-c", program], os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_for_end(pid)


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone, or is dead and only its exit code is kept for a parent."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} is still there")


def test_at_least_one_core_can_be_used() -> None:
    assert 1 <= n_cores() <= (os.cpu_count() or 1)


def test_an_item_that_takes_too_long_is_given_up_after_a_second_try() -> None:
    running = work(handle, ["a", "sleep 60", "b"], n_workers=2, start=nothing, limit_s=1.5)
    assert dict(running) == {"a": "A", "b": "B", "sleep 60": Died(-signal.SIGKILL, timed_out=True)}
    assert not multiprocessing.active_children()


def test_time_in_which_nobody_waits_is_not_counted() -> None:
    running = work(handle, ["a", "sleep 1", "b"], n_workers=2, start=nothing, limit_s=1.5)
    first = next(running)
    time.sleep(3)  # as a computer does that is suspended
    assert dict([first, *running]) == {"a": "A", "sleep 1": "SLEEP 1", "b": "B"}
