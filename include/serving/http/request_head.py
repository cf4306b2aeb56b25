"""The head of a request, read strictly and once: what could be read in two ways is refused, and callers repeat their heads.

There is no other reader of a connection under uvicorn, so nothing can disagree with this one about where a request
ends. The rules are those of RFC 9112, without any of the leniencies it allows; docs/gateway-protocol.md lists them.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from include.serving.http.asgi import DIGITS, Headers
from include.serving.http.bounds import MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_TARGET
from include.serving.http.compression import coding
from include.serving.http.request_error import RequestError

LARGEST_DIRECT = 32 << 10  # bytes of a body that is answered without ASGI
KEPT, KEPT_BYTES = 1000, 4096  # heads that are remembered, and the longest of them
MAX_LINE = MAX_TARGET + 64  # bytes of the request line
CHUNKED = -1  # in place of a length
_END = b"\r\n\r\n"
_REQUEST = re.compile(rb"([A-Z]{1,32}) ([\x21-\x7e]+) HTTP/1\.([01])")
_BEGINS = re.compile(rb"[A-Z]{1,32}(?: |\Z)")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_HOST = re.compile(rb"[A-Za-z0-9._~-]*(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(/.*)?", re.IGNORECASE)
_PREDICT = re.compile(r"/predict/([A-Za-z0-9_.-]+)")
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%2[fF]|%5[cC]")  # an escaped separator is one here and none elsewhere
_NOT_IN_PATH = re.compile("[\x00-\x1f\x7f\\\\\ufffd\ud800-\udfff]|/\\.{1,2}(?:/|\\Z)")
_SINGLE = (b"host", b"authorization", b"expect", b"content-type", b"inference-header-content-length")


class Head(NamedTuple):
    """Of one request."""

    method: str
    path: str  # decoded
    query: bytes
    headers: Headers  # names in lower case
    version: str  # of HTTP: "1.1" or "1.0"
    start: int  # of the body, from the request's first byte
    length: int  # of the body, or CHUNKED
    end: int  # of the request; -1 in chunks
    keep: bool  # whether the connection stays after the answer
    expects: bool  # "100 Continue" before it sends the body
    model: str  # of `POST /predict/{model}`, else ""
    direct: bool  # a prediction that needs nothing else of HTTP: small, of known length, not compressed


class Heads:
    """Heads by their bytes; the cache is emptied when callers never repeat one."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head | RequestError] = {}

    def of(self, data: bytes) -> Head | RequestError | None:
        """The head that these bytes begin with, or why there is none; None where it is not whole."""
        place = data.find(_END, 0, MAX_HEAD)
        if place < 0:
            return None
        text = data[: place + 4]
        try:
            return self._known[text]
        except KeyError:
            return self._read(text)

    def _read(self, text: bytes) -> Head | RequestError:
        found: Head | RequestError
        try:
            found = read_head(text)
        except RequestError as refusal:
            found = refusal.with_traceback(None)
        if len(text) <= KEPT_BYTES:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[text] = found
        return found


def read_head(text: bytes) -> Head:
    """`text`: from the method to the blank line. Raises RequestError."""
    if (wrong := _ill_begun(text)) is not None:  # whether its end had come when it was looked at must not change the verdict
        raise wrong
    lines = text[:-4].split(b"\r\n")
    request = _REQUEST.fullmatch(lines[0])
    if request is None:
        raise RequestError(400, "The request line cannot be read.", field="head", value=lines[0], allowed="METHOD /path HTTP/1.1")
    if len(lines) > MAX_HEADERS + 1:
        raise RequestError(431, "The request has too many headers.", field="head", value=len(lines) - 1, allowed=MAX_HEADERS)
    headers = [read_field(line) for line in lines[1:]]
    fields = _by_name(headers)
    method, minor = request.group(1).decode(), int(request.group(3))
    path, query = _target(method, request.group(2), _host(fields, minor))
    length = _length(fields, minor)
    compressed = coding(fields.get(b"content-encoding", [])) != ""
    model = _PREDICT.fullmatch(path) if method == "POST" else None
    return Head(
        method=method, path=path, query=query, headers=headers, version=f"1.{minor}", start=len(text), length=length,
        end=len(text) + length if length >= 0 else CHUNKED,
        keep=minor == 1 and not _closes(fields), expects=_expects(fields) and minor == 1,
        model=model.group(1) if model else "",
        direct=model is not None and b"async" not in query and not compressed and minor == 1 and 0 < length <= LARGEST_DIRECT,
    )  # fmt: skip


def unfinished(data: bytes, known: int = 0) -> RequestError | None:
    """What is wrong with a head already before its end has come. `known`: bytes that were looked at before.

    Whoever sends a head byte by byte has each looked at once.
    """
    if (wrong := _ill_begun(data, known)) is not None:
        return wrong
    if len(data) >= MAX_HEAD:
        return RequestError(431, "The head is too large.", field="head", value=len(data), allowed=f"{MAX_HEAD} bytes")
    return None


