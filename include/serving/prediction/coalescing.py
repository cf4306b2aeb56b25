"""Everything that arrives within one turn of the event loop is answered together: nobody waits for a window.

One feature read, one run of each version, one write of the log and one look at the clock serve all requests of
the turn. Under load the turns fill by themselves; an idle gateway answers one request a turn.
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

    __slots__ = ("batch", "deployment", "done", "items")

    def __init__(self, items: list[Item], batch: bool, deployment: Any, done: Done) -> None:
        self.items, self.batch, self.deployment, self.done = items, batch, deployment, done

    def answer(self, body: bytes) -> None:
        if not self.done.done():  # the caller may have left
            self.done.set_result(body)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Answerer(Protocol):
    def run(self, jobs: list[PendingRequest], finished: Callable[[], None]) -> None:
        """Answer every job, now or later; then `finished`. May raise."""


class RequestCoalescer:
    """Collects the jobs of a turn by who answers them."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self._jobs: dict[Answerer, list[PendingRequest]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def join(self, answerer: Answerer, items: list[Item], batch: bool, deployment: Any, done: Done) -> None:
        """`done` gets the response's body, in this turn or a later one."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        job = PendingRequest(items, batch, deployment, done)
        self.admission.waiting += len(items)
        if not self._jobs:
            loop.call_soon(self._run)
        self._jobs.setdefault(answerer, []).append(job)

    def _run(self) -> None:
        todo, self._jobs = self._jobs, {}
        for answerer, jobs in todo.items():
            count = sum([len(job.items) for job in jobs])
            try:
                answerer.run(jobs, lambda count=count: self.admission.answered(count))  # type: ignore[misc]
            except Exception as error:
                log.exception("a turn failed")
                self._apart(answerer, jobs, error)

    def _apart(self, answerer: Answerer, jobs: list[PendingRequest], error: Exception) -> None:
        """Each of them once more by itself: what is wrong with one request is that request's alone."""
        for job in jobs:
            count = len(job.items)
            try:
                if len(jobs) == 1:
                    raise error
                answerer.run([job], lambda count=count: self.admission.answered(count))  # type: ignore[misc]
            except Exception as own:  # noqa: BLE001 - told above, and to its caller
                job.fail(own)
                self.admission.answered(count)
