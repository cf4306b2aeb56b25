"""Back-pressure: how many predictions may be under way before the next ones are refused, to come back later (429).

What one costs is measured: the processor time of the event loop's thread, everything included, over the answers it
gave. So many are let in that the last of them waits about TARGET_SECONDS; what comes beyond would only make everybody
late. Refusing must cost little, or refusing is the overload: a worker under uvicorn does it at the socket, before the
request's body is looked at (include/serving/http/gateway_protocol.py).
"""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

from include.serving.http.request_error import RequestError

TARGET_SECONDS = 0.008
FEWEST, MOST = 16, 2000
RETRY_AFTER = 1  # seconds
OVERLOADED = RequestError(
    429, "Too many requests are under way in this gateway.", allowed="send it again after Retry-After", retry_after=RETRY_AFTER
)


class Admission:
    """One a process, used by its event loop."""

    def __init__(self, target: float = TARGET_SECONDS) -> None:
        self.waiting = 0  # predictions let in and not yet answered
        self.limit = 200
        self.refused: Callable[[], None] = lambda: None  # called for each one refused on arrival
        self._target = target
        self._cost = target / self.limit  # seconds of processor each
        self._spent, self._answered = 0.0, 0

    @property
    def full(self) -> bool:
        return self.waiting >= self.limit

    def answered(self, count: int) -> None:
        """So many are done. Every thousand of them the limit is measured anew."""
        self.waiting -= count
        self._answered += count
        if self._answered >= 1000:
            now = thread_time()
            if self._spent:
                self._cost += 0.3 * ((now - self._spent) / self._answered - self._cost)
                self.limit = min(MOST, max(FEWEST, int(self._target / self._cost)))
            self._spent, self._answered = now, 0
