"""Explaining single answers: Shapley values by feature, where a caller asks `"explain": true`.

They are computed in one thread of the worker, a few thousand rows at a time, beside the event loop. What they may take is
bounded: so many at once, a share of a core, a time that an answer waits. Where a bound is met the answer comes without its
explanation, and says why; a prediction is never refused for it. Equal rows of one version are explained once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import msgspec
import numpy as np

from include.core.spec import Explain, ModelSpec
from include.explanations.layout import Layout
from include.explanations.shapley import Shares, shapley
from include.model_contract.batch import Columns, Encoded
from include.problems.of import of_spec
from include.serving.http.asgi import Done
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.rows import Row
from include.serving.telemetry.counters import Metrics

log = logging.getLogger(__name__)
SEED = 7
AT_ONCE = 2048  # composed rows between which the event loop may have the interpreter
BURST = 1.0  # seconds of explaining that a quiet time saves up
ENTRY = 600  # bytes of a kept explanation beside its numbers

# Why an answer comes without its explanation.
WHY = {
    "busy": "explanations have taken what they may of this gateway; ask again later",
    "late": "the explanation was not there in time; ask again, it may be kept by then",
    "no_version": "no version of the model gave this answer",
    "remote": "the version is on another server, which would be asked hundreds of times",
    "no_background": "the version has no rows to be explained against: evaluate one with evaluation.explanations in the spec",
    "failed": "the model could not score the rows that an explanation is made of",
}
_encode = msgspec.json.Encoder().encode


class _Responses(msgspec.Struct):
    responses: list[msgspec.Raw]


_responses = msgspec.json.Decoder(_Responses).decode


class Budget:
    """Seconds of processor, which come back at `share` of the time that passes."""

    def __init__(self, share: float) -> None:
        self._share, self._left, self._at = share, BURST, time.monotonic()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self._left, self._at = min(BURST, self._left + (now - self._at) * self._share), now
            return self._left > 0

    def spend(self, seconds: float) -> None:
        with self._lock:
            self._left -= seconds


class Kept:
    """Explanations by what they are of, the least lately asked for forgotten first; of a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most, self.bytes = most, 0
        self._kept: OrderedDict[Hashable, Shares] = OrderedDict()

    def get(self, key: Hashable) -> Shares | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Hashable, shares: Shares) -> None:
        if key in self._kept or _size(shares) > self._most:
            return
        self._kept[key] = shares
        self.bytes += _size(shares)
        while self.bytes > self._most:
            self.bytes -= _size(self._kept.popitem(last=False)[1])


