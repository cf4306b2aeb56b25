from __future__ import annotations

import time
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from include.serving.admission import FEWEST, MOST, TARGET_SECONDS, Admission
from include.serving.door import REFUSED, Door

REQUEST = b"POST /predict/toy HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def test_so_many_are_let_in_and_no_more() -> None:
    admission = Admission()
    admission.waiting = admission.limit - 1
    assert not admission.full
    admission.waiting += 1
    assert admission.full
    admission.answered(1)
    assert not admission.full


def limit_at(seconds: float) -> int:
    """Where it comes to rest if a thousand answers cost so much of the thread's time."""
    admission = Admission()
    for _ in range(40):
        admission.waiting = 1000
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        admission.answered(1000)
    return admission.limit


def test_the_limit_follows_what_an_answer_costs() -> None:
    cheap, dear = limit_at(0), limit_at(0.02)
    assert FEWEST <= dear < cheap <= MOST
    assert dear <= TARGET_SECONDS / 20e-6, "as many as make the last one wait the target"


class Transport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> tuple[Door, list[bytes]]:
    """A full worker's protocol, and what it hands on to uvicorn."""
    passed: list[bytes] = []
    monkeypatch.setattr(HttpToolsProtocol, "data_received", lambda self, data: passed.append(data))
    door: Any = Door.__new__(Door)
    door.admission, door.cycle, door.transport = Admission(), None, Transport()
    door.admission.waiting = door.admission.limit
    return door, passed


def test_a_full_worker_refuses_a_whole_prediction_unparsed(door: tuple[Any, list[bytes]]) -> None:
    protocol, passed = door
    refused: list[int] = []
    protocol.admission.refused = lambda: refused.append(429)
    protocol.data_received(REQUEST)
    assert (protocol.transport.written, passed, refused) == (REFUSED, [], [429])
    head, _, body = REFUSED.partition(b"\r\n\r\n")
    assert b"429" in head
    assert b"retry-after: 1" in head
    assert f"content-length: {len(body)}".encode() in head


@pytest.mark.parametrize(
    "data",
    [
        REQUEST[:-1],  # not whole
        REQUEST + REQUEST,  # two at once
        REQUEST.replace(b"/predict/toy", b"/status"),
        REQUEST.replace(b"Host: x", b"Connection: close"),
        b"{}",
    ],
)
def test_everything_else_is_uvicorns(door: tuple[Any, list[bytes]], data: bytes) -> None:
    protocol, passed = door
    protocol.data_received(data)
    assert (protocol.transport.written, passed) == (b"", [data])


def test_a_request_behind_one_that_is_answered_is_uvicorns(door: tuple[Any, list[bytes]]) -> None:
    protocol, passed = door

    class Cycle:
        response_complete = False

    protocol.cycle = Cycle()
    protocol.data_received(REQUEST)
    assert passed == [REQUEST]
