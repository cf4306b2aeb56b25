"""The online features of a request, and what happens when their store is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.core.spec import View

log = logging.getLogger(__name__)
PAUSE_SECONDS = 1.0  # after a failure the store is left alone: its timeout is not every caller's wait


class FeatureReader:
    """Reads one entity's features. A failing store costs one caller in a second its timeout, and nobody an error.

    The store is opened on first use, so that a gateway starts while its store is down.
    """

    def __init__(self, open_store: Callable[[], Any]) -> None:
        self._open = open_store
        self._store: Any = None
        self._closed_until = 0.0
        self.failures = 0

    def read(self, model: str, views: Sequence[View], entity: Mapping[str, Any], at: datetime) -> dict[str, Any] | None:
        """{feature: value} known at that moment (UTC, no zone); absent ones are unknown. None: the store does not answer."""
        if not views:
            return {}
        if time.monotonic() < self._closed_until:
            return None
        try:
            values: dict[str, Any] = self._opened().read_entity(model, views, entity, at)
        except Exception as error:  # noqa: BLE001 - a store of any vendor, broken in any way, is a degraded answer
            self._closed_until = time.monotonic() + PAUSE_SECONDS
            self.failures += 1
            log.warning("the online store did not answer: %s", error)
            return None
        return values

    def write(self, model: str, view: View, rows: Any, created: datetime) -> int:
        """Push a table of rows; how many were newer than what was there. Raises UnreachableError."""
        return int(self._opened().write(model, view, rows, created))

    def _opened(self) -> Any:
        if self._store is None:
            self._store = self._open()
        return self._store
