"""Whether the platform's parts answer, asked all at once and never for long."""

from __future__ import annotations

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from include.core.settings import Settings

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
        found = list(pool.map(lambda each: Component(each[0], each[1], _get(each[1], each[2])), asked))
    return [*found, online_store(settings.online_url)]


def _get(url: str, path: str) -> str:
    """What is wrong with a server; a refusal for want of a token is an answer too."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return f"HTTP {status}" if status >= 500 else ""


def online_store(url: str) -> Component:
    """A file cannot be down; a server is connected to. Its password is not shown."""
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        return Component("online store", url, "")
    family: socket.AddressFamily = socket.AF_UNIX if parts.scheme == "unix" else socket.AF_INET
    address = parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)
    shown = f"{parts.scheme}://{address if isinstance(address, str) else f'{address[0]}:{address[1]}'}"
    with socket.socket(family) as probe:
        probe.settimeout(TIMEOUT)
        try:
            probe.connect(address)
        except OSError as error:
            return Component("online store", shown, str(error))
    return Component("online store", shown, "")
