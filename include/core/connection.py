"""Reading an Airflow connection without Airflow: from its secrets backend, or the `AIRFLOW_CONN_<ID>` URI in the environment.

Secrets have one home, the Airflow connection. In a task the hook hands the connection over; the gateway,
a Ray job and the `slipstream` command (which must work while Airflow is down) read the same URI here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from include.core import environment, secret_store
from include.core.errors import PermanentError, SpecError

OURS = "slipstream_"  # connection types of our servers begin so: operators/provider_info.py
WEB = ("http", "https")


@dataclass(frozen=True)
class Connection:
    url: str = ""  # scheme://host:port, without credentials
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse(uri: str) -> Connection:
    """`http://user:password@host:port/?key=value`, or the JSON object that Airflow takes as well.

    Raises SpecError, which never shows the text: it may hold a password.
    """
    try:
        return _from_json(json.loads(uri)) if uri.lstrip().startswith("{") else _from_uri(uri)
    except (ValueError, TypeError, AttributeError) as error:
        hint = "write it as scheme://login:password@host:port/?key=value, or as the JSON object of the Airflow docs."
        raise SpecError("A connection (AIRFLOW_CONN_..., or a secret of Airflow's backend) cannot be read.", hint=hint) from error


def _scheme(given: str, schema: str) -> str:
    """HTTP for Airflow's connection types of our servers (`slipstream-gateway`), which say `https` as the schema."""
    if schema in WEB:
        return schema
    return "http" if given.replace("-", "_").startswith(OURS) else given


def _from_json(value: Mapping[str, Any]) -> Connection:
    host, port = value.get("host") or "", value.get("port")
    extra = value.get("extra") or {}
    scheme = _scheme(value.get("conn_type") or "", value.get("schema") or "")
    if host.partition("://")[0] in WEB:
        scheme, _, host = host.partition("://")
    place = f":{port}" if port else ""
    return Connection(
        url=f"{scheme}://{host}{place}" if host else "",
        login=value.get("login") or "",
        password=value.get("password") or "",
        extra=json.loads(extra) if isinstance(extra, str) else dict(extra),
    )


def _from_uri(uri: str) -> Connection:
    own, _, rest = uri.partition("://")
    if own.replace("-", "_").startswith(OURS):
        # Airflow puts a host's own scheme behind the connection's type; a URL's scheme has no underscore.
        uri = rest if rest.partition("://")[0] in WEB else f"{own.replace('_', '-')}://{rest}"
    parts = urlsplit(uri)
    query = dict(parse_qsl(parts.query))
    nested = json.loads(query.pop("__extra__", "{}"))  # where Airflow puts an extra that is not flat text
    host = parts.hostname or ""
    netloc = f"{host}:{parts.port}" if parts.port else host
    return Connection(
        url=f"{_scheme(parts.scheme, parts.path.strip('/'))}://{netloc}" if host else "",
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        extra={**query, **nested},
    )


def from_env(conn_id: str, environ: Mapping[str, str] | None = None) -> Connection | None:
    """The connection of that id, or None where there is none. Raises as `text_of` and `parse` do."""
    text = text_of(conn_id, environ)
    return parse(text) if text else None


def text_of(conn_id: str, environ: Mapping[str, str] | None = None) -> str:
    """The connection's text where Airflow finds it first: in the secrets backend, then in the environment. Empty: there is none.

    Raises UnreachableError where the backend does not answer, PermanentError where it refuses and the environment has none.
    """
    here = environment.connection(conn_id).read(environ)
    store = secret_store.opened(environ)
    if store is None:
        return here
    try:
        return store.connection(conn_id) or here
    except PermanentError:
        if here:  # Airflow goes on with it, too
            return here
        raise
