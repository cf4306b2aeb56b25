"""One decision by the price: what was learned so far and this window's probe in, a choice, its words and what is learned now out.

A pure function of what its decision keeps as evidence, so that a stored decision can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from include.data.window import Window, moment
from include.monitoring.formatting import percent
from include.monitoring.retraining.comparators import COMPARATORS, FORECAST, Sight
from include.monitoring.retraining.hedge import place
from include.monitoring.retraining.learner import Choice, Learned, learn
from include.monitoring.retraining.staleness_probe import Floats, Forecast, ageing, told

EPOCH = moment("1970-01-01")


@dataclass(frozen=True)
class Weighed:
    """`words` say why, either way; `learned` is kept with the decision. `excess`: what the champion errs beyond a fresh model in
    the window to come, cautiously, a request."""

    retrain: bool
    words: str
    learned: Mapping[str, Any]
    excess: float


@dataclass(frozen=True)
class Asked:
    """`window`: the one decided on, `start/end`; `probe`: the value of the step `shadows`; `learned`: of the decision before, if
    any; `alarms`: of the newest windows, this one last; `loss`: what the probe counts, for sentences."""

    model: str
    window: str
    probe: Mapping[str, Any]
    learned: Mapping[str, Any]
    alarms: Sequence[bool]
    price: float
    loss: str


def matrix(probe: Mapping[str, Any]) -> Floats:
    """The probe's errors, NaN where unknown."""
    return np.array([[np.nan if value is None else value for value in row] for row in probe["error"]], dtype=np.float64)


def weigh(asked: Asked) -> Weighed:
    error, champion = matrix(asked.probe), int(asked.probe["champion"])
    sight = Sight(error, ageing(error), asked.price, asked.alarms)
    window = Window(*map(moment, asked.window.split("/")))
    base = int((window.end - EPOCH) // (window.end - window.start)) - sight.now
    known = Learned.from_json(asked.learned) if asked.learned else None
    learned, choice = learn(known, sight, base, champion, place(asked.model))
    ahead = Forecast(0.0, asked.price, 0.0, 0) if sight.found is None else told(sight.found, champion, asked.price)
    return Weighed(choice.retrain, _words(asked, ahead, choice), learned.to_json(), max(ahead.excess, 0.0))


def _words(asked: Asked, ahead: Forecast, choice: Choice) -> str:
    """What the probe says, and the record of who is followed beside the best of the others."""
    outlook = (
        f"staying costs {ahead.excess:.4f} {asked.loss} a request beyond a fresh model and retraining {ahead.pace:.4f} at its "
        f"best pace (price {asked.price:g}; {ahead.windows} windows of the staleness probe, {percent(choice.readings)} of whose "
        "readings by their record would retrain)"
    )
    if choice.member == FORECAST:
        return f"{outlook}{_beside(choice)}"
    if choice.older:
        return f"{outlook}; {choice.member} is followed, whose model would be older{_beside(choice)}"
    what = "whose model would be newer by now" if choice.retrain else "whose model would be no newer"
    return f"{choice.member} is followed, {what}{_beside(choice)}; by itself, {outlook}"


def _beside(choice: Choice) -> str:
    if not choice.served:
        return ""
    forecast = choice.cost[FORECAST]
    if choice.member != FORECAST:
        own = choice.cost[choice.member]
        return f" (over {choice.served} windows on paper it has cost {own:.4f}, the staleness probe {forecast:.4f})"
    best = min(COMPARATORS, key=lambda name: choice.cost[name])
    return f"; on paper that has cost {forecast:.4f} a window over {choice.served}, {best} {choice.cost[best]:.4f}"
