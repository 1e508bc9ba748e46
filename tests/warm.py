"""Worker processes that later calls take over, for tests: starting one takes longer than looking at ten photos."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

from facecluster import workers
from facecluster.workers import Died, Item, Result

N_KEPT = 2

_kept: dict[object, list[Any]] = {}
"""Processes without work, by what starts them and the environment they were started in, which is the last one."""


class WarmPool(workers._Pool[Item, Result]):
    """Workers that do not end with the pool: which function it is comes with each item."""

    def __init__(self, function: Callable[[Item], Result], start: Callable[[], None], limit_s: float) -> None:
        super().__init__(call, start, limit_s)  # type: ignore[arg-type]
        self._function = bytes(ForkingPickler.dumps(function))
        key = start, frozenset(item for item in os.environ.items() if item[0] != "PYTEST_CURRENT_TEST")
        if key not in _kept:
            end_all()
        self._idle = _kept.setdefault(key, [])

    def work(self, items: Iterable[Item], n_workers: int) -> Iterator[tuple[Item, Result | Died]]:
        calls: Any = ((self._function, item) for item in items)
        for (_, item), outcome in super().work(calls, n_workers):  # type: ignore[misc]
            yield item, outcome

    def close(self) -> None:
        self.keep(N_KEPT)
        self._idle = []
        super().close()


def call(given: tuple[bytes, Any]) -> Any:
    """What each of these workers does: call a function that was pickled."""
    function, item = given
    return pickle.loads(function)(item)


def end_all() -> None:
    """End the processes that are kept."""
    for processes in _kept.values():
        while processes:
            workers._end(processes.pop())
    _kept.clear()
