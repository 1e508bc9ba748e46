"""Ways to run the command line in tests."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pkgutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

import click.testing
import forked
import pytest

import facecluster
from facecluster import workers
from facecluster.cli import main

PROGRAM = [sys.executable, "-m", "facecluster"]

CALLS: dict[str, list[str]] = {
    "cluster": ["out/faces.npz", "-o", "out", "-j", "1"],
    "check": ["out/faces.npz", "-j", "1"],
    "run": ["photos", "-o", "new", "-j", "1", "--link", "none"],
    "watch": ["photos", "--into", "out", "--once", "--settle", "0", "-j", "1", "--link", "none"],
    "evaluate": ["out", "--labels", "folder"],
    "audit": ["out", "--labels", "folder"],
    "diff": ["out", "out"],
    "show": ["out"],
    "report": ["out", "-o", "report.html", "-j", "1"],
    "search": ["--faces", "out/faces.npz", "--in", "out"],
    "list": ["out"],
    "explain": ["out", "person-0001"],
    "name": ["out", "person-0001", "Anna Berg"],
    "merge": ["out", "person-0001", "person-0002"],
    "split": ["out", "person-0001", "0.png"],
    "move": ["out", "0.png", "nobody"],
    "not-a-person": ["out", "person-0002"],
    "different": ["out", "person-0001", "person-0002"],
    "hide": ["out", "person-0002"],
    "unhide": ["out", "person-0002"],
    "cover": ["out", "0.png"],
    "draw": ["out", "0.png", "4,4,60,60"],
    "import": ["out"],
    "undo": ["out"],
    "history": ["out"],
    "tag": ["out"],
    "untag": ["out"],
    "forget": ["out", "--person", "person-0002"],
    "models": [],
}
"""What each verb but encode, and review, which does not end, may be given, beside photos and a library, "out"."""


def called(*arguments: object, stdin: bytes = b"") -> click.testing.Result:
    """Run a command within this process, as if it were a new one: what an earlier one did to messages is taken back."""
    reset_messages()
    return click.testing.CliRunner().invoke(
        main, [*map(str, arguments)], input=stdin, prog_name="facecluster", catch_exceptions=False
    )


def reset_messages() -> None:
    """Take back what the command line did to the messages of the process, as with --quiet."""
    logger = logging.getLogger("facecluster")
    logger.setLevel(logging.NOTSET)
    logger.handlers = []


def read_terminal(leader: int) -> bytes:
    """All that is written to a terminal until nobody has its other end, by the leader, which is closed."""
    shown = b""
    try:
        while some := os.read(leader, 4096):
            shown += some
    except OSError:  # Linux tells so that the other end is closed
        pass
    os.close(leader)
    return shown


def on_terminal(*arguments: object, typed: str | None = None) -> tuple[int, str, str]:
    """Exit code, what the terminal shows, and standard error; `typed` is what somebody types, None: no terminal.

    The program is a process of its own. It comes from one that has imported what it needs, which takes a second else.
    """
    pty = pytest.importorskip("pty", reason="no terminals to be had on this system")
    leader, terminal = pty.openpty()
    if typed is not None:
        os.write(leader, typed.encode())
    with tempfile.TemporaryFile() as said, open(os.devnull, "rb") as nothing:
        streams = nothing.fileno() if typed is None else terminal, terminal, said.fileno()
        duplicates = [Connection(os.dup(stream)) for stream in streams]  # it takes them along to a process
        surroundings = dict(os.environ), os.getcwd(), ["facecluster", *map(str, arguments)]
        process = _forking().Process(target=forked.run, args=(duplicates, *surroundings))
        with workers._script_left_alone():
            process.start()
        for duplicate in duplicates:
            duplicate.close()
        os.close(terminal)
        shown = read_terminal(leader)
        process.join()
        said.seek(0)
        stderr = said.read().decode()
    assert process.exitcode is not None
    return process.exitcode, shown.decode().replace("\r\n", "\n"), stderr


@cache
def _forking() -> Any:
    """Where processes come from that have imported what programs need."""
    context = multiprocessing.get_context("forkserver")
    modules = [module.name for module in pkgutil.walk_packages(facecluster.__path__, "facecluster.")]
    context.set_forkserver_preload(
        [name for name in modules if "review" not in name and "__main__" not in name]
    )
    return context


def refused(run: Callable[..., click.testing.Result], code: int, *arguments: object) -> str:
    """What a command says that ends with a code, and prints nothing."""
    found = run(*arguments)
    assert (found.exit_code, found.stdout) == (code, "")
    return found.stderr


def seen_on_terminal(command: Sequence[object], size: tuple[int, int] = (0, 0)) -> bytes:
    """All that a program writes to a terminal of so many rows and columns; 0: the terminal does not know it."""
    pty = pytest.importorskip("pty", reason="no terminals to be had on this system")
    import fcntl
    import termios

    leader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    with subprocess.Popen([*map(str, command)], stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = read_terminal(leader)
    assert process.returncode == 0, shown.decode()
    return shown
