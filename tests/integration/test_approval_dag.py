"""Persons are asked in a real Airflow: who answers there, and that clearing tasks and marking them success opens nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.governance.audit import history
from include.rollout.approvals import approval, approvals_of
from include.rollout.history import live_rollout, read_rollout
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from include.versions.trainer import REGISTERED, TRAINED_BY
from tests.support.airflow_world import Run, World, wait_for
from tests.support.shared_airflow import SharedAirflow, shops_services
from tests.support.versions import add_candidates

pytestmark = [
    pytest.mark.whole,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]  # its sample: tests/unit/operators/test_persons.py

MODEL, DAG = "shop", "shop_asking"
CHAMPION, FIRST, SECOND = 101, 102, 103
BEFORE = Route(champion=CHAMPION)


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(Path(__file__).parent / "approval_dags" / "asking.py", DAG) as world:
        yield world


@pytest.fixture(scope="module")
def services(world: World) -> Iterator[Services]:
    """A version serves, and two may be rolled out; the user `op` asked for the training of the first."""
    with shops_services(world) as made:
        with made.control.transaction() as connection:
            add_candidates(connection, MODEL, CHAMPION, FIRST, SECOND)
            set_route(connection, MODEL, BEFORE)
            made.control.append_audit(connection, "register", REGISTERED, MODEL, {"version": FIRST, TRAINED_BY: "op"})
        yield made


def test_a_person_lets_it_on_and_neither_a_clear_nor_a_mark_does(world: World, services: Services) -> None:
    run = world.start(DAG, version=FIRST)
    run.wait("approve", "deferred")
    assert traffic(services) == BEFORE
    run.declare("approve", "success")
    run.wait("shadow", "deferred")  # marked success, it opened nothing: the stage asks by itself
    run.clear("approve")
    run.wait("approve", "deferred", tries=2)
    assert traffic(services) == BEFORE
    assert answer(world, run, "shadow", "viewer").status_code == 403
    assert traffic(services) == BEFORE

    assert answer(world, run, "shadow", "op").status_code == 200  # Airflow lets them, and asked for its training
    wait_for(lambda: "approval.refused" in actions(services), "the answer of the trainer is refused")
    wait_for(lambda: asked_again(run, "shadow"), "persons are asked again")
    assert traffic(services) == BEFORE
    assert answer(world, run, "shadow", "admin", reason="  ").status_code == 200
    wait_for(lambda: asked_again(run, "shadow"), "an answer without a reason is asked again")
    assert traffic(services) == BEFORE

    assert answer(world, run, "shadow", "admin", reason="the slices are fine").status_code == 200
    wait_for(lambda: traffic(services).champion == FIRST, "it goes on to all traffic")
    run.wait("approve", "success", tries=2)
    run.wait("conclude", "success")
    row = next(row for row in history(services.control, MODEL, limit=20) if row.action == "rollout.promote")
    assert row.actor == "admin (Airflow)"
    (said,) = [each for each in approvals_of(services.control, MODEL, FIRST) if each["event"] == "approved"]
    assert (said["person"], said["reason"], said["via"]) == ({"id": "admin", "name": "admin"}, "the slices are fine", "airflow")
    assert services.control.broken_audit_rows() == []


def test_every_task_marked_success_moves_no_traffic(world: World, services: Services) -> None:
    before = traffic(services)
    run = world.start(DAG, version=SECOND)
    run.wait("approve", "deferred")
    rollout = live_rollout(services.control, MODEL)
    assert rollout is not None
    for task in ("approve", "shadow", "canary_50", "full_100", "promote"):
        run.declare(task, "success")
    run.wait("conclude", "failed")
    after = read_rollout(services.control, rollout.id)
    assert (after.state, traffic(services).champion, traffic(services).weight) == ("rolled_back", before.champion, 0)
    assert approval(services.control, rollout.id) is not None
    assert not [each for each in approvals_of(services.control, MODEL, SECOND) if each["event"] == "approved"]


def test_a_no_in_the_consoles_api_ends_the_run(world: World, services: Services) -> None:
    with services.control.transaction() as connection:
        add_candidates(connection, MODEL, SECOND + 1)
    before = traffic(services)
    run = world.start(DAG, version=SECOND + 1)
    run.wait("approve", "deferred")
    path = f"{world.platform.url('airflow')}/slipstream/api/models/{MODEL}/approval"
    headers = {"Authorization": f"Bearer {world.token('op')}"}
    shown = httpx.get(path, headers=headers, timeout=60).json()["waiting"]
    body = {"version": SECOND + 1, "answer": "reject", "reason": "the slice of January", "seen": shown["seen"]}
    done = httpx.post(path, headers=headers, json=body, timeout=60)
    assert (done.status_code, done.json()["by"]) == (200, "op")
    run.wait("conclude", "failed")
    assert traffic(services).champion == before.champion


def traffic(services: Services) -> Route:
    route = read_route(services.control, MODEL)[1]
    return Route(
        champion=route.champion, challenger=route.challenger if route.weight else None, weight=route.weight, shadow=route.shadow
    )


def actions(services: Services) -> list[str]:
    return [row.action for row in history(services.control, MODEL, limit=30)]


def asked_again(run: Run, task: str) -> bool:
    detail = run.world.airflow.get(f"{run.path}/taskInstances/{task}/-1/hitlDetails")
    return not detail["response_received"] and run.task(task)["state"] == "deferred"


def settled(run: Run, task: str) -> bool:
    """Whether the scheduler knows that the task's process is over: an answer before that has Airflow 3.3.2 try the task again
    ("state mismatch", apache/airflow#72716), which asks again."""
    number = run.task(task)["try_number"]
    pauses = run.log(task, number).count("Pausing task as DEFERRED")
    key = f"TaskInstanceKey(dag_id='{DAG}', task_id='{task}', run_id='{run.run_id}', try_number={number}, "
    known = run.world.log("scheduler").count(f"Received executor event with state success for task instance {key}")
    return 0 < pauses <= known


def answer(world: World, run: Run, task: str, user: str, chosen: str = "Approve", reason: str = "looked at it") -> Any:
    """As a person does on Airflow's page of required actions."""
    wait_for(lambda: settled(run, task), f"{task} waits, and the scheduler knows it")
    url = f"{world.platform.url('airflow')}/api/v2{run.path}/taskInstances/{task}/-1/hitlDetails"
    body = {"chosen_options": [chosen], "params_input": {"reason": reason}}
    return httpx.patch(url, json=body, headers={"Authorization": f"Bearer {world.token(user)}"}, timeout=60)
