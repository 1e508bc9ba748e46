"""One function over many items in worker processes, any of which may die without ending the work.

Every worker has one item at a time and a pipe of its own, so a death tells which item it was. `concurrent.futures`
breaks as a whole when one worker dies, does not say on what, and leaves its workers behind when its process is killed.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from facecluster.errors import FaceclusterError

if TYPE_CHECKING:
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection as Connection
    else:
        from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")


_MOST = 60 if sys.platform == "win32" else 10_000
"""Windows waits for 63 things at once at most."""
_TICK_S = 1.0
"""Seconds for which answers are waited for at a time. Of a time that was longer, as this process was stopped or the
computer slept, no more is counted."""

_STARTING = threading.Lock()
"""Held while a process is started, as that changes `__main__`."""


@dataclass(frozen=True)
class Died:
    """Stands for the result of an item on which a worker died twice, the second time with nothing else running.

    Attributes:
        exit_code: of the process; negative: the signal that ended it (-9: the system ran out of memory, or a user).
        timed_out: it was ended here, as it took longer than it may.
    """

    exit_code: int
    timed_out: bool = False


def n_cores() -> int:
    """Count the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def work(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    n_workers: int,
    start: Callable[[], None],
    limit_s: float = math.inf,
) -> Generator[tuple[Item, Result | Died], None, None]:
    """Call a function on every item in worker processes, and give each result as soon as it is there.

    Items are taken only when a worker is free, so memory does not grow with their number. Workers are new processes
    (spawn), which is safe whatever threads run here. They leave Ctrl-C to this process, and end when it ends.

    Args:
        function: of one item; it and its arguments, results and errors must be picklable.
        items: what to work on.
        n_workers: how many processes; they are started as items come.
        start: called once in each new worker.
        limit_s: seconds that an item may take while this process waits for it; a worker that takes longer is ended,
            and counts as one that died. Its time starts anew whenever the function calls `still_at_work`.

    Yields:
        Item and result, in the order in which they are done.

    Raises:
        FaceclusterError: workers cannot be started; or the function raised it.
        RuntimeError: the function raised something else; the message has its traceback.
    """
    with closing(Workers[Item, Result](function, start, limit_s)) as workers:
        yield from workers.work(items, n_workers)


class Workers(Generic[Item, Result]):
    """Worker processes that stay from one call of `work` to the next; `close` them."""

    def __init__(
        self, function: Callable[[Item], Result], start: Callable[[], None], limit_s: float = math.inf
    ) -> None:
        """Take what the module's `work` does; no process is started yet."""
        self._new_pool = partial(_Pool[Item, Result], function, start, limit_s)
        self._pool = self._new_pool()

    def work(
        self, items: Iterable[Item], n_workers: int
    ) -> Generator[tuple[Item, Result | Died], None, None]:
        """Do what the module's `work` does. Where this is left before its end, all processes end."""
        done = False
        try:
            suspects = []
            for item, outcome in self._pool.work(items, n_workers):
                if isinstance(outcome, Died):
                    suspects.append(item)
                else:
                    yield item, outcome
            if suspects:
                self.close()
                yield from self._pool.work(suspects, 1)
            done = True
        finally:
            if not done:
                self.close()

    def rest(self) -> None:
        """End all processes but one: what they hold in memory is of no use while little comes."""
        self._pool.keep(1)

    def close(self) -> None:
        """End all processes; the next call starts others."""
        self._pool.close()
        self._pool = self._new_pool()


@dataclass(frozen=True)
class _Ready:
    """A worker's first message, and each by which it says that it goes on, see `still_at_work`."""


@dataclass(frozen=True)
class _Raised:
    """A worker's answer where the function raised."""

    error: FaceclusterError | RuntimeError


@dataclass(eq=False)
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: Connection[Any, Any]
    ready: bool = False
    waited_s: float = 0.0


