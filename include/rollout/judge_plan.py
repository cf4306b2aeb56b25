"""The rule of one stage, from the spec: fixed before the stage starts, and stored with its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from include.core.spec import ModelSpec
from include.problems.of import of_spec
from include.rollout.confidence_bounds import fewest, look_part
from include.rollout.evidence import ERRORS
from include.rollout.guardrails import Guard, label_streams, stage_guards
from include.rollout.plan import RolloutStage

# How a rollout's alpha is shared over the stages: those with two arms have most of it.
SHADOW_PART = FULL_PART = 0.1


@dataclass(frozen=True)
class JudgePlan:
    """The rule of one stage, fixed before it starts."""

    stage: str
    share: float  # of the entities that the challenger answers; 0 in the shadow stage
    requests: int  # that the challenger must have answered (or seen) before it may be promoted
    alpha: float
    compared: bool  # whether there is a champion to compare with
    tolerance: float | None = None  # of the mean distance of answers: the shadow stage has it
    guards: tuple[Guard, ...] = (Guard(ERRORS),)
    beta: float = 0.05
    margin: float = 2.5
    accepted: float = 0.05  # error rate accepted where no ratio can be shown, or no other arm serves
    first: str = "smoke"  # without a champion: is the smoke test enough
    answers: str = "scores"  # what the shadow's tolerance is of
    unit: str = ""  # of the tolerance, with the space before it
    label_margin: float | None = None  # where labels decide: how many times the champion's label events are ruled out
    labels: tuple[str, ...] = ()  # the streams of those events; empty where no labels are expected

    @property
    def shadow(self) -> bool:
        return self.share == 0

    @property
    def relative(self) -> bool:
        """Whether two arms meet the same traffic."""
        return self.compared and self.share < 1

    @property
    def null_share(self) -> float:
        """The chance that an event is the challenger's if both arms are alike: in the shadow each request meets both."""
        return 0.5 if self.shadow else self.share

    @property
    def planned(self) -> int:
        """Requests in the planned length of the stage: of both arms; of the shadow alone in its stage."""
        return planned_requests(self.share, self.requests, self.compared)

    @property
    def rate_level(self) -> float:
        """What of beta the bound on the challenger's own rate may spend, over all looks."""
        return self.beta / 2 if self.relative else self.beta

    @property
    def entities(self) -> int:
        """The fewest entities of the challenger that show the accepted rate at the planned end, if none meets an error."""
        return 0 if self.shadow else fewest(self.accepted, self.rate_level * look_part(0))

    @property
    def label_guards(self) -> tuple[Guard, ...]:
        """Those of the label events."""
        return tuple(guard for guard in self.guards if guard.stream in self.labels)

    def to_json(self) -> dict[str, Any]:
        """As verdicts hold it: what is as it was before there were kinds of problems is not said."""
        values = {**asdict(self), "guards": [guard.to_json() for guard in self.guards], "labels": list(self.labels)}
        plain: dict[str, Any] = {"answers": "scores", "unit": "", "label_margin": None, "labels": []}
        return {name: value for name, value in values.items() if name not in plain or value != plain[name]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        values: dict[str, Any] = dict(value)
        values["labels"] = tuple(values.get("labels", ()))
        values["guards"] = tuple(Guard.from_json(guard) for guard in values["guards"])
        return cls(**values)


def planned_requests(share: float, requests: int, compared: bool) -> int:
    """Requests of the stage's clock until the challenger has seen `requests`."""
    return round(requests / share) if compared and share else requests


def judge_plan(
    spec: ModelSpec, stage: RolloutStage, champion: int | None, limits: Mapping[str, float] | None = None, labelled: bool = False
) -> JudgePlan:
    """The judge's rule for a stage of the spec's rollout. `limits`: the champion's quantiles that are known by then."""
    rule, compared = spec.rollout, champion is not None
    canaries = sum(step < 100 for step in rule.weights)
    two_armed = compared and 0 < stage.weight < 100
    if two_armed:
        part = (1 - SHADOW_PART - FULL_PART) / canaries
    elif stage.shadow or canaries:
        part = SHADOW_PART if stage.shadow else FULL_PART
    else:
        part = 1 - SHADOW_PART
    problem = of_spec(spec)
    return JudgePlan(
        stage.name,
        share=stage.weight / 100,
        requests=rule.shadow_requests if stage.shadow else rule.step_requests,
        alpha=rule.alpha * part,
        compared=compared,
        tolerance=rule.shadow_tolerance if stage.shadow else None,
        guards=stage_guards(spec, limits or {}, labelled) if two_armed else (Guard(ERRORS),),
        beta=rule.beta,
        margin=rule.margin,
        accepted=rule.accepted_error_rate,
        first=rule.first,
        answers=problem.answer_words,
        unit=f" {problem.unit}" if problem.unit else "",
        label_margin=rule.label_margin if two_armed else None,
        labels=tuple(label_streams(spec, limits or {})) if two_armed and labelled and rule.label_margin else (),
    )
