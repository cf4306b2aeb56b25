from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.core.spec import ModelSpec
from include.routing.route import Route
from tests.support.binary_serving import Scene
from tests.support.kinds_serving import ALONE, Make


@pytest.fixture
def scene(spec: ModelSpec, tmp_path: Path) -> Iterator[Make]:
    made: list[Scene] = []

    def make(problem: Any, route: Route = ALONE, *scorers: Any, **serving: Any) -> Scene:
        changed = spec.model_copy(update={"problem": problem})
        named = dict(enumerate(scorers, start=1))
        made.append(Scene(changed, tmp_path / f"scene-{len(made)}", route, named, **serving))
        return made[-1]

    yield make
    for each in made:
        each.log.close()
