"""ModelSpec: everything Slipstream knows of a model, on one screen, typed and frozen.

A spec names its code by string, so reading one imports no library. Times of day are UTC. An unknown
field, a wrong type or an impossible value is refused with the field, the value and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from include.core.cron import cron, daily
from include.core.errors import SpecError
from include.core.names import clashes

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be lower case letters, digits and _, starting with a letter, at most 63")
    return value


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError("must look like 'package.module:name'")
    return value


Name = Annotated[str, AfterValidator(_name)]
Reference = Annotated[str, AfterValidator(_reference)]
Cron = Annotated[str, AfterValidator(cron)]
DailyCron = Annotated[str, AfterValidator(daily)]
Dtype = Literal["float", "int", "category"]


class _Frozen(BaseModel):
    """A frozen part of the spec. Making one, or reading one back, raises SpecError where a field is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SpecError(_explain(type(self), values, error)) from error

    # Without this mark pydantic would call __init__ for the parts of a spec that are written as dicts too, and the
    # first wrong part would hide the place of its field, and every other mistake.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise SpecError(_explain(cls, obj if isinstance(obj, dict) else {}, error)) from error


class Feature(_Frozen):
    """One input of the model. `default` is what serving uses when the value is not known.

    A `category` is text; unknown text is code 0. A missing `float` or `int` without default is NaN.
    """

    name: Name
    dtype: Dtype = "float"
    default: float | str | None = None
    description: str = ""


class View(_Frozen):
    """A table of feature values by entity keys and event time.

    A value is known from its event time on; if it can arrive later, `created` names the SQL's column of its arrival,
    and nothing sees it before. Of two values for one event time the one created later stands.
    """

    name: Name
    keys: tuple[Name, ...]  # columns of the entity rows that identify a row of this view
    features: tuple[Feature, ...]
    ttl: timedelta | None = None  # a value older than this, when asked for, counts as missing
    created: Name | None = None  # the SQL's column of arrival times; None: known at the event time
    freshness: timedelta | None = None  # how old the newest value online may be before somebody is told
    pushed: bool = False  # rows pushed to it are kept, and published with their day
    version: str = (
        ""  # filled in where one version of the definition is meant (include/model_contract/view_version.py), never in a spec
    )
    description: str = ""


class Data(_Frozen):
    """Daily raw partitions `raw/{model}/{source}/date=YYYY-MM-DD/part.parquet` under the storage root."""

    sources: tuple[Name, ...]
    first: date
    last: date | None = None  # a source that has ended; later runs are skipped with that reason
    empty_days: bool = False  # a partition without rows is a day on which nothing happened; by default it is refused
    lookback_days: int = Field(0, ge=0, le=366)  # earlier partitions that a day's features read
    minimum_share: float = Field(0.5, ge=0, le=1)  # of a published day's rows that a replacement must have; 0: any
    schedule: DailyCron = "0 0 * * *"  # cron, UTC: a run for each day, once it is over


class Features(_Frozen):
    build: Reference  # (day: date) -> {view name: SQL over the sources}: see docs/authoring.md
    entities: Reference  # () -> SQL over the sources: request_id, keys, event_timestamp, request features
    labels: Reference  # () -> SQL over the sources: request_id, label, label_timestamp
    views: tuple[View, ...]
    request: tuple[Feature, ...] = ()  # features that come with the request

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """Every model input in its order: the views' features, then the request's."""
        return tuple(feature for view in self.views for feature in view.features) + self.request

    @property
    def keys(self) -> tuple[str, ...]:
        """Every entity key, in first-use order."""
        return tuple(dict.fromkeys(key for view in self.views for key in view.keys))


class Training(_Frozen):
    fit: Reference  # (job: include.training.job.TrainingJob) -> None: writes job.model_path (ONNX)
    schedule: Cron = "0 0 1 * *"  # cron, UTC: the floor, whatever the drift
    window_days: int = Field(365, ge=1)  # how far back the training set reaches
    holdout_days: int = Field(28, ge=1)  # the newest days: never trained on
    minimum_rows: int = Field(1000, ge=10)
    params: dict[str, Any] = {}
    search: dict[str, tuple[Any, ...]] = {}  # tuning grid; used only when a run asks to tune
    workers: int = Field(1, ge=1)
    seed: int = 7
    without_withdrawn: bool = False  # leave out requests that a version answered which was rolled back since


