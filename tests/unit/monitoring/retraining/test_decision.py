from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from include.core import control as store
from include.core.control import ControlStore
from include.core.errors import FencedError
from include.core.request import Result
from include.core.time import timestamp
from include.monitoring.retraining.decision import decide_window, gather, history, record_decision, resource
from include.monitoring.retraining.policy import decide
from tests.support.partition_rows import insert_day
from tests.support.synthetic_predictions import spec
from tests.support.weekly_facts import CALM, DRIFT, POLICY, WHOLE, facts

SPEC = spec()


def monitored(as_of: str, **changes: Any) -> Result:
    week = facts(as_of, **changes)
    value = {
        "window": week.window,
        "as_of": week.as_of,
        "champion": {"version": 1, "data_until": "2013-04-01T00:00:00", "rows": 1000},
        "quality": WHOLE,
        "drift": week.drift,
        "performance": {"drop": None, "drop_error": None},
    }
    return Result("monitor/x", 0, 1, value, {}, 0.0, "")


def publish(control: ControlStore, day: str, labels: int) -> None:
    with control.transaction() as connection:
        insert_day(connection, SPEC.name, day, {"labels": labels})


def test_a_decision_is_stored_once_and_found_again(control: ControlStore) -> None:
    epoch = control.take(resource("m"), "test")
    decision = decide([], facts("2013-05-31", drift=DRIFT), POLICY)
    assert record_decision(control, decision, epoch) == (decision, True)
    other = replace(decision, action="hold", reasons=(), summary="changed its mind")
    assert record_decision(control, other, epoch) == (decision, False)
    assert history(control, "m") == [decision]


def test_a_window_run_again_gets_its_stored_decision(control: ControlStore) -> None:
    epoch = control.take(resource(SPEC.name), "test")
    publish(control, "2013-05-02", 5000)
    first, new = decide_window(control, SPEC, monitored("2013-05-31", drift=DRIFT), epoch)
    assert (first.action, new) == ("retrain", True)
    again, new = decide_window(control, SPEC, monitored("2013-05-31", drift=CALM), epoch)
    assert (again, new) == (first, False)


def test_a_late_decider_is_fenced_off(control: ControlStore) -> None:
    old = control.take(resource("m"), "old")
    control.take(resource("m"), "new")
    with pytest.raises(FencedError):
        record_decision(control, decide([], facts("2013-05-31"), POLICY), old)
    assert history(control, "m") == []


def test_new_labels_are_those_published_after_the_champions_data(control: ControlStore) -> None:
    for day, count in (("2013-03-31", 100), ("2013-04-01", 20), ("2013-04-07", 3), ("2013-04-08", 4000)):
        publish(control, day, count)
    assert gather(control, SPEC, monitored("2013-04-08")).new_labels == 23


def test_a_live_rollout_freezes_the_decision(control: ControlStore) -> None:
    with control.transaction() as connection:
        row = {"id": "r1", "model": SPEC.name, "challenger": 3, "stage": "shadow", "state": "running", "reason": ""}
        times = {"created_at": timestamp(), "updated_at": timestamp()}
        connection.execute(store.rollouts.insert().values(**row, live=SPEC.name, **times))
    publish(control, "2013-05-02", 5000)
    decision, _ = decide_window(
        control, SPEC, monitored("2013-05-31"), control.take(resource(SPEC.name), "test"), busy=("training",)
    )
    assert decision.action == "hold"
    assert decision.blocked_by == ("frozen while the rollout of version 3 runs", "frozen while the training runs")


def test_decisions_join_the_audit_chain(control: ControlStore) -> None:
    epoch = control.take(resource("m"), "test")
    record_decision(control, decide([], facts("2013-05-31"), POLICY), epoch)
    with control.transaction() as connection:
        rows = connection.execute(sa.select(store.audit.c.action, store.audit.c.subject)).all()
    assert [tuple(row) for row in rows] == [("retrain", "m")]
    assert control.broken_audit_rows() == []


def register(control: ControlStore, version: int, passed: bool, as_of: str = "2013-05-20", run_type: str = "manual") -> None:
    reasons = [] if passed else ["auc 0.5000 is below the floor 0.6000"]
    record = {"as_of": as_of, "run_type": run_type, "gate": {"passed": passed, "reasons": reasons}}
    row = {"key": f"v{version}", "version": version, "semver": f"1.{version}.0", "stage": "Staging", "at": timestamp()}
    with control.transaction() as connection:
        connection.execute(store.versions.insert().values(**row, model=SPEC.name, record=record))


def test_challengers_that_came_to_nothing_are_reported_with_their_reason(control: ControlStore) -> None:
    register(control, 1, passed=True)  # the champion
    register(control, 2, passed=False)
    register(control, 3, passed=False, run_type="backfill")  # never meant to serve
    register(control, 4, passed=True)
    register(control, 5, passed=False, as_of="2013-08-01")  # not known yet
    register(control, 6, passed=True)  # on its way
    with control.transaction() as connection:
        row = {"id": "r4", "model": SPEC.name, "challenger": 4, "stage": "canary_5", "state": "rolled_back", "reason": "errors"}
        connection.execute(store.rollouts.insert().values(**row, created_at=timestamp(), updated_at=timestamp()))
    found = gather(control, SPEC, monitored("2013-05-31")).rejected
    assert found == ("version 2: auc 0.5000 is below the floor 0.6000", "version 4 was rolled back")
