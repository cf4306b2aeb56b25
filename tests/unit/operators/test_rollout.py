"""A rollout's tasks without a gateway: a paused stage, a failing service, which version a run opens, and how a run ends."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from include.core.control import versions
from include.core.errors import ConflictError, DataError, GateClosed, PausedError
from include.core.time import precise, timestamp
from include.governance.mirror import behind
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.rollout import stage_evaluation as evaluation
from include.rollout.history import Rollout, entered, events, list_rollouts, live_rollout, read_rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.pause import abort, pause, resume
from include.routing.entity_hash import unit
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from include.versions.record import Stage, VersionRecord
from operators.alert import Alert
from operators.rollout import OpenRolloutOperator
from operators.traffic import RolloutOperator, TrafficOperator
from tests.support.error_message import assert_says
from tests.support.evidence import begun_and_published
from tests.support.operator_runs import MODEL, Run, settle_in
from tests.support.toy_ledger import Loop
from tests.support.traced import in_a_span
from tests.support.versions import add_candidates
from tests.support.wired import ConcludeRolloutOperator, PromoteModelOperator, RollBackModelOperator, RolloutStageOperator


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Version 2 is in its canary_50, with version 1 as the champion; the gateway is taken at its word."""
    made = settle_in(tmp_path, monkeypatch)
    monkeypatch.setattr("operators.rollout.EVALUATE_SECONDS", 0.05)
    monkeypatch.setattr("operators.rollout.LOOK_SECONDS", 0.0)

    def enter(self: RolloutOperator, services: Services, stage: str, epoch: int) -> int:
        return enter_stage(services.control, self.driven(services), stage, epoch)

    monkeypatch.setattr(RolloutOperator, "enter", enter)
    with made.control.transaction() as connection:
        add_candidates(connection, MODEL, 1, 2)
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
        log.write([Record("prediction", str(number), precise(), score=0.5, error=error, **known)])
    log.close()
    begun_and_published(services.control, services.spec(MODEL), rollout.id, "canary_50", services.settings.home)


def answer_once_entered(services: Services, rollout: Rollout) -> None:
    until = time.monotonic() + 60
    while "canary_50" not in {event["stage"] for event in events(services.control, rollout.id)} and time.monotonic() < until:
        time.sleep(0.05)
    answer(services, rollout)


def canary() -> RolloutStageOperator:
    return RolloutStageOperator(task_id="canary_50", model=MODEL, stage="canary_50")


def waiting(services: Services) -> tuple[Run, Rollout]:
    run, rollout = opened(services)
    with pytest.raises(TaskDeferred):
        run.task(canary()).execute(run.context("canary_50"))
    return run, rollout


def test_a_rollout_that_opens_is_shown_and_a_registry_that_is_down_holds_up_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(services)
    abort(services.control, MODEL, actor="ada", reason="by mistake")
    loop = Loop.under(services.settings.home)
    for version in (1, 2):  # records that can be shown
        entry = replace(loop.package(days=version + 2).entry, model=MODEL)
        made = VersionRecord(entry, version, f"1.{version}.0", Stage.ARCHIVED, "run", timestamp()).to_json()
        with services.control.transaction() as connection:
            connection.execute(versions.update().where(versions.c.version == version).values(record=made))
    with monkeypatch.context() as patch:
        patch.setattr("include.services.services.Services.labels", lambda _: 1 / 0)
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
        run.task(canary()).execute(run.context("canary_50"))
    assert read_route(services.control, MODEL)[1].weight == 0  # it did not begin

    def back() -> None:
        resume(services.control, MODEL, actor="ada", reason="back")
        answer_once_entered(services, rollout)

    (person := threading.Timer(0.5, back)).start()
    assert run(canary())["answer"] == "promote"
    person.join()


