"""Live rollouts that nobody drives: their run failed, was deleted or marked, or its DAG is paused or gone.

A paused rollout is none: somebody has charge of it. First the reconciler records it, and sends an alert; after the spec's
grace time (`rollout.orphaned_after`) it is taken over by a new run, or the traffic goes back (`rollout.orphaned`). Acting is
fenced by what was seen: a driver that has started since is never overtaken.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import sqlalchemy as sa

from include.core.errors import ConflictError, FencedError, SlipstreamError
from include.core.request import Json
from include.core.spec import Rollout as Rules
from include.reconcile.airflow import OVER, RunState
from include.reconcile.world import Effect, Finding, PendingAlert, World, make_run, record_once, was_recorded
from include.rollout.driver import Driver, LiveRollout, adopt, live_rollouts, mark, still_running
from include.rollout.machine import revert_route

MAX_TAKEOVERS = 3  # times that a new run takes a rollout over; then the traffic goes back
ROLLED_BACK = "docs/rollout.md#the-canary-was-rolled-back-what-now"
ACTIVE = {"queued", "running"}  # states of a task that Airflow watches over, whatever its run's
RESUMABLE = "its run"  # what a reason begins with that a new run can help


def find(world: World) -> Iterator[Finding]:
    """The rollouts without a driver, and those that have one again."""
    for live in live_rollouts(world.control):
        reason = "" if live.rollout.state == "paused" else undriven_reason(world, live)
        if reason:
            yield _finding(world, live, reason)
        elif live.undriven is not None:
            yield _driven(world, live)


def undriven_reason(world: World, live: LiveRollout) -> str:
    """Why nobody drives it; empty where somebody does."""
    model, own = live.rollout.model, f"{live.rollout.model}_rollout"
    if model not in world.models or _rules(world, model) is None:
        # Airflow lists such a DAG still, says that its runs are running, and looks at none of them.
        return f"the DAG {live.drivers[-1].dag_id if live.drivers else own} is gone: its model cannot be loaded"
    if not live.drivers:  # opened by a version that did not write its run down
        told = _stopped(world, own)
        return told or ("" if world.airflow.unfinished(own) else f"{RESUMABLE} is not known, and {own} has none under way")
    # Several may: the model's own DAG and an author's. One that does is enough.
    reasons = [_stopped(world, driver.dag_id) or _idle(world, driver) for driver in live.drivers]
    return "" if "" in reasons else reasons[-1]


def _stopped(world: World, dag_id: str) -> str:
    """Why none of a DAG's runs goes on; empty where they do."""
    paused = world.airflow.paused(dag_id)
    if paused is None:
        return f"the DAG {dag_id} is gone"
    return f"the DAG {dag_id} is paused" if paused else ""


def _idle(world: World, driver: Driver) -> str:
    """Why a run drives nothing any more; empty where it does.

    A run that was marked may still have its teardown under way; a task of it that waits for anything else waits for ever.
    """
    state = world.airflow.run(driver.dag_id, driver.run_id)
    if state is RunState.GONE:
        return f"{RESUMABLE} {driver.run_id} was deleted"
    if state is RunState.QUEUED:
        return ""
    tasks = set(world.airflow.tasks(driver.dag_id, driver.run_id).values())
    if state.over:
        return "" if tasks & ACTIVE else f"{RESUMABLE} {driver.run_id} is over ({state})"
    return f"{RESUMABLE} {driver.run_id} is running, and all its tasks are over" if tasks and tasks <= OVER else ""


def _finding(world: World, live: LiveRollout, reason: str) -> Finding:
    rollout, rules = live.rollout, _rules(world, live.rollout.model) or Rules()
    summary = f"nobody drives the rollout of version {rollout.challenger} in {rollout.stage}: {reason}"
    finding = partial(Finding, "rollout.undriven", f"undriven/{rollout.id}", rollout.model, summary)
    resumed = _resumed(world, live)
    if live.undriven is None:
        return finding(f"alert sent; {_after(rules)}", partial(_begin, world, live, reason, rules))
    if (left := live.undriven + rules.orphaned_after - world.now).total_seconds() > 0:
        return finding(f"alert sent; in {left.total_seconds():.0f} s {_what(rules)}")
    if resumed is not None and reason.startswith(RESUMABLE):
        state, summary = world.airflow.run(resumed.dag_id, resumed.run_id), f"taken over by the run {resumed.run_id}"
        if state is RunState.GONE:
            return finding(summary, partial(_trigger, world, live, resumed, reason))
        if not state.over:  # made since this pass began
            return finding(summary)
    driver, may_resume = _next_driver(live), rules.orphaned == "resume" and reason.startswith(RESUMABLE)
    if may_resume and resumed is None and live.episodes <= MAX_TAKEOVERS and _runs(world, driver.dag_id):
        return finding(f"taken over by the run {driver.run_id}", partial(_resume, world, live, driver, reason))
    return finding("the traffic goes back to the champion", partial(_revert_route, world, live, reason))


def _runs(world: World, dag_id: str) -> bool:
    """Whether a run of the DAG would go on by itself: one of a paused DAG stays queued. (An author's DAG may have driven it.)"""
    return world.airflow.paused(dag_id) is False


