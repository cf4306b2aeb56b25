"""kill -9 of a gateway's worker under load: who was in flight there sees its connection end, nobody sees a 5xx."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from include.gateway import agent
from include.prediction_log.reader import read_records
from include.routing.route import Route
from tests.support.gateway_world import MODEL, World, body, constant, eventually

WORKERS, CALLERS, KILLS = 2, 4, 2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    world.start("--workers", str(WORKERS)).close()
    yield world
    world.stop()


class Caller(threading.Thread):
    """Asks without a pause on one connection; a broken one is counted and opened again."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.url, self.stopped = world.url, threading.Event()
        self.answered: list[str] = []
        self.broken, self.refused = 0, []

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=20) as http:
            while not self.stopped.is_set():
                try:
                    answer = http.post(f"/predict/{MODEL}", json=body())
                except httpx.TransportError:
                    self.broken += 1
                    continue
                if answer.status_code == 200:
                    self.answered.append(answer.json()["id"])
                else:
                    self.refused.append(answer.status_code)


def workers(world: World) -> set[int]:
    """The processes that answer: the supervisor's children but for the agent, without those of their own."""
    assert world.process is not None
    return {child.pid for child in psutil.Process(world.process.pid).children() if child.name() != agent.NAME}


def test_a_killed_worker_costs_no_more_than_the_requests_in_flight_on_it_and_no_record(world: World) -> None:
    eventually(lambda: len(workers(world)) == WORKERS)
    callers = [Caller(world) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    killed: set[int] = set()
    for _ in range(KILLS):
        before = {caller: len(caller.answered) for caller in callers}
        eventually(lambda before=before: all(len(caller.answered) > before[caller] + 30 for caller in callers))
        victim = min(workers(world))
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
        eventually(lambda victim=victim: victim not in workers(world) and len(workers(world)) == WORKERS)
    for caller in callers:
        caller.stopped.set()
    for caller in callers:
        caller.join(30)
    assert len(killed) == KILLS
    assert [status for caller in callers for status in caller.refused] == []
    assert all(caller.broken <= KILLS for caller in callers)  # a caller has one request in flight
    answered = [request for caller in callers for request in caller.answered]
    logged = [record.id for record in read_records(world.home, MODEL)]
    assert len(answered) > CALLERS * 30 * KILLS
    assert set(answered) <= set(logged)
    assert len(logged) == len(set(logged))
    assert httpx.get(f"{world.url}/v2/health/ready").is_success
