from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.spec import Feature
from include.data.window import Window, moment
from include.prediction_log.layout import log_files
from include.prediction_log.owners import settle
from include.prediction_log.record import Record
from include.prediction_log.sql_view import open_log
from include.prediction_log.writer import PredictionLog

WEEK = Window(moment("2026-01-01"), moment("2026-01-08"))


@pytest.fixture
def log(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """The id `x` was asked about ann and then about bob; `y` about bob alone."""
    written = PredictionLog(tmp_path, "toy")
    at, event = "2026-01-02T00:00:00.00000{}+00:00", "2026-01-02T00:00:00"
    asked = (("x", "ann"), ("x", "bob"), ("x", "bob"), ("y", "bob"))
    for place, (name, who) in enumerate(asked):
        written.write([Record("prediction", name, at.format(place), event, f"hash of {who}", score=0.5)])
    written.close()
    return open_log(log_files(tmp_path, "toy"), (Feature(name="a"),), WEEK)


def units(values: Sequence[str]) -> set[str]:
    return {f"hash of {values[0]}", "the plain one"}


def counting(log: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return log.execute("SELECT request_id, _unit FROM log WHERE turn = 1 ORDER BY ALL").fetchall()


@pytest.mark.parametrize("owner", ["ann", "bob"])
def test_a_contested_id_belongs_to_the_entity_that_was_published(
    log: duckdb.DuckDBPyConnection, tmp_path: Path, owner: str
) -> None:
    file = tmp_path / "entities.parquet"
    pq.write_table(pa.table({"request_id": ["x", "y"], "person": [owner, "bob"]}), file)
    assert counting(log) == [("y", "hash of bob")]
    settle(log, lambda: [str(file)], ("person",), units)
    assert counting(log) == [("x", f"hash of {owner}"), ("y", "hash of bob")]


def test_without_a_published_row_nobody_s_record_counts(log: duckdb.DuckDBPyConnection) -> None:
    settle(log, list, ("person",), units)
    assert counting(log) == [("y", "hash of bob")]
