"""The section `experiments`: a version held against the champion on what callers report of its answers (docs/experiments.md)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen, Name, OptionalReference


class Metric(Frozen):
    """A metric of an experiment: of outcomes that callers report by name (`POST /feedback` with `metric`), or of a table."""

    name: Name
    """Its name, by which callers report it."""

    table: OptionalReference = ""
    """The function `() -> SQL over the sources` that selects request_id, value and event_timestamp (when it was so), where the
    metric is of the raw partitions of the model's sources. By default it is of what callers report."""

    kind: Literal["binary", "continuous"] = "binary"
    """What is made of the outcomes of an entity or a request: of `binary` whether any was above 0, of `continuous` the sum."""

    per: Literal["entity", "request"] = "entity"
    """What it is a mean of: entities, or requests. Either way an entity is one observation: its requests are a cluster."""

    better: Literal["more", "fewer"] = "more"
    """Which direction is good."""

    cap: float | None = Field(None, gt=0)
    """The largest value of one entity that is counted; a larger one counts as this, and its negative likewise."""

    winsorise: float | None = Field(None, gt=0.5, lt=1)
    """The quantile that the values of entities are cut at, such as .999, over both arms together at each look; low ones likewise
    at one less that quantile. By default nothing is cut."""

    @model_validator(mode="after")
    def _one_cut(self) -> Self:
        if self.cap is not None and self.winsorise is not None:
            raise ValueError("cap and winsorise are two rules for one thing: give one")
        if self.kind == "binary" and (self.cap is not None or self.winsorise is not None):
            raise ValueError('cap and winsorise cut large values, and a binary metric has none: say kind="continuous"')
        return self


class Guardrail(Metric):
    """A metric that the treatment must not make worse."""

    margin: float = Field(gt=0)
    """By how much it may be worse at most, in the metric's unit. The treatment is better only once this is shown, and the
    experiment ends as soon as the opposite is."""


class Experiment(Frozen):
    """An A/B test: some entities are answered by the champion, others by another version, and what follows is compared."""

    name: Name
    """The name of the experiment, unique in its model."""

    primary: Metric
    """The metric that decides."""

    minimum_effect: float = Field(gt=0)
    """The smallest difference worth having, in the metric's unit (of a binary one a difference of shares). The power is said for
    it, and an interval that lies within it on both sides says that there is no difference."""

    treatment: Literal["candidate"] | int = "candidate"
    """The version that is tried: its number, or `candidate`, the newest that waits for its rollout."""

    share: int = Field(50, ge=1, le=99)
    """The percentage of the experiment's entities that the treatment answers."""

    traffic: int = Field(100, ge=1, le=100)
    """The percentage of all entities that are in the experiment. The others are answered by the champion, and not counted."""

    salt: str = Field("", max_length=100)
    """What the arms are drawn by. By default each experiment draws its own, independent of rollouts and of other experiments; the
    same salt in a later experiment of the model puts the same entities in the same arms."""

    secondaries: tuple[Metric, ...] = ()
    """Metrics that are told beside, under one alpha of their own."""

    correction: Literal["holm", "hierarchy"] = "holm"
    """How the secondary metrics share their alpha: by Holm's procedure, or in the order they stand in, each asked only if the
    primary and all before it have shown a difference."""

    guardrails: tuple[Guardrail, ...] = ()
    """Metrics that must not become worse."""

    weeks: int = Field(2, ge=1, le=52)
    """How long entities are put in arms. Whole weeks, for the days of a week differ."""

    horizon: timedelta = Field(timedelta(days=1), gt=timedelta(0), le=timedelta(days=90))
    """For how long after an entity's first request in the experiment what it does is counted. The experiment ends that long after
    its last week."""

    before_weeks: int = Field(0, ge=0, le=12)
    """How many weeks before the start the variance is reduced by (CUPED). By default none are."""

    alpha: float = Field(0.05, gt=0, lt=0.5)
    """The probability that a difference is found where there is none, over all looks together."""

    power: float = Field(0.8, gt=0.5, lt=1)
    """The probability with which `minimum_effect` is to be found. It is planned with, and promised nowhere."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All of them: the primary one, the secondaries, the guardrails."""
        return (self.primary, *self.secondaries, *self.guardrails)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice} is more than one of primary, secondaries and guardrails: a metric has one part")
        return self