def _ill_begun(data: bytes, known: int = 0) -> RequestError | None:
    """What no later byte can mend: of a head that has ended as of one that has not."""
    if len(data) > MAX_LINE + 2 and b"\r\n" not in data[: MAX_LINE + 2]:
        return _too_long(data)
    if not _BEGINS.match(data) or _BARE.search(data, max(0, known - 1)):
        return RequestError(
            400, "This is not a request of HTTP/1.1.", field="head", value=data, allowed="lines that end with CR LF"
        )
    return None


def read_field(line: bytes) -> tuple[bytes, bytes]:
    """A header or a trailer: its name in lower case, and its value. Raises RequestError."""
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name) or _NOT_IN_VALUE.search(value):
        raise RequestError(400, "A header cannot be read.", field="head", value=line, allowed="Name: value, on one line")
    return name.lower(), value.strip(b" \t")


def check_path(path: str) -> str:
    """The path, decoded. Raises RequestError for one that means something else to somebody."""
    if _NOT_IN_PATH.search(path):
        allowed = "no control characters, no backslash, no . or .. between slashes, UTF-8"
        raise RequestError(400, "The path cannot be read.", field="path", value=ascii(path), allowed=allowed)
    return path


def _by_name(headers: Headers) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        fields.setdefault(name, []).append(value)
    for name in _SINGLE:
        if len(fields.get(name, ())) > 1:
            shown = name.decode().title()
            raise RequestError(
                400, f"{shown} stands there more than once.", field=shown, value=repr(fields[name]), allowed="once"
            )
    return fields


def _host(fields: dict[bytes, list[bytes]], minor: int) -> bytes:
    values = fields.get(b"host", [b""] if minor == 0 else [])
    if not values or not _HOST.fullmatch(values[0]):
        seen = values[0] if values else None
        raise RequestError(400, "The Host header cannot be read.", field="Host", value=seen, allowed="Host: name[:port]")
    return values[0]


def _target(method: str, target: bytes, host: bytes) -> tuple[str, bytes]:
    """Path and query. Raises RequestError."""
    if len(target) > MAX_TARGET:
        raise _too_long(target)
    if method == "CONNECT":
        raise RequestError(405, "This is no proxy.", field="method", value=method, allowed="GET, HEAD, POST")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None and absolute.group(1).lower() == host.lower():
        target = absolute.group(2) or b"/"
    if not target.startswith(b"/") or b"#" in target:
        allowed = "/path, or http://HOST/path with the host of the Host header"
        raise RequestError(400, "The request's target is no path here.", field="path", value=target, allowed=allowed)
    path, _, query = target.partition(b"?")
    if b"%" in path:
        if _NO_ESCAPE.search(path):
            raise RequestError(400, "The path cannot be read.", field="path", value=path, allowed="%XX; neither %2F nor %5C")
        path = unquote_to_bytes(path)
    try:
        return check_path(path.decode()), query
    except UnicodeDecodeError:
        raise RequestError(400, "The path is no UTF-8.", field="path", value=path, allowed="UTF-8") from None


def _length(fields: dict[bytes, list[bytes]], minor: int) -> int:
    """Of the body. Raises RequestError where anybody could read another one."""
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if codings:
        if lengths or minor == 0 or [each.lower() for each in codings] != [b"chunked"]:
            allowed = "Transfer-Encoding: chunked, without a Content-Length; or a Content-Length"
            raise RequestError(
                400, "The body has no certain end.", field="Transfer-Encoding", value=repr(codings + lengths), allowed=allowed
            )
        return CHUNKED
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]+", lengths[0]):
        raise RequestError(400, "Not a length.", field="Content-Length", value=repr(lengths), allowed="digits, once")
    if len(lengths[0]) > DIGITS or int(lengths[0]) > MAX_BODY:
        size = int(lengths[0]) if len(lengths[0]) <= DIGITS else lengths[0]
        raise RequestError(413, "The body is too large.", field="body", value=size, allowed=f"at most {MAX_BODY} bytes")
    return int(lengths[0])


def _too_long(seen: bytes) -> RequestError:
    return RequestError(414, "The path is too long.", field="path", value=seen, allowed=f"at most {MAX_TARGET} bytes")


def _closes(fields: dict[bytes, list[bytes]]) -> bool:
    return any(word.strip().lower() == b"close" for value in fields.get(b"connection", ()) for word in value.split(b","))


def _expects(fields: dict[bytes, list[bytes]]) -> bool:
    values = fields.get(b"expect", [])
    if values and values[0].lower() != b"100-continue":
        raise RequestError(417, "This cannot be expected here.", field="Expect", value=values[0], allowed="100-continue")
    return bool(values)
