"""As much of HTTP/1.1 as a call of inference needs, on an event loop, for a tenth of the processor time of a general client.

Connections are kept, so many at most; one that was not answered on to its end is closed. There are no redirects, no cookies, no
codings of the content, and no proxies. The caller bounds the time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 8  # to a server, by each process
HEAD = 64 << 10  # bytes of a head, and of a line between chunks
LARGEST = 64 << 20  # bytes of an answer that are read
HEADER = "inference-header-content-length"
BROKEN = (OSError, EOFError, ValueError, asyncio.LimitOverrunError)
"""What a server that is gone, or speaks something else, ends in."""

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Reply(NamedTuple):
    status: int
    body: bytes
    header: str | None  # Inference-Header-Content-Length


class TooLarge(Exception):
    """The answer goes on beyond LARGEST."""


class Wire:
    """Of one event loop. `headers`: of every request; `secure`: None for plain HTTP."""

    def __init__(self, url: str, headers: Mapping[str, str], secure: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host, self._secure = parts.hostname or "", secure
        self._port = parts.port or (443 if secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._head = _lines({"Host": parts.netloc, **headers})
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[Pair] = []

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Raises one of BROKEN, or TooLarge."""
        own = _lines({**headers, "Content-Length": str(len(body))})
        message = f"POST {self._prefix}{path} HTTP/1.1\r\n{self._head}{own}\r\n".encode("latin-1") + body
        async with self._slots:
            if (kept := self._kept()) is not None:
                try:
                    return await self._ask(kept, message)
                except (OSError, EOFError):
                    pass  # the server closed it meanwhile: to ask once more changes nothing there
            fresh = await asyncio.open_connection(self._host, self._port, ssl=self._secure, limit=HEAD)
            return await self._ask(fresh, message)

    def _kept(self) -> Pair | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    async def _ask(self, pair: Pair, message: bytes) -> Reply:
        reader, writer = pair
        whole = False
        try:
            writer.write(message)
            status, headers = await _head(reader)
            while status < 200:  # to be continued
                status, headers = await _head(reader)
            body, whole = await _body(reader, status, headers)
            whole = whole and "close" not in headers.get("connection", "").lower()
            return Reply(status, body, headers.get(HEADER))
        finally:
            if whole:
                self._idle.append(pair)
            else:
                writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdecimal():
        raise ValueError("no HTTP/1.1")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return int(rest[:3]), headers


async def _body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
    """The bytes, and whether the connection may be used again."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise ValueError("a coding that was not asked for")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise ValueError("a transfer that was not asked for")
        return await _chunks(reader), True
    if status in (204, 304):
        return b"", True
    if "content-length" in headers:
        return await reader.readexactly(_bounded(int(headers["content-length"]))), True
    read = bytearray()
    while part := await reader.read(HEAD):
        read += part
        _bounded(len(read))
    return bytes(read), False


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    read = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        _bounded(len(read) + size)
        read += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass  # a trailer
    return bytes(read)


def _bounded(size: int) -> int:
    if size < 0:
        raise ValueError("a negative length")
    if size > LARGEST:
        raise TooLarge
    return size


def _lines(headers: Mapping[str, str]) -> str:
    """Raises ValueError for a value that would begin a line of its own."""
    for name, value in headers.items():
        if not value.isprintable():
            raise ValueError(f"{name} holds a line's end")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
