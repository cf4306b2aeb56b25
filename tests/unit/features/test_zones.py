"""The loop on hosts of other time zones: the same bytes, from raw partitions whose times carry a zone or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.spec import Feature, Features, ModelSpec, View
from tests.support.shop import FIRST, SPEC, orders_of, returns_of
from tests.support.zone_life import Life

HERE = "tests.unit.features.test_zones"
ROOT = Path(__file__).parents[3]
DAYS = [FIRST + timedelta(days=n) for n in range(6)]


def views(day: date) -> dict[str, str]:
    """All that a session's zone could turn: casts, parts, texts and truncations of a zoned time."""
    return {
        "customer": f"""
            SELECT customer, ordered_at::TIMESTAMP AS event_timestamp, hour(ordered_at) AS hour_of_day,
                dayofyear(ordered_at::DATE) AS day_of_year, strftime(ordered_at, '%H:%M %z') AS clock,
                epoch(date_trunc('day', ordered_at)) AS midnight
            FROM orders WHERE ordered_at::DATE = DATE '{day}' AND customer IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY customer, ordered_at ORDER BY id) = 1"""
    }


def entities() -> str:
    return "SELECT id AS request_id, ordered_at::TIMESTAMP AS event_timestamp, customer, hour(ordered_at) AS asked FROM orders"


def labels() -> str:
    return "SELECT id AS request_id, came_back::INT AS came_back, known_at::TIMESTAMP AS label_timestamp FROM returns"


def _spec() -> ModelSpec:
    names = {"hour_of_day": "int", "day_of_year": "int", "clock": "category", "midnight": "float"}
    given = tuple(Feature(name=name, dtype=dtype) for name, dtype in names.items())
    features = Features(
        build=f"{HERE}:views", entities=f"{HERE}:entities", labels=f"{HERE}:labels",
        views=(View(name="customer", keys=("customer",), features=given),), request=(Feature(name="asked", dtype="int"),),
    )  # fmt: skip
    return SPEC.model_copy(update={"features": features, "expectations": f"{HERE}:EXPECTATIONS"})


EXPECTATIONS: dict[str, object] = {}


def _zoned(table: pa.Table, column: str) -> pa.Table:
    place = table.column_names.index(column)
    return table.set_column(place, column, table[column].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")))


def _land(life: Life) -> None:
    for day in DAYS:
        for source, table in (("orders", _zoned(orders_of(day), "ordered_at")), ("returns", _zoned(returns_of(day), "known_at"))):
            path = Path(life.ledger.storage.uri(life.raw.path(source, day)))
            path.parent.mkdir(parents=True)
            pq.write_table(table, path)


def main(home: str) -> None:
    life = Life(Path(home), _spec(), DAYS)
    _land(life)
    print(json.dumps(life.run(validated=False), sort_keys=True))


@pytest.fixture(scope="module")
def in_utc(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return _lived("UTC", tmp_path_factory.mktemp("utc"))


@pytest.mark.thorough
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_the_loop_gives_the_same_bytes_in_every_zone(zone: str, in_utc: dict[str, str], tmp_path: Path) -> None:
    found = _lived(zone, tmp_path)
    assert len(in_utc) > 20
    assert {name: value for name, value in found.items() if in_utc.get(name) != value} == {}
    assert json.loads(in_utc["collect/week"])["rows"] > 200
    assert json.loads(in_utc["score/week"])["rows"] > 30


def _lived(zone: str, home: Path) -> dict[str, str]:
    environment = {**os.environ, "TZ": zone, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"from {HERE} import main; main({str(home)!r})"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    return dict(json.loads(found.stdout.splitlines()[-1]))
