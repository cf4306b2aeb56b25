"""How far every model's published partitions reach: one query for all. Apart from published.py, whose code is in every key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.core.control import partitions


@dataclass(frozen=True)
class Extent:
    """`ends`: of the newest partition, UTC without a zone; `days`: how many there are; `at`: when one was published last."""

    ends: str
    days: int
    at: str


def extents_in(connection: sa.Connection) -> dict[str, Extent]:
    """By model or feature set."""
    newest = (
        sa.func.max(partitions.c.ends).label("ends"),
        sa.func.count().label("days"),
        sa.func.max(partitions.c.at).label("at"),
    )
    rows = connection.execute(sa.select(partitions.c.model, *newest).group_by(partitions.c.model))
    return {row.model: Extent(row.ends, row.days, row.at) for row in rows}


def newest_names_in(connection: sa.Connection) -> dict[str, tuple[str, int]]:
    """By model or feature set the name of its newest published partition, and how many there are. Names sort as partitions do."""
    columns = (partitions.c.model, sa.func.max(partitions.c.day).label("newest"), sa.func.count().label("days"))
    rows = connection.execute(sa.select(*columns).group_by(partitions.c.model))
    return {row.model: (row.newest, int(row.days)) for row in rows}


def names_since_in(connection: sa.Connection, models: list[str], start: datetime) -> dict[str, set[str]]:
    """By model the names of its published partitions that begin at a moment (UTC, without a zone) or later."""
    mine = sa.and_(partitions.c.model.in_(models), partitions.c.starts >= start.isoformat())
    found: dict[str, set[str]] = {}
    for row in connection.execute(sa.select(partitions.c.model, partitions.c.day).where(mine)):
        found.setdefault(row.model, set()).add(row.day)
    return found
