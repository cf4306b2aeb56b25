"""uvicorn's HTTP protocol, but for predictions: what is exactly one plain request for one is answered without ASGI.

A scope, a cycle, a task, a future and two messages cost as much as the prediction itself. So such a request goes from
its bytes to the gateway by one call, and its answer to the socket by one write. Whatever else there is (another route,
a compressed or chunked body, a cold model) goes through the ASGI app. Both are read here, by one strict reader, one
request after the other: so the same bytes get the same verdict whichever way they go, and also while the worker is
full, when a request for a prediction is refused before anybody looks at its body.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from include.serving.http.admission import OVERLOADED, RETRY_AFTER, Admission
from include.serving.http.asgi import Done, Headers, HttpRequest, Response, encode, header_lines, packed
from include.serving.http.body import Body, Chunks, Sized
from include.serving.http.bounds import LINGER_SECONDS, MAX_DISCARDED, Bounds
from include.serving.http.compression import MIN_ANSWER
from include.serving.http.connections import Connections
from include.serving.http.corked_transport import CorkedTransport
from include.serving.http.request_error import RequestError
from include.serving.http.request_head import Head, Heads, unfinished

_OWN = b"content-type: %b\r\ncontent-length: %d\r\n%b"
_CLOSE = b"connection: close\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODY = encode(OVERLOADED.body)
_FULL = _OWN % (b"application/json", len(_BODY), b"retry-after: %d\r\n" % RETRY_AFTER)
REFUSED = b"%b%b\r\n%b" % (STATUS_LINE[429], _FULL, _BODY)

Predict = Callable[[HttpRequest, str, Done], bool]  # request, model, who takes the body of the answer; False: not this way
Refuse = Callable[[HttpRequest, BaseException], Response]  # what a request that failed is answered
Allow = Callable[[str, str, Headers], None]  # method, path, headers: raises RequestError before the body is read


def _refuse(call: HttpRequest, error: BaseException) -> Response:
    """Where no gateway says how."""
    del call
    refusal = error if isinstance(error, RequestError) else RequestError(500, "This request failed.")
    return Response(encode(refusal.body), refusal.status, headers=refusal.headers)


def _allow(method: str, path: str, headers: Headers) -> None:
    del method, path, headers


class Reply:
    """Takes one request's answer, without a future of its own."""

    __slots__ = ("_protocol", "call")

    def __init__(self, protocol: GatewayProtocol, call: HttpRequest) -> None:
        self._protocol, self.call = protocol, call

    def done(self) -> bool:
        return self._protocol.reply is not self  # the caller has left

    def set_result(self, body: bytes) -> None:
        self._protocol.answered(self, Response(body))

    def set_exception(self, error: BaseException) -> None:
        self._protocol.answered(self, self._protocol.refuse(self.call, error))


