"""Asking an Open Inference Protocol server over HTTP: connections are kept, and an answer is bounded in time and in bytes."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

import httpx

from include.backends.oip.wire import BROKEN, LARGEST, Reply, TooLarge, Wire
from include.core import tls
from include.core.address import without_login
from include.core.connection import Connection, from_env
from include.core.environment import connection as variable
from include.core.errors import DataError, PermanentError, UnreachableError

logging.getLogger("httpx").setLevel(logging.WARNING)
CONNECT_SECONDS = 3.0
ROWS_TO_BLAME = (400, 413, 422)
SHOWN = 300  # characters of a refusal
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)  # a kept connection that the server closed meanwhile


class OipClient:
    """One server, by its connection. Safe to use from several threads; `soon` from one event loop."""

    def __init__(self, conn_id: str, given: Connection, environ: Mapping[str, str] | None = None) -> None:
        self.conn_id, self.url = conn_id, without_login(given.url).rstrip("/")
        self._headers = _login(given)
        self._secure = tls.context(environ) if self.url.startswith("https:") else None
        verify = True if self._secure is None else self._secure
        self._http = httpx.Client(base_url=self.url, headers=self._headers, trust_env=False, verify=verify)
        self._soon: tuple[asyncio.AbstractEventLoop, Wire] | None = None

    def get(self, path: str, seconds: float) -> Any:
        """The JSON of a page; None where there is no such page. Raises UnreachableError, or DataError for a refusal."""
        reply = self._send("GET", path, b"", {}, seconds)
        if reply.status == 404:
            return None
        self.refused(reply, path)
        try:
            return json.loads(reply.body)
        except ValueError:
            raise DataError(f"What answers at {self.url} is no Open Inference Protocol server.", seen=reply.body[:100]) from None

    def post(self, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Reply:
        """Raises UnreachableError for no answer in time, DataError where the rows are refused, else PermanentError."""
        reply = self._send("POST", path, body, headers, seconds)
        self.refused(reply, path)
        return reply

    async def post_soon(self, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Reply:
        """The same on an event loop, all of it within that time."""
        try:
            async with asyncio.timeout(seconds):
                reply = await self._wire().post(path, body, headers)
        except TimeoutError:
            raise self._away(f"gave no answer within {seconds * 1000:g} ms") from None
        except TooLarge:
            raise self._endless() from None
        except BROKEN as error:
            raise self._away(f"does not answer ({type(error).__name__})") from None
        self.refused(reply, path)
        return reply

    def refused(self, reply: Reply, path: str) -> None:
        """Raises for an answer that means no: UnreachableError where a retry may help, DataError where the rows are to blame."""
        if 200 <= reply.status < 300:
            return
        said = reply.body[:SHOWN].decode(errors="replace").strip()
        if reply.status in (401, 403):
            raise PermanentError(
                f"The server at {self.url} refuses the login of the connection {self.conn_id} (HTTP {reply.status}).",
                safe="nothing was scored.", hint=f"correct the connection ({variable(self.conn_id).name}).",
            )  # fmt: skip
        if reply.status >= 500 or reply.status in (408, 425, 429):
            raise self._away(f"failed with HTTP {reply.status}: {said}")
        kind = DataError if reply.status in ROWS_TO_BLAME else PermanentError
        raise kind(f"The server at {self.url} refused {path}: HTTP {reply.status}.", seen=said, safe="nothing was scored.")

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Reply:
        try:
            try:
                return self._send_once(method, path, body, headers, seconds)
            except CLOSED:
                return self._send_once(method, path, body, headers, seconds)
        except httpx.TimeoutException:
            raise self._away(f"gave no answer within {seconds * 1000:g} ms") from None
        except httpx.HTTPError as error:
            raise self._away(f"does not answer ({type(error).__name__})") from None

    def _send_once(self, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Reply:
        limits = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        with self._http.stream(method, path, content=body or None, headers=headers, timeout=limits) as got:
            read = bytearray()
            for part in got.iter_bytes():
                read += part
                if len(read) > LARGEST:
                    raise self._endless()
            return _reply(got, bytes(read))

    def _wire(self) -> Wire:
        """Of the event loop that asks: connections belong to one."""
        loop = asyncio.get_running_loop()
        if self._soon is None or self._soon[0] is not loop:
            self._soon = loop, Wire(self.url, self._headers, self._secure)
        return self._soon[1]

    def _endless(self) -> DataError:
        return DataError(f"The server at {self.url} sends more than {LARGEST} bytes.", safe="the rest was not read.")

    def _away(self, how: str) -> UnreachableError:
        return UnreachableError(
            f"The remote runtime at {self.url} {how}.",
            safe="what was answered before stands.",
            hint=f"is the server up, and is the connection {self.conn_id} ({variable(self.conn_id).name}) right?",
        )


def open_client(conn_id: str, environ: Mapping[str, str] | None = None) -> OipClient:
    """Raises DataError where this process has no such connection, or one that is no web address."""
    given = from_env(conn_id, environ)
    if given is None or not given.url.startswith(("http://", "https://")):
        raise DataError(
            f"There is no connection {conn_id} to a web address in this process.",
            seen=None if given is None else given.url,
            safe="nothing was sent.",
            hint=f"set {variable(conn_id).name}=http://:TOKEN@HOST:PORT, here and for the gateway; "
            "a task takes it from Airflow, too.",
        )
    return OipClient(conn_id, given, environ)


def _login(given: Connection) -> dict[str, str]:
    """A password alone is a bearer token; with a login it is theirs."""
    if given.login:
        pair = f"{given.login}:{given.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {"Authorization": f"Bearer {given.password}"} if given.password else {}


def _reply(got: httpx.Response, body: bytes) -> Reply:
    return Reply(got.status_code, body, got.headers.get("Inference-Header-Content-Length"))
