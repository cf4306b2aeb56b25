"""What a window's performance will turn out to be, before its labels land.

If only the inputs have moved, the holdout still tells what labels come with them, and three things follow from it:
a recalibration of the score by all inputs (the chance of a yes for each row of the window), the window's density against
the holdout's, and the holdout's residuals, weighted by it, which take back what the recalibration gets wrong in the region
where the window lies. Together they estimate the joint law of score and label (doubly robust: Robins, Rotnitzky 1995), and
the metric is read off it. The residuals' part is drawn to nothing as far as it is noise (James, Stein 1961). The same idea
with the density alone: Białek et al. 2024 (PAPE); with the score alone: CBPE.

If what a label means has moved, none of this holds and nothing in the inputs tells: see estimate_calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logit

from include.core.time import end_of_day
from include.data.window import Window
from include.metrics.fractional import FractionalMetric
from include.monitoring.additive import Scale, design, fit, predict
from include.monitoring.formatting import percent
from include.monitoring.performance.estimation_of_losses import expected_loss, pseudo_values
from include.monitoring.performance.known_rows import said
from include.monitoring.performance.terms import Known, Terms
from include.monitoring.profile.binning import Axis, Floats
from include.monitoring.stored import rounded
from include.step_values.monitoring import RawEstimate

ROWS = 20_000  # the two regressions are fitted on no more rows of either side, evenly spaced
SCORE_BINS = 15
RIDGE, DENSITY_RIDGE = 50.0, 100.0
HEAVIEST = 5.0  # a row of the holdout counts so many times at most
FEWEST_DAYS, GROUPS = 7, 20
EFFECTIVE = 0.05  # once weighted, at least this share of the holdout must be left
EFFECTIVE_ROWS = 200.0  # once weighted, at least so many rows must be left
UNSURE = 5.0  # the residuals' part may have so many times the error of the holdout's own metric
OUTSIDE = 0.2  # no larger share of the window may have a value that the holdout never showed
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

    def to_json(self) -> RawEstimate:
        result: RawEstimate = rounded(asdict(self))
        return result


def estimate(holdout: pa.Table, window: pa.Table, axes: Sequence[Axis], terms: Terms) -> Raw:
    """`holdout`: `score`, `label`, `event_time` and the columns of `axes`; `window`: the same without labels, any number of
    rows. Columns that follow the calendar must not be among the axes."""
    known = terms.known(holdout)
    if not terms.enough(known.truth):
        return Raw(0.0, 0.0, 0.0, 0.0, 0.0, why=_too_few(known, terms))
    if terms.problem.query is not None:
        return Raw(0.0, 0.0, 0.0, 0.0, 0.0, why="What a list is worth does not follow from one row of it.")
    base, base_error = terms.of(known)
    noise = base_error * float(np.sqrt(len(known.truth) / max(window.num_rows, 1)))
    if window.num_rows < terms.minimum_rows:
        why = f"{window.num_rows} answered requests; {terms.minimum_rows} are needed."
        return Raw(base, base_error, base, base_error, noise, why=why)
    estimated = _estimated if terms.fractional else _estimated_by_losses
    return estimated(holdout, spaced(window), axes, terms, Raw(base, base_error, base, base_error, noise))


def _too_few(known: Known, terms: Terms) -> str:
    rate = terms.problem.positive_rate(known.truth)
    positive = "" if rate is None else f", {int(known.truth.labels.sum())} positive"
    return f"The holdout kept {len(known.truth)} rows{positive}: too few to learn from."


def spaced(table: pa.Table, rows: int = ROWS) -> pa.Table:
    """At most so many rows, evenly spaced."""
    if table.num_rows <= rows:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, rows).astype(np.int64)))


def parts(holdout: pa.Table, length: timedelta) -> list[tuple[str, pa.Table, pa.Table]]:
    """The holdout cut into windows of one length, from its end; each with its name, and all the rest of the holdout."""
    time = holdout["event_time"].cast(pa.timestamp("us"))
    first, stop = (cast(datetime, found.as_py()) for found in (pc.min(time), pc.max(time)))
    end = end_of_day(stop.date())
    found = []
    while end - length >= first - length / 10:
        inside = pc.and_(pc.greater_equal(time, pa.scalar(end - length)), pc.less(time, pa.scalar(end)))
        found.append((Window(end - length, end).name, holdout.filter(inside), holdout.filter(pc.invert(inside))))
        end -= length
    return found[::-1] if len(found) > 1 else []


def _estimated(holdout: pa.Table, window: pa.Table, axes: Sequence[Axis], terms: Terms, known: Raw) -> Raw:
    held = spaced(holdout)
    known_rows = terms.known(held)
    label, score, day = known_rows.truth.labels, known_rows.outputs.astype(np.float64), known_rows.day
    sides, ratio, outside, effective = _sides(held, window, axes)
    answered = said(window, terms.problem).astype(np.float64)
    odds = [logit(np.clip(each, 1e-4, 1 - 1e-4)) for each in (score, answered)]
    found = fit(sides[0], label, np.ones(len(label)), RIDGE, odds[0])
    expected, chance = (predict(side, found, before) for side, before in zip(sides, odds, strict=True))
    there, here, both = (
        FractionalMetric(terms.metric, each, terms.threshold) for each in (score, answered, np.concatenate([answered, score]))
    )
    plain = here.value(chance, 1 - chance), there.value(expected, 1 - expected)
    weight = np.minimum(ratio, HEAVIEST)
    wrong, scaled = label - expected, weight * (label - expected) * (window.num_rows / weight.sum())

    def correction(keep: Floats) -> float:
        """What the residuals add to the metric in the window beyond what they add on the holdout."""
        back = np.concatenate([chance, scaled * keep]), np.concatenate([1 - chance, -scaled * keep])
        same = expected + wrong * keep
        return both.value(*back) - plain[0] - there.value(same, 1 - same) + plain[1]

    corrected, error = correction(np.ones(len(label))), jackknife(correction, day)
    trusted = max(0.0, 1 - (error / corrected) ** 2) if corrected else 0.0
    value = known.base + plain[0] - plain[1] + trusted * corrected
    body = (float(value), error, known.base, known.base_error, known.noise, effective, outside)
    return Raw(*body, why=_why(effective if error < UNSURE * known.base_error else 0.0, outside, len(label)))


def _estimated_by_losses(holdout: pa.Table, window: pa.Table, axes: Sequence[Axis], terms: Terms, known: Raw) -> Raw:
    """Of any metric that rows move: each row has a loss of its own, whose mean is the metric (see estimation_of_losses).

    Its expectation by the inputs, and what the holdout's rows lose beyond it, weighted as the window's inputs are.
    """
    held = spaced(holdout)
    rows = terms.known(held)
    sides, ratio, outside, effective = _sides(held, window, axes)
    loss = pseudo_values(terms.problem.influence(terms.metric, rows.truth, rows.outputs))
    expected, coming = expected_loss(sides[0], loss, sides)
    weight, beyond = np.minimum(ratio, HEAVIEST), loss - expected

    def correction(keep: Floats) -> float:
        """What rows lose beyond what their inputs tell, in the window more than on the holdout."""
        here = float((weight * keep) @ beyond / max(float((weight * keep).sum()), 1e-12))
        return here - float(keep @ beyond / max(float(keep.sum()), 1e-12))

    corrected, error = correction(np.ones(len(loss))), jackknife(correction, rows.day)
    trusted = max(0.0, 1 - (error / corrected) ** 2) if corrected else 0.0
    value = known.base + float(coming.mean() - expected.mean()) + trusted * corrected
    body = (value, error, known.base, known.base_error, known.noise, effective, outside)
    return Raw(*body, why=_why(effective if error < UNSURE * known.base_error else 0.0, outside, len(loss)))


def _sides(held: pa.Table, window: pa.Table, axes: Sequence[Axis]) -> tuple[list[npt.NDArray[np.float32]], Floats, float, float]:
    """Both tables as columns of codes; of each holdout row, how many times as common its kind is in the window; the share of the
    window that the holdout never showed; and the share of the holdout that is left once it is weighted so."""
    scales = [Scale.of(axis, held[axis.name]) for axis in axes if axis.name in window.column_names]
    scales = [*scales, Scale.of(Axis(SCORE), held["score"], SCORE_BINS)]
    sides = [design(scales, table.append_column(SCORE, table["score"])) for table in (held, window)]
    ratio = _density(*sides)
    effective = float(ratio.sum() ** 2 / np.square(ratio).sum() / len(ratio))
    return sides, ratio, _outside(scales, *sides), effective


def _why(effective: float, outside: float, rows: int) -> str:
    if outside > OUTSIDE:
        return f"{percent(outside)} of the requests hold a value that the holdout never showed: nobody knows what comes of those."
    if effective < EFFECTIVE or effective * rows < EFFECTIVE_ROWS:
        return f"The inputs have moved so far that too few of the holdout's {rows:,} rows are like them."
    return ""


def _density(held: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> Floats:
    """Of each holdout row: how many times as common its kind is in the window."""
    many, few = len(held), len(window)
    where = np.concatenate([np.zeros(many), np.ones(few)])
    weight = np.concatenate([np.ones(many), np.full(few, many / few)])
    p = predict(held, fit(np.vstack([held, window]), where, weight, DENSITY_RIDGE))
    result: Floats = p / (1 - p)
    return result


def _outside(scales: Sequence[Scale], held: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> float:
    """Share of the window's rows with a code that no row of the holdout has."""
    unseen = held.sum(axis=0) == 0
    return float((window[:, unseen].sum(axis=1) > 0).mean())


def jackknife(statistic: Callable[[Floats], float], group: npt.NDArray[np.int64]) -> float:
    """Standard error of a statistic of row weights, deleting a day at a time; a share of the rows where days are too few."""
    _, place = np.unique(group, return_inverse=True)
    groups = int(place.max()) + 1
    if groups < FEWEST_DAYS:
        groups = GROUPS
        place = np.arange(len(place)) % groups
    values = np.array([statistic((place != n) * groups / (groups - 1)) for n in range(groups)])
    return float(np.sqrt((groups - 1) * np.square(values - values.mean()).mean()))
