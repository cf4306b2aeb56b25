"""Days from a warehouse: asked for once however often the task dies, landed whole, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from include.backends.aws.access import SessionAccess
from include.backends.s3.storage import S3Storage
from include.core import fault
from include.core.errors import DataError, JobFailedError, PermanentError, SpecError, SupersededError
from include.core.spec import Athena, Data, EmrServerless, Redshift
from include.landing.delivery import deliver
from operators.hooks import AirflowConnections
from operators.landing import LandFromWarehouseOperator, WarehouseSensor, query_over
from operators.pending_events import landed_days
from tests.support.aws.server import Aws, aws_server
from tests.support.aws.warehouse import Warehouse
from tests.support.effort import THOROUGH
from tests.support.operator_runs import MODEL, Life, Run, day, settle_in
from tests.support.s3_server import CREDENTIALS
from tests.unit.operators.models.shop.orders import orders_of
from tests.unit.operators.models.shop.spec import SPEC

QUERY = "SELECT * FROM orders WHERE ordered_at >= DATE '{first}' AND ordered_at < DATE '{after}'"
ROLE = "arn:aws:iam::123456789012:role/spark"
SECTIONS: dict[str, Any] = {
    "athena": Athena(source="orders", database="sales", query=QUERY, day_column="ordered_at"),
    "redshift": Redshift(source="orders", database="sales", workgroup="sales", query=QUERY, day_column="ordered_at"),
    "spark": EmrServerless(source="orders", application="00f1", role=ROLE, entry_point="s3://code/orders.py", day_column="day"),
}
ENGINES = list(SECTIONS)
WAITS_NO_LONGER: dict[str, Any] = {"deferrable": False, "poll_seconds": 0.0}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        server.client("s3").create_bucket(Bucket="slipstream")
        yield server


class Here:
    """A shop whose root is S3, and the warehouse that has its orders."""

    def __init__(self, aws: Aws, life: Life, section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws, self.life, self._monkeypatch = aws, life, monkeypatch
        self.engine: Warehouse = getattr(aws, {"athena": "athena", "redshift": "redshift"}.get(section.engine, "spark"))
        self.engine.clear()
        self.spec(section)
        self.fill()

    def fill(self, **columns: Any) -> None:
        """Three days of orders lie in the warehouse."""
        days = [orders_of(day(number), **columns) for number in (1, 2, 3)]
        table = pa.concat_tables(days)
        self.engine.tables["orders"] = table.append_column("day", table["ordered_at"].cast(pa.date32()))

    def spec(self, section: Any, **data: Any) -> None:
        held = {**SPEC.data.model_dump(exclude={"warehouse"}), **data}
        changed = SPEC.model_copy(update={"data": Data(**held, warehouse=(section,))})
        self._monkeypatch.setattr("tests.unit.operators.models.shop.spec.SPEC", changed)

    def land(self, run: Run | None = None, **options: Any) -> Any:
        given = {"day": day(1), **options} if "first" not in options else options
        operator = LandFromWarehouseOperator(task_id="land", model=MODEL, source="orders", **{**WAITS_NO_LONGER, **given})
        return (run or Run())(operator)

    def rows(self, number: int) -> pa.Table:
        import io

        import pyarrow.parquet as pq

        path = self.life.raw.path("orders", day(number))
        return pq.read_table(io.BytesIO(self.life.services.storage.read(path)))

    def landed(self) -> list[date]:
        return self.life.raw.days("orders")


@pytest.fixture(scope="module")
def access(aws: Aws) -> SessionAccess:
    """One for all: a client of boto3 takes longer to be made than a day to land."""
    return SessionAccess(boto3.Session(**CREDENTIALS), lambda service: aws.address)


@pytest.fixture
def make(aws: Aws, access: SessionAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Here]:
    monkeypatch.setattr(AirflowConnections, "aws", lambda self, settings: access)
    monkeypatch.setattr(AirflowConnections, "storage", lambda self, settings: S3Storage(settings.root, access.client("s3")))
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)

    def here(engine: str) -> Here:
        root = f"s3://slipstream/{tmp_path.name}"
        return Here(aws, Life(settle_in(tmp_path, monkeypatch, root=root)), SECTIONS[engine], monkeypatch)

    return here


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
def test_a_day_lands_whole_and_once(make: Callable[[str], Here], engine: str) -> None:
    here = make(engine)
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
def test_the_task_waits_in_the_triggerer_and_says_what_it_waits_for(make: Callable[[str], Here], engine: str) -> None:
    here = make(engine)
    operator = LandFromWarehouseOperator(task_id="land", model=MODEL, source="orders", day=day(1), poll_seconds=0.01)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(Run().context("land"))
    assert query_over(**deferred.value.trigger.kwargs) == "DONE"  # type: ignore[attr-defined]
    here.engine.looks = 1
    Run()(LandFromWarehouseOperator(task_id="land", model=MODEL, source="orders", day=day(2), poll_seconds=0.01))
    assert here.landed() == [day(2)]
    assert here.engine.unloads() == 2


def test_days_of_a_range_are_one_query_and_each_has_its_rows(make: Callable[[str], Here]) -> None:
    here = make("athena")
    here.land(first=day(1), last=day(3))
    assert here.landed() == [day(1), day(2), day(3)]
    assert here.engine.unloads() == 1
    for number in (1, 2, 3):
        assert sorted(here.rows(number)["id"].to_pylist()) == sorted(orders_of(day(number))["id"].to_pylist())


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_each_point_one_query_and_one_partition(make: Callable[[str], Here], engine: str) -> None:
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


def test_a_start_whose_answer_is_lost_is_adopted_and_after_the_token_is_forgotten_asked_anew(make: Callable[[str], Here]) -> None:
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
def test_a_query_that_failed_is_said_in_the_engines_words_and_the_next_one_is_another(
    make: Callable[[str], Here], engine: str
) -> None:
    here = make(engine)
    words = {"athena": "SYNTAX_ERROR: line 1:8", "redshift": "ERROR: column x does not exist", "spark": "exit code 1"}[engine]
    here.engine.fail(words)
    with pytest.raises(JobFailedError if engine == "spark" else PermanentError, match=words):
        here.land()
    assert here.landed() == []
    here.land()
    assert here.engine.unloads() == 2


@pytest.mark.parametrize(("engine", "words"), [("athena", "the engine is busy"), ("redshift", "connection was reset")])
def test_an_error_of_the_engine_itself_is_tried_again(make: Callable[[str], Here], engine: str, words: str) -> None:
    here = make(engine)
    here.engine.fail(words, category=1)
    with pytest.raises(JobFailedError, match=words):
        here.land()


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_that_the_engine_has_forgotten_is_asked_anew(make: Callable[[str], Here], engine: str) -> None:
    here = make(engine)
    with pytest.raises(Killed), dying_at("landing.recorded"):
        here.land()
    here.engine.forget()
    with pytest.raises(JobFailedError, match="unknown to the engine"):
        here.land()
    here.land()
    assert here.rows(1).num_rows == 200


def test_a_day_without_rows_is_an_error_unless_the_spec_says_so(make: Callable[[str], Here]) -> None:
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


def test_rows_of_other_days_and_several_days_without_a_column_are_refused(make: Callable[[str], Here]) -> None:
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


def test_a_job_without_its_mark_is_half_a_result(make: Callable[[str], Here]) -> None:
    here = make("spark")
    here.engine.commits = False  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="left no _SUCCESS"):
        here.land()
    assert here.landed() == []


# -- corrected days ------------------------------------------------------------------------------------------------


def test_a_day_asked_for_anew_replaces_its_partition_and_is_made_again(make: Callable[[str], Here]) -> None:
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


def test_what_somebody_has_put_in_its_place_stays(make: Callable[[str], Here]) -> None:
    here = make("athena")
    here.land()
    here.life.put("orders", day(1), orders_of(day(1)).slice(0, 5))
    here.land(Run(run_id="cleared"))
    assert here.rows(1).num_rows == 5
    here.life.services.storage.delete(here.life.raw.path("orders", day(1)))
    here.land(Run(run_id="again"))
    assert here.rows(1).num_rows == 200


def test_a_spec_that_goes_back_to_a_query_lands_its_rows_again(make: Callable[[str], Here]) -> None:
    here = make("athena")
    here.land()
    here.spec(SECTIONS["athena"].model_copy(update={"query": f"{QUERY} AND price > 40"}))
    here.land()
    assert 0 < here.rows(1).num_rows < 200
    here.spec(SECTIONS["athena"])
    here.land()
    assert here.rows(1).num_rows == 200
    assert here.engine.unloads() == 2


def test_a_late_landing_of_an_earlier_generation_writes_nothing(make: Callable[[str], Here]) -> None:
    here = make("athena")
    services, old = here.life.services, here.life.result(here.land())
    here.fill(price=[1.0] * 200)
    here.land(Run({"fresh": True}, run_id="newer"))
    digest = here.life.raw.digest("orders", day(1))
    with pytest.raises(SupersededError):
        deliver(old, services.ledger, services.control, "a zombie")
    assert here.life.raw.digest("orders", day(1)) == digest


# -- waiting -------------------------------------------------------------------------------------------------------


def look(number: int, run: Run | None = None) -> bool:
    sensor = WarehouseSensor(task_id="ready", model=MODEL, source="orders", day=day(number))
    return bool(sensor.poke((run or Run()).context("ready")))


@pytest.mark.parametrize("engine", ["athena", "redshift"])
def test_the_sensor_asks_the_engine_and_within_a_turn_once(make: Callable[[str], Here], engine: str) -> None:
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


def test_the_sensor_asks_the_catalogue(make: Callable[[str], Here]) -> None:
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


def test_a_spec_without_a_warehouse_asks_for_what_it_asked_for_before() -> None:
    held = json.loads(SPEC.data.model_dump_json())
    assert held.pop("warehouse") == []
    assert Data.model_validate(held) == SPEC.data
    assert day(1) + timedelta(days=1) == day(2)