class Explaining:
    """Of one model, used by the event loop of a worker."""

    def __init__(self, spec: ModelSpec, metrics: Metrics) -> None:
        asked = spec.serving.explain
        assert asked is not None
        self._name, self._asked, self._metrics = spec.name, asked, metrics
        self._problem = of_spec(spec)
        self.seconds = asked.time_limit.total_seconds()  # that an answer waits
        self.budget, self.kept = Budget(asked.share), Kept(int(asked.cache_mb * 1_000_000))
        self._waiting: dict[Hashable, asyncio.Future[Shares]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, requests: list[PendingRequest], rows: list[Row]) -> None:
        """Have the answers of those requests that ask for it wait for their explanations."""
        place = 0
        for request in requests:
            count = len(request.items)
            wanted = [item.explain for item in request.items]  # type: ignore[attr-defined]  # this model's items have it
            if any(wanted):
                request.reply = _Waiting(request.reply, self, rows[place : place + count], wanted, request.batch)
            place += count

    def start(self, waiting: _Waiting, body: bytes) -> None:
        task = asyncio.get_running_loop().create_task(waiting.finish(body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def explanation(self, row: Row, wanted: bool | int, until: float) -> dict[str, Any]:
        """What is put beside an answer: by how much each feature moved it from the background's mean; or why that is not told."""
        model = row.deployment.models.get(row.record.version if row.record.version is not None else -1)
        try:
            if model is None:
                raise self._unexplained("no_version")
            shares = await self.shares(model, lambda: model.encoded([row.by(model.version)]), until)
        except Unexplained as error:
            return {"missing": error.why, "why": WHY[error.why]}
        return self._told(model, shares, wanted)

    async def shares(self, model: LoadedModel, row: Callable[[], Encoded], until: float) -> Shares:
        """By how much each feature of that row moved the version's answer. `until`: by the event loop's clock.

        Raises Unexplained.
        """
        if (why := never(model)) or model.background is None:
            raise self._unexplained(why)
        try:
            return await self._shares(model, model.background, row(), until)
        except Unexplained as error:
            raise self._unexplained(error.why) from None
        except Exception as error:  # noqa: BLE001 - a model's runtime may raise anything, and the answer itself is there
            log.warning("an answer of %s was not explained: %r", self._name, error)
            raise self._unexplained("failed") from None

    def output_of(self, shares: Shares) -> tuple[int, str]:
        """The place and the name of the output that the answer is about."""
        place = self._problem.explained(shares.answer)
        return place, self._problem.outputs[place]

    async def _shares(self, model: LoadedModel, background: Encoded, own: Encoded, until: float) -> Shares:
        key = (model.version, model.digest, _digest(own))
        known = self.kept.get(key)
        if known is not None:
            self._metrics.explained.add(self._name, "cached")
            return known
        under_way = self._waiting.get(key)
        if under_way is None:
            if len(self._waiting) >= self._asked.waiting or not self.budget.allows():
                raise Unexplained("busy")
            under_way = asyncio.ensure_future(self._compute(key, model, background, own))
            self._waiting[key] = under_way
            under_way.add_done_callback(lambda done: self._ended(key, done))
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(under_way)
        except TimeoutError:
            raise Unexplained("late") from None

    async def _compute(self, key: Hashable, model: LoadedModel, background: Encoded, own: Encoded) -> Shares:
        loop = asyncio.get_running_loop()
        shares, spent = await loop.run_in_executor(_thread(), _computed, model, background, own, self._asked, self.budget)
        self.kept.keep(key, shares)
        self._metrics.explained.add(self._name, "computed")
        self._metrics.explaining.add(self._name, by=spent)
        return shares

    def _ended(self, key: Hashable, done: asyncio.Future[Shares]) -> None:
        self._waiting.pop(key, None)
        if not done.cancelled():
            done.exception()  # told to those who wait; nobody may wait any more

    def _told(self, model: LoadedModel, shares: Shares, wanted: bool | int) -> dict[str, Any]:
        place, output = self.output_of(shares)
        names = [each.name for each in model.encoder.inputs]
        found = sorted(zip(names, shares.values[:, place].tolist(), strict=True), key=lambda each: -abs(each[1]))
        most = len(found) if wanted is True else int(wanted)
        told: dict[str, Any] = {
            "of": output, "base": float(shares.base[place]), "contributions": dict(found[:most]),
            "method": shares.method,
        }  # fmt: skip
        if most < len(found):
            told["rest"] = float(sum(value for _, value in found[most:]))
        return told

    def _unexplained(self, why: str) -> Unexplained:
        self._metrics.explained.add(self._name, why)
        return Unexplained(why)


class Unexplained(Exception):
    """`why`: a name of WHY."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def never(model: LoadedModel) -> str:
    """Why no answer of the version is ever explained, as a name of WHY; empty where they are."""
    if model.remote is not None:
        return "remote"
    return "no_background" if model.background is None else ""


class _Waiting:
    """Stands for a caller whose answer gets its explanation first."""

    def __init__(self, reply: Done, explaining: Explaining, rows: list[Row], wanted: list[bool | int], batch: bool) -> None:
        self._reply, self._explaining, self._rows, self._wanted, self._batch = reply, explaining, rows, wanted, batch

    def done(self) -> bool:
        return self._reply.done()

    def set_exception(self, error: BaseException, /) -> None:
        self._reply.set_exception(error)

    def set_result(self, body: bytes, /) -> None:
        self._explaining.start(self, body)

    async def finish(self, body: bytes) -> None:
        try:
            until = asyncio.get_running_loop().time() + self._explaining.seconds
            told = [
                await self._explaining.explanation(row, wanted, until) if wanted else None
                for row, wanted in zip(self._rows, self._wanted, strict=True)
            ]
            body = self._with(body, told)
        except Exception:
            log.exception("an explanation was left out")
        if not self._reply.done():  # the caller may have left
            self._reply.set_result(body)

    def _with(self, body: bytes, told: list[dict[str, Any] | None]) -> bytes:
        if not self._batch:
            return _joined(body, told[0])
        answers = [_joined(bytes(answer), each) for answer, each in zip(_responses(body).responses, told, strict=True)]
        return b'{"responses":[' + b",".join(answers) + b"]}"


def _joined(answer: bytes, told: dict[str, Any] | None) -> bytes:
    return answer if told is None else answer[:-1] + b',"explanation":' + _encode(told) + b"}"


@cache
def _thread() -> ThreadPoolExecutor:
    """One of a process, for all its models."""
    return ThreadPoolExecutor(1, thread_name_prefix="explanations")


def _computed(model: LoadedModel, background: Encoded, own: Encoded, asked: Explain, budget: Budget) -> tuple[Shares, float]:
    """The values, and the seconds of processor that they took."""
    began = time.thread_time()
    try:
        layout = Layout.of(model.encoder)
        shares = shapley(layout, model.score_rows, own, background, asked.coalitions, SEED, AT_ONCE)
        return shares, time.thread_time() - began
    finally:
        budget.spend(time.thread_time() - began)


def _digest(rows: Encoded) -> bytes:
    """What two rows share that are equal to the model."""
    made = hashlib.blake2b(digest_size=16)
    if not isinstance(rows, Columns):
        made.update(np.ascontiguousarray(rows).tobytes())
        return made.digest()
    for name, array in rows.items():
        made.update(name.encode() + b"\0")
        made.update(_encode(array.tolist()) if array.dtype == object else np.ascontiguousarray(array).tobytes())
    return made.digest()


def _size(shares: Shares) -> int:
    return ENTRY + shares.values.nbytes + shares.base.nbytes + shares.answer.nbytes
