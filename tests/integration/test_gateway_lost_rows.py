"""A real gateway whose online store loses every row: the answers say so, and that they are whole again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from include.core.request import Ref
from include.data.published import publish
from include.online_store.open import open_online
from include.routing.route import Route
from tests.support.gateway_world import MODEL, World, body, eventually, heat_score
from tests.support.online_stores import lose, redis_url

__all__ = ["redis_url"]
NOW = datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture(params=["sqlite", "redis"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    environ = {"SLIPSTREAM_ONLINE_URL": request.getfixturevalue("redis_url")} if request.param == "redis" else {}
    world = World(tmp_path, environ)
    publish(world.control, MODEL, NOW.date(), Ref("ledger/features/a/g0/result.json", "0" * 64, "features"), {"weather": 1}, 1)
    fill(world)
    world.register(2, heat_score())
    world.route(Route(champion=2))
    world.start().close()
    yield world
    if world.process is not None and world.process.poll() is None:
        world.stop(signal.SIGKILL)


def fill(world: World) -> None:
    rows = pa.Table.from_pylist([{"place": "oslo", "heat": 0.875, "event_timestamp": NOW}])
    open_online(world.settings.online_url).write_back(MODEL, world.spec().features.views[0], rows, NOW)


def ask(world: World, place: str) -> tuple[float, list[str]]:
    answer = httpx.post(f"{world.url}/predict/{MODEL}", json=body(place=place), timeout=20).json()
    return answer["score"], answer["degraded"]


def metric(world: World, line: str) -> str:
    return numbers(world, line)[0]


def numbers(world: World, *lines: str) -> list[str]:
    """As they stand at one moment: counters go on between two scrapes."""
    text = httpx.get(f"{world.url}/metrics").text.splitlines()
    return [next((each.rpartition(" ")[2] for each in text if each.startswith(line)), "") for line in lines]


def test_every_row_is_lost_and_comes_back(world: World) -> None:
    eventually(lambda: ask(world, "oslo") == (0.875, []))
    assert ask(world, "atlantis") == (0.5, [])  # unknown, which is no fault
    lose(world.settings.online_url)
    eventually(lambda: ask(world, "oslo") == (0.5, ["empty_view:weather"]))
    assert httpx.get(f"{world.url}/status").json()["models"][MODEL]["empty_views"] == ["weather"]
    eventually(lambda: metric(world, f'slipstream_view_empty{{model="{MODEL}",view="weather"}}') == "1", seconds=40)
    asked, missing = (f'slipstream_entities_{name}_total{{model="{MODEL}",view="weather"}}' for name in ("asked", "missing"))
    eventually(lambda: float(metric(world, missing) or 0) > 0)
    counted = [float(each) for each in numbers(world, asked, missing)]
    assert counted[0] > counted[1]
    assert f'slipstream_degraded_total{{model="{MODEL}",reason="empty_view:weather"}}' in httpx.get(f"{world.url}/metrics").text
    fill(world)
    eventually(lambda: ask(world, "oslo") == (0.875, []))
