"""What an operator's program does where a server is away: it asks again, for as long as a machine takes to come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from include.backends.airflow.client import AirflowClient
from include.core.errors import JobFailedError, UnreachableError
from tests.e2e.case_callers import Callers, Row

AWAY = 240.0  # seconds: a machine that was killed boots, and its servers start
T = TypeVar("T")


def patiently(call: Callable[[], T]) -> T:
    until = time.monotonic() + AWAY
    while True:
        try:
            return call()
        except UnreachableError:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


class PatientAirflow(AirflowClient):
    """A session that outlives the API server."""

    def _call(self, method: str, path: str, body: Any = None, missing_ok: bool = False) -> Any:
        def call() -> Any:
            try:
                return super(PatientAirflow, self)._call(method, path, body, missing_ok=missing_ok)
            except JobFailedError as error:  # a server whose database is away answers, with a 500
                if "HTTP 50" in str(error):
                    raise UnreachableError(str(error)) from error
                raise

        return patiently(call)


@dataclass
class PatientCallers(Callers):
    """Callers who push and tell again until it is taken, as what they say has an id; a question is asked once, and counted."""

    async def _push(self, session: aiohttp.ClientSession, view: str, rows: Sequence[Row]) -> None:
        await self._again(lambda: super(PatientCallers, self)._push(session, view, rows))

    async def _tell(self, session: aiohttp.ClientSession, labels: Sequence[Row]) -> None:
        before = self.tally.labels

        async def tell() -> None:
            self.tally.labels = before
            await super(PatientCallers, self)._tell(session, labels)

        await self._again(tell)

    async def _again(self, call: Callable[[], Any]) -> None:
        until = time.monotonic() + AWAY
        while True:
            try:
                return await call()  # type: ignore[no-any-return]
            except (aiohttp.ClientError, OSError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(1.0)
