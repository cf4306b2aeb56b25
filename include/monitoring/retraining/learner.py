"""What is carried from one decision to the next: the policies on paper, what each of them has lost, and whom to follow.

Readings of the probe's forecast (include/monitoring/retraining/comparators.py) vote, weighed by their record: that vote is the
forecast. Beside it stand the comparators. Who has lost least so far is trusted most; the forecast is trusted first. Regret
against any comparator is bounded whatever the stream does: docs/adr/0067-regret-is-bounded.md has the theorem and its conditions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from include.monitoring.retraining.comparators import COMPARATORS, FORECAST, READINGS, Sight, comparators, readings, votes
from include.monitoring.retraining.hedge import followed, weights
from include.monitoring.retraining.staleness_probe import Floats

MEMBERS = (FORECAST, *COMPARATORS)
FORM = 1  # of the state, as decisions keep it


@dataclass(frozen=True)
class Tuning:
    """The constants, chosen on simulated streams (`python -m benchmarks.policy tune`). `rate`: of the readings, over the price;
    `careful`: of the forecast and the comparators, over the price; `first`: the forecast's prior, the comparators share the
    rest; `majority`: of the readings' weight, which it takes to retrain."""

    rate: float = 0.3
    careful: float = 0.3
    first: float = 0.998
    majority: float = 0.5

    @property
    def prior(self) -> tuple[float, ...]:
        """Of MEMBERS."""
        return (self.first, *[(1 - self.first) / len(COMPARATORS)] * len(COMPARATORS))

    @property
    def surprise(self) -> float:
        """What a comparator's prior costs before it is followed, as a multiple of 1 over the rate."""
        return -math.log(self.prior[-1])


CHOSEN = Tuning()


@dataclass(frozen=True)
class Open:
    """A window whose labels are awaited: its number, each policy's model that would serve it, and who retrained before it."""

    window: int
    models: tuple[int, ...]
    again: tuple[bool, ...]


@dataclass(frozen=True)
class Learned:
    """After the decision before `window`. Windows and models are numbered by the window that they begin in. Policies: the
    readings, the forecast, the comparators. `loss`: in errors of a window, retrains included; `served`: windows in it."""

    window: int
    models: tuple[int, ...]
    loss: tuple[float, ...]
    served: int
    gap: float
    waiting: tuple[Open, ...]

    def to_json(self) -> dict[str, Any]:
        waiting = [[each.window, list(each.models), [int(again) for again in each.again]] for each in self.waiting]
        loss = [round(each, 6) for each in self.loss]
        return {"form": FORM, "window": self.window, "models": list(self.models), "loss": loss, "served": self.served,
                "gap": round(self.gap, 6), "waiting": waiting}  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self | None:
        """None for one of another form: learning then starts anew."""
        if value.get("form") != FORM or len(value["models"]) != len(READINGS) + len(MEMBERS):
            return None
        waiting = tuple(Open(n, tuple(models), tuple(map(bool, again))) for n, models, again in value["waiting"])
        return cls(value["window"], tuple(value["models"]), tuple(value["loss"]), value["served"], value["gap"], waiting)


@dataclass(frozen=True)
class Choice:
    """`retrain`, by the rule of `member`, which holds `trust` of the weight. `cost`: of each member, the mean of the windows
    served on paper. `readings`: the weight of those that would retrain. `older`: the member's model is older than the champion,
    so the forecast was asked. `weights`: of MEMBERS."""

    retrain: bool
    member: str
    trust: float
    cost: Mapping[str, float]
    served: int
    readings: float
    older: bool = False
    weights: tuple[float, ...] = ()


def begun(window: int, champion: int) -> Learned:
    """Nothing learned yet: everybody has the champion."""
    policies = len(READINGS) + len(MEMBERS)
    return Learned(window, (champion,) * policies, (0.0,) * policies, 0, 0.0, ())


def learn(
    known: Learned | None, sight: Sight, base: int, champion: int, draw: float, tuning: Tuning = CHOSEN
) -> tuple[Learned, Choice]:
    """The decision before the window to come. `base`: the number of the first window of `sight`; `champion`: the row of the model
    that serves. A state of a later window, or of one out of the probe's sight, is of no use here."""
    now, trust = advance(known, sight, base, champion, tuning)
    return now, choose(now, sight, base, champion, draw, trust, tuning)