class _Pool(Generic[Item, Result]):
    """Workers, idle or busy."""

    def __init__(self, function: Callable[[Item], Result], start: Callable[[], None], limit_s: float) -> None:
        self._task = ForkingPickler.dumps((function, start))
        self._limit_s = limit_s
        self._idle: list[_Worker] = []
        self._busy: dict[Connection[Any, Any], tuple[_Worker, Item]] = {}

    def work(self, items: Iterable[Item], n_workers: int) -> Iterator[tuple[Item, Result | Died]]:
        """Do all items, at most `n_workers` at a time."""
        n_workers = min(n_workers, _MOST)
        for item in items:
            while len(self._busy) >= n_workers:
                yield from self._collect()
            self._give(item)
            # What is done meanwhile is not kept waiting, even where items come slowly.
            yield from self._collect(timeout=0)
        while self._busy:
            yield from self._collect()

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            _end(worker)

    def keep(self, n_workers: int) -> None:
        """End idle workers until so many are left."""
        while len(self._idle) > n_workers:
            _end(self._idle.pop())

    def _give(self, item: Item) -> None:
        worker = self._idle.pop() if self._idle else self._new_worker()
        worker.waited_s = 0.0
        self._busy[worker.pipe] = worker, item
        with suppress(OSError):  # it died while idle; its pipe will say so
            worker.pipe.send(item)

    def _collect(self, timeout: float | None = None) -> Iterator[tuple[Item, Result | Died]]:
        began = time.monotonic()
        answers = wait(list(self._busy), _TICK_S if timeout is None else timeout)
        waited_s = min(time.monotonic() - began, _TICK_S)
        for pipe in answers:
            worker, item = self._busy[pipe]  # type: ignore[index]  # only connections were asked for
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                yield item, self._bury(worker)
                continue
            if isinstance(message, _Ready):
                worker.ready = True
                worker.waited_s = 0.0
                continue
            del self._busy[worker.pipe]
            self._idle.append(worker)
            if isinstance(message, _Raised):
                raise message.error
            yield item, message
        for worker, item in list(self._busy.values()):
            worker.waited_s += waited_s if worker.ready else 0.0
            if worker.waited_s > self._limit_s:
                worker.process.kill()
                yield item, replace(self._bury(worker), timed_out=True)

    def _bury(self, worker: _Worker) -> Died:
        del self._busy[worker.pipe]
        worker.pipe.close()
        worker.process.join()
        exit_code = worker.process.exitcode or 0
        if not worker.ready:
            raise FaceclusterError(
                f"worker processes cannot start (exit code {exit_code}); is there enough memory? Try fewer --jobs"
            )
        return Died(exit_code)

    def _new_worker(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, bytes(self._task)), daemon=True)
        with _interrupts_held_back(), _script_left_alone():
            process.start()
        theirs.close()  # so that ours ends when the process does
        return _Worker(process, ours)


def _end(worker: _Worker) -> None:
    worker.process.terminate()
    worker.pipe.close()
    worker.process.join()


def _serve(pipe: Connection[Any, Any], task: bytes) -> None:
    """What a worker does until the pipe ends, which it does when the parent process does.

    Args:
        pipe: gives items, and takes results.
        task: the function and what starts it, pickled, so that this runs before all that they need is imported.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function, start = ForkingPickler.loads(task)
    start()
    _parent.append(pipe)
    with suppress(EOFError, OSError):
        pipe.send(_Ready())
        while True:
            item = pipe.recv()
            pipe.send(_answer(function, item))


def _end_with_parent() -> None:
    """End this process when its parent does, whatever it is doing: nobody waits for the item any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def still_at_work() -> None:
    """Say in a worker process that an item goes on well, so that its time starts anew; elsewhere nothing."""
    if _parent:
        with suppress(OSError):
            _parent[0].send(_Ready())


_parent: list[Connection[Any, Any]] = []
"""In a worker process, the pipe to its parent."""


def _answer(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except FaceclusterError as error:
        return _Raised(error)
    except Exception:  # noqa: BLE001 - raised again in the parent process
        return _Raised(RuntimeError(f"in a worker process, on {item!r}:\n{traceback.format_exc()}"))


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start a process that does not see Ctrl-C, not even while Python starts in it; ours sees it afterwards."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # which would let Ctrl-C through again if it started in between
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _script_left_alone() -> Iterator[None]:
    """Keep new processes from running the script that calls us once more, each of them, before they start to work.

    multiprocessing does that for functions defined in the script, and tells a new process of it by these two names
    (`multiprocessing.spawn.get_preparation_data`). Our workers call functions of modules only.
    """
    with _STARTING:
        main = vars(sys.modules["__main__"])
        before = {name: value for name, value in main.items() if name in ("__file__", "__spec__")}
        main.update(dict.fromkeys(before))
        try:
            yield
        finally:
            main.update(before)
