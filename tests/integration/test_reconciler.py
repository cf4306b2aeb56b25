"""The reconciler under a real scheduler: what an operator's hand and Airflow's own queue leave undone is made good, and told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, audit, versions
from include.core.time import timestamp
from include.local import postgres
from include.local.credentials import Credentials
from include.rollout.history import live_rollout
from include.rollout.pause import abort
from include.routing.route import Route, read_route, set_route
from tests.support.airflow_world import Run, World, wait_for
from tests.support.shared_airflow import SharedAirflow
from tests.support.webhook import Webhook

MODEL = "flight_delay"
ROLLOUT, RECONCILE = f"{MODEL}_rollout", "slipstream_reconcile"
DAGS = Path(__file__).parent / "reconciler_dags" / "dags.py"
OF_A_MODEL = {"rollouts": "model", "routes": "model", "versions": "model", "documents": "subject"}  # table and column


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(DAGS, ROLLOUT, RECONCILE) as made:
        yield made


@pytest.fixture
def webhook(world: World, shared_airflow: SharedAirflow) -> Webhook:
    del world
    return shared_airflow.webhook


@pytest.fixture
def control(world: World, webhook: Webhook) -> ControlStore:
    """Version 1 serves; nothing is live, and nobody was told of anything."""
    store = ControlStore(world.settings.control_url)
    store.create_tables()
    with store.transaction() as connection:
        forget(connection)
        set_route(connection, MODEL, Route(champion=1))
    register(store, 1, "Production")
    webhook.got.clear()
    return store


def forget(connection: sa.Connection) -> None:
    """What is known of the model; that of others stays."""
    of_its_rollouts = "rollout IN (SELECT id FROM slipstream_rollouts WHERE model = :model)"
    connection.execute(sa.text(f"DELETE FROM slipstream_rollout_events WHERE {of_its_rollouts}"), {"model": MODEL})
    for table, column in OF_A_MODEL.items():
        connection.execute(sa.text(f"DELETE FROM slipstream_{table} WHERE {column} = :model"), {"model": MODEL})


def register(control: ControlStore, number: int, stage: str = "Candidate") -> None:
    at = timestamp() if stage == "Candidate" else "2026-01-01T00:00:00.000+00:00"
    row = {"key": f"k{number}", "model": MODEL, "version": number, "semver": f"1.{number}.0", "record": {}, "at": at}
    with control.transaction() as connection:
        connection.execute(versions.insert().values(stage=stage, **row))


def age(control: ControlStore) -> None:
    """As if the candidates had been registered a while ago."""
    with control.transaction() as connection:
        connection.execute(versions.update().values(at="2026-01-01T00:00:00.000+00:00"))


def canary(world: World, control: ControlStore, number: int, **conf: object) -> Run:
    """A run of the rollout DAG, waiting in its canary."""
    run_id = world.airflow.trigger(ROLLOUT, version=number, **conf)
    run = Run(world, ROLLOUT, run_id, f"v{number}")
    run.wait("canary_5", "deferred")
    assert read_route(control, MODEL)[1].weight == 5
    return run


def delete(world: World, run: Run) -> None:
    """As a metadata database that was cleaned or restored has it: no task of the run hears of it, a teardown neither."""
    engine = sa.create_engine(postgres.url(world.platform, Credentials.load(world.platform.home), "airflow"))
    with engine.begin() as connection:
        done = connection.execute(sa.text("DELETE FROM dag_run WHERE run_id = :run"), {"run": run.run_id})
        assert done.rowcount == 1
    engine.dispose()


def look(world: World) -> dict[str, list[dict[str, str]]]:
    """One run of the reconciler's DAG, and what it found."""
    run = Run(world, RECONCILE, world.airflow.trigger(RECONCILE), "look")
    run.wait("reconcile", "success", "failed")
    assert run.task("reconcile")["state"] == "success", run.log("reconcile", 1)
    found: dict[str, list[dict[str, str]]] = run.xcom("reconcile")
    return found


def told(webhook: Webhook) -> list[str]:
    return [str(body["event"]) for _, _, body in webhook.got if body["model"] == MODEL]


