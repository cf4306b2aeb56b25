"""Work that a worker does again and again beside its event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

JOIN_SECONDS = 5.0  # that the end of a worker waits for work that is under way


class Recurring:
    """Calls `act` every so many seconds, in a daemon thread of that name, from `start` until `stop`.

    `delay`: seconds before the first time. `act` raises nothing: it would end the thread.
    """

    def __init__(self, name: str, act: Callable[[], None], every: float, delay: float = 0.0) -> None:
        self._act, self._every, self._delay = act, every, delay
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=JOIN_SECONDS)

    def _run(self) -> None:
        wait = self._delay
        while not self._stopped.wait(wait):
            self._act()
            wait = self._every
