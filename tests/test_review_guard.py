"""Nobody else gets into the review page: each rule of `review.guard`, asked of a page that runs."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from libraries import cluster_table
from pages import Browser, opened
from PIL import Image
from tables import make_table, people

from facecluster.formats import face_table
from facecluster.review import guard

ID = "0000000000000000000000000000000{}-0"
JSON = {"Content-Type": "application/json"}
NAME = json.dumps({"do": "name", "person": "person-0001", "name": "Anna"}).encode()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people of three photos each."""
    directory = tmp_path_factory.mktemp("guarded") / "people"
    directory.mkdir()
    paths = [directory.parent / f"{i}.jpg" for i in range(6)]
    for i, path in enumerate(paths):
        Image.new("RGB", (1000, 800), (40 * i, 90, 90)).save(path)
    ids = [ID.format(i + 1) for i in range(6)]
    table = make_table(people(2, 3), paths=[str(path) for path in paths], id=ids)
    face_table.write(table, directory / "faces.npz")
    cluster_table(table, directory, source=str(directory / "faces.npz"))
    return directory


@pytest.fixture(scope="module")
def page(library: Path) -> Iterator[Browser]:
    with opened(library) as browser:
        yield browser


@pytest.fixture
def stranger(page: Browser) -> Browser:
    """Somebody without the cookie."""
    return Browser(page.address)


def named(page: Browser) -> set[str | None]:
    return {one["name"] for one in page.get("/api/people")["people"]}


# ----------------------------------------------------------------------------------------- token and cookie


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/state",
        "/api/people",
        "/api/photos",
        f"/face/{ID.format(1)}",
        "/style.css",
        "/review.js",
        "/nowhere",
    ],
)
def test_nothing_is_answered_without_the_cookie(stranger: Browser, path: str) -> None:
    found = stranger.ask("GET", path)
    assert found.status == 403
    assert "address that facecluster review printed" in found.json["error"]


def test_the_token_gives_a_cookie_that_scripts_and_other_sites_do_not_get(stranger: Browser) -> None:
    found = stranger.ask("GET", f"/?token={stranger.token}")
    assert (found.status, found.headers["location"]) == (303, "/")
    name_and_value, *flags = found.headers["set-cookie"].split("; ")
    assert set(flags) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    name, _, value = name_and_value.partition("=")
    assert str(stranger.port) in name  # pages on other ports of this machine share cookies
    assert value != stranger.token


def test_the_token_is_no_cookie_and_opens_no_other_address(stranger: Browser, page: Browser) -> None:
    assert page.cookie is not None
    name = page.cookie.partition("=")[0]
    assert stranger.ask("GET", "/", headers={"Cookie": f"{name}={stranger.token}"}).status == 403
    assert stranger.ask("GET", f"/api/people?token={stranger.token}").status == 403
    assert stranger.ask("POST", f"/?token={stranger.token}", NAME, JSON).status == 403
    assert stranger.ask("HEAD", f"/?token={stranger.token}").status == 403


@pytest.mark.parametrize("token", ["", "x", "%00", "é", "a" * 43])
def test_a_wrong_token_gives_nothing(stranger: Browser, token: str) -> None:
    found = stranger.ask("GET", f"/?token={quote(token, safe='%')}")
    assert found.status == 403
    assert "set-cookie" not in found.headers


def test_a_wrong_cookie_gives_nothing(stranger: Browser, page: Browser) -> None:
    assert page.cookie is not None
    name, _, value = page.cookie.partition("=")
    for wrong in (f"{name}=", f"{name}=x", f"{name}={value}x", f"{name}x={value}", f"x{name}={value}"):
        assert stranger.ask("GET", "/api/state", headers={"Cookie": wrong}).status == 403
    assert stranger.ask("GET", "/api/state", headers={"Cookie": f"a=b; {name}={value}; c"}).status == 200


def test_the_printed_address_is_good_again_for_a_second_browser(page: Browser) -> None:
    assert Browser(page.address).enter().get("/api/state")["people"] == 2


def test_the_address_that_a_browser_is_started_with_is_good_once() -> None:
    async def nobody(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    door = guard.Guard(nobody, 1234)
    ticket = door.ticket()
    assert ticket != door.address
    assert [_status(door, ticket) for _ in range(2)] == [303, 403]
    assert [_status(door, door.address) for _ in range(2)] == [303, 303]


def _status(door: guard.Guard, address: str) -> int:
    sent: list[guard.Message] = []

    async def send(message: guard.Message) -> None:
        sent.append(message)

    async def receive() -> guard.Message:
        return {"type": "http.request"}

    path, _, query = address.removeprefix("http://127.0.0.1:1234").partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1:1234")],
    }
    # A loop of its own: a browser of earlier tests may have one running in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, door(scope, receive, send)).result()
    return int(sent[0]["status"])


