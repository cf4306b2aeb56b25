"""Made-up days to try the model with, the same every time. Delete this file once your own days land.

    python -m PACKAGE.sample_data 2024-01-01 2024-02-15

writes them where the sources' files are expected (`slipstream check` then reads them, too).
"""

from __future__ import annotations

import io
import random
import sys
from datetime import date, datetime, time, timedelta
from importlib import import_module

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.partition import Partition
from include.core.settings import Settings
from include.core.time import days_between
from include.data.raw import RawPartitions

MODEL = (__package__ or "").rpartition(".")[2]  # the folder's name
ORDERS = 100  # a day
CUSTOMERS = 60
CATEGORIES = {"clothes": 0.35, "shoes": 0.20, "toys": 0.0}  # and how often such an order is sent back


def orders(day: date) -> pa.Table:
    """The orders that were placed on a day."""
    chance = random.Random(f"orders {day}")
    begins = datetime.combine(day, time())
    customers = [chance.randrange(CUSTOMERS) for _ in range(ORDERS)]
    return pa.table({
        "order_id": [f"{day}-{number}" for number in range(ORDERS)],
        "customer_id": [f"customer-{number}" for number in customers],
        "ordered_at": [begins + timedelta(seconds=chance.randrange(86_400)) for _ in customers],
        "price": [round(chance.uniform(5, 150), 2) for _ in customers],
        "category": [chance.choice(sorted(CATEGORIES)) for _ in customers],
    })  # fmt: skip


def outcomes(day: date) -> pa.Table:
    """What became of the orders of three days before: some customers send back much, dear things come back more."""
    chance, asked = random.Random(f"outcomes {day}"), orders(day - timedelta(days=3))
    rows = asked.select(["customer_id", "price", "category"]).to_pylist()
    shares = [CATEGORIES[row["category"]] + row["price"] / 500 + _habit(row["customer_id"]) for row in rows]
    return pa.table({
        "order_id": asked["order_id"],
        "sent_back": pa.array([int(chance.random() < share) for share in shares], pa.int64()),
        "known_at": [datetime.combine(day, time()) + timedelta(seconds=chance.randrange(86_400)) for _ in rows],
    })  # fmt: skip


def _habit(customer: str) -> float:
    return 0.35 if int(customer.rpartition("-")[2]) % 3 == 0 else -0.1


def of_partition(part: Partition, source: str) -> pa.Table:
    """A source's rows of a partition, whatever its length."""
    make, time = (orders, "ordered_at") if source == "orders" else (outcomes, "known_at")
    rows = pa.concat_tables([make(day) for day in days_between(part.first_date, part.last_date)])
    return rows.filter((pc.field(time) >= part.start) & (pc.field(time) < part.end))


def main(first: str, last: str) -> None:
    """Write the days from the first to the last, both included."""
    storage, spec = Settings.from_env().storage(), import_module(f"{__package__}.spec").SPEC
    raw = RawPartitions.of(storage, spec)
    for part in spec.data.cadence.within_days(date.fromisoformat(first), date.fromisoformat(last)):
        for source in spec.data.sources:
            written = io.BytesIO()
            pq.write_table(of_partition(part, source), written)
            storage.write(raw.path(source, part), written.getvalue())
    print(f"landed {first} to {last} under {storage.uri(f'raw/{MODEL}')}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
