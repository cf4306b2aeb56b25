"""Run inside a copy of the project that has the second model: its features, training and rollout, through Airflow's own
task runner. Prints one JSON line of what came of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

FIRST, DAYS = date(2013, 1, 1), 8
MODEL = "late_departure"


def main() -> None:
    from include.core.control import ControlStore
    from include.core.settings import Settings

    settings = Settings.from_env()
    land_for_both(settings)
    dags = load_dags()
    states = {"features": [], "training": [], "rollout": []}
    for n in range(DAYS):
        states["features"].append(run(dags["features"], {"day": (FIRST + timedelta(days=n)).isoformat()}))
    as_of = (FIRST + timedelta(days=DAYS)).isoformat()
    states["training"] += [run(dags["training"], {"as_of": as_of}) for _ in range(2)]  # the second reuses all of the first
    gateway = subprocess.Popen([sys.executable, "-m", "include.gateway"])
    try:
        wait_for(f"{settings.gateway_url}/v2/health/live")
        states["rollout"].append(run(dags["rollout"], {"version": 1}))
        body = {"entity": {"origin": "JFK"}, "features": {"carrier_code": "B6", "hour": 12}}
        answer = httpx.post(f"{settings.gateway_url}/predict/{MODEL}", json=body).json()
    finally:
        gateway.terminate()
        gateway.wait(20)
    from include.versions import queries as versions

    records = versions.records(ControlStore(settings.control_url), MODEL)
    print(json.dumps({"states": states, "answer": answer, "versions": [[r.version, r.semver, str(r.stage)] for r in records],
                      "metrics": dict(records[0].entry.metrics)}))  # fmt: skip


def land_for_both(settings: Any) -> None:
    """The source's days, as that model's own raw partitions."""
    from include.demo.flights import land

    land(settings.storage(), FIRST, FIRST + timedelta(days=DAYS - 1))
    raw = Path(settings.root) / "raw"
    shutil.copytree(raw / "flight_delay", raw / MODEL)


def load_dags() -> dict[str, Any]:
    """The DAGs of the copied project, known to its Airflow."""
    import os

    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    import dags.lifecycle as file

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull)
    found = {part: getattr(file, f"{MODEL}_{part}") for part in ("features", "training", "rollout")}
    for dag in found.values():
        bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return found


def run(dag: Any, conf: dict[str, Any]) -> dict[str, str]:
    """One run of a DAG, in this process: {task: state}."""
    done = dag.test(run_conf=conf)
    return {ti.task_id: str(getattr(ti.state, "value", ti.state)) for ti in done.get_task_instances()}


def wait_for(url: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    main()
