"""Run with a platform's code first on the path: makes two models' features, trains, registers, and asks the gateway.

Prints one JSON line. `python model_repository_life.py [--promote] [--ask]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

MODELS = ("order_returned", "parcel_late")
DAYS = 3
ROWS = 300  # a day


def main(promote: bool, ask: bool) -> None:
    from operators.catalog import dags_of_models, platform_places
    from operators.hooks import open_services
    from tests.support.operator_runs import Life, Run, day
    from tests.support.wired import RegisterModelOperator

    services = open_services()
    found = dags_of_models(platform_places())
    lives = {model: Life(services, model) for model in MODELS}
    for life in lives.values():
        _life(life, RegisterModelOperator, Run, day)
    if promote:
        _promote(services)
    print(json.dumps({
        "dags": sorted(dag.dag_id for dag in found.dags),
        "broken": {name: str(error) for name, error in found.broken.items()},
        "results": sorted(str(path) for path in Path(services.settings.root).rglob("result.json")),
        "versions": {model: _versions(services, model) for model in MODELS},
        "commits": {model: _commits(services, model) for model in MODELS},
        "champions": {model: _champion(services, model) for model in MODELS},
        "traces": {model: _trace(services, model) for model in MODELS},
        "answers": _ask(services.settings.gateway_url) if ask else {},
    }))  # fmt: skip


def _life(life: Any, register: Any, run: Any, day: Any) -> None:
    """Each step as its task does it: one that is in the ledger is found there. The parcels' fit is a job of its own."""
    if not life.raw.days(_source(life.model)):
        for number in range(1, DAYS + 1):
            life.put(_source(life.model), day(number), _rows(life.model, day(number)))
    for number in range(1, DAYS + 1):
        life.publish(day(number))
    training = run({"as_of": (day(DAYS) + timedelta(days=1)).isoformat()})
    life.trained(training, where="job" if life.model == "parcel_late" else "process")
    training(register(task_id="register", model=life.model))


def _source(model: str) -> str:
    return {"parcel_late": "parcels", "order_returned": "orders"}[model]


def _rows(model: str, when: Any) -> Any:
    """Heavy parcels of the second carrier are late; dear orders of some customers come back."""
    import numpy as np
    import pyarrow as pa

    chance = np.random.default_rng(when.toordinal())
    who, size = chance.integers(0, 4, ROWS), chance.uniform(0, 10, ROWS)
    answer = (size + who + chance.normal(0, 2, ROWS) > 7).astype("int8")
    asked = np.datetime64(when, "us") + chance.integers(0, 12 * 3600, ROWS).astype("timedelta64[s]")
    ident, key, label, number = {
        "parcel_late": ("parcel_id", "carrier", "late", "weight"),
        "order_returned": ("order_id", "customer", "returned", "price"),
    }[model]
    named = {ident: [f"{when}-{n}" for n in range(ROWS)], key: [f"k{n}" for n in who]}
    return pa.table({**named, number: size, label: answer, "asked_at": asked, "told_at": asked + np.timedelta64(6, "h")})


def _promote(services: Any) -> None:
    from include.routing.route import Route, set_route
    from include.versions.record import Stage
    from tests.support.versions import move

    for model in MODELS:
        move(services.control, model, 1, Stage.PRODUCTION, "test")
        with services.control.transaction() as connection:
            set_route(connection, model, Route(champion=1))


def _versions(services: Any, model: str) -> list[dict[str, Any]]:
    from include.versions import queries

    return [record.to_json() for record in queries.records(services.control, model)]


def _commits(services: Any, model: str) -> list[list[str]]:
    """By version, as the registry has them: of the model's code, and of the platform."""
    found = []
    for version in _versions(services, model):
        path = f"registry/{model}/versions/{version['version']}/package.json"
        tags = json.loads(services.storage.read(path))["tags"]
        assert tags["slipstream.commit"] == version["commit"]
        found.append([tags["slipstream.commit"], tags["slipstream.platform_commit"]])
    return found


def _champion(services: Any, model: str) -> int | None:
    from include.routing.route import read_route

    return read_route(services.control, model)[1].champion


def _trace(services: Any, model: str) -> str:
    """Of its newest version, as `slipstream trace` prints it."""
    from include.governance.lineage import trace
    from include.governance.tree import render
    from include.versions import queries

    newest = queries.records(services.control, model)[-1].version
    return render(trace(services.ledger, services.control, model, newest))


def _ask(url: str) -> dict[str, Any]:
    gateway = subprocess.Popen([sys.executable, "-m", "include.gateway"], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{url}/v2/health/ready", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                if gateway.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        bodies = {
            "parcel_late": {"entity": {"carrier": "k1"}, "features": {"weight": 9.5}},
            "order_returned": {"entity": {"customer": "k1"}, "features": {"price": 9.5}},
        }
        return {model: httpx.post(f"{url}/predict/{model}", json=body, timeout=30).json() for model, body in bodies.items()}
    finally:
        gateway.terminate()
        gateway.communicate(timeout=60)


if __name__ == "__main__":
    main("--promote" in sys.argv, "--ask" in sys.argv)
