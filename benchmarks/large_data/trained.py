"""The step `train` in a process of its own: killed once in the middle of the epoch, and resumed by another process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.large_data import fit, world
from benchmarks.table import Table
from include.core.ledger import Ledger
from include.core.request import Request
from include.core.settings import Settings
from include.core.task import perform

MOST_GB = 2.0


def trained(table: Table, home: Path, rows: int) -> None:
    """Generate, train with a kill, count the rows."""
    started = time.perf_counter()
    settings, request = world.committed(home, rows)
    ledger = Ledger(settings.storage())
    size = sum(stored.bytes for stored in ledger.resolve(request.inputs["training_set"]).files.values())
    table.say(f"generated in {time.perf_counter() - started:.0f} s: {size / 1e9:.2f} GB of Parquet")
    older = int(rows * 0.9)
    np.save(home / "seen.npy", np.zeros(rows, dtype=np.int32))
    steps = older // world.PARAMS["batch_size"]
    kill_at = steps // 2 + 7  # within an interval of checkpoints
    killed = _process(home, request, {fit.KILL: str(kill_at)})
    at = f"at step {kill_at:,} of {steps:,}"
    table.line("killed -9 in the middle of the epoch", f"{killed['seconds']:12.0f} s", at, killed["rc"] == -9)
    resumed = _process(home, request, {})
    first = int((home / fit.BEGUN).read_text().split()[-1])
    table.line("resumed by another process", f"{resumed['seconds']:12.0f} s", f"at step {first:,}", 1 < first <= kill_at)
    table.row("peak resident memory of the worker", resumed["peak_gb"], "GB", most=MOST_GB)
    _count(table, home, older, steps)


def _process(home: Path, request: Request, more: dict[str, str]) -> dict[str, float]:
    """Run the step; its peak is its own word, or the kernel's of a killed one."""
    started = time.perf_counter()
    environ = {**os.environ, **more, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.large_data.trained", str(home), request.key]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    peak = float(done.stdout.splitlines()[-1]) if done.returncode == 0 else 0.0
    return {"rc": done.returncode, "seconds": time.perf_counter() - started, "peak_gb": peak}


def _count(table: Table, home: Path, older: int, steps: int) -> None:
    seen = np.load(home / "seen.npy", mmap_mode="r")
    wanted = steps * world.PARAMS["batch_size"]
    table.row("rows met at two steps of the epoch", int((seen == -1).sum()), "rows", most=0)
    table.row("validation rows that were trained on", int((seen[older:] != 0).sum()), "rows", most=0)
    left_out = older - int((seen > 0).sum())
    table.row("rows left out, beyond the last, partial batch", left_out - (older - wanted), "rows", most=0)
    counts = np.bincount(seen[seen > 0], minlength=steps + 1)[1:]
    table.row("batches of another size", int((counts != world.PARAMS["batch_size"]).sum()), "batches", most=0)


def main(home: Path, key: str) -> None:
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_JOB_BACKEND": "process"})
    ledger = Ledger(settings.storage())
    request = ledger.request(key)
    result = perform(request, ledger.open_attempt(key, 0), ledger, settings)
    print(json.dumps(result.value["metrics"]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
