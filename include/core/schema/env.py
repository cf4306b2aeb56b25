"""Alembic's entry: `migrate.py` hands over its connection; the `alembic` command opens the store of SLIPSTREAM_CONTROL_URL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from include.core.control import metadata
from include.core.database import open_engine
from include.core.schema import TABLE
from include.core.settings import Settings


def run(connection: sa.Connection) -> None:
    # SQLite as we open it has transactional DDL: we say BEGIN ourselves (include/core/database.py).
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=TABLE,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_given = context.config.attributes.get("connection")
if _given is not None:
    run(_given)
else:
    with open_engine(Settings.from_env().control_url).begin() as _opened:
        run(_opened)
