"""The prediction log of a real gateway in S3 (moto's server): whatever is killed, every answered request is there once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from include.gateway import agent
from include.prediction_log.pieces import shipped
from include.prediction_log.reader import read_records
from include.prediction_log.shared import SharedLog
from include.routing.route import Route
from tests.support.ends import send
from tests.support.gateway_world import MODEL, World, body, constant, eventually
from tests.support.s3_server import s3_address, s3_client  # noqa: F401  (fixtures)

SECONDS = "0.2"


@pytest.fixture
def world(
    tmp_path: Path,
    s3_address: str,  # noqa: F811
    s3_client: object,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_address, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1", "SLIPSTREAM_ROOT": "s3://slipstream/world", "SLIPSTREAM_LOG_SHIP_SECONDS": SECONDS,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    world = World(tmp_path / "gateway")
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    yield world
    if world.process is not None and world.process.poll() is None:
        kill(*tree(world))


def tree(world: World) -> list[psutil.Process]:
    """The gateway's processes, its agent included."""
    assert world.process is not None
    gateway = psutil.Process(world.process.pid)
    return [gateway, *gateway.children(recursive=True)]


def agents(world: World) -> list[psutil.Process]:
    return [each for each in tree(world) if each.name() == agent.NAME]


def kill(*processes: psutil.Process) -> None:
    for each in processes:
        send(each, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=30)


class Load(threading.Thread):
    """Asks until nobody answers. Keeps the ids that were answered."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__()
        self.url, self.answered, self.prefix = url, list[str](), name

    def run(self) -> None:
        with httpx.Client(base_url=self.url) as http, contextlib.suppress(httpx.TransportError):
            while True:
                name = f"{self.prefix}-{len(self.answered)}"
                http.post(f"/predict/{MODEL}", json={**body(place=name), "id": name}).raise_for_status()
                self.answered.append(name)


def asked(world: World, name: str, count: int) -> Load:
    load = Load(world.url, name)
    load.start()
    eventually(lambda: len(load.answered) >= count)
    return load


def test_every_answered_request_is_in_the_bucket_once_whatever_is_killed(world: World, tmp_path: Path) -> None:
    log = SharedLog(tmp_path / "reader", world.settings.storage())

    def there() -> Counter[str]:
        return Counter(record.id for record in read_records(log, MODEL))

    def complete(*loads: Load) -> bool:
        return {each for load in loads for each in load.answered} <= set(there())

    world.start().close()
    first = asked(world, "first", 30)
    (working,) = eventually(lambda: agents(world))
    kill(working)  # it starts again beside the traffic
    eventually(lambda: [each for each in agents(world) if each.pid != working.pid])
    eventually(lambda: len(first.answered) > 60)
    kill(*tree(world))  # a machine that is reset
    first.join(30)

    world.start().close()
    second = asked(world, "second", 30)
    world.stop(signal.SIGTERM)
    second.join(30)
    assert complete(first, second)  # a gateway that is asked to end has shipped everything when it has ended
    assert set(there().values()) == {1}
    assert not any(piece.revision for piece in shipped(log.storage, MODEL))
