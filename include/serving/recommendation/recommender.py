"""Recommendations, from a request to a logged list. Whatever breaks on the way, the caller gets a list.

store away             the features last read, or the defaults       degraded: last_known, features
nothing liked yet      the popular items, in the ranker's order      source: popular
challenger fails       the champion's list                           degraded: challenger
champion fails         the previous champion's                       degraded: champion
all of them fail       the popular items, in their order             degraded: default_score
everything was seen    an empty list                                 degraded: nothing_left
the log's disk full    the answer is sent all the same               degraded: log

Each item of the list is a prediction of its own in the log, `{request}/{item}`, with the features that it was ranked by and its
place: labels and outcomes (a click, a purchase) are told by that id, and the judge, monitoring and training read them as ever.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter_ns
from typing import Any

import msgspec

from include.core.errors import one_line
from include.core.spec import ModelSpec, View
from include.core.time import now as present_moment
from include.prediction_log.record import PREDICTION, Record
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import SEPARATOR
from include.serving.circuit_breaker import Breaker
from include.serving.http.request_error import RequestError
from include.serving.models.deployment import Deployment
from include.serving.models.loaded_model import LoadedModel, ModelError
from include.serving.prediction.online_features import FeatureReader, Features, Source
from include.serving.ranking.overlap import ListCopy
from include.serving.ranking.ranked import Candidate, Row, candidates, empty_row, ranked, retrieval_of, views_of
from include.serving.recommendation.request import ListContract, ListItem, entity_of, seen_items
from include.serving.telemetry.counters import Metrics

log = logging.getLogger(__name__)
NEAREST, POPULAR = "nearest", "popular"
FAILURES, OVER, PAUSE, LONGEST_PAUSE = 20, 1.0, 1.0, 30.0  # lists in a row and seconds that open a version's circuit
SETS = 8  # of views that sources are kept for
_encode = msgspec.json.Encoder().encode


@dataclass
class Asked:
    """One request on its way: who asks what, and what became of it so far."""

    id: str
    entity: dict[str, Any]
    features: dict[str, Any]
    seen: list[str]
    at: int
    event_time: datetime  # UTC, no zone
    unit: int
    arm: str
    experiment: str  # that drew the arm
    started: int  # ns
    now: datetime
    degraded: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass
class Listed:
    """What a version answers."""

    version: int | None
    items: list[Candidate]
    source: str
    row: Row


class Recommender:
    """Recommends for one model. Lives as long as the process; each request brings its deployment. For one event loop."""

    def __init__(
        self,
        spec: ModelSpec,
        reader: FeatureReader,
        prediction_log: PredictionLog,
        metrics: Metrics,
        unit: Callable[[str, str], int],
        offer: Callable[[str, ListCopy], None],
    ) -> None:
        """`offer` gives a copy to the shadow. Raises RequestError (404) for a model that ranks nothing."""
        self.contract = ListContract(spec)
        self._spec, self._reader, self._log, self._metrics, self._offer = spec, reader, prediction_log, metrics, offer
        self._unit, self._unit_keys = unit, spec.problem.unit_keys(spec.features.keys)
        self._listed_by = self.contract.query  # where it is no key and no input, the request is the query
        self._redact = frozenset(spec.serving.redact)
        self._item_entity = msgspec.defstruct("ItemEntity", [(key, str) for key in spec.features.keys], gc=False)
        self._sources: dict[tuple[tuple[str, str], ...], Source] = {}
        self._circuits: dict[int, Breaker] = {}  # of the versions whose last list failed
        self._default = self.contract.default
        self._prefix = os.urandom(6).hex()
        self._count = itertools.count()

    async def answer(self, body: bytes, deployment: Deployment) -> bytes:
        """The answer's body; the list is logged by then. Raises RequestError."""
        asked = self._asked(self.contract.one(body), deployment)
        found = await self._listed(asked, deployment)
        if not found.items:
            asked.degraded.append("nothing_left")
        records = self._records(asked, found, deployment)
        self._write(asked, records)
        self._measure(asked, found, (perf_counter_ns() - asked.started) / 1000)
        self._mirror(asked, found, records, deployment)
        return _encode(_body(asked, found, records))

    # -- the list ------------------------------------------------------------------------------------------------------

    def _asked(self, item: ListItem, deployment: Deployment) -> Asked:
        started, moment = perf_counter_ns(), present_moment()
        request_id, entity = item.id or f"{self._prefix}-{next(self._count):x}", entity_of(item)
        who = SEPARATOR.join(str(entity[key]) for key in self._unit_keys) or request_id
        unit = self._unit(who, self._spec.name)
        arm, experiment = deployment.route.draw(unit, who, self._unit)
        return Asked(
            request_id, entity, msgspec.structs.asdict(item.features), seen_items(item), item.at or self.contract.at,
            item.event_time or moment.replace(tzinfo=None), unit, arm, experiment, started, moment,
        )  # fmt: skip

    async def _listed(self, asked: Asked, deployment: Deployment) -> Listed:
        """Of the first version that can. Raises RequestError (404) where no version brings anything to recommend."""
        for role, version in deployment.candidates(asked.arm):
            try:
                return await self._guarded(_loaded(deployment, version), asked)
            except ModelError as error:
                asked.error = asked.error or error.what
                asked.degraded.append(role)
        return self._popular(asked, deployment)

    async def _guarded(self, model: LoadedModel, asked: Asked) -> Listed:
        """The version's list, if its circuit lets it be asked. Raises ModelError."""
        circuit = self._circuits.get(model.version)
        if circuit is not None and not circuit.allows():
            raise ModelError(f"version {model.version} is left alone: it failed again and again")
        try:
            found = await self._list_of(model, asked)
        except ModelError:
            if circuit is None:
                name = f"{self._spec.name}/{model.version}"
                circuit = Breaker(FAILURES, PAUSE, LONGEST_PAUSE, OVER, lambda: self._metrics.circuits.add(name))
                circuit = self._circuits.setdefault(model.version, circuit)
            circuit.failed()
            raise
        if circuit is not None:
            circuit.succeeded()
            self._circuits.pop(model.version, None)
        return found

    async def _list_of(self, model: LoadedModel, asked: Asked) -> Listed:
        """Raises ModelError."""
        retrieval_of(model)
        views = views_of(self._spec, model)
        known, flags = (await self._read(views.query, [{**asked.entity, self.contract.item_key: ""}], asked))[0]
        self._refuse_unknown(known, flags, bool(views.query), asked)
        row = {**empty_row(model, self._spec), **known, **asked.features}
        model.compute([row], asked.event_time)  # the query's part of it, which its vector is made of
        items, near = candidates(model, row, asked.seen)
        found = await self._read(views.item, [{**asked.entity, self.contract.item_key: item} for item in items], asked)
        order = ranked(model, row, items, [values for values, _ in found], asked.event_time)
        for flag in (*flags, *(flag for _, each in found for flag in each)):
            if flag not in asked.degraded:
                asked.degraded.append(flag)
        return Listed(model.version, order[: asked.at], NEAREST if near else POPULAR, row)

    async def _read(self, views: tuple[View, ...], entities: Sequence[Mapping[str, Any]], asked: Asked) -> list[Features]:
        """The features of each entity, all in one read of the store."""
        if not views or not entities:
            return [({}, [])] * len(entities)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Features]] = loop.create_future()

        def found(features: list[Features]) -> None:
            if not done.done():  # the caller may have left
                done.set_result(features)

        items: list[Any] = [ListItem(self._item_entity(**entity), None, event_time=asked.event_time) for entity in entities]
        self._source(views).read(items, asked.now.replace(tzinfo=None), found)
        return await done

    def _source(self, views: tuple[View, ...]) -> Source:
        named = tuple((view.name, view.version) for view in views)
        if named not in self._sources:
            if len(self._sources) > 2 * SETS:
                self._sources.clear()
            self._sources[named] = self._reader.source(self._spec, views)
        return self._sources[named]

    def _refuse_unknown(self, known: Mapping[str, Any], flags: Sequence[str], read: bool, asked: Asked) -> None:
        """Raises RequestError (404) where the spec refuses those of whom no view knows anything."""
        if self._spec.serving.unknown_entity == "refuse" and read and not known and not flags:
            raise RequestError(
                404, "Nothing is known of this entity.", field="entity", value=asked.entity,
                allowed="an entity that some view has current features of",
            )  # fmt: skip

    def _popular(self, asked: Asked, deployment: Deployment) -> Listed:
        """What is shown where no version can rank. Raises RequestError (404) where none brings anything."""
        for model in deployment.models.values():
            if model.retrieval is not None:
                gone = set(asked.seen)
                items, row = model.retrieval.items, empty_row(model, self._spec)
                shown = (items.ids[place] for place in items.popular.tolist())
                left = itertools.islice((item for item in shown if item not in gone), asked.at)
                asked.degraded.append("default_score")
                return Listed(None, [Candidate(item, self._default, {**row, **asked.features}) for item in left], POPULAR, row)
        raise RequestError(
            404, f"No version of {self._spec.name} that is in service brings items to recommend.", field="model",
            value=self._spec.name, allowed="a version whose `fit` ships them (docs/recommending.md)",
        )  # fmt: skip

    # -- what is kept of it ----------------------------------------------------------------------------------------------

    def _records(self, asked: Asked, found: Listed, deployment: Deployment) -> list[Record]:
        """A prediction an item, best first."""
        at, unit = asked.now.isoformat(timespec="microseconds"), self._log.pseudonym(asked.unit)
        spent = (perf_counter_ns() - asked.started) / 1000
        query = {self._listed_by: asked.id} if self._listed_by not in {**asked.entity, **found.row} else {}
        explored = "challenger" if asked.arm == "challenger" and deployment.route.weight < 100 else ""
        return [
            Record(
                PREDICTION, f"{asked.id}/{each.item}", at, asked.event_time.isoformat(), unit,
                self._redacted({**asked.entity, **query, self.contract.item_key: each.item}), self._redacted(each.features),
                found.version, asked.arm, each.score, degraded=list(asked.degraded), generation=deployment.generation,
                latency_us=spent, error=asked.error, explored=explored, place=place,
                experiment=asked.experiment,
            )
            for place, each in enumerate(found.items)
        ]  # fmt: skip

    def _redacted(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in self._redact} if self._redact else values

    def _write(self, asked: Asked, records: list[Record]) -> None:
        """If the disk does not take the lines, the answer is flagged."""
        try:
            self._log.write(records)
        except OSError as error:
            log.error("the prediction log of %s was not written: %s", self._spec.name, one_line(error))
            asked.degraded.append("log")

    def _measure(self, asked: Asked, found: Listed, latency_us: float) -> None:
        self._metrics.predicted(self._spec.name, found.version, asked.arm, latency_us)
        if asked.error is not None:
            self._metrics.errors.add(self._spec.name, asked.arm)
        for reason in asked.degraded:
            self._metrics.degraded.add(self._spec.name, reason)

    def _mirror(self, asked: Asked, found: Listed, records: list[Record], deployment: Deployment) -> None:
        """To the shadow, which makes a list of its own and says where in it each of these items stands."""
        version = deployment.route.shadow
        if version is None or version not in deployment.models or not records:
            return
        same = found.version is not None and deployment.reads(found.version) == deployment.reads(version)
        copy = ListCopy(
            version, deployment.generation, records[0].unit, found.version, asked.entity, asked.features, asked.seen, asked.at,
            asked.event_time.isoformat(), found.row if same else None,
            [(record.id, each.item, each.score) for record, each in zip(records, found.items, strict=True)],
        )  # fmt: skip
        self._offer(self._spec.name, copy)


def _loaded(deployment: Deployment, version: int) -> LoadedModel:
    try:
        return deployment.models[version]
    except KeyError:
        raise ModelError(f"version {version} was refused when it was loaded") from None


def _body(asked: Asked, found: Listed, records: Sequence[Record]) -> dict[str, Any]:
    """{"id", "items": [{"item", "score", "id"}], "source", "version", "arm", "degraded"}."""
    items = [{"item": each.item, "score": each.score, "id": record.id} for each, record in zip(found.items, records, strict=True)]
    return {
        "id": asked.id, "items": items, "source": found.source, "version": found.version, "arm": asked.arm,
        "degraded": asked.degraded,
    }  # fmt: skip
