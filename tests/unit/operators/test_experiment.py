"""The tasks of an experiment, run by run: what each starts, looks at and ends, killed at each of its points or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from include.core import fault
from include.core.control import audit
from include.core.errors import ConflictError, GateClosed, InputError, NotReadyError, SpecError
from include.core.spec import Metric
from include.experiments.heard import TableRow
from include.experiments.machine import stop
from include.experiments.record import list_experiments, live_experiment, looks, read_experiment
from include.prediction_log.writer import PredictionLog
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from operators.experiment import StartExperimentOperator, await_experiments
from operators.groups.experiment import experiment_group
from operators.lifecycle import lifecycle_dags
from tests.support.experiment_log import START, TRIAL, Behaviour, changed, traffic
from tests.support.operator_runs import MODEL, Run, settle_in
from tests.support.versions import add_candidates
from tests.support.wired import ConcludeExperimentOperator, LookAtExperimentOperator

BETTER = Behaviour(sale=(0.1, 0.5))


class Clock:
    now = START


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("operators.experiment.utc_now", lambda: made.now)
    return made


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Services:
    """Version 1 serves, 2 and 3 are candidates; the spec has an experiment, and the gateway is taken at its word."""
    made = settle_in(tmp_path, monkeypatch)
    spec = made.spec(MODEL).model_copy(update={"experiments": (TRIAL, changed(name="other"))})
    monkeypatch.setattr(Services, "spec", lambda self, model: spec)
    monkeypatch.setattr(Services, "target", lambda self, model: SimpleNamespace(wait_applied=lambda *given: {}))
    with made.control.transaction() as connection:
        add_candidates(connection, MODEL, 1, 2, 3)
        set_route(connection, MODEL, Route(champion=1))
    return made


def tasks() -> tuple[Any, Any, Any]:
    kinds = {"start": StartExperimentOperator, "look": LookAtExperimentOperator, "conclude": ConcludeExperimentOperator}
    start, look, end = (kind(task_id=name, model=MODEL) for name, kind in kinds.items())
    return start, look, end


def ask(services: Services, days: int = 7) -> None:
    """What the gateway logs of callers, by the route as it is."""
    log = PredictionLog(services.settings.home, MODEL)
    log.write(list(traffic(BETTER, read_route(services.control, MODEL)[1], START, days)))
    log.close()


def hourly(number: int = 1) -> Run:
    return Run({"experiment": None, "version": None}, run_id=f"scheduled__{number}", run_type="scheduled")


def test_from_its_start_to_its_decision(services: Services, clock: Clock) -> None:
    start, look, end = tasks()
    run = Run({"experiment": "pricing", "version": None})
    run(start)
    assert run.xcom["start"]["version"] == 3  # the newest candidate
    with pytest.raises(AirflowSkipException, match="No look at pricing is due"):
        run(look)
    with pytest.raises(AirflowSkipException, match="goes on"):
        run(end)
    ask(services)
    clock.now = START + timedelta(days=7, hours=12)
    later = hourly()
    later(start)
    assert later(look)["answer"] == "better"
    ended = later(end)
    assert (ended["state"], ended["answer"]) == ("decided", "better")
    assert read_route(services.control, MODEL)[1] == Route(champion=1)
    with pytest.raises(AirflowSkipException, match="no live experiment"):
        hourly(2)(start)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "point",
    [
        "reconcile.begin", "control.taken", "control.once.begin", "control.once.effect", "control.once.committed",
        "experiment.applied", "experiment.looked", "reconcile.done",
    ],
)  # fmt: skip
def test_each_task_killed_once_at_each_point_loses_and_doubles_nothing(
    services: Services, clock: Clock, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: dict[str, bool] = {}

    def kills(name: str) -> None:
        if name == point and armed.pop("now", False):
            raise SystemExit(137)

    monkeypatch.setattr(fault, "point", kills)
    start, look, end = tasks()
    run = Run({"experiment": "pricing", "version": None})

    def survived(operator: Any) -> None:
        """Airflow's retry of a task that was killed; a task that finds its work done is skipped."""
        armed["now"] = True
        try:
            run(operator)
        except SystemExit:
            try:
                run(operator, try_number=2)
            except AirflowSkipException:
                assert operator.task_id == "look"
        armed.clear()

    survived(start)
    ask(services)
    clock.now = START + timedelta(days=7, hours=12)
    survived(look)
    survived(end)
    (record,) = list_experiments(services.control, MODEL)
    assert (record.state, record.answer) == ("decided", "better")
    assert [each.evidence["day"] for each in looks(services.control, record.id)] == [7]
    assert sum(record.decision["evidence"]["entities"].values()) == 7 * BETTER.entities
    assert read_route(services.control, MODEL) == (3, Route(champion=1))  # one route with the arms, one without
    with services.control.transaction() as connection:
        actions = [row["action"] for row in connection.execute(audit.select()).mappings()]
    assert [each for each in actions if each.startswith("experiment")] == ["experiment.start", "experiment.decided"]


