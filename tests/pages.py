"""A review page that runs in a thread, and a browser to ask it with, for tests."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("uvicorn", reason="the extra [review] is not installed")

from facecluster.review.desk import Desk
from facecluster.review.serve import Page


class Answer(NamedTuple):
    """What a page answers."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Somebody who asks a page, with the cookie or without."""

    def __init__(self, address: str) -> None:
        """Take the address that is printed; `enter` opens it."""
        self.address = address
        self.port = int(address.partition("?")[0].rstrip("/").rpartition(":")[2])
        self.token = address.rpartition("=")[2]
        self.cookie: str | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; a header of "" is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {} if self.cookie is None else {"Cookie": self.cookie}
        sent |= headers or {}
        host = sent.pop("Host", f"127.0.0.1:{self.port}")
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if host:
                connection.putheader("Host", host)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            if body is not None and "Content-Length" not in sent:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            found = connection.getresponse()
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def enter(self) -> Browser:
        """Get the cookie."""
        found = self.ask("GET", f"/?token={self.token}")
        assert found.status == 303, found
        self.cookie = found.headers["set-cookie"].partition(";")[0]
        return self

    def get(self, path: str, status: int = 200) -> Any:
        """JSON of an address."""
        found = self.ask("GET", path)
        assert found.status == status, (path, found)
        return found.json

    def photos(self) -> dict[str, Any]:
        """All photos by their names, once they are read."""
        end = time.monotonic() + 20
        while (found := self.get("/api/photos"))["searching"]:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return {photo["name"]: photo for photo in found["photos"]}

    def post(self, path: str, sent: object, status: int = 200) -> Any:
        """JSON of an address that something is sent to, as the page does."""
        origin = f"http://127.0.0.1:{self.port}"
        headers = {"Content-Type": "application/json", "Origin": origin, "Sec-Fetch-Site": "same-origin"}
        found = self.ask("POST", path, json.dumps(sent).encode(), headers)
        assert found.status == status, (sent, found)
        return found.json

    def decide(self, do: str, status: int = 200, **rest: object) -> Any:
        """Decide something."""
        return self.post("/api/decide", {"do": do, **rest}, status)


@contextmanager
def opened(library: Path) -> Iterator[Browser]:
    """Run the page of a library, and come in; all is written when it ends."""
    desk = Desk(library)
    ready = threading.Event()
    try:
        page = Page(desk, started=lambda guard: ready.set())
        thread = threading.Thread(target=page.answer)
        thread.start()
        try:
            assert ready.wait(20)
            desk.start()
            yield Browser(page.guard.address).enter()
        finally:
            page.should_exit = True
            thread.join()
    finally:
        desk.close()
