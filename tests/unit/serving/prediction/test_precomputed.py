"""What a batch gave to an entity is answered where no version, or no feature, is there: labelled so, and nobody's evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.spec import ModelSpec, Scoring
from include.core.time import utc_now
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder, Input
from include.online_store.precomputed import rows_of, view_of
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import unit
from include.routing.route import Route
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.lost_views import FLAG
from include.serving.prediction.online_features import FeatureReader
from include.serving.prediction.precomputed import features_away
from include.serving.prediction.predict import Predictor
from include.serving.prediction.request_types import Contract
from include.serving.telemetry.counters import Metrics
from tests.support.caller import Caller


class Fails:
    def score(self, features: Floats) -> Floats:
        raise RuntimeError("the runtime is gone")


class Half:
    def score(self, features: Floats) -> Floats:
        return np.full(len(features), 0.5, np.float32)


class Scene:
    def __init__(self, spec: ModelSpec, folder: Path) -> None:
        self.spec = spec.model_copy(update={"scoring": Scoring(defaults=True, ttl=timedelta(days=2))})
        self.folder, self.store = folder, SqliteOnlineStore(folder / "online.db")
        self.reader = FeatureReader(lambda: self.store)
        self.reader.rows = lambda: None  # type: ignore[method-assign]  # no event loop runs here
        self.log, self.contract = PredictionLog(folder, "toy"), Contract(self.spec)
        shadow: Any = None
        self.metrics = Metrics()
        self.predictor = Predictor(self.contract, self.reader, self.log, self.metrics, unit, shadow)
        self.route = Route(champion=2, previous=1)

    def batch(self, version: int = 2, age: timedelta = timedelta(hours=6)) -> None:
        at = utc_now() - age
        rows = pa.table(
            {
                "request_id": ["a"], "event_timestamp": pa.array([at], pa.timestamp("us")), "place": ["oslo"],
                "score": pa.array([0.875], pa.float32()), "version": pa.array([version], pa.int32()),
            }
        )  # fmt: skip
        view = view_of(self.spec)
        assert view is not None
        self.store.write("toy", view, rows_of(self.spec, rows), utc_now())

    def ask(self, scorer: Any, place: str = "oslo") -> dict[str, Any]:
        inputs = tuple(Input(each.name, each.dtype) for each in self.spec.features.inputs)
        models = {
            version: LoadedModel(version, "d", Encoder(inputs), scorer, len(inputs), inputs=self.spec.features.inputs)
            for version in (1, 2)
        }
        caller = Caller()
        body = json.dumps({"entity": {"place": place}, "id": "r"}).encode()
        deployment = Deployment(self.spec, self.route, 1, models)
        request = PendingRequest(*self.contract.decode(body), deployment, caller)  # type: ignore[arg-type]  # a future
        self.predictor.run([request], lambda: None)
        answer: dict[str, Any] = json.loads(caller.body)
        return answer

    @property
    def logged(self) -> Record:
        return list(read_records(self.folder, "toy"))[-1]


@pytest.fixture
def scene(spec: ModelSpec, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(spec, tmp_path)
    yield scene
    scene.log.close()


def test_where_every_version_fails_it_is_the_answer_and_says_so(scene: Scene) -> None:
    scene.batch()
    answer = scene.ask(Fails())
    assert (answer["score"], answer["label"], answer["version"], answer["source"]) == (0.875, 1, 2, "precomputed")
    assert answer["age"] == pytest.approx(6 * 3600, abs=60)
    assert answer["degraded"] == ["champion", "previous", "precomputed"]
    record = scene.logged
    assert (record.version, record.precomputed_version, record.score) == (None, 2, 0.875)
    assert record.error is not None, "the version's failure stays its own"
    assert "precomputed_score" not in record.features
    assert set(record.features) == {"heat", "size", "hour"}


def test_a_version_that_answers_is_not_replaced(scene: Scene) -> None:
    scene.batch()
    answer = scene.ask(Half())
    assert (answer["score"], answer["version"]) == (0.5, 2)
    assert "source" not in answer


def test_where_a_views_rows_are_lost_it_is_the_answer(scene: Scene) -> None:
    scene.batch(version=1)
    scene.reader.flag("toy", scene.spec.features.views, [f"{FLAG}weather"])
    answer = scene.ask(Half())
    assert (answer["score"], answer["version"], answer["source"]) == (0.875, 1, "precomputed")
    assert scene.logged.error is None


@pytest.mark.parametrize(("version", "age"), [(5, timedelta(hours=6)), (2, timedelta(days=3))], ids=["rolled back", "too old"])
def test_what_may_not_be_said_any_more_is_not(scene: Scene, version: int, age: timedelta) -> None:
    scene.batch(version, age)
    answer = scene.ask(Fails())
    assert answer["degraded"][-1] == "default_score"
    assert answer["version"] is None


def test_an_entity_that_no_batch_knows_gets_the_default(scene: Scene) -> None:
    scene.batch()
    assert scene.ask(Fails(), "rome")["degraded"][-1] == "default_score"


def test_an_entity_of_which_only_a_batch_knows_is_unknown_still(scene: Scene) -> None:
    from include.serving.http.request_error import RequestError

    scene.batch()
    refusing = scene.spec.model_copy(update={"serving": scene.spec.serving.model_copy(update={"unknown_entity": "refuse"})})
    shadow: Any = None
    scene.predictor = Predictor(Contract(refusing), scene.reader, scene.log, scene.metrics, unit, shadow)
    with pytest.raises(RequestError, match="Nothing is known of this entity"):
        scene.ask(Half())


def test_features_are_away_where_the_defaults_stand_in_for_them() -> None:
    assert features_away(["features"])
    assert features_away([f"{FLAG}weather"])
    assert not features_away(["last_known", "challenger"])


def test_it_is_nobodys_evidence() -> None:
    from include.problems.of import PLAIN
    from include.rollout.baseline import BaselineCounts, newest
    from include.rollout.evidence_accumulator import EvidenceAccumulator

    at = f"{datetime.fromisoformat('2013-03-01T10:00:00').isoformat()}.000000+00:00"
    stood_in = Record("prediction", "r", at, unit="1", score=0.9, precomputed_version=2, degraded=["features", "precomputed"])
    failed = Record("prediction", "r", at, unit="1", score=0.9, precomputed_version=2, error="gone", degraded=["precomputed"])
    accumulator = EvidenceAccumulator(since=1)
    accumulator.add([stood_in])
    assert accumulator.baseline.requests == 0
    counts = BaselineCounts()
    counts.add(failed, PLAIN)
    assert (counts.requests, counts.errors) == (1, 1)
    assert newest([counts.samples.table])[1] == [], "its score is none of the champion's"
