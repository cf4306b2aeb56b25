"""Compressed bodies, gzip and deflate, in both directions. What a body may grow to is bounded before it grows.

`deflate` is the zlib format (RFC 9110, 8.4.1.2), as the Open Inference clients send it; the bare stream that some
others mean by it is read too.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from include.serving.http.request_error import RequestError

FREE_BYTES = 1 << 20  # a body may grow to this whatever its ratio: a tensor of zeros is an honest request
MAX_RATIO = 100  # beyond that size
MIN_ANSWER = 1024  # bytes: a smaller answer is one packet either way
ENCODINGS = ("gzip", "deflate")
MAX_MEMBERS = 1000  # of one gzip stream: each costs as much as a small body, whatever is in it
WINDOW = 64 << 10  # bytes that zlib is given at once: what follows a member is copied once a member, and no more than this
_GZIP, _ZLIB, _BARE = 31, 15, -15  # zlib's names for the three containers (wbits)
_CODINGS = {b"": "", b"identity": "", b"gzip": "gzip", b"x-gzip": "gzip", b"deflate": "deflate", b"x-deflate": "deflate"}


def coding(values: Sequence[bytes]) -> str:
    """Of the values of Content-Encoding: "gzip", "deflate", or "" for none. Raises RequestError (415) for any other."""
    kind = _CODINGS.get(values[0].strip().lower()) if len(values) == 1 else None
    if not values:
        return ""
    if kind is None:
        shown = ", ".join(value.decode("latin-1") for value in values)
        raise RequestError(
            415, "This content encoding is not read here.", field="Content-Encoding", value=shown, allowed=[*ENCODINGS]
        )
    return kind


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before. Raises RequestError: 415 for another encoding, 413 for a bomb, 400 for a broken stream."""
    kind = coding([encoding.encode()])
    if not kind:
        return body
    most = min(limit, max(FREE_BYTES, MAX_RATIO * len(body)))
    try:
        return _inflate(body, _GZIP if kind == "gzip" else _container(body), most)
    except zlib.error as error:
        raise RequestError(
            400, f"The body cannot be decompressed: {error}.", field="Content-Encoding", value=encoding, allowed="a whole stream"
        ) from None


def _container(body: bytes) -> int:
    """zlib, or a bare deflate stream: zlib's two first bytes are a multiple of 31 and say method 8."""
    is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
    return _ZLIB if is_zlib else _BARE


def _inflate(body: bytes, wbits: int, most: int) -> bytes:
    """Every member of the stream (gzip may have several). It stops one byte after `most`. Raises RequestError, zlib.error."""
    parts: list[bytes] = []
    size = at = members = 0
    while at < len(body):
        members += 1
        if members > MAX_MEMBERS:
            raise RequestError(413, "The body has too many members.", field="body", allowed=f"at most {MAX_MEMBERS}")
        stream = zlib.decompressobj(wbits)
        while not stream.eof and at < len(body):
            window = body[at : at + WINDOW]
            part = stream.decompress(window, most + 1 - size)
            size += len(part)
            if size > most:
                seen = f"more than {most} bytes from {len(body)}"
                what = "The body is too large once decompressed."
                raise RequestError(413, what, field="body", value=seen, allowed=f"at most {most} bytes")
            parts.append(part)
            at += len(window) - len(stream.unused_data)
        if not stream.eof:
            raise zlib.error("it ends before its end mark")
        if at < len(body) and wbits != _GZIP:
            raise zlib.error(f"{len(body) - at} bytes follow its end mark")
    return b"".join(parts)


def accepted(header: bytes) -> str:
    """Of an Accept-Encoding header, the encoding to answer in; empty for none."""
    weights: dict[str, float] = {}
    for part in header.decode("latin-1").lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip().removeprefix("x-")] = _weight(parameter)
    best = max(ENCODINGS, key=lambda name: weights.get(name, weights.get("*", 0.0)))
    return best if weights.get(best, weights.get("*", 0.0)) > 0 else ""


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0


def compress(body: bytes, encoding: str) -> bytes:
    """Level 1: an answer waits for this, and on JSON the next levels gain little."""
    stream = zlib.compressobj(1, zlib.DEFLATED, _GZIP if encoding == "gzip" else _ZLIB)
    return stream.compress(body) + stream.flush()