def test_a_link_of_another_page_leads_in_by_our_own_page(stranger: Browser) -> None:
    """A browser keeps a strict cookie from where a link of another site leads to."""
    found = stranger.ask("GET", f"/?token={stranger.token}", headers={"Sec-Fetch-Site": "cross-site"})
    assert (found.status, found.headers["refresh"]) == (200, "0; url=/")
    assert found.headers["set-cookie"]


# --------------------------------------------------------------------------------------------- host and site


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil:{}",
        "evil:{}",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "127.0.0.1:{}.evil",
        "[::1]:{}",
        "0.0.0.0:{}",
        "127.0.0.2:{}",
        "LOCALHOST.:{}",
        "127.0.0.1:{}@evil",
        " ",
        "",
    ],
)
def test_another_host_gets_nothing(page: Browser, host: str) -> None:
    found = page.ask("GET", "/api/state", headers={"Host": host.format(page.port)})
    assert found.status == 400
    assert b"people" not in found.body


def test_localhost_is_our_name_too(page: Browser) -> None:
    assert page.ask("GET", "/api/state", headers={"Host": f"localhost:{page.port}"}).status == 200


def test_an_address_with_a_host_in_it_gets_nothing(page: Browser) -> None:
    assert page.ask("GET", "http://evil.example/api/state").status == 400
    assert page.ask("GET", f"http://127.0.0.1:{page.port}/api/state").status == 400


def test_two_hosts_get_nothing(page: Browser) -> None:
    text = (
        f"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nHost: evil.example\r\n"
        f"Cookie: {page.cookie}\r\nConnection: close\r\n\r\n"
    )
    assert b" 400 " in _raw(page, text.encode()).partition(b"\r\n")[0]


def _raw(page: Browser, text: bytes) -> bytes:
    found = b""
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
        connection.sendall(text)
        while some := connection.recv(65536):
            found += some
    return found


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
def test_what_another_page_asks_for_is_refused(page: Browser, site: str) -> None:
    """A page on another port of this machine is of the same site, and its browser sends the cookie."""
    for path in ("/api/state", f"/face/{ID.format(1)}", "/"):
        assert page.ask("GET", path, headers={"Sec-Fetch-Site": site}).status == 403
    assert page.ask("POST", "/api/decide", NAME, {**JSON, "Sec-Fetch-Site": site}).status == 403
    assert named(page) == {None}


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{}", "http://127.0.0.1:1", "http://localhost:{}"],
)
def test_a_write_of_another_origin_is_refused(page: Browser, origin: str) -> None:
    headers = {**JSON, "Origin": origin.format(page.port)}
    assert page.ask("POST", "/api/decide", NAME, headers).status == 403
    assert named(page) == {None}


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"],
)
def test_a_write_that_is_not_called_json_is_refused(page: Browser, kind: str) -> None:
    assert page.ask("POST", "/api/decide", NAME, {"Content-Type": kind}).status == 415
    assert named(page) == {None}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_post_changes_anything(page: Browser, library: Path, method: str) -> None:
    before = [(library / name).exists() for name in ("decisions.jsonl",)]
    for path in ("/api/decide", "/api/answer", "/api/decide?do=name&person=person-0001&name=Anna"):
        assert page.ask(method, path, None if method == "GET" else NAME, JSON).status == 405
    assert [(library / name).exists() for name in ("decisions.jsonl",)] == before
    assert named(page) == {None}


# ------------------------------------------------------------------------------------------------------- ids


@pytest.mark.parametrize(
    "own",
    [
        "../../etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..",
        "%00",
        f"{ID.format(1)}%00",
        "%ff%fe",
        "/etc/passwd",
        "0.jpg",
        "group-000000",
        "person-0001",
        "{photo}",
        quote("{photo}", safe=""),
        "a" * 5000,
    ],
)
def test_what_is_no_id_is_not_found(page: Browser, library: Path, own: str) -> None:
    photo = str(library.parent / "0.jpg")
    own = own.replace("{photo}", photo).replace(quote("{photo}", safe=""), quote(photo, safe=""))
    for path in ("/face/", "/photo/", "/api/photo/", "/api/nobody/"):
        found = page.ask("GET", path + own)
        assert found.status == 404, path
        assert b"root:" not in found.body
        assert str(library).encode() not in found.body


# --------------------------------------------------------------------------------------------------- answers


def test_every_answer_has_the_headers_that_keep_a_browser_in(page: Browser, stranger: Browser) -> None:
    found = [
        page.ask("GET", path) for path in ("/", "/api/state", f"/face/{ID.format(1)}", "/face/x", "/nowhere")
    ]
    found += [page.ask("POST", "/api/decide", b"{", JSON), stranger.ask("GET", "/")]
    found += [
        stranger.ask("GET", f"/?token={stranger.token}"),
        page.ask("GET", "/", headers={"Host": "evil"}),
    ]
    for answer in found:
        assert answer.headers["content-security-policy"] == guard.POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "no-" in answer.headers["cache-control"]
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers
    assert {answer.status for answer in found} >= {200, 303, 400, 403, 404}


