"""The command line: verbs that are imported when called, and the one place where errors become messages.

error                                     stderr                           exit code
FaceclusterError                          facecluster: error: message      its own: 1, 2 for UsageError
DeclinedError                             facecluster: message             1
click's usage errors                      usage and message                2
file errors nobody foresaw, disk full     facecluster: error: file: why    1
Ctrl-C, SIGTERM, SIGHUP                   facecluster: interrupted         130, 143, 129
standard output closed by its reader      nothing                          141
anything else is a mistake of ours        a traceback                      1

A verb that judges ends with exit code 3 where that could be done and something did not pass (check), differs (diff),
is filed wrong (audit) or is not found (search). Letters that an output's encoding lacks are escaped there.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from facecluster import __version__
from facecluster.errors import DeclinedError, FaceclusterError, UsageError
from facecluster.text import check_text, printable

if TYPE_CHECKING:
    from logging import LogRecord

VERBS = {
    "encode": "Find the faces in photos and write them to a face table.",
    "cluster": "Group the faces of a table by person.",
    "check": "Say which faces are good enough, and what others lack.",
    "run": "Do both: encode photos, then cluster their faces.",
    "watch": "Encode and place photos as they arrive, and tell of them.",
    "evaluate": "Compare people with labels; show the worst mistakes.",
    "audit": "Say which faces are filed under the wrong label.",
    "diff": "Say what differs between two results.",
    "show": "List the people, or the photos that show them.",
    "report": "Make pages of people that can be given away.",
    "search": "Say whom the faces of photos are like.",
    "list": "Say who is in a result, or in a labelled face table.",
    "explain": "Say why a face is where it is, or what holds a person.",
    "review": "Look and decide in the browser.",
    "name": "Give a person a name, or make one of faces.",
    "merge": "Make one person of two or more.",
    "split": "Make a new person of some faces of one.",
    "move": "Give faces to a person, or to nobody.",
    "not-a-person": "Say that people, or faces, are nobody you know.",
    "different": "Say that two people are not one.",
    "hide": "Leave people out of lists.",
    "unhide": "Take people into lists again.",
    "cover": "Choose the face that stands for a person.",
    "draw": "Put in a face that was missed, and say whose it is.",
    "import": "Take in the names that other programs gave.",
    "undo": "Take back what was decided last.",
    "history": "Say what was decided, and whether it still holds.",
    "tag": "Write names into files beside the photos.",
    "untag": "Take out what tag wrote.",
    "forget": "Remove a person, or photos, from tables and results.",
    "models": "Show the weight files, or fetch them ahead of time.",
}
"""Each verb is the click command `command` of the file of its name, but for `_DECIDE`; its line of help stands here.

A word of Python's is no name of a file: see `_FILES`."""

_FILES = {"import": "import_names"}

_DECIDE = (
    "name", "merge", "split", "move", "not-a-person", "different", "hide", "unhide", "cover", "draw", "undo",
)  # fmt: skip
"""They are alike, and in one file: each is the command of its name in `decide`."""

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class _Verbs(click.Group):
    """The verbs, and what becomes of their errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]  # `list` is a verb of ours, once its file is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        file, name = _FILES.get(cmd_name, cmd_name), "command"
        if cmd_name in _DECIDE:
            file, name = "decide", cmd_name.replace("-", "_")
        elif cmd_name == "untag":
            file, name = "tag", "untag"
        command = getattr(importlib.import_module(f"{__name__}.{file}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{__name__}.{file}.{name}: expected a click.Command, got {command!r}")
        from facecluster.cli.config import with_options

        return with_options(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, others = super().resolve_command(ctx, args)
        if name is not None and command is not None and not ctx.resilient_parsing:
            from facecluster.cli.config import configured

            command = configured(ctx, name, command, others)
        return name, command, others

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _errors_told(ctx):
            for argument in args:
                check_text(argument)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_told(ctx):
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a full disk can still be told
            return result


@contextmanager
def _errors_told(ctx: click.Context) -> Iterator[None]:
    """Make messages of errors, and end the program with their exit code."""
    try:
        yield
    except DeclinedError as error:
        _end(ctx, str(error), error.exit_code)
    except FaceclusterError as error:
        _end(ctx, f"error: {error}{_about_files(ctx, error)}", error.exit_code)
    except KeyboardInterrupt as interrupt:
        _ignore_signals()
        _end(ctx, "interrupted", 128 + getattr(interrupt, "signal", signal.SIGINT))
    except OSError as error:
        closed = {errno.EPIPE, errno.EINVAL} if os.name == "nt" and error.filename is None else {errno.EPIPE}
        if error.errno in closed:  # head has seen enough: end as a program does that the signal kills
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(128 + 13)
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        file = "" if error.filename is None else f"{error.filename}: "
        _end(ctx, f"error: {file}{error.strerror}", 1)


def _about_files(ctx: click.Context, error: FaceclusterError) -> str:
    """Say which of the options that do not fit stand in a file, as nobody sees it on the line."""
    from facecluster.cli.config import told_of

    return told_of(ctx, str(error)) if isinstance(error, UsageError) else ""


def _end(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    """End the program with a message."""
    from facecluster.cli.messages import close_bars

    close_bars()
    click.echo(f"facecluster: {_shown(message)}", err=True)
    ctx.exit(exit_code)


def _shown(message: str) -> str:
    """Escape what would move the cursor, as names of files can, but for line ends, as our own messages have some."""
    return "\n".join(map(printable, message.split("\n")))


def _show(record: LogRecord) -> bool:
    """Escape the same in what is logged."""
    record.msg, record.args = _shown(record.getMessage()), None
    return True


class _Ended(KeyboardInterrupt):
    """A signal that ends the program in order, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def _raise_ended(number: int, frame: object) -> NoReturn:
    raise _Ended(number)


def _again(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal again that came where Python raises nothing, as while it frees an object; tell of all else."""
    if not isinstance(lost.exc_value, _Ended):
        sys.__unraisablehook__(lost)
    elif signal.getsignal(lost.exc_value.signal) is _raise_ended:
        threading.Timer(0.05, os.kill, (os.getpid(), lost.exc_value.signal)).start()


def _ignore_signals() -> None:
    """Let no further signal come between while it is told that one ended the program."""
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _raise_ended:
            signal.signal(number, signal.SIG_IGN)


def _heed_signals(ctx: click.Context) -> None:
    """Let what ends the program do so in order as long as a verb is at work; what is ignored, as by nohup, stays so."""
    if threading.current_thread() is not threading.main_thread():
        return
    ctx.call_on_close(functools.partial(setattr, sys, "unraisablehook", sys.unraisablehook))
    sys.unraisablehook = _again
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
            before = signal.signal(number, _raise_ended)
            ctx.call_on_close(functools.partial(signal.signal, number, before))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="facecluster", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Photos in, people out.

    Find the faces in folders of photos (encode) and group them by person (cluster). Standard output is data;
    progress, summaries and messages go to standard error.
    """
    import logging

    from facecluster.cli.messages import AboveBars, escape_foreign_letters

    _heed_signals(ctx)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        escape_foreign_letters(stream)

    logger = logging.getLogger("facecluster")
    handler = AboveBars()
    handler.addFilter(_show)
    handler.setFormatter(logging.Formatter("facecluster: %(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
