"""All that a plain binary model says to callers and to its log, of seeded rows: stored once, compared for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.spec import Feature, ModelSpec
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder, Form, Input
from include.prediction_log.writer import PredictionLog
from include.problems.of import of_spec
from include.problems.problem import Problem
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.serving.http.request_error import RequestError
from include.serving.models.answers import Answers, is_plain
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel
from include.serving.openapi import OPENAPI
from include.serving.prediction import infer, ingest, predict
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.micro_batch import Batches
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.predict import Predictor
from include.serving.prediction.request_types import Contract
from include.serving.prediction.tensor import Answered
from include.serving.shadow import Copy, Frame, Scorer
from include.serving.telemetry.counters import Metrics

AT = datetime(2013, 3, 1, 10, tzinfo=UTC)
PLACES, ROWS = 40, 60
INPUTS = tuple(Feature(name=name, dtype=dtype) for name, dtype in (("heat", "float"), ("size", "float"), ("hour", "int")))


class Weighted:
    """A score by single products: the same bits on every machine. Rows with an hour of 13 or more break it."""

    def __init__(self, heat: float, size: float, breaks: bool = False) -> None:
        self._heat, self._size, self._breaks = np.float32(heat), np.float32(size), breaks

    def score(self, features: Floats) -> Floats:
        if self._breaks and (features[:, 2] >= 13).any():
            raise RuntimeError("the thirteenth hour")
        known = np.nan_to_num(features, nan=0.125)
        scores: Floats = np.clip(known[:, 0] * self._heat + known[:, 1] * self._size, 0, 1).astype(np.float32)
        return scores


class Reply:
    def __init__(self) -> None:
        self.body = b""

    def done(self) -> bool:
        return bool(self.body)

    def set_result(self, body: bytes) -> None:
        self.body = body

    def set_exception(self, error: BaseException) -> None:
        self.body = type(error).__name__.encode()


class Scene:
    """A predictor over a store of seeded rows; clocks stand still."""

    def __init__(
        self,
        spec: ModelSpec,
        folder: Path,
        route: Route,
        scorers: Mapping[int, Any] | None = None,
        columns: tuple[Feature, ...] = (),
        **serving: Any,
    ) -> None:
        """`scorers`: by version, where they are not those of the plain binary model. `columns`: what they take, where that is the
        request's features as columns of their own, not one tensor."""
        folder.mkdir()
        features = spec.features.model_copy(update={"request": columns}) if columns else spec.features
        self.spec = spec.model_copy(update={"serving": spec.serving.model_copy(update=serving), "features": features})
        self.folder, store = folder, SqliteOnlineStore(folder / "online.db")
        rng = np.random.default_rng(16)
        moment = AT.replace(tzinfo=None)
        times = pa.array([moment] * PLACES, pa.timestamp("us"))
        heat = np.round(rng.random(PLACES), 3)
        rows = pa.table({"place": [f"p{n}" for n in range(PLACES)], "heat": heat, "event_timestamp": times})
        store.write("toy", spec.features.views[0], rows, moment)
        reader = FeatureReader(lambda: store)
        reader.rows = lambda: None  # type: ignore[method-assign]  # no event loop runs here
        self.log = PredictionLog(folder, "toy")
        self.log.pseudonym = lambda number: f"{number:016x}"  # an installation's own is secret
        self.shadowed: list[bytes] = []
        self.contract = Contract(self.spec)
        self.predictor = Predictor(self.contract, reader, self.log, Metrics(), unit, self)  # type: ignore[arg-type]
        inputs = columns or INPUTS
        form: Form = "columns" if columns else "tensor"
        encoder = Encoder(tuple(Input(each.name, each.dtype, each.default) for each in inputs), form=form)
        scorers = scorers or {1: Weighted(0.75, 0.125), 2: Weighted(0.5, 0.25, breaks=True), 3: Weighted(0.25, 0.5)}
        answers = None if is_plain(self.spec) else Answers(self.spec)
        models = {n: LoadedModel(n, f"d{n}", encoder, made, 3, inputs=inputs, answers=answers) for n, made in scorers.items()}
        self.deployment = Deployment(self.spec, route, 7, models)

    def offer_lines(self, model: str, version: int, lines: bytes, count: int) -> None:
        self.shadowed.append(lines)

    def ask(self, body: Any) -> bytes:
        items, batch = self.contract.decode(json.dumps(body).encode())
        reply = Reply()
        self.predictor.run([PendingRequest(items, batch, self.deployment, reply)], lambda: None)
        return reply.body

    def lines(self) -> list[str]:
        return [line for path in sorted(self.folder.glob("predictions/toy/*.jsonl")) for line in path.read_text().splitlines()]

    def shadow_lines(self) -> list[str]:
        """What a shadow says to the lines that were mirrored, and to a copy."""
        home = self.folder / "shadow"
        home.mkdir()
        scorer = Scorer(lambda model, version, scratch: self.deployment.models[version], home, home, Metrics())
        for lines in self.shadowed:
            scorer.take(Frame("toy", version=3, lines=lines))
        row = {"heat": 0.5, "size": 1.0, "hour": 1}
        scorer.take(Frame("toy", [Copy(3, "copy", "00", 7, 0.5, 1, row), Copy(9, "gone", "00", 7, 0.5, 1, row)]))
        return [line for path in sorted(home.glob("predictions/toy/*.jsonl")) for line in path.read_text().splitlines()]


