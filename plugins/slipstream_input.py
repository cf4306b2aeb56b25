"""What no route of the Models page could read is refused before one sees it: a 4xx with a reason, never a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 << 10  # bytes: reasons are 500 characters
MAX_QUERY = 2048
MAX_PATH = 1024
VERSIONS = 2**31 - 1  # the largest number that the control store's column takes
_NOT_IN_PATH = re.compile("[\x00-\x1f\x7f\\\\\ufffd\ud800-\udfff]")
_DOTS = re.compile(r"/\.{1,2}(?:/|\Z)")
_NOT_IN_QUERY = re.compile(rb"[^\x21-\x7e]|%(?![0-9A-Fa-f]{2})|%[01][0-9A-Fa-f]|%7[fF]")
_NOT_IN_TEXT = re.compile("[\x00\ud800-\udfff]")  # no store keeps these


class Unreadable(Exception):
    """Of a request: its status, and why."""

    def __init__(self, status: int, what: str, allowed: str) -> None:
        super().__init__(what)
        self.status, self.what, self.allowed = status, what, allowed


class Guard:
    """ASGI middleware around the page's routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            check_target(scope["path"], scope.get("query_string", b""))
            if scope["method"] not in ("GET", "HEAD"):
                receive = _again(await _read(scope, receive))
        except Unreadable as error:
            await error_response(error.status, error.what, error.allowed)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def error_response(status: int, what: str, allowed: str, seen: str | None = None) -> JSONResponse:
    return JSONResponse({"error": what, "seen": seen, "safe": "nothing was changed.", "next": f"send {allowed}."}, status)


async def explain_input(request: Request, error: Exception) -> JSONResponse:
    """Of a body or a parameter of the wrong form: where, and what is allowed there. Never what was sent: it may be anything."""
    del request
    assert isinstance(error, RequestValidationError)
    each = [f"{_place(found['loc'])}: {found['msg']}" for found in error.errors()[:5]]
    return error_response(422, "The request has not the form of this route.", "what this route takes", "; ".join(each)[:1000])


def check_target(path: str, query: bytes) -> None:
    """Raises Unreadable."""
    if len(path) > MAX_PATH or len(query) > MAX_QUERY:
        raise Unreadable(414, "The address is too long.", f"at most {MAX_PATH} characters, and {MAX_QUERY} of a query")
    if _NOT_IN_PATH.search(path) or _NOT_IN_QUERY.search(query):
        raise Unreadable(400, "The address cannot be read.", "UTF-8 without control characters")
    if _DOTS.search(path):
        raise Unreadable(404, "There is nothing at this address.", "a path without . and .. between slashes")


def check_body(body: bytes) -> None:
    """Raises Unreadable for what is no JSON, or holds what no store keeps."""
    try:
        strings = _strings(json.loads(body.decode() or "null"))
    except (ValueError, RecursionError) as error:  # also of bytes that are no UTF-8, and of integers of thousands of digits
        raise Unreadable(400, "The body is no JSON that can be read.", "a JSON object in UTF-8") from error
    if any(_NOT_IN_TEXT.search(text) for text in strings):
        raise Unreadable(400, "The body holds text that is none.", "text without NUL and without halves of a surrogate")


def _strings(value: Any) -> list[str]:
    found, rest = [], [value]
    while rest:
        each = rest.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, list):
            rest.extend(each)
        elif isinstance(each, dict):
            rest.extend((*each, *each.values()))
    return found


async def _read(scope: Scope, receive: Receive) -> bytes:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    if any(not re.fullmatch(rb"[0-9]{1,18}", value) or int(value) > MAX_BODY for value in lengths):
        raise _too_large()
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise _too_large()
    check_body(body)
    return body


def _again(body: bytes) -> Receive:
    """The body once more, for the route."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _too_large() -> Unreadable:
    return Unreadable(413, "The body is too large.", f"at most {MAX_BODY} bytes")


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part)[:50] for part in location)
