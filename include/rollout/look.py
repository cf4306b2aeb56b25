"""One look at a live stage: gather its evidence, ask the judge, store a final answer. Safe to repeat for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from include.core.control import ControlStore
from include.core.errors import GateClosed
from include.core.spec import ModelSpec
from include.rollout.evidence import Evidence, Observation, collect
from include.rollout.history import Rollout, entered, read_rollout
from include.rollout.judge import JudgePlan, Verdict, judge, judge_plan
from include.rollout.machine import record_verdict

FLOOR_US = 2_000.0  # nobody is slow below 2 ms, however fast the champion


def look(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, stage: str, records: Iterable[Observation], *, epoch: int, at: datetime
) -> Verdict:
    """Judge the stage on the prediction log's records since the rollout opened.

    A promote or roll_back is stored with its evidence, and roll_back takes the traffic back at once;
    `insufficient` means: look again. At the spec's deadline it becomes a roll_back, unless the spec waits.
    Raises GateClosed if somebody else has ended the rollout.
    """
    _require_running(control, rollout)
    since, generation = entered(control, rollout, stage)
    _, first = entered(control, rollout, rollout.stages[0].name)
    step = rollout.find(stage)
    evidence = collect(records, stage=stage, generation=generation, since=first, shadow=step.shadow, floor_us=FLOOR_US)
    plan = judge_plan(spec, step, rollout.champion)
    verdict = at_deadline(judge(evidence, plan), spec, (at - datetime.fromisoformat(since)).total_seconds())
    if verdict.answer != "insufficient":
        decision = {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}
        record_verdict(control, rollout, stage, decision, epoch)
    return verdict


def at_deadline(verdict: Verdict, spec: ModelSpec, seconds: float) -> Verdict:
    """An insufficient verdict after the deadline, as the spec says: roll back, or wait on."""
    rule = spec.rollout
    if verdict.answer != "insufficient" or seconds < rule.deadline.total_seconds() or rule.at_deadline == "wait":
        return verdict
    reason = f"the deadline of {rule.deadline} passed without enough evidence"
    return Verdict("roll_back", (reason, *verdict.reasons), verdict.numbers)


def recompute(decision: dict[str, object]) -> Verdict:
    """The judge's answer from a stored decision, to check that it still gives the same."""
    evidence, plan = decision["evidence"], decision["plan"]
    assert isinstance(evidence, dict) and isinstance(plan, dict)
    return judge(Evidence.from_json(evidence), JudgePlan.from_json(plan))


def _require_running(control: ControlStore, rollout: Rollout) -> None:
    current = read_rollout(control, rollout.id)
    if current.state != "running":
        raise GateClosed(
            f"Rollout {rollout.id} of {rollout.model} version {rollout.challenger} was ended by another hand: {current.state}.",
            seen=current.reason or None,
            safe="its traffic is where that hand put it.",
            hint="open a new rollout once the reason is dealt with.",
        )
