"""`facecluster review`: the local page over a library.

The address stands in a sentence on standard error, and by itself on standard output where that is no terminal.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import click

from facecluster.errors import UsageError

if TYPE_CHECKING:  # what answers is loaded when there is a library
    from facecluster.review.guard import Guard

_PACKAGES = ("anyio", "h11", "starlette", "uvicorn")


def _has_browser() -> bool:
    """Whether there is a screen: else a browser of the terminal would take that over."""
    if os.name == "nt" or sys.platform == "darwin":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


@click.command("review")
@click.argument("source", metavar="LIBRARY")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Listen on this port of this machine.  [default: any that is free]",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser; open the address yourself.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors, and the address in a pipe.")
def command(source: str, port: int, no_browser: bool, quiet: bool) -> None:
    """Look at the people of LIBRARY in the browser, and decide with clicks and keys.

    A page of this machine alone: nobody else on the network can open it, and nothing leaves the machine. Every click is
    a decision as the other verbs make them, and is kept at once. Ctrl-C ends it.
    """
    try:
        from facecluster.review.desk import Desk
        from facecluster.review.serve import Page
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise UsageError(
            f"the page needs {error.name}, which is not installed; type: pip install 'facecluster[review]'"
        ) from error
    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)

    def tell(guard: Guard) -> None:
        if not sys.stdout.isatty():
            click.echo(guard.address)
            sys.stdout.flush()
        if not quiet:
            click.echo(f"the page of {source}, until Ctrl-C: {guard.address}", err=True)
        if not no_browser and _has_browser():
            address = guard.ticket()
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    desk = Desk(source)
    try:
        page = Page(desk, port=port, started=tell)
        desk.start()
        page.answer()
    finally:
        desk.close()
    if not quiet:
        click.echo("ended" if desk.is_saving else "ended; everything is written", err=True)
