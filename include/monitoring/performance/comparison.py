"""How good were the answers, now that labels have landed? Against the champion's own holdout, with the noise of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import logit

from include.core.request import Json
from include.metrics.estimates import HIGHER_IS_BETTER, Floats, metric_name, metrics, standard_error
from include.monitoring.logistic import newton
from include.monitoring.performance.label_delay import LabelDelay
from include.monitoring.performance.slices import CLASS_ROWS, Terms, arrays, by_slice, worst
from include.monitoring.performance.slices import words as slice_words


@dataclass(frozen=True)
class Baseline:
    """What the champion did on its holdout: metrics by name, the rows they came from; and, if kept, those rows themselves."""

    metrics: Mapping[str, float]
    rows: int
    holdout: pa.Table | None = None


@dataclass(frozen=True)
class Performance:
    """`drop`: how much worse than the holdout, in the metric's own unit (positive: worse), with its standard error.

    `calibration`: `slope` and `offset` of the label's log odds over the score's (1 and 0 where a score is a probability).
    `window`: the stretch that was measured; with late labels an earlier one than the window at hand.
    """

    verdict: Literal["measured", "abstain"]
    words: str
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

    def to_json(self) -> dict[str, Json]:
        body = {name: getattr(self, name) for name in self.__dataclass_fields__}
        rounded: dict[str, Json] = _rounded({**body, "slices": list(self.slices)})
        return rounded


def landed(predictions: pa.Table, version: int | None) -> pa.Table:
    """The rows that count: labelled, answered in full by the champion's version (by any, if None)."""
    keep = pc.and_(pc.is_valid(predictions["label"]), pc.invert(predictions["degraded"]))
    if version is not None:
        keep = pc.and_(keep, pc.fill_null(pc.equal(predictions["version"], version), False))
    return predictions.filter(keep)


def measure(rows: pa.Table, baseline: Baseline, slices: Sequence[str], terms: Terms) -> Performance:
    """Performance on `rows` (see `landed`). Abstains, saying so, on few rows or one class."""
    label, score, day = arrays(rows)
    metric, n, positives = terms.metric, len(label), int(label.sum())
    if n < terms.minimum_rows:
        words = f"{n} labels of the champion's own answers have landed; {terms.minimum_rows} are needed."
        return Performance("abstain", words, metric, n)
    if min(positives, n - positives) < CLASS_ROWS:
        words = f"{positives} of {n} labels are positive: fewer than {CLASS_ROWS} of a class give no metric."
        return Performance("abstain", words, metric, n, positives / n)
    values = {name: function(label, score) for name, function in metrics(terms.threshold).items()}
    errors = {name: standard_error(name, label, score, day, terms.threshold) for name in values}
    expected = baseline.metrics.get(metric)
    drop = None if expected is None else _drop(metric, values[metric], expected)
    # The holdout's own noise is the window's, scaled by its rows.
    both = float(np.sqrt(1 + n / baseline.rows)) if baseline.rows else 1.0
    parts = by_slice(rows, slices, terms, baseline.holdout)
    return Performance(
        "measured",
        _words(metric, values[metric], errors[metric], n, expected) + _worst(parts, metric),
        metric,
        n,
        positives / n,
        values,
        errors,
        expected,
        drop,
        None if drop is None else errors[metric] * both,
        parts,
        calibration(label, score),
    )


def judged(performance: Performance, landing: LabelDelay) -> Performance:
    """The same, unless too few labels have landed: the early ones are often another kind, and speak for nobody else."""
    if landing.enough or not landing.landed:
        return performance
    return Performance("abstain", landing.words, performance.metric, performance.rows)


def of_window(performance: Performance, window: str) -> Performance:
    """Told as that of an earlier window, judged now that its labels have come."""
    return replace(performance, window=window, words=f"{window.replace('/', ' to ')}, late labels landed: {performance.words}")


def calibration(label: Floats, score: Floats) -> dict[str, float]:
    """`slope`, its `error`, and `offset`: a logistic regression of the label on the score's log odds (Cox 1958).

    Its offset are those log odds themselves, so that the coefficients are what a calibrated score lacks.
    """
    odds = logit(np.clip(score, 1e-6, 1 - 1e-6))
    rows = np.stack([np.ones_like(odds), odds], axis=1)
    found, information = newton(rows, label, 1.0, np.full(2, 1e-9), odds)
    error = float(np.sqrt(np.linalg.inv(information)[1, 1]))
    return {"slope": 1 + float(found[1]), "slope_error": error, "offset": float(found[0])}


def _drop(metric: str, value: float, expected: float) -> float:
    return expected - value if HIGHER_IS_BETTER[metric] else value - expected


def _words(metric: str, value: float, error: float, rows: int, expected: float | None) -> str:
    before = "" if expected is None else f", was {expected:.3f} on the champion's holdout"
    return f"{metric_name(metric)} on {rows:,} landed rows {value:.3f} (± {1.96 * error:.3f}){before}"


def _worst(slices: Sequence[Mapping[str, Json]], metric: str) -> str:
    found = worst(slices)
    return "" if found is None else f"; {slice_words(found, metric)}"


def _rounded(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
