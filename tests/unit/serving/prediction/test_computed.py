"""A rollout of two versions of one expression: each arm is answered, and logged, by the definition its version was trained by."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.spec import Feature, Features, ModelSpec
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder, Input
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.request_features.definition import RequestFeatures
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.serving.http.request_error import RequestError
from include.serving.models.computing import checked_computing
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.predict import Predictor
from include.serving.prediction.request_types import Contract
from include.serving.telemetry.counters import Metrics
from tests.support.caller import Caller

AT = datetime.fromisoformat("2013-03-01T10:00:00")


class Last:
    """The score is the input that is computed."""

    def score(self, features: Floats) -> Floats:
        return np.nan_to_num(features[:, -1], nan=0.125)


def spec_of(spec: ModelSpec, expression: str) -> ModelSpec:
    share = Feature(name="share", expression=expression)
    section = spec.features.model_copy(update={"request": (share,), "request_fields": (Feature(name="size"),)})
    return spec.model_copy(update={"features": Features.model_validate(section.model_dump(mode="json"))})


def version(number: int, spec: ModelSpec) -> LoadedModel:
    inputs = tuple(Input(each.name, each.dtype) for each in spec.features.inputs)
    wanted = RequestFeatures.of(spec.features)
    assert wanted is not None
    model = LoadedModel(number, "d", Encoder(inputs), Last(), len(inputs), inputs=spec.features.inputs)
    return LoadedModel(**{**model.__dict__, "computing": checked_computing(wanted)})


def ask(spec: ModelSpec, folder: Path, route: Route, models: dict[int, LoadedModel], times: int = 1) -> list[Record]:
    store = SqliteOnlineStore(folder / "online.db")
    rows = pa.table({"place": ["oslo"], "heat": [0.5], "event_timestamp": pa.array([AT], pa.timestamp("us"))})
    store.write("toy", spec.features.views[0], rows, AT)
    reader = FeatureReader(lambda: store)
    reader.rows = lambda: None  # type: ignore[method-assign]  # no event loop runs here
    shadow: Any = None
    arms = iter(range(10**6))
    log, contract = PredictionLog(folder, "toy"), Contract(spec)
    predictor = Predictor(contract, reader, log, Metrics(), lambda *_: unit(str(next(arms)), "toy"), shadow)
    deployment = Deployment(spec, route, 1, models)
    for place in range(times):
        body = {"entity": {"place": "oslo"}, "id": f"{place}", "features": {"size": 0.2}, "event_time": "2013-03-01T09:30:00Z"}
        request = PendingRequest(*contract.decode(json.dumps(body).encode()), deployment, Caller())  # type: ignore[arg-type]  # a future
        predictor.run([request], lambda: None)
    log.close()
    return list(read_records(folder, "toy"))


def test_it_is_computed_of_the_request_and_of_what_was_looked_up(spec: ModelSpec, tmp_path: Path) -> None:
    one = spec_of(spec, "size * heat + hour(event_timestamp) / 100")
    (record,) = ask(one, tmp_path, Route(champion=1), {1: version(1, one)})
    assert record.features == {"heat": 0.5, "size": 0.2, "share": 0.2 * 0.5 + 9 / 100}
    assert record.score == np.float32(0.19)
    assert record.degraded == []


def test_each_arm_computes_as_its_version_was_trained(spec: ModelSpec, tmp_path: Path) -> None:
    before, after = spec_of(spec, "size + heat"), spec_of(spec, "size * heat")
    models = {1: version(1, before), 2: version(2, after)}
    records = ask(after, tmp_path, Route(champion=1, challenger=2, weight=50), models, times=24)
    shares = {record.version: record.features["share"] for record in records}
    assert shares == {1: 0.7, 2: 0.1}
    assert {record.version: round(record.score or 0, 6) for record in records} == {1: 0.7, 2: 0.1}


def test_what_is_computed_is_no_field_of_a_request(spec: ModelSpec) -> None:
    contract = Contract(spec_of(spec, "size + heat"))
    with pytest.raises(RequestError, match="unknown field `share`"):
        contract.decode(b'{"entity": {"place": "oslo"}, "features": {"size": 1, "share": 2}}')
