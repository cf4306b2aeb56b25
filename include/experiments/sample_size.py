"""Before an experiment starts: what it will see, by the entities that come in a week.

The power is that of the look at the planned end alone. An experiment is looked at before, too, so its power is somewhat higher;
beside it stands the power of a test that is done once, at the end, and that nobody may look at before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from include.experiments.confidence_sequence import optimal_information, width, width_once

_NORMAL = NormalDist()
MOST_WEEKS = 520


@dataclass(frozen=True)
class Traffic:
    """`entities`: distinct ones of a week, in the experiment. `deviation`: of one entity's value, CUPED's share taken off."""

    entities: float
    deviation: float
    share: float  # of the treatment, between 0 and 1


@dataclass(frozen=True)
class Promise:
    """What is said beforehand. `smallest`: the difference that is seen with the wanted power; `weeks_needed`: None: not in ten
    years."""

    entities: float
    power: float
    power_once: float
    smallest: float
    weeks_needed: int | None

    def to_json(self) -> dict[str, float | int | None]:
        return dict(vars(self))


def promise(traffic: Traffic, weeks: int, minimum_effect: float, alpha: float, power: float) -> Promise:
    """For that many weeks. An entity that comes back is one: the weeks after the first add fewer than is said here."""
    error = standard_error(traffic, weeks)
    bound = float(width(optimal_information(alpha), alpha, final=True))
    once = width_once(alpha)
    reached = (each for each in range(1, MOST_WEEKS + 1) if chance(minimum_effect, standard_error(traffic, each), bound) >= power)
    return Promise(
        traffic.entities * weeks,
        chance(minimum_effect, error, bound),
        chance(minimum_effect, error, once),
        error * (bound + _NORMAL.inv_cdf(power)),
        next(reached, None),
    )


def standard_error(traffic: Traffic, weeks: int) -> float:
    """Of the difference at the end of that many weeks."""
    entities = traffic.entities * weeks
    if entities <= 0:
        return math.inf
    return traffic.deviation * math.sqrt(1 / (entities * traffic.share) + 1 / (entities * (1 - traffic.share)))


def chance(effect: float, error: float, bound: float) -> float:
    """That an estimate lies beyond so many standard errors, on the effect's side."""
    if error == 0:
        return 1.0
    return 0.0 if math.isinf(error) else _NORMAL.cdf(abs(effect) / error - bound)
