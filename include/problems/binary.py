"""A label that is 0 or 1, and the probability of 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.json_types import Json
from include.core.reference import load
from include.core.spec import Binary
from include.metrics import binary as unweighted
from include.metrics.arrays import Floats, Groups, Values
from include.metrics.calibration import Bin, calibration_table
from include.metrics.errors import Influence, influence
from include.problems import curves, weighted
from include.problems.alerts import recall_at, said_at
from include.problems.boosting import boosted_classes
from include.problems.decisions import decided_by
from include.problems.events import COSTLY, RANDOM, Answered, Event
from include.problems.label_columns import numbers, refuse
from include.problems.metric import Metric, mean_of, ratio_influence
from include.problems.problem import PARITY, Problem, Rule
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import CurveValue

SMOOTHING = 20.0  # so many rows of the overall rate are mixed into a group's own
COSTS = ("false_positive", "false_negative")


class BinaryProblem(Problem):
    """`threshold`: the score from which on the decision is yes (`serving.threshold`). `default`: the score where none is."""

    sql_type = "TINYINT"
    label_words = "0 or 1"
    decides = True
    link = "sigmoid"
    events: Sequence[Event] = (Event("loss", "wrong answers"),)
    headline = ("auc", "log_loss")
    historical_name = "historical_rate"
    alone_words = "an AUC"
    value: Binary
    threshold: float

    def __init__(self, value: Binary, threshold: float = 0.5, default: float = 0.5) -> None:
        super().__init__(value)
        self.threshold, self.default = threshold, default
        if value.costs:  # more cheap errors may be worth fewer dear ones: errors are not all alike
            self.events = COSTLY

    def predicts(self, label: str) -> str:
        return f"Predicts the probability of {label}."

    def encode(self, column: pa.ChunkedArray, label: str) -> Floats:
        values = numbers(column, label)
        refuse(values, (values != 0) & (values != 1), f"The label {label!r} must be 0 or 1", "map it in features.labels.")
        return values

    def read_label(self, value: object) -> float:
        if isinstance(value, bool | int | float) and float(value) in (0.0, 1.0):
            return float(value)
        raise DataError("A label must be 0 or 1.", seen=value, safe="nothing was written.", hint="send 0 or 1.")

    def show_label(self, label: float) -> Json:
        return int(label)

    def too_few(self, truth: Truth, least: int) -> str:
        positive = int(truth.labels.sum())
        rarer = min(positive, len(truth) - positive)
        if rarer >= max(least, 1):
            return ""
        return f"{positive:,} of {len(truth):,} rows are positive: at least {max(least, 1)} of either class are needed"

    @property
    def decided_at(self) -> float | None:
        return self.threshold

    def described(self, truth: Truth) -> dict[str, float]:
        return {"positives": int(truth.labels.sum())}

    def label_rules(self, label: str) -> Sequence[Rule]:
        return [("ExpectColumnDistinctValuesToEqualSet", {"column": label, "value_set": [0, 1]})]

    def parity(self, outputs: Outputs) -> float:
        return PARITY

    @property
    def costs(self) -> tuple[str, ...]:
        return self.value.costs.columns if self.value.costs else ()

    def _unhealthy(self, outputs: Outputs) -> str:
        if ((outputs >= 0) & (outputs <= 1)).all():
            return ""
        return f"scores from {float(outputs.min()):g} to {float(outputs.max()):g} where a probability is needed"

    @property
    def default_output(self) -> Outputs:
        return np.float64(self.default)  # type: ignore[return-value]

    def answer(
        self, output: Sequence[float] | float, columns: Mapping[str, Any] | None = None, decision: int | None = None
    ) -> dict[str, Json]:
        score = float(output)  # type: ignore[arg-type]
        if decision is not None:
            return {"score": score, "label": decision}
        costs = {name: np.array([float((columns or {})[name])]) for name in self.costs}
        return {"score": score, "label": int(self.decide(np.array([score]), costs)[0])}

    def summary(self, outputs: Outputs) -> Floats:
        return outputs.astype(np.float64)

    def decide(self, outputs: Outputs, columns: Mapping[str, Floats] | None = None) -> Groups:
        """By the author's function; else at the lower expected cost; else at the threshold, in float64 as the gateway does it.

        A row of which a cost is not known (NaN), or negative, is decided at the threshold.
        """
        score = outputs.astype(np.float64)
        if self._decision is not None:
            return decided_by(self._decision, score, 2)
        if self.value.costs is None:
            said = score >= self.threshold
        else:
            positive, negative = self._costs_of(len(score), columns or {})
            known = (positive >= 0) & (negative >= 0)
            said = np.where(known, score * negative >= (1 - score) * positive, score >= self.threshold)
        decided: Groups = said.astype(np.int64)
        return decided

    @cached_property
    def _decision(self) -> Callable[[Outputs], Groups] | None:
        return load(self.value.decision) if self.value.decision else None

    def _costs_of(self, rows: int, columns: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Of a yes that is wrong, and of a no that is: [n] each."""
        costs = [getattr(self.value.costs, name) for name in COSTS]
        found = [columns[cost] if isinstance(cost, str) else np.full(rows, float(cost)) for cost in costs]
        return found[0], found[1]

    def loss(self, truth: Truth, outputs: Outputs) -> Floats:
        """1 where the decision is wrong; with `costs`, what it costs."""
        said = self.decide(outputs, truth.costs)
        wrong = said != truth.labels
        if self.value.costs is None:
            errors: Floats = wrong.astype(np.float64)
            return errors
        positive, negative = self._costs_of(len(truth), truth.costs)
        costs: Floats = np.where(wrong, np.where(said == 1, positive, negative), 0.0)
        return costs

    def surprise(self, truth: Truth, outputs: Outputs) -> Floats:
        """The log loss."""
        said = np.clip(outputs.astype(np.float64), unweighted.EPSILON, 1 - unweighted.EPSILON)
        found: Floats = -np.log(np.where(truth.labels > 0.5, said, 1 - said))
        return found

    def doubt(self, outputs: Outputs) -> Floats:
        said = outputs.astype(np.float64)
        return np.minimum(said, 1 - said)

    def remembered(self, answer: Answered) -> float | None:
        """The decision, 0 or 1. With `costs`: what it costs if it is wrong, below 0 for a no; None if the log lacks the costs."""
        if answer.score is None:
            return None
        if not self._decides_itself:
            return float(answer.score >= self.threshold)
        columns = self._logged_costs(answer)
        if columns is None:
            return None
        decided = self._decided(answer, columns)
        if self.value.costs is None:
            return float(decided)
        positive, negative = self._costs_of(1, columns)
        return float(positive[0]) if decided else -float(negative[0])

    def _logged_costs(self, answer: Answered) -> dict[str, Floats] | None:
        """The costs of an answer's own row; None where one is not known, or redacted."""
        values = [answer.features.get(name) for name in self.costs]
        if not all(isinstance(value, int | float) for value in values):
            return None
        return {name: np.array([float(value or 0)]) for name, value in zip(self.costs, values, strict=True)}

    def _decided(self, answer: Answered, columns: Mapping[str, Floats]) -> int:
        """The model's own decision: one that was drawn at random says nothing of it."""
        if answer.decision is not None and answer.explored != RANDOM:
            return answer.decision
        return int(self.decide(np.array([answer.score]), columns)[0])

    def loss_of(self, remembered: float, label: float) -> float:
        wrong = (remembered > 0) != (label > 0.5)
        if self.value.costs is None:
            return float(wrong)
        return abs(remembered) if wrong else 0.0

    @cached_property
    def own_metrics(self) -> Mapping[str, Metric]:
        """Those of include/metrics/binary.py, and what imbalance asks for."""
        found = {name: self._plain(name) for name in unweighted.METRICS}
        found["average_precision"] = Metric("average precision", weighted.average_precision)
        if self.value.alerts:
            found["precision_at_alerts"] = Metric("precision at the alerts", ratio_influence(said_at(self.value.alerts)))
            found["recall_at_alerts"] = Metric("recall at the alerts", ratio_influence(recall_at(self.value.alerts)))
        if self.value.costs:
            found["cost"] = Metric("cost a row", mean_of(self.loss), higher_is_better=False, decided=True)
        return found

    def _plain(self, name: str) -> Metric:
        """A metric of the table, on rows that may have weights."""
        known = unweighted.METRICS[name]

        def moved(truth: Truth, outputs: Outputs) -> Influence:
            if truth.weight is not None or (known.uses_threshold and self._decides_itself):
                return weighted.influence(name, truth, outputs, self.decide(outputs, truth.costs))
            return influence(name, truth.labels, outputs, self.threshold)

        def value(truth: Truth, outputs: Outputs) -> float:
            if truth.weight is not None or (known.uses_threshold and self._decides_itself):
                return moved(truth, outputs).value
            return unweighted.value(name, truth.labels, outputs, self.threshold)

        return Metric(known.title, moved, known.higher_is_better, known.uses_threshold, value)

    def positive_rate(self, truth: Truth) -> float | None:
        return float(truth.labels.mean()) if len(truth) else 0.0

    def claimed(self, truth: Truth, outputs: Outputs) -> tuple[Floats, Floats] | None:
        return truth.labels, outputs.astype(np.float64)

    def residual(self, truth: Truth, outputs: Outputs) -> Floats:
        found: Floats = truth.labels - outputs
        return found

    def residual_words(self, mean: float) -> str:
        return f"The label comes true {abs(100 * mean):.3g} points {'more' if mean > 0 else 'less'} often than the score says"

    def level_words(self, mean: float, usual: float) -> str:
        return f"{_percent(mean)} of the labels are positive, usually {_percent(usual)}"

    @property
    def loss_words(self) -> str:
        return "of cost" if self.value.costs else "errors"

    @property
    def plain(self) -> bool:
        """Whether scores and a threshold are all there is."""
        return not self._decides_itself

    @cached_property
    def _decides_itself(self) -> bool:
        """Whether something else than the threshold decides."""
        return self.value.costs is not None or bool(self.value.decision)

    def calibration(self, truth: Truth, outputs: Outputs) -> list[Bin]:
        return calibration_table(truth.labels, outputs, truth.weight)

    def curves(self, truth: Truth, outputs: Outputs) -> list[CurveValue]:
        return [curves.precision_recall(truth, outputs)]

    def slice_figures(self, truth: Truth) -> dict[str, float]:
        return {"rate": round(float(np.average(truth.labels, weights=truth.weight)), 4)}

    def strength(self, truth: Truth, side: Floats, column: Floats) -> float:
        found = unweighted.auc(side, column)
        return max(found, 1 - found)

    def boosted(self, train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int) -> Outputs:
        return boosted_classes(train, truth, holdout, categories, seed)[:, 1]

    def historical(self, truth: Truth, groups: Sequence[str], wanted: Sequence[str]) -> Outputs:
        """The share of positives of each group, smoothed to the overall share."""
        labels, known = truth.labels, np.array(groups)
        overall = float(labels.mean())
        rates = {
            str(value): (float(labels[known == value].sum()) + SMOOTHING * overall) / (int((known == value).sum()) + SMOOTHING)
            for value in np.unique(known)
        }
        return np.array([rates.get(str(value), overall) for value in wanted])


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share == 0 or share >= 0.01 else f"{100 * share:.1g}%"
