"""What performance is measured by, the same for a window, its slices, the holdout and the estimate before labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.core.spec import Binary, ModelSpec
from include.metrics.arrays import Floats
from include.metrics.binary import METRICS
from include.monitoring.performance.known_rows import said, truth
from include.problems.binary import BinaryProblem
from include.problems.metric import Metric
from include.problems.of import of_params, of_spec
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

CLASS_ROWS = 20  # fewer rows of either class, or fewer lists, give no metric worth naming
WIDE = 0.15  # of a metric between 0 and 1: an interval whose half is wider says nothing any more


class Measured(NamedTuple):
    """A metric's value and its standard error."""

    value: float
    error: float


class Known(NamedTuple):
    """Labelled rows: what is known of them, and what the model said."""

    truth: Truth
    outputs: Outputs

    @property
    def day(self) -> npt.NDArray[np.int64]:
        """The UTC day [n] of each row."""
        assert self.truth.day is not None
        return self.truth.day.astype(np.int64)


@dataclass(frozen=True)
class Terms:
    """The metric, how many rows it takes, the score from which on the gateway says yes (`serving.threshold`) and, of other models
    than plain binary ones, the kind of problem."""

    metric: str
    minimum_rows: int
    threshold: float = 0.5
    kind: Problem | None = None

    @cached_property
    def problem(self) -> Problem:
        return self.kind or BinaryProblem(Binary(), self.threshold)

    @property
    def definition(self) -> Metric:
        """Of the metric."""
        return self.problem.metric(self.metric)

    @property
    def fractional(self) -> bool:
        """Whether the metric is known where labels are only known by chance: of a score and a threshold, and nothing else."""
        problem = self.problem
        return isinstance(problem, BinaryProblem) and problem.plain and self.metric in METRICS

    @property
    def wide(self) -> float:
        """Half an interval, in the metric's unit, beyond which an estimate says nothing."""
        return WIDE * (self.problem.value.unit_of_margins if self.definition.of_label else 1.0)

    def known(self, rows: pa.Table) -> Known:
        """Labelled rows as arrays."""
        return Known(truth(rows, self.problem), said(rows, self.problem))

    def why_not(self, known: Truth) -> str:
        """Why these labelled rows give no metric, in words; empty if they do."""
        if len(known) < self.minimum_rows:
            return f"{len(known)} labels of the champion's own answers have landed; {self.minimum_rows} are needed."
        few = self.problem.too_few(known, CLASS_ROWS)
        return f"{few[:1].upper()}{few[1:]}." if few else ""

    def enough(self, known: Truth) -> bool:
        """Whether labelled rows are enough, and enough of either class."""
        return not self.why_not(known)

    def measured(self, rows: pa.Table) -> Measured | None:
        """The metric on labelled rows; None where they are too few."""
        known = self.known(rows)
        return self.of(known) if self.enough(known.truth) else None

    def of(self, known: Known) -> Measured:
        """The metric of labelled rows, however few they are."""
        found = self.problem.influence(self.metric, known.truth, known.outputs)
        return Measured(found.value, found.error(known.day))


def terms_of(spec: ModelSpec) -> Terms:
    """Those of a model, as its spec stands now."""
    return Terms(spec.evaluation.metric, spec.monitoring.minimum_rows, spec.serving.threshold, of_spec(spec))


def terms_from(params: Mapping[str, Any]) -> Terms:
    """Those of a stored request: its parameters `metric`, `monitoring`, `threshold` and, of other kinds, `problem`."""
    minimum = int(params["monitoring"]["minimum_rows"])
    return Terms(params["metric"], minimum, float(params["threshold"]), of_params(params))


def arrays(rows: pa.Table) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Label, score and UTC day [n] of labelled rows of a plain binary model (`label`, `score`, `event_time`)."""
    known = Terms("auc", 0).known(rows)
    return known.truth.labels, known.outputs.astype(np.float64), known.day
