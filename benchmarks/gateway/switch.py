"""Weight changes under load: 4 workers, one of them killed and replaced again and again, 200 changes.

What counts is what callers got: for each committed change, the last answer given under an older route. The log has
each answer's generation and time; one clock serves all, as one machine does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path
from random import Random

import httpx
import numpy as np
import psutil
from scipy.stats import binom

from benchmarks.gateway import wrk
from benchmarks.gateway.world import TOKEN, World, bodies, network
from benchmarks.table import Table
from include.core.errors import UnreachableError
from include.gateway import agent
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.serving.client import GatewayClient

WORKERS, CHANGES, GAP_SECONDS, ENTITIES = 4, 200, 0.35, 10_000
WEIGHTS = (5, 20, 50)


def run(table: Table, home: Path) -> None:
    split(table)
    world = World(home)
    try:
        for version in (1, 2):
            world.register("views", version, network(version))
        world.route("views", champion=1, challenger=2, weight=5)
        url = world.start("--workers", str(WORKERS))
        table.head(f"{CHANGES} weight changes under load, {WORKERS} workers, one killed and replaced every 5 s")
        lua = wrk.script("/predict/views", bodies("views"), home / "views.lua")
        seconds = CHANGES * GAP_SECONDS + 3
        load = subprocess.Popen(
            ["wrk", "-t1", "-c8", f"-d{seconds:.0f}s", "-s", str(lua), url], stdout=subprocess.PIPE, text=True
        )
        done = threading.Event()
        killer = threading.Thread(target=_kill_now_and_then, args=(world, done))
        killer.start()
        samplers = [Sampler(url, done, n) for n in range(2)]
        for sampler in samplers:
            sampler.start()
        changes = _changes(world, GatewayClient(url, TOKEN))
        done.set()
        killer.join()
        for sampler in samplers:
            sampler.join()
        started = {key: start for sampler in samplers for key, start in sampler.started.items()}
        table.say(load.communicate()[0].strip().splitlines()[-1])
        judge(table, changes, list(read_records(home, "views")), started)
    finally:
        world.stop()


class Sampler(threading.Thread):
    """A caller that knows when each of its requests started."""

    def __init__(self, url: str, done: threading.Event, number: int) -> None:
        super().__init__()
        self.url, self.done, self.number = f"{url}/predict/views", done, number
        self.started: dict[str, float] = {}

    def run(self) -> None:
        asked = [json.loads(body) for body in bodies("views", 200)]
        while not self.done.is_set():
            key = f"sample-{self.number}-{len(self.started)}"
            self.started[key] = time.time()
            with contextlib.suppress(httpx.TransportError):  # it was in flight on a killed worker
                httpx.post(self.url, json={**asked[len(self.started) % len(asked)], "id": key}, timeout=20)


def split(table: Table) -> None:
    """The share of 10,000 entities that a weight gives the challenger; and that raising it moves none back."""
    table.head(f"Sticky split of {ENTITIES} entities")
    units = [unit(f"customer-{n}", "views") for n in range(ENTITIES)]
    before: set[int] = set()
    moved = 0
    for weight in (1, 5, 20, 50, 80, 100):
        route = Route(champion=1, challenger=2, weight=weight)
        now = {place for place, each in enumerate(units) if route.arm(each) == "challenger"}
        low, high = binom.ppf([0.0005, 0.9995], ENTITIES, weight / 100)
        table.row(f"weight {weight} %: entities on the challenger", len(now), "", least=low)
        table.row(f"weight {weight} %: and not too many", len(now), "", most=high)
        moved += len(before - now)
        before = now
    table.row("entities that a raised weight moved off the challenger", moved, "", most=0)


def _changes(world: World, client: GatewayClient) -> list[tuple[int, float, float]]:
    """(generation, committed at, acknowledged by all at), Unix seconds."""
    made = []
    for n in range(CHANGES):
        generation = world.route("views", champion=1, challenger=2, weight=WEIGHTS[n % len(WEIGHTS)])
        committed = time.time()
        _await(client, generation)
        made.append((generation, committed, time.time()))
        time.sleep(max(0.0, committed + GAP_SECONDS - time.time()))
    return made


def _await(client: GatewayClient, generation: int) -> None:
    """The worker that is asked may be the one that is killed: then ask again."""
    for _ in range(5):
        with contextlib.suppress(UnreachableError):
            client.wait_applied("views", generation, timeout=30)
            return
    raise RuntimeError(f"route {generation} was never applied")


def _kill_now_and_then(world: World, done: threading.Event) -> None:
    draw = Random(1)
    while not done.wait(5):
        children = [each for each in psutil.Process(world.processes[-1].pid).children() if each.name() != agent.NAME]
        if len(children) == WORKERS:
            os.kill(draw.choice(children).pid, signal.SIGKILL)


def judge(table: Table, changes: list[tuple[int, float, float]], records: list[Record], started: dict[str, float]) -> None:
    """`at` is the time at which an answer's turn began; `started` is the caller's own clock."""
    predictions = [r for r in records if r.kind == "prediction" and r.generation]
    ends = np.array([datetime.fromisoformat(r.at).timestamp() for r in predictions])
    generations = np.array([r.generation for r in predictions])
    sampled = [(started[r.id], r.generation) for r in predictions if r.id in started]
    delays, stale = [], 0
    for generation, committed, acknowledged in changes:
        old = generations < generation
        after = ends[old & (ends > committed)]
        delays.append(float(after.max() - committed) * 1e3 if len(after) else 0.0)
        stale += sum(start > acknowledged and seen < generation for start, seen in sampled)
    table.say(f"{len(predictions)} answers, {len(sampled)} of them with the caller's clock")
    table.say(f"commit until no worker answers by the old weights: median {np.median(delays):.0f} ms, worst {max(delays):.0f} ms")
    table.row("commit until no worker answers by the old weights, p99", float(np.percentile(delays, 99)), "ms", most=250)
    table.row("requests started after the acknowledgement, old weights", stale, "", most=0)
