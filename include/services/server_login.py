"""Whether a server answers, and takes a login: one question to each, for Airflow's Connections page and for `slipstream doctor`.

Only the standard library, for Airflow's API server asks, too. No answer here ever holds what was sent as a password.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from include.core import environment, tls
from include.core.address import without_login, without_secrets
from include.core.connection import Connection
from include.core.environment import MLFLOW_CERTIFICATES, MLFLOW_INSECURE
from include.core.errors import SlipstreamError
from include.core.variable import Variable

TIMEOUT = 5.0  # seconds
LARGEST = 1_000_000  # bytes of an answer that are read

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """A server of ours: how it is asked something that needs a login, and how its answer is known."""

    name: str
    """For people, as a sentence begins with it."""
    address: Variable
    """The setting that holds its address."""
    path: str
    login: str
    """What the connection's login is, for people."""
    headers: Callable[[Connection], Headers]
    is_answer: Callable[[object], bool]
    body: Callable[[Connection], object] | None = None
    """Of a POST; a GET where there is none."""
    secure: Callable[[], ssl.SSLContext] = tls.context
    """What its certificate is checked by."""


@dataclass(frozen=True)
class Asked:
    """`reached`: it is the server that was meant. `accepted`: it took the login."""

    reached: bool
    accepted: bool
    words: str
    clock: datetime | None = None
    """The server's own time, where it said it."""


def _bearer(connection: Connection) -> Headers:
    return {"Authorization": f"Bearer {connection.password}"} if connection.password else {}


def _basic(connection: Connection) -> Headers:
    if not connection.login:
        return {}
    pair = f"{connection.login}:{connection.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _mlflow_context() -> ssl.SSLContext:
    """By the settings that MLflow's own client takes."""
    return tls.unverified() if MLFLOW_INSECURE.is_on() else tls.context(None, MLFLOW_CERTIFICATES)


def _has(*keys: str) -> Callable[[object], bool]:
    return lambda answer: isinstance(answer, dict) and any(key in answer for key in keys)


SERVERS: Mapping[str, Server] = {
    "slipstream_gateway": Server(
        "The gateway", environment.GATEWAY_URL, "/status", "the token", _bearer, _has("models"), secure=tls.gateway_context
    ),
    "slipstream_mlflow": Server(
        "MLflow", environment.MLFLOW_URL, "/api/2.0/mlflow/experiments/search?max_results=1", "the login", _basic,
        lambda answer: isinstance(answer, dict) and set(answer) <= {"experiments", "next_page_token"},
        secure=_mlflow_context,
    ),
    "slipstream_ray": Server(
        "Ray's Jobs API", environment.RAY_URL, "/api/jobs/", "the token", _bearer,
        lambda answer: isinstance(answer, list | dict),
    ),
    "slipstream_airflow": Server(
        "Airflow", environment.AIRFLOW_URL, "/auth/token", "the login", lambda connection: {}, _has("access_token"),
        lambda connection: {"username": connection.login, "password": connection.password},
    ),
}  # fmt: skip


def ask(server: Server, url: str, connection: Connection, timeout: float = TIMEOUT) -> Asked:
    """Asks once. Never raises, and waits for `timeout` seconds at most for each part of the answer."""
    shown = without_login(url).rstrip("/")
    try:
        status, text, clock = _send(server, shown, connection, timeout)
    except (OSError, http.client.HTTPException, ValueError, SlipstreamError) as error:
        return Asked(False, False, f"{server.name} at {shown} does not answer: {_why(error, url, connection)}.")
    if status in (401, 403):
        return Asked(True, False, f"{server.name} at {shown} answers, and refuses {server.login} (HTTP {status}).", clock)
    if status >= 400 or not _is_answer(server, text):
        return Asked(False, False, f"What answers at {shown} is not {server.name.replace('The', 'the')}: HTTP {status}.", clock)
    given = bool(connection.login or connection.password)
    words = f"{server.name} at {shown} answers, " + (f"and takes {server.login}." if given else "and asks for no login.")
    return Asked(True, True, words, clock)


def _send(server: Server, url: str, connection: Connection, timeout: float) -> tuple[int, bytes, datetime | None]:
    body = json.dumps(server.body(connection)).encode() if server.body is not None else None
    headers = {"Content-Type": "application/json", "Accept": "application/json", **server.headers(connection)}
    request = urllib.request.Request(url + server.path, data=body, headers=headers)
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=server.secure()))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            return answer.status, answer.read(LARGEST), _clock(answer.headers.get("Date"))
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, b"", _clock(refused.headers.get("Date"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A login is sent to the address that was named, and to no other."""

    def redirect_request(self, *given: object) -> None:
        del given


def _is_answer(server: Server, text: bytes) -> bool:
    try:
        return server.is_answer(json.loads(text))
    except ValueError:
        return False


def _clock(date: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(date) if date else None
    except ValueError:
        return None


def _why(error: Exception, url: str, connection: Connection) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    text = error.what.rstrip(".") if isinstance(error, SlipstreamError) else str(reason) or type(reason).__name__
    text = without_secrets(text, url)
    return text.replace(connection.password, "***") if len(connection.password) > 2 else text
