"""The peers, each by its own documentation, one worker each, the same network, the same wrk.

`mlflow models serve`; a Ray Serve router and model as shipped, and tuned (HAProxy, throughput mode); and beside
them our own app under that tuned Serve.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.gateway import wrk
from benchmarks.gateway.world import WIDTH, World, bodies, free_port, network
from benchmarks.table import Table

TUNED = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "MLFLOW_DISABLE_TELEMETRY": "true"}
SECONDS = 3
Start = Callable[[World, Path], tuple[str, Path]]


def run(table: Table, home: Path) -> None:
    world = World(home)
    for version in (1, 2, 3):
        world.register("plain", version, network(version))
    world.route("plain", champion=1, challenger=2, weight=20, shadow=3)
    table.head(f"Peers: wrk -c{wrk.CONNECTIONS} -d{SECONDS}s, one worker each, median of {wrk.REPEATS}")
    ours = _measure(table, "our gateway, all duties", world, home, _ours)
    peers: tuple[tuple[str, Start, float], ...] = (
        ("mlflow models serve", _mlflow, 8),
        ("Ray Serve pair as shipped", lambda w, h: _pair(w, h, {}), 50),
        ("Ray Serve pair, HAProxy and throughput", lambda w, h: _pair(w, h, TUNED), 10),
        ("our gateway under tuned Ray Serve", _ours_under_serve, 0),
    )
    for name, start, goal in peers:
        try:
            rate = _measure(table, name, world, home, start)
        except (RuntimeError, subprocess.SubprocessError) as error:
            table.say(f"{name}: not measured: {str(error)[-500:]}")
            table.missed += [name] if goal else []
            continue
        table.row(f"ours over {name}", ours / rate if rate else 0.0, "x", least=goal or None)


def _measure(table: Table, name: str, world: World, home: Path, start: Start) -> float:
    try:
        url, lua = start(world, home)
        wrk.run(url, lua, 2)
        load = wrk.middle([wrk.run(url, lua, SECONDS) for _ in range(wrk.REPEATS)])
    finally:
        started = psutil.Process().children(recursive=True)  # a Ray of its own among them: it outlives its driver
        world.stop()
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    table.say(
        f"{name:42}{load.rate:8.0f}/s  p50 {load.p50:.2f}  p99 {load.p99:.2f} ms  wrk {100 * load.cpu:.0f} % of a core"
        f"  wrong answers {load.bad}"
    )
    return load.rate


def _ours(world: World, home: Path) -> tuple[str, Path]:
    return world.start(), wrk.script("/predict/plain", bodies("plain"), home / "plain.lua")


def _mlflow(world: World, home: Path) -> tuple[str, Path]:
    import mlflow.onnx

    folder = home / "mlflow-model"
    if not folder.exists():
        mlflow.onnx.save_model(network(1), folder, pip_requirements=["onnxruntime"])
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", str(folder), "--env-manager", "local",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it looks for uvicorn there
    world.spawn(command, f"http://127.0.0.1:{port}/ping", **QUIET, PATH=path)
    rows = [json.loads(body)["features"] for body in bodies("plain", 200)]
    asked = [json.dumps({"inputs": {"features": [[row[f"f{n}"] for n in range(WIDTH)]]}}).encode() for row in rows]
    return f"http://127.0.0.1:{port}", wrk.script("/invocations", asked, home / "mlflow.lua")


def _pair(world: World, home: Path, tuning: dict[str, str]) -> tuple[str, Path]:
    port = free_port()
    model = str(home / "made/plain-1/model.onnx")
    command = [sys.executable, "-m", "benchmarks.gateway.serve_pair", model, "--port", str(port)]
    world.spawn(command, f"http://127.0.0.1:{port}/", **QUIET, **tuning)
    return f"http://127.0.0.1:{port}", wrk.script("/", bodies("plain"), home / "pair.lua")


def _ours_under_serve(world: World, home: Path) -> tuple[str, Path]:
    port = free_port()
    command = [sys.executable, "-m", "include.gateway.on_ray", "--port", str(port)]
    world.spawn(command, f"http://127.0.0.1:{port}/v2/health/ready", **QUIET, **TUNED)
    return f"http://127.0.0.1:{port}", wrk.script("/predict/plain", bodies("plain"), home / "plain.lua")
