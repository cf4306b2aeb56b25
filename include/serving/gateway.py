"""The gateway: one raw ASGI app. A framework would cost more than everything it does (measured: a third of the requests).

Hosted by uvicorn (include/gateway/host.py). Nothing here waits for a model file or the control store: the manager's
thread brings deployments, the switch says which of them answers, the shadow's process takes copies. Predictions are
answered one iteration of the event loop at a time (include/serving/prediction/coalescing.py).
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.core.errors import DataError, PermanentError, SlipstreamError, one_line
from include.core.spec import FeatureSet, ModelSpec
from include.core.time import now
from include.prediction_log.writer import PredictionLog, Syncer
from include.serving.http.access import Access
from include.serving.http.admission import OVERLOADED, Admission
from include.serving.http.asgi import (
    Disconnected,
    Done,
    Handler,
    Headers,
    HttpRequest,
    Receive,
    Response,
    Scope,
    Send,
    answer,
    encode,
    page,
    read_body,
    respond,
)
from include.serving.http.certificate import ServerCertificate
from include.serving.http.connection_tokens import ConnectionTokens
from include.serving.http.origin import Writes
from include.serving.http.rate_limit import Rates
from include.serving.http.request_error import RequestError
from include.serving.http.request_head import check_path
from include.serving.http.routes import BY_PATTERN, PREDICT, Route, find
from include.serving.http.shared_tokens import SharedTokens
from include.serving.models.deployment import Deployment, check_live
from include.serving.models.deployment_manager import DeploymentManager
from include.serving.models.heartbeat import Heartbeat
from include.serving.models.route_switch import Switch
from include.serving.openapi import PAGE, openapi
from include.serving.prediction.asynchronous import AsynchronousPredictions, wants_later
from include.serving.prediction.coalescing import RequestCoalescer
from include.serving.prediction.infer import find_version, metadata
from include.serving.prediction.inference import Inference
from include.serving.prediction.ingest import decode_labels, decode_rows, push_targets, unwritable
from include.serving.prediction.lost_views import LostViews
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.predict import Predictor, Unit
from include.serving.prediction.remote_batches import RemoteBatches
from include.serving.prediction.request_types import Contract
from include.serving.recommendation.recommender import Recommender
from include.serving.shadow import Shadow
from include.serving.telemetry.counters import Metrics
from include.serving.telemetry.health import Health
from include.serving.telemetry.metrics_page import metrics_page, own_samples

log = logging.getLogger(__name__)
START_SECONDS = 30.0  # to load the first routes before the socket opens


@dataclass(frozen=True)
class Parts:
    """What a gateway is made of; include/gateway/build.py puts the real ones together."""

    manager: DeploymentManager
    reader: FeatureReader
    access: Access
    load_spec: Callable[[str], ModelSpec]  # raises SpecError for an unknown model
    unit: Unit
    home: Path
    switch: Switch
    metrics: Metrics
    shadow: Shadow
    admission: Admission
    health: Health
    lost: LostViews


class Gateway:
    # What include/gateway/build.py gives beside the parts.
    writes = Writes()  # who may write from where; with an audit
    threads: tuple[Heartbeat | SharedTokens | ConnectionTokens, ...] = ()  # beside the event loop, for as long as it runs
    certificate: ServerCertificate | None = None  # its own, where it speaks TLS itself
    predictor: type[Predictor] = Predictor
    feature_set: Callable[[str], FeatureSet | None] = staticmethod(lambda _: None)  # None for a name that is no feature set's
    later: AsynchronousPredictions | None = None  # where there is a root to keep them under

    def __init__(self, parts: Parts) -> None:
        self._parts, self._manager, self._access = parts, parts.manager, parts.access
        self._switch, self.metrics, self._shadow = parts.switch, parts.metrics, parts.shadow
        self._predictors: dict[str, Predictor] = {}
        self._recommenders: dict[str, Recommender] = {}
        self._rates = Rates()
        self._remote = RemoteBatches(self.metrics.circuits.add)
        self._inference = Inference(
            self._remote, lambda spec: (self._predictors.get(spec.name) or self._predictor(spec)).explaining
        )
        self._turns = RequestCoalescer(parts.admission)
        self._handlers: dict[str, Handler] = {
            "/predict/{model}": self._predict,
            "/predictions/{model}/{id}": self._later,
            "/recommend/{model}": self._recommend,
            "/feedback/{model}": self._feedback,
            "/push/{model}/{view}": self._push,
            "/v2": page(lambda: answer({"name": "slipstream", "version": "1", "extensions": ["binary_tensor_data"]})),
            "/v2/health/live": page(lambda: answer({"live": True})),
            "/v2/health/ready": page(self._ready),
            "/v2/models": page(lambda: answer({"models": sorted(self._manager.deployments)})),
            "/v2/models/{model}": self._metadata,
            "/v2/models/{model}/ready": self._model_ready,
            "/v2/models/{model}/infer": self._infer,
            "/v2/models/{model}/versions/{version}": self._metadata,
            "/v2/models/{model}/versions/{version}/ready": self._model_ready,
            "/v2/models/{model}/versions/{version}/infer": self._infer,
            "/status": page(lambda: answer(self._status())),
            "/metrics": self._metrics,
            "/openapi.json": page(lambda: Response(openapi(*self._served))),
            "/": page(lambda: Response(PAGE, kind=b"text/html; charset=utf-8")),
        }
        assert set(self._handlers) == set(BY_PATTERN), "every route has a right, and every right's route is answered"
        parts.admission.refused = lambda: self.metrics.refused.add("429")
        self._syncer = Syncer()

    # -- ASGI ----------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                self.writes.check(scope)
            except RequestError as refusal:
                call = HttpRequest(scope["method"], scope["path"], scope["headers"])
                await respond(self.refuse(call, refusal), send, scope["headers"])
                return
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            route, names = self._admit(scope["method"], scope["path"], scope["headers"])
            body = await read_body(scope, receive)
            call = HttpRequest(scope["method"], scope["path"], scope["headers"], body, scope.get("query_string", b""))
            response = await self._handlers[route.pattern](call, **names)
            if response.status >= 400:
                self.metrics.refused.add(str(response.status))
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the process and the other callers go on
            response = self.refuse(HttpRequest(scope["method"], scope["path"], []), error)
        await respond(response, send, scope["headers"])

    def refuse(self, call: HttpRequest, error: BaseException) -> Response:
        """What is answered to a request that this error ended."""
        if isinstance(error, RequestError):
            response = Response(encode(error.body), error.status, headers=error.headers)
        else:  # a defect of ours
            log.error("%s %s", call.method, call.path, exc_info=error)
            response = answer({"error": "The gateway failed on this request; the log says why."}, 500)
        self.metrics.refused.add(str(response.status))
        self.writes.note(call, response.status, error)
        return response

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._manager.start()
        self._syncer.start()
        if self.later is not None:
            self.later.start()
        for thread in self.threads:
            thread.start()
        with suppress(Exception):  # a store that does not answer is opened later: here only its library is imported
            await asyncio.to_thread(self._parts.reader.opened)
        # Warm before the socket opens. After that long open it all the same: /v2/health/ready says no.
        await asyncio.to_thread(self._manager.polled.wait, START_SECONDS)
        self._parts.lost.start()
        self.metrics.workers.add()
        gc.collect()
        gc.freeze()  # what is here stays: collections need not look at it, and their pauses stay short
        gc.set_threshold(10_000, 20, 50)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self.later is not None:
            self.later.stop()
        await asyncio.to_thread(self._close)
        await send({"type": "lifespan.shutdown.complete"})

    def _close(self) -> None:
        for thread in self.threads:
            thread.stop()
        self._parts.lost.stop()
        self._manager.stop()
        self._shadow.stop()
        self._syncer.stop()

    # -- routes --------------------------------------------------------------------------------------

    def allow(self, method: str, path: str, headers: Headers) -> None:
        """Raises RequestError (400, 401, 403, 404, 405) for a request that is not to be answered, whatever its body says."""
        self._admit(method, path, headers)

    def _admit(self, method: str, path: str, headers: Headers) -> tuple[Route, dict[str, str]]:
        route, names = find(method, check_path(path))
        self._access.check(headers, route.right, names.get("model"))
        return route, names

    def _status(self) -> dict[str, Any]:
        status = self._manager.status()
        for model, each in status["models"].items():
            each["empty_views"] = self._parts.lost.names(model)
        return status

    async def _metrics(self, call: HttpRequest) -> Response:
        del call
        deployments = self._manager.deployments
        specs = [deployments[model].spec for model in self._switch.models if model in deployments]
        health = await self._parts.health.samples(specs)
        generations = {model: self._switch.applied(model) for model in self._switch.models}
        promised = [(spec.name, spec.objectives) for spec in specs]
        own = own_samples(self._manager.routes_age, self.certificate.expires if self.certificate is not None else None)
        text = metrics_page(self.metrics.series(), generations, promised, [*health, *own])
        return Response(text.encode(), kind=b"text/plain; version=0.0.4; charset=utf-8")

    # -- predictions ---------------------------------------------------------------------------------

    async def _later(self, call: HttpRequest, model: str, id: str) -> Response:
        if self.later is None:
            raise RequestError(404, "This gateway keeps no predictions for later.")
        return await self.later.result(call, model, id)

    def would_refuse(self, call: HttpRequest, model: str) -> None:
        """Raises RequestError for a request that no version would answer."""
        spec = self._deployment(model).spec
        (self._predictors.get(model) or self._predictor(spec)).contract.decode(call.body)

    async def ask(self, call: HttpRequest, model: str) -> Response:
        """As `_predict`, for who had the right to ask when it was accepted."""
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        deployment = self._deployment(model)
        self._join(call, await self._manager.warm(model) if deployment.cold else deployment, done)
        return Response(await done)

    async def _predict(self, call: HttpRequest, model: str) -> Response:
        if self.later is not None and wants_later(call.query):
            return await self.later.accept(call, model)
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if not self.predict(call, model, done):
            self._rates.check(self._deployment(model).spec)
            self._join(call, await self._manager.warm(model), done)
        return Response(await done)

    def predict(self, call: HttpRequest, model: str, done: Done) -> bool:
        """Answer in this iteration of the event loop or a later one; False for a cold model, which must be waited for.

        Called by the app and, without ASGI, by include/serving/http/gateway_protocol.py. Raises RequestError.
        """
        self._access.check(call.headers, PREDICT, model)
        if self._turns.admission.full:
            raise OVERLOADED.again()
        deployment = self._deployment(model)
        if deployment.cold:
            return False
        self._rates.check(deployment.spec)
        self._join(call, deployment, done)
        return True

    def _join(self, call: HttpRequest, deployment: Deployment, done: Done) -> None:
        model = deployment.spec.name
        check_live(deployment)
        predictor = self._predictors.get(model) or self._predictor(deployment.spec)
        items, batch = predictor.contract.decode(call.body)
        self._turns.join(predictor, items, batch, deployment, done)

    def _deployment(self, model: str) -> Deployment:
        self._manager.eviction.touched.add(model)
        try:
            return self._switch.get(model)
        except KeyError:
            known = self._switch.models
            raise RequestError(404, "This model is not served here.", field="model", value=model, allowed=known) from None

    def _predictor(self, spec: ModelSpec) -> Predictor:
        parts = self._parts
        written = self._syncer.logs[spec.name] = PredictionLog(parts.home, spec.name)
        made = self.predictor(Contract(spec), parts.reader, written, self.metrics, parts.unit, self._shadow, self._remote)
        return self._predictors.setdefault(spec.name, made)

    async def _recommend(self, call: HttpRequest, model: str) -> Response:
        admission = self._turns.admission
        if admission.full:
            raise OVERLOADED.again()
        deployment = self._deployment(model)
        if deployment.cold:
            deployment = await self._manager.warm(model)
        self._rates.check(deployment.spec)
        check_live(deployment)
        admission.waiting += 1
        try:
            return Response(await self._recommender(deployment.spec).answer(call.body, deployment))
        finally:
            admission.answered(1)

    def _recommender(self, spec: ModelSpec) -> Recommender:
        known = self._recommenders.get(spec.name)
        if known is None:
            predictor, parts = self._predictors.get(spec.name) or self._predictor(spec), self._parts
            offer = self._shadow.offer_list
            known = Recommender(spec, parts.reader, predictor.log, self.metrics, parts.unit, offer)
            self._recommenders[spec.name] = known
        return known

    # -- Open Inference Protocol ---------------------------------------------------------------------

    def _ready(self) -> Response:
        return answer({"ready": self._manager.ready}, 200 if self._manager.ready else 503)

    async def _version(self, model: str, version: str | None) -> tuple[Deployment, int]:
        deployment = self._deployment(model)
        if deployment.cold:
            deployment = await self._manager.warm(model)
        return deployment, find_version(deployment, version)

    async def _metadata(self, call: HttpRequest, model: str, version: str | None = None) -> Response:
        del call
        return answer(metadata(*await self._version(model, version)))

    async def _model_ready(self, call: HttpRequest, model: str, version: str | None = None) -> Response:
        del call
        deployment, _ = await self._version(model, version)
        return answer({"name": deployment.spec.name, "ready": True})

    async def _infer(self, call: HttpRequest, model: str, version: str | None = None) -> Response:
        deployment, number = await self._version(model, version)
        self._rates.check(deployment.spec)
        return await self._inference.answer(call, deployment, number)

    # -- features and labels -------------------------------------------------------------------------

    async def _feedback(self, call: HttpRequest, model: str) -> Response:
        predictor = self._predictors.get(model) or self._predictor(self._spec(model))
        records = decode_labels(call.body, predictor.problem)
        try:
            predictor.log.write(records)
        except OSError as error:
            raise RequestError(503, f"The labels were not written: {error}. Send them again.") from None
        self.metrics.labels.add(model, by=len(records))
        return answer({"accepted": len(records)})

    async def _push(self, call: HttpRequest, model: str, view: str) -> Response:
        spec = (None if model in self._manager.deployments else self.feature_set(model)) or self._spec(model)
        read = [views for each in self._manager.deployments.values() for views in each.read_of(model)]
        targets = push_targets(spec, view, read)
        rows, moment = decode_rows(spec, targets[0], call.body), now()
        try:
            written = max([await asyncio.to_thread(self._parts.reader.write, model, each, rows, moment) for each in targets])
        except DataError as error:
            raise unwritable(targets[0], error) from None
        except PermanentError as error:  # of this gateway, not of the rows: sending them again changes nothing
            raise RequestError(
                503, f"The rows were not written, and will not be before this gateway is mended: {error}"
            ) from None
        except SlipstreamError as error:
            raise RequestError(503, f"The rows were not written: {error} Send them again.") from None
        self.metrics.pushed.add(model, view, by=rows.num_rows)
        return answer({"rows": rows.num_rows, "newer": written})

    @property
    def _served(self) -> tuple[frozenset[str], bool]:
        """The kinds of problems of the models that are served, and whether one explains its answers."""
        specs = [deployment.spec for deployment in self._manager.deployments.values()]
        return frozenset(spec.problem.kind for spec in specs), any(spec.serving.explain is not None for spec in specs)

    def _spec(self, model: str) -> ModelSpec:
        deployment = self._manager.deployments.get(model)
        try:
            return deployment.spec if deployment else self._parts.load_spec(model)
        except SlipstreamError as error:
            raise RequestError(404, one_line(error), field="model", value=model) from None
