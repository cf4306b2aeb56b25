"""Logs of a stage that were split over gateways, and the one reader that the judge was before there were several.

`SingleReader` is the stage's accumulator of the release that read one machine's log, shortened to what it counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import inf, isnan, nan

import numpy as np

from include.core.spec import Regression
from include.core.time import precise
from include.prediction_log.record import LABEL, OUTCOME, SHADOW, Record
from include.rollout.alpha_spending import period_of, slice_of
from include.rollout.entity_bitmap import EntityBitmap, unit_number
from include.rollout.evidence import (
    AGAIN,
    AGAIN_ERRORS,
    ENTITIES,
    ERRORS,
    FAILURES,
    FIRST,
    LABELLED,
    REQUESTS,
    Count,
    Evidence,
    first_of,
)
from include.rollout.guardrails import QUANTILES, business_metric_stream
from include.rollout.pending import request_number
from include.rollout.stage_terms import StageTerms
from include.routing.entity_hash import unit
from include.routing.route import Route

START, GENERATION, CONTESTED = datetime(2026, 1, 1, tzinfo=UTC), 3, 2
LIMITS = {"latency_p50": 300.0, "latency_p99": 1500.0, "score_low": 0.1, "score_high": 0.9, "loss_p50": 0.4, "loss_p90": 1.1}
CANARY = StageTerms("canary_30", GENERATION, 90, False, LIMITS, True, 0.5, True, problem=Regression(scale=1.0), first_labels=True)
MIRROR = replace(CANARY, stage="shadow", shadow=True, planned=60, joined=False)


@dataclass
class SingleReader:
    """One reader of one log, in its order."""

    terms: StageTerms
    clock: int = 0
    gap: float = 0.0
    gaps: int = 0
    slices: dict[str, tuple[list[int], list[int]]] = field(default_factory=lambda: {FIRST: ([], [])})
    seen: dict[str, EntityBitmap] = field(default_factory=dict)
    answers: dict[int, tuple[int, int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._kind = self.terms.kind()

    def read(self, record: Record) -> int:
        """Count it. Returns the slice that it was read in."""
        if record.kind in (LABEL, OUTCOME):
            self._label(record)
        else:
            self._add(record)
        return self.slot

    @property
    def slot(self) -> int:
        return slice_of(max(0, self.clock - 1), self.terms.planned)

    def _add(self, record: Record) -> None:
        mirrored = record.kind == SHADOW
        if mirrored and not self.terms.shadow:
            return
        arm, number = int(mirrored or record.arm == "challenger"), unit_number(record.unit)
        self.clock += mirrored or not self.terms.shadow
        self._count(REQUESTS, arm)
        new = self._mark(ENTITIES, number, arm)
        if record.error is not None:
            self._count(FAILURES, arm)
            self._mark(ERRORS, number, arm)
            if new:
                self._count(FIRST, arm)
        if self.clock > self.terms.planned:
            memory = f"{AGAIN}:{period_of(self.slot)}"
            if self._mark(AGAIN, number, arm, memory) and record.error is not None:
                self._count(AGAIN_ERRORS, arm)
        if mirrored:
            apart = self._kind.apart(record)
            if apart is not None:
                self.gap, self.gaps = self.gap + apart, self.gaps + 1
            return
        limits = self.terms.limits
        for name in QUANTILES:
            if record.latency_us > limits.get(name, inf):
                self._mark(name, number, arm)
        if record.error is not None or record.score is None:
            return
        if record.score < limits["score_low"]:
            self._mark("score_low", number, arm)
        if record.score > limits["score_high"]:
            self._mark("score_high", number, arm)
        if self.terms.joined:
            said = self._kind.remembered(record)
            known = self.answers.setdefault(request_number(record.id), (number, arm, nan if said is None else said))[0]
            if known != number:
                self.answers[request_number(record.id)] = (known, CONTESTED, 0.0)

    def _label(self, record: Record) -> None:
        number, arm, said = self.answers.get(request_number(record.id), (0, CONTESTED, 0.0))
        if arm == CONTESTED:
            return
        if record.kind == OUTCOME:
            if record.label is not None and record.label > 0:
                self._mark(business_metric_stream(record.metric), number, arm)
            return
        label = self._kind.logged_label(record.label, record.label_class)
        if label is None or isnan(said):
            return
        loss = self._kind.loss_of(said, label)
        first = self.terms.first_labels and self._mark(LABELLED, number, arm)
        for event in self._kind.events:
            if event.happened(loss, self.terms.limits):
                self._mark(event.name, number, arm)
                if first:
                    self._count(first_of(event.name), arm)

    def _count(self, stream: str, arm: int) -> None:
        counts = self.slices.setdefault(stream, ([], []))[arm]
        counts.extend([0] * (self.slot + 1 - len(counts)))
        counts[self.slot] += 1

    def _mark(self, stream: str, number: int, arm: int, memory: str = "") -> bool:
        new = self.seen.setdefault(memory or stream, EntityBitmap(self.terms.planned)).add(number, arm)
        if new:
            self._count(stream, arm)
        return new

    def evidence(self) -> Evidence:
        counts = [Count(*(sum(self.slices.get(name, ((), ()))[arm]) for name in (REQUESTS, ENTITIES, ERRORS))) for arm in (0, 1)]
        streams = {name: (tuple(pair[0]), tuple(pair[1])) for name, pair in sorted(self.slices.items())}
        return Evidence(
            self.terms.stage, self.terms.generation, self.terms.planned, self.clock, counts[0], counts[1], Count(),
            dict(self.terms.limits), streams, self.gap / self.gaps if self.gaps else None,
        )  # fmt: skip


def told(rng: np.random.Generator, terms: StageTerms, requests: int, entities: int) -> Iterator[Record]:
    """A log in its order, a record every second: answers, copies, labels and outcomes; ids asked again, some by two entities."""
    route, second, open_ids = Route(champion=1, challenger=2, weight=30), 0, list[str]()

    def at() -> str:
        nonlocal second
        second += 10
        return precise(START + timedelta(seconds=second))

    for number in range(requests):
        key = unit(f"e{rng.integers(entities)}", "toy")
        arm = route.arm(key)
        again = open_ids and rng.random() < 0.15
        id_ = str(rng.choice(open_ids)) if again else f"r{number}"
        failed = rng.random() < 0.15
        score = None if failed and rng.random() < 0.5 else float(rng.normal(0.5, 0.4))
        yield Record(
            "prediction", id_, at(), unit=f"{key:016x}", arm=arm, score=score, generation=GENERATION,
            latency_us=float(rng.exponential(400)), error="boom" if failed else None,
        )  # fmt: skip
        open_ids.append(id_)
        if terms.shadow or rng.random() < 0.1:
            broken = rng.random() < 0.2
            yield Record(
                "shadow", id_, at(), unit=f"{key:016x}", version=2, generation=GENERATION, against=score,
                score=None if broken else float(rng.normal()), error="boom" if broken else None,
            )  # fmt: skip
        if rng.random() < 0.5:
            yield Record("label", str(rng.choice(open_ids)), at(), label=float(rng.normal(0.5, 1)))
        if rng.random() < 0.3:
            happened = float(rng.random() < 0.7)
            yield Record("outcome", str(rng.choice(open_ids)), at(), label=happened, metric=str(rng.choice(["sale", "call"])))
