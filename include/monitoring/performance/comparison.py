"""How good were the answers, now that labels have landed? Against the champion's own holdout, with the noise of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logit

from include.core.request import Json
from include.metrics.arrays import Floats
from include.monitoring.logistic import newton
from include.monitoring.performance.label_delay import LabelDelay
from include.monitoring.performance.slices import by_slice, worst
from include.monitoring.performance.slices import summary as slice_summary
from include.monitoring.performance.terms import Known, Terms
from include.monitoring.stored import rounded, stored
from include.step_values.monitoring import PerformanceValue


class Expected(NamedTuple):
    """What the champion did on its holdout, on how many rows; no `value` where that is not known, and `why`."""

    value: float | None
    rows: int
    why: str = ""


@dataclass(frozen=True)
class Baseline:
    """What the champion did on its holdout: metrics by name, the rows they came from; and, if kept, those rows themselves.

    `threshold`: from which score on a decision was yes when the metrics were taken.
    """

    metrics: Mapping[str, float]
    rows: int
    holdout: pa.Table | None = None
    threshold: float | None = None

    def expected(self, terms: Terms) -> Expected:
        """The holdout's metric on the same terms. Decisions at another threshold are another quantity: the rows that were
        kept are then measured again, and without them there is nothing to compare with."""
        known = self.metrics.get(terms.metric)
        if known is None or not terms.definition.decided or self.threshold == terms.threshold:
            return Expected(known, self.rows)
        again = terms.measured(self.holdout) if self.holdout is not None else None
        if self.holdout is not None and again is not None:
            return Expected(again.value, self.holdout.num_rows)
        at = "an unknown threshold" if self.threshold is None else f"the threshold {self.threshold:g}"
        return Expected(None, self.rows, f"; not compared with the holdout, measured at {at} and not at {terms.threshold:g}")


@dataclass(frozen=True)
class Performance:
    """`drop`: how much worse than the holdout, in the metric's own unit (positive: worse), with its standard error.

    `calibration`: `slope` and `offset` of the label's log odds over the score's (1 and 0 where a score is a probability).
    `window`: the stretch that was measured; with late labels an earlier one than the window at hand.
    """

    verdict: Literal["measured", "abstain"]
    summary: str
    metric: str
    rows: int
    positive_rate: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    expected: float | None = None
    drop: float | None = None
    drop_error: float | None = None
    slices: tuple[dict[str, Json], ...] = ()
    calibration: dict[str, float] = field(default_factory=dict)
    window: str = ""

    def to_json(self) -> PerformanceValue:
        body = {name: getattr(self, name) for name in self.__dataclass_fields__}
        result: PerformanceValue = rounded(stored(body))
        return result


def landed(predictions: pa.Table, version: int | None) -> pa.Table:
    """The rows that count: labelled, answered in full by the champion's version (by any, if None)."""
    keep = pc.and_(pc.is_valid(predictions["label"]), pc.invert(predictions["degraded"]))
    if version is not None:
        keep = pc.and_(keep, pc.fill_null(pc.equal(predictions["version"], version), False))
    return predictions.filter(keep)


def measure(rows: pa.Table, baseline: Baseline, slices: Sequence[str], terms: Terms) -> Performance:
    """Performance on `rows` (see `landed`). Abstains, saying so, on few rows or one class."""
    known, problem = terms.known(rows), terms.problem
    metric, n = terms.metric, len(known.truth)
    why = terms.why_not(known.truth)
    if why:
        rate = problem.positive_rate(known.truth) if n >= terms.minimum_rows else None
        return Performance("abstain", why, metric, n, rate)
    found = {name: problem.influence(name, known.truth, known.outputs) for name in problem.metrics}
    values = {name: each.value for name, each in found.items()}
    errors = {name: each.error(known.day) for name, each in found.items()}
    expected = baseline.expected(terms)
    drop = None if expected.value is None else terms.definition.worse_by(values[metric], expected.value)
    # The holdout's own noise is the window's, scaled by its rows.
    both = float(np.sqrt(1 + n / expected.rows)) if expected.rows else 1.0
    parts = by_slice(rows, slices, terms, baseline.holdout)
    return Performance(
        "measured",
        _summary(terms.definition.title, values[metric], errors[metric], n, expected) + _worst(parts, metric),
        metric,
        n,
        problem.positive_rate(known.truth),
        values,
        errors,
        expected.value,
        drop,
        None if drop is None else errors[metric] * both,
        parts,
        _claimed(known, terms),
    )


def judged(performance: Performance, landing: LabelDelay) -> Performance:
    """The same, unless too few labels have landed: the early ones are often another kind, and speak for nobody else."""
    if landing.enough or not landing.landed:
        return performance
    return Performance("abstain", landing.summary, performance.metric, performance.rows)


def of_window(performance: Performance, window: str) -> Performance:
    """Told as that of an earlier window, judged now that its labels have come."""
    return replace(
        performance, window=window, summary=f"{window.replace('/', ' to ')}, late labels landed: {performance.summary}"
    )


def _claimed(known: Known, terms: Terms) -> dict[str, float]:
    """What the probabilities that a model claims are worth; nothing of a model that claims none."""
    claimed = terms.problem.claimed(known.truth, known.outputs)
    return {} if claimed is None else calibration(*claimed)


def calibration(label: Floats, score: Floats) -> dict[str, float]:
    """`slope`, its `error`, and `offset`: a logistic regression of the label on the score's log odds (Cox 1958).

    Its offset are those log odds themselves, so that the coefficients are what a calibrated score lacks.
    """
    odds = logit(np.clip(score, 1e-6, 1 - 1e-6))
    rows = np.stack([np.ones_like(odds), odds], axis=1)
    found, information = newton(rows, label, 1.0, np.full(2, 1e-9), odds)
    error = float(np.sqrt(np.linalg.inv(information)[1, 1]))
    return {"slope": 1 + float(found[1]), "slope_error": error, "offset": float(found[0])}


def _summary(title: str, value: float, error: float, rows: int, expected: Expected) -> str:
    before = expected.why if expected.value is None else f", was {expected.value:.3f} on the champion's holdout"
    return f"{title} on {rows:,} landed rows {value:.3f} (± {1.96 * error:.3f}){before}"


def _worst(slices: Sequence[Mapping[str, Json]], metric: str) -> str:
    found = worst(slices)
    return "" if found is None else f"; {slice_summary(found, metric)}"