class GatewayProtocol(HttpToolsProtocol):
    """One connection."""

    admission = Admission()
    predict: Predict | None = None  # of the process' gateway
    refuse: Refuse = staticmethod(_refuse)
    allow: Allow = staticmethod(_allow)
    heads = Heads()
    all_connections = Connections(Bounds())
    reply: Reply | None = None  # that is awaited
    deadline = math.inf  # of what the caller is to do next
    idle = True  # nothing of a request is here: the rest of the state says what is, where it is False
    _stalled = math.inf  # until when the caller may leave its answers untaken
    _busy = False  # an answer is awaited
    _part = b""  # of a head
    _head: Head | None = None  # whose body is coming
    _body: Body | None = None
    _counted = 0  # bytes of it so far, as they were sent
    _held = b""  # what came behind the request that is being answered: one read of the socket at most
    _keep = True  # the connection stays after the answer
    _eof = False  # the caller sends no more
    _lingering = False  # it was told to close
    _stopping = False  # the server ends
    _discarded = 0  # bytes since then
    _rejected = False  # not all that it has sent was read
    _corked: CorkedTransport
    _response: Any  # what the app's responses see of the connection
    _dated: tuple[Any, bytes] = (None, b"")  # the headers of all responses, and their bytes

    @classmethod
    def of(
        cls, predict: Predict | None, refuse: Refuse = _refuse, allow: Allow = _allow, bounds: Bounds | None = None
    ) -> type[GatewayProtocol]:
        """The protocol of a gateway's connections."""
        parts: dict[str, Any] = {name: staticmethod(part) for name, part in (("refuse", refuse), ("allow", allow))}
        if predict is not None:
            parts["predict"] = staticmethod(predict)
        return type("BoundGatewayProtocol", (cls,), {**parts, "all_connections": Connections(bounds or Bounds())})

    # -- the connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = self._corked = CorkedTransport(transport)  # type: ignore[assignment]
        self._response = SimpleNamespace(write=self._corked.write, is_closing=transport.is_closing, close=self._end)
        self.deadline = self.loop.time() + self.all_connections.bounds.head_seconds
        refusal = self.all_connections.register(self, self.loop, self.connections)
        if refusal is None:
            return
        if len(self.connections) > 2 * self.all_connections.bounds.connections:
            self.transport.abort()
        else:
            self._reject(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.reply = None
        self._end_body()
        self._part = self._held = b""
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The caller sends no more: what it has asked is answered all the same. True: the connection stays open so long."""
        self._eof = True
        if self._lingering or self.scheme == "https":  # who ends TLS has ended both ways
            return False
        if self._part or self._body is not None:
            self._reject(RequestError(400, "The connection ended within a request.", field="body", allowed="the whole request"))
        return not self.idle

    def shutdown(self) -> None:
        """The server stops: what is under way is answered first."""
        if not self._busy and self._body is None:
            self.transport.close()
            return
        self._stopping, self._keep = True, False
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.time() + self.all_connections.bounds.write_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = math.inf
        if self._busy and self.reply is None and (self.cycle is None or self.cycle.response_complete):
            self._go_on()

    def check_deadline(self, now: float) -> None:
        """Called once a second."""
        if self._stalled <= now:
            self.transport.abort()
        elif self._busy or self.deadline > now:
            return
        elif self._lingering:
            self.transport.abort()
        elif self._body is not None:
            allowed = f"within {self.all_connections.bounds.body_seconds:g} s"
            self._reject(RequestError(408, "The body did not arrive in time.", field="body", allowed=allowed))
        elif self._part:
            allowed = f"within {self.all_connections.bounds.head_seconds:g} s"
            self._reject(RequestError(408, "The head did not arrive in time.", field="head", allowed=allowed))
        else:
            self.close_idle()

    def close_idle(self) -> None:
        self.idle = False
        self._lingering, self.deadline = True, self.loop.time() + LINGER_SECONDS
        self.transport.close()

    # -- reading -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.idle:
            self._read(data)
        elif self._lingering:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED:
                self.transport.abort()
        elif self._busy:  # it did not wait for its answer
            self._held += data
            self.flow.pause_reading()
        elif self._body is not None:
            self._receive(data)
        else:
            part, self._part = self._part, b""
            self._read(part + data, len(part))

    def _read(self, data: bytes, known: int = 0) -> None:
        """What begins with a request. `known`: so many bytes of it were looked at before, and are no whole head."""
        head = self.heads.of(data)
        if isinstance(head, Head) and len(data) == head.end:
            self._ask(head, data[head.start :])
            return
        if data[0] in b"\r\n":  # some callers end a body by a line
            data = data.lstrip(b"\r\n")
            if not data:
                return
            head = self.heads.of(data)
        if isinstance(head, Head):
            self._begin(head, data[head.start :])
        elif (refusal := head or unfinished(data, known)) is not None:
            self._reject(refusal, bodyless=data.startswith(b"HEAD "))
        else:
            if self.idle:
                self.idle, self.deadline = False, self.loop.time() + self.all_connections.bounds.head_seconds
            self._part = data

    def _begin(self, head: Head, data: bytes) -> None:
        """A request of which more, or less, than all is here."""
        self.idle = False
        self._head, self._body = head, Chunks() if head.length < 0 else Sized(head.length)
        if len(data) < head.length or head.length < 0:
            try:
                self.allow(head.method, head.path, head.headers)
            except RequestError as refusal:
                self._reject(refusal)
                return
            self.deadline = self.loop.time() + self.all_connections.bounds.body_seconds
            if head.expects and not data:
                self.transport.write(_CONTINUE)
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        """More of a body, and perhaps what follows it."""
        head, body = self._head, self._body
        assert head is not None
        assert body is not None
        self._counted += len(data)
        try:
            self.all_connections.buffer_grew(len(data))
            rest = body.feed(data)
        except RequestError as refusal:
            self._reject(refusal)
            return
        if rest is None:
            return
        self._end_body()
        if rest:
            self._held = rest
            self.flow.pause_reading()
        self._ask(head, bytes(body.data))

    def _end_body(self) -> None:
        if self._body is not None:
            self.all_connections.buffered -= self._counted
            self._head, self._body, self._counted = None, None, 0

    # -- asking --------------------------------------------------------------------------------------

    def _ask(self, head: Head, body: bytes) -> None:
        """The whole request goes to the gateway, the short way if it can."""
        self.idle, self._busy, self._keep = False, True, head.keep and self._keep
        if head.model:
            call = HttpRequest("POST", head.path, head.headers, body)
            reply = self.reply = Reply(self, call)
            try:
                if self.admission.full:
                    self._turn_away(head)
                    return
                if head.direct and self.predict is not None and self.predict(call, head.model, reply):
                    return
            except Exception as error:  # noqa: BLE001 - a refusal, or a defect that the gateway logs
                reply.set_exception(error)
                return
            self.reply = None
        self._through_asgi(head, body)

    def _turn_away(self, head: Head) -> None:
        """Refusing must cost little, or refusing is the overload."""
        self.allow(head.method, head.path, head.headers)
        self.admission.refused()
        if self._keep:
            self.transport.write(REFUSED)
            self._complete()
        else:
            self._write(429, _BODY, _FULL)

    def _through_asgi(self, head: Head, body: bytes) -> None:
        path = head.path.encode()
        self.scope = {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": head.version,
            "server": self.server, "client": self.client, "scheme": self.scheme or "http", "root_path": self.root_path,
            "headers": head.headers, "state": self.app_state.copy(), "method": head.method, "path": head.path,
            "raw_path": path, "query_string": head.query,
        }  # fmt: skip
        cycle = self.cycle = RequestResponseCycle(
            scope=self.scope, transport=self._response, flow=self.flow, logger=self.logger,
            access_logger=self.access_logger, access_log=self.access_log, default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(), expect_100_continue=False, keep_alive=self._keep,
            on_response=self.on_response_complete,
        )  # fmt: skip
        cycle.body, cycle.more_body = bytearray(body), False
        cycle.message_event.set()
        self._start_asgi_task(cycle, self.app)

    # -- answering -----------------------------------------------------------------------------------

    def answered(self, reply: Reply, response: Response) -> None:
        """Send it, unless the caller has left."""
        if self.reply is not reply:
            return
        if len(response.body) >= MIN_ANSWER:  # it may have to be compressed
            self.loop.create_task(self._pack(reply, response))
            return
        self._write(response.status, response.body, _OWN % (response.kind, len(response.body), header_lines(response.headers)))

    async def _pack(self, reply: Reply, response: Response) -> None:
        body, headers = await packed(response, reply.call.headers)
        if self.reply is reply:
            self._write(response.status, body, header_lines(headers))

    def _write(self, status: int, body: bytes, own: bytes) -> None:
        """The whole response; `own`: its own headers, as they are sent."""
        always = self.server_state.default_headers  # a new list every second, with the date
        if self._dated[0] is not always:
            type(self)._dated = (always, header_lines(always))
        if not self._keep:
            own += _CLOSE
        self.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[status], self._dated[1], own, body))
        self._complete()

    def _reject(self, refusal: RequestError, *, bodyless: bool = False) -> None:
        """Nothing that this caller sends is read any more: where its next request would begin is not certain."""
        self.idle, self._busy, self._keep, self._rejected = False, True, False, True
        self._end_body()
        self._part = self._held = b""
        response = self.refuse(HttpRequest("", "", []), refusal)
        own = _OWN % (response.kind, len(response.body), header_lines(response.headers))
        self._write(response.status, b"" if bodyless else response.body, own)

    def on_response_complete(self) -> None:
        self._corked.flush()  # of a response without a body
        self._complete()

    def _complete(self) -> None:
        """The next request on the connection, or its time to idle."""
        self.reply = None
        self.server_state.total_requests += 1
        if self._held or not self._keep or self._eof or self.flow.write_paused:
            self._go_on()
            return
        self._busy, self.idle = False, True
        self.deadline = self.loop.time() + self.timeout_keep_alive

    def _go_on(self) -> None:
        """After an answer, where that is not simply the next request."""
        if self.transport.is_closing() or self.flow.write_paused:
            return  # the latter: an answer is to be taken before there is another one
        if not self._keep:
            self._linger()
        elif self._held:
            self.loop.call_soon(self._next)
        elif self._eof:
            self.transport.close()
        else:
            self._busy, self.idle = False, True
            self.deadline = self.loop.time() + self.timeout_keep_alive

    def _next(self) -> None:
        """What came behind the last request, an iteration of the event loop later, so that no caller keeps the loop to itself."""
        if self.transport.is_closing() or not self._held:
            return
        held, self._held = self._held, b""
        self._busy, self.idle = False, True
        self.deadline = self.loop.time() + self.timeout_keep_alive
        self.flow.resume_reading()
        self._read(held)
        if self._eof and not self._busy and not self._lingering and not self.eof_received():
            self.transport.close()

    def _end(self) -> None:
        """The app's response is the last one."""
        self._keep = False
        self._linger()

    def _linger(self) -> None:
        """Close so that the answer arrives: a socket that is closed on unread bytes takes the answer back."""
        self._busy, self._held = False, b""
        self._corked.flush()
        if self._lingering or self.transport.is_closing():
            return
        secure = self.scheme == "https"
        if self._eof or self._stopping or (secure and not self._rejected):
            self.transport.close()
            return
        self._lingering, self.deadline = True, self.loop.time() + LINGER_SECONDS
        self.flow.resume_reading()
        if not secure:  # TLS has no end of one way: the caller closes, or the deadline does
            self.transport.write_eof()