class Evaluation(_Frozen):
    metric: Literal["auc", "log_loss", "accuracy"] = "auc"
    minimum: float | None = 0.5  # absolute floor (ceiling for log_loss)
    margin: float = Field(0.01, gt=0)  # how much worse than the champion is still let through
    alpha: float = Field(0.025, gt=0, lt=0.5)  # chance that one worse than that is let through all the same
    slice_margin: float = Field(0.03, ge=0)  # a slice may be worse by that, or by what may be chance over all slices
    baseline: Name | None = None  # a category feature whose historical rate of the label is the baseline
    slices: tuple[Name, ...] = ()
    max_latency_ms: float = Field(5.0, gt=0)  # p99 over rows of one row through ONNX Runtime, at a reference's known cost
    max_bytes: int = Field(50_000_000, gt=0)
    int8: bool = False  # also make an INT8 variant; it serves where it is faster, and as good within the margin
    int8_margin: float = Field(0.002, ge=0)  # of the metric, against the model as it was trained


class BusinessMetric(_Frozen):
    """A business metric that callers report by name for a request (`POST /feedback` with `metric`): it happened, or not."""

    name: Name
    worse: Literal["more", "fewer"] = "more"  # complaints: more; purchases: fewer
    tolerated: float = Field(1.0, ge=1)  # how many times worse than the champion's is still let through


class Rollout(_Frozen):
    strategy: Literal["canary", "blue_green"] = "canary"  # blue_green: from the shadow to 100 percent in one switch
    steps: tuple[int, ...] = (5, 20, 100)  # percent of the entities on the challenger
    shadow_requests: int = Field(200, ge=1)  # mirrored before the first step
    shadow_tolerance: float = Field(0.35, gt=0)  # mean |challenger - champion| score allowed
    step_requests: int = Field(100, ge=1)  # answered by the challenger at each step
    alpha: float = Field(0.05, gt=0, lt=0.5)  # chance that the whole rollout rolls back a healthy challenger
    beta: float = Field(0.05, gt=0, lt=0.5)  # chance that a step lets through a challenger that errs `margin` times as often
    margin: float = Field(2.5, gt=1)  # a step is passed when the error rate is shown to be under margin x the champion's,
    error_floor: float = Field(0.02, gt=0, lt=1)  # ... or under margin x this: below it, rates are not told apart
    score_tolerance: float | None = Field(5.0, ge=1)  # times as many scores beyond the champion's p10 and p90; None: not judged
    outcomes: tuple[BusinessMetric, ...] = ()
    first: Literal["smoke", "absolute"] = "smoke"  # without a champion: the smoke test suffices, or the steps are judged too
    deadline: timedelta = timedelta(minutes=30)  # of a stage; then `at_deadline`
    at_deadline: Literal["roll_back", "wait"] = "roll_back"
    orphaned: Literal["resume", "roll_back"] = "roll_back"  # what becomes of one that no DAG run drives any more
    orphaned_after: timedelta = Field(timedelta(minutes=5), ge=timedelta(0))  # since the reconciler saw that nobody drives it

    @property
    def weights(self) -> tuple[int, ...]:
        """The challenger's weight at each step of the strategy."""
        return (100,) if self.strategy == "blue_green" else self.steps

    @property
    def accepted_error_rate(self) -> float:
        """What is accepted where no champion serves beside the challenger; above it on both arms, someone is paged."""
        return min(1.0, self.margin * self.error_floor)

    @field_validator("steps")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or value[0] < 1 or value[-1] != 100:
            raise ValueError("must rise from at least 1 and end at 100, such as (5, 20, 100)")
        return value


class Monitoring(_Frozen):
    schedule: Cron = "0 0 * * 1"
    window_days: int = Field(7, ge=1)
    minimum_rows: int = Field(200, ge=1)
    labels_needed: float = Field(0.9, gt=0, le=1)  # share of a window's labels (of those that ever come) that judges it
    label_wait: int = Field(2, ge=0)  # windows back whose late labels are still taken in, and which are judged again with them
    skew_warn: float = Field(0.001, gt=0, le=1)  # share of a feature's served values that differ from training's: told
    skew_error: float = Field(0.01, gt=0, le=1)  # likewise: the skew task fails


