"""The shop's raw partitions, made up but the same every time."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

CUSTOMERS = tuple(f"customer-{n}" for n in range(40))
PER_DAY = 200


def orders_of(day: date, **columns: Any) -> pa.Table:
    """A day's orders; `columns` replaces some of their columns."""
    chance, start = random.Random(f"orders {day}"), datetime.combine(day, time())
    rows = [
        {
            "id": f"{day}-{n}",
            "customer": chance.choice(CUSTOMERS),
            "ordered_at": start + timedelta(minutes=6 * n + chance.randrange(6)),
            "price": float(chance.randrange(1, 80)),
            "shelf": chance.choice(["low", "high"]),
            "currency": "EUR",
        }
        for n in range(PER_DAY)
    ]
    table = pa.Table.from_pylist(rows)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


def returns_of(day: date, **columns: Any) -> pa.Table:
    """What came back, known at the end of the day: the dear things, mostly."""
    chance, end = random.Random(f"returns {day}"), datetime.combine(day, time(23, 59))
    prices = orders_of(day)["price"].to_pylist()
    table = pa.table(
        {
            "id": [f"{day}-{n}" for n in range(PER_DAY)],
            "came_back": pa.array([int(price + chance.gauss(0, 15) > 40) for price in prices], pa.int8()),
            "known_at": pa.array([end] * PER_DAY, pa.timestamp("us")),
        }
    )
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table
