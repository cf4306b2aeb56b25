"""uvicorn's HTTP protocol, but for predictions: what is exactly one plain request for one is answered without ASGI.

A scope, a cycle, a task, a future and two messages cost as much as the prediction itself. So such a request goes from
its bytes to the gateway by one call, and its answer to the socket by one write. Whatever else comes (another route, a
compressed or chunked body, a request behind another, a cold model) takes uvicorn's way through the ASGI app, and gets
the same answers; so does everything where another server hosts the app. While the worker is full, a request for a
prediction is refused unparsed: one search, one write.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from include.serving.admission import RETRY_AFTER, Admission
from include.serving.compression import MIN_ANSWER
from include.serving.cork import Cork
from include.serving.head import Heads
from include.serving.http import Call, Headers, Response, packed
from include.serving.turn import Done

_BODY = b'{"error":"Too many requests are under way in this gateway. Send it again in a second.","allowed":"Retry-After"}'
REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: %d\r\ncontent-length: %d\r\n\r\n%b"
    % (RETRY_AFTER, len(_BODY), _BODY)
)
BODY_SECONDS = 0.05
PREDICT = b"POST /predict/"
_OWN = b"content-type: %b\r\ncontent-length: %d\r\n%b"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

Predict = Callable[[Call, str, Done], bool]  # request, model, who takes the body of the answer; False: not this way
Refuse = Callable[[Call, BaseException], Response]  # what a request that failed is answered


class Reply:
    """Takes one request's answer, in place of a future."""

    __slots__ = ("_door", "call")

    def __init__(self, door: Door, call: Call) -> None:
        self._door, self.call = door, call

    def done(self) -> bool:
        return self._door.reply is not self  # the caller has left

    def set_result(self, body: bytes) -> None:
        self._door.answered(self, Response(body))

    def set_exception(self, error: BaseException) -> None:
        self._door.answered(self, self._door.refuse(self.call, error))


class Door(HttpToolsProtocol):
    """One connection."""

    admission = Admission()
    predict: Predict | None = None  # of the process' gateway
    refuse: Refuse
    heads = Heads()
    reply: Reply | None = None  # that is awaited
    _between = True  # uvicorn's parser has seen whole requests only
    _closing = False
    _begun: tuple[bytes, asyncio.TimerHandle] | None = None  # a request whose body is to come, and how long it has
    _held = b""  # what came after the request that is being answered
    _cork: Cork
    _dated: tuple[Any, bytes] = (None, b"")  # the headers of all responses, and their bytes

    @classmethod
    def of(cls, predict: Predict, refuse: Refuse) -> type[Door]:
        """The protocol of a gateway's connections."""
        return type("GatewayDoor", (cls,), {"predict": staticmethod(predict), "refuse": staticmethod(refuse)})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = self._cork = Cork(transport)  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.reply = None
        if self._begun is not None:
            self._finished(b"")
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._between = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._cork.flush()  # of a response without a body
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        if self.reply is not None:  # it did not wait for its answer
            self._held += data
            self.flow.pause_reading()
            return
        first = self._begun is None
        if self._begun is not None:
            data = self._finished(data)
        if data.startswith(PREDICT) and self._between and (self.cycle is None or self.cycle.response_complete):
            if self.admission.full and _is_whole(data):
                self.admission.refused()
                self.transport.write(REFUSED)
                return
            if self.predict is not None and self._asks(data, first):
                return
        super().data_received(data)

    def _asks(self, data: bytes, first: bool) -> bool:
        """Hands a plain request for a prediction to the gateway; False if it is not one.

        Many clients send the head, then the body: what is the `first` piece waits a moment for the second.
        """
        head = self.heads.of(data)
        if head is None or self.flow.write_paused or self._closing:
            return False
        self._unset_keepalive_if_required()
        if len(data) < head.end and first:
            self._begun = data, self.loop.call_later(BODY_SECONDS, self._late)
            return True
        if len(data) != head.end:
            return False
        call = Call("POST", head.path, head.headers, data[head.start :])
        reply = self.reply = Reply(self, call)
        assert self.predict is not None
        try:
            if self.predict(call, head.model, reply):
                return True
        except Exception as error:  # noqa: BLE001 - a refusal, or a defect that the gateway logs
            reply.set_exception(error)
            return True
        self.reply = None
        return False

    def _finished(self, data: bytes) -> bytes:
        """With what came before."""
        assert self._begun is not None
        (before, timer), self._begun = self._begun, None
        timer.cancel()
        return before + data

    def _late(self) -> None:
        """The body does not come at once: uvicorn and the app know how long to wait."""
        super().data_received(self._finished(b""))

    def answered(self, reply: Reply, response: Response) -> None:
        """Send it, unless the caller has left."""
        if self.reply is not reply:
            return
        if len(response.body) >= MIN_ANSWER:  # it may have to be compressed
            self.loop.create_task(self._pack(reply, response))
            return
        self._write(response.status, response.body, _OWN % (response.kind, len(response.body), _lines(response.headers)))

    async def _pack(self, reply: Reply, response: Response) -> None:
        body, headers = await packed(response, reply.call.headers)
        if self.reply is reply:
            self._write(response.status, body, _lines(headers))

    def _write(self, status: int, body: bytes, own: bytes) -> None:
        """The whole response; `own`: its own headers, as they are sent."""
        always = self.server_state.default_headers  # a new list every second, with the date
        if self._dated[0] is not always:
            type(self)._dated = (always, _lines(always))
        self.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[status], self._dated[1], own, body))
        self._complete()

    def _complete(self) -> None:
        """The next request on the connection, or its time to idle."""
        self.reply = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._closing:
            self.transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self._held:
            held, self._held = self._held, b""
            self.flow.resume_reading()
            self.data_received(held)

    def shutdown(self) -> None:
        if self.reply is None:
            super().shutdown()
        else:
            self._closing = True


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _is_whole(data: bytes) -> bool:
    """Whether this is one whole request for a prediction, on a connection that stays: of any size and coding, unlike a `Head`."""
    head = data.find(b"\r\n\r\n")
    found = _LENGTH.search(data, 0, head + 2) if head > 0 else None
    return found is not None and len(data) == head + 4 + int(found.group(1)) and b"onnection: close" not in data[:head]
