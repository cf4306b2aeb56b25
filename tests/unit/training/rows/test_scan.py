"""The first pass: which rows are read, in which order, and where they are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.training.rows import scan
from include.training.rows.scan import in_order, rows_before, tables
from include.training.split import TIME

MOMENTS = [0, 0, 1, 2, 2, 2, 3, 5, 5, 9]


def written(folder: Path, times: list[int]) -> Path:
    rows = pa.table({"n": list(range(len(times))), TIME: pa.array(times, pa.timestamp("us"))})
    pq.write_table(rows, folder / "rows.parquet", row_group_size=3)
    return folder / "rows.parquet"


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_a_stretch_of_a_file_has_its_rows_and_no_others(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "BATCH", batch)
    path = written(tmp_path, MOMENTS)
    for first in range(11):
        for end in (*range(first, 11), None):
            found = [n for table in tables(path, ["n"], first, end) for n in table["n"].to_pylist()]
            assert found == list(range(10))[first:end], (first, end)


def test_rows_of_the_moment_of_the_cut_are_not_older(tmp_path: Path) -> None:
    path = written(tmp_path, MOMENTS)
    assert [rows_before(path, cut) for cut in range(10)] == [0, 0, 2, 3, 3, 3, 6, 7, 7, 9]


def test_a_file_in_order_is_read_where_it_is_and_another_is_sorted_rows_of_one_moment_as_they_were(tmp_path: Path) -> None:
    path = written(tmp_path, MOMENTS)
    assert in_order(path, tmp_path) == path
    shuffled = [5, 0, 9, 2, 2, 0, 1, 2, 5, 3]
    path = written(tmp_path, shuffled)
    found = pq.read_table(in_order(path, tmp_path))
    assert found["n"].to_pylist() == np.argsort(shuffled, kind="stable").tolist()


def test_of_wide_rows_fewer_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.table({"vector": pa.FixedSizeListArray.from_arrays(np.random.default_rng(0).random(64 * 500, np.float32), 64)})
    pq.write_table(rows, tmp_path / "wide.parquet")
    monkeypatch.setattr(scan, "BATCH_BYTES", 64 * 4 * 100)
    monkeypatch.setattr(scan, "LEAST", 10)
    sizes = [len(table) for table in tables(tmp_path / "wide.parquet")]
    assert sum(sizes) == 500
    assert 50 <= max(sizes) <= 110  # what Parquet writes of a vector is more than its numbers
