"""What a process does that tests forked in place of starting a program; it imports nothing that a program does not."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection


def run(streams: list[Connection], environment: dict[str, str], folder: str, arguments: list[str]) -> None:
    """Be facecluster, as if it had been started with these standard input, output and error, and the rest."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ |= environment
    os.chdir(folder)
    sys.argv = arguments
    from facecluster.__main__ import main

    main()
