"""A kind of problem: all that stages ask of one. The kinds are beside this file, one class each.

Outputs are [n] where the model has one output, else [n, k] in the order of `outputs`. Labels are float64 [n]: 0 or 1, a number,
the place of a class, a relevance. A stage that needs to know which kind it has before it is missing a question here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.json_types import Json
from include.core.reference import load
from include.core.spec import AnyKind
from include.metrics.arrays import Floats, Groups, Values
from include.metrics.calibration import Bin
from include.metrics.errors import Influence
from include.problems.events import Answered, Event
from include.problems.label_columns import cost_columns, days, lists_of, positive_numbers
from include.problems.metric import Metric, mean_of
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import CurveValue

if TYPE_CHECKING:
    from include.metrics.paired import Difference

TIME = "event_timestamp"
PARITY = 1e-4  # by so much a converted model's outputs may differ from those of the model it came from

Rule = tuple[str, dict[str, Any]]
"""The name of an expectation, and its arguments."""


class Problem(ABC):
    """One kind of problem, with the values that the spec gives it."""

    sql_type: ClassVar[str]
    """The type of the label in SQL and Parquet: TINYINT, DOUBLE or VARCHAR."""

    named_labels: ClassVar[bool] = False
    """Whether logs and files hold a label by its name, as text; else as a number."""

    label_words: ClassVar[str]
    """What a label is, for errors: `0 or 1`."""

    decides: ClassVar[bool] = False
    """Whether a decision follows from the outputs."""

    link: ClassVar[str] = ""
    """What makes outputs of the numbers that a network ends with: `sigmoid`, `softmax`, `interval`, or nothing."""

    outputs_add_up: ClassVar[bool] = False
    """Whether outputs are a distribution over the names of `outputs`."""

    answer_words: ClassVar[str] = "scores"
    """What the answers of two models are, where a verdict compares them."""

    summary_words: ClassVar[str] = "score"
    """What `summary` is, where its mean is told."""

    unit: str = ""
    """Of the label and of losses, for sentences; empty where there is none."""

    comparable: ClassVar[bool] = True
    """Whether summaries of two models have one scale, so that one model's quantiles say something of the other."""

    events: Sequence[Event] = ()
    """What the judge counts when labels come; the weights of its guards are shared over them."""

    @cached_property
    def sized(self) -> bool:
        """Whether an event is a loss of some size, which is taken from the champion's."""
        return any(event.limit is not None for event in self.events)

    headline: ClassVar[tuple[str, ...]]
    """The metrics that a table with few columns shows."""

    historical_name: ClassVar[str] = "historical"
    """What results call the baseline of the same name."""

    alone_words: ClassVar[str]
    """How well one input predicts the label alone, in words: see `strength`."""

    alone_limit: ClassVar[float] = 0.95
    """The strength that no honest input reaches."""

    def __init__(self, value: AnyKind) -> None:
        self.value = value

    @abstractmethod
    def predicts(self, label: str) -> str:
        """What the model says of `label`, as a sentence after "Predicts" or the like: for cards and descriptions."""

    # -- labels ------------------------------------------------------------------------------------------------------------

    def truth(self, table: pa.Table, label: str) -> Truth:
        """What is known of the rows of a table with the label's column, `event_timestamp` and `value.columns`.

        Raises DataError for rows without a label, and for labels that are none of this kind.
        """
        if label not in table.column_names or not table.num_rows or table[label].null_count:
            raise DataError(
                f"There must be rows with the label {label!r}.",
                seen={"rows": table.num_rows, "columns": table.column_names},
                safe="what was computed before is kept in the ledger.",
                hint="widen training.window_days and holdout_days, or check the label's source.",
            )
        labels = self.encode(table[label], label)
        weight = positive_numbers(table, self.value.weight) if self.value.weight else None
        day = days(table, TIME) if TIME in table.column_names else None
        query = None if self.query is None else lists_of(table, self.query)
        return Truth(labels, weight, day, query, cost_columns(table, self.costs))

    @abstractmethod
    def encode(self, column: pa.ChunkedArray, label: str) -> Floats:
        """Labels as float64 [n]. Raises DataError for those that are none, with some of them."""

    @property
    def kept_type(self) -> pa.DataType:
        """The type of the labels that were reported for answers, in the files of monitoring."""
        return pa.string() if self.named_labels else pa.float64()

    @abstractmethod
    def read_label(self, value: object) -> float:
        """The label that a caller reports, as a number. Raises DataError for what is none."""

    def show_label(self, label: float) -> Json:
        """The label as authors and callers know it."""
        return label

    @abstractmethod
    def too_few(self, truth: Truth, least: int) -> str:
        """Why these rows cannot be learned from, or measured: in words; empty if they can. `least`: of a class, or of queries."""

    def absent(self, truth: Truth) -> tuple[str, ...]:
        """What the spec says there is, and no row has: a model cannot learn it."""
        return ()

    def units(self, truth: Truth) -> int:
        """How many observations the rows are."""
        return len(truth)

    @abstractmethod
    def described(self, truth: Truth) -> dict[str, float]:
        """What the labels of some rows are like, by name: for results, pages and commands."""

    @abstractmethod
    def label_rules(self, label: str) -> Sequence[Rule]:
        """What the label's column must satisfy, beside that it is never null: an expectation's name and its arguments."""

    @property
    def costs(self) -> tuple[str, ...]:
        """The columns that hold costs."""
        return ()

    @property
    def decided_at(self) -> float | None:
        """The score from which on the decision is yes, where that is how it is made: figures of two are not compared."""
        return None

    @property
    def query(self) -> str | None:
        """The column that says which rows are one list; None where each row stands alone."""
        return None

    # -- outputs -----------------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return self.value.outputs

    def shape(self, rows: int) -> tuple[int, ...]:
        """Of the outputs of so many rows."""
        return (rows,) if len(self.outputs) == 1 else (rows, len(self.outputs))

    def check(self, outputs: Outputs, rows: int) -> str:
        """What is wrong with a model's outputs for so many rows, in words; empty where they are healthy."""
        if outputs.shape != self.shape(rows):
            return f"outputs of shape {list(outputs.shape)} where {list(self.shape(rows))} is needed ({', '.join(self.outputs)})"
        if not np.isfinite(outputs).all():
            return f"{int((~np.isfinite(outputs)).sum())} outputs that are not finite"
        return self._unhealthy(outputs)

    def _unhealthy(self, outputs: Outputs) -> str:
        """What is wrong with finite outputs of the right shape."""
        return ""

    def parity(self, outputs: Outputs) -> float:
        """By how much a file's outputs may differ from these, the trained model's own: relatively where they are large."""
        return PARITY * max(1.0, float(np.sqrt(np.square(outputs.astype(np.float64)).mean()))) if outputs.size else PARITY

    @property
    @abstractmethod
    def default_output(self) -> Outputs:
        """The outputs [] or [k] that are answered when nothing can give better ones."""

    @abstractmethod
    def answer(
        self, output: Sequence[float] | float, columns: Mapping[str, Any] | None = None, decision: int | None = None
    ) -> dict[str, Json]:
        """What a caller gets of one row's outputs, beside id, version and arm. `columns`: the row's features by name.

        `decision`: the one that was made, where one was; else it follows from the outputs and the features.
        """

    @abstractmethod
    def summary(self, outputs: Outputs) -> Floats:
        """One number a row [n], by which drift and shadows are watched."""

    def distance(self, outputs: Outputs, others: Outputs) -> Floats:
        """How far two models' outputs of the same rows lie apart [n], in the unit of `rollout.shadow_tolerance`."""
        return np.abs(self.summary(outputs) - self.summary(others))

    def decide(self, outputs: Outputs, columns: Mapping[str, Floats] | None = None) -> Groups:
        """The decision of each row [n]: 0 or 1, or the place of a class. `columns`: features by name that are costs."""
        raise DataError(f"There is no decision in a {self.value_name}.", hint="ask for its outputs.")

    def apart(self, answer: Answered) -> float | None:
        """How far a shadow's answer lies from the one that the caller got, as `distance`; None where it cannot be told."""
        if answer.score is None or answer.against is None:
            return None
        ours, theirs = answer.outputs, answer.against_outputs
        if ours is None or theirs is None or len(ours) != len(theirs):
            return None if self.outputs_add_up else abs(answer.score - answer.against)
        return float(self.distance(np.array([ours]), np.array([theirs]))[0])

    # -- what is watched ---------------------------------------------------------------------------------------------------

    def positive_rate(self, truth: Truth) -> float | None:
        """The share of positive labels; None where there is no such thing."""
        return None

    def claimed(self, truth: Truth, outputs: Outputs) -> tuple[Floats, Floats] | None:
        """What came true of each row [n], 0 or 1, and the probability that was claimed for it; None where none is claimed."""
        return None

    @abstractmethod
    def residual(self, truth: Truth, outputs: Outputs) -> Floats:
        """By how much the truth of each row [n] lies above what the model says; NaN where a row alone says nothing."""

    @abstractmethod
    def residual_words(self, mean: float) -> str:
        """What a mean residual says, as the beginning of a sentence."""

    def level_words(self, mean: float, usual: float) -> str:
        """What a window's mean label says, as the beginning of a sentence."""
        return f"The mean label is {mean:.3g}, usually {usual:.3g}"

    @property
    def loss_words(self) -> str:
        """What a number of losses is called: so many `errors`."""
        return "errors"

    # -- losses and metrics ------------------------------------------------------------------------------------------------

    @abstractmethod
    def loss(self, truth: Truth, outputs: Outputs) -> Floats:
        """What each row [n] loses, 0 at best: what retraining and the judge weigh. Of a ranking, each list at its first row."""

    def explained(self, outputs: Outputs) -> int:
        """The place of the output [k] that an explanation of the answer is about."""
        return 0

    def surprise(self, truth: Truth, outputs: Outputs) -> Floats:
        """What each row's label costs by the outputs [n], by degrees: what an attack on the training rows reads."""
        return self.loss(truth, outputs)

    def doubt(self, outputs: Outputs) -> Floats | None:
        """How unsure the outputs are of themselves [n], whatever the label; None where they say nothing of that."""
        return None

    @abstractmethod
    def remembered(self, answer: Answered) -> float | None:
        """The one number of an answer that its label is compared with; None where no label could judge it."""

    @abstractmethod
    def loss_of(self, remembered: float, label: float) -> float:
        """What such an answer loses, 0 at best."""

    def logged_label(self, label: float | None, label_class: str) -> float | None:
        """The label of a record of the log; None where it is none of this kind."""
        return None if label_class else label

    @property
    @abstractmethod
    def own_metrics(self) -> Mapping[str, Metric]:
        """The metrics of this kind, by name."""

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Those, and the author's."""
        return {**self.own_metrics, **{name: _authored(name, function) for name, function in self._authored()}}

    def metric(self, name: str) -> Metric:
        """Raises DataError for a name that is none."""
        if name not in self.metrics:
            raise DataError(
                f"{name!r} is no metric of a {self.value_name}.",
                seen=name,
                safe="nothing was measured.",
                hint=f"choose one of {', '.join(self.metrics)}.",
            )
        return self.metrics[name]

    def measure(self, truth: Truth, outputs: Outputs, decided: bool = True) -> dict[str, float | None]:
        """Every metric by name, to six digits; None where one is not defined for these rows. `decided`: of decisions, too."""
        chosen = {name: metric for name, metric in self.metrics.items() if decided or not metric.decided}
        found = {name: metric.measured(truth, outputs) for name, metric in chosen.items()}
        return {name: round(each, 6) if math.isfinite(each) else None for name, each in found.items()}

    def influence(self, name: str, truth: Truth, outputs: Outputs) -> Influence:
        """By how much each row moves a metric."""
        return self.metric(name).influence(truth, outputs)

    def difference(self, name: str, truth: Truth, challenger: Outputs, champion: Outputs, groups: Groups) -> Difference:
        """Of two models' outputs of the same rows. `groups` [n]: rows that share something, such as their day."""
        from include.metrics.paired import difference_of  # scipy: a gateway has no need of it

        metric = self.metric(name)
        ours, theirs = (metric.influence(truth, outputs) for outputs in (challenger, champion))
        return difference_of(ours, theirs, metric.worse_by(ours.value, theirs.value), groups, self.units(truth))

    # -- what reports show -------------------------------------------------------------------------------------------------

    def calibration(self, truth: Truth, outputs: Outputs) -> list[Bin]:
        """Whether probabilities come true, by bins; nothing where outputs are none."""
        return []

    @abstractmethod
    def curves(self, truth: Truth, outputs: Outputs) -> list[CurveValue]:
        """What a report draws of these rows."""

    def slice_figures(self, truth: Truth) -> dict[str, float]:
        """What is said of the labels of a slice, beside its metrics."""
        return {}

    # -- inputs that hold the answer ---------------------------------------------------------------------------------------

    def sides(self, truth: Truth) -> list[Floats]:
        """What an input may predict alone, each [n]: the label; of classes, whether it is each of them."""
        return [truth.labels]

    @abstractmethod
    def strength(self, truth: Truth, side: Floats, column: Floats) -> float:
        """How well a column [n] without missing values predicts a side, either way up: 0 to 1. NaN where that is not defined."""

    # -- baselines ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def boosted(self, train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int) -> Outputs:
        """Outputs for `holdout` of gradient boosting on the same encoded rows; `categories`: the columns that are codes."""

    @abstractmethod
    def historical(self, truth: Truth, groups: Sequence[str], wanted: Sequence[str]) -> Outputs:
        """Outputs for rows of the groups `wanted`: what the training rows of the same group were on the average."""

    @property
    def value_name(self) -> str:
        """The kind, as the spec names it."""
        return type(self.value).__name__

    def _authored(self) -> list[tuple[str, Callable[[Floats, Outputs], Floats]]]:
        return [(reference.rpartition(":")[2], load(reference)) for reference in self.value.metrics]


def _authored(name: str, function: Callable[[Floats, Outputs], Floats]) -> Metric:
    """An author's metric: the mean of a loss a row."""

    def loss(truth: Truth, outputs: Outputs) -> Floats:
        found = np.asarray(function(truth.labels, outputs), dtype=np.float64)
        if found.shape != truth.labels.shape or not np.isfinite(found).all():
            raise DataError(
                f"The metric {name!r} must give a finite number a row.",
                seen=f"shape {list(found.shape)} for {len(truth)} rows, {int((~np.isfinite(found)).sum())} not finite",
                safe="nothing was decided.",
                hint="return a float64 array of the labels' shape.",
            )
        return found

    return Metric(name.replace("_", " "), mean_of(loss), higher_is_better=False)
