"""Loading the versions of a route, in a thread of the deployment manager: what can serve, and why the others cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.core.errors import DataError, TransientError
from include.core.scratch import scratch_folder
from include.core.spec import ModelSpec
from include.routing.route import Route
from include.serving.models.loaded_model import AwayError, LoadedModel

Load = Callable[[ModelSpec, int, Path], LoadedModel]


@dataclass(frozen=True)
class Loaded:
    spec: ModelSpec
    route: Route
    generation: int
    models: dict[int, LoadedModel]
    problems: dict[str, str]  # version: why it was refused
    away: bool = False  # whether one of those waits for its server, and is to be tried again
    ms: float = 0.0


def load_versions(
    load: Load, spec: ModelSpec, generation: int, route: Route, held: Mapping[int, LoadedModel], scratch: Path
) -> Loaded:
    """Every version that the route names. Raises TransientError where a store does not answer."""
    started = time.perf_counter()
    models: dict[int, LoadedModel] = {}
    problems: dict[str, str] = {}
    away = False
    for version in sorted(route.named):
        try:
            model = held[version] if version in held else _open(load, spec, version, scratch)
            # Not for those in service: their features changed under them, and an answer is better than none.
            if model.misfit and version not in (route.champion, route.previous):
                raise DataError(model.misfit)
            models[version] = model
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a broken model file does, the gateway goes on
            problems[str(version)] = f"{type(error).__name__}: {error}"
            away |= isinstance(error, AwayError)
    return Loaded(spec, route, generation, models, problems, away, (time.perf_counter() - started) * 1e3)


def _open(load: Load, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
    with scratch_folder(scratch) as folder:
        return load(spec, version, folder)
