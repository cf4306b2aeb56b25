"""One look at a live stage: its evidence from the prediction log, the judge, the deadline. Only reads.

The trigger asks again and again, the task once more before it records the answer; whoever is killed,
the next look finds the same records and the moment the stage was entered in the control store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from include.core.adapters import adapter
from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.request import Json
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.rollout.evidence import Evidence, Observation, collect
from include.rollout.history import Rollout, entered, read_rollout
from include.rollout.judge import JudgePlan, Verdict, judge, judge_plan


def look(*, rollout: str, model: str, stage: str) -> dict[str, Json] | None:
    """The stage's final decision as `record_verdict` stores it, or None: look again later."""
    settings = Settings.from_env()
    control = ControlStore(settings.control_url)
    known = read_rollout(control, rollout)
    if known.state != "running":
        return {"answer": "roll_back", "reasons": [f"ended by another hand: {known.state} {known.reason}".rstrip()]}
    since, _ = entered(control, known, known.stages[0].name)
    records = adapter("predictions")(settings.home, model, since)
    return decision(control, load_spec(model, settings.models), known, stage, records, datetime.now(UTC))


def decision(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, stage: str, records: Iterable[Observation], at: datetime
) -> dict[str, Json] | None:
    """The same on given records: those of the log since the rollout's first stage."""
    since, generation = entered(control, rollout, stage)
    _, first = entered(control, rollout, rollout.stages[0].name)
    step = rollout.find(stage)
    floor_us = spec.evaluation.max_latency_ms * 1000  # nobody is slow below what the spec accepts, however fast the champion
    evidence = collect(records, stage=stage, generation=generation, since=first, shadow=step.shadow, floor_us=floor_us)
    plan = judge_plan(spec, step, rollout.champion)
    verdict = at_deadline(judge(evidence, plan), spec, at - datetime.fromisoformat(since))
    if verdict.answer == "insufficient":
        return None
    return {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}


def at_deadline(verdict: Verdict, spec: ModelSpec, elapsed: timedelta) -> Verdict:
    """An insufficient verdict after the deadline, as the spec says: roll back, or wait on."""
    rule = spec.rollout
    if verdict.answer != "insufficient" or elapsed < rule.deadline or rule.at_deadline == "wait":
        return verdict
    reason = f"not enough evidence within {rule.deadline} (at_deadline=roll_back)"
    return Verdict("roll_back", (reason, *verdict.reasons), verdict.numbers)


def recompute(stored: Mapping[str, Json]) -> Verdict:
    """The judge's answer from a stored decision, to check that it is still the same."""
    return judge(Evidence.from_json(stored["evidence"]), JudgePlan.from_json(stored["plan"]))
