"""An author's own DAG under a real scheduler: own task ids, mapped operators, two TaskGroups; each task killed once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.core.ledger import Attempt, Ledger
from include.data.published import published
from include.governance.waiters import Waiter, waiters
from include.rollout.driver import Driver
from include.rollout.history import events, list_rollouts
from include.routing.route import read_route
from include.services.services import Services
from include.versions import queries as versions
from tests.support.airflow_world import Run, World
from tests.support.killed_once import folder, is_killed
from tests.support.operator_runs import Life, day
from tests.support.shared_airflow import SharedAirflow, shops_services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # fifty task processes, one after the other

MODEL, DAG = "shop", "shop_weekly"
DAYS = [day(1), day(2), day(3), day(4)]
PATIENCE = 250.0  # seconds; some fifty task processes start one after the other
MAPPED = ("check_day", "take_in_day", "bring_online")
LEARN = ("plan", "build_training_set", "validate_training_set", "tune", "train", "evaluate", "gate", "register")
RELEASE = ("open", "smoke", "shadow", "canary_50", "full_100", "promote", "roll_back", "conclude")


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(Path(__file__).parent / "author_dags" / "author.py", DAG) as world:
        yield world


@pytest.fixture(scope="module")
def services(world: World) -> Iterator[Services]:
    with shops_services(world) as made:
        yield made


@pytest.fixture(scope="module")
def run(world: World, services: Services) -> Run:
    """To its end, whatever was killed."""
    for each in DAYS:
        Life(services).land(each)
    run = Run(world, DAG, world.airflow.trigger(DAG, as_of=day(5).isoformat()), "")
    until = time.monotonic() + PATIENCE
    while not over(run):
        if time.monotonic() > until:
            pytest.fail(f"the run has not ended: {states(run)}")
        time.sleep(1)
    return run


def over(run: Run) -> bool:
    return bool(run.world.airflow.get(run.path)["state"] in ("success", "failed"))


def states(run: Run) -> list[tuple[str, int, str, int]]:
    return [(each["task_id"], each["map_index"], each["state"], each["try_number"]) for each in instances(run)]


def instances(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.world.airflow.get(f"{run.path}/taskInstances?limit=100")["task_instances"]
    return found


def asked(ledger: Ledger, step: str = "") -> list[str]:
    """The keys of what was asked for about this model: other modules' requests may lie beside them."""
    return [key for key in ledger.requested(step) if ledger.request(key).model == MODEL]


def test_every_task_was_killed_once_and_the_run_ends_well(run: Run) -> None:
    seen = {(each["task_id"], each["map_index"]): (each["state"], each["try_number"]) for each in instances(run)}
    grouped = [f"learn.{name}" for name in LEARN] + [f"release.{name}" for name in RELEASE]
    wanted = {(name, -1) for name in ("which_days", *grouped)} | {(name, at) for name in MAPPED for at in range(len(DAYS))}
    assert seen.keys() == wanted
    skipped = {"learn.tune", "release.roll_back"}
    assert {name for (name, _), (state, _) in seen.items() if state == "skipped"} == skipped
    assert {state for (name, _), (state, _) in seen.items() if name not in skipped} == {"success"}
    killed = {(name, at) for name, at in wanted if is_killed(at)}
    assert {key: tries for key, (_, tries) in seen.items() if key in killed and tries < 2} == {}
    assert {f"{name}.{at}" for name, at in killed} <= {path.name for path in folder(run.world.platform.home).iterdir()}
    assert run.world.airflow.get(run.path)["state"] == "success"


def test_each_thing_was_done_once(run: Run, services: Services) -> None:
    del run
    control, ledger = services.control, services.ledger
    assert sorted(published(control, MODEL, DAYS[0], DAYS[-1])) == DAYS
    keys = asked(ledger)
    steps = [key.partition("/")[0] for key in keys]
    assert {step: steps.count(step) for step in set(steps)} == {
        "validate": 4, "features": 4, "training_set": 1, "validate_training_set": 1, "train": 1, "evaluate": 1,
    }  # fmt: skip
    assert [path for key in keys for path in services.storage.list(f"ledger/{key}") if path.endswith("attempt-2.json")] == []
    (version,) = versions.records(control, MODEL)
    (rollout,) = list_rollouts(control, MODEL)
    assert (version.version, rollout.challenger, rollout.state) == (1, 1, "promoted")
    assert read_route(control, MODEL)[1].champion == 1
    assert control.broken_audit_rows() == []


def test_the_stores_know_which_run_drove_the_rollout(run: Run, services: Services) -> None:
    (rollout,) = list_rollouts(services.control, MODEL)
    (opened,) = [event for event in events(services.control, rollout.id) if event["event"] == "opened"]
    assert opened["evidence"]["request"] == f"{DAG}/{run.run_id}/release.open/-1"
    assert Driver.of(opened["evidence"]["request"]) == Driver(DAG, run.run_id)


def test_the_stores_know_which_task_waited_for_the_job(run: Run, services: Services) -> None:
    (key,) = asked(services.ledger, "train")
    assert waiters(services.control, Attempt(key, 0, 1).job) == [Waiter(DAG, run.run_id, "learn.train")]
