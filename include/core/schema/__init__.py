"""The control store's schema has a number: it is stored in the database, and the code knows the one it was written for.

    versions/m0001_baseline.py   what stores were before they were numbered
    versions/m0002_documents.py  one module for each later change, Alembic's form

A new store is made at the newest number from the tables of `include.core.control`, without Alembic. A store that is older than
the code is migrated by `slipstream upgrade` and by nothing else; one that is newer is refused. A task and the gateway ask for the
number in one query (`state.py`), and import Alembic never.

A change of a table takes three places: the table in `include/core/control.py`, a module here (`alembic revision -m "..."` at the
project's root begins one), and `HEAD`. A test compares what the migrations make with what the tables say, on both databases.
"""

from __future__ import annotations

from typing import Final

HEAD: Final = 6  # the number that this code was written for
BASELINE: Final = 1  # of a store that was made before stores were numbered
TABLE: Final = "slipstream_schema"  # Alembic's version table; `alembic_version` may be Airflow's in the same database


def revision(number: int) -> str:
    """Alembic's name of a number."""
    return f"{number:04d}"
