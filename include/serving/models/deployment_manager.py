"""Keeping the served versions equal to the routes: a thread that polls the control store, and two that load.

A new deployment is complete before it is swapped in as one reference, so a request meets the old route or the
new one and never waits for either. A route whose versions are in memory is applied at once, also while other
models load. Only so many models stay loaded (include/serving/models/eviction.py); the first request of a cold one
waits, bounded, while it is brought in, and nobody else does.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.core.errors import SpecError, TransientError, one_line
from include.core.spec import ModelSpec
from include.routing.gateways import Report
from include.routing.reader import Routes
from include.routing.route import Route
from include.serving.http.request_error import RequestError
from include.serving.models.deployment import Deployment
from include.serving.models.eviction import CacheLimits, EvictionPolicy
from include.serving.models.loading import Load, Loaded, load_versions
from include.serving.models.route_switch import STALE_SECONDS, Switch

log = logging.getLogger(__name__)
POLL_SECONDS = 0.05
PAUSE_SECONDS = 0.5  # before an unreachable store is asked again
RETRY_SECONDS = 5.0  # before a refused version is tried again: somebody may have repaired its file
COLD_SECONDS = 5.0  # that a caller waits for a cold model; then 503, and the load goes on
CATCH_UP_SECONDS = 20.0  # that a starting worker waits for the others to follow a route it already has
LOADERS = 2  # models loaded at once


class DeploymentManager:
    """Deployments by model. Read from the event loop; changed only by the deployment manager's thread."""

    def __init__(
        self,
        read_routes: Callable[[], Routes],
        load_spec: Callable[[str], ModelSpec],
        load: Load,
        scratch: Path,
        limits: CacheLimits = CacheLimits(),  # noqa: B008 - frozen
        switch: Switch | None = None,
    ) -> None:
        self._read_routes, self._load_spec, self._load, self._scratch = read_routes, load_spec, load, scratch
        self.switch = switch or Switch()
        self.deployments: Mapping[str, Deployment] = {}  # loaded; the switch says when each one answers
        self.wanted: Mapping[str, int] = {}  # generations in the control store
        self.eviction = EvictionPolicy(limits)
        self.loads, self.unloads = 0, 0
        self._routes: Routes = {}
        self._loading: dict[str, Future[Loaded]] = {}
        self._loaders = ThreadPoolExecutor(LOADERS, thread_name_prefix="loader")
        self._asked: dict[str, Future[Deployment]] = {}  # cold models that callers wait for
        self._asking = threading.Lock()
        self._refused: dict[str, tuple[int, dict[str, str]]] = {}  # model: (generation, {version, or "route": why})
        self.failure = ""  # why the control store could not be read
        self.polled = threading.Event()  # set once every route was tried
        self._read_at: float | None = None  # when the routes were read last
        self._reading, self._round_at = False, math.inf  # whether they are being read; when the thread went round last
        self._retry_at: dict[str, tuple[int, float]] = {}  # model: (generation that failed, when to try again)
        self._lacking: dict[str, float] = {}  # models whose version on another server is missing: when to try it again
        self._stopping = False
        self._born = time.monotonic()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deployments", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)
        self._loaders.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping:
            self._reading = True
            try:
                self._routes = self._read_routes()
                self.failure, self._read_at = "", time.monotonic()
            except Exception as error:  # noqa: BLE001 - the control store is unreachable: the routes read last stand
                if (reason := one_line(error)) != self.failure:
                    log.warning("routes were not read: %s", reason)
                self.failure = reason
            self._reading = False
            try:
                if self._read_at is not None:  # before that nobody knows what is to be served
                    self.step(self._routes)
            except Exception:
                log.exception("the deployment manager's step failed; the deployments stay as they are")
            self._round_at = time.monotonic()
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    # -- called by the event loop --------------------------------------------------------------------

    async def warm(self, model: str) -> Deployment:
        """The model's deployment, loaded. Raises RequestError (503 with Retry-After) if that takes too long or fails."""
        deployment = self.deployments[model]
        if not deployment.cold:
            return deployment
        with self._asking:
            waiting = self._asked.setdefault(model, Future())
        self._wake.set()
        try:
            async with asyncio.timeout(COLD_SECONDS):
                return await asyncio.shield(asyncio.wrap_future(waiting))
        except TimeoutError:
            why = f"{model} is being loaded."
        except TransientError as error:
            why = f"{model} cannot be loaded now: {error}"
        raise RequestError(503, why, field="model", value=model, allowed="ask again later", retry_after=1)

    @property
    def ready(self) -> bool:
        """Every model that has a route can answer, or will be loaded when it is asked for.

        Not while the process has just been let go on after it was stopped: first it looks which routes there are by now.
        """
        served = self.deployments
        return (
            self.polled.is_set()
            and (self._reading or time.monotonic() - self._round_at < STALE_SECONDS)
            and all(model in served and (served[model].ready or served[model].cold) for model in self.wanted)
        )

    @property
    def routes_age(self) -> float | None:
        """Seconds since the routes were read from the control store; None before the first time."""
        return None if self._read_at is None else time.monotonic() - self._read_at

    def report(self) -> Report:
        """What this gateway serves and cannot serve: for whoever waits for a route. Called by any thread."""
        wanted = self.wanted
        refused = {
            model: (generation, problems)
            for model, (generation, problems) in list(self._refused.items())
            if problems and generation == wanted.get(model)
        }
        return Report(self.switch.in_force(), refused)

    @property
    def loading(self) -> list[str]:
        """Models that a thread is bringing in."""
        return list(self._loading)

    # -- the manager's thread ------------------------------------------------------------------------

    def step(self, routes: Routes) -> None:
        """Apply what was loaded, begin what is missing, unload what is idle. Never waits for a load."""
        now = time.monotonic()
        self.eviction.settle(now)
        self.wanted = {model: generation for model, (generation, _) in routes.items()}
        for model in [model for model, future in self._loading.items() if future.done()]:
            self._finish(model, self._loading.pop(model))
        for model, (generation, route) in routes.items():
            if self._behind(model, generation):
                self._begin(model, generation, route)
        self._unload(now)
        self.switch.settle()
        if not self._loading and (self.switch.joined or self.switch.join(late=now > self._born + CATCH_UP_SECONDS)):
            self.polled.set()

    def _behind(self, model: str, generation: int) -> bool:
        """Whether the model's route is not yet applied, or a cold one is asked for; and now is the time to try."""
        current = self.deployments.get(model)
        applied = current is not None and current.generation == generation and not (current.cold and model in self._asked)
        applied = applied and time.monotonic() < self._lacking.get(model, math.inf)
        failed, retry_at = self._retry_at.get(model, (-1, 0.0))
        return not applied and not (failed == generation and time.monotonic() < retry_at)

    def _begin(self, model: str, generation: int, route: Route) -> None:
        current = self.deployments.get(model)
        held = current.models if current else {}
        if current and not current.cold and route.named <= held.keys():  # at once, whatever is still being loaded
            self._apply(Loaded(current.spec, route, generation, {version: held[version] for version in route.named}, {}))
            return
        if model in self._loading:  # for a route before: what it brings is dropped, then this one is loaded
            return
        try:
            spec = current.spec if current else self._load_spec(model)
        except SpecError as error:
            self._note(model, generation, {"route": one_line(error)}, retry=True)
            return
        loaded = [each for each in self.deployments.values() if not each.cold]
        if current is None and not self.eviction.fits(len(loaded) + len(self._loading), sum(each.bytes for each in loaded)):
            self._swap(Deployment(spec, route, generation, cold=True))
            return
        future = self._loaders.submit(load_versions, self._load, spec, generation, route, held, self._scratch)
        future.add_done_callback(lambda _: self._wake.set())
        self._loading[model] = future

    def _finish(self, model: str, future: Future[Loaded]) -> None:
        try:
            loaded = future.result()
        except TransientError as error:  # a store is unreachable, the route is not at fault
            self.failure = one_line(error)
            self._retry_at[model] = (self.wanted.get(model, -1), time.monotonic() + PAUSE_SECONDS)
            self._wake_waiting(model, error)
            return
        if loaded.generation == self.wanted.get(model):
            self.eviction.touch(model, time.monotonic())
            self.loads += 1
            self._apply(loaded)

    def _apply(self, loaded: Loaded) -> None:
        """Swap in what was loaded, or as much of it as is better than what there is."""
        model, current = loaded.spec.name, self.deployments.get(loaded.spec.name)
        blocked = any(str(version) in loaded.problems for version in loaded.route.needed)
        if not blocked and current is not None and _same(current, loaded):
            pass  # the server that is missing is still away
        elif not blocked:
            self._swap(Deployment(loaded.spec, loaded.route, loaded.generation, loaded.models))
            log.info("applied route %d of %s, %.0f ms of loading: %s", loaded.generation, model, loaded.ms, loaded.route)
        elif current is None or current.generation == 0 or current.cold:
            # At start a part is better than nothing: who is missing is answered for, flagged, by the others.
            self._swap(Deployment(loaded.spec, loaded.route, 0, loaded.models))
        self._lacking.pop(model, None)
        if loaded.away and not blocked:
            self._lacking[model] = time.monotonic() + RETRY_SECONDS
        self._note(model, loaded.generation, loaded.problems, retry=blocked)
        self._wake_waiting(model, None)

    def _swap(self, deployment: Deployment) -> None:
        self.deployments = {**self.deployments, deployment.spec.name: deployment}
        self.switch.offer(deployment)

    def _wake_waiting(self, model: str, error: TransientError | None) -> None:
        """Let those who waited for a cold model go on."""
        with self._asking:
            waiting = self._asked.pop(model, None)
        if waiting is None:
            return
        if error is None:
            waiting.set_result(self.deployments[model])
        else:
            waiting.set_exception(error)

    def _unload(self, now: float) -> None:
        """Unload what exceeds the limits. A model whose route is not settled stays."""
        settled = {
            model: deployment
            for model, deployment in self.deployments.items()
            if not deployment.cold and model not in self._loading and deployment.generation == self.wanted.get(model)
        }
        idle = {
            model: deployment.spec.serving.idle.total_seconds()
            for model, deployment in settled.items()
            if deployment.spec.serving.idle is not None
        }
        sizes = {model: deployment.bytes for model, deployment in settled.items()}
        for model in self.eviction.to_evict(sizes, idle, now):
            self._swap(replace(settled[model], models={}, cold=True))
            self.unloads += 1
            log.info("unloaded %s: it was the longest unused, or idle", model)

    def _note(self, model: str, generation: int, problems: dict[str, str], *, retry: bool) -> None:
        """Remember what was refused. Without `retry` that can only be the champion before: the way on is open."""
        if problems and self._refused.get(model) != (generation, problems):
            log.error("route %d of %s: refused %s", generation, model, problems)
        self._refused[model] = (generation, problems)
        if retry:
            self._retry_at[model] = (generation, time.monotonic() + RETRY_SECONDS)

    # -- for people ----------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """For /status: what is served, what is wanted, and what was refused."""
        return {
            "ready": self.polled.is_set(),
            "failure": self.failure,
            "routes_age": self.routes_age,
            "loads": self.loads,
            "unloads": self.unloads,
            "models": {model: self._model_status(model) for model in sorted({*self.deployments, *self.wanted})},
        }

    def _model_status(self, model: str) -> dict[str, Any]:
        deployment = self.deployments.get(model)
        wanted = self.wanted.get(model, 0)
        generation, refused = self._refused.get(model, (0, {}))
        models = deployment.models if deployment else {}
        return {
            "generation": self.switch.applied(model),
            "wanted": wanted,
            "route": deployment.route.to_json() if deployment else None,
            "versions": {str(v): m.digest for v, m in deployment.models.items()} if deployment else {},
            "ready": deployment is not None and deployment.ready,
            "cold": deployment is not None and deployment.cold,
            "refused": refused if generation == wanted else {},
            "misfits": {str(v): m.misfit for v, m in deployment.models.items() if m.misfit} if deployment else {},
            "interpreted": {str(v): m.computing.differed for v, m in models.items() if m.computing and m.computing.differed},
        }


def _same(current: Deployment, loaded: Loaded) -> bool:
    return not current.cold and current.generation == loaded.generation and current.models.keys() == loaded.models.keys()
