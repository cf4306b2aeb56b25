from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.spec import Binary, Explain, ModelSpec
from include.routing.route import Route
from tests.support.binary_serving import Scene
from tests.support.explained_serving import BACKGROUND
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


@pytest.fixture
def explained(spec: ModelSpec, tmp_path: Any) -> Any:
    made: list[Scene] = []

    def make(scorer: Any, problem: Any = None, background: Any = BACKGROUND, **explain: Any) -> Scene:
        changed = spec.model_copy(update={"problem": problem or Binary()})
        scene = Scene(
            changed,
            tmp_path / f"s{len(made)}",
            Route(champion=1),
            {1: scorer},
            explain=Explain(**{"time_limit": timedelta(seconds=30), **explain}),
        )
        model = replace(scene.deployment.models[1], background=background)
        scene.deployment = replace(scene.deployment, models={1: model})
        made.append(scene)
        return scene

    yield make
    for each in made:
        each.log.close()
