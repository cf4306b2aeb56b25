"""A row of the control store's published partitions, for tests that publish nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.core.control import partitions
from include.core.partition import Partition
from include.core.time import timestamp


def insert_day(connection: sa.Connection, model: str, day: date | str, rows: Mapping[str, int] | None = None) -> None:
    """As if the day were published, with so many rows by dataset."""
    own = Partition.of_day(date.fromisoformat(str(day)))
    extent = {"day": own.name, "starts": own.start.isoformat(), "ends": own.end.isoformat()}
    held: dict[str, Any] = {"ref": {}, "digest": "d", "rows": dict(rows or {}), "at": timestamp()}
    connection.execute(partitions.insert().values(model=model, **extent, **held))
