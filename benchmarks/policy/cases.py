"""A stream as policies are replayed on it, and what they cost there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from include.monitoring.retraining.labelled_stream import Floats
from include.monitoring.retraining.learner import CHOSEN, Tuning
from include.monitoring.retraining.policy_replay import (
    DELAY,
    Policy,
    Priced,
    Replay,
    Shared,
    every,
    forecasting,
    never,
    oracle,
    replay,
)

PRICES = (0.02, 0.1)
DRAWS = (0.1, 0.3, 0.5, 0.7, 0.9)  # places among the policies that may be followed: a model has one of them, by its name
CLOCKS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 21, 26)


@dataclass
class Case:
    """`error` as `errors` gives it; `alarms`: whether each window drifted against those before. `kin`: no evidence of its own."""

    family: str
    name: str
    error: Floats
    delay: int = DELAY
    alarms: Sequence[bool] = ()
    kin: str = ""
    _best: dict[float, Replay] = field(default_factory=dict)
    _shared: Shared = field(default_factory=Shared)

    def run(self, policy: Policy, price: float) -> Replay:
        return replay(self.error, policy, price, self.delay, self.alarms)

    def ours(self, price: float, draw: float, tuning: Tuning = CHOSEN) -> Replay:
        return self.run(Priced(draw, tuning, self._shared), price)

    def oracle(self, price: float) -> Replay:
        if price not in self._best:
            self._best[price] = oracle(self.error, price)
        return self._best[price]

    @cached_property
    def _clocks(self) -> dict[str, Replay]:
        """At no price: a clock asks for none."""
        clocks = {f"every {k}": every(k) for k in CLOCKS}
        return {name: self.run(policy, 0.0) for name, policy in {"never": never, **clocks}.items()}

    def clock(self, price: float) -> tuple[str, float]:
        """The best fixed clock, never included, and its cost: chosen when all is over."""
        costs = {name: run.error + price * len(run.retrained) / run.windows for name, run in self._clocks.items()}
        best = min(costs, key=lambda name: costs[name])
        return best, costs[best]


@dataclass(frozen=True)
class Paid:
    """What the policy of `retraining.price` costs on a stream: the mean over DRAWS. `regret`: beyond the oracle, as a share of
    its cost; `over`: beyond the best fixed clock, as a share of that."""

    case: Case
    cost: float
    retrains: float
    regret: float
    over: float
    worst: float


def pay(case: Case, price: float, draws: Sequence[float] = DRAWS) -> Paid:
    runs = [case.ours(price, draw) for draw in draws]
    best, (_, clock) = case.oracle(price).cost, case.clock(price)
    cost = float(np.mean([run.cost for run in runs]))
    retrains = float(np.mean([len(run.retrained) for run in runs]))
    return Paid(case, cost, retrains, cost / best - 1, cost / clock - 1, max(run.cost for run in runs) / best - 1)


def first_policy(case: Case, price: float) -> Replay:
    """That of the release before: one reading of the probe's whole past."""
    return case.run(forecasting, price)
