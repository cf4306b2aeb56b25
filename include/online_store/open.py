"""Opening the online store behind a URL."""

from __future__ import annotations

from collections.abc import Callable

from include.core.adapters import ADAPTERS, adapter
from include.core.errors import SpecError
from include.core.ports import OpenAws, open_aws
from include.core.settings import Settings
from include.online_store.store import OnlineStore

_PORT, _ON_AWS = "online.", "online_aws."  # in the table of adapters, before the schemes of the vendors' addresses


def open_online(url: str, aws: OpenAws | None = None) -> OnlineStore:
    """`sqlite:////absolute/path.db` (as SQLAlchemy writes it), `redis://host:port/db` or `dynamodb://table`. Opens no connection
    yet. `aws`: for a store of AWS's; by default with the login in this process' environment.

    Raises SpecError for a scheme that no vendor answers to, and for an address that its vendor cannot use.
    """
    scheme = url.partition("://")[0]
    if f"{_ON_AWS}{scheme}" in ADAPTERS:
        on_aws: Callable[[str, OpenAws], OnlineStore] = adapter(f"{_ON_AWS}{scheme}")
        return on_aws(url, aws or (lambda: open_aws(Settings.from_env())))
    if f"{_PORT}{scheme}" not in ADAPTERS:
        known = sorted(name.partition(".")[2] for name in ADAPTERS if name.startswith((_PORT, _ON_AWS)))
        raise SpecError(
            "SLIPSTREAM_ONLINE_URL has an unknown scheme.",
            seen=scheme,
            hint=f"use sqlite:///path, redis://host:port/0 or dynamodb://table; known schemes are {', '.join(known)}.",
        )
    opener: Callable[[str], OnlineStore] = adapter(f"{_PORT}{scheme}")
    return opener(url)
