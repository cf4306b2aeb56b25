"""A server behind the gateway's protocol, spoken to over raw sockets: one for each way that a prediction can go."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from include.serving.http.admission import OVERLOADED, Admission
from include.serving.http.asgi import Done, HttpRequest, Receive, Response, Scope, Send, encode, read_body, respond
from include.serving.http.bounds import Bounds
from include.serving.http.gateway_protocol import GatewayProtocol
from include.serving.http.request_error import RequestError

WAYS = ("direct", "app", "full")  # without ASGI, through it, and refused because the worker is full


@dataclass
class Site:
    way: str
    answer: bytes = b'{"ok":1}'
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)  # what reached a handler
    port: int = 0
    server: uvicorn.Server = field(init=False)

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def predict(self, call: HttpRequest, model: str, done: Done) -> bool:
        if self.way == "app":
            return False
        if model == "refused":
            raise RequestError(404, "no such model")
        self.asked.append((call.method, call.path, call.body))
        asyncio.get_running_loop().call_soon(lambda: done.done() or done.set_result(self.answer))
        return True

    @staticmethod
    def refuse(call: HttpRequest, error: BaseException) -> Response:
        del call
        refusal = error if isinstance(error, RequestError) else RequestError(500, repr(error))
        return Response(encode(refusal.body), refusal.status, headers=refusal.headers)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive)
            if self.way == "full" and scope["path"].startswith("/predict/"):
                raise OVERLOADED
            self.asked.append((scope["method"], scope["path"], body))
            response = Response(self.answer)
        except RequestError as refusal:
            response = Response(encode(refusal.body), refusal.status, headers=refusal.headers)
        await respond(response, send, scope["headers"])

    @contextmanager
    def running(self, bounds: Bounds | None = None, idle: float = 75) -> Iterator[Site]:
        protocol = GatewayProtocol.of(self.predict, self.refuse, bounds=bounds)
        protocol.admission = Admission()
        if self.way == "full":
            protocol.admission.waiting = protocol.admission.limit
        listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = listening.getsockname()[1]
        config: Any = uvicorn.Config(
            self.app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_keep_alive=idle,
            loop="uvloop",
            interface="asgi3",
            proxy_headers=False,
        )
        self.server = uvicorn.Server(config)
        thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield self
        finally:
            self.server.should_exit = True
            thread.join(20)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def exchange(self, *parts: bytes) -> list[Answer]:
        """All answers to these bytes, until the server ends the connection. It fails where the server never does."""
        with self.connect() as end:
            for part in parts:
                end.sendall(part)
            return parsed(drained(end))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def drained(end: socket.socket) -> bytes:
    data = b""
    while part := end.recv(1 << 16):
        data += part
    return data


def parsed(data: bytes) -> list[Answer]:
    """Every answer, by its Content-Length. Nothing may be left over."""
    found: list[Answer] = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"half an answer: {head!r}"
        first, *lines = head.decode().split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", first)
        assert match, first
        headers = dict(line.lower().split(": ", 1) for line in lines)
        size = int(headers.get("content-length", 0))
        found.append(Answer(int(match.group(1)), headers, data[:size]))
        data = data[size:]
    return found
