"""How far every model's published partitions reach: one query for all. Apart from published.py, whose code is in every key."""

from __future__ import annotations

from dataclasses import dataclass

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
