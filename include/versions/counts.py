"""How many versions each model has. Apart from queries.py, whose code is in the key of steps."""

from __future__ import annotations

import sqlalchemy as sa

from include.core.control import versions


def counts_in(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(sa.select(versions.c.model, sa.func.count().label("many")).group_by(versions.c.model))
    return {row.model: row.many for row in rows}
