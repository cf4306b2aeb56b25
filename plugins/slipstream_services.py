"""The stores behind the Models page."""

from __future__ import annotations

from functools import cache

from include.services.services import Services


@cache
def services() -> Services:
    """Of the API server: its own environment holds every login that the page needs."""
    return Services.from_env()
