"""The gateway where traces are on. Where they are off it is the plain one, whose way has not a comparison more.

A request begins a trace, or goes on with its caller's, once it may be answered: strangers leave none, whatever they send.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from include.core.tracing import Tracer
from include.serving.gateway import Gateway, Parts
from include.serving.http.asgi import Done, HttpRequest, Receive, Scope, Send
from include.serving.http.gateway_protocol import Reply
from include.serving.http.request_error import RequestError
from include.serving.http.routes import FEEDBACK, PREDICT, PUSH, Route, find
from include.serving.models.deployment import Deployment
from include.serving.prediction.traced_predictor import TracedPredictor
from include.serving.telemetry.recording import Recording, Watched

RIGHTS = (PREDICT, PUSH, FEEDBACK)  # of the routes that are traced: probes and scrapes would drown the rest
_current: ContextVar[Recording | None] = ContextVar("recording", default=None)  # of a request that goes through the app


class TracedGateway(Gateway):
    predictor = TracedPredictor

    def __init__(self, parts: Parts, tracer: Tracer) -> None:
        super().__init__(parts)
        self._tracer, self._recorded = tracer, tracer.requests()

    def _join(self, call: HttpRequest, deployment: Deployment, done: Done) -> None:
        if isinstance(done, Reply):  # without the app: nobody has asked before
            trace = self._recorded(call.headers)
            recording = None if trace is None else Recording(trace)
        else:
            recording = _current.get()
        if recording is None:
            Gateway._join(self, call, deployment, done)  # a third of what super() costs, in nearly every request
            return
        watched = Watched(done, recording)
        try:
            super()._join(call, deployment, watched)
        except Exception as error:
            watched.refused(error)
            raise

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = self._recorded(scope["headers"])
        if trace is None:
            await super()._http(scope, receive, send)
            return
        recording = Recording(trace)

        async def noted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                recording.status = message["status"]
                message = {**message, "headers": [*message["headers"], recording.header]}
            await send(message)

        token = _current.set(recording)
        try:
            await super()._http(scope, receive, noted)
        finally:
            _current.reset(token)
            if (route := _route(scope, recording)) is not None:
                recording.finish(scope["method"], route.pattern)

    def _close(self) -> None:
        super()._close()
        self._tracer.flush()


def _route(scope: Scope, recording: Recording) -> Route | None:
    """That of the path, if it is traced; the names in it are noted."""
    try:
        route, names = find(scope["method"], scope["path"])
    except RequestError:
        return None
    recording.note({f"slipstream.{name}": value for name, value in names.items()})
    return route if route.right in RIGHTS else None
