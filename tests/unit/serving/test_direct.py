"""Predictions that are answered without ASGI: which requests, in which order, and what their callers see."""

from __future__ import annotations

import asyncio
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from include.serving.http.asgi import Done, HttpRequest, Response, encode
from include.serving.http.bounds import Bounds
from include.serving.http.gateway_protocol import GatewayProtocol
from include.serving.http.request_error import RequestError
from include.serving.http.request_head import KEPT, Head, Heads, read_head

BODY = b'{"a":1}'


def request(body: bytes = BODY, path: str = "/predict/toy", **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in {"host": "x", **headers}.items())
    return f"POST {path} HTTP/1.1\r\n{named}content-length: {len(body)}\r\n\r\n".encode() + body


# -- heads -----------------------------------------------------------------------------------------------


def test_a_plain_head_is_read_and_remembered() -> None:
    heads, data = Heads(), request(Authorization="Bearer t")
    head = heads.of(data)
    assert isinstance(head, Head)
    assert head.direct
    assert (head.model, head.path, data[head.start : head.end]) == ("toy", "/predict/toy", BODY)
    assert (b"authorization", b"Bearer t") in head.headers
    assert heads.of(data) is head


@pytest.mark.parametrize(
    "data",
    [
        request(body=b""),
        request(body=b"x" * 40_000),
        request(content_encoding="gzip"),
        request(path="/predict/toy/more"),
        request().replace(b"HTTP/1.1", b"HTTP/1.0"),
        request().replace(b"POST", b"PUT"),
        request().replace(b"content-length: 7", b"transfer-encoding: chunked"),
    ],
)
def test_every_head_that_is_not_plain_is_left_to_the_app(data: bytes) -> None:
    heads = Heads()
    for _ in range(2):  # also when it is remembered
        head = heads.of(data)
        assert isinstance(head, Head)
        assert not head.direct


def test_half_a_head_is_none() -> None:
    assert Heads().of(request()[: -len(BODY) - 1]) is None


def test_what_the_heads_remember_is_bounded() -> None:
    heads = Heads()
    for n in range(3 * KEPT):
        assert isinstance(heads.of(request(traceparent=str(n))), Head)
    assert len(heads._known) <= KEPT


def test_a_keep_alive_header_changes_nothing() -> None:
    text = request(Connection="Keep-Alive").partition(BODY)[0]
    assert read_head(text).keep


# -- a server --------------------------------------------------------------------------------------------


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """What uvicorn hands on: it answers with the body it got, after a moment, and says so."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await asyncio.sleep(0.01)
    said = b"asgi:" + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


class Site:
    """A server that answers `later` (seconds) with what was asked; says no, breaks, or declines by the model's name."""

    def __init__(self) -> None:
        self.later, self.waiting, self.idle = 0.0, 0, 5
        self.server: uvicorn.Server

    def predict(self, call: HttpRequest, model: str, done: Done) -> bool:
        if model == "cold":
            return False
        if model == "no":
            raise RequestError(404, "no such model", retry_after=7)
        if model == "broken":
            raise RuntimeError("a defect")
        self.waiting += 1
        body = b"x" * 5000 if model == "long" else b"direct:" + call.body
        asyncio.get_running_loop().call_later(self.later, lambda: done.done() or done.set_result(body))
        return True

    def refuse(self, call: HttpRequest, error: BaseException) -> Response:
        if isinstance(error, RequestError):
            return Response(encode(error.body), error.status, headers=error.headers)
        return Response(b"{}", 500)

    def run(self, ask: Callable[[int], Any]) -> Any:
        """What `ask` makes of the server's port."""

        async def both() -> Any:
            listening = socket.create_server(("127.0.0.1", 0))
            protocol = GatewayProtocol.of(self.predict, self.refuse, bounds=Bounds())
            config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None, timeout_keep_alive=self.idle)
            self.server = uvicorn.Server(config)
            serving = asyncio.create_task(self.server.serve(sockets=[listening]))
            try:
                return await asyncio.to_thread(ask, listening.getsockname()[1])
            finally:
                self.server.should_exit = True
                await serving

        return asyncio.run(both())


@pytest.fixture
def site() -> Site:
    return Site()


