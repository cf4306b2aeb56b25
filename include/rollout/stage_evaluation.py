"""One evaluation of a live stage: the log read on from where the last one stopped, the judge, the deadline.

The trigger asks again and again, the task once more before it records the answer; whoever is killed, the next
evaluation finds what was read so far, and the moment the stage was entered, in the control store. It changes
nothing but that row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import instant, now
from include.prediction_log.tail import read_tail
from include.rollout.accumulator_store import load_accumulator, save_accumulator
from include.rollout.baseline import LABELS
from include.rollout.evidence import Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.history import Rollout, alerted, entered, paused_for, read_rollout
from include.rollout.judge import Verdict, judge
from include.rollout.judge_plan import JudgePlan, judge_plan, planned_requests


def evaluate_stage(*, rollout: str, model: str, stage: str) -> dict[str, Any] | None:
    """The stage's final decision as `record_verdict` stores it, or None: evaluate again later.

    The answer `hold`, until its alert is recorded: both arms are beyond the service's objective, so page someone.
    """
    settings = Settings.from_env()
    control = ControlStore(settings.control_url)
    known = read_rollout(control, rollout)
    if not known.live:
        return {"answer": "roll_back", "reasons": [f"ended by somebody else: {known.state} {known.reason}".rstrip()]}
    spec = load_spec(model, settings.models)
    verdict, plan, evidence = read_and_judge(control, spec, known, stage, settings, now())
    if verdict.alerts and not alerted(control, known, stage):
        return {**verdict.to_json(), "answer": "hold"}
    if verdict.answer == "insufficient" or (known.state == "paused" and verdict.answer == "promote"):
        return None  # a pause holds a stage; it never holds back a rollback
    return {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}


def resumed(*, rollout: str) -> bool | None:
    """True once the rollout is paused no longer; None: ask again."""
    return None if read_rollout(ControlStore(Settings.from_env().control_url), rollout).state == "paused" else True


def read_and_judge(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, stage: str, settings: Settings, at: datetime
) -> tuple[Verdict, JudgePlan, Evidence]:
    """Read the log on, store what was read, judge."""
    since, _ = entered(control, rollout, rollout.stages[0].name)
    seq, accumulator = load_accumulator(control, rollout.id)
    begin_stage(control, spec, rollout, stage, accumulator)
    before = dict(accumulator.cursor)
    while True:
        records, accumulator.cursor = read_tail(settings.home, spec.name, since, accumulator.cursor)
        if not records:
            break
        accumulator.add(records)
    if accumulator.cursor != before or seq == 0:
        save_accumulator(control, rollout.id, stage, seq, accumulator)
    return judge_accumulated(control, spec, rollout, accumulator, at)


def begin_stage(control: ControlStore, spec: ModelSpec, rollout: Rollout, stage: str, accumulator: EvidenceAccumulator) -> None:
    """Have the accumulator count for this stage, from its route's generation on."""
    _, generation = entered(control, rollout, stage)
    _, accumulator.since = entered(control, rollout, rollout.stages[0].name)
    if accumulator.stage is not None and accumulator.stage.generation >= generation:
        return
    accumulator.problem = spec.problem
    step, floor_us = rollout.find(stage), spec.evaluation.max_latency_ms * 1000
    requests = spec.rollout.shadow_requests if step.shadow else spec.rollout.step_requests
    labelled = accumulator.baseline.labels >= LABELS
    planned = planned_requests(step.weight / 100, requests, rollout.champion is not None)
    accumulator.begin(
        StageAccumulator(
            stage,
            generation,
            planned,
            step.shadow,
            accumulator.limits(floor_us),
            labelled,
            spec.serving.threshold,
            labelled or bool(spec.rollout.outcomes),
            accumulator.baseline.requests,
            accumulator.baseline.errors,
            problem=spec.problem,
            first_labels=labelled and spec.rollout.label_margin is not None,
        )
    )


def judge_accumulated(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, accumulator: EvidenceAccumulator, at: datetime
) -> tuple[Verdict, JudgePlan, Evidence]:
    """The verdict on what an accumulator holds, the deadline included."""
    if accumulator.stage is None:
        raise ConflictError(f"Rollout {rollout.id} has no stage to judge yet.", hint="enter a stage first.")
    since, _ = entered(control, rollout, accumulator.stage.stage)
    elapsed = at - instant(since) - paused_for(control, rollout, accumulator.stage.stage, at)
    step, evidence = rollout.find(accumulator.stage.stage), accumulator.stage.evidence()
    plan = judge_plan(spec, step, rollout.champion, evidence.limits, accumulator.stage.labelled)
    if accumulator.stage.labelled and not accumulator.stage.first_labels:  # begun before the spec asked for its labels
        plan = replace(plan, label_margin=None, labels=())
    return at_deadline(judge(evidence, plan), spec, elapsed), plan, evidence


def at_deadline(verdict: Verdict, spec: ModelSpec, elapsed: timedelta) -> Verdict:
    """An insufficient verdict after the deadline, as the spec says: roll back, or wait on.

    An incident of both arms is never the challenger's fault: it is waited out.
    """
    rule = spec.rollout
    if verdict.answer != "insufficient" or verdict.alerts or elapsed < rule.deadline or rule.at_deadline == "wait":
        return verdict
    reason = f"not enough evidence within {rule.deadline} (at_deadline=roll_back)"
    return Verdict("roll_back", (reason, *verdict.reasons), verdict.numbers)


def recompute(stored: Mapping[str, Any]) -> Verdict:
    """The judge's answer from a stored decision, to check that it is still the same.

    A rollback at the deadline is the judge's `insufficient` and the clock's: it is known by its first reason.
    """
    verdict = judge(Evidence.from_json(stored["evidence"]), JudgePlan.from_json(stored["plan"]))
    late = tuple(reason for reason in stored["reasons"][:1] if "(at_deadline=roll_back)" in reason)
    if late and verdict.answer == "insufficient":
        return Verdict("roll_back", (*late, *verdict.reasons), verdict.numbers)
    return verdict
