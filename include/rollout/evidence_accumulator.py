"""Folding the prediction log into evidence, each record once: what has been read is not read again.

A `EvidenceAccumulator` belongs to a rollout. It holds the place in the log up to which it has read, the champion's answers
that are the baseline, and the counts of the present stage. Place and counts are stored as one row, so a
look that is killed loses or doubles nothing (include/rollout/accumulator_store.py).
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Self

import numpy as np

from include.core.request import Json
from include.prediction_log.record import LABEL, OUTCOME, PREDICTION, SHADOW, Record
from include.rollout.alpha_spending import period_of, slice_of
from include.rollout.entity_bitmap import EntityBitmap, unit_number
from include.rollout.evidence import (
    AGAIN,
    AGAIN_ERRORS,
    CHALLENGER,
    CHAMPION,
    ENTITIES,
    ERRORS,
    FAILURES,
    FIRST,
    REQUESTS,
    Count,
    Evidence,
)
from include.rollout.guardrails import LOSS, QUANTILES, SCORES, business_metric_stream

BASELINE = 200  # answers of the champion needed to know its quantiles
KEPT = 2000  # newest of the champion's answers that they are taken from
LABELS = 20  # labels seen before a stage for it to count on them
CONTESTED = 4  # in the place of an arm and a decision
PENDING = 20_000  # newest predictions of the stage that a label may still find


@dataclass
class Baseline:
    """The champion's answers since the rollout began."""

    requests: int = 0
    errors: int = 0
    labels: int = 0
    latencies: list[int] = field(default_factory=list)  # microseconds, the newest KEPT
    scores: list[float] = field(default_factory=list)

    def add(self, record: Record) -> None:
        self.requests += 1
        self.errors += record.error is not None
        self.latencies.append(round(record.latency_us))
        if record.score is not None:
            self.scores.append(round(record.score, 6))
        if len(self.latencies) > 2 * KEPT:
            self.latencies, self.scores = self.latencies[-KEPT:], self.scores[-KEPT:]

    def to_json(self) -> dict[str, Json]:
        return {
            "requests": self.requests,
            "errors": self.errors,
            "labels": self.labels,
            "latencies": self.latencies,
            "scores": self.scores,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            requests=value["requests"],
            errors=value["errors"],
            labels=value["labels"],
            latencies=list(value["latencies"]),
            scores=list(value["scores"]),
        )

    def limits(self, floor_us: float) -> dict[str, float]:
        """The champion's quantiles. Nobody is slow below `floor_us`; of limits that are the same, one is judged."""
        found: dict[str, float] = {}
        if len(self.latencies) >= BASELINE:
            for name, percent in reversed(QUANTILES.items()):
                limit = max(floor_us, float(np.percentile(self.latencies[-KEPT:], percent)))
                if limit not in found.values():
                    found[name] = limit
        if len(self.scores) >= BASELINE:
            low, high = (float(np.percentile(self.scores[-KEPT:], percent)) for percent in SCORES.values())
            found |= dict(zip(SCORES, (low, high), strict=True)) if low < high else {}
        return found


