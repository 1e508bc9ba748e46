"""Who gets in: whoever started the page, in the browser of this machine, and no other site, program, or user.

The address that is printed has a token. Whoever opens it gets a cookie, and only with the cookie is anything answered:
a token is never taken for it. The address that a browser is started with is another one, good for one use, as other
users can see the arguments of programs.

    Host          ours, by number or as localhost, else 400: no other name may lead here (DNS rebinding)
    cookie        HttpOnly, SameSite=Strict, of this port; else 403
    Sec-Fetch-    what another site, or another port of this machine, asks for is refused
    Origin        ours, where there is one, for what changes anything
    Content-Type  JSON for what changes anything, which no form of another site can send
    body          up to `MOST_BYTES`, in `BODY_S`

Whoever is refused is heard no more, and has the connection closed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 1_000_000
"""Of what is sent to us."""
BODY_S = 10.0
"""Seconds that sending it may take."""

LET_IN = "facecluster.let_in"
"""Is in the scope of a request that came with the cookie."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer, but where it says otherwise of itself."""

_READS, _WRITES = ("GET", "HEAD"), ("POST",)
_OURS = (None, "same-origin", "none")
"""What a browser says of who asks: our page, or the user; older ones, and programs, say nothing."""


class _RefusedError(Exception):
    """Nothing is answered but this."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """Stands before the page, and lets in who may see it.

    Attributes:
        token: of the address that is printed; good as long as we run.
    """

    def __init__(self, app: App, port: int) -> None:
        """Stand before an app.

        Args:
            app: answers whoever gets in.
            port: on which we listen.
        """
        self.token = secrets.token_urlsafe(32)
        self._app = app
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie = f"facecluster-{port}"
        self._session = secrets.token_urlsafe(32)
        self._tickets: set[str] = set()
        self._address = f"http://{self._hosts[0]}/"

    @property
    def address(self) -> str:
        """What is printed, for whoever started us."""
        return f"{self._address}?token={self.token}"

    def ticket(self) -> str:
        """Give an address that is good for one use."""
        token = secrets.token_urlsafe(32)
        self._tickets.add(token)
        return f"{self._address}?token={token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; everything but HTTP is left alone."""
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        try:
            if self._is_at_door(scope):
                await self._let_in(scope, send)
                return
            scope[LET_IN] = True
            body = await _body(scope, receive)
        except _RefusedError as error:
            await _say(send, error.status, str(error))
            return
        await self._app(scope, body, send)

    def _is_at_door(self, scope: Scope) -> bool:
        """Say whether somebody comes with a good token, to get the cookie; whoever has it gets in.

        Raises:
            _RefusedError: nobody gets in.
        """
        headers = _Headers(scope["headers"])
        if headers.only("host") not in self._hosts:
            raise _RefusedError(
                400, "this is not the name of this page; open the address that facecluster printed"
            )
        if not scope["path"].startswith("/"):
            raise _RefusedError(400, "a path begins with /")
        method = scope["method"]
        if method not in (*_READS, *_WRITES):
            raise _RefusedError(405, "GET reads and POST decides; nothing else is understood")
        token = parse_qs(scope["query_string"].decode("ascii", "replace")).get("token")
        if method == "GET" and scope["path"] == "/" and token is not None:
            if not self._is_ours(token[0]):
                raise _RefusedError(
                    403, "this address is not good any more; open the one that facecluster printed"
                )
            return True
        if headers.only("sec-fetch-site") not in _OURS:
            raise _RefusedError(403, "another page asks for this, and gets nothing")
        if not self._has_cookie(headers):
            raise _RefusedError(
                403,
                "open the address that facecluster review printed in the terminal; each start has its own",
            )
        if method in _WRITES:
            self._check_write(headers)
        return False

    def _check_write(self, headers: _Headers) -> None:
        origin = headers.only("origin")
        if origin is not None and origin != f"http://{headers.only('host')}":
            raise _RefusedError(403, "another page wants to change something, and may not")
        kind = (headers.only("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _RefusedError(415, "send JSON, and say so: Content-Type: application/json")

    def _is_ours(self, token: str) -> bool:
        """Whether a token is good; a ticket is spent."""
        spent = [ticket for ticket in self._tickets if _same(ticket, token)]
        self._tickets.difference_update(spent)
        return bool(spent) or _same(token, self.token)

    def _has_cookie(self, headers: _Headers) -> bool:
        for line in headers.all("cookie"):
            for one in line.split(";"):
                name, _, value = one.strip().partition("=")
                if name == self._cookie and _same(value, self._session):
                    return True
        return False

    async def _let_in(self, scope: Scope, send: Send) -> None:
        """Give the cookie, and lead to the page.

        A browser that comes from a link of another page does not send the cookie to where it is led, but to where our
        own page leads it.
        """
        cookie = f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"
        is_led = _Headers(scope["headers"]).only("sec-fetch-site") not in _OURS
        status, way = (200, (b"refresh", b"0; url=/")) if is_led else (303, (b"location", b"/"))
        headers = [way, (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class _Headers:
    """The headers of a request."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def all(self, name: str) -> list[str]:
        wanted = name.encode()
        return [value.decode("latin-1") for key, value in self._raw if key.lower() == wanted]

    def only(self, name: str) -> str | None:
        """The value of a header that may be there once; None where it is not there.

        Raises:
            _RefusedError: it is there twice.
        """
        found = self.all(name)
        if len(found) > 1:
            raise _RefusedError(400, f"the header {name} is there twice")
        return found[0] if found else None


def _same(one: str, other: str) -> bool:
    """Compare secrets, in a time that tells nothing of them."""
    return secrets.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


async def _body(scope: Scope, receive: Receive) -> Receive:
    """Read what is sent, up to a limit, before anybody works on it.

    Raises:
        _RefusedError: it is too much, or takes too long.
    """
    if scope["method"] in _READS:
        return receive
    too_much = _RefusedError(413, f"more than {MOST_BYTES // 1_000_000} MB is sent; that is no decision")
    declared = _Headers(scope["headers"]).only("content-length")
    if declared is not None and int(declared) > MOST_BYTES:
        raise too_much
    body = bytearray()

    async def read() -> None:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _RefusedError(400, "it was broken off")
            body.extend(message.get("body", b""))
            if len(body) > MOST_BYTES:
                raise too_much
            if not message.get("more_body"):
                return

    try:
        await asyncio.wait_for(read(), BODY_S)
    except asyncio.TimeoutError:
        raise _RefusedError(408, "sending it takes too long") from None
    is_given = False

    async def give() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return give


def _with_headers(send: Send) -> Send:
    """Have every answer carry `HEADERS`."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            there = {bytes(name).lower() for name, _ in own}
            own += [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in there]
            message = {**message, "headers": own}
        await send(message)

    return with_headers


async def _say(send: Send, status: int, why: str) -> None:
    """Answer with a sentence, and hear no more."""
    text = json.dumps({"error": why}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
