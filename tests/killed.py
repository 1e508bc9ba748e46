"""A process that is killed in the midst of its work, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from facecluster.durable import own_list

STEPS = ((own_list.OwnList, "append"), *((Path, method) for method in ("rename", "replace", "unlink")))
"""What changes the folder of a library on the disk."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Have the work end, as by a kill, before the step of this number, from 0, of those that change a folder."""
    n_done = 0

    def dying(owner: type, method: str) -> None:
        real = getattr(owner, method)

        def die(*arguments: object, **others: object) -> object:
            nonlocal n_done
            n_done += 1
            if n_done > step:
                raise KeyboardInterrupt
            return real(*arguments, **others)

        patch.setattr(owner, method, die)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        for owner, method in STEPS:
            dying(owner, method)
        yield
