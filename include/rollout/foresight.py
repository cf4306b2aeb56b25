"""Before a rollout starts: the traffic it needs, and the smallest effect it can see.

Computed for the exact conditional test asked once, at the planned end of the stage: the ceiling of any test of
the same alpha. The sequential test that is shipped stays within .05 of it (`make bench AREA=judge`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from include.core.spec import ModelSpec
from include.rollout.bound import look_part, most_allowed, odds_share
from include.rollout.boundary import law
from include.rollout.guard import WEIGHTS
from include.rollout.judge import JudgePlan, judge_plan
from include.rollout.plan import plan

GOAL = 0.8  # power under which a stage is said to be blind to an effect
EFFECT = 2.0  # times the champion's error rate
FARTHEST, MOST = 1000.0, 1 << 30  # effects and requests that are not looked beyond
POINTS = 60  # numbers of errors that a probability is summed over


@dataclass(frozen=True)
class Foresight:
    """What one stage can see where the champion fails `base` of its entities."""

    stage: str
    base: float
    requests: int  # of both arms
    canary: int  # of the challenger
    power: float  # at EFFECT
    smallest: float  # rate ratio that is seen with a power of GOAL; inf: none
    needed: int  # requests of both arms that would see EFFECT with a power of GOAL
    promoted: float  # chance that a challenger as good as the champion is promoted at the planned end

    @property
    def words(self) -> str:
        told = (
            f"{self.stage}, champion failing {self.base:.2%}: "
            f"{self.requests:,} requests, {self.canary:,} of them the challenger's; "
            f"sees {self.smallest:.1f} times as many errors with a power of {GOAL}; "
            f"one as good as the champion passes at once in {self.promoted:.0%}"
        )
        if self.power >= GOAL:
            return told + "."
        return f"{told}. Its power at {EFFECT:g}x is {self.power:.2f} at best: {GOAL} would need {self.needed:,} requests."


def foresee(spec: ModelSpec, champion: int | None, bases: Iterable[float] = (0.01, 0.001)) -> list[Foresight]:
    """For each stage that compares two arms, and each error rate of the champion. Empty without a champion."""
    everything = dict.fromkeys(WEIGHTS, 0.0)  # the guards of a stage whose baseline knows all: errors then have the least alpha
    plans = [judge_plan(spec, stage, champion, everything, labelled=True) for stage in plan(spec)[1:]]
    return [_stage(one, base) for one in plans if one.relative and not one.shadow for base in bases]


def _stage(rule: JudgePlan, base: float) -> Foresight:
    alpha = rule.alpha * rule.guards[0].weight

    def power(ratio: float, requests: int) -> float:
        return ceiling(base, ratio, requests, rule.share, alpha)

    smallest = _first(lambda ratio: power(ratio, rule.planned) >= GOAL, 1.0, FARTHEST)
    needed = _first(lambda requests: power(EFFECT, round(requests)) >= GOAL, 1.0, float(MOST))
    own, seen = promoted(base, rule.planned, rule), power(EFFECT, rule.planned)
    return Foresight(rule.stage, base, rule.planned, rule.requests, seen, smallest, round(min(needed, MOST)), own)


def ceiling(base: float, ratio: float, requests: int, share: float, alpha: float) -> float:
    """Power of the exact conditional test at the end of a stage of so many requests."""
    own, other = requests * share * min(1.0, base * ratio), requests * (1 - share) * base
    chance = own / (own + other)

    def crossed(errors: int) -> float:
        limit = int((np.cumsum(law(errors, share)[::-1])[::-1] > alpha).sum())
        return float(law(errors, chance)[limit:].sum())

    return _mean(crossed, own + other)


def promoted(base: float, requests: int, rule: JudgePlan) -> float:
    """Chance that the first look shows a challenger with the champion's own rate to be under the margin."""
    part = rule.beta / 2 * look_part(0)
    by_rate = most_allowed(round(requests * rule.share), rule.accepted, part)

    def shown(errors: int) -> float:
        most = max(by_rate, most_allowed(errors, odds_share(rule.share, rule.margin), part))
        return float(law(errors, rule.share)[: most + 1].sum())

    return _mean(shown, requests * base)


def _mean(value: Callable[[int], float], expected: float) -> float:
    """The mean of a function of a Poisson number of errors."""
    spread = 6 * expected**0.5 + 4
    points = np.unique(np.linspace(max(0, expected - spread), expected + spread, POINTS).round().astype(int))
    logs = points * np.log(max(expected, 1e-12)) - np.array([_log_factorial(int(n)) for n in points])
    weights = np.exp(logs - logs.max())
    return float(np.dot(weights, [value(int(n)) for n in points]) / weights.sum())


def _log_factorial(n: int) -> float:
    return float(np.log(np.arange(1, n + 1)).sum()) if n < 200 else n * np.log(n) - n + 0.5 * np.log(2 * np.pi * n) + 1 / (12 * n)


def _first(enough: Callable[[float], bool], low: float, high: float) -> float:
    """Where a condition that only ever turns true does so; inf if not below `high`."""
    step = low
    while not enough(step):
        if step >= high:
            return float("inf")
        low, step = step, min(high, step * 2)
    if step == low:
        return low
    for _ in range(12):
        middle = (low + step) / 2
        low, step = (low, middle) if enough(middle) else (middle, step)
    return step