def advance(known: Learned | None, sight: Sight, base: int, champion: int, tuning: Tuning = CHOSEN) -> tuple[Learned, Floats]:
    """What is learned before the window to come, and the weights of READINGS: the same whoever is followed, whatever serves."""
    window = base + sight.now
    if known is None or not 0 < window - known.window <= sight.now + 1:
        known = begun(window, base + champion)
    known = _settled(known, sight, base, tuning)
    trust = weights([1.0] * len(READINGS), known.loss[: len(READINGS)], tuning.rate / sight.price)
    rows = [min(max(model - base, 0), sight.now) for model in known.models]
    says = _says(sight, rows, trust, tuning)
    models = tuple(window if again else model for again, model in zip(says, known.models, strict=True))
    return replace(known, window=window, models=models, waiting=(*known.waiting, Open(window, models, tuple(says)))), trust


def _says(sight: Sight, rows: Sequence[int], trust: Floats, tuning: Tuning) -> list[bool]:
    """Whether each policy would replace its own model."""
    count = len(READINGS)
    vote = vote_on(sight, rows[count], trust) > tuning.majority
    return [*readings(sight, rows[:count]), vote, *comparators(sight, rows[count + 1 :])]


def vote_on(sight: Sight, model: int, trust: Floats) -> float:
    """The weight of the readings that would replace this model."""
    return float(trust[votes(sight, model)].sum())


def _settled(known: Learned, sight: Sight, base: int, tuning: Tuning) -> Learned:
    """With the losses of the windows whose labels have come. Of one whose labels did not come in the probe's sight only
    the retrains count."""
    loss, gap, served, waiting = np.array(known.loss), known.gap, known.served, []
    for each in known.waiting:
        column, lost = each.window - base, sight.price * np.array(each.again, dtype=np.float64)
        if column >= 0:
            erred = sight.error[np.clip(np.array(each.models) - base, 0, column), column]
            if not np.isfinite(erred).all():
                waiting.append(each)
                continue
            lost, served = lost + erred, served + 1
        gap += mixability(loss[len(READINGS) :], lost[len(READINGS) :], pace(gap, sight.price, tuning), tuning)
        loss = loss + lost
    return replace(known, loss=tuple(loss.tolist()), gap=gap, served=served, waiting=tuple(waiting))


def pace(gap: float, price: float, tuning: Tuning) -> float:
    """The rate of the forecast and the comparators: AdaHedge's, never above `careful` over the price."""
    rate = tuning.careful / price
    return min(rate, tuning.surprise / gap) if gap > 0 else rate


def mixability(before: Floats, lost: Floats, rate: float, tuning: Tuning) -> float:
    """How far the weighed loss of a window lies above its mixed loss."""
    trust = weights(tuning.prior, before.tolist(), rate)
    least = float(lost.min())
    mixed = least - math.log(float(trust @ np.exp(-rate * (lost - least)))) / rate
    return max(float(trust @ lost) - mixed, 0.0)


def choose(now: Learned, sight: Sight, base: int, champion: int, draw: float, trust: Floats, tuning: Tuning = CHOSEN) -> Choice:
    """The forecast is asked about the model that serves. A comparator that is followed has its own: a newer one is fetched. An
    older one cannot be, and ours may err where that one does not: then the forecast is asked about ours as well."""
    count = len(READINGS)
    mine = weights(tuning.prior, now.loss[count:], pace(now.gap, sight.price, tuning))
    member = followed(mine, draw)
    vote, its = vote_on(sight, champion, trust), now.models[count + member]
    older = member != 0 and its < base + champion
    retrain = vote > tuning.majority if older or member == 0 else its > base + champion
    cost = {name: lost / max(now.served, 1) for name, lost in zip(MEMBERS, now.loss[count:], strict=True)}
    return Choice(retrain, MEMBERS[member], float(mine[member]), cost, now.served, vote, older, tuple(mine.tolist()))
