"""A response in one write: uvicorn alone writes the head, then the body, and a system call is a third of a prediction."""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD, _INTERIM, _END = b"HTTP/1.1 ", b"HTTP/1.1 1", b"\r\n\r\n"  # callers wait for "100 Continue"


class CorkedTransport:
    """A transport that holds back a response's head until its first bytes of body, or its end, are there."""

    __slots__ = ("_head", "_transport", "_write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._write, self._head = transport, transport.write, b""

    def write(self, data: bytes) -> None:
        if self._head:
            self._write(self._head + data)
            self._head = b""
        elif data.endswith(_END) and data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._head = data
        else:
            self._write(data)

    def flush(self) -> None:
        if self._head:
            self._write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
