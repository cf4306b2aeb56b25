"""The little HTTP that a raw ASGI app needs: a bounded body, a response, and no framework between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from include.serving.http.bounds import MAX_BODY
from include.serving.http.compression import MIN_ANSWER, accepted, coding, compress, decompress
from include.serving.http.request_error import RequestError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = list[tuple[bytes, bytes]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 20.0  # for a body to arrive, under another server than ours
DIGITS = 18  # of a length or a version: no number of them needs more
THREAD_BYTES = 64 << 10  # (de)compressing more than this is a thread's work: the others need not wait for it
JSON = b"application/json"
encode = msgspec.json.Encoder().encode


class Disconnected(Exception):
    """The caller left before its body had arrived."""


class Done(Protocol):
    """Who takes the body of an answer: a future, or what stands in for one."""

    def done(self) -> bool:
        """Whether nobody waits any more."""

    def set_result(self, body: bytes, /) -> None: ...

    def set_exception(self, error: BaseException, /) -> None: ...


@dataclass
class HttpRequest:
    """One HTTP request, its body read."""

    method: str
    path: str
    headers: Headers
    body: bytes = b""
    query: bytes = b""

    def header(self, name: bytes) -> str | None:
        """By lower-case name."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


@dataclass
class Response:
    body: bytes
    status: int = 200
    kind: bytes = JSON
    headers: Headers = field(default_factory=list)
    after: Callable[[], None] | None = None  # called once the response is sent


def answer(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status)


Handler = Callable[..., Awaitable[Response]]  # the call, and the names in its path


def page(made: Callable[[], Response]) -> Handler:
    async def handler(call: HttpRequest) -> Response:
        del call
        return made()

    return handler


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Decompressed. Raises RequestError: 413 beyond MAX_BODY, 408 when it comes too slowly, 415, 400; Disconnected."""
    codings: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and (len(value) > DIGITS or int(value) > MAX_BODY):
            raise _too_large(value if len(value) > DIGITS else int(value))
        if name == b"content-encoding":
            codings.append(value)
    encoding = coding(codings)
    body = await _receive_body(receive)
    if not encoding:
        return body
    if len(body) < THREAD_BYTES:
        return decompress(body, encoding, MAX_BODY)
    return await asyncio.to_thread(decompress, body, encoding, MAX_BODY)


async def _receive_body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body", False):  # nearly always: the whole body in one message
        return _part(message, 0)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            parts = [_part(message, 0)]
            while message.get("more_body", False):
                message = await receive()
                parts.append(_part(message, sum(map(len, parts))))
    except TimeoutError:
        raise RequestError(408, "The body did not arrive in time.", allowed=f"within {BODY_SECONDS:.0f} s") from None
    return b"".join(parts)


def _part(message: MutableMapping[str, Any], before: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    part: bytes = message.get("body", b"")
    if before + len(part) > MAX_BODY:
        raise _too_large(before + len(part))
    return part


def _too_large(size: int | bytes) -> RequestError:
    return RequestError(413, "The body is too large.", field="body", value=size, allowed=f"at most {MAX_BODY} bytes")


async def respond(response: Response, send: Send, asked: Headers) -> None:
    """Send it, as `packed` says."""
    body, headers = await packed(response, asked)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def packed(response: Response, asked: Headers) -> tuple[bytes, Headers]:
    """Body and headers: compressed if the request's headers accept that and it is large enough to gain by it."""
    body, extra = response.body, response.headers
    if len(body) >= MIN_ANSWER:
        encoding = next((accepted(value) for name, value in asked if name == b"accept-encoding"), "")
        extra = [*extra, (b"vary", b"accept-encoding")]
        if encoding:
            extra.append((b"content-encoding", encoding.encode()))
            body = compress(body, encoding) if len(body) < THREAD_BYTES else await asyncio.to_thread(compress, body, encoding)
    return body, [(b"content-type", response.kind), (b"content-length", b"%d" % len(body)), *extra]


def header_lines(headers: Headers) -> bytes:
    """As they are sent."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
