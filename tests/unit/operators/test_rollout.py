"""A stage's task while its rollout is paused, and while both arms fail: without a gateway, on a log written by hand."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from include.core.control import now, versions
from include.core.errors import GateClosed, PausedError
from include.governance.mirror import behind
from include.governance.version import Stage, VersionRecord
from include.rollout import watch
from include.rollout.history import Rollout, entered, events, live_rollout, read_rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.pause import abort, pause, resume
from include.rollout.route import Route, read_route, set_route, unit
from include.serving.log import PredictionLog, Record, timestamp
from operators.alert import Alert
from operators.hooks import Services
from operators.rollout import OpenRolloutOperator, RolloutOperator, RolloutStageOperator
from tests.unit.governance.samples import Loop
from tests.unit.operators.life import MODEL, Run, settle_in


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Version 2 is in its canary_50, with version 1 as the champion; the gateway is taken at its word."""
    made = settle_in(tmp_path, monkeypatch)
    monkeypatch.setattr("operators.rollout.LOOK_EVERY", 0.05)

    def enter(self: RolloutOperator, context: Any, services: Services, stage: str, epoch: int) -> int:
        return enter_stage(services.control, self.rollout(context, services), stage, epoch)

    monkeypatch.setattr(RolloutOperator, "enter", enter)
    with made.control.transaction() as connection:
        for number in (1, 2):
            row = {"key": f"k{number}", "model": MODEL, "version": number, "semver": f"1.{number}.0", "record": {}, "at": now()}
            connection.execute(versions.insert().values(stage="Candidate", **row))
        set_route(connection, MODEL, Route(champion=1))
    rollout = open_rollout(made.control, made.spec(MODEL), 2, request="r", actor="t", epoch=1)
    for stage in ("smoke", "shadow"):
        enter_stage(made.control, rollout, stage, 1)
        record_verdict(made.control, rollout, stage, {"answer": "promote"}, 1)
    return made


def opened(services: Services) -> tuple[Run, Rollout]:
    rollout = live_rollout(services.control, MODEL)
    assert rollout is not None
    return Run(xcom={"open": {"rollout": rollout.id}}), rollout


def answer(services: Services, rollout: Rollout, failing: tuple[str, ...] = (), customers: int = 400) -> None:
    """Half of the customers on each arm; every second answer of the failing arms is an error."""
    _, generation = entered(services.control, rollout, "canary_50")
    log, route = PredictionLog(services.settings.home, MODEL), Route(champion=1, challenger=2, weight=50)
    for number in range(customers):
        key = unit(str(number), MODEL)
        arm = route.arm(key)
        error = "boom" if arm in failing and number % 2 else None
        known = {"unit": f"{key:016x}", "arm": arm, "generation": generation}
        log.write([Record("prediction", str(number), timestamp(), score=0.5, error=error, **known)])
    log.close()


def answer_once_entered(services: Services, rollout: Rollout) -> None:
    until = time.monotonic() + 60
    while "canary_50" not in {event["stage"] for event in events(services.control, rollout.id)} and time.monotonic() < until:
        time.sleep(0.05)
    answer(services, rollout)


def canary() -> RolloutStageOperator:
    return RolloutStageOperator(task_id="canary_50", model=MODEL, stage="canary_50")


def test_a_rollout_that_opens_is_shown_and_a_registry_that_is_away_holds_up_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(services)
    abort(services.control, MODEL, actor="ada", reason="by mistake")
    loop = Loop.under(services.settings.home)
    for version in (1, 2):  # records that can be shown
        entry = replace(loop.package(days=version + 2).entry, model=MODEL)
        made = VersionRecord(entry, version, f"1.{version}.0", Stage.ARCHIVED, "run", now()).to_json()
        with services.control.transaction() as connection:
            connection.execute(versions.update().where(versions.c.version == version).values(record=made))
    with monkeypatch.context() as patch:
        patch.setattr("operators.hooks.Services.labels", lambda _: 1 / 0)
        Run({"version": 2}, run_id="away")(OpenRolloutOperator(task_id="open", model=MODEL))
    assert "ZeroDivisionError" in behind(services.control, MODEL)[0].problem
    Run({"version": 2}, run_id="there")(OpenRolloutOperator(task_id="open", model=MODEL))
    assert behind(services.control, MODEL) == []
    assert services.labels().labels(MODEL)["aliases"] == {"candidate": 2, "challenger": 2}


