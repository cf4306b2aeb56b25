"""What leaves a connection, and in how many writes; over a real socket, a response of every shape."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import uvicorn

from include.serving.http.corked_transport import CorkedTransport
from include.serving.http.gateway_protocol import GatewayProtocol


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def corked() -> tuple[CorkedTransport, Transport]:
    transport = Transport()
    return CorkedTransport(transport), transport  # type: ignore[arg-type]


def test_head_and_body_leave_together_and_the_rest_as_it_comes() -> None:
    cork, transport = corked()
    for data in (b"HTTP/1.1 200 OK\r\n\r\n", b"one", b"two"):
        cork.write(data)
    assert transport.written == [b"HTTP/1.1 200 OK\r\n\r\none", b"two"]


def test_a_head_without_a_body_leaves_when_the_response_ends_or_the_connection_closes() -> None:
    cork, transport = corked()
    cork.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert transport.written == []
    cork.flush()
    cork.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    cork.close()
    assert transport.written == [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"]
    assert cork.is_closing()


@pytest.mark.parametrize("data", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 429 Too Many Requests\r\n\r\nlater"])
def test_an_interim_response_and_a_whole_one_are_not_held_back(data: bytes) -> None:
    cork, transport = corked()
    cork.write(data)
    assert transport.written == [data]


def test_a_body_that_looks_like_a_head_is_whole() -> None:
    cork, transport = corked()
    for data in (b"HTTP/1.1 200 OK\r\n\r\n", b"a", b"HTTP/1.1 200 is what I say"):
        cork.write(data)
    cork.flush()
    assert b"".join(transport.written) == b"HTTP/1.1 200 OK\r\n\r\naHTTP/1.1 200 is what I say"


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with the path's parts, a chunk each; of "boom" it dies in the middle, of "none" there is no body."""
    await receive()
    parts = scope["path"].strip("/").split("/")
    status = 204 if parts == ["none"] else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
    if parts[-1] == "boom":
        raise RuntimeError("in the middle of a response")
    await send({"type": "http.response.body", "body": b"" if parts == ["none"] else parts[-1].encode()})


def over_a_socket(ask: Callable[[httpx.Client], Any]) -> Any:
    """What `ask` makes of a server that speaks GatewayProtocol."""

    async def run() -> Any:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=GatewayProtocol, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
            try:
                return await asyncio.to_thread(ask, client)
            finally:
                server.should_exit = True
                client.close()
                await serving

    return asyncio.run(run())


def test_responses_of_every_shape_arrive_on_one_connection() -> None:
    def ask(client: httpx.Client) -> list[tuple[int, str]]:
        answers = [client.get("/a"), client.get("/a/b/c"), client.head("/a"), client.get("/none"), client.get("/d")]
        return [(answer.status_code, answer.text) for answer in answers]

    assert over_a_socket(ask) == [(200, "a"), (200, "abc"), (200, ""), (204, ""), (200, "d")]


def test_a_response_that_breaks_off_is_seen_to_break_off() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        over_a_socket(lambda client: client.get("/a/boom"))