def bodies() -> Iterator[dict[str, Any]]:
    """Seeded requests; some of entities that no view knows, some that say when."""
    rng = np.random.default_rng(17)
    for number in range(ROWS):
        place = int(rng.integers(0, PLACES + 5))
        features = {"size": round(float(rng.random()), 3), "hour": int(rng.integers(0, 15))}
        moment = {"event_time": "2013-03-01T12:30:00+02:00"} if number % 7 == 0 else {}
        yield {"id": f"r{number}", "entity": {"place": f"p{place}"}, "features": features, **moment}


def all_said(spec: ModelSpec, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Answers and log lines as text, by what was asked."""
    for module in (predict, infer):
        patch.setattr(module, "perf_counter_ns", lambda: 0)
    patch.setattr(predict, "present_moment", lambda: AT)
    patch.setattr(ingest, "precise", lambda: "2013-03-01T10:00:00.000000")
    patch.setattr("include.serving.shadow.precise", lambda: "2013-03-01T10:00:01.000000")
    return {**_predicted(spec, folder), **_inferred(spec, folder), **_fed_back(spec), "openapi": OPENAPI.decode()}


def _predicted(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    canary = Route(champion=1, previous=3, challenger=2, shadow=3, weight=50)
    for name, route, serving in (
        ("plain", Route(champion=1, shadow=3), {}),
        ("canary", canary, {"explore": 0.25, "threshold": 0.4}),
        ("redacted", Route(champion=2), {"redact": ("size", "place"), "default_score": 0.25}),
    ):
        scene = Scene(spec, folder / name, route, **serving)
        asked = list(bodies())
        try:
            said[f"{name}: single"] = [scene.ask(body).decode() for body in asked[:20]]
            said[f"{name}: batch"] = scene.ask({"requests": asked[20:]}).decode()
            said[f"{name}: log"] = scene.lines()
        finally:
            scene.log.close()
        if name == "plain":
            said["shadow: log"] = scene.shadow_lines()
    return said


def _inferred(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    scene = Scene(spec, folder / "infer", Route(champion=1, challenger=2, weight=5))
    scene.log.close()
    rng = np.random.default_rng(18)
    rows = np.round(rng.random((5, 3)), 3)
    rows[1, 0] = np.nan
    encoded = {"name": "features", "shape": [5, 3], "datatype": "FP32"}
    unknown = [None if np.isnan(value) else value for value in rows.ravel()]
    named = [
        {"name": name, "shape": [2], "datatype": kind, "data": data}
        for name, kind, data in (("heat", "FP64", [0.5, None]), ("size", "FP64", [0.25, 1]), ("hour", "INT64", [3, 4]))
    ]
    asked: dict[str, tuple[Any, int | None]] = {
        "json": ({"inputs": [{**encoded, "data": unknown}], "id": "seven"}, None),
        "columns": ({"inputs": named, "outputs": [{"name": "score"}]}, None),
        "binary output": ({"inputs": [{**encoded, "data": unknown}], "parameters": {"binary_data_output": True}}, None),
        "one binary output": (
            {"inputs": named, "outputs": [{"name": "score", "parameters": {"binary_data": True}}]},
            None,
        ),
        "unknown output": ({"inputs": named, "outputs": [{"name": "label"}]}, None),
        "unscorable": ({"inputs": [{**encoded, "shape": [1, 3], "data": [0.5, 0.5, 13]}]}, None),
    }
    said: dict[str, Any] = {"metadata": json.dumps(infer.metadata(scene.deployment, 1))}
    for name, (body, length) in asked.items():
        version = 2 if name == "unscorable" else 1
        said[f"infer: {name}"] = _tried(
            lambda b=body, v=version, n=length: infer.infer(scene.deployment, v, _json(b), n).answer()
        )
    whole = _json(asked["json"][0])

    async def batched() -> Answered:
        return (await infer.infer_batched(Batches(), scene.deployment, 1, whole, None)).answer()

    said["infer: batched"] = _tried(lambda: asyncio.run(batched()))
    return said


def _fed_back(spec: ModelSpec) -> dict[str, Any]:
    asked = {
        "one": {"id": "a", "label": 1},
        "some": {"labels": [{"id": "a", "label": True}, {"id": "b", "label": 0.0, "at": "2013-03-02T10:00:00+01:00"}]},
        "outcome": {"id": "a", "label": 12.5, "metric": "sales"},
        "text": {"id": "a", "label": "late"},
        "nothing": {"labels": []},
        "no label": {"id": "a"},
        "null": {"labels": [{"id": "a", "label": None}]},
    }
    return {f"feedback: {name}": _tried(lambda b=body: _records(_json(b), of_spec(spec))) for name, body in asked.items()}


def _records(body: bytes, problem: Problem) -> tuple[bytes, int | None]:
    from msgspec.json import Encoder

    return Encoder().encode_lines(ingest.decode_labels(body, problem)), None


def _tried(ask: Any) -> list[Any]:
    try:
        body, length = ask()
    except RequestError as refused:
        return [refused.status, json.dumps(refused.body)]
    return [body.decode("latin-1"), length]


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
