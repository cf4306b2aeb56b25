"""Which models stay in memory: the ones asked for last, within the limits. Pure policy.

A model that is not loaded is *cold*: its route is known, and its first request brings it in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from include.core.environment import GATEWAY_MEGABYTES, GATEWAY_MODELS
from include.core.errors import SpecError
from include.core.variable import Variable


@dataclass(frozen=True)
class CacheLimits:
    """What one process may hold."""

    models: int = 100
    bytes: int = 4 << 30  # of model files: their weights, which is most of what a session takes

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Raises SpecError."""
        return cls(_positive(environ, GATEWAY_MODELS), _positive(environ, GATEWAY_MEGABYTES) << 20)


def _positive(environ: Mapping[str, str], variable: Variable) -> int:
    text = variable.read(environ)
    if not text.isdecimal() or not int(text):
        raise SpecError(f"{variable.name} must be a whole number above 0.", seen=text, safe="the gateway did not start.")
    return int(text)


class EvictionPolicy:
    """When each model was last asked for. `touched` is filled by the event loop; the deployment manager's thread takes it."""

    def __init__(self, limits: CacheLimits) -> None:
        self.limits = limits
        self.touched: set[str] = set()
        self._used: dict[str, float] = {}

    def settle(self, now: float) -> None:
        """Note the time of what was touched since the last call."""
        touched, self.touched = self.touched, set()
        self._used.update(dict.fromkeys(touched, now))

    def touch(self, model: str, now: float) -> None:
        """It was loaded for somebody who asks."""
        self._used[model] = now

    def used(self, model: str, now: float) -> float:
        """When it was last asked for; a model never asked for counts from the first question about it."""
        return self._used.setdefault(model, now)

    def to_evict(self, sizes: Mapping[str, int], idle: Mapping[str, float], now: float) -> list[str]:
        """Which of the loaded models (bytes by name) must go: idle beyond their own seconds, or the longest unused.

        The one used last is never unloaded for lack of memory, however large: it is being asked for.
        """
        order = sorted(sizes, key=lambda model: self.used(model, now))
        gone = [model for model in order if model in idle and now - self.used(model, now) > idle[model]]
        stay = [model for model in order if model not in gone]
        total = sum(sizes[model] for model in stay)
        while len(stay) > 1 and (len(stay) > self.limits.models or total > self.limits.bytes):
            total -= sizes[stay[0]]
            gone.append(stay.pop(0))
        return gone

    def fits(self, loaded: int, size: int) -> bool:
        """Whether one more may be loaded before anybody asks for it."""
        return loaded < self.limits.models and size < self.limits.bytes
