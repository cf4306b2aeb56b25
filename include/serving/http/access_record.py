"""The access record: who asked for what and what became of it, one JSON line a request. Off unless SLIPSTREAM_ACCESS_LOG is set.

    {"at": "...", "who": "web", "right": "predict", "model": "delay", "route": "POST /predict/{model}", "status": 200}

`who` is a token's name, empty for a request without a good one. Never a body, a token, a query, or a path as it was sent. Where
it is off nothing of it is on a request's way: it is another class of connections (`RecordedProtocol`) and a wrapper of the app.

Each process writes a file of its own in the folder, and keeps so many full ones: what they take is bounded. A line is the
kernel's before the answer is sent, so kill -9 loses none.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from include.core.environment import ACCESS_LOG
from include.core.errors import SpecError, one_line
from include.core.private_files import private_folder
from include.core.time import precise
from include.serving.http.access import Access
from include.serving.http.asgi import Headers, Receive, Response, Scope, Send
from include.serving.http.gateway_protocol import GatewayProtocol, Reply
from include.serving.http.request_error import RequestError
from include.serving.http.request_head import Head, check_path
from include.serving.http.routes import find

log = logging.getLogger(__name__)
FILE_BYTES = 16 << 20
FULL_FILES = 4  # that are kept of each process, beside the one it writes
PROCESSES = 1000  # that may write to one folder
LEFT = 499  # the status of a request whose caller was gone before its answer
TELL_SECONDS = 60.0  # between two words about lines that could not be written
KNOWN = 1000  # paths that are remembered
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Note = Callable[[str, str, Headers, int], None]  # method, path, headers, status


class Line(msgspec.Struct):
    at: str
    who: str
    right: str
    model: str
    route: str
    status: int


class RotatedFile:
    """Lines in `access-N.jsonl`; full files are `access-N.jsonl.1` (the newest) and so on. N is of no other live process."""

    def __init__(self, folder: Path, limit: int = FILE_BYTES, kept: int = FULL_FILES) -> None:
        """Raises OSError where the folder cannot be written to."""
        self._limit, self._kept = limit, kept
        self._lock, number = _own_number(folder)
        self.path = folder / f"access-{number}.jsonl"
        self._open()

    def write(self, line: bytes) -> None:
        """Raises OSError."""
        if self._size + len(line) > self._limit:
            self._rotate()
        self._size += os.write(self._handle, line)

    def _open(self) -> None:
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._handle).st_size

    def _rotate(self) -> None:
        for number in range(self._kept, 0, -1):
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                os.replace(newer, self.path.with_name(f"{self.path.name}.{number}"))
        os.close(self._handle)
        self._open()


class AccessRecord:
    """Of one process. Called by its event loop only."""

    def __init__(self, file: RotatedFile, access: Access) -> None:
        self._file, self._access = file, access
        self._encode = msgspec.json.Encoder().encode
        self._routes: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._lost, self._told = 0, 0.0

    def note(self, method: str, path: str, headers: Headers, status: int) -> None:
        """Never raises: a full disk costs lines of the record, which are counted in the log, and no answer."""
        right, model, route = self._routes.get((method, path)) or self._find(method, path)
        line = Line(precise(), self._access.name_of(headers), right, model, route, status)
        try:
            self._file.write(self._encode(line) + b"\n")
        except OSError as error:
            self._lost += 1
            if time.monotonic() >= self._told + TELL_SECONDS:
                self._told = time.monotonic()
                log.error("%d lines of the access record are lost: %s", self._lost, one_line(error))

    def _find(self, method: str, path: str) -> tuple[str, str, str]:
        """Right, model and route; empty for what is no route of ours."""
        try:
            route, names = find(method, check_path(path))
            found = (route.right, names.get("model", ""), f"{method} {route.pattern}")
        except RequestError:
            found = ("", "", "")
        if len(self._routes) >= KNOWN:
            self._routes.clear()
        self._routes[method, path] = found
        return found


class RecordedProtocol(GatewayProtocol):
    """A connection whose requests are noted down, where they are not answered by the app."""

    note: Note

    def answered(self, reply: Reply, response: Response) -> None:
        call = reply.call
        self.note(call.method, call.path, call.headers, LEFT if reply.done() else response.status)
        super().answered(reply, response)

    def _turn_away(self, head: Head) -> None:
        super()._turn_away(head)
        self.note(head.method, head.path, head.headers, 429)

    def _reject(self, refusal: RequestError, *, bodyless: bool = False) -> None:
        head = self._head
        self.note(head.method if head else "", head.path if head else "", head.headers if head else [], refusal.status)
        super()._reject(refusal, bodyless=bodyless)


class RecordedApp:
    """The app, with every request that it answers noted down."""

    def __init__(self, app: App, note: Note) -> None:
        self._app, self._note = app, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted = False

        def note(status: int) -> None:
            nonlocal noted
            noted = True
            self._note(scope["method"], scope["path"], scope["headers"], status)

        async def watched(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])  # before anything of the answer is sent: no caller has one that is not noted down
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if not noted:
                note(LEFT)


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """Where it is written, made if it is not there; None where it is off. Raises SpecError for what cannot be written to."""
    place = ACCESS_LOG.read(environ)
    if not place:
        return None
    try:
        folder = private_folder(Path(place).absolute())
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} is not this user's to write to")
    except OSError as error:
        raise SpecError(
            f"The access record cannot be written: {error}.",
            seen=place,
            safe="the gateway did not start: it would have served without one.",
            hint=f"name a folder that the gateway may write to in {ACCESS_LOG.name}, or unset it.",
        ) from error
    return folder


def open_record(environ: Mapping[str, str], access: Access) -> AccessRecord | None:
    """This process's; None where it is off. Raises SpecError, OSError."""
    folder = folder_of(environ)
    return AccessRecord(RotatedFile(folder), access) if folder is not None else None


def _own_number(folder: Path) -> tuple[int, int]:
    """A descriptor that holds a lock, and the number that it stands for: the first that no live process has."""
    for number in range(PROCESSES):
        handle = os.open(folder / f".access-{number}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        return handle, number
    raise OSError(f"{PROCESSES} processes write to {folder} already")
