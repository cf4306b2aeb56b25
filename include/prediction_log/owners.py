"""Whose a contested id is: an id that several entities were asked about belongs to the one of its published entity row.

Whoever guesses an id could else stand in for the request that it belongs to. Where no row names the id, nobody's record counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb

from include.data import sql
from include.prediction_log.units import Units


def settle(connection: duckdb.DuckDBPyConnection, files: Callable[[], Sequence[str]], keys: Sequence[str], units: Units) -> None:
    """In `timed` of include/prediction_log/sql_view.py, let the record count of the entity that a contested id belongs to.

    `files`: those of the entity rows, asked for only where an id is contested. `keys`: the entity's, in the spec's order.
    """
    contested = bool(connection.execute("SELECT 1 FROM timed WHERE turn < 0 LIMIT 1").fetchall())
    entities = files() if contested else ()
    if not entities:
        return
    columns = ", ".join(f'"{key}"::VARCHAR' for key in keys)
    rows = connection.execute(
        f"""SELECT request_id::VARCHAR, [{columns}]::VARCHAR[] FROM {sql.parquet(entities, union_by_name=True)}
        WHERE request_id::VARCHAR IN (SELECT request_id FROM timed WHERE turn < 0)"""
    ).fetchall()
    owners: dict[str, set[str]] = {}
    for request, values in rows:
        owners.setdefault(request, set()).update(units(["" if value is None else value for value in values]))
    for request, known in owners.items():
        connection.execute(
            "UPDATE timed SET turn = 1 WHERE turn = -1 AND request_id = ? AND list_contains(?::VARCHAR[], _unit)",
            [request, sorted(known)],
        )
