"""Candidates without a turn: their event was dropped, came while a rollout was live, or its run failed before it opened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from include.core.digest import digest_json
from include.core.errors import FencedError, SlipstreamError
from include.core.request import Json
from include.experiment_state.queries import BETTER, answer
from include.reconcile.airflow import RunState
from include.reconcile.world import Effect, Finding, PendingAlert, World, make_run, record_once, remedy
from include.rollout.candidates import WaitingCandidates, all_waiting
from include.rollout.waiting import supersede_in

GRACE = timedelta(minutes=3)  # since its registration: its own event comes first


def find(world: World) -> Iterator[Finding]:
    """The superseded, and whose turn it is. While a rollout is live, candidates wait: that is as it should be."""
    for each in all_waiting(world.control):
        if each.superseded:
            yield _superseded(world, each)
        if each.again and not each.live:
            yield from _offered_again(world, each)
        due = _due(world, each)
        if due is not None and world.now - each.registered >= GRACE:
            yield from _next_candidate(world, each, due)


def _due(world: World, each: WaitingCandidates) -> int | None:
    """Whose turn it is: the newest; where rollouts wait for an experiment, the newest that it has found better."""
    try:
        name = world.spec(each.model).rollout.experiment if each.due is not None else ""
    except SlipstreamError:  # its folder is broken, and whoever loads it says so
        name = ""
    if not name:
        return each.due
    waiting = (version for version in each.fresh if version not in each.superseded)
    return max((version for version in waiting if answer(world.control, each.model, name, version) == BETTER), default=None)


def _superseded(world: World, each: WaitingCandidates) -> Finding:
    champion, named = each.champion, _named(each.superseded)
    assert champion is not None
    finding = f"superseded/{each.model}/{champion}/{digest_json(list(each.superseded))[:12]}"
    text = f"{named} had no turn, and version {champion}, which is newer, is in production"

    def effect(connection: sa.Connection) -> dict[str, Json]:
        world.control.fence(connection, f"rollout/{each.model}", each.epoch)
        gone = supersede_in(connection, world.control, each.model, champion, world.actor)
        return {"versions": list(gone), "by": champion}

    pending = PendingAlert(finding, "candidate_superseded", "info", each.model, f"{each.model}: {text}: Archived.")
    act = partial(_unless_fenced, world, finding, "reconcile.supersede", pending, effect)
    return Finding("candidate.superseded", finding, each.model, text, "marked as superseded (Archived)", act)


def _next_candidate(world: World, each: WaitingCandidates, version: int) -> Iterator[Finding]:
    dag_id, run_id = f"{each.model}_rollout", f"reconciled__version-{version}"
    paused = world.airflow.paused(dag_id)
    if paused is None or paused:
        state = "is paused" if paused else "is not there"
        yield _report(world, each.model, version, f"waits for its turn: the DAG {dag_id} {state}", remedy(dag_id, paused))
    elif world.airflow.unfinished(dag_id):
        return  # a turn is under way, or queued
    elif world.airflow.run(dag_id, run_id) is RunState.GONE:
        summary = f"version {version} had no turn, and no rollout is live"
        finding = f"turn/{each.model}/{version}"
        act = partial(_start_rollout, world, each.model, version, dag_id, run_id)
        yield Finding("candidate.waiting", finding, each.model, summary, f"its turn: the run {run_id} of {dag_id}", act)
    else:
        summary = f"is a candidate still: its run {run_id} is over and opened no rollout"
        yield _report(
            world, each.model, version, summary, f"read the run's log, then clear it or trigger {dag_id} with version={version}"
        )


def _start_rollout(world: World, model: str, version: int, dag_id: str, run_id: str) -> bool:
    finding, text = f"turn/{model}/{version}", f"{model}: version {version} had no turn; the run {run_id} gives it one."
    record_once(world, finding, "reconcile.turn", PendingAlert(finding, "candidate_turn", "info", model, text))

    def refused(summary: str) -> bool:
        return _report(world, model, version, f"waits for its turn: {summary}", f"mend {dag_id}").act()

    return make_run(world, dag_id, run_id, {"version": version}, refused)


def _offered_again(world: World, each: WaitingCandidates) -> Iterator[Finding]:
    if world.airflow.unfinished(f"{each.model}_rollout"):
        return
    for version in each.again:
        summary = "had its turn before and is a candidate again: it waits for the person who offered it"
        yield _report(world, each.model, version, summary, f"trigger {each.model}_rollout with version={version}")


def _report(world: World, model: str, version: int, summary: str, remedy: str) -> Finding:
    """A candidate that the reconciler can do nothing for: an alert is sent, once for each reason."""
    reason = summary.partition(":")[0].replace(" ", "_")[:60]
    finding = f"candidate/{model}/{version}/{reason}"
    pending = PendingAlert(finding, "candidate_waits", "ticket", model, f"{model}: version {version} {summary}. Next: {remedy}.")
    act = partial(record_once, world, finding, "reconcile.told", pending)
    return Finding("candidate.waiting", finding, model, f"version {version} {summary}", f"alert sent; {remedy}", act)


def _unless_fenced(world: World, finding: str, action: str, pending: PendingAlert, effect: Effect) -> bool:
    try:
        return record_once(world, finding, action, pending, effect)
    except FencedError:  # a rollout task started since the check: the next pass sees what came of it
        return False


def _named(versions: tuple[int, ...]) -> str:
    return f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(map(str, sorted(versions)))}"
