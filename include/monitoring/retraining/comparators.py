"""The policies that a decision by the price is measured against, and what the staleness probe says of each: its rule.

A member is followed on paper: it has a model of its own, retrains when its own rule says so, and pays for it. What its model
erred in a window is read off the probe, whose matrix has every model that could have been. So the members' losses are all known,
whichever of them was followed (full information), as soon as the window's labels are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.monitoring.retraining.staleness_probe import HORIZON, Ageing, Floats, told

CLOCKS = (1, 2, 3, 5, 8, 13, 21)  # windows
PRICES = (0.5, 1.0, 2.0, 4.0)  # a reading of the probe takes the price so many times
CAUTIONS = (0.3, 0.674, 1.2)  # and stays so many standard errors below its estimate
READINGS = tuple((times, caution) for times in PRICES for caution in CAUTIONS)
COMPARATORS = ("never", *(f"every {k} windows" if k > 1 else "every window" for k in CLOCKS), "on drift", "on loss")
FORECAST = "the staleness probe"
DROP = 0.02  # of the error, as `retraining.on_performance_drop` has it by default
NOISE = 1.645  # a rise of so many usual spreads is chance one time in twenty
ROW = 2  # windows in a row that must say so, as `retraining.consecutive` has it by default


@dataclass(frozen=True)
class Sight:
    """What is known before the window to come. `error`, `found`: of the probe. `alarms`: whether the newest windows drifted, the
    last one last. Models are rows of `error`."""

    error: Floats
    found: Ageing | None
    price: float
    alarms: Sequence[bool] = ()

    @property
    def now(self) -> int:
        return len(self.error) - 1


def readings(sight: Sight, models: Sequence[int]) -> list[bool]:
    """Whether each reading of the probe would replace its model."""
    if sight.found is None:
        return [False] * len(READINGS)
    pairs = zip(READINGS, models, strict=True)
    return [told(sight.found, model, times * sight.price, caution).worth for (times, caution), model in pairs]


def votes(sight: Sight, model: int) -> list[bool]:
    """What each reading says of one model."""
    if sight.found is None:
        return [False] * len(READINGS)
    ahead = {caution: np.cumsum(sight.found.ahead(model, caution)) for caution in CAUTIONS}
    paid = {times: sight.found.pace(times * sight.price) * np.arange(1, HORIZON + 1) for times in PRICES}
    return [bool(np.min(ahead[caution] - paid[times]) > 0) for times, caution in READINGS]


def comparators(sight: Sight, models: Sequence[int]) -> list[bool]:
    """Whether each comparator would replace its model, in the order of COMPARATORS."""
    _, *clocked, drifted, fallen = models
    rung = [sight.now - model >= k for k, model in zip(CLOCKS, clocked, strict=True)]
    return [False, *rung, _drifted(sight, drifted), _fell(sight, fallen)]


def _drifted(sight: Sight, model: int) -> bool:
    """The last windows alarmed, all of them since it was trained."""
    newest = sight.alarms[-ROW:]
    return len(newest) == ROW and all(newest) and sight.now - model >= ROW


def _fell(sight: Sight, model: int) -> bool:
    """In the newest labelled windows it erred more than in its first ones, beyond noise."""
    if sight.found is None or sight.found.known - model < 2 * ROW:
        return False
    mine = sight.error[model, model : sight.found.known]
    return bool(np.all(mine[-ROW:] - mine[:ROW].mean() > max(DROP, NOISE * sight.found.spread)))
