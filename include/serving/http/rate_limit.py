"""A model's own rate limit: a token bucket in each worker, so that one model's callers cannot starve the others."""

from __future__ import annotations

import time

from include.core.spec import ModelSpec
from include.serving.http.request_error import RequestError


class Bucket:
    """Holds a second's worth of requests, at least one."""

    __slots__ = ("_at", "_per_second", "_size", "_tokens")

    def __init__(self, per_second: float) -> None:
        self._per_second, self._size = per_second, max(per_second, 1.0)
        self._tokens, self._at = self._size, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Rates:
    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def check(self, spec: ModelSpec) -> None:
        """Raises RequestError (429) beyond the rate of the spec's serving section."""
        limit = spec.serving.requests_per_second
        if limit is None:
            return
        bucket = self._buckets.get(spec.name) or self._buckets.setdefault(spec.name, Bucket(limit))
        if not bucket.take():
            what = f"{spec.name} is asked for more often than its limit."
            raise RequestError(429, what, field="model", value=spec.name, allowed=f"{limit:g} requests/s", retry_after=1)