class Retraining(_Frozen):
    """When to retrain. Every guard must be open; any reason suffices."""

    on_drift: bool = True
    on_performance_drop: float | None = 0.02  # absolute loss of the evaluation metric
    on_new_labels: float | None = 0.5  # new labelled rows, as a share of those trained on
    floor: timedelta | None = timedelta(days=60)  # retrain when the champion's data is older
    cooldown: timedelta = timedelta(days=14)
    minimum_labels: int = Field(1000, ge=0)
    budget_per_month: int = Field(2, ge=1)
    consecutive: int = Field(2, ge=1)  # windows in a row that must say the same before it counts
    within: int | None = Field(None, ge=1)  # or that many of the last `within`; those that abstain are passed over
    price: float | None = Field(None, gt=0)  # what a retrain costs, in errors of a window: .1 is 100 of 1,000 requests
    breaker: int = Field(3, ge=1)  # challengers rejected one after the other, after which a person must look

    @model_validator(mode="after")
    def _enough_windows(self) -> Self:
        if self.within is not None and self.within < self.consecutive:
            raise ValueError(f"within ({self.within}) must be at least consecutive ({self.consecutive})")
        return self


class Serving(_Frozen):
    default_score: float = Field(0.5, ge=0, le=1)  # the last resort
    redact: tuple[Name, ...] = ()  # fields never written to the prediction log
    threshold: float = Field(0.5, gt=0, lt=1)
    unknown_entity: Literal["default", "refuse"] = "default"  # no view knows it: score on defaults, or answer 404
    last_known: timedelta = timedelta(hours=1)  # how old the features may be that stand in while their store is away
    cache: timedelta | None = None  # an equal request within that time gets the same score, without reading its features again
    idle: timedelta | None = None  # unloaded after that long without a request; by default only for want of room
    max_rows: int = Field(1000, ge=1, le=10_000)  # of one request
    explore: float = Field(0.0, ge=0, lt=1)  # share of the requests whose decision is drawn at random, and logged as such
    requests_per_second: float | None = Field(None, gt=0)  # a worker; beyond it 429. By default only the gateway's own limits


class Objectives(_Frozen):
    """What callers are promised, over any 30 days. Alerts fire on how fast a promise's budget burns (docs/monitoring.md)."""

    errors: float = Field(0.005, gt=0, lt=1)  # share of the requests for which the arm's own model may give no score
    latency: timedelta = Field(timedelta(milliseconds=50), gt=timedelta(0), le=timedelta(seconds=1))  # when a score is due
    slow: float = Field(0.01, gt=0, lt=1)  # share of the requests whose score may come later


class Triggers(_Frozen):
    """What starts the features and monitoring DAGs beside their schedules. Every way leads to the same decision key."""

    landing: bool = False  # a day's raw partitions have landed; a monitoring window's last labels are published
    queue: str | None = None  # URL of an SQS queue whose messages name a window: {"as_of": "2013-05-27"}
    queue_connection: str = "aws_default"  # the Airflow connection that may read it


class ModelSpec(_Frozen):
    """One model. The folder `include/models/<name>/` holds it and all the code it names."""

    name: Name
    owner: str
    description: str
    label: Name
    data: Data
    features: Features
    expectations: Reference
    training: Training
    evaluation: Evaluation = Evaluation()
    rollout: Rollout = Rollout()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()
    serving: Serving = Serving()
    objectives: Objectives = Objectives()
    triggers: Triggers = Triggers()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(clashes(self))
        if problems:
            raise ValueError("; ".join(problems))
        names = [feature.name for feature in self.features.inputs]
        for field, used in (
            ("evaluation.slices", self.evaluation.slices),
            ("evaluation.baseline", (self.evaluation.baseline,)),
            ("serving.redact", self.serving.redact),
        ):
            unknown = [name for name in used if name and name not in (*names, *self.features.keys)]
            if unknown:
                raise ValueError(f"{field}: {unknown} is neither a feature nor a key of this model")
        return self

    @property
    def code(self) -> tuple[str, ...]:
        """Import strings of all the model's own code."""
        return (self.features.build, self.features.entities, self.features.labels, self.expectations, self.training.fit)


def _explain(part: type[BaseModel], values: Mapping[str, Any], error: ValidationError) -> str:
    lines = [f"{_heading(part, values)} is wrong:"]
    for problem in error.errors():
        field = ".".join(str(step) for step in problem["loc"]) or _word(part)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "is not a field here"
        lines.append(f"  {field}: {message} (seen: {problem.get('input')!r:.120})")
    return "\n".join(lines)


def _heading(part: type[BaseModel], values: Mapping[str, Any]) -> str:
    if part is ModelSpec:
        return f"The spec of model {values.get('name', '?')!r}"
    named = f"name={values['name']!r:.80}" if "name" in values else "..."
    return f"{part.__name__}({named}) in a model's spec"


def _word(part: type[BaseModel]) -> str:
    return "spec" if part is ModelSpec else part.__name__
