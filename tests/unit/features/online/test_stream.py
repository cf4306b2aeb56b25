"""The stream pushes what the nightly partition will hold, in the order it became known."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from include.features.offline.newest import newest_rows
from include.features.online.materialize import materialize_view
from include.features.online.stream import stream_rows
from include.online_store.open import open_online
from tests.support.shop import SPEC, Shop

FIRST, LAST = date(2013, 1, 3), date(2013, 1, 4)
VIEW = SPEC.features.views[0]


def test_the_rows_are_those_of_the_partitions_in_event_order(week: Shop) -> None:
    moments = list(stream_rows(SPEC, week.raw, FIRST, LAST))
    times = [time for time, _, _ in moments]
    assert times == sorted(times)
    assert len(times) > 24
    assert all(set(rows["event_timestamp"].to_pylist()) == {time} for time, _, rows in moments)
    streamed = pa.concat_tables([rows for _, _, rows in moments]).to_pylist()
    nightly = [row for day in (FIRST, LAST) for row in week.read(week.features(day), VIEW.name).to_pylist()]
    assert sorted(map(str, streamed)) == sorted(map(str, nightly))


def test_materializing_a_day_after_its_stream_changes_no_value(week: Shop, tmp_path: Path) -> None:
    store, keys = open_online(f"sqlite:///{tmp_path}/online.db"), [("ann",), ("bob",), ("cleo",)]
    for time, view, rows in stream_rows(SPEC, week.raw, FIRST, FIRST):
        store.write("shop", view, rows, created=time)
    before = store.read("shop", VIEW, keys)
    result = week.features(FIRST)
    path = Path(week.ledger.storage.uri(result.files[f"{VIEW.name}.parquet"].path))
    with duckdb.connect() as connection:
        newest = newest_rows(connection, VIEW, path)
    report = materialize_view(store, "shop", VIEW, newest, datetime.fromisoformat(result.committed_at))
    assert (report.entities, report.newer, report.compared) == (3, 0, 3)
    assert None not in before
    assert store.read("shop", VIEW, keys) == before
