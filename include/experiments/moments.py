"""What is known of an arm: counts, means and products of its entities' values. Every estimate is made of these ten numbers.

An entity is one observation, however many requests it made: it is what is put in an arm, so its requests are a cluster. Of each
there are three numbers: `value`, what the metric summed up; `weight`, what it is divided by (1, or the entity's requests); and
`before`, the metric of the time before the experiment. Arms are arrays of any shape, so that a thousand simulated experiments
with all their looks are one computation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMES = ("n", "value", "weight", "before", "vv", "vw", "vb", "ww", "wb", "bb")


@dataclass(frozen=True)
class Moments:
    """`n` entities, the means of their three numbers, and the sums of products of the distances from these means."""

    n: Floats
    value: Floats
    weight: Floats
    before: Floats
    vv: Floats
    vw: Floats
    vb: Floats
    ww: Floats
    wb: Floats
    bb: Floats

    @classmethod
    def of(cls, value: Floats, weight: Floats | None = None, before: Floats | None = None) -> Self:
        """Of the entities of one arm."""
        weight = np.ones_like(value) if weight is None else weight
        before = np.zeros_like(value) if before is None else before
        n = len(value)
        columns = np.stack([value, weight, before]).astype(np.float64)
        means = columns.mean(axis=1) if n else np.zeros(3)
        away = columns - means[:, None]
        products = away @ away.T
        rows = [n, *means, products[0, 0], products[0, 1], products[0, 2], products[1, 1], products[1, 2], products[2, 2]]
        return cls(*(np.float64(each) for each in rows))  # type: ignore[arg-type]  # a number is an array of no dimension

    @property
    def ratio(self) -> Floats:
        """The metric: what was summed up, by what it is divided by."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.weight > 0, self.value / self.weight, np.nan)

    @property
    def variance(self) -> Floats:
        """Of one entity's share in the ratio, by the delta method: of plain means their variance."""
        ratio = self.ratio
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._per_entity(self.vv - 2 * ratio * self.vw + ratio**2 * self.ww) / self.weight**2

    @property
    def covariance(self) -> Floats:
        """Of that share and the time before."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._per_entity(self.vb - self.ratio * self.wb) / self.weight

    @property
    def variance_before(self) -> Floats:
        return self._per_entity(self.bb)

    def _per_entity(self, products: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.n > 1, products / (self.n - 1), np.nan)

    def to_json(self) -> dict[str, float]:
        return {name: float(getattr(self, name)) for name in NAMES}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        return cls(*(np.float64(stored[name]) for name in NAMES))  # type: ignore[arg-type]  # as above
