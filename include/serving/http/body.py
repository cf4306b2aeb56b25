"""A body as it comes, of a known length or in chunks: bounded, collected once, and nothing read past its end."""

from __future__ import annotations

import re
from typing import Protocol

from include.serving.http.bounds import FREE_OVERHEAD, MAX_BODY, MAX_CHUNK_LINE, MAX_TRAILERS
from include.serving.http.request_error import RequestError
from include.serving.http.request_head import read_field

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")


class Body(Protocol):
    data: bytearray

    def feed(self, data: bytes) -> bytes | None:
        """What follows the body, once it is whole; None before. Raises RequestError."""


class Sized:
    """Of a known length."""

    def __init__(self, length: int) -> None:
        self.data, self._length = bytearray(), length

    def feed(self, data: bytes) -> bytes | None:
        missing = self._length - len(self.data)
        if len(data) < missing:
            self.data += data
            return None
        self.data += data[:missing]
        return data[missing:]


class Chunks:
    """`Transfer-Encoding: chunked`. Extensions and trailers are read over, within their bounds."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._kept = b""  # of a line that is not whole
        self._missing = 0  # bytes of the chunk that is coming
        self._after_chunk = False  # its CR LF is to come
        self._last = False  # the chunk of size 0 was there: trailers follow
        self._overhead = self._trailers = 0

    def feed(self, data: bytes) -> bytes | None:
        data, at = self._kept + data, 0
        self._kept = b""
        while True:
            if self._missing:
                part = data[at : at + self._missing]
                self.data += part
                at += len(part)
                self._missing -= len(part)
                if self._missing:
                    return None
            end = self._line_end(data, at)
            if end < 0:
                self._kept = data[at:]
                return None
            line, at = data[at:end], end + 2
            if self._took(line):
                return data[at:]

    def _line_end(self, data: bytes, at: int) -> int:
        """Where the line's CR LF is; -1 where it has not come. Raises RequestError."""
        most = MAX_TRAILERS if self._last else MAX_CHUNK_LINE
        end = data.find(b"\r\n", at, at + most)
        if end < 0 and (len(data) - at >= most or b"\n" in data[at:]):
            raise _unreadable(data[at : at + most])
        return end

    def _took(self, line: bytes) -> bool:
        """Whether the line ends the body."""
        if self._last:
            if line:
                read_field(line)
                self._trailers += len(line)
                if self._trailers > MAX_TRAILERS:
                    raise RequestError(431, "The trailers are too large.", field="body", allowed=f"at most {MAX_TRAILERS} bytes")
            return not line
        if self._after_chunk:
            if line:
                raise _unreadable(line)
            self._after_chunk = False
            return False
        self._begin(line)
        return False

    def _begin(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise _unreadable(line)
        self._missing = int(size.group(1), 16)
        self._last, self._after_chunk = self._missing == 0, self._missing > 0
        self._overhead += len(line) + 4
        total = len(self.data) + self._missing
        if total > MAX_BODY:
            raise RequestError(413, "The body is too large.", field="body", value=total, allowed=f"at most {MAX_BODY} bytes")
        if self._overhead > FREE_OVERHEAD + len(self.data):
            allowed = "no more bytes around the chunks than in them"
            raise RequestError(400, "The chunks are too small.", field="body", value=self._overhead, allowed=allowed)


def _unreadable(line: bytes) -> RequestError:
    return RequestError(
        400, "The body's chunks cannot be read.", field="body", value=line, allowed="a size in hex, CR LF, its bytes"
    )
