"""Two versions of a view side by side: champion and challenger each get their own values from the same online store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from include.model_contract.definition import Definition, definitions
from include.prediction_log.reader import read_records
from include.routing.route import Route
from include.serving.client import GatewayClient
from tests.support.gateway_world import MODEL, TOKEN, World, body, constant, eventually, heat_score, signature

OLD = "0ldversion00"


def pinned(of: Definition) -> dict[str, Any]:
    return {**signature(), "views": {of.view.name: of.view.version}, "definitions": {of.view.name: of.to_json()}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("views"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made.home / "code"))
        (new,) = definitions(made.spec().features).values()
    old = Definition(
        new.view.model_copy(update={"version": OLD}), "SELECT place, round(heat, 1) AS heat, event_timestamp FROM things"
    )
    made.register(1, heat_score(), pinned(old))
    made.register(2, heat_score(), pinned(new))
    made.register(3, constant(0.5), {**pinned(old), "definitions": {}})
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


@pytest.fixture(scope="module")
def client(world: World) -> GatewayClient:
    world.route(Route(champion=1))
    return world.start()


def applied(world: World, client: GatewayClient, route: Route) -> None:
    generation = world.route(route)
    eventually(lambda: client.status()["models"][MODEL]["generation"] == generation)


def push(world: World, view: str, heat: float, *places: str) -> httpx.Response:
    rows = [{"place": place, "heat": heat, "event_timestamp": "2026-01-01T00:00:00Z"} for place in places]
    token = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.post(f"{world.url}/push/{MODEL}/{view}", json={"rows": rows}, headers=token)


def test_each_arm_and_the_shadow_read_the_version_they_were_trained_on(world: World, client: GatewayClient) -> None:
    places = [f"p{n}" for n in range(40)]
    assert push(world, f"weather@{OLD}", 0.2, *places).json()["newer"] == 40
    assert push(world, "weather", 0.23, *places).json()["newer"] == 40
    when = "2026-01-01T01:00:00Z"

    def answers() -> list[dict[str, Any]]:
        requests = [body(place=place, event_time=when) for place in places]
        found = httpx.post(f"{world.url}/predict/{MODEL}", json={"requests": requests}).json()["responses"]
        assert all(answer["degraded"] == [] for answer in found)
        return list(found)

    assert {(a["version"], round(a["score"], 4)) for a in answers()} == {(1, 0.2)}
    applied(world, client, Route(champion=1, challenger=2, weight=50, shadow=2))
    both = answers()
    assert {(a["arm"], a["version"], round(a["score"], 4)) for a in both} == {("champion", 1, 0.2), ("challenger", 2, 0.23)}
    logged = {r.id: r for r in read_records(world.home, MODEL) if r.kind == "prediction"}
    assert {logged[a["id"]].features["heat"] for a in both if a["version"] == 1} == {0.2}
    assert {logged[a["id"]].features["heat"] for a in both if a["version"] == 2} == {0.23}
    shadows = eventually(
        lambda: [s] if len(s := [r for r in read_records(world.home, MODEL) if r.kind == "shadow"]) == 40 else []
    )
    assert {round(record.score, 4) for record in shadows[0]} == {0.23}
    applied(world, client, Route(champion=2, previous=1))
    assert {(a["version"], round(a["score"], 4)) for a in answers()} == {(2, 0.23)}


def test_a_version_that_nobody_can_compute_is_refused_before_traffic(world: World, client: GatewayClient) -> None:
    generation = world.route(Route(champion=2, challenger=3, weight=50))
    seen = eventually(lambda: (s := client.status()["models"][MODEL])["wanted"] == generation and s["refused"] and s)
    assert f"view 'weather' was trained on as version {OLD}" in seen["refused"]["3"]
    applied(world, client, Route(champion=2))


def test_a_push_to_a_version_that_nobody_reads_is_refused(world: World, client: GatewayClient) -> None:
    answer = push(world, "weather@never", 0.1, "p1")
    assert (answer.status_code, "weather" in answer.json()["allowed"]) == (404, True)
