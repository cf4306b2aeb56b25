"""What being seen from outside costs a prediction: traces off, one of a hundred recorded, all of them. In turns.

`BEFORE=folder` (an older checkout, with this environment's packages) is measured in the same turns: what is off costs nothing.
By the server's own processor time, which a busy machine disturbs least: the least of the turns, for each request.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from benchmarks.gateway import wrk
from benchmarks.gateway.world import World, await_health, bodies, free_port, network
from benchmarks.table import Table
from include.core.digest import PROJECT
from tests.support.otlp_collector import running_collector

TURNS = 8
MOST_OFF, MOST_SAMPLED = 1.03, 1.10  # of the time without: off, and one of a hundred recorded
Target = tuple[Path, dict[str, str]]  # a checkout, and what its environment has beside
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}


def run(table: Table, home: Path) -> None:
    world = World(home)
    try:
        with running_collector() as collector:
            targets: dict[str, Target] = {"off": (PROJECT, {})}
            targets |= {"1 %": (PROJECT, collector.environ(**SAMPLED)), "all": (PROJECT, collector.environ())}
            if before := os.environ.get("BEFORE"):
                targets = {"before": (Path(before).resolve(), {}), **targets}
            _measure(table, world, home, targets)
            table.row("spans that came to the collector", len(collector.spans), "", least=1)
    finally:
        world.stop()


def _measure(table: Table, world: World, home: Path, targets: dict[str, Target]) -> None:
    world.register("plain", 1, network(1))
    world.route("plain", champion=1, challenger=None, weight=0)
    lua = wrk.script("/predict/plain", bodies("plain"), home / "plain.lua")
    servers = {name: _start(world, *target) for name, target in targets.items()}
    table.head(f"Traces: wrk -c{wrk.CONNECTIONS} -d{wrk.SECONDS}s, one worker, {TURNS} turns")
    spent: dict[str, list[float]] = {name: [] for name in servers}
    loads: dict[str, list[wrk.Load]] = {name: [] for name in servers}
    for turn in range(TURNS + 1):  # the first one only warms
        for name, (url, process) in servers.items():
            before = sum(process.cpu_times()[:2])
            load = wrk.run(url, lua)
            if turn:
                loads[name].append(load)
                spent[name].append((sum(process.cpu_times()[:2]) - before) / max(1.0, load.rate * wrk.SECONDS) * 1e6)
    for name, some in loads.items():
        load = wrk.middle(some)
        table.say(f"{name:7} {min(spent[name]):6.1f} us each  {load.rate:8.0f}/s  p50 {load.p50:.2f}  p99 {load.p99:.2f} ms")
        table.row(f"{name}: wrong answers", load.bad, "", most=0)
    if "before" in spent:
        table.row("off, of the time before", min(spent["off"]) / min(spent["before"]), "", most=MOST_OFF)
    table.row("one of a hundred recorded, of the time off", min(spent["1 %"]) / min(spent["off"]), "", most=MOST_SAMPLED)
    table.row("all recorded, of the time off", min(spent["all"]) / min(spent["off"]), "")


def _start(world: World, project: Path, environ: dict[str, str]) -> tuple[str, psutil.Process]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    path = f"{project}{os.pathsep}{world.home / 'code'}"
    own = {"PYTHONPATH": path, "SLIPSTREAM_GATEWAY_URL": url, **environ}
    with (world.home / "servers.log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "include.gateway", "--port", str(port)],
            env={**world.environ, **own}, cwd=project, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    world.processes.append(process)
    await_health(process, f"{url}/v2/health/ready", world.home / "servers.log")
    return url, psutil.Process(process.pid)
