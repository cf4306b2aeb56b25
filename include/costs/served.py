"""What answers have taken, by the prediction log: the clock of each from the decoded request to the score, with its features.

A worker waits for the online store in that time, and may answer others: by the price of a CPU it is a limit from above.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from include.costs.prices import HOUR, Prices

THOUSAND = 1000


@dataclass(frozen=True)
class Served:
    """Of a version (None: the default score): how many predictions, and the seconds that they took together."""

    version: int | None
    predictions: int
    seconds: float

    @property
    def thousand(self) -> float:
        """Seconds."""
        return self.seconds / self.predictions * THOUSAND

    def money(self, prices: Prices) -> float | None:
        """Of a thousand, at most."""
        return None if prices.cpu_hour is None else self.thousand / HOUR * prices.cpu_hour

    def to_json(self, prices: Prices) -> dict[str, Any]:
        money = self.money(prices)
        told = {"seconds": round(self.thousand, 6), "money_at_most": None if money is None else round(money, 9)}
        return {"version": self.version, "predictions": self.predictions, "seconds": round(self.seconds, 6), "thousand": told}


def served(answers: Iterable[tuple[int | None, float]]) -> list[Served]:
    """Of versions and microseconds, an answer each; by version."""
    found: dict[int | None, tuple[int, float]] = {}
    for version, latency in answers:
        count, seconds = found.get(version, (0, 0.0))
        found[version] = count + 1, seconds + latency / 1e6
    return [Served(version, *found[version]) for version in sorted(found, key=lambda each: -1 if each is None else each)]
