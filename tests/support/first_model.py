"""What the platform does with the model of docs/first-model.md, in one process: `python -m tests.support.first_model MODEL
FIRST LAST AS_OF FOLDER`. The DAGs' own operators run, without a scheduler; a real gateway serves what they make.

Prints, as JSON, the registered version's stage and which results of the training had been there before; then waits, serving,
until its standard input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import httpx

from include.core.control import ControlStore
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from operators.hooks import open_services
from tests.support.operator_runs import Life, Run

STEPS = ("build_training_set", "train", "evaluate")


def main(model: str, first: str, last: str, as_of: str, folder: str) -> None:
    services = open_services()
    ControlStore(services.settings.control_url).create_tables()
    life = Life(services, model)
    for number in range((date.fromisoformat(last) - date.fromisoformat(first)).days + 1):
        life.materialize(life.publish(date.fromisoformat(first) + timedelta(days=number)))
    known = {path for path in services.storage.list("ledger") if path.endswith("/result.json")}
    run = life.registered(Run({"as_of": as_of}))
    found = [step for step in STEPS if run.xcom[step]["uri"] in known]
    with Path(folder, "gateway.log").open("w") as log:
        gateway = subprocess.Popen([sys.executable, "-m", "include.gateway"], stdout=log)
    try:
        _promote(life, int(run.xcom["register"]["version"]))
        print(json.dumps({"stage": run.xcom["register"]["stage"], "found": found}), flush=True)
        sys.stdin.read()
    finally:
        gateway.terminate()
        gateway.wait(30)


def _promote(life: Life, version: int) -> None:
    """What the rollout DAG does with a first version: nobody is there to compare it with."""
    services, control = life.services, life.services.control
    epoch = control.take(f"rollout/{life.model}", "test")
    spec = services.spec(life.model)
    rollout = open_rollout(control, spec, version, request="first", actor="test", epoch=epoch)
    for stage in rollout.stages:
        enter_stage(control, rollout, stage.name, epoch)
        record_verdict(control, rollout, stage.name, {"answer": "promote", "reasons": ["the first"]}, epoch)
    generation = promote(control, rollout, actor="test", epoch=epoch)
    _wait_for(services.settings.gateway_url)
    services.gateway().wait_applied(life.model, generation)


def _wait_for(url: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(f"{url}/v2/health/live", timeout=5).is_success:
                return
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
