from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from include.core.connection import Connection
from include.services.server_login import SERVERS, ask

PASSWORD = "hunter2-hunter2"
ANSWERS: dict[str, object] = {
    "/status": {"models": {}},
    "/api/2.0/mlflow/experiments/search?max_results=1": {"experiments": []},
    "/api/jobs/": [],
    "/auth/token": {"access_token": "t"},
}


class Handler(BaseHTTPRequestHandler):
    """Takes PASSWORD, however it is sent; `broken` answers all with that status, `elsewhere` sends away."""

    broken: ClassVar[int] = 0
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            given = base64.b64decode(given[6:]).decode()
        self.seen.append(self.path)
        status = self.broken or (200 if PASSWORD in given + body else 401)
        text = json.dumps(ANSWERS.get(self.path, {"hello": "world"})).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def url() -> Iterator[str]:
    Handler.broken, Handler.seen[:] = 0, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_asked_with_its_login(name: str, url: str) -> None:
    server = SERVERS[name]
    good = ask(server, url, Connection(url, "me", PASSWORD))
    assert (good.reached, good.accepted) == (True, True), good.words
    assert f"{server.name} at {url} answers, and takes {server.login}." == good.words
    assert good.clock is not None
    wrong = ask(server, url, Connection(url, "me", "wrong-password"))
    assert (wrong.reached, wrong.accepted) == (True, False)
    assert "refuses" in wrong.words
    assert "wrong-password" not in wrong.words


@pytest.mark.parametrize("name", SERVERS)
def test_one_that_does_not_answer_is_named_with_its_address(name: str) -> None:
    asked = ask(SERVERS[name], f"http://me:{PASSWORD}@127.0.0.1:1", Connection("http://127.0.0.1:1", "me", PASSWORD))
    assert (asked.reached, asked.accepted) == (False, False)
    assert f"{SERVERS[name].name} at http://127.0.0.1:1 does not answer: " in asked.words
    assert PASSWORD not in asked.words


def test_another_server_at_the_address_is_told_from_ours(url: str) -> None:
    ANSWERS["/status"], before = {"hello": "world"}, ANSWERS["/status"]
    try:
        asked = ask(SERVERS["slipstream_gateway"], url, Connection(url, "", PASSWORD))
    finally:
        ANSWERS["/status"] = before
    assert (asked.reached, "is not the gateway" in asked.words) == (False, True)
    Handler.broken = 500
    assert "HTTP 500" in ask(SERVERS["slipstream_gateway"], url, Connection(url, "", PASSWORD)).words


def test_a_login_is_sent_nowhere_else(url: str) -> None:
    Handler.broken = 302
    asked = ask(SERVERS["slipstream_ray"], url, Connection(url, "", PASSWORD))
    assert (asked.accepted, Handler.seen) == (False, ["/api/jobs/"])


@pytest.mark.parametrize("address", ["ftp://h", "http://", "nonsense", "http://h:99999", ""])
def test_an_address_that_is_none_is_an_answer_too(address: str) -> None:
    assert "does not answer" in ask(SERVERS["slipstream_ray"], address, Connection()).words
