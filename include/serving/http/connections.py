"""All connections of a worker: how many there may be, what their bodies take, and once a second a check for late ones."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from include.serving.http.bounds import MAX_BUFFERED, Bounds
from include.serving.http.request_error import RequestError

EVERY_SECONDS = 1.0


class Member(Protocol):
    deadline: float  # of the loop's clock

    @property
    def idle(self) -> bool:
        """Whether it stands between two requests, or before the first."""

    def check_deadline(self, now: float) -> None:
        """End what is late."""

    def close_idle(self) -> None:
        """Close an idle connection."""


class Connections:
    """One an event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.buffered = 0  # bytes of bodies that are not whole yet
        self._loop: asyncio.AbstractEventLoop | None = None

    def register(self, member: Member, loop: asyncio.AbstractEventLoop, members: set[Any]) -> RequestError | None:
        """A connection was made: why it cannot stay, if so. The one idle longest is closed for it."""
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(EVERY_SECONDS, self._sweep, loop, members)
        if len(members) <= self.bounds.connections:
            return None
        idle = min((each for each in members if each.idle and each is not member), key=lambda each: each.deadline, default=None)
        if idle is not None:
            idle.close_idle()
            return None
        what = "This gateway holds as many connections as it may."
        return RequestError(503, what, value=len(members) - 1, allowed=self.bounds.connections, retry_after=1)

    def buffer_grew(self, size: int) -> None:
        """Raises RequestError where all bodies together take too much."""
        self.buffered += size
        if self.buffered > MAX_BUFFERED:
            raise RequestError(503, "Too many large bodies are on their way to this gateway.", field="body", retry_after=1)

    def _sweep(self, loop: asyncio.AbstractEventLoop, members: set[Any]) -> None:
        now = loop.time()
        for each in list(members):
            each.check_deadline(now)
        if members:
            loop.call_later(EVERY_SECONDS, self._sweep, loop, members)
        else:
            self._loop = None  # the next connection begins anew
