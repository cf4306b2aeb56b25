"""SageMaker's contract of a container: `GET /ping` and `POST /invocations` on port 8080, as paths of the gateway's own.

The body of an invocation is that of `POST /predict/{model}`, a single question or many, and so is the answer. What SageMaker
hands on beside it are the custom attributes of a call, one header of `name=value` pairs with commas between. Two are known:

    id=...              the request's id, where the body names none
    slipstream=infer    ask the version itself, in the Open Inference Protocol, as a smoke test does; `metadata`: its inputs

SageMaker has let the caller in; it is the one that reaches the port.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from include.serving.http.asgi import Headers, Receive, Response, Scope, Send, read_body, respond
from include.serving.http.request_error import RequestError

PING, INVOCATIONS, PORT = "/ping", "/invocations", 8080
HEADER = b"x-amzn-sagemaker-custom-attributes"
ATTRIBUTES, INFER, METADATA, ID = "slipstream", "infer", "metadata", "id"
JSON = "application/json"
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Invocations:
    """An ASGI app before the gateway's, for one model and one version of it."""

    def __init__(self, app: App, model: str, version: int) -> None:
        self._app = app
        self._own = f"/v2/models/{model}/versions/{version}"
        self._predict = f"/predict/{model}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            path, method, ask = await self._inner(scope, receive)
        except RequestError as error:
            await respond(Response(json.dumps(error.body).encode(), error.status, headers=error.headers), send, scope["headers"])
            return
        headers = [each for each in scope["headers"] if each[0] not in (b"content-encoding", b"content-length")]
        within = {**scope, "path": path, "raw_path": path.encode(), "method": method, "headers": headers}
        await self._app(within, ask, send)

    async def _inner(self, scope: Scope, receive: Receive) -> tuple[str, str, Receive]:
        """The gateway's path and method for a request, and its body. Raises RequestError: 404, 405, 415, and the body's own."""
        path, method = scope["path"], scope["method"]
        if path == PING:
            _require(method, "GET")
            return "/v2/health/ready", "GET", receive
        if path != INVOCATIONS:
            raise RequestError(404, "There is nothing here.", field="path", value=path, allowed=f"{PING}, {INVOCATIONS}")
        _require(method, "POST")
        _require_json(scope["headers"])
        attributes = custom_attributes(scope["headers"])
        asked = attributes.get(ATTRIBUTES, "")
        if asked == METADATA:
            return self._own, "GET", _whole(b"")
        body = await read_body(scope, receive)
        if asked == INFER:
            return f"{self._own}/infer", "POST", _whole(body)
        if asked:
            raise RequestError(400, "Not a question.", field=ATTRIBUTES, value=asked, allowed=f"{INFER}, {METADATA}")
        return self._predict, "POST", _whole(with_id(body, attributes.get(ID, "")))


def custom_attributes(headers: Headers) -> dict[str, str]:
    """By name. What has no `=` is somebody else's, and passed over."""
    text = next((value.decode("latin-1") for name, value in headers if name == HEADER), "")
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): value.strip() for name, _, value in pairs}


def with_id(body: bytes, request_id: str) -> bytes:
    """The body of one question with an id, unless it names one; a body that is none is left for the gateway to refuse."""
    if not request_id:
        return body
    try:
        value: Any = json.loads(body)
    except ValueError:
        return body
    if not isinstance(value, dict) or "id" in value or "requests" in value:
        return body
    return json.dumps({**value, "id": request_id}).encode()


def _require(method: str, wanted: str) -> None:
    if method != wanted and not (wanted == "GET" and method == "HEAD"):
        raise RequestError(405, "Wrong method.", field="method", value=method, allowed=wanted)


def _require_json(headers: Headers) -> None:
    kind = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), JSON)
    if kind.partition(";")[0].strip().lower() not in (JSON, ""):
        raise RequestError(415, "Only JSON is read.", field="Content-Type", value=kind, allowed=JSON)


def _whole(body: bytes) -> Receive:
    """A receiver of a body that is read."""
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
