"""A circuit breaker: what fails again and again is left alone for a while, then asked by one caller to see.

closed     everybody asks. So many failures in a row, with no success between and over some time, open it
open       nobody asks, for a pause that doubles from one failed probe to the next
half-open  the pause is over: one caller asks; its success closes the circuit, its failure opens it again

M. Nygard, Release It!, 2007, chapter 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """For one thread. The clock is time.monotonic, in seconds.

    `over`: seconds that the failures in a row must span, so that one caller's batch of poison opens nothing.
    """

    __slots__ = (
        "_failures", "_limit", "_longest", "_opened", "_over", "_pause", "_probing", "_shortest", "_since", "_until", "tripped",
    )  # fmt: skip

    def __init__(
        self, failures: int, pause: float, longest: float, over: float = 0.0, opened: Callable[[], None] | None = None
    ) -> None:
        self._limit, self._over, self._shortest, self._longest, self._opened = failures, over, pause, longest, opened
        self._failures, self._since, self._pause, self._until, self._probing = 0, 0.0, pause, 0.0, False
        self.tripped = False  # open or half-open

    def allows(self) -> bool:
        """Whether the caller may ask; if so in the half-open state, it alone does until it says how that went."""
        if not self.tripped:
            return True
        if self._probing or time.monotonic() < self._until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._failures, self._pause, self._probing, self.tripped = 0, self._shortest, False, False

    def failed(self) -> None:
        now = time.monotonic()
        if not self._failures:
            self._since = now
        self._failures += 1
        if self.tripped:
            self._pause = min(2 * self._pause, self._longest)
        elif self._failures < self._limit or now - self._since < self._over:
            return
        elif self._opened is not None:
            self._opened()
        self._until, self._probing, self.tripped = now + self._pause, False, True

    @property
    def state(self) -> State:
        if not self.tripped:
            return "closed"
        return "open" if not self._probing and time.monotonic() < self._until else "half-open"
