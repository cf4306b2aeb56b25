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
from include.monitoring.retraining.retrainings import Retraining, newest_in
from include.reconcile.airflow import RunState
from include.reconcile.world import Finding, Notice, World, make_run, note, remedy
from include.versions.queries import stored_in

FRESH = timedelta(minutes=10)  # since the decision: its own event comes first, and Airflow may have two runs before it
FORGOTTEN = timedelta(days=30)  # an older decision is not acted on: monitoring has decided since


def find(world: World) -> Iterator[Finding]:
    for each in unanswered(world.control, world.now):
        dag_id = f"{each.model}_training"
        if each.run_id:
            yield from _taken(world, each, dag_id)
        elif each.made_by == "unknown":
            words = f"the decision {each.key} says retrain, and no run took it; whether a backfill made it was not written down"
            yield _told(world, each, "unknown", words, f"if it is wanted: trigger {dag_id} with as_of={each.as_of}")
        elif each.made_by == "run":
            yield from _resend(world, each, dag_id)


def unanswered(control: ControlStore, now: datetime) -> list[Retraining]:
    """Decisions of the last 30 days, one a model, made at least some minutes ago, that no version has answered."""
    with control.transaction() as connection:
        newest = newest_in(connection, now - FORGOTTEN)
        return [each for each in newest if now - each.at >= FRESH and not _answered(connection, each)]


def _answered(connection: sa.Connection, each: Retraining) -> bool:
    """Whether a version was trained as of its window's end or later."""
    as_of = parse_time(each.as_of)
    return any(_answers(record, as_of) for record in stored_in(connection, each.model).values())


def _answers(record: Mapping[str, Json], as_of: datetime) -> bool:
    made = record.get("as_of")
    return bool(made) and record.get("run_type") != "backfill" and parse_time(str(made)) >= as_of


def _resend(world: World, each: Retraining, dag_id: str) -> Iterator[Finding]:
    run_id = f"reconciled__decision-{digest_json(each.key)[:16]}"
    paused = world.airflow.paused(dag_id)
    if paused is None or paused:
        state = "is paused" if paused else "is not there"
        words = f"the decision {each.key} says retrain, and no run took it: the DAG {dag_id} {state}"
        yield _told(world, each, "paused" if paused else "gone", words, remedy(dag_id, paused))
    elif world.airflow.run(dag_id, run_id) is RunState.GONE:
        if not world.airflow.unfinished(dag_id):  # else a run that is under way may be its own, or train as late
            words = f"the decision {each.key} says retrain, and no run took it"
            act = partial(_send, world, each, dag_id, run_id)
            yield Finding("decision.lost", f"decision/{each.key}", each.model, words, f"sent again: the run {run_id}", act)
    elif world.airflow.run(dag_id, run_id).over:
        words = f"the decision {each.key} says retrain, and its run {run_id} ended before it was planned"
        yield _told(world, each, "ended", words, "read the run's log, then clear it")


def _send(world: World, each: Retraining, dag_id: str, run_id: str) -> bool:
    text = f"{each.model}: the decision {each.key} to retrain had no training run; the run {run_id} is one. {each.words}"
    finding = f"decision/{digest_json(each.key)[:32]}"
    note(world, finding, "reconcile.resend", Notice(finding, "decision_sent_again", "info", each.model, text))

    def refused(words: str) -> bool:
        words = f"the decision {each.key} says retrain, and no run can be made: {words}"
        return _told(world, each, "refused", words, f"mend {dag_id}").act()

    conf: dict[str, Json] = {"as_of": each.as_of, "decision": each.key, "words": each.words}
    return make_run(world, dag_id, run_id, conf, refused)


def _taken(world: World, each: Retraining, dag_id: str) -> Iterator[Finding]:
    """A run that took it and is deleted trains nothing, and no other run may take it: that is a person's to know."""
    if world.airflow.run(dag_id, each.run_id) is RunState.GONE:
        words = (
            f"the decision {each.key} says retrain, and the run {each.run_id} that took it was deleted before it made a version"
        )
        yield _told(world, each, "deleted", words, f"to train all the same: trigger {dag_id} with as_of={each.as_of}")


def _told(world: World, each: Retraining, why: str, words: str, remedy: str) -> Finding:
    finding = f"decision/{digest_json(each.key)[:32]}/{why}"
    notice = Notice(finding, "decision_waits", "ticket", each.model, f"{each.model}: {words}. Next: {remedy}.")
    act = partial(note, world, finding, "reconcile.told", notice)
    return Finding("decision.lost", finding, each.model, words, f"told; {remedy}", act)
