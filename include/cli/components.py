"""Whether the platform's parts answer, asked all at once and never for long."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from include.core import tls
from include.core.address import without_login
from include.core.errors import SlipstreamError
from include.core.ports import AwsAccess, OpenAws, open_aws
from include.core.settings import Settings
from include.online_store.open import open_online

TIMEOUT = 2.0  # seconds


@dataclass(frozen=True)
class Component:
    name: str
    address: str
    problem: str  # empty if it answers


def components(settings: Settings) -> list[Component]:
    """Airflow, MLflow, Ray, the gateway and the online store."""
    asked = [
        ("airflow", settings.airflow_url, "/api/v2/monitor/health"),
        ("mlflow", settings.mlflow_url, "/health"),
        ("ray", settings.ray_url, "/api/version"),
        ("gateway", settings.gateway_url, "/v2/health/live"),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        found = list(pool.map(lambda each: Component(each[0], each[1], _get(each[1], each[2], settings.environ)), asked))
    return [*found, online_store(settings.online_url, lambda: open_aws(settings))]


def _get(url: str, path: str, environ: Mapping[str, str]) -> str:
    """What is wrong with a server; a refusal for want of a token is an answer too."""
    parts = urlsplit(url)
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port, environ)
    except SlipstreamError as error:
        return error.what
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        hint = tls.untrusted(error)
        return (str(error) or type(error).__name__) + (f" ({hint})" if hint else "")
    finally:
        connection.close()
    return f"HTTP {status}" if status >= 500 else ""


def _connection(scheme: str, host: str, port: int | None, environ: Mapping[str, str]) -> http.client.HTTPConnection:
    """Raises SpecError for certificates that cannot be read."""
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=tls.gateway_context(environ))
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT)


def online_store(url: str, aws: OpenAws | None = None) -> Component:
    """A file cannot be down; a server is connected to, and over TLS asked as well: it is the handshake that fails.

    A table of AWS's is asked for a row that is not there.
    """
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        return Component("online store", url, "")
    if parts.scheme == "dynamodb":
        return Component("online store", without_login(url), _asked(url, aws))
    family: socket.AddressFamily = socket.AF_UNIX if parts.scheme == "unix" else socket.AF_INET
    address = parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)
    place = f"{parts.scheme}://{address if isinstance(address, str) else f'{address[0]}:{address[1]}'}"
    with socket.socket(family) as probe:
        probe.settimeout(TIMEOUT)
        try:
            probe.connect(address)
        except OSError as error:
            return Component("online store", place, str(error))
    return Component("online store", place, _asked(url) if parts.scheme == "rediss" else "")


class _Hasty:
    """AWS by clients that do not wait for longer than a look may take."""

    def __init__(self, aws: AwsAccess) -> None:
        self._aws, self.region = aws, aws.region

    def client(self, service: str, within: float | None = None) -> Any:
        return self._aws.client(service, within or TIMEOUT)


def _asked(url: str, aws: OpenAws | None = None) -> str:
    """What is wrong with a store, by the very options that rows are read and written with."""
    try:
        open_online(url, None if aws is None else lambda: _Hasty(aws())).fetch(["none"])
    except SlipstreamError as error:
        return error.what
    return ""
