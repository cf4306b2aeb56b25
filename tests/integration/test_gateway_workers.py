"""Several workers on one port: one switch, one scrape, and a killed one is replaced."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from include.gateway import agent
from include.prediction_log.reader import read_records
from include.routing.route import Route
from tests.support.ends import is_gone
from tests.support.gateway_world import MODEL, World, body, constant, eventually

WORKERS = 3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    for version in (1, 2):
        world.register(version, constant(version / 10))
    world.route(Route(champion=1))
    world.start("--workers", str(WORKERS)).close()
    yield world
    world.stop()


def workers(world: World) -> list[int]:
    assert world.process is not None
    return [child.pid for child in psutil.Process(world.process.pid).children() if child.name() != agent.NAME]


def ready(world: World) -> float:
    return count(world, "slipstream_worker_starts_total")


def count(world: World, name: str) -> float:
    lines = httpx.get(f"{world.url}/metrics", timeout=20).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


class Load(threading.Thread):
    """New connections all the time, so that every worker is met; keeps (start, end, version)."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.url, self.seen, self.failed = f"{world.url}/predict/{MODEL}", list[tuple[float, float, int]](), list[str]()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            start = time.time()
            try:
                response = httpx.post(self.url, json=body(place=f"w{len(self.seen)}"), timeout=20)
                self.seen.append((start, time.time(), response.json()["version"]))
            except (httpx.TransportError, KeyError) as error:
                self.failed.append(repr(error))


def test_a_change_reaches_all_workers_at_once_also_while_one_is_replaced(world: World) -> None:
    eventually(lambda: ready(world) == WORKERS)
    loads = [Load(world) for _ in range(3)]
    for load in loads:
        load.start()
    switched: list[tuple[float, int]] = []  # from then on, only that version
    with closing(world.client()) as client:
        for turn in range(8):
            if turn == 3:
                os.kill(workers(world)[0], signal.SIGKILL)
            version = 2 - turn % 2
            generation = world.route(Route(champion=version))
            client.wait_applied(MODEL, generation, timeout=20)
            switched.append((time.time(), version))
            time.sleep(0.05)
    eventually(lambda: ready(world) == WORKERS + 1)
    for load in loads:
        load.done.set()
    for load in loads:
        load.join()
    seen = [each for load in loads for each in load.seen]
    ends = [moment for moment, _ in switched[1:]] + [float("inf")]
    for (since, version), until in zip(switched, ends, strict=True):
        late = [each for each in seen if each[0] > since and each[1] < until - 0.5 and each[2] != version]
        assert not late
    assert len({version for _, _, version in seen}) == 2
    assert len([failure for load in loads for failure in load.failed]) <= len(loads)  # those in flight on the killed one


def test_metrics_add_up_over_workers_and_outlive_one(world: World) -> None:
    eventually(lambda: ready(world) == WORKERS)
    for n in range(60):
        httpx.post(f"{world.url}/predict/{MODEL}", json=body(place=f"m{n}"))
    writers = Counter(record.id.partition("-")[0] for record in read_records(world.home, MODEL))
    assert sum(writers.values()) == 60
    os.kill(workers(world)[0], signal.SIGKILL)
    eventually(lambda: ready(world) == WORKERS + 1)
    assert count(world, "slipstream_requests_total") == 60


def test_workers_end_with_their_supervisor(world: World) -> None:
    pids = workers(world)
    assert len(pids) == WORKERS
    world.stop(signal.SIGKILL)
    eventually(lambda: all(is_gone(pid) for pid in pids))
    world.start("--workers", "2").close()  # the port is free again
