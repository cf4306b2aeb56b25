"""The judge after its verdict: a stage that has passed is looked at for as long as the traffic is left in it.

Persons think for days, a pause lasts as long as it lasts, and the challenger goes on answering its share. Nothing new is fixed
for that time: the plan of the verdict, its boundaries and its alpha hold on, for the test is valid however often and however long
one looks. Two things may come of a look. *Turned*: the evidence is against the challenger now, and the traffic goes back.
*Doubted*: the judge would not let it pass today; nothing is proven, so it is said to who decides (docs/adr/0083).

A trigger asks `look`, which only looks; the task that it wakes looks again, and writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from include.core import fault
from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.errors import ConflictError
from include.core.request import Json
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.time import now
from include.rollout.approval_gate import doubt_name, doubts_in, standing_of
from include.rollout.approvals import write_event
from include.rollout.endpoint_evidence import Pace
from include.rollout.evidence import Evidence
from include.rollout.evidence_look import look as look_at_evidence
from include.rollout.evidence_look import settle
from include.rollout.history import Rollout, event_key, read_rollout, rollout_in, verdict_on
from include.rollout.judge import failing_alone, judge
from include.rollout.judge_plan import JudgePlan
from include.rollout.machine import require_running, revert_route
from include.rollout.stage_evaluation import Held, look_elsewhere

PACE = Pace(5.0)  # a stage that runs is looked at each second; days of waiting need not be


@dataclass(frozen=True)
class Found:
    """What is to be done about a stage that has passed. `decision`: as an event holds it, so that it can be computed again."""

    stage: str
    what: Literal["turned", "doubted"]
    decision: dict[str, Any]

    @property
    def words(self) -> str:
        return "; ".join(map(str, self.decision["reasons"]))


def look(*, rollout: str) -> str | None:
    """For a trigger: turned or doubted, where there is something to write that is not written; None: ask again."""
    if not PACE.due(rollout):
        return None
    settings = Settings.from_env()
    control = ControlStore(settings.control_url)
    found = after_verdict(control, settings, None, read_rollout(control, rollout), now())
    return found.what if found is not None else None


def resumed(*, rollout: str) -> bool | str | None:
    """True once the rollout is paused no longer; turned or doubted, as `look`; None: ask again."""
    control = ControlStore(Settings.from_env().control_url)
    return look(rollout=rollout) if read_rollout(control, rollout).state == "paused" else True


def after_verdict(
    control: ControlStore, settings: Settings, spec: ModelSpec | None, rollout: Rollout, at: datetime
) -> Found | None:
    """What the judge says today of the stage in which the traffic is left, where that is news; None where it says what it said,
    or where no judged stage has passed. `spec`: None: it is loaded, where it is needed."""
    passed = _passed(control, rollout)
    if passed is None:
        return None
    spec = spec or load_spec(rollout.model, settings.models)
    elsewhere = spec.serving.target != "gateway"
    held = look_elsewhere(control, settings, spec, rollout, rollout.stage, at) if elsewhere else None
    try:
        seen = look_at_evidence(control, rollout.id)
    except ConflictError:  # it ended this moment, and its evidence with it
        return None
    if seen.merge.terms.stage != rollout.stage:
        return None
    found = _judged(seen.merge.evidence(), JudgePlan.from_json(passed["plan"]), rollout.stage, held)
    settle(control, rollout.id, seen)  # else what gateways publish piles up for as long as persons think
    if found is not None and found.what == "doubted":
        with control.transaction() as connection:
            known = doubt_name(rollout.stage, at) in {doubt.name for doubt in doubts_in(connection, rollout.id)}
        return None if known else found
    return found


def withdraw(control: ControlStore, rollout: Rollout, found: Found, epoch: int) -> bool:
    """Take the traffic back, in one transaction with the verdict that replaces the one that stood. False where the rollout has
    gone on since, or is over: what was seen is of a stage that it has left."""

    def effect(connection: sa.Connection) -> dict[str, Json]:
        require_running(connection, rollout, even_paused=True)
        current = rollout_in(connection, rollout.id)
        if current.stage != found.stage:
            raise ConflictError(f"{rollout.model} has gone on from {found.stage} to {current.stage}.", safe="nothing changed.")
        write_event(connection, current, "withdrawn", found.stage, found.decision)
        reason = f"{_while(connection, current)}, the judge withdrew its verdict on {found.stage}: {found.words}"
        revert_route(control, connection, rollout, reason, "judge")
        fault.point("after_verdict.withdrawn")
        return {}

    fault.point("after_verdict.withdraw")
    with control.transaction() as connection:
        current = rollout_in(connection, rollout.id)
    if not current.live or current.stage != found.stage:
        return current.state == "rolled_back"
    control.once(event_key(rollout.id, "withdraw", found.stage), rollout.resource, epoch, effect)
    return True


def doubt(control: ControlStore, rollout: Rollout, found: Found, epoch: int, at: datetime) -> None:
    """Write down that the judge would not let the stage pass today. At most one a day is written of a stage: each makes void what
    was approved before it, and shows the request anew."""
    name = doubt_name(found.stage, at)

    def effect(connection: sa.Connection) -> dict[str, Json]:
        require_running(connection, rollout, even_paused=True)
        current = rollout_in(connection, rollout.id)
        if current.stage != found.stage:
            raise ConflictError(f"{rollout.model} has gone on from {found.stage} to {current.stage}.", safe="nothing changed.")
        write_event(connection, current, "doubted", name, found.decision)
        detail = {"rollout": rollout.id, "stage": found.stage, "reasons": list(found.decision["reasons"])}
        control.append_audit(connection, "judge", "rollout.doubt", rollout.model, detail)
        return {}

    control.once(event_key(rollout.id, "doubt", name), rollout.resource, epoch, effect)


def _passed(control: ControlStore, rollout: Rollout) -> dict[str, Any] | None:
    """The verdict by which the stage that the rollout stands in has passed; None where it has not, or no plan judged it."""
    if not rollout.live or not any(stage.name == rollout.stage and stage.judged for stage in rollout.stages):
        return None
    verdict = verdict_on(control, rollout, rollout.stage)
    return verdict if verdict is not None and verdict["answer"] == "promote" and "plan" in verdict else None


def _judged(evidence: Evidence, plan: JudgePlan, stage: str, held: Held | None) -> Found | None:
    verdict = judge(evidence, plan)
    shown = {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}
    if verdict.answer == "roll_back":
        return Found(stage, "turned", shown)
    reasons = verdict.reasons if verdict.answer == "insufficient" else tuple(failing_alone(evidence, plan))
    if not reasons and held is not None:
        reasons = tuple(held())
    return Found(stage, "doubted", {**shown, "answer": "insufficient", "reasons": list(reasons)}) if reasons else None


def _while(connection: sa.Connection, rollout: Rollout) -> str:
    """What the traffic was left in the stage for, as a reason begins."""
    standing = standing_of(connection, rollout)
    if standing is not None and standing.waits:
        return "while approval was awaited"
    return "while it was paused" if rollout.state == "paused" else "before it went on"
