"""What the newest window's verdicts say to the metrics page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.control import ControlStore
from include.core.request import Result
from include.monitoring.alarm import alarms, newest, record, samples
from include.monitoring.retraining.decision import record_decision, resource
from include.monitoring.retraining.policy import Decision
from tests.support.synthetic_predictions import spec

SPEC = spec()


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def monitored(as_of: str, key: str = "k", rows: int = 100, labelled: int = 40, **verdicts: str) -> Result:
    kinds = {name: {"verdict": verdict} for name, verdict in {"quality": "none", "covariate": "none", **verdicts}.items()}
    value = {
        "as_of": as_of, "kinds": kinds, "collected": {"rows": rows, "labelled": labelled},
        "performance": {"drop": None, "drop_error": None},
    }  # fmt: skip
    return Result(key=f"monitor/{key}", generation=0, attempt=1, value=value, files={}, seconds=1.0, committed_at="")


def page(control: ControlStore) -> dict[tuple[str, ...], float]:
    return {(name.removeprefix("slipstream_"), *labels[1:]): value for name, labels, value in samples(control, SPEC)}


@pytest.mark.parametrize(
    ("drop", "error", "alarm"),
    [(0.05, 0.01, True), (0.05, 0.04, False), (0.01, 0.001, False), (None, None, None), (-0.1, 0.01, False)],
)
def test_performance_is_an_alarm_if_the_drop_is_large_and_no_chance(drop: Any, error: Any, alarm: bool | None) -> None:
    value = {"kinds": {}, "performance": {"drop": drop, "drop_error": error}}
    assert alarms(value, 0.02).get("performance") is alarm
    assert alarms(value, None) == {}


def test_a_kind_that_abstained_says_nothing() -> None:
    found = alarms(monitored("2013-04-08", covariate="drift", label="abstain").value, 0.02)
    assert found == {"quality": False, "covariate": True}


def test_before_the_first_window_there_is_no_verdict(control: ControlStore) -> None:
    assert newest(control, SPEC.name) is None
    assert page(control) == {("retrains",): 0, ("retrain_budget",): SPEC.retraining.budget_per_month}


def test_the_newest_window_speaks_whenever_it_was_judged(control: ControlStore) -> None:
    record(control, SPEC, monitored("2013-04-15T00:00:00", "new", covariate="drift"))
    record(control, SPEC, monitored("2013-04-08T00:00:00", "old", quality="drift"))  # run again, later
    record(control, SPEC, monitored("2013-04-15T00:00:00", "new", covariate="none"))  # the same result, once more
    said = page(control)
    assert (said[("alarm", "covariate")], said[("alarm", "quality")]) == (1, 0)
    assert said[("labelled_share",)] == 0.4
    assert said[("monitored_window_seconds",)] == SPEC.monitoring.window_days * 86_400
    record(control, SPEC, monitored("2013-04-15T00:00:00", "again", rows=0, labelled=0))  # its late labels came
    assert (page(control)[("alarm", "covariate")], ("labelled_share",) in page(control)) == (0, False)


def test_retrainings_of_the_month_are_counted_by_the_wall_clock(control: ControlStore) -> None:
    epoch = control.take(resource(SPEC.name), "test")
    for number, action in enumerate(("retrain", "hold", "retrain")):
        key, as_of = f"{SPEC.name}:{number}", f"2013-0{number + 1}-01T00:00:00"
        signals = {"version": 1, "drift": False, "drop": False}
        record_decision(control, Decision(key, SPEC.name, as_of, action, (), (), "words", {"signals": signals}), epoch)  # type: ignore[arg-type]
    assert page(control)[("retrains",)] == 2
