"""The section `rollout`: how a candidate takes over the traffic, and what sends it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from include.core.spec.approval import Approval
from include.core.spec.base import Frozen, Name


class BusinessMetric(Frozen):
    """A business metric that callers report by name for a request (`POST /feedback` with `metric`): it happened, or not."""

    name: Name
    """The name by which callers report it."""

    worse: Literal["more", "fewer"] = "more"
    """Which direction is bad: `more` for complaints, `fewer` for purchases."""

    tolerated: float = Field(1.0, ge=1)
    """How many times worse than the champion's it may be. By default anything shown to be worse counts against the challenger."""


class Rollout(Frozen):
    """The stages of a rollout, how much must be seen in each, and the error probabilities of its judge (docs/rollout.md)."""

    strategy: Literal["canary", "blue_green"] = "canary"
    """How the traffic moves: `canary` by `steps`, `blue_green` from the shadow to 100 percent in one switch."""

    steps: tuple[int, ...] = (5, 20, 100)
    """The percentages of the entities that the challenger answers, stage by stage. They must rise and end at 100."""

    shadow_requests: int = Field(200, ge=1)
    """How many mirrored requests the challenger must have scored before the first step."""

    shadow_tolerance: float = Field(0.35, gt=0)
    """The largest accepted mean distance of the challenger's answers from the champion's over the mirrored requests: |score -
    score|; of numbers |value - value|, in the label's unit; of classes the total variation of the probabilities, 0 to 1; of
    rankings the share of the champion's first places that are not among the challenger's."""

    step_requests: int = Field(100, ge=1)
    """How many requests the challenger must have answered at each step before it can be promoted."""

    alpha: float = Field(0.05, gt=0, lt=0.5)
    """The probability that the whole rollout rolls back a healthy challenger."""

    beta: float = Field(0.05, gt=0, lt=0.5)
    """The probability that a step promotes a challenger that errs `margin` times as often as it may."""

    margin: float = Field(2.5, gt=1)
    """The error rate that the challenger must be shown to be under, as a multiple of the champion's, or of `error_floor` if that
    is larger."""

    error_floor: float = Field(0.02, gt=0, lt=1)
    """The error rate below which rates are not told apart. A challenger shown to be under `margin` times it is promoted."""

    score_tolerance: float | None = Field(5.0, ge=1)
    """How many times as many scores below the champion's p10, or above its p90, are tolerated. None: scores are not judged. Of
    numbers it is the values, of classes the probability of the likeliest one; the scores of a ranking have no unit, and are not
    judged."""

    label_margin: float | None = Field(None, gt=1)
    """Where labels come while a stage lasts: how many times the champion's label events (wrong answers, large errors) the
    challenger must be shown to be under before a step with two arms promotes it, at `beta`. None: labels can only roll back."""

    outcomes: tuple[BusinessMetric, ...] = ()
    """The business metrics that are held against the challenger. By default none is."""

    first: Literal["smoke", "absolute"] = "smoke"
    """How the first version of a model, which has no champion beside it, is judged: `smoke` promotes it after the smoke test,
    `absolute` judges each step against the accepted error rate alone."""

    approval: Literal["none", "required"] | Approval = "none"
    """Who must approve a version. `Approval(before=..., persons=...)` asks persons in Airflow: docs/approval.md. `required`: in
    SageMaker's Model Registry (`SLIPSTREAM_SAGEMAKER_REGISTRY`) a person must have approved it before it is offered traffic, and
    again before it is promoted. A version that a person has rejected there goes no further in any case."""

    experiment: str = ""
    """The experiment (`experiments`) that must have found a version better before its rollout opens. By default none must."""

    deadline: timedelta = timedelta(minutes=30)
    """How long a stage may go on without a verdict before `at_deadline` is done."""

    at_deadline: Literal["roll_back", "wait"] = "roll_back"
    """What happens at a stage's deadline: roll back, or wait for more traffic or a person."""

    orphaned: Literal["resume", "roll_back"] = "roll_back"
    """What happens to a rollout that no DAG run drives any more: a new run resumes it, or the traffic goes back."""

    orphaned_after: timedelta = Field(timedelta(minutes=5), ge=timedelta(0))
    """How long a rollout may be without a DAG run, counted from when the reconciler first saw that, before `orphaned` is done."""

    @property
    def weights(self) -> tuple[int, ...]:
        """The challenger's weight at each step of the strategy."""
        return (100,) if self.strategy == "blue_green" else self.steps

    @property
    def persons_asked(self) -> Approval | None:
        """What is asked of persons before a version goes on; None where that is nothing."""
        asked = self.approval if isinstance(self.approval, Approval) else None
        return asked if asked is not None and asked.before != "none" else None

    @property
    def accepted_error_rate(self) -> float:
        """What is accepted where no champion serves beside the challenger; above it on both arms, someone is paged."""
        return min(1.0, self.margin * self.error_floor)

    @model_validator(mode="after")
    def _arms_for_labels(self) -> Self:
        if self.label_margin is not None and all(step == 100 for step in self.weights):
            raise ValueError("label_margin compares two arms, and no step has them: add one below 100, with strategy='canary'")
        return self

    @model_validator(mode="after")
    def _experiment_before_approval(self) -> Self:
        if self.experiment and self.persons_asked is not None and self.persons_asked.before == "traffic":
            raise ValueError("an experiment gives traffic: approval before='traffic' leaves none to it; use before='full'")
        return self

    @field_validator("steps")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or value[0] < 1 or value[-1] != 100:
            raise ValueError("must rise from at least 1 and end at 100, such as (5, 20, 100)")
        return value
