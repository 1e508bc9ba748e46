"""Run the page: a port of this machine, the browser, and an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from facecluster.errors import UsageError
from facecluster.review.desk import Desk
from facecluster.review.guard import LET_IN, Guard
from facecluster.review.server import Server

HOST = "127.0.0.1"
"""The only address that is listened on: nobody else on the network can reach it."""

_END_S = 20
"""Seconds that answers in progress have when we end."""

_HEAD_S = 5.0
"""Seconds after which a connection is closed that asks nothing: anybody on this machine can open some."""

_MOST_LINES = 100
"""Connections at a time; a browser has six. Without an end to them no file could be opened any more. For one more, the
oldest of those that nobody with the cookie asked by is closed: strangers take the places of strangers alone."""

_BACKLOG = 32
"""Connections that are taken at once, before they are counted."""


class _Line(H11Protocol):
    """A connection, which is closed where nothing is asked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._since = self.loop.time()
        lines = [line for line in self.connections if not line.transport.is_closing()]
        if len(lines) > _MOST_LINES:
            strangers = [line for line in lines if isinstance(line, _Line) and not line._is_let_in]
            min(strangers, key=lambda line: line._since).transport.abort()
        if not transport.is_closing():
            self.loop.call_later(_HEAD_S, self._look, self.cycle)

    @property
    def _is_let_in(self) -> bool:
        """Whether who asked last had the cookie."""
        scope: object = self.scope  # None at first, which uvicorn does not say
        return isinstance(scope, dict) and LET_IN in scope

    def _look(self, last: object) -> None:
        """Close it if it waits for the same request as before."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle  # None at first, which uvicorn does not say
        is_asked = cycle is not None and not cycle.response_complete
        if self.conn.their_state is h11.IDLE and not is_asked and cycle is last:
            self.transport.close()
        else:
            self.loop.call_later(_HEAD_S, self._look, self.cycle)


class Page(uvicorn.Server):
    """The page of one library, on a port.

    Attributes:
        guard: knows the address.
    """

    def __init__(
        self, desk: Desk, *, port: int = 0, started: Callable[[Guard], object] = lambda guard: None
    ) -> None:
        """Take a port; `run` answers.

        Args:
            desk: the library; whoever opened it closes it.
            port: 0: any that is free.
            started: called once we listen.

        Raises:
            UsageError: the port is taken, or may not be used.
        """
        self._socket = _listen(port)
        self._server = Server(desk, n_threads=max(2, os.cpu_count() or 1))
        self.guard = Guard(self._server.app(), self._socket.getsockname()[1])
        self._told = started
        config = uvicorn.Config(
            self.guard,
            lifespan="off",
            ws="none",
            http=_Line,
            backlog=_BACKLOG,
            loop="asyncio",
            log_config=None,
            log_level="error",  # what strangers send is no business of the terminal's
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_END_S,
        )
        super().__init__(config)

    def answer(self) -> None:
        """Answer until `should_exit` is set, or a signal ends us; once this returns, nothing listens any more."""
        try:
            asyncio.run(self.serve(sockets=[self._socket]))
        finally:
            self._socket.close()
            self._server.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell that."""
        await super().startup(sockets)
        self._told(self.guard)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order by Ctrl-C, SIGTERM and SIGHUP, where we run in the main thread; what is ignored stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._end) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True


def _listen(port: int) -> socket.socket:
    """Take a port of this machine.

    Raises:
        UsageError: it is taken, or may not be used.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # there it would let two programs have one port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        found.listen(128)
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"port {port} cannot be used: {why}; give another with --port, or none") from error
    return found
