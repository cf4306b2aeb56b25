from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.core.control import ControlStore
from include.monitoring.retraining.decision import asked_for, record_decision, resource
from include.monitoring.retraining.policy import decide
from include.monitoring.retraining.retrainings import (
    RetrainDecision,
    count_since,
    decided,
    models_in,
    newest,
    newest_in,
    take,
)
from tests.support.weekly_facts import DRIFT, POLICY, facts

LONG_AGO = datetime.now(UTC) - timedelta(days=1)
ENDS = ("2013-05-31", "2013-06-07")


@pytest.fixture
def keys(control: ControlStore) -> list[str]:
    """Of two decisions to retrain; the newer one is a backfill's."""
    made = []
    for end in ENDS:
        epoch = control.take(resource("m"), "test")
        decision, _ = record_decision(control, decide([], facts(end, drift=DRIFT), POLICY), epoch, quiet=end == ENDS[1])
        made.append(decision.key)
    return made


def look(control: ControlStore) -> RetrainDecision:
    with control.transaction() as connection:
        (found,) = newest_in(connection, LONG_AGO)
    return found


def test_the_decision_with_the_newest_window_and_who_made_it(control: ControlStore, keys: list[str]) -> None:
    found = look(control)
    assert (found.key, found.model, found.run_id, found.made_by) == (keys[1], "m", "", "backfill")
    decision = decide([], facts(ENDS[1], drift=DRIFT), POLICY)
    asked_for(control, decision, control.take(resource("m"), "test"))
    assert look(control).made_by == "run"


def test_one_run_takes_a_decision_once(control: ControlStore, keys: list[str]) -> None:
    assert [take(control, "m", keys[1], run) for run in ("first", "second", "first")] == ["first"] * 3
    assert look(control).run_id == "first"


def test_what_was_decided_is_counted_and_known(control: ControlStore, keys: list[str]) -> None:
    assert count_since(control, "m", LONG_AGO) == 2
    assert count_since(control, "m", datetime.now(UTC) + timedelta(days=1)) == count_since(control, "n", LONG_AGO) == 0
    assert decided(control, keys[0])
    assert not decided(control, "m:never")
    assert [row["key"] for row in newest(control, "m", 1)] == keys[1:]
    with control.transaction() as connection:
        assert models_in(connection) == {"m"}
