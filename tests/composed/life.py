"""Runs in a container of a worker, from its standard input: one model from its features to its promotion, through Celery, a
dossier that the worker signs, and what Prometheus says. Prints a JSON object a line: `what`, `seconds`, whether it is `right`.

The model, its days and the moment of its first version are those of `make demo`, so that its gate is known to open.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

MODEL = "flight_delay"
AIRFLOW, PROMETHEUS = "http://api-server:8080", "http://prometheus:9090"
FOUND = 3  # the status of a check that found something
FINAL = ("success", "failed")
WAIT = {"features_range": 1200, "training": 1800, "rollout": 1200}  # seconds


def main() -> int:
    from include.demo.flights import land
    from include.demo.plan import SHORT
    from include.services.services import Services

    services = Services.from_env()
    first, last = SHORT.history
    begun = time.monotonic()
    say("days landed", begun, land(services.storage, first, last) > 0)
    airflow = signed_in(os.environ["AIRFLOW_PASSWORD"])
    run(airflow, "features_range", {"from": first.isoformat(), "to": last.isoformat()})
    run(airflow, "training", {"as_of": SHORT.as_of.isoformat()})
    run(airflow, "rollout", {"version": 1})
    gateways(services.settings.environ["AIRFLOW_CONN_SLIPSTREAM_GATEWAY"], int(os.environ["GATEWAYS"]))
    dossier()
    prometheus(int(os.environ["GATEWAYS"]))
    return 0


def signed_in(password: str) -> httpx.Client:
    token = httpx.post(f"{AIRFLOW}/auth/token", json={"username": "admin", "password": password}, timeout=60)
    token.raise_for_status()
    return httpx.Client(base_url=AIRFLOW, headers={"Authorization": f"Bearer {token.json()['access_token']}"}, timeout=60)


def run(airflow: httpx.Client, part: str, conf: dict[str, Any]) -> None:
    """One run of a DAG of the model, to its end."""
    dag, begun = f"{MODEL}_{part}", time.monotonic()
    while airflow.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).status_code == httpx.codes.NOT_FOUND:
        time.sleep(2)  # the DAG processor has not read it yet
    made = airflow.post(f"/api/v2/dags/{dag}/dagRuns", json={"conf": conf, "logical_date": None})
    made.raise_for_status()
    path = f"/api/v2/dags/{dag}/dagRuns/{made.json()['dag_run_id']}"
    state = ""
    while state not in FINAL and time.monotonic() - begun < WAIT[part]:
        time.sleep(2)
        state = airflow.get(path).json()["state"]
    tasks = airflow.get(f"{path}/taskInstances").json()["task_instances"]
    executors = {task.get("executor") or "CeleryExecutor" for task in tasks}
    say(f"{dag}: {state}", begun, state == "success", sorted(executors), {task["task_id"]: task["state"] for task in tasks})
    if state != "success":
        raise SystemExit(1)


def gateways(connection: str, count: int) -> None:
    """Every gateway, by its own address, serves the version that was promoted."""
    from include.core.connection import parse

    begun, token = time.monotonic(), parse(connection).password
    addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo("gateway", 8500, type=socket.SOCK_STREAM)})
    asked = {"Authorization": f"Bearer {token}"}
    routes = [
        httpx.get(f"http://{each}:8500/status", headers=asked, timeout=30).json()["models"][MODEL]["route"] for each in addresses
    ]
    serving = [route for route in routes if route and route["champion"] == 1]
    say(f"{len(serving)} gateways serve version 1", begun, len(serving) == count, routes)


def dossier() -> None:
    """The worker signs by the key of the secrets; whoever holds the public one believes the file, and no other."""
    begun = time.monotonic()
    key = json.loads(_slipstream("dossier", "key", "--json").stdout)["key"]
    with tempfile.TemporaryDirectory() as folder:
        path, changed = Path(folder) / "signed.json", Path(folder) / "changed.json"
        made = _slipstream("dossier", MODEL, "1", "--out", str(path))
        if made.returncode:
            say("a dossier signed", begun, False, made.stderr)
            return
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        changed.write_bytes(content)
        believed, refused = (_slipstream("dossier", "verify", str(each), "--key", key) for each in (path, changed))
    right = (believed.returncode, refused.returncode) == (0, FOUND)
    say("a dossier signed and verified, one with a bit changed refused", begun, right, believed.stdout, refused.stderr)


def _slipstream(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["slipstream", *arguments], capture_output=True, text=True, check=False)


def prometheus(count: int) -> None:
    """Every target is up, every gateway is one, and Prometheus can compute every rule."""
    begun = time.monotonic()
    time.sleep(45)  # a scrape of each, and a round of the rules
    targets = httpx.get(f"{PROMETHEUS}/api/v1/targets", timeout=30).json()["data"]["activeTargets"]
    up = [target for target in targets if target["health"] == "up"]
    say(f"{len(up)} of {len(targets)} targets up", begun, len(up) == len(targets) == count, targets)
    groups = httpx.get(f"{PROMETHEUS}/api/v1/rules", timeout=30).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    bad = [rule["name"] for rule in rules if rule["health"] != "ok"]
    say(f"{len(rules)} rules computed", begun, bool(rules) and not bad, bad)
    firing = [rule["name"] for rule in rules if rule.get("state") == "firing"]
    say(f"{len(firing)} alerts fire", begun, "GatewayDown" not in firing, firing)


def say(what: str, begun: float, right: bool, *seen: object) -> None:
    print(json.dumps({"what": what, "seconds": round(time.monotonic() - begun, 1), "right": right}), flush=True)
    if not right:
        print(json.dumps(seen, default=str)[:4000], file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
