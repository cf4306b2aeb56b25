"""Opening the online store behind a URL."""

from __future__ import annotations

from collections.abc import Callable

from include.core.adapters import ADAPTERS, adapter
from include.core.errors import SpecError
from include.online_store.store import OnlineStore

_PORT = "online."  # in the table of adapters, before the schemes of the vendors' addresses


def open_online(url: str) -> OnlineStore:
    """`sqlite:////absolute/path.db` (as SQLAlchemy writes it), or `redis://host:port/db`. Opens no connection yet.

    Raises SpecError for a scheme that no vendor answers to, and for an address that its vendor cannot use.
    """
    scheme = url.partition("://")[0]
    if f"{_PORT}{scheme}" not in ADAPTERS:
        known = ", ".join(sorted(name.removeprefix(_PORT) for name in ADAPTERS if name.startswith(_PORT)))
        raise SpecError(
            "SLIPSTREAM_ONLINE_URL has an unknown scheme.",
            seen=scheme,
            hint=f"use sqlite:///path or redis://host:port/0; known schemes are {known}.",
        )
    opener: Callable[[str], OnlineStore] = adapter(f"{_PORT}{scheme}")
    return opener(url)
