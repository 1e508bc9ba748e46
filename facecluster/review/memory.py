"""Memory that was freed goes back to the system: glibc keeps it for each thread that ever asked for some.

Measured with 100,000 faces by `benchmarks/review_speed.py`. Elsewhere than on Linux nothing is done.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_ARENA_MAX = -8
"""See mallopt(3)."""


def share() -> None:
    """Have all threads ask of two pools, in place of eight a core; called before they are there."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Give back what was freed."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