def exchange(port: int, *parts: bytes, pause: float = 0.0, count: int = 1) -> list[bytes]:
    """The bodies of so many answers on one connection that sends these parts, one write each."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
        for part in parts:
            end.sendall(part)
            time.sleep(pause)
        return list(answers(end, count))


def bodies(site: Site, *parts: bytes, pause: float = 0.0) -> list[bytes]:
    """`exchange` for every request in the parts."""
    count = b"".join(parts).count(b" HTTP/1.1\r\n")
    found: list[bytes] = site.run(lambda port: exchange(port, *parts, pause=pause, count=count))
    return found


def answers(end: socket.socket, count: int) -> Iterator[bytes]:
    stream = end.makefile("rb")
    for _ in range(count):
        length = 0
        while (line := stream.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        yield stream.read(length)


def test_requests_on_one_connection_are_answered_directly(site: Site) -> None:
    assert bodies(site, request(b"1"), request(b"22"), pause=0.05) == [b"direct:1", b"direct:22"]


def test_a_caller_that_does_not_wait_gets_its_answers_in_order(site: Site) -> None:
    site.later = 0.05
    parts = [request(b"1"), request(b"2"), request(b"3") + request(b"4")]
    found = [body.partition(b":") for body in bodies(site, *parts, pause=0.01)]
    assert found == [(b"direct", b":", body) for body in (b"1", b"2", b"3", b"4")]


def test_a_request_behind_one_that_uvicorn_answers_waits_for_it(site: Site) -> None:
    assert bodies(site, request(b"1", path="/other"), request(b"2"), pause=0.002) == [b"asgi:1", b"direct:2"]
    assert bodies(site, request(b"1", path="/other"), request(b"2"), pause=0.1) == [b"asgi:1", b"direct:2"]


@pytest.mark.parametrize("cut", [8, 30])
def test_a_head_in_pieces_is_put_together(site: Site, cut: int) -> None:
    data = request(b"12345")
    assert bodies(site, data[:cut], data[cut:], pause=0.02) == [b"direct:12345"]


def test_a_body_in_pieces_is_waited_for(site: Site) -> None:
    data = request(b"12345")
    assert bodies(site, data[:-5], data[-5:], pause=0.01) == [b"direct:12345"]
    assert bodies(site, data[:-2], data[-2:], pause=0.01) == [b"direct:12345"]
    assert bodies(site, data[:-5], data[-5:-2], data[-2:], pause=0.01) == [b"direct:12345"]
    assert bodies(site, data[:-5], data[-5:] + request(b"6"), pause=0.01) == [b"direct:12345", b"direct:6"]


def test_a_piece_of_a_body_that_looks_like_a_request_is_no_request(site: Site) -> None:
    inner = request(b"inner")
    outer = request(inner)
    place = len(outer) - len(inner)
    assert site.run(lambda port: exchange(port, outer[:place], outer[place:], pause=0.05)) == [b"direct:" + inner]
    long = request(b"x" * 40_000 + inner)
    place = len(long) - len(inner)
    assert site.run(lambda port: exchange(port, long[:place], long[place:], pause=0.05)) == [b"asgi:" + b"x" * 40_000 + inner]


def test_what_the_gateway_declines_goes_the_long_way(site: Site) -> None:
    assert bodies(site, request(b"1", path="/predict/cold")) == [b"asgi:1"]


def test_refusals_and_defects_are_answers_and_the_connection_goes_on(site: Site) -> None:
    def ask(port: int) -> list[tuple[int, str | None]]:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            found = [client.post(f"/predict/{name}", content=BODY) for name in ("no", "broken", "toy")]
        return [(each.status_code, each.headers.get("retry-after")) for each in found]

    assert site.run(ask) == [(404, "7"), (500, None), (200, None)]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_a_long_answer_is_compressed_as_the_caller_accepts(site: Site, encoding: str) -> None:
    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
            end.sendall(request(path="/predict/long", accept_encoding=encoding))
            return next(answers(end, 1))

    body = site.run(ask)
    assert (body if encoding == "identity" else zlib.decompress(body, 47 if encoding == "gzip" else 15)) == b"x" * 5000


def test_a_server_that_stops_answers_first(site: Site) -> None:
    site.later = 0.3

    def ask(port: int) -> tuple[list[bytes], bytes]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
            end.sendall(request())
            while not site.waiting:
                time.sleep(0.01)
            site.server.should_exit = True
            return list(answers(end, 1)), end.recv(1)  # and then it closes

    assert site.run(ask) == ([b"direct:" + BODY], b"")


def test_a_caller_that_left_troubles_nobody(site: Site) -> None:
    site.later = 0.1

    def ask(port: int) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
            end.sendall(request())
        return exchange(port, request(b"1"))

    assert site.run(ask) == [b"direct:1"]


def test_an_idle_connection_is_closed(site: Site) -> None:
    site.idle = 0

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
            end.sendall(request())
            assert list(answers(end, 1)) == [b"direct:" + BODY]
            return end.recv(1)

    assert site.run(ask) == b""


def test_a_caller_that_sends_no_more_is_answered_and_then_the_connection_ends(site: Site) -> None:
    site.later = 0.05

    def ask(port: int) -> tuple[list[bytes], bytes]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as end:
            end.sendall(request(b"1") + request(b"2", path="/other") + request(b"3"))
            end.shutdown(socket.SHUT_WR)
            return list(answers(end, 3)), end.recv(1)

    assert site.run(ask) == ([b"direct:1", b"asgi:2", b"direct:3"], b"")
