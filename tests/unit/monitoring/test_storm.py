"""Alarms in a storm, against a real SQLite control store: one retrain a cooldown, and exactly one event's worth a key."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from include.core import control as store
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.errors import FencedError
from include.core.request import Result
from include.core.spec import Retraining
from include.data.window import Window, moment
from include.monitoring.retraining.decision import decide_window, history, resource
from include.monitoring.retraining.policy import Decision
from tests.support.effort import effort
from tests.support.partition_rows import insert_day
from tests.support.synthetic_predictions import spec
from tests.support.weekly_facts import BROKEN, DRIFT, FELL, WHOLE

COOLDOWN = timedelta(days=14)
SPEC = spec().model_copy(update={"retraining": Retraining(cooldown=COOLDOWN, budget_per_month=9, minimum_labels=1)})
START = datetime(2013, 5, 1)  # noqa: DTZ001 - times of windows are UTC without a zone


def alarm(day: int, **changes: Any) -> Result:
    """The `monitor` result of a window that ends `day` days after the start, all alarms on."""
    window = Window.ending(START + timedelta(days=day), 7)
    champion = {"version": 1, "data_until": "2013-04-01T00:00:00", "rows": 1000}
    judged = {"quality": WHOLE, "drift": DRIFT, "performance": FELL, **changes}
    value = {"window": window.name, "as_of": window.end.isoformat(), "champion": champion, **judged}
    return Result(f"monitor/{day}", 0, 1, value, {}, 0.0, "")


@pytest.fixture
def labelled(control: ControlStore) -> ControlStore:
    with control.transaction() as connection:
        insert_day(connection, SPEC.name, "2013-04-02", {"labels": 5000})
    return control


def run(control: ControlStore, day: int, **changes: Any) -> tuple[Decision, bool]:
    """The task `decide`: in turn, fenced."""
    with exclusive(control, resource(SPEC.name), f"run-{day}", timeout=60) as epoch:
        return decide_window(control, SPEC, alarm(day, **changes), epoch)


def retrains(control: ControlStore) -> list[Decision]:
    return [decision for decision in history(control, SPEC.name) if decision.action == "retrain"]


def assert_calm(control: ControlStore, windows: int) -> None:
    """One decision a key, one audit row a decision, the retrains a cooldown apart."""
    found = history(control, SPEC.name)
    assert len(found) == len({decision.key for decision in found}) == windows
    times = sorted(moment(decision.as_of) for decision in retrains(control))
    assert min((b - a for a, b in pairwise(times)), default=COOLDOWN) >= COOLDOWN
    with control.transaction() as connection:
        told = connection.execute(sa.select(sa.func.count()).select_from(store.audit)).scalar_one()
    assert told == windows
    assert control.broken_audit_rows() == []


def test_many_alarms_in_a_row_train_once_a_cooldown(labelled: ControlStore) -> None:
    days = effort(60, 200)
    for day in range(days):
        run(labelled, day)
    assert_calm(labelled, days)
    assert len(retrains(labelled)) == 1 + (days - 2) // 14  # the second day, and every fourteenth after it


def test_an_event_that_comes_again_is_the_decision_that_was_made(labelled: ControlStore) -> None:
    for day in range(1, 11):
        first, new = run(labelled, day)
        again = [run(labelled, day, drift={"verdict": "none", "words": ""}) for _ in range(3)]
        assert new
        assert again == [(first, False)] * 3
    assert_calm(labelled, 10)


def test_a_backfill_in_any_order_trains_once_a_cooldown(labelled: ControlStore) -> None:
    days = list(range(effort(90, 365)))
    random.Random(5).shuffle(days)
    for day in days:
        run(labelled, day)
    assert_calm(labelled, len(days))
    assert retrains(labelled)


def test_a_scheduler_that_restarts_at_random_points_decides_each_window_once(labelled: ControlStore) -> None:
    """Tries of the same and of other windows at once; some die before they write, some wake up after they were replaced."""
    chance = random.Random(6)
    tries = [day for day in range(30) for _ in range(chance.randint(1, 4))]
    chance.shuffle(tries)

    def attempt(day: int) -> None:
        if chance.random() < 0.3:  # took the resource, read the history, and was killed
            labelled.take(resource(SPEC.name), f"dead-{day}")
        for _ in range(50):
            try:
                run(labelled, day)
                return
            except FencedError:  # somebody took over meanwhile; Airflow's next try
                continue
        raise AssertionError(f"window {day} was never decided")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, tries))
    assert_calm(labelled, 30)
    assert retrains(labelled)


def test_a_decider_that_slept_through_another_ones_lock_changes_nothing(labelled: ControlStore) -> None:
    late = labelled.take(resource(SPEC.name), "asleep")
    first, _ = run(labelled, 2)
    with pytest.raises(FencedError):
        decide_window(labelled, SPEC, alarm(3), late)
    assert history(labelled, SPEC.name) == [first]


def test_broken_data_train_nothing_however_loud_the_alarms(labelled: ControlStore) -> None:
    for day in range(5):
        run(labelled, day, quality=BROKEN)
    assert retrains(labelled) == []