def orphan(world: World, control: ControlStore, webhook: Webhook) -> None:
    """Two looks with the grace time of this folder's spec between them: the rollout is over, and both are told."""
    assert [finding["kind"] for finding in look(world)["found"]] == ["rollout.undriven"]
    time.sleep(1.2)
    look(world)
    assert live_rollout(control, MODEL) is None
    assert read_route(control, MODEL)[1] == Route(champion=1)
    assert {"rollout_undriven", "rolled_back"} <= set(told(webhook))
    assert look(world)["found"] == []


def test_a_rollout_whose_run_was_deleted_is_reverted_and_reported(world: World, control: ControlStore, webhook: Webhook) -> None:
    register(control, 2)
    run = canary(world, control, 2)
    assert look(world)["found"] == []  # it is driven
    delete(world, run)
    orphan(world, control, webhook)


@pytest.mark.whole
def test_a_rollout_whose_dag_was_paused_in_the_middle_is_reverted_and_reported(
    world: World, control: ControlStore, webhook: Webhook
) -> None:
    register(control, 4)
    run = canary(world, control, 4)
    world.airflow.patch(f"/dags/{ROLLOUT}", {"is_paused": True})
    orphan(world, control, webhook)
    world.airflow.patch(f"/dags/{ROLLOUT}", {"is_paused": False})
    run.wait_until_over()


def test_three_candidates_whose_events_were_dropped_each_have_a_turn_or_a_reason(
    world: World, control: ControlStore, webhook: Webhook
) -> None:
    for number in (13, 14, 15):
        register(control, number)
    age(control)
    look(world)
    turn = Run(world, ROLLOUT, "reconciled__version-15", "v15")
    turn.wait("canary_5", "deferred")
    assert look(world)["found"] == []  # the others wait
    abort(control, MODEL, actor="ada", reason="over")
    turn.wait_until_over()

    def next_turn() -> int | None:
        look(world)
        live = live_rollout(control, MODEL)
        return live.challenger if live else None

    assert wait_for(next_turn, "the next candidate has its turn") == 14
    abort(control, MODEL, actor="ada", reason="over")
    register(control, 16, "Production")
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=16))
    look(world)
    with control.transaction() as connection:
        mine = sa.select(versions.c.version, versions.c.stage).where(versions.c.model == MODEL)
        stages = {row.version: row.stage for row in connection.execute(mine)}
        superseded = sa.and_(audit.c.action == "candidate.superseded", audit.c.subject == MODEL)
        rows = connection.execute(sa.select(audit.c.detail).where(superseded)).scalars()
        assert {row["version"]: row["by"] for row in rows} == {13: 16}
    assert stages == {1: "Production", 13: "Archived", 14: "Archived", 15: "Archived", 16: "Production"}
    assert {"candidate_turn", "candidate_superseded"} <= set(told(webhook))


@pytest.mark.whole
def test_by_the_specs_choice_a_new_run_goes_on_with_a_rollout_whose_run_was_deleted(
    world: World, control: ControlStore, webhook: Webhook
) -> None:
    """The folder's spec reads its choice from a file, so that one platform serves both."""
    choice = world.platform.home / "orphaned"
    choice.write_text("resume")
    try:
        register(control, 22)
        run = canary(world, control, 22)
        before = live_rollout(control, MODEL)
        delete(world, run)
        look(world)
        time.sleep(1.2)
        look(world)
        after = live_rollout(control, MODEL)
        assert before is not None
        assert after is not None
        assert (after.id, after.stage, read_route(control, MODEL)[1].weight) == (before.id, "canary_5", 5)
        new = Run(world, ROLLOUT, f"reconciled__{after.id}-1", "resumed")
        new.wait("canary_5", "deferred")
        look(world)
        assert look(world)["found"] == []
        mine = [event for event in told(webhook) if event.startswith("rollout_")]  # an earlier run may end with a word meanwhile
        assert mine == ["rollout_undriven", "rollout_resumed", "rollout_driven"]
        abort(control, MODEL, actor="ada", reason="over")
        new.wait_until_over()
    finally:
        choice.unlink()


def test_it_runs_by_itself_and_a_person_sees_it(world: World) -> None:
    dag = world.airflow.get(f"/dags/{RECONCILE}")
    assert dag["is_paused"] is False
    wait_for(
        lambda: any(run["run_type"] == "scheduled" and run["state"] == "success" for run in world.airflow.runs(RECONCILE)),
        "a run by the clock",
    )
