"""A label that is a number: its median, and perhaps an interval around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.json_types import Json
from include.core.spec import Regression
from include.metrics.arrays import Floats, Values
from include.metrics.errors import Influence
from include.problems import curves
from include.problems.boosting import boosted_numbers
from include.problems.events import Answered, Event
from include.problems.label_columns import bounds_words, numbers, refuse
from include.problems.metric import Metric, mean_of, nothing, transformed
from include.problems.problem import Problem, Rule
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import CurveValue

SMOOTHING = 20  # a group's own median counts once it has so many rows


class RegressionProblem(Problem):
    """Losses are absolute errors: the median is what makes them least, and heavy tails of labels do not drown the rest."""

    sql_type = "DOUBLE"
    label_words = "a finite number"
    answer_words = "values"
    summary_words = "predicted value"
    headline = ("mae", "rmse")
    alone_words = "a rank correlation"
    value: Regression

    def __init__(self, value: Regression) -> None:
        super().__init__(value)
        self.unit = value.unit
        self.events = (
            Event("loss_p50", "large errors", limit=50, otherwise=value.scale, unit=value.unit),
            Event("loss_p90", "very large errors", limit=90, otherwise=value.scale, unit=value.unit),
        )

    def predicts(self, label: str) -> str:
        unit = f", in {self.value.unit}" if self.value.unit else ""
        around = f", and an interval that holds {self.value.interval:.0%} of the labels" if self.value.interval else ""
        return f"Predicts the median of {label}{unit}{around}."

    def encode(self, column: pa.ChunkedArray, label: str) -> Floats:
        values = numbers(column, label)
        low, high = self._bounds
        refuse(values, (values < low) | (values > high), f"The label {label!r} must be a number {bounds_words(low, high)}")
        return values

    def read_label(self, value: object) -> float:
        low, high = self._bounds
        good = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value) and low <= value <= high
        if not good:
            words = f"A label must be a finite number {bounds_words(low, high)}".rstrip()
            raise DataError(f"{words}.", seen=value, safe="nothing was written.")
        return float(value)  # type: ignore[arg-type]

    @property
    def link(self) -> str:  # type: ignore[override]
        return "interval" if self.value.interval else ""

    @property
    def _bounds(self) -> tuple[float, float]:
        low, high = self.value.minimum, self.value.maximum
        return (-np.inf if low is None else low), (np.inf if high is None else high)

    def too_few(self, truth: Truth, least: int) -> str:
        if len(truth) >= max(least, 2) and len(np.unique(truth.labels)) > 1:
            return ""
        if len(truth) < max(least, 2):
            return f"{len(truth):,} labelled rows: at least {max(least, 2)} are needed"
        return f"all {len(truth):,} labels are {truth.labels[0]:g}: there is nothing to learn"

    def described(self, truth: Truth) -> dict[str, float]:
        low, median, high = np.quantile(truth.labels, [0.05, 0.5, 0.95]) if len(truth) else (np.nan, np.nan, np.nan)
        found = {"mean": truth.labels.mean() if len(truth) else np.nan, "median": median, "p5": low, "p95": high}
        return {name: round(float(each), 6) for name, each in found.items() if np.isfinite(each)}

    def label_rules(self, label: str) -> Sequence[Rule]:
        limits = {"min_value": self.value.minimum, "max_value": self.value.maximum}
        given: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
        between: list[Rule] = [("ExpectColumnValuesToBeBetween", {"column": label, **given})] if given else []
        return [("ExpectColumnUniqueValueCountToBeBetween", {"column": label, "min_value": 2}), *between]

    def _unhealthy(self, outputs: Outputs) -> str:
        if outputs.ndim == 1:
            return ""
        crossed = outputs[(outputs[:, 1] > outputs[:, 0]) | (outputs[:, 0] > outputs[:, 2])]
        if not len(crossed):
            return ""
        value, low, high = crossed[0]
        return f"{len(crossed)} values that lie outside their own interval, such as {value:.6g} and {low:.6g} to {high:.6g}"

    @property
    def default_output(self) -> Outputs:
        """The stated value; its interval is as wide as it may be, for nothing is known."""
        if not self.value.interval:
            return np.float64(self.value.default)  # type: ignore[return-value]
        low, high = self.value.minimum, self.value.maximum
        value = self.value.default
        return np.array([value, value if low is None else low, value if high is None else high])

    def answer(
        self, output: Sequence[float] | float, columns: Mapping[str, Any] | None = None, decision: int | None = None
    ) -> dict[str, Json]:
        if not self.value.interval:
            return {"value": float(output)}  # type: ignore[arg-type]
        value, low, high = (float(each) for each in output)  # type: ignore[union-attr]
        return {"value": value, "low": low, "high": high}

    def summary(self, outputs: Outputs) -> Floats:
        return self._value(outputs)

    def _value(self, outputs: Outputs) -> Floats:
        found: Floats = (outputs if outputs.ndim == 1 else outputs[:, 0]).astype(np.float64)
        return found

    def residual(self, truth: Truth, outputs: Outputs) -> Floats:
        found: Floats = truth.labels - self._value(outputs)
        return found

    def residual_words(self, mean: float) -> str:
        unit = f" {self.value.unit}" if self.value.unit else ""
        return f"The label lies {abs(mean):.3g}{unit} {'above' if mean > 0 else 'below'} what the model says"

    def level_words(self, mean: float, usual: float) -> str:
        unit = f" {self.value.unit}" if self.value.unit else ""
        return f"The mean label is {mean:.3g}{unit}, usually {usual:.3g}"

    @property
    def loss_words(self) -> str:
        return f"{self.value.unit} of error" if self.value.unit else "of absolute error"

    def loss(self, truth: Truth, outputs: Outputs) -> Floats:
        """The absolute error, in the label's unit."""
        found: Floats = np.abs(truth.labels - self._value(outputs))
        return found

    def remembered(self, answer: Answered) -> float | None:
        """The value itself."""
        return answer.score

    def loss_of(self, remembered: float, label: float) -> float:
        return abs(label - remembered)

    @cached_property
    def own_metrics(self) -> Mapping[str, Metric]:
        found = {
            "mae": Metric("mean absolute error", mean_of(self.loss), higher_is_better=False, of_label=True),
            "rmse": Metric("root mean squared error", self._rmse, higher_is_better=False, of_label=True),
            "bias": Metric("bias (size of the mean error)", self._bias, higher_is_better=False, of_label=True),
            "r2": Metric("R²", self._r2),
        }
        if self.value.interval:
            found["pinball"] = Metric("pinball loss", mean_of(self._pinball), higher_is_better=False, of_label=True)
            found["coverage"] = Metric("coverage (distance from the stated)", self._coverage, higher_is_better=False)
            found["width"] = Metric("width of the interval", mean_of(_width), higher_is_better=False, of_label=True)
        return found

    def _squared(self, truth: Truth, outputs: Outputs) -> Floats:
        return np.square(truth.labels - self._value(outputs))

    def _rmse(self, truth: Truth, outputs: Outputs) -> Influence:
        found = mean_of(self._squared)(truth, outputs)
        root = float(np.sqrt(found.value))
        return transformed(found, root, 0.5 / root if root > 0 else 0.0)

    def _bias(self, truth: Truth, outputs: Outputs) -> Influence:
        found = mean_of(lambda known, said: self._value(said) - known.labels)(truth, outputs)
        return transformed(found, abs(found.value), float(np.sign(found.value)))

    def _r2(self, truth: Truth, outputs: Outputs) -> Influence:
        """1 - squared error over the labels' own spread. NaN where all labels are the same."""
        if len(truth) < 2:
            return nothing(len(truth))
        weight, total = truth.weights, truth.weights.sum()
        center = float((weight * truth.labels).sum() / total)
        error, spread = weight * self._squared(truth, outputs), weight * np.square(truth.labels - center)
        if spread.sum() <= 0:
            return nothing(len(truth))
        share = float(error.sum() / spread.sum())
        return Influence(1 - share, -(error - share * spread) / spread.sum())

    def _pinball(self, truth: Truth, outputs: Outputs) -> Floats:
        """Of both ends of the interval (Koenker, Bassett 1978): least where they are the stated quantiles."""
        tail = (1 - float(self.value.interval or 0)) / 2
        ends = ((outputs[:, 1], tail), (outputs[:, 2], 1 - tail))
        losses = [np.maximum(q * (truth.labels - end), (q - 1) * (truth.labels - end)) for end, q in ends]
        found: Floats = (losses[0] + losses[1]).astype(np.float64)
        return found

    def _coverage(self, truth: Truth, outputs: Outputs) -> Influence:
        """How far the share of labels inside the interval lies from what was asked for."""
        found = mean_of(_inside)(truth, outputs)
        gap = found.value - float(self.value.interval or 0)
        return transformed(found, abs(gap), float(np.sign(gap)))

    def curves(self, truth: Truth, outputs: Outputs) -> list[CurveValue]:
        value, unit = self._value(outputs), self.value.unit
        found = [curves.residuals(truth, value, unit), curves.by_prediction(truth, value, unit)]
        if self.value.interval:
            found.append(curves.coverage(truth, value, _inside(truth, outputs), self.value.interval, unit))
        return found

    def strength(self, truth: Truth, side: Floats, column: Floats) -> float:
        """The correlation of ranks, which neither tails nor a bend change (Spearman 1904)."""
        return curves.rank_correlation(side, column)

    def boosted(self, train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int) -> Outputs:
        value = boosted_numbers(train, truth, holdout, categories, seed)
        if not self.value.interval:
            return value
        tail = (1 - self.value.interval) / 2
        low, high = (boosted_numbers(train, truth, holdout, categories, seed, q) for q in (tail, 1 - tail))
        return np.column_stack([value, np.minimum(low, value), np.maximum(high, value)])

    def historical(self, truth: Truth, groups: Sequence[str], wanted: Sequence[str]) -> Outputs:
        """The median of each group; the overall one for groups of few rows."""
        known, overall = np.array(groups), self._around(truth.labels)
        found = {
            str(value): self._around(truth.labels[known == value])
            for value in np.unique(known)
            if (known == value).sum() >= SMOOTHING
        }
        rows = np.array([found.get(str(value), overall) for value in wanted])
        return rows if self.value.interval else rows[:, 0]

    def _around(self, labels: Floats) -> Floats:
        tail = (1 - (self.value.interval or 0.9)) / 2
        found: Floats = np.quantile(labels, [0.5, tail, 1 - tail])
        return found


def _inside(truth: Truth, outputs: Outputs) -> Floats:
    found: Floats = ((truth.labels >= outputs[:, 1]) & (truth.labels <= outputs[:, 2])).astype(np.float64)
    return found


def _width(truth: Truth, outputs: Outputs) -> Floats:
    found: Floats = (outputs[:, 2] - outputs[:, 1]).astype(np.float64)
    return found
