"""Airflow pools that the DAGs use: where a resource is scarce, tasks queue for it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from include.core.errors import UnreachableError
from include.local.credentials import Credentials
from include.local.platform import Platform

POOLS: dict[str, tuple[int, str]] = {
    "ray": (1, "Jobs on the Ray head: two at once do not fit on a small machine."),
    "gateway": (4, "Changes to what the gateway serves."),
    "online": (2, "Writers of the online feature store."),
}


def create(platform: Platform, credentials: Credentials) -> None:
    """Create missing pools over the REST API. An existing one keeps its slots: somebody may have chosen them."""
    token = _post(f"{platform.url('airflow')}/auth/token", {"username": "admin", "password": credentials.airflow_admin})
    for name, (slots, description) in POOLS.items():
        pool = {"name": name, "slots": slots, "description": description, "include_deferred": True}
        _post(f"{platform.url('airflow')}/api/v2/pools", pool, str(token["access_token"]))


def _post(url: str, body: dict[str, object], token: str = "") -> dict[str, object]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        if error.code == 409:  # it exists
            return {}
        raise UnreachableError(f"{url} answered {error.code}.", seen=error.read(300).decode(errors="replace")) from error
    except OSError as error:
        raise UnreachableError(f"{url} does not answer.", seen=str(error), hint="`make status`, then `make up` again.") from error
