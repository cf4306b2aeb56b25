"""Candidates without a turn: their event was dropped, came while a rollout was live, or its run failed before it opened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from include.core.digest import digest_json
from include.core.errors import FencedError
from include.core.request import Json
from include.reconcile.airflow import RunState
from include.reconcile.world import Effect, Finding, Notice, World, make_run, note, remedy
from include.rollout.candidates import Waiting, all_waiting
from include.rollout.waiting import supersede_in

FRESH = timedelta(minutes=3)  # since its registration: its own event comes first


def find(world: World) -> Iterator[Finding]:
    """The superseded, and whose turn it is. While a rollout is live, candidates wait: that is as it should be."""
    for each in all_waiting(world.control):
        if each.superseded:
            yield _superseded(world, each)
        if each.again and not each.live:
            yield from _offered_again(world, each)
        if each.due is not None and world.now - each.registered >= FRESH:
            yield from _turn(world, each, each.due)


def _superseded(world: World, each: Waiting) -> Finding:
    champion, named = each.champion, _named(each.superseded)
    assert champion is not None
    finding = f"superseded/{each.model}/{champion}/{digest_json(list(each.superseded))[:12]}"
    text = f"{named} had no turn, and version {champion}, which is newer, is in production"

    def effect(connection: sa.Connection) -> dict[str, Json]:
        world.control.fence(connection, f"rollout/{each.model}", each.epoch)
        gone = supersede_in(connection, world.control, each.model, champion, world.actor)
        return {"versions": list(gone), "by": champion}

    notice = Notice(finding, "candidate_superseded", "info", each.model, f"{each.model}: {text}: Archived.")
    act = partial(_unless_fenced, world, finding, "reconcile.supersede", notice, effect)
    return Finding("candidate.superseded", finding, each.model, text, "marked as superseded (Archived)", act)


def _turn(world: World, each: Waiting, version: int) -> Iterator[Finding]:
    dag_id, run_id = f"{each.model}_rollout", f"reconciled__version-{version}"
    paused = world.airflow.paused(dag_id)
    if paused is None or paused:
        state = "is paused" if paused else "is not there"
        yield _told(world, each.model, version, f"waits for its turn: the DAG {dag_id} {state}", remedy(dag_id, paused))
    elif world.airflow.unfinished(dag_id):
        return  # a turn is under way, or queued
    elif world.airflow.run(dag_id, run_id) is RunState.GONE:
        words = f"version {version} had no turn, and no rollout is live"
        finding = f"turn/{each.model}/{version}"
        act = partial(_give, world, each.model, version, dag_id, run_id)
        yield Finding("candidate.waiting", finding, each.model, words, f"its turn: the run {run_id} of {dag_id}", act)
    else:
        words = f"is a candidate still: its run {run_id} is over and opened no rollout"
        yield _told(
            world, each.model, version, words, f"read the run's log, then clear it or trigger {dag_id} with version={version}"
        )


def _give(world: World, model: str, version: int, dag_id: str, run_id: str) -> bool:
    finding, text = f"turn/{model}/{version}", f"{model}: version {version} had no turn; the run {run_id} gives it one."
    note(world, finding, "reconcile.turn", Notice(finding, "candidate_turn", "info", model, text))

    def refused(words: str) -> bool:
        return _told(world, model, version, f"waits for its turn: {words}", f"mend {dag_id}").act()

    return make_run(world, dag_id, run_id, {"version": version}, refused)


def _offered_again(world: World, each: Waiting) -> Iterator[Finding]:
    if world.airflow.unfinished(f"{each.model}_rollout"):
        return
    for version in each.again:
        words = "had its turn before and is a candidate again: it waits for the person who offered it"
        yield _told(world, each.model, version, words, f"trigger {each.model}_rollout with version={version}")


def _told(world: World, model: str, version: int, words: str, remedy: str) -> Finding:
    """A candidate that the reconciler can do nothing for: a person is told, once for each reason."""
    reason = words.partition(":")[0].replace(" ", "_")[:60]
    finding = f"candidate/{model}/{version}/{reason}"
    notice = Notice(finding, "candidate_waits", "ticket", model, f"{model}: version {version} {words}. Next: {remedy}.")
    act = partial(note, world, finding, "reconcile.told", notice)
    return Finding("candidate.waiting", finding, model, f"version {version} {words}", f"told; {remedy}", act)


def _unless_fenced(world: World, finding: str, action: str, notice: Notice, effect: Effect) -> bool:
    try:
        return note(world, finding, action, notice, effect)
    except FencedError:  # a rollout task started since the look: the next one sees what came of it
        return False


def _named(versions: tuple[int, ...]) -> str:
    return f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(map(str, sorted(versions)))}"
