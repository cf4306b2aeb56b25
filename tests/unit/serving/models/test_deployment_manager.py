"""Routes to deployments: what is applied, what is refused, and what goes on answering meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import DataError, UnreachableError
from include.core.spec import ModelSpec
from include.routing.route import Route
from include.serving.http.request_error import RequestError
from include.serving.models import deployment_manager as fleet_module
from include.serving.models.deployment_manager import DeploymentManager
from include.serving.models.eviction import CacheLimits
from include.serving.models.loaded_model import AwayError, LoadedModel

RETRY = 0.03  # seconds


class Scene:
    """Routes and versions that a test changes between polls."""

    def __init__(self, spec: ModelSpec, scratch: Path) -> None:
        self.routes: dict[str, tuple[int, Route]] = {}
        self.broken: dict[int, Exception] = {}
        self.loads: list[int] = []
        self.manager = DeploymentManager(lambda: self.routes, lambda model: spec, self.load, scratch)

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        self.loads.append(version)
        if version in self.broken:
            raise self.broken[version]
        nothing: Any = None
        return LoadedModel(version, "digest", nothing, nothing, 1)

    def settle(self) -> None:
        """Step until nothing is being loaded; what failed before may be tried again by then."""
        time.sleep(RETRY)
        self.manager.step(self.routes)
        while self.manager.loading:
            time.sleep(0.001)
            self.manager.step(self.routes)

    def poll(self, generation: int, **route: Any) -> dict[str, Any]:
        self.routes = {"toy": (generation, Route(**route))}
        self.settle()
        status: dict[str, Any] = self.manager.status()["models"]["toy"]
        return status


@pytest.fixture
def scene(spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(fleet_module, "RETRY_SECONDS", RETRY)
    monkeypatch.setattr(fleet_module, "PAUSE_SECONDS", RETRY)
    return Scene(spec, tmp_path)


def test_versions_are_loaded_once_and_forgotten_when_unrouted(scene: Scene) -> None:
    scene.poll(1, champion=1)
    scene.poll(2, champion=1, challenger=2, weight=5)
    status = scene.poll(3, champion=1)
    assert scene.loads == [1, 2]
    assert list(status["versions"]) == ["1"]
    assert status["generation"] == 3


def test_a_refused_challenger_leaves_the_applied_route_alone(scene: Scene) -> None:
    scene.poll(1, champion=1)
    scene.broken[2] = DataError("rotten")
    status = scene.poll(2, champion=1, challenger=2, weight=50)
    assert (status["generation"], status["wanted"], status["route"]["weight"]) == (1, 2, 0)
    assert "rotten" in status["refused"]["2"]
    del scene.broken[2]
    assert scene.poll(2, champion=1, challenger=2, weight=50)["generation"] == 2


def test_a_refusal_is_not_held_against_the_next_route(scene: Scene) -> None:
    scene.poll(1, champion=1)
    scene.broken[2] = DataError("rotten")
    scene.poll(2, champion=1, challenger=2, weight=50)
    status = scene.poll(3, champion=1)
    assert (status["generation"], status["refused"]) == (3, {})


def test_a_lost_previous_champion_does_not_block_the_way_on(scene: Scene) -> None:
    scene.broken[1] = DataError("lost")
    status = scene.poll(1, champion=2, previous=1)
    assert status["generation"] == 1
    assert "lost" in status["refused"]["1"]


def test_a_store_that_is_down_is_no_fault_of_the_version(scene: Scene) -> None:
    scene.poll(1, champion=1)
    scene.broken[2] = UnreachableError("the ledger is away")
    status = scene.poll(2, champion=1, challenger=2)
    assert (status["generation"], status["refused"]) == (1, {})
    assert "away" in scene.manager.status()["failure"]
    scene.broken.clear()
    assert scene.poll(2, champion=1, challenger=2)["generation"] == 2


def test_at_start_what_can_serve_does_and_readiness_says_no(scene: Scene) -> None:
    scene.broken[2] = DataError("rotten")
    status = scene.poll(1, champion=2, previous=1)
    assert (status["generation"], list(status["versions"]), scene.manager.ready) == (0, ["1"], False)
    scene.broken.clear()
    assert scene.poll(1, champion=2, previous=1)["generation"] == 1
    assert scene.manager.ready


class ManyModels:
    """Many models, room for few; a model may be made slow to load."""

    def __init__(self, spec: ModelSpec, scratch: Path, models: int, limits: CacheLimits) -> None:
        self.spec = spec
        self.routes = {f"m{n}": (1, Route(champion=1)) for n in range(models)}
        self.slow: dict[str, threading.Event] = {}
        self.broken: dict[str, Exception] = {}
        self.manager = DeploymentManager(lambda: self.routes, self.spec_of, self.load, scratch, limits)

    def spec_of(self, model: str) -> ModelSpec:
        return self.spec.model_copy(update={"name": model})

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        if spec.name in self.slow:
            self.slow[spec.name].wait(20)
        if spec.name in self.broken:
            raise self.broken[spec.name]
        nothing: Any = None
        return LoadedModel(version, "digest", nothing, nothing, 1, bytes=10)

    def loaded(self) -> list[str]:
        return [model for model, deployment in self.manager.deployments.items() if not deployment.cold]


@pytest.fixture
def many(spec: ModelSpec, tmp_path: Path) -> Iterator[ManyModels]:
    many = ManyModels(spec, tmp_path, 6, CacheLimits(models=3))
    many.manager.start()
    assert many.manager.polled.wait(10)
    yield many
    for event in many.slow.values():
        event.set()
    many.manager.stop()


def test_no_more_models_are_loaded_than_there_is_room_for_and_all_are_ready(many: ManyModels) -> None:
    assert len(many.loaded()) == 3
    assert len(many.manager.deployments) == 6
    assert many.manager.ready


def test_a_cold_model_comes_in_when_asked_for_and_the_longest_unused_goes(many: ManyModels) -> None:
    many.manager.eviction.touched.update(["m1", "m2"])
    deployment = asyncio.run(many.manager.warm("m5"))
    assert list(deployment.models) == [1]
    eventually(lambda: set(many.loaded()) == {"m1", "m2", "m5"})


def test_a_slow_load_stalls_neither_other_models_nor_a_change_of_weights(many: ManyModels) -> None:
    many.slow["m4"] = threading.Event()

    async def ask() -> int:
        waiting = asyncio.create_task(many.manager.warm("m4"))
        await asyncio.sleep(0)
        other = await many.manager.warm("m5")
        many.routes = {**many.routes, "m5": (2, Route(champion=1, previous=1))}
        while many.manager.deployments["m5"].generation != 2:
            await asyncio.sleep(0.01)
        assert not waiting.done()
        many.slow["m4"].set()
        return len((await waiting).models) + len(other.models)

    assert asyncio.run(asyncio.wait_for(ask(), 20)) == 2


def test_callers_of_a_model_that_takes_too_long_are_asked_to_come_back(many: ManyModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "COLD_SECONDS", 0.05)
    many.slow["m4"] = threading.Event()
    with pytest.raises(RequestError, match="being loaded") as refused:
        asyncio.run(many.manager.warm("m4"))
    assert (refused.value.status, refused.value.headers) == (503, [(b"retry-after", b"1")])
    many.slow["m4"].set()
    eventually(lambda: "m4" in many.loaded())  # the load went on without its caller


def test_a_cold_model_whose_store_is_down_is_a_503_and_its_route_is_kept(many: ManyModels) -> None:
    many.broken["m4"] = UnreachableError("the ledger is away")
    with pytest.raises(RequestError, match="the ledger is away"):
        asyncio.run(many.manager.warm("m4"))
    many.broken.clear()
    assert list(asyncio.run(many.manager.warm("m4")).models) == [1]


def test_a_cold_model_that_is_refused_answers_without_versions_and_says_why(many: ManyModels) -> None:
    many.broken["m4"] = DataError("rotten")
    assert not asyncio.run(many.manager.warm("m4")).models
    assert "rotten" in many.manager.status()["models"]["m4"]["refused"]["1"]
    assert not many.manager.ready


def test_a_new_route_of_a_cold_model_is_loaded_and_checked_at_once(many: ManyModels) -> None:
    many.broken["m5"] = DataError("rotten")
    many.routes = {**many.routes, "m5": (2, Route(champion=2))}
    eventually(lambda: "2" in many.manager.status()["models"]["m5"]["refused"])
    assert "rotten" in many.manager.status()["models"]["m5"]["refused"]["2"]


def test_an_idle_model_is_unloaded_by_its_own_limit(spec: ModelSpec, tmp_path: Path) -> None:
    hasty = spec.model_copy(update={"serving": spec.serving.model_copy(update={"idle": timedelta(seconds=0.05)})})
    many = ManyModels(hasty, tmp_path, 1, CacheLimits())
    many.manager.start()
    eventually(lambda: many.manager.loads == 1 and not many.loaded())
    assert list(asyncio.run(many.manager.warm("m0")).models) == [1]
    many.manager.stop()


def eventually(check: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not check():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_version_whose_server_is_away_does_not_hold_up_the_others_and_comes_when_it_is_back(scene: Scene) -> None:
    scene.broken[2] = AwayError("version 2 waits for its server")
    status = scene.poll(1, champion=2, previous=1)
    assert (status["ready"], list(status["versions"])) == (False, ["1"])
    assert "waits for its server" in status["refused"]["2"]
    del scene.broken[2]
    status = scene.poll(1, champion=2, previous=1)
    assert (status["ready"], status["refused"], status["generation"]) == (True, {}, 1)


def test_a_version_before_whose_server_is_away_is_looked_for_again(scene: Scene) -> None:
    scene.broken[2] = AwayError("version 2 waits for its server")
    assert scene.poll(1, champion=1, previous=2)["generation"] == 1
    answering = scene.manager.deployments["toy"]
    scene.settle()
    assert scene.manager.deployments["toy"] is answering
    del scene.broken[2]
    assert list(scene.poll(1, champion=1, previous=2)["versions"]) == ["1", "2"]
    loads = len(scene.loads)
    scene.settle()
    assert len(scene.loads) == loads


def test_before_the_routes_were_read_once_a_gateway_is_not_ready(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[dict[str, tuple[int, Route]]] = []

    def read() -> dict[str, tuple[int, Route]]:
        if not reads:
            raise UnreachableError("the control store is away")
        return reads[-1]

    scene.manager._read_routes = read
    scene.manager.start()
    time.sleep(4 * fleet_module.POLL_SECONDS)
    assert (scene.manager.ready, scene.manager.routes_age) == (False, None)
    assert "away" in scene.manager.status()["failure"]
    reads.append({"toy": (1, Route(champion=1))})
    assert scene.manager.polled.wait(20)
    assert scene.manager.ready
    assert dict(scene.manager.report().applied) == {"toy": 1}
    reads.clear()  # away again: what was read stands, and is served
    until = time.monotonic() + 20
    while not scene.manager.failure and time.monotonic() < until:
        time.sleep(0.01)
    assert (scene.manager.ready, scene.manager.status()["models"]["toy"]["generation"]) == (True, 1)
    scene.manager.stop()


def test_a_process_that_was_stopped_looks_at_the_routes_before_it_is_ready(scene: Scene) -> None:
    scene.poll(1, champion=1)
    assert scene.manager.ready
    scene.manager._round_at = time.monotonic() - 60  # its thread did not go round
    assert not scene.manager.ready
    scene.manager._reading = True  # a store that hangs is no reason to turn callers away
    assert scene.manager.ready


def test_a_report_holds_what_is_refused_of_the_route_in_force_alone(scene: Scene) -> None:
    scene.poll(1, champion=1)
    scene.broken[2] = DataError("rotten")
    scene.poll(2, champion=1, challenger=2, weight=50)
    report = scene.manager.report()
    assert (dict(report.applied), report.refused["toy"][0]) == ({"toy": 1}, 2)
    assert "rotten" in report.refused["toy"][1]["2"]
    scene.poll(3, champion=1)
    assert dict(scene.manager.report().refused) == {}