def test_a_look_waits_for_a_gateway_that_has_not_shipped_and_takes_the_one_before_it(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, look, _ = tasks()
    run = Run({"experiment": "pricing", "version": 2})
    run(start)
    ask(services, days=2)
    monkeypatch.setattr("include.prediction_log.watermarks.behind", lambda *given: [SimpleNamespace(words="g is late")])
    clock.now = START + timedelta(days=1, hours=13)
    with pytest.raises(AirflowSkipException, match="a gateway has not shipped its log"):
        run(look)
    clock.now += timedelta(days=1)
    assert run(look)["day"] == 1  # a gateway that has been late for a day is only told of
    with pytest.raises(AirflowSkipException, match="a gateway has not shipped its log"):
        run(look)
    clock.now += timedelta(hours=5)
    assert run(look)["day"] == 2


def test_a_look_waits_for_the_partitions_of_a_table(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def tables(self: Services, model: str) -> Any:
        def rows(metric: Metric, since: datetime, cutoff: datetime) -> list[TableRow]:
            if cutoff.date() > landed:
                raise NotReadyError(f"The orders partition of {cutoff.date()} has not landed.")
            return []

        return rows

    landed = START.date()
    told = changed(primary=Metric(name="sale", table="x:sales"))
    spec = services.spec(MODEL).model_copy(update={"experiments": (told,)})
    monkeypatch.setattr(Services, "spec", lambda self, model: spec)
    monkeypatch.setattr(Services, "tables", tables)
    start, look, _ = tasks()
    run = Run({"experiment": "pricing", "version": 2})
    run(start)
    clock.now = START + timedelta(days=2, hours=13)
    with pytest.raises(AirflowSkipException, match="orders partition of 2026-01-07 has not landed"):
        run(look)
    landed = START.date() + timedelta(days=1)
    assert run(look)["day"] == 1  # that of the second day waits for its partition
    clock.now = START + timedelta(days=6, hours=13)
    with pytest.raises(NotReadyError):
        run(look)


def test_a_rollback_beneath_it_ends_it(services: Services) -> None:
    start, look, end = tasks()
    run = Run({"experiment": "pricing", "version": None})
    run(start)
    with services.control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2))
    with pytest.raises(AirflowSkipException, match="it has ended"):
        run(look)
    with pytest.raises(AirflowSkipException, match="goes on"):
        run(end)
    record = read_experiment(services.control, run.xcom["start"]["experiment"])
    assert (record.state, live_experiment(services.control, MODEL)) == ("interrupted", None)


def test_a_version_that_gateways_refuse_ends_it(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*given: object) -> None:
        raise GateClosed("A gateway refused route 2 of shop.")

    monkeypatch.setattr(Services, "target", lambda self, model: SimpleNamespace(wait_applied=refuses))
    start, _, _ = tasks()
    with pytest.raises(GateClosed, match="refused route 2"):
        Run({"experiment": "pricing", "version": 2})(start)
    (record,) = list_experiments(services.control, MODEL)
    assert (record.state, record.decision["reasons"]) == ("stopped", ["A gateway refused route 2 of shop."])
    assert read_route(services.control, MODEL)[1] == Route(champion=1)


def test_what_cannot_be_started(services: Services) -> None:
    start, look, end = tasks()
    with pytest.raises(SpecError, match="no experiment 'prices'"):
        Run({"experiment": "prices"})(start)
    with pytest.raises(AirflowSkipException, match="A backfill starts no experiment"):
        Run({"experiment": "pricing"}, run_type="backfill")(start)
    with pytest.raises(ConflictError, match="is the champion itself"):
        Run({"experiment": "pricing", "version": 1})(start)
    with pytest.raises(AirflowSkipException, match="nothing to end"):
        hourly()(end)
    with pytest.raises(InputError):
        hourly()(look)


def test_a_rollout_waits_for_it(services: Services) -> None:
    start, _, _ = tasks()
    run = Run({"experiment": "pricing", "version": 3})
    run(start)
    person = run.context("open")
    with pytest.raises(ConflictError, match="live experiment"):
        await_experiments(person, services, MODEL, 3)  # type: ignore[arg-type]
    with pytest.raises(AirflowSkipException, match="live experiment"):
        await_experiments(hourly().context("open"), services, MODEL, 3)  # type: ignore[arg-type]
    record = live_experiment(services.control, MODEL)
    assert record is not None
    stop(services.control, record, reason="-", actor="t", epoch=services.control.take(record.resource, "t"))
    await_experiments(person, services, MODEL, 3)  # type: ignore[arg-type]


def test_a_rollout_may_depend_on_its_answer(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = services.spec(MODEL)
    waits = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"experiment": "pricing"})})
    monkeypatch.setattr(Services, "spec", lambda self, model: waits)
    with pytest.raises(GateClosed, match="only once the experiment pricing has found it better"):
        await_experiments(Run().context("open"), services, MODEL, 2)  # type: ignore[arg-type]


def test_a_model_with_experiments_has_a_dag_of_them(services: Services) -> None:
    dags = {dag.dag_id: dag for dag in lifecycle_dags(services.spec(MODEL))}
    made = dags[f"{MODEL}_experiment"]
    assert made.task_ids == ["start", "look", "conclude"]
    plain = services.spec(MODEL).model_copy(update={"experiments": ()})
    assert f"{MODEL}_experiment" not in {dag.dag_id for dag in lifecycle_dags(plain)}
    with DAG("author"):
        group = experiment_group(services.spec(MODEL), name="pricing")
    assert [task.task_id for task in group.leaves] == [f"{MODEL}_experiment.conclude"]
