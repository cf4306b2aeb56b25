"""Rows of two views, for the online stores' suites."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa

from include.core.spec import Feature, View

DAY = datetime.fromisoformat("2013-03-01")
HOUR = timedelta(hours=1)
ROUTE = View(
    name="route",
    keys=("origin", "dest"),
    features=(Feature(name="rate"), Feature(name="note", dtype="category"), Feature(name="seats", dtype="int")),
    ttl=6 * HOUR,
)
PLANE = View(name="plane", keys=("tailnum",), features=(Feature(name="year"),))


def routes(*rows: tuple[str | None, str, datetime, float | None, str | None, int | None]) -> pa.Table:
    names = ["origin", "dest", "event_timestamp", "rate", "note", "seats"]
    types = [pa.string(), pa.string(), pa.timestamp("us"), pa.float64(), pa.string(), pa.int64()]
    columns = zip(*rows, strict=True) if rows else [()] * 6
    return pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=names)


def plane(at: datetime, year: float = 1999.0) -> pa.Table:
    return pa.table({"tailnum": ["N1"], "event_timestamp": pa.array([at], pa.timestamp("us")), "year": [year]})