def test_a_run_by_hand_brings_an_archived_version_back_and_an_event_does_not(services: Services) -> None:
    _, rollout = opened(services)
    abort(services.control, MODEL, actor="ada", reason="by mistake")
    asked = Run(run_id="by event", event={"version": 2})
    with pytest.raises(AirflowSkipException, match="had its rollout already"):
        asked(OpenRolloutOperator(task_id="open", model=MODEL))
    with pytest.raises(GateClosed, match="slipstream restore"):  # nor does a task that starts a run with its number
        Run({"version": 2}, run_type="operator_triggered")(OpenRolloutOperator(task_id="open", model=MODEL))
    by_hand = Run({"version": 2}, run_id="by hand")
    again = by_hand(OpenRolloutOperator(task_id="open", model=MODEL))
    assert again["rollout"] != rollout.id
    live = live_rollout(services.control, MODEL)
    assert live is not None
    assert (live.id, live.challenger) == (again["rollout"], 2)


def test_a_stage_of_a_paused_rollout_waits_and_then_does_its_work(services: Services) -> None:
    run, rollout = opened(services)
    pause(services.control, MODEL, actor="ada", reason="lunch")
    with pytest.raises(TaskDeferred):
        canary().execute(run.context("canary_50"))
    assert read_route(services.control, MODEL)[1].weight == 0  # it did not begin

    def back() -> None:
        resume(services.control, MODEL, actor="ada", reason="back")
        answer_once_entered(services, rollout)

    person = threading.Timer(0.5, back)
    person.start()
    assert run(canary())["answer"] == "promote"
    person.join()


def test_a_pause_that_ends_as_a_stage_is_refused_costs_no_try(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rollout = opened(services)
    pause(services.control, MODEL, actor="ada", reason="lunch")
    enter = RolloutOperator.enter

    def enter_late(*args: Any) -> int:
        try:
            return enter(*args)
        except PausedError:
            resume(services.control, MODEL, actor="ada", reason="back")
            raise

    monkeypatch.setattr(RolloutOperator, "enter", enter_late)
    customers = threading.Thread(target=answer_once_entered, args=(services, rollout))
    customers.start()
    assert run(canary())["answer"] == "promote"
    customers.join()


def test_a_pause_during_a_stage_holds_its_promotion(services: Services) -> None:
    run, rollout = opened(services)
    with pytest.raises(TaskDeferred):
        canary().execute(run.context("canary_50"))
    pause(services.control, MODEL, actor="ada", reason="lunch")
    answer(services, rollout)
    assert watch.look(rollout=rollout.id, model=MODEL, stage="canary_50") is None
    resume(services.control, MODEL, actor="ada", reason="back")
    assert run(canary())["answer"] == "promote"


def test_an_incident_of_both_arms_pages_once_and_holds(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rollout = opened(services)
    with pytest.raises(TaskDeferred):
        canary().execute(run.context("canary_50"))
    answer(services, rollout, ("champion", "challenger"))
    strict, pages = watch.judge_plan, list[Alert]()
    monkeypatch.setattr(watch, "judge_plan", lambda *given: replace(strict(*given), accepted=0.05))  # the shop accepts half
    monkeypatch.setattr("operators.rollout.tell", lambda alert, control: pages.append(alert))
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            canary().resume(run.context("canary_50"), {"answer": None})
    (page,) = pages
    assert (page.severity, page.key) == ("page", f"page/{rollout.id}/canary_50")
    assert "holds at version 2: both arms fail more than the accepted 5.0% of requests" in page.text
    told = [event["event"] for event in events(services.control, rollout.id) if event["stage"] == "canary_50"]
    assert told == ["entered", "alert"]
    assert read_rollout(services.control, rollout.id).state == "running"


def test_a_challenger_that_fails_alone_is_rolled_back_even_while_paused(services: Services) -> None:
    run, rollout = opened(services)
    with pytest.raises(TaskDeferred):
        canary().execute(run.context("canary_50"))
    pause(services.control, MODEL, actor="ada", reason="lunch")
    answer(services, rollout, ("challenger",))
    with pytest.raises(GateClosed, match="roll back"):
        canary().resume(run.context("canary_50"), {"answer": None})
    assert read_route(services.control, MODEL)[1] == Route(champion=1)
