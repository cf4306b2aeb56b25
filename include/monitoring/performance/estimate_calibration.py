"""What the estimates before labels were worth, on the windows whose labels have landed since; and whether to speak at all.

Only labels tell that their meaning has moved. So each estimate is held against what came true: `realised - base` is taken to
be a share of the move that the estimate saw, plus an offset that wanders from window to window, plus what one window has
alone (a Kalman filter over share and offset). The record so corrects the next estimate and gives its uncertainty. Where the
corrected estimates have missed by more than "nothing has changed" would have, or the newest landed window lies far beyond its
uncertainty, there is no next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from include.data.window import moment
from include.monitoring.performance.comparison import Performance
from include.monitoring.performance.estimation import Raw, estimate, parts
from include.monitoring.performance.terms import Terms
from include.monitoring.profile.binning import Axis, Floats
from include.monitoring.stored import rounded
from include.step_values.monitoring import BacktestedWindow, EstimateValue

FEWEST = 3  # with fewer landed windows no estimate is believed
LAST = 8  # the newest landed windows, up to so many, are what estimates are judged by
SHARE, SHARE_SPREAD = 1.0, 0.5  # how much of a seen move is taken to come true before anything has landed
# What nobody can see coming, in standard errors of a window's metric: how far the offset wanders from window to window, and
# how far one window alone lies off. The record tells which of them are likely; without one, the smaller ones are likelier.
UNSEEN = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
LIKELY = (0.3, 0.2, 0.2, 0.15, 0.1, 0.05)
SURPRISE = 3.5  # the newest landed window may lie off by so many standard errors
MARGIN = 1.15  # estimates may miss by so many times what "nothing has changed" misses: few misses are mostly noise


@dataclass(frozen=True)
class Landed:
    """A window whose labels came: what was estimated before, and what came true, with its noise."""

    window: str
    estimate: float
    base: float
    realised: float
    noise: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)

    def to_json(self) -> BacktestedWindow:
        result: BacktestedWindow = rounded(asdict(self))
        return result


@dataclass(frozen=True)
class Estimate:
    """`verdict` "abstain" keeps no `value`; `raw` is kept either way, for the day when its labels land."""

    verdict: Literal["estimated", "abstain"]
    summary: str
    metric: str
    raw: Raw
    value: float | None = None
    error: float | None = None
    landed: int = 0

    def to_json(self) -> EstimateValue:
        return {
            "verdict": self.verdict,
            "words": self.summary,
            "metric": self.metric,
            "landed": self.landed,
            "value": rounded(self.value),
            "error": rounded(self.error),
            "raw": self.raw.to_json(),
        }


def record(
    backtested: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]], realised: Mapping[str, Performance]
) -> list[Landed]:
    """What has landed, oldest first: the holdout's windows, then those watched since. `history`: see `realised.history`;
    `realised`: what is known better by now, by window."""
    found = [Landed.from_json(each) for each in backtested]
    for each in history:
        better = realised.get(each["window"])
        come = {"realised": better.metrics[better.metric], "noise": better.errors[better.metric]} if better else {}
        known = {**each, **come}
        found += [Landed.from_json(known)] if known["realised"] is not None else []
    return found


def lag(window: str, past: Sequence[Landed]) -> int:
    """How many windows lie between the newest landed one and this one, this one counted."""
    if not past:
        return 1
    start, end = map(moment, window.split("/"))
    newest = moment(past[-1].window.split("/")[1])
    return max(1, round((start - newest) / (end - start)) + 1)


def nothing(why: str, terms: Terms) -> Estimate:
    return Estimate("abstain", f"{_before(terms)}{why}", terms.metric, Raw(0.0, 0.0, 0.0, 0.0, 0.0, why=why))


def believe(raw: Raw, past: Sequence[Landed], terms: Terms, lag: int = 1) -> Estimate:
    """What to say. `past`: oldest first, as known now. `lag`: windows between the newest of them and this one."""
    metric, title = terms.metric, terms.definition.title
    if raw.why:
        return Estimate("abstain", f"{_before(terms)}{raw.why}", metric, raw, landed=len(past))
    if len(past) < FEWEST:
        known = f"{len(past)} earlier windows have their labels; {FEWEST} are needed to know what an estimate is worth."
        summary = f"{_before(terms)}{known}"
        return Estimate("abstain", summary, metric, raw, landed=len(past))
    why = _distrust(past, lag)
    if why:
        return Estimate("abstain", f"{_before(terms)}{why}", metric, raw, landed=len(past))
    value, error = _next(raw.value, raw.base, past, lag)
    error = float(np.hypot(error, raw.error))
    if 1.96 * error > terms.wide:
        summary = f"{_before(terms)}it could be anything from {value - 1.96 * error:.2f} to {value + 1.96 * error:.2f}."
        return Estimate("abstain", summary, metric, raw, landed=len(past))
    summary = (
        f"{title} before labels: about {value:.3f} (± {1.96 * error:.3f}), was {raw.base:.3f} on the holdout; "
        f"the last {min(len(past), LAST)} such estimates missed by {_missed(past, lag)[0]:.3f} on average"
    )
    return Estimate("estimated", summary, metric, raw, value, error, len(past))


def _before(terms: Terms) -> str:
    return f"No {terms.definition.title} before labels: "


def _distrust(past: Sequence[Landed], lag: int) -> str:
    """Why the record speaks against another estimate; empty if it does not."""
    ours, nothing = _missed(past, lag)
    if ours > MARGIN * nothing:
        return (
            f'the last {min(len(past), LAST)} estimates missed by {ours:.3f}, "nothing has changed" by {nothing:.3f}. '
            "What a label means has moved; only labels tell."
        )
    *before, newest = past
    expected, error = _next(newest.estimate, newest.base, before, lag)
    if abs(newest.realised - expected) > SURPRISE * float(np.hypot(error, newest.noise)):
        text = f"{newest.window} came out at {newest.realised:.3f} where {expected:.3f} was expected."
        return f"{text} What a label means has just moved."
    return ""


def _missed(past: Sequence[Landed], lag: int) -> tuple[float, float]:
    """Mean miss over the newest windows: of the estimates as they would have been made, and of the base."""
    tried = range(max(1, len(past) - LAST), len(past))
    ours = [abs(_next(past[n].estimate, past[n].base, past[: max(0, n + 1 - lag)], lag)[0] - past[n].realised) for n in tried]
    return float(np.mean(ours)), float(np.mean([abs(past[n].base - past[n].realised) for n in tried]))


def _next(seen: float, base: float, past: Sequence[Landed], lag: int) -> tuple[float, float]:
    """The corrected estimate of a window `lag` after the newest of `past`, and its standard error."""
    unit = float(np.median([one.noise for one in past])) if past else 0.0
    wanders, wobbles = (unit * each.ravel() for each in np.meshgrid(UNSEEN, UNSEEN))
    share, offset, spread, chance = _filtered(past, np.square(wanders), np.square(wobbles), unit)
    move = seen - base
    values = base + move * share + offset
    variances = _along(spread, move) + lag * np.square(wanders) + np.square(wobbles)
    chance = chance + np.log(np.outer(LIKELY, LIKELY)).ravel()
    chance = np.exp(chance - chance.max())
    chance /= chance.sum()
    value = float(chance @ values)
    return value, float(np.sqrt(max(0.0, chance @ (variances + np.square(values - value)))))


def _filtered(past: Sequence[Landed], wanders: Floats, wobbles: Floats, unit: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Share and offset after `past` [k], their covariance [3, k] (share, both, offset), and the log likelihood of what was
    seen [k], for each of k pairs of variances."""
    ones = np.ones_like(wanders)
    share, offset, chance = SHARE * ones, 0 * ones, 0 * ones
    spread = np.stack([SHARE_SPREAD**2 * ones, 0 * ones, unit**2 * ones])
    for one in past:
        spread[2] += wanders
        move = one.estimate - one.base
        variance = _along(spread, move) + one.noise**2 + wobbles
        miss = one.realised - one.base - move * share - offset
        chance = chance - 0.5 * (np.square(miss) / variance + np.log(variance))
        seen = np.stack([move * spread[0] + spread[1], move * spread[1] + spread[2]])
        share, offset = share + seen[0] / variance * miss, offset + seen[1] / variance * miss
        spread = spread - np.stack([seen[0] ** 2, seen[0] * seen[1], seen[1] ** 2]) / variance
    return share, offset, spread, chance


def _along(spread: Floats, move: float) -> Floats:
    """Variance of share times `move` plus offset."""
    result: Floats = move**2 * spread[0] + 2 * move * spread[1] + spread[2]
    return result


def backtest(holdout: pa.Table, axes: Sequence[Axis], terms: Terms, length: timedelta) -> list[Landed]:
    """The record that a new champion starts with: each window of its holdout, estimated from the others."""
    found = []
    for name, window, rest in parts(holdout, length):
        realised = terms.measured(window)
        if realised is not None:
            raw = estimate(rest, window, axes, terms)
            found += [] if raw.why else [Landed(name, raw.value, raw.base, realised.value, realised.error)]
    return found
