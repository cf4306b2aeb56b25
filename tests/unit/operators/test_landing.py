"""Days from a warehouse: asked for once however often the task dies, landed whole, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from typing import cast

import pyarrow as pa
import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from include.core import fault
from include.core.errors import DataError, JobFailedError, PermanentError, SpecError, SupersededError, UnreachableError
from include.core.spec import Data
from include.landing.delivery import deliver
from operators.landing import LandFromWarehouseOperator, WarehouseSensor, query_over
from operators.lifecycle import features_dag
from operators.pending_events import landed_days
from tests.support.effort import THOROUGH
from tests.support.landings import ENGINES, QUERY, SECTIONS, Make
from tests.support.landings import access as access
from tests.support.landings import aws as aws
from tests.support.landings import make as make
from tests.support.operator_runs import MODEL, Run, day
from tests.unit.operators.models.shop.orders import orders_of
from tests.unit.operators.models.shop.spec import SPEC


class Killed(BaseException):
    """As SIGKILL: nothing of ours catches it."""


@contextmanager
def dying(where: Callable[[str], bool]) -> Iterator[None]:
    """The process dies at the fail points that `where` says yes to."""

    def note(name: str) -> None:
        if where(name):
            raise Killed(name)

    fault._passed = note
    try:
        yield
    finally:
        fault._passed = None


def dying_at(point: str) -> AbstractContextManager[None]:
    return dying(lambda name: name == point)


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_a_day_lands_whole_and_once(make: Make, engine: str) -> None:
    here = make(engine, ledger_in_s3=True)
    first = here.land()
    assert here.landed() == [day(1)]
    assert sorted(here.rows(1)["id"].to_pylist()) == sorted(orders_of(day(1))["id"].to_pylist())
    assert here.land(Run(run_id="another")) == first
    assert here.engine.unloads() == 1
    result = here.life.result(first)
    assert result.value["rows"] == {str(day(1)): 200}
    left = [path for path in here.life.services.storage.list("ledger") if "/unload-" in path]
    assert left == []


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_the_task_waits_in_the_triggerer_and_says_what_it_waits_for(make: Make, engine: str) -> None:
    here = make(engine)
    operator = LandFromWarehouseOperator(task_id="land", model=MODEL, source="orders", day=day(1), poll_seconds=0.01)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(cast("Context", Run().context("land")))
    assert query_over(**deferred.value.trigger.kwargs) == "DONE"
    here.engine.looks = 1
    Run()(LandFromWarehouseOperator(task_id="land", model=MODEL, source="orders", day=day(2), poll_seconds=0.01))
    assert here.landed() == [day(2)]
    assert here.engine.unloads() == 2


def test_days_of_a_range_are_one_query_and_each_has_its_rows(make: Make) -> None:
    here = make("athena")
    here.land(first=day(1), last=day(3))
    assert here.landed() == [day(1), day(2), day(3)]
    assert here.engine.unloads() == 1
    for number in (1, 2, 3):
        assert sorted(here.rows(number)["id"].to_pylist()) == sorted(orders_of(day(number))["id"].to_pylist())


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_each_point_one_query_and_one_partition(make: Make, engine: str) -> None:
    """The same task dies at a point that it had not died at before, and is tried again, until it is through."""
    here, died = make(engine), list[str]()
    mine = "" if THOROUGH else "landing."  # of the kernel's points, the kernel's own tests

    def first_time(name: str) -> bool:
        new = name.startswith(mine) and name not in died
        died.extend([name] if new else [])
        return new

    for _ in range(60):
        with dying(first_time):
            try:
                here.land()
                break
            except Killed:
                continue
    assert {"landing.started", "landing.recorded", "landing.done", "landing.written", "landing.noted"} <= set(died)
    assert here.engine.unloads() == 1
    assert here.landed() == [day(1)]
    assert here.rows(1).num_rows == 200


def test_a_start_whose_answer_is_lost_is_adopted_and_after_the_token_is_forgotten_asked_anew(make: Make) -> None:
    here = make("athena")
    with pytest.raises(Killed), dying_at("landing.started"):
        here.land()
    with pytest.raises(Killed), dying_at("landing.recorded"):
        here.land()
    assert here.engine.unloads() == 1
    here.engine.forget_tokens()
    here.land()
    assert here.engine.unloads() == 1  # its number was written down

    with pytest.raises(Killed), dying_at("landing.started"):
        here.land(day=day(2))
    (lost,) = [query for query in here.engine.queries.values() if query.state == "running"]
    here.engine._run(lost)  # it writes, and nobody knows of it
    here.engine.forget_tokens()
    with pytest.raises(JobFailedError, match="HIVE_PATH_ALREADY_EXISTS"):
        here.land(day=day(2))
    here.land(day=day(2))
    assert here.rows(2).num_rows == 200


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_failed_is_said_in_the_engines_words_and_the_next_one_is_another(make: Make, engine: str) -> None:
    here = make(engine)
    words = {"athena": "SYNTAX_ERROR: line 1:8", "redshift": "ERROR: column x does not exist", "spark": "exit code 1"}[engine]
    here.engine.fail(words)
    with pytest.raises(JobFailedError if engine == "spark" else PermanentError, match=words):
        here.land()
    assert here.landed() == []
    here.land()
    assert here.engine.unloads() == 2


@pytest.mark.parametrize(("engine", "words"), [("athena", "the engine is busy"), ("redshift", "connection was reset")])
def test_an_error_of_the_engine_itself_is_tried_again(make: Make, engine: str, words: str) -> None:
    here = make(engine)
    here.engine.fail(words, category=1)
    with pytest.raises(JobFailedError, match=words):
        here.land()


@pytest.mark.whole
@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_the_engine_has_forgotten_is_asked_anew(make: Make, engine: str) -> None:
    here = make(engine)
    with pytest.raises(Killed), dying_at("landing.recorded"):
        here.land()
    here.engine.forget()
    with pytest.raises(JobFailedError, match="unknown to the engine"):
        here.land()
    here.land()
    assert here.rows(1).num_rows == 200


def test_a_day_without_rows_is_an_error_unless_the_spec_says_so(make: Make) -> None:
    here = make("athena")
    with pytest.raises(DataError, match="2013-01-09 has no rows"):
        here.land(day=day(9))
    here.spec(SECTIONS["athena"], empty_days=True)
    with pytest.raises(DataError, match="no landed day tells the columns"):
        here.land(day=day(9))
    here.land(day=day(1))
    here.land(day=day(9))
    assert here.rows(9).num_rows == 0
    assert here.rows(9).schema.names == here.rows(1).schema.names
    assert here.rows(9).schema.types == here.rows(1).schema.types


def test_rows_of_other_days_and_several_days_without_a_column_are_refused(make: Make) -> None:
    here = make("athena")
    wide = QUERY.replace("< DATE '{after}'", "< DATE '{after}' + 1")
    here.spec(SECTIONS["athena"].model_copy(update={"query": wide}))
    with pytest.raises(DataError, match="200 rows of days that were not asked for"):
        here.land()
    assert here.landed() == []
    here.spec(SECTIONS["athena"].model_copy(update={"day_column": ""}))
    with pytest.raises(SpecError, match="which column tells"):
        here.land(first=day(1), last=day(2))
    with pytest.raises(DataError, match="first and a last day"):
        here.land(first=day(1))
    with pytest.raises(AirflowSkipException):
        here.land(day=date(2012, 1, 1))


def test_a_service_that_does_not_answer_ends_nothing(make: Make) -> None:
    here = make("athena")
    for operation in ("StartQueryExecution", "GetQueryExecution"):
        here.aws.faults.throttle(operation, times=1)
        with pytest.raises(UnreachableError, match="takes no more requests"):
            here.land()
    here.land()
    assert here.engine.unloads() == 1
    assert here.life.result(here.land()).attempt == 1


def test_a_job_without_its_mark_is_half_a_result(make: Make) -> None:
    here = make("spark")
    here.engine.commits = False  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="left no _SUCCESS"):
        here.land()
    assert here.landed() == []


# -- corrected days ------------------------------------------------------------------------------------------------


def test_a_day_asked_for_anew_replaces_its_partition_and_is_made_again(make: Make) -> None:
    here = make("athena")
    here.land()
    here.life.put("returns", day(1), pa.table({"x": [1]}))
    before = here.life.raw.digest("orders", day(1))
    here.land(Run({"fresh": True}, run_id="same"))
    assert here.engine.unloads() == 2
    assert here.life.raw.digest("orders", day(1)) == before  # the same rows in another order are the same bytes
    here.fill(price=[1.0] * 200)
    here.land(Run({"fresh": True}, run_id="other"))
    assert here.life.raw.digest("orders", day(1)) != before
    assert [event["day"] for event in landed_days(here.life.services, SPEC)] == [str(day(1))]


def test_what_somebody_has_put_in_its_place_stays(make: Make) -> None:
    here = make("athena")
    here.land()
    here.life.put("orders", day(1), orders_of(day(1)).slice(0, 5))
    here.land(Run(run_id="cleared"))
    assert here.rows(1).num_rows == 5
    here.life.services.storage.delete(here.life.raw.path("orders", day(1)))
    here.land(Run(run_id="again"))
    assert here.rows(1).num_rows == 200


@pytest.mark.whole
def test_a_spec_that_goes_back_to_a_query_lands_its_rows_again(make: Make) -> None:
    here = make("athena")
    here.land()
    here.spec(SECTIONS["athena"].model_copy(update={"query": f"{QUERY} AND price > 40"}))
    here.land()
    assert 0 < here.rows(1).num_rows < 200
    here.spec(SECTIONS["athena"])
    here.land()
    assert here.rows(1).num_rows == 200
    assert here.engine.unloads() == 2


def test_a_late_landing_of_an_earlier_generation_writes_nothing(make: Make) -> None:
    here = make("athena")
    services, old = here.life.services, here.life.result(here.land())
    here.fill(price=[1.0] * 200)
    here.land(Run({"fresh": True}, run_id="newer"))
    digest = here.life.raw.digest("orders", day(1))
    with pytest.raises(SupersededError):
        deliver(old, services.ledger, services.control, "a zombie")
    assert here.life.raw.digest("orders", day(1)) == digest


# -- waiting -------------------------------------------------------------------------------------------------------


def look(number: int) -> bool:
    sensor = WarehouseSensor(task_id="ready", model=MODEL, source="orders", day=day(number))
    return bool(sensor.poke(cast("Context", Run().context("ready"))))


@pytest.mark.parametrize("engine", ["athena", "redshift"])
def test_the_sensor_asks_the_engine_and_within_a_turn_once(make: Make, engine: str) -> None:
    here = make(engine)
    here.spec(SECTIONS[engine].model_copy(update={"ready": f"{QUERY} LIMIT 1"}))
    here.engine.looks = 0
    assert look(3)
    assert look(3)
    assert not look(4)
    assert len(here.engine.queries) <= 3  # two, unless a turn has passed meanwhile
    here.engine.fail("no such table")
    with pytest.raises(PermanentError, match="no such table"):
        look(5)


def test_the_sensor_asks_the_catalogue(make: Make) -> None:
    here = make("athena")
    with pytest.raises(SpecError, match="does not say how to know"):
        look(1)
    here.spec(SECTIONS["athena"].model_copy(update={"table": "sales.orders"}))
    with pytest.raises(PermanentError, match="sales"):
        look(1)
    glue = here.aws.client("glue")
    columns = {"Columns": [], "Location": "s3://x/y"}
    glue.create_database(DatabaseInput={"Name": "sales"})
    keys = [{"Name": "day", "Type": "string"}]
    glue.create_table(DatabaseName="sales", TableInput={"Name": "orders", "StorageDescriptor": columns, "PartitionKeys": keys})
    assert not look(1)
    wanted = {"Values": [str(day(1))], "StorageDescriptor": columns}
    glue.create_partition(DatabaseName="sales", TableName="orders", PartitionInput=wanted)
    assert look(1)
    assert not look(2)


def test_the_features_dag_lands_what_the_spec_has_of_a_warehouse() -> None:
    assert features_dag(SPEC).get_task("wait_for_partition").upstream_task_ids == set()
    section = SECTIONS["athena"].model_copy(update={"table": "sales.orders"})
    held = SPEC.data.model_dump(exclude={"warehouse"})
    for warehouse, before in ((section, {"wait_for_orders"}), (SECTIONS["spark"], set())):
        dag = features_dag(SPEC.model_copy(update={"data": Data(**held, warehouse=(warehouse,))}))
        assert dag.get_task("wait_for_partition").upstream_task_ids == {"land_orders"}
        assert dag.get_task("land_orders").upstream_task_ids == before


def test_a_spec_without_a_warehouse_asks_for_what_it_asked_for_before() -> None:
    held = json.loads(SPEC.data.model_dump_json())
    assert held.pop("warehouse") == []
    assert Data.model_validate(held) == SPEC.data
    assert day(1) + timedelta(days=1) == day(2)
