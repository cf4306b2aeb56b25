"""A whole experiment under a real scheduler: started, looked at, decided; each task killed before its work and after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.control import audit
from include.experiments.look import recompute
from include.experiments.record import list_experiments, looks
from include.prediction_log.writer import PredictionLog
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from tests.support.airflow_world import World
from tests.support.experiment_log import START, Behaviour, traffic
from tests.support.killed_once import folder
from tests.support.shared_airflow import SharedAirflow, shops_services
from tests.support.versions import add_candidates

pytestmark = [
    pytest.mark.whole,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]  # its sample: tests/unit/operators/test_experiment.py

MODEL, DAG = "shop", "shop_trial"
TASKS = ("start", "look", "conclude")
BETTER = Behaviour(sale=(0.1, 0.5))
PATIENCE = 200.0


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(Path(__file__).parent / "experiment_dags" / "experiments.py", DAG) as world:
        yield world


@pytest.fixture(scope="module")
def services(world: World) -> Iterator[Services]:
    with shops_services(world) as made:
        with made.control.transaction() as connection:
            add_candidates(connection, MODEL, 1, 2)
            set_route(connection, MODEL, Route(champion=1))
        yield made


def ended(world: World, **conf: Any) -> dict[str, tuple[str, int]]:
    """Trigger a run and wait for its end: the state and the tries of each task."""
    path = f"/dags/{DAG}/dagRuns/{world.airflow.trigger(DAG, **conf)}"
    until = time.monotonic() + PATIENCE
    while (state := world.airflow.get(path)["state"]) not in ("success", "failed"):
        if time.monotonic() > until:
            pytest.fail(f"the run has not ended: {world.airflow.get(path + '/taskInstances')}")
        time.sleep(1)
    assert state == "success"
    tasks = world.airflow.get(f"{path}/taskInstances")["task_instances"]
    return {each["task_id"]: (each["state"], each["try_number"]) for each in tasks}


def test_killed_in_each_task_nothing_is_lost_and_nothing_doubled(world: World, services: Services) -> None:
    home = world.platform.home
    (home / "clock").write_text(START.isoformat())
    first = ended(world, experiment="pricing")
    assert first == {"start": ("success", 3), "look": ("skipped", 2), "conclude": ("skipped", 2)}
    log, route = PredictionLog(home, MODEL), read_route(services.control, MODEL)[1]
    log.write(list(traffic(BETTER, route, START, 7)))
    log.close()
    (home / "clock").write_text((START + timedelta(days=7, hours=12)).isoformat())
    second = ended(world)
    assert second["start"] == second["conclude"] == ("success", 3)
    assert second["look"] == ("skipped", 3)  # killed after its look was kept: its next try finds it taken
    kills = sorted(path.name.partition("-")[0] for path in folder(home).iterdir())
    assert (kills.count("before"), kills.count("after")) == (6, 4)

    (record,) = list_experiments(services.control, MODEL)
    assert (record.state, record.answer, record.treatment) == ("decided", "better", 2)
    (look,) = looks(services.control, record.id)
    assert look.evidence["entities"]["control"] + look.evidence["entities"]["treatment"] == 7 * BETTER.entities
    assert read_route(services.control, MODEL)[1] == Route(champion=1)
    with services.control.transaction() as connection:
        actions = [row["action"] for row in connection.execute(audit.select()).mappings() if row["subject"] == MODEL]
    assert [action for action in actions if action.startswith("experiment")] == ["experiment.start", "experiment.decided"]
    again = recompute(record, look, services.prediction_log)
    assert (again.decided, again.counted) == (True, True)
    assert services.control.broken_audit_rows() == []
