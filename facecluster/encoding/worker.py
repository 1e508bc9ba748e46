"""A process that photos are analysed in: how it starts, how long it may take, and of what it died."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

from facecluster.workers import Died

_M_MMAP_THRESHOLD = -3  # malloc.h of glibc

LIMIT_S = 600.0
"""Seconds that a photo may take. The slowest that were measured took 75 s on one of two cores (48 megapixels, cnn,
enlarged), and what takes longer is tried once more with nothing else running."""


def prepare_worker() -> None:
    """Keep to one core, give memory back, and keep the C libraries' remarks on broken photos off the terminal."""
    import cv2

    cv2.setNumThreads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # By default glibc keeps up to 32 MB blocks that were freed, in pieces: 448 MB after the networks are loaded,
    # 189 MB with this, at no measurable cost in time. Other C libraries have no mallopt.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 4 << 20)


def obituary(died: Died) -> str:
    """Say of what a worker died."""
    if died.timed_out:
        minutes = round(LIMIT_S / 60)
        return f"it took longer than {minutes} minutes, twice, and was given up; a copy saved by an editor may be read"
    if died.exit_code == -9:
        return "a worker process was killed on it, twice: not enough memory?"
    return f"a worker process crashed on it, twice (exit code {died.exit_code})"
