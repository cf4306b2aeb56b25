"""The newest row of each key of a view's partition files: what goes online."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from include.core.spec import View
from include.data.sql import parquet, quoted


def newest_rows(connection: duckdb.DuckDBPyConnection, view: View, path: Path | Sequence[Path]) -> pa.Table:
    """The last row of each key in partition files: keys, event_timestamp, features; sorted by keys.

    Of two rows for one event time the one created later.
    """
    paths = [str(each) for each in ([path] if isinstance(path, Path) else path)]
    keys, columns = quoted(*view.keys), quoted(*view.keys, "event_timestamp", *(f.name for f in view.features))
    order = "event_timestamp DESC" + (f', "{view.created}" DESC NULLS LAST' if view.created else "")
    return connection.sql(
        f"SELECT {columns} FROM {parquet(paths)} "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {order}) = 1 ORDER BY {keys}"
    ).to_arrow_table()
