"""The field `problem`: what kind of label the model predicts. What follows from it is in `include/problems`.

A kind says its names here, without numpy, so that a spec is checked while DAGs are parsed.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen, Name, OptionalReference, Reference

PositiveFloat = Annotated[float, Field(gt=0)]


class AnyKind(Frozen):
    """What every kind of problem has."""

    METRICS: ClassVar[tuple[str, ...]] = ()
    DEFAULT_METRIC: ClassVar[str] = ""
    kind: str

    metrics: tuple[Reference, ...] = ()
    """The author's own metrics: functions `(labels [n], outputs [n] or [n, k]) -> float64 [n]`, a loss a row, of which the mean
    is the metric and less is better. They are known by the function's name."""

    weight: Name | None = None
    """A column of the training set that says how much a row counts in fitting, in losses and in metrics; it must be positive.
    None: every row counts once."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the model says of a row, in their order."""
        return ("score",)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns beside label and features that losses and metrics read."""
        return (self.weight,) if self.weight else ()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every metric that the gate can be about."""
        return (*self.METRICS, *(reference.rpartition(":")[2] for reference in self.metrics))

    @property
    def unit_of_margins(self) -> float:
        """What the defaults of margins are multiplied by: they are meant for metrics between 0 and 1."""
        return 1.0

    def unit_keys(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the entity's keys by which an arm of a rollout is drawn, and by which it counts."""
        return keys


class Costs(Frozen):
    """What wrong decisions cost, in any one unit: a number, or the feature that holds it for each row."""

    false_positive: PositiveFloat | Name
    """The cost of a yes where the truth is no: of an alert that somebody looks at, say."""

    false_negative: PositiveFloat | Name
    """The cost of a no where the truth is yes: the amount of a fraud, say."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that are costs."""
        named = [cost for cost in (self.false_positive, self.false_negative) if isinstance(cost, str)]
        return tuple(dict.fromkeys(named))


class Binary(AnyKind):
    """The label is 0 or 1, and the model predicts the probability of 1."""

    METRICS = (
        "auc",
        "log_loss",
        "brier",
        "ece",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "average_precision",
        "precision_at_alerts",
        "recall_at_alerts",
        "cost",
    )
    DEFAULT_METRIC = "auc"

    kind: Literal["binary"] = "binary"
    """Which kind it is, where a spec is read back from a stored result."""

    costs: Costs | None = None
    """What wrong decisions cost. The loss is then the cost of the decision, and the decision is the one that is expected to cost
    less. None: the decision is that of `serving.threshold`, and each wrong one counts once."""

    alerts: int | None = Field(None, ge=1)
    """How many of the highest scores of a day somebody looks at: precision and recall are then also reported there."""

    decision: OptionalReference = ""
    """The author's own decision function `(scores [n]) -> int [n]` of 0 and 1, instead of threshold and costs."""

    @property
    def plain(self) -> bool:
        """Whether the decision is that of `serving.threshold`."""
        return self.costs is None and not self.decision

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().columns, *(self.costs.columns if self.costs else ()))))

    @property
    def metric_names(self) -> tuple[str, ...]:
        absent = set() if self.alerts else {"precision_at_alerts", "recall_at_alerts"}
        absent |= set() if self.costs else {"cost"}
        return tuple(name for name in super().metric_names if name not in absent)


class Regression(AnyKind):
    """The label is a finite number, and the model predicts it: its median, with an interval around it if one is asked for."""

    METRICS = ("mae", "rmse", "bias", "r2", "pinball", "coverage", "width")
    DEFAULT_METRIC = "mae"

    kind: Literal["regression"] = "regression"
    """Which kind it is, where a spec is read back from a stored result."""

    scale: float = Field(gt=0)
    """The size of an error that matters, in the label's unit. Margins that the spec leaves out are their defaults times it:
    `evaluation.margin`, `evaluation.slice_margin`, `retraining.on_performance_drop` and `rollout.shadow_tolerance`."""

    unit: str = ""
    """The label's unit, such as `minutes`, for pages and answers."""

    interval: float | None = Field(None, gt=0, lt=1)
    """The share of labels that lie between the model's outputs `low` and `high`, .9 say. None: it has the one output `value`."""

    minimum: float | None = None
    """The smallest label that there can be. Smaller ones are refused."""

    maximum: float | None = None
    """The largest label that there can be. Larger ones are refused."""

    default: float = 0.0
    """The value that is answered when no model and no feature store can give a better one."""

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("value", "low", "high") if self.interval else ("value",)

    @property
    def metric_names(self) -> tuple[str, ...]:
        absent = () if self.interval else ("pinball", "coverage", "width")
        return tuple(name for name in super().metric_names if name not in absent)

    @property
    def unit_of_margins(self) -> float:
        return self.scale

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low >= high:
            raise ValueError(f"minimum ({low:g}) must be below maximum ({high:g})")
        if (low is not None and self.default < low) or (high is not None and self.default > high):
            raise ValueError(f"default ({self.default:g}) lies outside minimum and maximum")
        return self


