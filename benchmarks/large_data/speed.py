"""The loader of streamed rows beside the loader of rows in memory, on a set that fits: both as the trainer gets them.

No network is between the batches, so that nothing hides what a loader costs. Turns alternate, and the best of each counts: what
else the machine does only ever adds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.large_data import world
from benchmarks.table import Table
from include.backends.lightning.data import BatchData
from include.backends.lightning.plan import Course, Place
from include.core.ledger import Attempt, Ledger
from include.core.task import Task
from include.training.job import Rows
from include.training.reading import read_rows
from include.training.rows.streamed import StreamedRows, joined

ROWS, TURNS, LEAST = 2_000_000, 7, 0.9
SIZES = (512, 4096)  # rows a batch


def speed(table: Table) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        settings, request = world.committed(Path(folder) / "home", ROWS)
        work = Path(folder) / "work"
        work.mkdir()
        task = Task(request, Attempt(request.key, 0, 1), Ledger(settings.storage()), settings, work)
        train, validation, _ = read_rows(task, task.file("training_set", "train.parquet"))
        assert isinstance(train, StreamedRows)
        memory = joined(list(train.batches())), joined(list(validation.batches()))
        table.head(f"loaders alone, {len(train):,} rows of {train.part.layout.width} inputs, best of {TURNS} turns")
        for size in SIZES:
            turns = [(_rows_a_second(*memory, size), _rows_a_second(train, validation, size)) for _ in range(TURNS)]
            in_memory, streamed = (max(each) for each in zip(*turns, strict=True))
            table.row(f"batches of {size}: in memory", in_memory / 1e6, "million rows/s")
            table.row(f"batches of {size}: streamed", streamed / 1e6, "million rows/s")
            table.row(f"batches of {size}: streamed over in memory", streamed / in_memory, "", least=LEAST)


def _rows_a_second(train: Rows, validation: Rows, batch: int) -> float:
    feed = BatchData(train, validation, Course(len(train), batch, 1, 7), 0, Place())
    started, rows = time.perf_counter(), 0
    for given in feed.train_dataloader():
        rows += len(given[1])
    return rows / (time.perf_counter() - started)


if __name__ == "__main__":
    speed(Table())
