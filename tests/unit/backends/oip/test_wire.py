"""The little HTTP client: kept connections, each way that a body may come, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from include.backends.oip import wire as wire_module
from include.backends.oip.wire import BROKEN, Reply, TooLarge, Wire

OK = b"HTTP/1.1 200 OK\r\n"


def talk(answers: Sequence[bytes], calls: int, use: Callable[[Wire], Any] | None = None) -> tuple[list[Any], list[bytes], int]:
    """What `calls` posts came to, what the server read, and how many connections there were. An empty answer closes."""
    left, read, opened = list(answers), [], [0]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened[0] += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                read.append(head + await reader.readexactly(4))
                answer = left.pop(0)
                if answer:
                    writer.write(answer)
                    await writer.drain()
                if not answer or b"close" in answer or (b"ength" not in answer and b"chunked" not in answer):
                    break
        except (EOFError, OSError):
            pass
        writer.close()

    async def life() -> list[Any]:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire = Wire(f"http://127.0.0.1:{port}/base", {"Authorization": "Bearer x"}, None)
        found: list[Any] = []
        for _ in range(calls):
            try:
                async with asyncio.timeout(5):
                    found.append(await wire.post("/infer", b"body", {"Content-Type": "a/b"}))
            except (*BROKEN, TooLarge) as error:
                found.append(error)
            await asyncio.sleep(0.005)
        server.close()
        return found

    return asyncio.run(life()), read, opened[0]


@pytest.mark.parametrize(
    ("answer", "body", "header"),
    [
        (OK + b"Content-Length: 3\r\nInference-Header-Content-Length: 2\r\n\r\nabc", b"abc", "2"),
        (OK + b"transfer-encoding: Chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\ntrailer: 1\r\n\r\n", b"abc", None),
        (OK + b"\r\nuntil the end", b"until the end", None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 0\r\n\r\n", b"", None),
    ],
)
def test_a_body_comes_in_any_of_its_ways(answer: bytes, body: bytes, header: str | None) -> None:
    found, read, _ = talk([answer.replace(b"Chunked", b"chunked")], 1)
    assert found == [Reply(200, body, header)]
    assert read[0].startswith(b"POST /base/infer HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer x\r\n" in read[0]
    assert read[0].endswith(b"Content-Length: 4\r\n\r\nbody")


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_opened_again() -> None:
    fine = OK + b"content-length: 1\r\n\r\n1"
    assert talk([fine, fine, fine], 3)[2] == 1
    found, _, opened = talk([fine, b"", fine], 2)  # closed without a word, on a connection that was kept
    assert [each.body for each in found] == [b"1", b"1"]
    assert opened == 2
    assert talk([OK + b"connection: close\r\ncontent-length: 1\r\n\r\n1", fine], 2)[2] == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\nlength",
        OK + b"content-length: -1\r\n\r\n",
        OK + b"content-length: 9\r\nconnection: close\r\n\r\nabc",
        OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        OK + b"content-encoding: gzip\r\ncontent-length: 1\r\n\r\n1",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_broken(answer: bytes) -> None:
    (found,), _, _ = talk([answer], 1)
    assert isinstance(found, BROKEN)


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "LARGEST", 10)
    for answer in (
        OK + b"content-length: 11\r\n\r\n",
        OK + b"\r\nmuch too long",
        OK + b"transfer-encoding: chunked\r\n\r\nff\r\n",
    ):
        (found,), _, _ = talk([answer], 1)
        assert isinstance(found, TooLarge)


def test_a_token_cannot_begin_a_line_of_its_own() -> None:
    with pytest.raises(ValueError, match="Authorization"):
        Wire("http://127.0.0.1:1", {"Authorization": "Bearer x\r\nHost: y"}, None)
