"""POST /recommend in a real gateway: a version with its items, the shadow's own list, and versions that bring nothing whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from include.online_store.open import open_online
from include.prediction_log.reader import read_records
from include.problems.of import params_of, signature_of
from include.retrieval.version import write_retrieval
from include.routing.route import Route
from tests.support.films import ENCODER, SHARES, SPEC, items, query_file, ranker_file
from tests.support.gateway_world import TOKEN, World, eventually

AT = datetime.fromisoformat("2020-01-05T10:00:00")
CONTRACT = {**ENCODER.to_json(), **signature_of(params_of(SPEC))}


def _fill(world: World) -> None:
    store = open_online(world.settings.online_url)
    for view, columns in (
        ("taste", {"guest": ["ann"], "likes": ["alien"], "had": ["casablanca"]}),
        ("film", {"film": [*SHARES], "share": [*SHARES.values()]}),
    ):
        times = pa.array([AT] * len(next(iter(columns.values()))), pa.timestamp("us"))
        found = next(each for each in SPEC.features.views if each.name == view)
        store.write(SPEC.name, found, pa.table({**columns, "event_timestamp": times}), AT)


def _register(world: World, version: int, folder: Path, factor: float) -> None:
    folder.mkdir()
    files = write_retrieval(folder, items(), query_file())
    world.register(version, ranker_file(factor), CONTRACT, SPEC.name, files)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("recommend")
    world = World(folder / "home")
    model = world.home / "code" / "things_models" / SPEC.name
    model.mkdir()
    (model / "__init__.py").write_text("")
    (model / "spec.py").write_text("from tests.support.films import SPEC\n")
    _register(world, 1, folder / "one", 1.0)
    _register(world, 2, folder / "two", -1.0)
    world.route(Route(champion=1, challenger=2, shadow=2), SPEC.name)
    _fill(world)
    world.start().close()
    yield world
    world.stop()


def _ask(world: World, **body: Any) -> httpx.Response:
    asked = {"entity": {"guest": "ann"}, "event_time": "2020-01-06T00:00:00Z", **body}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.post(f"{world.url}/recommend/{SPEC.name}", content=json.dumps(asked), headers=headers, timeout=20)


def test_a_list_and_the_shadows_own(world: World) -> None:
    answer = _ask(world, id="q", features={"new": "evita"})
    assert answer.status_code == 200, answer.text
    assert [each["item"] for each in answer.json()["items"]] == ["brazil", "evita"]
    assert answer.json()["degraded"] == []

    def mirrored() -> list[Any]:
        return [each for each in read_records(world.home, SPEC.name) if each.kind == "shadow"]

    eventually(lambda: len(mirrored()) == 2)
    # The shadow's ranker is the wrong way round: of four candidates what is first here is last there.
    assert {each.id: (each.place, each.against_place) for each in mirrored()} == {"q/brazil": (3, 0), "q/evita": (2, 1)}


def test_clicks_are_told_by_the_items_id(world: World) -> None:
    client = world.client()
    assert client.feedback(SPEC.name, [{"id": "q/brazil", "label": 1}]) == {"accepted": 1}
    client.close()


def test_what_is_wrong_with_a_request_is_said(world: World) -> None:
    refused = _ask(world, entity={"guest": "ann", "film": "alien"})
    assert (refused.status_code, refused.json()["allowed"]) == (400, ["guest"])
    assert _ask(world, at=0).status_code == 400


def test_a_token_is_asked_for_the_right_to_predict(world: World) -> None:
    headers = {"Authorization": "Bearer nonsense"}
    found = httpx.post(f"{world.url}/recommend/{SPEC.name}", content=b"{}", headers=headers)
    assert found.status_code in (401, 403)


def test_a_version_whose_items_are_another_trainings_is_refused(world: World, tmp_path: Path) -> None:
    files = write_retrieval(tmp_path, items(), ranker_file())  # no encoder of these items
    world.register(3, ranker_file(), CONTRACT, SPEC.name, files)
    world.route(Route(champion=1, challenger=3, weight=5), SPEC.name)

    def status() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        found: dict[str, Any] = httpx.get(f"{world.url}/status", headers=headers).json()["models"][SPEC.name]
        return found

    eventually(lambda: "3" in status()["refused"])
    assert "query" in status()["refused"]["3"]
    assert _ask(world).json()["version"] == 1  # the route before goes on