class MultiClass(AnyKind):
    """The label is one of several classes, and the model predicts the probability of each."""

    METRICS = ("log_loss", "accuracy", "macro_f1", "brier", "ece", "cost")
    DEFAULT_METRIC = "log_loss"

    kind: Literal["multiclass"] = "multiclass"
    """Which kind it is, where a spec is read back from a stored result."""

    classes: tuple[str, ...] = Field(min_length=2, max_length=1000)
    """The classes, as text, in the order of the model's outputs. Whole numbers of a label are compared as text."""

    costs: tuple[tuple[float, ...], ...] | None = None
    """What a decision costs, as `costs[truth][decision]` by the places of the classes; 0 where they agree. The loss is then the
    cost of the decision, and the decision is the one that is expected to cost least. None: the likeliest class is decided."""

    default: tuple[float, ...] | None = None
    """The probabilities that are answered when no model and no feature store can give better ones. None: all are alike."""

    decision: OptionalReference = ""
    """The author's own decision function `(probabilities [n, k]) -> int [n]`, the place of a class, instead of the likeliest or
    the cheapest."""

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.classes

    @property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(name for name in super().metric_names if name != "cost" or self.costs)

    @model_validator(mode="after")
    def _of_each_class(self) -> Self:
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice:
            raise ValueError(f"classes: {twice} is there more than once")
        if self.costs is not None:
            _square(self.costs, len(self.classes))
        if self.default is not None:
            _distribution(self.default, len(self.classes))
        return self


class Ranking(AnyKind):
    """The label is a relevance of 0 or more, and the model gives each candidate of a query a score that orders them."""

    METRICS = ("ndcg", "recall", "mrr", "map")
    DEFAULT_METRIC = "ndcg"

    kind: Literal["ranking"] = "ranking"
    """Which kind it is, where a spec is read back from a stored result."""

    query: Name
    """The column that says which rows are the candidates of one query: an entity key, or a column of `features.entities`."""

    item: Name
    """The entity key of the candidate."""

    at: int = Field(10, ge=1)
    """How many of a list's first places count."""

    default: float = 0.0
    """The score that is answered when no model and no feature store can give a better one."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().columns, self.query, self.item)))

    def unit_keys(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """The query: the candidates of one list must not meet several versions. Where it is no key, the keys but the item."""
        return (self.query,) if self.query in keys else tuple(key for key in keys if key != self.item)


Problem = Annotated[Binary | Regression | MultiClass | Ranking, Field(discriminator="kind")]


def _square(costs: tuple[tuple[float, ...], ...], classes: int) -> None:
    if len(costs) != classes or any(len(row) != classes for row in costs):
        raise ValueError(f"costs must have {classes} rows of {classes} numbers, one a class")
    wrong = [cost for row in costs for cost in row if not 0 <= cost < float("inf")]
    if wrong or any(costs[place][place] for place in range(classes)):
        raise ValueError("costs must be finite and at least 0, and 0 where truth and decision agree")


def _distribution(default: tuple[float, ...], classes: int) -> None:
    if len(default) != classes or any(not 0 <= p <= 1 for p in default) or abs(sum(default) - 1) > 1e-6:
        raise ValueError(f"default must be {classes} probabilities that add up to 1")


def problem_from(body: Any) -> Binary | Regression | MultiClass | Ranking:
    """The problem of a stored result. What was stored before there were kinds is binary."""
    kinds: dict[str, type[Binary | Regression | MultiClass | Ranking]] = {
        "binary": Binary,
        "regression": Regression,
        "multiclass": MultiClass,
        "ranking": Ranking,
    }
    if not body:
        return Binary()
    return kinds[body.get("kind", "binary")].model_validate(body)
