"""What a control store holds, whatever its release."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore


def rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows, as they are."""
    engine = ControlStore(url).engine
    names = sorted(sa.inspect(engine).get_table_names())
    with engine.begin() as connection:
        return {
            name: sorted((dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}")).mappings()), key=str)
            for name in names
        }