def test_evidence_that_comes_soon_is_seen_by_the_task_itself(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deferral would cost the seconds that the evidence takes."""
    run, rollout = opened(services)
    monkeypatch.setattr("operators.rollout.LOOK_SECONDS", 60.0)
    (customers := threading.Thread(target=answer_once_entered, args=(services, rollout))).start()
    assert run.task(canary()).execute(run.context("canary_50"))["answer"] == "promote"  # and not TaskDeferred
    customers.join()


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
    (customers := threading.Thread(target=answer_once_entered, args=(services, rollout))).start()
    assert run(canary())["answer"] == "promote"
    customers.join()


def test_a_pause_during_a_stage_holds_its_promotion(services: Services) -> None:
    run, rollout = waiting(services)
    pause(services.control, MODEL, actor="ada", reason="lunch")
    answer(services, rollout)
    assert evaluation.evaluate_stage(rollout=rollout.id, model=MODEL, stage="canary_50") is None
    resume(services.control, MODEL, actor="ada", reason="back")
    assert run(canary())["answer"] == "promote"


def test_a_late_attempt_at_a_decided_stage_says_what_was_decided_and_fences_nobody_off(services: Services) -> None:
    run, rollout = waiting(services)
    epoch, verdict = services.control.take(rollout.resource, "who goes on"), {"answer": "promote", "reasons": ["seen"]}
    record_verdict(services.control, rollout, "canary_50", verdict, epoch)
    enter_stage(services.control, rollout, "full_100", epoch)
    late, context, told = run.task(canary()), run.context("canary_50"), {"stage": "canary_50", **verdict}
    assert late.execute(context) == late.resume(context, {"answer": None}) == told
    with services.control.transaction() as connection:
        services.control.fence(connection, rollout.resource, epoch)  # it is still theirs


def test_an_incident_of_both_arms_pages_once_and_holds(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rollout = waiting(services)
    answer(services, rollout, ("champion", "challenger"))
    strict, pages = evaluation.judge_plan, list[Alert]()
    monkeypatch.setattr(evaluation, "judge_plan", lambda *given: replace(strict(*given), accepted=0.05))  # the shop accepts half
    monkeypatch.setattr("operators.rollout.send_alert", lambda alert, control: pages.append(alert))
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            run.task(canary()).resume(run.context("canary_50"), {"answer": None})
    (page,) = pages
    assert (page.severity, page.key) == ("page", f"page/{rollout.id}/canary_50")
    assert "holds at version 2: both arms fail more than the accepted 5.0% of requests" in page.text
    told = [event["event"] for event in events(services.control, rollout.id) if event["stage"] == "canary_50"]
    assert told == ["entered", "alert"]
    assert read_rollout(services.control, rollout.id).state == "running"


def test_a_challenger_that_fails_alone_is_rolled_back_even_while_paused(services: Services) -> None:
    run, rollout = waiting(services)
    pause(services.control, MODEL, actor="ada", reason="lunch")
    answer(services, rollout, ("challenger",))
    with pytest.raises(GateClosed, match="roll back"):
        run.task(canary()).resume(run.context("canary_50"), {"answer": None})
    assert read_route(services.control, MODEL)[1] == Route(champion=1)


# -- which version a run opens ---------------------------------------------------------------------------


@pytest.fixture
def quiet(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The gateway and the registry are taken at their word."""
    monkeypatch.setattr("include.serving.client.GatewayClient.wait_applied", lambda *given, **named: {})
    monkeypatch.setattr(TrafficOperator, "mirror", lambda *given: None)
    return services


@pytest.fixture
def idle(quiet: Services) -> Services:
    """No rollout is live; versions 3, 4 and 5 wait for their turn."""
    abort(quiet.control, MODEL, actor="ada", reason="test")
    add(quiet, 3, 4, 5)
    return quiet


def add(services: Services, *numbers: int) -> None:
    with services.control.transaction() as connection:
        add_candidates(connection, MODEL, *numbers)


def open_by(version: int | None, run_id: str = "asset__1") -> Run:
    run = Run(run_id=run_id, event={"version": version} if version else {})
    run(OpenRolloutOperator(task_id="open", model=MODEL))
    return run


def back(run: Run) -> Any:
    return run(RollBackModelOperator(task_id="roll_back", model=MODEL))


def conclude(run: Run) -> Any:
    return run(ConcludeRolloutOperator(task_id="conclude", model=MODEL))


def finish(services: Services, run: Run) -> None:
    """Every stage passes."""
    rollout = read_rollout(services.control, run.xcom["open"]["rollout"])
    epoch = services.control.take(rollout.resource, "test")
    for stage in rollout.stages:
        enter_stage(services.control, rollout, stage.name, epoch)
        record_verdict(services.control, rollout, stage.name, {"answer": "promote"}, epoch)
    run(PromoteModelOperator(task_id="promote", model=MODEL))


@pytest.mark.parametrize("named", [3, 5, 2, None])
def test_an_events_run_takes_the_newest_that_waits_whatever_the_event_says(idle: Services, named: int | None) -> None:
    """Out of order, late, without a number, or about a version that had its turn: an event is a reason to look."""
    assert open_by(named).xcom["open"]["version"] == 5


def test_a_run_triggered_by_hand_opens_what_it_names_and_nothing_else(idle: Services) -> None:
    run = Run({"version": 3})
    run(OpenRolloutOperator(task_id="open", model=MODEL))
    assert run.xcom["open"]["version"] == 3
    abort(idle.control, MODEL, actor="ada", reason="test")
    with pytest.raises(DataError, match=r"(?s)names no version to roll out.*version=N"):
        Run(run_id="manual__2")(OpenRolloutOperator(task_id="open", model=MODEL))


def test_a_cleared_open_keeps_its_rollout_though_a_newer_version_waits(idle: Services) -> None:
    run = open_by(5)
    first = run.xcom["open"]
    add(idle, 6)
    run(OpenRolloutOperator(task_id="open", model=MODEL), try_number=2)
    assert run.xcom["open"] == first


def test_an_event_about_the_live_rollout_takes_part_in_it(quiet: Services) -> None:
    add(quiet, 3)
    live = live_rollout(quiet.control, MODEL)
    assert live is not None
    assert open_by(2).xcom["open"]["rollout"] == live.id


def test_each_end_calls_the_next_and_a_promotion_supersedes_the_rest(idle: Services) -> None:
    first = open_by(5)
    add(idle, 6)
    assert back(first)["rolled_back"] == 5
    assert first.sent == [(f"{MODEL}_candidate", {"version": 6})]
    second = open_by(6, "asset__2")
    add(idle, 7)
    finish(idle, second)
    assert second.sent == [(f"{MODEL}_candidate", {"version": 7})]
    abort_the_next(idle)
    for late, words in ((4, "superseded: version 6 came into production"), (5, "had its rollout already: rolled_back")):
        third = Run(run_id=f"asset__late_{late}", event={"version": late})
        with pytest.raises(AirflowSkipException, match=words):
            third(OpenRolloutOperator(task_id="open", model=MODEL))
        with pytest.raises(AirflowSkipException, match=words):  # and so is the run's end: skipped, with the reason
            conclude(third)
    assert {one.challenger for one in list_rollouts(idle.control, MODEL)} == {2, 5, 6, 7}


def abort_the_next(services: Services) -> None:
    open_by(None, "asset__next")
    abort(services.control, MODEL, actor="ada", reason="test")


# -- how a run ends --------------------------------------------------------------------------------------


def test_a_run_whose_open_failed_or_was_marked_is_a_failed_run(idle: Services) -> None:
    run = Run(run_id="manual__1")
    with pytest.raises(AirflowSkipException, match="nothing to roll back"):
        back(run)
    with pytest.raises(GateClosed) as told:
        conclude(run)
    assert_says(told.value, "opened no rollout", "the traffic is where it was", "version=N")


def test_a_rollout_whose_open_was_killed_before_it_could_say_so_is_rolled_back(idle: Services) -> None:
    run = open_by(5)
    del run.xcom["open"]
    assert back(run)["rolled_back"] == 5
    assert live_rollout(idle.control, MODEL) is None
    with pytest.raises(GateClosed, match="was not promoted: rolled_back"):
        conclude(run)


@pytest.mark.parametrize("paused", [False, True])
def test_a_run_that_a_person_ended_gives_the_traffic_back_and_is_red(quiet: Services, paused: bool) -> None:
    run, rollout = opened(quiet)
    enter_stage(quiet.control, rollout, "canary_50", quiet.control.take(rollout.resource, "test"))
    if paused:
        pause(quiet.control, MODEL, actor="ada", reason="lunch")
    assert back(run) == back(run)
    assert read_route(quiet.control, MODEL)[1] == Route(champion=1)
    with pytest.raises(GateClosed) as told:
        conclude(run)
    assert_says(told.value, "Version 2 of shop was not promoted", "version 1 serves all", "a task failed, or was marked by hand")


def test_a_promoted_run_is_green_and_its_teardown_does_nothing(idle: Services) -> None:
    run = open_by(5)
    finish(idle, run)
    with pytest.raises(AirflowSkipException, match="was promoted: version 5 goes on serving"):
        back(run)
    assert conclude(run)["state"] == "promoted"
    del run.xcom["promote"]  # it was killed for good after the effect: nobody knows whether the gateway follows
    with pytest.raises(ConflictError, match="`promote` did not come to its end"):
        conclude(run)


def test_a_live_rollout_that_its_run_leaves_behind_is_reported(quiet: Services) -> None:
    run, _ = opened(quiet)
    with pytest.raises(ConflictError) as told:  # its roll_back failed, or was marked success by hand
        conclude(run)
    assert_says(told.value, "is live, and its run has ended", "nobody moves it any more", "slipstream rollback shop")


def test_a_registry_that_refuses_delays_no_rollback_and_is_reported(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions of this control store have no records: nothing that a registry could show."""
    monkeypatch.setattr("include.serving.client.GatewayClient.wait_applied", lambda *given, **named: {})
    told = list[Alert]()
    for module in ("traffic", "rollout_end"):
        monkeypatch.setattr(f"operators.{module}.send_alert", lambda alert, control: told.append(alert))
    run, _ = opened(services)
    assert back(run)["rolled_back"] == 2
    assert [alert.event for alert in told] == ["registry_behind", "rolled_back"]


def test_a_verdict_is_a_span_with_the_counts_of_both_arms(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    traced = in_a_span(monkeypatch)
    run, rollout = opened(services)
    enter_stage(services.control, rollout, "canary_50", 1)
    answer(services, rollout, failing=("challenger",))
    with pytest.raises(GateClosed):
        run(canary())
    (judge,) = [span.attributes for span in traced.spans if span.name == "judge"]
    assert (judge["slipstream.stage"], judge["slipstream.verdict"]) == ("canary_50", "roll_back")
    both = judge["slipstream.evidence.champion.requests"], judge["slipstream.evidence.challenger.requests"]
    assert sum(map(int, map(str, both))) == 400
    assert judge["slipstream.reasons"]
