"""What a window's performance will turn out to be, before its labels land.

If only the inputs have moved, the holdout still tells what labels come with them, and three things follow from it:
a recalibration of the score by all inputs (the chance of a yes for each row of the window), the window's density against
the holdout's, and the holdout's residuals, weighted by it, which take back what the recalibration gets wrong in the region
where the window lies. Together they estimate the joint law of score and label (doubly robust: Robins, Rotnitzky 1995), and
the metric is read off it. The same idea with the density alone: Białek et al. 2024 (PAPE); with the score alone: CBPE.

If what a label means has moved, none of this holds and nothing in the inputs tells; see `track_record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logit

from include.core.request import Json
from include.monitoring.additive import Scale, design, fit, predict
from include.monitoring.axis import Axis, Floats
from include.monitoring.metric import losses, midranks
from include.monitoring.slice import CLASS_ROWS, Terms, arrays
from include.monitoring.window import Window
from include.monitoring.words import number, percent

ROWS = 20_000  # of either side, evenly spaced: what the two regressions are fitted on
SCORE_BINS = 15
RIDGE, DENSITY_RIDGE = 10.0, 30.0
HEAVIEST = 20.0  # a row of the holdout stands for at most so many of its own kind
EFFECTIVE = 0.05  # share of the holdout that must be left once weighted, and
EFFECTIVE_ROWS = 200.0  # so many rows of it
OUTSIDE = 0.1  # share of the window's rows with a value that the holdout never showed
SCORE = "(score)"


@dataclass(frozen=True)
class Raw:
    """`value`: the estimate if only the inputs moved, `error` its standard error from the holdout's rows.

    `base`: the metric on the holdout (what "nothing changed" would say) and `base_error`; `noise`: standard error of the
    realised metric on as many rows as the window's. `why`: why there is no estimate (`value` is then the base).
    """

    value: float
    error: float
    base: float
    base_error: float
    noise: float
    effective: float = 1.0
    outside: float = 0.0
    why: str = ""

    def to_json(self) -> dict[str, Json]:
        body = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in body.items()}


def estimate(holdout: pa.Table, window: pa.Table, axes: Sequence[Axis], terms: Terms) -> Raw:
    """`holdout`: `score`, `label`, `event_time` and the columns of `axes`; `window`: the same without labels, any number of
    rows. Columns that follow the calendar must not be among the axes."""
    label, score, day = arrays(holdout)
    yes = int(label.sum())
    if min(yes, len(label) - yes) < CLASS_ROWS or len(label) < terms.minimum_rows:
        return Raw(0.0, 0.0, 0.0, 0.0, 0.0, why=f"The holdout kept {len(label)} rows, {yes} positive: too few to learn from.")
    ones = _Masses(score, label, 1 - label)
    base, base_error = ones.metric(terms), _jackknife(ones, day, ones, terms)
    noise = base_error * float(np.sqrt(len(label) / max(window.num_rows, 1)))
    if window.num_rows < terms.minimum_rows:
        why = f"{window.num_rows} answered requests; {terms.minimum_rows} are needed."
        return Raw(base, base_error, base, base_error, noise, why=why)
    return _estimated(holdout, spaced(window), axes, terms, Raw(base, base_error, base, base_error, noise))


def spaced(table: pa.Table, rows: int = ROWS) -> pa.Table:
    """At most so many rows, evenly spaced."""
    if table.num_rows <= rows:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, rows).astype(np.int64)))


def parts(holdout: pa.Table, length: timedelta) -> list[tuple[str, pa.Table, pa.Table]]:
    """The holdout cut into windows of one length, from its end; each with its name, and all the rest of the holdout."""
    time = holdout["event_time"].cast(pa.timestamp("us"))
    first, stop = (cast(datetime, found.as_py()) for found in (pc.min(time), pc.max(time)))
    end = datetime.combine(stop.date(), datetime.min.time()) + timedelta(days=1)
    found = []
    while end - length >= first - length / 10:
        inside = pc.and_(pc.greater_equal(time, pa.scalar(end - length)), pc.less(time, pa.scalar(end)))
        found.append((Window(end - length, end).name, holdout.filter(inside), holdout.filter(pc.invert(inside))))
        end -= length
    return found[::-1] if len(found) > 1 else []


@dataclass(frozen=True)
class _Masses:
    """How many yeses and noes lie at each score [n]: fractions, and below zero where something is taken back."""

    score: Floats
    yes: Floats
    no: Floats

    def __add__(self, other: _Masses) -> _Masses:
        return _Masses(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in ("score", "yes", "no")))

    def metric(self, terms: Terms) -> float:
        if terms.metric == "auc":
            return self._auc()
        yes, no = (losses(terms.metric, np.full(len(self.score), kind), self.score, terms.threshold) for kind in (1.0, 0.0))
        return float((yes @ self.yes + no @ self.no) / (self.yes.sum() + self.no.sum()))

    def _auc(self) -> float:
        place = (2 * midranks(self.score)).astype(np.intp)  # equal scores share a place
        yes, no = np.bincount(place, self.yes), np.bincount(place, self.no)
        below = np.cumsum(no) - no / 2
        return float(np.clip(yes @ below / (yes.sum() * no.sum()), 0, 1))


def _estimated(holdout: pa.Table, window: pa.Table, axes: Sequence[Axis], terms: Terms, known: Raw) -> Raw:
    held = spaced(holdout)
    label, score, day = arrays(held)
    scales = [Scale.of(axis, held[axis.name]) for axis in axes if axis.name in window.column_names]
    scales = [*scales, Scale.of(Axis(SCORE), held["score"], SCORE_BINS)]
    sides = [design(scales, table.append_column(SCORE, table["score"])) for table in (held, window)]
    outside = _outside(scales, *sides)
    weight = _density(*sides)
    effective = float(weight.sum() ** 2 / np.square(weight).sum() / len(weight))
    answered = window["score"].cast(pa.float64()).to_numpy()
    odds = [logit(np.clip(each, 1e-4, 1 - 1e-4)) for each in (score, answered)]
    found = fit(sides[0], label, np.ones(len(label)), RIDGE, odds[0])
    expected, chance = (predict(side, found, before) for side, before in zip(sides, odds, strict=True))
    here = _Masses(answered, chance, 1 - chance)
    taken = weight * (label - expected) * (window.num_rows / weight.sum())
    back = _Masses(score, taken, -taken)
    value, error = (here + back).metric(terms), _jackknife(back, day, here, terms)
    body = (float(value), max(error, known.base_error / 2), known.base, known.base_error, known.noise, effective, outside)
    return Raw(*body, why=_why(effective, outside, len(label)))


def _why(effective: float, outside: float, rows: int) -> str:
    if outside > OUTSIDE:
        return f"{percent(outside)} of the requests hold a value that the holdout never showed: nobody knows what comes of those."
    if effective < EFFECTIVE or effective * rows < EFFECTIVE_ROWS:
        rest = number(effective * rows)
        return f"The inputs have moved so far that the holdout's {rows:,} rows weigh like {rest}: too few to tell."
    return ""


def _density(held: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> Floats:
    """Of each holdout row: how many times as common its kind is in the window; mean 1."""
    many, few = len(held), len(window)
    where = np.concatenate([np.zeros(many), np.ones(few)])
    weight = np.concatenate([np.ones(many), np.full(few, many / few)])
    p = predict(held, fit(np.vstack([held, window]), where, weight, DENSITY_RIDGE))
    ratio = np.minimum(p / (1 - p), HEAVIEST)
    result: Floats = ratio / ratio.mean()
    return result


def _outside(scales: Sequence[Scale], held: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> float:
    """Share of the window's rows with a code that no row of the holdout has."""
    unseen = held.sum(axis=0) == 0
    return float((window[:, unseen].sum(axis=1) > 0).mean())


def _jackknife(part: _Masses, group: npt.NDArray[Any], rest: _Masses, terms: Terms) -> float:
    """Of the metric of `part` and `rest` together, deleting a day of `part` at a time. By rows where days are too few."""
    _, place = np.unique(group, return_inverse=True)
    groups = int(place.max()) + 1
    if groups < 3:
        groups = 20
        place = np.arange(len(place)) % groups
    values = []
    for n in range(groups):
        keep = (place != n) * groups / (groups - 1)
        left = _Masses(part.score, part.yes * keep, part.no * keep)
        values.append((left if rest is part else left + rest).metric(terms))
    return float(np.sqrt((groups - 1) * np.square(np.array(values) - np.mean(values)).mean()))
