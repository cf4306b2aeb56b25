"""Whatever is wrong with one request of a turn is that request's alone: its neighbours have their scores, undegraded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.spec import Feature, ModelSpec
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder, Input
from include.online_store.packed_store import LayoutReader
from include.prediction_log.reader import read_records
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.coalescing import PendingRequest, RequestCoalescer
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.predict import Predictor
from include.serving.prediction.request_types import Contract
from include.serving.telemetry.counters import Metrics

AT = datetime.fromisoformat("2013-03-01T10:00:00")
PLACES = ("oslo", "rome", "poison", "bern")


class First:
    """The score is the first input."""

    def score(self, features: Floats) -> Floats:
        return np.nan_to_num(features[:, 0], nan=0.125)


class Caller:
    """Keeps what it is answered."""

    def __init__(self) -> None:
        self.body, self.error = b"", None

    def done(self) -> bool:
        return bool(self.body) or self.error is not None

    def set_result(self, body: bytes) -> None:
        self.body = body

    def set_exception(self, error: Any) -> None:
        self.error = error

    @property
    def seen(self) -> tuple[float, list[str]] | str:
        if self.error is not None:
            return type(self.error).__name__
        answer = json.loads(self.body)
        return answer["score"], answer["degraded"]


class Bench:
    """A predictor of the toy over a store that knows every place's heat, .5."""

    def __init__(self, spec: ModelSpec, folder: Path, **serving: Any) -> None:
        self.spec = spec.model_copy(update={"serving": spec.serving.model_copy(update=serving)})
        self.folder, self.store, self.hashed = folder, SqliteOnlineStore(folder / "online.db"), unit
        times = pa.array([AT] * len(PLACES), pa.timestamp("us"))
        rows = pa.table({"place": PLACES, "heat": [0.5] * len(PLACES), "event_timestamp": times})
        self.store.write("toy", spec.features.views[0], rows, AT)
        self.reader = FeatureReader(lambda: self.store)
        self.reader.rows = lambda: None  # type: ignore[method-assign]  # no event loop runs here
        shadow: Any = None
        self.log = PredictionLog(folder, "toy")
        self.contract = Contract(self.spec)
        self.predictor = Predictor(self.contract, self.reader, self.log, Metrics(), lambda *of: self.hashed(*of), shadow)
        inputs = tuple(Feature(name=name, dtype=dtype) for name, dtype in (("heat", "float"), ("size", "float"), ("hour", "int")))
        model = LoadedModel(1, "d", Encoder(tuple(Input(f.name, f.dtype) for f in inputs)), First(), 3, inputs=inputs)
        self.deployment = Deployment(self.spec, Route(champion=1), 1, {1: model})

    def requests(self) -> list[tuple[PendingRequest, Caller]]:
        callers = [Caller() for _ in PLACES]
        bodies = [json.dumps({"entity": {"place": place}, "id": place}).encode() for place in PLACES]
        asked = [self.contract.decode(body) for body in bodies]
        return [(PendingRequest(*each, self.deployment, caller), caller) for each, caller in zip(asked, callers, strict=True)]

    def ask(self) -> list[tuple[float, list[str]] | str]:
        requests, ended = self.requests(), []
        self.predictor.run([request for request, _ in requests], lambda: ended.append(1))
        assert ended == [1]
        return [caller.seen for _, caller in requests]


@pytest.fixture
def bench(spec: ModelSpec, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(spec, tmp_path)
    yield bench
    bench.log.close()


def test_a_batch_is_answered_and_logged(bench: Bench) -> None:
    assert bench.ask() == [(0.5, [])] * 4
    assert [record.id for record in read_records(bench.folder, "toy")] == list(PLACES)


def test_the_arm_is_drawn_by_the_plain_hash_and_the_log_holds_the_keyed_one(bench: Bench) -> None:
    bench.ask()
    for record in read_records(bench.folder, "toy"):
        number = unit(record.id, "toy")
        assert record.arm == bench.deployment.route.arm(number)
        assert record.unit == bench.log.pseudonym(number) != f"{number:016x}"


def test_a_request_that_breaks_the_batch_fails_alone_and_every_other_is_logged_once(bench: Bench) -> None:
    def hashed(entity: str, model: str) -> int:
        if entity == "poison":
            raise RuntimeError("nobody foresaw this")
        return unit(entity, model)

    bench.hashed = hashed
    assert bench.ask() == [(0.5, []), (0.5, []), "RuntimeError", (0.5, [])]
    assert [record.id for record in read_records(bench.folder, "toy")] == ["oslo", "rome", "bern"]
    assert bench.reader.breaker.state == "closed"


@pytest.mark.parametrize("method", ["keys", "values"])
def test_an_entity_that_the_store_cannot_be_asked_for_is_degraded_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    known, calls = getattr(LayoutReader, method), []

    def poisoned(self: LayoutReader, given: Any, *more: Any) -> Any:
        calls.append(given)
        if method == "keys" and given["place"] == "poison":
            raise OverflowError("a key")
        if method == "values" and len(calls) in (3, 6):  # the third of the turn, and once more by itself
            raise OverflowError("a value")
        return known(self, given, *more)

    monkeypatch.setattr(LayoutReader, method, poisoned)
    assert bench.ask() == [(0.5, []), (0.5, []), (0.125, ["features"]), (0.5, [])]
    assert (bench.reader.breaker.state, bench.reader.failures) == ("closed", 0)


def test_rows_of_which_none_can_be_read_are_the_stores_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("no row")

    monkeypatch.setattr(LayoutReader, "values", broken)
    assert bench.ask() == [(0.125, ["features"])] * 4
    assert bench.reader.breaker.state == "open"


def test_a_job_that_an_answerer_cannot_take_leaves_the_others_theirs(bench: Bench) -> None:
    coalescer: Any = RequestCoalescer.__new__(RequestCoalescer)
    coalescer.admission = type("Admission", (), {"answered": lambda self, count: None})()
    requests = bench.requests()

    class Answerer:
        def run(self, some: list[PendingRequest], finished: Any) -> None:
            if any(request.items[0].id == "poison" for request in some):
                raise KeyError("poison")
            bench.predictor.run(some, finished)

    coalescer._pending = {Answerer(): [request for request, _ in requests]}
    coalescer._run()
    assert [caller.seen for _, caller in requests] == [(0.5, []), (0.5, []), "KeyError", (0.5, [])]
