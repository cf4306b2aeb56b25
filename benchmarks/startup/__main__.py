"""From the submission of a training to its first step, with two workers: warm, cold, and plain Lightning beside them.

Warm: the job and its workers are forked from the fork server of the node. Cold: the same job on the same cluster, told of none.
Plain: a script with `pl.Trainer(strategy="ddp", devices=2)`. All train the same network, in turns; the figure is when the last
of the workers begins its first step. Goal: at most 12 s warm (the median), and the very model that the cold one makes.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.startup.stamps import STEP, last
from benchmarks.table import Table
from include.backends.ray import jobs as ray_jobs
from include.core.environment import WARM_SOCKET
from include.core.ledger import Ledger
from include.core.request import Json
from include.core.settings import Settings
from include.core.task import job_of
from tests.support.ray_head import running_ray_head
from tests.support.training_example import NETWORK, table, train_request, training_set

RUNS = 5
GOAL = 12.0  # seconds
PATIENCE = 400.0
WAYS = ("plain", "cold", "warm")


@dataclass(frozen=True)
class Start:
    """Seconds from the submission to the job's own function, the last worker's model and its first step; the model's digest."""

    job: float
    worker: float
    step: float
    model: str = ""


def plain(folder: Path) -> Start:
    folder.mkdir()
    began = time.time()
    subprocess.run([sys.executable, "-m", "benchmarks.startup.plain", str(folder)], check=True, capture_output=True)
    return Start(0.0, last(folder, "imported") - began, last(folder, STEP) - began)


def on_ray(folder: Path, environ: Mapping[str, str], cold: bool) -> Start:
    """A training as its task submits it."""
    folder.mkdir()
    settings = Settings.from_env({**environ, "SLIPSTREAM_HOME": str(folder / "home")})
    ledger, jobs = Ledger(settings.storage()), ray_jobs.open_jobs(settings)
    data = training_set(ledger, folder / "in", table(), table(200, seed=2))
    params: Json = {**NETWORK, "mark": str(folder)}
    request = train_request(ledger, data, "benchmarks.startup.stamps:fit", params=params, workers=2)
    attempt = ledger.open_attempt(request.key, 0)
    job = job_of(attempt, ledger)
    if cold:
        job = replace(job, env={**job.env, WARM_SOCKET.name: ""})
    began = time.time()
    jobs.submit(job)
    until = time.monotonic() + PATIENCE
    while not jobs.status(job.name).over:
        if time.monotonic() > until:
            raise RuntimeError(f"{job.name} is not over after {PATIENCE:.0f} s:\n{jobs.logs(job.name)}")
        time.sleep(0.5)
    result = ledger.result(request.key)
    if result is None:
        raise RuntimeError(f"{job.name} has no result:\n{jobs.logs(job.name)}")
    job_at, worker_at, step_at = (last(folder, what) - began for what in ("job", "worker", STEP))
    return Start(job_at, worker_at, step_at, result.files["model.onnx"].digest)


def main() -> int:
    found: dict[str, list[Start]] = {way: [] for way in WAYS}
    shown = Table()
    with tempfile.TemporaryDirectory(prefix="start-") as name:
        folder = Path(name)
        with running_ray_head(folder / "head.log", cpus=2, warm=True) as (url, token):
            ours = {"SLIPSTREAM_RAY_URL": url, "SLIPSTREAM_REGISTRY": "folder"}
            environ = {**os.environ, **ours, "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{token}@127.0.0.1"}
            for run in range(RUNS):
                for way in WAYS:
                    place = folder / f"{way}{run}"
                    start = plain(place) if way == "plain" else on_ray(place, environ, way == "cold")
                    found[way].append(start)
                    parts = f"job {start.job:5.1f}  workers {start.worker:5.1f}  first step {start.step:5.1f} s"
                    print(f"  {way:6} {parts}   load {os.getloadavg()[0]:.1f}", flush=True)
        said = (folder / "head.warm").read_text()
    report(shown, found, said)
    return 1 if shown.missed else 0


def report(shown: Table, found: Mapping[str, list[Start]], said: str) -> None:
    median = {way: statistics.median(start.step for start in starts) for way, starts in found.items()}
    shown.head(f"submitted to first step, two workers; medians of {RUNS} runs in turns")
    shown.row("warm: forked from the fork server", median["warm"], "s", most=GOAL)
    shown.row("cold: the same job without it", median["cold"], "s")
    shown.row("plain Lightning, DDP in two processes", median["plain"], "s")
    shown.row("warm / plain", median["warm"] / median["plain"], "times")
    shown.row("warm / cold", median["warm"] / median["cold"], "times")
    same = {start.model for way in ("cold", "warm") for start in found[way]}
    shown.row("different models of the same training, warm and cold", len(same), "", most=1)
    if seen := re.search(r"in ([\d.]+) s, (\d+) MB", said):
        shown.row("the fork server: it imports for", float(seen[1]), "s")
        shown.row("the fork server: it holds, once a node", float(seen[2]), "MB")


if __name__ == "__main__":
    raise SystemExit(main())
