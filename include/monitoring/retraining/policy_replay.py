"""What retraining would have cost: every model in every window, the policies replayed on it, and the best that was possible.

A stream's errors are a matrix, computed once; a policy only chooses its rows. So a replay is exact, not simulated.
Cost: the mean error of the windows served, plus the price times the share of windows before which a retrain was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from include.core.spec import Retraining
from include.data.window import moment
from include.monitoring.retraining.comparators import Sight
from include.monitoring.retraining.labelled_stream import Floats, Stream
from include.monitoring.retraining.learner import CHOSEN, Choice, Learned, Tuning, advance, choose
from include.monitoring.retraining.policy import RULE, Decision, Facts, decide
from include.monitoring.retraining.staleness_probe import Ageing, ageing, forecast

TRAINED_ON = 5  # a model is trained on so many windows
DELAY = 1  # a window's labels are known so many windows later, where nothing else is said
REACH = 52  # the probe covers so many past windows, as the step `shadows` does


@dataclass(frozen=True)
class Known:
    """What a policy may look at before window `now`.

    `error` [now+1, now+1] as `errors` gives it, NaN in the windows whose labels are not there yet. Its rows are the models that
    could have been trained by now, whether they were asked for or not. `alarms`: whether each window before `now` drifted, the
    newest last; empty where nobody looked.
    """

    error: Floats
    champion: int
    price: float
    alarms: Sequence[bool] = ()

    @property
    def now(self) -> int:
        return len(self.error) - 1


Policy = Callable[[Known], bool]


@dataclass(frozen=True)
class Replay:
    """`retrained`: the windows before which it was done. `error`, `cost`: means over the windows served."""

    retrained: tuple[int, ...]
    error: float
    cost: float
    windows: int


def errors(stream: Stream, threshold: float, learner: Callable[[], Any] | None = None, delay: int = DELAY) -> Floats:
    """`[s, t]`: the error rate in window t of the model that begins to serve in window s. NaN where t < s - `delay`.

    Window 0 is the first that a model can serve: it was trained on the five windows whose labels are known by then, and
    so is every other. From `threshold` on a score says yes. `learner` makes an unfitted scikit-learn classifier; by default
    a logistic regression.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    first = TRAINED_ON + delay
    served = stream.windows - first
    rows = np.bincount(stream.window, minlength=stream.windows)
    error = np.full((served, served), np.nan)
    with threadpool_limits(1):  # threads spin: on a busy machine two are many times slower than one
        for s in range(served):
            seen = max(s - delay, 0)  # the first window that it was not trained on
            past, ahead = stream.rows(s, s + TRAINED_ON), stream.rows(seen + first, stream.windows)
            wrong = _decided(stream, past, ahead, threshold, learner or logistic) != stream.label[ahead]
            share = np.bincount(stream.window[ahead], wrong, minlength=stream.windows) / np.maximum(rows, 1)
            error[s, seen:] = share[seen + first :]
    return error


def _decided(stream: Stream, past: slice, ahead: slice, threshold: float, learner: Callable[[], Any]) -> Floats:
    """What a model of the rows `past` decides on those `ahead`: always the one label, where it has seen no other."""
    seen = np.unique(stream.label[past])
    if len(seen) == 1:
        return np.full(ahead.stop - ahead.start, seen[0])
    scores = learner().fit(stream.inputs[past], stream.label[past]).predict_proba(stream.inputs[ahead])[:, 1]
    decided: Floats = (scores >= threshold).astype(np.float64)
    return decided


