"""How many holdout rows it takes to show that a challenger is within the margin of the champion.

The gate asks for `worse + t * error <= margin`, with t the 1 - alpha quantile of Student's law: a non-inferiority test (Chow,
Shao, Wang 2008, "Sample Size Calculations in Clinical Research", ch. 3). Its power at a true difference is that of the
noncentral t law (ibid. 3.1): with error e and f degrees of freedom, the chance that T(f, (worse - margin) / e) <= -t.

The error of a difference falls with the root of what is independent: rows, or days where days differ by more than their rows
(include/metrics/errors.py). So the error of a holdout that was seen gives that of one of any length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, ndtr, stdtrit

from include.metrics.paired import Difference, difference
from include.problems.stated import Stated

POWER = 0.8  # the chance of passing that is planned for
FEWEST, MOST = 3, 10**9  # independent units that are looked at
NORMAL_FROM = 1000  # degrees of freedom from which Student's law is taken for the normal one
SEED = 20


@dataclass(frozen=True)
class Spread:
    """The standard error of a difference of two models, on a holdout of `rows`, of `units` that are independent.

    `units` are the rows themselves, or (`by_day`) the days.
    """

    error: float
    rows: int
    units: int
    by_day: bool

    @classmethod
    def of(cls, seen: Difference) -> Spread | None:
        """Of a difference that was measured; None where its rows tell no error, or there is no difference at all."""
        if not math.isfinite(seen.error) or seen.error <= 0 or seen.rows < 1:
            return None
        return cls(seen.error, seen.rows, seen.freedom + 1, by_day=seen.freedom < seen.rows - 1)

    def chance(self, units: float, worse: float, margin: float, alpha: float) -> float:
        """That the gate opens on a holdout of so many units, for a challenger that is truly worse by `worse`."""
        freedom, error = units - 1, self.error * math.sqrt(self.units / units)
        limit = float(stdtrit(freedom, 1 - alpha))
        shift = (worse - margin) / error
        if freedom >= NORMAL_FROM:
            return float(ndtr(-limit - shift))
        return float(nctdtr(freedom, shift, -limit))

    def needed(self, worse: float, margin: float, alpha: float, power: float = POWER) -> int | None:
        """The units that open the gate with a chance of `power`; None where no number does."""
        if worse >= margin:
            return None
        low, high = FEWEST - 1, FEWEST
        while self.chance(high, worse, margin, alpha) < power:
            low, high = high, high * 2
            if high > MOST:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.chance(middle, worse, margin, alpha) < power else (low, middle)
        return high

    def rows_of(self, units: float) -> int:
        """The rows that so many units have, if they are like those that were seen."""
        return math.ceil(self.rows * units / self.units)


@dataclass(frozen=True)
class Assumed:
    """What a plan before the first training assumes: a binormal score (Hanley and McNeil 1982) that is calibrated.

    `auc`: of either model. `rate`: the share of positive labels. `alike`: the correlation of the two models' scores within a
    class, from 0 to below 1. Rows are taken to be independent: where days differ from each other, more are needed.
    """

    auc: float
    rate: float
    alike: float

    def draw(self, rows: int, seed: int = SEED) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels and the scores of two models [rows]."""
        random = np.random.default_rng(seed)
        labels = (random.random(rows) < self.rate).astype(np.float64)
        apart = math.sqrt(2) * _normal_quantile(self.auc)
        common, *own = random.standard_normal((3, rows))
        latent = [apart * labels + math.sqrt(self.alike) * common + math.sqrt(1 - self.alike) * each for each in own]
        prior = math.log(self.rate / (1 - self.rate))
        first, second = (1 / (1 + np.exp(-(prior + apart * x - apart**2 / 2))) for x in latent)
        return labels, first, second

    def spread(self, metric: str, rows: int, threshold: float = 0.5) -> Spread | None:
        """Of a metric on so many rows, measured on simulated ones as the gate measures it."""
        drawn = max(rows, 20_000)
        labels, first, second = self.draw(drawn)
        seen = Spread.of(difference(metric, labels, first, second, np.zeros(drawn, dtype=np.int64), threshold))
        return None if seen is None else Spread(seen.error * math.sqrt(drawn / rows), rows, rows, by_day=False)


@dataclass(frozen=True)
class AssumedLoss:
    """What a plan assumes of a metric that is the mean of a loss a row, or of a figure a query.

    `deviation`: the standard deviation of that loss from row to row, in the metric's unit. `alike`: how two models' losses of
    the same row correlate, from 0 to below 1. Rows are taken to be independent.
    """

    deviation: float
    alike: float

    def spread(self, rows: int) -> Spread:
        """Of the difference of two models on so many rows."""
        return Spread(self.deviation * math.sqrt(2 * (1 - self.alike) / rows), rows, rows, by_day=False)


def lost(metric: Stated, worse: float) -> str:
    """A true difference in words."""
    if worse == 0:
        return "as good as the champion"
    side = "behind" if worse > 0 else "ahead"
    return f"{side} by {metric.shown(abs(worse))} {metric.title}"


def _normal_quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))
