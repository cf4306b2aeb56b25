"""What one caller may take: time for a head and a body, connections, memory, answers left untaken. Over raw sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from include.core.errors import SpecError
from include.serving.http import body, connections
from include.serving.http.body import Chunks, Sized
from include.serving.http.bounds import MAX_BODY, Bounds
from include.serving.http.connections import Connections
from include.serving.http.request_error import RequestError
from tests.security.site import WAYS, Site, drained, parsed
from tests.support.gateway_world import eventually

BODY = b'{"a":1}'
PLAIN = b"POST /predict/toy HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n" + BODY
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
FAR = 3600.0


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "EVERY_SECONDS", 0.05)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def bounds(**given: float) -> Bounds:
    """As far away as can be, but for those given."""
    far = {"head_seconds": FAR, "body_seconds": FAR, "write_seconds": FAR, "connections": 1000}
    return Bounds(**{**far, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
def test_four_hundred_half_open_heads_are_reported_and_let_go_while_others_are_answered(way: str, stack: ExitStack) -> None:
    site = stack.enter_context(Site(way).running(bounds()))
    ends = [stack.enter_context(closing(site.connect())) for _ in range(400)]
    for place, end in enumerate(ends):
        end.sendall(PLAIN[: 1 + place % 55])
    assert site.exchange(PLAIN.replace(b"Host: x", b"Host: x\r\nConnection: close"))[0].status == (429 if way == "full" else 200)
    held = site.server.server_state.connections
    eventually(lambda: sum(not each.idle for each in list(held)) == 400)
    for each in list(held):
        each.deadline = 0.0  # their time has come
    assert {tuple(answer.status for answer in parsed(drained(end))) for end in ends} == {(408,)}


def test_a_head_that_trickles_in_has_no_more_time_than_another(stack: ExitStack) -> None:
    site = stack.enter_context(Site("direct").running(bounds(head_seconds=0.3)))
    end = stack.enter_context(closing(site.connect()))
    end.settimeout(0.05)
    data = b""
    for place in range(10_000):
        try:
            end.sendall(PLAIN[:30] if place == 0 else b"x")
            data = end.recv(1000)
        except TimeoutError:
            continue
        break
    assert data.startswith(b"HTTP/1.1 408 ")


def test_a_connection_on_which_nothing_comes_is_closed(stack: ExitStack) -> None:
    site = stack.enter_context(Site("direct").running(bounds(head_seconds=0.1)))
    assert drained(stack.enter_context(closing(site.connect()))) == b""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_reported(way: str, field: bytes, stack: ExitStack) -> None:
    site = stack.enter_context(Site(way).running(bounds(body_seconds=0.2)))
    head = b"POST /predict/toy HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n"
    for part in (head, head + b"7\r\n{"):
        assert [answer.status for answer in site.exchange(part)] == [408]
    assert site.asked == []


def test_the_time_of_a_body_begins_with_its_own_head(stack: ExitStack) -> None:
    """Not with that of the request before, on a connection that has been there for long."""
    site = stack.enter_context(Site("direct").running(bounds(head_seconds=0.2, body_seconds=FAR), idle=FAR))
    with closing(site.connect()) as end:
        end.sendall(PLAIN)
        assert b" 200 " in end.recv(1000)
        end.settimeout(0.6)
        end.sendall(PLAIN[:-1])
        with pytest.raises(TimeoutError):
            end.recv(1000)
        end.sendall(PLAIN[-1:])
        assert b" 200 " in end.recv(1000)


def test_a_caller_that_ends_within_a_request_is_reported(stack: ExitStack) -> None:
    site = stack.enter_context(Site("direct").running(bounds()))
    for part in (PLAIN[:20], PLAIN[:-1], PLAIN + PLAIN[:-1]):
        with closing(site.connect()) as end:
            end.sendall(part)
            end.shutdown(socket.SHUT_WR)
            assert [answer.status for answer in parsed(drained(end))][-1] == 400


def test_who_idles_longest_makes_room_for_the_next(stack: ExitStack) -> None:
    site = stack.enter_context(Site("direct").running(bounds(connections=3), idle=FAR))
    ends = [stack.enter_context(closing(site.connect())) for _ in range(3)]
    for end in ends:
        end.sendall(PLAIN)
        assert b" 200 " in end.recv(1000)
        time.sleep(0.02)  # the loop's clock counts milliseconds
    with closing(site.connect()) as end:
        end.sendall(PLAIN)
        assert b" 200 " in end.recv(1000)
        assert ends[0].recv(1) == b""


def test_where_nobody_idles_one_more_is_asked_to_come_again(stack: ExitStack) -> None:
    site = stack.enter_context(Site("direct").running(bounds(connections=3)))
    for _ in range(3):
        end = stack.enter_context(closing(site.connect()))
        end.sendall(PLAIN[:20])
        eventually(lambda: not any(each.idle for each in list(site.server.server_state.connections)))
    (answer,) = site.exchange(b"")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("way", ["direct", "app"])
def test_who_never_takes_its_answer_is_let_go(way: str, stack: ExitStack) -> None:
    site = stack.enter_context(Site(way, answer=bytes(8 << 20)).running(bounds(write_seconds=0.2)))
    end = stack.enter_context(closing(site.connect()))
    end.sendall(PLAIN * 3)
    eventually(lambda: site.asked and site.connections == 0)
    assert len(site.asked) <= 2, "there is no second answer before the first is taken"


def test_who_goes_on_sending_after_it_was_refused_is_cut_off(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.serving.http.gateway_protocol.MAX_DISCARDED", 1 << 20)
    site = stack.enter_context(Site("direct").running(bounds()))
    with closing(site.connect()) as end:
        end.sendall(b"nonsense\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            end.sendall(bytes(256 << 20))


def test_all_bodies_together_are_bounded(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_BUFFERED", 3 << 20)
    site = stack.enter_context(Site("direct").running(bounds()))
    head = b"POST /predict/toy HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 << 20)
    first = stack.enter_context(closing(site.connect()))
    first.sendall(head + bytes(2 << 20)[1:])
    eventually(lambda: site.connections == 1)
    counted = next(iter(site.server.server_state.connections)).all_connections  # type: ignore[attr-defined]
    eventually(lambda: counted.buffered == (2 << 20) - 1)
    assert [answer.status for answer in site.exchange(head + bytes(2 << 20)[1:])] == [503]
    first.sendall(b"x")
    assert b" 200 " in first.recv(1000)
    assert counted.buffered == 0
    with closing(site.connect()) as gone:
        gone.sendall(head + bytes(1000))
        eventually(lambda: counted.buffered == 1000)
    eventually(lambda: counted.buffered == 0)


def test_one_look_a_second_serves_all_connections(stack: ExitStack) -> None:
    """No timer a request: what the loop has to do for time does not grow with the callers."""
    site = stack.enter_context(Site("direct").running(bounds(), idle=FAR))
    with closing(site.connect()) as end:
        end.sendall(PLAIN)
        assert b" 200 " in end.recv(1000)
        (connection,) = site.server.server_state.connections
        assert connection.timeout_keep_alive_task is None


def test_the_sweep_ends_with_the_last_connection_and_begins_again() -> None:
    class Loop:
        def __init__(self) -> None:
            self.calls: list[tuple[object, ...]] = []

        def time(self) -> float:
            return 0.0

        def call_later(self, *call: object) -> None:
            self.calls.append(call)

    loop, members = Loop(), Connections(Bounds())
    assert members.register(None, loop, {1}) is None  # type: ignore[arg-type]
    assert members.register(None, loop, {1}) is None  # type: ignore[arg-type]
    assert len(loop.calls) == 1
    members._sweep(loop, set())  # type: ignore[arg-type]
    members.register(None, loop, {1})  # type: ignore[arg-type]
    assert len(loop.calls) == 2


def test_a_body_is_collected_whatever_its_pieces() -> None:
    sized = Sized(5)
    assert [sized.feed(piece) for piece in (b"ab", b"c", b"defg")] == [None, None, b"fg"]
    assert bytes(sized.data) == b"abcde"
    for size in (1, 2, 3, 100):
        data, chunks, rest = b"5\r\nabcde\r\n3;x\r\nfgh\r\n0\r\nX: y\r\n\r\n", Chunks(), None
        for place in range(0, len(data), size):
            assert rest is None
            rest = chunks.feed(data[place : place + size])
        assert (rest, bytes(chunks.data)) == (b"", b"abcdefgh")


def test_a_body_of_chunks_may_be_as_large_as_one_of_a_length() -> None:
    chunks, piece = Chunks(), b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    for _ in range(MAX_BODY >> 16):
        assert chunks.feed(piece) is None
    with pytest.raises(RequestError, match="too large"):
        chunks.feed(b"1\r\nx\r\n")


def test_small_chunks_are_taken_where_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "FREE_OVERHEAD", 1000)
    chunks = Chunks()
    for _ in range(100):
        chunks.feed(b"1\r\nx\r\n")
    with pytest.raises(RequestError, match="too small"):
        chunks.feed(b"1\r\nx\r\n" * 1000)


def test_bounds_come_from_the_environment_and_nonsense_is_named() -> None:
    assert Bounds.from_env({"SLIPSTREAM_GATEWAY_HEAD_SECONDS": "2.5", "SLIPSTREAM_GATEWAY_CONNECTIONS": "7"}) == Bounds(
        head_seconds=2.5, connections=7
    )
    for text in ("", "0", "-1", "nan", "inf", "ten", "9" * 5000):
        with pytest.raises(SpecError, match="SLIPSTREAM_GATEWAY_CONNECTIONS"):
            Bounds.from_env({"SLIPSTREAM_GATEWAY_CONNECTIONS": text})
        with pytest.raises(SpecError, match="SLIPSTREAM_GATEWAY_IDLE_SECONDS"):
            Bounds.from_env({"SLIPSTREAM_GATEWAY_IDLE_SECONDS": text})
