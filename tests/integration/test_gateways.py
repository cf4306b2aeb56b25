"""Two gateways with nothing in common but the control store and the root: routes reach both, whatever happens to one of them."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.errors import UnreachableError
from include.routing import gateways as room
from include.routing.gateways import list_gateways
from include.routing.route import Route
from include.serving.client import GatewayClient
from tests.support.databases import new_database, postgres  # noqa: F401  (a fixture)
from tests.support.ends import send
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant, eventually

ALIVE = room.ALIVE_SECONDS / 2  # longer than a gateway is ever silent


class Way:
    """The way from one machine to PostgreSQL, which can be cut."""

    def __init__(self, path: str) -> None:
        self._path, self._open, self._pairs = path, True, list[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._open = False
        for each in self._pairs:
            each.close()
        self._pairs.clear()

    def mend(self) -> None:
        self._open = True

    def _accept(self) -> None:
        while True:
            near, _ = self._listening.accept()
            if not self._open:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            self._pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.whole)])
def worlds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[World]]:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgres"), "two_gateways")
    common = {"SLIPSTREAM_CONTROL_URL": url, "SLIPSTREAM_ROOT": str(tmp_path / "root")}
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    made = [World(tmp_path / name, dict(common)) for name in ("first", "second")]
    for version in (1, 2):
        made[0].register(version, constant(version / 10))
    made[0].route(Route(champion=1))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda world, workers: world.start("--workers", workers).close(), made, ("1", "2")))
    yield made
    for world in made:
        if world.process is not None and world.process.poll() is None:
            all_of(world, signal.SIGCONT)
            world.stop()


def all_of(world: World, sign: signal.Signals) -> None:
    """To every process of the gateway: as if its machine were stopped."""
    assert world.process is not None
    parent = psutil.Process(world.process.pid)
    for process in (parent, *parent.children(recursive=True)):
        send(process, sign)


def served(world: World) -> int:
    return int(httpx.post(f"{world.url}/predict/{MODEL}", json=body(), timeout=20).json()["version"])


def test_a_route_reaches_all_that_live_and_who_does_not_is_named(worlds: list[World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ALIVE_SECONDS", ALIVE)
    first, second = worlds
    control: ControlStore = first.control
    client = GatewayClient(first.url, TOKEN, control=lambda: control)
    eventually(lambda: len(list_gateways(control)) == 2)
    names = {each.identity.place: each.name for each in list_gateways(control)}
    mine, other = (names[f"127.0.0.1:{world.port}"] for world in worlds)

    seen = client.wait_applied(MODEL, first.route(Route(champion=2)), timeout=30)
    assert (sorted(seen["gateways"]), seen["silent"]) == (sorted([mine, other]), [])
    assert [served(world) for world in worlds] == [2, 2]

    all_of(second, signal.SIGSTOP)
    generation = first.route(Route(champion=1))
    seen = client.wait_applied(MODEL, generation, timeout=30)
    assert (seen["gateways"], [each["gateway"] for each in seen["silent"]]) == ([mine], [other])
    assert served(first) == 1

    all_of(second, signal.SIGCONT)  # it answers, and is ready only with the newest route
    eventually(lambda: httpx.get(f"{second.url}/v2/health/ready", timeout=20).is_success)
    assert served(second) == 1
    eventually(lambda: all(each.alive for each in list_gateways(control)))  # it has said so since
    assert len(client.wait_applied(MODEL, generation, timeout=30)["gateways"]) == 2

    all_of(second, signal.SIGKILL)
    seen = client.wait_applied(MODEL, first.route(Route(champion=2)), timeout=30)
    assert (seen["gateways"], [each["gateway"] for each in seen["silent"]]) == ([mine], [other])

    first.stop()  # who ends by itself says so
    assert [each.name for each in list_gateways(control)] == [other]
    started = time.monotonic()
    with pytest.raises(UnreachableError, match=r"(?s)No gateway is alive \(not heard of: .*silent since"):
        client.wait_applied(MODEL, generation + 2, timeout=30)
    assert time.monotonic() - started < 20  # at once, and not at the time-out


@pytest.mark.whole
@pytest.mark.parametrize("worlds", ["postgresql"], indirect=True)
def test_one_that_is_cut_off_from_the_store_serves_what_it_has_and_follows_once_it_is_back(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "ALIVE_SECONDS", ALIVE)
    first, second = worlds
    address = sa.make_url(first.settings.control_url)
    folder = str(address.query["host"])
    way = Way(f"{folder}/.s.PGSQL.{address.port or 5432}")
    around = address.set(host="127.0.0.1", port=way.port, query={}).render_as_string(hide_password=False)
    second.stop()
    second.environ["SLIPSTREAM_CONTROL_URL"] = around
    second.start().close()
    control: ControlStore = first.control
    client = GatewayClient(first.url, TOKEN, control=lambda: control)
    eventually(lambda: sum(each.alive for each in list_gateways(control)) == 2)

    way.cut()
    seen = client.wait_applied(MODEL, first.route(Route(champion=2)), timeout=30)
    assert (len(seen["gateways"]), [str(second.port) in each["gateway"] for each in seen["silent"]]) == (1, [True])
    assert [served(world) for world in worlds] == [2, 1]
    assert httpx.get(f"{second.url}/v2/health/ready", timeout=20).is_success
    status = second.client().status()
    assert status["routes_age"] > 1
    assert "did not answer" in status["failure"] or "closed" in status["failure"]

    way.mend()
    assert len(eventually(lambda: _of_two(client, seen["generation"]))["gateways"]) == 2
    assert [served(world) for world in worlds] == [2, 2]


def _of_two(client: GatewayClient, generation: int) -> dict[str, object] | None:
    seen = client.wait_applied(MODEL, generation, timeout=30)
    return seen if len(seen["gateways"]) == 2 else None
