"""Compressed bodies: what is read, what is refused, and how large a small body may grow."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from include.serving.http.compression import FREE_BYTES, MAX_RATIO, accepted, compress, decompress
from include.serving.http.request_error import RequestError

LIMIT = 8 << 20
TEXT = b'{"inputs": [1, 2, 3]}' * 50


def gzipped(data: bytes) -> bytes:
    """The same bytes in every process: the date in the header would give the cases another name in each."""
    return gzip.compress(data, mtime=0)


def bare(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzipped(TEXT)),
        ("x-gzip", gzipped(TEXT)),
        ("GZIP", gzipped(TEXT[:100]) + gzipped(TEXT[100:])),  # two members are one stream
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
        ("identity", TEXT),
    ],
)
def test_what_clients_send_is_read(encoding: str, body: bytes) -> None:
    assert decompress(body, encoding, LIMIT) == TEXT


@pytest.mark.parametrize(
    ("status", "encoding", "body"),
    [
        (415, "br", TEXT),
        (415, "gzip, gzip", gzipped(gzipped(TEXT))),
        (400, "gzip", TEXT),
        (400, "gzip", gzipped(TEXT)[:-1]),
        (400, "gzip", gzipped(TEXT) + b"more"),
        (400, "deflate", zlib.compress(TEXT)[:-4]),
        (400, "deflate", zlib.compress(TEXT) + b"more"),
        (400, "deflate", b"\xff\xff\xff"),
        (413, "gzip", gzipped(bytes(LIMIT + 1))),
        (413, "deflate", zlib.compress(bytes(LIMIT + 1))),
        (413, "gzip", gzipped(bytes(LIMIT // 2)) * 3),
    ],
)
def test_what_cannot_be_read_is_refused(status: int, encoding: str, body: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        decompress(body, encoding, LIMIT)
    assert refused.value.status == status
    assert refused.value.body["allowed"]


def test_a_bomb_is_refused_before_it_grows() -> None:
    bomb = gzipped(bytes(200 << 20))
    tracemalloc.start()
    with pytest.raises(RequestError, match="too large"):
        decompress(bomb, "gzip", LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * LIMIT


def test_a_small_body_may_not_grow_to_the_limit() -> None:
    honest = gzipped(bytes(FREE_BYTES))
    assert len(decompress(honest, "gzip", LIMIT)) == FREE_BYTES
    greedy = gzipped(bytes(2 * FREE_BYTES))
    assert len(greedy) * MAX_RATIO < 2 * FREE_BYTES
    with pytest.raises(RequestError, match="too large"):
        decompress(greedy, "gzip", LIMIT)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (b"gzip, deflate, br", "gzip"),
        (b"deflate", "deflate"),
        (b"gzip;q=0.5, deflate;q=0.9", "deflate"),
        (b"gzip;q=0", ""),
        (b"br", ""),
        (b"", ""),
        (b"*", "gzip"),
        (b"*;q=0.3, gzip;q=0", "deflate"),
        (b"gzip;q=high", ""),
    ],
)
def test_the_answers_encoding_is_one_that_the_caller_accepts(header: bytes, encoding: str) -> None:
    assert accepted(header) == encoding


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_answers_come_back(encoding: str) -> None:
    assert decompress(compress(TEXT, encoding), encoding, LIMIT) == TEXT
