"""Routes to deployments: what is applied, what is refused, and what goes on answering meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.errors import DataError, UnreachableError
from include.core.spec import ModelSpec
from include.rollout.route import Route
from include.serving import fleet as fleet_module
from include.serving.fleet import Fleet
from include.serving.model import LoadedModel


class Scene:
    """Routes and versions that a test changes between polls."""

    def __init__(self, spec: ModelSpec, scratch: Path) -> None:
        self.routes: dict[str, tuple[int, Route]] = {}
        self.broken: dict[int, Exception] = {}
        self.loads: list[int] = []
        self.fleet = Fleet(lambda: self.routes, lambda model: spec, self.load, scratch)

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        self.loads.append(version)
        if version in self.broken:
            raise self.broken[version]
        nothing: Any = None
        return LoadedModel(version, "digest", nothing, nothing, 1)

    def poll(self, generation: int, **route: Any) -> dict[str, Any]:
        self.routes = {"toy": (generation, Route(**route))}
        self.fleet.poll()
        status: dict[str, Any] = self.fleet.status()["models"]["toy"]
        return status


@pytest.fixture
def scene(spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(fleet_module, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(fleet_module, "PAUSE_SECONDS", 0.0)
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


def test_a_store_that_is_away_is_no_fault_of_the_version(scene: Scene) -> None:
    scene.poll(1, champion=1)
    scene.broken[2] = UnreachableError("the ledger is away")
    status = scene.poll(2, champion=1, challenger=2)
    assert (status["generation"], status["refused"]) == (1, {})
    assert "away" in scene.fleet.status()["failure"]
    scene.broken.clear()
    assert scene.poll(2, champion=1, challenger=2)["generation"] == 2


def test_at_start_what_can_serve_does_and_readiness_says_no(scene: Scene) -> None:
    scene.broken[2] = DataError("rotten")
    status = scene.poll(1, champion=2, previous=1)
    assert (status["generation"], list(status["versions"]), scene.fleet.ready) == (0, ["1"], False)
    scene.broken.clear()
    assert scene.poll(1, champion=2, previous=1)["generation"] == 1
    assert scene.fleet.ready
