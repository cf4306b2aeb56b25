"""The online store behind a URL: the adapter that stages ask for by the name "online"."""

from __future__ import annotations

from include.core.errors import SpecError
from include.online_store.store import OnlineStore


def open_online(url: str) -> OnlineStore:
    """`sqlite:////absolute/path.db` (as SQLAlchemy writes it), or `redis://host:port/db`. Raises SpecError.

    Opens no connection yet.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        from include.backends.sqlite.online_store import SqliteOnlineStore

        return SqliteOnlineStore(rest.removeprefix("/"))
    if scheme in {"redis", "rediss", "unix"}:
        from include.backends.redis.online_store import RedisOnlineStore

        return RedisOnlineStore(url)
    raise SpecError(
        "SLIPSTREAM_ONLINE_URL has an unknown scheme.", seen=scheme, hint="use sqlite:///path or redis://host:port/0."
    )
