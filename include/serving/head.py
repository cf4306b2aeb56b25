"""The head of a request for a prediction, read once: callers send the same one again and again.

Only what needs nothing else of HTTP is told apart here (a small body of known length, a connection that stays
afterwards); everything else is uvicorn's. The parser is uvicorn's own, so both read a head alike.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httptools

from include.serving.http import Headers

LONGEST, LARGEST_BODY = 4096, 32 << 10  # bytes
KEPT = 1000  # heads
_END = b"\r\n\r\n"
_PATH = re.compile(rb"/predict/([A-Za-z0-9_.-]+)")
_ELSEWHERE = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"connection"))


class Head(NamedTuple):
    """Of `POST /predict/{model}`."""

    model: str
    path: str
    headers: Headers  # names in lower case
    start: int  # of the body, from the request's first byte
    end: int


class Heads:
    """Heads by their bytes; the cache is emptied when callers never repeat one."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head | None] = {}

    def of(self, data: bytes) -> Head | None:
        """The head that these bytes begin with; None where it is not whole, or not told apart here."""
        place = data.find(_END, 0, LONGEST)
        if place < 0:
            return None
        text = data[: place + 4]
        try:
            return self._known[text]
        except KeyError:
            if len(self._known) >= KEPT:
                self._known.clear()
            head = self._known[text] = read_head(text)
            return head


class _Reader:
    def __init__(self) -> None:
        self.url, self.headers, self.complete = b"", Headers(), False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


def read_head(text: bytes) -> Head | None:
    """`text`: from the method to the blank line. None for what is not told apart here."""
    reader = _Reader()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(text)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    path = _PATH.fullmatch(reader.url)
    lengths = [value for name, value in reader.headers if name == b"content-length"]
    plain = reader.complete and parser.get_method() == b"POST" and parser.get_http_version() == "1.1"
    if not plain or path is None or len(lengths) != 1 or not lengths[0].isdigit():
        return None
    size = int(lengths[0])
    if not 0 < size <= LARGEST_BODY or any(
        name in _ELSEWHERE and value.lower() != b"keep-alive" for name, value in reader.headers
    ):
        return None
    return Head(path.group(1).decode(), reader.url.decode(), reader.headers, len(text), len(text) + size)
