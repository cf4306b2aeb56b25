"""The gateway without its socket: requests go to the app itself, in an event loop of a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from include.services.services import Services

TOGETHER = 200  # requests at a time: fewer than the gateway admits
HEADERS = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
Message = MutableMapping[str, Any]
T = TypeVar("T")


class InProcessGateway:
    """For one model. A context: within it the routes are followed, and versions come and go as in any gateway."""

    def __init__(self, services: Services, model: str) -> None:
        from include.gateway.build import build
        from include.serving.http.access import Access

        self._app: Callable[..., Any] = build(services, Access(loopback=True))
        self._path = f"/predict/{model}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._told: asyncio.Queue[Message] = asyncio.Queue()

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def answer(self, bodies: Sequence[bytes]) -> Sequence[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        for at in range(0, len(bodies), TOGETHER):
            found += self._run(self._all(bodies[at : at + TOGETHER]))
        return found

    async def _all(self, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
        return list(await asyncio.gather(*(self._one(body) for body in bodies)))

    async def _one(self, body: bytes) -> tuple[int, bytes]:
        status, parts = 500, []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        scope = {"type": "http", "method": "POST", "path": self._path, "headers": HEADERS, "query_string": b""}
        await self._app(scope, receive, send)
        return status, b"".join(parts)

    async def _start(self) -> None:
        ready: asyncio.Queue[Message] = asyncio.Queue()
        self._life = asyncio.create_task(self._app({"type": "lifespan"}, self._told.get, ready.put))
        await self._told.put({"type": "lifespan.startup"})
        await ready.get()

    async def _stop(self) -> None:
        await self._told.put({"type": "lifespan.shutdown"})
        await self._life

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
