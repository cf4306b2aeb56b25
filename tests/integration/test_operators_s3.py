"""The operators on an S3 root (moto's server), with the credentials of an Airflow connection."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.backends.s3.client import client_from_session
from include.core.errors import UnreachableError
from include.core.request import Ref
from include.data.published import published
from include.services.services import Services
from operators.hooks import AirflowConnections, open_services
from operators.sensors import s3_partition_sensor
from operators.training import PlanTrainingOperator
from tests.support.databases import new_database
from tests.support.databases import postgres as postgres
from tests.support.error_message import assert_says
from tests.support.online_stores import redis_url as redis_url
from tests.support.operator_runs import MODEL, Life, Run, day, settle_in
from tests.support.s3_server import moto_server
from tests.support.wired import BuildTrainingSetOperator
from tests.unit.operators.models.shop.orders import PER_DAY, orders_of


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto_server() as address:
        yield address


def connection(address: str, **more: Any) -> str:
    extra = {"endpoint_url": address, "region_name": "us-east-1", **more}
    return json.dumps({"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra})


@pytest.fixture
def root(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """In a bucket of its own; what reaches S3 is the connection `shop_s3` alone."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLIPSTREAM_AWS_CONN_ID", "shop_s3")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_S3", connection(address))
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
    bucket = f"shop-{uuid.uuid4().hex[:8]}"
    client_from_session(session, address).create_bucket(Bucket=bucket)
    return f"s3://{bucket}/store"


@pytest.fixture
def life(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    return Life(settle_in(tmp_path, monkeypatch, root=root))


@pytest.fixture
def machines(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str, redis_url: str
) -> tuple[Life, list[Path]]:
    """A life over S3, PostgreSQL and Redis in which every task is run by a machine that has run none, and their homes."""
    stores = {"control_url": new_database(postgres, f"s{uuid.uuid4().hex}"), "online_url": redis_url}
    life, homes, run = Life(settle_in(tmp_path / "mine", monkeypatch, root=root, **stores)), [], Run.__call__

    def run_elsewhere(self: Run, operator: Any, try_number: int = 1) -> Any:
        homes.append(tmp_path / f"machine-{len(homes)}")
        monkeypatch.setenv("SLIPSTREAM_HOME", str(homes[-1]))
        return run(self, operator, try_number)

    monkeypatch.setattr(Run, "__call__", run_elsewhere)
    return life, homes


def sensor() -> Any:
    return s3_partition_sensor(MODEL, task_id="wait_for_partition", aws_conn_id="shop_s3")


def test_the_sensor_waits_for_every_source_of_the_day(life: Life) -> None:
    run = Run({"day": "2013-01-01"})
    waiting = sensor()
    waiting.poke_interval, waiting.timeout, waiting.soft_fail = 0.05, 0.2, True
    life.put("orders", day(1), orders_of(day(1)))
    with pytest.raises(AirflowSkipException):  # timed out, softly
        waiting.execute(run.context("wait_for_partition"))
    life.land(day(1))
    arrived = sensor()
    arrived.execute(run.context("wait_for_partition"))
    root = life.services.settings.root
    assert arrived.bucket_key == [f"{root}/raw/shop/{one}/date=2013-01-01/part.parquet" for one in ("orders", "returns")]


def test_a_day_outside_the_source_is_skipped_without_a_look_at_s3(life: Life) -> None:
    with pytest.raises(AirflowSkipException, match="outside the source's days"):
        sensor().execute(Run({"day": "2014-01-01"}).context("wait_for_partition"))


def test_the_operators_use_the_connections_credentials_and_address(life: Life, address: str) -> None:
    storage = Services(life.services.settings).storage
    assert type(storage).__name__ == "S3Storage"
    storage.write("hello", b"there")
    assert life.services.storage.read("hello") == b"there"


def test_tasks_reach_s3_with_the_same_patience_and_authorities_as_everything_else(
    life: Life, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_text("")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)  # which boto3 reads by itself, and comes first
    monkeypatch.setenv("SLIPSTREAM_CA_BUNDLE", str(authorities))
    client = Services(life.services.settings, AirflowConnections()).storage._bucket.client  # type: ignore[attr-defined]
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (5, 60, 32)
    assert client._endpoint.http_session._verify == str(authorities)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_S3", connection("https://127.0.0.1:1", verify=False, config_kwargs={"read_timeout": 7}))
    client = Services(life.services.settings, AirflowConnections()).storage._bucket.client  # type: ignore[attr-defined]
    assert (client.meta.config.read_timeout, client._endpoint.http_session._verify) == (7, False)


def test_days_are_published_and_a_training_set_is_built_on_s3(life: Life) -> None:
    life.days(3)
    stands = published(life.services.control, MODEL, day(1), day(3))
    assert all(ref.uri.startswith("ledger/features/") for ref in stands.values())  # the bucket may change its name
    assert life.services.ledger.verify(life.services.ledger.resolve(stands[day(1)])) == []

    run = Run()
    run(PlanTrainingOperator(task_id="plan", model=MODEL))
    made = life.result(run(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL)))
    assert made.value["rows"] == 3 * PER_DAY
    again = Run(run_id="cleared")
    again(PlanTrainingOperator(task_id="plan", model=MODEL))
    ref = again(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL))
    assert life.services.ledger.resolve(Ref.from_json(ref)) == made


@pytest.mark.whole  # the registry of two machines is in test_feast
def test_any_two_tasks_of_a_run_may_be_run_by_two_machines(machines: tuple[Life, list[Path]]) -> None:
    life, homes = machines
    life.days(4)
    life.materialize(life.publish(day(4)))
    run = life.registered()
    assert run.xcom["register"]["version"] == 1
    assert len(homes) == 18
    assert [
        path for home in homes for path in home.rglob("*") if path.is_file()
    ] == []  # what was on a disk is gone with its task


def test_s3_out_of_reach_is_reported_with_its_address_and_setting(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = connection("http://127.0.0.1:1", config_kwargs={"retries": {"max_attempts": 1}})
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_S3", nowhere)
    unreachable = open_services()
    with pytest.raises(UnreachableError) as failed:
        unreachable.storage.read("anything")
    assert_says(failed.value, "http://127.0.0.1:1", "SLIPSTREAM_AWS_CONN_ID", "what was stored is untouched")
