"""A shop whose root is S3 and whose orders lie in a warehouse, for tests of landing. Fixtures: `aws`, `access`, `make`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config

from include.backends.aws.access import SessionAccess
from include.backends.s3.storage import S3Storage
from include.core.partition import Partition
from include.core.spec import Athena, Data, EmrServerless, Redshift
from include.core.storage import LocalStorage
from operators.hooks import AirflowConnections
from operators.landing import LandFromWarehouseOperator
from tests.support.aws.server import Aws, aws_server
from tests.support.aws.warehouse import Warehouse
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


Make = Callable[..., "Here"]


class Root(LocalStorage):
    """A folder that answers to an address of S3, to spare the ledger its requests; what an engine writes is in S3 itself."""

    def __init__(self, folder: Path, s3: S3Storage) -> None:
        super().__init__(folder)
        self._s3 = s3

    @property
    def root(self) -> str:
        return self._s3.root

    def uri(self, path: str) -> str:
        return self._s3.uri(path)

    def list(self, prefix: str) -> Iterator[str]:
        return self._s3.list(prefix) if "/unload-" in prefix else super().list(prefix)

    def fetch(self, path: str, scratch: Path) -> Path:
        return self._s3.fetch(path, scratch) if "/unload-" in path else super().fetch(path, scratch)

    def delete(self, prefix: str) -> None:
        (self._s3.delete if "/unload-" in prefix else super().delete)(prefix)


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
        path = self.life.raw.path("orders", day(number))
        return pq.read_table(io.BytesIO(self.life.services.storage.read(path)))

    def landed(self) -> list[Partition]:
        return self.life.raw.days("orders")


@pytest.fixture(scope="module")
def access(aws: Aws) -> SessionAccess:
    """One for all: a client of boto3 takes longer to be made than a day to land."""
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return SessionAccess(boto3.Session(**CREDENTIALS), lambda service: aws.address, once)


@pytest.fixture
def make(aws: Aws, access: SessionAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(AirflowConnections, "aws", lambda self, settings: access)
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)

    def here(engine: str, ledger_in_s3: bool = False) -> Here:
        s3 = S3Storage(f"s3://slipstream/{tmp_path.name}", access.client("s3"))
        root = s3 if ledger_in_s3 else Root(tmp_path / "root", s3)
        monkeypatch.setattr(AirflowConnections, "storage", lambda self, settings: root)
        return Here(aws, Life(settle_in(tmp_path, monkeypatch, root=s3.root)), SECTIONS[engine], monkeypatch)

    return here
