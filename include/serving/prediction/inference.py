"""Answers of `/infer`: by which way rows are scored, and the explanations that a caller waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from include.core.spec import ModelSpec
from include.serving.http.asgi import THREAD_BYTES, HttpRequest, Response
from include.serving.models.deployment import Deployment
from include.serving.prediction.explained_tensors import explained
from include.serving.prediction.explaining import Explaining
from include.serving.prediction.infer import Inferred, header_length_of, infer, infer_batched
from include.serving.prediction.micro_batch import PAYS_US, Batches
from include.serving.prediction.remote_batches import RemoteBatches
from include.serving.prediction.tensor import Answered


class Inference:
    """One an event loop. `explaining`: of a model what explains its answers, the same that `/predict` asks."""

    def __init__(self, remote: RemoteBatches, explaining: Callable[[ModelSpec], Explaining | None]) -> None:
        self._remote, self._batches, self._explaining = remote, Batches(), explaining

    async def answer(self, call: HttpRequest, deployment: Deployment, version: int) -> Response:
        """Raises RequestError."""
        found = await self._found(call, deployment, version)
        body, header_length = await self._with_explanations(found) if isinstance(found, Inferred) else found
        if header_length is None:
            return Response(body)
        part = (b"inference-header-content-length", b"%d" % header_length)
        return Response(body, kind=b"application/octet-stream", headers=[part])

    async def _found(self, call: HttpRequest, deployment: Deployment, version: int) -> Answered | Inferred:
        """The answer; or what it is made of, where explanations are to come with it."""
        length, model = header_length_of(call), deployment.models[version]
        if model.remote is not None:
            return _written(await infer_batched(self._remote, deployment, version, call.body, length))
        if len(call.body) >= THREAD_BYTES:  # many rows: nobody else need wait for them
            return await asyncio.to_thread(lambda: _written(infer(deployment, version, call.body, length)))
        if model.run_us > PAYS_US:
            return _written(await infer_batched(self._batches, deployment, version, call.body, length))
        return _written(infer(deployment, version, call.body, length))

    async def _with_explanations(self, found: Inferred) -> Answered:
        explaining = self._explaining(found.deployment.spec)
        assert explaining is not None, "outputs of explanations are refused where a model has none"
        return found.answer(await explained(explaining, found.model, found.rows))


def _written(found: Inferred) -> Answered | Inferred:
    return found if found.explains else found.answer()
