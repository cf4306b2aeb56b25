"""The console's frame: its pages, its own files, and how an answer says of which release it is.

Every file is served below a digest of all of them, and may be kept for ever: a page and its modules are always of one release.
A page that was left open over an upgrade learns it from the header of the next answer, and an act that it sends is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from include.core.digest import digest_bytes, digest_json
from include.core.html import THEMED
from plugins.slipstream_access import any_access
from plugins.slipstream_ahead import AHEAD

FOLDER = Path(__file__).with_name("console")
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
SHELL = "index.html"  # every page's document; what it shows is the module of the page's name
VERSION = "X-Slipstream-Console"  # of every answer, and of every act that the page sends
# No script but the console's files; no text becomes HTML but by lit-html's own templates; no style but of its files.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types lit-html"
)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
FOREVER = "private, max-age=31536000, immutable"

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]


@cache
def files() -> Mapping[str, bytes]:
    """What a browser may ask for, by path: the folder's scripts and styles, and the look that all pages of ours share."""
    found = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*") if path.suffix in TYPES}
    return MappingProxyType({**found, "look.css": THEMED.encode()})


@cache
def version() -> str:
    """The digest of the console's files, its document among them: another release is another console."""
    served = {SHELL: (FOLDER / SHELL).read_bytes(), **files()}
    return digest_json({path: digest_bytes(data) for path, data in served.items()})[:16]


@cache
def page_names() -> frozenset[str]:
    """Pages are modules of the folder `pages`."""
    names = (path.removeprefix("pages/").removesuffix(".js") for path in files() if path.startswith("pages/"))
    return frozenset(name for name in names if "/" not in name)


@router.get("/")
def front_page(user: User) -> HTMLResponse:
    del user
    return _shell()


@router.get("/{page}")
def page(page: str, user: User) -> HTMLResponse:
    """One of the console's pages, all of which lie in one folder: their links are the same wherever Airflow is mounted."""
    del user
    if page not in page_names():
        raise HTTPException(404, f"The console has no page of that name: it has {', '.join(sorted(page_names()))}.")
    return _shell()


@router.get("/console/{of}/{path:path}")
def file(of: str, path: str, user: User) -> Response:
    """A file of the console. Raises 404 for one of another release: half of one and half of another must never run."""
    del user
    if of != version() or path not in files():
        raise HTTPException(404, "There is no such file of this release's console.")
    headers = {**SAFE, "Cache-Control": FOREVER, "Cross-Origin-Resource-Policy": "same-origin"}
    return Response(files()[path], media_type=TYPES[Path(path).suffix], headers=headers)


def _shell() -> HTMLResponse:
    AHEAD.begin()  # while the browser fetches the page's modules
    text = (FOLDER / SHELL).read_text().replace("@VERSION@", version())
    return HTMLResponse(text, headers={**SAFE, "Content-Security-Policy": POLICY, "Cache-Control": "no-store"})


class Versioned:
    """ASGI middleware: the release in every answer, a digest of JSON that was only read, and no act of an earlier console."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        answer = _Answer(send, request.headers.get("if-none-match", ""), read=scope["method"] == "GET")
        if request.method != "GET" and request.headers.get(VERSION, version()) != version():
            await _outdated()(scope, receive, answer.send)
        else:
            await self._app(scope, receive, answer.send)


class _Answer:
    """Passes an answer on; one of JSON is held until it is whole, and is left out where the page has the same."""

    def __init__(self, send: Send, known: str, *, read: bool) -> None:
        self._send, self._known, self._read = send, known, read
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end(self._start)

    async def _begin(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers[VERSION] = version()
        if self._read and message["status"] == 200 and headers.get("content-type", "").startswith("application/json"):
            self._start = message
        else:
            await self._send(message)

    async def _end(self, start: Message) -> None:
        headers = MutableHeaders(scope=start)
        tag = f'W/"{digest_bytes(self._body)[:32]}"'  # weak: who compresses on the way may change its bytes
        headers["ETag"], headers["Cache-Control"] = tag, "private, no-cache"
        body = self._body
        if tag in self._known:
            start["status"], body = 304, b""
            del headers["content-length"], headers["content-type"]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _outdated() -> JSONResponse:
    told = {
        "error": "Slipstream was upgraded since this page was opened.",
        "seen": None,
        "safe": "nothing was changed.",
        "next": "reload the page, look again at what it shows, and act then.",
    }
    return JSONResponse(told, 409)