def _rules(world: World, model: str) -> Rules | None:
    """The spec's; None for a model that cannot be loaded."""
    try:
        return world.spec(model).rollout
    except SlipstreamError:
        return None


def _what(rules: Rules) -> str:
    return "a new run takes it over" if rules.orphaned == "resume" else "the traffic goes back"


def _after(rules: Rules) -> str:
    return f"after {rules.orphaned_after.total_seconds():.0f} s {_what(rules)}"


def _next_driver(live: LiveRollout) -> Driver:
    return Driver(f"{live.rollout.model}_rollout", f"reconciled__{live.rollout.id}-{live.episodes}")


def _resumed(world: World, live: LiveRollout) -> Driver | None:
    """The run that was to take it over in this episode, if there was one."""
    return _next_driver(live) if was_recorded(world, f"resume/{live.rollout.id}/{live.episodes}") else None


# -- what is done -----------------------------------------------------------------------------------------


def _begin(world: World, live: LiveRollout, reason: str, rules: Rules) -> bool:
    """The grace time begins, and an alert is sent."""
    rollout, episode = live.rollout, live.episodes + 1

    def effect(connection: sa.Connection) -> dict[str, Json]:
        _require(connection, live)
        mark(connection, rollout.id, "undriven", episode, reason, world.now)
        return {"rollout": rollout.id, "episode": episode}

    key = f"undriven/{rollout.id}/{episode}"
    text = (
        f"{rollout.model}: nobody drives the rollout of version {rollout.challenger} in {rollout.stage}: {reason}. "
        f"{_after(rules).capitalize()}. To keep it as it is: slipstream rollout pause {rollout.model}."
    )
    pending = PendingAlert(key, "rollout_undriven", "ticket", rollout.model, text)
    return _unless_changed(world, key, "reconcile.undriven", pending, effect)


def _driven(world: World, live: LiveRollout) -> Finding:
    """Somebody drives it again, or has paused it: the next grace time begins anew."""
    rollout, key = live.rollout, f"driven/{live.rollout.id}/{live.episodes}"
    summary = f"the rollout of version {rollout.challenger} is {'paused' if rollout.state == 'paused' else 'driven again'}"

    def effect(connection: sa.Connection) -> dict[str, Json]:
        mark(connection, rollout.id, "driven", live.episodes, summary, world.now)
        return {"rollout": rollout.id, "episode": live.episodes}

    pending = PendingAlert(key, "rollout_driven", "info", rollout.model, f"{rollout.model}: {summary}.")
    act = partial(record_once, world, key, "reconcile.driven", pending, effect)
    return Finding("rollout.driven", key, rollout.model, summary, "alert sent", act)


def _resume(world: World, live: LiveRollout, driver: Driver, reason: str) -> bool:
    rollout = live.rollout

    def effect(connection: sa.Connection) -> dict[str, Json]:
        world.control.fence(connection, rollout.resource, live.epoch)
        _require(connection, live)
        adopt(connection, rollout.id, driver.request)
        return {"rollout": rollout.id, "run": driver.run_id}

    key = f"resume/{rollout.id}/{live.episodes}"
    text = f"{rollout.model}: the run {driver.run_id} takes over the rollout of version {rollout.challenger}: {reason}."
    pending = PendingAlert(key, "rollout_resumed", "ticket", rollout.model, text)
    if not _unless_changed(world, key, "reconcile.resume", pending, effect):
        return False
    return _trigger(world, live, driver, reason)


def _trigger(world: World, live: LiveRollout, driver: Driver, reason: str) -> bool:
    """The run that takes it over. Where Airflow refuses to make it, the traffic goes back at once."""
    conf: dict[str, Json] = {"version": live.rollout.challenger}
    return make_run(world, driver.dag_id, driver.run_id, conf, lambda summary: _revert_route(world, live, f"{reason}; {summary}"))


def _revert_route(world: World, live: LiveRollout, reason: str) -> bool:
    rollout = live.rollout

    def effect(connection: sa.Connection) -> dict[str, Json]:
        world.control.fence(connection, rollout.resource, live.epoch)
        _require(connection, live)
        generation = revert_route(world.control, connection, rollout, f"nobody drove it: {reason}", world.actor)
        return {"rollout": rollout.id, "generation": generation}

    summary = f"{rollout.model}: version {rollout.challenger} was rolled back in {rollout.stage}: nobody drove it: {reason}"
    pending = PendingAlert(f"rolled_back/{rollout.id}", "rolled_back", "ticket", rollout.model, summary, ROLLED_BACK)
    return _unless_changed(world, f"take_back/{rollout.id}", "reconcile.take_back", pending, effect)


def _unless_changed(world: World, key: str, action: str, pending: PendingAlert, effect: Effect) -> bool:
    """Nothing happens where a driver has started, or a person has paused or ended the rollout, since the check."""
    try:
        return record_once(world, key, action, pending, effect)
    except (FencedError, ConflictError):
        return False


def _require(connection: sa.Connection, live: LiveRollout) -> None:
    """Raises ConflictError where a person has paused or ended it since the check."""
    if not still_running(connection, live.rollout):
        raise ConflictError(f"The rollout {live.rollout.id} is paused or over by now.", safe="nothing was changed.")
