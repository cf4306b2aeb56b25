"""A version on another server: what the way there costs its callers, and that a server that hangs costs nobody else anything.

The server is a second gateway of ours. It hangs by SIGSTOP: its kernel still takes connections, and nobody answers them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gateway.open_loop import Report, generate
from benchmarks.gateway.opened import describe
from benchmarks.gateway.world import TOKEN, World, bodies, network
from benchmarks.table import Table
from include.core.digest import canonical_json
from include.handover.remote import described
from include.model_contract.remote import REMOTE
from include.services.services import Services

RATE, OTHERS, SECONDS = 300, 300, 5
ADDRESS = "oip://far/plain/versions/1?timeout_ms=200"
ADDED_MS, MOVED_MS = 15.0, 3.0  # beside the 2 ms that rows are gathered; two gateways and two generators share the machine


def run(table: Table, home: Path) -> None:
    far, near = World(home / "far"), World(home / "near")
    try:
        far.register("plain", 1, network(1))
        far.route("plain", champion=1)
        server = far.start()
        near.environ["AIRFLOW_CONN_SLIPSTREAM_OIP_FAR"] = f"http://:{TOKEN}@{urlsplit(server).netloc}"
        remote = described(Services.from_env(near.environ), near.spec("plain"), ADDRESS)
        near.register("plain", 1, network(1))
        near.commit("plain", 2, REMOTE, canonical_json(remote.to_json()))
        near.register("views", 1, network(1))
        near.route("views", champion=1)
        near.route("plain", champion=1)
        measure(table, near, far, near.start(), home)
    finally:
        for process in far.processes:
            os.killpg(process.pid, signal.SIGCONT)
        near.stop()
        far.stop()


def measure(table: Table, near: World, far: World, url: str, home: Path) -> None:
    table.head(f"Remote: open loop at {RATE}/s on a remote version and {OTHERS}/s on another model's local one, one worker")
    both(url, home, 2)  # warm
    local, quiet = both(url, home)
    near.route("plain", champion=2, previous=1)
    applied(url)
    both(url, home, 2)
    remote, beside = both(url, home)
    os.killpg(far.processes[0].pid, signal.SIGSTOP)
    hung, unmoved = both(url, home)
    for name, report in {"local": local, "remote": remote, "hung": hung, "other model": beside, "other, hung": unmoved}.items():
        table.say(name)
        describe(table, RATE, report)
    table.row("remote: p50 over the local one's", remote["p50"] - local["p50"], "ms", most=ADDED_MS)
    table.row("remote: not answered", sum(each["bad"] + each["refused"] for each in (remote, beside)), "", most=0)
    table.row("server hangs: its own callers not answered", hung["bad"] + hung["refused"], "", most=0)
    table.row("server hangs: the other model's callers not answered", unmoved["bad"] + unmoved["refused"], "", most=0)
    table.row(
        "server hangs: the other model's p99 moved by", unmoved["p99"] - max(quiet["p99"], beside["p99"]), "ms", most=MOVED_MS
    )


def both(url: str, home: Path, seconds: float = SECONDS) -> tuple[Report, Report]:
    """The model with the remote version, and the other, at the same time."""
    reports: dict[str, Report] = {}

    def ask(model: str, rate: float) -> None:
        folder = home / f"ask-{model}"
        folder.mkdir(exist_ok=True)
        reports[model] = generate(f"{url}/predict/{model}", bodies(model), folder, rate, seconds)

    threads = [threading.Thread(target=ask, args=each) for each in (("plain", RATE), ("views", OTHERS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return reports["plain"], reports["views"]


def applied(url: str, seconds: float = 30.0) -> None:
    """Wait until the remote version is served."""
    until = time.monotonic() + seconds
    request = urllib.request.Request(f"{url}/v2/models/plain/versions/2", headers={"Authorization": f"Bearer {TOKEN}"})
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the remote version was never served")


if __name__ == "__main__":
    sys.exit("run python -m benchmarks.gateway remote")
