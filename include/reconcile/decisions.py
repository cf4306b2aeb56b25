"""Retraining decisions whose event got lost: the row says retrain, and no training run took it.

Only a model's newest such decision counts: a later one replaces it. A version that was trained later than the decision's
window, by whatever run, has answered it. What a backfill decided starts nothing, and its row says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, decisions, effects, versions
from include.core.digest import digest_json
from include.core.request import Json
from include.core.time import instant, parse_time, timestamp
from include.reconcile.airflow import RunState
from include.reconcile.world import Finding, Notice, World, make_run, note, remedy

FRESH = timedelta(minutes=10)  # since the decision: its own event comes first, and Airflow may have two runs before it
FORGOTTEN = timedelta(days=30)  # an older decision is not acted on: monitoring has decided since


@dataclass(frozen=True)
class Lost:
    """A model's newest decision to retrain that no version has answered."""

    key: str
    model: str
    as_of: str
    words: str
    run_id: str  # of the training run that took it; empty: none did
    made_by: str  # "run", "backfill", or "unknown" for a row of an earlier version


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


def unanswered(control: ControlStore, now: datetime) -> list[Lost]:
    """Decisions of the last 30 days, one a model, made at least some minutes ago."""
    wanted = (decisions.c.action == "retrain", decisions.c.at >= timestamp(now - FORGOTTEN))
    with control.transaction() as connection:
        rows = connection.execute(sa.select(decisions).where(*wanted).order_by(decisions.c.as_of)).mappings().all()
        newest = {row["model"]: row for row in rows}  # the last of each model
        return [_lost(connection, row) for row in newest.values() if _open(connection, row, now)]


def _open(connection: sa.Connection, row: sa.RowMapping, now: datetime) -> bool:
    """Whether it is old enough, and no version was trained as of its window's end or later."""
    if now - instant(row["at"]) < FRESH:
        return False
    records = connection.execute(sa.select(versions.c.record).where(versions.c.model == row["model"])).scalars()
    as_of = parse_time(row["as_of"])
    return not any(_answers(record, as_of) for record in records)


def _answers(record: dict[str, Any], as_of: datetime) -> bool:
    made = record.get("as_of")
    return bool(made) and record.get("run_type") != "backfill" and parse_time(str(made)) >= as_of


def _lost(connection: sa.Connection, row: sa.RowMapping) -> Lost:
    keys = {name: f"{name}/{row['key']}" for name in ("decide", "consumed", "asked")}
    found = connection.execute(sa.select(effects.c.key, effects.c.result).where(effects.c.key.in_(keys.values())))
    known: dict[str, dict[str, Any]] = {row.key: dict(row.result) for row in found}
    words, run = str((row["evidence"] or {}).get("words", "")), str(known.get(keys["consumed"], {}).get("run", ""))
    return Lost(row["key"], row["model"], row["as_of"], words, run, _made_by(known.get(keys["decide"]), keys["asked"] in known))


def _made_by(effect: dict[str, Any] | None, asked: bool) -> str:
    if asked or effect is None:
        return "run"
    quiet = effect.get("quiet")
    return "unknown" if quiet is None else ("backfill" if quiet else "run")


def _resend(world: World, each: Lost, dag_id: str) -> Iterator[Finding]:
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


def _send(world: World, each: Lost, dag_id: str, run_id: str) -> bool:
    text = f"{each.model}: the decision {each.key} to retrain had no training run; the run {run_id} is one. {each.words}"
    finding = f"decision/{digest_json(each.key)[:32]}"
    note(world, finding, "reconcile.resend", Notice(finding, "decision_sent_again", "info", each.model, text))

    def refused(words: str) -> bool:
        words = f"the decision {each.key} says retrain, and no run can be made: {words}"
        return _told(world, each, "refused", words, f"mend {dag_id}").act()

    conf: dict[str, Json] = {"as_of": each.as_of, "decision": each.key, "words": each.words}
    return make_run(world, dag_id, run_id, conf, refused)


def _taken(world: World, each: Lost, dag_id: str) -> Iterator[Finding]:
    """A run that took it and is deleted trains nothing, and no other run may take it: that is a person's to know."""
    if world.airflow.run(dag_id, each.run_id) is RunState.GONE:
        words = (
            f"the decision {each.key} says retrain, and the run {each.run_id} that took it was deleted before it made a version"
        )
        yield _told(world, each, "deleted", words, f"to train all the same: trigger {dag_id} with as_of={each.as_of}")


def _told(world: World, each: Lost, why: str, words: str, remedy: str) -> Finding:
    finding = f"decision/{digest_json(each.key)[:32]}/{why}"
    notice = Notice(finding, "decision_waits", "ticket", each.model, f"{each.model}: {words}. Next: {remedy}.")
    act = partial(note, world, finding, "reconcile.told", notice)
    return Finding("decision.lost", finding, each.model, words, f"told; {remedy}", act)
