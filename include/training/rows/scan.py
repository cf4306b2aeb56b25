"""The first pass over a training set that is streamed: where it is split, whether it can be learned from, what its encoder is.

It gives what the same questions give of the table in memory (include/training/split.py, checks.py), exactly. In memory are one
batch of rows, the vocabularies, and how often each of a bounded number of labels is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.data.session import open_session
from include.data.sql import copy, parquet
from include.training.split import TIME

BATCH = 1 << 17  # rows that are read at once, at most: about a row group of a training set
BATCH_BYTES, LEAST = 64 << 20, 1 << 10  # of wide rows fewer, but so many
MEMORY = "1GB"  # of DuckDB, where a file has to be sorted first: the rest is spilled


def tables(path: Path, columns: Sequence[str] | None = None, first: int = 0, end: int | None = None) -> Iterator[pa.Table]:
    """The rows of a file from `first` to `end`, a batch at a time; row groups outside are not read."""
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        last = int(ends[-1]) if end is None and sizes else end or 0
        groups = [group for group, size in enumerate(sizes) if ends[group] > first and ends[group] - size < last]
        at = int(ends[groups[0]]) - sizes[groups[0]] if groups else 0
        for batch in (
            file.iter_batches(_batch(file.metadata), row_groups=groups, columns=columns, use_threads=False) if groups else ()
        ):
            low, high = max(first - at, 0), min(last - at, len(batch))
            if low < high:
                yield pa.Table.from_batches([batch.slice(low, high - low)])
            at += len(batch)


def _batch(metadata: pq.FileMetaData) -> int:
    """Rows that are read at once."""
    written: int = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    row = max(8 * metadata.num_columns, written // max(1, metadata.num_rows))
    return min(BATCH, max(LEAST, BATCH_BYTES // int(row)))


def in_order(path: Path, folder: Path) -> Path:
    """The file itself if its rows are by time, as the step `training_set` writes them; else a sorted copy in `folder`."""
    last: Any = None
    for table in tables(path, [TIME]):
        times = table[TIME].combine_chunks().cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(zero_copy_only=False)
        if (last is not None and times[0] < last) or bool((np.diff(times) < 0).any()):
            return _sorted(path, folder)
        last = times[-1]
    return path


def _sorted(path: Path, folder: Path) -> Path:
    target = folder / "sorted.parquet"
    with open_session(
        1, MEMORY, spill=folder / "spill"
    ) as connection:  # `file_row_number` is DuckDB's own: rows of one time stay
        connection.execute(copy(f"SELECT * FROM {parquet([path])} ORDER BY {TIME}, file_row_number", target))
    return target


def rows_before(path: Path, cut: int) -> int:
    """How many rows are older than the row at place `cut` of a file that is in order."""
    moment = next(tables(path, [TIME], cut, cut + 1))[TIME][0]
    older = 0
    for table in tables(path, [TIME], 0, cut):
        older += pc.sum(pc.less(table[TIME], moment)).as_py() or 0
    return older
