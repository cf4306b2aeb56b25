"""Everything that arrives within one iteration of the event loop is answered together: nobody waits for a window.

One feature read, one run of each version, one write of the log and one reading of the clock serve all requests of
the iteration. Under load the batches fill by themselves; an idle gateway answers one request at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from include.serving.http.admission import Admission
from include.serving.http.asgi import Done
from include.serving.prediction.request_types import Item

log = logging.getLogger(__name__)


class PendingRequest:
    """The items of one HTTP request, and the body that answers it."""

    __slots__ = ("batch", "deployment", "items", "reply")

    def __init__(self, items: list[Item], batch: bool, deployment: Any, reply: Done) -> None:
        self.items, self.batch, self.deployment, self.reply = items, batch, deployment, reply

    def answer(self, body: bytes) -> None:
        if not self.reply.done():  # the caller may have left
            self.reply.set_result(body)

    def fail(self, error: BaseException) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


class Answerer(Protocol):
    def run(self, requests: list[PendingRequest], finished: Callable[[], None]) -> None:
        """Answer every request, now or later; then `finished`. May raise."""


class RequestCoalescer:
    """Collects the requests of an iteration by who answers them."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self._pending: dict[Answerer, list[PendingRequest]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def join(self, answerer: Answerer, items: list[Item], batch: bool, deployment: Any, reply: Done) -> None:
        """`reply` gets the response's body, in this iteration of the event loop or a later one."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        request = PendingRequest(items, batch, deployment, reply)
        self.admission.waiting += len(items)
        if not self._pending:
            loop.call_soon(self._run)
        self._pending.setdefault(answerer, []).append(request)

    def _run(self) -> None:
        todo, self._pending = self._pending, {}
        for answerer, requests in todo.items():
            count = sum([len(request.items) for request in requests])
            try:
                answerer.run(requests, lambda count=count: self.admission.answered(count))  # type: ignore[misc]
            except Exception as error:
                log.exception("a batch of requests failed")
                self._one_by_one(answerer, requests, error)

    def _one_by_one(self, answerer: Answerer, requests: list[PendingRequest], error: Exception) -> None:
        """Each of them once more by itself: what is wrong with one request is that request's alone."""
        for request in requests:
            count = len(request.items)
            try:
                if len(requests) == 1:
                    raise error
                answerer.run([request], lambda count=count: self.admission.answered(count))  # type: ignore[misc]
            except Exception as own:  # noqa: BLE001 - logged above, and answered to its caller
                request.fail(own)
                self.admission.answered(count)
