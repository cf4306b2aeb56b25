"""A TCP proxy between a task and a backend: forwards, counts, swallows one response, or is down for a while.

An exchange is one thing the client sends and what the server answers to it, whatever the protocol. Only those
whose request holds one of `MARKS` are counted: the ones that change something.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MARKS: dict[str, tuple[bytes, ...]] = {
    "control": (b"COMMIT",),
    "online": (b"EVALSHA", b"EVAL", b"SET"),
    "storage": (b"PUT ", b"POST ", b"DELETE "),
    "jobs": (b"POST /api/", b"SageMaker.Create"),  # Ray's, and SageMaker's, which asks by POST as well
    "registry": (b"POST ", b"PUT ", b"PATCH ", b"DELETE "),
    "gateway": (b"POST ", b"GET "),
}


@dataclass(frozen=True)
class Plan:
    """What the proxy does to the exchanges it counts, the first being number 1."""

    cut: int = 0  # forward this one, swallow its response and close
    down: int = 0  # from this one on refuse connections ...
    seconds: float = 0.0  # ... for so long


@dataclass
class Proxy:
    port: int
    pid: int
    counted: Path  # a byte for each exchange
    happened: Path  # made when the plan was carried out

    def count(self) -> int:
        return self.counted.stat().st_size if self.counted.exists() else 0


@contextmanager
def proxy(service: str, target: tuple[str, int], plan: Plan, folder: Path) -> Iterator[Proxy]:
    """A process of its own; its port is fixed before it is forked."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    made = Proxy(port, 0, folder / f"proxy-{service}.count", folder / f"proxy-{service}.happened")
    for path in (made.counted, made.happened):
        path.unlink(missing_ok=True)
    made.pid = os.fork()
    if not made.pid:
        try:
            _Relay(listener, target, MARKS[service], plan, made).serve()
        finally:
            os._exit(0)
    listener.close()
    try:
        yield made
    finally:
        os.kill(made.pid, signal.SIGKILL)
        os.waitpid(made.pid, 0)


class _Relay:
    """One thread, one selector; each client socket is paired with its server socket."""

    def __init__(
        self, listener: socket.socket, target: tuple[str, int], marks: tuple[bytes, ...], plan: Plan, made: Proxy
    ) -> None:
        self._listener, self._target, self._marks, self._plan, self._made = listener, target, marks, plan, made
        self._selector = selectors.DefaultSelector()
        self._pair: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._doomed: set[socket.socket] = set()  # server sockets whose next words are swallowed
        self._count = 0

    def serve(self) -> None:
        self._listen()
        while True:
            for key, _ in self._selector.select():
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if one is self._listener:
                    self._accept()
                elif one in self._pair:
                    self._pass_on(one)

    def _listen(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pair[one] = other
            self._selector.register(one, selectors.EVENT_READ)
        self._clients.add(client)

    def _pass_on(self, one: socket.socket) -> None:
        try:
            data = one.recv(1 << 16)
        except OSError:
            data = b""
        if not data or (one in self._doomed and not data.startswith(b"HTTP/1.1 100 ")):  # "Continue" is no answer yet
            self._close(one)
            return
        other = self._pair[one]
        if one in self._clients and any(mark in data for mark in self._marks) and not self._counted(other):
            return
        try:
            other.sendall(data)
        except OSError:
            self._close(one)

    def _counted(self, server: socket.socket) -> bool:
        """Count an exchange; False if its request must not be forwarded."""
        self._count += 1
        with self._made.counted.open("ab") as file:
            file.write(b".")
        if self._count == self._plan.cut:
            self._made.happened.touch()
            self._doomed.add(server)
        if self._count == self._plan.down:
            self._made.happened.touch()
            self._go_down()
            return False
        return True

    def _go_down(self) -> None:
        port = self._listener.getsockname()[1]
        self._selector.unregister(self._listener)
        self._listener.close()
        for one in list(self._clients):
            self._close(one)
        time.sleep(self._plan.seconds)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listen()

    def _close(self, one: socket.socket) -> None:
        other = self._pair.pop(one, None)
        for each in (one, other):
            if each is not None:
                self._pair.pop(each, None)
                self._clients.discard(each)
                self._doomed.discard(each)
                self._selector.unregister(each)
                each.close()
