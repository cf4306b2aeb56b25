"""Closed loop: wrk with 8 connections, one worker, all duties on, against the bare app. Median of 5, taken in turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from benchmarks.gateway import wrk
from benchmarks.gateway.world import MODELS, World, bodies, free_port, network
from benchmarks.table import Table

GOALS = {"plain": 0.60, "sqlite": 0.35, "redis": 0.40}
NAMES = {"plain": "no features", "sqlite": "4 views from SQLite", "redis": "4 views from Redis"}


def run(table: Table, home: Path) -> None:
    world = World(home)
    try:
        targets = start_all(world, home)
        table.head(f"Closed loop: wrk -c{wrk.CONNECTIONS} -d{wrk.SECONDS}s, one worker, routing + metrics + log + shadow")
        loads: dict[str, list[wrk.Load]] = {name: [] for name in targets}
        cpu: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(wrk.REPEATS):
            for name, (url, lua, process) in targets.items():
                before = sum(process.cpu_times()[:2])
                loads[name].append(wrk.run(url, lua))
                spent = sum(process.cpu_times()[:2]) - before
                cpu[name].append(spent / max(1.0, loads[name][-1].rate * wrk.SECONDS) * 1e6)
        for name, some in loads.items():
            load = wrk.middle(some)
            table.say(
                f"{name:8} {load.rate:8.0f}/s  p50 {load.p50:.2f}  p99 {load.p99:.2f} ms  server {min(cpu[name]):.0f} us each"
                f"  wrk {100 * load.cpu:.0f} % of a core  wrong answers {load.bad}"
            )
        bare = wrk.middle(loads["bare"]).rate
        for name, goal in GOALS.items():
            table.row(f"{NAMES[name]}: share of the bare app's rate", wrk.middle(loads[name]).rate / bare, "", least=goal)
            table.row(f"{NAMES[name]}: wrong answers", wrk.middle(loads[name]).bad, "", most=0)
            table.say(f"{NAMES[name]}: by processor time of the server it is {min(cpu['bare']) / min(cpu[name]):.3f}")
    finally:
        world.stop()


def start_all(world: World, home: Path) -> dict[str, tuple[str, Path, psutil.Process]]:
    """The bare app and three gateways: address, wrk's script, process."""
    for model in MODELS:
        for version in (1, 2, 3):
            world.register(model, version, network(version))
        world.route(model, champion=1, challenger=2, weight=20, shadow=3)
    plain = wrk.script("/predict/plain", bodies("plain"), home / "plain.lua")
    views = wrk.script("/predict/views", bodies("views"), home / "views.lua")
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.gateway.bare", str(home / "made/plain-1/model.onnx"), "--port", str(port)]
    bare = world.spawn(command, f"http://127.0.0.1:{port}")
    targets = {"bare": (f"http://127.0.0.1:{port}", plain, psutil.Process(bare.pid))}
    for name, lua in (("plain", plain), ("sqlite", views), ("redis", views)):
        url = redis_url(world) if name == "redis" else world.settings.online_url
        if name != "plain":
            world.fill(url)
        address = world.start(SLIPSTREAM_ONLINE_URL=url)
        targets[name] = (address, lua, psutil.Process(world.processes[-1].pid))
    return targets


def redis_url(world: World) -> str:
    """A Redis of our own, ended with the world."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    world.processes.append(server)
    for _ in range(100):
        if subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False).returncode == 0:
            return f"redis://127.0.0.1:{port}/0"
    raise RuntimeError("redis-server did not start")
