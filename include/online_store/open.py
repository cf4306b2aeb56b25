"""Opening the online store behind a URL."""

from __future__ import annotations

from collections.abc import Callable

from include.core.adapters import adapter
from include.online_store.store import OnlineStore


def open_online(url: str) -> OnlineStore:
    """The store at an address; connects on first use. Raises SpecError for a scheme that no vendor answers to."""
    opener: Callable[[str], OnlineStore] = adapter("online")
    return opener(url)
