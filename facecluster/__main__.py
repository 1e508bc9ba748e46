"""The program: `facecluster`, or `python -m facecluster`.

Before a verb is at work, and after, there is nothing to end in order, so a signal just ends the program. It could else
stop an import half-way, with a traceback.
"""

import atexit
import os

_SAID = b"facecluster: interrupted\n"

try:
    import signal
except KeyboardInterrupt:
    os.write(2, _SAID)
    os._exit(130)


def _end_on_signals(said: bytes) -> None:
    """Have a signal end the program with a sentence; what is ignored, as by nohup, stays so."""

    def end(number: int, frame: object) -> None:
        os.write(2, said)
        os._exit(128 + number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, end)


def _ignore_ctrl_c() -> None:
    """Let Ctrl-C do nothing any more.

    As its last step Python gives signals back what they do by default, so that a second Ctrl-C would end the program by
    the signal in place of the exit code. What is ignored stays so.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> None:
    """Run the command line."""
    _end_on_signals(_SAID)
    atexit.register(_ignore_ctrl_c)  # the first that is registered is the last that is called
    from facecluster.cli import main

    try:
        main()
    finally:
        _end_on_signals(b"")  # it has been told how it ended


if __name__ == "__main__":  # a spawned worker process imports this file again
    main()
