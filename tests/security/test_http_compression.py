"""Bombs and mazes: what a compressed body grows to is bounded, and so is the work of reading it."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest

from include.serving.http import compression
from include.serving.http.compression import FREE_BYTES, MAX_MEMBERS, WINDOW, coding, decompress
from include.serving.http.request_error import RequestError
from tests.security.site import WAYS, Site

LIMIT, WHOLE = 8 << 20, gzip.compress(b"abc")


def status(body: bytes, encoding: str) -> int:
    with pytest.raises(RequestError) as refused:
        decompress(body, encoding, LIMIT)
    return refused.value.status


def test_every_member_is_read() -> None:
    parts = [b"a" * 100, b"", bytes(range(256)) * 1000, b"z"]
    assert decompress(b"".join(map(gzip.compress, parts)), "gzip", LIMIT) == b"".join(parts)
    assert decompress(gzip.compress(b"x") * MAX_MEMBERS, "gzip", LIMIT) == b"x" * MAX_MEMBERS


def test_members_without_end_are_refused() -> None:
    assert status(gzip.compress(b"") * 90_000, "gzip") == 413
    assert status(gzip.compress(b"x") * (MAX_MEMBERS + 1), "gzip") == 413


class Counting:
    """zlib's reader, counting what it is given and what it hands back."""

    handled = 0

    def __init__(self, wbits: int) -> None:
        self._stream: Any = zlib._decompressobj(wbits)  # type: ignore[attr-defined]

    def decompress(self, data: bytes, most: int) -> bytes:
        done: bytes = self._stream.decompress(data, most)
        Counting.handled += len(data) + len(self._stream.unused_data) + len(self._stream.unconsumed_tail)
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize("size", [1000, 40_000])
def test_the_bytes_that_are_handled_grow_with_the_body_alone(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Twice the members are twice the work: what follows a member is not copied whole for each."""
    monkeypatch.setattr(zlib, "_decompressobj", zlib.decompressobj, raising=False)
    monkeypatch.setattr(compression.zlib, "decompressobj", Counting)
    member = gzip.compress(bytes(size // 2) + bytes(range(250)) * 2, 0)
    for members in (50, 100, 200):
        Counting.handled = 0
        decompress(member * members, "gzip", 64 << 20)
        assert Counting.handled <= members * (len(member) + 2 * WINDOW)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(bytes(64 << 20)), "gzip"),
        (zlib.compress(bytes(64 << 20)), "deflate"),
        (zlib.compress(bytes(64 << 20))[2:-4], "deflate"),
        (gzip.compress(bytes(FREE_BYTES)) + gzip.compress(bytes(FREE_BYTES)) * 20, "gzip"),
    ],
    ids=["gzip", "zlib", "bare deflate", "members"],
)
def test_a_bomb_is_refused_before_it_grows(body: bytes, encoding: str) -> None:
    assert status(body, encoding) == 413


def test_one_layer_is_taken_off_and_no_more() -> None:
    inner = gzip.compress(bytes(64 << 20))
    assert decompress(gzip.compress(inner), "gzip", LIMIT) == inner


@pytest.mark.parametrize(
    "body",
    [
        b"\x1f",
        b"\x1f\x8b\x08",
        gzip.compress(b"abc", mtime=0)[:-1],
        gzip.compress(b"abc", mtime=0) + b"\x00",
        gzip.compress(b"a", mtime=0) + b"\x1f\x8b",
        b"no",
    ],
)
def test_a_broken_stream_is_reported(body: bytes) -> None:
    assert status(body, "gzip") == 400


@pytest.mark.parametrize(
    "value", [b"br", b"zstd", b"compress", b"gzip, deflate", b"gzip;q=1", b"keep-alive", b"chunked", b"\xff"]
)
def test_any_other_coding_is_unknown(value: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        coding([value])
    assert refused.value.status == 415


@pytest.mark.parametrize("way", WAYS)
def test_every_way_reads_and_refuses_alike(way: str) -> None:
    def request(encoding: bytes, body: bytes) -> bytes:
        head = b"POST /predict/toy HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        return head % (encoding, len(body)) + body

    full = way == "full"
    with Site(way).running() as site:
        for encoding, body, wanted in (
            (b"gzip", gzip.compress(b"{}"), 200),
            (b"deflate", zlib.compress(b"{}"), 200),
            (b"gzip", gzip.compress(b"") * 90_000, 413),
            (b"gzip", gzip.compress(bytes(64 << 20)), 413),
            (b"gzip", b"no", 400),
        ):
            assert [answer.status for answer in site.exchange(request(encoding, body))] == [429 if full else wanted]
        assert [answer.status for answer in site.exchange(request(b"zstd", b"x"))] == [415]
        assert {body for _, _, body in site.asked} == (set() if full else {b"{}"})
