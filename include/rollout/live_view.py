"""A live stage as it stands, for who watches: the counts against the need, each rail against its boundary, the deadline.

Nothing is decided here, and nothing begun or settled: slices that no judge has looked at may still grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from include.core.control import ControlStore
from include.core.spec import ModelSpec
from include.core.time import instant, timestamp
from include.rollout.alpha_spending import Ints, slice_of
from include.rollout.evidence import Evidence
from include.rollout.evidence_look import Look
from include.rollout.evidence_merge import StageMerge
from include.rollout.evidence_store import SILENT, lock_stage, read_settled, read_sources
from include.rollout.history import Rollout, entered, events, paused_for, verdict_on
from include.rollout.judge import absolute_limits, guard_limits
from include.rollout.judge_plan import JudgePlan
from include.rollout.stage_evaluation import judge_merged

POINTS = 120  # of a drawn line
Seen = dict[str, Any]


def live_view(control: ControlStore, spec: ModelSpec, rollout: Rollout, at: datetime) -> Seen:
    """`rails`: by event its count, the boundary and how much of that is used up, with both as they grew. `verdict`: the judge's
    words of now. `deadline`: when it is decided at the latest, pauses left out; empty while it is
    paused, and where it was."""
    told: Seen = {"stage": rollout.stage, "state": rollout.state, **_pause(control, rollout)}
    looked = _look(control, rollout)
    if looked is None or looked.merge.terms.stage != rollout.stage:
        return {**told, "begun": False, "words": "The stage has not begun to count yet."}
    since, _ = entered(control, rollout, rollout.stage)
    verdict, plan, evidence = judge_merged(control, spec, rollout, looked, at)
    decided = verdict_on(control, rollout, rollout.stage) is not None  # it waits: for persons, or by a pause
    count, champion = evidence.challenger, evidence.champion
    deadline = instant(since) + spec.rollout.deadline + paused_for(control, rollout, rollout.stage, at)
    return {
        **told,
        "begun": True,
        "since": since,
        "requests": count.requests,
        "needed": plan.requests,
        "entities": count.entities,
        "errors": count.errors,
        "champion": {"requests": champion.requests, "entities": champion.entities, "errors": champion.errors},
        "deadline": timestamp(deadline) if rollout.state == "running" and not decided else "",
        "at_deadline": spec.rollout.at_deadline,
        "answer": verdict.answer,
        "words": "; ".join((*verdict.reasons, *(() if looked.reported else (SILENT,)))),
        "rails": list(_rails(evidence, plan)) if evidence.complete else [],
    }


def _look(control: ControlStore, rollout: Rollout) -> Look | None:
    """What is published now. Unlike the judge's look it makes nothing past change."""
    with control.transaction() as connection:
        stage = lock_stage(connection, rollout.id, alone=False)
        if stage is None:
            return None
        seq, settled = read_settled(connection, rollout.id, stage.terms)
        merge = StageMerge(stage.terms, read_sources(connection, rollout.id), settled)
    return Look(merge, max(stage.judged, slice_of(merge.clock, stage.terms.planned)), seq)


def _pause(control: ControlStore, rollout: Rollout) -> Seen:
    """Who paused it, since when and why; empty where it runs."""
    if rollout.state != "paused":
        return {}
    newest = [event for event in events(control, rollout.id) if event["event"] == "paused"][-1:]
    return {"paused": {**newest[0]["evidence"], "at": newest[0]["at"]}} if newest else {}


def _rails(evidence: Evidence, plan: JudgePlan) -> Iterator[Seen]:
    if not plan.relative:
        of, hits, limits = absolute_limits(evidence, plan)
        yield _rail("entities that met an error", of, hits, limits)
        return
    for guard in plan.guards:
        whose = "champion" if guard.fewer else "challenger"
        yield _rail(f"{guard.description}: the {whose}'s", *guard_limits(evidence, plan, guard))


def _rail(name: str, of: Ints, hits: Ints, limits: Ints) -> Seen:
    """`used`: 1 is the boundary. A boundary that no count of the events so far could reach is none yet."""
    seen, limit, events_so_far = int(hits[-1]), int(limits[-1]), int(of[-1])
    reachable = limit <= 4 * max(events_so_far, 4)
    every = max(1, -(-len(hits) // POINTS))
    places = [*range(every - 1, len(hits) - 1, every), len(hits) - 1]
    walls = [int(limits[at]) if int(limits[at]) <= 4 * max(int(of[at]), 4) else None for at in places]
    lines = {"slices": [at + 1 for at in places], "hits": [int(hits[at]) for at in places], "limits": walls}
    return {"name": name, "seen": seen, "of": events_so_far, "limit": limit if reachable else None,
            "used": seen / limit if reachable and limit else None, **lines}  # fmt: skip
