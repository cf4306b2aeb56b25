"""`make bench AREA=features_range`: 1,096 days of flight_delay features as one range through a real Airflow.

Goals: 15 days a second from the trigger to the end of the run, at most 1.5 times the pure computation of the same days in one
process, a killed range that makes nothing twice, the same end as daily runs. DAYS takes other sizes, EVERY=8 compares every
eighth day only (each costs a second by the daily DAG's steps), BACKFILL=90 also measures a backfill of so many days by months.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.features_range.days import FIRST, land_days, last_of
from benchmarks.table import Table
from include.core.digest import PROJECT
from include.core.environment import SETTINGS
from include.ranges.progress import Progress, read_all
from tests.support.airflow_world import Run, World, airflow_world, wait_for

MODEL, DAG = "flight_delay", "flight_delay_features_range"
DAYS, EVERY = int(os.environ.get("DAYS", "1096")), int(os.environ.get("EVERY", "1"))
BACKFILL = int(os.environ.get("BACKFILL", "0"))
KILLED = 48  # days of the range that is killed
PATIENCE = 3600.0
RATE, RATIO = 15.0, 1.5


def main() -> int:
    table = Table()
    environment = {
        "SLIPSTREAM_DAGS": str(PROJECT / "dags"),
        "SLIPSTREAM_MODELS": "benchmarks.features_range.models",
        "SLIPSTREAM_WARM": "1",
    }
    with airflow_world(dag_ids=(DAG,), **environment) as world:
        land_days(Path(world.settings.root), DAYS)
        table.head(f"{DAYS:,} days of {MODEL}")
        seconds = _range(world, "all", DAYS)
        pure = _pure(world, DAYS)
        table.row("end to end, days a second", DAYS / seconds, "days/s", least=RATE)
        table.row("pure computation in one process, days a second", 1 / pure, "days/s")
        table.row("end to end against the pure computation", seconds / DAYS / pure, "times", most=RATIO)
        table.row("the same range once more, every day found", DAYS / _range(world, "again", DAYS), "days/s")
        same = _same(world)
        line = f"{same['compared']} of {same['days']} days compared, {len(same['differing'])} differ"
        table.line("the same results as by daily runs", line, "none differs", not same["differing"] and same["days"] == DAYS)
        table.line("the same rows online as by daily runs", str(same["online"]), "the same", same["online"])
        before, after = _killed(world)
        line = f"{before} made before, {after.found} found, {after.made} made after"
        table.line(f"a range of {KILLED} days computed afresh, killed", line, "each day made once", after.found >= before)
        if BACKFILL:
            table.row(f"a backfill of {BACKFILL} days by months", BACKFILL / _backfill(world, BACKFILL), "days/s")
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return int(bool(table.missed))


def _range(world: World, name: str, days: int, **params: Any) -> float:
    """Seconds from the trigger to the end of the run."""
    started = time.monotonic()
    run = _start(world, name, days, **params)
    run.wait("take_in", "success", "failed", seconds=PATIENCE)
    seconds = time.monotonic() - started
    if (state := run.task("take_in")["state"]) != "success":
        raise SystemExit(f"the range {name} ended as {state}:\n{run.log('take_in', 1)[-3000:]}")
    return seconds


def _start(world: World, name: str, days: int, **params: Any) -> Run:
    world.airflow.trigger_as(DAG, name, {"from": str(FIRST), "to": str(last_of(days)), **params})
    return Run(world, DAG, name, name)


def _killed(world: World) -> tuple[int, Progress]:
    """A range that computes everything afresh, killed in the middle: the days made by then, and what the retry did."""
    run = _start(world, "killed", KILLED, fresh=True)

    def progress() -> Progress | None:
        return next((each for each in read_all(world.settings.storage(), MODEL) if "/killed/" in each.run), None)

    seen = wait_for(lambda: (each := progress()) and each.made >= KILLED // 4 and each, "a quarter of the days is made", PATIENCE)
    for process in run.process("take_in").children(recursive=True):
        process.kill()
    psutil.Process(int(run.task("take_in")["pid"])).kill()
    run.wait("take_in", "success", tries=2, seconds=PATIENCE)
    done = progress()
    assert done is not None
    assert seen
    return seen.made, done


def _backfill(world: World, days: int) -> float:
    """Seconds of `airflow backfill create`, a run a month, of days that are computed afresh."""
    started = time.monotonic()
    world.airflow.post("/backfills", {
        "dag_id": DAG, "from_date": f"{FIRST}T00:00:00Z", "to_date": f"{last_of(days)}T00:00:00Z",
        "dag_run_conf": {"fresh": True}, "max_active_runs": 2,
    })  # fmt: skip
    first, last = str(FIRST), str(last_of(days))
    months = last_of(days).month
    wait_for(lambda: world.airflow.count(DAG, first, last).get("success", 0) >= months, "the backfill is done", PATIENCE)
    return time.monotonic() - started


def _pure(world: World, days: int) -> float:
    told = _program(world, "pure", world.settings.root, str(days))
    return float(told.splitlines()[-1])


def _same(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_program(world, "same", str(EVERY)).splitlines()[-1])
    return found


def _program(world: World, name: str, *arguments: str) -> str:
    given = {each.name: str(value) for field, each in SETTINGS.items() if (value := getattr(world.settings, field))}
    env = {**os.environ, **given, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", f"benchmarks.features_range.{name}", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    raise SystemExit(main())
