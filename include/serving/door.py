"""uvicorn's HTTP protocol with two changes, both for what a system call costs: a third of a prediction's time.

A response leaves in one write; uvicorn alone writes the head, then the body. And while the worker is full, a request
for a prediction is refused unparsed: one search, one write.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from include.serving.admission import RETRY_AFTER, Admission

_BODY = b'{"error":"Too many requests are under way in this gateway. Send it again in a second.","allowed":"Retry-After"}'
REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: %d\r\ncontent-length: %d\r\n\r\n%b"
    % (RETRY_AFTER, len(_BODY), _BODY)
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_HEAD, _INTERIM, _END = b"HTTP/1.1 ", b"HTTP/1.1 1", b"\r\n\r\n"  # callers wait for "100 Continue"


class Cork:
    """A transport that holds back a response's head until its first bytes of body, or its end, are there."""

    __slots__ = ("_head", "_transport", "_write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._write, self._head = transport, transport.write, b""

    def write(self, data: bytes) -> None:
        if self._head:
            self._write(self._head + data)
            self._head = b""
        elif (
            data.endswith(_END) and data.startswith(_HEAD) and not data.startswith(_INTERIM)
        ):  # the caller waits for "100 Continue"
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


class Door(HttpToolsProtocol):
    """One connection."""

    admission = Admission()
    _cork: Cork

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = self._cork = Cork(transport)  # type: ignore[assignment]

    def on_response_complete(self) -> None:
        self._cork.flush()  # of a response without a body
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        if self.admission.full and self._refuses(data):
            self.admission.refused()
            self.transport.write(REFUSED)
            return
        super().data_received(data)

    def _refuses(self, data: bytes) -> bool:
        """Whether this is one whole request for a prediction, with nothing before it on its connection."""
        if not data.startswith(b"POST /predict/") or (self.cycle is not None and not self.cycle.response_complete):
            return False
        head = data.find(b"\r\n\r\n")
        found = _LENGTH.search(data, 0, head + 2) if head > 0 else None
        return found is not None and len(data) == head + 4 + int(found.group(1)) and b"onnection: close" not in data[:head]
