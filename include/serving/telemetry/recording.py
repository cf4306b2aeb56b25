"""One request whose trace is recorded: what is noted of it on its way, and its answer.

Times and counts are noted as numbers; spans are made of them once the answer is out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import ClassVar

from include.core.tracing import Part, RequestTrace
from include.prediction_log.record import Record
from include.serving.http.asgi import Done, Response
from include.serving.http.gateway_protocol import Reply
from include.serving.http.request_error import RequestError

HEADER = b"traceresponse"
REFUSED = (401, 403, 404, 405)  # a stranger's requests are counted, and leave no trace however often they ask for one
NAMED = 20  # requests of a batch that its span names
Value = str | bool | int | float | Sequence[str]


class Recording:
    """What is known of it so far. Used by the event loop only."""

    __slots__ = ("_attributes", "_parts", "_trace", "status")

    def __init__(self, trace: RequestTrace) -> None:
        self._trace = trace
        self._attributes: dict[str, Value] = {}
        self._parts: dict[str, Part] = {}  # by name: a batch that is answered again one by one replaces what it noted
        self.status = 0  # of the answer; 0: none was sent

    @property
    def header(self) -> tuple[bytes, bytes]:
        return HEADER, self._trace.header

    def note(self, attributes: Mapping[str, Value]) -> None:
        self._attributes.update(attributes)

    def part(self, name: str, start: int, end: int, attributes: Mapping[str, Value]) -> None:
        """`end` 0: it is not over yet; `close` says when."""
        self._parts[name] = Part(name, start, end, attributes)

    def close(self, name: str) -> None:
        if (known := self._parts.get(name)) is not None and not known.end:
            self._parts[name] = known._replace(end=time_ns())

    def finish(self, method: str, route: str, error: str = "") -> None:
        """Nothing is kept of a request that was refused before it was looked at, or whose caller left."""
        if not self.status or self.status in REFUSED:
            return
        end = time_ns()
        self.note({"http.request.method": method, "http.route": route, "http.response.status_code": self.status})
        if self.status < 500:
            error = ""  # the caller's own
        parts = [part if part.end else part._replace(end=end) for part in self._parts.values()]
        self._trace.finish(f"{method} {route}", end, self._attributes, parts, error or _kind(self.status))

    def answered(self, model: str, records: Sequence[Record]) -> None:
        """By which versions, and what was not as it should be. Neither entities nor features."""
        ids = [record.id for record in records[:NAMED]]
        versions = sorted({"default" if record.version is None else str(record.version) for record in records})
        self.note(
            {
                "slipstream.model": model,
                "slipstream.rows": len(records),
                "slipstream.request_id": ids[0] if len(records) == 1 else ids,
                "slipstream.version": versions[0] if len(versions) == 1 else versions,
                "slipstream.arm": sorted({record.arm for record in records}),
                "slipstream.degraded": sorted({reason for record in records for reason in record.degraded}),
                "slipstream.generation": records[0].generation,
            }
        )


def _kind(status: int) -> str:
    return str(status) if status >= 500 else ""


class Watched:
    """Stands in for who takes the answer of a recorded prediction (`Done`)."""

    live: ClassVar[int] = 0  # how many there are whose answer is awaited: where there are none, nobody looks for them

    __slots__ = ("_direct", "_inner", "_open", "recording")

    def __init__(self, inner: Done, recording: Recording) -> None:
        self._inner, self.recording = inner, recording
        self._direct = inner if isinstance(inner, Reply) else None  # its answer ends the request; else the app's does
        self._open = True
        Watched.live += 1

    def done(self) -> bool:
        left = self._inner.done()
        if left:
            self._leave()
        return left

    def set_result(self, body: bytes) -> None:
        self._leave()
        if self._direct is None:
            self._inner.set_result(body)
            return
        self._direct.protocol.answered(self._direct, Response(body, headers=[self.recording.header]))
        self._end(200)

    def set_exception(self, error: BaseException) -> None:
        self._leave()
        self._inner.set_exception(error)
        if self._direct is not None:
            self.refused(error)

    def refused(self, error: BaseException) -> None:
        """Its caller is told by whoever caught the error."""
        self._leave()
        if self._direct is not None:
            self._end(error.status if isinstance(error, RequestError) else 500, type(error).__name__)

    def _end(self, status: int, error: str = "") -> None:
        self.recording.status = status
        asyncio.get_running_loop().call_soon(self.recording.finish, "POST", "/predict/{model}", error)

    def _leave(self) -> None:
        if self._open:
            self._open = False
            Watched.live -= 1
