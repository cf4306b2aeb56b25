"""Keeping the served versions equal to the routes: a thread that polls the control store, loads and warms.

Loading happens here, off the event loop. A new deployment is complete before it is swapped in as one
reference, so a request meets the old route or the new one and never waits for either.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.core.errors import SpecError, TransientError
from include.core.spec import ModelSpec
from include.serving.deployment import Deployment, Route, needed
from include.serving.model import LoadedModel

log = logging.getLogger(__name__)
POLL_SECONDS = 0.1
PAUSE_SECONDS = 0.5  # before a store that is away is asked again
RETRY_SECONDS = 5.0  # before a refused version is tried again: somebody may have repaired its file

Routes = Mapping[str, tuple[int, Route]]
Load = Callable[[ModelSpec, int, Path], LoadedModel]


class Fleet:
    """Deployments by model. Read from the event loop; changed only by the thread."""

    def __init__(
        self, read_routes: Callable[[], Routes], load_spec: Callable[[str], ModelSpec], load: Load, scratch: Path
    ) -> None:
        self._read_routes, self._load_spec, self._load, self._scratch = read_routes, load_spec, load, scratch
        self.deployments: Mapping[str, Deployment] = {}
        self.wanted: Mapping[str, int] = {}  # generations in the control store
        self._refused: dict[str, tuple[int, dict[str, str]]] = {}  # model: (generation, {version, or "route": why})
        self.failure = ""  # why the control store could not be read
        self.polled = threading.Event()  # set once every route was tried
        self._retry_at: dict[str, tuple[int, float]] = {}  # model: (generation that failed, when to try again)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - the control store is away: the routes it last said still stand
                if str(error) != self.failure:
                    log.warning("routes were not read: %s", error)
                self.failure = str(error)
            self._stop.wait(POLL_SECONDS)

    def poll(self) -> None:
        """Apply every route whose generation is not yet served."""
        routes = self._read_routes()
        self.wanted = {model: generation for model, (generation, _) in routes.items()}
        self.failure = ""
        for model, (generation, route) in routes.items():
            current = self.deployments.get(model)
            if (current is None or current.generation != generation) and not self._too_soon(model, generation):
                try:
                    self._apply(model, generation, route, current)
                except TransientError as error:  # a store is away, the route is not at fault
                    self.failure = str(error)
                    self._retry_at[model] = (generation, time.monotonic() + PAUSE_SECONDS)
        self.polled.set()

    @property
    def ready(self) -> bool:
        """Every model that has a route can answer."""
        served = self.deployments
        return self.polled.is_set() and all(model in served and served[model].ready for model in self.wanted)

    def _too_soon(self, model: str, generation: int) -> bool:
        failed, retry_at = self._retry_at.get(model, (-1, 0.0))
        return failed == generation and time.monotonic() < retry_at

    def _apply(self, model: str, generation: int, route: Route, current: Deployment | None) -> None:
        started = time.perf_counter()
        try:
            spec = current.spec if current else self._load_spec(model)
        except SpecError as error:
            self._note(model, generation, {"route": str(error)}, retry=True)
            return
        models, problems = self._load_all(spec, route, current)
        blocked = any(str(version) in problems for version in needed(route))
        if not blocked:
            self._swap(Deployment(spec, route, generation, models))
            log.info("applied route %d of %s in %.0f ms: %s", generation, model, (time.perf_counter() - started) * 1e3, route)
        elif current is None or current.generation == 0:
            # At start a part is better than nothing: who is missing is answered for, flagged, by the others.
            self._swap(Deployment(spec, route, 0, models))
        self._note(model, generation, problems, retry=blocked)

    def _swap(self, deployment: Deployment) -> None:
        self.deployments = {**self.deployments, deployment.spec.name: deployment}

    def _load_all(
        self, spec: ModelSpec, route: Route, current: Deployment | None
    ) -> tuple[dict[int, LoadedModel], dict[str, str]]:
        """The versions of a route that can serve, and why the others cannot."""
        held: Mapping[int, LoadedModel] = current.models if current else {}
        models: dict[int, LoadedModel] = {}
        problems: dict[str, str] = {}
        for version in sorted(needed(route) | ({route.previous} if route.previous is not None else set())):
            try:
                models[version] = held[version] if version in held else self._open(spec, version)
            except TransientError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a broken model file does, the gateway goes on
                problems[str(version)] = f"{type(error).__name__}: {error}"
        return models, problems

    def _open(self, spec: ModelSpec, version: int) -> LoadedModel:
        with TemporaryDirectory(prefix="gateway-", dir=self._scratch) as scratch:
            return self._load(spec, version, Path(scratch))

    def _note(self, model: str, generation: int, problems: dict[str, str], *, retry: bool) -> None:
        """Remember what was refused. Without `retry` that can only be the champion before: the way on is open."""
        if problems and self._refused.get(model) != (generation, problems):
            log.error("route %d of %s: refused %s", generation, model, problems)
        self._refused[model] = (generation, problems)
        if retry:
            self._retry_at[model] = (generation, time.monotonic() + RETRY_SECONDS)

    def status(self) -> dict[str, Any]:
        """For /status: what is served, what is wanted, and what was refused."""
        return {
            "ready": self.polled.is_set(),
            "failure": self.failure,
            "models": {model: self._model_status(model) for model in sorted({*self.deployments, *self.wanted})},
        }

    def _model_status(self, model: str) -> dict[str, Any]:
        deployment = self.deployments.get(model)
        wanted = self.wanted.get(model, 0)
        generation, refused = self._refused.get(model, (0, {}))
        return {
            "generation": deployment.generation if deployment else 0,
            "wanted": wanted,
            "route": deployment.route.to_json() if deployment else None,
            "versions": {str(v): m.digest for v, m in deployment.models.items()} if deployment else {},
            "ready": deployment is not None and deployment.ready,
            "refused": refused if generation == wanted else {},
        }
