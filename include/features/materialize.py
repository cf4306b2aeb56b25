"""Bringing a day's newest values online, then reading them back. Knows the online store by its port only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from include.core.errors import DataError
from include.core.spec import View
from include.features.dataset import quoted
from include.features.online import OnlineStore

SAMPLE = 200  # entities compared value by value; all are checked to be there


@dataclass(frozen=True)
class ViewReport:
    """`entities` of the day; `written` of them were newer than what was online; `newer` were online newer already."""

    entities: int
    written: int
    newer: int
    compared: int
    online: int  # entities the view holds now


def newest_rows(connection: duckdb.DuckDBPyConnection, view: View, path: Path) -> pa.Table:
    """The last row of each key in a partition file: keys, event_timestamp, features; sorted by keys."""
    keys, columns = quoted(*view.keys), quoted(*view.keys, "event_timestamp", *(f.name for f in view.features))
    return connection.sql(
        f"SELECT {columns} FROM read_parquet('{path}', hive_partitioning = false) "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY event_timestamp DESC) = 1 ORDER BY {keys}"
    ).to_arrow_table()


def materialize_view(store: OnlineStore, model: str, view: View, rows: pa.Table, created: datetime) -> ViewReport:
    """Write the rows, read back. Values that another day has made newer meanwhile are left alone.

    Raises DataError if a row is not online afterwards, or online with other values for its event time.
    """
    written = store.write(model, view, rows, created)
    keys = list(zip(*(rows[key].to_pylist() for key in view.keys), strict=True))
    wanted = rows["event_timestamp"].to_pylist()
    times = store.event_times(model, view, keys)
    behind = [key for key, time, want in zip(keys, times, wanted, strict=True) if time is None or time < want]
    if behind:
        raise _mismatch(model, view, f"{len(behind)} of {len(keys)} entities are missing or older online", behind[:3])
    same = [place for place, (time, want) in enumerate(zip(times, wanted, strict=True)) if time == want]
    sample = same[:: max(1, len(same) // SAMPLE)]
    compared = _compare(store, model, view, rows.take(pa.array(sample, pa.int64())), [keys[place] for place in sample])
    return ViewReport(len(keys), written, len(keys) - len(same), compared, store.count(model, view))


def _compare(store: OnlineStore, model: str, view: View, rows: pa.Table, keys: list[tuple[Any, ...]]) -> int:
    offline = rows.select([feature.name for feature in view.features]).to_pylist()
    for key, expected, seen in zip(keys, offline, store.read(model, view, keys), strict=True):
        wanted = {name: None if _missing(value) else value for name, value in expected.items()}
        if seen != wanted and store.event_times(model, view, [key]) == [_time(rows, keys, key)]:
            raise _mismatch(model, view, f"{key} has other values online than offline", {"offline": wanted, "online": seen})
    return len(keys)


def _time(rows: pa.Table, keys: list[tuple[Any, ...]], key: tuple[Any, ...]) -> datetime:
    moment: datetime = rows["event_timestamp"][keys.index(key)].as_py()
    return moment


def _missing(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _mismatch(model: str, view: View, what: str, seen: object) -> DataError:
    return DataError(
        f"Materializing {model}/{view.name} did not read back: {what}.",
        seen=seen,
        safe="the offline partition; materializing again is harmless.",
        hint="clear the materialize task; if it stays, look at SLIPSTREAM_ONLINE_URL.",
    )
