"""The value of `evaluate`, and of measuring its latency again."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from include.core.json_types import Json
from include.step_values.calibration import CalibrationBin
from include.step_values.explanations import ExplanationsValue
from include.step_values.fairness import FairnessValue
from include.step_values.privacy import PrivacyValue
from include.step_values.robustness import RobustnessValue
from include.step_values.training import Metrics


class DifferenceValue(TypedDict):
    """By how much the challenger is worse than the champion, row by row (negative: better), in units of the metric."""

    worse: float | None
    error: float | None
    freedom: float | None
    rows: float | None


class PairedSlice(DifferenceValue):
    """The same of the rows of one slice."""

    slice: str
    value: str


class PairedValue(DifferenceValue):
    """The same of all rows, and by slice."""

    slices: NotRequired[list[PairedSlice]]


SliceValue = dict[str, str | int | float | None]
"""The rows of one value of one column: `slice`, `value`, `rows`, the problem's first metrics; of a binary label its `rate`."""


class AloneValue(TypedDict):
    """An input that predicts the label too well alone: of a binary label by its AUC, of others by `strength` in `words`."""

    input: str
    auc: NotRequired[float]
    strength: NotRequired[float]
    words: NotRequired[str]


class CurveValue(TypedDict):
    """What a report draws: a line, bars or a table, whose axes are named `x` and `y`.

    `points`: [x, y] of a line or of bars. `rows` of a table have as many cells as `columns`. `level`: a line across.
    """

    title: str
    kind: Literal["line", "bars", "table"]
    note: str
    x: NotRequired[str]
    y: NotRequired[str]
    points: NotRequired[list[list[float]]]
    level: NotRequired[float]
    columns: NotRequired[list[str]]
    rows: NotRequired[list[list[str | int]]]


class Percentiles(TypedDict):
    """Milliseconds."""

    p50: float
    p99: float


class ReferenceCost(TypedDict):
    """The reference workload: the milliseconds of a unit, those it has where nothing disturbs it, and their ratio."""

    ms: float
    nominal: float
    slowdown: float


class LatencyValue(Percentiles):
    """Milliseconds of a call with one row, at the reference's known cost; and what the machine did meanwhile."""

    mean: float
    seen: NotRequired[Percentiles]
    reference: NotRequired[ReferenceCost]
    load: NotRequired[float]
    passes: NotRequired[int]


class Int8Value(TypedDict):
    """The INT8 variant, and why it may not serve; the rest is missing where the model cannot be quantised."""

    accepted: bool
    reason: str
    metrics: NotRequired[Metrics]
    latency_ms: NotRequired[LatencyValue]
    bytes: NotRequired[int]
    largest_difference: NotRequired[float]


class GateValue(TypedDict):
    """Whether the model may be registered as a candidate; `reasons` say why not."""

    passed: bool
    reasons: list[str]


class ColdValue(TypedDict):
    """Of a fit that began from another's weights: its cold twin's metrics on the same rows, and the comparison row by row."""

    metrics: Metrics
    paired: DifferenceValue


class ChampionValue(TypedDict):
    """The champion's metrics on the same rows, and the comparison row by row; or why the two are `incomparable`."""

    champion: Metrics | None
    incomparable: NotRequired[str]
    paired: NotRequired[PairedValue]


class EvaluateValue(ChampionValue):
    """A trained model on the holdout, beside its champion and its baselines.

    `problem`: the spec's, unless it is plain binary; `threshold`: of one that has any.
    """

    rows: int
    threshold: NotRequired[float]
    problem: NotRequired[dict[str, Json]]
    metrics: Metrics
    baselines: dict[str, Metrics]
    alone: NotRequired[list[AloneValue]]
    warnings: NotRequired[list[str]]
    slices: list[SliceValue]
    calibration: list[CalibrationBin]
    curves: NotRequired[list[CurveValue]]
    latency_ms: LatencyValue
    bytes: int
    remote: NotRequired[str]
    """The address of the server that scored: its latency is of the way there and back, and `bytes` are of a record of it."""
    int8: NotRequired[Int8Value]
    explanations: NotRequired[ExplanationsValue]
    """Which features move the model, where `evaluation.explanations` asks for it."""
    privacy: NotRequired[PrivacyValue]
    """Whether its answers give away its training rows, where `evaluation.privacy` asks for it."""
    measured_again: NotRequired[int]
    cold: NotRequired[ColdValue]
    fairness: NotRequired[FairnessValue]
    robustness: NotRequired[RobustnessValue]
    gate: NotRequired[GateValue]
