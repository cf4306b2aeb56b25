"""A gateway with four versions of one model, and how a test calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from include.routing.route import Route
from include.serving.client import GatewayClient
from tests.support.gateway_world import (
    MODEL,
    World,
    constant,
    fails_on_size_over,
    heat_score,
    slow,
)


@contextmanager
def four_versions(folder: Path) -> Iterator[World]:
    """Champion 1 scores .1, challenger 2 scores `heat`; 3 breaks on size > 10; 4 takes seconds on size > 10."""
    world = World(folder)
    world.register(1, constant(0.1))
    world.register(2, heat_score())
    world.register(3, fails_on_size_over(10))
    world.register(4, slow(4000))
    world.route(Route(champion=1))
    world.start()
    try:
        yield world
    finally:
        world.stop()


def serve(world: World, client: GatewayClient, **route: Any) -> int:
    generation = world.route(Route(**route))
    client.wait_applied(MODEL, generation, timeout=20)
    return generation


def post(world: World, path: str, content: Any, **headers: str) -> httpx.Response:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.post(f"{world.url}{path}", content=data, headers=headers, timeout=30)
