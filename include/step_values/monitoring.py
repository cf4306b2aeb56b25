"""The values of `collect`, `reference`, `monitor` and `shadows`."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from include.step_values.fairness import FairnessValue
from include.step_values.features import TrainingSetValue

Verdict = Literal["drift", "none", "abstain"]


class CollectValue(TypedDict):
    """Counts of a window's predictions and labels. `versions`: rows by the version that answered them. `defaulted`: by column the
    rows that had nothing in it and were answered by its default. `redacted`: inputs that the log never holds."""

    window: str
    as_of: str
    rows: int
    duplicates: int
    contested: int
    degraded: int
    explored: NotRequired[int]
    labelled: int
    labels_corrected: int
    labels_contradicting: int
    labels_outside: NotRequired[int]
    labels_told: NotRequired[int]
    labels_before_request: int
    labels_of_unknown_requests: int
    versions: dict[str, int]
    absent_columns: list[str]
    unexpected_columns: list[str]
    defaulted: NotRequired[dict[str, int]]
    redacted: NotRequired[list[str]]


class BacktestedWindow(TypedDict):
    """An estimate before labels on one of the holdout's windows, and what came true."""

    window: str
    estimate: float
    base: float
    realised: float
    noise: float


class ReferenceValue(TrainingSetValue):
    """The training set's value, with what the reference holds."""

    columns: int
    days: int
    backtest: NotRequired[list[BacktestedWindow]]


class IssueValue(TypedDict):
    """Something wrong with the data. A `fail` closes the gate to retraining."""

    kind: str
    severity: Literal["fail", "warn"]
    column: str
    words: str


class QualityValue(TypedDict):
    """Whether the window's data are whole."""

    passed: bool
    rows: int
    issues: list[IssueValue]


class ColumnDriftValue(TypedDict):
    """One column: its distance from the champion's past as a multiple of its usual spread, and the share of the score on it."""

    name: str
    drifted: bool
    words: str
    score: float
    importance: NotRequired[float | None]
    weight: NotRequired[float]


class DriftValue(TypedDict):
    """Drift of the inputs. `statistic` and `critical` are multiples of a column's usual spread; the farthest column is first."""

    verdict: Verdict
    words: str
    statistic: float | None
    critical: float | None
    p_value: float | None
    past_windows: int
    columns: list[ColumnDriftValue]
    not_judged: dict[str, str]


class DriftTypeValue(TypedDict):
    """One type of drift."""

    verdict: Verdict
    words: str
    columns: list[str]


class PerformanceValue(TypedDict):
    """Performance on labelled rows. `drop`: how much worse than the holdout, in the metric's own unit (positive: worse).

    A slice holds its metric under the metric's own name, which a TypedDict cannot say: `include.monitoring.performance.slices`.
    """

    verdict: Literal["measured", "abstain"]
    words: str
    metric: str
    rows: int
    positive_rate: float | None
    metrics: dict[str, float]
    errors: dict[str, float]
    expected: float | None
    drop: float | None
    drop_error: float | None
    slices: list[dict[str, Any]]
    calibration: dict[str, float]
    window: str


class LandingValue(TypedDict):
    """How many labels have arrived, and how many are still expected."""

    rows: int
    landed: int
    coming: float
    share: float
    enough: bool
    enough_by: str


class EarlierWindow(TypedDict):
    """A window before this one, as its labels stand now."""

    window: str
    landing: LandingValue
    performance: PerformanceValue


class RawEstimate(TypedDict):
    """An estimate if only the inputs have moved. `why`: why there is none; `value` is then the metric on the holdout."""

    value: float
    error: float
    base: float
    base_error: float
    noise: float
    effective: float
    outside: float
    why: str


class EstimateValue(TypedDict):
    """Performance before labels. `raw` is kept either way, for the day when the labels have arrived."""

    verdict: Literal["estimated", "abstain"]
    words: str
    metric: str
    landed: int
    value: float | None
    error: float | None
    raw: RawEstimate


class ComparisonValue(TypedDict):
    """A version that shadowed the champion, on the labelled rows that both scored."""

    challenger: int
    rows: int
    metric: str
    champion_value: float
    challenger_value: float
    better: float
    error: float
    words: str


class WatchedChampion(TypedDict):
    """The version in production, the end of its training data, and the rows it was trained on."""

    version: int
    data_until: str
    rows: int


class WatchedFairness(FairnessValue):
    """How groups were treated in a window. `labels`: whether enough labels have landed for what needs them. `unlanded`: answers
    whose entity row is not published yet, so that their attributes are not known. `late`: of the window `late_window` before,
    whose labels have become enough. `alarm`: the limits that enough windows in a row have shown to be missed."""

    labels: bool
    unlanded: int
    late: NotRequired[FairnessValue]
    late_window: NotRequired[str]
    alarm: list[str]


class MonitorValue(TypedDict):
    """One window of a champion's predictions, judged. `kinds`: every type of drift by name."""

    window: str
    as_of: str
    threshold: NotRequired[float | None]
    problem: NotRequired[dict[str, Any]]
    champion: WatchedChampion | None
    collected: CollectValue
    quality: QualityValue
    drift: DriftValue
    kinds: dict[str, DriftTypeValue]
    performance: PerformanceValue
    landing: LandingValue
    earlier: list[EarlierWindow]
    estimate: EstimateValue
    comparisons: list[ComparisonValue]
    fairness: NotRequired[WatchedFairness]
    words: list[str]


class ShadowsValue(TypedDict):
    """Errors of models trained at each past window, in every later one; None where unknown."""

    error: list[list[float | None]]
    champion: int
    first: str
