"""A tiny model for these tests: will a customer's order come back? Orders and returns arrive daily."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.ledger import Ledger
from include.core.request import Ref, Request, Result
from include.core.settings import Settings
from include.core.spec import Data, Feature, Features, ModelSpec, Training, View
from include.core.task import perform
from include.data.raw import RawPartitions

HERE = "tests.support.shop"
FIRST = date(2013, 1, 1)
NAN = float("nan")


def views(day: date) -> dict[str, str]:
    return {
        "customer": f"""
            SELECT customer, hour AS event_timestamp, count(*) AS orders, avg(price) AS mean_price, max(grade) AS grade
            FROM (SELECT *, date_trunc('hour', ordered_at) + INTERVAL 1 HOUR AS hour FROM orders)
            WHERE hour::DATE = DATE '{day}' AND customer IS NOT NULL GROUP BY customer, hour
        """
    }


def entities() -> str:
    return "SELECT id AS request_id, ordered_at AS event_timestamp, customer, price, grade AS shelf FROM orders"


def labels() -> str:
    return "SELECT id AS request_id, came_back::INT AS came_back, known_at AS label_timestamp FROM returns"


def good_rows(expectations: str, source: str, files: list[str], types: object = None) -> str:
    """Stands in for include.row_rules.predicate: free orders are set aside."""
    return f"SELECT * FROM read_parquet({files}) " + ("WHERE price > 0" if source == "orders" else "")


SPEC = ModelSpec(
    name="shop",
    owner="shop",
    description="Will the order come back?",
    label="came_back",
    data=Data(sources=("orders", "returns"), first=FIRST, lookback_days=2),
    features=Features(
        build=f"{HERE}:views",
        entities=f"{HERE}:entities",
        labels=f"{HERE}:labels",
        views=(
            View(
                name="customer",
                keys=("customer",),
                features=(
                    Feature(name="orders", dtype="int"),
                    Feature(name="mean_price", default=5.0),
                    Feature(name="grade", dtype="category", default="it's new"),
                ),
                ttl=timedelta(hours=20),
            ),
        ),
        request=(Feature(name="price"), Feature(name="shelf", dtype="category")),
    ),
    expectations=f"{HERE}:EXPECTATIONS",
    training=Training(fit=f"{HERE}:fit"),
)


def orders_of(day: date, count: int = 40) -> pa.Table:
    chance = random.Random(str(day))
    start = datetime.combine(day, datetime.min.time())
    rows = [
        {
            "id": f"{day}-{n}",
            "customer": chance.choice(["ann", "bob", "cleo", None]),
            "ordered_at": start + timedelta(minutes=chance.randrange(24 * 60)),
            "price": float(chance.randrange(1, 9)),
            "grade": chance.choice(["a", "b", None]),
        }
        for n in range(count)
    ]
    return pa.Table.from_pylist([*rows, {**rows[0], "id": "free", "price": 0.0}])


def returns_of(day: date, label: Callable[[int], bool | None] = lambda n: n % 3 == 0) -> pa.Table:
    """What is known on a day: of yesterday's orders, most."""
    start = datetime.combine(day, datetime.min.time())
    ids = [f"{day - timedelta(days=1)}-{n}" for n in range(36)]
    known = [start + timedelta(minutes=10 * (n + 1)) for n in range(36)]
    came_back = pa.array([label(n) for n in range(36)], pa.bool_())
    return pa.table({"id": ids, "came_back": came_back, "known_at": pa.array(known, pa.timestamp("us"))})


@dataclass
class Shop:
    """A storage root with the shop's raw partitions, and the steps run through the real kernel."""

    ledger: Ledger
    settings: Settings

    @property
    def raw(self) -> RawPartitions:
        return RawPartitions(self.ledger.storage, SPEC.name)

    def land(self, source: str, day: date, table: pa.Table) -> Path:
        path = Path(self.ledger.storage.uri(self.raw.path(source, day)))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        return path

    def land_days(self, count: int, **returns: Any) -> None:
        for n in range(count):
            day = FIRST + timedelta(days=n)
            self.land("orders", day, orders_of(day))
            self.land("returns", day, returns_of(day, **returns))

    def features(self, day: date, features: Features = SPEC.features) -> Result:
        since = max(FIRST, day - timedelta(days=SPEC.data.lookback_days))
        params = {
            "day": day.isoformat(),
            "partitions": {source: self.raw.digests(source, since, day) for source in SPEC.data.sources},
            "features": features.model_dump(mode="json"),
            "expectations": SPEC.expectations,
        }
        return self._run(Request("features", "include.features.features_step:run", SPEC.name, params))

    def days(self, count: int) -> dict[str, Ref]:
        days = (FIRST + timedelta(days=n) for n in range(count))
        return {day.isoformat(): self.ledger.ref(self.features(day)) for day in days}

    def training_set(self, refs: dict[str, Ref], **params: Any) -> Result:
        defaults = {"as_of": "2013-01-08T00:00:00+00:00", "window_days": 30, "holdout_days": 2, "minimum_rows": 20}
        section = {"features": SPEC.features.model_dump(mode="json"), "label": SPEC.label}
        request = Request(
            "training_set", "include.features.training_set_step:run", SPEC.name, {**defaults, **section, **params}, refs
        )
        return self._run(request)

    def read(self, result: Result, name: str) -> pa.Table:
        return pq.read_table(self.ledger.storage.uri(result.files[f"{name}.parquet"].path))

    def _run(self, request: Request) -> Result:
        known = self.ledger.result(request.key)
        return known or perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)
