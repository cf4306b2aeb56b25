"""What was last read of each entity: its features, for the time in which their store does not answer; its answer, for a while.

Two generations of a dictionary instead of an ordered one: keeping a value costs one assignment on the hot path,
and what was read within the last `size` entities is certainly there.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class LastKnown(Generic[T]):
    """Values by entity, at most 2 x `size` of them, none older than `seconds`."""

    def __init__(self, seconds: float, size: int = 20_000) -> None:
        self._seconds, self._size = seconds, size
        self._young: dict[Hashable, tuple[float, T]] = {}
        self._old: dict[Hashable, tuple[float, T]] = {}

    def keep(self, entity: Hashable, values: T, now: float) -> None:
        """`now`: time.monotonic, read once for all entities of a batch."""
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[entity] = (now, values)

    def get(self, entity: Hashable) -> T | None:
        read, values = self._young.get(entity) or self._old.get(entity) or (0.0, None)
        return values if values is not None and time.monotonic() - read <= self._seconds else None

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
