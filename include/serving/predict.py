"""A prediction, from a decoded request to a logged answer. Whatever breaks on the way, the caller gets a score.

store away            default features                       degraded: features
challenger fails      the champion answers                   degraded: challenger
champion fails        the previous champion answers          degraded: champion
all of them fail      the spec's default score               degraded: default_score
the log's disk full   the answer is sent all the same        degraded: log
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Any

import msgspec

from include.serving.contract import Contract, Item
from include.serving.deployment import Deployment
from include.serving.features import FeatureReader
from include.serving.log import PredictionLog, Record, timestamp
from include.serving.metrics import Metrics
from include.serving.model import LoadedModel, ModelError
from include.serving.shadow import Copy, ShadowWorker

log = logging.getLogger(__name__)
Unit = Callable[[str, str], int]
Made = tuple[Record, Mapping[str, Any]]  # a record, and the features it was scored on


class Answer(msgspec.Struct, gc=False):
    id: str
    score: float
    label: int  # score at or above the spec's threshold
    version: int | None  # that answered; None: the default score
    arm: str
    degraded: list[str]


class Predictor:
    """Predicts for one model. Lives as long as the process; the deployment comes with each call."""

    def __init__(
        self, contract: Contract, reader: FeatureReader, prediction_log: PredictionLog, metrics: Metrics, unit: Unit
    ) -> None:
        self.contract, self.log = contract, prediction_log
        spec = contract.spec
        self._spec, self._name, self._views = spec, spec.name, spec.features.views
        self._unknown = {feature.name: None for view in self._views for feature in view.features}
        self._redact = frozenset(spec.serving.redact)
        self._reader, self._metrics, self._unit = reader, metrics, unit
        self._prefix = os.urandom(6).hex()
        self._count = itertools.count()

    def answer(
        self, items: list[Item], deployment: Deployment, shadow: ShadowWorker
    ) -> tuple[list[Answer], Callable[[], None] | None]:
        """Answers in order, already logged; and what to do once the response is sent."""
        made = [self._predict(item, deployment) for item in items]
        records = [record for record, _ in made]
        self._write(records)
        self._measure(records)
        return [_answer(record, self._spec.serving.threshold) for record in records], self._mirror(made, deployment, shadow)

    def _predict(self, item: Item, deployment: Deployment) -> Made:
        started = perf_counter_ns()
        entity: dict[str, Any] = msgspec.structs.asdict(item.entity)
        request_id = item.id or f"{self._prefix}-{next(self._count):x}"
        unit = self._unit("\x1f".join(map(str, entity.values())) or request_id, self._name)
        at = _utc(item.event_time)
        stored = self._reader.read(self._name, self._views, entity, at)
        features = {**self._unknown, **(stored or {}), **msgspec.structs.asdict(item.features)}
        record = Record(
            kind="prediction", id=request_id, at=timestamp(), event_time=at.isoformat(), unit=f"{unit:016x}",
            entity=self._redacted(entity), features=self._redacted(features), arm=deployment.route.arm(unit),
            degraded=["features"] if stored is None else [], generation=deployment.generation,
        )  # fmt: skip
        self._score(record, features, deployment)
        record.latency_us = (perf_counter_ns() - started) / 1000
        return record, features

    def _score(self, record: Record, features: Mapping[str, Any], deployment: Deployment) -> None:
        """Fill in who answered and what; the first error is the arm's own."""
        for role, version in deployment.candidates(record.arm):
            try:
                record.score = _loaded(deployment, version).score_row(features)
            except ModelError as error:
                record.error = record.error or error.what
                record.degraded = [*record.degraded, role]
            else:
                record.version = version
                return
        record.score = self._spec.serving.default_score
        record.degraded = [*record.degraded, "default_score"]

    def _redacted(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in self._redact} if self._redact else values

    def _write(self, records: list[Record]) -> None:
        try:
            self.log.write(records)
        except OSError as error:
            log.error("the prediction log of %s was not written: %s", self._name, error)
            for record in records:
                record.degraded = [*record.degraded, "log"]

    def _measure(self, records: list[Record]) -> None:
        for record in records:
            labels = (self._name, "default" if record.version is None else str(record.version), record.arm)
            self._metrics.requests.add(*labels)
            self._metrics.latency.observe(record.latency_us / 1e6, *labels)
            if record.error is not None:
                self._metrics.errors.add(self._name, record.arm)
            for reason in record.degraded:
                self._metrics.degraded.add(self._name, reason)

    def _mirror(self, made: list[Made], deployment: Deployment, shadow: ShadowWorker) -> Callable[[], None] | None:
        version = deployment.route.shadow
        loaded = deployment.models.get(version) if version is not None else None
        if loaded is None:
            return None

        def mirror() -> None:
            for record, features in made:
                shadow.offer(Copy(self._name, loaded, features, record, self.log))

        return mirror


def _utc(moment: datetime | None) -> datetime:
    """The moment the request is about, in UTC and without a zone, as the feature rows have it; by default now."""
    if moment is None:
        return datetime.now(UTC).replace(tzinfo=None)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _loaded(deployment: Deployment, version: int) -> LoadedModel:
    try:
        return deployment.models[version]
    except KeyError:
        raise ModelError(f"version {version} was refused when it was loaded") from None


def _answer(record: Record, threshold: float) -> Answer:
    assert record.score is not None
    return Answer(record.id, record.score, int(record.score >= threshold), record.version, record.arm, record.degraded)