def logistic() -> Any:
    """Means for missing values, unit variances, L2: quick, and it knows how to say little."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=200))


def replay(error: Floats, policy: Policy, price: float, delay: int = DELAY, alarms: Sequence[bool] = ()) -> Replay:
    """Ask the policy before every window but the first. `alarms` [windows]: whether each drifted, where somebody looked."""
    retrained: list[int] = []
    for now in range(1, len(error)):
        seen = error[: now + 1, : now + 1].copy()
        seen[:, max(now - delay, 0) :] = np.nan
        if policy(Known(seen, retrained[-1] if retrained else 0, price, alarms[:now])):
            retrained.append(now)
    return account(error, retrained, price)


def account(error: Floats, retrained: Sequence[int], price: float) -> Replay:
    """The cost of retraining before these windows."""
    champions = np.zeros(len(error), dtype=np.int64)
    champions[list(retrained)] = retrained
    served = error[np.maximum.accumulate(champions), np.arange(len(error))]
    return Replay(tuple(retrained), float(served.mean()), float(served.mean() + price * len(retrained) / len(error)), len(error))


def oracle(error: Floats, price: float) -> Replay:
    """The cheapest retrain times of all, by dynamic programming from the last window back: it knows every error ahead."""
    windows = len(error)
    ahead = np.zeros(windows)  # [champion]: the cheapest cost from window t on
    again = np.zeros((windows, windows), dtype=bool)
    for t in range(windows - 1, 0, -1):
        keep = error[:t, t] + ahead[:t]
        fresh = price + error[t, t] + ahead[t]
        again[t, :t] = fresh < keep
        ahead[:t] = np.where(again[t, :t], fresh, keep)
    retrained: list[int] = []
    for t in range(1, windows):
        if again[t, retrained[-1] if retrained else 0]:
            retrained.append(t)
    return account(error, retrained, price)


def decided(history: Sequence[Decision], policy: Retraining) -> list[Decision]:
    """What this policy would decide today on the facts of stored decisions, oldest first; those without facts are left out.

    The champions are those of the record: a model that was never trained has no facts.
    """
    made: list[Decision] = []
    for decision in _with_facts(history):
        made.append(decide(made, replace(Facts.of(decision), rule=RULE), policy))
    return made


def made_again(history: Sequence[Decision], policy: Retraining) -> list[Decision]:
    """The stored decisions, each from its own evidence and those stored before it, by the rule that made it, oldest first."""
    stored = _with_facts(history)
    return [decide(stored[:n], Facts.of(decision), policy) for n, decision in enumerate(stored)]


def _with_facts(history: Sequence[Decision]) -> list[Decision]:
    return sorted((d for d in history if "shadows" in d.evidence), key=lambda d: moment(d.as_of))


def never(_: Known) -> bool:
    return False


def every(windows: int) -> Policy:
    return lambda known: known.now - known.champion >= windows


def forecasting(known: Known) -> bool:
    """The first policy of `retraining.price`: one reading of the probe, and no record."""
    return forecast(known.error, known.champion, known.price).worth


@dataclass
class Shared:
    """What replays of one stream may share: what the probe tells before each window; by price and tuning, what was learned."""

    found: dict[int, Ageing | None] = field(default_factory=dict)
    learned: dict[tuple[float, Tuning, int], tuple[Learned, Floats]] = field(default_factory=dict)


class Priced:
    """The policy of `retraining.price`: it sees as much of the past as the probe does, and learns from window to window.

    `draw`: the place of the model among the policies that may be followed. `choices`: what it said in the newest replay.
    `shared`: with replays of the same errors, labels' delay and alarms, and of no others.
    """

    def __init__(self, draw: float, tuning: Tuning = CHOSEN, shared: Shared | None = None) -> None:
        self.draw, self.tuning = draw, tuning
        self.choices: list[Choice] = []
        self._given, self._shared = shared, Shared()
        self._learned: Learned | None = None

    def __call__(self, known: Known) -> bool:
        if known.now == 1:
            self._learned, self.choices, self._shared = None, [], self._given or Shared()
        base, shared = max(known.now - REACH, 0), self._shared
        seen = known.error[base:, base:]
        if known.now not in shared.found:
            shared.found[known.now] = ageing(seen)
        sight = Sight(seen, shared.found[known.now], known.price, known.alarms)
        champion, which = max(known.champion - base, 0), (known.price, self.tuning, known.now)
        if which not in shared.learned:
            shared.learned[which] = advance(self._learned, sight, base, champion, self.tuning)
        self._learned, trust = shared.learned[which]
        choice = choose(self._learned, sight, base, champion, self.draw, trust, self.tuning)
        self.choices.append(choice)
        return choice.retrain
