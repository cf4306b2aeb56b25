"""One trigger that waits for a job of any backend, and one that waits for any question to be answered.

Both only look: nothing is changed from the triggerer, so a trigger that runs twice, or is killed, is harmless.
Both look first after one poll: the task itself looked just before it deferred, and a trigger that fires before the
scheduler has read of the deferral makes Airflow 3.3.2 retry the task that resumes (apache/airflow#72716).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.core.errors import PermanentError, SlipstreamError, one_line
from include.core.ports import JobStatus
from include.core.reference import load

LOST_AFTER = 3  # times in a row that the backend does not know the job, before the task is resumed
SAY_AFTER = 30.0  # seconds between two questions for what a job waits
LONGEST = 60.0  # seconds between two looks at a backend that does not answer, or asks for fewer questions


class JobTrigger(BaseTrigger):
    """Fires when a job is over, when its backend no longer knows it (the task then submits it again), or when its time is over.

    `until`: that moment, in seconds since 1970; 0: never. While the job waits to begin, the log says for what.
    """

    def __init__(self, backend: str, name: str, poll_seconds: float = 2.0, until: float = 0.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.backend, self.name, self.poll_seconds, self.until = backend, name, poll_seconds, until
        self._jobs: Any = None  # opened by the first look
        self._said, self._say_at = "", 0.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        given = {"backend": self.backend, "name": self.name, "poll_seconds": self.poll_seconds}
        return f"{__name__}.JobTrigger", {**given, **({"until": self.until} if self.until else {})}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        lost = silent = 0
        while True:
            await asyncio.sleep(self._pause(silent))
            status = await self._status()
            silent = silent + 1 if status is None else 0
            lost = lost + 1 if status is JobStatus.UNKNOWN else 0
            if (status is not None and status.over) or lost >= LOST_AFTER or 0 < self.until <= time.time():
                yield TriggerEvent({"status": str(status)})  # type: ignore[no-untyped-call]
                return
            if status is JobStatus.PENDING:
                await self._say_what_it_waits_for()

    async def _say_what_it_waits_for(self) -> None:
        """In the task's log: when it changes, and not more often than every half minute."""
        if time.monotonic() < self._say_at:
            return
        self._say_at = time.monotonic() + SAY_AFTER
        try:
            said = await asyncio.to_thread(self._jobs.waits_for, self.name)
        except Exception as error:  # noqa: BLE001 - only words are lost
            said = described(error)
        if said and said != self._said:
            self.log.info("Job %s waits: %s", self.name, said)
            self._said = said

    def _pause(self, silent: int) -> float:
        """Seconds until the next look. After looks without an answer ever longer, and each trigger's own: a backend that
        throttles its callers is not asked by all of them again at the same moment."""
        if not silent:
            return self.poll_seconds
        longest = max(LONGEST, self.poll_seconds)
        return random.uniform(0.5, 1.0) * min(self.poll_seconds * 2.0 ** min(silent, 16), longest)

    async def _status(self) -> JobStatus | None:
        """None while the backend does not answer: it may come back, and the job with it."""
        try:
            self._jobs = self._jobs or await asyncio.to_thread(_open_jobs, self.backend)
            status: JobStatus = await asyncio.to_thread(self._jobs.status, self.name)
        except PermanentError:  # the task asks the backend itself, and reports it
            return JobStatus.UNKNOWN
        except Exception as error:  # noqa: BLE001 - one look is lost
            self.log.warning("This check failed, there will be another: %s", described(error))
            return None
        return status


class QuestionTrigger(BaseTrigger):
    """Asks `function(settings, **kwargs)` until it answers something other than None, or until a deadline.

    Fires with {"answer": ...} (JSON), or {"answer": None} at the deadline. The function is named by an
    import string, runs in a thread, and only reads.
    """

    def __init__(self, function: str, kwargs: dict[str, Any], seconds: float, poll_seconds: float = 2.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.function, self.kwargs, self.seconds, self.poll_seconds = function, kwargs, seconds, poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.QuestionTrigger", {
            "function": self.function, "kwargs": self.kwargs, "seconds": self.seconds, "poll_seconds": self.poll_seconds,
        }  # fmt: skip

    async def run(self) -> AsyncIterator[TriggerEvent]:
        ask = await asyncio.to_thread(load, self.function)
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        while True:
            await asyncio.sleep(self.poll_seconds)
            answer = await self._answer(ask)
            if answer is not None or loop.time() >= until:
                break
        yield TriggerEvent({"answer": answer})  # type: ignore[no-untyped-call]

    async def _answer(self, ask: Any) -> Any:
        try:
            return await asyncio.to_thread(ask, **self.kwargs)
        except PermanentError:
            raise
        except Exception as error:  # noqa: BLE001 - one look is lost
            self.log.warning("This check failed, the next comes in %g s: %s", self.poll_seconds, described(error))
            return None


def described(error: BaseException) -> str:
    """One of our errors in its words; any other with its type, since its words alone may say little or nothing."""
    return one_line(error) if isinstance(error, SlipstreamError) else f"{type(error).__name__}: {error}"


def _open_jobs(backend: str) -> Any:
    from operators.hooks import open_services

    return open_services().jobs(backend)
