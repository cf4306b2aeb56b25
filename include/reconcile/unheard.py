"""Stages that no gateway counts for: their evidence never comes, and at the deadline the traffic would go back for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from include.core.time import instant
from include.reconcile.world import Finding, PendingAlert, World, record_once
from include.rollout.driver import live_rollouts
from include.rollout.evidence_store import SILENT, reporting
from include.rollout.history import Rollout, entered

GRACE = timedelta(minutes=5)  # since the stage was entered: a gateway takes it up within seconds
PLAYBOOK = "docs/rollout.md#where-its-evidence-comes-from"


def find(world: World) -> Iterator[Finding]:
    """The stages of live rollouts that wait for evidence, and that no gateway has taken up."""
    for rollout in (live.rollout for live in live_rollouts(world.control)):
        if rollout.state == "paused" or rollout.stage == "opened" or not rollout.find(rollout.stage).judged:
            continue
        since, generation = entered(world.control, rollout, rollout.stage)
        if world.now - instant(since) >= GRACE and not reporting(world.control, rollout.id, generation):
            yield _finding(world, rollout)


def _finding(world: World, rollout: Rollout) -> Finding:
    key = f"unheard/{rollout.id}/{rollout.stage}"
    summary = f"version {rollout.challenger} is in {rollout.stage}, and {SILENT}"
    pending = PendingAlert(key, "rollout_unheard", "ticket", rollout.model, f"{rollout.model}: {summary}", PLAYBOOK)
    act = partial(record_once, world, key, "reconcile.unheard", pending)
    return Finding("rollout.unheard", key, rollout.model, summary, "alert sent", act)
