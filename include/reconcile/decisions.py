"""Retraining decisions whose event got lost: the row says retrain, and no training run took it.

Only a model's newest such decision counts: a later one replaces it. A version that was trained later than the decision's
window, by whatever run, has answered it. What a backfill decided starts nothing, and its row says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.digest import digest_json
from include.core.request import Json
from include.core.time import parse_time
from include.monitoring.retraining.retrainings import RetrainDecision, newest_in, run_of
from include.reconcile.airflow import RunState
from include.reconcile.world import Finding, PendingAlert, World, make_run, record_once, remedy
from include.versions.queries import stored_in

GRACE = timedelta(minutes=10)  # since the decision: its own event comes first, and Airflow may have two runs before it
MAX_AGE = timedelta(days=30)  # an older decision is not acted on: monitoring has decided since


def find(world: World) -> Iterator[Finding]:
    for each in unanswered(world.control, world.now):
        dag_id = f"{each.model}_training"
        if each.run_id:
            yield from _taken(world, each, dag_id)
        elif each.made_by == "unknown":
            summary = f"the decision {each.key} says retrain, and no run took it; whether a backfill made it was not written down"
            yield _report(world, each, "unknown", summary, f"if it is wanted: trigger {dag_id} with as_of={each.as_of}")
        elif each.made_by == "run":
            yield from _resend(world, each, dag_id)


def unanswered(control: ControlStore, now: datetime) -> list[RetrainDecision]:
    """Decisions of the last 30 days, one a model, made at least some minutes ago, that no version has answered."""
    with control.transaction() as connection:
        newest = newest_in(connection, now - MAX_AGE)
        return [each for each in newest if now - each.at >= GRACE and not _answered(connection, each)]


def _answered(connection: sa.Connection, each: RetrainDecision) -> bool:
    """Whether a version was trained as of its window's end or later."""
    as_of = parse_time(each.as_of)
    return any(_answers(record, as_of) for record in stored_in(connection, each.model).values())


def _answers(record: Mapping[str, Json], as_of: datetime) -> bool:
    made = record.get("as_of")
    return bool(made) and record.get("run_type") != "backfill" and parse_time(str(made)) >= as_of


def _resend(world: World, each: RetrainDecision, dag_id: str) -> Iterator[Finding]:
    run_id = f"reconciled__decision-{digest_json(each.key)[:16]}"
    paused = world.airflow.paused(dag_id)
    if paused is None or paused:
        state = "is paused" if paused else "is not there"
        summary = f"the decision {each.key} says retrain, and no run took it: the DAG {dag_id} {state}"
        yield _report(world, each, "paused" if paused else "gone", summary, remedy(dag_id, paused))
    elif world.airflow.run(dag_id, run_id) is RunState.GONE:
        if not world.airflow.unfinished(dag_id):  # else a run that is under way may be its own, or train as late
            summary = f"the decision {each.key} says retrain, and no run took it"
            act = partial(_send, world, each, dag_id, run_id)
            yield Finding("decision.lost", f"decision/{each.key}", each.model, summary, f"sent again: the run {run_id}", act)
    elif world.airflow.run(dag_id, run_id).over:
        summary = f"the decision {each.key} says retrain, and its run {run_id} ended before it was planned"
        yield _report(world, each, "ended", summary, "read the run's log, then clear it")


def _send(world: World, each: RetrainDecision, dag_id: str, run_id: str) -> bool:
    text = f"{each.model}: the decision {each.key} to retrain had no training run; the run {run_id} is one. {each.summary}"
    finding = f"decision/{digest_json(each.key)[:32]}"
    record_once(world, finding, "reconcile.resend", PendingAlert(finding, "decision_sent_again", "info", each.model, text))

    def refused(summary: str) -> bool:
        summary = f"the decision {each.key} says retrain, and no run can be made: {summary}"
        return _report(world, each, "refused", summary, f"mend {dag_id}").act()

    conf: dict[str, Json] = {"as_of": each.as_of, "decision": each.key, "words": each.summary}
    return make_run(world, dag_id, run_id, conf, refused)


def _taken(world: World, each: RetrainDecision, dag_id: str) -> Iterator[Finding]:
    """A run that took it and is deleted trains nothing, and no other run may take it: that is a person's to know."""
    if world.airflow.run(*run_of(each.run_id, each.model)) is RunState.GONE:
        summary = (
            f"the decision {each.key} says retrain, and the run {each.run_id} that took it was deleted before it made a version"
        )
        yield _report(world, each, "deleted", summary, f"to train all the same: trigger {dag_id} with as_of={each.as_of}")


def _report(world: World, each: RetrainDecision, why: str, summary: str, remedy: str) -> Finding:
    finding = f"decision/{digest_json(each.key)[:32]}/{why}"
    pending = PendingAlert(finding, "decision_waits", "ticket", each.model, f"{each.model}: {summary}. Next: {remedy}.")
    act = partial(record_once, world, finding, "reconcile.told", pending)
    return Finding("decision.lost", finding, each.model, summary, f"alert sent; {remedy}", act)
