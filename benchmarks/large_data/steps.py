"""Peak memory of the steps around training, at two sizes: features of a day, the training set of eight days, a day's scores.

Each step runs in a process of its own with SLIPSTREAM_SQL_MEMORY=1GB, over generated days. A step is flat if four times the rows
take no more than its bound: what it holds is then no longer the rows.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from benchmarks.large_data import days
from benchmarks.table import Table

SIZES = (2_500_000, 10_000_000)
MOST_GB = 2.0
STEPS = ("features", "training_set", "score")


def steps(table: Table, sizes: tuple[int, ...] = SIZES) -> None:
    table.head("peak memory of steps, DuckDB's bound 1 GB")
    for step in STEPS:
        for rows in sizes:
            with tempfile.TemporaryDirectory() as home:
                seconds, peak = _process(step, rows, Path(home))
            table.row(f"{step} of {rows:,} rows: {seconds:.0f} s", peak, "GB", most=MOST_GB)


def _process(step: str, rows: int, home: Path) -> tuple[float, float]:
    """Seconds of the step alone, and GB of its process. What it reads is made by another one."""
    environ = {**os.environ, "SLIPSTREAM_SQL_MEMORY": "1GB", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.large_data.steps", step, str(rows), str(home)]
    for part in ("make", "run"):
        done = subprocess.run([*command, part], env=environ, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), float(peak)


def main(step: str, rows: int, home: Path, part: str) -> None:
    last = date(2024, 1, 8)
    world = days.World(home, [last - timedelta(days=n) for n in reversed(range(1 if step != "training_set" else 8))])
    if part == "make":
        world.make(step, rows)
        return
    started = time.perf_counter()
    world.run(step)
    print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
