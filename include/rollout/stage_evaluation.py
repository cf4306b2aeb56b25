"""One evaluation of a live stage: what the gateways have published of it, the judge, the deadline.

The trigger asks again and again, the task once more before it records the answer; whoever is killed, the next
evaluation finds the evidence, and the moment the stage was entered, in the control store. The log is read by the
gateways, each its own (include/rollout/evidence_publisher.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.ports import open_aws
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import instant, now
from include.prediction_log.shared import log_of
from include.rollout.endpoint_evidence import EndpointLog, Pace, publish_endpoint
from include.rollout.endpoint_rails import Invocations, open_invocations, too_slow
from include.rollout.evidence import Evidence
from include.rollout.evidence_look import Look, begin_stage, look, settle
from include.rollout.evidence_store import SILENT
from include.rollout.history import Rollout, alerted, entered, paused_for, read_rollout, verdict_on
from include.rollout.judge import Verdict, judge
from include.rollout.judge_plan import JudgePlan, judge_plan

Held = Callable[[], Sequence[str]]
"""Asks for reasons not to promote yet."""
PACE = Pace()


def evaluate_stage(*, rollout: str, model: str, stage: str) -> dict[str, Any] | None:
    """The stage's final decision as `record_verdict` stores it, or None: evaluate again later.

    Of a stage that was decided, that decision: what is counted by then is the next one's.
    The answer `hold`, until its alert is recorded: both arms are beyond the service's objective, so page someone.
    """
    settings = Settings.from_env()
    control = ControlStore(settings.control_url)
    known = read_rollout(control, rollout)
    if not known.live:
        return {"answer": "roll_back", "reasons": [f"ended by somebody else: {known.state} {known.reason}".rstrip()]}
    if (decided := verdict_on(control, known, stage)) is not None:
        return decided
    spec, at = load_spec(model, settings.models), now()
    held = look_elsewhere(control, settings, spec, known, stage, at) if spec.serving.target != "gateway" else None
    verdict, plan, evidence = read_and_judge(control, spec, known, stage, at, held)
    if verdict.alerts and not alerted(control, known, stage):
        return {**verdict.to_json(), "answer": "hold"}
    if verdict.answer == "insufficient" or (known.state == "paused" and verdict.answer == "promote"):
        return None  # a pause holds a stage; it never holds back a rollback
    shown = {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}
    return shown if verdict.answer == "promote" or judge(evidence, plan).answer != "promote" else {**shown, "held": True}


def look_elsewhere(
    control: ControlStore, settings: Settings, spec: ModelSpec, rollout: Rollout, stage: str, at: datetime
) -> Held:
    """Fold what an endpoint's containers have shipped, and return what its own counters say against a promotion."""
    begin_stage(control, spec, rollout, stage)

    @cache
    def counted() -> Invocations:
        return open_invocations(spec, settings, lambda: open_aws(settings))

    if PACE.due(rollout.id):
        publish_endpoint(control, EndpointLog(log_of(settings), counted), rollout, at)
    since, _ = entered(control, rollout, stage)
    return lambda: list(too_slow(counted(), spec, rollout.champion, rollout.challenger, instant(since), at))


def read_and_judge(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, stage: str, at: datetime, held: Held | None = None
) -> tuple[Verdict, JudgePlan, Evidence]:
    """Begin the stage if nobody has, look at what is published, judge, and settle what is past change."""
    begin_stage(control, spec, rollout, stage)
    seen = look(control, rollout.id)
    judged = judge_merged(control, spec, rollout, seen, at, held)
    settle(control, rollout.id, seen)
    return judged


def judge_merged(
    control: ControlStore, spec: ModelSpec, rollout: Rollout, seen: Look, at: datetime, held: Held | None = None
) -> tuple[Verdict, JudgePlan, Evidence]:
    """The verdict on what all gateways have published, the deadline included. `held`: reasons not to promote yet, asked for where
    the judge would."""
    terms, evidence = seen.merge.terms, seen.merge.evidence()
    since, _ = entered(control, rollout, terms.stage)
    elapsed = at - instant(since) - paused_for(control, rollout, terms.stage, at)
    plan = judge_plan(spec, rollout.find(terms.stage), rollout.champion, evidence.limits, terms.labelled)
    if terms.labelled and not terms.first_labels:  # begun before the spec asked for its labels
        plan = replace(plan, label_margin=None, labels=())
    verdict = judge(evidence, plan)
    if verdict.answer == "promote" and held is not None and (reasons := held()):
        verdict = Verdict("insufficient", tuple(reasons), verdict.numbers)
    if verdict_on(control, rollout, terms.stage) is not None:  # it is over: its deadline is, too
        return verdict, plan, evidence
    return at_deadline(verdict, spec, elapsed, "" if seen.reported else f"; {SILENT}"), plan, evidence


def at_deadline(verdict: Verdict, spec: ModelSpec, elapsed: timedelta, silent: str = "") -> Verdict:
    """An insufficient verdict after the deadline, as the spec says: roll back, or wait on. `silent`: that no gateway reports.

    An incident of both arms is never the challenger's fault: it is waited out.
    """
    rule = spec.rollout
    if verdict.answer != "insufficient" or verdict.alerts or elapsed < rule.deadline or rule.at_deadline == "wait":
        return verdict
    reason = f"not enough evidence within {rule.deadline} (at_deadline=roll_back){silent}"
    return Verdict("roll_back", (reason, *verdict.reasons), verdict.numbers)


def recompute(stored: Mapping[str, Any]) -> Verdict:
    """The judge's answer from a stored decision, to check that it is still the same.

    A rollback at the deadline is the judge's `insufficient` and the clock's: it is known by its first reason.
    """
    verdict = judge(Evidence.from_json(stored["evidence"]), JudgePlan.from_json(stored["plan"]))
    late = tuple(reason for reason in stored["reasons"][:1] if "(at_deadline=roll_back)" in reason)
    if late and (verdict.answer == "insufficient" or stored.get("held")):
        return Verdict("roll_back", (*late, *verdict.reasons), verdict.numbers)
    return verdict
