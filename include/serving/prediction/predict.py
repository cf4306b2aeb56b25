"""Predictions, from decoded requests to logged answers. Whatever breaks on the way, the caller gets a score.

store away            the features last read of the entity   degraded: last_known
  and never read      default features                       degraded: features
store lost a view     default features of that view          degraded: empty_view:NAME
challenger fails      the champion answers                   degraded: challenger
champion fails        the previous champion answers          degraded: champion
all of them fail      what a batch gave to the entity        degraded: precomputed   (scoring.defaults)
and it gave nothing   the spec's default score               degraded: default_score
the log's disk full   the answer is sent all the same        degraded: log

Decisions that cannot be made: include/serving/prediction/answers.py. The candidates of a list fail together, for each has its
place among all of them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from functools import cached_property, partial
from time import perf_counter_ns
from typing import Any

import msgspec

from include.core.errors import one_line
from include.core.spec import View
from include.core.time import now as present_moment
from include.prediction_log.record import PREDICTION, Record
from include.prediction_log.writer import PredictionLog
from include.problems.of import of_spec
from include.problems.problem import Problem
from include.routing.entity_hash import SEPARATOR
from include.serving.models.answers import Answers, is_plain, output_of, plain_answers
from include.serving.models.computing import FAILED
from include.serving.prediction.chain import Chain
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.explaining import Explaining
from include.serving.prediction.exploration import Exploration
from include.serving.prediction.last_known import LastKnown
from include.serving.prediction.lists import Lists, place
from include.serving.prediction.online_features import FeatureReader, Features, Source
from include.serving.prediction.precomputed import taken_from
from include.serving.prediction.remote_batches import RemoteBatches
from include.serving.prediction.remote_chain import RemoteChain
from include.serving.prediction.request_types import Contract, Item
from include.serving.prediction.rows import Row, Scored, by_arm, question
from include.serving.prediction.unknown_entity import Found, without_unknown
from include.serving.shadow import Shadow, copy_of
from include.serving.telemetry.counters import Metrics

log = logging.getLogger(__name__)
Unit = Callable[[str, str], int]
_asdict = msgspec.structs.asdict
_encode = msgspec.json.Encoder().encode
SETS = 8  # of views that sources are kept for


class Predictor:
    """Predicts for one model. Lives as long as the process; each request brings its deployment."""

    def __init__(
        self,
        contract: Contract,
        reader: FeatureReader,
        prediction_log: PredictionLog,
        metrics: Metrics,
        unit: Unit,
        shadow: Shadow,
        remote: RemoteBatches | None = None,
    ) -> None:
        self.contract = contract
        self.log = prediction_log
        spec = self._spec = contract.spec
        self._name = spec.name
        self._answers = None if is_plain(spec) else Answers(spec)
        self._answer_of: Callable[[Record], Any] = plain_answers(spec.serving.threshold)
        if self._answers is not None:
            self._answer_of = self._answers.answer
        self._query = None if self._answers is None else self._answers.problem.query  # which rows are one list; None: none are
        self._redact = frozenset(spec.serving.redact)
        self._chain = Chain(spec, self._answers, metrics)
        self._remote = RemoteChain(self._chain, remote or RemoteBatches(metrics.circuits.add))
        self._later: set[asyncio.Task[None]] = set()  # answers that wait for another server
        self._refuse_unknown = bool(spec.features.views) and spec.serving.unknown_entity == "refuse"
        choices = 2 if self._answers is None else self._answers.choices
        self._precomputed = spec.scoring.defaults
        self.explaining = Explaining(spec, metrics) if contract.explains else None
        self._explore = Exploration(spec.serving.explore, spec.name, unit, choices)
        self._reader = reader
        self._metrics, self._unit, self._shadow = metrics, unit, shadow
        # By set of views: what reads it, and all of its features as they are where nothing is known.
        self._sources: dict[str, tuple[Source, dict[str, None]]] = {}
        cache = spec.serving.cache
        self._cache: LastKnown[Scored] | None = LastKnown(cache.total_seconds()) if cache else None
        self._prefix = os.urandom(6).hex()
        self._count = itertools.count()

    @cached_property
    def problem(self) -> Problem:
        """What its labels are."""
        return of_spec(self._spec)

    def run(self, requests: list[PendingRequest], finished: Callable[[], None]) -> None:
        """Answer the requests, already logged: at once, or when the store has sent their features."""
        started = perf_counter_ns()
        now = present_moment()

        def answer(features: Sequence[Found]) -> None:
            if any(request.deployment.remote for request in requests):
                later = asyncio.get_running_loop().create_task(self._answer_later(requests, features, now, started))
                self._later.add(later)
                later.add_done_callback(self._later.discard)
                finished()  # what another server owes is bounded by itself, and refuses no other model's callers
                return
            try:
                self._answer(requests, features, now, started)
            except Exception as error:
                log.exception("requests to %s failed", self._name, extra=self._about(requests))
                for request in requests:
                    request.fail(error)
            finished()

        if self._cache is not None:
            requests = self._repeated(requests, self._cache, now, started)
            if not requests:
                finished()
                return
        items = [item for request in requests for item in request.items]
        self._read(items, requests, now.replace(tzinfo=None), answer)

    def _read(
        self, items: list[Item], requests: list[PendingRequest], now: datetime, answer: Callable[[Sequence[Found]], None]
    ) -> None:
        """The features of each item; by each set of views where the versions that may answer read several."""
        views = requests[0].deployment.views
        for request in requests:
            if request.deployment is not requests[0].deployment:
                views = {**views, **request.deployment.views}
        if len(views) == 1:
            ((name, one),) = views.items()
            self._source(name, one).read(items, now, answer)
            return
        gathered: dict[str, list[Features]] = {}

        def gather(name: str, found: list[Features]) -> None:
            gathered[name] = found
            if len(gathered) == len(views):
                answer([{name: gathered[name][place] for name in views} for place in range(len(items))])

        for name, some in views.items():
            self._source(name, some).read(items, now, partial(gather, name))

    def _source(self, name: str, views: tuple[View, ...]) -> Source:
        known = self._sources.get(name)
        if known is None:
            if len(self._sources) > SETS:
                self._sources.clear()
            known = self._reader.source(self._spec, views), {feature.name: None for view in views for feature in view.features}
            self._sources[name] = known
        return known[0]

    def _answer(self, requests: list[PendingRequest], features: Sequence[Found], now: datetime, started: int) -> None:
        if self._refuse_unknown:
            requests, features = without_unknown(requests, features)
        try:
            rows = self._scored(requests, features, now, started)
            records = [row.record for row in rows]
            lines = self.log.encode(records)
        except Exception as error:
            if len(requests) < 2:
                raise
            log.warning("a batch of %s is answered request by request: %r", self._name, error, extra=self._about(requests))
            self._answer_one_by_one(requests, features, now, started)
            return
        self._deliver(requests, rows, lines)

    async def _answer_later(self, requests: list[PendingRequest], features: Sequence[Found], now: datetime, started: int) -> None:
        """The same, where versions on other servers may answer. Requests of other arms do not wait for theirs."""
        try:
            if self._refuse_unknown:
                requests, features = without_unknown(requests, features)
            parts = self._parts(requests, self._rows(requests, features, now))
        except Exception as error:
            log.exception("requests to %s failed", self._name, extra=self._about(requests))
            for request in requests:
                request.fail(error)
            return
        await asyncio.gather(*(self._answer_part(*part, started) for part in parts))

    def _parts(self, requests: list[PendingRequest], rows: list[Row]) -> Iterable[tuple[list[PendingRequest], list[Row]]]:
        """Requests whose rows meet the same arms of the same deployment, each with their rows."""
        parts: dict[Hashable, tuple[list[PendingRequest], list[Row]]] = {}
        left = iter(rows)
        for request in requests:
            own = list(itertools.islice(left, len(request.items)))
            which = id(request.deployment), frozenset(row.record.arm for row in own)
            together = parts.setdefault(which, ([], []))
            together[0].append(request)
            together[1].extend(own)
        return parts.values()

    async def _answer_part(self, requests: list[PendingRequest], rows: list[Row], started: int) -> None:
        try:
            await asyncio.gather(*(self._score_later(group, started) for group in by_arm(rows)))
            if self._query is not None:
                place(rows)
            self._deliver(requests, rows, self.log.encode([row.record for row in rows]))
        except Exception as error:
            log.exception("requests to %s failed", self._name, extra=self._about(requests))
            for request in requests:
                request.fail(error)

    async def _score_later(self, group: list[Row], started: int) -> None:
        await self._remote.score(group)
        spent = (perf_counter_ns() - started) / 1000
        for row in group:
            row.record.latency_us = spent

    def _deliver(self, requests: list[PendingRequest], rows: list[Row], lines: bytes) -> None:
        """Log, answer, and hand on what was scored."""
        records = [row.record for row in rows]
        self._write(records, lines)
        self._measure(records)
        self._respond(requests, rows)
        self._mirror(rows, lines)
        if self._cache is not None:
            moment, items = time.monotonic(), (item for request in requests for item in request.items)
            for item, row in zip(items, rows, strict=True):
                if not row.record.degraded:
                    scored = Scored(row.features, output_of(row.record), row.record.version)
                    self._cache.keep(question(item, row.deployment), scored, moment)

    def _answer_one_by_one(self, requests: list[PendingRequest], features: Sequence[Found], now: datetime, started: int) -> None:
        """Each by itself: what is wrong with one request, whatever it is, is that request's alone."""
        place = 0
        for request in requests:
            own = features[place : place + len(request.items)]
            place += len(own)
            try:
                self._answer([request], own, now, started)
            except Exception as error:
                log.exception("a request to %s failed", self._name, extra=self._about([request]))
                request.fail(error)

    def _scored(self, requests: list[PendingRequest], features: Sequence[Found], now: datetime, started: int) -> list[Row]:
        """A row for each item, with its score: nothing is written or answered yet."""
        rows = self._rows(requests, features, now)
        groups = by_arm(rows)
        fetched = perf_counter_ns() - started
        for group in groups:
            before = perf_counter_ns()
            self._chain.score(group)
            spent = (fetched + perf_counter_ns() - before) / 1000
            for row in group:
                row.record.latency_us = spent
        if self._query is not None:
            place(rows)
        return rows

    def _repeated(
        self, requests: list[PendingRequest], cache: LastKnown[Scored], now: datetime, started: int
    ) -> list[PendingRequest]:
        """Answer and log the requests of which every item was asked a moment ago; returns the others."""
        known: list[tuple[PendingRequest, list[Scored]]] = []
        others = []
        for request in requests:
            scored = [each for item in request.items if (each := cache.get(question(item, request.deployment))) is not None]
            if len(scored) == len(request.items):
                known.append((request, scored))
            else:
                others.append(request)
        if known:
            answers = [each for _, scored in known for each in scored]
            rows = self._rows([request for request, _ in known], [(each.features, []) for each in answers], now, computed=True)
            for row, each in zip(rows, answers, strict=True):
                self._chain.fill([row], [each.output], each.version)
                row.record.latency_us = (perf_counter_ns() - started) / 1000
            if self._query is not None:
                place(rows)
            records = [row.record for row in rows]
            self._write(records, self.log.encode(records))
            self._measure(records)
            self._respond([request for request, _ in known], rows)
        return others

    def _about(self, requests: Sequence[PendingRequest]) -> dict[str, Any]:
        """The fields of a log's line about them. Ids that callers gave; the others are made with the records."""
        ids = (item.id for request in requests for item in request.items if item.id)
        return {"model": self._name, "request_id": list(itertools.islice(ids, 20))}

    def _rows(
        self, requests: list[PendingRequest], features: Sequence[Found], now: datetime, *, computed: bool = False
    ) -> list[Row]:
        """`computed`: whether what is computed of the request is among the features."""
        at, naive = now.isoformat(timespec="microseconds"), now.replace(tzinfo=None)
        moment = naive.isoformat()
        name, hashed, redact, known = self._name, self._unit, self._redact, iter(features)
        pseudonym = self.log.pseudonym
        explore = self._explore if self._explore.share else None
        lists, together = (None if self._query is None else Lists(self._spec, self._query)), None
        rows = []
        for request in requests:
            deployment = request.deployment
            draw, generation, reads = deployment.route.draw, deployment.generation, next(iter(deployment.views))
            unknown = self._sources[reads][1] if reads in self._sources else {}
            canary, computes = deployment.route.weight < 100, bool(deployment.computing) and not computed
            for item in request.items:
                entity = _asdict(item.entity)
                request_id = item.id or f"{self._prefix}-{next(self._count):x}"
                if lists is None:
                    who = SEPARATOR.join(map(str, entity.values())) or request_id
                else:
                    together, who = lists.of(request, entity, item.features, request_id)
                unit = hashed(who, name)
                arm, experiment = draw(unit, who, hashed)
                found, others = next(known), None
                if isinstance(found, dict):
                    reads = deployment.arm_reads(arm)
                    asked = _asdict(item.features)
                    others = {each: {**self._sources[each][1], **of[0], **asked} for each, of in found.items()}
                    values, degraded = others[reads], found[reads][1]
                else:
                    stored, degraded = found
                    values = {**unknown, **stored, **_asdict(item.features)}
                held = taken_from(others or {reads: values}) if self._precomputed else None
                if computes and not deployment.compute(others or {reads: values}, item.event_time or naive):
                    degraded = [*degraded, FAILED]
                record = Record(
                    PREDICTION, request_id, at, item.event_time.isoformat() if item.event_time else moment, pseudonym(unit),
                    self._chain.redacted(entity) if redact else entity, self._chain.redacted(values) if redact else values,
                    arm=arm, degraded=degraded, generation=generation, experiment=experiment,
                )  # fmt: skip
                if canary and arm == "challenger":
                    record.explored = "challenger"
                if explore is not None:
                    explore.mark(record)
                rows.append(Row(record, values, deployment, others, together, held))
        return rows

    def _mirror(self, rows: list[Row], lines: bytes) -> None:
        """To the shadow, once the answers are out: as the log's lines where they say all that was scored."""
        if self._precomputed and any(row.record.precomputed_version is not None for row in rows):
            rows, lines = [row for row in rows if row.record.precomputed_version is None], b""  # no version said that
        shadows = {id(row.deployment): row.deployment for row in rows}
        if lines and len(shadows) == 1 and not self._redact and rows[0].others is None:
            (deployment,) = shadows.values()
            version = deployment.route.shadow
            if version is not None and version in deployment.models:
                self._shadow.offer_lines(self._name, version, lines, len(rows))
            return
        copies = []
        for row in rows:
            version, record = row.deployment.route.shadow, row.record
            if version is not None and version in row.deployment.models:
                copies.append(copy_of(record, version, row.by(version)))
        if copies:
            asyncio.get_running_loop().call_soon(self._shadow.offer, self._name, copies, self._query is not None)

    def _write(self, records: list[Record], lines: bytes) -> None:
        """If the disk does not take the lines, the records are flagged."""
        try:
            self.log.append(lines)
        except OSError as error:
            log.error("the prediction log of %s was not written: %s", self._name, one_line(error))
            for record in records:
                record.degraded = [*record.degraded, "log"]

    def _measure(self, records: list[Record]) -> None:
        predicted = self._metrics.predicted
        for record in records:
            predicted(self._name, record.version, record.arm, record.latency_us)
            if record.error is not None:
                self._metrics.errors.add(self._name, record.arm)
            for reason in record.degraded:
                self._metrics.degraded.add(self._name, reason)

    def _respond(self, requests: list[PendingRequest], rows: list[Row]) -> None:
        if self.explaining is not None:
            self.explaining.attach(requests, rows)
        answer, place = self._answer_of, 0
        for request in requests:
            if not request.batch:
                request.answer(_encode(answer(rows[place].record)))
                place += 1
                continue
            some = rows[place : place + len(request.items)]
            place += len(some)
            request.answer(_encode({"responses": [answer(row.record) for row in some]}))
