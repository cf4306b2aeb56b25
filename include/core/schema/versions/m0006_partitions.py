"""Published partitions of any length: a longer name, and where each begins and ends."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TABLE = "slipstream_partitions"


def upgrade() -> None:
    with op.batch_alter_table(TABLE) as table:
        table.add_column(sa.Column("starts", sa.String(26), nullable=True))
        table.add_column(sa.Column("ends", sa.String(26), nullable=True))
    _fill(op.get_bind())
    with op.batch_alter_table(TABLE) as table:
        table.alter_column("day", existing_type=sa.String(10), existing_nullable=False, type_=sa.String(32))
        for name in ("starts", "ends"):
            table.alter_column(name, existing_type=sa.String(26), nullable=False)
    op.create_index("slipstream_partitions_ends", TABLE, ["model", "ends"])


def _fill(connection: sa.Connection) -> None:
    """So far every partition was a day of UTC."""
    found = sa.table(TABLE, *(sa.column(name, sa.String) for name in ("day", "starts", "ends")))
    for day in connection.execute(sa.select(found.c.day).distinct()).scalars().all():
        end = date.fromisoformat(day) + timedelta(days=1)
        extent = {"starts": f"{day}T00:00:00", "ends": f"{end}T00:00:00"}
        connection.execute(found.update().where(found.c.day == day).values(extent))