@dataclass
class StageAccumulator:
    """The counts of one stage, by stream and slice."""

    stage: str
    generation: int
    planned: int
    shadow: bool
    limits: dict[str, float]
    labelled: bool
    threshold: float
    joined: bool  # whether labels or outcomes are expected: only then are requests kept for them to find
    before: int = 0  # requests of the baseline when the stage began, and its errors
    before_errors: int = 0
    clock: int = 0  # requests so far; in the shadow stage those that the shadow has seen: they come later
    gap: float = 0.0  # sum of |shadow - champion| scores, and how many
    gaps: int = 0
    slices: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    seen: dict[str, EntityBitmap] = field(default_factory=dict)
    pending: dict[int, tuple[int, int]] = field(default_factory=dict)  # request: unit, 2 * arm + decided

    def __post_init__(self) -> None:
        if not self.slices:  # one that was begun by an earlier version goes on as it was begun
            self.slices[FIRST] = ([], [])

    def add(self, record: Record) -> None:
        mirrored = record.kind == SHADOW
        if mirrored and not self.shadow:
            return  # mirrored before the stage, written after it
        arm = CHALLENGER if mirrored or record.arm == "challenger" else CHAMPION
        unit = unit_number(record.unit)
        self.clock += mirrored or not self.shadow
        self._count(REQUESTS, arm)
        new = self._mark(ENTITIES, unit, arm)
        if record.error is not None:
            self._count(FAILURES, arm)
            self._mark(ERRORS, unit, arm)
            if new and FIRST in self.slices:
                self._count(FIRST, arm)
        if self.clock > self.planned:
            self._count_again(record.error is not None, unit, arm)
        if mirrored:
            if record.score is not None and record.against is not None:
                self.gap, self.gaps = self.gap + abs(record.score - record.against), self.gaps + 1
        else:
            self._measure(record, unit, arm)

    def _count_again(self, failed: bool, unit: int, arm: int) -> None:
        """The first request of each entity in each period after the plan: entities that begin to fail late are seen."""
        memory = f"{AGAIN}:{period_of(self._slice)}"
        if memory not in self.seen:
            self.seen = {name: seen for name, seen in self.seen.items() if not name.startswith(AGAIN)}
        if self._mark(AGAIN, unit, arm, memory) and failed:
            self._count(AGAIN_ERRORS, arm)

    def _measure(self, record: Record, unit: int, arm: int) -> None:
        """Latency and score of an answer, against the champion's quantiles."""
        for name in QUANTILES:
            if record.latency_us > self.limits.get(name, float("inf")):
                self._mark(name, unit, arm)
        if record.error is not None or record.score is None:
            return
        if record.score < self.limits.get("score_low", -1.0):
            self._mark("score_low", unit, arm)
        if record.score > self.limits.get("score_high", 2.0):
            self._mark("score_high", unit, arm)
        if not self.joined:
            return
        number = request_number(record.id)
        known, _ = self.pending.setdefault(number, (unit, 2 * arm + (record.score >= self.threshold)))
        if known != unit:  # an id that several entities were asked about: its label is neither's
            self.pending[number] = (known, CONTESTED)
        if len(self.pending) > 2 * PENDING:
            self.pending = dict(list(self.pending.items())[-PENDING:])

    def add_label(self, record: Record) -> bool:
        """A label or a named outcome of a request of this stage; False for one of another."""
        known = self.pending.get(request_number(record.id))
        if known is None or record.label is None or known[1] == CONTESTED:
            return known is not None
        unit, (arm, decided) = known[0], divmod(known[1], 2)
        if record.kind == OUTCOME:
            if record.label > 0:
                self._mark(business_metric_stream(record.metric), unit, arm)
        elif (record.label > 0.5) != bool(decided):
            self._mark(LOSS, unit, arm)
        return True

    @property
    def _slice(self) -> int:
        return slice_of(max(0, self.clock - 1), self.planned)

    def _count(self, stream: str, arm: int) -> None:
        place = self._slice
        counts = self.slices.setdefault(stream, ([], []))[arm]
        if len(counts) <= place:
            counts.extend([0] * (place + 1 - len(counts)))
        counts[place] += 1

    def _mark(self, stream: str, unit: int, arm: int, memory: str = "") -> bool:
        """Count the first such event of each entity, by the bitmap `memory` (else the stream's). True: it was the first."""
        name = memory or stream
        seen = self.seen.get(name)
        if seen is None:
            seen = self.seen[name] = EntityBitmap(self.planned)
        new = seen.add(unit, arm)
        if new:
            self._count(stream, arm)
        return new

    def evidence(self) -> Evidence:
        counts = [Count(*(sum(self.slices.get(name, ((), ()))[arm]) for name in (REQUESTS, ENTITIES, ERRORS))) for arm in (0, 1)]
        streams = {name: (tuple(pair[0]), tuple(pair[1])) for name, pair in sorted(self.slices.items())}
        difference = self.gap / self.gaps if self.gaps else None
        before = Count(self.before, 0, self.before_errors)
        return Evidence(
            self.stage,
            self.generation,
            self.planned,
            self.clock,
            counts[0],
            counts[1],
            before,
            dict(self.limits),
            streams,
            difference,
        )

    def to_json(self) -> dict[str, Json]:
        """As it is stored: each field by name (include/rollout/accumulator_store.py has the versions)."""
        ids, units, bits = (array("Q", column) for column in _columns(self.pending))
        return {
            "stage": self.stage,
            "generation": self.generation,
            "planned": self.planned,
            "shadow": self.shadow,
            "limits": self.limits,
            "labelled": self.labelled,
            "threshold": self.threshold,
            "joined": self.joined,
            "before": self.before,
            "before_errors": self.before_errors,
            "clock": self.clock,
            "gap": self.gap,
            "gaps": self.gaps,
            "slices": self.slices,
            "seen": {name: seen.pack() for name, seen in self.seen.items()},
            "pending": {"ids": _pack(ids), "units": _pack(units), "bits": _pack(bits)},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        columns = [_unpack(value["pending"][name]) for name in ("ids", "units", "bits")]
        return cls(
            stage=value["stage"],
            generation=value["generation"],
            planned=value["planned"],
            shadow=value["shadow"],
            limits=dict(value["limits"]),
            labelled=value["labelled"],
            threshold=value["threshold"],
            joined=value["joined"],
            before=value["before"],
            before_errors=value["before_errors"],
            clock=value["clock"],
            gap=value["gap"],
            gaps=value["gaps"],
            slices={name: (list(pair[0]), list(pair[1])) for name, pair in value["slices"].items()},
            seen={name: EntityBitmap.unpack(value["planned"], text) for name, text in value["seen"].items()},
            pending={key: (unit, bits) for key, unit, bits in zip(*columns, strict=True)},
        )


@dataclass
class EvidenceAccumulator:
    """Everything a rollout has learned from the log. `cursor`: bytes read of each of its segments."""

    since: int = 0  # generation of the rollout's first stage
    cursor: dict[str, int] = field(default_factory=dict)
    baseline: Baseline = field(default_factory=Baseline)
    stage: StageAccumulator | None = None

    def begin(self, stage: StageAccumulator) -> None:
        """Start a stage. Its limits are taken from the baseline as it is now. A stage that has begun stays."""
        if self.stage is None or self.stage.generation < stage.generation:
            self.stage = stage

    def add(self, records: Iterable[Record]) -> None:
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        if record.kind in (LABEL, OUTCOME):
            self.baseline.labels += record.kind == LABEL
            if self.stage is not None:
                self.stage.add_label(record)
            return
        if self.stage is not None and record.generation == self.stage.generation:
            self.stage.add(record)
        if record.generation >= self.since and record.kind == PREDICTION and record.arm == "champion":
            self.baseline.add(record)

    def to_json(self) -> dict[str, Json]:
        stage = self.stage.to_json() if self.stage else None
        return {"since": self.since, "cursor": self.cursor, "baseline": self.baseline.to_json(), "stage": stage}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        stage = StageAccumulator.from_json(value["stage"]) if value["stage"] else None
        return cls(value["since"], dict(value["cursor"]), Baseline.from_json(value["baseline"]), stage)


def request_number(request: str) -> int:
    """64 bits of a request's id."""
    return int.from_bytes(blake2b(request.encode(), digest_size=8).digest())


def _columns(pending: Mapping[int, tuple[int, int]]) -> tuple[list[int], list[int], list[int]]:
    newest = list(pending.items())[-PENDING:]
    return [key for key, _ in newest], [unit for _, (unit, _) in newest], [bits for _, (_, bits) in newest]


def _pack(values: array[int]) -> str:
    return b64encode(values.tobytes()).decode()


def _unpack(text: str) -> array[int]:
    values = array("Q")
    values.frombytes(b64decode(text))
    return values