def test_the_policy_lets_nothing_in_but_our_own() -> None:
    rules = dict(rule.split(" ", 1) for rule in guard.POLICY.split("; "))
    assert (
        rules["default-src"]
        == rules["frame-ancestors"]
        == rules["base-uri"]
        == rules["form-action"]
        == "'none'"
    )
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "http" not in guard.POLICY
    assert "unsafe" not in guard.POLICY


def test_a_refusal_names_no_path_of_this_machine(page: Browser, library: Path) -> None:
    said = page.decide("merge", 400, people=["person-0001", "person-0009"])["error"]
    said += page.decide("undo", 400)["error"]
    said += page.decide("move", 400, faces=["nothing"], to="nobody")["error"]
    said += page.decide("what", 400)["error"]
    assert str(library.parent) not in said
    assert "person-0009" in said


def test_a_name_is_data_whatever_it_holds(page: Browser) -> None:
    evil = "</script><img src=x onerror=alert(1)>&\"'"
    said = page.decide("name", person="person-0001", name=evil)
    try:
        assert said["changed"][0]["name"] == evil
        found = page.ask("GET", "/api/people")
        assert found.headers["content-type"] == "application/json"
        assert evil in {one["name"] for one in found.json["people"]}
    finally:
        page.decide("undo")


# ------------------------------------------------------------------------------------------- too much, too slow


def test_what_is_too_long_is_refused(page: Browser) -> None:
    long = b'{"do":"' + b"a" * guard.MOST_BYTES + b'"}'
    declared = page.ask("POST", "/api/decide", b"{}", {**JSON, "Content-Length": str(10**12)})
    assert declared.status == 413
    head = f"POST /api/decide HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: {page.cookie}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = f"{len(long):x}\r\n".encode() + long + b"\r\n0\r\n\r\n"
    assert b" 413 " in _raw(page, head.encode() + chunk).partition(b"\r\n")[0]
    assert page.get("/api/state")["people"] == 2


@pytest.mark.parametrize(
    "sent", [b"", b"[]", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"do": 1}', b'{"do": "name"}']
)
def test_what_is_no_decision_is_refused(page: Browser, sent: bytes) -> None:
    assert page.ask("POST", "/api/decide", sent, JSON).status == 400


def test_slow_askers_hold_nobody_up(page: Browser) -> None:
    slow = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(20)]
    try:
        head = f"POST /api/decide HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: {page.cookie}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        for i, connection in enumerate(slow):
            connection.sendall(head.encode() if i % 2 else b"GET /api/st")
        start = time.monotonic()
        assert page.get("/api/state")["people"] == 2
        assert time.monotonic() - start < 2
    finally:
        for connection in slow:
            connection.close()


def test_strangers_who_take_all_connections_keep_nobody_out(library: Path) -> None:
    """Another user of this machine opens connections without an end, and asks by some of them."""
    is_over, n_opened = threading.Event(), 0

    def crowd(port: int) -> None:
        nonlocal n_opened
        lines: list[socket.socket] = []
        while not is_over.is_set():
            line = socket.create_connection(("127.0.0.1", port), timeout=10)
            lines.append(line)
            with suppress(OSError):
                kind = n_opened % 4
                line.sendall(
                    [b"", b"GET /api", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"][kind]
                )
            n_opened += 1
            if len(lines) > 400:
                lines.pop(0).close()
        for line in lines:
            line.close()

    with opened(library) as page:
        page_line = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)  # as a browser keeps one
        thread = threading.Thread(target=crowd, args=(page.port,))
        thread.start()
        try:
            while n_opened < 300:
                time.sleep(0.01)
            for _ in range(50):
                assert page.get("/api/state")["people"] == 2
                page_line.request("GET", "/api/names", headers={"Cookie": page.cookie or ""})
                assert page_line.getresponse().read().startswith(b'{"names":')
                assert page_line.sock is not None
        finally:
            is_over.set()
            thread.join()
            page_line.close()


# ---------------------------------------------------------------------------------------------- this machine only


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux says who listens there")
def test_it_listens_to_this_machine_only(page: Browser) -> None:
    lines = [
        line.split()
        for kind in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]
    ]
    listening = [
        line[1] for line in lines if line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == page.port
    ]
    assert listening == [f"0100007F:{page.port:04X}"]


_NOTHING_SENT = """
import socket, sys
sys.path.insert(0, {tests!r})
from pages import opened
from pathlib import Path
connect, asked = socket.socket.connect, []
def told(self, address):
    asked.append(address)
    return connect(self, address)
socket.socket.connect = told
with opened(Path({library!r})) as page:
    for path in ("/api/state", "/api/people", "/api/person/person-0001", "/face/{face}"):
        assert page.ask("GET", path).status == 200
assert {{host for host, _ in asked}} == {{"127.0.0.1"}}, asked
"""


def test_nothing_is_sent_anywhere_and_no_log_is_kept(library: Path, tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    code = _NOTHING_SENT.format(tests=tests, library=str(library), face=ID.format(1))
    env = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [*tmp_path.iterdir()] == []
