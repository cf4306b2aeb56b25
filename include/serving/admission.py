"""Back-pressure: how many predictions may be under way before the next ones are told to come back (429).

What one costs is measured: the processor time of the event loop's thread, everything included, over the answers it
gave. So many are let in that the last of them waits about TARGET_SECONDS; what comes beyond would only make everybody
late. Refusing must cost little, or refusing is the overload: a worker under uvicorn does it at the socket, before the
request is parsed (`Door`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import thread_time

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TARGET_SECONDS = 0.008
FEWEST, MOST = 16, 2000
RETRY_AFTER = 1  # seconds
_BODY = b'{"error":"Too many requests are under way in this gateway. Send it again in a second.","allowed":"Retry-After"}'
REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: %d\r\ncontent-length: %d\r\n\r\n%b"
    % (RETRY_AFTER, len(_BODY), _BODY)
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Admission:
    """One a process, used by its event loop."""

    def __init__(self, target: float = TARGET_SECONDS) -> None:
        self.waiting = 0  # predictions let in and not yet answered
        self.limit = 200
        self.refused: Callable[[], None] = lambda: None  # called for each one refused at the door
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


class Door(HttpToolsProtocol):
    """uvicorn's protocol that, while the worker is full, refuses predictions unparsed: one search, one write."""

    admission = Admission()

    def data_received(self, data: bytes) -> None:
        if self.admission.full and self._refuses(data):
            self.admission.refused()
            self.transport.write(REFUSED)
            return
        super().data_received(data)

    def _refuses(self, data: bytes) -> bool:
        """Whether this is one whole request for a prediction, with nothing before it on its connection."""
        if not data.startswith(b"POST /predict/") or (self.cycle is not None and not self.cycle.response_complete):
            return False
        head = data.find(b"\r\n\r\n")
        found = _LENGTH.search(data, 0, head + 2) if head > 0 else None
        return found is not None and len(data) == head + 4 + int(found.group(1)) and b"onnection: close" not in data[:head]
