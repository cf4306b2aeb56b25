"""Reading an Airflow connection without Airflow: the `AIRFLOW_CONN_<ID>` URI in the environment.

Secrets have one home, the Airflow connection. In a task the hook hands the connection over; the gateway,
a Ray job and the `slipstream` command (which must work while Airflow is down) read the same URI here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Connection:
    url: str = ""  # scheme://host:port, without credentials
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


def parse(uri: str) -> Connection:
    """`http://user:password@host:port/?key=value` as Airflow writes it."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    netloc = f"{host}:{parts.port}" if parts.port else host
    return Connection(
        url=f"{parts.scheme}://{netloc}" if host else "",
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        extra=dict(parse_qsl(parts.query)),
    )


def from_env(conn_id: str, environ: Mapping[str, str] | None = None) -> Connection | None:
    """The connection of that id, or None where it is not set."""
    uri = (os.environ if environ is None else environ).get(f"AIRFLOW_CONN_{conn_id.upper()}")
    return parse(uri) if uri else None
